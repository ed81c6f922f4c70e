"""Servers that the room's ACL denies: their standing knocks are closed, and never accepted."""

from __future__ import annotations

import pytest

from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from tests.flow.house import GARDEN, House
from tests.flow.world import ALICE, ANA, BOT, FAR, HOME

DENIED = {"allow": ["*"], "deny": ["slow.example"]}


async def knocked(house: House, *who: str) -> None:
    for user_id in who:
        house.world.knock(GARDEN, user_id, "hello")
    await house.live()


async def test_standing_knocks_of_a_server_that_is_denied_are_closed_and_said_once(house: House) -> None:
    far = [FAR, "@farther:slow.example:8448"]
    await knocked(house, *far, ANA, "@quick:quick.example")

    house.world.set_acl(GARDEN, **DENIED)
    await house.live()
    await house.later(3600)

    for user_id in far:
        request = await house.request(user_id)
        assert (request.state, request.by) == (State.REJECTED, BOT)
        assert (BOT, "denied") in await house.history(request)
        assert house.membership(user_id) == "leave"
    assert (house.membership(ANA), house.membership("@quick:quick.example")) == ("knock", "knock")
    assert len([text for text in house.spoken() if "server ACL" in text]) == 1
    [card] = [card for card in house.cards() if card.block["user_id"] == FAR]
    assert (card.block["rule"], card.block["by"]) == (SERVER_ACL, BOT)
    assert "server ACL" in card.text


async def test_a_denied_servers_knock_that_is_found_standing_is_never_judged(house: House) -> None:
    await house.set_policy("otherwise: accept")
    house.world.knock(GARDEN, FAR)
    house.world.outbox.clear()
    house.world.rooms[GARDEN].acl = DENIED
    await house.look_everywhere()
    await house.live()

    assert (await house.request(FAR)).state is State.REJECTED
    assert house.world.asked("invite") == []


async def test_an_accept_that_waits_for_a_server_ends_when_that_is_denied(house: House) -> None:
    await house.set_policy("otherwise: accept")
    house.world.play("invite", Later(foreign("their server is silent")), times=100)
    await knocked(house, FAR)

    house.world.set_acl(GARDEN, **DENIED)
    await house.live()

    assert (await house.request(FAR)).state is State.REJECTED
    assert "overtaken" in (await house.jobs()).values()


async def test_an_accept_under_way_when_a_server_is_denied_lets_nobody_in(house: House) -> None:
    """The ACL changed, and the bot has yet to hear of it."""
    await house.set_policy("otherwise: accept")
    house.world.knock(GARDEN, FAR)
    await house.hear()
    house.world.rooms[GARDEN].acl = DENIED
    await house.live()

    assert house.world.asked("invite") == []
    assert (await house.request(FAR)).state is State.REJECTED


@pytest.mark.parametrize("how", ["command", "click"])
async def test_moderators_are_told_why_they_cannot_accept(house: House, how: str) -> None:
    await knocked(house, FAR)
    house.world.rooms[GARDEN].acl = DENIED
    house.click("✅") if how == "click" else house.tell("accept 1")
    await house.live()

    assert "denies slow.example" in house.spoken()[0]
    assert house.world.asked("invite") == []
    house.tell("reject 1")
    await house.live()
    assert (await house.request(FAR)).state is State.REJECTED


async def test_who_is_of_our_own_server_is_not_asked_about(house: House) -> None:
    house.world.rooms[GARDEN].acl = {"allow": [], "deny": [HOME]}
    await knocked(house, ANA)
    await house.look_everywhere()
    house.tell("accept 1")
    await house.live()

    assert house.membership(ANA) == "invite"


async def test_without_the_power_to_kick_a_denied_servers_knock_stays_closed(house: House) -> None:
    await knocked(house, FAR)
    house.world.set_levels(GARDEN, kick=100)
    house.world.set_acl(GARDEN, **DENIED)
    await house.live()
    house.tell("accept 1")
    await house.live()

    request = await house.request(FAR)
    assert (request.state, house.membership(FAR)) == (State.PENDING, "knock")
    assert house.world.asked("invite") == []
    house.world.set_levels(GARDEN, kick=50)
    await house.later()
    assert (await house.request(FAR)).state is State.REJECTED


async def test_once_the_acl_lets_them_they_may_knock_again(house: House) -> None:
    await knocked(house, FAR)
    house.world.set_acl(GARDEN, **DENIED)
    await house.live()
    house.world.set_acl(GARDEN, allow=["*"])
    await knocked(house, FAR)
    house.tell("accept 2", by=ALICE)
    await house.live()

    assert house.membership(FAR) == "invite"
