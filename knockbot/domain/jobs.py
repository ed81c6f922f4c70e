"""What is to be done on the homeserver: a payload for each kind of job, and `JOBS`, the table of all kinds.

To add a kind: add a member to `Act`, its payload, and its row in `JOBS`. How it is done, and what follows, is a row in
the `ACTS` of the file that does it (`flow/working.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeAlias, TypeVar

from knockbot.domain.coding import Coding, Malformed
from knockbot.domain.ids import server_of
from knockbot.domain.languages import Language
from knockbot.domain.model import Membership
from knockbot.domain.notices import Notice
from knockbot.domain.power import Power


class Act(StrEnum):
    """The kinds of job: each aims at a state of the homeserver, and is done once."""

    INVITE = "invite"
    KICK = "kick"
    BAN = "ban"
    UNBAN = "unban"
    POST_PROMPT = "post_prompt"
    EDIT_PROMPT = "edit_prompt"
    REACT = "react"
    UNREACT = "unreact"
    REDACT = "redact"
    SAY = "say"
    SEND_FILE = "send_file"
    JOIN = "join"
    LEAVE = "leave"
    MEET = "meet"
    REVOKE = "revoke"
    ISSUE = "issue"
    PLANT = "plant"
    CONVERSE = "converse"
    HOLD_INTERVIEW = "hold_interview"
    PROTECT = "protect"
    ALSO_INVITE = "also_invite"
    FOLLOW_LIST = "follow_list"
    READ_LIST = "read_list"


# --- on members of a protected room ---------------------------------------------------------------------------

KNOCKING = (Membership.KNOCK,)


@dataclass(frozen=True, slots=True)
class OnMember:
    """Change somebody's membership."""

    user_id: str
    request_id: int | None = None
    """The request whose answer it carries out; none if it does not depend on the state of a request."""
    while_in: tuple[Membership, ...] = KNOCKING
    """The memberships in which it applies to them."""
    on_behalf_of: str | None = None
    """With whose power it is done; none means the bot's own."""
    reason: str | None = None
    """What people wrote for the applicant."""
    told: Notice | None = None
    """What the bot itself tells them, if nobody wrote anything."""
    instead: bool = False
    """Whether it overrides another act, which may be in progress."""

    @property
    def only_knocking(self) -> bool:
        """Whether it applies to them only while they knock."""
        return self.while_in == KNOCKING


@dataclass(frozen=True, slots=True)
class Invite(OnMember):
    """Invite somebody, to accept them."""

    knock: str | None = None
    """The event it is for: another knock overtakes it. None if it is for the current knock, whichever that is."""
    server: str | None = None
    """Their server, if it is another one and has to answer."""


@dataclass(frozen=True, slots=True)
class Kick(OnMember):
    """Reject somebody, or remove them."""

    guest: str | None = None
    """The event by which they used a third-party invite. Somebody else may have done that for them, so until they join
    the job only withdraws their invite."""


@dataclass(frozen=True, slots=True)
class Ban(OnMember):
    """Ban somebody."""

    guest: str | None = None
    """As in `Kick`."""


@dataclass(frozen=True, slots=True)
class Unban(OnMember):
    """Lift somebody's ban."""


# --- on third-party invites -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Revoke:
    """Empty the token of a third-party invite, so that nobody can use it."""

    token: str
    inviter: str
    request_id: int | None = None
    """None if the result does not matter for the request."""
    on_behalf_of: str | None = None


@dataclass(frozen=True, slots=True)
class Issue:
    """Ask an identity server to invite an address; the row of the command has the address."""

    command: str
    """The event of the command."""
    identity_server: str
    management_room: str
    """The room of the command."""


@dataclass(frozen=True, slots=True)
class Plant:
    """Put into the room what an identity server returned for an invite that the bot issued."""

    request_id: int
    token: str
    content: Mapping[str, Any]


# --- messages to applicants and moderators ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Converse:
    """Make a private room with an applicant, and invite them there. It names no server: what waits for a letter must
    not hold up an answer, and a server that keeps a letter waiting does not keep answers waiting by that."""

    user_id: str
    conversation_id: int


