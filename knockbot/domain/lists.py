"""The entries of policy lists, read from what strangers write (client-server API, "Moderation policy lists")."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from knockbot.documents.text import storable
from knockbot.domain.ids import (
    MAX_ID_BYTES,
    host_of,
    is_alias,
    is_literal,
    is_room_id,
    is_server_name,
    is_user_id,
    matches,
    server_of,
)
from knockbot.domain.notices import Code, Notice, Number, because
from knockbot.domain.state_keys import spoken, written

REASON_KEPT: Final = 300
"""Characters of the reason of an entry."""


class EntityKind(StrEnum):
    """What an entry is about."""

    USER = "user"
    SERVER = "server"
    ROOM = "room"


class Recommendation(StrEnum):
    """What a list recommends to do about an entity."""

    BAN = "ban"
    TAKEDOWN = "takedown"
    """MSC4204: what they wrote is to be removed as well."""


FAMILIES: Final = ("m.policy.rule.", "org.matrix.mjolnir.rule.", "m.room.rule.")

TYPES: Final[Mapping[str, EntityKind]] = {f"{family}{kind}": kind for family in FAMILIES for kind in EntityKind}
"""The types of state events that are entries; the last two families are older names of the first."""

RECOMMENDATIONS: Final[Mapping[str, Recommendation]] = {
    "m.ban": Recommendation.BAN,
    "org.matrix.mjolnir.ban": Recommendation.BAN,
    "m.takedown": Recommendation.TAKEDOWN,
    "org.matrix.msc4204.takedown": Recommendation.TAKEDOWN,
}

HASHES: Final = ("hashes", "org.matrix.msc4205.hashes")
"""Where an entry without an entity has the hash of one (MSC4205)."""


# --- values -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry that can be used: whom it is about, and what is recommended."""

    key: str
    """The type and state key of its event, as `entry_key` makes it: an entry of an older type stands beside the one of
    the new type, as it does on the homeserver."""
    kind: EntityKind
    entity: str | None
    """An ID or a server name, or a glob; none if there is only a hash."""
    sha256: str | None
    """The hash of the whole ID, as unpadded base64; none if there is an entity."""
    recommendation: Recommendation
    reason: str
    event_id: str
    sender: str

    @property
    def everything(self) -> bool:
        """Whether it is about everybody: a list that says so does nothing, unless the policy allows that."""
        return self.entity is not None and is_everything(self.kind, self.entity)

    @property
    def subject(self) -> Subject:
        """What names are compared with: two entries with the same subject are about the same names."""
        text = f"{HASHED}{self.sha256}" if self.entity is None else folded(self.kind, self.entity)
        return self.kind, text


@dataclass(frozen=True, slots=True)
class Unusable:
    """An entry that does nothing, because it cannot be understood."""

    key: str
    why: Notice
    event_id: str
    sender: str


@dataclass(frozen=True, slots=True)
class Hit:
    """What a list says of a user or a room."""

    entity: str
    """As the list has it; for a hashed entry the name that has this hash."""
    kind: EntityKind
    recommendation: Recommendation
    reason: str
    key: str
    """Which entry it is."""


# --- reading ----------------------------------------------------------------------------------------------------


def entry_key(event_type: str, state_key: str) -> str:
    """The name of an entry in its room: its type and its state key, which may hold what no database accepts."""
    return f"{event_type} {written(state_key)}"


def type_and_state_key(key: str) -> tuple[str, str]:
    """The type and the state key from the name of an entry."""
    event_type, _, state_key = key.partition(" ")
    return event_type, spoken(state_key)


def read_entry(key: str, content: Any, event_id: str, sender: str) -> Entry | Unusable | None:
    """What an event of one of the `TYPES` says; `None` if it says nothing, because the entry was removed."""
    if not isinstance(content, dict) or not content:
        return None
    found = _read(TYPES[type_and_state_key(key)[0]], content)
    if isinstance(found, Notice):
        return Unusable(key, found, event_id, sender)
    kind, entity, sha256, recommendation = found
    reason = content.get("reason")
    told = storable(reason[:REASON_KEPT]) if isinstance(reason, str) else ""
    return Entry(key, kind, entity, sha256, recommendation, told, event_id, sender)


_Read = tuple[EntityKind, str | None, str | None, Recommendation]


def _read(kind: EntityKind, content: Mapping[str, Any]) -> _Read | Notice:
    """The parts of an entry, or why it cannot be used."""
    says = content.get("recommendation")
    recommendation = RECOMMENDATIONS.get(says) if isinstance(says, str) else None
    if recommendation is None:
        return _no_recommendation(says)
    entity = content.get("entity")
    if entity is None:
        sha256 = _hash_in(content)
        return (kind, None, sha256, recommendation) if sha256 is not None else because("entry.no_entity")
    fault = _fault_of(kind, entity)
    return fault if fault is not None else (kind, entity, None, recommendation)


