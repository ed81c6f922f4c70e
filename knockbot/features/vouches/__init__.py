"""Vouches: members give their word for people who want to come in, and it falls with whoever gave it."""
