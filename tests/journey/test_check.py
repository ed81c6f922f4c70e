"""`knockbot check` beside a real Synapse: each miss is named with its mend, and nothing is changed by looking."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from knockbot.check import check
from knockbot.config import Settings
from knockbot.demo.homeserver import free_port
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
            part, _, key = name.partition("__")
            if key:
                written[part][key] = value
            else:
                written[part] = value
        said: list[str] = []
        return await check(Settings.model_validate(written), said.append), "\n".join(said)

    return look


async def test_all_is_well_before_the_first_run_and_nothing_is_left_behind(look: Look, sqlite_url: str) -> None:
    fine, said = await look()

    assert fine
    assert "❌" not in said
    for step in ("config", "database", "homeserver", "registration", "account", "round trip", "limits"):
        assert f"✅ {step}: " in said
    assert "will be made" in said
    assert "has no account yet" in said
    database = Path(sqlite_url.removeprefix("sqlite:"))
    assert not await asyncio.to_thread(database.exists)


@pytest.mark.parametrize(
    ("changed", "step", "mend"),
    [
        ({"homeserver__address": "http://127.0.0.1:1"}, "homeserver", "homeserver.address"),
        ({"homeserver__domain": "other.test"}, "registration", "set homeserver.domain in config.yaml to lab.test"),
        ({"appservice__as_token": "x" * 32}, "registration", "app_service_config_files"),
        ({"appservice__hs_token": "y" * 32}, "round trip", "write registration.yaml anew"),
        ({"appservice__bot_username": "somebody"}, "account", "write registration.yaml anew"),
        ({"appservice__id": "another"}, "round trip", "write registration.yaml anew"),
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


async def test_a_running_knockbot_is_looked_at_and_left_alone(keeper: InProcess) -> None:
    said: list[str] = []

    assert await check(Settings.model_validate(keeper.config), said.append)

    lines = "\n".join(said)
    assert "the homeserver reaches the running knockbot" in lines
    assert "is there, and is called Knockbot" in lines
    assert "!kb check ROOM" in lines
    assert await keeper.is_ready()


async def test_what_is_amiss_in_each_room_is_told_while_knockbot_rests(process: Process) -> None:
    await process.start()
    garden = await process.plant(bot_level=0)
    await process.stop()
    await garden.alice.put_state(garden.mods, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})

    said: list[str] = []
    assert not await check(Settings.model_validate(process.config), said.append)

    assert f"({garden.mods}): this management room is encrypted" in said[-2]
    assert "❌ Garden" in said[-1]
    assert f"give {process.user_id} level 50" in said[-1]


async def test_a_homeserver_that_limits_the_bot_is_noticed(tmp_path: Path, sqlite_url: str) -> None:
    homeserver = LabHomeserver(tmp_path / "homeserver", slots=1)
    homeserver.registrations = [{**homeserver.free_slots[0].registration, "rate_limited": True}]
    said: list[str] = []
    async with homeserver:
        keeper = InProcess(homeserver.take_slot(), sqlite_url)
        async with keeper.running():
            assert not await check(Settings.model_validate(keeper.config), said.append)
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
