"""A cooldown (`cooldown:` of a policy): who was rejected and knocks again too soon is rejected, and told when."""

from __future__ import annotations

from typing import Final

from knockbot.documents.reading import Path, duration, written_duration
from knockbot.domain.model import Decision, Facts, Truth, Verdict
from knockbot.domain.notices import Moment, because
from knockbot.errors import Fault
from knockbot.times import DAY, MINUTE

COOLDOWN: Final = "cooldown"
"""What the decision of a cooldown is called, and its key in a policy."""

OFF: Final = "off"

LEAST: Final = MINUTE
MOST: Final = 365 * DAY
"""Milliseconds that a cooldown lasts."""


def read_cooldown(value: object, path: Path) -> int | None:
    """Milliseconds after a rejection within which whoever knocks again is rejected; `None` for ``off``."""
    if value == OFF:
        return None
    span = duration(value, path)
    if not LEAST <= span <= MOST:
        least, most = written_duration(LEAST), written_duration(MOST)
        raise Fault("expected a time of {least} to {most}, or off", path, least=least, most=most)
    return span


def cooled(decision: Decision, facts: Facts, cooldown: int, zone: str) -> Decision:
    """The decision of the rules on a knock, or the rejection that a cooldown of so many milliseconds makes of it.

    A ban stays a ban. Who is approved in advance, or brings a code, is left to the rules, also where it cannot be found
    out whether that counts.
    """
    if decision.verdict is Verdict.BAN or _is_let_through(facts):
        return decision
    last = facts.last_rejection
    if last is None or facts.at is None:
        return Decision(Verdict.FORWARD, COOLDOWN, unknown=because("finding.cooldown_unknown"))
    ends = facts.at - last.age + cooldown if last.age is not None else 0
    if ends <= facts.at:
        return decision
    ends = -(-ends // MINUTE) * MINUTE  # at the minute that they are told of, it is over
    return Decision(Verdict.REJECT, COOLDOWN, told=because("told.cooldown", when=Moment(ends, zone)))


def _is_let_through(facts: Facts) -> bool:
    approved, brought = facts.pre_approved, facts.code
    has_code = brought is not None and brought.truth is not Truth.FALSE
    return has_code or (approved is not None and approved.truth is not Truth.FALSE)
