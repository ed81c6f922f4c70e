"""Reconcile: compare a protected room's real state with the records, and feed what was missed through the same path.

It runs in the room's own turn, so that no event of the room is handled meanwhile. On start, when the bot joins, when
power levels or join rules change, and on a timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from knockbot.domain import plan, wording
from knockbot.domain.acl import SERVER_ACL, ServerAcl
from knockbot.domain.model import (
    Act,
    Answer,
    Decision,
    Kind,
    MemberChange,
    Membership,
    Request,
    State,
    ThirdPartyInvite,
    Verdict,
)
from knockbot.domain.power import Powers
from knockbot.errors import Busy, Never
from knockbot.flow import (
    authority,
    fitness,
    intake,
    inviters,
    invites,
    redacting,
    redeeming,
    review,
    rules,
    settle,
    successors,
    upgrading,
)
from knockbot.flow.checkup import NOT_THERE, shortage
from knockbot.flow.door import Door, RoomView, log
from knockbot.flow.rooms import is_in
from knockbot.store import cards, effects, inbox, requests, room_upgrades, rooms
from knockbot.store.rooms import ProtectedRoom

T = TypeVar("T")


async def reconcile(door: Door, room_id: str) -> None:
    """Bring the records of one protected room up to what the room says now. May raise `Later`."""
    door.standings.forget(room_id)
    async with door.db.tx() as tx:
        room = await rooms.find(tx, room_id)
        managing = await rooms.is_management_room(tx, room_id)
    if managing:
        await fitness.look_at_management(door, room_id)
    if room is None:
        return
    if not await is_in(door, room_id):
        async with door.closing(None) as tx:
            await settle.trouble(door, tx, room_id, NOT_THERE)
        return
    await rules.look_up(door, room_id)
    view = await door.outside.room(room.room_id)
    await _rename(door, room, view)
    powers = await door.outside.powers(room.room_id)
    acl = await door.outside.server_acl(room_id)
    await _check_powers(door, room, powers, acl)
    await fitness.look(door, room, view, powers)
    standing = await door.outside.knocking(room_id)
    await upgrading.look(door, room)
    await successors.look(door, room)
    await _find_missed_knocks(door, room, standing, acl)
    await _close_denied(door, room, acl)
    await _find_missed_outcomes(door, room, {change.user_id for change in standing})
    await _post_missing_cards(door, room_id)
    await _find_missed_reactions(door, room)
    await _let_expire(door, room)
    await _find_missed_invites(door, room)
    await _find_missed_redeemers(door, room)
    await inviters.look(door, room_id, powers)
    await _post_missing_cards(door, room_id)


async def _post_missing_cards(door: Door, room_id: str) -> None:
    async with door.closing(None) as tx:
        await settle.post_missing(door, tx, room_id)


async def _rename(door: Door, room: ProtectedRoom, view: RoomView) -> None:
    if view.label not in (room.name, room.room_id):
        async with door.db.tx() as tx:
            await rooms.rename(tx, room.room_id, view.label)


async def _check_powers(door: Door, room: ProtectedRoom, powers: Powers, acl: ServerAcl) -> None:
    """Tell once what is missing and offer it no more; once nothing is, go on with what was waiting for it."""
    missing = shortage(powers, door.bot)
    async with door.closing(None) as tx:
        replaced = await room_upgrades.find(tx, room.room_id) is not None
        for card in await cards.awaiting_answers(tx, room.room_id):
            shown = await requests.on_card(tx, card.id)
            if review.takes_clicks(shown):
                await settle.offer(door, tx, card.id, _possible(door, powers, shown[-1], replaced=replaced, acl=acl))
            if missing != room.trouble:
                await settle.refresh(door, tx, card.id)  # it says what is missing
        if missing is not None:
            await settle.trouble(door, tx, room.room_id, missing)
        elif await rooms.set_trouble(tx, room.room_id, None):
            text = wording.mended(room.label)
            await settle.say(door, tx, room.management_room, f"mended:{room.room_id}:{door.now()}", text)
        low = [verdict for verdict in plan.ACT_OF if powers.level(door.bot) < powers.needed(verdict)]
        still_missing = {plan.ACT_OF[verdict] for verdict in low}
        if Act.INVITE in still_missing:
            still_missing |= {Act.REVOKE, Act.PLANT}  # to plant an invite, or take it back, takes what giving one does
        await effects.unblock(tx, room.room_id, door.now(), unless=still_missing)


def _possible(door: Door, powers: Powers, request: Request, *, replaced: bool, acl: ServerAcl) -> list[Verdict]:
    barred = replaced or acl.denies_user(request.user_id, home=door.home)
    return review.possible(powers, door.bot, [request], barred=barred)


async def _find_missed_knocks(door: Door, room: ProtectedRoom, standing: list[MemberChange], acl: ServerAcl) -> None:
    async with door.db.tx() as tx:
        held = await inbox.held(tx, room.room_id)
    missed = [change for change in standing if change.user_id not in held and not await _is_known(door, change)]
    # The homeserver lists them in no order, and whoever knocked first is to have the lower number.
    missed.sort(key=lambda change: change.sent_at)

    async def judge(change: MemberChange) -> Decision | None:
        whole = await _whole(door, change)
        if whole is None:
            return None
        denied = acl.denies_user(change.user_id, home=door.home)
        return await (_denied(door, change) if denied else intake.judged(door, whole))

    judged, busy = await _as_far_as_possible(judge, missed)
    card_id = await _card_for_many(door, room, [decision for _, decision in judged])
    for change, decision in judged:
        whole = await _whole(door, change)
        if whole is not None:
            await intake.take_in(door, whole, decision, None, card_id=card_id, stands=True)
    if busy is not None:
        raise busy  # the others at the next look, which comes soon


async def _as_far_as_possible(
    judge: Callable[[T], Awaitable[Decision | None]], missed: list[T]
) -> tuple[list[tuple[T, Decision]], Busy | None]:
    """What was decided of each until the room had used up its share of time, and that it had."""
    judged: list[tuple[T, Decision]] = []
    for one in missed:
        try:
            decision = await judge(one)
        except Busy as busy:
            return judged, busy
        if decision is not None:
            judged.append((one, decision))
    return judged, None


async def _whole(door: Door, knock: MemberChange) -> MemberChange | None:
    """A listed knock with all of its reason; none where it stands no longer, whose event tells that by itself.

    Long reasons are read one by one, and twice, so that those of thousands are never held together.
    """
    if not knock.cut:
        return knock
    stands = await door.outside.member(knock.room_id, knock.user_id)
    return stands if stands is not None and stands.event_id == knock.event_id else None


DENIED = Decision(Verdict.REJECT, SERVER_ACL)
"""What comes of a knock whose server may take no part in the room: the policy is not asked."""


async def _denied(door: Door, change: MemberChange) -> Decision:
    """The same with the power of whoever wrote the room's policy, as with all that is done there unasked."""
    async with door.db.tx() as tx:
        author = (await rules.in_force(door, tx, change.room_id)).author
    return await authority.ruled(door, replace(DENIED, author=author), change.as_knock())


