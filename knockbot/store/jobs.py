"""Jobs: intended acts as rows, claimed one per lane, and the outcome of each.

due ──claim──▶ running ──▶ done | overtaken | given_up
 ▲                │
 └── later, or ───┘        blocked: a power is missing; due again once it is back
     a dead process
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic

import asyncpg

from knockbot.domain.coding import Malformed
from knockbot.domain.jobs import SAID, Act, Invite, Job, JobKind, Leave, OnMember, P_co, Place, acts, decode, encode
from knockbot.domain.notices import Notice, because, dumps
from knockbot.store.db import Database, Tx, for_update, listed, portions
from knockbot.store.rows import Columns, Row
from knockbot.times import DAY

log = logging.getLogger("knockbot.store")

JOBS = "jobs"
"""The table."""


@dataclass(frozen=True, slots=True)
class Claimed(Generic[P_co]):
    """A job that this process has claimed. More than one attempt means that an earlier one may have succeeded."""

    id: int
    job: Job[P_co]
    attempts: int
    created_at: int
    result: str | None

    @property
    def tried_before(self) -> bool:
        """Whether an earlier attempt, here or in a process that died, may have had its effect."""
        return self.attempts > 1


_JOB: Row[Job[Any]] = Row(
    Job, "jobs", payload=Columns(("act", "payload_json"), lambda row: decode(row["act"], row["payload_json"]))
)
_CLAIMED: Row[Claimed[Any]] = Row(Claimed, "jobs", job=_JOB)


async def add(tx: Tx, jobs: Iterable[Job[Any]], now: int, *, due_at: int | None = None) -> None:
    """Store intended acts, due at once unless said otherwise; one whose key is known was stored before.

    An act that needs a server which does not answer now waits with the others until that server is asked again.
    """
    for job in jobs:
        await _note_planned(tx, job, now)
        server, lane = job.server, job.lane
        silent_until = await _silent_until(tx, server) if server is not None else 0
        await tx.execute(
            "INSERT INTO jobs (key, act, room_id, lane, request_id, prompt_id, user_id, server, payload_json, "
            "state, created_at, due_at, place, yields_to) "
            "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 'due', $10, $11, "
            "CASE WHEN $8 IN (SELECT server FROM servers) THEN 'away' ELSE $12 END, $13 "
            "WHERE NOT EXISTS (SELECT 1 FROM occasions WHERE key = $1) "
            "ON CONFLICT (key) DO NOTHING",
            job.key,
            job.act,
            job.room_id,
            lane.name,
            job.request_id,
            job.prompt_id,
            job.user_id,
            server,
            encode(job.payload),
            now,
            max(now if due_at is None else due_at, silent_until),
            job.place,
            lane.yields_to,
        )


async def _silent_until(tx: Tx, server: str) -> int:
    """When a server that gave no answer is asked again; a time in the past where it did answer."""
    due_at = await tx.fetchval(
        "SELECT max(due_at) FROM jobs WHERE server = $1 AND state = 'due' AND attempts > 0", server
    )
    return int(due_at or 0)


async def is_running(tx: Tx, request_id: int, *, besides: str = "") -> bool:
    """Whether another act on a request's applicant has begun, and its outcome is not known yet."""
    return bool(
        await tx.fetchval(
            f"SELECT count(*) FROM jobs WHERE request_id = $1 AND key <> $2 AND state = 'running' AND {_AT_THE_DOOR}",
            request_id,
            besides,
        )
    )


async def is_at(tx: Tx, act: Act, room_id: str) -> bool:
    """Whether an act of a kind has begun in a room, and its outcome is not known yet."""
    of_room = "SELECT count(*) FROM jobs WHERE room_id = $1 AND state IN ('due', 'running', 'blocked')"
    return bool(await tx.fetchval(f"{of_room} AND state = 'running' AND act = $2", room_id, act))


