"""Following a list: the bot enters its room, reads it, takes in its changes, and leaves when no policy names it.

What was missed is found by reading it again: after a start, each hour, and when the bot comes back to its room. While
the list cannot be read, what is known of it stays in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from knockbot.domain import plan
from knockbot.domain.ids import server_of
from knockbot.domain.jobs import Act, FollowList, Job, ReadList
from knockbot.domain.listed import PolicyList
from knockbot.domain.model import ListChange, MemberChange, Membership, Redaction, RoomChange
from knockbot.domain.notices import because
from knockbot.domain.writers import Writers
from knockbot.engine.timers import TimerKind, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.engine.worker import Done, Outcome, Overtaken
from knockbot.errors import Later, Never
from knockbot.features.lists import reading, telling, using
from knockbot.flow import inheriting, place
from knockbot.flow.context import Context, log
from knockbot.flow.place import Place
from knockbot.flow.rooms import is_in
from knockbot.flow.tables import Doing
from knockbot.store import bot_memberships, jobs, lists, pending_protects, rooms, timers
from knockbot.store.db import Tx
from knockbot.store.jobs import Claimed
from knockbot.store.lists import ListRoom
from knockbot.store.timers import Timer
from knockbot.times import HOUR, MINUTE, SECOND

AGAIN: Final = 10 * MINUTE
"""Milliseconds after which a look reads a list again."""

OLD_NEWS: Final = MINUTE
"""An entry this old on arrival (milliseconds) was delayed, and the list may have changed since."""

BUNDLE: Final = 2 * SECOND
"""Milliseconds for which changes of a list are gathered, before it is looked at what they mean for requests."""

SELDOM: Final = MINUTE
"""Milliseconds after which it is looked again at the latest, while something is not taken in yet."""

REST: Final = 3
"""Milliseconds for each entry for which a list is not read again: some four times as long as its reading takes."""

MOST_REST: Final = 5 * MINUTE
"""Milliseconds for which a list rests at most."""

MOVED: Final = "list_moved"
"""The timer that then looks."""


def servers_of(one: PolicyList) -> tuple[str, ...]:
    """Servers to reach the room of a list by."""
    named = (server_of(one.room),) if one.room.startswith("#") else ()
    return tuple(dict.fromkeys((*one.via, *named)))


async def follow(context: Context, turn: Turn, room_id: str, one: PolicyList, occasion: str) -> None:
    """Follow a list from now on. The row is first: what happens in its room is kept from then on.

    A list that no policy named for a while may still be followed. Nobody has read it again since the start then.
    """
    await bot_memberships.use(turn.tx, room_id, turn.now)
    if await lists.follow(turn.tx, room_id, turn.now) or await _is_behind(context, turn.tx, room_id):
        await turn.plan(plan.follow_list(room_id, occasion, servers_of(one)))


async def _is_behind(context: Context, tx: Tx, room_id: str) -> bool:
    known = await lists.find(tx, room_id)
    return known is not None and known.has_missed_since(context.listed.started)


async def moved(context: Context, turn: Turn, room_id: str) -> None:
    """A list has changed: have it looked at soon what that means for requests, once for many changes."""
    await set_timer(context, turn, Timer(f"{MOVED}:{room_id}", MOVED, room_id, turn.now + BUNDLE))


async def moved_while_behind(context: Context, turn: Turn, room_id: str, since: int) -> None:
    """Look at the same again, since not all that arrived is taken in: after as long as it has been so already.

    What is taken in meanwhile has it looked at as soon as ever (`_taken_in`).
    """
    due_at = turn.now + min(max(turn.now - since, BUNDLE), SELDOM)
    await set_timer(context, turn, Timer(f"{MOVED}:{room_id}:behind", MOVED, room_id, due_at))


async def revised(context: Context, turn: Turn, room_id: str) -> None:
    """Another policy is in force in a room: have it looked at soon what it means for whom its lists name.

    Each change has a timer of its own: one that looks right now may have read the policy before.
    """
    concerned = await inheriting.where_it_decides(turn.tx, room_id)
    places = [await place.find(context, turn.tx, one.room_id) for one in concerned]
    used = [await using.in_room(context, turn.tx, there) for there in places if there is not None]
    for list_room in sorted({one.room_id for found in used for one in found}):
        key = f"{MOVED}:{list_room}:{room_id}:{turn.cause}"
        await set_timer(context, turn, Timer(key, MOVED, list_room, turn.now + BUNDLE))


async def expects(tx: Tx, room_id: str) -> bool:
    """Whether the bot takes an invite to this room, because it is a list that is followed."""
    return await lists.find(tx, room_id) is not None


# --- what happens in its room ---------------------------------------------------------------------------------


async def changed(context: Context, change: ListChange) -> Write[None] | None:
    """An entry was set or removed. An event is a hint: where it is old, or of another server, the room is asked."""
    async with context.db.tx() as tx:
        followed = await lists.find(tx, change.room_id) is not None
    if not followed:
        return None
    late = context.now() - change.sent_at >= OLD_NEWS
    stands = await _standing(context, change) if late or server_of(change.sender) != context.home else change
    return _put(context, stands)


async def _standing(context: Context, change: ListChange) -> ListChange:
    try:
        return await reading.as_it_stands(context, change)
    except Never:
        return change  # the bot may not look any more


def _put(context: Context, change: ListChange) -> Write[None]:
    async def write(turn: Turn) -> None:
        if await lists.put(turn.tx, change):
            await moved(context, turn, change.room_id)
        await _taken_in(context, turn)

    return write


async def _taken_in(context: Context, turn: Turn) -> None:
    """Something that arrived is taken in: who has waited for that is looked at soon, whichever list they wait for."""
    await timers.hasten(turn.tx, MOVED, turn.now + BUNDLE)
    turn.after(context.wakeups.timers.set)


async def redacted(context: Context, redaction: Redaction) -> Write[None] | None:
    """If the event of an entry was redacted, the entry is gone. Anybody can send a redaction that has no effect."""
    async with context.db.tx() as tx:
        followed = await lists.find(tx, redaction.room_id) is not None
        key = await lists.by_event(tx, redaction.room_id, redaction.redacts) if followed else None
    if not followed:
        return None
    if key is not None:
        gone = ListChange(redaction.room_id, redaction.event_id, redaction.sender, key, None, context.now())
        stands = await _standing(context, gone)
        if stands.now is not None:
            return _put(context, stands)

    async def write(turn: Turn) -> None:
        if await lists.redact(turn.tx, redaction):
            await moved(context, turn, redaction.room_id)
        await _taken_in(context, turn)

    return write


async def member_changed(context: Context, change: MemberChange) -> Write[None] | None:
    """The bot came to the room of a list, or was removed from it."""
    if change.user_id != context.bot:
        return None
    async with context.db.tx() as tx:
        known = await lists.find(tx, change.room_id)
    if known is None:
        return None
    if change.membership is Membership.JOIN:
        if known.read_at is None and known.trouble is None:
            return None  # it enters for the first time, and then reads it
        return lambda turn: turn.plan(plan.read_list(change.room_id, change.event_id))
    return await _came_out(context, change) if change.membership in (Membership.LEAVE, Membership.BAN) else None


async def _came_out(context: Context, change: MemberChange) -> Write[None]:
    """The bot was removed. Or it left by itself, because no policy named the list: then one names it again now."""
    room_id, event_id = change.room_id, change.event_id
    if not change.of_their_own:
        return lambda turn: telling.lost(context, turn, room_id, because("policy_list.put_out"), event_id)
    async with context.db.tx() as tx:
        users = await using.of_list(context, tx, room_id)
    via = tuple(dict.fromkeys(server for used in users for server in servers_of(used.one)))
    return lambda turn: turn.plan(plan.follow_list(room_id, event_id, via))


async def room_changed(context: Context, change: RoomChange) -> Write[None] | None:
    """The power levels of a list's room changed: perhaps others can write entries now."""
    async with context.db.tx() as tx:
        known = await lists.find(tx, change.room_id) if change.type == "m.room.power_levels" else None
    if known is None:
        return None
    try:
        now = await telling.writers(context, change.room_id)
    except Never:
        return None
    return lambda turn: telling.whose(context, turn, change.room_id, now, change.event_id)


