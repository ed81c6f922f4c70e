"""What knockbot is shipped as keeps its word: image, systemd unit, compose example, completions, wheel and sdist."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.shell_completion import get_completion_class

from knockbot import app, cli, listening
from knockbot.config.settings import AppService, Metrics, Settings
from knockbot.config.sources import load
from knockbot.demo.homeserver import free_port
from knockbot.documents.schema import keys_of
from knockbot.documents.yaml import read_document
from knockbot.matrix.gateway import LARGEST_TRANSACTION, PingOnly

ROOT = Path(__file__).parents[1]
CONTRIB = ROOT / "contrib"
COMPOSE = CONTRIB / "compose"
REQUIREMENTS = ROOT / "requirements"
PORT: int = keys_of(AppService)["port"].default

LONGEST_STOP = 2 * app.DRAIN
"""Seconds: what arrived is drained first, then what is being done."""


def yaml(path: Path) -> Any:
    return read_document(path.read_text(), path.name).value


def pins(lock: str) -> dict[str, str]:
    """What a lock file names, with its version."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (REQUIREMENTS / lock).read_text(), re.MULTILINE))


def understood(command: str) -> None:
    """See that the command line takes a command, ``knockbot`` first, without running it."""
    program, name, *arguments = shlex.split(command)
    assert Path(program).name == "knockbot"
    with cli.commands.commands[name].make_context(name, arguments, obj=cli.Manner(debug=False)):
        pass


# --- the image ----------------------------------------------------------------------------------------------------


class Instruction(NamedTuple):
    """One instruction of a Dockerfile, its continued lines joined."""

    name: str
    text: str


def dockerfile() -> list[Instruction]:
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def final_stage() -> dict[str, list[str]]:
    """What the image itself is made by: the text of each instruction after the last FROM, by name."""
    stage: dict[str, list[str]] = {}
    for name, text in dockerfile():
        if name == "FROM":
            stage = {}
        stage.setdefault(name, []).append(text)
    return stage


def image_environment() -> dict[str, str]:
    settings = (word.partition("=") for text in final_stage()["ENV"] for word in shlex.split(text))
    return {name: value for name, _, value in settings}


def copied() -> set[str]:
    """What is copied from the checkout."""
    words = (text.split() for name, text in dockerfile() if name == "COPY" and not text.startswith("--from"))
    return {source for *sources, _ in words for source in sources}


def steps() -> Iterator[list[str]]:
    """The commands that the stages run, as words."""
    for name, text in dockerfile():
        if name == "RUN":
            yield from (shlex.split(command) for command in text.split("&&"))


def test_the_image_copies_only_what_is_there() -> None:
    assert [source for source in copied() if not (ROOT / source).exists()] == []


def test_the_builder_is_sent_what_is_copied_and_nothing_else() -> None:
    first, *rest = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]

    assert first == "*"
    assert {line.removeprefix("!") for line in rest if line.startswith("!")} == copied()


def test_the_image_gets_all_that_the_wheel_is_made_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {"pyproject.toml", "knockbot", *project["license-files"], *filter(None, [project.get("readme")])}

    assert named <= copied()


def test_nothing_comes_into_the_image_without_a_hash() -> None:
    installs = [step for step in steps() if "install" in step and step[0] == "pip"]

    assert installs
    for step in installs:
        assert "--require-hashes" in step or "--no-index" in step, step
    locks = [Path(step[-1]).name for step in installs if "--require-hashes" in step]
    assert locks == ["run.lock", "build.lock"]
    assert [step for step in steps() if step[:2] == ["pip", "wheel"] and "--no-build-isolation" not in step] == []


@pytest.mark.parametrize("lock", ["run.lock", "build.lock"])
def test_what_the_image_is_made_of_is_what_the_tests_ran_with(lock: str) -> None:
    assert pins(lock)
    assert pins(lock).items() <= pins("dev.lock").items()


def test_the_container_runs_as_a_user_without_privileges_who_owns_its_data() -> None:
    (user,) = final_stage()["USER"]
    uid, gid = user.split(":")
    made = " ".join(final_stage()["RUN"])

    assert int(uid) > 0
    assert f"--uid {uid}" in made
    assert f"--gid {gid}" in made
    assert f"--owner={uid} --group={gid} --mode=0700 {final_stage()['VOLUME'][0]}" in made


