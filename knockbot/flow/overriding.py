"""Overriding: a rule has answered a request, and then a fact has changed by which it was judged.

What is not carried out yet is withdrawn. So is an invite that was not taken yet, and a third-party invite that nobody
has used. Who joined stays: to remove members is for moderators. So are the answers that moderators gave themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from knockbot.domain.card import origin_of, ruling
from knockbot.domain.card.outcomes import would_decide
from knockbot.domain.card.words import sentences
from knockbot.domain.judgements import Judgement
from knockbot.domain.listed import misses_by_entry, names_them
from knockbot.domain.may import ANSWERS, shortfall
from knockbot.domain.model import Answer, Kind, Membership, Request, State, Untaken, Verdict
from knockbot.domain.notices import Numbered, User, because, notice
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn
from knockbot.errors import Never
from knockbot.flow import authority, place, saying, settling
from knockbot.flow.context import Context
from knockbot.flow.records import record
from knockbot.flow.saying import Audience
from knockbot.store import requests

NOT_TAKEN: Final = frozenset({State.ACCEPTED, State.STANDING, State.REDEEMED})
"""The outcomes of an accept that can still be taken back, as far as the records say."""


def may_override(request: Request) -> bool:
    """Whether a rule has answered this request, and its answer can still be taken back, as far as the records say."""
    answer = request.answer
    if answer is None or answer.rule is None:
        return False
    return request.open or (request.state in NOT_TAKEN and answer.verdict is Verdict.ACCEPT)


NO_INVITE: Final = ""
"""Nobody is invited as far as this request goes, so that there is no invite to withdraw."""


async def invite_to_withdraw(context: Context, request: Request) -> str | None:
    """The event by which the bot invited somebody who has not joined yet, or `NO_INVITE`; `None` if it is too late.

    It is too late where somebody has joined or declined, and where a moderator has invited them too. An invite may be
    there although the answer is not carried out as far as the records say: the bot may have been killed just then.
    """
    if request.state is State.STANDING or not _may_be_invited(request):
        return NO_INVITE
    try:
        member = await context.outside.member(request.room_id, request.user_id)
    except Never:
        return None  # the bot cannot look, and cannot act either
    invited = member is not None and member.membership is Membership.INVITE
    if request.redeemed:
        return NO_INVITE if invited else None  # the invite is its inviter's
    if member is not None and invited and member.sender == context.bot:
        return member.event_id
    return NO_INVITE if request.open else None


def _may_be_invited(request: Request) -> bool:
    accepted = request.answer is not None and request.answer.verdict is Verdict.ACCEPT
    return not request.open or (accepted and not request.redeemed and bool(request.user_id))


async def can_only_kick(context: Context, request: Request, judged: Judgement) -> bool:
    """Whether the bot has the power to withdraw the invite of somebody whom the policy bans, and not to ban them."""
    if judged.decision.verdict is not Verdict.BAN or request.judged_as is Kind.THIRD_PARTY_INVITE:
        return False
    powers = await context.outside.powers(request.room_id)
    lacks = {one: shortfall(powers, ANSWERS[request.judged_as][one], context.bot, request.user_id) for one in _TAKING}
    return lacks[Verdict.BAN] is not None and lacks[Verdict.REJECT] is None


_TAKING: Final = (Verdict.REJECT, Verdict.BAN)


async def out_of_reach(context: Context, room_id: str, users: Sequence[str]) -> list[str]:
    """Those of these invited users whose invite the bot has no power to withdraw now. May raise `Later` and `Never`."""
    if not users:
        return []
    powers = await context.outside.powers(room_id)
    return [user for user in users if shortfall(powers, ANSWERS[Kind.KNOCK][Verdict.REJECT], context.bot, user)]


async def override(
    context: Context, turn: Turn, request: Request, judged: Judgement, *, invite: str, kicks: bool = False
) -> None:
    """Withdraw the answer of a rule, and do what the policy says now instead; `invite` is what has to be withdrawn, and
    `kicks` whether nothing but that is possible.

    A policy in dry run leaves an invite as it is, because it does nothing by itself; the moderators are told of it.
    """
    if request.state is State.ACCEPTED and await place.is_in_dry_run(context, turn.tx, request.room_id):
        await _tell_of_dry_run(context, turn, request, judged)
        return
    await settling.withdraw_answer(turn, request, because("overtaken.facts_changed"))
    if not request.open:
        await requests.reopened(turn.tx, request.id, turn.now)
        await record(turn, request, context.bot, Recorded.OVERRIDDEN)
    if invite and request.answer is not None:
        was = Untaken(invite, request.answer.rule or "", origin_of(ruling(request)))
        await requests.still_invited(turn.tx, request.id, was)
    now = await requests.get(turn.tx, request.id)
    withdraws = bool(invite) or _stands_for_who_is_banned(request, judged) or _may_join(request, judged)
    word = _withdrawing(context, turn, now, judged, request.answer, kicks=kicks) if withdraws else None
    await settling.apply_decision(context, turn, now, judged, word=word)


async def may_withdraw(context: Context, request: Request, before: Judgement | None, judged: Judgement) -> bool:
    """Whether an invite that nobody had the power to withdraw can be withdrawn now: the policy by which the request
    waits still says so, or a list that names its user, and its author has the power. May raise `Later` and `Never`."""
    decision = judged.decision
    by_entry = decision.found is not None or misses_by_entry(decision) is not None
    if not request.invited or decision.verdict is Verdict.ACCEPT or decision.doubt is not None or not by_entry:
        return False
    if before is None or (before.policies != judged.policies and not names_them(decision)):
        return False
    deed = ANSWERS[request.judged_as][Verdict.BAN if decision.verdict is Verdict.BAN else Verdict.REJECT]
    author = decision.author or context.bot
    why = await authority.lacking(context, author, deed, room_id=request.room_id, target=request.user_id)
    return why is None


async def withdraw(context: Context, turn: Turn, request: Request, judged: Judgement, *, kicks: bool) -> None:
    """Withdraw an invite at last (`may_withdraw`)."""
    word = _withdrawing(context, turn, request, judged, None, kicks=kicks)
    await settling.apply_decision(context, turn, request, judged, word=word)


async def _tell_of_dry_run(context: Context, turn: Turn, request: Request, judged: Judgement) -> None:
    """Say once, for each rule, that an invite would be withdrawn."""
    decision = judged.decision
    said = notice(
        "policy.would_withdraw",
        request=Numbered(request.number),
        user=User(request.user_id),
        room=await place.called(context, turn, request.room_id),
        by=would_decide(replace(request, decision=decision)),
    )
    entry = notice("card.found", why=decision.found) if decision.found is not None else None
    audience = Audience(request.management_room, about=request)
    occasion = f"would withdraw:{request.id}:{request.event_id}:{decision.rule}"
    await saying.say(context, turn, audience, occasion, sentences([said, entry]))


def _stands_for_who_is_banned(request: Request, judged: Judgement) -> bool:
    """Whether a third-party invite stands, and the policy would ban its inviter now, perhaps without the power for
    that: then it is revoked, and nobody is banned for an invite that a rule has accepted."""
    decision = judged.decision
    lacking = decision.doubt is not None and authority.is_lacking(decision.doubt)
    return request.state is State.STANDING and Verdict.BAN in (decision.verdict, decision.held if lacking else None)


def _may_join(request: Request, judged: Judgement) -> bool:
    """Whether somebody used a third-party invite and was let in by that, and only a list speaks against it now."""
    decision = judged.decision
    spared = decision.doubt is not None and not authority.is_lacking(decision.doubt)
    return request.state is State.REDEEMED and decision.verdict is not Verdict.ACCEPT and not spared


def _withdrawing(
    context: Context, turn: Turn, request: Request, judged: Judgement, before: Answer | None, *, kicks: bool = False
) -> Answer:
    """The answer that takes an invite back. To ask the moderators while somebody is invited would leave it to them, so
    they are told to ask again. So is somebody whom the bot may not ban, and only kick.

    Where the author of what decides now lacks the power, the answer is taken back with the power by which it was given.
    """
    decision = judged.decision
    author = before.author if before is not None and decision.doubt is not None else decision.author
    forwarded = decision.verdict is Verdict.FORWARD or kicks
    told = because("told.invite_withdrawn") if forwarded else decision.told
    spares = forwarded or request.judged_as is Kind.THIRD_PARTY_INVITE
    word = Answer(
        Verdict.REJECT if spares else decision.verdict,
        context.bot,
        turn.now,
        request.event_id,
        rule=decision.rule,
        reason=decision.reason,
        cause=f"{judged.because} {judged.cause}",
        author=author,
        instead=True,
    )
    return replace(word, told=told)
