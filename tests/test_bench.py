"""The benchmark still runs: played in tiny sizes, for its figures mean nothing here."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.documentation import ROOT

PARTS = ("decide", "lists", "intake", "start")
"""The parts that need no homeserver; `.ci/run` plays them all."""


@pytest.mark.long
async def test_the_benchmark_fills_its_tables(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    options = ["--quick", "--only", ",".join(PARTS), "--json", str(file), "--directory", str(tmp_path)]
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench", *options, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await run.communicate()

    assert run.returncode == 0
    tables = json.loads(file.read_text())["tables"]
    assert {table["part"] for table in tables} == set(PARTS)
    for table in tables:
        assert table["title"] in said.decode()
        assert all(value is not None for row in table["rows"] for value in row.values())

    for row in next(table for table in tables if table["part"] == "start")["rows"]:
        assert row["unfiltered"] == 0  # nobody who starts asks for all members of a room, however few they are
