"""What people write as YAML is read as they meant it, or refused with the line that has to be mended."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.documents.yaml import BACKSLASH, LARGEST, dump, read_document, unfenced
from knockbot.errors import Fault

pytestmark = pytest.mark.usefixtures("tidy")

MANY = 100_000


def fault_of(text: str, **limits: int) -> str:
    with pytest.raises(Fault) as caught:
        read_document(text, "p", **limits)
    return str(caught.value)


# --- what is read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-11-21", "2026-11-21"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.2.3", "1.2.3"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("=", "="),
        ("|\n  two\n  lines", "two\nlines"),
        ("#garden:example.org", None),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(written: str, value: object) -> None:
    read = read_document(f"key: {written}").value["key"]

    assert read == value
    assert type(read) is type(value)


def test_a_document_is_plain_values_with_the_keys_in_their_order() -> None:
    document = read_document("b: [1, {c: x}]\na:\n  - y\n")

    assert document.value == {"b": [1, {"c": "x"}], "a": ["y"]}
    assert list(document.value) == ["b", "a"]


@pytest.mark.parametrize("text", ["\ufeffa: 1", "a: 1\r\n", "---\na: 1\n...\n", "# a remark\na: 1"])
def test_what_editors_leave_around_a_document_does_no_harm(text: str) -> None:
    assert read_document(text).value == {"a": 1}


PLACES = """\
# the rules
rules:
  - name: one
  - when:
      server:
        - a
        - b
    then: ban
list: [x,
  y]
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 2),
        (("rules",), 2),
        (("rules", 0), 3),
        (("rules", 0, "name"), 3),
        (("rules", 1), 4),
        (("rules", 1, "when", "server"), 5),
        (("rules", 1, "when", "server", 1), 7),
        (("rules", 1, "then"), 8),
        (("list", 1), 10),
        (("rules", 1, "when", "not", "written"), 4),
        (("absent",), 2),
    ],
)
def test_every_value_knows_its_line_and_what_is_absent_that_of_its_surroundings(
    path: tuple[str | int, ...], line: int
) -> None:
    assert read_document(PLACES, "config.yaml").where(path) == f"config.yaml:{line}"
    assert read_document(PLACES).where(path) == f"line {line}"


