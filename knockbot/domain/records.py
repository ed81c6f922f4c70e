"""The kinds of log entries, and the details that an entry of each kind can have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TypedDict

from knockbot.domain.conversations import Unsaid
from knockbot.domain.invites import Fall
from knockbot.domain.model import Verdict
from knockbot.domain.naming import verdict_named
from knockbot.domain.notices import Choice, Notice, Number, Numbered, Room, Stranger, because
from knockbot.domain.reasons import people


class Recorded(StrEnum):
    """The kind of a line. The first ones are answers, then outcomes, by the names of their verdicts and states."""

    ACCEPT = "accept"
    REJECT = "reject"
    BAN = "ban"

    ACCEPTED = "accepted"
    JOINED = "joined"
    DECLINED = "declined"
    REJECTED = "rejected"
    BANNED = "banned"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    INVITE_WITHDRAWN = "invite_withdrawn"
    """The invite of a rule was taken back, and nobody has rejected the applicant."""
    REMOVED = "removed"
    """Somebody who had joined was removed, because their accept was undone."""
    BAN_LIFTED = "ban_lifted"
    """The ban was undone."""
    STANDING = "standing"
    REDEEMED = "redeemed"
    REVOKED = "revoked"

    KICKED_LATER = "kicked_later"
    """Somebody who had joined was kicked."""
    BANNED_LATER = "banned_later"
    """Somebody who had joined was banned, perhaps after they left again."""

    WOULD = "would"
    """The policy is in dry run; else it would have done this (`verdict`)."""
    HELD = "held"
    """A rule would do this (`verdict`, `rule`), and something leaves it to the moderators: the card says what."""
    JUDGED_UNANSWERED = "judged_unanswered"
    JUDGED_UNREACHABLE = "judged_unreachable"
    """The same as `JUDGED`, without the answers that the policy asked for."""
    JUDGED = "judged"
    """The policy was asked (`verdict`, `rule`)."""
    DENIED = "denied"
    """The room's server ACL denies the applicant's server."""
    ANSWER_FELL = "answer_fell"
    """The request is open again: the moderator who answered no longer has the permission."""
    ANSWER_TAKEN_BACK = "answer_taken_back"
    """The request is open again: the click that gave the answer (`verdict`) was removed."""
    VOTED = "voted"
    """Somebody voted for an answer (`verdict`)."""
    VOTED_FOR = "voted_for"
    """There are enough votes for an answer (`verdict`), those of `whom`."""
    VOTE_TAKEN_BACK = "vote_taken_back"
    """The click by which somebody (`whom`) had voted for an answer (`verdict`) was removed."""
    VOTES_KEPT = "votes_kept"
    """The votes of `whom` for an answer (`verdict`) on the request `earlier` stand on the next one, too."""
    UNDONE = "undone"
    """Somebody undid the answer (`verdict`)."""
    NOT_UNDONE = "not_undone"
    """That was not possible after all, so the answer holds."""
    REOPENED = "reopened"
    """The request is open again: its inviter can no longer invite (`fell`)."""
    NOT_LET_IN = "not_let_in"
    """The request is open again: the room was replaced."""
    MOVED_OVER = "moved_over"
    """The request moved to the room that replaces its own."""
    RECALLED = "recalled"
    """The request was read again from the management room, after a restore."""
    WROTE = "wrote"
    """The applicant was told by message."""
    NOT_TOLD = "not_told"
    """The applicant was not told something that the policy wants told (`unsaid`)."""
    CAME_BY_CODE = "came_by_code"
    """The applicant brought a code that counts (`code`, its name)."""
    CODE_MADE = "code_made"
    CODE_ENDED = "code_ended"
    """Somebody made a code of a room (`code`), or ended it."""
    VOUCHED = "vouched"
    """A member vouched for somebody (`whom`)."""
    UNVOUCHED = "unvouched"
    """They took that back."""
    WORD_FELL = "word_fell"
    """Their word counts no more, since they are out of the room."""
    APPEALED = "appealed"
    """The applicant objected to the rejection."""
    ANSWERED = "answered"
    """The applicant answered a question."""
    ANSWER_REMOVED = "answer_removed"
    """The applicant removed such an answer."""
    ASKED = "asked"
    """A moderator asked the applicant something."""
    INTERVIEWED = "interviewed"
    """A moderator began an interview with the applicant."""
    ALSO_INVITED_TO = "also_invited_to"
    """Whoever joined was invited to another room as well (`invited_to`, which people called `invited_to_name`)."""
    ALSO_WITHDRAWN = "also_withdrawn"
    """That invite was withdrawn."""

    ISSUED = "issued"
    """The bot sent a third-party invite."""
    REPLACED = "replaced"
    """The same token has another third-party invite."""
    TAKEN_BACK = "taken_back"
    """A third-party invite is to be revoked; `fell` if because of its inviter."""
    TAKEN_BACK_WITH_BAN = "taken_back_with_ban"
    """The same, because its inviter is to be banned."""
    INVITER_BANNED = "inviter_banned"
    """The inviter of a third-party invite was banned."""

    PROTECT = "protect"
    """A room is protected (`management_room`)."""
    UNPROTECT = "unprotect"
    POLICY_SET = "policy_set"
    """A policy was changed (`revision`, and the `rooms` that its names mean)."""
    POLICY_REVERTED = "policy_reverted"
    """An old policy (`reverts`) is in force again, as a new revision."""
    OVERRIDDEN = "overridden"
    POLICY_APPLIED = "policy_applied"
    """The policy in force (`revision`) is applied to pending requests (`requests`)."""
    ALLOWED = "allowed"
    """People were approved in advance (`whom`, the first of `people`)."""
    DISALLOWED = "disallowed"
    """They no longer are."""
    ROOM_REPLACED = "room_replaced"
    """Policy and open requests moved to the room that replaces this one (`replacement`, `requests`)."""


class Detail(TypedDict, total=False):
    """The details of an entry."""

    verdict: Verdict
    rule: str | None
    origin: str
    """What people called the room whose policy the rule is a part of, if that is another room."""
    also_from: str
    """What people called the other room that was the first to accept them, if that is why they are accepted here."""
    reason: str | None
    """What a moderator wrote for the applicant."""
    fell: Fall
    management_room: str
    revision: int
    reverts: int
    rooms: Mapping[str, str]
    replacement: str
    requests: int
    unsaid: Unsaid
    invited_to: str
    invited_to_name: str
    whom: Sequence[str]
    """Users, and servers as `*:host`; or those who voted."""
    people: int
    code: str
    """The name of a code."""
    earlier: int
    """The number of an earlier request of the same applicant."""


ENDS = frozenset(
    {
        Recorded.JOINED,
        Recorded.DECLINED,
        Recorded.REJECTED,
        Recorded.BANNED,
        Recorded.INVITE_WITHDRAWN,
        Recorded.REMOVED,
        Recorded.BAN_LIFTED,
    }
)
"""The possible last entries of a redeemed third-party invite."""


def told(kind: Recorded, detail: Detail) -> Notice:
    """An entry as a notice, without the people that it is about."""
    args = {
        "verdict": verdict_named(detail["verdict"]) if "verdict" in detail else None,
        "fell": Choice(detail["fell"]) if "fell" in detail else None,
        "unsaid": Choice(detail["unsaid"]) if "unsaid" in detail else None,
        "revision": Number(detail["revision"]) if "revision" in detail else None,
        "reverts": Number(detail["reverts"]) if "reverts" in detail else None,
        "earlier": Numbered(detail["earlier"]) if "earlier" in detail else None,
        "room": Room(detail["invited_to"], detail["invited_to_name"]) if "invited_to" in detail else None,
        "code": Stranger(detail["code"]) if "code" in detail else None,
        "whom": people(detail["whom"], detail["people"]) if "whom" in detail else None,
    }
    return because(f"record.{kind}", **{name: arg for name, arg in args.items() if arg is not None})
