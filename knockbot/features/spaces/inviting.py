"""`also_invite`: whoever is accepted at one room and joins it is invited to others, too.

That happens with the power of whoever accepted them: the author of the policy, or the moderator. It happens when they
have joined, so that no other invite has to be withdrawn if they do not take the first one (docs/decisions/0033).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from knockbot.domain import plan
from knockbot.domain.ids import room_meant
from knockbot.domain.jobs import Act, AlsoInvite, Job
from knockbot.domain.may import Deed
from knockbot.domain.model import MemberChange, Membership, Request, State, Verdict
from knockbot.domain.notices import Choice, Id, Notice, Number, Numbered, Room, User, because, below, notice
from knockbot.domain.policy import CHILDREN, MAX_INVITED
from knockbot.domain.records import Recorded
from knockbot.domain.spaces import Stage
from knockbot.engine.turn import Turn
from knockbot.engine.worker import Done, Outcome
from knockbot.errors import Never, Refused
from knockbot.features.spaces import accepting
from knockbot.features.spaces.telling import NAMED
from knockbot.flow import authority, place, saying
from knockbot.flow.authority import Wanted
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.records import record
from knockbot.flow.refusals import failed
from knockbot.flow.rooms import is_denied, is_in
from knockbot.flow.saying import Audience
from knockbot.flow.tables import Doing, kept_out
from knockbot.store import also_invites, pins, requests, rooms, spaces
from knockbot.store.also_invites import Sent
from knockbot.store.db import Tx
from knockbot.store.jobs import Claimed


@dataclass(frozen=True, slots=True)
class Tried(Done):
    """An invite was sent, was not needed, or was not possible."""

    sent: bool = False
    answers: bool = False
    """Whether they waited there, and the invite is the answer to their request there."""
    why: Notice | None = None
    """Why it was not possible."""


ALSO_INVITE = "also_invite"
"""The key of the policy."""

# --- planned --------------------------------------------------------------------------------------------------


async def settled(context: Context, turn: Turn, request: Request) -> None:
    """Somebody who knocked has joined."""
    if request.state is State.JOINED:
        await _plan(context, turn, request)


async def moved(context: Context, turn: Turn, request: Request, change: MemberChange) -> None:
    """Somebody who used a third-party invite has joined."""
    if request.state is State.REDEEMED and change.membership is Membership.JOIN:
        await _plan(context, turn, request)


async def _plan(context: Context, turn: Turn, request: Request) -> None:
    """Plan the other invites, if the bot accepted them for somebody."""
    answer, there = request.answer, await place.of(context, turn, request.room_id)
    if answer is None or answer.verdict is not Verdict.ACCEPT or there is None:
        return
    # Who wrote the rule that accepts need not be who wrote that others are invited elsewhere: as in a space's policy.
    by = answer.on_behalf_of if answer.rule is None else there.author_of(ALSO_INVITE) or context.bot
    for room_id in (await _rooms(turn.tx, there))[:MAX_INVITED]:
        await also_invites.add(turn.tx, request.id, room_id)
        job = plan.also_invite(request, by, room_id, context.home)
        await also_invites.put_sent(turn.tx, _sent(job))  # before it is sent: the bot may be killed right after that
        await turn.plan(job)


def _sent(job: Job[AlsoInvite]) -> Sent:
    return Sent(job.room_id, job.payload.user_id, job.payload.of_request, job.payload.on_behalf_of)


async def _rooms(tx: Tx, there: Place) -> list[str]:
    """The rooms that the policy means. When it was set, they were managed from the same room; whether they still are is
    looked at, and told, when it comes to the invite."""
    replaced, found = await spaces.replaced(tx), dict[str, None]()
    for name in there.settings.also_invite:
        named = await _children(tx, there.room_id) if name == CHILDREN else await _named(tx, there, name)
        found |= dict.fromkeys(replaced.get(room_id, room_id) for room_id in named)
    return [room_id for room_id in found if room_id != there.room_id]


async def _children(tx: Tx, space: str) -> list[str]:
    """The rooms that a space itself names and that are protected with it; spaces in it may be for fewer people."""
    named = [child.room_id for child in await spaces.children(tx, space)]
    found = [(room_id, await spaces.of_room(tx, room_id)) for room_id in named]
    return [
        room_id for room_id, known in found if any(one.stage is Stage.PROTECTED and not one.is_space for one in known)
    ]


async def _named(tx: Tx, there: Place, name: str) -> list[str]:
    """The room that a name means in the policy that sets this."""
    setter = there.setter(ALSO_INVITE)
    set_in = pins.of_revision(setter.room_id, setter.revision) if setter is not None else pins.DEFAULT_POLICY
    room_id = room_meant(name, await pins.meant(tx, set_in))
    return [room_id] if room_id is not None else []


# --- done -----------------------------------------------------------------------------------------------------


async def invite(context: Context, claimed: Claimed[AlsoInvite]) -> Outcome:
    """Invite somebody, as whoever accepted them could do it in this room now."""
    job = claimed.job
    async with context.db.tx() as tx:
        request = await requests.get(tx, job.payload.of_request, held=False)
        there = await place.find(context, tx, job.room_id)
    if there is None or there.management_room != request.management_room:
        return Tried(why=notice("also.not_managed"))
    if there.is_replaced:
        return Tried(why=notice("also.replaced"))
    if request.answer is None or request.answer.verdict is not Verdict.ACCEPT:
        return Tried()  # the accept was undone
    try:
        return await _invite(context, there, request, claimed)
    except Refused as refused:
        return Tried(why=refused.said)


async def _invite(context: Context, there: Place, request: Request, claimed: Claimed[AlsoInvite]) -> Outcome:
    payload, room_id = claimed.job.payload, there.room_id
    user_id = payload.user_id
    lacking = await _lacking(context, request, payload, room_id) if await is_in(context, room_id) else None
    if lacking is not None:
        return Tried(why=lacking)
    wanted = Wanted(Deed.ACCEPT, payload.on_behalf_of, there.called, target=user_id)
    await authority.insist(context, wanted)
    stands = await context.outside.member(room_id, user_id)
    settled = await _settled(context, stands, request, claimed)
    if settled is not None:
        return settled
    if await is_denied(context, room_id, user_id):
        return Tried(why=because("act.denied"))
    return await _let_in(context, there, request, claimed, stands)


async def _let_in(
    context: Context, there: Place, request: Request, claimed: Claimed[AlsoInvite], stands: MemberChange | None
) -> Tried:
    """Invite somebody who is not in a room, or accept their request there, unless the room speaks against it."""
    payload, room_id, user_id = claimed.job.payload, there.room_id, claimed.job.payload.user_id
    knocks = stands is not None and stands.membership is Membership.KNOCK
    waits = await accepting.waiting(context, room_id, user_id) if knocks else None
    if there.settings.dry_run and _is_by_rule(request):
        return Tried(why=_would(waits))
    # Last of all, since an entry can arrive while the rest is looked at.
    why = await kept_out(context, room_id, user_id, f"also {payload.of_request} {room_id}")
    if why is not None:
        return Tried(why=why)
    if waits is not None:
        why = await accepting.accept(context, there, request, waits, payload)
        return Tried(sent=why is None, answers=True, why=why)
    await context.acts.invite(room_id, user_id, None)
    return Tried(sent=True)


async def _settled(
    context: Context, stands: MemberChange | None, request: Request, claimed: Claimed[AlsoInvite]
) -> Tried | None:
    """What makes an invite needless or wrong: they are in there, invited, banned or were removed."""
    if stands is None or stands.membership is Membership.KNOCK:
        return None
    if stands.membership is Membership.BAN:
        return Tried(why=notice("also.banned"))
    if stands.membership in (Membership.JOIN, Membership.INVITE):
        ours = stands.membership is Membership.INVITE and stands.sender == context.bot and claimed.tried_before
        answers = ours and await accepting.has_accepted(context, request, stands)
        return Tried(sent=ours, answers=answers)
    return None if stands.of_their_own else Tried(why=notice("also.removed", user=User(stands.sender)))


def _is_by_rule(request: Request) -> bool:
    return request.answer is not None and request.answer.rule is not None


def _would(waits: Request | None) -> Notice:
    """What a rule's accept would have done in a room whose policy is in dry run."""
    return notice("also.would") if waits is None else notice("also.would_accept", request=Numbered(waits.number))


