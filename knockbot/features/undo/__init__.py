"""Undo: an answer is taken back, as far as the room allows it: by the opposite act, with the power for that."""
