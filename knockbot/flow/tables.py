"""What a feature has to say to the flow: one row for each folder of `features/`, as plain data.

The flow knows no feature. Where a feature may take part in what happens, the flow goes through the rows that `app` has
handed in (`Context.features`), in their order. The rows are in `product.py`: reading that is reading the product.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from knockbot.domain.dossier import Line
from knockbot.domain.jobs import Act, Job
from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Answer, Fact, Kind, MemberChange, Request, RoomView, Shortcut, Step, Wish
from knockbot.domain.notices import Notice
from knockbot.domain.policy import RoomSettings
from knockbot.domain.remarks import Extent
from knockbot.engine.turn import Turn, Write
from knockbot.engine.worker import Outcome
from knockbot.errors import Never
from knockbot.flow.asking import LookUp
from knockbot.flow.changes import Sound
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store.db import Tx
from knockbot.store.jobs import Claimed
from knockbot.store.prompts import Prompt
from knockbot.store.rooms import ProtectedRoom

Hears: TypeAlias = Callable[[Context, Any], Awaitable[Write[None] | None]]
"""Looks at what has happened, and returns what the feature has to write about it."""

Follows: TypeAlias = Callable[[Context, Turn, Request], Awaitable[None]]
"""Writes what else follows for a request, in the turn that changed it."""

Moves: TypeAlias = Callable[[Context, Turn, Request, MemberChange], Awaitable[None]]
"""Writes what follows from a change of membership for a request about its user."""

Looks: TypeAlias = Callable[[Context, Place], Awaitable[None]]
"""Looks at a protected room for changes that no event told of, and hands them on. May raise `Later` and `Busy`."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A room was protected because somebody asked for it, with everything that this takes."""

    view: RoomView
    management_room: str
    by: str
    cause: str
    """Their message."""
    with_rooms: bool
    """Whether they asked for its rooms too; it is a space then."""


Grants: TypeAlias = Callable[[Context, Turn, Granted], Awaitable[Notice | None]]
"""Writes what follows when a room is protected, in the turn of that; returns what the reply says of it."""

LetsGo: TypeAlias = Callable[[Context, Turn, ProtectedRoom], Awaitable[None]]
"""Writes what follows when a room is no longer protected from its management room."""

TakesPlace: TypeAlias = Callable[[Turn, str, str], Awaitable[None]]
"""Writes what follows when a protected room was replaced by another, which is protected in its place by now."""

Expects: TypeAlias = Callable[[Tx, str], Awaitable[bool]]
"""Whether somebody asked for something in a room that the bot is not in."""

Rooms: TypeAlias = Callable[[Context, Turn, str], Awaitable[None]]
"""Writes what follows for a room, given by its ID, in the turn that changed something about its policy."""


WillBelong: TypeAlias = Callable[[Tx, str, str], Awaitable[str | None]]
"""The protected space that a room will belong to once it is protected from a management room; `None` for none."""


Judges: TypeAlias = Callable[[Context, Request, str], Awaitable[Judgement | None]]
"""What the policy in force says of a request that exists; `None` where that takes an answer from another server. The
arrival with the given key is then due again once the answer is there. May raise `Later` and `Busy`."""


Tells: TypeAlias = Callable[[Context, Place, Request], Awaitable[Notice | None]]
"""One line about the applicant, for a card; `None` where there is nothing to tell. May raise `Later` and `Never`: then
the card does without."""


Remarks: TypeAlias = Callable[[Context, Tx, Sequence[Request], Extent], Awaitable[Mapping[int, Sequence[Notice]]]]
"""What the moderators have made of requests, by the ID of each: lines that hold bounded texts. It asks no server, and
reads a bounded number of rows. A line of one management room is never told in another."""

PutsOff: TypeAlias = Callable[[Context, Tx, Sequence[Request]], Awaitable[Mapping[int, Notice]]]
"""Which of these requests are off the list for now, by the ID of each: its number, and until when. It asks no
server."""

Reads: TypeAlias = Callable[[Context, MemberChange], Awaitable[MemberChange]]
"""A knock as it may be kept: what is secret in its reason is replaced. What it returned is left as it is."""

Decided: TypeAlias = Callable[[Context, Turn, Request, Judgement], Awaitable[None]]
"""Writes what else follows from a judgement on a request."""

