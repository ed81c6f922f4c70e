"""Batches between clicks, knocks, withdrawals, deaths and lost powers: one outcome each, and each batch ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knockbot.domain.batches import Stage, batch_of
from knockbot.domain.model import State, Verdict
from knockbot.features.bulk import counting
from knockbot.store import batches, requests
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.offered import offers
from tests.flow.test_one_request import ENDS, copied, no_complaints
from tests.flow.test_one_request import Story as Killed
from tests.flow.world import ALICE, BOT, FAR, HOME, OUT
from tests.lab import Postgres

BOB = f"@bob:{HOME}"
PEOPLE = [f"@u{n}:{HOME}" for n in range(6)] + [FAR]
POWERS = {ALICE: 100, BOB: 100, BOT: 60}


class Story:
    """What happens at a door before which several people stand."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.world = house.world
        self.powers = dict(POWERS)
        self.accepted_by_hand: set[str] = set()
        """The knocks that bob said accept to."""

    # --- what may happen ------------------------------------------------------------------------------------------

    def knock(self, *which: int) -> None:
        """These knock, or knock again, if they can."""
        for n in which:
            if self.house.membership(PEOPLE[n]) in OUT:
                self.world.knock(GARDEN, PEOPLE[n], "hello")

    def go(self, n: int) -> None:
        """Somebody goes."""
        if self.house.membership(PEOPLE[n]) in ("knock", "invite"):
            self.world.change(GARDEN, PEOPLE[n], PEOPLE[n], "leave")

    def click(self, emoji: str, by: str = ALICE) -> None:
        """Somebody clicks on the newest batch."""
        shown = offers(self.house, "batch")
        if shown:
            self.world.react(MODS, by, shown[-1].event_id, emoji)

    async def say(self, word: str, n: int) -> None:
        """Bob answers somebody by number."""
        found = await self.house.requests(PEOPLE[n])
        if found:
            if word == "accept":
                self.accepted_by_hand.add(found[-1].event_id)
            self.house.tell(f"{word} {found[-1].number}", by=BOB)

    def power(self, **levels: int) -> None:
        """Somebody has another level now."""
        self.powers |= {{"alice": ALICE, "bot": BOT}[who]: level for who, level in levels.items()}
        self.world.set_levels(GARDEN, users=dict(self.powers))

    async def rings(self) -> None:
        """The timers that are due ring."""
        await self.house.ring()

    async def runs(self) -> None:
        """The bot lives on for a second."""
        for _ in range(4):
            self.house.clock.go_on(0.3)
            await self.house.ring()
            await self.house.live()

    async def die(self, *, done: bool) -> None:
        """Killed in the middle of an act, and started again."""
        await Killed(self.house).die(done=done)

    async def end(self) -> None:
        """Everybody behaves, and what is to come comes."""
        self.world.behave()
        self.power(bot=100)
        for _ in range(3):
            await self.house.look_everywhere()
            await self.house.later(700)
            for _ in range(12):
                await self.runs()
        await self.house.later(3601)
        await self.check()

    # --- what must hold -------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """What must hold in the end."""
        assert await self.house.set_aside() == []
        assert await self.house.jobs("due", "running", "blocked") == {}
        async with self.house.db.tx() as tx:
            rows = await tx.fetch("SELECT id FROM batches ORDER BY id")
            found = [one for row in rows if (one := await batches.find(tx, row["id"])) is not None]
            shown = {one.id: {item.event_id for item in await batches.items(tx, one.id, asked=True)} for one in found}
            tallies = [(one, await counting.count(tx, one)) for one in found]
        assert {one.stage for one in found} <= {Stage.DONE, Stage.STOPPED, Stage.DECLINED, Stage.LAPSED}
        for batch, tally in tallies:
            stood = sum(map(len, [*tally.given.values(), *tally.left.values()]))
            assert tally.waiting + stood == tally.total
            assert tally.under_way == 0
            assert batch.stage is not Stage.DONE or tally.waiting == 0
            if batch.stage in (Stage.DECLINED, Stage.LAPSED):
                assert tally.waiting == tally.total
        confirmed = {one.id for one in found if one.stage in (Stage.DONE, Stage.STOPPED)}
        for user_id in PEOPLE:
            await self.one_outcome_each(user_id, confirmed)
        accepting = [one.id for one in found if one.verdict is Verdict.ACCEPT and one.id in confirmed]
        meant = self.accepted_by_hand.union(*(shown[one] for one in accepting))
        for event in self.world.rooms[GARDEN].past.values():
            if event["sender"] == BOT and event["content"]["membership"] == "invite":
                assert event["unsigned"]["replaces_state"] in meant

    async def one_outcome_each(self, user_id: str, confirmed: set[int]) -> None:
        """Each request of somebody has one outcome, and the last one is where the room is."""
        found = await self.house.requests(user_id)
        for request in found:
            history = await self.house.history(request)
            came = [what for _, what in history if what in {*ENDS, State.ACCEPTED}]
            assert len(came) <= 1 or came[0] == State.ACCEPTED, came
            assert len(came) <= 2, came
            batch_id = batch_of(request.answer.cause if request.answer is not None else None)
            assert batch_id is None or batch_id in confirmed
        assert all(request.state in ENDS for request in found[:-1])
        if found:
            stands = self.house.membership(user_id)
            assert found[-1].open is (stands == "knock")
            assert not found[-1].open or found[-1].awaits_moderators


