"""What the homeserver says of rooms and people, read into the domain's nouns, whoever wrote it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from knockbot.domain.model import Membership, Reaction, RoomView
from knockbot.domain.spaces import SpaceChild
from knockbot.errors import Later, Never
from knockbot.matrix.homeserver import Homeserver
from knockbot.matrix.rooms import Outside
from tests.matrix.bench import FORBIDDEN, NOT_FOUND
from tests.matrix.edge import ANA, BOT, GARDEN, MODERATOR, MODS, START, Json, member, reaction
from tests.matrix.fake_homeserver import FakeHomeserver, Reply


@pytest.fixture
def outside(homeserver: Homeserver) -> Outside:
    """The homeserver as the flow sees it."""
    return Outside(homeserver, "tulip.example")


def has_state(fake: FakeHomeserver, event_type: str, content: Any, **more: Any) -> None:
    fake.on("GET", f"state/{event_type}", Reply(body={"content": content, **more}))


@pytest.fixture(autouse=True)
def bare(fake: FakeHomeserver) -> None:
    """No room has any state unless a test says so."""
    fake.on("GET", "state/*", NOT_FOUND)
    fake.on("GET", "state/*/*", NOT_FOUND)


# --- members --------------------------------------------------------------------------------------------------


async def test_the_member_event_that_stands_is_read_whole(outside: Outside, fake: FakeHomeserver) -> None:
    fake.on("GET", f"state/m.room.member/{ANA}", Reply(body=member("$now", reason="please")))

    standing = await outside.member(GARDEN, ANA)

    assert standing is not None
    assert (standing.event_id, standing.membership, standing.reason) == ("$now", Membership.KNOCK, "please")


async def test_who_was_never_there_has_none(outside: Outside) -> None:
    assert await outside.member(GARDEN, ANA) is None


@pytest.mark.parametrize("body", [{}, {"membership": "knock"}, member() | {"content": {}}, member() | {"event_id": 5}])
async def test_one_that_cannot_be_read_is_not_the_same_as_none(
    outside: Outside, fake: FakeHomeserver, body: Any
) -> None:
    fake.on("GET", f"state/m.room.member/{ANA}", Reply(body=body))

    with pytest.raises(Later):
        await outside.member(GARDEN, ANA)


async def test_a_room_that_may_not_be_read_is_a_no(outside: Outside, fake: FakeHomeserver) -> None:
    fake.on("GET", "state/*/*", FORBIDDEN)

    with pytest.raises(Never):
        await outside.member(GARDEN, ANA)


async def test_of_those_who_knock_the_readable_ones_are_found(outside: Outside, fake: FakeHomeserver) -> None:
    chunk = [member("$1"), 5, None, {}, member("$2", membership="join"), member("$3", displayname={}), [member("$4")]]
    fake.on("GET", "members", Reply(body={"chunk": chunk}))

    assert [change.event_id for change in await outside.knocking(GARDEN)] == ["$1", "$3"]
    assert fake.requests[-1].query["membership"] == "knock"


@pytest.mark.parametrize(
    ("reply", "membership"),
    [
        (Reply(body=member("$old", membership="ban")), Membership.BAN),
        (Reply(body={}), None),
        (NOT_FOUND, None),
        (FORBIDDEN, None),
    ],
)
async def test_what_an_older_event_set_is_told_where_it_can_be_seen(
    outside: Outside, fake: FakeHomeserver, reply: Reply, membership: Membership | None
) -> None:
    fake.on("GET", "event/$old", reply)

    assert await outside.membership_of(GARDEN, "$old") is membership


# --- powers ---------------------------------------------------------------------------------------------------


async def test_the_create_event_is_asked_for_once_and_the_levels_each_time(
    outside: Outside, fake: FakeHomeserver
) -> None:
    has_state(fake, "m.room.create", {"room_version": "12"}, sender=MODERATOR)
    has_state(fake, "m.room.power_levels", {"users": {BOT: 50}})

    for _ in range(3):
        powers = await outside.powers(GARDEN)

    assert (powers.level(MODERATOR), powers.level(BOT)) == (math.inf, 50)
    assert len(fake.asked("GET", "state/m.room.create")) == 1
    assert len(fake.asked("GET", "state/m.room.power_levels")) == 3


@pytest.mark.parametrize("unseen", [NOT_FOUND, Reply(body={}), Reply(body={"content": 5})])
async def test_a_create_event_that_could_not_be_seen_is_asked_for_again(
    outside: Outside, fake: FakeHomeserver, unseen: Reply
) -> None:
    create = Reply(body={"sender": MODERATOR, "content": {"room_version": "12"}})
    fake.on("GET", "state/m.room.create", unseen, create)

    assert (await outside.powers(GARDEN)).level(MODERATOR) == 0
    assert (await outside.powers(GARDEN)).level(MODERATOR) == math.inf


async def test_a_room_without_power_levels_belongs_to_its_creator(outside: Outside, fake: FakeHomeserver) -> None:
    has_state(fake, "m.room.create", {"room_version": "11"}, sender=MODERATOR)

    powers = await outside.powers(GARDEN)

    assert (powers.level(MODERATOR), powers.level(BOT)) == (100, 0)


# --- rooms ----------------------------------------------------------------------------------------------------

MEMBER_OF = {"type": "m.room_membership", "room_id": MODS}


@pytest.mark.parametrize(
    ("content", "child"),
    [
        ({"via": ["far.example", "tulip.example"], "order": 5}, SpaceChild(MODS, ours=True)),
        ({"via": ["far.example"]}, SpaceChild(MODS)),
        ({"via": [5, "far.example", None]}, SpaceChild(MODS)),
        ({"via": []}, None),
        ({"via": "tulip.example"}, None),
        ({"suggested": True}, None),
        ({}, None),
        (5, None),
    ],
)
async def test_a_room_of_a_space_has_servers(
    outside: Outside, fake: FakeHomeserver, content: Any, child: SpaceChild | None
) -> None:
    fake.on("GET", f"state/m.space.child/{MODS}", Reply(body={"content": content, "event_id": "$named"}))

    assert await outside.space_child(GARDEN, MODS) == (replace(child, event_id="$named") if child else None)


async def test_a_space_may_name_anything(outside: Outside, fake: FakeHomeserver) -> None:
    via = {"via": ["tulip.example"]}
    keys = [MODS, "", "!", "lawn", "@ana:b", 5, None, "!a:b\0", "!" + "x" * 300 + ":b", ["!a:b"]]
    events = [{"type": "m.space.child", "state_key": key, "content": via} for key in keys]
    create = {"type": "m.room.create", "state_key": "", "content": {}}
    fake.on("GET", "state", Reply(body=[create, *events, {"type": "m.space.child"}, 5]))
    fake.on("GET", "sync", Reply(404, {"errcode": "M_UNRECOGNIZED"}))

    assert await outside.space_children(GARDEN) == [SpaceChild(MODS, ours=True)]


@pytest.mark.parametrize(
    ("state", "view"),
    [
        ({}, RoomView(GARDEN, GARDEN, "invite", world_readable=False)),
        ({"name": {"name": " Garden "}}, RoomView(GARDEN, "Garden", "invite", world_readable=False)),
        (
            {"name": {"name": ""}, "canonical_alias": {"alias": "#g:x"}},
            RoomView(GARDEN, "#g:x", "invite", world_readable=False),
        ),
        (
            {"name": {"name": {}}, "canonical_alias": {"alias": 5}, "join_rules": {"join_rule": []}},
            RoomView(GARDEN, GARDEN, "invite", world_readable=False),
        ),
        ({"name": {"name": "a\0b\ud800"}}, RoomView(GARDEN, "a\ufffdb\ufffd", "invite", world_readable=False)),
        ({"name": {"name": "x" * 60_000}}, RoomView(GARDEN, "x" * 255, "invite", world_readable=False)),
        ({"join_rules": {"join_rule": "knock"}}, RoomView(GARDEN, GARDEN, "knock", world_readable=False)),
        ({"create": {"type": "m.space"}}, RoomView(GARDEN, GARDEN, "invite", world_readable=False, is_space=True)),
        ({"create": {"type": ["m.space"]}}, RoomView(GARDEN, GARDEN, "invite", world_readable=False)),
        (
            {"history_visibility": {"history_visibility": "world_readable"}},
            RoomView(GARDEN, GARDEN, "invite", world_readable=True),
        ),
    ],
)
async def test_a_room_is_seen_as_it_is_whatever_its_state_holds(
    outside: Outside, fake: FakeHomeserver, state: dict[str, Any], view: RoomView
) -> None:
    for name, content in state.items():
        has_state(fake, f"m.room.{name}", content)

    assert await outside.room(GARDEN) == view


@pytest.mark.parametrize(
    ("allow", "rooms"),
    [
        ([MEMBER_OF], (MODS,)),
        ([5, None, {}, {"type": "org.example"}, MEMBER_OF | {"room_id": 5}, MEMBER_OF | {"room_id": "x\0"}], ()),
        ("!mods:tulip.example", ()),
        (None, ()),
    ],
)
async def test_of_a_restricted_room_the_rooms_it_names_are_known(
    outside: Outside, fake: FakeHomeserver, allow: Any, rooms: tuple[str, ...]
) -> None:
    has_state(fake, "m.room.join_rules", {"join_rule": "knock_restricted", "allow": allow})

    assert (await outside.room(GARDEN)).allow == rooms


# --- aliases --------------------------------------------------------------------------------------------------


async def test_an_alias_leads_to_a_room_and_to_servers(outside: Outside, fake: FakeHomeserver) -> None:
    fake.on("GET", "directory/room/*", Reply(body={"room_id": GARDEN, "servers": ["a.example", "b.example:8448"]}))

    assert await outside.resolve("#garden:tulip.example") == (GARDEN, ("a.example", "b.example:8448"))


@pytest.mark.parametrize("room_id", [None, 5, "", "garden", "#garden:tulip.example", "!a\0b:x", "!" + "a" * 300 + ":x"])
async def test_what_another_server_calls_a_room_must_be_one(
    outside: Outside, fake: FakeHomeserver, room_id: Any
) -> None:
    fake.on("GET", "directory/room/*", Reply(body={"room_id": room_id, "servers": []}))

    with pytest.raises(Never):
        await outside.resolve("#garden:evil.example")


async def test_and_its_servers_must_be_some_and_not_too_many(outside: Outside, fake: FakeHomeserver) -> None:
    servers = ["", "a b", "x\0", "ok.example", 5, *(f"s{n}.example" for n in range(1000))]
    fake.on("GET", "directory/room/*", Reply(body={"room_id": GARDEN, "servers": servers}))

    _, found = await outside.resolve("#garden:evil.example")

    assert found == ("ok.example", *(f"s{n}.example" for n in range(9)))


# --- reactions ------------------------------------------------------------------------------------------------


def relation(event_id: str, **changes: Any) -> Json:
    """A reaction as /relations tells it: without its room."""
    return {key: value for key, value in reaction(event_id).items() if key != "room_id"} | changes


async def test_the_reactions_on_a_card_are_read_and_odd_ones_passed_over(
    outside: Outside, fake: FakeHomeserver
) -> None:
    odd: list[Any] = [5, None, [], {}, relation("$2", content={}), relation("$3", sender="nobody"), relation("no id")]
    fake.on("GET", "relations/$card/m.annotation", Reply(body={"chunk": [relation("$1"), *odd]}))

    assert await outside.reactions(MODS, "$card") == [Reaction(MODS, "$1", MODERATOR, START, "$card", "✅")]
