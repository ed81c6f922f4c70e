"""What people call rooms: their names, and also their IDs if a name could be mistaken for another room."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from knockbot.documents.text import NAME_LIMIT, shown
from knockbot.domain.lookalikes import close_keys

_TOLD_APART = re.compile(r"(?P<name>.*) \((?P<room_id>!.+)\)", re.DOTALL)


def labels(names: Mapping[str, str]) -> dict[str, str]:
    """What people call rooms, by room ID: the name, and also the ID if the name could be mistaken for another room."""
    looks = {room_id: close_keys(shown(name, NAME_LIMIT)) for room_id, name in names.items()}
    times = Counter(look for found in looks.values() for look in found)
    alike = {room_id for room_id, found in looks.items() if any(times[look] > 1 for look in found)}
    return {
        room_id: f"{name} ({room_id})" if room_id in alike or _shows_an_id(name, room_id, names) else name
        for room_id, name in names.items()
    }


def _shows_an_id(name: str, room_id: str, names: Mapping[str, str]) -> bool:
    """Whether a name shows the ID of another room, or ends as if it showed one."""
    if "!" not in name:
        return False  # as most names: hundreds of rooms need not be compared with each other
    return told_apart(name)[1] is not None or any(other in name for other in names if other != room_id)


def told_apart(label: str) -> tuple[str, str | None]:
    """The name in a label, and the ID that tells the room apart, if it shows one."""
    found = _TOLD_APART.fullmatch(label)
    return (found["name"], found["room_id"]) if found is not None else (label, None)
