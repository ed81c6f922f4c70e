"""What commands reply that only look: the values of `views/` as notices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from knockbot.chat import spaces
from knockbot.documents.text import NAME_LIMIT, REASON_LIMIT, shown
from knockbot.domain import card, disclosure, fitness
from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.card import decided_by, policy_key
from knockbot.domain.card.kinds import waiting
from knockbot.domain.card.who import By, also_invited
from knockbot.domain.cooldown import COOLDOWN
from knockbot.domain.kinds import OTHERWISE
from knockbot.domain.listed import name_of_list
from knockbot.domain.model import Decision, Kind, Knock, Miss, Request, Verdict
from knockbot.domain.naming import verdict_named
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
    Stranger,
    User,
    because,
    below,
    notice,
    rows,
)
from knockbot.domain.reasons import in_words, told_with
from knockbot.domain.records import Recorded, told
from knockbot.flow import inheriting, rules
from knockbot.store.addressees import Addressee
from knockbot.store.jobs import Open
from knockbot.store.layers import LayerOnRecord
from knockbot.store.policies import Revision
from knockbot.store.records import Entry
from knockbot.store.undo_runs import UnderWay
from knockbot.store.waves import Wave
from knockbot.times import SECOND
from knockbot.views.log import Line
from knockbot.views.policies import Inherited, Written
from knockbot.views.queue import Due, Queue, Running
from knockbot.views.requests import Invite, Story
from knockbot.views.rooms import Listed, Managed

POLICY_LIMIT = 10_000
"""Characters of a policy shown at most: an event has to hold it twice."""

BRIEF = 5
"""Lines of explanation, and of history, that each of several requests gets."""

LONGEST_LIST = 200
"""The most requests in one list: more may not fit into an event."""

LONGEST_ADDRESS = 255


def dotted(parts: Iterable[Arg | None]) -> Notice:
    """The parts of one row, with dots between them; `None` is left out."""
    return notice("dotted", parts=Dotted(tuple(part for part in parts if part is not None)))


IN_DRY_RUN = notice("policy.in_dry_run")
"""That the policy does nothing by itself."""


# --- requests -------------------------------------------------------------------------------------------------


def shown_request(story: Story, *, briefly: bool = False) -> Notice:
    """All there is to know about one request; `briefly`, without the end of what is long."""
    request = story.request
    return below(
        card.head(request, story.label),
        notice("show.sent_to", address=sent_to(story.sent_to)) if story.sent_to is not None else None,
        card.reason_of(request) if briefly else card.whole_reason_of(request),
        _reason_was_cut(request),
        card.standing(request) or waiting(request),
        card.withdrawn_perhaps(request),
        card.answered_with(request),
        card.trouble_of(request),
        *(story.remarks[:BRIEF] if briefly else story.remarks),
        *explained(request.decision, request)[: BRIEF if briefly else None],
        *map(history_line, story.history[-BRIEF:] if briefly else story.history),
    )


def shown_requests(stories: Sequence[Story | Notice], left_out: int) -> Notice:
    """The same of several, and how many more there are. Of many, each is told shorter, so that all fit."""
    briefly = len(stories) > 1
    told = [one if isinstance(one, Notice) else shown_request(one, briefly=briefly) for one in stories]
    more = notice("show.more", count=Number(left_out), command=Code("!kb show 12")) if left_out else None
    return below(*told, more)


def _reason_was_cut(request: Request) -> Notice | None:
    """That more was written than is kept of a settled request."""
    if request.reason_length is None:
        return None
    return notice("show.reason_was_cut", count=Number(request.reason_length), kept=Number(len(request.reason)))


def explained(decision: Decision | None, request: Request | None = None) -> list[Notice]:
    """A decision, on a request where there is one, with every rule that did not match and why."""
    if decision is None:
        return []
    if request is not None and request.invited and request.trouble is not None and decision.doubt is not None:
        decision = replace(decision, doubt=request.trouble)  # what is lacking to withdraw the invite, as the card says
    missed = [_missed(miss) for miss in decision.missed]
    more = [notice("explain.missed_more", count=Number(decision.left_out))] if decision.left_out else []
    alike = [notice("card.alike", why=decision.alike)] if decision.alike is not None else []
    return [_came_to(decision, request), *alike, *missed, *more]


def _missed(miss: Miss) -> Notice:
    """That a rule did not match would tell who is in a room that is hidden, since that is what the rule asks."""
    rule = card.rule_of(miss)
    if disclosure.hides(miss.why):
        return notice("explain.missed_hidden", rule=rule, why=miss.why)
    return notice("explain.missed", rule=rule, why=miss.why)


def _came_to(decision: Decision, request: Request | None) -> Notice:
    """What a policy said, and by what."""
    if decision.rehearsed is not None:
        return notice("explain.dry_run", verdict=Choice(decision.rehearsed), by=_would_decide(decision, request))
    return _by_list(decision, request) if name_of_list(decision.rule) is not None else _by_rule(decision, request)


def _by_rule(decision: Decision, request: Request | None) -> Notice:
    verdict, rule = verdict_named(decision.verdict), card.rule_of(decision)
    if decision.unknown is not None:
        return notice("explain.unknown", verdict=verdict, rule=rule, why=decision.unknown)
    if decision.doubt is not None:
        return _doubted(decision, decision.doubt)
    if decision.rule == SERVER_ACL:
        return notice("explain.server_acl")
    if decision.rule == COOLDOWN:
        return notice("explain.cooldown", verdict=verdict, by=decided_by(COOLDOWN, None, card.origin_of(decision)))
    return (
        notice("explain.rule", verdict=verdict, rule=rule)
        if decision.rule != OTHERWISE
        else _otherwise(decision, request)
    )


def _doubted(decision: Decision, why: Notice) -> Notice:
    """That the rule which matches does not decide alone, and why."""
    verdict = verdict_named(decision.verdict)
    if decision.without_answers is not None and decision.verdict is not Verdict.FORWARD:
        by = decided_by(decision.rule, None, card.origin_of(decision))
        return notice("explain.without_answers", verdict=verdict, by=by, why=why)
    if decision.rule == OTHERWISE:
        return notice("explain.doubt", verdict=verdict, why=why)
    return notice("explain.doubt_though", verdict=verdict, rule=card.rule_of(decision), why=why)


def _would_decide(decision: Decision, request: Request | None) -> By:
    """What in a policy in dry run would have decided."""
    rule = decision.rule if request is None else policy_key(request, decision.rule, decision.rehearsed)
    return decided_by(rule, None, card.origin_of(decision))


def _by_list(decision: Decision, request: Request | None) -> Notice:
    """What a policy said where a policy list decided, or could not be asked."""
    verdict = verdict_named(decision.verdict)
    if decision.unknown is not None:
        return notice("explain.list_unknown", verdict=verdict, why=decision.unknown)
    listed = decision.found or because("finding.not_kept")
    if request is not None and request.judged_as is Kind.THIRD_PARTY_INVITE:
        if decision.doubt is not None:
            return notice("explain.listed_inviter_though", verdict=verdict, why=listed, doubt=decision.doubt)
        return notice("explain.listed_inviter", verdict=verdict, why=listed)
    if decision.doubt is not None:
        return notice("explain.listed_though", verdict=verdict, why=listed, doubt=decision.doubt)
    return notice("explain.listed", verdict=verdict, why=listed)


def _otherwise(decision: Decision, request: Request | None) -> Notice:
    """What a policy said where no rule matched."""
    verdict = verdict_named(decision.verdict)
    if request is not None and request.redeemed:
        return notice("explain.as_invite", verdict=verdict)
    key = policy_key(request, OTHERWISE, decision.verdict) if request is not None else OTHERWISE
    said, origin = Code(key or OTHERWISE), card.origin_of(decision)
    if not origin:
        return notice("explain.otherwise", verdict=verdict, key=said)
    return notice("explain.otherwise_of", verdict=verdict, key=said, room=Room("", origin))


def tested(room: Room, knock: Knock, decision: Decision) -> Notice:
    """What a policy would do; nothing was done."""
    reason = told_with(decision)
    return below(
        notice("test.head", user=User(knock.user_id), room=room),
        *explained(decision),
        notice("test.told", reason=reason) if reason else None,
    )


# --- the record -----------------------------------------------------------------------------------------------


def history_line(entry: Entry) -> Notice:
    """One line of the log, where the lines around it say what it is about: when, what, and by whom."""
    at, what, by = _at(entry)
    if entry.kind in _BY_THEMSELVES:
        return notice("log.line_alone", moment=at, what=what)
    return notice("log.line", moment=at, what=what, by=by)


_BY_THEMSELVES = frozenset({Recorded.JOINED, Recorded.DECLINED, Recorded.WITHDRAWN})
"""What says already that the applicant did it."""


def log_line(line: Line) -> Notice:
    """One line of the log: when, about whom or which room, what, and by whom."""
    entry = line.entry
    at, what, by = _at(entry)
    if entry.user_id:
        whose = _whose(entry.number, User(entry.user_id), Room(entry.room_id, line.label) if line.names_room else None)
        if entry.kind in _BY_THEMSELVES:
            return notice("log.line_of_themselves", moment=at, whose=whose, what=what)
        return notice("log.line_of_request", moment=at, whose=whose, what=what, by=by)
    return notice("log.line_of_room", moment=at, room=Room(entry.room_id, line.label), what=what, by=by)


def _whose(number: int | None, user: User, room: Room | None) -> Notice:
    """Whom a line is about; a request that was numbered in another management room has no number here."""
    if number is None:
        return notice("log.of_user_at", user=user, room=room) if room is not None else notice("log.of_user", user=user)
    request = Numbered(number)
    if room is None:
        return notice("log.of_request", request=request, user=user)
    return notice("log.of_request_at", request=request, user=user, room=room)


def _at(entry: Entry) -> tuple[Moment, Notice, Arg]:
    """When, what, and by whom."""
    by = decided_by(entry.detail.get("rule"), entry.actor, entry.detail.get("origin", ""))
    by = also_invited(by, entry.detail.get("also_from", ""), entry.detail.get("origin", ""))
    return Moment(entry.at), told(entry.kind, entry.detail), by


def log(lines: Sequence[Line]) -> Notice:
    """The record, or that there is none."""
    return rows([log_line(line) for line in lines]) if lines else notice("log.none")


# --- rooms ----------------------------------------------------------------------------------------------------


def no_rooms() -> Notice:
    """That none is managed from here, and what changes that."""
    return notice("rooms.none", command=Code("!kb protect #room:server"))


def room_list(managed: Managed, here: str) -> Notice:
    """The rooms managed from `here`, each with what is amiss; of others it is said from where they are managed."""
    lines = [line for one in managed.rooms for line in _room(one, here)]
    lines += map(fitness.told, managed.concerns)
    return rows(lines) if lines else no_rooms()


def _room(one: Listed, here: str) -> list[Notice]:
    room = one.room
    row = dotted(
        [
            notice("rooms.row", room=Room(room.room_id, room.label), id=Id(room.room_id), count=Number(one.waiting)),
            notice("rooms.elsewhere", room=Id(room.management_room)) if room.management_room != here else None,
            notice("card.trouble", why=room.trouble) if room.trouble else None,
        ]
    )
    within = spaces.belongs(one.spaces) if room.management_room == here else []
    counts = [spaces.counts(one.followed)] if one.followed is not None else []
    in_dry_run = [IN_DRY_RUN] if one.dry_run else []
    origins = inheriting.origins(room.room_id, one.decide)
    in_wave = [wave_shown(one.wave)] if one.wave is not None else []
    return [row, *in_wave, *origins, *in_dry_run, *one.named, *within, *counts, *map(fitness.told, one.concerns)]


def wave_shown(wave: Wave) -> Notice:
    """That a wave goes on at a room, below its name."""
    return notice("wave.shown", moment=Moment(wave.began_at))


# --- the queue ------------------------------------------------------------------------------------------------


QUEUE_LINES = 20
"""Jobs that one reply shows at most."""


def queue(found: Queue, now: int) -> Notice:
    """What waits for moderators, and what waits to be done."""
    waiting = notice("queue.waiting", count=Number(found.unanswered), command=Code("!kb list"))
    return below(
        waiting if found.unanswered else notice("queue.nobody"),
        notice("queue.voted", count=Number(found.voted), command=Code("!kb list")) if found.voted else None,
        *map(_batch_row, found.batches),
        *map(_undone_row, found.undone),
        *(
            notice("wave.shown_at", room=Room(wave.room_id, label), moment=Moment(wave.began_at))
            for wave, label in found.waves
        ),
        notice("queue.actions", count=Number(len(found.jobs))) if found.jobs else notice("queue.no_actions"),
        *(_queue_row(due, now) for due in found.jobs[:QUEUE_LINES]),
    )


def _batch_row(one: Running) -> Notice:
    """How far a batch is."""
    number, user = Number(one.batch.number), User(one.batch.given_by)
    return notice("queue.batch", number=number, user=user, done=Number(one.done), count=Number(one.total))


def _undone_row(one: UnderWay) -> Notice:
    """How far the undo of a batch is."""
    number, user = Number(one.number), User(one.asked_by)
    return notice("queue.undo", number=number, user=user, done=Number(one.tried), count=Number(one.total))


def _queue_row(due: Due, now: int) -> Notice:
    """One job that is yet to be done."""
    job = due.job
    what, when = notice("queue.act", act=Choice(job.act)), _when(job, now)
    if job.user_id:
        what = notice("queue.act_on", act=what, user=User(job.user_id))
    room = Room(job.room_id, due.label) if due.label is not None else None
    return dotted(
        [
            notice("queue.row_at", what=what, room=room, when=when)
            if room is not None
            else notice("queue.row", what=what, when=when),
            notice("queue.tried", count=Number(job.attempts)) if job.attempts > 1 else None,
            _brief(job.why) if job.why else None,
        ]
    )


def _when(act: Open, now: int) -> Notice:
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


def invite_list(room: Room, found: Sequence[Invite], now: int) -> Notice:
    """The third-party invites of a room, with the address where the bot itself sent it."""
    if not found:
        return notice("invites.none", room=room)
    head = notice("invites.head", room=room)
    if len(found) > LONGEST_LIST:
        head = notice("invites.oldest", room=room, count=Number(len(found)), shown=Number(LONGEST_LIST))
    return below(head, *(_invite_row(one, now) for one in found[:LONGEST_LIST]))


def _invite_row(invite: Invite, now: int) -> Notice:
    request = invite.request
    sign, number, who = card.sign_of(request), Numbered(request.number), card.applicant(request)
    when, what = Ago(now - request.opened_at), card.standing(request) or notice("show.waiting")
    if invite.sent_to is None:
        return notice("invites.row", sign=sign, request=number, who=who, when=when, what=what)
    address = sent_to(invite.sent_to)
    return notice("invites.row_sent", sign=sign, request=number, who=who, address=address, when=when, what=what)


def sent_to(addressee: Addressee) -> Notice | Code:
    """Whom an invite of the bot's own went to."""
    name = shown(addressee.name, NAME_LIMIT)
    address = Code(shown(str(addressee.address), LONGEST_ADDRESS))
    return notice("sent.named", address=address, name=Stranger(name, NAME_LIMIT)) if name else address


