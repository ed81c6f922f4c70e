"""Membership: what its change in a protected room means for requests: a knock, an outcome, an act of the bot's own.

A transaction is a hint: where an event may be old news, the bot first reads the current member event
in the room and uses that one instead.
"""

from __future__ import annotations

from knockbot.domain import plan
from knockbot.domain.card import NoRejection, changed_anew, no_rejection
from knockbot.domain.jobs import JOBS, Act
from knockbot.domain.judgements import Judgement
from knockbot.domain.model import MemberChange, Membership, Removal, Request, State, Step, Verdict
from knockbot.domain.notices import Choice, User, because, notice
from knockbot.domain.outcomes import credited, outcome
from knockbot.domain.records import Recorded
from knockbot.engine.turn import WAITS, Handled, Turn, Write
from knockbot.errors import Never
from knockbot.flow import cards, place, rules, saying, settling, tables
from knockbot.flow.arriving import Arrives, take_in
from knockbot.flow.context import Context
from knockbot.flow.judging import Case, judge
from knockbot.flow.place import Place
from knockbot.flow.records import record
from knockbot.flow.saying import Audience
from knockbot.store import inbox, jobs, requests
from knockbot.store.db import Tx
from knockbot.store.rooms import ProtectedRoom
from knockbot.times import MINUTE

OLD_NEWS = MINUTE
"""An event this old on arrival (milliseconds) was delayed somewhere, and the room may have changed since."""

MADE_BY: dict[Membership, Act] = {Membership.INVITE: Act.INVITE, Membership.LEAVE: Act.KICK, Membership.BAN: Act.BAN}
"""Which act of the bot leads to which membership."""

MADE_AS_WELL: dict[Membership, tuple[Act, ...]] = {Membership.LEAVE: (Act.UNBAN, Act.BAN)}
"""Other acts that lead to the same membership: a ban of somebody who was invited by a third-party invite, and has not
joined, only takes the invite back."""


async def member_changed(context: Context, change: MemberChange) -> Handled:
    """Take in one membership event."""
    async with context.db.tx() as tx:
        there = await place.find(context, tx, change.room_id)
        request = await requests.latest(tx, change.room_id, change.user_id, held=False) if there else None
        if there is None or (request is None and await _says_nothing(context, tx, change)):
            return None
    knocks = change.membership is Membership.KNOCK
    if change.token is not None:
        return await tables.heard(context, change)  # they used an invite, and never knocked
    held = False
    if knocks and request is not None and context.now() - request.changed_at < 2 * requests.OF_LATE:
        if await _hold_back(context, change):
            return WAITS
        async with context.db.tx() as tx:
            held = await inbox.is_held(tx, change.event_id)
    current: MemberChange | None = change
    if held or _may_be_old_news(context, change, request):
        current = await _standing(context, change)
    if current is None:
        return None
    if current.membership is not Membership.KNOCK:
        return await moved_on(context, current, request)
    current = await tables.read(context, current)
    return take_in(context, KNOCKS, current, await judged(context, current, there))


MOST_KNOCKS = 10
"""Knocks of one applicant at one room that are judged within `requests.OF_LATE`; no homeserver limits them."""

HELD = 5 * MINUTE
"""Milliseconds for which further knocks are held back; then only the newest is judged."""


async def _hold_back(context: Context, change: MemberChange) -> bool:
    """Hold back the knock of somebody who knocks too often, unless it has waited already; true if it waits now."""
    now = context.now()
    async with context.db.tx() as tx:
        since = now - requests.OF_LATE
        judged = await requests.knocks_since(tx, change.room_id, change.user_id, since, MOST_KNOCKS)
        if judged < MOST_KNOCKS or await inbox.is_held(tx, change.event_id):
            return False
        await inbox.hold(tx, change.event_id, change.room_id, change.user_id, until=now + HELD, now=now)
    return True


async def _says_nothing(context: Context, tx: Tx, change: MemberChange) -> bool:
    """Whether this is one of the many joins and leaves that no request is about: most events of a busy room."""
    return (
        change.membership is not Membership.KNOCK
        and change.sender != context.bot
        and change.token is None
        and not _may_be_old_news(context, change, None)
        and not await requests.names(tx, change.room_id, change.user_id)
    )


