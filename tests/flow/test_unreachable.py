"""Applicants who cannot be told anything: each is decided about at once, tried so often, and then left in peace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import pytest

from knockbot.domain.conversations import Stage, Unsaid
from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.domain.records import Recorded
from knockbot.errors import Later, Never
from knockbot.matrix.acts import Acts
from knockbot.matrix.homeserver import Homeserver
from knockbot.store import conversations, records
from tests.flow.house import GARDEN, House, housed
from tests.flow.test_conversations import spent, stage, talks, told
from tests.flow.test_letters import command, knocked
from tests.flow.world import ALICE, BOT, FAR

LETTERS = "letters: {received: true, accepted: true, rejected: true}\n"
HOUR = 3600
A_DAY = 24 * HOUR

Plays = Callable[[House], None]


def behaves(_: House) -> None:
    """As everybody does."""


class Shy(Acts):
    """The homeserver where nobody can be invited to a conversation, though to other rooms."""

    def __init__(self, house: House, error: Exception, takes: float) -> None:
        super().__init__(cast("Homeserver", house.homeserver))
        invites = self.invite

        async def invite(room_id: str, user_id: str, reason: str | None) -> None:
            if room_id == GARDEN:
                await invites(room_id, user_id, reason)
                return
            house.world.calls.append(("asked", room_id, user_id))
            house.clock.go_on(takes)
            raise error

        self.invite = invite


def shy(error: Exception, *, takes: float = 0) -> Plays:
    """The invite to the conversation ends so, after so many seconds."""
    return lambda house: house.furnish(acts=Shy(house, error, takes))


def never(code: str) -> Exception:
    return Never(foreign(f"the homeserver says: {code}"), code=code)


def no_room(house: House) -> None:
    """The homeserver makes no rooms for the bot."""
    house.world.play("create_room", never("M_FORBIDDEN"), times=1000)


def leave(house: House) -> None:
    """They decline the invite, or leave; what a client calls to delete a conversation is that, too."""
    house.world.change(talks(house)[-1], FAR, FAR, "leave")


def come_and_leave(house: House) -> None:
    house.world.change(talks(house)[-1], FAR, FAR, "join")
    leave(house)


def be_kicked(house: House) -> None:
    """An admin of the server removes the applicant."""
    house.world.change(talks(house)[-1], ALICE, FAR, "ban")


def close(house: House) -> None:
    """An admin of the server deletes the room."""
    house.world.change(talks(house)[-1], ALICE, BOT, "leave")


@dataclass(frozen=True)
class Case:
    """Somebody who cannot be reached, and how that ends a day later."""

    who: str
    before: Plays = behaves
    after: Plays = behaves
    stage: Stage = Stage.UNREACHABLE
    not_told: Unsaid | None = None
    """Why letters were not said; none if all were."""
    dropped: int = 0
    """How many letters were not said, of two."""
    tries: int = 1
    """How often they were invited to a conversation."""
    peace: float = 7
    """Days for which nobody tries again."""
    rooms: int = 1
    """How many rooms were made for them."""


UNWELL = Later(foreign("502"), code="M_UNKNOWN")
SILENT = Later(foreign("no answer within 90 seconds"))
OLD = "M_INCOMPATIBLE_ROOM_VERSION"

CASES = (
    Case("refuses invites (`M_INVITE_BLOCKED`)", shy(never("M_INVITE_BLOCKED")), not_told=Unsaid.REFUSED, dropped=2),
    Case("denied by either server (`M_FORBIDDEN`)", shy(never("M_FORBIDDEN")), not_told=Unsaid.REFUSED, dropped=2),
    Case(f"server too old (`{OLD}`)", shy(never(OLD)), not_told=Unsaid.REFUSED, dropped=2),
    Case("declines the invite", after=leave, not_told=Unsaid.DECLINED, dropped=1),
    Case("joins, then leaves or deletes the room", after=come_and_leave, not_told=Unsaid.DECLINED, dropped=1),
    Case("removed from the room by an admin", after=be_kicked, not_told=Unsaid.DECLINED, dropped=1),
    Case("ignores the bot, or the invite", stage=Stage.INVITED, peace=0),
    Case("server dead (502)", shy(UNWELL), not_told=Unsaid.SILENT, dropped=2, tries=7, peace=1),
    Case("server a black hole (90 s)", shy(SILENT, takes=90), not_told=Unsaid.SILENT, dropped=2, tries=7, peace=1),
    Case("the bot may make no rooms", no_room, not_told=Unsaid.NOT_MADE, dropped=2, tries=0, peace=1, rooms=0),
    Case("the room is deleted by an admin", after=close, stage=Stage.INVITED, tries=2, peace=0, rooms=2),
)


def tries(house: House) -> int:
    """How often they were invited to a conversation."""
    return len([call for call in house.world.asked("invite", "asked") if call[1] != GARDEN])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.who)
async def test_who_cannot_be_reached_is_decided_about_all_the_same(house: House, case: Case) -> None:
    await knocked_and_accepted(house, case)
    assert ((await house.request(FAR)).state, house.membership(FAR)) == (State.ACCEPTED, "invite")

    for _ in range(26):
        await house.later(HOUR)
    assert (await stage(house), len(talks(house)), tries(house)) == (case.stage, case.rooms, case.tries)
    assert (await reasons(house), await dropped(house)) == ([case.not_told] * case.dropped, case.dropped)
    assert await house.jobs("due", "running", "blocked") == {}
    over = talks(house) if case.stage is Stage.UNREACHABLE else talks(house)[:-1]
    assert {house.membership(BOT, room) for room in over} <= {"leave"}
    assert {room for _, room in house.world.asked("forget")} == set(over)


async def knocked_and_accepted(house: House, case: Case) -> None:
    await house.set_policy(LETTERS)
    case.before(house)
    await knocked(house, FAR)
    case.after(house)
    await house.live()
    await command(house, "accept 1")


async def reasons(house: House) -> list[str]:
    """Why letters were not said, as the log of their requests has it."""
    found = await house.requests(FAR)
    async with house.db.tx() as tx:
        entries = [entry for request in found for entry in await records.of_request(tx, request.id)]
    return [entry.detail["unsaid"] for entry in entries if entry.kind is Recorded.NOT_TOLD]


async def dropped(house: House) -> int:
    """How many messages to applicants were not said, on all days together."""
    async with house.db.tx() as tx:
        return int(await tx.fetchval("SELECT sum(unsaid) FROM conversation_days"))


async def until_tried_again(house: House, days: float) -> float:
    """Seconds until they may be invited again."""
    async with house.db.tx() as tx:
        over = await conversations.last(tx, FAR)
    assert over is not None
    return over.last_at / 1000 + days * A_DAY - house.clock() / 1000


@pytest.mark.parametrize("case", [case for case in CASES if case.peace], ids=lambda case: case.who)
async def test_they_are_left_in_peace_for_so_long_and_tried_again_after_that(house: House, case: Case) -> None:
    await knocked_and_accepted(house, case)
    while await stage(house) is not Stage.UNREACHABLE:
        await house.later(HOUR)
    before = (len(talks(house)), tries(house))
    house.furnish(acts=Acts(cast("Homeserver", house.homeserver)))
    house.world.behave()

    await house.later(await until_tried_again(house, case.peace) - 60)
    await told(house, "within")
    assert (len(talks(house)), tries(house)) == before
    await house.later(120)
    await told(house, "after")
    assert (await stage(house), len(house.said(talks(house)[-1]))) == (Stage.INVITED, 1)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.who)
async def test_moderators_find_it_in_the_log_and_are_not_called(house: House, case: Case) -> None:
    await knocked_and_accepted(house, case)
    for _ in range(26):
        await house.later(HOUR)
    shown = "\n".join([*house.spoken(), *(card.text for card in house.cards())])
    assert not [word for word in ("M_", "conversation", "told", "502") if word in shown]

    await command(house, "log 1")
    assert house.spoken()[-1].count("not told") == case.dropped


async def test_where_the_day_has_no_more_conversations_it_is_decided_without(ready_url: str) -> None:
    async with housed(ready_url, notices={"per_day": 1}) as house:
        await told(house, "one", user_id="@other:elsewhere.example")
        await knocked_and_accepted(house, Case("too many today"))
        assert ((await house.request(FAR)).state, len(talks(house))) == (State.ACCEPTED, 1)
        assert await reasons(house) == [Unsaid.TOO_MANY] * 2
        assert (await spent(house)).unsaid == 2


async def test_a_knock_again_and_again_by_somebody_who_refuses_makes_no_more_rooms(house: House) -> None:
    await house.set_policy(f"{LETTERS}otherwise: reject")
    shy(never("M_INVITE_BLOCKED"))(house)
    for number in range(20):
        await knocked(house, FAR, f"please {number}")
    assert (len(talks(house)), tries(house)) == (1, 1)
    assert set(await reasons(house)) == {Unsaid.REFUSED}


# --- asked questions ----------------------------------------------------------------------------------------------

ASKS = """
questions: [{ask: How did you hear of us?}]
asking: {within: 24h, unanswered: reject, unreachable: forward}
rules: [{when: {answered: true}, then: accept}, {then: ask}]
"""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.who)
async def test_who_is_asked_falls_to_what_the_policy_says_of_the_unreachable_once(house: House, case: Case) -> None:
    await house.set_policy(ASKS)
    case.before(house)
    await knocked(house, FAR)
    case.after(house)
    await passed(house, 0)
    hours = 0
    while await judged(house) == 1 and hours < 25:
        hours += 1
        await passed(house)
    ignores = case.stage is Stage.INVITED and case.rooms == 1
    assert hours == (24 if ignores or case.not_told is Unsaid.SILENT else 0)
    for _ in range(26):
        await passed(house)
    assert await judged(house) == 2
    assert (await house.request(FAR)).state is (State.REJECTED if ignores else State.PENDING)
    assert len(house.cards()) == (0 if ignores else 1)


async def judged(house: House) -> int:
    """How often the policy said something else than before."""
    kinds = [kind for _, kind in await house.history(await house.request(FAR))]
    return sum(kind.startswith("judged") for kind in kinds)


async def passed(house: House, hours: float = 1) -> None:
    """Time passes, and what is due is done."""
    await house.later(hours * HOUR)
    await house.ring()
    await house.live()
