"""Reading what people type: what is a command and what is not, numbers, and pills."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from knockbot.chat.catalogue import render
from knockbot.chat.commands import COMMANDS, find_command, nearest
from knockbot.chat.typed import MANY, NotNumbers, addressed, after_name, read_numbers
from knockbot.documents.yaml import unfenced
from knockbot.domain.model import Message
from tests.matrix.edge import BOT, MODERATOR, MODS, START

NAME = "Door Bot"
PILL = f'<a href="https://matrix.to/#/{BOT}">Door Bot</a>'
GARDEN_PILL = '<a href="https://matrix.to/#/%23garden%3Atulip.example?via=a.example&amp;via=b.example">Garden</a>'
GARDEN_LINK = "https://matrix.to/#/%23garden%3Atulip.example?via=a.example&via=b.example"
QUOTE = "> <@ana:tulip.example> !kb accept 1\n> !kb accept 2\n\n"


def said(body: str, html: str | None = None) -> Message:
    return Message(MODS, "$said", MODERATOR, START, body, html)


def heard(body: str, html: str | None = None) -> str | None:
    return addressed(said(body, html), BOT, NAME)


# --- is it meant for the bot ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        ("!kb list", "list"),
        ("!knockbot list", "list"),
        ("!KB list", "list"),
        ("!KnockBot list", "list"),
        ("  !kb   list", "list"),
        ("\n!kb list", "list"),
        ("!kb: list", "list"),
        ("!kb, list", "list"),
        ("!kb\tlist", "list"),
        ("!kb\u00a0list", "\u00a0list"),
        ("!kb", ""),
        ("!kb ", ""),
        ("!kb\nlist", "\nlist"),
        ("!kb reject 3 two\nlines", "reject 3 two\nlines"),
        ("!kb show \u2066@\u2060\u05d0:\u2060tulip.\u2060example\u2069", "show @\u05d0:tulip.example"),
        ("!kb policy show \u2068Garden\u2069\nrules: a\u2060b", "policy show Garden\nrules: a\u2060b"),
        (f"{BOT} list", "list"),
        (f"{BOT}: list", "list"),
        (f"{BOT.upper()} list", "list"),
        ("Door Bot list", "list"),
        ("door bot: list", "list"),
        ("Door Bot", ""),
        (QUOTE + "!kb list", "list"),
        ("> !kb accept 1\n\n!kb list", "list"),
    ],
)
def test_what_begins_with_a_prefix_or_the_bots_name_is_a_command(body: str, rest: str) -> None:
    assert heard(body) == rest


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "hello",
        "kb list",
        "!kbx list",
        "!kb-list",
        "!knockbots list",
        "!kb.",
        "! kb list",
        "please !kb list",
        "Door Bots list",
        "DoorBot list",
        "The Door Bot list",
        f"{BOT}.evil.example list",
        f"ask {BOT}",
        "@knockbot:rose.example list",
        QUOTE + "yes, accept them",
        "> !kb accept 1",
        "> !kb accept 1\n> !kb accept 2",
    ],
)
def test_anything_else_is_none(body: str) -> None:
    assert heard(body) is None


@pytest.mark.parametrize(
    ("html", "rest"),
    [
        (f"{PILL} list", "list"),
        (f"{PILL}: list", "list"),
        (f"<p>{PILL}: list</p>", "list"),
        (f"<mx-reply><blockquote>{PILL} !kb accept 1</blockquote></mx-reply>{PILL}: list", "list"),
        (f"!kb protect {GARDEN_PILL}", f"protect {GARDEN_LINK}"),
        (f"<p>!kb <b>protect</b> {GARDEN_PILL}</p>", f"protect {GARDEN_LINK}"),
        (
            '!kb log <a class="x" href="https://matrix.to/#/@ana:tulip.example">Somebody else</a>',
            "log @ana:tulip.example",
        ),
        ("!kb log <a href='https://matrix.to/#/%40ana%3Atulip.example'>Ana</a>", "log @ana:tulip.example"),
        (
            f"!kb reject 3 see <a href='https://example.org'>this</a> &amp; that {PILL}",
            f"reject 3 see this & that {BOT}",
        ),
    ],
)
def test_a_pill_is_what_its_link_leads_to(html: str, rest: str) -> None:
    assert heard("whatever the client wrote here", html) == rest


def test_a_pill_that_calls_itself_like_the_bot_is_not_the_bot() -> None:
    impostor = '<a href="https://matrix.to/#/@evil:rose.example">!kb</a> accept 3'

    assert heard("somebody accept 3", impostor) is None


def test_an_ordinary_link_is_its_text() -> None:
    assert heard("x", f'!kb reject 3 see <a href="https://example.org/">here</a> {PILL}') == f"reject 3 see here {BOT}"


def test_a_policy_below_a_pill_is_read_as_it_was_typed() -> None:
    # Clients make lists of lines that begin with a dash, and the dashes are gone from the HTML.
    body = "!kb policy set Garden\nrules:\n- name: <b>\n  then: ban\n"
    html = f"<p>!kb policy set {GARDEN_PILL}<br>rules:</p><ul><li>name: &lt;b&gt;<br>then: ban</li></ul>"

    assert heard(body, html) == f"policy set {GARDEN_LINK}\nrules:\n- name: <b>\n  then: ban\n"


@pytest.mark.parametrize(
    "html",
    [
        "<![x[ y ]]>",
        "<!-- ",
        "<?xml",
        "<a",
        '<a href="',
        "</a></a></mx-reply><mx-reply>",
        "&#" + "9" * 5000 + ";",
        "&#x110000;&#0;&nope;",
        "<>" * 1000,
    ],
)
def test_broken_markup_is_no_reason_to_fail(html: str) -> None:
    assert heard("!kb list", f"{html}https://matrix.to/#/") in ("list", None)


# Each is a minute, or seconds, of work for html.parser: whoever goes back to it will notice.
@pytest.mark.parametrize(
    "piece", ["<a ", "<a b='", "<!--", "<", "</", "&", "<a href=", '<a href="https://matrix.to/#/', "<![CDATA["]
)
@pytest.mark.parametrize("end", ["", ">", '">'])
def test_64_kib_of_markup_is_read_in_one_go(piece: str, end: str) -> None:
    html = (piece * 65_536)[:65_000] + end + " matrix.to"

    assert heard("!kb list", html) == "list"


PIECES = "< > </ a href = \" ' https://matrix.to/#/ @knockbot:x.org mx-reply br p &# &amp; ; !kb <![ <!-- --> ]]> %ff"
MARKUP = st.lists(st.sampled_from([*PIECES.split(" "), " ", "\n", "\ud800", "?via="])).map("".join)


@given(st.text() | MARKUP, st.none() | st.text() | MARKUP)
@example("!kb", "matrix.to<![x[")
def test_any_text_is_read_or_left_alone(body: str, html: str | None) -> None:
    found = heard(body, html if html is None else html + "matrix.to")

    assert found is None or isinstance(found, str)


# --- which command --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "name", "rest"),
    [
        ("", "help", ""),
        ("  ", "help", ""),
        ("help", "help", ""),
        ("HELP accept", "help", "accept"),
        ("accept 1 2 welcome  in", "accept", "1 2 welcome  in"),
        ("policy set #a:b otherwise: ban", "policy set", "#a:b otherwise: ban"),
        ("Policy   Show", "policy show", ""),
        ("list\u00a0x", "list", "x"),
        ("approve 3", "accept", "3"),
        ("Deny 3 not now", "reject", "3 not now"),
    ],
)
def test_a_line_begins_with_a_command_of_one_word_or_two(line: str, name: str, rest: str) -> None:
    assert find_command(line) == (name, COMMANDS[name], rest)


@pytest.mark.parametrize(
    ("line", "word"),
    [("policy", "policy"), ("acept 3", "acept"), ("policyset x", "policyset"), ("policy foo x", "policy foo")],
)
def test_any_other_word_is_no_command(line: str, word: str) -> None:
    assert find_command(line) == (word, None, "")


def test_every_command_is_found_by_its_own_usage() -> None:
    assert {name: find_command(command.usage)[1] for name, command in COMMANDS.items()} == COMMANDS


OF_POLICIES = [name for name in COMMANDS if name.startswith("policy ")]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("acept", ["accept"]),
        ("BANN", ["ban"]),
        ("lst", ["list"]),
        ("hlep", ["help"]),
        ("aprove", ["accept"]),
        ("polcy", OF_POLICIES),
        ("policy sett", ["policy set"]),
        ("policy abcdefgh", OF_POLICIES),
        ("policy lists", ["lists"]),
        ("xyzzy", []),
        ("x" * 65_000, []),
    ],
)
def test_the_nearest_commands_are_offered(word: str, meant: list[str]) -> None:
    assert nearest(word) == meant


# --- numbers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "numbers", "rest"),
    [
        ("", [], ""),
        ("12", [12], ""),
        ("#12", [12], ""),
        ("12 #13, 14", [12, 13, 14], ""),
        ("1,2,3", [1, 2, 3], ""),
        ("1 , 2", [1, 2], ""),
        ("#3 #3 #3", [3], ""),
        ("7-9", [7, 8, 9], ""),
        ("#7-#9 all of you", [7, 8, 9], "all of you"),
        ("7\u20139", [7, 8, 9], ""),
        ("7-7", [7], ""),
        ("1, 7-9, 8, #20", [1, 7, 8, 9, 20], ""),
        ("1,2,, 3, ,4", [1, 2, 3, 4], ""),
        ("1-50", list(range(1, 51)), ""),
        ("3 welcome in", [3], "welcome in"),
        ("3, welcome in", [3], "welcome in"),
        ("3 4th floor", [3], "4th floor"),
        ("3, 4th floor", [3], "4th floor"),
        ("3\tplease", [3], "please"),
        ("003", [3], ""),
        # a blank alone begins the words, whatever they begin with
        ("5 8 letters would be enough", [5], "8 letters would be enough"),
        ("5 6", [5], "6"),
        ("5 7-9 year olds only", [5], "7-9 year olds only"),
        ("5 -6", [5], "-6"),
        ("5 6, 7", [5], "6, 7"),
        ("5 - 6", [5], "- 6"),
        # and a text that begins with no number has none
        ("welcome 3", [], "welcome 3"),
        ("50%", [], "50%"),
        ("5-year plan", [], "5-year plan"),
        ("5-", [], "5-"),
        ("3: no", [3], "no"),
        ("-3", [], "-3"),
        ("+3", [], "+3"),
        ("3.5", [], "3.5"),
        ("3rd", [], "3rd"),
        ("0x10", [], "0x10"),
        ("# 3", [], "# 3"),
        ("##3", [], "##3"),
        ("#3#4", [], "#3#4"),
        ("#3:example.org", [], "#3:example.org"),
        ("\u0663", [], "\u0663"),
        ("\uff15", [], "\uff15"),
        ("5\u00b2", [], "5\u00b2"),
        ("5, \u0663", [5], "\u0663"),
        ("999999999", [999_999_999], ""),
        ("9" * 16, [], "9" * 16),
    ],
)
def test_a_text_begins_with_numbers_and_goes_on(text: str, numbers: list[int], rest: str) -> None:
    assert read_numbers(text) == (numbers, rest)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("9-7", "7-9"),
        ("1, 9-7", "7-9"),
        ("1-51", "At most 50"),
        ("1-999999999999999", "At most 50"),
        ("1-30, 31-51", "At most 50"),
        (",".join(map(str, range(51))), "At most 50"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(NotNumbers) as refused:
        read_numbers(text)

    assert complaint in render(refused.value.said).plain


@given(
    st.lists(st.integers(0, 999_999_999), unique=True, max_size=MANY), st.sampled_from([",", ", ", " #", ",#", " , #"])
)
def test_numbers_that_were_written_are_read(numbers: list[int], between: str) -> None:
    assert read_numbers(between.join(map(str, numbers))) == (numbers, "")


@given(st.text())
@example("5-" * 30_000)
@example("5," * 30_000)
def test_any_text_has_its_numbers(text: str) -> None:
    try:
        numbers, rest = read_numbers(text)
    except NotNumbers:
        return

    assert len(numbers) <= MANY
    assert all(0 <= number < 10**15 for number in numbers)
    assert rest in text.strip()


# --- names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        ("Ana", "Ana", ""),
        ("ana", "ANA", ""),
        ("Ana welcome", "Ana", "welcome"),
        ("Ana, welcome", "Ana", "welcome"),
        ("Ana  Lee   hello  you", "Ana Lee", "hello  you"),
        ('"Ana Lee" hello', "Ana Lee", "hello"),
        ("\u201cAna Lee\u201d hello", "ana lee", "hello"),
        ("\u201eAna Lee\u201c hello", "ana lee", "hello"),
        ("Stra\u00dfe", "STRASSE", ""),
        ("\uff21na", "Ana", ""),
        ("Ana", "A\u200bn\u202ea", ""),
        ("Ana Lee", "Ana", "Lee"),
        ('"Ana Lee"', "Ana", None),
        ('"Ana" Lee', "Ana Lee", None),
        ("Anabel", "Ana", None),
        ("Ana", "Ana Lee", None),
        ("Ana: welcome", "Ana", "welcome"),
        ("\u0410na", "Ana", None),
        ("", "Ana", None),
        ("Ana", "", None),
        ("\u200b", "\u200b", None),
        ("Ana", "Ana " + "x" * 60_000, None),
    ],
)
def test_a_text_begins_with_a_name_word_by_word(text: str, name: str, rest: str | None) -> None:
    assert after_name(text, name) == rest


@given(st.text(), st.text())
def test_any_text_begins_with_a_name_or_not(text: str, name: str) -> None:
    rest = after_name(text, name)

    assert rest is None or text.strip().endswith(rest)


# --- fences ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "otherwise: ban",
        "\notherwise: ban\n",
        "```\notherwise: ban\n```",
        "```yaml\notherwise: ban\n```",
        "\n```yaml\notherwise: ban\n```\n",
        "```otherwise: ban```",
        "```\notherwise: ban",
        "otherwise:\u00a0ban",
    ],
)
def test_yaml_may_stand_in_a_fence(text: str) -> None:
    assert unfenced(text).strip() == "otherwise: ban"