async def claim(db: Database, now: int, limit: int, *, keys: bool = True) -> list[Claimed[Any]]:
    """Claim due jobs, oldest first, at most one of each lane and one for each remote server.

    Otherwise a server that hangs would hold as many acts as there are rooms in which its users knock, and many such
    servers would hold all acts. In one room, acts that need another server come after all acts that need none: while
    the homeserver waits for that server, it changes no other membership of the room. Without the bot's `keys`, messages
    for encrypted rooms are left to the process that has them. Acts that may wait for another server have only the
    places of their kind (`PLACES`).

    It looks only at the first few due jobs of each kind (`WINDOW`). Where there are more, it sets aside those that have
    to wait for another of them, each once, and looks at the next.
    """
    if not db.alone:
        async with db.statement() as tx:
            if await tx.fetchrow(f"{_CANDIDATES} AND place IN ({_KINDS}) LIMIT 1", now) is None:
                return []  # a quick check; to hold the rows takes more ways to the database and back
    try:
        while True:
            async with db.tx() as tx:
                claimed, more = await claim_in(tx, db, now, limit, keys=keys)
            if claimed or not more:
                return claimed
    except asyncpg.UniqueViolationError:
        return []  # another process took the same lane in the same instant; the next round finds the rest


async def claim_in(tx: Tx, db: Database, now: int, limit: int, *, keys: bool = True) -> tuple[list[Claimed[Any]], bool]:
    """Look once, in a transaction that does more than that: which jobs were claimed, and whether there may be more to
    look at, because some were set aside."""
    rows = await tx.fetch(_claimable(keys=keys, alone=db.alone), now)
    running = await _running(tx) if any(row["place"] in PLACES for row in rows) else Counter[str]()
    begun: list[int] = []
    waiting: dict[int, int] = {}
    at_server: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: (row["due_at"], row["id"])):
        before = row["ahead"] or row["in_lane"] or row["first"] or at_server.get(row["server"]) or row["at_server"]
        if row["server"] is not None and not (row["ahead"] or row["in_lane"] or row["first"]):
            at_server[row["server"]] = row["id"]
        if before is not None:
            waiting[row["id"]] = before
        elif len(begun) < limit and _has_place(row["place"], running):
            running[row["place"]] += 1
            begun.append(row["id"])
    claimed = await _begin(tx, begun, db.process, now)
    looked_at = Counter(row["place"] for row in rows)
    crowded = {place for place, number in looked_at.items() if number == WINDOW}
    aside = {row["id"]: waiting[row["id"]] for row in rows if row["id"] in waiting and row["place"] in crowded}
    return claimed, await _set_aside(tx, aside, now, alone=db.alone)


async def _begin(tx: Tx, ids: Sequence[int], process: str, now: int) -> list[Claimed[Any]]:
    """Claim these. One that cannot be read (as from a later version) is given up, so that it does not stop others."""
    if not ids:
        return []
    rows = await tx.fetch(
        "UPDATE jobs SET state = 'running', claimed_by = $1, attempts = attempts + 1 "
        f"WHERE id IN ({listed(ids, 2)}) RETURNING {_CLAIMED.columns}",
        process,
        *ids,
    )
    found: dict[int, Claimed[Any]] = {}
    for row in rows:
        try:
            found[row["id"]] = _CLAIMED.one(row)
        except Malformed as error:
            log.error("the job %s cannot be read, and is given up: %s", row["key"], error)
            await finish(tx, row["id"], "given_up", now, why=because("act.unreadable"))
    return [found[one] for one in ids if one in found]


async def _set_aside(tx: Tx, aside: Mapping[int, int], now: int, *, alone: bool) -> bool:
    """Look at these again only after the acts that go first have moved on; returns whether any was set aside.

    The acts that go first are held meanwhile: otherwise they could have moved on by now, and nobody would look at these
    again. Where another process holds them, this is left for the next time.
    """
    first = sorted({*aside.values()})
    if not first:
        return False
    rows = await tx.fetch(
        f"SELECT id FROM jobs WHERE id IN ({listed(first, 2)}) "
        f"AND ({_GOES_FIRST}){'' if alone else ' FOR UPDATE SKIP LOCKED'}",
        now,
        *first,
    )
    held = {row["id"] for row in rows}
    for one, before in aside.items():
        if before in held:
            await tx.execute("UPDATE jobs SET behind = $2 WHERE id = $1", one, before)
    if held:
        await tx.execute(f"UPDATE jobs SET followed = TRUE WHERE id IN ({listed(rows)})", *sorted(held))
    return bool(held)