@dataclass(frozen=True, slots=True)
class HoldInterview:
    """Make a private room for an interview and invite those who take part; or invite one more moderator, `guest`."""

    user_id: str
    """The applicant."""
    interview_id: int
    guest: str = ""


@dataclass(frozen=True, slots=True)
class PostPrompt:
    """Post a message that can be answered, such as a request shown to the moderators."""

    prompt_id: int


@dataclass(frozen=True, slots=True)
class EditPrompt:
    """Edit a prompt so that it shows the current state."""

    prompt_id: int


@dataclass(frozen=True, slots=True)
class React:
    """Put a reaction on a message: an offered answer on a prompt, or a sign that a command was done."""

    event_id: str
    emoji: str
    prompt_id: int | None = None


@dataclass(frozen=True, slots=True)
class Unreact:
    """Remove an offered answer."""

    prompt_id: int
    reaction: str
    emoji: str


@dataclass(frozen=True, slots=True)
class Redact:
    """Redact a prompt, or an edit of it."""

    prompt_id: int
    event_id: str


@dataclass(frozen=True, slots=True)
class Line:
    """A message in a room."""

    notice: Notice
    language: Language
    aloud: bool = False
    """Whether clients are to notify people."""
    calls: tuple[str, ...] = ()
    """Who is called by name."""
    called_about: tuple[str, ...] = ()
    """The rooms about which they are called: nobody is about one at which it is quiet when the message is sent."""
    reply_to: str | None = None
    thread: str | None = None
    block: Mapping[str, Any] | None = None
    """For machines."""


LINE = Coding(Line)


@dataclass(frozen=True, slots=True)
class Say:
    """Send a message to a room."""

    line: Mapping[str, Any]
    """A `Line` as JSON, encrypted if encryption is allowed: there may be addresses of people in it."""
    request_id: int | None = None
    """The request that it is about."""
    in_clear: bool = False
    """Whether it may be sent to an encrypted room while encryption is not allowed."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file for a room: text that is too long for a message, or that people want to keep."""

    name: str
    """Its name, with the ending that says what it is."""
    media_type: str
    """What it is (IANA), such as ``application/yaml``."""
    text: str
    reply_to: str | None = None
    thread: str | None = None


DOCUMENT = Coding(Document)


@dataclass(frozen=True, slots=True)
class SendFile:
    """Send a file to a room."""

    document: Mapping[str, Any]
    """A `Document` as JSON, encrypted if encryption is allowed."""
    about: str | None = None
    """The protected room that it is about, in whose language it is told if the file cannot be sent."""


# --- joining, leaving -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Join:
    """Accept an invite."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave a room, or decline an invite to it."""

    guest: str | None = None
    """The person that the room was for, if it was for one: their invite is withdrawn, and the room is forgotten."""


@dataclass(frozen=True, slots=True)
class Meet:
    """Create a room where the bot can read, for somebody who invited it to a room where it cannot, and invite them."""

    user_id: str


@dataclass(frozen=True, slots=True)
class Protect:
    """Protect a room of a space for whoever asked for the rooms of that space."""

    space: str


@dataclass(frozen=True, slots=True)
class AlsoInvite:
    """Invite somebody who was accepted in another room, and has joined it."""

    user_id: str
    of_request: int
    """Their request there."""
    on_behalf_of: str
    """With whose power: that of whoever accepted them there."""
    server: str | None = None
    """Their server, if it is another one and has to answer."""


# --- policy lists -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FollowList:
    """Enter the room of a policy list."""

    via: tuple[str, ...] = ()
    """Servers to reach it by."""


@dataclass(frozen=True, slots=True)
class ReadList:
    """Read the whole room of a policy list."""


Payload: TypeAlias = (
    Invite
    | Kick
    | Ban
    | Unban
    | Revoke
    | Issue
    | Plant
    | Converse
    | HoldInterview
    | PostPrompt
    | EditPrompt
    | React
    | Unreact
    | Redact
    | Say
    | SendFile
    | Join
    | Leave
    | Meet
    | Protect
    | AlsoInvite
    | FollowList
    | ReadList
)


# --- what a kind of job is ------------------------------------------------------------------------------------


