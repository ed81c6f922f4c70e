"""A policy: the ordered rules of a protected room, parsed once, and `decide`, which applies them to a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from knockbot.documents.reading import (
    Path,
    duration,
    found,
    items,
    one_of,
    one_or_more,
    spelled,
    text,
    unknown_word,
    written_duration,
    yes_or_no,
)
from knockbot.documents.schema import Key, each, key, keys_of, read_keys, table, word
from knockbot.documents.text import shown
from knockbot.documents.zones import UTC, read_zone
from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.coding import Coding
from knockbot.domain.cooldown import COOLDOWN, cooled, read_cooldown
from knockbot.domain.criteria import COMBINATIONS, CRITERIA, Always, counts, leaves, once_answered, read_when
from knockbot.domain.criteria.answers import AnswerIs, HasAnswered, has_answered_all, waits_for_an_answer
from knockbot.domain.criteria.applicants import likeness_in
from knockbot.domain.criteria.base import Condition, read_room
from knockbot.domain.expiry import INVITE_EXPIRES, read_invite_expires
from knockbot.domain.hours import QuietHours, TimeOfDay, read_quiet_hours, read_time_of_day
from knockbot.domain.ids import is_user_id
from knockbot.domain.invites import Fall
from knockbot.domain.kinds import KINDS, OTHERWISE, OTHERWISE_INVITES
from knockbot.domain.languages import Language
from knockbot.domain.letters import LetterRule, read_letters
from knockbot.domain.listed import LIST, PolicyList, decide_by_lists, entry_in, read_lists
from knockbot.domain.model import (
    DRY_RUN,
    UNANSWERED,
    UNREACHABLE,
    Asking,
    Came,
    Decision,
    Fact,
    Facts,
    Kind,
    Knock,
    Known,
    Miss,
    Origin,
    Truth,
    Verdict,
)
from knockbot.domain.notices import Notice, because, notice
from knockbot.domain.questions import AskingRule, Question, read_asking, read_questions
from knockbot.domain.reminders import read_remind_after
from knockbot.domain.templates import Template, read_templates
from knockbot.domain.votes import VoteRule, read_votes
from knockbot.domain.waves import WaveRule, read_wave
from knockbot.errors import Fault

MAX_RULES = 1000
MAX_NAME = 100
MAX_REASON = 500
MAX_CALLED = 20

MAX_PATTERN_SIZE = 20_000
"""Steps of all patterns of one policy together."""

MAX_COST = 100_000_000
"""The most work in patterns for one decision: their steps, times the bytes of the text that they are matched with. It
is a tenth of a second in the worst case. Even with as many steps as a policy may have, a text of 5,000 bytes is always
judged."""

MAX_MEMORY = 16 * 1024 * 1024
"""The most bytes of a policy typed in chat, after it is compiled."""

LATER_VERDICTS = frozenset({"ignore"})
"""Verdicts of a later version; a policy with one is refused with that reason."""

RULE_MEMORY = 2000
"""The most bytes of memory for one rule, without its patterns and globs."""


class Announce(StrEnum):
    """How automatic decisions are reported in the management room."""

    LINE = "line"
    NONE = "none"


class Reasons(StrEnum):
    """Whether cards show the reason of a knock."""

    SHOWN = "shown"
    HIDDEN = "hidden"


class NotifyRemote(StrEnum):
    """How an applicant of another server is told that they were rejected; no homeserver sends them the rejection."""

    OFF = "off"
    MESSAGE = "message"


class Fate(StrEnum):
    """What is done with the unused third-party invites of somebody who can no longer invite."""

    REVOKE = "revoke"
    FORWARD = "forward"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Rule:
    """If `when` holds for a request of one of these kinds, its verdict is `then`."""

    place: int
    """Counted from one."""
    when: Condition
    then: Verdict
    name: str | None = None
    reason: str | None = None
    """The text in the membership event, which the applicant can read."""
    kinds: frozenset[Kind] = frozenset({Kind.KNOCK})
    may_ask_again: bool = False
    """Whether whoever it rejects may knock again at once, though the policy has a cooldown."""
    origin: str = ""
    """The room whose policy it is a part of; empty for the default policy, and before that is known."""
    numbered: tuple[str, ...] = ()
    """The keys of the questions that its numbers of questions mean, where it asks about answers."""

    @property
    def label(self) -> str:
        """How people and machines are told of this rule: its name, else ``#3``."""
        return self.name or f"#{self.place}"


