"""Claims: a moderator says that they are at a request; it hinders nobody, and ends by itself."""

from __future__ import annotations

import asyncio

import pytest

from knockbot.domain.model import Verdict, Wish
from knockbot.errors import Refused
from knockbot.features.claims import claiming
from knockbot.flow import answering
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT, levels_for

BOB = "@bob:tulip.example"
OTHERS = "!others:tulip.example"
TWO_HOURS = 2 * 3600


@pytest.fixture
async def house(house: House) -> House:
    """With a second moderator, and Ana at the door."""
    for room_id in (GARDEN, MODS):
        house.world.change(room_id, ALICE, BOB, "invite")
        house.world.change(room_id, BOB, BOB, "join")
    house.world.rooms[GARDEN].levels["users"][BOB] = 50
    house.world.knock(GARDEN, ANA, "hello")
    await house.later()
    return house


async def tell(house: House, command: str, *, by: str = ALICE, reply_to: str | None = None) -> str:
    """A command, and what the bot replies; empty for a tick."""
    before = len(house.spoken())
    house.tell(command, by=by, reply_to=reply_to)
    await house.later()
    return "\n".join(house.spoken()[before:])


def claimed_by(house: House) -> list[str]:
    return [who for who in (ALICE, BOB) if f"✋ Claimed by {who} until " in house.card().text]


async def test_a_claim_stands_on_the_card_in_list_and_in_show(house: House) -> None:
    assert await tell(house, "claim 1") == ""

    assert claimed_by(house) == [ALICE]
    assert f"✋ Claimed by {ALICE} until " in await tell(house, "list")
    assert f"✋ Claimed by {ALICE} until " in await tell(house, "show 1")


async def test_in_a_reply_to_the_card_the_number_may_be_left_out(house: House) -> None:
    await tell(house, "claim", reply_to=house.card().event_id)
    assert claimed_by(house) == [ALICE]
    await tell(house, "release", reply_to=house.card().event_id)
    assert claimed_by(house) == []


async def test_of_two_who_claim_at_the_same_moment_the_first_has_it_and_the_second_is_told(house: House) -> None:
    house.tell("claim 1", by=BOB)
    house.tell("claim 1", by=ALICE)
    await house.later()

    assert claimed_by(house) == [BOB]
    assert [said for said in house.spoken() if f"#1 is claimed by {BOB} until " in said] == house.spoken()[-1:]


async def attempt(house: House, by: str, number: int = 0) -> str:
    """Somebody claims the request in a transaction of its own; what comes of it."""
    request = await house.request(ANA)
    try:
        async with house.context.turns.open(f"attempt:{by}:{number}") as turn:
            await claiming.claim(house.context, turn, request, by)
    except Refused as refused:
        return refused.said.code
    return "claimed"


async def test_of_two_claims_that_are_written_at_the_same_moment_one_counts(house: House) -> None:
    came = await asyncio.gather(*(attempt(house, f"@mod{number}:tulip.example") for number in range(5)))

    assert sorted(came) == ["claim.taken"] * 4 + ["claimed"]


async def test_claims_their_ends_and_answers_at_the_same_moment_do_not_wait_for_each_other(house: House) -> None:
    request = await house.request(ANA)
    await attempt(house, ALICE)
    house.clock.go_on(TWO_HOURS)

    async def answer() -> None:
        async with house.context.turns.open("answer") as turn:
            await answering.take(house.context, turn, Wish(BOB, Verdict.ACCEPT, "$answer"), request.id)

    claims = [attempt(house, by, number) for number in range(5) for by in (ALICE, BOB)]
    await asyncio.gather(*claims, house.ring(), answer())
    await house.later()

    assert (house.membership(ANA), claimed_by(house)) == ("invite", [])


async def test_nobody_gives_back_the_claim_of_another(house: House) -> None:
    await tell(house, "claim 1")

    assert f"#1 is claimed by {ALICE} until " in await tell(house, "release 1", by=BOB)
    assert claimed_by(house) == [ALICE]
    assert await tell(house, "release 1") == ""
    assert await tell(house, "release 1") == "Nobody has claimed #1."


@pytest.mark.parametrize("by_click", [True, False])
async def test_an_answer_by_another_counts_and_they_are_told_once(house: House, by_click: bool) -> None:
    await tell(house, "claim 1")
    if by_click:
        house.click("✅", by=BOB)
        await house.later()
        said = house.spoken()
    else:
        said = [await tell(house, "accept 1", by=BOB)]

    assert house.membership(ANA) == "invite"
    assert [one for one in said if f"{ALICE} had claimed #1." in one] == [
        f"{ALICE} had claimed #1. The answer of {BOB} counts."
    ]
    assert claimed_by(house) == []


async def test_who_claimed_it_and_answers_is_told_nothing(house: House) -> None:
    await tell(house, "claim 1")
    house.click("❌")
    await house.later()

    assert [said for said in house.spoken() if "had claimed" in said] == []


@pytest.mark.parametrize("dies", [True, False])
async def test_after_two_hours_it_ends(house: House, dies: bool) -> None:
    await tell(house, "claim 1")
    if dies:
        await house.die()
        house.clock.go_on(TWO_HOURS)
        await house.start_again()
    else:
        house.clock.go_on(TWO_HOURS)
    await house.ring()
    await house.later()

    assert claimed_by(house) == []
    assert await tell(house, "claim 1", by=BOB) == ""


async def test_who_claims_again_has_it_for_two_hours_from_then(house: House) -> None:
    await tell(house, "claim 1")
    house.clock.go_on(TWO_HOURS - 60)
    await tell(house, "claim 1")
    house.clock.go_on(120)
    await house.ring()
    await house.later()
    assert claimed_by(house) == [ALICE]

    house.clock.go_on(TWO_HOURS)
    await house.ring()
    await house.later()
    assert claimed_by(house) == []


async def test_while_the_bot_was_away_at_its_end_it_is_over_all_the_same(house: House) -> None:
    await tell(house, "claim 1")
    house.clock.go_on(TWO_HOURS + 60)

    assert await tell(house, "claim 1", by=BOB) == ""
    assert claimed_by(house) == [BOB]
    await house.ring()
    await house.later()
    assert claimed_by(house) == [BOB]


async def test_what_is_answered_cannot_be_claimed(house: House) -> None:
    house.click("❌")
    await house.later()

    assert "#1 is already closed" in await tell(house, "claim 1")


async def test_who_could_not_answer_cannot_claim(house: House) -> None:
    house.world.set_levels(GARDEN, users={ALICE: 100, BOT: 100, BOB: 0}, invite=50, kick=50, ban=50)
    await house.later()

    assert "50" in await tell(house, "claim 1", by=BOB)
    assert claimed_by(house) == []
    house.world.set_levels(GARDEN, invite=0)
    await house.later()
    assert await tell(house, "claim 1", by=BOB) == ""


async def test_a_claim_outlives_another_knock(house: House) -> None:
    await tell(house, "claim 1")
    house.world.knock(GARDEN, ANA, "please")
    await house.later()

    assert claimed_by(house) == [ALICE]


async def test_a_room_that_moves_to_another_management_room_takes_no_claim_along(house: House) -> None:
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for())
    await tell(house, "claim 1")
    house.tell(f"unprotect {GARDEN}")
    await house.later()
    house.world.say(OTHERS, ALICE, f"!kb protect {GARDEN}")
    await house.later()

    assert "Claimed" not in str(house.said(OTHERS))
    house.world.say(OTHERS, ALICE, "!kb claim 1")
    await house.later()
    assert "✋ Claimed by" in house.card(OTHERS).text
