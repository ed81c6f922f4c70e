"""Judgements: what was decided on each request, when, by which revision of the policy and which facts.

None is changed. Only the newest few of a request are kept, because each new knock is judged again; and where the room
of a request moves to another management room, those go that tell of other rooms. The newest one is the decision of
the request, which `requests.get` and similar functions read along with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from knockbot.domain import judgements
from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Because, Decision, Miss, Origin, Verdict
from knockbot.domain.notices import decoded, encoded
from knockbot.store.db import Tx
from knockbot.store.rows import Column, Row

KEPT = 3
"""How many judgements of one request are kept at least; at most as many older ones are kept."""

NEWEST = (
    "(SELECT decision_json FROM judgements WHERE request_id = requests.id ORDER BY number DESC LIMIT 1) "
    "AS decision_json"
)
"""A column of any query for requests: the decision of the newest judgement."""

_REASONS = ("unknown", "doubt", "told", "found", "alike")
_PLAIN = tuple(field.name for field in fields(Decision) if field.name not in (*_REASONS, "missed", "origin"))


@lru_cache(maxsize=256)
def read(text: str) -> Decision:
    """A decision as it was stored."""
    data: dict[str, Any] = json.loads(text)
    missed = tuple(Miss(miss["rule"], decoded(miss["why"]), _origin(miss)) for miss in data.pop("missed", ()))
    origin = _origin(data)
    data.pop("origin", None)
    said = {name: decoded(data.pop(name)) for name in _REASONS if name in data}
    held = Verdict(data.pop("held")) if "held" in data else None
    return Decision(Verdict(data.pop("verdict")), missed=missed, held=held, origin=origin, **(data | said))


def _origin(data: Mapping[str, Any]) -> Origin | None:
    return Origin(*data["origin"]) if "origin" in data else None


def _of(origin: Origin | None) -> dict[str, Any]:
    return {"origin": [origin.room_id, origin.name]} if origin is not None else {}


def _written(decision: Decision) -> str:
    """A decision as JSON, without its empty parts; its reasons in the form in which notices are stored."""
    said = {name: encoded(why) for name in _REASONS if (why := getattr(decision, name)) is not None}
    missed = [{"rule": miss.rule, "why": encoded(miss.why), **_of(miss.origin)} for miss in decision.missed]
    whole = {name: getattr(decision, name) for name in _PLAIN} | said | {"missed": missed, **_of(decision.origin)}
    return json.dumps({name: value for name, value in whole.items() if value not in NOTHING}, separators=(",", ":"))


NOTHING: tuple[object, ...] = (None, 0, [])
"""The values that are left out: where nothing is stored, they are read back."""


_JUDGEMENT = Row(
    Judgement,
    "judgements",
    inherited=Column("inherited_json", json.loads),
    facts=Column("facts_json", judgements.decode),
    decision=Column("decision_json", read),
)


async def add(tx: Tx, request_id: int, judgement: Judgement, now: int) -> None:
    """Store a judgement; one that leaves nothing open is stored in the short form of a settled request."""
    settled = judgement.decision.verdict not in (Verdict.FORWARD, Verdict.ASK)
    decided = judgements.brief(judgement.decision, settled=settled)
    number = await tx.fetchval(
        "INSERT INTO judgements (request_id, number, at, because, cause, kind, room_id, event_id, revision, "
        "inherited_json, facts_json, decision_json) VALUES ($1, (SELECT coalesce(max(number), 0) + 1 FROM judgements "
        "WHERE request_id = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING number",
        request_id,
        now,
        judgement.because,
        judgement.cause,
        judgement.kind,
        judgement.room_id,
        judgement.event_id,
        judgement.revision,
        json.dumps(judgement.inherited),
        judgements.encode(judgement.facts),
        _written(decided),
    )
    if number > KEPT and number % KEPT == 0:
        await tx.execute("DELETE FROM judgements WHERE request_id = $1 AND number <= $2", request_id, number - KEPT)


async def of_request(tx: Tx, request_id: int) -> list[Judgement]:
    """The judgements of a request that are kept, oldest first."""
    return _JUDGEMENT.all(await tx.fetch(f"{_JUDGEMENT.select} WHERE request_id = $1 ORDER BY number", request_id))


@dataclass(frozen=True, slots=True)
class Stored:
    """A judgement as it is stored; what it says is read later, since that takes time."""

    request_id: int
    number: int
    at: int
    row: Any

    @property
    def place(self) -> tuple[int, int, int]:
        """Its place in the order of `last_of_room`."""
        return self.at, self.request_id, self.number

    def read(self) -> Judgement:
        """What it says. It needs no database, and may be called in a thread."""
        return _JUDGEMENT.one(self.row)


async def last_of_room(
    tx: Tx, room_id: str, management_room: str, *, since: int, before: tuple[int, int, int] | None, most: int
) -> list[Stored]:
    """The last judgements of requests at a room that have their number in a management room, for each kind that a
    request was judged as: at most so many, newest first, made after `since`, and before that place.

    Left out is what a rule of another room has decided: the policies of this room have not.
    """
    at, request_id, number = before or (2**62, 0, 0)
    rows = await tx.fetch(
        f"SELECT request_id, number, at, {_JUDGEMENT.columns} FROM judgements AS j WHERE room_id = $1 AND at >= $2 "
        "AND because <> 'also_invited' AND (at, request_id, number) < ($3, $4, $5) "
        "AND NOT EXISTS (SELECT 1 FROM judgements AS later WHERE later.request_id = j.request_id "
        "AND later.number > j.number AND later.kind = j.kind AND later.because <> 'also_invited') "
        "AND EXISTS (SELECT 1 FROM requests WHERE requests.id = j.request_id AND management_room = $6) "
        "ORDER BY at DESC, request_id DESC, number DESC LIMIT $7",
        room_id,
        since,
        at,
        request_id,
        number,
        management_room,
        most,
    )
    return [Stored(row["request_id"], row["number"], row["at"], row) for row in rows]


async def judged_since(tx: Tx, room_id: str, since: int, most: int) -> list[int]:
    """The requests that were judged at a room since a moment."""
    rows = await tx.fetch(
        "SELECT DISTINCT request_id FROM judgements WHERE room_id = $1 AND at >= $2 ORDER BY request_id DESC LIMIT $3",
        room_id,
        since,
        most,
    )
    return [row["request_id"] for row in rows]


async def leave_behind(tx: Tx, request_id: int) -> None:
    """The room of a request moves to another management room: forget the judgements that tell of other rooms."""
    rows = await tx.fetch(f"SELECT number, {_JUDGEMENT.columns} FROM judgements WHERE request_id = $1", request_id)
    for row in rows:
        if judgements.tells_of_others(_JUDGEMENT.one(row)):
            await tx.execute("DELETE FROM judgements WHERE request_id = $1 AND number = $2", request_id, row["number"])


async def rooms_of(tx: Tx, because: Because, cause: str) -> set[str]:
    """The rooms of the judgements for one cause."""
    rows = await tx.fetch(
        "SELECT DISTINCT room_id FROM judgements WHERE cause = $1 AND cause <> '' AND because = $2", cause, because
    )
    return {row["room_id"] for row in rows}


async def decisions(tx: Tx, because: Because, cause: str) -> list[Decision]:
    """What was decided in the judgements for one cause."""
    rows = await tx.fetch(
        "SELECT decision_json FROM judgements WHERE cause = $1 AND cause <> '' AND because = $2", cause, because
    )
    return [read(row["decision_json"]) for row in rows]


async def newest(tx: Tx, request_id: int) -> Judgement | None:
    """The judgement in force for a request; none where it was not judged yet, as after a restore."""
    return _JUDGEMENT.maybe(
        await tx.fetchrow(f"{_JUDGEMENT.select} WHERE request_id = $1 ORDER BY number DESC LIMIT 1", request_id)
    )


async def policies_of_waiting(tx: Tx, room_id: str) -> list[tuple[int | None, dict[str, int]]]:
    """The policies by which the requests at a room that wait for an answer were judged last (`Judgement.policies`)."""
    rows = await tx.fetch(
        "SELECT revision, inherited_json FROM judgements AS j WHERE request_id IN (SELECT id FROM requests "
        "WHERE room_id = $1 AND state = 'pending' AND answer_json IS NULL AND moved_from IS NULL) "
        "AND number = (SELECT max(number) FROM judgements WHERE request_id = j.request_id)",
        room_id,
    )
    return [(row["revision"], json.loads(row["inherited_json"])) for row in rows]


async def is_judged(tx: Tx, request_id: int, because: Because, cause: str) -> bool:
    """Whether a request was judged for this cause."""
    row = await tx.fetchrow(
        "SELECT 1 FROM judgements WHERE request_id = $1 AND because = $2 AND cause = $3", request_id, because, cause
    )
    return row is not None


async def shorten(tx: Tx, request_id: int, decision: Decision) -> Decision:
    """A request is settled: keep only the part of its decision that is kept for ever. Returns that part."""
    short = judgements.brief(decision, settled=True)
    if short != decision:
        await tx.execute(
            "UPDATE judgements SET decision_json = $2 WHERE request_id = $1 "
            "AND number = (SELECT max(number) FROM judgements WHERE request_id = $1)",
            request_id,
            _written(short),
        )
    return short
