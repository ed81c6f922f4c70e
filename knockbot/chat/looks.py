"""Commands that look and change nothing; every joined member of the management room may give them."""

from __future__ import annotations

from functools import partial

from knockbot.chat import replies
from knockbot.chat import spaces as shown_spaces
from knockbot.chat.calls import Answered, Call, Meant, Reply, no_such_revision
from knockbot.config.values import Permission
from knockbot.domain.jobs import Document
from knockbot.domain.model import REASON_KEPT, Knock, Membership, Request
from knockbot.domain.notices import Notice, Room, below, notice
from knockbot.engine.turn import Turn
from knockbot.errors import Never, Refused
from knockbot.features.codes import bringing
from knockbot.features.lists import showing as policy_lists
from knockbot.features.waves import course
from knockbot.flow import checkup, disclosing, inheriting, names, place, rules, saying
from knockbot.flow.judging import Case, judge
from knockbot.flow.saying import Audience
from knockbot.store import layers, waves
from knockbot.store.rooms import ProtectedRoom
from knockbot.views import log as record
from knockbot.views import policies, queue, requests, rooms, spaces

LOG_LINES = 20
REVISIONS = 20
"""Lines that one reply shows at most."""


async def list_rooms(call: Call) -> Notice:
    """The rooms looked after from here; a server admin sees all there are."""
    everywhere = call.context.settings.permission_of(call.actor) is Permission.ADMIN
    return replies.room_list(await rooms.managed(call.context, call.room, everywhere=everywhere), call.room)


async def list_invites(call: Call, room: ProtectedRoom) -> Notice:
    """The third-party invites of a room that are pending or standing."""
    found = await requests.invites(call.context, room.room_id)
    return replies.invite_list(Room(room.room_id, room.label), found, call.context.now())


async def show(call: Call, meant: Meant) -> Notice:
    """One request, or several, with all there is to know; of very many, the newest ones."""
    shown = meant.found[-MOST_SHOWN:]
    stories = [one.said if isinstance(one, Refused) else await _story(call, one) for one in shown]
    return replies.shown_requests(stories, len(meant.found) - len(shown))


async def _story(call: Call, request: Request) -> requests.Story:
    return await requests.story(call.context, await disclosing.as_shown_to(call.context, call.actor, request))


MOST_SHOWN = 10
"""Requests that one reply shows with all there is to know."""


async def list_queue(call: Call) -> Notice:
    """What is pending, due and failing."""
    return replies.queue(await queue.of_management_room(call.context, call.room), call.context.now())


async def check(call: Call, room: ProtectedRoom) -> Notice:
    """What the bot has and needs in a room."""
    try:
        view = await call.context.outside.room(room.room_id)
        found = await checkup.checklist(call.context, view)
        in_force = await rules.look_up(call.context, room.room_id, at_expense_of=call.room)
        async with call.context.db.tx() as tx:
            rehearses = await place.is_in_dry_run(call.context, tx, room.room_id)
            decide = await layers.of(tx, room.room_id)
            named = [*await names.of_room(call.context, tx, room), *await names.of_policies(tx, in_force.layers)]
            named += await policy_lists.amiss(call.context, tx, room.room_id)
            meant = [room_id for layer in in_force.layers for room_id in await rules.members_asked_of(tx, layer)]
        found += await checkup.powerless(call.context, room.room_id, in_force.layers)
        found += await checkup.unseen(call.context, dict.fromkeys(meant))
    except Never:
        found, named, rehearses, decide = [checkup.NOT_IN_IT], [], False, ()
    async with call.context.db.tx() as tx:
        managed = await spaces.managed_with(tx, room)
        within, followed = await spaces.spaces_of(tx, room, managed), await spaces.followed(tx, room, managed)
        wave = await waves.at(tx, room.room_id)
    called = notice("room.called", room=Room(room.room_id, room.label))
    in_dry_run = replies.IN_DRY_RUN if rehearses else None
    origins = inheriting.origins(room.room_id, decide)
    lines = [*dict.fromkeys(named), *shown_spaces.belongs(within), *shown_spaces.tree(followed)]
    in_wave = replies.wave_shown(wave) if wave is not None else None
    return below(called, checkup.told(found), in_wave, *origins, in_dry_run, *lines)


async def policy_show(call: Call, room: ProtectedRoom, number: int | None) -> Answered:
    """The policy in force, or an old one, as it was written. One that is longer than a message comes as a file too."""
    if number is None:
        written = await policies.in_force(call.context, room.room_id, at_expense_of=call.room)
    else:
        old = await policies.revision(call.context, room.room_id, number)
        if old is None:
            raise no_such_revision(room, number)
        written = old
    said = replies.policy_shown(Room(room.room_id, room.label), written)
    if len(written.text) <= replies.POLICY_LIMIT:
        return said
    document = Document("policy.yaml", "application/yaml", written.text, call.cause, call.message.thread)
    to = Audience(call.room, place=room.room_id)

    async def write(turn: Turn) -> Reply:
        turn.at_last(partial(saying.send_file, call.context, turn, to, call.cause, document))
        return said

    return write


async def policy_log(call: Call, room: ProtectedRoom) -> Notice:
    """Who changed the policy, and when."""
    found = await policies.revisions(call.context, room.room_id, REVISIONS)
    async with call.context.db.tx() as tx:
        decide = await layers.of(tx, room.room_id)
    return replies.policy_revisions(Room(room.room_id, room.label), found, decide)


async def test(call: Call, room: ProtectedRoom, user_id: str, reason: str) -> Notice:
    """What the policy in force would do with somebody, rule by rule; nothing is done."""
    case = await _imagined(call, room, user_id, reason[:REASON_KEPT])  # as much as is kept of a real one
    in_force = await rules.look_up(call.context, room.room_id, at_expense_of=call.room)
    judgement = await judge(call.context, in_force, case, at_expense_of=call.room, asked_by=call.actor)
    decision = await course.as_held(call.context, room.room_id, judgement.decision)
    return replies.tested(Room(room.room_id, room.label), case.knock, decision)


async def _imagined(call: Call, room: ProtectedRoom, user_id: str, reason: str) -> Case:
    """The knock of a user with this reason; where they knock just now, with the name and picture they show."""
    try:
        member = await call.context.outside.member(room.room_id, user_id)
    except Never:
        member = None
    if member is None or member.membership is not Membership.KNOCK:
        found = await bringing.look(call.context, room.room_id, reason)
        return Case(Knock(room.room_id, user_id, "", found.text, code=found.code), unseen=True)
    found = await bringing.look(call.context, room.room_id, reason or member.reason)
    return Case(Knock(room.room_id, user_id, "", found.text, member.display_name, member.has_avatar, found.code))


async def log(call: Call, about: tuple[Request, ...] | str | None) -> Notice:
    """Who decided what, when, by which rule: of one request or of those on a card, of one applicant, or of late."""
    if isinstance(about, tuple) and len(about) == 1:
        return replies.log(await record.of_request(call.context, call.room, about[0].id))
    if isinstance(about, tuple):
        found = [one.id for one in about]
        return replies.log(await record.of_requests(call.context, call.room, found, LOG_LINES))
    return replies.log(await record.latest(call.context, call.room, LOG_LINES, about))
