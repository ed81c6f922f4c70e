"""A moderator's wish is a vote where the policy of the room has an answer take several; with enough of them, whoever
gave the last one answers.

Who voted before may have lost the power since, or left. So before a vote is written, all voters are looked at; if that
was not a moment ago, the vote is looked at once more. The row of the request is held while votes are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from knockbot.domain.card import EMOJI
from knockbot.domain.may import ANSWERS
from knockbot.domain.model import Request, Wish
from knockbot.domain.notices import Notice, Number, Numbered, Sign, because, notice
from knockbot.domain.records import Recorded
from knockbot.domain.votes import Lapse, Tally, Vote, VoteRule, is_about, of_verdict, tally, with_vote
from knockbot.engine.turn import Turn
from knockbot.errors import Later
from knockbot.flow import authority, place, remarks, tables
from knockbot.flow.context import Context
from knockbot.flow.records import record
from knockbot.store import requests, votes
from knockbot.store.db import Tx

SOON = 0.25
"""Seconds after which a vote is looked at again, because somebody else has voted meanwhile."""


async def rule_at(context: Context, tx: Tx, room_id: str) -> VoteRule:
    """How many votes each answer takes at a room."""
    there = await place.find(context, tx, room_id)
    return there.settings.votes if there is not None else VoteRule()


# --- given --------------------------------------------------------------------------------------------------------


async def weigh(context: Context, wish: Wish, request: Request) -> None:
    """Look at all who have voted for the same, and at whoever wants to. May raise `Later` and `Never`."""
    async with context.db.tx() as tx:
        if (await rule_at(context, tx, request.room_id)).needed(wish.verdict) == 1:
            return
        given = (await votes.on(tx, [request])).get(request.id, [])
    voters = {vote.voter for vote in of_verdict(given, request, wish.verdict)}
    await look_at(context, request, sorted({*voters, wish.actor}))


async def look_at(context: Context, request: Request, voters: Iterable[str]) -> None:
    """Look at the memberships and powers of voters now: what is seen is remembered for a moment."""
    for room_id in (request.room_id, request.management_room):
        await authority.look_at(context, room_id, voters)


async def weighed(context: Context, turn: Turn, wish: Wish, request: Request) -> Wish | Notice:
    """Keep a vote. Returns the wish as the answer that it completes, or what is still missing. Raises `Later` where
    somebody has to be looked at again."""
    rule = await rule_at(context, turn.tx, request.room_id)
    given = (await votes.on(turn.tx, [request])).get(request.id, [])
    if rule.needed(wish.verdict) == 1:
        return replace(wish, reason=wish.reason or tally(given, request, wish.verdict, rule).text)
    mine = _vote(turn, wish, request, given)
    all_votes = with_vote(given, mine)
    seen = seen_of(context, request, of_verdict(all_votes, request, wish.verdict))
    found = tally(all_votes, request, wish.verdict, rule, seen)
    if not any(vote.cause == wish.cause for vote in given):
        await record(turn, request, wish.actor, Recorded.VOTED, verdict=wish.verdict, reason=wish.reason)
    await votes.put(turn.tx, mine)
    await votes.saw(turn.tx, request.id, seen)
    await _changed(context, turn, request)
    if not found.is_reached or mine not in found.counted:
        number, sign, count, needed = _stands(request, found)
        return notice("vote.counted", request=number, sign=sign, votes=count, needed=needed)
    whom = [vote.voter for vote in found.counted]
    await record(turn, request, wish.actor, Recorded.VOTED_FOR, verdict=wish.verdict, whom=whom, people=len(whom))
    return replace(wish, reason=wish.reason or found.text)


async def note(context: Context, request: Request, turn: Turn) -> None:
    """Note whose votes count, by what was seen a moment ago. Raises `Later` where that is not known."""
    now = await requests.get(turn.tx, request.id)
    given = (await votes.on(turn.tx, [now])).get(now.id, [])
    await votes.saw(turn.tx, now.id, seen_of(context, now, [vote for vote in given if is_about(vote, now)]))
    await remarks.changed(turn, now.id)


def _vote(turn: Turn, wish: Wish, request: Request, given: Iterable[Vote]) -> Vote:
    """The vote that a wish is; one that is only counted anew keeps its place."""
    given_at = next((vote.given_at for vote in given if vote.cause == wish.cause), turn.now)
    return Vote(
        request.id,
        request.management_room,
        wish.actor,
        wish.verdict,
        wish.cause,
        given_at,
        request.event_id,
        request.subject,
        wish.by_click,
        wish.reason,
    )


def seen_of(context: Context, request: Request, given: Sequence[Vote]) -> dict[str, Lapse | None]:
    """Why the vote of each of these does not count, by what was seen a moment ago. Raises `Later` where that is not
    known."""
    deed, found = ANSWERS[request.judged_as], {}
    for vote in given:
        at_door = context.standings.a_moment_ago(request.room_id, vote.voter, context.now())
        at_table = context.standings.a_moment_ago(request.management_room, vote.voter, context.now())
        if at_door is None or at_table is None:
            raise Later(because("facts.changed"), retry_after=SOON, unreachable=True)
        lacks = authority.lacks_power(at_door, vote.voter, deed[vote.verdict], request.subject)
        power = Lapse.POWER if lacks else None
        away = None if at_table.joined else Lapse.AWAY
        found[vote.voter] = (power or away) if at_door.joined else Lapse.LEFT
    return found


def _stands(request: Request, found: Tally) -> tuple[Numbered, Sign, Number, Number]:
    """How many votes there are for an answer, of those that it takes."""
    count, needed = Number(len(found.counted)), Number(found.needed)
    return Numbered(request.number), Sign(EMOJI[found.verdict]), count, needed


# --- taken back ---------------------------------------------------------------------------------------------------


async def clicks(tx: Tx, about: Sequence[Request]) -> frozenset[str]:
    """The clicks that are votes on these requests."""
    given = await votes.on(tx, [request for request in about if request.open])
    return frozenset(vote.cause for found in given.values() for vote in found if vote.by_click)


async def clicked_for(tx: Tx, room_id: str, click: str) -> list[int]:
    """The open requests on which a click in a management room is a vote."""
    return await votes.by_click(tx, room_id, click)


async def unclicked(context: Context, turn: Turn, request: Request, click: str, by: str) -> bool:
    """A click was removed, and its vote with it. Returns whether the answer of the request has too few votes now."""
    before = (await votes.on(turn.tx, [request])).get(request.id, [])
    gone = await votes.take_back(turn.tx, request.id, click)
    if gone is None:
        return False
    await _put_back_on_record(context, turn, request, gone, by)
    answer = request.answer
    if answer is None or answer.verdict is not gone.verdict or not is_about(gone, request):
        return False
    if not any(vote.cause == answer.cause for vote in before):
        return False  # nobody voted for this answer: an undo, or a policy that took one vote
    rule = await rule_at(context, turn.tx, request.room_id)
    left = [vote for vote in before if vote.cause != click]
    return not tally(left, request, gone.verdict, rule).is_reached


async def taken_back(context: Context, turn: Turn, request: Request, voter: str, cause: str | None) -> Notice | None:
    """Take back somebody's vote on a request that waits for its answer; `cause`: only if this gave it."""
    given = (await votes.on(turn.tx, [request])).get(request.id, [])
    theirs = [vote for vote in given if vote.voter == voter and is_about(vote, request)]
    gone = next((vote for vote in theirs if cause in (None, vote.cause)), None)
    if gone is None:
        return None
    await votes.remove_of(turn.tx, request.id, voter)
    await _put_back_on_record(context, turn, request, gone, voter)
    rule = await rule_at(context, turn.tx, request.room_id)
    left = tally([vote for vote in given if vote is not gone], request, gone.verdict, rule)
    number, sign, count, needed = _stands(request, left)
    return notice("vote.taken_back", request=number, sign=sign, votes=count, needed=needed)


