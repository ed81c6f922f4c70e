"""Encrypted rooms: messages that wait for a key, and rooms in which the bot cannot speak."""
