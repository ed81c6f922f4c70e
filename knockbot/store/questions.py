"""Questions to applicants and their answers: those of the policy, and what moderators ask by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from knockbot.domain.model import Asking, Request
from knockbot.domain.questions import Choice
from knockbot.store.db import Tx, listed, portions
from knockbot.store.rows import Column, Row


class Stage(StrEnum):
    """How far it is with asking about a request: the words of `Asking`, and one more."""

    OPEN = Asking.OPEN
    UNANSWERED = Asking.UNANSWERED
    UNREACHABLE = Asking.UNREACHABLE
    OVER = "over"
    """The request is settled, or its room is protected from there no longer."""


@dataclass(frozen=True, slots=True)
class Round:
    """That the applicant of a request is asked the questions of the policy."""

    request_id: int
    management_room: str
    user_id: str
    stage: Stage
    begun_at: int


_ROUND = Row(Round, "askings")


async def begin(tx: Tx, request: Request, now: int) -> Round:
    """Begin to ask, or begin again; what was answered from this management room stays."""
    row = await tx.fetchrow(
        "INSERT INTO askings (request_id, management_room, user_id, stage, begun_at) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (request_id) DO UPDATE SET management_room = excluded.management_room, stage = excluded.stage, "
        f"begun_at = excluded.begun_at RETURNING {_ROUND.columns}",
        request.id,
        request.management_room,
        request.user_id,
        Stage.OPEN,
        now,
    )
    await tx.execute(
        "DELETE FROM questions WHERE request_id = $1 "
        "AND (management_room <> $2 OR (answer IS NULL AND asked_by IS NULL))",
        request.id,
        request.management_room,
    )
    return _ROUND.one(row)


async def begin_anew(tx: Tx, now: int) -> list[tuple[int, str]]:
    """Begin again to ask everybody who is being asked: what they had answered stays. Returns the requests and the room
    of each."""
    rows = await tx.fetch(
        "UPDATE askings SET begun_at = $2 WHERE stage = $1 "
        "RETURNING request_id, (SELECT room_id FROM requests WHERE id = request_id) AS room_id",
        Stage.OPEN,
        now,
    )
    await tx.execute(
        "DELETE FROM questions WHERE answer IS NULL AND asked_by IS NULL "
        "AND request_id IN (SELECT request_id FROM askings WHERE stage = $1)",
        Stage.OPEN,
    )
    return sorted((row["request_id"], row["room_id"]) for row in rows)


async def round_of(tx: Tx, request: Request) -> Round | None:
    """How far it is with asking about a request, from the room that manages it now."""
    row = await tx.fetchrow(
        f"{_ROUND.select} WHERE request_id = $1 AND management_room = $2", request.id, request.management_room
    )
    return _ROUND.maybe(row)


async def rounds_of(tx: Tx, about: Sequence[Request]) -> dict[int, Round]:
    """The same of several requests, by the ID of each."""
    known, found = {request.id: request for request in about}, list[Round]()
    for ids in portions([*known]):
        found += _ROUND.all(await tx.fetch(f"{_ROUND.select} WHERE request_id IN ({listed(ids)})", *ids))
    return {one.request_id: one for one in found if known[one.request_id].management_room == one.management_room}


async def reach(tx: Tx, request_id: int, stage: Stage) -> None:
    """It is so far now."""
    await tx.execute("UPDATE askings SET stage = $2 WHERE request_id = $1", request_id, stage)


async def end_at(tx: Tx, room_id: str) -> list[int]:
    """Nobody is asked about a room any more; returns the requests where somebody was."""
    rows = await tx.fetch(
        "UPDATE askings SET stage = $2 WHERE stage <> $2 "
        "AND request_id IN (SELECT id FROM requests WHERE room_id = $1) RETURNING request_id",
        room_id,
        Stage.OVER,
    )
    return sorted(row["request_id"] for row in rows)


QUESTION: Final = "question"
"""How the occasions of letters with questions begin."""


# --- one question -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Put:
    """A question that was put to an applicant."""

    request_id: int
    key: str
    """That of the question; for one that a moderator asks, the event of the command."""
    management_room: str
    user_id: str
    ask: str
    choices: tuple[Choice, ...]
    asked_at: int
    place: int = 0
    """Its place among all questions about the request."""
    asked_by: str | None = None
    """The moderator who asks; none where the policy does."""
    event_id: str | None = None
    """The message that asks; none until it is sent, and known to be."""
    answer: str | None = None
    """The name of a choice, or a text."""
    answer_event: str | None = None
    """The event that gave it; edits of it are not here."""
    answered_at: int | None = None
    """When that, or its newest edit, was sent, as its server says; it stays where the answer was taken away."""

    @property
    def is_taken_away(self) -> bool:
        """Whether the applicant has answered, and removed the answer."""
        return self.answer is None and self.answered_at is not None

    @property
    def occasion(self) -> str:
        """The occasion of its letter: another one if it is put once more."""
        return f"{QUESTION}:{self.request_id}:{self.asked_at}:{self.key}"


def _choices(stored: str) -> tuple[Choice, ...]:
    return tuple(Choice(name, label) for name, label in json.loads(stored))


_PUT = Row(Put, "questions", choices=Column("choices_json", _choices))


async def put(tx: Tx, one: Put) -> bool:
    """Put a question; false if it was put before."""
    row = await tx.fetchrow(
        "INSERT INTO questions "
        "(request_id, key, management_room, user_id, ask, choices_json, asked_at, asked_by, place) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, (SELECT coalesce(max(place), 0) + 1 FROM questions "
        "WHERE request_id = $1)) ON CONFLICT (request_id, key) DO NOTHING RETURNING key",
        one.request_id,
        one.key,
        one.management_room,
        one.user_id,
        one.ask,
        json.dumps([[choice.name, choice.label] for choice in one.choices]),
        one.asked_at,
        one.asked_by,
    )
    return row is not None


async def get(tx: Tx, request_id: int, key: str) -> Put | None:
    """One question. Who changes it holds its request."""
    return _PUT.maybe(await tx.fetchrow(f"{_PUT.select} WHERE request_id = $1 AND key = $2", request_id, key))


async def of_requests(tx: Tx, about: Sequence[Request]) -> dict[int, list[Put]]:
    """The questions put about each of these requests from the room that manages it now, oldest first."""
    known, found = {request.id: request for request in about}, list[Put]()
    for ids in portions([*known]):
        rows = await tx.fetch(f"{_PUT.select} WHERE request_id IN ({listed(ids)}) ORDER BY place", *ids)
        found += _PUT.all(rows)
    kept = [one for one in found if known[one.request_id].management_room == one.management_room]
    return {request_id: [one for one in kept if one.request_id == request_id] for request_id in known}


async def of(tx: Tx, request: Request) -> list[Put]:
    """The same of one request."""
    return (await of_requests(tx, [request]))[request.id]


async def sent(tx: Tx, request_id: int, key: str, event_id: str) -> Put | None:
    """This message asks the question."""
    await tx.execute("UPDATE questions SET event_id = $3 WHERE request_id = $1 AND key = $2", request_id, key, event_id)
    return await get(tx, request_id, key)


async def asked_by_message(tx: Tx, user_id: str, event_id: str) -> Put | None:
    """The question that a message asks somebody."""
    return _PUT.maybe(await tx.fetchrow(f"{_PUT.select} WHERE user_id = $1 AND event_id = $2", user_id, event_id))


async def answered_by_message(tx: Tx, user_id: str, event_id: str) -> Put | None:
    """The question that somebody has answered by an event."""
    return _PUT.maybe(await tx.fetchrow(f"{_PUT.select} WHERE user_id = $1 AND answer_event = $2", user_id, event_id))


async def unanswered(tx: Tx, user_id: str) -> list[Put]:
    """The questions that somebody has not answered yet, about requests that are open, oldest first."""
    rows = await tx.fetch(
        f"{_PUT.select} WHERE user_id = $1 AND answer IS NULL AND (SELECT state FROM requests WHERE id = request_id) "
        "= 'pending' ORDER BY asked_at, request_id, place",
        user_id,
    )
    return _PUT.all(rows)


async def newest_unanswered(tx: Tx, user_id: str) -> Put | None:
    """The question that somebody was asked last and did not answer, whether or not they still can."""
    row = await tx.fetchrow(
        f"{_PUT.select} WHERE user_id = $1 AND answer IS NULL ORDER BY asked_at DESC, request_id DESC, place DESC "
        "LIMIT 1",
        user_id,
    )
    return _PUT.maybe(row)


async def answer(tx: Tx, one: Put, said: str, event_id: str, at: int) -> None:
    """Keep an answer, in place of the one before."""
    await tx.execute(
        "UPDATE questions SET answer = $3, answer_event = $4, answered_at = $5 WHERE request_id = $1 AND key = $2",
        one.request_id,
        one.key,
        said,
        event_id,
        at,
    )


async def forget_answer(tx: Tx, one: Put) -> None:
    """Its event was redacted: there is no answer any more, only that there was one."""
    await tx.execute(
        "UPDATE questions SET answer = NULL, answer_event = NULL WHERE request_id = $1 AND key = $2",
        one.request_id,
        one.key,
    )
