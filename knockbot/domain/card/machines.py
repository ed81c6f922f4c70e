"""What a card tells machines about a request."""

from __future__ import annotations

from typing import Any

from knockbot.domain.card.endings import UNDONE_FROM, no_rejection
from knockbot.domain.card.who import is_withdrawn_accept, ruling
from knockbot.domain.model import Decision, Request


def machine_block(request: Request) -> dict[str, Any]:
    """The same for machines: `org.knockbot.request`."""
    answer = request.answer
    by_answer = answer is not None and answer.by == request.by
    withdrawn = by_answer and is_withdrawn_accept(request)
    unrejected = no_rejection(request)
    return {
        "number": request.number,
        "kind": request.kind.value,
        "room_id": request.room_id,
        "user_id": request.user_id or None,
        "event_id": request.event_id,
        "state": request.state.value,
        "rule": answer.rule if answer and by_answer and not withdrawn else None,
        "by": request.by,
        **({"withdrawn_by": answer.rule} if answer and withdrawn else {}),
        **({"undone": unrejected.value} if unrejected in UNDONE_FROM else {}),
        **(_from(ruling(request)) if by_answer else {}),
        **_would(request),
        **({"inviter": request.invite.inviter} if request.invite is not None else {}),
        **({"issued_by": request.issued_by} if request.issued_by is not None else {}),
    }


def _from(decision: Decision | None) -> dict[str, Any]:
    """The room whose policy has the rule, if that is another room; null for the default policy."""
    origin = decision.origin if decision is not None else None
    return {"policy_of": origin.room_id or None} if origin is not None else {}


def _would(request: Request) -> dict[str, Any]:
    """What the policy would have done, where it is in dry run and nobody has answered yet."""
    decision = request.decision
    if decision is None or decision.rehearsed is None or not request.awaits_moderators:
        return {}
    return {"would": {"verdict": decision.rehearsed.value, "rule": decision.rule, **_from(decision)}}
