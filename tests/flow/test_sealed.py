"""What is encrypted: read in its turn, waited for without holding up the rest, and never passed over in silence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from knockbot.domain import plan
from knockbot.domain.jobs import Say
from knockbot.domain.reasons import foreign
from knockbot.features.encryption import sealed
from knockbot.flow import encrypted
from knockbot.flow.keys import MEGOLM, KeyMissing, Opened, Unreadable
from knockbot.flow.ports import LOCKED
from knockbot.store import inbox, jobs
from knockbot.store.inbox import Arrival
from knockbot.times import DAY
from tests.flow.house import GARDEN, MODS, House
from tests.flow.test_arrivals import Desk, said
from tests.flow.world import BOT

ALICE = "@alice:b"


@dataclass
class Keys:
    """Keys of a test: what each event opens to, or why it does not."""

    here: bool = True
    opens: dict[str, Opened | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    looks: int = 0

    def look_for_mail(self) -> None:
        """Count it."""
        self.looks += 1

    async def open(self, event: Mapping[str, Any], /) -> Opened:
        """As the test has said."""
        found = self.opens[event["id"]]
        if isinstance(found, Exception):
            raise found
        return found

    async def ask_for_key(self, event: Mapping[str, Any], /) -> None:
        """Note it."""
        self.asked.append(event["id"])


def opened(body: str, event_type: str = "m.room.message", *, verified: bool = True) -> Opened:
    return Opened({"type": event_type, "room": MODS, "id": f"${body}", "body": body}, verified)


def locked(name: str, **more: Any) -> Arrival:
    event = {"room": MODS, "id": name, "sender": ALICE, **more}
    return Arrival(f"${name}", MODS, json.dumps(event), sealed=True)


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def desk(house: House, keys: Keys) -> Desk:
    desk = Desk(house)
    desk.set_to_work(desk.handle, keys=keys)
    return desk


async def test_what_opens_is_handled_in_its_place(desk: Desk, keys: Keys) -> None:
    keys.opens["two"] = opened("two")
    await desk.store(said("one", MODS), locked("two"), said("three", MODS))
    await desk.work()

    assert desk.handled == ["one", "two", "three"]


async def test_a_message_whose_key_is_missing_holds_nothing_up(desk: Desk, keys: Keys) -> None:
    keys.opens["late"] = KeyMissing("session")
    await desk.store(locked("late"), said("after", MODS))
    await desk.work()

    assert desk.handled == ["after"]
    assert (keys.looks, keys.asked) == (1, [])


async def test_it_is_handled_once_when_its_key_is_there(desk: Desk, keys: Keys, house: House) -> None:
    keys.opens["late"] = KeyMissing("session")
    await desk.store(locked("late"))
    await desk.work()
    keys.opens["late"] = opened("late")
    async with house.context.db.tx() as tx:
        await inbox.key_is_there(tx, "session")
        await inbox.key_is_there(tx, "session")
    await desk.work()
    await desk.work()

    assert desk.handled == ["late"]
    assert house.spoken() == []


async def test_a_key_that_comes_in_the_very_moment_is_not_missed(desk: Desk, keys: Keys) -> None:
    times: Iterator[Opened | Exception] = iter([KeyMissing("session"), opened("just in time")])

    async def open_(_: Mapping[str, Any], /) -> Opened:
        found = next(times)
        if isinstance(found, Exception):
            raise found
        return found

    keys.open = open_  # type: ignore[method-assign]  # the test stands in for it
    await desk.store(locked("late"))
    await desk.work()

    assert desk.handled == ["just in time"]


async def test_a_key_that_does_not_come_is_asked_for_and_then_missed_aloud(
    desk: Desk, keys: Keys, house: House
) -> None:
    keys.opens["late"] = KeyMissing("session")
    await desk.store(locked("late"))
    await desk.work()
    house.clock.go_on(sealed.SOON / 1000)
    await desk.work()
    assert keys.asked == ["late"]
    house.clock.go_on((sealed.PATIENCE - 1) / 1000)
    await desk.work()
    assert await house.jobs() == {}
    house.clock.go_on(0.001)
    await desk.work()

    [line] = await house.jobs()
    assert line.startswith(f"say:unreadable:{MODS}:{ALICE}:")
    assert keys.asked == ["late"]
    keys.opens["late"] = opened("too late")
    await desk.work()
    assert desk.handled == []


async def test_many_messages_of_one_session_are_missed_in_one_line(desk: Desk, keys: Keys, house: House) -> None:
    names = ["one", "two", "three"]
    keys.opens |= dict.fromkeys(names, KeyMissing("session"))
    await desk.store(*map(locked, names))
    for pause in (0, sealed.SOON, sealed.PATIENCE):
        house.clock.go_on(pause / 1000)
        await desk.work()

    assert len(await house.jobs()) == 1


async def test_whatever_one_sender_makes_up_is_told_in_one_line_a_day(desk: Desk, keys: Keys, house: House) -> None:
    async def make_up(day: str) -> None:
        names = [f"{day}{number}" for number in range(30)]
        keys.opens |= {name: KeyMissing(f"session {name}") for name in names[::2]}
        keys.opens |= {name: Unreadable(foreign(f"nonsense {name}")) for name in names[1::2]}
        await desk.store(*map(locked, names))
        for pause in (0, sealed.SOON, sealed.PATIENCE):
            house.clock.go_on(pause / 1000)
            await desk.work()

    await make_up("today")
    assert len(await house.jobs()) == 1
    house.clock.go_on(DAY / 1000)
    await make_up("tomorrow")
    assert len(await house.jobs()) == 2


async def test_only_so_many_messages_of_one_sender_wait_for_keys(desk: Desk, keys: Keys, house: House) -> None:
    names = [f"n{number}" for number in range(sealed.MOST_WITHOUT_KEY + 20)]
    keys.opens |= {name: KeyMissing(name) for name in [*names, "of another"]}
    await desk.store(*map(locked, names), locked("of another", sender="@ben:b"))
    await desk.work()

    async with house.context.db.tx() as tx:
        assert await inbox.counts(tx) == (sealed.MOST_WITHOUT_KEY + 1, 0)


async def test_one_key_is_asked_for_once_for_all_that_wait_for_it(desk: Desk, keys: Keys, house: House) -> None:
    names = ["one", "two", "three"]
    keys.opens |= dict.fromkeys(names, KeyMissing("session"))
    await desk.store(*map(locked, names), locked("another's", sender="@ben:b"))
    keys.opens["another's"] = KeyMissing("session")
    await desk.work()
    house.clock.go_on(sealed.SOON / 1000)
    await desk.work()

    assert keys.asked == ["one", "another's"]


async def test_what_no_key_opens_is_said(desk: Desk, keys: Keys, house: House) -> None:
    keys.opens["odd"] = Unreadable(foreign("it makes no sense"))
    await desk.store(locked("odd"))
    await desk.work()

    assert len(await house.jobs()) == 1


@pytest.mark.parametrize("why", [KeyMissing("session"), Unreadable(foreign("it makes no sense"))])
async def test_what_the_bot_itself_said_is_not_missed(desk: Desk, keys: Keys, house: House, why: Exception) -> None:
    keys.opens["mine"] = why
    await desk.store(locked("mine", sender=BOT))
    await desk.work()

    assert await house.jobs() == {}
    assert keys.asked == []
    async with house.context.db.tx() as tx:
        assert await inbox.counts(tx) == (0, 0)


@pytest.mark.parametrize("event_type", ["m.room.member", "m.room.power_levels", "m.room.encrypted", None])
async def test_nobody_can_have_the_homeserver_say_something(
    desk: Desk, keys: Keys, house: House, event_type: Any
) -> None:
    keys.opens["forged"] = opened("forged", event_type)
    await desk.store(locked("forged"))
    await desk.work()

    assert desk.handled == []


@pytest.mark.parametrize("more", [{"state_key": ""}, {"sender": 5}, {"sender": "nobody"}])
async def test_what_is_no_message_is_set_aside(desk: Desk, keys: Keys, house: House, more: dict[str, Any]) -> None:
    keys.opens["odd"] = opened("odd")
    await desk.store(locked("odd", **more), said("after", MODS))
    await desk.work()

    assert desk.handled == ["after"]
    assert await house.set_aside() == ["encrypted, but no message"]


async def test_without_the_keys_it_is_left_to_the_process_that_has_them(desk: Desk, keys: Keys) -> None:
    keys.here = False
    keys.opens["one"] = opened("one")
    await desk.store(said("before", MODS), locked("one"), said("after", MODS), said("elsewhere", "!other"))
    await desk.work()
    assert sorted(desk.handled) == ["before", "elsewhere"]

    keys.here = True
    await desk.work()
    assert desk.handled[2:] == ["one", "after"]


@pytest.mark.parametrize("verified", [True, False])
async def test_a_message_tells_whether_its_device_is_verified(desk: Desk, keys: Keys, *, verified: bool) -> None:
    found = []

    async def handle(_: Any, message: Any) -> None:
        found.append(message.verified)

    desk.set_to_work(handle, keys=keys)
    keys.opens["one"] = opened("one", verified=verified)
    await desk.store(locked("one"), said("in clear", MODS))
    await desk.work()

    assert found == [verified, None]


# --- where encryption is not allowed ------------------------------------------------------------------------------

ANA = "@ana:rose.example"
ENCRYPTION = {"algorithm": MEGOLM}


def encrypt(house: House) -> None:
    """The management room is encrypted from now on, and the homeserver says so."""
    house.world.rooms[MODS].encrypted = True
    house.world.state_changed(MODS, "m.room.encryption", **ENCRYPTION)


async def test_in_an_encrypted_room_cards_wait_and_that_is_all_that_is_said(house: House) -> None:
    encrypt(house)
    await house.live()
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.world.knock(GARDEN, "@ben:rose.example")
    await house.live()

    assert house.cards() == []
    [line] = house.spoken()
    assert "encryption is not enabled" in line
    assert ANA not in line
    assert [key for key in await house.jobs("blocked") if key.startswith("card:")]


async def test_that_it_is_encrypted_is_known_before_what_comes_with_it(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    encrypt(house)
    await house.live()

    assert house.cards() == []


@pytest.mark.parametrize("content", [{}, {"algorithm": 5}])
async def test_emptying_its_state_does_not_undo_that(house: House, content: dict[str, Any]) -> None:
    encrypt(house)
    house.world.rooms[MODS].encrypted = False
    house.world.state_changed(MODS, "m.room.encryption", **content)
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert house.cards() == []
    assert await encrypted.is_encrypted(house.context, MODS)


async def test_where_nobody_said_that_it_is_encrypted_the_room_is_looked_at_before_anything_is_said(
    house: House,
) -> None:
    house.world.rooms[MODS].encrypted = True
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert house.cards() == []
    assert len(house.spoken()) == 1


async def test_a_restart_says_it_no_second_time(house: House, caplog: pytest.LogCaptureFixture) -> None:
    encrypt(house)
    await house.live()
    await house.close()
    await house.open()
    await encrypted.look_at_management_rooms(house.context)
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert len(house.spoken()) == 1
    assert sum("encryption is not allowed" in record.getMessage() for record in caplog.records) == 2


async def test_what_is_encrypted_elsewhere_silences_no_other_room(house: House) -> None:
    house.world.state_changed(GARDEN, "m.room.encryption", **ENCRYPTION)
    house.world.rooms[GARDEN].encrypted = True
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert len(house.cards()) == 1
    assert house.spoken() == []


async def test_what_was_written_down_while_it_was_allowed_is_not_lost(house: House) -> None:
    async with house.context.db.tx() as tx:
        await jobs.add(tx, [plan.say(MODS, "earlier", Say({LOCKED: "x"}))], house.clock())
    await house.live()

    assert await house.jobs("blocked") == {"say:earlier": "blocked"}
