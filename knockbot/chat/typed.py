"""Reading what people type: whether it is meant for the bot, the pills in it, and the numbers it begins with."""

from __future__ import annotations

import re
from html import unescape
from itertools import islice

from knockbot.documents.text import plain, without_marks
from knockbot.domain import ids
from knockbot.domain.model import Message
from knockbot.domain.notices import Code, Notice, Number, Stranger, brief, notice

PREFIXES = ("!kb", "!knockbot")


def addressed(message: Message, bot: str, display_name: str) -> str | None:
    """What follows the prefix, or the bot's id, name or pill, at the beginning of a message; `None` if none does."""
    body, linked = without_fallback(message.body).lstrip(), with_links(message)
    # Somebody else may be called like the bot.
    for said in [linked] if linked.startswith("@") else dict.fromkeys((linked, body)):
        for name in (*PREFIXES[::-1], bot, display_name):
            if said[: len(name)].casefold() == name.casefold() and re.match(r"[:,\s]|$", said[len(name) :]):
                line, lf, below = said[len(name) :].lstrip(":, \t").partition("\n")
                return without_marks(line) + lf + below
    return None


def with_links(message: Message) -> str:
    """A message without the quote of a reply, its first line with what each pill links to."""
    body, html = without_fallback(message.body).lstrip(), message.formatted_body
    if html is None or "matrix.to" not in html:
        return body
    # A pill shows a name that anyone can choose; its link has the user ID. Below the first line a
    # client's Markdown may have made lists of what is a policy, so that is taken as it was typed.
    first, _, _ = _read_pills(html).partition("\n")
    return "\n".join([first, *body.split("\n")[1:]])


def without_fallback(body: str) -> str:
    """A message's body without the quote that older clients put before a reply."""
    lines = body.split("\n")
    quoted = 0
    while quoted < len(lines) and lines[quoted].startswith("> "):
        quoted += 1
    return "\n".join(lines[quoted:]).lstrip("\n") if quoted else body


_TAG = re.compile(r"<([^<>]*)>")
_PILL = re.compile(r"""a\s.*?\bhref\s*=\s*["'](https://matrix\.to/#/[^"']*)["']""", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"(?:br|p|pre|div|li)\b", re.IGNORECASE)


def _read_pills(html: str) -> str:
    """Text of a formatted body, with every matrix.to link replaced by what it links to.

    Not by html.parser: it raises on some markup, and on other takes a minute for one message.
    """
    said: list[str] = []
    in_pill = False
    for place, piece in enumerate(_TAG.split(html.rpartition("</mx-reply>")[2])):
        if place % 2 == 0:  # between two tags
            said.append("" if in_pill else _unescaped(piece))
        elif pill := _PILL.match(piece):
            said.append(_linked(_unescaped(pill[1])))
            in_pill = True
        elif piece.lower() == "/a":
            in_pill = False
        elif _BREAK.match(piece):
            said.append("\n")
    return "".join(said).strip()


def linked_lines(message: Message) -> str:
    """The formatted body below its first line, with what each pill links to: the plain text has only names, which
    anyone can choose. Empty where there is no pill."""
    html = message.formatted_body
    return _read_pills(html).partition("\n")[2] if html is not None and "matrix.to" in html else ""


