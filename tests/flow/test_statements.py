"""What a knock costs the database: so many statements, held here so that they cannot become more unseen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Knock, Truth, Verdict
from knockbot.flow import judging, rules
from knockbot.store import db as store
from tests.flow.house import GARDEN, House
from tests.flow.test_lists import BANS, LIZ, set_policy
from tests.flow.world import ALICE, ANA, BEA, levels_for

LOOKS, CHANGES = "looks", "changes"

ACCEPTED = {
    "sqlite": Counter({LOOKS: 31, CHANGES: 18}),
    "postgres": Counter({LOOKS: 27, CHANGES: 29}),
}
"""For a knock that a rule accepts and nobody is told of: from its event to that of its invite, with what `House` asks
in between whether there is anything to do. What locks rows counts among the changes. Where a statement is saved, lower
the number; where one comes, it has to be worth it."""


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Counter[str]]:
    """Begins to count statements, when it is called."""
    read = store._read

    def begin() -> Counter[str]:
        counted: Counter[str] = Counter()

        def count(query: str) -> store._Read:
            counted[LOOKS if read(query).only_looks else CHANGES] += 1
            return read(query)

        monkeypatch.setattr(store, "_read", count)
        return counted

    return begin


async def test_a_knock_that_is_accepted_takes_so_many_statements_and_no_more(
    house: House, counting: Callable[[], Counter[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing() -> None:
        """Whether what has ended is forgotten in between is left to chance elsewhere."""

    monkeypatch.setattr(house, "_perhaps_forget_ended", nothing)
    await house.set_policy("otherwise: accept\nannounce: none")
    house.world.knock(GARDEN, BEA)
    await house.live()
    counted = counting()
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert house.membership(ANA) == "invite"
    assert counted == ACCEPTED["sqlite" if house.db.alone else "postgres"]


LISTS = """
lists: [{room: "!bans:tulip.example", name: bans}, {room: "#spam:tulip.example", name: spam}]
otherwise: accept
"""


async def test_a_decision_by_a_policy_with_lists_takes_one_statement_more(
    house: House, counting: Callable[[], Counter[str]]
) -> None:
    """However many lists there are, they are asked about at once; all else is in memory."""
    spam = "!spam:tulip.example"
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.room(spam, "Spam", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases["#spam:tulip.example"] = spam
    took = []
    for policy in ("otherwise: accept", LISTS):
        await set_policy(house, policy)
        await _judged(house, BEA)
        counted = counting()
        judgement = await _judged(house, ANA)
        took.append(counted[LOOKS])
        assert judgement.decision.verdict is Verdict.ACCEPT
        assert counted[CHANGES] == 0

    assert {name: on.truth for name, on in judgement.facts.lists.items()} == {"bans": Truth.FALSE, "spam": Truth.FALSE}
    assert took[1] == took[0] + 1


async def _judged(house: House, user_id: str) -> Judgement:
    in_force = await rules.look_up(house.context, GARDEN)
    return await judging.judge(house.context, in_force, judging.Case(Knock(GARDEN, user_id, "$knock", "hello", None)))
