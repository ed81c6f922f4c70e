"""Waves: while many people knock at a room at once, rules accept nobody, and one message stands for all of them."""

from __future__ import annotations

import asyncio

import pytest

from knockbot.domain.model import Verdict
from knockbot.domain.notices import because
from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from knockbot.flow import digests
from knockbot.store import waves
from knockbot.store.waves import Wave
from tests.flow.house import GARDEN, MODS, House
from tests.flow.offered import Offered, click, offers
from tests.flow.test_upgrading import NEW, upgraded
from tests.flow.test_upgrading import click as click_on_upgrade
from tests.flow.world import ALICE, BOT, levels_for

SMALL = "wave: {knocks: 5, within: 10m, ends_after: 30m}\n"
ACCEPTS = f"{SMALL}otherwise: accept\nannounce: none\n"
ASKS = f"{SMALL}otherwise: forward\n"
POND = "!pond:tulip.example"
MODS_TOO = "!mods2:tulip.example"
MEMBER = "@member:tulip.example"


def people(count: int, first: int = 0) -> list[str]:
    return [f"@p{number:03}:s{number % 7}.example" for number in range(first, first + count)]


async def knock(house: House, *who: str, room_id: str = GARDEN, reason: str = "let me in", apart: float = 1) -> None:
    """These people knock one after another, so many seconds apart."""
    for person in who:
        house.world.knock(room_id, person, reason)
        await house.live()
        house.clock.go_on(apart)


async def wave(house: House, room_id: str = GARDEN) -> Wave | None:
    async with house.db.tx() as tx:
        return await waves.at(tx, room_id)


async def pass_by(house: House, seconds: float) -> None:
    """Time passes, and what is due by the clock is done."""
    await house.later(seconds)
    await house.ring()
    await house.later(digests.PACE / 1000 + 1)


def only_digest(house: House, room_id: str = MODS) -> Offered:
    [digest] = offers(house, "wave", room_id)
    return digest


def invited(house: House, who: list[str], room_id: str = GARDEN) -> list[str]:
    return [person for person in who if house.membership(person, room_id) == "invite"]


def called(house: House, room_id: str = MODS) -> list[str]:
    """Whom the bot called in a management room, each as often as it did."""
    events = [event for event in house.world.rooms[room_id].said if event["sender"] == BOT]
    new = [event["content"] for event in events if "m.new_content" not in event["content"]]
    return [user for content in new for user in content.get("m.mentions", {}).get("user_ids", [])]


def messages(house: House, room_id: str = MODS) -> int:
    """How many messages the bot has sent to a management room, edits among them."""
    said = house.world.rooms[room_id].said
    return sum(event["sender"] == BOT and event["type"] == "m.room.message" for event in said)


# --- it begins ------------------------------------------------------------------------------------------------


