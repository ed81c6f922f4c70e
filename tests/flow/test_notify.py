"""A rejection is told to an applicant of another server, as the policy says; and nothing takes that for an accept."""

from __future__ import annotations

import asyncio

import pytest

from knockbot.demo.people import until
from knockbot.domain.model import State
from knockbot.errors import Later, Never
from knockbot.matrix.events import REJECTION_KEY
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.world import ALICE, ANA, BOT, FAR

DAY = 24 * 3600
BY_INVITE = "notify_remote: invite_then_kick\nrules: [{when: {reason_matches: no}, then: reject, reason: Not today.}]"
BY_MESSAGE = "notify_remote: message\nrules: [{when: {reason_matches: no}, then: reject, reason: Not today.}]"


async def knocked(house: House, user_id: str = FAR, reason: str = "no") -> None:
    house.world.knock(GARDEN, user_id, reason)
    await house.live()


def path_of(house: House, user_id: str = FAR) -> list[tuple[str, str, str | None]]:
    """The member events of somebody in the garden: who set which membership, and with which words."""
    events = [event for event in house.world.rooms[GARDEN].past.values() if event["state_key"] == user_id]
    return [(e["sender"], e["content"]["membership"], e["content"].get("reason")) for e in events]


async def never_accepted(house: House, user_id: str = FAR) -> None:
    """Their request ended rejected, and at no moment was it on record as anything else."""
    request = await house.request(user_id)
    assert (request.state, house.membership(user_id)) == (State.REJECTED, "leave")
    told = [what for _, what in await house.history(request)]
    assert not {"accepted", "joined", "declined", "withdrawn"} & set(told), told
    assert not [text for text in house.spoken() if "/invite" in text or "/kick" in text]


TOLD = [(FAR, "knock", "no"), (BOT, "invite", "Not today."), (BOT, "leave", "Not today.")]
NOT_TOLD = [(FAR, "knock", "no"), (BOT, "leave", "Not today.")]


# --- by an invite that is taken back ------------------------------------------------------------------------------


async def test_by_default_nothing_is_told(house: House) -> None:
    await house.set_policy(BY_INVITE.partition("\n")[2])
    await knocked(house)
    assert path_of(house) == NOT_TOLD


@pytest.mark.parametrize("who", ["rule", "moderator"])
async def test_an_invite_hands_out_the_reason_and_is_taken_back(house: House, who: str) -> None:
    await house.set_policy(BY_INVITE)
    await knocked(house, reason="no" if who == "rule" else "hm")
    if who == "moderator":
        house.tell("reject 1 Not today.")
        await house.live()

    assert path_of(house)[1:] == TOLD[1:]
    await never_accepted(house)
    assert (await house.request(FAR)).by == (BOT if who == "rule" else ALICE)
    assert (BOT, "told them so") in await house.history(await house.request(FAR))


async def test_such_an_invite_says_of_itself_that_it_is_none(house: House) -> None:
    await house.set_policy(BY_INVITE)
    await knocked(house)
    [invite] = [e for e in house.world.rooms[GARDEN].past.values() if e["content"]["membership"] == "invite"]
    assert invite["content"][REJECTION_KEY] in await house.effects()


async def test_who_is_of_our_own_server_or_banned_needs_no_telling(house: House) -> None:
    await house.set_policy(BY_INVITE)
    await knocked(house, ANA)
    await knocked(house, FAR, "hm")
    house.tell("ban 2")
    await house.live()
    assert [m for _, m, _ in path_of(house, ANA)] == ["knock", "leave"]
    assert [m for _, m, _ in path_of(house)] == ["knock", "ban"]


@pytest.mark.parametrize("call", ["put_state", "kick"])
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("heard", [False, True])
async def test_killed_at_any_moment_it_ends_in_the_rejection(house: House, call: str, done: bool, heard: bool) -> None:
    await house.set_policy(BY_INVITE)
    house.world.knock(GARDEN, FAR, "no")
    await house.hear()
    house.world.play(call, hang=asyncio.Event(), done=done)
    for _ in range(5):
        await house.worker._start_due()
        await asyncio.sleep(0.05)
    assert house.world.asked(call)
    if heard:
        await house.hear()
    await house.die()
    await house.start_again()
    await house.live()
    await house.later(60)

    assert path_of(house) == TOLD
    await never_accepted(house)
    assert await house.effects("due", "running", "blocked") == {}


@pytest.fixture
async def open_house(house: House) -> tuple[House, asyncio.Event]:
    """The door stands open to far, for as long as the event is not set."""
    await house.set_policy(BY_INVITE)
    house.world.knock(GARDEN, FAR, "no")
    await house.hear()
    hold = asyncio.Event()
    house.world.play("put_state", hang=hold, done=True)
    await house.worker._start_due()
    await until(lambda: standing(house), lambda m: m == "invite", lambda m: f"far is at {m}")
    return house, hold


