"""Every sentence a person reads, beside the cards (`card.py`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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
from knockbot.domain.fitness import Concern
from knockbot.domain.invites import Address
from knockbot.domain.model import Act, Decision, Knock, Request, Verdict
from knockbot.domain.notices import Notice
from knockbot.domain.policy import OTHERWISE, Policy, changed_settings
from knockbot.domain.power import Level, Shortfall
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
    letters,
    lines,
    listed,
    moment,
    room,
    rule,
    second,
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


def card_shows_several(requests: Sequence[Request]) -> Words:
    """A reply to a card means the card, and this one has many."""
    waiting = [request.number for request in requests if request.awaits_moderators]
    return words(
        "This card shows several requests, and in a reply I read no numbers. Type the command as a new message, with the "
        "number: {}.",
        code(f"!kb accept {waiting[0] if waiting else requests[-1].number}"),
    )


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


def denied_by_acl(server: str, label: str) -> Words:
    """A room takes nothing from the applicant's server, so that they could not join."""
    return words(
        "The server ACL of {} denies {}, so they cannot be let in. Take it off there, then have them knock again.",
        room(label),
        letters(shown_id(server)),
    )


def cannot_accept(bot: str, shortfall: Shortfall, label: str, *, anything: bool) -> Words:
    """On a card: why the bot cannot accept a request, or cannot do `anything` about it, and what mends it."""
    raised = words(" Please raise the power level of {} in {}.", user(bot), room(label))
    mend = raised if shortfall.lacks_level else NOTHING
    return words("⚠️ I cannot {} this: {}{}", "accept" if anything else "answer", in_words(shortfall.why), mend)


def cannot_answer_from_outside(label: str, bot: str) -> Words:
    """On a card: the bot is not in the room."""
    return words("⚠️ I cannot answer this: I am not in {} now. Invite {} there.", room(label), user(bot))


CONCERNS: dict[Concern, Words] = {
    Concern.PUBLIC: words("⚠️ Everybody can join without asking: the join rule is “public”. Set it to “ask to join”."),
    Concern.SHUT: words("⚠️ Nobody can ask to join: set the join rule to “ask to join” (knock)."),
    Concern.VERSION: words("⚠️ The version of the room does not know its join rule. Upgrade the room."),
    Concern.MEMBERS_INVITE: words(
        "⚠️ Every member can invite, so whoever is let in can let in others. Raise the power level for invites."
    ),
    Concern.OPEN: words("⚠️ Everybody can join this management room: set its join rule to “invite”."),
    Concern.MEMBERS_JOIN: words(
        "⚠️ Members of other rooms can join this management room without an invite. Make sure that all of them are "
        "moderators, or set its join rule to “invite”."
    ),
    Concern.READABLE: words(
        "⚠️ People outside this management room can read it: set its history visibility to “members only”."
    ),
    Concern.REPLACED: words("⚠️ This management room was upgraded. I still use the old room."),
    Concern.ABSENT: words("⚠️ I am not in the management room. Nobody sees what I say. Invite me."),
}
"""What makes a room unfit for its part, each with its mend."""


def became_unfit(label: str, concerns: Iterable[Concern]) -> Words:
    """Something changed in a protected room that makes it unfit to be protected."""
    return lines([words("{}:", room(label)), *(CONCERNS[concern] for concern in concerns)])


def fit_again(label: str) -> Words:
    """Nothing makes it unfit any more."""
    return words("✅ {} is fit again: people can ask to join, and only moderators let them in.", room(label))


def management_became_unfit(concerns: Sequence[Concern], replacement: str) -> Words:
    """Something changed in the management room itself."""
    said = [CONCERNS[concern] for concern in concerns]
    if Concern.REPLACED in concerns:
        move = words(
            "To move: invite me to {}, and send {} there for each room.",
            identifier(replacement),
            code("!kb protect ROOM"),
        )
        said.append(move)
    return lines(said)


def was_replaced(label: str) -> Words:
    """Nobody is let into a room that has come to its end."""
    return words(
        "{} was replaced by another room, so I no longer accept anyone there. To protect the new room, click ✅ where I "
        "asked about it, or type {}.",
        room(label),
        code("!kb protect"),
    )


def unreadable(sender: str, why: Notice) -> Words:
    """Something was said in an encrypted room that the bot cannot read: perhaps a command."""
    return words(
        "🔒 I cannot read this message of {}: {}. If it was for me, please type it again. If that does not help, log "
        "out of your client and log in again, or use another device.",
        user(sender),
        in_words(why),
    )


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


NO_ADDRESS = "Whom? Give an e-mail address, or a phone number with its country code (+49 …)."


# --- getting in -----------------------------------------------------------------------------------------------


def rooms_of_one_name(found: Sequence[tuple[str, str]]) -> Words:
    """Several rooms managed from here have the name that was typed."""
    rows = [words("{} {}", room(label), identifier(room_id)) for label, room_id in found]
    return lines([words("Several rooms have this name. Please give the room ID:"), *rows])


def too_many_questions(most: int, possible_at: int) -> Words:
    """Somebody asked for too much that only other servers know."""
    return words(
        "I asked other servers for you {} times within a minute, and that is the limit. Please try again after {}.",
        most,
        second(possible_at),
    )


def unreadable_room(reference: str) -> Words:
    """Not something that names a room."""
    return words(
        "{} is not a room ID, an alias or a link. A name is not enough here: give the room ID, an alias ({}) or a "
        "matrix.to link.",
        code(shown(reference, ID_LIMIT)),
        code("#room:server"),
    )


def checked(label: str, checklist: Words) -> Words:
    """What a room has and lacks."""
    return lines([words("{}:", room(label)), checklist])


