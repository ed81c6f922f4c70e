"""Time zones by their names in the IANA database: the same on every machine, since a locked package brings them."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from knockbot.documents.reading import Path, found, text, unknown_word
from knockbot.errors import Fault

UTC = "UTC"


@lru_cache(maxsize=1)
def names() -> frozenset[str]:
    """Every name."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


@lru_cache(maxsize=1000)
def zone(name: str) -> ZoneInfo:
    """The zone with this name; it is read from its file once."""
    return ZoneInfo(name)


def read_zone(value: object, path: Path) -> str:
    """The name of a time zone."""
    name = text(value, path, 100)
    if name in names():
        zone(name)
        return name
    fault = unknown_word(name, sorted(names()), (), path, what="time zone")
    if "did you mean" in fault.message or "cannot be seen" in fault.message:
        raise fault
    raise Fault('expected the name of a time zone such as "Europe/Berlin", found {found}', path, found=found(name))