_GOES_FIRST = "state = 'running' OR (state = 'due' AND due_at <= $1)"


async def _moved_on(tx: Tx, rows: Iterable[Any]) -> None:
    """Look again at what waited for these."""
    for ids in portions([row["id"] for row in rows if row["followed"]]):
        await tx.execute(f"UPDATE jobs SET behind = NULL WHERE behind IN ({listed(ids)})", *ids)


async def look_again(tx: Tx, now: int) -> None:
    """Look again at all that waits behind an act that no longer goes first.

    Usually `_moved_on` does that at once. This is for acts that ended in another way, by hand or by a fault: acts that
    nobody looks at would never be done.
    """
    await tx.execute(
        "UPDATE jobs SET behind = NULL WHERE behind IS NOT NULL "
        f"AND behind NOT IN (SELECT id FROM jobs WHERE followed AND ({_GOES_FIRST}))",
        now,
    )


async def _running(tx: Tx) -> Counter[str]:
    """How many acts of each kind are running."""
    rows = await tx.fetch("SELECT place, count(*) AS n FROM jobs WHERE state = 'running' GROUP BY place")
    return Counter({row["place"]: row["n"] for row in rows})


def _has_place(place: str, running: Counter[str]) -> bool:
    return running[place] < PLACES.get(place, MOST) and (
        place not in AWAY or sum(running[one] for one in AWAY) < AWAY_AT_ONCE
    )


AWAY = frozenset({Place.AWAY, Place.STRANGE})
AWAY_AT_ONCE = 7
"""Running acts for applicants of other servers. With the other kinds that may hang they are nine, because at ten
membership calls at once the homeserver makes all others wait (FACTS)."""

PLACES: Mapping[str, int] = {Place.STRANGE: 6, Place.JOIN: 1, Place.LEAVE: 1, Place.READ: 2}
"""Acts of a kind that run at once: for servers that never answered yet, to accept invites, to decline them (which
conversations share: nobody waits for those either). So five servers that hang leave a place for a sixth, any number of
them leave one for a server that is known to answer, and a thousand invites from strangers take no place that an
applicant needs. Of two policy lists that are read, one may take an hour; then the other readings go on beside it."""

MOST = 100

WINDOW = 40
"""Due acts of a kind that a claim looks at."""

_KINDS = ", ".join(f"'{place}'" for place in Place)

_CANDIDATES = (
    "SELECT id, place, lane, yields_to, server, due_at FROM jobs "
    "WHERE state = 'due' AND behind IS NULL AND due_at <= $1"
)


def _before_it(which: str, index: str) -> str:
    """The due act right before `c`, of those which are `o`; in two steps, each of which finds it by this index.

    The query names the index for SQLite: if its statistics say that all rows are alike, it would otherwise go through
    the whole table by its ids.
    """
    due = f"SELECT o.id FROM jobs AS o{{{index}}} WHERE o.state = 'due' AND {which}"
    return (
        f"coalesce(({due} AND o.due_at = c.due_at AND o.id < c.id ORDER BY o.id DESC LIMIT 1), "
        f"({due} AND o.due_at < c.due_at ORDER BY o.due_at DESC, o.id DESC LIMIT 1))"
    )


_BUSY = "SELECT server FROM jobs WHERE state = 'running' AND server IS NOT NULL"

_AHEAD = _before_it(
    f"o.lane = c.lane AND o.behind IS NULL AND (o.server IS NULL OR o.server NOT IN ({_BUSY}))", "jobs_in_lane"
)

_AT_SERVER = _before_it("o.server = c.server AND o.behind IS NOT NULL", "jobs_at_server")

_BEFORE = f"""
    {_AHEAD} AS ahead,
    (SELECT o.id FROM jobs AS o WHERE o.lane = c.lane AND o.state = 'running') AS in_lane,
    coalesce((SELECT o.id FROM jobs AS o WHERE o.lane = c.yields_to AND o.state = 'due' AND o.behind IS NULL
        AND o.due_at <= $1 ORDER BY o.due_at DESC, o.id DESC LIMIT 1),
        (SELECT o.id FROM jobs AS o WHERE o.lane = c.yields_to AND o.state = 'running')) AS first,
    (SELECT coalesce({_AT_SERVER}, r.id)
        FROM jobs AS r WHERE r.server = c.server AND r.state = 'running' LIMIT 1) AS at_server"""
