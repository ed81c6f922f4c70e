"""The offer to judge those who wait by a new policy: made when it is in force, and gone when it was applied."""

from __future__ import annotations

from functools import partial
from typing import Final

from knockbot.domain.model import Reaction, Request
from knockbot.domain.notices import Code, Notice, Number, notice
from knockbot.engine.turn import Turn, Write
from knockbot.flow import inheriting, offers, place, rejudging, rulebook
from knockbot.flow.context import Context
from knockbot.flow.offers import Offer
from knockbot.flow.place import Place
from knockbot.store import judgements, requests, rooms
from knockbot.store.prompts import Prompt

YES = "✅"


async def offer(context: Context, turn: Turn, room_id: str) -> None:
    """Another policy is in force: offer to apply it, where requests wait that the one before has judged."""
    room = await rooms.find(turn.tx, room_id)
    if room is not None and await inheriting.judged_before(context, turn.tx, room):
        await offers.make(context, turn, APPLY, room_id)
    else:
        await offers.close(turn, APPLY, room_id)


async def changed(context: Context, turn: Turn, request: Request) -> None:
    """A request with a card was answered, settled, or left to the moderators anew: another number may wait now by the
    policy of before."""
    if request.card_id is not None:
        turn.at_last(partial(_recount, context, turn, request))


async def came_back(context: Context, turn: Turn, request: Request) -> None:
    """A request is left to the moderators anew: where it still waits by the policy of before, and the offer was closed
    meanwhile because nobody waited, there is another one."""
    await changed(context, turn, request)
    there = await place.of(context, turn, request.room_id)
    before = await judgements.newest(turn.tx, request.id)
    if there is None or before is None or before.policies == there.policies:
        return
    if not await rejudging.is_under_way(turn, request.room_id) and not await _is_offered(turn, there):
        await offers.make(context, turn, APPLY, request.room_id)


async def _is_offered(turn: Turn, there: Place) -> bool:
    """Whether there is an open offer about a room, or about a space whose policy decides there."""
    concerned = {there.room_id, *(layer.room_id for layer in there.layers)}
    return any([await offers.are_open(turn, APPLY, room_id) for room_id in concerned])


async def _recount(context: Context, turn: Turn, request: Request) -> None:
    """Have the offers about a room, and about the spaces whose policies decide there, say how many wait now.

    Where nobody does they are closed; but not while the last answer can still be taken back.
    """
    there = await place.of(context, turn, request.room_id)
    concerned = {layer.room_id for layer in there.layers} if there is not None else set()
    for room_id in sorted({request.room_id, *concerned}):
        room = await rooms.find(turn.tx, room_id) if await offers.are_open(turn, APPLY, room_id) else None
        if room is None:
            continue
        if await inheriting.judged_before(context, turn.tx, room):
            await offers.renew(turn, APPLY, room_id)
        elif not await _is_answered(turn, request):
            await offers.close(turn, APPLY, room_id)


async def _is_answered(turn: Turn, request: Request) -> bool:
    """Whether a request has an answer that is not carried out yet."""
    now = await requests.get(turn.tx, request.id, held=False)
    return now.open and now.answer is not None


async def applied(context: Context, turn: Turn, room_id: str) -> None:
    """The policy is being applied. Where that leaves out rooms of a space, there is another offer, for those: it has a
    result of its own, which is told in reply to it."""
    room = await rooms.find(turn.tx, room_id)
    before = await inheriting.judged_before(context, turn.tx, room) if room is not None else []
    left_out = [one for one, _ in before if not await rejudging.is_under_way(turn, one.room_id)]
    if left_out and await offers.are_open(turn, APPLY, room_id):
        await offers.make(context, turn, APPLY, room_id)
    else:
        await offers.close(turn, APPLY, room_id)


async def _words(context: Context, there: Place) -> Notice:
    async with context.db.tx() as tx:
        found = await inheriting.judged_before(context, tx, there.room)
    count, command = Number(sum(count for _, count in found)), Code(f"!kb policy apply {there.room_id}")
    if all(room.room_id == there.room_id for room, _ in found):
        return notice("policy.may_be_applied", count=count, room=there.called, command=command)
    number = Number(len(found))
    return notice("policy.may_be_applied_in", count=count, space=there.called, rooms=number, command=command)


async def _take(context: Context, there: Place, prompt: Prompt, reaction: Reaction) -> Write[Notice]:
    found = await rulebook.applicable(context, there.room, reaction.sender)
    cause = prompt.event_id or reaction.event_id  # what comes of it is said in reply to this

    async def apply(turn: Turn) -> Notice:
        return await rulebook.apply(context, turn, found, reaction.sender, cause)

    return apply


APPLY: Final = Offer("apply_policy", _words, (YES,), _take)
"""The offer to judge those who wait by the policy in force."""
