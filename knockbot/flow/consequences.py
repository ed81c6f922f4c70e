"""What follows of an act that was done, that the room has overtaken, or that is refused for good.

Step 7 of the journey (ARCHITECTURE.md): the record, the card, and a word to the moderators, all in the transaction that
ends the job. To add an act: its rows in `AFTER` and, where moderators have to hear of a refusal, in `REFUSED`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from knockbot.domain import plan
from knockbot.domain.jobs import (
    Act,
    EditCard,
    Invite,
    Issue,
    Job,
    Meet,
    OnMember,
    Plant,
    PostCard,
    React,
    Revoke,
    Say,
    Write,
)
from knockbot.domain.model import MemberChange, Request, State, Verdict
from knockbot.domain.notices import Code, Notice, Numbered, Stranger, User, below, notice
from knockbot.domain.outcomes import credited, outcome
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn
from knockbot.errors import Never
from knockbot.features.remote import notify
from knockbot.features.thirdparty import invites, issuing
from knockbot.features.upgrades import upgrading
from knockbot.flow import answering, authority, cards, saying, settling
from knockbot.flow.context import Context
from knockbot.flow.records import called, record
from knockbot.flow.saying import Audience, Urgency
from knockbot.store import bot_memberships, jobs, messages, prompts, requests
from knockbot.store.db import Tx


@dataclass(frozen=True, slots=True)
class Done:
    """The wanted state stands. `event_id` is the message sent; `seen` the member event found to settle it already."""

    event_id: str | None = None
    seen: MemberChange | None = None
    offers: tuple[Verdict, ...] | None = None
    """After posting a card, or editing one: the answers to offer on it, and no others; its text names them already.
    None where they are to stay as they are."""
    shown: Mapping[int, str] | None = None
    """After posting or editing a card: the knock shown for each request id."""
    digest: str | None = None
    """After posting or editing a card: of what it shows."""
    room_id: str | None = None
    """After making a room: which one."""
    as_act: Act | None = None
    """What was done in the act's place, where less was enough."""
    issued: issuing.Came | None = None
    """After inviting an address: what came of that."""


@dataclass(frozen=True, slots=True)
class Overtaken:
    """The room settled it otherwise before the act; `seen` is the member event that says so."""

    why: Notice
    seen: MemberChange | None = None


Outcome = Done | Overtaken


async def follow(context: Context, turn: Turn, job: Job[Any], came: Outcome) -> None:
    """Bring everything to where the room is, now that an act is done or needed no longer."""
    if job.act in AFTER:
        await AFTER[job.act](context, turn, job, came)


async def follow_refusal(context: Context, turn: Turn, job: Job[Any], error: Never) -> None:
    """It will never be done: the moderators are told, and what it was called for is theirs again."""
    if job.act in REFUSED:
        await REFUSED[job.act](context, turn, job, error)


# --- on applicants and inviters -------------------------------------------------------------------------------

STATE_AFTER: dict[Act, State] = {
    Act.INVITE: State.ACCEPTED,
    Act.KICK: State.REJECTED,
    Act.BAN: State.BANNED,
    Act.REVOKE: State.REVOKED,
}


ToARequest = Job[OnMember | Revoke]


async def _acted(context: Context, turn: Turn, job: ToARequest, came: Outcome) -> None:
    """Bring the request to where the room is: by what the act found there, or by the act itself."""
    if job.request_id is None:
        if isinstance(came, Overtaken):
            await _not_called_in(context, turn, job, came.why)
        return
    request = await requests.get(turn.tx, job.request_id)
    if is_beside(job, request):
        await _inviter_banned(turn, request, came)
        return
    if came.seen is not None:
        state = outcome(request, came.seen)
        if state is not None:
            await settling.record_outcome(context, turn, request, state, credited(request, came.seen, context.bot))
        return
    # Where it is called for no longer, the echo tells what happened.
    if isinstance(came, Done) and request.answer is not None and is_called_for(context, job, request):
        await settling.record_outcome(context, turn, request, STATE_AFTER[came.as_act or job.act], request.answer.by)


async def _not_called_in(context: Context, turn: Turn, job: ToARequest, why: Notice) -> None:
    """Whom a moderator invites by an address of theirs needs no request; of what else is on none, nobody is told."""
    if isinstance(job.payload, Invite):
        await issuing.not_called_in(context, turn, Job(job.key, job.room_id, job.payload), why)


