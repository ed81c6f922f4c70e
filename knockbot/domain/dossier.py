"""The dossier of a card: a few short lines about the applicant that help to decide, and what each of them says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from knockbot.domain.model import Request, State
from knockbot.domain.notices import Arg, Choice, Duration, Letters, Notice, Number, Room, listed, notice
from knockbot.times import MINUTE


class Line(StrEnum):
    """What a line can be about, in the order in which a card shows them: warnings come first."""

    ON_LIST = "on_list"
    """A policy list that names the applicant, and does not decide."""
    LOOKALIKE = "lookalike"
    """Somebody with power in the room whom the applicant could be mistaken for."""
    NOTED = "noted"
    """What a moderator wrote about them on an earlier request, in the same management room."""
    DECIDED = "decided"
    """What was decided about them before, in the rooms managed from here."""
    ROOMS = "rooms"
    """The rooms managed from here that they are in."""
    SERVER = "server"
    """How many have knocked from their server of late."""


MOST_LINES: Final = 3
"""Lines that a card shows."""


def shortened(found: Mapping[Line, Notice | None]) -> tuple[Notice, ...]:
    """The lines that a card shows: the first few of those that say something."""
    said = [found.get(line) for line in Line]
    return tuple(line for line in said if line is not None)[:MOST_LINES]


# --- the rooms that they are in -------------------------------------------------------------------------------

ROOMS_NAMED: Final = 3
"""Rooms that the line names; the others are counted."""


def member_of(rooms: Sequence[Room]) -> Notice | None:
    """The rooms managed from here that somebody is in."""
    if not rooms:
        return None
    named: list[Arg] = [*rooms[:ROOMS_NAMED]]
    if len(rooms) > ROOMS_NAMED:
        named.append(notice("list.more", count=Number(len(rooms) - ROOMS_NAMED)))
    return notice("dossier.rooms", rooms=listed(named))


# --- what was decided before ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decided:
    """An earlier knock of the applicant that was decided: where, what it counts as, and since when."""

    request_id: int
    room_id: str
    counts_as: State
    counts_since: int


GROUPS: Final[Mapping[State, State]] = {
    State.ACCEPTED: State.ACCEPTED,
    State.JOINED: State.ACCEPTED,
    State.DECLINED: State.ACCEPTED,
    State.REJECTED: State.REJECTED,
    State.BANNED: State.BANNED,
}
"""What was decided, by what a knock counts as in the history of its applicant."""

MOST_DECIDED: Final = 50
"""Earlier decisions that are counted."""


def decided_before(
    found: Sequence[Decided], rooms: Mapping[str, Room], request: Request, shown: int | None = None
) -> Notice | None:
    """How many earlier knocks came to what, and the last one, unless that is the request `shown` on the card anyway;
    `found` is newest first, in these `rooms`."""
    here = [one for one in found if one.room_id in rooms]
    if not here:
        return None
    counts = Counter(GROUPS[one.counts_as] for one in here)
    last = max(here, key=lambda one: one.counts_since)
    each = listed(
        notice("dossier.count", state=Choice(state), count=Number(counts[state]))
        for state in dict.fromkeys(GROUPS.values())
        if counts[state]
    )
    if last.request_id == shown:
        return notice("dossier.counted", counts=each)
    since = request.opened_at - last.counts_since
    when = notice("time.earlier", time=Duration(since) if since >= MINUTE else notice("time.a_moment"))
    group = Choice(GROUPS[last.counts_as])
    return notice("dossier.decided", state=group, counts=each, room=rooms[last.room_id], when=when)


# --- their server ---------------------------------------------------------------------------------------------

WORTH_TELLING: Final = 3
"""Fewer knocks from a server, this one included, say nothing."""

MOST_COUNTED: Final = 1000
"""Knocks from a server that are counted."""


def from_server(server: str, count: int) -> Notice | None:
    """How many have knocked from a server of late, counted up to `MOST_COUNTED`."""
    if count < WORTH_TELLING:
        return None
    if count >= MOST_COUNTED:
        return notice("dossier.server_at_least", count=Number(count), server=Letters(server))
    return notice("dossier.server", count=Number(count), server=Letters(server))
