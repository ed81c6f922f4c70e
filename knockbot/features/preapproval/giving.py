"""Approving people before they knock, and taking that back, in the turn of the command that asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from knockbot.domain.approvals import is_about, names_of
from knockbot.domain.ids import server_of, whole_server
from knockbot.domain.may import Deed
from knockbot.domain.model import Because, Fact, Rejudge
from knockbot.domain.notices import Code, Number, Room, notice
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.flow import authority, inheriting, journal, rejudging, rules
from knockbot.flow.authority import Wanted
from knockbot.flow.context import Context
from knockbot.flow.records import record_of_room
from knockbot.store import approvals, layers, requests
from knockbot.store.approvals import Approval
from knockbot.store.rooms import ProtectedRoom

MOST = 20_000
"""Approvals of one room that are kept."""

ALLOWED = Code("!kb allowed")

NAMED = 20
"""How many people a line of the log names."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who is to be approved, or no longer, and by whose command."""

    room: ProtectedRoom
    actor: str
    cause: str
    entries: Sequence[Approval]
    asks: bool
    """Whether a rule of the policy asks who is pre-approved."""

    @property
    def whom(self) -> list[str]:
        """The users and servers in it."""
        return [one.who for one in self.entries]


@dataclass(frozen=True, slots=True)
class Given:
    """What came of it."""

    renewed: Mapping[str, int | None]
    """Who was approved by the same person before, and until when."""
    waiting: int
    """How many requests are judged again because of it."""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What came of it."""

    gone: Sequence[str]
    missing: Sequence[str]
    """Those who were not approved."""
    servers: Sequence[str]
    """The servers of users among them, from which everybody is approved still."""
    spaces: Sequence[Room]
    """The spaces whose policy decides in the room, too, for which some of them are approved still."""
    invited: Sequence[str]
    """Those who were accepted and have not joined yet: they stay invited."""
    waiting: int
    """How many requests are judged again because of it."""


async def let_go(_: Context, turn: Turn, room: ProtectedRoom) -> None:
    """A room is not managed from here any more: who comes then reads no note that was written here."""
    await approvals.forget_notes(turn.tx, room.room_id)


async def insist(context: Context, room: ProtectedRoom, actor: str, called: str) -> None:
    """Check that this person may approve people here, or take that back. Raises `Refused` if not."""
    with journal.refusing(actor, called, room.room_id):
        await authority.insist(context, Wanted(Deed.ALLOW, actor, Room(room.room_id, room.label)))


async def is_asked_for(context: Context, room: ProtectedRoom) -> bool:
    """Whether a rule of the policy in force asks who is pre-approved. May raise `Busy`."""
    in_force = await rules.look_up(context, room.room_id, at_expense_of=room.management_room)
    return Fact.PRE_APPROVED in in_force.policy.needed


async def give(context: Context, turn: Turn, order: Order) -> Given:
    """Approve them all. Raises `Refused` where the room would have too many."""
    room_id = order.room.room_id
    renewed = await approvals.given_before(turn.tx, room_id, order.actor, order.whom)
    if await approvals.count(turn.tx, room_id, turn.now) + len(order.entries) - len(renewed) > MOST:
        raise Refused(
            notice("allow.too_many", room=Room(room_id, order.room.label), most=Number(MOST), command=ALLOWED)
        )
    await approvals.give(turn.tx, order.entries)
    await record_of_room(turn, room_id, order.actor, Recorded.ALLOWED, whom=order.whom[:NAMED], people=len(order.whom))
    return Given(renewed, await _judge_again(context, turn, order, order.whom))


async def take_back(context: Context, turn: Turn, order: Order) -> TakenBack:
    """Approve them no longer, whoever approved them."""
    room_id = order.room.room_id
    found = await approvals.take_back(turn.tx, room_id, order.whom)
    gone = [who for who in order.whom if who in found]
    if gone:
        await record_of_room(turn, room_id, order.actor, Recorded.DISALLOWED, whom=gone[:NAMED], people=len(gone))
    users = [who for who in order.whom if not is_about(who)]
    return TakenBack(
        gone,
        missing=[who for who in order.whom if who not in found],
        servers=await _approved_servers(turn, room_id, users),
        spaces=await _approving_spaces(turn, room_id, order.whom),
        invited=[user for user in await requests.invited(turn.tx, room_id) if not found.isdisjoint(names_of(user))],
        waiting=await _judge_again(context, turn, order, gone) if gone else 0,
    )


async def _approved_servers(turn: Turn, room_id: str, users: Sequence[str]) -> list[str]:
    servers = {whole_server(server_of(user)) for user in users}
    return sorted(map(is_about, await approvals.approved_among(turn.tx, room_id, sorted(servers), turn.now)))


async def _approving_spaces(turn: Turn, room_id: str, whom: Sequence[str]) -> list[Room]:
    decide = [layer for layer in await layers.of(turn.tx, room_id) if layer.room_id != room_id]
    return [
        Room(layer.room_id, layer.label)
        for layer in decide
        if await approvals.approved_among(turn.tx, layer.room_id, whom, turn.now)
    ]


async def _judge_again(context: Context, turn: Turn, order: Order, whom: Sequence[str]) -> int:
    """Have the requests of these judged again, where the policy asks; returns how many wait now."""
    if not order.asks:
        return 0
    waiting = 0
    for room in (order.room, *await inheriting.takers(turn.tx, order.room)):
        again = Rejudge(room.room_id, Because.PRE_APPROVAL, order.cause, whom=tuple(whom))
        await rejudging.plan_for(context, turn, again)
        waiting += len(await rejudging.waiting(turn.tx, room.room_id, whom))
    return waiting


async def forget_ended(_: Context, turn: Turn) -> None:
    """Delete the approvals whose time is over."""
    await approvals.forget_ended(turn.tx, turn.now)


async def took_place(turn: Turn, old: str, new: str) -> None:
    """A room was replaced: its approvals count in the new one, if their givers have the power there."""
    await approvals.move_over(turn.tx, old, new)
