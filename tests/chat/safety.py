"""What holds for every message of the bot, whatever strangers wrote into it."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from knockbot.documents.text import (
    END_ISOLATE,
    ISOLATE,
    ISOLATE_LEFT_TO_RIGHT,
    LEFT_TO_RIGHT,
    turns,
    without_marks,
)

TAGS = {
    "<strong>": "</strong>",
    "<code>": "</code>",
    "<pre>": "</pre>",
    '<span data-mx-spoiler="reason">': "</span>",
}
"""The only tags the bot writes, beside `<br>` and the link to an applicant's profile."""

PROFILE = re.compile(r'<a href="https://matrix\.to/#/%40[A-Za-z0-9_.%~-]+">')

CLICKABLE = re.compile(
    r"(?<![a-z0-9+.-])[0-9+.-]*[a-z][a-z0-9+.-]*:[^\s\u2060]|\w[.\u3002\uff0e\uff61][\w-]|[#!@+][^\s:]*:\w|\S@\w|@room",
    re.IGNORECASE,
)
"""What one client or another makes a link, a pill or a call of: web addresses with and without a scheme, `mailto:` and
the like, room aliases, user IDs, mail addresses."""

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
    "https://evil.example/x?y#z",
    "HTTP://192.0.2.7:8080/ [::1] http://[::1]/",
    "www.evil.example evil.example",
    "b\u00fccher.example \u4f8b\u3048.\u30c6\u30b9\u30c8 example\u3002com",
    "#garden:tulip.example !garden:tulip.example +group:tulip.example",
    "mailto:mod@tulip.example mod@tulip.example tel:+491234 geo:1,2 magnet:?x matrix:u/mod:tulip.example",
    "javascript:alert(1) data:text/html,x",
    "\u05d0\u05d1\u05d2 \u05d3",
    "\u0645\u0631\u062d\u0628\u0627 @mod:tulip.example",
    "\u0661\u0662\u0663",
    "\u2069\u2069\u200e\u2067x",
    "a\u2060.\u2060b",
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
    is_document = "<pre>" in content.get("formatted_body", "")  # whoever copies one would copy marks, too
    assert_only_our_marks(content["body"], is_document)
    if "formatted_body" in content:
        assert content["format"] == "org.matrix.custom.html"
        assert_only_our_marks(content["formatted_body"], is_document)
        assert_escaped(content["formatted_body"])
        assert not CLICKABLE.search(as_read(OF_OURS.sub("", content["formatted_body"])))


OF_OURS = re.compile(r"<code>.*?</code>|a matrix\.to link", re.DOTALL)
"""Text that no client makes links of, and words of the bot's own."""


def assert_only_our_marks(text: str, is_document: bool) -> None:
    """Nothing hidden but what the bot writes, and every line runs from left to right, whatever is isolated in it."""
    assert_nothing_hidden(unmarked(text))
    for line in re.split("\n|<br>", text):
        assert line.count(ISOLATE) + line.count(ISOLATE_LEFT_TO_RIGHT) == line.count(END_ISOLATE)
        if not is_document:
            outside = re.sub(f"[{ISOLATE}{ISOLATE_LEFT_TO_RIGHT}][^{END_ISOLATE}]*{END_ISOLATE}", "", line)
            assert not turns(outside)
            assert not turns(line) or line.removeprefix("* ").startswith(LEFT_TO_RIGHT)


def unmarked(text: str) -> str:
    """What the bot says as its words are, without what keeps links and directions in check."""
    return without_marks(text)


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
        elif PROFILE.fullmatch(piece) and is_open[-1:] == ["</code>"]:
            is_open.append("</a>")
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
