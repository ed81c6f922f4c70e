"""Recall: after a back-up was read in, what the bot has said since is read again in its rooms.

The records are older than the rooms then. Numbers that were used are not used again. Messages that were sent are not
sent again. Cards that were posted are kept in use. The usual look at each room shows what became of the knocks
(`flow/looking.py`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from knockbot.backup.talks import recall_talks
from knockbot.domain.card import UNDONE_FROM, NoRejection
from knockbot.domain.model import (
    Answer,
    Because,
    Kind,
    MemberChange,
    Rejudge,
    Request,
    State,
    Step,
    ThirdPartyInvite,
    Undone,
    Verdict,
)
from knockbot.domain.notices import Code, Moment, Notice, notice
from knockbot.domain.reasons import in_words
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn
from knockbot.errors import Never
from knockbot.flow import cards, rejudging, saying, settling, tables
from knockbot.flow.context import Context, log
from knockbot.flow.records import record
from knockbot.flow.saying import Audience, Urgency
from knockbot.store import jobs, messages, processes, prompts, requests, restores, rooms
from knockbot.store.db import Tx
from knockbot.times import MINUTE

MARGIN = 10 * MINUTE
"""How far (milliseconds) the clock of the homeserver and that of the machine of the back-up may differ."""

LOST_NUMBERS = 1000
"""How many numbers to skip in a room where the bot's later messages cannot be read: it may have used that many."""

LEASE = "recall"


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the bot's own: the key of its job, and the requests it shows."""

    event_id: str
    key: str
    """Empty for a message that was encrypted and can no longer be read."""
    at: int
    edits: str | None
    """The message that this one is an edit of."""
    requests: tuple[Mapping[str, Any], ...]


class Memory(Protocol):
    """What the homeserver remembers of the bot. Every call may raise `Later` and `Never`."""

    async def said(self, room_id: str, since: int) -> list[Said]:
        """What the bot has said in a room since a moment, oldest first."""

    async def knock(self, room_id: str, event_id: str) -> MemberChange | None:
        """One knock, whether or not it is still current."""


async def recall(context: Context, memory: Memory) -> None:
    """If the records come from a back-up, add what the bot has said since.

    One process does this before anything is handled. May raise `Later`.
    """
    while (since := await _since(context)) is not None:
        if not await processes.lease(context.db, LEASE):
            await asyncio.sleep(1)  # another process is at it
            continue
        try:
            await _recall_everywhere(context, memory, since)
        finally:
            await processes.release(context.db, LEASE)


async def _since(context: Context) -> int | None:
    async with context.db.tx() as tx:
        return await restores.to_recall(tx)


async def _recall_everywhere(context: Context, memory: Memory, since: int) -> None:
    async with context.db.tx() as tx:
        protected = await rooms.all_rooms(tx)
    managing = {room.management_room for room in protected}
    # A room may have been protected since then, from a management room that these records do not know.
    joined = await context.outside.joined_rooms()
    await recall_talks(context, joined)
    elsewhere = set(joined) - {room.room_id for room in protected}
    for room_id in sorted(managing | elsewhere):
        lost = await _recall_room(context, memory, room_id, since)
        async with context.turn() as turn:
            if lost:
                await requests.skip_numbers(turn.tx, room_id, LOST_NUMBERS)
            if room_id in managing:
                said = _restored(since, lost=lost)
                await saying.say(
                    context, turn, Audience(room_id), f"restored:{since}:{room_id}", said, urgency=Urgency.ALOUD
                )
    async with context.turn() as turn:
        await tables.restored(context, turn)
        found = await requests.unjudged(turn.tx)
        planned = [Rejudge(room_id, Because.ARRIVED, f"restored:{since}", one) for one, room_id in found]
        await rejudging.plan_each(context, turn, planned)
        await restores.recalled(turn.tx)
    log.warning("the records are those of a back-up; what I said since was read again in %d rooms", len(managing))


@dataclass(slots=True)
class _Shown:
    """A request as the room was shown it: on which card, if on one, and its last state."""

    number: int
    card: str | None
    block: Mapping[str, Any]
    at: int
    about: MemberChange | ThirdPartyInvite | None = None
    """The knock or the invite itself, as the room has it, where it is not on record."""


async def _recall_room(context: Context, memory: Memory, room_id: str, since: int) -> bool:
    """Read again what was said in one room; returns whether some of it cannot be read."""
    try:
        said = await memory.said(room_id, since - MARGIN)
    except Never as error:
        log.warning("cannot read what I said in %s since the back-up: %s", room_id, in_words(error.why))
        return True
    if said:
        await _take_in(context, memory, room_id, [one for one in said if one.key])
    async with context.db.tx() as tx:
        return any([not one.key and not await messages.is_ours(tx, one.event_id) for one in said])


async def _take_in(context: Context, memory: Memory, room_id: str, said: Sequence[Said]) -> None:
    shown = _last_shown(said)
    for one in shown.values():
        if await _is_new(context, room_id, one):
            one.about = await _find(context, memory, one)
    async with context.turn() as turn:
        for message in said:
            await _note(turn.tx, room_id, message)
        for number, one in sorted(shown.items()):
            await requests.count_from(turn.tx, room_id, number)
            request = await requests.by_number(turn.tx, room_id, number)
            if request is not None:
                await _follow(context, turn, request, one)
            elif one.about is not None:  # the look at the room shows the others
                await _take_up(context, turn, room_id, one, one.about)
            await requests.count_from(turn.tx, room_id, number + 1)


