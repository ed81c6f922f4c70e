"""Telling applicants of other servers that they were rejected, which no homeserver does (docs/federation.md).

By a message, in a room made for that; or by an invite that carries the reason and is taken back at once. Such an invite
says in its own content that it is none (`MemberChange.carries`), and while it stands the request is one that is being
rejected, so that nothing that reads the room or the records can take it for an accept. It is planned as two acts:
`open` is written down before the invite, and `shut` in the transaction that ends `open`, whatever came of it; so a kick
always follows.
"""

from __future__ import annotations

from knockbot.domain import plan
from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.ids import server_of
from knockbot.domain.model import Answer, Effect, Kind, MemberChange, Membership, Request, State, Verdict
from knockbot.domain.policy import NotifyRemote
from knockbot.domain.power import Powers
from knockbot.flow import rules
from knockbot.flow.door import Door, RoomView
from knockbot.store import effects, requests
from knockbot.store.db import Tx

DAY = 24 * 3600 * 1000
HOUR = 3600 * 1000

STAYS = 7 * DAY
"""Milliseconds that the bot stays in a room made to tell somebody, so that they can come and read."""


async def planned(door: Door, tx: Tx, request: Request, answer: Answer) -> tuple[Effect, ...]:
    """The acts that carry out an answer; of a rejection, those that tell it to an applicant from elsewhere as well.

    At most once per applicant and day, and so many in all: what is beyond that is dropped without a word.
    """
    acts = plan.plan(request, answer, door.home)
    if not _concerns(door, request, answer):
        return acts
    how = (await rules.in_force(door, tx, request.room_id)).policy.notify_remote
    if how is NotifyRemote.OFF or not await _within_limits(door, tx, request.user_id):
        return acts
    if how is NotifyRemote.MESSAGE:
        return (*acts, plan.write(request, answer, door.now() // DAY))
    if await effects.is_silent(tx, server_of(request.user_id), door.now(), door.now() - HOUR):
        return acts  # to try would keep everybody at that door waiting
    return (plan.open_door(request, acts[0]),)


def _concerns(door: Door, request: Request, answer: Answer) -> bool:
    rejected = answer.verdict is Verdict.REJECT and answer.rule != SERVER_ACL
    return (
        rejected
        and request.kind is Kind.KNOCK
        and request.moved_from is None
        and server_of(request.user_id) != door.home
    )


async def _within_limits(door: Door, tx: Tx, user_id: str) -> bool:
    told, in_all = await effects.told_since(tx, user_id, door.now() - DAY)
    return told == 0 and in_all < door.settings.notices.per_day


# --- the invite that is none ----------------------------------------------------------------------------------


def is_passing(door: Door, change: MemberChange) -> bool:
    """Whether this invite was made only to carry the reason of a rejection. Of others' invites it says nothing."""
    return change.membership is Membership.INVITE and change.sender == door.bot and change.carries is not None


async def came_by_it(door: Door, change: MemberChange) -> bool | None:
    """Whether somebody joined by such an invite, who may have changed their name since; none if nobody can tell."""
    for _ in range(NAMES_CHANGED):
        if change.membership is not Membership.JOIN:
            return is_passing(door, change)
        before = await door.outside.past_member(change.room_id, change.replaces) if change.replaces else None
        if before is None:
            return None
        change = before
    return None


NAMES_CHANGED = 5


def hindrance(door: Door, view: RoomView, powers: Powers, user_id: str) -> str | None:
    """Why this room's door is not opened to tell somebody; `None` where nothing stands in the way."""
    if view.join_rule != "knock":
        return f"the room's join rule is {view.join_rule}"
    if view.encrypted:
        return "the room is encrypted"
    missing = [verdict for verdict in (Verdict.ACCEPT, Verdict.REJECT) if not powers.may(door.bot, verdict, user_id)]
    return "I lack the power for it" if missing else None


def is_called_for(request: Request) -> bool:
    """Whether a request is still to be rejected."""
    return request.open and request.answer is not None and request.answer.verdict is Verdict.REJECT


async def slipped_in(door: Door, change: MemberChange) -> bool:
    """Whether somebody is in only because the door was opened to tell them that they are rejected.

    Where nobody can tell how they came in, it was that.
    """
    if change.membership is not Membership.JOIN:
        return False
    async with door.db.tx() as tx:
        opened = [await was_opened(tx, request) for request in await requests.about(tx, change.room_id, change.user_id)]
    return any(opened) and await came_by_it(door, change) is not False


async def was_opened(tx: Tx, request: Request) -> bool:
    """Whether the door was, or may have been, opened to somebody who is still to be rejected."""
    return is_called_for(request) and await effects.has_opened(tx, request.id)


async def meaning(tx: Tx, request: Request, state: State | None) -> State | None:
    """What a change of membership that means `state` means where it was opened: who declines was rejected."""
    declined = state is State.WITHDRAWN and await was_opened(tx, request)
    return State.REJECTED if declined else state


async def take_back(door: Door, tx: Tx, change: MemberChange) -> None:
    """See to it that an invite of this kind does not stay, even where nothing on record knows of it."""
    if not await effects.is_known(tx, change.carries or ""):
        await effects.add(tx, [plan.shut_stray(change)], door.now(), due_at=0)
