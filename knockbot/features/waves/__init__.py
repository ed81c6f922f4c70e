"""Waves: while many people knock at a room, rules accept nobody there, and one message stands for all of them."""
