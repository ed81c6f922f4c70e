"""What an applicant brings: the code in the reason of a knock, or in their conversation; and wrong ones are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from knockbot.domain.codes import MOST_CODES, MOST_WRONG, SHUT_OUT, WRONG_WITHIN, found_in, is_it, masked
from knockbot.domain.model import Because, MemberChange, Rejudge, Request
from knockbot.domain.notices import Moment, Notice, User, notice
from knockbot.engine.turn import Turn
from knockbot.features.codes import counting
from knockbot.flow import place, rejudging, saying
from knockbot.flow.context import Context
from knockbot.flow.saying import Audience
from knockbot.store import codes, layers
from knockbot.store.codes import Code
from knockbot.store.db import Tx

LOOKED_AT = 10 * MOST_CODES
"""Codes of a room, and of the spaces whose policies decide there, that what is brought is compared with."""


@dataclass(frozen=True, slots=True)
class Found:
    """What looks like codes in a text."""

    code: int | None
    """The first that is one: its ID."""
    wrong: int
    """How many are none."""
    text: str
    """The text with the names of the codes in their places."""


async def look(context: Context, room_id: str, text: str) -> Found:
    """Look for codes of a room in what somebody wrote."""
    said = found_in(text)
    if not said:
        return Found(None, 0, text)
    async with context.db.statement() as tx:
        known = await _known(tx, room_id)
    meant = [{one: code for one in several if (code := _meant(one, known)) is not None} for several in said]
    right = {one: code for several in meant for one, code in several.items()}
    first = next(iter(right.values()), None)
    wrong = sum(not several for several in meant)
    return Found(
        first.id if first is not None else None, wrong, masked(text, {one: code.name for one, code in right.items()})
    )


async def _known(tx: Tx, room_id: str) -> list[Code]:
    decide = await layers.of(tx, room_id)
    rooms = [*dict.fromkeys([room_id, *(layer.room_id for layer in decide if layer.room_id)])]
    return await codes.of_rooms(tx, rooms, LOOKED_AT)


def _meant(said: str, known: Sequence[Code]) -> Code | None:
    """The code that somebody means; all are compared, so that the time that it takes tells nothing."""
    meant = [code for code in known if is_it(said, code.salt, code.digest)]
    return meant[0] if meant else None


async def reads(context: Context, change: MemberChange) -> MemberChange:
    """A knock as it is kept: with the code that it brings, and with no code in its reason."""
    found = await look(context, change.room_id, change.reason)
    if found.text == change.reason:
        return change
    return replace(change, reason=found.text, code=found.code, wrong_codes=found.wrong)


async def knocked(context: Context, turn: Turn, change: MemberChange, _: int) -> None:
    """Somebody knocked, perhaps with wrong codes."""
    if change.wrong_codes:
        await _guessed(context, turn, change.room_id, change.user_id, (change.event_id, change.wrong_codes))


async def _guessed(context: Context, turn: Turn, room_id: str, user_id: str, what: tuple[str, int]) -> None:
    """Count wrong codes; whoever brings too many is shut out, and the moderators are told, once a day."""
    event_id, wrong = what
    now = turn.now
    if not await codes.guessed(turn.tx, event_id, (room_id, user_id), wrong, now):
        return
    shut = await codes.shut_out_until(turn.tx, room_id, user_id) > now
    if shut or await codes.wrong_since(turn.tx, room_id, user_id, now - WRONG_WITHIN) < MOST_WRONG:
        return
    await codes.shut_out(turn.tx, room_id, user_id, now + SHUT_OUT)
    there = await place.of(context, turn, room_id)
    if there is not None:
        until = Moment(now + SHUT_OUT, there.settings.timezone)
        said = notice("codes.guessing", user=User(user_id), room=there.called, until=until)
        audience = Audience(there.management_room, place=room_id)
        await saying.say(context, turn, audience, f"guessing:{room_id}:{user_id}:{now}", said)


# --- in a conversation ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody wrote in their conversation about one of their requests that wait."""

    request: Request
    found: Found


async def typed(context: Context, turn: Turn, said: Sequence[Said], event_id: str) -> Notice:
    """Take in the codes that somebody wrote in their conversation, for the requests that wait; returns what they are
    told."""
    said_of = [await _take_in(context, turn, one, event_id) for one in said]
    return min(said_of, key=lambda notice: ANSWERS.index(notice.code))


ANSWERS: Final = ("own.code", "own.code_void", "own.shut_out", "own.wrong_code")
"""What applicants are told of a code, the best first: it may be for one of several rooms only."""


async def _take_in(context: Context, turn: Turn, one: Said, event_id: str) -> Notice:
    request, found = one.request, one.found
    where = (request.room_id, request.user_id)
    if found.code is None:
        await _guessed(context, turn, *where, (event_id, found.wrong))
    else:
        await codes.brought(turn.tx, request.id, found.code)
        again = Rejudge(request.room_id, Because.CODE, event_id, request.id)
        await rejudging.plan_each(context, turn, [again])
    until = await codes.shut_out_until(turn.tx, *where)
    if until > turn.now:
        there = await place.of(context, turn, request.room_id)
        shown = Moment(until, there.settings.timezone) if there is not None else Moment(until)
        return notice("own.shut_out", until=shown)
    code = await codes.get(turn.tx, found.code) if found.code is not None else None
    if code is None:
        return notice("own.wrong_code")
    void = await counting.over(turn.tx, code, where, request.id, turn.now)
    return notice("own.code_void") if void is not None else notice("own.code")


async def forget(_: Context, turn: Turn) -> None:
    """Forget wrong codes that do not count any more."""
    await codes.forget(turn.tx, turn.now - WRONG_WITHIN, turn.now)
