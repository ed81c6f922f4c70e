"""The actions: how each kind of job is done on the homeserver, each aimed at a state.

Step 6 of the journey (ARCHITECTURE.md). Before it acts, an action looks whether the wanted state stands already, and
whether what it was decided for still holds.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from knockbot.chat.messages import card_message, digest, edit, message, transaction_id
from knockbot.documents.text import NAME_LIMIT, shown
from knockbot.domain import may, plan
from knockbot.domain.card import Around, kept_no_longer, machine_block, moved_away
from knockbot.domain.coding import Malformed
from knockbot.domain.invites import spoken
from knockbot.domain.jobs import (
    LINE,
    Act,
    Ban,
    EditCard,
    Invite,
    Issue,
    Job,
    Join,
    Kick,
    Leave,
    Meet,
    OnMember,
    Plant,
    PostCard,
    React,
    Redact,
    Revoke,
    Say,
    Unreact,
    Write,
)
from knockbot.domain.languages import Language, spoken_here
from knockbot.domain.may import Deed
from knockbot.domain.model import Kind, MemberChange, Membership, Request, Verdict
from knockbot.domain.notices import Notice, Term, because
from knockbot.domain.policy import Reasons
from knockbot.domain.power import shown as level_shown
from knockbot.domain.reasons import in_words
from knockbot.engine.worker import Action
from knockbot.errors import Later, Never
from knockbot.features.thirdparty import inviters, issuing
from knockbot.flow import answering, authority, consequences, encrypted, intake, rules, saying
from knockbot.flow.consequences import Done, Outcome, Overtaken
from knockbot.flow.context import Context, log
from knockbot.flow.keys import SEALED
from knockbot.flow.ports import EFFECT_KEY, NOT_ALLOWED, REQUEST_KEY
from knockbot.flow.records import label_of
from knockbot.flow.rooms import is_denied, is_in
from knockbot.flow.saying import Audience
from knockbot.http import fits_a_path
from knockbot.matrix.crypto.keyring import Keyring
from knockbot.matrix.events import is_event_id, mapping
from knockbot.matrix.homeserver import Homeserver
from knockbot.matrix.rooms import THIRD_PARTY_INVITE
from knockbot.store import encryption, jobs, messages, prompts, requests, rooms
from knockbot.store.jobs import Claimed
from knockbot.times import DAY, MINUTE

CLOCKS_APART = 10 * MINUTE
"""How far (milliseconds) the homeserver's clock may have been behind where we believe it, for messages of our own."""

PAGES = 50
"""Pages of a hundred messages of ours to look through at most."""


@dataclass(frozen=True, slots=True)
class Hand:
    """What an action works with."""

    context: Context
    homeserver: Homeserver
    identity: issuing.Issuer
    keyring: Keyring | None = None
    """Where encryption is allowed."""
    looked: set[str] = field(default_factory=set)
    """Rooms that were not encrypted when that was looked at."""


# --- on applicants --------------------------------------------------------------------------------------------


Membered = Invite | Kick | Ban


async def change_membership(hand: Hand, claimed: Claimed[Membered]) -> Outcome:
    """Invite, kick or ban an applicant, if the knock it was decided for still stands."""
    job = claimed.job
    stands = await _standing(hand, claimed)
    needless = await _needless(hand, job, stands)
    if needless is not None:
        return needless
    payload = job.payload
    if isinstance(payload, Ban) and payload.guest and not await _has_joined(hand, job.room_id, payload.guest, stands):
        return await _take_back_guest(hand, claimed, payload, stands)
    if isinstance(payload, Invite) and await is_denied(hand.context, job.room_id, payload.user_id):
        raise Never(because("act.denied"), code="KNOCKBOT_DENIED")
    return await _do(hand, claimed, stands)


