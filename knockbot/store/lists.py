"""Policy lists: the rooms that are followed as lists, and their entries.

Each change of a list has a number, its version. A row says from which version on its entry stands, and, once it is
gone, at which version it went: so each process can take in what others have changed (`features/lists/matching.py`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeAlias

from knockbot.domain.lists import EntityKind, Entry, Subject, Unusable
from knockbot.domain.model import ListChange, Redaction
from knockbot.domain.notices import Notice, dumps, loads
from knockbot.domain.writers import Writers
from knockbot.store import inbox
from knockbot.store.db import Tx, for_update, listed, portions
from knockbot.store.rows import Column, Row, optional

PORTION: Final = 500
"""Rows that are written or read at once: a transaction with them takes some milliseconds."""


@dataclass(frozen=True, slots=True)
class ListState:
    """A room that is followed as a policy list, and what of it there is to know: all that a decision asks."""

    room_id: str
    since: int
    """When it began to be followed: numbers of versions are of this time."""
    read_at: int | None
    """When its whole state was read last: when that began, since what came later may not be in it. None until it was
    read once: then nobody knows what the list says."""
    version: int
    """The number of its last change."""
    pruned: int
    """Up to which version the rows of entries that went are no longer here."""
    trouble: Notice | None = None
    """Why it cannot be followed now; what is known of it stays in force."""

    def has_missed_since(self, started: int) -> bool:
        """Whether it was read before this process started, and not since: it may have changed while the bot was away.

        Whoever trusts a list asks this, and whoever uses one has it read for as long as it is so. A list that cannot be
        followed has to be trusted as it is.
        """
        return self.trouble is None and self.read_at is not None and self.read_at < started


@dataclass(frozen=True, slots=True)
class ListRoom(ListState):
    """The same with what was told of it."""

    changed_at: int | None = None
    """When its entries changed last, as far as this was noticed."""
    told_version: int = 0
    """Up to which version it was looked at what changes of it mean for requests."""
    told_entries: int = 0
    """How many usable entries it had then."""
    writers: Writers | None = None
    """Who could write entries when that was looked at last; none before."""


def _writers(text: str) -> Writers:
    everybody, users = json.loads(text)
    return Writers(everybody, frozenset(users))


_LIST = Row(ListRoom, "list_rooms", writers=Column("writers_json", optional(_writers)))
_STATE = Row(ListState, "list_rooms")


Place: TypeAlias = tuple[int, int]
"""A place in the order in which entries came, or went: a version, and a row."""


def end_of(version: int) -> Place:
    """The place after everything that came or went with a version."""
    return version, 2**62


# --- the rooms --------------------------------------------------------------------------------------------------


async def follow(tx: Tx, room_id: str, now: int) -> bool:
    """Follow a room as a list from now on; true if it was not followed: then it has to be read."""
    row = await tx.fetchrow(
        "INSERT INTO list_rooms (room_id, since) VALUES ($1, $2) ON CONFLICT (room_id) DO UPDATE SET "
        "followed = TRUE, since = $2, read_at = NULL, version = list_rooms.version + 1, "
        "pruned = list_rooms.version + 1, changed_at = NULL, told_version = 0, told_entries = 0, "
        "writers_json = NULL, trouble = NULL WHERE NOT list_rooms.followed RETURNING room_id",
        room_id,
        now,
    )
    return row is not None


async def unfollow(tx: Tx, room_id: str) -> None:
    """Follow a room no more. Its entries are left to `sweep`: there may be many."""
    await tx.execute("UPDATE list_rooms SET followed = FALSE WHERE room_id = $1", room_id)


async def sweep(tx: Tx) -> bool:
    """Delete some entries of lists that are not followed any more; true if there may be more of them."""
    room_id = await tx.fetchval("SELECT room_id FROM list_rooms WHERE NOT followed ORDER BY room_id LIMIT 1")
    if room_id is None:
        return False
    some = await tx.fetch("SELECT id FROM list_entries WHERE room_id = $1 LIMIT $2", room_id, PORTION)
    if some:
        await _delete(tx, [row["id"] for row in some])
    else:
        await tx.execute("DELETE FROM list_rooms WHERE room_id = $1 AND NOT followed", room_id)
    return True


async def find(tx: Tx, room_id: str) -> ListRoom | None:
    """A list that is followed."""
    return _LIST.maybe(await tx.fetchrow(f"{_LIST.select} WHERE room_id = $1 AND followed", room_id))


@dataclass(frozen=True, slots=True)
class ListNow:
    """A list that a policy names, at one moment."""

    pinned: str | None
    """The room that its name is pinned to, where it is."""
    room: ListState | None
    """None where it is not followed, or not known which room it is."""
    arrived: int | None
    """When the oldest of its entries arrived that are not taken in yet; none where all are."""


async def as_named(tx: Tx, place: str, names: Sequence[str]) -> dict[str, ListNow]:
    """The lists that a policy names: all that a decision asks of them before memory, by one statement.

    `place` is that of the policy's pins. Version and arrivals are of one moment: what was taken in counts in the
    version, and what was not has arrived.
    """
    rows = await tx.fetch(_as_named(len(names)), place, *names) if names else []
    return {row["name"]: ListNow(row["pinned"], _followed(row), row["arrived"]) for row in rows}


def _followed(row: Any) -> ListState | None:
    return _STATE.one(row) if row["room_id"] is not None else None


@lru_cache
def _as_named(count: int) -> str:
    said = " UNION ALL ".join(f"SELECT CAST(${place} AS TEXT) AS name" for place in range(2, count + 2))
    pinned = "SELECT pins.room_id FROM pins WHERE pins.place = $1 AND pins.name = said.name"
    return (
        f"SELECT named.name, named.pinned, ({inbox.oldest_entry('list_rooms.room_id')}) AS arrived, {_STATE.columns} "
        f"FROM (SELECT said.name, ({pinned}) AS pinned FROM ({said}) AS said) AS named "
        "LEFT JOIN list_rooms ON list_rooms.room_id = coalesce(named.pinned, named.name) AND list_rooms.followed"
    )


async def all_lists(tx: Tx) -> list[ListRoom]:
    """Every list that is followed."""
    return _LIST.all(await tx.fetch(f"{_LIST.select} WHERE followed ORDER BY room_id"))


async def followed(tx: Tx) -> frozenset[str]:
    """The rooms that are followed as lists."""
    return frozenset(row["room_id"] for row in await tx.fetch("SELECT room_id FROM list_rooms WHERE followed"))


async def still_at(tx: Tx, room_id: str, version: int) -> bool:
    """Whether a list is still at a version; nobody changes it before this transaction ends."""
    row = await tx.fetchrow(
        f"SELECT version FROM list_rooms WHERE room_id = $1 AND followed AND read_at IS NOT NULL{for_update(tx)}",
        room_id,
    )
    return row is not None and row["version"] == version


async def told(tx: Tx, room_id: str, *, version: int, entries: int, changed_at: int | None) -> None:
    """Note up to which version it was looked at what the changes of a list mean, and what it had then."""
    await tx.execute(
        "UPDATE list_rooms SET told_version = $2, told_entries = $3, changed_at = coalesce($4, changed_at) "
        "WHERE room_id = $1",
        room_id,
        version,
        entries,
        changed_at,
    )


async def set_writers(tx: Tx, room_id: str, writers: Writers) -> None:
    """Note who can write entries of a list."""
    written = json.dumps([writers.everybody, sorted(writers.users)])
    await tx.execute("UPDATE list_rooms SET writers_json = $2 WHERE room_id = $1", room_id, written)


async def set_trouble(tx: Tx, room_id: str, trouble: Notice | None) -> bool:
    """Note why a list cannot be followed now, or that it can; true if that is news."""
    row = await tx.fetchrow(
        "UPDATE list_rooms SET trouble = $2 WHERE room_id = $1 AND followed "
        "AND coalesce(trouble, '') <> coalesce($2, '') RETURNING room_id",
        room_id,
        dumps(trouble) if trouble is not None else None,
    )
    return row is not None


# --- one change -------------------------------------------------------------------------------------------------


async def put(tx: Tx, change: ListChange) -> bool:
    """Set or remove an entry; false if that is known already, or its room is not followed."""
    is_read = await _hold(tx, change.room_id)
    if is_read is None:
        return False
    known = await _standing(tx, change.room_id, [change.key])
    if await _put_all(tx, change.room_id, [change], known):
        return True
    if is_read and change.now is None:
        await _leave_mark(tx, change.room_id, change.key, change.event_id, change.sender)
    return False


async def redact(tx: Tx, redaction: Redaction) -> bool:
    """Remove the entry that an event has set, which has lost its content; false if no entry stands that it has set."""
    is_read = await _hold(tx, redaction.room_id)
    if is_read is None:
        return False
    key = await by_event(tx, redaction.room_id, redaction.redacts)
    if key is not None:
        known = await _standing(tx, redaction.room_id, [key])
        gone = ListChange(redaction.room_id, redaction.event_id, redaction.sender, key, None)
        return await _put_all(tx, redaction.room_id, [gone], known)
    if is_read:
        await _leave_mark(tx, redaction.room_id, _redacted(redaction.redacts), redaction.event_id, redaction.sender)
    return False


def _redacted(event_id: str) -> str:
    """The key of a mark that an event was redacted; no entry has such a key."""
    return f"redacted {event_id}"


async def _hold(tx: Tx, room_id: str) -> bool | None:
    """Whether a list is being read; others that change it wait. `None` if it is not followed."""
    row = await tx.fetchrow(f"SELECT is_read FROM list_rooms WHERE room_id = $1 AND followed{for_update(tx)}", room_id)
    return bool(row["is_read"]) if row is not None else None


async def by_event(tx: Tx, room_id: str, event_id: str) -> str | None:
    """The name of the entry that an event has set, if it is still the one that stands."""
    key = await tx.fetchval(BY_EVENT, room_id, event_id)
    return str(key) if key is not None else None


BY_EVENT: Final = "SELECT key FROM list_entries WHERE room_id = $1 AND event_id = $2 AND gone_at IS NULL"


async def _leave_mark(tx: Tx, room_id: str, key: str, event_id: str, sender: str) -> None:
    """What went is not known yet: a reading that has still seen it must not bring it back."""
    version = await _next_version(tx, room_id)
    await tx.execute(
        "INSERT INTO list_entries (room_id, key, kind, subject, reason, event_id, sender, everything, version, "
        "gone_at) VALUES ($1, $2, '', '', '', $3, $4, FALSE, $5, $5)",
        room_id,
        key,
        event_id,
        sender,
        version,
    )


async def _put_all(tx: Tx, room_id: str, changes: Sequence[ListChange], known: Mapping[str, _Standing]) -> bool:
    """Set or remove entries, of which these are known; false if nothing changed by that."""
    news = [change for change in changes if _is_news(change, known.get(change.key))]
    version = await _next_version(tx, room_id) if news else None
    if version is None:
        return False
    replaced = [known[change.key].id for change in news if change.key in known]
    await _remove(tx, replaced, version)
    await tx.executemany(_INSERT, [_row(room_id, change.now, version) for change in news if change.now is not None])
    return True


@dataclass(frozen=True, slots=True)
class _Standing:
    id: int
    key: str
    event_id: str
    version: int


_STANDING = Row(_Standing, "list_entries")


async def _standing(tx: Tx, room_id: str, keys: Sequence[str]) -> dict[str, _Standing]:
    found: dict[str, _Standing] = {}
    for some in portions(keys):
        rows = await tx.fetch(
            f"{_STANDING.select} WHERE room_id = $1 AND gone_at IS NULL AND key IN ({listed(some, 2)})", room_id, *some
        )
        found |= {one.key: one for one in _STANDING.all(rows)}
    return found


def _is_news(change: ListChange, known: _Standing | None) -> bool:
    """Whether a change differs from what stands; one event always says the same, unless it was redacted."""
    if known is None or change.now is None:
        return (known is None) is not (change.now is None)
    return known.event_id != change.event_id


async def _next_version(tx: Tx, room_id: str) -> int | None:
    """The number of the next change; others wait for its commit. `None` if the room is not followed."""
    version = await tx.fetchval(
        "UPDATE list_rooms SET version = version + 1 WHERE room_id = $1 AND followed RETURNING version", room_id
    )
    return int(version) if version is not None else None


async def _remove(tx: Tx, ids: Sequence[int], version: int) -> None:
    for some in portions(ids):
        await tx.execute(f"UPDATE list_entries SET gone_at = $1 WHERE id IN ({listed(some, 2)})", version, *some)


_INSERT = (
    "INSERT INTO list_entries (room_id, key, kind, subject, entity, sha256, recommendation, reason, event_id, sender, "
    "everything, why, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
)


def _row(room_id: str, now: Entry | Unusable, version: int) -> tuple[object, ...]:
    if isinstance(now, Unusable):
        parts: tuple[object, ...] = ("", "", None, None, None, "", now.event_id, now.sender, False, dumps(now.why))
    else:
        kind, text = now.subject
        about = (kind, text, now.entity, now.sha256, now.recommendation, now.reason)
        parts = (*about, now.event_id, now.sender, now.everything, None)
    return room_id, now.key, *parts, version


# --- reading a whole list ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class Reading:
    """A reading of a whole list, from its begin to its end; a newer one of the same list takes its place."""

    room_id: str
    number: int
    version: int
    """The version at its begin. What events have changed since is left as it is: they are newer than the state that
    the homeserver was asked for after that."""
    seen: set[int] = field(default_factory=set)
    """The entries that it has seen, by the hash of their key: Python's own, which nobody can foresee."""
    after: Place = (0, 0)
    """Up to which place was looked for entries that it has not seen."""


