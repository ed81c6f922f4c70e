"""Commands that look and change nothing; every joined member of the management room may give them."""

from __future__ import annotations

from knockbot.chat import lookups
from knockbot.chat.calls import Call, Meant, no_such_revision
from knockbot.config.values import Permission
from knockbot.domain import fitness
from knockbot.domain.model import REASON_KEPT, Knock, Membership, Request
from knockbot.domain.notices import Moment, Notice, Number, Room, below, notice
from knockbot.errors import Never, Refused
from knockbot.flow import checkup, names, rules
from knockbot.flow.judging import judge
from knockbot.flow.records import label_of
from knockbot.store import addressees, jobs, pins, policies, records, requests, rooms
from knockbot.store.policies import Revision
from knockbot.store.rooms import ProtectedRoom

LOG_LINES = 20
QUEUE_LINES = 20
REVISIONS = 20
"""Lines that one reply shows at most."""


async def list_rooms(call: Call) -> Notice:
    """The rooms looked after from here; a server admin sees all there are."""
    rows: list[Notice] = []
    everywhere = call.context.settings.permission_of(call.actor) is Permission.ADMIN
    async with call.context.db.tx() as tx:
        pending = await requests.count_pending(tx)
        for room in await rooms.all_rooms(tx) if everywhere else await rooms.managed_by(tx, call.room):
            waiting = pending[room.management_room, room.room_id]
            elsewhere = room.management_room if room.management_room != call.room else None
            rows.append(lookups.room_row(Room(room.room_id, room.label), waiting, room.trouble, elsewhere))
            rows += await names.of_room(call.context, tx, room)
            if room.trouble != checkup.NOT_THERE:  # what it was like before counts no more
                rows += map(fitness.told, room.concerns)
        rows += map(fitness.told, await rooms.management_concerns(tx, call.room))
    return lookups.room_list(rows)


async def list_pending(call: Call, only: ProtectedRoom | None) -> Notice:
    """Who is waiting, in all rooms or in one."""
    async with call.context.db.tx() as tx:
        labels = {room.room_id: room.label for room in await rooms.managed_by(tx, call.room)}
        found = await requests.pending(tx, call.room, only.room_id if only else None)
        waiting = [request for request in found if request.room_id in labels]
        hidden = [
            room_id for room_id in {r.room_id for r in waiting} if await rules.hides_reasons(call.context, tx, room_id)
        ]
    return lookups.pending_list(waiting, labels, call.context.now(), hidden)


async def list_invites(call: Call, room: ProtectedRoom) -> Notice:
    """The third-party invites of a room that are pending or standing."""
    async with call.context.db.tx() as tx:
        standing = await requests.invites_of(tx, room.room_id, held=False)
        addresses = await addressees.of_room(tx, room.room_id)
    return lookups.invite_list(Room(room.room_id, room.label), standing, addresses, call.context.now())


async def show(call: Call, meant: Meant) -> Notice:
    """One request, or several, with all there is to know."""
    shown: list[Notice] = []
    async with call.context.db.tx() as tx:
        for request in meant.found:
            if isinstance(request, Refused):
                shown.append(request.said)
                continue
            known = await addressees.of_room(tx, request.room_id)
            sent_to = known.get(request.invite.token) if request.invite is not None else None
            history = [lookups.history_line(line) for line in await records.of_request(tx, request.id)]
            shown.append(lookups.shown_request(request, await label_of(tx, request.room_id), history, sent_to))
    return below(*shown)


async def queue(call: Call) -> Notice:
    """What is pending, due and failing."""
    async with call.context.db.tx() as tx:
        managed = await rooms.managed_by(tx, call.room)
        labels = {room.room_id: room.label for room in managed}
        waiting = [request for request in await requests.pending(tx, call.room) if request.room_id in labels]
        acts = await jobs.open_for(tx, [*labels, call.room])
    return lookups.queue(
        sum(request.awaits_moderators for request in waiting),
        [lookups.queue_row(act, labels, call.context.now()) for act in acts[:QUEUE_LINES]],
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


async def policy_show(call: Call, room: ProtectedRoom, number: int | None) -> Notice:
    """The policy in force, or an old one, as it was written."""
    called = Room(room.room_id, room.label)
    async with call.context.db.tx() as tx:
        if number is None:
            found = await rules.written(call.context, tx, room.room_id)
            named = await names.of_policy(call.context, tx, room.room_id)
            return lookups.policy_shown(called, found.source, found.text, named)
        old = await policies.revision(tx, room.room_id, number)
        meant = await pins.at(tx, pins.of_revision(room.room_id, number))
    if old is None:
        raise no_such_revision(room, number)
    means = [names.means(pin.name, pin.room_id, None) for pin in meant.values()]
    return lookups.policy_shown(called, rules.source(old), old.text, means)


async def policy_log(call: Call, room: ProtectedRoom) -> Notice:
    """Who changed the policy, and when."""
    async with call.context.db.tx() as tx:
        revisions = await policies.revisions(tx, room.room_id, REVISIONS)
    return lookups.policy_revisions(Room(room.room_id, room.label), list(map(_revision, revisions)))


def _revision(one: Revision) -> Notice:
    number, author = Number(one.revision), rules.author(one)
    return notice("policy.revision", revision=number, moment=Moment(one.written_at), by=author)


async def test(call: Call, room: ProtectedRoom, user_id: str, reason: str) -> Notice:
    """What the policy in force would do with somebody, rule by rule; nothing is done."""
    knock = await _imagined_knock(call, room, user_id, reason[:REASON_KEPT])  # as much as is kept of a real one
    in_force = await rules.look_up(call.context, room.room_id)
    decision = await judge(call.context, in_force, knock, at_expense_of=call.room, asked_by=call.actor)
    return lookups.tested(Room(room.room_id, room.label), knock, decision)


async def _imagined_knock(call: Call, room: ProtectedRoom, user_id: str, reason: str) -> Knock:
    """The knock of a user with this reason; where they knock just now, with the name and picture they show."""
    try:
        member = await call.context.outside.member(room.room_id, user_id)
    except Never:
        member = None
    if member is None or member.membership is not Membership.KNOCK:
        return Knock(room.room_id, user_id, "", reason)
    return Knock(room.room_id, user_id, "", reason or member.reason, member.display_name, member.has_avatar)


async def log(call: Call, about: Request | str | None) -> Notice:
    """Who decided what, when, by which rule: of one request, of one applicant, or of late."""
    async with call.context.db.tx() as tx:
        labels = {room.room_id: room.label for room in await rooms.managed_by(tx, call.room)}
        if isinstance(about, Request):
            found = await records.of_request(tx, about.id)
        else:
            found = await records.latest(tx, list(labels), LOG_LINES, about=about)
    return lookups.log([lookups.history_line(line, labels) for line in found])
