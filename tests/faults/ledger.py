"""The ledger: what everybody was due, and whether they got it, once, by what the rooms and the records say.

It looks, and then compares: every invariant is a function of what was seen, in the table `INVARIANTS`.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from knockbot.backup.dump import snapshot
from knockbot.demo.people import Json, Person
from knockbot.domain.batches import batch_of
from knockbot.domain.model import State, Verdict
from knockbot.errors import Unavailable
from knockbot.flow.ports import PROMPT_KEY
from knockbot.store.tables import BACKED_UP
from knockbot.times import MINUTE
from tests.faults.course import OUTCOMES, Course, after, in_short
from tests.keeper import REQUESTS, Garden, block, edit_of, in_reply_to, words

TEMPLATE = "Please tell us who sent you, and knock again."
"""What somebody is told who is rejected by the template `who`."""

KNOCKS_OF_A_WAVE = 4

POLICY = f"""
lists: [{{{{room: "{{bans}}", name: bans}}}}]
rules:
- {{{{name: friends, when: {{{{reason_matches: friend}}}}, then: accept, reason: come in}}}}
- {{{{name: strangers, when: {{{{reason_matches: stranger}}}}, then: reject, reason: say who you are}}}}
- {{{{name: spammers, when: {{{{reason_matches: spam}}}}, then: ban}}}}
otherwise: forward
templates: {{{{who: "{TEMPLATE}"}}}}
"""
CALM = f"{POLICY}wave: off\n"
BUSY = f"{POLICY}wave: {{{{knocks: {KNOCKS_OF_A_WAVE}, within: 10m, ends_after: 30m}}}}\ncall: ['{{alice}}']\n"

REMINDED_AFTER = MINUTE

TIMED = (
    f"{CALM}votes: {{{{ban: 2}}}}\nletters: {{{{received: true}}}}\nremind_after: 1m\n"
    "quiet_hours: \"{quiet}\"\ncall: ['{alice}']\n"
)
"""A ban takes two moderators, applicants are told that they are heard, and moderators reminded of who waits, but called
only when the quiet hours are over."""

RINGS = frozenset({"remind", "quiet_hours_end"})
"""Timers that are waited for where their time has come."""

SOON = frozenset({"list_hits", "list_moved", "run_batch", "undo_batch"})
"""Timers for what is under way; until they have rung for the last time, not everybody has what they were due."""

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


# --- what is known beforehand ---------------------------------------------------------------------------------


@dataclass(eq=False)
class Knocked:
    """Somebody who knocks once, in one garden, and what is due to them."""

    person: Person
    garden: Garden
    reason: str
    begins: frozenset[Course]
    """What may have become of them so far; once all is quiet, the one that did."""
    certain: list[Verdict] = field(default_factory=list)
    """Answers that were given to them since."""
    perhaps: list[Verdict] = field(default_factory=list)
    """Answers that they may have got."""
    due: frozenset[Course] | None = None
    """What is to become of them, where that is no answer."""
    number: int = 0
    card: str | None = None
    """The message that shows them to the moderators, once it is known."""
    wording: str | None = None
    """What they are told by the answer that settled them."""
    notes: dict[str, set[str]] = field(default_factory=dict)
    """What was noted about them, and the commands that did."""
    claimed: bool = False
    deferred: bool = False
    votes: dict[str, str] = field(default_factory=dict)
    """Who has voted for a ban, and the click by which they did."""
    talk: str | None = None
    """Their conversation with the bot, once they are in it."""

    @property
    def user_id(self) -> str:
        """Who they are."""
        return self.person.user_id

    @property
    def may(self) -> frozenset[Course]:
        """What may have become of them."""
        if self.due is not None:
            return self.due
        return frozenset(itertools.chain.from_iterable(after(one, self.certain, self.perhaps) for one in self.begins))

    @property
    def course(self) -> Course | None:
        """What has become of them, as far as that is certain."""
        [*found] = self.may
        return found[0] if len(found) == 1 else None

    @property
    def waits(self) -> bool:
        """Whether they are known to wait."""
        return self.course is not None and self.course.waits

    def pin(self, course: Course) -> None:
        """This has become of them."""
        self.begins, self.certain, self.perhaps, self.due = frozenset({course}), [], [], None
        if not course.waits:
            self.claimed = self.deferred = False
            self.votes.clear()


@dataclass(eq=False)
class Asked:
    """A batch that somebody asked for, and what they did about it."""

    event_id: str
    """The message that asks."""
    verdict: Verdict
    meant: str
    """What becomes of it: one of `STAGES`."""
    late: list[str] = field(default_factory=list)
    """Who knocked after it was asked about."""
    text: str = ""
    """What the reasons of all who are in it contain."""
    undone: list[str] | None = None
    """Whose answers are to be undone with it, if it is undone."""


STAGES: Mapping[str, frozenset[str]] = {
    "confirmed": frozenset({"done"}),
    "stopped": frozenset({"done", "stopped", "declined"}),
    "dropped": frozenset({"declined"}),
    "left alone": frozenset({"asked", "lapsed"}),
}
"""Where a batch may stand once all is quiet."""


@dataclass(eq=False)
class Door:
    """A garden, its other moderators, and what was done there that is not about one applicant."""

    garden: Garden
    bans: str
    """The policy list."""
    mona: Person
    """She asks for batches."""
    nora: Person
    """She answers by commands, and undoes her last answer."""
    busy: bool = False
    """Whether there are waves, and alice is called."""
    cara: Person | None = None
    """She votes beside alice, where a ban takes two."""
    quiet_until: int | None = None
    """When the quiet hours end (milliseconds), where there are any."""
    holds: bool = False
    """Whether a wave goes on for certain."""
    ended: int = 0
    """Waves that somebody ended."""
    batches: list[Asked] = field(default_factory=list)

    @property
    def timed(self) -> bool:
        """Whether its policy is `TIMED`."""
        return self.cara is not None

    @property
    def verdicts(self) -> list[Verdict]:
        """The answers that take one moderator."""
        return [verdict for verdict in OUTCOMES if not (self.timed and verdict is Verdict.BAN)]

    @property
    def room(self) -> str:
        """The protected room."""
        return self.garden.room


# --- what is seen ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Act:
    """What the bot did to somebody in the protected room."""

    user_id: str
    membership: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the bot in the management room, as it was posted, and what it says now."""

    event_id: str
    at: int
    text: str
    kind: str | None = None
    shows: tuple[str, ...] = ()
    """The applicants whose requests it showed when it was posted."""
    calls: bool = False
    reply_to: str | None = None