async def _inviter_banned(turn: Turn, request: Request, came: Outcome) -> None:
    """The record of an invite, and its card, say that its inviter went with it."""
    if isinstance(came, Done):
        await requests.inviter_banned(turn.tx, request.id)
    if isinstance(came, Done) and request.answer is not None:
        await record(turn, request, request.answer.by, Recorded.INVITER_BANNED)
        if request.card_id is not None:
            await cards.refresh(turn, request.card_id)


async def _act_refused(context: Context, turn: Turn, job: ToARequest, error: Never) -> None:
    why = error.why
    if job.request_id is None:
        await _not_called_in(context, turn, job, why)
        return
    request = await requests.get(turn.tx, job.request_id)
    if is_beside(job, request):
        # The inviter of an invite stays, which is nothing that the invite itself waits for.
        said = notice(
            "invite.inviter_not_banned",
            request=Numbered(request.number),
            inviter=User(request.subject),
            room=await called(turn.tx, request.room_id),
            why=why,
        )
        await saying.alarm(context, turn, request.room_id, f"refused:{job.key}", said, about=request)
    elif is_called_for(context, job, request):
        # The request is the moderators' again, and the card says why.
        await requests.answered(turn.tx, request.id, None)
        await requests.in_trouble(turn.tx, request.id, why)
        await cards.show(context, turn, request.id)
        if error.code == authority.NO_AUTHORITY and request.card_id is not None:
            # Its card may be far up, and an edit calls nobody.
            said = notice(
                "answer.fell",
                request=Numbered(request.number),
                room=await called(turn.tx, request.room_id),
                why=why,
            )
            await record(turn, request, context.bot, Recorded.ANSWER_FELL)
            await saying.alarm(context, turn, request.room_id, f"fell:{job.key}", said, about=request)


def is_beside(job: ToARequest, request: Request) -> bool:
    """Whether an act was on an invite's inviter; what became of the invite itself, revoking it tells."""
    return request.invite is not None and job.act is not Act.REVOKE and job.user_id != request.user_id


def is_called_for(context: Context, job: ToARequest, request: Request) -> bool:
    """Whether this act carries out the answer that binds the request: they may have knocked again meanwhile."""
    if not request.open or request.answer is None:
        return False
    return job.key in {planned.key for planned in plan.plan(request, request.answer, context.home)}


# --- on telling applicants of other servers -------------------------------------------------------------------


async def _written_to(context: Context, turn: Turn, job: Job[Write], came: Outcome) -> None:
    """Somebody is invited to a room where they can read it: say it there, and leave that room after a while."""
    if not isinstance(came, Done) or came.room_id is None:
        return
    request = await requests.get(turn.tx, job.payload.request_id)
    said = await _letter(turn.tx, job)
    await saying.say(context, turn, Audience(came.room_id, place=job.room_id), job.key, said, urgency=Urgency.ALOUD)
    await bot_memberships.use(turn.tx, came.room_id, turn.now)
    await turn.plan(plan.leave(came.room_id, "told"), due_at=turn.now + notify.STAYS)
    await record(turn, request, context.bot, Recorded.WROTE)


async def _letter(tx: Tx, job: Job[Write]) -> Notice:
    """What an applicant of another server is told, since their own server does not tell them."""
    room, reason = await called(tx, job.room_id), plan.reason_of(job.payload)
    if reason:
        return notice("letter.rejected_because", room=room, reason=Stranger(reason))
    return notice("letter.rejected", room=room)


# --- on invites to addresses ----------------------------------------------------------------------------------


async def _issued(context: Context, turn: Turn, job: Job[Issue], came: Outcome) -> None:
    if isinstance(came, Done) and came.issued is not None:
        await issuing.conclude(context, turn, job, came.issued)


async def _planted(context: Context, turn: Turn, job: Job[Plant], came: Outcome) -> None:
    if isinstance(came, Done) and came.event_id is not None:
        await invites.arrived(context, turn, await requests.get(turn.tx, job.payload.request_id), came.event_id)


async def _not_planted(context: Context, turn: Turn, job: Job[Plant], error: Never) -> None:
    await issuing.not_planted(context, turn, await requests.get(turn.tx, job.payload.request_id), error.why)


# --- on cards and rooms ---------------------------------------------------------------------------------------


async def _card_edited(_: Context, turn: Turn, job: Job[EditCard], came: Outcome) -> None:
    if not isinstance(came, Done):
        return
    await prompts.shows(turn.tx, job.payload.card_id, came.digest)
    await _note_shown(turn, job, came)
    if came.offers is not None:
        await _offer(turn, job.payload.card_id, came.offers)


