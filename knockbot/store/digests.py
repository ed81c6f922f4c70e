"""Digests: the requests that one prompt stands for, with no more of each than it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from knockbot.domain.digest import InDigest
from knockbot.domain.model import State
from knockbot.store.db import Tx, listed, portions
from knockbot.store.deferrals import in_force
from knockbot.store.waiting import waits

MOST_READ = 5000
"""Requests whose servers and reasons a digest counts; it says only how many there are beside these."""

_WAITING = f"card_id = $1 AND {waits('$2')}"


async def waiting(tx: Tx, prompt_id: int, now: int) -> list[InDigest]:
    """The requests of a digest that wait for an answer, oldest first, as far as it looks."""
    rows = await tx.fetch(
        "SELECT number, coalesce(nullif(user_id, ''), inviter) AS user_id, substr(reason, 1, 300) AS reason "
        f"FROM requests WHERE {_WAITING} ORDER BY id LIMIT $3",
        prompt_id,
        now,
        MOST_READ,
    )
    return [InDigest(row["number"], row["user_id"], row["reason"]) for row in rows]


async def count_waiting(tx: Tx, prompt_id: int, now: int) -> int:
    """How many of its requests wait for an answer."""
    return int(await tx.fetchval(f"SELECT count(*) FROM requests WHERE {_WAITING}", prompt_id, now))


async def deferred(tx: Tx, prompt_id: int, now: int) -> list[int]:
    """The numbers of its requests that are off the list for now, oldest first."""
    rows = await tx.fetch(
        "SELECT number FROM requests WHERE card_id = $1 AND state = 'pending' AND answer_json IS NULL "
        f"AND {in_force('$2')} ORDER BY id",
        prompt_id,
        now,
    )
    return [int(row["number"]) for row in rows]


async def first_waiting(tx: Tx, prompt_id: int, most: int, now: int) -> list[int]:
    """The requests of a digest that wait for an answer, oldest first, so many at most."""
    rows = await tx.fetch(f"SELECT id FROM requests WHERE {_WAITING} ORDER BY id LIMIT $3", prompt_id, now, most)
    return [row["id"] for row in rows]


async def settled(tx: Tx, prompt_id: int) -> Mapping[State, int]:
    """How many of its requests are over, by their outcome."""
    rows = await tx.fetch(
        "SELECT state, count(*) AS n FROM requests WHERE card_id = $1 AND state <> 'pending' GROUP BY state", prompt_id
    )
    return {State(row["state"]): row["n"] for row in rows}


async def take_off(tx: Tx, request_id: int) -> None:
    """A request is in no digest any more, and on no card."""
    await tx.execute(
        "UPDATE requests SET card_id = NULL, shown_event_id = NULL, first_shown_in = NULL WHERE id = $1", request_id
    )


async def move(tx: Tx, prompt_id: int, another: int) -> None:
    """All requests of a digest belong to another prompt, which is posted in its place."""
    await tx.execute("UPDATE requests SET card_id = $2, first_shown_in = NULL WHERE card_id = $1", prompt_id, another)


async def at(tx: Tx, room_id: str, kind: str, now: int) -> dict[int, int]:
    """The requests at a room that wait for an answer and are in digests of this kind, oldest first: the digest of
    each."""
    rows = await tx.fetch(
        "SELECT requests.id AS id, card_id FROM requests JOIN prompts ON prompts.id = card_id AND prompts.kind = $2 "
        f"WHERE requests.room_id = $1 AND {waits('$3')} AND prompts.room_id = requests.management_room "
        "ORDER BY requests.id",
        room_id,
        kind,
        now,
    )
    return {int(row["id"]): int(row["card_id"]) for row in rows}


async def put(tx: Tx, request_ids: Sequence[int], prompt_id: int) -> None:
    """These requests belong to a digest."""
    for ids in portions([*request_ids]):
        await tx.execute(
            f"UPDATE requests SET card_id = $1, first_shown_in = NULL WHERE id IN ({listed(ids, 2)})", prompt_id, *ids
        )
