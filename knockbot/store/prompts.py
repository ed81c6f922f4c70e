"""Prompts: messages of the bot that can be answered, found again by their event id, and what each offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from knockbot.store.db import Tx, for_update
from knockbot.store.requests import UNSETTLED
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class Prompt:
    """A message of the bot that can be answered; `event_id` once it is posted."""

    id: int
    room_id: str
    """The room that it is in."""
    kind: str
    """Its row in the table of kinds (`engine/prompts.py`)."""
    about: str
    """The protected room that it is about; of a card of several rooms, the first one. What is asked there names the
    prompt, as a request does its card."""
    event_id: str | None
    edits: int
    created_at: int
    digest: str | None
    """The digest of what it shows now, where that is known."""
    closes_at: int | None = None
    """The time (milliseconds) from which on it takes no answer; none where it always does."""
    taken_by: str | None = None
    """Who gave the answer that closed it."""
    taken_as: str | None = None
    """The emoji of that answer."""

    def is_closed(self, now: int) -> bool:
        """Whether it takes no answer any more."""
        return self.closes_at is not None and self.closes_at <= now


_PROMPT = Row(Prompt, "prompts")


async def new(tx: Tx, room_id: str, kind: str, about: str, now: int, *, closes_at: int | None = None) -> Prompt:
    """A prompt that is yet to be posted."""
    row = await tx.fetchrow(
        "INSERT INTO prompts (room_id, kind, about, created_at, closes_at) VALUES ($1, $2, $3, $4, $5) "
        f"RETURNING {_PROMPT.columns}",
        room_id,
        kind,
        about,
        now,
        closes_at,
    )
    return _PROMPT.one(row)


async def get(tx: Tx, prompt_id: int, *, held: bool = True) -> Prompt:
    """The prompt with this id, held until the transaction ends unless it is only looked at."""
    return _PROMPT.one(await tx.fetchrow(f"{_PROMPT.select} WHERE id = $1{for_update(tx, held)}", prompt_id))


async def by_event(tx: Tx, room_id: str, event_id: str) -> Prompt | None:
    """The prompt that was posted in the room as this event."""
    row = await tx.fetchrow(f"{_PROMPT.select} WHERE event_id = $1 AND room_id = $2", event_id, room_id)
    return _PROMPT.maybe(row)


async def edited_by(tx: Tx, room_id: str, event_id: str) -> Prompt | None:
    """The prompt of which this message of the bot is an edit."""
    row = await tx.fetchrow(
        f"{_PROMPT.select} WHERE id = (SELECT prompt_id FROM messages WHERE event_id = $1 AND room_id = $2) "
        "AND event_id <> $1",
        event_id,
        room_id,
    )
    return _PROMPT.maybe(row)


async def pointed_at(tx: Tx, room_id: str, event_id: str) -> Prompt | None:
    """The prompt that a reaction or a reply points at; some clients point at its newest edit."""
    return await by_event(tx, room_id, event_id) or await edited_by(tx, room_id, event_id)


async def posted(tx: Tx, prompt_id: int, event_id: str, digest: str | None = None) -> None:
    """The prompt was posted in the room as this event, and shows what this digest was made from."""
    await tx.execute("UPDATE prompts SET event_id = $2, digest = $3 WHERE id = $1", prompt_id, event_id, digest)


async def shows(tx: Tx, prompt_id: int, digest: str | None) -> None:
    """Note the digest of what a prompt shows; `None` where that is not known any more."""
    await tx.execute("UPDATE prompts SET digest = $2 WHERE id = $1", prompt_id, digest)


async def calls(tx: Tx, prompt_id: int, now: int, since: int) -> bool:
    """Whether a prompt is to notify people: no other one about the same room has done so since that moment."""
    row = await tx.fetchrow(
        "UPDATE prompts SET called_at = $2 WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM prompts AS others "
        "WHERE others.about = prompts.about AND others.id <> prompts.id "
        "AND others.called_at > $3) RETURNING id",
        prompt_id,
        now,
        since,
    )
    return row is not None


async def still_open(tx: Tx, kind: str, room_id: str) -> list[Prompt]:
    """The prompts of this kind about a protected room that nothing has closed yet; not for cards."""
    rows = await tx.fetch(
        f"{_PROMPT.select} WHERE about = $1 AND kind = $2 AND kind <> 'card' AND closes_at IS NULL ORDER BY id",
        room_id,
        kind,
    )
    return _PROMPT.all(rows)


async def close(tx: Tx, prompt_id: int, now: int) -> None:
    """From now on a prompt takes no answer."""
    await tx.execute("UPDATE prompts SET closes_at = $2 WHERE id = $1 AND closes_at IS NULL", prompt_id, now)


async def taken(tx: Tx, prompt_id: int, by: str, emoji: str) -> None:
    """Note whose answer closed a prompt, and which one that was."""
    await tx.execute("UPDATE prompts SET taken_by = $2, taken_as = $3 WHERE id = $1", prompt_id, by, emoji)


async def move_over(tx: Tx, prompt_id: int, room_id: str) -> None:
    """Have a prompt be about the room that replaces its own."""
    await tx.execute("UPDATE prompts SET about = $2 WHERE id = $1", prompt_id, room_id)


async def count_edit(tx: Tx, prompt_id: int) -> int:
    """Number the next edit of a prompt."""
    return int(await tx.fetchval("UPDATE prompts SET edits = edits + 1 WHERE id = $1 RETURNING edits", prompt_id))


async def counted_edits(tx: Tx, prompt_id: int, number: int) -> None:
    """An edit of this number was sent."""
    await tx.execute("UPDATE prompts SET edits = $2 WHERE id = $1 AND edits < $2", prompt_id, number)


# --- what it offers -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """An answer that a prompt offers by a reaction of the bot, or has offered; and how often it was taken away."""

    emoji: str
    reaction: str | None
    """The bot's reaction while it is in the room or about to be sent; empty until it is known."""
    turns: int
    meaning: str | None = None
    """What a click on it says, as the prompt showed it last; none where that never changes, or is not known."""
    meanings: int = 0
    """How many different ones the prompt has shown."""


