"""Somebody is invited by a rule and listed, and powers come and go: whatever the order, the records say what is so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knockbot.domain.model import Request, State, Verdict
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.test_lists import ALIAS, BANS, LIZ, open_door, settled
from tests.flow.test_one_request import ENDS, copied, no_complaints
from tests.flow.test_one_request import Story as Killed
from tests.flow.test_untaken import BOB, MO, USERS
from tests.flow.world import ALICE, ANA, BOT, OUT, levels_for
from tests.lab import Postgres


class Story:
    """What happens to ana, whom mo's policy lets in unless liz lists her."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.world = house.world
        self.users = dict(USERS)
        self.accepts = 0
        """How often alice said accept."""
        self.by_hand = False
        """Whether bob ever invited her himself."""

    @property
    def listed(self) -> bool:
        """Whether the list names her now."""
        rules = self.world.rooms[BANS].rules.values()
        return any(rule["content"].get("entity") == ANA for rule in rules)

    def power(self, **levels: int) -> None:
        """Somebody has another level now."""
        self.users |= {{"mo": MO, "bot": BOT}[who]: level for who, level in levels.items()}
        self.world.set_levels(GARDEN, users=dict(self.users))

    def knock(self) -> None:
        """She knocks, if she can."""
        if self.house.membership(ANA) in OUT:
            self.world.knock(GARDEN, ANA)

    def move(self, by: str, membership: str, *only_from: str) -> None:
        """Her membership changes, if it can."""
        if self.house.membership(ANA) in only_from:
            self.by_hand |= (by, membership) == (BOB, "invite")
            self.world.change(GARDEN, by, ANA, membership)

    def click(self, emoji: str) -> None:
        """Alice clicks on the newest card."""
        cards = self.house.cards()
        if cards:
            self.accepts += emoji == "✅"
            self.house.click(emoji, card=cards[-1])

    async def say(self, word: str) -> None:
        """Alice answers the newest request by a command."""
        found = await self.house.requests(ANA)
        if found:
            self.accepts += word == "accept"
            self.house.tell(f"{word} {found[-1].number}")

    async def die(self, *, done: bool) -> None:
        """Killed in the middle of an act, and started again."""
        await Killed(self.house).die(done=done)

    async def end(self) -> None:
        """What is to come comes: the bot has its power, and mo has it or not."""
        self.world.behave()
        self.power(bot=100)
        for _ in range(2):
            await self.house.look_everywhere()
            await self.house.later(700)
        await settled(self.house)
        await self.check()

    async def check(self) -> None:
        """What must hold in the end."""
        assert await self.house.set_aside() == []
        assert await self.house.jobs("due", "running", "blocked") == {}
        found = await self.house.requests(ANA)
        assert all(request.state in ENDS for request in found[:-1]), [one.state for one in found]
        for request in found:
            await self._nobody_accepted_by_a_no(request)
        if found:
            await self._is_so(found[-1])

    async def _nobody_accepted_by_a_no(self, request: Request) -> None:
        accepted = [by for by, what in await self.house.history(request) if what == "accepted"]
        assert accepted.count(ALICE) <= self.accepts
        assert BOB not in accepted or self.by_hand

    async def _is_so(self, newest: Request) -> None:
        membership = self.house.membership(ANA)
        if newest.open:
            assert newest.awaits_moderators
            assert membership == ("invite" if newest.invited else "knock")
            [card] = [one for one in self.house.cards() if one.block.get("number") == newest.number]
            assert card.state == "pending"
            assert ("has not joined yet" in card.text) is newest.invited
        elif membership == "invite":
            if newest.state is not State.ACCEPTED:
                assert self.by_hand, "bob invited her after the end of her request"
                return
            by_rule = newest.answer is not None and newest.by == newest.answer.by == BOT
            assert not (by_rule and self.listed and not self.by_hand), "a rule accepts nobody who is listed"
            assert newest.answer is None or newest.answer.verdict is Verdict.ACCEPT or newest.by == BOB
        elif membership == "join":
            assert newest.state is State.JOINED
        else:
            assert newest.state in ENDS - {State.JOINED} or newest.state is State.JOINED


