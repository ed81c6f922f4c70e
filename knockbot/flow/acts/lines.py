"""Messages in a room that are no prompts, redacting them, and what follows from each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from knockbot.domain.coding import Malformed
from knockbot.domain.jobs import LINE, Act, Job, Line, React, Redact, Say, Unreact
from knockbot.domain.notices import because
from knockbot.engine.turn import Turn
from knockbot.engine.worker import Done, Outcome
from knockbot.errors import Never
from knockbot.flow import calling, conversations
from knockbot.flow.acts.prompts import offer_stands
from knockbot.flow.acts.sending import note, send, sent_before
from knockbot.flow.context import Context
from knockbot.flow.ports import REQUEST_KEY
from knockbot.flow.tables import Doing
from knockbot.store import jobs
from knockbot.store.jobs import Claimed


async def unreact(context: Context, claimed: Claimed[Unreact]) -> Outcome:
    """Redact an offered reaction; what is redacted already stays so."""
    return await _redact(context, claimed.job, claimed.job.payload.reaction)


async def redact(context: Context, claimed: Claimed[Redact]) -> Outcome:
    """Redact a prompt."""
    return await _redact(context, claimed.job, claimed.job.payload.event_id)


async def _redact(context: Context, job: Job[Any], event_id: str) -> Outcome:
    await context.acts.redact(job.room_id, event_id, job.key)
    return Done()


@dataclass(frozen=True, slots=True)
class Said(Done):
    """A message was sent."""

    quiet: tuple[str, ...] = ()
    """The rooms about which it called nobody, because quiet hours have begun there since it was planned."""


async def say(context: Context, claimed: Claimed[Say]) -> Outcome:
    """Say something in a management room, once."""
    sent = await sent_before(context, claimed)
    try:
        line = LINE.decode(context.cipher.unlock(claimed.job.payload.line))
    except Malformed as error:
        if sent is not None:
            return Done(sent)
        raise Never(because("act.unreadable")) from error
    async with context.db.tx() as tx:
        calls = await calling.still(context, tx, line.calls, line.called_about)
    return Said(sent or await _send(context, claimed, line, calls.users), calls.quiet)


async def _send(context: Context, claimed: Claimed[Say], line: Line, calls: tuple[str, ...]) -> str:
    content = context.wording.message(
        line.notice,
        claimed.job.key,
        language=line.language,
        aloud=line.aloud,
        calls=calls,
        reply_to=line.reply_to,
        thread=line.thread,
        blocks={REQUEST_KEY: line.block} if line.block else None,
    )
    return await send(context, claimed, content, in_clear=claimed.job.payload.in_clear)


async def echoed(context: Context, turn: Turn, key: str, event_id: str) -> None:
    """The bot's own message came back: it got through, no matter how the homeserver answered the attempt."""
    job = await jobs.echoed(turn.tx, key, event_id)
    if job is None:
        return
    if isinstance(job.payload, React):
        await offer_stands(turn.tx, job.payload, event_id)
    else:
        await _note(context, turn, job, event_id)


async def _note(context: Context, turn: Turn, job: Job[Any], event_id: str | None) -> None:
    await note(turn, job, event_id)
    if event_id is not None:
        await conversations.note_sent(context, turn, job.room_id, job.key, event_id)


async def _said(context: Context, turn: Turn, job: Job[Say], came: Outcome) -> None:
    if isinstance(came, Done):
        await _note(context, turn, job, came.event_id)
    if isinstance(came, Said):
        await calling.silenced(context, turn, came.quiet, alarm=True)


ACTS: Mapping[Act, Doing] = {
    Act.SAY: Doing(say, ended=_said),
    Act.UNREACT: Doing(unreact),
    Act.REDACT: Doing(redact),
}
"""A line that cannot be sent has no other place to go."""
