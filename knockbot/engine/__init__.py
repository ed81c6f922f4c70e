"""Durable machinery that knows no feature: it handles events, writes down results and wakes loops."""