Step = Callable[[Story], Awaitable[object] | object]
STEPS: dict[str, Step] = {
    "nothing": lambda _: None,
    "three knock": lambda s: s.knock(0, 1, 2),
    "all knock": lambda s: s.knock(*range(len(PEOPLE))),
    "one knocks again": lambda s: s.knock(1),
    "another knocks again": lambda s: s.knock(4),
    "one goes": lambda s: s.go(0),
    "another goes": lambda s: s.go(5),
    "alice wants all accepted": lambda s: s.house.tell("accept all"),
    "alice wants all rejected": lambda s: s.house.tell("reject all because not now"),
    "alice wants some banned": lambda s: s.house.tell("ban all user:@u[0-3]* user:x"),
    "alice wants two banned": lambda s: s.house.tell(f"ban all user:@u?:{HOME} newer:1h"),
    "bob wants all rejected": lambda s: s.house.tell("reject all", by=BOB),
    "alice confirms": lambda s: s.click("✅"),
    "alice drops or stops it": lambda s: s.click("❌"),
    "bob confirms": lambda s: s.click("✅", BOB),
    "bob stops it": lambda s: s.click("❌", BOB),
    "bob accepts one": lambda s: s.say("accept", 2),
    "bob rejects another": lambda s: s.say("reject", 5),
    "bob bans one": lambda s: s.say("ban", 6),
    "alice has no power": lambda s: s.power(alice=0),
    "alice has power": lambda s: s.power(alice=100),
    "the bot has no power": lambda s: s.power(bot=0),
    "the bot has power": lambda s: s.power(bot=60),
    "ten minutes pass": lambda s: s.house.clock.go_on(601),
    "events come twice": lambda s: s.world.outbox.extend(list(s.world.outbox)),
    "events are lost": lambda s: s.world.outbox.clear(),
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
    "is away": lambda _: None,
    "hears": lambda s: s.house.hear(),
    "works": lambda s: s.house.work(),
    "rings": lambda s: s.rings(),
    "lives": lambda s: s.house.live(),
    "runs": lambda s: s.runs(),
    "looks": looks,
    "is killed before its act": lambda s: s.die(done=False),
    "is killed after its act": lambda s: s.die(done=True),
    "starts again": starts_again,
}
OFTEN = ["all knock", "alice wants all accepted", "alice wants all rejected", *["alice confirms"] * 4]
OFTEN_BOT = [*["lives"] * 4, *["runs"] * 3, *["rings"] * 2]
SCENES = st.lists(
    st.tuples(st.sampled_from([*STEPS, *OFTEN]), st.sampled_from([*BOT_STEPS, *OFTEN_BOT])), min_size=4, max_size=14
)


def furnish(house: House) -> None:
    """The rooms of the story, and who is in them."""
    house.world.room(GARDEN, "Garden", ALICE, BOB, BOT, levels={"users": dict(POWERS)})
    house.world.room(MODS, "Mods", ALICE, BOB, BOT, levels={"users": {ALICE: 100}}, join_rule="invite")