async def standing(house: House) -> str | None:
    return house.membership(FAR)


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("heard", [False, True])
async def test_who_joins_in_that_moment_is_put_out_and_the_moderators_are_told(
    open_house: tuple[House, asyncio.Event], killed: bool, heard: bool
) -> None:
    house, hold = open_house
    house.world.change(GARDEN, FAR, FAR, "join")
    if heard:
        await house.hear()
    if killed:
        await house.die()
        await house.start_again()
    hold.set()
    await house.live()
    await house.later(60)

    assert [m for _, m, _ in path_of(house)] == ["knock", "invite", "join", "leave"]
    await never_accepted(house)
    assert len([text for text in house.spoken() if "I put them out again" in text]) == 1


async def test_who_declines_in_that_moment_was_rejected(open_house: tuple[House, asyncio.Event]) -> None:
    house, hold = open_house
    house.world.change(GARDEN, FAR, FAR, "leave")
    hold.set()
    await house.live()
    await never_accepted(house)
    assert house.world.asked("kick") == []


@pytest.mark.parametrize("joined", [False, True])
async def test_whom_somebody_else_lets_in_at_that_moment_is_in(
    open_house: tuple[House, asyncio.Event], joined: bool
) -> None:
    house, hold = open_house
    house.world.change(GARDEN, ALICE, FAR, "invite")
    if joined:
        house.world.change(GARDEN, FAR, FAR, "join")
    hold.set()
    await house.live()

    request = await house.request(FAR)
    assert request.state is (State.JOINED if joined else State.ACCEPTED)
    assert house.world.asked("kick") == []
    assert not [text for text in house.spoken() if "put them out" in text]


async def test_where_the_room_is_kept_no_longer_the_door_is_shut_all_the_same(
    open_house: tuple[House, asyncio.Event],
) -> None:
    house, hold = open_house
    house.tell(f"unprotect {GARDEN}")
    await house.hear()
    hold.set()
    await house.live()
    assert house.membership(FAR) == "leave"


async def test_what_no_record_knows_of_is_taken_back_and_is_no_accept(house: House) -> None:
    """As when an older copy of the database was put back."""
    await knocked(house, reason="hm")
    house.world._set(house.world.rooms[GARDEN], BOT, FAR, "invite", **{REJECTION_KEY: "open:7:$x"})
    house.world.outbox.clear()
    await house.look_everywhere()
    await house.live()
    await never_accepted(house)


async def test_of_somebody_elses_invite_the_mark_means_nothing(house: House) -> None:
    await knocked(house, reason="hm")
    house.world._set(house.world.rooms[GARDEN], ALICE, FAR, "invite", **{REJECTION_KEY: "open:7:$x"})
    await house.live()
    assert (await house.request(FAR)).state is State.ACCEPTED
    assert house.membership(FAR) == "invite"


# --- where that is not done ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ["knock_restricted", "encrypted", "no power to invite", "denied"])
async def test_where_the_door_must_not_be_opened_they_are_just_rejected(house: House, why: str) -> None:
    await house.set_policy(BY_INVITE)
    room = house.world.rooms[GARDEN]
    if why == "knock_restricted":
        room.join_rule = why
    elif why == "encrypted":
        room.encrypted = True
    elif why == "denied":
        room.acl = {"allow": ["*"], "deny": ["slow.example"]}
    else:
        house.world.set_levels(GARDEN, invite=100)
    await knocked(house)
    assert path_of(house) == NOT_TOLD


async def test_without_the_power_to_shut_it_the_door_is_not_opened(house: House) -> None:
    await house.set_policy(BY_INVITE)
    house.world.set_levels(GARDEN, kick=100)
    await knocked(house)
    assert house.membership(FAR) == "knock"
    house.world.set_levels(GARDEN, kick=50)
    await house.later()
    assert path_of(house) == NOT_TOLD


async def test_who_joins_by_another_rule_than_the_bots_invite_stays(house: House) -> None:
    await house.set_policy(BY_INVITE)
    house.world.rooms[GARDEN].join_rule = "knock_restricted"
    house.world.set_levels(GARDEN, kick=100)
    await knocked(house)
    house.world.change(GARDEN, FAR, FAR, "join")
    house.world.set_levels(GARDEN, kick=50)
    await house.later()
    assert (await house.request(FAR)).state is State.JOINED
    assert house.membership(FAR) == "join"


