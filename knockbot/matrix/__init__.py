"""The Matrix edge: what comes from the homeserver and what goes to it."""
