"""What encryption stores beside mautrix's own tables: encrypted rooms, the bot's device, and what came for it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from knockbot.documents.text import storable
from knockbot.domain import nesting
from knockbot.domain.notices import Notice, because, dumps
from knockbot.store.db import Tx
from knockbot.store.rows import Row
from knockbot.times import DAY

log = logging.getLogger("knockbot.store")

KEEP = DAY
"""How long mail that was processed is remembered, so that repeats are recognised, in milliseconds."""


# --- rooms ----------------------------------------------------------------------------------------------------


async def is_encrypted(tx: Tx, room_id: str) -> bool:
    """Whether a room was ever seen to be encrypted."""
    return await tx.fetchrow("SELECT 1 FROM encrypted_rooms WHERE room_id = $1", room_id) is not None


async def note(tx: Tx, room_ids: Iterable[str]) -> None:
    """Rooms were seen to be encrypted; no later state of theirs can undo that."""
    found = [(room_id,) for room_id in sorted(set(room_ids))]
    if found:
        await tx.executemany(
            "INSERT INTO encrypted_rooms (room_id) VALUES ($1) ON CONFLICT (room_id) DO NOTHING", found
        )


async def shared_with(tx: Tx, room_id: str) -> str | None:
    """With whom the key of what the bot says in a room was shared, as `share` was told."""
    found = await tx.fetchval("SELECT shared_with FROM encrypted_rooms WHERE room_id = $1", room_id)
    return str(found) if found is not None else None


async def share(tx: Tx, room_id: str, digest: str | None) -> None:
    """Note with whom the key of what the bot says in a room is shared; `None` for nobody."""
    await tx.execute("UPDATE encrypted_rooms SET shared_with = $2 WHERE room_id = $1", room_id, digest)


async def share_anew(tx: Tx) -> None:
    """Let every room have a new key before the bot says anything more."""
    await tx.execute("UPDATE encrypted_rooms SET shared_with = NULL")


async def tell(tx: Tx, room_id: str, now: int) -> bool:
    """Note that a room is told that the bot is silent there because encryption is off; false if it was told before."""
    row = await tx.fetchrow(
        "UPDATE encrypted_rooms SET told_at = $2 WHERE room_id = $1 AND told_at IS NULL RETURNING room_id", room_id, now
    )
    return row is not None


async def allowed(tx: Tx) -> list[str]:
    """Encryption is allowed again: the rooms that were told that it is not."""
    rows = await tx.fetch("UPDATE encrypted_rooms SET told_at = NULL WHERE told_at IS NOT NULL RETURNING room_id")
    return [row["room_id"] for row in rows]


async def silent_rooms(tx: Tx) -> int:
    """How many management rooms are encrypted although that is not allowed: messages for them wait."""
    return int(
        await tx.fetchval(
            "SELECT count(*) FROM encrypted_rooms WHERE told_at IS NOT NULL "
            "AND room_id IN (SELECT management_room FROM rooms)"
        )
    )


# --- the device -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Device:
    """The bot's device: up to where its mail was read, and how often it was started."""

    device_id: str
    since: str | None
    starts: int


_DEVICE = Row(Device, "bot_device")


async def device(tx: Tx, user_id: str) -> Device | None:
    """The device of the bot, if it has one."""
    return _DEVICE.maybe(await tx.fetchrow(f"{_DEVICE.select} WHERE user_id = $1", user_id))


async def started(tx: Tx, user_id: str, device_id: str, starts: int) -> None:
    """Note how often the bot's device was started; another device replaces the last one."""
    await tx.execute(
        "INSERT INTO bot_device (user_id, device_id, starts) VALUES ($1, $2, $3) ON CONFLICT (user_id) DO UPDATE SET "
        "since = CASE WHEN bot_device.device_id = $2 THEN bot_device.since END, device_id = $2, starts = $3",
        user_id,
        device_id,
        starts,
    )


async def read_up_to(tx: Tx, user_id: str, since: str) -> None:
    """The device's mail is stored up to here."""
    await tx.execute("UPDATE bot_device SET since = $2 WHERE user_id = $1", user_id, since)


