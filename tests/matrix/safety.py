"""What holds for every message of the bot, whatever strangers wrote into it."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

TAGS = {
    "<strong>": "</strong>",
    "<code>": "</code>",
    "<pre>": "</pre>",
    '<span data-mx-spoiler="reason">': "</span>",
}
"""The only tags the bot writes, beside `<br>`: no links among them, and so no pills."""

LARGEST = 61_440
"""Bytes of content: an event has 65,536, and its envelope (ids, hashes, signatures, 20 parents) takes its part."""

HOSTILE = [
    "<b>bold</b>",
    "</code></strong></span><h1>",
    "<script>alert(1)</script>",
    "<!--",
    '" onclick="x" <',
    "' & &amp; &lt; &#60;",
    "@room",
    "@mod:tulip.example",
    "https://matrix.to/#/@mod:tulip.example",
    '<a href="https://matrix.to/#/@mod:tulip.example">Mod</a>',
    "[Mod](https://matrix.to/#/@mod:tulip.example)",
    "\u202eevil\u202c \u2066x\u2069 \u200f",
    "a\0b\x07c\x1b[31m\x85",
    "line\nbreak\r\nand\u2028more\u2029",
    "\ufeff\u200b\u200d\u00ad\U000e0041",
    "{} {0} {name} %s",
    "```",
    "\ufffd",
    "x\u0300" + "\u0301" * 500,
    "\U0001f6aa" * 3000,
    '"' * 5000,
    "",
    " ",
]
"""Texts that somebody hopes will break out."""


def assert_harmless(content: Mapping[str, Any], mentions: tuple[str, ...] = ()) -> None:
    """One message, and what it is edited to."""
    assert size_of(content) <= LARGEST
    new = content.get("m.new_content")
    assert_says_only_what_it_may(content, () if new is not None else mentions)
    if new is not None:
        assert_says_only_what_it_may(new, mentions)


def assert_says_only_what_it_may(content: Mapping[str, Any], mentions: tuple[str, ...]) -> None:
    assert content["m.mentions"] == ({"user_ids": list(mentions)} if mentions else {})
    assert_nothing_hidden(content["body"])
    if "formatted_body" in content:
        assert content["format"] == "org.matrix.custom.html"
        assert_nothing_hidden(content["formatted_body"])
        assert_escaped(content["formatted_body"])


def assert_nothing_hidden(text: str) -> None:
    """No controls but the line break, nothing that turns the writing round, no half characters."""
    hidden = {f"U+{ord(c):04X}" for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs")}
    assert not hidden


def assert_escaped(markup: str) -> None:
    """Only the bot's own tags, each closed where it belongs, and between them nothing that could be one."""
    is_open: list[str] = []
    for piece in re.split(r"(<[^<>]*>)", markup):
        if piece in TAGS:
            is_open.append(TAGS[piece])
        elif is_open and piece == is_open[-1]:
            is_open.pop()
        elif piece != "<br>":
            assert "<" not in piece
            assert ">" not in piece
            assert re.sub(r"&(amp|lt|gt|#34|#39);", "", piece).count("&") == 0
    assert is_open == []


def size_of(content: Mapping[str, Any]) -> int:
    """Bytes as an event holds it (canonical JSON is UTF-8)."""
    return len(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())


def as_read(markup: str) -> str:
    """What somebody reads who sees the formatted body, spoilers opened."""
    return html.unescape(re.sub(r"<[^<>]*>", "", markup.replace("<br>", "\n")))
