"""What only other servers know keeps nobody waiting but who asked, is asked a few at a time, and is never lost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from knockbot.demo.people import until
from knockbot.domain.model import Known, Truth
from knockbot.domain.reasons import foreign, in_words
from knockbot.engine.inbox import ROOMS_AT_ONCE, TALKS_AT_ONCE
from knockbot.errors import Later, Never
from knockbot.flow import elsewhere, workbench
from knockbot.flow.elsewhere import (
    A_MINUTE,
    ASKED_ABOUT,
    AT_ONCE,
    FRESH,
    PER_PERSON,
    PER_SERVER,
    SILENCE,
    Elsewhere,
    TooMany,
)
from knockbot.store.inbox import Queue
from knockbot.times import MINUTE
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BEA, BOT, FAR, HOME, Clock, levels_for

SLOW = "#x:slow.example"
DEN = "!den:tulip.example"
SILENT = Later(foreign("the homeserver gave no answer within 20 seconds."))


@pytest.fixture
async def hang(house: House) -> AsyncIterator[asyncio.Event]:
    """Whatever other servers are asked has no answer until this is set; then there was none in time."""
    event = asyncio.Event()
    for call in ("resolve", "join"):
        house.world.play(call, SILENT, hang=event, times=10_000)
    yield event
    event.set()


async def begin(house: House) -> None:
    """What came in is begun, and what can come to its end does."""
    await house.deliver()
    while True:
        await house.arrivals._start_rooms()
        busy = [task for task in house.arrivals._busy.values() if task not in house.context.elsewhere.waiting]
        if not busy:
            return
        await asyncio.wait(busy, timeout=0.2)


async def knocked_through(house: House, user_id: str) -> None:
    """Until a knock has its card; whoever waits elsewhere still waits."""
    house.world.knock(GARDEN, user_id)
    await begin(house)

    async def look() -> list[object]:
        await house.arrivals._start_rooms()
        await house.worker._start_due()
        return [card for card in house.cards() if card.block["user_id"] == user_id]

    await until(look, bool, lambda _: "the knock waits for somebody else")


def dens(house: House, count: int, *people: str) -> list[str]:
    """Rooms in which these people can talk with the bot."""
    names = [f"!den{number}:{HOME}" for number in range(count)]
    for name in names:
        house.world.room(name, name, BOT, *people, levels=levels_for(), join_rule="invite")
    return names


# --- a turn -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [f"check {SLOW}", f"protect {SLOW}", f"list {SLOW}", f"unprotect {SLOW}", f"test {SLOW} @a:b"]
)
async def test_a_knock_waits_for_no_command_that_waits_for_another_server(
    house: House, hang: asyncio.Event, command: str
) -> None:
    for number, den in enumerate(dens(house, 80, *(f"@p{n}:{HOME}" for n in range(80)))):
        house.world.say(den, f"@p{number}:{HOME}", f"!kb {command}")
    house.tell(command)
    await begin(house)
    assert house.world.asked("resolve")

    await knocked_through(house, ANA)

    assert not hang.is_set()
    hang.set()
    await house.live()
    for den in dens_of(house):
        assert len(house.said(den)) == 1
    assert len([words for words in house.spoken() if "slow.example" in words]) == 1


def dens_of(house: House) -> list[str]:
    return [room for room in house.world.rooms if room.startswith("!den")]


async def test_other_management_rooms_go_on_meanwhile(house: House, hang: asyncio.Event) -> None:
    for den in dens(house, 3 * TALKS_AT_ONCE, BEA):
        house.world.say(den, BEA, f"!kb check {SLOW}")
    await begin(house)
    house.tell("help")
    await begin(house)
    await house.work()

    assert any("protect" in words for words in house.spoken())
    assert not hang.is_set()


async def test_a_knock_at_a_room_that_manages_another_waits_for_no_command_there(
    house: House, hang: asyncio.Event
) -> None:
    house.world.room(DEN, "Den", ALICE, BOT, levels=levels_for())
    await house.protect(DEN, MODS)
    await house.protect(GARDEN, DEN)
    house.world.say(DEN, ALICE, f"!kb check {SLOW}")
    await begin(house)
    assert house.world.asked("resolve")
    house.world.knock(DEN, ANA)
    await begin(house)

    assert (await house.request(ANA, DEN)).open
    assert not hang.is_set()


async def test_the_commands_of_one_room_stay_in_their_order(house: House, hang: asyncio.Event) -> None:
    house.tell(f"check {SLOW}")
    house.tell("help")
    await begin(house)
    assert house.spoken() == []
    hang.set()
    await house.live()

    assert ["slow.example" in words for words in house.spoken()] == [True, False]


async def test_a_command_that_was_killed_while_it_waited_is_answered_once_after_that(
    house: House, hang: asyncio.Event
) -> None:
    house.tell(f"check {SLOW}")
    await begin(house)
    await house.die()
    hang.set()
    house.world.behave()
    await house.start_again()
    await house.live()

    assert len(house.spoken()) == 1


# --- the replacement of a room ------------------------------------------------------------------------------------


async def test_a_knock_does_not_wait_until_the_bot_is_in_the_room_that_replaces_it(house: House) -> None:
    event = asyncio.Event()
    new = house.world.room("!new:slow.example", "New", ALICE, levels=levels_for(), join_rule="public")
    new.predecessor = GARDEN
    house.world.play("join", hang=event)
    house.world.replace(GARDEN, new.id)
    await begin(house)
    await until(lambda: _value(house.world.asked("join")), bool, str)

    await knocked_through(house, ANA)

    assert house.world.rooms[new.id].membership(BOT) is None
    event.set()
    await house.live()
    assert house.world.rooms[new.id].membership(BOT) == "join"
    assert any("New" in words for words in house.spoken())


async def _value(found: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return found


# --- limits -------------------------------------------------------------------------------------------------------


async def test_who_asks_for_too_much_is_told_when_they_may_again(house: House) -> None:
    for number in range(A_MINUTE + 2):
        house.tell(f"check #x{number}:far.example")
    await house.live()

    assert len(house.world.asked("resolve")) == A_MINUTE
    refused = [words for words in house.spoken() if "try again in" in words]
    assert len(refused) == 2
    assert all(re.search("try again in (1 minute|[0-9]+ seconds)", words) for words in refused)

    house.clock.go_on(61)
    house.tell("check #y:far.example")
    await house.live()
    assert len(house.world.asked("resolve")) == A_MINUTE + 1


async def test_aliases_of_our_own_server_are_asked_for_without_a_limit(house: House) -> None:
    for number in range(3 * A_MINUTE):
        house.tell(f"check #x{number}:{HOME}")
    await house.live()

    assert len(house.world.asked("resolve")) == 3 * A_MINUTE
    assert not [words for words in house.spoken() if "try again in" in words]


class Far:
    """Other servers, which answer when they are told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = asyncio.Event()
        self.error: Exception | None = None

    async def resolve(self, alias: str) -> tuple[str, tuple[str, ...]]:
        self.asked.append(alias)
        await self.answer.wait()
        if self.error is not None:
            raise self.error
        return "!room", ("far.example",)