def _last_shown(said: Sequence[Said]) -> dict[int, _Shown]:
    shown: dict[int, _Shown] = {}
    for message in said:
        card = message.edits or (message.event_id if CARD.fullmatch(message.key) else None)
        for block in message.requests:
            before = shown.get(block["number"])
            shown[block["number"]] = _Shown(
                block["number"], card or (before.card if before else None), block, before.at if before else message.at
            )
    return shown


CARD = re.compile(r"card:(\d+)")
EDIT = re.compile(r"card:(\d+):edit:(\d+)")


async def _note(tx: Tx, room_id: str, message: Said) -> None:
    """Note that this was said, so that it is not said again; the next edit takes the number after those in use."""
    edit = EDIT.fullmatch(message.key)
    if edit is None:
        await jobs.said(tx, message.key, message.event_id)
        await messages.once(tx, message.key, message.at)
        await messages.sent(tx, room_id, message.event_id, message.at)
    else:
        await prompts.counted_edits(tx, int(edit[1]), int(edit[2]))


async def _is_new(context: Context, room_id: str, one: _Shown) -> bool:
    async with context.db.tx() as tx:
        kept = await rooms.find(tx, one.block["room_id"]) is not None
        return kept and await requests.by_number(tx, room_id, one.number) is None


async def _find(context: Context, memory: Memory, one: _Shown) -> MemberChange | ThirdPartyInvite | None:
    """What a request that is not on record was about, as the room has it."""
    room_id, event_id = one.block["room_id"], one.block["event_id"]
    try:
        if one.block["kind"] == Kind.KNOCK:
            knock = await memory.knock(room_id, event_id)
            return await tables.read(context, knock) if knock is not None else None
        standing = [change.invite for change in await context.outside.third_parties(room_id)]
        return next((invite for invite in standing if invite is not None and invite.event_id == event_id), None)
    except Never:
        return None


async def _take_up(
    context: Context, turn: Turn, management_room: str, one: _Shown, about: MemberChange | ThirdPartyInvite
) -> None:
    """Put a request on record under the number it has in the room, with its card and what became of it."""
    if isinstance(about, MemberChange):
        before = await requests.latest(turn.tx, about.room_id, about.user_id)
        if before is not None and before.open:
            # They have knocked again, under another number, so the first knock was over; it is not known how it ended.
            await settling.record_outcome(context, turn, before, State.WITHDRAWN, before.user_id)
        request = await requests.open_knock(turn.tx, management_room, about.as_knock(), one.at)
    elif await requests.by_token(turn.tx, about.room_id, about.token) is None:
        issued_by = one.block.get("issued_by")
        request = await requests.open_invite(turn.tx, management_room, about, one.at, issued_by=issued_by)
    else:
        return
    await record(turn, request, context.bot, Recorded.RECALLED)
    if one.card is not None:
        card = await prompts.by_event(turn.tx, management_room, one.card)
        if card is None:
            card = await cards.new(turn.tx, management_room, request.room_id, one.at)
            await prompts.posted(turn.tx, card.id, one.card)
        await requests.put_on_card(turn.tx, request.id, card.id)
        await requests.shown(turn.tx, request.id, request.event_id, card.id, one.card)
    if one.block["state"] != State.PENDING:
        by = one.block.get("by") or context.bot
        await _undone(turn, request, one, by)
        await requests.settled(turn.tx, request.id, State(one.block["state"]), by, turn.now)
        await _count(turn, request, one)


async def _follow(context: Context, turn: Turn, request: Request, one: _Shown) -> None:
    """Record what became of a request that is on record, as the bot said then; the room shows the rest."""
    state, about = State(one.block["state"]), (one.block["room_id"], one.block["user_id"] or "")
    moved = request.open and state in TOLD and about == (request.room_id, request.user_id)
    if moved:
        by = one.block.get("by") or context.bot
        await _undone(turn, request, one, by)
        await settling.record_outcome(context, turn, await requests.get(turn.tx, request.id), state, by)
        await _count(turn, request, one)


async def _undone(turn: Turn, request: Request, one: _Shown, by: str) -> None:
    """Note that the outcome is what undid another one, where the bot said so."""
    how = str(one.block.get("undone"))
    if how not in UNDONE_FROM:
        return
    answer = Answer(Verdict.REJECT, by, turn.now, request.event_id)
    undone = Undone(UNDONE_FROM[NoRejection(how)], Step(how))
    await requests.undo(turn.tx, request.id, answer, undone)


async def _count(turn: Turn, request: Request, one: _Shown) -> None:
    """Where only an invite of a rule was withdrawn, or an answer undone, that is no rejection."""
    if one.block.get("withdrawn_by") or str(one.block.get("undone")) in UNDONE_FROM:
        await requests.counts_for_nothing(turn.tx, request.id)


TOLD = frozenset(State) - {State.PENDING, State.REDEEMED}
"""States that the bot's message says completely; who redeemed an invite is found in the room."""


def _restored(since: int, *, lost: bool) -> Notice:
    """The notice that the records are older than the rooms, and that later messages may be lost with their keys."""
    moment, rooms_, policy = Moment(since), Code("!kb rooms"), Code("!kb policy show ROOM")
    if lost:
        return notice("restore.unread", moment=moment, rooms=rooms_, policy=policy)
    return notice("restore.read", moment=moment, rooms=rooms_, policy=policy)