class Overtaken(Exception):
    """Somebody else has begun to read this list, or it is not followed any more."""


async def begin(tx: Tx, room_id: str) -> Reading:
    """Begin to read a list, before the homeserver is asked for it. Raises `Overtaken` if it is not followed."""
    row = await tx.fetchrow(
        "UPDATE list_rooms SET reading = reading + 1, is_read = TRUE WHERE room_id = $1 AND followed "
        "RETURNING reading, version",
        room_id,
    )
    if row is None:
        raise Overtaken
    return Reading(room_id, row["reading"], row["version"])


async def take_in(tx: Tx, reading: Reading, portion: Sequence[ListChange]) -> None:
    """Keep entries that a reading has found, at most `PORTION`. Raises `Overtaken`.

    State has each key once. A homeserver that tells one twice must not stop the reading: then the first counts.
    """
    await _insist(tx, reading)
    portion = list({change.key: change for change in reversed(portion)}.values())[::-1]
    known = await _standing(tx, reading.room_id, [change.key for change in portion])
    gone = await _gone_since(tx, reading, [key for one in portion for key in (one.key, _redacted(one.event_id))])
    newer = gone | {key for key, one in known.items() if one.version > reading.version}
    as_read = [one for one in portion if not {one.key, _redacted(one.event_id)} & newer]
    await _put_all(tx, reading.room_id, as_read, known)
    reading.seen |= {hash(change.key) for change in portion if change.now is not None}


