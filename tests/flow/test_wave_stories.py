"""Waves in every order with knocks, answers, deaths and other policies: no rule accepts anybody after one began."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from knockbot.store import requests, waves
from tests.flow.house import GARDEN, House, housed
from tests.flow.test_one_request import ENDS, copied, no_complaints
from tests.flow.test_one_request import Story as Killed
from tests.flow.world import ALICE, BOT
from tests.lab import Postgres

KNOCKS = 3
POLICY = f"wave: {{knocks: {KNOCKS}, within: 10m, ends_after: 20m}}\notherwise: accept\nannounce: none\n"
ASKS = POLICY.replace("accept", "forward")
OFF = "wave: off\notherwise: accept\nannounce: none\n"
MOST = 14


class Story:
    """People knock at a garden, and moderators and the bot do what they do."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.world = house.world
        self.people: list[str] = []
        self.by_hand: set[str] = set()
        """Whom alice accepted by a command."""
        self.held: set[str] = set()
        """Who waited, with no answer, at any moment in which a wave went on, and whom nobody judged anew since."""

    def someone(self) -> None:
        """Somebody new knocks."""
        if len(self.people) < MOST:
            self.people.append(f"@p{len(self.people):02}:s{len(self.people) % 3}.example")
            self.world.knock(GARDEN, self.people[-1], "let me in")

    def two(self) -> None:
        """Two of them."""
        self.someone()
        self.someone()

    def leaves(self) -> None:
        """The newest one takes the knock back."""
        if self.people and self.house.membership(self.people[-1]) == "knock":
            self.world.change(GARDEN, self.people[-1], self.people[-1], "leave")

    async def accepts(self) -> None:
        """Alice accepts the newest one."""
        if self.people and (found := await self.house.requests(self.people[-1])):
            self.by_hand.add(self.people[-1])
            self.house.tell(f"accept {found[-1].number}")

    def say(self, command: str) -> None:
        """Alice types a command."""
        if command.startswith(("policy apply", "policy set")):
            self.held.clear()  # by her word those who wait may be judged by another policy, or once more
        self.house.tell(command)

    async def die(self, *, done: bool) -> None:
        """Killed in the middle of an act, and started again."""
        await Killed(self.house).die(done=done)

    async def time_passes(self) -> None:
        """Long enough for a wave to end by itself."""
        await self.settle()
        self.house.clock.go_on(21 * 60)
        await self.settle()

    async def settle(self) -> None:
        """Until there is nothing left to do."""
        for _ in range(3):
            await self.house.later(1)
            await self.house.ring()
        await self.note()

    async def note(self) -> None:
        """Who is held back now."""
        async with self.house.db.tx() as tx:
            if await waves.at(tx, GARDEN) is not None:
                waiting = [await requests.get(tx, one, held=False) for one in await requests.awaiting(tx, GARDEN)]
                self.held |= {one.user_id for one in waiting}

    async def check(self) -> None:
        """What always holds."""
        for event in self.world.rooms[GARDEN].past.values():
            if event["sender"] == BOT and event["content"]["membership"] == "invite":
                who = event["state_key"]
                assert who not in self.held or who in self.by_hand, f"{who} waited in a wave, and a rule accepted them"

    async def end(self) -> None:
        """What is to come comes; then everybody is where the records say, and each digest tells who waits."""
        self.world.behave()
        for _ in range(3):
            await self.house.look_everywhere()
            await self.time_passes()
        await self.check()
        assert await self.house.set_aside() == []
        assert await self.house.jobs("due", "running", "blocked") == {}
        async with self.house.db.tx() as tx:
            assert await waves.at(tx, GARDEN) is None, "it is over by itself"
        for person in self.people:
            found = await self.house.requests(person)
            assert all(request.state in ENDS for request in found[:-1])
            stands = self.house.membership(person)
            assert found[-1].awaits_moderators if stands == "knock" else found[-1].state is not State.PENDING
            assert not found[-1].awaits_moderators or found[-1].card_id is not None, "who waits is shown somewhere"


