"""What is nearly the name of a room at the beginning of a text, and what is a text."""

from __future__ import annotations

import pytest

from knockbot.chat.nearly import begins_nearly, is_all


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Pondd", "Pond"),
        ("pond! spam", "Pond"),
        ("Lwan", "Lawn"),
        ("at the Pond", "Pond"),
        ("und Pond", "Pond"),
        ("Rose", "Rose Garden"),
        ("RoseGarden spam", "Rose Garden"),
        ("the bar", "The Bar"),
        ("pond spam", "🌷 Pond"),
    ],
)
def test_nearly_a_name(text: str, name: str) -> None:
    assert begins_nearly(text, name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("spam", "Pond"),
        ("not now", "Pond"),
        ("", "Pond"),
        ("the", "Pond"),
        ("spam in Pond", "Pond"),
        ("x", "🌷"),
        ("Rose is late", "Rose Garden"),
    ],
)
def test_a_text(text: str, name: str) -> None:
    assert not begins_nearly(text, name)


@pytest.mark.parametrize(("text", "means_all"), [("all", True), ("Both!", True), ("all are full", False), ("", False)])
def test_a_word_for_all(text: str, means_all: bool) -> None:
    assert is_all(text) is means_all
