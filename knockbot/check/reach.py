"""Whether the homeserver reaches knockbot: knockbot asks it to call back, and listens."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import ClientError, web

from knockbot.check.bench import REGISTER, Bench, Miss
from knockbot.config.settings import Metrics, Settings
from knockbot.errors import ActionError, Unavailable
from knockbot.listening import listening
from knockbot.matrix.gateway import PingOnly


async def round_trip(bench: Bench) -> str:
    """Have the homeserver call back, at the address that the registration names."""
    service = bench.settings.appservice
    txn_id = f"check-{secrets.token_hex(8)}"
    async with _somebody_listens(bench) as (who, heard):
        try:
            await bench.service.ping(service.id, txn_id)
        except ActionError as error:
            raise _why_no_ping(bench.settings, error) from error
        if not await heard(txn_id):
            raise Miss(
                f"the homeserver reaches something other than {who} at {service.address}",
                f"appservice.address must lead to {service.listen} of this machine: look for a proxy or another "
                "program in between",
            )
    return f"the homeserver reaches {who} at {service.address}, and the hs_token is right"


Heard = Callable[[str], Awaitable[bool]]
"""Whether a ping has arrived."""


@asynccontextmanager
async def _somebody_listens(bench: Bench) -> AsyncIterator[tuple[str, Heard]]:
    """A running knockbot, or, if nothing listens, a substitute that answers pings and nothing else."""
    service, figures = bench.settings.appservice, bench.settings.metrics
    stand_in = PingOnly(service.hs_token)
    try:
        async with listening(stand_in.app, *service.listen):
            await _figures(figures)
            yield "this check", stand_in.heard
            return
    except Unavailable as error:
        if not await _knockbot_says(bench, "live"):
            raise Miss(str(error), f"stop what uses port {service.port}, or set another appservice.port") from error
    yield "the running knockbot", lambda txn_id: _knockbot_says(bench, f"heard/{txn_id}")


async def _figures(figures: Metrics) -> None:
    """Try to listen on the port for metrics."""
    if not figures.enabled:
        return
    try:
        async with listening(web.Application(), *figures.listen):
            pass
    except Unavailable as error:
        raise Miss(str(error), f"stop what uses port {figures.listen.port}, or set another metrics.listen") from error


async def _knockbot_says(bench: Bench, path: str) -> bool:
    """Whether the program that listens at our port answers this with 200."""
    service = bench.settings.appservice
    try:
        async with (
            asyncio.timeout(5),
            bench.session.get(f"http://{service.listen}/_matrix/mau/{path}") as answer,
        ):
            return answer.status == 200
    except (ClientError, OSError, TimeoutError):
        return False


def _why_no_ping(settings: Settings, error: ActionError) -> Miss:
    """What an errcode of the ping says (client-server API, "Homeserver ping")."""
    service = settings.appservice
    mends = {
        "M_CONNECTION_FAILED": (
            f"the homeserver cannot reach knockbot at {service.address}; knockbot listens on {service.listen}",
            (
                "set appservice.address to what the homeserver can reach (in a container, not localhost), write "
                "registration.yaml again, and restart the homeserver"
            ),
        ),
        "M_CONNECTION_TIMEOUT": (
            f"the homeserver gets no answer from {service.address}",
            "look for a firewall between the two",
        ),
        "M_BAD_STATUS": (
            f"knockbot at {service.address} does not accept the homeserver's hs_token, or something else answers there",
            REGISTER,
        ),
        "M_URL_NOT_SET": ("the registration has no url", REGISTER),
        "M_FORBIDDEN": (
            f"the homeserver knows the token under another id than {service.id}",
            REGISTER,
        ),
    }
    return Miss(*mends.get(error.code or "", (error.why, "look at the homeserver's own log")))
