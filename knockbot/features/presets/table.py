"""The presets: each a policy in plain YAML, which is written as a revision like any other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from knockbot.domain.languages import Language
from knockbot.domain.plan import NUMBERS


@dataclass(frozen=True, slots=True)
class Preset:
    """A policy to begin with; `chat/sentences/presets.py` says in a few words what it does."""

    name: str
    text: str
    """Its YAML, which begins by accepting who is pre-approved; `ANOTHER_ROOM` stands for the room that it may need."""

    @property
    def needs_room(self) -> bool:
        """Whether it is about the members of another room."""
        return ANOTHER_ROOM in self.text

    def written(self, room: str | None, language: Language = Language.EN) -> str:
        """Its YAML, with this room in its place, and what people read of it in this language: its remarks, the names of
        its rules, and what it tells applicants."""
        text = self.text
        for english, other in WORDS.get(language, {}).items():
            text = text.replace(english, other)
        return text if room is None else text.replace(ANOTHER_ROOM, json.dumps(room, ensure_ascii=False))


ANOTHER_ROOM: Final = "ROOM"

TRY_AGAIN: Final[Mapping[Language, str]] = {
    Language.EN: "Please ask to join again, and write in a few words who you are and why you would like to join.",
    Language.DE: "Bitte stelle die Beitrittsanfrage noch einmal, und schreibe in ein paar Worten dazu, wer du bist und "
    "warum du beitreten möchtest.",
}
"""What an applicant is told who gave no reason. It is text in a policy, so it is no sentence of the bot: whoever uses
the preset may change it."""

MODERATORS = """\
# The moderators decide about everyone who is not pre-approved.
rules:
  - name: pre-approved
    when: { pre_approved: true }
    then: accept
otherwise: forward
"""

SERVER = """\
# Users of our own server come in. The moderators decide about everyone else.
rules:
  - name: pre-approved
    when: { pre_approved: true }
    then: accept
  - name: our own server
    when: { local: true }
    then: accept
otherwise: forward
"""

MEMBERS = """\
# Members of another room or space come in. The moderators decide about everyone else.
rules:
  - name: pre-approved
    when: { pre_approved: true }
    then: accept
  - name: members
    when: { member_of: ROOM }
    then: accept
otherwise: forward
"""

CAREFUL = f"""\
# Whoever gives no reason, or a very short one, is asked to try again. After two such attempts, and about everyone
# else, the moderators decide.
rules:
  - name: pre-approved
    when: {{ pre_approved: true }}
    then: accept
  - name: asked before
    when: {{ rejected_before: {{ times: 2 }} }}
    then: forward
  - name: short reason
    when: {{ not: {{ reason_length_at_least: 15 }} }}
    then: reject
    may_ask_again: true
    reason: {TRY_AGAIN[Language.EN]}
otherwise: forward
"""

OPEN = """\
# Whoever says in a few words why they would like to join comes in. The moderators decide about everyone else.
rules:
  - name: pre-approved
    when: { pre_approved: true }
    then: accept
  - name: known trouble
    when: { any: [{ rejected_before: true }, { banned_before: { where: managed } }] }
    then: forward
  - name: gave a reason
    when: { reason_length_at_least: 15 }
    then: accept
otherwise: forward
"""

STRICT = """\
# The moderators decide about everyone who is not pre-approved. Third-party invites are revoked, unless a moderator
# sent them.
rules:
  - name: pre-approved
    when: { pre_approved: true }
    then: accept
  - name: sent by a moderator
    for: third_party_invite
    when: { inviter_is_member: true, inviter_power_at_least: 50 }
    then: forward
otherwise: forward
otherwise_third_party: reject
inviter_left: revoke
"""

WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    Language.DE: {
        TRY_AGAIN[Language.EN]: TRY_AGAIN[Language.DE],
        "Third-party invites are revoked, unless a moderator\n# sent them.": "Einladungen per\n# Adresse werden "
        "widerrufen, außer sie kommen von der Moderation.",
        "The moderators decide about everyone who is not pre-approved.": "Die Moderation entscheidet über alle, die "
        "nicht vorab zugelassen sind.",
        "The moderators decide about everyone else.": "Über alle anderen entscheidet die Moderation.",
        "Users of our own server come in.": "Leute vom eigenen Server kommen herein.",
        "Members of another room or space come in.": "Mitglieder eines anderen Raums oder Space kommen herein.",
        "Whoever gives no reason, or a very short one, is asked to try again. After two such attempts, and about "
        "everyone\n# else, the moderators decide.": "Wer keine oder eine sehr kurze Begründung angibt, soll es noch "
        "einmal versuchen. Nach zwei solchen Versuchen\n# und über alle anderen entscheidet die Moderation.",
        "Whoever says in a few words why they would like to join comes in.": "Wer in ein paar Worten eine Begründung "
        "angibt, kommt herein.",
        "name: pre-approved": "name: vorab zugelassen",
        "name: our own server": "name: eigener Server",
        "name: members": "name: Mitglieder",
        "name: asked before": "name: schon gefragt",
        "name: short reason": "name: kurze Begründung",
        "name: known trouble": "name: schon aufgefallen",
        "name: gave a reason": "name: mit Begründung",
        "name: sent by a moderator": "name: von der Moderation verschickt",
    },
}
"""What people read of a preset, in other languages."""

_TEXTS = {
    "moderators": MODERATORS,
    "server": SERVER,
    "members": MEMBERS,
    "careful": CAREFUL,
    "open": OPEN,
    "strict": STRICT,
}

PRESETS: Final[Mapping[str, Preset]] = {name: Preset(name, text) for name, text in _TEXTS.items()}
"""The presets by name, in the order in which they are offered."""

BY_EMOJI: Final[Mapping[str, Preset]] = dict(zip(NUMBERS, PRESETS.values(), strict=False))
"""The same by the emoji that chooses each."""
