"""Authority: whether somebody may have something done, at this moment and to this target.

One table says what each act takes (`domain/may.py`). The bot checks this when somebody wants it, `insist`, and again
right before the act, `insist_again`, because much can happen in between: the applicant's server may be slow, or the bot
may be out of the room. A rule acts with the power of the author of its policy. A moderator's answer acts with the
power of that moderator. Policies of the config file act for the bot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from knockbot.config.values import Permission
from knockbot.domain import may
from knockbot.domain.jobs import Job
from knockbot.domain.may import ANSWERS, MAY, Deed, Takes
from knockbot.domain.model import Decision, Kind, Knock, Verdict
from knockbot.domain.notices import Notice, Room, User, because
from knockbot.domain.policy import held_back
from knockbot.domain.power import ANYBODY, Powers, Shortfall
from knockbot.errors import Never, Refused
from knockbot.flow import refusals
from knockbot.flow.context import Context
from knockbot.flow.rooms import is_in, is_joined
from knockbot.flow.standings import Standing

NO_AUTHORITY = "KNOCKBOT_NO_AUTHORITY"
"""The code of an error that means: the person that the bot acts for may not do this themselves."""


NOT_JOINED: Final = "authority.not_joined"
"""The reason that says that this person is not in the room."""


# --- by the person who wants it -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants done, with all that decides what it takes."""

    deed: Deed
    by: str
    room: Room
    """The protected room; for a look, the management room."""
    target: str = ANYBODY
    """Whom it hits."""
    kind: Kind = Kind.KNOCK
    """What kind of request it is about."""
    management_room: str = ""
    verdicts: Collection[Verdict] = ()
    """What the policy may say."""
    locked: bool = False
    """Whether the config file names the room."""
    place_of: Callable[[Verdict], Awaitable[str]] | None = None
    """Where the text of the policy states a verdict."""
    unseen: Notice | None = None
    """The reply where the bot is not in the room, or they are not, if they must not learn which of both is true."""


async def insist(context: Context, wanted: Wanted) -> None:
    """Check whether the person who wants this and the bot may do it now.

    Raises `Refused`, which names what is missing and how to fix it; `Later` and `Never` where that cannot be seen.
    """
    takes, since = MAY[wanted.deed], context.standings.changes(wanted.room.room_id)
    insist_on_permission(context, wanted)
    if wanted.unseen is None:
        _insist_on_being_unlocked(wanted)
    if takes.or_admin and context.settings.permission_of(wanted.by) is Permission.ADMIN:
        return
    if takes.joined or takes.joined_to_management:
        await _insist_on_membership(context, wanted)
    _insist_on_being_unlocked(wanted)  # only people in the room may learn that
    if takes.powers or takes.answers or takes.keeps_door:
        await _insist_on_levels(context, wanted, since)
    await insist_on_managing(context, wanted)


def insist_on_permission(context: Context, wanted: Wanted) -> None:
    """Check the part that the config file decides: this asks no server. Raises `Refused`."""
    if MAY[wanted.deed].permitted and context.settings.permission_of(wanted.by) is None:
        raise Refused(refusals.not_permitted())


async def insist_on_managing(context: Context, wanted: Wanted) -> None:
    """Check the part that the management room decides: the bot need not be in the protected one. Raises `Refused`."""
    if MAY[wanted.deed].changes_settings:
        powers = await context.outside.powers(wanted.management_room)
        needed, level = powers.needed_for_state(""), powers.level(wanted.by)
        if level < needed:
            raise Refused(refusals.lacks_power_to_manage(needed, level))


def _insist_on_being_unlocked(wanted: Wanted) -> None:
    if MAY[wanted.deed].unlocked and wanted.locked:
        raise Refused(refusals.locked(wanted.room))


async def _insist_on_membership(context: Context, wanted: Wanted) -> None:
    takes, room_id = MAY[wanted.deed], wanted.room.room_id
    if not await is_in(context, room_id):
        raise Refused(wanted.unseen or refusals.cannot_look(wanted.room, context.bot, admin_can=takes.or_admin))
    if not await is_joined(context, room_id, wanted.by):
        raise Refused(wanted.unseen or refusals.not_a_member(wanted.room, wanted.deed))


async def _insist_on_levels(context: Context, wanted: Wanted, since: int) -> None:
    takes, room_id = MAY[wanted.deed], wanted.room.room_id
    powers = await context.outside.powers(room_id)
    standing = Standing(joined=True, powers=powers)
    context.standings.note(room_id, wanted.by, standing, context.now(), since=since)
    theirs = _lacking(takes, powers, wanted)
    if theirs is not None:
        raise Refused(refusals.lacks_power(wanted.by, theirs, wanted.room))
    if takes.keeps_door:
        await _insist_on_keeping_the_door(wanted, powers)
    mine = may.shortfall(powers, wanted.deed, context.bot, wanted.target) if takes.of_the_bot else None
    if mine is not None:
        raise Refused(refusals.bot_lacks_power(context.bot, mine, wanted.room))


