"""Figures: medians and ratios, what a process has used by /proc, the machine, and tables of them all."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""One line of a table: its columns by name, the same in every row of a table."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a part of the benchmark found out."""

    part: str
    title: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """The table, as Markdown has it."""
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        lines = [names, *([_shown(row.get(name)) for name in names] for row in self.rows)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(names))]
        drawn = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
            for line in lines
        ]
        drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join([f"### {self.title}", "", *drawn, *(f"\n{note}" for note in self.notes)])


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return (
        f"{value:,.{_places(value)}f}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )


def _places(value: float) -> int:
    return 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return float(statistics.median(values))


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# --- processes ------------------------------------------------------------------------------------------------


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used so far, in user and in system mode (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory(pid: int) -> float:
    """The most memory, in MB, that a process has held at once (proc(5), VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def memory() -> float:
    """How much memory, in MB, this process holds now (proc(5), VmRSS)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


# --- the machine ----------------------------------------------------------------------------------------------

MADE_OF = ("knockbot", "matrix-synapse", "mautrix", "aiohttp", "asyncpg", "aiosqlite", "google-re2")


def machine(directory: Path) -> Row:
    """What it was measured on; `directory` is where the databases lie."""
    return {
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "fsync_ms": round(fsync(directory) * 1000, 3),
        **{name: _version(name) for name in MADE_OF},
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def fsync(directory: Path) -> float:
    """Seconds that it takes, in the median, to have a page on the disk."""
    took = []
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        for _ in range(50):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return median(took)