@pytest.fixture
def far() -> Far:
    return Far()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def questions(clock: Clock) -> Elsewhere:
    return Elsewhere(clock, lambda: None, HOME)


async def all_asked(questions: Elsewhere, far: Far, *aliases: str, by: str | None = None) -> list[asyncio.Task[object]]:
    tasks = [asyncio.create_task(questions.resolve(far, alias, by)) for alias in aliases]
    await until(lambda: _count(questions), lambda waiting: waiting == len(aliases), str)
    for _ in range(5):
        await asyncio.sleep(0)
    return list(tasks)


async def _count(questions: Elsewhere) -> int:
    return len(questions.waiting)


@pytest.mark.parametrize(
    ("aliases", "by", "most"),
    [
        ([f"#{n}:far.example" for n in range(9)], None, PER_SERVER),
        ([f"#a:{n}.example" for n in range(9)], ANA, PER_PERSON),
        ([f"#a:{n}.example" for n in range(30)], None, AT_ONCE),
    ],
    ids=["one server", "one person", "in all"],
)
async def test_only_so_many_questions_are_under_way(
    questions: Elsewhere, far: Far, aliases: list[str], by: str | None, most: int
) -> None:
    tasks = await all_asked(questions, far, *aliases, by=by)
    assert len(far.asked) == most
    far.answer.set()
    await asyncio.gather(*tasks)

    assert sorted(far.asked) == sorted(aliases)
    assert (questions._queues, questions.waiting) == ({}, set())


async def test_a_server_that_was_silent_is_left_alone_for_a_while(questions: Elsewhere, far: Far, clock: Clock) -> None:
    far.error = SILENT
    tasks = await all_asked(questions, far, *(f"#{n}:far.example" for n in range(9)))
    far.answer.set()
    assert {type(one) for one in await asyncio.gather(*tasks, return_exceptions=True)} == {Later}
    assert len(far.asked) == PER_SERVER
    with pytest.raises(Later) as refused:
        await questions.resolve(far, "#other:far.example")
    assert in_words(refused.value.why) == "far.example did not answer a moment ago."

    clock.go_on(SILENCE / 1000 + 1)
    far.error = None
    assert (await questions.resolve(far, "#other:far.example"))[0] == "!room"


