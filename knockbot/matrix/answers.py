"""Reads a long list in an answer of the homeserver item by item, so that it is never in memory as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from aiohttp import StreamReader

from knockbot.http import MIB, TooLarge, as_json

LARGEST_ITEM: Final = MIB
"""Bytes of one item of a list: an event has at most 64 KiB, and some more for what the homeserver adds to it."""
LONGEST_KEY: Final = 1024


_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("?)|[\[\]{}:,]', re.DOTALL)
"""A string, whole or cut off by the end of the text, or what gives JSON its structure."""


class Items:
    """Cuts the objects of one list out of JSON text that comes in chunks; `path` holds the keys that lead to the list.

    It holds one item at a time, and skips everything else.
    """

    def __init__(self, path: Sequence[str]) -> None:
        self._path = list(path)
        self._text = b""
        self._place = 0
        self._begin: int | None = None
        """Where the item begins that is not complete yet."""
        self._depth = 0
        self._keys: list[str | None] = []
        """The key at each level down to the list; none inside another list."""
        self._inside = False
        self._is_value = False
        self.whole = False
        """Whether the text was one JSON object or list, and is complete."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The items that this chunk completes. Raises `TooLarge`."""
        self._text += chunk
        for token in _TOKEN.finditer(self._text, self._place):
            if token[1] == b"":
                break  # the rest of this string is yet to come
            self._place = token.end()
            item = self._take(token[0], token.start())
            if item is not None:
                yield item
        kept = self._place if self._begin is None else self._begin
        if len(self._text) - kept > LARGEST_ITEM + len(chunk):
            raise TooLarge
        self._text = self._text[kept:]
        self._place -= kept
        self._begin = None if self._begin is None else 0

    def _take(self, token: bytes, at: int) -> bytes | None:
        if token in (b"{", b"["):
            self._open(token, at)
        elif token in (b"}", b"]"):
            return self._close(at)
        elif not self._inside and self._depth <= len(self._path):
            self._read_key(token)
        return None

    def _open(self, token: bytes, at: int) -> None:
        self._depth += 1
        if self._inside:
            if self._depth == len(self._path) + 2 and token == b"{":
                self._begin = at
        elif self._depth == len(self._path) + 1 and token == b"[" and self._keys == self._path:
            self._inside = True
        elif self._depth <= len(self._path):
            self._keys = [*self._keys[: self._depth - 1], None]
            self._is_value = token == b"["  # the items of another list are no keys

    def _close(self, at: int) -> bytes | None:
        self._depth -= 1
        self.whole = self._depth == 0
        if self._inside and self._depth == len(self._path):
            self._inside = False
        if self._depth <= len(self._path) and not self._inside:
            self._keys = self._keys[: self._depth]
        if self._begin is not None and self._depth == len(self._path) + 1:
            item, self._begin = self._text[self._begin : at + 1], None
            return item
        return None

    def _read_key(self, token: bytes) -> None:
        if token == b",":
            self._is_value = False
        elif token == b":":
            self._is_value = True
        elif not self._is_value and self._keys and len(token) <= LONGEST_KEY:
            key = as_json(token)
            self._keys[-1] = key if isinstance(key, str) else None


async def read_items(content: StreamReader, path: Sequence[str], limit: int) -> Any:
    """A list's objects, one after another. Raises `TooLarge`, and `ValueError` if the text is not complete JSON."""
    items, read_so_far = Items(path), 0
    async for chunk in content.iter_any():
        read_so_far += len(chunk)
        if read_so_far > limit:
            raise TooLarge
        for item in items.feed(chunk):
            yield as_json(item)
    if not items.whole:
        raise ValueError("not JSON")
