"""Names that look alike: a table of pairs that must, and that must not, be taken for each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.domain.languages import Language
from knockbot.domain.lookalikes import OFFICES, keys, look_alike
from knockbot.domain.model import NAME_KEPT

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
    "Greek capitals throughout": ("Mona Lisa", "\u039c\u039f\u039d\u0391 L\u0399S\u0391"),
    "Greek and Cyrillic capitals": ("Alice", "\u0391L\u0406\u0421\u0395"),
    "Lisu letters, which are all capitals": ("Mona Lisa", "\ua4df\ua4f3\ua4e0\ua4ee \ua4e1\ua4f2\ua4e2\ua4ee"),
    "Lisu letters of one word": ("alice", "\ua4ee\ua4e1\ua4f2\ua4da\ua4f0"),
    "Cherokee letters": ("alice", "\u13aa\u13de\u13c6\u13df\u13ac"),
    "Hangul filler for a blank": ("Mona Lisa", "Mona\u3164Lisa"),
    "Hangul filler of a vowel for a blank": ("Mona Lisa", "Mona\u1160Lisa"),
    "Hangul filler of a consonant for a blank": ("Mona Lisa", "Mona\u115fLisa"),
    "half-width Hangul filler for a blank": ("Mona Lisa", "Mona\uffa0Lisa"),
    "Hangul filler within a word": ("Mona Lisa", "Mo\u3164na Lisa"),
    "a braille blank": ("Mona Lisa", "Mona\u2800Lisa"),
    "white letters in black squares": (
        "Mona Lisa",
        "\U0001f17c\U0001f17e\U0001f17d\U0001f170 \U0001f17b\U0001f178\U0001f182\U0001f170",
    ),
    "white letters in black circles": (
        "Mona Lisa",
        "\U0001f15c\U0001f15e\U0001f15d\U0001f150 \U0001f15b\U0001f158\U0001f162\U0001f150",
    ),
    "capitals in squares": (
        "Mona Lisa",
        "\U0001f13c\U0001f13e\U0001f13d\U0001f130 \U0001f13b\U0001f138\U0001f142\U0001f130",
    ),
    "a capital in a circle": ("Alice", "\u24b6lice"),
    "regional indicators": (
        "Mona Lisa",
        "\U0001f1f2\U0001f1f4\U0001f1f3\U0001f1e6 \U0001f1f1\U0001f1ee\U0001f1f8\U0001f1e6",
    ),
    "a flag behind": ("Mona Lisa", "Mona Lisa \U0001f1ee\U0001f1f9"),
    "a flag within": ("Mona Lisa", "Mona \U0001f1ee\U0001f1f9 Lisa"),
    "emoji for a blank": ("Mona Lisa", "Mona\U0001f642Lisa"),
    "emoji with a skin colour for a blank": ("Mona Lisa", "Mona\U0001f44b\U0001f3fdLisa"),
    "a star for a blank": ("Mona Lisa", "Mona\u2605Lisa"),
    "a capital L with a middle dot": ("Mona Lisa", "Mona \u013fisa"),
    "a small l with a middle dot": ("alice", "a\u0140ice"),
    "a trade mark": ("Mona Lisa", "Mona Lisa\u2122"),
    "a registered mark": ("Mona Lisa", "Mona Lisa\u00ae"),
    "a raised number": ("Mona Lisa", "Mona Lisa\u00b2"),
    "a raised letter": ("Mona Lisa", "Mona Lisa\u1d43"),
    "a raised letter for another": ("Mona", "Mon\u1d43"),
    "raised letters throughout": ("alice", "\u1d43\u02e1\u2071\u1d9c\u1d49"),
    "a raised role behind": ("Alice", "Alice \u1d43\u1d48\u1d50\u2071\u207f"),
    "a raised role before": ("Alice", "\u1d50\u1d52\u1d48 Alice"),
    "an o with a stroke": ("soren", "s\u00f8ren"),
    "a d with a stroke": ("dan", "\u0111an"),
    "right-to-left mark": ("Mona Lisa", "Mona\u200f Lisa\u200f"),
    "right-to-left isolate": ("Mona Lisa", "\u2067Mona Lisa\u2069"),
    "a tag character": ("Mona Lisa", "Mona\U000e0061 Lisa"),
    "a variation selector": ("Mona Lisa", "Mona\ufe0f Lisa"),
    "a variation selector of another plane": ("Mona Lisa", "Mona\U000e0101 Lisa"),
    "a hyphen for a blank": ("Mona Lisa", "Mona-Lisa"),
    "a underscore for a blank": ("Mona Lisa", "mona_lisa"),
    "a full stop for a blank": ("Mona Lisa", "mona.lisa"),
    "another apostrophe": ("O'Brien", "O\u2019Brien"),
    "a word of office behind": ("Mona Lisa", "Mona Lisa Admin"),
    "a word of office before": ("Mona Lisa", "Mod Mona Lisa"),
    "another word of office before": ("Mona Lisa", "Support Mona Lisa"),
    "words of office on both sides": ("Mona Lisa", "Official Mona Lisa Support Team"),
    "a word of office behind a comma": ("Alice", "Alice, admin"),
    "an office of a room": ("Mona Lisa", "Mona Lisa, admin of Garden"),
    "an office of a room, in German": ("Mona Lisa", "Mona Lisa, die Moderatorin von Garten"),
    "a word of office with an article": ("Mona Lisa", "Mona Lisa the admin"),
    "an office before a name": ("Mona Lisa", "The Support Team of Mona Lisa"),
    "a word of office in capitals": ("Mona Lisa", "MONA LISA ADMIN"),
    "a word of office with a Cyrillic letter": ("Mona Lisa", "Mona Lisa \u0430dmin"),
    "a word of office in an emoji": ("Mona Lisa", "Mona Lisa \U0001f6e1 mod"),
    "a word of office in a localpart": ("alice", "alice-admin"),
    "a word of office before a localpart": ("alice", "support_alice"),
    "German word of office": ("Alice", "Hilfe Alice"),
    "a word of office and a lookalike": ("Mona Lisa", "\u039c\u039f\u039d\u0391 L\u0399S\u0391 Moderator"),
    "a bar without blanks": ("Alice", "Alice|Mod"),
    "a word of office itself": ("Admin", "\u0430dmin"),
    "words of office themselves": ("Support Team", "support-team"),
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
    "an initial": ("Alice", "Alice B."),
    "a family name": ("Alice", "Alice Smith"),
    "first name alone": ("Mona Lisa", "Mona"),
    "last name alone": ("Mona Lisa", "Lisa"),
    "a family name and an office": ("Alice", "Alice Smith (admin)"),
    "two who hold the same office": ("Admin Alice", "Admin Bob"),
    "two of a team": ("Alice Support", "Bob Support"),
    "an office and a name": ("Admin", "Alice Admin"),
    "another office": ("Admin", "Moderator"),
    "a name that begins like an office": ("Mod", "Modesta"),
    "a name that ends like an office": ("Tal", "Talbot"),
    "an office within a word": ("Alice", "Aliceadmin"),
    "joined words": ("Mona Lisa", "monalisa"),
    "words the other way round": ("Mona Lisa", "Lisa Mona"),
    "a raised numbers apart": ("Bob\u00b2", "Bob\u00b3 Smith"),
    "numbers": ("bob 1", "bob 2"),
    "Greek words in small letters": ("\u039c\u03cc\u03bd\u03b1", "Mova Lisa"),
    "Greek names": ("\u039c\u03b1\u03c1\u03af\u03b1", "\u0395\u03bb\u03ad\u03bd\u03b7"),
    "Cherokee words": ("\u13e3\u13b3\u13a9", "\u13a0\u13c2\u13f4"),
    "Lisu letters": ("\ua4df\ua4f3\ua4e0\ua4ee", "\ua4e1\ua4f2\ua4e2\ua4ee"),
    "flags": ("\U0001f1e9\U0001f1ea", "\U0001f1eb\U0001f1f7"),
    "a flag and a name": ("\U0001f1e9\U0001f1ea", "Deborah"),
    "letters in squares": ("\U0001f170\U0001f171", "\U0001f170\U0001f17e"),
    "emoji between other names": ("Mona\U0001f642Lisa", "Mona\U0001f642Luisa"),
    "Japanese kana": ("\u3055\u304f\u3089", "\u3055\u3089\u304f"),
    "kana with another sound mark": ("\u306f\u306a", "\u3070\u3089"),
    "katakana": ("\u30b5\u30af\u30e9", "\u30b5\u30ef\u30e9"),
    "Korean syllables": ("\uc9c0\ubbfc", "\uc9c0\ud6c8"),
    "Chinese names": ("\u738b\u4f1f", "\u738b\u82b3"),
    "Georgian": ("\u10dc\u10d8\u10dc\u10dd", "\u10dc\u10d0\u10dc\u10d0"),
    "Armenian": ("\u0531\u0576\u056b", "\u0531\u0576\u0561\u0570\u056b\u057f"),
    "Tamil": ("\u0b85\u0bb0\u0bc1\u0ba3\u0bcd", "\u0b85\u0bb0\u0bc1\u0bb3\u0bcd"),
    "Bengali with another vowel": ("\u09b0\u09bf\u09a8\u09be", "\u09b0\u09c0\u09a8\u09be"),
    "Ukrainian": ("\u041e\u043b\u0435\u043d\u0430", "\u041e\u043b\u0435\u0433"),
    "Russian in capitals": ("\u0418\u0412\u0410\u041d", "\u0418\u0420\u0418\u041d\u0410"),
    "Vietnamese": ("Minh", "Linh"),
    "Polish": ("Pawe\u0142", "Piotr"),
    "Turkish": ("Ay\u015fe", "Ali"),
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


COMMON = """
Alexander Alice Amir Ananya Anna Arjun Aylin Beatriz Bernd Bogdan Camille Carlos Charlotte Chen Chloe Christina
Claire Daniel Diego Dmitri Elena Elif Emeka Emily Emma Erik Fatima Felix Fiona Francesca Gabriel George Giulia
Grace Hannah Hans Hassan Helena Henry Hiroshi Ian Ibrahim Ingrid Irene Isaac Isabella Ivan Jack Jakub James Jan
Jana Jane Jean Jin Joan Johan John Jonas Joseph Juan Julia Julian Karin Karl Kenji Klaus Kofi Lars Laura Layla
Lea Leo Liam Lina Linda Lisa Logan Lola Louis Luca Lucas Lucia Luis Lukas Magda Maja Mara Marco Maria Marie
Marina Mario Mark Markus Marta Martin Mateo Max Maya Mehmet Mia Michael Miguel Mila Milan Ming Mira Mohammed
Mona Nadia Nathan Nia Nicolas Nina Noah Nora Oliver Olivia Omar Oscar Pablo Paolo Paul Paula Pedro Peter Philip
Pierre Priya Rachel Rania Ravi Robert Rosa Ruth Samir Samuel Sara Sean Simon Sofia Stefan Susan Sven Tanja Tara
Theo Thomas Tim Timo Tina Tom Tomas Uwe Valentina Vera Victor Walter Wei Wendy William Xavier Yara Yasmin Yuki
Yusuf Zara Zoe
Александр Алексей Анна Андрей Борис Вера Виктор Дмитрий Екатерина Елена Иван Ирина Мария Михаил Наталья Николай
Ольга Павел Сергей Татьяна Оксана Тарас Богдан Святослав Γιώργος Μαρία Ελένη Δημήτρης Κώστας Σοφία Νίκος
Ιωάννης Πέτρος محمد أحمد فاطمة علي حسن عمر ليلى مريم יוסף דוד שרה משה רחל יעקב 王伟 李娜 张敏 刘洋 陈静
さくら ゆい はると そうた 佐藤 鈴木 김민수 이지은 박서연 최준호 राम सीता अर्जुन प्रिया कविता
สมชาย สุดา มานี ნინო გიორგი Անի Արամ அருண் கவிதா রিনা সুমন
"""
"""Names that are common in several languages, in their own letters. Of two that differ in accents alone, or do look
alike (Erna and Ema, or Anna and its Greek form in capitals), only one is here."""


def test_no_two_common_names_look_alike() -> None:
    bearers: dict[str, set[str]] = {}
    for name in COMMON.split():
        for written in (name, name.lower(), name.upper()):
            for key in keys(written):
                bearers.setdefault(key, set()).add(name)
    assert {key: names for key, names in bearers.items() if len(names) > 1} == {}


def test_there_are_words_of_office_in_each_language() -> None:
    assert set(OFFICES) == set(Language)
    for words in OFFICES.values():
        for word in words:
            assert look_alike(["Mona Lisa"], [f"Mona Lisa {word}"])
            assert look_alike(["Mona Lisa"], [f"{word.upper()} Mona Lisa"])


@pytest.mark.parametrize("filling", ["\u200b", " ", "\u3164", "\u2800 \u200b"], ids=ascii)
def test_nothing_pushes_a_name_out_of_what_is_compared(filling: str) -> None:
    assert look_alike(["Alice"], [filling * 20_000 + "Alice"])


@pytest.mark.parametrize("unit", ["a", "\u0430", "\ufdfa", "\U0001f642a", "mod a ", "\U0001f1f2"], ids=ascii)
def test_a_name_of_64_kilobytes_is_looked_at_no_further_than_a_short_one(unit: str) -> None:
    assert keys(unit * 64_000) == keys((unit * NAME_KEPT)[:NAME_KEPT])


def test_a_long_name_is_compared_by_its_beginning() -> None:
    assert keys("a" * 100_000) == keys("a" * 255)
