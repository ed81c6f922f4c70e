"""The audit record: who did what, when, and by which rule; only ever added to, but for `leave_behind`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.domain.invites import Fall
from knockbot.domain.model import Verdict
from knockbot.domain.records import Detail, Recorded
from knockbot.store.db import Tx, listed
from knockbot.store.rows import Column, Row


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the record."""

    at: int
    room_id: str
    request_id: int | None
    actor: str
    kind: Recorded
    detail: Detail
    number: int | None = None
    """When read: the number of the request, if it has that where the room is managed from now."""
    user_id: str | None = None
    """When read: whose the request is; an invite that nobody redeemed is its inviter's."""


def _detail(text: str) -> Detail:
    detail: Detail = json.loads(text)
    if "verdict" in detail:
        detail["verdict"] = Verdict(detail["verdict"])
    if "fell" in detail:
        detail["fell"] = Fall(detail["fell"])
    return detail


_MANAGED_FROM = "(SELECT rooms.management_room FROM rooms WHERE rooms.room_id = audit.room_id)"

_ENTRY = Row(
    Entry,
    "audit LEFT JOIN requests ON requests.id = request_id",
    at="audit.at",
    room_id="audit.room_id",
    kind="audit.kind",
    detail=Column("detail_json", _detail),
    number="CASE WHEN coalesce("
    f"{_MANAGED_FROM}, requests.management_room) = requests.management_room THEN requests.number END AS number",
    user_id="coalesce(nullif(requests.user_id, ''), requests.inviter) AS user_id",
)


async def add(tx: Tx, entry: Entry) -> str:
    """Write one line; returns what people call the room that it is about."""
    label = await tx.fetchval(
        "INSERT INTO audit (at, room_id, request_id, actor, kind, detail_json) VALUES ($1, $2, $3, $4, $5, $6) "
        "RETURNING (SELECT label FROM rooms WHERE rooms.room_id = audit.room_id)",
        entry.at,
        entry.room_id,
        entry.request_id,
        entry.actor,
        entry.kind,
        json.dumps(entry.detail),
    )
    return str(label) if label is not None else entry.room_id


async def leave_behind(tx: Tx, request_id: int) -> None:
    """The room of a request moves to another management room: do not tell there who has voted, and which other room's
    policy has judged it, or had them invited."""
    await tx.execute(
        f"DELETE FROM audit WHERE request_id = $1 AND kind IN ({listed(OF_VOTES, 2)})", request_id, *OF_VOTES
    )
    rows = await tx.fetch("SELECT id, detail_json FROM audit WHERE request_id = $1", request_id)
    for row in rows:
        detail = json.loads(row["detail_json"])
        of_others = [key for key in ("origin", "also_from") if detail.pop(key, None)]
        if "origin" in of_others:
            detail["rule"] = None
        if of_others:
            await tx.execute("UPDATE audit SET detail_json = $2 WHERE id = $1", row["id"], json.dumps(detail))


OF_VOTES = (Recorded.VOTED, Recorded.VOTED_FOR, Recorded.VOTE_TAKEN_BACK, Recorded.VOTES_KEPT)
"""The kinds of line that tell of votes, which stay in the management room where they were given."""


async def outcomes(tx: Tx, request_id: int) -> int:
    """How many outcomes a request has had before now; more than one where an answer was undone."""
    query = f"SELECT count(*) FROM audit WHERE request_id = $1 AND kind IN ({listed(OUTCOMES, 2)})"
    return int(await tx.fetchval(query, request_id, *OUTCOMES))


OUTCOMES = (
    Recorded.ACCEPTED,
    Recorded.JOINED,
    Recorded.DECLINED,
    Recorded.REJECTED,
    Recorded.BANNED,
    Recorded.WITHDRAWN,
    Recorded.EXPIRED,
    Recorded.INVITE_WITHDRAWN,
)


