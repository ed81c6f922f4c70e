"""Changing a room's policy: who may, what is wrong with it, and putting it in force as a new revision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from knockbot.config.policies import place_in_policy, read_policy
from knockbot.documents.reading import Path
from knockbot.domain import mistakes
from knockbot.domain.ids import is_alias
from knockbot.domain.layers import INHERIT
from knockbot.domain.may import Deed
from knockbot.domain.model import Because
from knockbot.domain.naming import verdict_named
from knockbot.domain.notices import Arg, Code, Letters, Notice, Number, Room, Stranger, User, below, notice
from knockbot.domain.policy import Policy, changed_settings, path_to, verdict_paths
from knockbot.domain.records import Detail, Recorded
from knockbot.engine.turn import Turn
from knockbot.errors import ActionError, Never, Refused
from knockbot.flow import authority, inheriting, journal, place, refusals, rejudging, rules, tables
from knockbot.flow.authority import Wanted
from knockbot.flow.changes import Change, Sound
from knockbot.flow.context import Context
from knockbot.flow.inheriting import called
from knockbot.flow.names import means
from knockbot.flow.records import record_of_room
from knockbot.flow.rooms import is_in, is_joined
from knockbot.store import pins, policies, rooms
from knockbot.store.rooms import ProtectedRoom


async def examined(context: Context, change: Change) -> Sound:
    """The change, ready to be put in force. Raises `Refused`, and `Fault` for a mistake in it."""
    room_id = change.room.room_id
    with journal.refusing(change.author, "policy set", room_id):
        await authority.insist(context, _wanted(change))
    # Only now, because the longest text that fits into a message takes a second to read. The time counts for the room
    # where the change was asked for.
    policy = await context.workbench.work_out(change.room.management_room, partial(read_policy, change.text))
    whole = await rules.with_own(context, room_id, policy, at_expense_of=change.room.management_room)
    with journal.refusing(change.author, "policy set", room_id):
        await authority.insist(context, _wanted(change, policy, whole))
    before = await rules.look_up(context, room_id, at_expense_of=change.room.management_room)
    sound = Sound(change, policy, whole, before.policy, await _rooms_meant(context, change, policy))
    for feature in tables.rows(context):
        if feature.examines is not None:
            await feature.examines(context, sound)
    return sound


def _wanted(change: Change, policy: Policy | None = None, whole: Policy | None = None) -> Wanted:
    """What its author wants: once the policy is read, the power for all that it may do, and for all that follows."""
    room, said = change.room, list(verdict_paths(policy)) if policy is not None else []
    if whole is not None:
        said += [(verdict, (INHERIT,)) for verdict in sorted(whole.verdicts)]
    first = dict(reversed(said))
    return Wanted(
        Deed.SET_POLICY,
        change.author,
        Room(room.room_id, room.label),
        verdicts=tuple(dict.fromkeys(verdict for verdict, _ in said)),
        locked=room.locked,
        place_of=lambda verdict: _where(change, first[verdict]),
    )


async def _where(change: Change, path: Path | None = None, *, names: str = "", key: str = "member_of") -> str:
    """Where something is in the text: a path, or the room that a key names."""

    def find(data: object) -> Path:
        return path if path is not None else path_to(data, key, names)

    return await where(change, find)


async def where(change: Change, find: Callable[[object], Path]) -> str:
    """Where something is in the text of a policy, as people are told of it."""
    return await asyncio.to_thread(place_in_policy, change.text, find)


async def _rooms_meant(context: Context, change: Change, policy: Policy) -> Mapping[str, str]:
    """The room that each name in a policy means now. Raises `Refused` where one of them is not allowed.

    A policy must not find out for its author who is in a room that the author is not in.
    """
    meant: dict[str, str] = {}
    for reference in policy.rooms_named:
        needed = reference in policy.rooms_needed
        try:
            meant[reference] = change.meant.get(reference) or await _room_meant(context, change, reference)
            if needed:
                await _insist_on_name(context, change, reference, meant[reference])
        except ActionError as error:
            raise (await _not_in(context, change, reference) if needed else _not_found(reference, error)) from error
    for reference in policy.rooms_invited_to:
        meant[reference] = await _room_invited_to(context, change, reference)
    return {name: room_id for name, room_id in meant.items() if name != room_id}


async def _room_invited_to(context: Context, change: Change, reference: str) -> str:
    """The room that a name in `also_invite` means now; it must be managed from where this one is. Raises `Refused`."""
    managed = None
    with suppress(ActionError):
        room_id = change.meant.get(reference) or await _room_meant(context, change, reference)
        async with context.db.tx() as tx:
            managed = await rooms.find(tx, room_id)
    itself = managed is not None and managed.room_id == change.room.room_id
    if managed is not None and managed.management_room == change.room.management_room and not itself:
        return managed.room_id
    place = mistakes.place(await _where(change, names=reference, key="also_invite"))
    if itself:
        raise _refused(notice("policy.invites_itself", place=place, room=Letters(reference)))
    raise _refused(notice("policy.invites_elsewhere", place=place, room=Letters(reference)))


def _refused(why: Notice) -> Refused:
    return Refused(refusals.policy_not_changed(why))


async def _room_meant(context: Context, change: Change, reference: str) -> str:
    if not is_alias(reference):
        return reference
    return (await context.elsewhere.resolve(context.outside, reference, change.author, afresh=True))[0]


async def _insist_on_name(context: Context, change: Change, reference: str, room_id: str) -> None:
    if not await may_name(context, change.author, room_id):
        raise await _not_in(context, change, reference)
    if reference in change.meant:
        return  # its meaning stays, and the bot asks on its own about a replacement (`successors.py`)
    tombstone = await context.outside.tombstone(room_id) if await is_in(context, room_id) else None
    if tombstone is not None:
        raise _refused(
            notice(
                "policy.names_replaced_room",
                place=mistakes.place(await _where(change, names=reference)),
                room=Letters(reference),
                new=Letters(tombstone.replacement),
            )
        )


async def may_name(context: Context, author: str, room_id: str) -> bool:
    """Whether a policy of this author may ask who is in a room: the author is in there, and the bot, which looks; or
    the homeserver tells it from afar."""
    if await is_in(context, room_id):
        return await is_joined(context, room_id, author)
    return await context.outside.is_joined_afar(room_id, author) is True


async def _not_in(context: Context, change: Change, reference: str) -> Refused:
    place = mistakes.place(await _where(change, names=reference))
    return _refused(notice("policy.names_another_room", place=place, room=Letters(reference), bot=User(context.bot)))


def _not_found(reference: str, error: ActionError) -> Refused:
    return _refused(notice("policy.names_unknown_room", room=Letters(reference), why=error.why))


@dataclass(frozen=True, slots=True)
class Applying:
    """Where somebody may have pending requests judged by the policies in force, and why not elsewhere."""

    room: ProtectedRoom
    """The room that they named."""
    rooms: Sequence[ProtectedRoom]
    left_out: Sequence[Notice]


async def applicable(context: Context, room: ProtectedRoom, actor: str) -> Applying:
    """Look where somebody may have a room's policy applied: there, and in the rooms that take it from there.

    Who may set a room's policy may do this. Raises `Refused`.
    """
    async with context.db.tx() as tx:
        found = [one for one, _ in await inheriting.waiting(tx, room)]
        alone = not await inheriting.takers(tx, room)
    if alone:
        await _insist_on_applying(context, room, actor)
        return Applying(room, [room], [])
    looked_at = [(one, await _why_not(context, one, actor)) for one in found]
    left_out = [notice("policy.not_applied", room=called(one), why=why) for one, why in looked_at if why]
    if left_out and len(left_out) == len(found):
        raise Refused(below(*_some(left_out)))
    return Applying(room, [one for one, why in looked_at if why is None], left_out)


async def _insist_on_applying(context: Context, room: ProtectedRoom, actor: str) -> None:
    policy = (await rules.look_up(context, room.room_id, at_expense_of=room.management_room)).policy
    wanted = Wanted(Deed.SET_POLICY, actor, called(room), verdicts=policy.verdicts, locked=room.locked)
    with journal.refusing(actor, "policy apply", room.room_id):
        await authority.insist(context, wanted)


async def _why_not(context: Context, room: ProtectedRoom, actor: str) -> Notice | None:
    try:
        await _insist_on_applying(context, room, actor)
    except (Refused, Never) as error:
        return refusals.why_not(error)
    return None


def _some(lines: Sequence[Notice]) -> list[Notice]:
    """The first of these lines, and how many more there are."""
    more = len(lines) - inheriting.NAMED
    return [*lines[: inheriting.NAMED], *([notice("list.more", count=Number(more))] if more > 0 else [])]


async def apply(context: Context, turn: Turn, applying: Applying, actor: str, cause: str) -> Notice:
    """Have pending requests judged again by the policies in force, and say how many they are. Raises `Refused`."""
    counts: dict[str, int] = {}
    busy = []
    for room in applying.rooms:
        if await rejudging.is_under_way(turn, room.room_id):
            busy.append(notice("policy.being_applied", room=called(room)))
        elif count := await rejudging.plan(context, turn, room.room_id, Because.POLICY_APPLIED, cause):
            counts[room.room_id] = count
            await record_of_room(turn, room.room_id, actor, Recorded.POLICY_APPLIED, requests=count)
    if not counts:
        raise Refused(below(*_some(busy)) if busy else notice("policy.nobody_waits", room=called(applying.room)))
    await rejudging.plan_report(context, turn, applying.room.room_id, Because.POLICY_APPLIED, cause)
    for room_id in sorted({applying.room.room_id, *counts}):  # only now: a row may ask where it is under way
        await tables.applied(context, turn, room_id)
    return below(_applying(applying.room, counts), *_some([*busy, *applying.left_out]))


def _applying(room: ProtectedRoom, counts: Mapping[str, int]) -> Notice:
    total = Number(sum(counts.values()))
    if list(counts) == [room.room_id]:
        return notice("policy.applying", room=called(room), count=total)
    return notice("policy.applying_in", rooms=Number(len(counts)), count=total)


async def put_in_force(context: Context, turn: Turn, sound: Sound) -> Notice:
    """Write the new revision and what its names mean, in the transaction that ends the handling of the command."""
    change, room_id = sound.change, sound.change.room.room_id
    before = await rules.named(turn.tx, room_id)
    revision = await policies.revise(
        turn.tx,
        room_id,
        author=change.author,
        text=change.text,
        now=turn.now,
        cause=change.cause,
        settings=sound.policy.settings,
    )
    place.changed(turn)
    context.policies.expect(room_id, change.text, sound.policy)
    await pins.take(turn.tx, pins.of_revision(room_id, revision), sound.meant)
    kind, detail = Recorded.POLICY_SET, Detail(revision=revision)
    if sound.meant:
        detail["rooms"] = dict(sound.meant)
    if change.reverts is not None:
        kind, detail["reverts"] = Recorded.POLICY_REVERTED, change.reverts
    await record_of_room(turn, room_id, change.author, kind, **detail)
    told = [await feature.enforced(context, turn, sound) for feature in tables.rows(context) if feature.enforced]
    named = [
        means(name, meant, before[name].room_id if name in before else None) for name, meant in sound.meant.items()
    ]
    await tables.revised(context, turn, room_id)
    for room in (change.room, *await inheriting.takers(turn.tx, change.room)):
        await rejudging.plan_withdrawals(context, turn, room.room_id, f"policy {room_id} {revision}")
    takers = await inheriting.taken_by(turn.tx, change.room)
    return below(*_taken(change.room, revision, sound), *named, *told, *takers)


def _set_to(value: str | Notice) -> Arg:
    return value if isinstance(value, Notice) else Stranger(value)


def _taken(room: ProtectedRoom, revision: int, sound: Sound) -> list[Notice]:
    """A new policy is in force, how it differs from the one before, and how to get that one back."""
    before, policy = sound.before, sound.whole
    said = notice(
        "policy.taken",
        revision=Number(revision),
        room=Room(room.room_id, room.label),
        count=Number(len(policy.rules)),
        before=Number(len(before.rules)),
    )
    changed = [
        notice("policy.changed", key=Code(key), now=_set_to(now), before=_set_to(then))
        for key, then, now in changed_settings(before, policy)
    ]
    undo = notice("policy.undo", command=Code(f"!kb policy revert {sound.change.room.room_id} {revision - 1}"))
    same = notice("policy.otherwise", verdict=verdict_named(policy.otherwise))
    rehearses = [notice("policy.in_dry_run")] if policy.dry_run else []
    return [said, *(changed or [same]), *rehearses, *([undo] if revision > 1 else [])]
