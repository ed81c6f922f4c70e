"""Acts on members of a protected room: an invite, a kick, a ban, each aimed at a state, and what follows from it.

Steps 6 and 7 of the journey (ARCHITECTURE.md). Before it acts, each checks whether the wanted state is there already,
and whether the knock that it was decided for is still current.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from knockbot.domain import may, plan, undoing
from knockbot.domain.jobs import Act, Ban, Invite, Job, Kick, OnMember, Revoke, Unban
from knockbot.domain.model import Because, MemberChange, Membership, Rejudge, Request, State, Verdict
from knockbot.domain.notices import Notice, Numbered, Term, User, because, notice
from knockbot.domain.outcomes import credited, outcome
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn
from knockbot.engine.worker import Done, Outcome, Overtaken
from knockbot.errors import Later, Never
from knockbot.flow import authority, cards, membership, place, rejudging, saying, settling, tables
from knockbot.flow import undoing as undo
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.records import record
from knockbot.flow.rooms import is_denied, is_in
from knockbot.flow.tables import Doing
from knockbot.store import jobs, requests
from knockbot.store.jobs import Claimed

Membered: TypeAlias = Invite | Kick | Ban | Unban
ToARequest: TypeAlias = Job[OnMember | Revoke]


@dataclass(frozen=True, slots=True)
class Settled(Done):
    """The wanted state is there."""

    seen: MemberChange | None = None
    """The member event that had set this state already."""
    less: bool = False
    """Whether a kick was enough where a ban was asked for."""


@dataclass(frozen=True, slots=True)
class OvertakenBy(Overtaken):
    """The membership in the room changed in another way before the act."""

    seen: MemberChange | None = None
    """The member event that shows this."""


@dataclass(frozen=True, slots=True)
class Unclicked(Overtaken):
    """The click that called for the act is gone, and its answer is not withdrawn yet."""


@dataclass(frozen=True, slots=True)
class Barred(Overtaken):
    """A rule would not accept them any more."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What is behind an act, as the records have it right before it."""

    request: Request
    there: Place | None
    """The room of the request, if it is protected."""

    @property
    def accepted_by_rule(self) -> bool:
        """Whether a rule of the policy accepted the request."""
        answer = self.request.answer
        return answer is not None and answer.rule is not None and answer.verdict is Verdict.ACCEPT


async def change_membership(context: Context, claimed: Claimed[Membered]) -> Outcome:
    """Invite, kick or ban an applicant, if the knock it was decided for is still current."""
    job = claimed.job
    stands = await _standing(context, claimed)
    needless = await _needless(context, job, stands)
    if needless is not None:
        return needless
    behind = await _behind(context, job)
    dropped = await _called_off(context, job, behind) if behind is not None else None
    if dropped is not None:
        return dropped
    payload = job.payload
    if isinstance(payload, Ban) and await _may_know_of_nothing(context, job.room_id, payload, stands):
        return await _take_back_guest(context, claimed, payload, stands, behind)
    if isinstance(payload, Invite) and await is_denied(context, job.room_id, payload.user_id):
        raise Never(because("act.denied"), code="KNOCKBOT_DENIED")
    return await _do(context, claimed, stands, behind)


async def _needless(context: Context, job: Job[Membered], stands: MemberChange | None) -> Outcome | None:
    """What makes an act needless: its state is there, or the applicant or the moderators have done something else."""
    membership = stands.membership if stands is not None else None
    payload = job.payload
    if stands is None and not payload.only_knocking:
        # They used an invite that was taken back in the same moment, and the room decided that they never used it.
        membership = Membership.LEAVE
    if membership in job.kind.wants:
        return Settled(seen=stands)
    if membership not in payload.while_in:
        return OvertakenBy(_at(membership), stands)
    if stands is not None and await _moved_otherwise(context, job, stands):
        return OvertakenBy(because("overtaken.moved"), stands)
    if stands is not None and _meant_for(payload) not in (None, stands.event_id):
        return Overtaken(because("overtaken.knocked_again"))
    return None