async def forget(tx: Tx) -> None:
    """Forget the device, and everything that came for it."""
    for table in ("bot_device", "mail"):
        await tx.execute(f"DELETE FROM {table}")
    await share_anew(tx)


# --- mail -----------------------------------------------------------------------------------------------------

TO_DEVICE, DEVICE_LISTS, KEY_COUNTS = "to_device", "device_lists", "key_counts"
"""What comes for the device: messages, whose devices have changed, and how many one-time keys are left."""


@dataclass(frozen=True, slots=True)
class Mail:
    """Something that came for the bot's device, as the homeserver handed it over."""

    seq: int
    kind: str
    raw: str
    attempts: int


_MAIL = Row(Mail, "mail")


async def store_mail(tx: Tx, mail: Iterable[tuple[str, Mapping[str, Any]]], now: int) -> None:
    """Store what came; a message that is known already is the same one, delivered twice.

    For each sender there is a limit for a day, which is higher than what any client needs to send.
    """
    for kind, content in mail:
        raw: str | None = nesting.written(content)
        digest = sender = fault = None
        if kind == TO_DEVICE:
            digest, sender = _digest(content), storable(str(content.get("sender"))[:LONGEST_ID])
            came = int(await tx.fetchval(_CAME, sender, now - KEEP))
            if came > DAILY:
                continue
            if came == DAILY:
                raw, fault = None, dumps(because("unreadable.too_many"))
                log.warning("%s sends the bot's device too much: the rest of today's is not read", sender)
        await tx.execute(
            "INSERT INTO mail (kind, digest, raw, sender, fault, received_at) VALUES ($1, $2, $3, $4, $5, $6) "
            "ON CONFLICT (digest) DO NOTHING",
            kind,
            digest,
            raw,
            sender,
            fault,
            now,
        )


_CAME = "SELECT count(*) FROM mail WHERE sender = $1 AND received_at > $2"

DAILY = 1_000
"""How many messages of one sender to the bot's device are read within a day."""

LONGEST_ID = 255


def _digest(message: Mapping[str, Any]) -> str:
    """What distinguishes a message from others, no matter how it was delivered."""
    told = [message.get(part) for part in ("type", "sender", "content")]
    return hashlib.sha256(nesting.written(told, sort_keys=True).encode()).hexdigest()


async def mail_waiting(tx: Tx, limit: int = 100) -> list[Mail]:
    """The mail that waits to be processed, in order of arrival."""
    return _MAIL.all(await tx.fetch(f"{_MAIL.select} WHERE raw IS NOT NULL ORDER BY seq LIMIT $1", limit))


async def mail_taken(tx: Tx, seq: int, now: int) -> None:
    """Forget the text of mail that was processed, and all of the mail that is too old to be delivered again."""
    await tx.execute("UPDATE mail SET raw = NULL WHERE seq = $1", seq)
    await tx.execute("DELETE FROM mail WHERE raw IS NULL AND (digest IS NULL OR received_at < $1)", now - KEEP)


async def mail_skipped(tx: Tx, seq: int, now: int, fault: Notice) -> bool:
    """Forget the text of mail that cannot be read; true if it is the first such mail of its sender within a day."""
    sender = await tx.fetchval("SELECT sender FROM mail WHERE seq = $1", seq)
    before = "SELECT count(*) FROM mail WHERE sender = $1 AND received_at > $2 AND fault IS NOT NULL"
    is_first = sender is None or not await tx.fetchval(before, sender, now - KEEP)
    await tx.execute("UPDATE mail SET fault = $2 WHERE seq = $1", seq, dumps(fault))
    await mail_taken(tx, seq, now)
    return bool(is_first)


async def mail_failed(tx: Tx, seq: int) -> int:
    """Count a failed attempt; returns how many there were."""
    return int(await tx.fetchval("UPDATE mail SET attempts = attempts + 1 WHERE seq = $1 RETURNING attempts", seq))
