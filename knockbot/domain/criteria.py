"""What a rule can ask about a request: one class for each criterion, and the CRITERIA table that lists them.

To add a criterion: write a `Condition` and its parser below and give it a row in `CRITERIA`; say which facts it needs
(`needs`), and if one is new, give it a row in `flow/judging.py:GATHER`; then describe it in the policy reference.

A condition is true, false or unknown, and a `Finding` says why by a code that stays true when the condition is
negated, so that `not` needs no codes of its own: `finding.server_is_not` explains a miss of
``server: evil.example`` and a match of its `not` alike. The sentence of each code is in `reasons.py`.
"""

# ruff: noqa: ARG002 (every condition is asked in the same way, whether it looks at the facts or not)

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from knockbot.documents.reading import (
    Path,
    duration,
    faults_at,
    found,
    items,
    mapping,
    one_or_more,
    text,
    unknown_word,
    whole_number,
    yes_or_no,
)
from knockbot.documents.schema import Key, read_keys, table
from knockbot.documents.text import LONGEST_JUDGED, judged
from knockbot.domain.ids import Globs, globs, host_of, is_alias, is_literal, is_room_id, room_reference, server_of
from knockbot.domain.invites import MOST_KEYS, https_host
from knockbot.domain.model import Fact, Facts, Finding, IdentityKey, Kind, Knock, Known, Need, Past, State, Truth
from knockbot.domain.notices import Arg, Letters, Level, Notice, Number, because
from knockbot.domain.patterns import MAX_SOURCE, Pattern, pattern
from knockbot.domain.reasons import either, quoted, together
from knockbot.errors import Fault

MAX_DEPTH = 8
"""How deep `any`, `all` and `not` may be nested."""


class Condition(ABC):
    """A condition of a rule, compiled; it is frozen, and judging changes nothing."""

    __slots__ = ()

    @property
    def needs(self) -> tuple[Need, ...]:
        """The facts that it needs; they are gathered by `flow/judging.py:GATHER`."""
        return ()

    @property
    def pattern_size(self) -> int:
        """The steps of its patterns together."""
        return 0

    @property
    def memory(self) -> int:
        """The most bytes of memory for its patterns and globs."""
        return 0

    @property
    def globs_looked_through(self) -> int:
        """How many of its globs are tried one by one."""
        return 0

    def cost(self, knock: Knock) -> int:
        """The most work for its patterns to judge this knock: steps, times the bytes of the text."""
        return 0

    @abstractmethod
    def judge(self, knock: Knock, facts: Facts) -> Finding:
        """Whether it holds, and why; never raises."""


# --- three-valued logic ---------------------------------------------------------------------------------------

_OPPOSITE = {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE, Truth.UNKNOWN: Truth.UNKNOWN}


def opposite(finding: Finding) -> Finding:
    """What `not` makes of a finding: unknown stays unknown."""
    return Finding(_OPPOSITE[finding.truth], finding.why)


def all_hold(findings: Iterable[Finding]) -> Finding:
    """False wins over unknown, and unknown over true; the first that is false explains it and ends the search."""
    held: list[Notice] = []
    unknown: list[Notice] = []
    for finding in findings:
        if finding.truth is Truth.FALSE:
            return finding
        (unknown if finding.truth is Truth.UNKNOWN else held).append(finding.why)
    return Finding(Truth.UNKNOWN, together(unknown)) if unknown else Finding(Truth.TRUE, together(held))


def one_holds(findings: Iterable[Finding]) -> Finding:
    """True wins over unknown, and unknown over false; the first that is true explains it and ends the search."""
    return opposite(all_hold(opposite(finding) for finding in findings))


# --- who they are ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fits(Condition):
    """Somebody, or their server, fits one of the globs."""

    globs: Globs

    @property
    def memory(self) -> int:
        return self.globs.memory

    @property
    def globs_looked_through(self) -> int:
        return self.globs.looked_through


class UserIs(_Fits):
    """The whole user ID fits one of the globs, to the letter."""

    __slots__ = ()

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        return _fits("user", self.globs, knock.user_id)


