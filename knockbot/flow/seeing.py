"""Seeing: a protected room as the homeserver shows it, and what is on record of it, in portions to compare."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from knockbot.domain.acl import ServerAcl
from knockbot.domain.compare import Records, Snapshot
from knockbot.domain.ids import server_of
from knockbot.domain.kinds import kind_of
from knockbot.domain.model import Request
from knockbot.domain.reasons import in_words
from knockbot.errors import Never
from knockbot.flow import tables
from knockbot.flow.context import Context, log
from knockbot.flow.place import Place
from knockbot.store import inbox, prompts, requests, rooms
from knockbot.store.prompts import Prompt
from knockbot.store.rooms import ProtectedRoom

Portion = tuple[Snapshot, Records]
"""One thing that a room shows, and the records of exactly that."""


async def the_room(context: Context, room: ProtectedRoom) -> Portion:
    """Its name, openness and powers."""
    view = await context.outside.room(room.room_id)
    powers = await context.outside.powers(room.room_id)
    async with context.db.tx() as tx:
        concerns = await rooms.concerns(tx, room.room_id)
    seen = Snapshot(room_id=room.room_id, bot=context.bot, view=view, powers=powers)
    return seen, Records(name=room.name, concerns=concerns)


async def its_knocks(context: Context, there: Place, acl: ServerAcl) -> Portion:
    """The current knocks, and the servers that may not take part."""
    room = there.room
    knocks = tuple(await context.outside.knocking(room.room_id))
    async with context.db.tx() as tx:
        known = Records(
            held=frozenset(await inbox.held(tx, room.room_id)),
            knocks=await requests.newest_knocks(tx, room.room_id, [change.user_id for change in knocks]),
            unsettled=tuple(await requests.unsettled(tx, room.room_id)),
            oldest=context.now() - there.settings.stale_after,
        )
    theirs = [request.user_id for request in known.unsettled if kind_of(request).waits_outside]
    denied = await _denied(context, acl, [*theirs, *(change.user_id for change in knocks)])
    return Snapshot(room_id=room.room_id, knocks=knocks, denied=denied), known


async def _denied(context: Context, acl: ServerAcl, users: Iterable[str]) -> frozenset[str]:
    """The servers of these users that an ACL denies. There may be many users, and an ACL may be of any length."""
    denied = set()
    for server, user_id in {server_of(user_id): user_id for user_id in users}.items():
        await asyncio.sleep(0)
        if acl.denies_user(user_id, home=context.home):
            denied.add(server)
    return frozenset(denied)


async def who_knocks_no_more(context: Context, seen: Snapshot, known: Records) -> AsyncIterator[Portion]:
    """One by one, the applicants whose requests are not settled and who do not knock."""
    theirs: dict[str, list[Request]] = {}
    knocking = {change.user_id for change in seen.knocks}
    for request in known.unsettled:
        if request.user_id and request.user_id not in knocking:
            theirs.setdefault(request.user_id, []).append(request)
    for user_id, about in theirs.items():
        member = await context.outside.member(seen.room_id, user_id)
        yield Snapshot(members={user_id: member}), Records(unsettled=tuple(about))


async def prompt(context: Context, shown: Prompt) -> Portion:
    """What was clicked on one posted prompt, or that it was redacted. Raises `Never` where the bot may not look."""
    event_id = shown.event_id or ""
    if await context.outside.redaction(shown.room_id, event_id) is not None:
        return Snapshot(prompt_redacted=True), Records()
    reactions = tuple(await context.outside.reactions(shown.room_id, event_id))
    async with context.db.tx() as tx:
        heard = await inbox.known(tx, [reaction.event_id for reaction in reactions])
        on_card = await requests.on_card(tx, shown.id, held=False)
        counted = await tables.clicks(context, tx, on_card)
    given = [request.answer for request in on_card if request.open and request.answer is not None]
    clicked = counted.union(answer.cause for answer in given if answer.by_click and answer.cause is not None)
    return Snapshot(reactions=reactions), Records(heard=heard, clicked=clicked)


async def cards_with_clicks(context: Context, room: ProtectedRoom) -> AsyncIterator[tuple[Prompt, Portion]]:
    """One by one, the cards of a room that can be answered; no cards of a management room that the bot may not read."""
    async with context.db.tx() as tx:
        waiting = await prompts.awaiting_answers(tx, room.room_id)
    for one in waiting:
        try:
            portion = await prompt(context, one)
        except Never as error:
            log.warning("cannot read the reactions on a card in %s: %s", one.room_id, in_words(error.why))
            return
        yield one, portion
