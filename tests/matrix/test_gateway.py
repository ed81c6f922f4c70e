"""The gateway over real HTTP: what is answered, and what stands in the inbox by then."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from mautrix.util.async_db import Connection

from knockbot.demo.people import until
from knockbot.engine.wakeups import Wakeups
from knockbot.matrix.gateway import Gateway, arrival
from knockbot.store import encryption, inbox, lists, processes
from knockbot.store.db import Database, Unusable
from tests.matrix.edge import (
    GARDEN,
    HS_TOKEN,
    MODS,
    START,
    Clock,
    Inside,
    gateway,
    keep_door,
    member,
    reaction,
    serving,
    state,
    stored,
    text,
    transaction,
    without,
)
from tests.matrix.fake_homeserver import FakeHomeserver

pytestmark = pytest.mark.usefixtures("tidy")

BOT = "@knockbot:tulip.example"
WHERE = "/_matrix/app/v1/transactions/1"


@pytest.fixture
async def url(db: Database) -> AsyncIterator[str]:
    """The address of a gateway into `db`."""
    async with serving(gateway(db).app) as url:
        yield url


@pytest.fixture
async def http(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Speaks to the gateway, without a token of its own."""
    async with aiohttp.ClientSession(url) as http:
        yield http


def bearer(token: str = HS_TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# --- who may hand over events ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        pytest.param({}, "", id="none"),
        pytest.param(bearer("wrong"), "", id="wrong in the header"),
        pytest.param({}, "?access_token=wrong", id="wrong in the query"),
        pytest.param(bearer(HS_TOKEN[:-1]), "", id="cut off"),
        pytest.param(bearer(HS_TOKEN + "x"), "", id="too long"),
        pytest.param(bearer(""), "", id="empty in the header"),
        pytest.param({}, "?access_token=", id="empty in the query"),
        pytest.param({"Authorization": f"Basic {HS_TOKEN}"}, "", id="another scheme"),
        pytest.param(bearer("t\u00f6ken \U0001f6aa"), "", id="not ASCII in the header"),
        pytest.param({}, "?access_token=t%C3%B6ken", id="not ASCII in the query"),
        pytest.param({}, "?access_token=%FF%FE", id="not UTF-8 in the query"),
        pytest.param(bearer("wrong"), f"?access_token={HS_TOKEN}", id="wrong in the header, right in the query"),
    ],
)
async def test_without_the_token_nothing_is_taken(
    http: aiohttp.ClientSession, db: Database, headers: Mapping[str, str], query: str
) -> None:
    async with http.put(WHERE + query, headers=headers, data=transaction([member()])) as answer:
        assert (answer.status, (await answer.json())["errcode"]) == (403, "M_FORBIDDEN")

    assert await stored(db) == []


async def test_a_token_that_is_no_text_is_refused_like_any_other(url: str) -> None:
    status, _ = await exchange(url, b"Authorization: Bearer \xff\xfe\xed\xa0\x80", transaction([]))

    assert status == 403


@pytest.mark.parametrize(
    ("headers", "query"), [(bearer(), ""), ({}, f"?access_token={HS_TOKEN}")], ids=["header", "query"]
)
async def test_the_token_may_stand_in_the_header_or_in_the_query(
    http: aiohttp.ClientSession, db: Database, headers: Mapping[str, str], query: str
) -> None:
    async with http.put(WHERE + query, headers=headers, data=transaction([member()])) as answer:
        assert (answer.status, await answer.json()) == (200, {})

    assert await stored(db) == ["$knock"]


async def test_a_token_that_is_not_ascii_can_be_the_right_one(db: Database) -> None:
    token = "t\u00f6ken"
    async with (
        serving(Gateway(token, db, Wakeups(), Clock()).app) as url,
        aiohttp.ClientSession(url) as http,
        http.put(WHERE, headers=bearer(token), data=transaction([])) as answer,
    ):
        assert answer.status == 200


# --- what is no transaction -----------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"{", b"events", b"\xff\xfe\x00", b'{"events": [}', b'{"events": ["\xff"]}'])
async def test_what_is_not_json_is_refused(http: aiohttp.ClientSession, body: bytes) -> None:
    async with http.put(WHERE, headers=bearer(), data=body) as answer:
        assert (answer.status, (await answer.json())["errcode"]) == (400, "M_NOT_JSON")


