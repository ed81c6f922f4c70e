"""The question that a fact is looked up for: who asks, about whom, for which policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from knockbot.domain.model import Facts, Knock, Request
from knockbot.flow.context import Context
from knockbot.flow.rules import Layer


@dataclass(frozen=True, slots=True)
class Asked:
    """The judgement that facts are looked up for; `by` is somebody who only asks what the policy would say."""

    context: Context
    layer: Layer
    """The policy whose rules ask."""
    knock: Knock
    by: str | None
    on_record: Request | None
    """The request of the third-party invite, where there is one."""


LookUp: TypeAlias = Callable[[Asked, Facts, Sequence[str]], Awaitable[Facts]]
"""Looks up one kind of fact, each time for what the policy asks it of (`Need.of`), and adds it to the known facts. What
cannot be found out is unknown, with the reason. May raise `Later` and `Busy`."""
