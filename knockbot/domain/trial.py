"""Trials: what another policy would have decided, by the facts that are stored of what was decided.

What was not looked up then, or is no longer stored, is unknown: nothing is guessed. What was found out about another
room counts for whatever name means that room now, and for no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from knockbot.domain.ids import room_meant
from knockbot.domain.judgements import Judgement, judged_in
from knockbot.domain.model import Decision, Facts, Known, Listed, Request, Verdict
from knockbot.domain.policy import Policy, decide

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Names:
    """What the names in one policy mean."""

    meant: Mapping[str, str] = field(default_factory=dict)
    """The room of each name that is pinned."""
    lists: Mapping[str, str] = field(default_factory=dict)
    """The rooms of its policy lists, by the name of the list: each as an ID or alias."""

    def room(self, name: str) -> str | None:
        """The ID of the room that a name means."""
        return room_meant(name, self.meant)

    def room_of_list(self, name: str) -> str | None:
        """The ID of the room of a policy list."""
        return self.room(self.lists[name]) if name in self.lists else None


@dataclass(frozen=True, slots=True)
class Learned:
    """What was found out about other rooms for one judgement, by their IDs."""

    members: Mapping[str, Known]
    lists: Mapping[str, Listed]


def learned(facts: Facts, then: Mapping[str, Names]) -> Learned:
    """What these facts say about other rooms; `then` is what names meant in each policy that decided, by its room."""
    members: dict[str, Known] = {}
    lists: dict[str, Listed] = {}
    for origin, names in then.items():
        seen = facts.seen_from(origin)
        members |= {room: known for name, known in seen.member_of.items() if (room := names.room(name)) is not None}
        lists |= {room: on for name, on in seen.lists.items() if (room := names.room_of_list(name)) is not None}
    return Learned(members, lists)


def asked_by(facts: Facts, known: Learned, now: Mapping[str, Names], asked: Mapping[str, tuple[str, ...]]) -> Facts:
    """The same facts under the names of the policies that are tried, the first of which is the room's own.

    `now` is what names mean in each of them, and `asked` the rooms whose members each asks for.
    """

    def seen(origin: str) -> Facts:
        names = now[origin]
        members = {name: known.members.get(names.room(name) or "") for name in asked[origin]}
        rooms = {name: names.room_of_list(name) or "" for name in names.lists}
        first = {room: name for name, room in reversed(rooms.items())}
        lists = {
            name: replace(known.lists[room], again=first[room] != name)
            for name, room in rooms.items()
            if room in known.lists
        }
        return replace(facts, member_of=_found(members), lists=lists, elsewhere={})

    own, *others = now
    return seen(own).with_others({origin: seen(origin) for origin in others})


def _found(known: Mapping[str, T | None]) -> dict[str, T]:
    return {name: one for name, one in known.items() if one is not None}


def would_decide(request: Request, judgement: Judgement, facts: Facts, policy: Policy) -> Verdict | None:
    """What a policy would have said of a request; `None` where that cannot be known by these facts."""
    knock, known = judged_in(request, replace(judgement, facts=facts))
    again = decide(knock, known, policy, judgement.kind)
    if again.unknown is not None or (again.doubt is not None and again.doubt.code.startswith(KEYS_UNKNOWN)):
        return None
    return said(again)


KEYS_UNKNOWN: Final = "doubt.keys_unknown"
KEYS: Final = "doubt.keys"
"""How the codes of doubts begin that are a part of the decision itself."""


def said(decision: Decision) -> Verdict:
    """What a policy said, whether it was carried out or not, as where its author lacked the power, or in dry run."""
    outside = decision.doubt is not None and not decision.doubt.code.startswith(KEYS)
    return decision.held if outside and decision.held is not None else decision.verdict
