"""Policy lists: a whole room is read portion by portion, kept as its events change it, and asked about people."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from knockbot.domain.entities import Entities
from knockbot.domain.lists import EntityKind, Entry, Hit, Recommendation, names_of_user
from knockbot.domain.model import ListChange, Redaction
from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from knockbot.features.lists import matching, reading
from knockbot.features.lists.matching import Unread
from knockbot.flow.listed import Listed
from knockbot.matrix import events
from knockbot.store import lists
from tests.flow.house import House, housed
from tests.flow.world import ALICE, BOT, NOW

BANS = "!bans:tulip.example"


@pytest.fixture
async def bans(house: House) -> House:
    """A house that follows a list, and has not read it yet."""
    return await followed(house)


async def followed(house: House) -> House:
    house.world.room(BANS, "Bans", ALICE, BOT)
    async with house.db.tx() as tx:
        await lists.follow(tx, BANS, NOW)
    return house


async def hit(house: House, user_id: str, **how: Any) -> str | None:
    """The entity by which the list names somebody."""
    found = await matching.match(house.context, BANS, user_id, **how)
    return found.entity if found is not None else None


async def put(house: House) -> None:
    """What has happened in the list's room is taken in."""
    for event in house.world.delivered():
        happened = events.parse(event, BOT)
        if isinstance(happened, Redaction):
            async with house.db.tx() as tx:
                await lists.redact(tx, happened)
        else:
            assert isinstance(happened, ListChange)
            stands = await reading.as_it_stands(house.context, happened)
            async with house.db.tx() as tx:
                await lists.put(tx, stands)


async def test_a_list_that_was_never_read_is_unknown_and_not_empty(bans: House) -> None:
    with pytest.raises(Unread):
        await hit(bans, "@ana:tulip.example")


async def test_a_list_is_read_and_asked(bans: House) -> None:
    world = bans.world
    world.list_entity(BANS, ALICE, "@eve:evil.example", reason="ads")
    world.list_entity(BANS, ALICE, "*.spam.example", EntityKind.SERVER, event_type="m.room.rule.")
    world.list_entity(BANS, ALICE, "@bot-*:*", recommendation="m.takedown")

    assert await reading.read(bans.context, BANS)

    found = await matching.match(bans.context, BANS, "@eve:evil.example")
    assert found == Hit(
        "@eve:evil.example", EntityKind.USER, Recommendation.BAN, "ads", "m.policy.rule.user rule:@eve:evil.example"
    )
    assert await hit(bans, "@any:A.spam.example:8448") == "*.spam.example"
    assert await hit(bans, "@bot-7:tulip.example") == "@bot-*:*"
    assert await hit(bans, "@ana:tulip.example") is None


async def test_what_events_change_is_known_at_once(bans: House) -> None:
    await reading.read(bans.context, BANS)
    assert await hit(bans, "@eve:evil.example") is None

    bans.world.list_entity(BANS, ALICE, "@eve:evil.example")
    bans.world.list_entity(BANS, ALICE, "@e*:evil.example")
    await put(bans)
    assert await hit(bans, "@eve:evil.example") == "@eve:evil.example"

    bans.world.unlist(BANS, ALICE, "@eve:evil.example")
    await put(bans)
    assert await hit(bans, "@eve:evil.example") == "@e*:evil.example"

    bans.world.unlist(BANS, ALICE, "@e*:evil.example")
    await put(bans)
    assert await hit(bans, "@eve:evil.example") is None


async def test_what_the_room_has_lost_meanwhile_is_gone_when_it_is_read_again(bans: House) -> None:
    for number in range(5):
        bans.world.list_entity(BANS, ALICE, f"@eve{number}:evil.example")
    await reading.read(bans.context, BANS)
    bans.world.outbox.clear()
    bans.world.unlist(BANS, ALICE, "@eve2:evil.example")
    bans.world.list_entity(BANS, ALICE, "@new:evil.example")
    bans.world.outbox.clear()

    await reading.read(bans.context, BANS)

    assert await hit(bans, "@eve2:evil.example") is None
    assert await hit(bans, "@eve3:evil.example") == "@eve3:evil.example"
    assert await hit(bans, "@new:evil.example") == "@new:evil.example"


