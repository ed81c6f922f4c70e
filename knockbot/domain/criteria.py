"""What a rule may ask of a request: one class for each criterion, and the CRITERIA table that lists them.

To add a criterion: write a `Condition` and its parser below and give it a row in `CRITERIA`; say which facts it needs
(`needs`), and where one is new, give it a row in `flow/judge.py:GATHER`; then describe it in the policy reference.

A condition is true, false or unknown, and a `Finding` says why in a statement that stays true when the condition is
turned round, so that `not` needs no words of its own: ``server is not "evil.example"`` explains a miss of
``server: evil.example`` and a match of its `not` alike.
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
from knockbot.domain.model import Fact, Facts, Finding, IdentityKey, Kind, Knock, Known, Need, State, Truth
from knockbot.domain.patterns import MAX_SOURCE, Pattern, pattern
from knockbot.errors import Fault

MAX_DEPTH = 8
"""How deep `any`, `all` and `not` may stand in one another."""

NAMED = 3
"""How many values, or reasons, an explanation names before it counts the rest."""


class Condition(ABC):
    """Something a rule asks, compiled; frozen, and judging it changes nothing."""

    __slots__ = ()

    @property
    def needs(self) -> tuple[Need, ...]:
        """The facts that must be looked up before it can be judged; they are gathered by `flow/judge.py:GATHER`."""
        return ()

    @property
    def pattern_size(self) -> int:
        """The steps of its patterns together."""
        return 0

    @property
    def memory(self) -> int:
        """The bytes that it takes, at most, in patterns and globs."""
        return 0

    @property
    def globs_looked_through(self) -> int:
        """How many of its globs are looked through one by one."""
        return 0

    def cost(self, knock: Knock) -> int:
        """What its patterns take to judge this knock, at most: steps, times the bytes of the text."""
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
    held: list[str] = []
    unknown: list[str] = []
    for finding in findings:
        if finding.truth is Truth.FALSE:
            return finding
        (unknown if finding.truth is Truth.UNKNOWN else held).append(finding.why)
    return Finding(Truth.UNKNOWN, _joined(unknown)) if unknown else Finding(Truth.TRUE, _joined(held))


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
        why = f"user is {'' if local else 'not '}from {facts.home}"
        return _finding(local is self.wanted, why, why)


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
        known = known or Known(Truth.UNKNOWN, "nobody looked")
        words = {
            Truth.TRUE: f"user is in {found(room)}",
            Truth.FALSE: f"user is not in {found(room)}",
            Truth.UNKNOWN: f"whether the user is in {found(room)}" + (f" ({known.why})" if known.why else ""),
        }
        return Finding(known.truth, words[known.truth])


def _read_user(value: object, path: Path) -> UserIs:
    return UserIs(_read_globs(value, path, _user_glob, ignore_case=False))


def _read_server(value: object, path: Path) -> ServerIs:
    return ServerIs(_read_globs(value, path, _server_glob, ignore_case=True))


def _read_local(value: object, path: Path) -> IsLocal:
    return IsLocal(yes_or_no(value, path))


def _read_member_of(value: object, path: Path) -> MemberOf:
    return MemberOf(tuple(dict.fromkeys(_room(one, at) for one, at in one_or_more(value, path))))


# --- what they say --------------------------------------------------------------------------------------------

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
        if facts.too_costly:
            return Finding(Truth.UNKNOWN, f"whether the {self.subject} matches (it is too long for so many patterns)")
        text = self.text_of(knock)
        hit = next((pattern.source for pattern in self.patterns if pattern.found_in(text)), None)
        none = f"{self.subject} does not match {_listed([pattern.source for pattern in self.patterns])}"
        return _finding(hit is not None, f"{self.subject} matches {found(hit)}", none)


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
        length = len(_judged(knock.reason))
        has = f"reason has {length} character{'' if length == 1 else 's'}"
        return _finding(length >= self.least, f"{has}, not fewer than {self.least}", f"{has}, fewer than {self.least}")


def _read_reason_matches(value: object, path: Path) -> ReasonMatches:
    return ReasonMatches(tuple(_pattern(one, at) for one, at in one_or_more(value, path)))


def _read_reason_length(value: object, path: Path) -> ReasonLengthAtLeast:
    return ReasonLengthAtLeast(whole_number(value, path, LONGEST_JUDGED))


# --- how they show themselves ---------------------------------------------------------------------------------


class DisplayNameMatches(_Matches):
    """One of the patterns is found somewhere in the display name."""

    __slots__ = ()
    subject = "display name"

    @staticmethod
    def text_of(knock: Knock) -> str:
        return _judged(knock.display_name or "")


@dataclass(frozen=True, slots=True)
class HasAvatar(Condition):
    """The applicant has, or has not, set an avatar."""

    wanted: bool

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        why = f"user has {'an' if knock.has_avatar else 'no'} avatar"
        return _finding(knock.has_avatar is self.wanted, why, why)


def _read_display_name(value: object, path: Path) -> DisplayNameMatches:
    return DisplayNameMatches(tuple(_pattern(one, at) for one, at in one_or_more(value, path)))


def _read_has_avatar(value: object, path: Path) -> HasAvatar:
    return HasAvatar(yes_or_no(value, path))


# --- what came of earlier requests ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CameToPass(Condition):
    """At least so many of the applicant's earlier requests here, not longer ago than `within`, ended in one way."""

    word: str
    states: frozenset[State]
    times: int = 1
    within: int | None = None
    """Milliseconds; none for however long ago."""
    wanted: bool = True

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.HISTORY),)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.history is None:
            return Finding(Truth.UNKNOWN, f"whether the user was {self.word} before (nobody looked)")
        counted = sum(
            past.state in self.states and (self.within is None or past.age <= self.within) for past in facts.history
        )
        span = "" if self.within is None else " in that time"
        why = f"user was {self.word} {counted} time{'' if counted == 1 else 's'} before{span}"
        return _finding((counted >= self.times) is self.wanted, why, why)


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
            return _no_invite("who invited them")
        return _fits("inviter", self.globs, facts.invite.inviter)


