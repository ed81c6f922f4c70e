"""Knockbot keeps the door of Matrix rooms."""

__version__ = "0.1.0"