class ServerIs(_Fits):
    """The applicant's server, without port and case, fits one of the globs."""

    __slots__ = ()

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        return _fits("server", self.globs, host_of(server_of(knock.user_id)))


@dataclass(frozen=True, slots=True)
class IsLocal(Condition):
    """The applicant is, or is not, of the server that knockbot serves."""

    wanted: bool

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        local = server_of(knock.user_id) == facts.home
        why = because("finding.local" if local else "finding.not_local", server=Letters(facts.home))
        return _finding(local is self.wanted, why)


@dataclass(frozen=True, slots=True)
class MemberOf(Condition):
    """The applicant is joined to one of the rooms."""

    rooms: tuple[str, ...]

    @property
    def needs(self) -> tuple[Need, ...]:
        return tuple(Need(Fact.MEMBER_OF, room) for room in self.rooms)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        return one_holds(self._in(room, facts.member_of.get(room)) for room in self.rooms)

    @staticmethod
    def _in(room: str, known: Known | None) -> Finding:
        known = known or Known(Truth.UNKNOWN, because("unknown.nobody_looked"))
        if known.truth is not Truth.UNKNOWN:
            code = "finding.member" if known.truth is Truth.TRUE else "finding.no_member"
            return Finding(known.truth, because(code, room=quoted(room)))
        return Finding(Truth.UNKNOWN, _because("finding.member_unknown", known.why, room=quoted(room)))


def _read_user(value: object, path: Path) -> UserIs:
    return UserIs(_read_globs(value, path, _user_glob, ignore_case=False))


def _read_server(value: object, path: Path) -> ServerIs:
    return ServerIs(_read_globs(value, path, _server_glob, ignore_case=True))


def _read_local(value: object, path: Path) -> IsLocal:
    return IsLocal(yes_or_no(value, path))


def _read_member_of(value: object, path: Path) -> MemberOf:
    return MemberOf(tuple(dict.fromkeys(_room(one, at) for one, at in one_or_more(value, path))))


# --- what they say --------------------------------------------------------------------------------------------

NOT_KEPT = Finding(Truth.UNKNOWN, because("unknown.not_kept"))
"""The result of a condition on text that is no longer kept, when a request is judged by old facts."""

# Several criteria look at the same reason or name, which may be long.
_judged = lru_cache(maxsize=8)(judged)


@dataclass(frozen=True, slots=True)
class _Matches(Condition):
    """One of the patterns is found somewhere in a text that the applicant wrote, as `text.judged` leaves it."""

    patterns: tuple[Pattern, ...]

    subject: ClassVar[str]

    @property
    def pattern_size(self) -> int:
        return sum(pattern.size for pattern in self.patterns)

    @property
    def memory(self) -> int:
        return sum(pattern.memory for pattern in self.patterns)

    def cost(self, knock: Knock) -> int:
        return self.pattern_size * len(self.text_of(knock).encode())

    @staticmethod
    @abstractmethod
    def text_of(knock: Knock) -> str:
        """The text that it looks at."""

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.words_gone:
            return NOT_KEPT
        if facts.too_costly:
            return Finding(Truth.UNKNOWN, because(f"finding.{self.subject}_too_costly"))
        text = self.text_of(knock)
        hit = next((pattern.source for pattern in self.patterns if pattern.found_in(text)), None)
        if hit is not None:
            return Finding(Truth.TRUE, because(f"finding.{self.subject}_matches", value=quoted(hit)))
        values = either([pattern.source for pattern in self.patterns])
        return Finding(Truth.FALSE, because(f"finding.{self.subject}_does_not_match", values=values))


class ReasonMatches(_Matches):
    """One of the patterns is found somewhere in the reason."""

    __slots__ = ()
    subject = "reason"

    @staticmethod
    def text_of(knock: Knock) -> str:
        return _judged(knock.reason)


@dataclass(frozen=True, slots=True)
class ReasonLengthAtLeast(Condition):
    """The reason, as `text.judged` leaves it, has so many characters or more."""

    least: int

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.words_gone:
            return NOT_KEPT
        length = len(_judged(knock.reason))
        enough = length >= self.least
        code = "finding.reason_long_enough" if enough else "finding.reason_too_short"
        why = because(code, count=Number(length), least=Number(self.least))
        return _finding(enough, why)