async def _needless(hand: Hand, job: Job[Membered], stands: MemberChange | None) -> Outcome | None:
    """What makes an act needless: its state stands, or the applicant or the moderators have moved on."""
    membership = stands.membership if stands is not None else None
    payload = job.payload
    if stands is None and not payload.only_knocking:
        # They came in by an invite that was taken back in the same moment, and the room settled that they never did.
        membership = Membership.LEAVE
    if membership in plan.WANTED[job.act]:
        return Done(seen=stands)
    if membership not in payload.while_in:
        return Overtaken(_at(membership), seen=stands)
    if stands is not None and await _moved_otherwise(hand, job, stands):
        return Overtaken(because("overtaken.moved"), seen=stands)
    if stands is not None and _meant_for(payload) not in (None, stands.event_id):
        return Overtaken(because("overtaken.knocked_again"))
    return Overtaken(ANSWERED_OTHERWISE) if await _is_called_off(hand, job) else None


def _meant_for(payload: Membered) -> str | None:
    """The one knock that an act is for: another one overtakes an invite only, a reject or a ban is for that one too."""
    return payload.knock if isinstance(payload, Invite) else None


ANSWERED_OTHERWISE = because("overtaken.answered")


def _at(membership: Membership | None) -> Notice:
    """Where the applicant is, so that the act is not needed."""
    if membership is None:
        return because("overtaken.no_knock")
    return because("overtaken.membership", membership=Term(membership))


async def _do(hand: Hand, claimed: Claimed[Membered], stands: MemberChange | None) -> Outcome:
    """Act, if whoever the bot acts for may do so at this moment."""
    await authority.insist_again(hand.context, claimed.job)
    try:
        await _call(hand, claimed.job)
    except Never as error:
        return await _explain(hand, claimed, stands, error)
    return Done()


async def _moved_otherwise(hand: Hand, job: Job[Membered], stands: MemberChange) -> bool:
    """Whether somebody whose answer was overridden moved by another way than by the act that was on its way."""
    if not job.payload.instead:
        return False
    async with hand.context.db.tx() as tx:
        if await jobs.is_running(tx, job.request_id or 0, besides=job.key):
            raise Later(because("act.under_way"), retry_after=1)
    return stands.membership is not Membership.KNOCK and not await intake.moved_by_the_bot(hand.context, stands)


async def _is_called_off(hand: Hand, job: Job[OnMember | Revoke]) -> bool:
    """Whether the answer that this act carries out was taken back, or another one given in its place, or dropped with
    the protection of the room."""
    if job.request_id is None:
        return False
    async with hand.context.db.tx() as tx:
        request = await requests.get(tx, job.request_id, held=False)
        kept = await rooms.find(tx, request.room_id) is not None
    return not kept or (
        not consequences.is_beside(job, request) and not consequences.is_called_for(hand.context, job, request)
    )


async def _take_back_guest(hand: Hand, claimed: Claimed[Membered], ban: Ban, stands: MemberChange | None) -> Outcome:
    """Take the invite back of somebody who came in by a third-party invite, and do no more.

    Whoever holds its key can sign for anybody. So until they join, they may know nothing of it.
    """
    if stands is None or stands.membership is not Membership.INVITE:
        return Done(seen=stands, as_act=Act.KICK)
    kick = Kick(ban.user_id, ban.request_id, ban.while_in, ban.on_behalf_of, ban.reason, ban.told, guest=ban.guest)
    came = await _do(hand, replace(claimed, job=replace(claimed.job, payload=kick)), stands)
    return replace(came, as_act=Act.KICK) if isinstance(came, Done) else came


async def _has_joined(hand: Hand, room_id: str, guest: str, stands: MemberChange | None) -> bool:
    """Whether somebody joined since they came in by a third-party invite; where nobody can tell, they did not."""
    change = stands
    for _ in range(CHANGES_SINCE):
        if change is None or change.event_id == guest:
            return False
        if change.membership is Membership.JOIN:
            return True
        change = await hand.context.outside.past_member(room_id, change.replaces) if change.replaces else None
    return False


CHANGES_SINCE = 10
"""Member events of one person to look back through."""


async def _call(hand: Hand, job: Job[Membered]) -> None:
    call = {Act.INVITE: hand.homeserver.invite, Act.KICK: hand.homeserver.kick, Act.BAN: hand.homeserver.ban}
    await call[job.act](job.room_id, job.payload.user_id, plan.reason_of(job.payload))