async def _lacking(context: Context, request: Request, payload: AlsoInvite, room_id: str) -> Notice | None:
    """What whoever accepted them, or set the policy, lacks to invite them there; `None` if nothing."""
    by = payload.on_behalf_of
    why = await authority.lacking(context, by, Deed.ACCEPT, room_id=room_id, target=payload.user_id)
    if why is None:
        return None
    who = Choice("author" if _is_by_rule(request) else "moderator")
    if why.code == authority.NOT_JOINED:
        return notice("also.not_in_it", who=who, user=User(by))
    return notice("also.may_not", who=who, user=User(by), why=why)


async def ended(context: Context, turn: Turn, job: Job[AlsoInvite], came: Outcome) -> None:
    """Note what came of an invite; after the last one, tell which were not possible."""
    if isinstance(came, Tried) and came.sent:
        await _put_on_record(turn, job)
    if isinstance(came, Tried) and came.sent and not came.answers:
        await also_invites.put_sent(turn.tx, _sent(job))
    else:
        await also_invites.forget_sent(turn.tx, job.room_id, job.payload.user_id)
    await _note(context, turn, job, came.why if isinstance(came, Tried) else None)


async def _put_on_record(turn: Turn, job: Job[AlsoInvite]) -> None:
    request_id, room_id = job.payload.of_request, job.room_id
    if not await also_invites.is_open(turn.tx, request_id, room_id):
        return  # another process has done it
    request = await requests.get(turn.tx, request_id)
    called = await _called(turn, request, room_id)
    name = called.label if isinstance(called, Room) else room_id
    by, kind = job.payload.on_behalf_of, Recorded.ALSO_INVITED_TO
    await record(turn, request, by, kind, invited_to=room_id, invited_to_name=name)


