"""Why somebody may not do something, where several entrances say the same."""

from __future__ import annotations

from knockbot.domain.notices import Code, Letters, Level, Notice, Room, User, notice
from knockbot.domain.power import Level as PowerLevel
from knockbot.domain.power import Shortfall
from knockbot.errors import Never, Refused


def why_not(error: Refused | Never) -> Notice:
    """What somebody is told who wanted something that is not done."""
    return error.said if isinstance(error, Refused) else failed(error.why)


def cannot_look(room: Room, bot: str) -> Notice:
    """The bot is out of the room, and does not know who may do what there now."""
    return notice("may.cannot_look", room=room, bot=User(bot))


def not_a_member(room: Room) -> Notice:
    """Only members of the protected room answer for it."""
    return notice("may.not_a_member", room=room)


def not_a_member_yet(room: Room) -> Notice:
    """The one who asks is not in the room."""
    return notice("may.not_a_member_yet", room=room)


def lacks_power(who: str, shortfall: Shortfall, room: Room) -> Notice:
    """Somebody may not do this: the level they need, and the one they have."""
    return notice("may.lacks_power", user=User(who), room=room, why=shortfall.why)


def bot_lacks_power(bot: str, shortfall: Shortfall, room: Room) -> Notice:
    """The bot may not do this, and how to change that."""
    return notice("may.bot_lacks_power", room=room, why=shortfall.why, bot=User(bot))


def lacks_power_to_protect(room: Room, needed: PowerLevel, level: PowerLevel) -> Notice:
    """The one who asks has too little power in the room."""
    return notice("may.lacks_power_to_protect", needed=Level(f"{needed:g}"), room=room, level=Level(f"{level:g}"))


def lacks_power_to_manage(needed: PowerLevel, level: PowerLevel) -> Notice:
    """The one who asks has too little power in the management room."""
    return notice("may.lacks_power_to_manage", needed=Level(f"{needed:g}"), level=Level(f"{level:g}"))


def locked(room: Room) -> Notice:
    """The config file rules this room."""
    return notice("may.locked", room=room)


def failed(why: Notice) -> Notice:
    """The homeserver said no to something nobody thought of."""
    return notice("act.failed", why=why)


def room_replaced(room: Room) -> Notice:
    """Nobody is let into a room that has come to its end."""
    return notice("answer.room_replaced", room=room, command=Code("!kb protect"))


def server_denied(server: str, room: Room) -> Notice:
    """A room takes nothing from the applicant's server, so that they could not join."""
    return notice("answer.server_denied", room=room, server=Letters(server))
