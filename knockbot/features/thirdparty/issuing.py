"""Invites to addresses outside Matrix that the bot issues when a moderator asks for them.

Step 1 of an invite's journey (ARCHITECTURE.md). A message that an identity server has sent cannot be taken back, and
asking twice sends two. So the bot first writes down what it will send. Then it asks the identity server once. It writes
down the answer before it changes the room. If knockbot is killed at any point, it knows afterwards what is left to do,
or says plainly that it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.domain import plan
from knockbot.domain.invites import IN_VAIN, UNASKED, Address, StoredInvite, masked, possible_again
from knockbot.domain.jobs import Issue, Job
from knockbot.domain.may import Deed
from knockbot.domain.model import (
    Answer,
    MemberChange,
    Membership,
    Request,
    State,
    ThirdPartyInvite,
    Verdict,
    Wish,
)
from knockbot.domain.notices import Choice, Code, Moment, Notice, Number, Numbered, Room, User, notice
from knockbot.domain.records import Recorded
from knockbot.domain.state_keys import written
from knockbot.engine.turn import Turn
from knockbot.errors import ActionError, Later, Never, Refused
from knockbot.flow import answering, authority, journal, place, saying, settling
from knockbot.flow.authority import Wanted
from knockbot.flow.context import Context, log
from knockbot.flow.ports import Issuer
from knockbot.flow.records import record
from knockbot.flow.saying import Audience
from knockbot.store import addressees, jobs, requests, rooms
from knockbot.store.addressees import Addressee, Asked
from knockbot.store.db import Tx
from knockbot.store.rooms import ProtectedRoom
from knockbot.times import DAY, HOUR, MINUTE

LATE = HOUR
"""Milliseconds after which an ordered invite is not sent any more: the moderator does not expect it by then."""


@dataclass(frozen=True, slots=True)
class Order:
    """An invite that a moderator asks for; `cause` is their command."""

    room: ProtectedRoom
    actor: str
    address: Address
    name: str
    cause: str


# --- asked for ------------------------------------------------------------------------------------------------


async def insist(context: Context, room: ProtectedRoom, actor: str) -> None:
    """Check that this person may have the bot invite somebody by an address now. Raises `Refused` if not."""
    if not context.settings.identity_servers:
        raise Refused(notice("issue.no_identity_server", key=Code("identity_servers")))
    if 0 in (context.settings.issuing.per_moderator, context.settings.issuing.per_room):
        raise Refused(notice("issue.off", key=Code("issuing")))
    with journal.refusing(actor, "invite", room.room_id):
        await authority.insist(context, Wanted(Deed.INVITE, actor, Room(room.room_id, room.label)))


async def take(context: Context, turn: Turn, order: Order) -> None:
    """Write down that an address is to be invited. Raises `Refused` if it already was, or if there were too many.

    Call this in the transaction that ends the handling of the moderator's command.
    """
    await addressees.hold_budgets(turn.tx)
    await _insist_on_one(turn.tx, order)
    await _insist_on_budgets(context, turn.tx, order)
    room_id, server = order.room.room_id, next(iter(context.settings.identity_servers))
    await addressees.ask(turn.tx, Asked(order.cause, room_id, order.actor, turn.now, order.address, order.name))
    job = plan.issue(room_id, order.cause, server, order.room.management_room)
    await turn.plan(job)
    log.info("%s has me invite %s to %s", order.actor, masked(str(order.address)), room_id)


async def _insist_on_one(tx: Tx, order: Order) -> None:
    """An address gets one invite to a room at a time: a second mail would only be another key to the same room."""
    if await addressees.is_asked_for(tx, order.room.room_id, order.address):
        raise Refused(notice("issue.being_invited"))
    number = await addressees.number_of(tx, order.room.room_id, order.address)
    if number is not None:
        revoke = Code(f"!kb revoke {number}")
        raise Refused(notice("issue.invited_already", request=Numbered(number), command=revoke))


async def _insist_on_budgets(context: Context, tx: Tx, order: Order) -> None:
    now, budgets = context.now(), context.settings.issuing
    by_them = await addressees.issued_at(tx, now - DAY, moderator=order.actor)
    at = possible_again(by_them, budgets.per_moderator, now)
    if at is not None:
        moment = Moment(_next_minute(at))
        raise Refused(notice("issue.you_had_too_many", count=Number(budgets.per_moderator), moment=moment))
    for_room = await addressees.issued_at(tx, now - DAY, room_id=order.room.room_id)
    at = possible_again(for_room, budgets.per_room, now)
    if at is not None:
        room = Room(order.room.room_id, order.room.label)
        count, moment = Number(budgets.per_room), Moment(_next_minute(at))
        raise Refused(notice("issue.room_had_too_many", room=room, count=count, moment=moment))


def _next_minute(at: int) -> int:
    """The time, rounded up to a full minute: messages show minutes, and must not name a time that is too early."""
    return -(-at // MINUTE) * MINUTE


# --- sent -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """The identity server has stored the invite, and has sent a message to the address."""

    stored: StoredInvite


@dataclass(frozen=True, slots=True)
class Belongs:
    """The address belongs to a Matrix account; `stands` is its membership in the room."""

    user_id: str
    stands: MemberChange | None
    knock: str | None = None
    """Their knock that waits for an answer, if the moderator may accept it."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """The invite failed. `counted` says that it counts all the same, because a message was sent or may have been."""

    why: Notice
    counted: bool = False


Came = Sent | Belongs | Unsent


def _nothing_sent(why: Notice) -> Notice:
    return notice("issue.nothing_sent", why=why)


def _unclear(why: Notice) -> Notice:
    return notice("issue.unclear", why=why, command=Code("!kb invites"))


async def issue(context: Context, issuer: Issuer, job: Job[Issue]) -> Came | None:
    """Ask the identity server once; none if the result is on record. Raises `Later` only before anything was asked."""
    try:
        return await _issue(context, issuer, job)
    except Refused as refused:
        return Unsent(refused.said)
    except Never as error:  # from the homeserver
        return Unsent(_nothing_sent(error.why))


async def _issue(context: Context, issuer: Issuer, job: Job[Issue]) -> Came | None:
    cause = job.payload.command
    async with context.db.tx() as tx:
        asked = await addressees.asked_by(tx, cause)
        room = await rooms.find(tx, job.room_id)
    if asked is None:
        return None
    if asked.sending:
        return Unsent(_unclear(notice("issue.interrupted")), counted=True)
    await _insist_again(context, job, asked, room)
    server, medium, address = job.payload.identity_server, asked.address.medium, asked.address.text
    try:
        user_id = await issuer.lookup(server, medium, address)
    except ActionError as error:
        return Unsent(_nothing_sent(error.why))
    if user_id is not None:
        return await _belongs(context, asked, user_id)
    return await _send(context, issuer, server, asked)


async def _belongs(context: Context, asked: Asked, user_id: str) -> Belongs:
    """Whose address it is. Where they ask to join already, that takes what any accept takes. Raises `Refused`; may
    raise `Later` and `Never`."""
    stands = await context.outside.member(asked.room_id, user_id)
    if stands is None or stands.membership is not Membership.KNOCK:
        return Belongs(user_id, stands)
    async with context.db.tx() as tx:
        waits = await requests.latest(tx, asked.room_id, user_id, held=False)
    if waits is None or not waits.awaits_moderators:
        return Belongs(user_id, stands)
    await answering.insist(context, _wish(asked, waits.event_id), waits)
    return Belongs(user_id, stands, waits.event_id)


def _wish(asked: Asked, knock: str) -> Wish:
    return Wish(asked.moderator, Verdict.ACCEPT, asked.cause, knock=knock)


async def _insist_again(context: Context, job: Job[Issue], asked: Asked, room: ProtectedRoom | None) -> None:
    """Check again before anything is sent: time may have passed, and the room may have changed. Raises `Refused`."""
    if context.now() - asked.at > LATE:
        raise Refused(notice("late"))
    if room is None or room.management_room != job.payload.management_room:
        raise Refused(_nothing_sent(notice("issue.not_managed")))
    await insist(context, room, asked.moderator)


async def _send(context: Context, issuer: Issuer, server: str, asked: Asked) -> Came | None:
    view = await context.outside.room(asked.room_id)
    member = await context.outside.member(asked.room_id, asked.moderator)
    async with context.db.tx() as tx:
        if not await addressees.begin_sending(tx, asked.cause):
            return None
    try:
        stored = await issuer.store_invite(
            server,
            asked.address.medium,
            asked.address.text,
            asked.room_id,
            context.bot,
            sender_name=(member.display_name if member is not None else None) or asked.moderator,
            room_name=view.label,
            join_rule=view.join_rule,
        )
    except ActionError as error:
        if isinstance(error, Later) and error.code != UNASKED:
            return Unsent(_unclear(error.why), counted=True)
        in_vain = error.code == IN_VAIN
        why = error.why
        return Unsent(notice("issue.failed", why=why) if in_vain else _nothing_sent(why), counted=in_vain)
    return Sent(stored)


# --- the result -----------------------------------------------------------------------------------------------


async def conclude(context: Context, turn: Turn, job: Job[Issue], came: Came) -> None:
    """Write down the result and what is left to do. From now on the row of the command holds no address."""
    asked = await addressees.asked_by(turn.tx, job.payload.command)
    if asked is None:
        return
    room = await rooms.find(turn.tx, job.room_id)
    if room is None and not isinstance(came, Unsent):
        sent = isinstance(came, Sent)
        why = notice("issue.not_managed")
        came = Unsent(notice("issue.failed", why=why) if sent else _nothing_sent(why), counted=sent)
    await addressees.end(turn.tx, asked.cause, counted=not isinstance(came, Unsent) or came.counted)
    if isinstance(came, Unsent):
        await _reply(context, turn, job, came.why)
    elif isinstance(came, Belongs):
        await _call_in(context, turn, job, asked, came)
    elif room is not None:
        await _open(context, turn, asked, room, came.stored)


async def _reply(context: Context, turn: Turn, job: Job[Issue], said: Notice) -> None:
    """Answer in the room where the command was given, as a reply to it."""
    cause = job.payload.command
    to, occasion = job.payload.management_room, f"issued:{cause}"
    await saying.say(context, turn, Audience(to, place=job.room_id), occasion, said, reply_to=cause)


async def _open(context: Context, turn: Turn, asked: Asked, room: ProtectedRoom, stored: StoredInvite) -> None:
    """Open the request: it is accepted because a moderator ordered it. The invite is not in the room yet."""
    invite = ThirdPartyInvite(room.room_id, "", written(stored.token), context.bot, stored.display_name, stored.keys)
    request = await requests.open_invite(turn.tx, room.management_room, invite, turn.now, issued_by=asked.moderator)
    await requests.answered(
        turn.tx, request.id, Answer(Verdict.ACCEPT, asked.moderator, turn.now, request.event_id, cause=asked.cause)
    )
    await record(turn, request, asked.moderator, Recorded.ISSUED)
    await addressees.remember(
        turn.tx, Addressee(room.room_id, invite.token, asked.address, asked.moderator, turn.now, asked.name)
    )
    await turn.plan(plan.plant(request, stored.content))


async def _call_in(context: Context, turn: Turn, job: Job[Issue], asked: Asked, came: Belongs) -> None:
    """The address has an account: invite the account, or accept its join request if there is one."""
    membership = came.stands.membership if came.stands is not None else None
    room, user = await place.called(context, turn, asked.room_id), User(came.user_id)
    said = notice("issue.belongs_to", stands=Choice(membership or "none"), user=user, room=room)
    if membership is Membership.KNOCK and (came.knock is not None or await _takes_votes(context, turn, asked.room_id)):
        said = await _accepted(context, turn, asked, came) or said
    elif membership in (None, Membership.LEAVE, Membership.KNOCK):
        invite = plan.call_in(
            asked.room_id,
            came.user_id,
            came.stands,
            home=context.home,
            cause=asked.cause,
            on_behalf_of=asked.moderator,
        )
        await turn.plan(invite)
    await _reply(context, turn, job, said)


async def _takes_votes(context: Context, turn: Turn, room_id: str) -> bool:
    """Whether one moderator alone accepts nobody at a room."""
    there = await place.of(context, turn, room_id)
    return there is not None and there.settings.votes.accept > 1


async def _accepted(context: Context, turn: Turn, asked: Asked, came: Belongs) -> Notice | None:
    """Accept the join request of whoever the address belongs to, as by hand; returns what is said where that is only a
    vote, or not possible any more."""
    room, user = await place.called(context, turn, asked.room_id), User(came.user_id)
    knock = await requests.latest(turn.tx, asked.room_id, came.user_id)
    if knock is None or came.knock is None:
        return notice("issue.asks_already", user=user, room=room)
    try:
        missing = await answering.take(context, turn, _wish(asked, came.knock), knock.id)
    except (Refused, Later):  # somebody was quicker, or has to be looked at once more
        return notice("issue.asks_already", user=user, room=room)
    return notice("issue.one_vote", user=user, room=room, votes=missing) if missing is not None else None


async def not_planted(context: Context, turn: Turn, request: Request, why: Notice) -> None:
    """The sent invite is not in the room, and will not be added."""
    if request.on_its_way:
        await settling.record_outcome(context, turn, request, State.REVOKED, context.bot)
    number, room = Numbered(request.number), await place.called(context, turn, request.room_id)
    said = notice("issue.not_added", request=number, room=room, why=why)
    await saying.alarm(context, turn, request.room_id, f"refused:plant:{request.id}", said, about=request)


# --- forgotten ------------------------------------------------------------------------------------------------


async def forget(context: Context, turn: Turn) -> None:
    """Forget the addresses of invites that have not been valid for as long as the config says, and unsent messages."""
    before = turn.now - context.settings.issuing.keep_addresses
    await addressees.forget_old(turn.tx, before)
    await addressees.forget_counted(turn.tx, turn.now)
    await jobs.forget_unsaid(turn.tx, before, turn.now)
