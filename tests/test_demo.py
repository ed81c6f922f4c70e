"""The demo tells the truth: it plays for real, fails where reality differs, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from knockbot.cli import main
from knockbot.demo.identity import IdentityServer
from knockbot.demo.people import Person, until
from knockbot.demo.planted import THIRD_PARTY_INVITE
from knockbot.demo.stage import set_up
from knockbot.demo.teller import Teller
from knockbot.errors import Unavailable

PROC = Path("/proc")
DEMO = (sys.executable, "-m", "knockbot", "demo")
WITH_ANOTHER_POLICY = (
    sys.executable,
    "-c",
    "from knockbot.demo import story; story.POLICY = 'otherwise: forward'; raise SystemExit(story.main(keep=False))",
)
NO_SYDENT = {"SYDENT_PYTHON": "/nowhere/python"}
"""The environment of a machine without an identity server, on which the demo is shorter."""
WITHIN = 120.0
"""Seconds for the whole story on a busy machine; seven on an idle one."""

needs_proc = pytest.mark.skipif(not PROC.is_dir(), reason="it looks for processes in /proc")


@dataclass(frozen=True)
class Playing:
    """A demo that runs, with all its files below one directory."""

    process: subprocess.Popen[bytes]
    output: Path
    directory: Path

    @property
    def told(self) -> str:
        """What it has printed so far."""
        return self.output.read_text(encoding="utf-8")

    @property
    def servers(self) -> dict[str, int]:
        """The process ids of its servers, by what they are: whoever works in its directory."""
        found = {}
        for entry in PROC.iterdir():
            with contextlib.suppress(OSError):  # it has ended meanwhile, or is none of ours
                if entry.name.isdecimal() and (entry / "cwd").readlink().is_relative_to(self.directory):
                    command = (entry / "cmdline").read_bytes().decode(errors="replace")
                    found[_name(command)] = int(entry.name)
        return found

    async def comes_to(self, words: str) -> None:
        """Wait until it has told this."""

        async def look() -> str:
            return self.told

        await until(
            look, lambda told: words in told or self.process.poll() is not None, lambda told: told, within=WITHIN
        )
        assert words in self.told, self.told

    def ends(self) -> int:
        """Wait for its end; its exit status."""
        return self.process.wait(WITHIN)

    def assert_nothing_is_left(self) -> None:
        """Neither a server nor a file."""
        assert self.servers == {}
        assert list(self.directory.iterdir()) == []


def _name(command: str) -> str:
    """What a server is, by its command line; that itself where it is none."""
    return next((name for name in ("sydent", "synapse", "knockbot\0run") if name in command), command).split("\0")[0]


@contextlib.contextmanager
def playing(tmp_path: Path, *command: str, **environment: str) -> Iterator[Playing]:
    """Start a demo."""
    output, directory = tmp_path / "output", tmp_path / "temporary"
    directory.mkdir()
    environ = {**os.environ, "TMPDIR": str(directory), "PYTHONUTF8": "1", **environment}
    with (
        output.open("wb") as file,
        subprocess.Popen(
            command, cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        ) as process,
    ):
        try:
            yield Playing(process, output, directory)
        finally:
            process.terminate()
            process.wait(WITHIN)


@needs_proc
@pytest.mark.long
def test_without_an_identity_server_the_demo_says_so_plays_the_rest_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # Settings of a knockbot that somebody runs beside it are none of its business.
    with playing(tmp_path, *DEMO, KNOCKBOT_DATABASE="postgres://nobody@127.0.0.1:1/nothing", **NO_SYDENT) as demo:
        status = demo.ends()

        assert status == 0, demo.told
        assert "Nobody is invited by e-mail today" in demo.told
        assert "there is no /nowhere/python" in demo.told
        assert _summary(demo.told) == [*KNOCKS, ("Oscar", "kept out")]
        assert "7 knocks, 1 third-party invite, 8 answers" in demo.told
        assert "\x1b" not in demo.told  # no colour where no terminal asked for it
        demo.assert_nothing_is_left()


KNOCKS = [
    ("Carol", "accepted"),
    ("Dave", "banned"),
    ("Erin", "rejected"),
    ("Frank", "accepted"),
    ("Grace", "withdrawn"),
    ("Vera", "banned"),
    ("Nina", "accepted"),
]


def _summary(told: str) -> list[tuple[str, str]]:
    """Who came to what, by the demo's last table."""
    return re.findall(r"^ +([A-Z][a-z]+) +(\w+(?: \w+)*)", told.rpartition("The results")[2], re.MULTILINE)


