"""The command line does what it says, and every fault is one line and the right exit status."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import ModuleType

import pytest
from synapse.config.appservice import load_appservices

import knockbot
from knockbot.cli import main
from knockbot.config.registration import registration
from knockbot.config.settings import Settings, can_encrypt
from knockbot.config.sources import load
from knockbot.config.values import Level, Listen, Permission
from knockbot.domain.reasons import foreign
from knockbot.errors import Fault, Never, Unavailable
from tests.store.filled import filled

ROOT = Path(__file__).parents[1]
INIT = (
    "init",
    "--homeserver", "https://matrix.example.org",
    "--domain", "example.org",
    "--admin", "@alice:example.org",
    "--address", "http://door:1234",
    "--listen", "0.0.0.0:1234",
)  # fmt: skip
IN_THE_WAY = "exists already and was not changed: move it away or choose another place"
FOR_MORE = "(run with --debug or KNOCKBOT_LOGGING__LEVEL=debug for the traceback)"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in, and no settings of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("KNOCKBOT_"):
            monkeypatch.delenv(name)
    return tmp_path


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def knock(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; its exit status, what it printed, and its complaints."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        out, err = capsys.readouterr()
        return status, out, err

    return run


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Let a person at a terminal answer with these lines."""
    terminal = StringIO("".join(f"{line}\n" for line in lines))
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)


def one_line(text: str) -> bool:
    return text.endswith("\n") and text.count("\n") == 1


# --- init ---------------------------------------------------------------------------------------------------------


def test_init_writes_a_config_that_loads_and_says_what_was_given(knock: Run) -> None:
    status, _, err = knock(*INIT)
    settings = load(Path("config.yaml"), {})

    assert (status, err) == (0, "")
    assert settings.homeserver.address == "https://matrix.example.org"
    assert settings.homeserver.domain == "example.org"
    assert settings.appservice.address == "http://door:1234"
    assert (settings.appservice.hostname, settings.appservice.port) == ("0.0.0.0", 1234)
    assert settings.permissions == {"example.org": Permission.USER, "@alice:example.org": Permission.ADMIN}


def test_init_writes_a_registration_that_fits_the_config_and_that_synapse_takes(knock: Run) -> None:
    knock(*INIT)
    settings = load(Path("config.yaml"), {})

    (service,) = load_appservices("example.org", ["registration.yaml"])

    assert Path("registration.yaml").read_text() == registration(settings)
    assert service.token == settings.appservice.as_token
    assert service.hs_token == settings.appservice.hs_token
    assert service.is_exclusive_user(settings.bot_user_id)


def test_init_asks_for_the_right_to_query_memberships_only_where_that_is_wanted(knock: Run) -> None:
    scopes = "io.element.msc4502.scopes:\n  - urn:matrix:client:io.element.msc4502:rooms:is_joined\n"
    said = {}
    for name, options in (("with", ["--membership-queries"]), ("without", [])):
        status, said[name], _ = knock(*INIT, *options, "--dir", name)
        settings, written = load(Path(name) / "config.yaml", {}), (Path(name) / "registration.yaml").read_text()

        assert status == 0
        assert settings.appservice.membership_queries is (name == "with")
        assert written == registration(settings)
        assert (scopes in written) is (name == "with")
        assert load_appservices("example.org", [f"{name}/registration.yaml"])

    assert "\nexperimental_features:\n  msc4502_enabled: true\n" in said["with"]
    assert "msc4502" not in said["without"]


def test_only_the_owner_can_read_what_init_writes(knock: Run) -> None:
    before = os.umask(0)
    try:
        knock(*INIT)
    finally:
        os.umask(before)

    for file in ("config.yaml", "registration.yaml"):
        assert stat.S_IMODE(Path(file).stat().st_mode) == 0o600


