"""Where knockbot listens: every kind of address that the config takes, and what is said where it cannot."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest
from aiohttp import web

from knockbot import listening
from knockbot.config.values import Listen, read_listen
from knockbot.demo.homeserver import free_port
from knockbot.errors import Unavailable


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


IPV6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


async def answers(url: str) -> bool:
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return response.status == 404  # an empty application


@pytest.mark.parametrize(
    ("host", "reached_at"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("127.0.0.2", ["127.0.0.2"]),
        ("0.0.0.0", ["127.0.0.1"]),
        ("localhost", ["localhost"]),
        pytest.param("::1", ["[::1]"], marks=IPV6),
        pytest.param("::", ["[::1]", "127.0.0.1"], marks=IPV6),
    ],
)
async def test_every_kind_of_address_is_listened_on(host: str, reached_at: list[str]) -> None:
    port = free_port()
    where = read_listen(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    async with listening.listening(web.Application(), *where):
        assert all([await answers(f"http://{reached}:{port}/") for reached in reached_at])
        assert await answers(f"http://{where}/")


@pytest.mark.parametrize(
    ("host", "hint"),
    [
        ("192.0.2.1", "is that an address of this machine?"),
        ("nowhere.invalid", "no such host is known"),
        ("127.0.0.1", "is another knockbot running, or the port taken?"),
        pytest.param("::1", "is another knockbot running, or the port taken?", marks=IPV6),
    ],
)
async def test_where_it_cannot_listen_the_reason_is_said(host: str, hint: str) -> None:
    port = free_port()
    loopback = ["127.0.0.1", "::1"] if has_ipv6() else ["127.0.0.1"]
    taken = await asyncio.start_server(lambda _, writer: writer.close(), loopback, port)
    async with taken:
        with pytest.raises(Unavailable) as caught:
            async with listening.listening(web.Application(), host, port):
                pass

    assert str(caught.value).startswith(f"cannot listen on {Listen(host, port)}: ")
    assert hint in str(caught.value)
