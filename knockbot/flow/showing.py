"""What a card shows now, whom it notifies, and which answers it offers; and cards as a kind of prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from knockbot.domain.card import EMOJI, Around, kept_no_longer, machine_block, moved_away
from knockbot.domain.kinds import kind_of
from knockbot.domain.languages import Language
from knockbot.domain.model import Request, Shortcut
from knockbot.domain.notices import Notice, because
from knockbot.domain.policy import Reasons
from knockbot.domain.remarks import Extent
from knockbot.engine.prompts import Face, PromptKind
from knockbot.engine.turn import Turn
from knockbot.flow import answering, calling, cards, dossier, place, remarks, shortcuts, withdrawing
from knockbot.flow.calling import NOBODY, Calls
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
    places: Mapping[str, Place]
    """The rooms of its requests, as far as they are still protected."""
    earlier: Request | None
    remarks: Mapping[int, Sequence[Notice]]
    language: Language
    calls: Calls = NOBODY

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

    @property
    def waiting(self) -> list[Request]:
        """Those that wait for an answer, at rooms that are protected."""
        return [one for one in self.shown if one.awaits_moderators and one.room_id in self.places]

    @property
    def labels(self) -> Mapping[str, str]:
        """What each of the rooms is called."""
        found = {one.room_id: self.places.get(one.room_id) for one in self.shown}
        return {room_id: there.label if there is not None else room_id for room_id, there in found.items()}


async def face(context: Context, card: Prompt) -> Face:
    """What a card shows now."""
    about = await _about(context, card)
    if about.places:
        return await _whole(context, about)
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
            return _About((), {}, None, {}, place.language_of(context, managed))
        places = await place.of_rooms(context, tx, (one.room_id for one in shown))
        earlier = await requests.settled_before(tx, shown[-1]) if kind_of(shown[-1]).waits_outside else None
        said = await remarks.of(context, tx, shown, Extent.CARD if len(shown) == 1 else Extent.ROW)
        calls = await calling.about(context, tx, places.values())
    return _About(shown, places, earlier, said, place.language_of(context, places.values()), calls)


async def _whole(context: Context, about: _About) -> Face:
    """The face of a card that can be answered, or once could."""
    shown, labels = about.shown, about.labels
    outlook = await _outlook(context, about)
    one_applicant = len(shown) == 1 or answering.takes_clicks(shown)
    asking = about.waiting[-1] if one_applicant and about.waiting else None
    clicks = answering.takes_clicks(shown)
    texts = shortcuts.possible(context, about.waiting, about.places, outlook.possible) if clicks else ()
    around = Around(
        hidden=any(there.settings.reasons is Reasons.HIDDEN for there in about.places.values()),
        earlier=about.earlier,
        missing=outlook.missing,
        inviter_banned=shown[-1].inviter_banned,
        dossier=await dossier.gather(context, about.places[asking.room_id], asking) if asking is not None else (),
        doors=labels if len(labels) > 1 and one_applicant else {},
        closed=frozenset(labels) - about.places.keys(),
        shortcuts=texts,
        remarks=about.remarks,
    )
    asks = partial(context.wording.card_message, shown, labels[shown[-1].room_id], outlook.possible)
    write = partial(asks, around=around, language=about.language)
    offers, meanings = _offers(about, outlook, texts), {one.emoji: one.reason for one in texts}
    calls = about.calls
    return Face(write, offers, calls.users, about.details, meanings, about.needless, calls.quiet)


def _message(context: Context, said: Notice, calls: Sequence[str], key: str, **how: Any) -> Mapping[str, Any]:
    return context.wording.message(said, key, calls=calls, **how)


async def _outlook(context: Context, about: _About) -> answering.Outlook:
    """What the bot could do about the requests that one click answers; of many applicants, about the newest one."""
    asked = about.waiting if answering.takes_clicks(about.shown) else about.waiting[-1:]
    found = [await answering.outlook(context, request, about.places[request.room_id]) for request in asked]
    return answering.together(found)


def _offers(about: _About, outlook: answering.Outlook, texts: Iterable[Shortcut]) -> tuple[str, ...] | None:
    """The answers that a card offers now: empty once it is settled; `None`, no change, while an answer is under way."""
    open_doors = [request for request in about.shown if request.open and request.room_id in about.places]
    if not open_doors or not answering.takes_clicks(about.shown):
        return ()
    if not about.waiting:
        return None
    return (*(EMOJI[verdict] for verdict in outlook.possible), *(one.emoji for one in texts))


async def _takes_clicks(tx: Tx, card: Prompt) -> bool:
    """Whether a card takes clicks: not if it became shared, or its requests are settled."""
    return answering.offers_clicks(await requests.on_card(tx, card.id, held=False))


async def _shown(_: Context, turn: Turn, card: Prompt, details: Mapping[int, str], said_in: str | None) -> None:
    for request_id, event_id in details.items():
        await requests.shown(turn.tx, request_id, event_id, card.id, said_in)


async def _is_outdated(turn: Turn, card: Prompt, details: Mapping[int, str]) -> bool:
    """Whether something changed while the card was being posted, when there was no card to edit yet."""
    on_card = await requests.on_card(turn.tx, card.id)
    if not on_card:
        return bool(details)  # its request moved to another card meanwhile
    return any(not request.awaits_moderators or details.get(request.id) != request.event_id for request in on_card)


CARDS: Final = PromptKind(
    render=face,
    takes_clicks=_takes_clicks,
    clicked=answering.clicked,
    too_late=answering.clicked,
    removed=cards.post_anew,
    shown=_shown,
    is_outdated=_is_outdated,
    unclicked=withdrawing.taken_back,
)
