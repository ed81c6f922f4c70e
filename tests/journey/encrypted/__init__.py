"""Encrypted management rooms."""