def tick(holds: bool, good: str, mend: str) -> Words:
    """One line of a checklist: a tick, or the mend."""
    return words("✅ {}", good) if holds else words("❌ {}", mend)


# --- policies -------------------------------------------------------------------------------------------------


def policy_shown(label: str, source: str, text: str) -> Words:
    """The policy in force; no more of it than an event can hold twice, as text and as HTML."""
    kept = (
        text if len(text) <= POLICY_LIMIT else f"{text[:POLICY_LIMIT]}\n# … {len(text) - POLICY_LIMIT} more characters"
    )
    return lines([words("Policy of {} ({}):", room(label), shown_id(source)), block(kept)])


def policy_taken(label: str, revision: int, before: Policy, policy: Policy) -> Words:
    """A new policy is in force, and what is different from the one before."""
    rules = f"{len(policy.rules)} rule{'' if len(policy.rules) == 1 else 's'} now, {len(before.rules)} before"
    changed = [
        words("{}: {} (before: {})", code(key), bold(now), then) for key, then, now in changed_settings(before, policy)
    ]
    return lines(
        [
            words("✅ Revision {} of the policy of {} is in force: {}.", revision, room(label), rules),
            *changed,
            words("Otherwise: {}.", bold(policy.otherwise.value)) if not changed else NOTHING,
            words("To undo this: {}", code(f"!kb policy revert ROOM {revision - 1}")) if revision > 1 else NOTHING,
        ]
    )


def policy_refused(fault: str) -> Words:
    """A mistake in a policy; the one in force stays."""
    end = "" if fault.endswith(("?", "!", ".")) else "."
    return words("Policy not changed: {}{}", fault, end)


def not_in_named_room(place: str, reference: str, bot: str) -> Words:
    """`member_of` may name only rooms whose member the author is, and the bot, which must look."""
    return words(
        "Policy not changed: {} names {}. Only rooms that you and {} have both joined can be named there.",
        place,
        code(shown(reference, ID_LIMIT)),
        user(bot),
    )


def lacks_power_for_verdict(place: str, verdict: Verdict, label: str, needed: Level, level: Level) -> Words:
    """A policy must not do for its author what they could not do by hand."""
    return words(
        "Policy not changed: {}: {} needs level {} in {}, and yours is {}.",
        place,
        bold(verdict.value),
        f"{needed:g}",
        room(label),
        f"{level:g}",
    )


def named_room_is_replaced(place: str, reference: str, replacement: str) -> Words:
    """A policy names a room that was given up for another."""
    return words(
        "Policy not changed: {} names {}, and that room was replaced by {}. Name the new room.",
        place,
        code(shown(reference, ID_LIMIT)),
        code(shown(replacement, ID_LIMIT)),
    )


def named_room(name: str, room_id: str, *, before: str | None = None, leads_to: str | None = None) -> Words:
    """The room that a name means in one place, the one it meant until now, and where its alias leads by now."""
    known = words(" (until now it meant {})", identifier(before)) if before not in (None, room_id) else NOTHING
    means = words("{} means the room {} here{}.", identifier(name), identifier(room_id), known)
    if leads_to is None:
        return means
    if not leads_to:
        return words("{} The alias leads to no room now.", means)
    return words("⚠️ {} The alias leads to another room now: {}", means, identifier(leads_to))


def config_means(label: str, means: Words) -> Words:
    """A name in the policy that the config file gives a room means another room than before."""
    return words("The policy of {} in my config file: {}", room(label), means)


def not_known_yet(name: str) -> Words:
    """An alias that led to no room whenever it was looked up."""
    return words("⚠️ I do not know yet which room {} is.", identifier(name))


IN_POLICY = "The policy of {room} names {alias}."
IN_CONFIG = "My config file names {alias}, for {room}."


def alias_moved(where: str, label: str, alias: str, room_id: str, leads_to: str) -> Words:
    """An alias leads to another room than the one that was pinned, which changes nothing."""
    return words(
        where + " That alias leads to another room now: {other}. I go on using {pinned}.",
        room=room(label),
        alias=identifier(alias),
        other=identifier(leads_to),
        pinned=identifier(room_id),
    )


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


def busy(why: Notice, seconds: int) -> Words:
    """Something takes long to work out, and has to wait."""
    return words("Not now: {}. Ask again in {} seconds.", in_words(why), max(1, seconds))


# --- commands -------------------------------------------------------------------------------------------------


def usage(line: str, example: str, complaint: str) -> Words:
    """How a command is written."""
    return words("{} Usage: {}. For example: {}", complaint, code(line), code(example))


def unknown_command(word: str, near: Sequence[str]) -> Words:
    """A word that is no command, or only the first of two."""
    if near and all(name.startswith(f"{word} ") for name in near):
        return words("{} needs a second word: {}.", code(f"!kb {word}"), listed([code(f"!kb {name}") for name in near]))
    hint = words(" Did you mean {}?", listed([code(f"!kb {name}") for name in near])) if near else NOTHING
    return words(
        "There is no command {}.{} {} shows what there is.", code(shown(word, NAME_LIMIT)), hint, code("!kb help")
    )


def help_screen(rows: Sequence[tuple[str, str]]) -> Words:
    """All commands on one screen."""
    return lines(
        [
            words(
                "I answer join requests (knocks): I accept, reject or ban by the policy of the room, or ask you on a card here."
            ),
            *(words("{} – {}", code(usage_line), summary) for usage_line, summary in rows),
            words(
                "On a card: ✅ accept, ❌ reject, ⛔ ban. N is the number on a card; in a reply to the card you can leave it out. "
                "You can leave out ROOM where only one room is managed from here."
            ),
        ]
    )
