"""What commands show that only look: each line of it as a notice."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from knockbot.documents.text import NAME_LIMIT, REASON_LIMIT, shown
from knockbot.domain import card
from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.card import decided_by, policy_key
from knockbot.domain.invites import Address
from knockbot.domain.jobs import Act
from knockbot.domain.model import Decision, Knock, Request
from knockbot.domain.notices import (
    Ago,
    Arg,
    Choice,
    Code,
    Document,
    Dotted,
    Duration,
    Foreign,
    Id,
    Moment,
    Notice,
    Number,
    Numbered,
    Room,
    Rule,
    Stranger,
    Term,
    User,
    because,
    below,
    notice,
    rows,
)
from knockbot.domain.policy import OTHERWISE
from knockbot.domain.reasons import in_words, told_with
from knockbot.domain.records import Detail, Recorded, told
from knockbot.times import SECOND

POLICY_LIMIT = 10_000
"""Characters of a policy shown at most: an event has to hold it twice."""

LONGEST_LIST = 200
"""Requests that a list shows at most: an event holds no more of them, whoever wrote them."""

LONGEST_ADDRESS = 255


def dotted(parts: Iterable[Arg | None]) -> Notice:
    """What stands in one row, with dots between; `None` is left out."""
    return notice("dotted", parts=Dotted(tuple(part for part in parts if part is not None)))


# --- requests -------------------------------------------------------------------------------------------------


def pending_list(
    requests: Sequence[Request], labels: Mapping[str, str], now: int, hidden: Collection[str] = ()
) -> Notice:
    """The open requests, one line each; those at the rooms in `hidden` without their reasons."""
    if not requests:
        return notice("list.nobody")
    listed = requests[:LONGEST_LIST]
    count, most = Number(len(requests)), Number(LONGEST_LIST)
    return below(
        notice("list.oldest", count=count, shown=most) if len(listed) < len(requests) else None,
        *(
            dotted(
                [
                    _pending(request, Room(request.room_id, labels.get(request.room_id, request.room_id)), now),
                    card.standing(request),
                    card.reason_of(request, hidden=request.room_id in hidden),
                ]
            )
            for request in listed
        ),
    )


def _pending(request: Request, room: Room, now: int) -> Notice:
    who, when = card.applicant(request), Ago(now - request.opened_at)
    return notice("list.row", request=Numbered(request.number), who=who, room=room, when=when)


def shown_request(
    request: Request, label: str, history: Sequence[Notice], addressee: Addressed | None = None
) -> Notice:
    """All there is to know about one request."""
    return below(
        card.head(request, label),
        notice("show.sent_to", address=sent_to(addressee)) if addressee is not None else None,
        card.whole_reason_of(request),
        _reason_was_cut(request),
        card.standing(request) or notice("show.waiting"),
        card.withdrawn_perhaps(request),
        card.answered_with(request),
        card.trouble_of(request),
        *explained(request.decision, request),
        *history,
    )


def _reason_was_cut(request: Request) -> Notice | None:
    """That more was written than is kept of a settled request."""
    if request.reason_length is None:
        return None
    return notice("show.reason_was_cut", count=Number(request.reason_length), kept=Number(len(request.reason)))


def explained(decision: Decision | None, request: Request | None = None) -> list[Notice]:
    """A decision, on a request where there is one, with every rule that did not match and why."""
    if decision is None:
        return []
    missed = [notice("explain.missed", rule=Rule(miss.rule), why=miss.why) for miss in decision.missed]
    more = [notice("explain.missed_more", count=Number(decision.left_out))] if decision.left_out else []
    return [_came_to(decision, request), *missed, *more]


def _came_to(decision: Decision, request: Request | None) -> Notice:
    """What a policy said, and by what."""
    verdict, rule = Term(decision.verdict), Rule(decision.rule)
    if decision.unknown is not None:
        return notice("explain.unknown", verdict=verdict, rule=rule, why=decision.unknown)
    if decision.doubt is not None:
        if decision.rule == OTHERWISE:
            return notice("explain.doubt", verdict=verdict, why=decision.doubt)
        return notice("explain.doubt_though", verdict=verdict, rule=rule, why=decision.doubt)
    if decision.rule == SERVER_ACL:
        return notice("explain.server_acl")
    return (
        notice("explain.rule", verdict=verdict, rule=rule)
        if decision.rule != OTHERWISE
        else _otherwise(decision, request)
    )


def _otherwise(decision: Decision, request: Request | None) -> Notice:
    """What a policy said where no rule matched."""
    verdict = Term(decision.verdict)
    if request is not None and request.redeemed:
        return notice("explain.as_invite", verdict=verdict)
    key = policy_key(request, OTHERWISE, decision.verdict) if request is not None else OTHERWISE
    return notice("explain.otherwise", verdict=verdict, key=Code(key or OTHERWISE))


def tested(room: Room, knock: Knock, decision: Decision) -> Notice:
    """What a policy would do; nothing was done."""
    reason = told_with(decision)
    return below(
        notice("test.head", user=User(knock.user_id), room=room),
        *explained(decision),
        notice("test.told", reason=Stranger(reason, REASON_LIMIT)) if reason else None,
    )


# --- the record -----------------------------------------------------------------------------------------------


class Line(Protocol):
    """A line of the audit record, as `store/records.py` keeps it."""

    @property
    def at(self) -> int: ...
    @property
    def room_id(self) -> str: ...
    @property
    def number(self) -> int | None: ...
    @property
    def user_id(self) -> str | None: ...
    @property
    def actor(self) -> str: ...
    @property
    def kind(self) -> Recorded: ...
    @property
    def detail(self) -> Detail: ...


def history_line(line: Line, labels: Mapping[str, str] | None = None) -> Notice:
    """One line of the record: when, about whom or which room, what, and by whom or what.

    `labels` says what rooms are called; without it, the lines around it say what it is about.
    """
    at, what, by = Moment(line.at), told(line.kind, line.detail), decided_by(line.detail.get("rule"), line.actor)
    if labels is None:
        return notice("log.line", moment=at, what=what, by=by)
    if line.number and line.user_id:
        number, user = Numbered(line.number), User(line.user_id)
        return notice("log.line_of_request", moment=at, request=number, user=user, what=what, by=by)
    room = Room(line.room_id, labels.get(line.room_id, line.room_id))
    return notice("log.line_of_room", moment=at, room=room, what=what, by=by)


def log(lines: Sequence[Notice]) -> Notice:
    """The record, or that there is none."""
    return rows(lines) if lines else notice("log.none")


# --- rooms ----------------------------------------------------------------------------------------------------


def room_list(lines: Sequence[Notice]) -> Notice:
    """The rooms looked after from here."""
    return rows(lines) if lines else notice("rooms.none", command=Code("!kb protect #room:server"))


def room_row(room: Room, pending: int, trouble: Notice | None, elsewhere: str | None) -> Notice:
    """One protected room; `elsewhere` is its management room, where that is another."""
    return dotted(
        [
            notice("rooms.row", room=room, id=Id(room.room_id), count=Number(pending)),
            notice("rooms.elsewhere", room=Id(elsewhere)) if elsewhere else None,
            notice("card.trouble", why=trouble) if trouble else None,
        ]
    )


# --- the queue ------------------------------------------------------------------------------------------------


class Waiting(Protocol):
    """A job that has yet to be done, as `store/jobs.py` keeps it."""

    @property
    def act(self) -> Act: ...
    @property
    def room_id(self) -> str: ...
    @property
    def user_id(self) -> str | None: ...
    @property
    def state(self) -> str: ...
    @property
    def due_at(self) -> int: ...
    @property
    def attempts(self) -> int: ...
    @property
    def why(self) -> Notice | None: ...


def queue(waiting: int, lines: Sequence[Notice], acts: int) -> Notice:
    """What waits for moderators, and what waits to be done."""
    return below(
        notice("queue.waiting", count=Number(waiting), command=Code("!kb list")) if waiting else notice("queue.nobody"),
        notice("queue.actions", count=Number(acts)) if acts else notice("queue.no_actions"),
        *lines,
    )


def queue_row(act: Waiting, labels: Mapping[str, str], now: int) -> Notice:
    """One act that has yet to be done."""
    what, when = notice("queue.act", act=Choice(act.act)), _when(act, now)
    if act.user_id:
        what = notice("queue.act_on", act=what, user=User(act.user_id))
    room = Room(act.room_id, labels[act.room_id]) if act.room_id in labels else None
    return dotted(
        [
            notice("queue.row_at", what=what, room=room, when=when)
            if room is not None
            else notice("queue.row", what=what, when=when),
            notice("queue.tried", count=Number(act.attempts)) if act.attempts > 1 else None,
            _brief(act.why) if act.why else None,
        ]
    )


def _when(act: Waiting, now: int) -> Notice:
    if act.state == "running":
        return notice("queue.running")
    if act.state == "blocked":
        return notice("queue.blocked")
    if act.due_at <= now:
        return notice("queue.due")
    return notice("queue.next_try", time=Duration(max(SECOND, act.due_at - now)))


def _brief(why: Notice) -> Notice:
    """A reason that takes no more than a row: what a server says may be long."""
    said = in_words(why)
    return why if len(said) <= REASON_LIMIT else because("foreign", words=Foreign(shown(said, REASON_LIMIT)))


# --- third-party invites --------------------------------------------------------------------------------------


class Addressed(Protocol):
    """Whom an invite went to, as `store/addressees.py` keeps it."""

    @property
    def address(self) -> Address: ...
    @property
    def name(self) -> str: ...


def invite_list(room: Room, found: Sequence[Request], addresses: Mapping[str, Addressed], now: int) -> Notice:
    """The third-party invites of a room, with the address where the bot itself sent it."""
    if not found:
        return notice("invites.none", room=room)
    head = notice("invites.head", room=room)
    if len(found) > LONGEST_LIST:
        head = notice("invites.oldest", room=room, count=Number(len(found)), shown=Number(LONGEST_LIST))
    return below(head, *(_invite_row(one, addresses, now) for one in found[:LONGEST_LIST]))


def _invite_row(request: Request, addresses: Mapping[str, Addressed], now: int) -> Notice:
    addressee = addresses.get(request.invite.token) if request.invite is not None else None
    sign, number, who = card.sign_of(request), Numbered(request.number), card.applicant(request)
    when, what = Ago(now - request.opened_at), card.standing(request) or notice("show.waiting")
    if addressee is None:
        return notice("invites.row", sign=sign, request=number, who=who, when=when, what=what)
    address = sent_to(addressee)
    return notice("invites.row_sent", sign=sign, request=number, who=who, address=address, when=when, what=what)


def sent_to(addressee: Addressed) -> Notice | Code:
    """Whom an invite of the bot's own went to."""
    name = shown(addressee.name, NAME_LIMIT)
    address = Code(shown(str(addressee.address), LONGEST_ADDRESS))
    return notice("sent.named", address=address, name=Stranger(name, NAME_LIMIT)) if name else address


# --- policies -------------------------------------------------------------------------------------------------


def policy_shown(room: Room, source: Notice, text: str, named: Sequence[Notice] = ()) -> Notice:
    """A policy, and what the names in it mean; no more of it than an event can hold twice, as text and as HTML."""
    more = len(text) - POLICY_LIMIT
    return below(
        notice("policy.shown", room=room, source=source),
        notice("policy.text", text=Document(text[:POLICY_LIMIT])),
        notice("policy.more", count=Number(more)) if more > 0 else None,
        *named,
    )


def policy_revisions(room: Room, lines: Sequence[Notice]) -> Notice:
    """Every change of a policy, newest first."""
    if not lines:
        return notice("policy.never_changed", room=room)
    return below(notice("policy.revisions", room=room), *lines)
