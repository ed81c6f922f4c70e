"""The nouns of knockbot as frozen values: what arrives, and what is decided.

All times are integer milliseconds since the epoch, as Matrix writes them. All text that strangers wrote is
already `storable` (see `domain/text.py`): no NUL, no lone surrogates; nothing else about it may be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from knockbot.domain.lists import Entry, Unusable
from knockbot.domain.notices import Notice, because

REASON_KEPT = 10_000
NAME_KEPT = 500
BODY_KEPT = 65_536
"""Characters kept of a stranger's text; an event can hold more, but a moderator will not read more."""


class Membership(StrEnum):
    """The `membership` of an `m.room.member` event (client-server API, m.room.member)."""

    KNOCK = "knock"
    INVITE = "invite"
    JOIN = "join"
    LEAVE = "leave"
    BAN = "ban"


class Kind(StrEnum):
    """What a rule judges. A request is a knock or a third-party invite; a redeemed invite is a later form of it."""

    KNOCK = "knock"
    THIRD_PARTY_INVITE = "third_party_invite"
    REDEEMED_INVITE = "redeemed_invite"
    """Somebody used a third-party invite. Only a rule's `for` says this, never a request."""


class Because(StrEnum):
    """Why a request was judged."""

    ARRIVED = "arrived"
    """It arrived, or changed: another knock, another invite with its token, or somebody used the invite."""
    POLICY_APPLIED = "policy_applied"
    """A moderator applied the policy in force to pending requests."""
    ANSWERED = "answered"
    """The applicant has answered a question, or will not: the time for that is over, or they cannot be asked."""
    PRE_APPROVAL = "pre_approval"
    """Somebody pre-approved the applicant, or took that back."""
    CODE = "code"
    """The applicant has brought a code since."""
    VOUCHED = "vouched"
    """A member has vouched for the applicant, or the power of one who did has changed."""
    FACTS_CHANGED = "facts_changed"
    """A fact that it was judged by has changed, such as whether a policy list names them. Only then an accept by a
    rule that was carried out can be taken back."""
    ALSO_INVITED = "also_invited"
    """They were accepted at another room whose policy invites here as well, and a rule had accepted them."""
    POWERS_CHANGED = "powers_changed"
    """Somebody may have the power by now to withdraw an invite that should have been withdrawn: the author of the
    policy again, or the author of another one."""


class Verdict(StrEnum):
    """What a rule or a moderator answers to a request."""

    ACCEPT = "accept"
    FORWARD = "forward"
    REJECT = "reject"
    BAN = "ban"
    ASK = "ask"
    """The applicant is asked the questions of the policy; only a rule says this."""


class State(StrEnum):
    """The state of a request. `pending` is open; every other state is an outcome that happened in the room.

    The last three are for third-party invites: an accepted one is `standing`, until it is redeemed or revoked.
    """

    PENDING = "pending"
    ACCEPTED = "accepted"
    JOINED = "joined"
    DECLINED = "declined"
    REJECTED = "rejected"
    BANNED = "banned"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    STANDING = "standing"
    REDEEMED = "redeemed"
    REVOKED = "revoked"


# --- what arrives ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Measure:
    """How much an applicant wrote: if the text is shorter now, it was cut or redacted."""

    reason: int
    """Characters."""
    name: int | None
    """Characters of the display name; none without one."""
    avatar: bool


@dataclass(frozen=True, slots=True)
class Knock:
    """Somebody asks to be let into `room_id`; what a policy judges."""

    room_id: str
    user_id: str
    event_id: str
    reason: str = ""
    display_name: str | None = None
    has_avatar: bool = False
    code: int | None = None
    """The code that the applicant has brought, in their reason or later: its ID."""

    @property
    def measure(self) -> Measure:
        """How much they wrote."""
        name = len(self.display_name) if self.display_name is not None else None
        return Measure(len(self.reason), name, self.has_avatar)