def _meant_for(payload: Membered) -> str | None:
    """The one knock that an act is for. A newer knock overtakes only an invite; a reject or a ban covers it too."""
    return payload.knock if isinstance(payload, Invite) else None


ANSWERED_OTHERWISE = because("overtaken.answered")


def _at(membership: Membership | None) -> Notice:
    """The membership of the applicant, which makes the act needless."""
    if membership is None:
        return because("overtaken.no_knock")
    return because("overtaken.membership", membership=Term(membership))


async def _do(
    context: Context, claimed: Claimed[Membered], stands: MemberChange | None, behind: Behind | None
) -> Outcome:
    """Act, if the person that the bot acts for may do so at this moment."""
    await authority.insist_again(context, claimed.job)
    barred = await _barred(context, claimed.job, behind)
    if barred is not None:
        return barred
    try:
        await _call(context, claimed.job)
    except Never as error:
        return await _explain(context, claimed, stands, behind, error)
    return Done()


async def _barred(context: Context, job: Job[Membered], behind: Behind | None) -> Barred | None:
    """Whether an accept by a rule must not be carried out any more; that of a moderator may. Who is invited because
    their rejection is undone does not ask any more."""
    if not isinstance(job.payload, Invite) or behind is None or behind.there is None:
        return None
    if behind.request.being_undone:
        why = await tables.kept_out(context, job.room_id, job.payload.user_id, job.key)
        return Barred(why) if why is not None else None
    if not behind.accepted_by_rule:
        return None
    why = await tables.barred(context, behind.there, behind.request)
    return Barred(why) if why is not None else None


async def _moved_otherwise(context: Context, job: Job[Membered], stands: MemberChange) -> bool:
    """Whether an applicant, whose first answer was overridden, moved in another way than by the act under way."""
    request_id = job.payload.request_id
    if request_id is None or not job.payload.instead:
        return False
    async with context.db.tx() as tx:
        if await jobs.is_running(tx, request_id, besides=job.key):
            raise Later(because("act.under_way"), retry_after=1)
    return stands.membership is not Membership.KNOCK and not await membership.moved_by_the_bot(context, stands)


async def called_off(context: Context, job: Job[OnMember | Revoke]) -> Overtaken | None:
    """Whether the answer that this act carries out was taken back, or replaced by another one, or dropped when the
    protection of the room ended. Raises `Never` where a rule gave it, and the policy has been set to dry run since."""
    behind = await _behind(context, job)
    return await _called_off(context, job, behind) if behind is not None else None


async def _behind(context: Context, job: Job[OnMember | Revoke]) -> Behind | None:
    """What is behind an act; `None` where no request is."""
    if job.request_id is None:
        return None
    async with context.db.tx() as tx:
        request = await requests.get(tx, job.request_id, held=False)
        return Behind(request, await place.find(context, tx, request.room_id))


async def _called_off(context: Context, job: Job[OnMember | Revoke], behind: Behind) -> Overtaken | None:
    request, there = behind.request, behind.there
    if there is None or (not is_beside(job, request) and not is_called_for(context, job, request)):
        return Overtaken(ANSWERED_OTHERWISE)
    if there.settings.dry_run and request.answer is not None and request.answer.by == context.bot:
        raise Never(because("act.dry_run"), code="KNOCKBOT_DRY_RUN")
    return await _unclicked(context, request)


async def _unclicked(context: Context, request: Request) -> Unclicked | None:
    """Whether the click that gave the answer was removed, and the bot did not hear of it: it may have been down.

    An act that follows its click at once does not need to ask; but before it undoes what a click has confirmed, it asks
    always.
    """
    answer = request.answer
    if answer is None or answer.cause is None:
        return None
    if context.now() - answer.at < AT_ONCE and not request.being_undone:
        return None
    try:
        click = answer.cause if answer.by_click else None
        removed = await context.outside.redaction(request.management_room, click) if click is not None else None
        by = removed.sender or context.bot if removed is not None else await tables.unsupported(context, request)
    except Never:
        return None  # the bot may not look there
    return Unclicked(because("overtaken.unclicked", user=User(by))) if by is not None else None


