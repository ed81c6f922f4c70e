"""One applicant, two moderators, and a bot that is late, cut off and killed at any point: what always holds."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knockbot.demo.people import until
from knockbot.domain.ids import server_of
from knockbot.domain.jobs import Act
from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.engine.timers import Timers
from knockbot.errors import Later, Never
from knockbot.features.bulk.preview import RUN
from knockbot.features.bulk.proposing import LAPSES
from knockbot.features.claims import claiming
from knockbot.features.deferring import deferring
from knockbot.features.waves.course import ENDS as WAVE_ENDS
from knockbot.flow.ports import PROMPT_KEY
from knockbot.product import TIMERS
from knockbot.store import jobs, waves
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.offered import offers
from tests.flow.replayed import not_replayed
from tests.flow.world import ALICE, ANA, BOT, FAR, OUT
from tests.lab import Postgres

BOB = "@bob:tulip.example"
POLICY = """
rules:
- {name: friends, when: {reason_matches: friend}, then: accept}
- {name: strangers, when: {reason_matches: stranger}, then: reject}
- {name: trolls, when: {reason_matches: troll}, then: ban}
"""

TOLD_ELSEWHERE = f"notify_remote: message\n{POLICY}"

ENDS = {State.JOINED, State.DECLINED, State.REJECTED, State.BANNED, State.WITHDRAWN, State.EXPIRED}

ACTS = ("invite", "kick", "ban", "send", "put_state")


class Story:
    """What happens to one applicant, step by step; whatever cannot happen just now does not."""

    def __init__(self, house: House, who: str = ANA) -> None:
        self.house = house
        self.who = who
        self.world = house.world
        self.accepted: set[str] = set()
        """The knocks that a rule or a moderator said accept to."""
        self.raced = False
        """Whether somebody was quicker than an act of the bot."""
        self.undone = False
        """Whether somebody wanted an answer undone."""
        self.by_hand: set[str] = set()
        """The knocks that a moderator said accept to, or had judged again."""
        self.held: set[str] = set()
        """The knocks that waited for an answer while a wave went on."""

    async def play(self, scene: tuple[str, str, str]) -> None:
        """People do something, something goes wrong, and the bot does its part; what must hold after each scene."""
        for table, name in zip((PEOPLE, TROUBLE, BOT_STEPS), scene, strict=True):
            self.house.clock.go_on(1)
            happens = table[name](self)
            if happens is not None:
                await happens
        await self.check()

    async def end(self) -> None:
        """Everybody behaves, and what is to come comes; then the records are where the room is."""
        self.world.behave()
        self.world.rooms[GARDEN].levels["users"][BOT] = 50
        for _ in range(4):
            await self.house.look_everywhere()
            await self.house.later(3601)
        await self.house.later(8 * 24 * 3600)  # the room made to tell her is left
        await self.courtesies_end()
        await self.check()
        await self.check_the_end()
        async with self.house.db.tx() as tx:
            stages = {row["stage"] for row in await tx.fetch("SELECT DISTINCT stage FROM batches")}
            assert await waves.at(tx, GARDEN) is None
        assert stages <= {"done", "stopped", "declined", "lapsed"}

    async def courtesies_end(self) -> None:
        """The time of every claim and of every deferral is over."""
        kinds = {kind: TIMERS[kind] for kind in (claiming.KIND, deferring.KIND, RUN, LAPSES, WAVE_ENDS)}
        for _ in range(4):
            await Timers(self.house.context, kinds).run_due()
            await self.house.later(11)

    # --- what must hold -------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """At every moment: one outcome, one card, and no invite that nobody gave."""
        await self.note_the_queue()
        for request in await self.house.requests(self.who):
            came = [what for _, what in await self.house.history(request) if what in {*ENDS, State.ACCEPTED}]
            undone = [what for _, what in await self.house.history(request)].count("undone")
            assert len(came) <= 2 + 2 * undone, came
            assert all(before != after for before, after in pairwise(came)), came
            if undone == 0:
                assert len(came) < 2 or came[0] == State.ACCEPTED, came
                assert len(came) < 2 or came[1] != State.ACCEPTED, came
        numbers = [block["number"] for card in self.house.cards() for block in card.blocks]
        assert len(numbers) == len(set(numbers)), f"on two cards: {numbers}"
        async with self.house.db.tx() as tx:
            aims = await jobs.aims(tx, GARDEN, self.who, Act.INVITE)
        assert aims <= self.accepted
        for event in self.world.rooms[GARDEN].past.values():
            content = event["content"]
            invited = event["sender"] == BOT and content["membership"] == "invite"
            if invited and not self.raced:
                replaced = event["unsigned"]["replaces_state"]
                assert replaced in self.accepted or (self.undone and self._was_out(replaced))
                assert replaced not in self.held - self.by_hand, "a rule accepted somebody in a wave"
        assert await self.house.set_aside() == []

    async def note_the_queue(self) -> None:
        """Whom a batch accepts that was confirmed, and who waits in a wave."""
        found = await self.house.requests(self.who)
        async with self.house.db.tx() as tx:
            shown = await tx.fetch(
                "SELECT event_id FROM batch_requests, batches WHERE batch_id = id AND asked AND verdict = 'accept' "
                "AND stage IN ('running', 'done', 'stopped')"
            )
            if await waves.at(tx, GARDEN) is not None:
                self.held |= {one.event_id for one in found if one.awaits_moderators}
        self.accepted |= {row["event_id"] for row in shown}
        self.by_hand |= {row["event_id"] for row in shown}

    def click_batch(self, emoji: str, *, by: str) -> None:
        """Somebody clicks on the newest batch."""
        shown = offers(self.house, "batch")
        if shown:
            self.world.react(MODS, by, shown[-1].event_id, emoji)

    async def runs(self) -> None:
        """The bot lives on for a second, and what is due by the clock is done."""
        kinds = {kind: TIMERS[kind] for kind in (RUN, WAVE_ENDS)}
        for _ in range(3):
            self.house.clock.go_on(0.3)
            await Timers(self.house.context, kinds).run_due()
            await self.house.live()

    def _was_out(self, event_id: str) -> bool:
        """Whether somebody was out of the room by this event, as those are whose rejection is undone."""
        return str(self.world.rooms[GARDEN].past[event_id]["content"]["membership"]) in OUT

    async def check_the_end(self) -> None:
        """Once all is quiet, the newest request says what the room says, and whoever waits has a card that is true."""
        found = await self.house.requests(self.who)
        stands = self.house.membership(self.who)
        assert await self.house.jobs("due", "running", "blocked") == {}
        assert all(request.state in ENDS for request in found[:-1])
        assert not any(request.being_undone for request in found)
        assert await not_replayed(self.house.context) == []
        await self.check_courtesies()
        if stands == "knock" and found[-1].state is not State.EXPIRED:
            newest = found[-1]
            assert newest.awaits_moderators
            assert newest.event_id == self.world.rooms[GARDEN].event_of(self.who)
            [card] = [card for card in self.house.cards() if card.block["number"] == newest.number]
            assert (card.state, card.block["event_id"]) == ("pending", newest.event_id)
        elif found:
            assert found[-1].state is not State.PENDING
            assert stands == "invite" or found[-1].state is not State.ACCEPTED
        for card in self.house.cards():
            states = {request.number: request.state for request in found}
            assert {block["number"]: block["state"] for block in card.blocks} == {
                block["number"]: states[block["number"]] for block in card.blocks
            }

    async def check_courtesies(self) -> None:
        """No claim and no deferral outlives its time; each that came back was told once; each note is on its card."""
        async with self.house.db.tx() as tx:
            written = {row["request_id"] for row in await tx.fetch("SELECT DISTINCT request_id FROM notes")}
            left = [
                *await tx.fetch("SELECT request_id FROM claims UNION ALL SELECT request_id FROM deferrals"),
                *await tx.fetch("SELECT key FROM timers WHERE kind = $1 OR kind = $2", claiming.KIND, deferring.KIND),
            ]
        assert left == []
        shown = "\n".join(card.text for card in self.house.cards())
        assert ("✋" in shown, "⏳" in shown) == (False, False)
        noted = {request.number for request in await self.house.requests(self.who) if request.id in written}
        for card in self.house.cards():
            if len(card.blocks) == 1 and card.block["number"] in noted:
                assert "what alice knows" in card.text
        back = [said["body"] for said in self.house.said() if said["body"].startswith("⏰")]
        asked = [event for event in self.world.rooms[MODS].said if " 2d" in event["content"].get("body", "")]
        assert len(back) <= len(asked)

    # --- what may happen ------------------------------------------------------------------------------------------

    def knock(self, reason: str) -> None:
        """Ana knocks, or knocks again."""
        if self.house.membership(self.who) in OUT:
            event_id = self.world.knock(GARDEN, self.who, reason)
            if "friend" in reason:
                self.accepted.add(event_id)

    def move(self, by: str, membership: str, *, only_from: set[str | None]) -> None:
        """A change of ana's membership that is possible just now."""
        if self.house.membership(self.who) in only_from:
            self.world.change(GARDEN, by, self.who, membership)

    async def answer(self, word: str) -> None:
        """Alice says a word on the newest request, by number, having read the list."""
        found = await self.house.requests(self.who)
        if found:
            if word == "accept":
                self.accepted.add(found[-1].event_id)
                self.by_hand.add(found[-1].event_id)
            self.house.tell(f"{word} {found[-1].number}")

    async def remark(self, word: str, rest: str = "", *, by: str = ALICE) -> None:
        """A moderator does something about the newest request that is no answer."""
        found = await self.house.requests(self.who)
        if found:
            self.house.tell(f"{word} {found[-1].number} {rest}", by=by)

    def click(self, emoji: str) -> None:
        """Alice clicks on the newest card, having read it."""
        cards = self.house.cards()
        if cards:
            if emoji == "✅":
                self.accepted.add(cards[-1].block["event_id"])
                self.by_hand.add(cards[-1].block["event_id"])
            self.house.click(emoji, card=cards[-1])

    async def undo(self, *, by: str) -> None:
        """Alice wants her last answer undone, or Bob the answer to the newest request, whoever gave it."""
        self.undone = True
        found = await self.house.requests(self.who)
        self.house.tell("undo" if by == ALICE or not found else f"undo {found[-1].number}", by=by)

    def confirm(self) -> None:
        """Who is asked whether a member is to be removed says yes."""
        said = [event for event in self.world.rooms[MODS].said if "m.new_content" not in event["content"]]
        asked = [event for event in said if event["content"].get(PROMPT_KEY, {}).get("kind") == "undo"]
        for by in (ALICE, BOB) if asked else ():
            self.world.react(MODS, by, asked[-1]["event_id"], "✅")

    def apply(self) -> None:
        """Alice has those who wait judged again."""
        self.held.clear()
        self.house.tell(f"policy apply {GARDEN}")

    def race(self, happens: Callable[[Story], object]) -> None:
        """Something happens between the bot's next look and its act."""

        def meanwhile() -> None:
            self.raced = True
            happens(self)

        for call in ACTS:
            self.world.play(call, meanwhile=meanwhile)

    def go_wrong(self, error: Exception, *, done: bool = False) -> None:
        """The next act of each kind fails; `done` if only its answer is lost."""
        for call in ACTS:
            if not isinstance(error, Never) or call != "send":
                self.world.play(call, error, done=done)

    async def die(self, *, done: bool) -> None:
        """Killed in the middle of an act, before it took place or after; started again."""
        self.world.behave()
        for call in ACTS:
            self.world.play(call, hang=asyncio.Event(), done=done)
        before = len(self.world.asked(*ACTS))
        await self.house.worker._start_due()

        async def under_way() -> bool:
            return not self.house.worker._running or len(self.world.asked(*ACTS)) > before

        await until(under_way, bool, lambda _: "nothing comes of it")
        await self.house.die()
        self.world.behave()
        self.world.txn_ids.clear()
        await self.house.start_again()

    async def stop_and_start(self) -> None:
        """A clean stop, and a start."""
        await self.house.close()
        await self.house.start_again()

    def lose_events(self) -> None:
        """What has happened since the last delivery is never delivered."""
        self.world.outbox.clear()

    def repeat_events(self) -> None:
        """It is delivered twice."""
        self.world.outbox *= 2

    def deny(self, *servers: str) -> None:
        """The room has these servers kept out, and no others."""
        self.world.set_acl(GARDEN, allow=["*"], deny=list(servers))

    def set_power(self, level: int) -> None:
        """The bot gains or loses power."""
        self.world.set_levels(GARDEN, users={ALICE: 100, BOB: 100, BOT: level})


