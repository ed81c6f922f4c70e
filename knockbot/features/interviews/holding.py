"""An interview is begun by a moderator, joined by others with a click, and over with its request or after a week."""

from __future__ import annotations

from typing import Final

from knockbot.domain import plan
from knockbot.domain.model import Kind, Request
from knockbot.domain.notices import Notice, Number, Numbered, User, notice
from knockbot.domain.records import Recorded
from knockbot.engine.prompts import post, refresh
from knockbot.engine.timers import TimerKind, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Refused
from knockbot.flow import remarks, saying
from knockbot.flow.context import Context
from knockbot.flow.records import record
from knockbot.flow.saying import Audience
from knockbot.store import conversations, interviews, prompts, requests
from knockbot.store.interviews import GOES_ON, Interview, Stage
from knockbot.store.rooms import ProtectedRoom
from knockbot.store.timers import Timer
from knockbot.times import WEEK

INTERVIEW: Final = "interview"
"""Its row in `product.py:PROMPTS`."""

ENDS: Final = "interview_ends"
"""The row in `product.py:TIMERS` by which the bot leaves its room."""

LASTS: Final = WEEK
"""Milliseconds after which the bot leaves the room; the others can go on without it."""

MOST: Final = 20
"""Moderators who can take part."""


async def begin(context: Context, turn: Turn, request: Request, by: str) -> None:
    """Begin an interview. Raises `Refused` where there is one, or the request waits no more, or no room may be made."""
    now = await remarks.still_waiting(turn, request)
    if now.judged_as is not Kind.KNOCK:
        raise Refused(notice("asked.no_applicant", request=Numbered(now.number)))
    if any(one.stage in GOES_ON for one in await interviews.of_request(turn.tx, now.id)):
        raise Refused(notice("interview.there", request=Numbered(now.number)))
    most = context.settings.notices.per_day
    if not await conversations.count_begun(turn.tx, turn.now, most):
        raise Refused(notice("interview.no_more_today", most=Number(most)))
    prompt = await prompts.new(turn.tx, now.management_room, INTERVIEW, now.room_id, turn.now)
    await interviews.begin(turn.tx, prompt.id, now)
    await interviews.take_part(turn.tx, prompt.id, by, turn.now)
    await turn.plan(plan.interview(now.room_id, now.user_id, prompt.id))
    await post(turn, prompt)
    await set_timer(context, turn, Timer(f"{ENDS}:{prompt.id}", ENDS, str(prompt.id), turn.now + LASTS))
    await record(turn, now, by, Recorded.INTERVIEWED)


async def take_part(turn: Turn, interview: Interview, by: str) -> Notice | None:
    """A moderator wants to be invited. Raises `Refused` where there are too many."""
    if len(await interviews.people(turn.tx, interview.prompt_id)) >= MOST:
        raise Refused(notice("interview.full", most=Number(MOST)))
    if await interviews.take_part(turn.tx, interview.prompt_id, by, turn.now):
        await turn.plan(plan.interview(interview.about, interview.user_id, interview.prompt_id, guest=by))
        await refresh(turn, interview.prompt_id)
    return None


async def failed(context: Context, turn: Turn, prompt_id: int, why: Notice) -> None:
    """The applicant could not be invited: there is no interview, and the moderators are told once."""
    interview = await interviews.of_prompt(turn.tx, prompt_id)
    if interview is None or interview.stage is not Stage.MAKING:
        return
    request = await requests.get(turn.tx, interview.request_id, held=False)
    await _close(turn, interview)
    if request.management_room == interview.management_room:
        number, user = Numbered(request.number), User(interview.user_id)
        said = notice("interview.failed", request=number, user=user, why=why)
        to = Audience(interview.management_room, request)
        await saying.say(context, turn, to, f"interview_failed:{prompt_id}", said)


async def _close(turn: Turn, interview: Interview) -> None:
    """The bot leaves the room, and the prompt takes no clicks any more."""
    await interviews.move(turn.tx, interview.prompt_id, Stage.OVER)
    if interview.room_id is not None:
        await turn.plan(plan.leave(interview.room_id, f"interview:{interview.prompt_id}", guest=interview.user_id))
    await _take_no_more(turn, interview.prompt_id)


async def _take_no_more(turn: Turn, prompt_id: int) -> None:
    await prompts.close(turn.tx, prompt_id, turn.now)
    await refresh(turn, prompt_id)


async def settled(_: Context, turn: Turn, request: Request) -> None:
    """A request has its outcome: nobody joins its interview any more, and those who are there can go on talking."""
    for one in await interviews.of_request(turn.tx, request.id):
        if one.stage in GOES_ON:
            await _take_no_more(turn, one.prompt_id)


async def let_go(_: Context, turn: Turn, room: ProtectedRoom) -> None:
    """A room is no longer protected from there: nobody joins the interviews about it any more."""
    for prompt in await prompts.still_open(turn.tx, INTERVIEW, room.room_id):
        await _take_no_more(turn, prompt.id)


async def _leave(_: Context, timer: Timer) -> Write[None]:
    """The time of an interview is over."""

    async def write(turn: Turn) -> None:
        interview = await interviews.of_prompt(turn.tx, int(timer.about))
        if interview is not None and interview.stage in GOES_ON:
            await _close(turn, interview)

    return write


END: Final = TimerKind(_leave)
