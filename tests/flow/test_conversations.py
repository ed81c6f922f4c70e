"""One conversation with each applicant, made once, whoever refuses, leaves, is silent or is killed meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from knockbot.check.bench import Bench, Hint
from knockbot.check.steps import STEPS
from knockbot.domain.conversations import Stage
from knockbot.domain.notices import notice
from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from knockbot.flow import conversations as talking
from knockbot.flow import place
from knockbot.flow.context import Context
from knockbot.flow.conversations import MOST_A_DAY, ToTell
from knockbot.store import conversations, requests
from knockbot.store.conversations import Budget
from knockbot.store.db import Database
from knockbot.times import DAY
from tests.flow.house import GARDEN, MODS, House, housed, until_called, working_until
from tests.flow.world import ALICE, BOT, FAR, Room

A_DAY = DAY / 1000
OTHER = "@other:elsewhere.example"


def talks(house: House) -> list[str]:
    """The rooms that the bot has made."""
    return [room_id for room_id in house.world.rooms if room_id not in (GARDEN, MODS)]


async def tell(context: Context, occasion: str, user_id: str = FAR) -> None:
    """Tell an applicant something."""
    async with context.turn() as turn:
        there = await place.of(context, turn, GARDEN)
        assert there is not None
        said = notice("letter.rejected", room=there.called)
        talking.tell(context, turn, ToTell(user_id, there, said, occasion))


async def told(house: House, *occasions: str, user_id: str = FAR) -> None:
    for occasion in occasions:
        await tell(house.context, occasion, user_id)
    await house.live()


async def stage(house: House, user_id: str = FAR) -> Stage | None:
    """How far the newest conversation with them is."""
    async with house.db.tx() as tx:
        found = await conversations.last(tx, user_id)
    return found.stage if found is not None else None


async def spent(house: House) -> Budget:
    async with house.db.tx() as tx:
        return await conversations.budget(tx, house.clock())


# --- one, for all that is said ------------------------------------------------------------------------------------


async def test_all_that_is_said_to_somebody_is_said_in_one_room_in_order(house: House) -> None:
    await told(house, "one", "two")
    await told(house, "three", "two")

    [room] = talks(house)
    assert house.membership(FAR, room) == "invite"
    assert len(house.said(room)) == 3
    assert [content["msgtype"] for content in house.said(room)] == ["m.text"] * 3  # phones ring
    assert (await stage(house), await spent(house)) == (Stage.INVITED, Budget(1, 0))


async def test_they_join_and_are_told_more_there(house: House) -> None:
    await told(house, "one")
    [room] = talks(house)
    house.world.change(room, FAR, FAR, "join")
    await house.live()
    assert await stage(house) is Stage.JOINED
    await told(house, "two")
    assert (talks(house), len(house.said(room))) == ([room], 2)


async def test_a_join_that_is_heard_before_the_invite_returns_counts(house: House) -> None:
    def join() -> None:
        [room] = talks(house)
        house.world.change(room, BOT, FAR, "invite")
        house.world.change(room, FAR, FAR, "join")

    house.world.play("invite", Later(foreign("no answer")), meanwhile=join)
    await told(house, "one")
    assert await stage(house) is Stage.JOINED
    await house.later(120)
    [room] = talks(house)
    assert (len(house.said(room)), len(house.world.asked("invite"))) == (1, 1)


@contextlib.asynccontextmanager
async def several(house: House) -> AsyncIterator[Sequence[Context]]:
    """Three processes on one database; SQLite takes one only."""
    if house.db.alone:
        yield [house.context] * 3
        return
    others = [await Database.open(house.url) for _ in range(2)]
    try:
        yield [house.context, *(house.new_context(db) for db in others)]
    finally:
        for db in others:
            await db.close()


async def test_three_processes_begin_one_conversation(house: House) -> None:
    async with several(house) as contexts:
        await asyncio.gather(*(tell(context, f"occasion {n % 8}") for n, context in enumerate([*contexts] * 8)))
    await house.live()

    [room] = talks(house)
    assert len(house.said(room)) == 8
    assert await spent(house) == Budget(1, 0)


async def test_a_thousand_applicants_get_no_more_conversations_than_a_day_has(ready_url: str) -> None:
    async with housed(ready_url, notices={"per_day": 7}) as house, several(house) as contexts:
        applicants = [f"@ana{number}:server{number}.example" for number in range(60)]
        told = [tell(contexts[n % 3], f"to {who}", who) for n, who in enumerate(applicants)]
        await asyncio.gather(*told)
        await house.live()
        assert (len(talks(house)), await spent(house)) == (7, Budget(7, 53))

        await house.later(A_DAY)
        await tell(house.context, "again", applicants[-1])
        await house.live()
        assert (len(talks(house)), await spent(house)) == (8, Budget(1, 0))


async def test_a_thousand_knocks_make_no_more_rooms_and_each_is_answered(sqlite_url: str) -> None:
    async with housed(sqlite_url, notices={"per_day": 20}) as house:
        await house.set_policy("letters: {received: true, rejected: true}\notherwise: reject")
        for number in range(1000):
            house.world.knock(GARDEN, f"@a{number}:s{number % 90}.example", "hello")
        await house.live()
        assert (len(talks(house)), await spent(house)) == (20, Budget(20, 980))
        async with house.db.tx() as tx:
            assert await requests.count_pending(tx) == {}
        assert len(house.world.asked("kick")) == 1000


async def checked(house: House) -> str:
    """What `knockbot check` says of conversations."""
    settings = replace(house.settings, database=house.url)
    try:
        return await STEPS["conversations"](cast("Bench", SimpleNamespace(settings=settings)))
    except Hint as hint:
        return f"⚠️ {hint.what}: {hint.mend}"


async def test_check_counts_conversations_and_what_was_dropped(ready_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with housed(ready_url, notices={"per_day": 3}) as house:
        clock = SimpleNamespace(time_ns=lambda: house.clock() * 10**6)
        monkeypatch.setattr("knockbot.check.steps.time", clock)
        house.world.play("invite", REFUSALS["M_INVITE_BLOCKED"])
        await told(house, "one", "two")
        await told(house, "three", user_id=OTHER)
        counted = "1 go on, 1 applicants cannot be reached, 2 begun today"
        assert await checked(house) == f"{counted}; 2 messages dropped today"

        for number in range(5):
            await told(house, f"more {number}", user_id=f"@a{number}:tulip.example")
        said = await checked(house)
        assert said.startswith("⚠️ 2 go on, 1 applicants cannot be reached, 3 begun today; 6 messages to applicants")
        assert "`notices.per_day` in config.yaml allows 3 new conversations a day" in said
        await house.later(A_DAY)
        assert (
            await checked(house) == "2 go on, 1 applicants cannot be reached, 0 begun today; 0 messages dropped today"
        )


async def test_one_applicant_gets_so_many_letters_a_day(house: House) -> None:
    await told(house, *(f"occasion {number}" for number in range(MOST_A_DAY + 5)))
    [room] = talks(house)
    assert (len(house.said(room)), await spent(house)) == (MOST_A_DAY, Budget(1, 5))


# --- who cannot be reached ----------------------------------------------------------------------------------------

REFUSALS = {
    "M_INVITE_BLOCKED": Never(foreign("they refuse invites."), code="M_INVITE_BLOCKED"),
    "M_FORBIDDEN": Never(foreign("they may not be invited."), code="M_FORBIDDEN"),
    "M_UNSUPPORTED_ROOM_VERSION": Never(foreign("too old."), code="M_UNSUPPORTED_ROOM_VERSION"),
}


@pytest.mark.parametrize("code", REFUSALS)
async def test_who_refuses_the_invite_is_not_told_and_not_asked_again_for_a_week(house: House, code: str) -> None:
    house.world.play("invite", REFUSALS[code])
    await told(house, "one", "two")
    [room] = talks(house)
    assert (await stage(house), house.membership(BOT, room), house.said(room)) == (Stage.UNREACHABLE, "leave", [])
    assert await spent(house) == Budget(1, 2)

    await house.later(6 * A_DAY)
    await told(house, "three")
    assert talks(house) == [room]
    await house.later(1.1 * A_DAY)
    await told(house, "four")
    assert len(talks(house)) == 2
    assert await stage(house) is Stage.INVITED


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("membership", ["leave", "ban"])
async def test_who_declines_or_leaves_is_left_in_peace(house: House, joined: bool, membership: str) -> None:
    await told(house, "one")
    [room] = talks(house)
    if joined:
        house.world.change(room, FAR, FAR, "join")
        await house.live()
    house.world.change(room, FAR if membership == "leave" else ALICE, FAR, membership)
    await house.live()
    assert (await stage(house), house.membership(BOT, room)) == (Stage.UNREACHABLE, "leave")

    await told(house, "two")
    assert (talks(house), len(house.said(room)), await spent(house)) == ([room], 1, Budget(1, 1))


async def test_who_declines_before_the_bot_knows_of_the_invite_is_not_invited_again(house: House) -> None:
    def decline() -> None:
        [room] = talks(house)
        house.world.change(room, BOT, FAR, "invite")
        house.world.change(room, FAR, FAR, "leave")
        house.world.outbox.clear()  # nobody tells of it

    house.world.play("invite", Later(foreign("no answer")), meanwhile=decline)
    house.world.play("invite", AssertionError("invited again"), times=100)
    await told(house, "one")
    await house.later(120)
    assert (await stage(house), len(house.world.asked("invite"))) == (Stage.UNREACHABLE, 1)


@pytest.mark.parametrize("call", ["create_room", "invite"])
@pytest.mark.parametrize("code", [None, "M_UNKNOWN"])
async def test_a_dead_server_is_tried_for_a_day_and_once_a_day_at_most_after_that(
    house: House, call: str, code: str | None
) -> None:
    house.world.play(call, Later(foreign("502"), code=code), times=1000)
    await told(house, "one")
    for _ in range(26):
        await house.later(3600)
    assert (await stage(house), len(house.world.asked(call)), await house.jobs("due", "running", "blocked")) == (
        Stage.UNREACHABLE,
        7,
        {},
    )
    await told(house, "two")
    assert await stage(house) is Stage.UNREACHABLE
    house.world.behave()
    await house.later(A_DAY)
    await told(house, "three")
    assert await stage(house) is Stage.INVITED


async def test_a_black_hole_delays_neither_answers_nor_other_applicants(house: House) -> None:
    for_ever = asyncio.Event()
    house.world.play("invite", hang=for_ever)
    await tell(house.context, "one")
    await until_called(house, "invite")
    assert len(house.world.asked("invite")) == 1

    house.world.knock(GARDEN, "@bea:far.example")  # of the same server
    await house.hear()
    house.tell("accept 1")
    await house.hear()
    await working_until(house, lambda: house.membership("@bea:far.example") == "invite", "bea is invited")
    for_ever.set()


# --- killed -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["create_room", "member", "invite", "send"])
@pytest.mark.parametrize("done", [False, True])
async def test_one_room_and_each_letter_once_whenever_it_is_killed(house: House, call: str, done: bool) -> None:
    await tell(house.context, "one")
    await tell(house.context, "two")
    house.world.play(call, hang=asyncio.Event(), done=done)
    await until_called(house, call)
    await house.die()
    await house.start_again()
    house.world.behave()
    await house.live()

    [room] = talks(house)
    assert len([event for event in house.world.rooms[room].said if event["sender"] == BOT]) == 2
    assert (house.membership(FAR, room), await stage(house)) == ("invite", Stage.INVITED)


async def test_whoever_had_joined_stays_in_the_room_when_the_bot_leaves(house: House) -> None:
    await told(house, "one")
    [room] = talks(house)
    house.world.change(room, FAR, FAR, "join")
    await house.live()
    await at_rest(house, 7.1)
    assert (house.membership(BOT, room), house.membership(FAR, room)) == ("leave", "join")


@pytest.mark.parametrize("call", ["kick", "leave", "forget"])
@pytest.mark.parametrize("done", [False, True])
async def test_a_conversation_is_left_and_forgotten_whenever_it_is_killed(house: House, call: str, done: bool) -> None:
    await told(house, "one")
    [room] = talks(house)
    await house.later(7.1 * A_DAY)
    await house.ring()
    house.world.play(call, hang=asyncio.Event(), done=done)
    await house.worker._start_due()
    await until_called(house, call)
    await house.die()
    await house.start_again()
    house.world.behave()
    await house.live()
    assert (await stage(house), house.membership(BOT, room)) == (Stage.LEFT, "leave")
    assert house.world.calls.index(("leave", room)) < house.world.calls.index(("forget", room))
    assert await house.jobs("due", "running", "blocked") == {}


async def test_a_room_that_the_homeserver_makes_after_all_is_left_and_nobody_is_invited_there(house: House) -> None:
    """The bot dies while it waits for the room, and does not find it when it looks: it is made after that."""
    house.world.play("create_room", hang=asyncio.Event())
    await tell(house.context, "one")
    await house.worker._start_due()
    await until_called(house, "create_room")
    await house.die()
    house.world.behave()
    await house.start_again()
    await house.live()
    [room] = talks(house)

    house.world.rooms["!late"] = Room("!late", "Your request", join_rule="invite")
    house.world.rooms["!late"].create = house.world.rooms[room].create
    house.world.change("!late", BOT, BOT, "join")
    await house.live()
    await told(house, "two")
    assert (len(house.said(room)), house.membership(FAR, "!late")) == (2, None)
    await at_rest(house, 1.1)
    assert (house.membership(BOT, "!late"), house.membership(BOT, room)) == ("leave", "join")


# --- others who come there ----------------------------------------------------------------------------------------


async def test_others_who_come_to_a_conversation_change_nothing(house: House) -> None:
    await told(house, "one")
    [room] = talks(house)
    house.world.change(room, FAR, FAR, "join")
    house.world.change(room, FAR, OTHER, "invite")
    house.world.change(room, OTHER, OTHER, "join")
    house.world.change(room, OTHER, OTHER, "leave")
    await house.live()
    assert await stage(house) is Stage.JOINED


# --- left ---------------------------------------------------------------------------------------------------------


async def at_rest(house: House, days: float) -> None:
    await house.later(days * A_DAY)
    await house.ring()
    await house.live()


async def test_a_conversation_is_left_a_week_after_the_last_word_and_begun_anew_if_needed(house: House) -> None:
    await told(house, "one")
    [room] = talks(house)
    await at_rest(house, 6)
    await told(house, "two")
    await at_rest(house, 6)
    assert (await stage(house), house.membership(BOT, room)) == (Stage.INVITED, "join")
    await at_rest(house, 1.1)
    assert (await stage(house), house.membership(BOT, room)) == (Stage.LEFT, "leave")
    assert house.world.asked("forget") == [("forget", room)]
    assert house.membership(FAR, room) == "leave"  # an invite to a room that nobody is in leads nowhere

    await told(house, "three")
    assert len(talks(house)) == 2


async def test_a_bot_that_is_removed_from_a_conversation_begins_another_when_it_has_something_to_say(
    house: House,
) -> None:
    await told(house, "one")
    [room] = talks(house)
    house.world.change(room, ALICE, BOT, "leave")  # an admin of the server removes the room
    await house.live()
    assert await stage(house) is Stage.LEFT
    await told(house, "two")
    assert len(talks(house)) == 2


async def test_what_is_over_for_long_is_forgotten(house: House) -> None:
    house.world.play("invite", REFUSALS["M_INVITE_BLOCKED"])
    await told(house, "one")
    await at_rest(house, 29)
    assert await stage(house) is Stage.UNREACHABLE
    await at_rest(house, 2)
    async with house.db.tx() as tx:
        left = [await tx.fetchval(f"SELECT count(*) FROM {table}") for table in ("letters", "conversations")]
    assert left == [0, 0]