class Place(StrEnum):
    """A resource of which only a limited number is in use at once (`store/jobs.py`)."""

    HERE = "here"
    AWAY = "away"
    """It waits for a server that is known to answer."""
    STRANGE = "strange"
    """It waits for a server that has never answered yet."""
    JOIN = "join"
    LEAVE = "leave"
    READ = "read"
    """It reads for long, which holds up nothing but itself."""


@dataclass(frozen=True, slots=True)
class Lane:
    """The queue that a job waits in: one job of a lane runs at a time."""

    name: str
    yields_to: str | None = None
    """The lane whose jobs run first."""


SAID = " said"
"""The suffix of the lane of all messages to a room, so that they are sent in order."""


def _at_the_door(room_id: str, payload: OnMember | Revoke | Plant | AlsoInvite) -> Lane:
    """Only an invite waits for the applicant's server, and the homeserver holds the room's membership lock meanwhile.
    So one such attempt runs at a time, in a lane of its own, after all jobs that need no other server."""
    if isinstance(payload, Invite | AlsoInvite) and payload.server is not None:
        return Lane(f"{room_id} away", yields_to=f"{room_id} home")
    return Lane(f"{room_id} home")


def _said(room_id: str, _: object) -> Lane:
    return Lane(f"{room_id}{SAID}")


def _going(room_id: str, _: object) -> Lane:
    return Lane(f"{room_id} go")


def _issued(_: str, payload: Issue) -> Lane:
    """A slow identity server delays only its own invites."""
    return Lane(f"{payload.identity_server} issue")


def _conversing(_: str, payload: Converse | HoldInterview) -> Lane:
    """Who is invited to a conversation waits for no other applicant of another server."""
    return Lane(f"{server_of(payload.user_id)} converse")


def _in_its_space(_: str, payload: Protect) -> Lane:
    """The rooms of a space one after the other, so that hundreds of them do not hold up what others wait for."""
    return Lane(f"{payload.space} rooms")


def _read(room_id: str, _: object) -> Lane:
    """A long list holds up only its own next reading."""
    return Lane(f"{room_id} read")


PATIENCE = 120.0
"""Seconds that an attempt may take before its result counts as unsure, unless its kind says otherwise."""

