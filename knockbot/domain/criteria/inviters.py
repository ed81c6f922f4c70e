"""Criteria about who invited somebody, and about the keys of the invite."""

# ruff: noqa: ARG002 (every condition is asked in the same way, whether it looks at the facts or not)

from __future__ import annotations

import math
from dataclasses import dataclass

from knockbot.documents.reading import (
    Path,
    duration,
    whole_number,
    yes_or_no,
)
from knockbot.documents.schema import Key, read_keys, table
from knockbot.domain.criteria.base import (
    MAX_TIMES,
    NOT_KEPT,
    Condition,
    Fits,
    all_hold,
    because_of,
    finding,
    fits,
    level_of,
    read_globs,
    read_level,
    server_glob,
    user_glob,
)
from knockbot.domain.invites import MOST_KEYS, https_host
from knockbot.domain.model import Fact, Facts, Finding, IdentityKey, Knock, Need, Truth
from knockbot.domain.notices import Level, Number, because
from knockbot.domain.reasons import either, quoted
from knockbot.errors import Fault

# --- who invited them ------------------------------------------------------------------------------------------------


class InviterIs(Fits):
    """The whole user ID of the inviter fits one of the globs, to the letter."""

    __slots__ = ()

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.invite is None:
            return Finding(Truth.UNKNOWN, because("finding.inviter_unknown"))
        return fits("inviter", self.globs, facts.invite.inviter)


@dataclass(frozen=True, slots=True)
class InviterPowerAtLeast(Condition):
    """The inviter's level in the protected room is now at least this; whether they are still in it does not matter."""

    least: int

    def vouches(self, *, negated: bool = False) -> bool:
        return not negated and self.least > 0  # 0 is what everybody has

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.INVITER),)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.invite is None:
            return Finding(Truth.UNKNOWN, because("finding.inviter_unknown"))
        power = facts.invite.power
        if power is None:
            return Finding(Truth.UNKNOWN, because("finding.inviter_power_unknown"))
        least, enough = Level(str(self.least)), power >= self.least
        if power == math.inf:
            return Finding(Truth.TRUE, because("finding.inviter_unlimited", least=least))
        code = "finding.inviter_power_enough" if enough else "finding.inviter_power_too_low"
        why = because(code, power=level_of(power), least=least)
        return finding(enough, why)


@dataclass(frozen=True, slots=True)
class InviterIsMember(Condition):
    """The inviter is, or is not, joined to the protected room now."""

    wanted: bool

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.INVITER),)

    def vouches(self, *, negated: bool = False) -> bool:
        return self.wanted is not negated

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.invite is None:
            return Finding(Truth.UNKNOWN, because("finding.inviter_unknown"))
        known = facts.invite.member
        if known.truth is Truth.UNKNOWN:
            return Finding(Truth.UNKNOWN, because_of("finding.inviter_member_unknown", known.why))
        member = known.truth is Truth.TRUE
        why = because("finding.inviter_member" if member else "finding.inviter_no_member")
        return finding(member is self.wanted, why)


@dataclass(frozen=True, slots=True)
class InvitesByInviter(Condition):
    """The inviter made more than so many third-party invites here, not longer ago than `within`; this one counts."""

    more_than: int
    within: int | None = None
    """Milliseconds; none means any time ago."""

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.INVITES),)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.invite is None or facts.invite.earlier is None:
            return Finding(Truth.UNKNOWN, because("finding.invites_unknown"))
        made = 1 + sum(self.within is None or age <= self.within for age in facts.invite.earlier)
        more = made > self.more_than
        if not more and facts.invite.earlier_cut and (self.within is None or max(facts.invite.earlier) <= self.within):
            return NOT_KEPT
        code = "finding.invites_more" if more else "finding.invites_not_more"
        span = "" if self.within is None else "_within"
        why = because(code + span, count=Number(made), most=Number(self.more_than))
        return finding(more, why)


def read_inviter(value: object, path: Path) -> InviterIs:
    """The condition that a value of `inviter` describes."""
    return InviterIs(read_globs(value, path, user_glob, ignore_case=False))


def read_inviter_power(value: object, path: Path) -> InviterPowerAtLeast:
    """The condition that a value of `inviter_power` describes."""
    return InviterPowerAtLeast(read_level(value, path))


def read_inviter_is_member(value: object, path: Path) -> InviterIsMember:
    """The condition that a value of `inviter_is_member` describes."""
    return InviterIsMember(yes_or_no(value, path))


def read_invites_by_inviter(value: object, path: Path) -> InvitesByInviter:
    """The condition that a value of `invites_by_inviter` describes."""
    return InvitesByInviter(**read_keys(_FLOOD, value, path))


def _read_more_than(value: object, path: Path) -> int:
    if value == 0 and not isinstance(value, bool):
        raise Fault("more than 0 is always so, as the invite itself counts", path)
    return whole_number(value, path, MAX_TIMES, least=1)


_FLOOD = table(Key("more_than", _read_more_than), Key("within", duration, None))


# --- who vouches for the address -------------------------------------------------------------------------------------


class IdentityServerIs(Fits):
    """Every key of the invite carries an https URL whose host, without port and case, fits one of the globs.

    One key is enough to let somebody in. So one key that is not from these servers makes it false, and so does an
    invite without keys.
    """

    __slots__ = ()

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.invite is None:
            return Finding(Truth.UNKNOWN, because("finding.identity_server_unknown"))
        if facts.invite.keys is None:
            return NOT_KEPT
        if not facts.invite.keys:
            return Finding(Truth.FALSE, because("finding.no_keys"))
        if len(facts.invite.keys) > MOST_KEYS:
            return Finding(Truth.FALSE, because("finding.too_many_keys", most=Number(MOST_KEYS)))
        # An invite mostly has several keys of one server: the same reason is given only once.
        return all_hold(dict.fromkeys(self._of(key) for key in facts.invite.keys))

    def _of(self, key: IdentityKey) -> Finding:
        if not key.url:
            return Finding(Truth.FALSE, because("finding.key_for_ever"))
        host = https_host(key.url)
        if host is None:
            return Finding(Truth.FALSE, because("finding.key_no_https", url=quoted(key.url)))
        if self.globs.first_match(host) is not None:
            return Finding(Truth.TRUE, because("finding.identity_server_is", host=quoted(host)))
        values = either(self.globs.texts)
        return Finding(Truth.FALSE, because("finding.identity_server_is_not", host=quoted(host), values=values))


def read_identity_server(value: object, path: Path) -> IdentityServerIs:
    """The condition that a value of `identity_server` describes."""
    return IdentityServerIs(read_globs(value, path, server_glob, ignore_case=True))
