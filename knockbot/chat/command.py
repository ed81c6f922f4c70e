"""A command: one row of a table of commands, and how it is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from knockbot.chat.arguments import Argument
from knockbot.chat.calls import Answered
from knockbot.chat.typed import PREFIXES
from knockbot.domain.may import Deed
from knockbot.domain.notices import Choice, Notice, notice


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table: what it is called, its arguments, and the function that does it, which gets what they mean.

    Its summary is in `chat/sentences/`, as `command/NAME`.
    """

    name: str
    arguments: tuple[Argument, ...]
    run: Callable[..., Awaitable[Answered]]
    deed: Deed
    """`MAY` says what its author needs for that. Looks are checked here, the rest where the room is known."""

    @property
    def summary(self) -> Notice:
        """Its summary."""
        return notice("command", name=Choice(self.name))

    @property
    def usage(self) -> str:
        """As it is typed after the prefix."""
        return " ".join([self.name, *(argument.usage for argument in self.arguments)])

    @property
    def full_usage(self) -> str:
        """As it is typed."""
        return f"{PREFIXES[0]} {self.usage}"

    @property
    def example(self) -> str:
        """It with all that it needs, typed out."""
        needed = [argument.example for argument in self.arguments if not argument.optional]
        return " ".join([PREFIXES[0], self.name, *needed])
