"""Why somebody may not do something, where several parts of the code say the same."""

from __future__ import annotations

from knockbot.domain import mistakes
from knockbot.domain.may import MAY, Deed
from knockbot.domain.model import Verdict
from knockbot.domain.naming import verdict_named
from knockbot.domain.notices import Code, Letters, Notice, Room, User, notice
from knockbot.domain.power import Level as PowerLevel
from knockbot.domain.power import Shortfall, shown
from knockbot.errors import Never, Refused


def why_not(error: Refused | Never) -> Notice:
    """What the bot tells somebody whose wish it refuses."""
    return error.said if isinstance(error, Refused) else failed(error.why)


def cannot_look(room: Room, bot: str, *, admin_can: bool = False) -> Notice:
    """The bot is out of the room, and does not know who may do what there now; `admin_can` says who else could."""
    if admin_can:
        command = Code(f"!kb unprotect {room.room_id}")
        return notice("may.cannot_unprotect", room=room, bot=User(bot), command=command)
    return notice("may.cannot_look", room=room, bot=User(bot))


def not_a_member(room: Room, deed: Deed) -> Notice:
    """The person who wants this is not joined to the room that decides about it."""
    if MAY[deed].joined_to_management:
        return notice("may.not_here")
    if MAY[deed].keeps_door:
        return notice("may.not_a_member_yet", room=room)
    own = {
        Deed.ALLOW: notice("allow.not_a_member", room=room),
        Deed.CODE: notice("codes.not_a_member", room=room),
        Deed.VOUCH: notice("vouches.not_a_member", room=room),
        **dict.fromkeys((Deed.CALL, Deed.CLAIM, Deed.DEFER, Deed.WAVE), notice("may.members_only", room=room)),
    }
    return own.get(deed, notice("may.not_a_member", room=room))


def not_permitted() -> Notice:
    """The person who wants this may not have the bot protect rooms at all."""
    return notice("protect.not_permitted", key=Code("permissions"))


def lacks_power(who: str, shortfall: Shortfall, room: Room) -> Notice:
    """Somebody may not do this: the level they need, and the one they have."""
    return notice("may.lacks_power", user=User(who), room=room, why=shortfall.why)


def bot_lacks_power(bot: str, shortfall: Shortfall, room: Room) -> Notice:
    """The bot may not do this, and how to change that."""
    return notice("may.bot_lacks_power", room=room, why=shortfall.why, bot=User(bot))


def lacks_power_to_protect(room: Room, needed: PowerLevel, level: PowerLevel) -> Notice:
    """The one who asks has too little power in the room."""
    return notice("may.lacks_power_to_protect", needed=shown(needed), room=room, level=shown(level))


def policy_not_changed(why: Notice) -> Notice:
    """A policy is not put in force; the one that is in force stays."""
    return notice("policy.not_changed", why=why)


def why_not_changed(said: Notice) -> Notice | None:
    """The reason that this refusal of a policy gives; none if it is another refusal."""
    why = said.args.get("why") if said.code == "policy.not_changed" else None
    return why if isinstance(why, Notice) else None


def verdict_too_high(place: str, verdict: Verdict, room: Room, needed: PowerLevel, level: PowerLevel) -> Notice:
    """The author of a policy could not do what it says; `place` is where it says so."""
    return policy_not_changed(
        notice(
            "policy.lacks_power",
            place=mistakes.place(place),
            verdict=verdict_named(verdict),
            needed=shown(needed),
            room=room,
            level=shown(level),
        )
    )


def lacks_power_to_manage(needed: PowerLevel, level: PowerLevel) -> Notice:
    """The one who asks has too little power in the management room."""
    return notice("may.lacks_power_to_manage", needed=shown(needed), level=shown(level))


def locked(room: Room) -> Notice:
    """The config file rules this room."""
    return notice("may.locked", room=room)


def failed(why: Notice) -> Notice:
    """The homeserver refused for a reason that the bot does not know."""
    return notice("act.failed", why=why)


def room_replaced(room: Room) -> Notice:
    """The bot lets nobody into a room that was replaced."""
    return notice("answer.room_replaced", room=room, command=Code("!kb protect"))


def server_denied(server: str, room: Room) -> Notice:
    """A room takes nothing from the applicant's server, so that they could not join."""
    return notice("answer.server_denied", room=room, server=Letters(server))