async def _gone_since(tx: Tx, reading: Reading, keys: Sequence[str]) -> set[str]:
    """The entries that events have removed since a reading began, and the marks of redacted events."""
    found: set[str] = set()
    for some in portions(keys):
        rows = await tx.fetch(
            f"SELECT key FROM list_entries WHERE room_id = $1 AND gone_at > $2 AND key IN ({listed(some, 3)})",
            reading.room_id,
            reading.version,
            *some,
        )
        found |= {row["key"] for row in rows}
    return found


async def remove_unseen(tx: Tx, reading: Reading) -> bool:
    """Remove entries that a reading has not seen; true if there may be more of them. Raises `Overtaken`."""
    await _insist(tx, reading)
    rows = await tx.fetch(TO_BE_SEEN, reading.room_id, reading.version, *reading.after, PORTION)
    unseen = [row["id"] for row in rows if hash(row["key"]) not in reading.seen]
    if unseen and (version := await _next_version(tx, reading.room_id)) is not None:
        await _remove(tx, unseen, version)
    reading.after = (rows[-1]["version"], rows[-1]["id"]) if rows else reading.after
    return len(rows) == PORTION


TO_BE_SEEN: Final = (
    "SELECT version, id, key FROM list_entries WHERE room_id = $1 AND gone_at IS NULL AND version <= $2 "
    "AND (version, id) > ($3, $4) ORDER BY version, id LIMIT $5"
)