def test_a_fault_found_later_is_located_by_its_path() -> None:
    fault = read_document(PLACES, "config.yaml").located(Fault("no such verdict", ("rules", 1, "then")))

    assert str(fault) == "config.yaml:8: no such verdict"


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: &x 2", 'p:2: anchors are not accepted; text that begins with "&" needs quotes'),
        ("a: & b", 'p:1: anchors are not accepted; text that begins with "&" needs quotes'),
        ("a:\n  - *x", 'p:2: aliases are not accepted; text that begins with "*" needs quotes'),
        ("server: *.spam.example", 'p:1: aliases are not accepted; text that begins with "*" needs quotes'),
        ("permissions:\n  *: user", 'p:2: aliases are not accepted; text that begins with "*" needs quotes'),
        ("a: !!str b", 'p:1: tags are not accepted; text that begins with "!" needs quotes'),
        ("room: !abc:example.org", 'p:1: tags are not accepted; text that begins with "!" needs quotes'),
        ("a: !<tag:yaml.org,2002:str> b", 'p:1: tags are not accepted; text that begins with "!" needs quotes'),
        ("a: ! b", 'p:1: tags are not accepted; text that begins with "!" needs quotes'),
        ("!x key: b", 'p:1: tags are not accepted; text that begins with "!" needs quotes'),
        ("a: 1\n<<: {b: 2}", 'p:2: merge keys ("<<") are not accepted'),
        ("a: 1\nb:\n  c: 2\n  c: 3", 'p:4: the key "c" is here a second time (first: line 3)'),
        ('a: 1\n"a": 2', 'p:2: the key "a" is here a second time (first: line 1)'),
        ("a: 1\n---\nb: 2", "p:2: a second document begins here; only one is accepted"),
        ('a: 1\n12: 2\n"12": 3', 'p:3: the key "12" is here a second time (first: line 2)'),
        ("? [a]\n: b", "p:1: a key must be text, and not a list or keys and values"),
        ("a:\n  \u2013 b: 1\n    c: 2", 'p:2: \u2013 is no hyphen: type "- " before each part of a list'),
        ("a:\n\u2022 b: 1", 'p:2: \u2022 is no hyphen: type "- " before each part of a list'),
        ("a:\n  -b: 1\n   c: 2", 'p:2: a blank is missing behind the "-" of "-b"'),
        ("a:\n  - {b: 1\n    c: 2", "p:2: a bracket that begins here is never closed, or a comma is missing in it"),
        ("a: {b: 1 c: 2}", "p:1: a bracket that begins here is never closed, or a comma is missing in it"),
        ("a: 1\nb: x\0", "p:2: the character U+0000 is not accepted"),
        ("a: 1\nb: \x1b[0m", "p:2: the character U+001B is not accepted"),
        ("a: 1\nb: x\u2028c: 2", "p:2: the character U+2028 is not accepted"),
        ("a: \ud800", "p:1: the character U+D800 is not accepted"),
        ('a: 1\nb: "\\0"', f"p:2: the character U+0000 is not accepted; {BACKSLASH}"),
        ('a: "\\bspam"', f"p:1: the character U+0008 is not accepted; {BACKSLASH}"),
        ('a: "\\ud800"', f"p:1: the character U+D800 is not accepted; {BACKSLASH}"),
        ('"\\x07": 1', f"p:1: the character U+0007 is not accepted; {BACKSLASH}"),
        ('a: 1\nb: "\\UFFFFFFFF"', "p:2: not valid YAML: no character has the number in this escape"),
        ('a: "\\U00110000"', "p:1: not valid YAML: no character has the number in this escape"),
        ("%YAML 1.1\n---\na: 1", 'p:1: directives are not accepted; text that begins with "%" needs quotes'),
        ("%YAML 9.9\n---\na: 1", 'p:1: directives are not accepted; text that begins with "%" needs quotes'),
        ("a: 9007199254740992", "p:1: the number 9007199254740992 is too large"),
        ("a: 9" + "9" * 5000, "p:1: the number 99999999999999999999999999999… is too large"),
        ("a: 0x" + "f" * 5000, "p:1: the number 0xfffffffffffffffffffffffffff… is too large"),
        ("a: 1e999", "p:1: the number 1e999 is too large"),
        ("a: .nan", "p:1: .nan is not accepted as a number; put it in quotes if it is text"),
        ("a: -.inf", "p:1: -.inf is not accepted as a number; put it in quotes if it is text"),
        ("", "p:1: nothing is written here"),
        ("# only a remark", "p:1: nothing is written here"),
        ("---", "p:1: nothing is written here"),
        ("null", "p:1: nothing is written here"),
        ("a: 1\nuser: @alice:example.org", 'p:2: text that begins with "@" needs quotes'),
        ("a: `b`", 'p:1: text that begins with "`" needs quotes'),
        ("a: >3 days", 'p:1: text that begins with "|" or ">" needs quotes'),
        ("a: !", 'p:1: tags are not accepted; text that begins with "!" needs quotes'),
        ("a: !<", 'p:1: tags are not accepted; text that begins with "!" needs quotes'),
        ("a: 1\n\tb: 2", "p:2: indent with spaces, not with tabs"),
        (
            "a: 1\n  b: 2",
            'p:2: a ":" where none is possible: begin a new line, or put quotes around text with ":"',
        ),
        (
            "a: b: c",
            'p:1: a ":" where none is possible: begin a new line, or put quotes around text with ":"',
        ),
        ("a: 1\nb", 'p:2: a line that is not "key: value"'),
        ("a: 1\nb: 'x\nc: 2", "p:2: a quotation mark is never closed"),
        ("a: 1\nb: [x, y", "p:2: a bracket is never closed"),
        ("a: 1\nb: { c: #d }\ne: 2", 'p:2: text that begins with "#" needs quotes'),
        ("b:\n  - [x, #y]", 'p:2: text that begins with "#" needs quotes'),
        ("b: [\n  x,\n  #y:z,\n  w\n", "p:1: a bracket is never closed"),
        ("a:\n    b: 1\n  c: 2", "p:3: this line is not indented like those around it"),
        ('a: "\\d+"', 'p:1: a "\\" in double quotes needs another one before it, or single quotes'),
        ("{a: 1}\n}", "p:2: there is something after the end of the document"),
        ("a: [1\nb: 2]", "p:1: a bracket that begins here is never closed, or a comma is missing in it"),
    ],
)
def test_what_is_malformed_ambiguous_or_refused_is_one_line_that_names_the_line(text: str, fault: str) -> None:
    assert fault_of(text) == fault


def test_a_key_may_be_any_text_in_quotes() -> None:
    assert read_document('"12": a\n"*": b\n"@a:b": c\nyes: d').value == {"12": "a", "*": "b", "@a:b": "c", "yes": "d"}


def test_a_key_that_looks_like_a_number_or_a_word_of_yaml_is_text_like_any_other() -> None:
    read = read_document("12: a\n1.50: b\ntrue: c\n-3: d\n~: e").value
    assert read == {"12": "a", "1.50": "b", "true": "c", "-3": "d", "~": "e"}


def test_what_is_nested_too_deeply_is_refused() -> None:
    assert read_document("[" * 32 + "]" * 32).value
    assert fault_of("a:\n  " + "[" * 32 + "]" * 32) == "p:2: nested too deeply: at most 32 levels"
    assert read_document("[" * 11 + "]" * 11, deepest=11).value
    assert fault_of("[" * 12 + "]" * 12, deepest=11) == "p:1: nested too deeply: at most 11 levels"


@pytest.mark.parametrize("deep", ["[" * 10_000, "{a: " * 10_000, "- " * 10_000, "[\n" * 10_000])
def test_ten_thousand_brackets_end_at_the_bound(deep: str) -> None:
    assert "nested too deeply: at most 32 levels" in fault_of(deep)


