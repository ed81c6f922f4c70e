"""The criterion about members who vouch for the applicant."""

# ruff: noqa: ARG002 (every condition is asked in the same way, whether it looks at the knock or not)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.documents.reading import Path, whole_number, yes_or_no
from knockbot.documents.schema import Key, read_keys, table
from knockbot.domain.criteria.base import NOT_KEPT, Condition, because_of, finding, level_of, read_level
from knockbot.domain.model import Fact, Facts, Finding, Knock, Need, Truth, Word
from knockbot.domain.notices import Level, Many, Notice, User, because
from knockbot.domain.reasons import together
from knockbot.domain.vouches import MOST_WORDS
from knockbot.errors import Fault


@dataclass(frozen=True, slots=True)
class IsVouchedFor(Condition):
    """At least so many people vouch for the applicant, each with so much power in the room; or fewer do."""

    wanted: bool = True
    by_at_least: int = 1
    power_at_least: int = 0

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.VOUCHED),)

    def vouches(self, *, negated: bool = False) -> bool:
        return self.wanted is not negated

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.vouched is None:
            return Finding(Truth.UNKNOWN, because("finding.vouched_unknown"))
        words = facts.vouched.words
        counting = [word for word in words if word.truth is Truth.TRUE and word.level >= self.power_at_least]
        unsure = [word for word in words if word.truth is Truth.UNKNOWN]
        enough = len(counting) >= self.by_at_least
        if not enough and facts.vouched.cut:
            return NOT_KEPT
        if not enough and len(counting) + len(unsure) >= self.by_at_least:
            return Finding(Truth.UNKNOWN, because_of("finding.vouched_unknown", unsure[0].why))
        return finding(enough is self.wanted, self._told(counting, words))

    def _told(self, counting: Sequence[Word], words: Sequence[Word]) -> Notice:
        """Who vouches, and whose word does not count, and why."""
        void = [said for word in words if word not in counting and (said := self._void(word)) is not None]
        if counting:
            named = Many(tuple(User(word.by) for word in counting))
            return together([because("finding.vouched", named=named), *void])
        return together(void) if void else because("finding.not_vouched")

    def _void(self, word: Word) -> Notice | None:
        why = word.why if word.truth is Truth.FALSE else None
        if word.truth is Truth.TRUE:
            why = because("vouch.powerless", level=level_of(word.level), least=Level(str(self.power_at_least)))
        return because("finding.word_void", by=User(word.by), why=why) if why is not None else None


def read_vouched(value: object, path: Path) -> IsVouchedFor:
    """The condition that a value of `vouched` describes: true, false, or by how many, with which power."""
    if not isinstance(value, dict):
        return IsVouchedFor(yes_or_no(value, path))
    if not value:
        raise Fault("expected true, false, or by_at_least and power_at_least", path)
    return IsVouchedFor(**read_keys(_WORDS, value, path))


def _read_by(value: object, path: Path) -> int:
    if value == 0 and not isinstance(value, bool):
        raise Fault("0 people vouch for everybody; write false for nobody", path)
    return whole_number(value, path, MOST_WORDS, least=1)


_WORDS = table(Key("by_at_least", _read_by, 1), Key("power_at_least", read_level, 0))
