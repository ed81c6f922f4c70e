"""config.yaml becomes settings that are whole and right, or a line for each mistake that says where to mend it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from synapse.appservice import Scopes
from synapse.config.appservice import load_appservices

from knockbot.config.policies import read_policy
from knockbot.config.registration import registration, registration_differences
from knockbot.config.settings import SETTINGS, AppService, Defaults, Encryption, Issuing, Logging, Metrics, Settings
from knockbot.config.sources import EXAMPLE_TOKENS, SECRETS, known_keys, load
from knockbot.config.values import Format, Level, Listen, Permission, Trust
from knockbot.demo.certificates import Authority
from knockbot.documents import schema
from knockbot.documents.schema import Faults, Form, Key, Named, Table
from knockbot.documents.yaml import read_document
from knockbot.domain.model import Verdict
from knockbot.errors import Fault
from tests.cases import case

ROOT = Path(__file__).parents[1]

NEEDED = """\
homeserver:
  address: http://localhost:8008
  domain: example.org
appservice:
  address: http://localhost:29331
  as_token: the-as-token
  hs_token: the-hs-token
"""

Load = Callable[..., Settings]


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Write a config.yaml and load it, in a directory of its own."""
    monkeypatch.chdir(tmp_path)

    def write_and_load(text: str = NEEDED, **environ: str) -> Settings:
        Path("config.yaml").write_text(text, encoding="utf-8")
        return load(Path("config.yaml"), environ)

    return write_and_load


BARE_WORD = "expected a user ID (@alice:example.org) or a server's name"
NO_GLOB = 'expected no glob but a user, a server or "*" alone, found "{}"'


def faults_of(loaded: Load, text: str = NEEDED, **environ: str) -> list[str]:
    with pytest.raises(Fault) as caught:
        loaded(text, **environ)
    return str(caught.value).splitlines()


# --- what is read -------------------------------------------------------------------------------------------------


def test_what_is_needed_is_enough(loaded: Load, tmp_path: Path) -> None:
    settings = loaded()

    assert settings.homeserver.address == "http://localhost:8008"
    assert settings.homeserver.domain == "example.org"
    assert settings.appservice.address == "http://localhost:29331"
    assert settings.appservice.as_token == "the-as-token"
    assert settings.appservice.hs_token == "the-hs-token"
    assert (settings.appservice.hostname, settings.appservice.port) == ("127.0.0.1", 29331)
    assert settings.bot_user_id == "@knockbot:example.org"
    assert settings.database == f"sqlite:{tmp_path}/knockbot.db"
    assert settings.permissions == {}
    assert settings.rooms == {}
    assert settings.identity_servers == {}
    assert settings.issuing == Issuing(per_moderator=10, per_room=30)
    assert settings.issuing.keep_addresses == 30 * 24 * 3600 * 1000
    assert settings.defaults.policy.policy.otherwise is Verdict.FORWARD
    assert settings.metrics == Metrics()
    assert settings.logging == Logging()


def test_everything_may_be_said(loaded: Load) -> None:
    settings = loaded(
        NEEDED
        + """\
  hostname: 0.0.0.0
  port: 1234
  id: door
  bot_username: porter
  bot_displayname: The Porter
  bot_avatar: mxc://example.org/abc_DEF-123
database: postgres://knockbot:secret@db/knockbot
permissions: {"*": user, "@alice:example.org": admin}
defaults: {policy: {otherwise: reject}}
rooms:
  "!abc:example.org": {management_room: "#mods:example.org"}
  "#garden:example.org":
    management_room: "!mods"
    policy: {otherwise: accept}
identity_servers:
  "Id.Example:8443": {url: "https://id.example:8443/", accept_terms: ["https://id.example/terms"]}
  vector.im: {url: https://vector.im, accept_terms: true}
issuing: {per_moderator: 0, per_room: 7, keep_addresses: 12h}
metrics: {enabled: true, listen: "[::1]:9000"}
logging: {level: debug, format: json}
"""
    )

    assert settings.appservice == AppService(
        address="http://localhost:29331",
        hostname="0.0.0.0",
        port=1234,
        id="door",
        bot_username="porter",
        bot_displayname="The Porter",
        bot_avatar="mxc://example.org/abc_DEF-123",
        as_token="the-as-token",
        hs_token="the-hs-token",
    )
    assert settings.bot_user_id == "@porter:example.org"
    assert settings.database == "postgres://knockbot:secret@db/knockbot"
    assert settings.permissions == {"*": Permission.USER, "@alice:example.org": Permission.ADMIN}
    assert settings.defaults.policy.policy.otherwise is Verdict.REJECT
    assert settings.rooms["!abc:example.org"].management_room == "#mods:example.org"
    assert settings.rooms["!abc:example.org"].policy is None
    garden = settings.rooms["#garden:example.org"].policy
    assert garden is not None
    assert garden.policy.otherwise is Verdict.ACCEPT
    assert list(settings.identity_servers) == ["id.example:8443", "vector.im"]
    assert settings.identity_servers["id.example:8443"].url == "https://id.example:8443"
    assert settings.identity_servers["id.example:8443"].accept_terms == ("https://id.example/terms",)
    assert settings.identity_servers["vector.im"].accept_terms is True
    assert (settings.issuing.per_moderator, settings.issuing.per_room) == (0, 7)
    assert settings.issuing.keep_addresses == 12 * 3600 * 1000
    assert settings.metrics == Metrics(enabled=True, listen=Listen("::1", 9000))
    assert str(settings.metrics.listen) == "[::1]:9000"
    assert settings.logging == Logging(level=Level.DEBUG, format=Format.JSON)


