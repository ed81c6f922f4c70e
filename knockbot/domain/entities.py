"""The entities of a policy list, prepared for matching: they are taken in and out one by one, as entries come and go.

A list may have 100,000 of them, and strangers write it. So a name is compared only with globs that have an end, or a
part in the middle, in common with it. What is found by that is the work that is left (`Search.left`): mostly nothing,
for an ill-natured list perhaps all of it, and then it has to be done in a thread.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from knockbot.domain.ids import Held, ends_of, is_literal
from knockbot.domain.lists import HASHED, EntityKind, Name, Subject, has_port, subjects_of

Bucket = str | dict[str, None]
"""One glob, or several in the order in which they came: most have an end that no other has, and a text is small."""

_RUN = re.compile(r"[*?]+")


class _GlobIndex:
    """Globs by what a name must have to fit one of them."""

    __slots__ = ("_by_ends", "_by_part")

    def __init__(self) -> None:
        self._by_ends: dict[tuple[int, int], dict[str, Bucket]] = {}
        """By the lengths of what they begin and end with, then by these ends, one after the other."""
        self._by_part: dict[int, dict[str, Bucket]] = {}
        """By the length of their longest part between wildcards, then by this part, if it is longer than both ends."""

    def has(self, glob: str) -> bool:
        table, key = self._place(glob)
        bucket = table.get(key)
        return bucket == glob if not isinstance(bucket, dict) else glob in bucket

    def add(self, glob: str) -> None:
        table, key = self._place(glob)
        bucket = table.get(key)
        if bucket is None:
            table[key] = glob
        elif isinstance(bucket, dict):
            bucket[glob] = None
        else:
            table[key] = {bucket: None, glob: None}

    def remove(self, glob: str) -> None:
        table, key = self._place(glob)
        bucket = table[key]
        if isinstance(bucket, dict):
            del bucket[glob]
        if bucket == glob or not bucket:
            del table[key]

    def _place(self, glob: str) -> tuple[dict[str, Bucket], str]:
        """The table that a glob belongs into, and its key there."""
        head, tail = ends_of(glob)
        part = max(_RUN.split(glob[head : len(glob) - tail])[1:-1], key=len, default="")
        if len(part) > head + tail:
            return self._by_part.setdefault(len(part), {}), part
        return self._by_ends.setdefault((head, tail), {}), glob[:head] + glob[len(glob) - tail :]

    def lookups(self, text: str) -> int:
        """How many times it is looked whether globs have something in common with a text."""
        return len(self._by_ends) + sum(max(0, len(text) - length + 1) for length in self._by_part)

    def candidates(self, text: str) -> list[Bucket]:
        """The globs that have an end or a part in common with a text."""
        found = [bucket for ends, table in self._by_ends.items() if (bucket := _at_ends(table, text, *ends))]
        for length, table in self._by_part.items():
            parts = {text[start : start + length] for start in range(len(text) - length + 1)}
            found += [table[part] for part in parts if part in table]
        return found


def _at_ends(table: dict[str, Bucket], text: str, head: int, tail: int) -> Bucket | None:
    if head + tail > len(text):
        return None
    return table.get(text[:head] + text[len(text) - tail :])


class _Part:
    """The entities of one kind: those without wildcards, and the globs."""

    __slots__ = ("globs", "literals")

    def __init__(self) -> None:
        self.literals: set[str] = set()
        self.globs = _GlobIndex()

    def has(self, subject: str) -> bool:
        return subject in self.literals if is_literal(subject) else self.globs.has(subject)

    def add(self, subject: str) -> None:
        (self.literals if is_literal(subject) else self.globs).add(subject)

    def remove(self, subject: str) -> None:
        (self.literals if is_literal(subject) else self.globs).remove(subject)


@dataclass(frozen=True, slots=True)
class Search:
    """What is left to be compared, one by one: globs that have something in common with a name."""

    globs: Sequence[tuple[Name, Sequence[Bucket]]]

    @property
    def left(self) -> int:
        """How many globs that are."""
        return sum(len(bucket) if isinstance(bucket, dict) else 1 for _, buckets in self.globs for bucket in buckets)

    def first(self) -> Subject | None:
        """The glob that fits: of the first kind of which any fits, the first one by the alphabet."""
        for kind in dict.fromkeys(name.kind for name, _ in self.globs):
            fitting = {glob for name, buckets in self.globs if name.kind is kind for glob in _fitting(name, buckets)}
            if fitting:
                return kind, min(fitting)
        return None


def _fitting(name: Name, buckets: Iterable[Bucket]) -> Iterator[str]:
    held = Held(name.text)
    for bucket in buckets:
        yield from (glob for glob in ((bucket,) if isinstance(bucket, str) else bucket) if held.matches(glob))


class Entities:
    """The entities of one list, by their subjects (`Entry.subject`). Each may be there several times."""

    __slots__ = ("_hashed", "_more", "_parts", "everything")

    def __init__(self) -> None:
        self._parts: dict[tuple[EntityKind, bool], _Part] = {}
        """By their kind, and whether they are compared with whole server names."""
        self._more: Counter[Subject] = Counter()
        """How many more times those are there that are there several times."""
        self.everything: Counter[Subject] = Counter()
        """Those that are about everybody; nothing else knows of them."""
        self._hashed = 0
        """How many of them are hashes: without any, no name has to be hashed."""

    def add(self, subject: Subject, *, everything: bool = False) -> None:
        """Take one in."""
        if everything:
            self.everything[subject] += 1
            return
        self._hashed += subject[1].startswith(HASHED)
        part = self._part_of(subject)
        if part.has(subject[1]):
            self._more[subject] += 1
        else:
            part.add(subject[1])

    def remove(self, subject: Subject, *, everything: bool = False) -> None:
        """Take one out that is there."""
        self._hashed -= not everything and subject[1].startswith(HASHED)
        many = self.everything if everything else self._more
        if many[subject] > 1:
            many[subject] -= 1
        elif many[subject] == 1:
            del many[subject]
        elif not everything:
            self._part_of(subject).remove(subject[1])

    def _part_of(self, subject: Subject) -> _Part:
        kind, text = subject
        whole = kind is EntityKind.SERVER and not is_literal(text) and has_port(text)
        return self._parts.setdefault((kind, whole), _Part())

    def literals(self, names: Sequence[Name]) -> dict[Subject, str]:
        """The subjects without wildcards that are here and mean one of these names, each with the name it means."""
        return {
            (kind, text): name
            for (kind, text), name in subjects_of(names, hashed=self._hashed > 0).items()
            if (kind, False) in self._parts and text in self._parts[kind, False].literals
        }

    def lookups(self, names: Sequence[Name]) -> int:
        """How much work `search` is: look-ups in tables, of which ten thousand take some milliseconds."""
        return sum(part.globs.lookups(name.text) for name, part in self._compared(names))

    def search(self, names: Sequence[Name]) -> Search:
        """The globs that these names are to be compared with."""
        return Search([(name, part.globs.candidates(name.text)) for name, part in self._compared(names)])

    def _compared(self, names: Sequence[Name]) -> Iterator[tuple[Name, _Part]]:
        parts = ((name, self._parts.get((name.kind, name.whole))) for name in names)
        return ((name, part) for name, part in parts if part is not None)