async def _close_denied(door: Door, room: ProtectedRoom, acl: ServerAcl) -> None:
    """Reject the knocks that stand of servers which are denied by now, and say so once."""
    async with door.db.tx() as tx:
        unsettled = await requests.unsettled(tx, room.room_id)
        author = (await rules.in_force(door, tx, room.room_id)).author
    found = []
    for request in unsettled:
        await asyncio.sleep(0)  # there may be many, and an ACL is long where its author wants it to be
        if _to_be_closed(door, request, acl):
            found.append(request)
    denied = [request.id for request in found if await _may_close(door, request, author)]
    if not denied:
        return
    async with door.closing(None) as tx:
        closed = []
        for request in [await requests.get(tx, request_id) for request_id in denied]:
            if _to_be_closed(door, request, acl):
                await settle.take_back_answer(door, tx, request, "their server is denied")
                cause = f"denied {request.event_id} {door.now()}"
                answer = Answer(
                    Verdict.REJECT,
                    door.bot,
                    door.now(),
                    request.event_id,
                    SERVER_ACL,
                    cause=cause,
                    quiet=True,
                    author=author,
                )
                await settle.record(door, tx, request, door.bot, "their server is denied", rule=SERVER_ACL)
                await settle.give_answer(door, tx, request, answer)
                closed.append(request)
        if closed:
            text = wording.denied_together(room.label, [request.number for request in closed])
            occasion = f"denied:{room.room_id}:{closed[-1].number}:{door.now()}"
            about = closed[0] if len(closed) == 1 else None
            await settle.say(door, tx, room.management_room, occasion, text, about=about)


