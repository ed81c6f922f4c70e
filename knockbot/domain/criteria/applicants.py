"""Criteria about the applicant: who they are, what they say, how they show themselves."""

# ruff: noqa: ARG002 (every condition is asked in the same way, whether it looks at the facts or not)

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from knockbot.documents.reading import (
    Path,
    one_or_more,
    whole_number,
    yes_or_no,
)
from knockbot.documents.text import LONGEST_JUDGED, judged
from knockbot.domain.criteria.base import (
    NOT_KEPT,
    UNSEEN,
    Condition,
    Fits,
    because_of,
    finding,
    fits,
    one_holds,
    read_globs,
    read_pattern,
    read_room,
    server_glob,
    user_glob,
)
from knockbot.domain.ids import host_of, server_of
from knockbot.domain.model import Fact, Facts, Finding, Knock, Known, Need, Truth
from knockbot.domain.notices import Letters, Notice, Number, because, notices_in
from knockbot.domain.patterns import Pattern
from knockbot.domain.reasons import either, quoted

# --- who they are ----------------------------------------------------------------------------------------------------


class UserIs(Fits):
    """The whole user ID fits one of the globs, to the letter."""

    __slots__ = ()

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        return fits("user", self.globs, knock.user_id)


class ServerIs(Fits):
    """The applicant's server, without port and case, fits one of the globs."""

    __slots__ = ()

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        return fits("server", self.globs, host_of(server_of(knock.user_id)))


@dataclass(frozen=True, slots=True)
class IsLocal(Condition):
    """The applicant is, or is not, of the server that knockbot serves."""

    wanted: bool

    def vouches(self, *, negated: bool = False) -> bool:
        return self.wanted is not negated

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        local = server_of(knock.user_id) == facts.home
        why = because("finding.local" if local else "finding.not_local", server=Letters(facts.home))
        return finding(local is self.wanted, why)


@dataclass(frozen=True, slots=True)
class MemberOf(Condition):
    """The applicant is joined to one of the rooms."""

    rooms: tuple[str, ...]

    @property
    def needs(self) -> tuple[Need, ...]:
        return tuple(Need(Fact.MEMBER_OF, room) for room in self.rooms)

    def vouches(self, *, negated: bool = False) -> bool:
        return not negated

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        return one_holds(self._in(room, facts.member_of.get(room)) for room in self.rooms)

    @staticmethod
    def _in(room: str, known: Known | None) -> Finding:
        known = known or Known(Truth.UNKNOWN, because("unknown.nobody_looked"))
        if known.truth is not Truth.UNKNOWN:
            code = "finding.member" if known.truth is Truth.TRUE else "finding.no_member"
            return Finding(known.truth, because(code, room=quoted(room)))
        return Finding(Truth.UNKNOWN, because_of("finding.member_unknown", known.why, room=quoted(room)))


@dataclass(frozen=True, slots=True)
class MemberOfManaged(Condition):
    """The applicant is, or is not, joined to another room that is managed from the same management room."""

    wanted: bool

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.IN_MANAGED),)

    def vouches(self, *, negated: bool = False) -> bool:
        return self.wanted is not negated

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        known = facts.in_managed or Known(Truth.UNKNOWN, because("unknown.nobody_looked"))
        if known.truth is Truth.UNKNOWN:
            return Finding(Truth.UNKNOWN, because_of("finding.member_managed_unknown", known.why))
        inside = known.truth is Truth.TRUE
        code = "finding.member_managed" if inside else "finding.no_member_managed"
        return finding(inside is self.wanted, because(code))


def read_member_of_managed(value: object, path: Path) -> MemberOfManaged:
    """The condition that a value of `member_of_managed` describes."""
    return MemberOfManaged(yes_or_no(value, path))


def read_user(value: object, path: Path) -> UserIs:
    """The condition that a value of `user` describes."""
    return UserIs(read_globs(value, path, user_glob, ignore_case=False))


def read_server(value: object, path: Path) -> ServerIs:
    """The condition that a value of `server` describes."""
    return ServerIs(read_globs(value, path, server_glob, ignore_case=True))


def read_local(value: object, path: Path) -> IsLocal:
    """The condition that a value of `local` describes."""
    return IsLocal(yes_or_no(value, path))


def read_member_of(value: object, path: Path) -> MemberOf:
    """The condition that a value of `member_of` describes."""
    return MemberOf(tuple(dict.fromkeys(read_room(one, at) for one, at in one_or_more(value, path))))


# --- what they say ---------------------------------------------------------------------------------------------------

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
        return finding(enough, why)


def read_reason_matches(value: object, path: Path) -> ReasonMatches:
    """The condition that a value of `reason_matches` describes."""
    return ReasonMatches(tuple(read_pattern(one, at) for one, at in one_or_more(value, path)))


def read_reason_length(value: object, path: Path) -> ReasonLengthAtLeast:
    """The condition that a value of `reason_length` describes."""
    return ReasonLengthAtLeast(whole_number(value, path, LONGEST_JUDGED))


# --- how they show themselves ----------------------------------------------------------------------------------------


class DisplayNameMatches(_Matches):
    """One of the patterns is found somewhere in the display name."""

    __slots__ = ()
    subject = "display_name"

    @staticmethod
    def text_of(knock: Knock) -> str:
        return _judged(knock.display_name or "")

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        return UNSEEN if facts.unseen else super().judge(knock, facts)


@dataclass(frozen=True, slots=True)
class HasAvatar(Condition):
    """The applicant has, or has not, set an avatar."""

    wanted: bool

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.words_gone:
            return NOT_KEPT
        if facts.unseen:
            return UNSEEN
        why = because("finding.avatar" if knock.has_avatar else "finding.no_avatar")
        return finding(knock.has_avatar is self.wanted, why)


def read_display_name(value: object, path: Path) -> DisplayNameMatches:
    """The condition that a value of `display_name` describes."""
    return DisplayNameMatches(tuple(read_pattern(one, at) for one, at in one_or_more(value, path)))


def read_has_avatar(value: object, path: Path) -> HasAvatar:
    """The condition that a value of `has_avatar` describes."""
    return HasAvatar(yes_or_no(value, path))


@dataclass(frozen=True, slots=True)
class Lookalike(Condition):
    """The applicant's name or localpart looks, or does not look, like that of somebody with power in the room.

    Both may be honest, and anyone can choose another name: so a rule that accepts must not go by this alone.
    """

    wanted: bool

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.LOOKALIKE),)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        known = facts.lookalike or Known(Truth.UNKNOWN)
        if known.truth is Truth.UNKNOWN:
            return Finding(Truth.UNKNOWN, because_of("finding.lookalike_unknown", known.why))
        alike = known.truth is Truth.TRUE
        why = known.why or because("finding.lookalike" if alike else "finding.no_lookalike")
        return finding(alike is self.wanted, why)


_LIKENESSES = frozenset({"finding.lookalike_of", "finding.lookalike_of_id"})


def likeness_in(why: Notice) -> Notice | None:
    """Whose name a name looks like, if a reason says so."""
    return next((one for one in notices_in(why) if one.code in _LIKENESSES), None)


def read_lookalike(value: object, path: Path) -> Lookalike:
    """The condition that a value of `lookalike` describes."""
    return Lookalike(yes_or_no(value, path))
