"""Entries of policy lists for the benchmark: as lists of years have them, and as ill-natured ones might."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from typing import Any

from tests.bench.crowd import SERVER

BANS = f"!bans:{SERVER}"

Entity = tuple[str, str]
"""A kind, and what is listed."""


def _word(chance: random.Random, letters: int) -> str:
    return "".join(chance.choices(string.ascii_lowercase + string.digits, k=letters))


def half_globs(count: int) -> Iterator[Entity]:
    """Half of them to the letter, half with wildcards: all of a server, all below one, names that begin so."""
    chance = random.Random(1)
    kinds = (
        ("user", "@{0}:{1}.example"),
        ("user", "@*:{0}.example"),
        ("user", "@{0}:{1}.example"),
        ("server", "*.{0}.example"),
        ("user", "@{0}:{1}.example"),
        ("user", "@{0}*:{1}.example"),
        ("server", "{0}.example"),
        ("user", "@*{0}*:*"),
    )
    for number in range(count):
        kind, entity = kinds[number % len(kinds)]
        yield kind, entity.format(_word(chance, 9), _word(chance, 7))


def within(count: int) -> Iterator[Entity]:
    """Words that may be anywhere in a name."""
    chance = random.Random(2)
    return (("user", f"*{_word(chance, chance.randint(4, 12))}*") for _ in range(count))


def worst(count: int) -> Iterator[Entity]:
    """Nothing but single letters between wildcards: each has something in common with every name."""
    chance = random.Random(3)
    return (("user", "*" + "*".join(chance.choices(string.ascii_lowercase, k=6)) + "*0*") for _ in range(count))


KINDS: dict[str, Callable[[int], Iterator[Entity]]] = {
    "half of them globs": half_globs,
    "*word* only": within,
    "*a*b*c*d*e*f*0* only": worst,
}


def event(number: int, kind: str, entity: str) -> dict[str, Any]:
    """An entry as a homeserver tells it in the state of a room."""
    return {
        "type": f"m.policy.rule.{kind}",
        "room_id": BANS,
        "sender": f"@mod:{SERVER}",
        "state_key": f"rule:{entity}:{number}",
        "event_id": f"$entry-of-the-benchmark-{number:020}",
        "origin_server_ts": 1_790_000_000_000 + number,
        "content": {"entity": entity, "recommendation": "m.ban", "reason": "spam in several rooms, seen by mods"},
        "unsigned": {"age": 123_456_789},
    }
