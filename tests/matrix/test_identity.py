"""What identity servers are asked, what is made of each answer, and that nobody else is asked anything."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from knockbot.config.settings import IdentityServer
from knockbot.documents.schema import form
from knockbot.domain.invites import IN_VAIN, UNASKED, StoredInvite, masked
from knockbot.domain.model import IdentityKey, Known, Truth
from knockbot.domain.reasons import clause, foreign, in_words
from knockbot.errors import ActionError, Later, Never
from knockbot.http import CERTIFICATES
from knockbot.identity import client
from knockbot.identity.client import MOST_ASKED, IdentityServers
from knockbot.matrix.homeserver import Homeserver
from tests.matrix.edge import AS_TOKEN, BOT, GARDEN, HOME
from tests.matrix.fake_homeserver import Asked, FakeHomeserver, Reply
from tests.refusals import refused
from tests.sydent import FederatingHomeserver, LabIdentityServer

pytestmark = pytest.mark.usefixtures("tidy")

ID = "id.example"
KEY = IdentityKey("4l2+zo/bi=", f"https://{ID}/_matrix/identity/v2/pubkey/isvalid")
EPHEMERAL = IdentityKey("ephemeral", f"https://{ID}/_matrix/identity/v2/pubkey/ephemeral/isvalid")
VALID, INVALID = Reply(body={"valid": True}), Reply(body={"valid": False})

WhoAt = Callable[..., IdentityServers]


@pytest.fixture
async def at(homeserver: Homeserver) -> AsyncIterator[WhoAt]:
    """Makes the client, with one identity server, `ID`, at this URL, and any others."""
    async with aiohttp.ClientSession() as session:

        def make(url: str, others: Mapping[str, str] | None = None, **more: Any) -> IdentityServers:
            urls = {ID: {"url": url, **more}} | {name: {"url": other} for name, other in (others or {}).items()}
            configured = {n: form(IdentityServer)(u, ()) for n, u in urls.items()}
            return IdentityServers(session, homeserver, lambda: configured)

        yield make


@pytest.fixture
def servers(at: WhoAt, fake: FakeHomeserver) -> IdentityServers:
    """The client, with `ID` at the one that answers by script; so does the homeserver."""
    return at(fake.url)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No patience with who does not answer."""
    monkeypatch.setattr(client, "ANSWER", 1.0)
    monkeypatch.setattr(client, "ISSUE", 1.0)


# --- whether keys hold: whom to ask ---------------------------------------------------------------------------


def told(known: Known) -> Known:
    """The same with its reason in words."""
    return Known(known.truth, foreign(clause(known.why)) if known.why is not None else None)


async def test_a_key_that_its_server_vouches_for_is_good(servers: IdentityServers, fake: FakeHomeserver) -> None:
    fake.on("GET", "_matrix/identity/v2/pubkey/isvalid", VALID)

    assert await servers.vouch([KEY]) == Known(Truth.TRUE)

    [asked] = fake.requests
    assert dict(asked.query) == {"public_key": "4l2+zo/bi="}
    assert "Authorization" not in asked.headers


@pytest.mark.parametrize("api", ["v2", "api/v1"])
async def test_an_ephemeral_key_is_asked_about_as_such(
    servers: IdentityServers, fake: FakeHomeserver, api: str
) -> None:
    fake.on("GET", "_matrix/identity/v2/pubkey/ephemeral/isvalid", VALID)
    url = f"https://{ID}/_matrix/identity/{api}/pubkey/ephemeral/isvalid"

    assert await servers.vouch([IdentityKey("e", url)]) == Known(Truth.TRUE)


async def test_each_key_is_asked_about_once(servers: IdentityServers, fake: FakeHomeserver) -> None:
    fake.on("GET", "pubkey/isvalid", VALID)
    fake.on("GET", "ephemeral/isvalid", VALID)
    old = IdentityKey(KEY.public_key, f"https://{ID}/_matrix/identity/api/v1/pubkey/isvalid")

    assert await servers.vouch([KEY, EPHEMERAL, KEY, old]) == Known(Truth.TRUE)

    assert len(fake.requests) == 2


async def test_one_key_that_does_not_hold_is_enough(servers: IdentityServers, fake: FakeHomeserver) -> None:
    fake.on("GET", "pubkey/isvalid", VALID)
    fake.on("GET", "ephemeral/isvalid", INVALID)

    assert told(await servers.vouch([KEY, EPHEMERAL])) == Known(
        Truth.FALSE, foreign("the identity server id.example says that a key is not valid")
    )


async def test_a_key_that_does_not_hold_counts_more_than_one_that_nobody_knows(at: WhoAt, fake: FakeHomeserver) -> None:
    fake.on("GET", "pubkey/isvalid", INVALID)
    servers = at("http://127.0.0.1:1", {"other.example": fake.url})
    other = IdentityKey("k", "https://other.example/_matrix/identity/v2/pubkey/isvalid")

    assert (await servers.vouch([KEY, other])).truth is Truth.FALSE
    assert (await servers.vouch([KEY])).truth is Truth.UNKNOWN


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "https://other.example/_matrix/identity/v2/pubkey/isvalid",
        f"https://{ID}.other.example/_matrix/identity/v2/pubkey/isvalid",
        f"https://other.example/{ID}/pubkey/isvalid",
        f"https://{ID}@other.example/pubkey/isvalid",
        f"https://other.example\\@{ID}/pubkey/isvalid",
        f"http://{ID}/_matrix/identity/v2/pubkey/isvalid",
        "https://127.0.0.1/pubkey/isvalid",
        "https://[::1]/pubkey/isvalid",
        "https://[::1",
        "file:///etc/passwd",
        "nonsense",
    ],
)
async def test_nobody_is_asked_about_a_key_that_is_of_no_server_in_the_config(
    servers: IdentityServers, fake: FakeHomeserver, url: str | None
) -> None:
    assert await servers.vouch([IdentityKey("k", url)]) == Known(Truth.TRUE)
    assert fake.requests == []


