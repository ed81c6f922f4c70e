"""Server ACLs: which servers may take part in a room (client-server API, m.room.server_acl).

Homeservers accept nothing from a denied server. What it sent before stays in the room, knocks too.
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
    """Whom a room takes part with: who is on `allow`, unless they are on `deny`."""

    allow: Globs
    deny: Globs
    ip_literals: bool = True

    def denies(self, server: str) -> bool:
        """Whether a server, given by its name, may take no part in the room."""
        host = host_of(server)
        if not self.ip_literals and _is_ip_literal(host):
            return True
        return self.deny.first_match(host) is not None or self.allow.first_match(host) is None

    def denies_user(self, user_id: str, *, home: str) -> bool:
        """Whether a user's server may take no part. Our own sends what it likes, and so does who is not known yet."""
        server = server_of(user_id)
        return server not in ("", home) and self.denies(server)


NOBODY_DENIED = ServerAcl(globs(["*"]), globs([]))
"""What holds in a room without one."""


def server_acl(content: Mapping[str, object] | None) -> ServerAcl:
    """The ACL that an event's content sets; none is for a room without the event.

    Read as homeservers do: without an `allow` everybody is denied, and what is no text matches nobody.
    """
    if content is None:
        return NOBODY_DENIED
    ip_literals = content.get("allow_ip_literals")
    return ServerAcl(_globs(content.get("allow")), _globs(content.get("deny")), ip_literals is not False)


def _globs(value: object) -> Globs:
    listed = value if isinstance(value, list) else []
    entries = (re.sub(r"\*+", "*", one) for one in listed if isinstance(one, str))
    # No server's name is longer than this, so that a longer entry fits none, unless it is made of wildcards.
    return globs(_within_reason(one for one in entries if len(one) <= MAX_ID_BYTES), ignore_case=True)


MOST_LOOKED_THROUGH = 1000
"""Entries that begin and end with a wildcard, which take the longest, of which an ACL needs hardly any. Whoever writes
more has those after these ignored: then the moderators are asked, and the homeserver turns away who may not join."""


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
