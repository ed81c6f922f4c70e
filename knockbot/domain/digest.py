"""A digest: what many pending requests have in common, counted, so that one message stands for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from knockbot.documents.text import gist
from knockbot.domain.ids import server_of
from knockbot.domain.model import State
from knockbot.domain.notices import Code, Letters, Many, Notice, Number, Stranger, because, listed, notice, numbered

SERVERS: Final = 5
"""Servers that a digest names."""

REASONS: Final = 3
"""Reasons that it names, each given by more than one applicant."""

REASON_LENGTH: Final = 60
"""Characters of a reason that it shows."""

NUMBERS: Final = 10
"""Requests that it names by their numbers."""


@dataclass(frozen=True, slots=True)
class InDigest:
    """One request of a digest that waits for an answer."""

    number: int
    user_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What a digest says of its requests."""

    waiting: int = 0
    servers: Sequence[tuple[str, int]] = ()
    """Those with the most, and how many of each."""
    other_servers: tuple[int, int] = (0, 0)
    """How many servers there are beside those, and how many requests of theirs."""
    reasons: Sequence[tuple[str, int]] = ()
    """What several of them wrote, and how many did."""
    numbers: Sequence[int] = ()
    """The first ones."""
    settled: Mapping[State, int] = field(default_factory=dict)
    """How many are over, by their outcome."""
    deferred: Sequence[int] = ()
    """The numbers of those that are off the list for now."""


def summed_up(
    waiting: Sequence[InDigest], settled: Mapping[State, int], *, more: int = 0, deferred: Sequence[int] = ()
) -> Summary:
    """Count requests, oldest first; `more` wait beside these."""
    by_server = Counter(server_of(one.user_id) for one in waiting).most_common()
    others = by_server[SERVERS:]
    return Summary(
        waiting=len(waiting) + more,
        servers=tuple(by_server[:SERVERS]),
        other_servers=(len(others), sum(count for _, count in others) + more),
        reasons=_same_reasons(waiting),
        numbers=tuple(one.number for one in waiting[:NUMBERS]),
        settled=settled,
        deferred=deferred,
    )


def _same_reasons(waiting: Iterable[InDigest]) -> tuple[tuple[str, int], ...]:
    """The reasons that several applicants gave, in whatever writing, as the first of them wrote it."""
    first: dict[str, str] = {}
    counted: Counter[str] = Counter()
    for one in waiting:
        same = gist(one.reason)
        if same:
            first.setdefault(same, one.reason)
            counted[same] += 1
    return tuple((first[same], count) for same, count in counted.most_common(REASONS) if count > 1)


def told(summary: Summary, *, hidden: bool) -> list[Notice]:
    """The lines of a digest about its requests; where reasons are `hidden`, none of them."""
    if not summary.waiting:
        lines = [notice("digest.nobody")]
    else:
        lines = [
            notice("digest.waiting", count=Number(summary.waiting)),
            notice("digest.servers", servers=_servers(summary)),
        ]
        if summary.reasons and not hidden:
            lines.append(notice("digest.reasons", reasons=_reasons(summary)))
        lines.append(notice("digest.numbers", numbers=_named(summary.numbers, summary.waiting)))
    if summary.deferred:
        lines.append(notice("digest.deferred", numbers=_named(summary.deferred[:NUMBERS], len(summary.deferred))))
    if summary.settled:
        lines.append(notice("digest.settled", outcomes=_settled(summary)))
    return lines


def how_to_answer(room_id: str) -> Notice:
    """How moderators answer what a digest stands for."""
    return notice(
        "digest.answer",
        list=Code(f"!kb list {room_id}"),
        one=Code("!kb accept N"),
        many=Code(f"!kb reject all {room_id}"),
    )


def _servers(summary: Summary) -> Many:
    named = [notice("digest.server", server=Letters(server), number=Number(count)) for server, count in summary.servers]
    servers, count = summary.other_servers
    if count:
        named.append(notice("digest.other_servers", count=Number(max(1, servers)), number=Number(count)))
    return listed(named)


def _reasons(summary: Summary) -> Many:
    return listed(
        notice("digest.reason", reason=Stranger(reason, REASON_LENGTH), number=Number(count))
        for reason, count in summary.reasons
    )


def _named(numbers: Sequence[int], count: int) -> Many:
    """The first of so many requests."""
    more = count - len(numbers)
    shown = [*numbered(numbers).items]
    return listed([*shown, notice("list.more", count=Number(more))] if more > 0 else shown)


def _settled(summary: Summary) -> Many:
    return listed(
        notice("digest.outcome", outcome=because(f"record.{state}"), number=Number(summary.settled[state]))
        for state in State
        if summary.settled.get(state)
    )
