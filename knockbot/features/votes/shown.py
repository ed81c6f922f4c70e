"""How the votes on a request stand, as cards, lists and `show` tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from knockbot.documents.text import REASON_LIMIT
from knockbot.domain.card import EMOJI
from knockbot.domain.model import Request
from knockbot.domain.notices import Choice, Moment, Notice, Number, Numbered, Sign, Stranger, User, listed, notice
from knockbot.domain.remarks import Extent
from knockbot.domain.votes import VERDICTS, Lapse, Tally, Vote, VoteRule, tally
from knockbot.flow import answering, place
from knockbot.flow import remarks as shared
from knockbot.flow.context import Context
from knockbot.store import votes
from knockbot.store.db import Tx


async def remarks(context: Context, tx: Tx, about: Sequence[Request], extent: Extent) -> Mapping[int, Sequence[Notice]]:
    """How many of the needed votes there are, and on a card of one request whose; all votes where all is shown."""
    places = await place.of_rooms(context, tx, {one.room_id for one in about})
    rules = {room_id: there.settings.votes for room_id, there in places.items()}
    given = await votes.on(tx, about)
    several = {room_id for room_id, rule in rules.items() if rule.several}
    concerned = [one for one in about if extent is Extent.WHOLE or one.room_id in several or one.id in given]
    if not concerned:
        return {}
    found: dict[int, Sequence[Notice]] = {}
    for one in concerned:
        found[one.id] = _standing(one, given.get(one.id, []), rules.get(one.room_id, VoteRule()), extent)
    if extent is Extent.WHOLE:
        zones = await shared.zones(context, tx, concerned)
        found = {one.id: [*found[one.id], *_all(one, given.get(one.id, []), zones)] for one in concerned}
    return {request_id: lines for request_id, lines in found.items() if lines}


def _all(request: Request, given: Sequence[Vote], zones: Mapping[str, str]) -> list[Notice]:
    """Each vote that was given in the management room of a request."""
    return [_given(one, zones[request.room_id]) for one in given if one.management_room == request.management_room]


def _standing(request: Request, given: Sequence[Vote], rule: VoteRule, extent: Extent) -> list[Notice]:
    """How the votes stand for each answer that can still be given."""
    voted_for = {vote.verdict for vote in given}  # also where the policy takes no votes for that any more
    asked = [verdict for verdict in VERDICTS if verdict in rule.several or verdict in voted_for]
    asked = [one for one in asked if request.awaits_moderators or answering.overrides(one, request)]
    tallies = [tally(given, request, verdict, rule) for verdict in asked]
    voted = [one for one in tallies if one.counted or one.lapsed]
    if extent is Extent.ROW:
        return [notice("vote.in_short", tallies=listed(_short(one) for one in voted))] if voted else []
    takes = [notice("vote.takes", tallies=listed(_short(one) for one in tallies))] if tallies and not voted else []
    return [*takes, *(line for one in voted for line in _lines(one))]


def _short(one: Tally) -> Notice:
    return notice(
        "vote.short", sign=Sign(EMOJI[one.verdict]), votes=Number(len(one.counted)), needed=Number(one.needed)
    )


def _lines(one: Tally) -> list[Notice]:
    whom = listed(_voter(vote) for vote in one.counted)
    line = notice("vote.tally", so_far=_short(one), whom=whom) if one.counted else _short(one)
    return [line, *_text(one), *_lapsed(one)]


def _text(one: Tally) -> list[Notice]:
    """What the applicant gets if the last vote has no text: whoever gives that vote has to see it."""
    if one.text is None:
        return []
    return [notice("vote.text", sign=Sign(EMOJI[one.verdict]), text=Stranger(one.text, REASON_LIMIT))]


def _lapsed(one: Tally) -> list[Notice]:
    """The votes that do not count, by the reason."""
    found = {why: [vote for vote in one.lapsed if vote.lapse is why] for why in Lapse}
    sign = Sign(EMOJI[one.verdict])
    return [
        notice("vote.lapsed", lapse=Choice(why), sign=sign, whom=listed(_voter(vote) for vote in lapsed))
        for why, lapsed in found.items()
        if lapsed
    ]


def _voter(vote: Vote) -> User | Notice:
    """Who voted, and on which earlier request, if it was on one."""
    if vote.from_number is None:
        return User(vote.voter)
    return notice("vote.from", user=User(vote.voter), request=Numbered(vote.from_number))


def _given(vote: Vote, zone: str) -> Notice:
    sign, moment = Sign(EMOJI[vote.verdict]), Moment(vote.given_at, zone)
    return notice("vote.given", sign=sign, by=_voter(vote), moment=moment)
