"""A short part of `make faults`: a fault of each kind that takes no long wait, by the same chance each time.

Moderators do little in it. `make faults` plays batches, waves, undo, notes, claims, deferrals, votes, reminders, quiet
hours and conversations of applicants as well.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.harness import Harness, Tally
from tests.faults.stage import staged

pytestmark = pytest.mark.long

SHORT = {
    "sqlite": ["knockbot killed", "disk full", "homeserver killed", "half-open on the way to the homeserver"],
    "postgres": ["knockbot killed", "database restarted", "disk full", "half-open on the way to knockbot"],
}
"""Of each party one fault that is hard on it; the rest is for `make faults`."""


@pytest.mark.parametrize("engine", SHORT)
async def test_whatever_breaks_everybody_is_answered_once(tmp_path: Path, engine: str) -> None:
    said: list[str] = []
    tally = Tally()
    async with staged(tmp_path, engine) as stage:
        harness = Harness(stage, random.Random(f"short {engine}"), tally, said.append, few_plays=True)
        for name in SHORT[engine]:
            assert await harness.play(name), "\n".join([*said, stage.logs()[-5000:]])

    assert tally.violations == []
    assert tally.faults.total() == len(SHORT[engine])
