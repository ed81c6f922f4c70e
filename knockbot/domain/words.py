"""The same text twice: plain, and as HTML that cannot be broken out of; and the pieces sentences are made of.

A sentence is written once, as a template, and its parts are put in: `words("{} knocks at {}", user(…), room(…))`.
What is not made here with `bold`, `code` … is escaped (MarkupSafe). What strangers wrote goes through `shown` first,
which cuts it and strips control and bidi characters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup, escape

from knockbot.domain.text import plain, shown, shown_id

NAME_LIMIT = 60
ID_LIMIT = 255
REASON_LIMIT = 500
"""Characters of a stranger's text that are shown at most."""


@dataclass(frozen=True, slots=True)
class Words:
    """The same text twice: plain, and as HTML."""

    plain: str
    html: Markup

    def __bool__(self) -> bool:
        return bool(self.plain)


def words(template: str, *parts: Words | str | int, **named: Words | str | int) -> Words:
    """Fill a template (a sentence of ours) with parts; whatever is not `Words` is escaped."""
    return Words(
        template.format(*map(_plain, parts), **{name: _plain(part) for name, part in named.items()}),
        escape(template).format(*map(_html, parts), **{name: _html(part) for name, part in named.items()}),
    )


def _plain(part: Words | str | int) -> str:
    return part.plain if isinstance(part, Words) else str(part)


def _html(part: Words | str | int) -> Markup:
    return part.html if isinstance(part, Words) else escape(str(part))


def bold(text: str | int) -> Words:
    """Text that catches the eye."""
    return Words(str(text), Markup("<strong>{}</strong>").format(text))


def rule(name: str) -> Words:
    """A rule of a policy, by its name in quotes: it may be any words. A rule without one goes by its place, #3."""
    return bold(name) if name.startswith("#") else bold(f"“{name}”")


def code(text: str | int) -> Words:
    """Text to be read letter by letter, and copied: user ids, commands."""
    return Words(str(text), Markup("<code>{}</code>").format(text))


def spoiler(text: str, plain: str) -> Words:
    """Text that shows only on a click; `plain` stands in for it where there are no clicks."""
    return Words(plain, Markup('<span data-mx-spoiler="reason">{}</span>').format(text))


def block(text: str) -> Words:
    """A document, as it was written."""
    return Words(text, Markup("<pre><code>{}</code></pre>").format(text))


def lines(parts: Iterable[Words]) -> Words:
    """Words below each other; empty ones are left out."""
    kept = [part for part in parts if part]
    return Words("\n".join(part.plain for part in kept), Markup("<br>").join(part.html for part in kept))


def sentences(*parts: Words) -> Words:
    """Sentences one after the other; empty ones are left out."""
    kept = [part for part in parts if part]
    return Words(" ".join(part.plain for part in kept), Markup(" ").join(part.html for part in kept))


def listed(parts: Sequence[Words]) -> Words:
    """Words as one enumeration."""
    return Words(", ".join(part.plain for part in parts), Markup(", ").join(part.html for part in parts))


NOTHING = Words("", Markup(""))


def identifier(matrix_id: str) -> Words:
    """A Matrix identifier in full, on one line, with nothing in it that cannot be seen."""
    return code(shown_id(matrix_id))


def user(user_id: str) -> Words:
    """A user, always by the full id: names can be anything."""
    return identifier(user_id)


_TOLD_APART = re.compile(r"(?P<name>.*) \((?P<room_id>!.+)\)", re.DOTALL)


def labels(names: Mapping[str, str]) -> dict[str, str]:
    """What people call rooms, by room ID: the name, and the ID as well where the name may be taken for another room."""
    looks = {room_id: _look(name) for room_id, name in names.items()}
    times = Counter(looks.values())
    return {
        room_id: f"{name} ({room_id})" if times[looks[room_id]] > 1 or _shows_an_id(name, room_id, names) else name
        for room_id, name in names.items()
    }


def _look(name: str) -> str:
    """The same for names that people may take for each other: case, blanks and what is not seen do not count."""
    return " ".join(plain(shown(name, NAME_LIMIT)).casefold().split())


def _shows_an_id(name: str, room_id: str, names: Mapping[str, str]) -> bool:
    """Whether a name shows the ID of another room, or ends as if it showed one."""
    return _TOLD_APART.fullmatch(name) is not None or any(other in name for other in names if other != room_id)


def room(label: str) -> Words:
    """A room, by what people call it (`labels`)."""
    told_apart = _TOLD_APART.fullmatch(label)
    if told_apart is None:
        return bold(shown(label, NAME_LIMIT))
    return words("{} ({})", bold(shown(told_apart["name"], NAME_LIMIT)), identifier(told_apart["room_id"]))


def ago(then: int, now: int) -> str:
    """How long ago a moment was, in the largest unit that fits (both in milliseconds)."""
    seconds = max(0, now - then) // 1000
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def moment(at: int) -> str:
    """A moment in UTC, to the minute."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