async def test_a_removal_during_the_first_reading_is_not_undone_by_it(bans: House) -> None:
    for number in range(6):
        bans.world.list_entity(BANS, ALICE, f"@eve{number}:evil.example")
    bans.world.outbox.clear()

    async def meanwhile() -> None:
        bans.world.unlist(BANS, ALICE, "@eve1:evil.example")  # its portion was taken in
        bans.world.unlist(BANS, ALICE, "@eve5:evil.example")  # its portion is yet to come
        bans.world.list_entity(BANS, ALICE, "@eve4:evil.example", reason="newer")
        bans.world.list_entity(BANS, ALICE, "@late:evil.example")
        await put(bans)

    await read_with(bans, meanwhile)

    named = [await hit(bans, f"@eve{number}:evil.example") is not None for number in range(6)]
    assert named == [True, False, True, True, True, False]
    assert await hit(bans, "@late:evil.example") is not None
    found = await matching.match(bans.context, BANS, "@eve4:evil.example")
    assert found is not None
    assert found.reason == "newer"


async def read_with(bans: House, meanwhile: Any) -> None:
    """Read the list; after its first portion something happens."""
    outside, portions = bans.context.outside, []

    class Interrupted:
        def __getattr__(self, name: str) -> Any:
            return getattr(outside, name)

        async def policy_rules(self, room_id: str, take_in: Any) -> None:
            async def and_then(portion: Any) -> None:
                await take_in(portion)
                portions.append(portion)
                if len(portions) == 1:
                    await meanwhile()

            await outside.policy_rules(room_id, and_then)

    bans.furnish(outside=Interrupted())
    await reading.read(bans.context, BANS)
    bans.furnish(outside=outside)


async def test_a_first_reading_that_fails_half_way_leaves_the_list_unread(bans: House) -> None:
    for number in range(6):
        bans.world.list_entity(BANS, ALICE, f"@eve{number}:evil.example")
    bans.world.play("policy_rules_portion")
    bans.world.play("policy_rules_portion", Later(foreign("no answer")))

    with pytest.raises(Later):
        await reading.read(bans.context, BANS)

    with pytest.raises(Unread):
        await hit(bans, "@eve0:evil.example")
    bans.world.outbox.clear()
    await reading.read(bans.context, BANS)
    assert await hit(bans, "@eve5:evil.example") is not None