@dataclass(frozen=True)
class Seen:
    """All that can be seen about one door."""

    rows: Rows
    acts: Sequence[Act]
    said: Sequence[Said]
    at: int = 0
    """When it was looked (milliseconds)."""
    talks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By applicant who is in their conversation: the messages of the bot there that answer nothing."""

    def requests(self, door: Door) -> dict[str, list[Mapping[str, Any]]]:
        """The requests at a door by applicant."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for row in self.rows["requests"]:
            if row["room_id"] == door.room:
                found.setdefault(row["user_id"], []).append(row)
        return found

    def lines(self) -> dict[int, list[Mapping[str, Any]]]:
        """The record by request."""
        found: dict[int, list[Mapping[str, Any]]] = {}
        for row in sorted(self.rows["audit"], key=lambda line: line["id"]):
            found.setdefault(row["request_id"], []).append(row)
        return found


async def seen(door: Door, rows: Rows, here: Sequence[Knocked]) -> Seen:
    """Look at a door."""
    talks = {one.user_id: await _letters(one, one.talk, door) for one in here if one.talk is not None}
    return Seen(rows, await _acts(door.garden), _said(await door.garden.said()), now(), talks)


def now() -> int:
    """The time, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


async def _letters(one: Knocked, talk: str, door: Door) -> list[str]:
    """What the bot has said in a conversation by itself; it may be encrypted."""
    said = await one.person.messages(talk, limit=200)
    ours = [event for event in said if event["sender"] == door.garden.keeper.user_id and event["type"] in SPOKEN]
    return [event["event_id"] for event in ours if in_reply_to(event) is None and edit_of(event) is None]


SPOKEN = ("m.room.message", "m.room.encrypted")


async def _acts(garden: Garden) -> list[Act]:
    """From the room's whole history."""
    query: dict[str, Any] = {"dir": "b", "limit": 1000, "filter": json.dumps({"types": ["m.room.member"]})}
    found: list[Json] = []
    while True:
        page = await garden.alice.call("GET", "rooms", garden.room, "messages", query=query)
        found += page["chunk"]
        if "end" not in page:
            break
        query["from"] = page["end"]
    bot = garden.keeper.user_id
    ours = [event for event in reversed(found) if event["sender"] == bot != event["state_key"]]
    return [Act(one["state_key"], one["content"]["membership"], one["content"].get("reason")) for one in ours]


