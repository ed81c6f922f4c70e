"""What a change of membership means for a request: the table of outcomes, knocks that follow knocks, and old news."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from knockbot.domain.model import Membership, State, Verdict
from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from knockbot.store import requests
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT, FAR

BOB = "@bob:tulip.example"
LATE = 61.0
"""Seconds after which an event is old news."""

ACCEPT_ALL = "otherwise: accept"
REJECT_ALL = "rules: [{name: full, when: {local: true}, then: reject, reason: We are full.}]"
BY_REASON = """
rules:
- {name: friends, when: {reason_matches: friend}, then: accept}
- {name: trolls, when: {reason_matches: troll}, then: ban, reason: Bye.}
- {name: strangers, when: {reason_matches: stranger}, then: reject}
"""


async def knocked(house: House, user_id: str = ANA, reason: str = "hello") -> str:
    """Somebody knocks, and the bot has dealt with it for now."""
    event_id = house.world.knock(GARDEN, user_id, reason)
    await house.live()
    return event_id


# --- outcomes -----------------------------------------------------------------------------------------------------

THEIR_OWN: Mapping[tuple[str, str], str] = {
    ("pending", "join"): "joined",
    ("pending", "leave"): "withdrawn",
    ("accepted", "join"): "joined",
    ("accepted", "leave"): "withdrawn",  # here it takes the place of a knock, and so has crossed the invite
}
SOMEBODY_ELSES: Mapping[tuple[str, str], str] = {
    ("pending", "invite"): "accepted",
    ("pending", "leave"): "rejected",
    ("pending", "ban"): "banned",
    ("accepted", "leave"): "rejected",
    ("accepted", "ban"): "banned",
    ("expired", "invite"): "accepted",
}
"""What each change brings a request to, written down once more: whatever is not here changes nothing."""


async def test_every_change_of_membership_brings_a_request_where_it_belongs_or_nowhere(house: House) -> None:
    rows = [
        (state, membership, own)
        for state, membership, own in product(State, Membership, (True, False))
        if membership is not Membership.KNOCK
    ]
    people = {row: f"@user{number}:tulip.example" for number, row in enumerate(rows)}
    for person in people.values():
        house.world.knock(GARDEN, person)
    await house.hear()
    async with house.db.tx() as tx:
        for (state, _, _), person in people.items():
            request = await requests.latest(tx, GARDEN, person)
            assert request is not None
            await requests.settled(tx, request.id, state, "@before:tulip.example", house.clock())

    for (_, membership, own), person in people.items():
        house.world.change(GARDEN, person if own else ALICE, person, membership)
    await house.hear()

    for (state, membership, own), person in people.items():
        expected = (THEIR_OWN if own else SOMEBODY_ELSES).get((state, membership), state)
        assert ((state, membership, own), (await house.request(person)).state) == ((state, membership, own), expected)


@pytest.mark.parametrize(
    ("by", "membership", "state"),
    [
        (ALICE, "invite", "accepted"),
        (ALICE, "leave", "rejected"),
        (ALICE, "ban", "banned"),
        (ANA, "leave", "withdrawn"),
        (ANA, "join", "joined"),
    ],
)
async def test_a_card_shows_what_came_of_a_request_in_whichever_client(
    house: House, by: str, membership: str, state: str
) -> None:
    await knocked(house)
    house.world.change(GARDEN, by, ANA, membership)
    await house.later()

    assert (await house.request(ANA)).by == by
    block = house.card().block
    assert (block["state"], block["by"], block["rule"]) == (state, by, None)
    assert await house.jobs("due", "running", "blocked") == {}


@pytest.mark.parametrize(
    ("by", "membership", "state", "credited"),
    [
        (ANA, "join", "joined", ALICE),
        (ANA, "leave", "declined", ANA),
        (BOB, "leave", "rejected", BOB),
        (BOB, "ban", "banned", BOB),
    ],
)
async def test_an_accepted_request_goes_on_to_its_end(
    house: House, by: str, membership: str, state: str, credited: str
) -> None:
    """That somebody came in stays the merit of whoever let them in."""
    await knocked(house)
    house.click("✅")
    await house.live()
    assert house.membership(ANA) == "invite"
    house.world.change(GARDEN, by, ANA, membership)
    await house.later()

    request = await house.request(ANA)
    assert (request.state, request.by) == (state, credited)
    assert house.card().state == state


async def test_what_was_still_to_be_done_is_not_done_once_the_room_has_moved_on(house: House) -> None:
    await house.set_policy(REJECT_ALL)
    house.world.knock(GARDEN, ANA)
    await house.hear()
    house.world.change(GARDEN, ALICE, ANA, "invite")
    await house.live()

    assert house.membership(ANA) == "invite"
    assert (await house.request(ANA)).state == State.ACCEPTED
    assert house.world.asked("kick") == []


# --- the bot's own acts come back ---------------------------------------------------------------------------------


async def test_the_bots_own_act_is_the_answer_of_whoever_gave_it(house: House) -> None:
    await house.set_policy(BY_REASON)
    await knocked(house, ANA, "friend")
    await knocked(house, BOB, "stranger")
    await house.later()

    ana, bob = await house.request(ANA), await house.request(BOB)
    assert (ana.state, ana.by, bob.state, bob.by) == (State.ACCEPTED, BOT, State.REJECTED, BOT)
    assert [what for _, what in await house.history(ana)] == ["judged", "accepted"]


async def test_an_act_whose_answer_was_lost_is_recorded_from_its_echo(house: House) -> None:
    await house.set_policy(ACCEPT_ALL)
    house.world.play("invite", Later(foreign("no answer")), done=True)
    await knocked(house)

    assert (await house.request(ANA)).state == State.ACCEPTED
    assert await house.jobs("due", "running") == {}
    assert len(house.world.asked("invite")) == 1


# --- repeats ------------------------------------------------------------------------------------------------------


async def test_a_knock_that_is_delivered_twice_is_one_request(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    house.world.outbox *= 2
    await house.live()
    assert len(house.cards()) == 1
    assert len(await house.requests(ANA)) == 1


async def test_a_knock_that_is_heard_and_then_found_is_one_request(house: House) -> None:
    await knocked(house)
    await house.look_everywhere()
    await house.later()

    assert len(await house.requests(ANA)) == 1
    assert house.card().edits == 0


async def test_a_knock_that_is_found_and_then_heard_is_one_request(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    held_back = house.world.delivered()
    await house.look_everywhere()
    await house.live()
    house.world.outbox += held_back
    await house.later()

    assert len(await house.requests(ANA)) == 1
    assert (house.card().state, house.card().edits) == ("pending", 0)


# --- knocks that follow knocks ------------------------------------------------------------------------------------


async def test_another_knock_while_one_is_pending_is_the_same_request(house: House) -> None:
    await knocked(house)
    again = await knocked(house, reason="please")
    await house.later()

    request = await house.request(ANA)
    assert (request.number, request.event_id, request.reason, request.state) == (1, again, "please", State.PENDING)
    assert (house.card().block["number"], house.card().block["event_id"]) == (1, again)


async def test_the_next_knock_is_judged_by_itself(house: House) -> None:
    await house.set_policy(BY_REASON)
    await knocked(house)
    assert house.card().state == "pending"
    await knocked(house, reason="friend")
    await house.later()

    request = await house.request(ANA)
    assert (request.state, request.answer and request.answer.rule) == (State.ACCEPTED, "friends")
    assert house.membership(ANA) == "invite"
    assert house.card().block["rule"] == "friends"


async def test_an_accept_that_has_not_been_carried_out_is_not_for_the_next_knock(house: House) -> None:
    await house.set_policy(BY_REASON)
    house.world.play("invite", Later(foreign("the server is silent")))
    await knocked(house, reason="friend")
    assert house.membership(ANA) == "knock"
    await knocked(house, reason="hello")
    await house.later(3600)

    request = await house.request(ANA)
    assert request.awaits_moderators
    assert house.membership(ANA) == "knock"
    assert house.card().state == "pending"
    assert "overtaken" in (await house.jobs()).values()


async def test_an_accept_under_way_finds_that_they_knocked_again(house: House) -> None:
    """The invite must not be for words that no rule and nobody has read."""
    await house.set_policy(BY_REASON)
    house.world.knock(GARDEN, ANA, "friend")
    await house.hear()
    house.world.knock(GARDEN, ANA, "troll")
    await house.work()
    assert house.membership(ANA) == "knock"
    assert house.world.asked("invite") == []

    await house.live()
    assert house.membership(ANA) == "ban"


@pytest.mark.parametrize(
    ("reason", "membership", "state"), [("troll", "ban", "banned"), ("stranger", "leave", "rejected")]
)
async def test_nobody_escapes_a_reject_or_a_ban_by_knocking_once_more(
    house: House, reason: str, membership: str, state: str
) -> None:
    await house.set_policy(BY_REASON)
    house.world.knock(GARDEN, ANA, reason)
    await house.hear()
    house.world.knock(GARDEN, ANA, "friend")
    await house.live()

    request = await house.request(ANA)
    assert (house.membership(ANA), request.state) == (membership, state)
    assert house.world.asked("invite") == []


async def test_a_knock_after_an_outcome_is_a_new_request(house: House) -> None:
    await knocked(house)
    house.click("❌")
    await house.later()
    await knocked(house, reason="please")
    await house.later()

    first, second = await house.requests(ANA)
    assert (first.state, first.number) == (State.REJECTED, 1)
    assert (second.state, second.number) == (State.PENDING, 2)
    assert [card.block["number"] for card in house.cards()] == [1, 2]


async def test_a_knock_over_an_invite_that_is_gone_tells_that_it_was_declined(house: House) -> None:
    """They cannot knock while they are invited; the step between was not told."""
    await knocked(house)
    house.click("✅")
    await house.live()
    house.world.change(GARDEN, ANA, ANA, "leave")
    house.world.outbox.clear()
    await knocked(house, reason="changed my mind")

    first, second = await house.requests(ANA)
    assert (first.state, second.state) == (State.DECLINED, State.PENDING)


async def test_a_knock_that_the_invite_was_too_quick_for_is_no_declined_invite(house: House) -> None:
    """They knocked again in the very moment of the invite, which replaced that knock: they are invited, and stay so."""
    await house.set_policy(BY_REASON)
    house.world.play("invite", meanwhile=lambda: house.world.knock(GARDEN, ANA, "hello"))
    await knocked(house, reason="friend")
    await house.later()

    [request] = await house.requests(ANA)
    assert (house.membership(ANA), request.state) == ("invite", State.ACCEPTED)
    assert any("⚠️" in text for text in house.spoken())


# --- old news -----------------------------------------------------------------------------------------------------


async def test_a_knock_that_comes_late_is_taken_up_if_it_still_stands(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.later(LATE)

    assert house.card().state == "pending"


async def test_a_knock_that_comes_late_and_was_taken_back_is_left_alone(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    late = house.world.delivered()
    house.world.change(GARDEN, ANA, ANA, "leave")
    house.world.outbox[:] = late
    await house.later(LATE)

    assert await house.requests(ANA) == []
    assert house.cards() == []


async def test_a_knock_that_comes_late_is_judged_as_it_stands_now(house: House) -> None:
    house.world.knock(GARDEN, ANA, "first")
    late = house.world.delivered()
    newest = house.world.knock(GARDEN, ANA, "second")
    house.world.outbox[:] = late
    await house.later(LATE)

    request = await house.request(ANA)
    assert (request.event_id, request.reason) == (newest, "second")


async def test_fresh_news_is_taken_at_its_word(house: House) -> None:
    """Each knock would else cost one more call."""
    house.world.knock(GARDEN, ANA)
    await house.hear()

    assert house.world.calls == []


async def test_a_step_that_was_missed_is_made_up_for_from_the_room(house: House) -> None:
    await knocked(house)
    house.world.knock(GARDEN, ANA, "a second time")
    house.world.outbox.clear()
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.later()

    assert (await house.request(ANA)).state == State.WITHDRAWN
    assert house.card().state == "withdrawn"


async def test_a_change_from_before_the_knock_that_stands_is_left_alone(house: House) -> None:
    house.world.knock(GARDEN, ANA, "first")
    house.world.change(GARDEN, ANA, ANA, "leave")
    late = house.world.delivered()[-1:]
    await knocked(house, reason="second")
    house.world.outbox += late
    await house.later(1)

    assert (await house.request(ANA)).state == State.PENDING


async def test_a_change_that_does_not_say_what_it_replaced_is_checked_against_the_room(house: House) -> None:
    """A retry after Synapse restarted leaves that out."""
    await knocked(house)
    house.world.change(GARDEN, ALICE, ANA, "leave")
    for event in house.world.outbox:
        event["unsigned"] = {}
    house.world.knock(GARDEN, ANA, "again")
    house.world.outbox.pop()
    await house.live()

    assert ("member", GARDEN, ANA) in house.world.calls
    assert house.membership(ANA) == "knock"
    assert (await house.request(ANA)).reason == "again"


async def test_news_about_a_room_that_the_bot_cannot_see_any_more_waits_for_it_to_be_back(house: House) -> None:
    """It is no fault of the event: set aside, it would be reported as one."""
    house.world.knock(GARDEN, ANA)
    late = house.world.delivered()
    house.world.change(GARDEN, ALICE, BOT, "leave")
    house.world.outbox[:] = late
    await house.later(LATE)
    assert await house.set_aside() == []
    assert await house.waiting() == 0

    house.world.change(GARDEN, ALICE, BOT, "join")
    await house.live()
    assert house.card().state == "pending"


# --- rooms that are not protected ---------------------------------------------------------------------------------


async def test_whoever_comes_and_goes_in_other_rooms_is_none_of_the_bots_business(house: House) -> None:
    house.world.change(MODS, ALICE, ANA, "invite")
    house.world.change(MODS, ANA, ANA, "join")
    house.world.knock(MODS, FAR)
    await house.later(LATE)

    assert house.world.calls == []
    assert await house.requests(FAR, MODS) == []
    assert await house.waiting(MODS) == 0


async def test_a_homeserver_that_is_silent_about_old_news_is_asked_again(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    house.world.play("member", Later(foreign("silent"), unreachable=True), times=3)
    await house.later(LATE)
    assert await house.requests(ANA) == []
    for _ in range(3):
        await house.later(60)

    assert house.card().state == "pending"


async def test_a_member_event_that_is_nowhere_to_be_found_changes_nothing(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    del house.world.rooms[GARDEN].members[ANA]
    await house.later(LATE)

    assert await house.requests(ANA) == []
    assert await house.waiting() == 0


# --- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        {"reason": "x" * 60_000},
        {"reason": {"a": [1]}},
        {"reason": "nul \x00 and \ud800"},
        {"displayname": {}, "avatar_url": 5},
        {"displayname": "<b>\u202eana</b>" * 100},
    ],
    ids=str,
)
async def test_strangers_words_reach_the_records_and_the_card_harmless(house: House, content: dict[str, Any]) -> None:
    house.world._set(house.world.rooms[GARDEN], ANA, ANA, "knock", **content)
    await house.live()

    assert (await house.request(ANA)).state == State.PENDING
    assert ANA in house.card().text
    assert len(house.card().text) < 2000
    assert await house.set_aside() == []


async def test_an_act_that_cannot_be_done_leaves_the_request_to_the_moderators(house: House) -> None:
    await house.set_policy(ACCEPT_ALL)
    house.world.play("invite", Never(foreign("they refuse invites."), code="M_INVITE_BLOCKED"))
    await knocked(house)

    request = await house.request(ANA)
    assert request.awaits_moderators
    assert request.trouble == foreign("they refuse invites.")
    assert "they refuse invites" in house.card().text
    assert request.decision is not None
    assert request.decision.verdict is Verdict.ACCEPT


async def test_whose_accept_fell_with_another_knock_is_told(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    house.click("✅")
    await house.hear()
    house.world.knock(GARDEN, ANA, "hello again")
    await house.hear()
    await house.live()

    assert house.membership(ANA) == "knock"
    assert (await house.request(ANA)).awaits_moderators
    assert ["knocked again" in text for text in house.spoken()] == [True]
