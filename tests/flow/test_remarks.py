"""What moderators make of a request is shown wherever the request is, in as many words as there is room for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from knockbot.features.notes.telling import ON_CARD
from knockbot.store import rooms
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT, levels_for

POND, SPACE = "!pond:tulip.example", "!space:tulip.example"
EVENT = 65_536
"""Bytes that an event may have."""


async def tell(house: House, *commands: str) -> None:
    for command in commands:
        house.tell(command)
        await house.later()


def newest_edit(house: House) -> dict[str, Any]:
    contents: list[dict[str, Any]] = [event["content"] for event in house.world.rooms[MODS].said]
    return [content for content in contents if "m.new_content" in content][-1]


async def test_a_card_of_one_applicant_at_several_rooms_has_them_in_the_line_of_each_room(house: House) -> None:
    for room_id, label in ((SPACE, "Estate"), (POND, "Pond")):
        house.world.room(room_id, label, ALICE, BOT, levels=levels_for())
        await house.protect(room_id)
    async with house.db.tx() as tx:
        for room_id in (GARDEN, POND):
            await rooms.set_space(tx, room_id, SPACE)
    for room_id in (GARDEN, POND):
        house.world.knock(room_id, ANA, "hello")
        await house.later(3)
    await tell(house, "note 2 a letter", "note 2 another", "claim 1", "defer 2 2d")

    garden, pond = [line for line in house.card().text.split("\n") if line.startswith("🚪 #")]
    assert f"✋ Claimed by {ALICE} until " in garden
    assert ("📝 2 notes" in pond, f"⏳ Deferred by {ALICE} until " in pond, "letter" in pond) == (True, True, False)
    assert ("📝" in garden, "⏳" in garden, "✋" in pond) == (False, False, False)


async def test_a_card_that_many_applicants_share_has_them_in_the_row_of_each(house: House) -> None:
    for number in range(14):
        house.world.knock(GARDEN, f"@knocker{number}:tulip.example", "hello")
    await house.later()
    [shared] = [card for card in house.cards() if len(card.blocks) > 1]
    number = shared.blocks[0]["number"]
    await tell(house, f"claim {number}", f"note {number} a letter")

    [shared] = [card for card in house.cards() if len(card.blocks) > 1]
    rows = [line for line in shared.text.split("\n") if "✋" in line or "📝" in line]
    assert [f"#{number} " in row and f"✋ Claimed by {ALICE}" in row and "📝 1 note" in row for row in rows] == [True]


@pytest.mark.parametrize("letter", ["🦄", "&", '"', "ß", "\u0301", "."])
async def test_an_edit_with_the_longest_notes_fits_into_an_event(house: House, letter: str) -> None:
    house.world.knock(GARDEN, ANA, letter * 5000)
    await house.later()
    await tell(house, *(f"note 1 n{n}{letter * 498}" for n in range(ON_CARD)), "claim 1", "defer 1 30d")

    content = newest_edit(house)
    assert all(f"n{n}" in content["m.new_content"]["body"] for n in range(ON_CARD))
    assert len(json.dumps(content, ensure_ascii=False).encode()) < EVENT - 5000
    await tell(house, "show 1")
    shown = house.world.rooms[MODS].said[-1]["content"]
    assert len(json.dumps(shown, ensure_ascii=False).encode()) < EVENT - 5000


async def test_what_is_settled_keeps_its_notes_and_nothing_else(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.later()
    await tell(house, "note 1 a letter", "claim 1", "defer 1 2d", "reject 1")

    assert ("a letter" in house.card().text, "✋" in house.card().text, "⏳" in house.card().text) == (
        True,
        False,
        False,
    )
