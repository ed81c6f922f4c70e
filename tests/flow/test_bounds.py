"""Commands with dates, numbers, patterns and texts at their bounds: each gets a reply; none is more than refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import product

import pytest

from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ANA

LONG = "x" * 64_000

DAYS = [
    "9999-12-31",
    "10000-01-01",
    "0000-00-00",
    "0001-01-01",
    "-1",
    "2026-02-30",
    "１９９９-01-01",
    "2027-01-31T00:00",
]
NUMBERS = ["0", "-1", "00", str(10**20), str(2**63), str(2**63 - 1), "1e9", "٣", "²", "NaN", "inf", "1_000", "9" * 5000]
SPANS = [*(f"{number}d" for number in NUMBERS), f"{10**20}w", "0s", "30", "1.5d", "d", "∞d"]
TEXTS = [
    "",
    "\0",
    "a\0b",
    "\ud800",
    "\ud83d",
    "\u202e",
    "{why}",
    "%s",
    "$1",
    "'; --",
    "<b>",
    "```",
    "\r",
    "\x85",
    LONG,
    "@",
    "!",
    "#",
    "*",
    "@:",
]

POLICIES = [
    *(f"rules: [{{when: {{knocks: {{more_than: {number}, within: 1d}}}}, then: forward}}]" for number in NUMBERS),
    *(f"rules: [{{when: {{same_reason: {{more_than: 1, within: {span}}}}}, then: forward}}]" for span in SPANS),
    *(f"rules: [{{when: {{first_seen_at_least: {span}}}, then: forward}}]" for span in SPANS),
    *(
        f"rules: [{{when: {{time: {{from: '{one}', to: '07:00'}}}}, then: forward}}]"
        for one in ["24:00", "-1:00", "00:60", "٠٠:٠٠", "7", ""]
    ),
    *(
        f"rules: [{{when: {{reason_matches: '{one}'}}, then: forward}}]"
        for one in ["(a{1000}){1000}", "(" * 2000, "\\\\C", "a{1001}", "[", LONG]
    ),
    *(f"timezone: '{one}'" for one in ["../../etc/passwd", "Europe/\\0", "", LONG, "UTC\\n", "/dev/zero", "."]),
    *(
        f"lists: [{{room: '{one}', name: a, then: ban}}]"
        for one in ["#", "!", "#a:" + LONG, "!x:\\0", "https://matrix.to/#/%00", "@a:b"]
    ),
    *(f"also_invite: ['{one}']" for one in ["", "#", "children\\0", "!" + LONG]),
    "lists: [" + "{room: '!a:b', name: a}, " * 500 + "]",
    "inherit: 99999999999999999999",
    "dry_run: [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
]

COMMANDS = [
    *(f"allow {ANA} until {day}" for day in DAYS),
    *(f"allow until {day} {text}\n{ANA}" for day, text in product(DAYS[:3], TEXTS[:4])),
    *(
        f"{verb} {text}"
        for verb, text in product(
            ["allow", "disallow", "allowed", "policy use", "lists", "protect", "unprotect", "test"], TEXTS
        )
    ),
    *(f"{verb} @a{text}:b.c" for verb, text in product(["allow", "disallow", "test"], TEXTS)),
    *(f"policy try {GARDEN} {span}\notherwise: accept" for span in SPANS),
    *(f"policy use {number} {GARDEN}" for number in NUMBERS),
    *(f"{verb} {number}" for verb, number in product(["allowed", "show", "log", "list"], NUMBERS)),
    *(f"policy try {GARDEN}\n{policy}" for policy in POLICIES),
    *(f"policy set {GARDEN}\n{policy}" for policy in POLICIES),
    *(f"protect {text} with rooms" for text in TEXTS),
]


def batches(size: int) -> Iterator[list[str]]:
    """The commands, some at a time."""
    for start in range(0, len(COMMANDS), size):
        yield COMMANDS[start : start + size]


@pytest.mark.parametrize("batch", [*batches(60)])
async def test_a_command_at_the_bounds_is_answered_and_never_set_aside(
    house: House, batch: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    for command in batch:
        before = len(house.world.rooms[MODS].said)
        house.tell(command)
        await house.live()
        assert await house.set_aside() == [], command[:200]
        assert caplog.records == [], command[:200]
        assert len(house.world.rooms[MODS].said) > before + 1, f"no reply to {command[:200]!r}"
