"""Who may do what: the permissions that each act of a person needs, as one table; docs/commands.md, "Who may", says the
same row by row.

`flow/authority.py` checks whether somebody has them, at the moment of the act.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from knockbot.domain.jobs import Act
from knockbot.domain.model import Kind, Verdict
from knockbot.domain.power import ANYBODY, JOIN_RULES, Level, Power, Powers, Shortfall


class Deed(StrEnum):
    """What somebody can make the bot do: by a command, by a click, or by a rule that they wrote."""

    LOOK = "look"
    """See what is managed from a room."""
    NOTE = "note"
    """Write down something about a request for the others in the management room, or take back what one has put
    there."""
    CALL = "call"
    """Say whether one wants to be called about a room."""
    ASK = "ask"
    """Have the bot ask an applicant something."""
    CLAIM = "claim"
    """Say that one is at a request."""
    DEFER = "defer"
    """Take a request off the list for a time."""
    ACCEPT = "accept"
    REJECT = "reject"
    BAN = "ban"
    """Answer a knock, or a user of a third-party invite."""
    LET_STAND = "let_stand"
    REVOKE = "revoke"
    BAN_INVITER = "ban_inviter"
    """Accept, reject or ban: answer a third-party invite that nobody redeemed yet."""
    INVITE = "invite"
    """Have the bot invite an address."""
    LIFT_BAN = "lift_ban"
    """Undo a ban."""
    TAKE_BACK = "take_back"
    """Undo one's own answer that is not carried out yet."""
    ALLOW = "allow"
    """Approve people before they knock, or take that back."""
    CODE = "code"
    """Make codes that let people in, or end them."""
    VOUCH = "vouch"
    """Vouch for somebody who wants to come into a room that one is in, or take that back."""
    WAVE = "wave"
    """Begin or end a wave by hand."""
    SET_POLICY = "set_policy"
    PROTECT = "protect"
    UNPROTECT = "unprotect"
    TAKE_OVER = "take_over"
    """Protect the room that replaces a protected one; giving that one up must be allowed too (`UNPROTECT`)."""


@dataclass(frozen=True, slots=True)
class Takes:
    """What a person needs for a deed. Memberships and levels are read when it is done."""

    powers: tuple[Power, ...] = ()
    """Levels in the protected room; `kick` and `ban` also need a higher level than the other user has."""
    answers: bool = False
    """In the protected room, the levels for one of the answers that the request can get."""
    keeps_door: bool = False
    """In the protected room, the level to change the join rule and to give every verdict of the policy."""
    changes_settings: bool = False
    """In the management room, the level to change its settings."""
    joined: bool = True
    """To be joined to the protected room."""
    joined_to_management: bool = False
    """To be joined to the management room."""
    permitted: bool = False
    """To be under `permissions` in the config."""
    or_admin: bool = False
    """Being an `admin` there is enough by itself."""
    of_the_bot: bool = False
    """The bot needs the same levels, since it does the same at once."""
    unlocked: bool = False
    """The config file does not name the room."""


