"""Days and nights in every order with knocks, answers, deferrals, deaths and other policies: who is told, and when."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.test_one_request import copied, no_complaints
from tests.flow.world import ALICE, BOT
from tests.lab import Postgres

COMMON = f'quiet_hours: "22:00-07:00"\ncall: ["{ALICE}"]\nwave: off\n'
REMINDS = f"{COMMON}remind_after: 6h\n"
SOONER = f"{COMMON}remind_after: 1h\ntimezone: UTC\n"
DAILY = f'{COMMON}digest: "09:00"\n'
LATER = f'{COMMON}digest: "15:00"\nremind_after: 6h\n'
ENDS = f"{COMMON}stale_after: 10h\n"
MOST = 8
HOUR = 3600


class Story:
    """People knock at a garden, and moderators, the bot and the hours do what they do."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.people: list[str] = []

    def knocks(self) -> None:
        """Somebody new knocks."""
        if len(self.people) < MOST:
            self.people.append(f"@p{len(self.people)}:s.example")
            self.house.world.knock(GARDEN, self.people[-1], "let me in")

    def leaves(self) -> None:
        """The newest one takes the knock back."""
        if self.people and self.house.membership(self.people[-1]) == "knock":
            self.house.world.change(GARDEN, self.people[-1], self.people[-1], "leave")

    async def die(self) -> None:
        """Killed, and started again hours later."""
        await self.house.die()
        self.house.clock.go_on(4 * HOUR)
        await self.house.start_again()
        await self.settle()

    async def go_on(self, hours: float) -> None:
        """Time passes, a little at a time: what is due is done when it is due."""
        await self.settle()
        for _ in range(round(hours * 2)):
            self.house.clock.go_on(HOUR / 2)
            await self.house.ring()
            await self.house.live()
        await self.settle()

    async def settle(self) -> None:
        """Until there is nothing left to do."""
        await self.house.later(1)
        await self.house.ring()
        await self.house.live()

    def said(self) -> list[tuple[datetime, dict[str, Any]]]:
        """The new messages of the bot, and when each was sent."""
        sent = [event for event in self.house.world.rooms[MODS].said if event["sender"] == BOT]
        new = [event for event in sent if "body" in event["content"] and "m.new_content" not in event["content"]]
        return [(datetime.fromtimestamp(event["origin_server_ts"] / 1000, UTC), event["content"]) for event in new]

    def check(self) -> None:
        """What always holds."""
        reminded: list[str] = []
        digests: list[datetime] = []
        for at, content in self.said():
            called = content.get("m.mentions", {}).get("user_ids", [])
            assert not called or 7 <= at.hour < 22, f"somebody is called in quiet hours, at {at}: {content['body']}"
            if "🔔" in content["body"]:
                reminded += re.findall(r"#(\d+)", content["body"])
            if content.get("org.knockbot.prompt", {}).get("kind") == "digest":
                digests.append(at)
        assert len(reminded) == len(set(reminded)), f"reminded twice: {reminded}"
        days = [(at.date(), at.hour < 15) for at in digests]
        assert len(days) == len(set(days)), f"two digests at one time: {digests}"

    async def end(self) -> None:
        """What is to come comes; then nothing is left undone, and who waits was told of."""
        self.house.tell(f"policy set {GARDEN}\n{DAILY}")
        await self.go_on(48)
        self.check()
        assert await self.house.set_aside() == []
        assert await self.house.jobs("due", "running", "blocked") == {}
        told = " ".join(content["body"] for _, content in self.said())
        for person in self.people:
            for request in await self.house.requests(person):
                assert not request.awaits_moderators or f"#{request.number}" in told.replace("\u2068", "")
        async with self.house.db.tx() as tx:
            overdue = await tx.fetch("SELECT key FROM timers WHERE due_at < $1", self.house.clock() - HOUR * 1000)
            assert overdue == []
            assert await tx.fetchval("SELECT count(*) FROM mornings") == 0


Step = Callable[[Story], Awaitable[object] | object]
STEPS: dict[str, Step] = {
    "somebody knocks": lambda s: s.knocks(),
    "the newest leaves": lambda s: s.leaves(),
    "alice accepts": lambda s: s.house.tell("accept 1"),
    "alice rejects": lambda s: s.house.tell("reject 2"),
    "alice defers": lambda s: s.house.tell("defer 1 9h"),
    "alice is called": lambda s: s.house.tell("call me"),
    "alice is called no more": lambda s: s.house.tell("call off"),
    "reminders": lambda s: s.house.tell(f"policy set {GARDEN}\n{REMINDS}"),
    "sooner": lambda s: s.house.tell(f"policy set {GARDEN}\n{SOONER}"),
    "a digest": lambda s: s.house.tell(f"policy set {GARDEN}\n{DAILY}"),
    "a later digest": lambda s: s.house.tell(f"policy set {GARDEN}\n{LATER}"),
    "they expire": lambda s: s.house.tell(f"policy set {GARDEN}\n{ENDS}"),
    "the bot dies": lambda s: s.die(),
    "three hours": lambda s: s.go_on(3),
    "a night": lambda s: s.go_on(9),
}
OFTEN = [*["somebody knocks"] * 5, *["three hours"] * 3, *["a night"] * 2]
SCENES = st.lists(st.sampled_from([*STEPS, *OFTEN]), min_size=4, max_size=16)


async def play(url: str, scenes: list[str]) -> None:
    async with no_complaints(), housed(url) as house:
        house.tell(f"policy set {GARDEN}\n{REMINDS}", by=ALICE)
        await house.live()
        story = Story(house)
        for scene in scenes:
            happens = STEPS[scene](story)
            if isinstance(happens, Awaitable):
                await happens
            await story.settle()
            story.check()
        await story.end()


@given(scenes=SCENES)
@settings(max_examples=15, derandomize=True, database=None, deadline=None)
async def test_every_story_of_days_and_nights_ends_well(empty_sqlite: Path, scenes: list[str]) -> None:
    with copied(empty_sqlite) as url:
        await play(url, scenes)


@given(scenes=SCENES)
@settings(max_examples=3, derandomize=True, database=None, deadline=None)
async def test_so_does_every_one_on_postgresql(postgres: Postgres, empty_postgres_url: str, scenes: list[str]) -> None:
    try:
        await play(empty_postgres_url, scenes)
    finally:
        await postgres.clear(empty_postgres_url)