def test_a_part_whose_keys_are_all_commented_out_is_an_empty_one(loaded: Load) -> None:
    assert loaded(NEEDED + "permissions:\n  # nobody yet\nrooms:\nlogging:\n") == loaded()


def test_a_slash_at_the_end_of_an_address_makes_no_difference(loaded: Load) -> None:
    settings = loaded(NEEDED.replace("localhost:8008", "localhost:8008/"))

    assert settings.homeserver.address == "http://localhost:8008"


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("sqlite:rel.db", "{here}/rel.db"),
        ("sqlite:data/rel.db", "{here}/data/rel.db"),
        ("sqlite:/abs/knock.db", "/abs/knock.db"),
        ("sqlite:a b%20#c?.db", "{here}/a%20b%2520%23c%3F.db"),
    ],
)
def test_an_sqlite_file_is_beside_the_config_unless_its_path_is_whole(
    loaded: Load, tmp_path: Path, written: str, path: str
) -> None:
    settings = loaded(NEEDED + f"database: '{written}'")

    assert settings.database == "sqlite:" + path.format(here=tmp_path)


def test_relative_paths_start_at_the_config_and_not_where_knockbot_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "config.yaml").write_text(NEEDED.replace("as_token: the-as-token", "as_token_file: token"))
    (there / "token").write_text("from-the-file\n")
    monkeypatch.chdir(tmp_path)

    settings = load(Path("there/config.yaml"), {})

    assert settings.database == f"sqlite:{there}/knockbot.db"
    assert settings.appservice.as_token == "from-the-file"


PERMISSIONS = """\
permissions:
  "*": user
  Example.ORG: admin
  other.org:8448: admin
  "@bob:example.org": user
"""


@pytest.mark.parametrize(
    ("user_id", "permission"),
    [
        ("@bob:example.org", Permission.USER),
        ("@alice:example.org", Permission.ADMIN),
        ("@alice:EXAMPLE.org", Permission.ADMIN),
        ("@alice:other.org:8448", Permission.ADMIN),
        ("@alice:other.org", Permission.USER),
        ("@alice:sub.example.org", Permission.USER),
        ("@BOB:example.org", Permission.ADMIN),
        ("alice", None),
        ("*", None),
        ("example.org", None),
        ("", None),
    ],
)
def test_the_nearest_permission_counts(loaded: Load, user_id: str, permission: Permission | None) -> None:
    assert loaded(NEEDED + PERMISSIONS).permission_of(user_id) is permission


def test_who_is_not_named_has_no_permission(loaded: Load) -> None:
    assert loaded(NEEDED + 'permissions: {"@bob:example.org": admin}').permission_of("@eve:example.org") is None


def test_a_policy_keeps_a_text_that_reads_back_as_the_same_policy(loaded: Load) -> None:
    policy = "{rules: [{name: 'yes', when: {server: ['*.a']}, then: ban, reason: '12'}], otherwise: reject}"
    written = loaded(NEEDED + f"defaults: {{policy: {policy}}}").defaults.policy

    assert written.policy.rules[0].name == "yes"
    assert read_policy(written.text) == written.policy


def test_settings_never_show_their_secrets(loaded: Load) -> None:
    settings = loaded(NEEDED + "database: postgres://knockbot:the-password@db/knockbot")

    for shown in (repr(settings), str(settings), repr(settings.appservice)):
        assert "the-as-token" not in shown
        assert "the-hs-token" not in shown
        assert "the-password" not in shown


CA = """\
identity_servers:
  id.example:
    url: https://id.example
    ca_file: ca.pem
"""


def test_the_authority_of_an_identity_server_is_a_file_beside_the_config(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(Authority().certificate)

    assert loaded(NEEDED + CA).identity_servers["id.example"].ca_file == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "No such file or directory"),
        ("", "it has no certificates in PEM form"),
        ("not a certificate", "it has no certificates in PEM form"),
    ],
)
def test_an_authority_that_cannot_be_read_is_a_mistake(
    loaded: Load, tmp_path: Path, found: str | None, why: str
) -> None:
    if found is not None:
        (tmp_path / "ca.pem").write_text(found)

    assert faults_of(loaded, NEEDED + CA) == [
        f'config.yaml:11: identity_servers."id.example".ca_file: cannot read {tmp_path / "ca.pem"}: {why}'
    ]


# --- mistakes in the file -----------------------------------------------------------------------------------------


AVATAR = 'expected the address of a picture on a homeserver, mxc://SERVER/ID, found "{}"'
SQLITE = "expected sqlite:knockbot.db (next to config.yaml) or sqlite:/path/knockbot.db, without //"
DATABASE = "expected sqlite:knockbot.db or postgres://user:password@host/knockbot"
POSTGRES = (
    "expected postgres://user:password@host/knockbot; in the password, # / ? [ ] @ and % are written %23 %2F "
    "%3F %5B %5D %40 and %25"
)
TOKEN = "expected a token: neither empty nor with blanks in it"
WRONG_POLICY = """\
defaults:
  policy:
    rules:
      - when: {server: a}
        then: bann
"""
WRONG_POLICY_OF_A_ROOM = """\
rooms:
  "#a:a.org":
    management_room: "#b:a.org"
    policy:
      otherwise: nothing
"""


