"""What the records of a management room say of an applicant; each query reads a bounded number of rows."""

from __future__ import annotations

from knockbot.domain.dossier import GROUPS, Decided
from knockbot.domain.model import Request
from knockbot.store.db import Tx
from knockbot.store.rows import Row

_DECIDED = Row(Decided, "requests", request_id="id")

_COUNTS = ", ".join(f"'{state}'" for state in GROUPS)

DECIDED = (
    f"{_DECIDED.select} WHERE management_room = $1 AND user_id = $2 AND id < $3 AND kind = 'knock' "
    f"AND counts_as IN ({_COUNTS}) ORDER BY id DESC LIMIT $4"
)
"""It is read from the index `requests_decided`, which holds exactly these knocks."""

FROM_SERVER = (
    "SELECT count(*) FROM (SELECT 1 FROM requests WHERE management_room = $1 AND server = $2 AND opened_at >= $3 "
    "LIMIT $4) AS found"
)
"""It is read from the index `requests_from_server`."""


async def decided(tx: Tx, management_room: str, request: Request, most: int) -> list[Decided]:
    """The earlier knocks of the same applicant that were decided from this management room, newest first."""
    return _DECIDED.all(await tx.fetch(DECIDED, management_room, request.user_id, request.id, most))


async def knocks_from(tx: Tx, management_room: str, server: str, since: int, most: int) -> int:
    """How many knocks of a server's users have come to a management room since a moment, counted up to `most`."""
    return int(await tx.fetchval(FROM_SERVER, management_room, server, since, most))
