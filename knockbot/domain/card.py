"""How a request is shown: as a card, a line, a row on a shared card, and as a block for machines.

All except that block are notices: a card becomes text when it is sent, in the language of its room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from json import dumps
from typing import Any

from markupsafe import escape

from knockbot.documents.text import NAME_LIMIT, REASON_LIMIT, harmless, shown, shown_id
from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.invites import MOST_KEYS, https_host
from knockbot.domain.kinds import OTHERWISE, OTHERWISE_INVITES, kind_of
from knockbot.domain.model import Kind, Request, State, ThirdPartyInvite, Verdict
from knockbot.domain.notices import (
    Ago,
    Arg,
    Choice,
    Code,
    Duration,
    Hidden,
    Letters,
    Many,
    Name,
    Notice,
    Number,
    Numbered,
    Profile,
    Room,
    Rule,
    Sentences,
    Sign,
    Stranger,
    Term,
    User,
    below,
    listed,
    notice,
    rows,
)
from knockbot.domain.plan import REACTIONS
from knockbot.domain.reasons import told_with
from knockbot.times import MINUTE

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

EMOJI: dict[Verdict, str] = {verdict: emoji for emoji, verdict in REACTIONS.items()}

By = Notice | User
Who = Notice | Profile | Letters


# --- who ------------------------------------------------------------------------------------------------------


def applicant(request: Request) -> Who:
    """Who asks; for a third-party invite, the person that the inviter named, or the user who redeemed it."""
    return TOLD[request.judged_as].who(request)


def _who_knocks(request: Request) -> Who:
    """The name they gave themselves, and the id that they cannot choose again."""
    name, user = shown(request.display_name or "", NAME_LIMIT), Profile(request.user_id)
    if not name or name.casefold() == shown_id(request.user_id).casefold():
        return user
    if name[0].isalpha() and "@" not in name:
        return notice("who.named", name=Name(name), user=user)
    # A name may hold emoji, numbers, or an ID of somebody else: nobody should take them for text of the bot.
    return notice("who.named_oddly", name=Name(name), user=user)


def _who_is_invited(request: Request) -> Who:
    return notice("who.invited", whom=_addressed(_invite_of(request)), inviter=_inviter(request))


def _who_came_in(request: Request) -> Who:
    return notice("who.invited", whom=Profile(request.user_id), inviter=_inviter(request))


def _invite_of(request: Request) -> ThirdPartyInvite:
    assert request.invite is not None
    return request.invite


def numbered(request: Request) -> Notice:
    """The same with the number of the request."""
    return notice("who.numbered", request=Numbered(request.number), who=applicant(request))


def everybody(requests: Sequence[Request]) -> list[Notice]:
    """The same of several requests, below each other."""
    more = len(requests) - MOST_NAMED
    return [*map(numbered, requests[:MOST_NAMED]), *([notice("who.more", count=Number(more))] if more > 0 else [])]


MOST_NAMED = 50
"""Requests that one reply names."""


def _inviter(request: Request) -> By:
    """The inviter; if the bot sent the invite, the moderator who requested it."""
    inviter = User(request.sponsor)
    return notice("who.through_me", user=inviter) if request.issued_by is not None else inviter


def _addressed(invite: ThirdPartyInvite) -> Notice | Letters:
    """Who is invited, in the inviter's words."""
    name = shown(invite.display_name, NAME_LIMIT)
    return Letters(name, NAME_LIMIT) if name else notice("who.nameless")


# --- by whom --------------------------------------------------------------------------------------------------


def decided_by(rule_name: str | None, by: str | None) -> By:
    """By whom: a rule by its name, a moderator by user ID, or the policy's `otherwise` if no rule matched."""
    if rule_name is None:
        return User(by or "")
    if not rule_name:
        return notice("by.policy")
    if rule_name in (OTHERWISE, OTHERWISE_INVITES):
        return notice("by.policy_key", key=Code(rule_name))
    if rule_name == SERVER_ACL:
        return notice("by.server_acl")
    return notice("by.rule", rule=Rule(rule_name))


