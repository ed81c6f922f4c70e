"""Notes on requests, by moderators for each other."""
