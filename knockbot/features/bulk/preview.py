"""The message of a batch: it asks whoever wants it, shows how far it is, and says at last what has come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate
from json import dumps
from typing import Any, Final

from knockbot.documents.text import NAME_LIMIT
from knockbot.domain import card
from knockbot.domain.batches import OPEN, WITHIN, Batch, Given, Left, Stage, Tally, tally
from knockbot.domain.model import Reaction, Request
from knockbot.domain.notices import (
    Ago,
    Choice,
    Code,
    Duration,
    Notice,
    Number,
    Numbered,
    Room,
    User,
    because,
    below,
    notice,
    numbered,
)
from knockbot.engine.prompts import Face, PromptKind, post, refresh
from knockbot.engine.timers import set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.features.bulk import asking, counting, stopping
from knockbot.flow import place, saying
from knockbot.flow.context import Context
from knockbot.flow.ports import PROMPT_KEY
from knockbot.flow.questions import hinting
from knockbot.flow.saying import Audience
from knockbot.store import batches, prompts, requests
from knockbot.store.db import Tx
from knockbot.store.prompts import Prompt
from knockbot.store.timers import Timer

YES, NO = "✅", "❌"

NAME: Final = "batch"
"""Its row in `product.py:PROMPTS`."""

RUN: Final = "run_batch"
"""The timer by which the next requests of a batch get their answers."""

FIRST = 10
"""Requests that are named when it is asked about."""


# --- what it shows --------------------------------------------------------------------------------------------


async def _face(context: Context, prompt: Prompt) -> Face:
    async with context.db.tx() as tx:
        batch = await batches.of_prompt(tx, prompt.id)
        managed = await place.managed_by(context, tx, prompt.room_id)
        said = await _said(context, tx, batch) if batch is not None else notice("prompt.closed")
    write = partial(_message, context, language=place.language_of(context, managed))
    if batch is None:
        return Face(partial(write, said), needless=because("overtaken.not_asked"))
    block = {"kind": NAME, "batch": batch.number, "stage": batch.stage}
    needless = because("overtaken.not_asked") if batch.stage in (Stage.DECLINED, Stage.LAPSED) else None
    return Face(
        partial(write, said, reply_to=batch.cause, blocks={PROMPT_KEY: block}), OFFERS[batch.stage], needless=needless
    )


OFFERS: Final[Mapping[Stage, tuple[str, ...]]] = {
    Stage.ASKED: (YES, NO),
    Stage.RUNNING: (NO,),
    Stage.DONE: (),
    Stage.STOPPED: (),
    Stage.DECLINED: (),
    Stage.LAPSED: (),
}
"""What a click on it can say."""


def _message(context: Context, said: Notice, calls: Sequence[str], key: str, **how: Any) -> Any:
    return context.wording.message(said, key, calls=calls, **how)


async def _said(context: Context, tx: Tx, batch: Batch) -> Notice:
    if batch.stage is Stage.ASKED:
        return await _asked(context, tx, batch)
    if batch.stage in (Stage.DECLINED, Stage.LAPSED):
        return _nothing_done(batch)
    return _so_far(batch, await counting.count(tx, batch))


async def _asked(context: Context, tx: Tx, batch: Batch) -> Notice:
    asked, left = [await batches.items(tx, batch.id, asked=which) for which in (True, False)]
    known = await requests.several(tx, [item.request_id for item in (*asked, *left)])
    managed = await place.managed_by(context, tx, batch.management_room)
    places = {there.room_id: there for there in managed}
    meant = [one for item in asked if (one := known.get(item.request_id)) is not None]
    here = [one for one in meant if one.management_room == batch.management_room and one.room_id in places]
    labels = {room_id: there.label for room_id, there in places.items()}
    shown = _few(sorted(here, key=lambda one: (one.opened_at, one.number))[:FIRST])
    others = len(asked) - len(shown)
    votes = await asking.votes(tx, batch, here, places)
    return below(
        asking.question(batch, len(asked), here, places),
        _selected(batch, others=bool(left)),
        *asking.told(batch, here, places),
        *(_row(one, labels, context.now()) for one in shown),
        notice("bulk.others", count=Number(others)) if others and shown else None,
        *_left_out(tally(batch, [(item, known.get(item.request_id)) for item in left])),
        *votes,
        notice("bulk.confirm", user=User(batch.given_by), time=Duration(WITHIN)),
    )


def _few(shown: Sequence[Request]) -> list[Request]:
    """As many of them as a message has room for beside the rest, whatever they call themselves."""
    lengths = accumulate(len(dumps([(one.display_name or "")[:NAME_LIMIT], one.user_id])) for one in shown)
    return [one for one, length in zip(shown, lengths, strict=True) if length <= ROOM]


ROOM = 4000
"""Bytes of names and IDs in the message that asks; each stands in it several times."""


def _selected(batch: Batch, *, others: bool) -> Notice:
    """Which they are; `others` if somebody who waits, or fits, is left out."""
    which = Choice("others" if others else "all")
    if not batch.selection:
        return notice("bulk.all", which=which)
    return notice("bulk.selected", which=which, selection=Code(batch.selection))


def _row(request: Request, labels: Mapping[str, str], now: int) -> Notice:
    room = Room(request.room_id, labels[request.room_id])
    when = Ago(now - request.opened_at)
    return notice("list.row", request=Numbered(request.number), who=card.applicant(request), room=room, when=when)


def _left_out(found: Tally) -> list[Notice]:
    """Who gets no answer, one line for each reason."""
    lines = []
    for why in Left:
        numbers = found.left.get(why, [])
        known = [number for number in numbers if number]
        if known:
            lines.append(notice("bulk.left", why=Choice(why), count=Number(len(numbers)), requests=numbered(known)))
        elif numbers:
            lines.append(notice("bulk.left_unnamed", count=Number(len(numbers))))
    return lines


def left_out_of(found: Sequence[tuple[Request, Left | None]]) -> list[Notice]:
    """The same of requests that nobody was asked about yet."""
    left: dict[Left, list[int]] = {}
    for request, why in found:
        if why is not None:
            left.setdefault(why, []).append(request.number)
    return _left_out(Tally(len(found), 0, left=left))


def _nothing_done(batch: Batch) -> Notice:
    number = Number(batch.number)
    if batch.stage is Stage.LAPSED:
        return notice("bulk.lapsed", number=number, user=User(batch.given_by), time=Duration(WITHIN))
    return notice("bulk.declined", number=number, user=User(batch.ended_by or batch.given_by))


def _so_far(batch: Batch, found: Tally) -> Notice:
    """How far it is, or what has come of it."""
    number, verdict = Number(batch.number), Choice(batch.verdict)
    done, count, by = Number(found.count(Given.DONE)), Number(found.total), User(batch.given_by)
    rest: list[Notice] = []
    if batch.stage is Stage.RUNNING:
        head = notice("bulk.running", verdict=verdict, number=number, user=by, done=done, count=count)
        rest = [notice("bulk.how_to_stop", sign=Code(NO))]
    elif batch.stage is Stage.STOPPED:
        who = User(batch.ended_by or batch.given_by)
        head = notice("bulk.stopped", verdict=verdict, number=number, user=who, done=done, count=count)
        rest = [notice("bulk.untouched", count=Number(found.waiting))] if found.waiting else []
    else:
        head = notice("bulk.done", verdict=verdict, number=number, user=by, done=done, count=count)
    given = [
        notice("bulk.given", how=Choice(how), count=Number(len(numbers)), requests=numbered(numbers))
        for how in (Given.UNDER_WAY, Given.HELPED, Given.HELD, Given.FAILED, Given.OPEN)
        if (numbers := found.given.get(how)) and (how is not Given.UNDER_WAY or batch.stage is not Stage.RUNNING)
    ]
    undone = [
        notice("bulk.undone", count=Number(len(numbers)), by=User(by), requests=numbered(numbers))
        for by, numbers in found.undone.items()
    ]
    return below(head, *given, *undone, *_left_out(found), *rest)


# --- clicks on it ---------------------------------------------------------------------------------------------


async def _takes_clicks(tx: Tx, prompt: Prompt) -> bool:
    batch = await batches.of_prompt(tx, prompt.id)
    return batch is not None and batch.stage in OPEN


async def _clicked(context: Context, prompt: Prompt, reaction: Reaction) -> Write[None] | None:
    async with context.db.tx() as tx:
        batch = await batches.of_prompt(tx, prompt.id)
    if batch is None:
        return None
    if reaction.key not in (YES, NO):
        return hinting(OFFERS[batch.stage], context, reaction)
    may_stop = batch.stage is Stage.RUNNING and await stopping.may_stop(context, batch, reaction.sender)

    async def write(turn: Turn) -> None:
        now = await batches.find(turn.tx, batch.id, held=True)
        if now is not None:
            why = await _take(context, turn, now, reaction, may_stop=may_stop)
            if why is not None:
                await _say_once(context, turn, now, reaction, why)

    return write


async def _take(context: Context, turn: Turn, batch: Batch, reaction: Reaction, *, may_stop: bool) -> Notice | None:
    """Take a click; returns why not, where it does nothing."""
    by, stage = reaction.sender, None
    if batch.stage is Stage.ASKED and by != batch.given_by:
        return notice("bulk.not_yours", user=User(batch.given_by))
    if batch.stage is Stage.ASKED and turn.now >= batch.closes_at:
        stage = Stage.LAPSED
    elif batch.stage is Stage.ASKED:
        stage = Stage.RUNNING if reaction.key == YES else Stage.DECLINED
    elif batch.stage is Stage.RUNNING and reaction.key == NO:
        if not (may_stop or by == batch.given_by):
            return notice("bulk.may_not_stop", user=User(batch.given_by))
        stage = Stage.STOPPED
    elif batch.stage is Stage.RUNNING:
        return None if by == batch.given_by else notice("bulk.runs_already", number=Number(batch.number))
    if stage is None:
        return notice("bulk.over", number=Number(batch.number))
    await batches.move_on(turn.tx, batch, stage, by if stage in (Stage.DECLINED, Stage.STOPPED) else None)
    if stage is Stage.RUNNING:
        await set_timer(context, turn, Timer(f"{RUN}:{batch.id}", RUN, str(batch.id), turn.now))
    await refresh(turn, batch.prompt_id)
    return None


async def _too_late(context: Context, prompt: Prompt, reaction: Reaction) -> Write[None] | None:
    """A click on a batch that is over: each person is told that once; who ended it by this click is not."""
    async with context.db.tx() as tx:
        batch = await batches.of_prompt(tx, prompt.id)
    ended = batch is not None and batch.ended_by == reaction.sender and reaction.key == NO
    if batch is None or reaction.key not in (YES, NO) or ended:
        return None

    async def write(turn: Turn) -> None:
        await _say_once(context, turn, batch, reaction, notice("bulk.over", number=Number(batch.number)))

    return write


async def _say_once(context: Context, turn: Turn, batch: Batch, reaction: Reaction, why: Notice) -> None:
    """However often they click, they are told this once."""
    occasion = f"refused:batch:{batch.id}:{reaction.sender}:{reaction.key}:{why.code}"
    await saying.say(context, turn, Audience(reaction.room_id), occasion, why, reply_to=reaction.target)


async def _removed(_: Context, turn: Turn, prompt: Prompt) -> None:
    """Its message was redacted: while it asks or runs, it is posted again."""
    batch = await batches.of_prompt(turn.tx, prompt.id)
    if batch is not None and batch.stage in OPEN:
        another = await prompts.new(turn.tx, prompt.room_id, NAME, prompt.about, turn.now)
        await batches.shown_by(turn.tx, batch.id, another.id)
        await post(turn, another)


PROMPT: Final[PromptKind[Context]] = PromptKind(
    render=_face, takes_clicks=_takes_clicks, clicked=_clicked, too_late=_too_late, removed=_removed
)
"""The message of a batch."""