async def finish(tx: Tx, reading: Reading, began: int) -> None:
    """The list is read, as it was when that began: what was missed since is not in it. Raises `Overtaken`."""
    await _insist(tx, reading)
    await tx.execute(
        "UPDATE list_rooms SET read_at = $2, is_read = FALSE, pruned = $3 WHERE room_id = $1",
        reading.room_id,
        began,
        reading.version,
    )


async def prune(tx: Tx, reading: Reading) -> bool:
    """Delete rows of entries that went before a reading which is finished; true if there may be more of them."""
    rows = await tx.fetch(
        "SELECT id FROM list_entries WHERE room_id = $1 AND gone_at <= $2 LIMIT $3",
        reading.room_id,
        reading.version,
        PORTION,
    )
    await _delete(tx, [row["id"] for row in rows])
    return len(rows) == PORTION


async def _delete(tx: Tx, ids: Sequence[int]) -> None:
    for some in portions(ids):
        await tx.execute(f"DELETE FROM list_entries WHERE id IN ({listed(some)})", *some)


async def _insist(tx: Tx, reading: Reading) -> None:
    """Raises `Overtaken` unless this is the newest reading; nobody begins another before this transaction ends."""
    number = await tx.fetchval(
        f"SELECT reading FROM list_rooms WHERE room_id = $1 AND followed{for_update(tx)}", reading.room_id
    )
    if number != reading.number:
        raise Overtaken


