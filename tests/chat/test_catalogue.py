"""The catalogue: each code has its sentence in each language, with exactly its arguments, and strangers break none."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from types import UnionType
from typing import Any, get_args

import pytest

from knockbot.chat import catalogue
from knockbot.chat.catalogue import RENDER, render
from knockbot.chat.markup import Words
from knockbot.chat.sentences import ALL, SENTENCES
from knockbot.chat.sentences.rows import Sentence
from knockbot.domain import digest, notices
from knockbot.domain.conversations import Unsaid
from knockbot.domain.invites import Fall
from knockbot.domain.languages import Language
from knockbot.domain.model import State, Verdict
from knockbot.domain.naming import power_named, verdict_named
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
    Notice,
    Number,
    Numbered,
    Room,
    Rule,
    Sentences,
    Sign,
    Span,
    Stranger,
    Term,
    User,
    because,
    notice,
)
from knockbot.domain.reasons import either, together
from knockbot.domain.records import Detail, Recorded, told
from tests.cases import case
from tests.chat.safety import CLICKABLE
from tests.chat.test_strangers import outside_of_code
from tests.documentation import PACKAGE, parsed
from tests.messages import TRANSLATED, translation, updated

HOSTILE = [
    "<b>bold</b><script>",
    '"><a href="https://evil.example">',
    "https://evil.example/x",
    "@eve:evil.example and #room:evil.example",
    "{user} {0.__class__} {why!r}",
    "%s %(user)s",
    "\u202eright to left",
    "שלום עולם",
    "a\nb\r\n⚠️ I do not have permission",
    "x" * 1000,
    "",
    "\ud800\x00",
]


def examples(kind: Any, text: str) -> list[Arg]:
    """Arguments of a kind in which somebody wrote this text."""
    if kind is object:
        return [Stranger(text), Letters(text), because("foreign", words=Foreign(text)), Number(3), User("@" + text)]
    if isinstance(kind, UnionType):
        return [arg for one in get_args(kind) for arg in examples(one, text)]
    made: dict[Any, list[Arg]] = {
        Notice: [because("foreign", words=Foreign(text)), notice("upgrade.names_itself")],
        Many: [Many((User("@" + text), Stranger(text), Numbered(3)))],
        Lines: [Lines((notice("act.failed", why=because("foreign", words=Foreign(text))), notice("late")))],
        Sentences: [Sentences((notice("late"), Stranger(text)))],
        Dotted: [Dotted((Stranger(text), notice("late")))],
        Hidden: [Hidden(text, 60, "!kb show 1")],
        Sign: [Sign("🚪")],
        Room: [Room("!" + text, text), Room("!a:b", f"{text} (!a:b)")],
        Number: [Number(0), Number(1), Number(2), Number(-(10**20))],
        Numbered: [Numbered(1)],
        Moment: [Moment(0), Moment(1_700_000_000_000), Moment(10**20, "Asia/Tokyo"), Moment(-1, text)],
        Day: [Day(0), Day(10**20, "Pacific/Auckland"), Day(-1, text)],
        Duration: [Duration(0), Duration(3_600_000), Duration(10**20), Duration(-1)],
        Span: [Span(0), Span(5_400_000), Span(10**20), Span(-1)],
        Ago: [Ago(0), Ago(90_000), Ago(10**20), Ago(-1)],
    }
    return made[kind] if kind in made else [kind(text)]


def filled(key: str, sentence: Sentence, text: str) -> Iterator[Notice]:
    """Notices with this sentence, and this text wherever somebody could have written it."""
    code, *choices = key.split("/")
    chosen = dict(zip(sorted(n for n, kind in sentence.args.items() if kind is Choice), choices, strict=True))
    some: dict[str, list[Arg]] = {
        name: [Choice(chosen[name])] if kind is Choice else examples(kind, text) for name, kind in sentence.args.items()
    }
    for turn in range(max(map(len, some.values()), default=1)):
        yield Notice(code, {name: args[turn % len(args)] for name, args in some.items()})


# --- codes and their sentences ------------------------------------------------------------------------------------


def said_in_the_code() -> Iterator[tuple[str, ast.Call]]:
    """Every `notice(…)` of the program."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "notice":
                yield f"{file.name}:{node.lineno}", node


