"""Whoever knocks again and again is judged as one, a crowd shares a card and rings once, what is settled is short."""

from __future__ import annotations

import pytest

from knockbot.domain.model import State
from knockbot.flow.membership import HELD, MOST_KNOCKS
from knockbot.flow.sharing import CROWD, MOST_SHARING
from knockbot.store import inbox
from tests.flow.house import GARDEN, House
from tests.flow.world import ALICE, ANA

REJECT = "otherwise: reject\nannounce: none"


def people(count: int) -> list[str]:
    return [f"@p{number:02}:tulip.example" for number in range(count)]


# --- one applicant, again and again -------------------------------------------------------------------------------


async def knock_in_a_loop(house: House, times: int) -> None:
    """Somebody knocks, is turned away, and knocks again."""
    for number in range(times):
        house.world.knock(GARDEN, ANA, f"reason {number}")
        await house.live()


async def test_who_knocks_in_a_loop_is_judged_so_often_and_then_once_for_all(house: House) -> None:
    await house.set_policy(REJECT)
    await knock_in_a_loop(house, MOST_KNOCKS)
    for number in range(30):
        house.world.knock(GARDEN, ANA, f"more {number}")
        house.world.change(GARDEN, ANA, ANA, "leave")
    house.world.knock(GARDEN, ANA, "the last one")
    await house.live()
    assert len(await house.requests(ANA)) == MOST_KNOCKS
    assert await house.waiting() == 0

    await house.later(HELD / 1000 + 1)
    found = await house.requests(ANA)
    assert len(found) == MOST_KNOCKS + 1
    assert (found[-1].reason, found[-1].state) == ("the last one", State.REJECTED)


async def test_who_changes_their_reason_in_a_loop_is_judged_so_often_and_then_by_the_last(house: House) -> None:
    await house.set_policy("rules: [{when: {reason_matches: please}, then: accept}]")
    for number in range(MOST_KNOCKS + 20):
        house.world.knock(GARDEN, ANA, f"reason {number}")
        await house.live()
    house.world.knock(GARDEN, ANA, "please")
    await house.live()
    request = await house.request(ANA)
    assert (request.reason, request.state) == (f"reason {MOST_KNOCKS - 1}", State.PENDING)

    await house.later(HELD / 1000 + 1)
    request = await house.request(ANA)
    assert (request.reason, request.state) == ("please", State.ACCEPTED)


async def test_a_knock_that_is_held_back_is_not_lost_when_the_process_dies(house: House) -> None:
    await house.set_policy(REJECT)
    await knock_in_a_loop(house, MOST_KNOCKS + 3)
    await house.die()
    await house.start_again()
    await house.live()
    assert len(await house.requests(ANA)) == MOST_KNOCKS  # nor does a look at the room take it in before its time

    await house.later(HELD / 1000 + 1)
    assert len(await house.requests(ANA)) == MOST_KNOCKS + 1
    assert house.membership(ANA) == "leave"


async def test_who_takes_a_knock_back_that_is_held_has_no_request_for_it(house: House) -> None:
    await house.set_policy(REJECT)
    await knock_in_a_loop(house, MOST_KNOCKS + 1)
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()
    await house.later(HELD / 1000 + 1)

    assert len(await house.requests(ANA)) == MOST_KNOCKS


async def test_others_are_judged_meanwhile_and_time_makes_up_for_it(house: House) -> None:
    await house.set_policy(REJECT)
    await knock_in_a_loop(house, MOST_KNOCKS + 1)
    house.world.knock(GARDEN, "@bea:tulip.example")
    await house.live()
    assert len(await house.requests("@bea:tulip.example")) == 1

    await house.later(3600)
    known = len(await house.requests(ANA))
    await knock_in_a_loop(house, MOST_KNOCKS - 1)  # and the one that was held
    assert len(await house.requests(ANA)) == known + MOST_KNOCKS - 1


async def test_only_one_knock_of_an_applicant_is_held_at_a_time(house: House) -> None:
    await house.set_policy(REJECT)
    await knock_in_a_loop(house, MOST_KNOCKS + 5)
    async with house.db.tx() as tx:
        assert await inbox.held(tx, GARDEN) == {ANA}
        rows = await tx.fetch("SELECT raw FROM inbox WHERE handled_at IS NULL")
    assert len(rows) == 1


# --- a crowd ------------------------------------------------------------------------------------------------------


