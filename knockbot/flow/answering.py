"""Review: moderators answer requests, by command or by reaction, and power levels in the protected room decide.

The person who answers must be joined to the protected room now and have the power for it; so must the bot. The first
answer wins. An accept is for the knock that the moderator was shown; a reject or ban is for the applicant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from knockbot.domain import may
from knockbot.domain.card import (
    already_answered,
    changed_anew,
    kept_no_longer,
    may_have_withdrawn,
    moved_away,
    not_shown_yet,
)
from knockbot.domain.ids import server_of
from knockbot.domain.kinds import kind_of
from knockbot.domain.may import ANSWERS, Deed
from knockbot.domain.model import Answer, Reaction, Request, Verdict, Wish
from knockbot.domain.naming import verdict_named
from knockbot.domain.notices import Choice, Code, Notice, Numbered, Room, Sign, User, because, listed, notice, rows
from knockbot.domain.plan import ACT_OF, REACTIONS
from knockbot.domain.power import Powers, Shortfall
from knockbot.engine import prompts as prompting
from knockbot.engine.turn import Handled, Turn, Write
from knockbot.errors import ActionError, Never, Refused
from knockbot.flow import authority, hints, journal, place, refusals, saying, settling, shortcuts, tables
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.rooms import is_denied, is_in
from knockbot.flow.saying import Audience
from knockbot.store import inbox, messages, prompts, requests, rooms
from knockbot.store.db import Tx
from knockbot.store.messages import Message
from knockbot.store.prompts import Prompt
from knockbot.times import DAY, MINUTE


async def insist(context: Context, wish: Wish, request: Request) -> None:
    """Check whether this person and the bot may do this now. Raises `Refused`."""
    with journal.refusing(wish.actor, f"{wish.verdict} #{request.number}", request.room_id):
        await _insist(context, wish, request)


async def _insist(context: Context, wish: Wish, request: Request) -> None:
    async with context.db.tx() as tx:
        there = await place.find(context, tx, request.room_id)
    room = there.called if there is not None else Room(request.room_id, request.room_id)
    replaced = settling.leads_nowhere(request, there)
    deed = ANSWERS[request.judged_as][wish.verdict]
    await authority.insist(context, authority.Wanted(deed, wish.actor, room, request.subject))
    if wish.verdict is Verdict.ACCEPT and request.awaits_moderators:
        if replaced:
            raise Refused(refusals.room_replaced(room))
        if await is_denied(context, request.room_id, request.user_id):
            raise Refused(refusals.server_denied(server_of(request.user_id), room))
    await tables.weigh(context, wish, request)


async def insist_on_being_able(context: Context, deed: Deed, by: str, request: Request) -> None:
    """Check whether somebody may do something about a request for which it is enough that they could answer it. Raises
    `Refused`."""
    async with context.db.tx() as tx:
        there = await place.find(context, tx, request.room_id)
    room = there.called if there is not None else Room(request.room_id, request.room_id)
    wanted = authority.Wanted(deed, by, room, request.subject, kind=request.judged_as)
    with journal.refusing(by, f"{deed} #{request.number}", request.room_id):
        await authority.insist(context, wanted)


async def take(context: Context, turn: Turn, wish: Wish, request_id: int) -> Notice | None:
    """Store this answer on the request; returns what is still missing, where a moderator's wish alone is no answer.
    Raises `Refused` where another answer or an outcome came first, and `Later` where something changed since.

    Call it in the transaction that ends the handling of the moderator's event.
    """
    request = await requests.get(turn.tx, request_id)
    if request.answer is not None and request.answer.cause == wish.cause:
        return None
    if not request.awaits_moderators and not overrides(wish.verdict, request):
        raise Refused(already_answered(request, turn.now))
    if wish.of_card and not await _was_on_card(turn.tx, wish, request):
        raise Refused(not_shown_yet(request, wish.verdict))
    if wish.verdict is Verdict.ACCEPT and not await _could_see(turn.tx, wish, request):
        raise Refused(changed_anew(request))
    weighed = await tables.awaited(context, turn, wish, request)
    if not isinstance(weighed, Wish):
        return weighed
    await _bind(context, turn, weighed, request)
    return None


async def _bind(context: Context, turn: Turn, wish: Wish, request: Request) -> None:
    answer = Answer(
        wish.verdict,
        wish.actor,
        turn.now,
        request.event_id,
        reason=wish.reason or None,
        cause=wish.cause,
        doubtful=wish.verdict is Verdict.ACCEPT and _may_have_withdrawn(context, request),
        instead=request.answer is not None and kind_of(request).waits_outside,
        by_click=wish.by_click,
        quiet=wish.quiet,
        also_from=wish.also_from,
    )
    if request.answer is not None:
        why = because("overtaken.instead", user=User(wish.actor), verdict=verdict_named(wish.verdict))
        await settling.withdraw_answer(turn, request, why)
    await settling.apply_answer(context, turn, request, answer)
    if answer.doubtful and not answer.quiet:
        card = await prompts.get(turn.tx, request.card_id) if request.card_id is not None else None
        about = card.event_id if card is not None else wish.cause
        occasion = f"doubtful:{request.id}:{wish.cause}"
        text = may_have_withdrawn(request)
        await saying.say(
            context, turn, Audience(request.management_room, about=request), occasion, text, reply_to=about
        )


SEVERITY: Mapping[Verdict, int] = {Verdict.ACCEPT: 0, Verdict.REJECT: 1, Verdict.BAN: 2}
"""A more severe answer replaces one that is not carried out yet; otherwise the first answer wins."""


def overrides(verdict: Verdict, request: Request) -> bool:
    """Whether this answer may still replace the one that a request has."""
    return request.open and request.answer is not None and SEVERITY[verdict] > SEVERITY[request.answer.verdict]


OLD = DAY
"""A knock from another server that is older than this (milliseconds) may have been withdrawn there."""


def _may_have_withdrawn(context: Context, request: Request) -> bool:
    """Whether the applicant may have given up long ago, and we were not told: their server tells no other server."""
    remote = kind_of(request).waits_outside and not request.invited and server_of(request.user_id) != context.home
    return remote and context.now() - request.changed_at > OLD


async def _was_on_card(tx: Tx, wish: Wish, request: Request) -> bool:
    """Whether the card showed this request when it was answered: it may have joined the card of others just then.

    The message that showed it first decides, and not the last edit, which may be about another request of the card.
    """
    if request.card_id is None or await requests.was_first_on_card(tx, request):
        return True
    first = await messages.get(tx, request.first_shown_in) if request.first_shown_in is not None else None
    return first is not None and await _came_after(tx, wish, request, first)


async def _could_see(tx: Tx, wish: Wish, request: Request) -> bool:
    """Whether the moderator could see the current knock when they answered.

    It is not enough that the card shows this knock now: an answer given while the bot was down is heard after the edit.
    """
    if wish.knock is not None:
        return wish.knock == request.event_id
    if request.changed_at == request.opened_at:
        return True  # there was no other knock
    return request.shown_event_id in {None, request.event_id} and await _came_after_the_edit(tx, wish, request)


async def _came_after_the_edit(tx: Tx, wish: Wish, request: Request) -> bool:
    """Whether an answer came after the last edit of the card; one that came before was given to an older card.

    The time that the moderator's server states is not enough for that. The homeserver tells in order what it has heard
    of, the bot's own messages included.
    """
    edit = await messages.last_of_prompt(tx, request.card_id) if request.card_id is not None else None
    return await _came_after(tx, wish, request, edit)


async def _came_after(tx: Tx, wish: Wish, request: Request, message: Message | None) -> bool:
    """Whether an answer came after this message of the bot; without one, after the knock."""
    said = await inbox.came(tx, wish.cause)
    if said is None:
        return False  # found by a look: this does not show whether it was before or after
    if message is None:
        return said.at > request.changed_at
    message_came = await inbox.came(tx, message.event_id)
    if message_came is not None:
        return said.order > message_came.order
    return said.at > max(request.changed_at, message.at + OVERDUE)  # the homeserver did not tell of the message


OVERDUE = MINUTE
"""Milliseconds after which the bot no longer expects the homeserver to tell of an edit."""


async def reacted(context: Context, reaction: Reaction) -> Handled:
    """Handle a reaction in a room: an answer, or something that was meant as one."""
    clicked = await prompting.clicked(context, reaction)
    return clicked or await tables.heard(context, reaction) or _hinting(context, reaction)


def _hinting(context: Context, reaction: Reaction) -> Write[None] | None:
    """A hint for somebody who clicked on a card in a way that means no answer."""
    if reaction.sender == context.bot:
        return None
    if reaction.key not in REACTIONS and not hints.is_almost_an_answer(reaction.key):
        return None

    async def write(turn: Turn) -> None:
        await _hint(context, turn, reaction)

    return write


async def clicked(context: Context, card: Prompt, reaction: Reaction) -> Write[None] | None:
    """The answers that a reaction on a card gives: one of ours, to each request on it that waits for one.

    Each takes the rights of its own room; what is refused is told in one reply.
    """
    click = await _read(context, card, reaction)
    if click is None:
        return None
    if not click.meant:
        return await _telling_it_is_closed(context, card, reaction)
    wish, meant = click.wish, click.meant
    refused = {request.id: why for request in meant if (why := await _why_not(context, wish, request)) is not None}

    async def write(turn: Turn) -> None:
        if not await _was_shown(turn.tx, click, card, reaction.key):
            await _say_other_text(context, turn, card, reaction)
            return
        told = refused | await _taken(context, turn, wish, [one for one in meant if one.id not in refused])
        if told:
            said = await _refusals(context, turn, meant, told)
            to = Audience(reaction.room_id, about=next(one for one in meant if one.id in told))
            occasion = _once(wish, meant, told) if len(told) == len(meant) else f"reply:{reaction.event_id}"
            await saying.say(context, turn, to, occasion, said, reply_to=reaction.target)

    return write


def _once(wish: Wish, meant: Sequence[Request], told: Mapping[int, Notice]) -> str:
    """If all of it is refused, it is told once, no matter how often they click: for each reason and each knock."""
    about = ",".join(f"{request.id}:{request.changed_at}" for request in meant)
    why = ",".join(sorted({one.code for one in told.values()}))
    return f"refused:{about}:{wish.actor}:{wish.verdict}:{why}"


async def _telling_it_is_closed(context: Context, card: Prompt, reaction: Reaction) -> Write[None] | None:
    """Tell somebody, once, that a card takes no clicks, because none of its rooms is managed from there any more."""
    async with context.db.tx() as tx:
        shown = await requests.on_card(tx, card.id, held=False)
    if shown and not takes_clicks(shown):
        return None  # there is a hint for that

    async def write(turn: Turn) -> None:
        said = kept_no_longer(shown) if shown else moved_away()
        occasion = f"closed:prompt:{card.id}:{reaction.sender}"
        await saying.say(context, turn, Audience(reaction.room_id), occasion, said, reply_to=reaction.target)

    return write


@dataclass(frozen=True, slots=True)
class _Click:
    """An answer by an emoji on a card."""

    wish: Wish
    meant: Sequence[Request]
    """The requests that it is about, as far as their rooms are managed from there."""
    with_text: bool = False
    """Whether the emoji stands for an answer with a text, which the card says."""


async def _read(context: Context, card: Prompt, reaction: Reaction) -> _Click | None:
    """The answer that a reaction on a card gives; `None` if it is no answer."""
    verdict, text = REACTIONS.get(reaction.key), None
    async with context.db.tx() as tx:
        on_card = await requests.on_card(tx, card.id, held=False)
        shown = _clicked_on(on_card)
        managed = [one for one in shown if await is_managed(tx, one, card.room_id)]
        with_text = verdict is None and await shortcuts.shown(tx, card, reaction.key) is not None
        if with_text:
            asked = to_answer(managed, Verdict.REJECT)
            places = await place.of_rooms(context, tx, (one.room_id for one in asked))
            text = shortcuts.chosen(shortcuts.offered(context, asked, places), reaction.key)
            verdict = text.verdict if text is not None else Verdict.REJECT
    if verdict is None:
        return None
    reason = text.reason if text is not None else None
    wish = Wish(reaction.sender, verdict, reaction.event_id, reason, by_click=True, of_card=True)
    return _Click(wish, to_answer(managed, verdict), with_text)


async def _was_shown(tx: Tx, click: _Click, card: Prompt, key: str) -> bool:
    """Whether the card showed what this click gives: the text of an emoji may have changed since."""
    if not click.with_text:
        return True
    offer = await shortcuts.shown(tx, card, key)
    if offer is None or offer.meaning is None or offer.meaning != click.wish.reason:
        return False
    return offer.meanings == 1 or await _came_after_the_edit(tx, click.wish, click.meant[-1])


async def _say_other_text(context: Context, turn: Turn, card: Prompt, reaction: Reaction) -> None:
    """The emoji stands for another text by now, or for none: nothing is done, and the card shows what is offered."""
    said, occasion = notice("answer.other_text"), f"reply:{reaction.event_id}"
    await prompting.refresh(turn, card.id)
    await saying.say(
        context, turn, Audience(reaction.room_id, place=card.about), occasion, said, reply_to=reaction.target
    )


async def _why_not(context: Context, wish: Wish, request: Request) -> Notice | None:
    """Why somebody may not give this answer to one of the requests of a card; `None` if they may."""
    try:
        await insist(context, wish, request)
    except (Refused, Never) as error:  # `Never`: for example, the bot was removed from the protected room
        return refusals.why_not(error)
    return None


async def _taken(context: Context, turn: Turn, wish: Wish, allowed: Sequence[Request]) -> dict[int, Notice]:
    """Store an answer on these requests; returns why not, by the id, where another answer or an outcome came first."""
    await requests.hold(turn.tx, [request.id for request in allowed])
    refused: dict[int, Notice] = {}
    for request in allowed:
        try:
            await take(context, turn, wish, request.id)
        except Refused as error:
            refused[request.id] = error.said
    return refused


async def _refusals(context: Context, turn: Turn, meant: Sequence[Request], told: Mapping[int, Notice]) -> Notice:
    """What is refused of one answer: if it was about several requests, with the number and the room of each."""
    if len(meant) == 1:
        return told[meant[0].id]
    refused = [request for request in meant if request.id in told]
    called = [await place.called(context, turn, request.room_id) for request in refused]
    return rows(
        notice("answer.refused_one", request=Numbered(request.number), room=room, why=told[request.id])
        for request, room in zip(refused, called, strict=True)
    )


async def is_managed(tx: Tx, request: Request, management_room: str) -> bool:
    """Whether the room of a request is managed from this management room."""
    room = await rooms.find(tx, request.room_id)
    return room is not None and room.management_room == management_room


def meant_by(shown: Sequence[Request]) -> list[Request]:
    """The requests that an answer to a card with these is about, if it names none: those of its applicant that are
    open, or else the newest.

    A card that many applicants share takes no such answer: nobody should accept many people with one click.
    """
    return ([one for one in shown if one.open] or list(shown[-1:])) if takes_clicks(shown) else []


def _clicked_on(shown: Sequence[Request]) -> list[Request]:
    """The requests that a click on a card with these is about; where all are closed, the newest of each room, so that
    the reply says of each what became of it."""
    is_over = takes_clicks(shown) and not any(one.open for one in shown)
    return _newest_of_each_room(shown) if is_over else meant_by(shown)


def _newest_of_each_room(found: Sequence[Request]) -> list[Request]:
    return [*{request.room_id: request for request in found}.values()]


def to_answer(found: Sequence[Request], verdict: Verdict) -> list[Request]:
    """Those of the requests of a card that this answer can still be given to; if there are none, the newest of each
    room, so that the reply says why."""
    return [one for one in found if one.awaits_moderators or overrides(verdict, one)] or _newest_of_each_room(found)


def takes_clicks(shown: Sequence[Request]) -> bool:
    """Whether a card that shows these requests can be answered by a click: one invite, or knocks of one applicant."""
    of_one = len({(request.kind, request.subject) for request in shown}) == 1
    return of_one and (len(shown) == 1 or kind_of(shown[-1]).shares_clicks)


def offers_clicks(shown: Sequence[Request]) -> bool:
    """Whether a card that shows these requests takes clicks, and is still open."""
    return takes_clicks(shown) and any(request.open for request in shown)


async def _hint(context: Context, turn: Turn, reaction: Reaction) -> None:
    """Tell somebody how to answer the card they reacted or replied to; nothing where it waits for no answer."""
    card = await prompts.pointed_at(turn.tx, reaction.room_id, reaction.target)
    if card is None:
        return
    shown = await requests.on_card(turn.tx, card.id)
    asking = [request for request in shown if request.awaits_moderators]
    waiting = [request for request in asking if await is_managed(turn.tx, request, card.room_id)]
    if waiting:
        kind, text = await _how_to_answer(turn.tx, card, shown, waiting[-1].number, reaction.key)
        where = {"room_id": reaction.room_id, "to": reaction.sender, "reply_to": reaction.target}
        await hints.give(context, turn, kind, text, **where)


async def _how_to_answer(
    tx: Tx, card: Prompt, shown: Sequence[Request], number: int, said: str
) -> tuple[hints.Hint, Notice]:
    """How a card with these requests is answered, for somebody who has `said` something else."""
    command = Code(f"!kb accept {number}")
    if not takes_clicks(shown):
        return hints.Hint.NUMBERS, notice("hint.numbers", command=command)
    emoji = hints.click_with_more(said)
    if emoji is not None:
        answer = Code(f"!kb {REACTIONS.get(emoji, Verdict.REJECT)} {number}")
        return hints.Hint.ALONE, notice("hint.emoji_alone", emoji=Sign(emoji), command=answer)
    offers = (await prompts.offers_on(tx, card.id)).values()
    texts = sorted(one.emoji for one in offers if one.meaning is not None and one.reaction is not None)
    if texts:
        return hints.Hint.CLICKS, notice("hint.clicks_and_texts", texts=listed(map(Sign, texts)), command=command)
    return hints.Hint.CLICKS, notice("hint.clicks", command=command)


@dataclass(frozen=True, slots=True)
class Outlook:
    """The answers that the bot could carry out on a request; a card offers no others, and says why it cannot accept."""

    possible: tuple[Verdict, ...]
    missing: Notice | None = None


def together(outlooks: Sequence[Outlook]) -> Outlook:
    """What the bot could do about at least one of several requests, and what is missing for each."""
    missing = list(dict.fromkeys(one.missing for one in outlooks if one.missing is not None))
    able = {verdict for one in outlooks for verdict in one.possible}
    said = rows(missing) if len(missing) > 1 else next(iter(missing), None)
    return Outlook(tuple(verdict for verdict in ACT_OF if verdict in able), said)


async def outlook(context: Context, request: Request, there: Place | None) -> Outlook:
    """What the bot could do about a request at a room now."""
    room = Room(request.room_id, there.label if there is not None else request.room_id)
    replaced = there is not None and there.is_replaced
    try:
        if not await is_in(context, request.room_id):
            return Outlook((), notice("answer.not_in_it", room=room, bot=User(context.bot)))
        powers = await context.outside.powers(request.room_id)
        denied = await is_denied(context, request.room_id, request.user_id)
    except ActionError:
        return Outlook(tuple(ACT_OF))
    found = tuple(possible(powers, context.bot, [request], barred=denied or replaced))
    if Verdict.ACCEPT in found:
        return Outlook(found)
    lacking = _lacking(powers, context.bot, Verdict.ACCEPT, request)
    if lacking is not None:
        return Outlook(found, _cannot(context.bot, lacking, room, anything=bool(found)))
    denial = refusals.server_denied(server_of(request.user_id), room)
    return Outlook(found, refusals.room_replaced(room) if replaced else denial)


def _cannot(bot: str, lacking: Shortfall, room: Room, *, anything: bool) -> Notice:
    """Why the bot cannot accept a request, or cannot do `anything` about it, and what would change that."""
    answer = Choice("accept" if anything else "answer")
    if not lacking.lacks_level:
        return notice("answer.cannot", answer=answer, why=lacking.why)
    return notice("answer.cannot_yet", answer=answer, why=lacking.why, bot=User(bot), room=room)


def possible(powers: Powers, bot: str, about: Iterable[Request], *, barred: bool = False) -> list[Verdict]:
    """The answers that the bot's power allows on all of these requests.

    The bot accepts no knock of somebody who is `barred`: their server is denied, or the room was replaced.
    """
    found = [verdict for verdict in ACT_OF if not any(_lacking(powers, bot, verdict, r) for r in about)]
    kept_out = barred and any(kind_of(request).waits_outside for request in about)
    return [verdict for verdict in found if not (kept_out and verdict is Verdict.ACCEPT)]


def _lacking(powers: Powers, bot: str, verdict: Verdict, request: Request) -> Shortfall | None:
    return may.shortfall(powers, ANSWERS[request.judged_as][verdict], bot, request.subject)