def _read_reason_matches(value: object, path: Path) -> ReasonMatches:
    return ReasonMatches(tuple(_pattern(one, at) for one, at in one_or_more(value, path)))


def _read_reason_length(value: object, path: Path) -> ReasonLengthAtLeast:
    return ReasonLengthAtLeast(whole_number(value, path, LONGEST_JUDGED))


# --- how they show themselves ---------------------------------------------------------------------------------


class DisplayNameMatches(_Matches):
    """One of the patterns is found somewhere in the display name."""

    __slots__ = ()
    subject = "display_name"

    @staticmethod
    def text_of(knock: Knock) -> str:
        return _judged(knock.display_name or "")


@dataclass(frozen=True, slots=True)
class HasAvatar(Condition):
    """The applicant has, or has not, set an avatar."""

    wanted: bool

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.words_gone:
            return NOT_KEPT
        why = because("finding.avatar" if knock.has_avatar else "finding.no_avatar")
        return _finding(knock.has_avatar is self.wanted, why)


def _read_display_name(value: object, path: Path) -> DisplayNameMatches:
    return DisplayNameMatches(tuple(_pattern(one, at) for one, at in one_or_more(value, path)))


def _read_has_avatar(value: object, path: Path) -> HasAvatar:
    return HasAvatar(yes_or_no(value, path))


# --- the outcomes of earlier requests-------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CameToPass(Condition):
    """At least so many of the applicant's earlier requests here, not longer ago than `within`, ended in one way."""

    word: str
    states: frozenset[State]
    times: int = 1
    within: int | None = None
    """Milliseconds; none means any time ago."""
    wanted: bool = True

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.HISTORY),)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.history is None:
            return Finding(Truth.UNKNOWN, because(f"finding.{self.word}_unknown"))
        counted = sum(
            past.state in self.states and (self.within is None or past.age <= self.within) for past in facts.history
        )
        if counted < self.times and facts.history_cut and not _covers(facts.history, self.within):
            return NOT_KEPT
        code = f"finding.{self.word}" + ("" if self.within is None else "_within")
        why = because(code, count=Number(counted))
        return _finding((counted >= self.times) is self.wanted, why)


def _covers(history: Sequence[Past], within: int | None) -> bool:
    """Whether everything within so many milliseconds is known, in a history whose beginning is not kept."""
    return within is not None and any(past.age > within for past in history)


MAX_TIMES = 1000


def _came_to_pass(word: str, *states: State) -> Callable[[object, Path], Condition]:
    """The reader of a criterion that counts outcomes: ``true``, ``false``, or ``{times: 2, within: 7d}``."""

    def read(value: object, path: Path) -> CameToPass:
        if not isinstance(value, dict):
            return CameToPass(word, frozenset(states), wanted=yes_or_no(value, path))
        if not value:
            raise Fault("expected true, false, or times and within", path)
        return CameToPass(word, frozenset(states), **read_keys(_COUNTED, value, path))

    return read


def _read_times(value: object, path: Path) -> int:
    times = whole_number(value, path, MAX_TIMES)
    if times == 0:
        raise Fault("0 times is always so; write false for never", path)
    return times


_COUNTED = table(Key("times", _read_times, 1), Key("within", duration, None))


# --- who invited them -----------------------------------------------------------------------------------------


class InviterIs(_Fits):
    """The whole user ID of the inviter fits one of the globs, to the letter."""

    __slots__ = ()

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.invite is None:
            return Finding(Truth.UNKNOWN, because("finding.inviter_unknown"))
        return _fits("inviter", self.globs, facts.invite.inviter)


@dataclass(frozen=True, slots=True)
class InviterPowerAtLeast(Condition):
    """The inviter's level in the protected room is now at least this; whether they are still in it does not matter."""

    least: int

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.INVITER),)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.invite is None:
            return Finding(Truth.UNKNOWN, because("finding.inviter_unknown"))
        power = facts.invite.power
        if power is None:
            return Finding(Truth.UNKNOWN, because("finding.inviter_power_unknown"))
        least, enough = Level(str(self.least)), power >= self.least
        if power == math.inf:
            return Finding(Truth.TRUE, because("finding.inviter_unlimited", least=least))
        code = "finding.inviter_power_enough" if enough else "finding.inviter_power_too_low"
        why = because(code, power=_level_of(power), least=least)
        return _finding(enough, why)