def test_every_code_has_its_sentence_with_exactly_its_arguments() -> None:
    for place, call in said_in_the_code():
        with case(place):
            [code] = call.args
            assert isinstance(code, ast.Constant), "the code is to stand there, so that it can be looked for"
            given = {argument.arg for argument in call.keywords}
            rows = [sentence for key, sentence in SENTENCES.items() if key.split("/")[0] == code.value]

            assert rows, f"{code.value!r} has no sentence"
            assert [row.args.keys() for row in rows] == [given] * len(rows)


def test_every_sentence_is_used() -> None:
    used = {call.args[0].value for _, call in said_in_the_code() if isinstance(call.args[0], ast.Constant)}

    assert {key.split("/")[0] for key in SENTENCES} - used - {notices.UNKNOWN.code} == set()


def placeholders(text: str) -> set[str]:
    found = set()
    for _, name, spec, conversion in Formatter().parse(text):
        if name is not None:
            assert re.fullmatch(r"[a-z_]+", name), text
            assert not spec, text
            assert conversion is None, text
            found.add(name)
    return found


def test_a_sentence_has_a_place_for_each_argument_and_for_nothing_else() -> None:
    for key, sentence in ALL.items():
        shown = {name for name, kind in sentence.args.items() if kind is not Choice}
        with case(key):
            assert placeholders(sentence.text) == shown
            assert not sentence.plural or placeholders(sentence.plural) == shown
            assert bool(sentence.plural) <= (sentence.args.get("count") in (Number, object))
            assert len(key.split("/")) == 1 + sum(kind is Choice for kind in sentence.args.values())


def test_every_choice_of_a_code_takes_the_same_arguments() -> None:
    for key, sentence in SENTENCES.items():
        same = [other for other in SENTENCES if other.split("/")[0] == key.split("/")[0]]
        assert {tuple(SENTENCES[other].args.items()) for other in same} == {tuple(sentence.args.items())}


def test_every_kind_of_argument_can_be_shown() -> None:
    assert {*RENDER} == {*notices._TAGS, Notice}


# --- translations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_knows_every_sentence_of_today(language: Language) -> None:
    assert updated(language).decode() == catalogue.written(language).decode(), "make messages"


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_is_complete_and_says_all_that_the_english_says(language: Language) -> None:
    for message in translation(language):
        if message.id:
            texts = [message.string] if isinstance(message.string, str) else [*(message.string or ())]
            sentence = ALL[message.context or ""]
            assert not message.fuzzy, message.context
            assert all(texts), message.context
            assert {frozenset(placeholders(text)) for text in texts} == {frozenset(placeholders(sentence.text))}
            assert {_sign(text) for text in texts} == {_sign(sentence.text)}, message.context


def _sign(text: str) -> str:
    """The emoji that a sentence begins with."""
    return "".join(character for character in text.split(" ", maxsplit=1)[0] if ord(character) > 0x2000)


GENDERED = {
    Language.EN: re.compile(r"\b(he|she|him|his|hers?|s/he|moderator's)\b|\(s\)", re.IGNORECASE),
    Language.DE: re.compile(r"\w[*:_/]-?in|\b(Moderator|Nutzer|Bewerber|Administrator)|\((in|n|en)\)"),
}


@pytest.mark.parametrize("language", Language)
def test_no_sentence_speaks_of_somebody_as_a_man_or_a_woman(language: Language) -> None:
    for key, sentence in ALL.items():
        for count in (1, 2):
            text = catalogue.translated(key, sentence, {"count": Number(count)}, language)
            assert not GENDERED[language].search(re.sub(r"\{\w+\}", "", text)), text


def test_there_is_no_other_translation_than_those_of_the_table() -> None:
    locales = Path(catalogue.__file__).parent / "locales"
    assert {file.stem for file in locales.iterdir()} == {str(language) for language in TRANSLATED}