@pytest.mark.parametrize(
    ("line", "place", "words"),
    [
        ("  prot: 1234", "8: appservice.prot", 'unknown key "prot"; did you mean "port"?'),
        (
            "  as_token_flie: x",
            "8: appservice.as_token_flie",
            'unknown key "as_token_flie"; did you mean "as_token_file"?',
        ),
        ("databse: sqlite:x.db", "8: databse", 'unknown key "databse"; did you mean "database"?'),
        ("  port: abc", "8: appservice.port", 'expected a number, found "abc"'),
        ("  port: '29331'", "8: appservice.port", 'expected a number, found "29331"'),
        ("  port: true", "8: appservice.port", "expected a number, found true"),
        ("  port: 1.5", "8: appservice.port", "expected a number, found 1.5"),
        ("  port: 0", "8: appservice.port", "expected a port from 1 to 65535, found 0"),
        ("  port: 65536", "8: appservice.port", "expected a port from 1 to 65535, found 65536"),
        ("  port:", "8: appservice.port", "expected a number, found nothing"),
        ("  hostname: http://x", "8: appservice.hostname", 'expected a host name or an IP address, found "http://x"'),
        ("  id: a b", "8: appservice.id", 'expected letters, digits and . _ ~ - only, found "a b"'),
        (
            "  bot_username: Knock Bot",
            "8: appservice.bot_username",
            'expected lower-case letters, digits and . _ = - / + only, found "Knock Bot"',
        ),
        ("  bot_displayname: ''", "8: appservice.bot_displayname", "expected text, found none"),
        *(
            (f"  bot_avatar: {uri}", "8: appservice.bot_avatar", AVATAR.format(uri))
            for uri in (
                "picture.png",
                "https://example.org/picture.png",
                "mxc://example.org",
                "mxc://example.org/a/b",
                "mxc://example org/a",
            )
        ),
        ("  bot_displayname: 12", "8: appservice.bot_displayname", "expected text, found 12: put it in quotes"),
        ("database: sqlite://knock.db", "8: database", SQLITE),
        ("database: sqlite:///abs/knock.db", "8: database", SQLITE),
        (
            "database: 'sqlite::memory:'",
            "8: database",
            "expected the path of a file: what knockbot has promised must outlive a restart",
        ),
        ("database: knock.db", "8: database", DATABASE),
        ("database: 'sqlite:'", "8: database", DATABASE),
        ("database: mysql://u:p@h/d", "8: database", DATABASE),
        ("database: postgres:d", "8: database", DATABASE),
        ("database: 'postgres://u:the#password@h/d'", "8: database", POSTGRES),
        ("database: 'postgres://u:12#34@h/d'", "8: database", POSTGRES),
        ("database: 'postgres://u:the/password@h/d'", "8: database", POSTGRES),
        ("database: 'postgres://u:the[password@h/d'", "8: database", POSTGRES),
        ("database: postgres://u:p@h:99999/d", "8: database", POSTGRES),
        ("database: 12", "8: database", DATABASE),
        ("database:", "8: database", DATABASE),
        ("permissions: [a]", "8: permissions", 'expected keys and values, found a list; remove the "-" before them'),
        ("permissions: {a.org: owner}", '8: permissions."a.org"', 'unknown word "owner"; known: user, admin'),
        ("permissions: {a.org: amdin}", '8: permissions."a.org"', 'unknown word "amdin"; did you mean "admin"?'),
        ("permissions: {alice: user}", "8: permissions.alice", BARE_WORD),
        ("permissions: {admin: user}", "8: permissions.admin", BARE_WORD.replace("alice", "admin")),
        ("permissions: {'*.a.org': user}", '8: permissions."*.a.org"', NO_GLOB.format("*.a.org")),
        ("permissions: {'@*:a.org': user}", '8: permissions."@*:a.org"', NO_GLOB.format("@*:a.org")),
        ("permissions: {'@bob?:a.org': user}", '8: permissions."@bob?:a.org"', NO_GLOB.format("@bob?:a.org")),
        ("permissions: {'**': user}", '8: permissions."**"', NO_GLOB.format("**")),
        (
            "permissions:\n  a.org: user\n  alice: admin\n  '@bob': user",
            '11: permissions."@bob"',
            'expected "*", a server or a full user ID, found "@bob"',
        ),
        (
            "rooms: {'garden': {management_room: '#m:a.org'}}",
            "8: rooms.garden",
            'expected a room such as #garden:example.org or its !id, found "garden"',
        ),
        ("rooms:\n  '#a:a.org': {}", '9: rooms."#a:a.org".management_room', "missing"),
        ("rooms:\n  '#a:a.org': yes", '9: rooms."#a:a.org"', 'expected keys and values, found "yes"'),
        (
            "identity_servers: {'https://a.org': {url: https://a.org}}",
            '8: identity_servers."https://a.org"',
            'expected the name of an identity server such as vector.im, found "https://a.org"',
        ),
        (
            "identity_servers:\n  A.org: {url: https://a.org}\n  a.org: {url: https://b.org}",
            '10: identity_servers."a.org"',
            '"a.org" is here a second time, in another spelling',
        ),
        ("identity_servers: {a: {}}", "8: identity_servers.a.url", "missing"),
        ("identity_servers: {a: https://a}", "8: identity_servers.a", 'expected keys and values, found "https://a"'),
        (
            "identity_servers: {a: {url: a}}",
            "8: identity_servers.a.url",
            'expected an http:// or https:// URL, found "a"',
        ),
        (
            "identity_servers:\n  a:\n    url: https://a\n    accept_term: true",
            "11: identity_servers.a.accept_term",
            'unknown key "accept_term"; did you mean "accept_terms"?',
        ),
        (
            "issuing: {per_moderator: -1}",
            "8: issuing.per_moderator",
            "expected a whole number from 0 to 100000, found -1",
        ),
        (
            "issuing: {per_room: many}",
            "8: issuing.per_room",
            'expected a whole number from 0 to 100000, found "many"',
        ),
        (
            "issuing: {keep_addresses: 30}",
            "8: issuing.keep_addresses",
            "expected a time such as 30m, 12h or 7d, found 30",
        ),
        (
            "identity_servers: {a: {url: https://a, accept_terms: all}}",
            "8: identity_servers.a.accept_terms",
            'expected true, false or a list of URLs, found "all"',
        ),
        (
            "identity_servers: {a: {url: https://a, accept_terms: [https://a/terms, 1.0]}}",
            "8: identity_servers.a.accept_terms",
            "expected text, found 1.0: put it in quotes",
        ),
        (
            "identity_servers: {a: {url: https://a, accept_terms: [terms]}}",
            "8: identity_servers.a.accept_terms",
            'expected the URLs of terms, found "terms"',
        ),
        (
            "rooms:\n  '#a:a.org': {management_room: '#a:a.org'}",
            '9: rooms."#a:a.org".management_room',
            "expected another room than the one it manages",
        ),
        (
            "rooms:\n  '#a:a.org':\n    managment_room: '#b:a.org'\n    management_room: '#b:a.org'",
            '10: rooms."#a:a.org".managment_room',
            'unknown key "managment_room"; did you mean "management_room"?',
        ),
        ("defaults: {policy: 5}", "8: defaults.policy", "expected keys and values, found 5"),
        (WRONG_POLICY, "12: defaults.policy", 'rule #1: then: unknown word "bann"; did you mean "ban"?'),
        (
            WRONG_POLICY_OF_A_ROOM,
            '12: rooms."#a:a.org".policy',
            'otherwise: unknown word "nothing"; known: accept, forward, reject, ban, ask',
        ),
        ("metrics: {enabled: yes}", "8: metrics.enabled", 'expected true or false, found "yes"'),
        ("metrics: {listen: 9000}", "8: metrics.listen", "expected text, found 9000: put it in quotes"),
        ("metrics: {listen: localhost}", "8: metrics.listen", 'expected host:port, found "localhost"'),
        ("metrics: {listen: '::1:80'}", "8: metrics.listen", 'expected host:port, found "::1:80"'),
        ("metrics: {listen: '29332:1'}", "8: metrics.listen", 'expected a host name or an IP address, found "29332"'),
        ("metrics: {listen: 'a:99999'}", "8: metrics.listen", "expected a port from 1 to 65535, found 99999"),
        ("logging: {level: loud}", "8: logging.level", 'unknown word "loud"; known: debug, info, warning, error'),
        ("logging: {format: xml}", "8: logging.format", 'unknown word "xml"; known: text, json'),
        ("logging: debug", "8: logging", 'expected keys and values, found "debug"'),
        ("port: 1\n  x: y", "9", 'a ":" where none is possible: begin a new line, or put quotes around text with ":"'),
        ("homeserver: {}", "8", 'the key "homeserver" is here a second time (first: line 1)'),
    ],
)
def test_each_mistake_is_named_by_file_line_and_key(loaded: Load, line: str, place: str, words: str) -> None:
    assert faults_of(loaded, NEEDED + line) == [f"config.yaml:{place}: {words}"]


