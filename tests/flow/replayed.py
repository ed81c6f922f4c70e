"""Judgements, made again from what is stored of them alone: each has to come out as it did."""

from __future__ import annotations

from dataclasses import replace

from knockbot.domain.judgements import Judgement, brief, decide_again, encode
from knockbot.domain.layers import CONFIG_FILE, Part, composed, ends, of_room
from knockbot.domain.model import Because, Decision, Origin, Request
from knockbot.domain.notices import dumps
from knockbot.domain.policy import Policy
from knockbot.flow.context import Context
from knockbot.store import judgements, policies, requests, rooms
from knockbot.store.db import Tx
from tests.flow.house import known_policy

LONGEST = 4000
"""Characters that the facts of one judgement take at most."""


async def not_replayed(context: Context) -> list[str]:
    """The judgements on record that come out otherwise today, by their stored facts and the revision they name."""
    wrong = []
    async with context.db.tx() as tx:
        for row in await tx.fetch("SELECT id FROM requests ORDER BY id"):
            request = await requests.get(tx, row["id"])
            for judgement in await judgements.of_request(tx, request.id):
                if judgement.because is Because.ALSO_INVITED:
                    continue  # a rule of another room has decided
                again = await _again(context, tx, request, judgement)
                if not _same(again, judgement.decision):
                    wrong.append(f"#{request.number}: {judgement.decision} is {again} by {judgement.facts}")
                assert len(encode(judgement.facts)) < LONGEST
    return wrong


async def _again(context: Context, tx: Tx, request: Request, judgement: Judgement) -> Decision:
    return decide_again(request, judgement, await _policy(context, tx, judgement))


async def _policy(context: Context, tx: Tx, judgement: Judgement) -> Policy:
    own = {judgement.room_id: judgement.revision} if judgement.revision is not None else {}
    parts = [await _part(tx, room_id, revision) for room_id, revision in (own | dict(judgement.inherited)).items()]
    if not ends([part.policy for part in parts]):
        parts.append(Part("", CONFIG_FILE, context.settings.defaults.policy.policy))
    return composed(judgement.room_id, parts)


async def _part(tx: Tx, room_id: str, number: int) -> Part:
    revision, room = await policies.revision(tx, room_id, number), await rooms.find(tx, room_id)
    assert revision is not None
    return Part(room_id, room.label if room else room_id, of_room(known_policy(revision.text), room_id))


def _same(again: Decision, before: Decision) -> bool:
    """Whether two decisions are one, as far as it is kept why rules did not match, and what was written."""
    if again.unknown is not None and "unknown.not_kept" in dumps(again.unknown):
        return True
    short, kept = brief(again, settled=True), brief(before, settled=True)
    return _without_names(short) == _without_names(kept)


def _without_names(decision: Decision) -> Decision:
    """A decision without its author, and without what people called the rooms whose policies it is from."""
    missed = tuple(replace(miss, origin=_nameless(miss.origin)) for miss in decision.missed)
    return replace(decision, author=None, origin=_nameless(decision.origin), missed=missed)


def _nameless(origin: Origin | None) -> Origin | None:
    return replace(origin, name="") if origin is not None else None
