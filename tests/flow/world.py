"""A world to keep doors in, held in memory: rooms, who is in them and what is said, as one homeserver would have it.

People act through `World`; the bot through `AsBot`, which stands in for `flow.ports.Outside` and for the homeserver
that the actions call. `World.play` makes it refuse, answer late, or change something between the bot's look and its
act.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from knockbot.domain.acl import ServerAcl, server_acl
from knockbot.domain.invites import StoredInvite, spoken
from knockbot.domain.model import IdentityKey, MemberChange, Membership, Reaction, Redaction, RoomView, ThirdPartyChange
from knockbot.domain.notices import because
from knockbot.domain.power import Powers, powers
from knockbot.domain.reasons import foreign
from knockbot.domain.upgrades import Tombstone
from knockbot.errors import Never
from knockbot.matrix import events
from knockbot.matrix.rooms import LONGEST_LISTED

T = TypeVar("T")

HOME = "tulip.example"
BOT = f"@knockbot:{HOME}"
ALICE = f"@alice:{HOME}"
ANA = f"@ana:{HOME}"
BEA = f"@bea:{HOME}"
FAR = "@far:slow.example"

NOW = 1_790_000_000_000

OWN_KEY: Mapping[str, Any] = {"display_name": "dav...@exa...", "public_key": "key", "public_keys": []}
"""A third-party invite with a key that answers to nobody."""

OUT = frozenset({None, "leave", "knock"})
"""The memberships from which one may knock."""


class Clock:
    """The time, which passes only when it is told to."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> int:
        return self.at

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.at += round(seconds * 1000)


@dataclass
class Room:
    """One room: its member events by user, its levels, and what was said in it, oldest first."""

    id: str
    label: str
    join_rule: str = "knock"
    world_readable: bool = False
    encrypted: bool = False
    version: str = "10"
    members: dict[str, dict[str, Any]] = field(default_factory=dict)
    levels: dict[str, Any] = field(default_factory=dict)
    said: list[dict[str, Any]] = field(default_factory=list)
    past: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Every member event there ever was, by its id."""
    create: dict[str, Any] | None = None
    tombstone: dict[str, Any] | None = None
    predecessor: str | None = None
    acl: dict[str, Any] | None = None
    """The content of its server ACL; none where it has none."""
    invites: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What stands, or stood, of third-party invites, by token."""

    def membership(self, user_id: str) -> str | None:
        """Where somebody stands."""
        event = self.members.get(user_id)
        return event["content"]["membership"] if event else None

    def event_of(self, user_id: str) -> str:
        """The member event that stands for somebody."""
        event_id: str = self.members[user_id]["event_id"]
        return event_id


@dataclass
class Trick:
    """What the homeserver does out of the ordinary when it is called."""

    error: BaseException | None = None
    done: bool = False
    """Whether the act takes place before that, as when an answer is lost on its way."""
    meanwhile: Callable[[], object] | None = None
    hang: asyncio.Event | None = None
    times: int = 1

    async def go_wrong(self) -> None:
        """Wait, if it is to hang, and fail, if it is to fail."""
        if self.hang is not None:
            await self.hang.wait()
        if self.error is not None:
            raise self.error


