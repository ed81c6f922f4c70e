"""Reads encrypted events in the order of their room, waits for late keys, and reports what cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knockbot.domain.ids import is_user_id
from knockbot.domain.model import Message, RoomChange
from knockbot.domain.notices import Notice, User, because, notice
from knockbot.domain.reasons import in_words
from knockbot.engine.inbox import Unread
from knockbot.engine.turn import WAITS, Handled, Turn, Write
from knockbot.errors import SetAside
from knockbot.flow import conversations as talking
from knockbot.flow import encrypted, saying
from knockbot.flow.context import Context, log
from knockbot.flow.keys import KeyMissing, Keys, Opened, Unreadable
from knockbot.flow.saying import Audience
from knockbot.store import conversations, inbox
from knockbot.store.inbox import Waiting
from knockbot.times import DAY, MINUTE

SOON = 3_000
"""Milliseconds to wait for a key that is already on its way: keys and messages come by different ways."""

PATIENCE = MINUTE
"""Milliseconds that a message then waits for the key after the bot has asked for it."""


READ_INSIDE = frozenset({"m.room.message", "m.reaction"})
"""What may be encrypted. Other types come from the homeserver: an encrypted one would be a forgery."""


async def read(context: Context, keys: Keys, waiting: Waiting, event: Mapping[str, Any]) -> Opened | Unread:
    """The content of an encrypted event or, if it cannot be read, what to do about it.

    Raises `SetAside` if it is no message at all.
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
    """Decrypt it, or note that it waits. After the note it tries once more, because the key may have come meanwhile."""
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
"""The most messages of one sender in a room that wait for keys; further ones are reported as unreadable at once."""


async def _go_without(
    context: Context, keys: Keys, waiting: Waiting, event: Mapping[str, Any], missing: KeyMissing
) -> Handled:
    """The key is missing: wait, ask and wait longer, then report it. It does not ask for keys of its own messages."""
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
    """Report all unreadable messages of one sender in a room once a day, for any reason: a sender can make any number
    of them."""

    async def say_so(turn: Turn) -> None:
        if sender == context.bot:
            return  # it comes from a device that the bot no longer has
        occasion = f"unreadable:{waiting.room_id}:{sender}:{turn.now // DAY}"
        text = notice("message.unreadable", user=User(sender), why=why)
        talk = await conversations.in_room(turn.tx, waiting.room_id)
        if talk is None:
            await saying.say(context, turn, Audience(waiting.room_id), occasion, text, reply_to=turn.cause)
        elif sender == talk.user_id and talk.goes_on:  # only the applicant is heard there
            unread = Message(waiting.room_id, turn.cause, sender, turn.now, "")
            await talking.reply(context, turn, unread, text, occasion=occasion)

    return say_so


async def room_changed(context: Context, change: RoomChange) -> Write[None]:
    """The room changed: it may be encrypted from now on."""

    async def write(turn: Turn) -> None:
        await encrypted.tell_if_silent(context, turn, change.room_id)

    return write
