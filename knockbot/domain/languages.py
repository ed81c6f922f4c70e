"""The languages in which the bot can write."""

from __future__ import annotations

from enum import StrEnum


class Language(StrEnum):
    """By its code (ISO 639). To add one: a row here, and where CONTRIBUTING.md says; then `make messages`."""

    EN = "en"
    DE = "de"


def spoken_here(code: object) -> Language:
    """A language by its code; English for an unknown code."""
    return next((language for language in Language if language == code), Language.EN)