class World:
    """Rooms and people; everything that happens is in `outbox` until the homeserver delivers it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.rooms: dict[str, Room] = {}
        self.aliases: dict[str, str] = {}
        self.outbox: list[dict[str, Any]] = []
        self.calls: list[tuple[str, ...]] = []
        """What the bot asked the homeserver, in order: the call, the room, and whom or what it was about."""
        self.txn_ids: dict[str, str] = {}
        self._tricks: dict[str, list[Trick]] = {}
        self._numbers = itertools.count(1)

    # --- rooms and what happens in them ---------------------------------------------------------------------------

    def room(self, room_id: str, label: str, *joined: str, levels: Mapping[str, Any] | None = None, **how: Any) -> Room:
        """A room with these people in it; nothing of its making is delivered."""
        room = Room(room_id, label, levels={"invite": 50, **(levels or {})}, **how)
        self.rooms[room_id] = room
        for user_id in joined:
            self._set(room, user_id, user_id, "join")
        self.outbox.clear()
        return room

    def knock(self, room_id: str, user_id: str, reason: str | None = None, **content: Any) -> str:
        """Somebody knocks, or knocks again; returns the event."""
        room = self.rooms[room_id]
        assert room.membership(user_id) in OUT, "they cannot knock"
        return self._set(room, user_id, user_id, "knock", reason, **content)

    def change(self, room_id: str, by: str, user_id: str, membership: str, reason: str | None = None) -> str:
        """Any other change of membership, by whomever; returns the event."""
        return self._set(self.rooms[room_id], by, user_id, membership, reason)

    def say(self, room_id: str, sender: str, body: str, **content: Any) -> str:
        """Somebody says something; returns the event."""
        return self._say(room_id, sender, "m.room.message", {"msgtype": "m.text", "body": body, **content})

    def react(self, room_id: str, sender: str, target: str, key: str) -> str:
        """Somebody reacts to a message; returns the event."""
        relation = {"rel_type": "m.annotation", "event_id": target, "key": key}
        return self._say(room_id, sender, "m.reaction", {"m.relates_to": relation})

    def set_levels(self, room_id: str, **levels: Any) -> None:
        """The power levels change."""
        self.rooms[room_id].levels |= levels
        self.state_changed(room_id, "m.room.power_levels")

    def set_acl(self, room_id: str, **acl: Any) -> None:
        """The server ACL changes."""
        self.rooms[room_id].acl = acl
        self.state_changed(room_id, "m.room.server_acl")

    def replace(self, room_id: str, replacement: str, by: str = ALICE) -> None:
        """Somebody says that a room is replaced by another."""
        event = self._event(room_id, by, "m.room.tombstone", {})
        self.rooms[room_id].tombstone = event | {"content": replacement}
        self._deliver(room_id, event | {"state_key": ""})

    def state_changed(self, room_id: str, event_type: str, sender: str = ALICE, **content: Any) -> None:
        """A state event that is watched came in."""
        event = self._event(room_id, sender, event_type, content)
        self._deliver(room_id, event | {"state_key": ""})

    # --- third-party invites --------------------------------------------------------------------------------------

    def plant(self, room_id: str, inviter: str, token: str = "t", **content: Any) -> str:
        """Somebody invites an address, under a token; returns the event."""
        return self._set_invite(room_id, inviter, token, {**OWN_KEY, **content})

    def empty(self, room_id: str, by: str, token: str = "t") -> str:
        """Somebody takes a third-party invite back; returns the event."""
        return self._set_invite(room_id, by, token, {})

    def _set_invite(self, room_id: str, sender: str, token: str, content: Mapping[str, Any]) -> str:
        room = self.rooms[room_id]
        level = powers({"sender": ALICE, "content": {"room_version": room.version}}, room.levels)
        assert room.membership(sender) == "join", "they are not in the room"
        assert level.level(sender) >= level.levels["invite"], "they may not invite"
        event = self._event(room_id, sender, "m.room.third_party_invite", content) | {"state_key": token}
        room.invites[token] = event
        self._deliver(room_id, event)
        return str(event["event_id"])

    def redact(self, room_id: str, by: str, event_id: str) -> None:
        """Somebody redacts a message, or a member event, which keeps nothing but its membership."""
        room = self.rooms[room_id]
        redaction = self._event(room_id, by, "m.room.redaction", {"redacts": event_id})
        for event in [*room.said, *room.past.values()]:
            if event["event_id"] == event_id:
                kept = {"membership": event["content"]["membership"]} if event["type"] == "m.room.member" else {}
                event |= {"content": kept, "unsigned": {"redacted_because": redaction}}
        self._deliver(room_id, redaction)

    def redact_invite(self, room_id: str, by: str, token: str = "t") -> None:
        """Somebody takes the content of a third-party invite away."""
        event = self.rooms[room_id].invites[token]
        redaction = self._event(room_id, by, "m.room.redaction", {"redacts": event["event_id"]})
        event |= {"content": {}, "unsigned": {"redacted_because": redaction}}
        self._deliver(room_id, redaction)

    def redeem(self, room_id: str, user_id: str, token: str = "t", *, join: bool = True) -> str:
        """Somebody comes in by a third-party invite, as its inviter's guest; returns the event they are invited by."""
        room, event = self.rooms[room_id], self.rooms[room_id].invites[token]
        assert event["content"], "it was taken back"
        assert room.membership(user_id) != "ban", "they are banned"
        signed = {"signed": {"mxid": user_id, "token": token}}
        came = self._set(room, event["sender"], user_id, "invite", third_party_invite=signed)
        if join:
            self._set(room, user_id, user_id, "join")
        return came

    # --------------------------------------------------------------------------------------------------------------

    def _set(
        self, room: Room, sender: str, user_id: str, membership: str, reason: str | None = None, **content: Any
    ) -> str:
        before = room.members.get(user_id)
        replaced = {"replaces_state": before["event_id"], "prev_content": before["content"]} if before else {}
        fields = {"membership": membership} | ({"reason": reason} if reason is not None else {}) | content
        event = self._event(room.id, sender, "m.room.member", fields)
        event |= {"state_key": user_id, "unsigned": replaced}
        room.members[user_id] = room.past[event["event_id"]] = event
        self._deliver(room.id, event)
        return str(event["event_id"])

    def _say(self, room_id: str, sender: str, event_type: str, content: Mapping[str, Any]) -> str:
        event = self._event(room_id, sender, event_type, content)
        self.rooms[room_id].said.append(event)
        self._deliver(room_id, event)
        return str(event["event_id"])

    def _event(self, room_id: str, sender: str, event_type: str, content: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "type": event_type,
            "room_id": room_id,
            "sender": sender,
            "event_id": f"${next(self._numbers)}",
            "origin_server_ts": self.clock(),
            "content": dict(content),
        }

    def _deliver(self, room_id: str, event: dict[str, Any]) -> None:
        """Application services see rooms they are joined to, and member events about themselves (FACTS)."""
        about_the_bot = event.get("state_key") == BOT
        if about_the_bot or event["sender"] == BOT or self.rooms[room_id].membership(BOT) == "join":
            self.outbox.append(event)

    def delivered(self) -> list[dict[str, Any]]:
        """What the homeserver hands over next."""
        taken, self.outbox = self.outbox, []
        return taken

    # --- what goes wrong ------------------------------------------------------------------------------------------

    def play(
        self,
        call: str,
        error: BaseException | None = None,
        *,
        done: bool = False,
        meanwhile: Callable[[], object] | None = None,
        hang: asyncio.Event | None = None,
        times: int = 1,
    ) -> None:
        """What happens the next time (or times) that the bot makes this call, in place of an ordinary answer."""
        self._tricks.setdefault(call, []).append(Trick(error, done, meanwhile, hang, times))

    def trick(self, call: str) -> Trick:
        """What is to happen at this call."""
        waiting = self._tricks.get(call, [])
        if not waiting:
            return Trick()
        waiting[0].times -= 1
        return waiting[0] if waiting[0].times else waiting.pop(0)

    async def played(self, act: Callable[[], T], call: str, *about: str) -> T:
        """Take a call of the bot's, as `play` has it."""
        self.calls.append((call, *about))
        trick = self.trick(call)
        if trick.meanwhile is not None:
            trick.meanwhile()
        if not trick.done:
            await trick.go_wrong()
        result = act()
        if trick.done:
            await trick.go_wrong()
        return result

    def behave(self) -> None:
        """No more tricks."""
        self._tricks.clear()

    def asked(self, *calls: str) -> list[tuple[str, ...]]:
        """The calls of these kinds that the bot made."""
        return [call for call in self.calls if call[0] in calls]


