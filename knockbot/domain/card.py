"""How a request is shown: as a card, a line, a row on a shared card, and as a block for machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from json import dumps
from typing import Any

from markupsafe import escape

from knockbot.documents.text import harmless, shown, shown_id
from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.invites import MOST_KEYS, https_host
from knockbot.domain.model import Kind, Request, State, ThirdPartyInvite, Verdict
from knockbot.domain.plan import REACTIONS
from knockbot.domain.policy import OTHERWISE, OTHERWISE_INVITES
from knockbot.domain.reasons import clause, in_words, told_with
from knockbot.domain.words import (
    NAME_LIMIT,
    NOTHING,
    REASON_LIMIT,
    Words,
    bold,
    code,
    lasting,
    letters,
    lines,
    listed,
    profile,
    room,
    rule,
    sentences,
    spoiler,
    user,
    words,
)

SIGNS: dict[State, str] = {
    State.PENDING: "🚪",
    State.ACCEPTED: "✅",
    State.JOINED: "✅",
    State.DECLINED: "↩️",
    State.REJECTED: "❌",
    State.BANNED: "⛔",
    State.WITHDRAWN: "↩️",
    State.EXPIRED: "⌛",
    State.STANDING: "✅",
    State.REDEEMED: "✅",
    State.REVOKED: "❌",
}

OUTCOME_SENTENCES: dict[State, str] = {
    State.ACCEPTED: "Accepted by {by}. Not joined yet.",
    State.JOINED: "Joined; let in by {by}.",
    State.DECLINED: "Accepted, but they declined the invite.",
    State.REJECTED: "Rejected by {by}.",
    State.BANNED: "Banned by {by}.",
    State.WITHDRAWN: "Withdrawn by the applicant.",
    State.EXPIRED: "Nobody answered in time.",
    State.STANDING: "Approved by {by}. Not used yet.",
    State.REDEEMED: "Used by {user}; let in by {by}.",
    State.REVOKED: "Revoked by {by}.",
}

LINE_SENTENCES: dict[State, str] = {
    **OUTCOME_SENTENCES,
    State.ACCEPTED: "Accepted by {by}.",
    State.STANDING: "Approved by {by}.",
}
"""The same in a line that a rule's decision is told in: nobody edits it later, so it says what stays true."""

WITH_A_BAN = "Revoked by {by}, with the order to ban {inviter}."
BANNED_AS_WELL = "Revoked by {by}; {inviter} was banned as well."
"""Of an invite that fell with its inviter: before the ban, and after it."""

ISSUED = "Sent for {by}. Not used yet."
"""For one that the bot issued and that stands."""

UNDER_WAY: dict[Verdict, str] = {
    Verdict.ACCEPT: "{by} chose accept. The invite is on its way.",
    Verdict.REJECT: "{by} chose reject. It is on its way.",
    Verdict.BAN: "{by} chose ban. It is on its way.",
}

INVITE_UNDER_WAY: dict[Verdict, str] = {
    Verdict.ACCEPT: "{by} chose accept.",
    Verdict.REJECT: "{by} chose reject. The invite is being revoked.",
    Verdict.BAN: "{by} chose ban. All invites of {inviter} are being revoked, and {inviter} is being banned.",
}
"""The same for a third-party invite that nobody has redeemed."""

SENT = "Sent for {by}. Not yet added to the room."

INVITE_OFFERS: dict[Verdict, str] = {
    Verdict.ACCEPT: "✅ accept: the invite stays",
    Verdict.REJECT: "❌ reject: the invite is revoked",
    Verdict.BAN: "⛔ ban: every invite of {inviter} here is revoked, and {inviter} is banned",
}
"""What each answer to a third-party invite does, said before it is given: a ban hits its inviter, not its guest."""

REDEEMED_OFFERS: dict[Verdict, str] = {
    Verdict.ACCEPT: "✅ accept",
    Verdict.REJECT: "❌ reject: {user} is kicked",
    Verdict.BAN: "⛔ ban: {user} is banned, if they have joined",
}

EMOJI: dict[Verdict, str] = {verdict: emoji for emoji, verdict in REACTIONS.items()}


def applicant(request: Request) -> Words:
    """Who asks: the name they gave themselves, and the id that they cannot choose again.

    Of a third-party invite, whom its inviter says it is for; once redeemed, who came in by it.
    """
    if request.invite is not None:
        return _invited(request, request.invite)
    name, who = shown(request.display_name or "", NAME_LIMIT), profile(request.user_id)
    if not name or name.casefold() == shown_id(request.user_id).casefold():
        return who
    if name[0].isalpha():
        return words("{} {}", bold(name), who)
    # Emoji, numbers, an ID of somebody else: they are not to be taken for what the bot itself puts there.
    return words("{} (named {})", who, bold(f"“{name}”"))


