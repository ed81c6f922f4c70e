"""Whether an answer can be undone at this moment, by somebody, and how; else exactly why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from knockbot.domain import undoing
from knockbot.domain.card.who import answered_by, credit
from knockbot.domain.ids import server_of
from knockbot.domain.model import Kind, MemberChange, Membership, Request, State, Step, Verdict
from knockbot.domain.notices import Ago, Choice, Code, Duration, Notice, Number, Numbered, Room, User, below, notice
from knockbot.errors import ActionError, Refused
from knockbot.flow import authority, place, refusals, tables
from knockbot.flow.authority import Wanted
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.rooms import is_denied
from knockbot.store import jobs, requests


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody wants an answer undone."""

    actor: str
    cause: str
    """The event of their command or click."""
    own: bool = False
    """Whether they named no request, and so mean what they have answered themselves."""
    by_click: bool = False
    """Whether that event is a click, which can be taken back."""


@dataclass(frozen=True, slots=True)
class Found:
    """What can be undone, and how."""

    request: Request
    step: Step | None
    """None if nothing has come of the answer yet."""
    room: Room
    listed: Notice | None = None
    """For a ban: why they may be banned again when they ask."""


async def look(context: Context, wish: Wish, request: Request) -> Found:
    """Look whether this can be undone now. Raises `Refused`; may raise `Later`, `Never` and `Busy`."""
    async with context.db.tx() as tx:
        there = await place.find(context, tx, request.room_id)
        under_way = await jobs.is_running(tx, request.id)
    if there is None:
        raise Refused(notice("undo.nothing", request=Numbered(request.number)))
    insist_on_an_answer(context, wish, request, await _newer(context, request))
    if under_way:
        raise Refused(notice("undo.under_way", request=Numbered(request.number)))
    if request.open:
        await _insist_on_the_opposite(context, wish, request)
        return Found(request, None, there.called)
    step = await _step(context, request)
    await authority.insist(context, Wanted(undoing.DEEDS[step], wish.actor, there.called, request.subject))
    if step is Step.INVITE:
        await _insist_on_inviting(context, wish, request, there)
    listed = await _listed(context, wish, request) if step is Step.LIFT else None
    return Found(request, step, there.called, listed)


async def _newer(context: Context, request: Request) -> Request | None:
    """The newer request of the applicant of one that was undone, if they have asked since."""
    if request.undone is None or not request.user_id:
        return None
    async with context.db.tx() as tx:
        newest = await requests.latest(tx, request.room_id, request.user_id, held=False)
    return newest if newest is not None and newest.id > request.id else None


async def _listed(context: Context, wish: Wish, request: Request) -> Notice | None:
    """Why somebody whose ban is lifted may be banned again when they ask, as far as that is known now."""
    try:
        return await tables.kept_out(context, request.room_id, request.user_id, wish.cause)
    except ActionError:
        return None


def insist_on_an_answer(context: Context, wish: Wish, request: Request, newer: Request | None = None) -> None:
    """Raises `Refused` if there is no answer, it is undone already, too old, or not theirs. `newer`: what the applicant
    has asked since it was undone."""
    number, user = Numbered(request.number), User(request.subject)
    if request.undone is not None and request.undone.step is Step.EXPIRE:
        raise Refused(notice("undo.invite_expired", request=number, user=user))
    if request.undone is not None and request.answer is not None:
        when, command = Ago(context.now() - request.answer.at), Code(_by_hand(request))
        by = User(request.answer.by)
        if newer is not None:  # then it is the newer request that can be answered
            raise Refused(
                below(notice("undo.is_undone", request=number, by=by, when=when), _asked_again(request, newer))
            )
        raise Refused(notice("undo.already", request=number, by=by, when=when, command=command))
    if request.state in undoing.OVER:
        raise Refused(notice("undo.over", state=Choice(request.state), request=number, user=user))
    if undoing.given(request) is None:
        raise Refused(notice("undo.nothing", request=number))
    since = context.now() - undoing.given_at(request)
    if since > undoing.LONGEST:
        raise Refused(notice("undo.too_old", request=number, when=Ago(since), time=Duration(undoing.LONGEST)))
    if wish.own and not _is_theirs(request, wish.actor):
        command = Code(f"!kb undo {request.number}")
        raise Refused(notice("undo.not_yours", request=number, by=credited(request), command=command))
    if request.open and request.inviter_banned:
        raise Refused(notice("undo.half", request=number, user=user))


def _is_theirs(request: Request, actor: str) -> bool:
    """Whether the answer is somebody's own, and so is the outcome: another moderator may have acted since."""
    return request.answer is not None and request.answer.by == actor and (request.open or request.by == actor)


def credited(request: Request) -> User | Notice:
    """Who gave the answer that led to the outcome: a person, or a rule."""
    return answered_by(request) if request.open else credit(request)


