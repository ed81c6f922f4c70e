"""How a request is shown: as a card, a line, a row on a shared card, and as a block for machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup

from knockbot.domain.invites import https_host
from knockbot.domain.model import Request, State, ThirdPartyInvite, Verdict
from knockbot.domain.plan import REACTIONS
from knockbot.domain.text import shown
from knockbot.domain.words import (
    NAME_LIMIT,
    NOTHING,
    REASON_LIMIT,
    Words,
    bold,
    code,
    lines,
    listed,
    room,
    rule,
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
    State.ACCEPTED: "Accepted by {by}; they have yet to join.",
    State.JOINED: "Joined; let in by {by}.",
    State.DECLINED: "Accepted, but they declined the invite.",
    State.REJECTED: "Rejected by {by}.",
    State.BANNED: "Banned by {by}.",
    State.WITHDRAWN: "They took it back.",
    State.EXPIRED: "Nobody answered in time.",
    State.STANDING: "It may stand, says {by}; nobody has come in by it yet.",
    State.REDEEMED: "Somebody came in by it; let in by {by}.",
    State.REVOKED: "Taken back by {by}.",
}

INVITE_UNDER_WAY: dict[Verdict, str] = {
    Verdict.ACCEPT: "{by} said accept.",
    Verdict.REJECT: "{by} said reject; it is being taken back.",
    Verdict.BAN: "{by} said ban; it is being taken back, and its inviter banned.",
}
"""The same for a third-party invite that nobody has redeemed."""

UNDER_WAY: dict[Verdict, str] = {
    Verdict.ACCEPT: "{by} said accept; the invite is on its way.",
    Verdict.REJECT: "{by} said reject; it is on its way.",
    Verdict.BAN: "{by} said ban; it is on its way.",
}

EMOJI: dict[Verdict, str] = {verdict: emoji for emoji, verdict in REACTIONS.items()}


def applicant(request: Request) -> Words:
    """Who asks: the name they gave themselves, and the id that they cannot choose again.

    Of a third-party invite, whom its inviter says it is for; once redeemed, who came in by it.
    """
    if request.invite is not None:
        return _invited(request, request.invite)
    name = shown(request.display_name or "", NAME_LIMIT)
    return words("{} {}", bold(name), user(request.user_id)) if name else user(request.user_id)


def _invited(request: Request, invite: ThirdPartyInvite) -> Words:
    by = words("invited by {}", user(invite.inviter))
    if request.redeemed:
        return words("{}, {}", user(request.user_id), by)
    name = shown(invite.display_name, NAME_LIMIT)
    return words("{}, {}", code(name) if name else words("somebody without a name"), by)


def keys_of(request: Request) -> Words:
    """Whose keys open the door to an invite: identity servers by their host, and keys that answer to nobody."""
    if request.invite is None or request.redeemed:
        return NOTHING
    hosts = [https_host(key.url) if key.url is not None else None for key in request.invite.keys]
    named = [code(shown(host, NAME_LIMIT)) for host in dict.fromkeys(hosts) if host is not None]
    said = words("Its keys are of {}.", listed(named[:KEYS_SHOWN])) if named else NOTHING
    own = words("⚠️ Not every key is of an identity server.") if None in hosts else NOTHING
    none = words("It has no key at all.") if not hosts else NOTHING
    return listed_sentences(said, own, none)


KEYS_SHOWN = 5


def listed_sentences(*sentences: Words) -> Words:
    """Sentences one after the other; empty ones are left out."""
    kept = [sentence for sentence in sentences if sentence]
    return Words(" ".join(one.plain for one in kept), Markup(" ").join(one.html for one in kept))


def decided_by(rule_name: str | None, by: str | None) -> Words:
    """By whom: a rule by its name, a moderator by id."""
    if rule_name is None:
        return user(by or "")
    return words("rule {}", rule(rule_name)) if rule_name != "otherwise" else words("the policy ({})", code(rule_name))


def _credit(request: Request) -> Words:
    """Who brought the outcome about: the rule where a rule gave the word, else the person."""
    answer = request.answer
    return decided_by(answer.rule if answer and answer.by == request.by else None, request.by)


def standing(request: Request) -> Words:
    """Where a request stands, in one sentence."""
    if request.state is State.JOINED and request.answer is None and request.by == request.user_id:
        return words("Joined without an answer: the room let them in.")
    if not request.open:
        return words(OUTCOME_SENTENCES[request.state], by=_credit(request))
    if request.answer is not None:
        said = UNDER_WAY if request.invite is None or request.redeemed else INVITE_UNDER_WAY
        return words(said[request.answer.verdict], by=decided_by(request.answer.rule, request.answer.by))
    return NOTHING


def reason_of(request: Request, *, pushed: bool = False) -> Words:
    """The reason, behind a spoiler: it is a stranger's text in front of people who did not ask for it.

    The plain text of a card is `pushed` to lock screens, and has none of it.
    """
    if request.invite is not None:
        return keys_of(request)
    reason = shown(request.reason, REASON_LIMIT)
    if not reason:
        return words("No reason given.")
    plain = f"(hidden; !kb show {request.number} tells it)" if pushed else reason
    return words("Reason: {}", spoiler(reason, plain))


def answered_with(request: Request) -> Words:
    """What the applicant was told with the answer."""
    reason = request.answer.reason if request.answer else None
    return words("They were told: {}", shown(reason, REASON_LIMIT)) if reason and not request.open else NOTHING


def doubt(request: Request) -> Words:
    """Why the policy left it to people, where it could not tell."""
    decision = request.decision
    if not request.awaits_moderators or decision is None or decision.unknown is None:
        return NOTHING
    if request.invite is not None and decision.verdict is Verdict.FORWARD and decision.rule == "otherwise":
        return words("Not accepted by itself, since this is not known: {}", decision.unknown)
    return words(
        "Not judged: rule {} needs to know what cannot be known now: {}", rule(decision.rule), decision.unknown
    )


def trouble_of(request: Request) -> Words:
    """What went wrong with the last answer."""
    return words("⚠️ {}", request.trouble) if request.trouble and request.open else NOTHING


def how_to_answer(request: Request, possible: Iterable[Verdict]) -> Words:
    """One click, or one command."""
    if not request.awaits_moderators:
        return NOTHING
    offers = [words("{} {}", EMOJI[verdict], verdict.value) for verdict in Verdict if verdict in set(possible)]
    command = code(f"!kb accept {request.number}")
    return words("{} · or {}", listed(offers), command) if offers else words("Answer with {}", command)


def card(request: Request, label: str, possible: Iterable[Verdict]) -> Words:
    """One request as a card."""
    return lines(
        [
            _headline(request, label),
            reason_of(request, pushed=True),
            doubt(request),
            trouble_of(request),
            standing(request),
            answered_with(request),
            how_to_answer(request, possible),
        ]
    )


def _headline(request: Request, label: str) -> Words:
    sign = "✉️" if request.invite is not None and request.open else SIGNS[request.state]
    number = bold(f"#{request.number}")
    if request.invite is None:
        asks = "asks" if request.open else "asked"
        return words("{} {} {} {} to join {}", sign, number, applicant(request), asks, room(label))
    if request.redeemed:
        return words("{} {} {} came in to {} by a third-party invite", sign, number, applicant(request), room(label))
    return words("{} {} third-party invite to {} for {}", sign, number, room(label), applicant(request))


def shared_card(requests: Sequence[Request], label: str, most: int) -> Words:
    """Several requests on one card, the newest `most` of them in full."""
    waiting = [request for request in requests if request.awaits_moderators]
    head = words("🚪 {} requests to join {}, {} waiting", bold(len(requests)), room(label), len(waiting))
    rows = [
        words(
            "{} {} {} · {}",
            SIGNS[request.state],
            bold(f"#{request.number}"),
            applicant(request),
            standing(request) or reason_of(request, pushed=True),
        )
        for request in requests[-most:]
    ]
    earlier = len(requests) - len(rows)
    more = words("… and {} earlier ones: {}", earlier, code("!kb list")) if earlier else NOTHING
    numbers = " ".join(str(request.number) for request in waiting[:SHARED_CARD_NUMBERS])
    how = words("Answer with {}", code(f"!kb accept {numbers}")) if waiting else NOTHING
    return lines([head, more, *rows, how])


SHARED_CARD_NUMBERS = 40


def decision_line(request: Request, label: str) -> Words:
    """What a rule did, in one line."""
    return words(
        "{} {} {} at {}: {}",
        SIGNS[request.state],
        bold(f"#{request.number}"),
        applicant(request),
        room(label),
        standing(request),
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
    } | ({"inviter": request.invite.inviter} if request.invite is not None else {})