async def test_a_config_that_was_read_again_is_in_force_at_once(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    configured: dict[str, IdentityServer] = {}
    take_accounts(fake)
    fake.on("GET", "isvalid", Reply(body={"valid": False}))
    async with aiohttp.ClientSession() as session:
        servers = IdentityServers(session, homeserver, lambda: configured)
        assert (servers.default, await servers.vouch([KEY])) == (None, Known(Truth.TRUE))

        configured[ID] = IdentityServer(url=fake.url)
        assert servers.default == ID
        assert (await servers.vouch([KEY])).truth is Truth.FALSE
        await servers.account(ID)

        del configured[ID]
        assert await servers.vouch([KEY]) == Known(Truth.TRUE)
        with refused(Never, match="I know no identity server"):
            await servers.account(ID)


async def test_where_no_server_is_configured_nobody_is_asked(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    async with aiohttp.ClientSession() as session:
        servers = IdentityServers(session, homeserver, dict)

        assert servers.default is None
        assert await servers.vouch([KEY]) == Known(Truth.TRUE)
        assert await servers.vouch([]) == Known(Truth.TRUE)
    assert fake.requests == []


async def test_only_the_url_of_the_config_is_asked_and_never_that_of_the_event(
    at: WhoAt, fake: FakeHomeserver, identity_server: LabIdentityServer
) -> None:
    fake.on("GET", "pubkey/isvalid", VALID)
    servers = at("http://127.0.0.1:1", {identity_server.name: fake.url})
    before = list(identity_server.asked)

    key = IdentityKey("k", f"{identity_server.url}/_matrix/identity/v2/pubkey/isvalid")

    assert await servers.vouch([key]) == Known(Truth.TRUE)
    assert len(fake.requests) == 1
    assert identity_server.asked == before


@pytest.mark.parametrize(
    "url",
    [
        f"https://{ID.upper()}/_matrix/identity/v2/pubkey/isvalid",
        f"HTTPS://{ID}:443/_matrix/identity/v2/pubkey/isvalid",
        f"https://{ID}./_matrix/identity/v2/pubkey/isvalid",
        f"https://{ID}:/_matrix/identity/v2/pubkey/isvalid",
        f"https://{ID}/any/where/pubkey/isvalid",
        f"https://{ID}/_matrix/identity/v2/pubkey/isvalid?public_key=one-that-holds&x=#",
    ],
)
async def test_a_server_is_recognized_however_its_url_is_written(
    servers: IdentityServers, fake: FakeHomeserver, url: str
) -> None:
    fake.on("GET", "pubkey/isvalid", lambda asked: Reply(body={"valid": asked.query["public_key"] != "planted"}))

    assert (await servers.vouch([IdentityKey("planted", url)])).truth is Truth.FALSE


async def test_a_server_is_known_by_its_name_and_by_the_host_of_its_url(
    homeserver: Homeserver, identity_server: LabIdentityServer
) -> None:
    configured = {
        "id.example:8443": IdentityServer(url=identity_server.url, ca_file=str(identity_server.files.authority))
    }
    named = IdentityKey("k", "https://id.example:8443/_matrix/identity/v2/pubkey/isvalid")
    reached = IdentityKey("k", f"{identity_server.url}/_matrix/identity/v2/pubkey/isvalid")
    async with aiohttp.ClientSession() as session:
        servers = IdentityServers(session, homeserver, lambda: configured)

        assert (await servers.vouch([named])).truth is Truth.FALSE
        assert (await servers.vouch([reached])).truth is Truth.FALSE


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"https://{ID}:8443/pubkey/isvalid", "a key names another port of id.example than the config"),
        (f"https://{ID}:99999/pubkey/isvalid", "a key names another port of id.example than the config"),
        (f"https://{ID}", "a key names an unknown address of id.example"),
        (f"https://{ID}/yes", "a key names an unknown address of id.example"),
        (f"https://{ID}/pubkey/isvalid/", "a key names an unknown address of id.example"),
        (f"https://{ID}/?/pubkey/isvalid", "a key names an unknown address of id.example"),
    ],
)
async def test_a_key_that_its_server_would_not_be_asked_about_at_that_url_is_not_trusted(
    servers: IdentityServers, fake: FakeHomeserver, url: str, why: str
) -> None:
    assert told(await servers.vouch([IdentityKey("k", url)])) == Known(Truth.UNKNOWN, foreign(why))
    assert fake.requests == []


# --- whether keys hold: what the answer is worth --------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(body={"valid": "true"}), "the answer of the identity server id.example makes no sense"),
        (Reply(body={"valid": 1}), "the answer of the identity server id.example makes no sense"),
        (Reply(body={"valid": None}), "the answer of the identity server id.example makes no sense"),
        (Reply(body={}), "the answer of the identity server id.example makes no sense"),
        (Reply(body=[True]), "the answer of the identity server id.example makes no sense"),
        (Reply(body=True), "the answer of the identity server id.example makes no sense"),
        (Reply(raw=b""), "the answer of the identity server id.example makes no sense"),
        (Reply(raw=b"<h1>It works!</h1>"), "the answer of the identity server id.example makes no sense"),
        (Reply(raw=b"\xff\xfe"), "the answer of the identity server id.example makes no sense"),
        (Reply(raw=b"[" * 60_000), "the answer of the identity server id.example makes no sense"),
        (Reply(raw=b'{"valid": ' + b"1" * 60_000), "the answer of the identity server id.example makes no sense"),
        (
            Reply(raw=gzip.compress(b'{"valid": true}'), headers={"Content-Encoding": "gzip"}),
            "the answer of the identity server id.example makes no sense",
        ),
        (
            Reply(raw=b'{"valid": true, "and": "' + b"x" * 2**20 + b'"}'),
            "the identity server id.example answers with more than 64 KiB",
        ),
        (
            Reply(302, {"valid": True}, {"Location": "/elsewhere"}),
            "the identity server id.example sends me to /elsewhere; is its url in the config right?",
        ),
        (
            Reply(307, {"valid": True}, {"Location": "http://127.0.0.1:1/"}),
            "the identity server id.example sends me to http://127.0.0.1:1/; is its url in the config right?",
        ),
        (Reply(400, {"valid": True}), "the identity server id.example says: 400"),
        (Reply(403, {"errcode": "M_FORBIDDEN", "error": "No."}), "the identity server id.example says: No"),
        (
            Reply(404, raw=b"nginx"),
            "the identity server id.example does not know what I ask; is its url in the config right?",
        ),
        (Reply(429, {"errcode": "M_LIMIT_EXCEEDED"}), "the identity server id.example asks me to slow down"),
        (Reply(500, {"valid": True}), "the identity server id.example says: 500"),
        (Reply(502, raw=b"<h1>Bad gateway</h1>"), "the identity server id.example says: 502"),
        (Reply(500, {"errcode": 5, "error": {}}), "the identity server id.example says: 500"),
        (Reply(drop=True), "the identity server id.example cannot be reached (the connection broke)"),
    ],
)
async def test_any_answer_but_a_plain_yes_or_no_leaves_it_unknown(
    servers: IdentityServers, fake: FakeHomeserver, reply: Reply, why: str
) -> None:
    fake.on("GET", "pubkey/isvalid", reply)

    assert told(await servers.vouch([KEY])) == Known(Truth.UNKNOWN, foreign(why))


