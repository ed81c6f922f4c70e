"""Poison events: whatever stands in one, it is set aside or does no harm, and the rest of its transaction goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from knockbot.domain.model import Echo, Happening, MemberChange, Membership, Message, Reaction, RoomChange
from tests.matrix.edge import (
    ANA,
    BOT,
    GARDEN,
    HS_TOKEN,
    START,
    Inside,
    Json,
    changed,
    faults,
    member,
    reaction,
    state,
    text,
    transaction,
    without,
)
from tests.matrix.fake_homeserver import FakeHomeserver

pytestmark = pytest.mark.usefixtures("tidy")

KNOCK = member("$poison")
WRONG = [None, True, 5, -1, 0.5, "", "text", "\0", [], [1], {}, {"a": {"b": 1}}]


async def handed_over(inside: Inside, fake: FakeHomeserver, poisons: Mapping[str, Any]) -> dict[str, Happening]:
    """What handlers are handed for poison events, by the names these go by here; those set aside are missing.

    They come in one transaction, each between two good knocks of the same room, and these must be handed over too.
    """
    parts: list[Any] = [member("$good")]
    for number, poison in enumerate(poisons.values()):
        written = poison if isinstance(poison, bytes) else json.dumps(poison).encode()
        parts += [written.replace(b'"$poison"', b'"$poison-%d"' % number), member(f"$good-{number}")]
    pushed = await fake.push(inside.url, HS_TOKEN, raw=transaction(parts))
    assert pushed.status == 200
    await inside.settled()
    good = [one for one in inside.ids() if one.startswith("$good")]
    assert good == ["$good", *(f"$good-{number}" for number in range(len(poisons)))]
    names = dict(zip((f"$poison-{number}" for number in range(len(poisons))), poisons, strict=True))
    return {names[one.event_id]: one for one in inside.heard if not one.event_id.startswith("$good")}


def raw(event: Json, **pieces: str) -> bytes:
    """The event as JSON, with pieces of raw JSON put in place of strings like `<<name>>`."""
    written = json.dumps(event)
    for name, piece in pieces.items():
        assert f'"<<{name}>>"' in written
        written = written.replace(f'"<<{name}>>"', piece)
    return written.encode()


# --- events that cannot be any --------------------------------------------------------------------------------

ASIDE: dict[str, Any] = {
    "no object": "just text",
    "null": None,
    "a number": 5,
    "a list": [member("$inner")],
    "an empty object": {},
    "type missing": without(KNOCK, "type"),
    "type null": changed(KNOCK, None, "type"),
    "type a list": changed(KNOCK, ["m.room.member"], "type"),
    "type an object": changed(KNOCK, {"m.room.member": 1}, "type"),
    "event_id missing": without(KNOCK, "event_id"),
    "event_id a number": changed(KNOCK, 7, "event_id"),
    "event_id without its sigil": changed(KNOCK, "poison", "event_id"),
    "event_id with NUL": changed(KNOCK, "$a\0b", "event_id"),
    "event_id with half a character": changed(KNOCK, "$a\ud800", "event_id"),
    "event_id too long": changed(KNOCK, "$" + "a" * 60_000, "event_id"),
    "room_id missing": without(KNOCK, "room_id"),
    "room_id an object": changed(KNOCK, {}, "room_id"),
    "room_id an alias": changed(KNOCK, "#garden:tulip.example", "room_id"),
    "room_id with NUL": changed(KNOCK, "!a\0b:tulip.example", "room_id"),
    "room_id with half a character": changed(KNOCK, "!a\udfff:tulip.example", "room_id"),
    "room_id too long": changed(KNOCK, "!" + "a" * 300 + ":tulip.example", "room_id"),
    "sender missing": without(KNOCK, "sender"),
    "sender null": changed(KNOCK, None, "sender"),
    "sender no user": changed(KNOCK, "ana", "sender"),
    "sender with NUL": changed(KNOCK, "@a\0b:tulip.example", "sender"),
    "state_key missing": without(KNOCK, "state_key"),
    "state_key empty": changed(KNOCK, "", "state_key"),
    "state_key a number": changed(KNOCK, 5, "state_key"),
    "state_key without a server": changed(KNOCK, "@ana", "state_key"),
    "state_key with half a character": changed(KNOCK, "@a\ud83d:tulip.example", "state_key"),
    "state_key too long": changed(KNOCK, "@" + "a" * 300 + ":tulip.example", "state_key"),
    "content missing": without(KNOCK, "content"),
    "content null": changed(KNOCK, None, "content"),
    "content a list": changed(KNOCK, ["knock"], "content"),
    "content text": changed(KNOCK, "knock", "content"),
    "membership missing": without(KNOCK, "content", "membership"),
    "membership null": changed(KNOCK, None, "content", "membership"),
    "membership a list": changed(KNOCK, ["knock"], "content", "membership"),
    "membership unknown": changed(KNOCK, "asks", "content", "membership"),
    "membership in capitals": changed(KNOCK, "KNOCK", "content", "membership"),
    "message without a sender": without(text("$poison"), "sender"),
    "message of nobody": changed(text("$poison"), "nobody", "sender"),
    "message without an event_id": without(text("$poison"), "event_id"),
    "reaction without a sender": without(reaction("$poison"), "sender"),
    "power levels of nobody": changed(state("$poison", "m.room.power_levels"), 5, "sender"),
}


async def test_what_cannot_be_an_event_is_set_aside_and_the_rest_goes_on(inside: Inside, fake: FakeHomeserver) -> None:
    assert await handed_over(inside, fake, ASIDE) == {}

    assert len(await faults(inside.db)) == len(ASIDE)


# --- knocks that are strange, and knocks all the same ---------------------------------------------------------

AGELESS = without(KNOCK, "unsigned", "age")
"""Where the homeserver tells the age, nothing else of the time counts."""

HARMLESS: dict[str, Any] = {
    "prev_content at the top a number": KNOCK | {"prev_content": 5},
    "prev_content a number": changed(KNOCK, 5, "unsigned", "prev_content"),
    "prev_content with a strange membership": changed(KNOCK, {"membership": {}}, "unsigned", "prev_content"),
    "replaces_state an object": changed(KNOCK, {}, "unsigned", "replaces_state"),
    "unsigned null": changed(KNOCK, None, "unsigned"),
    "unsigned missing": without(KNOCK, "unsigned"),
    "unsigned a list": changed(KNOCK, [1], "unsigned"),
    "knock_room_state wrong": changed(KNOCK, 5, "unsigned", "knock_room_state"),
    "third_party_invite wrong": changed(KNOCK, 5, "content", "third_party_invite"),
    "avatar_url an object": changed(KNOCK, {"url": 1}, "content", "avatar_url"),
    "displayname an object": changed(KNOCK, {}, "content", "displayname"),
    "displayname null": changed(KNOCK, None, "content", "displayname"),
    "reason null": changed(KNOCK, None, "content", "reason"),
    "time missing": without(AGELESS, "origin_server_ts"),
    "time text": changed(AGELESS, "now", "origin_server_ts"),
    "time negative": changed(AGELESS, -(2**63), "origin_server_ts"),
    "time beyond a database's integers": changed(AGELESS, 2**80, "origin_server_ts"),
    "time a fraction": changed(AGELESS, 1.5, "origin_server_ts"),
    "time true": changed(AGELESS, True, "origin_server_ts"),
    "time NaN": raw(changed(AGELESS, "<<x>>", "origin_server_ts"), x="NaN"),
    "time infinite": raw(changed(AGELESS, "<<x>>", "origin_server_ts"), x="1e999"),
    "time of ten thousand digits": raw(changed(AGELESS, "<<x>>", "origin_server_ts"), x="9" * 10_000),
    "a number of ten thousand digits somewhere": raw(changed(KNOCK, "<<x>>", "content", "x"), x="-" + "9" * 10_000),
    "a key twice": raw(KNOCK).replace(b'"knock"', b'"leave", "membership": "knock"'),
    "an empty key": changed(KNOCK, 1, "content", ""),
    "a key with half a character": changed(KNOCK, 1, "content", "\ud800"),
    "a key with NUL": changed(KNOCK, 1, "content", "\0"),
}


async def test_what_is_wrong_in_a_side_issue_does_no_harm(inside: Inside, fake: FakeHomeserver) -> None:
    happenings = await handed_over(inside, fake, HARMLESS)

    unsigned = {"unsigned null", "unsigned missing", "unsigned a list"}
    times = {name: START if name in unsigned else START - KNOCK["unsigned"]["age"] for name in HARMLESS}
    times |= {name: 0 for name in HARMLESS if name.startswith("time ")}
    assert happenings == {
        name: MemberChange(GARDEN, one.event_id, ANA, ANA, Membership.KNOCK, sent_at=times[name])
        for name, one in happenings.items()
    }
    assert list(happenings) == list(HARMLESS)
    assert await faults(inside.db) == {}


# Around the depth at which Python gives up reading, or writing, and far beyond it.
DEPTHS = [50, 500, *range(880, 1000, 4), 5_000, 100_000]


@pytest.mark.parametrize("bracket", ["[]", "{}"])
async def test_however_deep_an_event_is_nested_the_knock_in_it_is_heard(
    inside: Inside, fake: FakeHomeserver, bracket: str
) -> None:
    for depth in DEPTHS:
        nest = "[" * depth + "]" * depth if bracket == "[]" else '{"]":' * depth + "1" + "}" * depth
        poison = changed(member(f"${depth}"), "<<nest>>", "content", "reason") | {"trap": '\\"[{'}
        pushed = await fake.push(
            inside.url, HS_TOKEN, raw=transaction([raw(poison, nest=nest), member(f"$after-{depth}")])
        )
        assert pushed.status == 200
    await inside.settled()

    assert inside.ids() == [name for depth in DEPTHS for name in (f"${depth}", f"$after-{depth}")]
    assert {one.reason for one in inside.heard if isinstance(one, MemberChange)} == {""}


REASONS: dict[str, tuple[Any, str]] = {
    "60 kB": ("x" * 60_000, "x" * 10_000),
    "60 kB beyond the basic plane": ("\U0001f6aa" * 15_000, "\U0001f6aa" * 10_000),
    "controls": ("a\0b\u202e\nc", "a\ufffdb\u202e\nc"),
    "half a character": ("\ud800", "\ufffd"),
    "halves in the wrong order": ("\udfff\ud83d", "\ufffd\ufffd"),
    "an object": ({"a": 1}, ""),
    "a list": (["please"], ""),
    "a number": (5, ""),
    "true": (True, ""),
}


async def test_a_reason_may_be_anything(inside: Inside, fake: FakeHomeserver) -> None:
    knocks = {name: changed(KNOCK, given, "content", "reason") for name, (given, _) in REASONS.items()}

    happenings = await handed_over(inside, fake, knocks)

    reasons = {name: one.reason for name, one in happenings.items() if isinstance(one, MemberChange)}
    assert reasons == {name: becomes for name, (_, becomes) in REASONS.items()}


HISTORICAL = [
    "@:tulip.example",
    "@<b>:x",
    "@a\nb:x",
    '@"&\u202e:x',
    "@UPPER case:x",
    "@a/../?#%2f:x",
    "@\U0001f6aa:[::1]:8448",
]


async def test_a_historical_user_id_is_a_user_id(inside: Inside, fake: FakeHomeserver) -> None:
    happenings = await handed_over(inside, fake, {name: member("$poison", user=name) for name in HISTORICAL})

    found = {name: (one.user_id, one.sender) for name, one in happenings.items() if isinstance(one, MemberChange)}
    assert found == {name: (name, name) for name in HISTORICAL}


# --- the rest of what is watched ------------------------------------------------------------------------------


def spoiled(event: Json, *paths: str) -> dict[str, Json]:
    """The event with each wrong value in each place, one at a time."""
    return {
        f"{path}: {json.dumps(wrong)}": changed(event, wrong, *path.split(" ")) for path in paths for wrong in WRONG
    }


async def test_a_message_with_anything_anywhere_is_a_message_or_nothing(inside: Inside, fake: FakeHomeserver) -> None:
    whole = text("$poison", room=GARDEN, format="org.matrix.custom.html", formatted_body="<b>!kb</b>")
    whole["content"]["m.relates_to"] = {"rel_type": "m.thread", "m.in_reply_to": {"event_id": "$card"}}
    poisons = spoiled(
        whole,
        "content",
        "content msgtype",
        "content body",
        "content format",
        "content formatted_body",
        "content m.relates_to",
        "content m.relates_to rel_type",
        "content m.relates_to m.in_reply_to",
        "content m.relates_to m.in_reply_to event_id",
        "content m.mentions",
        "origin_server_ts",
        "unsigned",
    )

    happenings = await handed_over(inside, fake, poisons)

    assert {type(one) for one in happenings.values()} == {Message}
    assert not any(name.startswith(("content:", "content msgtype:")) for name in happenings)
    assert await faults(inside.db) == {}


async def test_a_reaction_with_anything_anywhere_is_a_reaction_or_nothing(inside: Inside, fake: FakeHomeserver) -> None:
    poisons = spoiled(
        reaction("$poison", room=GARDEN),
        "content",
        "content m.relates_to",
        "content m.relates_to rel_type",
        "content m.relates_to event_id",
        "content m.relates_to key",
        "origin_server_ts",
    )

    happenings = await handed_over(inside, fake, poisons)

    assert {type(one) for one in happenings.values()} == {Reaction}
    assert await faults(inside.db) == {}


async def test_watched_state_with_anything_anywhere_is_a_change_or_nothing(
    inside: Inside, fake: FakeHomeserver
) -> None:
    poisons = spoiled(state("$poison", "m.room.power_levels"), "content", "state_key", "origin_server_ts", "unsigned")

    happenings = await handed_over(inside, fake, poisons)

    assert {type(one) for one in happenings.values()} == {RoomChange}
    assert await faults(inside.db) == {}


async def test_the_bots_own_message_with_any_job_key_is_an_echo_or_nothing(
    inside: Inside, fake: FakeHomeserver
) -> None:
    echo = changed(text("$poison", room=GARDEN), BOT, "sender")

    happenings = await handed_over(inside, fake, spoiled(echo, "content org.knockbot.effect"))

    keys = {name: one.job_key for name, one in happenings.items() if isinstance(one, Echo)}
    assert list(keys.values()) == ["", "text", "\ufffd"]
    assert await faults(inside.db) == {}