def _said(events: Iterable[Json]) -> list[Said]:
    """Messages with what their newest edits say."""
    edits: dict[str, str] = {}
    posted = []
    for event in events:
        edited = edit_of(event)
        if edited is None:
            posted.append(event)
        else:
            edits[edited] = words({"content": event["content"].get("m.new_content", {})})
    return [_one_said(event, edits.get(event["event_id"], words(event))) for event in posted if event["content"]]


def _one_said(event: Json, text: str) -> Said:
    content = event["content"]
    blocks = content[REQUESTS] if REQUESTS in content else [block(event)]
    return Said(
        event["event_id"],
        event["origin_server_ts"],
        text,
        content.get(PROMPT_KEY, {}).get("kind"),
        tuple(one["user_id"] for one in blocks if one),
        bool(content.get("m.mentions", {}).get("user_ids")),
        in_reply_to(event),
    )


# --- what must hold -------------------------------------------------------------------------------------------

Invariant = Callable[[Door, Sequence[Knocked], Seen], list[str]]


def one_outcome(door: Door, here: Sequence[Knocked], it: Seen) -> list[str]:
    """Everybody has one request, with what was due to them, in the room and on record; nobody else was touched."""
    acts: dict[str, Counter[str]] = {}
    for act in it.acts:
        acts.setdefault(act.user_id, Counter())[act.membership] += 1
    found = [
        f"{who} never knocked, and the bot's acts were {done}" for who, done in acts.items() if who not in _ids(here)
    ]
    requests, lines = it.requests(door), it.lines()
    for one in here:
        theirs = requests.get(one.user_id, [])
        if len(theirs) != 1:
            found.append(f"{one.user_id} knocked once, and there are {len(theirs)} requests")
            continue
        told = in_short(line["kind"] for line in lines.get(theirs[0]["id"], []))
        came = theirs[0]["state"], acts.get(one.user_id, Counter()), told
        if not any(came[:2] == (course.state, Counter(course.acts)) and course.fits(told) for course in one.may):
            due = " or ".join(f"{course.state} by {course.acts}" for course in one.may)
            found.append(
                f"{one.user_id} ({one.reason}): {came[0]} by {dict(came[1])}, told {dict(told)}; due was {due}"
            )
    return found


def _ids(here: Iterable[Knocked]) -> set[str]:
    return {one.user_id for one in here}


def shown_once(door: Door, here: Sequence[Knocked], it: Seen) -> list[str]:
    """Everybody is shown by one message; in waves by one at most, and who waits is there or in a digest.

    Whom a batch has answered before their card was posted needs none.
    """
    shown = Counter(user_id for said in it.said for user_id in said.shows)
    in_digest = {row["id"] for row in it.rows["prompts"] if row["kind"] == "wave"}
    by_batches = set[int]().union(*_answered_by_batches(it).values())
    requests = it.requests(door)
    found = []
    for one in here:
        [*theirs] = requests.get(one.user_id, [])
        folded = door.busy and (not _waits(theirs) or any(row["card_id"] in in_digest for row in theirs))
        needless = not _waits(theirs) and any(row["id"] in by_batches for row in theirs)
        if shown[one.user_id] > 1 or (shown[one.user_id] == 0 and not (folded or needless)):
            found.append(f"{one.user_id} ({one.reason}) was shown {shown[one.user_id]} times")
    return found