async def refused(context: Context, turn: Turn, job: Job[AlsoInvite], error: Never) -> None:
    """The homeserver did not allow it."""
    await _note(context, turn, job, failed(error.why))


async def _note(context: Context, turn: Turn, job: Job[AlsoInvite], why: Notice | None) -> None:
    request_id = job.payload.of_request
    if not await also_invites.end(turn.tx, request_id, job.room_id, why):
        return
    missed = await also_invites.take_missed(turn.tx, request_id)
    request = await requests.get(turn.tx, request_id)
    if not missed:
        return
    rows = [notice("also.row", room=await _called(turn, request, one.room_id), why=one.why) for one in missed[:NAMED]]
    more = len(missed) - NAMED
    said = below(
        notice(
            "also.missed",
            user=User(job.payload.user_id),
            room=await place.called(context, turn, request.room_id),
            count=Number(len(missed)),
        ),
        *rows,
        notice("also.more", count=Number(more)) if more > 0 else None,
    )
    to = Audience(request.management_room, about=request, place=request.room_id)
    await saying.say(context, turn, to, f"also:{request_id}", said)


async def _called(turn: Turn, request: Request, room_id: str) -> Room | Id:
    """A room by its name, if it is still managed from there."""
    room = await rooms.find(turn.tx, room_id)
    if room is None or room.management_room != request.management_room:
        return Id(room_id)
    return Room(room_id, room.label)


ACTS: Mapping[Act, Doing] = {Act.ALSO_INVITE: Doing(invite, ended=ended, refused=refused)}
