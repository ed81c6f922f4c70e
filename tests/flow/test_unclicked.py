"""A moderator takes a reaction back: the answer that it gave is withdrawn, as long as nothing has come of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from knockbot.store import jobs, requests
from tests.flow.house import GARDEN, MODS, House, until_called
from tests.flow.world import ALICE, ANA, BOT

BOB = "@bob:tulip.example"


async def answered(house: House, emoji: str = "✅") -> str:
    """Ana knocks, and Alice answers by a click; but in that moment the bot loses the power. Returns the click."""
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    click = house.click(emoji)
    await house.hear()
    house.world.set_levels(GARDEN, invite=60, kick=60, ban=60)
    await house.live()
    request = await house.request(ANA)
    assert (request.open, request.answer is not None) == (True, True)
    assert await house.jobs("blocked") != {}
    return click


def take_back(house: House, click: str, by: str = ALICE) -> None:
    house.world.redact(MODS, by, click)


async def power_is_back(house: House) -> None:
    house.world.set_levels(GARDEN, invite=50, kick=50, ban=50)
    await house.later()


async def assert_withdrawn(house: House, by: str = ALICE) -> None:
    """The request waits for the moderators again, and nothing is done about it although the bot could."""
    assert (await house.request(ANA)).awaits_moderators
    assert (await house.history(await house.request(ANA)))[-1] == (by, "answer_taken_back")
    tried = house.world.asked("invite", "kick", "ban")
    await power_is_back(house)
    assert (house.membership(ANA), house.world.asked("invite", "kick", "ban")) == ("knock", tried)
    assert (house.card().state, {*house.card().offers}) == ("pending", {"✅", "❌", "⛔"})


# --- heard --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("emoji", ["✅", "❌", "⛔"])
async def test_a_reaction_that_is_taken_back_withdraws_its_answer(house: House, emoji: str) -> None:
    take_back(house, await answered(house, emoji))
    await house.live()

    await assert_withdrawn(house)
    assert [said for said in house.spoken() if "removed the reaction" in said] == []


async def test_the_request_can_be_answered_otherwise_then(house: House) -> None:
    take_back(house, await answered(house, "⛔"))
    await house.live()
    await power_is_back(house)
    house.click("✅")
    await house.later()

    assert (house.membership(ANA), house.card().state) == ("invite", "accepted")


async def test_the_same_answer_can_be_given_again(house: House) -> None:
    take_back(house, await answered(house))
    await house.live()
    await power_is_back(house)
    house.click("✅")
    await house.later()

    assert house.membership(ANA) == "invite"


async def test_once_it_is_carried_out_taking_it_back_changes_nothing(house: House) -> None:
    click = await answered(house)
    await power_is_back(house)
    take_back(house, click)
    await house.later()
    await house.look_everywhere()
    await house.later()

    assert (house.membership(ANA), (await house.request(ANA)).state) == ("invite", "accepted")
    assert (ALICE, "answer_taken_back") not in await house.history(await house.request(ANA))


async def test_another_reaction_than_that_of_the_answer_takes_nothing_back(house: House) -> None:
    await answered(house, "⛔")
    other = house.click("✅")  # which came too late
    await house.live()
    take_back(house, other)
    await house.live()

    assert not (await house.request(ANA)).awaits_moderators
    await power_is_back(house)
    assert house.membership(ANA) == "ban"


async def test_what_was_overridden_can_be_taken_back_without_any_effect(house: House) -> None:
    first = await answered(house, "✅")
    house.world.set_levels(GARDEN, ban=50)
    await house.live()
    house.world.play("ban", Later(foreign("busy"), retry_after=60.0))
    house.click("⛔")
    await house.live()
    take_back(house, first)
    await house.later(120)

    assert house.membership(ANA) == "ban"


async def test_a_command_is_not_taken_back_by_removing_it(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    command = house.tell("accept 1")
    await house.hear()
    house.world.set_levels(GARDEN, invite=60)
    await house.live()
    take_back(house, command)
    await house.live()
    await power_is_back(house)

    assert house.membership(ANA) == "invite"


async def test_a_reply_that_is_nothing_but_an_emoji_is_taken_back_as_a_reaction_is(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    relation = {"m.relates_to": {"m.in_reply_to": {"event_id": house.card().event_id}}}
    click = house.world.say(MODS, ALICE, "✅", **relation)
    await house.hear()
    house.world.set_levels(GARDEN, invite=60)
    await house.live()
    take_back(house, click)
    await house.live()

    await assert_withdrawn(house)


async def test_whoever_removes_the_reaction_the_room_is_told_whose_answer_it_was(house: House) -> None:
    """The card shows it no longer, and who gave the answer may not know."""
    house.world.change(MODS, ALICE, BOB, "invite")
    house.world.change(MODS, BOB, BOB, "join")
    click = await answered(house)
    take_back(house, click, BOB)
    await house.live()
    await house.look_everywhere()
    await house.live()

    told = [said for said in house.spoken() if "removed the reaction" in said]
    assert told == [f"#1 is open again: {BOB} removed the reaction by which {ALICE} answered it."]
    await assert_withdrawn(house, BOB)


async def test_a_redaction_that_has_no_effect_in_the_room_takes_nothing_back(house: House) -> None:
    """A server can send one of anybody's event; that it has the power for it, the homeserver checks."""
    click = await answered(house)
    forged = house.world._event(MODS, "@eve:far.example", "m.room.redaction", {"redacts": click})
    house.world._deliver(MODS, forged)
    await house.live()
    await power_is_back(house)

    assert house.membership(ANA) == "invite"


