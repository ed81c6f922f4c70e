"""Reason templates (`templates:` of a policy): short names for texts that moderators often send to applicants."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from knockbot.documents.reading import Path, found, text
from knockbot.documents.schema import Named
from knockbot.documents.text import without_variation_selector
from knockbot.domain.plan import NUMBERS
from knockbot.errors import Fault

MOST: Final = len(NUMBERS)
"""Templates of one policy: each has an emoji of its own, 1️⃣ to 9️⃣."""

LONGEST: Final = 500
"""Characters of the text of a template."""

_NAME = re.compile(r"(?=.*\w)[\w-]{1,20}")


@dataclass(frozen=True, slots=True)
class Template:
    """One template."""

    name: str
    """In lower case."""
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


def _read_name(value: object, path: Path) -> str:
    if not isinstance(value, str) or _NAME.fullmatch(value) is None or value.isdecimal():
        # A name of digits would be taken for the number of a request.
        raise Fault(
            "expected a name of 1 to 20 letters, digits, - and _, and not of digits alone, found {found}",
            path,
            found=found(value),
        )
    return value.casefold()


def _read_text(value: object, path: Path) -> str:
    return text(value, path, LONGEST).strip()


_READ = Named(_read_name, _read_text)


def read_templates(value: object, path: Path) -> tuple[Template, ...]:
    """The templates that a policy names, in their order."""
    read = _READ(value, path)
    if len(read) > MOST:
        raise Fault("too many templates: {count}, at most {most}", path, count=len(read), most=MOST)
    return tuple(Template(name, words) for name, words in read.items())


def named(templates: Sequence[Template], words: str) -> Template | None:
    """The template that the words of a moderator name, by its name or its emoji; quotes and a mark behind it do not
    matter."""
    said = _bare(words)
    by_sign = dict(zip(_SIGNS, templates, strict=False))
    return by_sign.get(said) or next((one for one in templates if one.name == said), None)


def nearly_named(names: Iterable[str], words: str) -> str | None:
    """The name that the words of a moderator are, or nearly are: probably they are not meant as a text."""
    said = _bare(words)
    if said in _SIGNS:
        return said
    if _NAME.fullmatch(said) is None:
        return None
    known = list(names)
    near = difflib.get_close_matches(said, known, n=1, cutoff=NEAR) or [one for one in known if _one_slip(said, one)]
    return near[0] if near else None


def _one_slip(said: str, name: str) -> bool:
    """Whether a word differs from a name in one letter, or in the order of its letters: short words are less alike."""
    different = sum(one != other for one, other in zip(said, name, strict=False))
    return len(said) == len(name) > 1 and (different == 1 or sorted(said) == sorted(name))


NEAR = 0.75
"""How alike a word and a name have to be, from 0 to 1 (`difflib`)."""

_SIGNS = tuple(map(without_variation_selector, NUMBERS))


def _bare(words: str) -> str:
    """A name or an emoji without what may stand around it."""
    said = without_variation_selector(words.strip().casefold())
    sign = _AROUND_SIGN.sub("", said)
    bare = _AROUND.sub("", said)
    return sign if sign in _SIGNS else _CALLED.sub("", bare) or bare or said


_AROUND_SIGN = re.compile(r"^[^\w]+|[^\w\u20e3]+$")
_AROUND = re.compile(r"^[^\w]+|[^\w-]+$")
"""Quotation marks, brackets and other marks."""

_CALLED = re.compile(r"^(template|vorlage)\s+\W*")
"""The word that some put before a name."""