def _invited(request: Request, invite: ThirdPartyInvite) -> Words:
    whom = profile(request.user_id) if request.redeemed else _addressed(invite)
    return words("{}, invited by {}", whom, _inviter(request))


def _inviter(request: Request) -> Words:
    """Whose invite it is; one that the bot sent is of whoever had it do so."""
    through_me = words(" (through me)") if request.issued_by is not None else NOTHING
    return words("{}{}", user(request.sponsor), through_me)


def _addressed(invite: ThirdPartyInvite) -> Words:
    """Who is invited, in the inviter's words."""
    name = shown(invite.display_name, NAME_LIMIT)
    return letters(name) if name else words("somebody without a name")


def keys_of(invite: ThirdPartyInvite) -> Words:
    """Whose keys open the door to an invite: identity servers by their host, and keys that answer to nobody."""
    hosts = dict.fromkeys(https_host(key.url) if key.url is not None else None for key in invite.keys)
    named = [host for host in hosts if host is not None]
    more = words(" and {} more", len(named) - KEYS_SHOWN) if len(named) > KEYS_SHOWN else NOTHING
    if len(hosts) > MOST_KEYS:
        more = words(" and more")  # how many there are was not kept
    shown_hosts = listed([letters(shown(host, NAME_LIMIT)) for host in named[:KEYS_SHOWN]])
    said = words("Its keys belong to {}{}.", shown_hosts, more) if named else NOTHING
    if None in hosts:
        own = words("⚠️ At least one key does not belong to an identity server. Whoever has that key can let anyone in.")
        return sentences(said, own)
    return said or words("It has no key, so nobody can use it.")


KEYS_SHOWN = 5
"""Identity servers that are named before the rest is counted."""


def decided_by(rule_name: str | None, by: str | None) -> Words:
    """By whom: a rule by its name, a moderator by id, and where no rule matched, what the policy says then."""
    if rule_name is None:
        return user(by or "")
    if not rule_name:
        return words("the policy")
    if rule_name in (OTHERWISE, OTHERWISE_INVITES):
        return words("the policy ({})", code(rule_name))
    if rule_name == SERVER_ACL:
        return words("the room's server ACL")
    return words("rule {}", rule(rule_name))


def policy_key(request: Request, rule_name: str | None, verdict: Verdict | None) -> str | None:
    """A rule by its name; where none matched, the key of the policy that speaks of requests of this kind, if any."""
    if rule_name != OTHERWISE or request.kind is not Kind.THIRD_PARTY_INVITE:
        return rule_name
    # Whoever redeems is accepted because the invite was; about all else in redeeming the policy has no key.
    return OTHERWISE_INVITES if not request.redeemed or verdict is Verdict.ACCEPT else ""


def _answered_by(request: Request) -> Words:
    """Who gave the binding word: a rule, or a moderator."""
    answer = request.answer
    return decided_by(policy_key(request, answer.rule, answer.verdict), answer.by) if answer else NOTHING


def _credit(request: Request) -> Words:
    """Who brought the outcome about: the rule where a rule gave the word, else the person."""
    answer = request.answer
    return _answered_by(request) if answer and answer.by == request.by else user(request.by or "")


def standing(request: Request, *, inviter_banned: bool = False, for_ever: bool = False) -> Words:
    """Where a request stands, in one sentence; `for_ever`, if nobody will edit it once that has changed."""
    if request.state is State.JOINED and request.by == request.user_id:
        unasked = "Joined without an answer: the room let them in."
        return words(unasked if request.answer is None else "Joined before the answer was carried out.")
    if not request.open:
        said = LINE_SENTENCES[request.state] if for_ever else _outcome_sentence(request, inviter_banned)
        return words(said, by=_credit(request), user=user(request.user_id), inviter=user(request.sponsor))
    if request.answer is not None:
        under_way = UNDER_WAY if request.invite is None or request.redeemed else INVITE_UNDER_WAY
        sent = request.on_its_way and request.answer.verdict is Verdict.ACCEPT
        return words(
            SENT if sent else under_way[request.answer.verdict], by=_answered_by(request), inviter=user(request.subject)
        )
    return NOTHING


def _outcome_sentence(request: Request, inviter_banned: bool) -> str:
    if request.redeemed and request.state is State.WITHDRAWN:
        return "They left again."
    if request.issued_by is not None and request.state is State.STANDING:
        return ISSUED
    if request.state is State.REVOKED and not request.redeemed and request.answer is not None:
        if inviter_banned:
            return BANNED_AS_WELL
        if request.answer.verdict is Verdict.BAN:
            return WITH_A_BAN
    return OUTCOME_SENTENCES[request.state]


