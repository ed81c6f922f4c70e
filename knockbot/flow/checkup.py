"""What knockbot needs in a protected room, and what of it is missing."""

from __future__ import annotations

from knockbot.domain import wording
from knockbot.domain.fitness import Concern, of_protected
from knockbot.domain.model import Verdict
from knockbot.domain.plan import ACT_OF
from knockbot.domain.power import Powers
from knockbot.domain.text import shown
from knockbot.domain.words import ID_LIMIT, Words, lines
from knockbot.errors import ActionError
from knockbot.flow.door import Door, RoomView
from knockbot.flow.review import is_joined

KNOCKABLE = frozenset({"knock", "knock_restricted"})

NOT_THERE = "I am not in this room; invite me."


def lacking(powers: Powers, bot: str) -> list[Verdict]:
    """The answers that the bot's level in a room does not reach to, whomever they would hit."""
    return [verdict for verdict in ACT_OF if powers.level(bot) < powers.needed(verdict)]


def shortage(powers: Powers, bot: str) -> str | None:
    """What is missing, as one sentence; `None` if nothing is."""
    missing = lacking(powers, bot)
    if not missing:
        return None
    acts = ", ".join(f"{ACT_OF[verdict]} ({powers.needed(verdict):g})" for verdict in missing)
    return f"my power level is {powers.level(bot):g}, too low to {acts}."


async def checklist(door: Door, view: RoomView) -> Words:
    """Join rule and powers of a room, each miss with its mend."""
    # A room the bot has left still shows its state of that day.
    if not await is_joined(door, view.room_id, door.bot):
        return wording.tick(False, "", NOT_THERE)
    powers = await door.outside.powers(view.room_id)
    level = powers.level(door.bot)
    return lines(
        [
            *await _replaced(door, view),
            wording.tick(
                view.join_rule in KNOCKABLE,
                f"people can ask to join (join rule “{view.join_rule}”)",
                f"the join rule is “{view.join_rule}”: set it to “ask to join” (knock), or nobody can ask to join",
            ),
            *_concerns(view, powers),
            *(
                wording.tick(
                    level >= powers.needed(verdict),
                    f"I may {act} (it takes level {powers.needed(verdict):g}, mine is {level:g})",
                    f"I may not {act}: give {door.bot} level {powers.needed(verdict):g} there, it has {level:g}",
                )
                for verdict, act in ACT_OF.items()
            ),
            *[await _allowed(door, room_id) for room_id in view.allow],
        ]
    )


def _concerns(view: RoomView, powers: Powers) -> list[Words]:
    """What else makes the room unfit to be protected; its join rule has a line of its own."""
    found = of_protected(view.join_rule, view.version, powers)
    return [wording.CONCERNS[concern] for concern in found if concern not in (Concern.PUBLIC, Concern.SHUT)]


async def _replaced(door: Door, view: RoomView) -> list[Words]:
    """Whether the room has come to its end, which all that is well with it would hide."""
    tombstone = await door.outside.tombstone(view.room_id)
    if tombstone is None:
        return []
    replacement = shown(tombstone.replacement, ID_LIMIT)
    return [
        wording.tick(False, "", f"this room was replaced by {replacement}, so I let nobody in here: protect that one")
    ]


async def _allowed(door: Door, room_id: str) -> Words:
    """A room whose members may join without knocking: our server can only let them in while it is in there too."""
    try:
        inside = await is_joined(door, room_id, door.bot)
    except ActionError:
        inside = False
    return wording.tick(
        inside,
        f"members of {room_id} may join without knocking",
        f"members of {room_id} may join without knocking, but I cannot tell whether {door.home} is in that room and "
        "could let them in: invite me there",
    )