Knocked: TypeAlias = Callable[[Context, Turn, MemberChange, int], Awaitable[None]]
"""Writes down that somebody knocked, at a moment. A knock that a look finds comes before it is judged, perhaps without
its whole reason, and a second time with its request."""

Bars: TypeAlias = Callable[[Context, Place, Request], Awaitable[Notice | None]]
"""Why the accept that a rule gave to a request must not be carried out any more; `None` if it may. Then the request is
judged again. It is asked before every such invite. May raise `Later`, `Never` and `Busy`."""

Holds: TypeAlias = Callable[[Context, Turn, Place, Request], Awaitable[Notice | None]]
"""Why the accept of a rule is left to the moderators instead; `None` if it is not. It is asked when the judgement is
stored."""

Folds: TypeAlias = Callable[[Context, Turn, Request], Awaitable[int | None]]
"""The digest in which a request is shown in place of a card or a line of its own; `None` if it is not."""

Unsaid: TypeAlias = Callable[[Context, Turn, Request], Awaitable[bool]]
"""Whether no line tells what a rule did with a request, since enough was said of that."""

Calls: TypeAlias = Callable[[Context, Tx, Place], Awaitable[Sequence[str]]]
"""The people who want to be called about a room, beside those whom its policy names."""

IsQuiet: TypeAlias = Callable[[Context, Place], bool]
"""Whether nobody is called about a room now."""

Silenced: TypeAlias = Callable[[Context, Turn, Place, bool], Awaitable[None]]
"""Writes what follows from a message about a room that calls nobody because it is quiet; it is an alarm, or asks about
requests."""

Hushes: TypeAlias = Callable[[Context, Tx, Prompt], Awaitable[bool]]
"""Whether a prompt calls nobody now, though the policy names people to call."""

KeepsOut: TypeAlias = Callable[[Context, str, str, str], Awaitable[Notice | None]]
"""Why somebody must not be invited to a room where they did not ask; `None` if they may. It takes the room, the user,
and what waits for the answer. May raise `Later`, `Never` and `Busy`."""

Names: TypeAlias = Callable[[str], Awaitable[Notice | None]]
"""The entry by which a policy list that decides in a room names somebody now; `None` if none does."""

Reconsiders: TypeAlias = Callable[[Context, str, Names], Awaitable[Write[None] | None]]
"""Looks at those who were invited to a room where they did not ask, and returns what to write. May raise `Later` and
`Busy`."""

Outdates: TypeAlias = Callable[[Context, Turn, Request, Judgement], Awaitable[bool]]
"""Whether what a judgement on a request was made from has changed since: then it is made anew."""

Shortcuts: TypeAlias = Callable[[RoomSettings, Request], Sequence[Shortcut]]
"""Answers with a text that a card offers beside the usual ones, by the settings of the room."""

Overrides: TypeAlias = Callable[[Judgement | None, Judgement], bool]
"""Whether the new judgement on a request overrides the accept of a rule, by the judgement before it."""

AtOnce: TypeAlias = Callable[[Judgement | None, Judgement], bool]
"""Whether the new judgement on a request that waits counts at once, though by the judgement before it the request waits
under an earlier policy."""

Examines: TypeAlias = Callable[[Context, Sound], Awaitable[None]]
"""Looks whether a policy that somebody wants may be put in force. Raises `Refused`; may raise `Later` and `Never`."""

Enforced: TypeAlias = Callable[[Context, Turn, Sound], Awaitable[Notice | None]]
"""Writes what follows from a policy that is put in force, and returns what its author is told of that."""


AsksAgain: TypeAlias = Callable[[Context, Turn, Request, Request], Awaitable[None]]
"""Writes what the next request of an applicant takes over from their last one at the same room, which is over."""

Weighs: TypeAlias = Callable[[Context, Wish, Request], Awaitable[None]]
"""Looks at what decides whether a moderator's wish is an answer by itself. May raise `Later` and `Never`."""

Awaits: TypeAlias = Callable[[Context, Turn, Wish, Request], Awaitable[Wish | Notice]]
"""The wish as it becomes the answer of a request, or what is still missing; writes what is to be known of it then.
Raises `Later` where something has changed since it was weighed."""

ClickedFor: TypeAlias = Callable[[Tx, str, str], Awaitable[Sequence[int]]]
"""The open requests for which a click in a management room counts, though it is not their answer by itself."""

Clicks: TypeAlias = Callable[[Tx, Sequence[Request]], Awaitable[frozenset[str]]]
"""The clicks that count so for these requests."""

