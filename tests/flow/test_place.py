"""A protected room as one turn sees it: whose policy is in force there, and what replaces the room."""

from __future__ import annotations

import pytest

from knockbot.config.policies import read_known_policy
from knockbot.domain.model import RoomView
from knockbot.domain.notices import because, notice
from knockbot.flow import place, protecting, saying
from knockbot.flow.saying import Audience
from knockbot.store import places, rooms
from knockbot.store.db import Tx
from knockbot.store.places import PlaceOnRecord
from knockbot.store.rooms import ProtectedRoom
from knockbot.times import DAY
from knockbot.views.requests import waiting
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BEA


async def found(house: House, room_id: str = GARDEN) -> place.Place | None:
    async with house.context.db.tx() as tx:
        return await place.find(house.context, tx, room_id)


async def test_a_room_without_a_policy_of_its_own_goes_by_the_default(house: House) -> None:
    there = await found(house)

    assert there is not None
    assert (there.room_id, there.label, there.management_room) == (GARDEN, "Garden", MODS)
    assert (there.revision, there.author) == (None, None)
    assert there.settings is house.context.settings.defaults.policy.policy


async def test_the_newest_revision_is_in_force_with_the_power_of_its_author(house: House) -> None:
    await house.set_policy("otherwise: reject")
    await house.set_policy("otherwise: ban")
    there = await found(house)

    assert there is not None
    assert (there.revision, there.author, there.settings.otherwise) == (2, ALICE, "ban")


async def test_the_settings_of_a_policy_are_known_before_its_rules_are_compiled(house: House) -> None:
    await house.set_policy("{language: de, reasons: hidden, call: ['@alice:tulip.example'], stale_after: 3d}")
    there = await found(house)

    assert there is not None
    assert (there.language, there.settings.reasons, there.settings.call) == ("de", "hidden", (ALICE,))
    assert there.settings.stale_after == 3 * DAY
    assert house.context.policies.rooms == []


async def test_what_is_stored_of_a_policy_is_all_that_it_says_beside_its_rules(house: House) -> None:
    text = (
        "{otherwise: ban, otherwise_third_party: reject, inviter_removed: keep, announce: none, notify_remote: message}"
    )
    await house.set_policy(text)
    there = await found(house)

    assert there is not None
    assert there.settings == read_known_policy(text).settings


async def test_a_room_with_a_tombstone_is_replaced_even_if_that_names_no_room(house: House) -> None:
    before = await found(house)
    house.world.replace(GARDEN, "")
    await house.live()
    after = await found(house)

    assert (before and before.is_replaced, after and after.is_replaced) == (False, True)


async def test_a_room_that_nobody_protects_is_no_place(house: House) -> None:
    assert await found(house, MODS) is None


# --- how often it is read -----------------------------------------------------------------------------------------


class LookUps:
    """How often rooms were looked up: with all that a turn needs of them, and by themselves."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self.rooms: list[str] = []

    def counted(self) -> tuple[int, int]:
        """How many there were since this was asked last."""
        found = len(self.places), len(self.rooms)
        self.places.clear()
        self.rooms.clear()
        return found


@pytest.fixture
def look_ups(monkeypatch: pytest.MonkeyPatch) -> LookUps:
    counted, find_place, find_managed, find_room = LookUps(), places.find, places.managed_by, rooms.find

    async def place_found(tx: Tx, room_id: str) -> PlaceOnRecord | None:
        counted.places.append(room_id)
        return await find_place(tx, room_id)

    async def managed_found(tx: Tx, management_room: str) -> list[PlaceOnRecord]:
        counted.places.append(management_room)
        return await find_managed(tx, management_room)

    async def room_found(tx: Tx, room_id: str) -> ProtectedRoom | None:
        counted.rooms.append(room_id)
        return await find_room(tx, room_id)

    monkeypatch.setattr(places, "find", place_found)
    monkeypatch.setattr(places, "managed_by", managed_found)
    monkeypatch.setattr(rooms, "find", room_found)
    return counted


async def test_a_turn_reads_a_room_once_whoever_asks_and_whatever_is_said_of_it(
    house: House, look_ups: LookUps
) -> None:
    async with house.context.turn() as turn:
        there = await place.of(house.context, turn, GARDEN)
        assert there is await place.of(house.context, turn, GARDEN)
        said = notice("act.unblocked", room=await place.called(house.context, turn, GARDEN))
        await saying.say(house.context, turn, Audience(MODS, place=GARDEN), "one", said)
        await saying.say(house.context, turn, Audience(MODS), "another", said)
        await saying.alarm(house.context, turn, GARDEN, "aloud", said)
        await saying.trouble(house.context, turn, GARDEN, because("room.not_there"))

    assert look_ups.counted() == (1, 0)


async def test_a_turn_that_changes_a_room_reads_it_again(house: House) -> None:
    async with house.context.turn() as turn:
        assert await place.of(house.context, turn, MODS) is None
        view = RoomView(MODS, "Moderators", "knock", world_readable=False)
        await protecting.protect_now(house.context, turn, view, "!elsewhere", ALICE)
        there = await place.of(house.context, turn, MODS)
        assert (there and there.label) == "Moderators"
        assert there is not None
        await protecting.unprotect(house.context, turn, there.room, ALICE)
        assert await place.of(house.context, turn, MODS) is None


@pytest.mark.parametrize("verdict", ["accept", "forward", "reject"])
async def test_a_knock_has_its_room_looked_up_once_to_judge_it_and_once_to_write_that_down(
    house: House, look_ups: LookUps, verdict: str
) -> None:
    await house.set_policy(f"otherwise: {verdict}")
    house.world.knock(GARDEN, BEA)  # its policy is compiled now
    await house.live()
    look_ups.counted()
    house.world.knock(GARDEN, ANA)
    await house.hear()

    assert look_ups.counted() == (2, 0)


async def test_a_list_of_those_who_wait_takes_as_many_looks_at_the_rooms_however_many_there_are(
    house: House, look_ups: LookUps
) -> None:
    house.world.knock(GARDEN, ANA)
    house.world.knock(GARDEN, BEA)
    await house.live()
    look_ups.counted()
    shown = await waiting(house.context, MODS)

    assert (len(shown), look_ups.counted()) == (2, (2, 0))