def _may_be_old_news(context: Context, change: MemberChange, request: Request | None) -> bool:
    """Whether the room may have changed since: the event was delayed, or it replaced another knock than ours."""
    if context.now() - change.sent_at >= OLD_NEWS:
        return True
    if request is None:
        return False
    if request.state is State.ACCEPTED and change.membership is Membership.KNOCK:
        return True  # nobody can knock while invited: the invite is gone, or it was sent right after this knock
    return request.open and request.event_id not in (change.replaces, change.event_id)


async def _standing(context: Context, change: MemberChange) -> MemberChange | None:
    """The current member event; `None` where the bot may not look, and then it looks when it is back."""
    try:
        return await context.outside.member(change.room_id, change.user_id)
    except Never:
        return None


async def judged(context: Context, change: MemberChange, there: Place, *, denied: bool = False) -> Judgement:
    """What the policy in force says of a knock; `denied` if its server may not take part there. May raise `Busy`."""
    in_force = rules.compiled(context, there) or await rules.look_up(context, change.room_id)
    return await judge(context, in_force, Case(change.as_knock(), denied=denied))


async def _before(tx: Tx, change: MemberChange) -> Request | None:
    return await requests.latest(tx, change.room_id, change.user_id)


async def _opened(
    context: Context, turn: Turn, room: ProtectedRoom, change: MemberChange, last: Request | None
) -> Request:
    if last is not None and last.state is State.ACCEPTED:
        # They cannot knock while invited, so the invite is gone, and we were not told.
        await settling.record_outcome(context, turn, last, State.DECLINED, change.user_id)
    await tables.knocked(context, turn, change, turn.now)
    request = await requests.open_knock(turn.tx, room.management_room, change.as_knock(), turn.now)
    if last is not None:
        await tables.asks_again(context, turn, last, request)
    return request


async def _knocked_again(context: Context, turn: Turn, request: Request, change: MemberChange) -> Request:
    """The same request with a new knock. An accept was for the old knock only, and who took it back asks after all; a
    reject or a ban still holds."""
    await tables.knocked(context, turn, change, turn.now)
    await requests.knocked_again(turn.tx, request, change, turn.now)
    if request.answer is not None and (request.answer.verdict is Verdict.ACCEPT or request.taken_back):
        await settling.withdraw_answer(turn, request, because("overtaken.applicant_knocked_again"))
        if (
            request.answer.rule is None and not request.taken_back
        ):  # the person who accepted is told that it did not happen
            occasion = f"accept fell:{request.id}:{change.event_id}"
            said = changed_anew(request)
            await saying.say(context, turn, Audience(request.management_room, about=request), occasion, said)
    if request.card_id is not None:
        await cards.refresh(turn, request.card_id)
    return await requests.get(turn.tx, request.id)


KNOCKS = Arrives(
    on_record=_before,
    is_known=lambda request, change: request.event_id == change.event_id,
    may_stand_again=lambda request: not request.open,
    goes_on=lambda request: request.open,
    replaced=_knocked_again,
    opened=_opened,
)
"""How a knock arrives: from somebody whose request is open it is the same request, with another reason."""


async def moved_on(context: Context, change: MemberChange, last: Request | None) -> Write[None]:
    """A membership other than a knock: perhaps the outcome of a request, perhaps the bot's own act coming back.

    `last` is the newest knock of the person whose membership changed.
    """
    wrong = await _hit_the_wrong_thing(context, change)
    overridden = await _by_an_overridden_act(context, change, last)
    theirs = await tables.heard(context, change) if change.token is None else None
    unasked = await _was_invited_unasked(context, change, last)
    removed = await _was_removed(context, change, last)

    async def write(turn: Turn) -> None:
        if removed:
            await _note_removal(context, turn, change)
        for request in await requests.about(turn.tx, change.room_id, change.user_id):
            if overridden and _is_overriding(request):
                continue  # the act that puts this right is on its way
            state = outcome(request, change)
            if state is not None:
                await settling.record_outcome(context, turn, request, state, credited(request, change, context.bot))
                if unasked:
                    await requests.counts_for_nothing(turn.tx, request.id)
            else:
                await tables.moved(context, turn, request, change)
        if theirs is not None:
            await theirs(turn)
        if wrong:
            act, room = Choice(MADE_BY[change.membership]), await place.called(context, turn, change.room_id)
            said = notice("act.wrong_hit", act=act, user=User(change.user_id), room=room)
            about = await requests.latest(turn.tx, change.room_id, change.user_id)
            await saying.alarm(context, turn, change.room_id, f"wrong:{change.event_id}", said, about=about)

    return write