async def test_thirty_accounts_within_a_minute_share_cards_and_ring_once(house: House) -> None:
    await house.set_policy(f'call: ["{ALICE}"]')
    for person in people(30):
        house.world.knock(GARDEN, person)
        await house.live()
        house.clock.go_on(1)
    await house.later(10)

    assert len(house.cards()) == CROWD
    shared = house.cards()[-1]
    assert len(await on_card(house, people(30)[-1])) == 30 - CROWD + 1
    assert "accept" in shared.text
    assert [said["m.mentions"].get("user_ids", []) for said in house.said()] == [[ALICE]] + [[]] * (CROWD - 1)


async def on_card(house: House, user_id: str) -> list[str]:
    """Who shares a card with somebody."""
    card_id = (await house.request(user_id)).card_id
    async with house.db.tx() as tx:
        rows = await tx.fetch("SELECT user_id FROM requests WHERE card_id = $1 ORDER BY id", card_id)
    return [row["user_id"] for row in rows]


async def test_the_card_of_a_crowd_takes_no_clicks_and_is_answered_by_number(house: House) -> None:
    for person in people(CROWD + 1):
        house.world.knock(GARDEN, person)
        await house.live()
    await house.later(10)
    shared = house.cards()[-1]
    assert shared.offers == ()
    house.click("✅", card=shared)
    await house.later()
    assert {house.membership(person) for person in people(CROWD + 1)} == {"knock"}

    house.tell(f"accept {CROWD + 1}")
    await house.later()
    assert house.membership(people(CROWD + 1)[-1]) == "invite"


async def test_a_crowd_costs_few_edits(house: House) -> None:
    for person in people(40):
        house.world.knock(GARDEN, person)
        await house.live()
    await house.later(10)

    assert house.cards()[-1].edits <= 3


async def test_a_card_shows_only_so_many_of_a_crowd(house: House) -> None:
    everybody = people(MOST_SHARING + CROWD + 5)
    for person in everybody:
        house.world.knock(GARDEN, person)
    await house.live()

    assert max([len(await on_card(house, person)) for person in everybody]) <= MOST_SHARING


async def test_a_minute_later_everybody_has_a_card_of_their_own_that_rings(house: House) -> None:
    await house.set_policy(f'call: ["{ALICE}"]')
    for person in people(CROWD + 3):
        house.world.knock(GARDEN, person)
    await house.live()
    await house.later(61)
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert house.cards()[-1].block["user_id"] == ANA
    assert house.cards()[-1].offers == ("✅", "❌", "⛔")
    assert house.said()[-1]["m.mentions"] == {"user_ids": [ALICE]}


# --- what is kept -------------------------------------------------------------------------------------------------


async def test_a_reason_is_whole_while_it_waits_and_is_said_to_be_cut_afterwards(house: House) -> None:
    house.world.knock(GARDEN, ANA, "word " * 1999 + "last")
    await house.live()
    assert (await house.request(ANA)).reason.endswith("last")

    house.tell("reject 1")
    await house.live()
    house.tell("show 1")
    await house.live()
    request = await house.request(ANA)
    assert (len(request.reason), request.reason_length) == (300, 9999)
    assert "The reason had 9,999 characters. I keep only the first 300 of a closed request." in house.spoken()[-1]


@pytest.mark.parametrize("then", ["reject", "ban"])
async def test_a_settled_request_takes_four_kilobytes_whatever_strangers_wrote(house: House, then: str) -> None:
    rules = "\n".join(f"- {{when: {{server: nothing{number}.example}}, then: accept}}" for number in range(200))
    await house.set_policy(f"rules:\n{rules}\notherwise: {then}")
    for person in people(10):
        house.world.knock(GARDEN, person, "\U0001f600" * 10_000, displayname="\U0001f600" * 500)
    await house.live()
    await house.later(10)

    async with house.db.tx() as tx:
        rows = await tx.fetch("SELECT * FROM requests")
        acts = await tx.fetch("SELECT * FROM jobs WHERE request_id IS NOT NULL")
        lines = await tx.fetch("SELECT * FROM audit WHERE request_id IS NOT NULL")
        judged = await tx.fetch("SELECT * FROM judgements")
    assert {row["state"] for row in rows} == {"rejected" if then == "reject" else "banned"}
    size = sum(len(str(value).encode()) for row in [*rows, *acts, *lines, *judged] for value in tuple(row))
    assert size / len(rows) < 4096


async def test_who_is_gone_before_their_card_is_posted_hides_nobody_of_a_crowd(house: House) -> None:
    everybody = people(CROWD + 1)
    for person in everybody[:-1]:
        house.world.knock(GARDEN, person)
        house.world.change(GARDEN, person, person, "leave")
    house.world.knock(GARDEN, everybody[-1])
    await house.live()

    assert [card.block["user_id"] for card in house.cards()] == everybody[-1:]
