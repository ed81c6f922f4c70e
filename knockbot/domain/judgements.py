"""Judgements: one decision on one request at one time, with the facts that it was made from, so that it can be made
again.

Facts are stored in few characters, and never in more than some thousands, no matter what strangers do: only the newest
of many, and no long reason. What is left out is unknown when they are read again. The applicant's text is not a part of
them: it is in the request, as long as the request keeps it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any, TypeVar

from knockbot.domain.criteria.counts import COUNTED, MOST_COUNTINGS
from knockbot.domain.model import (
    Asked,
    Asking,
    Because,
    Brought,
    Came,
    Count,
    Counting,
    Decision,
    Fact,
    Facts,
    History,
    IdentityKey,
    InviteFacts,
    Kind,
    Knock,
    Known,
    LastRejection,
    Listed,
    Measure,
    Past,
    PreApproved,
    Request,
    State,
    Truth,
    Vouched,
    Where,
    Word,
)
from knockbot.domain.notices import Notice, because, decoded, dumps, encoded
from knockbot.domain.policy import Policy, decide, held_back, rehearsed
from knockbot.times import SECOND

T = TypeVar("T")

AGES_KEPT = 20
"""Earlier requests, or invites, that are kept among the facts: the newest."""

ROOMS_KEPT = 1000
"""Characters of room names: for these rooms it is stored whether the applicant is in them."""

KEYS_KEPT = 1000
"""Characters of the keys of an invite, beyond which none of them is kept."""

WHY_KEPT = 300
"""Characters of JSON of the reason for a fact, such as why it is unknown; a longer one is not kept."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One decision on one request at one time. The newest one of a request is its decision."""

    kind: Kind
    """The kind that the request was judged as."""
    room_id: str
    event_id: str
    """The knock, the invite, or the event by which somebody used an invite."""
    revision: int | None
    """The revision of the room's own policy; none if it had none."""
    facts: Facts
    decision: Decision
    because: Because = Because.ARRIVED
    cause: str = ""
    """The event of the command that started it. Empty when the request arrived."""
    inherited: Mapping[str, int] = field(default_factory=dict)
    """The revisions of the policies that were in force there and were those of other rooms, by room."""

    @property
    def policies(self) -> tuple[int | None, Mapping[str, int]]:
        """The policies by which it was made."""
        return self.revision, dict(self.inherited)


def judged_in(request: Request, judgement: Judgement) -> tuple[Knock, Facts]:
    """What was judged, and by which facts, as far as the request still shows it today."""
    if judgement.kind is Kind.THIRD_PARTY_INVITE and request.invite is not None:
        return replace(request.invite.as_knock(), event_id=judgement.event_id), judgement.facts
    knock, measure = request.knock, judgement.facts.measure
    if measure is None:
        return Knock(judgement.room_id, request.user_id, judgement.event_id), judgement.facts
    gone = judgement.event_id != request.event_id or measure != knock.measure
    return replace(knock, event_id=judgement.event_id), replace(judgement.facts, words_gone=gone)


def decide_again(request: Request, judgement: Judgement, policy: Policy) -> Decision:
    """The decision of a policy with the facts of a judgement.

    If it was left to the moderators because of something outside the rules, such as the author's lack of power, it
    still is.
    """
    knock, facts = judged_in(request, judgement)
    again = decide(knock, facts, policy, judgement.kind)
    again = still_held(replace(again, author=judgement.decision.author), judgement.decision)
    return rehearsed(again, policy, judgement.kind)


def still_held(again: Decision, before: Decision) -> Decision:
    """A decision that is made again; if it says the same, it is held back as before.

    A dry run ends with its policy, and so holds nothing back any more.
    """
    says = again.held or again.verdict
    if before.doubt is None or before.rehearsed is not None or says is not before.held:
        return again
    return held_back(again, before.doubt)


# --- another management room ----------------------------------------------------------------------------------


WIDE = frozenset({*COUNTED, Fact.HISTORY, Fact.IN_MANAGED, Fact.FIRST_SEEN})
"""The facts that may tell of the other rooms managed from the same management room."""


def tells_of_others(judgement: Judgement) -> bool:
    """Whether a judgement was made from what only its management room may know.

    That is what was found out in all rooms that are managed from there, and the policy of another of them.
    """
    facts = judgement.facts
    wide = any(counting.where is Where.MANAGED for counting in facts.counts) or Where.MANAGED in facts.history
    others = bool(judgement.inherited) or judgement.because is Because.ALSO_INVITED
    return wide or facts.in_managed is not None or facts.first_seen is not None or others


# --- what is kept ---------------------------------------------------------------------------------------------

MISSES_PENDING = 20
MISSES_SETTLED = 3
"""The number of rules that did not match and whose reason is kept, while a request is pending and afterwards."""

WHY_SETTLED = 800
"""Characters of JSON up to which each of these reasons is kept afterwards."""


