"""The ledger: what everybody was due, and whether they got it, once, by what the rooms and the records say."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from knockbot.backup.dump import snapshot
from knockbot.demo.people import Person
from knockbot.domain.model import State
from knockbot.errors import Unavailable
from knockbot.store.tables import BACKED_UP
from tests.keeper import REQUESTS, Garden, block, edit_of

POLICY = """
lists: [{{room: "{bans}", name: bans}}]
rules:
- {{name: friends, when: {{reason_matches: friend}}, then: accept, reason: come in}}
- {{name: strangers, when: {{reason_matches: stranger}}, then: reject, reason: say who you are}}
- {{name: spammers, when: {{reason_matches: spam}}, then: ban}}
otherwise: forward
wave: off
"""

NAMED = "named"
"""What becomes of a visitor who waits while an entry for them arrives on the policy list."""

SOON = frozenset({"list_hits", "list_moved"})
"""Timers that wait for a policy list to be read; until they have rung, not everybody has what they were due."""

DUE: Mapping[str, tuple[str, State]] = {
    "friend": ("invite", State.ACCEPTED),
    "stranger": ("leave", State.REJECTED),
    "spam": ("ban", State.BANNED),
    "visitor": ("knock", State.PENDING),
    "listed friend": ("ban", State.BANNED),
    NAMED: ("ban", State.BANNED),
    "✅": ("invite", State.ACCEPTED),
    "❌": ("leave", State.REJECTED),
    "⛔": ("ban", State.BANNED),
}
"""Where whoever knocks ends up, by the reason they give, or by what a moderator clicks or the policy list says."""

Rows = dict[str, list[dict[str, Any]]]


@dataclass
class Knocked:
    """Somebody who knocks once, in one garden, and what is due to them."""

    person: Person
    garden: Garden
    due: str
    card: str | None = None
    """The message that shows them to the moderators, once it is known."""


@dataclass
class Ledger:
    """Everybody who knocked."""

    url: str
    everybody: list[Knocked] = field(default_factory=list)

    async def records(self) -> Rows:
        """Every row of the database as it is now."""
        found: Rows = {}
        async with snapshot(self.url) as source:
            for table in BACKED_UP:
                columns = [*await source.columns(table)]
                found[table] = [dict(zip(columns, row, strict=True)) async for row in source.rows(table, columns)]
        return found

    async def what_is_missing(self) -> str:
        """Why it is not over yet; empty once nothing is left to do and everybody has what they were due."""
        try:
            rows = await self.records()
        except Unavailable as error:
            return str(error)
        waiting = [row["event_id"] for row in rows["inbox"] if row["handled_at"] is None and row["fault"] is None]
        undone = [row["key"] for row in rows["jobs"] if row["state"] in ("due", "running")]
        undone += [row["key"] for row in rows["timers"] if row["kind"] in SOON]
        states = {(row["room_id"], row["user_id"]): row["state"] for row in rows["requests"]}
        owed = [
            f"{one.person.user_id} ({one.due})"
            for one in self.everybody
            if states.get((one.garden.room, one.person.user_id)) != DUE[one.due][1]
        ]
        missing = (("unhandled", waiting), ("undone", undone), ("owed to", owed))
        return "; ".join(f"{what}: {', '.join(map(str, which[:5]))}" for what, which in missing if which)

    async def violations(self) -> list[str]:
        """Everything that must not be so, now that it is over."""
        rows = await self.records()
        found = [f"{row['event_id']} was set aside: {row['fault']}" for row in rows["inbox"] if row["fault"]]
        unfit = [row for row in rows["jobs"] if row["state"] not in ("done", "overtaken")]
        found += [f"{row['key']} is {row['state']}: {row['why']}" for row in unfit]
        for garden in {one.garden.room: one.garden for one in self.everybody}.values():
            found += await self._in_garden(garden, rows)
        return found

    async def _in_garden(self, garden: Garden, rows: Rows) -> list[str]:
        here = [one for one in self.everybody if one.garden.room == garden.room]
        acts, shown = await garden.acts_of_the_bot(), await _shown(garden)
        by_user: dict[str, list[dict[str, Any]]] = {}
        for row in rows["requests"]:
            if row["room_id"] == garden.room:
                by_user.setdefault(row["user_id"], []).append(row)
        lines: dict[int, list[str]] = {}
        for row in rows["audit"]:
            lines.setdefault(row["request_id"], []).append(row["kind"])
        found = [
            f"{user_id} was invited {count} times, without an accept"
            for (user_id, act), count in acts.items()
            if act == "invite" and not any('"accept"' in (row["answer_json"] or "") for row in by_user.get(user_id, []))
        ]
        for one in here:
            user_id = one.person.user_id
            membership, state = DUE[one.due]
            wanted = {membership: 1} if state is not State.PENDING else {}
            done = {act: count for (whom, act), count in acts.items() if whom == user_id}
            found += [f"{user_id} ({one.due}): the bot's acts were {done}"] if done != wanted else []
            found += [f"{user_id} ({one.due}) was shown {shown[user_id]} times"] if shown[user_id] != 1 else []
            found += _on_record(one, by_user.get(user_id, []), lines)
        return found + _out_of_order(here, rows)


def _on_record(one: Knocked, requests: list[dict[str, Any]], lines: Mapping[int, list[str]]) -> list[str]:
    """One request, one decision, one outcome, and a line about each."""
    user_id = one.person.user_id
    if len(requests) != 1:
        return [f"{user_id} knocked once, and there are {len(requests)} requests"]
    [request] = requests
    state = DUE[one.due][1]
    told = Counter(lines.get(request["id"], []))
    judged = 2 if one.due == NAMED else 1
    wanted = Counter(["judged"] * judged + ([str(state)] if state is not State.PENDING else []))
    if one.due in "✅❌⛔":
        wanted[{"✅": "accept", "❌": "reject", "⛔": "ban"}[one.due]] += 1
    found = [f"{user_id} is {request['state']}, not {state}"] if request["state"] != state else []
    return found + ([f"{user_id} ({one.due}): on record are {dict(told)}"] if told != wanted else [])


def _out_of_order(here: list[Knocked], rows: Rows) -> list[str]:
    """Whoever knocked first has the lower number, wherever the events were sent.

    No number may go against both the order in which they knocked and that in which we were told. The two can differ:
    what a homeserver was saying when knockbot was killed, it says again after what it said since (seen: 2.5 s later),
    and a look at the room has found who knocked before that.
    """
    room = here[0].garden.room
    knocked = {one.person.user_id: place for place, one in enumerate(here)}
    arrived = {row["event_id"]: row["seq"] for row in rows["inbox"]}
    requests = sorted((row for row in rows["requests"] if row["room_id"] == room), key=lambda row: row["id"])
    places = [(knocked[row["user_id"]], arrived[row["event_id"]]) for row in requests if row["event_id"] in arrived]
    wrong = any(first[0] > then[0] and first[1] > then[1] for first, then in itertools.combinations(places, 2))
    return [f"the requests of {room} are not in the order of the knocks"] if wrong else []


async def _shown(garden: Garden) -> Counter[str]:
    """How many messages show somebody, edits left out."""
    said = [event for event in await garden.said() if edit_of(event) is None]
    blocks = [[block(event)] if REQUESTS not in event["content"] else event["content"][REQUESTS] for event in said]
    return Counter(one["user_id"] for some in blocks for one in some if one and one["room_id"] == garden.room)
