"""What is said about policies of spaces: where a policy is from, and which rooms take it."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Notice, Room

SENTENCES: Mapping[str, Sentence] = {
    "policy.of_space": says("the policy of {space}, {source}", space=Room, source=Notice),
    "policy.goes_by": says("Policy: {origin}.", origin=Notice),
    "policy.goes_on_with": says("After its own policy: {origin}.", origin=Notice),
    "policy.follows": says("Then follows {origin}:", origin=Notice),
    "policy.follows_nothing": says("Then follows {origin}. It adds nothing here.", origin=Notice),
    "policy.rest": says("A setting that none of them sets has its built-in default."),
    "policy.never_changed_here": says("{room} has no policy of its own.", room=Room),
}
