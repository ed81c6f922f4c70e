"""Effects: intended acts as rows, claimed one per lane, and what came of each.

due ──claim──▶ running ──▶ done | overtaken | given_up
 ▲                │
 └── later, or ───┘        blocked: a power is missing; due again once it is back
     a dead process
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import asyncpg

from knockbot.domain.model import Act, Effect, Request
from knockbot.domain.notices import Notice, because, dumps
from knockbot.store.db import Database, Tx, for_update, listed
from knockbot.store.rows import Column, Row


@dataclass(frozen=True, slots=True)
class Claimed:
    """An effect this process has taken on. More than one attempt means that an earlier one may have got through."""

    id: int
    effect: Effect
    attempts: int
    created_at: int
    result: str | None

    @property
    def tried_before(self) -> bool:
        """Whether an earlier attempt, here or in a process that died, may have had its effect."""
        return self.attempts > 1


_EFFECT = Row(Effect, "effects", content=Column("content_json", json.loads))
_CLAIMED = Row(Claimed, "effects", effect=_EFFECT)


async def add(tx: Tx, effects: Iterable[Effect], now: int, *, due_at: int | None = None) -> None:
    """Write intentions down, due at once unless said otherwise; one whose key is known was written before.

    One that needs a server which is silent just now waits with the others until that is asked again.
    """
    for effect in effects:
        waits = effect.server is not None
        silent_until = await _silent_until(tx, effect.server or "") if waits else 0
        await tx.execute(
            "INSERT INTO effects (key, act, room_id, lane, request_id, card_id, user_id, server, event_id, "
            "content_json, state, created_at, due_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'due', $11, $12) "
            "ON CONFLICT (key) DO NOTHING",
            effect.key,
            effect.act,
            effect.room_id,
            effect.lane,
            effect.request_id,
            effect.card_id,
            effect.user_id,
            effect.server,
            effect.event_id,
            json.dumps(effect.content),
            now,
            max(now if due_at is None else due_at, silent_until),
        )


async def _silent_until(tx: Tx, server: str) -> int:
    """When a server that gave no answer is asked again; in the past where it was not silent."""
    due_at = await tx.fetchval(
        "SELECT max(due_at) FROM effects WHERE server = $1 AND state = 'due' AND attempts > 0", server
    )
    return int(due_at or 0)


_TELLS = "act = 'write'"
"""What tells applicants of other servers that they were rejected."""


async def told_since(tx: Tx, user_id: str, since: int) -> tuple[int, int]:
    """How often this applicant, and how often anybody, was to be told that they were rejected since a moment."""
    row = await tx.fetchrow(
        "SELECT coalesce(sum(CASE WHEN user_id = $1 THEN 1 ELSE 0 END), 0) AS theirs, count(*) AS all_of_them "
        f"FROM effects WHERE {_TELLS} AND created_at > $2",
        user_id,
        since,
    )
    assert row is not None  # a sum is always one row
    return int(row["theirs"]), int(row["all_of_them"])


async def is_running(tx: Tx, request_id: int, *, besides: str = "") -> bool:
    """Whether another act on a request's applicant has been begun, and nobody knows yet what comes of it."""
    return bool(
        await tx.fetchval(
            "SELECT count(*) FROM effects WHERE request_id = $1 AND key <> $2 AND state = 'running' "
            f"AND {_AT_THE_DOOR}",
            request_id,
            besides,
        )
    )


async def said_on(tx: Tx, card_id: int) -> list[str]:
    """The messages that a card consists of: the card and its edits."""
    rows = await tx.fetch(
        "SELECT result FROM effects WHERE card_id = $1 AND act IN ('post_card', 'edit_card') AND result IS NOT NULL "
        "ORDER BY id",
        card_id,
    )
    return [row["result"] for row in rows]


async def claim(db: Database, now: int, limit: int, *, keys: bool = True) -> list[Claimed]:
    """Take on due effects, oldest first, at most one of each lane and one for each remote server.

    A server that hangs would else hold as many acts as there are rooms in which its users knock, and many such servers
    all acts there are. In one room what needs another server comes after all that needs none: the homeserver lets
    nobody else in or out there while it waits for that server. Without the bot's `keys`,
    what is to be said in encrypted rooms is left to the process that has them. What may wait for another server has
    only the places of its kind (`PLACES`).
    """
    async with db.statement() as tx:
        due_at = await next_due(tx)
    if due_at is None or due_at > now:
        return []  # which is soon said; to find out what may begin takes more
    claimable = CLAIMABLE.format(also="" if keys else UNENCRYPTED)
    try:
        async with db.tx() as tx:
            rows = await tx.fetch(claimable + ("" if db.alone else " FOR UPDATE SKIP LOCKED"), now)
            waits = any(row["kind"] in PLACES for row in rows)
            running = await _running(tx) if waits else Counter[str]()
            claimed: list[Claimed] = []
            for row in rows:
                if len(claimed) == limit or not _has_place(row["kind"], running):
                    continue
                running[row["kind"]] += 1
                taken = await tx.fetchrow(
                    "UPDATE effects SET state = 'running', claimed_by = $2, attempts = attempts + 1 WHERE id = $1 "
                    f"RETURNING {_CLAIMED.columns}",
                    row["id"],
                    db.process,
                )
                claimed.append(_CLAIMED.one(taken))
            return claimed
    except asyncpg.UniqueViolationError:
        return []  # another process took the same lane in the same instant; the next round finds the rest