def test_the_container_starts_knockbot_itself_so_that_a_stop_reaches_it() -> None:
    stage = final_stage()

    # Both are JSON: with a shell in between, SIGTERM would not arrive.
    entry, arguments = json.loads(stage["ENTRYPOINT"][-1]), json.loads(stage["CMD"][-1])
    assert entry == ["knockbot"]
    understood(shlex.join(entry + arguments))
    assert arguments[-1] == f"{stage['VOLUME'][-1]}/config.yaml"
    assert stage["WORKDIR"] == stage["VOLUME"]
    assert stage["STOPSIGNAL"] == ["SIGTERM"]


def test_in_the_container_knockbot_listens_where_the_image_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init", "--domain", "example.org"]) == cli.DONE

    settings = load(Path("config.yaml"), image_environment())

    assert (settings.appservice.hostname, settings.appservice.port) == ("0.0.0.0", PORT)
    assert final_stage()["EXPOSE"] == [str(PORT)]


def healthy(port: int) -> bool:
    """What the health check says of a knockbot on a port."""
    (text,) = final_stage()["HEALTHCHECK"]
    program, *arguments = json.loads(text.partition(" CMD ")[2])
    assert program == "python"
    # A proxy for the outside world has no say in this.
    environment = {**os.environ, **image_environment(), "http_proxy": "http://127.0.0.1:1"}
    environment |= {"PATH": os.environ["PATH"], "KNOCKBOT_APPSERVICE__PORT": str(port)}
    answer = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=False)
    return answer.returncode == 0


async def test_the_health_check_tells_ready_from_not_ready_and_from_gone() -> None:
    gateway, port = PingOnly("hs_token"), free_port()

    async with listening.listening(gateway.app, "127.0.0.1", port):
        assert not await asyncio.to_thread(healthy, port)
        gateway.ready = True
        assert await asyncio.to_thread(healthy, port)
    assert not await asyncio.to_thread(healthy, port)


# --- systemd ------------------------------------------------------------------------------------------------------

UNIT = CONTRIB / "systemd" / "knockbot.service"
EXPOSURE = 15
"""Tenths: what `systemd-analyze security` may find at the most, of 100; above 50 it says medium."""


def unit() -> dict[str, str]:
    """The settings of the unit, the last word on each."""
    lines = [line for line in UNIT.read_text().splitlines() if line and line[0] not in "#["]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def test_the_unit_gives_knockbot_the_time_it_takes_to_stop() -> None:
    assert int(unit()["TimeoutStopSec"].removesuffix("s")) > LONGEST_STOP


def test_the_unit_starts_knockbot_on_the_config_in_its_own_directory() -> None:
    state = f"/var/lib/{unit()['StateDirectory']}"

    understood(unit()["ExecStart"])
    assert unit()["ExecStart"].endswith(f" {state}/config.yaml")
    assert unit()["WorkingDirectory"] == state


def test_the_unit_does_not_try_a_faulty_config_again() -> None:
    assert unit()["Restart"] == "on-failure"
    assert unit()["RestartPreventExitStatus"] == str(cli.WRONG_USE)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed here")
def test_systemd_understands_the_unit_and_finds_little_exposed(tmp_path: Path) -> None:
    here = tmp_path / UNIT.name
    here.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text()))

    for command in (["verify"], ["security", "--offline=true", f"--threshold={EXPOSURE}"]):
        answer = subprocess.run(["systemd-analyze", *command, here], capture_output=True, text=True, check=False)
        assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout


# --- compose ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml(COMPOSE / "compose.yaml")["services"]
    return found


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """What is mounted where: the place inside the container, and what stands there."""
    return {inside: outside for outside, inside, *_ in (mount.split(":") for mount in service["volumes"])}


def test_only_the_homeserver_reaches_knockbot(services: dict[str, Any]) -> None:
    assert "ports" not in services["knockbot"]
    assert "network_mode" not in services["knockbot"]


def test_each_service_says_whether_it_is_well_and_waits_for_the_database(services: dict[str, Any]) -> None:
    assert "healthcheck" in services["postgres"]
    assert "healthcheck" in services["synapse"]
    assert "healthcheck" not in services["knockbot"], "its image has one, which would be hidden"
    for name in ("synapse", "knockbot"):
        assert services[name]["depends_on"]["postgres"] == {"condition": "service_healthy"}