@dataclass(frozen=True, slots=True)
class InviterIsMember(Condition):
    """The inviter is, or is not, joined to the protected room now."""

    wanted: bool

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.INVITER),)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.invite is None:
            return Finding(Truth.UNKNOWN, because("finding.inviter_unknown"))
        known = facts.invite.member
        if known.truth is Truth.UNKNOWN:
            return Finding(Truth.UNKNOWN, _because("finding.inviter_member_unknown", known.why))
        member = known.truth is Truth.TRUE
        why = because("finding.inviter_member" if member else "finding.inviter_no_member")
        return _finding(member is self.wanted, why)


@dataclass(frozen=True, slots=True)
class InvitesByInviter(Condition):
    """The inviter made more than so many third-party invites here, not longer ago than `within`; this one counts."""

    more_than: int
    within: int | None = None
    """Milliseconds; none means any time ago."""

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.INVITES),)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.invite is None or facts.invite.earlier is None:
            return Finding(Truth.UNKNOWN, because("finding.invites_unknown"))
        made = 1 + sum(self.within is None or age <= self.within for age in facts.invite.earlier)
        more = made > self.more_than
        if not more and facts.invite.earlier_cut and (self.within is None or max(facts.invite.earlier) <= self.within):
            return NOT_KEPT
        code = "finding.invites_more" if more else "finding.invites_not_more"
        span = "" if self.within is None else "_within"
        why = because(code + span, count=Number(made), most=Number(self.more_than))
        return _finding(more, why)


def _read_inviter(value: object, path: Path) -> InviterIs:
    return InviterIs(_read_globs(value, path, _user_glob, ignore_case=False))


def _read_inviter_power(value: object, path: Path) -> InviterPowerAtLeast:
    return InviterPowerAtLeast(_level(value, path))


def _read_inviter_is_member(value: object, path: Path) -> InviterIsMember:
    return InviterIsMember(yes_or_no(value, path))


def _read_invites_by_inviter(value: object, path: Path) -> InvitesByInviter:
    return InvitesByInviter(**read_keys(_FLOOD, value, path))


def _read_more_than(value: object, path: Path) -> int:
    more_than = whole_number(value, path, MAX_TIMES)
    if more_than == 0:
        raise Fault("more than 0 is always so, as the invite itself counts", path)
    return more_than


_FLOOD = table(Key("more_than", _read_more_than), Key("within", duration, None))


# --- who vouches for the address ------------------------------------------------------------------------------


class IdentityServerIs(_Fits):
    """Every key of the invite carries an https URL whose host, without port and case, fits one of the globs.

    One key is enough to let somebody in. So one key that is not from these servers makes it false, and so does an
    invite without keys.
    """

    __slots__ = ()

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.invite is None:
            return Finding(Truth.UNKNOWN, because("finding.identity_server_unknown"))
        if facts.invite.keys is None:
            return NOT_KEPT
        if not facts.invite.keys:
            return Finding(Truth.FALSE, because("finding.no_keys"))
        if len(facts.invite.keys) > MOST_KEYS:
            return Finding(Truth.FALSE, because("finding.too_many_keys", most=Number(MOST_KEYS)))
        # An invite mostly has several keys of one server: the same reason is given only once.
        return all_hold(dict.fromkeys(self._of(key) for key in facts.invite.keys))

    def _of(self, key: IdentityKey) -> Finding:
        if not key.url:
            return Finding(Truth.FALSE, because("finding.key_for_ever"))
        host = https_host(key.url)
        if host is None:
            return Finding(Truth.FALSE, because("finding.key_no_https", url=quoted(key.url)))
        if self.globs.first_match(host) is not None:
            return Finding(Truth.TRUE, because("finding.identity_server_is", host=quoted(host)))
        values = either(self.globs.texts)
        return Finding(Truth.FALSE, because("finding.identity_server_is_not", host=quoted(host), values=values))


