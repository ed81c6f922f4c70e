"""The jobs for third-party invites: revoke one, have one issued, and add an issued one to the room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from knockbot.domain import may
from knockbot.domain.jobs import Act, Issue, Job, Plant, Revoke
from knockbot.domain.may import Deed
from knockbot.domain.model import Verdict
from knockbot.domain.notices import because
from knockbot.domain.power import shown as level_shown
from knockbot.domain.state_keys import spoken
from knockbot.engine.turn import Turn
from knockbot.engine.worker import Done, Outcome, Overtaken
from knockbot.errors import Never
from knockbot.features.thirdparty import inviters, invites, issuing
from knockbot.flow import authority
from knockbot.flow.acts import members
from knockbot.flow.context import Context
from knockbot.flow.ports import THIRD_PARTY_INVITE
from knockbot.flow.rooms import is_in
from knockbot.flow.tables import Doing
from knockbot.http import fits_a_path
from knockbot.store import requests, rooms
from knockbot.store.jobs import Claimed


@dataclass(frozen=True, slots=True)
class Issued(Done):
    """An identity server was asked to invite an address."""

    came: issuing.Came | None = None
    """The result; none if it is on record already."""


async def revoke(context: Context, claimed: Claimed[Revoke]) -> Outcome:
    """Empty the state under a third-party invite's token, even if the inviter has put another invite there since."""
    called_off = await members.called_off(context, claimed.job)
    if called_off is not None:
        return called_off
    return await _insisting(context, claimed.job.room_id, lambda: _revoke(context, claimed.job))


async def _revoke(context: Context, job: Job[Revoke]) -> Outcome:
    token, inviter = job.payload.token, job.payload.inviter
    stands = await context.outside.third_party(job.room_id, token)
    if stands is None or stands.invite is None:
        return Done()
    if stands.invite.inviter != inviter:
        return Overtaken(because("overtaken.other_invite"))
    await authority.insist_again(context, job)
    if fits_a_path(token):
        await context.acts.put_state(job.room_id, THIRD_PARTY_INVITE, spoken(token), {})
    else:
        await _insist_on_redacting(context, job.room_id)
        await context.acts.redact(job.room_id, stands.event_id, job.key)
    return Done()


async def _insist_on_redacting(context: Context, room_id: str) -> None:
    """Check that the bot may redact, which can need more power than to invite. Raises `Never` if it may not."""
    powers = await context.outside.powers(room_id)
    needed, level = powers.needed_to_redact(), powers.level(context.bot)
    if level < needed:
        why = because("act.redact", level=level_shown(level), needed=level_shown(needed))
        raise Never(why, code="KNOCKBOT_NO_POWER")


async def issue(context: Context, claimed: Claimed[Issue]) -> Outcome:
    """Have an identity server invite an address, once."""
    assert context.issuer is not None
    return Issued(came=await issuing.issue(context, context.issuer, claimed.job))


async def plant(context: Context, claimed: Claimed[Plant]) -> Outcome:
    """Add an issued invite to the room under its token, unless the token has state already or it was revoked."""
    async with context.db.tx() as tx:
        request = await requests.get(tx, claimed.job.payload.request_id, held=False)
        kept = await rooms.find(tx, request.room_id) is not None
    if not kept or request.answer is None or request.answer.verdict is not Verdict.ACCEPT:
        return Overtaken(because("overtaken.taken_back"))
    await inviters.insist(context, request)
    return await _insisting(context, claimed.job.room_id, lambda: _plant(context, claimed.job))


async def _plant(context: Context, job: Job[Plant]) -> Outcome:
    token, content = job.payload.token, job.payload.content
    stands = await context.outside.third_party(job.room_id, token)
    if stands is None:
        return Done(await context.acts.put_state(job.room_id, THIRD_PARTY_INVITE, spoken(token), content))
    if stands.invite is None:
        return Overtaken(because("overtaken.taken_back_at_once"))
    if stands.invite.inviter != context.bot:
        return Overtaken(because("overtaken.other_invite"))
    return Done(stands.event_id)


async def _insisting(context: Context, room_id: str, act: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Do it. If the server forbids it although no power is missing, do it once more: the bot may just have got it."""
    try:
        return await act()
    except Never as error:
        why = await _why_not(context, room_id, error)
        if why is not error or error.code != "M_FORBIDDEN":
            raise why from error
    return await act()


async def _why_not(context: Context, room_id: str, error: Never) -> Never:
    """Why it failed: the bot is not in the room, or lacks the power to invite, or the reason that the server gave."""
    if error.code != "M_FORBIDDEN":
        return error
    if not await is_in(context, room_id):
        return Never(because("act.not_joined"), code="KNOCKBOT_NOT_JOINED")
    lacking = may.shortfall(await context.outside.powers(room_id), Deed.INVITE, context.bot)
    return error if lacking is None else Never(lacking.why, code="KNOCKBOT_NO_POWER")


async def _issued(context: Context, turn: Turn, job: Job[Issue], came: Outcome) -> None:
    if isinstance(came, Issued) and came.came is not None:
        await issuing.conclude(context, turn, job, came.came)


async def _planted(context: Context, turn: Turn, job: Job[Plant], came: Outcome) -> None:
    if isinstance(came, Done) and came.event_id is not None:
        await invites.arrived(context, turn, await requests.get(turn.tx, job.payload.request_id), came.event_id)


async def _not_planted(context: Context, turn: Turn, job: Job[Plant], error: Never) -> None:
    await issuing.not_planted(context, turn, await requests.get(turn.tx, job.payload.request_id), error.why)


ACTS: Mapping[Act, Doing] = {
    Act.REVOKE: Doing(revoke, ended=members.acted, refused=members.refused),
    Act.ISSUE: Doing(issue, ended=_issued),
    Act.PLANT: Doing(plant, ended=_planted, refused=_not_planted),
}
