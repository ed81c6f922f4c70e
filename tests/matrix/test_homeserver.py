"""The HTTP client against a homeserver that answers by script: what it asks, and what it makes of each answer."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import socket
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mautrix.api import Method, Path

from knockbot.app import new_session
from knockbot.domain.reasons import in_words
from knockbot.errors import ActionError, Later, Never
from knockbot.matrix.answers import LARGEST_ITEM, Items
from knockbot.matrix.api import LARGEST, LARGEST_LIST, LONGEST_WISH, SHORTEST_WISH, _wish
from knockbot.matrix.homeserver import MEMBER_FIELDS, MUTUAL_PAGES, Homeserver
from knockbot.matrix.rooms import LONGEST_LISTED, Outside
from tests.cases import case
from tests.matrix.edge import ANA, AS_TOKEN, AWAY, BOT, GARDEN, member, without
from tests.matrix.fake_homeserver import Asked, FakeHomeserver, Reply
from tests.refusals import refused

pytestmark = pytest.mark.usefixtures("tidy")

SECRET = "what a moderator said"
Call = Callable[[Homeserver], Awaitable[Any]]

INVITE: Call = lambda hs: hs.invite(GARDEN, ANA, None)  # noqa: E731 - a table of calls follows


async def nothing_taken(_: Sequence[Any]) -> None:
    """Take in nothing."""


CALLS: dict[str, tuple[Call, str, Any]] = {
    "whoami": (lambda hs: hs.whoami(), "GET account/whoami", {}),
    "versions": (lambda hs: hs.versions(), "GET versions", {}),
    "state": (lambda hs: hs.state(GARDEN, "m.room.member", ANA), f"GET {GARDEN}/state/m.room.member/{ANA}", {}),
    "login": (lambda hs: hs.login("DEVICE", "Knockbot"), "POST login", {"access_token": "t"}),
    "make_device": (lambda hs: hs.make_device("DEVICE", "Knockbot"), "PUT devices/DEVICE", {}),
    "devices": (lambda hs: hs.devices(), "GET v3/devices", {"devices": []}),
    "delete_device": (lambda hs: hs.delete_device("DEVICE"), "DELETE devices/DEVICE", {}),
    "download": (lambda hs: hs.download("rose.example", "abc", 99), "GET v1/media/download/rose.example/abc", {}),
    "upload": (
        lambda hs: hs.upload("list.yaml", "application/yaml", b"a: b"),
        "POST media/v3/upload",
        {"content_uri": "mxc://rose.example/abc"},
    ),
    "account_data": (lambda hs: hs.account_data("org.x"), f"GET user/{BOT}/account_data/org.x", {}),
    "set_account_data": (lambda hs: hs.set_account_data("org.x", {}), f"PUT user/{BOT}/account_data/org.x", {}),
    "members": (lambda hs: hs.members(GARDEN, ["join"]), f"GET {GARDEN}/members", {"chunk": []}),
    "state_of_type": (
        lambda hs: hs.state_of_type(GARDEN, "m.room.third_party_invite"),
        "GET v3/sync",
        {"rooms": {"join": {GARDEN: {"state": {"events": [{"type": "m.room.create"}]}}}}},
    ),
    "put_state": (
        lambda hs: hs.put_state(GARDEN, "m.room.third_party_invite", "t", {}),
        f"PUT {GARDEN}/state/m.room.third_party_invite/t",
        {"event_id": "$sent"},
    ),
    "whole_state": (
        lambda hs: hs.whole_state(GARDEN, lambda event: event, nothing_taken),
        f"GET rooms/{GARDEN}/state",
        [{"type": "m.room.create"}],
    ),
    "event": (lambda hs: hs.event(GARDEN, "$e"), f"GET {GARDEN}/event/$e", {}),
    "knocking_members": (lambda hs: hs.knocking_members(GARDEN), f"GET {GARDEN}/members", {"chunk": []}),
    "joined_rooms": (lambda hs: hs.joined_rooms(), "GET joined_rooms", {"joined_rooms": []}),
    "mutual_rooms": (lambda hs: hs.mutual_rooms(ANA), "GET client/v1/mutual_rooms", {"joined": []}),
    "is_joined": (
        lambda hs: hs.is_joined(GARDEN, mxid=ANA),
        f"GET client/unstable/io.element.msc4502/rooms/{GARDEN}/is_joined",
        {"joined": True},
    ),
    "annotations": (
        lambda hs: hs.annotations(GARDEN, "$e"),
        f"GET rooms/{GARDEN}/relations/$e/m.annotation",
        {"chunk": []},
    ),
    "messages_back": (lambda hs: hs.messages_back(GARDEN, None, "{}"), f"GET {GARDEN}/messages", {"chunk": []}),
    "directory": (lambda hs: hs.directory("#a:b"), "GET directory/room/#a:b", {"room_id": GARDEN}),
    "register": (lambda hs: hs.register(), "POST v3/register", {}),
    "ping": (lambda hs: hs.ping("door", "t"), "POST appservice/door/ping", {}),
    "prove": (lambda hs: hs.prove(), f"POST user/{BOT}/openid/request_token", {}),
    "invite": (lambda hs: hs.invite(GARDEN, ANA, SECRET), f"POST {GARDEN}/invite", {}),
    "kick": (lambda hs: hs.kick(GARDEN, ANA, SECRET), f"POST {GARDEN}/kick", {}),
    "unban": (lambda hs: hs.unban(GARDEN, ANA, SECRET), f"POST {GARDEN}/unban", {}),
    "ban": (lambda hs: hs.ban(GARDEN, ANA, SECRET), f"POST {GARDEN}/ban", {}),
    "join": (lambda hs: hs.join(GARDEN, ["a.example"]), f"POST v3/join/{GARDEN}", {"room_id": GARDEN}),
    "knock": (lambda hs: hs.knock("#a:b", ["a.example"], SECRET), "POST v3/knock/#a:b", {"room_id": GARDEN}),
    "leave": (lambda hs: hs.leave(GARDEN), f"POST {GARDEN}/leave", {}),
    "forget": (lambda hs: hs.forget(GARDEN), f"POST {GARDEN}/forget", {}),
    "send": (
        lambda hs: hs.send(GARDEN, "m.room.message", "t", {"body": SECRET}),
        f"PUT {GARDEN}/send/m.room.message/t",
        {"event_id": "$sent"},
    ),
    "redact": (lambda hs: hs.redact(GARDEN, "$e", "t"), f"PUT {GARDEN}/redact/$e/t", {"event_id": "$sent"}),
    "create_room": (lambda hs: hs.create_room({"name": SECRET}), "POST v3/createRoom", {"room_id": GARDEN}),
}
ANY = "GET POST PUT"


def answer_all(fake: FakeHomeserver, *replies: Reply) -> None:
    for method in ANY.split():
        fake.on(method, "*", *replies)


async def refusal(homeserver: Homeserver, fake: FakeHomeserver, reply: Reply, call: Call = INVITE) -> Later | Never:
    """What such an answer is to the caller."""
    answer_all(fake, reply)
    with pytest.raises(ActionError) as caught:
        await call(homeserver)
    assert isinstance(caught.value, Later | Never)
    return caught.value


# --- what is asked --------------------------------------------------------------------------------------------


def test_the_table_of_calls_holds_them_all() -> None:
    public = {name for name, value in vars(Homeserver).items() if callable(value) and not name.startswith("_")}

    assert public - {"call", "set_display_name", "set_avatar"} == set(CALLS)


@pytest.mark.parametrize(("call", "where", "answer"), CALLS.values(), ids=CALLS)
async def test_every_call_is_made_as_the_bot_with_the_token_in_the_header_only(
    homeserver: Homeserver, fake: FakeHomeserver, call: Call, where: str, answer: Any
) -> None:
    method, _, pattern = where.partition(" ")
    fake.on(method, pattern, Reply(body=answer))

    await call(homeserver)

    [asked] = fake.requests
    assert (asked.method, asked.path[:2]) == (method, ("_matrix", "media" if "/upload" in where else "client"))
    assert asked.query["user_id"] == BOT
    assert asked.headers["Authorization"] == f"Bearer {AS_TOKEN}"
    assert AS_TOKEN not in f"{asked.path} {dict(asked.query)} {asked.raw!r}"
    assert bool(asked.raw) == (method != "GET")


async def test_a_member_event_is_asked_for_whole(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    fake.on("GET", "state/*/*", Reply(body={"event_id": "$e"}))

    assert await homeserver.state(GARDEN, "m.room.member", ANA) == {"event_id": "$e"}
    assert fake.requests[0].query["format"] == "event"


@pytest.mark.parametrize(
    ("via", "sent"), [((), []), (("a.example", "b.example"), ["a.example", "b.example"])], ids=["none", "two"]
)
async def test_servers_to_go_by_are_named_for_homeservers_of_either_age(
    homeserver: Homeserver, fake: FakeHomeserver, via: tuple[str, ...], sent: list[str]
) -> None:
    fake.on("POST", "knock/*", Reply(body={"room_id": GARDEN}))

    assert await homeserver.knock("#a:b", via, "please") == GARDEN

    query: Any = fake.requests[0].query
    assert (query.getall("via", []), query.getall("server_name", [])) == (sent, sent)
    assert fake.requests[0].body == {"reason": "please"}


@pytest.mark.parametrize(("reason", "body"), [(None, {}), ("", {}), ("Not now", {"reason": "Not now"})])
async def test_a_reason_is_sent_where_there_is_one(
    homeserver: Homeserver, fake: FakeHomeserver, reason: str | None, body: dict[str, str]
) -> None:
    fake.on("POST", "kick", Reply())

    await homeserver.kick(GARDEN, ANA, reason)

    assert fake.requests[0].body == {"user_id": ANA} | body


HOSTILE = [
    "/",
    "//",
    "?a=b",
    "#x",
    "%2F",
    "%",
    "..",
    "../..",
    "./.",
    "\\",
    ";x",
    "&user_id=@a:x",
    "\n",
    " ",
    "\u202e",
    "é🚪",
]


@pytest.mark.parametrize("part", HOSTILE)
async def test_no_id_leads_anywhere_else(homeserver: Homeserver, fake: FakeHomeserver, part: str) -> None:
    room, user, event, alias = f"!{part}:x.example", f"@{part}:x.example", f"${part}", f"#{part}:x.example"
    answer_all(fake, Reply(body={"room_id": GARDEN, "event_id": "$sent"}))
    prefix = ("_matrix", "client", "v3")

    await homeserver.state(room, "m.room.member", user)
    await homeserver.event(room, event)
    await homeserver.directory(alias)
    await homeserver.kick(room, user, None)
    await homeserver.send(room, "m.room.message", "t", {})

    assert [asked.path for asked in fake.requests] == [
        (*prefix, "rooms", room, "state", "m.room.member", user),
        *([(*prefix, "rooms", room, "event", event)] if not event.endswith(("/..", "/.")) else []),  # never sent
        (*prefix, "directory", "room", alias),
        (*prefix, "rooms", room, "kick"),
        (*prefix, "rooms", room, "send", "m.room.message", "t"),
    ]
    assert {asked.query["user_id"] for asked in fake.requests} == {BOT}


async def test_the_address_of_the_homeserver_may_have_a_path(fake: FakeHomeserver) -> None:
    fake.on("GET", "whoami", Reply(body={}))
    async with aiohttp.ClientSession() as session:
        await Homeserver(session, f"{fake.url}/synapse", AS_TOKEN, BOT).whoami()

    assert fake.requests[0].path == ("synapse", "_matrix", "client", "v3", "account", "whoami")


@pytest.mark.parametrize("reply", [Reply(), Reply(403, {"errcode": "M_FORBIDDEN"}), Reply(500), Reply(drop=True)])
async def test_no_log_line_holds_the_token_or_what_was_said(
    homeserver: Homeserver, fake: FakeHomeserver, caplog: pytest.LogCaptureFixture, reply: Reply
) -> None:
    caplog.set_level(logging.DEBUG)
    answer_all(fake, reply)
    for call, _, _ in CALLS.values():
        with contextlib.suppress(ActionError):
            await call(homeserver)

    written = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    assert any("invite" in line for line in written)
    assert not [line for line in written if AS_TOKEN in line or SECRET in line]


# --- asked to wait --------------------------------------------------------------------------------------------

IN_A_MINUTE = "date in a minute"
IN_A_MINUTE_WITHOUT_ZONE = "date in a minute, -0000"
BACKS_OFF = None
"""Nothing usable was said: the caller backs off by itself."""

WISHES: dict[str, tuple[str | None, Any, float | None]] = {
    "nothing": (None, None, BACKS_OFF),
    "seconds": ("7", None, 7),
    "seconds before milliseconds": ("7", 90_000, 7),
    "milliseconds": (None, 2500, 2.5),
    "milliseconds as a fraction": (None, 2500.5, 2.5005),
    "a date": (IN_A_MINUTE, None, 60),
    "a date without a zone": (IN_A_MINUTE_WITHOUT_ZONE, None, 60),
    "a past date": ("Wed, 21 Oct 2015 07:28:00 GMT", None, BACKS_OFF),
    "a past date, and milliseconds": ("Wed, 21 Oct 2015 07:28:00 GMT", 3000, 3),
    "0 seconds": ("0", None, SHORTEST_WISH),
    "0 milliseconds": (None, 0, SHORTEST_WISH),
    "negative seconds": ("-5", None, BACKS_OFF),
    "negative milliseconds": (None, -5, BACKS_OFF),
    "a day": ("86400", None, LONGEST_WISH),
    "a far date": ("Fri, 31 Dec 9999 23:59:59 GMT", None, LONGEST_WISH),
    "four hundred digits": ("9" * 400, None, LONGEST_WISH),
    "five thousand digits": ("9" * 5000, None, LONGEST_WISH),
    "milliseconds of four hundred digits": (None, 10**400, LONGEST_WISH),
    "infinite milliseconds": (None, float("inf"), LONGEST_WISH),
    "no number of milliseconds": (None, float("nan"), BACKS_OFF),
    "no number of seconds": ("nan", None, BACKS_OFF),
    "empty": ("", None, BACKS_OFF),
    "words": ("soon", None, BACKS_OFF),
    "words, and milliseconds": ("soon", 3000, 3),
    "a year of twenty digits": ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None, BACKS_OFF),
    "a zone of twenty digits": ("Wed, 21 Oct 2015 07:28:00 +99999999999999999999", None, BACKS_OFF),
    "no such day": ("Wed, 99 Oct 2015 07:28:00 GMT", None, BACKS_OFF),
    "milliseconds as text": (None, "3000", BACKS_OFF),
    "milliseconds true": (None, True, BACKS_OFF),
    "milliseconds in a list": (None, [3000], BACKS_OFF),
}


def written(header: str) -> str:
    moment = datetime.now(UTC) + timedelta(minutes=1)
    if header == IN_A_MINUTE:
        return format_datetime(moment, usegmt=True)
    return format_datetime(moment.replace(tzinfo=None)) if header == IN_A_MINUTE_WITHOUT_ZONE else header


@pytest.mark.parametrize(("header", "milliseconds", "seconds"), WISHES.values(), ids=WISHES)
async def test_429_is_later_after_as_long_as_was_asked_for_and_a_little_more(
    homeserver: Homeserver, fake: FakeHomeserver, header: str | None, milliseconds: Any, seconds: float | None
) -> None:
    headers = {"Retry-After": written(header)} if header is not None else {}
    body = {"errcode": "M_LIMIT_EXCEEDED"} | ({"retry_after_ms": milliseconds} if milliseconds is not None else {})

    error = await refusal(homeserver, fake, Reply(429, body, headers))

    assert isinstance(error, Later)
    if seconds is None:
        assert error.retry_after is None
    else:
        assert error.retry_after is not None
        assert seconds - 2 * (header in (IN_A_MINUTE, IN_A_MINUTE_WITHOUT_ZONE)) <= error.retry_after <= seconds * 1.1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=2)
)
DATE_WORDS = st.lists(
    st.sampled_from(["Wed,", "21", "Oct", "2015", "07:28:00", "GMT", "-0000", "+9999", "::", "99999", ",", ""])
).map(" ".join)


@given(st.text() | DATE_WORDS, JSON)
@example(" ", None)
def test_whatever_a_homeserver_wishes_is_a_time_or_none(header: str, milliseconds: Any) -> None:
    wish = _wish({"retry_after_ms": milliseconds}, {"Retry-After": header})

    assert wish is None or SHORTEST_WISH <= wish <= LONGEST_WISH * 1.1


@pytest.mark.parametrize("body", [Reply(429, raw=b"<html>slow down</html>"), Reply(429, []), Reply(429, raw=b"")])
async def test_429_without_a_usable_body_is_later_all_the_same(
    homeserver: Homeserver, fake: FakeHomeserver, body: Reply
) -> None:
    assert isinstance(await refusal(homeserver, fake, body), Later)


# --- refused --------------------------------------------------------------------------------------------------


def error_body(code: str | None, message: str = "in the server's words") -> Any:
    return {"errcode": code, "error": message}


LATER: dict[str, Reply] = {
    "500": Reply(500, error_body("M_UNKNOWN", "Internal server error")),
    "502": Reply(502, error_body("M_UNKNOWN", "Failed to contact rose.example")),
    "503": Reply(503, error_body("M_UNKNOWN")),
    "504": Reply(504, raw=b"<html>gateway timeout</html>"),
    "408": Reply(408, error_body(None)),
    "500 with a code that would be a no": Reply(500, error_body("M_FORBIDDEN", "Unknown membership knock")),
    "500 with a list": Reply(500, []),
    "502 with HTML": Reply(502, raw=b"<html>bad gateway</html>", headers={"Content-Type": "text/html"}),
    "502 empty": Reply(502, raw=b""),
    "500 nested too deeply": Reply(500, raw=b"[" * 100_000),
    "500 that is no UTF-8": Reply(500, raw=b'{"error": "\xff"}'),
    "200 with a list": Reply(200, []),
    "200 with HTML": Reply(200, raw=b"<html>sign in to the wifi</html>"),
    "200 empty": Reply(200, raw=b""),
    "200 with text": Reply(200, "fine"),
    "200 that claims to be compressed": Reply(200, headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("reply", LATER.values(), ids=LATER)
async def test_it_may_be_tried_again(homeserver: Homeserver, fake: FakeHomeserver, reply: Reply) -> None:
    error = await refusal(homeserver, fake, reply)

    assert isinstance(error, Later)
    assert error.retry_after is None
    assert in_words(error.why)


NOT_MATRIX: dict[str, dict[str, Any]] = {
    "HTML": {"raw": b"<html>no</html>", "headers": {"Content-Type": "text/html"}},
    "empty": {"raw": b""},
    "a list": {"body": ["M_FORBIDDEN"]},
    "no errcode": {"body": {"error": "no"}},
    "an errcode of another type": {"body": {"errcode": 7, "error": "no"}},
    "another program's error": {"body": {"code": "M_FORBIDDEN", "message": "no"}},
}
"""What a proxy may answer in the homeserver's place."""