AT_ONCE = 1000
"""Milliseconds from a click to its act in which the bot assumes that the click is still there."""


async def _take_back_guest(
    context: Context, claimed: Claimed[Membered], ban: Ban, stands: MemberChange | None, behind: Behind | None
) -> Outcome:
    """Take back the invite of somebody who used a third-party invite, and do no more.

    Anybody who holds its key can sign for anybody else. So until these people join, they may know nothing of it.
    """
    if stands is None or stands.membership is not Membership.INVITE:
        return Settled(seen=stands, less=True)
    kick = Kick(ban.user_id, ban.request_id, ban.while_in, ban.on_behalf_of, ban.reason, ban.told, guest=ban.guest)
    came = await _do(context, replace(claimed, job=replace(claimed.job, payload=kick)), stands, behind)
    return Settled(less=True) if isinstance(came, Done) else came


async def _may_know_of_nothing(context: Context, room_id: str, ban: Ban, stands: MemberChange | None) -> bool:
    """Whether somebody was invited by a third-party invite, and has not joined since."""
    return ban.guest is not None and not await _has_joined(context, room_id, ban.guest, stands)


async def _has_joined(context: Context, room_id: str, guest: str, stands: MemberChange | None) -> bool:
    """Whether somebody joined after a third-party invite invited them; where this cannot be seen, they did not."""
    change = stands
    for _ in range(CHANGES_SINCE):
        if change is None or change.event_id == guest:
            return False
        if change.membership is Membership.JOIN:
            return True
        change = await context.outside.past_member(room_id, change.replaces) if change.replaces else None
    return False


CHANGES_SINCE = 10
"""Member events of one person to look back through."""


async def _call(context: Context, job: Job[Membered]) -> None:
    acts = context.acts
    call = {Act.INVITE: acts.invite, Act.KICK: acts.kick, Act.BAN: acts.ban, Act.UNBAN: acts.unban}
    async with context.db.tx() as tx:
        reason = await saying.told_with(context, tx, job.room_id, job.payload)
    await call[job.act](job.room_id, job.payload.user_id, reason)


async def _standing(context: Context, claimed: Claimed[Membered]) -> MemberChange | None:
    try:
        return await context.outside.member(claimed.job.room_id, claimed.job.payload.user_id)
    except Never as error:
        raise Never(because("act.not_joined"), code="KNOCKBOT_NOT_JOINED") from error


async def _explain(
    context: Context, claimed: Claimed[Membered], stood: MemberChange | None, behind: Behind | None, error: Never
) -> Outcome:
    """A clear no: the room changed in the same moment, or the bot may not do this, or the server's reason holds."""
    if error.code != "M_FORBIDDEN":
        raise error
    job, bot = claimed.job, context.bot
    if not await is_in(context, job.room_id):
        raise Never(because("act.not_joined"), code="KNOCKBOT_NOT_JOINED") from error
    stands = await _standing(context, claimed)
    if stands is None and stood is not None:
        return Overtaken(because("overtaken.no_knock"))
    still_meant = stands is not None and stands.membership is Membership.KNOCK and _meant_for(job.payload) is None
    if stands is not None and (stood is None or stands.event_id != stood.event_id) and not still_meant:
        return OvertakenBy(_at(stands.membership), stands)
    powers = await context.outside.powers(job.room_id)
    lacking = may.shortfall(powers, may.DONE_BY[job.act], bot, job.payload.user_id)
    if lacking is not None:
        raise Never(lacking.why, code="KNOCKBOT_NO_POWER" if lacking.lacks_level else error.code) from error
    barred = await _barred(context, job, behind)
    if barred is not None:
        return barred
    await _call(context, job)  # the power came between the refusal and this look; else it fails again
    return Done()


