"""Making a conversation: a private room with one applicant, encrypted where the bot may encrypt, made once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knockbot.domain.conversations import LONGEST, NOT_MADE, Conversation, Event, Stage, pause
from knockbot.domain.jobs import Act, Converse, Job
from knockbot.domain.model import Membership
from knockbot.domain.notices import Notice, Room, because, notice
from knockbot.domain.reasons import in_words
from knockbot.engine.turn import Turn
from knockbot.engine.worker import Outcome, Overtaken
from knockbot.errors import Later, Never
from knockbot.flow import conversations as talking
from knockbot.flow import place
from knockbot.flow.acts.going import Made
from knockbot.flow.context import Context, log
from knockbot.flow.keys import MEGOLM
from knockbot.flow.ports import CONVERSATION_KEY, EFFECT_KEY
from knockbot.flow.tables import Doing
from knockbot.store import conversations, encryption, requests
from knockbot.store.jobs import Claimed
from knockbot.times import SECOND

ENCRYPTION = "m.room.encryption"

TOO_OLD = because("overtaken.too_old_to_tell")


async def converse(context: Context, claimed: Claimed[Converse]) -> Outcome:
    """Make the room and invite the applicant there; what is to be said waits until they are invited."""
    async with context.db.statement() as tx:
        talk = await conversations.get(tx, claimed.job.payload.conversation_id, held=False)
    if talk is None or talk.stage is not Stage.MAKING or context.now() - claimed.created_at > LONGEST:
        return Overtaken(TOO_OLD)
    try:
        room_id = talk.room_id or await _room(context, claimed, talk)
        await _invite(context, room_id, talk.user_id)
    except Later as error:
        raise _later(claimed, error, claimed.created_at + LONGEST - context.now()) from error
    except Never as error:
        return Overtaken(error.why)
    return Made(room_id=room_id)


def _later(claimed: Claimed[Converse], error: Later, left: int) -> Later:
    """The same, with a pause that grows quickly, as long as time is `left` (milliseconds): while another server is
    waited for, others wait for that."""
    if error.unreachable:
        return error
    seconds = max(error.retry_after or 0.0, min(pause(claimed.attempts), left + SECOND) / 1000)
    return Later(error.why, retry_after=seconds, code=error.code)


async def _room(context: Context, claimed: Claimed[Converse], talk: Conversation) -> str:
    """The room, which an attempt before this may have made; its ID is on record before anybody is invited."""
    key = claimed.job.key
    room_id = await context.acts.find_made(key) if claimed.tried_before else None
    if room_id is None:
        room_id = await _made(context, await _content(context, talk, key))
    async with context.db.tx() as tx:
        await conversations.made(tx, talk.id, room_id)
        if context.acts.encrypts:
            await encryption.note(tx, [room_id])
    return room_id


async def _made(context: Context, content: Mapping[str, Any]) -> str:
    try:
        return await context.acts.create_room(content)
    except Never as error:
        log.warning("the homeserver makes no room for a conversation: %s", in_words(error.why))
        raise Never(NOT_MADE) from error


async def _content(context: Context, talk: Conversation, key: str) -> dict[str, Any]:
    async with context.db.tx() as tx:
        there = await place.find(context, tx, talk.about)
        language = await talking.language_in(context, tx, talk)
        asks = bool(await requests.newest_of_applicant(tx, talk.user_id))
    room = there.called if there is not None else Room(talk.about, talk.about)
    encrypted = {"type": ENCRYPTION, "state_key": "", "content": {"algorithm": MEGOLM}}
    return {
        "name": context.wording.words(_name(room, asks=asks), language),
        "preset": "private_chat",
        "is_direct": True,
        "invite": [],  # not yet: the invite can fail although the room was made
        "creation_content": {EFFECT_KEY: key, CONVERSATION_KEY: {"user_id": talk.user_id, "about": talk.about}},
        "power_level_content_override": {"invite": 50},  # it is for two
        "initial_state": [encrypted] if context.acts.encrypts else [],
    }


def _name(room: Room, *, asks: bool) -> Notice:
    """What the room is called: with somebody who wants to join, or with a member."""
    return notice("letter.room_name", room=room) if asks else notice("letter.room_of_member", room=room)


async def _invite(context: Context, room_id: str, user_id: str) -> None:
    """Invite them, unless they are invited or there. Raises `Never` where they left again."""
    stands = await context.outside.member(room_id, user_id)
    if stands is None:
        await context.acts.invite(room_id, user_id, None)
    elif stands.membership not in (Membership.INVITE, Membership.JOIN):
        raise Never(because("conversation.declined"))


async def _ended(context: Context, turn: Turn, job: Job[Converse], came: Outcome) -> None:
    if isinstance(came, Made):
        await talking.reached(context, turn, job.payload.conversation_id, Event.INVITED)
    elif isinstance(came, Overtaken):
        why = came.why if came.why.code != TOO_OLD.code else None
        await talking.gave_up(context, turn, job.payload.conversation_id, why)


async def _refused(context: Context, turn: Turn, job: Job[Converse], error: Never) -> None:
    await talking.gave_up(context, turn, job.payload.conversation_id, error.why)


ACTS: Mapping[Act, Doing] = {Act.CONVERSE: Doing(converse, ended=_ended, refused=_refused)}
