"""Part 9: a wave of knocks at one room of a real Synapse: what is held, what is said, and how soon all is on record."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knockbot.demo.homeserver import RELAXED, Homeserver
from knockbot.demo.people import Person, until
from tests.bench.child import knockbot, ready
from tests.bench.figures import Row, Table, median
from tests.bench.sizes import Sizes
from tests.bench.stage import GUESTS_AT_ONCE, NAME, WITHIN, Acting, Service

AFTERWARDS = 15.0
"""Seconds after the last knock in which messages still count: longer than a digest gathers changes."""

KNOCKS = 50
"""How many make a wave, if the policy says nothing."""


@dataclass(frozen=True, slots=True)
class _Door:
    """A room that knockbot keeps, with its moderator."""

    homeserver: Homeserver
    crowd: Service
    bot: Service
    alice: Person
    room: str
    mods: str
    records: Path

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        """What the records say, read beside the bot that writes them."""
        with sqlite3.connect(f"file:{self.records}?mode=ro", uri=True) as db:
            return db.execute(query).fetchall()

    async def until(self, query: str, least: int) -> None:
        """Return once a number in the records has come so far."""
        await until(lambda: self._number(query), lambda number: number >= least, str, within=WITHIN)

    async def _number(self, query: str) -> int:
        return int(self.asked(query)[0][0])

    async def events(self, room: str) -> list[Row]:
        """What happened in a room, as its moderator may see it."""
        answer = await self.alice.call("GET", "rooms", room, "messages", query={"dir": "b", "limit": "5000"})
        found: list[Row] = answer["chunk"]
        while "end" in answer and answer["chunk"]:
            query = {"dir": "b", "limit": "5000", "from": answer["end"]}
            answer = await self.alice.call("GET", "rooms", room, "messages", query=query)
            found += answer["chunk"]
        return found


async def run(sizes: Sizes) -> list[Table]:
    """A table with a line for each wave."""
    rows = []
    for _ in range(sizes.repeats):
        async with _door(Path(tempfile.mkdtemp())) as door:
            rows.append(await _wave(door, max(sizes.wave, KNOCKS + 2)))
    middle = {name: median([float(row[name]) for row in rows]) for name in rows[0]}
    whole = {name: int(number) if number == int(number) else number for name, number in middle.items()}
    lines = [{"": f"wave {place}", **row} for place, row in enumerate(rows, 1)]
    title = f"A wave of {rows[0]['knocks']} knocks at one room, on SQLite"
    notes = [
        "Messages count from the moment when the wave began until 15 seconds after the last knock, edits too.",
        "An invite is under way if it was sent to the homeserver before the wave began, and came through after that.",
    ]
    return [Table("waves", title, [*lines, {"": "median", **whole}], notes)]


@asynccontextmanager
async def _door(directory: Path) -> AsyncIterator[_Door]:
    crowd, bot, records = Service("crowd", users="guest_.*"), Service("knockbot"), directory / "knockbot.db"
    registrations = [crowd.registration(called=False), bot.registration()]
    async with Homeserver(directory / "synapse", name=NAME, extra=RELAXED, registrations=registrations) as homeserver:
        alice = await Person.register(homeserver, "alice")
        policy = {"otherwise": "accept", "announce": "none", "call": [alice.user_id]}
        config = {
            "homeserver": {"address": homeserver.url, "domain": NAME},
            "appservice": {
                "address": f"http://127.0.0.1:{bot.port}",
                "port": bot.port,
                "id": bot.localpart,
                "bot_username": bot.localpart,
                "as_token": bot.as_token,
                "hs_token": bot.hs_token,
            },
            "database": f"sqlite:{records}",
            "permissions": {NAME: "user"},
            "defaults": {"policy": policy},
            "logging": {"level": "warning"},
        }
        async with knockbot(config, directory) as running:
            await running.answers(ready(config))
            mods = await alice.create_room("Mods", invite=[bot.user_id])
            levels = {"users": {alice.user_id: 100, bot.user_id: 50}}
            room = await alice.create_room(
                "Garden", join_rule="knock", invite=[bot.user_id], power_levels=levels, room_version="11"
            )
            for place in (mods, room):
                await alice.wait_for_membership(place, bot.user_id, "join")
            door = _Door(homeserver, crowd, bot, alice, room, mods, records)
            await alice.say(mods, f"!kb protect {room}")
            await door.until("SELECT count(*) FROM rooms", 1)
            yield door


async def _wave(door: _Door, count: int) -> Row:
    guests = [door.crowd.acting(door.homeserver, f"guest_{number}") for number in range(count)]
    for guest in guests:
        await guest.sign_up()
    began = time.perf_counter()
    answering = asyncio.create_task(_answered(door))
    await _knock(door, guests)
    knocked = time.perf_counter() - began
    await door.until("SELECT count(*) FROM requests", count)
    on_record = time.perf_counter() - began
    command = await answering
    await asyncio.sleep(AFTERWARDS)
    return {
        "knocks": count,
        "s to the last knock": knocked,
        "s until it is on record": on_record,
        **await _seen(door),
        "s from command to invite": command,
    }


async def _knock(door: _Door, guests: Sequence[Acting]) -> None:
    turns = asyncio.Semaphore(GUESTS_AT_ONCE)

    async def knock(guest: Acting) -> None:
        async with turns:
            await guest.knock(door.room)

    await asyncio.gather(*map(knock, guests))


async def _answered(door: _Door) -> float:
    """In the middle of the wave somebody is accepted by hand; returns the seconds until they are invited."""
    await door.until("SELECT count(*) FROM waves", 1)
    waiting = "FROM requests WHERE state = 'pending' AND answer_json IS NULL"
    await door.until(f"SELECT count(*) {waiting}", 1)
    [(number, user)] = door.asked(f"SELECT number, user_id {waiting} ORDER BY number LIMIT 1")
    began = time.perf_counter()
    await door.alice.say(door.mods, f"!kb accept {number}")
    await door.alice.wait_for_membership(door.room, user, "invite", within=WITHIN)
    return time.perf_counter() - began


async def _seen(door: _Door) -> Row:
    [(began_at,)] = door.asked("SELECT began_at FROM waves")
    [(by_hand,)] = door.asked("SELECT user_id FROM requests WHERE state = 'accepted' AND answer_json NOT LIKE '%rule%'")
    stored = [json.loads(text) for (text,) in door.asked("SELECT answer_json FROM requests WHERE answer_json <> ''")]
    answers = [("rule" in one, one["at"]) for one in stored if one["verdict"] == "accept"]
    theirs = [one for one in await door.events(door.room) if one["sender"] == door.bot.user_id]
    invites = [one for one in theirs if one["content"].get("membership") == "invite" and one["state_key"] != by_hand]
    events = await door.events(door.mods)
    said = [one for one in events if (one["sender"], one["type"]) == (door.bot.user_id, "m.room.message")]
    called = [one for one in said if "m.new_content" not in one["content"] and _calls(one, door.alice.user_id)]
    join_rules = [one for one in theirs if one["type"] == "m.room.join_rules"]
    return {
        "accepts by rule after it began": sum(by_rule and at > began_at for by_rule, at in answers),
        "invites before": sum(one["origin_server_ts"] <= began_at for one in invites),
        "invites under way then": sum(one["origin_server_ts"] > began_at for one in invites),
        "messages": sum(one["origin_server_ts"] >= began_at for one in said),
        "calls": len(called),
        "changes of the join rule": len(join_rules),
    }


def _calls(event: Row, user_id: str) -> bool:
    return user_id in event["content"].get("m.mentions", {}).get("user_ids", [])
