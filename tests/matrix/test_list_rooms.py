"""Policy lists at the homeserver's edge: a long room is read portion by portion, and one entry as it stands."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from aiohttp import ClientTimeout

from knockbot.domain.lists import EntityKind, Entry, Unusable, entry_key
from knockbot.domain.model import ListChange
from knockbot.errors import Later, Never
from knockbot.http import MIB
from knockbot.matrix import api
from knockbot.store.db import Database
from tests.matrix.bench import FORBIDDEN, NOT_FOUND, Bench, bench
from tests.matrix.edge import MODERATOR, Json, state
from tests.matrix.fake_homeserver import FakeHomeserver, Reply

BANS = "!bans:tulip.example"
CREATE = state("$create", "m.room.create", room=BANS)


@pytest.fixture
async def on(db: Database, fake: FakeHomeserver) -> AsyncIterator[Bench]:
    """The bench."""
    async with bench(db, fake) as made:
        yield made


def rule(number: int | str, kind: str = "user", **content: Any) -> Json:
    """An entry as a state event."""
    said = {"entity": f"@eve{number}:evil.example", "recommendation": "m.ban", "reason": "ads", **content}
    return state(f"${number}", f"m.policy.rule.{kind}", room=BANS, key=f"key {number}") | {"content": said}


async def read(on: Bench) -> list[list[ListChange]]:
    """The portions in which a list is handed over."""
    portions: list[list[ListChange]] = []

    async def take_in(portion: Sequence[ListChange]) -> None:
        portions.append(list(portion))

    await on.context.outside.policy_rules(BANS, take_in)
    return portions


def names(portions: list[list[ListChange]]) -> list[str | None]:
    return [change.now.entity for some in portions for change in some if isinstance(change.now, Entry)]


# --- a whole room -----------------------------------------------------------------------------------------------


async def test_a_long_list_comes_in_portions_in_its_order(on: Bench) -> None:
    many = 2 * api.PORTION + 7
    on.fake.on("GET", f"rooms/{BANS}/state", Reply(body=[CREATE, *map(rule, range(many))]))

    portions = await read(on)

    assert [len(portion) for portion in portions] == [api.PORTION, api.PORTION, 7]
    assert names(portions) == [f"@eve{number}:evil.example" for number in range(many)]
    assert len(on.fake.requests) == 1


async def test_of_a_room_only_the_entries_are_handed_over(on: Bench) -> None:
    other = [state("$m", "m.room.member", room=BANS, key=MODERATOR), state("$p", "m.policy.rule.planet", room=BANS)]
    entries = [
        rule(1),
        rule(2, "server", entity="evil.example"),
        rule(3, recommendation="m.mute"),
        rule(4) | {"content": {}},
    ]
    on.fake.on("GET", f"rooms/{BANS}/state", Reply(body=[*other, *entries, CREATE]))

    [portion] = await read(on)

    assert [type(change.now) for change in portion] == [Entry, Entry, Unusable, type(None)]
    assert {change.room_id for change in portion} == {BANS}


@pytest.mark.parametrize(
    "broken",
    [
        {"state_key": None},
        {"state_key": "k" * 300},
        {"sender": "nobody"},
        {"sender": 5},
        {"event_id": "no id"},
        {"event_id": "$a\0"},
        {"type": 5},
        {"content": 5},
        {"content": {"entity": "@*" * 30_000, "recommendation": {"a": ["b"]}}},
        {"origin_server_ts": "now"},
    ],
)
async def test_an_entry_that_makes_no_sense_stops_nothing(on: Bench, broken: Json) -> None:
    on.fake.on("GET", f"rooms/{BANS}/state", Reply(body=[CREATE, rule(1), rule(2) | broken, 5, None, ["x"], rule(3)]))

    found = names(await read(on))

    assert [name for name in found if name != "@eve2:evil.example"] == ["@eve1:evil.example", "@eve3:evil.example"]


async def test_an_answer_that_tells_of_no_room_is_no_list(on: Bench) -> None:
    on.fake.on("GET", f"rooms/{BANS}/state", Reply(body=[rule(1)]))

    with pytest.raises(Later):
        await read(on)


@pytest.mark.parametrize("end", [b"", b"]x", b"{"])
async def test_an_answer_that_is_cut_off_is_no_list(on: Bench, end: bytes) -> None:
    whole = json.dumps([CREATE, rule(1)]).encode()
    on.fake.on("GET", f"rooms/{BANS}/state", Reply(raw=whole[:-1] + end.replace(b"]", b"")))

    with pytest.raises(Later):
        await read(on)


async def test_a_reading_may_take_longer_than_any_other_answer(on: Bench) -> None:
    on.fake.on("GET", f"rooms/{BANS}/state", Reply(body=[CREATE, *map(rule, range(api.PORTION + 1))]))
    on.homeserver._api.session._timeout = ClientTimeout(total=0.000_1)
    with pytest.raises(Later):
        await on.homeserver.whoami()

    assert [len(portion) for portion in await read(on)] == [api.PORTION, 1]


async def test_an_answer_without_end_is_given_up(on: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LARGEST_STATE", MIB)

    def endless() -> Iterator[bytes]:
        yield b"[" + json.dumps(CREATE).encode()
        for number in itertools.count():
            yield b"," + json.dumps(rule(number)).encode()

    on.fake.on("GET", f"rooms/{BANS}/state", Reply(stream=endless()))

    with pytest.raises(Later) as caught:
        await read(on)
    assert caught.value.code == api.TOO_LARGE


async def test_a_no_of_the_homeserver_is_a_no(on: Bench) -> None:
    on.fake.on("GET", f"rooms/{BANS}/state", FORBIDDEN)

    with pytest.raises(Never):
        await read(on)


async def test_what_goes_wrong_in_taking_it_in_ends_the_reading(on: Bench) -> None:
    on.fake.on("GET", f"rooms/{BANS}/state", Reply(body=[CREATE, *map(rule, range(3 * api.PORTION))]))
    taken = []

    async def take_in(portion: Sequence[ListChange]) -> None:
        taken.append(len(portion))
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        await on.context.outside.policy_rules(BANS, take_in)
    assert taken == [api.PORTION]


async def test_others_have_their_turn_all_through_a_reading(on: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "SLICE", 0)  # each item is long enough to be felt
    on.fake.on("GET", f"rooms/{BANS}/state", Reply(body=[CREATE, *map(rule, range(api.PORTION))]))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beside = asyncio.create_task(others())
    await read(on)
    beside.cancel()

    assert turns >= api.PORTION


# --- one entry --------------------------------------------------------------------------------------------------


async def test_an_entry_is_read_as_it_stands(on: Bench) -> None:
    on.fake.on("GET", "state/m.policy.rule.user/key 1", Reply(body=rule(1)))
    on.fake.on("GET", "state/m.policy.rule.user/key 2", Reply(body=rule(2) | {"content": {}}))
    on.fake.on("GET", "state/m.policy.rule.user/key 3", NOT_FOUND)

    found = [await on.context.outside.policy_rule(BANS, entry_key("m.policy.rule.user", f"key {n}")) for n in (1, 2, 3)]

    assert found[0] is not None
    assert isinstance(found[0].now, Entry)
    assert (found[0].now.entity, found[0].now.kind) == ("@eve1:evil.example", EntityKind.USER)
    assert found[1] is not None
    assert found[1].now is None
    assert found[2] is None


@pytest.mark.parametrize("state_key", ["..", "a/../b", "%2e%2e"])
async def test_an_entry_whose_state_key_fits_no_path_is_found_in_the_whole_room(on: Bench, state_key: str) -> None:
    on.fake.on("GET", f"rooms/{BANS}/state", Reply(body=[CREATE, rule(1) | {"state_key": state_key}]))

    found = await on.context.outside.policy_rule(BANS, entry_key("m.policy.rule.user", state_key))

    assert found is not None
    assert found.event_id == "$1"


async def test_an_entry_that_cannot_be_read_is_not_taken_for_a_removal(on: Bench) -> None:
    on.fake.on("GET", "state/m.policy.rule.user/key 1", Reply(body=rule(1) | {"sender": 5}))

    with pytest.raises(Later):
        await on.context.outside.policy_rule(BANS, entry_key("m.policy.rule.user", "key 1"))