# --- jobs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Read(Done):
    """The list was read as a whole."""

    writers: Writers = field(default_factory=lambda: Writers(everybody=False))
    """Who can write entries."""


async def _needless(context: Context, room_id: str) -> Overtaken | None:
    """Whether no policy names the list any more."""
    async with context.db.tx() as tx:
        followed = await lists.find(tx, room_id) is not None
    return None if followed else Overtaken(because("overtaken.list_not_named"))


async def enter(context: Context, claimed: Claimed[FollowList]) -> Outcome:
    """Enter the room of a list, if a policy still names it."""
    room_id = claimed.job.room_id
    if (needless := await _needless(context, room_id)) is not None:
        return needless
    if not await is_in(context, room_id):
        await context.acts.join(room_id, claimed.job.payload.via)
    return Done()


async def _entered(_: Context, turn: Turn, job: Job[FollowList], came: Outcome) -> None:
    if isinstance(came, Done):
        await turn.plan(plan.read_list(job.room_id, job.key))


async def _not_entered(context: Context, turn: Turn, job: Job[FollowList], error: Never) -> None:
    await telling.lost(context, turn, job.room_id, because("policy_list.not_let_in", why=error.why), job.key)


async def read(context: Context, claimed: Claimed[ReadList]) -> Outcome:
    """Read a whole list."""
    room_id = claimed.job.room_id
    if (needless := await _needless(context, room_id)) is not None:
        return needless
    if not await is_in(context, room_id):
        raise Never(because("act.not_joined"))
    writers = await telling.writers(context, room_id)
    if not await reading.read(context, room_id):
        raise Later(because("unknown.list_behind"), retry_after=1)
    return Read(writers=writers)