LONG = 3900.0
"""The same for what is read portion by portion; such a job has a shorter limit of its own, and says so itself."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """Everything about a kind of job, except how it is done."""

    payload: type[Any]
    lane: Callable[[str, Any], Lane]
    """By the room, and the payload."""
    place: Place = Place.HERE
    """The kind of slot it uses, if no other server has to answer."""
    patience: float = PATIENCE
    """Seconds that an attempt may take before its result counts as unsure."""
    wants: frozenset[Membership] = frozenset()
    """For an act on somebody: the memberships in which it has nothing left to do."""
    power: Power | None = None
    """The power that the bot needs for it in the room; without it, the job waits until the bot has it again."""
    at_door: bool = False
    """Whether it is about a protected room: it is no longer needed when the room is no longer protected."""
    aimed: bool = False
    """Whether its echo shows if it had the intended effect, so that this is recorded."""
    erased: bool = False
    """Whether its payload is deleted when it ends: there may be addresses of people in it."""
    coding: Coding[Any] = field(init=False)
    """How its payload is stored."""

    def __post_init__(self) -> None:
        """The coding is that of the payload."""
        object.__setattr__(self, "coding", Coding(self.payload))


_IN = frozenset({Membership.INVITE, Membership.JOIN})
_OUT = frozenset({Membership.LEAVE, Membership.BAN})
_BANNED = frozenset({Membership.BAN})
_NOT_BANNED = frozenset(Membership) - _BANNED

JOBS: Mapping[Act, JobKind] = {
    Act.INVITE: JobKind(Invite, _at_the_door, wants=_IN, power="invite", at_door=True, aimed=True),
    Act.KICK: JobKind(Kick, _at_the_door, wants=_OUT, power="kick", at_door=True, aimed=True),
    Act.BAN: JobKind(Ban, _at_the_door, wants=_BANNED, power="ban", at_door=True, aimed=True),
    Act.UNBAN: JobKind(Unban, _at_the_door, wants=_NOT_BANNED, power="ban", at_door=True, aimed=True),
    # To add an invite to the room, or revoke it, needs the same power as inviting.
    Act.REVOKE: JobKind(Revoke, _at_the_door, power="invite", at_door=True),
    Act.PLANT: JobKind(Plant, _at_the_door, power="invite", at_door=True),
    Act.ISSUE: JobKind(Issue, _issued),
    # Nobody waits for it, as nobody waits for leaving: both share what little they may take of the homeserver.
    Act.CONVERSE: JobKind(Converse, _conversing, Place.LEAVE),
    Act.HOLD_INTERVIEW: JobKind(HoldInterview, _conversing, Place.LEAVE),
    Act.POST_PROMPT: JobKind(PostPrompt, _said),
    Act.EDIT_PROMPT: JobKind(EditPrompt, _said),
    Act.REACT: JobKind(React, _said),
    Act.UNREACT: JobKind(Unreact, _said),
    Act.REDACT: JobKind(Redact, _said),
    Act.SAY: JobKind(Say, _said, erased=True),
    Act.SEND_FILE: JobKind(SendFile, _said, erased=True),
    Act.JOIN: JobKind(Join, _going, Place.JOIN),
    Act.LEAVE: JobKind(Leave, _going, Place.LEAVE),
    Act.MEET: JobKind(Meet, _going),
    Act.PROTECT: JobKind(Protect, _in_its_space),
    Act.ALSO_INVITE: JobKind(AlsoInvite, _at_the_door),
    Act.FOLLOW_LIST: JobKind(FollowList, _going, Place.JOIN),
    Act.READ_LIST: JobKind(ReadList, _read, Place.READ, patience=LONG),
}
"""This table shows what knockbot can do."""

_ACTS: Mapping[type[Any], Act] = {kind.payload: act for act, kind in JOBS.items()}


def acts(which: Callable[[JobKind], bool]) -> frozenset[Act]:
    """The kinds that have this property."""
    return frozenset(act for act, kind in JOBS.items() if which(kind))


# --- one job --------------------------------------------------------------------------------------------------

P_co = TypeVar("P_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Job(Generic[P_co]):
    """One intended act. `key` is unique for ever: an act that is planned twice is planned once."""

    key: str
    room_id: str
    """The room of the act, or the room that an act elsewhere is about."""
    payload: P_co

    @property
    def act(self) -> Act:
        """Its kind."""
        return _ACTS[type(self.payload)]

    @property
    def kind(self) -> JobKind:
        """The row of its kind."""
        return JOBS[self.act]

    @property
    def lane(self) -> Lane:
        """The queue that it waits in."""
        return self.kind.lane(self.room_id, self.payload)

    @property
    def place(self) -> Place:
        """The kind of slot it uses, if it is not known whether its server answers."""
        return Place.STRANGE if self.server is not None else self.kind.place

    @property
    def request_id(self) -> int | None:
        """The request that it is about, if about one."""
        return _number(self.payload, "request_id")

    @property
    def prompt_id(self) -> int | None:
        """The prompt that it is about, if about one."""
        return _number(self.payload, "prompt_id")

    @property
    def user_id(self) -> str | None:
        """The user it is done to, if there is one."""
        return _text(self.payload, "user_id")

    @property
    def server(self) -> str | None:
        """The remote server that must answer before it can succeed; while that server is silent, its jobs wait."""
        return _text(self.payload, "server")

    @property
    def on_behalf_of(self) -> str | None:
        """With whose power it is done; none means the bot's own."""
        return _text(self.payload, "on_behalf_of")


def _number(payload: object, name: str) -> int | None:
    """The value of a field of the payload, if its kind has that field."""
    number: int | None = getattr(payload, name, None)
    return number


def _text(payload: object, name: str) -> str | None:
    text: str | None = getattr(payload, name, None)
    return text


def encode(payload: object) -> str:
    """A payload as it is stored."""
    return json.dumps(JOBS[_ACTS[type(payload)]].coding.encode(payload))


def decode(act: str, stored: str) -> Any:
    """The payload of a job of a kind, as it was stored. Raises `Malformed`."""
    try:
        return JOBS[Act(act)].coding.decode(json.loads(stored))
    except ValueError as error:
        raise error if isinstance(error, Malformed) else Malformed(str(error)) from error
