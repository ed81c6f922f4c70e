"""What happens to the third-party invites of an inviter who may not invite any more, as the policy says.

Step 4 of an invite's journey (ARCHITECTURE.md). In a room, an invite stays valid if its inviter leaves or loses
power. So the bot revokes the invites of an inviter who is banned, kicked or put below the `invite` level. If the
inviter leaves, it shows the invites to the moderators. The policy can say otherwise. Each such loss is handled once:
what moderators decide about an invite afterwards stays in force.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from knockbot.domain.invites import Fallen, fall, fallen, may_be_taken_back
from knockbot.domain.may import Deed
from knockbot.domain.model import Answer, MemberChange, Request, State, Verdict
from knockbot.domain.notices import Choice, Number, Room, User, because, notice, numbered
from knockbot.domain.outcomes import InviteEvent, invite_outcome
from knockbot.domain.policy import Fate
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Never
from knockbot.features.thirdparty import invites
from knockbot.flow import authority, cards, place, saying, settling, sharing
from knockbot.flow.context import Context
from knockbot.flow.records import record
from knockbot.flow.saying import Audience
from knockbot.store import requests


async def member_changed(context: Context, change: MemberChange) -> Write[None] | None:
    """Somebody left, was kicked or was banned: handle the invites that they sent."""
    how = fall(change)
    if how is None:
        return None
    fallen = await _with_power(context, Fallen(change.room_id, change.user_id, how, change.event_id))
    return lambda turn: _deal_with(context, turn, fallen)


async def _with_power(context: Context, fell: Fallen) -> Fallen:
    """The loss, and why invites are not revoked there by themselves: the author of the policy may not do that, or
    the policy is in dry run."""
    async with context.db.tx() as tx:
        there = await place.find(context, tx, fell.room_id)
        author = there.author_of(f"inviter_{fell.how}") if there is not None else None
        found = await requests.not_yet_fallen(tx, fell.room_id, fell.inviter, fell.cause) if author is not None else []
    if there is not None and there.settings.dry_run:
        return replace(fell, author=author, powerless=because("act.invites_stay"))
    if author is None or not found:
        return fell
    try:
        why = await authority.lacking(context, author, Deed.REVOKE, room_id=fell.room_id)
    except Never:
        why = None  # the bot cannot look, so it cannot act either; it looks when it is back in the room
    return replace(fell, author=author, powerless=why)


async def insist(context: Context, request: Request) -> None:
    """Before an invite is added to the room, check that it would not be revoked at once. Raises `Never` if it would."""
    member = await context.outside.member(request.room_id, request.sponsor)
    how = fallen(member, await context.outside.powers(request.room_id), request.sponsor)
    async with context.db.tx() as tx:
        there = await place.find(context, tx, request.room_id)
    if how is not None and there is not None and there.settings.fate(how) is Fate.REVOKE:
        why = because("authority.may_not_invite", user=User(request.sponsor), fell=Choice(how))
        raise Never(why, code=authority.NO_AUTHORITY)


async def fell(context: Context, loss: Fallen) -> None:
    """A look has found that an inviter may not invite any more: handle it, if no event has led to that yet."""
    loss = await _with_power(context, loss)
    async with context.turn() as turn:
        await _deal_with(context, turn, loss)


async def rose(context: Context, room_id: str, inviter: str) -> None:
    """A look has found that an inviter may invite: note it."""
    async with context.turn() as turn:
        await requests.rose(turn.tx, room_id, inviter)


async def _deal_with(context: Context, turn: Turn, fell: Fallen) -> None:
    """Revoke, forward or keep the pending and accepted invites of an inviter, and report how many there were."""
    there = await place.of(context, turn, fell.room_id)
    found = await requests.not_yet_fallen(turn.tx, fell.room_id, fell.inviter, fell.cause)
    theirs = [request for request in found if may_be_taken_back(request)]
    if there is None or not theirs:
        return
    fate = there.settings.fate(fell.how)
    if fate is not Fate.REVOKE:
        fell = replace(fell, powerless=None)
    elif fell.powerless is not None:
        fate = Fate.FORWARD
    if fate is not Fate.REVOKE:
        theirs = [request for request in theirs if not request.on_its_way]  # a look follows when it is in the room
    hit = await FATES[fate](context, turn, fell, theirs)
    for request in theirs:
        await requests.fell(turn.tx, request.id, fell.cause)
    if hit:
        said = notice(
            "inviter.fell",
            how=Choice(fell.how),
            fate=Choice(fate),
            inviter=User(fell.inviter),
            room=Room(there.room_id, there.label),
            count=Number(len(hit)),
            numbers=numbered([request.number for request in hit]),
        )
        occasion = f"fell:{fell.room_id}:{fell.inviter}:{fell.cause}:{hit[-1].id}:{turn.now}"
        about = hit[0] if len(hit) == 1 else None
        if fate is Fate.FORWARD:
            await saying.alarm(context, turn, fell.room_id, occasion, said, about=about)
        else:
            await saying.say(
                context, turn, Audience(there.management_room, about=about, place=fell.room_id), occasion, said
            )


async def _revoke(context: Context, turn: Turn, fell: Fallen, theirs: Sequence[Request]) -> Sequence[Request]:
    for request in theirs:
        # The event alone is not enough: an inviter's power can drop to the same level twice.
        cause = f"{fell.how} {request.event_id} {turn.now}"
        answer = Answer(
            Verdict.REJECT, context.bot, turn.now, request.event_id, cause=cause, quiet=True, author=fell.author
        )
        await invites.take_back(turn, request, answer, fell=fell.how)
    return theirs


async def _forward(context: Context, turn: Turn, fell: Fallen, theirs: Sequence[Request]) -> Sequence[Request]:
    """Reopen the accepted invites; the pending ones are open anyway."""
    standing = [request for request in theirs if invite_outcome(request.state, InviteEvent.FORWARDED) is State.PENDING]
    shared = None
    if sum(request.card_id is None for request in standing) > sharing.CROWDED:
        shared = (await cards.new(turn.tx, standing[0].management_room, fell.room_id, turn.now)).id
    for request in standing:
        await settling.withdraw_answer(turn, request, because("overtaken.inviter_gone"))
        await requests.reopened(turn.tx, request.id, turn.now)
        await record(turn, request, context.bot, Recorded.REOPENED, fell=fell.how)
        if fell.powerless is not None:
            await requests.in_trouble(turn.tx, request.id, fell.powerless)
        await cards.show(context, turn, request.id, card_id=shared)
    if shared is not None:
        await cards.post_missing(turn, fell.room_id)
    return standing


async def _keep(_: Context, __: Turn, ___: Fallen, theirs: Sequence[Request]) -> Sequence[Request]:
    return [request for request in theirs if request.state is State.STANDING]


FATES: Mapping[Fate, Callable[[Context, Turn, Fallen, Sequence[Request]], Awaitable[Sequence[Request]]]] = {
    Fate.REVOKE: _revoke,
    Fate.FORWARD: _forward,
    Fate.KEEP: _keep,
}
"""What to do with the invites of an inviter who may not invite any more; each returns the affected requests."""
