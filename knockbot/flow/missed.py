"""What a look at a room has found, handed to the handlers that the live events would have reached.

The snapshot is a hint, as an event is. Each handler reads the records again in its own transaction. Where something
seems to contradict them, it first reads the room once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from knockbot.domain.acl import SERVER_ACL, ServerAcl
from knockbot.domain.compare import Missed, Snapshot, is_stale, is_to_be_closed
from knockbot.domain.ids import server_of
from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Answer, Decision, MemberChange, Redaction, Request, State, Verdict
from knockbot.domain.notices import Room, because, notice, numbered
from knockbot.domain.records import Recorded
from knockbot.engine.prompts import clicked, removed, unclicked
from knockbot.engine.turn import Turn, Write
from knockbot.flow import (
    answering,
    authority,
    cards,
    fitness,
    membership,
    redacting,
    rejudging,
    saying,
    settling,
    tables,
)
from knockbot.flow.arriving import take_in, take_in_found
from knockbot.flow.checkup import shortage
from knockbot.flow.context import Context
from knockbot.flow.membership import KNOCKS
from knockbot.flow.place import Place
from knockbot.flow.records import record
from knockbot.flow.saying import Audience
from knockbot.store import prompts, requests, rooms
from knockbot.store.prompts import Prompt
from knockbot.store.rooms import ProtectedRoom

T = TypeVar("T")

# --- the room -------------------------------------------------------------------------------------------------


async def the_room(context: Context, there: Place, seen: Snapshot, missed: Missed, acl: ServerAcl) -> None:
    """Handle a new name, other powers, and what makes the room unfit."""
    if missed.name is not None:
        async with context.db.tx() as tx:
            await rooms.rename(tx, there.room_id, missed.name)
    await _powers(context, there, seen, missed, acl)
    if missed.concerns is not None:
        await fitness.changed(context, there.room, missed.concerns)


async def _powers(context: Context, there: Place, seen: Snapshot, missed: Missed, acl: ServerAcl) -> None:
    """Tell once which powers are missing and offer no such answers; once none are missing, go on with what waited."""
    assert seen.powers is not None  # this portion has them
    lacks = shortage(seen.powers, context.bot)
    room = there.room
    async with context.turn() as turn:
        for card in await prompts.awaiting_answers(turn.tx, room.room_id):
            shown = await requests.on_card(turn.tx, card.id)
            elsewhere = any(request.room_id != room.room_id for request in shown)
            if answering.takes_clicks(shown) and not elsewhere:
                barred = there.is_replaced or acl.denies_user(shown[-1].user_id, home=context.home)
                possible = answering.possible(seen.powers, context.bot, [shown[-1]], barred=barred)
                await cards.offer(turn, card.id, possible)
            if lacks != room.trouble or elsewhere:
                await cards.refresh(turn, card.id)  # it says what is missing; the powers in other rooms count as well
        if lacks is not None:
            await saying.trouble(context, turn, room.room_id, lacks)
        elif await rooms.set_trouble(turn.tx, room.room_id, None):
            said, occasion = (
                notice("act.unblocked", room=Room(room.room_id, room.label)),
                f"mended:{room.room_id}:{turn.now}",
            )
            await saying.say(context, turn, Audience(room.management_room, place=room.room_id), occasion, said)
        await cards.unblock(turn, room.room_id, unless=missed.missing)
        await rejudging.plan_withdrawals(context, turn, room.room_id, f"look {turn.now}")


# --- knocks ---------------------------------------------------------------------------------------------------


async def knocks(context: Context, there: Place, missed: Missed, denied: frozenset[str]) -> None:
    """Judge knocks that no event told of, as far as the room's share of time goes; the others at the next look."""
    await _lost_words(context, missed.redacted)
    found = [change for change in missed.knocks if await _stands(context, change, missed.confirm)]
    standing = [await tables.read(context, change) for change in found]

    async def judge(change: MemberChange) -> Judgement | None:
        whole = await _whole(context, change)
        if whole is None:
            return None
        return await membership.judged(context, whole, there, denied=server_of(change.user_id) in denied)

    async def take(change: MemberChange, judgement: Judgement, card_id: int | None) -> Write[None] | None:
        whole = await _whole(context, change)
        if whole is None:
            return None
        return take_in(context, KNOCKS, whole, judgement, card_id=card_id, stands=True)

    await _note(context, standing)
    await take_in_found(context, there.room, standing, judge, take)


async def _note(context: Context, found: Sequence[MemberChange]) -> None:
    """Write all these knocks down before the first of them is judged, each at its own time, in that order: they may
    be days old."""
    if not found:
        return
    async with context.turn() as turn:
        for change in sorted(found, key=lambda change: change.sent_at):
            await tables.knocked(context, turn, change, min(change.sent_at, turn.now))


async def _lost_words(context: Context, request_ids: Iterable[int]) -> None:
    for request_id in request_ids:
        async with context.turn() as turn:
            await redacting.forget_words(context, turn, await requests.get(turn.tx, request_id))


