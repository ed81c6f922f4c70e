"""Tells applicants of other servers that they were rejected, because no homeserver does (docs/federation.md)."""

from __future__ import annotations

from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.card import no_rejection
from knockbot.domain.ids import server_of
from knockbot.domain.kinds import kind_of
from knockbot.domain.model import Answer, Request, State, Verdict
from knockbot.domain.notices import Notice, below, notice
from knockbot.domain.policy import NotifyRemote
from knockbot.domain.reasons import told_with
from knockbot.engine.turn import Turn
from knockbot.flow import conversations, place
from knockbot.flow.context import Context
from knockbot.flow.conversations import ToTell
from knockbot.flow.place import Place
from knockbot.times import DAY


async def settled(context: Context, turn: Turn, request: Request) -> None:
    """Tell an applicant of another server about their rejection, in their conversation.

    It is told only after the rejection, because an answer can still be withdrawn. There is at most one such message per
    applicant and day.
    """
    answer = request.answer
    if answer is None or not _concerns(context, request, answer):
        return
    there = await place.of(context, turn, request.room_id)
    if there is None or there.settings.notify_remote is NotifyRemote.OFF or there.settings.letters.rejected:
        return  # or a letter says it
    occasion = f"rejected:{request.user_id}:{turn.now // DAY}"
    what = ToTell(request.user_id, there, _letter(there, answer), occasion, request.id)
    conversations.tell(context, turn, what)


def _concerns(context: Context, request: Request, answer: Answer) -> bool:
    rejected = answer.verdict is Verdict.REJECT and answer.rule != SERVER_ACL
    return (
        rejected
        and request.state is State.REJECTED
        and no_rejection(request) is None
        and kind_of(request).waits_outside
        and request.moved_from is None
        and server_of(request.user_id) != context.home
    )


def _letter(there: Place, answer: Answer) -> Notice:
    reason, said = told_with(answer), notice("letter.rejected", room=there.called)
    if reason is not None:
        said = notice("letter.rejected_because", room=there.called, reason=reason)
    return below(said, notice("letter.how_to_appeal"))
