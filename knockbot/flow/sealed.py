"""What is encrypted: read in the room's own turn, waiting for keys that are late; what stays unread is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from knockbot.domain import wording
from knockbot.domain.ids import is_user_id
from knockbot.errors import KnockbotError
from knockbot.flow import settle
from knockbot.flow.door import Door, log
from knockbot.store import inbox
from knockbot.store.inbox import Waiting

SOON = 3_000
"""Milliseconds within which a key comes that is on its way already: keys and messages come by different ways."""

PATIENCE = 60_000
"""Milliseconds that a message then waits for the key that was asked for."""

DAY = 24 * 3600 * 1000

SEALED = "m.room.encrypted"

MEGOLM = "m.megolm.v1.aes-sha2"
"""The one way of encrypting rooms that there is."""

READ_INSIDE = frozenset({"m.room.message", "m.reaction"})
"""What may be encrypted: whoever says that anything else was inside would forge the homeserver's word."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An event that was encrypted, and whether it is from a device that its owner vouches for."""

    event: Mapping[str, Any]
    verified: bool


class KeyMissing(Exception):
    """The key of the session that a message belongs to is not here, or not yet."""

    def __init__(self, session: str) -> None:
        super().__init__(session)
        self.session = session


class Unreadable(KnockbotError):
    """No key will open this."""


class Keys(Protocol):
    """The bot's keys, which one process has at a time. Calls may raise `Later` and `Never`."""

    @property
    def here(self) -> bool:
        """Whether this process has them now."""

    async def open(self, event: Mapping[str, Any], /) -> Opened:
        """Read an encrypted event. Raises `KeyMissing` and `Unreadable`."""

    async def ask_for_key(self, event: Mapping[str, Any], /) -> None:
        """Ask the sender of an event for the key that is missing."""


class NoKeys:
    """Where encryption is not allowed, nobody has keys, and nothing encrypted is ever kept."""

    here = True

    async def open(self, _: Mapping[str, Any]) -> Opened:
        """Nothing opens."""
        raise Unreadable("encryption is not allowed in the config")

    async def ask_for_key(self, _: Mapping[str, Any]) -> None:
        """Nobody is asked."""


async def read(door: Door, keys: Keys, waiting: Waiting, event: Mapping[str, Any]) -> Opened | None:
    """What was said in an encrypted event; `None` where there is nothing more to do about it now.

    Raises `KnockbotError` for what is no message at all.
    """
    sender = event.get("sender")
    if "state_key" in event or not isinstance(sender, str) or not is_user_id(sender) or not waiting.room_id:
        raise KnockbotError("encrypted, but no message")
    try:
        opened = await _open(door, keys, waiting, event)
    except KeyMissing as missing:
        await _go_without(door, keys, waiting, event, missing)
    except Unreadable as error:
        log.warning("%s in %s cannot be read: %s", waiting.event_id, waiting.room_id, error)
        await _say_so(door, waiting, sender, str(error), str(error))
    else:
        if opened.event.get("type") in READ_INSIDE:
            return opened
        async with door.closing(waiting.seq):
            pass
    return None


async def _open(door: Door, keys: Keys, waiting: Waiting, event: Mapping[str, Any]) -> Opened:
    """Open it, or note that it waits: and look once more then, for the key may have come between the two."""
    try:
        return await keys.open(event)
    except KeyMissing as missing:
        if waiting.session is not None or event["sender"] == door.bot:
            raise
        async with door.db.tx() as tx:
            await inbox.wait_for_key(tx, waiting.seq, missing.session, door.now() + SOON, asked=False)
    return await keys.open(event)


async def _go_without(door: Door, keys: Keys, waiting: Waiting, event: Mapping[str, Any], missing: KeyMissing) -> None:
    """Without its key: wait, then ask and wait longer, then say so. What the bot itself said is not asked for."""
    if waiting.asked or event["sender"] == door.bot:
        await _say_so(door, waiting, event["sender"], missing.session, wording.NO_KEY)
    elif waiting.session is not None:
        await keys.ask_for_key(event)
        log.info("%s in %s waits for its key, which I asked for", waiting.event_id, waiting.room_id)
        async with door.db.tx() as tx:
            await inbox.wait_for_key(tx, waiting.seq, missing.session, door.now() + PATIENCE, asked=True)


async def _say_so(door: Door, waiting: Waiting, sender: str, cause: str, why: str) -> None:
    """One line a day for all that cannot be read for the same cause: it may be a whole conversation among people."""
    async with door.closing(waiting.seq) as tx:
        if sender == door.bot:
            return  # said by a device that the bot has no more
        occasion = f"unreadable:{waiting.room_id}:{sender}:{cause}:{door.now() // DAY}"
        await settle.say(
            door, tx, waiting.room_id, occasion, wording.unreadable(sender, why), reply_to=waiting.event_id
        )
