"""Knockbot keeps the door of Matrix rooms."""
