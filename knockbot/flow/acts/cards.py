"""Posting and editing cards: each shows what is true by then, and offers the answers that are possible."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from knockbot.domain.card import Around, kept_no_longer, machine_block, moved_away
from knockbot.domain.jobs import Act, EditCard, Job, PostCard
from knockbot.domain.kinds import kind_of
from knockbot.domain.languages import Language
from knockbot.domain.model import Request, Verdict
from knockbot.domain.notices import because
from knockbot.domain.policy import Reasons
from knockbot.engine.turn import Turn
from knockbot.engine.worker import Done, Outcome, Overtaken
from knockbot.flow import answering, cards, place
from knockbot.flow.acts.sending import digest, edit, note, send, sent_before
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.ports import REQUEST_KEY
from knockbot.flow.tables import Doing
from knockbot.store import messages, prompts, requests
from knockbot.store.jobs import Claimed
from knockbot.times import MINUTE


@dataclass(frozen=True, slots=True)
class Shown(Done):
    """A card shows what is true."""

    offers: tuple[Verdict, ...] | None = None
    """The answers to offer on it, and no others; its text names them already. None where they are to stay as they
    are."""
    knocks: Mapping[int, str] | None = None
    """The knock shown for each request id."""
    digest: str | None = None
    """Of what it shows."""


@dataclass(frozen=True, slots=True)
class _About:
    """What a card is about, read once for all that is written on it."""

    shown: Sequence[Request]
    language: Language
    there: Place | None
    """The room of its requests; none where nobody protects it any more."""
    around: Around

    @property
    def label(self) -> str:
        """What people call the room."""
        return self.there.label if self.there is not None else self.shown[-1].room_id

    @property
    def calls(self) -> tuple[str, ...]:
        """Whom it calls by name."""
        return self.there.settings.call if self.there is not None else ()


async def post_card(context: Context, claimed: Claimed[PostCard]) -> Outcome:
    """Show a request to the moderators, unless it was settled before anybody saw it."""
    about = await _about(context, claimed)
    shown = about.shown
    if not shown:
        return Overtaken(because("overtaken.management_moved"))
    sent = await sent_before(context, claimed)
    if sent is None and not any(request.open for request in shown):
        return Overtaken(because("overtaken.settled"))
    outlook = await _outlook(context, about)
    offers = outlook.possible if answering.takes_clicks(shown) else ()
    if sent is not None:
        return Shown(sent, offers=offers)
    calls = about.calls if about.calls and await _is_to_call(context, claimed.job.payload.card_id) else ()
    content = _written(context, about, outlook, calls, claimed.job.key)
    event_id = await send(context, claimed, content)
    there = {request.id: request.event_id for request in shown}
    return Shown(event_id, offers=offers, knocks=there, digest=digest(content))


async def _is_to_call(context: Context, card_id: int) -> bool:
    """Whether a card calls people: those that are posted within a minute call them once."""
    async with context.db.tx() as tx:
        now = context.now()
        return await prompts.calls(tx, card_id, now, now - MINUTE)


async def edit_card(context: Context, claimed: Claimed[EditCard]) -> Outcome:
    """Make a card show what is true now; one that shows it already is not edited."""
    about = await _about(context, claimed)
    shown = about.shown
    async with context.db.tx() as tx:
        card = await prompts.get(tx, claimed.job.payload.card_id, held=False)
    if card.event_id is None:
        return Overtaken(because("overtaken.no_card"))
    offers: tuple[Verdict, ...] | None = ()
    key = claimed.job.key
    if not shown:
        new = context.wording.message(moved_away(), key, language=about.language)
    elif about.there is None:
        blocks = {REQUEST_KEY: machine_block(shown[-1])}
        new = context.wording.message(kept_no_longer(shown), key, language=about.language, aloud=True, blocks=blocks)
    else:
        outlook = await _outlook(context, about)
        offers = _offers_of(shown, outlook)
        new = _written(context, about, outlook, about.calls, key)
    there = {request.id: request.event_id for request in shown}
    if card.digest == digest(new):
        async with context.db.tx() as tx:
            last = await messages.last_of_prompt(tx, card.id)
        return Shown(last.event_id if last else None, offers=offers, knocks=there, digest=card.digest)
    if card.digest is not None:
        async with context.db.tx() as tx:
            await prompts.shows(tx, card.id, None)  # until it is known what became of this, here or at the next attempt
    content = edit(new, card.event_id, key)
    # An attempt that shows something else than the last must not be taken for a repeat of it.
    event_id = await send(context, claimed, content, unique=json.dumps(content))
    return Shown(event_id, offers=offers, knocks=there, digest=digest(new))


def _written(
    context: Context, about: _About, outlook: answering.Outlook, calls: Sequence[str], key: str
) -> dict[str, Any]:
    """The content of a card."""
    around = replace(about.around, missing=outlook.missing)
    return context.wording.card_message(
        about.shown, about.label, outlook.possible, calls, key, around=around, language=about.language
    )


async def _outlook(context: Context, about: _About) -> answering.Outlook:
    """What the bot could do about the newest request of a card that waits, if one does."""
    waiting = [request for request in about.shown if request.awaits_moderators]
    return await answering.outlook(context, waiting[-1], about.there) if waiting else answering.Outlook(())


def _offers_of(shown: Sequence[Request], outlook: answering.Outlook) -> tuple[Verdict, ...] | None:
    """The answers that a card is to offer now: none once it is settled, and as before while an answer is on its way."""
    if not answering.offers_clicks(shown):
        return ()
    return outlook.possible if shown[-1].awaits_moderators else None


async def _about(context: Context, claimed: Claimed[PostCard | EditCard]) -> _About:
    async with context.db.tx() as tx:
        shown = await requests.on_card(tx, claimed.job.payload.card_id, held=False)
        if not shown:
            managed = await place.managed_by(context, tx, claimed.job.room_id)
            return _About([], place.language_of(context, managed), None, Around())
        newest = shown[-1]
        there = await place.find(context, tx, newest.room_id)
        earlier = await requests.settled_before(tx, newest) if kind_of(newest).waits_outside else None
    hidden = there is None or there.settings.reasons is Reasons.HIDDEN
    around = Around(hidden=hidden, earlier=earlier, inviter_banned=newest.inviter_banned)
    return _About(shown, place.language_of(context, [there] if there is not None else []), there, around)


async def _card_edited(_: Context, turn: Turn, job: Job[EditCard], came: Outcome) -> None:
    if not isinstance(came, Shown):
        return
    await prompts.shows(turn.tx, job.payload.card_id, came.digest)
    await _note_shown(turn, job, came)
    if came.offers is not None:
        await _offer(turn, job.payload.card_id, came.offers)


async def _card_posted(_: Context, turn: Turn, job: Job[PostCard], came: Outcome) -> None:
    if not isinstance(came, Shown) or came.event_id is None:
        return
    card_id = job.payload.card_id
    await prompts.posted(turn.tx, card_id, came.event_id, came.digest)
    await _note_shown(turn, job, came)
    await _offer(turn, card_id, came.offers or ())
    # What changed while the card was on its way found no card to edit; have it edited now.
    for request in await requests.on_card(turn.tx, card_id):
        if not request.awaits_moderators or (came.knocks or {}).get(request.id) != request.event_id:
            await cards.refresh(turn, card_id)


async def _note_shown(turn: Turn, job: Job[Any], came: Shown) -> None:
    if came.event_id is not None:
        await note(turn, job, came.event_id)
    for request_id, event_id in (came.knocks or {}).items():
        await requests.shown(turn.tx, request_id, event_id)


async def _offer(turn: Turn, card_id: int, offers: tuple[Verdict, ...]) -> None:
    """Offer answers on a card, unless it has come to be shared in the meantime."""
    takes_clicks = answering.takes_clicks(await requests.on_card(turn.tx, card_id))
    await cards.offer(turn, card_id, offers if takes_clicks else (), named=True)


ACTS: Mapping[Act, Doing] = {
    Act.POST_CARD: Doing(post_card, ended=_card_posted),
    Act.EDIT_CARD: Doing(edit_card, ended=_card_edited),
}
"""A card that cannot be sent has nowhere else to be told."""