@pytest.mark.parametrize("body", [{}, [], None, 5, "events", {"events": None}, {"events": {}}, {"events": "[]"}])
async def test_what_has_no_list_of_events_is_refused(http: aiohttp.ClientSession, body: Any) -> None:
    async with http.put(WHERE, headers=bearer(), data=json.dumps(body)) as answer:
        assert (answer.status, (await answer.json())["errcode"]) == (400, "M_BAD_JSON")


# --- what is kept ---------------------------------------------------------------------------------------------


async def test_events_are_in_the_database_before_the_answer(url: str, db: Database, fake: FakeHomeserver) -> None:
    pushed = await fake.push(url, HS_TOKEN, [member("$a"), member("$b")])

    assert (pushed.status, pushed.text) == (200, "{}")
    assert await stored(db) == ["$a", "$b"]


@pytest.mark.parametrize(
    "event_type",
    ["m.room.encrypted", "m.room.topic", "m.room.avatar", "m.typing", "org.example.anything", ""],
)
async def test_what_can_never_matter_is_not_kept(url: str, db: Database, fake: FakeHomeserver, event_type: str) -> None:
    pushed = await fake.push(url, HS_TOKEN, [state("$x", event_type), member("$a")])

    assert pushed.status == 200
    assert await stored(db) == ["$a"]


async def test_talk_in_a_protected_room_is_not_kept(url: str, db: Database, fake: FakeHomeserver) -> None:
    await keep_door(db)
    talk = [text("$1", room=GARDEN), reaction("$2", room=GARDEN), text("$3"), reaction("$4")]

    await fake.push(url, HS_TOKEN, [*talk, member("$5"), text("$6", room="!elsewhere:tulip.example")])

    assert sorted(await stored(db)) == ["$3", "$4", "$5", "$6"]


async def test_entries_of_policy_lists_are_kept_where_a_list_is_followed(
    url: str, db: Database, fake: FakeHomeserver
) -> None:
    async with db.tx() as tx:
        await lists.follow(tx, "!bans:tulip.example", START)
        await lists.follow(tx, "!old:tulip.example", START)
        await lists.unfollow(tx, "!old:tulip.example")
    types = ["m.policy.rule.user", "org.matrix.mjolnir.rule.server", "m.room.rule.room"]
    rooms = ["!bans:tulip.example", "!old:tulip.example", GARDEN]
    entries = [
        state(f"${at}{place}", kind, room=room) for at, room in enumerate(rooms) for place, kind in enumerate(types)
    ]

    await fake.push(url, HS_TOKEN, [*entries, member("$a")])
    await fake.push(url, HS_TOKEN, [state("$late", types[0], room="!bans:tulip.example")])

    assert sorted(await stored(db)) == ["$00", "$01", "$02", "$a", "$late"]


def sealed(event_id: str, room: str = MODS) -> dict[str, Any]:
    return {**text(event_id, room=room), "type": "m.room.encrypted", "content": {"ciphertext": "x"}}


async def test_what_is_encrypted_is_dropped_where_nobody_reads_it(url: str, db: Database, fake: FakeHomeserver) -> None:
    mail = {"type": "m.room.encrypted", "sender": "@ana:b", "content": {}}
    body = json.dumps({"events": [sealed("$1"), text("$2")], "to_device": [mail]}).encode()
    status, _ = await exchange(url, f"Authorization: Bearer {HS_TOKEN}".encode(), body)

    assert status == 200
    assert await stored(db) == ["$2"]
    async with db.tx() as tx:
        assert await tx.fetchval("SELECT count(*) FROM mail") == 0


async def test_what_is_encrypted_is_kept_like_other_talk_where_it_is_read(db: Database, fake: FakeHomeserver) -> None:
    await keep_door(db)
    async with db.tx() as tx:
        await encryption.started(tx, BOT, "DEVICE", 1)
    gateway = Gateway(HS_TOKEN, db, Wakeups(), Clock(), sealed_for=BOT)
    mail = {"type": "m.room.encrypted", "sender": "@ana:b", "content": {}, "to_user_id": BOT, "to_device_id": "DEVICE"}
    body = json.dumps({"events": [sealed("$1"), sealed("$2", GARDEN)], "to_device": [mail]}).encode()
    async with serving(gateway.app) as url:
        status, _ = await exchange(url, f"Authorization: Bearer {HS_TOKEN}".encode(), body)

    assert status == 200
    assert await stored(db) == ["$1"]
    async with db.tx() as tx:
        assert [one.sealed for one in await inbox.waiting(tx, MODS)] == [True]
        assert len(await encryption.mail_waiting(tx)) == 1