"""What goes before an act: in its lane, in the lane that it yields to, or at its server."""

_INDEXES = ("jobs_in_lane", "jobs_at_server")


@cache
def _claimable(*, keys: bool, alone: bool) -> str:
    """The query for the first few due acts of each kind, with what goes before each."""
    also = "" if keys else UNENCRYPTED
    held = "" if alone else " FOR UPDATE SKIP LOCKED"
    kinds = " UNION ALL ".join(
        f"SELECT * FROM ({_CANDIDATES} AND place = {kind}{also} ORDER BY due_at, id LIMIT {WINDOW}{held}) AS k"
        for kind in _KINDS.split(", ")
    )
    before = _BEFORE.format(**{index: f" INDEXED BY {index}" if alone else "" for index in _INDEXES})
    return f"SELECT c.*, {before} FROM ({kinds}) AS c"


UNENCRYPTED = f" AND lane NOT IN (SELECT room_id || '{SAID}' FROM encrypted_rooms)"
"""The lanes in which nothing has to be encrypted."""


def _act_is(which: Callable[[JobKind], bool]) -> str:
    """The condition that a job is of a kind for which `which` is true."""
    named = [f"'{act}'" for act in sorted(acts(which))]
    return f"act IN ({', '.join(named)})"


async def doubt(tx: Tx) -> None:
    """Acts that are still to be done here may have been done elsewhere: each one checks that before it is tried."""
    await tx.execute("UPDATE jobs SET attempts = 1 WHERE attempts = 0 AND state IN ('due', 'running', 'blocked')")


async def finish(
    tx: Tx, job_id: int, state: str, now: int, *, result: str | None = None, why: Notice | None = None
) -> None:
    """Record the outcome of a job: `done`, `overtaken` or `given_up`.

    For some kinds the payload is then deleted: there may be addresses of people in it.
    """
    row = await tx.fetchrow(
        "UPDATE jobs SET state = $2, ended_at = $3, result = coalesce($4, result), why = $5, claimed_by = NULL, "
        f"payload_json = CASE WHEN {_ERASED} THEN '{{}}' ELSE payload_json END WHERE id = $1 "
        "RETURNING id, server, followed, place",
        job_id,
        state,
        now,
        result,
        dumps(why) if why is not None else None,
    )
    if row is None:
        return
    await _moved_on(tx, [row])
    if row["place"] == "strange" and state == "done":
        await _answered(tx, row["server"], now)


async def _answered(tx: Tx, server: str, now: int) -> None:
    """A server is known to answer from now on."""
    await tx.execute(
        "INSERT INTO servers (server, answered_at) VALUES ($1, $2) ON CONFLICT (server) DO NOTHING", server, now
    )
    await tx.execute("UPDATE jobs SET place = 'away' WHERE server = $1 AND state = 'due' AND place = 'strange'", server)


async def postpone(tx: Tx, job_id: int, due_at: int, why: Notice) -> None:
    """Try again later."""
    rows = await tx.fetch(
        "UPDATE jobs SET state = 'due', due_at = $2, why = $3, claimed_by = NULL WHERE id = $1 RETURNING id, followed",
        job_id,
        due_at,
        dumps(why),
    )
    await _moved_on(tx, rows)


async def is_ours(tx: Tx, claimed: Claimed[Any]) -> bool:
    """Whether a claim is still valid: if a process did not run for long, another one has taken over its work."""
    row = await tx.fetchrow(
        f"SELECT 1 FROM jobs WHERE id = $1 AND state = 'running' AND attempts = $2{for_update(tx)}",
        claimed.id,
        claimed.attempts,
    )
    return row is not None


async def revive(tx: Tx, key: str, now: int) -> None:
    """Try once more what was given up."""
    await tx.execute(
        "UPDATE jobs SET state = 'due', due_at = $2, put_off = NULL, ended_at = NULL "
        "WHERE key = $1 AND state = 'given_up'",
        key,
        now,
    )


