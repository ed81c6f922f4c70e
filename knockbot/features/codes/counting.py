"""Whether a code counts for its holder at this moment, and how often it was used.

A request whose code counts holds a use of it from its decision on. It is kept by whoever joins, and comes back where
nothing came of the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from knockbot.domain.judgements import Judgement
from knockbot.domain.may import Deed
from knockbot.domain.model import Because, Brought, Facts, Rejudge, Request, State, Step, Truth, Verdict
from knockbot.domain.notices import Moment, Notice, Stranger, User, because, notice, notices_in
from knockbot.domain.records import Recorded
from knockbot.domain.remarks import Extent
from knockbot.engine.turn import Turn
from knockbot.errors import Never
from knockbot.flow import authority, rejudging
from knockbot.flow.asking import Asked
from knockbot.flow.authority import Remembered
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.records import record
from knockbot.store import codes, judgements, layers, requests
from knockbot.store.codes import Code
from knockbot.store.db import Tx


async def brought(asked: Asked, facts: Facts, _: Sequence[str]) -> Facts:
    """Whether the applicant brings a code that counts, of this room or of a space whose policy decides here."""
    context, knock = asked.context, asked.knock
    remembered = context.standings.as_heard if context.db.alone else None
    async with context.db.tx() as tx:
        latest = await requests.latest(tx, knock.room_id, knock.user_id, held=False)
        waiting = latest if latest is not None and latest.open else None
        own, earlier = (waiting.id, waiting.code) if waiting is not None else (0, None)
        code_id = knock.code or earlier  # who knocks again need not bring it again
        code = await codes.get(tx, code_id) if code_id is not None else None
        why = await over(tx, code, (knock.room_id, knock.user_id), own, context.now()) if code is not None else None
        shut = await codes.shut_out_until(tx, knock.room_id, knock.user_id)
    if shut > context.now() and code is not None:
        why = because("code.guessing", until=Moment(shut))
    return replace(facts, code=await _looked_at(context, code, why, (knock.room_id, knock.user_id), remembered))


async def over(tx: Tx, code: Code, where: tuple[str, str], own: int, now: int) -> Notice | None:
    """Why a code does not count any more, by the records; `None` if it does."""
    room_id, user_id = where
    decide = await layers.of(tx, room_id)
    if code.room_id not in (room_id, *(layer.room_id for layer in decide)):
        return because("code.elsewhere")
    if code.ended_at is not None:
        return because("code.ended")
    if code.until is not None and code.until < now:
        return because("code.late", until=Moment(code.until))
    removal = await requests.last_removal(tx, room_id, user_id)
    if removal is not None and code.given_at <= removal.at:
        return because("pre_approval.removed_since", by=User(removal.by))
    return because("code.used_up") if await codes.uses(tx, code.id, besides=own) >= code.uses else None


async def _looked_at(
    context: Context, code: Code | None, why: Notice | None, where: tuple[str, str], remembered: Remembered | None
) -> Brought:
    if code is None:
        return Brought(Truth.FALSE)
    if why is not None:
        return Brought(Truth.FALSE, code.name, why)
    room_id, user_id = where
    try:
        why = await authority.lacking(
            context, code.given_by, Deed.ACCEPT, room_id=room_id, target=user_id, remembered=remembered
        )
    except Never as error:
        return Brought(Truth.UNKNOWN, code.name, error.why)
    return Brought(Truth.FALSE if why is not None else Truth.TRUE, code.name, why)


def counts(judgement: Judgement) -> bool:
    """Whether a code counted when this was judged, whichever policy asked for it."""
    facts = judgement.facts
    seen = [facts, *(facts.seen_from(origin) for origin in facts.elsewhere)]
    return any(one.code is not None and one.code.truth is Truth.TRUE for one in seen)


async def outdates(context: Context, turn: Turn, request: Request, judgement: Judgement) -> bool:
    """Whether the code of a request was ended, or used up by others, since it was judged. From here to the end of the
    transaction nobody else uses it."""
    if not counts(judgement) or judgement.decision.verdict not in HOLDING:
        return False
    code = await codes.get(turn.tx, request.code, held=True) if request.code is not None else None
    where = (request.room_id, request.user_id)
    return code is None or await over(turn.tx, code, where, request.id, context.now()) is not None


HOLDING: Final = frozenset({Verdict.ACCEPT, Verdict.FORWARD, Verdict.ASK})
"""The verdicts by which a request holds a use of its code."""


async def decided(context: Context, turn: Turn, request: Request, judgement: Judgement) -> None:
    """A judgement is stored: the request holds a use of its code now, or none."""
    if request.code is None:
        return
    if not counts(judgement) or judgement.decision.verdict not in HOLDING:
        await _give_back(context, turn, request)
    elif await codes.use(turn.tx, request.code, request.id, turn.now):
        code = await codes.get(turn.tx, request.code)
        assert code is not None
        await record(turn, request, request.user_id, Recorded.CAME_BY_CODE, code=code.name)


GIVEN_BACK: Final = frozenset({State.REJECTED, State.BANNED, State.WITHDRAWN, State.EXPIRED, State.DECLINED})
"""The outcomes after which nobody came in by the code."""


async def settled(context: Context, turn: Turn, request: Request) -> None:
    """A request has an outcome: its use comes back where nothing came of it."""
    joined_before = request.undone is not None and request.undone.step is Step.REMOVE
    if request.code is not None and request.state in GIVEN_BACK and not joined_before:
        await _give_back(context, turn, request)


AT_ONCE: Final = 10
"""Of those who wait and bring a code, so many who came first are judged again where a use of it comes back."""


async def _give_back(context: Context, turn: Turn, request: Request) -> None:
    """A request holds no use of its code any more: whoever waits longest with that code may have it."""
    code_id = await codes.give_back(turn.tx, request.id)
    if code_id is not None:
        await judge_again(context, turn, code_id, AT_ONCE)


async def judge_again(context: Context, turn: Turn, code_id: int, most: int) -> None:
    """A code counts again, or no longer: those who wait, bring it and hold no use of it are judged again."""
    waiting = await codes.waiting_with(turn.tx, code_id, most)
    cause = f"{code_id}:{turn.now}"
    again = [Rejudge(room_id, Because.CODE, cause, request_id) for request_id, room_id in waiting]
    await rejudging.plan_each(context, turn, again)


def at_once(_: Judgement | None, judgement: Judgement) -> bool:
    """Whether a code counts for somebody who waits, before the policy in force is applied: that accepts them."""
    decision = judgement.decision
    return Verdict.ACCEPT in (decision.verdict, decision.held) and counts(judgement)


async def bars(context: Context, there: Place, request: Request) -> Notice | None:
    """Why a rule must not accept somebody any more whose code counted when it decided: whoever made the code could not
    accept them by hand at this moment. May raise `Later`."""
    if request.code is None:
        return None
    async with context.db.statement() as tx:
        before = await judgements.newest(tx, request.id)
    if before is None or not counts(before):
        return None
    async with context.db.statement() as tx:
        code = await codes.get(tx, request.code)
    where = (there.room_id, request.user_id)
    now = await _looked_at(context, code, None, where, context.standings.a_moment_ago)
    return because("code.counts_no_more") if now.truth is not Truth.TRUE else None


async def remarks(_: Context, tx: Tx, about: Sequence[Request], extent: Extent) -> Mapping[int, Sequence[Notice]]:
    """By which code each of these came, or that theirs does not count. It is told only where the code was made."""
    bringing = [request for request in about if request.code is not None]
    found = await codes.several(tx, [one.code for one in bringing if one.code is not None]) if bringing else {}
    using = await codes.used_by(tx, [one.id for one in bringing]) if found else frozenset()
    said: dict[int, Sequence[Notice]] = {}
    for one in bringing:
        code = found.get(one.code or 0)
        if code is not None and code.management_room == one.management_room:
            used = one.id in using or one.state is State.JOINED
            said[one.id] = [_remark(code, extent) if used else _unused(code, one)]
    return said


def _unused(code: Code, request: Request) -> Notice:
    """That the code of a request does not count, and why, as far as its decision says."""
    missed = request.decision.missed if request.decision is not None else ()
    void = (why for miss in missed for why in notices_in(miss.why) if why.code == "finding.code_void_why")
    why = next((one.args["why"] for one in void), None)
    if why is None:
        return notice("codes.remark_unused", name=Stranger(code.name))
    return notice("codes.remark_void", name=Stranger(code.name), why=why)


def _remark(code: Code, extent: Extent) -> Notice:
    name = Stranger(code.name)
    if extent is Extent.ROW:
        return notice("codes.remark_row", name=name)
    return notice("codes.remark", name=name, by=User(code.given_by))