# --- while the act is under way -----------------------------------------------------------------------------------


@pytest.mark.parametrize("comes_to_something", [True, False])
async def test_what_is_under_way_is_waited_for(house: House, comes_to_something: bool) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    under_way = asyncio.Event()
    busy = None if comes_to_something else Later(foreign("busy"), retry_after=300.0)
    house.world.play("invite", busy, hang=under_way)
    click = house.click("✅")
    await house.hear()
    await until_called(house, "invite")
    take_back(house, click)
    await house.hear()
    assert (await house.request(ANA)).answer is not None
    under_way.set()
    await house.worker.drain(20.0)
    await house.later()

    assert (await house.request(ANA)).awaits_moderators is not comes_to_something
    await house.later(600)
    assert house.membership(ANA) == ("invite" if comes_to_something else "knock")


# --- missed, or in another order ----------------------------------------------------------------------------------


async def test_what_was_taken_back_before_it_is_heard_gives_no_answer(house: House) -> None:
    """As when a transaction is delivered again after both: the reaction has lost its content."""
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    click = house.click("✅")
    take_back(house, click)
    reaction, redaction = house.world.outbox
    house.world.outbox[:] = [redaction, reaction]
    await house.later()

    assert (await house.request(ANA)).awaits_moderators
    assert house.membership(ANA) == "knock"


async def test_both_in_one_transaction_are_handled_in_their_order(house: House) -> None:
    """The reaction has its content, as it was written down before it was taken back."""
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    house.world.play("member", Later(foreign("busy"), retry_after=5.0))  # so it is handled later than it might be
    click = house.click("✅")
    await house.hear()
    assert (await house.request(ANA)).answer is None
    take_back(house, click)
    await house.later()

    assert await house.history(await house.request(ANA)) == [
        (BOT, "judged"),
        (ALICE, "accept"),
        (ALICE, "answer_taken_back"),
    ]
    assert house.membership(ANA) == "knock"