def test_tokens_are_long_and_fresh_each_time(knock: Run) -> None:
    knock(*INIT, "--dir", "one")
    knock(*INIT, "--dir", "two")
    services = [load(Path(name) / "config.yaml", {}).appservice for name in ("one", "two")]
    tokens = {token for service in services for token in (service.as_token, service.hs_token)}

    assert len(tokens) == 4
    assert min(map(len, tokens)) >= 40


def test_init_says_which_two_lines_go_into_homeserver_yaml_and_what_is_next(knock: Run, here: Path) -> None:
    _, out, _ = knock(*INIT)

    assert f"app_service_config_files:\n  - {here}/registration.yaml\n" in out
    assert f"knockbot check -c {here}/config.yaml" in out
    assert f"knockbot run -c {here}/config.yaml" in out


def test_odd_paths_are_quoted_for_those_who_copy_them(knock: Run, here: Path) -> None:
    _, out, _ = knock(*INIT, "--dir", "a b")

    assert f"\n  - '{here}/a b/registration.yaml'\n" in out
    assert f"knockbot run -c '{here}/a b/config.yaml'" in out


def test_init_never_overwrites(knock: Run, here: Path) -> None:
    knock(*INIT)
    before = Path("config.yaml").read_bytes(), Path("registration.yaml").read_bytes()

    status, out, err = knock(*INIT)

    assert (status, out) == (1, "")
    assert err == f"knockbot: {here}/config.yaml {IN_THE_WAY}\n"
    assert (Path("config.yaml").read_bytes(), Path("registration.yaml").read_bytes()) == before


def test_init_leaves_nothing_half_written(knock: Run, here: Path) -> None:
    Path("registration.yaml").symlink_to("nowhere")

    status, _, err = knock(*INIT)

    assert status == 1
    assert err == f"knockbot: {here}/registration.yaml {IN_THE_WAY}\n"
    assert not Path("config.yaml").exists()


def test_init_takes_back_the_first_file_when_the_second_cannot_be_written(
    knock: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_text

    def full(file: Path, text: str, encoding: str) -> int:
        if file.name == "registration.yaml":
            raise OSError(28, "No space left on device")
        return write(file, text, encoding)

    monkeypatch.setattr(Path, "write_text", full)

    status, _, err = knock(*INIT)

    assert status == 1
    assert err.endswith("registration.yaml: No space left on device\n")
    assert list(Path().iterdir()) == []


def test_init_says_where_it_cannot_write(knock: Run, here: Path) -> None:
    Path("file").touch()

    status, _, err = knock(*INIT, "--dir", "file/inside")

    assert (status, err) == (1, f"knockbot: cannot make the directory {here}/file/inside: Not a directory\n")


def test_init_needs_little_where_the_homeserver_tells_its_name(knock: Run) -> None:
    status, _, _ = knock("init", "--homeserver", "https://example.org:8448/")
    settings = load(Path("config.yaml"), {})

    assert status == 0
    assert settings.homeserver.domain == "example.org"
    assert settings.appservice.address == "http://localhost:29331"
    assert (settings.appservice.hostname, settings.appservice.port) == ("127.0.0.1", 29331)
    assert settings.permissions == {"example.org": Permission.USER}


@pytest.mark.parametrize(
    "homeserver", ["http://localhost:8008", "http://10.0.0.1", "http://[::1]:8008", "https://matrix.example.org"]
)
def test_init_does_not_guess_a_server_name(knock: Run, homeserver: str) -> None:
    status, _, err = knock("init", "--homeserver", homeserver)

    assert status == 2
    assert one_line(err)
    assert f"--domain is needed: {homeserver} does not show the server name" in err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("listen", "bound", "address"),
    [
        ("127.0.0.1", Listen("127.0.0.1", 29331), "http://localhost:29331"),
        ("0.0.0.0:99", Listen("0.0.0.0", 99), "http://localhost:99"),
        ("door.internal", Listen("door.internal", 29331), "http://door.internal:29331"),
        ("[fd00::1]:99", Listen("fd00::1", 99), "http://[fd00::1]:99"),
        ("[::1]", Listen("::1", 29331), "http://localhost:29331"),
        ("::1", Listen("::1", 29331), "http://localhost:29331"),
        ("::", Listen("::", 29331), "http://localhost:29331"),
        ("[::]:99", Listen("::", 99), "http://localhost:99"),
        ("localhost:99", Listen("localhost", 99), "http://localhost:99"),
    ],
)
def test_the_address_follows_from_where_knockbot_listens(knock: Run, listen: str, bound: Listen, address: str) -> None:
    knock("init", "--domain", "example.org", "--listen", listen)
    service = load(Path("config.yaml"), {}).appservice

    assert Listen(service.hostname, service.port) == bound
    assert service.address == address


