"""Votes: what moderators want for a request, where an answer takes several of them; one vote of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from knockbot.domain.model import Request, Verdict
from knockbot.domain.votes import Lapse, Vote
from knockbot.store.db import Tx, listed, portions
from knockbot.store.rows import Row
from knockbot.store.waiting import waits

_VOTE = Row(Vote, "votes")


async def put(tx: Tx, vote: Vote) -> None:
    """Keep a vote, in place of the one that its voter gave before on the same request."""
    await tx.execute(
        "INSERT INTO votes (request_id, management_room, voter, verdict, cause, given_at, event_id, subject, by_click, "
        "reason, lapse, from_number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
        "ON CONFLICT (request_id, voter) DO UPDATE SET "
        "management_room = excluded.management_room, verdict = excluded.verdict, "
        "cause = excluded.cause, given_at = excluded.given_at, event_id = excluded.event_id, "
        "subject = excluded.subject, by_click = excluded.by_click, reason = excluded.reason, lapse = excluded.lapse, "
        "from_number = excluded.from_number",
        vote.request_id,
        vote.management_room,
        vote.voter,
        vote.verdict,
        vote.cause,
        vote.given_at,
        vote.event_id,
        vote.subject,
        int(vote.by_click),
        vote.reason,
        vote.lapse,
        vote.from_number,
    )


async def on(tx: Tx, about: Sequence[Request]) -> dict[int, list[Vote]]:
    """The votes on each of these requests that has any, in the order in which they were given. They may be from
    another management room, or about an earlier knock (`domain/votes.py`)."""
    found: dict[int, list[Vote]] = {}
    for ids in portions([request.id for request in about]):
        rows = await tx.fetch(
            f"{_VOTE.select} WHERE request_id IN ({listed(ids)}) ORDER BY request_id, given_at, voter", *ids
        )
        for vote in _VOTE.all(rows):
            found.setdefault(vote.request_id, []).append(vote)
    return found


async def by_click(tx: Tx, management_room: str, cause: str) -> list[int]:
    """The open requests that a click in this management room was a vote on."""
    rows = await tx.fetch(
        "SELECT votes.request_id FROM votes JOIN requests ON requests.id = votes.request_id "
        "WHERE votes.cause = $1 AND votes.management_room = $2 AND votes.by_click = 1 "
        "AND requests.state = 'pending' ORDER BY votes.request_id",
        cause,
        management_room,
    )
    return [row["request_id"] for row in rows]


async def given_by(tx: Tx, cause: str, voter: str) -> frozenset[int]:
    """The requests on which this gave a vote of somebody that is still there."""
    rows = await tx.fetch("SELECT request_id FROM votes WHERE cause = $1 AND voter = $2", cause, voter)
    return frozenset(row["request_id"] for row in rows)


async def waiting_on(tx: Tx, cause: str, voter: str) -> list[int]:
    """Those of these requests that are open."""
    rows = await tx.fetch(
        "SELECT request_id FROM votes JOIN requests ON requests.id = request_id "
        "WHERE cause = $1 AND voter = $2 AND state = 'pending' ORDER BY request_id",
        cause,
        voter,
    )
    return [row["request_id"] for row in rows]


async def with_votes(tx: Tx, room_id: str) -> list[int]:
    """The requests at a room that wait for an answer and were voted on."""
    rows = await tx.fetch(
        "SELECT id FROM requests WHERE room_id = $1 AND state IN ('pending', 'accepted', 'standing', 'redeemed') "
        "AND state = 'pending' AND answer_json IS NULL "
        "AND id IN (SELECT request_id FROM votes) ORDER BY id",
        room_id,
    )
    return [row["id"] for row in rows]


async def waiting_by(tx: Tx, room_id: str, voter: str) -> list[int]:
    """The requests that wait for an answer and that somebody voted on, at a room or managed from it."""
    rows = await tx.fetch(
        "SELECT id FROM requests JOIN votes ON votes.request_id = requests.id "
        "WHERE votes.voter = $2 AND (requests.room_id = $1 OR votes.management_room = $1) "
        "AND state = 'pending' AND answer_json IS NULL ORDER BY id",
        room_id,
        voter,
    )
    return [row["id"] for row in rows]


async def count_waiting(tx: Tx, management_room: str, now: int) -> int:
    """How many requests of a management room wait for an answer and were voted on there."""
    found = await tx.fetchval(
        f"SELECT count(*) FROM requests WHERE management_room = $1 AND {waits('$2')} "
        "AND id IN (SELECT request_id FROM votes WHERE votes.management_room = $1)",
        management_room,
        now,
    )
    return int(found)


async def saw(tx: Tx, request_id: int, seen: Mapping[str, Lapse | None]) -> None:
    """Note of each voter why their vote on a request does not count, or that it does."""
    for voter, lapse in seen.items():
        await tx.execute("UPDATE votes SET lapse = $3 WHERE request_id = $1 AND voter = $2", request_id, voter, lapse)


async def take_back(tx: Tx, request_id: int, cause: str) -> Vote | None:
    """Delete the vote that a click gave on a request, and return it, if there is one."""
    row = await tx.fetchrow(
        f"DELETE FROM votes WHERE request_id = $1 AND cause = $2 RETURNING {_VOTE.columns}", request_id, cause
    )
    return _VOTE.maybe(row)


async def remove_of(tx: Tx, request_id: int, voter: str) -> None:
    """Delete somebody's vote on a request."""
    await tx.execute("DELETE FROM votes WHERE request_id = $1 AND voter = $2", request_id, voter)


async def remove(tx: Tx, request_id: int, verdict: Verdict) -> None:
    """Delete the votes for a verdict on a request."""
    await tx.execute("DELETE FROM votes WHERE request_id = $1 AND verdict = $2", request_id, verdict)
