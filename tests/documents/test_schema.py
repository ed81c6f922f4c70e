"""A table of keys says what may stand in a mapping, what each key holds, and what holds without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import pytest

from knockbot.documents.reading import Path, text, whole_number, yes_or_no
from knockbot.documents.schema import NEEDED, Faults, Form, Key, Named, each, form, key, keys_of, read_keys, table, word
from knockbot.errors import Fault


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


def name(value: object, path: Path) -> str:
    return text(value, path, 20).lower()


def size(value: object, path: Path) -> int:
    return whole_number(value, path, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    size: int = key(size)
    colour: Colour = key(word(Colour, ["green"]), written="red")
    password: str | None = key(name, default=None, secret=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    leaf: Leaf = key(form(Leaf))
    kinds: dict[str, Leaf] = key(Named(name, form(Leaf)))
    old: bool = key(yes_or_no, written=False, name="is")
    planted: int = 0


TREE = form(Tree)


def faults(read: Callable[[object, Path], object], value: object) -> list[tuple[Path, str]]:
    with pytest.raises(Fault) as caught:
        read(value, ())
    return [(fault.path, fault.message) for fault in each(caught.value)]


def test_each_key_is_read_and_what_is_left_out_has_its_default() -> None:
    tree = TREE({"leaf": {"size": 3}, "kinds": {"Oak": {"size": 1, "colour": "blue"}}, "is": True}, ())

    assert tree == Tree(leaf=Leaf(size=3), kinds={"oak": Leaf(size=1, colour=Colour.BLUE)}, old=True)
    assert (tree.leaf.colour, tree.leaf.password, tree.planted) == (Colour.RED, None, 0)


def test_a_part_with_nothing_in_it_is_an_empty_one() -> None:
    assert TREE({"leaf": {"size": 3}, "kinds": None}, ()).kinds == TREE({"leaf": {"size": 3}}, ()).kinds == {}
    assert faults(TREE, {"leaf": None}) == faults(TREE, {}) == [(("leaf", "size"), "missing")]


def test_all_mistakes_are_told_each_with_its_path() -> None:
    written = {"leaf": {"size": "x", "color": "red"}, "kinds": {"oak": {}, "Oak": {"size": 1}, "a": 5}, "is": "yes"}

    assert faults(TREE, written) == [
        (("leaf", "color"), 'unknown key "color"; did you mean "colour"?'),
        (("leaf", "size"), 'expected a whole number from 0 to 9, found "x"'),
        (("kinds", "oak", "size"), "missing"),
        (("kinds", "a"), "expected keys and values, found 5"),
        (("is",), 'expected true or false, found "yes"'),
    ]


def test_two_names_that_mean_the_same_are_a_mistake() -> None:
    written = {"leaf": {"size": 1}, "kinds": {"Oak": {"size": 1}, "oak": {"size": 2}}}

    assert faults(TREE, written) == [(("kinds", "oak"), '"oak" is here a second time, in another spelling')]


@pytest.mark.parametrize("value", [[], 5, "size: 1", True])
def test_what_is_no_mapping_is_told(value: object) -> None:
    [(path, message)] = faults(form(Leaf), value)

    assert (path, message.partition(",")[0]) == ((), "expected keys and values")


def test_one_mistake_is_told_as_it_is_and_several_in_a_line_each() -> None:
    with pytest.raises(Fault) as one:
        read_keys(keys_of(Leaf), {}, ())
    with pytest.raises(Faults, match=r"^missing\nexpected one of red, blue, found 5$"):
        read_keys(keys_of(Leaf), {"colour": 5}, ())

    assert not isinstance(one.value, Faults)


def test_a_word_of_a_later_version_is_told_as_such() -> None:
    assert faults(form(Leaf), {"size": 1, "colour": "green"}) == [(("colour",), '"green" comes in a later version')]


def test_a_secret_is_never_shown_and_the_file_for_it_is_a_known_name() -> None:
    leaf = form(Leaf)({"size": 1, "password": "Hush"}, ())

    assert leaf.password == "hush"
    assert "hush" not in repr(leaf)
    assert faults(form(Leaf), {"size": 1, "pasword_file": "x"})[0][1].endswith('did you mean "password_file"?')


def test_a_table_may_stand_by_itself() -> None:
    rows = table(Key("times", size, 1), Key("from", name, field="since"))

    assert read_keys(rows, {"from": "MAY"}, ()) == {"times": 1, "since": "may"}
    assert (rows["times"].default, rows["from"].default) == (1, NEEDED)


def test_another_reader_reads_the_default_too() -> None:
    shouted = form(Leaf).reading(colour=lambda value, _path: f"{value}!")

    assert shouted({"size": 1}, ()).colour == "red!"
    assert shouted({"size": 1, "colour": "blue"}, ()).colour == "blue!"
    assert form(Leaf)({"size": 1}, ()).colour is Colour.RED


def test_what_is_text_is_known_by_its_default() -> None:
    assert {name: row.is_text for name, row in {**keys_of(Leaf), **keys_of(Tree)}.items()} == {
        "size": True,  # nothing says otherwise
        "colour": True,
        "password": True,
        "leaf": False,
        "kinds": False,
        "is": False,
    }


def test_a_form_leads_to_the_readers_inside() -> None:
    kinds = TREE.inside("kinds")

    assert isinstance(kinds, Named)
    assert isinstance(kinds.inside("any"), Form)
    assert TREE.inside("nothing") is None
