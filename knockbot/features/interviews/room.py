"""Making the room of an interview, and inviting people there; the bot says nothing in it, and hears nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from knockbot.domain.conversations import GAVE_UP, LONGEST
from knockbot.domain.jobs import Act, HoldInterview, Job
from knockbot.domain.notices import Room, because, notice
from knockbot.engine.prompts import refresh
from knockbot.engine.turn import Turn
from knockbot.engine.worker import Outcome, Overtaken
from knockbot.errors import Later, Never
from knockbot.features.interviews import holding
from knockbot.flow import place
from knockbot.flow.acts.going import Made
from knockbot.flow.context import Context
from knockbot.flow.keys import MEGOLM
from knockbot.flow.ports import EFFECT_KEY
from knockbot.flow.tables import Doing
from knockbot.store import bot_memberships, encryption, interviews
from knockbot.store.interviews import GOES_ON, Interview, Stage
from knockbot.store.jobs import Claimed

SOON: Final = 5.0
"""Seconds after which it is looked again whether the room is there."""

PAUSE: Final = 60.0
"""The least seconds between two attempts to invite somebody whose server does not answer: others wait meanwhile."""


MODERATES, RULES = 50, 100
"""The power levels of the moderators in it, and of the bot."""

LEVELS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("invite", "kick", "ban", "redact", "state_default"), MODERATES),
    **dict.fromkeys(("events_default", "users_default"), 0),
    "events": dict.fromkeys(("m.room.power_levels", "m.room.history_visibility", "m.room.encryption"), RULES),
}
"""What it takes there: the applicant can only talk."""


async def hold(context: Context, claimed: Claimed[HoldInterview]) -> Outcome:
    """Make the room and invite everybody who is to be there; or invite one more moderator."""
    payload = claimed.job.payload
    async with context.db.tx() as tx:
        interview = await interviews.of_prompt(tx, payload.interview_id, held=False)
        people = await interviews.people(tx, payload.interview_id)
    if interview is None or interview.stage not in GOES_ON or context.now() - claimed.created_at > LONGEST:
        return Overtaken(GAVE_UP)
    if payload.guest:
        return await _one_more(context, interview, payload.guest, people)
    room_id = interview.room_id or await _room(context, claimed, interview)
    for user_id in people:
        await _invite_moderator(context, room_id, user_id)
    await _empower(context, room_id, people)
    try:
        await _invite(context, room_id, interview.user_id)
    except Later as error:
        raise Later(error.why, retry_after=max(error.retry_after or 0.0, PAUSE), code=error.code) from error
    return Made(room_id=room_id)


async def _one_more(context: Context, interview: Interview, user_id: str, people: Sequence[str]) -> Outcome:
    if interview.room_id is None:
        raise Later(because("act.under_way"), retry_after=SOON, unreachable=True)
    await _invite(context, interview.room_id, user_id)
    await _empower(context, interview.room_id, people)
    return Made(room_id=interview.room_id)


async def _invite_moderator(context: Context, room_id: str, user_id: str) -> None:
    """Invite one of those who take part; that one of them refuses must not keep the others from it."""
    try:
        await _invite(context, room_id, user_id)
    except Never:
        return


async def _invite(context: Context, room_id: str, user_id: str) -> None:
    """Invite somebody who was never there."""
    if await context.outside.member(room_id, user_id) is None:
        await context.acts.invite(room_id, user_id, None)


async def _empower(context: Context, room_id: str, moderators: Sequence[str]) -> None:
    """Let the moderators who take part invite and remove people there, and remove messages, also without the bot."""
    powers = await context.outside.powers(room_id)
    if all(powers.users.get(user_id, 0) >= MODERATES for user_id in moderators):
        return
    bot = {} if context.bot in powers.creators else {context.bot: RULES}
    content = {**LEVELS, "users": {**bot, **dict.fromkeys(moderators, MODERATES)}}
    with suppress(Never):  # they can still talk
        await context.acts.put_state(room_id, "m.room.power_levels", "", content)


async def _room(context: Context, claimed: Claimed[HoldInterview], interview: Interview) -> str:
    """The room, which an attempt before this may have made; its ID is on record before anybody is invited."""
    key = claimed.job.key
    room_id = await context.acts.find_made(key) if claimed.tried_before else None
    if room_id is None:
        room_id = await context.acts.create_room(await _content(context, interview, key))
    async with context.db.tx() as tx:
        await interviews.made(tx, interview.prompt_id, room_id)
        if context.acts.encrypts:
            await encryption.note(tx, [room_id])
    return room_id


async def _content(context: Context, interview: Interview, key: str) -> dict[str, Any]:
    async with context.db.tx() as tx:
        there = await place.find(context, tx, interview.about)
        language = place.language_of(context, [there] if there is not None else [])
    room = there.called if there is not None else Room(interview.about, interview.about)
    encrypted = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}
    return {
        "name": context.wording.words(notice("interview.room_name", room=room), language),
        "preset": "private_chat",
        "invite": [],  # not yet: the invite can fail although the room was made
        "creation_content": {EFFECT_KEY: key},
        "power_level_content_override": LEVELS,
        "initial_state": [encrypted] if context.acts.encrypts else [],
    }


async def _ended(context: Context, turn: Turn, job: Job[HoldInterview], came: Outcome) -> None:
    prompt_id = job.payload.interview_id
    if isinstance(came, Made):
        await bot_memberships.use(turn.tx, came.room_id, turn.now)
        interview = await interviews.of_prompt(turn.tx, prompt_id)
        if interview is not None and interview.stage is Stage.MAKING and not job.payload.guest:
            await interviews.move(turn.tx, prompt_id, Stage.OPEN)
            await refresh(turn, prompt_id)
    elif isinstance(came, Overtaken) and not job.payload.guest:
        await holding.failed(context, turn, prompt_id, came.why)


async def _refused(context: Context, turn: Turn, job: Job[HoldInterview], error: Never) -> None:
    if not job.payload.guest:
        await holding.failed(context, turn, job.payload.interview_id, error.why)


ACTS: Mapping[Act, Doing] = {Act.HOLD_INTERVIEW: Doing(hold, ended=_ended, refused=_refused)}