async def put_off(tx: Tx, job_id: int, server: str | None, why: Notice) -> None:
    """Note why an act, and all others that wait for the same server, are tried again only much later."""
    await tx.execute("UPDATE jobs SET put_off = $2 WHERE id = $1", job_id, dumps(why))
    if server is not None:
        await tx.execute(
            "UPDATE jobs SET put_off = $2 WHERE state = 'due' AND server = $1 AND put_off IS NULL", server, dumps(why)
        )


async def cards_to_put_off(tx: Tx, job_id: int, server: str | None) -> list[int]:
    """The cards of the acts that `put_off` would change now and that are not put off yet."""
    rows = await tx.fetch(
        "SELECT DISTINCT card_id FROM requests WHERE card_id IS NOT NULL AND id IN (SELECT request_id FROM jobs "
        "WHERE put_off IS NULL AND (id = $1 OR (state = 'due' AND server = $2))) ORDER BY card_id",
        job_id,
        server or "",
    )
    return [row["card_id"] for row in rows]


async def postpone_server(tx: Tx, server: str, due_at: int) -> None:
    """Set a silent server aside: all other acts that would invite its users wait until then."""
    rows = await tx.fetch(
        "UPDATE jobs SET due_at = $2, behind = NULL WHERE state = 'due' AND server = $1 AND due_at < $2 "
        "RETURNING id, followed",
        server,
        due_at,
    )
    await _moved_on(tx, rows)


async def block(tx: Tx, job_id: int, why: Notice) -> None:
    """Keep a job until a missing power is back."""
    rows = await tx.fetch(
        "UPDATE jobs SET state = 'blocked', why = $2, put_off = NULL, claimed_by = NULL "
        "WHERE id = $1 RETURNING id, followed",
        job_id,
        dumps(why),
    )
    await _moved_on(tx, rows)


async def unblock(tx: Tx, room_id: str, now: int, *, unless: Collection[Act] = ()) -> None:
    """A room's powers have changed: try what was blocked there, `unless` it is an act whose power is still missing."""
    last = f"${len(unless) + 2}"
    await tx.execute(
        f"UPDATE jobs SET state = 'due', due_at = {last} WHERE {_blocked_in_room(unless)}", room_id, *unless, now
    )


async def cards_blocked(tx: Tx, room_id: str, *, unless: Collection[Act] = ()) -> list[int]:
    """The cards of the requests whose answer is carried out by what `unblock` would try."""
    rows = await tx.fetch(
        "SELECT DISTINCT card_id FROM requests WHERE card_id IS NOT NULL "
        f"AND id IN (SELECT request_id FROM jobs WHERE {_blocked_in_room(unless)}) ORDER BY card_id",
        room_id,
        *unless,
    )
    return [row["card_id"] for row in rows]


def _blocked_in_room(unless: Collection[Act]) -> str:
    besides = f" AND act NOT IN ({listed([*unless], 2)})" if unless else ""
    return f"room_id = $1 AND {_WAITS} AND state = 'blocked'{besides}"


_AT_THE_DOOR = _act_is(lambda kind: kind.at_door)
"""What is done in a protected room; other acts are messages, or get the bot into or out of rooms."""

BLOCKED = (
    "(CASE WHEN answer_json IS NOT NULL AND state = 'pending' THEN "
    "(SELECT CASE WHEN jobs.state = 'blocked' THEN why ELSE put_off END FROM jobs "
    "WHERE request_id = requests.id AND jobs.state IN ('due', 'running', 'blocked') "
    "AND (jobs.state = 'blocked' OR put_off IS NOT NULL) "
    f"AND {_AT_THE_DOOR} ORDER BY jobs.id DESC LIMIT 1) END) AS blocked"
)
"""A column of any query for requests: why the act that carries its answer out waits: for a missing power, or for a
server that does not answer."""

_ERASED = _act_is(lambda kind: kind.erased)

_WAITS = "state IN ('due', 'running', 'blocked') AND state <> 'running'"
"""Due or blocked; written in this way so that SQLite uses its index, because most rows ended long ago."""


