"""Rooms, policies, cards, bot memberships, pending protects and the audit record: what is written is found again."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import asyncpg
import pytest

from knockbot.domain.fitness import Concern
from knockbot.domain.model import State, Verdict
from knockbot.domain.reasons import foreign
from knockbot.domain.records import Recorded
from knockbot.store import bot_memberships, pending_protects, pins, policies, prompts, records, requests, rooms
from knockbot.store.db import Database, Tx
from knockbot.store.pending_protects import PendingProtect
from knockbot.store.policies import Revision
from knockbot.store.prompts import Prompt
from knockbot.store.records import Entry
from knockbot.store.rooms import ProtectedRoom
from tests.store.samples import GARDEN, GUEST, INVITE, KNOCK, MODS, NOW, STORABLE, opened, planted

ROOM = ProtectedRoom(GARDEN, MODS, "Garden", "@mod:tulip.example", NOW)


@contextmanager
def already_there() -> Iterator[None]:
    with pytest.raises((sqlite3.IntegrityError, asyncpg.UniqueViolationError)):
        yield


# --- rooms --------------------------------------------------------------------------------------------------------


async def test_a_protected_room_is_found_as_it_was_written(db: Database) -> None:
    locked = replace(ROOM, room_id="!locked", label="Á garden", locked=True)
    async with db.tx() as tx:
        await rooms.protect(tx, ROOM)
        await rooms.protect(tx, locked)

    async with db.tx() as tx:
        assert await rooms.find(tx, GARDEN) == ROOM
        assert await rooms.find(tx, "!locked") == locked
        assert await rooms.find(tx, MODS) is None
        assert await rooms.all_rooms(tx) == [ROOM, locked]


async def test_a_protected_room_says_what_makes_it_unfit_as_was_last_noted(db: Database) -> None:
    async with db.tx() as tx:
        await rooms.protect(tx, ROOM)
        assert await rooms.note_concerns(tx, GARDEN, (Concern.PUBLIC, Concern.MEMBERS_INVITE)) == ()

        [room] = await rooms.managed_by(tx, MODS)
        assert room.concerns == await rooms.concerns(tx, GARDEN) == (Concern.PUBLIC, Concern.MEMBERS_INVITE)


async def test_protecting_a_room_again_moves_it_and_forgets_its_trouble(db: Database) -> None:
    moved = replace(ROOM, management_room="!new", protected_by="@other:a", protected_at=NOW + 5, label="New")
    async with db.tx() as tx:
        await rooms.protect(tx, ROOM)
        await rooms.set_trouble(tx, GARDEN, foreign("my power is too low"))
        await rooms.protect(tx, moved)

    moved = replace(moved, protected_at=NOW)  # since when its door is kept stays as it was
    async with db.tx() as tx:
        assert await rooms.all_rooms(tx) == [moved]
        assert await rooms.managed_by(tx, MODS) == []
        assert await rooms.managed_by(tx, "!new") == [moved]
        assert (await rooms.is_management_room(tx, MODS), await rooms.is_management_room(tx, "!new")) == (False, True)


async def test_a_room_belongs_to_a_space_of_its_own_management_room_until_either_goes(db: Database) -> None:
    space, nested, elsewhere = "!space", "!nested", "!elsewhere"
    async with db.tx() as tx:
        for room_id in (GARDEN, space, nested):
            await rooms.protect(tx, replace(ROOM, room_id=room_id))
        await rooms.protect(tx, replace(ROOM, room_id=elsewhere, management_room="!others"))
        await rooms.set_space(tx, GARDEN, space)
        await rooms.set_space(tx, nested, space)

    async with db.tx() as tx:
        assert [room.room_id for room in await rooms.of_space(tx, space)] == [GARDEN, nested]
        await rooms.protect(tx, ROOM)
        assert await space_of(tx, GARDEN) == space, "protected again, it stays in its space"
        await rooms.set_space(tx, GARDEN, elsewhere)
        assert await space_of(tx, GARDEN) is None, "no room is in a space of another management room"
        await rooms.set_space(tx, GARDEN, space)
        await rooms.protect(tx, replace(ROOM, management_room="!others"))
        assert await space_of(tx, GARDEN) is None, "a room that moves leaves its space"
        await rooms.unprotect(tx, space)
        assert await space_of(tx, nested) is None, "a space that is not protected any more has no rooms"


async def space_of(tx: Tx, room_id: str) -> str | None:
    room = await rooms.find(tx, room_id)
    assert room is not None
    return room.space


async def test_a_management_room_keeps_its_numbers_when_its_last_room_goes_and_comes_back(db: Database) -> None:
    async with db.tx() as tx:
        await rooms.protect(tx, ROOM)
    await opened(db)
    async with db.tx() as tx:
        await rooms.unprotect(tx, GARDEN)
        await rooms.protect(tx, ROOM)

    assert (await opened(db, replace(KNOCK, user_id="@bea:a"))).number == 2


async def test_unprotecting_a_room_keeps_its_requests_and_policies(db: Database) -> None:
    request = await opened(db)
    async with db.tx() as tx:
        await rooms.protect(tx, ROOM)
        await policies.revise(tx, GARDEN, author="@a:b", text="{}", now=NOW, cause=None)
        await rooms.unprotect(tx, GARDEN)

    async with db.tx() as tx:
        assert await rooms.find(tx, GARDEN) is None
        assert await requests.by_number(tx, MODS, 1) == request
        assert await policies.current(tx, GARDEN) is not None


async def test_a_trouble_is_told_once_and_again_after_it_was_over(db: Database) -> None:
    async with db.tx() as tx:
        await rooms.protect(tx, ROOM)
        told = [
            await rooms.set_trouble(tx, GARDEN, foreign(trouble) if trouble else None)
            for trouble in ("power", "power", "gone", "gone", None, None, "power")
        ]
        assert told == [True, False, True, False, True, False, True]
        assert not await rooms.set_trouble(tx, "!unknown", foreign("power"))
        found = await rooms.find(tx, GARDEN)
    assert found == replace(ROOM, trouble=foreign("power"))


async def test_rooms_that_the_config_file_no_longer_names_are_unlocked(db: Database) -> None:
    async with db.tx() as tx:
        for room_id in ("!a", "!b", "!c"):
            await rooms.protect(tx, replace(ROOM, room_id=room_id, locked=room_id != "!c"))
        await rooms.unlock_others(tx, {"!b", "!d"})

        assert {room.room_id: room.locked for room in await rooms.all_rooms(tx)} == {
            "!a": False,
            "!b": True,
            "!c": False,
        }


async def test_a_room_takes_its_new_name(db: Database) -> None:
    async with db.tx() as tx:
        await rooms.protect(tx, ROOM)
        for label in STORABLE.values():
            await rooms.rename(tx, GARDEN, label)
            assert await rooms.find(tx, GARDEN) == replace(ROOM, label=label)


async def test_talk_is_kept_from_rooms_that_manage_none(db: Database) -> None:
    async with db.tx() as tx:
        assert await rooms.closed_to_chat(tx) == frozenset()
        await rooms.protect(tx, ROOM)
        await rooms.protect(tx, replace(ROOM, room_id=MODS, management_room="!admins"))
        assert await rooms.closed_to_chat(tx) == {GARDEN}


# --- policies -----------------------------------------------------------------------------------------------------


async def revise(db: Database, text: str, *, cause: str | None = None, room_id: str = GARDEN) -> int:
    async with db.tx() as tx:
        return await policies.revise(tx, room_id, author="@mod:a", text=text, now=NOW, cause=cause)


async def test_the_newest_revision_is_in_force_and_the_older_stay_on_record(db: Database) -> None:
    for number in range(1, 12):
        assert await revise(db, f"text {number}") == number
    assert await revise(db, "elsewhere", room_id="!other") == 1

    async with db.tx() as tx:
        assert await policies.current(tx, GARDEN) == Revision(GARDEN, 11, "@mod:a", NOW, "text 11")
        assert [one.revision for one in await policies.revisions(tx, GARDEN, 3)] == [11, 10, 9]
        assert await policies.current(tx, "!unknown") is None
        assert await policies.revisions(tx, "!unknown", 3) == []


async def test_a_command_that_is_handled_twice_revises_once(db: Database) -> None:
    assert await revise(db, "first", cause="$command") == 1
    assert await revise(db, "second", cause="$another") == 2
    assert await revise(db, "first", cause="$command") == 1

    async with db.tx() as tx:
        current = await policies.current(tx, GARDEN)
    assert current is not None
    assert current.text == "second"


async def test_changes_without_a_command_are_all_written(db: Database) -> None:
    assert [await revise(db, "same"), await revise(db, "same")] == [1, 2]


async def test_a_policys_text_is_read_back_to_the_letter(db: Database) -> None:
    for text in STORABLE.values():
        await revise(db, text)
        async with db.tx() as tx:
            current = await policies.current(tx, GARDEN)
        assert current is not None
        assert current.text == text


async def test_a_name_keeps_its_room_in_each_place_by_itself(db: Database) -> None:
    here, there = pins.of_revision(GARDEN, 1), pins.of_entry("#space:a")
    async with db.tx() as tx:
        await pins.take(tx, here, {"#space:a": "!space", "#Space:a": "!other"})
        await pins.take(tx, there, {"#space:a": "!elsewhere"})
        await pins.take(tx, here, {"#space:a": "!trap"})

    async with db.tx() as tx:
        assert {name: pin.room_id for name, pin in (await pins.at(tx, here)).items()} == {
            "#space:a": "!space",
            "#Space:a": "!other",
        }
        assert [pin.room_id for pin in await pins.of_the_config(tx)] == ["!elsewhere"]
        await pins.drop(tx, await pins.of_the_config(tx))
        assert await pins.of_the_config(tx) == []


async def test_where_an_alias_leads_by_now_is_news_once(db: Database) -> None:
    async with db.tx() as tx:
        await pins.take(tx, "place", {"#space:a": "!space"})
        pin = (await pins.at(tx, "place"))["#space:a"]
        seen = [await pins.seen(tx, pin, leads) for leads in (None, "!trap", "!trap", pins.NOWHERE, None)]

    assert seen == [False, True, False, True, True]


# --- cards --------------------------------------------------------------------------------------------------------


async def new_card(db: Database, room_id: str = GARDEN) -> Prompt:
    async with db.tx() as tx:
        return await prompts.new(tx, MODS, "card", room_id, NOW)


async def test_a_card_is_found_by_its_event_once_it_is_posted(db: Database) -> None:
    card = await new_card(db)
    assert card == Prompt(card.id, MODS, "card", GARDEN, None, 0, NOW, None)
    async with db.tx() as tx:
        assert await prompts.by_event(tx, MODS, "$card") is None
        await prompts.posted(tx, card.id, "$card")

    posted = replace(card, event_id="$card")
    async with db.tx() as tx:
        assert await prompts.get(tx, card.id) == posted
        assert await prompts.by_event(tx, MODS, "$card") == posted
        assert await prompts.by_event(tx, "!elsewhere", "$card") is None


async def test_an_event_is_the_card_of_one(db: Database) -> None:
    one, other = await new_card(db), await new_card(db)
    with already_there():
        async with db.tx() as tx:
            await prompts.posted(tx, one.id, "$card")
            await prompts.posted(tx, other.id, "$card")


async def test_edits_are_numbered(db: Database) -> None:
    one, other = await new_card(db), await new_card(db)
    async with db.tx() as tx:
        assert [await prompts.count_edit(tx, card.id) for card in (one, one, other, one)] == [1, 2, 1, 3]


async def test_cards_that_show_an_open_request_are_found_by_whether_they_are_posted(db: Database) -> None:
    posted, unposted, closed, empty, elsewhere = [
        await new_card(db, room_id) for room_id in (GARDEN, GARDEN, GARDEN, GARDEN, "!other")
    ]
    async with db.tx() as tx:
        for number, card in enumerate((posted, unposted, closed, elsewhere)):
            knock = replace(KNOCK, room_id=card.about, user_id=f"@user{number}:a", event_id=f"${number}")
            request = await requests.open_knock(tx, MODS, knock, NOW)
            await requests.put_on_card(tx, request.id, card.id)
            if card is closed:
                await requests.settled(tx, request.id, State.REJECTED, "@mod:a", NOW)
        for card in (posted, closed, empty, elsewhere):
            await prompts.posted(tx, card.id, f"$card{card.id}")

    async with db.tx() as tx:
        assert [card.id for card in await prompts.awaiting_answers(tx, GARDEN)] == [posted.id]
        assert [card.id for card in await prompts.unposted(tx, GARDEN)] == [unposted.id]
        assert [card.id for card in await prompts.awaiting_answers(tx, "!other")] == [elsewhere.id]


# --- bot memberships and pending protects -------------------------------------------------------------------------


async def test_a_visit_counts_from_the_day_it_changed(db: Database) -> None:
    async with db.tx() as tx:
        for membership, now in (("invite", 10), ("join", 20), ("join", 90)):
            await bot_memberships.note(tx, "!a", membership, now)
        assert await bot_memberships.unused(tx, 20) == []
        assert await bot_memberships.unused(tx, 21) == ["!a"]


async def test_rooms_of_use_are_not_among_the_unused(db: Database) -> None:
    async with db.tx() as tx:
        for room_id in ("!used", "!protected", "!mods", "!pending", "!idle"):
            await bot_memberships.note(tx, room_id, "join", NOW)
        await bot_memberships.note(tx, "!invited", "invite", NOW)
        await bot_memberships.note(tx, "!left", "leave", NOW)
        await bot_memberships.use(tx, "!used", NOW)
        await bot_memberships.use(tx, "!used never entered", NOW)
        await rooms.protect(tx, replace(ROOM, room_id="!protected", management_room="!mods"))
        await pending_protects.add(tx, PendingProtect("!pending", MODS, "@mod:a", "$command", NOW))

        assert await bot_memberships.unused(tx, NOW + 1) == ["!idle"]


async def test_a_pending_protect_waits_for_its_room_and_each_who_asked_keeps_their_own(db: Database) -> None:
    pending = PendingProtect(GARDEN, MODS, "@mod:a", "$command", NOW)
    theirs = PendingProtect(GARDEN, "!other", "@boss:a", "$later", NOW + 5)
    again = PendingProtect(GARDEN, "!third", "@mod:a", "$again", NOW + 9)
    async with db.tx() as tx:
        assert await pending_protects.of_room(tx, GARDEN) == []
        await pending_protects.add(tx, pending)
        await pending_protects.add(tx, theirs)
        assert await pending_protects.of_room(tx, GARDEN) == [pending, theirs]
        await pending_protects.add(tx, again)
        assert await pending_protects.of_room(tx, GARDEN) == [theirs, again]
        await pending_protects.clear(tx, GARDEN)
        assert await pending_protects.of_room(tx, GARDEN) == []


async def test_attempts_are_counted_per_requester_once_per_command_and_forgotten_in_time(db: Database) -> None:
    async def attempt(requester: str, cause: str, now: int) -> int | None:
        async with db.tx() as tx:
            return await pending_protects.attempt(tx, requester, cause, now, most=2, within=100)

    assert [await attempt("@a:a", cause, NOW) for cause in ("$1", "$1")] == [None, None]
    assert await attempt("@a:a", "$2", NOW + 10) is None
    assert await attempt("@b:a", "$3", NOW + 10) is None
    # one that is not possible does not count, so the moment that was named holds
    assert [await attempt("@a:a", cause, NOW + 99) for cause in ("$4", "$5")] == [NOW + 100, NOW + 100]
    assert await attempt("@a:a", "$6", NOW + 100) is None
    assert await attempt("@a:a", "$7", NOW + 101) == NOW + 110
    async with db.tx() as tx:
        await pending_protects.forgive(tx, "$6")
    assert await attempt("@a:a", "$8", NOW + 102) is None


# --- the record ---------------------------------------------------------------------------------------------------


async def test_the_record_of_a_request_is_read_in_order_with_every_detail(db: Database) -> None:
    request = await opened(db)
    other = await opened(db, replace(KNOCK, user_id="@bea:a"))
    lines = [
        Entry(NOW + 2, GARDEN, request.id, "@bot:a", Recorded.JUDGED, {"verdict": Verdict.FORWARD, "rule": None}),
        Entry(NOW + 1, GARDEN, request.id, "@mod:a", Recorded.ACCEPT, {"reason": "".join(STORABLE.values())}),
        Entry(NOW + 3, GARDEN, other.id, "@mod:a", Recorded.REJECT, {}),
        Entry(NOW + 4, GARDEN, None, "@mod:a", Recorded.POLICY_SET, {"revision": 3}),
    ]
    async with db.tx() as tx:
        for line in lines:
            await records.add(tx, line)

    async with db.tx() as tx:
        read = [replace(line, number=1, user_id=KNOCK.user_id) for line in lines[:2]]
        assert await records.of_request(tx, request.id) == read


async def test_the_newest_lines_of_some_rooms_are_read_oldest_first(db: Database) -> None:
    request = await opened(db)
    async with db.tx() as tx:
        for number in range(6):
            await records.add(
                tx, Entry(NOW + number, GARDEN, request.id, "@mod:a", Recorded.POLICY_SET, {"revision": number})
            )
        await records.add(tx, Entry(NOW + 9, "!other", None, "@mod:a", Recorded.PROTECT, {}))
        await records.add(tx, Entry(NOW + 9, "!secret", None, "@mod:a", Recorded.UNPROTECT, {}))

        newest = await records.latest(tx, [GARDEN, "!other"], 3)
        assert [line.detail.get("revision") for line in newest] == [4, 5, None]
        about = await records.latest(tx, [GARDEN, "!other"], 3, about=KNOCK.user_id)
        assert [line.detail.get("revision") for line in about] == [3, 4, 5]
        assert {line.number for line in about} == {1}
        assert await records.latest(tx, [GARDEN], 3, about="@bea:a") == []
        assert await records.latest(tx, [], 3) == []


async def test_the_record_of_an_invite_is_of_its_inviter_and_then_of_its_guest_too(db: Database) -> None:
    request = await planted(db)
    async with db.tx() as tx:
        await records.add(tx, Entry(NOW, GARDEN, request.id, "@bot:a", Recorded.JUDGED, {}))
        assert [line.user_id for line in await records.of_request(tx, request.id)] == [INVITE.inviter]
        await requests.redeemed(tx, request.id, GUEST)
        assert [line.user_id for line in await records.of_request(tx, request.id)] == [GUEST.user_id]
        for who in (INVITE.inviter, GUEST.user_id):
            assert [line.kind for line in await records.latest(tx, [GARDEN], 3, about=who)] == [Recorded.JUDGED]


async def test_records_of_many_tasks_are_all_kept(db: Database) -> None:
    async def note(number: int) -> None:
        async with db.tx() as tx:
            await records.add(tx, Entry(NOW, GARDEN, None, "@mod:a", Recorded.POLICY_SET, {"revision": number}))

    await asyncio.gather(*map(note, range(30)))
    async with db.tx() as tx:
        assert {line.detail.get("revision") for line in await records.latest(tx, [GARDEN], 100)} == set(range(30))
