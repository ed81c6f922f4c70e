"""Metrics for Prometheus: how much is pending and how much was done; no label names a room or a user."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from knockbot.store import encryption, inbox, jobs, requests
from knockbot.store.db import Database, Unusable

EFFECT_STATES = ("due", "running", "blocked")


class Endpoint(Protocol):
    """What the metrics need from the part that receives transactions."""

    last_transaction: int | None

    @property
    def why_not_ready(self) -> str | None: ...


class Metrics:
    """Counts again at each request: the numbers are in the database, and a restart loses only those of this process."""

    def __init__(self, db: Database, endpoint: Endpoint | None = None) -> None:
        self._db = db
        self._endpoint = endpoint
        self._registry = CollectorRegistry()
        self._arrivals = Gauge(
            "knockbot_arrivals", "Events in the inbox that wait, or were set aside", ["state"], registry=self._registry
        )
        self._jobs = Gauge(
            "knockbot_effects", "Acts that are due, under way, or wait for a power", ["state"], registry=self._registry
        )
        self._requests = Gauge("knockbot_requests", "Requests by state", ["state"], registry=self._registry)
        self._silent = Gauge(
            "knockbot_silent_rooms",
            "Management rooms that are encrypted while encryption is not allowed: messages for them wait",
            registry=self._registry,
        )
        if endpoint is not None:
            self._ready = Gauge(
                "knockbot_ready", "Whether the homeserver reaches this process", registry=self._registry
            )
            self._heard = Gauge(
                "knockbot_last_transaction_timestamp_seconds",
                "When the homeserver last delivered something to this process; 0 for never",
                registry=self._registry,
            )
        self.app = web.Application()
        self.app.router.add_get("/metrics", self._serve)

    async def _serve(self, _: web.Request) -> web.Response:
        try:
            return await self._count()
        except Unusable as error:
            return web.Response(status=503, text=str(error))

    async def _count(self) -> web.Response:
        async with self._db.tx() as tx:
            waiting, aside = await inbox.counts(tx)
            acts = await jobs.counts(tx)
            states = await requests.counts(tx)
            silent = await encryption.silent_rooms(tx)
        self._silent.set(silent)
        self._arrivals.labels("waiting").set(waiting)
        self._arrivals.labels("set_aside").set(aside)
        for state in EFFECT_STATES:
            self._jobs.labels(state).set(acts.get(state, 0))
        for state, count in states.items():
            self._requests.labels(state).set(count)
        if self._endpoint is not None:
            self._ready.set(self._endpoint.why_not_ready is None)
            self._heard.set((self._endpoint.last_transaction or 0) / 1000)
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
