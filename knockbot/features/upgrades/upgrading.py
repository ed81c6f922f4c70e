"""A protected room is upgraded: the bot follows, and asks the moderators whether to protect the new room too.

A tombstone names the replacement, and the replacement must name the room that it replaces. From the tombstone on the
bot accepts nobody into the old room. The policy and the open requests move to the new room when a moderator says so.
That moderator must have the right to do this in both rooms.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

from knockbot.domain import plan
from knockbot.domain.ids import is_room_id, server_of
from knockbot.domain.kinds import kind_of
from knockbot.domain.may import Deed
from knockbot.domain.model import MemberChange, Membership, Reaction, Request, RoomView, Verdict
from knockbot.domain.notices import Code, Id, Letters, Notice, Number, Room, User, because, notice
from knockbot.domain.records import Detail, Recorded
from knockbot.domain.upgrades import RoomUpgrade, Stage, Step, Tombstone, next_step
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Later, Never, Refused
from knockbot.features.upgrades import question
from knockbot.flow import authority, cards, place, protecting, rulebook, rules, saying, settling, tables
from knockbot.flow.authority import Wanted
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.questions import CLOSED
from knockbot.flow.records import record, record_of_room
from knockbot.flow.rooms import is_in
from knockbot.flow.rules import InForce
from knockbot.flow.saying import Audience
from knockbot.store import bot_memberships, pins, policies, prompts, requests, room_upgrades, rooms
from knockbot.store.db import Tx
from knockbot.store.rooms import ProtectedRoom

COMING_OVER = "I protect the room that this one replaces."
"""What the bot says when it knocks at the replacement."""

LONGEST_CHAIN = 20


async def look(context: Context, room: ProtectedRoom) -> None:
    """Look whether a protected room was replaced, and do the next step. May raise `Later`."""
    tombstone = await context.outside.tombstone(room.room_id)
    async with context.db.tx() as tx:
        known = await room_upgrades.find(tx, room.room_id)
    step = next_step(tombstone, known)
    if step is Step.FORGET:
        async with context.turn() as turn:
            await room_upgrades.forget(turn.tx, room.room_id)
    elif step is Step.LISTEN and known is not None:
        await question.look(context, known)
    elif step is Step.FOLLOW and tombstone is not None:
        await _follow(context, room, tombstone)


async def _follow(context: Context, room: ProtectedRoom, tombstone: Tombstone) -> None:
    """Enter the replacement and ask the moderators."""
    await _stop_accepting(context, room, _upgrade(room, tombstone, Stage.WAITING))
    fault = await _fault_of_tombstone(context, room, tombstone)
    if fault is not None:
        await _refuse(context, room, tombstone, fault)
        return
    inside = await get_in(context, room.room_id, tombstone)
    if inside is None:
        return
    if not inside:
        await _wait(context, room, tombstone)
        return
    predecessor = await context.outside.predecessor(tombstone.replacement)
    if predecessor != room.room_id:
        await _refuse(context, room, tombstone, notice("upgrade.no_predecessor"))
        await leave_again(context, tombstone)
        return
    await _offer(context, room, tombstone)


async def _stop_accepting(context: Context, room: ProtectedRoom, upgrade: RoomUpgrade) -> None:
    """From now on the bot accepts nobody into the old room; requests that were accepted are pending again."""
    async with context.turn() as turn:
        await room_upgrades.put(turn.tx, upgrade)
        place.changed(turn)
        for request in await requests.pending(turn.tx, room.management_room, room.room_id):
            accepted = request.answer is not None and request.answer.verdict is Verdict.ACCEPT
            if kind_of(request).waits_outside and accepted:
                await settling.withdraw_answer(turn, request, because("overtaken.room_replaced"))
                await record(turn, request, context.bot, Recorded.NOT_LET_IN)
                await cards.show(context, turn, request.id)


async def _fault_of_tombstone(context: Context, room: ProtectedRoom, tombstone: Tombstone) -> Notice | None:
    """Why the room that a tombstone names cannot replace this one; `None` if only that room itself can tell."""
    replacement = tombstone.replacement
    fault = fault_of_name(room.room_id, tombstone)
    if fault is not None:
        return fault
    if replacement == room.management_room:
        return notice("upgrade.names_management_room")
    async with context.db.tx() as tx:
        other = await rooms.find(tx, replacement)
        if other is not None and other.management_room != room.management_room:
            return notice("upgrade.managed_elsewhere")
        return notice("upgrade.in_a_circle") if await _leads_back(tx, replacement, room.room_id) else None


def fault_of_name(room_id: str, tombstone: Tombstone) -> Notice | None:
    """Why the name in a tombstone cannot be that of the replacement; `None` if it can."""
    if not is_room_id(tombstone.replacement):
        return notice("upgrade.names_no_room")
    return notice("upgrade.names_itself") if tombstone.replacement == room_id else None


async def _leads_back(tx: Tx, start: str, room_id: str) -> bool:
    """Whether a room is replaced by this one, directly or over other rooms."""
    for _ in range(LONGEST_CHAIN):
        upgrade = await room_upgrades.find(tx, start)
        if upgrade is None or upgrade.stage is Stage.REFUSED:
            return False
        if upgrade.replacement == room_id:
            return True
        start = upgrade.replacement
    return True


async def get_in(context: Context, room_id: str, tombstone: Tombstone) -> bool | None:
    """Whether the bot is in the replacement; none while it tries to enter.

    It tries outside of any turn, because knocks would wait for another server. After that it looks at the room again.
    """
    if await is_in(context, tombstone.replacement):
        return True
    look_again = partial(context.look_at, room_id)
    name = f"{room_id} {tombstone.event_id}"
    if not context.elsewhere.meanwhile(name, partial(_try_to_get_in, context, tombstone), look_again):
        return None
    return await is_in(context, tombstone.replacement)


async def leave_again(context: Context, tombstone: Tombstone) -> None:
    """Leave the room that a tombstone names, and that replaces nothing, if the bot came only to look at it."""
    async with context.turn() as turn:
        if not await bot_memberships.is_needed(turn.tx, tombstone.replacement):
            await turn.plan(plan.leave(tombstone.replacement, tombstone.event_id))


def servers_of(context: Context, tombstone: Tombstone) -> tuple[str, ...]:
    """Servers to reach the replacement by."""
    return tuple(dict.fromkeys((server_of(tombstone.sender), context.home)))


async def _try_to_get_in(context: Context, tombstone: Tombstone) -> None:
    """Enter the replacement, or knock there."""
    via = servers_of(context, tombstone)
    for get_in in (context.acts.join, partial(context.acts.knock, reason=COMING_OVER)):
        try:
            async with context.elsewhere.asking(via[0]):
                await get_in(tombstone.replacement, via)
            break
        except Never:
            continue
        except Later as error:
            if error.unreachable:
                raise


async def _refuse(context: Context, room: ProtectedRoom, tombstone: Tombstone, why: Notice) -> None:
    async with context.turn() as turn:
        await room_upgrades.put(turn.tx, _upgrade(room, tombstone, Stage.REFUSED))
        said = notice(
            "upgrade.refused",
            room=Room(room.room_id, room.label),
            new=Letters(tombstone.replacement),
            why=why,
            command=Code("!kb protect"),
        )
        await saying.alarm(context, turn, room.room_id, f"tombstone:{tombstone.event_id}", said)


async def _wait(context: Context, room: ProtectedRoom, tombstone: Tombstone) -> None:
    async with context.turn() as turn:
        await room_upgrades.put(turn.tx, _upgrade(room, tombstone, Stage.WAITING))
        new = Id(tombstone.replacement)
        said = notice("upgrade.not_in_it", room=Room(room.room_id, room.label), new=new, bot=User(context.bot))
        await saying.alarm(context, turn, room.room_id, f"tombstone:{tombstone.event_id}", said)


async def _offer(context: Context, room: ProtectedRoom, tombstone: Tombstone) -> None:
    """Ask the moderators; if the room is protected by the config file, only tell them."""
    async with context.turn() as turn:
        await bot_memberships.use(turn.tx, tombstone.replacement, turn.now)
        if not room.locked:
            await question.ask(turn, room, _upgrade(room, tombstone, Stage.OFFERED), ROOM_UPGRADE)
            return
        await room_upgrades.put(turn.tx, _upgrade(room, tombstone, Stage.REFUSED))
        said = notice("upgrade.locked", room=Room(room.room_id, room.label), new=Id(tombstone.replacement))
        await saying.alarm(context, turn, room.room_id, f"tombstone:{tombstone.event_id}", said)


async def _words(context: Context, there: Place, upgrade: RoomUpgrade, new: Room) -> Notice:
    async with context.db.tx() as tx:
        waiting = len(_going_over(await requests.pending(tx, there.management_room, there.room_id)))
    called, id_ = Room(there.room_id, there.label), Id(upgrade.replacement)
    if new.label == there.label:
        return notice("upgrade.offered_alike", room=called, id=id_, waiting=Number(waiting))
    return notice("upgrade.offered", room=called, new=new, id=id_, waiting=Number(waiting))


def _upgrade(room: ProtectedRoom, tombstone: Tombstone, stage: Stage) -> RoomUpgrade:
    return RoomUpgrade(room.room_id, tombstone.event_id, tombstone.replacement, stage)


async def entered(context: Context, change: MemberChange) -> Write[None] | None:
    """The bot entered a room: it may be one that it waited for."""
    if change.user_id != context.bot or change.membership is not Membership.JOIN:
        return None

    async def write(turn: Turn) -> None:
        for upgrade in await room_upgrades.leading_to(turn.tx, change.room_id):
            if upgrade.stage is Stage.WAITING:
                turn.after(partial(context.look_at, upgrade.policy_of or upgrade.room_id))

    return write


# --- the answer -----------------------------------------------------------------------------------------------


async def answered(context: Context, reaction: Reaction, _: ProtectedRoom, upgrade: RoomUpgrade) -> Write[None]:
    """A moderator wants the bot to protect the replacement as it did the old room."""
    await _insist(context, reaction.sender, upgrade)
    view = await context.outside.room(upgrade.replacement)

    async def write(turn: Turn) -> None:
        room = await rooms.find(turn.tx, upgrade.room_id)
        now = await question.still_asked(turn.tx, upgrade)
        if room is None or now is None:
            raise Refused(CLOSED)
        count = await _move_over(context, turn, room, view, reaction)
        await room_upgrades.put(turn.tx, replace(now, stage=Stage.MOVED))
        new = await place.called(context, turn, view.room_id)
        said = notice("upgrade.moved", new=new, id=Id(view.room_id), moved=Number(count))
        occasion, target = f"moved:{upgrade.tombstone}", reaction.target
        await saying.say(context, turn, Audience(reaction.room_id, place=view.room_id), occasion, said, reply_to=target)

    return write


async def _insist(context: Context, actor: str, upgrade: RoomUpgrade) -> None:
    """Check that this person may do this. Raises `Refused` if not.

    They need the right to end the protection of the old room, and to protect the new one.
    """
    async with context.db.tx() as tx:
        there = await place.find(context, tx, upgrade.room_id)
    if there is None:
        return
    await protecting.insist_on_unprotecting(context, there, actor)
    new = Room(upgrade.replacement, upgrade.replacement)
    in_force = await rules.look_up(context, there.room_id, at_expense_of=there.management_room)
    await authority.insist(context, Wanted(Deed.TAKE_OVER, actor, new, verdicts=in_force.policy.verdicts))
    await _insist_on_authorship(context, there, in_force, actor, upgrade.replacement)


async def _insist_on_authorship(
    context: Context, there: Place, in_force: InForce, actor: str, replacement: str
) -> None:
    """This person becomes the author of the moved policy: they must be in the rooms that it names. Raises `Refused`."""
    async with context.db.tx() as tx:
        goes_over = there.revision is not None and await policies.latest(tx, replacement) is None
        own = in_force.own if goes_over else None
        meant = await rules.meant_by(tx, own) if own is not None else {}
    for name, room_id in meant.items():
        if not await rulebook.may_name(context, actor, room_id):
            raise Refused(notice("named.not_in_it", room=there.called, name=Id(name), bot=User(context.bot)))


async def _move_over(context: Context, turn: Turn, room: ProtectedRoom, view: RoomView, reaction: Reaction) -> int:
    """Move policy and open requests, and stop protecting the old room; returns how many requests moved."""
    by, cause = reaction.sender, reaction.event_id
    if await rooms.find(turn.tx, view.room_id) is None:
        await protecting.protect_now(context, turn, view, room.management_room, by)
    policy = await policies.current(turn.tx, room.room_id)
    if policy is not None and await policies.current(turn.tx, view.room_id) is None:
        meant = {name: pin.room_id for name, pin in (await rules.named(turn.tx, room.room_id)).items()}
        revision = await policies.revise(
            turn.tx, view.room_id, author=by, text=policy.text, now=turn.now, cause=cause, settings=policy.settings
        )
        await pins.take(turn.tx, pins.of_revision(view.room_id, revision), meant)
        place.changed(turn)
    going = _going_over(await requests.pending(turn.tx, room.management_room, room.room_id))
    going = [request for request in going if await _is_new(turn.tx, request, view.room_id)]
    for request in going:
        if request.answer is not None:
            await settling.withdraw_answer(turn, request, because("overtaken.room_replaced"))
        await requests.move_over(turn.tx, request, view.room_id)
        await record(turn, request, by, Recorded.MOVED_OVER)
        if request.card_id is not None:
            await prompts.move_over(turn.tx, request.card_id, view.room_id)
        await cards.show(context, turn, request.id)
    detail = Detail(replacement=view.room_id, requests=len(going))
    await record_of_room(turn, room.room_id, by, Recorded.ROOM_REPLACED, **detail)
    await tables.took_place(context, turn, room.room_id, view.room_id)
    await protecting.unprotect(context, turn, room, by)
    return len(going)


def _going_over(pending: list[Request]) -> list[Request]:
    """The join requests that move: unanswered or accepted ones. Those that are being rejected stay in the old room, as
    do those of people who hold an invite there."""
    return [
        request
        for request in pending
        if kind_of(request).waits_outside
        and not request.invited
        and (request.answer is None or request.answer.verdict is Verdict.ACCEPT)
    ]


async def _is_new(tx: Tx, request: Request, room_id: str) -> bool:
    """Whether the same applicant has no open request there; they may have knocked at both rooms."""
    there = await requests.latest(tx, room_id, request.user_id)
    return there is None or not there.open


ROOM_UPGRADE: Final = "room_upgrade"
QUESTION: Final = question.kind(_words, answered)
"""The question whether to protect a replacement as the old room was."""