@dataclass(frozen=True, slots=True)
class MemberChange:
    """One membership event: `user_id` is whom it is about, `sender` who made it."""

    room_id: str
    event_id: str
    user_id: str
    sender: str
    membership: Membership
    reason: str = ""
    display_name: str | None = None
    has_avatar: bool = False
    sent_at: int = 0
    replaces: str | None = None
    """The event it replaced (`unsigned.replaces_state`), if the homeserver says so."""
    replaced_membership: Membership | None = None
    """The membership before it (`unsigned.prev_content`); absent in a retry after a restart of Synapse."""
    token: str | None = None
    """The third-party invite that it redeems; then `sender` is its inviter, as every homeserver checks. Only an invite
    event can do that: a token in another event means nothing."""

    cut: bool = False
    """Whether its reason was left out, because it was read among many: to be judged, it has to be read by itself."""
    code: int | None = None
    """The code that its reason had, of which that says only the name by now: its ID."""
    direct: bool = False
    """Whether it is an invite to a chat of two."""
    wrong_codes: int = 0
    """How much there was in its reason that looks like a code and is none."""

    @property
    def of_their_own(self) -> bool:
        """Whether the user did this to themselves."""
        return self.sender == self.user_id

    def as_knock(self) -> Knock:
        """The same as a knock, if it is one."""
        return Knock(
            self.room_id, self.user_id, self.event_id, self.reason, self.display_name, self.has_avatar, self.code
        )


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """A key of a third-party invite: its owner can let users in, as often as they like.

    The homeserver asks `url` whether the key is still valid; one without `url` is valid for ever.
    """

    public_key: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class ThirdPartyInvite:
    """An invite to an e-mail address or phone number, as it is in the room under its `token`.

    Anyone with the room's invite level can write one: only its `inviter` (the event's sender) is certain.
    """

    room_id: str
    event_id: str
    """Empty for one that the bot has sent and that is not in the room yet."""
    token: str
    """Its state key in the room, in the form of `state_keys.written`."""
    inviter: str
    display_name: str = ""
    """Who is invited, in the inviter's words: mostly an address made unreadable (``car...@exa...``)."""
    keys: tuple[IdentityKey, ...] = ()
    """Every key that can use it: `public_key` and `public_keys` of the event."""

    def as_knock(self) -> Knock:
        """The same for `decide`. Its user is the inviter, because nobody knows yet who will redeem it."""
        return Knock(self.room_id, self.inviter, self.event_id)


@dataclass(frozen=True, slots=True)
class ThirdPartyChange:
    """The state of a token changed: it has an invite now, or (`invite` is none) it was emptied."""

    room_id: str
    event_id: str
    token: str
    sender: str
    invite: ThirdPartyInvite | None
    sent_at: int = 0
    replaces: str | None = None
    """The event it replaced (`unsigned.replaces_state`), if the homeserver says so."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """An event lost its content. If it was a third-party invite, only this shows that it is void."""

    room_id: str
    event_id: str
    sender: str
    redacts: str


@dataclass(frozen=True, slots=True)
class FileKey:
    """What opens an encrypted file (client-server API, "Sending encrypted attachments"); each part is base64."""

    key: str
    iv: str
    sha256: str


@dataclass(frozen=True, slots=True)
class File:
    """A file that a message holds, as the media repository of a server knows it."""

    server: str
    media_id: str
    key: FileKey | None = None
    """None if it is not encrypted."""


@dataclass(frozen=True, slots=True)
class Message:
    """A text message, or a file with a caption, outside protected rooms: perhaps a command."""

    room_id: str
    event_id: str
    sender: str
    sent_at: int
    body: str
    formatted_body: str | None = None
    in_reply_to: str | None = None
    """The message it replies to; the fallback reply of a thread does not count."""
    verified: bool | None = None
    """Whether its device is verified by its owner; `None` if it came unencrypted, so that nobody can know."""
    thread: str | None = None
    """The message that its thread began with."""
    edits: str | None = None
    """The message that it replaces; an edit is never a command."""
    file: File | None = None
    """The file whose caption it is."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """An emoji put on a message: perhaps an answer to a card. `key` has lost its U+FE0F."""

    room_id: str
    event_id: str
    sender: str
    sent_at: int
    target: str
    key: str


@dataclass(frozen=True, slots=True)
class RoomChange:
    """Watched room state changed: power levels, join rules, name …; `type` is the event type."""

    room_id: str
    event_id: str
    sender: str
    type: str
    key: str = ""
    """Its state key: for a room of a space, that room."""


@dataclass(frozen=True, slots=True)
class Echo:
    """One of the bot's own messages came back; `job_key` names the job that sent it."""

    room_id: str
    event_id: str
    job_key: str


