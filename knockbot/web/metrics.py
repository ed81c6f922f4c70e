"""Metrics for Prometheus: how much waits, how much was done; no label names a room or a user."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from knockbot.store import effects, encryption, inbox, requests
from knockbot.store.db import Database

EFFECT_STATES = ("due", "running", "blocked")


class Metrics:
    """Counted afresh at each look: the database knows, and a restart forgets nothing."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._registry = CollectorRegistry()
        self._arrivals = Gauge(
            "knockbot_arrivals", "Events in the inbox that wait, or were set aside", ["state"], registry=self._registry
        )
        self._effects = Gauge(
            "knockbot_effects", "Acts that are due, under way, or wait for a power", ["state"], registry=self._registry
        )
        self._requests = Gauge("knockbot_requests", "Requests by state", ["state"], registry=self._registry)
        self._silent = Gauge(
            "knockbot_silent_rooms",
            "Management rooms that are encrypted while encryption is not allowed: what is to be said there waits",
            registry=self._registry,
        )
        self.app = web.Application()
        self.app.router.add_get("/metrics", self._serve)

    async def _serve(self, _: web.Request) -> web.Response:
        async with self._db.tx() as tx:
            waiting, aside = await inbox.counts(tx)
            acts = await effects.counts(tx)
            states = await requests.counts(tx)
            silent = await encryption.silent_rooms(tx)
        self._silent.set(silent)
        self._arrivals.labels("waiting").set(waiting)
        self._arrivals.labels("set_aside").set(aside)
        for state in EFFECT_STATES:
            self._effects.labels(state).set(acts.get(state, 0))
        for state, count in states.items():
            self._requests.labels(state).set(count)
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
