"""Whom a policy list names is never accepted by a rule: whatever the order of entries, policies, knocks, restarts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knockbot.domain.listed import ListThen
from knockbot.domain.lists import EntityKind
from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from knockbot.matrix.acts import Acts
from knockbot.matrix.homeserver import Homeserver
from knockbot.store import lists, policies
from tests.flow.house import GARDEN, House, housed
from tests.flow.test_lists import ALIAS, BANS, LIZ, open_door, settled
from tests.flow.test_one_request import Story as Killed
from tests.flow.test_one_request import copied, no_complaints
from tests.flow.world import ALICE, ANA, OUT, levels_for
from tests.lab import Postgres

SERVER = "tulip.*"
WITHOUT = "otherwise: accept"


class Story:
    """Somebody knocks while others put them on a list and take them off it; the bot is late, slow, and killed."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.world = house.world
        self.one_policy = True
        """Whether the policy was never changed."""
        self.told = False
        """Whether the list named them when the homeserver last handed over what happened."""
        self._watch()

    def _watch(self) -> None:
        deliver, homeserver = self.house.deliver, self.house.homeserver
        invite, put_state = homeserver.invite, homeserver.put_state

        async def delivered() -> None:
            await deliver()
            async with self.house.db.tx() as tx:
                self.told = self.named and await lists.find(tx, BANS) is not None

        async def look() -> None:
            if not await self.decides():
                return
            async with self.house.db.tx() as tx:
                known = await lists.find(tx, BANS)
            assert known is not None, "nobody is invited before the list is followed"
            assert known.read_at is not None, "nobody is invited before the list was read"
            assert not self.told, "nobody is invited whom the list is known to name"

        async def invited(room_id: str, user_id: str, reason: str | None) -> None:
            await look()
            await invite(room_id, user_id, reason)

        async def invited_with_a_name(room_id: str, event_type: str, *of: Any) -> str:
            if event_type == "m.room.member":
                await look()
            return await put_state(room_id, event_type, *of)

        for held, name, function in (
            (self.house, "deliver", delivered),
            (homeserver, "invite", invited),
            (homeserver, "put_state", invited_with_a_name),
        ):
            setattr(held, name, function)
        self.house.furnish(acts=Acts(cast("Homeserver", homeserver)))

    @property
    def named(self) -> bool:
        """Whether the list names them now."""
        rules = self.world.rooms[BANS].rules.values()
        return any(rule["content"].get("entity") in (ANA, "@ana:*", SERVER) for rule in rules)

    async def decides(self) -> bool:
        """Whether the policy in force lets the list decide."""
        async with self.house.db.tx() as tx:
            current = await policies.current(tx, GARDEN)
        return current is not None and any(one.then is not ListThen.NONE for one in current.settings.lists)

    def set_policy(self, text: str) -> None:
        """A moderator sets another policy."""
        self.one_policy = False
        self.house.tell(f"policy set {GARDEN}\n{text}")

    def knock(self) -> None:
        """They knock, if they can."""
        if self.world.rooms[GARDEN].membership(ANA) in OUT:
            self.world.knock(GARDEN, ANA)

    def leave(self) -> None:
        """They withdraw, or decline."""
        if self.world.rooms[GARDEN].membership(ANA) in ("knock", "invite"):
            self.world.change(GARDEN, ANA, ANA, "leave")

    def unban(self) -> None:
        """A moderator lifts the ban."""
        if self.world.rooms[GARDEN].membership(ANA) == "ban":
            self.world.change(GARDEN, ALICE, ANA, "leave")

    def undo(self) -> None:
        """Nobody is on the list, and nobody is in or out: the story begins anew."""
        for event_type, key in self.world.rooms[BANS].rules:
            self.world.set_rule(BANS, LIZ, event_type, key, {})
        self.unban()
        self.leave()

    def slow(self) -> None:
        """The next reading of the list takes long."""
        self.world.play("policy_rules", Later(foreign("slow"), retry_after=5))

    async def handle_garden_only(self) -> None:
        """What happened is delivered, and the room of the list is not served yet."""
        await self.house.deliver()
        await self.house.work()

    async def die(self) -> None:
        """Killed in the middle of an act, and started again."""
        await Killed(self.house).die(done=False)

    async def end(self) -> None:
        """What is to come comes."""
        self.world.behave()
        await self.house.later(700)
        await self.house.look_everywhere()
        await settled(self.house)
        if self.named and await self.decides():
            assert self.house.membership(ANA) != "invite"
            assert not self.one_policy or self.house.membership(ANA) != "knock"
        assert await self.house.set_aside() == []


