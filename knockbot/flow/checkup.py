"""What knockbot needs in a protected room, and which part of it is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from knockbot.domain import fitness
from knockbot.domain.fitness import KNOCKABLE, Concern, knows_rule, of_protected
from knockbot.domain.may import ANSWERS
from knockbot.domain.model import Kind, RoomView, Verdict
from knockbot.domain.naming import power_named
from knockbot.domain.notices import Id, Letters, Notice, Stranger, User, because, below, listed, notice
from knockbot.domain.power import ANYBODY, POWERS, Power, Powers
from knockbot.domain.power import shown as level_shown
from knockbot.errors import ActionError
from knockbot.flow import authority
from knockbot.flow.context import Context
from knockbot.flow.rooms import is_in, is_joined, last_called
from knockbot.flow.rules import Layer

NOT_THERE = because("room.not_there")
"""What is missing where the bot is not in a room."""


def lacking(powers: Powers, bot: str) -> list[Power]:
    """The acts that the bot's level in a room is too low for, even on somebody who has no level of their own there."""
    return [power for power in POWERS if not powers.may(bot, power, ANYBODY)]


def shortage(powers: Powers, bot: str) -> Notice | None:
    """What is missing; `None` if nothing is."""
    missing = lacking(powers, bot)
    if not missing:
        return None
    acts = [
        because("room.my_power_for", act=power_named(power), level=level_shown(powers.enough(power)))
        for power in missing
    ]
    return because("room.my_power", level=level_shown(powers.level(bot)), acts=listed(acts))


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a checklist: what was checked, and how to fix it where it does not fit."""

    said: Notice
    fits: bool = False


async def checklist(context: Context, view: RoomView) -> list[Item]:
    """Join rule and powers of a room, and what else it needs."""
    # A room that the bot has left still shows its state of the day it left.
    if not await is_joined(context, view.room_id, context.bot):
        return [NOT_IN_IT]
    powers = await context.outside.powers(view.room_id)
    return [
        *await _replaced(context, view),
        *await _heard(context, view),
        *_takes_knocks(view),
        *_concerns(view, powers),
        *(_may(powers, context.bot, power) for power in POWERS),
        *[await _allowed(context, room_id, powers) for room_id in view.allow],
    ]


MOST_UNSEEN = 10
"""Rooms that the checklist names."""


async def unseen(context: Context, rooms: Iterable[str]) -> list[Item]:
    """The rooms whose members a policy asks for, and which nobody can tell the bot of: it is not in there any more."""
    found = [room_id for room_id in rooms if await _is_unseen(context, room_id)][:MOST_UNSEEN]
    return [
        Item(notice("check.unseen", room=Letters(await last_called(context, room_id)), bot=User(context.bot)))
        for room_id in found
    ]


async def _is_unseen(context: Context, room_id: str) -> bool:
    return not await is_in(context, room_id) and await _told_of(context, room_id) is None


async def _told_of(context: Context, room_id: str) -> bool | None:
    """Whether the homeserver tells who is in a room that the bot is not in."""
    try:
        return await context.outside.is_joined_afar(room_id, context.bot)
    except ActionError:
        return None


async def powerless(context: Context, room_id: str, layers: Iterable[Layer]) -> list[Item]:
    """The policies whose author lacks the power for something that they say: the moderators decide that instead."""
    found: dict[str, Notice] = {}
    for layer in layers:
        for verdict in (Verdict.ACCEPT, Verdict.REJECT, Verdict.BAN):
            if layer.author is None or layer.author in found or verdict not in layer.policy.verdicts:
                continue
            why = await authority.lacking(context, layer.author, ANSWERS[Kind.KNOCK][verdict], room_id=room_id)
            found |= {layer.author: why} if why is not None else {}
    return [Item(notice("check.powerless", user=User(author), why=why)) for author, why in found.items()]


NOT_IN_IT = Item(notice("check.missing", why=NOT_THERE))


def told(items: Iterable[Item]) -> Notice:
    """A checklist, one line each."""
    return below(*(item.said for item in items))


def _may(powers: Powers, bot: str, power: Power) -> Item:
    """Whether the bot's level is high enough for an act."""
    act = power_named(power)
    needed, level = level_shown(powers.enough(power)), level_shown(powers.level(bot))
    if powers.may(bot, power, ANYBODY):
        return Item(notice("check.may", act=act, needed=needed, level=level), fits=True)
    return Item(notice("check.may_not", act=act, needed=needed, level=level, bot=User(bot)))


def _takes_knocks(view: RoomView) -> list[Item]:
    """Whether people can knock, by the join rule; a room version without knocking is a concern instead."""
    rule = view.join_rule
    if rule not in KNOCKABLE:
        return [Item(notice("check.no_knocks", rule=Stranger(rule)))]
    knocks = Item(notice("check.knocks", rule=Stranger(rule)), fits=True)
    return [knocks] if knows_rule(view.version, rule) else []


def _concerns(view: RoomView, powers: Powers) -> list[Item]:
    """What else makes the room unfit to be protected; its join rule has a line of its own."""
    found = of_protected(view.join_rule, view.version, powers)
    return [Item(fitness.told(concern)) for concern in found if concern not in (Concern.PUBLIC, Concern.SHUT)]


async def _heard(context: Context, view: RoomView) -> list[Item]:
    """Whether other servers accept what the bot does there."""
    if not (await context.outside.server_acl(view.room_id)).denies(context.home):
        return []
    return [Item(notice("check.server_denied", server=Letters(context.home)))]


async def _replaced(context: Context, view: RoomView) -> list[Item]:
    """Whether the room was replaced, which the other lines of the checklist would not show."""
    tombstone = await context.outside.tombstone(view.room_id)
    return [Item(notice("check.replaced", new=Letters(tombstone.replacement)))] if tombstone is not None else []


async def _allowed(context: Context, room_id: str, powers: Powers) -> Item:
    """A room whose members may join without knocking: our server can only let them in while it is in that room too."""
    try:
        inside = await is_joined(context, room_id, context.bot)
    except ActionError:
        inside = False
    if not powers.may(context.bot, "invite", ANYBODY):
        return Item(notice("check.members_join_once", room=Id(room_id)))
    if inside:
        return Item(notice("check.members_join", room=Id(room_id)), fits=True)
    return Item(notice("check.members_join_perhaps", room=Id(room_id), server=Letters(context.home)))