@dataclass(frozen=True, slots=True)
class Rejudge:
    """A request is to be judged again, in its room's turn: the policy or the facts have changed."""

    room_id: str
    because: Because
    cause: str
    """What caused this: the event of a command."""
    request_id: int | None = None
    """None after the last request that is judged for one cause: then the result is posted."""
    whom: tuple[str, ...] = ()
    """Whose requests are still to be looked up: users, or whole servers (`ids.whole_server`)."""

    @property
    def event_id(self) -> str:
        """Its name in the inbox, like an event ID: for one cause, each request is judged once."""
        which = self.request_id or (f"whom {self.room_id}" if self.whom else "end")
        return f"{self.prefix}{which}"

    @property
    def prefix(self) -> str:
        """How the names of all begin that are judged again for one cause."""
        return f"rejudge {self.because} {self.cause} "


@dataclass(frozen=True, slots=True)
class ListChange:
    """An entry of a policy list was set, or removed: it says so `now`."""

    room_id: str
    event_id: str
    sender: str
    key: str
    """The name of the entry in its room (`lists.entry_key`)."""
    now: Entry | Unusable | None
    """None if it was removed."""
    sent_at: int = 0


Happening = MemberChange | ThirdPartyChange | Redaction | Message | Reaction | RoomChange | Echo | Rejudge | ListChange


@dataclass(frozen=True, slots=True)
class RoomView:
    """A room's state apart from its members: its name for people, and how open it is."""

    room_id: str
    label: str
    join_rule: str
    world_readable: bool
    encrypted: bool = False
    version: str = "1"
    allow: tuple[str, ...] = ()
    """The rooms whose members may join without knocking, if the join rule is a restricted one."""
    is_space: bool = False


# --- what is decided ------------------------------------------------------------------------------------------

UNANSWERED, UNREACHABLE = "doubt.unanswered", "doubt.unreachable"
"""Why the policy decides without the answers that it asked for."""

DRY_RUN = "doubt.dry_run"
"""The code of the doubt that a policy in dry run casts on each of its decisions."""


class Truth(StrEnum):
    """A fact, or a condition made of facts, is true, false or unknown."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one condition, and why; the reason is true for the condition and for its `not`."""

    truth: Truth
    why: Notice


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about one fact; for `UNKNOWN`, `why` says what prevented it."""

    truth: Truth
    why: Notice | None = None


class Where(StrEnum):
    """The rooms that a criterion about the past looks at."""

    HERE = "here"
    """The room of the request."""
    MANAGED = "managed"
    """All rooms managed from the same management room, this one among them."""


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier request of the same applicant: its outcome, and how long ago (milliseconds)."""

    state: State
    age: int


@dataclass(frozen=True, slots=True)
class History:
    """The outcomes of the applicant's earlier requests, oldest first."""

    past: tuple[Past, ...] = ()
    cut: bool = False
    """Whether there were more, older ones."""


