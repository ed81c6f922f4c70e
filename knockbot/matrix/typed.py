"""Reading what people type: whether it is meant for the bot, the pills in it, and the numbers it begins with."""

from __future__ import annotations

import re
from html import unescape

from knockbot.domain import ids
from knockbot.domain.model import Message
from knockbot.domain.text import without_marks

PREFIXES = ("!kb", "!knockbot")


def addressed(message: Message, bot: str, display_name: str) -> str | None:
    """What follows the prefix, or the bot's id, name or pill, at the beginning of a message; `None` if none does."""
    body = without_fallback(message.body).lstrip()
    candidates = [body]
    if message.formatted_body is not None and "matrix.to" in message.formatted_body:
        # A pill hides whom it means behind a name that anyone can choose; its link says it. Below the first line a
        # client's Markdown may have made lists of what is a policy, so that is taken as it was typed.
        first, _, _ = _read_pills(message.formatted_body).partition("\n")
        linked = "\n".join([first, *body.split("\n")[1:]])
        candidates = [linked] if linked.startswith("@") else [linked, body]  # somebody else may be called like the bot
    for said in candidates:
        for name in (*PREFIXES[::-1], bot, display_name):
            if said[: len(name)].casefold() == name.casefold() and re.match(r"[:,\s]|$", said[len(name) :]):
                line, lf, below = said[len(name) :].lstrip(":, \t").partition("\n")
                return without_marks(line) + lf + below
    return None


def without_fallback(body: str) -> str:
    """A message's body without the quote that older clients put before a reply."""
    lines = body.split("\n")
    quoted = 0
    while quoted < len(lines) and lines[quoted].startswith("> "):
        quoted += 1
    return "\n".join(lines[quoted:]).lstrip("\n") if quoted else body


_TAG = re.compile(r"<([^<>]*)>")
_PILL = re.compile(r"""a\s.*?\bhref\s*=\s*["'](https://matrix\.to/#/[^"']*)["']""", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"(?:br|p|pre|div)\b", re.IGNORECASE)


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


def _unescaped(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:  # a character reference of thousands of digits
        return text


def _linked(href: str) -> str:
    """What a link leads to: the user, or the link itself, which names the servers a room is reached by."""
    return ids.user_reference(href) or href


def read_numbers(text: str) -> tuple[list[int], str]:
    """The numbers a text begins with (`12 #13, 14`), each once, and what follows them."""
    numbers: list[int] = []
    rest = text.strip()
    while found := re.match(r"#?([0-9]{1,9})(?:,|\s|$)\s*,?\s*", rest):
        numbers.append(int(found[1]))
        rest = rest[found.end() :]
    return list(dict.fromkeys(numbers)), rest