Step = Callable[[Story], Awaitable[object] | object]
PEOPLE: dict[str, Step] = {
    "nothing": lambda _: None,
    "ana knocks": lambda s: s.knock(),
    "ana goes": lambda s: s.leave(),
    "ana is unbanned": lambda s: s.unban(),
    "liz lists ana": lambda s: s.world.list_entity(BANS, LIZ, ANA),
    "liz lists all anas": lambda s: s.world.list_entity(BANS, LIZ, "@ana:*"),
    "liz lists her server": lambda s: s.world.list_entity(BANS, LIZ, SERVER, EntityKind.SERVER),
    "liz takes ana off": lambda s: s.world.unlist(BANS, LIZ, ANA),
    "liz takes all anas off": lambda s: s.world.unlist(BANS, LIZ, "@ana:*"),
    "liz takes the server off": lambda s: s.world.unlist(BANS, LIZ, SERVER, EntityKind.SERVER),
    "all is undone": lambda s: s.undo(),
    "the list decides": lambda s: s.set_policy(open_door()),
    "the list asks": lambda s: s.set_policy(open_door("forward")),
    "the list does not decide": lambda s: s.set_policy(open_door("none")),
    "no list is used": lambda s: s.set_policy(WITHOUT),
    "liz lists others": lambda s: [s.world.list_entity(BANS, LIZ, f"@x{n}:*") for n in range(5)],
}
BOT: dict[str, Step] = {
    "away": lambda _: None,
    "delivered": lambda s: s.house.deliver(),
    "delivered, and works": lambda s: s.handle_garden_only(),
    "hears": lambda s: s.house.hear(),
    "works": lambda s: s.house.work(),
    "lives": lambda s: s.house.live(),
    "lives on": lambda s: s.house.later(1),
    "rings": lambda s: s.house.ring(),
    "settles": lambda s: settled(s.house),
    "looks": lambda s: s.house.look_everywhere(),
    "reading is slow": lambda s: s.slow(),
    "is killed": lambda s: s.die(),
}

# What leads to the narrow places happens more often: somebody was judged, and is listed before they are invited.
OFTEN_PEOPLE = [*["ana knocks"] * 6, *["liz lists ana"] * 6, *["all is undone"] * 4]
OFTEN_PEOPLE += [*["the list does not decide"] * 3, *["the list decides"] * 3]
OFTEN_BOT = [*["hears"] * 8, *["delivered, and works"] * 8, *["settles"] * 3]
SCENES = st.lists(
    st.tuples(st.sampled_from([*PEOPLE, *OFTEN_PEOPLE]), st.sampled_from([*BOT, *OFTEN_BOT])), min_size=12, max_size=12
)


async def play(url: str, scenes: list[tuple[str, str]], *, read_late: bool) -> None:
    """One story, from a policy that is set to its end."""
    async with no_complaints(), housed(url) as house:
        house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ]), join_rule="public")
        house.world.aliases[ALIAS] = BANS
        story = Story(house)
        if read_late:
            story.slow()
        house.tell(f"policy set {GARDEN}\n{open_door()}")
        await (house.hear() if read_late else settled(house))
        for people, bot in scenes:
            house.clock.go_on(0.3)
            for step in (PEOPLE[people], BOT[bot]):
                happens = step(story)
                if isinstance(happens, Awaitable):
                    await happens
        await story.end()


NARROW = [
    [("ana knocks", "hears"), ("liz lists ana", "delivered, and works")],
    [("liz lists all anas", "delivered"), ("ana knocks", "delivered"), ("nothing", "lives")],
    [("ana knocks", "delivered"), ("liz lists her server", "delivered"), ("nothing", "lives")],
    [("ana knocks", "hears"), ("liz lists ana", "is killed"), ("nothing", "lives")],
    [("ana knocks", "lives"), ("liz lists ana", "is killed"), ("nothing", "away")],
    [
        ("the list does not decide", "settles"),
        ("liz lists ana", "settles"),
        ("ana knocks", "hears"),
        ("the list decides", "hears"),
        ("nothing", "works"),
    ],
    [
        ("the list does not decide", "settles"),
        ("liz lists ana", "settles"),
        ("ana knocks", "settles"),
        ("the list decides", "is killed"),
    ],
    [
        ("no list is used", "settles"),
        ("liz lists ana", "settles"),
        ("ana knocks", "settles"),
        ("the list asks", "settles"),
    ],
]
"""Stories that pass the narrow places one by one."""


@pytest.mark.parametrize("scenes", NARROW)
@pytest.mark.parametrize("read_late", [False, True])
async def test_nobody_passes_the_narrow_places(ready_url: str, scenes: list[tuple[str, str]], read_late: bool) -> None:
    await play(ready_url, scenes, read_late=read_late)


@given(scenes=SCENES, read_late=st.booleans())
@settings(max_examples=40, derandomize=True, database=None, deadline=None)
async def test_nobody_who_is_listed_is_accepted(
    empty_sqlite: Path, scenes: list[tuple[str, str]], read_late: bool
) -> None:
    with copied(empty_sqlite) as url:
        await play(url, scenes, read_late=read_late)


@given(scenes=SCENES, read_late=st.booleans())
@settings(max_examples=8, derandomize=True, database=None, deadline=None)
async def test_nobody_who_is_listed_is_accepted_on_postgresql(
    postgres: Postgres, empty_postgres_url: str, scenes: list[tuple[str, str]], read_late: bool
) -> None:
    try:
        await play(empty_postgres_url, scenes, read_late=read_late)
    finally:
        await postgres.clear(empty_postgres_url)
