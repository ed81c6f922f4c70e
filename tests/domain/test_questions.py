"""Questions: how a policy writes them, how answers are read, and what the rules make of answers and of silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.domain.judgements import decode, encode
from knockbot.domain.model import Asked, Asking, Decision, Facts, Knock, Verdict
from knockbot.domain.policy import Policy, decide, parse_policy, verdict_paths
from knockbot.domain.questions import AskingRule, Choice, Question, read_answer
from knockbot.domain.reasons import in_words
from knockbot.errors import Fault

KNOCK = Knock("!garden:tulip.example", "@ana:tulip.example", "$knock", reason="hello")
FACTS = Facts(home="tulip.example")
CHOICES = {"yes": "Yes, all", "no": "No"}
QUESTIONS: list[dict[str, Any]] = [{"ask": "Why?"}, {"ask": "Rules?", "choices": CHOICES}]
RULES: list[dict[str, Any]] = [
    {"when": {"answer": {"question": 2, "is": "no"}}, "then": "reject", "reason": "Then not."},
    {"when": {"answer": {"question": 1, "matches": "(?i)alice"}, "answered": True}, "then": "accept"},
    {"when": {"answered": True}, "then": "forward"},
    {"then": "ask"},
]


def policy(**changed: object) -> Policy:
    return parse_policy({"questions": QUESTIONS, "rules": RULES, **changed})


def decided(rules: Policy, *answers: str | None, state: Asking | None = Asking.OPEN) -> Decision:
    keys = [question.key for question in rules.questions]
    given_ = {key: answer for key, answer in zip(keys, answers, strict=False) if answer is not None}
    asked = Asked(state, given_) if state is not None else None
    return decide(KNOCK, replace(FACTS, asked=asked), rules)


# --- how they are written -----------------------------------------------------------------------------------------


def test_questions_are_read_with_their_choices() -> None:
    assert policy().questions == (
        Question("Why?"),
        Question("Rules?", (Choice("yes", "Yes, all"), Choice("no", "No"))),
    )
    assert policy().asking == AskingRule(24 * 3_600_000, Verdict.FORWARD, Verdict.FORWARD, None)


def test_a_question_is_the_same_in_another_policy_if_its_words_are() -> None:
    first, second = policy().questions
    other = policy(questions=[QUESTIONS[1], QUESTIONS[0]], rules=RULES[2:])
    assert [one.key for one in other.questions] == [second.key, first.key]
    assert Question("Rules?", (Choice("yes", "Yes"), Choice("no", "No"))).key != second.key
    assert Question("Rules?").key != second.key


NAME = 'expected a name of 1 to 30 letters, digits, - and _, and not of digits alone, found "1"'

ASKS = {"rules": [{"when": {"answered": True}, "then": "accept"}, {"then": "ask"}]}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"questions": {}}, 'questions: expected a list, found keys and values; write "- " before each part'),
        ({"questions": [{"ask": "x" * 501}]}, "questions.#1.ask: too long: 501 characters, at most 500"),
        ({"questions": [{"ask": " "}]}, "questions.#1.ask: expected text, found none"),
        ({"questions": [{"choices": CHOICES}]}, "questions.#1.ask: missing"),
        ({"questions": [{"ask": "A?"}, {"ask": "A?"}]}, "questions.#2: another question has the same words"),
        (
            {"questions": [{"ask": f"{number}?"} for number in range(11)]},
            "questions: too many questions: 11, at most 10",
        ),
        (
            {"questions": [{"ask": "A?", "choices": {"yes": "Yes"}}]},
            "questions.#1.choices: expected 2 to 9 choices, found 1",
        ),
        (
            {"questions": [{"ask": "A?", "choices": {f"c{number}": str(number) for number in range(10)}}]},
            "questions.#1.choices: expected 2 to 9 choices, found 10",
        ),
        (
            {"questions": [{"ask": "A?", "choices": {"yes": "No", "no": "Nay"}}]},
            "questions.#1.choices: two choices have the same words",
        ),
        (
            {"questions": [{"ask": "A?", "choices": {"1": "No", "no": "Nay"}}]},
            "questions.#1.choices.1: " + NAME,
        ),
        ({"asking": {"within": "7d"}}, "asking.within: expected a time of 6d at most"),
        ({"asking": {"unanswered": "ask"}}, 'asking.unanswered: unknown word "ask"; known: forward, reject, ban'),
        (
            {"asking": {"unreachable": "accept"}},
            'asking.unreachable: unknown word "accept"; known: forward, reject, ban',
        ),
        ({"asking": {"reason": 5}}, "asking.reason: expected text, found 5: put it in quotes"),
        ({"otherwise_third_party": "ask"}, "otherwise_third_party: only those who knock can be asked"),
        ({"rules": [{"then": "ask", "for": "redeemed_invite"}]}, "rule #1: then: only those who knock can be asked"),
        ({"rules": [{"then": "accept"}]}, "rule #1: when: missing"),
        ({"questions": [], "rules": ASKS["rules"][1:]}, "rule #1: then: the policy has no questions"),
        ({"questions": [], "rules": ASKS["rules"][:1]}, "rule #1: when.answered: the policy has no questions"),
        ({"questions": [], "rules": [], "otherwise": "ask"}, "otherwise: the policy has no questions"),
        (
            {"rules": [{"when": {"answer": {"question": 3, "is": "x"}}, "then": "ban"}]},
            "rule #1: when.answer.question: there is no question 3; the policy has 2",
        ),
        (
            {"rules": [{"when": {"answer": {"question": 2, "is": ["no", "nay"]}}, "then": "ban"}]},
            'rule #1: when.answer.is.#2: unknown choice "nay"; known: yes, no',
        ),
        (
            {"rules": [{"when": {"answer": {"question": 1}}, "then": "ban"}]},
            "rule #1: when.answer: expected either is or matches beside question",
        ),
        (
            {"rules": [{"when": {"answer": {"is": "no"}}, "then": "ban"}]},
            "rule #1: when.answer.question: missing",
        ),
        (
            {"rules": [{"when": {"answer": {"question": 1, "are": "no"}}, "then": "ban"}]},
            'rule #1: when.answer.are: unknown key "are"; known: question, is, matches',
        ),
        (
            {"rules": [{"when": {"answered": True}, "then": "accept", "for": "third_party_invite"}]},
            "rule #1: when.answered: answered can judge knocks only, and this rule is for third-party invites",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(changed: Mapping[str, object], message: str) -> None:
    with pytest.raises(Fault) as caught:
        policy(**changed)
    assert str(caught.value) == message


ANSWERED = {"when": {"answered": True}, "then": "forward"}
AGAIN = "whoever has answered all questions would be asked again; write a rule with answered: true before"


@pytest.mark.parametrize(
    ("rules", "otherwise", "place"),
    [
        ([{"then": "ask"}], "forward", "rule #1: then"),
        ([{"then": "ask"}, ANSWERED], "forward", "rule #1: then"),
        (
            [{**ANSWERED, "for": "redeemed_invite", "when": {"local": True}}, {"then": "ask"}],
            "forward",
            "rule #2: then",
        ),
        ([{"when": {"answered": True, "local": True}, "then": "accept"}, {"then": "ask"}], "forward", "rule #2: then"),
        ([{"when": {"answered": True}, "then": "ask"}], "forward", "rule #1: then"),
        ([{"when": {"answer": {"question": 1, "is": "x"}}, "then": "ask"}], "forward", "rule #1: then"),
        ([{"when": {"local": True}, "then": "accept"}], "ask", "otherwise"),
        ([ANSWERED, {"then": "ask"}], "forward", None),
        ([ANSWERED], "ask", None),
        ([{"when": {"answered": False}, "then": "ask"}], "reject", None),
        ([{"when": {"not": {"answered": True}, "local": True}, "then": "ask"}], "reject", None),
        ([{"when": {"any": [{"local": True}, {"answered": True}]}, "then": "accept"}, {"then": "ask"}], "ban", None),
    ],
)
def test_a_policy_that_could_ask_for_ever_is_refused(rules: list[Any], otherwise: str, place: str | None) -> None:
    if place is None:
        assert policy(rules=rules, otherwise=otherwise).asks
        return
    with pytest.raises(Fault) as caught:
        policy(rules=rules, otherwise=otherwise)
    assert str(caught.value) == f"{place}: {AGAIN}"


def test_what_follows_without_answers_is_among_the_verdicts_where_it_asks() -> None:
    asking = {"unanswered": "ban", "unreachable": "reject"}
    assert (Verdict.BAN, ("asking", "unanswered")) in list(verdict_paths(policy(asking=asking)))
    assert Verdict.BAN not in policy(asking=asking, rules=[]).verdicts


# --- how answers are read -----------------------------------------------------------------------------------------

YES_NO = (Choice("yes", "Yes, all"), Choice("no", "No"))


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("yes", "yes"),
        ("YES!", "yes"),
        ("Yes, all", "yes"),
        ("yes,  ALL.", "yes"),
        ("1", "yes"),
        ("2.", "no"),
        ("1️⃣", "yes"),
        ("1\u20e3", "yes"),
        ("“No”", "no"),
        ("(no)", "no"),
        ("3", None),
        ("3️⃣", None),
        ("yes no", None),
        ("", None),
        ("n" * 70_000, None),
    ],
)
def test_a_choice_is_read_from_its_name_its_words_its_number_or_its_emoji(said: str, answer: str | None) -> None:
    assert read_answer(YES_NO, said) == answer


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (" From a friend\n", "From a friend"),
        ("x" * 1000, "x" * 1000),
        ("x" * 1001, None),
        (" \u200b\u2060 ", None),
        ("", None),
        ("a\x00b", "a\ufffdb"),
    ],
)
def test_any_text_of_a_thousand_characters_answers_a_question_without_choices(said: str, answer: str | None) -> None:
    assert read_answer((), said) == answer


@given(st.text(max_size=1200), st.booleans())
def test_no_text_makes_reading_an_answer_raise(said: str, choices: bool) -> None:
    answer = read_answer(YES_NO if choices else (), said)
    assert answer is None or len(answer) <= 1000
    assert not choices or answer in (None, "yes", "no")


# --- what rules make of them --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "state", "verdict", "rule"),
    [
        ((), None, Verdict.ASK, "#4"),
        ((), Asking.OPEN, Verdict.ASK, "#4"),
        (("Alice",), Asking.OPEN, Verdict.ASK, "#4"),
        ((None, "no"), Asking.OPEN, Verdict.REJECT, "#1"),
        ((None, "yes"), Asking.OPEN, Verdict.ASK, "#4"),
        (("I know alice", "yes"), Asking.OPEN, Verdict.ACCEPT, "#2"),
        (("nobody", "yes"), Asking.OPEN, Verdict.FORWARD, "#3"),
        (("Alice",), Asking.UNANSWERED, Verdict.REJECT, "#4"),
        (("Alice", "yes"), Asking.UNANSWERED, Verdict.ACCEPT, "#2"),
        ((), Asking.UNREACHABLE, Verdict.BAN, "#4"),
        ((None, "no"), Asking.UNREACHABLE, Verdict.REJECT, "#1"),
    ],
)
def test_the_first_rule_that_matches_decides_and_what_waits_for_an_answer_is_skipped(
    answers: tuple[str | None, ...], state: Asking | None, verdict: Verdict, rule: str
) -> None:
    rules = policy(asking={"unanswered": "reject", "unreachable": "ban"})
    decision = decided(rules, *answers, state=state)
    assert (decision.verdict, decision.rule) == (verdict, rule)
    assert decision.unknown is None


@pytest.mark.parametrize(
    ("state", "reason", "told", "doubt"),
    [
        (Asking.UNANSWERED, "Please answer.", None, "they did not answer all questions in time"),
        (
            Asking.UNREACHABLE,
            None,
            "I could not ask you my questions. Please allow my invites and knock again.",
            "they cannot be reached for questions",
        ),
    ],
)
def test_without_answers_it_is_said_why(state: Asking, reason: str | None, told: str | None, doubt: str) -> None:
    asking = {"unanswered": "reject", "unreachable": "reject"} | ({"reason": reason} if reason else {})
    decision = decided(policy(asking=asking), state=state)
    assert decision.reason == reason
    assert (in_words(decision.told) if decision.told else None) == told
    assert decision.doubt is not None
    assert in_words(decision.doubt) == doubt


def test_a_rule_says_why_it_is_skipped() -> None:
    decision = decided(policy())
    assert [(miss.rule, in_words(miss.why)) for miss in decision.missed] == [
        ("#1", "question 2 is not answered yet"),
        ("#2", "not all questions are answered"),
        ("#3", "not all questions are answered"),
    ]


def test_what_else_is_unknown_ends_the_search_as_before() -> None:
    rules = policy(rules=[{"when": {"member_of": "#x:tulip.example"}, "then": "accept"}, *RULES])
    assert decided(rules).verdict is Verdict.FORWARD
    assert decided(rules).unknown is not None


def test_an_answer_to_a_question_of_another_policy_is_none() -> None:
    other = policy(questions=[{"ask": "Why?"}, {"ask": "Other rules?", "choices": CHOICES}])
    answers = {question.key: "no" for question in policy().questions}
    decision = decide(KNOCK, replace(FACTS, asked=Asked(Asking.OPEN, answers)), other)
    assert decision.verdict is Verdict.ASK


def test_a_dry_run_would_ask() -> None:
    assert decided(policy(dry_run=True)).verdict is Verdict.ASK  # it is rehearsed where it is judged


def test_answers_are_not_among_the_facts_that_are_stored_and_are_unknown_then() -> None:
    rules = policy()
    facts = replace(FACTS, asked=Asked(Asking.OPEN, {rules.questions[0].key: "my secret"}))
    assert "secret" not in encode(facts)
    again = decide(KNOCK, decode(encode(facts)), rules)
    assert again.verdict is Verdict.FORWARD
    assert again.unknown is not None
    assert decide(KNOCK, decode(encode(FACTS)), rules).verdict is Verdict.ASK


# --- a slow oracle ------------------------------------------------------------------------------------------------


def oracle(answers: tuple[str | None, str | None], state: Asking) -> Verdict:
    """What the policy above says, written down a second time."""
    why, rules = answers
    if rules == "no":
        return Verdict.REJECT
    if why is not None and rules is not None:
        return Verdict.ACCEPT if "alice" in why.lower() else Verdict.FORWARD
    return {Asking.OPEN: Verdict.ASK, Asking.UNANSWERED: Verdict.REJECT, Asking.UNREACHABLE: Verdict.BAN}[state]


@given(
    st.sampled_from([None, "Alice", "alice and bob", "nobody", ""]),
    st.sampled_from([None, "yes", "no"]),
    st.sampled_from(list(Asking)),
)
def test_rules_and_silence_decide_as_a_slow_oracle_says(why: str | None, rules: str | None, state: Asking) -> None:
    asking = {"unanswered": "reject", "unreachable": "ban"}
    assert decided(policy(asking=asking), why, rules, state=state).verdict is oracle((why, rules), state)
