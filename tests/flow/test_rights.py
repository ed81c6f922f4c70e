"""Whoever acts through the bot does nothing that they could not do by hand: each way to act, each lack, each moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from knockbot.store import rooms
from tests.flow.house import GARDEN, MODS, House
from tests.flow.test_lists import ALIAS, BANS, LIZ, settled
from tests.flow.world import ALICE, ANA, BOT, levels_for

BOB = "@bob:tulip.example"
SPACE = "!space:tulip.example"


async def by_preset(house: House) -> None:
    """Bob took a preset by which people of our server come in."""
    house.tell(f"policy use server {GARDEN}", by=BOB)
    await settled(house)


async def by_rule(house: House) -> None:
    """Bob wrote a rule that accepts."""
    await house.set_policy("otherwise: accept", author=BOB)


async def by_list(house: House, then: str) -> None:
    """Bob's policy names a list, on which Ana is."""
    house.world.room(BANS, "Bans", LIZ, ALICE, BOB, levels=levels_for([LIZ]), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    house.world.list_entity(BANS, LIZ, ANA, reason="ads")
    house.tell(f'policy set {GARDEN}\nlists: [{{room: "{ALIAS}", name: community, then: {then}}}]', by=BOB)
    await settled(house)


async def by_banning_list(house: House) -> None:
    """The list bans."""
    await by_list(house, "ban")


async def by_rejecting_list(house: House) -> None:
    """The list rejects."""
    await by_list(house, "reject")


async def by_inheriting(house: House) -> None:
    """Alice's policy inherits from that of the space, which Bob wrote."""
    house.world.room(SPACE, "Space", ALICE, BOB, BOT, levels=levels_for((ALICE, BOB, BOT)))
    await house.protect(SPACE)
    await house.set_policy("otherwise: accept", SPACE, author=BOB)
    await house.set_policy("inherit: true")
    async with house.db.tx() as tx:
        await rooms.set_space(tx, GARDEN, SPACE)


async def by_approval(house: House) -> None:
    """Bob has approved Ana; the rule that asks is Alice's."""
    await house.set_policy("rules: [{name: friends, when: {pre_approved: true}, then: accept}]")
    house.tell(f"allow {ANA} {GARDEN}", by=BOB)
    await settled(house)


ACTS: dict[Callable[[House], Awaitable[None]], str] = {
    by_preset: "invite",
    by_rule: "invite",
    by_banning_list: "ban",
    by_rejecting_list: "leave",
    by_inheriting: "invite",
    by_approval: "invite",
}
"""Ways to act through the bot, and what becomes of Ana."""


def demoted(house: House) -> None:
    house.world.rooms[GARDEN].levels["users"][BOB] = 0


def left(house: House) -> None:
    house.world.change(GARDEN, BOB, BOB, "leave")


def banned(house: House) -> None:
    house.world.change(GARDEN, ALICE, BOB, "ban")


def bot_demoted(house: House) -> None:
    house.world.rooms[GARDEN].levels["users"][BOT] = 0


def target_rose(house: House) -> None:
    house.world.rooms[GARDEN].levels["users"][ANA] = 60


@dataclass(frozen=True)
class Lack:
    """What is missing, and who is named for it."""

    happens: Callable[[House], None]
    named: str
    hinders: tuple[str, ...] = ("invite", "leave", "ban")


LACKS = {
    "demoted": Lack(demoted, BOB),
    "left": Lack(left, BOB),
    "banned": Lack(banned, BOB),
    "the bot demoted": Lack(bot_demoted, "my power level is 0"),
    "the target rose": Lack(target_rose, BOB, ("leave", "ban")),
}


async def arranged(house: House, act: Callable[[House], Awaitable[None]]) -> None:
    """A garden in which Bob has just the power for it."""
    for room_id in (GARDEN, MODS):
        house.world.change(room_id, ALICE, BOB, "join")
    house.world.rooms[GARDEN].levels |= {"invite": 50, "users": {ALICE: 100, BOT: 100, BOB: 50}}
    await house.live()
    await act(house)
    house.clock.go_on(60)


async def unheard(house: House, lack: Lack) -> None:
    """It happens, and no event tells the bot."""
    house.world.outbox.clear()
    lack.happens(house)
    house.world.outbox.clear()
    house.clock.go_on(11)


def told(house: House) -> str:
    """All that the moderators see."""
    return "\n".join([*(card.text for card in house.cards()), *house.spoken()])


CASES = [(act, lack) for act, effect in ACTS.items() for lack in LACKS if effect in LACKS[lack].hinders]


@pytest.mark.parametrize("act", ACTS)
async def test_with_the_power_for_it_it_is_done(house: House, act: Callable[[House], Awaitable[None]]) -> None:
    await arranged(house, act)
    house.world.knock(GARDEN, ANA)
    await settled(house)
    assert house.membership(ANA) == ACTS[act]


@pytest.mark.parametrize("moment", ["before it is judged", "between judging and the act"])
@pytest.mark.parametrize(("act", "lack"), CASES)
async def test_without_it_nothing_is_done_and_whose_power_is_missing_is_told(
    house: House, act: Callable[[House], Awaitable[None]], lack: str, moment: str
) -> None:
    await arranged(house, act)
    if moment == "before it is judged":
        await unheard(house, LACKS[lack])
        house.context.standings.forget(GARDEN)
        house.world.knock(GARDEN, ANA)
    else:
        house.world.knock(GARDEN, ANA)
        await house.hear()
        await unheard(house, LACKS[lack])
    await settled(house)

    request = await house.request(ANA)
    assert (house.membership(ANA), request.open) == ("knock", True)
    assert LACKS[lack].named in told(house)


@pytest.mark.parametrize(("act", "lack"), CASES)
async def test_what_was_done_stays_done(house: House, act: Callable[[House], Awaitable[None]], lack: str) -> None:
    await arranged(house, act)
    house.world.knock(GARDEN, ANA)
    await settled(house)
    LACKS[lack].happens(house)
    await settled(house)
    assert house.membership(ANA) == ACTS[act]