def _read_rules(value: object, path: Path) -> tuple[Rule, ...]:
    if value == []:
        return ()
    rules: list[Rule] = []
    names: set[str] = set()
    for one, at in items(value, path):
        if len(rules) == MAX_RULES:
            raise Fault("too many rules, at most {most}", path, most=MAX_RULES)
        rule = _read_rule(one, at, len(rules) + 1)
        if rule.name in names:
            raise Fault("another rule has the same name", (*at, "name"))
        names |= {rule.name} if rule.name else set()
        rules.append(rule)
    if sum(rule.when.pattern_size for rule in rules) > MAX_PATTERN_SIZE:
        raise Fault("all patterns together are too large", path)
    countings = counts.of_all(need for rule in rules for need in rule.when.needs)
    if len(countings) > counts.MOST_COUNTINGS:
        raise Fault(
            "knocks are counted in {count} ways, at most {most}", path, count=len(countings), most=counts.MOST_COUNTINGS
        )
    return tuple(rules)


def _read_rule(value: object, path: Path, place: int) -> Rule:
    said = read_keys(RULE_KEYS, value, path)
    asks = said["then"] is Verdict.ASK
    if asks and said["kinds"] != frozenset({Kind.KNOCK}):
        raise Fault("only those who knock can be asked", (*path, "then"))
    if said["when"] is LEFT_OUT and not asks:
        raise Fault("missing", (*path, "when"))
    when = Always() if said["when"] is LEFT_OUT else read_when(said["when"], (*path, "when"), said["kinds"])
    by_likeness = any(need.fact is Fact.LOOKALIKE for need in when.needs)
    if said["then"] is Verdict.ACCEPT and by_likeness and not when.vouches():
        raise Fault(NOBODY_VOUCHES, (*path, "when"))
    return Rule(place=place, **said | {"when": when})


NOBODY_VOUCHES: Final = (
    "to accept, lookalike needs beside it a criterion that names the person or vouches for them, in each part of any:"
    " user or server (not *, but for example *.org), local: true, member_of, member_of_managed: true,"
    " accepted_before: true, pre_approved: true, code, vouched, on_list, inviter, inviter_power_at_least,"
    " inviter_is_member: true or identity_server"
)
"""Two honest people may look alike, and anyone can choose another name."""


def _read_name(value: object, path: Path) -> str:
    name = shown(text(value, path, MAX_NAME), MAX_NAME)
    if not name:
        raise Fault("expected text, found none", path)
    if name in RESERVED or name.startswith(LIST) or (name[0] == "#" and name[1:].isdecimal()):
        raise Fault("{found} would be taken for something else; choose another name", path, found=found(name))
    return name


RESERVED = frozenset({OTHERWISE, OTHERWISE_INVITES, SERVER_ACL, COOLDOWN, INVITE_EXPIRES})
"""What decisions are called that no rule gave; those of policy lists begin with `LIST`."""


def _read_reason(value: object, path: Path) -> str:
    return text(value, path, MAX_REASON).strip()


def _as_it_stands(value: object, _path: Path) -> object:
    return value


LEFT_OUT: Final = object()
"""A rule has no `when`: it is for everybody who comes so far."""


def _read_kinds(value: object, path: Path) -> frozenset[Kind]:
    return frozenset(Kind(one_of(one, at, tuple(Kind))) for one, at in one_or_more(value, path))