Unclicked: TypeAlias = Callable[[Context, Turn, Request, str, str], Awaitable[bool]]
"""Writes that such a click does not count any more, since somebody removed it; returns whether the answer of the
request does not hold without it."""

Unsupported: TypeAlias = Callable[[Context, Request], Awaitable[str | None]]
"""Who removed a click without which the answer of a request does not hold, and of which the bot has not heard; `None`
if nobody did. May raise `Later` and `Never`."""

Unreached: TypeAlias = Callable[[Context, Turn, str], Awaitable[None]]
"""Writes what follows where an applicant cannot be told something, or not any more: no conversation with them may be
begun, or theirs is over. It is told in a turn that may hold the conversation, so it holds no request."""

Sent: TypeAlias = Callable[[Context, Turn, str, str, str], Awaitable[None]]
"""Writes what follows from a letter that was sent, given by its room, its occasion and its event; perhaps twice."""

Restored: TypeAlias = Callable[[Context, Turn], Awaitable[None]]
"""Writes what follows where the records are those of a back-up; perhaps twice."""

Undoes: TypeAlias = Callable[[Context, Turn, Request, Answer, Step], Awaitable[None]]
"""Writes what takes back the outcome of a request: the answer that says so, and the act."""

TakesBack: TypeAlias = Callable[[Context, Turn, Request, str, str | None], Awaitable[Notice | None]]
"""Takes back what somebody wants for a request that still waits for its answer: by whichever event they said so, or by
this one alone. Returns what is said of it; `None` if there is nothing to be taken back."""

Undone: TypeAlias = Callable[[Context, Turn, Request, Answer], Awaitable[Notice | None]]
"""Writes what else is taken back where somebody who was accepted, and has joined, is removed by an answer; returns what
the reply says of it."""


