"""What is encrypted: read in the room's own turn, waiting for keys that are late; what stays unread is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knockbot.domain.ids import is_user_id
from knockbot.domain.model import RoomChange
from knockbot.domain.notices import Notice, User, because, notice
from knockbot.domain.reasons import in_words
from knockbot.engine.inbox import Unread
from knockbot.engine.turn import WAITS, Handled, Turn, Write
from knockbot.errors import SetAside
from knockbot.flow import encrypted, saying
from knockbot.flow.context import Context, log
from knockbot.flow.keys import KeyMissing, Keys, Opened, Unreadable
from knockbot.flow.saying import Audience
from knockbot.store import inbox
from knockbot.store.inbox import Waiting
from knockbot.times import DAY, MINUTE

SOON = 3_000
"""Milliseconds within which a key comes that is on its way already: keys and messages come by different ways."""

PATIENCE = MINUTE
"""Milliseconds that a message then waits for the key that was asked for."""


READ_INSIDE = frozenset({"m.room.message", "m.reaction"})
"""What may be encrypted: whoever says that anything else was inside would forge the homeserver's word."""


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
"""Messages of one sender in a room that wait for keys; what comes beyond them is reported as unreadable at once."""


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


async def room_changed(context: Context, change: RoomChange) -> Write[None]:
    """Perhaps a room is encrypted from now on."""

    async def write(turn: Turn) -> None:
        await encrypted.tell_if_silent(context, turn, change.room_id)

    return write
