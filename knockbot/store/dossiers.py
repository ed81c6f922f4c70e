"""What the records of a management room say of an applicant; it reads a bounded number of rows."""

from __future__ import annotations

from knockbot.domain.dossier import GROUPS, Decided
from knockbot.domain.model import Request
from knockbot.store.db import Tx
from knockbot.store.rows import Row

_DECIDED = Row(Decided, "requests", request_id="id")

_COUNTS = ", ".join(f"'{state}'" for state in GROUPS)

DECIDED = (
    f"{_DECIDED.select} WHERE management_room = $1 AND user_id = $2 AND id < $3 AND kind = 'knock' "
    f"AND counts_as IN ({_COUNTS}) AND (card_id IS NULL OR card_id <> $5) ORDER BY id DESC LIMIT $4"
)
"""It is read from the index `requests_decided`, which holds exactly these knocks."""


async def decided(tx: Tx, management_room: str, request: Request, most: int) -> list[Decided]:
    """The earlier knocks of the same applicant that were decided from this management room, newest first; none of those
    that the card of the request shows itself."""
    rows = await tx.fetch(DECIDED, management_room, request.user_id, request.id, most, request.card_id or 0)
    return _DECIDED.all(rows)
