"""Policies as text: typed in chat, kept in the database, or part of config.yaml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from knockbot.documents.reading import Path as Keys
from knockbot.documents.yaml import LONGEST, dump, read_document
from knockbot.domain.policy import MAX_MEMORY, Policy, parse_policy, place_of
from knockbot.errors import Fault


@dataclass(frozen=True, slots=True)
class WrittenPolicy:
    """A policy, and its text as YAML for people to read."""

    policy: Policy
    text: str


def read_policy(text: str, name: str = "") -> Policy:
    """The policy that a YAML text describes; `Fault` with its line (``line 4: rule "spam": …``) if it is none, or would
    take too much memory."""
    policy = _read_policy(text, name, LONGEST)
    if policy.memory > MAX_MEMORY:
        size = f"{policy.memory // 2**20} MB, at most {MAX_MEMORY // 2**20}"
        raise Fault("it would take too much memory, {size}: it has too many patterns", where=name, size=size)
    return policy


def read_known_policy(text: str) -> Policy:
    """A policy that was accepted before, by a command or from a config file, which may be longer."""
    return _read_policy(text, "", len(text))


def _read_policy(text: str, name: str, longest: int) -> Policy:
    document = read_document(text, name, longest=longest)
    try:
        return parse_policy(document.value)
    except Fault as fault:
        raise document.located(fault) from None


def place_in_policy(text: str, find: Callable[[object], Keys]) -> str:
    """The place of something in the text of a policy, as its faults name it: ``line 4: rule "spam": then``."""
    document = read_document(text, longest=len(text))
    path = find(document.value)
    return ": ".join(filter(None, (document.where(path), place_of(document.value, path))))


def written_policy(value: object, path: Keys) -> WrittenPolicy:
    """A policy that is part of another document."""
    try:
        return WrittenPolicy(parse_policy(value), dump(value))
    except Fault as fault:
        raise fault.at((*path, *fault.path)) from None