# --- what it says -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """An entry as it is held in memory: only whom it is about."""

    id: int
    at: int
    """The version with which it came, or went."""
    kind: EntityKind
    text: str
    everything: bool

    @property
    def subject(self) -> Subject:
        """Whom it is about."""
        return self.kind, self.text

    @property
    def place(self) -> Place:
        """Where it is in the order."""
        return self.at, self.id


_CAME = Row(Held, "list_entries", text="subject", at=Column("version AS at"))
_WENT = Row(Held, "list_entries", text="subject", at=Column("gone_at AS at"))


async def came(tx: Tx, room_id: str, since: int, version: int, after: Place | None = None) -> list[Held]:
    """Usable entries that came after the version `since`, and stood at `version`; all that stood, if `since` is 0.

    The next `PORTION` of them, in their order.
    """
    return _CAME.all(await tx.fetch(CAME, room_id, version, *(after or end_of(since)), PORTION))


CAME: Final = (
    f"{_CAME.select} WHERE room_id = $1 AND kind <> '' AND version <= $2 AND (gone_at IS NULL OR gone_at > $2) "
    "AND (version, id) > ($3, $4) ORDER BY version, id LIMIT $5"
)


async def went(tx: Tx, room_id: str, since: int, version: int, after: Place | None = None) -> list[Held]:
    """The same for those that stood at the version `since`, and did not stand at `version` any more."""
    return _WENT.all(await tx.fetch(WENT, room_id, since, version, *(after or end_of(since)), PORTION))


WENT: Final = (
    f"{_WENT.select} WHERE room_id = $1 AND kind <> '' AND version <= $2 AND gone_at <= $3 "
    "AND (gone_at, id) > ($4, $5) ORDER BY gone_at, id LIMIT $6"
)

_ENTRY = Row(Entry, "list_entries")


async def about(tx: Tx, room_id: str, subjects: Iterable[Subject]) -> list[Entry]:
    """The entries about these subjects: of each the one that counts, a ban before a takedown."""
    found: list[Entry] = []
    for kind, text in subjects:
        found += _ENTRY.all(await tx.fetch(ABOUT, room_id, kind, text))
    return found


ABOUT: Final = (
    f"{_ENTRY.select} WHERE room_id = $1 AND kind = $2 AND subject = $3 AND gone_at IS NULL "
    "ORDER BY recommendation, key LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many entries a list has."""

    usable: dict[EntityKind, int]
    """By kind, with those that are about everybody."""
    everything: int
    """Those that are about everybody."""
    unusable: int


async def counts(tx: Tx, room_id: str) -> Counts:
    """How many entries a list has, of each kind."""
    rows = await tx.fetch(
        "SELECT kind, everything, count(*) AS many FROM list_entries WHERE room_id = $1 AND gone_at IS NULL "
        "GROUP BY kind, everything",
        room_id,
    )
    usable: Counter[EntityKind] = Counter()
    for row in rows:
        if row["kind"]:
            usable[EntityKind(row["kind"])] += row["many"]
    everything = sum(row["many"] for row in rows if row["everything"])
    unusable = sum(row["many"] for row in rows if not row["kind"])
    return Counts(dict(usable), everything, unusable)


async def unusable(tx: Tx, room_id: str, limit: int) -> list[tuple[Notice, int]]:
    """Why entries cannot be used, and how many each time, most of them first; at most `limit` reasons."""
    rows = await tx.fetch(
        "SELECT why, count(*) AS many FROM list_entries WHERE room_id = $1 AND gone_at IS NULL AND kind = '' "
        "GROUP BY why ORDER BY count(*) DESC, min(id) LIMIT $2",
        room_id,
        limit,
    )
    return [(loads(row["why"]), row["many"]) for row in rows]


async def everything(tx: Tx, room_id: str, since: int, version: int) -> list[Entry]:
    """Entries that are about everybody, of those that came after one version and until another; at most `PORTION`."""
    rows = await tx.fetch(
        f"{_ENTRY.select} WHERE room_id = $1 AND gone_at IS NULL AND everything AND version > $2 AND version <= $3 "
        "ORDER BY id LIMIT $4",
        room_id,
        since,
        version,
        PORTION,
    )
    return _ENTRY.all(rows)