@pytest.mark.parametrize("said", NOT_MATRIX.values(), ids=NOT_MATRIX)
async def test_an_answer_that_is_not_matrix_says_nothing_of_the_future(
    homeserver: Homeserver, fake: FakeHomeserver, said: dict[str, Any]
) -> None:
    for status in (400, 402, 403, 404, 405, 406, 409, 410, 413, 414, 415, 418, 421, 431, 451, 499):
        with case(status):
            error = await refusal(homeserver, fake, Reply(status, **said))

            assert isinstance(error, Later)
            assert "a proxy in front of the homeserver says: " in in_words(error.why)


@pytest.mark.parametrize(
    ("reply", "silent"),
    [
        (Reply(502, raw=b"<html>bad gateway</html>"), True),
        (Reply(503, raw=b""), True),
        (Reply(404, raw=b"404 page not found"), True),
        (Reply(504, raw=b"<html>gateway timeout</html>"), False),
        (Reply(403, raw=b"<html>firewall</html>"), False),
        (Reply(502, error_body("M_UNKNOWN", "Failed to contact rose.example")), False),
        (Reply(500, raw=b"<html>"), False),
        (Reply(500, error_body("M_UNKNOWN")), False),
    ],
)
async def test_a_proxy_whose_homeserver_is_down_is_told_from_a_homeserver_that_has_a_fault(
    homeserver: Homeserver, fake: FakeHomeserver, reply: Reply, silent: bool
) -> None:
    error = await refusal(homeserver, fake, reply)

    assert isinstance(error, Later)
    assert error.unreachable is silent


