"""A card says whether anybody still keeps its door."""

from __future__ import annotations

from tests.journey.conftest import OwnKeeper
from tests.keeper import edit_of, words


async def test_the_card_of_a_room_protected_no_longer_offers_no_answer_until_it_is_protected_again(
    own_keeper: OwnKeeper,
) -> None:
    garden = await (await own_keeper()).plant()
    ana = await garden.knocker(reason="hello")
    card = await garden.card(ana)

    await garden.command(f"unprotect {garden.room}")

    left_alone = await garden.heard(lambda event: edit_of(event) == card["event_id"], "an edit of the card")
    assert ana.user_id in words(left_alone)
    assert "accept" not in words(left_alone)
    assert garden.room not in words(left_alone)

    await garden.command(f"protect {garden.room}")

    taken_up = await garden.shown(ana, "pending", after=left_alone["event_id"])
    assert edit_of(taken_up) == card["event_id"]
    assert "accept" in words(taken_up)
