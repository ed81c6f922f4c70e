"""Shortcuts: answers with a text that a card offers by emoji of their own, beside ✅ ❌ ⛔.

A click gives the text that the card showed. If that is another one by now, nothing is done: the card shows the new one,
and whoever clicked is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from knockbot.documents.text import without_variation_selector
from knockbot.domain.model import Request, Shortcut, Verdict
from knockbot.flow import tables
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import prompts
from knockbot.store.db import Tx
from knockbot.store.prompts import Offer, Prompt


def offered(context: Context, waiting: Sequence[Request], places: Mapping[str, Place]) -> tuple[Shortcut, ...]:
    """The shortcuts of a card with these requests that wait: of several rooms, only if they are the same in each."""
    found = {tables.shortcuts(context, places[one.room_id].settings, one) for one in waiting if one.room_id in places}
    return next(iter(found)) if len(found) == 1 else ()


def possible(
    context: Context, waiting: Sequence[Request], places: Mapping[str, Place], verdicts: Iterable[Verdict]
) -> tuple[Shortcut, ...]:
    """Those of them that the bot could carry out, if it could give these verdicts."""
    able = set(verdicts)
    return tuple(one for one in offered(context, waiting, places) if one.verdict in able)


def chosen(among: Iterable[Shortcut], key: str) -> Shortcut | None:
    """The shortcut that a reaction with this key chooses."""
    return next((one for one in among if without_variation_selector(one.emoji) == key), None)


async def shown(tx: Tx, card: Prompt, key: str) -> Offer | None:
    """What a card has shown for an emoji, if it ever offered a text by it."""
    there = (await prompts.offers_on(tx, card.id)).values()
    return next((one for one in there if one.meanings and without_variation_selector(one.emoji) == key), None)