@dataclass(frozen=True, slots=True)
class Doing:
    """How one kind of job is done, and what follows from it, in the transaction that ends the job."""

    run: Callable[[Context, Claimed[Any]], Awaitable[Outcome]]
    """Aims at a state. May raise `Later` and `Never`."""
    ended: Callable[[Context, Turn, Job[Any], Any], Awaitable[None]] | None = None
    """After it was done, or was overtaken."""
    refused: Callable[[Context, Turn, Job[Any], Never], Awaitable[None]] | None = None
    """After it was given up."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One row: each field is a place where the feature can take part, and is empty where it does not."""

    name: str
    """The name of its folder."""
    hears: Mapping[type[Any], Hears] = field(default_factory=dict)
    """Handlers by the type of the event; it may be an event that the flow handles, too."""
    sees: Hears | None = None
    """When the membership of somebody other than the bot changes in any room, whether or not a request is about it."""
    moved: Moves | None = None
    """After a change of membership that a request is about, and that is no outcome of it."""
    bars: Bars | None = None
    """Right before an accept by a rule is carried out."""
    holds: Holds | None = None
    """When a rule accepts somebody."""
    folds: Folds | None = None
    """Before a request gets a card, or a line about what a rule did."""
    unsaid: Unsaid | None = None
    """Before a line about what a rule did."""
    calls: Calls | None = None
    """Before a message calls those whom the policy names."""
    is_quiet: IsQuiet | None = None
    """Before a message calls anybody."""
    silenced: Silenced | None = None
    """After a message called nobody because it is quiet."""
    hushes: Hushes | None = None
    """Before a prompt calls those whom the policy names."""
    keeps_out: KeepsOut | None = None
    """Right before somebody who was accepted at one room is invited to another."""
    reconsiders: Reconsiders | None = None
    """After a policy list of a room has changed, or what the policy does with it."""
    outdates: Outdates | None = None
    """When a judgement is stored."""
    overrides: Overrides | None = None
    """When a request that a rule has answered is judged again, because a fact has changed."""
    at_once: AtOnce | None = None
    """When a request that waits under an earlier policy is judged again, because a fact has changed."""
    acts: Mapping[Act, Doing] = field(default_factory=dict)
    """The kinds of job that are its own."""
    gathers: Mapping[Fact, LookUp] = field(default_factory=dict)
    """The facts that it looks up for rules."""
    judges: Mapping[Kind, Judges] = field(default_factory=dict)
    """The kinds of request that the feature judges again."""
    reads: Reads | None = None
    """Before a knock is judged, or written down."""
    decided: Decided | None = None
    """After a judgement is stored."""
    knocked: Knocked | None = None
    """When somebody knocks at a protected room."""
    asks_again: AsksAgain | None = None
    """After a request is opened for somebody whose last one at that room is over."""
    examines: Examines | None = None
    """Before a policy is put in force."""
    enforced: Enforced | None = None
    """After a policy was put in force, in the same turn."""
    answered: Follows | None = None
    """After an answer of a rule or a moderator binds a request."""
    left_open: Follows | None = None
    """After a request is left to the moderators."""
    asks: Follows | None = None
    """After the policy says that the applicant is asked its questions."""
    unreached: Unreached | None = None
    """After it shows that an applicant cannot be told anything."""
    sent: Sent | None = None
    """After a letter to an applicant was sent."""
    restored: Restored | None = None
    """After a back-up was read in, once the bot knows again what it said since."""
    settled: Follows | None = None
    """After the outcome of a request is recorded."""
    granted: Grants | None = None
    """After somebody had a room protected."""
    will_belong: WillBelong | None = None
    """Before a room is protected: the space whose policy will decide there too."""
    let_go: LetsGo | None = None
    """After a room is no longer protected, or from another management room."""
    took_place: TakesPlace | None = None
    """After a room took the place of the one that it replaces, before that one is let go."""
    expects: Expects | None = None
    """The rooms to which anybody may invite the bot."""
    revised: Rooms | None = None
    """After another policy of a room is in force."""
    applied: Rooms | None = None
    """After somebody had the pending requests of a room judged again by the policy in force."""
    looks_first: Looks | None = None
    """In a look at a protected room, before its knocks: what is found decides what becomes of them."""
    looks: Looks | None = None
    """In a look at a protected room, after its knocks."""
    undoes: Mapping[Step, Undoes] = field(default_factory=dict)
    """The ways to undo an answer that are its own."""
    weighs: Weighs | None = None
    """Before a moderator's wish for a request is written."""
    awaits: Awaits | None = None
    """Before a moderator's wish becomes the answer of a request."""
    clicked_for: ClickedFor | None = None
    """When a click may have been removed."""
    clicks: Clicks | None = None
    """In a look at a card: the clicks that are missed if they are gone."""
    unclicked: Unclicked | None = None
    """After a click was removed."""
    unsupported: Unsupported | None = None
    """Right before an answer is carried out that was not given just now."""
    reopened: Follows | None = None
    """Before an answer that is not carried out yet is undone."""
    takes_back: TakesBack | None = None
    """When somebody undoes what they want for a request that has no answer."""
    voted: Follows | None = None
    """After other moderators than before, or for something else, want an answer that takes several of them."""
    undone: Undone | None = None
    """When an accept is undone by which somebody has joined."""
    shortcuts: Shortcuts | None = None
    """Answers with a text that a card offers by more emoji."""
    tells: Mapping[Line, Tells] = field(default_factory=dict)
    """The lines of a card that help to decide; `Line` has their order, and a card shows the first few."""
    puts_off: PutsOff | None = None
    """Requests that wait for an answer, and that the moderators do not want to see on the list for a time."""
    listed: Follows | None = None
    """After a request was taken off the list, or is on it again."""
    remarks: Remarks | None = None
    """Lines about a request that come from the moderators: on its card, in lists, and where all about it is shown. Who
    changes them calls `remarks.changed`."""


def rows(context: Context) -> tuple[Feature, ...]:
    """The features, in their order."""
    return context.features


async def heard(context: Context, event: object) -> Write[None] | None:
    """What the features write about something that happened; `None` where they write nothing."""
    hearing = [feature.hears[type(event)] for feature in rows(context) if type(event) in feature.hears]
    return together(*[await hears(context, event) for hears in hearing])


def together(*writes: Write[None] | None) -> Write[None] | None:
    """All these writes as one, in this order; `None` where there are none."""
    found = [write for write in writes if write is not None]
    if not found:
        return None

    async def write_all(turn: Turn) -> None:
        for write in found:
            await write(turn)

    return write_all


async def moved(context: Context, turn: Turn, request: Request, change: MemberChange) -> None:
    """Somebody's membership changed, which is no outcome of this request of theirs: write what else follows."""
    for feature in rows(context):
        if feature.moved is not None:
            await feature.moved(context, turn, request, change)


