"""Codes: how one is found in a text and hidden in it, whatever people write; its hash, its names, its fact."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.domain import codes
from knockbot.domain.codes import digest, found_in, free_name, is_it, is_name, masked, new_code, normal, written
from knockbot.domain.judgements import decode, encode
from knockbot.domain.model import Brought, LastRejection, Truth, Verdict
from knockbot.domain.notices import because
from knockbot.domain.policy import decide, parse_policy
from knockbot.errors import Fault
from knockbot.times import DAY
from tests.domain.doors import FACTS, KNOCK, told, when

CODE = "7h2k-m9qd-x4tz-b3wc"
PLAIN = "7h2km9qdx4tzb3wc"


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        CODE.upper(),
        f"my code is {CODE}.",
        f"({CODE})",
        f"{CODE}, thank you",
        PLAIN,
        f"code:{PLAIN}",
        CODE.replace("-", "\u2013"),
        CODE.replace("-", " - "),
        f"hello\n{CODE}\nbye",
        f'"{CODE}"',
        *(CODE.replace("-", between) for between in (" ", "_", ".", "/", ", ", "\u200b-", "-\u200b", "\u00ad", "\n")),
        CODE.replace("-", "", 1),
        PLAIN[:8] + "-" + PLAIN[8:],
        f"code-{CODE}",
        f"my code {CODE.replace('-', ' ')} from Anna here",
        "I have 7h2k\u200b-m9qd-x4tz-b3wc",
        "".join(chr(ord(sign) + 0xFEE0) for sign in CODE),
        f"{CODE} {CODE.replace('-', ' ')}",
    ],
)
def test_it_is_found_however_it_is_typed(text: str) -> None:
    assert (PLAIN,) in found_in(text)
    hidden = masked(text, {PLAIN: "choir"})
    assert "[choir]" in hidden
    assert found_in(hidden) == []
    assert "7h2k" not in hidden.lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "internationalize",
        "have been here once",
        "7h2k-m9qd-x4tz",
        f"{PLAIN}a",
        f"x{CODE}",
        "2026-12-24",
        "@ana:tulip.example",
        "0123 4567 8901 2345",
        "DE89 3704 0044 0532 0130",
        "this room will have many more",
        "flat 12B3 unit 4C5D",
        "open from 2020 till 2024",
    ],
)
def test_other_text_is_none(text: str) -> None:
    assert found_in(text) == []
    assert masked(text, {}) == text


def test_signs_that_look_alike_are_the_same() -> None:
    assert normal("OoIiLl10-7h2k-m9qd-x4") == "0011111" + "07h2km9qdx4"
    assert found_in("o1il-0000-0000-0000") == [("0111000000000000",)]


def test_of_very_many_only_a_few_are_tried_and_all_are_hidden() -> None:
    text = " ".join(f"{number:04}-0000-0000-0000" for number in range(600))
    assert len(found_in(text)) == codes.MOST_IN_TEXT
    assert "0000" not in masked(text, {})


@given(st.binary(min_size=16, max_size=16))
def test_a_new_code_is_found_in_each_way_of_writing(chance: bytes) -> None:
    code = new_code(chance)
    for between in ("-", "", " ", " - ", "_", ".", "/", "\u200b-", "\u00ad"):
        assert found_in(code.replace("-", between)) == [(normal(code),)]
    assert written(normal(code)) == code
    assert len(code) == 19


@given(st.text(), st.text())
def test_whatever_is_around_it_a_code_in_blanks_is_hidden(before: str, after: str) -> None:
    hidden = masked(f"{before} {CODE} {after}", {PLAIN: "choir"})
    assert CODE not in hidden


def test_only_a_salted_hash_tells_it() -> None:
    one, other = digest(PLAIN, "00" * 16), digest(PLAIN, "01" * 16)
    assert one != other
    assert is_it(PLAIN, "00" * 16, one)
    assert not is_it(PLAIN, "01" * 16, one)
    assert not is_it("0" * 16, "00" * 16, one)
    assert PLAIN not in one


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("choir", True),
        ("choir-2027", True),
        ("Chöre", True),
        ("2027", False),
        ("", False),
        ("two words", False),
        ("#1", False),
        (PLAIN, False),
        (CODE, False),
        ("a" * 41, False),
        ("yes", False),
        ("OFF", False),
    ],
)
def test_a_name_is_one_word_that_is_no_code(name: str, holds: bool) -> None:
    assert is_name(name) is holds


def test_the_bot_gives_the_first_name_that_is_free() -> None:
    assert free_name(lambda _: False) == "code-1"
    assert free_name({"code-1", "code-2"}.__contains__) == "code-3"


# --- the criterion ----------------------------------------------------------------------------------------------

CHOIR = Brought(Truth.TRUE, "choir")
VOID = Brought(Truth.FALSE, "choir", because("code.used_up"))
NONE = Brought(Truth.FALSE)
UNSURE = Brought(Truth.UNKNOWN, "choir", because("act.not_joined"))


@pytest.mark.parametrize(
    ("value", "found", "truth", "why"),
    [
        (True, CHOIR, Truth.TRUE, 'user brings the code "choir"'),
        ("choir", CHOIR, Truth.TRUE, 'user brings the code "choir"'),
        ("Choir", CHOIR, Truth.TRUE, 'user brings the code "choir"'),
        ("band", CHOIR, Truth.FALSE, 'user brings the code "choir"'),
        (False, CHOIR, Truth.FALSE, 'user brings the code "choir"'),
        (True, VOID, Truth.FALSE, 'user brings the code "choir", which has no effect now (it was used by others)'),
        (True, NONE, Truth.FALSE, "user brings no code"),
        (False, NONE, Truth.TRUE, "user brings no code"),
        ("choir", None, Truth.UNKNOWN, "whether the user brings a code (not checked)"),
    ],
)
def test_it_holds_for_whom_it_should(value: object, found: Brought | None, truth: Truth, why: str) -> None:
    finding = told(when({"code": value}).judge(KNOCK, replace(FACTS, code=found)))
    assert (finding.truth, finding.why.args["words"].text) == (truth, why)  # type: ignore[union-attr]  # `told` makes words


def test_what_cannot_be_known_is_unknown() -> None:
    assert when({"code": True}).judge(KNOCK, replace(FACTS, code=UNSURE)).truth is Truth.UNKNOWN


@pytest.mark.parametrize("value", [3, "two words", [], "", PLAIN])
def test_a_mistake_is_told(value: object) -> None:
    with pytest.raises(Fault):
        when({"code": value})


@pytest.mark.parametrize("found", [CHOIR, VOID, NONE, UNSURE])
def test_the_fact_is_stored(found: Brought) -> None:
    facts = replace(FACTS, code=found)
    assert decode(encode(facts)) == facts


@pytest.mark.parametrize(("found", "rule"), [(CHOIR, "#1"), (UNSURE, "#1"), (VOID, "cooldown"), (NONE, "cooldown")])
def test_who_brings_one_is_in_no_cooldown(found: Brought, rule: str) -> None:
    facts = replace(FACTS, at=10 * DAY, code=found, last_rejection=LastRejection(DAY))
    policy = parse_policy({"cooldown": "7d", "rules": [{"when": {"code": True}, "then": "accept"}]})
    assert decide(KNOCK, facts, policy).rule == rule


def test_it_vouches_for_a_lookalike() -> None:
    data = {"rules": [{"when": {"lookalike": False, "code": True}, "then": "accept"}]}
    assert parse_policy(data).verdicts == {Verdict.ACCEPT, Verdict.FORWARD}


@pytest.mark.parametrize(
    "said",
    [
        "vouch @ana9:lab.test !nPDlE6S8KZ6cjhbSy-rCmds8yBMUp1c17eqwKs_w7-8",
        "https://matrix.to/#/!nPDlE6S8KZ6cjhbSy-rCmds8yBMUp1c17eqwKs_w7-8?via=lab.test",
        "https://matrix.to/#/%21nPDlE6S8KZ6cjhbSy-rCmds8yBMUp1c17eqwKs_w7-8",
        "$nPDlE6S8KZ6cjhbSy-rCmds8yBMUp1c17eqwKs_w7-8",
        "@k4f7_9q2m_7h4v_2t3d:lab.test",
        "#k4f7.9q2m.7h4v.2t3d:lab.test",
        "!k4f79q2m7h4v2t3dAAAA:lab.test",
    ],
)
def test_the_id_of_a_room_or_a_user_is_no_code(said: str) -> None:
    assert found_in(said) == []
    assert masked(said, {}) == said


@pytest.mark.parametrize(
    "said", ["#k4f7 9q2m 7h4v 2t3d", "my code: k4f7 9q2m 7h4v 2t3d, for @ana:lab.test", f"!{CODE}"]
)
def test_beside_an_id_a_code_is_found(said: str) -> None:
    assert found_in(said)
