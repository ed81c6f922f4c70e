"""Reads from the homeserver what the bot did before: its own messages, and earlier knocks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from knockbot.backup.recall import Said
from knockbot.domain.model import Kind, MemberChange, Membership, State
from knockbot.flow.keys import SEALED
from knockbot.flow.ports import EFFECT_KEY, REQUEST_KEY, REQUESTS_KEY
from knockbot.matrix import events
from knockbot.matrix.events import is_event_id
from knockbot.matrix.homeserver import Homeserver, on_our_clock

PAGES = 1000
"""The most pages of a hundred of the bot's own messages that are read back in one room."""


class Memory:
    """Implements `backup.recall.Memory` on a real homeserver."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver

    async def said(self, room_id: str, since: int) -> list[Said]:
        """The bot's messages in a room after a given time, oldest first."""
        mine = json.dumps({"types": ["m.room.message", SEALED], "senders": [self._homeserver.bot]})
        found: list[Said] = []
        place: str | None = None
        for _ in range(PAGES):
            page, place = await self._homeserver.messages_back(room_id, place, mine)
            ahead = self._homeserver.ahead
            messages = [on_our_clock(event, ahead) for event in page if isinstance(event, dict)]
            found += [said for event in messages if (said := _said(event)) is not None and said.at >= since]
            if place is None or min(map(_sent_at, messages), default=since) < since:
                break
        return found[::-1]

    async def knock(self, room_id: str, event_id: str) -> MemberChange | None:
        """One knock, whether or not it is still current."""
        event = await self._homeserver.event(room_id, event_id)
        try:
            change = events.member_change(event | {"room_id": room_id}) if event is not None else None
        except events.Malformed:
            return None
        return change if change is not None and change.membership is Membership.KNOCK else None


def _sent_at(event: Mapping[str, Any]) -> int:
    at = event.get("origin_server_ts")
    return at if isinstance(at, int) else 0


def _said(event: Mapping[str, Any]) -> Said | None:
    """One message of the bot's own, if it is one that a job sent and nobody has redacted since."""
    content, event_id = event.get("content"), event.get("event_id")
    if event.get("type") == SEALED and is_event_id(event_id) and content:
        return Said(event_id, "", _sent_at(event), None, ())
    if not isinstance(content, dict) or not is_event_id(event_id) or not isinstance(content.get(EFFECT_KEY), str):
        return None
    relation = content.get("m.relates_to")
    edits = relation.get("event_id") if isinstance(relation, dict) and relation.get("rel_type") == "m.replace" else None
    blocks = content.get(REQUESTS_KEY, [content.get(REQUEST_KEY)])
    shown = tuple(block for block in blocks if _is_block(block)) if isinstance(blocks, list) else ()
    return Said(event_id, content[EFFECT_KEY], _sent_at(event), edits if is_event_id(edits) else None, shown)


def _is_block(block: Any) -> bool:
    """Whether this is a machine block (`domain/card/machines.py`) as this version writes it."""
    return (
        isinstance(block, dict)
        and type(block.get("number")) is int
        and block.get("kind") in set(Kind)
        and block.get("state") in set(State)
        and all(isinstance(block.get(key), str) for key in ("room_id", "event_id"))
        and all(isinstance(block.get(key), str | None) for key in ("user_id", "by", "issued_by"))
    )
