"""A crowd at one door, beside a real homeserver: it shares a card, and each of it is answered by number."""

from __future__ import annotations

from tests.journey.conftest import OwnKeeper


async def test_who_comes_after_a_crowd_shares_a_card_and_is_answered_by_number(
    own_keeper: OwnKeeper, crowds: int
) -> None:
    keeper = await own_keeper()
    garden = await keeper.plant(alone=True)
    people = [await garden.person() for _ in range(crowds + 2)]
    for person in people[:crowds]:
        await person.knock(garden.room)
    alone = [await garden.shown(person, "pending") for person in people[:crowds]]
    for person in people[crowds:]:
        await person.knock(garden.room)
    await keeper.catch_up(garden)
    await garden.command(f"accept {crowds + 2}")

    await garden.membership(people[-1], "invite")
    await keeper.catch_up(garden)
    assert len({card["event_id"] for card in alone}) == crowds
    async with keeper.context.db.tx() as tx:
        rows = await tx.fetch("SELECT card_id FROM requests ORDER BY number")
    cards = [row["card_id"] for row in rows]
    assert len(set(cards[:crowds])) == crowds
    assert set(cards[crowds:]) == {cards[crowds - 1]}
    for person in people[:-1]:
        await garden.membership(person, "knock")
