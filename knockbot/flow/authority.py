"""Authority: with whose power an act is carried out, and whether they have it at this moment, over this target.

A rule acts with the power of whoever wrote its policy, a moderator's answer with the moderator's; policies of the
config file act for the bot. It is looked at when the act is planned, and again right before it, since much can happen
in between: the applicant's server may be slow, or the bot may be out of the room.
"""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.domain import wording
from knockbot.domain.model import Act, Decision, Effect, Kind, Knock, Membership, Verdict
from knockbot.domain.policy import held_back
from knockbot.domain.power import ANYBODY, NEEDS
from knockbot.errors import Never
from knockbot.flow.door import Door

NO_AUTHORITY = "KNOCKBOT_NO_AUTHORITY"
"""The code of an error that means: whoever the bot acts for may not do this themselves."""


async def lacking(door: Door, who: str, verdict: Verdict, *, room_id: str, subject: str, kind: Kind) -> str | None:
    """Why this person may not give this answer now; none if they may.

    The bot itself is not asked about here: what it lacks, the homeserver says.
    """
    if who == door.bot or verdict not in NEEDS:
        return None
    member = await door.outside.member(room_id, who)
    if member is None or member.membership is not Membership.JOIN:
        return wording.acts_for_nobody(who)
    shortfall = (await door.outside.powers(room_id)).to_answer(who, verdict, subject, kind)
    return wording.acts_for_the_powerless(who, shortfall) if shortfall is not None else None


async def ruled(door: Door, decision: Decision, knock: Knock, kind: Kind = Kind.KNOCK) -> Decision:
    """A policy's decision, as far as its author may do the same to this applicant; else the moderators decide.

    Where the bot cannot look into the room it cannot act there either: it looks when it is back, before the act.
    """
    if decision.author is None:
        return decision
    try:
        why = await lacking(
            door, decision.author, decision.verdict, room_id=knock.room_id, subject=knock.user_id, kind=kind
        )
    except Never:
        return decision
    return held_back(decision, why) if why is not None else decision


ASKED_OF: Mapping[Act, tuple[Verdict, Kind]] = {
    Act.INVITE: (Verdict.ACCEPT, Kind.KNOCK),
    Act.KICK: (Verdict.REJECT, Kind.KNOCK),
    Act.BAN: (Verdict.BAN, Kind.KNOCK),
    Act.REVOKE: (Verdict.REJECT, Kind.THIRD_PARTY_INVITE),
}
"""Which answer each act is, so that it takes the same power by whatever way it came about."""


async def insist(door: Door, effect: Effect) -> None:
    """Look again, right before the act. Raises `Never` where the power is gone."""
    who = effect.content.get("for")
    if who is None:
        return
    verdict, kind = ASKED_OF[effect.act]
    why = await lacking(door, str(who), verdict, room_id=effect.room_id, subject=effect.user_id or ANYBODY, kind=kind)
    if why is not None:
        raise Never(f"{why}.", code=NO_AUTHORITY)
