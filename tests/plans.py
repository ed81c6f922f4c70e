"""Plans: how the database means to answer a query, so that none reads all of a history."""

from __future__ import annotations

from knockbot.store.db import Tx


async def plan_of(tx: Tx, query: str, *asked: object, alone: bool) -> str:
    """The plan of a query, in one line; of PostgreSQL the one for tables that are too large to be read whole."""
    if alone:
        return "; ".join(row["detail"] for row in await tx.fetch(f"EXPLAIN QUERY PLAN {query}", *asked))
    await tx.execute("SET LOCAL enable_seqscan = off")
    await tx.execute("SET LOCAL enable_bitmapscan = off")
    return "; ".join(row["QUERY PLAN"].strip() for row in await tx.fetch(f"EXPLAIN {query}", *asked))
