"""What the ledger of the faults calls out of order, and what it waits for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.ledger import Ledger, _out_of_order

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


@pytest.mark.parametrize(("kind", "waits"), [("list_hits", True), ("list_moved", True), ("stale", False)])
async def test_it_is_not_over_while_a_list_has_yet_to_be_read(
    monkeypatch: pytest.MonkeyPatch, kind: str, waits: bool
) -> None:
    async def records(_: Ledger) -> dict[str, Any]:
        return {"inbox": [], "jobs": [], "requests": [], "timers": [{"key": f"{kind}:!bans:x", "kind": kind}]}

    monkeypatch.setattr(Ledger, "records", records)
    assert bool(await Ledger("sqlite:none").what_is_missing()) is waits
