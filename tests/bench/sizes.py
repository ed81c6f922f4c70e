"""How much of everything: in full, and so little that a test can play it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of all parts."""

    repeats: int = 3
    engines: tuple[str, ...] = ("SQLite", "PostgreSQL")
    globs: tuple[int, ...] = (20, 1_000, 100_000)
    deciding: float = 0.2
    entries: int = 100_000
    looks: int = 500
    decisions: int = 10_000
    transactions: int = 300
    rooms_of_chatter: int = 50
    rooms_at_start: tuple[int, ...] = (100, 1_000)
    members: int = 50_000
    standing: int = 2_000
    counted: int = 40
    knocks: int = 200
    burst: int = 500
    burst_rooms: int = 20
    calibration: int = 60
    wave: int = 300
    before: str | None = None
    """Another checkout, whose knockbot takes part as well."""


QUICK = Sizes(
    repeats=1,
    engines=("SQLite",),
    globs=(20, 100),
    deciding=0.001,
    entries=20,
    looks=3,
    decisions=20,
    transactions=2,
    rooms_of_chatter=2,
    rooms_at_start=(2,),
    members=10,
    standing=3,
    counted=2,
    knocks=2,
    burst=4,
    burst_rooms=2,
    calibration=2,
    wave=52,
)