async def _was_removed(context: Context, change: MemberChange, last: Request | None) -> bool:
    """Whether this removes somebody who knocked once, and joined; to lift a ban or to withdraw an invite does not."""
    if change.of_their_own or change.membership not in REMOVED or last is None:
        return False
    before = change.replaced_membership
    if before is None and last.state is State.JOINED and change.replaces is not None:
        before = await context.outside.membership_of(change.room_id, change.replaces)
    if before is Membership.JOIN:
        return True
    return last.state is State.JOINED and (before is None or change.membership is Membership.BAN)


async def _note_removal(context: Context, turn: Turn, change: MemberChange) -> None:
    """Note of somebody who is removed after they joined that they were rejected, or banned, in the end; but to undo an
    accept rejects nobody."""
    undone = await requests.last_undone(turn.tx, change.room_id, change.user_id)
    if undone is not None and change.sender == context.bot and _undoes_an_accept(undone):
        return
    removal = Removal(REMOVED[change.membership], change.sender, turn.now)
    request = await requests.put_out(turn.tx, change.room_id, change.user_id, removal)
    if request is not None and not request.being_undone:
        await record(turn, request, change.sender, ON_RECORD[change.membership])


def _undoes_an_accept(request: Request) -> bool:
    """Whether somebody undoes an accept by which the applicant had joined, or has just undone it."""
    removes = request.undone is not None and request.undone.step is Step.REMOVE
    return removes and (request.being_undone or no_rejection(request) is NoRejection.REMOVE)


REMOVED: dict[Membership, State] = {Membership.LEAVE: State.REJECTED, Membership.BAN: State.BANNED}
ON_RECORD = {Membership.LEAVE: Recorded.KICKED_LATER, Membership.BAN: Recorded.BANNED_LATER}


async def _was_invited_unasked(context: Context, change: MemberChange, last: Request | None) -> bool:
    """Whether this takes back an invite that somebody else had signed for them, as anybody with a key of one can."""
    if change.of_their_own or change.membership is not Membership.LEAVE or change.replaces is None:
        return False
    if last is None or last.state is not State.ACCEPTED:
        return False
    before = await context.outside.past_member(change.room_id, change.replaces)
    return before is not None and before.token is not None


def _is_overriding(request: Request) -> bool:
    """Whether a request got a second, different answer before the first was carried out."""
    return request.open and not request.invited and request.answer is not None and request.answer.instead


async def _by_an_overridden_act(context: Context, change: MemberChange, request: Request | None) -> bool:
    """Whether this is the result of an act of the bot that was under way when another answer overrode it."""
    if request is None or not _is_overriding(request) or request.answer is None:
        return False
    if change.membership in JOBS[plan.ACT_OF[request.answer.verdict]].wants:
        return False  # it is what this answer wants
    return await moved_by_the_bot(context, change)


async def moved_by_the_bot(context: Context, change: MemberChange) -> bool:
    """Whether the bot invited or kicked somebody, or they joined by such an invite."""
    before: MemberChange | None = change
    if change.membership is Membership.JOIN:
        before = await context.outside.past_member(change.room_id, change.replaces) if change.replaces else None
        if before is not None and before.membership is not Membership.INVITE:
            return False
    return before is not None and before.sender == context.bot


async def _hit_the_wrong_thing(context: Context, change: MemberChange) -> bool:
    """Whether the bot's own act replaced something that it was not meant for: no homeserver compares before it acts."""
    act = MADE_BY.get(change.membership)
    if change.sender != context.bot or act is None or change.replaces is None:
        return False
    if act is Act.INVITE:
        async with context.db.tx() as tx:
            meant = await jobs.aims(tx, change.room_id, change.user_id, act)
        return bool(meant) and change.replaces not in meant
    # A reject or a ban is for any current knock; only a membership that was no knock was hit by mistake. An act on
    # somebody who used a third-party invite, or on an inviter, states itself what it was for.
    async with context.db.tx() as tx:
        acts = (act, *MADE_AS_WELL.get(change.membership, ()))
        meant_for = await jobs.last_scope(tx, change.room_id, change.user_id, *acts) or [Membership.KNOCK]
    replaced = change.replaced_membership or await context.outside.membership_of(change.room_id, change.replaces)
    return replaced is not None and replaced not in meant_for
