"""Part 5: what a decision takes, and how that grows with the globs that the rules hold."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from knockbot.domain.model import Facts, Knock
from knockbot.domain.policy import Policy, decide, parse_policy
from tests.bench.figures import Row, Table, median
from tests.bench.sizes import Sizes

SCANNED = 10
"""Globs with a wildcard at both ends, in each size: whatever else they hold, they have to be looked through."""

MANY_SCANNED = 1_000

FACTS = Facts(home="tulip.example")

STRANGER = Knock("!garden:tulip.example", "@ana_1984:matrix.rose.example", "$knock", "please")
"""Somebody whom no glob fits, so that all are held against them."""


def users(count: int) -> Iterator[str]:
    """Globs for users, as bans of years make them: to the letter, of a server, of a name anywhere."""
    kinds = (
        "@trouble{}:daisy.example",
        "@bad.{}:lily.example",
        "@spam{}:many.example",
        "@*:evil{}.example",
        "@flood{}_*",
    )
    return (kinds[number % len(kinds)].format(number) for number in range(count))


def servers(count: int) -> Iterator[str]:
    """Globs for servers: to the letter, and with all below them."""
    kinds = ("evil{}.example", "*.evil{}.example")
    return (kinds[number % len(kinds)].format(number) for number in range(count))


def scanned(count: int) -> Iterator[str]:
    """Globs that begin and end with a wildcard."""
    return (f"*casino{number}*" for number in range(count))


def policy(count: int, to_scan: int = SCANNED) -> Policy:
    """A policy with so many globs in all, in three rules."""
    rest = count - to_scan
    return parse_policy(
        {
            "rules": [
                _rule("user", users(rest * 3 // 5)),
                _rule("server", servers(rest - rest * 3 // 5)),
                _rule("user", scanned(to_scan)),
            ],
            "otherwise": "forward",
        }
    )


def _rule(criterion: str, globs: Iterator[str]) -> dict[str, Any]:
    return {"when": {criterion: list(globs)}, "then": "ban"}


def decision(judged_by: Policy, at_least: float) -> float:
    """Seconds that one decision takes, by deciding over and over for at least so many seconds."""
    times, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < at_least or not times:
        decide(STRANGER, FACTS, judged_by)
        times += 1
    return took / times


async def run(sizes: Sizes) -> list[Table]:
    """A table with a row for each size, and one for many globs that have to be looked through."""
    wanted = [(count, SCANNED) for count in sizes.globs]
    policies = []
    for count, to_scan in [*wanted, (sizes.globs[-1], min(MANY_SCANNED, sizes.globs[-1] // 2))]:
        began = time.perf_counter()
        policies.append((count, to_scan, policy(count, to_scan), time.perf_counter() - began))
    took = [[decision(made, sizes.deciding) for _, _, made, _ in policies] for _ in range(sizes.repeats)]
    rows: list[Row] = []
    for place, (count, to_scan, _, compiling) in enumerate(policies):
        seconds = median([one[place] for one in took])
        reference = median([one[min(1, len(sizes.globs) - 1)] for one in took])
        rows.append(
            {
                "globs": count,
                "with a wildcard at both ends": to_scan,
                "µs a decision": seconds * 1e6,
                "× that of the second row": seconds / reference,
                "ms to compile": compiling * 1000,
            }
        )
    return [Table("decide", "Deciding (somebody whom no glob fits)", rows)]
