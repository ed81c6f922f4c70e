"""Letters about a request: when it waits, when it still waits, its outcome, and when the invite is not taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from knockbot.domain.kinds import kind_of
from knockbot.domain.letters import LetterRule
from knockbot.domain.model import Request, State
from knockbot.domain.notices import Notice, Room, below, notice
from knockbot.engine.timers import TimerKind, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.features.letters.outcomes import OUTCOMES
from knockbot.flow import conversations, place
from knockbot.flow.context import Context
from knockbot.flow.conversations import ToTell
from knockbot.flow.place import Place
from knockbot.store import records, requests
from knockbot.store.timers import Timer

WAITING: Final = "letter_waiting"
INVITED: Final = "letter_invited"
"""The kinds of its timers."""


async def left_open(context: Context, turn: Turn, request: Request) -> None:
    """A request waits for the moderators: tell that, and look again later. What a rule answers at once is not told as
    received: its outcome is."""
    there = await _concerned(context, turn, request)
    if there is None:
        return
    rule = there.settings.letters
    if rule.received:
        _tell(context, turn, request, "received", (there, _received(there.called)))
    if rule.waiting is not None:
        at = request.opened_at + rule.waiting
        await set_timer(context, turn, Timer(f"{WAITING}:{request.id}", WAITING, str(request.id), at))


def _received(room: Room) -> Notice:
    return below(notice("letter.received", room=room), notice("letter.help"))


async def settled(context: Context, turn: Turn, request: Request) -> None:
    """A request has an outcome: tell it, and look later whether they have joined."""
    there = await _concerned(context, turn, request)
    told = OUTCOMES.get(request.state)
    if there is None or told is None:
        return
    rule = there.settings.letters
    said = told.said(request, there.called) if told.wanted(rule) else None
    if said is not None:
        # After a restore this is the same number again, so what was told before is not told twice.
        occasion = f"{request.state}:{await records.outcomes(turn.tx, request.id)}"
        _tell(context, turn, request, occasion, (there, said))
    if request.state is State.ACCEPTED and rule.invited is not None:
        at = turn.now + rule.invited
        await set_timer(context, turn, Timer(f"{INVITED}:{request.id}", INVITED, str(request.id), at))


async def _concerned(context: Context, turn: Turn, request: Request) -> Place | None:
    """The room, if its policy has letters for an applicant like this: one who waits outside."""
    if not kind_of(request).waits_outside:
        return None
    there = await place.of(context, turn, request.room_id)
    return there if there is not None and there.settings.letters != LetterRule() else None


def _tell(context: Context, turn: Turn, request: Request, occasion: str, said: tuple[Place, Notice]) -> None:
    there, words = said
    conversations.tell(context, turn, ToTell(request.user_id, there, words, f"{occasion}:{request.id}", request.id))


# --- at a time --------------------------------------------------------------------------------------------------


async def still_waiting(context: Context, timer: Timer) -> Write[None]:
    """The time has come to say that a request still waits, if it does, and the policy still wants that."""

    async def write(turn: Turn) -> None:
        request = await requests.get(turn.tx, int(timer.about))
        there = await _concerned(context, turn, request)
        if there is None or there.settings.letters.waiting is None or not request.awaits_moderators:
            return
        _tell(context, turn, request, "waiting", (there, notice("letter.waiting", room=there.called)))

    return write


async def still_invited(context: Context, timer: Timer) -> Write[None]:
    """The time has come to say that an invite still waits, if it does."""

    async def write(turn: Turn) -> None:
        request = await requests.get(turn.tx, int(timer.about))
        there = await _concerned(context, turn, request)
        if there is None or there.settings.letters.invited is None or request.state is not State.ACCEPTED:
            return
        _tell(context, turn, request, "invited", (there, notice("letter.invited", room=there.called)))

    return write


TIMERS: Final[Mapping[str, TimerKind[Context]]] = {
    WAITING: TimerKind(still_waiting),
    INVITED: TimerKind(still_invited),
}
"""What is told at a time, once for each request."""
