"""A card that shows one request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from knockbot.domain.card.approvals import void_approval
from knockbot.domain.card.endings import NoRejection, no_rejection
from knockbot.domain.card.kinds import TOLD, reason_of, standing
from knockbot.domain.card.outcomes import answered_with, doubt, found, trouble_of, withdrawn_perhaps
from knockbot.domain.card.who import credit
from knockbot.domain.card.words import sentences
from knockbot.domain.model import Request, Shortcut, State, Step, Verdict
from knockbot.domain.notices import (
    Choice,
    Code,
    Duration,
    Notice,
    Numbered,
    Room,
    Sign,
    Stranger,
    User,
    below,
    listed,
    notice,
)
from knockbot.domain.plan import REACTIONS
from knockbot.domain.undoing import carried_out
from knockbot.times import MINUTE

EMOJI: dict[Verdict, str] = {verdict: emoji for emoji, verdict in REACTIONS.items()}


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
    dossier: tuple[Notice, ...] = ()
    """Short lines about the applicant that help to decide."""
    doors: Mapping[str, str] = field(default_factory=dict)
    """If it shows requests of one applicant at several rooms: what each of these is called."""
    closed: frozenset[str] = frozenset()
    """Those of the rooms that are protected no longer."""
    shortcuts: tuple[Shortcut, ...] = ()
    """The answers with a text that one click gives."""
    remarks: Mapping[int, Sequence[Notice]] = field(default_factory=dict)
    """What the moderators have made of each request, by its ID."""


NOTHING_ELSE = Around()


def card(request: Request, label: str, possible: Iterable[Verdict], around: Around) -> Notice:
    """One request as a card."""
    return below(
        TOLD[request.judged_as].headline(request, Room(request.room_id, label)),
        reason_of(request, hidden=around.hidden),
        before(request, around.earlier),
        *around.dossier,
        doubt(request),
        void_approval(request),
        trouble_of(request),
        _reached(request, around),
        withdrawn_perhaps(request),
        answered_with(request),
        *around.remarks.get(request.id, ()),
        *how_to_answer(request, possible, around),
    )


def _reached(request: Request, around: Around) -> Notice | None:
    """What became of it, and by which entry of a policy list, if one decided."""
    said, by_list = standing(request, inviter_banned=around.inviter_banned), found(request)
    return sentences([said, by_list]) if said is not None and by_list is not None else said


BEFORE_BY = frozenset({State.ACCEPTED, State.JOINED, State.REJECTED, State.BANNED})
BEFORE = BEFORE_BY | {State.DECLINED, State.WITHDRAWN, State.EXPIRED}
"""The possible outcomes of an earlier knock; the first ones name who caused them."""


def before(request: Request, earlier: Request | None) -> Notice | None:
    """The outcome of the same applicant's last knock at the same room, when this one arrived."""
    if earlier is None or earlier.state not in BEFORE:
        return None
    time = _time(request.opened_at - earlier.changed_at)
    when = notice("time.earlier", time=time)
    if earlier.management_room == request.management_room:
        when = notice("time.earlier_request", time=time, request=Numbered(earlier.number))
    return sentences([_ended(earlier, when), _removed(request, earlier)])


def _time(since: int) -> Duration | Notice:
    return Duration(since) if since >= MINUTE else notice("time.a_moment")


def _ended(earlier: Request, when: Notice) -> Notice:
    why = no_rejection(earlier)
    if why is NoRejection.BY_POLICY:
        return notice("before.invite_withdrawn", by=credit(earlier), when=when)
    if carried_out(earlier) is Step.EXPIRE:
        return notice("before.invite_expired", when=when)
    if why is not None:
        return notice("before.undone", step=Choice(why), by=credit(earlier), when=when)
    if earlier.state in BEFORE_BY:
        return notice("before.by", state=Choice(earlier.state), by=credit(earlier), when=when)
    return notice("before.alone", state=Choice(earlier.state), when=when)


def _removed(request: Request, earlier: Request) -> Notice | None:
    """That they were removed after they had joined; if an accept was undone so, that is the outcome itself."""
    removal = earlier.removal
    if removal is None or earlier.undone is not None:
        return None
    when = notice("time.earlier", time=_time(request.opened_at - removal.at))
    return notice("before.removed", state=Choice(removal.state), by=User(removal.by), when=when)


def how_to_answer(request: Request, possible: Iterable[Verdict], around: Around) -> list[Notice | None]:
    """Each click, or command, that would work; and what is missing for an accept."""
    if not request.awaits_moderators:
        return []
    ready = [verdict for verdict in Verdict if verdict in set(possible)]
    if not ready:
        return [around.missing]
    offers = listed(TOLD[request.judged_as].offer(request, verdict) for verdict in ready)
    answer = notice("card.answer", offers=offers, command=Code(f"!kb {ready[0]} {request.number}"))
    return [around.missing, answer, texts_to_send(around)]


def texts_to_send(around: Around) -> Notice | None:
    """The clicks that reject with a text."""
    if not around.shortcuts:
        return None
    rows = (notice("card.shortcut", sign=Sign(one.emoji), name=Stranger(one.name)) for one in around.shortcuts)
    return notice("card.shortcuts", offers=listed(rows))