async def test_what_is_taken_back_while_it_waits_for_its_key_is_not_heard(house: House) -> None:
    """An encrypted reply waits in the inbox, and its room goes on."""
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    click = house.click("✅")
    await house.deliver()
    async with house.db.tx() as tx:  # as what waits for a key does
        await tx.execute("UPDATE inbox SET due_at = $2 WHERE event_id = $1", click, house.clock() + 60_000)
    take_back(house, click)
    await house.live()
    await house.later(120)

    assert (await house.request(ANA)).awaits_moderators
    assert house.membership(ANA) == "knock"


async def test_a_look_finds_what_was_taken_back_unheard(house: House) -> None:
    click = await answered(house)
    take_back(house, click)
    house.world.outbox.clear()
    await house.look_everywhere()
    await house.live()

    await assert_withdrawn(house)


async def test_a_look_takes_nothing_back_that_stands(house: House) -> None:
    await answered(house)
    for _ in range(2):
        await house.look_everywhere()
        await house.live()
    await power_is_back(house)

    assert house.membership(ANA) == "invite"


async def test_it_is_heard_after_a_restart(house: House) -> None:
    click = await answered(house)
    take_back(house, click)
    await house.deliver()
    await house.die()
    await house.start_again()
    await house.live()

    await assert_withdrawn(house)


@pytest.mark.parametrize("emoji", ["✅", "❌", "⛔"])
async def test_what_was_taken_back_while_nobody_listened_is_not_done_first_and_withdrawn_then(
    house: House, emoji: str
) -> None:
    """The bot starts with a job that is due, before the homeserver delivers the redaction or a look finds it."""
    click = await answered(house, emoji)
    take_back(house, click)
    house.world.outbox.clear()
    house.world.set_levels(GARDEN, invite=50, kick=50, ban=50)
    house.world.outbox.clear()
    await house.die()
    house.clock.go_on(3600)
    await house.start_again()
    tried = house.world.asked("invite", "kick", "ban")
    async with house.db.tx() as tx:
        await jobs.unblock(tx, GARDEN, house.clock())
    await house.work()

    assert (house.membership(ANA), house.world.asked("invite", "kick", "ban")) == ("knock", tried)
    await house.live()
    await assert_withdrawn(house)


async def test_a_new_answer_that_was_given_meanwhile_is_found_after_the_old_was_taken_back(house: House) -> None:
    """Both while the bot was down: the second click would else be one that came too late."""
    click = await answered(house, "❌")
    take_back(house, click)
    house.click("✅")
    house.world.outbox.clear()
    house.world.set_levels(GARDEN, invite=50, kick=50, ban=50)
    house.world.play("kick", Later(foreign("busy"), retry_after=600.0))
    await house.live()
    await house.later(30)

    assert house.membership(ANA) == "invite"


# --- third-party invites ------------------------------------------------------------------------------------------


async def planted(house: House) -> Any:
    house.world.change(GARDEN, ALICE, BOB, "invite")
    house.world.change(GARDEN, BOB, BOB, "join")
    house.world.set_levels(GARDEN, users={BOT: 55, ALICE: 100, BOB: 50}, invite=50)
    house.world.plant(GARDEN, BOB)
    await house.live()
    async with house.db.tx() as tx:
        return await requests.by_token(tx, GARDEN, "t")


async def test_an_inviter_whose_ban_is_taken_back_stays(house: House) -> None:
    await house.set_policy("otherwise_third_party: forward")
    await planted(house)
    click = house.click("⛔")
    await house.hear()
    house.world.set_levels(GARDEN, invite=60, kick=60, ban=60)
    await house.live()
    take_back(house, click)
    await house.live()
    house.world.set_levels(GARDEN, invite=50, kick=50, ban=50)
    await house.later()

    assert house.membership(BOB) == "join"
    assert house.world.rooms[GARDEN].invites["t"]["content"]
    async with house.db.tx() as tx:
        request = await requests.by_token(tx, GARDEN, "t")
        assert request is not None
        assert request.awaits_moderators
        assert await jobs.is_running(tx, request.id) is False
