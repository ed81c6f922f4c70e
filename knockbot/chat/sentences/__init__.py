"""The English sentence of every code, with the arguments that it takes: the table that translators work from.

A sentence is whole, because other languages order words in other ways. A sentence that differs by a choice has a row
for each (`inviter.fell/keep/left`, the choices in the order of their names). One that differs by a number has a plural,
by the argument `count`. Placeholders have the names of the arguments; an argument is shown by its type
(`catalogue.py`). Each feature has its sentences in a file of its own. Translations are in `locales/`, and `make messages` updates them from this table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from knockbot.chat.sentences import (
    applicant,
    bulk,
    calls,
    claims,
    codes,
    deferring,
    dossier,
    general,
    inheriting,
    letters,
    lists,
    notes,
    preapproval,
    presets,
    questions,
    reminders,
    replay,
    spaces,
    templates,
    undo,
    votes,
    vouches,
    waiting,
    waves,
)
from knockbot.chat.sentences.rows import Sentence
from knockbot.domain import reasons
from knockbot.domain.notices import Choice

SENTENCES: Mapping[str, Sentence] = {
    **general.SENTENCES,
    **calls.SENTENCES,
    **claims.SENTENCES,
    **codes.SENTENCES,
    **vouches.SENTENCES,
    **deferring.SENTENCES,
    **applicant.SENTENCES,
    **bulk.SENTENCES,
    **dossier.SENTENCES,
    **inheriting.SENTENCES,
    **letters.SENTENCES,
    **lists.SENTENCES,
    **notes.SENTENCES,
    **presets.SENTENCES,
    **questions.SENTENCES,
    **reminders.SENTENCES,
    **replay.SENTENCES,
    **spaces.SENTENCES,
    **preapproval.SENTENCES,
    **templates.SENTENCES,
    **waiting.SENTENCES,
    **undo.SENTENCES,
    **votes.SENTENCES,
    **waves.SENTENCES,
}

CHOSEN = {
    "concern": "concern",
    "day": "day",
    "power.named": "power",
    "record.not_told": "unsaid",
    "verdict.named": "answer",
}
"""What differs by a choice, where that is not how an inviter fell."""


def _reason(key: str, said: str | tuple[str, str]) -> Sentence:
    """A reason's sentence; its arguments are those that it has a place for, and who makes them says of what kind."""
    text, plural = said if isinstance(said, tuple) else (said, "")
    places = dict.fromkeys(re.findall(r"\{(\w+)\}", text), object)
    return Sentence(
        text, plural, {**places, CHOSEN.get(key.partition("/")[0], "fell"): Choice} if "/" in key else places
    )


REASONS: Mapping[str, Sentence] = {
    key: _reason(key, said) for key, said in reasons.SENTENCES.items() if key not in SENTENCES
}
"""Every reason that is stored. The English is in `domain/reasons.py`, because the log and the command line use it too."""

ALL: Mapping[str, Sentence] = {**REASONS, **SENTENCES}