SHOWN: Final = 60
"""Characters of a stranger's recommendation that are kept to be shown."""


def _no_recommendation(says: object) -> Notice:
    if not isinstance(says, str):
        return because("entry.no_recommendation")
    return because("entry.unknown_recommendation", recommendation=Code(storable(says[:SHOWN])))


def _hash_in(content: Mapping[str, Any]) -> str | None:
    """The hash of the entity, in one form; `None` if there is none."""
    for place in HASHES:
        hashes = content.get(place)
        value = hashes.get("sha256") if isinstance(hashes, dict) else None
        if isinstance(value, str) and len(value) <= len(_sha256("")) + 1:
            digest = _decoded(value)
            if len(digest) == hashlib.sha256().digest_size:
                return base64.b64encode(digest).decode().rstrip("=")
    return None


def _decoded(value: str) -> bytes:
    """The bytes of a base64 text, of either alphabet, padded or not; empty if it is none."""
    text = value.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _fault_of(kind: EntityKind, entity: object) -> Notice | None:
    """Why an entity can name nobody; `None` if it can."""
    if not isinstance(entity, str) or not entity:
        return because("entry.no_entity")
    if len(entity) > MAX_ID_BYTES or len(entity.encode(errors="replace")) > MAX_ID_BYTES:
        return because("entry.too_long", most=Number(MAX_ID_BYTES))
    names_one, fault = _NAMES[kind]
    return None if storable(entity) == entity and (not is_literal(entity) or names_one(entity)) else fault


_NAMES: Final[Mapping[EntityKind, tuple[Callable[[str], bool], Notice]]] = {
    EntityKind.USER: (is_user_id, because("entry.no_user")),
    EntityKind.SERVER: (is_server_name, because("entry.no_server")),
    EntityKind.ROOM: (lambda entity: is_room_id(entity) or is_alias(entity), because("entry.no_room")),
}
"""Whether a text without wildcards can be the name of something, and what is said if it cannot."""


# --- whom it is about -------------------------------------------------------------------------------------------

HASHED: Final = "sha256 "
"""What the subject of a hashed entry begins with: no name has a space there."""

_WILDCARDS = re.compile(r"[*?]*\*[*?]*")


def folded(kind: EntityKind, entity: str) -> str:
    """An entity in the form in which names are compared with it: server names have no case, and wildcards in a row have
    one order (``*?*`` is ``?*``)."""
    text = entity.lower() if kind is EntityKind.SERVER else entity
    return _WILDCARDS.sub(lambda run: "?" * run[0].count("?") + "*", text)


def has_port(server: str) -> bool:
    """Whether a server entity is about whole server names, and not about hosts: it has a port itself."""
    return host_of(server) != server.lower()


_ORDINARY: Final = {
    EntityKind.USER: "@ordinaryname:matrix.example.org",
    EntityKind.SERVER: "matrix.example.org",
    EntityKind.ROOM: "!ordinaryname:matrix.example.org",
}


def is_everything(kind: EntityKind, entity: str) -> bool:
    """Whether an entity is about everybody: it names no letter and no digit, and fits an ordinary name."""
    return not is_literal(entity) and not any(map(str.isalnum, entity)) and matches(entity, _ORDINARY[kind])


@dataclass(frozen=True, slots=True)
class Name:
    """A name that an entity of this kind may fit."""

    kind: EntityKind
    text: str
    whole: bool = False
    """Whether this is a whole server name: only globs with a port are compared with it, all others with the host."""


Subject = tuple[EntityKind, str]
"""Whom an entry is about: its kind, and `Entry.subject`."""


def names_of_user(user_id: str) -> tuple[Name, ...]:
    """The names by which a list can mean a user: their ID, their server's host, and its whole name."""
    server = server_of(user_id)
    return (
        Name(EntityKind.USER, user_id),
        Name(EntityKind.SERVER, host_of(server)),
        Name(EntityKind.SERVER, server.lower(), whole=True),
    )


def names_of_room(room_id: str) -> tuple[Name, ...]:
    """The names by which a list can mean a room."""
    return (Name(EntityKind.ROOM, room_id),)


def subjects_of(names: Sequence[Name], *, hashed: bool = True) -> dict[Subject, str]:
    """The subjects without wildcards that mean one of these names, each with the name that it means; `hashed`: also
    those that are hashes."""
    found: dict[Subject, str] = {}
    for name in names:
        found[name.kind, name.text] = name.text
        if hashed:
            found[name.kind, f"{HASHED}{_sha256(name.text)}"] = name.text
    return found


def _sha256(name: str) -> str:
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode().rstrip("=")
