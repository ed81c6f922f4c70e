"""The benchmark's command line: which parts, how much of each, and where the figures go."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from tests.bench import asked, bursts, decide, intake, knocks, lists, start, trials, waves
from tests.bench.figures import Table, machine
from tests.bench.sizes import QUICK, Sizes

Part = Callable[[Sizes], Awaitable[list[Table]]]

PARTS: dict[str, Part] = {
    "decide": decide.run,
    "lists": lists.run,
    "trials": trials.run,
    "intake": intake.run,
    "start": start.run,
    "requests": asked.run,
    "knocks": knocks.run,
    "bursts": bursts.run,
    "waves": waves.run,
}
"""What can be measured, in the order in which it is."""


def main() -> None:
    """Measure, print a table of each part, and write them all as JSON."""
    arguments = _arguments()
    directory = Path(arguments.directory or tempfile.mkdtemp(prefix="knockbot-bench-"))
    tempfile.tempdir = os.environ["TMPDIR"] = str(directory)
    measured_on = machine(directory)
    print("  ".join(f"{name} {value}" for name, value in measured_on.items()), flush=True)
    tables: list[Table] = []
    sizes = QUICK if arguments.quick else Sizes()
    given = {name: getattr(arguments, name) for name in ("repeats", "knocks", "burst", "engines", "before")}
    sizes = replace(sizes, **{name: value for name, value in given.items() if value})
    for name in arguments.only or PARTS:
        began = time.monotonic()
        found = asyncio.run(_played(PARTS[name], sizes))
        tables += found
        for table in found:
            print(f"\n{table}", flush=True)
        print(f"\n({name}: {time.monotonic() - began:.0f} s)", flush=True)
        _write(Path(arguments.json), {"machine": measured_on, "quick": arguments.quick}, tables)


async def _played(part: Part, sizes: Sizes) -> list[Table]:
    return await part(sizes)


def _write(file: Path, about: dict[str, object], tables: list[Table]) -> None:
    parts = [{"part": table.part, "title": table.title, "rows": table.rows, "notes": table.notes} for table in tables]
    file.write_text(json.dumps({**about, "tables": parts}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--only", type=_parts, metavar="PART,…", help=f"of {', '.join(PARTS)}; else all")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether it runs, not what it takes")
    parser.add_argument("--repeats", type=int, metavar="N", help="how often all is measured; the medians are shown")
    parser.add_argument("--knocks", type=int, metavar="N", help="how many for each median of `knocks`")
    parser.add_argument("--burst", type=int, metavar="N", help="how many at once in `bursts`")
    parser.add_argument("--engines", type=_engines, metavar="ENGINE,…", help="SQLite, PostgreSQL; else both")
    parser.add_argument("--before", metavar="DIR", help="another checkout, whose knockbot is a further contestant")
    parser.add_argument("--json", default="bench.json", metavar="FILE", help="where the figures go (%(default)s)")
    parser.add_argument("--directory", metavar="DIR", help="where databases lie; else one of its own below TMPDIR")
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(unknown)}")
    return names


def _engines(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not set(names) <= set(Sizes().engines):
        raise argparse.ArgumentTypeError(f"engines are {', '.join(Sizes().engines)}")
    return names


if __name__ == "__main__":
    main()
