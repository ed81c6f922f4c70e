"""Names that look alike: a table of pairs that must, and that must not, be taken for each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.domain.lookalikes import keys, look_alike

ALIKE = {
    "the same": ("Anna", "Anna"),
    "upper case": ("admin", "ADMIN"),
    "mixed case": ("alice", "aLiCe"),
    "a capital I for a small l": ("paypal", "paypaI"),
    "a small l for a capital I": ("Ian", "lan"),
    "capitals throughout, with an I": ("moderation", "MODERATION"),
    "a one for a small l": ("paul", "pau1"),
    "a bar for a small l": ("paul", "pau|"),
    "a zero for an O": ("Otto", "0tto"),
    "rn for m": ("moderator", "rnoderator"),
    "m for rn": ("barn", "bam"),
    "rn for m within": ("admin", "adrnin"),
    "vv for w": ("walter", "vvalter"),
    "a Cyrillic a": ("admin", "\u0430dmin"),
    "a Cyrillic e and o": ("moderator", "m\u043ed\u0435rator"),
    "a Cyrillic i": ("alice", "al\u0456ce"),
    "a Cyrillic c and p": ("scope", "s\u0441o\u0440e"),
    "a Cyrillic capital": ("Anna", "\u0410nna"),
    "Cyrillic capitals throughout": ("HOBA", "\u041d\u041e\u0412\u0410"),
    "a Cyrillic dze": ("sam", "\u0455am"),
    "a Latin letter in a Cyrillic name": ("\u043f\u043e\u0438\u0441\u043a", "\u043f\u043e\u0438c\u043a"),
    "the same Cyrillic name": ("\u0410\u043d\u043d\u0430", "\u0410\u043d\u043d\u0430"),
    "a Cyrillic name in capitals": ("\u0410\u043d\u043d\u0430", "\u0410\u041d\u041d\u0410"),
    "a Greek omicron": ("bob", "b\u03bfb"),
    "a Greek capital alpha": ("Alice", "\u0391lice"),
    "a Greek capital nu": ("Nick", "\u039dick"),
    "a Greek eta for n": ("nick", "\u03b7ick"),
    "a Greek nu for v": ("victor", "\u03bdictor"),
    "a Cherokee S": ("Sam", "\u13daam"),
    "mathematical script": ("alice", "\U0001d4b6\U0001d4c1\U0001d4be\U0001d4b8\u212f"),
    "mathematical bold": ("Bob", "\U0001d401\U0001d428\U0001d41b"),
    "mathematical Fraktur": ("eve", "\U0001d522\U0001d533\U0001d522"),
    "mathematical monospace": ("root", "\U0001d69b\U0001d698\U0001d698\U0001d69d"),
    "mathematical digits": ("bob10", "bob\U0001d7cf\U0001d7ce"),
    "full width": ("bob", "\uff42\uff4f\uff42"),
    "full width capitals": ("Admin", "\uff21\uff24\uff2d\uff29\uff2e"),
    "letters in circles": ("alice", "\u24d0lice"),
    "letters in squares": ("admin", "\U0001f170dmin"),
    "small capitals": ("bob", "\u0299ob"),
    "a dotless i": ("alice", "al\u0131ce"),
    "a ligature": ("fiona", "\ufb01ona"),
    "a Roman numeral": ("Ivan", "\u2160van"),
    "a zero width space": ("alice", "al\u200bice"),
    "a zero width joiner": ("alice", "ali\u200dce"),
    "a word joiner at the end": ("alice", "alice\u2060"),
    "a soft hyphen": ("alice", "ali\u00adce"),
    "a grapheme joiner": ("admin", "admin\u034f"),
    "a right-to-left override": ("alice", "\u202ealice"),
    "a Hangul filler": ("alice", "alice\u3164"),
    "a combining acute": ("alice", "a\u0301lice"),
    "an accent in one character": ("alice", "\u00e1lice"),
    "an overlay": ("alice", "alic\u0338e"),
    "a tower of marks": ("bob", "b\u0300\u0301\u0302\u0303\u0304\u0305ob"),
    "a dot below": ("admin", "adm\u1ecbn"),
    "an emoji behind": ("Alice", "Alice \U0001f6e1\ufe0f"),
    "an emoji before": ("Alice", "\u2705 Alice"),
    "an emoji within": ("Alice", "Al\u2b50ice"),
    "blanks around": ("Alice", "  Alice "),
    "many blanks between": ("Alice Smith", "Alice \u2003 Smith"),
    "an underscore behind": ("alice", "alice_"),
    "a full stop behind": ("alice", "alice."),
    "brackets around": ("alice", "[alice]"),
    "an Arabic digit one": ("bob1", "bob\u0661"),
    "the same emoji": ("\U0001f98a", "\U0001f98a"),
    "a stroke through an l": ("lukasz", "\u0142ukasz"),
    "a small l for an I within capitals": ("Alice", "ALlCE"),
    "a one for an I within capitals": ("Alice", "AL1CE"),
    "a bar for an I within capitals": ("Alice", "AL|CE"),
    "a palochka within capitals": ("Alice", "AL\u04cfCE"),
    "a role in brackets": ("Alice", "Alice (admin)"),
    "a role in brackets before": ("Alice", "[Mod] Alice"),
    "brackets that do not end": ("Alice", "Alice (admin"),
    "a role behind a slash": ("Alice", "Alice/Mod"),
    "a role behind a slash with blanks": ("Alice", "Alice / Mod"),
    "a role behind a dash": ("Alice", "Alice - Mod"),
    "a role behind a bar": ("Alice", "Alice | Mod"),
    "the full user ID": ("alice1", "@alice1:lab.test"),
    "the full user ID in full width": ("alice1", "\uff20alice1\uff1alab.test"),
    "the user ID without @": ("alice1", "alice1:lab.test"),
}

DIFFERENT = {
    "other names": ("alice", "bob"),
    "Latin and Cyrillic Anna, which are read alike and look different": ("Anna", "\u0410\u043d\u043d\u0430"),
    "Latin and Greek Anna in small letters": ("anna", "\u03b1\u03bd\u03bd\u03b1"),
    "Latin and Cyrillic Ivan": ("Ivan", "\u0418\u0432\u0430\u043d"),
    "Latin and Cyrillic Boris": ("Boris", "\u0411\u043e\u0440\u0438\u0441"),
    "a longer name": ("anna", "annabel"),
    "a shorter name": ("alexander", "alex"),
    "one letter less": ("alice", "alce"),
    "other vowels": ("marion", "marian"),
    "letters swapped": ("alice", "alcie"),
    "another number": ("bob1", "bob2"),
    "a word more": ("Alice", "Alice Smith"),
    "no blank between": ("alicesmith", "alice smith"),
    "a hyphen between": ("annamaria", "anna-maria"),
    "a hyphen between, of another name": ("anna", "anna-maria"),
    "two who are moderators": ("Alice (mod)", "Bob (mod)"),
    "a small l within capitals for no I": ("ALOCE", "ALlCE"),
    "n for m": ("tim", "tin"),
    "r for rn": ("barn", "bar"),
    "v for w": ("wera", "vera"),
    "small i for small l": ("hail", "hall"),
    "q for g": ("qi", "gi"),
    "b for d": ("bob", "dod"),
    "Han": ("\u738b", "\u4e95"),
    "Hindi with another vowel": ("\u0930\u093e\u092e\u0941", "\u0930\u093e\u092e\u0942"),
    "Thai with another vowel": ("\u0e1b\u0e34", "\u0e1b\u0e35"),
    "Arabic": ("\u0639\u0644\u064a", "\u0639\u0645\u0631"),
    "Hebrew": ("\u05d3\u05d5\u05d3", "\u05d3\u05e0\u05d4"),
    "Hangul": ("\uae40", "\uc774"),
    "another emoji": ("\U0001f98a", "\U0001f431"),
    "an emoji and a name": ("\U0001f98a", "fox"),
    "nothing to see": ("\u200b", "\u2060"),
    "nothing at all": ("", ""),
    "nothing and a name": ("", "alice"),
}


@pytest.mark.parametrize(("one", "other"), ALIKE.values(), ids=ALIKE.keys())
def test_who_looks_like_the_other(one: str, other: str) -> None:
    assert look_alike([one], [other])
    assert look_alike([other], [one])


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_who_does_not(one: str, other: str) -> None:
    assert not look_alike([one], [other])
    assert not look_alike([other], [one])


@given(st.text(max_size=300))
def test_whatever_a_stranger_calls_themselves_has_keys_and_looks_like_itself(name: str) -> None:
    assert look_alike([name], [name]) is bool(keys(name))


def test_a_long_name_is_compared_by_its_beginning() -> None:
    assert keys("a" * 100_000) == keys("a" * 255)