@pytest.mark.parametrize("error", [Never(foreign("no room has that alias.")), Later(foreign("away"), unreachable=True)])
async def test_a_server_that_says_no_and_one_behind_a_silent_homeserver_were_not_silent(
    questions: Elsewhere, far: Far, error: Exception
) -> None:
    far.answer.set()
    far.error = error
    for _ in range(3):
        with pytest.raises(type(error)):
            await questions.resolve(far, "#x:far.example")
    assert len(far.asked) == 3


async def test_what_an_alias_means_is_remembered_for_a_moment_and_not_where_it_counts(
    questions: Elsewhere, far: Far, clock: Clock
) -> None:
    far.answer.set()
    for _ in range(3):
        await questions.resolve(far, "#x:far.example", ANA)
    assert len(far.asked) == 1
    await questions.resolve(far, "#x:far.example", ANA, afresh=True)
    assert len(far.asked) == 2
    clock.go_on(FRESH / 1000 + 1)
    await questions.resolve(far, "#x:far.example", ANA)
    assert len(far.asked) == 3


async def test_what_is_remembered_is_bounded(questions: Elsewhere, far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "KEPT", 10)
    far.answer.set()
    for number in range(50):
        await questions.resolve(far, f"#x:{number}.example", f"@{number}:a")
    far.error = SILENT
    for number in range(50):
        with pytest.raises(Later):
            await questions.resolve(far, f"#x:{number + 100}.example", f"@{number}:b")

    assert [len(kept) for kept in (questions._known, questions._silent, questions._asked)] == [10] * 3


async def test_one_person_waits_for_nobody_elses_limit(questions: Elsewhere, far: Far) -> None:
    far.answer.set()
    for number in range(A_MINUTE):
        await questions.resolve(far, f"#{number}:far.example", ANA)
    with pytest.raises(TooMany) as refused:
        await questions.resolve(far, "#more:far.example", ANA)
    assert refused.value.at == questions.now() + MINUTE

    assert (await questions.resolve(far, "#more:far.example", BEA))[0] == "!room"