def _by_hand(request: Request) -> str:
    """How to do again in a client what was undone."""
    step = request.undone.step if request.undone is not None else None
    if step is Step.REVOKE:
        return f"!kb invite {request.room_id} carla@example.net"
    return f"{AGAIN.get(step, '/invite')} {request.subject}"


AGAIN: Mapping[Step | None, str] = {
    Step.WITHDRAW: "/invite",
    Step.REMOVE: "/invite",
    Step.INVITE: "/kick",
    Step.LIFT: "/ban",
    Step.LIFT_INVITER: "/ban",
}
"""The command of a client by which the outcome comes back that was undone."""


async def _insist_on_the_opposite(context: Context, wish: Wish, request: Request) -> None:
    """One's own answer that is not carried out yet can be taken back in any case; for that of others, it takes what
    the opposite answer takes."""
    answer = request.answer
    if answer is None or answer.by == wish.actor:
        return
    deed, room_id = undoing.opposite(request, answer), request.room_id
    why = await authority.lacking(context, wish.actor, deed, room_id=room_id, target=request.subject)
    if why is not None:
        raise Refused(notice("undo.lacks_power", request=Numbered(request.number), why=why))


async def _step(context: Context, request: Request) -> Step:
    if request.judged_as is Kind.THIRD_PARTY_INVITE:
        return await _step_for_invite(context, request)
    async with context.db.tx() as tx:
        newest = await requests.latest(tx, request.room_id, request.user_id, held=False)
    stands = await context.outside.member(request.room_id, request.user_id)
    if newest is not None and newest.id != request.id and newest.opened_at >= request.changed_at:
        raise Refused(_asked_again(request, newest))
    membership = stands.membership if stands is not None else Membership.LEAVE
    step = undoing.STEPS.get((request.state, membership))
    if step is None or (stands is not None and _by_another(context, request, stands)):
        raise Refused(_moved(request, stands, membership))
    return step


def _by_another(context: Context, request: Request, stands: MemberChange) -> bool:
    """Whether somebody else has invited or banned them since, too: that is not what this answer led to."""
    answered = request.state in (State.ACCEPTED, State.BANNED)
    return answered and not stands.of_their_own and stands.sender not in (context.bot, request.by)


async def _step_for_invite(context: Context, request: Request) -> Step:
    """How to undo the answer to a third-party invite that nobody has used: what was revoked stays so."""
    step = undoing.OF_INVITES[request.state]
    if step is Step.REVOKE:
        return step
    number, command = Numbered(request.number), Code(f"!kb invite {request.room_id} carla@example.net")
    banned = request.answer is not None and request.answer.verdict is Verdict.BAN
    stands = await context.outside.member(request.room_id, request.subject) if banned else None
    if stands is None or stands.membership is not Membership.BAN:
        raise Refused(notice("undo.revoked", request=number, command=command))
    return step


def _asked_again(request: Request, newest: Request) -> Notice:
    return notice(
        "undo.asked_again",
        request=Numbered(request.number),
        user=User(request.user_id),
        newer=Numbered(newest.number),
        command=Code(f"!kb show {newest.number}"),
    )


def _moved(request: Request, stands: MemberChange | None, membership: Membership) -> Notice:
    """Where the applicant is now, and who brought that about."""
    number, user = Numbered(request.number), User(request.user_id)
    if request.state is State.BANNED and membership is Membership.LEAVE:
        return notice("undo.lifted", request=number, user=user)
    if membership is Membership.KNOCK:
        return notice("undo.knocked", request=number, user=user)
    if stands is None or stands.of_their_own:
        joined = Choice("join" if membership is Membership.JOIN else "leave")
        return notice("undo.moved", membership=joined, request=number, user=user)
    return notice("undo.moved_by", membership=Choice(membership), request=number, user=user, by=User(stands.sender))


async def _insist_on_inviting(context: Context, wish: Wish, request: Request, there: Place) -> None:
    """They do not ask any more, so who may not be invited unasked is not invited. Raises `Refused`."""
    room_id, user_id = request.room_id, request.user_id
    if there.is_replaced:
        raise Refused(refusals.room_replaced(there.called))
    if (votes := there.settings.votes.accept) > 1:  # or else one moderator could reject somebody and let them in
        number, command = Numbered(request.number), Code(f"/invite {user_id}")
        user, count = User(user_id), Number(votes)
        raise Refused(notice("undo.takes_votes", request=number, user=user, count=count, command=command))
    if await is_denied(context, room_id, user_id):
        raise Refused(refusals.server_denied(server_of(user_id), there.called))
    why = await tables.kept_out(context, room_id, user_id, wish.cause)
    if why is not None:
        number, command = Numbered(request.number), Code(f"/invite {user_id}")
        raise Refused(notice("undo.kept_out", request=number, user=User(user_id), why=why, command=command))
