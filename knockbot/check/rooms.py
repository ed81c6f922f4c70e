"""The protected rooms: the powers in each, the names that the config file and policies have, the management rooms."""

from __future__ import annotations

from collections.abc import Callable

from knockbot.app import now
from knockbot.chat import messages
from knockbot.chat.catalogue import render
from knockbot.check.bench import Bench
from knockbot.domain.fitness import told
from knockbot.domain.ids import is_alias
from knockbot.domain.notices import Notice
from knockbot.domain.reasons import in_words
from knockbot.errors import ActionError
from knockbot.features.lists import showing
from knockbot.flow import configured, fitness, names
from knockbot.flow.checkup import checklist
from knockbot.flow.context import Context
from knockbot.matrix.acts import Acts
from knockbot.matrix.rooms import Outside
from knockbot.store import encryption, rooms
from knockbot.store.db import UP_TO_DATE, Database, InUse, probe


async def look_at_rooms(bench: Bench, say: Callable[[str], None]) -> bool:
    """The powers in each protected room. A SQLite database in use by a running knockbot is left alone."""
    if await probe(bench.settings.database) != UP_TO_DATE:
        return True  # there is none yet, or an older one; `knockbot run` makes it current
    try:
        db = await Database.open(bench.settings.database, upgrade=False)
    except InUse:
        say("   rooms: the running knockbot tells, with `!kb check ROOM` in the management room")
        return True
    try:
        async with db.tx() as tx:
            protected = await rooms.all_rooms(tx)
        context = Context.made(db, Outside(bench.bot), bench.settings, now, acts=Acts(bench.bot), wording=messages)
        places = {room.management_room for room in protected}
        sound = await _management_rooms(context, places, say)
        sound = await _fit_to_manage(context, places, say) and sound
        for room in protected:
            try:
                found = await checklist(context, await context.outside.room(room.room_id))
            except ActionError as error:
                why = in_words(error.why)
                say(f"❌ {room.label} ({room.room_id}): {why}\n   → invite {bench.settings.bot_user_id} there")
                sound = False
                continue
            missing = [_plain(item.said) for item in found if not item.fits]
            sound = sound and not missing
            head = f"{'❌' if missing else '✅'} {room.label} ({room.room_id})"
            say("\n".join([head, *(f"   {line}" for line in [*missing, *await lists_amiss(context, room.room_id)])]))
        return await look_at_names(context, say) and sound
    finally:
        await db.close()


async def lists_amiss(context: Context, room_id: str) -> list[str]:
    """What is amiss with the policy lists of a room."""
    async with context.db.tx() as tx:
        return [_plain(said) for said in await showing.amiss(context, tx, room_id)]


async def look_at_names(context: Context, say: Callable[[str], None]) -> bool:
    """The rooms of the config file: what is missing for each, and which aliases lead to another room than was meant."""
    sound = True
    for entry, room_id, missing in await configured.missing(context):
        why = in_words(missing) if missing is not None else None
        means = f", which means {room_id}" if room_id not in (entry, None) else ""
        say(
            f"✅ in the config file: {entry}{means}" if why is None else f"❌ in the config file: {entry}{means}: {why}"
        )
        sound = sound and why is None
    async with context.db.tx() as tx:
        pinned = [one.pin for one in await names.in_force(context, tx) if is_alias(one.pin.name)]
    leads = await names.leads(context, (pin.name for pin in pinned))
    found = [names.seen(pin, leads) for pin in pinned]
    for line, pin in {_plain(names.said(pin)): pin for pin in found}.items():
        say(line if pin.leads_to is not None else f"✅ {line}")
    return sound


async def _fit_to_manage(context: Context, places: set[str], say: Callable[[str], None]) -> bool:
    """Whether each management room is still private, and the bot in it."""
    sound = True
    for place in sorted(places):
        try:
            concerns = await fitness.management_concerns(context, place)
        except ActionError:
            continue  # the homeserver does not answer; other lines report that
        for concern in concerns:
            say(f"❌ {place}: {_plain(told(concern))}")
            sound = False
    return sound


async def _management_rooms(context: Context, places: set[str], say: Callable[[str], None]) -> bool:
    """Whether the bot can read commands in each management room: the room or the config may have changed since."""
    sound = True
    for place in [] if context.settings.encryption.allow else sorted(places):
        try:
            view = await context.outside.room(place)
        except ActionError:
            continue  # the bot is not in it; another step reports that
        async with context.db.tx() as tx:
            was_encrypted = await encryption.is_encrypted(tx, place)
        if view.encrypted or was_encrypted:
            say(
                f"❌ {view.label} ({place}): this management room is encrypted, and encryption is not allowed: "
                "commands there are not read, and cards and answers for it wait\n"
                "   → see docs/encryption.md for encryption.allow, or protect the rooms from an unencrypted room"
            )
            sound = False
    return sound


def _plain(said: Notice) -> str:
    """What chat would say, in English like all output of the command line."""
    return render(said).plain
