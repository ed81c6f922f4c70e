"""The same text twice: plain, and as HTML that cannot be broken out of; and the pieces sentences are made of.

A sentence is written once, as a template, and its parts are put in: `words("{} knocks at {}", user(…), room(…))`.
What is not made here with `bold`, `code` … is made harmless (`text.harmless`) and escaped (MarkupSafe): it moves
nothing around it and is no link. What strangers wrote goes through `shown` first, which cuts it and strips control and
bidi characters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from markupsafe import Markup, escape

from knockbot.documents.text import (
    ISOLATE_LEFT_TO_RIGHT,
    LEFT_TO_RIGHT,
    harmless,
    isolated,
    plain,
    shown,
    shown_id,
    spelled_out,
    turns,
)

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
    """Fill a template (a sentence of ours) with parts; whatever is not `Words` is made harmless, and escaped."""
    return Words(
        template.format(*map(_plain, parts), **{name: _plain(part) for name, part in named.items()}),
        escape(template).format(*map(_html, parts), **{name: _html(part) for name, part in named.items()}),
    )


def _plain(part: Words | str | int) -> str:
    return part.plain if isinstance(part, Words) else harmless(str(part))


def _html(part: Words | str | int) -> Markup:
    return part.html if isinstance(part, Words) else escape(harmless(str(part)))


def bold(text: str | int) -> Words:
    """Text that catches the eye."""
    said = harmless(str(text))
    return Words(said, Markup("<strong>{}</strong>").format(said))


def rule(name: str) -> Words:
    """A rule of a policy, by its name in quotes: it may be any words. A rule without one goes by its place, #3."""
    return bold(name) if name.startswith("#") else bold(f"“{name}”")


def code(text: str | int) -> Words:
    """Text of ours to be read letter by letter, and copied: IDs, commands. What strangers wrote goes by `letters`."""
    said = isolated(spelled_out(str(text)), ISOLATE_LEFT_TO_RIGHT)
    return Words(said, Markup("<code>{}</code>").format(said))


def letters(text: str) -> Words:
    """Text of a stranger's to be read letter by letter; no client makes a link of it."""
    said = harmless(text)
    return Words(said, Markup("<code>{}</code>").format(said))


def spoiler(text: str, plain: Words) -> Words:
    """Text that shows only on a click; `plain` stands in for it where there are no clicks."""
    return Words(plain.plain, Markup('<span data-mx-spoiler="reason">{}</span>').format(harmless(text)))


def block(text: str) -> Words:
    """A document, as it was written."""
    said = spelled_out(text)
    return Words(said, Markup("<pre><code>{}</code></pre>").format(said))


def lines(parts: Iterable[Words]) -> Words:
    """Words below each other; empty ones are left out."""
    kept = [left_to_right(part) for part in parts if part]
    return Words("\n".join(part.plain for part in kept), Markup("<br>").join(part.html for part in kept))


def left_to_right(line: Words) -> Words:
    """A line that runs from left to right, whatever letters are in it: clients go by the first one.

    Not a document: who copies that would copy the mark.
    """
    if not turns(line.plain) or line.plain.startswith(LEFT_TO_RIGHT) or "<pre>" in line.html:
        return line
    return Words(LEFT_TO_RIGHT + line.plain, escape(LEFT_TO_RIGHT) + line.html)


def sentences(*parts: Words) -> Words:
    """Sentences one after the other; empty ones are left out."""
    kept = [part for part in parts if part]
    return Words(" ".join(part.plain for part in kept), Markup(" ").join(part.html for part in kept))


def listed(parts: Sequence[Words], between: str = ", ") -> Words:
    """Words as one enumeration."""
    return Words(between.join(part.plain for part in parts), Markup(between).join(part.html for part in parts))  # noqa: S704 - our own comma or semicolon


def dotted(parts: Sequence[Words]) -> Words:
    """Words with dots between them."""
    return Words(" · ".join(part.plain for part in parts), Markup(" · ").join(part.html for part in parts))


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


def profile(user_id: str) -> Words:
    """The same with a link to their profile, which calls nobody, since every message names whom it mentions.

    The link stands inside `<code>`, or Element would put the name that they gave themselves in the place of the ID.
    """
    link = Markup('<code><a href="https://matrix.to/#/{}">{}</a></code>')
    said = isolated(shown_id(user_id), ISOLATE_LEFT_TO_RIGHT)
    return Words(said, link.format(quote(user_id, safe="", errors="replace"), said))


def room(label: str) -> Words:
    """A room, by what people call it (`labels`)."""
    told_apart = _TOLD_APART.fullmatch(label)
    if told_apart is None:
        return bold(shown(label, NAME_LIMIT))
    return words("{} ({})", bold(shown(told_apart["name"], NAME_LIMIT)), identifier(told_apart["room_id"]))


def ago(then: int, now: int) -> str:
    """How long ago a moment was (both in milliseconds)."""
    return f"{length} ago" if (length := lasting(now - then)) else "just now"


def lasting(milliseconds: int) -> str:
    """A length of time in the largest unit that fits; nothing for less than a minute."""
    seconds = max(0, milliseconds) // 1000
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return ""


def second(at: int) -> str:
    """A moment in UTC, to the second, without its day; not before the moment itself."""
    return datetime.fromtimestamp(-(-at // 1000), UTC).strftime("%H:%M:%S UTC")


def moment(at: int) -> str:
    """A moment in UTC, to the minute."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
