"""What is encrypted: read in the room's own turn, waiting for keys that are late; what stays unread is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from knockbot.domain.ids import is_user_id
from knockbot.domain.notices import Code, Notice, User, because, notice
from knockbot.domain.reasons import in_words
from knockbot.engine.inbox import Unread
from knockbot.engine.turn import WAITS, Handled, Turn, Write
from knockbot.errors import Never, SetAside
from knockbot.flow import saying
from knockbot.flow.context import Context, log
from knockbot.flow.saying import Audience, Marks, Urgency
from knockbot.store import encryption, inbox, rooms
from knockbot.store.inbox import Waiting
from knockbot.times import DAY, MINUTE

SOON = 3_000
"""Milliseconds within which a key comes that is on its way already: keys and messages come by different ways."""

PATIENCE = MINUTE
"""Milliseconds that a message then waits for the key that was asked for."""


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


class Unreadable(SetAside):
    """No key will open this."""


class Keys(Protocol):
    """The bot's keys, which one process has at a time. Calls may raise `Later` and `Never`."""

    @property
    def here(self) -> bool:
        """Whether this process has them now."""

    async def open(self, event: Mapping[str, Any], /) -> Opened:
        """Read an encrypted event. Raises `KeyMissing` and `Unreadable`."""

    def look_for_mail(self) -> None:
        """Have somebody see whether a key is here that the homeserver did not hand over."""

    async def ask_for_key(self, event: Mapping[str, Any], /) -> None:
        """Ask the sender of an event for the key that is missing."""


class NoKeys:
    """Where encryption is not allowed, nobody has keys, and nothing encrypted is ever kept."""

    here = True

    async def open(self, _: Mapping[str, Any]) -> Opened:
        """Nothing opens."""
        raise Unreadable(because("unreadable.not_allowed"))

    def look_for_mail(self) -> None:
        """There is no mail."""

    async def ask_for_key(self, _: Mapping[str, Any]) -> None:
        """Nobody is asked."""


async def read(context: Context, keys: Keys, waiting: Waiting, event: Mapping[str, Any]) -> Opened | Unread:
    """What was said in an encrypted event, or what is to be done about it unread.

    Raises `SetAside` for what is no message at all.
    """
    sender = event.get("sender")
    if "state_key" in event or not isinstance(sender, str) or not is_user_id(sender) or not waiting.room_id:
        raise SetAside(because("event.no_message"))
    try:
        opened = await _open(context, keys, waiting, event)
    except KeyMissing as missing:
        return Unread(await _go_without(context, keys, waiting, event, missing))
    except Unreadable as error:
        log.info("%s in %s cannot be read: %s", waiting.event_id, waiting.room_id, in_words(error.why))
        return Unread(_saying_so(context, waiting, sender, error.why))
    return opened if opened.event.get("type") in READ_INSIDE else Unread(None)


async def _open(context: Context, keys: Keys, waiting: Waiting, event: Mapping[str, Any]) -> Opened:
    """Open it, or note that it waits: and look once more then, for the key may have come between the two."""
    sender = str(event["sender"])
    try:
        return await keys.open(event)
    except KeyMissing as missing:
        if waiting.session is not None or sender == context.bot:
            raise
        async with context.db.tx() as tx:
            if await inbox.without_key(tx, waiting.room_id, sender) >= MOST_WITHOUT_KEY:
                raise Unreadable(NO_KEY) from missing
            due_at = context.now() + SOON
            await inbox.wait_for_key(tx, waiting.event_id, sender, missing.session, due_at, asked=False)
        keys.look_for_mail()
    return await keys.open(event)


NO_KEY = because("unreadable.no_key")

MOST_WITHOUT_KEY = 50
"""Messages of one sender in a room that wait for keys; what comes beyond them is said to be unreadable at once."""


async def _go_without(
    context: Context, keys: Keys, waiting: Waiting, event: Mapping[str, Any], missing: KeyMissing
) -> Handled:
    """Without its key: wait, then ask and wait longer, then say so. What the bot itself said is not asked for."""
    sender, session = str(event["sender"]), missing.session
    if waiting.asked or sender == context.bot:
        return _saying_so(context, waiting, sender, NO_KEY)
    if waiting.session is not None:
        async with context.db.tx() as tx:
            asked = await inbox.is_asked_for(tx, waiting.room_id, sender, session)
        if not asked:
            await keys.ask_for_key(event)
            log.info("%s in %s waits for its key, which I asked for", waiting.event_id, waiting.room_id)
        async with context.db.tx() as tx:
            await inbox.wait_for_key(tx, waiting.event_id, sender, session, context.now() + PATIENCE, asked=True)
    return WAITS


def _saying_so(context: Context, waiting: Waiting, sender: str, why: Notice) -> Write[None]:
    """One line a day for all that cannot be read of one sender in a room, whyever: they can make up as much as they
    like."""

    async def say_so(turn: Turn) -> None:
        if sender == context.bot:
            return  # said by a device that the bot has no more
        occasion = f"unreadable:{waiting.room_id}:{sender}:{turn.now // DAY}"
        text = notice("message.unreadable", user=User(sender), why=why)
        await saying.say(context, turn, Audience(waiting.room_id), occasion, text, reply_to=turn.cause)

    return say_so


# --- rooms that are encrypted ---------------------------------------------------------------------------------


async def is_encrypted(context: Context, room_id: str) -> bool:
    """Whether a room is encrypted, or ever was: no state of it can undo that. May raise `Later` and `Never`."""
    async with context.db.tx() as tx:
        if await encryption.is_encrypted(tx, room_id):
            return True
    if not (await context.outside.room(room_id)).encrypted:
        return False
    async with context.db.tx() as tx:
        await encryption.note(tx, [room_id])
    return True


async def look_at_management_rooms(context: Context) -> None:
    """Find the management rooms that are encrypted by now; where that is not allowed, say so. May raise `Later`."""
    async with context.db.tx() as tx:
        places = await rooms.management_rooms(tx)
    for place in places:
        try:
            encrypted = await is_encrypted(context, place)
        except Never:
            continue  # the bot is out of it, which is told where it matters
        if encrypted and not context.settings.encryption.allow:
            log.error(SILENT, place)
            async with context.turn() as turn:
                await tell_if_silent(context, turn, place)


async def tell_if_silent(context: Context, turn: Turn, room_id: str) -> None:
    """Where encryption is not allowed, nothing is said in an encrypted room but that, and that once."""
    known = await encryption.is_encrypted(turn.tx, room_id) and await rooms.is_management_room(turn.tx, room_id)
    if known and not context.settings.encryption.allow and await encryption.tell(turn.tx, room_id, turn.now):
        log.error(SILENT, room_id)
        occasion = f"silent:{room_id}:{turn.now}"
        key, command = Code("encryption.allow: true"), Code("!kb protect ROOM")
        said = notice("encryption.off", key=key, bot=User(context.bot), command=command)
        await saying.say(
            context, turn, Audience(room_id), occasion, said, urgency=Urgency.ALOUD, marks=Marks(in_clear=True)
        )


SILENT = (
    "the management room %s is encrypted, and encryption is not allowed in the config: I read no commands there, and "
    "cards and answers wait. Set encryption.allow, or protect its rooms from an unencrypted room (docs/encryption.md)"
)
