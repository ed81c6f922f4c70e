"""Every call that knockbot makes on the homeserver; each may raise `Later` and `Never` (`api.py`)."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from aiohttp import (
    ClientConnectorError,
    ClientSession,
)
from mautrix.api import MediaPath, Method, Path, PathBuilder
from mautrix.errors import MatrixConnectionError

from knockbot.documents.text import storable
from knockbot.domain.ids import MAX_VIA, is_room_id, is_server_name, is_user_id
from knockbot.domain.notices import because
from knockbot.domain.reasons import in_words
from knockbot.errors import ActionError, Later, Never
from knockbot.matrix.api import (
    CONTENT,
    HANDSHAKE,
    LISTED,
    READ,
    READING,
    TOO_LARGE,
    Api,
    FileApi,
    Keep,
    ListApi,
    PortionsApi,
    Take,
    in_our_words,
)

log = logging.getLogger("knockbot.homeserver")

SAME_TIME: Final = 5.0
"""Seconds between two clocks that are not corrected: an answer has whole seconds, and takes a while to arrive."""

MEMBER_FIELDS: Final = ("type", "state_key", "sender", "event_id", "origin_server_ts", "content.membership")
"""The fields of a member event that its user has not written, except the membership."""

MUTUAL_PAGES: Final = 10
"""Pages of a hundred rooms that a user shares with the bot; more are not read."""

STANDING_STATE: Final = ("m.room.create", "m.room.join_rules", "m.room.power_levels")
"""State that every room has: an answer without it does not show what else is missing in the room."""


class Homeserver:
    """The calls of the client-server API that knockbot makes, as the bot's own user.

    The caller must have checked room and user IDs (`domain/ids.py`); paths are quoted here. Every method may
    raise `Later` and `Never`.
    """

    def __init__(self, session: ClientSession, address: str, token: str, bot: str | None) -> None:
        self.bot = bot or ""
        self.absences = 0
        """How often no homeserver answered. One that breaks a connection is there: idle connections break by design."""
        # mautrix asks for its own types: a UserID, which is a str, and a logger with one more level, unused here.
        typed: Any = {"as_user_id": bot, "log": log, "client_session": session}
        self._api = Api(address, token, **typed)
        self._list_api = partial(ListApi, address, token, **typed)
        self._file_api = partial(FileApi, address, token, **typed)
        self._portions_api = partial(PortionsApi, address, token, **typed)

    @property
    def clock_ahead(self) -> float | None:
        """Seconds that the homeserver's clock is ahead of this machine's; `None` until an answer has shown it."""
        return self._api.clock_ahead

    @property
    def ahead(self) -> int:
        """The same in milliseconds; 0 for a difference that the travel time of an answer can explain."""
        seconds = self.clock_ahead or 0.0
        return round(seconds * 1000) if abs(seconds) > SAME_TIME else 0

    async def call(
        self,
        method: Method,
        path: PathBuilder,
        body: Mapping[str, Any] | bytes | None = None,
        query: Mapping[str, Any] | None = None,
        patience: float = READ,
        *,
        api: Api | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """One request, with `patience` in seconds."""
        try:
            async with in_our_words(patience):
                answer: dict[str, Any] = await (api or self._api).request(
                    method,
                    path,
                    body if isinstance(body, bytes) else dict(body or {}),
                    headers=dict(headers or {}),
                    query_params=dict(query or {}),
                    sensitive=method is not Method.GET,
                )
                return answer
        except Later as error:
            self.absences += _nobody_was_there(error)
            raise

    async def _listed(
        self, path: PathBuilder, where: Sequence[str], keep: Keep, query: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """What `keep` returns for each object of the list at `where` in an answer, no matter how long the list is."""
        api = self._list_api(path=where, keep=keep)
        answer = await self.call(Method.GET, path, query=query, patience=HANDSHAKE, api=api)
        found: list[Any] = answer[LISTED]
        return found

    # --- reading ----------------------------------------------------------------------------------------------

    async def whoami(self) -> dict[str, Any]:
        """Who the homeserver takes us for."""
        return await self.call(Method.GET, Path.v3.account.whoami)

    async def versions(self) -> dict[str, Any]:
        """The versions that the homeserver supports."""
        return await self.call(Method.GET, Path.versions)

    async def state(self, room_id: str, event_type: str, key: str = "") -> dict[str, Any] | None:
        """A whole state event, or `None` if there is none.

        The default form of the answer is only the content, without the event ID.
        """
        try:
            path = Path.v3.rooms[room_id].state[event_type][key]
            return await self.call(Method.GET, path, query={"format": "event"})
        except Never as error:
            if error.code == "M_NOT_FOUND":
                return None
            raise

    async def event(self, room_id: str, event_id: str) -> dict[str, Any] | None:
        """One event of a room, or `None` if the bot cannot see it."""
        try:
            return await self.call(Method.GET, Path.v3.rooms[room_id].event[event_id])
        except Never:
            return None

    async def knocking_members(self, room_id: str, keep: Keep = lambda event: event) -> list[Any]:
        """What `keep` returns for the member event of each user who knocks at a room.

        If their text is too long to be read, all members are listed without their text.
        """
        try:
            return await self._listed(Path.v3.rooms[room_id].members, ["chunk"], keep, {"membership": "knock"})
        except Later as error:
            if error.code != TOO_LARGE:
                raise
        log.info("the knocks at %s are too large to be read; they are listed without their reasons", room_id)
        wanted = {"types": ["m.room.member"]}
        return await self._synced_state(room_id, wanted, keep, fields=MEMBER_FIELDS)

    async def members(self, room_id: str, memberships: Iterable[str]) -> set[str]:
        """The users with this membership in a room."""
        path, found = Path.v3.rooms[room_id].members, set[str]()
        for membership in memberships:
            found |= {*await self._listed(path, ["chunk"], _user_of, {"membership": membership})}
        return found

    async def joined_rooms(self) -> list[str]:
        """The rooms the bot is in."""
        answer = await self.call(Method.GET, Path.v3.joined_rooms, patience=HANDSHAKE)
        return [room_id for room_id in _list(answer, "joined_rooms") if isinstance(room_id, str)]

    async def mutual_rooms(self, user_id: str) -> list[str]:
        """The rooms that a user and the bot are joined to (client-server API 1.19), the first pages of them."""
        found, since = list[str](), None
        for _ in range(MUTUAL_PAGES):
            query = {"user_id": user_id} | ({"from": since} if since else {})
            answer = await self.call(Method.GET, Path.v1.mutual_rooms, query=query)
            found += [room_id for room_id in _list(answer, "joined") if isinstance(room_id, str)]
            since = answer.get("next_batch")
            if not isinstance(since, str) or not since:
                break
        return found

    async def is_joined(self, room_id: str, **who: str) -> bool:
        """Whether a user (`mxid`) or a server (`server_name`) is in a room that the bot need not be in (MSC4502)."""
        path = Path.unstable["io.element.msc4502"].rooms[room_id].is_joined
        joined = (await self.call(Method.GET, path, query=who)).get("joined")
        if not isinstance(joined, bool):
            raise Later(because("homeserver.nonsense"))
        return joined

    async def state_of_type(self, room_id: str, event_type: str, *, exact: bool = False) -> list[dict[str, Any]]:
        """The state events of one type in a room: from a sync that asks for little else, or from its whole state.

        Not every homeserver lets an application service sync, and a room may be missing in the answer. Other state
        that is missing there may still exist: if two events arrived at once, Synapse syncs the state after one of
        them, until the next event. `exact` asks for the whole state at once.
        """
        wanted = (event_type, *STANDING_STATE)

        def keep(event: Any) -> Any:
            return event if isinstance(event, dict) and event.get("type") in wanted else None

        events = [] if exact else await self._quick_state(room_id, wanted, keep)
        if not _tells_of_a_room(events):
            events = await self._listed(Path.v3.rooms[room_id].state, [], keep)
            if not _tells_of_a_room(events):
                raise Later(because("homeserver.nonsense"))
        return [event for event in events if event["type"] == event_type]

    async def whole_state(self, room_id: str, keep: Keep, take: Take) -> None:
        """Hand over what `keep` returns for each state event of a room, portion by portion.

        It may take an hour (`READING`). What `take` raises ends it, and is raised again.
        """
        told = False

        def kept(event: Any) -> Any:
            nonlocal told
            told = told or _tells_of_a_room([event])
            return keep(event)

        api = self._portions_api(keep=kept, take=take)
        await self.call(Method.GET, Path.v3.rooms[room_id].state, patience=READING, api=api)
        if not told:
            raise Later(because("homeserver.nonsense"))

    async def _quick_state(self, room_id: str, types: Sequence[str], keep: Keep) -> list[Any]:
        """A room's state of these types from a sync; empty if there is none, or if the sync does not have the room."""
        try:
            return await self._synced_state(room_id, {"types": list(types)}, keep)
        except ActionError as error:
            if isinstance(error, Later) and error.unreachable:
                raise
            log.info("no sync for %s (%s); its whole state is asked for instead", room_id, in_words(error.why))
            return []

    async def _synced_state(
        self, room_id: str, wanted: Mapping[str, Any], keep: Keep, fields: Sequence[str] | None = None
    ) -> list[Any]:
        """A room's state as in the bot's own first sync; only these fields of each event, if fields are given.

        Synapse keeps the answer to a repeated first sync for minutes; a filter that differs each time is not repeated.
        """
        nothing = {"limit": 0, "types": []}
        sought = {
            "room": {
                "rooms": [room_id],
                "state": {**wanted, "not_senders": [f"@{secrets.token_hex(8)}:invalid"]},
                "timeline": nothing,
                "ephemeral": nothing,
                "account_data": nothing,
            },
            "presence": nothing,
            "account_data": nothing,
        } | ({"event_fields": list(fields)} if fields is not None else {})
        query = {"filter": json.dumps(sought), "timeout": "0", "set_presence": "offline"}
        return await self._listed(Path.v3.sync, ("rooms", "join", room_id, "state", "events"), keep, query)

    async def annotations(self, room_id: str, event_id: str) -> list[Any]:
        """The reactions on a message, the newest hundred."""
        answer = await self.call(
            Method.GET, Path.v1.rooms[room_id].relations[event_id]["m.annotation"], query={"limit": "100"}
        )
        return _list(answer, "chunk")

    async def messages_back(self, room_id: str, since: str | None, event_filter: str) -> tuple[list[Any], str | None]:
        """A page of a room's messages, newest first, and where the next page begins."""
        query = {"dir": "b", "limit": "100", "filter": event_filter, "from": since}
        answer = await self.call(
            Method.GET, Path.v3.rooms[room_id].messages, query={k: v for k, v in query.items() if v is not None}
        )
        end = answer.get("end")
        return _list(answer, "chunk"), end if isinstance(end, str) else None

    async def directory(self, alias: str) -> tuple[str, tuple[str, ...]]:
        """The room an alias means, and servers to reach it by."""
        try:
            # Not HANDSHAKE: judging a knock may wait for this, and others behind it.
            answer = await self.call(Method.GET, Path.v3.directory.room[alias])
        except Never as error:
            raise Never(because("homeserver.no_alias"), code=error.code) from error
        room_id = answer.get("room_id")
        if not isinstance(room_id, str) or not is_room_id(room_id):
            # Another server said so, and the homeserver passed it on.
            raise Never(because("homeserver.alias_leads_nowhere"))
        servers = (server for server in _list(answer, "servers") if isinstance(server, str))
        return room_id, tuple(server for server in servers if is_server_name(server))[:MAX_VIA]

    async def download(self, server: str, media_id: str, most: int) -> bytes:
        """A file from the media repository, or from that of another server through it, of at most so many bytes."""
        api = self._file_api(most=most)
        path, patience = Path.v1.media.download[server][media_id], str(round(READ * 1000))
        answer = await self.call(Method.GET, path, query={"timeout_ms": patience}, patience=2 * READ, api=api)
        content: bytes = answer[CONTENT]
        return content

    async def upload(self, name: str, media_type: str, content: bytes) -> str:
        """Put a file into the media repository (client-server API, "Content repository"); returns its address."""
        query = {"filename": name} if name else {}
        path, headers = MediaPath.v3.upload, {"Content-Type": media_type}
        answer = await self.call(Method.POST, path, content, query, patience=2 * READ, headers=headers)
        return _id_in(answer, "content_uri")

    # --- acting -----------------------------------------------------------------------------------------------

    async def register(self) -> None:
        """Create the bot's account; it may exist already."""
        localpart = self.bot[1:].partition(":")[0]
        body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        try:
            await self.call(Method.POST, Path.v3.register, body)
        except Never as error:
            if error.code != "M_USER_IN_USE":
                raise

    async def login(self, device_id: str, name: str) -> str:
        """Log the bot in on this device, which is created if it does not exist; returns the device's own token."""
        body = {
            "type": "m.login.application_service",
            "identifier": {"type": "m.id.user", "user": self.bot},
            "device_id": device_id,
            "initial_device_display_name": name,
        }
        return _id_in(await self.call(Method.POST, Path.v3.login, body), "access_token")

    async def make_device(self, device_id: str, name: str) -> None:
        """Make a device of the bot without logging in (MSC4190)."""
        await self.call(Method.PUT, Path.v3.devices[device_id], {"display_name": name})

    async def devices(self) -> list[str]:
        """The bot's devices."""
        found = _list(await self.call(Method.GET, Path.v3.devices), "devices")
        ids = (device.get("device_id") for device in found if isinstance(device, dict))
        return [device_id for device_id in ids if isinstance(device_id, str)]

    async def delete_device(self, device_id: str) -> None:
        """Delete a device of the bot (MSC4190)."""
        await self.call(Method.DELETE, Path.v3.devices[device_id])

    async def account_data(self, event_type: str) -> dict[str, Any]:
        """What the bot has stored in its account data; empty if there is nothing."""
        try:
            return await self.call(Method.GET, Path.v3.user[self.bot].account_data[event_type])
        except Never as error:
            if error.code == "M_NOT_FOUND":
                return {}
            raise

    async def set_account_data(self, event_type: str, content: Mapping[str, Any]) -> None:
        """Store something in the bot's account data."""
        await self.call(Method.PUT, Path.v3.user[self.bot].account_data[event_type], content)

    async def set_display_name(self, name: str) -> None:
        """Give the bot a name, unless it has that already; only once it is registered (FACTS)."""
        path = Path.v3.profile[self.bot].displayname
        try:
            if (await self.call(Method.GET, path)).get("displayname") == name:
                return
        except Never:
            pass  # no profile yet
        await self.call(Method.PUT, path, {"displayname": name})

    async def set_avatar(self, uri: str) -> None:
        """Give the bot a picture, unless it has that already. It works without one, so a refusal is only logged."""
        path = Path.v3.profile[self.bot].avatar_url
        try:
            if (await self.call(Method.GET, path)).get("avatar_url") == uri:
                return
        except Never:
            pass  # no profile yet
        try:
            await self.call(Method.PUT, path, {"avatar_url": uri})
        except Never as error:
            log.warning("the homeserver does not accept bot_avatar: %s", in_words(error.why))

    async def prove(self) -> dict[str, Any]:
        """A token with which another server can ask the homeserver who the bot is (OpenID)."""
        return await self.call(Method.POST, Path.v3.user[self.bot].openid.request_token)

    async def ping(self, service_id: str, txn_id: str) -> None:
        """Have the homeserver call us back: this proves the round trip, and makes it deliver what it held back."""
        await self.call(
            Method.POST, Path.v1.appservice[service_id].ping, {"transaction_id": txn_id}, patience=HANDSHAKE
        )

    async def invite(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Invite somebody."""
        await self._membership(room_id, "invite", user_id, reason, HANDSHAKE)

    async def kick(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Kick somebody."""
        await self._membership(room_id, "kick", user_id, reason, READ)

    async def ban(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Ban somebody."""
        await self._membership(room_id, "ban", user_id, reason, READ)

    async def unban(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Lift a ban."""
        await self._membership(room_id, "unban", user_id, reason, READ)

    async def _membership(self, room_id: str, call: str, user_id: str, reason: str | None, patience: float) -> None:
        body = {"user_id": user_id} | ({"reason": reason} if reason else {})
        await self.call(Method.POST, Path.v3.rooms[room_id][call], body, patience=patience)

    async def join(self, room: str, via: Sequence[str] = ()) -> str:
        """Join a room by ID or alias; returns its ID."""
        return await self._enter("join", room, via, {})

    async def knock(self, room: str, via: Sequence[str], reason: str) -> str:
        """Knock at a room; returns its ID."""
        return await self._enter("knock", room, via, {"reason": reason})

    async def _enter(self, call: str, room: str, via: Sequence[str], body: Mapping[str, Any]) -> str:
        # `server_name` is the old name of `via`; old and new servers find theirs.
        query = {"via": list(via), "server_name": list(via)} if via else {}
        entered = _id_in(await self.call(Method.POST, Path.v3[call][room], body, query, patience=HANDSHAKE), "room_id")
        log.info("%s: %s", call, entered, extra={"fields": {"what": call, "room_id": entered, "by": self.bot}})
        return entered

    async def leave(self, room_id: str) -> None:
        """Leave a room, decline an invite or withdraw a knock; not being in the room counts as success."""
        try:
            await self.call(Method.POST, Path.v3.rooms[room_id].leave, patience=HANDSHAKE)
            log.info("leave: %s", room_id, extra={"fields": {"what": "leave", "room_id": room_id, "by": self.bot}})
        except Never as error:
            log.info("leaving %s: %s", room_id, in_words(error.why))

    async def forget(self, room_id: str) -> None:
        """Forget a room that the bot has left; one that the homeserver does not know counts as forgotten."""
        try:
            await self.call(Method.POST, Path.v3.rooms[room_id].forget)
        except Never as error:
            log.info("forgetting %s: %s", room_id, in_words(error.why))

    async def put_state(self, room_id: str, event_type: str, key: str, content: Mapping[str, Any]) -> str:
        """Set a room's state; returns the event id."""
        path = Path.v3.rooms[room_id].state[event_type][key]
        return _id_in(await self.call(Method.PUT, path, content), "event_id")

    async def send(self, room_id: str, event_type: str, txn_id: str, content: Mapping[str, Any]) -> str:
        """Send a message event; returns its event id."""
        return _id_in(await self.call(Method.PUT, Path.v3.rooms[room_id].send[event_type][txn_id], content), "event_id")

    async def redact(self, room_id: str, event_id: str, txn_id: str) -> None:
        """Redact an event: one of the bot's own, or, if it has the power, one of somebody else."""
        await self.call(Method.PUT, Path.v3.rooms[room_id].redact[event_id][txn_id])

    async def create_room(self, content: Mapping[str, Any]) -> str:
        """Create a room; returns its ID. Two calls create two rooms."""
        return _id_in(await self.call(Method.POST, Path.v3.createRoom, content, patience=HANDSHAKE), "room_id")


def _id_in(answer: Mapping[str, Any], key: str) -> str:
    """The ID or address that an answer has to hold."""
    found = answer.get(key)
    if not isinstance(found, str) or storable(found) != found:
        raise Later(because("homeserver.nonsense"))
    return found


def _user_of(event: Any) -> str | None:
    """The user that a member event is about."""
    user_id = event.get("state_key") if isinstance(event, dict) else None
    return user_id if isinstance(user_id, str) and is_user_id(user_id) else None


def _tells_of_a_room(events: Sequence[Any]) -> bool:
    return any(isinstance(event, dict) and event.get("type") in STANDING_STATE for event in events)


def _nobody_was_there(error: Later) -> bool:
    """Whether no homeserver accepted the call at all, as shown by its own answer or by that of the proxy before it."""
    if isinstance(error.__cause__, MatrixConnectionError):
        return isinstance(error.__cause__.__cause__, ClientConnectorError)
    return error.unreachable and error.code is None


def _list(answer: Mapping[str, Any], key: str) -> list[Any]:
    found = answer.get(key)
    return found if isinstance(found, list) else []


def on_our_clock(event: Mapping[str, Any], ahead: int) -> dict[str, Any]:
    """An event that was read from the homeserver, with its time converted to this machine's clock."""
    at = event.get("origin_server_ts")
    return {**event, "origin_server_ts": at - ahead} if ahead and isinstance(at, int) and at > ahead else dict(event)
