"""Trying a policy: what it would have decided about the requests of some time, by what is stored of each.

Nothing is changed. It is worked out a portion at a time, outside of all turns and in the thread for long computations,
and the time counts for the management room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from typing import Final, TypeVar

from knockbot.domain.judgements import Judgement
from knockbot.domain.layers import Part, composed, of_room
from knockbot.domain.model import Request, Verdict
from knockbot.domain.policy import Policy
from knockbot.domain.trial import Names, asked_by, learned, said, would_decide
from knockbot.errors import Busy
from knockbot.flow import inheriting, rulebook, rules
from knockbot.flow.changes import Change
from knockbot.flow.context import Context
from knockbot.flow.rules import Layer
from knockbot.store import inbox, judgements, pins, policies, requests
from knockbot.store.db import Tx, Unusable
from knockbot.store.judgements import Stored
from knockbot.store.rooms import ProtectedRoom
from knockbot.times import SECOND

T = TypeVar("T")

PORTION = 200
"""Judgements that are read and decided again at once."""

SHOWN = 20
"""Requests that are named, of those that would be decided otherwise."""

PATIENCE = 0.2
"""Seconds that the command waits before others go on."""

A_MOMENT: Final = 2.0
"""Seconds: if the thread is busy for no longer than this, the trial goes on then."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A request that was decided once more."""

    request: Request
    was: Verdict
    would: Verdict | None
    """None where that cannot be known."""


@dataclass(slots=True)
class Trial:
    """What came of a trial."""

    span: int
    """Milliseconds."""
    rooms: Mapping[str, str]
    """What people call the rooms that are looked at: the one that was named, and those that take its policy."""
    judged: int = 0
    differ: int = 0
    unknown: int = 0
    """How many cannot be known."""
    shown: list[Decided] = field(default_factory=list)
    """The newest that differ."""
    cut: bool = False
    """Whether the share of computing time was used up before the oldest decisions."""

    def take(self, one: Decided) -> None:
        """Count one decision."""
        self.judged += 1
        if one.would is None:
            self.unknown += 1
        elif one.would is not one.was:
            self.differ += 1
            if len(self.shown) < SHOWN:
                self.shown.append(one)


async def tried(context: Context, change: Change, span: int) -> Trial | None:
    """What this policy would have decided in the time until now; `None` while that is worked out: then the command is
    due again in a moment. Raises `Refused`, `Busy`, and `Fault` for a mistake in it."""
    async with context.db.tx() as tx:
        waits = await inbox.let_wait(tx, change.cause, context.now() + SECOND)
    if not waits:
        return await _try(context, change, span)
    return await context.elsewhere.result_of(
        f"try {change.cause}", partial(_then_go_on, context, change, span), patience=PATIENCE
    )


async def _then_go_on(context: Context, change: Change, span: int) -> Trial:
    """Work it out, and have the command go on at once."""
    try:
        return await _try(context, change, span)
    finally:
        with suppress(Unusable):  # then it goes on a little later
            async with context.db.tx() as tx:
                await inbox.let_wait(tx, change.cause, None)
        context.wakeups.arrivals.set()


async def _try(context: Context, change: Change, span: int) -> Trial:
    # Trying changes nothing, so it is possible where only the config file may change the policy.
    wanted = replace(change, room=replace(change.room, locked=False))
    sound = await rulebook.examined(context, wanted)
    room_id, expense = change.room.room_id, change.room.management_room
    own = Layer(of_room(sound.policy, room_id), change.author, room_id=room_id, label=change.room.label)
    after = await rules.beyond(context, room_id, at_expense_of=expense) if own.policy.inherit else ()
    async with context.db.tx() as tx:
        names = {room_id: _names(own.policy, sound.meant)} | await _meant_by(tx, after)
        concerned = await inheriting.where_it_decides(tx, room_id)
    trial = Trial(span, {room.room_id: room.label for room in concerned})
    for room in concerned:
        before = await _before(context, own, room)
        async with context.db.tx() as tx:
            now = names | await _meant_by(tx, before)
        await _each_portion(context, room, _trying(room.room_id, (*before, own, *after), now), trial)
        if trial.cut:
            break
    return trial


def _trying(room_id: str, layers: Sequence[Layer], now: Mapping[str, Names]) -> _Trying:
    """What would be in force in a room with these policies."""
    policy = composed(room_id, [Part(layer.room_id, layer.label, layer.policy) for layer in layers])
    return _Trying(policy, now, {one.room_id: one.policy.rooms_needed for one in layers})


