"""Requests that are off the list for a time."""
