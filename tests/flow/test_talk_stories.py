"""Conversations by chance: letters, messages, comings and goings, time and deaths in any order, against an oracle that
counts slowly, by the sentences of docs/applicants.md."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

import pytest

from knockbot.domain.conversations import BURST, EACH, IDLE, REST, Stage
from knockbot.domain.reasons import foreign
from knockbot.errors import Never
from knockbot.flow import conversations as talking
from knockbot.matrix.acts import Acts
from knockbot.matrix.homeserver import Homeserver
from knockbot.store import conversations
from knockbot.times import DAY
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.test_conversations import tell
from tests.flow.world import ALICE, BOT

PEOPLE = ("@ana:tulip.example", "@far:slow.example", "@bea:rose.example")
OTHER = "@other:elsewhere.example"
A_DAY_AT_MOST = 4
STEPS = 40


# --- the oracle ---------------------------------------------------------------------------------------------------


@dataclass
class Talk:
    """What one conversation has seen, in its order."""

    user_id: str
    stage: Stage
    last_at: int
    said: int = 0
    answered: list[int] = field(default_factory=list)

    def may_answer(self, now: int) -> bool:
        """Whether ten answers at once, and one every two minutes besides, leave one for now."""
        moments = [*self.answered, now]
        within = [sum(since <= one for one in moments) for since in moments]
        return all(number <= BURST + (now - since) / EACH for number, since in zip(within, moments, strict=True))


@dataclass
class Oracle:
    """What should be, by looking through all that was."""

    talks: list[Talk] = field(default_factory=list)
    occasions: set[str] = field(default_factory=set)
    begun: dict[int, int] = field(default_factory=dict)
    refusing: set[str] = field(default_factory=set)
    unsaid: int = 0

    def current(self, user_id: str) -> Talk | None:
        """The conversation that goes on."""
        on = (Stage.INVITED, Stage.JOINED)
        return next((talk for talk in self.talks if talk.user_id == user_id and talk.stage in on), None)

    def told(self, user_id: str, occasion: str, now: int) -> None:
        """Something is to be told them."""
        if occasion in self.occasions:
            return
        self.occasions.add(occasion)
        talk = self.current(user_id) or self._begun(user_id, now)
        if talk is None or talk.stage is Stage.UNREACHABLE:
            self.unsaid += 1
            return
        talk.said += 1
        talk.last_at = now

    def _begun(self, user_id: str, now: int) -> Talk | None:
        before = [talk for talk in self.talks if talk.user_id == user_id]
        if before and before[-1].stage is Stage.UNREACHABLE and now < before[-1].last_at + REST:
            return None
        if self.begun.get(now // DAY, 0) == A_DAY_AT_MOST:
            return None
        self.begun[now // DAY] = self.begun.get(now // DAY, 0) + 1
        stage = Stage.UNREACHABLE if user_id in self.refusing else Stage.INVITED
        self.talks.append(Talk(user_id, stage, now))
        return self.talks[-1]

    def comes(self, user_id: str, now: int) -> None:
        """They take the invite."""
        talk = self.current(user_id)
        if talk is not None and talk.stage is Stage.INVITED:
            talk.stage, talk.last_at = Stage.JOINED, now

    def goes(self, user_id: str, now: int) -> None:
        """They decline the invite, or leave."""
        talk = self.current(user_id)
        if talk is not None:
            talk.stage, talk.last_at = Stage.UNREACHABLE, now

    def writes(self, user_id: str, now: int) -> None:
        """They write something that is to be answered."""
        talk = self.current(user_id)
        if talk is None:
            return
        talk.last_at = now
        if talk.may_answer(now):
            talk.answered.append(now)

    def passes(self, now: int) -> None:
        """Time has passed."""
        for talk in self.talks:
            if talk.stage in (Stage.INVITED, Stage.JOINED) and talk.last_at < now - IDLE:
                talk.stage, talk.last_at = Stage.LEFT, now


# --- the play -----------------------------------------------------------------------------------------------------


class Choosy(Acts):
    """A homeserver where some refuse invites."""

    def __init__(self, house: House, refusing: set[str]) -> None:
        super().__init__(cast("Homeserver", house.homeserver))
        invites = self.invite

        async def invite(room_id: str, user_id: str, reason: str | None) -> None:
            if user_id in refusing:
                raise Never(foreign("they refuse invites."), code="M_INVITE_BLOCKED")
            await invites(room_id, user_id, reason)

        self.invite = invite


class Play:
    """A house and its oracle."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.oracle = Oracle()
        self.chance = random.Random(seed)
        self.rooms: list[str] = []
        self._number = 0
        self._settle()

    def _settle(self) -> None:
        self.house.furnish(acts=Choosy(self.house, self.oracle.refusing))

    def room(self, user_id: str) -> str | None:
        """The room of the conversation that goes on."""
        talk = self.oracle.current(user_id)
        return self.rooms[self.oracle.talks.index(talk)] if talk is not None else None

    async def step(self) -> None:
        """Do one thing, and let it come to its end, perhaps over a death."""
        user_id = self.chance.choice(PEOPLE)
        await self.chance.choice(DOES)(self, user_id)
        self._number += 1
        await self._live()
        made = [room for room in self.house.world.rooms if room not in (GARDEN, MODS, *self.rooms)]
        self.rooms.extend(made)

    async def _live(self) -> None:
        how = self.chance.choice(("on", "on", "delivered", "heard"))
        if how == "delivered":
            await self.house.deliver()
        if how == "heard":
            await self.house.hear()
        if how != "on":
            await self.house.die()
            await self.house.start_again()
            self._settle()
        await self.house.live()

    async def agrees(self) -> None:
        """The rooms and the records are as the oracle has them."""
        house, oracle = self.house, self.oracle
        assert len(self.rooms) == len(oracle.talks)
        for room, talk in zip(self.rooms, oracle.talks, strict=True):
            goes_on = talk.stage in (Stage.INVITED, Stage.JOINED)
            assert house.membership(BOT, room) == ("join" if goes_on else "leave")
            said = [content.get("m.relates_to") for content in house.said(room)]
            assert (said.count(None), len(said)) == (talk.said, talk.said + len(talk.answered))
        async with house.db.tx() as tx:
            for user_id in PEOPLE:
                newest = await conversations.last(tx, user_id)
                talks = [talk for talk in oracle.talks if talk.user_id == user_id]
                assert (newest.stage if newest else None) == (talks[-1].stage if talks else None)
            unsaid = await tx.fetchval("SELECT sum(unsaid) FROM conversation_days")
        assert (unsaid or 0) == oracle.unsaid
        assert await house.set_aside() == []
        assert await house.jobs("due", "running", "blocked") == {}


