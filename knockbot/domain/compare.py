"""Finds what was missed: compares a protected room on the homeserver with its records.

`compare(snapshot, records)` returns in one value all that happened and was missed. `flow/looking.py` hands each part
of it to the handler that the live event would have reached. A look reads a room in portions, so that a large room is
never held as a whole: if a snapshot does not show something, that says nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from knockbot.domain import fitness
from knockbot.domain.fitness import Concern
from knockbot.domain.ids import server_of
from knockbot.domain.invites import Fall, Fallen, fallen, is_awaited, is_on_record
from knockbot.domain.jobs import Act, acts
from knockbot.domain.kinds import kind_of
from knockbot.domain.model import (
    MemberChange,
    Membership,
    Reaction,
    Request,
    RoomView,
    State,
    ThirdPartyChange,
    ThirdPartyInvite,
    Verdict,
)
from knockbot.domain.power import Powers


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A protected room as the homeserver shows it, or the part of it that was asked for."""

    room_id: str = ""
    bot: str = ""
    view: RoomView | None = None
    powers: Powers | None = None
    denied: frozenset[str] = frozenset()
    """The servers that its ACL denies, of those whose users knock."""
    knocks: tuple[MemberChange, ...] = ()
    """The knocks in the room, in no order."""
    members: Mapping[str, MemberChange | None] = field(default_factory=dict)
    """The member events of applicants who do not knock any more; `None` if there is none."""
    invites: tuple[ThirdPartyChange, ...] = ()
    """The invite of each token."""
    redeemed: tuple[MemberChange, ...] = ()
    """The events by which people used third-party invites, oldest first."""
    inviters: Mapping[str, MemberChange | None] = field(default_factory=dict)
    """The member events of the inviters of unused invites, except those that the bot cannot see."""
    prompt_redacted: bool = False
    """Whether the prompt that is compared was redacted."""
    reactions: tuple[Reaction, ...] = ()
    """The reactions on it, newest first."""


@dataclass(frozen=True, slots=True)
class KnockOnRecord:
    """The newest knock of one applicant, as far as a look needs it."""

    request_id: int
    event_id: str
    state: State
    has_words: bool = False
    """Whether anything that the applicant wrote is kept: a reason, or a name."""


@dataclass(frozen=True, slots=True)
class Records:
    """What the database has about one protected room, or about the part of it that a snapshot shows."""

    name: str = ""
    concerns: tuple[Concern, ...] = ()
    """What makes it unfit, as last recorded."""
    held: frozenset[str] = frozenset()
    """Users whose knock waits in the inbox, because they knock too often."""
    knocks: Mapping[str, KnockOnRecord] = field(default_factory=dict)
    unsettled: tuple[Request, ...] = ()
    """Pending, and accepted but not joined."""
    oldest: int = 0
    """A knock from before this moment has waited too long."""
    tokens: Mapping[str, Request] = field(default_factory=dict)
    """The newest third-party invite under each token."""
    standing: tuple[Request, ...] = ()
    """The invites that are pending or `standing`, and that nobody redeemed."""
    protected_at: int = 0
    heard: frozenset[str] = frozenset()
    """The reactions that arrived as events."""
    clicked: frozenset[str] = frozenset()
    """The clicks on the compared prompt whose answers are not carried out yet."""


@dataclass(frozen=True, slots=True)
class Missed:
    """What happened in a room and is not in the records."""

    name: str | None = None
    """The room has this name now."""
    concerns: tuple[Concern, ...] | None = None
    """What makes it unfit now, if that has changed."""
    missing: frozenset[Act] = frozenset()
    """Acts for which the bot does not have the power now."""
    knocks: tuple[MemberChange, ...] = ()
    """To be judged, the oldest first."""
    redacted: tuple[int, ...] = ()
    """Requests whose knock was redacted."""
    denied: tuple[Request, ...] = ()
    """Knocks of servers that are now denied."""
    moved_on: tuple[MemberChange, ...] = ()
    """The memberships of applicants who no longer knock."""
    unknown: tuple[Request, ...] = ()
    """Knocks that are not in the room: the homeserver was restored from an older back-up."""
    stale: tuple[int, ...] = ()
    """Requests that have waited too long."""
    invites: tuple[ThirdPartyInvite, ...] = ()
    """To be judged."""
    changed: tuple[ThirdPartyChange, ...] = ()
    """Invites that were emptied, or that the bot sent and that are now in the room."""
    confirm: frozenset[str] = frozenset()
    """Those events of `knocks` and `invites` whose outcome is in the records: either the homeserver was restored from
    an older back-up, or the outcome is newer than the snapshot. They have to be read again."""
    redeemed: tuple[MemberChange, ...] = ()
    fallen: tuple[Fallen, ...] = ()
    """Inviters who may no longer invite."""
    risen: tuple[str, ...] = ()
    """Inviters who may invite."""
    prompt_redacted: bool = False
    clicks: tuple[Reaction, ...] = ()
    """The oldest first, because the first answer wins."""
    unclicked: tuple[str, ...] = ()
    """Clicks whose reactions are not on the prompt: perhaps they were removed."""