HOMESERVER, SERVICE = "http://localhost:8008", "http://localhost:29331"


@pytest.mark.parametrize(
    ("right", "wrong", "place", "words"),
    [
        (HOMESERVER, "localhost:8008", "2: homeserver.address", "expected an http:// or https:// URL, found {}"),
        (HOMESERVER, "ftp://localhost", "2: homeserver.address", "expected an http:// or https:// URL, found {}"),
        (HOMESERVER, "http://", "2: homeserver.address", "expected an http:// or https:// URL, found {}"),
        (HOMESERVER, "http://local host", "2: homeserver.address", "expected an http:// or https:// URL, found {}"),
        (HOMESERVER, "http://localhost:port", "2: homeserver.address", "expected a URL, found {}"),
        (HOMESERVER, "http://[::1", "2: homeserver.address", "expected a URL, found {}"),
        (
            SERVICE,
            "http://me@host",
            "5: appservice.address",
            "expected a URL without user, query or fragment, found {}",
        ),
        (
            SERVICE,
            "http://host?a=b",
            "5: appservice.address",
            "expected a URL without user, query or fragment, found {}",
        ),
        (
            "example.org",
            "https://a.org",
            "3: homeserver.domain",
            "expected a server name such as example.org, found {}",
        ),
        ("example.org", "a" * 247, "4: appservice.bot_username", "too long: a user ID has at most 255 characters"),
        ("  domain: example.org\n", "", "1: homeserver.domain", "missing"),
        ("  as_token: the-as-token\n", "", "4: appservice.as_token", "missing"),
        ("the-hs-token", "''", "7: appservice.hs_token", TOKEN),
        ("the-hs-token", "a b", "7: appservice.hs_token", TOKEN),
        ("the-hs-token", "123456", "7: appservice.hs_token", "expected text; put the token in quotes"),
        ("the-hs-token", "the-as-token", "7: appservice.hs_token", "expected another token than as_token"),
    ],
)
def test_each_mistake_in_what_is_needed_is_named_too(
    loaded: Load, right: str, wrong: str, place: str, words: str
) -> None:
    said = words.format(f'"{wrong}"')

    assert faults_of(loaded, NEEDED.replace(right, wrong, 1)) == [f"config.yaml:{place}: {said}"]


