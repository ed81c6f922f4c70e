"""`knockbot check` beside a real Synapse: each miss is named with its mend, and nothing is changed by looking."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from knockbot.check import check
from knockbot.config.registration import registration
from knockbot.config.settings import read_settings
from knockbot.demo.homeserver import free_port
from knockbot.demo.people import until
from knockbot.listening import listening
from tests.keeper import InProcess, Process, config
from tests.lab import DoorSlot, LabHomeserver

Look = Callable[..., Any]


LOOKED_AT: dict[LabHomeserver, DoorSlot] = {}


@pytest.fixture
def door_slot(homeserver: LabHomeserver) -> DoorSlot:
    """A place that every look may share, since none leaves anything behind."""
    if homeserver not in LOOKED_AT:
        LOOKED_AT[homeserver] = homeserver.take_slot()
    return LOOKED_AT[homeserver]


@pytest.fixture
def look(door_slot: DoorSlot, sqlite_url: str) -> Look:
    """Checks a config that is right but for what is given, as `part__key=value`; returns the verdict and the lines."""

    async def look(**changed: Any) -> tuple[bool, str]:
        written = config(door_slot, sqlite_url, door_slot.port, {})
        for name, value in changed.items():
            if name in ("file", "written"):
                continue
            part, _, key = name.partition("__")
            if key:
                written[part][key] = value
            else:
                written[part] = value
        said: list[str] = []
        settings = read_settings(written)
        if "written" in changed:
            changed["file"].write_text(changed["written"](registration(settings)))
        if "file" in changed:
            settings = replace(settings, file=changed["file"].with_name("config.yaml"))
        return await check(settings, said.append), "\n".join(said)

    return look


async def test_all_is_well_before_the_first_run_and_nothing_but_the_account_is_left_behind(
    look: Look, sqlite_url: str
) -> None:
    fine, said = await look()

    assert fine
    assert "❌" not in said
    for step in (
        "config",
        "database",
        "homeserver",
        "clocks",
        "registration",
        "account",
        "logins",
        "name",
        "round trip",
        "limits",
    ):
        assert f"✅ {step}: " in said
    assert "will be created" in said
    database = Path(sqlite_url.removeprefix("sqlite:"))
    assert not await asyncio.to_thread(database.exists)


@pytest.mark.parametrize(
    ("changed", "step", "mend"),
    [
        ({"homeserver__address": "http://127.0.0.1:1"}, "homeserver", "homeserver.address"),
        ({"homeserver__domain": "other.test"}, "registration", "set homeserver.domain in config.yaml to lab.test"),
        ({"appservice__as_token": "x" * 32}, "registration", "app_service_config_files"),
        ({"appservice__hs_token": "y" * 32}, "round trip", "write registration.yaml again"),
        ({"appservice__bot_username": "somebody"}, "account", "write registration.yaml again"),
        ({"appservice__id": "another"}, "round trip", "write registration.yaml again"),
        ({"appservice__port": free_port()}, "round trip", "appservice.address"),
        ({"database": "postgres://nobody:secret@127.0.0.1:1/none"}, "database", "see `database` in config.yaml"),
    ],
)
async def test_a_miss_is_named_with_its_mend_and_ends_the_search(
    look: Look, changed: dict[str, Any], step: str, mend: str
) -> None:
    fine, said = await look(**changed)

    assert not fine
    *before, what, how = said.split("\n")
    assert all(line.startswith("✅") for line in before)
    assert what.startswith(f"❌ {step}: ")
    assert how.startswith("   → ")
    assert mend in how
    assert "secret" not in said


async def test_a_port_that_something_else_took_is_said(look: Look, door_slot: DoorSlot) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", door_slot.port)
    async with server:
        fine, said = await look()

    assert not fine
    assert f"❌ round trip: cannot listen on 127.0.0.1:{door_slot.port}" in said
    assert "appservice.port" in said


async def test_what_answers_in_knockbots_place_is_noticed_by_its_not_having_heard(
    homeserver: LabHomeserver, sqlite_url: str, tmp_path: Path
) -> None:
    """The homeserver is content with anything that answers 200, and so was what asked it."""
    slot = homeserver.take_slot()

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({})

    anything = web.Application()
    anything.router.add_route("*", "/{path:.*}", answer)
    process = Process(slot, sqlite_url, tmp_path, port=free_port())
    said: list[str] = []
    async with listening(anything, "127.0.0.1", slot.port):
        assert not await check(read_settings(process.config), said.append)
        try:
            process.begin()
            await until(process.heard, lambda log: "reaches something other than knockbot" in log, str)
            assert not await process.is_ready()
        finally:
            await process.stop()
    assert said[-1].startswith("❌ round trip: the homeserver reaches something other than this check at")
    assert f"appservice.address must lead to 127.0.0.1:{process.port}" in said[-1]


async def test_a_running_knockbot_is_looked_at_and_left_alone(keeper: InProcess) -> None:
    said: list[str] = []

    assert await check(read_settings(keeper.config), said.append)

    lines = "\n".join(said)
    assert "the homeserver reaches the running knockbot" in lines
    assert "the bot is called Knockbot" in lines
    assert "!kb check ROOM" in lines
    assert await keeper.is_ready()


async def test_what_is_amiss_in_each_room_is_told_while_knockbot_rests(process: Process) -> None:
    await process.start()
    garden = await process.plant(bot_level=0)
    await process.stop()
    await garden.alice.put_state(garden.mods, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})

    said: list[str] = []
    assert not await check(read_settings(process.config), said.append)

    told = "\n".join(said)
    assert f"({garden.mods}): this management room is encrypted" in told
    assert "❌ Garden" in told
    assert "I cannot ban" in told


async def test_a_homeserver_that_limits_the_bot_is_noticed(tmp_path: Path, sqlite_url: str) -> None:
    homeserver = LabHomeserver(tmp_path / "homeserver", slots=1)
    homeserver.registrations = [{**homeserver.free_slots[0].registration, "rate_limited": True}]
    said: list[str] = []
    async with homeserver:
        keeper = InProcess(homeserver.take_slot(), sqlite_url)
        async with keeper.running():
            assert not await check(read_settings(keeper.config), said.append)
    assert said[-1].startswith("❌ limits: the homeserver limits the bot's rate")
    assert "rate_limited: false" in said[-1]


async def test_run_and_check_say_in_one_line_what_is_wrong_and_exit_with_1(process: Process) -> None:
    process.config["database"] = "postgres://nobody:secret@127.0.0.1:1/none"
    file = process.write_config()

    for command in ("run", "check"):
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "knockbot",
            command,
            "-c",
            str(file),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await child.communicate()
        assert child.returncode == 1
        assert "cannot use the database" in (out + err).decode()
        assert "Traceback" not in err.decode()
        assert "secret" not in (out + err).decode()
    assert json.loads(file.read_text())


# --- the account --------------------------------------------------------------------------------------------------


async def test_who_had_the_name_before_is_logged_out_and_nothing_is_done_while_they_have_a_password(
    tmp_path: Path, sqlite_url: str
) -> None:
    """Their token and password go on where the name is in an exclusive namespace by now."""
    homeserver = LabHomeserver(tmp_path / "homeserver", slots=1)
    slot, homeserver.registrations = homeserver.free_slots[0], []
    async with homeserver:
        mallory = await homeserver.register(slot.bot_localpart, "a password")
        homeserver.registrations = [slot.registration]
        await homeserver.restart()
        process = Process(homeserver.take_slot(), sqlite_url, tmp_path)
        said: list[str] = []
        assert not await check(read_settings(process.config), said.append)
        assert said[-1].startswith(f"❌ logins: others can log in as {slot.bot_id} (m.login.password)")
        assert "appservice.bot_username" in said[-1]
        assert "allow_password: true" in said[-1]
        try:
            process.begin()
            await until(process.heard, lambda log: "others may log in to my account" in log, str)
            assert not await process.is_ready()
            assert "I have logged it out" in process.said()
            assert not await is_valid(homeserver, mallory["access_token"])
        finally:
            await process.stop()

        process.config["appservice"]["allow_password"] = True
        again = await log_in(homeserver, slot.bot_id, "a password")
        said.clear()
        assert not await check(read_settings(process.config), said.append)
        lines = "\n".join(said)
        assert f"❌ logins: somebody else has used the account {slot.bot_id}: session " in lines
        assert "✅ limits: " in lines
        assert await is_valid(homeserver, again)  # to look changes nothing
        async with process.running():
            assert not await is_valid(homeserver, again)
            said.clear()
            assert await check(read_settings(process.config), said.append), said


async def test_the_bots_own_device_is_not_taken_for_somebody_elses(process: Process) -> None:
    process.config["encryption"] = {"allow": True}
    async with process.running():
        said: list[str] = []
        assert await check(read_settings(process.config), said.append), said
        before = next(line for line in said if line.startswith("✅ encryption"))
    async with process.running():
        said.clear()
        assert await check(read_settings(process.config), said.append), said
    assert before in said
    assert any("nobody but knockbot uses" in line for line in said)


async def test_a_name_that_another_service_has_reserved_is_said(tmp_path: Path, sqlite_url: str) -> None:
    homeserver = LabHomeserver(tmp_path / "homeserver", slots=2)
    slot, other = homeserver.free_slots
    everything = {"users": [{"exclusive": True, "regex": "@.*"}]}
    homeserver.registrations = [slot.registration, {**other.registration, "namespaces": everything}]
    async with homeserver:
        process = Process(homeserver.take_slot(), sqlite_url, tmp_path)
        said: list[str] = []
        assert not await check(read_settings(process.config), said.append)
        assert said[-1].startswith(f"❌ account: another application service has reserved {slot.bot_id}")
        try:
            process.begin()
            await until(process.heard, lambda log: "reserved for another application service" in log, str)
            assert not await process.is_ready()
        finally:
            await process.stop()


async def test_a_homeserver_that_forbids_display_names_stops_nobody(tmp_path: Path, sqlite_url: str) -> None:
    homeserver = LabHomeserver(tmp_path / "homeserver", slots=1, extra={"enable_set_displayname": False})
    async with homeserver:
        process = Process(homeserver.take_slot(), sqlite_url, tmp_path)
        said: list[str] = []
        assert await check(read_settings(process.config), said.append), said
        assert any(line.startswith("⚠️ name: the bot cannot be called Knockbot: ") for line in said)
        async with process.running():
            assert await process.is_ready()
            assert "I cannot be called Knockbot" in process.said()


@pytest.mark.parametrize("state", ["suspended", "deactivated"])
async def test_an_account_that_may_not_act_is_said(homeserver: LabHomeserver, sqlite_url: str, state: str) -> None:
    keeper = InProcess(homeserver.take_slot(), sqlite_url)
    async with keeper.running():
        pass
    admin = await homeserver.register(f"admin_{state}_{keeper.slot.id}", "a password", admin=True)
    call = {"suspended": ("PUT", "suspend", {"suspend": True}), "deactivated": ("POST", "deactivate", {})}[state]
    url = f"{homeserver.url}/_synapse/admin/v1/{call[1]}/{keeper.user_id}"
    headers = {"Authorization": f"Bearer {admin['access_token']}"}
    async with homeserver.http.request(call[0], url, json=call[2], headers=headers) as answer:
        assert answer.status == 200

    said: list[str] = []
    assert not await check(read_settings(keeper.config), said.append)

    assert f"my account is {state} on the homeserver." in said[-1]
    assert "an admin of the homeserver can fix this" in said[-1]


async def log_in(homeserver: LabHomeserver, user_id: str, password: str) -> str:
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user_id}, "password": password}
    async with homeserver.http.post(f"{homeserver.url}/_matrix/client/v3/login", json=body) as answer:
        return str((await answer.json())["access_token"])


async def is_valid(homeserver: LabHomeserver, token: str) -> bool:
    url, headers = f"{homeserver.url}/_matrix/client/v3/account/whoami", {"Authorization": f"Bearer {token}"}
    async with homeserver.http.get(url, headers=headers) as answer:
        return answer.status == 200


# --- the registration beside the config ---------------------------------------------------------------------------


async def test_the_registration_beside_the_config_is_compared_with_it(look: Look, tmp_path: Path) -> None:
    file = tmp_path / "registration.yaml"
    fine, said = await look(file=file)
    assert fine
    assert "registration file" not in said

    fine, said = await look(file=file, written=lambda text: text)
    assert fine
    assert f"✅ registration file: {file} fits the config" in said

    fine, said = await look(
        file=file, written=lambda text: text.replace("http://", "https://").replace("_token: ", "_token: x")
    )
    assert not fine
    assert f"❌ registration file: {file} does not fit the config: url is " in said
    assert "as_token is another one; hs_token is another one" in said
    assert "✅ limits: " in said  # the homeserver may have another copy


# --- clocks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "words"), [(2, "2 hours behind"), (-2, "2 hours ahead of")])
async def test_clocks_that_are_apart_are_said(
    look: Look, monkeypatch: pytest.MonkeyPatch, hours: int, words: str
) -> None:
    """This machine's clock is moved, as that of Synapse cannot be."""

    class Moved(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(hours=hours)

    monkeypatch.setattr("knockbot.matrix.api.datetime", Moved)

    fine, said = await look()

    assert not fine
    assert f"❌ clocks: the homeserver's clock is {words} this machine's" in said
    assert "✅ limits: " in said
