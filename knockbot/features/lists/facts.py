"""What policy lists say of somebody now: as a fact for rules, when that is stored, and right before an accept.

Nobody who is listed is accepted by a rule. An entry counts from the moment that it is stored as an arrival, also before
it is handled: so whoever is judged waits until what arrived is taken in (`taken_in`). It is looked again when the
decision is stored (`outdates`), and right before the invite (`bars`). What arrives later is found by `again.py`, which
takes the invite back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from knockbot.domain.judgements import Judgement
from knockbot.domain.listed import ENTITY_KEPT, REASON_KEPT, ListThen, PolicyList, is_on, misses_by_entry, names_them
from knockbot.domain.model import Facts, Listed, Request, Truth, Verdict
from knockbot.domain.notices import Letters, Notice, because, notice
from knockbot.engine.turn import Turn
from knockbot.errors import ActionError, Later
from knockbot.features.lists import behind, matching, naming, using
from knockbot.features.lists.matching import Unread
from knockbot.features.lists.using import NamedNow, Naming
from knockbot.flow import place
from knockbot.flow.asking import Asked
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import inbox, judgements, lists
from knockbot.store.db import Tx
from knockbot.store.lists import ListState
from knockbot.times import SECOND

SOON: Final = 0.25
"""Seconds after which it is looked again whether what arrived is taken in."""

PATIENCE: Final = 10 * SECOND
"""Milliseconds for which something waits for that; then it is unknown what the list says."""


async def listed(asked: Asked, facts: Facts, _: Sequence[str]) -> Facts:
    """Whether the lists of a policy name the applicant; for a third-party invite, its inviter. May raise `Later`."""
    context, knock = asked.context, asked.knock
    by_policy = Naming(asked.layer.policy.lists, asked.layer.place)
    said = await look_up(context, by_policy, knock.user_id, knock.room_id, knock.event_id)
    found = {one.name: listed for one, listed in said}
    if asked.by is not None:
        found = await _as_far_as_shown(context, asked.by, found)
    return replace(facts, lists=found)


async def look_up(
    context: Context, by_policy: Naming, user_id: str, room_id: str, waiting: str = "", *, deciding: bool = False
) -> list[tuple[PolicyList, Listed]]:
    """What each list of a policy says of somebody, or only those that decide. What takes long counts for the protected
    room.

    `waiting` names what waits for this; without it, nothing does. Raises `Later` while what arrived is not taken in.
    """
    async with context.db.statement() as tx:
        named = await using.now(tx, by_policy)
    named = [one for one in named if one.one.then is not ListThen.NONE or not deciding]
    is_behind = not _taken_in(context, named, waiting)
    found: list[tuple[PolicyList, Listed]] = []
    for one in named:
        said = await _said_by(context, one, user_id, room_id, is_behind=is_behind)
        found.append((one.one, replace(said, again=True) if one.one.same_as else said))
    return _in_few_characters(found)


def _taken_in(context: Context, named: Sequence[NamedNow], waiting: str) -> bool:
    """Whether all entries that arrived are taken in; false where that takes too long. Raises `Later` before that."""
    since = [at for one in named if (at := behind.since(context, one.now.room, one.now.arrived)) is not None]
    if not since:
        context.listed.waits_no_more(waiting)
        return True
    now = context.now()
    if waiting and now - max(min(since), context.listed.waits_since(waiting, now)) < PATIENCE:
        raise Later(because("unknown.list_behind"), retry_after=SOON, unreachable=True)
    context.listed.waits_no_more(waiting)
    return False


async def behind_since(context: Context, there: Place) -> int | None:
    """Since when not all entries that arrived are taken in, of all lists that decide in a room; none where all are."""
    async with context.db.tx() as tx:
        used = {one.room_id for one in await using.in_room(context, tx, there)}
        found = [await behind.looked_up(context, tx, room_id) for room_id in used]
    return min((since for since in found if since is not None), default=None)


async def _said_by(context: Context, named: NamedNow, user_id: str, room_id: str, *, is_behind: bool) -> Listed:
    if named.room_id is None:
        return Listed(Truth.UNKNOWN, why=because("unknown.which_room", room=Letters(named.one.room)))
    if is_behind:
        return Listed(Truth.UNKNOWN, why=because("unknown.list_behind"))
    if named.now.room is None or named.now.room.read_at is None:
        return Listed(Truth.UNKNOWN, why=because("unknown.list_unread"))
    return await _ask(context, named.one, named.now.room, user_id, room_id)


async def _ask(context: Context, one: PolicyList, known: ListState, user_id: str, room_id: str) -> Listed:
    list_room, everything = known.room_id, one.allow_everything
    try:
        hit = await matching.match(
            context, list_room, user_id, allow_everything=everything, at_expense_of=room_id, known=known
        )
    except Unread:
        return Listed(Truth.UNKNOWN, why=because("unknown.list_unread"))
    if hit is None:
        return Listed(Truth.FALSE, room_id=list_room, version=known.version)
    entity, reason = hit.entity[:ENTITY_KEPT], hit.reason[:REASON_KEPT]
    return Listed(Truth.TRUE, entity, reason, room_id=list_room, version=known.version)


def _in_few_characters(found: Sequence[tuple[PolicyList, Listed]]) -> list[tuple[PolicyList, Listed]]:
    """The same with the entry only of the first list that decides, and of the first that does not."""
    short, told = [], set()
    for one, listed in found:
        decides = one.then is not ListThen.NONE
        again = listed.truth is Truth.TRUE and decides in told
        short.append((one, replace(listed, entity="", reason="") if again else listed))
        if listed.truth is Truth.TRUE:
            told.add(decides)
    return short


async def _as_far_as_shown(context: Context, asked_by: str, found: Mapping[str, Listed]) -> dict[str, Listed]:
    """The same for somebody who only asks: they learn nothing of a list that they cannot read."""
    shown = {}
    for name, listed in found.items():
        try:
            hidden = bool(listed.room_id) and not await naming.can_read(context, listed.room_id, asked_by)
        except ActionError:
            hidden = True
        closed = Listed(Truth.UNKNOWN, why=because("unknown.list_closed"), again=listed.again)
        shown[name] = closed if hidden else listed
    return shown


# --- has it changed since? ------------------------------------------------------------------------------------


async def outdates(_: Context, turn: Turn, __: Request, judgement: Judgement) -> bool:
    """Whether a list has changed since somebody was found not to be on it; nobody changes it before the turn ends."""
    for listed in _all(judgement.facts):
        if listed.version is not None and not await _is_current(turn.tx, listed.room_id, listed.version):
            return True
    return False


def _all(facts: Facts) -> list[Listed]:
    """What is known of the lists of all policies."""
    seen = [facts, *(facts.seen_from(origin) for origin in facts.elsewhere)]
    return [listed for one in seen for listed in one.lists.values()]


async def _is_current(tx: Tx, room_id: str, version: int) -> bool:
    return await inbox.entries_since(tx, room_id) is None and await lists.still_at(tx, room_id, version)


@dataclass(frozen=True, slots=True)
class News:
    """What a list says of somebody now, and what was known of that when they were judged last."""

    one: PolicyList
    now: Listed
    was: Listed | None
    by_this_policy: bool = True
    """Whether they were judged last by the policy in force."""
    has_decided: bool = False
    """Whether this list decided about them then, because it named them."""

    @property
    def is_news(self) -> bool:
        """Whether it says something else."""
        return self.was is None or _told(self.was) != _told(self.now)

    @property
    def concerns_who_waits(self) -> bool:
        """Whether somebody who waits is judged again because of it.

        By the policy that has left them to the moderators, they are, for any news. What another policy says of them
        counts once that is applied; only that a list names them which decides, and has not decided yet, counts at once.
        """
        if self.by_this_policy and self.was is not None:
            return self.is_news
        names_now = self.decides and self.now.truth is Truth.TRUE and not self.has_decided
        return names_now or (self.is_news and self.is_told)

    @property
    def is_told(self) -> bool:
        """Whether a card tells of it: the list names them, or has named them."""
        return Truth.TRUE in (self.now.truth, self.was.truth if self.was is not None else None)

    @property
    def decides(self) -> bool:
        """Whether the policy in force lets the list decide, before any rule."""
        return self.one.then is not ListThen.NONE

    @property
    def turned(self) -> bool:
        """Whether it says something else than before, and not only by another entry."""
        return self.was is not None and self.was.truth is not self.now.truth


def _told(listed: Listed) -> tuple[Truth, str, str]:
    return listed.truth, listed.entity, listed.reason


async def news_of(context: Context, request: Request, waiting: str = "") -> list[News]:
    """What the lists that decide in the room of a request say of whom it is about now. May raise `Later` and `Busy`."""
    async with context.db.tx() as tx:
        there = await place.find(context, tx, request.room_id)
        named = using.policies_of(context, there) if there is not None else {}
        before = await judgements.newest(tx, request.id) if any(one.lists for one in named.values()) else None
    found: list[News] = []
    same = there is not None and before is not None and before.policies == there.policies
    for origin, of_policy in named.items():
        now = await look_up(context, of_policy, request.user_id or request.subject, request.room_id, waiting)
        for one, listed in now:
            decided = before is not None and before.decision.rule == one.label and names_them(before.decision)
            found.append(News(one, listed, _known_before(before, origin, one), same, decided))
    return found


def _known_before(before: Judgement | None, origin: str | None, one: PolicyList) -> Listed | None:
    """What was known of a list by a judgement; what it says of a list that could not be asked is always kept."""
    if before is None:
        return None
    known = before.facts.lists if origin is using.FIRST else before.facts.seen_from(origin).lists
    could_not_be_asked = before.decision.rule == one.label and before.decision.unknown is not None
    return known.get(one.name) or (Listed(Truth.UNKNOWN) if could_not_be_asked else None)


async def bars(context: Context, there: Place, request: Request) -> Notice | None:
    """Why a rule must not accept somebody any more: a list names them now, or it is not known. May raise `Later`."""
    if not there.settings.lists:
        return None
    news = await news_of(context, request, f"act {request.id}")
    barred = any(one.now.truth is not Truth.FALSE if one.decides else one.turned for one in news)
    return because("policy_list.names_them") if barred else None


async def keeps_out(context: Context, room_id: str, user_id: str, waiting: str) -> Notice | None:
    """Why nobody must invite somebody to a room: a list that decides there names them, or it is not known.

    Whose policy names the list does not matter, nor what they may do there. May raise `Later` and `Busy`.
    """
    async with context.db.tx() as tx:
        there = await place.find(context, tx, room_id)
    for by_policy in using.policies_of(context, there).values() if there is not None else ():
        found = await look_up(context, by_policy, user_id, room_id, waiting, deciding=True)
        truths = {listed.truth for _, listed in found}
        if Truth.TRUE in truths:
            return notice("policy_list.keeps_out")
        if Truth.UNKNOWN in truths:
            return notice("policy_list.not_known")
    return None


async def names(context: Context, room_id: str, user_id: str) -> Notice | None:
    """The entry by which a list that decides in a room names somebody; `None` also where that is not known."""
    async with context.db.tx() as tx:
        there = await place.find(context, tx, room_id)
    for by_policy in using.policies_of(context, there).values() if there is not None else ():
        for one, listed in await look_up(context, by_policy, user_id, room_id, deciding=True):
            if listed.truth is Truth.TRUE:
                return is_on(one.name, listed).why
    return None


async def told(context: Context, _: Place, request: Request) -> Notice | None:
    """For a card: a list that names somebody, and does not decide."""
    news = await news_of(context, request)
    named = [one for one in news if not one.decides and one.now.truth is Truth.TRUE]
    return notice("dossier.on_list", why=is_on(named[0].one.name, named[0].now).why) if named else None


def overrides(before: Judgement | None, judgement: Judgement) -> bool:
    """Whether a list has changed what a rule has answered: an accept only where an entry names somebody, and that is
    why they are not accepted any more. What another policy says, which nobody has applied, counts no further."""
    if before is None or before.decision.verdict is judgement.decision.verdict:
        return False
    decision = judgement.decision
    if before.policies != judgement.policies:
        return decision.found is not None or misses_by_entry(decision, before.decision.rule) is not None
    was, now = _truths(before.facts), _truths(judgement.facts)
    turned = {name: truth for name, truth in now.items() if was.get(name) is not truth}
    if before.decision.verdict is not Verdict.ACCEPT:
        return bool(turned)
    asked = decision.found is not None or decision.unknown is not None or misses_by_entry(decision) is not None
    return (Truth.TRUE in turned.values() and asked) or (Truth.TRUE in now.values() and names_them(decision))


def at_once(before: Judgement | None, judgement: Judgement) -> bool:
    """Whether a list decides about somebody who waits, before the policy that names it is applied: it names them, and
    is not the one that has left them to the moderators."""
    if not names_them(judgement.decision):
        return False
    return before is None or not names_them(before.decision) or before.decision.rule != judgement.decision.rule


def _truths(facts: Facts) -> dict[tuple[str | None, str], Truth]:
    seen: dict[str | None, Facts] = {using.FIRST: facts}
    seen |= {origin: facts.seen_from(origin) for origin in facts.elsewhere}
    return {(origin, name): listed.truth for origin, one in seen.items() for name, listed in one.lists.items()}
