"""Stories of somebody who is asked: knocks, answers, edits, clicks, removals, silence and moderators in any order.

The bot is killed in between; a slow oracle says after each step what must be so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knockbot.domain.model import State
from knockbot.store import questions
from tests.flow.asked import POLICY, talks
from tests.flow.house import GARDEN, House, housed
from tests.flow.test_one_request import copied, no_complaints
from tests.flow.world import ALICE, ANA, BOT
from tests.lab import Postgres

HOUR = 3600
RULES = POLICY.replace("unanswered: reject", "unanswered: forward")


@dataclass
class Oracle:
    """What must be so, by the words of the manual, with no thought of how the bot does it."""

    state: State | None = None
    """That of the newest request; none before anybody has knocked."""
    texts: list[str | None] = field(default_factory=lambda: [None, None])
    put: int = 0
    """How many questions were put."""
    silent: bool = False
    """Whether nothing more is waited for: time is over, or they cannot be reached."""
    hours: float = 0
    waits: bool = False
    """Whether the policy waits for answers."""
    gone: bool = False
    """Whether they have left the conversation."""
    rejected: int = 0
    requests: int = 0

    def knocks(self) -> None:
        if self.state is not State.PENDING:
            self.requests += 1
            fresh = Oracle(State.PENDING, gone=self.gone, rejected=self.rejected, requests=self.requests)
            self.__dict__.update(vars(fresh))
        self.judge()

    def judge(self) -> None:
        """Ask the rules, and do what they say."""
        if self.state is not State.PENDING:
            return
        why, rules = self.texts
        self.waits = False
        if rules == "no":
            self.state, self.rejected = State.REJECTED, self.rejected + 1
        elif why is not None and rules is not None:
            self.state = State.ACCEPTED if "alice" in why.lower() else State.PENDING
        elif not self.silent:
            self.waits, first = True, 0 if why is None else 1
            self.put = max(self.put, first + 1)
            if self.gone or self.hours >= 24:
                self.gives_up()

    def gives_up(self) -> None:
        if self.waits:
            self.silent = True
            self.judge()

    def says(self, text: str) -> None:
        """What they write answers the oldest question that was put and has no answer."""
        unanswered = [number for number in range(self.put) if self.texts[number] is None]
        if self.state is State.PENDING and not self.gone and unanswered:
            self.answers(unanswered[0], text)

    def answers(self, number: int, text: str) -> None:
        if self.state is State.PENDING and (number == 0 or text in ("yes", "no")):
            self.texts[number] = text
            self.judge()

    def passes(self, hours: float) -> None:
        self.hours += hours
        if self.hours >= 24:
            self.gives_up()

    def leaves_talk(self) -> None:
        self.gone = True
        self.gives_up()


class Story:
    """One story, and what its oracle says of it."""

    def __init__(self, house: House) -> None:
        self.house, self.oracle = house, Oracle()
        self.given: dict[int, str] = {}
        """The event of each answer that counts."""

    @property
    def talk(self) -> str | None:
        found = talks(self.house)
        return found[-1] if found else None

    def is_there(self) -> bool:
        return self.talk is not None and self.house.membership(ANA, self.talk) == "join"

    # --- people ---

    def knock(self) -> None:
        if self.house.membership(ANA) not in ("invite", "join"):
            if self.oracle.state is not State.PENDING:
                self.given = {}
            self.house.world.knock(GARDEN, ANA, f"please {self.house.clock()}")
            self.oracle.knocks()

    def say(self, text: str) -> None:
        if self.is_there() and self.talk is not None:
            before = list(self.oracle.texts)
            event_id = self.house.world.say(self.talk, ANA, text)
            self.oracle.says(text)
            self._note(before, event_id)

    def click(self, sign: str, answer: str) -> None:
        """A click on the second question, where there is one."""
        asked = self._question("question 2")
        if self.is_there() and self.talk is not None and asked is not None:
            before, counts = list(self.oracle.texts), self.oracle.state is State.PENDING
            event_id = self.house.world.react(self.talk, ANA, asked, sign)
            self.oracle.answers(1, answer)
            self._note(before, event_id, force=1 if counts else None)

    def _note(self, before: list[str | None], event_id: str, force: int | None = None) -> None:
        for number, text in enumerate(self.oracle.texts):
            if text != before[number] or number == force:
                self.given[number] = event_id

    def _question(self, words: str) -> str | None:
        said = self.house.world.rooms[self.talk].said if self.talk is not None else []
        found = [one["event_id"] for one in said if words in one["content"].get("body", "") and one["sender"] == BOT]
        return found[-1] if found and self.oracle.put > 1 else None

    def edit(self, text: str) -> None:
        if self.is_there() and self.talk is not None and 0 in self.given:
            new = {"msgtype": "m.text", "body": text}
            relation = {"rel_type": "m.replace", "event_id": self.given[0]}
            self.house.world.say(self.talk, ANA, f"* {text}", **{"m.new_content": new, "m.relates_to": relation})
            if self.oracle.texts[0] is not None:
                self.oracle.answers(0, text)

    def remove(self, number: int) -> None:
        if self.is_there() and self.talk is not None and number in self.given:
            self.house.world.redact(self.talk, ANA, self.given.pop(number))
            self.oracle.texts[number] = None
            self.oracle.judge()

    def leave_talk(self) -> None:
        if self.is_there() and self.talk is not None:
            self.house.world.change(self.talk, ANA, ANA, "leave")
            self.oracle.leaves_talk()

    def withdraw(self) -> None:
        if self.house.membership(ANA) == "knock":
            self.house.world.change(GARDEN, ANA, ANA, "leave")
            self.oracle.state = State.WITHDRAWN

    def moderator(self, word: str, state: State) -> None:
        if self.oracle.state is State.PENDING and self.oracle.requests:
            self.house.tell(f"{word} {self.oracle.requests}", by=ALICE)
            self.oracle.state = state
            self.oracle.rejected += state is State.REJECTED

    def wait(self, hours: float) -> None:
        self.house.clock.go_on(hours * HOUR)
        self.oracle.passes(hours)

    # --- the bot ---

    async def settle(self) -> None:
        """All that is due is done; and they go where they are invited to talk."""
        for _ in range(3):
            await self.house.ring()
            await self.house.live()
            if self.talk is not None and self.house.membership(ANA, self.talk) == "invite":
                self.house.world.change(self.talk, ANA, ANA, "join")
        await self.house.live()

    async def dies_after_hearing(self) -> None:
        await self.house.hear()
        await self.house.die()
        await self.house.start_again()

    async def dies_before_hearing(self) -> None:
        await self.house.deliver()
        await self.house.die()
        await self.house.start_again()

    async def dies_between(self) -> None:
        await self.house.hear()
        await self.house.ring()
        await self.house.die()
        await self.house.start_again()
        await self.house.hear()
        await self.house.work()
        await self.house.die()
        await self.house.start_again()

    async def check(self) -> None:
        """What is so is what the oracle says."""
        oracle = self.oracle
        found = await self.house.requests(ANA)
        assert len(found) == oracle.requests
        if not found:
            return
        assert found[-1].state is oracle.state
        async with self.house.db.tx() as tx:
            put = [one for one in await questions.of(tx, found[-1]) if one.asked_by is None]
        assert [one.answer for one in put] == oracle.texts[: oracle.put]
        kicks = Counter(
            event["content"]["membership"]
            for event in self.house.world.rooms[GARDEN].past.values()
            if event["sender"] == BOT and event["state_key"] == ANA
        )
        assert kicks["leave"] == oracle.rejected
        if oracle.state is State.PENDING and not oracle.waits:
            assert found[-1].card_id is not None


PEOPLE: Mapping[str, Callable[[Story], Any]] = {
    "knocks": Story.knock,
    "says something": lambda story: story.say("By the paper"),
    "says alice": lambda story: story.say("Alice"),
    "says yes": lambda story: story.say("yes"),
    "says no": lambda story: story.say("no"),
    "clicks yes": lambda story: story.click("1️⃣", "yes"),
    "clicks no": lambda story: story.click("2️⃣", "no"),
    "corrects": lambda story: story.edit("By a friend"),
    "corrects to alice": lambda story: story.edit("By Alice"),
    "removes the first": lambda story: story.remove(0),
    "removes the second": lambda story: story.remove(1),
    "leaves the conversation": Story.leave_talk,
    "withdraws": Story.withdraw,
    "is accepted": lambda story: story.moderator("accept", State.ACCEPTED),
    "is rejected": lambda story: story.moderator("reject", State.REJECTED),
    "waits": lambda story: story.wait(13),
}
OFTEN = ["knocks", "says something", "says yes", "clicks yes", "corrects"]
BOT_STEPS: Mapping[str, Callable[[Story], Awaitable[None]]] = {
    "lives": Story.settle,
    "dies after hearing": Story.dies_after_hearing,
    "dies before hearing": Story.dies_before_hearing,
    "dies between": Story.dies_between,
}
SCENES = st.lists(
    st.tuples(st.sampled_from([*PEOPLE, *OFTEN]), st.sampled_from([*BOT_STEPS, "lives"])), min_size=4, max_size=14
)


async def play(url: str, scenes: list[tuple[str, str]]) -> None:
    async with no_complaints(), housed(url) as house:
        await house.set_policy(RULES)
        story = Story(house)
        for people, bot in [("knocks", "lives"), *scenes]:
            house.clock.go_on(1)
            PEOPLE[people](story)
            await BOT_STEPS[bot](story)
            await story.settle()
            await story.check()


@given(scenes=SCENES)
@settings(max_examples=25, derandomize=True, database=None, deadline=None)
async def test_every_story_ends_as_the_oracle_says(empty_sqlite: Path, scenes: list[tuple[str, str]]) -> None:
    with copied(empty_sqlite) as url:
        await play(url, scenes)


@given(scenes=SCENES)
@settings(max_examples=3, derandomize=True, database=None, deadline=None)
async def test_so_does_every_one_on_postgresql(
    postgres: Postgres, empty_postgres_url: str, scenes: list[tuple[str, str]]
) -> None:
    try:
        await play(empty_postgres_url, scenes)
    finally:
        await postgres.clear(empty_postgres_url)


@pytest.mark.long
@given(scenes=SCENES)
@settings(max_examples=120, derandomize=True, database=None, deadline=None)
async def test_so_do_many_more_of_them(empty_sqlite: Path, scenes: list[tuple[str, str]]) -> None:
    with copied(empty_sqlite) as url:
        await play(url, scenes)


async def test_among_three_processes_each_answer_moves_a_request_once(postgres_url: str) -> None:
    async with no_complaints(), housed(postgres_url) as house:
        await house.set_policy(RULES)
        others = [await House(postgres_url, house.world).open() for _ in range(2)]
        houses = [house, *others]
        try:
            house.world.knock(GARDEN, ANA, "hello")
            story = Story(house)
            for turn, text in enumerate(["", "", "By the paper", "", "no", "", ""]):
                if text and story.talk is not None:
                    house.world.say(story.talk, ANA, text)
                for one in houses[turn % 3 :] + houses[: turn % 3]:
                    house.clock.go_on(1)
                    await one.ring()
                    await one.live()
                if story.talk is not None and house.membership(ANA, story.talk) == "invite":
                    house.world.change(story.talk, ANA, ANA, "join")
            [only] = talks(house)
            said = Counter(content["body"].partition("\n")[0] for content in house.said(only))
            assert set(said.values()) == {1}
            assert len(said) == 2
            assert (await house.request(ANA)).state is State.REJECTED
        finally:
            for one in others:
                await one.close()