async def _standing(hand: Hand, claimed: Claimed[Membered]) -> MemberChange | None:
    try:
        return await hand.context.outside.member(claimed.job.room_id, claimed.job.payload.user_id)
    except Never as error:
        raise Never(because("act.not_joined"), code="KNOCKBOT_NOT_JOINED") from error


async def _explain(hand: Hand, claimed: Claimed[Membered], stood: MemberChange | None, error: Never) -> Outcome:
    """A clear no: the room moved on in the same moment, or the bot may not do this, or it is as the server says."""
    if error.code != "M_FORBIDDEN":
        raise error
    job, bot = claimed.job, hand.context.bot
    if not await is_in(hand.context, job.room_id):
        raise Never(because("act.not_joined"), code="KNOCKBOT_NOT_JOINED") from error
    stands = await _standing(hand, claimed)
    if stands is None and stood is not None:
        return Overtaken(because("overtaken.no_knock"))
    still_meant = stands is not None and stands.membership is Membership.KNOCK and _meant_for(job.payload) is None
    if stands is not None and (stood is None or stands.event_id != stood.event_id) and not still_meant:
        return Overtaken(_at(stands.membership), seen=stands)
    powers = await hand.context.outside.powers(job.room_id)
    lacking = may.shortfall(powers, may.DONE_BY[job.act], bot, job.payload.user_id)
    if lacking is not None:
        raise Never(lacking.why, code="KNOCKBOT_NO_POWER" if lacking.lacks_level else error.code) from error
    await _call(hand, job)  # the power came between the refusal and this look; where it did not, no is no
    return Done()


# --- telling who is rejected, from elsewhere ------------------------------------------------------------------


async def write(hand: Hand, claimed: Claimed[Write]) -> Outcome:
    """Make a private room and invite somebody there, once; what there is to say is said when they are invited."""
    job, user_id = claimed.job, claimed.job.payload.user_id
    if hand.context.now() - claimed.created_at > DAY:
        return Overtaken(because("overtaken.too_old_to_tell"))
    room_id = await _made_before(hand, job.key) if claimed.tried_before else None
    if room_id is None:
        async with hand.context.db.tx() as tx:
            label = await label_of(tx, job.room_id)
        content = {
            "name": f"Your knock at {shown(label, NAME_LIMIT)}",
            "preset": "private_chat",
            "is_direct": True,
            "invite": [],  # not yet: it can fail where the room was made
            "creation_content": {EFFECT_KEY: job.key},
        }
        room_id = await hand.homeserver.create_room(content)
    try:
        if await hand.context.outside.member(room_id, user_id) is None:
            await hand.homeserver.invite(room_id, user_id, plan.reason_of(job.payload))
    except Never as error:
        await hand.homeserver.leave(room_id)
        return Overtaken(error.why)
    return Done(room_id=room_id)


# --- on third-party invites -----------------------------------------------------------------------------------


async def revoke(hand: Hand, claimed: Claimed[Revoke]) -> Outcome:
    """Empty the state under a third-party invite's token, whatever its inviter has put there by now."""
    if await _is_called_off(hand, claimed.job):
        return Overtaken(ANSWERED_OTHERWISE)
    return await _insisting(hand, claimed.job.room_id, lambda: _revoke(hand, claimed.job))


async def _revoke(hand: Hand, job: Job[Revoke]) -> Outcome:
    token, inviter = job.payload.token, job.payload.inviter
    stands = await hand.context.outside.third_party(job.room_id, token)
    if stands is None or stands.invite is None:
        return Done()
    if stands.invite.inviter != inviter:
        return Overtaken(because("overtaken.other_invite"))
    await authority.insist_again(hand.context, job)
    if fits_a_path(token):
        await hand.homeserver.put_state(job.room_id, THIRD_PARTY_INVITE, spoken(token), {})
    else:
        await _insist_on_redacting(hand, job.room_id)
        await hand.homeserver.redact(job.room_id, stands.event_id, transaction_id(job.key))
    return Done()


