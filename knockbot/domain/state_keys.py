"""State keys as they are stored: a state key may hold what no database accepts."""

from __future__ import annotations

import re
from typing import Final

from knockbot.documents.text import storable

LONGEST_STATE_KEY: Final = 255
"""Bytes that a state key can have (client-server API, "Size limits")."""

_WRITTEN: Final = "\ufffd"
"""The prefix of a state key that had to be encoded."""


def written(state_key: str) -> str:
    """A state key as it is stored; two of them are never stored alike."""
    if storable(state_key) == state_key and not state_key.startswith(_WRITTEN):
        return state_key
    return _WRITTEN + re.sub("[%\x00\ud800-\udfff]", lambda odd: f"%{ord(odd[0]):04X}", state_key)


def spoken(stored: str) -> str:
    """A state key as it is in the room, from its stored form."""
    if not stored.startswith(_WRITTEN):
        return stored
    return re.sub("%([0-9A-F]{4})", lambda odd: chr(int(odd[1], 16)), stored.removeprefix(_WRITTEN))
