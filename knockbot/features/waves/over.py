"""The end of a wave, told: in one line, or as an offer to judge by the policy those who are left."""

from __future__ import annotations

from functools import partial
from typing import Final

from knockbot.domain.model import Reaction, Request
from knockbot.domain.notices import Code, Notice, Number, below, notice
from knockbot.engine.turn import Turn, Write
from knockbot.features.waves.shown import DIGEST
from knockbot.flow import digests, offers, place, rulebook, saying
from knockbot.flow.context import Context
from knockbot.flow.offers import Offer
from knockbot.flow.place import Place
from knockbot.flow.saying import Audience
from knockbot.store import digests as folded
from knockbot.store import waiting
from knockbot.store.prompts import Prompt
from knockbot.store.waves import Wave

YES = "✅"


async def tell(context: Context, turn: Turn, wave: Wave) -> None:
    """Say that a wave is over, and offer to judge those who wait, if anybody does."""
    there = await place.of(context, turn, wave.room_id)
    if there is None:
        return
    if await _to_judge(turn, wave.room_id, there.management_room):
        await offers.make(context, turn, OVER, wave.room_id)
        return
    said, to = notice("wave.over", room=there.called), Audience(there.management_room, place=there.room_id)
    await saying.say(context, turn, to, f"wave over:{wave.id}", said)


async def _to_judge(turn: Turn, room_id: str, management_room: str) -> bool:
    """Whether anybody waits whom the policy can judge."""
    return any(one.moved_from is None for one in await waiting.at(turn.tx, room_id, management_room, turn.now))


async def _words(context: Context, there: Place) -> Notice:
    async with context.db.tx() as tx:
        found = await waiting.at(tx, there.room_id, there.management_room, context.now())
        in_digests = await folded.at(tx, there.room_id, DIGEST.name, context.now())
    count, command = Number(len(found)), Code(f"!kb policy apply {there.room_id}")
    said = notice("wave.over_waiting", room=there.called, count=count, command=command)
    counted = notice("wave.over_in_digest", count=Number(len(in_digests))) if 0 < len(in_digests) < len(found) else None
    moved = sum(one.moved_from is not None for one in found)
    not_judged = notice("wave.over_moved", count=Number(moved)) if moved else None
    return below(said, counted, not_judged)


async def _take(context: Context, there: Place, prompt: Prompt, reaction: Reaction) -> Write[Notice]:
    found = await rulebook.applicable(context, there.room, reaction.sender)
    cause = prompt.event_id or reaction.event_id  # what comes of it is said in reply to this

    async def apply(turn: Turn) -> Notice:
        return await rulebook.apply(context, turn, found, reaction.sender, cause)

    return apply


OVER: Final = Offer("wave_over", _words, (YES,), _take)
"""The end of a wave, with the offer to judge those who are left."""


async def changed(_: Context, turn: Turn, request: Request) -> None:
    """A request that waited was answered or settled, or is off the list: the digest and the offer say how many wait
    now, and the offer is closed where nobody does."""
    if request.card_id is not None:
        turn.at_last(partial(_recount, turn, request.room_id, request.management_room))


async def _recount(turn: Turn, room_id: str, management_room: str) -> None:
    await digests.renew(turn, DIGEST, room_id)
    if not await offers.are_open(turn, OVER, room_id):
        return
    if await _to_judge(turn, room_id, management_room):
        await offers.renew(turn, OVER, room_id)
    else:
        await offers.close(turn, OVER, room_id)


async def applied(_: Context, turn: Turn, room_id: str) -> None:
    """Those who wait are being judged."""
    await offers.close(turn, OVER, room_id)
