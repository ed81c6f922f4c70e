"""Servers that only knock: each has a name, a key and users of its own, and all of them live in this process.

A real homeserver takes their knocks by federation (server-server API, "Knocking upon a room"): so forty servers cost no
more than one. They take invites, and say nothing else.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from signedjson.key import encode_verify_key_base64, generate_signing_key, get_verify_key
from signedjson.sign import sign_json
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import add_hashes_and_signatures, compute_event_signature
from synapse.events import make_event_from_dict
from yarl import URL

from knockbot.demo.certificates import NAME, CertificateFiles
from knockbot.demo.people import Json, MatrixRefused
from tests.sydent import FederatingHomeserver

FEDERATION = "/_matrix/federation"
FOR_A_DAY = 24 * 3600 * 1000
"""Milliseconds for which a server's key is valid."""


class Stranger:
    """One such server."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.name = ""
        self.invited: list[str] = []
        """Whom it was told to be invited, in this order."""
        self._http = http
        self._key = generate_signing_key("a")

    async def open(self, files: CertificateFiles) -> web.AppRunner:
        """Listen on loopback; its name is that port's."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/_matrix/key/v2/server", self._keys),
                web.put(FEDERATION + "/v2/invite/{room}/{event}", self._invite),
                web.put(FEDERATION + "/v1/send/{transaction}", self._take),
            ]
        )
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=files.serving())
        await site.start()
        [(_, port)] = runner.addresses
        self.name = f"{NAME}:{port}"
        return runner

    async def knock(self, who: str, homeserver: FederatingHomeserver, room: str, reason: str = "") -> str:
        """One of its users knocks at a room of a homeserver; returns their ID."""
        user_id = f"@{who}:{self.name}"
        versions = "&".join(f"ver={quote(version)}" for version in KNOWN_ROOM_VERSIONS)
        made = await self._ask("GET", f"/v1/make_knock/{quote(room)}/{quote(user_id)}?{versions}", homeserver.name)
        version = KNOWN_ROOM_VERSIONS[made["room_version"]]
        event = {**made["event"], "origin": self.name, "origin_server_ts": int(time.time() * 1000)}
        event["content"] = {"membership": "knock", "displayname": who, "reason": reason}
        add_hashes_and_signatures(version, event, self.name, self._key)
        event_id = make_event_from_dict(dict(event), version).event_id
        await self._ask("PUT", f"/v1/send_knock/{quote(room)}/{quote(event_id)}", homeserver.name, event)
        return user_id

    async def _ask(self, method: str, path: str, server: str, body: Mapping[str, Any] | None = None) -> Json:
        """One request to a homeserver, signed with the server's key."""
        uri = FEDERATION + path
        signed: Json = {"method": method, "uri": uri, "origin": self.name, "destination": server}
        if body is not None:
            signed["content"] = body
        [(key, signature)] = sign_json(signed, self.name, self._key)["signatures"][self.name].items()
        header = f'X-Matrix origin="{self.name}",destination="{server}",key="{key}",sig="{signature}"'
        url = URL(f"https://{server}{uri}", encoded=True)
        data = json.dumps(body) if body is not None else None
        headers = {"Authorization": header, "Content-Type": "application/json"}
        async with self._http.request(method, url, headers=headers, data=data) as response:
            answer: Json = await response.json()
            if response.status >= 400:
                raise MatrixRefused(response.status, answer.get("errcode", ""), answer.get("error", ""))
            return answer

    async def _keys(self, _: web.Request) -> web.Response:
        key = get_verify_key(self._key)
        name = f"{key.alg}:{key.version}"
        said = {
            "server_name": self.name,
            "valid_until_ts": int(time.time() * 1000) + FOR_A_DAY,
            "verify_keys": {name: {"key": encode_verify_key_base64(key)}},
            "old_verify_keys": {},
        }
        return web.json_response(sign_json(said, self.name, self._key))

    async def _invite(self, request: web.Request) -> web.Response:
        body = await request.json()
        event, version = body["event"], KNOWN_ROOM_VERSIONS[body["room_version"]]
        self.invited.append(event["state_key"])
        signatures = compute_event_signature(version, dict(event), self.name, self._key)
        event["signatures"] = {**event["signatures"], **signatures}
        return web.json_response({"event": event})

    async def _take(self, _: web.Request) -> web.Response:
        return web.json_response({"pdus": {}})


@asynccontextmanager
async def strangers(count: int, files: CertificateFiles) -> AsyncIterator[list[Stranger]]:
    """So many of them."""
    connector = aiohttp.TCPConnector(ssl=False)  # a homeserver of the lab is whom it says it is
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        found = [Stranger(http) for _ in range(count)]
        for stranger in found:
            stack.push_async_callback((await stranger.open(files)).cleanup)
        yield found