def _lacking(takes: Takes, powers: Powers, wanted: Wanted) -> Shortfall | None:
    if takes.answers:
        return may.shortfall_to_answer(powers, wanted.kind, wanted.by, wanted.target)
    return may.shortfall(powers, wanted.deed, wanted.by, wanted.target)


async def _insist_on_keeping_the_door(wanted: Wanted, powers: Powers) -> None:
    level = powers.level(wanted.by)
    for verdict in wanted.verdicts if wanted.place_of is not None else ():
        needed = max(map(powers.needed, may.to_give([verdict])), default=level)
        if level < needed and wanted.place_of is not None:
            place = await wanted.place_of(verdict)
            raise Refused(refusals.verdict_too_high(place, verdict, wanted.room, needed, level))
    needed = may.to_keep_the_door(powers, wanted.verdicts)
    if level < needed:
        raise Refused(refusals.lacks_power_to_protect(wanted.room, needed, level))


# --- by the person that the bot acts for ----------------------------------------------------------------------

Remembered = Callable[[str, str, int], Standing | None]
"""What is known of a user in a room at a time, without asking the homeserver."""


async def lacking(
    context: Context,
    who: str,
    deed: Deed,
    *,
    room_id: str,
    target: str = ANYBODY,
    remembered: Remembered | None = None,
) -> Notice | None:
    """Why the bot may not do this for somebody now; `None` if it may. What is not `remembered` is looked up.

    This does not check the bot itself: the homeserver says what the bot lacks.
    """
    if who == context.bot:
        return None
    standing = (await standings(context, room_id, [who], remembered))[who]
    if not standing.joined:
        return because(NOT_JOINED, user=User(who))
    shortfall = may.shortfall(standing.powers, deed, who, target)
    if shortfall is None:
        return None
    return because("authority.powerless", user=User(who), why=shortfall.why)


def is_lacking(why: Notice) -> bool:
    """Whether this says that the person that the bot acts for may not do it."""
    return why.code in (NOT_JOINED, "authority.powerless")


async def standings(
    context: Context, room_id: str, users: Iterable[str], remembered: Remembered | None
) -> dict[str, Standing]:
    """The memberships and powers of users in a room. What is not `remembered` is looked up. May raise `Later` and
    `Never`."""
    found: dict[str, Standing] = {}
    powers: Powers | None = None
    since = context.standings.changes(room_id)
    for who in users:
        known = remembered(room_id, who, context.now()) if remembered is not None else None
        if known is None:
            joined = await is_joined(context, room_id, who)
            powers = powers if powers is not None else await context.outside.powers(room_id)
            known = Standing(joined, powers)
            context.standings.note(room_id, who, known, context.now(), since=since)
        found[who] = known
    return found


async def look_at(context: Context, room_id: str, users: Iterable[str]) -> None:
    """Look at the memberships and powers of several users in a room: what is seen is remembered for a moment. May
    raise `Later` and `Never`."""
    since = context.standings.changes(room_id)
    powers = await context.outside.powers(room_id)
    for who in users:
        standing = Standing(await is_joined(context, room_id, who), powers)
        context.standings.note(room_id, who, standing, context.now(), since=since)


def lacks_power(standing: Standing, who: str, deed: Deed, target: str) -> bool:
    """Whether somebody may not do this to a user, by what was seen of them."""
    return may.shortfall(standing.powers, deed, who, target) is not None


async def ruled(context: Context, decision: Decision, knock: Knock, kind: Kind = Kind.KNOCK) -> Decision:
    """A policy's decision, as far as its author may do the same to this applicant; else the moderators decide.

    Where the bot cannot look into the room, it cannot act there either: it checks when it is back, before the act.
    """
    deed = ANSWERS[kind].get(decision.verdict)
    if decision.author is None or deed is None:
        return decision
    # Several processes take turns with a room, and then one may not have heard what another has.
    remembered = context.standings.as_heard if context.db.alone else None
    try:
        why = await lacking(
            context, decision.author, deed, room_id=knock.room_id, target=knock.user_id, remembered=remembered
        )
    except Never:
        return decision
    return held_back(decision, why) if why is not None else decision


async def insist_again(context: Context, job: Job[Any]) -> None:
    """Check again, right before the act, where it is done for somebody. Raises `Never` where the power is gone."""
    who = job.on_behalf_of
    if who is None:
        return
    remembered = context.standings.a_moment_ago
    why = await lacking(
        context,
        who,
        may.DONE_BY[job.act],
        room_id=job.room_id,
        target=job.user_id or ANYBODY,
        remembered=remembered,
    )
    if why is not None:
        raise Never(why, code=NO_AUTHORITY)