Step = Callable[[Story], Awaitable[object] | object]
PEOPLE: dict[str, Step] = {
    "nothing": lambda _: None,
    "ana knocks": lambda s: s.knock(),
    "ana goes": lambda s: s.move(ANA, "leave", "knock", "invite"),
    "ana joins": lambda s: s.move(ANA, "join", "invite"),
    "bob invites her": lambda s: s.move(BOB, "invite", "knock", "invite", "leave"),
    "bob sends her away": lambda s: s.move(BOB, "leave", "knock", "invite", "join", "ban"),
    "bob bans her": lambda s: s.move(BOB, "ban", "knock", "invite", "leave"),
    "liz lists ana": lambda s: s.world.list_entity(BANS, LIZ, ANA),
    "liz takes ana off": lambda s: s.world.unlist(BANS, LIZ, ANA),
    "mo has no power": lambda s: s.power(mo=0),
    "mo has power": lambda s: s.power(mo=60),
    "the bot has no power": lambda s: s.power(bot=0),
    "the bot has power": lambda s: s.power(bot=100),
    "alice clicks yes": lambda s: s.click("✅"),
    "alice clicks no": lambda s: s.click("❌"),
    "alice clicks ban": lambda s: s.click("⛔"),
    "alice says accept": lambda s: s.say("accept"),
    "alice says reject": lambda s: s.say("reject"),
    "alice says ban": lambda s: s.say("ban"),
    "alice applies the policy": lambda s: s.house.tell(f"policy apply {GARDEN}", by=ALICE),
    "events are lost": lambda s: s.world.outbox.clear(),
    "events come twice": lambda s: s.world.outbox.extend(list(s.world.outbox)),
}


async def looks(story: Story) -> None:
    """A look at every room."""
    await story.house.look_everywhere()
    await story.house.hear()


async def starts_again(story: Story) -> None:
    """A clean stop, and a start."""
    await story.house.close()
    await story.house.start_again()


BOT_STEPS: dict[str, Step] = {
    "away": lambda _: None,
    "hears": lambda s: s.house.hear(),
    "works": lambda s: s.house.work(),
    "lives": lambda s: s.house.live(),
    "settles": lambda s: settled(s.house),
    "looks": looks,
    "is killed before its act": lambda s: s.die(done=False),
    "is killed after its act": lambda s: s.die(done=True),
    "starts again": starts_again,
}
OFTEN_BOT = [*["settles"] * 8, *["lives"] * 3, *["hears"] * 3, *["looks"] * 2]
AFTER = st.lists(st.tuples(st.sampled_from([*PEOPLE]), st.sampled_from([*BOT_STEPS, *OFTEN_BOT])), max_size=8)
FIRST = st.sampled_from([*["settles"] * 6, "lives", "hears", "is killed after its act", "is killed before its act"])
THEN = st.sampled_from(["ban", "reject", "forward"])


BEGIN = ("ana knocks", "mo has no power", "liz lists ana")


