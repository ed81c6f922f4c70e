"""The commands by which people are approved before they knock, one by one or as a list."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from knockbot.chat import files, replies
from knockbot.chat.arguments import A_ROOM, SOME_ROOM, Argument, optional
from knockbot.chat.calls import (
    Answered,
    Call,
    Misuse,
    Reply,
    manages_rooms,
    named_room,
    only_room,
    replied_to,
    unknown_room,
)
from knockbot.chat.command import Command
from knockbot.chat.typed import linked_lines
from knockbot.documents.zones import UTC, zone
from knockbot.domain import approvals
from knockbot.domain.approvals import Entry, Written
from knockbot.domain.may import Deed
from knockbot.domain.model import File, Membership
from knockbot.domain.notices import (
    Arg,
    Code,
    Document,
    Letters,
    Notice,
    Number,
    Room,
    Stranger,
    User,
    below,
    notice,
)
from knockbot.domain.reasons import people
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.features.preapproval import giving
from knockbot.features.preapproval.giving import Given, Order, TakenBack
from knockbot.flow import place
from knockbot.store import rooms
from knockbot.store.approvals import Approval
from knockbot.store.rooms import ProtectedRoom
from knockbot.views import approvals as views
from knockbot.views.approvals import Approved

SHOWN = 50
"""Approvals that one reply shows."""

SHOWN_OF_EACH = 10
"""The same of each room, where it shows several."""

ALIKE = 0.75
"""How alike a word and the name of a room are, from 0 to 1, where the word is probably the room."""

SHOWN_LETTERS = 60
"""Letters of a word that a reply asks about."""

MOST_BYTES = 5 * 2**20
"""Bytes of a file."""

RULE = """rules:
  - name: pre-approved
    when: { pre_approved: true }
    then: accept"""
"""The rule without which no approval counts."""


# --- what is typed --------------------------------------------------------------------------------------------


async def _who(call: Call, text: str) -> tuple[str | None, str] | None:
    """The user or server that a command begins with; it may be left out where a list follows."""
    first, _, rest = text.partition(" ")
    if first and (first[0] == "@" or "*" in first or approvals.is_who(first)):
        return approvals.read_who(first), rest.strip()
    message = call.message
    if call.below.strip() or message.file is not None:
        return None, text
    applicants = {request.user_id for request in await replied_to(call)} - {""}
    if len(applicants) == 1:
        return applicants.pop(), text
    return (None, text) if message.in_reply_to is not None else None


async def _room(call: Call, text: str) -> tuple[ProtectedRoom, str] | None:
    """A room managed from here; it may be left out where it is the only one."""
    found = await named_room(call, text) if text else None
    if found is not None:
        return found
    only = await _room_of_card(call) or await only_room(call)
    if only is None and not await manages_rooms(call):
        raise Refused(replies.no_rooms())
    if only is not None:
        _insist_on_no_room(text, only)
    return (only, text) if only is not None else None


async def _room_alone(call: Call, text: str) -> tuple[ProtectedRoom, str] | None:
    """The same where no note can follow: what may be a room is one that is unknown here."""
    if text and await named_room(call, text) is None:
        only = await _room_of_card(call) or await only_room(call)
        if only is None or _is_nearly(text, only):
            raise Refused(unknown_room(text))
    return await _room(call, text)


async def _room_of_card(call: Call) -> ProtectedRoom | None:
    """The room of the card that a command replies to, if it is managed from here; none where the card has several."""
    shown = {request.room_id for request in await replied_to(call)}
    if len(shown) != 1:
        return None
    async with call.context.db.tx() as tx:
        room = await rooms.find(tx, shown.pop())
    return room if room is not None and room.management_room == call.room else None


def _insist_on_no_room(text: str, only: ProtectedRoom) -> None:
    """Raises `Refused` where a text begins with nearly the name of the only room: it is hardly a note."""
    if _is_nearly(text, only) and not approvals.is_quoted(text):
        typed = Letters(_as_long_as_a_name(text, only), SHOWN_LETTERS)
        raise Refused(notice("allow.name_in_note", text=typed, room=_called(only)))


def _as_long_as_a_name(text: str, room: ProtectedRoom) -> str:
    return " ".join(text.split()[: len(room.name.split())])


def _is_nearly(text: str, room: ProtectedRoom) -> bool:
    typed = _as_long_as_a_name(text, room).casefold()
    alike = difflib.SequenceMatcher(None, typed, room.name[:SHOWN_LETTERS].casefold()).ratio()
    return bool(typed) and alike >= ALIKE


async def _until(_: Call, text: str) -> tuple[str, str] | None:
    """What is written after `until`; it is read once the room is known, whose days count."""
    until, rest = approvals.split_until(text)
    return (until, rest) if until is not None else None


async def _note(_: Call, text: str) -> tuple[str, str]:
    return text, ""


WHOM = notice("ask.allow")
WHO = Argument("@user", WHOM, "@ana:example.org", _who, takes_lines=True)
ALLOWED_ROOM = Argument("ROOM", notice("ask.room"), A_ROOM, _room)
DISALLOWED_ROOM = replace(ALLOWED_ROOM, read=_room_alone)
UNTIL = optional(Argument("until DATE", None, "until 2026-12-24", _until))
NOTE = optional(Argument("note", None, "from the choir", _note))


@dataclass(frozen=True, slots=True)
class _Days:
    """The days of a room: when each ends."""

    zone: str
    today: date

    def end(self, day: date) -> int:
        return approvals.end_of(day, zone(self.zone))

    def told(self, until: int) -> Notice:
        """The day that ends then."""
        day = approvals.today(until, zone(self.zone))
        return notice("allow.until", date=Code(day.isoformat()), zone=Letters(self.zone))

    def end_told(self, until: int | None) -> Notice:
        """The same, or that there is no such day."""
        return self.told(until) if until is not None else notice("allow.no_end")


async def _days(call: Call, room: ProtectedRoom) -> _Days:
    async with call.context.db.tx() as tx:
        there = await place.find(call.context, tx, room.room_id)
    name = there.settings.timezone if there is not None else UTC
    return _Days(name, approvals.today(call.context.now(), zone(name)))


async def _written(call: Call, who: str | None, until: str | None, note: str, days: _Days) -> Written:
    """All who are meant: in the command, on the lines below, in the file. Lines and rows may have dates and notes of
    their own."""
    day, note = approvals.read_terms(until, note, days.today)
    below_it, linked = call.below, linked_lines(call.message)
    lists = [approvals.read_lines_or(below_it, linked, days.today)] if below_it.strip() else []
    file = await files.meant(call) if call.message.file is not None or (who is None and not lists) else None
    if file is not None:
        lists += [await _table(call, file, days.today)]
    if who is None and not lists:
        raise Misuse(WHOM)
    first = Written((Entry(who, day, note),) if who is not None else ())
    return approvals.together(first, *(_with_defaults(one, day, note) for one in lists))


def _with_defaults(written: Written, day: date | None, note: str) -> Written:
    entries = [replace(entry, until=entry.until or day, note=entry.note or note) for entry in written.entries]
    return replace(written, entries=tuple(entries))


async def _table(call: Call, file: File, today: date) -> Written:
    """What a file says. Raises `Refused`, and `Busy` where reading it has to wait."""
    too_large = notice("allow.large_file", most=Number(MOST_BYTES // 2**20))
    content = await files.content(call, file, MOST_BYTES, too_large)
    return await call.context.workbench.work_out(call.room, partial(approvals.read_table, content, today))


async def _order(call: Call, room: ProtectedRoom, written: Written, days: _Days) -> Order:
    """What is to be written about them."""
    now = call.context.now()
    entries = [
        Approval(
            room.room_id,
            entry.who,
            call.actor,
            now,
            days.end(entry.until) if entry.until is not None else None,
            entry.note,
            call.cause,
        )
        for entry in written.entries
    ]
    return Order(room, call.actor, call.cause, entries, await giving.is_asked_for(call.context, room))


# --- what is done ---------------------------------------------------------------------------------------------


async def allow(call: Call, who: str | None, room: ProtectedRoom, until: str | None, note: str) -> Answered:
    """Approve people in advance."""
    await giving.insist(call.context, room, call.actor, "allow")
    days = await _days(call, room)
    written = await _written(call, who, until, note, days)
    if any(entry.who == call.context.bot for entry in written.entries):
        raise Refused(notice("allow.myself", bot=User(call.context.bot)))
    order = await _order(call, room, written, days)
    needless = await _needless(call, room, order.whom)

    async def give(turn: Turn) -> Reply:
        return below(_given(order, written, days, await giving.give(call.context, turn, order)), needless)

    return give


async def _needless(call: Call, room: ProtectedRoom, whom: Sequence[str]) -> Notice | None:
    """Why it helps somebody little to be approved: they are in the room, banned, or hardly anybody; only one is looked
    up."""
    if len(whom) != 1 or approvals.is_about(whom[0]):
        return None
    member = await call.context.outside.member(room.room_id, whom[0])
    user, membership = User(whom[0]), member.membership if member is not None else None
    if membership is Membership.JOIN:
        return notice("allow.joined", user=user, room=_called(room))
    if membership is Membership.BAN:
        return notice("allow.banned", user=user, room=_called(room))
    lower = User(whom[0].lower())
    return notice("allow.capitals", user=user, lower=lower) if approvals.has_capitals(whom[0]) else None


async def disallow(call: Call, who: str | None, room: ProtectedRoom) -> Answered:
    """Take approvals back, whoever gave them."""
    await giving.insist(call.context, room, call.actor, "disallow")
    days = await _days(call, room)
    order = await _order(call, room, await _written(call, who, None, "", days), days)

    async def take_back(turn: Turn) -> Reply:
        return _taken_back(order, await giving.take_back(call.context, turn, order))

    return take_back


async def allowed(call: Call, only: ProtectedRoom | None) -> Notice:
    """Who is approved in advance, in all rooms or in one."""
    async with call.context.db.tx() as tx:
        managed = [only] if only is not None else await rooms.managed_by(tx, call.room)
    if not managed:
        raise Refused(replies.no_rooms())
    limit = SHOWN if len(managed) == 1 else SHOWN_OF_EACH
    shown = [(await views.of_room(call.context, room, limit), await _days(call, room)) for room in managed]
    return below(*(_shown(approved, days) for approved, days in shown))


# --- what is said ---------------------------------------------------------------------------------------------


def _called(room: ProtectedRoom) -> Room:
    return Room(room.room_id, room.label)


def _given(order: Order, written: Written, days: _Days, given: Given) -> Notice:
    return below(
        notice("allow.done", room=_called(order.room), who=people(order.whom)),
        _terms(order.entries, days),
        _renewed(order, days, given),
        notice("allow.repeated", count=Number(written.repeated)) if written.repeated else None,
        _waits(order.whom, given.waiting),
        *([] if order.asks else _no_rule(order.room)),
    )


def _renewed(order: Order, days: _Days, given: Given) -> Notice | None:
    """Whom the same person had approved before; of a single one, until when before and now."""
    if len(given.renewed) != 1:
        return notice("allow.renewed", who=people(sorted(given.renewed))) if given.renewed else None
    [(who, before)] = given.renewed.items()
    [now] = [one.until for one in order.entries if one.who == who]
    if before == now:
        return notice("allow.renewed_same", who=people([who]))
    return notice("allow.renewed_one", who=people([who]), before=days.end_told(before), now=days.end_told(now))


def _waits(whom: Sequence[str], waiting: int) -> Notice | None:
    """How many of these are waiting, and so are judged again."""
    if waiting == len(whom) == 1 and not approvals.is_about(whom[0]):
        return notice("allow.one_waits", who=people(whom))
    return notice("allow.waiting", count=Number(waiting)) if waiting else None


def _terms(entries: Sequence[Approval], days: _Days) -> Notice | None:
    """The date and the note, where they are the same for all."""
    until, notes = {one.until for one in entries}, {one.note for one in entries}
    day = until.pop() if len(until) == 1 else None
    note = notes.pop() if len(notes) == 1 else ""
    said = [
        days.told(day) if day is not None else None,
        notice("allow.note", note=Stranger(note, approvals.LONGEST_NOTE)) if note else None,
    ]
    return replies.dotted(said) if any(said) else None


def _no_rule(room: ProtectedRoom) -> list[Notice]:
    """No rule asks who is approved: then it changes nothing."""
    called, key = _called(room), Code("pre_approved")
    said = notice("allow.no_rule", room=called, key=key, command=Code("!kb policy set"))
    if room.locked:
        said = notice("allow.no_rule_locked", room=called, key=key)
    return [said, notice("policy.text", text=Document(RULE))]


def _taken_back(order: Order, back: TakenBack) -> Notice:
    room = _called(order.room)
    return below(
        notice("disallow.done", room=room, who=people(back.gone)) if back.gone else None,
        notice("disallow.missing", room=room, who=people(back.missing)) if back.missing else None,
        *(_still(server) for server in back.servers[:SHOWN_OF_EACH]),
        *(notice("disallow.space", room=room, space=space) for space in back.spaces),
        notice("disallow.invited", who=people(back.invited, most=SHOWN_OF_EACH)) if back.invited else None,
        _waits(order.whom, back.waiting),
    )


def _still(server: str) -> Notice:
    """Everybody from a server is approved, and so a user of it is, too."""
    return notice("disallow.server", server=Letters(server), command=Code(f"!kb disallow *:{server}"))


def _shown(approved: Approved, days: _Days) -> Notice:
    room, count = _called(approved.room), Number(approved.count)
    if not approved.count:
        head = notice("allowed.none", room=room)
    elif approved.count > len(approved.newest):
        head = notice("allowed.newest", count=count, room=room, shown=Number(len(approved.newest)))
    else:
        head = notice("allowed.head", count=count, room=room)
    void = [notice("allowed.void", by=User(giver), why=why) for giver, why in approved.void.items()]
    spaces = [notice("allowed.space", space=space, room=room) for space in approved.spaces]
    return below(head, *(_row(one, days) for one in approved.newest), *void, *spaces)


def _row(one: Approval, days: _Days) -> Notice:
    parts: list[Arg | None] = [
        notice("allowed.row", who=people([one.who]), by=User(one.given_by)),
        days.told(one.until) if one.until is not None else None,
        notice("allow.note", note=Stranger(one.note, approvals.LONGEST_NOTE)) if one.note else None,
    ]
    return replies.dotted(parts)


COMMANDS = (
    Command("allow", (WHO, ALLOWED_ROOM, UNTIL, NOTE), allow, Deed.ALLOW),
    Command("disallow", (WHO, DISALLOWED_ROOM), disallow, Deed.ALLOW),
    Command("allowed", (SOME_ROOM,), allowed, Deed.LOOK),
)
"""How people are approved before they knock."""
