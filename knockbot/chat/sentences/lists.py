"""What is said about policy lists: on cards and lines, in explanations, by `lists`, and when something is amiss."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Notice, Term

SENTENCES: Mapping[str, Sentence] = {
    "card.found": says("They are {why}.", why=Notice),
    "card.listed": says("⚠️ The policy asks you, because they are {why}.", why=Notice),
    "card.listed_though": says("⚠️ They are {why}. The moderators decide, because {doubt}.", why=Notice, doubt=Notice),
    "card.list_unknown": says(
        "The moderators decide, because a policy list cannot be checked now. Unknown: {why}", why=Notice
    ),
    "explain.listed": says("Policy: {verdict}, because they are {why}", verdict=Term, why=Notice),
    "explain.listed_though": says(
        "Policy: {verdict}, though they are {why}, because {doubt}", verdict=Term, why=Notice, doubt=Notice
    ),
    "explain.list_unknown": says(
        "Policy: {verdict}, because a policy list cannot be checked. Unknown: {why}", verdict=Term, why=Notice
    ),
}
