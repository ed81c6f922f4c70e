"""How each kind of job is done and what follows of it, a file for each kind of thing that is acted on."""
