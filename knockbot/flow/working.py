"""Jobs at work: how each kind is done and what follows from it, handed to the worker of the engine.

To add a kind of job, add its row in `domain/jobs.py:JOBS`, and its row in the `ACTS` of the file that does it. The
`ACTS` of the flow are listed here, those of a feature in its `Feature`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from knockbot.domain.jobs import Act, Job
from knockbot.domain.model import Request
from knockbot.domain.notices import Notice, because
from knockbot.engine.turn import Turn
from knockbot.engine.worker import Hooks, Outcome
from knockbot.errors import Never
from knockbot.flow import cards, encrypted, journal
from knockbot.flow.acts import conversing, files, going, lines, members
from knockbot.flow.acts import prompts as prompt_acts
from knockbot.flow.context import Context
from knockbot.flow.forgetting import hourly
from knockbot.flow.keys import Keys, NoKeys
from knockbot.flow.ports import NOT_ALLOWED
from knockbot.flow.tables import Doing, rows
from knockbot.store import jobs, prompts, requests
from knockbot.store.db import Tx
from knockbot.store.jobs import Claimed

ACTS: Mapping[Act, Doing] = {
    **members.ACTS,
    **prompt_acts.ACTS,
    **lines.ACTS,
    **files.ACTS,
    **going.ACTS,
    **conversing.ACTS,
}
"""The kinds of job that are common to all requests."""

MENDABLE = frozenset({"KNOCKBOT_NO_POWER", "KNOCKBOT_NOT_JOINED", NOT_ALLOWED})
"""Errors that a moderator, or a change of the config, can fix: the job waits for this."""


def all_acts(context: Context) -> dict[Act, Doing]:
    """How each kind of job is done, those of the features included."""
    acts = dict(ACTS)
    for feature in rows(context):
        acts |= feature.acts
    return acts


def hooks(context: Context, keys: Keys | None = None) -> Hooks:
    """What the worker is to do with jobs. Of several processes, one has the bot's `keys` at a time."""
    acts, has = all_acts(context), keys or NoKeys()

    async def run(claimed: Claimed[Any]) -> Outcome:
        return await acts[claimed.job.act].run(context, claimed)

    async def ended(turn: Turn, job: Job[Any], came: Outcome) -> None:
        follows = acts[job.act].ended
        if follows is not None:
            await follows(context, turn, job, came)

    async def refused(turn: Turn, job: Job[Any], error: Never) -> None:
        await _note(turn.tx, job, error)
        follows = acts[job.act].refused
        if follows is not None:
            await follows(context, turn, job, error)
        if error.code == "KNOCKBOT_DENIED":
            turn.after(partial(context.look_at, job.room_id))  # the look tells the moderators once

    async def blocked(turn: Turn, job: Job[Any], error: Never) -> None:
        request = await _note(turn.tx, job, error)
        if request is not None and request.card_id is not None:
            await cards.refresh(turn, request.card_id)  # it says why the answer is not carried out yet
        elif request is not None and request.answer is not None and request.answer.instead:
            await cards.show(context, turn, request.id)  # until then they may come in by what a rule gave them
        await encrypted.tell_if_silent(context, turn, job.room_id)
        # The look tells the moderators once, and the job goes on when the problem is fixed.
        turn.after(partial(context.look_at, job.room_id))

    return Hooks(
        run=run,
        hold=partial(_hold, context),
        ended=ended,
        refused=refused,
        blocked=blocked,
        postponed=journal.postponed,
        put_off=_put_off,
        is_mendable=lambda error: error.code in MENDABLE,
        may_encrypt=lambda: has.here,
    )


async def _put_off(turn: Turn, claimed: Claimed[Any], why: Notice) -> None:
    """An act waits for long: the cards say so, each once, since it does not matter to people how often it is tried."""
    for card_id in await jobs.cards_to_put_off(turn.tx, claimed.id, claimed.job.server):
        await cards.refresh(turn, card_id)
    await jobs.put_off(turn.tx, claimed.id, claimed.job.server, because("act.put_off", why=why))


async def _look_again(_: Context, turn: Turn) -> None:
    await jobs.look_again(turn.tx, turn.now)


LOOK_AGAIN = hourly(_look_again)
"""A timer: jobs that wait for another job which no longer goes first are checked again."""


async def _note(tx: Tx, job: Job[Any], error: Never) -> Request | None:
    """Log that a job is not done, and return the request that it is for."""
    request = await requests.get(tx, job.request_id) if job.request_id is not None else None
    journal.given_up(job, request, error.why)
    return request


async def _hold(context: Context, tx: Tx, job: Job[Any]) -> None:
    """Lock what a job is about before the job itself: else two transactions could wait for each other.

    The order is the same everywhere: requests, prompts, jobs. On SQLite nobody else writes meanwhile.
    """
    if context.db.alone:
        return
    if job.request_id is not None:
        await requests.get(tx, job.request_id)
    if job.prompt_id is not None:
        await requests.on_card(tx, job.prompt_id)
        await prompts.get(tx, job.prompt_id)
