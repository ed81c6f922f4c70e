"""One row of the table of sentences, and the kinds of arguments that several rows take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any

from knockbot.domain.notices import Arg, Code, Duration, Letters, Notice, Profile, User

By = User | Notice
"""By whom: a user, or a part of the policy (`by.rule`). It comes after "by", or begins a sentence."""

Who = Profile | Letters | Notice
"""Whom a request is about."""

Length = Duration | Notice
Address = Code | Notice


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with placeholders, and its arguments."""

    text: str
    plural: str
    """What is said where `count` is not one."""
    args: Mapping[str, type[Any] | UnionType]

    @property
    def has_words(self) -> bool:
        """Whether it contains a word of its own."""
        return re.search(r"\w", re.sub(r"\{\w+\}", "", self.text)) is not None

    def fits(self, args: Mapping[str, Arg]) -> bool:
        """Whether these are exactly its arguments."""
        return args.keys() == self.args.keys() and all(isinstance(args[name], kind) for name, kind in self.args.items())


def says(text: str, plural: str = "", /, **args: type[Any] | UnionType) -> Sentence:
    """One row of the table."""
    return Sentence(text, plural, args)