async def _card_posted(_: Context, turn: Turn, job: Job[PostCard], came: Outcome) -> None:
    if not isinstance(came, Done) or came.event_id is None:
        return
    card_id = job.payload.card_id
    await prompts.posted(turn.tx, card_id, came.event_id, came.digest)
    await _note_shown(turn, job, came)
    await _offer(turn, card_id, came.offers or ())
    # What changed while the card was on its way found no card to edit; have it edited now.
    for request in await requests.on_card(turn.tx, card_id):
        if not request.awaits_moderators or (came.shown or {}).get(request.id) != request.event_id:
            await cards.refresh(turn, card_id)


async def _note_shown(turn: Turn, job: Job[Any], came: Done) -> None:
    await _sent(turn, job, came.event_id)
    for request_id, event_id in (came.shown or {}).items():
        await requests.shown(turn.tx, request_id, event_id)


async def _offer(turn: Turn, card_id: int, offers: tuple[Verdict, ...]) -> None:
    """Offer answers on a card, unless it has come to be shared in the meantime."""
    takes_clicks = answering.takes_clicks(await requests.on_card(turn.tx, card_id))
    await cards.offer(turn, card_id, offers if takes_clicks else (), named=True)


async def _met(context: Context, turn: Turn, _: Job[Meet], came: Outcome) -> None:
    if isinstance(came, Done) and came.room_id is not None:
        use_it = notice("meet.use_it", command=Code("!kb protect #room:server"), bot=User(context.bot))
        said = below(notice("meet.cannot_read"), use_it)
        await saying.say(context, turn, Audience(came.room_id), f"meet:{came.room_id}", said)


async def _sent(turn: Turn, job: Job[Any], event_id: str | None) -> None:
    """A message is there; whoever replies to it means what it is about."""
    if event_id is not None:
        about = {"prompt_id": job.card_id, "request_id": job.request_id}
        await messages.sent(turn.tx, job.room_id, event_id, turn.now, **about)


async def echoed(turn: Turn, key: str, event_id: str) -> None:
    """The bot's own message came back: whatever the attempt's answer was, it got through."""
    job = await jobs.echoed(turn.tx, key, event_id)
    if job is None:
        return
    if isinstance(job.payload, React):
        await _offer_stands(turn.tx, job.payload, event_id)
    else:
        await _sent(turn, job, event_id)


async def _reacted(_: Context, turn: Turn, job: Job[React], came: Outcome) -> None:
    """A card offers an answer, or cannot any more, since it takes no clicks."""
    if isinstance(came, Overtaken):
        await _not_offered(turn.tx, job.payload)
    elif came.event_id is not None:
        await _offer_stands(turn.tx, job.payload, came.event_id)


async def _reaction_refused(_: Context, turn: Turn, job: Job[React], __: Never) -> None:
    await _not_offered(turn.tx, job.payload)


async def _offer_stands(tx: Tx, offer: React, reaction: str) -> None:
    if offer.card_id is not None:
        await prompts.offered(tx, offer.card_id, offer.emoji, reaction)


async def _not_offered(tx: Tx, offer: React) -> None:
    if offer.card_id is not None:
        await prompts.offer_no_more(tx, offer.card_id, offer.emoji)


async def _said(_: Context, turn: Turn, job: Job[Say], came: Outcome) -> None:
    """A line that asks something is there: from now on it can be answered by a click."""
    if isinstance(came, Done):
        await _sent(turn, job, came.event_id)
    asks = job.payload.asks
    if asks is not None and isinstance(came, Done) and came.event_id is not None:
        await upgrading.asked(turn, asks, job.room_id, came.event_id)


Consequence = Callable[[Context, Turn, Job[Any], Outcome], Awaitable[None]]

AFTER: Mapping[Act, Consequence] = {
    Act.INVITE: _acted,
    Act.KICK: _acted,
    Act.BAN: _acted,
    Act.REVOKE: _acted,
    Act.WRITE: _written_to,
    Act.ISSUE: _issued,
    Act.PLANT: _planted,
    Act.POST_CARD: _card_posted,
    Act.EDIT_CARD: _card_edited,
    Act.MEET: _met,
    Act.REACT: _reacted,
    Act.SAY: _said,
}
"""What follows of an act that was done or overtaken; of the others, nothing does."""

REFUSED: Mapping[Act, Callable[[Context, Turn, Job[Any], Never], Awaitable[None]]] = {
    Act.INVITE: _act_refused,
    Act.KICK: _act_refused,
    Act.BAN: _act_refused,
    Act.REVOKE: _act_refused,
    Act.PLANT: _not_planted,
    Act.REACT: _reaction_refused,
}
"""What follows of a refusal; a card or a line that cannot be sent has nowhere else to be told."""