def test_all_mistakes_are_told_at_once_in_their_order(loaded: Load) -> None:
    with pytest.raises(Faults) as caught:
        loaded("logging: {level: loud}\nappservice:\n  port: abc\n  hs_token: x\nmetric: {}\n")

    assert str(caught.value).splitlines() == [
        "config.yaml: homeserver.address: missing",
        "config.yaml: homeserver.domain: missing",
        'config.yaml:1: logging.level: unknown word "loud"; known: debug, info, warning, error',
        "config.yaml:2: appservice.address: missing",
        "config.yaml:2: appservice.as_token: missing",
        'config.yaml:3: appservice.port: expected a number, found "abc"',
        'config.yaml:5: metric: unknown key "metric"; did you mean "metrics"?',
    ]
    assert [str(fault) for fault in caught.value.faults] == str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "config.yaml:1: nothing is written here"),
        (b"- a\n", 'config.yaml:1: expected keys and values, found a list; remove the "-" before them'),
        (b"just words", 'config.yaml:1: expected keys and values, found "just words"'),
        (b"\xff\xfe", "config.yaml: cannot be read: it is not UTF-8 text"),
        (b"a: 1\nb: \0", "config.yaml:2: the character U+0000 is not accepted"),
        (b"#" * 1_100_000, "config.yaml: too long: 1100000 characters, at most 1048576"),
    ],
)
def test_a_file_that_is_no_config_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_bytes(content)

    with pytest.raises(Fault, match=f"^{re.escape(fault)}$"):
        load(Path("config.yaml"), {})


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    absent, directory = tmp_path / "absent.yaml", tmp_path

    with pytest.raises(Fault, match=r'absent\.yaml: there is no such file; "knockbot init" writes one$'):
        load(absent, {})
    with pytest.raises(Fault, match=r"cannot be read: Is a directory$"):
        load(directory, {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    forbidden = tmp_path / "config.yaml"
    forbidden.touch(mode=0)

    with pytest.raises(Fault, match=r"cannot be read: Permission denied$"):
        load(forbidden, {})


def test_a_fault_never_shows_a_secret(loaded: Load) -> None:
    text = NEEDED.replace("the-as-token", "my secret").replace("the-hs-token", "31337")
    lines = faults_of(loaded, text + "database: mysql://u:hunter2@h/d", KNOCKBOT_APPSERVICE__ID="a b")

    assert len(lines) == 4
    assert not re.search("my secret|31337|hunter2", "\n".join(lines))


# --- the environment ----------------------------------------------------------------------------------------------


def test_every_kind_of_key_can_come_from_the_environment(loaded: Load) -> None:
    settings = loaded(
        NEEDED + "logging: {level: error, format: json}\npermissions: {a.org: user}\n",
        KNOCKBOT_HOMESERVER__DOMAIN="env.example",
        KNOCKBOT_APPSERVICE__PORT="1234",
        KNOCKBOT_APPSERVICE__AS_TOKEN="0x12 #'\"".replace(" ", ""),
        KNOCKBOT_APPSERVICE__BOT_DISPLAYNAME="Door: 1 #2",
        KNOCKBOT_DATABASE="postgres://u:p@h/d",
        KNOCKBOT_PERMISSIONS="{'*': admin}",
        KNOCKBOT_DEFAULTS__POLICY="{otherwise: ban}",
        KNOCKBOT_ROOMS="{'#a:a.org': {management_room: '#b:a.org'}}",
        KNOCKBOT_METRICS="{enabled: true, listen: 'a:1'}",
        KNOCKBOT_METRICS__LISTEN="b:2",
        KNOCKBOT_LOGGING__LEVEL="debug",
        PATH="/bin",
    )

    assert settings.homeserver.domain == "env.example"
    assert settings.appservice.port == 1234
    assert settings.appservice.as_token == "0x12#'\""
    assert settings.appservice.bot_displayname == "Door: 1 #2"
    assert settings.database == "postgres://u:p@h/d"
    assert settings.permissions == {"*": Permission.ADMIN}
    assert settings.defaults.policy.policy.otherwise is Verdict.BAN
    assert list(settings.rooms) == ["#a:a.org"]
    assert (settings.metrics.enabled, settings.metrics.listen) == (True, Listen("b", 2))
    assert (settings.logging.level, settings.logging.format) == (Level.DEBUG, Format.JSON)


def test_the_environment_can_give_what_the_file_lacks_or_has_wrong(loaded: Load) -> None:
    text = NEEDED.replace("  as_token: the-as-token\n", "  port: abc\n")
    settings = loaded(text, KNOCKBOT_APPSERVICE__AS_TOKEN="t", KNOCKBOT_APPSERVICE__PORT="1234")

    assert (settings.appservice.as_token, settings.appservice.port) == ("t", 1234)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("APPSERVICE__PORT", "abc", 'expected a number, found "abc"'),
        ("APPSERVICE__PORT", "", "nothing is written here"),
        ("APPSERVICE__PORT", "[1", "a bracket is never closed"),
        ("APPSERVICE__AS_TOKEN", "", TOKEN),
        ("APPSERVICE__PROT", "1", 'unknown key "prot"; did you mean "port"?'),
        ("APSERVICE__PORT", "1", 'unknown key "apservice"; did you mean "appservice"?'),
        ("DATABSE", "x", 'unknown key "databse"; did you mean "database"?'),
        ("DATABASE", "sqlite://x", SQLITE),
        ("DATABASE__URL", "x", "cannot be set by itself; give KNOCKBOT_DATABASE the whole, as YAML"),
        ("APPSERVICE", "x", 'expected keys and values, found "x"'),
        ("METRICS__ENABLED", "yes", 'expected true or false, found "yes"'),
        ("PERMISSIONS", "{'*': usr}", '"*": unknown word "usr"; did you mean "user"?'),
        ("PERMISSIONS__X", "user", "cannot be set by itself; give KNOCKBOT_PERMISSIONS the whole, as YAML"),
        ("ROOMS__A__POLICY", "{}", "cannot be set by itself; give KNOCKBOT_ROOMS the whole, as YAML"),
        ("DEFAULTS__POLICY", "{rules: [{}]}", "rule #1: then: missing"),
        ("DEFAULTS__POLICY__OTHERWISE", "ban", "cannot be set by itself; give KNOCKBOT_DEFAULTS the whole, as YAML"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(loaded: Load, name: str, value: str, fault: str) -> None:
    assert faults_of(loaded, NEEDED, **{f"KNOCKBOT_{name}": value}) == [f"KNOCKBOT_{name}: {fault}"]


@pytest.mark.parametrize("service", ["", "METRICS_", "APPSERVICE_", "WEB_1_"])
def test_what_kubernetes_puts_there_beside_services_called_knockbot_is_not_ours(loaded: Load, service: str) -> None:
    theirs = {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT": "29331",
        "SERVICE_PORT_HTTP": "29331",
        "PORT": "tcp://10.0.0.1:29331",
        "PORT_29331_TCP": "tcp://10.0.0.1:29331",
        "PORT_29331_TCP_PROTO": "tcp",
        "PORT_29331_TCP_PORT": "29331",
        "PORT_29331_TCP_ADDR": "10.0.0.1",
        "PORT_53_UDP": "udp://10.0.0.1:53",
    }

    assert loaded(NEEDED, **{f"KNOCKBOT_{service}{name}": value for name, value in theirs.items()}) == loaded()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APPSERVICE_PORT", "29331"),
        ("PORT", "29331"),
        ("APPSERVICE__SERVICE_HOST", "10.0.0.1"),
        ("APPSERVICE_AS_TOKEN", "x"),
        ("METRICS_LISTEN", "a:1"),
    ],
)
def test_a_misspelt_variable_is_not_taken_for_one_of_kubernetes(loaded: Load, name: str, value: str) -> None:
    [fault] = faults_of(loaded, NEEDED, **{f"KNOCKBOT_{name}": value})

    assert fault.startswith(f"KNOCKBOT_{name}: unknown key")


def test_a_variable_that_is_ours_counts_beside_those_of_kubernetes(loaded: Load) -> None:
    settings = loaded(NEEDED, KNOCKBOT_APPSERVICE__PORT="1234", KNOCKBOT_APPSERVICE_PORT="tcp://10.0.0.1:29331")

    assert settings.appservice.port == 1234


# --- secrets in a wrong place -------------------------------------------------------------------------------------

STRAY = "syt_Ym90_MntSWzKXoZPXPrWEZZKA_2yoIzM"


@pytest.mark.parametrize(
    "line",
    [
        f"  id: '{STRAY}='\n",
        f"  {STRAY}: as_token\n",
        f"{STRAY}: as_token\n",
        f"appservices: {STRAY}\n",
        f"metrics: {STRAY}\n",
        f"metrics: {{enabled: {STRAY}}}\n",
        f"metrics: {{listen: {STRAY}}}\n",
        f"logging: {{level: {STRAY}}}\n",
        f"permissions: {{{STRAY}: user}}\n",
        f"permissions: {{a.org: {STRAY}}}\n",
        f"rooms: {{{STRAY}: {{}}}}\n",
        f"encryption: {{pickle_key: [{STRAY}]}}\n",
        f"encryption: {{trust: {STRAY}}}\n",
        f"database: {STRAY}\n",
        f"database_file: {STRAY}\n",
        f"database_file: postgres://knockbot:{STRAY}@localhost/knockbot\n",
        f"encryption: {{pickle_key_file: {STRAY}}}\n",
        f"identity_servers: {{a.org: {{url: 'https://bob:{STRAY}@a.org'}}}}\n",
        f"identity_servers: {{a.org: {{url: 'https://a.org/?access_token={STRAY}'}}}}\n",
        f"identity_servers: {{a.org: {{url: {STRAY}}}}}\n",
        f"logging: {{level: debug}}\n? {STRAY}\n: 1\n? {STRAY}\n: 2\n",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_told(loaded: Load, line: str) -> None:
    faults = faults_of(loaded, NEEDED + line)

    assert faults
    assert not any(STRAY[:12] in fault for fault in faults), faults


@pytest.mark.parametrize("url", ["https://bob:hunter2@hs.example", "https://hs.example?access_token=hunter2"])
def test_a_password_in_an_address_is_not_told(loaded: Load, url: str) -> None:
    [fault] = faults_of(loaded, NEEDED.replace("http://localhost:8008", url))

    assert "expected a URL without user, query or fragment" in fault
    assert "hs.example" in fault
    assert "hunter2" not in fault


@pytest.mark.parametrize("key", ["id", "bot_username", "bot_displayname"])
@pytest.mark.parametrize("secret", ["the-as-token", "the-hs-token"])
def test_a_secret_that_everybody_would_see_is_refused(loaded: Load, key: str, secret: str) -> None:
    [fault] = faults_of(loaded, NEEDED + f"  {key}: {secret}\n")

    assert fault.endswith(f"appservice.{key}: this is one of the secrets, and everyone would see it")


# --- secrets in files ---------------------------------------------------------------------------------------------

IN_FILES = (
    NEEDED.replace("as_token: the-as-token", "as_token_file: as.txt").replace("hs_token: the", "hs_token_file: the")
    + "database_file: db.txt\n"
)


def test_secrets_can_come_from_files(loaded: Load, tmp_path: Path) -> None:
    Path("as.txt").write_text("one\n")
    Path("the-hs-token").write_text("  two\r\n")
    Path("db.txt").write_text("sqlite:x.db\n")

    settings = loaded(IN_FILES)

    assert settings.appservice.as_token == "one"
    assert settings.appservice.hs_token == "two"
    assert settings.database == f"sqlite:{tmp_path}/x.db"


def test_a_secret_file_that_cannot_be_used_is_named_once(loaded: Load, tmp_path: Path) -> None:
    Path("the-hs-token").write_text("a b")
    Path("db.txt").write_bytes(b"\xff")

    assert faults_of(loaded, IN_FILES) == [
        f"config.yaml:6: appservice.as_token_file: cannot read {tmp_path}/as.txt: No such file or directory",
        f"config.yaml:7: appservice.hs_token_file: {TOKEN}",
        f"config.yaml:8: database_file: cannot read {tmp_path}/db.txt: it is not UTF-8 text",
    ]


def test_a_secret_given_in_both_ways_is_a_mistake(loaded: Load) -> None:
    Path("as.txt").write_text("one")

    assert faults_of(loaded, NEEDED + "  as_token_file: as.txt") == [
        "config.yaml:8: appservice.as_token_file: as_token is given too; only one of the two is accepted"
    ]


def test_a_secret_from_the_environment_wins_in_either_way(loaded: Load) -> None:
    Path("as.txt").write_text("from-file")

    by_value = loaded(NEEDED + "  as_token_file: gone.txt", KNOCKBOT_APPSERVICE__AS_TOKEN="from-env")
    by_file = loaded(NEEDED, KNOCKBOT_APPSERVICE__AS_TOKEN_FILE="as.txt")

    assert by_value.appservice.as_token == "from-env"
    assert by_file.appservice.as_token == "from-file"


def test_a_secret_file_named_by_the_environment_that_cannot_be_read_names_the_variable(
    loaded: Load, tmp_path: Path
) -> None:
    assert faults_of(loaded, NEEDED, KNOCKBOT_DATABASE_FILE="gone.txt") == [
        f"KNOCKBOT_DATABASE_FILE: cannot read {tmp_path}/gone.txt: No such file or directory"
    ]


# --- policies in chat ---------------------------------------------------------------------------------------------


def test_a_policy_typed_in_chat_is_read_and_its_mistakes_have_a_line() -> None:
    assert read_policy("otherwise: ban").otherwise is Verdict.BAN

    with pytest.raises(Fault, match=r'^line 3: rule "spam": then: unknown word "bann"; did you mean "ban"\?$'):
        read_policy("rules:\n  - {name: spam, when: {server: a},\n     then: bann}")
    with pytest.raises(Fault, match=r"^line 1: nothing is written here$"):
        read_policy("")


def test_a_policy_that_would_take_too_much_memory_is_refused_and_thousands_of_globs_are_not() -> None:
    patterns = ", ".join(f"a{number}" for number in range(2000))
    with pytest.raises(
        Fault, match=r"^it would take too much memory, [0-9]+ MB, at most 16: it has too many patterns$"
    ):
        read_policy(f"rules: [{{when: {{reason_matches: [{patterns}]}}, then: ban}}]")

    globs = ", ".join(f"'*{number}*'" for number in range(6000))
    assert read_policy(f"rules: [{{when: {{user: [{globs}]}}, then: ban}}]").memory < 4 * 2**20
    with pytest.raises(Fault, match=r"^garden:1: expected keys and values, found"):
        read_policy("hello", "garden")


# --- the manual ---------------------------------------------------------------------------------------------------

MANUAL = ROOT / "config.example.yaml"


def test_the_manual_is_a_config_that_loads() -> None:
    settings = load(MANUAL, {})

    assert {settings.appservice.as_token, settings.appservice.hs_token} == EXAMPLE_TOKENS


def all_keys() -> list[tuple[str, ...]]:
    parts = [(str(name),) for name in known_keys()]
    inner = [(part, key) for (part,) in parts for key in known_keys((part,))]
    named = {"rooms": "#any:example.org", "identity_servers": "id.example"}
    return [*parts, *inner, *((part, "*", key) for part, name in named.items() for key in known_keys((part, name)))]


def test_every_key_there_is_has_been_counted() -> None:
    assert len(all_keys()) == 13 + 2 + 13 + 2 + 2 + 2 + 3 + 3 + 1 + 2 + 5
    assert ("appservice", "hs_token_file") in all_keys()


def test_every_key_stands_in_the_manual() -> None:
    manual = MANUAL.read_text(encoding="utf-8")
    for path in all_keys():
        part, levels = manual, len(path)
        if levels > 1:
            part = part.partition(f"\n{path[0]}:\n")[2]
            part = re.split(r"^\w", part, maxsplit=1, flags=re.MULTILINE)[0]

        assert re.search(rf"^ {{{2 * levels - 2}}}(# )?{path[-1]}:", part, re.MULTILINE), path


def rows(keys: Table = SETTINGS.keys, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Key]]:
    for name, row in keys.items():
        if isinstance(row.read, Form):
            yield from rows(row.read.keys, (*path, name))
        elif isinstance(row.read, Named) and isinstance(row.read.value, Form):
            yield from rows(row.read.value.keys, (*path, name, "*"))
        else:
            yield (*path, name), row


def in_manual(path: tuple[str, ...]) -> object:
    """What the manual writes for a key, or nothing where it stands in a comment."""
    value = read_document(MANUAL.read_text(encoding="utf-8")).value
    for step in path:
        value = next(iter(value.values())) if step == "*" else value.get(step)
    return value


def test_each_default_in_the_manual_is_the_real_one() -> None:
    for path, row in rows():
        with case(path):
            if row.written is not schema.NEEDED:
                assert in_manual(path) == row.written
            elif row.default is not schema.NEEDED and path != ("rooms", "*", "policy"):  # there it has an example
                assert in_manual(path) is row.default is None


def test_what_cannot_be_left_out_is_this_much() -> None:
    needed = [path[-1] for path, row in rows() if row.default is schema.NEEDED and not isinstance(row.read, Named)]

    assert needed == ["address", "domain", "address", "as_token", "hs_token", "management_room", "url"]


def test_the_default_database_lies_beside_the_config(loaded: Load) -> None:
    assert loaded().database.endswith("/knockbot.db")
    assert Defaults() == loaded().defaults


def test_every_secret_can_stand_in_a_file_by_the_manual() -> None:
    manual = MANUAL.read_text(encoding="utf-8")

    assert all(f"# {secret[-1]}_file: " in manual for secret in SECRETS)


# --- encryption ---------------------------------------------------------------------------------------------------


def test_without_a_pickle_key_of_its_own_there_is_one_for_each_as_token(loaded: Load) -> None:
    one, other = loaded(), loaded(KNOCKBOT_APPSERVICE__AS_TOKEN="another")

    assert one.encryption == Encryption(allow=False, trust=Trust.ALL, appservice=False)
    assert one.pickle_key != other.pickle_key
    assert one.appservice.as_token != one.pickle_key


def test_a_pickle_key_is_taken_from_a_file_and_never_shown(loaded: Load, tmp_path: Path) -> None:
    secret = "a secret of twenty characters"
    (tmp_path / "key").write_text(f"{secret}\n")

    settings = loaded(NEEDED + f"encryption: {{pickle_key_file: {tmp_path / 'key'}}}\n")

    assert settings.pickle_key == secret
    assert secret not in repr(settings)


@pytest.mark.parametrize("key", ["short", "5", "a secret of twenty\\ncharacters"])
def test_a_pickle_key_that_can_be_guessed_is_refused_and_not_repeated(loaded: Load, key: str) -> None:
    [fault] = faults_of(loaded, NEEDED + f'encryption: {{pickle_key: "{key}"}}\n')

    assert "expected a secret of 20 characters at least" in fault
    assert key not in fault


def test_encryption_without_its_extra_is_a_fault(loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knockbot.config.settings.can_encrypt", lambda: False)

    [fault] = faults_of(loaded, NEEDED + "encryption: {allow: true}\n")

    assert "encryption.allow" in fault
    assert "knockbot[e2ee]" in fault


def test_the_registration_has_the_lines_for_transactions_only_where_they_are_wanted(loaded: Load) -> None:
    pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")
    plain = loaded(NEEDED + "encryption: {allow: true}\n")
    wanted = loaded(NEEDED + "encryption: {allow: true, appservice: true}\n")

    assert registration(plain) == registration(loaded())
    found = read_document(registration(wanted)).value
    assert (found["receive_ephemeral"], found["org.matrix.msc3202"], found["io.element.msc4190"]) == (True, True, True)


def test_the_registration_asks_for_membership_queries_only_where_they_are_wanted(loaded: Load, tmp_path: Path) -> None:
    wanted = loaded(NEEDED, KNOCKBOT_APPSERVICE__MEMBERSHIP_QUERIES="true")
    file = tmp_path / "registration.yaml"
    file.write_text(registration(wanted), encoding="utf-8")

    (service,) = load_appservices("example.org", [str(file)])

    assert service.scopes == {Scopes.QUERY_ROOM_MEMBERSHIP}
    assert "msc4502" not in registration(loaded())
    assert registration_differences(wanted, registration(wanted)) == []
    [difference] = registration_differences(wanted, registration(loaded()))
    assert difference == "io.element.msc4502.scopes is nothing there, and has to be a list"


# --- the registration ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["plain", "0123", "1e5", "yes", "12:30:45", "it's", '"#:{', "ünï"])
def test_synapse_takes_the_registration_and_reads_what_was_meant(loaded: Load, tmp_path: Path, token: str) -> None:
    settings = loaded(
        NEEDED,
        KNOCKBOT_APPSERVICE__AS_TOKEN=token,
        KNOCKBOT_APPSERVICE__BOT_USERNAME="knock.bot",
        KNOCKBOT_APPSERVICE__ID="0x10",
    )
    file = tmp_path / "registration.yaml"
    file.write_text(registration(settings), encoding="utf-8")

    (service,) = load_appservices("example.org", [str(file)])

    assert service.id == "0x10"
    assert service.token == token
    assert service.hs_token == "the-hs-token"
    assert service.url == "http://localhost:29331"
    assert service.is_rate_limited() is False
    assert service.supports_ephemeral is False
    assert service.is_exclusive_user("@knock.bot:example.org")
    assert not service.is_interested_in_user("@knockxbot:example.org")
    assert not service.is_interested_in_user("@knock.bot:example.org.evil.example")
    assert not service.is_interested_in_user("@knock.bott:example.org")
    assert service.sender.to_string().startswith("@_knockbot_")
    assert not service.namespaces["rooms"]
    assert not service.namespaces["aliases"]


def test_the_registration_of_a_config_is_always_the_same_and_differs_between_configs(loaded: Load) -> None:
    once, again = registration(loaded()), registration(loaded())
    other = registration(loaded(NEEDED, KNOCKBOT_APPSERVICE__AS_TOKEN="another"))

    assert once == again
    assert read_document(once).value["sender_localpart"] != read_document(other).value["sender_localpart"]


def test_the_example_registration_is_that_of_the_example_config(caplog: pytest.LogCaptureFixture) -> None:
    example = ROOT / "registration.yaml.example"

    written = read_document(example.read_text(encoding="utf-8")).value

    assert written == read_document(registration(load(MANUAL, {}))).value
    with caplog.at_level(logging.WARNING):
        assert load_appservices("example.org", [str(example)])
    assert not caplog.records
