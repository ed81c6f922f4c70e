"""What a card shows now, whom it notifies, and which answers it offers; and cards as a kind of prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from knockbot.domain.card import EMOJI, Around, kept_no_longer, machine_block, moved_away
from knockbot.domain.kinds import kind_of
from knockbot.domain.languages import Language
from knockbot.domain.model import Request
from knockbot.domain.notices import Notice, because
from knockbot.domain.policy import Reasons
from knockbot.engine.prompts import Face, PromptKind
from knockbot.engine.turn import Turn
from knockbot.flow import answering, cards, dossier, place, withdrawing
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.ports import REQUEST_KEY
from knockbot.store import requests
from knockbot.store.db import Tx
from knockbot.store.prompts import Prompt


@dataclass(frozen=True, slots=True)
class _About:
    """What a card is about, read once for all parts of its text."""

    shown: Sequence[Request]
    there: Place | None
    """The room of its requests; `None` where the room is not protected any more."""
    earlier: Request | None
    language: Language

    @property
    def details(self) -> Mapping[int, str]:
        """The knock that the card shows for each request."""
        return {request.id: request.event_id for request in self.shown}

    @property
    def needless(self) -> Notice | None:
        """Why the card need not be posted any more."""
        if not self.shown:
            return because("overtaken.management_moved")
        return None if any(request.open for request in self.shown) else because("overtaken.settled")


async def face(context: Context, card: Prompt) -> Face:
    """What a card shows now."""
    about = await _about(context, card)
    if about.there is not None:
        return await _whole(context, about, about.there)
    write = partial(_message, context, language=about.language)
    if not about.shown:
        return Face(partial(write, moved_away()), needless=about.needless)
    block = {REQUEST_KEY: machine_block(about.shown[-1])}
    alone = partial(write, kept_no_longer(about.shown), aloud=True, blocks=block)
    return Face(alone, details=about.details, needless=about.needless)


async def _about(context: Context, card: Prompt) -> _About:
    async with context.db.tx() as tx:
        shown = await requests.on_card(tx, card.id, held=False)
        if not shown:
            managed = await place.managed_by(context, tx, card.room_id)
            return _About((), None, None, place.language_of(context, managed))
        there = await place.find(context, tx, shown[-1].room_id)
        earlier = await requests.settled_before(tx, shown[-1]) if kind_of(shown[-1]).waits_outside else None
    return _About(shown, there, earlier, place.language_of(context, [there] if there is not None else []))


async def _whole(context: Context, about: _About, there: Place) -> Face:
    """The face of a card that can be answered, or once could."""
    shown, settings = about.shown, there.settings
    outlook = await _outlook(context, shown, there)
    told = await dossier.gather(context, there, shown[-1]) if len(shown) == 1 else ()
    around = Around(
        hidden=settings.reasons is Reasons.HIDDEN,
        earlier=about.earlier,
        missing=outlook.missing,
        inviter_banned=shown[-1].inviter_banned,
        dossier=told,
    )
    asks = partial(context.wording.card_message, shown, there.label, outlook.possible)
    write = partial(asks, around=around, language=about.language)
    return Face(write, _offers(shown, outlook), settings.call, about.details, about.needless)


def _message(context: Context, said: Notice, calls: Sequence[str], key: str, **how: Any) -> Mapping[str, Any]:
    return context.wording.message(said, key, calls=calls, **how)


async def _outlook(context: Context, shown: Sequence[Request], there: Place) -> answering.Outlook:
    """What the bot could do about the newest request of a card that waits, if one does."""
    waiting = [request for request in shown if request.awaits_moderators]
    return await answering.outlook(context, waiting[-1], there) if waiting else answering.Outlook(())


def _offers(shown: Sequence[Request], outlook: answering.Outlook) -> tuple[str, ...] | None:
    """The answers that a card offers now: empty once it is settled; `None`, no change, while an answer is under way."""
    if not answering.offers_clicks(shown):
        return ()
    return tuple(EMOJI[verdict] for verdict in outlook.possible) if shown[-1].awaits_moderators else None


async def _takes_clicks(tx: Tx, card: Prompt) -> bool:
    """Whether a card takes clicks: not if it became shared, or its requests are settled."""
    return answering.offers_clicks(await requests.on_card(tx, card.id, held=False))


async def _shown(_: Context, turn: Turn, __: Prompt, details: Mapping[int, str]) -> None:
    for request_id, event_id in details.items():
        await requests.shown(turn.tx, request_id, event_id)


async def _is_outdated(tx: Tx, card: Prompt, details: Mapping[int, str]) -> bool:
    """Whether something changed while the card was being posted, when there was no card to edit yet."""
    on_card = await requests.on_card(tx, card.id)
    return any(not request.awaits_moderators or details.get(request.id) != request.event_id for request in on_card)


CARDS: Final = PromptKind(
    render=face,
    takes_clicks=_takes_clicks,
    clicked=answering.clicked,
    removed=cards.post_anew,
    shown=_shown,
    is_outdated=_is_outdated,
    unclicked=withdrawing.taken_back,
)