RULE_KEYS = table(
    Key("name", _read_name, None),
    Key("for", _read_kinds, frozenset({Kind.KNOCK}), field="kinds"),
    Key("when", _as_it_stands, LEFT_OUT),  # it is compiled when the kinds of request of the rule are known
    Key("then", word(Verdict, LATER_VERDICTS)),
    Key("reason", _read_reason, None),
    Key("may_ask_again", yes_or_no, False, False),
)


def _read_call(value: object, path: Path) -> tuple[str, ...]:
    if value == []:
        return ()
    called = tuple(dict.fromkeys(_read_called(one, at) for one, at in one_or_more(value, path)))
    if len(called) > MAX_CALLED:
        raise Fault("too many users to call: {count}, at most {most}", path, count=len(called), most=MAX_CALLED)
    return called


def _read_called(value: object, path: Path) -> str:
    user = text(value, path, 255)
    if not is_user_id(user):
        raise Fault("expected a user ID, found {found}", path, found=found(user))
    return user


CHILDREN: Final = "children"
"""In `also_invite`: the rooms that the space itself names."""

MAX_INVITED = 50
"""Rooms that somebody is invited to as well."""


def _read_also_invite(value: object, path: Path) -> tuple[str, ...]:
    if value == []:
        return ()
    read = (CHILDREN if one == CHILDREN else read_room(one, at) for one, at in one_or_more(value, path))
    named = tuple(dict.fromkeys(read))
    if len(named) > MAX_INVITED:
        raise Fault("too many rooms: {count}, at most {most}", path, count=len(named), most=MAX_INVITED)
    return named


def _read_otherwise(value: object, path: Path) -> Verdict:
    verdict = word(Verdict, LATER_VERDICTS)(value, path)
    if verdict is Verdict.ASK:
        raise Fault("only those who knock can be asked", path)
    return verdict


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """The settings of a policy, in addition to its rules. Each field with `key(…)` is a key."""

    inherit: bool = key(yes_or_no, written=False)
    """Whether the policy of the room's space follows: its rules after these, its settings where none is set here."""
    otherwise: Verdict = key(word(Verdict, LATER_VERDICTS), written="forward")
    otherwise_third_party: Verdict = key(_read_otherwise, written="forward")
    inviter_removed: Fate = key(word(Fate), written="revoke")
    inviter_demoted: Fate = key(word(Fate), written="revoke")
    inviter_left: Fate = key(word(Fate), written="forward")
    announce: Announce = key(word(Announce), written="line")
    reasons: Reasons = key(word(Reasons), written="shown")
    call: tuple[str, ...] = key(_read_call, written=[])
    """The user IDs that a card mentions."""
    digest: TimeOfDay | None = key(read_time_of_day, written="off")
    """When one message a day tells of all knocks that wait, in place of a card for each."""
    quiet_hours: QuietHours | None = key(read_quiet_hours, written="off")
    """The times of the day between which nobody is called."""
    remind_after: int | None = key(read_remind_after, written="off")
    """Milliseconds after which the moderators are reminded of a request that waits for an answer."""
    stale_after: int = key(duration, written="30d")
    """Milliseconds after which a knock that nobody answered expires."""
    cooldown: int | None = key(read_cooldown, written="off")
    """Milliseconds after a rejection within which whoever knocks again is rejected."""
    invite_expires: int | None = key(read_invite_expires, written="off")
    """Milliseconds after which an invite that nobody took is withdrawn."""
    notify_remote: NotifyRemote = key(word(NotifyRemote), written="off")
    timezone: str = key(read_zone, written=UTC)
    """The name of the time zone (IANA) in which the policy names times of the day."""
    language: Language | None = key(word(Language), default=None)
    """The language of cards, lines and replies of this room; `None` means the language of the config file."""
    dry_run: bool = key(yes_or_no, written=False)
    """Whether the policy only says what it would do, and the moderators decide everything."""
    lists: tuple[PolicyList, ...] = key(read_lists, written=[])
    """The policy lists, which decide before every rule."""
    also_invite: tuple[str, ...] = key(_read_also_invite, written=[])
    """The rooms to which whoever is accepted and joins is invited as well; or `CHILDREN`."""
    templates: tuple[Template, ...] = key(read_templates, written={})
    """Texts that moderators often send to applicants, by short names."""
    wave: WaveRule = key(read_wave, written={"knocks": 50, "within": "10m", "ends_after": "30m"})
    """How many knocks in which time make a wave, in which rules accept nobody; or `waves.OFF`."""
    votes: VoteRule = key(read_votes, written={"accept": 1, "reject": 1, "ban": 1})
    """How many moderators each of their answers takes."""
    letters: LetterRule = key(read_letters, written={})
    """What applicants are told in their conversation."""
    questions: tuple[Question, ...] = key(read_questions, written=[])
    """What applicants are asked in their conversation, where a rule says so."""
    asking: AskingRule = key(read_asking, written={})
    """What follows where they do not answer."""
    said: tuple[str, ...] = field(default=(), compare=False)
    """The keys that its text sets; for the others the default applies."""

    def default(self, kind: Kind) -> Verdict:
        """The verdict if no rule for this kind matches. A user who redeems an accepted invite is accepted."""
        return {
            Kind.KNOCK: self.otherwise,
            Kind.THIRD_PARTY_INVITE: self.otherwise_third_party,
            Kind.REDEEMED_INVITE: Verdict.ACCEPT,
        }[kind]

    def fate(self, fall: Fall) -> Fate:
        """What is done with the unused third-party invites of an inviter after this event."""
        return {
            Fall.REMOVED: self.inviter_removed,
            Fall.DEMOTED: self.inviter_demoted,
            Fall.LEFT: self.inviter_left,
        }[fall]