async def _was_read(context: Context, turn: Turn, job: Job[ReadList], came: Outcome) -> None:
    if not isinstance(came, Read):
        return
    await lists.set_trouble(turn.tx, job.room_id, None)
    await telling.whose(context, turn, job.room_id, came.writers, job.key)
    await moved(context, turn, job.room_id)
    await _taken_in(context, turn)
    await timers.hasten(turn.tx, telling.REPLY, turn.now)  # whoever has named it waits for that
    known = await lists.find(turn.tx, job.room_id)
    if known is not None and known.has_missed_since(context.listed.started):  # the homeserver was away meanwhile
        again = plan.read_list(job.room_id, f"again {known.read_at}")
        await turn.plan(again, due_at=_not_before(known))


async def _not_read(context: Context, turn: Turn, job: Job[ReadList], error: Never) -> None:
    await telling.lost(context, turn, job.room_id, error.why, job.key)


ACTS: Mapping[Act, Doing] = {
    Act.FOLLOW_LIST: Doing(enter, ended=_entered, refused=_not_entered),
    Act.READ_LIST: Doing(read, ended=_was_read, refused=_not_read),
}


# --- looks ----------------------------------------------------------------------------------------------------


async def look(context: Context, there: Place) -> None:
    """Follow the lists that the policy of a protected room names, and find what was missed of them."""
    async with context.db.tx() as tx:
        used = await using.in_room(context, tx, there)
    for one in used:
        await _look_at(context, one.one, one.room_id)


async def _look_at(context: Context, one: PolicyList, room_id: str) -> None:
    inside = await is_in(context, room_id)
    async with context.turn() as turn:
        known = await lists.find(turn.tx, room_id)
        hour = turn.now // HOUR
        if known is None:
            await follow(context, turn, room_id, one, f"look {turn.now}")
            return
        if not inside and known.trouble is None:
            await turn.plan(plan.follow_list(room_id, f"look {hour}", servers_of(one)))
        elif inside and _is_old(context, known, turn.now) and not await jobs.is_at(turn.tx, Act.READ_LIST, room_id):
            await turn.plan(plan.read_list(room_id, f"look {hour} {known.read_at}"), due_at=_not_before(known))
        await moved(context, turn, room_id)


def _not_before(known: ListRoom) -> int | None:
    """When a list may be read again: a large one rests, however often the homeserver comes and goes. Until then nobody
    trusts it (`behind.py`); so it rests for less than it would then be trusted as it is."""
    if known.trouble is not None or known.read_at is None:
        return None
    return known.read_at + min(known.told_entries * REST, MOST_REST)


def _is_old(context: Context, known: ListRoom, now: int) -> bool:
    if known.trouble is not None or known.read_at is None:
        return True
    return known.read_at < max(now - AGAIN, context.listed.started)


# --- lists that no policy names -------------------------------------------------------------------------------

SWEEPS: Final = 1000
"""Portions of entries that are deleted within an hour."""


async def _leave_unused(context: Context, _: Timer) -> Write[None]:
    for _portion in range(SWEEPS):
        async with context.db.tx() as tx:
            if not await lists.sweep(tx):
                break

    return lambda turn: leave_unnamed(context, turn)


async def leave_unnamed(context: Context, turn: Turn) -> None:
    """Follow those lists no more that no policy names."""
    named = {used.room_id for used in await using.everywhere(context, turn.tx)}
    for known in await lists.all_lists(turn.tx):
        if known.room_id not in named:
            await _leave(turn, known.room_id)


async def _leave(turn: Turn, room_id: str) -> None:
    """Follow a list no more; leave its room, if the bot came only for the list."""
    log.info("the list %s is not followed any more: no policy names it", room_id)
    await lists.unfollow(turn.tx, room_id)
    if not await is_needed(turn.tx, room_id):
        await turn.plan(plan.leave(room_id, f"list {turn.now}"))


async def is_needed(tx: Tx, room_id: str) -> bool:
    """Whether the bot is in a room for something else than a list: it manages it or from it, or was invited there."""
    managed = await rooms.find(tx, room_id) is not None or await rooms.is_management_room(tx, room_id)
    asked = managed or bool(await pending_protects.of_room(tx, room_id))
    return asked or await bot_memberships.inviter(tx, room_id) is not None


UNUSED: Final[TimerKind[Context]] = TimerKind(_leave_unused, every=HOUR)
