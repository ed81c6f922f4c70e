"""Offers in the management room, as the moderators see them now, and the clicks on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from knockbot.documents.text import without_marks
from knockbot.flow.ports import PROMPT_KEY
from tests.flow.house import MODS, House
from tests.flow.world import ALICE, BOT


@dataclass(frozen=True)
class Offered:
    """One offer: its event, its words and the answers that it offers now."""

    event_id: str
    text: str
    emojis: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        return "This question is closed" not in self.text


def offers(house: House, kind: str, room_id: str = MODS) -> list[Offered]:
    """The offers of a kind, oldest first; without those that were removed."""
    said = house.world.rooms[room_id].said
    posted = [event for event in said if event["content"].get(PROMPT_KEY, {}).get("kind") == kind]
    first = [event for event in posted if "m.new_content" not in event["content"]]
    return [_now(event, said) for event in first]


def _now(posted: Mapping[str, Any], said: list[dict[str, Any]]) -> Offered:
    about = posted["event_id"]
    edits = [e["content"]["m.new_content"] for e in said if _relation(e) == ("m.replace", about)]
    body = (edits or [posted["content"]])[-1]["body"]
    clicks = [e for e in said if e["sender"] == BOT and _relation(e) == ("m.annotation", about)]
    return Offered(about, without_marks(body), tuple(e["content"]["m.relates_to"]["key"] for e in clicks))


def _relation(event: Mapping[str, Any]) -> tuple[str | None, str | None]:
    relation = event["content"].get("m.relates_to", {})
    return relation.get("rel_type"), relation.get("event_id")


async def click(house: House, offer: Offered, emoji: str = "✅", *, by: str = ALICE, room_id: str = MODS) -> list[str]:
    """Somebody clicks on an offer; returns what the bot says to that."""
    before = len(house.spoken(room_id))
    house.world.react(room_id, by, offer.event_id, emoji)
    await house.live()
    return house.spoken(room_id)[before:]
