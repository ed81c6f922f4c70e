"""What a preset leaves as it is: it says who comes in, and the other settings in force stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from knockbot.documents.yaml import dump, read_document
from knockbot.domain.languages import Language
from knockbot.domain.layers import INHERIT, LISTS
from knockbot.domain.policy import CHILDREN
from knockbot.flow.context import Context
from knockbot.store import layers
from knockbot.store.rooms import ProtectedRoom
from knockbot.views import policies

REPLACED: Final = frozenset(
    {
        "rules",
        "otherwise",
        "otherwise_third_party",
        "inviter_removed",
        "inviter_demoted",
        "inviter_left",
        INHERIT,
    }
)
"""The keys that say who comes in. A preset is about these, also about those that it does not name."""

ALSO_INVITE: Final = "also_invite"

HEADING: Final = {Language.EN: "# As before:\n", Language.DE: "# Wie bisher:\n"}


async def kept(context: Context, room: ProtectedRoom) -> Mapping[str, Any]:
    """The settings in force at a room that a preset leaves as they are, by their keys, as they are written."""
    async with context.db.tx() as tx:
        decide = await layers.of(tx, room.room_id)
        texts = await policies.texts(context, tx, decide)
    own = bool(decide) and decide[0].room_id == room.room_id
    return await context.workbench.work_out(room.management_room, partial(of_texts, texts, own))


def of_texts(texts: Sequence[str], own: bool) -> dict[str, Any]:
    """What these policies, in their order, set beside who comes in; `own`: the first is the room's own."""
    found: dict[str, Any] = {}
    for number, text in enumerate(texts):
        document = read_document(text, longest=len(text)).value
        said = dict(document) if isinstance(document, dict) else {}
        if number or not own:
            said = _without_children(said)
        lists = _together(_several(found.get(LISTS)), _several(said.get(LISTS)))
        found = {**said, **found, **({LISTS: lists} if lists else {})}
    return {key: value for key, value in found.items() if key not in REPLACED}


def _without_children(said: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a space without its invites to its own rooms: a room in it has none."""
    invited = [room for room in _several(said.get(ALSO_INVITE)) if room != CHILDREN]
    others = {key: value for key, value in said.items() if key != ALSO_INVITE}
    return {**others, ALSO_INVITE: invited} if invited else others


def _together(before: Sequence[Any], more: Sequence[Any]) -> list[Any]:
    """Policy lists of several policies as those of one, where each room is named once, and each name is another."""
    lists = list(before)
    for one in more:
        names, rooms = ({known.get(key) for known in lists} for key in ("name", "room"))
        if one.get("room") not in rooms:
            name = one.get("name")
            lists.append({**one, "name": f"{name} 2"} if name is not None and name in names else one)
    return lists


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value is not None else []


def with_kept(text: str, settings: Mapping[str, Any], language: Language = Language.EN) -> str:
    """The YAML of a preset, and below it the settings that stay."""
    return f"{text}{HEADING[language]}{dump(dict(settings))}" if settings else text