async def test_a_redirect_is_not_followed(servers: IdentityServers, fake: FakeHomeserver) -> None:
    fake.on("GET", "pubkey/isvalid", Reply(302, headers={"Location": f"{fake.url}/yes"}))
    fake.on("GET", "yes", VALID)

    await servers.vouch([KEY])

    assert fake.asked("GET", "yes") == []


async def test_what_is_no_http_leaves_it_unknown(at: WhoAt, unused_listener: Callable[[bytes], Awaitable[str]]) -> None:
    servers = at(await unused_listener(b"220 smtp.example ESMTP\r\n\r\n"))

    assert (await servers.vouch([KEY])).truth is Truth.UNKNOWN


async def test_a_server_that_is_down_is_named_without_its_address(at: WhoAt) -> None:
    assert told(await at("http://127.0.0.1:1").vouch([KEY])) == Known(
        Truth.UNKNOWN,
        foreign("the identity server id.example cannot be reached (Connection refused: nothing listens there)"),
    )


async def test_a_certificate_of_nobody_we_trust_is_refused(at: WhoAt, identity_server: LabIdentityServer) -> None:
    before = list(identity_server.asked)

    assert told(await at(identity_server.url).vouch([KEY])) == Known(
        Truth.UNKNOWN,
        foreign(f"the identity server id.example cannot be reached ({in_words(CERTIFICATES[20])})"),
    )
    assert identity_server.asked == before