NO_QUOTATION_MARK = 'is not a quotation mark in YAML: type ", or put " around text that has it'


@pytest.mark.parametrize(
    ("text", "mark", "line"),
    [
        ("a: \u201cban\u201d", "\u201c", 1),
        ("a: 1\nb: \u201eban\u201c", "\u201e", 2),
        ("a: \u2018ban\u2019", "\u2018", 1),
        ("a: \u201dban\u201d", "\u201d", 1),
        ("a: \u201cban", "\u201c", 1),
        ('a: \u201cban"', "\u201c", 1),
        ("a: ban\u201d", "\u201d", 1),
        ("a: [\u201cx, y\u201d]", "\u201c", 1),
        ("a:\n- \u201c*.example\u201d", "\u201c", 2),
        ("\u201ca\u201d: ban", "\u201c", 1),
        ("{\u201ca\u201d: ban}", "\u201c", 1),
    ],
)
def test_a_curly_quotation_mark_in_the_place_of_one_is_a_fault(text: str, mark: str, line: int) -> None:
    assert fault_of(text) == f"p:{line}: {mark} {NO_QUOTATION_MARK}"


@pytest.mark.parametrize("text", ['a: "ban\u201d', 'a: "b\u201d\nc: "d\u201d', 'a: ["b\u201d, "c\u201d]'])
def test_a_quotation_that_a_curly_mark_does_not_close_is_told_so(text: str) -> None:
    assert fault_of(text).endswith(f": \u201d {NO_QUOTATION_MARK}")


@pytest.mark.parametrize(
    "text",
    ["don\u2019t", "the \u201cbest\u201d people", "the users\u2019", "see \u201eRegeln\u201c", "a \u201cb\u201d"],
)
def test_in_the_middle_of_a_text_they_are_text(text: str) -> None:
    assert read_document(f"a: {text}").value == {"a": text}


@pytest.mark.parametrize("quoted", ['"\u201cban\u201d"', "'\u201cban\u201d'", "|-\n  \u201cban\u201d"])
def test_in_quotes_they_are_text(quoted: str) -> None:
    assert read_document(f"a: {quoted}").value == {"a": "\u201cban\u201d"}


def test_text_may_be_as_long_as_said_and_no_longer() -> None:
    assert read_document("x" * 100, longest=100).value == "x" * 100
    assert fault_of("x" * 101, longest=100) == "p: too long: 101 characters, at most 100"
    assert fault_of("x" * 70_000) == "p: too long: 70000 characters, at most 65536"


REPEATED = ("[", "{", "[\n", "{a: ", "- ", "? ", "a: ", "&a ", "*a ", "!", '"', "%", ": ", "[a,")


@pytest.mark.parametrize("text", [again * MANY for again in REPEATED], ids=REPEATED)
def test_a_hundred_thousand_of_anything_is_a_fault_like_any_other(text: str) -> None:
    assert fault_of(text, longest=10 * MANY).startswith("p:")


@given(st.text(alphabet="ab1:-?[]{},&*!|>'\"%@`#~<= \n\t\\\0\u2028U0"))
def test_whatever_is_written_is_a_document_or_a_fault(text: str) -> None:
    with suppress(Fault):
        read_document(text, "p")


# --- what is written ----------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff"))
WORDS = st.sampled_from(
    ["yes", "null", "1_000", "0o7", "0b1", "1e3", ".5", "5.", "12:30", "2026-11-21", "<<", "=", "~"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST, LARGEST)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | WORDS
    | st.text("a #:\n-"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_dumped_reads_back_the_same(value: Any) -> None:
    read = read_document(dump({"value": value}), deepest=100).value["value"]

    assert read == value
    assert not isinstance(value, float) or math.copysign(1, read) == math.copysign(1, value)


def test_a_dump_is_in_block_style_and_never_uses_anchors() -> None:
    twice = ["x"]

    assert dump({"b": twice, "a": twice, "empty": []}) == "b:\n- x\na:\n- x\nempty: []\n"


@pytest.mark.parametrize(
    "message",
    [
        "rules: []\notherwise: ban",
        "```\nrules: []\notherwise: ban\n```",
        "```yaml\nrules: []\notherwise: ban\n```\n",
        "\n  ```yml  \nrules: []\notherwise: ban\n```  ",
        "```rules: []\notherwise: ban```",
        "```yaml\nrules: []\notherwise: ban",
        "rules:\u00a0[]\notherwise: ban",
    ],
)
def test_yaml_in_chat_may_stand_in_a_code_fence(message: str) -> None:
    assert read_document(unfenced(message)).value == {"rules": [], "otherwise": "ban"}


def test_what_stands_after_a_fence_is_not_silently_dropped() -> None:
    with pytest.raises(Fault, match="needs quotes"):
        read_document(unfenced("```yaml\nrules: []\n```\notherwise: ban"))
