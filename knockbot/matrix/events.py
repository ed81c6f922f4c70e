"""Turns raw JSON into something that happened: the one place that parses events.

Step 2 of the journey (ARCHITECTURE.md). Every field may have been written by a stranger: none is trusted in type,
length or content. What is no event at all raises `Malformed`; what does not concern join requests is `None`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeGuard

from knockbot.documents.text import beginning, storable, without_variation_selector
from knockbot.domain import ids, lists
from knockbot.domain.invites import few_keys
from knockbot.domain.model import (
    BODY_KEPT,
    NAME_KEPT,
    REASON_KEPT,
    Echo,
    File,
    FileKey,
    Happening,
    IdentityKey,
    ListChange,
    MemberChange,
    Membership,
    Message,
    Reaction,
    Redaction,
    RoomChange,
    ThirdPartyChange,
    ThirdPartyInvite,
)
from knockbot.domain.notices import Code, because
from knockbot.domain.spaces import SpaceChild
from knockbot.domain.state_keys import LONGEST_STATE_KEY, written
from knockbot.errors import SetAside
from knockbot.flow.ports import EFFECT_KEY
from knockbot.http import fits_a_path

WATCHED = frozenset({"m.room.member", "m.room.third_party_invite"})
"""Events that may move a request on."""

TALK = {
    "m.room.message": "talk",
    "m.reaction": "talk",
    "m.room.encrypted": "sealed",
    "m.room.redaction": "redaction",
}

MEMBERSHIPS = frozenset(Membership)

ENCRYPTION = "m.room.encryption"

ENTRIES = frozenset(lists.TYPES)
"""The entries of policy lists: they matter in rooms that are followed as lists."""
SPACE_CHILD: Final = "m.space.child"

ROOM_CHANGES = frozenset(
    {
        "m.room.power_levels",
        "m.room.join_rules",
        "m.room.history_visibility",
        "m.room.name",
        "m.room.canonical_alias",
        "m.room.server_acl",
        "m.room.tombstone",
        ENCRYPTION,
        SPACE_CHILD,
    }
)
"""The room state that is watched, in addition to membership."""


class Malformed(SetAside):
    """This cannot be an event: it is set aside and reported, and the rest of its transaction is handled."""


def matters(event: Mapping[str, Any]) -> str | None:
    """Why an event is kept: it is watched `state`, or `talk` or `sealed` talk (both kept outside protected rooms only),
    or a `redaction` of either, or an `entry` of a policy list (kept in rooms that are followed as lists only).

    Otherwise `None`.

    One without a type counts as state: it is kept, and set aside when it is looked at.
    """
    event_type = event.get("type")
    if not isinstance(event_type, str) or event_type in WATCHED or event_type in ROOM_CHANGES:
        return "state"
    return "entry" if event_type in ENTRIES else TALK.get(event_type)


def parse(event: Mapping[str, Any], bot: str) -> Happening | None:
    """What an event means for the bot."""
    event_type = _required(event, "type", str)
    reader = READERS.get(event_type) or (_room_change if event_type in ROOM_CHANGES else None)
    return reader(event, bot) if reader else None


def member_change(event: Mapping[str, Any], bot: str = "") -> MemberChange:
    """A membership event."""
    content = mapping(event.get("content"))
    user_id = _user(event, "state_key")
    membership = _membership(content)
    if membership is None:
        raise Malformed(because("event.no_membership"))
    unsigned = mapping(event.get("unsigned"))
    replaces = unsigned.get("replaces_state")
    # The homeserver has checked it only for an invite; in a knock or a join, the user may write anything.
    token = _redeemed_token(content) if membership is Membership.INVITE else None
    return MemberChange(
        room_id=_room(event),
        event_id=_event_id(event),
        user_id=user_id,
        sender=_user(event, "sender"),
        membership=membership,
        reason=_text(content.get("reason"), REASON_KEPT) or "",
        display_name=_name(content.get("displayname")),
        has_avatar=isinstance(content.get("avatar_url"), str) and content["avatar_url"] != "",
        sent_at=_time(event),
        replaces=replaces if is_event_id(replaces) else None,
        replaced_membership=_membership(mapping(unsigned.get("prev_content"))),
        token=token,
        direct=membership is Membership.INVITE and content.get("is_direct") is True,
    )


def _redeemed_token(content: Mapping[str, Any]) -> str | None:
    token = mapping(mapping(content.get("third_party_invite")).get("signed")).get("token")
    return written(token) if isinstance(token, str) and len(token) <= LONGEST_STATE_KEY else None


def reaction(event: Mapping[str, Any], bot: str = "") -> Reaction | None:
    """A reaction; `None` for one that was redacted or has no target."""
    relation = mapping(mapping(event.get("content")).get("m.relates_to"))
    target, key = relation.get("event_id"), relation.get("key")
    if relation.get("rel_type") != "m.annotation" or not isinstance(target, str) or not isinstance(key, str):
        return None
    return Reaction(
        _room(event),
        _event_id(event),
        _user(event, "sender"),
        _time(event),
        storable(target[:255]),
        without_variation_selector(storable(key[:64])),
    )


def _message(event: Mapping[str, Any], bot: str) -> Message | Echo | None:
    content = mapping(event.get("content"))
    if event.get("sender") == bot:
        key = content.get(EFFECT_KEY)
        return Echo(_room(event), _event_id(event), storable(key)) if isinstance(key, str) else None
    relation = mapping(content.get("m.relates_to"))
    edits = _related(relation, "m.replace")
    if relation.get("rel_type") == "m.replace":
        content = mapping(content.get("m.new_content")) if edits is not None else {}
    body = _said(content)
    if body is None:
        return None
    html = content.get("formatted_body") if content.get("format") == "org.matrix.custom.html" else None
    thread = _related(relation, "m.thread")
    # In a thread, clients also name the previous message, as a fallback for clients that know no threads.
    is_reply = thread is None or relation.get("is_falling_back") is not True
    return Message(
        room_id=_room(event),
        event_id=_event_id(event),
        sender=_user(event, "sender"),
        sent_at=_time(event),
        body=body,
        formatted_body=_text(html, BODY_KEPT),
        in_reply_to=_target(mapping(relation.get("m.in_reply_to"))) if is_reply else None,
        thread=thread,
        edits=edits,
        file=file_in(content),
    )


def _said(content: Mapping[str, Any]) -> str | None:
    """The text of a message, or the caption of a file; none of others: notices are never commands."""
    body = _text(content.get("body"), BODY_KEPT)
    if content.get("msgtype") in FILES:
        # Without a name of its own, the body is the name of the file and no caption.
        return body if isinstance(content.get("filename"), str) and content["filename"] != body else None
    return body if content.get("msgtype") == "m.text" else None


FILES = ("m.file", "m.image", "m.video", "m.audio")
"""The kinds of messages that hold a file, and perhaps a caption (client-server API, "Media captions"): clients choose
the kind by what they take the file for."""

_MXC = re.compile(r"mxc://([^/]{1,255})/([A-Za-z0-9_-]{1,255})")


def file_in(content: Mapping[str, Any]) -> File | None:
    """The file that a message holds; none if it holds none, or nobody could fetch it."""
    if content.get("msgtype") not in FILES:
        return None
    sealed = mapping(content.get("file"))
    where = sealed.get("url") if sealed else content.get("url")
    found = _MXC.fullmatch(where) if isinstance(where, str) else None
    if found is None or not ids.is_server_name(found[1]) or not fits_a_path(found[1]):
        return None
    key = _file_key(sealed) if sealed else None
    return File(found[1], found[2], key) if key is not None or not sealed else None


def _file_key(sealed: Mapping[str, Any]) -> FileKey | None:
    parts = mapping(sealed.get("key")).get("k"), sealed.get("iv"), mapping(sealed.get("hashes")).get("sha256")
    key, iv, sha256 = (part if isinstance(part, str) and len(part) <= LONGEST_KEY_PART else None for part in parts)
    return FileKey(key, iv, sha256) if key is not None and iv is not None and sha256 is not None else None


LONGEST_KEY_PART = 100
"""Characters of each part of a file's key: 32 bytes take 43."""


