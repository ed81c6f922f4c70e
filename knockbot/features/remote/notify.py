"""Tells applicants of other servers that they were rejected, because no homeserver does (docs/federation.md)."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.domain import plan
from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.ids import server_of
from knockbot.domain.jobs import Act, Job, Write
from knockbot.domain.kinds import kind_of
from knockbot.domain.model import Answer, Request, State, Verdict
from knockbot.domain.notices import Notice, Room, Stranger, because, notice
from knockbot.domain.policy import NotifyRemote
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn
from knockbot.engine.worker import Outcome, Overtaken
from knockbot.errors import Never
from knockbot.flow import place, saying
from knockbot.flow.acts.going import Made
from knockbot.flow.context import Context
from knockbot.flow.ports import EFFECT_KEY
from knockbot.flow.records import record
from knockbot.flow.saying import Audience, Urgency
from knockbot.flow.tables import Doing
from knockbot.store import bot_memberships, jobs, requests
from knockbot.store.db import Tx
from knockbot.store.jobs import Claimed
from knockbot.times import DAY

STAYS = 7 * DAY
"""Milliseconds that the bot stays in a room that it made to tell somebody, so that they can join and read."""


async def settled(context: Context, turn: Turn, request: Request) -> None:
    """Plan the message that tells an applicant of another server about their rejection.

    It is planned only after the rejection, because an answer can still be withdrawn. There is at most one message per
    applicant and day, and a limit for all together: messages beyond that are dropped silently.
    """
    answer = request.answer
    if answer is None or not _concerns(context, request, answer):
        return
    there = await place.of(context, turn, request.room_id)
    if there is None or there.settings.notify_remote is NotifyRemote.OFF:
        return
    if await _within_limits(context, turn.tx, request.user_id):
        await turn.plan(plan.write(request, answer, context.now() // DAY))


def _concerns(context: Context, request: Request, answer: Answer) -> bool:
    rejected = answer.verdict is Verdict.REJECT and answer.rule != SERVER_ACL
    return (
        rejected
        and request.state is State.REJECTED
        and kind_of(request).waits_outside
        and request.moved_from is None
        and server_of(request.user_id) != context.home
    )


async def _within_limits(context: Context, tx: Tx, user_id: str) -> bool:
    told, in_all = await jobs.told_since(tx, user_id, context.now() - DAY)
    return told == 0 and in_all < context.settings.notices.per_day


# --- doing it ------------------------------------------------------------------------------------------------


async def write(context: Context, claimed: Claimed[Write]) -> Outcome:
    """Make a private room and invite somebody there, once; the message is sent when they are invited."""
    job, user_id = claimed.job, claimed.job.payload.user_id
    if context.now() - claimed.created_at > DAY:
        return Overtaken(because("overtaken.too_old_to_tell"))
    room_id = await context.acts.find_made(job.key) if claimed.tried_before else None
    if room_id is None:
        async with context.db.tx() as tx:
            there = await place.find(context, tx, job.room_id)
        room = there.called if there is not None else Room(job.room_id, job.room_id)
        language = place.language_of(context, [there] if there is not None else [])
        content = {
            "name": context.wording.words(notice("letter.room_name", room=room), language),
            "preset": "private_chat",
            "is_direct": True,
            "invite": [],  # not yet: the invite can fail although the room was made
            "creation_content": {EFFECT_KEY: job.key},
        }
        room_id = await context.acts.create_room(content)
    try:
        if await context.outside.member(room_id, user_id) is None:
            async with context.db.tx() as tx:
                reason = await saying.told_with(context, tx, job.room_id, job.payload)
            await context.acts.invite(room_id, user_id, reason)
    except Never as error:
        await context.acts.leave(room_id)
        return Overtaken(error.why)
    return Made(room_id=room_id)


async def _written_to(context: Context, turn: Turn, job: Job[Write], came: Outcome) -> None:
    """Somebody is invited to a room where they can read the message: send it there, and leave the room later."""
    if not isinstance(came, Made):
        return
    request = await requests.get(turn.tx, job.payload.request_id)
    said = await _letter(context, turn, job)
    await saying.say(context, turn, Audience(came.room_id, place=job.room_id), job.key, said, urgency=Urgency.ALOUD)
    await bot_memberships.use(turn.tx, came.room_id, turn.now)
    await turn.plan(plan.leave(came.room_id, "told"), due_at=turn.now + STAYS)
    await record(turn, request, context.bot, Recorded.WROTE)


async def _letter(context: Context, turn: Turn, job: Job[Write]) -> Notice:
    """What an applicant of another server is told, since their own server does not tell them."""
    room = await place.called(context, turn, job.room_id)
    reason = await saying.told_with(context, turn.tx, job.room_id, job.payload)
    if reason:
        return notice("letter.rejected_because", room=room, reason=Stranger(reason))
    return notice("letter.rejected", room=room)


ACTS: Mapping[Act, Doing] = {Act.WRITE: Doing(write, ended=_written_to)}
