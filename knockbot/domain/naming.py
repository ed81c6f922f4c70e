"""What verdicts and powers are called where a sentence has them as a word."""

from __future__ import annotations

from knockbot.domain.notices import Choice, Notice, because


def verdict_named(verdict: str) -> Notice:
    """A verdict."""
    return because("verdict.named", answer=Choice(verdict))


def power_named(power: str) -> Notice:
    """What a power level is needed for."""
    return because("power.named", power=Choice(power))
