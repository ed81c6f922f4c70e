"""Notices: they come back as they were stored, whatever people wrote; what is no notice breaks nothing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.domain import notices
from knockbot.domain.notices import (
    DEEPEST,
    GREATEST,
    LONGEST,
    MOST_ITEMS,
    UNKNOWN,
    Arg,
    Choice,
    Code,
    Day,
    Foreign,
    Lines,
    Many,
    Moment,
    Notice,
    Number,
    Numbered,
    Room,
    Rule,
    Stranger,
    User,
    below,
    decoded,
    dumps,
    encoded,
    loads,
    notice,
)

pytestmark = pytest.mark.usefixtures("tidy")

TEXTS = st.text(st.characters(), max_size=40)  # NUL and lone surrogates among them
NUMBERS = st.integers(-GREATEST, GREATEST)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
PLAIN: st.SearchStrategy[Arg] = st.one_of(
    st.builds(User, TEXTS),
    st.builds(Room, TEXTS, TEXTS),
    st.builds(Stranger, TEXTS, st.integers(1, 500)),
    st.builds(Foreign, TEXTS),
    st.builds(Code, TEXTS),
    st.builds(Rule, TEXTS),
    st.builds(Choice, TEXTS),
    st.builds(Number, NUMBERS),
    st.builds(Numbered, NUMBERS),
    st.builds(Moment, NUMBERS, TEXTS),
    st.builds(Day, NUMBERS, TEXTS),
)


def _nested(args: st.SearchStrategy[Arg]) -> st.SearchStrategy[Arg]:
    several = st.lists(args, max_size=4).map(tuple)
    return st.one_of(several.map(Many), several.map(Lines), st.builds(Notice, NAMES, st.dictionaries(NAMES, args)))


NOTICES = st.builds(Notice, NAMES, st.dictionaries(NAMES, st.recursive(PLAIN, _nested, max_leaves=12), max_size=5))
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | TEXTS | st.sampled_from(["code", "args", "user", "many"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS | st.sampled_from(["code", "args"]), inner),
)


@given(NOTICES)
def test_a_notice_comes_back_as_it_was_stored(said: Notice) -> None:
    assert loads(dumps(said)) == said
    assert decoded(json.loads(json.dumps(encoded(said)))) == said


@given(NOTICES)
def test_what_is_stored_is_plain_text_for_every_database(said: Notice) -> None:
    stored = dumps(said)
    assert stored.isascii()
    assert "\\u0000" not in stored
    assert not any("\ud800" <= character <= "\udfff" for character in _texts(json.loads(stored)))


def _texts(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(map(_texts, value.values()))
    return "".join(map(_texts, value)) if isinstance(value, list) else str(value)


@given(NOTICES, NOTICES)
def test_notices_are_equal_where_their_texts_are(one: Notice, other: Notice) -> None:
    assert (one == other) == (dumps(one) == dumps(other))
    assert len({one, loads(dumps(one))}) == 1


@given(JSON)
def test_whatever_is_read_is_a_notice(value: object) -> None:
    assert isinstance(decoded(value), Notice)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "",
        "{",
        "It could not be done: an old sentence.",
        "[]",
        '{"code":"a"}',
        '{"code":"No code","args":{}}',
        '{"code":"a","args":{"who":["user"]}}',
        '{"code":"a","args":{"who":["user",7]}}',
        '{"code":"a","args":{"who":["nobody","@a:b"]}}',
        '{"code":"a","args":{"who":"@a:b"}}',
        '{"code":"a","args":{"count":["number",true]}}',
        '{"code":"a","args":{"all":["many"]}}',
        '{"code":"a","args":{"all":["many",["text"]]}}',
        '{"code":"a","args":{"' + "n" * 41 + '":["number",1]}}',
        '{"code":"a","args":{"all":["many",[' + ",".join(['["number",1]'] * (MOST_ITEMS + 1)) + "]]}}",
        '{"code":"a","args":{"all":' * 100 + '{"code":"a","args":{}}' + "}}" * 100,
        "[" * 100_000,
    ],
)
def test_what_is_no_notice_is_unknown(stored: str | None) -> None:
    assert loads(stored) == UNKNOWN


def test_a_long_text_a_great_number_and_a_long_list_are_cut_and_come_back() -> None:
    said = notice(
        "a",
        text=Foreign("x" * (LONGEST + 1)),
        number=Number(10**30),
        all=Many(tuple(Number(i) for i in range(MOST_ITEMS + 1))),
    )
    assert said.args["text"] == Foreign("x" * LONGEST)
    assert said.args["number"] == Number(GREATEST)
    assert said.args["all"] == Many(tuple(Number(i) for i in range(MOST_ITEMS)))
    assert loads(dumps(said)) == said


def test_notices_too_deep_in_each_other_lose_only_the_deepest() -> None:
    said = notice("a")
    for _ in range(DEEPEST * 2):
        said = notice("b", why=Many((said,)), number=Number(1))
    back = loads(dumps(said))
    assert (back.code, back.args["number"]) == ("b", Number(1))
    assert '"unknown"' in dumps(said) or '["many",[]]' in dumps(said)


def test_every_kind_of_argument_has_a_name_where_it_is_stored() -> None:
    kinds = {kind for kind in vars(notices).values() if isinstance(kind, type) and issubclass(kind, notices.Bounded)}
    assert kinds - {notices.Bounded} == set(notices._PLAIN.values())


def test_notices_below_each_other_are_one_and_leave_out_what_is_not_there() -> None:
    assert below(notice("a"), None, notice("b")) == notice("lines", lines=Lines((notice("a"), notice("b"))))
