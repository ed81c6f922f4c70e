"""The criterion about codes that applicants bring."""

# ruff: noqa: ARG002 (every condition is asked in the same way, whether it looks at the knock or not)

from __future__ import annotations

from dataclasses import dataclass

from knockbot.documents.reading import Path, found, text, yes_or_no
from knockbot.domain.codes import LONGEST_NAME, is_name
from knockbot.domain.criteria.base import Condition, because_of, finding
from knockbot.domain.model import Brought, Fact, Facts, Finding, Knock, Need, Truth
from knockbot.domain.notices import Notice, because
from knockbot.domain.reasons import quoted
from knockbot.errors import Fault


@dataclass(frozen=True, slots=True)
class BringsCode(Condition):
    """The applicant brings a code that counts at this moment: any, or the one of a name; or they bring none."""

    wanted: bool
    name: str = ""

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.CODE),)

    def vouches(self, *, negated: bool = False) -> bool:
        return self.wanted is not negated

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        brought = facts.code
        if brought is None or brought.truth is Truth.UNKNOWN:
            why = brought.why if brought is not None else None
            return Finding(Truth.UNKNOWN, because_of("finding.code_unknown", why))
        counts = brought.truth is Truth.TRUE and self.name in ("", brought.name.casefold())
        return finding(counts is self.wanted, _told(brought))


def _told(brought: Brought) -> Notice:
    if not brought.name:
        return because_of("finding.no_code", brought.why)
    if brought.truth is Truth.TRUE:
        return because("finding.code", name=quoted(brought.name))
    return because_of("finding.code_void", brought.why, name=quoted(brought.name))


def read_code(value: object, path: Path) -> BringsCode:
    """The condition that a value of `code` describes: true, false, or a name."""
    if isinstance(value, bool):
        return BringsCode(yes_or_no(value, path))
    name = text(value, path, LONGEST_NAME)
    if not is_name(name):
        raise Fault("expected true, false, or the name of a code, found {found}", path, found=found(name))
    return BringsCode(wanted=True, name=name.casefold())
