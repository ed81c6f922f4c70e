"""Brings the translations up to date with the table of sentences: `make messages`; `--check` says whether they are."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import get_args

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from knockbot.chat.catalogue import written
from knockbot.chat.sentences import ALL
from knockbot.chat.sentences.rows import Sentence
from knockbot.domain.languages import Language

LOCALES = Path(__file__).parents[1] / "knockbot" / "chat" / "locales"
TRANSLATED = tuple(language for language in Language if language is not Language.EN)


def translation(language: Language) -> Catalog:
    """What the translators of a language have written."""
    return read_po(io.BytesIO(written(language)), locale=language.value)


def template() -> Catalog:
    """All sentences, with nothing translated."""
    catalogue = Catalog()
    for key, sentence in ALL.items():
        if sentence.has_words:
            text = (sentence.text, sentence.plural) if sentence.plural else sentence.text
            catalogue.add(text, context=key, auto_comments=[_arguments(sentence)] if sentence.args else [])
    return catalogue


def _arguments(sentence: Sentence) -> str:
    kinds = {name: get_args(kind) or (kind,) for name, kind in sentence.args.items()}
    return ", ".join(
        name if kind is object else f"{name}: {' or '.join(one.__name__ for one in kinds[name])}"
        for name, kind in sentence.args.items()
    )


def updated(language: Language) -> bytes:
    """The file of a language with every sentence of today: what is new is empty, what has changed is fuzzy.

    Its header is the translators', and stays.
    """
    catalogue = translation(language)
    catalogue.update(template(), update_creation_date=False)
    out = io.BytesIO()
    write_po(out, catalogue, width=120, ignore_obsolete=True, omit_header=True)
    return written(language).partition(b"\n\n")[0] + b"\n\n" + out.getvalue().lstrip()


def main() -> int:
    """Write the files anew, or only look."""
    stale = [language for language in TRANSLATED if updated(language) != written(language)]
    if "--check" in sys.argv:
        for language in stale:
            print(f"{LOCALES / language}.po is not up to date: make messages", file=sys.stderr)
        return 1 if stale else 0
    for language in stale:
        (LOCALES / f"{language}.po").write_bytes(updated(language))
        print(f"updated: {language}.po; what is empty or fuzzy in it waits for a translator")
    return 0


if __name__ == "__main__":
    sys.exit(main())
