"""A real policy room: with entries of all types, read by the bot as a homeserver shows it, and as it changes."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from knockbot.demo.people import Person
from knockbot.domain.lists import TYPES, EntityKind, Recommendation, entry_key
from knockbot.domain.model import ListChange
from knockbot.features.lists import matching, reading
from knockbot.flow.context import Context
from knockbot.store import lists
from knockbot.store.lists import Counts
from tests.keeper import Garden, InProcess

MANY = 300

ODD_KEYS = ("", " ", "%2e%2e", "a/../b", "ü❌", "?x=1#y", "k" * 255, "..", "a\0b")
"""State keys that have to be found again by their paths."""


def rule(entity: Any, recommendation: Any = "m.ban", **content: Any) -> dict[str, Any]:
    return {"entity": entity, "recommendation": recommendation, "reason": "ads", **content}


def many() -> list[dict[str, Any]]:
    """The entries with which the room is made, by all types in turn."""
    types = sorted(TYPES)
    entities = {EntityKind.USER: "@eve{}:evil.example", EntityKind.SERVER: "evil{}.example", EntityKind.ROOM: "!r{}:a"}
    return [
        {"type": kind, "state_key": f"rule {number}", "content": rule(entities[TYPES[kind]].format(number))}
        for number in range(MANY)
        for kind in (types[number % len(types)],)
    ]


@pytest.fixture
async def mona(garden: Garden) -> Person:
    """Who keeps the list."""
    return await garden.person("mona")


async def followed(keeper: InProcess, mona: Person, *entries: dict[str, Any]) -> str:
    """A policy room of hers that the bot has entered, and follows."""
    room_id = await mona.create_room("Bans", preset="public_chat", initial_state=list(entries))
    await keeper.context.acts.join(room_id)
    async with keeper.context.db.tx() as tx:
        await lists.follow(tx, room_id, keeper.context.now())
    return room_id


async def hit(context: Context, room_id: str, user_id: str) -> str | None:
    found = await matching.match(context, room_id, user_id)
    return found.entity if found is not None else None


async def test_a_policy_room_is_read_and_asked(keeper: InProcess, garden: Garden, mona: Person) -> None:
    context = keeper.context
    room_id = await followed(keeper, mona, *many())
    ana = await garden.person()
    digest = base64.b64encode(hashlib.sha256(ana.user_id.encode()).digest()).decode()
    await mona.put_state(room_id, "m.policy.rule.user", rule("@spam*:*", "m.takedown"), key="glob")
    await mona.put_state(room_id, "m.policy.rule.server", rule("*.evil.example"), key="servers")
    await mona.put_state(room_id, "m.policy.rule.user", rule(None, hashes={"sha256": digest.rstrip("=")}), key="hash")
    await mona.put_state(room_id, "m.policy.rule.user", rule("@*:*"), key="everybody")
    await mona.put_state(room_id, "m.policy.rule.user", rule("@x:y", "org.example.mute"), key="unknown")
    gone = await mona.put_state(room_id, "m.policy.rule.user", rule("@gone:evil.example"), key="removed")
    await mona.put_state(room_id, "m.policy.rule.user", {}, key="removed")
    await mona.redact(room_id, await mona.put_state(room_id, "m.room.rule.user", rule("@red:evil.example"), key="red"))
    await garden.caught_up()  # what is told late of an entry would count until it is told that it was removed

    assert await reading.read(context, room_id)

    async with context.db.tx() as tx:
        found = await lists.counts(tx, room_id)
        assert await lists.by_event(tx, room_id, gone) is None
    third = MANY // 3
    assert found == Counts(
        {EntityKind.USER: third + 3, EntityKind.SERVER: third + 1, EntityKind.ROOM: third}, everything=1, unusable=1
    )
    assert await hit(context, room_id, "@any:evil4.example:8448") == "evil4.example"
    assert await hit(context, room_id, "@any:a.evil.example") == "*.evil.example"
    assert await hit(context, room_id, ana.user_id) == ana.user_id
    assert await hit(context, room_id, mona.user_id) is None
    assert await hit(context, room_id, "@red:evil.example") is None
    named = await matching.match(context, room_id, "@spammer:tulip.example")
    assert named is not None
    assert named.recommendation is Recommendation.TAKEDOWN


async def test_each_entry_is_read_as_it_stands_whatever_its_state_key(keeper: InProcess, mona: Person) -> None:
    outside = keeper.context.outside
    content = rule("@eve:evil.example")
    entries = [{"type": "m.policy.rule.user", "state_key": one, "content": content} for one in ODD_KEYS]
    room_id = await followed(keeper, mona, *entries)

    found = [await outside.policy_rule(room_id, entry_key("m.policy.rule.user", one)) for one in ODD_KEYS]

    assert [one.key for one in found if one is not None and one.now is not None] == [
        entry_key("m.policy.rule.user", one) for one in ODD_KEYS
    ]
    assert await outside.policy_rule(room_id, entry_key("m.policy.rule.user", "none")) is None


async def test_a_late_event_does_not_bring_back_what_was_removed_since(keeper: InProcess, mona: Person) -> None:
    context = keeper.context
    room_id = await followed(keeper, mona)
    event_id = await mona.put_state(room_id, "m.policy.rule.user", rule("@eve:evil.example"), key="eve")
    key = entry_key("m.policy.rule.user", "eve")
    shown = await context.outside.policy_rule(room_id, key)
    assert shown is not None
    late = ListChange(room_id, event_id, mona.user_id, key, shown.now)
    await mona.put_state(room_id, "m.policy.rule.user", {}, key="eve")

    stands = await reading.as_it_stands(context, late)

    assert stands.now is None
