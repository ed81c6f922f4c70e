"""The lab itself: the servers that all other journeys stand on are real and behave."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from knockbot.demo.homeserver import Homeserver
from knockbot.demo.people import MatrixRefused, NothingHappened, Person
from knockbot.errors import Unavailable
from tests.conftest import MakePerson
from tests.lab import DoorSlot, Lab, LabHomeserver, Postgres


async def test_a_knock_is_seen_by_those_inside(person: MakePerson) -> None:
    ana, ben = await person("ana"), await person("ben")
    garden = await ana.create_room("Garden", join_rule="knock")

    await ben.knock(garden, "I bring seeds")

    assert await ana.member(garden, ben.user_id) == {
        "membership": "knock",
        "displayname": "Ben",
        "reason": "I bring seeds",
    }


async def test_an_accepted_knock_ends_in_a_join_and_a_conversation(person: MakePerson) -> None:
    ana, ben = await person("ana"), await person("ben")
    garden = await ana.create_room(alias=f"garden-{ana.user_id[1:4]}", join_rule="knock", room_version="10")
    await ben.knock(garden)
    await ana.invite(garden, ben.user_id, "welcome")
    await ben.join(garden)
    said = await ben.say(garden, "hello")

    await ana.react(garden, said, "👋")

    wave = await ben.wait_for(garden, lambda event: event["type"] == "m.reaction", after=said)
    assert wave["content"]["m.relates_to"]["event_id"] == said


async def test_a_refusal_tells_status_and_code(person: MakePerson) -> None:
    ana, ben = await person("ana"), await person("ben")
    garden = await ana.create_room(join_rule="knock")
    await ana.ban(garden, ben.user_id)

    with pytest.raises(MatrixRefused) as refused:
        await ben.knock(garden)

    assert (refused.value.status, refused.value.errcode) == (403, "M_BAD_STATE")


async def test_waiting_in_vain_tells_what_was_there_instead(person: MakePerson) -> None:
    ana = await person("ana")
    garden = await ana.create_room("Garden")
    await ana.say(garden, "nobody here")

    with pytest.raises(NothingHappened, match="nobody here"):
        await ana.wait_for(garden, lambda event: event["sender"] != ana.user_id, within=0)


async def test_a_door_slot_is_known_to_the_homeserver(door_slot: DoorSlot) -> None:
    async with door_slot.homeserver.http.get(
        f"{door_slot.homeserver.url}/_matrix/client/v3/account/whoami",
        headers={"Authorization": f"Bearer {door_slot.as_token}"},
    ) as response:
        assert (await response.json())["user_id"] == f"@{door_slot.sender_localpart}:lab.test"


async def test_no_two_tests_get_the_same_slot(homeserver: LabHomeserver) -> None:
    assert homeserver.take_slot().bot_id != homeserver.take_slot().bot_id


async def test_another_homeserver_stands_in_when_the_slots_run_out(lab: Lab) -> None:
    first = await lab.homeserver()
    while len(first.free_slots) > 1:
        first.take_slot()

    second = await lab.homeserver()

    assert second is not first
    assert (await second.person("ana")).user_id == "@ana1:lab.test"


async def test_a_killed_homeserver_comes_back_with_its_data(own_homeserver: LabHomeserver) -> None:
    ana = await own_homeserver.person("ana")
    garden = await ana.create_room("Garden")

    own_homeserver.kill()
    await own_homeserver.start()

    assert await ana.state(garden, "m.room.name") == {"name": "Garden"}


async def test_no_two_people_have_one_name(own_homeserver: LabHomeserver) -> None:
    people = [await own_homeserver.person(name) for name in ("guest1", *["guest"] * 10)]

    assert len({person.user_id for person in people}) == 11


async def test_a_database_is_fresh_and_empty(postgres: Postgres) -> None:
    first = await asyncpg.connect(await postgres.create_database())
    await first.execute("CREATE TABLE knocks (id int)")
    second = await asyncpg.connect(await postgres.create_database())

    try:
        assert await second.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    finally:
        await first.close()
        await second.close()


async def test_a_homeserver_runs_on_postgresql_too(postgres_url: str, tmp_path: Path) -> None:
    async with Homeserver(tmp_path, database=postgres_url) as homeserver:
        ana = await Person.register(homeserver, "ana")

        assert ana.user_id == "@ana:lab.test"


async def test_a_homeserver_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="app_service_config_files"):
        async with Homeserver(tmp_path, extra={"app_service_config_files": "none"}):
            pass