_OFFER = Row(Offer, "offers")


async def offers_on(tx: Tx, prompt_id: int) -> dict[str, Offer]:
    """Which answers a prompt offers, has offered, or is about to, by emoji."""
    rows = await tx.fetch(f"{_OFFER.select} WHERE prompt_id = $1", prompt_id)
    return {offer.emoji: offer for offer in _OFFER.all(rows)}


async def offer(tx: Tx, prompt_id: int, emojis: Sequence[str]) -> None:
    """A prompt is to offer these answers from now on."""
    if emojis:
        values = ", ".join(f"($1, {place}, '')" for place in (f"${n}" for n in range(2, len(emojis) + 2)))
        await tx.execute(
            f"INSERT INTO offers (prompt_id, emoji, reaction) VALUES {values} "
            "ON CONFLICT (prompt_id, emoji) DO UPDATE SET reaction = ''",
            prompt_id,
            *emojis,
        )


async def mean(tx: Tx, prompt_id: int, meanings: Mapping[str, str]) -> None:
    """What a click on each of these offers says, as the prompt shows it now."""
    for emoji, meaning in meanings.items():
        await tx.execute(
            "UPDATE offers SET meaning = $3, meanings = meanings + 1 WHERE prompt_id = $1 AND emoji = $2 "
            "AND (meaning IS NULL OR meaning <> $3)",
            prompt_id,
            emoji,
            meaning,
        )


async def offered(tx: Tx, prompt_id: int, emoji: str, reaction: str) -> None:
    """The reaction by which a prompt offers an answer, if it still is to."""
    await tx.execute(
        "UPDATE offers SET reaction = $3 WHERE prompt_id = $1 AND emoji = $2 AND reaction = ''",
        prompt_id,
        emoji,
        reaction,
    )


async def offer_no_more(tx: Tx, prompt_id: int, emoji: str) -> None:
    """A prompt is not to offer this answer any more."""
    await tx.execute(
        "UPDATE offers SET reaction = NULL, turns = turns + 1 WHERE prompt_id = $1 AND emoji = $2", prompt_id, emoji
    )


# --- cards ----------------------------------------------------------------------------------------------------


async def awaiting_answers(tx: Tx, room_id: str) -> list[Prompt]:
    """The cards of a protected room that show an open request and have been posted."""
    return [card for card in await _open(tx, room_id) if card.event_id is not None]


async def unposted(tx: Tx, room_id: str) -> list[Prompt]:
    """The cards of a protected room that are to show an open request and have yet to be posted."""
    return [card for card in await _open(tx, room_id) if card.event_id is None]


async def _open(tx: Tx, room_id: str) -> list[Prompt]:
    rows = await tx.fetch(
        f"{_PROMPT.select} WHERE kind = 'card' AND id IN "
        f"(SELECT card_id FROM requests WHERE room_id = $1 AND {UNSETTLED} AND state = 'pending') ORDER BY id",
        room_id,
    )
    return _PROMPT.all(rows)
