"""The criterion about approvals in advance."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.documents.reading import Path, yes_or_no
from knockbot.domain.criteria.base import Condition, because_of, finding
from knockbot.domain.ids import host_of, server_of
from knockbot.domain.model import Fact, Facts, Finding, Knock, Need, PreApproved, Truth
from knockbot.domain.notices import Arg, Letters, Moment, Notice, User, because


@dataclass(frozen=True, slots=True)
class IsPreApproved(Condition):
    """Somebody who may accept the applicant at this moment has, or nobody has, approved them in advance."""

    wanted: bool

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.PRE_APPROVED),)

    def vouches(self, *, negated: bool = False) -> bool:
        return self.wanted is not negated

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        found = facts.pre_approved
        if found is None or found.truth is Truth.UNKNOWN:
            why = found.why if found is not None else None
            return Finding(Truth.UNKNOWN, because_of("finding.pre_approved_unknown", why))
        return finding((found.truth is Truth.TRUE) is self.wanted, _told(knock, found))


def _told(knock: Knock, found: PreApproved) -> Notice:
    if found.truth is Truth.FALSE:
        if not found.by:
            return because("finding.not_pre_approved")
        return because_of("finding.pre_approval_void", found.why, by=User(found.by))
    args: dict[str, Arg] = {"by": User(found.by)}
    if found.of_server:
        args["server"] = Letters(host_of(server_of(knock.user_id)))
    if found.until is not None:
        args["until"] = Moment(found.until)
    of, until = "server" if found.of_server else "user", "_until" if found.until is not None else ""
    return because(f"finding.{of}_pre_approved{until}", **args)


def read_pre_approved(value: object, path: Path) -> IsPreApproved:
    """The condition that a value of `pre_approved` describes."""
    return IsPreApproved(yes_or_no(value, path))