async def look(story: Story) -> None:
    await story.house.look_everywhere()
    await story.house.hear()


def say(story: Story, command: str) -> None:
    story.house.tell(command)


Step = Callable[[Story], Awaitable[None] | None]

PEOPLE: dict[str, Step] = {
    "ana knocks": lambda s: s.knock("hello"),
    "ana knocks as a friend": lambda s: s.knock("friend"),
    "ana knocks as a stranger": lambda s: s.knock("stranger"),
    "ana knocks as a troll": lambda s: s.knock("troll"),
    "ana goes": lambda s: s.move(s.who, "leave", only_from={"knock", "invite", "join"}),
    "ana joins": lambda s: s.move(s.who, "join", only_from={"invite"}),
    "bob lets her in": lambda s: s.move(BOB, "invite", only_from={"knock", "leave", None}),
    "bob sends her away": lambda s: s.move(BOB, "leave", only_from={"knock", "invite", "join", "ban"}),
    "bob bans her": lambda s: s.move(BOB, "ban", only_from={"knock", "invite", "join", "leave"}),
    "alice clicks yes": lambda s: s.click("✅"),
    "alice clicks no": lambda s: s.click("❌"),
    "alice says accept": lambda s: s.answer("accept"),
    "alice says ban": lambda s: s.answer("ban"),
    "alice undoes what she said": lambda s: s.undo(by=ALICE),
    "bob undoes it": lambda s: s.undo(by=BOB),
    "they say yes to her removal": lambda s: s.confirm(),
    "alice applies the policy": lambda s: s.apply(),
    "alice notes something": lambda s: s.remark("note", "what alice knows"),
    "alice claims it": lambda s: s.remark("claim"),
    "bob claims it": lambda s: s.remark("claim", by=BOB),
    "bob releases it": lambda s: s.remark("release", by=BOB),
    "alice defers it": lambda s: s.remark("defer", "2d"),
    "bob defers it no more": lambda s: s.remark("defer", "off", by=BOB),
    "alice wants all accepted": lambda s: say(s, "accept all"),
    "alice wants all rejected": lambda s: say(s, "reject all"),
    "alice confirms the batch": lambda s: s.click_batch("✅", by=ALICE),
    "alice drops or stops the batch": lambda s: s.click_batch("❌", by=ALICE),
    "bob clicks on the batch": lambda s: s.click_batch("✅", by=BOB),
    "alice begins a wave": lambda s: say(s, f"wave on {GARDEN}"),
    "alice ends the wave": lambda s: say(s, f"wave off {GARDEN}"),
    "the room keeps her server out": lambda s: s.deny(server_of(FAR)),
    "the room lets her server in again": lambda s: s.deny(),
    "nobody does anything": lambda _: None,
}

