"""Order: the events of a room are handled one after the other, and rooms side by side."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from knockbot.demo.people import Person
from tests.journey.conftest import OwnKeeper
from tests.journey.test_durability import EXPECTED, MIXED, Crowd
from tests.keeper import InProcess, block


@pytest.mark.long
async def test_a_burst_over_many_rooms_is_answered_room_by_room_and_once(own_keeper: OwnKeeper) -> None:
    keeper = await own_keeper()
    first = await keeper.plant(MIXED, alone=True)
    gardens = [first] + [await keeper.plant(MIXED, alice=first.alice) for _ in range(5)]
    crowds = [await Crowd.of(garden, 10, ("friend", "stranger", "spam")) for garden in gardens]

    await asyncio.gather(*(crowd.knock() for crowd in crowds))

    for crowd in crowds:
        await crowd.is_answered_once()
        order = [person.user_id for _, person in crowd.people]
        blocks = [block(event) for event in await crowd.garden.said() if block(event)]
        numbers = {one["user_id"]: one["number"] for one in blocks}
        assert [numbers[user_id] for user_id in order] == list(range(1, 11))


async def test_one_applicant_who_changes_their_mind_often_ends_up_as_the_room_says(keeper: InProcess) -> None:
    garden = await keeper.plant(MIXED, alone=True)
    people = [await garden.person(f"fickle{place}") for place in range(4)]

    async def be_fickle(place: int) -> None:
        person = people[place]
        for reason in ("visitor", "visitor again", "yet another visitor"):
            await person.knock(garden.room, reason)
            await person.retract(garden.room)
        await person.knock(garden.room, list(EXPECTED)[place])

    await asyncio.gather(*(be_fickle(place) for place in range(4)))

    for person, membership in zip(people, EXPECTED.values(), strict=True):
        await garden.membership(person, membership)
    await garden.caught_up()
    acts = await garden.acts_of_the_bot()
    assert acts == Counter({(person.user_id, EXPECTED[kind]): 1 for person, kind in answered(people)})


def answered(people: list[Person]) -> list[tuple[Person, str]]:
    """Those of them whom a rule answers, with their kind."""
    return [(person, kind) for person, kind in zip(people, EXPECTED, strict=True) if kind != "visitor"]