async def _insist_on_redacting(hand: Hand, room_id: str) -> None:
    """To redact takes more than to invite. Raises `Never` where the bot lacks it."""
    powers = await hand.context.outside.powers(room_id)
    needed, level = powers.needed_to_redact(), powers.level(hand.context.bot)
    if level < needed:
        why = because("act.redact", level=level_shown(level), needed=level_shown(needed))
        raise Never(why, code="KNOCKBOT_NO_POWER")


async def issue(hand: Hand, claimed: Claimed[Issue]) -> Outcome:
    """Have an identity server invite an address, once."""
    return Done(issued=await issuing.issue(hand.context, hand.identity, claimed.job))


async def plant(hand: Hand, claimed: Claimed[Plant]) -> Outcome:
    """Put an invite that was issued under its token, unless something stood there before, or it was taken back."""
    async with hand.context.db.tx() as tx:
        request = await requests.get(tx, claimed.job.payload.request_id, held=False)
        kept = await rooms.find(tx, request.room_id) is not None
    if not kept or request.answer is None or request.answer.verdict is not Verdict.ACCEPT:
        return Overtaken(because("overtaken.taken_back"))
    await inviters.insist(hand.context, request)
    return await _insisting(hand, claimed.job.room_id, lambda: _plant(hand, claimed.job))


async def _plant(hand: Hand, job: Job[Plant]) -> Outcome:
    token, content = job.payload.token, job.payload.content
    stands = await hand.context.outside.third_party(job.room_id, token)
    if stands is None:
        return Done(await hand.homeserver.put_state(job.room_id, THIRD_PARTY_INVITE, spoken(token), content))
    if stands.invite is None:
        return Overtaken(because("overtaken.taken_back_at_once"))
    if stands.invite.inviter != hand.context.bot:
        return Overtaken(because("overtaken.other_invite"))
    return Done(stands.event_id)


