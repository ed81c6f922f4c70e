"""After a new policy, one click has those who wait judged by it; the offer closes where that is done or of no use."""

from __future__ import annotations

import pytest

from tests.flow.house import GARDEN, MODS, House
from tests.flow.offered import Offered, click, offers
from tests.flow.world import ALICE, ANA, BEA, BOT, levels_for

BOB = "@bob:tulip.example"
NEW = "rules: [{name: ours, when: {local: true}, then: accept}]"
OTHER_MODS = "!others:tulip.example"


async def waiting(house: House, *people: str) -> None:
    for user_id in people:
        house.world.knock(GARDEN, user_id)
    await house.live()


async def policy_set(house: House, text: str = NEW) -> list[str]:
    before = len(house.spoken())
    house.tell(f"policy set {GARDEN}\n{text}")
    await house.live()
    return house.spoken()[before:]


def offered(house: House) -> list[Offered]:
    return offers(house, "apply_policy")


def offer(house: House) -> Offered:
    """The only one."""
    [only] = offered(house)
    return only


def members(house: House, *people: str) -> list[str | None]:
    return [house.membership(user_id) for user_id in people]


async def test_one_click_has_those_who_wait_judged_by_the_new_policy(house: House) -> None:
    await waiting(house, ANA, BEA)
    reply, asked = await policy_set(house)
    assert reply.startswith("✅ Revision 1")
    assert asked == (
        "2 pending requests of Garden were judged by the policy before. To judge them by the policy in force, click ✅ "
        f"or type !kb policy apply {GARDEN}."
    )
    assert (offer(house).is_open, offer(house).emojis) == (True, ("✅",))

    said = await click(house, offer(house))

    assert said[0].startswith("I judge 2 pending requests of Garden again")
    assert said[-1].startswith("I judged 2 pending requests of Garden again. Accept: 2.")
    assert members(house, ANA, BEA) == ["invite", "invite"]
    assert (offer(house).is_open, offer(house).emojis) == (False, ())


async def test_a_second_click_and_a_later_one_do_nothing(house: House) -> None:
    await waiting(house, ANA)
    await policy_set(house)
    asked = offer(house)
    house.world.react(MODS, ALICE, asked.event_id, "✅")
    house.world.react(MODS, ALICE, asked.event_id, "✅")
    await house.live()
    said = len(house.spoken())
    assert await click(house, asked) == []
    assert len(house.spoken()) == said
    assert len([text for text in house.spoken() if text.startswith("I judged")]) == 1


async def test_where_nobody_waits_nothing_is_offered(house: House) -> None:
    assert len(await policy_set(house)) == 1
    assert offered(house) == []


async def test_another_policy_closes_the_offer_and_makes_a_new_one(house: House) -> None:
    await waiting(house, ANA)
    await policy_set(house, "otherwise: ban")
    await policy_set(house, "otherwise: accept")
    old, new = offered(house)
    assert (old.is_open, new.is_open) == (False, True)

    assert await click(house, old) == ["This question is closed, because it needs no answer any more."]
    assert members(house, ANA) == ["knock"]
    await click(house, new)
    assert members(house, ANA) == ["invite"]


async def test_a_revert_offers_it_too(house: House) -> None:
    await policy_set(house, "otherwise: reject")
    await policy_set(house, "otherwise: forward")
    await waiting(house, ANA)
    house.tell(f"policy revert {GARDEN} 1")
    await house.live()
    await click(house, offer(house))
    assert members(house, ANA) == ["leave"]


async def test_the_command_closes_the_offer(house: House) -> None:
    await waiting(house, ANA)
    await policy_set(house)
    house.tell(f"policy apply {GARDEN}")
    await house.live()
    assert (offer(house).is_open, members(house, ANA)) == (False, ["invite"])


async def test_the_next_policy_with_nobody_waiting_closes_the_offer(house: House) -> None:
    await waiting(house, ANA)
    await policy_set(house)
    house.click("❌")
    await house.live()
    await policy_set(house, "otherwise: ban")
    assert not offer(house).is_open


@pytest.mark.parametrize("lack", ["power", "the garden"])
async def test_only_who_could_set_the_policy_may_click(house: House, lack: str) -> None:
    await waiting(house, ANA)
    await policy_set(house)
    house.world.change(MODS, BOB, BOB, "join")
    house.world.rooms[GARDEN].levels["users"][BOB] = 0 if lack == "power" else 100
    if lack == "power":
        house.world.change(GARDEN, BOB, BOB, "join")

    [said] = await click(house, offer(house), by=BOB)
    assert "power level" in said if lack == "power" else "member" in said.lower()
    assert await click(house, offer(house), by=BOB) == []  # told once
    assert (members(house, ANA), offer(house).is_open) == (["knock"], True)
    await click(house, offer(house))
    assert members(house, ANA) == ["invite"]


@pytest.mark.parametrize("emoji", ["❌", "⛔", "👍", "1️⃣"])
async def test_another_reaction_is_no_answer(house: House, emoji: str) -> None:
    await waiting(house, ANA)
    await policy_set(house)
    await click(house, offer(house), emoji)
    assert members(house, ANA) == ["knock"]


async def test_a_reply_of_the_emoji_alone_is_a_click(house: House) -> None:
    await waiting(house, ANA)
    await policy_set(house)
    relation = {"m.relates_to": {"m.in_reply_to": {"event_id": offer(house).event_id}}}
    house.world.say(MODS, ALICE, "✅", **relation)
    await house.live()
    assert members(house, ANA) == ["invite"]