@dataclass(frozen=True, slots=True)
class Policy(RoomSettings):
    """The rules of one protected room and its settings; the first rule that matches decides. Each field is a key."""

    rules: tuple[Rule, ...] = key(_read_rules, written=[])
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The other rooms whose policies it is made of, and what people call them; see `domain/layers.py`."""
    set_in: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where a key is set in the policy of another room: that room."""

    @property
    def settings(self) -> RoomSettings:
        """It without its rules."""
        return RoomSettings(**{name: getattr(self, name) for name in (*SETTINGS_KEYS, "said")})

    @property
    def needed(self) -> Mapping[Fact, tuple[str, ...]]:
        """The facts that must be looked up to judge by this policy, each with the rooms it is asked of."""
        needed: dict[Fact, tuple[str, ...]] = {}
        for need in dict.fromkeys(need for rule in self.rules for need in rule.when.needs):
            needed[need.fact] = (*needed.get(need.fact, ()), need.of)
        if self.asks:
            needed[Fact.ANSWERS] = ("",)
        if self.lists:  # all of them: whoever asks about one may have to know of the others, too
            needed[Fact.LISTED] = tuple(one.name for one in self.lists)
        if self.cooldown is not None:
            needed[Fact.LAST_REJECTION] = ("",)
        return needed

    @property
    def rooms_needed(self) -> tuple[str, ...]:
        """The rooms, by the names used here, whose members must be known to judge by this policy."""
        return self.needed.get(Fact.MEMBER_OF, ())

    @property
    def rooms_invited_to(self) -> tuple[str, ...]:
        """The rooms that `also_invite` names, by the names used here."""
        return tuple(name for name in self.also_invite if name != CHILDREN)

    @property
    def rooms_named(self) -> tuple[str, ...]:
        """Every room that it names, by the names used here: those of `member_of`, and of policy lists."""
        return tuple(dict.fromkeys((*self.rooms_needed, *(one.room for one in self.lists))))

    @property
    def pattern_size(self) -> int:
        """The steps of all its patterns together."""
        return sum(rule.when.pattern_size for rule in self.rules)

    @property
    def globs_looked_through(self) -> int:
        """How many of its globs are compared with an applicant one by one."""
        return sum(rule.when.globs_looked_through for rule in self.rules)

    @property
    def memory(self) -> int:
        """The most bytes of memory that it needs."""
        return sum(RULE_MEMORY + rule.when.memory for rule in self.rules)

    @property
    def asks(self) -> bool:
        """Whether it may ask applicants its questions."""
        return self.otherwise is Verdict.ASK or any(rule.then is Verdict.ASK for rule in self.rules)

    @property
    def verdicts(self) -> frozenset[Verdict]:
        """Every verdict it may give."""
        return frozenset(verdict for verdict, _ in verdict_paths(self))

    def origin(self, room_id: str | None) -> Origin | None:
        """Another room whose policy this one is made of; none if it is the room's own."""
        name = self.origins.get(room_id) if room_id is not None else None
        return Origin(room_id, name) if room_id is not None and name is not None else None

    def rules_for(self, kind: Kind) -> Iterator[Rule]:
        """The rules that judge requests of this kind, in order."""
        return (rule for rule in self.rules if kind in rule.kinds)

    def only(self, kind: Kind) -> Policy:
        """The same with the rules for this kind alone: it needs only the facts for judging this kind."""
        return replace(self, rules=tuple(self.rules_for(kind)))