# --- what happens -------------------------------------------------------------------------------------------------


async def tells(play: Play, user_id: str) -> None:
    occasion = f"{user_id} {play.chance.randrange(60)}"
    await tell(play.house.context, occasion, user_id)
    play.oracle.told(user_id, occasion, play.house.clock())


async def comes(play: Play, user_id: str) -> None:
    room = play.room(user_id)
    if room is not None and play.house.membership(user_id, room) == "invite":
        play.house.world.change(room, user_id, user_id, "join")
        play.oracle.comes(user_id, play.house.clock())


async def goes(play: Play, user_id: str) -> None:
    room = play.room(user_id)
    if room is not None:
        play.house.world.change(room, user_id, user_id, "leave")
        play.oracle.goes(user_id, play.house.clock())


async def writes(play: Play, user_id: str) -> None:
    room = play.room(user_id)
    if room is None or play.house.membership(user_id, room) != "join":
        return
    for _ in range(play.chance.choice((1, 1, 3, 25))):
        play.house.world.say(room, user_id, play.chance.choice(("status", "help", "language de", "hello?", "x" * 9000)))
        play.house.clock.go_on(play.chance.choice((0, 0, 1, 40)))
        await play.house.hear()  # so that the moment of each is known
        play.oracle.writes(user_id, play.house.clock())


async def edits(play: Play, user_id: str) -> None:
    room = play.room(user_id)
    if room is not None:
        relation = {"rel_type": "m.replace", "event_id": "$any"}
        new = {"msgtype": "m.text", "body": "status"}
        play.house.world.say(room, user_id, "* status", **{"m.relates_to": relation, "m.new_content": new})
        play.house.world.react(room, user_id, "$any", "✅")
        play.house.world.redact(room, user_id, "$any")


async def another_comes(play: Play, user_id: str) -> None:
    room = play.room(user_id)
    if room is not None:
        play.house.world.change(room, user_id, OTHER, "invite")
        play.house.world.change(room, OTHER, OTHER, "join")
        play.house.world.say(room, OTHER, "status")
        play.house.world.say(room, ALICE, "!kb list")
        play.house.world.change(room, OTHER, OTHER, "leave")


async def refuses(play: Play, user_id: str) -> None:
    play.oracle.refusing ^= {user_id}


async def time_passes(play: Play, _: str) -> None:
    await play.house.live()
    play.house.clock.go_on(play.chance.choice((60, 3600, DAY / 1000, 3 * DAY / 1000, 8 * DAY / 1000)))
    async with play.house.context.turn() as turn:
        await talking.leave_idle(play.house.context, turn)
    play.oracle.passes(play.house.clock())


DOES: tuple[Callable[[Play, str], Awaitable[None]], ...] = (
    tells,
    tells,
    tells,
    comes,
    comes,
    goes,
    writes,
    writes,
    edits,
    another_comes,
    refuses,
    time_passes,
)


@pytest.mark.parametrize("seed", range(6))
async def test_any_story_ends_as_the_oracle_says(ready_url: str, seed: int) -> None:
    async with housed(ready_url, notices={"per_day": A_DAY_AT_MOST}) as house:
        play = Play(house, seed)
        for number in range(STEPS):
            await play.step()
            try:
                await play.agrees()
            except AssertionError as error:
                raise AssertionError(f"after step {number} of seed {seed}") from error