async def granted(context: Context, turn: Turn, what: Granted) -> list[Notice]:
    """Somebody had a room protected: write what else follows; returns what the reply says of it."""
    found = [await feature.granted(context, turn, what) for feature in rows(context) if feature.granted is not None]
    return [said for said in found if said is not None]


async def will_belong(context: Context, tx: Tx, room_id: str, management_room: str) -> str | None:
    """The protected space that a room will belong to once it is protected from there."""
    for feature in rows(context):
        space = await feature.will_belong(tx, room_id, management_room) if feature.will_belong is not None else None
        if space is not None:
            return space
    return None


async def let_go(context: Context, turn: Turn, room: ProtectedRoom) -> None:
    """A room is no longer protected from its management room: write what else follows."""
    for feature in rows(context):
        if feature.let_go is not None:
            await feature.let_go(context, turn, room)


async def took_place(context: Context, turn: Turn, old: str, new: str) -> None:
    """A room took the place of a protected one: write what else follows."""
    for feature in rows(context):
        if feature.took_place is not None:
            await feature.took_place(turn, old, new)


async def expects(context: Context, tx: Tx, room_id: str) -> bool:
    """Whether a feature waits for the bot to be let into a room."""
    asked = [feature.expects for feature in rows(context) if feature.expects is not None]
    return any([await expects(tx, room_id) for expects in asked])


async def sees(context: Context, change: MemberChange) -> Write[None] | None:
    """Somebody's membership changed: what the features write about it."""
    seeing = [feature.sees for feature in rows(context) if feature.sees is not None]
    return together(*[await see(context, change) for see in seeing])


async def read(context: Context, change: MemberChange) -> MemberChange:
    """A knock as it may be kept."""
    for feature in rows(context):
        if feature.reads is not None:
            change = await feature.reads(context, change)
    return change


async def decided(context: Context, turn: Turn, request: Request, judgement: Judgement) -> None:
    """A judgement is stored: write what else follows."""
    for feature in rows(context):
        if feature.decided is not None:
            await feature.decided(context, turn, request, judgement)


async def knocked(context: Context, turn: Turn, change: MemberChange, at: int) -> None:
    """Somebody knocked: write down what is to be known of it later."""
    for feature in rows(context):
        if feature.knocked is not None:
            await feature.knocked(context, turn, change, at)


async def asks_again(context: Context, turn: Turn, before: Request, request: Request) -> None:
    """Somebody whose last request is over has a new one: write what that takes over."""
    for feature in rows(context):
        if feature.asks_again is not None:
            await feature.asks_again(context, turn, before, request)


async def barred(context: Context, there: Place, request: Request) -> Notice | None:
    """Why the accept of a rule must not be carried out any more; `None` if it may."""
    for feature in rows(context):
        why = await feature.bars(context, there, request) if feature.bars is not None else None
        if why is not None:
            return why
    return None


async def held(context: Context, turn: Turn, there: Place, request: Request) -> Notice | None:
    """Why the accept of a rule is left to the moderators instead; `None` if it is not."""
    for feature in rows(context):
        why = await feature.holds(context, turn, there, request) if feature.holds is not None else None
        if why is not None:
            return why
    return None


async def folded(context: Context, turn: Turn, request: Request) -> int | None:
    """The digest in which a request is shown in place of a card or a line of its own."""
    for feature in rows(context):
        digest_id = await feature.folds(context, turn, request) if feature.folds is not None else None
        if digest_id is not None:
            return digest_id
    return None


async def is_unsaid(context: Context, turn: Turn, request: Request) -> bool:
    """Whether no line tells what a rule did with a request."""
    asked = [feature.unsaid for feature in rows(context) if feature.unsaid is not None]
    return any([await unsaid(context, turn, request) for unsaid in asked])


async def called(context: Context, tx: Tx, there: Place) -> list[str]:
    """The people who want to be called about a room, beside those whom its policy names."""
    asked = [feature.calls for feature in rows(context) if feature.calls is not None]
    return [user for calls in asked for user in await calls(context, tx, there)]


def is_quiet(context: Context, there: Place) -> bool:
    """Whether nobody is called about a room now."""
    return any(feature.is_quiet(context, there) for feature in rows(context) if feature.is_quiet is not None)


async def silenced(context: Context, turn: Turn, there: Place, *, alarm: bool) -> None:
    """A message about a room called nobody because it is quiet: write what follows."""
    for feature in rows(context):
        if feature.silenced is not None:
            await feature.silenced(context, turn, there, alarm)