async def test_a_dead_server_is_tried_once_an_hour_and_no_rejection_waits_for_it(house: House) -> None:
    await house.set_policy(BY_INVITE)
    house.world.play("put_state", Later("their server is silent"), times=100)
    for number in range(4):
        await knocked(house, f"@far{number}:slow.example")
    assert {house.membership(f"@far{number}:slow.example") for number in range(4)} == {"leave"}
    assert len(house.world.asked("put_state")) == 1

    house.clock.go_on(3700)
    await knocked(house, "@far9:slow.example")
    assert len(house.world.asked("put_state")) == 2


async def test_what_got_through_although_the_answer_did_not_is_shut_as_well(house: House) -> None:
    await house.set_policy(BY_INVITE)
    house.world.play("put_state", Later("no answer in time"), done=True)
    await knocked(house)
    assert path_of(house) == TOLD
    await never_accepted(house)


async def test_a_refusal_of_the_homeserver_leaves_the_plain_rejection(house: House) -> None:
    await house.set_policy(BY_INVITE)
    house.world.play("put_state", Never("they refuse invites.", code="M_INVITE_BLOCKED"))
    await knocked(house)
    assert path_of(house) == NOT_TOLD


# --- how often ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "call"), [(BY_INVITE, "put_state"), (BY_MESSAGE, "create_room")])
async def test_an_applicant_is_told_once_a_day_however_often_they_knock(house: House, policy: str, call: str) -> None:
    await house.set_policy(policy)
    for _ in range(3):
        await knocked(house)
    assert len(house.world.asked(call)) == 1
    assert house.membership(FAR) == "leave"

    await house.later(DAY + 1)
    await knocked(house)
    assert len(house.world.asked(call)) == 2


@pytest.mark.parametrize(("policy", "call"), [(BY_INVITE, "put_state"), (BY_MESSAGE, "create_room")])
async def test_beyond_the_cap_of_a_day_nobody_is_told(ready_url: str, policy: str, call: str) -> None:
    async with housed(ready_url, notices={"per_day": 2}) as house:
        await house.set_policy(policy)
        for number in range(4):
            await knocked(house, f"@far{number}:server{number}.example")
        assert len(house.world.asked(call)) == 2
        assert {house.membership(f"@far{number}:server{number}.example") for number in range(4)} == {"leave"}


# --- by message ---------------------------------------------------------------------------------------------------


def letters(house: House) -> list[str]:
    """The rooms made to tell somebody."""
    return [room_id for room_id in house.world.rooms if room_id not in (GARDEN, MODS)]


async def test_a_message_tells_the_reason_in_a_room_of_their_own(house: House) -> None:
    await house.set_policy(BY_MESSAGE)
    await knocked(house)

    [room] = letters(house)
    assert house.membership(FAR, room) == "invite"
    [said] = house.said(room)
    assert "Garden" in said["body"]
    assert "Not today." in said["body"]
    assert path_of(house) == NOT_TOLD
    await never_accepted(house)


async def test_the_room_is_left_after_a_week_and_not_before(house: House) -> None:
    await house.set_policy(BY_MESSAGE)
    await knocked(house)
    [room] = letters(house)
    await house.later(6 * DAY)
    assert house.membership(BOT, room) == "join"
    await house.later(1.1 * DAY)
    assert house.membership(BOT, room) == "leave"


@pytest.mark.parametrize("call", ["create_room", "invite", "send"])
@pytest.mark.parametrize("done", [False, True])
async def test_a_message_is_sent_once_whenever_it_is_killed(house: House, call: str, done: bool) -> None:
    await house.set_policy(BY_MESSAGE)
    house.world.knock(GARDEN, FAR, "no")
    await house.hear()
    house.world.play(call, hang=asyncio.Event(), done=done)
    for _ in range(8):
        await house.worker._start_due()
        await asyncio.sleep(0.05)
    assert house.world.asked(call)
    await house.die()
    await house.start_again()
    house.world.behave()
    await house.live()

    [room] = letters(house)
    assert len([event for event in house.world.rooms[room].said if event["sender"] == BOT]) == 1
    assert house.membership(FAR, room) == "invite"


async def test_a_message_to_a_dead_server_waits_and_is_dropped_after_a_day(house: House) -> None:
    await house.set_policy(BY_MESSAGE)
    house.world.play("invite", Later("their server is silent"), times=1000)
    await knocked(house)
    assert house.membership(FAR) == "leave"
    for _ in range(30):
        await house.later(3600)

    assert len(letters(house)) == 1
    assert house.said(letters(house)[0]) == []
    assert await house.effects("due", "running") == {}
    assert len(house.spoken()) == 1  # the decision


async def test_who_refuses_invites_is_not_told(house: House) -> None:
    await house.set_policy(BY_MESSAGE)
    house.world.play("invite", Never("they refuse.", code="M_INVITE_BLOCKED"))
    await knocked(house)
    [room] = letters(house)
    assert (house.membership(BOT, room), house.said(room)) == ("leave", [])
    await never_accepted(house)