Step = Callable[[Story], Awaitable[object] | object]
PEOPLE: dict[str, Step] = {
    "nothing": lambda _: None,
    "somebody knocks": lambda s: s.someone(),
    "two knock": lambda s: s.two(),
    "the newest leaves": lambda s: s.leaves(),
    "alice accepts": lambda s: s.accepts(),
    "alice begins a wave": lambda s: s.say(f"wave on {GARDEN}"),
    "alice ends it": lambda s: s.say(f"wave off {GARDEN}"),
    "alice applies the policy": lambda s: s.say(f"policy apply {GARDEN}"),
    "the policy asks": lambda s: s.say(f"policy set {GARDEN}\n{ASKS}"),
    "the policy accepts": lambda s: s.say(f"policy set {GARDEN}\n{POLICY}"),
    "no waves any more": lambda s: s.say(f"policy set {GARDEN}\n{OFF}"),
    "events are lost": lambda s: s.world.outbox.clear(),
    "events come twice": lambda s: s.world.outbox.extend(list(s.world.outbox)),
    "an invite fails": lambda s: s.world.play("invite", Later(foreign("busy"), retry_after=60)),
}


async def looks(story: Story) -> None:
    """A look at every room."""
    await story.house.look_everywhere()
    await story.house.hear()


BOT_STEPS: dict[str, Step] = {
    "away": lambda _: None,
    "hears": lambda s: s.house.hear(),
    "lives": lambda s: s.house.live(),
    "settles": lambda s: s.settle(),
    "looks": looks,
    "time passes": lambda s: s.time_passes(),
    "is killed before its act": lambda s: s.die(done=False),
    "is killed after its act": lambda s: s.die(done=True),
}
OFTEN = [*["somebody knocks"] * 6, *["two knock"] * 4]
SCENES = st.lists(
    st.tuples(st.sampled_from([*PEOPLE, *OFTEN]), st.sampled_from([*BOT_STEPS, *["settles"] * 6, *["hears"] * 3])),
    min_size=4,
    max_size=14,
)


async def play(url: str, scenes: list[tuple[str, str]]) -> None:
    async with no_complaints(), housed(url) as house:
        house.tell(f"policy set {GARDEN}\n{POLICY}", by=ALICE)
        await house.live()
        story = Story(house)
        for people, bot in scenes:
            house.clock.go_on(0.3)
            for step in (PEOPLE[people], BOT_STEPS[bot]):
                happens = step(story)
                if isinstance(happens, Awaitable):
                    await happens
            await story.check()
        await story.end()


WAVE = [("two knock", "settles"), ("two knock", "settles")]
NARROW = [
    [("two knock", "hears"), ("somebody knocks", "is killed before its act"), ("somebody knocks", "settles")],
    [("two knock", "hears"), ("somebody knocks", "is killed after its act"), ("somebody knocks", "settles")],
    [*WAVE, ("alice accepts", "is killed before its act"), ("alice ends it", "settles"), ("two knock", "settles")],
    [*WAVE, ("alice ends it", "hears"), ("two knock", "hears"), ("two knock", "settles")],
    [*WAVE, ("no waves any more", "settles"), ("two knock", "settles"), ("two knock", "settles")],
    [*WAVE, ("alice applies the policy", "settles"), ("the newest leaves", "time passes")],
    [("the policy asks", "settles"), *WAVE, ("the policy accepts", "settles"), ("alice applies the policy", "settles")],
    [*WAVE, *WAVE, ("events are lost", "time passes"), ("two knock", "looks"), ("two knock", "settles")],
]
"""Stories that pass the narrow places one by one."""


@pytest.mark.parametrize("scenes", NARROW)
async def test_the_narrow_places_are_passed(ready_url: str, scenes: list[tuple[str, str]]) -> None:
    await play(ready_url, scenes)


@given(scenes=SCENES)
@settings(max_examples=20, derandomize=True, database=None, deadline=None)
async def test_every_story_of_a_wave_ends_well(empty_sqlite: Path, scenes: list[tuple[str, str]]) -> None:
    with copied(empty_sqlite) as url:
        await play(url, scenes)


@given(scenes=SCENES)
@settings(max_examples=4, derandomize=True, database=None, deadline=None)
async def test_so_does_every_one_on_postgresql(
    postgres: Postgres, empty_postgres_url: str, scenes: list[tuple[str, str]]
) -> None:
    try:
        await play(empty_postgres_url, scenes)
    finally:
        await postgres.clear(empty_postgres_url)