TROUBLE: dict[str, Step] = {
    "all is well": lambda _: None,
    "events are lost": lambda s: s.lose_events(),
    "events come twice": lambda s: s.repeat_events(),
    "acts are refused": lambda s: s.go_wrong(Never(foreign("they refuse."), code="M_INVITE_BLOCKED")),
    "acts fail": lambda s: s.go_wrong(Later(foreign("no answer"))),
    "answers are lost": lambda s: s.go_wrong(Later(foreign("no answer")), done=True),
    "the homeserver forgets its transactions": lambda s: s.world.txn_ids.clear(),
    "the bot loses its power": lambda s: s.set_power(0),
    "the bot has its power": lambda s: s.set_power(50),
    "ana will be quicker and knock again": lambda s: s.race(lambda s: s.knock("hello")),
    "ana will be quicker and go": lambda s: s.race(lambda s: s.move(s.who, "leave", only_from={"knock"})),
    "bob will be quicker and let her in": lambda s: s.race(lambda s: s.move(BOB, "invite", only_from={"knock"})),
    "bob will be quicker and ban her": lambda s: s.race(lambda s: s.move(BOB, "ban", only_from={"knock"})),
    "an hour passes": lambda s: s.house.clock.go_on(3601),
    "a month passes": lambda s: s.house.clock.go_on(31 * 24 * 3600),
}

