"""Which rooms a space has: what it names, what the spaces in it name, within limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from knockbot.domain.spaces import DEEPEST, MOST_ROOMS, SpaceRoom, Stage, reached

TREES: Mapping[str, tuple[Mapping[str, Sequence[str]], Mapping[str, str]]] = {
    "nothing": ({}, {}),
    "its rooms": ({"s": ["a", "b"]}, {"a": "s", "b": "s"}),
    "those of spaces in it": ({"s": ["n"], "n": ["a"]}, {"n": "s", "a": "n"}),
    "the nearest space that names it": ({"s": ["n", "a"], "n": ["a", "b"]}, {"n": "s", "a": "s", "b": "n"}),
    "the nearest one, also where it comes last": ({"s": ["m", "n"], "m": ["o"], "o": ["a"], "n": ["a"]}, {"a": "n"}),
    "itself": ({"s": ["s", "a"]}, {"a": "s"}),
    "a circle": ({"s": ["n"], "n": ["s", "m"], "m": ["n", "a"]}, {"n": "s", "m": "n", "a": "m"}),
    "what nothing in it names": ({"x": ["a"]}, {}),
}


@pytest.mark.parametrize("case", TREES)
def test_a_space_reaches(case: str) -> None:
    children, expected = TREES[case]
    found = reached("s", children, {})
    assert {room: parent for room, parent in found.items() if room in expected} == expected
    assert case.startswith("the nearest one, also") or found == expected


def test_a_room_that_was_replaced_is_the_one_that_took_its_place() -> None:
    assert reached("s", {"s": ["old"], "new": ["a"]}, {"old": "new"}) == {"new": "s", "a": "new"}
    assert reached("new", {"new": ["old", "a"]}, {"old": "new"}) == {"a": "new"}


@pytest.mark.parametrize(("deep", "many"), [(DEEPEST, DEEPEST), (DEEPEST + 1, DEEPEST), (100, DEEPEST)])
def test_spaces_in_each_other_are_followed_so_deep(deep: int, many: int) -> None:
    chain = {f"s{number}": [f"s{number + 1}"] for number in range(deep)}
    assert len(reached("s0", chain, {})) == many


@pytest.mark.parametrize(("named", "many"), [(MOST_ROOMS, MOST_ROOMS), (MOST_ROOMS + 1, MOST_ROOMS)])
def test_so_many_rooms_are_followed(named: int, many: int) -> None:
    assert len(reached("s", {"s": [f"r{number}" for number in range(named)]}, {})) == many


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("is_space", [True, False])
def test_only_a_protected_space_is_read(stage: Stage, is_space: bool) -> None:
    room = SpaceRoom("s", "n", stage, is_space=is_space)
    assert room.is_followed is (is_space and stage is Stage.PROTECTED)
