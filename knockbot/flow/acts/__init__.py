"""How each kind of job is done and what follows from it, with one file for each kind of thing that is acted on."""