async def test_an_offer_that_is_removed_is_made_again_while_it_is_open(house: House) -> None:
    await waiting(house, ANA)
    await policy_set(house)
    house.world.redact(MODS, ALICE, offer(house).event_id)
    await house.live()

    again = offer(house)
    assert again.is_open
    await click(house, again)
    assert members(house, ANA) == ["invite"]

    house.world.redact(MODS, ALICE, again.event_id)
    await house.live()
    assert offered(house) == []


async def test_a_click_while_the_bot_was_away_is_found(house: House) -> None:
    await waiting(house, ANA)
    await policy_set(house)
    house.world.react(MODS, ALICE, offer(house).event_id, "✅")
    house.world.outbox.clear()
    await house.look_everywhere()
    await house.live()
    assert members(house, ANA) == ["invite"]


async def test_an_offer_survives_a_death_before_it_was_posted(house: House) -> None:
    await waiting(house, ANA)
    house.tell(f"policy set {GARDEN}\n{NEW}")
    await house.hear()
    await house.die()
    await house.start_again()
    await house.live()
    await click(house, offer(house))
    assert members(house, ANA) == ["invite"]


async def test_it_closes_with_the_protection_of_the_room(house: House) -> None:
    await waiting(house, ANA)
    await policy_set(house)
    house.tell(f"unprotect {GARDEN}")
    await house.live()
    assert not offer(house).is_open
    assert await click(house, offer(house)) == ["This question is closed, because it needs no answer any more."]
    assert members(house, ANA) == ["knock"]


async def test_it_closes_where_the_room_is_managed_from_another_room(house: House) -> None:
    await waiting(house, ANA)
    await policy_set(house)
    house.world.room(OTHER_MODS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    house.world.say(OTHER_MODS, ALICE, f"!kb protect {GARDEN}")
    await house.live()
    assert not offer(house).is_open
    await click(house, offer(house))
    assert members(house, ANA) == ["knock"]


# --- how many wait ------------------------------------------------------------------------------------------------


def counted(house: House) -> int | None:
    """How many requests the last offer is about; `None` once it is closed."""
    last = offered(house)[-1]
    return int(last.text.split()[0]) if last.is_open else None


async def edited(house: House) -> None:
    """Until what is edited some seconds later is edited."""
    await house.later(3)
    await house.live()


async def test_the_offer_counts_who_still_waits_and_closes_with_the_last_one(house: House) -> None:
    await waiting(house, ANA, BEA)
    await policy_set(house)
    assert counted(house) == 2

    house.world.change(GARDEN, ALICE, ANA, "leave")
    await house.live()
    await edited(house)
    assert counted(house) == 1

    house.world.change(GARDEN, BEA, BEA, "leave")
    await house.live()
    await edited(house)
    assert counted(house) is None
    assert await click(house, offer(house)) == ["This question is closed, because it needs no answer any more."]


async def test_whoever_was_judged_by_the_policy_in_force_is_not_counted(house: House) -> None:
    await waiting(house, ANA, BEA)
    await policy_set(house, "rules: [{name: ours, when: {local: true}, then: forward}]")
    carl = "@carl:tulip.example"
    await waiting(house, carl)
    await edited(house)
    assert counted(house) == 2

    house.world.knock(GARDEN, ANA, "once more")
    await house.live()
    await edited(house)
    assert counted(house) == 1

    house.world.knock(GARDEN, BEA, "once more")
    await house.live()
    await edited(house)
    assert counted(house) is None
    assert members(house, ANA, BEA, carl) == ["knock"] * 3


async def test_an_answer_that_is_taken_back_leaves_the_offer(house: House) -> None:
    await waiting(house, ANA)
    await policy_set(house)
    clicked = house.click("❌")
    await house.hear()  # and nothing is carried out yet
    assert (await house.request(ANA)).answer is not None
    house.world.redact(MODS, ALICE, clicked)
    await house.live()
    await edited(house)
    assert (members(house, ANA), counted(house)) == (["knock"], 1)
    await click(house, offer(house))
    assert members(house, ANA) == ["invite"]


@pytest.mark.parametrize("falls", ["click", "power"])
async def test_an_offer_that_closed_comes_back_when_somebody_waits_again(house: House, falls: str) -> None:
    """The answer to Ana is blocked, and Bea leaves: nobody waits. Then that answer is taken back, or falls."""
    house.world.change(GARDEN, ALICE, BOB, "invite")
    house.world.change(GARDEN, BOB, BOB, "join")
    house.world.set_levels(GARDEN, users={ALICE: 100, BOT: 50, BOB: 60})
    await waiting(house, ANA, BEA)
    await policy_set(house)
    clicked = house.click("❌", by=BOB, card=house.cards()[0])
    await house.hear()
    house.world.set_levels(GARDEN, kick=60)
    await house.live()
    house.world.change(GARDEN, BEA, BEA, "leave")
    await house.live()
    await edited(house)
    assert (counted(house), (await house.request(ANA)).answer is None) == (None, False)

    if falls == "click":
        house.world.redact(MODS, BOB, clicked)
    else:
        house.world.set_levels(GARDEN, kick=50, users={ALICE: 100, BOT: 50, BOB: 0})
    await house.live()
    await edited(house)
    assert (members(house, ANA), [one.is_open for one in offered(house)]) == (["knock"], [False, True])
    await click(house, offered(house)[-1])
    assert members(house, ANA) == ["invite"]


async def test_no_offer_comes_back_while_the_policy_is_being_applied(house: House) -> None:
    people = [f"@user{number}:tulip.example" for number in range(3)]
    await waiting(house, *people)
    await policy_set(house, "rules: [{name: ours, when: {local: true}, then: forward}]")
    house.tell(f"policy apply {GARDEN}")
    await house.live()
    await edited(house)
    assert [one.is_open for one in offered(house)] == [False]