# --- rendering ----------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """Which tags a text has, and whether each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.open: list[str] = []
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        self.links |= {
            re.sub(r"(?<=/#/)[\w%.~-]*$", "", value, flags=re.ASCII) for name, value in attrs if name == "href"
        }
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def sound(said: Words) -> None:
    """Nothing that a stranger wrote has become markup, a link, or a turn of the line."""
    tags = Tags()
    tags.feed(said.html)
    tags.close()
    assert tags.open == []
    assert tags.seen <= {"strong", "code", "br", "pre", "a", "span"}
    assert tags.links <= {"https://matrix.to/#/"}
    assert not re.search("[\u202a-\u202e\ud800-\udfff\x00]", said.plain + said.html)
    assert not CLICKABLE.search(re.sub(r"\d\.\d", "", outside_of_code(said)))  # a date, a large number


class Pseudo:
    """A language in which every word of ours is in capitals, and longer."""

    def pgettext(self, _: str, text: str) -> str:
        return "⟦" + re.sub(r"(\{\w+\})|(\w)", lambda found: found[1] or found[2].upper() * 2, text) + " ⟧"

    def npgettext(self, context: str, one: str, many: str, count: int) -> str:
        return self.pgettext(context, one if count == 1 else many)


def hostile() -> Iterator[tuple[str, Notice]]:
    """Every sentence with what strangers write; and its key."""
    for key, sentence in ALL.items():
        for text in HOSTILE if key in SENTENCES else HOSTILE[::4]:  # an argument is shown alike in every sentence
            for said in filled(key, sentence, text):
                yield key, said


@pytest.mark.parametrize("language", Language)
def test_whoever_writes_what_breaks_no_sentence(language: Language) -> None:
    for key, said in hostile():
        with case(key):
            sound(render(said, language))


def test_whoever_writes_what_breaks_no_sentence_of_a_language_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "translations", lambda _: Pseudo())
    for key, said in hostile():
        with case(key):
            words = render(said)
            sound(words)
            assert ("⟦" in words.plain) or not ALL[key].has_words


def test_a_stored_notice_says_what_it_said() -> None:
    for key, sentence in ALL.items():
        for said in filled(key, sentence, HOSTILE[0]):
            with case(key):
                assert render(notices.loads(notices.dumps(said)), Language.DE) == render(said, Language.DE)


@pytest.mark.parametrize(
    "said",
    [
        Notice("of.another.version", {"x": Number(1)}),
        Notice("late", {"x": Number(1)}),
        Notice("act.failed", {"why": Number(1)}),
        Notice("act.failed", {}),
        Notice("act.wrong_hit", {"act": Choice("<b>"), "user": User("@a:b"), "room": Room("!a:b", "Garden")}),
    ],
)
def test_what_no_sentence_fits_is_told_by_its_code(said: Notice) -> None:
    words = render(said)
    assert words.plain.startswith(f"This message cannot be shown ({said.code}")
    sound(words)


@pytest.mark.parametrize("kind", Recorded)
def test_every_line_of_the_record_can_be_told(kind: Recorded) -> None:
    detail = Detail(verdict=Verdict.ACCEPT, revision=3, reverts=1, whom=["@ana:b.c", "*:b.c"], people=3)
    detail |= Detail(invited_to="!lawn:b.c", invited_to_name="Lawn", earlier=1, code="choir")
    chosen: list[Detail] = [Detail(**detail, fell=fall) for fall in Fall] if f"record.{kind}/left" in ALL else [detail]
    if kind is Recorded.NOT_TOLD:
        chosen = [Detail(unsaid=why) for why in Unsaid]

    for one in chosen:
        for language in Language:
            said = Notice(told(kind, one).code, {n: a for n, a in told(kind, one).args.items() if n in _places(kind)})
            assert "cannot be shown" not in render(said).plain
            assert "nicht angezeigt" not in render(said, language).plain


def _places(kind: Recorded) -> set[str]:
    return {name for key, row in ALL.items() if key.split("/")[0] == f"record.{kind}" for name in row.args}


# --- how it reads -------------------------------------------------------------------------------------------------