async def test_a_list_that_is_too_long_is_not_read(bans: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST", 3)
    for number in range(4):
        bans.world.list_entity(BANS, ALICE, f"@eve{number}:evil.example")

    with pytest.raises(Never):
        await reading.read(bans.context, BANS)

    with pytest.raises(Unread):
        await hit(bans, "@eve0:evil.example")


async def test_the_newest_reading_takes_the_place_of_the_others(bans: House) -> None:
    bans.world.list_entity(BANS, ALICE, "@eve:evil.example")
    bans.world.list_entity(BANS, ALICE, "@eva:evil.example")
    bans.world.list_entity(BANS, ALICE, "@evi:evil.example")
    done = []

    async def another() -> None:
        done.append(await reading.read(bans.context, BANS))

    outside = bans.context.outside
    await read_with(bans, another)

    assert done == [True]
    bans.furnish(outside=outside)
    assert await hit(bans, "@evi:evil.example") is not None


async def test_another_process_takes_in_what_this_one_has_changed(ready_postgres_url: str) -> None:
    async with housed(ready_postgres_url) as house:
        bans = await followed(house)
        bans.world.list_entity(BANS, ALICE, "@eve:evil.example")
        bans.world.outbox.clear()
        await reading.read(bans.context, BANS)
        other = await House(ready_postgres_url, bans.world).open()
        assert await hit(other, "@eve:evil.example") is not None

        bans.world.unlist(BANS, ALICE, "@eve:evil.example")
        bans.world.list_entity(BANS, ALICE, "@eva:evil.example")
        await put(bans)

        assert await hit(other, "@eve:evil.example") is None
        assert await hit(other, "@eva:evil.example") is not None
        await other.close()


async def test_a_list_that_is_followed_no_more_is_unknown_and_its_entries_go(bans: House) -> None:
    bans.world.list_entity(BANS, ALICE, "@eve:evil.example")
    await reading.read(bans.context, BANS)
    async with bans.db.tx() as tx:
        await lists.unfollow(tx, BANS)

    with pytest.raises(Unread):
        await hit(bans, "@eve:evil.example")
    more = True
    while more:
        async with bans.db.tx() as tx:
            more = await lists.sweep(tx)
    async with bans.db.tx() as tx:
        assert await tx.fetchval("SELECT count(*) FROM list_entries") == 0
        assert await tx.fetchval("SELECT count(*) FROM list_rooms") == 0


async def test_an_entry_about_everybody_does_nothing_unless_that_is_allowed(bans: House) -> None:
    bans.world.list_entity(BANS, ALICE, "@*:*")
    await reading.read(bans.context, BANS)

    assert await hit(bans, "@ana:tulip.example") is None
    assert await hit(bans, "@ana:tulip.example", allow_everything=True) == "@*:*"


# --- against the slow way ---------------------------------------------------------------------------------------

ENTITIES = (
    (EntityKind.USER, "@eve:evil.example"),
    (EntityKind.USER, "@e*:evil.example"),
    (EntityKind.USER, "*v?:*"),
    (EntityKind.USER, "@*:*"),
    (EntityKind.SERVER, "evil.example"),
    (EntityKind.SERVER, "*.example"),
    (EntityKind.SERVER, "*:8448"),
)
PEOPLE = ("@eve:evil.example", "@ada:evil.example", "@eve:evil.example:8448", "@liv:tulip.example", "@ana:tulip")


def slowly(house: House, user_id: str) -> bool:
    """Whether the room names somebody, by comparing each of its entries as it stands."""
    for event in house.world.rooms[BANS].rules.values():
        change = events.list_change(event)
        if change is not None and isinstance(change.now, Entry) and not change.now.everything:
            held = Entities()
            held.add(change.now.subject)
            names = names_of_user(user_id)
            if held.literals(names) or held.search(names).first():
                return True
    return False


def something_happens(house: House, chance: random.Random) -> None:
    """Somebody sets an entry, or removes or redacts one."""
    kind, entity = chance.choice(ENTITIES)
    act = chance.choice(["list", "list", "list", "unlist", "redact", "odd"])
    if act == "list":
        family = chance.choice(["m.policy.rule.", "m.room.rule."])
        house.world.list_entity(BANS, ALICE, entity, kind, event_type=family)
    elif act == "unlist":
        house.world.unlist(BANS, ALICE, entity, kind)
    elif act == "odd":
        house.world.list_entity(BANS, ALICE, entity, kind, recommendation="m.mute")
    elif standing := [event["event_id"] for event in house.world.rooms[BANS].rules.values() if event["content"]]:
        house.world.redact_rule(BANS, ALICE, chance.choice(standing))


async def followed_anew(house: House) -> None:
    """The list is dropped, and followed again at the same moment."""
    async with house.db.tx() as tx:
        await lists.unfollow(tx, BANS)
        await lists.sweep(tx)
        await lists.follow(tx, BANS, house.clock())
    await reading.read(house.context, BANS)


async def a_step(house: House, chance: random.Random) -> None:
    """Some of what can happen to a list, in one of the ways in which the bot can come to know it."""

    async def some_happen_and_are_told() -> None:
        for _ in range(chance.randrange(6)):
            something_happens(house, chance)
        await put(house)

    match chance.choice(["told", "told", "told", "missed", "interrupted", "anew"]):
        case "told":
            await some_happen_and_are_told()
        case "missed":
            something_happens(house, chance)
            house.world.outbox.clear()
            await reading.read(house.context, BANS)
        case "interrupted":
            await read_with(house, some_happen_and_are_told)
        case "anew":
            await followed_anew(house)


@pytest.mark.parametrize("seed", range(8))
async def test_every_process_says_what_the_room_says_whatever_came_first(bans: House, seed: int) -> None:
    chance = random.Random(seed)
    processes = [bans.context, *(replace(bans.context, listed=Listed()) for _ in range(2))]
    await reading.read(bans.context, BANS)

    for _ in range(25):
        await a_step(bans, chance)
        asked = chance.choice(processes)
        said = [await matching.match(asked, BANS, user_id) is not None for user_id in PEOPLE]
        assert said == [slowly(bans, user_id) for user_id in PEOPLE]
