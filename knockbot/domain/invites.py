"""What is special about third-party invites: whose keys they carry, when an inviter loses the right to invite, and
the addresses that the bot's own invites go to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from knockbot.domain.ids import host_of
from knockbot.domain.model import IdentityKey, MemberChange, Membership, Request, State, ThirdPartyInvite, Verdict
from knockbot.domain.notices import Notice
from knockbot.domain.power import ANYBODY, Powers
from knockbot.times import DAY

MOST_KEYS = 20
"""Keys of an invite that are examined; identity servers write two or three. One more is kept, to show that there
are more."""

# The host and port are written as in a server name. A URL with a user, a backslash, a space or anything beyond ASCII
# is refused: two programs might find two hosts in it, and the homeserver, which asks that URL, is another program.
_HTTPS = re.compile(
    r"https://(?P<host>[0-9A-Za-z.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?(?:[/?#][!-\[\]-~]*)?",
    re.ASCII | re.IGNORECASE,
)


def https_host(url: str) -> str | None:
    """The host of a plain https URL, in lower case and without port; none for any other text. Never raises."""
    written = _HTTPS.fullmatch(url)
    return host_of(written["host"]) if written else None


def few_keys(keys: Sequence[tuple[str, str | None]]) -> Sequence[tuple[str, str | None]]:
    """At most `MOST_KEYS` of these keys and their URLs, and one more: first the first key without a host, which anybody
    may have made, then the first of each host, then all others."""
    if len(keys) <= MOST_KEYS:
        return keys
    first: dict[str | None, int] = {}
    for place, (_, url) in enumerate(keys):
        first.setdefault(https_host(url) if url is not None else None, place)
    places = [first.pop(None)] if None in first else []
    places = list(dict.fromkeys([*places, *first.values(), *range(len(keys))]))[: MOST_KEYS + 1]
    return [keys[place] for place in sorted(places)]


# --- on record --------------------------------------------------------------------------------------------------


def is_on_record(known: Request | None, invite: ThirdPartyInvite) -> bool:
    """Whether the newest request of its token is about exactly this invite, no matter what its outcome is."""
    return known is not None and known.invite is not None and known.invite.event_id == invite.event_id


def is_awaited(known: Request | None, invite: ThirdPartyInvite) -> bool:
    """Whether this is an invite that the bot sent for a moderator, and that is not in the room yet."""
    return (
        known is not None
        and known.invite is not None
        and known.on_its_way
        and known.invite.inviter == invite.inviter  # nobody else can write that
    )


# --- when the inviter loses the right -------------------------------------------------------------------------


class Fall(StrEnum):
    """What happened to an inviter with unused invites; the policy says for each what happens to the invites."""

    REMOVED = "removed"
    """Banned or kicked."""
    DEMOTED = "demoted"
    """Below the room's `invite` level: they lost power, or the level was raised."""
    LEFT = "left"
    """Left on their own."""


@dataclass(frozen=True, slots=True)
class Fallen:
    """Somebody who made invites, and what happened to them as an inviter; `cause` names the occasion."""

    room_id: str
    inviter: str
    how: Fall
    cause: str
    author: str | None = None
    """Who wrote the policy that decides about the invites; none for the config file."""
    powerless: Notice | None = None
    """Why that person may not revoke invites: then the moderators are asked."""


def fall(change: MemberChange) -> Fall | None:
    """What this change of membership means for its user as an inviter; `None` if it changes nothing.

    If the earlier membership is unknown, the change counts: better to ask once too often.
    """
    before = change.replaced_membership
    if change.membership is Membership.BAN:
        return Fall.REMOVED
    if change.membership is not Membership.LEAVE:
        return None
    if change.of_their_own:
        return Fall.LEFT if before in (Membership.JOIN, None) else None  # else a withdrawn knock or a declined invite
    return Fall.REMOVED if before is not Membership.BAN else None  # else only an unban


def may_invite(powers: Powers, inviter: str) -> bool:
    """Whether the inviter's level still reaches the room's `invite` level; if not, that is `Fall.DEMOTED`."""
    return powers.may(inviter, "invite", ANYBODY)


