"""A policy is judged by the facts it asks for, and no other; what cannot be found out is left to the moderators."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from knockbot.domain.model import Decision, Fact, State, Verdict
from knockbot.domain.reasons import foreign, in_words
from knockbot.errors import Later, Never
from knockbot.flow.judging import GATHER
from knockbot.product import FEATURES
from knockbot.store import policies
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT, World, levels_for

SPACE = "!space:tulip.example"
ALIAS = "#space:tulip.example"
BY_SPACE = f"""
rules:
- {{name: trolls, when: {{reason_matches: troll}}, then: ban}}
- {{name: our people, when: {{member_of: "{ALIAS}"}}, then: accept}}
otherwise: reject
"""


@pytest.fixture
async def by_space(house: House) -> House:
    """A garden that is open to the members of a space; ana is one, and the bot is in it to look."""
    house.world.room(SPACE, "Space", ALICE, BOT, ANA, join_rule="invite")
    house.world.aliases[ALIAS] = SPACE
    await house.set_policy(BY_SPACE)
    return house


async def decision_on(house: House, user_id: str = ANA, reason: str = "hello") -> Decision:
    """What the policy said of somebody's knock."""
    house.world.knock(GARDEN, user_id, reason)
    await house.hear()
    decision = (await house.requests(user_id))[-1].decision
    assert decision is not None
    return decision


async def test_a_policy_without_rooms_asks_nothing_of_the_homeserver(house: House) -> None:
    text = "rules: [{when: {local: true, reason_matches: hello}, then: accept}]"
    await house.set_policy(text, author=policies.CONFIG_FILE)
    assert (await decision_on(house)).verdict is Verdict.ACCEPT
    assert house.world.calls == []


async def test_a_policy_with_a_room_asks_for_that_room_only(by_space: House) -> None:
    decision = await decision_on(by_space)
    assert (decision.verdict, decision.rule) == (Verdict.ACCEPT, "our people")
    assert [miss.rule for miss in decision.missed] == ["trolls"]
    looked = [("member", SPACE, BOT), ("member", SPACE, ANA), ("tombstone", SPACE)]
    assert by_space.world.calls == [*looked, ("member", GARDEN, ALICE), ("powers", GARDEN)]


@pytest.mark.parametrize("membership", ["leave", "invite", "knock", "ban"])
async def test_whoever_is_not_joined_is_no_member(by_space: House, membership: str) -> None:
    by_space.world.change(SPACE, ALICE, ANA, membership)
    decision = await decision_on(by_space)
    assert (decision.verdict, decision.rule, decision.unknown) == (Verdict.REJECT, "otherwise", None)


async def test_a_stranger_to_the_room_is_no_member(by_space: House) -> None:
    assert (await decision_on(by_space, "@bob:tulip.example")).verdict is Verdict.REJECT


UNKNOWABLE: dict[str, Callable[[World], object]] = {
    "the bot was put out": lambda world: world.change(SPACE, ALICE, BOT, "leave"),
    "the bot is only invited": lambda world: world.change(SPACE, ALICE, BOT, "invite"),
    "the room was replaced": lambda world: world.replace(SPACE, "!space2:tulip.example"),
    "whether it was replaced is not told": lambda world: world.play("tombstone", Later(foreign("silent"))),
    "the homeserver is silent": lambda world: world.play(
        "member", Later(foreign("cannot be reached."), unreachable=True)
    ),
    "it may not be told": lambda world: world.play("member", Never(foreign("the homeserver says: no"))),
}


@pytest.mark.parametrize("name", UNKNOWABLE)
async def test_what_cannot_be_known_is_left_to_the_moderators_who_are_told_why(by_space: House, name: str) -> None:
    """To take it for "no" would reject, by `otherwise`, somebody whom the policy may welcome."""
    UNKNOWABLE[name](by_space.world)
    by_space.world.outbox.clear()
    decision = await decision_on(by_space)
    assert (decision.verdict, decision.rule) == (Verdict.FORWARD, "our people")
    assert decision.unknown is not None
    assert ALIAS in in_words(decision.unknown)

    by_space.world.behave()
    await by_space.live()
    assert ALIAS in by_space.card().text
    assert by_space.membership(ANA) == "knock"


async def test_a_rule_that_decides_before_what_cannot_be_known_decides(by_space: House) -> None:
    by_space.world.change(SPACE, ALICE, BOT, "leave")
    assert (await decision_on(by_space, reason="I am a troll")).verdict is Verdict.BAN


MOVES: dict[str, Callable[[World], object]] = {
    "elsewhere": lambda world: world.aliases.update({ALIAS: "!trap:evil.example"}),
    "away": lambda world: world.aliases.clear(),
    "behind a silent server": lambda world: world.play("resolve", Later(foreign("no answer within 90 seconds."))),
}