@dataclass(frozen=True, slots=True)
class InviterPowerAtLeast(Condition):
    """The inviter's level in the protected room is so high or higher now; whether they are still in it is not asked."""

    least: int

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.INVITER),)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.invite is None:
            return _no_invite("who invited them")
        power = facts.invite.power
        if power is None:
            return Finding(Truth.UNKNOWN, "what power the inviter has")
        has = f"inviter has {'unlimited power' if power == math.inf else f'power {found(power)}'}"
        return _finding(power >= self.least, f"{has}, not less than {self.least}", f"{has}, less than {self.least}")


@dataclass(frozen=True, slots=True)
class InviterIsMember(Condition):
    """The inviter is, or is not, joined to the protected room now."""

    wanted: bool

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.INVITER),)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.invite is None:
            return _no_invite("who invited them")
        known = facts.invite.member
        if known.truth is Truth.UNKNOWN:
            because = f" ({known.why})" if known.why else ""
            return Finding(Truth.UNKNOWN, f"whether the inviter is in the room{because}")
        member = known.truth is Truth.TRUE
        why = f"inviter is {'' if member else 'not '}in the room"
        return _finding(member is self.wanted, why, why)


@dataclass(frozen=True, slots=True)
class InvitesByInviter(Condition):
    """The inviter made more than so many third-party invites here, not longer ago than `within`; this one counts."""

    more_than: int
    within: int | None = None
    """Milliseconds; none for however long ago."""

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.invite is None or facts.invite.earlier is None:
            return Finding(Truth.UNKNOWN, "how many third-party invites the inviter made (nobody looked)")
        made = 1 + sum(self.within is None or age <= self.within for age in facts.invite.earlier)
        span = "" if self.within is None else " in that time"
        has = f"inviter made {made} third-party invite{'' if made == 1 else 's'}{span}"
        more, not_more = f"{has}, more than {self.more_than}", f"{has}, not more than {self.more_than}"
        return _finding(made > self.more_than, more, not_more)


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

    One key is enough to come in by, so one that is not of these servers makes it false; so does an invite without keys.
    """

    __slots__ = ()

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.invite is None:
            return _no_invite("which identity server it is of")
        if not facts.invite.keys:
            return Finding(Truth.FALSE, "the invite has no keys")
        if len(facts.invite.keys) > MOST_KEYS:
            return Finding(Truth.FALSE, f"the invite has more than {MOST_KEYS} keys")
        # An invite mostly has several keys of one server: what is the same of each is said once.
        return all_hold(dict.fromkeys(self._of(key) for key in facts.invite.keys))

    def _of(self, key: IdentityKey) -> Finding:
        if not key.url:
            return Finding(Truth.FALSE, "a key of the invite names no identity server, so it holds for ever")
        host = https_host(key.url)
        if host is None:
            return Finding(Truth.FALSE, f"a key of the invite has no plain https URL, but {found(key.url)}")
        wanted = _listed(self.globs.texts)
        held = self.globs.first_match(host) is not None
        return _finding(held, f"identity server is {found(host)}", f"identity server is {found(host)}, not {wanted}")


def _read_identity_server(value: object, path: Path) -> IdentityServerIs:
    return IdentityServerIs(_read_globs(value, path, _server_glob, ignore_case=True))


# --- the table ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Criterion:
    """A row of the table: the key in `when`, the kinds of request it may judge, and what reads its value."""

    key: str
    kinds: frozenset[Kind]
    read: Callable[[object, Path], Condition]
    """Compiles the key's value, or raises `Fault` with the path to what is wrong in it."""


_KNOCKS = frozenset({Kind.KNOCK})
_INVITES = frozenset({Kind.THIRD_PARTY_INVITE})
_APPLICANTS = frozenset({Kind.KNOCK, Kind.REDEEMED_INVITE})
"""Where it is known who wants to come in."""
_INVITED = frozenset({Kind.THIRD_PARTY_INVITE, Kind.REDEEMED_INVITE})
"""Where somebody invited them."""

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
        raise Fault(f"any, all and not stand more than {MAX_DEPTH} deep in one another", path)
    keys = mapping(value, path)
    if not keys:
        raise Fault("it is empty; what happens to everybody else is said by otherwise", path)
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


# --- words ----------------------------------------------------------------------------------------------------


def _fits(subject: str, wanted: Globs, actual: str) -> Finding:
    hit = wanted.first_match(actual)
    verb = "is" if hit is None or is_literal(hit) else "matches"
    return _finding(hit is not None, f"{subject} {verb} {found(hit)}", f"{subject} is not {_listed(wanted.texts)}")


def _no_invite(what: str) -> Finding:
    return Finding(Truth.UNKNOWN, f"{what} (the third-party invite is not known)")


def _finding(holds: bool, why: str, why_not: str) -> Finding:
    return Finding(Truth.TRUE, why) if holds else Finding(Truth.FALSE, why_not)


def _listed(values: Sequence[str]) -> str:
    """The values in quotes: ``"a", "b" or "c"``, and when they are many ``"a", "b", "c" or 4 more``."""
    words = [found(value) for value in values[:NAMED]]
    if len(values) > NAMED:
        words.append(f"{len(values) - NAMED} more")
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _joined(reasons: Sequence[str]) -> str:
    more = f"; and {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
    return "; ".join(reasons[:NAMED]) + more
