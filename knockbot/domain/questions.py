"""Questions (`questions:` and `asking:` of a policy): what applicants are asked in their conversation, and what follows
where they do not answer; and how their answers are read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from knockbot.documents.reading import Path, duration, found, items, one_of, text, written_duration
from knockbot.documents.schema import Key, Named, form, key, read_keys, table
from knockbot.documents.text import gist, storable, visible, without_variation_selector
from knockbot.domain.model import Verdict
from knockbot.domain.plan import NUMBERS
from knockbot.errors import Fault
from knockbot.times import DAY

MOST: Final = 10
"""Questions of one policy."""

LONGEST: Final = 500
"""Characters of a question."""

LONGEST_CHOICE: Final = 100
"""Characters of the text of a choice."""

MOST_CHOICES: Final = len(NUMBERS)
"""Choices of one question: each has an emoji of its own, 1️⃣ to 9️⃣."""

LONGEST_ANSWER: Final = 1000
"""Characters of an answer."""

QUOTED: Final = 100
"""Characters of a question where something else is about it."""

LONGEST_ASKED: Final = 6 * DAY
"""Milliseconds for which answers are waited for at most. The bot leaves a conversation a day later than that."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers that a question has."""

    name: str
    """What rules call it, in lower case."""
    label: str
    """What the applicant reads."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question. It is the same question in another policy if it has the same words."""

    ask: str
    choices: tuple[Choice, ...] = ()
    """Empty where any text is an answer."""

    def __str__(self) -> str:
        """As it is written in a policy."""
        choices = ", ".join(f"{choice.name}: {choice.label}" for choice in self.choices)
        return f"{self.ask} {{{choices}}}" if choices else self.ask

    @property
    def key(self) -> str:
        """What its answers are stored under."""
        words = [self.ask, *(part for choice in self.choices for part in (choice.name, choice.label))]
        return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]

    @property
    def signs(self) -> tuple[str, ...]:
        """The emoji of its choices."""
        return NUMBERS[: len(self.choices)]

    def label_of(self, answer: str) -> str:
        """An answer as the applicant gave it."""
        return next((choice.label for choice in self.choices if choice.name == answer), answer)


# --- reading a policy ---------------------------------------------------------------------------------------------

_NAME = re.compile(r"(?=.*\w)[\w-]{1,30}")


def _read_name(value: object, path: Path) -> str:
    if not isinstance(value, str) or _NAME.fullmatch(value) is None or value.isdecimal():
        # A name of digits would be taken for the number of a choice.
        raise Fault(
            "expected a name of 1 to 30 letters, digits, - and _, and not of digits alone, found {found}",
            path,
            found=found(value),
        )
    return value.casefold()


def _read_label(value: object, path: Path) -> str:
    return text(value, path, LONGEST_CHOICE).strip()


_CHOICES = Named(_read_name, _read_label)


def _read_choices(value: object, path: Path) -> tuple[Choice, ...]:
    read = _CHOICES(value, path)
    if not 2 <= len(read) <= MOST_CHOICES:
        raise Fault(
            "expected {least} to {most} choices, found {count}", path, least=2, most=MOST_CHOICES, count=len(read)
        )
    words = [word for name, label in read.items() for word in {name, gist(label)}]
    if len(words) != len(set(words)):
        raise Fault("two choices have the same words", path)
    return tuple(Choice(name, label) for name, label in read.items())


def _read_ask(value: object, path: Path) -> str:
    return text(value, path, LONGEST).strip()


_QUESTION = table(Key("ask", _read_ask), Key("choices", _read_choices, ()))


def read_questions(value: object, path: Path) -> tuple[Question, ...]:
    """The questions of a policy, in their order."""
    if value == []:
        return ()
    read: list[Question] = []
    for one, at in items(value, path):
        question = Question(**read_keys(_QUESTION, one, at))
        if question in read:
            raise Fault("another question has the same words", at)
        read.append(question)
    if len(read) > MOST:
        raise Fault("too many questions: {count}, at most {most}", path, count=len(read), most=MOST)
    return tuple(read)


def _within(value: object, path: Path) -> int:
    span = duration(value, path)
    if span > LONGEST_ASKED:
        raise Fault("expected a time of {most} at most", path, most=written_duration(LONGEST_ASKED))
    return span


def _verdict(value: object, path: Path) -> Verdict:
    return Verdict(one_of(value, path, (Verdict.FORWARD, Verdict.REJECT, Verdict.BAN)))


def _read_reason(value: object, path: Path) -> str:
    return text(value, path, LONGEST).strip()


@dataclass(frozen=True, slots=True)
class AskingRule:
    """What follows where somebody does not answer; each field is a key."""

    within: int = key(_within, written="24h")
    """Milliseconds within which they must have answered all questions."""
    unanswered: Verdict = key(_verdict, written="forward")
    unreachable: Verdict = key(_verdict, written="forward")
    """Where they cannot be asked: they refuse invites, have left the conversation, or their server is silent."""
    reason: str | None = key(_read_reason, default=None)
    """What they are told then, if they are rejected or banned."""

    def __str__(self) -> str:
        """As it is written in a policy."""
        said = {one.name: getattr(self, one.name) for one in fields(self)} | {"within": written_duration(self.within)}
        return f"{{{', '.join(f'{name}: {value}' for name, value in said.items() if value is not None)}}}"


_ASKING = form(AskingRule)


def read_asking(value: object, path: Path) -> AskingRule:
    """What a policy says of asking."""
    return _ASKING(value, path)


# --- reading an answer --------------------------------------------------------------------------------------------


def read_answer(choices: Sequence[Choice], said: str) -> str | None:
    """What somebody answers to a question with these choices, or with none: the name of a choice, or their text.

    `None` if it is no answer: none of the choices, nothing that can be seen, or longer than an answer may be.
    """
    if not choices:
        words = storable(said).strip()
        return words if visible(words) and len(words) <= LONGEST_ANSWER else None
    bare = _AROUND.sub("", without_variation_selector(said[:LONGEST_ANSWER].strip()).casefold())
    by_sign = {without_variation_selector(sign): one.name for sign, one in zip(NUMBERS, choices, strict=False)}
    by_number = {str(number): one.name for number, one in enumerate(choices, 1)}
    by_word = {gist(word): one.name for one in choices for word in (one.label, one.name)}
    return by_sign.get(bare) or by_number.get(bare) or by_word.get(gist(bare)) or by_word.get(gist(said))


_AROUND = re.compile(r"^[\s\"'“”„(]+|[\s\"'“”.,!)]+$")
"""Quotation marks and other marks around a word."""
