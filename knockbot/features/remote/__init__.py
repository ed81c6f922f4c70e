"""Applicants of other servers: no homeserver tells them about a rejection, so the bot can do it."""
