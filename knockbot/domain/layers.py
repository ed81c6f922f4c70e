"""Layers: the policies that decide in one room, its own before that of its space, and how they make up one policy.

A room without a policy takes that of its space. In a policy of its own `inherit: true` says that the policy of the
space follows. So several policies can decide in a room, one after the other: each is a layer. The last one does not
inherit, or is the default policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from knockbot.domain.policy import SETTINGS_KEYS, Policy, RoomSettings

MOST = 8
"""Spaces above a room that are looked at: a space inside a space takes its policy in the same way."""

INHERIT = "inherit"
"""The key that says of each policy by itself whether another one follows."""

CONFIG_FILE = "config.yaml"
"""What the default policy is called, where a decision names the room whose policy it is from."""

LISTS = "lists"
"""The key whose values are taken together."""


@dataclass(frozen=True, slots=True)
class Part:
    """One layer: a policy, and the room whose policy it is."""

    room_id: str
    """Empty for the default policy of the config file."""
    name: str
    """What people call the room."""
    policy: Policy


def of_room(policy: Policy, room_id: str) -> Policy:
    """A policy whose rules and lists know that they are from the policy of this room."""
    rules = tuple(replace(rule, origin=room_id) for rule in policy.rules)
    return replace(policy, rules=rules, lists=tuple(replace(one, origin=room_id) for one in policy.lists))


def composed_settings(layers: Sequence[RoomSettings]) -> RoomSettings:
    """The settings of these layers together: each is that of the first that sets it, else of the last, whose default it
    is. Policy lists add up: who is on one of them is not let in by a rule."""
    if len(layers) == 1:
        return layers[0]
    values = {key: getattr(layers[-1], key) for key in SETTINGS_KEYS}
    for layer in reversed(layers):
        values |= {key: getattr(layer, key) for key in layer.said}
    lists = tuple(one for layer in layers for one in layer.lists)
    said = tuple(dict.fromkeys(key for layer in layers for key in layer.said))
    return RoomSettings(**values | {INHERIT: layers[0].inherit, LISTS: lists}, said=said)


def composed(room_id: str, parts: Sequence[Part]) -> Policy:
    """The policies of these layers as one, for this room: all rules in the order of the layers."""
    if len(parts) == 1 and parts[0].room_id in (room_id, ""):
        return parts[0].policy
    settings = composed_settings([part.policy for part in parts])
    return Policy(
        **{key: getattr(settings, key) for key in (*SETTINGS_KEYS, "said")},
        rules=tuple(rule for part in parts for rule in part.policy.rules),
        origins={part.room_id: part.name for part in parts if part.room_id != room_id},
        set_in=_set_elsewhere(room_id, parts),
    )


def _set_elsewhere(room_id: str, parts: Sequence[Part]) -> Mapping[str, str]:
    found = dict.fromkeys(SETTINGS_KEYS, parts[-1].room_id)
    for part in reversed(parts):
        found |= dict.fromkeys(part.policy.said, part.room_id)
    return {key: origin for key, origin in found.items() if origin != room_id}


def ends(layers: Sequence[RoomSettings]) -> bool:
    """Whether these decide all; else the default policy follows at the end."""
    return bool(layers) and not layers[-1].inherit