async def test_talk_in_a_protected_room_that_manages_another_is_kept(
    url: str, db: Database, fake: FakeHomeserver
) -> None:
    await keep_door(db)
    await keep_door(db, room_id=MODS, management_room="!council:tulip.example")

    await fake.push(url, HS_TOKEN, [text("$1", room=GARDEN), text("$2", room=MODS), reaction("$3", room=MODS)])

    assert await stored(db) == ["$2", "$3"]


async def test_a_redaction_is_handled_after_what_was_said_before_it(
    url: str, db: Database, fake: FakeHomeserver
) -> None:
    """Else a reaction that was removed at once might give its answer after all."""
    await keep_door(db)
    events = [reaction("$1"), {**state("$2", "m.room.redaction", room=MODS), "redacts": "$1"}]

    await fake.push(url, HS_TOKEN, [*events, {**state("$3", "m.room.redaction", room=GARDEN), "redacts": "$0"}])

    async with db.tx() as tx:
        assert [one.event_id for one in await inbox.waiting(tx, MODS, talk=True)] == ["$1", "$2"]
        assert [one.event_id for one in await inbox.waiting(tx, GARDEN, talk=False)] == ["$3"]


async def test_the_events_of_a_room_are_kept_in_the_order_they_came_in(
    url: str, db: Database, fake: FakeHomeserver
) -> None:
    came = [text("$1"), member("$2", room=MODS), reaction("$3"), state("$4", "m.room.name", room=MODS), text("$5")]

    await fake.push(url, HS_TOKEN, came)

    assert await stored(db) == ["$1", "$2", "$3", "$4", "$5"]


async def test_an_event_that_comes_again_is_kept_once(url: str, db: Database, fake: FakeHomeserver) -> None:
    await fake.push(url, HS_TOKEN, [member("$a"), member("$a")], "1")
    await fake.push(url, HS_TOKEN, [member("$a", reason="another"), member("$b")], "2")

    assert await stored(db) == ["$a", "$b"]


async def test_a_transaction_id_that_comes_again_says_nothing_about_its_events(
    url: str, db: Database, fake: FakeHomeserver
) -> None:
    # On SQLite, Synapse begins to count at 1 again after a restart.
    await fake.push(url, HS_TOKEN, [member("$a")], "1")
    pushed = await fake.push(url, HS_TOKEN, [member("$b")], "1")

    assert pushed.status == 200
    assert await stored(db) == ["$a", "$b"]


async def test_an_event_is_not_handled_again_when_it_comes_again(inside: Inside, fake: FakeHomeserver) -> None:
    await fake.push(inside.url, HS_TOKEN, [member("$a")])
    await inside.settled()
    await fake.push(inside.url, HS_TOKEN, [member("$a"), member("$b")])
    await inside.settled()

    assert inside.ids() == ["$a", "$b"]


async def test_ten_thousand_events_in_one_transaction_are_all_kept(
    url: str, db: Database, fake: FakeHomeserver
) -> None:
    many = [member(f"${n}", room=f"!{n % 50}:tulip.example") for n in range(10_000)]

    pushed = await fake.push(url, HS_TOKEN, many)

    assert pushed.status == 200
    assert await stored(db) == [event["event_id"] for event in many]


async def test_a_transaction_of_100_mib_is_taken(url: str, db: Database, fake: FakeHomeserver) -> None:
    # A hundred events of at most 64 KiB are what Synapse sends; aiohttp alone would refuse the second MiB.
    chunk = json.dumps(state("$padding", "org.example.large", padding="x" * 2**20)).encode()
    body = transaction([*[chunk] * 99, member("$last")])

    pushed = await fake.push(url, HS_TOKEN, raw=body)

    assert (pushed.status, len(body) > 98 * 2**20) == (200, True)
    assert await stored(db) == ["$last"]


