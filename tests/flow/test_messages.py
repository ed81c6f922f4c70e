"""A message whose sending is unsure is looked for before it is sent again: first its echo, then the room itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from knockbot.domain.notices import Room, notice
from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from knockbot.flow import saying
from knockbot.flow.ports import LOCKED, NoCipher
from knockbot.flow.saying import Audience
from tests.flow.house import GARDEN, MODS, House, working_until
from tests.flow.world import ALICE, ANA, BOT

UNSURE = Later(foreign("no answer within 20 seconds."))


async def knocked(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()


def forget_transactions(house: House) -> None:
    """The homeserver was restarted: it knows no transaction id of before."""
    house.world.txn_ids.clear()


async def test_a_card_whose_answer_was_lost_is_known_by_its_echo(house: House) -> None:
    house.world.play("send", UNSURE, done=True)
    await knocked(house)
    assert len(house.cards()) == 1
    forget_transactions(house)
    await house.later()

    assert len(house.cards()) == 1
    assert house.card().offers == ("✅", "❌", "⛔")
    assert house.world.asked("messages_back") == []
    house.click("✅")
    await house.later()
    assert house.membership(ANA) == "invite"


async def test_a_card_whose_answer_and_echo_were_lost_is_found_in_the_room(house: House) -> None:
    house.world.play("send", UNSURE, done=True)
    house.world.knock(GARDEN, ANA, "hello")
    await house.hear()
    await house.work()
    house.world.outbox.clear()
    forget_transactions(house)
    await house.later()

    assert len(house.cards()) == 1
    assert house.card().offers == ("✅", "❌", "⛔")
    assert len(house.world.asked("messages_back")) == 1


async def test_a_card_is_found_behind_much_else_that_was_said(house: House) -> None:
    house.world.play("send", UNSURE, done=True)
    house.world.knock(GARDEN, ANA, "hello")
    await house.hear()
    await house.work()
    for number in range(35):
        house.world.say(MODS, BOT, f"something else {number}")
        house.world.say(MODS, ALICE, f"talk {number}")
    house.world.outbox.clear()
    forget_transactions(house)
    await house.later()

    assert len(house.cards()) == 1
    assert len(house.world.asked("messages_back")) == 4


async def test_a_card_that_did_not_get_through_is_sent(house: House) -> None:
    house.world.play("send", UNSURE)
    await knocked(house)
    assert house.cards() == []
    await house.later()

    assert house.card().state == "pending"


async def test_what_is_sure_is_not_looked_for(house: House) -> None:
    await knocked(house)
    house.click("❌")
    await house.later()

    assert house.world.asked("messages_back") == []


async def test_a_look_that_fails_is_made_again_before_anything_is_sent(house: House) -> None:
    house.world.play("send", UNSURE, done=True)
    house.world.knock(GARDEN, ANA, "hello")
    await house.hear()
    await house.work()
    house.world.outbox.clear()
    forget_transactions(house)
    house.world.play("messages_back", UNSURE, times=2)
    for _ in range(4):
        await house.later(60)

    assert len(house.cards()) == 1


async def test_a_line_is_looked_for_like_a_card(house: House) -> None:
    await house.set_policy("otherwise: accept")
    house.world.play("send", UNSURE, done=True)
    house.world.knock(GARDEN, ANA, "hello")
    await house.hear()
    await house.work()
    house.world.outbox.clear()
    forget_transactions(house)
    await house.later()

    assert len(house.spoken()) == 1


async def test_a_reply_is_said_once_however_often_its_sending_fails(house: House) -> None:
    house.world.play("send", UNSURE, done=True)
    house.world.play("send", UNSURE, times=2)
    house.tell("rooms")
    for _ in range(4):
        forget_transactions(house)
        await house.later(60)

    assert len(house.spoken()) == 1


async def test_an_answer_is_offered_once_whatever_became_of_the_answer(house: House) -> None:
    house.world.play("send", None)
    house.world.play("send", UNSURE, done=True, times=3)
    await knocked(house)
    forget_transactions(house)
    await house.later()

    assert sorted(house.card().offers) == sorted(("✅", "❌", "⛔"))


async def test_an_edit_that_is_tried_again_shows_what_is_true_by_then(house: House) -> None:
    """The homeserver must not take it for a repeat of the first, whose answer was lost."""
    await knocked(house)
    house.world.knock(GARDEN, ANA, "again")
    house.world.play("send", UNSURE, done=True)
    await house.live()
    house.world.change(GARDEN, ALICE, ANA, "leave")
    await house.live()
    await house.later()

    assert house.card().state == "rejected"


async def test_a_card_that_turns_out_to_be_sent_after_its_request_was_settled_is_edited(house: House) -> None:
    house.world.play("send", UNSURE, done=True)
    house.world.knock(GARDEN, ANA, "hello")
    await house.hear()
    await house.work()
    house.world.change(GARDEN, ANA, ANA, "leave")
    forget_transactions(house)
    await house.later()
    await house.later()

    assert house.card().state == "withdrawn"


@pytest.mark.parametrize("echoed", [True, False])
async def test_a_process_that_dies_while_it_sends_leaves_no_second_card(house: House, echoed: bool) -> None:
    house.world.play("send", hang=asyncio.Event(), done=True)
    house.world.knock(GARDEN, ANA, "hello")
    await house.hear()
    await working_until(house, lambda: bool(house.cards()), "a card is sent")
    await house.die()
    house.world.behave()
    forget_transactions(house)
    if not echoed:
        house.world.outbox.clear()
    await house.start_again()
    await house.later()

    assert len(house.cards()) == 1
    house.click("✅")
    await house.later()
    assert house.membership(ANA) == "invite"


async def test_what_is_said_on_the_same_occasion_is_said_once(house: House) -> None:
    for _ in range(3):
        async with house.context.turn() as turn:
            await saying.say(
                house.context, turn, Audience(MODS), "an occasion", notice("act.unblocked", room=Room(GARDEN, "Garden"))
            )
        await house.live()

    assert house.spoken() == ["✅ I can act in Garden again. Pending actions run now."]


class Lost:
    """A safe whose key is not at hand when it is to be opened."""

    def lock(self, content: Mapping[str, Any], /) -> Mapping[str, Any]:
        """As where encryption is allowed."""
        return {LOCKED: json.dumps(content)}

    def unlock(self, _: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Never asked."""
        raise AssertionError


async def test_what_was_locked_when_encryption_was_allowed_waits_once_it_is_not(house: House) -> None:
    house.furnish(cipher=Lost())
    async with house.context.turn() as turn:
        await saying.say(house.context, turn, Audience(MODS), "before", notice("late"))
    house.furnish(cipher=NoCipher())
    await house.live()

    assert house.spoken() == []
    async with house.db.tx() as tx:
        assert await tx.fetchval("SELECT state FROM jobs") == "blocked"