def _unescaped(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:  # a character reference of thousands of digits
        return text


def _linked(href: str) -> str:
    """What a link leads to: the user, or the link itself, which names the servers a room is reached by."""
    return ids.user_reference(href) or href


MANY = 50
"""Requests that one command may be about."""

_NUMBER = re.compile(
    r"(?P<sign>#)?(?P<first>[0-9]{1,15})(?:[-\u2013]#?(?P<last>[0-9]{1,15}))?"
    r"(?=[,\s]|[:.;]+(?:\s|$)|$|(?(sign)(?!)|[:.;](?![0-9])))"
)
"""A number, or a range of them; phones make a longer dash of a hyphen.

`12: spam` and `12:spam` are #12; `12.5` is no number, and `#12:example.org` the alias of a room.
"""

_NEXT = re.compile(r"\s*,[\s,]*|\s+(?=#)")
"""Separates the numbers of a list: a comma (a second one is a slip), or a # before the next one. After a blank alone
the text begins."""


class NotNumbers(Exception):
    """Numbers that cannot be meant, as `said` says: a range from high to low, or far too many."""

    def __init__(self, said: Notice) -> None:
        super().__init__(brief(said))
        self.said = said


def read_numbers(text: str) -> tuple[list[int], str]:
    """The numbers a text begins with (`12, 13`, `#12 #13`, `12-14`), each once, and the words that follow them.

    Raises `NotNumbers`. A number after a blank belongs to the words: `5 8 letters` is #5.
    """
    text = text.strip()
    numbers: list[int] = []
    end = 0
    found = _NUMBER.match(text)
    while found is not None:
        numbers += _range(found, most=MANY - len(numbers))
        end = found.end()
        between = _NEXT.match(text, end)
        found = _NUMBER.match(text, between.end()) if between is not None else None
    return list(dict.fromkeys(numbers)), text[end:].lstrip(MARKS).lstrip(" \t,") if numbers else text


_ALONE = re.compile(r"#?[0-9]{1,15}(?:[\s,\u2013#-]+[0-9]{1,15})*")
_BLANKS = re.compile(r"(?<=[0-9])\s+(?=#?[0-9])")


def are_numbers(text: str) -> bool:
    """Whether a text is numbers and nothing else: they are no words for anybody, but perhaps a list was meant."""
    return _ALONE.fullmatch(text) is not None


def with_commas(text: str) -> str:
    """Numbers with commas in place of blanks between them."""
    return _BLANKS.sub(", ", text.strip())


def not_numbers(typed: str, odd: str) -> Notice:
    """That numbers need commas, with those that were `typed`, if that is all; `odd` is what is not understood."""
    numbers = with_commas(typed) if are_numbers(typed.strip()) else "5, 6"
    return notice("ask.not_numbers", text=Stranger(odd, 60), numbers=Code(numbers))


MARKS = ",:;."
"""What people put right behind a number or a name before they go on."""


def _range(found: re.Match[str], most: int) -> range:
    first = int(found["first"])
    last = int(found["last"] or first)
    if last < first:
        raise NotNumbers(notice("ask.backwards", range=Code(f"{first}-{last}"), other=Code(f"{last}-{first}")))
    if last - first >= most:
        raise NotNumbers(notice("ask.too_many", most=Number(MANY)))
    return range(first, last + 1)


# --- names ----------------------------------------------------------------------------------------------------

_WORD = re.compile(r"\S+")
_QUOTED = re.compile(
    r"""["\u201c\u201d\u201e\u00ab]([^"\u201c\u201d\u201e\u00ab\u00bb]+)["\u201c\u201d\u00bb](?=[:,;.\s]|$)[:,;.]?"""
)


LONGEST_NAME = 500
"""Characters of a name that are compared: a stranger's may be as long as an event."""


def after_name(text: str, name: str) -> str | None:
    """What follows a name that a text begins with, in whatever case; `None` if it does not begin with it.

    In quotes nothing but the whole name counts: `"Rose Garden"` is not the room Rose.
    """
    text = text.strip()
    wanted = _words(name)
    if quoted := _QUOTED.match(text):
        return text[quoted.end() :].lstrip() if wanted and _words(quoted[1]) == wanted else None
    typed = list(islice(_WORD.finditer(text), len(wanted)))
    said = _words(" ".join(word[0] for word in typed))
    if not wanted or (said != wanted and said not in [[*wanted[:-1], wanted[-1] + mark] for mark in MARKS]):
        return None
    return text[typed[-1].end() :].lstrip()


def _words(name: str) -> list[str]:
    return plain(name[:LONGEST_NAME]).casefold().split()