def _waits(theirs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the records say that somebody waits for an answer."""
    return any(row["state"] == State.PENDING for row in theirs)


def in_order(door: Door, here: Sequence[Knocked], it: Seen) -> list[str]:
    """Whoever knocked first has the lower number, wherever the events were sent.

    No number may go against both the order in which they knocked and that in which we were told. The two can differ:
    what a homeserver was saying when knockbot was killed, it says again after what it said since (seen: 2.5 s later),
    and a look at the room has found who knocked before that.
    """
    knocked = {one.user_id: place for place, one in enumerate(here)}
    arrived = {row["event_id"]: row["seq"] for row in it.rows["inbox"]}
    requests = sorted((row for row in it.rows["requests"] if row["room_id"] == door.room), key=lambda row: row["id"])
    places = [(knocked[row["user_id"]], arrived[row["event_id"]]) for row in requests if row["event_id"] in arrived]
    wrong = any(first[0] > then[0] and first[1] > then[1] for first, then in itertools.combinations(places, 2))
    return [f"the requests of {door.room} are not in the order of the knocks"] if wrong else []


def told_why(_: Door, here: Sequence[Knocked], it: Seen) -> list[str]:
    """Who was rejected by a template is told its text."""
    reasons: dict[str, list[str | None]] = {}
    for act in it.acts:
        reasons.setdefault(act.user_id, []).append(act.reason)
    told = [(one, reasons.get(one.user_id, [])) for one in here if one.wording is not None]
    return [
        f"{one.user_id} was to be told {one.wording!r}, but {said}" for one, said in told if one.wording not in said
    ]


def noted_once(door: Door, here: Sequence[Knocked], it: Seen) -> list[str]:
    """A note that was heard is written, once for each command, on the request it named, and the card shows it. One of
    several commands with the same text is enough: where messages are encrypted, the first may have no key."""
    heard = {row["event_id"] for row in it.rows["inbox"] if row["handled_at"] is not None}
    ids = {row["id"]: user_id for user_id, theirs in it.requests(door).items() for row in theirs}
    here_noted = [row for row in it.rows["notes"] if row["request_id"] in ids]
    written = Counter((ids[row["request_id"]], row["text"], row["cause"]) for row in here_noted)
    wanted = Counter(
        (one.user_id, text, cause) for one in here for text, causes in one.notes.items() for cause in causes & heard
    )
    ours = {who: count for who, count in written.items() if who[0] in _ids(here)}
    kept = {(user_id, text) for user_id, text, _ in ours}
    found = [f"the note {what} was not written" for what in wanted if what[:2] not in kept]
    found += [f"the note {what} was written {count} times" for what, count in ours.items() if count != 1]
    found += [f"nobody wrote the note {what}" for what in ours if what not in wanted]
    cards = {said.event_id: said.text for said in it.said}
    shown = [(one, text, cards.get(one.card, text)) for one in here if one.card is not None for text in one.notes]
    return found + [
        f"the card of {one.user_id} lacks the note {text!r}" for one, text, card in shown if text not in card
    ]


def hands(door: Door, here: Sequence[Knocked], it: Seen) -> list[str]:
    """Who is claimed, and who is deferred: as was said last, and nobody whose request is settled."""
    requests = it.requests(door)
    claimed, deferred = ({row["request_id"] for row in it.rows[table]} for table in ("claims", "deferrals"))
    found = []
    for one in (one for one in here if one.user_id in requests):
        theirs = requests[one.user_id]
        ids = {row["id"] for row in theirs}
        now = bool(ids & claimed), bool(ids & deferred)
        due = one.claimed and _waits(theirs), one.deferred and _waits(theirs)
        found += [f"{one.user_id} is claimed, deferred: {now}; due was {due}"] if now != due else []
    return found


FIGURES = re.compile(r"(?P<done>\d+) of (?P<count>\d+) (?:accepted|rejected|banned)")


def batches_are_what_was_shown(door: Door, here: Sequence[Knocked], it: Seen) -> list[str]:
    """A batch that nobody confirmed has done nothing; who came after it was asked about is not in it; its figures are
    those of the room."""
    found = []
    known = {row["event_id"]: row["id"] for row in it.rows["prompts"]}
    rows = {row["prompt_id"]: row for row in it.rows["batches"] if row["management_room"] == door.garden.mods}
    users = {row["id"]: row["user_id"] for row in it.rows["requests"]}
    answered = _answered_by_batches(it)
    wanted = {known[asked.event_id]: asked for asked in door.batches if asked.event_id in known}
    for prompt_id, row in rows.items():
        asked = wanted.get(prompt_id)
        stages = STAGES[asked.meant] if asked is not None else STAGES["left alone"]
        if row["stage"] not in stages:
            found.append(f"batch {row['number']} is {row['stage']}")
        hit = {users[one] for one in answered.get(row["id"], ())}
        if row["stage"] not in ("done", "stopped") and hit:
            found.append(f"nobody confirmed batch {row['number']}, and it answered {sorted(hit)}")
        if asked is not None:
            items = [one for one in it.rows["batch_requests"] if one["batch_id"] == row["id"]]
            mine = {users[one["request_id"]] for one in items if one["asked"]}
            found += _late(asked, row, {users[one["request_id"]] for one in items} | hit)
            found += _figures(asked, row, mine, hit, it)
    return found


def _answered_by_batches(it: Seen) -> dict[int, set[int]]:
    """The requests that each batch has answered, by their answers of now and by those that were undone since."""
    found: dict[int, set[int]] = {}
    for row in it.rows["requests"]:
        for text in (row["answer_json"], row["undone_json"]):
            for cause in _causes(json.loads(text) if text else None):
                batch_id = batch_of(cause)
                if batch_id is not None:
                    found.setdefault(batch_id, set()).add(row["id"])
    return found


def _causes(value: Any) -> list[str]:
    if not isinstance(value, dict):
        return []
    own = [value["cause"]] if isinstance(value.get("cause"), str) else []
    return own + [cause for one in value.values() for cause in _causes(one)]


def _late(asked: Asked, row: Mapping[str, Any], within: set[str]) -> list[str]:
    late = sorted(within & set(asked.late))
    return [f"batch {row['number']} has {late}, who knocked after it was asked about"] if late else []


def _figures(asked: Asked, row: Mapping[str, Any], mine: set[str], hit: set[str], it: Seen) -> list[str]:
    if row["stage"] not in ("done", "stopped") or asked.undone is not None:
        return []
    membership = OUTCOMES[asked.verdict][0]
    acts = {act.user_id for act in it.acts if act.membership == membership}
    undone = {row["user_id"] for row in it.rows["requests"] if row["undone_json"] is not None}
    done = len((mine & hit & acts) - undone)
    said = next((one.text for one in it.said if one.event_id == asked.event_id), "")
    figures = FIGURES.search(said)
    if figures is None or (int(figures["done"]), int(figures["count"])) != (done, len(mine)):
        return [f"batch {row['number']} did {done} of {len(mine)} in the room, and says {said[:200]!r}"]
    return []


def undone_as_told(door: Door, here: Sequence[Knocked], it: Seen) -> list[str]:
    """The undoing of a batch names as many answers as it has undone, once."""
    found = []
    undone = {one.user_id for one in here if (course := one.course) is not None and "undone" in course.told}
    for asked in door.batches:
        if asked.undone is None:
            continue
        wanted = f": {len(asked.undone)} answer{'s were' if len(asked.undone) != 1 else ' was'} undone."
        told = [said.text for said in it.said if said.text.startswith("Undo of batch") and wanted in said.text]
        if not told or not undone.issuperset(asked.undone):
            found.append(f"the batch {asked.event_id} was to undo {len(asked.undone)}, and that was not told")
    return found


def waves_hold(door: Door, here: Sequence[Knocked], it: Seen) -> list[str]:
    """Rules accept nobody in a wave: beside those of each wave, no more than came before its last knock."""
    if not door.busy:
        return []
    lines, requests = it.lines(), it.requests(door)
    by_rule = [
        one.user_id
        for one in here
        for row in requests.get(one.user_id, [])
        if (kinds := [line["kind"] for line in lines.get(row["id"], [])]).count("accepted")
        and "accept" not in kinds
        and "undone" not in kinds[: kinds.index("accepted")]
    ]
    most = (KNOCKS_OF_A_WAVE - 1) * (door.ended + 1)
    return [f"in waves, rules accepted {by_rule}, which is more than {most}"] if len(by_rule) > most else []


def called_once(door: Door, _: Sequence[Knocked], it: Seen) -> list[str]:
    """In a wave there is one call at most, and one digest."""
    found = []
    about_knocks = [said for said in it.said if said.shows or said.kind == "wave"]
    for wave in (row for row in it.rows["waves"] if row["room_id"] == door.room):
        ended = wave["ended_at"] if wave["ended_at"] is not None else float("inf")
        calls = [said for said in about_knocks if said.calls and wave["began_at"] <= said.at <= ended]
        found += [f"in one wave, alice was called {len(calls)} times"] if len(calls) > 1 else []
    digests = sum(said.kind == "wave" for said in it.said)
    waves = sum(row["room_id"] == door.room for row in it.rows["waves"])
    return found + ([f"there were {digests} digests of {waves} waves"] if digests > waves else [])


def votes_stand(door: Door, here: Sequence[Knocked], it: Seen) -> list[str]:
    """Who waits has the votes that were given, and not taken back."""
    given: dict[int, set[str]] = {}
    for row in it.rows["votes"]:
        given.setdefault(row["request_id"], set()).add(row["voter"])
    requests = it.requests(door)
    waiting = [(one, row) for one in here for row in requests.get(one.user_id, []) if row["state"] == State.PENDING]
    return [
        f"{one.user_id} has the votes of {sorted(given.get(row['id'], ()))}; given were {sorted(one.votes)}"
        for one, row in waiting
        if given.get(row["id"], set()) != set(one.votes)
    ]


NUMBERED = re.compile(r"#(\d+)")


def reminded_once(door: Door, here: Sequence[Knocked], it: Seen) -> list[str]:
    """Nobody is named by two reminders; and of who has waited for long, moderators were reminded."""
    if not door.timed:
        return []
    named = Counter(number for said in it.said if said.text.startswith("🔔") for number in NUMBERED.findall(said.text))
    found = [f"moderators were reminded {count} times of #{number}" for number, count in named.items() if count > 1]
    noted, deferred = ({row["request_id"] for row in it.rows[table]} for table in ("reminders", "deferrals"))
    long_ago = it.at - 2 * REMINDED_AFTER
    late = [
        row["number"]
        for theirs in it.requests(door).values()
        for row in theirs
        if row["state"] == State.PENDING and row["opened_at"] < long_ago and row["id"] not in noted | deferred
    ]
    return found + [f"nobody was reminded of #{number}" for number in late]


def quiet_hours_are_quiet(door: Door, _: Sequence[Knocked], it: Seen) -> list[str]:
    """In quiet hours nobody is called, and at their end it is told once what came."""
    if door.quiet_until is None:
        return []
    calls = [said for said in it.said if said.calls and said.at < door.quiet_until]
    found = [f"alice was called in quiet hours: {said.text[:100]!r}" for said in calls]
    mornings = sum(said.text.startswith("\N{SUNRISE}") for said in it.said)
    found += [f"the end of the quiet hours was told {mornings} times"] if mornings > 1 else []
    left = any(row["room_id"] == door.room for row in it.rows["mornings"])
    over = it.at > door.quiet_until + MINUTE
    return found + (["the end of the quiet hours was not told"] if left and over else [])


def one_conversation_each(door: Door, here: Sequence[Knocked], it: Seen) -> list[str]:
    """No applicant has two conversations, and each who is in theirs was told once that they are heard."""
    begun = Counter(row["user_id"] for row in it.rows["conversations"])
    found = [f"{one.user_id} has {begun[one.user_id]} conversations" for one in here if begun[one.user_id] > 1]
    return found + [
        f"{user_id} was told {len(letters)} times that they are heard"
        for user_id, letters in it.talks.items()
        if len(letters) != 1
    ]


INVARIANTS: tuple[Invariant, ...] = (
    one_outcome,
    shown_once,
    in_order,
    told_why,
    noted_once,
    hands,
    batches_are_what_was_shown,
    undone_as_told,
    waves_hold,
    called_once,
    votes_stand,
    reminded_once,
    quiet_hours_are_quiet,
    one_conversation_each,
)


# --- the ledger -----------------------------------------------------------------------------------------------


@dataclass
class Ledger:
    """Everybody who knocked, and where."""

    url: str
    everybody: list[Knocked] = field(default_factory=list)
    doors: list[Door] = field(default_factory=list)

    async def records(self) -> Rows:
        """Every row of the database as it is now."""
        found: dict[str, list[dict[str, Any]]] = {}
        async with snapshot(self.url) as source:
            for table in BACKED_UP:
                columns = [*await source.columns(table)]
                found[table] = [dict(zip(columns, row, strict=True)) async for row in source.rows(table, columns)]
        return found

    def at(self, door: Door) -> list[Knocked]:
        """Who knocked there, in their order."""
        return [one for one in self.everybody if one.garden.room == door.room]

    async def what_is_missing(self, last: Sequence[str] = ()) -> str:
        """Why it is not over yet; empty once nothing is left to do and everybody has what they were due.

        `last` are messages that came after all that is waited for.
        """
        try:
            rows = await self.records()
            unheard = set(last) - {row["event_id"] for row in rows["inbox"]}
            return f"unheard: {unheard}" if unheard else missing(rows, self.doors, self.everybody, now())
        except Unavailable as error:
            return str(error)

    async def violations(self) -> list[str]:
        """Everything that must not be so, now that it is over."""
        rows = await self.records()
        found = unfit(rows)
        for door in self.doors:
            here = self.at(door)
            it = await seen(door, rows, here)
            found += [violation for invariant in INVARIANTS for violation in invariant(door, here, it)]
        return found

    async def settle(self) -> None:
        """Note what has become of everybody, once it is over: what was possible becomes what is."""
        rows = await self.records()
        cards = {row["id"]: row["event_id"] for row in rows["prompts"] if row["kind"] == "card"}
        requests = {(row["room_id"], row["user_id"]): row for row in rows["requests"]}
        lines = Seen(rows, (), ()).lines()
        for one in self.everybody:
            row = requests[one.garden.room, one.user_id]
            one.number, one.card = row["number"], cards.get(row["card_id"])
            told = in_short(line["kind"] for line in lines[row["id"]])
            one.pin(next(course for course in one.may if course.state == row["state"] and course.fits(told)))


def unfit(rows: Rows) -> list[str]:
    """What was set aside, and acts that were given up."""
    found = [f"{row['event_id']} was set aside: {row['fault']}" for row in rows["inbox"] if row["fault"]]
    bad = [row for row in rows["jobs"] if row["state"] not in ("done", "overtaken")]
    return found + [f"{row['key']} is {row['state']}: {row['why']}" for row in bad]


def missing(rows: Rows, doors: Sequence[Door], everybody: Sequence[Knocked], at: int = 0) -> str:
    """Why it is not over yet at this time, by the records; empty if it is."""
    waiting = [
        row["event_id"]
        for row in rows["inbox"]
        if row["handled_at"] is None and row["fault"] is None and row["session"] is None  # its key may be lost for ever
    ]
    undone = [row["key"] for row in rows["jobs"] if row["state"] in ("due", "running")]
    undone += [row["key"] for row in rows["timers"] if row["kind"] in SOON]
    undone += [row["key"] for row in rows["timers"] if row["kind"] in RINGS and row["due_at"] <= at]
    states = {(row["room_id"], row["user_id"]): State(row["state"]) for row in rows["requests"]}
    owed = [
        f"{one.user_id} ({one.reason})"
        for one in everybody
        if states.get((one.garden.room, one.user_id)) not in {course.state for course in one.may}
    ]
    prompts = {row["event_id"]: row["id"] for row in rows["prompts"]}
    stages = {row["prompt_id"]: row["stage"] for row in rows["batches"]}
    asked = [
        f"{one.meant} {one.event_id}"
        for door in doors
        for one in door.batches
        if stages.get(prompts.get(one.event_id)) not in STAGES[one.meant]
    ]
    found = (("unhandled", waiting), ("undone", undone), ("owed to", owed), ("batches", asked))
    return "; ".join(f"{what}: {', '.join(map(str, which[:5]))}" for what, which in found if which)