@needs_proc
async def test_a_kept_demo_lets_people_walk_in_until_ctrl_c_and_then_leaves_nothing_behind(tmp_path: Path) -> None:
    with playing(tmp_path, *DEMO, "--keep") as demo:
        await demo.comes_to("curl ")
        servers = demo.servers
        assert servers.keys() == {"synapse", "sydent", "knockbot"}
        assert _summary(demo.told)[:9] == [*KNOCKS, ("Gina", "accepted"), ("Oscar", "kept out")]
        assert "7 knocks, 2 third-party invites, 9 answers" in demo.told
        async with aiohttp.ClientSession() as http:
            people = {name: await _log_in(http, demo.told, name) for name in ("alice", "bob", "heidi")}
            alice, heidi = people["alice"], people["heidi"]
            garden = (await alice.call("GET", "directory", "room", "#garden:village.test"))["room_id"]
            mods = (await alice.call("GET", "directory", "room", "#garden-mods:village.test"))["room_id"]

            assert await _doings(alice, garden) == {
                "carol": ("join", "carol", None),
                "dave": ("ban", "knockbot", "No advertising in the garden."),
                "erin": ("leave", "knockbot", "Please knock again and say who you are."),
                "frank": ("join", "frank", None),
                "grace": ("leave", "grace", None),
                "nina": ("join", "nina", None),
                "gina": ("join", "gina", None),
            }
            state: Any = await alice.call("GET", "rooms", garden, "state")
            assert [event for event in state if event["type"] == THIRD_PARTY_INVITE and event["content"]] == []
            told = [event["content"].get("body", "") for event in await people["bob"].messages(mods, limit=100)]
            assert any("@carol:village.test" in text for text in told), "a new login cannot read the story"
            await heidi.knock("#garden:village.test", "May I have a look?")
            card = await people["bob"].wait_for(
                mods, lambda event: event["content"].get("org.knockbot.request", {}).get("user_id") == heidi.user_id
            )
            assert card["content"]["org.knockbot.request"]["state"] == "pending"

            await alice.say(mods, "!kb invite #garden:village.test ivan@mail.test")
            await demo.comes_to("A mail to ivan@mail.test: “Alice has invited you to chat”")

        demo.process.send_signal(signal.SIGINT)

        assert demo.ends() == 0, demo.told
        assert not [pid for pid in servers.values() if (PROC / str(pid)).exists()]
        demo.assert_nothing_is_left()


async def _log_in(http: aiohttp.ClientSession, told: str, name: str) -> Person:
    """Walk in with what the demo printed."""
    url = re.search(r"homeserver +(http://\S+)", told)
    password = re.search(rf"^ +{name} +(\S+)", told, re.MULTILINE)
    assert url is not None
    assert password is not None
    return await Person.log_in(http, url[1], name, password[1])


async def _doings(alice: Person, room_id: str) -> dict[str, tuple[str, str, str | None]]:
    """How the applicants stand to the room, who brought it about, and the reason that was given."""
    found = {}
    for name in ("carol", "dave", "erin", "frank", "grace", "nina", "gina"):
        path = ("rooms", room_id, "state", "m.room.member", f"@{name}:village.test")
        event = await alice.call("GET", *path, query={"format": "event"})
        sender = event["sender"].removeprefix("@").removesuffix(":village.test")
        found[name] = (event["content"]["membership"], sender, event["content"].get("reason"))
    return found


@needs_proc
@pytest.mark.long
def test_an_answer_other_than_the_story_tells_fails_the_demo_and_says_what_differs(tmp_path: Path) -> None:
    with playing(tmp_path, *WITH_ANOTHER_POLICY, **NO_SYDENT) as demo:
        status = demo.ends()

        assert status == 1
        (fault,) = re.findall("^FAILED: (.*)", demo.told, re.MULTILINE)
        assert "@carol:village.test" in fault
        assert "'accepted'" in fault
        assert "'pending'" in fault
        assert "The end of homeserver.log" in demo.told
        assert "The end of knockbot.log" in demo.told
        demo.assert_nothing_is_left()


@pytest.mark.long
async def test_the_end_of_each_server_is_noticed_whatever_is_being_played(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="knockbot was told to stop, and ended with exit status -9"):
        await _play_until_all_have_ended(tmp_path)


async def _play_until_all_have_ended(directory: Path) -> None:
    for_ever = asyncio.Event().wait
    async with set_up(directory, Teller(), mailed=True) as stage:
        assert stage.identity_server is not None
        stage.identity_server.kill()
        with pytest.raises(Unavailable, match="Sydent has ended by itself"):
            await stage.play(for_ever())
        stage.homeserver.kill()
        with pytest.raises(Unavailable, match="Synapse has ended by itself"):
            await stage.play(for_ever())
        stage.knockbot.kill()
        stage.knockbot.wait()
        with pytest.raises(Unavailable, match="knockbot has ended by itself, with exit status -9"):
            await stage.play(for_ever())


@needs_proc
@pytest.mark.long
@pytest.mark.parametrize(
    ("sign", "moment"),
    [
        (signal.SIGTERM, "$ knockbot init"),  # while Sydent starts
        (signal.SIGHUP, "Sydent runs"),  # while knockbot starts
    ],
)
async def test_a_demo_that_is_stopped_in_the_middle_leaves_nothing_behind(
    tmp_path: Path, sign: signal.Signals, moment: str
) -> None:
    with playing(tmp_path, *DEMO) as demo:
        await demo.comes_to(moment)
        demo.process.send_signal(sign)

        assert demo.ends() == 1
        assert "FAILED" not in demo.told
        assert "Traceback" not in demo.told
        demo.assert_nothing_is_left()


async def test_an_identity_server_that_does_not_start_is_said_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYDENT_PYTHON", sys.executable)  # which has none

    with pytest.raises(Unavailable, match=r"^Sydent did not start; the end of .*\n(.*\n)*.*No module named 'sydent'"):
        async with IdentityServer(tmp_path):
            pass


def test_without_synapse_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing_installed(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nothing_installed)

    assert main(["demo"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "pip install 'knockbot[demo]'" in err
