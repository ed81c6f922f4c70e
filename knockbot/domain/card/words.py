"""What a request says: the reason of a knock, the keys of a third-party invite."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps

from markupsafe import escape

from knockbot.documents.text import NAME_LIMIT, harmless, shown
from knockbot.domain.card.who import addressed, invite_of
from knockbot.domain.invites import MOST_KEYS, https_host
from knockbot.domain.model import Request, ThirdPartyInvite
from knockbot.domain.notices import (
    Arg,
    Code,
    Hidden,
    Letters,
    Many,
    Notice,
    Number,
    Sentences,
    Stranger,
    listed,
    notice,
)

CARD_REASON = 300
"""Characters of a reason that a card and a list show."""

WHOLE_REASON = 20_000
"""The most bytes of a reason that `show` displays: an event has to hold it twice, as text and as HTML."""


def short_reason(request: Request, hidden: bool) -> Notice:
    reason, beyond = shown(request.reason, CARD_REASON), shown(request.reason, CARD_REASON + 1)
    command = f"!kb show {request.number}"
    if not reason:
        return notice("card.no_reason")
    if hidden:
        return notice("card.reason_hidden", reason=Hidden(beyond, CARD_REASON, command))
    if reason != beyond:
        return notice("card.reason_cut", reason=Stranger(beyond, CARD_REASON), command=Code(command))
    return notice("card.reason", reason=Stranger(reason, CARD_REASON))


def whole_reason(request: Request) -> Notice:
    reason = shown(request.reason, len(request.reason) + 1)
    kept = reason
    while len(dumps(escape(harmless(kept)))) > WHOLE_REASON:
        kept = kept[: len(kept) * 3 // 4]
    if not reason:
        return notice("card.no_reason")
    said = Stranger(kept, WHOLE_REASON)
    if kept == reason:
        return notice("card.reason", reason=said)
    return notice("card.reason_and_more", reason=said, count=Number(len(reason) - len(kept)))


def keys_said(request: Request, _: bool = False) -> Notice:
    return keys_of(invite_of(request))


def whom_it_was_for(request: Request, _: bool = False) -> Notice | None:
    invite = invite_of(request)
    return notice("card.was_for", whom=addressed(invite)) if invite.display_name else None


def keys_of(invite: ThirdPartyInvite) -> Notice:
    """Whose keys an invite has: identity servers by their host, and keys that belong to no server."""
    hosts = dict.fromkeys(https_host(key.url) if key.url is not None else None for key in invite.keys)
    named = [host for host in hosts if host is not None]
    said = [notice("card.keys", hosts=_hosts(named, many=len(hosts) > MOST_KEYS))] if named else []
    if None in hosts:
        said.append(notice("card.key_of_nobody"))
    return sentences(said or [notice("card.no_key")])


def _hosts(named: Sequence[str], *, many: bool) -> Many:
    shown_hosts: list[Arg] = [Letters(host, NAME_LIMIT) for host in named[:KEYS_SHOWN]]
    if many:
        shown_hosts.append(notice("list.others"))  # their number is not stored
    elif len(named) > KEYS_SHOWN:
        shown_hosts.append(notice("list.more", count=Number(len(named) - KEYS_SHOWN)))
    return listed(shown_hosts)


KEYS_SHOWN = 5
"""Identity servers that are named; the others are counted."""


def sentences(said: Sequence[Notice | None]) -> Notice:
    """Sentences one after the other; `None` is left out."""
    return notice("sentences", sentences=Sentences(tuple(one for one in said if one is not None)))
