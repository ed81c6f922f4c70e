"""The questions whether somebody who has joined is to be removed, because their accept is undone: each a prompt, for
whoever wanted that."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.store.db import Tx, for_update
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class UndoQuestion:
    """One question, which is open until it is answered or too old."""

    prompt_id: int
    request_id: int
    asked_by: str
    """Who wants the accept undone."""
    ended: bool = False
    """Whether it takes no answer any more."""


_QUESTION = Row(UndoQuestion, "undo_questions")


async def add(tx: Tx, question: UndoQuestion) -> None:
    """Ask it."""
    await tx.execute(
        "INSERT INTO undo_questions (prompt_id, request_id, asked_by, ended) VALUES ($1, $2, $3, FALSE)",
        question.prompt_id,
        question.request_id,
        question.asked_by,
    )


async def of_prompt(tx: Tx, prompt_id: int, *, held: bool = True) -> UndoQuestion | None:
    """The question that a prompt asks, held until the transaction ends unless it is only looked at."""
    query = f"{_QUESTION.select} WHERE prompt_id = $1{for_update(tx, held)}"
    return _QUESTION.maybe(await tx.fetchrow(query, prompt_id))


async def open_about(tx: Tx, request_id: int) -> UndoQuestion | None:
    """The question about a request that is open."""
    query = f"{_QUESTION.select} WHERE request_id = $1 AND NOT ended ORDER BY prompt_id DESC LIMIT 1"
    return _QUESTION.maybe(await tx.fetchrow(query, request_id))


async def all_open_about(tx: Tx, request_id: int) -> list[int]:
    """The prompts of all open questions about a request: several moderators may be asked."""
    rows = await tx.fetch("SELECT prompt_id FROM undo_questions WHERE request_id = $1 AND NOT ended", request_id)
    return [row["prompt_id"] for row in rows]


async def drop(tx: Tx, prompt_id: int) -> None:
    """A question needs no answer any more."""
    await tx.execute("DELETE FROM undo_questions WHERE prompt_id = $1", prompt_id)


async def open_in(tx: Tx, room_id: str) -> list[int]:
    """The prompts that ask about requests at a protected room, and are open."""
    rows = await tx.fetch(
        "SELECT prompt_id FROM undo_questions JOIN prompts ON prompts.id = prompt_id "
        "WHERE NOT ended AND prompts.about = $1 ORDER BY prompt_id",
        room_id,
    )
    return [row["prompt_id"] for row in rows]


async def end(tx: Tx, prompt_id: int) -> None:
    """It takes no answer any more."""
    await tx.execute("UPDATE undo_questions SET ended = TRUE WHERE prompt_id = $1", prompt_id)
