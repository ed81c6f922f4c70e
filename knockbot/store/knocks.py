"""Single knocks and their reasons, to be counted: kept only as long as a rule can count them.

Each query stops at the number that it is asked to count to, and reads no more rows of an index than that in each room.
"""

from __future__ import annotations

from knockbot.domain.ids import host_of, server_of
from knockbot.domain.model import Counting, Fact, Knock, Where
from knockbot.store.db import Tx


async def add(tx: Tx, knock: Knock, gist: str | None, at: int) -> None:
    """Keep a knock; of one that is known already, the moment stays as it was. `gist` stands for its reason, if any."""
    await tx.execute(
        "INSERT INTO knocks (room_id, user_id, event_id, server, at) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (room_id, user_id, event_id) DO NOTHING",
        knock.room_id,
        knock.user_id,
        knock.event_id,
        _host(knock),
        at,
    )
    if gist is not None:
        await tx.execute(
            "INSERT INTO reasons (room_id, gist, user_id, at) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (room_id, gist, user_id) DO UPDATE SET at = $4 WHERE reasons.at < $4",
            knock.room_id,
            gist,
            knock.user_id,
            at,
        )


async def moment(tx: Tx, knock: Knock) -> int | None:
    """When a knock was made, if it is kept."""
    at = await tx.fetchval(
        "SELECT at FROM knocks WHERE room_id = $1 AND user_id = $2 AND event_id = $3",
        knock.room_id,
        knock.user_id,
        knock.event_id,
    )
    return int(at) if at is not None else None


_MANAGED = "FROM rooms WHERE management_room = (SELECT management_room FROM rooms WHERE room_id = $1)"

_ROOMS = {Where.HERE: "room_id = $1", Where.MANAGED: f"room_id IN (SELECT room_id {_MANAGED})"}

_FOUND = {
    Fact.KNOCKS: "SELECT 1 FROM knocks WHERE {rooms} AND user_id = $2 AND event_id <> $5",
    Fact.SERVER_KNOCKS: "SELECT 1 FROM knocks WHERE {rooms} AND server = $2 AND event_id <> $5",
    Fact.SAME_REASON: "SELECT user_id FROM reasons WHERE {rooms} AND gist = $2 AND user_id <> $5",
}


def _others(fact: Fact, where: Where) -> str:
    found = f"{_FOUND[fact].format(rooms=_ROOMS[where])} AND at BETWEEN $3 AND $4"
    if (fact, where) == (Fact.SAME_REASON, Where.MANAGED):
        # Somebody has one row in each room at most: among so many rows there are as many people as are asked for.
        enough = f"{found} LIMIT $6 * (SELECT count(*) {_MANAGED})"
        return f"SELECT count(DISTINCT user_id) FROM ({enough}) AS found"
    return f"SELECT count(*) FROM ({found} LIMIT $6) AS found"


OTHERS = {(fact, where): _others(fact, where) for fact in _FOUND for where in Where}
"""How many there were beside one knock, by what is counted and where: each is read from an index of its own."""


async def others(tx: Tx, counting: Counting, knock: Knock, gist: str | None, *, until: int, most: int) -> int:
    """How many there were up to a moment, beside this knock or its applicant; counted up to `most`."""
    whose, this = {
        Fact.KNOCKS: (knock.user_id, knock.event_id),
        Fact.SERVER_KNOCKS: (_host(knock), knock.event_id),
        Fact.SAME_REASON: (gist or "", knock.user_id),
    }[counting.fact]
    query = OTHERS[counting.fact, counting.where]
    found = await tx.fetchval(query, knock.room_id, whose, until - counting.within, until, this, most)
    return min(most, int(found))


async def forget_old(tx: Tx, before: int) -> None:
    """Forget the knocks and reasons of before a moment."""
    await tx.execute("DELETE FROM knocks WHERE at < $1", before)
    await tx.execute("DELETE FROM reasons WHERE at < $1", before)


def _host(knock: Knock) -> str:
    """The applicant's server, as the criterion `server` compares it."""
    return host_of(server_of(knock.user_id)).lower()