BOT_STEPS: dict[str, Step] = {
    "the bot hears and works": lambda s: s.house.live(),
    "the bot lives on": lambda s: s.house.later(100),
    "the bot hears": lambda s: s.house.hear(),
    "the bot works": lambda s: s.house.work(),
    "the bot looks": look,
    "the bot lives for a second": lambda s: s.runs(),
    "the bot is away": lambda _: None,
    "the bot is killed before its act": lambda s: s.die(done=False),
    "the bot is killed after its act": lambda s: s.die(done=True),
    "the bot is stopped and started": lambda s: s.stop_and_start(),
}

# What leads to the narrow places happens more often: knocks upon knocks, and a bot that has heard but not acted yet.
OFTEN_PEOPLE = ["ana knocks", "ana knocks as a friend", "alice clicks yes"]
OFTEN_TROUBLE = ["all is well", "all is well", "answers are lost"]
OFTEN_BOT = ["the bot hears", "the bot hears", "the bot hears and works", "the bot works", "the bot is away"]
SCENES = st.tuples(
    st.sampled_from([*PEOPLE, *OFTEN_PEOPLE]),
    st.sampled_from([*TROUBLE, *OFTEN_TROUBLE]),
    st.sampled_from([*BOT_STEPS, *OFTEN_BOT]),
)
STORIES = st.lists(SCENES, min_size=12, max_size=12)


