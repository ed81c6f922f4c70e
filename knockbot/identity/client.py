"""Calls identity servers: whether a key of a third-party invite is valid, and new invites for addresses outside Matrix.

It sends no request to a host that config.yaml does not name under `identity_servers`, and never to a URL from an event:
strangers write those. An address goes to the identity server and nowhere else, and never into the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from aiohttp import ClientConnectorError, ClientError, ClientSession

from knockbot.config.settings import IdentityServer
from knockbot.documents.text import shown
from knockbot.domain.ids import host_of, is_user_id
from knockbot.domain.invites import UNASKED, StoredInvite, https_host
from knockbot.domain.model import IdentityKey, Known, Truth
from knockbot.domain.notices import Duration, Letters, Number, because, listed
from knockbot.errors import ActionError, Later, Never
from knockbot.http import as_json, why_unreachable
from knockbot.identity.answers import (
    SAID,
    accepted_of,
    canonical,
    hash_of,
    nonsense,
    policies_of,
    read_answer,
    stored,
    understood,
)

log = logging.getLogger("knockbot.identity")

ANSWER: Final = 4.0
"""Seconds that an identity server has to say whether one key is valid."""
VOUCH: Final = 10.0
"""Seconds for all keys of an invite together."""
ISSUE: Final = 30.0
"""Seconds for one call on behalf of a moderator, with all that belongs to it: token, account, terms."""
SILENCE: Final = 30.0
"""Seconds in which a server that gave no answer is not asked about keys again, so that many invites are not slow."""
MOST_ASKED: Final = 4
"""Keys of one invite that identity servers are asked about: they write two."""
REMEMBERED: Final = 60.0
"""Seconds for which the validity of a key is remembered."""
KEPT: Final = 1000
"""Keys that are remembered."""
KEY = "_matrix/identity/v2/pubkey/isvalid"
EPHEMERAL_KEY = "_matrix/identity/v2/pubkey/ephemeral/isvalid"


@dataclass(frozen=True, slots=True)
class _Question:
    """Whether a key is valid, and whom to ask."""

    server: str
    path: str
    public_key: str


class Proves(Protocol):
    """What the identity server client needs from the homeserver."""

    async def prove(self) -> dict[str, Any]:
        """A token with which another server can ask the homeserver who the bot is. May raise `Later` and `Never`."""


class IdentityServers:
    """The configured identity servers, each called by its name in the config.

    `vouch` never raises; everything else may raise `Later` and `Never`, with words for moderators. A `Later`
    may leave it open whether an invite was stored and a mail sent; then the caller decides whether to ask again.
    """

    def __init__(
        self, session: ClientSession, homeserver: Proves, configured: Callable[[], Mapping[str, IdentityServer]]
    ) -> None:
        """`configured` returns the servers in the config at that moment: knockbot may read it again while it runs."""
        self._session = session
        self._homeserver = homeserver
        self._configured = configured
        self._trust: dict[IdentityServer, ssl.SSLContext | bool] = {}
        self._tokens: dict[str, str] = {}
        """Tokens by the URL of their server: a name may later mean another server."""
        self._registering: dict[str, asyncio.Lock] = {}
        self._silent_until: dict[str, float] = {}
        self._answers: dict[tuple[str, _Question], tuple[float, Known]] = {}
        """Recent answers about keys, by the server's URL."""

    @property
    def default(self) -> str | None:
        """The server that issues invites if nobody names another; none if none is configured."""
        return next(iter(self._configured()), None)

    # --- whether keys are valid -------------------------------------------------------------------------------

    async def vouch(self, keys: Sequence[IdentityKey]) -> Known:
        """Whether the identity servers say that these keys are valid.

        Only keys whose URL names a configured server are checked; if there are none, this is true. One key that is
        not valid makes it false; otherwise one key that no server could check makes it unknown.
        """
        questions = [question for key in keys if (question := self._question(key)) is not None]
        doubt: Known | None = None
        try:
            async with asyncio.timeout(VOUCH):
                asked = [one for one in dict.fromkeys(questions) if isinstance(one, _Question)]
                if len(asked) > MOST_ASKED:
                    return Known(Truth.UNKNOWN, because("keys.many_named", count=Number(len(asked))))
                for question in dict.fromkeys(questions):
                    known = question if isinstance(question, Known) else await self._holds(question)
                    if known.truth is Truth.FALSE:
                        return known
                    if known.truth is Truth.UNKNOWN:
                        doubt = doubt or known
        except TimeoutError:
            doubt = doubt or Known(Truth.UNKNOWN, because("keys.took_long", time=_seconds(VOUCH)))
        return doubt or Known(Truth.TRUE)

    def _question(self, key: IdentityKey) -> _Question | Known | None:
        """What to ask about a key; or what is known without asking; or none if it is not from a configured server."""
        host = https_host(key.url or "")
        if key.url is None or host is None:
            return None
        places = {place: name for name, place in self._places() if place[0] == host.rstrip(".")}
        if not places:
            return None
        port, path = _port_and_path(key.url)
        server = places.get((host.rstrip("."), port))
        if server is None:
            return Known(Truth.UNKNOWN, because("keys.other_port", host=Letters(host)))
        if path.endswith("/pubkey/ephemeral/isvalid"):
            return _Question(server, EPHEMERAL_KEY, key.public_key)
        if path.endswith("/pubkey/isvalid"):
            return _Question(server, KEY, key.public_key)
        return Known(Truth.UNKNOWN, because("keys.other_address", host=Letters(host)))

    def _places(self) -> Iterator[tuple[str, tuple[str, int]]]:
        """The hosts that keys may name for each server: its name, or the host of its URL."""
        for name, server in self._configured().items():
            host = host_of(name)
            yield name, (host, int(name[len(host) + 1 :] or 443))
            url = urlsplit(server.url)
            if url.scheme == "https":
                yield name, (host_of(url.netloc), url.port or 443)

    async def _holds(self, question: _Question) -> Known:
        now, which = asyncio.get_running_loop().time, (self._settings_of(question.server).url, question)
        until, known = self._answers.get(which, (0.0, None))
        if known is None or until < now():
            known = await self._ask(question)
            if known.truth is not Truth.UNKNOWN:
                self._answers[which] = (now() + REMEMBERED, known)
            if len(self._answers) > KEPT:
                del self._answers[next(iter(self._answers))]
        return known

    async def _ask(self, question: _Question) -> Known:
        server, now = question.server, asyncio.get_running_loop().time
        if now() < self._silent_until.get(server, 0):
            return Known(Truth.UNKNOWN, because("identity.was_silent", server=Letters(server)))
        try:
            async with asyncio.timeout(ANSWER):
                answer = await self._call(server, "GET", question.path, query={"public_key": question.public_key})
        except TimeoutError:
            self._silent_until[server] = now() + SILENCE
            return Known(Truth.UNKNOWN, because("identity.silent", server=Letters(server), time=_seconds(ANSWER)))
        except ActionError as error:
            return Known(Truth.UNKNOWN, error.why)
        match answer.get("valid"):
            case True:
                return Known(Truth.TRUE)
            case False:
                return Known(Truth.FALSE, because("keys.void", server=Letters(server)))
        return Known(Truth.UNKNOWN, nonsense(server).why)

    # --- issuing ----------------------------------------------------------------------------------------------

    async def account(self, server: str) -> str:
        """The token of the bot's account there; made on first use, and kept in memory."""
        url = self._settings_of(server).url
        async with _within(server), self._registering.setdefault(url, asyncio.Lock()):
            if url not in self._tokens:
                self._tokens[url] = await self._register(server)
            return self._tokens[url]

    async def look(self, server: str) -> str:
        """Whether the bot could have invites sent there, in words for the server admin.

        It has the bot's account made, and accepts no terms; those that the config does not allow are a `Never`.
        """
        async with _within(server):
            try:
                await self._call(server, "GET", "_matrix/identity/v2/account", token=await self.account(server))
            except ActionError as error:
                if error.code != "M_TERMS_NOT_SIGNED":
                    raise
                await self._acceptable(server)
                return "the bot has an account there; its terms, which the config allows, are accepted when needed"
        return "the bot has an account there, and no terms are in its way"

    async def lookup(self, server: str, medium: str, address: str) -> str | None:
        """The user ID that an address is bound to there, or none. `medium` is ``email`` or ``msisdn``.

        The address itself is not sent, only its hash (identity service API, "Association lookup").
        """
        async with _within(server):
            details = await self._as_account(server, "GET", "_matrix/identity/v2/hash_details")
            pepper, algorithms = details.get("lookup_pepper"), details.get("algorithms")
            if not isinstance(pepper, str) or not isinstance(algorithms, list):
                raise nonsense(server)
            if "sha256" not in algorithms:
                raise Never(because("identity.no_secrecy", server=Letters(server)))
            hashed = hash_of(f"{canonical(medium, address)} {medium} {pepper}")
            body = {"addresses": [hashed], "algorithm": "sha256", "pepper": pepper}
            found = await self._as_account(server, "POST", "_matrix/identity/v2/lookup", body)
        mappings = found.get("mappings")
        user_id = mappings.get(hashed) if isinstance(mappings, dict) else 0
        if user_id is not None and not (isinstance(user_id, str) and is_user_id(user_id)):
            raise nonsense(server)
        return user_id

    async def store_invite(
        self,
        server: str,
        medium: str,
        address: str,
        room_id: str,
        sender: str,
        *,
        sender_name: str = "",
        room_name: str = "",
        room_alias: str = "",
        join_rule: str = "",
        space: bool = False,
    ) -> StoredInvite:
        """Ask the identity server to store an invite for an address, and to send a mail: two calls send two mails.

        `sender` is the bot. The account is the bot's, and the bot then has to put `StoredInvite.content` into the room
        under `StoredInvite.token`. The rest is for the text of the mail. An address that is already bound is
        refused: call `lookup` first.
        """
        words = {
            "sender_display_name": sender_name,
            "room_name": room_name,
            "room_alias": room_alias,
            "room_join_rules": join_rule,
            "room_type": "m.space" if space else "",
        }
        body = {
            "medium": medium,
            "address": canonical(medium, address),
            "room_id": room_id,
            "sender": sender,
            # Strangers choose the names of rooms and their own names, and these go into the headers of a mail.
            **{key: shown(text, 255) for key, text in words.items() if text},
        }
        try:
            async with _within(server):
                answer = await self._as_account(
                    server, "POST", "_matrix/identity/v2/store-invite", body, hide=body["address"]
                )
        except Never as error:
            if error.code == "M_UNRECOGNIZED" and medium != "email":
                raise Never(because("identity.no_phones", server=Letters(server)), code=error.code) from None
            raise
        return stored(answer, server)

    async def _register(self, server: str) -> str:
        """Prove to the identity server who the bot is, with a token of the homeserver (OpenID), to get an account."""
        proof = await self._homeserver.prove()
        answer = await self._call(server, "POST", "_matrix/identity/v2/account/register", body=proof)
        # Sydent writes `access_token` too, and others once wrote nothing else.
        token = answer.get("token", answer.get("access_token"))
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise nonsense(server)
        return token

    async def _as_account(
        self, server: str, method: str, path: str, body: Mapping[str, Any] | None = None, *, hide: str = ""
    ) -> dict[str, Any]:
        """One request with the account's token; it renews an expired token and accepts terms, once each."""
        mends = {"M_UNKNOWN_TOKEN": self._renew, "M_TERMS_NOT_SIGNED": self._agree}
        while True:
            token = await self.account(server)
            try:
                return await self._call(server, method, path, token=token, body=body, hide=hide)
            except ActionError as error:
                mend = mends.pop(error.code or "", None)
                if mend is None:
                    raise
                await mend(server, token)

    async def _renew(self, server: str, token: str) -> None:
        url = self._settings_of(server).url
        if self._tokens.get(url) == token:
            del self._tokens[url]

    async def _agree(self, server: str, token: str) -> None:
        """Accept the identity server's terms, if the config allows it."""
        urls = await self._acceptable(server)
        await self._call(server, "POST", "_matrix/identity/v2/terms", token=token, body={"user_accepts": urls})
        log.info("accepted the terms of the identity server %s", server)

    async def _acceptable(self, server: str) -> list[str]:
        """The URLs of the terms to accept there, one for each document, if the config allows all."""
        terms = await self._call(server, "GET", "_matrix/identity/v2/terms")
        return [accepted_of(policy, self._settings_of(server).accept_terms) for policy in policies_of(terms, server)]

    # --- asking -----------------------------------------------------------------------------------------------

    def _settings_of(self, server: str) -> IdentityServer:
        configured = self._configured()
        if server not in configured:
            known = listed(map(Letters, configured)) if configured else because("none")
            raise Never(because("identity.unknown", server=Letters(server, 60), known=known))
        return configured[server]

    def _trust_in(self, settings: IdentityServer) -> ssl.SSLContext | bool:
        if settings not in self._trust:
            self._trust[settings] = (
                ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file is not None else True
            )
        return self._trust[settings]

    async def _call(
        self,
        server: str,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        hide: str = "",
    ) -> dict[str, Any]:
        """One request to the configured base URL; `hide` is kept out of errors.

        It sets no deadline: the caller does.
        """
        # Without compression, no body can be small on the wire and huge here.
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {})
        settings = self._settings_of(server)
        try:
            async with self._session.request(
                method,
                f"{settings.url}/{path}",
                params=query,
                json=body,
                headers=headers,
                ssl=self._trust_in(settings),
                allow_redirects=False,
                auto_decompress=False,
            ) as answer:
                status, text = answer.status, await read_answer(answer, server)
                elsewhere = answer.headers.get("Location", "nowhere")
        except (ClientError, OSError) as error:
            # If there was no connection, nothing was sent; if it broke, nobody knows.
            code = UNASKED if isinstance(error, ClientConnectorError) else None
            raise Later(
                because("identity.unreachable", server=Letters(server), why=why_unreachable(error)), code=code
            ) from None
        if 300 <= status < 400:
            where = shown(elsewhere, SAID)
            raise Never(because("identity.redirects", server=Letters(server), where=Letters(where)))
        return understood(server, status, as_json(text), hide)


@contextlib.asynccontextmanager
async def _within(server: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(ISSUE):
            yield
    except TimeoutError:
        raise Later(because("identity.silent", server=Letters(server), time=_seconds(ISSUE))) from None


def _seconds(seconds: float) -> Duration:
    return Duration(round(seconds * 1000))


_TOKEN = re.compile(r"[!-~]{1,2000}")

_PLACE = re.compile(r"https://(?:\[[^\]]*\]|[^/?#:]*)(?::(?P<port>[0-9]*))?(?P<path>[^?#]*)", re.IGNORECASE)


def _port_and_path(url: str) -> tuple[int, str]:
    """The port and the path of a plain https URL (`https_host`)."""
    found = _PLACE.match(url)
    assert found is not None
    return int(found["port"] or 443), found["path"]
