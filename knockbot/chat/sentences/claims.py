"""The sentences about who is at a request."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Choice, Many, Moment, Numbered, User

SENTENCES: Mapping[str, Sentence] = {
    "several.done": says("Done for {requests}.", requests=Many),
    "command/claim": says("say that you take care of a request, for two hours", name=Choice),
    "command/release": says("say that you do not take care of it any more", name=Choice),
    "claim.line": says("✋ Claimed by {by} until {until}.", by=User, until=Moment),
    "claim.taken": says("{request} is claimed by {by} until {until}.", request=Numbered, by=User, until=Moment),
    "claim.none": says("Nobody has claimed {request}.", request=Numbered),
    "claim.overridden": says(
        "{by} had claimed {request}. The answer of {user} counts.", by=User, request=Numbered, user=User
    ),
}
