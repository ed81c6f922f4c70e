"""A throwaway identity server: a real Sydent on loopback, with TLS before it and a letter box behind it."""

from __future__ import annotations

import asyncio
import configparser
import itertools
import json
import os
import secrets
import ssl
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web

from knockbot.demo.certificates import NAME, Authority
from knockbot.demo.homeserver import START_WITHIN, end, free_port, spawn
from knockbot.demo.letter_box import LetterBox, Mail
from knockbot.demo.people import Json, MatrixRefused, Person
from knockbot.errors import Unavailable

PYTHON = "SYDENT_PYTHON"
"""The environment variable that names the Python in whose environment Sydent is installed."""

CHECKOUT = Path(__file__).parents[2]


def sydent_python() -> Path:
    """The Python that has Sydent, which cannot share an environment with Synapse; `Unavailable` if there is none."""
    python = Path(os.environ.get(PYTHON) or CHECKOUT / ".venv-sydent" / "bin" / "python")
    if not python.exists():
        raise Unavailable(f"there is no {python}: `make .venv-sydent/.ready` makes it, or let {PYTHON} name another")
    return python


LAUNCH = """\
import sys
from sydent.http.matrixfederationagent import well_known_cache
from sydent.sydent import main

for delegation in sys.argv[1:]:
    name, _, place = delegation.partition("=")
    well_known_cache.set(name.encode(), place.encode(), 24 * 3600)
main()
"""
"""Sydent as it is, but that it knows already where homeservers are whose names are in no DNS."""


HEAD = """\
Date: %(date)s
From: %(from)s
To: %(to)s
Message-ID: %(messageid)s
Subject: {subject}
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit

"""

QUESTION = "Is this your address?"

TEMPLATES = {
    "invite_template.eml": HEAD.format(subject="%(subject_header_value)s")
    + """\
%(sender_display_name)s %(bracketed_verified_sender)shas invited you into a room %(bracketed_room_name)son Matrix.

Token: %(token)s
Room: %(room_id)s
Link: %(web_client_location)s/#/room/%(room_id_forurl)s
""",
    "verification_template.eml": HEAD.format(subject=QUESTION)
    + """\
Somebody at %(ipaddress)s says that this is their address. If that is you, open this link.

Token: %(token)s
Link: %(link)s
""",
    "verify_response_template.html": "<!doctype html><title>Sydent</title><p>%(message)s</p>\n",
}
"""The wheel brings none. Sydent fills each in by Python's ``%``."""