async def is_hushed(context: Context, tx: Tx, prompt: Prompt) -> bool:
    """Whether a prompt calls nobody now, though the policy names people to call."""
    return any([await feature.hushes(context, tx, prompt) for feature in rows(context) if feature.hushes is not None])


async def kept_out(context: Context, room_id: str, user_id: str, waiting: str) -> Notice | None:
    """Why somebody must not be invited to a room where they did not ask; `None` if they may."""
    for feature in rows(context):
        why = await feature.keeps_out(context, room_id, user_id, waiting) if feature.keeps_out is not None else None
        if why is not None:
            return why
    return None


async def reconsidered(context: Context, room_id: str, names: Names) -> Write[None] | None:
    """A list has changed: what the features write about those who were invited to a room where they did not ask."""
    asked = [feature.reconsiders for feature in rows(context) if feature.reconsiders is not None]
    return together(*[await reconsiders(context, room_id, names) for reconsiders in asked])


async def is_outdated(context: Context, turn: Turn, request: Request, judgement: Judgement) -> bool:
    """Whether what a judgement was made from has changed since."""
    return any(
        [await feature.outdates(context, turn, request, judgement) for feature in rows(context) if feature.outdates]
    )


def overridden(context: Context, before: Judgement | None, judgement: Judgement) -> bool:
    """Whether a new judgement on a request overrides the accept of a rule."""
    return any(feature.overrides(before, judgement) for feature in rows(context) if feature.overrides)


def counts_at_once(context: Context, before: Judgement | None, judgement: Judgement) -> bool:
    """Whether a new judgement counts for a request that waits under an earlier policy."""
    return any(feature.at_once(before, judgement) for feature in rows(context) if feature.at_once)


def judges(context: Context) -> dict[Kind, Judges]:
    """How the features judge existing requests, by kind."""
    return {kind: judge for feature in rows(context) for kind, judge in feature.judges.items()}


def gathers(context: Context) -> dict[Fact, LookUp]:
    """How the features look up facts."""
    return {fact: look_up for feature in rows(context) for fact, look_up in feature.gathers.items()}


def tells(context: Context) -> dict[Line, Tells]:
    """What the features tell on cards."""
    return {line: tell for feature in rows(context) for line, tell in feature.tells.items()}


def shortcuts(context: Context, settings: RoomSettings, request: Request) -> tuple[Shortcut, ...]:
    """The answers with a text that cards offer for a request, each by another emoji."""
    offering = [feature.shortcuts for feature in rows(context) if feature.shortcuts is not None]
    return tuple(one for offers in offering for one in offers(settings, request))


async def put_off(context: Context, tx: Tx, about: Sequence[Request]) -> dict[int, Notice]:
    """The requests that are off the list for now, by the ID of each: its number, and until when."""
    putting = [feature.puts_off for feature in rows(context) if feature.puts_off is not None]
    return {one: said for puts_off in putting for one, said in (await puts_off(context, tx, about)).items()}


async def listed(context: Context, turn: Turn, request: Request) -> None:
    """This request was taken off the list, or is on it again: write what else follows."""
    for feature in rows(context):
        if feature.listed is not None:
            await feature.listed(context, turn, request)


def remarks(context: Context) -> list[Remarks]:
    """What looks up the lines about requests that come from the moderators."""
    return [feature.remarks for feature in rows(context) if feature.remarks is not None]


def undoes(context: Context) -> dict[Step, Undoes]:
    """How the features undo answers."""
    return {step: undoes for feature in rows(context) for step, undoes in feature.undoes.items()}


async def weigh(context: Context, wish: Wish, request: Request) -> None:
    """Look at what decides whether a moderator's wish is an answer by itself."""
    for feature in rows(context):
        if feature.weighs is not None:
            await feature.weighs(context, wish, request)


async def awaited(context: Context, turn: Turn, wish: Wish, request: Request) -> Wish | Notice:
    """A moderator's wish as it becomes the answer of a request, or what is still missing."""
    for feature in rows(context):
        weighed = await feature.awaits(context, turn, wish, request) if feature.awaits is not None else wish
        if not isinstance(weighed, Wish):
            return weighed
        wish = weighed
    return wish


