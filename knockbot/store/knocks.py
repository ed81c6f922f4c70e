"""Single knocks and their reasons, to be counted: kept only as long as a rule can count them.

Each query stops at the number that it is asked to count to, and reads no more rows of an index than that in each room.
"""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.domain.ids import host_of, server_of
from knockbot.domain.model import Counting, Fact, Knock, Where
from knockbot.store.db import Tx
from knockbot.times import HOUR, MINUTE


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
            "INSERT INTO reasons (room_id, gist, user_id, at) SELECT room_id, CAST($4 AS TEXT), user_id, at "
            "FROM knocks WHERE room_id = $1 AND user_id = $2 AND event_id = $3 "
            "ON CONFLICT (room_id, gist, user_id) DO UPDATE SET at = excluded.at WHERE reasons.at < excluded.at",
            knock.room_id,
            knock.user_id,
            knock.event_id,
            gist,
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


@dataclass(frozen=True, slots=True)
class _Countable:
    """What is counted: in which table, whose rows, and which column tells one from another, or the knock itself."""

    table: str
    whose: str
    one: str

    @property
    def in_room(self) -> str:
        """Those of one room within a time, the newest first: read from an index in this order, as far as is asked."""
        return (
            f"SELECT {self.one} AS one FROM {self.table} WHERE room_id = $1 AND {self.whose} = $2 "
            f"AND at BETWEEN $3 AND $4 AND {self.one} <> $5 ORDER BY at DESC LIMIT $6"
        )

    @property
    def rooms(self) -> str:
        """The rooms with the same management room as one, in which there were any since a moment."""
        return (
            "SELECT room_id FROM rooms WHERE management_room = (SELECT management_room FROM rooms WHERE room_id = $1) "
            f"AND (SELECT at FROM {self.table} AS newest WHERE newest.room_id = rooms.room_id "
            f"AND newest.{self.whose} = $2 ORDER BY at DESC LIMIT 1) >= $3"
        )


COUNTABLE = {
    Fact.KNOCKS: _Countable("knocks", whose="user_id", one="event_id"),
    Fact.SERVER_KNOCKS: _Countable("knocks", whose="server", one="event_id"),
    Fact.SAME_REASON: _Countable("reasons", whose="gist", one="user_id"),
}


async def others(tx: Tx, counting: Counting, knock: Knock, gist: str | None, *, until: int, most: int) -> int:
    """How many there were up to a moment, beside this knock or its applicant; counted up to `most`."""
    counted, since = COUNTABLE[counting.fact], until - counting.within
    whose, this = {
        Fact.KNOCKS: (knock.user_id, knock.event_id),
        Fact.SERVER_KNOCKS: (_host(knock), knock.event_id),
        Fact.SAME_REASON: (gist or "", knock.user_id),
    }[counting.fact]
    rooms = [knock.room_id]
    if counting.where is Where.MANAGED:
        rooms = [row["room_id"] for row in await tx.fetch(counted.rooms, knock.room_id, whose, since)]
    found: set[str] = set()
    for room_id in rooms:
        if len(found) < most:
            rows = await tx.fetch(counted.in_room, room_id, whose, since, until, this, most)
            found |= {row["one"] for row in rows}
    return min(most, len(found))


async def applicants(tx: Tx, room_id: str, *, since: int, until: int, most: int) -> int:
    """How many people knocked at a room from one moment to another, each counted once; counted up to `most`."""
    rows = await tx.fetch(
        "SELECT DISTINCT user_id FROM knocks WHERE room_id = $1 AND at / 60000 BETWEEN $2 AND $3 "
        "AND at BETWEEN $4 AND $5 LIMIT $6",
        room_id,
        since // MINUTE,
        until // MINUTE,
        since,
        until,
        most,
    )
    return len(rows)


async def forget_old(tx: Tx, before: int) -> None:
    """Forget the knocks and reasons of the hours before a moment."""
    for table in ("knocks", "reasons"):
        await tx.execute(f"DELETE FROM {table} WHERE at / {HOUR} < $1", before // HOUR)


def _host(knock: Knock) -> str:
    """The applicant's server, as the criterion `server` compares it."""
    return host_of(server_of(knock.user_id)).lower()