def fallen(member: MemberChange | None, powers: Powers, inviter: str) -> Fall | None:
    """What happened to an inviter, by their membership and power now; `None` if they may still invite."""
    out = fall(replace(member, replaced_membership=None)) if member is not None else None
    return out or (None if may_invite(powers, inviter) else Fall.DEMOTED)


def may_be_taken_back(request: Request) -> bool:
    """Whether this is an invite that nobody redeemed: it is approved, waits for an answer, or is being sent."""
    if request.redeemed:
        return False
    on_its_way = request.on_its_way and request.answer is not None and request.answer.verdict is Verdict.ACCEPT
    return request.state is State.STANDING or request.awaits_moderators or on_its_way


# --- issuing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredInvite:
    """An invite that an identity server keeps for an address, and has sent there; it is not in the room yet."""

    token: str
    """The state key for the invite in the room."""
    display_name: str
    """The address, made unreadable (``car...@exa...``)."""
    keys: tuple[IdentityKey, ...]
    """At least one; the first is the server's own, which stays valid after this invite. Each has an https URL."""

    @property
    def content(self) -> dict[str, Any]:
        """The content for the room (client-server API, m.room.third_party_invite)."""
        keys = [{"public_key": key.public_key, "key_validity_url": key.url} for key in self.keys]
        return {"display_name": self.display_name, **keys[0], "public_keys": keys}


@dataclass(frozen=True, slots=True)
class Address:
    """An address of somebody outside Matrix, as identity servers know it (appendix "3PID Types")."""

    medium: str
    """``email`` or ``msisdn``."""
    text: str
    """In lower case, or digits alone."""

    def __str__(self) -> str:
        return f"+{self.text}" if self.medium == "msisdn" else self.text


# Characters that a mail program may read as the end of one address, or the beginning of another, are not allowed.
_EMAIL = re.compile(r"""[^\s@<>()[\]\\,;:"']{1,64}@[\w-]+(?:\.[\w-]+)+""")
_MAIL_LINK = re.compile(r"mailto:([^\s?]+)\S*", re.IGNORECASE)
_PHONE = re.compile(r"(?:\+|00)[0-9](?:[ ()./-]*[0-9])*")
LONGEST_EMAIL = 254
"""Bytes that a mail server accepts (RFC 5321, as in its errata)."""
SHORTEST_PHONE, LONGEST_PHONE = 7, 15
"""Digits of a phone number with its country code (ITU-T E.164)."""


def read_address(text: str) -> tuple[Address, str] | None:
    """The e-mail address or phone number that a text begins with, and what follows it; none if there is neither.

    A phone number begins with ``+`` or ``00``, and may contain blanks, brackets and dashes.
    """
    text = text.strip()
    if phone := _PHONE.match(text):
        # A zero in brackets is dialled only within the country.
        digits = re.sub("[^0-9]", "", phone[0].replace("(0)", "")).removeprefix("00")
        rest = text[phone.end() :]
        if SHORTEST_PHONE <= len(digits) <= LONGEST_PHONE and rest[:1] in ("", " ", ","):
            return Address("msisdn", digits), rest.strip(" ,")
    word, _, rest = text.partition(" ")
    link = _MAIL_LINK.fullmatch(word.strip("<>"))
    word = (link[1] if link else word).strip("<>,;").casefold()
    if _EMAIL.fullmatch(word) and len(word.encode()) <= LONGEST_EMAIL and word.isprintable():
        return Address("email", word), rest.strip()
    return None


"""Milliseconds in which the budgets for issued invites are counted."""


def possible_again(times: Sequence[int], budget: int, now: int) -> int | None:
    """When the next invite may be issued, given the times of the others; `None` means at once. The budget is not 0."""
    counted = sorted(at for at in times if at > now - DAY)
    return counted[-budget] + DAY if len(counted) >= budget else None


UNASKED = "KNOCKBOT_UNASKED"
"""The code of an error that means: the identity server has surely done nothing."""
IN_VAIN = "KNOCKBOT_IN_VAIN"
"""The code of an error that means: the identity server has sent an invite that cannot be used."""


def masked(address: str) -> str:
    """An address or phone number as a log may hold it: enough to tell two apart, too little to contact anybody."""
    user, at, host = address.rpartition("@")
    return f"{user[:1]}…@{host[:1]}…" if at else f"…{address[-2:]}"
