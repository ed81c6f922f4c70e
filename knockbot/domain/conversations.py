"""Conversations: the stages of the bot's private room with one applicant, and what moves it from one to another.

```
making ──invited──▶ invited ──they join──▶ joined
   │                   │                      │
   └─ refused, gave up ┴─ they leave ─────────┴──▶ unreachable      left: nobody said anything for a week
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from knockbot.domain.model import MemberChange, Membership
from knockbot.domain.notices import Notice, because
from knockbot.times import DAY, MINUTE, WEEK


class Stage(StrEnum):
    """How far a conversation is."""

    MAKING = "making"
    """The room is being made, or the applicant is being invited."""
    INVITED = "invited"
    JOINED = "joined"
    UNREACHABLE = "unreachable"
    """The applicant refused the invite, left, or could not be invited within a day."""
    LEFT = "left"
    """The bot has left the room, because nobody said anything for long."""


CURRENT: Final = frozenset({Stage.MAKING, Stage.INVITED, Stage.JOINED})
"""The stages of a conversation that goes on. An applicant has one of these at most."""


class Event(StrEnum):
    """What happens to a conversation."""

    INVITED = "invited"
    JOINED = "joined"
    REFUSED = "refused"
    """The invite was refused, at once or later; or they have left."""
    GAVE_UP = "gave_up"
    """Their server did not answer for a day, or the homeserver makes no room."""
    IDLE = "idle"
    """Nobody has said anything for long, or the bot is in the room no more."""


MOVES: Mapping[tuple[Stage, Event], Stage] = {
    (Stage.MAKING, Event.INVITED): Stage.INVITED,
    # Their join may be heard before the invite returns.
    (Stage.MAKING, Event.JOINED): Stage.JOINED,
    (Stage.MAKING, Event.REFUSED): Stage.UNREACHABLE,
    (Stage.MAKING, Event.GAVE_UP): Stage.UNREACHABLE,
    (Stage.MAKING, Event.IDLE): Stage.LEFT,
    (Stage.INVITED, Event.JOINED): Stage.JOINED,
    (Stage.INVITED, Event.REFUSED): Stage.UNREACHABLE,
    (Stage.INVITED, Event.IDLE): Stage.LEFT,
    (Stage.JOINED, Event.REFUSED): Stage.UNREACHABLE,
    (Stage.JOINED, Event.IDLE): Stage.LEFT,
}
"""Anything else changes nothing: what is over stays so, and a new conversation is begun."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """The bot's room with one applicant."""

    id: int
    user_id: str
    about: str
    """The protected room for which it was begun."""
    room_id: str | None
    """None until the room is made."""
    stage: Stage
    why: Notice | None
    """Why they cannot be reached."""
    begun_at: int
    last_at: int
    """When somebody said something last, or when it ended; milliseconds since the epoch."""
    answers_until: int = 0
    """The moment up to which the answers that were given use up what may be given (`may_answer`)."""

    @property
    def goes_on(self) -> bool:
        """Whether it is not over."""
        return self.stage in CURRENT


def moved(stage: Stage, event: Event) -> Stage | None:
    """The stage that this event leads to; `None` if it changes nothing."""
    return MOVES.get((stage, event))


def happened(change: MemberChange) -> Event | None:
    """What a change of the applicant's membership of the room means; an invite is noted by who sends it."""
    if change.membership is Membership.JOIN:
        return Event.JOINED
    return Event.REFUSED if change.membership in (Membership.LEAVE, Membership.BAN) else None


GAVE_UP: Final = because("conversation.gave_up")
"""Why somebody cannot be reached whose server did not answer."""

NOT_MADE: Final = because("conversation.not_made")
"""Why somebody cannot be reached for whom the homeserver makes no room."""

DECLINED: Final = because("conversation.declined")
"""Why somebody cannot be reached who declined the invite, or left the conversation."""


class Unsaid(StrEnum):
    """Why an applicant was not told something, for the record of their request."""

    REFUSED = "refused"
    """They refuse the invite to the conversation, or cannot be invited."""
    DECLINED = "declined"
    """They declined the invite, or left the conversation."""
    SILENT = "silent"
    """Their server did not answer for a day."""
    NOT_MADE = "not_made"
    """The homeserver makes no room for the conversation."""
    ENDED = "ended"
    """The bot is out of the conversation."""
    TOO_MANY = "too_many"
    """So many conversations were begun on this day, or they were told so much, that this was too much."""


def unsaid(why: Notice | None) -> Unsaid:
    """The same by why a conversation is over; `None` where nobody refused anything."""
    if why is None:
        return Unsaid.ENDED
    return _UNSAID.get(why.code, Unsaid.REFUSED)


_UNSAID: Final = {
    GAVE_UP.code: Unsaid.SILENT,
    NOT_MADE.code: Unsaid.NOT_MADE,
    DECLINED.code: Unsaid.DECLINED,
}


REST: Final = WEEK
"""Milliseconds for which somebody who refused an invite, or left, is not invited to another conversation."""

SILENT: Final = DAY
"""The same for somebody whose server did not answer, or for whom no room was made."""

IDLE: Final = WEEK
"""Milliseconds without a word after which the bot leaves."""

LONGEST: Final = DAY
"""Milliseconds within which somebody must have been invited; what was to be said is too old then."""


def rests_until(over: Conversation) -> int:
    """The moment until which somebody who could not be reached is left in peace."""
    if over.stage is not Stage.UNREACHABLE:
        return 0
    theirs = over.why is None or over.why.code not in (GAVE_UP.code, NOT_MADE.code)
    return over.last_at + (REST if theirs else SILENT)


PAUSES: Final = (MINUTE, 10 * MINUTE, 60 * MINUTE, 4 * 60 * MINUTE, 8 * 60 * MINUTE)
"""Milliseconds between two attempts to invite somebody whose server does not answer; the last one repeats. They are
long: what waits for a server holds up others, and nothing is urgent."""


def pause(attempts: int) -> int:
    """The pause after so many attempts."""
    return PAUSES[min(attempts, len(PAUSES)) - 1]


EACH: Final = 2 * MINUTE
"""Milliseconds that one answer uses up: thirty an hour in the long run."""

BURST: Final = 10
"""Answers that may be given at once, before that counts."""


def may_answer(answers_until: int, now: int) -> int | None:
    """The new `answers_until` if one more answer may be given now; `None` if there were too many of late."""
    begins = max(answers_until, now)
    return begins + EACH if begins - now <= (BURST - 1) * EACH else None
