"""Layers: the policies that decide in one room, its own before that of its space, and how they make up one policy.

A room without a policy takes that of its space. In a policy of its own `inherit: true` says that the policy of the
space follows. So several policies can decide in a room, one after the other: each is a layer. The last one does not
inherit, or is the default policy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from knockbot.domain.policy import SETTINGS_KEYS, Policy, RoomSettings

T = TypeVar("T")

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


def setter(layers: Sequence[T], settings: Callable[[T], RoomSettings], key: str) -> T:
    """The layer whose value of a key applies: the first that sets it, else the last, whose default it is."""
    return next((layer for layer in layers if key in settings(layer).said), layers[-1])


def composed_settings(layers: Sequence[RoomSettings]) -> RoomSettings:
    """The settings of these layers together. Policy lists add up: who is on one of them is not let in by a rule."""
    if len(layers) == 1:
        return layers[0]
    values = {key: getattr(setter(layers, _same, key), key) for key in SETTINGS_KEYS}
    said = tuple(key for key in SETTINGS_KEYS if any(key in layer.said for layer in layers))
    lists = tuple(one for layer in layers for one in layer.lists)
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
    found = {key: setter(parts, lambda part: part.policy, key).room_id for key in SETTINGS_KEYS}
    return {key: origin for key, origin in found.items() if origin != room_id}


def _same(settings: RoomSettings) -> RoomSettings:
    return settings


def ends(layers: Sequence[RoomSettings]) -> bool:
    """Whether these decide all; else the default policy follows at the end."""
    return bool(layers) and not layers[-1].inherit
