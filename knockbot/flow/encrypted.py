"""Management rooms that are encrypted: known as such, and told where encryption is not allowed in the config."""

from __future__ import annotations

from knockbot.domain.notices import Code, User, notice
from knockbot.engine.turn import Turn
from knockbot.errors import Never
from knockbot.flow import names, saying
from knockbot.flow.context import Context, log
from knockbot.flow.saying import Audience, Marks, Urgency
from knockbot.store import encryption, rooms


async def is_encrypted(context: Context, room_id: str) -> bool:
    """Whether a room is encrypted, or ever was: no room state can undo encryption. May raise `Later` and `Never`."""
    async with context.db.tx() as tx:
        if await encryption.is_encrypted(tx, room_id):
            return True
    if not (await context.outside.room(room_id)).encrypted:
        return False
    async with context.db.tx() as tx:
        await encryption.note(tx, [room_id])
    return True


async def look_at_management_rooms(context: Context) -> None:
    """Find the management rooms that are encrypted now; where that is not allowed, say so. May raise `Later`."""
    async with context.db.tx() as tx:
        places = await rooms.management_rooms(tx)
    for place in places:
        try:
            encrypted = await is_encrypted(context, place)
        except Never:
            continue  # the bot is not in it; other parts report this where it matters
        if encrypted and not context.settings.encryption.allow:
            log.error(SILENT, place)
            async with context.turn() as turn:
                await tell_if_silent(context, turn, place)


async def tell_if_silent(context: Context, turn: Turn, room_id: str) -> None:
    """Where encryption is not allowed, say this once in an encrypted room, and nothing else."""
    known = await encryption.is_encrypted(turn.tx, room_id) and await rooms.is_management_room(turn.tx, room_id)
    if known and not context.settings.encryption.allow and await encryption.tell(turn.tx, room_id, turn.now):
        log.error(SILENT, room_id)
        occasion = f"silent:{room_id}:{turn.now}"
        key, commands = Code("encryption.allow: true"), names.to_protect(await rooms.managed_by(turn.tx, room_id))
        said = notice("encryption.off", key=key, bot=User(context.bot), commands=commands)
        await saying.say(
            context, turn, Audience(room_id), occasion, said, urgency=Urgency.ALOUD, marks=Marks(in_clear=True)
        )


SILENT = (
    "the management room %s is encrypted, and encryption is not allowed in the config: I read no commands there, and "
    "cards and answers wait. Set encryption.allow, or protect its rooms from an unencrypted room (docs/encryption.md)"
)
