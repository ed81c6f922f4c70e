"""Knockbot keeps the door of Matrix rooms."""

__version__ = "0.2.0"
