"""Rooms that are upgraded: the new room is found, asked about and protected."""
