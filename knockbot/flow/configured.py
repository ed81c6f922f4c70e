"""The rooms of the config file: each is protected and locked as soon as the bot is in it and in its management room.

An alias in the config file means the room that it led to when the bot first looked it up. A room is locked by its ID.
So an alias that moves, or leads nowhere for a while, does not unlock a room or move it to another management room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from knockbot.config.policies import WrittenPolicy
from knockbot.config.settings import Settings
from knockbot.domain.ids import is_alias, server_of
from knockbot.domain.notices import Code, Id, Notice, Room, User, because, below, notice
from knockbot.domain.policy import Policy
from knockbot.domain.reasons import in_words
from knockbot.engine.turn import Turn
from knockbot.errors import ActionError, Later, Never
from knockbot.flow import place as places
from knockbot.flow import protecting, rules, saying
from knockbot.flow.context import Context, log
from knockbot.flow.names import means
from knockbot.flow.rooms import is_in
from knockbot.flow.saying import Audience, Urgency
from knockbot.store import pins, policies, processes, rooms


@dataclass(slots=True)
class Names:
    """What the names in the config file mean, and why some of them mean nothing yet."""

    pinned: dict[tuple[str, str], str] = field(default_factory=dict)
    """The room of each alias, by place and alias."""
    unknown: dict[tuple[str, str], Notice] = field(default_factory=dict)
    found_in: set[str] = field(default_factory=set)
    """The places with an alias that was not known before."""

    def room(self, place: str, name: str) -> str | None:
        """The room that a name means in a place; `None` where that is not known yet."""
        return self.pinned.get((place, name)) if is_alias(name) else name

    def rooms(self, place: str, names: Iterable[str]) -> dict[str, str]:
        """The rooms of several aliases, as far as they are known."""
        return {name: self.pinned[place, name] for name in names if (place, name) in self.pinned}


async def keep(context: Context, *, enter: bool = False) -> bool:
    """Protect and lock the rooms that the config file names, and unlock all others; false if something is missing.

    With `enter` the bot tries to get into rooms that it is not in; otherwise it waits to be invited.
    """
    async with context.protecting:
        if not await processes.lease(context.db, policies.CONFIG_FILE):
            return False  # another process does this just now
        try:
            return await _keep(context, enter=enter)
        finally:
            await processes.release(context.db, policies.CONFIG_FILE)


async def _keep(context: Context, *, enter: bool) -> bool:
    settings = context.settings
    names = await look_up(context, settings)
    if pins.DEFAULT_POLICY in names.found_in:
        await _look_everywhere(context)
    await _unlock_others(context, settings, names)
    kept: dict[str, str] = {}
    complete = not names.unknown
    for entry in (_Entry(settings, names, name) for name in settings.rooms):
        complete &= await _try(context, entry, kept, enter=enter)
        if entry.room is not None:
            kept.setdefault(entry.room, entry.name)
    return complete


async def _look_everywhere(context: Context) -> None:
    """The default policy names a room that was not known before, perhaps a policy list: each protected room is looked
    at, to do what follows from that."""
    async with context.db.tx() as tx:
        protected = await rooms.all_rooms(tx)
    for room in protected:
        context.look_at(room.room_id)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry under `rooms:`, and the rooms that it means."""

    settings: Settings
    names: Names
    name: str

    @property
    def room(self) -> str | None:
        """The protected room, where it is known."""
        return self.names.room(pins.of_entry(self.name), self.name)

    @property
    def called(self) -> str:
        """The name of its management room there."""
        return self.settings.rooms[self.name].management_room

    @property
    def management_room(self) -> str | None:
        """The management room, where it is known."""
        return self.names.room(pins.of_key(self.room or "", pins.MANAGEMENT_ROOM), self.called)

    @property
    def policy(self) -> tuple[WrittenPolicy, Mapping[str, str]]:
        """Its policy, and the rooms that the aliases in it mean as far as is known."""
        own = self.settings.rooms[self.name].policy
        written = own or self.settings.defaults.policy
        place = pins.of_key(self.room or "", pins.POLICY) if own is not None else pins.DEFAULT_POLICY
        return written, self.names.rooms(place, _aliases(written.policy))

    @property
    def unknown(self) -> list[Notice]:
        """Why one of its two rooms is not known."""
        unknown = self.names.unknown
        wanted = [
            (pins.of_entry(self.name), self.name),
            (pins.of_key(self.room or "", pins.MANAGEMENT_ROOM), self.called),
        ]
        return [because("config.not_found", room=Id(at[1]), why=unknown[at]) for at in wanted if at in unknown]


