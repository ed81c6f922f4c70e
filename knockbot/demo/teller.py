"""The voice of the demo: plain text, with a little weight where a terminal can show it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import click

TAIL, LONGEST = 20, 200
"""Lines of each log that are shown when something went wrong, and characters of each line."""


class Teller:
    """Tells what happens, line by line, as it happens."""

    def __init__(self) -> None:
        self._chapters = itertools.count(1)
        # click leaves styles away where the output is no terminal; these are the two other ways to ask for that.
        self._plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"

    def line(self, text: str = "", **style: bool) -> None:
        """One line, as it is."""
        click.echo(click.style(text, **style) if style else text, color=False if self._plain else None)

    def title(self, text: str) -> None:
        """What follows, in bold."""
        self.line(f"\n{text}\n", bold=True)

    def chapter(self, title: str) -> None:
        """The next part of the story, with its number."""
        self.title(f"{next(self._chapters)}. {title}")

    def tell(self, text: str) -> None:
        """What somebody does."""
        self.line(f"   {text}")

    def said(self, who: str, text: str) -> None:
        """What somebody says in the moderators' room; lines below the first stand below each other."""
        first, *below = text.splitlines() or [""]
        self.line(f"     {who:>8} | {first}")
        for line in below:
            self.line(f"     {'':>8} | {line}")

    def checked(self, text: str) -> None:
        """What was compared with reality, and held."""
        self.line(f"   ✓ {text}", dim=True)

    def failed(self, why: str) -> None:
        """What went wrong: the fault in one line, and below it what else is known."""
        first, *below = why.splitlines()
        self.line(f"\nFAILED: {first}", bold=True)
        for line in below:
            self.tell(line)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows of cells, each column as wide as its widest cell."""
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        for number, row in enumerate((head, *rows)):
            cells = "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.line(f"   {cells}".rstrip(), bold=number == 0)

    def tail(self, log: Path) -> None:
        """The end of a log."""
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        self.title(f"The end of {log.name}:")
        for line in lines[-TAIL:] or ["(empty)"]:
            self.tell(line[:LONGEST])
