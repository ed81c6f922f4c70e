"""The homeserver as the flow sees it: turns its answers into the domain's values."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from knockbot.documents.text import storable
from knockbot.domain.acl import ServerAcl, server_acl
from knockbot.domain.ids import is_room_id
from knockbot.domain.lists import type_and_state_key
from knockbot.domain.model import ListChange, MemberChange, Membership, Reaction, Redaction, RoomView, ThirdPartyChange
from knockbot.domain.notices import because
from knockbot.domain.power import Powers, powers
from knockbot.domain.spaces import SpaceChild
from knockbot.domain.state_keys import spoken
from knockbot.domain.upgrades import Tombstone
from knockbot.errors import Later
from knockbot.flow.ports import THIRD_PARTY_INVITE, TakeIn
from knockbot.http import fits_a_path
from knockbot.matrix import events
from knockbot.matrix.afar import Afar
from knockbot.matrix.homeserver import Homeserver, on_our_clock

log = logging.getLogger("knockbot.facts")

CREATE_EVENTS_KEPT = 5000

HISTORY_PAGES = 10
"""The most pages of a hundred events of a room's history that are searched."""


class Outside:
    """Implements `flow.context.Outside` on a real homeserver."""

    def __init__(self, homeserver: Homeserver, home: str = "") -> None:
        """`home` is the name of that homeserver."""
        self._homeserver = homeserver
        self._home = home
        self._creates: dict[str, Mapping[str, Any]] = {}
        self._afar = Afar(homeserver)

    async def member(self, room_id: str, user_id: str) -> MemberChange | None:
        """The current member event of a user in a room."""
        event = await self._homeserver.state(room_id, "m.room.member", user_id)
        try:
            return events.member_change(event) if event is not None else None
        except events.Malformed as error:
            # Not `None`: an unreadable event does not mean that nobody knocks.
            raise Later(because("homeserver.nonsense_why", why=error.why)) from error

    async def membership_of(self, room_id: str, event_id: str) -> Membership | None:
        """The membership that one event of a room set."""
        change = _member(await self._homeserver.event(room_id, event_id))
        return change.membership if change else None

    async def past_member(self, room_id: str, event_id: str) -> MemberChange | None:
        """One membership event of a room."""
        return _member(await self._homeserver.event(room_id, event_id))

    async def knocking(self, room_id: str) -> list[MemberChange]:
        """The current knocks in a room, without long reasons."""
        found: list[MemberChange] = await self._homeserver.knocking_members(
            room_id, lambda event: _listed_knock(room_id, event)
        )
        return found

    async def powers(self, room_id: str) -> Powers:
        """The powers in a room now. The create event never changes, so it is read once."""
        create, levels = await asyncio.gather(
            self._create(room_id), self._homeserver.state(room_id, "m.room.power_levels")
        )
        return powers(create, _content(levels) if levels is not None else None)

    async def _create(self, room_id: str) -> Mapping[str, Any]:
        known = self._creates.get(room_id)
        if known is not None:
            return known
        found = await self._homeserver.state(room_id, "m.room.create") or {}
        if _content(found):  # every room has one; if it could not be seen, it is read again later
            if len(self._creates) >= CREATE_EVENTS_KEPT:
                self._creates.clear()
            self._creates[room_id] = found
        return found

    async def server_acl(self, room_id: str) -> ServerAcl:
        """Which servers may take part in a room now."""
        event = await self._homeserver.state(room_id, "m.room.server_acl")
        return server_acl(_content(event) if event is not None else None)

    async def tombstone(self, room_id: str) -> Tombstone | None:
        """The tombstone of a room. A redacted one does not count."""
        event = await self._homeserver.state(room_id, "m.room.tombstone")
        content = _content(event)
        if event is None or not content:
            return None
        event_id, sender, replacement = event.get("event_id"), event.get("sender"), content.get("replacement_room")
        if not events.is_event_id(event_id) or not isinstance(sender, str):
            raise Later(because("homeserver.nonsense"))
        return Tombstone(event_id, sender, storable(replacement[:255]) if isinstance(replacement, str) else "")

    async def predecessor(self, room_id: str) -> str | None:
        """The room that this room says it replaces."""
        before = _content(await self._create(room_id)).get("predecessor")
        replaced = before.get("room_id") if isinstance(before, dict) else None
        return replaced if isinstance(replaced, str) else None

    async def room(self, room_id: str) -> RoomView:
        """A room's name and openness now."""
        create, join_rules, name, alias, visibility, algorithm = await asyncio.gather(
            self._create(room_id),
            self._homeserver.state(room_id, "m.room.join_rules"),
            *(
                self._field(room_id, *where)
                for where in (
                    ("m.room.name", "name"),
                    ("m.room.canonical_alias", "alias"),
                    ("m.room.history_visibility", "history_visibility"),
                    ("m.room.encryption", "algorithm"),
                )
            ),
        )
        open_to_readers = visibility == "world_readable"
        rule, allow = _join_rule(_content(join_rules))
        made = _content(create)
        version = made.get("room_version")
        return RoomView(
            room_id=room_id,
            label=name or alias or room_id,
            join_rule=rule,
            world_readable=open_to_readers,
            encrypted=bool(algorithm),
            version=version if isinstance(version, str) else "1",
            allow=allow,
            is_space=made.get("type") == "m.space",
        )

    async def _field(self, room_id: str, event_type: str, key: str) -> str:
        value = _content(await self._homeserver.state(room_id, event_type)).get(key)
        return storable(value[:255]).strip() if isinstance(value, str) else ""

    async def third_party(self, room_id: str, token: str) -> ThirdPartyChange | None:
        """The state under a token: an invite, or the event that emptied it."""
        if fits_a_path(token):
            event = await self._homeserver.state(room_id, THIRD_PARTY_INVITE, spoken(token))
        else:
            every = await self._homeserver.state_of_type(room_id, THIRD_PARTY_INVITE, exact=True)
            event = next((one for one in every if one.get("state_key") == token), None)
        return _third_party(event | {"room_id": room_id}) if event is not None else None

    async def third_parties(self, room_id: str) -> list[ThirdPartyChange]:
        """The same for every token of a room. One that is missing may exist anyway (`state_of_type`)."""
        events = await self._homeserver.state_of_type(room_id, THIRD_PARTY_INVITE)
        return [_third_party(event | {"room_id": room_id}) for event in events]

    async def policy_rule(self, room_id: str, key: str) -> ListChange | None:
        """What stands under the name of an entry of a policy list."""
        event_type, state_key = type_and_state_key(key)
        if fits_a_path(state_key):
            event = await self._homeserver.state(room_id, event_type, state_key)
        else:
            every = await self._homeserver.state_of_type(room_id, event_type, exact=True)
            event = next((one for one in every if one.get("state_key") == state_key), None)
        if event is None:
            return None
        try:
            return events.list_change(event | {"room_id": room_id})
        except events.Malformed as error:
            raise Later(because("homeserver.nonsense_why", why=error.why)) from error

    async def policy_rules(self, room_id: str, take_in: TakeIn) -> None:
        """Every entry of a policy list, portion by portion."""
        await self._homeserver.whole_state(room_id, lambda event: _entry(room_id, event), take_in)

    async def redeemed(self, room_id: str, inviters: Iterable[str], since: int) -> list[MemberChange]:
        """Who used third-party invites of these inviters, by the room's history, newest first."""
        theirs = json.dumps({"types": ["m.room.member"], "senders": sorted(inviters)})
        found: list[MemberChange] = []
        place: str | None = None
        for _ in range(HISTORY_PAGES):
            page, place = await self._homeserver.messages_back(room_id, place, theirs)
            told = [on_our_clock(event, self._homeserver.ahead) for event in page if isinstance(event, dict)]
            changes = [_member(event | {"room_id": room_id}) for event in told]
            found += [change for change in changes if change is not None and change.token is not None]
            # Use the latest time of a page, because the sender's server chooses the time of an event.
            if place is None or max((change.sent_at for change in changes if change is not None), default=0) < since:
                break
        return found[::-1]

    async def space_children(self, space: str) -> list[SpaceChild]:
        """The rooms that a space names. One that is missing may be named anyway (`state_of_type`)."""
        found = await self._homeserver.state_of_type(space, events.SPACE_CHILD)
        children = (events.space_child(event, self._home) for event in found)
        return [child for child in children if child is not None]

    async def space_child(self, space: str, room_id: str) -> SpaceChild | None:
        """One room that a space names now."""
        event = await self._homeserver.state(space, events.SPACE_CHILD, room_id)
        return events.space_child({"state_key": room_id, **event}, self._home) if event is not None else None

    async def resolve(self, alias: str) -> tuple[str, tuple[str, ...]]:
        """The room an alias means now, and servers to reach it by."""
        return await self._homeserver.directory(alias)

    async def reactions(self, room_id: str, event_id: str) -> list[Reaction]:
        """The reactions on a message."""
        found = []
        for event in await self._homeserver.annotations(room_id, event_id):
            told = on_our_clock(event, self._homeserver.ahead) if isinstance(event, dict) else {}
            try:
                found.append(events.reaction(told | {"room_id": room_id}))
            except events.Malformed as error:
                log.warning("a reaction in %s makes no sense: %s", room_id, error)
        return [reaction for reaction in found if reaction is not None]

    async def redaction(self, room_id: str, event_id: str) -> Redaction | None:
        """The redaction of an event; none if it still has its content."""
        event = await self._homeserver.event(room_id, event_id)
        return events.redaction_of(event, room_id, event_id) if event is not None and not _content(event) else None

    async def joined(self, room_id: str) -> list[str]:
        """The users joined to a room."""
        return sorted(await self._homeserver.members(room_id, ("join",)))

    async def joined_rooms(self) -> list[str]:
        """The rooms the bot is in."""
        return await self._homeserver.joined_rooms()

    async def is_joined_afar(self, room_id: str, user_id: str) -> bool | None:
        """Whether a user is joined to a room that the bot need not be in, where the homeserver tells that."""
        return await self._afar.is_joined(room_id, user_id)

    async def look_afar(self) -> bool:
        """Find out anew whether the homeserver tells that."""
        return await self._afar.look()

    async def mutual_rooms(self, user_id: str) -> list[str]:
        """The rooms that both a user and the bot are joined to."""
        return await self._homeserver.mutual_rooms(user_id)


