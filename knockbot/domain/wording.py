"""Every sentence a person reads, beside the cards (`card.py`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from knockbot.documents.text import shown, shown_id
from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.card import (
    MAY_HAVE_WITHDRAWN,
    answered_with,
    applicant,
    decided_by,
    policy_key,
    reason_of,
    sign_of,
    standing,
    trouble_of,
    whole_reason_of,
    withdrawn_perhaps,
)
from knockbot.domain.invites import Address
from knockbot.domain.model import Act, Decision, Knock, Request
from knockbot.domain.notices import Notice
from knockbot.domain.policy import OTHERWISE
from knockbot.domain.reasons import clause, in_words, told_with
from knockbot.domain.records import Detail, Recorded, told
from knockbot.domain.words import (
    ID_LIMIT,
    NAME_LIMIT,
    NOTHING,
    REASON_LIMIT,
    Words,
    ago,
    block,
    bold,
    code,
    identifier,
    lines,
    moment,
    room,
    rule,
    user,
    words,
)

POLICY_LIMIT = 10_000
"""Characters of a policy shown at most: an event has to hold it twice."""

# --- answers --------------------------------------------------------------------------------------------------


def already_answered(request: Request, now: int) -> Words:
    """The first answer wins, and the second is told so."""
    number = bold(f"#{request.number}")
    if request.open and request.answer is not None:
        return words(
            "{} was already answered: {} chose {}, {}.",
            number,
            decided_by(policy_key(request, request.answer.rule, request.answer.verdict), request.answer.by),
            request.answer.verdict.value,
            ago(request.answer.at, now),
        )
    return words("{} is already closed, {}: {}", number, ago(request.changed_at, now), standing(request))


def which_applicant(requests: Sequence[Request]) -> Words:
    """Several who are waiting could be meant."""
    return lines([words("Several requests fit. Please give the number:"), *_who(requests)])


def hit_by_answer(requests: Sequence[Request], answer: str) -> Words:
    """Whom a command was about, where it could have been somebody else."""
    return lines([words("✅ Your answer is {} for:", bold(answer)), *_who(requests)])


def _who(requests: Sequence[Request]) -> list[Words]:
    more = [words("… and {} more", len(requests) - MOST_NAMED)] if len(requests) > MOST_NAMED else []
    return [*(words("{} {}", bold(f"#{r.number}"), applicant(r)) for r in requests[:MOST_NAMED]), *more]


MOST_NAMED = 50
"""Requests that one reply names."""


def may_have_withdrawn(request: Request) -> Words:
    """What an accept of an old knock from elsewhere may run into."""
    return words("{} {} is accepted. {}", bold(f"#{request.number}"), user(request.user_id), MAY_HAVE_WITHDRAWN)


MOVED_AWAY = words("This room is now managed from another room. The request was moved there.")


def kept_no_longer(requests: Sequence[Request]) -> Words:
    """A card whose room is protected no longer: it takes no answers."""
    newest = requests[-1]
    who = (
        words("{} {}", bold(f"#{newest.number}"), applicant(newest))
        if len(requests) == 1
        else words("{} requests", bold(len(requests)))
    )
    answered = _answered_before(newest) if len(requests) == 1 else NOTHING
    said = answered or words("Please answer yourself, in your client.")
    return words("{} {}: This room is no longer protected. {}", sign_of(newest), who, said)


def _answered_before(request: Request) -> Words:
    """What came of a request while its room was protected; an act that was under way may get through or not."""
    if request.open and request.answer is not None:
        return words(
            "{} chose {}. If this was not done in time, please do it yourself, in your client.",
            decided_by(policy_key(request, request.answer.rule, request.answer.verdict), request.answer.by),
            request.answer.verdict.value,
        )
    return standing(request, for_ever=True)


# --- looking --------------------------------------------------------------------------------------------------


def pending_list(
    requests: Sequence[Request], labels: Mapping[str, str], now: int, hidden: Collection[str] = ()
) -> Words:
    """The open requests, one line each; those at the rooms in `hidden` without their reasons."""
    if not requests:
        return words("Nobody is waiting.")
    return lines(
        words(
            "{} {} at {}, {}{}{}",
            bold(f"#{request.number}"),
            applicant(request),
            room(labels.get(request.room_id, request.room_id)),
            ago(request.opened_at, now),
            *(
                words(" · {}", part) if part else NOTHING
                for part in (standing(request), reason_of(request, hidden=request.room_id in hidden))
            ),
        )
        for request in requests
    )


def _reason_was_cut(request: Request) -> Words:
    """That more was written than is kept of a settled request."""
    if request.reason_length is None:
        return NOTHING
    said = "The reason had {} characters. I keep the first {} when a request is settled."
    return words(said, request.reason_length, len(request.reason))


def shown_request(request: Request, label: str, history: Sequence[Words], addressee: Addressed | None = None) -> Words:
    """All there is to know about one request."""
    state, sent = standing(request), sent_to(addressee)
    return lines(
        [
            words("{} {} {} at {}", sign_of(request), bold(f"#{request.number}"), applicant(request), room(label)),
            words("It was sent to {}.", sent) if sent else NOTHING,
            whole_reason_of(request),
            _reason_was_cut(request),
            state or words("Waiting for an answer."),
            withdrawn_perhaps(request),
            answered_with(request),
            trouble_of(request),
            *explained(request.decision, request),
            *history,
        ]
    )


def explained(decision: Decision | None, request: Request | None = None) -> list[Words]:
    """A decision, on a request where there is one, with every rule that did not match and why."""
    if decision is None:
        return []
    verdict = bold(decision.verdict.value)
    if decision.unknown is not None:
        last = words(
            "Policy: {}, since rule {} cannot be judged: {}", verdict, rule(decision.rule), in_words(decision.unknown)
        )
    elif decision.doubt is not None:
        though = words(", though rule {} matches", rule(decision.rule)) if decision.rule != OTHERWISE else NOTHING
        last = words("Policy: {}{}, because {}", verdict, though, clause(decision.doubt))
    elif decision.rule == SERVER_ACL:
        last = words("Policy: not asked, since the room's server ACL denies their server")
    elif decision.rule != OTHERWISE:
        last = words("Policy: {}, by rule {}", verdict, rule(decision.rule))
    elif request is not None and request.redeemed:
        last = words("Policy: {}, as no rule matches; it follows the answer to the invite", verdict)
    else:
        key = policy_key(request, OTHERWISE, decision.verdict) if request is not None else OTHERWISE
        last = words("Policy: {}, as no rule matches ({})", verdict, code(key or OTHERWISE))
    missed = [words("· rule {} does not match: {}", rule(miss.rule), in_words(miss.why)) for miss in decision.missed]
    more = words("· {} more rules do not match", decision.left_out) if decision.left_out else NOTHING
    return [last, *missed, more]


class Line(Protocol):
    """A line of the audit record, as `store/audit.py` keeps it."""

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


def history_line(line: Line, labels: Mapping[str, str] | None = None) -> Words:
    """One line of the record: when, about whom or which room, what, and by whom or what.

    `labels` says what rooms are called; without it, the lines around it say what it is about.
    """
    about = NOTHING
    if labels is not None and line.number and line.user_id:
        about = words("{} {} · ", bold(f"#{line.number}"), user(line.user_id))
    elif labels is not None:
        about = words("{} · ", room(labels.get(line.room_id, line.room_id)))
    by = decided_by(line.detail.get("rule"), line.actor)
    return words("{} · {}{} · {}", moment(line.at), about, in_words(told(line.kind, line.detail)), by)


def log(rows: Sequence[Words]) -> Words:
    """The record, or that there is none."""
    return lines(rows) if rows else words("Nothing is on record.")


def room_list(rows: Sequence[Words]) -> Words:
    """The rooms looked after from here."""
    if rows:
        return lines(rows)
    return words("No room is protected from here yet. To protect one, type {}.", code("!kb protect #room:server"))


def room_row(label: str, room_id: str, pending: int, trouble: Notice | None, elsewhere: str | None) -> Words:
    """One protected room; `elsewhere` is its management room, where that is another."""
    return words(
        "{} {} · {} waiting{}{}",
        room(label),
        identifier(room_id),
        pending,
        words(" · managed from {}", identifier(elsewhere)) if elsewhere else NOTHING,
        words(" · ⚠️ {}", in_words(trouble)) if trouble else NOTHING,
    )


ACTS: dict[Act, str] = {
    Act.INVITE: "invite",
    Act.KICK: "kick",
    Act.BAN: "ban",
    Act.REVOKE: "revoke an invite",
    Act.POST_CARD: "post a card",
    Act.EDIT_CARD: "edit a card",
    Act.REACT: "react",
    Act.UNREACT: "take a reaction back",
    Act.REDACT: "redact a card",
    Act.SAY: "say something",
    Act.JOIN: "enter",
    Act.LEAVE: "leave",
    Act.MEET: "make a room to meet",
    Act.ISSUE: "invite an address",
    Act.PLANT: "add an invite to the room",
    Act.WRITE: "write to",
}


class Waiting(Protocol):
    """An effect that has yet to be done, as `store/effects.py` keeps it."""

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


def queue_row(act: Waiting, labels: Mapping[str, str], now: int) -> Words:
    """One act that has yet to be done."""
    what = words("{} {}", ACTS[act.act], user(act.user_id)) if act.user_id else words("{}", ACTS[act.act])
    where = words("at {}", room(labels[act.room_id])) if act.room_id in labels else words("here")
    if act.state == "running":
        when = "under way"
    elif act.state == "blocked":
        when = "waits for permission"
    else:
        when = "due" if act.due_at <= now else f"next try in {max(1, (act.due_at - now) // 1000)} s"
    why = words(" · {}", shown(in_words(act.why), REASON_LIMIT)) if act.why else NOTHING
    tried = f" · tried {act.attempts} times" if act.attempts > 1 else ""
    return words("· {} {}: {}{}{}", what, where, when, tried, why)


def queue(waiting: int, rows: Sequence[Words], acts: int) -> Words:
    """What waits for moderators, and what waits to be done."""
    people = (
        words("{} waiting for an answer ({}).", waiting, code("!kb list"))
        if waiting
        else words("Nobody is waiting for an answer.")
    )
    doing = words("Pending actions: {}", acts) if acts else words("No actions are pending.")
    return lines([people, doing, *rows])


# --- third-party invites --------------------------------------------------------------------------------------


def invite_list(label: str, found: Sequence[Request], addresses: Mapping[str, Addressed], now: int) -> Words:
    """The third-party invites of a room, with the address where the bot itself sent it."""
    if not found:
        return words("{} has no unused third-party invite.", room(label))
    rows = []
    for request in found:
        sent = sent_to(addresses.get(request.invite.token)) if request.invite is not None else NOTHING
        rows.append(
            words(
                "{} {} {}{}, {} · {}",
                sign_of(request),
                bold(f"#{request.number}"),
                applicant(request),
                words(", sent to {}", sent) if sent else NOTHING,
                ago(request.opened_at, now),
                standing(request) or words("Waiting for an answer."),
            )
        )
    return lines([words("Third-party invites to {}:", room(label)), *rows])


# --- invites issued for moderators ----------------------------------------------------------------------------


def sent_to(addressee: Addressed | None) -> Words:
    """Whom an invite of the bot's own went to; nothing where that is not known, or was forgotten."""
    if addressee is None:
        return NOTHING
    name = shown(addressee.name, NAME_LIMIT)
    return words("{}{}", code(shown(str(addressee.address), ID_LIMIT)), words(" ({})", name) if name else NOTHING)


