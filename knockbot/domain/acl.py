"""Server ACLs: which servers may take part in a room (client-server API, m.room.server_acl).

Homeservers accept nothing from a denied server. What it sent before stays in the room, including knocks.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from knockbot.domain.ids import MAX_ID_BYTES, Globs, globs, host_of, server_of

WILDCARDS = ("*", "?")

SERVER_ACL = "server_acl"
"""The name of the rule if the room's server ACL decided."""


@dataclass(frozen=True, slots=True)
class ServerAcl:
    """Which servers may take part in a room: those on `allow`, unless they are on `deny`."""

    allow: Globs
    deny: Globs
    ip_literals: bool = True

    def denies(self, server: str) -> bool:
        """Whether the room denies a server, given by its name."""
        host = host_of(server)
        if not self.ip_literals and _is_ip_literal(host):
            return True
        return self.deny.first_match(host) is not None or self.allow.first_match(host) is None

    def denies_user(self, user_id: str, *, home: str) -> bool:
        """Whether the room denies a user's server. Our own is never denied, nor is a user who is not known yet."""
        server = server_of(user_id)
        return server not in ("", home) and self.denies(server)


NOBODY_DENIED = ServerAcl(globs(["*"]), globs([]))
"""What is in force in a room without an ACL."""


def server_acl(content: Mapping[str, object] | None) -> ServerAcl:
    """The ACL that an event's content sets; no content means a room without the event.

    It is read as homeservers read it: without an `allow` everybody is denied, and a non-text entry matches nobody.
    """
    if content is None:
        return NOBODY_DENIED
    ip_literals = content.get("allow_ip_literals")
    return ServerAcl(_globs(content.get("allow")), _globs(content.get("deny")), ip_literals is not False)


def _globs(value: object) -> Globs:
    listed = value if isinstance(value, list) else []
    entries = (re.sub(r"\*+", "*", one) for one in listed if isinstance(one, str))
    # No server name is longer than this, so a longer entry matches none, unless it consists of wildcards.
    return globs(_within_reason(one for one in entries if len(one) <= MAX_ID_BYTES), ignore_case=True)


MOST_LOOKED_THROUGH = 1000
"""Entries that begin and end with a wildcard: they take the longest, and an ACL needs hardly any. Entries beyond this
number are ignored: then the moderators are asked, and the homeserver refuses those who may not join."""


def _within_reason(entries: Iterable[str]) -> Iterator[str]:
    left = MOST_LOOKED_THROUGH
    for one in entries:
        if one[:1] in WILDCARDS and one[-1:] in WILDCARDS and one != "*":
            left -= 1
            if left < 0:
                continue
        yield one


def _is_ip_literal(host: str) -> bool:
    if host.startswith("["):
        return True
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True
