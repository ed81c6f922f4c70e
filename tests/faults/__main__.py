"""`make faults`: every fault, many times, then two processes; prints counts, and ends with 1 if anything is amiss."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.harness import FAULTS, ON_POSTGRES, Harness, Tally
from tests.faults.processes import HARMS, harmed_in_the_middle, killed_one_after_another
from tests.faults.stage import Stage, staged


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=20261121, help="what chance begins with; the same plays the same")
    parser.add_argument("--kills", type=int, default=50, help="rounds in which knockbot is killed")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each other fault, on each engine")
    parser.add_argument("--only", action="append", choices=FAULTS, help="nothing but this fault; may be given again")
    parser.add_argument("--engine", choices=("sqlite", "postgres"), help="on this engine alone")
    parser.add_argument("--knocks", type=int, default=500, help="knocks at two processes; 0 for none")
    return parser.parse_args()


def say(line: str) -> None:
    print(line, flush=True)


def plan(asked: argparse.Namespace, engine: str, chance: random.Random) -> list[str]:
    """The faults to be played on one engine, in their order."""
    names = [name for name in asked.only or FAULTS if engine == "postgres" or name not in ON_POSTGRES]
    engines = 1 if asked.engine else 2
    rounds = [
        name for name in names for _ in range(asked.kills // engines if name == "knockbot killed" else asked.rounds)
    ]
    chance.shuffle(rounds)
    return rounds


async def play(asked: argparse.Namespace, engine: str, directory: Path, tally: Tally) -> None:
    """All rounds on one engine; after one that did not end well, on a fresh stage."""
    chance = random.Random(f"{asked.seed} {engine}")
    left = plan(asked, engine, chance)
    stages = 0
    while left:
        stages += 1
        async with staged(directory / f"{engine}-{stages}", engine) as stage:
            harness = Harness(stage, chance, tally, say)
            while left:
                name = left.pop()
                begun = time.monotonic()
                fine = await harness.play(name)
                say(f"{'✓' if fine else '✗'} {engine}: {name} ({time.monotonic() - begun:.1f} s, {len(left)} to go)")
                if not fine:
                    kept = Path(tempfile.mkdtemp(prefix="knockbot-faults-")) / "log"
                    await asyncio.to_thread(kept.write_text, stage.logs())
                    say(f"  what knockbot said: {kept}")
                    break


async def share(asked: argparse.Namespace, name: str, directory: Path, tally: Tally) -> None:
    """Two processes, ten rooms, and harm to one of them in the middle."""
    async with staged(directory / name.replace(" ", "-"), "postgres", bots=2) as stage:
        begun = time.monotonic()
        chance = random.Random(asked.seed)
        missing = await harmed_in_the_middle(stage, chance, HARMS[name], rooms=10, each=asked.knocks // 10)
        await sum_up(stage, name, missing, time.monotonic() - begun, tally)


async def bury_each(asked: argparse.Namespace, directory: Path, tally: Tally) -> None:
    """Three processes, and each of them killed in its turn while batches and waves run."""
    name = "three processes killed one after another"
    async with staged(directory / "three", "postgres", bots=3) as stage:
        begun = time.monotonic()
        missing = await killed_one_after_another(stage, random.Random(asked.seed), rooms=4, each=asked.knocks // 20)
        await sum_up(stage, name, missing, time.monotonic() - begun, tally)


async def sum_up(stage: Stage, name: str, missing: str, seconds: float, tally: Tally) -> None:
    """Count what was done, and tell what is amiss."""
    found = [f"not over: {missing}"] if missing else await stage.ledger.violations()
    tally.rounds += 1
    tally.knocks += len(stage.ledger.everybody)
    tally.faults[name] += 1
    tally.violations += found
    taken = " and ".join(str(count) for count in stage.to_bots.taken.values())
    say(f"{name}: {len(stage.ledger.everybody)} knocks in {seconds:.0f} s; they took {taken} transactions")
    for violation in found:
        say(f"  ✗ {violation}")


async def main() -> int:
    asked = arguments()
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="knockbot-faults-") as directory:
        for engine in (asked.engine,) if asked.engine else ("sqlite", "postgres"):
            await play(asked, engine, Path(directory), tally)
        for name in HARMS if asked.knocks and not asked.only else ():
            await share(asked, name, Path(directory), tally)
        if asked.knocks and not asked.only:
            await bury_each(asked, Path(directory), tally)
    for name, count in sorted(tally.played.items()):
        say(f"{count:4} × {name}")
    for name, count in sorted(tally.faults.items()):
        say(f"{count:4} × {name}")
    say(f"seed {asked.seed}: {tally}")
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