def _read_identity_server(value: object, path: Path) -> IdentityServerIs:
    return IdentityServerIs(_read_globs(value, path, _server_glob, ignore_case=True))


# --- the table ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Criterion:
    """A row of the table: the key in `when`, the kinds of request it may judge, and what reads its value."""

    key: str
    kinds: frozenset[Kind]
    read: Callable[[object, Path], Condition]
    """Compiles the key's value, or raises `Fault` with the path to the error in it."""


_KNOCKS = frozenset({Kind.KNOCK})
_INVITES = frozenset({Kind.THIRD_PARTY_INVITE})
_APPLICANTS = frozenset({Kind.KNOCK, Kind.REDEEMED_INVITE})
"""The kinds of request with a known applicant."""
_INVITED = frozenset({Kind.THIRD_PARTY_INVITE, Kind.REDEEMED_INVITE})
"""The kinds of request where somebody invited the applicant."""

CRITERIA: Mapping[str, Criterion] = {
    row.key: row
    for row in (
        Criterion("user", _APPLICANTS, _read_user),
        Criterion("server", _APPLICANTS, _read_server),
        Criterion("local", _APPLICANTS, _read_local),
        Criterion("member_of", _APPLICANTS, _read_member_of),
        Criterion("reason_matches", _KNOCKS, _read_reason_matches),
        Criterion("reason_length_at_least", _KNOCKS, _read_reason_length),
        Criterion("display_name_matches", _KNOCKS, _read_display_name),
        Criterion("has_avatar", _KNOCKS, _read_has_avatar),
        Criterion("rejected_before", _APPLICANTS, _came_to_pass("rejected", State.REJECTED)),
        Criterion(
            "accepted_before",
            _APPLICANTS,
            _came_to_pass("accepted", State.ACCEPTED, State.JOINED, State.DECLINED),
        ),
        Criterion("inviter", _INVITED, _read_inviter),
        Criterion("inviter_power_at_least", _INVITED, _read_inviter_power),
        Criterion("inviter_is_member", _INVITED, _read_inviter_is_member),
        Criterion("invites_by_inviter", _INVITES, _read_invites_by_inviter),
        Criterion("identity_server", _INVITED, _read_identity_server),
    )
}


# --- combinations ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Combination(Condition):
    conditions: tuple[Condition, ...]

    @property
    def needs(self) -> tuple[Need, ...]:
        return tuple(need for condition in self.conditions for need in condition.needs)

    @property
    def pattern_size(self) -> int:
        return sum(condition.pattern_size for condition in self.conditions)

    @property
    def memory(self) -> int:
        return sum(condition.memory for condition in self.conditions)

    @property
    def globs_looked_through(self) -> int:
        return sum(condition.globs_looked_through for condition in self.conditions)

    def cost(self, knock: Knock) -> int:
        return sum(condition.cost(knock) for condition in self.conditions)


class AllOf(_Combination):
    """Every condition holds."""

    __slots__ = ()

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        return all_hold(condition.judge(knock, facts) for condition in self.conditions)


class AnyOf(_Combination):
    """At least one condition holds."""

    __slots__ = ()

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        return one_holds(condition.judge(knock, facts) for condition in self.conditions)


class Not(_Combination):
    """Its conditions do not all hold."""

    __slots__ = ()

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        return opposite(all_hold(condition.judge(knock, facts) for condition in self.conditions))


COMBINATIONS: tuple[str, ...] = ("any", "all", "not")


def read_when(value: object, path: Path, kinds: frozenset[Kind] = _KNOCKS, depth: int = 0) -> Condition:
    """Compile a `when`, all of whose keys must hold, for a rule on these kinds of request; `Fault` if it is wrong."""
    if depth > MAX_DEPTH:
        raise Fault(f"any, all and not are nested more than {MAX_DEPTH} deep", path)
    keys = mapping(value, path)
    if not keys:
        raise Fault("it is empty; for everyone else, use otherwise", path)
    conditions = tuple(_read_key(key, held, (*path, key), kinds, depth) for key, held in keys.items())
    return conditions[0] if len(conditions) == 1 else AllOf(conditions)


