"""Trying a policy in chat: `policy try`, and what is said of it."""

from __future__ import annotations

import re
from typing import Final

from knockbot.chat.arguments import POLICY, ROOM, Argument, optional
from knockbot.chat.calls import Answered, Call
from knockbot.chat.command import Command
from knockbot.chat.times import in_units
from knockbot.documents.reading import duration
from knockbot.domain import card, mistakes
from knockbot.domain.may import Deed
from knockbot.domain.naming import verdict_named
from knockbot.domain.notices import Choice, Code, Notice, Number, Numbered, Room, Stranger, below, notice
from knockbot.engine.turn import WAITS
from knockbot.errors import Fault, Refused
from knockbot.features.replay.trying import Decided, Trial, tried
from knockbot.flow import refusals
from knockbot.flow.changes import Change
from knockbot.store.rooms import ProtectedRoom
from knockbot.times import DAY

USUAL: Final = 30 * DAY
"""Milliseconds of the past that are looked at, if nothing else is said."""


async def policy_try(call: Call, room: ProtectedRoom, span: int | None, text: str) -> Answered:
    """What a policy would have decided; nothing is changed."""
    try:
        trial = await tried(call.context, Change(room, call.actor, text, call.cause), span or USUAL)
    except Fault as fault:
        raise Refused(notice("try.refused", fault=mistakes.told(fault))) from fault
    except Refused as refused:
        raise Refused(_not_tried(refused.said)) from refused
    return _told(Room(room.room_id, room.label), trial) if trial is not None else WAITS


def _not_tried(said: Notice) -> Notice:
    """What is refused, without a word of a change: none was wanted."""
    why = refusals.why_not_changed(said)
    return notice("try.not_tried", why=why) if why is not None else said


def _told(room: Room, trial: Trial) -> Notice:
    span, count = _the_last(trial.span), Number(trial.judged)
    if not trial.judged:
        return notice("try.nothing", room=room, span=span)
    several = Number(len(trial.rooms))
    more = trial.differ - len(trial.shown)
    return below(
        notice("try.head", room=room, span=span, count=count),
        notice("try.in_rooms", room=room, rooms=several) if several.value > 1 else None,
        notice("try.cut") if trial.cut else None,
        notice("try.differ", count=Number(trial.differ)),
        *(_row(one, trial) for one in trial.shown),
        notice("who.more", count=Number(more)) if more else None,
        notice("try.unknown", count=Number(trial.unknown)) if trial.unknown else None,
    )


def _the_last(milliseconds: int) -> Notice:
    """The time that is looked at: "the last 30 days"."""
    count, unit = in_units(milliseconds)
    if count == 1:
        return notice("try.span_of_one", unit=Choice(unit))
    return notice("try.span", unit=Choice(unit), count=Number(count))


def _row(one: Decided, trial: Trial) -> Notice:
    assert one.would is not None
    number, who, room_id = Numbered(one.request.number), card.applicant(one.request), one.request.room_id
    was, would = verdict_named(one.was), verdict_named(one.would)
    if len(trial.rooms) > 1:
        room = Room(room_id, trial.rooms.get(room_id, room_id))
        return notice("try.row_at", request=number, who=who, room=room, was=was, would=would)
    return notice("try.row", request=number, who=who, was=was, would=would)


async def _span(_: Call, text: str) -> tuple[int, str] | None:
    written = _TIME.match(text)
    if written is None:
        return None
    try:
        return duration(written[0], ()), text[written.end() :].strip()
    except Fault:
        raise Refused(notice("try.no_time", text=Stranger(written[0], 60), example=Code("30d"))) from None


_TIME = re.compile(r"[-+]?[0-9]+(?:[.,][0-9]+)?(?:[ \t]*[^\W\d_]+)?(?=\s|$)")
"""What is meant as a time: a number with its unit, whether they are written as they should be or not."""


SPAN = optional(Argument("30d", None, "30d", _span))

COMMANDS = (Command("policy try", (ROOM, SPAN, POLICY), policy_try, Deed.SET_POLICY),)
