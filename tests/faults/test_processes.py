"""Two and three processes of knockbot on one PostgreSQL, behind a load balancer."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from tests.faults.processes import harmed_in_the_middle, killed_one_after_another, known_to_be_dead
from tests.faults.stage import staged

pytestmark = pytest.mark.long


def tracebacks(logs: str) -> list[str]:
    """Each error that nobody thought of, whole."""
    return re.findall(r"^.*\nTraceback (?:.*\n)+?(?=\d{4}-|\Z)", logs, re.MULTILINE)


def test_a_traceback_is_found_whole() -> None:
    error = "2026-12-01 B has failed\nTraceback (most recent call last):\n  File x\nKeyError: 1\n"
    assert tracebacks(f"2026-12-01 A\n{error}2026-12-01 C\n") == [error]


async def test_of_two_processes_behind_a_balancer_one_dies_and_everybody_is_answered_once_and_in_order(
    tmp_path: Path,
) -> None:
    """`make faults` does the same with 500 knocks. Both start at once, on a database that is empty."""
    async with staged(tmp_path, "postgres", bots=2) as stage:
        missing = await harmed_in_the_middle(stage, random.Random(6), known_to_be_dead, rooms=2, each=12)

        assert missing == ""
        assert await stage.ledger.violations() == []
        assert all(stage.to_bots.taken.values()), "one of them was never asked"
        assert len(stage.to_bots.taken) == 2
        assert tracebacks(stage.logs()) == []


async def test_three_processes_are_killed_one_after_another_while_a_batch_runs_and_a_wave_begins(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path, "postgres", bots=3) as stage:
        missing = await killed_one_after_another(stage, random.Random(3), rooms=2, each=20, buried=True)

        assert missing == ""
        assert await stage.ledger.violations() == []
        assert tracebacks(stage.logs()) == []
