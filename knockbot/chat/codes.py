"""The commands by which moderators make codes that let people in, look at them, and end them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from knockbot.chat import replies
from knockbot.chat.arguments import ROOM, SOME_ROOM, Argument, optional
from knockbot.chat.calls import Answered, Call, Misuse, Reply
from knockbot.chat.command import Command
from knockbot.documents.zones import UTC, zone
from knockbot.domain import approvals
from knockbot.domain.codes import LONGEST_NAME, MOST_USES, is_name
from knockbot.domain.may import Deed
from knockbot.domain.notices import Code, Document, Moment, Notice, Number, Room, Stranger, User, below, notice
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.features.codes import making
from knockbot.features.codes.making import Made, Order, Shown
from knockbot.flow import authority, place
from knockbot.store import rooms
from knockbot.store.rooms import ProtectedRoom

RULE = """rules:
  - name: code
    when: { code: true }
    then: accept"""
"""The rule without which no code counts."""

_EXAMPLE = Code("!kb code new #garden:example.org uses:5 until:2027-01-31 choir")

_PART = re.compile(r"(uses|until)\s*[:=\s]\s*(\S+)", re.IGNORECASE)


async def _terms(_: Call, text: str) -> tuple[dict[str, str], str]:
    """How many, until when, and its name, in any order."""
    said = {part[1].lower(): part[2] for part in _PART.finditer(text)}
    said["name"] = " ".join(_PART.sub(" ", text).split())
    return said, ""


async def _name(_call: Call, text: str) -> tuple[str, str] | None:
    first, _, rest = text.partition(" ")
    return (first.strip('"“”„'), rest.strip()) if first else None


TERMS = optional(Argument("uses:5 until:DATE name", None, "uses:5 choir", _terms))
NAME = Argument("NAME", notice("ask.code_name"), "choir", _name)


async def new(call: Call, room: ProtectedRoom, said: dict[str, str] | None) -> Answered:
    """Make a code."""
    await making.insist(call.context, room, call.actor, "code new")
    terms, zone_name = said or {}, await _zone(call, room)
    name = terms.get("name", "").strip('"“”„')
    if name and not is_name(name):
        raise Refused(notice("codes.bad_name", most=Number(LONGEST_NAME), example=_EXAMPLE))
    until = _until(call, terms.get("until"), zone_name)
    order = Order(room, call.actor, call.cause, name, _uses(terms.get("uses")), until)
    asked = await making.is_asked_for(call.context, room)

    async def make(turn: Turn) -> Reply:
        return _made(order, await making.make(turn, order), zone_name, asked=asked)

    return make


async def _zone(call: Call, room: ProtectedRoom) -> str:
    async with call.context.db.tx() as tx:
        there = await place.find(call.context, tx, room.room_id)
    return there.settings.timezone if there is not None else UTC


def _uses(said: str | None) -> int:
    if said is None:
        return 1
    if not re.fullmatch("[0-9]{1,4}", said) or not 1 <= int(said) <= MOST_USES:
        raise Refused(notice("codes.bad_uses", most=Number(MOST_USES), example=_EXAMPLE))
    return int(said)


def _until(call: Call, said: str | None, zone_name: str) -> int | None:
    """The end of the day that is meant, by the clocks of the room."""
    if said is None:
        return None
    today = approvals.today(call.context.now(), zone(zone_name))
    return approvals.end_of(approvals.read_day(said, today), zone(zone_name))


def _made(order: Order, made: Made, zone_name: str, *, asked: bool) -> Notice:
    room, uses = Room(order.room.room_id, order.room.label), Number(order.uses)
    terms = notice("codes.terms", count=uses)
    if order.until is not None:
        terms = notice("codes.terms_until", count=uses, until=Moment(order.until, zone_name))
    no_rule = notice("codes.no_rule", room=room, key=Code("code"), command=Code("!kb policy set"))
    return below(
        notice("codes.made", name=Stranger(made.name), room=room, code=Code(made.code)),
        terms,
        notice("codes.redact", room=room),
        *([] if asked else [no_rule, notice("policy.text", text=Document(RULE))]),
    )


async def end(call: Call, name: str, room: ProtectedRoom | None) -> Answered:
    """End a code."""
    meant = await _meant(call, name, room)
    await making.insist(call.context, meant, call.actor, "code end")

    async def write(turn: Turn) -> Reply:
        ended = await making.end(call.context, turn, meant, call.actor, name)
        return notice("codes.ended", name=Stranger(ended.name), room=Room(meant.room_id, meant.label))

    return write


async def _meant(call: Call, name: str, room: ProtectedRoom | None) -> ProtectedRoom:
    """The room whose code is meant. Raises `Misuse` where several rooms have one of that name."""
    managed = await _managed(call, room)
    having = [one for one in managed if name.casefold() in await _names(call, one)]
    if len(having) > 1:
        raise Misuse(notice("ask.room"))
    return (having or managed)[0]


async def _names(call: Call, room: ProtectedRoom) -> set[str]:
    return {one.code.name.casefold() for one in await making.of_room(call.context, room)}


async def _managed(call: Call, only: ProtectedRoom | None) -> list[ProtectedRoom]:
    async with call.context.db.tx() as tx:
        managed = [only] if only is not None else await rooms.managed_by(tx, call.room)
    if not managed:
        raise Refused(replies.no_rooms())
    return managed


async def show(call: Call, only: ProtectedRoom | None) -> Notice:
    """The codes of all rooms, or of one."""
    return below(*[await _shown(call, room) for room in await _managed(call, only)])


async def _shown(call: Call, room: ProtectedRoom) -> Notice:
    found, zone_name = await making.of_room(call.context, room), await _zone(call, room)
    called = Room(room.room_id, room.label)
    if not found:
        return notice("codes.none", room=called)
    head = notice("codes.head", room=called, count=Number(len(found)))
    return below(head, *(_row(one, zone_name) for one in found), *await _void(call, room, found))


def _row(one: Shown, zone_name: str) -> Notice:
    code = one.code
    name, used, uses, by = Stranger(code.name), Number(one.used), Number(code.uses), User(code.given_by)
    if code.until is None:
        return notice("codes.row", name=name, used=used, uses=uses, by=by)
    return notice("codes.row_until", name=name, used=used, uses=uses, by=by, until=Moment(code.until, zone_name))


async def _void(call: Call, room: ProtectedRoom, found: Sequence[Shown]) -> list[Notice]:
    """Whose codes count for nobody now: they may not invite there any more."""
    said = []
    for by in dict.fromkeys(one.code.given_by for one in found):
        why = await authority.lacking(call.context, by, Deed.CODE, room_id=room.room_id)
        said += [notice("codes.void", by=User(by), why=why)] if why is not None else []
    return said


COMMANDS = (
    Command("code new", (ROOM, TERMS), new, Deed.CODE),
    Command("code end", (NAME, SOME_ROOM), end, Deed.CODE),
    Command("codes", (SOME_ROOM,), show, Deed.LOOK),
)
