"""Commands that look and change nothing; every joined member of the management room may give them."""

from __future__ import annotations

from knockbot.config import Permission
from knockbot.domain import ids, wording
from knockbot.domain.model import Knock, Membership
from knockbot.domain.words import Words, lines
from knockbot.errors import Never
from knockbot.flow import checkup, names, rules, settle
from knockbot.flow.judge import judge
from knockbot.matrix.calls import Call, Misuse, managed_request, managed_room, named_room, requests_meant
from knockbot.matrix.typed import read_numbers
from knockbot.store import addressees, audit, effects, policies, requests, rooms
from knockbot.store.rooms import ProtectedRoom

LOG_LINES = 20
QUEUE_LINES = 20
REVISIONS = 20
"""Lines that one reply shows at most."""


async def list_rooms(call: Call) -> Words:
    """The rooms looked after from here; a server admin sees all there are."""
    rows = []
    everywhere = call.door.settings.permission_of(call.actor) is Permission.ADMIN
    async with call.door.db.tx() as tx:
        for room in await rooms.all_rooms(tx) if everywhere else await rooms.managed_by(tx, call.room):
            pending = len(await requests.pending(tx, room.management_room, room.room_id))
            elsewhere = room.management_room if room.management_room != call.room else None
            rows.append(wording.room_row(room.label, room.room_id, pending, room.trouble, elsewhere))
            rows += await names.of_room(call.door, tx, room)
    return wording.room_list(rows)


async def list_pending(call: Call) -> Words:
    """Who is waiting, in all rooms or in one."""
    only = await managed_room(call, call.rest) if call.rest else None
    if isinstance(only, Words):
        return only
    async with call.door.db.tx() as tx:
        labels = {room.room_id: room.label for room in await rooms.managed_by(tx, call.room)}
        found = await requests.pending(tx, call.room, only.room_id if only else None)
        waiting = [request for request in found if request.room_id in labels]
        hidden = [
            room_id for room_id in {r.room_id for r in waiting} if await rules.hides_reasons(call.door, tx, room_id)
        ]
    return wording.pending_list(waiting, labels, call.door.now(), hidden)


async def list_invites(call: Call) -> Words:
    """The third-party invites of a room that are pending or standing."""
    room, _ = await named_room(call)
    if isinstance(room, Words):
        return room
    async with call.door.db.tx() as tx:
        standing = await requests.invites_of(tx, room.room_id)
        addresses = await addressees.of_room(tx, room.room_id)
    return wording.invite_list(room.label, standing, addresses, call.door.now())


async def show(call: Call) -> Words:
    """One request, or several, with all there is to know."""
    found, rest = await requests_meant(call)
    if rest:
        raise Misuse("Only numbers, please.")
    shown = []
    async with call.door.db.tx() as tx:
        for request in found:
            if isinstance(request, Words):
                shown.append(request)
                continue
            known = await addressees.of_room(tx, request.room_id)
            sent_to = known.get(request.invite.token) if request.invite is not None else None
            history = [wording.history_line(line) for line in await audit.of_request(tx, request.id)]
            shown.append(wording.shown_request(request, await settle.label_of(tx, request.room_id), history, sent_to))
    return lines(shown)


async def queue(call: Call) -> Words:
    """What is pending, due and failing."""
    async with call.door.db.tx() as tx:
        managed = await rooms.managed_by(tx, call.room)
        labels = {room.room_id: room.label for room in managed}
        waiting = [request for request in await requests.pending(tx, call.room) if request.room_id in labels]
        acts = await effects.open_for(tx, [*labels, call.room])
    return wording.queue(
        sum(request.awaits_moderators for request in waiting),
        [wording.queue_row(act, labels, call.door.now()) for act in acts[:QUEUE_LINES]],
        len(acts),
    )


async def check(call: Call) -> Words:
    """What the bot has and needs in a room."""
    room, _ = await named_room(call)
    if isinstance(room, Words):
        return room
    try:
        view = await call.door.outside.room(room.room_id)
        found = await checkup.checklist(call.door, view)
        async with call.door.db.tx() as tx:
            named = [*await names.of_room(call.door, tx, room), *await names.of_policy(call.door, tx, room.room_id)]
        return lines([wording.checked(room.label, found), *dict.fromkeys(named)])
    except Never:
        return wording.blocked(room.label, checkup.NOT_THERE, call.door.bot)


async def policy_show(call: Call) -> Words:
    """The policy in force, as it was written."""
    room, _ = await named_room(call)
    if isinstance(room, Words):
        return room
    async with call.door.db.tx() as tx:
        found = await rules.in_force(call.door, tx, room.room_id)
        named = await names.of_policy(call.door, tx, room.room_id)
    return lines([wording.policy_shown(room.label, found.source, found.text), *named])


async def policy_log(call: Call) -> Words:
    """Who changed the policy, and when."""
    room, _ = await named_room(call)
    if isinstance(room, Words):
        return room
    async with call.door.db.tx() as tx:
        revisions = await policies.revisions(tx, room.room_id, REVISIONS)
    return wording.policy_revisions(
        room.label, [wording.revision_row(r.revision, r.author, r.written_at) for r in revisions]
    )


async def test(call: Call) -> Words:
    """What the policy in force would do with somebody, rule by rule; nothing is done."""
    room, rest = await named_room(call)
    if isinstance(room, Words):
        return room
    who, _, reason = rest.partition(" ")
    user_id = ids.user_reference(who)
    if user_id is None:
        raise Misuse("Which user? Give the full id.")
    async with call.door.db.tx() as tx:
        policy = (await rules.in_force(call.door, tx, room.room_id)).policy
    knock = await _imagined_knock(call, room, user_id, reason)
    return wording.tested(room.label, knock, await judge(call.door, policy, knock))


async def _imagined_knock(call: Call, room: ProtectedRoom, user_id: str, reason: str) -> Knock:
    """The knock of a user with this reason; where they knock just now, with the name and picture they show."""
    try:
        member = await call.door.outside.member(room.room_id, user_id)
    except Never:
        member = None
    if member is None or member.membership is not Membership.KNOCK:
        return Knock(room.room_id, user_id, "", reason)
    return Knock(room.room_id, user_id, "", reason or member.reason, member.display_name, member.has_avatar)


async def log(call: Call) -> Words:
    """Who decided what, when, by which rule: of one request, of one applicant, or of late."""
    numbers, rest = read_numbers(call.rest)
    user_id = ids.user_reference(rest) if rest else None
    if (rest and user_id is None) or len(numbers) > 1 or (numbers and rest):
        raise Misuse("")
    async with call.door.db.tx() as tx:
        labels = {room.room_id: room.label for room in await rooms.managed_by(tx, call.room)}
        if numbers:
            request = await managed_request(tx, call.room, numbers[0])
            if isinstance(request, Words):
                return request
            found = await audit.of_request(tx, request.id)
        else:
            found = await audit.latest(tx, list(labels), LOG_LINES, about=user_id)
    return wording.log([wording.history_line(line, labels) for line in found])
