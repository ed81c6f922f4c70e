"""Conversations after a restore: those on record are compared with their rooms, and those begun since are taken up.

Otherwise an applicant would get a second conversation, and nobody would ever leave the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from knockbot.domain import plan
from knockbot.domain.conversations import DECLINED, Conversation, Event, Stage, happened
from knockbot.domain.ids import is_room_id, is_user_id
from knockbot.domain.model import Membership
from knockbot.engine.turn import Turn
from knockbot.errors import Never
from knockbot.flow import conversations as talking
from knockbot.flow.context import Context
from knockbot.flow.ports import CONVERSATION_KEY, EFFECT_KEY
from knockbot.store import bot_memberships, conversations


async def recall_talks(context: Context, joined: Iterable[str]) -> None:
    """Follow what became of each conversation; `joined` are the rooms that the bot is in. May be done again."""
    rooms = frozenset(joined)
    async with context.db.tx() as tx:
        known = await conversations.going_on(tx)
    for talk in known:
        await _follow(context, talk, rooms)
    for found in sorted(await _found(context, rooms), key=lambda one: one.number, reverse=True):
        await _take_up(context, found)


async def _follow(context: Context, talk: Conversation, joined: frozenset[str]) -> None:
    if talk.room_id is None:
        return  # the job that makes it looks for its room first
    event: Event | None = Event.IDLE
    if talk.room_id in joined:
        stands = await context.outside.member(talk.room_id, talk.user_id)
        event = happened(stands) if stands is not None else None
    if event is None:
        return
    async with context.turn() as turn:
        if event is Event.JOINED:
            await talking.reached(context, turn, talk.id, event)
        else:
            await talking.over(context, turn, talk.id, event, DECLINED if event is Event.REFUSED else None)


@dataclass(frozen=True, slots=True)
class _Found:
    """A conversation of which there is only the room."""

    room_id: str
    number: int
    """The ID that it had: the higher, the newer."""
    user_id: str
    about: str
    membership: Membership | None


MADE_BY = re.compile(r"converse:(\d{1,18})")


async def _found(context: Context, joined: Iterable[str]) -> list[_Found]:
    found = [await _look(context, room_id) for room_id in sorted(joined)]
    return [one for one in found if one is not None]


async def _look(context: Context, room_id: str) -> _Found | None:
    """The conversation that a room was made for, unless it is on record."""
    made = await context.acts.made_with(room_id) or {}
    key, whose = made.get(EFFECT_KEY), made.get(CONVERSATION_KEY)
    number = MADE_BY.fullmatch(key) if isinstance(key, str) else None
    if number is None or not isinstance(whose, dict):
        return None
    user_id, about = str(whose.get("user_id")), str(whose.get("about"))
    if not is_user_id(user_id) or not is_room_id(about):
        return None
    async with context.db.tx() as tx:
        known = await conversations.in_room(tx, room_id)
        making = await conversations.get(tx, int(number[1]), held=False)
    if known is not None or (making is not None and making.goes_on):
        return None
    try:
        stands = await context.outside.member(room_id, user_id)
    except Never:
        return None
    return _Found(room_id, int(number[1]), user_id, about, stands.membership if stands is not None else None)


STAGES = {
    Membership.INVITE: Stage.INVITED,
    Membership.JOIN: Stage.JOINED,
    Membership.LEAVE: Stage.UNREACHABLE,
    Membership.BAN: Stage.UNREACHABLE,
}
"""How far a conversation is, by where its applicant is; in a room that they were never invited to it never began."""


async def _take_up(context: Context, found: _Found) -> None:
    """Go on with a conversation in its room; leave the room if the applicant is not there, or has a newer one."""
    stage = STAGES.get(found.membership) if found.membership is not None else None
    async with context.turn() as turn:
        before = await conversations.current(turn.tx, found.user_id)
        if before is not None and before.room_id is None:
            await talking.over(
                context, turn, before.id, Event.IDLE
            )  # it was made and is over, and another was begun since
            before = None
        if stage is None or before is not None:
            await _leave(turn, found)
            return
        kept = conversations.Found(found.user_id, found.about, found.room_id, stage)
        await conversations.take_up(turn.tx, kept, turn.now)
        await bot_memberships.use(turn.tx, found.room_id, turn.now)
        if stage is Stage.UNREACHABLE:
            await _leave(turn, found)


async def _leave(turn: Turn, found: _Found) -> None:
    await turn.plan(plan.leave(found.room_id, f"recalled:{found.number}", guest=found.user_id))
