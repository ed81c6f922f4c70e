"""How each kind of request is shown, a row for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from knockbot.domain.card.outcomes import (
    LASTING,
    OUTCOMES,
    SIGNS,
    invite_under_way,
    no_outcome_of_its_own,
    outcome_of_guest,
    outcome_of_invite,
    under_way,
    undone,
)
from knockbot.domain.card.who import (
    By,
    Who,
    addressed,
    answered_by,
    credit,
    invite_of,
    inviter,
    is_invite_withdrawn,
    who_came_in,
    who_is_invited,
    who_knocks,
)
from knockbot.domain.card.words import keys_said, short_reason, whole_reason, whom_it_was_for
from knockbot.domain.model import Kind, Request, State, Verdict
from knockbot.domain.notices import Choice, Code, Notice, Number, Numbered, Profile, Room, Sign, User, notice


def _asks(request: Request, room: Room) -> Notice:
    sign, number, who = sign_of(request), Numbered(request.number), applicant(request)
    if request.invited:
        return notice("card.still_invited", sign=sign, request=number, who=who, room=room)
    if request.open:
        return notice("card.asks", sign=sign, request=number, who=who, room=room)
    return notice("card.did_ask", sign=sign, request=number, who=who, room=room)


def _is_invited(request: Request, room: Room) -> Notice:
    sign, number, whom = sign_of(request), Numbered(request.number), addressed(invite_of(request))
    return notice("card.invited", sign=sign, request=number, inviter=inviter(request), whom=whom, room=room)


def _came_in(request: Request, room: Room) -> Notice:
    sign, number, user = sign_of(request), Numbered(request.number), Profile(request.user_id)
    return notice("card.came_in", sign=sign, request=number, user=user, room=room, inviter=inviter(request))


def _requests(count: Number, room: Room, waiting: Number) -> Notice:
    if not waiting.value:
        return notice("card.requests_answered", count=count, room=room)
    return notice("card.requests", count=count, room=room, waiting=waiting)


def _invites(count: Number, room: Room, waiting: Number) -> Notice:
    if not waiting.value:
        return notice("card.invites_answered", count=count, room=room)
    return notice("card.invites", count=count, room=room, waiting=waiting)


def _requests_settled(sign: Sign, count: Number, room: Room) -> Notice:
    return notice("card.requests_settled", sign=sign, count=count, room=room)


def _invites_settled(sign: Sign, count: Number, room: Room) -> Notice:
    return notice("card.invites_settled", sign=sign, count=count, room=room)


def _offer(request: Request, verdict: Verdict) -> Notice:
    if request.invited:
        return notice("offer.still_invited", verdict=Choice(verdict))
    return notice("offer.knock", verdict=Choice(verdict))


def _offer_on_invite(request: Request, verdict: Verdict) -> Notice:
    if verdict is Verdict.BAN:  # it hits the inviter, not the guest
        return notice("offer.invite_ban", inviter=User(request.sponsor))
    return notice("offer.invite", verdict=Choice(verdict))


def _offer_on_guest(request: Request, verdict: Verdict) -> Notice:
    if verdict is Verdict.ACCEPT:
        return notice("offer.knock", verdict=Choice(verdict))
    return notice("offer.redeemed", verdict=Choice(verdict), user=User(request.user_id))


def _other_knock(request: Request) -> Notice:
    return notice("answer.other_knock", user=User(request.user_id), request=Numbered(request.number))


def _other_invite(request: Request) -> Notice:
    return notice("answer.other_invite", request=Numbered(request.number))


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
    several_settled: Callable[[Sign, Number, Room], Notice] = _requests_settled
    """The same once all of them have an outcome."""
    outcome: Callable[[Request, bool], Notice | None] = no_outcome_of_its_own
    """An outcome that has a sentence of its own."""
    doubts_in_rows: bool = False
    """Whether a row on a shared card says why the moderators decide."""
    hint: Notice | None = None
    """The line below a shared card."""


_INVITE = Told(
    "✉️",
    who=who_is_invited,
    headline=_is_invited,
    reason=keys_said,
    whole_reason=keys_said,
    offer=_offer_on_invite,
    under_way=invite_under_way,
    replaced=_other_invite,
    several=_invites,
    several_settled=_invites_settled,
    outcome=outcome_of_invite,
    doubts_in_rows=True,
    hint=notice("card.ban_of_invites", command=Code("!kb ban")),
)

TOLD: Mapping[Kind, Told] = {
    Kind.KNOCK: Told(
        "🚪",
        who=who_knocks,
        headline=_asks,
        reason=short_reason,
        whole_reason=whole_reason,
        offer=_offer,
        under_way=under_way,
        replaced=_other_knock,
    ),
    Kind.THIRD_PARTY_INVITE: _INVITE,
    Kind.REDEEMED_INVITE: replace(
        _INVITE,
        who=who_came_in,
        headline=_came_in,
        reason=whom_it_was_for,
        whole_reason=whom_it_was_for,
        offer=_offer_on_guest,
        under_way=under_way,
        outcome=outcome_of_guest,
    ),
}
"""How each kind of request is shown."""


# --- looked up there ------------------------------------------------------------------------------------------


def applicant(request: Request) -> Who:
    """Who asks; for a third-party invite, the person that the inviter named, or the user who redeemed it."""
    return TOLD[request.judged_as].who(request)


def numbered(request: Request, label: str | None = None) -> Notice:
    """The same with the number of the request, and its room where that has a `label`."""
    number, who = Numbered(request.number), applicant(request)
    if label is None:
        return notice("who.numbered", request=number, who=who)
    return notice("who.numbered_at", request=number, who=who, room=Room(request.room_id, label))


def everybody(requests: Sequence[Request], labels: Mapping[str, str]) -> list[Notice]:
    """The same of several requests, below each other; `labels` says which rooms are named, and how."""
    more = len(requests) - MOST_NAMED
    named = [numbered(request, labels.get(request.room_id)) for request in requests[:MOST_NAMED]]
    return [*named, *([notice("who.more", count=Number(more))] if more > 0 else [])]


MOST_NAMED = 50
"""Requests that one reply names."""


def sign_of(request: Request) -> Sign:
    """One emoji for the kind and the state of a request."""
    return Sign(TOLD[request.judged_as].sign if request.open else SIGNS[request.state])


def signs_of(requests: Sequence[Request]) -> Sign:
    """The outcomes of several requests: each emoji once, in the order of the requests."""
    return Sign("".join(dict.fromkeys(sign_of(request).emoji for request in requests)))


def _joined_unasked(request: Request) -> Notice:
    if request.answer is not None:
        return notice("outcome.joined_before")
    invited = request.untaken is not None
    return notice("outcome.joined_invited") if invited else notice("outcome.joined_unasked")


def standing(request: Request, *, inviter_banned: bool = False, for_ever: bool = False) -> Notice | None:
    """The state of a request, in one sentence; `for_ever` if the message will not be edited later."""
    return undone(request) or _standing(request, inviter_banned=inviter_banned, for_ever=for_ever)


def _standing(request: Request, *, inviter_banned: bool, for_ever: bool) -> Notice | None:
    if request.state is State.JOINED and request.by == request.user_id:
        return _joined_unasked(request)
    if is_invite_withdrawn(request):
        return notice("outcome.invite_withdrawn", by=credit(request))
    if not request.open:
        if for_ever:
            return LASTING[request.state](request, credit(request))
        its_own = TOLD[request.judged_as].outcome(request, inviter_banned)
        return its_own or OUTCOMES[request.state](request, credit(request))
    if request.answer is None:
        return None
    return TOLD[request.judged_as].under_way(request, answered_by(request), request.answer.verdict)


def waiting(request: Request) -> Notice:
    """That a request waits for an answer; perhaps of somebody who is invited already."""
    return notice("show.still_invited") if request.invited else notice("show.waiting")


def reason_of(request: Request, *, hidden: bool = False) -> Notice | None:
    """The reason, or its beginning if it is long.

    `hidden` follows the room's policy: it is behind a spoiler, and not in the plain text, which lock screens show.
    """
    return TOLD[request.judged_as].reason(request, hidden)


def whole_reason_of(request: Request) -> Notice | None:
    """The reason in full, or as much of it as an event holds."""
    return TOLD[request.judged_as].whole_reason(request)


def head(request: Request, label: str) -> Notice:
    """Whose request it is, and of which room."""
    return notice(
        "card.head",
        sign=sign_of(request),
        request=Numbered(request.number),
        who=applicant(request),
        room=Room(request.room_id, label),
    )
