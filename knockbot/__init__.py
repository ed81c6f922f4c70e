"""Knockbot answers join requests (knocks) in Matrix rooms."""

__version__ = "0.2.0"