def _related(relation: Mapping[str, Any], rel_type: str) -> str | None:
    """The event that this one relates to in this way; `None` if it does not."""
    return _target(relation) if relation.get("rel_type") == rel_type else None


def _target(relation: Mapping[str, Any]) -> str | None:
    target = relation.get("event_id")
    return storable(target[:255]) if isinstance(target, str) else None


def third_party(event: Mapping[str, Any], bot: str = "") -> ThirdPartyChange:
    """An invite to an e-mail address or phone number, or the emptying of one (m.room.third_party_invite)."""
    state_key = _required(event, "state_key", str)
    if len(state_key) > LONGEST_STATE_KEY:
        raise Malformed(because("event.token_too_long"))
    token = written(state_key)
    content, unsigned = mapping(event.get("content")), mapping(event.get("unsigned"))
    room_id, event_id, sender = _room(event), _event_id(event), _user(event, "sender")
    invite = None
    if content:
        name = _name(content.get("display_name")) or ""
        invite = ThirdPartyInvite(room_id, event_id, token, sender, name, _identity_keys(content))
    else:
        sender = _redacted_by(unsigned) or sender
    replaces = unsigned.get("replaces_state")
    return ThirdPartyChange(
        room_id, event_id, token, sender, invite, _time(event), replaces if is_event_id(replaces) else None
    )