def brief(decision: Decision, *, settled: bool) -> Decision:
    """A decision with the first rules that did not match; the others are counted: a policy may have a thousand."""
    if not decision.missed and decision.unknown is None:
        return decision
    most, longest = (MISSES_SETTLED, WHY_SETTLED) if settled else (MISSES_PENDING, None)
    kept = tuple(replace(miss, why=_kept(miss.why, longest)) for miss in decision.missed[:most])
    left_out = decision.left_out + len(decision.missed) - len(kept)
    unknown = _kept(decision.unknown, longest) if decision.unknown is not None else None
    return replace(decision, missed=kept, left_out=left_out, unknown=unknown)


def _kept(why: Notice, longest: int | None) -> Notice:
    return why if longest is None or len(dumps(why)) <= longest else because("finding.not_kept")


# --- facts as JSON --------------------------------------------------------------------------------------------


def encode(facts: Facts) -> str:
    """Facts as they are stored."""
    data = _encoded(facts)
    seen = {origin: _differing(_encoded(facts.seen_from(origin)), data) for origin in facts.elsewhere}
    return json.dumps(data | ({"elsewhere": seen} if seen else {}), separators=(",", ":"))


def _differing(data: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from other facts; `None` where these say something and the facts do not."""
    return {key: data.get(key) for key in base.keys() | data.keys() if data.get(key) != base.get(key)}


def _encoded(facts: Facts) -> dict[str, Any]:
    data: dict[str, Any] = {
        "home": facts.home,
        "at": facts.at,
        "wrote": facts.measure and [*astuple(facts.measure)],
        "in": _rooms(facts.member_of),
        "seen": facts.first_seen,
        "nearby": facts.in_managed and _written(facts.in_managed),
        "counts": [_count(*counted) for counted in [*facts.counts.items()][:MOST_COUNTINGS]],
        "past": {where: _history(history) for where, history in facts.history.items()},
        "invite": facts.invite and _invite(facts.invite),
        "like": facts.lookalike and _written(facts.lookalike),
        "lists": _listings(facts.lists),
        "twice": [place for place, listed in enumerate(facts.lists.values()) if listed.again],
        "came": facts.came,
        "ok": None if facts.pre_approved is None else _pre_approved(facts.pre_approved),
        "code": None if facts.code is None else [_written(Known(facts.code.truth, facts.code.why)), facts.code.name],
        "vouched": None if facts.vouched is None else _vouched(facts.vouched),
        "cool": None if facts.last_rejection is None else [facts.last_rejection.age],
        "asked": facts.asked and facts.asked.state,
        "denied": facts.denied or None,
    }
    return {key: value for key, value in data.items() if value not in EMPTY}


EMPTY: tuple[object, ...] = (None, {}, [])
"""What is not stored: it was not looked up."""


def decode(stored: str) -> Facts:
    """Facts as they were stored."""
    data = json.loads(stored)
    seen = data.pop("elsewhere", {}).items()
    return _decoded(data).with_others({origin: _decoded(_over(others, data)) for origin, others in seen})


def _over(others: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (dict(base) | dict(others)).items() if value is not None}


def _decoded(data: Mapping[str, Any]) -> Facts:
    return Facts(
        home=data["home"],
        at=data.get("at"),
        measure=Measure(*data["wrote"]) if "wrote" in data else None,
        member_of={room: _known(known) for room, known in data.get("in", {}).items()},
        first_seen=data.get("seen"),
        in_managed=_known(data["nearby"]) if "nearby" in data else None,
        counts=dict(map(_counted, data.get("counts", ()))),
        history={Where(where): _past(history) for where, history in data.get("past", {}).items()},
        invite=_invite_facts(data["invite"]) if "invite" in data else None,
        lookalike=_known(data["like"]) if "like" in data else None,
        lists={
            name: replace(_listed(listing), again=place in data.get("twice", ()))
            for place, (name, listing) in enumerate(data.get("lists", {}).items())
        },
        came=Came(data["came"]) if "came" in data else None,
        pre_approved=_read_pre_approved(*data["ok"]) if "ok" in data else None,
        code=_read_brought(*data["code"]) if "code" in data else None,
        vouched=_read_vouched(*data["vouched"]) if "vouched" in data else None,
        last_rejection=LastRejection(*data["cool"]) if "cool" in data else None,
        asked=Asked(Asking(data["asked"]), None) if "asked" in data else None,
        denied=data.get("denied", False),
    )


def _newest(many: Sequence[T], age: Callable[[T], int]) -> list[T]:
    return list(many) if len(many) <= AGES_KEPT else sorted(many, key=age, reverse=True)[-AGES_KEPT:]


def _count(counting: Counting, count: Count) -> list[Any]:
    written: list[Any] = [counting.fact, counting.where, counting.within // SECOND, count.number]
    return [*written, 1] if count.cut else written


def _counted(written: Sequence[Any]) -> tuple[Counting, Count]:
    fact, where, seconds, number, *more = written
    return Counting(Fact(fact), Where(where), seconds * SECOND), Count(number, cut=bool(more))


def _history(history: History) -> dict[str, Any]:
    written = [[past.state, past.age] for past in _newest(history.past, lambda past: past.age)]
    return {"was": written} | ({"more": True} if history.cut or len(history.past) > AGES_KEPT else {})


def _past(data: Mapping[str, Any]) -> History:
    return History(tuple(Past(State(state), age) for state, age in data["was"]), data.get("more", False))


def _rooms(member_of: Mapping[str, Known]) -> dict[str, Any]:
    kept, length = {}, 0
    for room, known in member_of.items():
        length += len(json.dumps(room))
        if length > ROOMS_KEPT:
            break
        kept[room] = _written(known)
    return kept


def _invite(facts: InviteFacts) -> dict[str, Any]:
    data: dict[str, Any] = {"by": facts.inviter, "member": _written(facts.member), "valid": _written(facts.valid)}
    keys = None if facts.keys is None else [[key.public_key, key.url] for key in facts.keys]
    if keys is not None and len(json.dumps(keys)) <= KEYS_KEPT:
        data["keys"] = keys
    if facts.power is not None:
        data["power"] = _level(facts.power)
    if facts.earlier is not None:
        data["earlier"] = _newest(facts.earlier, lambda age: age)
        data |= {"more": True} if facts.earlier_cut or len(facts.earlier) > AGES_KEPT else {}
    return data


HUGE = 2**65
"""No criterion names a level as large as this, and some levels have too many digits to be stored."""


def _level(power: float) -> float | str:
    return UNLIMITED if power == math.inf else max(-HUGE, min(HUGE, power))


UNLIMITED = "unlimited"


def _invite_facts(data: Mapping[str, Any]) -> InviteFacts:
    power = data.get("power")
    return InviteFacts(
        inviter=data["by"],
        keys=tuple(IdentityKey(key, url) for key, url in data["keys"]) if "keys" in data else None,
        power=math.inf if power == UNLIMITED else power,
        member=_known(data["member"]),
        earlier=tuple(data["earlier"]) if "earlier" in data else None,
        earlier_cut=data.get("more", False),
        valid=_known(data["valid"]),
    )


LISTS_KEPT = 1000
"""Characters of JSON of the names of policy lists that are kept among the facts."""

ENTRIES_KEPT = 900
"""Characters of JSON of what hit on them; beyond it is only kept that something did."""


def _listings(lists: Mapping[str, Listed]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    names, entries = 0, 0
    for name, listed in lists.items():
        names += len(json.dumps(name))
        if names > LISTS_KEPT:
            break
        kept[name] = _listing(listed)
        entries += len(json.dumps(kept[name]))
        if entries > ENTRIES_KEPT:
            kept[name] = listed.truth
    return kept


def _listing(listed: Listed) -> Any:
    """What is known of one policy list, as one string or with the entry or the reason."""
    if listed.entity or listed.reason:
        return [listed.truth, listed.entity, listed.reason]
    return _written(Known(listed.truth, listed.why))


def _listed(written: Any) -> Listed:
    if isinstance(written, list) and written[0] == Truth.TRUE:
        return Listed(Truth.TRUE, *written[1:])
    known = _known(written)
    return Listed(known.truth, why=known.why)


def _pre_approved(found: PreApproved) -> list[Any]:
    return [_written(Known(found.truth, found.why)), found.by, found.until, found.of_server]


def _read_pre_approved(known: Any, by: str, until: int | None, of_server: bool) -> PreApproved:
    read = _known(known)
    return PreApproved(read.truth, by, until, of_server, read.why)


WORDS_KEPT = 700
"""Characters of JSON of the words of people who vouch that are kept."""


def _vouched(vouched: Vouched) -> list[Any]:
    kept: list[list[Any]] = []
    for word in map(_word, vouched.words):
        if len(json.dumps([*kept, word])) > WORDS_KEPT:
            return [kept, 1]
        kept.append(word)
    return [kept, 1] if vouched.cut else [kept]


def _read_vouched(words: Sequence[Sequence[Any]], cut: int = 0) -> Vouched:
    return Vouched(tuple(_read_word(*word) for word in words), cut=bool(cut))


def _word(word: Word) -> list[Any]:
    known = [word.by, _written(Known(word.truth, word.why))]
    return [*known, _level(word.level)] if word.truth is Truth.TRUE else known


def _read_word(by: str, known: Any, level: Any = 0) -> Word:
    read = _known(known)
    return Word(by, read.truth, math.inf if level == UNLIMITED else level, read.why)


def _read_brought(known: Any, name: str) -> Brought:
    read = _known(known)
    return Brought(read.truth, name, read.why)


def _written(known: Known) -> Any:
    """A fact as one string, or with its reason."""
    if known.why is None or len(dumps(known.why)) > WHY_KEPT:
        return known.truth
    return [known.truth, encoded(known.why)]


def _known(written: Any) -> Known:
    truth, why = (written, None) if isinstance(written, str) else written
    return Known(Truth(truth), decoded(why) if why is not None else None)
