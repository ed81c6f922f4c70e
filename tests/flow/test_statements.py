"""What a knock costs the database: so many statements, held here so that they cannot become more unseen."""

from __future__ import annotations

from collections import Counter

import pytest

from knockbot.store import db as store
from tests.flow.house import GARDEN, House
from tests.flow.world import ANA, BEA

LOOKS, CHANGES = "looks", "changes"

ACCEPTED = {
    "sqlite": Counter({LOOKS: 24, CHANGES: 18}),
    "postgres": Counter({LOOKS: 21, CHANGES: 27}),
}
"""For a knock that a rule accepts and nobody is told of: from its event to that of its invite, with what `House` asks
in between whether there is anything to do. What locks rows counts among the changes. Where a statement is saved, lower
the number; where one comes, it has to be worth it."""


async def test_a_knock_that_is_accepted_takes_so_many_statements_and_no_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: Counter[str] = Counter()
    read = store._read

    def count(query: str) -> store._Read:
        counted[LOOKS if read(query).only_looks else CHANGES] += 1
        return read(query)

    async def nothing() -> None:
        """Whether what has ended is forgotten in between is left to chance elsewhere."""

    monkeypatch.setattr(house, "_perhaps_forget_ended", nothing)
    await house.set_policy("otherwise: accept\nannounce: none")
    house.world.knock(GARDEN, BEA)
    await house.live()
    monkeypatch.setattr(store, "_read", count)
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert house.membership(ANA) == "invite"
    assert counted == ACCEPTED["sqlite" if house.db.alone else "postgres"]