@dataclass(frozen=True, slots=True)
class InviteFacts:
    """What is known about a third-party invite, when it is judged and again when somebody redeems it."""

    inviter: str
    keys: tuple[IdentityKey, ...] | None = ()
    """None if they are not kept."""
    power: float | None = None
    """The inviter's level in the protected room now, `math.inf` for a creator of version 12; none if unknown."""
    member: Known = Known(Truth.UNKNOWN, because("unknown.nobody_looked"))
    """Whether the inviter is joined to the protected room now."""
    earlier: tuple[int, ...] | None = None
    """How long ago (milliseconds) they made each of their other third-party invites here; none if not looked up."""
    earlier_cut: bool = False
    """Whether there were more, older ones."""
    valid: Known = Known(Truth.UNKNOWN, because("unknown.nobody_asked"))
    """Whether the identity servers say that the keys are valid. Only configured servers are asked, and only about their
    keys; without any, this is true, and a rule can use `identity_server` to trust no others."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Whether a policy list names somebody, and by which entry; for `UNKNOWN`, `why` says what prevented to know it."""

    truth: Truth
    entity: str = ""
    """The entity of the entry: an ID or a glob."""
    reason: str = ""
    """The reason that the list gives, as strangers wrote it."""
    why: Notice | None = None
    room_id: str = ""
    """The room of the list. This and the version are not stored."""
    version: int | None = None
    """The version of the list that was asked; none if it could not be asked."""
    again: bool = False
    """Whether an earlier list of the same policy has the same room: then only rules may ask about this one."""


@dataclass(frozen=True, slots=True)
class PreApproved:
    """Whether an approval in advance counts for the applicant, and which one that is."""

    truth: Truth
    by: str = ""
    """Who gave it; empty if there is none."""
    until: int | None = None
    """Until when it is in force, in milliseconds since the epoch; none for ever."""
    of_server: bool = False
    """Whether it is for everybody from the applicant's server."""
    why: Notice | None = None
    """Why one that exists does not count, or why that is unknown."""


@dataclass(frozen=True, slots=True)
class Brought:
    """Whether the applicant brings a code that counts."""

    truth: Truth
    name: str = ""
    """What the code is called; empty if they bring none."""
    why: Notice | None = None
    """Why one that they bring does not count, or why that is unknown."""


@dataclass(frozen=True, slots=True)
class Word:
    """The word of one person for the applicant, and whether it counts."""

    by: str
    truth: Truth
    level: float = 0
    """Their power level in the room; only of one that counts."""
    why: Notice | None = None
    """Why it does not count, or why that is unknown."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """Who vouches for the applicant, the newest first."""

    words: tuple[Word, ...] = ()
    cut: bool = False
    """Whether there were more, which are not kept."""


@dataclass(frozen=True, slots=True)
class LastRejection:
    """When the applicant was last rejected at this room, unless they were accepted there since."""

    age: int | None
    """How long ago that was (milliseconds); none if they never were."""


class Asking(StrEnum):
    """How far it is with asking an applicant."""

    OPEN = "open"
    UNANSWERED = "unanswered"
    """The time for answers is over."""
    UNREACHABLE = "unreachable"
    """They could not be asked, or cannot answer any more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody was asked the questions of the policy."""

    state: Asking
    answers: Mapping[str, str] | None = field(default_factory=dict)
    """By the key of the question: the name of a choice, or a text. None if they are not kept."""


class Came(StrEnum):
    """The state of a third-party invite when somebody used it."""

    UNSEEN = "unseen"
    """It is not in the records."""
    USED = "used"
    """Somebody else had used it before."""
    ACCEPTED = "accepted"
    TAKEN_BACK = "taken_back"
    UNANSWERED = "unanswered"


class Fact(StrEnum):
    """A kind of fact that must be looked up before a rule can be judged, and only if a rule asks for it."""

    MEMBER_OF = "member_of"
    """Whether the applicant is joined to a room (`Facts.member_of`)."""
    IN_MANAGED = "in_managed"
    """Whether the applicant is in another room managed from here (`Facts.in_managed`)."""
    FIRST_SEEN = "first_seen"
    """Since when the applicant is known in the rooms managed from here (`Facts.first_seen`)."""
    KNOCKS = "knocks"
    """How often the applicant knocked (`Facts.counts`)."""
    SERVER_KNOCKS = "server_knocks"
    """How many knocks came from the applicant's server (`Facts.counts`)."""
    SAME_REASON = "same_reason"
    """How many applicants gave the same reason (`Facts.counts`)."""
    HISTORY = "history"
    """The results of the applicant's earlier requests in some rooms (`Facts.history`)."""
    INVITER = "inviter"
    """The inviter's power and membership (`InviteFacts.power` and `.member`)."""
    LOOKALIKE = "lookalike"
    """Whether the applicant's name looks like that of somebody with power (`Facts.lookalike`)."""
    INVITES = "invites"
    """The other invites of the same inviter (`InviteFacts.earlier`)."""
    LISTED = "listed"
    """Whether policy lists name the applicant or, for a third-party invite, its inviter (`Facts.lists`)."""
    PRE_APPROVED = "pre_approved"
    """Whether somebody who may accept the applicant has approved them in advance (`Facts.pre_approved`)."""
    CODE = "code"
    """Whether the applicant brings a code that counts (`Facts.code`)."""
    VOUCHED = "vouched"
    """Who vouches for the applicant (`Facts.vouched`)."""
    LAST_REJECTION = "last_rejection"
    """When the applicant was last rejected at this room (`Facts.last_rejection`)."""
    ANSWERS = "answers"
    """What the applicant has answered to the questions of the policy (`Facts.asked`)."""


