"""Who is in other rooms: those managed from here, and those that only the homeserver tells of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from knockbot.demo.people import until
from knockbot.domain.model import MemberChange, State, Verdict
from knockbot.domain.reasons import foreign, in_words
from knockbot.engine.turn import Handled
from knockbot.errors import Later, Never
from knockbot.flow import dossier, place
from knockbot.flow.context import Context
from knockbot.store import rooms
from knockbot.times import DAY
from tests.flow.house import GARDEN, House
from tests.flow.neighbours import FARMERS, MEADOW, ORCHARD, decided, with_neighbours
from tests.flow.world import ALICE, ANA, BOT, levels_for

NEARBY = "rules: [{name: nearby, when: {member_of_managed: true}, then: reject}]"
FARAWAY = "!faraway:tulip.example"
OURS = f'rules: [{{name: ours, when: {{member_of: "{FARAWAY}"}}, then: reject}}]'


# --- rooms managed from here --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("room_id", "rule"), [(ORCHARD, "nearby"), (MEADOW, "otherwise"), (None, "otherwise")])
async def test_only_rooms_managed_from_the_same_place_count(house: House, room_id: str | None, rule: str) -> None:
    await with_neighbours(house)
    if room_id is not None:
        house.world.change(room_id, ANA, ANA, "join")
    await house.set_policy(NEARBY)

    assert (await decided(house)).rule == rule


async def test_where_no_other_room_is_managed_from_here_nobody_is_in_one(house: House) -> None:
    await house.set_policy(NEARBY)
    [missed] = (await decided(house)).missed
    assert in_words(missed.why) == "user is in no other room managed from here"


async def test_a_room_that_the_bot_is_not_in_makes_it_unknown_unless_they_are_in_another(house: House) -> None:
    await with_neighbours(house)
    house.world.room("!pond:tulip.example", "Pond", ALICE, BOT, levels=levels_for())
    await house.protect("!pond:tulip.example")
    house.world.change(ORCHARD, ALICE, BOT, "leave")
    await house.live()
    await house.set_policy(NEARBY)

    decision = await decided(house)
    assert decision.unknown is not None
    assert "whether the user is in another room managed from here" in in_words(decision.unknown)
    assert "Orchard" in in_words(decision.unknown)

    house.world.change("!pond:tulip.example", "@bea:tulip.example", "@bea:tulip.example", "join")
    assert (await decided(house, "@bea:tulip.example")).rule == "nearby"


async def test_and_unless_the_homeserver_tells(house: House) -> None:
    await with_neighbours(house)
    house.world.change(ORCHARD, ALICE, BOT, "leave")
    house.world.change(ORCHARD, ANA, ANA, "join")
    await house.live()
    house.world.tells_afar = True
    await house.set_policy(NEARBY)

    assert (await decided(house)).rule == "nearby"
    assert (await decided(house, "@bea:tulip.example")).rule == "otherwise"


async def test_where_the_homeserver_has_no_quick_answer_each_room_is_looked_at(house: House) -> None:
    await with_neighbours(house)
    house.world.change(ORCHARD, ANA, ANA, "join")
    await house.set_policy(NEARBY)
    house.world.play("mutual_rooms", Never(foreign("no such call")))

    assert (await decided(house)).rule == "nearby"


async def test_where_the_homeserver_does_not_answer_it_is_unknown(house: House) -> None:
    await with_neighbours(house)
    await house.set_policy(NEARBY)
    house.world.play("mutual_rooms", Later(foreign("no answer")))

    decision = await decided(house)
    assert (decision.verdict, decision.rule) == (Verdict.FORWARD, "nearby")
    assert decision.unknown is not None


async def test_a_room_that_was_replaced_does_not_count(house: House) -> None:
    await with_neighbours(house)
    house.world.change(ORCHARD, ANA, ANA, "join")
    house.world.replace(ORCHARD, "!new:tulip.example")
    await house.live()
    await house.set_policy(NEARBY)

    assert (await decided(house)).rule == "otherwise"


# --- once the room is managed from somewhere else -----------------------------------------------------------------

ELSEWHERE = "!elsewhere:tulip.example"


async def taken_over(house: House) -> None:
    """Somebody else has the garden managed from a room that knows none of its neighbours."""
    house.world.room(ELSEWHERE, "Elsewhere", ALICE, BOT, levels=levels_for(), join_rule="invite")
    house.world.say(ELSEWHERE, ALICE, f"!kb protect {GARDEN}")
    await house.later()


async def answered(house: House, command: str) -> str:
    """What the bot replies there."""
    before = len(house.spoken(ELSEWHERE))
    house.world.say(ELSEWHERE, ALICE, command)
    await house.later()
    return "\n".join(house.spoken(ELSEWHERE)[before:])


async def test_which_room_could_not_be_asked_is_not_told_where_the_room_has_moved_to(house: House) -> None:
    await with_neighbours(house)
    house.world.change(ORCHARD, ALICE, BOT, "leave")
    await house.live()
    await house.set_policy(NEARBY)
    await decided(house)
    await house.later()
    assert "Orchard" in house.card().text

    await taken_over(house)
    assert "Orchard" not in "\n".join(house.spoken(ELSEWHERE))
    shown = await answered(house, "!kb show 1") + await answered(house, "!kb log")
    assert ANA in shown
    assert "Orchard" not in shown


@pytest.mark.parametrize("where", ["joined", "not joined"])
async def test_whether_they_were_in_another_room_is_neither_told_nor_used_there(house: House, where: str) -> None:
    await with_neighbours(house)
    if where == "joined":
        house.world.change(ORCHARD, ANA, ANA, "join")
    await house.set_policy("rules: [{name: strangers, when: {member_of_managed: false, local: true}, then: forward}]")
    await decided(house)
    await taken_over(house)

    assert "another room managed" not in await answered(house, "!kb show 1")
    tried = await answered(house, f"!kb policy try {GARDEN}\n{NEARBY}")
    assert "reject" not in tried
    assert (await house.request(ANA)).decision is None


async def test_what_was_found_out_in_the_room_alone_moves_along(house: House) -> None:
    await house.set_policy("rules: [{name: strangers, when: {local: false}, then: reject}]")
    before = await decided(house)
    await taken_over(house)
    assert (await house.request(ANA)).decision == before


async def test_nor_is_the_space_whose_policy_decided_told_there(house: House) -> None:
    house.world.room(ORCHARD, "Orchard", ALICE, BOT, levels=levels_for())
    await house.protect(ORCHARD, policy="rules: [{name: pickers, when: {local: true}, then: forward}]")
    async with house.db.tx() as tx:
        await rooms.set_space(tx, GARDEN, ORCHARD)
    await decided(house)
    await taken_over(house)

    shown = await answered(house, "!kb show 1") + await answered(house, "!kb log")
    assert "judged" in str(await house.history(await house.request(ANA)))
    assert "policy says forward" in shown
    assert "Orchard" not in shown
    assert "pickers" not in shown


ASKS = {
    "unasked": NEARBY,
    "outcomes": "rules: [{name: known, when: {rejected_before: {where: managed}}, then: reject}]",
    "knocks": "rules: [{name: known, when: {knocks: {more_than: 1, within: 7d, where: managed}}, then: reject}]",
    "servers": (
        "rules: [{name: known, when: {knocks_from_server: {more_than: 2, within: 7d, where: managed}}, then: reject}]"
    ),
    "reasons": "rules: [{name: known, when: {same_reason: {more_than: 1, within: 7d, where: managed}}, then: reject}]",
    "acquaintance": "rules: [{name: known, when: {first_seen_at_least: 2d}, then: reject}]",
    "space": "{rules: [], inherit: true}",
}
"""Policies that find something out in the orchard."""


async def known_in_the_orchard(house: House) -> None:
    """They were rejected at the orchard, where somebody else had knocked as well; it is the space of the garden."""
    await with_neighbours(house)
    await house.set_policy("rules: [{name: known, when: {local: true}, then: reject}]", ORCHARD)
    async with house.db.tx() as tx:
        await rooms.set_space(tx, GARDEN, ORCHARD)
    for user_id in ("@bea:tulip.example", ANA):
        house.world.knock(ORCHARD, user_id, "apples")
        await house.live()
    await house.later(3 * DAY / 1000)


async def judged_while(house: House, meanwhile: Callable[[], Awaitable[None]]) -> None:
    """They knock at the garden, and something happens after that is judged, but before it is written down."""
    as_ever = house.arrivals._handlers[MemberChange]
    once = [meanwhile]

    async def slowly(context: Context, change: MemberChange) -> Handled:
        handled = await as_ever(context, change)
        if once and change.room_id == GARDEN:
            await once.pop()()
        return handled

    house.arrivals._handlers = {**house.arrivals._handlers, MemberChange: slowly}
    house.world.knock(GARDEN, ANA, "apples")
    await house.later()
    house.arrivals._handlers = {**house.arrivals._handlers, MemberChange: as_ever}


@pytest.mark.parametrize("asks", ASKS)
async def test_a_knock_that_is_judged_while_its_room_moves_tells_nothing_of_the_rooms_before(
    house: House, asks: str
) -> None:
    await known_in_the_orchard(house)
    await house.set_policy(ASKS[asks])
    if asks == "unasked":
        house.world.change(ORCHARD, ALICE, BOT, "leave")
        await house.live()
    house.world.room(ELSEWHERE, "Elsewhere", ALICE, BOT, levels=levels_for(), join_rule="invite")

    async def moves() -> None:
        house.world.say(ELSEWHERE, ALICE, f"!kb protect {GARDEN}")
        await house.deliver()
        await house.arrivals._start_rooms()

        async def managed_from() -> str:
            async with house.db.tx() as tx:
                room = await rooms.find(tx, GARDEN)
            return room.management_room if room is not None else ""

        await until(managed_from, lambda where: where == ELSEWHERE, lambda where: f"managed from {where}")

    await judged_while(house, moves)

    said = await answered(house, "!kb show 1") + await answered(house, "!kb log") + await answered(house, "!kb list")
    everything = said + "\n".join(str(content) for content in house.said(ELSEWHERE))
    assert ANA in said
    assert [word for word in ("Orchard", ORCHARD, "known”", "earlier") if word in everything] == []
    request = await house.request(ANA)
    assert (request.management_room, request.state, request.answer) == (ELSEWHERE, State.PENDING, None)
    assert house.membership(ANA) == "knock"


@pytest.mark.parametrize("asks", sorted(ASKS.keys() - {"unasked"}))
async def test_a_knock_that_is_judged_while_its_room_stays_is_decided_by_what_is_known_there(
    house: House, asks: str
) -> None:
    await known_in_the_orchard(house)
    await house.set_policy(ASKS[asks])

    async def nothing() -> None:
        """The room stays."""

    await judged_while(house, nothing)
    decision = (await house.request(ANA)).decision
    assert decision is not None
    assert decision.rule == "known"


async def test_a_card_that_is_written_while_its_room_moves_has_no_dossier_of_the_rooms_before(house: House) -> None:
    await known_in_the_orchard(house)
    await house.set_policy("otherwise: forward")
    await decided(house)
    request = await house.request(ANA)

    async with house.db.tx() as tx:
        there = await place.find(house.context, tx, GARDEN)
    assert there is not None
    before = await dossier.gather(house.context, there, request)
    assert "Orchard" in str(before)
    async with house.db.tx() as tx:
        await tx.execute("UPDATE rooms SET management_room = $1 WHERE room_id = $2", FARMERS, GARDEN)
    assert await dossier.gather(house.context, there, request) == ()


# --- rooms that the bot is not in ---------------------------------------------------------------------------------


async def policy_of_a_faraway_room(house: House, *, by: str = ALICE) -> list[str]:
    """A moderator sets a policy that names a room the bot is not in; returns the replies."""
    house.world.room(FARAWAY, "Faraway", ALICE, ANA, levels=levels_for())
    before = len(house.spoken())
    house.tell(f"policy set {GARDEN}\n{OURS}", by=by)
    await house.live()
    return house.spoken()[before:]


async def test_a_policy_may_name_a_room_that_the_bot_is_not_in_only_where_the_homeserver_tells(house: House) -> None:
    [said, *_] = await policy_of_a_faraway_room(house)
    assert "Policy not changed" in said

    house.world.tells_afar = True
    [said, *_] = await policy_of_a_faraway_room(house)
    assert "Policy not changed" not in said
    assert (await decided(house)).rule == "ours"
    assert (await decided(house, "@bea:tulip.example")).rule == "otherwise"


async def test_its_author_has_to_be_in_there_all_the_same(house: House) -> None:
    house.world.tells_afar = True
    house.world.room(FARAWAY, "Faraway", ANA, levels=levels_for())
    house.tell(f"policy set {GARDEN}\n{OURS}")
    await house.live()

    assert "Policy not changed" in house.spoken()[-1]


async def test_who_only_asks_learns_nothing_of_a_room_that_they_are_not_in(house: House) -> None:
    house.world.tells_afar = True
    await policy_of_a_faraway_room(house)
    house.world.change(FARAWAY, ALICE, ALICE, "leave")
    house.tell(f"test {GARDEN} {ANA}")
    await house.live()

    assert "you are not in" in house.spoken()[-1]


async def test_when_the_homeserver_tells_no_more_it_is_unknown(house: House) -> None:
    house.world.tells_afar = True
    await policy_of_a_faraway_room(house)
    house.world.tells_afar = False

    decision = await decided(house)
    assert (decision.verdict, decision.rule) == (Verdict.FORWARD, "ours")
    assert decision.unknown is not None
