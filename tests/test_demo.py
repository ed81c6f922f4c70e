"""The demo tells the truth: it plays for real, fails where reality differs, and leaves nothing behind."""

from __future__ import annotations

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

import aiohttp
import pytest

from knockbot.cli import main
from knockbot.demo.people import Person, until

PROC = Path("/proc")
DEMO = (sys.executable, "-m", "knockbot", "demo")
WITH_ANOTHER_POLICY = (
    sys.executable,
    "-c",
    "from knockbot.demo import story; story.POLICY = 'otherwise: forward'; raise SystemExit(story.main(keep=False))",
)
WITHIN = 120.0
"""Seconds for the whole story on a busy machine; five on an idle one."""

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
        """The process ids of its servers, by what they are: whoever works on files in its directory."""
        found = {}
        for entry in PROC.iterdir():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                command = (entry / "cmdline").read_bytes().decode(errors="replace") if entry.name.isdecimal() else ""
                if str(self.directory) in command:
                    found["knockbot" if "knockbot\0run" in command else "synapse"] = int(entry.name)
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
def test_the_demo_ends_with_a_summary_of_five_answers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # Settings of a knockbot that somebody runs beside it are none of its business.
    with playing(tmp_path, *DEMO, KNOCKBOT_DATABASE="postgres://nobody@127.0.0.1:1/nothing") as demo:
        status = demo.ends()

        assert status == 0, demo.told
        summary = demo.told.rpartition("How it came out")[2]
        assert re.findall(r"^ +([A-Z][a-z]+) +(\w+)", summary, re.MULTILINE) == [
            ("Carol", "accepted"),
            ("Dave", "banned"),
            ("Erin", "rejected"),
            ("Frank", "accepted"),
            ("Grace", "withdrawn"),
        ]
        assert "\x1b" not in demo.told  # no colour where no terminal asked for it
        demo.assert_nothing_is_left()


@needs_proc
async def test_a_kept_demo_lets_people_walk_in_until_ctrl_c_and_then_leaves_nothing_behind(tmp_path: Path) -> None:
    with playing(tmp_path, *DEMO, "--keep") as demo:
        await demo.comes_to("curl ")
        servers = demo.servers
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
            }
            await heidi.knock("#garden:village.test", "May I have a look?")
            card = await people["bob"].wait_for(
                mods, lambda event: event["content"].get("org.knockbot.request", {}).get("user_id") == heidi.user_id
            )
            assert card["content"]["org.knockbot.request"]["state"] == "pending"

        demo.process.send_signal(signal.SIGINT)

        assert demo.ends() == 0, demo.told
        assert servers.keys() == {"synapse", "knockbot"}
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
    for name in ("carol", "dave", "erin", "frank", "grace"):
        path = ("rooms", room_id, "state", "m.room.member", f"@{name}:village.test")
        event = await alice.call("GET", *path, query={"format": "event"})
        sender = event["sender"].removeprefix("@").removesuffix(":village.test")
        found[name] = (event["content"]["membership"], sender, event["content"].get("reason"))
    return found


@needs_proc
def test_an_answer_other_than_the_story_tells_fails_the_demo_and_says_what_differs(tmp_path: Path) -> None:
    with playing(tmp_path, *WITH_ANOTHER_POLICY) as demo:
        status = demo.ends()

        assert status == 1
        (fault,) = re.findall("^FAILED: (.*)", demo.told, re.MULTILINE)
        assert "@carol:village.test" in fault
        assert "'accepted'" in fault
        assert "'pending'" in fault
        assert "The end of homeserver.log" in demo.told
        assert "The end of knockbot.log" in demo.told
        demo.assert_nothing_is_left()


@needs_proc
@pytest.mark.parametrize(("server", "name"), [("knockbot", "knockbot"), ("synapse", "Synapse")])
async def test_a_server_that_dies_fails_the_demo_at_once_and_leaves_nothing_behind(
    tmp_path: Path, server: str, name: str
) -> None:
    with playing(tmp_path, *DEMO) as demo:
        await demo.comes_to("!kb protect")
        os.kill(demo.servers[server], signal.SIGKILL)

        assert demo.ends() == 1
        assert f"FAILED: {name} has ended by itself" in demo.told
        demo.assert_nothing_is_left()


@needs_proc
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_demo_that_is_stopped_in_the_middle_leaves_nothing_behind(tmp_path: Path, sign: signal.Signals) -> None:
    with playing(tmp_path, *DEMO) as demo:
        await demo.comes_to("Synapse runs")
        demo.process.send_signal(sign)

        assert demo.ends() == 1
        assert "FAILED" not in demo.told
        assert "Traceback" not in demo.told
        demo.assert_nothing_is_left()


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
