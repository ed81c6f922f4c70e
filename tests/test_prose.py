"""No sentence is stored but what people wrote: none goes to what writes, and each code has its sentence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from knockbot.domain.conversations import Unsaid
from knockbot.domain.invites import Fall
from knockbot.domain.reasons import SENTENCES
from knockbot.domain.records import Recorded
from tests.cases import case
from tests.documentation import PACKAGE, parsed

FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if "demo" not in file.parts]

STORES = frozenset(file.stem for file in (PACKAGE / "store").glob("*.py"))
"""The modules whose functions write."""

STORING = frozenset({"finish", "overtake", "trouble", "record", "record_of_room", "withdraw_answer"})
"""What else stores a reason; and errors, since what they say is stored with what failed."""

ERRORS = frozenset({"Busy", "Later", "Malformed", "Never", "Overtaken", "SetAside", "Unreadable"})


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _stores(node.func):
            yield node


def _stores(called: ast.expr) -> bool:
    match called:
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return module in STORES or name in STORING
        case ast.Name(id=name):
            return name in STORING | ERRORS
    return False


def is_prose(argument: ast.expr) -> bool:
    """Whether this is text with words in it; ids and keys have none, or a colon before the first."""
    match argument:
        case ast.Constant(value=str(text)):
            return " " in text
        case ast.JoinedStr(values=parts):
            return any(isinstance(part, ast.Constant) and re.search(r"[a-z] [a-z]", str(part.value)) for part in parts)
    return False


def test_no_sentence_is_handed_to_what_stores() -> None:
    found = [
        f"{file.relative_to(PACKAGE)}: {ast.unparse(call)}"
        for file in FILES
        for call in calls(parsed(file))
        for argument in [*call.args, *(word.value for word in call.keywords)]
        if is_prose(argument)
    ]

    assert found == []


def test_a_sentence_that_is_handed_to_what_stores_would_be_found() -> None:
    tree = ast.parse("jobs.block(tx, 1, 'my power is too low')\nraise Never(f'no answer of {server} yet')")

    assert [any(map(is_prose, call.args)) for call in calls(tree)] == [True, True]


# --- codes and their sentences ------------------------------------------------------------------------------------


def codes() -> set[str]:
    """The codes of all reasons that are made somewhere, where the code stands in the call."""
    found = set()
    for file in FILES:
        for node in ast.walk(parsed(file)):
            match node:
                case ast.Call(func=ast.Name(id="because"), args=[ast.Constant(value=str(code)), *_]):
                    found.add(code)
    return found


def test_each_reason_has_its_sentence() -> None:
    known = {name for code in SENTENCES for name in (code, code.partition("/")[0])}

    assert codes() - {"lines", "unknown"} - known == set()


def test_each_kind_of_record_has_its_sentence() -> None:
    for kind in Recorded:
        choices = {f"record.{kind}/{one}" for one in (Unsaid if kind is Recorded.NOT_TOLD else Fall)}
        with case(kind):
            assert f"record.{kind}" in SENTENCES or choices <= {*SENTENCES}


def test_each_sentence_is_used() -> None:
    written = "\n".join(file.read_text(encoding="utf-8") for file in FILES if file.name != "reasons.py")
    made = {f"record.{kind}" for kind in Recorded} | HELD
    composed = re.compile(r"finding\.\w+|doubt\.keys_\w+")
    unused = [
        code
        for code in SENTENCES
        if f'"{code.partition("/")[0]}"' not in written
        and code.partition("/")[0] not in made
        and not composed.fullmatch(code)
    ]

    assert unused == []


HELD = {"foreign", "lines", "people", "people.more", "people.of_server", "secret", "quoted", "unknown"} | {
    "values.or",
    "values.or_more",
}
"""What `reasons.py` and `notices.py` make themselves."""