def furnish(house: House) -> None:
    """The rooms of the story, and who is in them."""
    house.world.room(BANS, "Bans", LIZ, MO, levels=levels_for([LIZ]), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    house.world.room(GARDEN, "Garden", ALICE, MO, BOB, BOT, levels={"users": dict(USERS)})
    house.world.room(MODS, "Mods", ALICE, MO, BOB, BOT, levels={"users": {ALICE: 100}}, join_rule="invite")


async def play(url: str, then: str, first: tuple[str, ...], scenes: list[tuple[str, str]]) -> None:
    """A rule invites ana, mo loses the power, liz lists her: then anything."""
    async with no_complaints(), housed(url) as house:
        furnish(house)
        house.tell(f"policy set {GARDEN}\n{open_door(then)}", by=MO)
        await settled(house)
        story = Story(house)
        for people, bot in [*zip(BEGIN, first, strict=True), *scenes]:
            house.clock.go_on(0.3)
            for step in (PEOPLE[people], BOT_STEPS[bot]):
                happens = step(story)
                if isinstance(happens, Awaitable):
                    await happens
        await story.end()


NARROW = [
    [("alice clicks no", "is killed before its act"), ("ana joins", "lives")],
    [("alice clicks no", "hears"), ("bob invites her", "lives")],
    [("alice clicks no", "hears"), ("alice clicks ban", "settles")],
    [("alice clicks yes", "hears"), ("ana goes", "lives")],
    [("events come twice", "settles"), ("alice says ban", "is killed after its act")],
    [("liz takes ana off", "settles"), ("liz lists ana", "settles"), ("mo has power", "settles")],
    [("alice applies the policy", "settles"), ("alice says reject", "settles")],
    [("the bot has no power", "settles"), ("alice clicks no", "settles"), ("the bot has power", "settles")],
]
"""Stories that pass the narrow places one by one."""


@pytest.mark.parametrize("scenes", NARROW)
async def test_the_narrow_places_are_passed(ready_url: str, scenes: list[tuple[str, str]]) -> None:
    await play(ready_url, "ban", ("settles", "settles", "settles"), scenes)


@pytest.mark.parametrize("done", ["is killed before its act", "is killed after its act"])
@pytest.mark.parametrize("then", ["ban", "reject", "forward"])
async def test_an_invite_that_nobody_saw_succeed_is_withdrawn_too(ready_url: str, done: str, then: str) -> None:
    await play(ready_url, then, ("hears", "away", done), [("mo has power", "settles")])


@given(then=THEN, first=st.tuples(FIRST, FIRST, FIRST), scenes=AFTER)
@settings(max_examples=40, derandomize=True, database=None, deadline=None)
async def test_every_story_of_an_invite_that_should_be_withdrawn_ends_well(
    empty_sqlite: Path, then: str, first: tuple[str, ...], scenes: list[tuple[str, str]]
) -> None:
    with copied(empty_sqlite) as url:
        await play(url, then, first, scenes)


@given(then=THEN, first=st.tuples(FIRST, FIRST, FIRST), scenes=AFTER)
@settings(max_examples=6, derandomize=True, database=None, deadline=None)
async def test_so_does_every_one_on_postgresql(
    postgres: Postgres, empty_postgres_url: str, then: str, first: tuple[str, ...], scenes: list[tuple[str, str]]
) -> None:
    try:
        await play(empty_postgres_url, then, first, scenes)
    finally:
        await postgres.clear(empty_postgres_url)


# --- several processes ----------------------------------------------------------------------------------------


class Three(Story):
    """The same story, and any of three processes does what comes next."""

    def __init__(self, houses: list[House]) -> None:
        super().__init__(houses[0])
        self.houses = houses

    def turn_to(self, which: int) -> None:
        """Another process goes on."""
        self.house = self.houses[which]

    async def settle_all(self) -> None:
        """Until none of them has anything left to do."""
        for _ in range(3):
            for house in self.houses:
                await house.later(1)
                await house.ring()

    async def end(self) -> None:
        """What is to come comes, to whichever process."""
        self.world.behave()
        self.power(bot=100)
        for _ in range(2):
            for house in self.houses:
                await house.look_everywhere()
            self.house.clock.go_on(700)
            await self.settle_all()
        await self.settle_all()
        await self.check()


AMONG_THREE = {name: step for name, step in BOT_STEPS.items() if name in ("away", "hears", "works", "lives", "looks")}
WHICH = st.integers(0, 2)


@given(
    then=THEN,
    first=st.tuples(WHICH, WHICH, WHICH),
    scenes=st.lists(st.tuples(st.sampled_from([*PEOPLE]), st.sampled_from([*AMONG_THREE]), WHICH), max_size=8),
)
@settings(max_examples=8, derandomize=True, database=None, deadline=None)
async def test_so_does_every_one_among_three_processes(
    postgres: Postgres,
    empty_postgres_url: str,
    then: str,
    first: tuple[int, ...],
    scenes: list[tuple[str, str, int]],
) -> None:
    try:
        await play_among_three(empty_postgres_url, then, first, scenes)
    finally:
        await postgres.clear(empty_postgres_url)


async def play_among_three(url: str, then: str, first: tuple[int, ...], scenes: list[tuple[str, str, int]]) -> None:
    """A rule invites ana, mo loses the power, liz lists her, each told to some process: then anything."""
    async with no_complaints(), housed(url) as house:
        furnish(house)
        house.tell(f"policy set {GARDEN}\n{open_door(then)}", by=MO)
        await settled(house)
        others = [await House(url, house.world).open() for _ in range(2)]
        try:
            story = Three([house, *others])
            for people, which in zip(BEGIN, first, strict=True):
                story.turn_to(which)
                PEOPLE[people](story)
                await story.settle_all()
            for people, bot, which in scenes:
                story.turn_to(which)
                house.clock.go_on(0.3)
                for step in (PEOPLE[people], AMONG_THREE[bot]):
                    happens = step(story)
                    if isinstance(happens, Awaitable):
                        await happens
            await story.end()
        finally:
            for other in others:
                await other.close()