async def test_the_knock_that_makes_a_wave_is_the_first_that_no_rule_accepts(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    everybody = people(8)
    await knock(house, *everybody)

    assert invited(house, everybody) == everybody[:4]
    request = await house.request(everybody[4])
    assert request.decision is not None
    assert (request.decision.verdict, request.decision.held) == (Verdict.FORWARD, Verdict.ACCEPT)
    assert request.decision.doubt == because("doubt.wave")
    assert request.awaits_moderators


async def test_knocks_within_a_longer_time_make_no_wave(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    everybody = people(8)
    await knock(house, *everybody, apart=200)
    assert invited(house, everybody) == everybody
    assert await wave(house) is None


async def test_one_applicant_counts_once_however_often_they_knock(house: House) -> None:
    await house.protect(policy=f"{SMALL}otherwise: reject\nannounce: none\n")
    await knock(house, *people(1) * 7)
    assert await wave(house) is None
    await knock(house, *people(3, first=1))
    assert await wave(house) is None
    await knock(house, *people(1, first=4))
    assert await wave(house) is not None


async def test_without_a_word_in_the_policy_fifty_in_ten_minutes_make_one(house: House) -> None:
    await house.protect(policy="otherwise: accept\nannounce: none\n")
    everybody = people(51)
    await knock(house, *everybody)
    assert invited(house, everybody) == everybody[:49]


async def test_a_policy_can_say_that_there_are_none(house: House) -> None:
    await house.protect(policy="wave: off\notherwise: accept\nannounce: none\n")
    everybody = people(60)
    await knock(house, *everybody)
    assert invited(house, everybody) == everybody


async def test_rules_reject_and_ban_as_before(house: House) -> None:
    rules = "rules: [{when: {reason_matches: spam}, then: reject}, {when: {reason_matches: evil}, then: ban}]\n"
    await house.protect(policy=f"{SMALL}{rules}otherwise: accept\n")
    await knock(house, *people(5))
    before = messages(house)
    await knock(house, "@spam:s.example", reason="spam")
    await knock(house, "@evil:s.example", reason="evil")
    assert house.membership("@spam:s.example") == "leave"
    assert house.membership("@evil:s.example") == "ban"
    assert messages(house) <= before + 1, "the digest counts them, and no line tells of each"
    await house.later(11)
    assert "Over: 1 rejected, 1 banned" in only_digest(house).text


async def test_somebody_pre_approved_waits_too(house: House) -> None:
    await house.protect(policy=f"{SMALL}rules: [{{when: {{pre_approved: true}}, then: accept}}]\n")
    friend = "@friend:s.example"
    house.tell(f"allow {friend} {GARDEN}")
    await house.live()
    await knock(house, *people(5), friend)
    assert invited(house, [friend]) == []
    assert (await house.request(friend)).awaits_moderators


async def test_accepts_that_are_not_carried_out_yet_are_held_too(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    house.world.play("invite", Later(foreign("busy"), retry_after=60), times=4)
    everybody = people(6)
    await knock(house, *everybody)
    assert invited(house, everybody) == []
    await house.later(120)
    await house.later(120)
    assert invited(house, everybody) == []
    assert all([(await house.request(one)).awaits_moderators for one in everybody])


async def test_what_a_moderator_accepted_before_it_began_is_carried_out(house: House) -> None:
    await house.protect(policy=ASKS)
    everybody = people(6)
    await knock(house, everybody[0])
    house.world.play("invite", Later(foreign("busy"), retry_after=60))
    house.tell("accept 1")
    await house.live()
    await knock(house, *everybody[1:])
    assert await wave(house) is not None
    await house.later(120)
    assert invited(house, everybody) == everybody[:1]


async def test_a_policy_that_is_applied_in_a_wave_accepts_nobody(house: House) -> None:
    await house.protect(policy=ASKS)
    everybody = people(6)
    await knock(house, *everybody)
    house.tell(f"policy set {GARDEN}\n{ACCEPTS}")
    await house.live()
    house.tell(f"policy apply {GARDEN}")
    await house.live()
    await house.later(30)
    assert invited(house, everybody) == []
    assert await wave(house) is not None
    assert "6 of those left to the moderators would be accepted by a rule, but something holds that back." in "\n".join(
        house.spoken()
    )


async def test_what_a_rule_would_do_is_said_as_it_is_in_a_wave(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    await knock(house, *people(6))
    house.tell(f"test {GARDEN} @bea:tulip.example")
    await house.live()

    assert "Policy: forward, because this was judged during a wave of knocks" in house.spoken()[-1]
    house.tell("show 5")
    await house.live()
    assert "policy says accept, and leaves it to the moderators" in house.spoken()[-1]


async def test_knocks_that_were_missed_are_counted_before_any_of_them_is_judged(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    everybody = people(9)
    await house.close()
    for person in everybody:
        house.world.knock(GARDEN, person)
        house.clock.go_on(1)
    house.world.outbox.clear()
    await house.start_again()
    await house.live()
    assert invited(house, everybody) == []
    assert await wave(house) is not None


# --- what is shown --------------------------------------------------------------------------------------------


async def test_a_digest_stands_for_all_and_counts_them(house: House) -> None:
    await house.protect(policy=ASKS)
    await knock(house, *people(4), reason="hello")
    before = house.cards()
    assert len(before) == 4
    await knock(house, *people(21, first=4))
    await house.later(11)

    assert house.cards() == before, "cards posted before the wave stay"
    text = only_digest(house).text
    assert "🌊 A wave of knocks at Garden" in text
    assert "21 knocks wait for an answer." in text
    assert (
        "From: s4.example (3), s5.example (3), s6.example (3), s0.example (3), s1.example (3), 2 other servers (6)"
        in text
    )
    assert "The same reason: “let me in” (21)" in text
    assert "Their numbers: #5, #6, #7, #8, #9, #10, #11, #12, #13, #14, 11 more" in text
    assert f"!kb list {GARDEN}" in text


async def test_hidden_reasons_stay_hidden(house: House) -> None:
    await house.protect(policy=f"{ASKS}reasons: hidden\n")
    await knock(house, *people(9))
    await house.later(11)
    assert "let me in" not in only_digest(house).text


async def test_three_hundred_from_forty_servers_take_few_messages_and_one_call(house: House) -> None:
    await house.protect(policy=f'{ASKS}call: ["{ALICE}"]\n')
    await knock(house, *[f"@p{number:03}:s{number % 40:02}.example" for number in range(300)], apart=0.2)
    await house.later(11)
    assert "296 knocks wait for an answer" in only_digest(house).text
    assert "s39.example (" in only_digest(house).text or "other servers (" in only_digest(house).text
    assert house.world.asked("put_state") == [], "the join rule is not touched"
    assert called(house) == [ALICE]
    assert messages(house) <= 12
    assert len(house.cards()) == 4


async def test_a_wave_begun_by_slow_knocks_calls_once_when_it_begins(house: House) -> None:
    await house.protect(policy=f'{ACCEPTS}call: ["{ALICE}"]\n')
    await knock(house, *people(9), apart=100)
    await house.later(11)
    assert called(house) == [ALICE]


async def test_who_takes_back_a_knock_waits_no_more(house: House) -> None:
    await house.protect(policy=ASKS)
    await knock(house, *people(7))
    house.world.change(GARDEN, people(7)[-1], people(7)[-1], "leave")
    await house.live()
    await house.later(11)
    assert "2 knocks wait" in only_digest(house).text
    assert "Over: 1 withdrawn" in only_digest(house).text


async def test_an_answer_by_command_is_done_at_once(house: House) -> None:
    await house.protect(policy=ASKS)
    everybody = people(8)
    await knock(house, *everybody)
    for command in ("accept 6", "reject 7, 8"):
        house.tell(command)
        await house.live()
    assert house.membership(everybody[5]) == "invite"
    assert [house.membership(one) for one in everybody[6:]] == ["leave", "leave"]
    await house.later(11)
    assert "1 knock waits" in only_digest(house).text
    assert "Over: 1 accepted, 2 rejected" in only_digest(house).text


async def test_a_click_on_the_digest_answers_nobody_and_is_told_how(house: House) -> None:
    await house.protect(policy=ASKS)
    everybody = people(8)
    await knock(house, *everybody)
    said = await click(house, only_digest(house))
    [hint] = said
    assert hint.startswith("You cannot answer with a click here, because this message is about many knocks.")
    assert invited(house, everybody) == []


async def test_a_digest_that_is_redacted_is_posted_again_once(house: House) -> None:
    await house.protect(policy=ASKS)
    await knock(house, *people(8))
    house.world.redact(MODS, ALICE, only_digest(house).event_id)
    await house.live()
    await house.look_everywhere()
    await house.later(11)
    assert [one.text for one in offers(house, "wave") if "4 knocks wait" in one.text] != []
    await knock(house, *people(1, first=8))
    await house.later(11)
    assert [one for one in offers(house, "wave") if "5 knocks wait" in one.text] != []


async def test_two_rooms_at_once(house: House) -> None:
    house.world.room(POND, "Pond", ALICE, BOT, levels=levels_for())
    await house.protect(policy=ACCEPTS)
    await house.protect(POND, policy=ACCEPTS)
    some, others = people(7), people(7, first=100)
    for one, other in zip(some, others, strict=True):
        await knock(house, one)
        await knock(house, other, room_id=POND)
    assert invited(house, some) == some[:4]
    assert invited(house, others, POND) == others[:4]
    assert len(offers(house, "wave")) == 2


# --- it ends --------------------------------------------------------------------------------------------------


async def test_it_ends_by_itself_and_rules_accept_again_but_nobody_of_before(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    everybody = people(12)
    await knock(house, *everybody)
    await pass_by(house, 29 * 60)
    assert await wave(house) is not None
    await pass_by(house, 60)
    assert await wave(house) is None

    assert only_digest(house).text.startswith("🌊 The wave of knocks at Garden is over.")
    assert "8 knocks wait for an answer." in only_digest(house).text
    [over] = offers(house, "wave_over")
    assert "8 requests wait for you." in over.text
    assert over.emojis == ("✅",)
    assert len(house.cards()) == 0
    assert invited(house, everybody) == everybody[:4]

    await knock(house, "@late:s.example")
    assert house.membership("@late:s.example") == "invite"


async def test_one_click_judges_those_who_are_left_by_the_policy(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    everybody = people(12)
    await knock(house, *everybody)
    await pass_by(house, 31 * 60)
    [over] = offers(house, "wave_over")
    await click(house, over)
    await house.later(30)
    assert invited(house, everybody) == everybody
    [over] = offers(house, "wave_over")
    assert over.emojis == ()
    await house.later(30)
    assert "No knock in this message waits for an answer." in only_digest(house).text


async def test_a_few_who_are_left_get_cards(house: House) -> None:
    await house.protect(policy=f'{ACCEPTS}call: ["{ALICE}"]\n')
    await knock(house, *people(9))
    await house.later(11)
    await pass_by(house, 31 * 60)
    assert [card.state for card in house.cards()] == ["pending"] * 5
    assert called(house) == [ALICE], "the wave has called already"
    house.click("✅", card=house.cards()[0])
    await house.later()
    assert len(invited(house, people(9))) == 5


async def test_where_nobody_is_left_one_line_tells_the_end(house: House) -> None:
    await house.protect(policy=f"{SMALL}otherwise: reject\nannounce: none\n")
    await knock(house, *people(9))
    await pass_by(house, 31 * 60)
    assert [text for text in house.spoken() if text.startswith("🌊 The wave of knocks at Garden is over. Rules")] == [
        "🌊 The wave of knocks at Garden is over. Rules accept people again."
    ]
    assert offers(house, "wave_over") == []


async def test_knocks_that_make_one_keep_it_going_and_fewer_do_not(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    await knock(house, *people(5))
    await pass_by(house, 20 * 60)
    await knock(house, *people(5, first=10))
    await pass_by(house, 15 * 60)
    assert await wave(house) is not None, "35 minutes after the first, 15 after the last that made one"
    await knock(house, *people(4, first=20))
    await pass_by(house, 16 * 60)
    assert await wave(house) is None


async def test_a_restart_in_the_middle_changes_nothing(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    everybody = people(20)
    await knock(house, *everybody[:9])
    await house.die()
    await house.start_again()
    await house.live()
    await knock(house, *everybody[9:])
    assert invited(house, everybody) == everybody[:4]
    await house.later(11)
    assert "16 knocks wait" in only_digest(house).text
    await house.die()
    await house.start_again()
    await pass_by(house, 31 * 60)
    assert await wave(house) is None
    assert len(offers(house, "wave_over")) == 1


# --- by hand, and what else ends it ---------------------------------------------------------------------------


async def test_by_hand_for_a_time(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    house.tell(f"wave on {GARDEN} 2h")
    await house.live()
    await knock(house, *people(2))
    assert invited(house, people(2)) == []
    assert f"🌊 {ALICE} treats Garden as in a wave of knocks" in only_digest(house).text
    await pass_by(house, 115 * 60)
    assert await wave(house) is not None
    await pass_by(house, 6 * 60)
    assert await wave(house) is None
    assert len(house.cards()) == 2


async def test_ended_by_hand_it_does_not_begin_again_at_the_next_knock(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    await knock(house, *people(9))
    house.tell(f"wave off {GARDEN}")
    await house.live()
    assert await wave(house) is None
    more = people(6, first=20)
    await knock(house, *more)
    assert invited(house, more) == more[:4], "these are a wave of their own"


async def test_there_is_nothing_to_end(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    house.tell(f"wave off {GARDEN}")
    await house.live()
    assert house.spoken()[-1] == "No wave goes on at Garden."


async def test_twice_by_hand_it_lasts_longer(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    for command in (f"wave on {GARDEN} 1h", f"wave on {GARDEN} 3h", f"wave on {GARDEN} 2h"):
        house.tell(command)
        await house.live()
    assert len(offers(house, "wave")) == 1
    await house.later(11)
    assert "but not before " in only_digest(house).text
    await pass_by(house, 150 * 60)
    assert await wave(house) is not None
    await pass_by(house, 31 * 60)
    assert await wave(house) is None


@pytest.mark.parametrize("command", ["wave on", "wave off"])
async def test_who_may_not_accept_may_not(house: House, command: str) -> None:
    await house.protect(policy=ACCEPTS)
    if command == "wave off":
        house.tell(f"wave on {GARDEN}")
        await house.live()
    for room_id in (GARDEN, MODS):
        house.world.change(room_id, ALICE, MEMBER, "invite")
        house.world.change(room_id, MEMBER, MEMBER, "join")
    house.world.set_levels(GARDEN, invite=50)
    await house.live()
    before = await wave(house)
    house.tell(f"{command} {GARDEN}", by=MEMBER)
    await house.live()
    assert await wave(house) == before


async def test_a_policy_without_waves_ends_it(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    await knock(house, *people(9))
    house.tell(f"policy set {GARDEN}\nwave: off\notherwise: accept\n")
    await house.live()
    assert await wave(house) is None
    await knock(house, *people(9, first=20))
    assert invited(house, people(9, first=20)) == people(9, first=20)


async def test_unprotected_in_the_middle(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    await knock(house, *people(9))
    house.tell(f"unprotect {GARDEN}")
    await house.live()
    assert await wave(house) is None
    await house.later(11)
    assert only_digest(house).text == "The room of these knocks is not managed from here any more."
    await pass_by(house, 31 * 60)
    assert offers(house, "wave_over") == []

    house.tell(f"protect {GARDEN}")
    await house.live()
    await house.later(30)
    assert "5 knocks wait" in only_digest(house).text


async def test_moved_to_another_management_room_it_goes_on_there(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    everybody = people(12)
    await knock(house, *everybody[:9])
    house.world.room(MODS_TOO, "Mods too", ALICE, BOT, levels=levels_for(), join_rule="invite")
    house.world.say(MODS_TOO, ALICE, f"!kb protect {GARDEN}")
    await house.live()
    await knock(house, *everybody[9:])
    await house.later(30)
    assert invited(house, everybody) == everybody[:4]
    assert "not managed from here" in only_digest(house).text
    assert "8 knocks wait" in only_digest(house, MODS_TOO).text
    await pass_by(house, 31 * 60)
    assert len(offers(house, "wave_over", MODS_TOO)) == 1
    assert offers(house, "wave_over") == []


async def test_it_is_shown_in_rooms_queue_and_check(house: House) -> None:
    await house.protect(policy=ACCEPTS)
    await knock(house, *people(9))
    for command in ("rooms", "queue", f"check {GARDEN}"):
        house.tell(command)
        await house.live()
        assert "🌊 A wave" in house.spoken()[-1]


@pytest.mark.parametrize("count", [2, 3])
async def test_several_processes_hold_back_the_same_by_one_message_and_one_call(house: House, count: int) -> None:
    if house.db.alone:
        pytest.skip("only one process has an SQLite database")
    await house.protect(policy=f'{ACCEPTS}call: ["{ALICE}"]\n')
    houses = [house, *[await House(house.url, house.world).open() for _ in range(count - 1)]]
    try:
        everybody = people(30)
        for number, person in enumerate(everybody):
            house.world.knock(GARDEN, person, "let me in")
            await houses[number % count].deliver()
            await asyncio.gather(*(one.live() for one in houses))
        house.clock.go_on(11)
        await asyncio.gather(*(one.live() for one in houses))
        assert invited(house, everybody) == everybody[:4]
        assert "26 knocks wait" in only_digest(house).text
        assert called(house) == [ALICE]

        house.clock.go_on(31 * 60)
        await asyncio.gather(*(one.ring() for one in houses))
        await asyncio.gather(*(one.live() for one in houses))
        assert await wave(house) is None
        assert len(offers(house, "wave_over")) == 1
        assert called(house) == [ALICE]
    finally:
        for one in houses[1:]:
            await one.close()


@pytest.mark.parametrize("when", ["before the click", "after the click"])
async def test_a_room_that_is_upgraded_in_the_middle_takes_the_wave_along(house: House, when: str) -> None:
    await house.protect(policy=ACCEPTS)
    everybody = people(20)
    await knock(house, *everybody[:9])
    assert await wave(house) is not None
    await upgraded(house)
    if when == "before the click":
        await knock(house, *everybody[9:12])  # the old room goes on taking knocks
    await house.live()
    await click_on_upgrade(house)
    await house.later(11)
    await knock(house, *everybody[12:], room_id=NEW)
    await house.later(30)

    assert invited(house, everybody) == everybody[:4]
    assert invited(house, everybody, NEW) == []
    assert await wave(house) is None
    assert await wave(house, NEW) is not None
    came_over = everybody[4:12] if when == "before the click" else everybody[4:9]
    assert f"{len(came_over) + 8} knocks wait" in only_digest(house).text
    await pass_by(house, 31 * 60)
    assert await wave(house, NEW) is None
    [over] = offers(house, "wave_over")
    assert f"{len(came_over) + 8} requests wait for you" in over.text
    assert f"{len(came_over)} of them came over from another room" in over.text
    await click(house, over)
    await house.later(60)
    assert invited(house, everybody, NEW) == everybody[12:]

    # Who knocked at the old room only is never judged by a rule, and is answered by number.
    assert f"{len(came_over)} knocks wait" in only_digest(house).text
    house.tell(f"accept {(await house.request(came_over[0], NEW)).number}")
    await house.later(30)
    assert house.membership(came_over[0], NEW) == "invite"
