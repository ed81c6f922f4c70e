"""A knockbot beside which somebody can say what it is to do with a policy list: a process of its own, asked by lines.

Each line that it reads is a word with its arguments, and each that it writes the answer, as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from knockbot.app import service
from knockbot.config.policies import read_known_policy
from knockbot.config.settings import read_settings
from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Knock, ListChange, Verdict
from knockbot.features.lists import matching, reading
from knockbot.flow import judging, rules
from knockbot.flow.context import Context
from knockbot.matrix import events
from knockbot.store import lists, policies
from tests.bench.crowd import SERVER
from tests.bench.entries import BANS, KINDS, event
from tests.bench.figures import Row, memory

AT_ONCE = 500

GARDEN, MOD = f"!garden:{SERVER}", f"@mod:{SERVER}"


async def fill(context: Context, kind: str, count: str) -> Row:
    """Follow a list that has so many entries of a kind, as if it had been read."""
    await _lists_left(context)
    async with context.db.tx() as tx:
        await lists.follow(tx, BANS, context.now())
        begun = await lists.begin(tx, BANS)
    told = (_change(event(number, *entry)) for number, entry in enumerate(KINDS[kind](int(count))))
    while portion := [change for change, _ in zip(told, range(AT_ONCE), strict=False)]:
        async with context.db.tx() as tx:
            await lists.take_in(tx, begun, portion)
    async with context.db.tx() as tx:
        await lists.finish(tx, begun, context.now())
    return {}


async def _lists_left(context: Context) -> None:
    """Return once lists that no policy names were left, as after each start: it would be this one."""
    while True:
        async with context.db.statement() as tx:
            due_at = await tx.fetchval("SELECT due_at FROM timers WHERE key = 'leave_unused_lists'")
        if due_at is not None and due_at > context.now():
            return
        await asyncio.sleep(0.01)


def _change(raw: dict[str, Any]) -> ListChange:
    change = events.list_change(raw)
    assert change is not None
    return change


async def look(context: Context, times: str) -> Row:
    """Look for strangers whom the list does not name: seconds each, seconds of CPU each, and what it took before."""
    gc.collect()
    before, began = memory(), time.perf_counter()
    async with context.listed.lock(BANS):
        await matching.up_to_date(context, BANS)
    loading = time.perf_counter() - began
    gc.collect()
    held, took, used = memory() - before, [], time.process_time()
    for number in range(int(times)):
        began = time.perf_counter()
        hit = await matching.match(context, BANS, f"@ana_{number}:matrix.rose.example", at_expense_of=f"!{number}")
        took.append(time.perf_counter() - began)
        assert hit is None or hit.kind
    return {
        "took": took,
        "cpu": (time.process_time() - used) / int(times),
        "loading": loading,
        "held": held,
    }


async def read(context: Context) -> Row:
    """Read a list that the homeserver has."""
    async with context.db.tx() as tx:
        await lists.follow(tx, BANS, context.now())
    used, began = time.process_time(), time.perf_counter()
    assert await reading.read(context, BANS)
    took, used = time.perf_counter() - began, time.process_time() - used
    async with context.db.tx() as tx:
        counts = await lists.counts(tx, BANS)
    return {"took": took, "cpu": used, "entries": sum(counts.usable.values())}


RULES = """
rules:
- {name: ours, when: {server: ["*.rose.spam", rose.spam]}, then: ban}
- {name: students, when: {reason_matches: "(?i)\\\\bstudent\\\\b"}, then: reject}
- {name: short, when: {not: {reason_length_at_least: 5}}, then: reject}
otherwise: forward
"""
"""Rules that somebody who knocks has to be compared with, and that leave them to the moderators."""


async def judge(context: Context, times: str, lists_named: str) -> Row:
    """Judge strangers by a policy with rules, which names the list or none: seconds each, seconds of CPU, MB more."""
    gc.collect()
    before = memory()
    await _set_policy(context, lists_named)
    await _judged(context, 0)  # compiled, and in memory
    gc.collect()
    held, took, used = memory() - before, [], time.process_time()
    for number in range(int(times)):
        began = time.perf_counter()
        judgement = await _judged(context, number)
        took.append(time.perf_counter() - began)
        assert judgement.decision.verdict is Verdict.FORWARD
        assert judgement.decision.unknown is None, judgement.decision.unknown
    return {"took": took, "cpu": (time.process_time() - used) / int(times), "held": held}


async def _set_policy(context: Context, lists_named: str) -> None:
    text = (f'lists: [{{room: "{BANS}", name: bans}}]' if lists_named == "list" else "") + RULES
    async with context.db.tx() as tx:
        settings, now = read_known_policy(text).settings, context.now()
        await policies.revise(tx, GARDEN, author=MOD, text=text, now=now, cause=None, settings=settings)


async def _judged(context: Context, number: int) -> Judgement:
    who = f"@ana_{number}:matrix.rose.example"
    knock = Knock(GARDEN, who, f"$knock{number}", "I would like to see the roses", "Ana")
    return await judging.judge(context, await rules.look_up(context, GARDEN), judging.Case(knock))


WORDS: dict[str, Callable[..., Awaitable[Row]]] = {"fill": fill, "look": look, "judge": judge, "read": read}


async def main(config: Mapping[str, Any]) -> None:
    """Run, and do what is said until nothing more is."""
    settings = read_settings(config)
    loop = asyncio.get_running_loop()
    async with service(settings) as context:
        print(json.dumps({}), flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            word, *arguments = line.split("\t")
            answer = await WORDS[word.strip()](context, *(argument.strip() for argument in arguments))
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