async def test_a_server_that_gives_no_answer_is_left_alone_for_a_while(
    servers: IdentityServers, fake: FakeHomeserver, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.on("GET", "pubkey/isvalid", Reply(hang=True), VALID)
    fake.on("GET", "ephemeral/isvalid", VALID)

    silent = Known(Truth.UNKNOWN, foreign("the identity server id.example gave no answer within 1 second"))
    assert told(await servers.vouch([KEY, EPHEMERAL])) == silent
    assert told(await servers.vouch([KEY])) == Known(
        Truth.UNKNOWN, foreign("the identity server id.example gave no answer a moment ago")
    )
    assert len(fake.requests) == 1

    monkeypatch.setattr(client, "SILENCE", 0)
    servers._silent_until.clear()  # the moment has passed
    assert await servers.vouch([KEY]) == Known(Truth.TRUE)


async def test_all_keys_of_an_invite_have_one_deadline(
    servers: IdentityServers, fake: FakeHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "VOUCH", 0.2)
    fake.on("GET", "pubkey/isvalid", Reply(hang=True))

    assert told(await servers.vouch([KEY])) == Known(
        Truth.UNKNOWN, foreign("the identity servers took more than 0.2 seconds")
    )


async def test_vouching_ends_when_it_is_no_longer_wanted(servers: IdentityServers, fake: FakeHomeserver) -> None:
    fake.on("GET", "pubkey/isvalid", Reply(hang=True))
    task = asyncio.create_task(servers.vouch([KEY]))
    await fake.wait_for("GET", "pubkey/isvalid")

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


# --- the account ----------------------------------------------------------------------------------------------

PROOF = {"access_token": "open", "token_type": "Bearer", "matrix_server_name": HOME, "expires_in": 3600}


def take_accounts(fake: FakeHomeserver) -> None:
    """Have the fake give the bot OpenID tokens, and accounts for them: `account-1`, `account-2` …"""
    fake.on("POST", f"user/{BOT}/openid/request_token", Reply(body=PROOF))
    numbers = iter(range(1, 100))
    fake.on("POST", "account/register", lambda _: Reply(body={"token": f"account-{next(numbers)}"}))


def tokens_of(asked: list[Asked]) -> list[str]:
    return [one.headers["Authorization"].removeprefix("Bearer ") for one in asked]


async def test_the_account_is_proven_by_the_homeserver_and_made_once(
    servers: IdentityServers, fake: FakeHomeserver
) -> None:
    take_accounts(fake)

    assert await asyncio.gather(*(servers.account(ID) for _ in range(5))) == ["account-1"] * 5

    [proven] = fake.asked("POST", "openid/request_token")
    assert proven.query["user_id"] == BOT
    [registered] = fake.asked("POST", "_matrix/identity/v2/account/register")
    assert registered.body == PROOF
    assert AS_TOKEN not in str(registered.headers)


async def test_the_older_name_of_the_token_is_understood(servers: IdentityServers, fake: FakeHomeserver) -> None:
    take_accounts(fake)
    fake.on("POST", "account/register", Reply(body={"access_token": "old"}))

    assert await servers.account(ID) == "old"


@pytest.mark.parametrize("answer", [{}, {"token": 5}, {"token": ""}, {"token": "a\r\nX: y"}, {"token": "ü"}, []])
async def test_a_token_that_is_none_is_not_taken(servers: IdentityServers, fake: FakeHomeserver, answer: Any) -> None:
    take_accounts(fake)
    fake.on("POST", "account/register", Reply(body=answer))

    with refused(Later, match=r"the answer of the identity server id\.example makes no sense"):
        await servers.account(ID)


async def test_an_unknown_server_is_told_with_those_that_are_known(servers: IdentityServers) -> None:
    with refused(Never, match=r"^I know no identity server evil\.example; known: id\.example\.$"):
        await servers.lookup("evil.example", "email", "ana@mail.example")


async def test_a_homeserver_that_proves_nothing_is_named_as_the_trouble(
    servers: IdentityServers, fake: FakeHomeserver
) -> None:
    fake.on("POST", "openid/request_token", Reply(500, {"errcode": "M_UNKNOWN", "error": "broken"}))

    with refused(Later, match="the homeserver says: broken"):
        await servers.account(ID)


async def test_an_identity_server_that_cannot_ask_the_homeserver_says_so(
    servers: IdentityServers, fake: FakeHomeserver
) -> None:
    take_accounts(fake)
    words = "Unable to contact the Matrix homeserver (ConnectError)"
    fake.on("POST", "account/register", Reply(500, {"errcode": "M_UNKNOWN", "error": words}))

    with refused(Later, match=r"id\.example says: Unable to contact the Matrix homeserver"):
        await servers.account(ID)


async def test_an_account_that_ran_out_is_renewed_once(servers: IdentityServers, fake: FakeHomeserver) -> None:
    take_accounts(fake)
    fake.on("GET", "hash_details", Reply(401, {"errcode": "M_UNAUTHORIZED"}), Reply(body=DETAILS))
    fake.on("POST", "lookup", Reply(body={"mappings": {}}))

    assert await servers.lookup(ID, "email", "ana@mail.example") is None

    assert tokens_of(fake.asked("GET", "hash_details")) == ["account-1", "account-2"]
    assert tokens_of(fake.asked("POST", "lookup")) == ["account-2"]


async def test_an_account_that_ran_out_for_two_is_renewed_for_both(
    servers: IdentityServers, fake: FakeHomeserver
) -> None:
    take_accounts(fake)

    def details(asked: Asked) -> Reply:
        return Reply(401) if tokens_of([asked]) == ["account-1"] else Reply(body=DETAILS)

    fake.on("GET", "hash_details", details)
    fake.on("POST", "lookup", Reply(body={"mappings": {}}))
    await servers.account(ID)

    found = await asyncio.gather(*(servers.lookup(ID, "email", f"{name}@mail.example") for name in ("ana", "ben")))

    assert found == [None, None]
    assert len(fake.asked("POST", "account/register")) == 2


async def test_an_account_that_is_never_good_is_not_asked_for_without_end(
    servers: IdentityServers, fake: FakeHomeserver
) -> None:
    take_accounts(fake)
    fake.on("GET", "hash_details", Reply(401, {"errcode": "M_UNAUTHORIZED"}))

    with refused(Never, match="does not accept the account that it gave me"):
        await servers.lookup(ID, "email", "ana@mail.example")

    assert len(fake.asked("POST", "account/register")) == 2


# --- terms ----------------------------------------------------------------------------------------------------

TERMS = {
    "policies": {
        "terms": {
            "version": "1",
            "en": {"name": "Terms", "url": "https://id.example/terms/en"},
            "fr": {"name": "Conditions", "url": "https://id.example/terms/fr"},
        },
        "privacy": {"version": "1", "fr": {"name": "Vie privée", "url": "https://id.example/privacy/fr"}},
    }
}


def want_terms(fake: FakeHomeserver, terms: Any = None) -> None:
    """Have the fake want its terms accepted, and then look addresses up."""
    take_accounts(fake)
    agreed: list[Any] = []
    unsigned = Reply(403, {"errcode": "M_TERMS_NOT_SIGNED", "error": "Terms not signed"})
    fake.on("GET", "hash_details", lambda _: Reply(body=DETAILS) if agreed else unsigned)
    fake.on("GET", "_matrix/identity/v2/terms", Reply(body=TERMS if terms is None else terms))

    def agree(asked: Asked) -> Reply:
        agreed.append(asked.body)
        return Reply()

    fake.on("POST", "_matrix/identity/v2/terms", agree)
    fake.on("POST", "lookup", Reply(body={"mappings": {}}))


@pytest.mark.parametrize(
    ("accepted", "agreed"),
    [
        (True, ["https://id.example/terms/en", "https://id.example/privacy/fr"]),
        (
            ["https://id.example/privacy/fr", "https://id.example/terms/fr"],
            ["https://id.example/terms/fr", "https://id.example/privacy/fr"],
        ),
    ],
)
async def test_terms_are_accepted_where_the_config_says_so(
    at: WhoAt, fake: FakeHomeserver, accepted: Any, agreed: list[str]
) -> None:
    want_terms(fake)

    assert await at(fake.url, accept_terms=accepted).lookup(ID, "email", "ana@mail.example") is None

    [asked] = fake.asked("POST", "terms")
    assert asked.body == {"user_accepts": agreed}
    assert tokens_of([asked]) == ["account-1"]


@pytest.mark.parametrize(
    ("accepted", "missing"),
    [
        (False, "https://id.example/terms/en"),
        (["https://id.example/terms/en"], "https://id.example/privacy/fr"),
        (["https://id.example/terms"], "https://id.example/terms/en"),
    ],
)
async def test_terms_that_the_config_does_not_accept_are_told_and_not_accepted(
    at: WhoAt, fake: FakeHomeserver, accepted: Any, missing: str
) -> None:
    want_terms(fake)

    with refused(Never, match=f"wants its terms accepted first: {missing}\\. The server admin") as caught:
        await at(fake.url, accept_terms=accepted).lookup(ID, "email", "ana@mail.example")

    assert caught.value.code == "M_TERMS_NOT_SIGNED"
    assert fake.asked("POST", "terms") == []


@pytest.mark.parametrize(
    "terms",
    [
        [],
        {},
        {"policies": {}},
        {"policies": [1]},
        {"policies": {"a": 5}},
        {"policies": {"a": {"version": "1"}}},
        {"policies": {"a": {"en": {"url": 5}}}},
        {"policies": {**TERMS["policies"], "a": {}}},
    ],
)
async def test_terms_that_make_no_sense_are_not_accepted(at: WhoAt, fake: FakeHomeserver, terms: Any) -> None:
    want_terms(fake, terms)

    with refused(Later, match="makes no sense"):
        await at(fake.url, accept_terms=True).lookup(ID, "email", "ana@mail.example")

    assert fake.asked("POST", "terms") == []


async def test_terms_that_are_never_accepted_enough_are_not_accepted_without_end(
    at: WhoAt, fake: FakeHomeserver
) -> None:
    want_terms(fake)
    fake.on("GET", "hash_details", Reply(403, {"errcode": "M_TERMS_NOT_SIGNED", "error": "Terms not signed"}))

    with refused(Never, match="Terms not signed"):
        await at(fake.url, accept_terms=True).lookup(ID, "email", "ana@mail.example")

    assert len(fake.asked("POST", "terms")) == 1


# --- looking up -----------------------------------------------------------------------------------------------

DETAILS = {"algorithms": ["none", "sha256"], "lookup_pepper": "matrixrocks"}


def hashed(address: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(address.encode()).digest()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("medium", "address", "told"),
    [
        ("email", "alice@example.com", "4kenr7N9drpCJ4AfalmlGQVsOn3o2RHjkADUpXJWZUc"),
        ("email", "bob@example.com", "LJwSazmv46n0hlMlsb_iYxI0_HXEqy_yj6Jm636cdT8"),
        ("msisdn", "18005552067", "nlo35_T5fzSGZzJApqu8lgIudJvmOQtDaHtr-I4rU7I"),
        ("email", " Alice@Example.COM", "4kenr7N9drpCJ4AfalmlGQVsOn3o2RHjkADUpXJWZUc"),
        ("msisdn", "+1 (800) 555-2067", "nlo35_T5fzSGZzJApqu8lgIudJvmOQtDaHtr-I4rU7I"),
    ],
)
async def test_an_address_is_looked_up_by_its_hash_as_the_specification_shows(
    servers: IdentityServers, fake: FakeHomeserver, medium: str, address: str, told: str
) -> None:
    take_accounts(fake)
    fake.on("GET", "hash_details", Reply(body=DETAILS))
    fake.on("POST", "lookup", Reply(body={"mappings": {told: "@alice:example.org"}}))

    assert await servers.lookup(ID, medium, address) == "@alice:example.org"

    [asked] = fake.asked("POST", "_matrix/identity/v2/lookup")
    assert asked.body == {"addresses": [told], "algorithm": "sha256", "pepper": "matrixrocks"}


async def test_an_address_that_is_nobodys_is_not_found(servers: IdentityServers, fake: FakeHomeserver) -> None:
    take_accounts(fake)
    fake.on("GET", "hash_details", Reply(body=DETAILS))
    fake.on("POST", "lookup", Reply(body={"mappings": {hashed("another"): "@alice:example.org"}}))

    assert await servers.lookup(ID, "email", "ana@mail.example") is None


async def test_an_address_is_not_told_to_a_server_that_would_not_take_its_hash(
    servers: IdentityServers, fake: FakeHomeserver
) -> None:
    take_accounts(fake)
    fake.on("GET", "hash_details", Reply(body={"algorithms": ["none"], "lookup_pepper": "p"}))

    with refused(Never, match="does not support hashed look-ups"):
        await servers.lookup(ID, "email", "ana@mail.example")

    assert fake.asked("POST", "lookup") == []


@pytest.mark.parametrize(
    "details", [{}, {"algorithms": "sha256", "lookup_pepper": "p"}, {"algorithms": ["sha256"], "lookup_pepper": 5}]
)
async def test_hash_details_that_make_no_sense_end_the_lookup(
    servers: IdentityServers, fake: FakeHomeserver, details: Any
) -> None:
    take_accounts(fake)
    fake.on("GET", "hash_details", Reply(body=details))

    with refused(Later, match="makes no sense"):
        await servers.lookup(ID, "email", "ana@mail.example")


@pytest.mark.parametrize("found", [5, "", "ana", {}, ["@ana:a.b"], "@ana"])
async def test_a_mapping_to_what_is_no_user_is_nonsense(
    servers: IdentityServers, fake: FakeHomeserver, found: Any
) -> None:
    take_accounts(fake)
    fake.on("GET", "hash_details", Reply(body=DETAILS))
    told = hashed("ana@mail.example email matrixrocks")
    fake.on("POST", "lookup", Reply(body={"mappings": {told: found}}))

    with refused(Later, match="makes no sense"):
        await servers.lookup(ID, "email", "ana@mail.example")


async def test_a_lookup_without_mappings_is_nonsense(servers: IdentityServers, fake: FakeHomeserver) -> None:
    take_accounts(fake)
    fake.on("GET", "hash_details", Reply(body=DETAILS))
    fake.on("POST", "lookup", Reply(body={"mappings": []}))

    with refused(Later, match="makes no sense"):
        await servers.lookup(ID, "email", "ana@mail.example")


# --- issuing --------------------------------------------------------------------------------------------------

STORED: dict[str, Any] = {
    "token": "sometoken",
    "display_name": "an...@ma...",
    "public_keys": [
        {"public_key": "long", "key_validity_url": f"https://{ID}/_matrix/identity/v2/pubkey/isvalid"},
        {"public_key": "short", "key_validity_url": f"https://{ID}/_matrix/identity/v2/pubkey/ephemeral/isvalid"},
    ],
}

ADDRESS = "Ana.Maria@mail.example"


async def issue(servers: IdentityServers, medium: str = "email", address: str = ADDRESS) -> StoredInvite:
    return await servers.store_invite(ID, medium, address, GARDEN, BOT)


async def test_a_stored_invite_is_what_the_room_is_to_hold(servers: IdentityServers, fake: FakeHomeserver) -> None:
    take_accounts(fake)
    fake.on("POST", "_matrix/identity/v2/store-invite", Reply(body=STORED))

    stored = await servers.store_invite(
        ID,
        "email",
        ADDRESS,
        GARDEN,
        BOT,
        sender_name="Alice\r\nBcc: eve@mail.example",
        room_name="The\u202e Garden",
        room_alias="#garden:tulip.example",
        join_rule="knock",
        space=True,
    )

    assert stored.token == "sometoken"
    assert stored.content == {
        "display_name": "an...@ma...",
        "public_key": "long",
        "key_validity_url": f"https://{ID}/_matrix/identity/v2/pubkey/isvalid",
        "public_keys": STORED["public_keys"],
    }
    [asked] = fake.asked("POST", "store-invite")
    assert tokens_of([asked]) == ["account-1"]
    assert asked.body == {
        "medium": "email",
        "address": "ana.maria@mail.example",
        "room_id": GARDEN,
        "sender": BOT,
        "sender_display_name": "Alice Bcc: eve@mail.example",
        "room_name": "The Garden",
        "room_alias": "#garden:tulip.example",
        "room_join_rules": "knock",
        "room_type": "m.space",
    }


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"token": None}, "its answer makes no sense"),
        ({"token": 5}, "its answer makes no sense"),
        ({"token": ""}, "its answer makes no sense"),
        ({"token": "ü" * 128}, "its answer makes no sense"),
        ({"public_keys": None}, "its answer makes no sense"),
        ({"public_keys": {}}, "its answer makes no sense"),
        ({"public_keys": []}, "its answer makes no sense"),
        ({"public_keys": [5, {}, {"public_key": 1, "key_validity_url": "x"}]}, "its answer makes no sense"),
        (
            {"public_keys": [{"public_key": "k", "key_validity_url": "/pubkey/isvalid"}]},
            "no https address for its keys",
        ),
        ({"public_keys": [{"public_key": "k", "key_validity_url": "http://a.b/"}]}, "no https address for its keys"),
    ],
)
async def test_a_stored_invite_that_nobody_could_redeem_is_said_to_be_in_vain(
    servers: IdentityServers, fake: FakeHomeserver, wrong: Mapping[str, Any], why: str
) -> None:
    take_accounts(fake)
    fake.on("POST", "store-invite", Reply(body={**STORED, **wrong}))

    with refused(Never, match=f"{why}.* does not work"):
        await issue(servers)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(429), UNASKED),
        (Reply(raw=b"nonsense"), None),
        (Reply(500), None),
        (Reply(drop=True), None),
        (Reply(hang=True), None),
        (Reply(body={}), IN_VAIN),
        (Reply(body=STORED | {"token": ".."}), IN_VAIN),
        (
            Reply(body=STORED | {"public_keys": [{"public_key": "k", "key_validity_url": "http://id.example/"}]}),
            IN_VAIN,
        ),
    ],
)
async def test_it_is_said_whether_a_mail_may_have_left(
    servers: IdentityServers, fake: FakeHomeserver, hurried: None, reply: Reply, code: str | None
) -> None:
    take_accounts(fake)
    await servers.account(ID)
    fake.on("POST", "store-invite", reply)

    with pytest.raises(ActionError) as failure:
        await issue(servers)

    assert failure.value.code == code