CARD_REASON = 300
"""Characters of a reason that a card and a list show."""

WHOLE_REASON = 20_000
"""Bytes of a reason that `show` tells at most: an event has to hold it twice, as text and as HTML."""


def reason_of(request: Request, *, hidden: bool = False) -> Words:
    """The reason, its beginning where it is long.

    `hidden`, as the room's policy has it: behind a spoiler, and not in the plain text, which lock screens show.
    """
    if request.invite is not None:
        return _what_it_is(request, request.invite)
    reason = shown(request.reason, CARD_REASON)
    if not reason:
        return words("No reason given.")
    command = code(f"!kb show {request.number}")
    more = words(" {}", command) if reason != shown(request.reason, CARD_REASON + 1) else NOTHING
    if not hidden:
        return words("Reason: {}{}", reason, more)
    veiled = spoiler(reason, words("(hidden; {} tells it)", command))
    return words("Reason: {}", Words(veiled.plain, veiled.html + more.html))


def whole_reason_of(request: Request) -> Words:
    """The reason in full, or as much of it as an event holds."""
    if request.invite is not None:
        return _what_it_is(request, request.invite)
    reason = shown(request.reason, len(request.reason) + 1)
    kept = reason
    while len(dumps(escape(harmless(kept)))) > WHOLE_REASON:
        kept = kept[: len(kept) * 3 // 4]
    if not reason:
        return words("No reason given.")
    more = words(" … and {} more characters", len(reason) - len(kept)) if kept != reason else NOTHING
    return words("Reason: {}{}", kept, more)


def _what_it_is(request: Request, invite: ThirdPartyInvite) -> Words:
    """What there is to know of an invite beside who it is of: its keys, or, once it was used, for whom it was."""
    if not request.redeemed:
        return keys_of(invite)
    return words("The invite was for {}.", _addressed(invite)) if invite.display_name else NOTHING


BEFORE: dict[State, str] = {
    State.ACCEPTED: "accepted by {by}",
    State.JOINED: "let in by {by}",
    State.DECLINED: "accepted, but they declined the invite",
    State.REJECTED: "rejected by {by}",
    State.BANNED: "banned by {by}",
    State.WITHDRAWN: "withdrawn by the applicant",
    State.EXPIRED: "nobody answered in time",
}
"""What came of an earlier knock."""


def before(request: Request, earlier: Request | None) -> Words:
    """What came of the last knock of the same applicant at the same door, by the time of this one."""
    if earlier is None or earlier.state not in BEFORE:
        return NOTHING
    return words(
        "Before: {}, {} earlier{}.",
        words(BEFORE[earlier.state], by=_credit(earlier)),
        lasting(request.opened_at - earlier.changed_at) or "a moment",
        words(" ({})", bold(f"#{earlier.number}")) if earlier.management_room == request.management_room else NOTHING,
    )


MAY_HAVE_WITHDRAWN = (
    "Their knock was more than a day old, and from another server: those do not tell when somebody takes a knock back, "
    "so they may not expect this any more."
)


def withdrawn_perhaps(request: Request) -> Words:
    """That an accept may have come too late, where nobody would have told."""
    waits = request.open or request.state is State.ACCEPTED
    return words(MAY_HAVE_WITHDRAWN) if waits and request.answer and request.answer.doubtful else NOTHING


def answered_with(request: Request) -> Words:
    """What the applicant was told with the answer."""
    reason = told_with(request.answer) if request.answer else None
    settled = not request.open and request.state is not State.EXPIRED
    return words("They were told: {}", shown(reason, REASON_LIMIT)) if reason and settled else NOTHING


def doubt(request: Request) -> Words:
    """Why the policy left it to people, where it could not tell."""
    decision = request.decision
    if not request.awaits_moderators or decision is None:
        return NOTHING
    if decision.doubt is not None:
        matches = words("Rule {} matches. ", rule(decision.rule)) if decision.rule != OTHERWISE else NOTHING
        return words("{}I ask you, because {}.", matches, clause(decision.doubt))
    if decision.unknown is not None:
        return words(
            "Not judged: rule {} depends on something that I cannot find out now: {}",
            rule(decision.rule),
            in_words(decision.unknown),
        )
    return NOTHING


def trouble_of(request: Request) -> Words:
    """What went wrong with the last answer."""
    return words("⚠️ {}", in_words(request.trouble)) if request.trouble and request.open else NOTHING


def how_to_answer(request: Request, possible: Iterable[Verdict], missing: Words = NOTHING) -> Words:
    """One click, or one command, of those that would work; and what is `missing` for an accept."""
    if not request.awaits_moderators:
        return NOTHING
    ready = [verdict for verdict in Verdict if verdict in set(possible)]
    if not ready:
        return missing
    offers = [_offer(request, verdict) for verdict in ready]
    return lines([missing, words("{} · or {}", listed(offers), code(f"!kb {ready[0]} {request.number}"))])


def _offer(request: Request, verdict: Verdict) -> Words:
    """An answer by its emoji; with what it does, where that is not plain."""
    if request.invite is None:
        return words("{} {}", EMOJI[verdict], verdict.value)
    said = REDEEMED_OFFERS if request.redeemed else INVITE_OFFERS
    return words(said[verdict], inviter=user(request.sponsor), user=user(request.user_id))


@dataclass(frozen=True, slots=True)
class Around:
    """What a card says beside the request itself."""

    hidden: bool = False
    """Whether the room's policy hides reasons (`reasons: hidden`)."""
    earlier: Request | None = None
    """The last knock of the same applicant at the same door, if it is settled."""
    inviter_banned: bool = False
    """Whether the inviter of a third-party invite was banned with it."""
    missing: Words = NOTHING
    """Why the bot could not carry out an accept now."""


NOTHING_ELSE = Around()


def card(request: Request, label: str, possible: Iterable[Verdict], around: Around) -> Words:
    """One request as a card."""
    return lines(
        [
            _headline(request, label),
            reason_of(request, hidden=around.hidden),
            before(request, around.earlier),
            doubt(request),
            trouble_of(request),
            standing(request, inviter_banned=around.inviter_banned),
            withdrawn_perhaps(request),
            answered_with(request),
            how_to_answer(request, possible, around.missing),
        ]
    )


def _headline(request: Request, label: str) -> Words:
    sign, number = sign_of(request), bold(f"#{request.number}")
    if request.invite is None:
        asks = "asks" if request.open else "asked"
        return words("{} {} {} {} to join {}", sign, number, applicant(request), asks, room(label))
    inviter = _inviter(request)
    if request.redeemed:
        came = "{} {} {} came in to {} with a third-party invite of {}"
        return words(came, sign, number, profile(request.user_id), room(label), inviter)
    return words(
        "{} {} {} invited {} to {} (third-party invite)", sign, number, inviter, _addressed(request.invite), room(label)
    )


def sign_of(request: Request) -> str:
    """One emoji for what a request is and where it stands."""
    return "✉️" if request.invite is not None and request.open else SIGNS[request.state]


def shared_card(
    requests: Sequence[Request], label: str, most: int, possible: Iterable[Verdict], around: Around
) -> Words:
    """Several requests on one card, the newest `most` of them in full; `possible` is what the bot can do about the
    newest that waits."""
    waiting = [request for request in requests if request.awaits_moderators]
    of_invites = requests[-1].invite is not None
    what = "✉️ {} third-party invites to {}, {} waiting" if of_invites else "🚪 {} requests to join {}, {} waiting"
    head = words(what, bold(len(requests)), room(label), len(waiting))
    rows = [
        words(
            "{} {} {} · {}",
            sign_of(request),
            bold(f"#{request.number}"),
            applicant(request),
            standing(request)
            or sentences(reason_of(request, hidden=around.hidden), doubt(request) if of_invites else NOTHING),
        )
        for request in requests[-most:]
    ]
    earlier = len(requests) - len(rows)
    more = words("… and {} earlier ones: {}", earlier, code("!kb list")) if earlier else NOTHING
    # One number: whoever pastes a command with all of them lets in a crowd.
    ready = [verdict for verdict in Verdict if verdict in set(possible)] if waiting else []
    how = words("Answer each by its number: {}", code(f"!kb {ready[0]} {waiting[-1].number}")) if ready else NOTHING
    warning = words(BAN_OF_INVITES, code("!kb ban")) if ready and of_invites else NOTHING
    return lines([head, more, *rows, around.missing if waiting else NOTHING, how, warning])


BAN_OF_INVITES = "{} bans the inviter and revokes every other invite of theirs here."


def decision_line(request: Request, label: str) -> Words:
    """What a rule did, in one line."""
    return words(
        "{} {} {} at {}: {}",
        sign_of(request),
        bold(f"#{request.number}"),
        applicant(request),
        room(label),
        standing(request, for_ever=True),
    )


def machine_block(request: Request) -> dict[str, Any]:
    """The same for machines: `org.knockbot.request`."""
    answer = request.answer
    by_answer = answer is not None and answer.by == request.by
    return {
        "number": request.number,
        "kind": request.kind.value,
        "room_id": request.room_id,
        "user_id": request.user_id or None,
        "event_id": request.event_id,
        "state": request.state.value,
        "rule": answer.rule if answer and by_answer else None,
        "by": request.by,
        **({"inviter": request.invite.inviter} if request.invite is not None else {}),
        **({"issued_by": request.issued_by} if request.issued_by is not None else {}),
    }