MAY: Final[Mapping[Deed, Takes]] = {
    Deed.LOOK: Takes(joined=False, joined_to_management=True),
    Deed.NOTE: Takes(joined=False, joined_to_management=True),
    Deed.CALL: Takes(joined=False, joined_to_management=True),
    Deed.ASK: Takes(answers=True),
    Deed.CLAIM: Takes(answers=True),
    Deed.DEFER: Takes(answers=True),
    Deed.ACCEPT: Takes(powers=("invite",), of_the_bot=True),
    Deed.REJECT: Takes(powers=("kick",), of_the_bot=True),
    Deed.BAN: Takes(powers=("ban",), of_the_bot=True),
    # Revoking an unused invite is not a kick: it needs the same as adding one.
    Deed.LET_STAND: Takes(powers=("invite",), of_the_bot=True),
    Deed.REVOKE: Takes(powers=("invite",), of_the_bot=True),
    Deed.BAN_INVITER: Takes(powers=("invite", "ban"), of_the_bot=True),
    Deed.INVITE: Takes(powers=("invite",), of_the_bot=True),
    # A homeserver asks for both levels (specification of room versions, authorization rules, m.room.member).
    Deed.LIFT_BAN: Takes(powers=("kick", "ban"), of_the_bot=True),
    Deed.TAKE_BACK: Takes(joined=False, joined_to_management=True),
    # Nothing is done yet: what the bot may do is looked at when they knock.
    Deed.ALLOW: Takes(powers=("invite",)),
    Deed.CODE: Takes(powers=("invite",)),
    # What a word is worth is for the policy to say, and it counts no longer than its giver is in the room.
    Deed.VOUCH: Takes(),
    # It holds back, or lets go on, what rules accept: each of those acts takes the power of the policy's author too.
    Deed.WAVE: Takes(powers=("invite",)),
    Deed.SET_POLICY: Takes(keeps_door=True, unlocked=True),
    Deed.PROTECT: Takes(keeps_door=True, changes_settings=True, permitted=True, unlocked=True),
    Deed.UNPROTECT: Takes(keeps_door=True, changes_settings=True, or_admin=True, unlocked=True),
    Deed.TAKE_OVER: Takes(keeps_door=True),
}

ANSWERS: Final[Mapping[Kind, Mapping[Verdict, Deed]]] = {
    Kind.KNOCK: {Verdict.ACCEPT: Deed.ACCEPT, Verdict.REJECT: Deed.REJECT, Verdict.BAN: Deed.BAN},
    Kind.THIRD_PARTY_INVITE: {
        Verdict.ACCEPT: Deed.LET_STAND,
        Verdict.REJECT: Deed.REVOKE,
        Verdict.BAN: Deed.BAN_INVITER,
    },
    Kind.REDEEMED_INVITE: {Verdict.ACCEPT: Deed.ACCEPT, Verdict.REJECT: Deed.REJECT, Verdict.BAN: Deed.BAN},
}
"""The deed of an answer. `forward` has none: it does nothing in the room."""

DONE_BY: Final[Mapping[Act, Deed]] = {
    Act.INVITE: Deed.ACCEPT,
    Act.KICK: Deed.REJECT,
    Act.BAN: Deed.BAN,
    Act.UNBAN: Deed.LIFT_BAN,
    Act.REVOKE: Deed.REVOKE,
}
"""The deed of each job, so that it needs the same power no matter what caused it."""


def shortfall(powers: Powers, deed: Deed, who: str, target: str = ANYBODY) -> Shortfall | None:
    """Which level in the protected room somebody lacks to do this to `target`; none if none."""
    found = (powers.shortfall(who, power, target) for power in MAY[deed].powers)
    return next((lacking for lacking in found if lacking is not None), None)


def shortfall_to_answer(powers: Powers, kind: Kind, who: str, target: str = ANYBODY) -> Shortfall | None:
    """Which level somebody lacks who can give a request of this kind no answer at all, by the mildest; none if they can
    give one."""
    found = [shortfall(powers, deed, who, target) for deed in ANSWERS[kind].values()]
    return found[0] if None not in found else None


def to_keep_the_door(powers: Powers, verdicts: Iterable[Verdict]) -> Level:
    """The level that is needed to change the join rule, and to give each of these verdicts to a knock."""
    return max([powers.needed_for_state(JOIN_RULES), *(powers.enough(power) for power in to_give(verdicts))])


def to_give(verdicts: Iterable[Verdict]) -> list[Power]:
    """The powers that these verdicts need, for knocks."""
    deeds = [ANSWERS[Kind.KNOCK][verdict] for verdict in verdicts if verdict in ANSWERS[Kind.KNOCK]]
    return [power for deed in deeds for power in MAY[deed].powers]