LONGEST_LISTED = 1000
"""Characters of a reason that are kept when many knocks are listed at once; longer ones are read one by one."""


def _listed_knock(room_id: str, event: Any) -> MemberChange | None:
    """A knock from a list of all; none if it is no knock."""
    change = _member({"room_id": room_id, **event} if isinstance(event, dict) else None)
    if change is None or change.membership is not Membership.KNOCK:
        return None
    listed_without = "room_id" not in event  # in a sync it is not in the event; /members has it
    if len(change.reason) > LONGEST_LISTED or listed_without:
        return replace(change, reason="", cut=True)
    return change


def _member(event: Any) -> MemberChange | None:
    if not isinstance(event, dict):
        return None
    try:
        return events.member_change(event)
    except events.Malformed as error:
        log.warning("a member event makes no sense: %s", error)
        return None


def _entry(room_id: str, event: Any) -> ListChange | None:
    """An entry of a policy list; none if it is other state, or makes no sense."""
    if not isinstance(event, dict) or event.get("type") not in events.ENTRIES:
        return None
    try:
        return events.list_change({**event, "room_id": room_id})
    except events.Malformed as error:
        log.warning("an entry of the list %s makes no sense: %s", room_id, error)
        return None


def _third_party(event: Mapping[str, Any]) -> ThirdPartyChange:
    try:
        return events.third_party(event)
    except events.Malformed as error:
        # Not `None`: an unreadable event does not mean that the invite is gone.
        raise Later(because("homeserver.nonsense_why", why=error.why)) from error


def _join_rule(content: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The join rule, and the rooms whose members it lets in (client-server API, m.room.join_rules)."""
    rule, conditions = content.get("join_rule"), content.get("allow")
    allow = [
        condition["room_id"]
        for condition in (conditions if isinstance(conditions, list) else [])
        if isinstance(condition, dict) and condition.get("type") == "m.room_membership"
        if isinstance(condition.get("room_id"), str) and is_room_id(condition["room_id"])
    ]
    known = rule if isinstance(rule, str) else "invite"
    return known, tuple(allow) if known in RESTRICTED else ()


RESTRICTED = frozenset({"restricted", "knock_restricted"})


def _content(event: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return events.mapping((event or {}).get("content"))
