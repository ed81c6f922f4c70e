"""Who vouches for an applicant, and whose word does not count, on cards and where all about a request is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from knockbot.domain.model import Request, State, Truth
from knockbot.domain.notices import Choice, Notice, Stranger, User, because, listed, notice
from knockbot.domain.remarks import Extent
from knockbot.domain.vouches import LONGEST, MOST_WORDS
from knockbot.features.vouches import facts
from knockbot.flow.context import Context
from knockbot.store import judgements, vouches
from knockbot.store.db import Tx
from knockbot.store.vouches import Vouch

SHOWN = 5
"""Words of which a card has a line each."""

WAITING: Final = frozenset({State.PENDING, State.ACCEPTED})
"""The states of requests for which words can still count."""

NAMED = 3
"""People whom a row names."""


async def remarks(context: Context, tx: Tx, about: Sequence[Request], extent: Extent) -> Mapping[int, Sequence[Notice]]:
    """The words for the applicants of these requests. They are told only where the room was managed from then."""
    asking = [request for request in about if request.user_id]
    if not asking:
        return {}
    room_ids, users = ({getattr(one, name) for one in asking} for name in ("room_id", "user_id"))
    found = await vouches.about(tx, sorted(room_ids), sorted(users), MOST_WORDS * len(asking))
    said = {one.id: await _said(context, tx, one, [v for v in found if _is_for(v, one)], extent) for one in asking}
    return {request_id: lines for request_id, lines in said.items() if lines}


def _is_for(vouch: Vouch, request: Request) -> bool:
    """Whether a word is about a request: of an outcome only those by which somebody came in, else all but such."""
    same = (vouch.room_id, vouch.user_id, vouch.management_room) == (
        request.room_id,
        request.user_id,
        request.management_room,
    )
    if not same or vouch.request_id not in (None, request.id):
        return False
    return vouch.request_id == request.id or request.state in WAITING


async def _said(context: Context, tx: Tx, request: Request, found: Sequence[Vouch], extent: Extent) -> Sequence[Notice]:
    now = context.now()
    found = [one for one in found if one.stands(now) or one.request_id is not None or one.fell is not None]
    if extent is Extent.ROW:
        named = [User(one.given_by) for one in found if one.fell is None][:NAMED]
        return [notice("vouches.remark_row", named=listed(named))] if named else []
    judgement = await judgements.newest(tx, request.id) if found else None
    void = {word.by: word.why for word in facts.words(judgement) if word.truth is not Truth.TRUE} if judgement else {}
    return [_line(one, void.get(one.given_by)) for one in found[:SHOWN]]


def _line(vouch: Vouch, void: Notice | None) -> Notice:
    by, why = User(vouch.given_by), Stranger(vouch.why, LONGEST)
    if vouch.fell is not None:
        fell = because("vouch.fell", fell=Choice(vouch.fell))
        came_in = vouch.request_id is not None
        return (
            notice("vouches.remark_void_stays", by=by, why=fell)
            if came_in
            else notice("vouches.remark_void", by=by, why=fell)
        )
    if void is not None and vouch.request_id is None:
        return notice("vouches.remark_void", by=by, why=void)
    return notice("vouches.remark_why", by=by, why=why) if vouch.why else notice("vouches.remark", by=by)