def test_synapse_is_told_of_the_registration_that_knockbot_writes(services: dict[str, Any]) -> None:
    extra = mounts(services["synapse"])["/synapse.yaml"]
    assert "--config-path=/synapse.yaml" in services["synapse"]["command"]

    (registration,) = yaml(COMPOSE / extra)["app_service_config_files"]

    shared, name = registration.rsplit("/", 1)
    assert name == "registration.yaml"
    assert mounts(services["synapse"])[shared] == mounts(services["knockbot"])["/data"]


def test_what_the_services_mount_is_there_or_is_made_by_the_first_steps(services: dict[str, Any]) -> None:
    made = {"./synapse", "./knockbot", *yaml(COMPOSE / "compose.yaml")["volumes"]}

    for service in services.values():
        assert [
            source for source in mounts(service).values() if source not in made and not (COMPOSE / source).is_file()
        ] == []
    assert (COMPOSE / services["knockbot"]["build"] / "Dockerfile").is_file()


def test_knockbot_in_compose_gets_settings_it_knows(services: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((ROOT / "config.example.yaml").read_text())
    environment = services["knockbot"]["environment"]

    settings: Settings = load(tmp_path / "config.yaml", image_environment() | environment)

    assert settings.database == environment["KNOCKBOT_DATABASE"]


def test_all_that_is_to_be_filled_in_stands_in_the_example() -> None:
    wanted = set(re.findall(r"\$\{(\w+)", (COMPOSE / "compose.yaml").read_text()))

    assert set(re.findall(r"^(\w+)=", (COMPOSE / "env.example").read_text(), re.MULTILINE)) == wanted


def test_compose_and_systemd_limit_memory_files_and_processes(services: dict[str, Any]) -> None:
    knockbot = services["knockbot"]
    assert (knockbot["mem_limit"], knockbot["pids_limit"], knockbot["ulimits"]) == ("512m", 64, {"nofile": 1024})
    assert {"MemoryMax=512M", "TasksMax=64", "LimitNOFILE=1024"} <= {*UNIT.read_text().splitlines()}


def test_what_is_locked_has_no_aiohttp_with_known_advisories() -> None:
    floor = re.search(r'"aiohttp>=([0-9.]+)"', (UNIT.parents[2] / "pyproject.toml").read_text())
    assert floor is not None
    for lock in ("run.lock", "dev.lock"):
        locked, least = (tuple(map(int, text.split("."))) for text in (pins(lock)["aiohttp"], floor[1]))
        assert locked >= least >= (3, 14, 4)


def test_compose_gives_knockbot_the_time_it_takes_to_stop(services: dict[str, Any]) -> None:
    assert services["knockbot"]["stop_grace_period"] == "1m"
    assert LONGEST_STOP < 60


def test_the_balancer_of_the_example_stands_before_both_knockbots(services: dict[str, Any]) -> None:
    more = yaml(COMPOSE / "two.yaml")["services"]
    (conf,) = mounts(more["balancer"]).values()
    balancer = (COMPOSE / conf).read_text()
    port: int = keys_of(AppService)["port"].default

    assert more["knockbot-too"] == {"extends": {"file": "compose.yaml", "service": "knockbot"}}
    assert re.findall(r"server ([\w-]+):(\d+) ", balancer) == [("knockbot", f"{port}"), ("knockbot-too", f"{port}")]
    assert more["balancer"]["depends_on"] == ["knockbot", "knockbot-too"]
    assert "knockbot" in services
    assert f"listen {port};" in balancer
    assert f"--address http://balancer:{port}" in (COMPOSE / "README.md").read_text()
    (largest,) = re.findall(r"client_max_body_size (\d+)m;", balancer)
    assert int(largest) * 2**20 >= LARGEST_TRANSACTION


def test_the_synapse_of_the_example_is_the_one_the_tests_run_with(services: dict[str, Any]) -> None:
    assert services["synapse"]["image"].endswith(f":v{pins('dev.lock')['matrix-synapse']}")


# --- what the pages say -------------------------------------------------------------------------------------------

PAGES = [ROOT / "docs" / "docker.md", COMPOSE / "README.md", UNIT]


def told(page: Path) -> list[str]:
    """The commands for knockbot in a page's examples, each from ``knockbot`` on."""
    text = page.read_text()
    examples = (
        re.findall(r"^#   (.*)", text, re.MULTILINE)
        if page == UNIT
        else re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    )
    lines = "\n".join(examples).replace("\\\n", " ")
    return re.findall(rf"\bknockbot (?:{'|'.join(cli.commands.commands)})\b[^|\n]*", lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_in_the_pages_are_understood(page: Path) -> None:
    commands = told(page)

    assert {command.split()[1] for command in commands} >= {"init", "check"}
    for command in commands:
        understood(command)


def test_the_proxy_lets_through_whatever_knockbot_takes() -> None:
    page = (CONTRIB / "reverse-proxy.md").read_text()
    metrics: int = Metrics().listen.port

    (largest,) = re.findall(r"client_max_body_size (\d+)m;", page)
    assert int(largest) * 2**20 >= LARGEST_TRANSACTION
    assert set(re.findall(r"127\.0\.0\.1:(\d+)", page)) == {str(PORT), str(metrics)}


# --- completion ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "name"), [("bash", "knockbot.bash"), ("zsh", "_knockbot"), ("fish", "knockbot.fish")]
)
def test_the_completion_files_are_what_knockbot_prints(shell: str, name: str) -> None:
    complete = get_completion_class(shell)
    assert complete is not None

    made = complete(cli.commands, {}, "knockbot", "_KNOCKBOT_COMPLETE").source()

    shipped = (CONTRIB / "completion" / name).read_text()
    assert shipped == f"{made.strip()}\n", f"_KNOCKBOT_COMPLETE={shell}_source knockbot > contrib/completion/{name}"


def test_completion_offers_the_commands_and_their_options() -> None:
    def offered(words: str) -> set[str]:
        environment = os.environ | {"_KNOCKBOT_COMPLETE": "bash_complete", "COMP_WORDS": words}
        environment["COMP_CWORD"] = str(words.count(" "))
        answer = subprocess.run(
            [sys.executable, "-m", "knockbot"], env=environment, capture_output=True, text=True, check=True
        )
        return {line.removeprefix("plain,") for line in answer.stdout.splitlines()}

    assert offered("knockbot ") == set(cli.commands.commands)
    assert offered("knockbot init --ad") == {"--admin", "--address"}


# --- wheel and sdist ----------------------------------------------------------------------------------------------

NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", ".demo", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "*.egg-info"
)