async def _insisting(hand: Hand, room_id: str, act: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Do it; and once more where it is refused although nothing is missing: the power came in the same moment."""
    try:
        return await act()
    except Never as error:
        why = await _why_not(hand, room_id, error)
        if why is not error or error.code != "M_FORBIDDEN":
            raise why from error
    return await act()


async def _why_not(hand: Hand, room_id: str, error: Never) -> Never:
    """A clear no: the bot is out, or lacks the power to invite, which this takes, or it is as the server says."""
    if error.code != "M_FORBIDDEN":
        return error
    if not await is_in(hand.context, room_id):
        return Never(because("act.not_joined"), code="KNOCKBOT_NOT_JOINED")
    lacking = may.shortfall(await hand.context.outside.powers(room_id), Deed.INVITE, hand.context.bot)
    return error if lacking is None else Never(lacking.why, code="KNOCKBOT_NO_POWER")


# --- in management rooms --------------------------------------------------------------------------------------


async def post_card(hand: Hand, claimed: Claimed[PostCard]) -> Outcome:
    """Show a request to the moderators, unless it was settled before anybody saw it."""
    shown, label, calls, around, language = await _about(hand, claimed)
    if not shown:
        return Overtaken(because("overtaken.management_moved"))
    sent = await _sent_before(hand, claimed)
    if sent is None and not any(request.open for request in shown):
        return Overtaken(because("overtaken.settled"))
    outlook = await _outlook(hand, shown)
    offers = outlook.possible if answering.takes_clicks(shown) else ()
    if sent is not None:
        return Done(sent, offers=offers)
    if calls and not await _is_to_call(hand, claimed.job.payload.card_id):
        calls = ()
    around = replace(around, missing=outlook.missing)
    key = claimed.job.key
    content = card_message(shown, label, outlook.possible, calls, key, around=around, language=language)
    event_id = await _send(hand, claimed, content)
    there = {request.id: request.event_id for request in shown}
    return Done(event_id, offers=offers, shown=there, digest=digest(content))


async def _is_to_call(hand: Hand, card_id: int) -> bool:
    """Whether a card calls people: those that are posted within a minute call them once."""
    async with hand.context.db.tx() as tx:
        now = hand.context.now()
        return await prompts.calls(tx, card_id, now, now - MINUTE)


async def edit_card(hand: Hand, claimed: Claimed[EditCard]) -> Outcome:
    """Make a card show what is true now; one that shows it already is not edited."""
    shown, label, calls, around, language = await _about(hand, claimed)
    async with hand.context.db.tx() as tx:
        card = await prompts.get(tx, claimed.job.card_id or 0, held=False)
        kept = shown and await rooms.find(tx, shown[-1].room_id) is not None
    if card.event_id is None:
        return Overtaken(because("overtaken.no_card"))
    offers: tuple[Verdict, ...] | None = ()
    key = claimed.job.key
    if not shown:
        new = message(moved_away(), key, language=language)
    elif not kept:
        blocks = {REQUEST_KEY: machine_block(shown[-1])}
        new = message(kept_no_longer(shown), key, language=language, aloud=True, blocks=blocks)
    else:
        outlook = await _outlook(hand, shown)
        offers = _offers_of(shown, outlook)
        around = replace(around, missing=outlook.missing)
        new = card_message(shown, label, outlook.possible, calls, key, around=around, language=language)
    there = {request.id: request.event_id for request in shown}
    if card.digest == digest(new):
        async with hand.context.db.tx() as tx:
            last = await messages.last_of_prompt(tx, card.id)
        return Done(last.event_id if last else None, offers=offers, shown=there, digest=card.digest)
    if card.digest is not None:
        async with hand.context.db.tx() as tx:
            await prompts.shows(tx, card.id, None)  # until it is known what became of this, here or at the next attempt
    content = edit(new, card.event_id, key)
    # An attempt that shows something else than the last must not be taken for a repeat of it.
    event_id = await _send(hand, claimed, content, unique=json.dumps(content))
    return Done(event_id, offers=offers, shown=there, digest=digest(new))


async def _outlook(hand: Hand, shown: Sequence[Request]) -> answering.Outlook:
    """What the bot could do about the newest request of a card that waits, if one does."""
    waiting = [request for request in shown if request.awaits_moderators]
    return await answering.outlook(hand.context, waiting[-1]) if waiting else answering.Outlook(())


def _offers_of(shown: Sequence[Request], outlook: answering.Outlook) -> tuple[Verdict, ...] | None:
    """The answers that a card is to offer now: none once it is settled, and as before while an answer is on its way."""
    if not _takes_clicks(shown):
        return ()
    return outlook.possible if shown[-1].awaits_moderators else None


def _takes_clicks(shown: Sequence[Request]) -> bool:
    return answering.takes_clicks(shown) and shown[-1].open


async def _about(
    hand: Hand, claimed: Claimed[PostCard | EditCard]
) -> tuple[list[Request], str, tuple[str, ...], Around, Language]:
    """What a card is about: its requests, what their room is called, whom it calls, what else it says, in which
    language."""
    async with hand.context.db.tx() as tx:
        shown = await requests.on_card(tx, claimed.job.payload.card_id, held=False)
        if not shown:
            return (
                [],
                "",
                (),
                Around(),
                await saying.language(hand.context, tx, Audience(claimed.job.room_id), moved_away()),
            )
        newest = shown[-1]
        policy = (await rules.in_force(hand.context, tx, newest.room_id)).policy
        around = Around(
            hidden=policy.reasons is Reasons.HIDDEN,
            earlier=await requests.settled_before(tx, newest) if newest.kind is Kind.KNOCK else None,
            inviter_banned=newest.inviter_banned,
        )
        language = spoken_here(policy.language or hand.context.settings.defaults.language)
        return shown, await label_of(tx, newest.room_id), policy.call, around, language


async def react(hand: Hand, claimed: Claimed[React]) -> Outcome:
    """Offer an answer on a card; the homeserver itself keeps a reaction from standing twice."""
    job, offer = claimed.job, claimed.job.payload
    if offer.card_id is not None:
        async with hand.context.db.tx() as tx:
            shown = await requests.on_card(tx, offer.card_id, held=False)
        if not _takes_clicks(shown):
            return Overtaken(because("overtaken.no_clicks"))
    relation = {"rel_type": "m.annotation", "event_id": offer.event_id, "key": offer.emoji}
    content = {"m.relates_to": relation, EFFECT_KEY: job.key}
    try:
        event_id = await _send(hand, claimed, content, "m.reaction")
    except Never as error:
        if error.code == "M_DUPLICATE_ANNOTATION":
            return Done(await _reacted_before(hand, job.room_id, offer))
        raise
    return Done(event_id)


async def _reacted_before(hand: Hand, room_id: str, offer: React) -> str | None:
    """The reaction of an earlier attempt, by which it can be taken away again."""
    try:
        there = await hand.context.outside.reactions(room_id, offer.event_id)
    except Never:
        return None  # the offer stands, and stays
    mine = [one.event_id for one in there if (one.sender, one.key) == (hand.context.bot, offer.emoji)]
    return mine[0] if mine else None


async def unreact(hand: Hand, claimed: Claimed[Unreact]) -> Outcome:
    """Take away an offer; what is redacted already stays so."""
    return await _redact(hand, claimed.job, claimed.job.payload.reaction)


async def redact(hand: Hand, claimed: Claimed[Redact]) -> Outcome:
    """Take away what a card said."""
    return await _redact(hand, claimed.job, claimed.job.payload.event_id)


async def _redact(hand: Hand, job: Job[Any], event_id: str) -> Outcome:
    await hand.homeserver.redact(job.room_id, event_id, transaction_id(job.key))
    return Done()


async def say(hand: Hand, claimed: Claimed[Say]) -> Outcome:
    """Say something in a management room, once."""
    sent = await _sent_before(hand, claimed)
    if sent is not None:
        return Done(sent)
    try:
        line = LINE.decode(hand.context.cipher.unlock(claimed.job.payload.line))
    except Malformed as error:
        raise Never(because("act.unreadable")) from error
    content = message(
        line.notice,
        claimed.job.key,
        language=line.language,
        aloud=line.aloud,
        calls=line.calls,
        reply_to=line.reply_to,
        thread=line.thread,
        blocks={REQUEST_KEY: line.block} if line.block else None,
    )
    return Done(await _send(hand, claimed, content, in_clear=claimed.job.payload.in_clear))


async def _send(
    hand: Hand,
    claimed: Claimed[Any],
    content: Mapping[str, object],
    event_type: str = "m.room.message",
    *,
    unique: str = "",
    in_clear: bool = False,
) -> str:
    """Send it, once for what is `unique` about it, which is the job unless said otherwise; returns the event id."""
    job = claimed.job
    try:
        if event_type == "m.reaction":
            pass  # which no client encrypts
        elif hand.keyring is not None:
            event_type, content = await hand.keyring.sealed(job.room_id, event_type, content)
        elif not in_clear:
            await _not_in_clear(hand, job.room_id)
        return await hand.homeserver.send(job.room_id, event_type, transaction_id(unique or job.key), content)
    except Never as error:
        if error.code != "M_FORBIDDEN":
            raise
        # Kept until the bot is let in or may speak again: what moderators have to see must not be lost.
        raise Never(because("act.may_not_speak", why=error.why), code="KNOCKBOT_NO_POWER") from error


async def _not_in_clear(hand: Hand, room_id: str) -> None:
    """Where encryption is not allowed, nothing is said in encrypted rooms. Raises `Never` there.

    That a room is encrypted comes as an event; what was so before, a look at each room says.
    """
    async with hand.context.db.tx() as tx:
        is_encrypted = await encryption.is_encrypted(tx, room_id)
    if not is_encrypted and room_id not in hand.looked:
        is_encrypted = await encrypted.is_encrypted(hand.context, room_id)
        hand.looked.add(room_id)
    if is_encrypted:
        raise Never(because("act.encrypted"), code=NOT_ALLOWED)


async def _sent_before(hand: Hand, claimed: Claimed[Any]) -> str | None:
    """The event of an earlier attempt that got through although its answer did not: by its echo, then in the room."""
    if not claimed.tried_before:
        return None
    async with hand.context.db.tx() as tx:
        echo = await jobs.echo_of(tx, claimed.id)
    return echo or await _find_in_room(hand, claimed)


async def _find_in_room(hand: Hand, claimed: Claimed[Any]) -> str | None:
    room_id, begin = claimed.job.room_id, claimed.created_at - CLOCKS_APART + hand.homeserver.ahead
    types = ["m.room.message"] if hand.keyring is None else ["m.room.message", SEALED]
    mine = json.dumps({"types": types, "senders": [hand.homeserver.bot]})
    since: str | None = None
    for _ in range(PAGES):
        page, since = await hand.homeserver.messages_back(room_id, since, mine)
        for event in page:
            fields = mapping(event)
            if hand.keyring is not None:
                fields = await hand.keyring.opened({**fields, "room_id": room_id})
            content, event_id, at = fields.get("content"), fields.get("event_id"), fields.get("origin_server_ts")
            if isinstance(content, dict) and content.get(EFFECT_KEY) == claimed.job.key and is_event_id(event_id):
                return event_id
            if isinstance(at, int) and at < begin:
                return None
        if since is None:
            return None
    return None


# --- coming and going -----------------------------------------------------------------------------------------


ASKED_IN = 6
"""Times to ask to be let in by an invite: with the pauses between them, about a minute."""


async def enter(hand: Hand, claimed: Claimed[Join]) -> Outcome:
    """Take an invite; joining twice is joining once, and an invite that was taken back leaves nothing to do.

    An invite from another server may be here a moment before that server knows of it itself, and it then says that
    we are not invited (docs/decisions/0019): no is no only after a while.
    """
    try:
        await hand.homeserver.join(claimed.job.room_id)
    except Never as error:
        if error.code == "M_FORBIDDEN" and claimed.attempts < ASKED_IN:
            raise Later(error.why, code=error.code) from error
        log.warning("the invite into %s cannot be taken: %s", claimed.job.room_id, in_words(error.why))
        return Overtaken(error.why)
    return Done()


async def leave(hand: Hand, claimed: Claimed[Leave]) -> Outcome:
    """Leave a room, or decline an invite."""
    await hand.homeserver.leave(claimed.job.room_id)
    return Done()


async def meet(hand: Hand, claimed: Claimed[Meet]) -> Outcome:
    """Make an unencrypted, private room with full power for one person, and invite them there, once."""
    key, user_id = claimed.job.key, claimed.job.payload.user_id
    made = await _made_before(hand, key) if claimed.tried_before else None
    if made is not None:
        return Done(room_id=made)
    content = {
        "name": "Knockbot",
        "topic": "For moderators, and the bot that protects their rooms",
        "preset": "trusted_private_chat",  # which gives those invited the power of the creator
        "invite": [user_id],
        "creation_content": {EFFECT_KEY: key},
    }
    return Done(room_id=await hand.homeserver.create_room(content))


async def _made_before(hand: Hand, key: str) -> str | None:
    """The room that an earlier attempt made although its answer did not get through."""
    for room_id in await hand.homeserver.joined_rooms():
        try:
            create = await hand.homeserver.state(room_id, "m.room.create") or {}
        except Never:
            continue
        content = create.get("content")
        # Anybody can write a key into a room of their own.
        if create.get("sender") == hand.homeserver.bot and isinstance(content, dict) and content.get(EFFECT_KEY) == key:
            return room_id
    return None


ACTIONS: dict[Act, Callable[[Hand, Claimed[Any]], Awaitable[Outcome]]] = {
    Act.INVITE: change_membership,
    Act.KICK: change_membership,
    Act.BAN: change_membership,
    Act.WRITE: write,
    Act.REVOKE: revoke,
    Act.ISSUE: issue,
    Act.PLANT: plant,
    Act.POST_CARD: post_card,
    Act.EDIT_CARD: edit_card,
    Act.REACT: react,
    Act.UNREACT: unreact,
    Act.REDACT: redact,
    Act.SAY: say,
    Act.JOIN: enter,
    Act.LEAVE: leave,
    Act.MEET: meet,
}


def actions(hand: Hand) -> dict[Act, Action]:
    """The table above, ready for the worker."""
    return {act: partial(action, hand) for act, action in ACTIONS.items()}
