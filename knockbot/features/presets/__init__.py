"""Presets: policies to begin with, offered when a room is protected."""