SECRETS = (
    "config.yaml",
    "registration.yaml",
    "contrib/compose/.env",
    "contrib/compose/knockbot/registration.yaml",
    "contrib/compose/synapse/homeserver.yaml",
)
"""What lies in a checkout once somebody has tried things in it."""


def built(kind: str, source: Path, into: Path) -> Path:
    """What setuptools makes of a source tree: its "wheel" or its "sdist"."""
    command = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(into)!r}))"
    answer = subprocess.run([sys.executable, "-c", command], cwd=source, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return into / answer.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, made from a copy, since setuptools leaves its traces where it works."""
    place = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, place / "tree", ignore=NOT_SOURCE)
    return built("wheel", place / "tree", place)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked sdist of this checkout, in which somebody has tried things."""
    place = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, place / "tree", ignore=NOT_SOURCE)
    for secret in SECRETS:
        (place / "tree" / secret).parent.mkdir(exist_ok=True)
        (place / "tree" / secret).write_text("as_token: secret")
    with tarfile.open(built("sdist", place / "tree", place)) as archive:
        archive.extractall(place, filter="data")
    (unpacked,) = place.glob("knockbot-*/")
    return unpacked


def content(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    files = [file for kind in ("*.py", "*.po", "py.typed") for file in (ROOT / "knockbot").rglob(kind)]
    package = {str(file.relative_to(ROOT)) for file in files}

    assert {name for name in content(wheel) if ".dist-info/" not in name} == package


def test_the_sdist_makes_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    assert content(built("wheel", sdist, tmp_path)) == content(wheel)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a checkout knows what belongs to it")
def test_the_sdist_holds_the_whole_checkout(sdist: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]

    assert tracked
    assert [name for name in tracked if not (sdist / name).exists()] == []


def test_no_secret_lying_in_the_checkout_is_shipped(sdist: Path) -> None:
    assert [secret for secret in SECRETS if (sdist / secret).exists()] == []