async def test_from_a_server_that_is_down_surely_no_mail_has_left(at: WhoAt, fake: FakeHomeserver) -> None:
    take_accounts(fake)
    with pytest.raises(Later) as failure:
        await issue(at("http://127.0.0.1:1"))

    assert failure.value.code == UNASKED


# --- before anybody asks ------------------------------------------------------------------------------------------


async def test_whether_invites_could_be_sent_is_known_without_sending_any(
    servers: IdentityServers, fake: FakeHomeserver
) -> None:
    take_accounts(fake)
    fake.on("GET", "v2/account", Reply(body={"user_id": BOT}))

    assert "no terms" in await servers.look(ID)


async def test_terms_that_the_config_allows_are_found_and_not_accepted_yet(at: WhoAt, fake: FakeHomeserver) -> None:
    take_accounts(fake)
    fake.on("GET", "v2/account", Reply(403, {"errcode": "M_TERMS_NOT_SIGNED"}))
    fake.on("GET", "v2/terms", Reply(body={"policies": {"a": {"en": {"url": "https://id.example/terms"}}}}))

    assert "terms" in await at(fake.url, accept_terms=["https://id.example/terms"]).look(ID)
    with refused(Never, match="wants its terms accepted first"):
        await at(fake.url).look(ID)
    assert not any(asked.method == "POST" and asked.path[-1] == "terms" for asked in fake.requests)


