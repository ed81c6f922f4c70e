"""Durable machinery that knows no feature: what handles, writes down and wakes."""
