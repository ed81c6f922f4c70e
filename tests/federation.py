"""What somebody on another server sees of a room they knocked at: their own server's word, by their own `/sync`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from knockbot.demo.people import Json, NothingHappened, Person, until
from knockbot.store import jobs
from tests.keeper import WITHIN, Garden, InProcess
from tests.sydent import FederatingHomeserver

SECTIONS = ("join", "invite", "knock", "leave")


@dataclass(frozen=True, slots=True)
class View:
    """Where somebody's client shows a room, who put them there, and the words that came with it."""

    section: str
    sender: str = ""
    reason: str | None = None


NOTHING = View("nowhere")


async def view(who: Person, room: str) -> View:
    """How their client shows the room to somebody now."""
    everything = json.dumps({"room": {"include_leave": True, "rooms": [room]}})
    rooms = (await who.sync(filter=everything)).get("rooms", {})
    for section in SECTIONS:
        if room in rooms.get(section, {}):
            return _in(section, rooms[section][room], who)
    return NOTHING


def _in(section: str, shown: Json, who: Person) -> View:
    parts = (shown.get(part, {}).get("events", []) for part in ("state", "invite_state", "knock_state", "timeline"))
    events = [event for part in parts for event in part]
    mine = [e for e in events if e["type"] == "m.room.member" and e.get("state_key") == who.user_id]
    last: Json = mine[-1] if mine else {"sender": "", "content": {}}
    return View(section, last["sender"], last["content"].get("reason"))


async def sees(who: Person, room: str, wanted: str | View) -> View:
    """The view, as soon as it is this one, or the room stands in this section of their client."""
    return await until(
        lambda: view(who, room),
        lambda seen: wanted in (seen, seen.section),
        lambda seen: f"{who} was to see the room as {wanted!r}, but sees {seen}",
        within=WITHIN,
    )


async def hears(who: Person, room: str, since: str, reason: str) -> View:
    """The first thing that news since then say of the room with these words: what an open client gets to show."""
    for _ in range(round(WITHIN)):
        news = await who.sync(since, timeout=1000)
        since = news["next_batch"]
        for section in SECTIONS:
            shown = news.get("rooms", {}).get(section, {}).get(room)
            if shown is not None and (heard := _in(section, shown, who)).reason == reason:
                return heard
    raise NothingHappened(f"{who} heard nothing of {reason!r}")


async def knock_from(garden: Garden, server: FederatingHomeserver, reason: str = "hello", name: str = "ana") -> Person:
    """Somebody of another server knocks, by way of the server that the bot is on."""
    person = await server.person(name)
    await person.knock(garden.room, reason, via=[garden.keeper.homeserver.name])
    return person


async def time_passes(keeper: InProcess) -> None:
    """As if all that waits for another server had waited long enough."""
    async with keeper.context.db.tx() as tx:
        await tx.execute("UPDATE jobs SET due_at = 0 WHERE state = 'due' AND server IS NOT NULL")
    keeper.context.wakeups.jobs.set()


async def waits_for(keeper: InProcess, garden: Garden, who: Person) -> jobs.Open:
    """The act on somebody that was tried and waits for their server, once it does."""

    async def look() -> list[jobs.Open]:
        async with keeper.context.db.tx() as tx:
            acts = await jobs.open_for(tx, [garden.room])
        return [act for act in acts if act.user_id == who.user_id and act.attempts and act.state == "due"]

    [found] = await until(look, bool, lambda _: f"nothing waits for the server of {who}", within=60)
    return found
