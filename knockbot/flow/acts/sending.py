"""Sending: a message of a job goes into its room once, and never in clear where the room is encrypted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from knockbot.domain.jobs import Job
from knockbot.domain.notices import because
from knockbot.engine.turn import Turn
from knockbot.errors import Never
from knockbot.flow import encrypted
from knockbot.flow.context import Context
from knockbot.flow.ports import EFFECT_KEY, NOT_ALLOWED
from knockbot.store import encryption, jobs, messages
from knockbot.store.jobs import Claimed

MESSAGE: Final = "m.room.message"
REACTION: Final = "m.reaction"


async def send(
    context: Context,
    claimed: Claimed[Any],
    content: Mapping[str, Any],
    event_type: str = MESSAGE,
    *,
    unique: str = "",
    in_clear: bool = False,
) -> str:
    """Send a message once for its `unique` key, which is the job unless given; returns the event id."""
    job = claimed.job
    try:
        if event_type != REACTION and not in_clear:
            await insist_on_secrecy(context, job.room_id)
        return await context.acts.send(job.room_id, event_type, unique or job.key, content)
    except Never as error:
        if error.code != "M_FORBIDDEN":
            raise
        # Kept until the bot is let in or may speak again: what moderators have to see must not be lost.
        raise Never(because("act.may_not_speak", why=error.why), code="KNOCKBOT_NO_POWER") from error


async def insist_on_secrecy(context: Context, room_id: str) -> None:
    """Where encryption is not allowed, the bot says nothing in encrypted rooms. Raises `Never` there.

    An event tells when a room becomes encrypted; a look at each room finds those that were so before.
    """
    if context.acts.encrypts:
        return
    async with context.db.tx() as tx:
        is_encrypted = await encryption.is_encrypted(tx, room_id)
    if not is_encrypted and room_id not in context.unencrypted:
        is_encrypted = await encrypted.is_encrypted(context, room_id)
        context.unencrypted.add(room_id)
    if is_encrypted:
        raise Never(because("act.encrypted"), code=NOT_ALLOWED)


async def sent_before(context: Context, claimed: Claimed[Any]) -> str | None:
    """The event of an earlier attempt that got through without an answer: searched by its echo, then in the room."""
    if not claimed.tried_before:
        return None
    async with context.db.tx() as tx:
        echo = await jobs.echo_of(tx, claimed.id)
    return echo or await context.acts.find_sent(claimed.job.room_id, claimed.job.key, claimed.created_at)


async def note(turn: Turn, job: Job[Any], event_id: str | None) -> None:
    """Note a message that was sent; a reply to it means what the message is about."""
    if event_id is not None:
        about = {"prompt_id": job.prompt_id, "request_id": job.request_id}
        await messages.sent(turn.tx, job.room_id, event_id, turn.now, **about)


def edit(new: Mapping[str, Any], of: str, key: str) -> dict[str, Any]:
    """An edit of an earlier message; its outer mentions are empty, so that it notifies nobody again."""
    inner = {name: value for name, value in new.items() if name != EFFECT_KEY}
    return {
        **new,
        **{name: f"* {new[name]}" for name in ("body", "formatted_body") if name in new},
        "m.mentions": {},
        "m.new_content": inner | {EFFECT_KEY: key},
        "m.relates_to": {"rel_type": "m.replace", "event_id": of},
        EFFECT_KEY: key,
    }


def digest(content: Mapping[str, Any]) -> str:
    """A digest that is the same for cards that show the same, no matter whom they notify."""
    shown = {name: value for name, value in content.items() if name not in (EFFECT_KEY, "m.mentions")}
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:32]
