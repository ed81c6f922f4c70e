"""Prompts: messages of the bot that can be answered, found again by their event id; those with requests are cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.store.db import Tx, for_update
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class Prompt:
    """One message that shows one request, or several that share it; `event_id` once it is posted."""

    id: int
    management_room: str
    room_id: str
    event_id: str | None
    edits: int
    created_at: int
    digest: str | None
    """Of what it shows now, where that is known."""


_PROMPT = Row(Prompt, "cards")


async def new(tx: Tx, management_room: str, room_id: str, now: int) -> Prompt:
    """A card that is yet to be posted."""
    row = await tx.fetchrow(
        f"INSERT INTO cards (management_room, room_id, created_at) VALUES ($1, $2, $3) RETURNING {_PROMPT.columns}",
        management_room,
        room_id,
        now,
    )
    return _PROMPT.one(row)


async def get(tx: Tx, card_id: int, *, held: bool = True) -> Prompt:
    """The card with this id, held until the transaction ends unless it is only looked at."""
    return _PROMPT.one(await tx.fetchrow(f"{_PROMPT.select} WHERE id = $1{for_update(tx, held)}", card_id))


async def by_event(tx: Tx, management_room: str, event_id: str) -> Prompt | None:
    """The card that stands in the room as this event."""
    row = await tx.fetchrow(f"{_PROMPT.select} WHERE event_id = $1 AND management_room = $2", event_id, management_room)
    return _PROMPT.maybe(row)


async def edited_by(tx: Tx, management_room: str, event_id: str) -> Prompt | None:
    """The card of which this message of the bot is an edit."""
    row = await tx.fetchrow(
        f"{_PROMPT.select} WHERE id = (SELECT card_id FROM messages WHERE event_id = $1 AND room_id = $2) "
        "AND event_id <> $1",
        event_id,
        management_room,
    )
    return _PROMPT.maybe(row)


async def pointed_at(tx: Tx, management_room: str, event_id: str) -> Prompt | None:
    """The card that a reaction or a reply points at; some clients point at its newest edit."""
    return await by_event(tx, management_room, event_id) or await edited_by(tx, management_room, event_id)


async def posted(tx: Tx, card_id: int, event_id: str, digest: str | None = None) -> None:
    """The card stands in the room as this event, and shows what this digest is of."""
    await tx.execute("UPDATE cards SET event_id = $2, digest = $3 WHERE id = $1", card_id, event_id, digest)


async def shows(tx: Tx, card_id: int, digest: str | None) -> None:
    """Note what a card shows; `None` where that is not known any more."""
    await tx.execute("UPDATE cards SET digest = $2 WHERE id = $1", card_id, digest)


async def calls(tx: Tx, card_id: int, now: int, since: int) -> bool:
    """Whether a card is to call people: no other card of its room has since that moment."""
    row = await tx.fetchrow(
        "UPDATE cards SET called_at = $2 WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM cards AS others "
        "WHERE others.room_id = cards.room_id AND others.id <> cards.id AND others.called_at > $3) RETURNING id",
        card_id,
        now,
        since,
    )
    return row is not None


@dataclass(frozen=True, slots=True)
class Offer:
    """An answer that a card offers by a reaction of the bot, or has offered; and how often it was taken away."""

    emoji: str
    reaction: str | None
    """The reaction while it stands, or is about to; empty until it is known."""
    turns: int


_OFFER = Row(Offer, "offers")


async def offers_on(tx: Tx, card_id: int) -> dict[str, Offer]:
    """Which answers a card offers, has offered, or is about to, by emoji."""
    rows = await tx.fetch(f"{_OFFER.select} WHERE card_id = $1", card_id)
    return {offer.emoji: offer for offer in _OFFER.all(rows)}


async def offer(tx: Tx, card_id: int, emojis: Sequence[str]) -> None:
    """A card is to offer these answers from now on."""
    if emojis:
        values = ", ".join(f"($1, {place}, '')" for place in (f"${n}" for n in range(2, len(emojis) + 2)))
        await tx.execute(
            f"INSERT INTO offers (card_id, emoji, reaction) VALUES {values} "
            "ON CONFLICT (card_id, emoji) DO UPDATE SET reaction = ''",
            card_id,
            *emojis,
        )


async def offered(tx: Tx, card_id: int, emoji: str, reaction: str) -> None:
    """The reaction by which a card offers an answer, if it still is to."""
    await tx.execute(
        "UPDATE offers SET reaction = $3 WHERE card_id = $1 AND emoji = $2 AND reaction = ''", card_id, emoji, reaction
    )


async def offer_no_more(tx: Tx, card_id: int, emoji: str) -> None:
    """A card is not to offer this answer any more."""
    await tx.execute(
        "UPDATE offers SET reaction = NULL, turns = turns + 1 WHERE card_id = $1 AND emoji = $2", card_id, emoji
    )


async def move_over(tx: Tx, card_id: int, room_id: str) -> None:
    """Have a card be about the room that replaces its own."""
    await tx.execute("UPDATE cards SET room_id = $2 WHERE id = $1", card_id, room_id)


async def count_edit(tx: Tx, card_id: int) -> int:
    """Number the next edit of a card."""
    return int(await tx.fetchval("UPDATE cards SET edits = edits + 1 WHERE id = $1 RETURNING edits", card_id))


async def counted_edits(tx: Tx, card_id: int, number: int) -> None:
    """An edit of this number was sent."""
    await tx.execute("UPDATE cards SET edits = $2 WHERE id = $1 AND edits < $2", card_id, number)


async def awaiting_answers(tx: Tx, room_id: str) -> list[Prompt]:
    """The cards of a protected room that show an open request and have been posted."""
    return [card for card in await _open(tx, room_id) if card.event_id is not None]


async def unposted(tx: Tx, room_id: str) -> list[Prompt]:
    """The cards of a protected room that are to show an open request and have yet to be posted."""
    return [card for card in await _open(tx, room_id) if card.event_id is None]


async def _open(tx: Tx, room_id: str) -> list[Prompt]:
    rows = await tx.fetch(
        f"{_PROMPT.select} WHERE room_id = $1 "
        "AND id IN (SELECT card_id FROM requests WHERE room_id = $1 AND state = 'pending') ORDER BY id",
        room_id,
    )
    return _PROMPT.all(rows)