def _redacted_by(unsigned: Mapping[str, Any]) -> str | None:
    """Who redacted an event, if somebody did."""
    sender = mapping(unsigned.get("redacted_because")).get("sender")
    return sender if isinstance(sender, str) and ids.is_user_id(sender) else None


def _identity_keys(content: Mapping[str, Any]) -> tuple[IdentityKey, ...]:
    """Every key that lets somebody into the room, each in full; an invalid key lets nobody in, and is left out.

    If an invite has too many, the keys that show whose they are are kept: the last of hundreds works as well as the
    first.
    """
    listed = content.get("public_keys")
    found: dict[tuple[str, str | None], None] = {}
    for entry in map(mapping, [content, *(listed if isinstance(listed, list) else [])]):
        key, url = entry.get("public_key"), entry.get("key_validity_url")
        if isinstance(key, str):
            found[key, url if isinstance(url, str) else None] = None
    return tuple(
        IdentityKey(storable(key), storable(url) if url is not None else None) for key, url in few_keys(list(found))
    )


def _redaction(event: Mapping[str, Any], bot: str) -> Redaction | None:
    """A redaction; the ID of the redacted event is in the content from room version 11 on, and next to it before."""
    redacts = mapping(event.get("content")).get("redacts") or event.get("redacts")
    if not is_event_id(redacts):
        return None
    return Redaction(_room(event), _event_id(event), _user(event, "sender"), redacts)


def redaction_of(event: Mapping[str, Any], room_id: str, event_id: str) -> Redaction:
    """The redaction of an event; its sender is empty if the homeserver does not name them."""
    because_of = mapping(mapping(event.get("unsigned")).get("redacted_because"))
    by, its_id = because_of.get("sender"), because_of.get("event_id")
    return Redaction(
        room_id,
        its_id if is_event_id(its_id) else "",
        by if isinstance(by, str) and ids.is_user_id(by) else "",
        event_id,
    )