async def _may_close(door: Door, request: Request, author: str | None) -> bool:
    """Whether the author of the room's policy may reject this knock; if not, its card stays with the moderators."""
    decision = replace(DENIED, author=author)
    return (await authority.ruled(door, decision, request.knock)).verdict is Verdict.REJECT


def _to_be_closed(door: Door, request: Request, acl: ServerAcl) -> bool:
    """Whether this is a knock that stands, of a server that is denied, and is not being turned away."""
    stands = request.kind is Kind.KNOCK and request.open
    waits = request.answer is None or request.answer.verdict is Verdict.ACCEPT
    return stands and waits and acl.denies_user(request.user_id, home=door.home)


async def _is_known(door: Door, change: MemberChange) -> bool:
    async with door.db.tx() as tx:
        request = await requests.latest(tx, change.room_id, change.user_id)
    if request is None or request.event_id != change.event_id:
        return False
    if request.open and request.reason and not change.reason:  # it was redacted while nobody looked
        async with door.closing(None) as tx:
            await redacting.forget_words(door, tx, request)
    return request.open or request.state is State.EXPIRED or not await _stands_after_all(door, change)


async def _stands_after_all(door: Door, change: MemberChange) -> bool:
    """Whether a knock whose outcome is on record stands in the room: the homeserver was restored from a back-up.

    Read once more, since the outcome may have come about after the first look.
    """
    now = await door.outside.member(change.room_id, change.user_id)
    return now is not None and now.event_id == change.event_id


async def _find_missed_invites(door: Door, room: ProtectedRoom) -> None:
    """Third-party invites that were planted, replaced or emptied while nobody looked."""
    there = await door.outside.third_parties(room.room_id)
    async with door.db.tx() as tx:
        known = {change.token: await requests.by_token(tx, room.room_id, change.token) for change in there}
    standing = [change.invite for change in there if change.invite is not None]
    unknown = [invite for invite in standing if not await _is_known_invite(door, known[invite.token], invite)]
    missed = [invite for invite in unknown if not invites.is_awaited(known[invite.token], invite)]
    judged, busy = await _as_far_as_possible(partial(invites.judged, door), missed)
    card_id = await _card_for_many(door, room, [decision for _, decision in judged])
    for invite, decision in judged:
        await invites.plant(door, invite, decision, None, card_id=card_id, stands=True)
    if busy is not None:
        raise busy
    for change in there:
        request = known[change.token]
        emptied = change.invite is None and request is not None and (request.open or request.state is State.STANDING)
        if emptied or (change.invite is not None and invites.is_awaited(request, change.invite)):
            await invites.invite_changed(door, change, None)


async def _is_known_invite(door: Door, request: Request | None, invite: ThirdPartyInvite) -> bool:
    """Whether the records tell of this invite what the room does; read once more where they say that it was revoked."""
    if not invites.is_on_record(request, invite):
        return False
    if request is None or request.state is not State.REVOKED:
        return True
    now = await door.outside.third_party(invite.room_id, invite.token)
    return now is None or now.invite is None or now.invite.event_id != invite.event_id


