"""The policies in force: each is compiled once per revision and kept while it is in force, within a limit."""

from __future__ import annotations

from collections import OrderedDict

from knockbot.domain.policy import Policy

LARGEST = 64 * 1024 * 1024
"""Bytes that all of them may take together; the least recently used is dropped, and compiled again when needed."""


class Compiled:
    """Compiled policies by room and revision, one for each room."""

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._kept: OrderedDict[str, tuple[int, Policy]] = OrderedDict()
        self._memory = 0
        self._taken: tuple[str, str, Policy] | None = None

    @property
    def rooms(self) -> list[str]:
        """The rooms whose policies are kept, the one that was used last at the end."""
        return list(self._kept)

    def find(self, room_id: str, revision: int) -> Policy | None:
        """The policy of a room, if this revision of it is kept."""
        kept = self._kept.get(room_id)
        if kept is None or kept[0] != revision:
            return None
        self._kept.move_to_end(room_id)
        return kept[1]

    def keep(self, room_id: str, revision: int, policy: Policy) -> None:
        """Keep this one, in place of the one before."""
        self.drop(room_id)
        self._kept[room_id] = (revision, policy)
        self._memory += policy.memory
        while self._memory > self._largest and len(self._kept) > 1:
            self.drop(next(iter(self._kept)))

    def drop(self, room_id: str) -> None:
        """Keep no policy of this room."""
        kept = self._kept.pop(room_id, None)
        if kept is not None:
            self._memory -= kept[1].memory

    def expect(self, room_id: str, text: str, policy: Policy) -> None:
        """Keep a policy that was compiled to check its text, and is about to be put in force."""
        self._taken = (room_id, text, policy)

    def expected(self, room_id: str, text: str) -> Policy | None:
        """The policy that a text was compiled to a moment ago."""
        if self._taken is None or self._taken[:2] != (room_id, text):
            return None
        policy, self._taken = self._taken[2], None
        return policy