def list_change(event: Mapping[str, Any], bot: str = "") -> ListChange | None:
    """An entry of a policy list was set or removed; `None` for what is no state."""
    state_key = event.get("state_key")
    if not isinstance(state_key, str):
        return None
    if len(state_key) > LONGEST_STATE_KEY:
        raise Malformed(because("event.state_key_too_long"))
    key = lists.entry_key(_required(event, "type", str), state_key)
    event_id, sender = _event_id(event), _user(event, "sender")
    now = lists.read_entry(key, event.get("content"), event_id, sender)
    return ListChange(_room(event), event_id, sender, key, now, _time(event))


def _room_change(event: Mapping[str, Any], bot: str) -> RoomChange | None:
    key, event_type = event.get("state_key"), _required(event, "type", str)
    if key != "" and not (event_type == SPACE_CHILD and isinstance(key, str) and ids.is_room_id(key)):
        return None
    return RoomChange(_room(event), _event_id(event), _user(event, "sender"), event_type, key)


READERS: dict[str, Callable[[Mapping[str, Any], str], Happening | None]] = {
    "m.room.member": member_change,
    "m.room.message": _message,
    "m.reaction": reaction,
    "m.room.third_party_invite": third_party,
    "m.room.redaction": _redaction,
    **dict.fromkeys(ENTRIES, list_change),
}


def space_child(event: Mapping[str, Any], home: str) -> SpaceChild | None:
    """A room that a space names, on a homeserver called `home`; `None` if it names none any more (m.space.child)."""
    room_id, via = event.get("state_key"), mapping(event.get("content")).get("via")
    if not isinstance(room_id, str) or not ids.is_room_id(room_id) or not fits_a_path(room_id):
        return None
    servers = [server for server in via if isinstance(server, str)] if isinstance(via, list) else []
    event_id = event.get("event_id")
    its_id = event_id if is_event_id(event_id) else None
    return SpaceChild(room_id, ours=home in servers, event_id=its_id) if servers else None


def is_encryption(content: Mapping[str, Any]) -> bool:
    """Whether this content of m.room.encryption says that a room is encrypted, with any algorithm."""
    return isinstance(content.get("algorithm"), str) and content["algorithm"] != ""


# --- fields ---------------------------------------------------------------------------------------------------


def mapping(value: Any) -> Mapping[str, Any]:
    """A field that has to be an object; empty if it is not."""
    return value if isinstance(value, dict) else {}


def _required(event: Mapping[str, Any], key: str, kind: type[str]) -> str:
    value = event.get(key)
    if not isinstance(value, kind):
        raise Malformed(because("event.no_field", field=Code(key)))
    return value


def _room(event: Mapping[str, Any]) -> str:
    room_id = _required(event, "room_id", str)
    if not ids.is_room_id(room_id):
        raise Malformed(because("event.no_room_id"))
    return room_id


def _event_id(event: Mapping[str, Any]) -> str:
    event_id = event.get("event_id")
    if not is_event_id(event_id):
        raise Malformed(because("event.no_event_id"))
    return event_id


def is_event_id(value: Any) -> TypeGuard[str]:
    """Whether this can be an event ID, here and in a database."""
    return isinstance(value, str) and value.startswith("$") and len(value) <= 255 and storable(value) == value


def _user(event: Mapping[str, Any], key: str) -> str:
    user_id = _required(event, key, str)
    if not ids.is_user_id(user_id):
        raise Malformed(because("event.no_user_id", field=Code(key)))
    return user_id


def _text(value: Any, limit: int) -> str | None:
    return storable(value[:limit]) if isinstance(value, str) else None


def _name(value: Any) -> str | None:
    return storable(beginning(value, NAME_KEPT)) if isinstance(value, str) else None


def _time(event: Mapping[str, Any]) -> int:
    """`origin_server_ts`, as the sender's server claims it; an invalid value counts as long ago."""
    at = event.get("origin_server_ts")
    return at if isinstance(at, int) and not isinstance(at, bool) and 0 <= at < 2**53 else 0


def _membership(content: Mapping[str, Any]) -> Membership | None:
    value = content.get("membership")
    return Membership(value) if isinstance(value, str) and value in MEMBERSHIPS else None