def test_a_misspelt_command_is_one_line_that_names_the_nearest(knock: Run) -> None:
    status, _, err = knock("chek")

    assert (status, err) == (2, "knockbot: No such command 'chek'. Did you mean 'check'? See \"knockbot --help\"\n")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--homeserver", "localhost", "expected an http:// or https:// URL"),
        ("--domain", "https://example.org", "expected a server name"),
        ("--admin", "alice", "expected a user ID"),
        ("--address", "localhost:1", "expected an http:// or https:// URL"),
        ("--listen", "*", "expected a host name or an IP address"),
        ("--listen", "unix:/run/knockbot.sock", "expected host:port"),
        ("--listen", "host:99999", "expected a port from 1 to 65535"),
        ("--listen", "29331", "expected a host name or an IP address"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(knock: Run, option: str, value: str, words: str) -> None:
    status, _, err = knock(*INIT, option, value)

    assert status == 2
    assert one_line(err)
    assert f"'{option}': {words}" in err
    assert list(Path().iterdir()) == []


def test_init_asks_a_person_for_what_is_not_given_and_again_after_a_mistake(
    knock: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "", "not a name!", "example.org", "@alice:example.org")

    status, out, _ = knock("init")
    settings = load(Path("config.yaml"), {})

    assert status == 0
    assert "expected a server name" in out
    assert settings.homeserver.address == "http://localhost:8008"
    assert settings.homeserver.domain == "example.org"
    assert settings.permission_of("@alice:example.org") is Permission.ADMIN


def test_init_asks_nothing_when_all_is_given(knock: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch)

    assert knock(*INIT)[0] == 0


def test_giving_up_on_the_questions_writes_nothing(knock: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "http://localhost:8008")

    status, _, _ = knock("init")

    assert status == 1
    assert list(Path().iterdir()) == []


# --- registration -------------------------------------------------------------------------------------------------


def test_registration_prints_what_init_wrote(knock: Run) -> None:
    knock(*INIT)

    assert knock("registration", "-c", "config.yaml") == (0, Path("registration.yaml").read_text(), "")


def test_registration_follows_the_config_and_the_environment(knock: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    knock(*INIT)
    monkeypatch.setenv("KNOCKBOT_APPSERVICE__BOT_USERNAME", "porter")

    status, out, _ = knock("registration")

    assert status == 0
    assert r"regex: '^@porter:example\.org$'" in out


def test_registration_writes_a_file_that_only_the_owner_can_read(knock: Run) -> None:
    knock(*INIT)

    status, out, _ = knock("registration", "-o", "other/new.yaml")

    assert (status, out) == (0, "Wrote other/new.yaml. Synapse reads it when it starts.\n")
    assert Path("other/new.yaml").read_text() == Path("registration.yaml").read_text()
    assert stat.S_IMODE(Path("other/new.yaml").stat().st_mode) == 0o600


def test_registration_overwrites_nothing_and_says_when_nothing_is_to_be_done(knock: Run) -> None:
    knock(*INIT)
    same = knock("registration", "-o", "registration.yaml")
    Path("registration.yaml").write_text("mine")
    other = knock("registration", "-o", "registration.yaml")

    assert same == (0, "registration.yaml fits config.yaml as it is.\n", "")
    assert other == (1, "", f"knockbot: registration.yaml {IN_THE_WAY}\n")
    assert Path("registration.yaml").read_text() == "mine"


# --- check, run and demo ------------------------------------------------------------------------------------------


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Stands in for the running service; each test gives it the function it needs."""
    module = ModuleType("knockbot.app")
    for name in ("app", "check"):
        monkeypatch.setitem(sys.modules, f"knockbot.{name}", module)
        monkeypatch.setattr(knockbot, name, module, raising=False)
    return module


@pytest.mark.parametrize(("fine", "status"), [(True, 0), (False, 1)])
def test_check_prints_its_findings_and_its_status_is_what_it_found(
    knock: Run, app: ModuleType, fine: bool, status: int
) -> None:
    async def check(settings: Settings, say: Callable[[str], None]) -> bool:
        say(f"ping {settings.homeserver.domain}")
        return fine

    app.check = check  # type: ignore[attr-defined]  # a stand-in module
    knock(*INIT)

    assert knock("check", "-c", "config.yaml") == (status, "ping example.org\n", "")


def test_run_hands_the_settings_over_and_ends_well(knock: Run, app: ModuleType) -> None:
    ran: list[Settings] = []

    async def run(settings: Settings, read_again: Callable[[], Settings]) -> None:
        ran.extend([settings, read_again()])

    app.run = run  # type: ignore[attr-defined]  # a stand-in module
    knock(*INIT)

    assert knock("run", "-c", "config.yaml") == (0, "", "")
    assert ran == [load(Path("config.yaml"), {})] * 2


def test_debug_may_stand_before_or_behind_the_command_and_logs_more(knock: Run, app: ModuleType) -> None:
    levels: list[Level] = []

    async def run(settings: Settings, _: Callable[[], Settings]) -> None:
        levels.append(settings.logging.level)

    app.run = run  # type: ignore[attr-defined]  # a stand-in module
    knock(*INIT)

    for arguments in (("run",), ("--debug", "run"), ("run", "--debug")):
        assert knock(*arguments)[0] == 0
    assert levels == [Level.INFO, Level.DEBUG, Level.DEBUG]


def failing(app: ModuleType, error: BaseException) -> None:
    async def run(*_: object) -> None:
        raise error

    app.run = run  # type: ignore[attr-defined]  # a stand-in module


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (Unavailable("the database is in use: stop it"), 1, "knockbot: the database is in use: stop it\n"),
        (Never(foreign("the homeserver does not know us")), 1, "knockbot: the homeserver does not know us\n"),
        (Fault("no such room", where="config.yaml:3"), 2, "config.yaml:3: no such room\n"),
        (ZeroDivisionError("a\nb"), 1, f"knockbot: unexpected ZeroDivisionError: a b {FOR_MORE}\n"),
        (TimeoutError(), 1, f"knockbot: unexpected TimeoutError {FOR_MORE}\n"),
        (KeyboardInterrupt(), 1, ""),
    ],
)
def test_whatever_goes_wrong_is_one_line_and_its_status(
    knock: Run, app: ModuleType, error: BaseException, status: int, line: str
) -> None:
    failing(app, error)
    knock(*INIT)
    ended, _, err = knock("run")

    assert (ended, err.removeprefix("\n")) == (status, line)


def test_those_who_ask_for_the_traceback_get_it(knock: Run, app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(app, ZeroDivisionError())
    knock(*INIT)

    with pytest.raises(ZeroDivisionError):
        knock("run", "--debug")
    monkeypatch.setenv("KNOCKBOT_LOGGING__LEVEL", "debug")
    with pytest.raises(ZeroDivisionError):
        knock("run")


@pytest.mark.parametrize(("arguments", "keep", "status"), [((), False, 0), (("--keep",), True, 1)])
def test_demo_plays_the_story_and_ends_as_it_does(
    knock: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], keep: bool, status: int
) -> None:
    kept: list[bool] = []

    def play(keep: bool) -> int:
        kept.append(keep)
        return status

    story = ModuleType("knockbot.demo.story")
    story.main = play  # type: ignore[attr-defined]  # a stand-in module
    monkeypatch.setitem(sys.modules, "knockbot.demo.story", story)

    assert knock("demo", *arguments)[0] == status
    assert kept == [keep]


# --- export and import --------------------------------------------------------------------------------------------


@pytest.fixture
def records(knock: Run) -> None:
    """A config, and a database beside it that was used."""
    knock(*INIT)
    asyncio.run(filled("sqlite:knockbot.db"))
    config = Path("config.yaml")
    config.write_text(config.read_text().replace("domain: example.org", "domain: tulip.example"))


def start_anew() -> None:
    for file in Path().glob("knockbot.db*"):
        file.unlink()


@pytest.mark.usefixtures("records")
def test_what_export_wrote_import_reads_into_an_empty_database(knock: Run) -> None:
    exported = knock("export", "-c", "config.yaml", "backup.jsonl")
    start_anew()
    imported = knock("import", "-c", "config.yaml", "backup.jsonl")

    assert exported[:2] == (0, "")
    assert re.fullmatch(r"Wrote \d+ records, 12 requests among them to backup\.jsonl\.\n", exported[2])
    assert (imported[0], imported[2]) == (0, "")
    assert "12 requests among them" in imported[1]
    assert stat.S_IMODE(Path("backup.jsonl").stat().st_mode) == 0o600


@pytest.mark.usefixtures("records")
def test_export_overwrites_nothing_and_leaves_no_half_file(knock: Run) -> None:
    Path("mine").write_text("mine")
    status, _, err = knock("export", "-c", "config.yaml", "mine")
    assert (status, err) == (1, f"knockbot: mine {IN_THE_WAY}\n")
    start_anew()
    status, _, err = knock("export", "-c", "config.yaml", "new")

    assert (status, one_line(err), "unable to open" in err) == (1, True, True)
    assert Path("mine").read_text() == "mine"
    assert not Path("new").exists()


@pytest.mark.usefixtures("records")
def test_export_prints_and_import_reads_what_is_piped() -> None:
    def python_dash_m(*arguments: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "knockbot", *arguments]
        return subprocess.run(command, input=text, capture_output=True, check=False, env=os.environ)

    exported = python_dash_m("export")
    start_anew()
    imported = python_dash_m("import", "-", text=exported.stdout)

    assert (exported.returncode, imported.returncode) == (0, 0)
    assert exported.stdout.splitlines()[-1].startswith(b'{"end": ')


@pytest.mark.usefixtures("records")
def test_import_says_in_one_line_what_is_wrong(knock: Run) -> None:
    in_use = knock("export", "-c", "config.yaml", "backup"), knock("import", "-c", "config.yaml", "backup")
    half = Path("backup").read_bytes().splitlines(keepends=True)[:5]
    Path("half").write_bytes(b"".join(half))
    start_anew()

    assert in_use[1][0] == 1
    assert "a back-up is read into an empty one only" in in_use[1][2]
    assert knock("import", "-c", "config.yaml", "half") == (
        1,
        "",
        "knockbot: half:5: the file ends here, and the back-up does not; nothing was imported\n",
    )
    assert knock("import", "-c", "config.yaml", "gone") == (
        1,
        "",
        "knockbot: cannot read gone: No such file or directory\n",
    )


# --- wrong use ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "run", "registration", "export"])
def test_faults_of_the_config_are_a_line_each_and_status_2(knock: Run, command: str) -> None:
    knock(*INIT)
    config = Path("config.yaml")
    config.write_text(config.read_text().replace("port: 1234", "port: abc").replace("database:", "databse:"))

    status, out, err = knock(command, "-c", "config.yaml")

    assert (status, out) == (2, "")
    assert err.splitlines() == [
        'config.yaml:10: appservice.port: expected a number, found "abc"',
        'config.yaml:15: databse: unknown key "databse"; did you mean "database"?',
    ]


@pytest.mark.parametrize("command", ["check", "run", "registration", "export"])
def test_the_tokens_of_the_example_are_refused(knock: Run, command: str) -> None:
    status, _, err = knock(command, "-c", str(ROOT / "config.example.yaml"))

    assert status == 2
    assert one_line(err)
    assert "everyone knows the tokens of the example" in err


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ((), "knockbot"),
        (("open",), "knockbot"),
        (("--fast",), "knockbot"),
        (("run", "--fast"), "knockbot run"),
        (("run", "now"), "knockbot run"),
    ],
)
def test_wrong_use_is_one_line_that_says_where_help_is(knock: Run, arguments: tuple[str, ...], command: str) -> None:
    status, out, err = knock(*arguments)

    assert (status, out) == (2, "")
    assert one_line(err)
    assert err.startswith(f"{command}: ")
    assert err.endswith(f'; see "{command} --help"\n')


def test_the_version_and_the_help_are_told(knock: Run) -> None:
    assert knock("--version") == (0, f"knockbot {knockbot.__version__}\n", "")

    status, out, _ = knock("--help")

    assert status == 0
    for command in ("init", "registration", "check", "run", "demo"):
        assert f"\n  {command} " in out


def test_python_dash_m_knockbot_is_the_same_command() -> None:
    python = [sys.executable, "-m", "knockbot"]
    wrong = subprocess.run([*python, "run", "-c", "absent.yaml"], capture_output=True, text=True, check=False)

    assert wrong.returncode == 2
    assert wrong.stderr == 'absent.yaml: there is no such file; "knockbot init" writes one\n'


# --- the keys of encrypted rooms ----------------------------------------------------------------------------------

without_extra = pytest.mark.skipif(
    not can_encrypt(), reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only"
)


@without_extra
def test_the_recovery_key_is_printed_and_stays_the_same_as_long_as_its_secret_does(knock: Run, here: Path) -> None:
    assert knock(*INIT)[0] == 0

    status, first, _ = knock("recovery-key")
    assert (status, len(first.split())) == (0, 12)
    assert knock("recovery-key") == (0, first, "")

    written = (here / "config.yaml").read_text().replace("pickle_key: '", "pickle_key: 'x")
    (here / "config.yaml").write_text(written)
    assert knock("recovery-key")[1] != first


@without_extra
def test_keys_are_forgotten_once_and_again(knock: Run) -> None:
    assert knock(*INIT)[0] == 0

    assert knock("forget-keys")[0] == 0
    assert knock("forget-keys")[0] == 0


@pytest.mark.parametrize("command", ["recovery-key", "forget-keys"])
def test_without_the_extra_there_are_no_keys(knock: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr(knockbot.cli, "can_encrypt", lambda: False)
    monkeypatch.setattr(knockbot.cli.init, "can_encrypt", lambda: False)
    assert knock(*INIT)[0] == 0

    status, _, told = knock(command)

    assert status == 1
    assert "knockbot[e2ee]" in told


@pytest.mark.parametrize("there", [True, False])
def test_init_allows_encryption_where_the_extra_is_there(
    knock: Run, here: Path, monkeypatch: pytest.MonkeyPatch, *, there: bool
) -> None:
    monkeypatch.setattr("knockbot.config.settings.can_encrypt", lambda: there)
    monkeypatch.setattr(knockbot.cli.init, "can_encrypt", lambda: there)
    assert knock(*INIT)[0] == 0

    settings = load(here / "config.yaml", {})

    assert settings.encryption.allow is there
    assert len(settings.encryption.pickle_key or "") >= 64
