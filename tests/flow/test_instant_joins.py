"""A client that joins the moment it is invited (MSC4509): each is told once, whatever is heard first and however it is
delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from knockbot.demo.people import until
from knockbot.domain.model import State
from tests.flow.house import GARDEN, House
from tests.flow.test_letters import ACCEPTED, RECEIVED, command, knocked, letters, passed
from tests.flow.test_undo import confirms, joins
from tests.flow.world import ANA, BOT

LETTERS = "letters: {received: true, accepted: true, rejected: true, invited: 1h}\n"

How = Callable[[House], Awaitable[None]]


async def until_invited(house: House) -> None:
    """Until the bot has asked to invite them to the garden."""

    async def look() -> bool:
        return ("invite", GARDEN, ANA) in house.world.calls

    await until(look, bool, lambda _: "nobody was invited")


async def in_one_transaction(house: House) -> None:
    """The echo of the invite and the join are delivered together, after the invite has returned."""
    await house.work()
    joins(house)


async def before_the_invite_returns(house: House) -> None:
    """Both are heard while the bot still waits for the answer to its invite."""
    answered = asyncio.Event()
    house.world.play("invite", hang=answered, done=True)
    await house.worker._start_due()
    await until_invited(house)
    joins(house)
    await house.hear()
    answered.set()


async def without_the_echo(house: House) -> None:
    """The homeserver tells of the join only."""
    await house.work()
    house.world.outbox[:] = [event for event in house.world.outbox if event.get("state_key") != ANA]
    joins(house)


async def over_a_death(house: House) -> None:
    """The process dies before the answer to its invite comes."""
    house.world.play("invite", hang=asyncio.Event(), done=True)
    await house.worker._start_due()
    await until_invited(house)
    joins(house)
    await house.die()
    await house.start_again()
    house.world.behave()


WAYS = (in_one_transaction, before_the_invite_returns, without_the_echo, over_a_death)


@pytest.mark.parametrize("how", WAYS, ids=lambda how: how.__name__)
@pytest.mark.parametrize("rule", [False, True])
async def test_accepted_and_joined_are_told_once_on_card_line_and_letter(house: House, how: How, rule: bool) -> None:
    await house.set_policy(LETTERS + ("otherwise: accept" if rule else ""))
    if rule:
        house.world.knock(GARDEN, ANA, "hello")
    else:
        await knocked(house)
        house.tell("accept 1")
    await house.hear()
    await how(house)
    await house.live()
    await passed(house, 2)

    request = await house.request(ANA)
    assert (request.state, house.membership(ANA)) == (State.JOINED, "join")
    assert letters(house) == ([] if rule else [RECEIVED]) + [ACCEPTED]
    kinds = [kind for _, kind in await house.history(request)]
    assert (kinds.count("accepted"), kinds.count("joined")) == (1, 1)
    assert len(house.cards()) == (0 if rule else 1)
    if not rule:
        assert house.card().state == "joined"
    lines = [line for line in house.spoken() if "@ana" in line]
    assert len(lines) == (1 if rule else 0)
    assert len(house.world.asked("invite")) == 2  # one is to the conversation


@pytest.mark.parametrize("rule", [False, True])
async def test_an_undo_is_a_kick_after_a_question(house: House, rule: bool) -> None:
    await house.set_policy(LETTERS + ("otherwise: accept" if rule else ""))
    if rule:
        house.world.knock(GARDEN, ANA, "hello")
    else:
        await knocked(house)
        house.tell("accept 1")
    await house.hear()
    await in_one_transaction(house)
    await house.live()
    await command(house, "undo 1")
    assert (house.membership(ANA), house.world.asked("kick")) == ("join", [])
    confirms()(house)
    await house.live()
    assert (house.membership(ANA), len(house.world.asked("kick"))) == ("leave", 1)
    assert house.membership(BOT) == "join"
    assert letters(house)[-1] == ACCEPTED  # who was removed has seen it
