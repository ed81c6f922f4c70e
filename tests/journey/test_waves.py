"""A wave of knocks at a real door: rules accept nobody any more, one message counts, and a restart changes nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.journey.conftest import OwnKeeper
from tests.keeper import Garden, InProcess, words

MANY = 8
"""Who makes a wave here."""

POLICY = f"""
wave: {{knocks: {MANY}, within: 10m, ends_after: 30m}}
otherwise: accept
announce: none
"""


def kind(event: dict[str, Any]) -> str | None:
    found = event["content"].get("org.knockbot.prompt", {}).get("kind")
    return str(found) if found is not None else None


async def on_record(keeper: InProcess) -> int:
    async with keeper.context.db.tx() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM requests"))


async def invited(garden: Garden) -> set[str]:
    return {user_id for user_id, membership in await garden.acts_of_the_bot() if membership == "invite"}


async def test_a_wave_on_a_real_server_is_held_through_a_restart_and_ended_by_hand(own_keeper: OwnKeeper) -> None:
    keeper = await own_keeper()
    garden = await keeper.plant(POLICY, alone=True)
    people = [await garden.person() for _ in range(3 * MANY)]
    await asyncio.gather(*(person.knock(garden.room) for person in people[: 2 * MANY]))
    await garden.heard(lambda event: kind(event) == "wave", what="the digest")
    await keeper.stop()
    await asyncio.gather(*(person.knock(garden.room) for person in people[2 * MANY :]))
    await keeper.start()
    await keeper.catch_up(garden)

    assert await on_record(keeper) == len(people)
    before = await invited(garden)
    assert len(before) <= MANY - 1
    held = [person for person in people if person.user_id not in before]
    async with keeper.context.db.tx() as tx:
        number = await tx.fetchval("SELECT number FROM requests WHERE user_id = $1", held[0].user_id)
    await garden.command(f"accept {number}")
    await garden.membership(held[0], "invite")
    assert await invited(garden) == before | {held[0].user_id}

    await garden.tell(f"wave off {garden.room}")
    over = await garden.heard(lambda event: kind(event) == "wave_over", what="the end")
    assert f"{len(held) - 1} requests wait for you" in words(over)
    await garden.alice.react(garden.mods, over["event_id"], "✅")
    for person in held:
        await garden.membership(person, "invite")
    said = [event for event in await garden.said() if kind(event) == "wave" and "m.new_content" not in event["content"]]
    assert len(said) == 1
