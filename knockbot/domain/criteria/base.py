"""What all criteria share: the condition, logic with a third value, findings, and how their values are read.

A condition is true, false or unknown, and a `Finding` says why by a code that stays true when the condition is
negated, so that `not` needs no codes of its own: `finding.server_is_not` explains a miss of
``server: evil.example`` and a match of its `not` alike. The sentence of each code is in `reasons.py`.
"""

# ruff: noqa: ARG002 (every condition is asked in the same way, whether it looks at the facts or not)

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from knockbot.documents.reading import (
    Path,
    faults_at,
    found,
    one_or_more,
    text,
)
from knockbot.domain.ids import Globs, globs, is_alias, is_literal, is_room_id, room_reference
from knockbot.domain.model import Facts, Finding, Kind, Knock, Need, Truth
from knockbot.domain.notices import Arg, Level, Notice, because
from knockbot.domain.patterns import MAX_SOURCE, Pattern, pattern
from knockbot.domain.reasons import either, quoted, together
from knockbot.errors import Fault


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

    def vouches(self, *, negated: bool = False) -> bool:
        """Whether this, or its opposite, holds only for people whom something names or vouches for: who they are, where
        they are a member, who let them in or invited them. What else is so of anybody does not count."""
        return False

    def cost(self, knock: Knock) -> int:
        """The most work for its patterns to judge this knock: steps, times the bytes of the text."""
        return 0

    @abstractmethod
    def judge(self, knock: Knock, facts: Facts) -> Finding:
        """Whether it holds, and why; never raises."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """A row of the table: the key in `when`, the kinds of request it may judge, and what reads its value."""

    key: str
    kinds: frozenset[Kind]
    read: Callable[[object, Path], Condition]
    """Compiles the key's value, or raises `Fault` with the path to the error in it."""


KNOCKS = frozenset({Kind.KNOCK})
INVITES = frozenset({Kind.THIRD_PARTY_INVITE})
APPLICANTS = frozenset({Kind.KNOCK, Kind.REDEEMED_INVITE})
"""The kinds of request with a known applicant."""
INVITED = frozenset({Kind.THIRD_PARTY_INVITE, Kind.REDEEMED_INVITE})
"""The kinds of request where somebody invited the applicant."""

ANYBODY = APPLICANTS | INVITES
"""Every kind: the one who is asked about is the applicant, or the inviter of a third-party invite."""

NOT_KEPT = Finding(Truth.UNKNOWN, because("unknown.not_kept"))
"""The result of a condition on text that is no longer kept, when a request is judged by old facts."""

UNSEEN = Finding(Truth.UNKNOWN, because("unknown.unseen"))
"""The result of a condition on how somebody shows themselves, who is only asked about."""


# --- logic with a third value ----------------------------------------------------------------------------------------

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


# --- somebody, or their server ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fits(Condition):
    """Somebody, or their server, fits one of the globs."""

    globs: Globs

    def vouches(self, *, negated: bool = False) -> bool:
        return not negated and all(map(names_a_server, self.globs.texts))

    @property
    def memory(self) -> int:
        return self.globs.memory

    @property
    def globs_looked_through(self) -> int:
        return self.globs.looked_through


_WHOLE_LABEL = re.compile(r"[.:@](?=\d*[^\d*?.:@])[^*?.:@]+(:\d+)?\Z")
"""What follows the last dot of a server's name, in full, and perhaps a port. Digits alone can be a port."""


def names_a_server(glob: str) -> bool:
    """Whether a glob for servers or user IDs says how the server's name ends: ``*.example.org``, ``@*:*.org``.

    However many such globs there are, there is a server that fits none. Other globs fit anybody (``*``), or could
    together: ``*a``, ``*b`` and so on.
    """
    return is_literal(glob) or _WHOLE_LABEL.search(glob) is not None


# --- single values ---------------------------------------------------------------------------------------------------

MAX_TIMES = 1000

_HOST_GLOB = re.compile(r"[0-9A-Za-z.*?-]+|\[[0-9A-Fa-f:.*?]+\]")


def read_globs(value: object, path: Path, one: Callable[[object, Path], str], *, ignore_case: bool) -> Globs:
    """Globs, each read by `one`."""
    texts = [one(held, at) for held, at in one_or_more(value, path)]
    return globs(texts, ignore_case=ignore_case)


def user_glob(value: object, path: Path) -> str:
    """A user ID, or a glob for one."""
    glob = text(value, path, 255)
    if glob[0] not in "@*?" or not set(glob) & set(":*?"):
        raise Fault('expected a user ID or a glob for one ("@*:example.org"), found {found}', path, found=found(glob))
    return glob


def server_glob(value: object, path: Path) -> str:
    """A host without port, or a glob for one."""
    glob = text(value, path, 255)
    if not _HOST_GLOB.fullmatch(glob):
        raise Fault(
            'expected a host without port, or a glob for one ("*.example.org"), found {found}', path, found=found(glob)
        )
    return glob


LOWEST = 1 - 2**53
"""The lowest power level that canonical JSON can hold."""


def read_level(value: object, path: Path) -> int:
    """A power level."""
    # No power level is larger than what canonical JSON can hold.
    if isinstance(value, bool) or not isinstance(value, int) or not LOWEST <= value <= -LOWEST:
        raise Fault("expected a power level, a whole number such as 50, found {found}", path, found=found(value))
    return value


def read_room(value: object, path: Path) -> str:
    """A room ID or alias."""
    room = text(value, path, 1000)
    if is_room_id(room) or is_alias(room):
        return room
    linked = room_reference(room)
    if linked:
        said = "expected a room ID or alias, found {found}; write {linked}"
        raise Fault(said, path, found=found(room), linked=found(linked.room))
    raise Fault("expected a room ID or alias, found {found}", path, found=found(room))


def read_pattern(value: object, path: Path) -> Pattern:
    """A pattern, compiled."""
    source = text(value, path, MAX_SOURCE)
    with faults_at(path):
        return pattern(source)


# --- findings --------------------------------------------------------------------------------------------------------


def fits(subject: str, wanted: Globs, actual: str) -> Finding:
    """Whether somebody fits one of the globs; `subject` says in which of their properties."""
    hit = wanted.first_match(actual)
    if hit is None:
        return Finding(Truth.FALSE, because(f"finding.{subject}_is_not", values=either(wanted.texts)))
    code = f"finding.{subject}_is" if is_literal(hit) else f"finding.{subject}_matches"
    return Finding(Truth.TRUE, because(code, value=quoted(hit)))


def level_of(power: float) -> Level | Notice:
    """A level as people read it; some have too many digits for Python to write."""
    huge = isinstance(power, int) and power.bit_length() > 64
    return because("huge") if huge else Level(str(power))


def because_of(code: str, why: Notice | None, **args: Arg) -> Notice:
    """What is unknown, and why, if the reason is known."""
    return because(code, **args) if why is None else because(f"{code}_why", why=why, **args)


def finding(holds: bool, why: Notice) -> Finding:
    """True or false, with the reason."""
    return Finding(Truth.TRUE if holds else Truth.FALSE, why)