# --- what follows ---------------------------------------------------------------------------------------------

STATE_AFTER: dict[Act, State] = {
    Act.INVITE: State.ACCEPTED,
    Act.KICK: State.REJECTED,
    Act.BAN: State.BANNED,
    Act.UNBAN: State.REJECTED,
    Act.REVOKE: State.REVOKED,
}


async def acted(context: Context, turn: Turn, job: ToARequest, came: Outcome) -> None:
    """Set the request to what the room shows; if its outcome was to be taken back, and still is there, it stays."""
    await _acted(context, turn, job, came)
    if job.request_id is None:
        return
    request = await requests.get(turn.tx, job.request_id)
    if request.being_undone and is_called_for(context, job, request):
        why = came.why if isinstance(came, Overtaken) else because("overtaken.moved")
        await undo.fell(context, turn, request, why)


async def _acted(context: Context, turn: Turn, job: ToARequest, came: Outcome) -> None:
    """Set the request to what the act found in the room, or to what the act did."""
    if job.request_id is None:
        if isinstance(came, Overtaken):
            await _not_called_in(context, turn, job, came.why)
        return
    request, seen = await requests.get(turn.tx, job.request_id), _seen(came)
    if isinstance(came, Unclicked):
        turn.after(partial(context.look_at, request.room_id))  # it withdraws the answer, as if the bot had heard of it
        return
    if isinstance(came, Barred) and not request.being_undone:
        await _judge_anew(context, turn, job, request, came.why)
        return
    if is_beside(job, request):
        await _inviter_banned(context, turn, request, came)
        return
    if seen is not None:
        state = outcome(request, seen)
        if state is not None:
            await settling.record_outcome(context, turn, request, state, credited(request, seen, context.bot))
        return
    # Where the act is not called for any more, its echo tells what happened.
    if isinstance(came, Done) and request.answer is not None and is_called_for(context, job, request):
        await settling.record_outcome(context, turn, request, _state_after(job, request, came), request.answer.by)


async def _judge_anew(context: Context, turn: Turn, job: ToARequest, request: Request, why: Notice) -> None:
    """Withdraw the answer of a rule that must not be carried out any more, and have the request judged again."""
    if not is_called_for(context, job, request):
        return
    await settling.withdraw_answer(turn, request, why)
    again = Rejudge(request.room_id, Because.FACTS_CHANGED, f"{job.key} {turn.now}", request.id)
    await rejudging.plan_each(context, turn, [again])


async def _not_called_in(context: Context, turn: Turn, job: ToARequest, why: Notice) -> None:
    """Report a failed invite by address, which has no request."""
    if isinstance(job.payload, Invite):
        user, room = User(job.payload.user_id), await place.called(context, turn, job.room_id)
        said = notice("issue.not_invited", user=user, room=room, why=why)
        await saying.alarm(context, turn, job.room_id, f"refused:{job.key}", said)


async def _not_called_back(context: Context, turn: Turn, job: ToARequest, why: Notice) -> None:
    """Report that an invite to another room could not be withdrawn."""
    if isinstance(job.payload, Kick) and job.payload.while_in == plan.CALLED_BACK:
        user, room = User(job.payload.user_id), await place.called(context, turn, job.room_id)
        said = notice("also.still_invited", user=user, room=room, why=why)
        await saying.alarm(context, turn, job.room_id, f"refused:{job.key}", said)


async def _not_lifted(context: Context, turn: Turn, job: ToARequest, why: Notice) -> None:
    """Report that the ban of an inviter could not be lifted, which somebody wanted to undo."""
    if isinstance(job.payload, Unban):
        user, room = User(job.payload.user_id), await place.called(context, turn, job.room_id)
        said = notice("undo.still_banned", user=user, room=room, why=why)
        await saying.alarm(context, turn, job.room_id, f"refused:{job.key}", said)


