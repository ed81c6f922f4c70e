"""Authority: with whose power an act is carried out, and whether they have it at this moment, over this target.

A rule acts with the power of whoever wrote its policy, a moderator's answer with the moderator's; policies of the
config file act for the bot. It is looked at when the act is planned, and again right before it, since much can happen
in between: the applicant's server may be slow, or the bot may be out of the room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from knockbot.domain.jobs import Act, Job
from knockbot.domain.model import Decision, Kind, Knock, Verdict
from knockbot.domain.notices import Notice, User, because
from knockbot.domain.policy import held_back
from knockbot.domain.power import ANYBODY, NEEDS
from knockbot.errors import Never
from knockbot.flow.context import Context
from knockbot.flow.rooms import is_joined
from knockbot.flow.standings import Standing

NO_AUTHORITY = "KNOCKBOT_NO_AUTHORITY"
"""The code of an error that means: whoever the bot acts for may not do this themselves."""


Remembered = Callable[[str, str, int], Standing | None]
"""What is known of a room and a user at a time, without a look."""


async def lacking(
    context: Context,
    who: str,
    verdict: Verdict,
    *,
    room_id: str,
    subject: str,
    kind: Kind,
    remembered: Remembered | None = None,
) -> Notice | None:
    """Why this person may not give this answer now; none if they may. What is not `remembered` is looked at.

    The bot itself is not asked about here: what it lacks, the homeserver says.
    """
    if who == context.bot or verdict not in NEEDS:
        return None
    standing = remembered(room_id, who, context.now()) if remembered is not None else None
    standing = standing or await _look(context, room_id, who)
    if not standing.joined:
        return because("authority.not_joined", user=User(who))
    shortfall = standing.powers.to_answer(who, verdict, subject, kind)
    if shortfall is None:
        return None
    return because("authority.powerless", user=User(who), why=shortfall.why)


async def _look(context: Context, room_id: str, who: str) -> Standing:
    standing = Standing(await is_joined(context, room_id, who), await context.outside.powers(room_id))
    context.standings.note(room_id, who, standing, context.now())
    return standing


async def ruled(context: Context, decision: Decision, knock: Knock, kind: Kind = Kind.KNOCK) -> Decision:
    """A policy's decision, as far as its author may do the same to this applicant; else the moderators decide.

    Where the bot cannot look into the room it cannot act there either: it looks when it is back, before the act.
    """
    if decision.author is None:
        return decision
    try:
        why = await lacking(
            context,
            decision.author,
            decision.verdict,
            room_id=knock.room_id,
            subject=knock.user_id,
            kind=kind,
            # Several processes take turns with a room, and then one may not have heard what another has.
            remembered=context.standings.as_heard if context.db.alone else None,
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


async def insist(context: Context, job: Job[Any]) -> None:
    """Look again, right before the act. Raises `Never` where the power is gone."""
    who = job.on_behalf_of
    if who is None:
        return
    verdict, kind = ASKED_OF[job.act]
    why = await lacking(
        context,
        who,
        verdict,
        room_id=job.room_id,
        subject=job.user_id or ANYBODY,
        kind=kind,
        remembered=context.standings.a_moment_ago,
    )
    if why is not None:
        raise Never(why, code=NO_AUTHORITY)