def policy_key(request: Request, rule_name: str | None, verdict: Verdict | None) -> str | None:
    """A rule by its name; if none matched, the key of the policy for requests of this kind, if there is one."""
    if rule_name != OTHERWISE:
        return rule_name
    # A user who redeems an invite is accepted because the invite was; for other cases the policy has no key.
    return kind_of(request).otherwise or (OTHERWISE_INVITES if verdict is Verdict.ACCEPT else "")


def _answered_by(request: Request) -> By:
    """Who gave the answer that counts: a rule, or a moderator."""
    answer = request.answer
    if answer is None:
        return User("")
    return decided_by(policy_key(request, answer.rule, answer.verdict), answer.by)


def _credit(request: Request) -> By:
    """Who caused the outcome: the rule if a rule gave the answer, else the person."""
    answer = request.answer
    return _answered_by(request) if answer and answer.by == request.by else User(request.by or "")


# --- its state ------------------------------------------------------------------------------------------------

OUTCOMES: Mapping[State, Callable[[Request, By], Notice]] = {
    State.ACCEPTED: lambda _, by: notice("outcome.accepted", by=by),
    State.JOINED: lambda _, by: notice("outcome.joined", by=by),
    State.DECLINED: lambda *_: notice("outcome.declined"),
    State.REJECTED: lambda _, by: notice("outcome.rejected", by=by),
    State.BANNED: lambda _, by: notice("outcome.banned", by=by),
    State.WITHDRAWN: lambda *_: notice("outcome.withdrawn"),
    State.EXPIRED: lambda *_: notice("outcome.expired"),
    State.STANDING: lambda _, by: notice("outcome.approved", by=by),
    State.REDEEMED: lambda request, by: notice("outcome.used", user=User(request.user_id), by=by),
    State.REVOKED: lambda _, by: notice("outcome.revoked", by=by),
}
"""The outcome of a request."""

LASTING: Mapping[State, Callable[[Request, By], Notice]] = {
    **OUTCOMES,
    State.ACCEPTED: lambda _, by: notice("outcome.accepted_for_good", by=by),
    State.STANDING: lambda _, by: notice("outcome.approved_for_good", by=by),
}
"""The same in a line that reports a rule's decision: nobody edits it later, so it says only what stays true."""


def standing(request: Request, *, inviter_banned: bool = False, for_ever: bool = False) -> Notice | None:
    """The state of a request, in one sentence; `for_ever` if the message will not be edited later."""
    if request.state is State.JOINED and request.by == request.user_id:
        return notice("outcome.joined_unasked") if request.answer is None else notice("outcome.joined_before")
    if not request.open:
        if for_ever:
            return LASTING[request.state](request, _credit(request))
        its_own = TOLD[request.judged_as].outcome(request, inviter_banned)
        return its_own or OUTCOMES[request.state](request, _credit(request))
    if request.answer is None:
        return None
    return TOLD[request.judged_as].under_way(request, _answered_by(request), request.answer.verdict)


def _no_outcome_of_its_own(_: Request, __: bool) -> None:
    return None


def _outcome_of_guest(request: Request, _: bool) -> Notice | None:
    return notice("outcome.left_again") if request.state is State.WITHDRAWN else None


def _outcome_of_invite(request: Request, inviter_banned: bool) -> Notice | None:
    by, inviter = _credit(request), User(request.sponsor)
    if request.issued_by is not None and request.state is State.STANDING:
        return notice("outcome.issued", by=by)
    if request.state is not State.REVOKED or request.answer is None:
        return None
    if inviter_banned:
        return notice("outcome.revoked_banned", by=by, inviter=inviter)
    if request.answer.verdict is Verdict.BAN:
        return notice("outcome.revoked_to_ban", by=by, inviter=inviter)
    return None


def _under_way(_: Request, by: By, verdict: Verdict) -> Notice:
    return notice("outcome.under_way", by=by, verdict=Choice(verdict))