GARDEN = Room("!garden:rose.example", "Garden")
BOB = User("@bob:rose.example")
SHOWN: list[tuple[Notice, str, str]] = [
    (
        notice("may.not_a_member", room=GARDEN),
        "Only members of Garden can answer its join requests.",
        "Nur Mitglieder von Garden können Beitrittsanfragen dort beantworten.",
    ),
    (
        notice("invite.revoked_together", request=Numbered(12), inviter=BOB, room=GARDEN, count=Number(1)),
        "With #12 I also revoke all other invites of @bob:rose.example to Garden: 1 third-party invite.",
        (
            "Mit #12 widerrufe ich auch alle anderen Einladungen von @bob:rose.example nach Garden: "
            "1 Einladung per Adresse."
        ),
    ),
    (
        notice("invite.revoked_together", request=Numbered(12), inviter=BOB, room=GARDEN, count=Number(1234)),
        "With #12 I also revoke all other invites of @bob:rose.example to Garden: 1,234 third-party invites.",
        (
            "Mit #12 widerrufe ich auch alle anderen Einladungen von @bob:rose.example nach Garden: "
            "1.234 Einladungen per Adresse."
        ),
    ),
    (
        notice("issue.you_had_too_many", count=Number(2), moment=Moment(1_796_000_000_000)),
        (
            "You have sent 2 invites to addresses within 24 hours. That is the limit. "
            "You can send the next one from 30 Nov 2026, 00:53 UTC on."
        ),
        (
            "In den letzten 24 Stunden hast du 2 Einladungen an Adressen verschickt. Das ist die Grenze. "
            "Die nächste ist ab 30.11.2026, 00:53 UTC möglich."
        ),
    ),
]

ON_LIST = because("finding.listed_because", name=Letters("one"), entity=Letters("ana*"), reason=Letters("spam"))
TOO_LOW = because("power.too_low", level=Level("0"), act=power_named("kick"), needed=Level("50"))
REASONED: list[tuple[Notice, str, str]] = [
    (
        notice("act.failed", why=TOO_LOW),
        "That did not work: power level 0 is too low to kick; level 50 is needed.",
        "Das hat nicht geklappt: das Berechtigungslevel 0 reicht nicht zum Entfernen; nötig ist 50.",
    ),
    (  # the sentence around it goes on: the reason loses its full stop
        notice("message.unreadable", user=BOB, why=because("unreadable.mail", user=BOB, why=TOO_LOW)),
        (
            "🔒 I cannot read this message from @bob:rose.example: a message of @bob:rose.example to my "
            "device: power level 0 is too low to kick; level 50 is needed. If it was for me, please type"
            " it again. If that does not help, log out of your client and log in again, or use another "
            "device."
        ),
        (
            "🔒 Ich kann diese Nachricht von @bob:rose.example nicht lesen: eine Nachricht von "
            "@bob:rose.example an mein Gerät: das Berechtigungslevel 0 reicht nicht zum Entfernen; nötig ist"
            " 50. Wenn sie für mich war, gib sie bitte noch einmal ein. Wenn das nicht hilft, melde "
            "deinen Client ab und wieder an, oder benutze ein anderes Gerät."
        ),
    ),
    (  # findings have commas of their own
        together(
            [because("finding.no_avatar"), because("finding.user_is_not", values=either(["@a:x", "@b:x", "@c:x"]))]
        ),
        'user has no avatar; user is not "@\u2060a:\u2060x", "@\u2060b:\u2060x" or "@\u2060c:\u2060x"',
        (
            'Konto hat kein Profilbild; Benutzer-ID ist nicht "@\u2060a:\u2060x", "@\u2060b:\u2060x" oder '
            '"@\u2060c:\u2060x"'
        ),
    ),
    (
        because("finding.reason_too_short", count=Number(1), least=Number(20)),
        "reason has 1 character, fewer than 20",
        "Begründung hat 1 Zeichen, weniger als 20",
    ),
    (because("foreign", words=Foreign("No.")), "No.", "No."),
    (  # a length of time is in the case that the words before it want
        because("policy_list.too_slow", time=Duration(3 * 86_400_000)),
        "its room was not read within 3 days",
        "sein Raum wurde nicht innerhalb von 3 Tagen gelesen",
    ),
    (
        told(Recorded.JUDGED, {"verdict": Verdict.FORWARD}),
        "policy says forward",
        "die Policy sagt: die Moderation fragen",
    ),
    (told(Recorded.VOTED, {"verdict": Verdict.ACCEPT}), "vote for accept", "Stimme für „annehmen“"),
    (told(Recorded.UNDONE, {"verdict": Verdict.REJECT}), "undo of reject", "rückgängig gemacht: ablehnen"),
    (
        digest.told(digest.summed_up((), {State.ACCEPTED: 1, State.REJECTED: 2}), hidden=False)[-1],
        "Over: 1 accepted, 2 rejected",
        "Erledigt: 1 angenommen, 2 abgelehnt",
    ),
    (
        because("finding.knocks_more", count=Number(3), time=Span(7 * 86_400_000)),
        "user knocked more than 3 times within 7 days",
        "Konto hat innerhalb von 7 Tagen mehr als 3 Mal angeklopft",
    ),
    (because("finding.banned_never"), "user was never banned before", "Konto wurde noch nie verbannt"),
    (
        notice("explain.rule", verdict=verdict_named("accept"), rule=Rule("our people")),
        "Policy: accept, by rule “our people”",
        "Policy: annehmen, nach der Regel „our people“",
    ),
    (
        notice("explain.listed_though", verdict=verdict_named("forward"), why=ON_LIST, doubt=because("doubt.dry_run")),
        "Policy: forward, though they are on list one, by its entry ana* (spam), because the policy is in dry run",
        "Policy: die Moderation fragen, denn: die Policy ist im Probelauf; das Konto ist auf der Liste one (Eintrag: ana*, spam)",  # noqa: E501 - one sentence
    ),
    (
        notice("time.earlier", time=Duration(3 * 86_400_000)),
        "3 days earlier",
        "3 Tage früher",
    ),
]


