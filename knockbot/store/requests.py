"""Requests: one row from the first knock to its outcome."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from knockbot.domain.model import Answer, Decision, Kind, Knock, MemberChange, Miss, Request, State, Verdict
from knockbot.store.db import Tx, for_update

_COLUMNS = (
    "id, management_room, number, room_id, kind, user_id, event_id, reason, display_name, has_avatar, state, "
    "opened_at, changed_at, decision_json, answer_json, done_by, card_id, shown_event_id, trouble"
)


async def open_knock(tx: Tx, management_room: str, knock: Knock, now: int) -> Request:
    """Open a request for a knock under the next number of its management room."""
    number = await _next_number(tx, management_room)
    row = await tx.fetchrow(
        "INSERT INTO requests (management_room, number, room_id, kind, user_id, event_id, reason, display_name, "
        "has_avatar, state, opened_at, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) "
        f"RETURNING {_COLUMNS}",
        management_room,
        number,
        knock.room_id,
        Kind.KNOCK,
        knock.user_id,
        knock.event_id,
        knock.reason,
        knock.display_name,
        knock.has_avatar,
        State.PENDING,
        now,
    )
    return _request(row)


async def _next_number(tx: Tx, management_room: str) -> int:
    number = await tx.fetchval(
        "INSERT INTO management_rooms (room_id, next_number) VALUES ($1, 2) "
        "ON CONFLICT (room_id) DO UPDATE SET next_number = management_rooms.next_number + 1 RETURNING next_number - 1",
        management_room,
    )
    return int(number)


# --- finding --------------------------------------------------------------------------------------------------


async def get(tx: Tx, request_id: int) -> Request:
    """The request with this id, held until the transaction ends."""
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM requests WHERE id = $1{for_update(tx)}", request_id)
    return _request(row)


async def by_number(tx: Tx, management_room: str, number: int) -> Request | None:
    """The request a moderator means by its number."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM requests WHERE management_room = $1 AND number = $2{for_update(tx)}",
        management_room,
        number,
    )
    return _request(row) if row else None


async def latest(tx: Tx, room_id: str, user_id: str) -> Request | None:
    """The newest request of one applicant in one room, open or not."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM requests WHERE room_id = $1 AND user_id = $2 ORDER BY id DESC LIMIT 1{for_update(tx)}",
        room_id,
        user_id,
    )
    return _request(row) if row else None


async def opened_since(tx: Tx, room_id: str, user_id: str, since: int) -> list[Request]:
    """The requests of one applicant in one room since a moment, oldest first."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM requests WHERE room_id = $1 AND user_id = $2 AND opened_at >= $3 ORDER BY id",
        room_id,
        user_id,
        since,
    )
    return [_request(row) for row in rows]


async def pending(tx: Tx, management_room: str, room_id: str | None = None) -> list[Request]:
    """The open requests of a management room, or of one of its protected rooms, oldest first."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM requests WHERE management_room = $1 AND state = 'pending' ORDER BY number",
        management_room,
    )
    return [request for request in map(_request, rows) if room_id is None or request.room_id == room_id]


async def unsettled(tx: Tx, room_id: str) -> list[Request]:
    """The requests of a protected room that the room may have moved on from: pending, and accepted but not joined."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM requests WHERE room_id = $1 AND state IN ('pending', 'accepted') ORDER BY id", room_id
    )
    return [_request(row) for row in rows]


async def on_card(tx: Tx, card_id: int) -> list[Request]:
    """The requests one card shows, oldest first."""
    rows = await tx.fetch(f"SELECT {_COLUMNS} FROM requests WHERE card_id = $1 ORDER BY id{for_update(tx)}", card_id)
    return [_request(row) for row in rows]


async def counts(tx: Tx) -> dict[str, int]:
    """How many requests are in each state."""
    rows = await tx.fetch("SELECT state, count(*) AS n FROM requests GROUP BY state")
    found = {row["state"]: row["n"] for row in rows}
    return {state.value: found.get(state.value, 0) for state in State}


# --- changing -------------------------------------------------------------------------------------------------


async def knocked_again(tx: Tx, request: Request, change: MemberChange, now: int) -> None:
    """Another knock of the same applicant takes the place of the one that stood."""
    await tx.execute(
        "UPDATE requests SET event_id = $2, reason = $3, display_name = $4, has_avatar = $5, changed_at = $6 "
        "WHERE id = $1",
        request.id,
        change.event_id,
        change.reason,
        change.display_name,
        change.has_avatar,
        now,
    )


async def judged(tx: Tx, request_id: int, decision: Decision) -> None:
    """Keep what the policy said, and why."""
    await tx.execute("UPDATE requests SET decision_json = $2 WHERE id = $1", request_id, json.dumps(asdict(decision)))


async def answered(tx: Tx, request_id: int, answer: Answer | None) -> None:
    """Set the binding word, or take it back."""
    text = None if answer is None else json.dumps(asdict(answer))
    await tx.execute("UPDATE requests SET answer_json = $2, trouble = NULL WHERE id = $1", request_id, text)


async def settled(tx: Tx, request_id: int, state: State, by: str, now: int) -> None:
    """The room has moved on: set the outcome and who brought it about."""
    await tx.execute(
        "UPDATE requests SET state = $2, done_by = $3, changed_at = $4, trouble = NULL WHERE id = $1",
        request_id,
        state,
        by,
        now,
    )


async def in_trouble(tx: Tx, request_id: int, trouble: str) -> None:
    """Note why the act for this request was given up."""
    await tx.execute("UPDATE requests SET trouble = $2 WHERE id = $1", request_id, trouble)


async def put_on_card(tx: Tx, request_id: int, card_id: int) -> None:
    """Show this request on that card."""
    await tx.execute("UPDATE requests SET card_id = $2 WHERE id = $1", request_id, card_id)


async def shown(tx: Tx, request_id: int, event_id: str) -> None:
    """The card now shows this knock."""
    await tx.execute("UPDATE requests SET shown_event_id = $2 WHERE id = $1", request_id, event_id)


async def move(tx: Tx, request: Request, management_room: str) -> None:
    """Give an open request a number in another management room; its card stays behind."""
    number = await _next_number(tx, management_room)
    await tx.execute(
        "UPDATE requests SET management_room = $2, number = $3, card_id = NULL, shown_event_id = NULL WHERE id = $1",
        request.id,
        management_room,
        number,
    )


# --- rows -----------------------------------------------------------------------------------------------------


def _request(row: Any) -> Request:
    return Request(
        id=row["id"],
        management_room=row["management_room"],
        number=row["number"],
        room_id=row["room_id"],
        kind=Kind(row["kind"]),
        user_id=row["user_id"],
        event_id=row["event_id"],
        reason=row["reason"],
        display_name=row["display_name"],
        has_avatar=bool(row["has_avatar"]),
        state=State(row["state"]),
        opened_at=row["opened_at"],
        changed_at=row["changed_at"],
        decision=_decision(row["decision_json"]),
        answer=_answer(row["answer_json"]),
        by=row["done_by"],
        card_id=row["card_id"],
        shown_event_id=row["shown_event_id"],
        trouble=row["trouble"],
    )


def _decision(text: str | None) -> Decision | None:
    if text is None:
        return None
    data = json.loads(text)
    missed = tuple(Miss(**miss) for miss in data.pop("missed"))
    return Decision(verdict=Verdict(data.pop("verdict")), missed=missed, **data)


def _answer(text: str | None) -> Answer | None:
    if text is None:
        return None
    data = json.loads(text)
    return Answer(verdict=Verdict(data.pop("verdict")), **data)