def _invite_under_way(request: Request, by: By, verdict: Verdict) -> Notice:
    if request.on_its_way and verdict is Verdict.ACCEPT:
        return notice("outcome.sent", by=by)
    if verdict is Verdict.BAN:
        return notice("outcome.inviter_under_way", by=by, inviter=User(request.subject))
    return notice("outcome.invite_under_way", by=by, verdict=Choice(verdict))


def withdrawn_perhaps(request: Request) -> Notice | None:
    """Says that an accept may have been too late, if no server would have told the bot."""
    waits = request.open or request.state is State.ACCEPTED
    return notice("card.may_have_withdrawn") if waits and request.answer and request.answer.doubtful else None


def answered_with(request: Request) -> Notice | None:
    """What the applicant was told with the answer."""
    reason = told_with(request.answer) if request.answer else None
    settled = not request.open and request.state is not State.EXPIRED
    return notice("card.told", reason=Stranger(reason, REASON_LIMIT)) if reason and settled else None


def trouble_of(request: Request) -> Notice | None:
    """What went wrong with the last answer."""
    return notice("card.trouble", why=request.trouble) if request.trouble and request.open else None


def doubt(request: Request) -> Notice | None:
    """Why the policy left it to people, if it could not decide."""
    decision = request.decision
    if not request.awaits_moderators or decision is None:
        return None
    if decision.doubt is not None:
        if decision.rule == OTHERWISE:
            return notice("card.asked", why=decision.doubt)
        return notice("card.asked_though", rule=Rule(decision.rule), why=decision.doubt)
    if decision.unknown is not None:
        return notice("card.not_judged", rule=Rule(decision.rule), why=decision.unknown)
    return None


# --- what it says ---------------------------------------------------------------------------------------------

CARD_REASON = 300
"""Characters of a reason that a card and a list show."""

WHOLE_REASON = 20_000
"""The most bytes of a reason that `show` displays: an event has to hold it twice, as text and as HTML."""


def reason_of(request: Request, *, hidden: bool = False) -> Notice | None:
    """The reason, or its beginning if it is long.

    `hidden` follows the room's policy: it is behind a spoiler, and not in the plain text, which lock screens show.
    """
    return TOLD[request.judged_as].reason(request, hidden)


def _reason(request: Request, hidden: bool) -> Notice:
    reason, beyond = shown(request.reason, CARD_REASON), shown(request.reason, CARD_REASON + 1)
    command = f"!kb show {request.number}"
    if not reason:
        return notice("card.no_reason")
    if hidden:
        return notice("card.reason_hidden", reason=Hidden(beyond, CARD_REASON, command))
    if reason != beyond:
        return notice("card.reason_cut", reason=Stranger(beyond, CARD_REASON), command=Code(command))
    return notice("card.reason", reason=Stranger(reason, CARD_REASON))


def whole_reason_of(request: Request) -> Notice | None:
    """The reason in full, or as much of it as an event holds."""
    return TOLD[request.judged_as].whole_reason(request)


