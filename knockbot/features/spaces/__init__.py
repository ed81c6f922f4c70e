"""Spaces that are protected with their rooms: the rooms are found, protected, and followed as the space changes."""