class IdentityServer:
    """A Sydent that runs for as long as it is needed, reached by HTTPS under the name ``localhost:`` and its port.

        async with IdentityServer(directory) as identity_server:
            ... identity_server.url, identity_server.files.authority ...

    `directory` keeps its data, its log and its certificates. `terms` is what would stand in its file of terms.
    `delegations` says where homeservers are that no DNS knows (``localhost:8448``), as their .well-known would.
    """

    def __init__(
        self,
        directory: Path,
        *,
        authority: Authority | None = None,
        terms: Mapping[str, Any] | None = None,
        delegations: Mapping[str, str] | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.authority = authority or Authority()
        self.files = self.authority.write(directory)
        self.port = free_port()
        self.name = f"{NAME}:{self.port}"
        self.url = f"https://{self.name}"
        self.log = directory / "sydent.log"
        self.letter_box = LetterBox()
        self._sydent = f"http://127.0.0.1:{free_port()}"
        self._terms = terms
        self._delegations = dict(delegations or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._front: web.AppRunner | None = None
        self._http: aiohttp.ClientSession | None = None
        self._secrets = itertools.count(1)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_front()
        if self._process is not None:
            await end(self._process)
        if self._http is not None:
            await self._http.close()
        if self.letter_box.port:
            await self.letter_box.close()

    @property
    def running(self) -> bool:
        """Whether its process is there, healthy or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def http(self) -> aiohttp.ClientSession:
        """An HTTP session that trusts its certificate."""
        if self._http is None:
            trust = ssl.create_default_context(cafile=self.files.authority)
            self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust, force_close=True))
        return self._http

    async def start(self) -> None:
        """Start it and wait until it answers; `Unavailable`, with the end of its log, if it does not."""
        await self.letter_box.open()
        self._configure()
        delegations = [f"{name}={place}" for name, place in self._delegations.items()]
        command: list[str | Path] = [sydent_python(), "-c", LAUNCH, *delegations]
        environ = {**os.environ, **self.files.environ, "SYDENT_CONF": str(self.directory / "sydent.conf")}
        environ.pop("PYTHONPATH", None)  # what serves this Python is not for that one
        with self.log.open("ab") as log:
            self._process = spawn(command, cwd=self.directory, log=log, env=environ)
        await self._wait()
        await self.open_front()

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_WITHIN
        while not await self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                lines = self.log.read_text(errors="replace").splitlines()[-20:]
                raise Unavailable("\n".join([f"Sydent did not start; the end of {self.log}:", *lines]))
            await asyncio.sleep(0.05)

    async def _answers(self) -> bool:
        try:
            async with self.http.get(f"{self._sydent}/_matrix/identity/versions") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    def _configure(self) -> None:
        brand = self.directory / "templates" / "lab"
        brand.mkdir(parents=True, exist_ok=True)
        for name, template in TEMPLATES.items():
            (brand / name).write_text(template)
        terms = self.directory / "terms.yaml"
        terms.write_text(json.dumps(self._terms))
        config = configparser.ConfigParser(interpolation=None)
        config.read_dict(
            {
                "general": {
                    "server.name": self.name,
                    "templates.path": str(brand.parent),
                    "brand.default": brand.name,
                    "pidfile.path": str(self.directory / "sydent.pid"),
                    "terms.path": str(terms) if self._terms else "",
                    "ip.whitelist": "127.0.0.0/8",
                },
                "db": {"db.file": str(self.directory / "sydent.db")},
                "http": {
                    "clientapi.http.bind_address": "127.0.0.1",
                    "clientapi.http.port": self._sydent.rpartition(":")[2],
                    "client_http_base": self.url,
                },
                "email": {
                    "email.from": "Sydent <sydent@lab.test>",
                    "email.hostname": "lab.test",
                    "email.smtphost": "127.0.0.1",
                    "email.smtpport": str(self.letter_box.port),
                    "email.ratelimit_sender.burst": "10000",
                    "email.ratelimit_sender.rate_hz": "10000",
                },
            }
        )
        with (self.directory / "sydent.conf").open("w") as file:
            config.write(file)

    # --- the front --------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether it can be reached."""
        return self._front is not None

    async def open_front(self) -> None:
        """Listen for HTTPS, and pass on what comes: Sydent itself speaks only HTTP."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        self._front = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._front.setup()
        await web.TCPSite(self._front, "127.0.0.1", self.port, ssl_context=self.files.serving()).start()

    async def close_front(self) -> None:
        """Listen no more; whoever waits for an answer gets none."""
        if self._front is not None:
            front, self._front = self._front, None
            await front.cleanup()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Have Sydent answer."""
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        async with self.http.request(
            request.method,
            self._sydent + request.path_qs,
            data=await request.read(),
            headers=headers,
            allow_redirects=False,
        ) as response:
            passed_on = {
                name: response.headers[name] for name in ("Content-Type", "Location") if name in response.headers
            }
            return web.Response(status=response.status, body=await response.read(), headers=passed_on)

    # --- what people do with it -------------------------------------------------------------------------------

    async def mail(self, address: str) -> Mail:
        """The next invite mailed to an address, once it comes; each is handed out once."""
        return await self.letter_box.next_to(address, lambda mail: mail.subject != QUESTION)

    async def account(self, person: Person) -> str:
        """An account for somebody, proven by their homeserver; its token."""
        proof = await person.call("POST", "user", person.user_id, "openid", "request_token")
        return str((await self.call("POST", "account/register", proof))["token"])

    async def ask_to_validate(self, token: str, address: str) -> Validation:
        """Have a mail sent to an address, as its owner's client does first."""
        secret = f"secret{next(self._secrets)}{secrets.token_hex(8)}"
        body = {"email": address, "client_secret": secret, "send_attempt": 1}
        sid = (await self.call("POST", "validate/email/requestToken", body, token))["sid"]
        return Validation(str(sid), secret, address)

    async def validate(self, token: str, asked: Validation) -> None:
        """Read that mail, and show so."""
        mail = await self.letter_box.next_to(asked.address, lambda mail: mail.subject == QUESTION)
        body = {"sid": asked.sid, "client_secret": asked.client_secret, "token": mail.token}
        answer = await self.call("POST", "validate/email/submitToken", body, token)
        assert answer.get("success"), answer

    async def bind(self, person: Person, token: str, asked: Validation) -> None:
        """Say whose the validated address is, through their homeserver; it learns then of invites to the address."""
        body = {"id_server": self.name, "id_access_token": token, "sid": asked.sid}
        await person.call("POST", "account", "3pid", "bind", body={**body, "client_secret": asked.client_secret})

    async def claim(self, person: Person, address: str) -> None:
        """All that somebody does to be known by an address."""
        token = await self.account(person)
        asked = await self.ask_to_validate(token, address)
        await self.validate(token, asked)
        await self.bind(person, token, asked)

    async def invite(self, person: Person, room: str, address: str) -> None:
        """Invite an address as clients do: the homeserver turns to this identity server."""
        where = {"id_server": self.name, "id_access_token": await self.account(person)}
        await person.call("POST", "rooms", room, "invite", body={**where, "medium": "email", "address": address})

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, token: str = "") -> Json:
        """One request below `/_matrix/identity/v2/`; `MatrixRefused` where the answer is no."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.url}/_matrix/identity/v2/{path}"
        async with self.http.request(method, url, json=body, headers=headers) as response:
            answer: Json = await response.json()
            if response.status >= 400:
                raise MatrixRefused(response.status, answer.get("errcode", ""), answer.get("error", ""))
            return answer


@dataclass(frozen=True, slots=True)
class Validation:
    """A question to the owner of an address that is under way."""

    sid: str
    client_secret: str
    address: str
