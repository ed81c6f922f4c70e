"""No homeserver compares before it acts: where an act hit anything but what it was meant for, it is told at once."""

from __future__ import annotations

import pytest

from knockbot.domain.model import State
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT

BY_REASON = """
rules:
- {name: friends, when: {reason_matches: friend}, then: accept}
- {name: strangers, when: {reason_matches: stranger}, then: reject}
- {name: trolls, when: {reason_matches: troll}, then: ban}
announce: none
"""


@pytest.fixture
async def strict(house: House) -> House:
    """A garden with a rule for each answer, and no lines beside the alarms."""
    await house.set_policy(BY_REASON)
    return house


async def alarms(house: House) -> int:
    """How often something was said aloud that asks for a hand."""
    await house.live()
    await house.later()
    return len([content for content in house.said() if content["msgtype"] == "m.text" and "⚠️" in content["body"]])


@pytest.mark.parametrize("reason", ["friend", "stranger", "troll"])
async def test_an_act_that_hit_what_it_was_meant_for_is_no_alarm(strict: House, reason: str) -> None:
    strict.world.knock(GARDEN, ANA, reason)
    assert await alarms(strict) == 0


async def test_an_invite_that_hit_another_knock_is_told_with_the_mend(strict: House) -> None:
    strict.world.play("invite", meanwhile=lambda: strict.world.knock(GARDEN, ANA, "I am a troll"))
    strict.world.knock(GARDEN, ANA, "friend")

    assert await alarms(strict) == 1
    assert ANA in strict.spoken()[0]
    assert "/kick" in strict.spoken()[0]


async def test_a_reply_to_such_an_alarm_means_the_applicant(strict: House) -> None:
    strict.world.play("invite", meanwhile=lambda: strict.world.change(GARDEN, ANA, ANA, "leave"))
    strict.world.knock(GARDEN, ANA, "friend")
    await alarms(strict)
    [alarm] = [one for one in strict.world.rooms[MODS].said if "/kick" in one["content"].get("body", "")]
    strict.tell("show", reply_to=alarm["event_id"])
    await strict.live()

    assert "Reason: friend" in strict.spoken()[-1]


async def test_an_invite_of_somebody_who_had_withdrawn_is_told(strict: House) -> None:
    strict.world.play("invite", meanwhile=lambda: strict.world.change(GARDEN, ANA, ANA, "leave"))
    strict.world.knock(GARDEN, ANA, "friend")

    assert await alarms(strict) == 1
    assert (await strict.request(ANA)).state is State.WITHDRAWN


@pytest.mark.parametrize(("reason", "call"), [("stranger", "kick"), ("troll", "ban")])
async def test_a_reject_or_a_ban_may_hit_whatever_knock_stands(strict: House, reason: str, call: str) -> None:
    strict.world.play(call, meanwhile=lambda: strict.world.knock(GARDEN, ANA, "another"))
    strict.world.knock(GARDEN, ANA, reason)

    assert await alarms(strict) == 0


@pytest.mark.parametrize(("reason", "call"), [("stranger", "kick"), ("troll", "ban")])
async def test_a_reject_or_a_ban_that_hit_somebody_invited_or_inside_is_told(
    strict: House, reason: str, call: str
) -> None:
    def let_in() -> None:
        strict.world.change(GARDEN, ALICE, ANA, "invite")
        strict.world.change(GARDEN, ANA, ANA, "join")

    strict.world.play(call, meanwhile=let_in)
    strict.world.knock(GARDEN, ANA, reason)

    assert await alarms(strict) == 1
    assert ANA in strict.spoken()[0]


async def test_what_it_replaced_is_asked_for_where_the_event_does_not_tell(strict: House) -> None:
    """A retry after Synapse restarted leaves the content out and keeps the id."""
    strict.world.knock(GARDEN, ANA, "stranger")
    await strict.hear()
    strict.world.play("kick", meanwhile=lambda: strict.world.change(GARDEN, ALICE, ANA, "invite"))
    await strict.work()
    for event in strict.world.outbox:
        event["unsigned"].pop("prev_content", None)

    assert await alarms(strict) == 1
    assert strict.world.asked("membership_of") != []


async def test_an_alarm_is_told_once_however_often_its_event_comes(strict: House) -> None:
    strict.world.play("invite", meanwhile=lambda: strict.world.knock(GARDEN, ANA, "I am a troll"))
    strict.world.knock(GARDEN, ANA, "friend")
    await strict.hear()
    await strict.work()
    strict.world.outbox *= 2
    assert await alarms(strict) == 1
    await strict.look_everywhere()
    assert await alarms(strict) == 1


async def test_what_other_moderators_do_is_no_alarm(strict: House) -> None:
    strict.world.knock(GARDEN, ANA, "hello")
    await strict.live()
    strict.world.change(GARDEN, ALICE, ANA, "invite")
    strict.world.change(GARDEN, ANA, ANA, "join")
    strict.world.change(GARDEN, ALICE, ANA, "ban")

    assert await alarms(strict) == 0


async def test_what_the_bots_account_does_by_another_hand_is_no_alarm(strict: House) -> None:
    """Somebody uses its token for something else; no answer of ours was meant."""
    strict.world.change(GARDEN, BOT, "@new:tulip.example", "invite")
    assert await alarms(strict) == 0


async def test_an_invite_of_before_is_no_wrong_hit_though_a_later_one_is_meant_for_another_knock(
    strict: House,
) -> None:
    """The echo of the first invite comes late, after they declined, knocked again and were invited again."""
    strict.world.knock(GARDEN, ANA, "friend")
    await strict.hear()
    await strict.work()
    echo = strict.world.delivered()
    strict.world.change(GARDEN, ANA, ANA, "leave")
    strict.world.knock(GARDEN, ANA, "friend, again")
    await strict.hear()
    await strict.work()
    strict.world.outbox[:0] = echo

    assert await alarms(strict) == 0
