"""Coming and going: taking invites, leaving rooms, and making a room to meet in."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from knockbot.domain.jobs import Act, Job, Join, Leave, Meet
from knockbot.domain.model import Membership
from knockbot.domain.notices import Code, User, below, notice
from knockbot.domain.reasons import in_words
from knockbot.engine.turn import Turn
from knockbot.engine.worker import Done, Outcome, Overtaken
from knockbot.errors import Later, Never
from knockbot.flow import saying
from knockbot.flow.context import Context, log
from knockbot.flow.ports import EFFECT_KEY
from knockbot.flow.saying import Audience
from knockbot.flow.tables import Doing
from knockbot.store.jobs import Claimed


@dataclass(frozen=True, slots=True)
class Made(Done):
    """The room exists, and the person to meet in it is invited."""

    room_id: str = ""


ASKED_IN = 6
"""Attempts to join by an invite; with the pauses between them they take about a minute."""


async def enter(context: Context, claimed: Claimed[Join]) -> Outcome:
    """Accept an invite; a second join changes nothing, and an invite that was taken back leaves nothing to do.

    An invite from another server may be here a moment before that server knows of it itself, and it then says that
    we are not invited (docs/decisions/0019). So a refusal counts only after a while.
    """
    try:
        await context.acts.join(claimed.job.room_id)
    except Never as error:
        if error.code == "M_FORBIDDEN" and claimed.attempts < ASKED_IN:
            raise Later(error.why, code=error.code) from error
        log.warning("the invite into %s cannot be taken: %s", claimed.job.room_id, in_words(error.why))
        return Overtaken(error.why)
    return Done()


async def leave(context: Context, claimed: Claimed[Leave]) -> Outcome:
    """Leave a room, or decline an invite; and forget it, if it was for one person only."""
    room_id, guest = claimed.job.room_id, claimed.job.payload.guest
    if guest is not None:
        await _withdraw_invite(context, room_id, guest)
    await context.acts.leave(room_id)
    if guest is not None:
        await context.acts.forget(room_id)
    return Done()


async def _withdraw_invite(context: Context, room_id: str, guest: str) -> None:
    """Nobody could join the room any more: an invite to it would only fail."""
    with suppress(Never):  # the bot is out already
        stands = await context.outside.member(room_id, guest)
        if stands is not None and stands.membership is Membership.INVITE:
            await context.acts.kick(room_id, guest, None)


async def meet(context: Context, claimed: Claimed[Meet]) -> Outcome:
    """Make an unencrypted, private room with full power for one person, and invite them there, once."""
    key, user_id = claimed.job.key, claimed.job.payload.user_id
    made = await context.acts.find_made(key) if claimed.tried_before else None
    if made is not None:
        return Made(room_id=made)
    content = {
        "name": "Knockbot",
        "topic": context.wording.words(notice("meet.topic"), context.settings.defaults.language),
        "preset": "trusted_private_chat",  # which gives those invited the power of the creator
        "invite": [user_id],
        "creation_content": {EFFECT_KEY: key},
    }
    return Made(room_id=await context.acts.create_room(content))


async def _met(context: Context, turn: Turn, _: Job[Meet], came: Outcome) -> None:
    if isinstance(came, Made):
        use_it = notice("meet.use_it", command=Code("!kb protect #room:server"), bot=User(context.bot))
        said = below(notice("meet.cannot_read"), use_it)
        await saying.say(context, turn, Audience(came.room_id), f"meet:{came.room_id}", said)


ACTS: Mapping[Act, Doing] = {
    Act.JOIN: Doing(enter),
    Act.LEAVE: Doing(leave),
    Act.MEET: Doing(meet, ended=_met),
}