def _aliases(policy: Policy) -> list[str]:
    return [reference for reference in (*policy.rooms_named, *policy.rooms_invited_to) if is_alias(reference)]


# --- what the names mean --------------------------------------------------------------------------------------


def _named(settings: Settings, names: Names) -> Iterator[tuple[str, str]]:
    """Every alias that the config file names, and the place where it names it, as far as places are known.

    The place of an entry is the room that it means: so its aliases keep their meaning when the entry is renamed.
    """
    yield from ((pins.DEFAULT_POLICY, alias) for alias in _aliases(settings.defaults.policy.policy))
    yield from ((pins.of_entry(name), name) for name in settings.rooms if is_alias(name))
    for name, entry_ in settings.rooms.items():
        room_id = _Entry(settings, names, name).room
        if room_id is None:
            continue
        if is_alias(entry_.management_room):
            yield pins.of_key(room_id, pins.MANAGEMENT_ROOM), entry_.management_room
        if entry_.policy is not None:
            yield from ((pins.of_key(room_id, pins.POLICY), alias) for alias in _aliases(entry_.policy.policy))


async def look_up(context: Context, settings: Settings, *, take: bool = True) -> Names:
    """Look up the aliases that were not looked up before, and store what they mean for good, unless only looking."""
    names = Names(await _pinned(context))
    for place, alias in _named(settings, names):  # a place may become known on the way
        if (place, alias) not in names.pinned:
            await _look_up_one(context, names, place, alias, take=take)
    return names


async def _look_up_one(context: Context, names: Names, place: str, alias: str, *, take: bool) -> None:
    try:
        room_id, _ = await context.outside.resolve(alias)
    except ActionError as error:
        names.unknown[place, alias] = error.why
        return
    if take:
        async with context.db.tx() as tx:
            await pins.take(tx, place, {alias: room_id})
            room_id = (await pins.at(tx, place))[alias].room_id  # another process may have been first
        log.info("%s means the room %s (%s)", alias, room_id, place)
        names.found_in.add(place)
    names.pinned[place, alias] = room_id


async def _pinned(context: Context) -> dict[tuple[str, str], str]:
    async with context.db.tx() as tx:
        return {(pin.place, pin.name): pin.room_id for pin in await pins.of_the_config(tx)}


async def _unlock_others(context: Context, settings: Settings, names: Names) -> None:
    """Unlock the rooms that no entry means any more, and forget the meaning of names that are gone."""
    meant = {room for room in (_Entry(settings, names, name).room for name in settings.rooms) if room is not None}
    still_named = set(_named(settings, names))
    async with context.turn() as turn:
        gone = [pin for pin in await pins.of_the_config(turn.tx) if (pin.place, pin.name) not in still_named]
        await pins.drop(turn.tx, gone)
        await rooms.forget_troubles(turn.tx, set(settings.rooms))
        for room in await rooms.unlock_others(turn.tx, meant):
            log.info("%s is not in the config file any more: it stays protected, and chat may change it", room.room_id)
            occasion = f"unlocked:{room.room_id}:{turn.now}"
            again, unprotect = (Code(f"!kb {command} {room.room_id}") for command in ("policy set", "unprotect"))
            said = notice("config.unlocked", room=Room(room.room_id, room.label), set=again, unprotect=unprotect)
            await saying.say(context, turn, Audience(room.management_room), occasion, said)


# --- one room -------------------------------------------------------------------------------------------------


async def _try(context: Context, entry: _Entry, kept: Mapping[str, str], *, enter: bool) -> bool:
    """Protect one room, if that is possible, and say what is missing; true if nothing is."""
    try:
        try:
            why = _unfit(entry, kept) or await _keep_one(context, entry, enter=enter)
        except Never as error:
            why = error.why
        await _tell(context, entry, why)
    except Later as error:
        log.info("protecting %s, as the config file says, waits: %s", entry.name, in_words(error.why))
        return False
    return why is None


def _unfit(entry: _Entry, kept: Mapping[str, str]) -> Notice | None:
    """Why the room of an entry cannot be protected; `None` if it can."""
    if entry.unknown:
        return below(*entry.unknown)
    if entry.room == entry.management_room:
        return because("config.manages_itself")
    if entry.room is not None and entry.room in kept:
        return because("config.same_room", other=Id(kept[entry.room]))
    return None


