"""An applicant takes their request back by the bot, which removes the knock: no client of theirs need be able to.

It is done by a kick, as a rejection is, but no one rejects them: the request ends as withdrawn, by the applicant.
"""

from __future__ import annotations

from knockbot.domain.model import Answer, Request, State, Verdict
from knockbot.domain.notices import because, notice
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.features.letters.own import Own
from knockbot.flow import settling
from knockbot.flow.context import Context
from knockbot.store import requests


def insist_on_waiting(one: Own) -> None:
    """Raises `Refused` where there is nothing to take back any more."""
    request, room = one.request, one.there.called
    if request.state is State.ACCEPTED or request.invited:
        raise Refused(notice("own.decline", room=room))
    if not request.open:
        raise Refused(notice("own.over", room=room))
    if request.answer is not None:
        raise Refused(notice("own.being_answered", room=room))


async def withdraw(context: Context, turn: Turn, one: Own, cause: str) -> None:
    """Take a request back. Raises `Refused` if it was answered meanwhile."""
    request = await requests.get(turn.tx, one.request.id)
    insist_on_waiting(Own(one.number, request, one.there))
    if request.moved_from is not None:  # they never knocked at the room that it is about now
        await settling.record_outcome(context, turn, request, State.WITHDRAWN, request.user_id)
        return
    await settling.take_back(context, turn, request, _answer(context, turn, request, cause))


def _answer(context: Context, turn: Turn, request: Request, cause: str) -> Answer:
    """The answer that the applicant gives themselves: the bot carries it out with its own power."""
    told = because("told.withdrawn")
    return Answer(
        Verdict.REJECT, request.user_id, turn.now, request.event_id, cause=cause, told=told, author=context.bot
    )