async def _stands(context: Context, change: MemberChange, confirm: frozenset[str]) -> bool:
    """Whether a knock is current in the room even where its outcome is on record."""
    return change.event_id not in confirm or await _read_again(context, change) is not None


async def _whole(context: Context, knock: MemberChange) -> MemberChange | None:
    """A listed knock with its whole reason; `None` where it is not current any more, which its own event tells.

    Long reasons are read one by one, and twice, so that thousands of them are never in memory together.
    """
    return await _read_again(context, knock) if knock.cut else knock


async def _read_again(context: Context, knock: MemberChange) -> MemberChange | None:
    stands = await context.outside.member(knock.room_id, knock.user_id)
    if stands is None or stands.event_id != knock.event_id:
        return None
    return await tables.read(context, stands)


async def denied(context: Context, there: Place, found: Iterable[Request], servers: frozenset[str]) -> None:
    """Reject the current knocks of servers that are denied now, and say so once; in dry run, their cards stay."""
    room, author = there.room, there.author
    if there.settings.dry_run:
        return
    ids = [request.id for request in found if await _may_close(context, request, author)]
    if not ids:
        return
    async with context.turn() as turn:
        closed = []
        for request in [await requests.get(turn.tx, request_id) for request_id in ids]:
            if is_to_be_closed(request, servers):
                await settling.withdraw_answer(turn, request, because("overtaken.denied"))
                cause = f"denied {request.event_id} {turn.now}"
                answer = Answer(
                    Verdict.REJECT,
                    context.bot,
                    turn.now,
                    request.event_id,
                    SERVER_ACL,
                    cause=cause,
                    quiet=True,
                    author=author,
                )
                await record(turn, request, context.bot, Recorded.DENIED, rule=SERVER_ACL)
                await settling.apply_answer(context, turn, request, answer)
                closed.append(request)
        if closed:
            numbers = numbered([request.number for request in closed])
            said = notice("acl.closed_together", room=Room(room.room_id, room.label), numbers=numbers)
            occasion = f"denied:{room.room_id}:{closed[-1].number}:{turn.now}"
            about = closed[0] if len(closed) == 1 else None
            await saying.say(
                context, turn, Audience(room.management_room, about=about, place=room.room_id), occasion, said
            )


async def _may_close(context: Context, request: Request, author: str | None) -> bool:
    """Whether the author of the room's policy may reject this knock; if not, its card stays with the moderators."""
    decision = Decision(Verdict.REJECT, SERVER_ACL, author=author)
    return (await authority.ruled(context, decision, request.knock)).verdict is Verdict.REJECT


async def outcomes(context: Context, missed: Missed) -> None:
    """Handle applicants whose membership differs from their request, or who never knocked as far as the room knows."""
    for request in missed.unknown:
        async with context.turn() as turn:
            now = await requests.get(turn.tx, request.id)
            if now.event_id == request.event_id and now.state in (State.PENDING, State.ACCEPTED):
                state = State.WITHDRAWN if now.open and not now.invited else State.DECLINED
                await settling.record_outcome(context, turn, now, state, now.user_id)
    for change in missed.moved_on:
        await moved_on(context, change)


async def moved_on(context: Context, change: MemberChange) -> None:
    async with context.db.tx() as tx:
        last = await requests.latest(tx, change.room_id, change.user_id)
    await context.turns.found(change.event_id, await membership.moved_on(context, change, last))


async def expired(context: Context, request_ids: Iterable[int], oldest: int) -> None:
    """Close knocks that have waited for too long: if an applicant of another server withdrew one, nobody would tell us.
    A reject or ban that is under way stays, no matter how long it takes."""
    for request_id in request_ids:
        async with context.turn() as turn:
            await expire(context, turn, request_id, oldest)


async def expire(context: Context, turn: Turn, request_id: int, oldest: int) -> None:
    """Close one of them, if it has waited for as long by now."""
    request = await requests.get(turn.tx, request_id)
    if is_stale(request, oldest):
        await settling.record_outcome(context, turn, request, State.EXPIRED, context.bot)


# --- cards ----------------------------------------------------------------------------------------------------


async def on_a_prompt(context: Context, prompt: Prompt, missed: Missed) -> None:
    """Handle a prompt that was redacted or clicked, or a click that was removed."""
    if missed.prompt_redacted:
        async with context.turn() as turn:
            await removed(context, turn, prompt)
    for click in missed.unclicked:
        withdrawal = await unclicked(context, Redaction(prompt.room_id, "", "", click))
        await context.turns.found(click, withdrawal)
    for reaction in missed.clicks:
        answer = await clicked(context, reaction)
        await context.turns.found(reaction.event_id, answer, taken_in=reaction.room_id)


async def unposted(context: Context, room: ProtectedRoom) -> None:
    """Post the cards that are not posted yet."""
    async with context.turn() as turn:
        await cards.post_missing(turn, room.room_id)
