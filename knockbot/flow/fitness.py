"""Whether rooms are still fit for their role: checked at each look at a room, and told once when it changes."""

from __future__ import annotations

from knockbot.domain import fitness
from knockbot.domain.fitness import Concern, told
from knockbot.domain.notices import Id, Room, below, notice
from knockbot.domain.reasons import in_words
from knockbot.errors import Never
from knockbot.flow import names, saying
from knockbot.flow.context import Context, log
from knockbot.flow.rooms import is_in
from knockbot.flow.saying import Audience, Urgency
from knockbot.store import room_upgrades, rooms
from knockbot.store.rooms import ProtectedRoom


async def changed(context: Context, room: ProtectedRoom, concerns: tuple[Concern, ...]) -> None:
    """Tell the moderators of a protected room, once, that it became unfit, or fit again."""
    async with context.turn() as turn:
        if await room_upgrades.find(turn.tx, room.room_id) is not None:
            return  # the room was replaced, and an upgrade changes its powers
        before = await rooms.note_concerns(turn.tx, room.room_id, concerns)
        if before is None:
            return
        new = [concern for concern in concerns if concern not in before]
        occasion = f"fitness:{room.room_id}:{'+'.join(concerns)}:{turn.now}"
        if new:
            said = below(notice("room.called", room=Room(room.room_id, room.label)), *map(told, new))
            await saying.alarm(context, turn, room.room_id, occasion, said)
        elif not concerns and (await rooms.find(turn.tx, room.room_id) or room).trouble is None:
            said = notice("fitness.again", room=Room(room.room_id, room.label))
            await saying.say(context, turn, Audience(room.management_room), occasion, said)


async def look_at_management(context: Context, room_id: str) -> None:
    """Do the same for a management room: told there, and in the log, because the bot may have nobody else to tell."""
    concerns, replacement = await _of_management(context, room_id)
    async with context.turn() as turn:
        if not await rooms.is_management_room(turn.tx, room_id):
            return
        before = await rooms.note_management_concerns(turn.tx, room_id, concerns)
        if before is None:
            return
        for concern in concerns:
            log.warning("the management room %s is not fit: %s", room_id, in_words(told(concern)))
        new = [concern for concern in concerns if concern not in before]
        if new and Concern.ABSENT not in concerns:
            managed = await rooms.managed_by(turn.tx, room_id)
            move = notice("fitness.to_move", new=Id(replacement), commands=names.to_protect(managed))
            text = below(*map(told, new), move if Concern.REPLACED in new else None)
            await saying.say(
                context,
                turn,
                Audience(room_id),
                f"fitness:{room_id}:{'+'.join(concerns)}:{turn.now}",
                text,
                urgency=Urgency.ALOUD,
            )


async def management_concerns(context: Context, room_id: str) -> tuple[Concern, ...]:
    """What makes a management room unfit now."""
    return (await _of_management(context, room_id))[0]


async def _of_management(context: Context, room_id: str) -> tuple[tuple[Concern, ...], str]:
    if not await is_in(context, room_id):
        return (Concern.ABSENT,), ""
    try:
        view = await context.outside.room(room_id)
        tombstone = await context.outside.tombstone(room_id)
    except Never:  # the bot was removed in this moment
        return (Concern.ABSENT,), ""
    found = fitness.of_management(view.join_rule, world_readable=view.world_readable, replaced=tombstone is not None)
    return found, tombstone.replacement if tombstone is not None else ""