class Addressed(Protocol):
    """Whom an invite went to, as `store/addressees.py` keeps it."""

    @property
    def address(self) -> Address: ...
    @property
    def name(self) -> str: ...


# --- policies -------------------------------------------------------------------------------------------------


def policy_shown(label: str, source: str, text: str) -> Words:
    """The policy in force; no more of it than an event can hold twice, as text and as HTML."""
    kept = (
        text if len(text) <= POLICY_LIMIT else f"{text[:POLICY_LIMIT]}\n# … {len(text) - POLICY_LIMIT} more characters"
    )
    return lines([words("Policy of {} ({}):", room(label), shown_id(source)), block(kept)])


def policy_revisions(label: str, rows: Sequence[Words]) -> Words:
    """Every change of a policy, newest first."""
    if not rows:
        return words("The policy of {} is the default; nobody has changed it.", room(label))
    return lines([words("Policy of {}:", room(label)), *rows])


def revision_row(revision: int, author: str, at: int) -> Words:
    """One change of a policy."""
    return words("· revision {} · {} · {}", revision, moment(at), user(author))


def tested(label: str, knock: Knock, decision: Decision) -> Words:
    """What a policy would do; nothing was done."""
    head = words("If {} knocked at {} now, this would happen (nothing was done):", user(knock.user_id), room(label))
    reason = told_with(decision)
    told = words("They would be told: {}", shown(reason, REASON_LIMIT)) if reason else NOTHING
    return lines([head, *explained(decision), told])
