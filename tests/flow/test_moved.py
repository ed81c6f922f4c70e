"""A room moves to another management room: what becomes of its requests afterwards is told there, and nowhere else."""

from __future__ import annotations

import pytest

from knockbot.domain.model import Because, Request, State
from knockbot.flow import rejudging
from tests.flow.house import GARDEN, MODS, House
from tests.flow.planted import STAND, invite, planted, redeemed
from tests.flow.test_lists import BANS, LIZ, open_door, set_policy, settled
from tests.flow.test_untaken import MO, demoted, open_garden
from tests.flow.world import ALICE, ANA, BEA, BOT, levels_for

__all__ = ["open_garden"]

OTHERS = "!others:tulip.example"
SECRET = "theirs"


async def moved(house: House, how: str = "protect") -> int:
    """Somebody has the garden managed from another room; returns how much was said in the old one by then."""
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    if how == "unprotect":
        house.tell(f"unprotect {GARDEN}")
        await settled(house)
    house.world.say(OTHERS, ALICE, f"!kb protect {GARDEN}")
    await settled(house)
    return len(house.world.rooms[MODS].said)


def since(house: House, before: int) -> list[object]:
    """What the bot has said in the old management room since then, edits too."""
    return list(house.world.rooms[MODS].said[before:])


async def invited(house: House, policy: str | None = None) -> Request:
    """Ana was accepted by a rule, and has not joined yet."""
    if policy is not None:
        await house.set_policy(policy)
    house.world.knock(GARDEN, ANA)
    await settled(house)
    assert house.membership(ANA) == "invite"
    return await house.request(ANA)


@pytest.mark.parametrize("how", ["protect", "unprotect"])
async def test_an_entry_about_who_was_invited_is_told_in_the_new_room_alone(open_garden: House, how: str) -> None:
    house = open_garden
    await set_policy(house)
    await invited(house)
    before = await moved(house, how)
    house.world.list_entity(BANS, LIZ, ANA, reason=SECRET)
    await settled(house)

    assert house.membership(ANA) == "ban"
    assert since(house, before) == []
    [line] = [said for said in house.spoken(OTHERS) if ANA in said]
    assert line.startswith("⛔ #1 ")
    assert SECRET in line
    assert (await house.request(ANA)).management_room == OTHERS


@pytest.mark.parametrize("how", ["protect", "unprotect"])
async def test_the_card_about_an_invite_that_cannot_be_withdrawn_comes_to_the_new_room(
    open_garden: House, how: str
) -> None:
    house = open_garden
    await set_policy(house, by=MO)
    await invited(house)
    before = await moved(house, how)
    demoted(house)
    await settled(house)
    house.world.list_entity(BANS, LIZ, ANA, reason=SECRET)
    await settled(house)

    assert since(house, before) == []
    assert house.card(OTHERS).text.startswith("🚪 #1 @ana:tulip.example is invited to Garden")
    house.world.say(OTHERS, ALICE, "!kb ban 1")
    await settled(house)
    assert house.membership(ANA) == "ban"


COMES = {
    "joins": ("join", ANA),
    "declines": ("leave", ANA),
    "is removed": ("leave", ALICE),
    "is banned": ("ban", ALICE),
}


@pytest.mark.parametrize("comes", COMES)
@pytest.mark.parametrize("how", ["protect", "unprotect"])
async def test_the_card_of_an_accept_says_once_that_the_room_moved_and_then_nothing(
    house: House, how: str, comes: str
) -> None:
    house.world.knock(GARDEN, ANA)
    await house.later()
    house.click("✅")
    await house.later()
    before = await moved(house, how)
    assert house.card().text == "This room is now managed from another room. The request was moved there."
    assert house.card().offers == ()

    membership, by = COMES[comes]
    house.world.change(GARDEN, by, ANA, membership, SECRET)
    await settled(house)
    assert since(house, before) == []
    house.world.say(OTHERS, ALICE, "!kb show 1")
    await house.later()
    assert ANA in house.spoken(OTHERS)[-1]


async def test_a_click_on_the_old_card_is_told_where_the_request_is(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.later()
    house.click("✅")
    await house.later()
    await moved(house)
    house.click("⛔")
    await house.later()

    assert house.membership(ANA) == "invite"
    assert house.spoken()[-1] == "This room is now managed from another room. The request was moved there."


async def test_who_waits_has_lower_numbers_there_than_who_was_invited(house: House) -> None:
    await invited(house, "otherwise: accept")
    await house.set_policy("otherwise: forward")
    house.world.knock(GARDEN, BEA)
    await house.later()
    await moved(house)

    assert [(await house.request(user)).number for user in (BEA, ANA)] == [1, 2]


async def test_who_used_an_invite_and_has_not_joined_moves_along(house: House) -> None:
    await house.set_policy(STAND)
    await planted(house)
    await redeemed(house, join=False)
    assert (await invite(house)).state is State.REDEEMED
    await moved(house)

    assert (await invite(house)).management_room == OTHERS


@pytest.mark.parametrize("moves", [False, True])
async def test_a_report_that_comes_after_the_move_replies_to_nothing_of_the_old_room(
    open_garden: House, moves: bool
) -> None:
    house = open_garden
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    await house.set_policy("otherwise: accept")
    asked = house.tell(f"policy set {GARDEN}\n{open_door()}")
    await house.hear()
    if moves:
        house.world.say(OTHERS, ALICE, f"!kb protect {GARDEN}")
        await house.hear()
    await settled(house)

    *_, report = [one for one in house.said(OTHERS if moves else MODS) if "names nobody who is in" in one["body"]]
    replied_to = report.get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id")
    assert replied_to == (None if moves else asked)


async def test_so_does_the_report_on_a_policy_that_was_applied(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.later()
    await house.set_policy("otherwise: accept")
    asked = house.tell(f"policy apply {GARDEN}", by="@stranger:tulip.example")
    await house.hear()
    await moved(house)
    async with house.context.turn() as turn:
        await rejudging.plan(house.context, turn, GARDEN, Because.POLICY_APPLIED, asked)
        await rejudging.plan_report(house.context, turn, GARDEN, Because.POLICY_APPLIED, asked)
    await settled(house)

    [report] = [one for one in house.said(OTHERS) if one["body"].startswith("I judged")]
    assert "m.relates_to" not in report


@pytest.mark.parametrize("how", ["protect", "unprotect"])
async def test_there_nobody_reads_why_people_were_approved_here(house: House, how: str) -> None:
    await house.protect(policy="rules:\n- when: {pre_approved: true}\n  then: accept\n")
    house.tell(f"allow {ANA} {SECRET} friend")
    await settled(house)
    await moved(house, how)
    house.world.say(OTHERS, ALICE, "!kb allowed")
    await settled(house)

    said = house.world.rooms[OTHERS].said[-1]["content"]["body"]
    assert ANA in said
    assert SECRET not in said


async def test_the_log_there_gives_no_number_to_what_was_numbered_here(house: House) -> None:
    await house.protect()
    house.world.knock(GARDEN, BEA)
    await settled(house)
    house.tell("reject 1")
    await settled(house)
    await moved(house)
    house.world.knock(GARDEN, ANA)
    await settled(house)
    house.world.say(OTHERS, ALICE, "!kb log")
    await settled(house)

    lines = house.world.rooms[OTHERS].said[-1]["content"]["body"].split("\n")
    assert all(f"#1 {BEA}" not in line for line in lines)
    assert any(BEA in line for line in lines)
    assert any(f"#1 {ANA}" in line for line in lines)