async def test_doors_and_talk_have_places_of_their_own(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = asyncio.Event()

    async def serve(_: Queue) -> None:
        await hold.wait()

    monkeypatch.setattr(house.arrivals, "_serve_in_order", serve)
    for number in range(ROOMS_AT_ONCE + 9):
        house.context.look_at(f"!{number}:{HOME}")
    for den in dens(house, TALKS_AT_ONCE + 9, ALICE):
        house.world.say(den, ALICE, "!kb help")
    await house.deliver()
    await house.arrivals._start_rooms()

    busy = [turn.talk for turn in house.arrivals._busy]
    hold.set()
    await asyncio.gather(*house.arrivals._busy.values())
    assert (busy.count(False), busy.count(True)) == (ROOMS_AT_ONCE, TALKS_AT_ONCE)


# --- acts that wait for other servers -----------------------------------------------------------------------------


async def stands_invited(house: House, user_id: str, room: str = GARDEN) -> None:
    """Until somebody is let in, by what is due; what hangs, hangs."""

    async def look() -> str | None:
        await house.worker._start_due()
        return house.membership(user_id, room)

    await until(look, lambda found: found == "invite", lambda found: f"{user_id} is at {found}")


async def test_five_servers_that_hang_keep_nobody_of_a_sixth_out(house: House) -> None:
    await house.set_policy("otherwise: accept")
    event = asyncio.Event()
    house.world.play("invite", SILENT, hang=event, times=5)
    rooms = [f"!far{number}:{HOME}" for number in range(6)]
    for name in rooms:
        house.world.room(name, name, ALICE, BOT, levels=levels_for())
        await house.protect(name, policy="otherwise: accept")
    for number, name in enumerate(rooms):
        house.world.knock(name, f"@guest:far{number}.example")
        house.clock.go_on(0.1)
    await house.hear()
    house.clock.go_on(workbench.PAUSE + 1)
    await house.hear()  # four policies are compiled at once; the other rooms come back for theirs
    guests = [(f"@guest:far{number}.example", name) for number, name in enumerate(rooms)]

    async def look() -> list[str | None]:
        await house.worker._start_due()
        return [house.membership(*guest) for guest in guests]

    await until(look, lambda found: found.count("invite") == 1, str)  # whichever asked last

    house.world.knock(GARDEN, ANA)
    await house.hear()
    await stands_invited(house, ANA)
    assert not event.is_set()
    event.set()
    await house.live()


async def test_invites_of_strangers_that_hang_take_no_place(house: House) -> None:
    await house.set_policy("otherwise: accept")
    event = asyncio.Event()
    house.world.play("leave", SILENT, hang=event, times=10_000)
    baits = [f"!bait{number}:evil.example" for number in range(150)]
    for name in baits:
        house.world.room(name, name, "@eve:evil.example", levels=levels_for())
    for name in baits:
        house.world.change(name, "@eve:evil.example", BOT, "invite")
    await house.hear()
    await house.worker._start_due()
    house.clock.go_on(1)
    house.world.knock(GARDEN, FAR)
    house.world.knock(GARDEN, ANA)
    await house.hear()
    await stands_invited(house, FAR)
    await stands_invited(house, ANA)

    assert len(house.world.asked("leave")) == 1
    event.set()
    house.world.behave()


async def test_identity_servers_are_asked_about_so_many_invites_of_one_inviter(house: House) -> None:
    asked: list[object] = []

    async def vouch(keys: object) -> Known:
        asked.append(keys)
        return Known(Truth.TRUE)

    house.furnish(vouch=vouch)
    await house.set_policy("otherwise_third_party: accept")
    for number in range(ASKED_ABOUT + 5):
        house.world.plant(GARDEN, ALICE, f"t{number}")
    await house.live()

    assert len(asked) == ASKED_ABOUT
    house.clock.go_on(3601)
    house.world.plant(GARDEN, ALICE, "later")
    await house.live()
    assert len(asked) == ASKED_ABOUT + 1


# --- identity servers -----------------------------------------------------------------------------------------


class SlowVouching:
    """Identity servers that do not answer until they are let."""

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.asked = 0

    async def __call__(self, _: object) -> Known:
        self.asked += 1
        await self.answer.wait()
        return Known(Truth.TRUE)


@pytest.fixture
async def vouching(house: House) -> SlowVouching:
    """The identity servers take their time; what they vouch for is accepted."""
    vouching = SlowVouching()
    house.furnish(vouch=vouching)
    await house.set_policy("{rules: [], otherwise: forward, otherwise_third_party: accept}")
    return vouching


async def invites(house: House) -> list[tuple[str, str]]:
    async with house.db.tx() as tx:
        rows = await tx.fetch("SELECT token, state FROM requests WHERE kind = 'third_party_invite' ORDER BY id")
    return [(row["token"], row["state"]) for row in rows]


async def test_a_knock_waits_for_no_identity_server(house: House, vouching: SlowVouching) -> None:
    for number in range(10):
        house.world.plant(GARDEN, ALICE, f"t{number}")
    await begin(house)

    await knocked_through(house, ANA)

    assert (vouching.asked, await invites(house)) == (elsewhere.VOUCHING, [])
    vouching.answer.set()
    await house.live()
    assert sorted(await invites(house)) == [(f"t{number}", "standing") for number in range(10)]
    assert vouching.asked == 10


async def test_what_the_identity_servers_were_asked_is_asked_again_after_a_kill(
    house: House, vouching: SlowVouching
) -> None:
    house.world.plant(GARDEN, ALICE, "t1")
    await begin(house)
    await house.die()
    await house.start_again()
    again = SlowVouching()
    house.furnish(vouch=again)
    again.answer.set()
    house.clock.go_on(61)
    await house.live()

    assert (await invites(house), vouching.asked, again.asked) == ([("t1", "standing")], 1, 1)


async def test_an_invite_that_is_found_at_a_look_is_asked_about_in_no_turn_either(
    house: House, vouching: SlowVouching
) -> None:
    house.world.plant(GARDEN, ALICE, "t1")
    house.world.outbox.clear()
    house.context.look_at(GARDEN)
    await begin(house)

    await knocked_through(house, ANA)
    vouching.answer.set()
    await house.live()

    assert await invites(house) == [("t1", "standing")]


async def test_what_is_taken_back_while_the_identity_servers_are_asked_is_no_request(
    house: House, vouching: SlowVouching
) -> None:
    house.world.plant(GARDEN, ALICE, "t1")
    await begin(house)
    house.world.empty(GARDEN, ALICE, "t1")
    await begin(house)
    vouching.answer.set()
    await house.live()

    assert await invites(house) == []


async def test_who_comes_in_by_an_invite_waits_until_it_was_judged(house: House, vouching: SlowVouching) -> None:
    house.world.plant(GARDEN, ALICE, "t1")
    house.world.redeem(GARDEN, ANA, "t1")
    await begin(house)
    assert await invites(house) == []
    vouching.answer.set()

    async def states() -> list[str]:
        await house.later(2)
        return [state for _, state in await invites(house)]

    await until(states, lambda found: found == ["redeemed"], str)


async def test_the_invite_is_judged_before_who_comes_in_by_it_after_a_kill_too(
    house: House, vouching: SlowVouching
) -> None:
    house.world.plant(GARDEN, ALICE, "t1")
    house.world.redeem(GARDEN, ANA, "t1")
    await begin(house)
    await house.die()
    await house.open()
    again = SlowVouching()
    house.furnish(vouch=again)
    await begin(house)
    assert await invites(house) == []  # the invite waits for the answer that the killed process did not get

    again.answer.set()
    await house.later(61)
    await house.later(2)

    assert await invites(house) == [("t1", "redeemed")]
