"""Criteria about policy lists: whether one of them names the applicant, or the inviter of a third-party invite."""

# ruff: noqa: ARG002 (every condition is asked in the same way, whether it looks at the facts or not)

from __future__ import annotations

from dataclasses import dataclass

from knockbot.documents.reading import Path, found, one_or_more
from knockbot.domain.criteria.base import Condition, one_holds
from knockbot.domain.listed import MAX_NAME, NOBODY_LOOKED, is_on
from knockbot.domain.model import Fact, Facts, Finding, Knock, Need
from knockbot.errors import Fault

ANY_LIST = ""
"""In a `Need`: whichever list the policy names."""


@dataclass(frozen=True, slots=True)
class OnList(Condition):
    """One of these lists names them; without names, any list of the policy."""

    names: tuple[str, ...]

    @property
    def needs(self) -> tuple[Need, ...]:
        return tuple(Need(Fact.LISTED, name) for name in self.names or (ANY_LIST,))

    def vouches(self, *, negated: bool = False) -> bool:
        return not negated

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        names = self.names or tuple(facts.lists) or (ANY_LIST,)
        return one_holds(is_on(name, facts.lists.get(name, NOBODY_LOOKED)) for name in names)


def read_on_list(value: object, path: Path) -> OnList:
    """The condition that a value of `on_list` describes."""
    if value is True:
        return OnList(())
    return OnList(tuple(dict.fromkeys(_name(one, at) for one, at in one_or_more(value, path))))


def _name(value: object, path: Path) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        raise Fault("expected the name of a list, or true, found {found}", path, found=found(value))
    return value
