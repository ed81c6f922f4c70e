"""Knocks that nobody answered: they expire in the end, and an old one from elsewhere is accepted with a warning."""

from __future__ import annotations

import pytest

from knockbot.chat.sentences import SENTENCES
from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from tests.flow.house import GARDEN, House
from tests.flow.world import ALICE, ANA, BOT, FAR

DAY = 24 * 3600
MAY_HAVE_WITHDRAWN = SENTENCES["card.may_have_withdrawn"].text


async def after_days(house: House, days: float) -> None:
    """Time goes by, and at the end of it the bot looks at its rooms."""
    house.clock.go_on(days * DAY)
    await house.look_everywhere()
    await house.live()


async def knocked(house: House, user_id: str = ANA, reason: str = "hello") -> None:
    house.world.knock(GARDEN, user_id, reason)
    await house.live()


# --- expiry -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user_id", [ANA, FAR])
async def test_a_knock_that_nobody_answered_for_thirty_days_expires_on_record(house: House, user_id: str) -> None:
    await knocked(house, user_id)
    await after_days(house, 29.9)
    assert (await house.request(user_id)).state is State.PENDING

    await after_days(house, 0.2)

    request = await house.request(user_id)
    assert (request.state, request.by) == (State.EXPIRED, BOT)
    assert (await house.history(request))[-1] == (BOT, "expired")
    assert house.card().state == "expired"
    assert house.membership(user_id) == "knock"
    assert house.world.asked("invite", "kick", "ban") == []


async def test_how_long_a_knock_waits_is_the_policys_to_say(house: House) -> None:
    await house.set_policy("stale_after: 12h")
    await knocked(house)

    await after_days(house, 0.6)

    assert (await house.request(ANA)).state is State.EXPIRED


async def test_an_expired_knock_that_still_stands_is_not_taken_for_a_new_one(house: House) -> None:
    await knocked(house)
    await after_days(house, 31)
    await after_days(house, 31)

    assert [request.state for request in await house.requests(ANA)] == [State.EXPIRED]


async def test_who_knocks_again_after_that_is_a_new_request(house: House) -> None:
    await knocked(house)
    await after_days(house, 31)
    await knocked(house, reason="still here")

    assert [request.state for request in await house.requests(ANA)] == [State.EXPIRED, State.PENDING]


async def test_a_new_knock_begins_the_time_anew(house: House) -> None:
    await knocked(house)
    await after_days(house, 20)
    await knocked(house, reason="still here")
    await after_days(house, 20)

    assert (await house.request(ANA)).state is State.PENDING


async def test_an_accept_that_never_reached_their_server_expires_with_the_knock(house: House) -> None:
    await house.set_policy("otherwise: accept")
    house.world.play("invite", Later(foreign("their server is silent")), times=10_000)
    await knocked(house, FAR)

    await after_days(house, 31)

    assert (await house.request(FAR)).state is State.EXPIRED
    house.world.behave()
    await after_days(house, 1)
    assert house.membership(FAR) == "knock"


async def test_turning_somebody_away_never_expires(house: House) -> None:
    await house.set_policy("otherwise: reject")
    house.world.set_levels(GARDEN, kick=100)
    await knocked(house)
    await after_days(house, 31)
    assert (await house.request(ANA)).state is State.PENDING

    house.world.set_levels(GARDEN, kick=50)
    await house.later()

    assert (await house.request(ANA)).state is State.REJECTED


async def test_an_expired_request_takes_no_answer(house: House) -> None:
    await knocked(house)
    await after_days(house, 31)
    house.tell("accept 1")
    await house.live()

    assert "already closed" in house.spoken()[-1]
    assert house.membership(ANA) == "knock"


async def test_who_is_let_in_by_hand_after_that_is_accepted(house: House) -> None:
    await knocked(house)
    await after_days(house, 31)
    house.world.change(GARDEN, ALICE, ANA, "invite")
    await house.live()

    request = await house.request(ANA)
    assert (request.state, request.by) == (State.ACCEPTED, ALICE)


# --- old, and from elsewhere --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["command", "click"])
async def test_accepting_an_old_knock_from_elsewhere_says_that_they_may_have_withdrawn(house: House, how: str) -> None:
    await knocked(house, FAR)
    house.clock.go_on(DAY + 1)
    house.click("✅") if how == "click" else house.tell("accept 1")
    await house.live()

    assert house.membership(FAR) == "invite"
    [said] = [text for text in house.spoken() if MAY_HAVE_WITHDRAWN in text]
    assert FAR in said
    assert MAY_HAVE_WITHDRAWN in house.card().text

    house.world.change(GARDEN, FAR, FAR, "join")
    await house.live()
    assert MAY_HAVE_WITHDRAWN not in house.card().text


@pytest.mark.parametrize(("user_id", "age"), [(FAR, DAY - 1), (ANA, 5 * DAY)])
async def test_of_a_fresh_knock_or_one_of_our_own_server_nothing_is_said(house: House, user_id: str, age: int) -> None:
    await knocked(house, user_id)
    house.clock.go_on(age)
    house.tell("accept 1")
    await house.live()

    assert house.membership(user_id) == "invite"
    assert MAY_HAVE_WITHDRAWN not in "".join([*house.spoken(), house.card().text])


async def test_rejecting_an_old_knock_says_nothing_of_the_kind(house: House) -> None:
    await knocked(house, FAR)
    house.clock.go_on(2 * DAY)
    house.tell("reject 1")
    await house.live()

    assert house.membership(FAR) == "leave"
    assert MAY_HAVE_WITHDRAWN not in "".join([*house.spoken(), house.card().text])