def compare(seen: Snapshot, known: Records) -> Missed:
    """Everything that the snapshot shows and the records do not have."""
    knocks = [change for change in seen.knocks if _is_missed(change, known)]
    invites = [invite for invite in _standing(seen) if _is_missed_invite(invite, known.tokens.get(invite.token))]
    inviters = dict(_fallen(seen))
    return Missed(
        name=_new_name(seen, known),
        concerns=_new_concerns(seen, known),
        missing=missing(seen.powers, seen.bot) if seen.powers is not None else frozenset(),
        # The homeserver lists them in no order, but the oldest knock should get the lowest number.
        knocks=tuple(sorted(knocks, key=lambda change: change.sent_at)),
        redacted=tuple(known.knocks[change.user_id].request_id for change in seen.knocks if _lost_words(change, known)),
        denied=tuple(request for request in known.unsettled if is_to_be_closed(request, seen.denied)),
        moved_on=tuple(change for change in seen.members.values() if change and change.membership is not KNOCK),
        unknown=tuple(request for request in known.unsettled if _is_unknown(request, seen)),
        stale=tuple(request.id for request in known.unsettled if is_stale(request, known.oldest)),
        invites=tuple(invites),
        changed=tuple(change for change in seen.invites if _is_changed(change, known.tokens.get(change.token))),
        confirm=frozenset(
            [knock.event_id for knock in knocks if _knock_is_on_record(knock, known)]
            + [invite.event_id for invite in invites if is_on_record(known.tokens.get(invite.token), invite)]
        ),
        redeemed=tuple(_redeemed(seen, known)),
        fallen=tuple(fell for fell in inviters.values() if fell is not None),
        risen=tuple(inviter for inviter, fell in inviters.items() if fell is None),
        prompt_redacted=seen.prompt_redacted,
        clicks=tuple(reaction for reaction in reversed(seen.reactions) if reaction.event_id not in known.heard),
        unclicked=tuple(sorted(known.clicked - {reaction.event_id for reaction in seen.reactions})),
    )


KNOCK = Membership.KNOCK


# --- the room -------------------------------------------------------------------------------------------------


def _new_name(seen: Snapshot, known: Records) -> str | None:
    """The room's name, if it is new; a room without a name is called by its ID."""
    if seen.view is None or seen.view.label in (known.name, seen.view.room_id):
        return None
    return seen.view.label


def _new_concerns(seen: Snapshot, known: Records) -> tuple[Concern, ...] | None:
    if seen.view is None or seen.powers is None:
        return None
    concerns = fitness.of_protected(seen.view.join_rule, seen.view.version, seen.powers)
    return concerns if concerns != known.concerns else None


def missing(powers: Powers, bot: str) -> frozenset[Act]:
    """The acts for which the bot does not have the power."""
    level = powers.level(bot)
    return acts(lambda kind: kind.power is not None and level < powers.needed(kind.power))


# --- knocks ---------------------------------------------------------------------------------------------------


def _is_missed(change: MemberChange, known: Records) -> bool:
    """Whether a knock in the room is not in the records, or is in them with an outcome that the room does not show."""
    if change.user_id in known.held:
        return False
    if not _knock_is_on_record(change, known):
        return True
    return known.knocks[change.user_id].state not in (State.PENDING, State.EXPIRED)


def _knock_is_on_record(change: MemberChange, known: Records) -> bool:
    record = known.knocks.get(change.user_id)
    return record is not None and record.event_id == change.event_id


def _lost_words(change: MemberChange, known: Records) -> bool:
    """Whether a knock was redacted. If its reason was left out of the list, nobody can tell."""
    if change.cut or change.reason or change.display_name or not _knock_is_on_record(change, known):
        return False
    record = known.knocks[change.user_id]
    return record.state is State.PENDING and record.has_words


def is_to_be_closed(request: Request, denied: frozenset[str]) -> bool:
    """Whether this is a knock in the room, from a denied server, that is not being rejected yet."""
    return _waits(request) and server_of(request.user_id) in denied


def is_stale(request: Request, oldest: int) -> bool:
    """Whether a knock is older than this moment, and is not being rejected yet."""
    return _waits(request) and request.changed_at <= oldest


def _waits(request: Request) -> bool:
    to_be_let_in = request.answer is None or request.answer.verdict is Verdict.ACCEPT
    return kind_of(request).waits_outside and request.open and not request.invited and to_be_let_in


def _is_unknown(request: Request, seen: Snapshot) -> bool:
    """Whether the room has no member event of somebody who knocked in it, and not in a room that it replaces."""
    nothing_there = request.user_id in seen.members and seen.members[request.user_id] is None
    return nothing_there and kind_of(request).waits_outside and request.moved_from is None


# --- third-party invites --------------------------------------------------------------------------------------


def _standing(seen: Snapshot) -> Iterator[ThirdPartyInvite]:
    return (change.invite for change in seen.invites if change.invite is not None)


def _is_missed_invite(invite: ThirdPartyInvite, request: Request | None) -> bool:
    """Whether an invite in the room is not in the records, or is in them as revoked."""
    if is_awaited(request, invite):
        return False
    return request is None or not is_on_record(request, invite) or request.state is State.REVOKED


def _is_changed(change: ThirdPartyChange, request: Request | None) -> bool:
    """Whether an invite in the records was emptied, or one that the bot sent is in the room now."""
    if change.invite is not None:
        return is_awaited(request, change.invite)
    return request is not None and request.state in (State.PENDING, State.STANDING)


def _redeemed(seen: Snapshot, known: Records) -> Iterator[MemberChange]:
    tokens = {request.invite.token for request in known.standing if request.invite is not None}
    return (c for c in seen.redeemed if c.token in tokens and c.sent_at >= known.protected_at)


def _fallen(seen: Snapshot) -> Iterator[tuple[str, Fallen | None]]:
    """Which inviters may no longer invite, and which still may."""
    if seen.powers is None:
        return
    for inviter, member in seen.inviters.items():
        how = fallen(member, seen.powers, inviter)
        yield inviter, Fallen(seen.room_id, inviter, how, _occasion(seen.powers, inviter, member, how)) if how else None


def _occasion(powers: Powers, inviter: str, member: MemberChange | None, how: Fall) -> str:
    """The name of the inviter's loss, so that each is handled once: the event, or the level that is too low."""
    return member.event_id if member is not None and how is not Fall.DEMOTED else f"level {powers.level(inviter):g}"