@pytest.mark.parametrize(("said", "english", "german"), [*SHOWN, *REASONED])
def test_a_notice_reads_as_people_write(said: Notice, english: str, german: str) -> None:
    assert (render(said, Language.EN).plain, render(said, Language.DE).plain) == (english, german)


@pytest.mark.parametrize(
    ("arg", "english", "german"),
    [
        (Ago(0), "just now", "gerade eben"),
        (Ago(60_000), "1 minute ago", "vor 1 Minute"),
        (Ago(2 * 3_600_000 + 5), "2 hours ago", "vor 2 Stunden"),
        (Ago(40 * 86_400_000), "40 days ago", "vor 40 Tagen"),
        (Duration(0), "0 seconds", "0 Sekunden"),
        (Duration(90_000), "1 minute", "1 Minute"),
        (Duration(3 * 86_400_000), "3 days", "3 Tage"),
        (Span(5_400_000), "90 minutes", "90 Minuten"),
        (Span(7 * 86_400_000), "7 days", "7 Tage"),
        (Span(36 * 3_600_000), "36 hours", "36 Stunden"),
        (Number(12_345), "12,345", "12.345"),
        (Term("accept"), "accept", "accept"),
        (Rule("our people"), "“our people”", "„our people“"),
        (Rule("#3"), "#3", "#3"),
        (Code("!kb list"), "!kb list", "!kb list"),
        (Level("50"), "50", "50"),
        (Document("rules: []\n"), "rules: []\n", "rules: []\n"),
        (Letters("evil.example"), "evil.\u2060example", "evil.\u2060example"),
        (Id("!a:b"), "!a:b", "!a:b"),
    ],
)
def test_an_argument_reads_as_people_write(arg: Arg, english: str, german: str) -> None:
    show = RENDER[type(arg)]
    assert (show(arg, Language.EN).plain, show(arg, Language.DE).plain) == (english, german)


COUNTED_ALIKE = {
    "list.more",
    "who.more",
    "rooms.row",
    "bulk.left/anew",
    "bulk.left/listed",
    "bulk.left/power",
    "bulk.others",
}
"""Sentences in which English says the same of one and of many."""


def test_what_is_said_of_many_is_not_what_is_said_of_one() -> None:
    assert {name for name, one in ALL.items() if one.plural == one.text} == COUNTED_ALIKE


@pytest.mark.parametrize("verdict", ["accept", "reject", "ban"])
def test_a_sentence_that_begins_with_a_part_of_the_policy_begins_with_a_capital(verdict: str) -> None:
    by_rule, by_policy = notice("by.rule", rule=Rule("spam")), notice("by.policy_key", key=Code("otherwise"))
    chosen = Choice(verdict)

    for by, begins in ((by_rule, "Rule “spam” chose"), (by_policy, "The policy (otherwise) chose")):
        said = render(notice("outcome.under_way", by=by, verdict=chosen))
        assert said.plain.startswith(begins)
        assert said.html[0] == begins[0]
