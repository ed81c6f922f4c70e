"""What a knock counts as in its applicant's history: what was decided, and how it ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from knockbot.domain.reasons import in_words
from tests.flow.house import GARDEN, House
from tests.flow.neighbours import FARMERS, MEADOW, ORCHARD, decided, with_neighbours
from tests.flow.world import ALICE, ANA, BOT, World

AGAIN = """
rules:
- {name: known trouble, when: {rejected_before: true}, then: reject}
- {name: known, when: {accepted_before: true}, then: accept}
"""
DAY = 24 * 3600


async def came_in(house: House, user_id: str = ANA) -> None:
    """Somebody knocked, was accepted and joined."""
    house.world.knock(GARDEN, user_id)
    await house.live()
    house.world.change(GARDEN, ALICE, user_id, "invite")
    house.world.change(GARDEN, user_id, user_id, "join")
    await house.live()


async def rule_for(house: House, user_id: str = ANA) -> str:
    """The rule that decides on the next knock of somebody."""
    await house.set_policy(AGAIN)
    house.world.knock(GARDEN, user_id, "once more")
    await house.hear()
    [*_, last] = await house.requests(user_id)
    assert last.decision is not None
    return last.decision.rule


def is_kicked(world: World) -> None:
    """A moderator puts her out."""
    world.change(GARDEN, ALICE, ANA, "leave")


def is_banned_for_a_while(world: World) -> None:
    """A moderator bans her, and lifts that later."""
    world.change(GARDEN, ALICE, ANA, "ban")
    world.change(GARDEN, ALICE, ANA, "leave")


REMOVALS = [is_kicked, is_banned_for_a_while]


async def test_who_left_by_themselves_was_accepted(house: House) -> None:
    await came_in(house)
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()

    assert await rule_for(house) == "known"


@pytest.mark.parametrize("removed", REMOVALS)
async def test_who_was_removed_after_joining_is_let_in_by_no_rule(
    house: House, removed: Callable[[World], None]
) -> None:
    await came_in(house)
    removed(house.world)
    await house.live()

    assert await rule_for(house) != "known"


@pytest.mark.parametrize(
    ("removed", "how"), [(is_kicked, "kicked"), (is_banned_for_a_while, "banned")], ids=["kicked", "banned"]
)
async def test_the_card_and_the_log_say_who_removed_them_after_they_joined(
    house: House, removed: Callable[[World], None], how: str
) -> None:
    await came_in(house)
    house.clock.go_on(2 * DAY)
    removed(house.world)
    await house.live()
    house.clock.go_on(DAY)
    house.world.knock(GARDEN, ANA)
    await house.live()

    card = house.cards()[-1].text
    assert f"Before: joined, accepted by {ALICE}, 3 days earlier (#1). Then {how} by {ALICE}, 1 day earlier." in card
    house.tell(f"log {ANA}")
    await house.live()
    assert house.spoken()[-1].count(f"{how} after joining · by {ALICE}") == 1


async def test_a_ban_that_was_lifted_still_counts_as_a_ban(house: House) -> None:
    await came_in(house)
    is_banned_for_a_while(house.world)
    await house.live()
    await house.set_policy("rules: [{name: once banned, when: {banned_before: true}, then: reject}]")
    house.world.knock(GARDEN, ANA)
    await house.hear()

    [*_, last] = await house.requests(ANA)
    assert last.decision is not None
    assert last.decision.rule == "once banned"


async def test_to_withdraw_an_invite_of_somebody_who_left_again_removes_nobody(house: House) -> None:
    await came_in(house)
    house.world.change(GARDEN, ANA, ANA, "leave")
    house.world.change(GARDEN, ALICE, ANA, "invite")
    house.world.change(GARDEN, ALICE, ANA, "leave")
    await house.live()

    assert await rule_for(house) == "known"


@pytest.mark.parametrize("removed", REMOVALS)
async def test_also_where_the_bot_was_away_meanwhile(house: House, removed: Callable[[World], None]) -> None:
    await came_in(house)
    house.world.change(GARDEN, ALICE, BOT, "leave")
    removed(house.world)
    house.world.change(GARDEN, ALICE, BOT, "invite")
    await house.live()

    assert await rule_for(house) != "known"


@pytest.mark.parametrize("removed", REMOVALS)
async def test_earlier_accepts_do_not_count_then_either(house: House, removed: Callable[[World], None]) -> None:
    for _ in range(2):
        await came_in(house)
        house.world.change(GARDEN, ANA, ANA, "leave")
        await house.live()
    house.world.change(GARDEN, ALICE, ANA, "invite")
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    removed(house.world)
    await house.live()

    assert await rule_for(house) != "known"


async def test_a_kick_after_joining_is_as_old_as_the_kick(house: House) -> None:
    await came_in(house)
    house.clock.go_on(30 * DAY)
    is_kicked(house.world)
    await house.live()
    house.clock.go_on(DAY)
    await house.set_policy("rules: [{name: of late, when: {rejected_before: {within: 7d}}, then: reject}]")
    house.world.knock(GARDEN, ANA)
    await house.hear()

    [*_, last] = await house.requests(ANA)
    assert last.decision is not None
    assert last.decision.rule == "of late"


async def test_the_request_itself_still_says_that_they_joined(house: House) -> None:
    await came_in(house)
    is_kicked(house.world)
    await house.live()

    assert (await house.request(ANA)).state == "joined"


@pytest.mark.parametrize("emoji", ["❌", "⛔"])
async def test_to_take_the_knock_back_before_the_rejection_is_carried_out_is_no_way_around_it(
    house: House, emoji: str
) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.click(emoji)
    await house.hear()
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()

    assert await rule_for(house) == "known trouble"


async def test_nor_before_a_rule_is_carried_out(house: House) -> None:
    await house.set_policy("otherwise: reject")
    house.world.knock(GARDEN, ANA)
    await house.hear()
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()

    assert await rule_for(house) == "known trouble"


async def test_a_rejection_that_fell_with_its_moderator_does_not_count(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.click("❌")
    await house.hear()
    house.world.rooms[GARDEN].levels["users"][ALICE] = 0
    house.clock.go_on(11)  # the act is not immediate any more
    await house.live()
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()
    house.world.rooms[GARDEN].levels["users"][ALICE] = 100

    assert await rule_for(house) == "otherwise"


async def test_who_takes_back_a_knock_that_nobody_answered_has_no_record(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()

    assert await rule_for(house) == "otherwise"


@pytest.mark.parametrize("emoji", ["❌", "⛔"])
async def test_whom_an_invite_was_signed_for_unasked_has_no_record_of_it(house: House, emoji: str) -> None:
    """An inviter can sign for somebody who knocks; taking that back says nothing of them."""
    house.world.plant(GARDEN, ALICE)
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.world.redeem(GARDEN, ANA, join=False)
    await house.live()
    card = next(card for card in house.cards() if card.block["kind"] == "third_party_invite")
    house.click(emoji, card=card)
    await house.later()
    assert house.membership(ANA) == "leave"

    assert await rule_for(house) == "otherwise"


# --- in the rooms managed from the same place ---------------------------------------------------------------------

PAST_BY_PLACE = """
rules:
- {name: banned here, when: {banned_before: true}, then: reject}
- {name: banned nearby, when: {banned_before: {where: managed}}, then: reject}
- {name: rejected nearby, when: {rejected_before: {within: 7d, where: managed}}, then: reject}
- {name: accepted nearby, when: {accepted_before: {where: managed}}, then: accept}
"""


async def ended(house: House, room_id: str, membership: str) -> None:
    """Her knock at a room ended with this membership, and her ban was lifted."""
    house.world.knock(room_id, ANA)
    await house.live()
    house.world.change(room_id, ALICE, ANA, membership)
    await house.live()
    if membership == "ban":
        house.world.change(room_id, ALICE, ANA, "leave")
    if membership == "invite":
        house.world.change(room_id, ANA, ANA, "leave")
    await house.live()


@pytest.mark.parametrize(
    ("room_id", "membership", "rule"),
    [
        (GARDEN, "ban", "banned here"),
        (ORCHARD, "ban", "banned nearby"),
        (ORCHARD, "leave", "rejected nearby"),
        (ORCHARD, "invite", "accepted nearby"),
        (GARDEN, "invite", "accepted nearby"),
        (MEADOW, "ban", "otherwise"),
        (MEADOW, "leave", "otherwise"),
        (MEADOW, "invite", "otherwise"),
    ],
)
async def test_what_came_to_pass_nearby_counts_and_what_others_manage_does_not(
    house: House, room_id: str, membership: str, rule: str
) -> None:
    await with_neighbours(house)
    await ended(house, room_id, membership)
    await house.set_policy(PAST_BY_PLACE)

    assert (await decided(house)).rule == rule


async def test_a_room_that_moves_to_another_management_room_takes_its_past_along(house: House) -> None:
    await with_neighbours(house)
    await ended(house, ORCHARD, "ban")
    await house.protect(ORCHARD, FARMERS)
    await house.set_policy(PAST_BY_PLACE)
    await house.set_policy(PAST_BY_PLACE, MEADOW)

    assert (await decided(house)).rule == "otherwise"
    assert (await decided(house, room_id=MEADOW)).rule == "banned nearby"


async def test_the_newest_of_a_long_past_in_many_rooms_are_kept(house: House) -> None:
    """And what is stored of them still decides as it did: the fixture judges again."""
    await with_neighbours(house)
    for _ in range(12):
        await ended(house, ORCHARD, "leave")
        await ended(house, GARDEN, "leave")
        house.clock.go_on(DAY)
    house.clock.go_on(2 * DAY)
    await house.set_policy(
        "rules: [{name: often, when: {rejected_before: {times: 13, within: 8d, where: managed}}, then: reject},"
        "{name: of late, when: {rejected_before: {times: 12, within: 8d, where: managed}}, then: reject}]"
    )

    decision = await decided(house)
    assert decision.rule == "of late"
    assert [in_words(miss.why) for miss in decision.missed] == [
        "user was rejected 12 times before in that time in the rooms managed from here"
    ]