async def _running(tx: Tx) -> Counter[str]:
    """How many acts of each kind are under way."""
    rows = await tx.fetch(f"SELECT {_KIND} AS kind, count(*) AS n FROM effects WHERE state = 'running' GROUP BY 1")
    return Counter({row["kind"]: row["n"] for row in rows})


def _has_place(kind: str, running: Counter[str]) -> bool:
    return running[kind] < PLACES.get(kind, MOST) and (kind not in AWAY or sum(running[k] for k in AWAY) < AWAY_AT_ONCE)


AWAY = frozenset({"away", "strange"})
AWAY_AT_ONCE = 7
"""Acts under way for applicants of other servers. With the other kinds that may hang they are nine, since of ten
membership calls at once the homeserver makes all others wait (FACTS)."""

PLACES: dict[str, int] = {"strange": 6, "join": 1, "leave": 1}
"""Acts of a kind that are under way at once: for servers that never answered yet, to take invites, to decline them.
So five servers that hang leave a place for a sixth, any number of them leave one for a server that is known to answer,
and a thousand invites from strangers take none that an applicant needs."""

MOST = 100

_KIND = (
    "CASE WHEN act IN ('join', 'leave') THEN act WHEN server IS NULL THEN 'here' WHEN server IN "
    "(SELECT server FROM effects WHERE server IS NOT NULL AND state = 'done') THEN 'away' ELSE 'strange' END"
)

CLAIMABLE = f"""
SELECT id, {_KIND} AS kind FROM effects WHERE state = 'due' AND id IN (
    SELECT id FROM (
    SELECT id, due_at, row_number() OVER (
        PARTITION BY CASE WHEN act IN ('join', 'leave') THEN act WHEN server IS NULL THEN 'here' ELSE server END
        ORDER BY due_at, id
    ) AS rank FROM (
        SELECT id, act, server, due_at,
        row_number() OVER (PARTITION BY coalesce(server, lane) ORDER BY due_at, id) AS turn FROM (
            SELECT id, act, due_at, server, lane, row_number() OVER (PARTITION BY lane ORDER BY due_at, id) AS place
            FROM effects WHERE state = 'due' AND due_at <= $1
            AND lane NOT IN (SELECT lane FROM effects WHERE state = 'running')
            AND lane NOT IN (
                SELECT substr(lane, 1, length(lane) - 4) || 'away' FROM effects
                WHERE lane LIKE '% home' AND state = 'running'
                UNION SELECT substr(lane, 1, length(lane) - 4) || 'away' FROM effects
                WHERE lane LIKE '% home' AND state = 'due' AND due_at <= $1)
            AND (server IS NULL OR server NOT IN (
                SELECT server FROM effects WHERE state = 'running' AND server IS NOT NULL)){{also}}
        ) AS waiting WHERE place = 1
    ) AS heads WHERE turn = 1
    ) AS ranked WHERE rank <= 20 ORDER BY due_at, id LIMIT {MOST}
) ORDER BY due_at, id"""


UNENCRYPTED = " AND lane NOT IN (SELECT room_id || ' said' FROM encrypted_rooms)"
"""The lanes (`plan.py`) in which nothing has to be encrypted."""


async def doubt(tx: Tx) -> None:
    """Whatever is still to be done here may have been done elsewhere: each act looks before it is tried."""
    await tx.execute("UPDATE effects SET attempts = 1 WHERE attempts = 0 AND state IN ('due', 'running', 'blocked')")


async def next_due(tx: Tx) -> int | None:
    """When the next effect is due."""
    due_at = await tx.fetchval("SELECT min(due_at) FROM effects WHERE state = 'due'")
    return int(due_at) if due_at is not None else None