SETTINGS_KEYS = keys_of(RoomSettings)
SETTINGS: Final = Coding(RoomSettings)
"""How settings are stored."""

UNSAID: Final = RoomSettings()
"""The settings of a policy that names none."""
POLICY_KEYS = keys_of(Policy)


def changed_settings(before: RoomSettings, after: RoomSettings) -> list[tuple[str, str | Notice, str | Notice]]:
    """The settings that differ between two policies: key, value before, value after, as people write them."""
    changed = []
    for setting in SETTINGS_KEYS:
        old, new = getattr(before, setting), getattr(after, setting)
        if old != new:
            changed.append((setting, _written(old, setting), _written(new, setting)))
    return changed


NONE_OF = {"call": notice("setting.nobody")}
"""What an empty list is called, where that is not ``none``."""


def _written(value: object, setting: str) -> str | Notice:
    """A setting as it is written in YAML; in words, if nothing is written."""
    if value is None:
        return notice("setting.not_set")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return written_duration(value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or NONE_OF.get(setting, notice("setting.none"))
    if isinstance(value, LetterRule) and value == LetterRule():
        return notice("setting.none")
    return str(value)


def decide(knock: Knock, facts: Facts, policy: Policy, kind: Kind = Kind.KNOCK) -> Decision:
    """Apply the rules of a policy for this kind of request: the first rule that matches decides.

    A rule that cannot be judged ends the search, because it might have matched: then the moderators decide. They also
    decide if a third-party invite would be accepted and its keys are not known to be valid (`InviteFacts.valid` is not
    true); the decision's `doubt` says so.

    `knock` is the applicant's: a knocker, or the user who redeemed an invite (`MemberChange.as_knock`). For a third-
    party invite it is the inviter's (`ThirdPartyInvite.as_knock`), and no criterion for those looks at it.
    """
    if facts.denied:
        return Decision(Verdict.REJECT, SERVER_ACL)
    decision = _decide(knock, facts, policy, kind)
    if KINDS[kind].takes_keys and decision.verdict is Verdict.ACCEPT:
        return _if_vouched_for(decision, facts)
    return decision


def _decide(knock: Knock, facts: Facts, policy: Policy, kind: Kind) -> Decision:
    facts = replace(facts, zone=policy.timezone, to_ask=tuple(question.key for question in policy.questions))
    seen = {origin: facts.seen_from(origin) for origin in facts.elsewhere}
    for one in policy.lists:
        by_list = decide_by_lists([one], seen.get(one.origin, facts).lists)
        if by_list is not None:
            return replace(by_list, origin=policy.origin(one.origin))
    decision = _decide_by_rules(knock, facts, policy, kind, seen)
    if policy.cooldown is None or not KINDS[kind].has_words:
        return decision
    cold = cooled(decision, facts, policy.cooldown, policy.timezone)
    return decision if cold is decision else replace(cold, origin=policy.origin(policy.set_in.get(COOLDOWN)))


def _decide_by_rules(knock: Knock, facts: Facts, policy: Policy, kind: Kind, seen: Mapping[str, Facts]) -> Decision:
    missed: list[Miss] = []
    left = MAX_COST
    for rule in policy.rules_for(kind):
        cost, known, origin = rule.when.cost(knock), seen.get(rule.origin, facts), policy.origin(rule.origin)
        known = replace(known, numbered=rule.numbered) if rule.numbered else known
        finding = rule.when.judge(knock, known if cost <= left else replace(known, too_costly=True))
        left -= min(cost, left)
        if finding.truth is Truth.TRUE:
            decision = Decision(rule.then, rule.label, rule.reason, tuple(missed), origin=origin)
            decision = replace(decision, may_ask_again=rule.may_ask_again)
            if rule.then is Verdict.ASK:
                return _asking(decision, facts, policy)
            return _explained(decision, finding.why) if rule.then is not Verdict.ACCEPT else decision
        if finding.truth is Truth.UNKNOWN and not waits_for_an_answer(finding.why):
            return Decision(Verdict.FORWARD, rule.label, None, tuple(missed), finding.why, origin=origin)
        missed.append(Miss(rule.label, finding.why, origin))
    if facts.came is not None:
        return replace(AS_INVITED[facts.came], missed=tuple(missed))
    origin = policy.origin(policy.set_in.get(KINDS[kind].otherwise))
    decision = Decision(policy.default(kind), OTHERWISE, None, tuple(missed), origin=origin)
    return _asking(decision, facts, policy) if decision.verdict is Verdict.ASK else decision


def _asking(decision: Decision, facts: Facts, policy: Policy) -> Decision:
    """The decision to ask, or what follows where that is of no use any more: nobody is asked for ever."""
    rule, state = policy.asking, facts.asked.state if facts.asked is not None else Asking.OPEN
    if state is Asking.OPEN and has_answered_all(facts):
        return held_back(decision, because("doubt.all_answered"))
    if state is Asking.OPEN and not policy.questions:
        return held_back(decision, because("doubt.no_questions"))
    if state is Asking.OPEN:
        return replace(decision, reason=None)
    verdict, code, usual = _WITHOUT[state]
    decision = replace(decision, verdict=verdict(rule), doubt=because(code), reason=None)
    if decision.verdict is Verdict.FORWARD:
        return decision
    told = because(usual) if rule.reason is None else None
    return replace(decision, reason=rule.reason, told=told, may_ask_again=True)


_WITHOUT: Mapping[Asking, tuple[Callable[[AskingRule], Verdict], str, str]] = {
    Asking.UNANSWERED: (lambda rule: rule.unanswered, UNANSWERED, "told.unanswered"),
    Asking.UNREACHABLE: (lambda rule: rule.unreachable, UNREACHABLE, "told.unreachable"),
}
"""What is decided without answers, why, and what the applicant is told where the policy has no text for that."""


def _explained(decision: Decision, why: Notice) -> Decision:
    """A decision with what the moderators want to know of why its rule matches."""
    return replace(decision, found=entry_in(why), alike=likeness_in(why))


AS_INVITED: Mapping[Came, Decision] = {
    Came.UNSEEN: Decision(Verdict.FORWARD, OTHERWISE, doubt=because("doubt.not_seen")),
    Came.USED: Decision(Verdict.FORWARD, OTHERWISE, doubt=because("doubt.used_before")),
    Came.ACCEPTED: Decision(Verdict.ACCEPT, OTHERWISE),
    Came.TAKEN_BACK: Decision(Verdict.REJECT, OTHERWISE, told=because("told.taken_back")),
    Came.UNANSWERED: Decision(Verdict.FORWARD, OTHERWISE, doubt=because("doubt.not_answered")),
}
"""The decision about a user who redeems an invite, if no rule matches: it depends on the state of the invite."""


def _if_vouched_for(decision: Decision, facts: Facts) -> Decision:
    """The decision to accept, or to forward if a key is not, or may not be, valid."""
    valid = facts.invite.valid if facts.invite else Known(Truth.UNKNOWN, because("unknown.no_invite"))
    if valid.truth is Truth.TRUE:
        return decision
    code = "doubt.keys_void" if valid.truth is Truth.FALSE else "doubt.keys_unknown"
    return held_back(decision, because(code) if valid.why is None else because(f"{code}_why", why=valid.why))


def rehearsed(decision: Decision, settings: RoomSettings, kind: Kind) -> Decision:
    """The decision under these settings: in dry run nothing is done to anyone, and the moderators are asked.

    Only a user who redeems an accepted invite may still stay: the invite was accepted, and nothing is done to them.
    """
    stays = kind is Kind.REDEEMED_INVITE and (decision.verdict, decision.rule) == (Verdict.ACCEPT, OTHERWISE)
    if not settings.dry_run or stays or decision.verdict is Verdict.FORWARD:
        return decision
    return held_back(decision, because(DRY_RUN))


def held_back(decision: Decision, doubt: Notice) -> Decision:
    """The same rule, but the moderators are asked before anything is done."""
    held = decision.verdict if decision.verdict is not Verdict.FORWARD else decision.held
    return replace(decision, verdict=Verdict.FORWARD, reason=None, told=None, doubt=doubt, held=held)


# --- parsing --------------------------------------------------------------------------------------------------


def parse_policy(data: object) -> Policy:
    """The policy that plain YAML data (mappings, lists, text, numbers, true and false, nothing) describes.

    Raises `Fault`, whose message names the rule and the key, and whose path leads to the spot.
    """
    try:
        policy = _with_known_lists(Policy(**read_keys(POLICY_KEYS, data, ())), data)
        policy = _with_known_questions(policy, data)
    except Fault as fault:
        first, *_ = each(fault)
        place = place_of(data, first.path)
        misplaced = _misplaced(first.path, first.said)
        raise (Fault(misplaced, first.path, place=place) if misplaced else first.at(first.path, place=place)) from None
    return replace(policy, said=tuple(name for name in SETTINGS_KEYS if isinstance(data, dict) and name in data))


def _misplaced(path: Path, said: str) -> str | None:
    """What is said of an unknown key that is known at another place of a policy: that place."""
    if not said.startswith(("unknown key", "unknown criterion")):
        return None
    key, in_rule, in_when = path[-1], path[:1] == ("rules",) and len(path) == 3, said.startswith("unknown criterion")
    places = (
        (len(path) == 1 and key in RULE_KEYS, "this belongs into a rule, below rules"),
        (len(path) == 1 and key in _IN_WHEN, "this belongs into when of a rule"),
        (in_rule and key in _IN_WHEN, "this belongs into when of this rule"),
        (in_when and key in RULE_KEYS, "this belongs into the rule, beside when"),
        ((in_rule or in_when) and key in POLICY_KEYS, _AT_THE_TOP),
    )
    return next((place for holds, place in places if holds), None)


_IN_WHEN = frozenset((*CRITERIA, *COMBINATIONS))
_AT_THE_TOP = "this is a setting of the whole policy: put it at the beginning of a line"


def _with_known_lists(policy: Policy, data: object) -> Policy:
    """The policy, if it has all lists that its rules ask about."""
    names = tuple(one.name for one in policy.lists)
    for rule in policy.rules:
        for name in (need.of for need in rule.when.needs if need.fact is Fact.LISTED):
            if name not in names and (name or not names):
                raise _unknown_list(name, names, path_to(data, "on_list", name or True))
    return policy


def _with_known_questions(policy: Policy, data: object) -> Policy:
    """The policy, if it has the questions that its rules are about, and asks nobody for ever."""
    for rule in policy.rules:
        for one in leaves(rule.when):
            if isinstance(one, AnswerIs):
                _insist_on_question(policy, one, data)
            elif isinstance(one, HasAnswered) and not policy.questions:
                raise Fault("the policy has no questions", path_to(data, "answered", one.wanted))
    _insist_on_an_end(policy)
    keys = tuple(question.key for question in policy.questions)
    about = {rule.place for rule in policy.rules for one in leaves(rule.when) if isinstance(one, AnswerIs)}
    rules = tuple(replace(rule, numbered=keys) if rule.place in about else rule for rule in policy.rules)
    return replace(policy, rules=rules)


def _insist_on_question(policy: Policy, one: AnswerIs, data: object) -> None:
    path = path_to(data, "question", one.question)
    if not policy.questions:
        raise Fault("the policy has no questions", path)
    if one.question > len(policy.questions):
        raise Fault(
            "there is no question {number}; the policy has {count}",
            path,
            number=one.question,
            count=len(policy.questions),
        )
    names = [choice.name for choice in policy.questions[one.question - 1].choices]
    unknown = next((word for word in one.words if names and word.casefold() not in names), None)
    if unknown is not None:
        raise unknown_word(unknown, names, (), path_to(data, "is", unknown), what="choice")


def _insist_on_an_end(policy: Policy) -> None:
    """Raises `Fault` where somebody could be asked again who has answered all."""
    ended = False
    for rule in policy.rules_for(Kind.KNOCK):
        truth, at = once_answered(rule.when), ("rules", rule.place - 1, "then")
        if rule.then is Verdict.ASK:
            _insist_on_asking(policy, at, ended=ended or truth is Truth.FALSE)
        ended = ended or truth is Truth.TRUE
    if policy.otherwise is Verdict.ASK:
        _insist_on_asking(policy, (OTHERWISE,), ended=ended)


def _insist_on_asking(policy: Policy, path: Path, *, ended: bool) -> None:
    if not policy.questions:
        raise Fault("the policy has no questions", path)
    if not ended:
        raise Fault(
            "whoever has answered all questions would be asked again; write a rule with {rule} before",
            path,
            rule="answered: true",
        )


def _unknown_list(name: str | None, names: Sequence[str], path: Path) -> Fault:
    if not name:
        return Fault("the policy has no lists", path)
    if not names:
        return Fault("unknown list {found}; the policy has no lists", path, found=found(name))
    return Fault("unknown list {found}; known: {known}", path, found=found(name), known=", ".join(names))


def verdict_paths(policy: Policy) -> Iterator[tuple[Verdict, Path]]:
    """Each verdict that a policy may give, with its path."""
    for place, one in enumerate(policy.lists):
        if one.then.verdict is not None:
            yield one.then.verdict, ("lists", place, "then")
    for rule in policy.rules:
        yield rule.then, ("rules", rule.place - 1, "then")
    if policy.cooldown is not None:
        yield Verdict.REJECT, (COOLDOWN,)
    if policy.invite_expires is not None:
        yield Verdict.REJECT, (INVITE_EXPIRES,)
    yield policy.otherwise, (OTHERWISE,)
    yield policy.otherwise_third_party, (OTHERWISE_INVITES,)
    if policy.asks:
        yield policy.asking.unanswered, ("asking", "unanswered")
        yield policy.asking.unreachable, ("asking", "unreachable")


def path_to(data: object, key: str, wanted: object, path: Path = ()) -> Path:
    """The path to the first value of a key that is `wanted`, or a list with it; the empty path if there is none."""
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in inside:
        here = (*path, step)
        if value == wanted and key in (step, path[-1] if path else None):
            return here
        if found_there := path_to(value, key, wanted, here):
            return found_there
    return ()


def place_of(data: object, path: Path) -> str:
    """The rule and the key of a path, as text: ``rule "our people": when.server.#2``."""
    if len(path) < 2 or path[0] != "rules":
        return spelled(path)
    return ": ".join(filter(None, (_rule_at(data, path[1]), spelled(path[2:]))))


def _rule_at(data: object, place: str | int) -> str:
    assert isinstance(data, dict)
    assert isinstance(place, int)
    rule = data["rules"][place]
    name = rule.get("name") if isinstance(rule, dict) else None
    return f"rule {found(name)}" if isinstance(name, str) and shown(name, MAX_NAME) else f"rule #{place + 1}"