async def play(url: str, scenes: list[tuple[str, str]]) -> None:
    """One story, from a fresh database to its end."""
    async with no_complaints(), housed(url) as house:
        furnish(house)
        story = Story(house)
        for people, bot in [("all knock", "lives"), *scenes]:
            house.clock.go_on(0.3)
            for step in (STEPS[people], BOT_STEPS[bot]):
                happens = step(story)
                if isinstance(happens, Awaitable):
                    await happens
        await story.end()


BEGIN = [("alice wants all rejected", "lives"), ("alice confirms", "hears")]
NARROW = [
    [*BEGIN, ("nothing", "rings"), ("nothing", "is killed before its act"), ("nothing", "runs")],
    [*BEGIN, ("nothing", "rings"), ("nothing", "is killed after its act"), ("alice drops or stops it", "runs")],
    [*BEGIN, ("nothing", "rings"), ("bob accepts one", "hears"), ("nothing", "runs")],
    [*BEGIN, ("nothing", "rings"), ("another goes", "lives"), ("alice has no power", "runs")],
    [("alice wants all accepted", "lives"), ("one knocks again", "lives"), ("alice confirms", "runs")],
    [("alice wants all accepted", "lives"), ("bob wants all rejected", "lives"), ("alice confirms", "runs")],
    [("alice wants all accepted", "lives"), ("alice confirms", "is away"), ("events are lost", "looks")],
    [*BEGIN, ("the bot has no power", "runs"), ("the bot has power", "runs")],
]
"""Stories that pass the narrow places one by one."""


@pytest.mark.parametrize("scenes", NARROW)
async def test_the_narrow_places_are_passed(ready_url: str, scenes: list[tuple[str, str]]) -> None:
    await play(ready_url, scenes)


@given(scenes=SCENES)
@settings(max_examples=25, derandomize=True, database=None, deadline=None)
async def test_every_story_ends_well(empty_sqlite: Path, scenes: list[tuple[str, str]]) -> None:
    with copied(empty_sqlite) as url:
        await play(url, scenes)


@given(scenes=SCENES)
@settings(max_examples=4, derandomize=True, database=None, deadline=None)
async def test_every_story_ends_well_on_postgresql(
    postgres: Postgres, empty_postgres_url: str, scenes: list[tuple[str, str]]
) -> None:
    try:
        await play(empty_postgres_url, scenes)
    finally:
        await postgres.clear(empty_postgres_url)


@pytest.mark.long
@given(scenes=SCENES)
@settings(max_examples=250, derandomize=True, database=None, deadline=None)
async def test_so_do_many_more_of_them(empty_sqlite: Path, scenes: list[tuple[str, str]]) -> None:
    with copied(empty_sqlite) as url:
        await play(url, scenes)


# --- several processes ----------------------------------------------------------------------------------------


async def test_among_three_processes_each_request_is_answered_once(postgres_url: str) -> None:
    async with no_complaints(), housed(postgres_url) as house:
        furnish(house)
        others = [await House(postgres_url, house.world).open() for _ in range(2)]
        houses = [house, *others]
        try:
            users = [f"@v{n}:{HOME}" for n in range(14)]
            for user_id in users:
                house.world.knock(GARDEN, user_id, "hello")
            await house.live()
            house.tell("reject all")
            await others[0].live()
            house.world.react(MODS, ALICE, offers(house, "batch")[-1].event_id, "✅")
            await others[1].live()
            for turn in range(60):
                house.clock.go_on(0.3)
                for one in houses[turn % 3 :] + houses[: turn % 3]:
                    await one.ring()
                    await one.live()
            for one in houses:
                await one.later(5)
            kicks = Counter(
                event["state_key"]
                for event in house.world.rooms[GARDEN].past.values()
                if event["sender"] == BOT and event["content"]["membership"] == "leave"
            )
            async with house.db.tx() as tx:
                [pending] = [len(await requests.pending(tx, MODS))]
            assert (len(kicks), set(kicks.values()), pending) == (14, {1}, 0)
            assert offers(house, "batch")[-1].text == f"Batch 1 by {ALICE} is done: 14 of 14 rejected."
        finally:
            for one in others:
                await one.close()