async def of_request(tx: Tx, request_id: int) -> list[Entry]:
    """The lines about one request, oldest first."""
    return _ENTRY.all(await tx.fetch(f"{_ENTRY.select} WHERE request_id = $1 ORDER BY audit.id", request_id))


UNDONE = ("undone", "vote_taken_back")
ANSWERS = ("accept", "reject", "ban", "taken_back", "taken_back_with_ban", "voted", *UNDONE)
"""The kinds of line that say what somebody has answered, or voted for, and that they have undone it."""


@dataclass(frozen=True, slots=True)
class LastAnswered:
    """What somebody did last about requests, all at once."""

    request_ids: Sequence[int] = ()
    """Oldest first."""
    undone: bool = False
    """Whether they undid something."""


async def last_answered_by(tx: Tx, actor: str, management_room: str) -> LastAnswered:
    """What somebody answered, voted for or undid last from a management room."""
    theirs = (
        "SELECT request_id, audit.at, audit.kind FROM audit JOIN requests ON requests.id = request_id "
        f"WHERE actor = $1 AND management_room = $2 AND audit.kind IN ({listed(ANSWERS, 3)}) ORDER BY audit.id DESC"
    )
    last = await tx.fetchrow(f"{theirs} LIMIT 1", actor, management_room, *ANSWERS)
    if last is None:
        return LastAnswered()
    together = (
        f"SELECT DISTINCT request_id FROM ({theirs} LIMIT {MOST_AT_ONCE}) AS newest WHERE at = ${len(ANSWERS) + 3}"
    )
    rows = await tx.fetch(f"{together} ORDER BY request_id", actor, management_room, *ANSWERS, last["at"])
    return LastAnswered([row["request_id"] for row in rows], last["kind"] in UNDONE)


async def answered_before(tx: Tx, actor: str, management_room: str) -> list[int]:
    """The requests that somebody answered last from a management room, newest first, whatever became of that."""
    kinds = [kind for kind in ANSWERS if kind not in (*UNDONE, "voted")]
    rows = await tx.fetch(
        "SELECT request_id FROM audit JOIN requests ON requests.id = request_id "
        f"WHERE actor = $1 AND management_room = $2 AND audit.kind IN ({listed(kinds, 3)}) "
        f"ORDER BY audit.id DESC LIMIT {MOST_AT_ONCE}",
        actor,
        management_room,
        *kinds,
    )
    return list(dict.fromkeys(row["request_id"] for row in rows))


MOST_AT_ONCE = 100
"""Requests that one command or click answers at most."""


async def kinds(tx: Tx, request_id: int) -> set[Recorded]:
    """What was ever recorded about a request."""
    rows = await tx.fetch("SELECT DISTINCT kind FROM audit WHERE request_id = $1", request_id)
    return {Recorded(row["kind"]) for row in rows}


async def latest(tx: Tx, room_ids: list[str], limit: int, *, about: str | None = None) -> list[Entry]:
    """The newest lines about some rooms, or about one applicant or inviter in them; oldest first.

    Votes that were given while a room was managed from elsewhere are left out.
    """
    if not room_ids:
        return []
    theirs = "AND $2 IN (requests.user_id, requests.inviter) " if about is not None else ""
    values: list[object] = [limit, *([about] if about is not None else []), *OF_VOTES]
    of_votes = listed(OF_VOTES, len(values) - len(OF_VOTES) + 1)
    here = "SELECT 1 FROM rooms WHERE room_id = audit.room_id AND management_room = requests.management_room"
    rows = await tx.fetch(
        f"{_ENTRY.select} WHERE audit.room_id IN ({listed(room_ids, len(values) + 1)}) {theirs}"
        f"AND (audit.kind NOT IN ({of_votes}) OR EXISTS ({here})) "
        "ORDER BY audit.at DESC, audit.id DESC LIMIT $1",
        *values,
        *room_ids,
    )
    return _ENTRY.all(reversed(rows))