@pytest.mark.parametrize("reply", [Reply(500), Reply(404), Reply(raw=b"<h1>It works!</h1>"), Reply(drop=True)])
async def test_a_server_that_takes_no_account_is_told(
    servers: IdentityServers, fake: FakeHomeserver, reply: Reply
) -> None:
    take_accounts(fake)
    fake.on("GET", "v2/account", reply)

    with pytest.raises(ActionError):
        await servers.look(ID)


@pytest.mark.parametrize("name", [None, 5, {}])
async def test_a_stored_invite_may_go_without_a_name(servers: IdentityServers, fake: FakeHomeserver, name: Any) -> None:
    take_accounts(fake)
    fake.on("POST", "store-invite", Reply(body=STORED | {"display_name": name}))

    assert (await issue(servers)).display_name == ""


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            Reply(400, {"errcode": "M_THREEPID_IN_USE", "error": "Binding already known", "mxid": "@ana:a.b"}),
            Never(foreign("that address now belongs to a Matrix account; please invite it again.")),
        ),
        (
            Reply(400, {"errcode": "M_INVALID_EMAIL", "error": "Invalid email address"}),
            Never(foreign("the identity server id.example says that this is no e-mail address.")),
        ),
        (
            Reply(403, {"errcode": "M_UNAUTHORIZED", "error": "Invite not allowed"}),
            Never(foreign("the identity server id.example says: Invite not allowed")),
        ),
        (
            Reply(429, {"errcode": "M_LIMIT_EXCEEDED", "error": "Limit exceeded for this sender"}),
            Later(foreign("the identity server id.example asks me to slow down.")),
        ),
        (
            Reply(500, {"errcode": "M_UNKNOWN", "error": "Internal Server Error"}),
            Later(foreign("the identity server id.example says: Internal Server Error")),
        ),
        (Reply(503, raw=b"<h1>Down</h1>"), Later(foreign("the identity server id.example says: 503"))),
        (Reply(403, raw=b"<h1>Firewall</h1>"), Later(foreign("the identity server id.example says: 403"))),
        (Reply(405, {"error": "Only GET"}), Later(foreign("the identity server id.example says: Only GET"))),
        (
            Reply(404, raw=b"nginx"),
            Later(foreign("the identity server id.example does not know what I ask; is its url in the config right?")),
        ),
        (
            Reply(raw=b"<h1>It works!</h1>"),
            Later(foreign("the answer of the identity server id.example makes no sense.")),
        ),
        (Reply(drop=True), Later(foreign("the identity server id.example cannot be reached (the connection broke)."))),
        (Reply(hang=True), Later(foreign("the identity server id.example gave no answer within 0.2 seconds."))),
        (
            Reply(302, headers={"Location": "http://127.0.0.1:1/"}),
            Never(
                foreign(
                    "the identity server id.example sends me to http://127.0.0.1:1/; is its url in the config right?"
                )
            ),
        ),
    ],
)
async def test_each_refusal_to_issue_has_words_for_moderators(
    servers: IdentityServers,
    fake: FakeHomeserver,
    reply: Reply,
    expected: ActionError,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_accounts(fake)
    await servers.account(ID)
    monkeypatch.setattr(client, "ISSUE", 0.2)
    fake.on("POST", "store-invite", reply)

    with pytest.raises(type(expected)) as refused:
        await issue(servers)

    assert in_words(refused.value.why) == in_words(expected.why)
    assert len(fake.asked("POST", "store-invite")) == 1, "a second request would be a second mail"
    if isinstance(refused.value, Later):
        assert not refused.value.unreachable, "the homeserver is not the one that is silent"


async def test_a_server_that_sends_no_invites_to_phones_says_so(servers: IdentityServers, fake: FakeHomeserver) -> None:
    take_accounts(fake)
    words = "Didn't understand medium 'msisdn'"
    fake.on("POST", "store-invite", Reply(400, {"errcode": "M_UNRECOGNIZED", "error": words}))

    with refused(Never, match=r"^the identity server id\.example sends no invites to phone numbers\.$"):
        await issue(servers, "msisdn", "+1 (800) 555-2067")

    [asked] = fake.asked("POST", "store-invite")
    assert asked.body["address"] == "18005552067"


async def test_an_address_is_neither_logged_nor_told_in_what_goes_wrong(
    servers: IdentityServers, fake: FakeHomeserver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    take_accounts(fake)
    words = f"Parsing {ADDRESS.lower()} (and {ADDRESS}) failed"
    fake.on("POST", "store-invite", Reply(body=STORED), Reply(400, {"errcode": "M_UNKNOWN", "error": words}))

    stored = await issue(servers)
    with refused(Never, match=r"Parsing a…@m… \(and a…@m…\) failed"):
        await issue(servers)

    told = (caplog.text + repr(stored)).casefold()
    assert "ana.maria" not in told
    assert "mail.example" not in told


@pytest.mark.parametrize(
    ("address", "shown"), [("ana@mail.example", "a…@m…"), ("a@b@c", "a…@c…"), ("18005552067", "…67"), ("", "…")]
)
def test_a_masked_address_cannot_be_written_to(address: str, shown: str) -> None:
    assert masked(address) == shown


# --- the real one ---------------------------------------------------------------------------------------------

Issuing = tuple[IdentityServers, str]


@pytest.fixture
async def bot(federating_homeserver: FederatingHomeserver) -> AsyncIterator[Homeserver]:
    """The client on a real homeserver, as a bot with an account there."""
    slot = federating_homeserver.take_slot()
    async with aiohttp.ClientSession() as session:
        bot = Homeserver(session, federating_homeserver.url, slot.as_token, slot.bot_id)
        await bot.register()
        yield bot


@pytest.fixture
async def issuing(bot: Homeserver, identity_server: LabIdentityServer) -> AsyncIterator[Issuing]:
    """The client of a real Sydent, and the user id of the bot it is for."""
    configured = {name: IdentityServer(**how) for name, how in identity_server.config().items()}
    async with aiohttp.ClientSession() as session:
        yield IdentityServers(session, bot, lambda: configured), bot.bot


async def test_what_sydent_stored_lets_the_owner_of_the_address_into_the_room_that_holds_it(
    issuing: Issuing, bot: Homeserver, identity_server: LabIdentityServer, federating_homeserver: FederatingHomeserver
) -> None:
    servers, _ = issuing
    peggy = await federating_homeserver.person("peggy")
    room = await bot.create_room({"preset": "private_chat"})
    stored = await servers.store_invite(identity_server.name, "email", "Peggy@mail.example", room, bot.bot)
    await bot.put_state(room, "m.room.third_party_invite", stored.token, stored.content)

    await identity_server.claim(peggy, "peggy@mail.example")

    assert await identity_server.has_told(peggy)
    invited = await bot.state(room, "m.room.member", peggy.user_id)
    assert invited is not None
    assert invited["sender"] == bot.bot
    assert invited["content"]["third_party_invite"]["signed"]["token"] == stored.token
    await peggy.join(room)


async def test_sydent_stores_an_invite_mails_it_and_vouches_for_its_keys(
    issuing: Issuing, identity_server: LabIdentityServer
) -> None:
    servers, bot = issuing
    assert servers.default == identity_server.name

    stored = await servers.store_invite(
        identity_server.name, "email", "Ivan@mail.example", "!garden", bot, sender_name="Alice", room_name="Garden"
    )

    mail = await identity_server.mail("ivan@mail.example")
    assert mail.subject == "Alice has invited you to chat"
    assert "Garden" in mail.text
    assert mail.token == stored.token
    assert len(stored.keys) == 2
    assert await servers.vouch(stored.keys) == Known(Truth.TRUE)


async def test_sydent_does_not_vouch_for_a_key_that_is_not_its_own(
    issuing: Issuing, identity_server: LabIdentityServer
) -> None:
    servers, bot = issuing
    stored = await servers.store_invite(identity_server.name, "email", "judy@mail.example", "!garden", bot)

    for key in stored.keys:
        planted = IdentityKey("planted", key.url)
        assert (await servers.vouch([*stored.keys, planted])).truth is Truth.FALSE


async def test_sydent_finds_whom_an_address_is_bound_to_and_stores_no_invite_for_them(
    issuing: Issuing, identity_server: LabIdentityServer, federating_homeserver: FederatingHomeserver
) -> None:
    servers, bot = issuing
    mallory = await federating_homeserver.person("mallory")
    assert await servers.lookup(identity_server.name, "email", "mallory@mail.example") is None

    await identity_server.claim(mallory, "mallory@mail.example")

    assert await servers.lookup(identity_server.name, "email", "Mallory@mail.example") == mallory.user_id
    with refused(Never, match="now belongs to a Matrix account"):
        await servers.store_invite(identity_server.name, "email", "mallory@mail.example", "!garden", bot)


async def test_sydent_sends_no_invites_to_phones(issuing: Issuing, identity_server: LabIdentityServer) -> None:
    servers, bot = issuing

    with refused(Never, match="sends no invites to phone numbers"):
        await servers.store_invite(identity_server.name, "msisdn", "18005552067", "!garden", bot)


async def test_sydent_says_what_is_no_address(issuing: Issuing, identity_server: LabIdentityServer) -> None:
    servers, bot = issuing

    with refused(Never, match="no e-mail address"):
        await servers.store_invite(identity_server.name, "email", "<nobody", "!garden", bot)


async def test_sydent_that_forgot_the_account_gives_another(
    issuing: Issuing, identity_server: LabIdentityServer
) -> None:
    servers, bot = issuing
    token = await servers.account(identity_server.name)
    await identity_server.call("POST", "account/logout", {}, token)

    await servers.store_invite(identity_server.name, "email", "niaj@mail.example", "!garden", bot)

    assert await servers.account(identity_server.name) != token


async def test_sydent_that_fails_leaves_it_unknown_and_is_asked_again_when_it_is_well(
    issuing: Issuing, identity_server: LabIdentityServer, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SILENCE", 0)
    monkeypatch.setattr(client, "ISSUE", 30.0)
    servers, bot = issuing
    keys = (await servers.store_invite(identity_server.name, "email", "olivia@mail.example", "!garden", bot)).keys
    monkeypatch.setattr(client, "ISSUE", 0.2)

    for fail in (identity_server.nonsense, identity_server.slow):
        fail()
        assert (await servers.vouch(keys)).truth is Truth.UNKNOWN
        with pytest.raises(Later):
            await servers.lookup(identity_server.name, "email", "olivia@mail.example")
    await identity_server.down()
    assert (await servers.vouch(keys)).truth is Truth.UNKNOWN

    await identity_server.up()
    assert await servers.vouch(keys) == Known(Truth.TRUE)


async def test_sydents_terms_are_accepted_as_configured(
    bot: Homeserver, identity_server: LabIdentityServer, tmp_path: Path
) -> None:
    url = "https://id.example/terms"
    terms = {"master_version": "1", "docs": {"terms": {"version": "1", "langs": {"en": {"name": "T", "url": url}}}}}
    strict_one = LabIdentityServer(tmp_path, authority=identity_server.authority, terms=terms)
    async with strict_one as strict, aiohttp.ClientSession() as session:

        def accepting(*urls: str) -> IdentityServers:
            how = strict.config()[strict.name] | {"accept_terms": urls}
            return IdentityServers(session, bot, lambda: {strict.name: IdentityServer(**how)})

        with refused(Never, match=f"wants its terms accepted first: {url}"):
            await accepting("https://id.example/older").lookup(strict.name, "email", "ana@mail.example")
        assert await accepting(url).lookup(strict.name, "email", "ana@mail.example") is None


async def test_what_was_said_of_a_key_is_remembered_a_while(servers: IdentityServers, fake: FakeHomeserver) -> None:
    fake.on("GET", "pubkey/isvalid", VALID)
    for _ in range(5):
        assert await servers.vouch([KEY]) == Known(Truth.TRUE)

    assert len(fake.asked("GET", "pubkey/isvalid")) == 1


async def test_an_invite_with_more_keys_than_identity_servers_write_is_asked_about_nowhere(
    servers: IdentityServers, fake: FakeHomeserver
) -> None:
    fake.on("GET", "pubkey/isvalid", VALID)

    known = await servers.vouch([IdentityKey(f"key{number}", KEY.url) for number in range(MOST_ASKED + 1)])

    assert (known.truth, fake.requests) == (Truth.UNKNOWN, [])


async def test_the_keys_that_are_remembered_are_bounded(
    servers: IdentityServers, fake: FakeHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "KEPT", 5)
    fake.on("GET", "pubkey/isvalid", VALID)
    for number in range(20):
        await servers.vouch([IdentityKey(f"key{number}", KEY.url)])

    assert len(servers._answers) == 5