@dataclass(frozen=True, slots=True)
class Need:
    """A fact that a condition asks for, and what it asks it of: a room as the policy names it, a `Where`, or what is to
    be counted (`criteria/counts.py`)."""

    fact: Fact
    of: str = ""


@dataclass(frozen=True, slots=True)
class Counting:
    """What is counted up to a knock, in which rooms, and within what time (milliseconds)."""

    fact: Fact
    where: Where
    within: int


@dataclass(frozen=True, slots=True)
class Count:
    """How many were counted, the knock itself among them; 0 where it has nothing that could be counted."""

    number: int
    cut: bool = False
    """Whether nobody counted any further."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out for one judgement, and only what the policy needs."""

    home: str
    """The server name of knockbot's homeserver; its users are `local`."""
    at: int | None = None
    """The moment at which they were gathered, in milliseconds since the epoch."""
    zone: str = "UTC"
    """The time zone of the policy; `decide` adds it, since it is no fact about the request."""
    member_of: Mapping[str, Known] = field(default_factory=dict)
    """Whether the applicant is joined to each room, by the name the policy uses for it."""
    first_seen: int | None = None
    """How long ago (milliseconds) the applicant was first seen in the rooms managed from here; 0 for never before."""
    in_managed: Known | None = None
    """Whether the applicant is joined to another room with the same management room; none if not looked up."""
    counts: Mapping[Counting, Count] = field(default_factory=dict)
    """How many knocks there were, as far as that was looked up."""
    history: Mapping[Where, History] = field(default_factory=dict)
    """The outcomes of their earlier requests in these rooms, as far as they were looked up."""
    invite: InviteFacts | None = None
    """For a third-party invite, or a redeemed one; none if it is not known which invite that was."""
    lookalike: Known | None = None
    """Whether their name looks like that of somebody who has power in the room; if so, `why` says whose; none if not
    looked up."""
    lists: Mapping[str, Listed] = field(default_factory=dict)
    """Whether each policy list names them, by its name in the policy, in the order of the policy."""
    came: Came | None = None
    """For a redeemed invite: its state at that moment; none before that is looked up."""
    pre_approved: PreApproved | None = None
    """Whether somebody approved the applicant in advance; none if not looked up."""
    code: Brought | None = None
    """Whether the applicant brings a code that counts; none if not looked up."""
    vouched: Vouched | None = None
    """Who vouches for the applicant; none if not looked up."""
    last_rejection: LastRejection | None = None
    """When the applicant was last rejected; none if not looked up."""
    asked: Asked | None = None
    """What the applicant has answered; none if they were not asked, or that was not looked up."""
    to_ask: tuple[str, ...] = ()
    """The keys of the questions of the policy; `decide` adds them, since they are no fact about the request."""
    numbered: tuple[str, ...] = ()
    """The same of the policy that has the rule: the numbers in it mean these."""
    denied: bool = False
    """Whether the room denies the applicant's server (`m.room.server_acl`)."""
    measure: Measure | None = None
    """How much text somebody who knocks wrote."""
    words_gone: bool = False
    """Whether their text is not kept, or not completely: then it is unknown."""
    unseen: bool = False
    """Whether they have not knocked, so that nobody has seen their display name and avatar: then these are unknown."""
    too_costly: bool = False
    """Whether patterns must not run, because that would take too long: then it is unknown whether they match."""
    managed_from: str = ""
    """The management room when they were looked up, if they may tell of the other rooms managed from there. It is not
    stored: a judgement never moves along with its room to another management room if it tells of others."""
    elsewhere: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What differs for the rules that are from the policy of another room, by room and by the name of the field: the
    names in such a policy may mean something else."""

    def seen_from(self, origin: str) -> Facts:
        """What is known for the rules that are from the policy of this room."""
        return replace(self, **self.elsewhere[origin], elsewhere={}) if origin in self.elsewhere else self

    def with_others(self, seen: Mapping[str, Facts]) -> Facts:
        """These facts, and what is known for the rules from the policies of other rooms, by room."""
        names = [held.name for held in fields(self) if held.name != "elsewhere"]
        differing = {
            origin: {name: getattr(others, name) for name in names if getattr(others, name) != getattr(self, name)}
            for origin, others in seen.items()
        }
        return replace(self, elsewhere={origin: found for origin, found in differing.items() if found})


@dataclass(frozen=True, slots=True)
class Origin:
    """Another room whose policy decides in a room, as the space that it is in."""

    room_id: str
    """Empty for the default policy of the config file."""
    name: str
    """What people called it when that was decided."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A rule that did not match, and why not."""

    rule: str
    why: Notice
    origin: Origin | None = None
    """The room whose policy has the rule, if that is another room."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict that explains itself.

    `rule` is the rule's name, else its place (``#3``), or ``otherwise``. `missed` holds the rules before it.
    `unknown`, when set, says what could not be known to judge the rule, and `doubt` why the moderators are asked
    before its verdict is carried out; the verdict is then `forward`. `reason` is what people wrote for the applicant,
    and `told` what the bot itself tells them if nobody wrote anything.
    """

    verdict: Verdict
    rule: str
    reason: str | None = None
    missed: tuple[Miss, ...] = ()
    unknown: Notice | None = None
    doubt: Notice | None = None
    author: str | None = None
    """Who wrote the policy, and with whose power it acts; none for the config file's, which uses the bot's power."""
    left_out: int = 0
    """How many more rules did not match; their reasons are not kept."""
    told: Notice | None = None
    held: Verdict | None = None
    """What the rule says, if that is not done because of a `doubt`; none if the rule says nothing else."""
    found: Notice | None = None
    """The entry of a policy list that names them, if the list decided, or a rule that asks it and does not accept."""
    alike: Notice | None = None
    """Whose name the applicant's name looks like, if a rule decided that asks it and does not accept."""
    origin: Origin | None = None
    """The room whose policy decided, if that is another room."""
    may_ask_again: bool = False
    """Whether whoever is rejected by it may knock again at once, though the policy has a cooldown."""

    @property
    def rehearsed(self) -> Verdict | None:
        """What would have been done if the policy were not in dry run; none if it is not, or if nothing would be."""
        return self.held if self.doubt is not None and self.doubt.code == DRY_RUN else None

    @property
    def without_answers(self) -> Notice | None:
        """Why it was made without the answers that the policy asked for; none if it was not."""
        return self.doubt if self.doubt is not None and self.doubt.code in (UNANSWERED, UNREACHABLE) else None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request: by a rule, or by a moderator.

    `by` is a user id, the bot's own for a rule. `event_id` is the knock it was given for; `cause` the command or
    reaction that gave it, so that handling that event twice gives one answer.
    """

    verdict: Verdict
    by: str
    at: int
    event_id: str
    rule: str | None = None
    reason: str | None = None
    cause: str | None = None
    quiet: bool = False
    """Whether it was given to many at once, and their outcomes are reported together."""
    doubtful: bool = False
    """Whether the knock it accepts may have been withdrawn long ago, on a server that does not tell."""
    author: str | None = None
    """For a rule's answer: who wrote the policy (`Decision.author`)."""
    instead: bool = False
    """Whether it overrides another answer, whose act may be in progress."""
    told: Notice | None = None
    """What the bot itself tells the applicant, if nobody wrote a `reason`."""
    by_click: bool = False
    """Whether `cause` is a click, which can be withdrawn."""
    also_from: str = ""
    """What people called the other room where they were accepted, if that is why they are accepted here as well."""

    @property
    def on_behalf_of(self) -> str:
        """With whose power it is carried out: a policy's author, the moderator, or the bot for the config file."""
        return self.author or self.by


