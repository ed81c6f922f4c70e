"""Remarks: lines about a request that come from the moderators: notes, who is at it, votes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Extent(StrEnum):
    """Where remarks are shown, and so how much they say."""

    ROW = "row"
    """In a row: of a card that several requests share, or of a list. One short sentence each."""
    CARD = "card"
    """On a card of one request."""
    WHOLE = "whole"
    """Where all about one request is shown."""


MOST: Final[Mapping[Extent, int]] = {Extent.ROW: 4, Extent.CARD: 8, Extent.WHOLE: 40}
"""Remarks on one request."""
