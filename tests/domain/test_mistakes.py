"""Mistakes in policies as notices: every one that can be found has a code, and so a sentence in each language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from knockbot.chat.catalogue import render
from knockbot.config.policies import read_policy
from knockbot.domain.languages import Language
from knockbot.domain.mistakes import MISTAKES, place, told
from knockbot.domain.notices import Notice
from knockbot.errors import Fault

PACKAGE = Path(__file__).parents[2] / "knockbot"
READERS = (*PACKAGE.glob("documents/*.py"), *PACKAGE.glob("domain/**/*.py"), PACKAGE / "config" / "policies.py")
MODULES = tuple(sorted(str(file.relative_to(PACKAGE)) for file in READERS if "Fault(" in file.read_text()))
"""What reads policies."""

HANDED_ON = frozenset({"template", "error.args[0]", "self.template"})
"""What a call hands on that another one was given."""


def templates(module: str) -> Iterator[str]:
    """The templates of every mistake that a module finds, also where they have a name, or a function chooses."""
    tree = ast.parse((PACKAGE / module).read_text())
    for node in [one for one in ast.walk(tree) if isinstance(one, ast.Call)]:
        found = node.args and _name(node.func) in ("Fault", "_fault", "OverflowError")
        if found and ast.unparse(node.args[0]) not in HANDED_ON:
            yield from _texts(node.args[0], tree)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _texts(node: ast.expr, tree: ast.Module) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        assert isinstance(node.value, str)
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*_texts(node.body, tree), *_texts(node.orelse, tree))
    elif isinstance(node, ast.Call):
        yield from _returned(_name(node.func), tree)
    else:
        named = node.value if isinstance(node, ast.Subscript) else node
        assert isinstance(named, ast.Name), ast.unparse(node)
        yield from _assigned(named.id, tree)


def _returned(function: str, tree: ast.Module) -> Iterator[str]:
    [found] = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.name == function]
    for one in ast.walk(found):
        if isinstance(one, ast.Return) and isinstance(one.value, ast.Constant) and one.value.value is not None:
            yield from _texts(one.value, tree)


def _assigned(name: str, tree: ast.Module) -> Iterator[str]:
    found = list(_values(name, tree))
    assert found, name
    for value in found:
        if isinstance(value, ast.Dict):
            yield from (text for one in value.values for text in _texts(one, tree))
        elif name == "mend":
            yield from _mends(tree)
        elif name == "misplaced":
            yield from _places(tree)
        elif isinstance(value, (ast.Constant, ast.Name, ast.IfExp, ast.Subscript)):
            yield from _texts(value, tree)


def _values(name: str, tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id == name:
                    yield node.value
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = zip(target.elts, node.value.elts, strict=True)
                    yield from (value for one, value in pairs if _name(one) == name)
        if isinstance(node, ast.AnnAssign) and _name(node.target) == name and node.value is not None:
            yield node.value
        if isinstance(node, ast.For) and isinstance(node.target, ast.Tuple) and name in map(_name, node.target.elts):
            yield node.iter


def _mends(tree: ast.Module) -> Iterator[str]:
    [mends] = _values("MENDS", tree)
    assert isinstance(mends, ast.Tuple)
    for row in mends.elts:
        assert isinstance(row, ast.Tuple)
        yield from _texts(row.elts[1], tree)


def _places(tree: ast.Module) -> Iterator[str]:
    [places] = _values("places", tree)
    assert isinstance(places, ast.Tuple)
    for row in places.elts:
        assert isinstance(row, ast.Tuple)
        yield from _texts(row.elts[1], tree)


def plain(said: Notice, language: Language) -> str:
    """What is said, without what keeps clients from making links."""
    return render(said, language).plain.replace("\u2060", "")


@pytest.mark.parametrize("module", MODULES)
def test_every_mistake_has_a_code(module: str) -> None:
    assert [text for text in templates(module) if text not in MISTAKES.values()] == []


def test_every_code_is_of_a_mistake_that_is_found() -> None:
    found = {text for module in MODULES for text in templates(module)}
    assert {code for code, text in MISTAKES.items() if text not in found} == set()


@pytest.mark.parametrize(
    ("policy", "english", "german"),
    [
        (
            "rules: {}",
            'line 1: rules: expected a list, found keys and values; write "- " before each part.',
            'Zeile 1: rules: erwartet wird eine Liste, gefunden: Schlüssel mit Werten; schreib "- " vor jeden Teil.',
        ),
        (
            "rules:\n- { name: 'a: b', when: { usr: x }, then: ban }",
            'line 2: rule "a: b": when.usr: unknown criterion "usr"; did you mean "user"?',
            'Zeile 2: Regel "a: b": when.usr: unbekanntes Kriterium "usr"; meintest du "user"?',
        ),
        (
            "rules:\n- { when: { rejected_before: 2 }, then: ban }",
            "line 2: rule #1: when.rejected_before: expected true or false, found 2; for a number write { times: 2 }.",
            "Zeile 2: Regel #1: when.rejected_before: erwartet wird true oder false, gefunden: 2; für eine Anzahl",
        ),
        (
            "rules:\n- { when: { knocks: { more_than: 3, within: 99999999d } }, then: ban }",
            'line 2: rule #1: when.knocks.within: the time "99999999d" is too long.',
            'Zeile 2: Regel #1: when.knocks.within: die Zeit "99999999d" ist zu lang.',
        ),
        ("otherwise: &x ban", "line 1: anchors are", "Zeile 1: Anker sind"),
        ("dry_run: yes", "line 1: dry_run: expected true or false", "Zeile 1: dry_run: erwartet wird true"),
        (
            "then: ban",
            "line 1: then: this belongs into a rule",
            "Zeile 1: then: das gehört in eine Regel, unter rules.",
        ),
        ("", "line 1: nothing is written here.", "Zeile 1: hier steht nichts."),
        ("[", "line 1: a bracket is never closed.", "Zeile 1: eine Klammer wird nie geschlossen."),
        ("a: {b", "line 1: a bracket is never closed.", "Zeile 1: eine Klammer wird nie geschlossen."),
    ],
)
def test_a_mistake_is_told_whole_in_each_language(policy: str, english: str, german: str) -> None:
    with pytest.raises(Fault) as raised:
        read_policy(policy)
    assert plain(told(raised.value), Language.EN).startswith(english)
    assert plain(told(raised.value), Language.DE).startswith(german)
    assert plain(told(raised.value), Language.EN).rstrip(".") == str(raised.value).rstrip(".")


@pytest.mark.parametrize(
    ("text", "german"),
    [
        ("line 4", "Zeile 4"),
        ('line 4: rule "spam"', 'Zeile 4: Regel "spam"'),
        ('line 4: rule "spam": then', 'Zeile 4: Regel "spam": then'),
        ("line 4: rule #12: when.member_of.#2", "Zeile 4: Regel #12: when.member_of.#2"),
        ("line 4: lists.#1.room", "Zeile 4: lists.#1.room"),
        ("otherwise", "otherwise"),
        ("", ""),
    ],
)
def test_a_place_is_told_in_each_language(text: str, german: str) -> None:
    assert plain(place(text), Language.EN) == text
    assert plain(place(text), Language.DE) == german