async def overtake(tx: Tx, request_id: int, why: Notice, now: int, *, inviter_too: bool = False) -> None:
    """The request was settled in another way: acts that still wait for it or its applicant are not needed.

    A running act finds this out by itself, from the room. Acts on the inviter of a third-party invite, who is somebody
    else, do not depend on what became of the invite, unless the answer itself is withdrawn.
    """
    theirs = "(user_id IS NULL OR user_id = (SELECT user_id FROM requests WHERE id = $1))"
    of_the_request = f"request_id = $1 AND {_AT_THE_DOOR}" + ("" if inviter_too else f" AND {theirs}")
    await _overtake(tx, of_the_request, request_id, why, now)


async def overtake_all(tx: Tx, room_id: str, why: Notice, now: int) -> None:
    """Nothing more is to be done in a room that was protected."""
    await _overtake(tx, f"room_id = $1 AND {_AT_THE_DOOR}", room_id, why, now)


async def overtake_going(tx: Tx, room_id: str, why: Notice, now: int) -> None:
    """Acts that still wait to get the bot into or out of a room are not needed any more."""
    await _overtake(tx, _GOING, room_id, why, now)


async def overtake_gone(tx: Tx, room_id: str, why: Notice, now: int) -> None:
    """The same where the bot is out of the room: what waits to leave it and to forget it has yet to forget it."""
    await _overtake(tx, f"{_GOING} AND NOT (act = '{Act.LEAVE}' AND payload_json <> '{_LEAVES}')", room_id, why, now)


_GOING = (
    f"room_id = $1 AND place IN ('{Place.JOIN}', '{Place.LEAVE}') "
    f"AND act NOT IN ('{Act.CONVERSE}', '{Act.HOLD_INTERVIEW}')"
)

_LEAVES = encode(Leave())


async def _overtake(tx: Tx, which: str, about: int | str, why: Notice, now: int) -> None:
    """Those of these jobs that still wait are not to be done: `which` is the condition, with $1 for `about`."""
    rows = await tx.fetch(
        f"UPDATE jobs SET state = 'overtaken', why = $2, ended_at = $3 WHERE {_WAITS} AND {which} "
        "RETURNING id, followed",
        about,
        dumps(why),
        now,
    )
    await _moved_on(tx, rows)


async def forget_unsaid(tx: Tx, before: int, now: int) -> None:
    """Give up messages that could not be sent since a moment: there may be addresses of people in them."""
    rows = await tx.fetch(
        "UPDATE jobs SET state = 'overtaken', why = $3, ended_at = $2, payload_json = '{}' "
        f"WHERE {_ERASED} AND state IN ('due', 'blocked') AND created_at < $1 "
        "RETURNING id, followed",
        before,
        now,
        dumps(because("overtaken.too_old_to_say")),
    )
    await _moved_on(tx, rows)


async def echoed(tx: Tx, key: str, event_id: str) -> Job[Any] | None:
    """The bot's own message came back; the job that sent it, unless it has ended."""
    row = await tx.fetchrow(
        f"UPDATE jobs SET result = $2 WHERE key = $1 AND ended_at IS NULL RETURNING {_JOB.columns}", key, event_id
    )
    try:
        return _JOB.maybe(row)
    except Malformed:
        return None  # it is given up when it is claimed


async def said(tx: Tx, key: str, event_id: str) -> None:
    """The message with this key was sent already, as this event; the process that would send it finds this."""
    await tx.execute("UPDATE jobs SET result = $2 WHERE key = $1", key, event_id)


async def echo_of(tx: Tx, job_id: int) -> str | None:
    """The event that a job's message came back as, if it has."""
    result = await tx.fetchval("SELECT result FROM jobs WHERE id = $1", job_id)
    return str(result) if result is not None else None


async def hurry(tx: Tx, lane: str, due_at: int) -> None:
    """Have the next act of a lane done at `due_at` at the latest, if it has not been tried yet."""
    await tx.execute(
        "UPDATE jobs SET due_at = $2 WHERE due_at > $2 AND attempts = 0 AND id = "
        "(SELECT id FROM jobs WHERE lane = $1 AND state = 'due' ORDER BY due_at, id LIMIT 1)",
        lane,
        due_at,
    )


async def are_at_work(tx: Tx, now: int, *, besides: Act) -> bool:
    """Whether any act is due or running, besides those of one kind."""
    row = await tx.fetchrow(
        "SELECT 1 FROM jobs WHERE (state = 'running' OR (state = 'due' AND due_at <= $1)) AND act <> $2 LIMIT 1",
        now,
        besides,
    )
    return row is not None