async def _before(context: Context, own: Layer, room: ProtectedRoom) -> tuple[Layer, ...]:
    """The policies that decide in a room before the one that is tried; none in the room whose policy that is."""
    if room.room_id == own.room_id:
        return ()
    in_force = await rules.look_up(context, room.room_id, at_expense_of=room.management_room)
    return tuple(takewhile(lambda layer: layer.room_id != own.room_id, in_force.layers))


async def _meant_by(tx: Tx, layers: Sequence[Layer]) -> dict[str, Names]:
    """What the names in each of these policies mean, by the room whose policy it is."""
    return {layer.room_id: _names(layer.policy, await rules.meant_by(tx, layer)) for layer in layers}


def _names(policy: Policy, meant: Mapping[str, str]) -> Names:
    return Names(meant, {one.name: one.room for one in policy.lists})


@dataclass(slots=True)
class _Trying:
    """What is tried: all policies as one, and what their names mean; and what names meant in the policies of then."""

    policy: Policy
    now: Mapping[str, Names]
    asked: Mapping[str, tuple[str, ...]]
    then: dict[tuple[str, int], Names] = field(default_factory=dict)
    """By room and revision."""


async def _each_portion(context: Context, room: ProtectedRoom, trying: _Trying, trial: Trial) -> None:
    """Decide again what was decided at one room. Raises `Busy` where there is no time for anything."""
    place = None
    since = context.now() - trial.span
    while True:
        async with context.db.tx() as tx:
            found = await judgements.last_of_room(
                tx, room.room_id, room.management_room, since=since, before=place, most=PORTION
            )
            about = await requests.several(tx, [one.request_id for one in found])
        try:
            for decided in await _decide(
                context, room.management_room, trying, [(one, about[one.request_id]) for one in found]
            ):
                trial.take(decided)
        except Busy:
            if not trial.judged:
                raise
            trial.cut = True
            return
        if len(found) < PORTION:
            return
        place = found[-1].place


async def _decide(
    context: Context, expense: str, trying: _Trying, found: Sequence[tuple[Stored, Request]]
) -> list[Decided]:
    """Decide a portion again, in the thread. Raises `Busy`."""
    read = await _in_the_thread(context, expense, partial(_read, found))
    async with context.db.tx() as tx:
        for _, judgement in read:
            await _note_names(tx, trying, judgement)
    return await _in_the_thread(context, expense, partial(_again, trying, read))


async def _in_the_thread(context: Context, expense: str, work: Callable[[], T]) -> T:
    """Work something out in the thread; if that is busy with others for a moment, wait. Raises `Busy`."""
    try:
        return await context.workbench.work_out(expense, work)
    except Busy as busy:
        if busy.retry_after is None or busy.retry_after > A_MOMENT:
            raise
        await asyncio.sleep(busy.retry_after)
    return await context.workbench.work_out(expense, work)


def _read(found: Sequence[tuple[Stored, Request]]) -> list[tuple[Request, Judgement]]:
    return [(request, stored.read()) for stored, request in found]


async def _note_names(tx: Tx, trying: _Trying, judgement: Judgement) -> None:
    """Look up what names meant in the policies that decided then, once for each.

    The config file may name other rooms by now, so of the default policy only IDs are known.
    """
    for room_id, revision in _revisions(judgement).items():
        if (room_id, revision) not in trying.then:
            old = await policies.revision(tx, room_id, revision)
            meant = await pins.meant(tx, pins.of_revision(room_id, revision))
            lists = {one.name: one.room for one in old.settings.lists} if old is not None else {}
            trying.then[room_id, revision] = Names(meant, lists)


def _revisions(judgement: Judgement) -> dict[str, int]:
    own = {judgement.room_id: judgement.revision} if judgement.revision is not None else {}
    return own | dict(judgement.inherited)


def _again(trying: _Trying, read: Sequence[tuple[Request, Judgement]]) -> list[Decided]:
    return [_once_more(trying, request, judgement) for request, judgement in read]


def _once_more(trying: _Trying, request: Request, judgement: Judgement) -> Decided:
    then = {room: trying.then[room, number] for room, number in _revisions(judgement).items()} or {"": Names()}
    facts = asked_by(judgement.facts, learned(judgement.facts, then), trying.now, trying.asked)
    return Decided(request, said(judgement.decision), would_decide(request, judgement, facts, trying.policy))
