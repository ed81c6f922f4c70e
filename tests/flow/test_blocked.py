"""An answer that waits for a missing power says so, on the card and where it is looked up, until it is carried out."""

from __future__ import annotations

import asyncio

import pytest

from knockbot.domain.notices import Duration, because
from knockbot.errors import Later
from tests.flow.house import GARDEN, House, working_until
from tests.flow.planted import planted
from tests.flow.world import ANA

FAR = "@far:away.example"


async def answered(house: House, emoji: str = "✅", user_id: str = ANA) -> None:
    """Somebody knocks, and Alice answers; but in that moment the bot loses the power."""
    house.world.knock(GARDEN, user_id, "hello")
    await house.live()
    house.click(emoji)
    await house.hear()
    house.world.set_levels(GARDEN, invite=60, kick=60, ban=60)
    await house.later()
    assert await house.jobs("blocked") != {}


WAITS = {
    "✅": "chose accept. I cannot send the invite yet: power level 50 is too low to invite; level 60 is needed.",
    "❌": "chose reject. I cannot do that yet: power level 50 is too low to kick; level 60 is needed.",
    "⛔": "chose ban. I cannot do that yet: power level 50 is too low to ban; level 60 is needed.",
}


@pytest.mark.parametrize("emoji", WAITS)
async def test_a_card_says_why_an_answer_is_not_carried_out_yet(house: House, emoji: str) -> None:
    await answered(house, emoji)

    assert WAITS[emoji] in house.card().text
    assert "on its way" not in house.card().text


async def test_so_do_show_and_the_list(house: House) -> None:
    await answered(house)
    for command in ("show 1", "list"):
        house.tell(command)
    await house.live()

    assert [WAITS["✅"] in said for said in house.spoken()[-2:]] == [True, True]


async def test_a_shared_card_says_so_in_its_row(house: House) -> None:
    for number in range(6):
        house.world.knock(GARDEN, f"@user{number}:tulip.example", "hello")
    house.world.outbox.clear()
    await house.look_everywhere()
    await house.live()
    house.tell("accept 1")
    await house.hear()
    house.world.set_levels(GARDEN, invite=60)
    await house.later()

    assert WAITS["✅"] in house.card().text


async def test_a_shared_card_on_which_all_is_answered_does_not_say_that_somebody_waits(house: House) -> None:
    for number in range(6):
        house.world.knock(GARDEN, f"@user{number}:tulip.example", "hello")
    house.world.outbox.clear()
    await house.look_everywhere()
    await house.live()
    for number in range(6):
        house.tell(f"accept {number + 1}")
    await house.hear()
    house.world.set_levels(GARDEN, invite=60)
    await house.later()

    headline = "🚪 6 requests to join Garden: all answered, but not all is done yet"
    assert house.card().text.split("\n")[0] == headline


async def test_an_invite_by_mail_that_cannot_be_revoked_yet_says_so(house: House) -> None:
    await planted(house)
    house.click("❌")
    await house.hear()
    house.world.set_levels(GARDEN, invite=60)
    await house.later()

    assert "chose reject. I cannot revoke the invite yet: power level 50 is too low to invite" in house.card().text
    house.world.set_levels(GARDEN, invite=50)
    await house.later()
    assert house.card().state == "revoked"
    assert "I cannot" not in house.card().text


async def test_once_the_power_is_back_the_card_says_the_outcome(house: House) -> None:
    await answered(house)
    house.world.set_levels(GARDEN, invite=50)
    await house.later()

    assert house.card().state == "accepted"
    assert "I cannot" not in house.card().text


async def test_what_runs_again_and_takes_long_is_said_to_be_on_its_way(house: House) -> None:
    await answered(house, user_id=FAR)
    assert "I cannot send the invite yet" in house.card().text
    hangs = asyncio.Event()
    house.world.play("invite", hang=hangs)
    house.world.set_levels(GARDEN, invite=50)
    await house.hear()
    house.clock.go_on(10)
    await house.hear()
    await working_until(house, lambda: "on its way" in house.card().text, "the card says that it is on its way")

    assert "I cannot" not in house.card().text
    hangs.set()
    await house.later()
    assert house.membership(FAR) == "invite"


# --- what waits for another server --------------------------------------------------------------------------------

SILENT = because("homeserver.silent", time=Duration(30_000))
PUT_OFF = (
    "chose accept. I cannot send the invite yet: an attempt failed, and I try again by myself: "
    "the homeserver gave no answer within 30 seconds."
)


async def accepted_far(house: House, pause: float, *users: str) -> None:
    """Alice accepts people of a server that does not answer, and is asked again only after so many seconds."""
    for user_id in users or (FAR,):
        house.world.knock(GARDEN, user_id, "hello")
        await house.live()
    for card in house.cards():
        house.click("✅", card=card)
        await house.hear()
    house.world.play("invite", Later(SILENT, retry_after=pause))
    await house.later(5)


async def test_a_card_does_not_say_for_hours_that_an_invite_is_on_its_way(house: House) -> None:
    await accepted_far(house, 3600)
    assert PUT_OFF in house.card().text
    assert "on its way" not in house.card().text
    for command in ("show 1", "list"):
        house.tell(command)
        await house.live()
        assert PUT_OFF in house.spoken()[-1]

    await house.later(3601)
    assert (house.membership(FAR), house.card().state) == ("invite", "accepted")
    assert "an attempt failed" not in house.card().text


async def test_a_short_pause_is_told_as_on_its_way(house: House) -> None:
    await accepted_far(house, 50)
    assert "on its way" in house.card().text
    assert "an attempt failed" not in house.card().text


async def test_who_waits_for_the_same_silent_server_is_told_of_too_and_each_card_is_edited_once(house: House) -> None:
    other, near = "@other:away.example", "@other:elsewhere.example"
    await accepted_far(house, 3600, FAR, other, near)
    texts = [card.text for card in house.cards()]
    assert [PUT_OFF in text for text in texts] == [True, True, False]
    edits = [card.edits for card in house.cards()]

    house.world.play("invite", Later(SILENT, retry_after=7200))
    await house.later(3601)
    await house.later(5)
    assert PUT_OFF in house.cards()[1].text
    assert [card.edits for card in house.cards()] == edits


async def test_an_answer_given_after_the_server_was_set_aside_says_so_once_it_was_tried(house: House) -> None:
    await accepted_far(house, 3600)
    house.world.set_levels(GARDEN, invite=60)
    await house.later(3601)
    assert WAITS["✅"] in house.card().text, "what somebody can mend comes first"


async def test_a_reject_that_is_put_off_says_so(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    house.click("❌")
    await house.hear()
    house.world.play("kick", Later(SILENT, retry_after=3600))
    await house.later(5)
    assert "chose reject. I cannot do that yet: an attempt failed, and I try again by myself" in house.card().text