async def _inviter_banned(context: Context, turn: Turn, request: Request, came: Outcome) -> None:
    """The record of an invite, and its card or another line, say that its inviter was banned with it."""
    if not isinstance(came, Done):
        return
    await requests.inviter_banned(turn.tx, request.id)
    if request.answer is not None:
        await record(turn, request, request.answer.by, Recorded.INVITER_BANNED)
        await settling.show_inviter_banned(context, turn, request)


async def refused(context: Context, turn: Turn, job: ToARequest, error: Never) -> None:
    """The act will never be done: tell the moderators, and give the request back to them."""
    if job.request_id is None:
        await _not_called_in(context, turn, job, error.why)
        await _not_called_back(context, turn, job, error.why)
        await _not_lifted(context, turn, job, error.why)
        return
    request = await requests.get(turn.tx, job.request_id)
    if is_beside(job, request):
        await _inviter_stays(context, turn, request, job.key, error.why)
    elif request.being_undone:
        if is_called_for(context, job, request):
            await undo.fell(context, turn, request, error.why, refused=True)
    elif is_called_for(context, job, request):
        await requests.answered(turn.tx, request.id, None)
        await requests.in_trouble(turn.tx, request.id, error.why)
        await cards.show(context, turn, request.id)  # it says why
        await tables.left_open(context, turn, request)
        if error.code == authority.NO_AUTHORITY and request.card_id is not None:
            await _answer_fell(context, turn, request, job.key, error.why)


async def _inviter_stays(context: Context, turn: Turn, request: Request, key: str, why: Notice) -> None:
    """The invite itself does not wait for the ban of its inviter, so its card does not say it."""
    said = notice(
        "invite.inviter_not_banned",
        request=Numbered(request.number),
        inviter=User(request.subject),
        room=await place.called(context, turn, request.room_id),
        why=why,
    )
    await saying.alarm(context, turn, request.room_id, f"refused:{key}", said, about=request)


async def _answer_fell(context: Context, turn: Turn, request: Request, key: str, why: Notice) -> None:
    """The person who answered may not do so any more. The card may be far up, and an edit notifies nobody."""
    room = await place.called(context, turn, request.room_id)
    said = notice("answer.fell", request=Numbered(request.number), room=room, why=why)
    await record(turn, request, context.bot, Recorded.ANSWER_FELL)
    await saying.alarm(context, turn, request.room_id, f"fell:{key}", said, about=request)


def is_beside(job: ToARequest, request: Request) -> bool:
    """Whether an act was on the inviter of an invite; the job that revokes the invite reports on the invite itself."""
    return request.invite is not None and job.act is not Act.REVOKE and job.user_id != request.user_id


def is_called_for(context: Context, job: ToARequest, request: Request) -> bool:
    """Whether this act carries out the answer that binds the request: they may have knocked again meanwhile."""
    if not (request.open or request.being_undone) or request.answer is None:
        return False
    return job.key in {planned.key for planned in plan.plan(request, request.answer, context.home)}


def _seen(came: Outcome) -> MemberChange | None:
    return came.seen if isinstance(came, Settled | OvertakenBy) else None


def _state_after(job: ToARequest, request: Request, came: Done) -> State:
    if request.being_undone and request.undone is not None:
        return undoing.aim(request, request.undone.step)
    if request.taken_back:
        return State.WITHDRAWN
    return State.REJECTED if isinstance(came, Settled) and came.less else STATE_AFTER[job.act]


ON_MEMBER = Doing(change_membership, ended=acted, refused=refused)

ACTS: Mapping[Act, Doing] = {Act.INVITE: ON_MEMBER, Act.KICK: ON_MEMBER, Act.BAN: ON_MEMBER, Act.UNBAN: ON_MEMBER}