@dataclass(frozen=True, slots=True)
class Wish:
    """What a moderator wants: a verdict on a request, with a text for the applicant.

    `cause` is their event.
    """

    actor: str
    verdict: Verdict
    cause: str
    reason: str | None = None
    by_click: bool = False
    of_card: bool = False
    """Whether it is for whatever the card showed, and names no request: a click, or a reply to the card."""
    knock: str | None = None
    """The knock that they were shown, where that is known; an accept is for no other."""
    quiet: bool = False
    """Whether it is given to many at once, and their outcomes are reported together."""
    also_from: str = ""
    """What people call the other room where they accepted them, if that is why they accept here as well."""


@dataclass(frozen=True, slots=True)
class Untaken:
    """An invite by which nobody has joined yet, and whose accept by a rule does not hold any more."""

    event_id: str
    """The member event that invited them."""
    rule: str
    """The rule that had accepted them."""
    origin: str = ""
    """What people called the room whose policy has the rule, if that is another room."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Somebody was removed from the room after they had joined."""

    state: State
    """Rejected for a kick, or banned."""
    by: str
    at: int


class Step(StrEnum):
    """How an answer is undone in the room."""

    WITHDRAW = "withdraw"
    """Withdraw an invite by which nobody has joined yet."""
    REMOVE = "remove"
    """Remove somebody who has joined."""
    INVITE = "invite"
    """Invite somebody who was rejected."""
    LIFT = "lift"
    """Lift a ban."""
    REVOKE = "revoke"
    """Revoke a third-party invite."""
    EXPIRE = "expire"
    """Withdraw an invite that nobody took in time: the policy does that, and no person."""
    LIFT_INVITER = "lift_inviter"
    """Lift the ban of the inviter of a revoked third-party invite."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What the answer of a request takes back: the outcome that there was, and the answer that led to it."""

    state: State
    """The outcome. While the request still has it, the act is yet to be done."""
    step: Step
    by: str | None = None
    """Who had caused the outcome."""
    answer: Answer | None = None
    """None if the outcome came from another client."""