class Complaints(logging.Handler):
    """What the flow logged with a traceback: an error that nobody thought of."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Note it."""
        if record.exc_info:
            self.heard.append(f"{record.getMessage()}: {record.exc_info[1]!r}")


@asynccontextmanager
async def no_complaints() -> AsyncIterator[None]:
    complaints = Complaints()
    log = logging.getLogger("knockbot")
    log.addHandler(complaints)
    try:
        yield
    finally:
        log.removeHandler(complaints)
    assert complaints.heard == []


async def play(url: str, scenes: list[tuple[str, str, str]], who: str = ANA, policy: str = POLICY) -> None:
    """One story, from a fresh database to its end."""
    async with no_complaints(), housed(url) as house:
        await house.set_policy(policy)
        house.world.room(GARDEN, "Garden", ALICE, BOB, BOT, levels={"users": {ALICE: 100, BOB: 100, BOT: 50}})
        house.world.room(MODS, "Mods", ALICE, BOB, BOT, levels={"users": {ALICE: 100}}, join_rule="invite")
        story = Story(house, who)
        for scene in scenes:
            await story.play(scene)
        await story.end()


@given(scenes=STORIES)
@settings(max_examples=15, derandomize=True, database=None)
async def test_every_story_ends_well(empty_sqlite: Path, scenes: list[tuple[str, str, str]]) -> None:
    with copied(empty_sqlite) as url:
        await play(url, scenes)


@given(scenes=STORIES)
@settings(max_examples=15, derandomize=True, database=None)
async def test_so_does_every_story_of_somebody_from_elsewhere_who_is_told_of_a_rejection(
    empty_sqlite: Path, scenes: list[tuple[str, str, str]]
) -> None:
    with copied(empty_sqlite) as url:
        await play(url, scenes, FAR, TOLD_ELSEWHERE)


