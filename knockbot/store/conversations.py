"""Conversations with applicants: the rows of `domain/conversations.py`, the letters that wait for them, and budgets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from knockbot.domain.conversations import CURRENT, Conversation, Stage
from knockbot.domain.languages import Language
from knockbot.domain.notices import Notice, dumps
from knockbot.store.db import Tx, for_update
from knockbot.store.rows import Column, Row
from knockbot.times import DAY

_CONVERSATION = Row(Conversation, "conversations")

_GOES_ON = f"stage IN {tuple(map(str, sorted(CURRENT)))}"


async def get(tx: Tx, conversation_id: int, *, held: bool = True) -> Conversation | None:
    """One conversation, perhaps one that is over."""
    hold = for_update(tx, held)
    return _CONVERSATION.maybe(await tx.fetchrow(f"{_CONVERSATION.select} WHERE id = $1{hold}", conversation_id))


async def current(tx: Tx, user_id: str, *, held: bool = True) -> Conversation | None:
    """The conversation with an applicant that goes on."""
    row = await tx.fetchrow(f"{_CONVERSATION.select} WHERE user_id = $1 AND {_GOES_ON}{for_update(tx, held)}", user_id)
    return _CONVERSATION.maybe(row)


async def in_room(tx: Tx, room_id: str) -> Conversation | None:
    """The conversation of a room, whether it goes on or not."""
    return _CONVERSATION.maybe(await tx.fetchrow(f"{_CONVERSATION.select} WHERE room_id = $1", room_id))


async def last(tx: Tx, user_id: str) -> Conversation | None:
    """The newest conversation with an applicant."""
    row = await tx.fetchrow(f"{_CONVERSATION.select} WHERE user_id = $1 ORDER BY id DESC LIMIT 1", user_id)
    return _CONVERSATION.maybe(row)


async def begun_since(tx: Tx, user_id: str, since: int) -> int:
    """How many conversations with somebody were begun since a moment."""
    return int(
        await tx.fetchval("SELECT count(*) FROM conversations WHERE user_id = $1 AND begun_at > $2", user_id, since)
    )


async def going_on(tx: Tx) -> list[Conversation]:
    """Every conversation that goes on."""
    return _CONVERSATION.all(await tx.fetch(f"{_CONVERSATION.select} WHERE {_GOES_ON} ORDER BY id"))


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation that has its room already, and is not on record."""

    user_id: str
    about: str
    room_id: str
    stage: Stage


async def take_up(tx: Tx, found: Found, now: int) -> None:
    """Put it on record."""
    await tx.execute(
        "INSERT INTO conversations (user_id, about, room_id, stage, begun_at, last_at) VALUES ($1, $2, $3, $4, $5, $5)",
        found.user_id,
        found.about,
        found.room_id,
        found.stage,
        now,
    )


async def begin(tx: Tx, user_id: str, about: str, now: int, *, most: int) -> Conversation | None:
    """Begin the conversation with an applicant, or return the one that another process has begun just now.

    `None` if `most` were begun on this day already.
    """
    row = await tx.fetchrow(
        "INSERT INTO conversations (user_id, about, stage, begun_at, last_at) VALUES ($1, $2, $3, $4, $4) "
        f"ON CONFLICT (user_id) WHERE {_GOES_ON} DO NOTHING RETURNING {_CONVERSATION.columns}",
        user_id,
        about,
        Stage.MAKING,
        now,
    )
    if row is None:
        return await current(tx, user_id)
    if not await count_begun(tx, now, most):
        await tx.execute("DELETE FROM conversations WHERE id = $1", row["id"])
        return None
    return _CONVERSATION.one(row)


