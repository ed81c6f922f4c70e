"""What the bot has said: which card or request each of its messages is about, and what is said only once."""

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
    tx: Tx, room_id: str, event_id: str, now: int, *, card_id: int | None = None, request_id: int | None = None
) -> None:
    """The bot has said this, about a card or a request if about one."""
    await tx.execute(
        "INSERT INTO messages (event_id, room_id, sent_at, card_id, request_id) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (event_id) DO NOTHING",
        event_id,
        room_id,
        now,
        card_id,
        request_id,
    )


async def is_ours(tx: Tx, event_id: str) -> bool:
    """Whether it is on record that the bot said this."""
    return await tx.fetchrow("SELECT 1 FROM messages WHERE event_id = $1", event_id) is not None


async def of_card(tx: Tx, card_id: int) -> list[Message]:
    """The messages that a card consists of, oldest first: the card and its edits."""
    return _MESSAGE.all(await tx.fetch(f"{_MESSAGE.select} WHERE card_id = $1 ORDER BY sent_at, event_id", card_id))


async def last_of_card(tx: Tx, card_id: int) -> Message | None:
    """The message by which a card came to show what it shows; none if it was never posted."""
    row = await tx.fetchrow(
        f"{_MESSAGE.select} WHERE card_id = $1 ORDER BY sent_at DESC, event_id DESC LIMIT 1", card_id
    )
    return _MESSAGE.maybe(row)


async def once(tx: Tx, key: str, now: int) -> None:
    """What has this key is not to be said again, however often there is reason to."""
    await tx.execute(
        "INSERT INTO occasions (key, at) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING",
        key,
        now,
    )


KEPT = 30 * DAY
"""Milliseconds for which it is remembered what was said about no card and no request, and what is said once."""


async def forget_old(tx: Tx, before: int) -> None:
    """Forget what was said before a moment about no card and no request, and on which occasions."""
    await tx.execute("DELETE FROM messages WHERE card_id IS NULL AND request_id IS NULL AND sent_at < $1", before)
    await tx.execute("DELETE FROM occasions WHERE at < $1", before)
