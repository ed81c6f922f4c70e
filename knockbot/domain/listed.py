"""Policy lists as a policy names them (`lists:`), and what follows where one of them names somebody.

What stands on a list is in `lists.py`. Here is only what a policy says about the lists, and what it makes of a hit. A
list decides before every rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from knockbot.documents.reading import Path, found, items, text, yes_or_no
from knockbot.documents.schema import Key, read_keys, table, word
from knockbot.documents.text import shown
from knockbot.domain.ids import room_reference
from knockbot.domain.model import Decision, Finding, Listed, Miss, Truth, Verdict
from knockbot.domain.notices import Notice, Stranger, because, notices_in
from knockbot.domain.reasons import quoted
from knockbot.errors import Fault

MAX_LISTS = 10
MAX_NAME = 60

LIST: Final = "list "
"""What the name of a decision begins with where a list decided: ``list community``."""

ENTITY_KEPT = 120
REASON_KEPT = 100
"""Characters of an entry's entity, and of its reason, that are kept with a decision."""


class ListThen(StrEnum):
    """What an entry of a policy list leads to."""

    BAN = "ban"
    REJECT = "reject"
    FORWARD = "forward"
    NONE = "none"
    """Only rules ask about the list (`on_list`)."""

    @property
    def verdict(self) -> Verdict | None:
        """The same as a verdict; none where the list does not decide."""
        return None if self is ListThen.NONE else Verdict(self.value)


@dataclass(frozen=True, slots=True)
class PolicyList:
    """One policy list that a policy names."""

    room: str
    """The ID or alias of its room."""
    name: str
    """For cards, lines and criteria."""
    then: ListThen = ListThen.BAN
    allow_everything: bool = False
    """Whether an entry that names everybody counts."""
    via: tuple[str, ...] = ()
    """Servers to reach its room by."""
    origin: str = field(default="", compare=False)
    """The room whose policy names it; empty for the default policy, and before that is known."""
    same_as: str = field(default="", compare=False)
    """The list before it in the same policy that has the same room by now: what the policy says of that one counts."""

    @property
    def label(self) -> str:
        """How people and machines are told that this list decided."""
        return f"{LIST}{self.name}"

    def __str__(self) -> str:
        return f"{self.name} ({self.room}, {self.then})"


def _read_room(value: object, path: Path) -> tuple[str, tuple[str, ...]]:
    said = text(value, path, 1000)
    reference = room_reference(said)
    if reference is None:
        raise Fault("expected a room ID or alias, found {found}", path, found=found(said))
    return reference.room, reference.via


def _read_name(value: object, path: Path) -> str:
    name = shown(text(value, path, MAX_NAME), MAX_NAME)
    if not name:
        raise Fault("expected text, found none", path)
    if name in ("true", "false"):
        raise Fault("{found} would be taken for something else; choose another name", path, found=found(name))
    return name


KEYS = table(
    Key("room", _read_room),
    Key("name", _read_name, None),
    Key("then", word(ListThen), ListThen.BAN, "ban"),
    Key("allow_everything", yes_or_no, False, False),
)


def read_lists(value: object, path: Path) -> tuple[PolicyList, ...]:
    """The policy lists of a policy, in the order in which they decide."""
    if value == []:
        return ()
    lists: list[PolicyList] = []
    for one, at in items(value, path):
        if len(lists) == MAX_LISTS:
            raise Fault("too many lists, at most {most}", path, most=MAX_LISTS)
        read = _read_list(one, at)
        if read.name.casefold() in {known.name.casefold() for known in lists}:
            raise Fault(
                "another list has the same name {found}; choose another one", (*at, "name"), found=found(read.name)
            )
        if read.room in {known.room for known in lists}:
            raise Fault("another list has the same room", (*at, "room"))
        lists.append(read)
    return tuple(lists)


def _read_list(value: object, path: Path) -> PolicyList:
    said = read_keys(KEYS, value, path)
    room, via = said.pop("room")
    name = said.pop("name") or _read_name(shown(room[1:].partition(":")[0], MAX_NAME) or room, (*path, "name"))
    return PolicyList(room, name, via=via, **said)


# --- what is known --------------------------------------------------------------------------------------------

NOBODY_LOOKED: Final = Listed(Truth.UNKNOWN, why=because("unknown.nobody_looked"))


def is_on(name: str, listed: Listed) -> Finding:
    """Whether somebody is on a list."""
    if listed.truth is Truth.TRUE:
        return Finding(Truth.TRUE, _hit(name, listed))
    if listed.truth is Truth.FALSE:
        return Finding(Truth.FALSE, because("finding.not_listed", name=quoted(name)))
    if listed.why is None:
        return Finding(Truth.UNKNOWN, because("finding.list_unknown", name=quoted(name)))
    return Finding(Truth.UNKNOWN, because("finding.list_unknown_why", name=quoted(name), why=listed.why))


def _hit(name: str, listed: Listed) -> Notice:
    if not listed.entity:
        return because("finding.listed", name=quoted(name))
    if not listed.reason:
        return because("finding.listed_by", name=quoted(name), entity=quoted(listed.entity))
    reason = Stranger(listed.reason, REASON_KEPT)
    return because("finding.listed_because", name=quoted(name), entity=quoted(listed.entity), reason=reason)


ENTRIES: Final = frozenset({"finding.listed", "finding.listed_by", "finding.listed_because"})
"""The codes that say that somebody is on a list."""


def entry_in(why: Notice) -> Notice | None:
    """The first entry of a list that a reason names."""
    return next((one for one in notices_in(why) if one.code in ENTRIES), None)


def misses_by_entry(decision: Decision, rule: str = "") -> Miss | None:
    """The first rule, or this one, that does not match, because of an entry of a list; none where that is not so."""
    missed = (miss for miss in decision.missed if rule in ("", miss.rule))
    return next((miss for miss in missed if entry_in(miss.why) is not None), None)


def decide_by_lists(lists: Iterable[PolicyList], known: Mapping[str, Listed]) -> Decision | None:
    """What the lists decide, in their order; none where no deciding list names them.

    A list of which nothing is known ends the search, as a rule does that cannot be judged.
    """
    for one in lists:
        verdict, listed = one.then.verdict, known.get(one.name, NOBODY_LOOKED)
        if verdict is None or listed.again:
            continue
        finding = is_on(one.name, listed)
        if finding.truth is Truth.TRUE:
            return Decision(verdict, one.label, found=finding.why)
        if finding.truth is Truth.UNKNOWN:
            return Decision(Verdict.FORWARD, one.label, unknown=finding.why)
    return None


def name_of_list(rule: str) -> str | None:
    """The list that decided, by the name of its decision; none where no list did."""
    return rule.removeprefix(LIST) if rule.startswith(LIST) else None


def names_them(decision: Decision) -> bool:
    """Whether a list decided because it names somebody, and not because it could not be asked."""
    return name_of_list(decision.rule) is not None and decision.unknown is None
