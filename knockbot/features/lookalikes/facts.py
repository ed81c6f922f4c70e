"""Whether an applicant's name looks like that of somebody who has power in the room they ask to join."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from knockbot.domain.criteria.base import UNSEEN
from knockbot.domain.ids import localpart_of
from knockbot.domain.lookalikes import look_alike
from knockbot.domain.model import Facts, Knock, Known, Request, Truth
from knockbot.domain.notices import Letters, Notice, User, because, notice
from knockbot.errors import ActionError
from knockbot.flow.asking import Asked
from knockbot.flow.context import Context
from knockbot.flow.place import Place

MOST = 50
"""People with power whose names are compared: those with the most."""

SHOWN = 40
"""Characters of such a name that a finding shows."""


async def lookalike(asked: Asked, facts: Facts, _: Sequence[str]) -> Facts:
    """Whether the applicant's name looks like that of somebody with power in the room, as a fact for rules."""
    return replace(facts, lookalike=_as_seen(await looked_up(asked.context, asked.knock), facts))


def _as_seen(found: Known, facts: Facts) -> Known:
    """What is known where only a part of the names was seen."""
    return Known(Truth.UNKNOWN, UNSEEN.why) if facts.unseen and found.truth is Truth.FALSE else found


async def told(context: Context, _: Place, request: Request) -> Notice | None:
    """For a card: whose name the applicant's name looks like, if it looks like that of somebody with power."""
    found = await looked_up(context, request.knock)
    return notice("dossier.lookalike", why=found.why) if found.truth is Truth.TRUE and found.why is not None else None


async def looked_up(context: Context, knock: Knock) -> Known:
    """Whether somebody's name looks like that of another user with power in their room; `why` says whose."""
    mine = tuple(name for name in (localpart_of(knock.user_id), knock.display_name) if name)
    try:
        for user_id in await _with_power(context, knock.room_id):
            found = await _alike(context, knock.room_id, mine, user_id) if user_id != knock.user_id else None
            if found is not None:
                return found
    except ActionError as error:
        return Known(Truth.UNKNOWN, error.why)
    return Known(Truth.FALSE)


async def _with_power(context: Context, room_id: str) -> list[str]:
    """The users who may kick others in a room, so that people may believe them; those with the most power first."""
    powers = await context.outside.powers(room_id)
    named = [*powers.creators, *([powers.founder] if powers.founder else []), *powers.users]
    strong = [user for user in dict.fromkeys(named) if powers.level(user) >= powers.enough("kick")]
    return sorted(strong, key=lambda user: (-powers.level(user), user))[:MOST]


async def _alike(context: Context, room_id: str, mine: Sequence[str], user_id: str) -> Known | None:
    if look_alike(mine, [localpart_of(user_id)]):
        return Known(Truth.TRUE, because("finding.lookalike_of_id", user=User(user_id)))
    member = await context.outside.member(room_id, user_id)
    name = member.display_name if member is not None else None
    if name and look_alike(mine, [name]):
        return Known(Truth.TRUE, because("finding.lookalike_of", name=Letters(name, SHOWN), user=User(user_id)))
    return None
