"""Commands that look and change nothing; every joined member of the management room may give them."""

from __future__ import annotations

from knockbot.chat.catalogue import render
from knockbot.config.values import Permission
from knockbot.domain import fitness, wording
from knockbot.domain.model import Knock, Membership, Request
from knockbot.domain.notices import Notice, Room, below, notice
from knockbot.domain.words import Said, Words, as_notice, lines
from knockbot.errors import Never
from knockbot.flow import checkup, names, rules, settle
from knockbot.flow.judge import judge
from knockbot.matrix.calls import Call, Meant, no_such_revision
from knockbot.matrix.events import REASON_KEPT
from knockbot.store import addressees, audit, effects, pins, policies, requests, rooms
from knockbot.store.rooms import ProtectedRoom

LOG_LINES = 20
QUEUE_LINES = 20
REVISIONS = 20
"""Lines that one reply shows at most."""


async def list_rooms(call: Call) -> Words:
    """The rooms looked after from here; a server admin sees all there are."""
    rows = []
    everywhere = call.context.settings.permission_of(call.actor) is Permission.ADMIN
    async with call.context.db.tx() as tx:
        pending = await requests.count_pending(tx)
        for room in await rooms.all_rooms(tx) if everywhere else await rooms.managed_by(tx, call.room):
            waiting = pending[room.management_room, room.room_id]
            elsewhere = room.management_room if room.management_room != call.room else None
            rows.append(wording.room_row(room.label, room.room_id, waiting, room.trouble, elsewhere))
            rows += map(render, await names.of_room(call.context, tx, room))
            if room.trouble != checkup.NOT_THERE:  # what it was like before counts no more
                rows += [render(fitness.told(concern)) for concern in room.concerns]
        rows += [render(fitness.told(concern)) for concern in await rooms.management_concerns(tx, call.room)]
    return wording.room_list(rows)


async def list_pending(call: Call, only: ProtectedRoom | None) -> Words:
    """Who is waiting, in all rooms or in one."""
    async with call.context.db.tx() as tx:
        labels = {room.room_id: room.label for room in await rooms.managed_by(tx, call.room)}
        found = await requests.pending(tx, call.room, only.room_id if only else None)
        waiting = [request for request in found if request.room_id in labels]
        hidden = [
            room_id for room_id in {r.room_id for r in waiting} if await rules.hides_reasons(call.context, tx, room_id)
        ]
    return wording.pending_list(waiting, labels, call.context.now(), hidden)


async def list_invites(call: Call, room: ProtectedRoom) -> Words:
    """The third-party invites of a room that are pending or standing."""
    async with call.context.db.tx() as tx:
        standing = await requests.invites_of(tx, room.room_id, held=False)
        addresses = await addressees.of_room(tx, room.room_id)
    return wording.invite_list(room.label, standing, addresses, call.context.now())


async def show(call: Call, meant: Meant) -> Said:
    """One request, or several, with all there is to know."""
    shown: list[Said] = []
    async with call.context.db.tx() as tx:
        for request in meant.found:
            if isinstance(request, Said):
                shown.append(request)
                continue
            known = await addressees.of_room(tx, request.room_id)
            sent_to = known.get(request.invite.token) if request.invite is not None else None
            history = [wording.history_line(line) for line in await audit.of_request(tx, request.id)]
            shown.append(wording.shown_request(request, await settle.label_of(tx, request.room_id), history, sent_to))
    return below(*map(as_notice, shown))


async def queue(call: Call) -> Words:
    """What is pending, due and failing."""
    async with call.context.db.tx() as tx:
        managed = await rooms.managed_by(tx, call.room)
        labels = {room.room_id: room.label for room in managed}
        waiting = [request for request in await requests.pending(tx, call.room) if request.room_id in labels]
        acts = await effects.open_for(tx, [*labels, call.room])
    return wording.queue(
        sum(request.awaits_moderators for request in waiting),
        [wording.queue_row(act, labels, call.context.now()) for act in acts[:QUEUE_LINES]],
        len(acts),
    )


async def check(call: Call, room: ProtectedRoom) -> Notice:
    """What the bot has and needs in a room."""
    try:
        view = await call.context.outside.room(room.room_id)
        found = await checkup.checklist(call.context, view)
        async with call.context.db.tx() as tx:
            named = [
                *await names.of_room(call.context, tx, room),
                *await names.of_policy(call.context, tx, room.room_id),
            ]
    except Never:
        found, named = checkup.NOT_IN_IT, []
    return below(notice("room.called", room=Room(room.room_id, room.label)), found, *dict.fromkeys(named))


async def policy_show(call: Call, room: ProtectedRoom, number: int | None) -> Said:
    """The policy in force, or an old one, as it was written."""
    async with call.context.db.tx() as tx:
        if number is None:
            found = await rules.written(call.context, tx, room.room_id)
            named = await names.of_policy(call.context, tx, room.room_id)
            return lines([wording.policy_shown(room.label, found.source, found.text), *map(render, named)])
        old = await policies.revision(tx, room.room_id, number)
        meant = await pins.at(tx, pins.of_revision(room.room_id, number))
    if old is None:
        return no_such_revision(room, number)
    shown = wording.policy_shown(room.label, f"revision {old.revision} by {old.author}", old.text)
    return lines([shown, *(render(names.means(pin.name, pin.room_id, None)) for pin in meant.values())])


async def policy_log(call: Call, room: ProtectedRoom) -> Words:
    """Who changed the policy, and when."""
    async with call.context.db.tx() as tx:
        revisions = await policies.revisions(tx, room.room_id, REVISIONS)
    return wording.policy_revisions(
        room.label, [wording.revision_row(r.revision, policies.named(r.author), r.written_at) for r in revisions]
    )


async def test(call: Call, room: ProtectedRoom, user_id: str, reason: str) -> Words:
    """What the policy in force would do with somebody, rule by rule; nothing is done."""
    knock = await _imagined_knock(call, room, user_id, reason[:REASON_KEPT])  # as much as is kept of a real one
    in_force = await rules.look_up(call.context, room.room_id)
    decision = await judge(call.context, in_force, knock, at_expense_of=call.room, asked_by=call.actor)
    return wording.tested(room.label, knock, decision)


async def _imagined_knock(call: Call, room: ProtectedRoom, user_id: str, reason: str) -> Knock:
    """The knock of a user with this reason; where they knock just now, with the name and picture they show."""
    try:
        member = await call.context.outside.member(room.room_id, user_id)
    except Never:
        member = None
    if member is None or member.membership is not Membership.KNOCK:
        return Knock(room.room_id, user_id, "", reason)
    return Knock(room.room_id, user_id, "", reason or member.reason, member.display_name, member.has_avatar)


async def log(call: Call, about: Request | str | None) -> Words:
    """Who decided what, when, by which rule: of one request, of one applicant, or of late."""
    async with call.context.db.tx() as tx:
        labels = {room.room_id: room.label for room in await rooms.managed_by(tx, call.room)}
        if isinstance(about, Request):
            found = await audit.of_request(tx, about.id)
        else:
            found = await audit.latest(tx, list(labels), LOG_LINES, about=about)
    return wording.log([wording.history_line(line, labels) for line in found])
