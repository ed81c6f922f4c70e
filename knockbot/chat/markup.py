"""The same text twice: plain, and as HTML that cannot be broken out of; and the pieces sentences are made of.

A sentence is written once, as a template, and its parts are put in: `words("{} knocks at {}", user(…), room(…))`.
What is not made here with `bold`, `code` … is made harmless (`text.harmless`) and escaped (MarkupSafe): it moves
nothing around it and is no link. What strangers wrote goes through `shown` first, which cuts it and strips control and
bidi characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup, escape

from knockbot.documents.text import (
    ISOLATE_LEFT_TO_RIGHT,
    LEFT_TO_RIGHT,
    NAME_LIMIT,
    harmless,
    isolated,
    shown,
    shown_id,
    spelled_out,
    turns,
)
from knockbot.domain.labels import told_apart
from knockbot.domain.languages import Language


@dataclass(frozen=True, slots=True)
class Words:
    """The same text twice: plain, and as HTML."""

    plain: str
    html: Markup

    def __bool__(self) -> bool:
        return bool(self.plain)


def words(template: str, *parts: Words | str | int, **named: Words | str | int) -> Words:
    """Fill a template (a sentence of the bot) with parts. A part that is not `Words` is made harmless and escaped."""
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


QUOTES: Mapping[Language, tuple[str, str]] = {Language.EN: ("“", "”"), Language.DE: ("„", "“")}
"""The quotation marks of each language."""


def rule(name: str, language: Language) -> Words:
    """A rule of a policy, by its name in quotes: it may be any words. One without a name is called by its place, #3."""
    opening, closing = QUOTES[language]
    return bold(name) if name.startswith("#") else bold(f"{opening}{name}{closing}")


def code(text: str | int) -> Words:
    """Text of ours to be read letter by letter, and copied: IDs, commands. What strangers wrote goes by `letters`."""
    said = isolated(spelled_out(str(text)), ISOLATE_LEFT_TO_RIGHT)
    return Words(said, Markup("<code>{}</code>").format(said))


def letters(text: str) -> Words:
    """Text of a stranger's to be read letter by letter; no client makes a link of it."""
    said = harmless(text)
    return Words(said, Markup("<code>{}</code>").format(said))


def spoiler(text: str, plain: Words) -> Words:
    """Text that is shown after a click; `plain` replaces it in plain text."""
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
    """A line from left to right, whatever letters it contains: clients choose the direction by the first one.

    Not for a document: a copy of it would contain the mark.
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


def identifier(matrix_id: str) -> Words:
    """A Matrix identifier in full, on one line, with nothing in it that cannot be seen."""
    return code(shown_id(matrix_id))


def user(user_id: str) -> Words:
    """A user, always by the full id: names can be anything."""
    return identifier(user_id)


def profile(user_id: str) -> Words:
    """The same with a link to their profile. It mentions nobody, because every message lists its mentions.

    The link is inside `<code>`; otherwise Element would show the display name instead of the ID.
    """
    link = Markup('<code><a href="https://matrix.to/#/{}">{}</a></code>')
    said = isolated(shown_id(user_id), ISOLATE_LEFT_TO_RIGHT)
    return Words(said, link.format(quote(user_id, safe="", errors="replace"), said))


def room(label: str) -> Words:
    """A room, by what people call it (`labels`)."""
    name, room_id = told_apart(label)
    called = bold(shown(name, NAME_LIMIT))
    return called if room_id is None else words("{} ({})", called, identifier(room_id))