async def _put_back_on_record(context: Context, turn: Turn, request: Request, gone: Vote, by: str) -> None:
    await record(turn, request, by, Recorded.VOTE_TAKEN_BACK, verdict=gone.verdict, whom=[gone.voter], people=1)
    await _changed(context, turn, request)


async def _changed(context: Context, turn: Turn, request: Request) -> None:
    """Other votes stand on a request now."""
    await remarks.changed(turn, request.id)
    await tables.voted(context, turn, request)


async def unsupported(context: Context, request: Request) -> str | None:
    """Who removed a click without whose vote there are too few for the answer of a request. May raise `Later` and
    `Never`."""
    answer = request.answer
    async with context.db.tx() as tx:
        given = (await votes.on(tx, [request])).get(request.id, [])
        rule = await rule_at(context, tx, request.room_id)
    if answer is None or not any(vote.cause == answer.cause for vote in given):
        return None
    gone, by = set(), None
    for vote in of_verdict(given, request, answer.verdict):
        removed = await context.outside.redaction(request.management_room, vote.cause) if vote.by_click else None
        if removed is not None:
            gone.add(vote.cause)
            by = removed.sender or context.bot
    left = [vote for vote in given if vote.cause not in gone]
    return None if tally(left, request, answer.verdict, rule).is_reached else by


async def reopened(context: Context, turn: Turn, request: Request) -> None:
    """Somebody has undone the answer of a request: the votes that led to it are gone with it."""
    if request.answer is not None:
        await votes.remove(turn.tx, request.id, request.answer.verdict)
        await _changed(context, turn, request)
