"""Interviews: private rooms with an applicant and moderators, one for each request, and who takes part."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from knockbot.domain.model import Request
from knockbot.store.db import Tx, for_update
from knockbot.store.rows import Row


class Stage(StrEnum):
    """How far an interview is."""

    MAKING = "making"
    """The room is being made, or people are being invited."""
    OPEN = "open"
    OVER = "over"
    """The applicant could not be invited, or the bot has left the room."""


GOES_ON = frozenset({Stage.MAKING, Stage.OPEN})


@dataclass(frozen=True, slots=True)
class Interview:
    """One interview."""

    prompt_id: int
    """The message by which moderators take part."""
    request_id: int
    management_room: str
    user_id: str
    about: str
    """The protected room."""
    room_id: str | None
    """None until it is made."""
    stage: Stage


_INTERVIEW = Row(Interview, "interviews")


async def begin(tx: Tx, prompt_id: int, request: Request) -> None:
    """Note an interview whose room is to be made."""
    await tx.execute(
        "INSERT INTO interviews (prompt_id, request_id, management_room, user_id, about, stage) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        prompt_id,
        request.id,
        request.management_room,
        request.user_id,
        request.room_id,
        Stage.MAKING,
    )


async def of_prompt(tx: Tx, prompt_id: int, *, held: bool = True) -> Interview | None:
    """The interview that a prompt is about."""
    hold = for_update(tx, held)
    return _INTERVIEW.maybe(await tx.fetchrow(f"{_INTERVIEW.select} WHERE prompt_id = $1{hold}", prompt_id))


async def of_request(tx: Tx, request_id: int) -> list[Interview]:
    """The interviews about a request, oldest first."""
    return _INTERVIEW.all(await tx.fetch(f"{_INTERVIEW.select} WHERE request_id = $1 ORDER BY prompt_id", request_id))


async def is_room(tx: Tx, room_id: str) -> bool:
    """Whether a room is that of an interview."""
    return await tx.fetchval("SELECT 1 FROM interviews WHERE room_id = $1", room_id) is not None


async def made(tx: Tx, prompt_id: int, room_id: str) -> None:
    """Its room is there."""
    await tx.execute("UPDATE interviews SET room_id = $2 WHERE prompt_id = $1", prompt_id, room_id)


async def move(tx: Tx, prompt_id: int, stage: Stage) -> None:
    """It is at another stage now."""
    await tx.execute("UPDATE interviews SET stage = $2 WHERE prompt_id = $1", prompt_id, stage)


async def take_part(tx: Tx, prompt_id: int, user_id: str, now: int) -> bool:
    """A moderator takes part; false if they do already."""
    row = await tx.fetchrow(
        "INSERT INTO interviewers (prompt_id, user_id, at) VALUES ($1, $2, $3) "
        "ON CONFLICT (prompt_id, user_id) DO NOTHING RETURNING user_id",
        prompt_id,
        user_id,
        now,
    )
    return row is not None


async def people(tx: Tx, prompt_id: int) -> list[str]:
    """The moderators who take part, in their order."""
    rows = await tx.fetch("SELECT user_id FROM interviewers WHERE prompt_id = $1 ORDER BY at, user_id", prompt_id)
    return [row["user_id"] for row in rows]