async def hurry_edit(tx: Tx, prompt_id: int, due_at: int) -> bool:
    """Whether an edit of this prompt has not begun yet; it will show what is true then, at `due_at` at the latest."""
    row = await tx.fetchrow(
        "UPDATE jobs SET due_at = CASE WHEN due_at > $2 AND attempts = 0 THEN $2 ELSE due_at END "
        "WHERE prompt_id = $1 AND act = $3 AND state = 'due' RETURNING id",
        prompt_id,
        due_at,
        Act.EDIT_PROMPT,
    )
    return row is not None


async def edits_planned(tx: Tx, room_id: str, now: int) -> int:
    """How many edits of prompts in a room are planned for later than now."""
    return int(
        await tx.fetchval(
            "SELECT count(*) FROM jobs WHERE lane = $1 AND state = 'due' AND behind IS NULL AND due_at > $2 "
            "AND act = $3",
            f"{room_id}{SAID}",
            now,
            Act.EDIT_PROMPT,
        )
    )


async def aims(tx: Tx, room_id: str, user_id: str, act: Act) -> set[str]:
    """The knocks that the bot's acts of a kind on a user of a room were for; empty where the newest act was for none in
    particular, such as the invite that undoes a rejection."""
    rows = await tx.fetch(
        "SELECT event_id FROM aims WHERE room_id = $1 AND user_id = $2 AND act = $3 ORDER BY id", room_id, user_id, act
    )
    found = [row["event_id"] for row in rows]
    return set(found) - {None} if found and found[-1] is not None else set()


async def last_scope(tx: Tx, room_id: str, user_id: str, *acts: Act) -> list[str]:
    """The memberships in which the last act of these kinds was meant for a user; empty where it did not say."""
    scope = await tx.fetchval(
        f"SELECT scope FROM aims WHERE room_id = $1 AND user_id = $2 AND act IN ({listed(acts, 3)}) "
        "ORDER BY id DESC LIMIT 1",
        room_id,
        user_id,
        *acts,
    )
    return list(json.loads(scope or "[]"))


async def _note_planned(tx: Tx, job: Job[Any], now: int) -> None:
    """Note what is kept longer than an act: the aim of an act on a user."""
    if isinstance(job.payload, OnMember) and job.kind.aimed:
        await tx.execute(
            "INSERT INTO aims (room_id, user_id, act, event_id, scope, planned_at) VALUES ($1, $2, $3, $4, $5, $6)",
            job.room_id,
            job.user_id,
            job.act,
            job.payload.knock if isinstance(job.payload, Invite) else None,
            json.dumps(job.payload.while_in),
            now,
        )


KEPT = 7 * DAY
"""Milliseconds for which ended jobs are kept, for people who look into the database; nothing is decided by them."""


async def forget_ended(tx: Tx, before: int) -> None:
    """Forget what ended before a moment, and what it was for."""
    await tx.execute("DELETE FROM jobs WHERE ended_at < $1", before)
    await tx.execute("DELETE FROM aims WHERE planned_at < $1", before)


@dataclass(frozen=True, slots=True)
class Open:
    """A job that is still to be done: when it is tried next, how often it was tried, and why it waits."""

    act: Act
    room_id: str
    user_id: str | None
    state: str
    due_at: int
    attempts: int
    why: Notice | None


_OPEN = Row(Open, "jobs")


async def open_for(tx: Tx, room_ids: Iterable[str]) -> list[Open]:
    """What is still to be done in some rooms, soonest first."""
    rooms = list(room_ids)
    if not rooms:
        return []
    rows = await tx.fetch(
        f"{_OPEN.select} WHERE room_id IN ({listed(rooms)}) AND state IN ('due', 'running', 'blocked') "
        "ORDER BY due_at, id",
        *rooms,
    )
    return _OPEN.all(rows)


async def counts(tx: Tx) -> dict[str, int]:
    """How many jobs are in each state from which they can go on."""
    rows = await tx.fetch(
        "SELECT state, count(*) AS n FROM jobs WHERE state IN ('due', 'running', 'blocked') GROUP BY state"
    )
    return {row["state"]: row["n"] for row in rows}
