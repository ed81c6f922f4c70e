"""What the bot has said: the prompt or the request that each message belongs to; and what is said only once."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.store.db import Tx
from knockbot.store.rows import Row
from knockbot.times import DAY


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the bot, and when it was sent."""

    event_id: str
    at: int


_MESSAGE = Row(Message, "messages", at="sent_at")


async def sent(
    tx: Tx, room_id: str, event_id: str, now: int, *, prompt_id: int | None = None, request_id: int | None = None
) -> None:
    """The bot has said this: as part of a prompt, or about a request, if either."""
    await tx.execute(
        "INSERT INTO messages (event_id, room_id, sent_at, prompt_id, request_id) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (event_id) DO NOTHING",
        event_id,
        room_id,
        now,
        prompt_id,
        request_id,
    )


async def is_ours(tx: Tx, event_id: str) -> bool:
    """Whether it is on record that the bot said this."""
    return await tx.fetchrow("SELECT 1 FROM messages WHERE event_id = $1", event_id) is not None


async def get(tx: Tx, event_id: str) -> Message | None:
    """This message of the bot, if it is on record."""
    return _MESSAGE.maybe(await tx.fetchrow(f"{_MESSAGE.select} WHERE event_id = $1", event_id))


async def of_prompt(tx: Tx, prompt_id: int) -> list[Message]:
    """The messages that a prompt consists of, oldest first: the first one and its edits."""
    return _MESSAGE.all(await tx.fetch(f"{_MESSAGE.select} WHERE prompt_id = $1 ORDER BY sent_at, event_id", prompt_id))


async def last_of_prompt(tx: Tx, prompt_id: int) -> Message | None:
    """The newest message of a prompt, which made it show what it shows; none if it was never posted."""
    row = await tx.fetchrow(
        f"{_MESSAGE.select} WHERE prompt_id = $1 ORDER BY sent_at DESC, event_id DESC LIMIT 1", prompt_id
    )
    return _MESSAGE.maybe(row)


async def once(tx: Tx, key: str, now: int) -> None:
    """A message with this key is not to be sent again, no matter how often there is a reason for it."""
    await tx.execute(
        "INSERT INTO occasions (key, at) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING",
        key,
        now,
    )


KEPT = 30 * DAY
"""Milliseconds for which messages outside prompts and requests are remembered, and those that are sent once."""


async def forget_old(tx: Tx, before: int) -> None:
    """Forget messages from before a moment that belong to no prompt and no request, and the occasions before it."""
    await tx.execute("DELETE FROM messages WHERE prompt_id IS NULL AND request_id IS NULL AND sent_at < $1", before)
    await tx.execute("DELETE FROM occasions WHERE at < $1", before)
