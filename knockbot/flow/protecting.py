"""`protect`, with all its ways into a room and its order of checks, and `unprotect`.

The bot does nothing about a room until `protect` names it or somebody gives a command in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from knockbot.documents.text import shown
from knockbot.domain.fitness import Concern, of_protected
from knockbot.domain.ids import RoomReference, server_of
from knockbot.domain.may import Deed
from knockbot.domain.model import Because, Membership, Rejudge, Request, RoomView, Verdict
from knockbot.domain.notices import (
    Code,
    Letters,
    Moment,
    Notice,
    Number,
    Room,
    User,
    because,
    below,
    notice,
)
from knockbot.domain.policy import Policy
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn
from knockbot.errors import ActionError, Later, Never, Refused
from knockbot.flow import (
    authority,
    cards,
    checkup,
    inheriting,
    journal,
    place,
    rejudging,
    rules,
    saying,
    settling,
    tables,
)
from knockbot.flow.authority import Wanted
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.records import record_of_room
from knockbot.flow.rooms import is_in, locate
from knockbot.flow.saying import Audience
from knockbot.flow.tables import Granted
from knockbot.store import bot_memberships, jobs, judgements, layers, pending_protects, records, requests, rooms
from knockbot.store.pending_protects import PendingProtect
from knockbot.store.rooms import ProtectedRoom
from knockbot.times import HOUR, MINUTE

LONGEST_NAME = 255
"""Characters of the ID or alias of a room."""

ATTEMPTS = 3
"""Failed attempts at `protect` of one requester within an hour."""

KNOCKING = "I was asked to protect this room."

OPEN_TO_ALL = frozenset({"public"})


# --- protect --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody wants a room protected from here; `cause` is their command's event."""

    requester: str
    management_room: str
    reference: RoomReference
    cause: str
    with_rooms: bool = False
    """Whether it is a space, and its rooms are wanted too."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The result of an ask that was not refused: the room to protect, with its checklist."""

    ask: Ask
    view: RoomView
    checklist: Notice
    trouble: Notice | None
    concerns: tuple[Concern, ...]

    async def write(self, context: Context, turn: Turn) -> Notice:
        """Store the protection, in the turn of the command; returns the reply."""
        before = await rooms.find(turn.tx, self.view.room_id)
        already = before is not None and before.management_room == self.ask.management_room
        await protect_now(context, turn, self.view, self.ask.management_room, self.ask.requester)
        await rooms.set_trouble(turn.tx, self.view.room_id, self.trouble)  # the checklist tells it
        await rooms.note_concerns(turn.tx, self.view.room_id, self.concerns)
        await pending_protects.forgive(turn.tx, self.ask.cause)
        room = await place.called(context, turn, self.view.room_id)
        done = notice("protect.already", room=room) if already else notice("protect.done", room=room)
        show, set_ = (Code(f"!kb policy {verb} {self.view.room_id}") for verb in ("show", "set"))
        following = notice("protect.next", show=show, set=set_)
        ask = self.ask
        granted = Granted(self.view, ask.management_room, ask.requester, ask.cause, ask.with_rooms)
        more = await tables.granted(context, turn, granted)
        origins = inheriting.origins(self.view.room_id, await layers.of(turn.tx, self.view.room_id))
        return below(done, self.checklist, *origins, following, *more)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The bot asked to be let into the room first; it does what was asked for once it is in."""

    said: Notice
    pending: PendingProtect

    async def write(self, _: Context, turn: Turn) -> Notice:
        """Store the pending ask, in the turn of the command; returns the reply."""
        await pending_protects.add(turn.tx, self.pending)
        return self.said


async def protect(context: Context, ask: Ask) -> Grant | Waiting:
    """Go through the checks of `protect`, in their order, and get into the room on the way. Raises `Refused`."""
    with journal.refusing(ask.requester, "protect", ask.reference.room):
        authority.insist_on_permission(context, _wanted(ask, ask.reference.room))
        await _insist_on_attempts(context, ask)
    try:
        room_id, via = await locate(context, ask.reference, ask.requester)
    except ActionError as error:
        if server_of(ask.reference.room) == context.home:
            # Look-ups on our own server have no limit: a typing mistake does not count as an attempt.
            await _forgive(context, ask)
        raise Refused(notice("protect.not_found", room=Letters(ask.reference.room), why=error.why)) from error
    try:
        with journal.refusing(ask.requester, "protect", room_id):
            await _insist_on_privacy(context, ask, room_id)
            await authority.insist_on_managing(context, _wanted(ask, room_id))
    except Refused:
        await _forgive(context, ask)  # the refusal is about this room, and asked the other room nothing
        raise
    if await is_in(context, room_id):
        return await granted(context, ask, room_id)
    return await _get_in(context, ask, room_id, via)


async def protect_in_it(context: Context, ask: Ask, room_id: str, unseen: Notice) -> Grant:
    """The same for a room that the bot is in: no server has to be asked.

    `unseen` is said where they are not in it, so that nobody learns who is. Raises `Refused`.
    """
    with journal.refusing(ask.requester, "protect", room_id):
        authority.insist_on_permission(context, _wanted(ask, room_id))
        await _insist_on_privacy(context, ask, room_id)
        await authority.insist_on_managing(context, _wanted(ask, room_id))
    return await granted(context, ask, room_id, unseen=unseen)


def _wanted(ask: Ask, room_id: str, label: str = "") -> Wanted:
    room = Room(room_id, label or room_id)
    return Wanted(Deed.PROTECT, ask.requester, room, management_room=ask.management_room)


async def _insist_on_attempts(context: Context, ask: Ask) -> None:
    async with context.db.tx() as tx:
        possible_at = await pending_protects.attempt(
            tx, ask.requester, ask.cause, context.now(), most=ATTEMPTS, within=HOUR
        )
    if possible_at is not None:
        moment = Moment(-(-possible_at // MINUTE) * MINUTE)  # rounded up, so that the named minute is not too early
        raise Refused(notice("protect.too_many_attempts", attempts=Number(ATTEMPTS), moment=moment))


async def _forgive(context: Context, ask: Ask) -> None:
    """Do not count an ask as one of the few attempts that are allowed."""
    async with context.db.tx() as tx:
        await pending_protects.forgive(tx, ask.cause)


def _not_yet(context: Context, ask: Ask) -> Notice:
    """A room cannot be protected yet. The text is the same, no matter who is in that room and who is not."""
    reference, command = Letters(ask.reference.room), Code(f"!kb protect {shown(ask.reference.room, LONGEST_NAME)}")
    return notice("protect.not_yet", room=reference, bot=User(context.bot), command=command)


async def _insist_on_privacy(context: Context, ask: Ask, room_id: str) -> None:
    """Check whether the room where they asked is fit as a management room. Raises `Refused`."""
    if room_id == ask.management_room:
        raise Refused(notice("protect.unfit_to_manage", why=notice("protect.manages_itself")))
    view = await context.outside.room(ask.management_room)
    if view.join_rule in OPEN_TO_ALL or view.world_readable:
        raise Refused(notice("protect.unfit_to_manage", why=notice("protect.public_room")))


async def _get_in(context: Context, ask: Ask, room_id: str, via: tuple[str, ...]) -> Grant | Waiting:
    """Use an invite or an open room, else knock and wait.

    The reply does not tell whether the bot, or anybody else, is in a room. Raises `Refused`.
    """
    try:
        async with context.elsewhere.asking(via[0] if via else "", ask.requester):
            membership = await _enter_or_knock(context, room_id, via)
    except Later as error:
        bot = User(context.bot)
        reference, command = Letters(ask.reference.room), Code(f"!kb protect {shown(ask.reference.room, LONGEST_NAME)}")
        said = notice("protect.cannot_enter", room=reference, why=error.why, bot=bot, command=command)
        raise Refused(said) from error
    if membership is Membership.KNOCK:
        pending = PendingProtect(room_id, ask.management_room, ask.requester, ask.cause, context.now(), ask.with_rooms)
        return Waiting(_not_yet(context, ask), pending)
    if membership is None:
        raise Refused(_not_yet(context, ask))
    try:
        return await granted(context, ask, room_id)
    except Refused:
        await leave_unless_needed(context, room_id)
        raise


async def _enter_or_knock(context: Context, room_id: str, via: tuple[str, ...]) -> Membership | None:
    """The membership of the bot after it tried to join a room, and to knock where that was refused."""
    try:
        await context.acts.join(room_id, via)
    except Never:
        try:
            await context.acts.knock(room_id, via, KNOCKING)
        except ActionError:
            return None
        return Membership.KNOCK
    return Membership.JOIN


async def granted(context: Context, ask: Ask, room_id: str, *, unseen: Notice | None = None) -> Grant:
    """The bot is in the room: check whether the requester may have it protected. Raises `Refused`."""
    view = await context.outside.room(room_id)
    async with context.db.tx() as tx:
        before = await rooms.find(tx, room_id)
    wanted = replace(
        _wanted(ask, room_id, view.label),
        verdicts=(await _will_be_in_force(context, ask, room_id)).verdicts,
        locked=before is not None and before.locked,
        unseen=unseen or _not_yet(context, ask),
    )
    with journal.refusing(ask.requester, "protect", room_id):
        await authority.insist(context, wanted)
        if ask.with_rooms and not view.is_space:
            raise Refused(
                notice("space.no_space", room=Room(room_id, view.label), command=Code(f"!kb protect {room_id}"))
            )
    powers = await context.outside.powers(room_id)
    concerns = of_protected(view.join_rule, view.version, powers)
    # Of a room of a space only the shortage is told.
    checklist = below() if unseen is not None else checkup.told(await checkup.checklist(context, view))
    return Grant(ask, view, checklist, checkup.shortage(powers, context.bot), concerns)


async def _will_be_in_force(context: Context, ask: Ask, room_id: str) -> Policy:
    """What decides in a room once it is protected: perhaps the policy of a space that it will belong to."""
    async with context.db.tx() as tx:
        space = await tables.will_belong(context, tx, room_id, ask.management_room)
    return await rules.if_in_space(context, room_id, space, at_expense_of=ask.management_room)


async def leave_unless_needed(context: Context, room_id: str) -> None:
    """Leave a room that the bot joined to protect it, where the protection failed."""
    async with context.db.tx() as tx:
        needed = await rooms.find(tx, room_id) is not None or await rooms.is_management_room(tx, room_id)
    if not needed:
        await context.acts.leave(room_id)


async def protect_now(
    context: Context, turn: Turn, view: RoomView, management_room: str, by: str, *, locked: bool = False
) -> None:
    """Protect this room from now on."""
    before = await rooms.find(turn.tx, view.room_id)
    decided = await inheriting.deciding(turn.tx, before.management_room) if before is not None else {}
    await rooms.protect(turn.tx, ProtectedRoom(view.room_id, management_room, view.label, by, turn.now, locked))
    place.changed(turn)
    for room_id in (view.room_id, management_room):
        await bot_memberships.use(turn.tx, room_id, turn.now)
    if before is not None and before.management_room != management_room:
        occasion = f"moved away:{view.room_id}:{turn.now}"
        await tables.let_go(context, turn, before)
        text = notice("room.managed_elsewhere", room=await place.called(context, turn, view.room_id), user=User(by))
        left = await inheriting.left_to_others(turn.tx, before, decided)
        await saying.say(context, turn, Audience(before.management_room), occasion, below(text, *left))
    await record_of_room(turn, view.room_id, by, Recorded.PROTECT, management_room=management_room)
    await _bring_requests(context, turn, view.room_id, management_room, kept_before=before is not None)
    turn.after(partial(context.look_at, view.room_id))


async def _bring_requests(
    context: Context, turn: Turn, room_id: str, management_room: str, *, kept_before: bool
) -> None:
    """Close cards in other management rooms, and show pending requests again, under numbers of this one.

    What is answered and not over yet gets a number here, too: an invite that was not taken, and a current third-party
    invite. What becomes of it is told here, and it can be taken back from here.
    """
    # Those that wait come first: they get the lowest numbers.
    found = sorted(await requests.not_over(turn.tx, room_id), key=lambda request: not request.open)
    if not kept_before:
        found = [await _without_dropped_answer(turn, request) for request in found]
    asked: list[Rejudge] = []
    for request in found:
        moves = request.management_room != management_room
        if moves:
            await requests.move(turn.tx, request, management_room)
            await judgements.leave_behind(turn.tx, request.id)
            await records.leave_behind(turn.tx, request.id)
            await cards.take_no_more(turn, request)
        if not kept_before and _was_asked(request):
            asked.append(Rejudge(room_id, Because.ANSWERED, f"$protect:{turn.now}", request.id))
        # A card may say that the room is not protected; and the answers of rules were dropped.
        if request.open and (moves or not kept_before) and (request.card_id is not None or request.answer is None):
            await cards.show(context, turn, request.id)
    await rejudging.plan_each(context, turn, asked)  # nobody asks them any more, and perhaps the policy still wants it


def _was_asked(request: Request) -> bool:
    """Whether its applicant was being asked when the room was let go."""
    return request.awaits_moderators and request.decision is not None and request.decision.verdict is Verdict.ASK


async def _without_dropped_answer(turn: Turn, request: Request) -> Request:
    """A request of a room that is protected again, without the answer of the time before, unless its act is running."""
    if not request.open or request.answer is None or await jobs.is_running(turn.tx, request.id):
        return request
    await settling.withdraw_answer(turn, request, because("overtaken.was_unprotected"))
    return await requests.get(turn.tx, request.id)


async def insist_on_unprotecting(context: Context, there: Place, actor: str) -> None:
    """Check whether this person may end the protection of a room. Raises `Refused`.

    This takes the same as to protect it, or a server admin. That is power in both rooms: the protected room and its
    management room.
    """
    in_force = await rules.look_up(context, there.room_id, at_expense_of=there.management_room)
    with journal.refusing(actor, "unprotect", there.room_id):
        await authority.insist(
            context,
            Wanted(
                Deed.UNPROTECT,
                actor,
                there.called,
                management_room=there.management_room,
                verdicts=in_force.policy.verdicts,
                locked=there.room.locked,
            ),
        )


async def unprotect(context: Context, turn: Turn, room: ProtectedRoom, by: str) -> None:
    """End the protection of this room. Pending requests rest until the room is protected again.

    Answers stay on record: an act that is under way may still get through, and then it belongs to its answer.
    """
    for request in await requests.pending(turn.tx, room.management_room, room.room_id):
        await cards.take_no_more(turn, request)
    await jobs.overtake_all(turn.tx, room.room_id, because("overtaken.unprotected"), turn.now)
    await tables.let_go(context, turn, room)
    await rooms.unprotect(turn.tx, room.room_id)
    place.changed(turn)
    context.policies.drop(room.room_id)
    await record_of_room(turn, room.room_id, by, Recorded.UNPROTECT)
