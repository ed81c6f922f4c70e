"""Starting while something is not there yet, or not right: the bot waits and says so, and goes on by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from knockbot.demo.people import until
from tests.keeper import Process
from tests.lab import LabHomeserver


async def says(process: Process, *words: str) -> None:
    """Wait until its log holds all these words."""

    async def said() -> str:
        return process.said()

    await until(said, lambda log: all(word in log for word in words), lambda log: f"it did not say {words}:\n{log}")


async def test_a_homeserver_that_comes_later_is_waited_for(
    own_homeserver: LabHomeserver, sqlite_url: str, tmp_path: Path
) -> None:
    process = Process(own_homeserver.take_slot(), sqlite_url, tmp_path)
    await own_homeserver.stop()
    try:
        process.begin()
        await says(process, "the homeserver cannot be reached", "Trying again in", "knockbot check")

        await own_homeserver.start()
        await says(process, "is ready")

        garden = await process.plant()
        ana = await garden.knocker()
        await garden.card(ana)
    finally:
        await process.stop()


@pytest.mark.parametrize(
    ("part", "key", "value", "words"),
    [
        ("appservice", "as_token", "x" * 32, ("does not know my token", "registration.yaml")),
        ("appservice", "hs_token", "y" * 32, ("asking the homeserver to call back failed", "knockbot check")),
        ("homeserver", "domain", "other.test", ("introducing myself to the homeserver failed", "knockbot check")),
    ],
)
async def test_what_is_wrong_with_the_registration_is_said_until_it_is_mended(
    process: Process, part: str, key: str, value: str, words: tuple[str, ...]
) -> None:
    process.config[part][key] = value

    process.begin()

    await says(process, *words)
    assert not await process.is_ready()
    assert "Traceback" not in process.said()


async def test_the_bot_has_the_picture_that_the_config_names(process: Process) -> None:
    process.config["appservice"]["bot_avatar"] = "mxc://lab.test/picture"

    process.begin()
    await says(process, "is ready")

    garden = await process.plant()
    profile = await garden.alice.call("GET", "profile", process.user_id)
    assert profile["avatar_url"] == "mxc://lab.test/picture"
