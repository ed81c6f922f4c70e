"""Turns a notice into text: its sentence, in the reader's language, each argument made harmless by its type.

A sentence is formatted once, into plain text and HTML together (`markup.py`). Nothing that a stranger wrote
can break out of the markup, change the direction of the line, or become a link, in any translation.
"""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from markupsafe import Markup, escape

from knockbot.chat import times
from knockbot.chat.markup import (
    Words,
    block,
    bold,
    code,
    dotted,
    identifier,
    letters,
    lines,
    listed,
    profile,
    room,
    rule,
    sentences,
    spoiler,
    user,
    words,
)
from knockbot.chat.sentences import ALL
from knockbot.chat.sentences.rows import Sentence
from knockbot.documents.text import NAME_LIMIT, shown, shown_id, unlinked
from knockbot.domain.languages import Language
from knockbot.domain.notices import (
    Ago,
    Arg,
    Choice,
    Code,
    Day,
    Document,
    Dotted,
    Duration,
    Foreign,
    Hidden,
    Id,
    Letters,
    Level,
    Lines,
    Many,
    Moment,
    Name,
    Notice,
    Number,
    Numbered,
    Profile,
    Room,
    Rule,
    Sentences,
    Sign,
    Span,
    Stranger,
    Term,
    User,
    notice,
)
from knockbot.domain.reasons import is_finding
from knockbot.times import MINUTE


def render(said: Notice, language: Language = Language.EN) -> Words:
    """A notice as text. If no sentence fits, for example after a change of version, its code is shown."""
    name = key(said)
    sentence = ALL.get(name)
    if sentence is None or not sentence.fits(said.args):
        return render(notice("unknown", code=Code(name)), language)
    template = unlinked(translated(name, sentence, said.args, language))  # keys of the config look like hosts
    is_part = said.code.startswith(BY)
    parts = {place: _put_in(template, place, arg, language, is_part=is_part) for place, arg in said.args.items()}
    return words(template, **parts)


BY: Final = "by."
"""How the codes begin that say by whom."""


def _put_in(template: str, place: str, arg: Arg, language: Language, *, is_part: bool) -> Words:
    """An argument in its place: by whom it was, if that begins the sentence, has a capital, unless the sentence is only
    a part of another; and a sentence within it has no full stop."""
    told = RENDER[type(arg)](arg, language)
    if isinstance(arg, Duration):
        return _ours(times.in_its_case(told.plain, template.partition(f"{{{place}}}")[0], language))
    begins = template.startswith(f"{{{place}}}") and not is_part
    if begins and isinstance(arg, Notice) and arg.code.startswith(BY):
        told = _beginning(told)
    goes_on = isinstance(arg, Notice) and re.search(rf"\{{{place}\}}[^\s{{]", template)
    return _clause(told) if goes_on else told


def _beginning(said: Words) -> Words:
    first = said.plain[:1]
    if not said.html.startswith(first):
        return said
    return Words(first.upper() + said.plain[1:], Markup(first.upper() + said.html[1:]))  # noqa: S704 - as below


def _clause(said: Words) -> Words:
    return Words(said.plain.removesuffix("."), Markup(said.html.removesuffix(".")))  # noqa: S704 - of what is escaped


def key(said: Notice) -> str:
    """Which sentence a notice is: its code, and what it chooses, in the order of the names of the choices."""
    chosen = {name: arg.value for name, arg in said.args.items() if isinstance(arg, Choice)}
    return "/".join([said.code, *(chosen[name] for name in sorted(chosen))])


def translated(name: str, sentence: Sentence, args: Mapping[str, Arg], language: Language) -> str:
    """The template of a sentence in a language, in the plural where that is due."""
    known = translations(language)
    if not sentence.has_words:
        return sentence.text
    count = args.get("count")
    if sentence.plural and isinstance(count, Number):
        return known.npgettext(name, sentence.text, sentence.plural, count.value)
    return known.pgettext(name, sentence.text)


@cache
def translations(language: Language) -> gettext.NullTranslations:
    """The sentences of a language. They are read from where translators write them: nothing has to be built before."""
    if language is Language.EN:
        return gettext.NullTranslations()
    catalogue = read_po(io.BytesIO(written(language)), locale=language.value)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def written(language: Language) -> bytes:
    """The file that the translators of a language write."""
    return files("knockbot.chat").joinpath("locales", f"{language}.po").read_bytes()


def _ours(text: str) -> Words:
    """Text that nobody else wrote: a full stop between digits makes no link of it."""
    return Words(text, escape(text))


def _ago(milliseconds: int, language: Language) -> Words:
    if milliseconds < MINUTE:
        return render(notice("time.just_now"), language)
    return _ours(times.ago(milliseconds, language))


def _listed(many: Many, language: Language) -> Words:
    """Several things as one enumeration; findings have commas of their own."""
    between = "; " if any(isinstance(item, Notice) and is_finding(item) for item in many.items) else ", "
    return listed([_item(item, language) for item in many.items], between)


def _item(item: Arg, language: Language) -> Words:
    told = RENDER[type(item)](item, language)
    return _clause(told) if isinstance(item, Notice) else told


def _hidden(arg: Hidden, language: Language) -> Words:
    text = shown(arg.text, arg.limit)
    veiled = spoiler(text, render(notice("card.hidden", command=Code(arg.command)), language))
    cut = text != shown(arg.text, arg.limit + 1)
    return Words(veiled.plain, veiled.html + Markup(" ") + code(arg.command).html) if cut else veiled


def _rule(arg: Rule, language: Language) -> Words:
    if not arg.origin:
        return rule(arg.name, language)
    return render(notice("rule.of", rule=Rule(arg.name), room=Room("", arg.origin)), language)


RENDER: Mapping[type[Any], Callable[[Any, Language], Words]] = {
    User: lambda arg, _: user(arg.user_id),
    Profile: lambda arg, _: profile(arg.user_id),
    Name: lambda arg, _: bold(shown(arg.text, NAME_LIMIT)),
    Hidden: _hidden,
    Sign: lambda arg, _: _ours(arg.emoji),
    Room: lambda arg, _: room(arg.label),
    Id: lambda arg, _: identifier(arg.text),
    Stranger: lambda arg, _: words("{}", shown(arg.text, arg.limit)),
    Letters: lambda arg, _: letters(shown_id(shown(arg.text, arg.limit))),
    Foreign: lambda arg, _: words("{}", arg.text),
    Code: lambda arg, _: code(arg.text),
    Term: lambda arg, _: bold(arg.text),
    Rule: _rule,
    Document: lambda arg, _: block(arg.text),
    Choice: lambda arg, _: words("{}", arg.value),
    Number: lambda arg, language: _ours(times.number(arg.value, language)),
    Numbered: lambda arg, _: bold(f"#{arg.number}"),
    Level: lambda arg, _: words("{}", arg.text),
    Moment: lambda arg, language: _ours(times.moment(arg.at, language, arg.zone)),
    Day: lambda arg, language: _ours(times.day(arg.at, language, arg.zone)),
    Duration: lambda arg, language: _ours(times.duration(arg.milliseconds, language)),
    Span: lambda arg, language: _ours(times.span(arg.milliseconds, language)),
    Ago: lambda arg, language: _ago(arg.milliseconds, language),
    Many: _listed,
    Lines: lambda arg, language: lines(RENDER[type(item)](item, language) for item in arg.items),
    Sentences: lambda arg, language: sentences(*(RENDER[type(item)](item, language) for item in arg.items)),
    Dotted: lambda arg, language: dotted([RENDER[type(item)](item, language) for item in arg.items]),
    Notice: render,
}
"""How each kind of argument is shown."""
