"""Codes: what is kept of each, which requests hold a use of it, and who brought wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.store.db import Tx, for_update, listed, portions
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class Code:
    """A code of a room."""

    id: int
    room_id: str
    management_room: str
    """From where it was made; nobody learns of it elsewhere."""
    name: str
    salt: str
    digest: str
    uses: int
    """How many may come in by it."""
    until: int | None
    """The last millisecond at which it is in force; none for ever."""
    given_by: str
    given_at: int
    ended_at: int | None
    """When somebody ended it."""
    cause: str
    """The command that made it."""


_CODE = Row(Code, "codes")

IN_FORCE = "ended_at IS NULL AND (until IS NULL OR until >= {now})"


async def add(tx: Tx, code: Code) -> None:
    """Keep a new code; its ID is counted."""
    await tx.execute(
        "INSERT INTO codes (room_id, management_room, name, salt, digest, uses, until, given_by, given_at, cause) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        code.room_id,
        code.management_room,
        code.name,
        code.salt,
        code.digest,
        code.uses,
        code.until,
        code.given_by,
        code.given_at,
        code.cause,
    )


async def get(tx: Tx, code_id: int, *, held: bool = False) -> Code | None:
    """A code by its ID. `held` until the transaction ends: then its uses are counted by nobody else."""
    return _CODE.maybe(await tx.fetchrow(f"{_CODE.select} WHERE id = $1{for_update(tx, held)}", code_id))


async def several(tx: Tx, code_ids: Sequence[int]) -> dict[int, Code]:
    """Codes by their IDs."""
    found: dict[int, Code] = {}
    for ids in portions([*code_ids]):
        rows = await tx.fetch(f"{_CODE.select} WHERE id IN ({listed(ids)})", *ids)
        found |= {code.id: code for code in _CODE.all(rows)}
    return found


async def of_rooms(tx: Tx, room_ids: Sequence[str], most: int) -> list[Code]:
    """The newest codes of these rooms, those too that are over."""
    rows = await tx.fetch(
        f"{_CODE.select} WHERE room_id IN ({listed(room_ids, 2)}) ORDER BY id DESC LIMIT $1", most, *room_ids
    )
    return _CODE.all(rows)


async def in_force(tx: Tx, room_id: str, now: int) -> list[Code]:
    """The codes of a room that are not over, oldest first."""
    rows = await tx.fetch(
        f"{_CODE.select} WHERE room_id = $1 AND {IN_FORCE.format(now='$2')} ORDER BY id", room_id, now
    )
    return _CODE.all(rows)


async def end(tx: Tx, code_id: int, now: int) -> None:
    """A code is over."""
    await tx.execute("UPDATE codes SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL", code_id, now)


async def end_all(tx: Tx, room_id: str, now: int) -> None:
    """The codes of a room are over: it is not managed from there any more."""
    await tx.execute("UPDATE codes SET ended_at = $2 WHERE room_id = $1 AND ended_at IS NULL", room_id, now)


async def move_over(tx: Tx, room_id: str, replacement: str) -> None:
    """A room was replaced: its codes are for the new one."""
    await tx.execute("UPDATE codes SET room_id = $2 WHERE room_id = $1", room_id, replacement)


# --- uses -------------------------------------------------------------------------------------------------------


async def uses(tx: Tx, code_id: int, *, besides: int = 0) -> int:
    """How many requests hold a use of a code, besides one of them."""
    found = await tx.fetchval(
        "SELECT count(*) FROM code_uses WHERE code_id = $1 AND request_id <> $2", code_id, besides
    )
    return int(found)


async def uses_of(tx: Tx, code_ids: Sequence[int]) -> dict[int, int]:
    """How many requests hold a use of each of these codes."""
    found: dict[int, int] = {}
    for ids in portions([*code_ids]):
        rows = await tx.fetch(
            f"SELECT code_id, count(*) AS n FROM code_uses WHERE code_id IN ({listed(ids)}) GROUP BY code_id", *ids
        )
        found |= {int(row["code_id"]): int(row["n"]) for row in rows}
    return found


async def use(tx: Tx, code_id: int, request_id: int, now: int) -> bool:
    """A request holds a use of this code, and of no other; false if it did before."""
    row = await tx.fetchrow(
        "INSERT INTO code_uses (request_id, code_id, used_at) VALUES ($1, $2, $3) ON CONFLICT (request_id) DO UPDATE "
        "SET code_id = excluded.code_id, used_at = excluded.used_at WHERE code_uses.code_id <> excluded.code_id "
        "RETURNING request_id",
        request_id,
        code_id,
        now,
    )
    return row is not None


async def give_back(tx: Tx, request_id: int) -> int | None:
    """A request holds no use of a code any more; returns of which it held one."""
    found = await tx.fetchval("DELETE FROM code_uses WHERE request_id = $1 RETURNING code_id", request_id)
    return int(found) if found is not None else None


WAITING_WITH = (
    "SELECT requests.id, requests.room_id FROM codes JOIN requests ON requests.management_room = codes.management_room "
    "WHERE codes.id = $1 AND requests.code_id = $1 AND requests.state = 'pending' AND requests.answer_json IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM code_uses WHERE code_uses.request_id = requests.id) ORDER BY requests.id LIMIT $2"
)


async def waiting_with(tx: Tx, code_id: int, most: int) -> list[tuple[int, str]]:
    """The requests, and their rooms, that wait, bring a code and hold no use of it: those that came first."""
    return [(int(row["id"]), str(row["room_id"])) for row in await tx.fetch(WAITING_WITH, code_id, most)]


async def used_by(tx: Tx, request_ids: Sequence[int]) -> frozenset[int]:
    """Those of these requests that hold a use of a code."""
    found: set[int] = set()
    for ids in portions([*request_ids]):
        rows = await tx.fetch(f"SELECT request_id FROM code_uses WHERE request_id IN ({listed(ids)})", *ids)
        found |= {int(row["request_id"]) for row in rows}
    return frozenset(found)


async def brought(tx: Tx, request_id: int, code_id: int) -> None:
    """The applicant of a request brings this code now."""
    await tx.execute("UPDATE requests SET code_id = $2 WHERE id = $1", request_id, code_id)


# --- wrong ones -------------------------------------------------------------------------------------------------


async def guessed(tx: Tx, event_id: str, where: tuple[str, str], wrong: int, now: int) -> bool:
    """Somebody (the second of `where`) brought wrong codes to a room by an event; false if that is on record."""
    row = await tx.fetchrow(
        "INSERT INTO code_guesses (event_id, room_id, user_id, wrong, at) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (event_id, room_id) DO NOTHING RETURNING event_id",
        event_id,
        *where,
        wrong,
        now,
    )
    return row is not None


async def wrong_since(tx: Tx, room_id: str, user_id: str, since: int) -> int:
    """How many wrong codes somebody brought to a room since a moment."""
    found = await tx.fetchval(
        "SELECT coalesce(sum(wrong), 0) FROM code_guesses WHERE room_id = $1 AND user_id = $2 AND at > $3",
        room_id,
        user_id,
        since,
    )
    return int(found)


async def shut_out(tx: Tx, room_id: str, user_id: str, until: int) -> None:
    """No code of somebody counts at a room until then."""
    await tx.execute(
        "INSERT INTO code_guessers (room_id, user_id, until) VALUES ($1, $2, $3) "
        "ON CONFLICT (room_id, user_id) DO UPDATE SET until = excluded.until",
        room_id,
        user_id,
        until,
    )


async def shut_out_until(tx: Tx, room_id: str, user_id: str) -> int:
    """Until when no code of somebody counts at a room; 0 if they were never shut out."""
    found = await tx.fetchval("SELECT until FROM code_guessers WHERE room_id = $1 AND user_id = $2", room_id, user_id)
    return int(found) if found is not None else 0


async def forget(tx: Tx, guesses_before: int, now: int) -> None:
    """Forget the wrong codes that do not count any more."""
    await tx.execute("DELETE FROM code_guesses WHERE at < $1", guesses_before)
    await tx.execute("DELETE FROM code_guessers WHERE until < $1", now)