def _whole_reason(request: Request) -> Notice:
    reason = shown(request.reason, len(request.reason) + 1)
    kept = reason
    while len(dumps(escape(harmless(kept)))) > WHOLE_REASON:
        kept = kept[: len(kept) * 3 // 4]
    if not reason:
        return notice("card.no_reason")
    said = Stranger(kept, WHOLE_REASON)
    if kept == reason:
        return notice("card.reason", reason=said)
    return notice("card.reason_and_more", reason=said, count=Number(len(reason) - len(kept)))


def _keys(request: Request, _: bool = False) -> Notice:
    return keys_of(_invite_of(request))


def _whom_it_was_for(request: Request, _: bool = False) -> Notice | None:
    invite = _invite_of(request)
    return notice("card.was_for", whom=_addressed(invite)) if invite.display_name else None


def keys_of(invite: ThirdPartyInvite) -> Notice:
    """Whose keys an invite has: identity servers by their host, and keys that belong to no server."""
    hosts = dict.fromkeys(https_host(key.url) if key.url is not None else None for key in invite.keys)
    named = [host for host in hosts if host is not None]
    said = [notice("card.keys", hosts=_hosts(named, many=len(hosts) > MOST_KEYS))] if named else []
    if None in hosts:
        said.append(notice("card.key_of_nobody"))
    return sentences(said or [notice("card.no_key")])


def _hosts(named: Sequence[str], *, many: bool) -> Many:
    shown_hosts: list[Arg] = [Letters(host, NAME_LIMIT) for host in named[:KEYS_SHOWN]]
    if many:
        shown_hosts.append(notice("list.others"))  # their number is not stored
    elif len(named) > KEYS_SHOWN:
        shown_hosts.append(notice("list.more", count=Number(len(named) - KEYS_SHOWN)))
    return listed(shown_hosts)


KEYS_SHOWN = 5
"""Identity servers that are named; the others are counted."""


def sentences(said: Sequence[Notice | None]) -> Notice:
    """Sentences one after the other; `None` is left out."""
    return notice("sentences", sentences=Sentences(tuple(one for one in said if one is not None)))


# --- earlier requests -----------------------------------------------------------------------------------------

BEFORE_BY = frozenset({State.ACCEPTED, State.JOINED, State.REJECTED, State.BANNED})
BEFORE = BEFORE_BY | {State.DECLINED, State.WITHDRAWN, State.EXPIRED}
"""The possible outcomes of an earlier knock; the first ones name who caused them."""


def before(request: Request, earlier: Request | None) -> Notice | None:
    """The outcome of the same applicant's last knock at the same room, when this one arrived."""
    if earlier is None or earlier.state not in BEFORE:
        return None
    since = request.opened_at - earlier.changed_at
    time = Duration(since) if since >= MINUTE else notice("time.a_moment")
    when = notice("time.earlier", time=time)
    if earlier.management_room == request.management_room:
        when = notice("time.earlier_request", time=time, request=Numbered(earlier.number))
    if earlier.state in BEFORE_BY:
        return notice("before.by", state=Choice(earlier.state), by=_credit(earlier), when=when)
    return notice("before.alone", state=Choice(earlier.state), when=when)


# --- how to answer --------------------------------------------------------------------------------------------


def how_to_answer(request: Request, possible: Iterable[Verdict], missing: Notice | None = None) -> list[Notice | None]:
    """Each click, or command, that would work; and what is `missing` for an accept."""
    if not request.awaits_moderators:
        return []
    ready = [verdict for verdict in Verdict if verdict in set(possible)]
    if not ready:
        return [missing]
    offers = listed(TOLD[request.judged_as].offer(request, verdict) for verdict in ready)
    return [missing, notice("card.answer", offers=offers, command=Code(f"!kb {ready[0]} {request.number}"))]


def _offer(_: Request, verdict: Verdict) -> Notice:
    return notice("offer.knock", verdict=Choice(verdict))


def _offer_on_invite(request: Request, verdict: Verdict) -> Notice:
    if verdict is Verdict.BAN:  # it hits the inviter, not the guest
        return notice("offer.invite_ban", inviter=User(request.sponsor))
    return notice("offer.invite", verdict=Choice(verdict))


def _offer_on_guest(request: Request, verdict: Verdict) -> Notice:
    if verdict is Verdict.ACCEPT:
        return notice("offer.knock", verdict=Choice(verdict))
    return notice("offer.redeemed", verdict=Choice(verdict), user=User(request.user_id))


# --- cards ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Around:
    """What a card shows in addition to the request."""

    hidden: bool = False
    """Whether the room's policy hides reasons (`reasons: hidden`)."""
    earlier: Request | None = None
    """The last knock of the same applicant at the same room, if it is closed."""
    inviter_banned: bool = False
    """Whether the inviter of a third-party invite was banned with it."""
    missing: Notice | None = None
    """Why the bot could not carry out an accept now."""


NOTHING_ELSE = Around()


def card(request: Request, label: str, possible: Iterable[Verdict], around: Around) -> Notice:
    """One request as a card."""
    return below(
        TOLD[request.judged_as].headline(request, Room(request.room_id, label)),
        reason_of(request, hidden=around.hidden),
        before(request, around.earlier),
        doubt(request),
        trouble_of(request),
        standing(request, inviter_banned=around.inviter_banned),
        withdrawn_perhaps(request),
        answered_with(request),
        *how_to_answer(request, possible, around.missing),
    )


def _asks(request: Request, room: Room) -> Notice:
    sign, number, who = sign_of(request), Numbered(request.number), applicant(request)
    if request.open:
        return notice("card.asks", sign=sign, request=number, who=who, room=room)
    return notice("card.did_ask", sign=sign, request=number, who=who, room=room)


def _is_invited(request: Request, room: Room) -> Notice:
    sign, number, whom = sign_of(request), Numbered(request.number), _addressed(_invite_of(request))
    return notice("card.invited", sign=sign, request=number, inviter=_inviter(request), whom=whom, room=room)


def _came_in(request: Request, room: Room) -> Notice:
    sign, number, user = sign_of(request), Numbered(request.number), Profile(request.user_id)
    return notice("card.came_in", sign=sign, request=number, user=user, room=room, inviter=_inviter(request))


def sign_of(request: Request) -> Sign:
    """One emoji for the kind and the state of a request."""
    return Sign(TOLD[request.judged_as].sign if request.open else SIGNS[request.state])


def shared_card(
    requests: Sequence[Request], label: str, most: int, possible: Iterable[Verdict], around: Around
) -> Notice:
    """Several requests on one card, the newest `most` of them in full; `possible` is what the bot can do about the
    newest pending one."""
    waiting = [request for request in requests if request.awaits_moderators]
    kind = TOLD[requests[-1].judged_as]
    room, count, waits = Room(requests[-1].room_id, label), Number(len(requests)), Number(len(waiting))
    earlier = len(requests) - most
    # One number: a command with all of them, copied without a look, would accept a crowd.
    ready = [verdict for verdict in Verdict if verdict in set(possible)] if waiting else []
    return below(
        kind.several(count, room, waits),
        notice("card.earlier_ones", count=Number(earlier), command=Code("!kb list")) if earlier > 0 else None,
        *(_row(request, around) for request in requests[-most:]),
        around.missing if waiting else None,
        notice("card.answer_each", command=Code(f"!kb {ready[0]} {waiting[-1].number}")) if ready else None,
        kind.hint if ready else None,
    )


def _requests(count: Number, room: Room, waiting: Number) -> Notice:
    return notice("card.requests", count=count, room=room, waiting=waiting)


def _invites(count: Number, room: Room, waiting: Number) -> Notice:
    return notice("card.invites", count=count, room=room, waiting=waiting)


def _row(request: Request, around: Around) -> Notice:
    """One request on a shared card."""
    why = doubt(request) if TOLD[request.judged_as].doubts_in_rows else None
    what = standing(request) or sentences([reason_of(request, hidden=around.hidden), why])
    return notice(
        "card.row", sign=sign_of(request), request=Numbered(request.number), who=applicant(request), what=what
    )


def head(request: Request, label: str) -> Notice:
    """Whose request it is, and of which room."""
    return notice(
        "card.head",
        sign=sign_of(request),
        request=Numbered(request.number),
        who=applicant(request),
        room=Room(request.room_id, label),
    )


def decision_line(request: Request, label: str) -> Notice:
    """What a rule did, in one line."""
    said = standing(request, for_ever=True)
    return notice("card.line", head=head(request, label), what=said) if said is not None else head(request, label)


def moved_away() -> Notice:
    """A card whose requests have moved to another management room."""
    return notice("card.moved_away")


def kept_no_longer(requests: Sequence[Request]) -> Notice:
    """A card whose room is no longer protected: it accepts no answers."""
    newest, sign = requests[-1], sign_of(requests[-1])
    alone = len(requests) == 1
    who = numbered(newest) if alone else notice("card.several", count=Number(len(requests)))
    said = (_answered_before(newest) if alone else None) or notice("card.answer_yourself")
    return notice("card.unprotected", sign=sign, who=who, what=said)


def _answered_before(request: Request) -> Notice | None:
    """What happened to a request while its room was protected; an act in progress may still succeed or fail."""
    if request.open and request.answer is not None:
        return notice("card.chose", by=_answered_by(request), verdict=Choice(request.answer.verdict))
    return standing(request, for_ever=True)


# --- replies about requests -----------------------------------------------------------------------------------


def already_answered(request: Request, now: int) -> Notice:
    """The first answer wins, and the second is told so."""
    number = Numbered(request.number)
    if request.open and request.answer is not None:
        chosen, when = Choice(request.answer.verdict), Ago(now - request.answer.at)
        return notice("answer.already", request=number, by=_answered_by(request), verdict=chosen, when=when)
    what = standing(request) or notice("show.waiting")
    return notice("answer.closed", request=number, when=Ago(now - request.changed_at), what=what)


def changed_anew(request: Request) -> Notice:
    """The answer was given to something that has been replaced since."""
    return TOLD[request.judged_as].replaced(request)


def _other_knock(request: Request) -> Notice:
    return notice("answer.other_knock", user=User(request.user_id), request=Numbered(request.number))


def _other_invite(request: Request) -> Notice:
    return notice("answer.other_invite", request=Numbered(request.number))


def which_applicant(requests: Sequence[Request]) -> Notice:
    """The command could mean several people who are waiting."""
    return rows([notice("meant.several"), *everybody(requests)])


def hit_by_answer(requests: Sequence[Request], answer: str) -> Notice:
    """Whom a command was about, if it could have been somebody else."""
    return rows([notice("answer.hits", answer=Term(answer)), *everybody(requests)])


def may_have_withdrawn(request: Request) -> Notice:
    """The problem that an accept of an old knock from another server may have."""
    accepted = notice("answer.accepted", request=Numbered(request.number), user=User(request.user_id))
    return sentences([accepted, notice("card.may_have_withdrawn")])


# --- kind by kind ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Told:
    """How requests of one kind are shown."""

    sign: str
    """The emoji of a pending one."""
    who: Callable[[Request], Who]
    headline: Callable[[Request, Room], Notice]
    reason: Callable[[Request, bool], Notice | None]
    """What it says, perhaps hidden."""
    whole_reason: Callable[[Request], Notice | None]
    offer: Callable[[Request, Verdict], Notice]
    """An answer that can be given, and what it does."""
    under_way: Callable[[Request, By, Verdict], Notice]
    """An answer that is being carried out."""
    replaced: Callable[[Request], Notice]
    """That the answer was for an earlier version of the request."""
    several: Callable[[Number, Room, Number], Notice] = _requests
    """The headline of a card that shows several."""
    outcome: Callable[[Request, bool], Notice | None] = _no_outcome_of_its_own
    """An outcome that has a sentence of its own."""
    doubts_in_rows: bool = False
    """Whether a row on a shared card says why the moderators decide."""
    hint: Notice | None = None
    """The line below a shared card."""


_INVITE = Told(
    "✉️",
    who=_who_is_invited,
    headline=_is_invited,
    reason=_keys,
    whole_reason=_keys,
    offer=_offer_on_invite,
    under_way=_invite_under_way,
    replaced=_other_invite,
    several=_invites,
    outcome=_outcome_of_invite,
    doubts_in_rows=True,
    hint=notice("card.ban_of_invites", command=Code("!kb ban")),
)

TOLD: Mapping[Kind, Told] = {
    Kind.KNOCK: Told(
        "🚪",
        who=_who_knocks,
        headline=_asks,
        reason=_reason,
        whole_reason=_whole_reason,
        offer=_offer,
        under_way=_under_way,
        replaced=_other_knock,
    ),
    Kind.THIRD_PARTY_INVITE: _INVITE,
    Kind.REDEEMED_INVITE: replace(
        _INVITE,
        who=_who_came_in,
        headline=_came_in,
        reason=_whom_it_was_for,
        whole_reason=_whom_it_was_for,
        offer=_offer_on_guest,
        under_way=_under_way,
        outcome=_outcome_of_guest,
    ),
}
"""How each kind of request is shown."""


# --- for machines ---------------------------------------------------------------------------------------------


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