async def finish(
    tx: Tx, effect_id: int, state: str, now: int, *, result: str | None = None, why: Notice | None = None
) -> None:
    """Record what came of an effect: `done`, `overtaken` or `given_up`.

    What was to be said is kept no longer: there may be addresses of people in it.
    """
    await tx.execute(
        "UPDATE effects SET state = $2, ended_at = $3, result = coalesce($4, result), why = $5, claimed_by = NULL, "
        "content_json = CASE WHEN act = 'say' THEN '{}' ELSE content_json END WHERE id = $1",
        effect_id,
        state,
        now,
        result,
        dumps(why) if why is not None else None,
    )


async def postpone(tx: Tx, effect_id: int, due_at: int, why: Notice) -> None:
    """Try again later."""
    await tx.execute(
        "UPDATE effects SET state = 'due', due_at = $2, why = $3, claimed_by = NULL WHERE id = $1",
        effect_id,
        due_at,
        dumps(why),
    )


async def is_ours(tx: Tx, claimed: Claimed) -> bool:
    """Whether a claim still holds: of a process that stood still for long, another has taken the work over."""
    row = await tx.fetchrow(
        f"SELECT 1 FROM effects WHERE id = $1 AND state = 'running' AND attempts = $2{for_update(tx)}",
        claimed.id,
        claimed.attempts,
    )
    return row is not None


async def revive(tx: Tx, key: str, now: int) -> None:
    """Try once more what was given up."""
    await tx.execute("UPDATE effects SET state = 'due', due_at = $2 WHERE key = $1 AND state = 'given_up'", key, now)


async def postpone_server(tx: Tx, server: str, due_at: int) -> None:
    """Set a silent server aside: whatever else waits to invite its users waits until then."""
    await tx.execute(
        "UPDATE effects SET due_at = $2 WHERE state = 'due' AND server = $1 AND due_at < $2",
        server,
        due_at,
    )


async def block(tx: Tx, effect_id: int, why: Notice) -> None:
    """Keep an effect until a missing power is back."""
    await tx.execute(
        "UPDATE effects SET state = 'blocked', why = $2, claimed_by = NULL WHERE id = $1", effect_id, dumps(why)
    )


async def unblock(tx: Tx, room_id: str, now: int, *, unless: Collection[Act] = ()) -> None:
    """A room's powers have changed: try what was blocked there, `unless` it is an act whose power is still missing."""
    await tx.execute(
        "UPDATE effects SET state = 'due', due_at = $2 WHERE room_id = $1 AND state = 'blocked'"
        + (f" AND act NOT IN ({listed([*unless], 3)})" if unless else ""),
        room_id,
        now,
        *unless,
    )


_AT_THE_DOOR = "act IN ('invite', 'kick', 'ban', 'revoke', 'plant')"
"""What is done in a protected room; all else is said, or is a way there."""

_WAITS = "state IN ('due', 'running', 'blocked') AND state <> 'running'"
"""Due or blocked; said so that SQLite finds its index, since most rows are of what was done long ago."""


async def overtake(tx: Tx, request_id: int, why: Notice, now: int) -> None:
    """The request was settled otherwise: what still waits to be done to it or its applicant is not needed.

    A running one is left to find out by itself, from the room. What is to be done to the inviter of a third-party
    invite, who is somebody else, is no matter of what became of the invite.
    """
    of_the_request = (
        "request_id = $1 AND (user_id IS NULL OR user_id = (SELECT user_id FROM requests WHERE id = $1)) "
        f"AND {_AT_THE_DOOR}"
    )
    await _overtake(tx, of_the_request, request_id, why, now)


async def overtake_all(tx: Tx, room_id: str, why: Notice, now: int) -> None:
    """Nothing more is to be done at a room's door."""
    await _overtake(tx, f"room_id = $1 AND {_AT_THE_DOOR}", room_id, why, now)


async def overtake_going(tx: Tx, room_id: str, why: Notice, now: int) -> None:
    """The bot's way in or out of a room, as far as it still waits, is not the way any more."""
    await _overtake(tx, "room_id = $1 AND act IN ('join', 'leave')", room_id, why, now)


async def _overtake(tx: Tx, which: str, about: int | str, why: Notice, now: int) -> None:
    """What still waits of these effects is not to be done: `which` says of what ($1) they are."""
    await tx.execute(
        f"UPDATE effects SET state = 'overtaken', why = $2, ended_at = $3 WHERE {_WAITS} AND {which}",
        about,
        dumps(why),
        now,
    )


async def forget_unsaid(tx: Tx, before: int, now: int) -> None:
    """Give up what could not be said since a moment: there may be addresses of people in it."""
    await tx.execute(
        "UPDATE effects SET state = 'overtaken', why = $3, ended_at = $2, content_json = '{}' "
        "WHERE act = 'say' AND state IN ('due', 'blocked') AND created_at < $1",
        before,
        now,
        dumps(because("overtaken.too_old_to_say")),
    )


