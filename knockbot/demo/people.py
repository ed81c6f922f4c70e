"""A person with a Matrix client: the plain client-server API, for the demo's story and for the tests."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiohttp
from yarl import URL

from knockbot.demo.homeserver import Homeserver

Json = dict[str, Any]
T = TypeVar("T")

WITHIN = 20.0
"""Seconds that somebody waits for something to happen."""

SOONEST, SELDOMEST = 0.02, 0.25
"""Seconds between two looks whether it has: at first, and in the end."""


class MatrixRefused(Exception):
    """The homeserver said no: HTTP `status`, `errcode` (M_FORBIDDEN …) and `message`, its words."""

    def __init__(self, status: int, errcode: str, message: str) -> None:
        super().__init__(f"{status} {errcode}: {message}")
        self.status = status
        self.errcode = errcode
        self.message = message


class NothingHappened(AssertionError):
    """What somebody waited for did not come in time; the text says what came instead."""


class Person:
    """Somebody with an account, by `user_id`. Each method is one thing a person does in a client.

    Rooms are given by id; where the API takes an alias (`join`, `knock`), by alias too. Whatever the homeserver
    refuses raises `MatrixRefused`.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, user_id: str, token: str, password: str = "") -> None:
        self.http = http
        self.url = url
        self.user_id = user_id
        self.token = token
        self.password = password

    def __repr__(self) -> str:
        return f"Person({self.user_id!r})"

    @classmethod
    async def register(cls, homeserver: Homeserver, localpart: str, *, display_name: str | None = None) -> Self:
        """A new account on a throwaway homeserver, with a random password."""
        password = secrets.token_urlsafe(12)
        account = await homeserver.register(localpart, password, display_name=display_name)
        return cls(homeserver.http, homeserver.url, account["user_id"], account["access_token"], password)

    @classmethod
    async def log_in(cls, http: aiohttp.ClientSession, url: str, localpart: str, password: str) -> Self:
        """A new device of an account that exists."""
        identifier = {"type": "m.id.user", "user": localpart}
        login = {"type": "m.login.password", "identifier": identifier, "password": password}
        account = await cls(http, url, "", "").call("POST", "login", body=login)
        return cls(http, url, account["user_id"], account["access_token"], password)

    async def call(
        self, method: str, *path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, Any] | None = None
    ) -> Json:
        """One request below `/_matrix/client/v3/`; `path` in its parts, unquoted."""
        where = "/".join(quote(part, safe="") for part in path)
        url = URL(f"{self.url}/_matrix/client/v3/{where}", encoded=True)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        payload = dict(body or {}) if method != "GET" else None
        async with self.http.request(method, url, headers=headers, params=query, json=payload) as response:
            answer: Json = await response.json()
            if response.status >= 400:
                raise MatrixRefused(response.status, answer.get("errcode", ""), answer.get("error", ""))
            return answer

    # --- rooms -----------------------------------------------------------------------------------------------

    async def create_room(
        self,
        name: str | None = None,
        *,
        alias: str | None = None,
        join_rule: str | None = None,
        room_version: str | None = None,
        power_levels: Mapping[str, Any] | None = None,
        preset: str = "private_chat",
        invite: Sequence[str] = (),
        **more: Any,
    ) -> str:
        """Create a room and return its id.

        `alias` is the localpart of one; `join_rule` stands over the preset's ("knock"); `power_levels` is merged
        over the defaults; `more` are further keys of `/createRoom` (`initial_state`, `creation_content` …).
        """
        state = list(more.pop("initial_state", []))
        if join_rule is not None:
            state.append({"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": join_rule}})
        wanted = {
            "name": name,
            "room_alias_name": alias,
            "room_version": room_version,
            "power_level_content_override": power_levels,
            "preset": preset,
            "invite": list(invite),
            "initial_state": state,
            **more,
        }
        body = {key: value for key, value in wanted.items() if value is not None}
        room_id: str = (await self.call("POST", "createRoom", body=body))["room_id"]
        return room_id

    async def knock(self, room: str, reason: Any = None, *, via: Sequence[str] = ()) -> None:
        """Ask to be let in; `reason` may be anything JSON can say, as strangers may."""
        await self.call("POST", "knock", room, body=_with_reason(reason), query={"via": list(via)} if via else None)

    async def retract(self, room: str, reason: str | None = None) -> None:
        """Take the knock back, which to the homeserver is leaving."""
        await self.leave(room, reason)

    async def join(self, room: str) -> None:
        """Join, by an invite or because the room lets everybody in."""
        await self.call("POST", "join", room)

    async def leave(self, room: str, reason: str | None = None) -> None:
        """Leave, or decline an invite."""
        await self.call("POST", "rooms", room, "leave", body=_with_reason(reason))

    async def invite(self, room: str, user_id: str, reason: str | None = None) -> None:
        """Invite somebody, or let in who knocks."""
        await self._act_on(user_id, room, "invite", reason)

    async def kick(self, room: str, user_id: str, reason: str | None = None) -> None:
        """Put somebody out, or reject their knock."""
        await self._act_on(user_id, room, "kick", reason)

    async def ban(self, room: str, user_id: str, reason: str | None = None) -> None:
        """Put somebody out for good."""
        await self._act_on(user_id, room, "ban", reason)

    async def unban(self, room: str, user_id: str) -> None:
        """Lift a ban."""
        await self._act_on(user_id, room, "unban", None)

    async def _act_on(self, user_id: str, room: str, act: str, reason: str | None) -> None:
        await self.call("POST", "rooms", room, act, body={"user_id": user_id, **_with_reason(reason)})

    # --- messages --------------------------------------------------------------------------------------------

    async def say(
        self,
        room: str,
        text: str,
        *,
        formatted: str | None = None,
        reply_to: str | None = None,
        content: Mapping[str, Any] | None = None,
    ) -> str:
        """Send a message and return its event id; `content` is merged over what is made of the rest."""
        message: Json = {"msgtype": "m.text", "body": text}
        if formatted is not None:
            message |= {"format": "org.matrix.custom.html", "formatted_body": formatted}
        if reply_to is not None:
            message["m.relates_to"] = {"m.in_reply_to": {"event_id": reply_to}}
        return await self.send(room, "m.room.message", message | dict(content or {}))

    async def react(self, room: str, event_id: str, emoji: str) -> str:
        """Put an emoji on a message and return the reaction's event id."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": emoji}
        return await self.send(room, "m.reaction", {"m.relates_to": relation})

    async def send(self, room: str, event_type: str, content: Mapping[str, Any]) -> str:
        """Send an event of any type and return its id."""
        answer = await self.call("PUT", "rooms", room, "send", event_type, secrets.token_hex(8), body=content)
        return str(answer["event_id"])

    async def redact(self, room: str, event_id: str, reason: str | None = None) -> str:
        """Take an event's content away; returns the redaction's id."""
        path = ("rooms", room, "redact", event_id, secrets.token_hex(8))
        return str((await self.call("PUT", *path, body=_with_reason(reason)))["event_id"])

    async def set_display_name(self, name: str) -> None:
        """Take another display name, in every room."""
        await self.call("PUT", "profile", self.user_id, "displayname", body={"displayname": name})

    # --- looking ---------------------------------------------------------------------------------------------

    async def state(self, room: str, event_type: str, key: str = "") -> Json | None:
        """The content of one piece of room state; None where there is none."""
        try:
            return await self.call("GET", "rooms", room, "state", event_type, key)
        except MatrixRefused as refused:
            if refused.status == 404:
                return None
            raise

    async def put_state(self, room: str, event_type: str, content: Mapping[str, Any], key: str = "") -> str:
        """Set one piece of room state and return the event's id."""
        return str((await self.call("PUT", "rooms", room, "state", event_type, key, body=content))["event_id"])

    async def member(self, room: str, user_id: str) -> Json:
        """The member event's content of somebody in a room; empty if there never was one."""
        return await self.state(room, "m.room.member", user_id) or {}

    async def membership(self, room: str, user_id: str) -> str | None:
        """How somebody stands to a room: join, knock, invite, leave, ban; None if they never did."""
        return (await self.member(room, user_id)).get("membership")

    async def messages(self, room: str, limit: int = 100) -> list[Json]:
        """The room's last events, in the order they happened."""
        answer = await self.call("GET", "rooms", room, "messages", query={"dir": "b", "limit": limit})
        return list(reversed(answer["chunk"]))

    async def event(self, room: str, event_id: str) -> Json:
        """One event as it now is; its newest edit stands in `unsigned`."""
        return await self.call("GET", "rooms", room, "event", event_id)

    async def open(self, event: Json, _room_id: str) -> Json:
        """An event as it was meant: as it came, where nothing of theirs has keys."""
        return event

    async def sync(self, since: str | None = None, **query: Any) -> Json:
        """One `/sync`, the first one where `since` is not given."""
        return await self.call("GET", "sync", query=query | ({"since": since} if since else {}))

    async def wait_for(
        self,
        room: str,
        wanted: Callable[[Json], bool],
        *,
        after: str | None = None,
        what: str = "the event",
        within: float = WITHIN,
    ) -> Json:
        """The room's first event for which `wanted` holds, as soon as there is one.

        Only events later than the event `after` count, where it is given. Raises `NothingHappened` after `within`
        seconds, with what was there; `what` names the event in it.
        """

        async def look() -> list[Json]:
            events = await self.messages(room)
            ids = [event["event_id"] for event in events]
            return events[ids.index(after) + 1 :] if after in ids else events

        events = await until(
            look,
            lambda events: any(wanted(event) for event in events),
            lambda events: "\n".join([f"{what} did not come. In {room}:", *(f"  {_line(event)}" for event in events)]),
            within=within,
        )
        return next(event for event in events if wanted(event))

    async def wait_for_membership(self, room: str, user_id: str, membership: str, *, within: float = WITHIN) -> Json:
        """The member event's content of somebody, as soon as they stand so; else `NothingHappened`."""
        return await until(
            lambda: self.member(room, user_id),
            lambda member: member.get("membership") == membership,
            lambda member: f"{user_id} was to be {membership!r} in {room}, but this stands: {member}",
            within=within,
        )


async def until(
    look: Callable[[], Awaitable[T]],
    fits: Callable[[T], bool],
    complaint: Callable[[T], str],
    *,
    within: float = WITHIN,
) -> T:
    """Look again and again until what is seen fits, and return it: soon at first, and then less and less often, since
    each look costs whoever is waited for.

    Raises `NothingHappened` after `within` seconds, with the complaint about what was seen last.
    """
    deadline = time.monotonic() + within
    pause = SOONEST
    while not fits(seen := await look()):
        if time.monotonic() > deadline:
            raise NothingHappened(f"{complaint(seen)}\n(waited {within:g} s)")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, SELDOMEST)
    return seen


def _with_reason(reason: Any) -> Json:
    return {} if reason is None else {"reason": reason}


def _line(event: Json) -> str:
    """An event in one line, for the reader of an error."""
    about = f" {event['state_key']}" if event.get("state_key") else ""
    return f"{event['sender']}: {event['type']}{about} {json.dumps(event['content'], ensure_ascii=False)[:400]}"
