"""Whoever tells of those who wait tells of the same ones: not of the deferred, nor of an answer that is under way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from knockbot.domain.jobs import Act
from knockbot.domain.notices import because
from knockbot.engine.worker import Outcome
from knockbot.errors import Later
from knockbot.store.jobs import Claimed
from tests.flow.house import GARDEN, House
from tests.flow.offered import offers
from tests.flow.test_calls import come, mornings
from tests.flow.test_reminders import after, knock, tell, told_daily
from tests.flow.world import ALICE, ANA

BEN = "@ben:iris.example"
CALLS = f'call: ["{ALICE}"]\nwave: off\n'


async def hangs(_: Claimed[object]) -> Outcome:
    raise Later(because("act.no_answer"))


async def nothing(_: House) -> None:
    """They wait, as ever."""


async def deferred(house: House) -> None:
    await tell(house, "defer 1 9d")


async def deferred_no_more(house: House) -> None:
    await tell(house, "defer 1 9d")
    await tell(house, "defer 1 off")


async def knocked_again(house: House) -> None:
    await tell(house, "defer 1 9d")
    await knock(house, ANA, "please")


async def being_accepted(house: House) -> None:
    house.actions[Act.INVITE] = hangs
    await tell(house, "accept 1")


async def rejected(house: House) -> None:
    await tell(house, "reject 1")


STANDINGS: tuple[tuple[Callable[[House], Awaitable[None]], bool], ...] = (
    (nothing, True),
    (deferred, False),
    (deferred_no_more, True),
    (knocked_again, True),
    (being_accepted, False),
    (rejected, False),
)
EACH = pytest.mark.parametrize(("stand", "waits"), STANDINGS, ids=[stand.__name__ for stand, _ in STANDINGS])


@EACH
async def test_in_the_list_and_the_queue(house: House, stand: Callable[[House], Awaitable[None]], waits: bool) -> None:
    await house.protect(policy="wave: off")
    await knock(house)
    await knock(house, BEN)
    await stand(house)
    count = "2 requests wait" if waits else "1 request waits"
    assert count in await tell(house, "queue")
    assert (f"{ANA} at Garden" in await tell(house, "list")) is (waits or stand is being_accepted)


@EACH
async def test_in_the_morning(house: House, stand: Callable[[House], Awaitable[None]], waits: bool) -> None:
    await house.set_policy(f'{CALLS}quiet_hours: "22:00-07:00"\n')
    await come(house, "23:00")
    await knock(house)
    await knock(house, BEN)
    await stand(house)
    await come(house, "07:00")
    [said] = mornings(house)
    assert ("2 new requests wait for an answer: #1, #2" in said) is waits
    assert ("1 new request waits for an answer: #2" in said) is not waits


@EACH
async def test_in_the_digest_of_the_day(house: House, stand: Callable[[House], Awaitable[None]], waits: bool) -> None:
    await house.set_policy(f'{CALLS}digest: "09:00"\n')
    await come(house, "10:00")
    await knock(house)
    await knock(house, BEN)
    await stand(house)
    await come(house, "09:00")
    [said] = offers(house, "digest")
    assert ("Their numbers: #1, #2" in said.text) is waits
    assert ("Their numbers: #2" in said.text) is not waits


@EACH
async def test_in_a_digest_that_was_sent(house: House, stand: Callable[[House], Awaitable[None]], waits: bool) -> None:
    await house.set_policy(f'{CALLS}digest: "09:00"\n')
    await come(house, "08:00")
    await knock(house)
    await knock(house, BEN)
    await come(house, "09:00")
    await stand(house)
    await house.later(11)
    [said] = offers(house, "digest")
    assert ("2 knocks wait for an answer." in said.text) is waits
    assert ("1 knock waits for an answer." in said.text) is not waits
    assert ("Deferred: #1" in said.text) is (stand is deferred)
    await come(house, "08:00")
    await come(house, "09:00")
    assert ("Their numbers: #1, #2" in offers(house, "digest")[-1].text) is waits


@EACH
async def test_where_the_digest_is_taken_out(
    house: House, stand: Callable[[House], Awaitable[None]], waits: bool
) -> None:
    await house.set_policy(f'{CALLS}digest: "09:00"\n')
    await come(house, "10:00")
    await knock(house)
    await knock(house, BEN)
    await stand(house)
    await tell(house, f"policy set {GARDEN}\n{CALLS}")
    shown = [card.block["user_id"] for card in house.cards()]
    assert shown == ([ANA, BEN] if waits else [BEN])
    if stand is deferred:
        await after(house, 9 * 24)
        assert [card.block["user_id"] for card in house.cards()] == [BEN, ANA], "once it is back on the list"


@EACH
async def test_of_those_they_were_reminded_of(
    house: House, stand: Callable[[House], Awaitable[None]], waits: bool
) -> None:
    await house.set_policy(f"{CALLS}remind_after: 6h\n")
    await come(house, "10:00")
    await knock(house)
    await knock(house, BEN)
    await after(house, 6)
    await stand(house)
    await come(house, "09:00")
    [said] = told_daily(house)
    assert ("#1, #2" in said) is waits
    assert "#2" in said


@EACH
async def test_at_the_end_of_a_wave(house: House, stand: Callable[[House], Awaitable[None]], waits: bool) -> None:
    """Also of one with six cards before it: the digest and the end tell the same."""
    await house.set_policy(f'call: ["{ALICE}"]\n')
    await house.later()
    await knock(house)
    await tell(house, f"wave on {GARDEN}")
    await knock(house, BEN)
    await stand(house)
    await house.later(11)
    [digest] = offers(house, "wave")
    assert ("1 more request waits at this room, with a card of its own." in digest.text) is (waits)
    assert "Their numbers: #2" in digest.text
    await tell(house, f"wave off {GARDEN}")
    await house.later(11)
    [over] = offers(house, "wave_over")
    assert ("2 requests wait for you" in over.text) is waits
    assert ("1 request waits for you" in over.text) is not waits


async def test_what_was_deferred_in_a_wave_gets_its_card_when_it_is_back(house: House) -> None:
    await house.set_policy("otherwise: forward")
    await tell(house, f"wave on {GARDEN}")
    await knock(house)
    await knock(house, BEN)
    await tell(house, "defer 1 2d")
    await tell(house, f"wave off {GARDEN}")
    await house.later(11)
    assert [card.block["user_id"] for card in house.cards()] == [BEN]
    assert "Deferred: #1" in offers(house, "wave")[0].text
    assert "1 request waits for you" in offers(house, "wave_over")[0].text
    await after(house, 48)
    await house.later(11)
    assert [card.block["user_id"] for card in house.cards()] == [BEN, ANA]
    assert "Deferred" not in offers(house, "wave")[0].text
    assert "2 requests wait for you" in offers(house, "wave_over")[0].text


async def test_a_knock_again_of_what_was_deferred_in_a_wave_gets_a_card(house: House) -> None:
    await house.set_policy("otherwise: forward")
    await tell(house, f"wave on {GARDEN}")
    await knock(house)
    await tell(house, "defer 1 2d")
    await tell(house, f"wave off {GARDEN}")
    assert house.cards() == []
    await knock(house, ANA, "please")
    assert [card.block["user_id"] for card in house.cards()] == [ANA]


async def test_a_card_after_a_wave_does_not_say_that_it_goes_on(house: House) -> None:
    await house.set_policy("otherwise: accept\n")
    await tell(house, f"wave on {GARDEN}")
    await knock(house)
    await tell(house, f"policy set {GARDEN}\nwave: off\notherwise: accept")
    assert "this was judged during a wave of knocks" in house.card().text
    assert "goes on" not in house.card().text


async def test_the_end_of_a_wave_says_where_those_are_who_wait(house: House) -> None:
    await house.set_policy("otherwise: forward")
    await knock(house)
    await tell(house, f"wave on {GARDEN}")
    for number in range(6):
        await knock(house, f"@p{number}:s.example")
    await tell(house, f"wave off {GARDEN}")
    await house.later(11)
    said = offers(house, "wave_over")[0].text
    assert "7 requests wait for you" in said
    assert "6 of them are counted in the message about the wave; the others have cards of their own." in said
    assert "6 knocks wait for an answer." in offers(house, "wave")[0].text


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"wave on {GARDEN}", "Only members of Garden can do this."),
        (f"wave off {GARDEN}", "Only members of Garden can do this."),
        ("defer 1 2d", "Only members of Garden can do this."),
        ("claim 1", "Only members of Garden can do this."),
        ("accept 1", "Only members of Garden can answer its join requests."),
    ],
)
async def test_who_is_outside_of_the_room_is_told_what_only_members_can_do(
    house: House, command: str, said: str
) -> None:
    await house.protect(policy="otherwise: forward")
    house.world.change(GARDEN, ALICE, ALICE, "leave")
    await knock(house)
    assert await tell(house, command) == said
