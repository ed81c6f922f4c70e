"""Reading what people type: whether it is meant for the bot, the pills in it, and the numbers it begins with."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from knockbot.domain import ids
from knockbot.domain.model import Message

PREFIXES = ("!kb", "!knockbot")


def addressed(message: Message, bot: str, display_name: str) -> str | None:
    """What follows the prefix, or the bot's id, name or pill, at the beginning of a message; `None` if none does."""
    candidates = [without_fallback(message.body)]
    if message.formatted_body is not None and "matrix.to" in message.formatted_body:
        # A pill hides whom it means behind a name that anyone can choose; its link says it.
        candidates.insert(0, _read_pills(message.formatted_body))
    for text in candidates:
        said = text.lstrip()
        for name in (*PREFIXES[::-1], bot, display_name):
            if said[: len(name)].casefold() == name.casefold() and re.match(r"[:,\s]|$", said[len(name) :]):
                return said[len(name) :].lstrip(":, \t")
    return None


def without_fallback(body: str) -> str:
    """A message's body without the quote that older clients put before a reply."""
    lines = body.split("\n")
    quoted = 0
    while quoted < len(lines) and lines[quoted].startswith("> "):
        quoted += 1
    return "\n".join(lines[quoted:]).lstrip("\n") if quoted else body


class _Pills(HTMLParser):
    """Text of a formatted body, with every matrix.to link replaced by what it links to."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self._hidden = 0
        self._quoted = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href") or ""
        if tag == "mx-reply":
            self._quoted = True
        elif tag == "a" and href.startswith("https://matrix.to/#/") and not self._hidden:
            self.text.append(_linked(href))
            self._hidden = 1
        elif tag in ("br", "p", "pre", "div"):
            self.text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "mx-reply":
            self._quoted = False
            self.text.clear()
        elif tag == "a":
            self._hidden = 0

    def handle_data(self, data: str) -> None:
        if not self._hidden and not self._quoted:
            self.text.append(data)


def _linked(href: str) -> str:
    """What a link leads to: the user, or the link itself, which names the servers a room is reached by."""
    return ids.user_reference(href) or href


def _read_pills(html: str) -> str:
    reader = _Pills()
    reader.feed(html)
    reader.close()
    return "".join(reader.text).strip()


def read_numbers(text: str) -> tuple[list[int], str]:
    """The numbers a text begins with (`12 #13, 14`), each once, and what follows them."""
    numbers: list[int] = []
    rest = text.strip()
    while found := re.match(r"#?([0-9]{1,9})(?:,|\s|$)\s*,?\s*", rest):
        numbers.append(int(found[1]))
        rest = rest[found.end() :]
    return list(dict.fromkeys(numbers)), rest
