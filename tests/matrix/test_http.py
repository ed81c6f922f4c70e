"""A homeserver that cannot be reached: what is in the way is named, with its mend; on real sockets and real TLS."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from knockbot import http
from knockbot.demo.certificates import Authority
from knockbot.domain.reasons import in_words
from knockbot.errors import Later
from knockbot.matrix.homeserver import Homeserver
from tests.matrix.edge import AS_TOKEN, BOT
from tests.matrix.fake_homeserver import FakeHomeserver, Reply

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


async def versions(_: web.Request) -> web.Response:
    return web.json_response({"versions": ["v1.11"]})


@asynccontextmanager
async def listening(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_get("/_matrix/client/versions", versions)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def ask(address: str, trusted: Path | None = None) -> dict[str, object]:
    context = ssl.create_default_context(cafile=trusted)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        return await Homeserver(session, address, AS_TOKEN, BOT).versions()


async def why_not(address: str, trusted: Path | None = None) -> str:
    with pytest.raises(Later) as caught:
        await ask(address, trusted)
    assert caught.value.unreachable
    assert "Operation not permitted" not in in_words(caught.value.why)
    return in_words(caught.value.why)


# --- TLS ------------------------------------------------------------------------------------------------------


async def test_a_certificate_of_a_trusted_authority_is_taken(tmp_path: Path) -> None:
    files = Authority().write(tmp_path)
    async with listening(files.serving()) as port:
        assert await ask(f"https://localhost:{port}", files.authority) == {"versions": ["v1.11"]}


@pytest.mark.parametrize(
    ("name", "since", "until", "why"),
    [
        ("localhost", 2 * DAY, -HOUR, "its certificate has expired; renew it"),
        ("localhost", -HOUR, DAY, "its certificate is not valid yet; compare the clocks of both machines"),
        ("elsewhere.example", HOUR, DAY, "its certificate is for another host name; use a name that it is for"),
    ],
)
async def test_what_is_wrong_with_a_certificate_is_said(
    tmp_path: Path, name: str, since: dt.timedelta, until: dt.timedelta, why: str
) -> None:
    files = Authority().write(tmp_path, name=name, since=since, until=until)
    async with listening(files.serving()) as port:
        said = await why_not(f"https://localhost:{port}", files.authority)

    assert said == f"the homeserver cannot be reached ({why})."


async def test_a_certificate_for_a_name_is_none_for_an_address(tmp_path: Path) -> None:
    files = Authority().write(tmp_path)
    async with listening(files.serving()) as port:
        assert "use the name that it is for" in await why_not(f"https://127.0.0.1:{port}", files.authority)


async def test_an_unknown_authority_is_said(tmp_path: Path) -> None:
    files = Authority().write(tmp_path)
    async with listening(files.serving()) as port:
        assert "an authority that this machine does not know" in await why_not(f"https://localhost:{port}")


async def test_https_to_a_port_without_tls_is_said() -> None:
    async with listening(None) as port:
        assert in_words(http.NO_TLS) in await why_not(f"https://localhost:{port}")


async def test_http_to_a_port_with_tls_is_said(tmp_path: Path) -> None:
    files = Authority().write(tmp_path)
    async with listening(files.serving()) as port:
        said = await why_not(f"http://localhost:{port}")

    assert any(in_words(why) in said for why in (http.BROKE_OFF, http.NONSENSE, http.ONLY_TLS))


@pytest.mark.parametrize(
    "words",
    [
        "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
        "Client sent an HTTP request to an HTTPS server.\n",
    ],
)
async def test_a_proxy_that_says_it_wants_https_is_understood(fake: FakeHomeserver, words: str) -> None:
    fake.on("GET", "versions", Reply(400, raw=words.encode()))

    assert in_words(http.ONLY_TLS) in await why_not(fake.url)


# --- before TLS -----------------------------------------------------------------------------------------------


async def test_what_answers_but_speaks_no_http_is_said() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        said = await why_not(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert in_words(http.NONSENSE) in said


async def test_where_nothing_listens_and_no_name_is_known_it_says_so() -> None:
    assert "Connection refused: nothing listens there" in await why_not("http://127.0.0.1:1")
    assert in_words(http.NO_NAME) in await why_not("http://nowhere.invalid:8008")


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT])
def test_a_network_that_is_in_the_way_is_a_question_of_the_network(number: int) -> None:
    key = aiohttp.client_reqrep.ConnectionKey("h", 1, False, True, None, None, None)
    said = http.why_unreachable(aiohttp.ClientConnectorError(key, OSError(number, "Connect call failed ('10.0.0.1')")))

    assert said == http.CONNECTIONS[number]
    assert "10.0.0.1" not in in_words(said)


# --- redirects ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "where"),
    [
        ("https://matrix.example.org/_matrix/client/versions", "https://matrix.example.org"),
        ("https://matrix.example.org:8448/hs/_matrix/client/versions?a=b#c", "https://matrix.example.org:8448/hs"),
        ("https://somebody:secret@matrix.example.org/", "https://matrix.example.org"),
        ("http://[", "nowhere"),
        ("", "nowhere"),
    ],
)
async def test_an_address_that_redirects_is_named_with_its_target_and_not_followed(
    fake: FakeHomeserver, status: int, location: str, where: str
) -> None:
    fake.on("GET", "versions", Reply(status, headers={"Location": location}))

    said = await why_not(fake.url)

    assert said.startswith(f"the homeserver's address redirects to {where};")
    assert "secret" not in said
    assert len(fake.requests) == 1


def test_a_relative_redirect_leads_to_the_same_server() -> None:
    assert http.origin("/login", URL("https://a.example/_matrix/client/versions")) == "https://a.example/login"
