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
        "G\u0430rden",
        "\u13c0\u13aa\u13a1\u13a0\u13ac\u2c9a",
        "\U0001f176\U0001f170\U0001f181\U0001f173\U0001f174\U0001f17d",
    ],
)
def test_two_rooms_of_one_name_show_their_ids(other: str) -> None:
    called = labels({HERE: "Garden", THERE: other})

    assert called[HERE] == f"Garden ({HERE})"
    assert called[THERE].endswith(f"({THERE})")


@pytest.mark.parametrize(
    ("one", "other"),
    [("MOD", "M\u039fD"), ("Modern art", "Modem art"), ("AI", "Al"), ("Rust", "\ua4e3\ua4f4\ua4e2\ua4d4")],
)
def test_names_that_look_alike_do_not_tell_rooms_apart(one: str, other: str) -> None:
    assert labels({HERE: one, THERE: other}) == {HERE: f"{one} ({HERE})", THERE: f"{other} ({THERE})"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C", "C++"),
        ("Garden", "Garden (staff)"),
        ("Garden", "Garden staff"),
        ("Garden", "Garden \U0001f33b"),
        ("Cafe", "Caf\u00e9"),
        ("Room 1", "Room 2"),
        ("\U0001f33b", "\U0001f33c"),
    ],
)
def test_names_that_are_alike_only_at_a_glance_do(one: str, other: str) -> None:
    assert labels({HERE: one, THERE: other}) == {HERE: one, THERE: other}


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
