"""Criteria about what applicants answer to the questions of the policy."""

# ruff: noqa: ARG002 (every condition is asked in the same way, whether it looks at the facts or not)

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from knockbot.documents.reading import Path, mapping, one_or_more, text, unknown_word, whole_number, yes_or_no
from knockbot.documents.text import gist, judged
from knockbot.domain.criteria.base import NOT_KEPT, Condition, finding, read_pattern
from knockbot.domain.model import Fact, Facts, Finding, Knock, Need, Truth
from knockbot.domain.notices import Notice, Number, because, notices_in
from knockbot.domain.patterns import Pattern
from knockbot.domain.questions import LONGEST_ANSWER, MOST
from knockbot.domain.reasons import either, quoted
from knockbot.errors import Fault

BYTES: Final = 4 * LONGEST_ANSWER
"""The most bytes of an answer that patterns look at."""

UNANSWERED: Final = "unknown.unanswered"
"""The code of the reason why the result of a condition is unknown until the applicant answers."""


@dataclass(frozen=True, slots=True)
class AnswerIs(Condition):
    """The answer to a question is one of some words, or one of the patterns is found in it."""

    question: int
    """Its number in the policy that has the rule, counted from one."""
    words: tuple[str, ...] = ()
    patterns: tuple[Pattern, ...] = ()

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.ANSWERS),)

    @property
    def pattern_size(self) -> int:
        return sum(pattern.size for pattern in self.patterns)

    @property
    def memory(self) -> int:
        return sum(pattern.memory for pattern in self.patterns)

    def cost(self, knock: Knock) -> int:
        return self.pattern_size * BYTES

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.asked is not None and facts.asked.answers is None:
            return NOT_KEPT
        number = Number(self.question)
        answer = self._answer(facts)
        if answer is None:
            return Finding(Truth.UNKNOWN, because(UNANSWERED, question=number))
        if facts.too_costly and self.patterns:
            return Finding(Truth.UNKNOWN, because("finding.answer_too_costly", question=number))
        hit = self._hit(answer)
        if hit is not None:
            return Finding(Truth.TRUE, because("finding.answer_is", question=number, value=quoted(hit)))
        values = either([*self.words, *(pattern.source for pattern in self.patterns)])
        return Finding(Truth.FALSE, because("finding.answer_is_not", question=number, values=values))

    def _answer(self, facts: Facts) -> str | None:
        known = facts.numbered[self.question - 1 : self.question]
        answers = facts.asked.answers if facts.asked is not None else None
        return answers.get(known[0]) if answers and known else None

    def _hit(self, answer: str) -> str | None:
        said = judged(answer)[:LONGEST_ANSWER]
        word = next((word for word in self.words if gist(said) == gist(word)), None)
        return word or next((pattern.source for pattern in self.patterns if pattern.found_in(said)), None)


@dataclass(frozen=True, slots=True)
class HasAnswered(Condition):
    """The applicant has, or has not, answered all questions of the policy."""

    wanted: bool

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.ANSWERS),)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.asked is not None and facts.asked.answers is None:
            return NOT_KEPT
        answered = has_answered_all(facts)
        return finding(answered is self.wanted, because("finding.answered" if answered else "finding.not_answered"))


def has_answered_all(facts: Facts) -> bool:
    """Whether the applicant has answered all questions of the policy."""
    answers = facts.asked.answers if facts.asked is not None else None
    return bool(facts.to_ask) and answers is not None and all(key in answers for key in facts.to_ask)


def waits_for_an_answer(why: Notice) -> bool:
    """Whether something is unknown only until the applicant answers a question."""
    return any(one.code == UNANSWERED for one in notices_in(why))


# --- reading ------------------------------------------------------------------------------------------------------

_KEYS: Final = ("question", "is", "matches")


def read_answer(value: object, path: Path) -> AnswerIs:
    """The condition that a value of `answer` describes."""
    held = mapping(value, path)
    for name in held:
        if name not in _KEYS:
            raise unknown_word(name, _KEYS, (), (*path, name), what="key")
    if "question" not in held:
        raise Fault("missing", (*path, "question"))
    question = whole_number(held["question"], (*path, "question"), MOST, least=1)
    if ("is" in held) is ("matches" in held):
        raise Fault("expected either is or matches beside question", path)
    if "is" in held:
        words = [text(one, at, LONGEST_ANSWER).strip() for one, at in one_or_more(held["is"], (*path, "is"))]
        return AnswerIs(question, tuple(dict.fromkeys(words)))
    patterns = [read_pattern(one, at) for one, at in one_or_more(held["matches"], (*path, "matches"))]
    return AnswerIs(question, patterns=tuple(patterns))


def read_answered(value: object, path: Path) -> HasAnswered:
    """The condition that a value of `answered` describes."""
    return HasAnswered(yes_or_no(value, path))