COURTESIES = [name for name in PEOPLE if "claims" in name or "releases" in name or "defers" in name or "notes" in name]
"""What moderators do about a request beside answering it."""

COURTEOUS = st.lists(
    st.tuples(
        st.sampled_from([*COURTESIES, *COURTESIES, "ana knocks", "ana goes", "alice clicks no", "alice clicks yes"]),
        st.sampled_from(["all is well", "all is well", "answers are lost", "events come twice", "an hour passes"]),
        st.sampled_from([*BOT_STEPS, *OFTEN_BOT]),
    ),
    min_size=10,
    max_size=10,
)


@given(scenes=COURTEOUS)
@settings(max_examples=15, derandomize=True, database=None)
async def test_no_claim_or_deferral_outlives_its_time_in_any_story(
    empty_sqlite: Path, scenes: list[tuple[str, str, str]]
) -> None:
    with copied(empty_sqlite) as url:
        await play(url, [("ana knocks", "all is well", "the bot hears and works"), *scenes])


@given(scenes=COURTEOUS)
@settings(max_examples=5, derandomize=True, database=None)
async def test_nor_on_postgresql(
    postgres: Postgres, empty_postgres_url: str, scenes: list[tuple[str, str, str]]
) -> None:
    try:
        await play(empty_postgres_url, [("ana knocks", "all is well", "the bot hears and works"), *scenes])
    finally:
        await postgres.clear(empty_postgres_url)


QUEUE = [name for name in PEOPLE if "batch" in name or "wave" in name or "wants all" in name]
"""What moderators do about all who wait."""

QUEUED = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *QUEUE,
                *["alice confirms the batch"] * 2,
                *OFTEN_PEOPLE,
                *COURTESIES,
                *["alice undoes what she said", "bob undoes it", "ana goes", "ana joins"],
            ]
        ),
        st.sampled_from(["all is well", "all is well", "all is well", "answers are lost", "events come twice"]),
        st.sampled_from([*BOT_STEPS, *OFTEN_BOT, *["the bot lives for a second"] * 5]),
    ),
    min_size=10,
    max_size=10,
)


@given(scenes=QUEUED)
@settings(max_examples=15, derandomize=True, database=None, deadline=None)
async def test_batches_waves_and_undo_may_come_in_any_order(
    empty_sqlite: Path, scenes: list[tuple[str, str, str]]
) -> None:
    with copied(empty_sqlite) as url:
        await play(url, [("ana knocks", "all is well", "the bot hears and works"), *scenes])


@given(scenes=QUEUED)
@settings(max_examples=5, derandomize=True, database=None, deadline=None)
async def test_so_they_may_on_postgresql(
    postgres: Postgres, empty_postgres_url: str, scenes: list[tuple[str, str, str]]
) -> None:
    try:
        await play(empty_postgres_url, [("ana knocks", "all is well", "the bot hears and works"), *scenes])
    finally:
        await postgres.clear(empty_postgres_url)


@contextmanager
def copied(empty_sqlite: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        shutil.copy(empty_sqlite, f"{directory}/knockbot.db")
        yield f"sqlite:{directory}/knockbot.db"


@given(scenes=STORIES)
@settings(max_examples=5, derandomize=True, database=None)
async def test_every_story_ends_well_on_postgresql(
    postgres: Postgres, empty_postgres_url: str, scenes: list[tuple[str, str, str]]
) -> None:
    try:
        await play(empty_postgres_url, scenes)
    finally:
        await postgres.clear(empty_postgres_url)


@pytest.mark.long
@pytest.mark.parametrize(("who", "policy"), [(ANA, POLICY), (FAR, TOLD_ELSEWHERE)], ids=["local", "from elsewhere"])
@given(scenes=STORIES)
@settings(max_examples=200, derandomize=True, database=None)
async def test_so_do_many_more_of_them(
    empty_sqlite: Path, who: str, policy: str, scenes: list[tuple[str, str, str]]
) -> None:
    with copied(empty_sqlite) as url:
        await play(url, scenes, who, policy)