# --- policies -------------------------------------------------------------------------------------------------


def policy_shown(room: Room, written: Written) -> Notice:
    """A policy, what follows after it, and what the names in it mean; no more than an event can hold twice, as text and
    as HTML."""
    whole = len(written.text) + sum(len(one.text) for one in written.inherited)
    left = POLICY_LIMIT - len(written.text)
    follows: list[Notice] = []
    for one in written.inherited:
        follows += _following(one, max(0, left))
        left -= len(one.text)
    return below(
        notice("policy.shown", room=room, source=written.source),
        IN_DRY_RUN if written.dry_run else None,
        notice("policy.text", text=Document(written.text[:POLICY_LIMIT])),
        *follows,
        notice("policy.more", count=Number(whole - POLICY_LIMIT)) if whole > POLICY_LIMIT else None,
        *_as_file(room, written),
        notice("policy.rest") if follows else None,
        *written.named,
    )


def _as_file(room: Room, written: Written) -> list[Notice]:
    """That the policy comes as a file, because a message does not hold it."""
    command = Code(f"!kb policy set {room.room_id}")
    return [notice("policy.as_file", command=command)] if len(written.text) > POLICY_LIMIT else []


def _following(one: Inherited, most: int) -> list[Notice]:
    if not one.text:
        return [notice("policy.follows_nothing", origin=one.source)]
    text = [notice("policy.text", text=Document(one.text[:most]))] if most else []
    return [notice("policy.follows", origin=one.source), *text]


def policy_revisions(room: Room, found: Sequence[Revision], decide: Sequence[LayerOnRecord]) -> Notice:
    """Every change of a room's own policy, newest first, and the policies of other rooms that decide there."""
    others = inheriting.origins(room.room_id, decide)
    if not found and not others:
        return notice("policy.never_changed", room=room)
    head = notice("policy.revisions", room=room) if found else notice("policy.never_changed_here", room=room)
    return below(head, *map(_revision, found), *others)


def _revision(one: Revision) -> Notice:
    number, by = Number(one.revision), rules.author(one)
    return notice("policy.revision", revision=number, moment=Moment(one.written_at), by=by)
