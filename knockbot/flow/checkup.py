"""What knockbot needs in a protected room, and what of it is missing."""

from __future__ import annotations

from knockbot.documents.text import shown
from knockbot.domain import wording
from knockbot.domain.fitness import KNOCKABLE, Concern, knows_rule, of_protected
from knockbot.domain.model import RoomView, Verdict
from knockbot.domain.notices import Notice, Term, because, listed
from knockbot.domain.plan import ACT_OF
from knockbot.domain.power import ANYBODY, Powers
from knockbot.domain.power import shown as level_shown
from knockbot.domain.reasons import in_words
from knockbot.domain.words import ID_LIMIT, Words, lines
from knockbot.errors import ActionError
from knockbot.flow.context import Context
from knockbot.flow.rooms import is_joined

NOT_THERE = because("room.not_there")
"""What is missing where the bot is not in a room."""


def lacking(powers: Powers, bot: str) -> list[Verdict]:
    """The answers that the bot's level in a room does not reach to, even for who has no level of their own there."""
    return [verdict for verdict in ACT_OF if not powers.may(bot, verdict, ANYBODY)]


def shortage(powers: Powers, bot: str) -> Notice | None:
    """What is missing; `None` if nothing is."""
    missing = lacking(powers, bot)
    if not missing:
        return None
    acts = [
        because("room.my_power_for", act=Term(ACT_OF[verdict]), level=level_shown(powers.enough(verdict)))
        for verdict in missing
    ]
    return because("room.my_power", level=level_shown(powers.level(bot)), acts=listed(acts))


async def checklist(context: Context, view: RoomView) -> Words:
    """Join rule and powers of a room, each miss with its mend."""
    # A room the bot has left still shows its state of that day.
    if not await is_joined(context, view.room_id, context.bot):
        return wording.tick(False, "", in_words(NOT_THERE))
    powers = await context.outside.powers(view.room_id)
    level = powers.level(context.bot)
    return lines(
        [
            *await _replaced(context, view),
            *await _heard(context, view),
            *_takes_knocks(view),
            *_concerns(view, powers),
            *(
                wording.tick(
                    powers.may(context.bot, verdict, ANYBODY),
                    f"I may {act} (it takes level {powers.enough(verdict):g}, mine is {level:g})",
                    f"I may not {act}: give {context.bot} level {powers.enough(verdict):g} there, it has {level:g}",
                )
                for verdict, act in ACT_OF.items()
            ),
            *[await _allowed(context, room_id, powers) for room_id in view.allow],
        ]
    )


def _takes_knocks(view: RoomView) -> list[Words]:
    """Whether anybody can knock, by the join rule; where the room's version does not know it, that is a concern."""
    rule = view.join_rule
    if rule in KNOCKABLE and not knows_rule(view.version, rule):
        return []
    return [
        wording.tick(
            rule in KNOCKABLE,
            f"people can ask to join (join rule “{rule}”)",
            f"the join rule is “{rule}”: set it to “ask to join” (knock), or nobody can ask to join",
        )
    ]


def _concerns(view: RoomView, powers: Powers) -> list[Words]:
    """What else makes the room unfit to be protected; its join rule has a line of its own."""
    found = of_protected(view.join_rule, view.version, powers)
    return [wording.CONCERNS[concern] for concern in found if concern not in (Concern.PUBLIC, Concern.SHUT)]


async def _heard(context: Context, view: RoomView) -> list[Words]:
    """Whether other servers take what the bot does there."""
    if not (await context.outside.server_acl(view.room_id)).denies(context.home):
        return []
    return [wording.tick(False, "", f"its server ACL denies {context.home}, so no other server takes what I do there")]


async def _replaced(context: Context, view: RoomView) -> list[Words]:
    """Whether the room has come to its end, which all that is well with it would hide."""
    tombstone = await context.outside.tombstone(view.room_id)
    if tombstone is None:
        return []
    replacement = shown(tombstone.replacement, ID_LIMIT)
    return [
        wording.tick(False, "", f"this room was replaced by {replacement}, so I let nobody in here: protect that one")
    ]


async def _allowed(context: Context, room_id: str, powers: Powers) -> Words:
    """A room whose members may join without knocking: our server can only let them in while it is in there too."""
    try:
        inside = await is_joined(context, room_id, context.bot)
    except ActionError:
        inside = False
    if not powers.may(context.bot, Verdict.ACCEPT, ANYBODY):
        return wording.tick(False, "", f"members of {room_id} may join without knocking, but only once I may invite")
    return wording.tick(
        inside,
        f"members of {room_id} may join without knocking",
        f"members of {room_id} may join without knocking, but I cannot tell whether {context.home} is in that room and "
        "could let them in: invite me there",
    )
