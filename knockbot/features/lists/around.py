"""Who is at a protected room, of whom a policy list may say something: who waits, who is invited, who is in there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from knockbot.domain.listed import name_of_list, names_them
from knockbot.domain.model import Request, State
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import also_invites, judgements, requests

MOST: Final = 10_000
"""Judgements of a room that are looked through."""


@dataclass(frozen=True, slots=True)
class Around:
    """People at a room; each is in the first group that fits."""

    decided: Sequence[str]
    """Of whom the list has decided since it was named."""
    waiting: Mapping[str, Request]
    """Who waits for an answer; for a third-party invite, its inviter."""
    invited: Sequence[str]
    """Who was accepted and has not joined."""
    joined: Sequence[str]

    @property
    def everybody(self) -> list[str]:
        """All of them, those first about whom something is decided."""
        return [*self.decided, *self.waiting, *self.invited, *self.joined]


async def of_room(context: Context, there: Place, name: str, since: int) -> Around:
    """Who is at a room now that uses a list of this name. May raise `Later` and `Never`."""
    room_id = there.room_id
    async with context.db.tx() as tx:
        waits = [await requests.find(tx, one) for one in await requests.awaiting(tx, room_id)]
        accepted = [one for one in await requests.not_over(tx, room_id) if one.state is State.ACCEPTED]
        sent = await also_invites.sent_to(tx, room_id)
        judged = await requests.several(tx, await judgements.judged_since(tx, room_id, since, MOST))
    joined = await context.outside.joined(room_id)
    waiting = {one.user_id or one.subject: one for one in waits if one is not None}
    found = [one for _, one in sorted(judged.items()) if not one.awaits_moderators and has_decided(one, name)]
    decided = dict.fromkeys(one.user_id or one.subject for one in found)
    invited = dict.fromkeys([*(one.user_id for one in accepted), *(one.user_id for one in sent)])
    return Around(
        [user for user in decided if user not in waiting],
        waiting,
        [user for user in invited if user not in {*decided, *waiting}],
        [user for user in joined if user not in {*decided, *waiting, *invited, context.bot}],
    )


def has_decided(request: Request, name: str) -> bool:
    """Whether a list has decided about somebody, since it names them."""
    decision = request.decision
    return decision is not None and name_of_list(decision.rule) == name and names_them(decision)