async def test_a_server_that_is_busy_may_say_for_how_long(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    error = await refusal(homeserver, fake, Reply(503, raw=b"", headers={"Retry-After": "120"}))

    assert isinstance(error, Later)
    assert 120 <= (error.retry_after or 0) <= 132


NEVER: dict[str, tuple[Reply, str | None, str]] = {
    "may not": (Reply(403, error_body("M_FORBIDDEN")), "M_FORBIDDEN", "in the server's words"),
    "banned": (Reply(403, error_body("M_BAD_STATE")), "M_BAD_STATE", "banned"),
    "refuses invites": (Reply(403, error_body("M_INVITE_BLOCKED")), "M_INVITE_BLOCKED", "refuse invites"),
    "too old": (Reply(400, error_body("M_UNSUPPORTED_ROOM_VERSION")), "M_UNSUPPORTED_ROOM_VERSION", "does not support"),
    "too old, said otherwise": (
        Reply(400, error_body("M_INCOMPATIBLE_ROOM_VERSION")),
        "M_INCOMPATIBLE_ROOM_VERSION",
        "does not support",
    ),
    "too large": (Reply(413, error_body("M_TOO_LARGE")), "M_TOO_LARGE", "too long"),
    "not there": (Reply(404, error_body("M_NOT_FOUND")), "M_NOT_FOUND", "did not find"),
    "unknown code": (Reply(400, error_body("ORG.EXAMPLE.WHATEVER")), "ORG.EXAMPLE.WHATEVER", "in the server's words"),
    "no text": (Reply(403, {"errcode": "M_FORBIDDEN"}), "M_FORBIDDEN", "403"),
    "text of another type": (Reply(403, {"errcode": "M_FORBIDDEN", "error": {"a": 1}}), "M_FORBIDDEN", "403"),
}


@pytest.mark.parametrize(("reply", "code", "word"), NEVER.values(), ids=NEVER)
async def test_trying_again_cannot_help(
    homeserver: Homeserver, fake: FakeHomeserver, reply: Reply, code: str | None, word: str
) -> None:
    error = await refusal(homeserver, fake, reply)

    assert isinstance(error, Never)
    assert error.code == code
    assert word in in_words(error.why)


async def test_the_homeservers_words_are_cut_and_cleaned(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    error = await refusal(homeserver, fake, Reply(403, error_body("M_FORBIDDEN", "no\n\u202e" + "x" * 5000)))

    assert "\n" not in in_words(error.why)
    assert "\u202e" not in in_words(error.why)
    assert len(in_words(error.why)) < 300


UNWELL: dict[str, Reply] = {
    "unknown token": Reply(401, error_body("M_UNKNOWN_TOKEN")),
    "token missing": Reply(401, error_body("M_MISSING_TOKEN")),
    "401 from a proxy": Reply(401, raw=b"<html>"),
    "suspended": Reply(403, error_body("M_USER_SUSPENDED")),
    "deactivated": Reply(403, error_body("M_USER_DEACTIVATED")),
    "locked": Reply(401, error_body("M_USER_LOCKED")),
}


@pytest.mark.parametrize("reply", UNWELL.values(), ids=UNWELL)
async def test_what_only_the_server_admin_can_mend_waits_and_is_told_to_them(
    homeserver: Homeserver, fake: FakeHomeserver, caplog: pytest.LogCaptureFixture, reply: Reply
) -> None:
    error = await refusal(homeserver, fake, reply)

    assert isinstance(error, Later)
    assert error.unreachable
    assert (error.retry_after or 0) > 0
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        in_words(error.why)
    ]


# --- no answer ------------------------------------------------------------------------------------------------


async def test_no_answer_in_time_is_later(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    answer_all(fake, Reply(hang=True))

    with pytest.raises(Later) as caught:
        await homeserver.call(Method.POST, Path.v3.rooms[GARDEN].invite, {"user_id": AWAY}, patience=0.05)

    assert not caught.value.unreachable
    assert len(fake.asked("POST", "invite")) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_refused_connection_is_later_and_the_homeservers_own_fault(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with aiohttp.ClientSession() as session:
        with pytest.raises(Later) as caught:
            await Homeserver(session, f"http://{host}:{port}", AS_TOKEN, BOT).whoami()

    assert caught.value.unreachable
    assert "refused" in in_words(caught.value.why)
    assert str(port) not in in_words(caught.value.why)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Len",
        b"HTTP/9.9 what\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ftp://x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
    ids=[
        "nothing",
        "cut off",
        "cut off in a chunk",
        "cut off in a header",
        "odd",
        "not HTTP",
        "ftp",
        "bad URL",
        "long",
    ],
)
async def test_a_connection_that_is_dropped_or_makes_no_sense_is_later(
    unused_listener: Callable[[bytes], Awaitable[str]], answer: bytes
) -> None:
    address = await unused_listener(answer)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(Later):
            await Homeserver(session, address, AS_TOKEN, BOT).invite(GARDEN, ANA, None)


# --- answers with something missing ---------------------------------------------------------------------------

NEEDED: dict[str, Call] = {
    "join": lambda hs: hs.join(GARDEN),
    "knock": lambda hs: hs.knock(GARDEN, (), "please"),
    "send": lambda hs: hs.send(GARDEN, "m.room.message", "t", {}),
    "create_room": lambda hs: hs.create_room({}),
}


@pytest.mark.parametrize("body", [{}, {"room_id": 5, "event_id": []}, {"room_id": None, "event_id": None}])
@pytest.mark.parametrize("call", NEEDED.values(), ids=NEEDED)
async def test_an_answer_without_the_id_it_should_give_is_later(
    homeserver: Homeserver, fake: FakeHomeserver, call: Call, body: Any
) -> None:
    assert isinstance(await refusal(homeserver, fake, Reply(body=body), call), Later)


@pytest.mark.parametrize("body", [{}, {"chunk": {}, "joined_rooms": "!a:b", "servers": 5, "end": 5, "room_id": "!r:x"}])
async def test_a_list_that_is_missing_is_empty(homeserver: Homeserver, fake: FakeHomeserver, body: Any) -> None:
    answer_all(fake, Reply(body=body))

    assert await homeserver.knocking_members(GARDEN) == []
    assert await homeserver.joined_rooms() == []
    assert await homeserver.mutual_rooms(ANA) == []
    assert await homeserver.annotations(GARDEN, "$e") == []
    assert await homeserver.messages_back(GARDEN, "token", "{}") == ([], None)


async def test_the_rooms_that_somebody_shares_are_read_page_by_page_up_to_a_limit(
    homeserver: Homeserver, fake: FakeHomeserver
) -> None:
    answer_all(fake, Reply(body={"joined": [GARDEN, 5], "next_batch": "more"}))

    assert await homeserver.mutual_rooms(ANA) == [GARDEN] * MUTUAL_PAGES


async def test_of_lists_only_what_is_text_is_taken(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    answer_all(fake, Reply(body={"room_id": GARDEN, "servers": ["a.example", 5, None], "joined_rooms": [GARDEN, {}]}))

    assert await homeserver.directory("#a:b") == (GARDEN, ("a.example",))
    assert await homeserver.joined_rooms() == [GARDEN]


@pytest.mark.parametrize("event_id", [None, 5, ["$a"], "\ud800", "$a\0"])
async def test_an_id_that_could_not_be_kept_is_none(
    homeserver: Homeserver, fake: FakeHomeserver, event_id: object
) -> None:
    fake.on("PUT", "send/*/*", Reply(body={"event_id": event_id}))

    with refused(Later, match="makes no sense"):
        await homeserver.send(GARDEN, "m.room.message", "txn", {})


# --- what a no means to single calls --------------------------------------------------------------------------


async def test_state_that_is_not_there_is_none_and_any_other_no_is_a_no(
    homeserver: Homeserver, fake: FakeHomeserver
) -> None:
    forbidden = Reply(403, error_body("M_FORBIDDEN"))
    fake.on("GET", "state/*/*", Reply(404, error_body("M_NOT_FOUND")), Reply(404, raw=b"<html>"), forbidden)

    assert await homeserver.state(GARDEN, "m.room.member", ANA) is None
    for no in (Later, Never):
        with pytest.raises(no):
            await homeserver.state(GARDEN, "m.room.member", ANA)


async def test_an_account_that_is_there_already_is_as_good_as_a_new_one(
    homeserver: Homeserver, fake: FakeHomeserver
) -> None:
    fake.on("POST", "register", Reply(400, error_body("M_USER_IN_USE")), Reply(400, error_body("M_EXCLUSIVE")))

    await homeserver.register()
    with pytest.raises(Never):
        await homeserver.register()

    assert fake.requests[0].body["username"] == "knockbot"


async def test_not_to_know_a_room_is_as_good_as_to_have_forgotten_it(
    homeserver: Homeserver, fake: FakeHomeserver
) -> None:
    fake.on("POST", "forget", Reply(400, error_body("M_UNKNOWN")), Reply(500))

    await homeserver.forget(GARDEN)
    with pytest.raises(Later):
        await homeserver.forget(GARDEN)


async def test_not_to_be_in_a_room_is_as_good_as_to_have_left_it(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    fake.on("POST", "leave", Reply(403, error_body("M_FORBIDDEN")), Reply(500))

    await homeserver.leave(GARDEN)
    with pytest.raises(Later):
        await homeserver.leave(GARDEN)


@pytest.mark.parametrize(
    ("profile", "puts"),
    [
        (Reply(body={"displayname": "Context"}), 0),
        (Reply(body={"displayname": "Old"}), 1),
        (Reply(body={}), 1),
        (Reply(404, error_body("M_NOT_FOUND")), 1),
    ],
)
async def test_the_bots_name_is_set_where_it_is_another(
    homeserver: Homeserver, fake: FakeHomeserver, profile: Reply, puts: int
) -> None:
    fake.on("GET", "displayname", profile)
    fake.on("PUT", "displayname", Reply())

    await homeserver.set_display_name("Context")

    assert [asked.body for asked in fake.asked("PUT", f"{BOT}/displayname")] == [{"displayname": "Context"}] * puts


@pytest.mark.parametrize(
    ("profile", "puts"),
    [
        (Reply(body={"avatar_url": "mxc://x/a"}), 0),
        (Reply(body={"avatar_url": "mxc://x/old"}), 1),
        (Reply(body={}), 1),
        (Reply(404, error_body("M_NOT_FOUND")), 1),
    ],
)
async def test_the_bots_picture_is_set_where_it_is_another(
    homeserver: Homeserver, fake: FakeHomeserver, profile: Reply, puts: int
) -> None:
    fake.on("GET", "avatar_url", profile)
    fake.on("PUT", "avatar_url", Reply())

    await homeserver.set_avatar("mxc://x/a")

    assert [asked.body for asked in fake.asked("PUT", f"{BOT}/avatar_url")] == [{"avatar_url": "mxc://x/a"}] * puts


async def test_a_picture_that_the_homeserver_does_not_take_stops_nothing(
    homeserver: Homeserver, fake: FakeHomeserver, caplog: pytest.LogCaptureFixture
) -> None:
    fake.on("GET", "avatar_url", Reply(body={}))
    fake.on("PUT", "avatar_url", Reply(403, error_body("M_FORBIDDEN")))

    await homeserver.set_avatar("mxc://x/a")

    assert "the homeserver does not accept bot_avatar" in caplog.text


async def test_pages_of_messages_follow_each_other(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    def page(asked: Asked) -> Reply:
        return Reply(body={"chunk": [asked.query.get("from")], "end": "next"})

    fake.on("GET", "messages", page)

    assert await homeserver.messages_back(GARDEN, None, json.dumps({"types": ["x"]})) == ([None], "next")
    assert await homeserver.messages_back(GARDEN, "next", "{}") == (["next"], "next")
    assert [asked.query["dir"] for asked in fake.requests] == ["b", "b"]


# --- large ----------------------------------------------------------------------------------------------------


class Flood:
    """A body without end, of pieces that are made when they are sent; `sent` counts its bytes."""

    def __init__(self, begin: bytes, piece: bytes, pieces: int | None = None, end: bytes = b"") -> None:
        self.sent = 0
        self._parts = (begin, piece, end)
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        begin, piece, end = self._parts
        yield begin
        for _ in itertools.count() if self._pieces is None else range(self._pieces):
            self.sent += len(piece)
            yield piece
        yield end


def endless() -> Flood:
    return Flood(b'{"a": "', b"x" * 2**16)


@pytest.mark.parametrize(("call", "where", "_"), CALLS.values(), ids=CALLS)
async def test_an_answer_without_end_is_given_up(
    homeserver: Homeserver, fake: FakeHomeserver, call: Call, where: str, _: Any
) -> None:
    flood = endless()
    for method in ("GET", "POST", "PUT", "DELETE"):
        fake.on(method, "*", Reply(stream=flood))

    # A file is as large as its owner made it: no later answer will be shorter.
    error, told = (Never, "too large") if where.startswith("GET v1/media") else (Later, r"more than (16|64|256) MiB")
    with refused(error, match=told):
        await call(homeserver)

    assert flood.sent < 2 * (LARGEST + LARGEST_LIST)


@pytest.mark.parametrize("status", [403, 500, 429, 404])
async def test_a_refusal_without_end_says_nothing_of_the_future(
    homeserver: Homeserver, fake: FakeHomeserver, status: int
) -> None:
    flood = endless()

    assert isinstance(await refusal(homeserver, fake, Reply(status, stream=flood)), Later)
    assert flood.sent < LARGEST


def knock(number: int, reason: str) -> bytes:
    return json.dumps(member(f"${number}", user=f"@{number}:{AWAY}", reason=reason)).encode() + b","


async def test_a_list_of_knocks_is_read_without_being_held(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    flood = Flood(b'{"chunk": [', knock(1, "x" * 55_000), 1000, b'{"event_id": "$last"}], "more": [{}]}')
    fake.on("GET", "members", Reply(stream=flood))
    tracemalloc.start()
    try:
        found = await homeserver.knocking_members(GARDEN, lambda event: event["event_id"])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (len(found), found[-1]) == (1001, "$last")
    assert flood.sent > 50 * 2**20
    assert peak < 10 * 2**20


async def test_knocks_that_are_too_large_to_be_listed_are_listed_without_what_their_users_wrote(
    homeserver: Homeserver, fake: FakeHomeserver
) -> None:
    flood = Flood(b'{"chunk": [', knock(1, "x" * 55_000))
    fake.on("GET", "members", Reply(stream=flood))
    bare = without(member("$1"), "room_id")
    state = {"events": [bare, without(member("$2", membership="join"), "room_id")]}
    fake.on("GET", "sync", Reply(body={"rooms": {"join": {GARDEN: {"state": state}}}}))

    found = await Outside(homeserver).knocking(GARDEN)

    assert [(change.event_id, change.reason, change.cut) for change in found] == [("$1", "", True)]
    wanted = json.loads(fake.requests[-1].query["filter"])
    assert wanted["room"]["state"]["types"] == ["m.room.member"]
    assert wanted["event_fields"] == [*MEMBER_FIELDS]
    assert flood.sent < 2 * LARGEST_LIST


@pytest.mark.parametrize("length", [LONGEST_LISTED, LONGEST_LISTED + 1])
async def test_a_long_reason_is_left_for_when_it_is_read_by_itself(
    homeserver: Homeserver, fake: FakeHomeserver, length: int
) -> None:
    fake.on("GET", "members", Reply(body={"chunk": [member("$1", reason="x" * length)]}))

    [change] = await Outside(homeserver).knocking(GARDEN)

    assert (change.reason, change.cut) == (("x" * length, False) if length == LONGEST_LISTED else ("", True))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"chunk": [{}', b'{"chunk": [{}]', b"<html>", b'"chunk"', b'{"chunk": "[{}'],
)
async def test_a_list_that_is_cut_off_is_no_list(homeserver: Homeserver, fake: FakeHomeserver, body: bytes) -> None:
    fake.on("GET", "members", Reply(raw=body))

    with refused(Later, match="makes no sense"):
        await homeserver.knocking_members(GARDEN)


async def test_one_item_too_deep_or_too_large_for_json_is_a_fault_of_its_own(
    homeserver: Homeserver, fake: FakeHomeserver
) -> None:
    deep = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    fake.on("GET", "members", Reply(raw=b'{"chunk": [{"event_id": "$1"}, %s, {"event_id": "$2"}]}' % deep))

    assert await homeserver.knocking_members(GARDEN, lambda event: event and event.get("event_id")) == ["$1", "$2"]

    fake.on("GET", "members", Reply(raw=b'{"chunk": [{"a": "%s"}]}' % (b"x" * 3 * LARGEST_ITEM)))
    with refused(Later, match="MiB"):
        await homeserver.members(GARDEN, ["join"])


@given(
    st.recursive(
        st.none() | st.floats(allow_nan=False) | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    ),
    st.integers(1, 9),
    st.booleans(),
)
def test_a_list_is_cut_into_the_items_that_json_has(value: Any, size: int, ascii_only: bool) -> None:
    listed = [{"one": value}, {"chunk": [{"not": value}]}, {}]
    body = {"before": {"chunk": [{"not": value}]}, "also": value, "chunk": listed, "after": [{"x": value}]}
    text = json.dumps(body, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    items = Items(["chunk"])

    found = [json.loads(item) for at in range(0, len(text), size) for item in items.feed(text[at : at + size])]

    assert (found, items.whole) == (listed, True)


# --- sent elsewhere -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("call", "where", "_"), CALLS.values(), ids=CALLS)
async def test_a_redirect_is_named_and_not_followed(
    homeserver: Homeserver, fake: FakeHomeserver, call: Call, where: str, _: Any
) -> None:
    for status in (301, 302, 303, 307, 308):
        for method in ("GET", "POST", "PUT", "DELETE"):
            fake.on(method, "*", Reply(status, headers={"Location": f"{fake.url}/elsewhere"}))
            fake.on(method, "elsewhere", Reply())

        with case(status), refused(Later, match=r"redirects to http://127.0.0.1:[0-9]+/elsewhere;"):
            await call(homeserver)

    assert not [asked for asked in fake.requests if asked.path == ("elsewhere",)]


async def test_no_cookies_are_kept(fake: FakeHomeserver) -> None:
    fake.on("GET", "versions", Reply(headers={"Set-Cookie": "who=somebody; Path=/"}))
    # Not by an IP address, for which no cookies are kept anyway.
    address = fake.url.replace("127.0.0.1", "localhost")
    async with new_session() as session:
        homeserver = Homeserver(session, address, AS_TOKEN, BOT)
        for _ in range(2):
            await homeserver.versions()

    assert [asked.headers.get("Cookie") for asked in fake.requests] == [None, None]


DOTS = ["..", ".", "../x", "x/..", "x/../y", "..%2Fx", "%2e%2e", "x%2F%2e%2e%2Fy", "%252e%252e", "x\\\\..\\\\y"]


@pytest.mark.parametrize("dots", DOTS)
async def test_a_name_that_a_proxy_could_take_for_another_address_is_never_sent(
    homeserver: Homeserver, fake: FakeHomeserver, dots: str
) -> None:
    answer_all(fake, Reply(body={"event_id": "$e", "room_id": GARDEN}))
    between = f"a/{dots}/b"
    calls: dict[str, Call] = {
        "state key": lambda hs: hs.put_state(GARDEN, "m.room.third_party_invite", dots, {}),
        "user": lambda hs: hs.state(GARDEN, "m.room.member", f"@{between}:evil.example"),
        "alias": lambda hs: hs.join(f"#{between}:evil.example"),
        "event": lambda hs: hs.redact(GARDEN, f"${between}", "t"),
    }

    for place, call in calls.items():
        with case(place), refused(Never, match="cannot be part of an address"):
            await call(homeserver)
    assert fake.requests == []


@pytest.mark.parametrize("name", ["a/b", "a%2Fb", "a?b#c", "a..b", "...", "a b", "ä", "%"])
async def test_any_other_name_arrives_as_it_is(homeserver: Homeserver, fake: FakeHomeserver, name: str) -> None:
    fake.on("PUT", f"state/m.room.third_party_invite/{quote(name, safe='')}", Reply(body={"event_id": "$e"}))

    assert await homeserver.put_state(GARDEN, "m.room.third_party_invite", name, {}) == "$e"