async def echoed(tx: Tx, key: str, event_id: str) -> None:
    """The bot's own message came back: whatever the attempt's answer was, it got through."""
    await tx.execute("UPDATE effects SET result = $2 WHERE key = $1", key, event_id)


async def said(tx: Tx, key: str, room_id: str, event_id: str, at: int) -> None:
    """This was said in a room, whether or not it is on record that it was to be: it is not said again."""
    await tx.execute(
        "INSERT INTO effects (key, act, room_id, lane, content_json, state, created_at, due_at, attempts, result, "
        "ended_at) VALUES ($1, 'say', $2, '', '{}', 'done', $4, $4, 1, $3, $4) "
        "ON CONFLICT (key) DO UPDATE SET result = $3",
        key,
        room_id,
        event_id,
        at,
    )


async def is_result(tx: Tx, event_id: str) -> bool:
    """Whether this event came of an act that is on record."""
    return bool(await tx.fetchval("SELECT count(*) FROM effects WHERE result = $1", event_id))


async def echo_of(tx: Tx, effect_id: int) -> str | None:
    """The event that an effect's message came back as, if it has."""
    result = await tx.fetchval("SELECT result FROM effects WHERE id = $1", effect_id)
    return str(result) if result is not None else None


async def hurry_edit(tx: Tx, card_id: int, due_at: int) -> bool:
    """Whether an edit of this card has yet to begin; it will show what is true by then, at `due_at` at the latest."""
    row = await tx.fetchrow(
        "UPDATE effects SET due_at = CASE WHEN due_at > $2 AND attempts = 0 THEN $2 ELSE due_at END "
        "WHERE card_id = $1 AND act = 'edit_card' AND state = 'due' RETURNING id",
        card_id,
        due_at,
    )
    return row is not None


@dataclass(frozen=True, slots=True)
class Offer:
    """The answer an emoji on a card offers: the bot's reaction while it stands, and how often it was taken away."""

    standing: str | None
    turns: int


async def offers_on(tx: Tx, card_id: int) -> dict[str, Offer]:
    """Which answers a card offers by the bot's own reactions, or is about to."""
    rows = await tx.fetch(
        "SELECT act, event_id, content_json, result FROM effects WHERE card_id = $1 AND act IN ('react', 'unreact') "
        "AND state IN ('due', 'running', 'done') ORDER BY id",
        card_id,
    )
    found: dict[str, Offer] = {}
    for row in rows:
        emoji = json.loads(row["content_json"])["emoji"]
        turns = found[emoji].turns if emoji in found else 0
        found[emoji] = Offer(row["result"] or "", turns) if row["act"] == "react" else Offer(None, turns + 1)
    return found


async def was_done(tx: Tx, request: Request, act: Act) -> bool:
    """Whether an act on whom a request is about was done for it."""
    return bool(
        await tx.fetchval(
            "SELECT count(*) FROM effects "
            "WHERE room_id = $1 AND user_id = $2 AND request_id = $3 AND act = $4 AND state = 'done'",
            request.room_id,
            request.subject,
            request.id,
            act,
        )
    )


async def aims(tx: Tx, room_id: str, user_id: str, act: Act) -> set[str]:
    """The knocks that the bot's acts of a kind on a user of a room were for, where they were for certain ones."""
    rows = await tx.fetch(
        "SELECT DISTINCT event_id FROM effects "
        "WHERE room_id = $1 AND user_id = $2 AND act = $3 AND event_id IS NOT NULL",
        room_id,
        user_id,
        act,
    )
    return {row["event_id"] for row in rows}


async def last_scope(tx: Tx, room_id: str, user_id: str, act: Act) -> list[str]:
    """In which memberships the last act of a kind on a user of a room was to hit them; empty where it did not say."""
    content = await tx.fetchval(
        "SELECT content_json FROM effects WHERE room_id = $1 AND user_id = $2 AND act = $3 ORDER BY id DESC LIMIT 1",
        room_id,
        user_id,
        act,
    )
    return list(json.loads(content or "{}").get("while", []))


@dataclass(frozen=True, slots=True)
class Open:
    """An effect that has yet to be done: when it is tried next, how often it was, and why it waits."""

    act: Act
    room_id: str
    user_id: str | None
    state: str
    due_at: int
    attempts: int
    why: Notice | None


_OPEN = Row(Open, "effects")


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
    """How many effects are in each state that still has a future."""
    rows = await tx.fetch(
        "SELECT state, count(*) AS n FROM effects WHERE state IN ('due', 'running', 'blocked') GROUP BY state"
    )
    return {row["state"]: row["n"] for row in rows}