class AsBot:
    """The homeserver as the bot has it: it looks and acts by its own membership and power."""

    bot = BOT
    ahead = 0
    """How far its clock is ahead of ours (milliseconds)."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def _call(self, act: Callable[[], T], call: str, *about: str) -> T:
        return await self.world.played(act, call, *about)

    def _seen(self, room_id: str) -> Room:
        """A room that the bot may look into."""
        room = self.world.rooms.get(room_id)
        if room is None or room.membership(BOT) != "join":
            raise Never(foreign("the homeserver says: not in the room"), code="M_FORBIDDEN")
        return room

    # --- looking --------------------------------------------------------------------------------------------------

    async def member(self, room_id: str, user_id: str) -> MemberChange | None:
        """The member event that stands in a room for a user."""

        def look() -> MemberChange | None:
            event = self._seen(room_id).members.get(user_id)
            return events.member_change(event) if event else None

        return await self._call(look, "member", room_id, user_id)

    async def membership_of(self, room_id: str, event_id: str) -> Membership | None:
        """The membership that one event of a room set."""

        def look() -> Membership | None:
            event = self._seen(room_id).past.get(event_id)
            return Membership(event["content"]["membership"]) if event else None

        return await self._call(look, "membership_of", room_id, event_id)

    async def past_member(self, room_id: str, event_id: str) -> MemberChange | None:
        """One membership event of a room."""

        def look() -> MemberChange | None:
            event = self._seen(room_id).past.get(event_id)
            return events.member_change(event) if event else None

        return await self._call(look, "past_member", room_id, event_id)

    async def event(self, room_id: str, event_id: str) -> dict[str, Any] | None:
        """One member event, whether or not it still stands."""
        return await self._call(lambda: self._seen(room_id).past.get(event_id), "event", room_id, event_id)

    async def knocking(self, room_id: str) -> list[MemberChange]:
        """The knocks that stand in a room."""

        def look() -> list[MemberChange]:
            standing = map(events.member_change, self._seen(room_id).members.values())
            knocks = [change for change in standing if change.membership is Membership.KNOCK]
            return [replace(c, reason="", cut=True) if len(c.reason) > LONGEST_LISTED else c for c in knocks]

        return await self._call(look, "knocking", room_id)

    async def powers(self, room_id: str) -> Powers:
        """The powers in a room now."""

        def look() -> Powers:
            room = self._seen(room_id)
            return powers({"sender": ALICE, "content": {"room_version": room.version}}, room.levels)

        return await self._call(look, "powers", room_id)

    async def third_party(self, room_id: str, token: str) -> ThirdPartyChange | None:
        """What stands under a token: an invite, or what emptied it."""

        def look() -> ThirdPartyChange | None:
            event = self._seen(room_id).invites.get(spoken(token))
            return events.third_party(event) if event else None

        return await self._call(look, "third_party", room_id, token)

    async def third_parties(self, room_id: str) -> list[ThirdPartyChange]:
        """The same for every token of a room."""

        def look() -> list[ThirdPartyChange]:
            return [events.third_party(event) for event in self._seen(room_id).invites.values()]

        return await self._call(look, "third_parties", room_id)

    async def redeemed(self, room_id: str, inviters: Iterable[str], since: int) -> list[MemberChange]:
        """Who came in by third-party invites of these inviters."""

        def look() -> list[MemberChange]:
            changes = map(events.member_change, self._seen(room_id).past.values())
            theirs = [change for change in changes if change.token is not None and change.sender in inviters]
            return [change for change in theirs if change.sent_at >= since]

        return await self._call(look, "redeemed", room_id)

    async def server_acl(self, room_id: str) -> ServerAcl:
        """Which servers may take part in a room now."""
        return await self._call(lambda: server_acl(self._seen(room_id).acl), "server_acl", room_id)

    async def tombstone(self, room_id: str) -> Tombstone | None:
        """What says that a room is replaced."""

        def look() -> Tombstone | None:
            event = self._seen(room_id).tombstone
            return Tombstone(event["event_id"], event["sender"], event["content"]) if event else None

        return await self._call(look, "tombstone", room_id)

    async def predecessor(self, room_id: str) -> str | None:
        """The room that this one says it replaces."""
        return await self._call(lambda: self._seen(room_id).predecessor, "predecessor", room_id)

    async def room(self, room_id: str) -> RoomView:
        """A room's name and openness now."""

        def look() -> RoomView:
            room = self._seen(room_id)
            return RoomView(room_id, room.label, room.join_rule, room.world_readable, room.encrypted, room.version)

        return await self._call(look, "room", room_id)

    async def resolve(self, alias: str) -> tuple[str, tuple[str, ...]]:
        """The room an alias means now, and servers to reach it by."""

        def look() -> tuple[str, tuple[str, ...]]:
            if alias not in self.world.aliases:
                raise Never(because("homeserver.no_alias"), code="M_NOT_FOUND")
            return self.world.aliases[alias], (HOME,)

        return await self._call(look, "resolve", alias)

    async def reactions(self, room_id: str, event_id: str) -> list[Reaction]:
        """The reactions on a message, newest first."""

        def look() -> list[Reaction]:
            said = reversed(self._seen(room_id).said)
            found = [events.reaction(event) for event in said if event["type"] == "m.reaction"]
            return [reaction for reaction in found if reaction is not None and reaction.target == event_id]

        return await self._call(look, "reactions", room_id, event_id)

    async def redaction(self, room_id: str, event_id: str) -> Redaction | None:
        """What redacted an event."""

        def look() -> Redaction | None:
            gone = [e for e in self._seen(room_id).said if e["event_id"] == event_id and not e["content"]]
            return events.redaction_of(gone[0], room_id, event_id) if gone else None

        return await self._call(look, "redaction", room_id, event_id)

    async def joined_rooms(self) -> list[str]:
        """The rooms the bot is in."""
        rooms = self.world.rooms.values()
        return await self._call(lambda: [r.id for r in rooms if r.membership(BOT) == "join"], "joined_rooms")

    async def messages_back(self, room_id: str, since: str | None, _: str) -> tuple[list[Any], str | None]:
        """A page of the bot's own messages, newest first; ten to a page here."""

        def look() -> tuple[list[Any], str | None]:
            said = self._seen(room_id).said
            words = ("m.room.message", "m.room.encrypted")
            mine = [event for event in reversed(said) if event["sender"] == BOT and event["type"] in words]
            begin = int(since or 0)
            return mine[begin : begin + 10], str(begin + 10) if len(mine) > begin + 10 else None

        return await self._call(look, "messages_back", room_id)

    # --- acting ---------------------------------------------------------------------------------------------------

    async def invite(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Let somebody in."""
        await self._call(lambda: self._act(room_id, user_id, "invite", reason), "invite", room_id, user_id)

    async def kick(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Send somebody away."""
        await self._call(lambda: self._act(room_id, user_id, "kick", reason), "kick", room_id, user_id)

    async def ban(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Keep somebody out."""
        await self._call(lambda: self._act(room_id, user_id, "ban", reason), "ban", room_id, user_id)

    def _act(self, room_id: str, user_id: str, call: str, reason: str | None) -> None:
        """What Synapse checks, and what it answers (FACTS)."""
        room = self._seen(room_id)
        stands = room.membership(user_id)
        level = powers({"sender": ALICE, "content": {"room_version": room.version}}, room.levels)
        if call == "invite" and stands == "ban":
            raise Never(foreign("they are banned from the room."), code="M_BAD_STATE")
        if call == "invite" and stands == "join":
            raise Never(foreign("the homeserver says: already in the room"), code="M_FORBIDDEN")
        if call == "kick" and stands not in ("join", "invite", "knock"):
            raise Never(foreign("the homeserver says: not in the room"), code="M_FORBIDDEN")
        if level.level(BOT) < level.levels[call]:
            raise Never(foreign("the homeserver says: no power"), code="M_FORBIDDEN")
        if call != "invite" and level.level(user_id) >= level.level(BOT):
            raise Never(foreign("the homeserver says: no power over them"), code="M_FORBIDDEN")
        becomes = {"invite": "invite", "kick": "leave", "ban": "ban"}[call]
        if stands != becomes:
            self.world.change(room_id, BOT, user_id, becomes, reason)

    async def put_state(self, room_id: str, event_type: str, key: str, content: Mapping[str, Any], _: float = 0) -> str:
        """Set a room's state: of a third-party invite, which it takes the power to invite for, or invite somebody."""

        def act() -> str:
            room = self._seen(room_id)
            level = powers({"sender": ALICE, "content": {"room_version": room.version}}, room.levels)
            if level.level(BOT) < level.levels["invite"]:
                raise Never(foreign("the homeserver says: no power"), code="M_FORBIDDEN")
            if event_type == "m.room.member":
                more = {name: value for name, value in content.items() if name not in ("membership", "reason")}
                return self.world._set(room, BOT, key, content["membership"], content.get("reason"), **more)
            return self.world._set_invite(room_id, BOT, key, content)

        return await self._call(act, "put_state", room_id, key)

    async def send(self, room_id: str, event_type: str, txn_id: str, content: Mapping[str, Any]) -> str:
        """Send a message event."""

        def act() -> str:
            self._seen(room_id)
            if txn_id not in self.world.txn_ids:
                if event_type == "m.reaction" and self._reacted(room_id, content["m.relates_to"]):
                    raise Never(foreign("the homeserver says: twice the same"), code="M_DUPLICATE_ANNOTATION")
                self.world.txn_ids[txn_id] = self.world._say(room_id, BOT, event_type, content)
            return self.world.txn_ids[txn_id]

        return await self._call(act, "send", room_id, event_type)

    def _reacted(self, room_id: str, relation: Mapping[str, Any]) -> bool:
        return any(
            event["sender"] == BOT and event["content"].get("m.relates_to") == relation
            for event in self.world.rooms[room_id].said
            if event["type"] == "m.reaction"
        )

    async def redact(self, room_id: str, event_id: str, _: str) -> None:
        """Take a message back, or, with the power for it, a third-party invite."""

        def act() -> None:
            for token, invite in self._seen(room_id).invites.items():
                if invite["event_id"] == event_id:
                    self.world.redact_invite(room_id, BOT, token)
            for event in self._seen(room_id).said:
                if event["event_id"] == event_id:
                    event["content"] = {}

        await self._call(act, "redact", room_id, event_id)

    async def join(self, room: str, _: Sequence[str] = ()) -> str:
        """Enter a room."""

        def act() -> str:
            found = self.world.rooms.get(self.world.aliases.get(room, room))
            if found is None or (found.membership(BOT) not in ("invite", "join") and found.join_rule != "public"):
                raise Never(foreign("the homeserver says: you are not invited"), code="M_FORBIDDEN")
            if found.membership(BOT) != "join":
                self.world.change(found.id, BOT, BOT, "join")
            return found.id

        return await self._call(act, "join", room)

    async def knock(self, room: str, _: Sequence[str], reason: str) -> str:
        """Ask to be let in."""

        def act() -> str:
            found = self.world.rooms.get(room)
            if found is None or found.join_rule not in ("knock", "knock_restricted"):
                raise Never(foreign("the homeserver says: nobody may knock here"), code="M_FORBIDDEN")
            return self.world.knock(found.id, BOT, reason) and found.id

        return await self._call(act, "knock", room)

    async def leave(self, room_id: str) -> None:
        """Leave a room, decline an invite or take a knock back."""

        def act() -> None:
            found = self.world.rooms.get(room_id)
            if found is not None and found.membership(BOT) in ("join", "invite", "knock"):
                self.world.change(room_id, BOT, BOT, "leave")

        await self._call(act, "leave", room_id)

    async def state(self, room_id: str, event_type: str, _: str = "") -> dict[str, Any] | None:
        """A state event; only what says who made a room."""
        return await self._call(lambda: self._seen(room_id).create, "state", room_id, event_type)

    async def create_room(self, content: Mapping[str, Any]) -> str:
        """Make a room and invite people."""

        def act() -> str:
            room_id = f"!made{len(self.world.rooms)}"
            self.world.rooms[room_id] = Room(room_id, content["name"], join_rule="invite")
            self.world.rooms[room_id].create = {"sender": BOT, "content": content["creation_content"]}
            self.world.change(room_id, BOT, BOT, "join")
            for user_id in content["invite"]:
                self.world.change(room_id, BOT, user_id, "invite")
            return room_id

        return await self._call(act, "create_room", *content["invite"])


class PostOffice:
    """An identity server: which addresses are whose, and the invites it has stored and mailed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.owners: dict[str, str] = {}
        self.mails: list[str] = []
        """The address each mail went to."""
        self.invited: dict[str, str] = {}
        """The address of each token."""
        self.words: list[dict[str, str]] = []
        """What else it was told for each mail."""

    async def lookup(self, server: str, medium: str, address: str) -> str | None:
        """The user id that an address belongs to."""
        return await self.world.played(lambda: self.owners.get(address), "lookup", server, medium, address)

    async def store_invite(
        self, server: str, medium: str, address: str, room_id: str, sender: str, **words: str
    ) -> StoredInvite:
        """Have an address told of an invite."""

        def act() -> StoredInvite:
            self.mails.append(address)
            self.words.append(words)
            token = f"token{len(self.mails)}"
            self.invited[token] = address
            base = f"https://{server}/_matrix/identity/v2/pubkey"
            keys = (IdentityKey("long", f"{base}/isvalid"), IdentityKey(token, f"{base}/ephemeral/isvalid"))
            return StoredInvite(token, f"{address[:3]}...", keys)

        return await self.world.played(act, "store_invite", server, medium, address, room_id, sender)


def levels_for(moderators: Iterable[str] = (ALICE,), bot: int = 50) -> dict[str, Any]:
    """Power levels in which the bot may answer knocks."""
    return {"users": {BOT: bot, **dict.fromkeys(moderators, 100)}}
