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
        """Its YAML, with this room in its place, and what it tells applicants in this language."""
        text = self.text.replace(TRY_AGAIN[Language.EN], TRY_AGAIN[language])
        return text if room is None else text.replace(ANOTHER_ROOM, json.dumps(room, ensure_ascii=False))


ANOTHER_ROOM: Final = "ROOM"

TRY_AGAIN: Final[Mapping[Language, str]] = {
    Language.EN: "Please ask to join again, and write in a few words who you are and why you would like to join.",
    Language.DE: "Bitte stellen Sie die Beitrittsanfrage noch einmal, und schreiben Sie in ein paar Worten dazu, wer "
    "Sie sind und warum Sie beitreten möchten.",
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