@dataclass(frozen=True, slots=True)
class Shortcut:
    """An answer with a text for the applicant, which a card offers by an emoji of its own."""

    emoji: str
    verdict: Verdict
    name: str
    """What the card calls it."""
    reason: str


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to decide, from the first knock to its outcome."""

    id: int
    management_room: str
    number: int
    room_id: str
    kind: Kind
    user_id: str
    event_id: str
    """The current knock: the newest one of this request."""
    reason: str
    display_name: str | None
    has_avatar: bool
    state: State
    opened_at: int
    changed_at: int
    decision: Decision | None = None
    """The policy's decision on the current knock."""
    answer: Answer | None = None
    """The answer, once there is one; the state changes when the room does."""
    by: str | None = None
    """Who caused the present state; set together with an outcome."""
    card_id: int | None = None
    shown_event_id: str | None = None
    """The knock that the card last showed: what an `accept` by reaction is given for."""
    first_shown_in: str | None = None
    """The message, a card or an edit of it, in which this card first showed the request."""
    trouble: Notice | None = None
    """Why the last act for this request was given up."""
    invite: ThirdPartyInvite | None = None
    """For a third-party invite: what it says. Its `user_id` is empty until somebody redeems it."""
    issued_by: str | None = None
    """The moderator for whom the bot sent this invite. Its inviter is then the bot."""
    moved_from: str | None = None
    """The room in which they knocked, if the request moved from there to the room that replaces it; until they
    knock here as well."""
    reason_length: int | None = None
    """How many characters the reason had, if it was cut when the request was closed."""
    inviter_banned: bool = False
    """For a third-party invite: whether its inviter was banned with it."""
    untaken: Untaken | None = None
    """For a knock: the invite that the bot has to withdraw, or that the moderators decide about."""
    undone: Undone | None = None
    """What its answer takes back, if it undoes another one."""
    removal: Removal | None = None
    """For a knock: how its applicant was removed later, after they had joined."""
    code: int | None = None
    """The code that its applicant has brought: its ID."""
    cools: bool = True
    """Whether a rejection of it begins a cooldown."""
    vouched: bool = False
    """Whether somebody's word counted for its applicant when it was judged last."""
    blocked: Notice | None = None
    """Why the answer is not carried out yet, if that waits until somebody has fixed something, or for long until a
    server answers; read from its job."""

    @property
    def knock(self) -> Knock:
        """The current knock."""
        return Knock(
            self.room_id, self.user_id, self.event_id, self.reason, self.display_name, self.has_avatar, self.code
        )

    @property
    def subject(self) -> str:
        """Whom an answer would affect: the applicant, or, for an invite that nobody redeemed yet, its inviter."""
        return self.user_id or self.sponsor

    @property
    def sponsor(self) -> str:
        """Who is responsible for a third-party invite: its inviter, or the moderator for whom the bot sent it."""
        return self.issued_by or (self.invite.inviter if self.invite else "")

    @property
    def judged_as(self) -> Kind:
        """What a rule or a moderator answers here: a knock, an invite, or a user of an invite."""
        return Kind.REDEEMED_INVITE if self.redeemed else self.kind

    @property
    def on_its_way(self) -> bool:
        """Whether the bot sent this invite, and it is not in the room yet."""
        return self.invite is not None and self.invite.event_id == "" and self.open and not self.redeemed

    @property
    def redeemed(self) -> bool:
        """Whether this is a third-party invite that somebody has used; then the request is about that user."""
        return self.kind is Kind.THIRD_PARTY_INVITE and bool(self.user_id)

    @property
    def open(self) -> bool:
        """Whether it has no outcome yet."""
        return self.state is State.PENDING

    @property
    def invited(self) -> bool:
        """Whether it is about somebody who does not knock any more, since a rule had them invited."""
        return self.open and self.untaken is not None

    @property
    def being_undone(self) -> bool:
        """Whether its outcome is to be taken back, and that is not done yet."""
        return self.undone is not None and self.undone.state is self.state

    @property
    def taken_back(self) -> bool:
        """Whether its applicant takes it back by the bot: the answer is their own."""
        return self.answer is not None and self.answer.by == self.user_id

    @property
    def awaits_moderators(self) -> bool:
        """Whether it still needs an answer."""
        return self.open and self.answer is None