async def _keep_one(context: Context, entry: _Entry, *, enter: bool) -> Notice | None:
    """Protect one room as its entry says, unless that is so already; returns what is missing."""
    room_id, management_room = entry.room, entry.management_room
    if room_id is None or management_room is None:
        return because("config.which_room")
    view = None
    if not await _is_kept(context, room_id, management_room):
        outside = await _outside(context, entry, enter=enter)
        if outside is not None:
            return outside
        view = await context.outside.room(room_id)
    async with context.turn() as turn:
        if view is not None:
            await protecting.protect_now(context, turn, view, management_room, context.bot, locked=True)
        await _put_in_force(context, turn, room_id, *entry.policy)
    return None


async def _outside(context: Context, entry: _Entry, *, enter: bool) -> Notice | None:
    """Which of its two rooms the bot is not in, and cannot get into."""
    outside = [
        called
        for called, room in ((entry.name, entry.room), (entry.called, entry.management_room))
        if room is not None and not await _is_inside(context, called, room, enter=enter)
    ]
    missed = [because("config.not_there", room=Id(called), bot=User(context.bot)) for called in outside]
    return below(*missed) if missed else None


async def _is_kept(context: Context, room_id: str, management_room: str) -> bool:
    async with context.db.tx() as tx:
        room = await rooms.find(tx, room_id)
    return room is not None and room.locked and room.management_room == management_room


async def _is_inside(context: Context, called: str, room_id: str, *, enter: bool) -> bool:
    if await is_in(context, room_id):
        return True
    if not enter:
        return False
    via = (server_of(called),) if is_alias(called) else ()
    try:
        await context.acts.join(room_id, via)
    except ActionError:
        return False
    return True


async def _put_in_force(
    context: Context, turn: Turn, room_id: str, policy: WrittenPolicy, meant: Mapping[str, str]
) -> None:
    """The policy of the config file, as a new revision where its text or meaning differs from the policy in force."""
    current = await policies.current(turn.tx, room_id)
    before = {name: pin.room_id for name, pin in (await rules.named(turn.tx, room_id)).items()}
    changed = {name: room for name, room in meant.items() if before.get(name, room) != room}
    if current is not None and current.text == policy.text and current.author == policies.CONFIG_FILE and not changed:
        revision = current.revision
    else:
        revision = await policies.revise(
            turn.tx,
            room_id,
            author=policies.CONFIG_FILE,
            text=policy.text,
            now=turn.now,
            cause=None,
            settings=policy.policy.settings,
        )
    await pins.take(turn.tx, pins.of_revision(room_id, revision), meant)
    places.changed(turn)
    if meant.keys() - before.keys():
        turn.after(partial(context.look_at, room_id))  # it may be a policy list, to be followed from now on
    there = await places.of(context, turn, room_id)
    if there is None:
        return
    for name, room in changed.items():
        said = notice("config.means", room=there.called, means=means(name, room, before[name]))
        occasion = f"means:{room_id}:{revision}:{name}"
        await saying.say(context, turn, Audience(there.management_room), occasion, said)


# --- looking only ---------------------------------------------------------------------------------------------


async def missing(context: Context) -> list[tuple[str, str | None, Notice | None]]:
    """Each entry of the config file, the room that it means, and what is missing; changes nothing. For `check`."""
    settings = context.settings
    names = await look_up(context, settings, take=False)
    seen: dict[str, str] = {}
    found: list[tuple[str, str | None, Notice | None]] = []
    for entry in (_Entry(settings, names, name) for name in settings.rooms):
        try:
            why = _unfit(entry, seen) or await _outside(context, entry, enter=False)
        except ActionError as error:
            why = error.why
        found.append((entry.name, entry.room, why))
        if entry.room is not None:
            seen.setdefault(entry.room, entry.name)
    return found


# --- what is missing ------------------------------------------------------------------------------------------


async def _tell(context: Context, entry: _Entry, why: Notice | None) -> None:
    """Say what is missing, once as long as it is the same: in the log, and if possible in the management room."""
    heard = entry.management_room
    if why is not None and heard is not None and not await is_in(context, heard):
        heard = None
    async with context.turn() as turn:
        if not await rooms.configured_trouble(turn.tx, entry.name, why):
            return
        if why is not None:
            log.warning("cannot protect %s yet, as the config file says: %s", entry.name, in_words(why))
            text = notice("config.not_protected_yet", room=Id(entry.name), why=why)
        else:
            log.info("%s is protected, as the config file says", entry.name)
            text = notice("config.protected", room=Id(entry.name))
        if heard is not None:
            occasion = f"configured:{entry.name}:{'missing' if why is not None else 'protected'}:{turn.now}"
            await saying.say(
                context,
                turn,
                Audience(heard),
                occasion,
                text,
                urgency=Urgency.ALOUD if why is not None else Urgency.QUIET,
            )
