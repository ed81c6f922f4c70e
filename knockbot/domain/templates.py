"""Reason templates (`templates:` of a policy): short names for texts that moderators often send to applicants."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from knockbot.documents.reading import Path, found, text
from knockbot.documents.schema import Named
from knockbot.domain.plan import NUMBERS
from knockbot.errors import Fault

MOST: Final = len(NUMBERS)
"""Templates of one policy: each has an emoji of its own, 1️⃣ to 9️⃣."""

LONGEST: Final = 500
"""Characters of the text of a template."""

_NAME = re.compile(r"[\w-]{1,20}")


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
            f"expected a name of 1 to 20 letters, digits, - and _, and not of digits alone, found {found(value)}", path
        )
    return value.casefold()


def _read_text(value: object, path: Path) -> str:
    return text(value, path, LONGEST).strip()


_READ = Named(_read_name, _read_text)


def read_templates(value: object, path: Path) -> tuple[Template, ...]:
    """The templates that a policy names, in their order."""
    read = _READ(value, path)
    if len(read) > MOST:
        raise Fault(f"too many templates: {len(read)}, at most {MOST}", path)
    return tuple(Template(name, words) for name, words in read.items())


def text_of(templates: Sequence[Template], words: str) -> str:
    """The text that is meant by the words of a moderator: that of the template with this name, or the words as they
    are."""
    named = words.strip().casefold()
    return next((one.text for one in templates if one.name == named), words)
