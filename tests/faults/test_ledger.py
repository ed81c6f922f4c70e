"""What the ledger of the faults calls out of order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.ledger import _out_of_order

GARDEN = SimpleNamespace(room="!garden:x")


def knocked(*names: str) -> list[Any]:
    """They knocked in this order."""
    return [SimpleNamespace(person=SimpleNamespace(user_id=name), garden=GARDEN) for name in names]


def rows(told: str, numbered: str) -> dict[str, Any]:
    """We were told of them in one order, and gave numbers in another."""
    requests = [{"id": n, "room_id": GARDEN.room, "user_id": who, "event_id": who} for n, who in enumerate(numbered)]
    return {"inbox": [{"seq": seq, "event_id": who} for seq, who in enumerate(told)], "requests": requests}


@pytest.mark.parametrize(
    ("told", "numbered", "complaints"),
    [("abc", "abc", 0), ("bac", "abc", 0), ("bac", "bac", 0), ("abc", "bac", 1), ("abc", "cab", 1)],
)
def test_a_number_may_go_against_one_order_and_not_against_both(told: str, numbered: str, complaints: int) -> None:
    assert len(_out_of_order(knocked("a", "b", "c"), rows(told, numbered))) == complaints