def _read_key(key: str, value: object, path: Path, kinds: frozenset[Kind], depth: int) -> Condition:
    if key == "not":
        return Not((read_when(value, path, kinds, depth + 1),))
    if key in COMBINATIONS:
        parts = tuple(read_when(one, at, kinds, depth + 1) for one, at in items(value, path))
        return AnyOf(parts) if key == "any" else AllOf(parts)
    criterion = CRITERIA.get(key)
    if criterion is None:
        raise unknown_word(key, (*CRITERIA, *COMBINATIONS), (), path, what="criterion")
    if not kinds <= criterion.kinds:
        raise Fault(f"{key} can judge {_kinds(criterion.kinds)} only, and this rule is for {_kinds(kinds)}", path)
    return criterion.read(value, path)


_KIND_WORDS: Mapping[Kind, str] = {
    Kind.KNOCK: "knocks",
    Kind.THIRD_PARTY_INVITE: "third-party invites",
    Kind.REDEEMED_INVITE: "redeemed invites",
}


def _kinds(kinds: frozenset[Kind]) -> str:
    """The kinds in words: ``knocks``, ``knocks and redeemed invites``."""
    words = [_KIND_WORDS[kind] for kind in Kind if kind in kinds]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


# --- single values --------------------------------------------------------------------------------------------

_HOST_GLOB = re.compile(r"[0-9A-Za-z.*?-]+|\[[0-9A-Fa-f:.*?]+\]")


def _read_globs(value: object, path: Path, one: Callable[[object, Path], str], *, ignore_case: bool) -> Globs:
    texts = [one(held, at) for held, at in one_or_more(value, path)]
    return globs(texts, ignore_case=ignore_case)


def _user_glob(value: object, path: Path) -> str:
    glob = text(value, path, 255)
    if glob[0] not in "@*?" or not set(glob) & set(":*?"):
        raise Fault(f'expected a user ID or a glob for one ("@*:example.org"), found {found(glob)}', path)
    return glob


def _server_glob(value: object, path: Path) -> str:
    glob = text(value, path, 255)
    if not _HOST_GLOB.fullmatch(glob):
        raise Fault(f'expected a host without port, or a glob for one ("*.example.org"), found {found(glob)}', path)
    return glob


def _level(value: object, path: Path) -> int:
    # No power level is larger than what canonical JSON can hold.
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**53) < value < 2**53:
        raise Fault(f"expected a power level, a whole number such as 50, found {found(value)}", path)
    return value


def _room(value: object, path: Path) -> str:
    room = text(value, path, 1000)
    if is_room_id(room) or is_alias(room):
        return room
    linked = room_reference(room)
    hint = f"; write {found(linked.room)}" if linked else ""
    raise Fault(f"expected a room ID or alias, found {found(room)}{hint}", path)


def _pattern(value: object, path: Path) -> Pattern:
    source = text(value, path, MAX_SOURCE)
    with faults_at(path):
        return pattern(source)


# --- findings -------------------------------------------------------------------------------------------------


def _fits(subject: str, wanted: Globs, actual: str) -> Finding:
    hit = wanted.first_match(actual)
    if hit is None:
        return Finding(Truth.FALSE, because(f"finding.{subject}_is_not", values=either(wanted.texts)))
    code = f"finding.{subject}_is" if is_literal(hit) else f"finding.{subject}_matches"
    return Finding(Truth.TRUE, because(code, value=quoted(hit)))


def _level_of(power: float) -> Level | Notice:
    """A level as people read it; some have too many digits for Python to write."""
    huge = isinstance(power, int) and power.bit_length() > 64
    return because("huge") if huge else Level(str(power))


def _because(code: str, why: Notice | None, **args: Arg) -> Notice:
    """What is unknown, and why, if the reason is known."""
    return because(code, **args) if why is None else because(f"{code}_why", why=why, **args)


def _finding(holds: bool, why: Notice) -> Finding:
    return Finding(Truth.TRUE if holds else Truth.FALSE, why)
