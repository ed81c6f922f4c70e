"""Mistakes in policies and other documents, as notices: each template of a `Fault` by a code, so that it is translated.

`Fault` is in English for the command line; what is told in chat goes through here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from knockbot.domain.notices import Arg, Foreign, Letters, Notice, Stranger, because, listed
from knockbot.errors import Fault

MISTAKES: Final[Mapping[str, str]] = {
    # --- values
    "mistake.no_mapping": "expected keys and values, found {found}",
    "mistake.list_of_keys": 'expected keys and values, found {found}; remove the "-" before them',
    "mistake.key_no_text": "expected text as key, found {found}: put it in quotes",
    "mistake.no_list": "expected a list, found {found}",
    "mistake.no_list_at_all": 'expected a list, found {found} (in YAML, text that begins with "#" needs quotes)',
    "mistake.no_dashes": 'expected a list, found {found}; write "- " before each part',
    "mistake.empty_list": "the list is empty",
    "mistake.no_text": "expected text, found {found}",
    "mistake.nothing": 'expected text, found {found} (in YAML, text that begins with "#" needs quotes)',
    "mistake.no_quotes": "expected text, found {found}: put it in quotes",
    "mistake.empty_text": "expected text, found none",
    "mistake.too_long": "too long: {length} characters, at most {most}",
    "mistake.no_wave": "expected off, or knocks, within and ends_after, found {found}",
    "mistake.no_whole_number": "expected a whole number from {least} to {most}, found {found}",
    "mistake.not_true_or_false": "expected true or false, found {found}",
    "mistake.number_of_times": "expected true or false, found {found}; for a number write {example}",
    "mistake.no_time": "expected a time such as 30m, 12h or 7d, found {found}",
    "mistake.no_letter_time": "expected a time such as 24h, or false, found {found}",
    "mistake.long_time": "the time {found} is too long",
    "mistake.no_time_at_all": "expected a time longer than zero, found {found}",
    "mistake.time_at_most": "expected a time of {most} at most",
    "mistake.at_most": "expected at most {most}, found {found}",
    "mistake.no_time_of_day": 'expected a time of day such as "07:30", found {found}',
    "mistake.no_hours": 'expected two times of day such as "22:00-07:00", found {found}',
    "mistake.same_hours": "both times are the same; for no quiet hours, write off",
    "mistake.time_between": "expected a time of {least} to {most}, or off",
    "mistake.no_zone": 'expected the name of a time zone such as "Europe/Berlin", found {found}',
    "mistake.no_word": "expected one of {known}, found {found}",
    "mistake.later": "{found} comes in a later version",
    "mistake.unseen": "unknown {what} {found}: a space or another character that cannot be seen is in it",
    "mistake.nearly": 'unknown {what} {found}; did you mean "{nearest}"?',
    "mistake.unknown": "unknown {what} {found}; known: {known}",
    "mistake.missing": "missing",
    "mistake.key_twice": "{found} is here a second time, in another spelling",
    # --- YAML
    "mistake.nothing_here": "nothing is written here",
    "mistake.two_documents": "a second document begins here; only one is accepted",
    "mistake.too_deep": "nested too deeply: at most {most} levels",
    "mistake.second_time": "the key {found} is here a second time (first: line {first})",
    "mistake.list_as_key": "a key must be text, and not a list or keys and values",
    "mistake.merge_keys": 'merge keys ("<<") are not accepted',
    "mistake.no_hyphen": '{mark} is no hyphen: type "- " before each part of a list',
    "mistake.no_blank": 'a blank is missing behind the "-" of {found}',
    "mistake.curly_quote": '{mark} is not a quotation mark in YAML: type ", or put " around text that has it',
    "mistake.alias": 'aliases are not accepted; text that begins with "*" needs quotes',
    "mistake.anchor": 'anchors are not accepted; text that begins with "&" needs quotes',
    "mistake.tag": 'tags are not accepted; text that begins with "!" needs quotes',
    "mistake.directive": 'directives are not accepted; text that begins with "%" needs quotes',
    "mistake.character": "the character {character} is not accepted",
    "mistake.escaped": 'the character {character} is not accepted; a "\\" in double quotes needs another one before '
    "it, or single quotes",
    "mistake.escape": "not valid YAML: no character has the number in this escape",
    "mistake.not_valid": "not valid YAML: {words}",
    "mistake.needs_quotes": 'text that begins with "{character}" needs quotes',
    "mistake.tabs": "indent with spaces, not with tabs",
    "mistake.block": 'text that begins with "|" or ">" needs quotes',
    "mistake.open_quote": "a quotation mark is never closed",
    "mistake.open_bracket": "a bracket is never closed",
    "mistake.bracket_or_comma": "a bracket that begins here is never closed, or a comma is missing in it",
    "mistake.backslash": 'a "\\" in double quotes needs another one before it, or single quotes',
    "mistake.after_end": "there is something after the end of the document",
    "mistake.colon": 'a ":" where none is possible: begin a new line, or put quotes around text with ":"',
    "mistake.no_pair": 'a line that is not "key: value"',
    "mistake.indent": "this line is not indented like those around it",
    "mistake.large_number": "the number {number} is too large",
    "mistake.no_number": "{number} is not accepted as a number; put it in quotes if it is text",
    # --- rules and criteria
    "mistake.nested": "any, all and not are nested more than {most} deep",
    "mistake.empty_when": "it is empty; for everyone else, use otherwise",
    "mistake.other_kind": "{key} can judge {kinds} only, and this rule is for {kinds_too}",
    "mistake.no_user_glob": 'expected a user ID or a glob for one ("@*:example.org"), found {found}',
    "mistake.no_host_glob": 'expected a host without port, or a glob for one ("*.example.org"), found {found}',
    "mistake.no_level": "expected a power level, a whole number such as 50, found {found}",
    "mistake.no_room": "expected a room ID or alias, found {found}",
    "mistake.room_link": "expected a room ID or alias, found {found}; write {linked}",
    "mistake.always_knocks": "more than 0 is always so, as the knock itself counts",
    "mistake.always_invites": "more than 0 is always so, as the invite itself counts",
    "mistake.always_times": "0 times is always so; write false for never",
    "mistake.no_times": "expected true, false, or times, within and where",
    "mistake.no_code_name": "expected true, false, or the name of a code, found {found}",
    "mistake.no_vouched": "expected true, false, or by_at_least and power_at_least",
    "mistake.no_words": "0 people vouch for everybody; write false for nobody",
    "mistake.no_list_name": "expected the name of a list, or true, found {found}",
    "mistake.from_alone": "expected from and to together",
    "mistake.no_moment": "expected days, or from and to, or all three",
    "mistake.same_time": "from and to are the same time; for the whole day, leave both out",
    "mistake.taken_for": "{found} would be taken for something else; choose another name",
    "mistake.many_lists": "too many lists, at most {most}",
    "mistake.list_named_alike": "another list has the same name {found}; choose another one",
    "mistake.list_of_same_room": "another list has the same room",
    "mistake.long_pattern": "the pattern is too long: {length} characters, at most {most}",
    "mistake.no_pattern": "not a pattern that RE2 understands: {words}",
    "mistake.large_pattern": "the pattern is too large: it compiles to {size} steps, at most {most}",
    "mistake.unknown_list": "unknown list {found}; known: {known}",
    "mistake.unknown_of_none": "unknown list {found}; the policy has no lists",
    "mistake.no_lists": "the policy has no lists",
    "mistake.large_patterns": "all patterns together are too large",
    "mistake.many_countings": "knocks are counted in {count} ways, at most {most}",
    "mistake.nobody_vouches": "to accept, lookalike needs beside it a criterion that names the person or vouches for "
    "them, in each part of any: user or server (not *, but for example *.org), local: true, member_of, "
    "member_of_managed: true, accepted_before: true, pre_approved: true, code, vouched, on_list, inviter, "
    "inviter_power_at_least, inviter_is_member: true or identity_server",
    "mistake.many_calls": "too many users to call: {count}, at most {most}",
    "mistake.no_user": "expected a user ID, found {found}",
    "mistake.many_rooms": "too many rooms: {count}, at most {most}",
    "mistake.many_rules": "too many rules, at most {most}",
    "mistake.rule_named_alike": "another rule has the same name",
    "mistake.template_name": "expected a name of 1 to 20 letters, digits, - and _, and not of digits alone, found "
    "{found}",
    "mistake.choice_name": "expected a name of 1 to 30 letters, digits, - and _, and not of digits alone, found "
    "{found}",
    "mistake.number_of_choices": "expected {least} to {most} choices, found {count}",
    "mistake.choices_alike": "two choices have the same words",
    "mistake.questions_alike": "another question has the same words",
    "mistake.many_questions": "too many questions: {count}, at most {most}",
    "mistake.no_questions": "the policy has no questions",
    "mistake.no_such_question": "there is no question {number}; the policy has {count}",
    "mistake.is_or_matches": "expected either is or matches beside question",
    "mistake.only_knocks_asked": "only those who knock can be asked",
    "mistake.asks_again": "whoever has answered all questions would be asked again; write a rule with {rule} before",
    "mistake.many_templates": "too many templates: {count}, at most {most}",
    "mistake.memory": "it would take too much memory, {size}: it has too many patterns",
    "mistake.in_a_rule": "this belongs into a rule, below rules",
    "mistake.in_when": "this belongs into when of a rule",
    "mistake.in_this_when": "this belongs into when of this rule",
    "mistake.beside_when": "this belongs into the rule, beside when",
    "mistake.at_the_top": "this is a setting of the whole policy: put it at the beginning of a line",
}
"""What a `Fault` says of a policy, by its code; a test compares them with every `Fault` of what reads policies."""

FOUND: Final[Mapping[str, str]] = {
    "mistake.found_list": "a list",
    "mistake.found_mapping": "keys and values",
    "mistake.found_nothing": "nothing",
    "mistake.found_secret": "what looks like a secret",
    "mistake.found_huge": "a huge number",
    "mistake.found_other": "something else",
    "mistake.a_key": "key",
    "mistake.a_word": "word",
    "mistake.a_criterion": "criterion",
    "mistake.a_choice": "choice",
    "mistake.a_time_zone": "time zone",
    "mistake.knocks": "knocks",
    "mistake.invites": "third-party invites",
    "mistake.guests": "redeemed invites",
}
"""What such an argument is in words. What somebody wrote is in quotes there, and never one of these."""

SENTENCES: Final[Mapping[str, str]] = {
    **{code: said if said[-1] in "?!." else f"{said}." for code, said in MISTAKES.items()},
    **FOUND,
    "mistake.line": "line {number}",
    "mistake.rule": "rule {rule}",
    "mistake.at": "{place}: {what}",
}
"""The same as sentences."""

_CODES = {said: code for code, said in (*MISTAKES.items(), *FOUND.items())}
_SEVERAL = re.compile(r", | and ")
_PLACE = re.compile(
    r'(?:line (?P<line>[0-9]+)(?:: |$))?(?:rule (?P<rule>#[0-9]+|".*?")(?:: |$))?(?P<key>.*)', re.DOTALL
)


def told(fault: Fault) -> Notice:
    """A mistake with its place, for people."""
    code = _CODES.get(fault.template)
    if code is None:
        return because("foreign", words=Foreign(f"{fault}" if fault.message[-1:] in "?!." else f"{fault}."))
    said = because(code, **{name: _argument(name, str(value)) for name, value in fault.args_of.items()})
    where = ": ".join(filter(None, (fault.where, fault.place)))
    return because("mistake.at", place=place(where), what=said) if where else said


def _argument(name: str, value: str) -> Arg:
    if name.startswith("kinds"):
        return listed(because(_CODES[one]) for one in _SEVERAL.split(value))
    return because(_CODES[value]) if value in FOUND.values() else Stranger(value, LONGEST)


LONGEST: Final = 1000
"""Characters of an argument: of the words that are known, for example."""


def place(text: str) -> Notice:
    """A place in a policy, such as ``line 4: rule "our people": when.server``, for people."""
    found = _PLACE.fullmatch(text)
    assert found is not None  # each part of it may be empty
    parts: list[Notice | Stranger] = []
    if found["line"]:
        parts.append(because("mistake.line", number=Letters(found["line"])))
    if found["rule"]:
        parts.append(because("mistake.rule", rule=Stranger(found["rule"], LONGEST)))
    if found["key"]:
        parts.append(Stranger(found["key"], LONGEST))
    *before, last = parts or [Stranger(text, LONGEST)]
    said = last if isinstance(last, Notice) else because("foreign", words=Foreign(last.text))
    for one in reversed(before):
        said = because("mistake.at", place=one, what=said)
    return said
