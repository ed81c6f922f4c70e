"""The inbox: raw events as the homeserver handed them over, kept until handled, in order of arrival."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from knockbot.domain.lists import FAMILIES
from knockbot.domain.notices import Notice, dumps
from knockbot.store import encryption
from knockbot.store.db import Tx, listed, portions
from knockbot.store.rows import Row
from knockbot.times import WEEK

KEEP = WEEK
"""How long the ids of handled events are remembered, so that repeats are recognised, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event as it arrived: its id, its room, its JSON text, and whether it is encrypted."""

    event_id: str
    room_id: str
    raw: str
    sealed: bool = False
    encrypts: bool = False
    """Whether it says that its room is encrypted, which nothing undoes."""
    talk: bool = False
    """Whether it is a message in the room, encrypted or not; all else is about memberships and state of the room."""


@dataclass(frozen=True, slots=True)
class Queue:
    """What is handled in order: the memberships and state of a room, or the messages in it."""

    room_id: str
    talk: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """An arrival that waits to be handled; `attempts` counts the times that this failed."""

    seq: int
    event_id: str
    room_id: str
    raw: str
    received_at: int
    attempts: int
    sealed: bool = False
    session: str | None = None
    """The session whose key it waited for; by now the key is there, or the time is up."""
    asked: bool = False
    """Whether that key was asked for."""
    talk: bool = False
    own: bool = False
    """Whether the bot itself put it there."""

    @property
    def queue(self) -> Queue:
        """The queue it is handled in."""
        return Queue(self.room_id, self.talk)


_WAITING = Row(Waiting, "inbox")
_QUEUE = Row(Queue, "inbox")


async def store(tx: Tx, arrivals: Iterable[Arrival], now: int) -> None:
    """Keep each event that is not known yet; repeats are the rule, not the exception."""
    arrivals = list(arrivals)
    await encryption.note(tx, [a.room_id for a in arrivals if a.encrypts])
    await tx.executemany(
        "INSERT INTO inbox (event_id, room_id, raw, received_at, sealed, talk) VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT (event_id) DO NOTHING",
        [(a.event_id, a.room_id, a.raw, now, a.sealed, a.talk) for a in arrivals],
    )


async def add_own(tx: Tx, own: Iterable[tuple[str, str, str, int]], now: int) -> None:
    """Have things done in their room's turn; each has a key, the room, its JSON, and the time when it is due.

    A key is an event id of its own kind: what has the same key is done once.
    """
    await tx.executemany(
        "INSERT INTO inbox (event_id, room_id, raw, received_at, due_at, own) VALUES ($1, $2, $3, $4, $5, TRUE) "
        "ON CONFLICT (event_id) DO NOTHING",
        [(key, room_id, raw, now, due_at) for key, room_id, raw, due_at in own],
    )


async def has_own(tx: Tx, room_id: str, key: str = "") -> bool:
    """Whether something that the bot itself put there is still to be done in a room's turn; `key` is how its key
    begins."""
    row = await tx.fetchrow(
        "SELECT 1 FROM inbox WHERE room_id = $1 AND own AND handled_at IS NULL AND fault IS NULL "
        "AND substr(event_id, 1, $3) = $2 LIMIT 1",
        room_id,
        key,
        len(key),
    )
    return row is not None


async def entries_since(tx: Tx, room_id: str) -> int | None:
    """When the oldest entry of a policy list arrived that is not handled yet; none where there is none."""
    oldest = await tx.fetchval(oldest_entry("$1"), room_id)
    return int(oldest) if oldest is not None else None


_IS_ENTRY = " OR ".join(f"raw LIKE '%{family}%'" for family in FAMILIES)
"""What holds of every entry of a policy list as it arrived, and of little else."""


def oldest_entry(room_id: str) -> str:
    """The query for the same; the room is an expression, for queries around it."""
    return (
        f"SELECT min(received_at) FROM inbox WHERE room_id = {room_id} AND handled_at IS NULL AND fault IS NULL "
        f"AND NOT talk AND NOT own AND ({_IS_ENTRY})"
    )


async def has_own_of(tx: Tx, prefix: str, *, other_than: str) -> bool:
    """The same in all rooms, for those whose names begin like this, except one."""
    row = await tx.fetchrow(
        "SELECT 1 FROM inbox WHERE own AND handled_at IS NULL AND fault IS NULL AND event_id <> $1 "
        "AND substr(event_id, 1, $2) = $3 LIMIT 1",
        other_than,
        len(prefix),
        prefix,
    )
    return row is not None


_DUE = "handled_at IS NULL AND fault IS NULL AND (due_at IS NULL OR due_at <= $1)"


async def queues_waiting(tx: Tx, now: int = 0, *, keys: bool = True) -> list[Queue]:
    """The queues in which something waits, longest wait first; what waits for a key does so until its time is up.

    Without the bot's `keys`, those in which something encrypted is next are left to the process that has them.
    """
    rows = await tx.fetch(
        f"SELECT {_QUEUE.columns}, sealed FROM inbox "
        f"WHERE seq IN (SELECT min(seq) FROM inbox WHERE {_DUE} GROUP BY room_id, talk) ORDER BY seq",
        now,
    )
    return _QUEUE.all(row for row in rows if keys or not row["sealed"])


async def waiting(tx: Tx, room_id: str, limit: int = 100, *, now: int = 0, talk: bool | None = None) -> list[Waiting]:
    """What waits in one room, or in one of its two queues, in order of arrival."""
    which = "" if talk is None else f" AND talk = {'TRUE' if talk else 'FALSE'}"
    rows = await tx.fetch(
        f"{_WAITING.select} WHERE {_DUE} AND room_id = $2{which} ORDER BY seq LIMIT $3", now, room_id, limit
    )
    return _WAITING.all(rows)


async def wait_for_key(tx: Tx, event_id: str, sender: str, session: str, due_at: int, *, asked: bool) -> None:
    """Let an event wait for the key of its session, until `due_at` at the latest; the rest of its room goes on."""
    await tx.execute(
        "UPDATE inbox SET sender = $2, session = $3, due_at = $4, asked = $5 WHERE event_id = $1",
        event_id,
        sender,
        session,
        due_at,
        asked,
    )


async def without_key(tx: Tx, room_id: str, sender: str) -> int:
    """How many events of one sender in a room wait for keys."""
    return int(
        await tx.fetchval(
            "SELECT count(*) FROM inbox WHERE session IS NOT NULL AND handled_at IS NULL "
            "AND room_id = $1 AND sender = $2",
            room_id,
            sender,
        )
    )


async def is_asked_for(tx: Tx, room_id: str, sender: str, session: str) -> bool:
    """Whether this key was asked for, for another event that still waits for it."""
    return bool(
        await tx.fetchval(
            "SELECT count(*) FROM inbox WHERE session = $3 AND handled_at IS NULL AND room_id = $1 AND sender = $2 "
            "AND asked",
            room_id,
            sender,
            session,
        )
    )


async def latest(tx: Tx) -> int:
    """When the last event arrived, in any process; 0 for never."""
    newest = "SELECT received_at FROM inbox WHERE NOT own ORDER BY received_at DESC LIMIT 1"
    return int(await tx.fetchval(newest) or 0)


async def key_is_there(tx: Tx, session: str) -> None:
    """The key of a session has arrived: the events that wait for it are due."""
    await tx.execute("UPDATE inbox SET due_at = NULL WHERE session = $1 AND handled_at IS NULL", session)


async def hold(tx: Tx, event_id: str, room_id: str, user_id: str, *, until: int, now: int) -> None:
    """Let a knock wait instead of the knock of the same user that waits already, and no longer than that one."""
    row = await tx.fetchrow(
        "UPDATE inbox SET handled_at = $4, raw = NULL WHERE room_id = $1 AND held_for = $2 AND handled_at IS NULL "
        "AND event_id <> $3 RETURNING due_at",
        room_id,
        user_id,
        event_id,
        now,
    )
    due_at = row["due_at"] if row is not None else until
    await tx.execute("UPDATE inbox SET held_for = $2, due_at = $3 WHERE event_id = $1", event_id, user_id, due_at)


async def is_held(tx: Tx, event_id: str) -> bool:
    """Whether an event has been held back."""
    return await tx.fetchval("SELECT held_for FROM inbox WHERE event_id = $1", event_id) is not None


async def held(tx: Tx, room_id: str) -> set[str]:
    """Those whose knock at a room is held back."""
    rows = await tx.fetch(
        "SELECT held_for FROM inbox WHERE room_id = $1 AND held_for IS NOT NULL AND handled_at IS NULL", room_id
    )
    return {row["held_for"] for row in rows}


async def handled(tx: Tx, seq: int, now: int) -> bool:
    """Mark one event handled and forget its text; false if another process was quicker: then its work counts."""
    row = await tx.fetchrow(
        "UPDATE inbox SET handled_at = $2, raw = NULL WHERE seq = $1 AND handled_at IS NULL RETURNING seq", seq, now
    )
    return row is not None


async def waits(tx: Tx, event_id: str) -> bool:
    """Whether this event has arrived and is still to be handled."""
    row = await tx.fetchrow(
        "SELECT 1 FROM inbox WHERE event_id = $1 AND handled_at IS NULL AND fault IS NULL", event_id
    )
    return row is not None


async def is_said(tx: Tx, event_id: str, room_id: str) -> bool:
    """Whether this is a message in a room that waits to be handled."""
    row = await tx.fetchrow(
        "SELECT 1 FROM inbox WHERE event_id = $1 AND room_id = $2 AND talk AND handled_at IS NULL", event_id, room_id
    )
    return row is not None


async def not_to_be_heard(tx: Tx, event_id: str, room_id: str, now: int) -> None:
    """A message is not to be handled any more, if it still waits; where a process handles it now, wait for that."""
    await tx.execute(
        "UPDATE inbox SET handled_at = $3, raw = NULL WHERE event_id = $1 AND room_id = $2 AND talk "
        "AND handled_at IS NULL",
        event_id,
        room_id,
        now,
    )


async def let_wait(tx: Tx, event_id: str, until: int | None) -> bool:
    """Let an event wait `until` then, while the rest of its room goes on; without `until` it is due at once.

    False where it does not wait to be handled: it came in no transaction, or long ago.
    """
    row = await tx.fetchrow(
        "UPDATE inbox SET due_at = $2 WHERE event_id = $1 AND handled_at IS NULL RETURNING seq", event_id, until
    )
    return row is not None


async def failed(tx: Tx, seq: int) -> int:
    """Count a failed attempt; returns how many there were."""
    attempts = await tx.fetchval("UPDATE inbox SET attempts = attempts + 1 WHERE seq = $1 RETURNING attempts", seq)
    return int(attempts)


async def set_aside(tx: Tx, seq: int, fault: Notice) -> None:
    """Set an event aside that cannot be handled, so that the rest goes on; its text stays for the operator."""
    await tx.execute("UPDATE inbox SET fault = $2 WHERE seq = $1", seq, dumps(fault))


async def forget_old(tx: Tx, now: int) -> None:
    """Delete what was handled or set aside so long ago that no repeats can come."""
    await tx.execute(
        "DELETE FROM inbox WHERE received_at < $1 AND (handled_at IS NOT NULL OR fault IS NOT NULL)", now - KEEP
    )


@dataclass(frozen=True, slots=True)
class Came:
    """The arrival of an event: its number in the order of arrival, and when, by our own clock."""

    order: int
    at: int


_CAME = Row(Came, "inbox", order="seq", at="received_at")


async def came(tx: Tx, event_id: str) -> Came | None:
    """The arrival of this event; none if it did not arrive, or did long ago."""
    return _CAME.maybe(await tx.fetchrow(f"{_CAME.select} WHERE event_id = $1", event_id))


async def has_come_to(tx: Tx, room_id: str, event_id: str) -> bool:
    """Whether this event arrived in this room; not if that was long ago."""
    row = await tx.fetchrow("SELECT 1 FROM inbox WHERE event_id = $1 AND room_id = $2", event_id, room_id)
    return row is not None


async def take(tx: Tx, event_id: str, room_id: str, now: int) -> bool:
    """Mark an event handled that was read in its room: when the homeserver sends it later, it is a repeat.

    False where the homeserver has sent it already.
    """
    row = await tx.fetchrow(
        "INSERT INTO inbox (event_id, room_id, received_at, handled_at) VALUES ($1, $2, $3, $3) "
        "ON CONFLICT (event_id) DO NOTHING RETURNING seq",
        event_id,
        room_id,
        now,
    )
    return row is not None


async def is_known(tx: Tx, event_id: str) -> bool:
    """Whether this event has arrived, handled or not."""
    return await tx.fetchrow("SELECT 1 FROM inbox WHERE event_id = $1", event_id) is not None


async def known(tx: Tx, event_ids: Sequence[str]) -> frozenset[str]:
    """Those of these events that have arrived, handled or not."""
    found: set[str] = set()
    for some in portions(event_ids):
        rows = await tx.fetch(f"SELECT event_id FROM inbox WHERE event_id IN ({listed(some)})", *some)
        found |= {row["event_id"] for row in rows}
    return frozenset(found)


async def counts(tx: Tx) -> tuple[int, int]:
    """How many events wait, and how many are set aside."""
    row = await tx.fetchrow(
        "SELECT count(*) FILTER (WHERE fault IS NULL) AS waiting, count(*) FILTER (WHERE fault IS NOT NULL) AS aside "
        "FROM inbox WHERE handled_at IS NULL"
    )
    assert row is not None  # an aggregate without GROUP BY always gives one row
    return row["waiting"], row["aside"]