@pytest.mark.parametrize("how", MOVES)
async def test_an_alias_stays_the_room_that_it_meant_when_the_policy_was_set(by_space: House, how: str) -> None:
    """Whoever gets hold of an alias later must not get to say who comes in."""
    by_space.world.room("!trap:evil.example", "Trap", ALICE, "@bob:tulip.example", BOT)
    MOVES[how](by_space.world)
    by_space.tell(f"protect {ALIAS}")
    by_space.tell(f"test {GARDEN} @bob:tulip.example")
    await by_space.live()

    assert (await decision_on(by_space)).verdict is Verdict.ACCEPT
    assert (await decision_on(by_space, "@bob:tulip.example")).verdict is Verdict.REJECT


async def test_a_policy_without_a_pin_for_an_alias_does_not_take_one_from_judging_or_from_test(house: House) -> None:
    house.world.room(SPACE, "Space", ALICE, BOT, ANA, join_rule="invite")
    await house.set_policy(BY_SPACE)
    house.world.aliases[ALIAS] = SPACE
    house.tell(f"test {GARDEN} {ANA}")
    await house.live()

    assert "do not know yet which room" in house.spoken()[-1]
    assert (await decision_on(house)).verdict is Verdict.FORWARD
    assert house.world.asked("resolve") == []


async def test_a_room_named_by_its_id_is_looked_at_as_it_is(by_space: House) -> None:
    await by_space.set_policy(f'rules: [{{when: {{member_of: "{SPACE}"}}, then: accept}}]')
    assert (await decision_on(by_space)).verdict is Verdict.ACCEPT
    assert by_space.world.asked("resolve") == []


async def test_a_policy_that_is_changed_holds_for_the_next_knock(house: House) -> None:
    await house.set_policy("otherwise: reject")
    assert (await decision_on(house)).verdict is Verdict.REJECT
    await house.live()
    await house.set_policy("otherwise: accept")
    assert (await decision_on(house)).verdict is Verdict.ACCEPT


async def test_each_room_is_judged_by_its_own_policy(house: House) -> None:
    house.world.room("!lawn:tulip.example", "Lawn", ALICE, BOT, levels=levels_for())
    await house.protect("!lawn:tulip.example", policy="otherwise: accept")
    house.world.knock("!lawn:tulip.example", ANA)
    assert (await decision_on(house)).verdict is Verdict.FORWARD

    lawn = (await house.request(ANA, "!lawn:tulip.example")).decision
    assert lawn is not None
    assert lawn.verdict is Verdict.ACCEPT


async def test_what_came_of_earlier_requests_here_is_known_where_a_policy_asks(house: House) -> None:
    await house.set_policy("rules: [{name: twice, when: {rejected_before: {times: 2, within: 7d}}, then: ban}]")
    for _ in range(2):
        assert (await decision_on(house)).verdict is Verdict.FORWARD
        house.world.change(GARDEN, ALICE, ANA, "leave")
        await house.live()

    assert (await decision_on(house)).rule == "twice"
    await house.live()
    assert [request.state for request in await house.requests(ANA)] == [State.REJECTED, State.REJECTED, State.BANNED]


async def test_what_happened_at_another_door_or_long_ago_does_not_count(house: House) -> None:
    house.world.room("!lawn:tulip.example", "Lawn", ALICE, BOT)
    await house.protect("!lawn:tulip.example")
    await house.set_policy("rules: [{name: once, when: {rejected_before: {times: 1, within: 1d}}, then: ban}]")
    house.world.knock("!lawn:tulip.example", ANA)
    house.world.change("!lawn:tulip.example", ALICE, ANA, "leave")
    assert (await decision_on(house)).verdict is Verdict.FORWARD
    house.world.change(GARDEN, ALICE, ANA, "leave")
    await house.live()

    house.clock.go_on(25 * 3600)
    assert (await decision_on(house)).verdict is Verdict.FORWARD


async def test_trying_a_policy_does_nothing(by_space: House) -> None:
    by_space.tell(f"test {GARDEN} {ANA} hello")
    await by_space.later()

    assert await by_space.requests(ANA) == []
    assert by_space.cards() == []
    assert any("accept" in text and "our people" in text for text in by_space.spoken())
    assert by_space.membership(ANA) is None
    assert by_space.membership(ANA, MODS) is None


def test_each_kind_of_fact_has_a_place_that_looks_it_up() -> None:
    features = [fact for feature in FEATURES for fact in feature.gathers]
    assert sorted([*GATHER, *features]) == sorted(Fact)