async def count_begun(tx: Tx, now: int, most: int) -> bool:
    """Count one more room on the day of a moment; false if there were `most`.

    The row is locked, so no two processes count the same.
    """
    await _open_day(tx, now // DAY)
    row = await tx.fetchrow(
        "UPDATE conversation_days SET begun = begun + 1 WHERE day = $1 AND begun < $2 RETURNING begun", now // DAY, most
    )
    return row is not None


async def _open_day(tx: Tx, day: int) -> None:
    await tx.execute("INSERT INTO conversation_days (day) VALUES ($1) ON CONFLICT (day) DO NOTHING", day)


async def count_unsaid(tx: Tx, now: int, number: int = 1) -> None:
    """Count what could not be said to applicants."""
    if number:
        await _open_day(tx, now // DAY)
        await tx.execute("UPDATE conversation_days SET unsaid = unsaid + $2 WHERE day = $1", now // DAY, number)


async def made(tx: Tx, conversation_id: int, room_id: str) -> None:
    """Its room is there."""
    await tx.execute("UPDATE conversations SET room_id = $2 WHERE id = $1", conversation_id, room_id)


async def move(tx: Tx, conversation_id: int, stage: Stage, now: int, why: Notice | None = None) -> None:
    """It is at another stage now."""
    await tx.execute(
        "UPDATE conversations SET stage = $2, why = $3, last_at = $4 WHERE id = $1",
        conversation_id,
        stage,
        dumps(why) if why is not None else None,
        now,
    )


async def touch(tx: Tx, conversation_id: int, now: int) -> None:
    """Somebody has said something in it."""
    await tx.execute("UPDATE conversations SET last_at = $2 WHERE id = $1 AND last_at < $2", conversation_id, now)


async def answered(tx: Tx, conversation_id: int, until: int) -> None:
    """An answer was given (`may_answer`)."""
    await tx.execute("UPDATE conversations SET answers_until = $2 WHERE id = $1", conversation_id, until)


async def idle(tx: Tx, before: int) -> list[Conversation]:
    """The conversations in which nobody has said anything since a moment."""
    rows = await tx.fetch(
        f"{_CONVERSATION.select} WHERE {_GOES_ON} AND last_at < $1 ORDER BY id{for_update(tx)}", before
    )
    return _CONVERSATION.all(rows)


async def forget(tx: Tx, before: int) -> None:
    """Forget what was over, and what was said, before a moment."""
    await tx.execute("DELETE FROM letters WHERE at < $1", before)
    await tx.execute(
        f"DELETE FROM conversations WHERE NOT ({_GOES_ON}) AND last_at < $1 "
        "AND id NOT IN (SELECT conversation_id FROM letters WHERE conversation_id IS NOT NULL)",
        before,
    )
    await tx.execute("DELETE FROM conversation_days WHERE day < $1", before // DAY)


@dataclass(frozen=True, slots=True)
class Budget:
    """What one day has seen."""

    begun: int = 0
    unsaid: int = 0
    """How many messages to applicants were dropped."""


_BUDGET = Row(Budget, "conversation_days")


async def budget(tx: Tx, now: int) -> Budget:
    """What this day has seen."""
    return _BUDGET.maybe(await tx.fetchrow(f"{_BUDGET.select} WHERE day = $1", now // DAY)) or Budget()


async def counts(tx: Tx) -> Counter[str]:
    """How many conversations are at each stage, those that are over for long left out."""
    rows = await tx.fetch("SELECT stage, count(*) AS n FROM conversations GROUP BY stage")
    return Counter({row["stage"]: row["n"] for row in rows})


# --- letters ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Letter:
    """Something to be said to an applicant; `line` is a `Line` as JSON, locked, until it is said or dropped."""

    key: str
    """The occasion, which is written to only once."""
    user_id: str
    at: int
    conversation_id: int | None = None
    request_id: int | None = None
    line: Mapping[str, Any] | None = None


_LETTER = Row(Letter, "letters", line=Column("line_json", json.loads))


async def note(tx: Tx, letter: Letter) -> bool:
    """Note a letter; false if this occasion was written about before."""
    row = await tx.fetchrow(
        "INSERT INTO letters (key, user_id, at, conversation_id, request_id, line_json) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (key) DO NOTHING RETURNING key",
        letter.key,
        letter.user_id,
        letter.at,
        letter.conversation_id,
        letter.request_id,
        json.dumps(letter.line) if letter.line is not None else None,
    )
    return row is not None


async def is_noted(tx: Tx, key: str) -> bool:
    """Whether this occasion was written about before."""
    return await tx.fetchval("SELECT 1 FROM letters WHERE key = $1", key) is not None


async def of_letter(tx: Tx, key: str) -> Conversation | None:
    """The conversation in which a letter was, or will be, said; `None` if it was dropped."""
    row = await tx.fetchrow(
        f"{_CONVERSATION.select} WHERE id = (SELECT conversation_id FROM letters WHERE key = $1)", key
    )
    return _CONVERSATION.maybe(row)


async def written_since(tx: Tx, user_id: str, since: int) -> int:
    """How many letters an applicant got since a moment."""
    return int(await tx.fetchval("SELECT count(*) FROM letters WHERE user_id = $1 AND at > $2", user_id, since))


async def take_waiting(tx: Tx, conversation_id: int) -> list[Letter]:
    """The letters that wait for a conversation, oldest first: they wait no longer."""
    rows = await tx.fetch(
        f"{_LETTER.select} WHERE conversation_id = $1 AND line_json IS NOT NULL ORDER BY at, key", conversation_id
    )
    await tx.execute("UPDATE letters SET line_json = NULL WHERE conversation_id = $1", conversation_id)
    return _LETTER.all(rows)


# --- what applicants choose -------------------------------------------------------------------------------------


async def language_of(tx: Tx, user_id: str) -> Language | None:
    """The language that an applicant has chosen."""
    code = await tx.fetchval("SELECT language FROM applicants WHERE user_id = $1", user_id)
    return next((language for language in Language if language == code), None)


async def choose_language(tx: Tx, user_id: str, language: Language, now: int) -> None:
    """An applicant chooses the language in which the bot writes to them."""
    await tx.execute(
        "INSERT INTO applicants (user_id, language, chosen_at) VALUES ($1, $2, $3) "
        "ON CONFLICT (user_id) DO UPDATE SET language = excluded.language, chosen_at = excluded.chosen_at",
        user_id,
        language,
        now,
    )


async def forget_choices(tx: Tx, before: int) -> None:
    """Forget what was chosen before a moment."""
    await tx.execute("DELETE FROM applicants WHERE chosen_at < $1", before)
