"""Hints: what the bot tells people whose reaction, reply or edit looks like an answer or command but is none."""

from __future__ import annotations

import re
from enum import StrEnum

from knockbot.documents.text import without_variation_selector
from knockbot.domain.notices import Notice
from knockbot.domain.plan import NUMBERS, REACTIONS
from knockbot.engine.turn import Turn
from knockbot.flow import saying
from knockbot.flow.context import Context
from knockbot.flow.saying import Audience
from knockbot.times import DAY

ALMOST = frozenset(
    {
        "👍",
        "👎",
        "👌",
        "🆗",
        "✔",
        "☑",
        "✓",
        "🚫",
        "✖",
        "❎",
        "🙅",
        "+1",
        "-1",
        "ok",
        "okay",
        "k",
        "yes",
        "y",
        "yep",
        "yeah",
        "sure",
        "no",
        "n",
        "nope",
        "ja",
        "nein",
        "accept",
        "accepted",
        "approve",
        "approved",
        "reject",
        "rejected",
        "deny",
        "denied",
        "ban",
        "banned",
        *map(without_variation_selector, NUMBERS),
    }
)
"""Reactions and replies that people give to a card and mean as an answer; a number is none that the card offers."""

_SKIN = re.compile("[\U0001f3fb-\U0001f3ff\ufe0f]")


def is_almost_an_answer(said: str) -> bool:
    """Whether somebody who says this to a card probably means to answer it."""
    return _SKIN.sub("", said).strip(" \n.!").casefold() in ALMOST or click_with_more(said) is not None


_CLICKS = (*REACTIONS, *map(without_variation_selector, NUMBERS))


def click_with_more(said: str) -> str | None:
    """The emoji of an answer that a reply begins with, where words follow it."""
    bare = without_variation_selector(said.strip())
    return next((one for one in _CLICKS if bare.startswith(one) and bare != one), None)


class Hint(StrEnum):
    """The kinds of hints; each kind is told once a day to each person."""

    CLICKS = "clicks"
    """How to answer a card by a click."""
    ALONE = "alone"
    """That an emoji in a reply is a click only without words."""
    NUMBERS = "numbers"
    """How to answer a card of several requests, which takes no clicks."""
    QUESTION = "question"
    """Which clicks answer a question."""
    EDITS = "edits"
    """That an edited message is no command."""


async def give(context: Context, turn: Turn, hint: Hint, text: Notice, *, room_id: str, to: str, reply_to: str) -> None:
    """Give a hint, unless this person had this hint in this room today."""
    occasion = f"hint:{hint}:{room_id}:{to}:{turn.now // DAY}"
    await saying.say(context, turn, Audience(room_id), occasion, text, reply_to=reply_to)