async def test_only_the_events_of_the_application_service_are_read(
    url: str, db: Database, fake: FakeHomeserver
) -> None:
    body = {"events": [member("$a")], "de.sorunome.msc2409.ephemeral": [member("$b")], "to_device": 5}

    pushed = await fake.push(url, HS_TOKEN, raw=json.dumps(body).encode())

    assert pushed.status == 200
    assert await stored(db) == ["$a"]


def test_an_event_without_a_usable_id_is_known_by_what_it_says() -> None:
    event = without(member(), "event_id")

    names = {arrival(event).event_id, arrival(event).event_id, arrival(event | {"room_id": "!x:y"}).event_id}

    assert len(names) == 2
    assert not any(name.startswith("$") for name in names)


# --- when storing fails ---------------------------------------------------------------------------------------


async def break_inserts_of(tx: Connection, event_id: str) -> None:
    await tx.execute(
        f"CREATE TRIGGER broken BEFORE INSERT ON inbox WHEN NEW.event_id = '{event_id}' "
        "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )


async def test_where_one_event_cannot_be_stored_none_is_and_all_are_when_they_come_again(
    url: str, db: Database, fake: FakeHomeserver
) -> None:
    came = [member("$a"), member("$b"), member("$c")]
    async with db.tx() as tx:
        await break_inserts_of(tx, "$b")

    refused = await fake.push(url, HS_TOKEN, came, "1")
    assert (refused.status, json.loads(refused.text)["errcode"]) == (500, "M_UNKNOWN")
    assert await stored(db) == []

    async with db.tx() as tx:
        await tx.execute("DROP TRIGGER broken")
    taken = await fake.push(url, HS_TOKEN, came, "1")
    assert taken.status == 200
    assert await stored(db) == ["$a", "$b", "$c"]


async def test_a_closed_database_is_a_500_and_the_next_start_takes_it(sqlite_url: str, fake: FakeHomeserver) -> None:
    closed = await Database.open(sqlite_url)
    async with serving(gateway(closed).app) as url:
        await closed.close()
        assert (await fake.push(url, HS_TOKEN, [member("$a")], "1")).status == 500

    again = await Database.open(sqlite_url)
    try:
        async with serving(gateway(again).app) as url:
            assert await stored(again) == []
            assert (await fake.push(url, HS_TOKEN, [member("$a")], "1")).status == 200
            assert await stored(again) == ["$a"]
    finally:
        await again.close()


async def test_a_database_locked_by_another_program_is_a_503_and_no_loss(
    ready_sqlite_url: str, db: Database, url: str, fake: FakeHomeserver
) -> None:
    async with db.tx() as tx:
        await tx.execute("PRAGMA query_only = FALSE")
    async with db._pool.acquire_direct() as conn:
        await conn.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(ready_sqlite_url.removeprefix("sqlite:"), isolation_level=None)
    with contextlib.closing(other):
        other.execute("BEGIN EXCLUSIVE")
        assert (await fake.push(url, HS_TOKEN, [member("$a")])).status == 503
        other.execute("ROLLBACK")

    async with db._pool.acquire_direct() as conn:
        await conn.execute("PRAGMA busy_timeout = 5000")  # the next test has the same connection
    assert (await fake.push(url, HS_TOKEN, [member("$a")])).status == 200
    assert await stored(db) == ["$a"]


# --- when the homeserver hangs up -----------------------------------------------------------------------------


def request(body: bytes, authorization: bytes = f"Authorization: Bearer {HS_TOKEN}".encode()) -> bytes:
    lines = [
        f"PUT {WHERE} HTTP/1.1".encode(),
        b"Host: knockbot",
        authorization,
        f"Content-Length: {len(body)}".encode(),
        b"Connection: close",
    ]
    return b"\r\n".join([*lines, b"", body])


async def exchange(url: str, authorization: bytes, body: bytes) -> tuple[int, bytes]:
    """One request, byte by byte as given, and the answer's status and body."""
    reader, writer = await connect(url)
    writer.write(request(body, authorization))
    answer = await reader.read()
    writer.close()
    return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def test_half_a_transaction_is_nothing(url: str, db: Database, fake: FakeHomeserver) -> None:
    whole = request(transaction([member("$a"), member("$b")]))
    _, writer = await connect(url)
    writer.write(whole[:-30])
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    await fake.push(url, HS_TOKEN, [member("$c")])

    assert await stored(db) == ["$c"]


class Watched(Gateway):
    """Tells when it begins to store, and when it has been cancelled."""

    def __init__(self, db: Database) -> None:
        super().__init__(HS_TOKEN, db, Wakeups(), Clock())
        self.storing = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def _keep(self, sifted: Any, body: Any) -> None:
        self.storing.set()
        await super()._keep(sifted, body)

    async def _http_handle_transaction(self, request: web.Request) -> web.Response:
        try:
            return await super()._http_handle_transaction(request)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@pytest.mark.parametrize("cancellation", [False, True], ids=["left to itself", "cancelled"])
async def test_what_was_read_is_stored_though_the_homeserver_does_not_wait_for_the_answer(
    db: Database, cancellation: bool
) -> None:
    came = [f"${n}" for n in range(500)]
    context = Watched(db)
    async with serving(context.app, handler_cancellation=cancellation) as url:
        async with db.tx():  # SQLite has one connection: nothing can be stored as long as we hold it
            _, writer = await connect(url)
            writer.write(request(transaction([member(event_id) for event_id in came])))
            await context.storing.wait()
            writer.transport.abort()
            if cancellation:
                await context.cancelled.wait()

        kept = await until(lambda: stored(db), bool, lambda _: "nothing was stored")

    assert kept == came


# --- who takes their time -------------------------------------------------------------------------------------


HEAD = f"PUT {WHERE} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {HS_TOKEN}\r\n".encode()


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Wait until the other end hangs up."""
    with contextlib.suppress(ConnectionError):
        await reader.read()
    return True


@pytest.mark.parametrize(
    "part",
    [b"", b"P", HEAD, HEAD + b"Content-Length: 5\r\n", b"\r\n"],
    ids=["none", "a byte", "most", "no end", "CRLF"],
)
async def test_a_header_that_does_not_come_to_its_end_is_not_waited_for(db: Database, part: bytes) -> None:
    async with serving(gateway(db).app, {"header": 0.05}) as url:
        reader, writer = await connect(url)
        writer.write(part)

        assert await is_closed(reader)
        writer.close()


async def test_a_header_that_trickles_is_not_waited_for(db: Database) -> None:
    async with serving(gateway(db).app, {"header": 0.2}) as url:
        reader, writer = await connect(url)
        writer.write(HEAD)
        closed = asyncio.create_task(is_closed(reader))
        while not closed.done():
            writer.write(b"X-More: 1\r\n")
            await asyncio.wait([closed], timeout=0.01)

        assert closed.result()
        writer.close()


async def test_the_second_header_of_a_connection_has_as_long_as_the_first(db: Database) -> None:
    async with serving(gateway(db).app, {"header": 0.2}) as url:
        reader, writer = await connect(url)
        writer.write(HEAD + b"Content-Length: 14\r\n\r\n" + transaction([]))
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"{}"
        writer.write(HEAD)

        assert await is_closed(reader)
        writer.close()


async def test_a_header_that_begins_with_the_end_of_the_request_before_has_no_longer(db: Database) -> None:
    async with serving(gateway(db).app, {"header": 0.2}) as url:
        reader, writer = await connect(url)
        writer.write(b"GET /_matrix/mau/live HTTP/1.1\r\nHost: here\r\n\r\nGET /_matrix")
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")

        assert await is_closed(reader)
        writer.close()


async def test_a_connection_that_rests_between_two_requests_is_kept(db: Database) -> None:
    loop = asyncio.get_running_loop()
    async with serving(gateway(db).app, {"header": 0.05}) as url:
        reader, writer = await connect(url)
        for _ in range(3):
            writer.write(HEAD + b"Content-Length: 14\r\n\r\n" + transaction([]))
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(2) == b"{}"
            rested = loop.create_future()
            loop.call_later(0.1, rested.set_result, None)  # twice as long as a header may take
            await rested
        writer.close()


async def test_a_body_that_trickles_is_not_waited_for(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    context = gateway(db)
    context.patience = 0.05
    async with serving(context.app, lingering_time=0) as url:
        reader, writer = await connect(url)
        writer.write(HEAD + b"Content-Length: 5000\r\n\r\n{")

        assert b" 408 " in await reader.readuntil(b"\r\n")
        writer.close()
    assert "the body of a transaction took more than" in caplog.text


async def test_without_the_token_no_body_is_waited_for(db: Database) -> None:
    async with serving(gateway(db).app, lingering_time=0) as url:
        reader, writer = await connect(url)
        writer.write(HEAD.replace(b"Bearer", b"Bearer not") + b"Content-Length: 268435456\r\n\r\n{")

        assert b" 403 " in await reader.readuntil(b"\r\n")
        writer.close()


UNREADABLE = {
    "no HTTP": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET / HTTP/9.9\r\n\r\n",
    "a long line": b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
    "no address": b"GET http://here:999999999/ HTTP/1.1\r\nHost: here\r\n\r\n",
    "half a token": b"GET / HTTP/1.1\r\nAuthorization: Bearer secret\0\r\n\r\n",
    "no length": HEAD + b"Content-Length: -5\r\n\r\n",
    "no chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "no gzip": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "no gzip, and no token": HEAD.replace(b"Bearer", b"Bearer not")
    + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE)
async def test_what_cannot_be_read_fills_no_log(db: Database, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(gateway(db).app) as url:
        reader, writer = await connect(url)
        writer.write(sent)

        assert b" 200 " not in await reader.readuntil(b"\r\n")
        assert await is_closed(reader)
        writer.close()
    assert not caplog.records


@pytest.mark.parametrize("token", [b"Bearer", b"Bearer not"])
async def test_a_compressed_body_is_not_unpacked(db: Database, token: bytes) -> None:
    body = gzip.compress(b'{"events": []}' + b" " * 1_000_000)
    async with serving(gateway(db).app) as url:
        reader, writer = await connect(url)
        head = HEAD.replace(b"Bearer", token) + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body)

        assert b" 415 " in await reader.readuntil(b"\r\n")
        assert await is_closed(reader)
        writer.close()


async def test_a_homeserver_that_breaks_off_fills_no_log(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(gateway(db).app) as url:
        reader, writer = await connect(url)
        writer.write(HEAD + b"Content-Length: 5000\r\n\r\n{")
        writer.write_eof()

        assert await is_closed(reader)
        writer.close()
    assert not caplog.records


async def test_a_fault_of_our_own_is_still_in_the_log(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    context = gateway(db)

    async def fail(_: web.Request) -> web.Response:
        raise RuntimeError("nobody thought of it")

    context.app.router.add_get("/fail", fail)
    async with serving(context.app) as url, aiohttp.ClientSession(url) as http, http.get("/fail") as answer:
        assert answer.status == 500
    assert "nobody thought of it" in caplog.text


async def test_strangers_have_only_so_many_places_and_the_homeserver_keeps_its_own(db: Database) -> None:
    async with serving(gateway(db).app, {"strangers": 3}) as url:
        homeserver, speak = await connect(url)
        for first in (True, False):
            speak.write(HEAD + b"Content-Length: 14\r\n\r\n" + transaction([]))
            assert b" 200 " in await homeserver.readuntil(b"\r\n\r\n")
            assert await homeserver.readexactly(2) == b"{}"
            if first:
                strangers = [await connect(url) for _ in range(20)]
                assert all([await is_closed(reader) for reader, _ in strangers[:17]])

        assert not any(reader.at_eof() for reader, _ in strangers[17:])
        for _, writer in [*strangers, (homeserver, speak)]:
            writer.close()


async def test_an_event_as_deep_as_can_just_be_read_stops_nothing(url: str, db: Database, fake: FakeHomeserver) -> None:
    depths = [10, 100, *range(850, 1010), 5_000, 100_000]
    for depth in depths:
        deep = json.dumps(member(f"$deep{depth}")).replace('"age": 5', f'"age": {"[" * depth}{"]" * depth}').encode()
        pushed = await fake.push(url, HS_TOKEN, raw=transaction([deep, member(f"$after{depth}")]))
        assert pushed.status == 200, depth

    assert await stored(db) == [f"${name}{depth}" for depth in depths for name in ("deep", "after")]


# --- the other routes -----------------------------------------------------------------------------------------


async def test_alive_is_not_yet_ready(db: Database) -> None:
    context = gateway(db)
    async with serving(context.app) as url, aiohttp.ClientSession(url) as http:

        async def status(path: str) -> int:
            async with http.get(path) as answer:
                return answer.status

        assert (await status("/_matrix/mau/live"), await status("/_matrix/mau/ready")) == (200, 503)
        context.ready = True
        assert (await status("/_matrix/mau/live"), await status("/_matrix/mau/ready")) == (200, 200)


@pytest.mark.parametrize(
    "path", ["users/@knockbot:tulip.example", "users/@ana:tulip.example", "rooms/%23a%3Ab.example"]
)
@pytest.mark.parametrize("prefix", ["/_matrix/app/v1/", "/"], ids=["today's path", "the older path"])
async def test_no_user_and_no_alias_is_made_on_demand(http: aiohttp.ClientSession, prefix: str, path: str) -> None:
    async with http.get(prefix + path, headers=bearer()) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/_matrix/app/v1/users/@x:y"),
        ("GET", "/_matrix/app/v1/rooms/%23x%3Ay"),
        ("POST", "/_matrix/app/v1/ping"),
    ],
)
async def test_every_route_of_the_homeserver_asks_for_the_token(
    http: aiohttp.ClientSession, method: str, path: str
) -> None:
    async with http.request(method, path, headers=bearer("wrong"), json={"transaction_id": "x"}) as answer:
        assert answer.status in (401, 403)


async def test_a_ping_of_the_homeserver_is_answered(http: aiohttp.ClientSession) -> None:
    async with http.post("/_matrix/app/v1/ping", headers=bearer(), json={"transaction_id": "x"}) as answer:
        assert (answer.status, await answer.json()) == (200, {})


async def test_a_ping_is_answered_while_the_database_takes_no_changes(
    http: aiohttp.ClientSession, db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(*_: Any) -> None:
        raise Unusable("it is read-only")

    monkeypatch.setattr(db, "alone", False)
    monkeypatch.setattr(processes, "hear", refuse)
    async with http.post("/_matrix/app/v1/ping", headers=bearer(), json={"transaction_id": "x"}) as answer:
        assert answer.status == 200
    assert not caplog.records


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "application/json", 200),
        (b"{}", "application/json; charset=nonsense", 200),
        (b"[]", "application/json", 200),
        (b"{", "application/json", 400),
    ],
    ids=["deep", "charset", "list", "no JSON"],
)
async def test_a_ping_may_hold_anything(
    http: aiohttp.ClientSession, body: bytes, kind: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    headers = bearer() | {"Content-Type": kind}
    async with http.post("/_matrix/app/v1/ping", headers=headers, data=body) as answer:
        assert answer.status == status
    assert not caplog.records


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", WHERE), ("PUT", "/_matrix/app/v1/elsewhere")])
async def test_there_are_no_other_doors(http: aiohttp.ClientSession, method: str, path: str) -> None:
    async with http.request(method, path, headers=bearer()) as answer:
        assert answer.status in (404, 405)


# --- what is logged -------------------------------------------------------------------------------------------

SECRET = "what a stranger said"


async def test_no_log_line_holds_a_token_or_what_was_said(
    inside: Inside, fake: FakeHomeserver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    caplog.set_level(logging.DEBUG, logger="knockbot")  # as `knockbot run` does at its lowest level
    broken = without(member("$broken", reason=SECRET), "sender")
    async with inside.db.tx() as tx:
        await break_inserts_of(tx, "$unlucky")

    await fake.push(inside.url, "wrong-token", [text("$1", body=SECRET)])
    await fake.push(inside.url, HS_TOKEN, [text("$2", body=SECRET), member("$3", reason=SECRET), broken, SECRET])
    await fake.push(inside.url, HS_TOKEN, [member("$unlucky", reason=SECRET)])
    await inside.settled()

    written = [f"{record.getMessage()} {record.exc_text} {record.args}" for record in caplog.records]
    assert any("set aside" in line for line in written)
    assert any("storing" in line for line in written)
    assert not [line for line in written if SECRET in line or HS_TOKEN in line or "wrong-token" in line]