async def clicked_for(context: Context, tx: Tx, room_id: str, click: str) -> list[int]:
    """The open requests for which a click counts, though it is not their answer by itself."""
    asked = [feature.clicked_for for feature in rows(context) if feature.clicked_for is not None]
    return [request_id for clicked in asked for request_id in await clicked(tx, room_id, click)]


async def clicks(context: Context, tx: Tx, about: Sequence[Request]) -> frozenset[str]:
    """The clicks that count so for these requests."""
    asked = [feature.clicks for feature in rows(context) if feature.clicks is not None]
    return frozenset[str]().union(*[await found(tx, about) for found in asked])


async def unclicked(context: Context, turn: Turn, request: Request, click: str, by: str) -> bool:
    """A click was removed: write what else follows; returns whether the answer of the request does not hold without."""
    asked = [feature.unclicked for feature in rows(context) if feature.unclicked is not None]
    return any([await unclick(context, turn, request, click, by) for unclick in asked])


async def unsupported(context: Context, request: Request) -> str | None:
    """Who removed a click without which the answer of a request does not hold; `None` if nobody did."""
    for feature in rows(context):
        by = await feature.unsupported(context, request) if feature.unsupported is not None else None
        if by is not None:
            return by
    return None


async def reopened(context: Context, turn: Turn, request: Request) -> None:
    """An answer that is not carried out yet is undone: write what else follows."""
    for feature in rows(context):
        if feature.reopened is not None:
            await feature.reopened(context, turn, request)


async def taken_back(context: Context, turn: Turn, request: Request, actor: str, cause: str | None) -> Notice | None:
    """Take back what somebody wants for a request that has no answer; returns what is said of it, `None` if there is
    nothing."""
    for feature in rows(context):
        took = await feature.takes_back(context, turn, request, actor, cause) if feature.takes_back else None
        if took is not None:
            return took
    return None


async def voted(context: Context, turn: Turn, request: Request) -> None:
    """Other moderators than before want an answer to a request: write what else follows."""
    for feature in rows(context):
        if feature.voted is not None:
            await feature.voted(context, turn, request)


async def undone(context: Context, turn: Turn, request: Request, answer: Answer) -> list[Notice]:
    """Somebody who has joined is removed, because their accept is undone: write what else follows."""
    found = [await feature.undone(context, turn, request, answer) for feature in rows(context) if feature.undone]
    return [said for said in found if said is not None]


async def answered(context: Context, turn: Turn, request: Request) -> None:
    """An answer binds this request: write what else follows."""
    for feature in rows(context):
        if feature.answered is not None:
            await feature.answered(context, turn, request)


async def left_open(context: Context, turn: Turn, request: Request) -> None:
    """This request is left to the moderators: write what else follows."""
    for feature in rows(context):
        if feature.left_open is not None:
            await feature.left_open(context, turn, request)


async def asks(context: Context, turn: Turn, request: Request) -> None:
    """The policy says that this applicant is asked its questions: write what follows."""
    for feature in rows(context):
        if feature.asks is not None:
            await feature.asks(context, turn, request)


async def unreached(context: Context, turn: Turn, user_id: str) -> None:
    """An applicant cannot be told anything: write what follows."""
    for feature in rows(context):
        if feature.unreached is not None:
            await feature.unreached(context, turn, user_id)


async def sent(context: Context, turn: Turn, room_id: str, occasion: str, event_id: str) -> None:
    """A letter to an applicant was sent: write what follows."""
    for feature in rows(context):
        if feature.sent is not None:
            await feature.sent(context, turn, room_id, occasion, event_id)


async def restored(context: Context, turn: Turn) -> None:
    """The records are those of a back-up: write what follows."""
    for feature in rows(context):
        if feature.restored is not None:
            await feature.restored(context, turn)


async def settled(context: Context, turn: Turn, request: Request) -> None:
    """The outcome of this request is recorded: write what else follows."""
    for feature in rows(context):
        if feature.settled is not None:
            await feature.settled(context, turn, request)


async def revised(context: Context, turn: Turn, room_id: str) -> None:
    """Another policy of a room is in force: write what else follows."""
    for feature in rows(context):
        if feature.revised is not None:
            await feature.revised(context, turn, room_id)


async def applied(context: Context, turn: Turn, room_id: str) -> None:
    """The pending requests of a room are being judged again: write what else follows."""
    for feature in rows(context):
        if feature.applied is not None:
            await feature.applied(context, turn, room_id)
