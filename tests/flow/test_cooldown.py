"""A cooldown: who was rejected and knocks again within it is rejected, and told when they may; what begins it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from knockbot.domain.model import Request, State
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA

DAY = 24 * 3600.0
COOLDOWN = "cooldown: 7d\n"
RULES = """
cooldown: 7d
rules:
- {name: friends, when: {pre_approved: true}, then: accept}
- {name: too short, when: {not: {reason_length_at_least: 3}}, then: reject, may_ask_again: true}
- {name: adverts, when: {reason_matches: buy}, then: reject}
"""


@pytest.fixture
async def house(house: House) -> House:
    """A garden whose policy has a cooldown of a week."""
    await house.set_policy(RULES)
    return house


async def knocks(house: House, reason: str = "hello", user_id: str = ANA) -> Request:
    """Somebody knocks; returns their request."""
    house.world.knock(GARDEN, user_id, reason)
    await house.live()
    return (await house.requests(user_id))[-1]


async def command(house: House, what: str) -> None:
    house.tell(what)
    await house.live()


def rule_of(request: Request) -> str | None:
    return request.decision.rule if request.decision is not None else None


def lines(house: House) -> list[str]:
    return [text for text in house.spoken() if "cooldown" in text]


async def by_a_moderator(house: House) -> None:
    await knocks(house)
    await command(house, "reject 1 Not now.")


async def by_a_moderator_in_another_client(house: House) -> None:
    await knocks(house)
    house.world.change(GARDEN, ALICE, ANA, "leave")
    await house.live()


async def by_a_rule(house: House) -> None:
    await knocks(house, "buy roses")


async def by_a_kick(house: House) -> None:
    await knocks(house)
    await command(house, "accept 1")
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    house.world.change(GARDEN, ALICE, ANA, "leave")
    await house.live()


REJECTIONS = [by_a_moderator, by_a_moderator_in_another_client, by_a_rule, by_a_kick]


@pytest.mark.parametrize("rejected", REJECTIONS)
async def test_who_was_rejected_waits(house: House, rejected: Callable[[House], object]) -> None:
    await rejected(house)  # type: ignore[misc]  # each is a coroutine function
    house.clock.go_on(DAY)
    request = await knocks(house)
    assert (request.state, rule_of(request)) == (State.REJECTED, "cooldown")
    [line] = lines(house)
    assert line.startswith("❌ #2 ")
    assert "Rejected by the cooldown" in line


async def test_the_applicant_is_told_when_they_may_ask_again(house: House) -> None:
    await by_a_moderator(house)
    house.clock.go_on(DAY)
    await knocks(house)
    assert "You can ask again from " in house.world.rooms[GARDEN].members[ANA]["content"]["reason"]


async def test_after_it_the_policy_decides_again(house: House) -> None:
    await by_a_moderator(house)
    house.clock.go_on(7 * DAY)
    assert (await knocks(house)).state is State.PENDING


async def test_its_own_rejections_begin_none(house: House) -> None:
    await by_a_moderator(house)
    for _ in range(6):
        house.clock.go_on(DAY)
        assert rule_of(await knocks(house)) == "cooldown"
    house.clock.go_on(DAY)
    assert rule_of(await knocks(house)) == "otherwise"


async def test_it_says_nothing_about_the_applicant(house: House) -> None:
    await by_a_moderator(house)
    await knocks(house)
    await house.set_policy("rules: [{name: twice, when: {rejected_before: {times: 2}}, then: ban}]")
    assert rule_of(await knocks(house)) == "otherwise"


async def undone(house: House) -> None:
    await by_a_moderator(house)
    await command(house, "undo 1")
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()


async def withdrawn(house: House) -> None:
    await knocks(house)
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()


async def asked_to_try_again(house: House) -> None:
    await knocks(house, "")


async def accepted_since(house: House) -> None:
    await by_a_rule(house)
    await house.set_policy("otherwise: forward")
    await knocks(house)
    await command(house, "accept 2")
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()
    await house.set_policy(RULES)


@pytest.mark.parametrize("story", [undone, withdrawn, asked_to_try_again, accepted_since])
async def test_what_begins_none(house: House, story: Callable[[House], object]) -> None:
    await story(house)  # type: ignore[misc]  # each is a coroutine function
    assert rule_of(await knocks(house)) == "otherwise"


async def test_a_try_that_is_too_short_hides_no_rejection_before_it(house: House) -> None:
    await by_a_moderator(house)
    await house.set_policy(RULES.replace("cooldown: 7d", ""))
    await knocks(house, "")
    await house.set_policy(RULES)
    assert rule_of(await knocks(house)) == "cooldown"


async def test_who_is_approved_in_advance_comes_in(house: House) -> None:
    await by_a_moderator(house)
    await command(house, f"allow {ANA}")
    request = await knocks(house)
    assert (request.state, rule_of(request)) == (State.ACCEPTED, "friends")


async def test_a_moderator_can_take_it_back(house: House) -> None:
    await by_a_moderator(house)
    await knocks(house)
    await command(house, "undo 2")
    assert house.membership(ANA) == "invite"


async def test_other_rooms_and_other_people_are_free(house: House) -> None:
    await by_a_moderator(house)
    assert (await knocks(house, user_id="@ben:tulip.example")).state is State.PENDING


async def test_who_knocks_a_thousand_times_is_told_of_once(house: House) -> None:
    """A thousand would take long here; what is told of forty is told of all."""
    await by_a_moderator(house)
    for _ in range(40):
        await house.later(60)
        await knocks(house)
    assert len(await house.requests(ANA)) > 10
    assert len(lines(house)) == 1
    assert len(house.cards()) == 1


async def test_test_and_show_explain_it(house: House) -> None:
    await by_a_moderator(house)
    await command(house, f"test {ANA} hello")
    assert "Policy: reject, by the cooldown: they were rejected before" in house.spoken()[-1]
    assert "You can ask again from" in house.spoken()[-1]
    await knocks(house)
    await command(house, "show 2")
    assert "by the cooldown" in house.spoken()[-1]
    await command(house, "log")
    assert "by the cooldown" in house.spoken()[-1]


async def test_a_dry_run_only_says_so(house: House) -> None:
    await by_a_moderator(house)
    await house.set_policy(f"dry_run: true\n{COOLDOWN}")
    assert (await knocks(house)).state is State.PENDING
    assert "would reject, by the cooldown" in house.cards()[-1].text


async def test_bans_by_rules_go_before_it(house: House) -> None:
    await by_a_moderator(house)
    await house.set_policy(f"{COOLDOWN}rules: [{{name: no, when: {{user: '{ANA}'}}, then: ban}}]")
    assert (await knocks(house)).state is State.BANNED


async def test_the_letter_says_when(house: House) -> None:
    await house.set_policy(f"{COOLDOWN}letters: {{rejected: true}}\nlanguage: de\ntimezone: Europe/Berlin")
    await by_a_moderator(house)
    await knocks(house)
    [talk] = [room_id for room_id in house.world.rooms if room_id not in (GARDEN, MODS)]
    assert "Du kannst ab " in house.said(talk)[-1]["body"]
    assert "Europe/Berlin wieder anfragen" in house.said(talk)[-1]["body"]
