"""The content of the bot's messages: text, mentions, the machine block, and the key of the job."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from knockbot.chat.catalogue import render
from knockbot.chat.markup import left_to_right
from knockbot.documents.text import OURS, spelled_out
from knockbot.domain.card import NOTHING_ELSE, Around, card, doors_card, machine_block, shared_card
from knockbot.domain.card.doors import LENGTHS, rows_of
from knockbot.domain.languages import Language
from knockbot.domain.model import Request, Verdict
from knockbot.domain.notices import Notice, Number, notice
from knockbot.flow.ports import EFFECT_KEY, REQUEST_KEY, REQUESTS_KEY


def words(said: Notice, language: Language) -> str:
    """Plain text, for what is no message: the name of a room."""
    return render(said, language).plain


def message(
    said: Notice,
    key: str,
    *,
    language: Language = Language.EN,
    aloud: bool = False,
    calls: Sequence[str] = (),
    reply_to: str | None = None,
    thread: str | None = None,
    blocks: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A message of the bot: `m.text` if phones should ring, else `m.notice`, which no homeserver pushes.

    It mentions exactly `calls`, whatever its text holds (client-server API, "User and room mentions"). With `thread`
    it is in that thread, and the reply is for clients without threads. A text that is too long is cut.
    """
    around: dict[str, Any] = {
        "msgtype": "m.text" if aloud else "m.notice",
        "m.mentions": {"user_ids": list(calls)} if calls else {},
        EFFECT_KEY: key,
        **(blocks or {}),
    }
    if reply_to is not None:
        in_thread = {"rel_type": "m.thread", "event_id": thread, "is_falling_back": True} if thread else {}
        around["m.relates_to"] = {**in_thread, "m.in_reply_to": {"event_id": reply_to}}
    text = left_to_right(render(said, language))
    for body in _bodies(spelled_out(text.plain, OURS), spelled_out(text.html, OURS), language):
        content = around | body
        if len(json.dumps(content)) <= LARGEST:
            break
    return content


def fits(said: Notice, language: Language) -> bool:
    """Whether a message can hold this without being cut."""
    text = left_to_right(render(said, language))
    return len(json.dumps(_body(spelled_out(text.plain, OURS), spelled_out(text.html, OURS)))) <= LARGEST - AROUND


LARGEST = 56_000
"""Bytes of content: an event may have 65,536, and its other fields need some of them."""

AROUND = 2_000
"""Bytes that content has beside its text: whom a message replies to, and the key of its job."""

FEWEST = 5
"""Lines: before fewer are left, the markup goes."""

SHORTEST = 2_000
"""Characters of plain text that are never cut."""


def _bodies(plain: str, html: str, language: Language) -> Iterator[dict[str, str]]:
    """The forms a text may be sent in, the best first: whole, its first lines, without markup, its beginning."""
    yield _body(plain, html)
    said, marked = plain.split("\n"), html.split("<br>")
    most = len(said) if len(said) == len(marked) else 0  # a document in it has line breaks of its own
    while (most := most // 2) >= FEWEST:
        more = render(notice("message.more_lines", count=Number(len(said) - most)), language).plain
        yield _body("\n".join([*said[:most], more]), "<br>".join([*marked[:most], more]))
    yield {"body": plain}
    length = len(plain)
    while length > SHORTEST:
        length //= 2
        more = render(notice("message.more_characters", count=Number(len(plain) - length)), language).plain
        yield {"body": f"{plain[:length]}\n{more}"}


def _body(plain: str, html: str) -> dict[str, str]:
    return {"body": plain, "format": "org.matrix.custom.html", "formatted_body": html}


def card_message(
    requests: Sequence[Request],
    label: str,
    offers: Sequence[Verdict],
    calls: Sequence[str],
    key: str,
    *,
    around: Around = NOTHING_ELSE,
    language: Language = Language.EN,
) -> dict[str, Any]:
    """A card: of one request, or of the several that share it."""
    newest = requests[-1]
    send = partial(message, key=key, language=language, aloud=True, calls=calls)
    block = {REQUEST_KEY: machine_block(newest)}
    if len(requests) == 1:
        return send(card(newest, label, offers, around), blocks=block)
    content: dict[str, Any] = {}
    for said, shown in _of_several(requests, label, offers, around):
        blocks = block | {REQUESTS_KEY: [machine_block(request) for request in shown]}
        content = send(said, blocks=blocks)
        if len(json.dumps(content)) <= ROOM:
            break
    return content


def _of_several(
    requests: Sequence[Request], label: str, offers: Sequence[Verdict], around: Around
) -> Iterator[tuple[Notice, Sequence[Request]]]:
    """The forms of a card that several requests share, the longest first, each with those that machines are told of."""
    if around.doors:
        for length in LENGTHS:
            yield doors_card(requests, offers, around, length), rows_of(requests)[-length.blocks :]
        return
    for most in ROWS:
        yield shared_card(requests, label, most, offers, around), requests[-most:]


ROWS = (20, 10, 5, 2, 1)
"""How many requests a shared card shows in full: as many as fit."""

ROOM = 28_000
"""Bytes that a card may take: an event has 65,536, and an edit holds everything twice."""