async def _find_missed_redeemers(door: Door, room: ProtectedRoom) -> None:
    """Who came in by an invite that stands or waits, while nobody looked: the events they came in by say so."""
    async with door.db.tx() as tx:
        standing = [request for request in await requests.invites_of(tx, room.room_id) if not request.redeemed]
    if not standing:
        return
    tokens = {request.invite.token for request in standing if request.invite is not None}
    inviters_standing = {request.subject for request in standing}
    for change in await door.outside.redeemed(room.room_id, inviters_standing, room.protected_at):
        if change.token in tokens and change.sent_at >= room.protected_at:
            await redeeming.redeemed(door, change, None)
            current = await door.outside.member(room.room_id, change.user_id)
            if current is not None and current.event_id != change.event_id:
                await _moved_on(door, current)


async def _moved_on(door: Door, change: MemberChange) -> None:
    async with door.db.tx() as tx:
        last = await requests.latest(tx, change.room_id, change.user_id)
    await intake.moved_on(door, change, None, last)


async def _card_for_many(door: Door, room: ProtectedRoom, decisions: list[Decision]) -> int | None:
    """One card to share, where more than a few requests of a kind need one."""
    if sum(decision.verdict is Verdict.FORWARD for decision in decisions) <= settle.CROWDED:
        return None
    async with door.db.tx() as tx:
        return (await cards.new(tx, room.management_room, room.room_id, door.now())).id


async def _find_missed_outcomes(door: Door, room: ProtectedRoom, knocking: set[str]) -> None:
    """Requests that are open here, whose applicants no longer knock there."""
    async with door.db.tx() as tx:
        unsettled = await requests.unsettled(tx, room.room_id)
    for request in unsettled:
        if request.user_id and request.user_id not in knocking:
            change = await door.outside.member(room.room_id, request.user_id)
            if change is None and request.kind is Kind.KNOCK and request.moved_from is None:
                await _never_knocked(door, request)
            elif change is not None and change.membership is not Membership.KNOCK:
                await _moved_on(door, change)


async def _never_knocked(door: Door, request: Request) -> None:
    """The room knows nothing of a knock that is on record: the homeserver was restored from an older back-up."""
    async with door.closing(None) as tx:
        now = await requests.get(tx, request.id)
        if now.event_id == request.event_id and now.state in (State.PENDING, State.ACCEPTED):
            state = State.WITHDRAWN if now.open else State.DECLINED
            await settle.settle(door, tx, now, state, now.user_id)


async def _let_expire(door: Door, room: ProtectedRoom) -> None:
    """Close knocks that have waited for too long; of those from other servers nobody would be told were they taken
    back. What is on its way to turn somebody away holds, however long it takes."""
    async with door.db.tx() as tx:
        oldest = door.now() - (await rules.in_force(door, tx, room.room_id)).policy.stale_after
        stale = [request.id for request in await requests.unsettled(tx, room.room_id) if _is_stale(request, oldest)]
    for request_id in stale:
        async with door.closing(None) as tx:
            request = await requests.get(tx, request_id)
            if _is_stale(request, oldest):
                await settle.settle(door, tx, request, State.EXPIRED, door.bot)


def _is_stale(request: Request, oldest: int) -> bool:
    """Whether a knock is older than this moment, and is not being turned away."""
    waits = request.answer is None or request.answer.verdict is Verdict.ACCEPT
    return request.kind is Kind.KNOCK and request.open and waits and request.changed_at <= oldest


async def _find_missed_reactions(door: Door, room: ProtectedRoom) -> None:
    """Clicks on cards that still wait for one; those that came in as events were handled there."""
    async with door.db.tx() as tx:
        waiting = await cards.awaiting_answers(tx, room.room_id)
    for card in waiting:
        try:
            if await door.outside.is_redacted(card.management_room, card.event_id or ""):
                async with door.closing(None) as tx:
                    await redacting.post_anew(door, tx, card)
                continue
            reactions = await door.outside.reactions(card.management_room, card.event_id or "")
        except Never as error:
            log.warning("cannot read the reactions on a card in %s: %s", card.management_room, error.why)
            return
        for reaction in reversed(reactions):  # they come newest first, and the first answer wins
            async with door.db.tx() as tx:
                known = await inbox.is_known(tx, reaction.event_id)
            if not known:
                await review.reacted(door, reaction, None)
