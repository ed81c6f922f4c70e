"""What somebody may learn from a finding: who is in a room that they are not in themselves stays hidden."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final, TypeAlias

from knockbot.domain.model import Decision, Miss
from knockbot.domain.notices import Arg, Letters, Many, Notice, because, notices_in

TELLS: Final = frozenset({"finding.member", "finding.no_member"})
"""The findings that tell whether somebody is in a room that a policy names."""

HIDDEN: Final = "finding.member_hidden"
"""What stands in their place for those who may not learn it."""

Named: TypeAlias = tuple[str, str]
"""The room whose policy names a room, empty for the first policy that decides there; and the name."""


def rooms_told_of(decision: Decision) -> set[Named]:
    """The rooms of which a decision tells whether somebody is in them."""
    return {(origin, _name(found)) for origin, why in _reasons(decision) for found in notices_in(why) if _tells(found)}


def without(decision: Decision, hidden: Collection[Named]) -> Decision:
    """The same decision, without what it tells of these rooms."""

    def kept(miss: Miss) -> Miss:
        return replace(miss, why=_without(miss.why, _origin(miss), hidden))

    unknown = decision.unknown and _without(decision.unknown, _origin(decision), hidden)
    return replace(decision, missed=tuple(map(kept, decision.missed)), unknown=unknown)


def hides(why: Notice) -> bool:
    """Whether a part of this reason was left out, because it tells who is in a room."""
    return any(found.code == HIDDEN for found in notices_in(why))


def _reasons(decision: Decision) -> Iterator[tuple[str, Notice]]:
    yield from ((_origin(miss), miss.why) for miss in decision.missed)
    if decision.unknown is not None:
        yield _origin(decision), decision.unknown


def _origin(decided: Decision | Miss) -> str:
    return decided.origin.room_id if decided.origin is not None else ""


def _tells(found: Notice) -> bool:
    return found.code in TELLS


def _name(found: Notice) -> str:
    return next((one.text for arg in found.args.values() for one in _letters(arg)), "")


def _letters(arg: Arg) -> Iterator[Letters]:
    if isinstance(arg, Letters):
        yield arg
    elif isinstance(arg, Notice):
        yield from (one for inner in arg.args.values() for one in _letters(inner))


def _without(why: Notice, origin: str, hidden: Collection[Named]) -> Notice:
    if _tells(why):
        return because("finding.member_hidden", room=why.args["room"]) if (origin, _name(why)) in hidden else why
    return Notice(why.code, {name: _less(arg, origin, hidden) for name, arg in why.args.items()})


def _less(arg: Arg, origin: str, hidden: Collection[Named]) -> Arg:
    if isinstance(arg, Notice):
        return _without(arg, origin, hidden)
    if isinstance(arg, Many):
        return replace(arg, items=tuple(_less(item, origin, hidden) for item in arg.items))
    return arg
