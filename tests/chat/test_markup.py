"""What people read: rooms that could be taken for each other are told apart."""

from __future__ import annotations

import pytest

from knockbot.chat.markup import room
from knockbot.domain.labels import labels

HERE, THERE = "!here:a.example", "!there:a.example"


@pytest.mark.parametrize(
    "other",
    [
        "Garden",
        "garden",
        "GARDEN",
        " Garden  ",
        "Gar\u200bden",
        "\u202eGarden",
        "Ｇａｒｄｅｎ",
        "Garden\u3164",
        "Garden\n",
    ],
)
def test_two_rooms_of_one_name_show_their_ids(other: str) -> None:
    called = labels({HERE: "Garden", THERE: other})

    assert called[HERE] == f"Garden ({HERE})"
    assert called[THERE].endswith(f"({THERE})")


def test_blanks_within_a_name_do_not_tell_rooms_apart() -> None:
    assert labels({HERE: "The  Garden", THERE: "the\u00a0garden"})[HERE].endswith(f"({HERE})")


def test_names_that_differ_only_where_nobody_sees_it_do_not_tell_rooms_apart() -> None:
    called = labels({HERE: "x" * 100 + "1", THERE: "x" * 100 + "2"})

    assert room(called[HERE]).plain.endswith(f"… ({HERE})")
    assert room(called[THERE]).plain.endswith(f"… ({THERE})")


@pytest.mark.parametrize("name", [f"Garden ({HERE})", f"Garden {HERE}", HERE, "Garden (!made-up)"])
def test_a_name_does_not_pass_for_the_id_of_another_room(name: str) -> None:
    called = labels({HERE: "Garden", THERE: name})

    assert called == {HERE: "Garden", THERE: f"{name} ({THERE})"}
    assert room(called[THERE]).plain.endswith(f"({THERE})")


def test_a_name_that_nothing_else_has_stands_alone() -> None:
    assert labels({HERE: "Garden!", THERE: THERE}) == {HERE: "Garden!", THERE: THERE}
    assert room("Garden!").plain == "Garden!"
