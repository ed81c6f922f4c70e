"""Reason templates: what a policy may name, and what the words of a moderator mean."""

from __future__ import annotations

import pytest

from knockbot.config.policies import read_known_policy
from knockbot.domain.policy import SETTINGS
from knockbot.domain.templates import LONGEST, MOST, Template, named, nearly_named
from knockbot.errors import Fault

RULES = Template("rules", "Please read our rules first.")
LATER = Template("not-now", "We are full. Knock again in June.")


def test_templates_keep_their_order_and_their_texts_lose_blanks_around() -> None:
    policy = read_known_policy(
        "templates:\n  Rules: '  Please read our rules first. '\n  not-now: >\n    We are full. Knock again in June.\n"
    )
    assert policy.templates == (RULES, LATER)
    assert SETTINGS.decode(SETTINGS.encode(policy.settings)).templates == policy.templates


@pytest.mark.parametrize("text", ["otherwise: forward", "templates: {}", "templates:"])
def test_there_may_be_none(text: str) -> None:
    assert read_known_policy(text).templates == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("templates: [rules]", "expected"),
        ("templates: {rules: 5}", "expected text, found 5"),
        ("templates: {rules: ''}", "expected text, found none"),
        ("templates: {'a b': text}", "expected a name of 1 to 20 letters"),
        ("templates: {'12': text}", "not of digits alone"),
        ("templates: {'-': text}", "expected a name of 1 to 20 letters"),
        (f"templates: {{{'x' * 21}: text}}", "expected a name of 1 to 20 letters"),
        (f"templates: {{rules: {'x' * (LONGEST + 1)}}}", f"too long: {LONGEST + 1} characters"),
        ("templates: {Rules: one, rules: two}", "a second time, in another spelling"),
        ("templates: {" + ", ".join(f"t{n}: text" for n in range(MOST + 1)) + "}", f"too many templates: {MOST + 1}"),
    ],
)
def test_a_mistake_is_named(text: str, complaint: str) -> None:
    with pytest.raises(Fault, match="templates") as raised:
        read_known_policy(text)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("rules", RULES),
        (" RULES ", RULES),
        ("not-now", LATER),
        ("“rules”", RULES),
        ("„rules“", RULES),
        ('"rules".', RULES),
        ("rules!", RULES),
        ("(rules)", RULES),
        ("*rules*", RULES),
        ("rules?", RULES),
        ("template rules", RULES),
        ('Vorlage "rules"', RULES),
        ("1️⃣", RULES),
        ("(1️⃣)", RULES),
        ("2\u20e3", LATER),
        ("3️⃣", None),
        ("2", None),
        ("rules please", None),
        ("not now", None),
        ("rule", None),
        ("", None),
    ],
)
def test_only_a_name_or_an_emoji_by_itself_means_a_template(words: str, meant: Template | None) -> None:
    assert named((RULES, LATER), words) == meant


@pytest.mark.parametrize(
    ("words", "near"),
    [
        ("rules", "rules"),
        ("rule", "rules"),
        ("ruels", "rules"),
        ("not_now.", "not-now"),
        ("7️⃣", "7\u20e3"),
        ("rulse", "rules"),
        ("(7️⃣)", "7\u20e3"),
        ("rules are rules", None),
        ("template", None),
        ("spam", None),
        ("Sorry", None),
        ("", None),
    ],
)
def test_a_word_that_is_nearly_a_name_is_noticed(words: str, near: str | None) -> None:
    assert nearly_named(["rules", "not-now"], words) == near


@pytest.mark.parametrize(
    ("words", "near"), [("t2", "t1"), ("fqa", "faq"), ("on", "no"), ("nothing", None), ("a", None)]
)
def test_of_short_names_one_slip_is_noticed(words: str, near: str | None) -> None:
    assert nearly_named(["t1", "faq", "no"], words) == near
