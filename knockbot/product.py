"""The product: every feature, with the places at which it has a part.

Reading this is reading what knockbot can do beside the common way of a request. A module of its own, and not
`features/__init__.py`: whoever imports one feature would import all of them there, and no import contract could tell
the table from its rows.
"""

from __future__ import annotations

from knockbot.domain.model import Redaction
from knockbot.features.remote import notify
from knockbot.features.thirdparty import invites, looking
from knockbot.features.upgrades import successors, upgrading
from knockbot.flow.tables import Feature

FEATURES: tuple[Feature, ...] = (
    Feature("upgrades", hears={Redaction: upgrading.redacted}, looks_first=successors.look),
    Feature(
        "thirdparty",
        hears={Redaction: invites.redacted},
        answered=invites.answered,
        looks=looking.look,
    ),
    Feature("remote", settled=notify.settled),
)
