"""What the records say of an applicant: only of this management room, and no longer a history is read for it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from knockbot.domain.dossier import Decided
from knockbot.domain.model import Request, State
from knockbot.store import dossiers, requests
from knockbot.store.db import Database, Tx
from tests.store.samples import GARDEN, KNOCK, MODS, NOW, opened

POND = "!pond:tulip.example"
OTHERS = "!others:tulip.example"


async def came_to(db: Database, *states: State, room_id: str = GARDEN, management_room: str = MODS) -> list[Request]:
    """Knocks of one applicant, one after another, each with its outcome."""
    made = []
    for number, state in enumerate(states):
        knock = replace(KNOCK, room_id=room_id, event_id=f"${room_id}{number}")
        request = await opened(db, knock, management_room=management_room)
        async with db.tx() as tx:
            made.append(await requests.settled(tx, request.id, state, "@mod:a", NOW + number))
    return made


async def test_the_decisions_of_all_rooms_of_a_management_room_are_found_newest_first(db: Database) -> None:
    first = await came_to(db, State.REJECTED, State.WITHDRAWN, State.EXPIRED)
    second = await came_to(db, State.JOINED, room_id=POND)
    await came_to(db, State.BANNED, room_id="!elsewhere:a", management_room=OTHERS)
    now = await opened(db, replace(KNOCK, event_id="$now"))
    later = await came_to(db, State.BANNED, room_id="!rose:a")

    async with db.tx() as tx:
        found = await dossiers.decided(tx, MODS, now, 50)
        assert await dossiers.decided(tx, MODS, now, 1) == found[:1]
    assert later[0].id not in {one.request_id for one in found}
    assert found == [
        Decided(second[0].id, POND, State.JOINED, NOW),
        Decided(first[0].id, GARDEN, State.REJECTED, NOW),
    ]


async def test_they_are_read_from_an_index_of_theirs_alone(db: Database) -> None:
    """Else the history of somebody who knocks for years would be read with each of their cards."""
    [request] = await came_to(db, State.REJECTED)
    async with db.tx() as tx:
        if not db.alone:
            await tx.execute("SET LOCAL enable_seqscan = off")
            await tx.execute("SET LOCAL enable_bitmapscan = off")
            # Which plan is cheapest depends on what else is there: here, many others, and many of the same.
            for user_id in ("user_id", "user_id || other"):
                await tx.execute(
                    "INSERT INTO requests (management_room, number, room_id, kind, user_id, event_id, reason, "
                    "has_avatar, state, opened_at, changed_at, counts_as, counts_since) "
                    "SELECT management_room, number + (SELECT max(number) FROM requests) * other, room_id, kind, "
                    f"{user_id}, event_id, '', has_avatar, state, opened_at, changed_at, counts_as, counts_since "
                    "FROM requests, generate_series(1, 50) AS other"
                )
            await tx.execute("ANALYZE requests")
        decided = await plan(tx, db, dossiers.DECIDED, MODS, request.user_id, 10**9, 50, 7)
    assert re.search(r"(USING INDEX|Index Scan Backward using) requests_decided", decided), decided
    assert not re.search(r"Sort|TEMP B-TREE", decided), decided


async def plan(tx: Tx, db: Database, query: str, *args: Any) -> str:
    """How the database goes about a query."""
    if db.alone:
        return " ".join(row["detail"] for row in await tx.fetch(f"EXPLAIN QUERY PLAN {query}", *args))
    return " ".join(row["QUERY PLAN"] for row in await tx.fetch(f"EXPLAIN {query}", *args))
