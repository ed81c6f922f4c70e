"""What strangers wrote, put into a sentence: it moves nothing, is no link, calls nobody, and takes nobody's place."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.chat.catalogue import RENDER, render
from knockbot.chat.markup import Words, block, bold, code, letters, lines, room, rule, user, words
from knockbot.documents.text import END_ISOLATE, ISOLATE, LEFT_TO_RIGHT, harmless, turns, without_marks
from knockbot.domain import card as cards
from knockbot.domain.card import NOTHING_ELSE, Around
from knockbot.domain.languages import Language
from knockbot.domain.model import Answer, IdentityKey, Kind, Request, State, ThirdPartyInvite, Verdict
from knockbot.domain.plan import ACT_OF
from knockbot.domain.reasons import foreign
from tests.cases import case
from tests.chat.applicants import waiting
from tests.chat.safety import CLICKABLE

ANA, MOD, GARDEN, MODS = "@ana:tulip.example", "@mod:tulip.example", "!garden", "!mods"
NOW = 1_800_000_000_000
ALL = tuple(ACT_OF)
DAY = 24 * 3600 * 1000

ARABIC, HEBREW = "مرحبا", "שלום"

LINKS = [
    "https://evil.example/x?y=1#z",
    "HTTP://EVIL.EXAMPLE",
    "evil.example",
    "www.evil.example",
    "sub.domain.evil.example.",
    "http://192.0.2.7:8080/",
    "192.0.2.7",
    "http://[2001:db8::1]/",
    "http://localhost:8008",
    "bücher.example",
    "例え.テスト",
    "example。com",
    "#garden:tulip.example",
    "@mod:tulip.example",
    "!garden:tulip.example",
    "https://matrix.to/#/@mod:tulip.example",
    "matrix:u/mod:tulip.example",
    "mod@tulip.example",
    "mailto:mod@tulip.example",
    "tel:+491234567",
    "magnet:?xt=urn:x",
    "javascript:alert(1)",
    "[here](https://evil.example)",
    "<https://evil.example>",
    '"https://evil.example"',
    "x.https://evil.example",
    "@room",
]


def request(**changes: Any) -> Request:
    """A knock that waits, with one thing or another changed."""
    return waiting(12, NOW, **{"management_room": MODS, "room_id": GARDEN, **changes})


def card(one: Request, label: str, possible: Iterable[Verdict], around: Around) -> Words:
    """A card in words."""
    return render(cards.card(one, label, possible, around))


def decision_line(one: Request, label: str) -> Words:
    """A line in words."""
    return render(cards.decision_line(one, label))


def applicant(one: Request) -> Words:
    """Who asks, in words."""
    who = cards.applicant(one)
    return RENDER[type(who)](who, Language.EN)


def both(said: Words) -> tuple[str, str]:
    """A text as it is read by who has markup and by who has none; marks and all."""
    return said.plain, html.unescape(re.sub(r"<[^<>]*>", "", said.html.replace("<br>", "\n")))


def outside_of_code(said: Words) -> str:
    """What of the HTML a client may make links of."""
    return html.unescape(re.sub(r"<[^<>]*>", "", re.sub("<code>.*?</code>|<br>", "\n", said.html)))


# --- links --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", LINKS)
def test_the_table_of_links_is_one_of_links(link: str) -> None:
    assert CLICKABLE.search(link)


def german_rule(name: str) -> Words:
    """A rule by its name, in the quotation marks of another language than ours."""
    return rule(name, Language.DE)


@pytest.mark.parametrize("put", [bold, letters, room, lambda text: words("{}", text), german_rule])
def test_no_link_of_a_stranger_can_be_clicked_with_markup_or_without(put: Any) -> None:
    for link in LINKS:
        for text in both(put(link)):
            with case(link):
                assert not CLICKABLE.search(text)
                assert link in without_marks(text)


@pytest.mark.parametrize("link", LINKS)
def test_none_in_a_name_a_reason_or_the_name_of_a_room_is_a_link(link: str) -> None:
    one = request(display_name=link, reason=link, user_id="@x:y", trouble=foreign(link))

    for hidden in (False, True):
        said = card(one, link, ALL, Around(hidden=hidden))

        assert not CLICKABLE.search(said.plain.replace("@x:y", ""))
        assert not CLICKABLE.search(outside_of_code(said))
        assert "<a " not in said.html.replace('<a href="https://matrix.to/#/%40x%3Ay">', "")


@pytest.mark.parametrize("link", LINKS)
def test_none_in_an_invite_to_an_address_is_a_link(link: str) -> None:
    keys = (IdentityKey("k", "https://evil.example/isvalid"),)
    invite = ThirdPartyInvite(GARDEN, "$i", "t", "@x:y", link, keys)
    one = request(kind=Kind.THIRD_PARTY_INVITE, user_id="", invite=invite)

    for said in (card(one, "Garden", ALL, NOTHING_ELSE), decision_line(one, link)):
        assert not CLICKABLE.search(said.plain.replace("@x:y", ""))
        assert "<a " not in said.html


@given(st.text())
def test_whatever_somebody_wrote_is_no_link_and_can_be_read_again(text: str) -> None:
    assert not CLICKABLE.search(harmless(text))
    assert harmless(without_marks(harmless(text))) == harmless(text)


# --- directions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [ARABIC, HEBREW, f"{HEBREW} @", f"a {ARABIC}", "١٢٣", "\u202eabc\u202c " + HEBREW])
def test_a_name_from_right_to_left_moves_nothing_around_it(name: str) -> None:
    for said in (
        card(request(display_name=name, reason=name), name, ALL, NOTHING_ELSE),
        decision_line(request(display_name=name, answer=Answer(Verdict.ACCEPT, MOD, NOW, "$k", name)), "Garden"),
        words("{} {}", name, user(ANA)),
    ):
        for text in both(lines([said])):
            for line in text.split("\n"):
                outside = re.sub(f"{ISOLATE}[^{END_ISOLATE}]*{END_ISOLATE}", "", line)
                assert not turns(outside)
                assert line.count(ISOLATE) == line.count(END_ISOLATE)
                # Clients take the direction of a line from its first strong letter, isolated or not.
                assert not turns(line) or line[0] == LEFT_TO_RIGHT
                assert not set(line) & set("\u202a\u202b\u202c\u202d\u202e")


def test_an_id_from_right_to_left_keeps_its_at_at_the_left_and_its_server_at_the_right() -> None:
    for text in both(user(f"@{ARABIC}:tulip.example")):
        assert text == f"\u2066@{ARABIC}:tulip.example{END_ISOLATE}"


@pytest.mark.parametrize("name", ["Ana", "José", "Ωmega", "花子", "👩‍🌾"])
def test_what_runs_from_left_to_right_needs_no_marks(name: str) -> None:
    said = card(request(display_name=name), "Garden", ALL, NOTHING_ELSE)

    assert said.plain == without_marks(said.plain)


def test_no_document_gets_marks_that_somebody_could_copy() -> None:
    text = f"rules:\n- name: {HEBREW}\n"
    assert lines([words("Policy:"), block(text)]).plain == f"Policy:\n{text}"


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ana", f"Ana {ANA}"),
        (None, ANA),
        ("", ANA),
        (" \u200b\u2800\ufe0f", ANA),
        ("\0", ANA),
        ("A\0na\n\tB", f"Ana B {ANA}"),
        (ANA, ANA),
        ("@Ana:Tulip.example", ANA),
        (MOD, f"{ANA} (named “{MOD}”)"),
        ("#9 Carol", f"{ANA} (named “#9 Carol”)"),
        ("✅", f"{ANA} (named “✅”)"),
        ("🌻🌻", f"{ANA} (named “🌻🌻”)"),
        ("12", f"{ANA} (named “12”)"),
        ("@room", f"{ANA} (named “@room”)"),
        ("<b>", f"{ANA} (named “<b>”)"),
        (ARABIC, f"{ARABIC} {ANA}"),
        ("\u202eevil", f"evil {ANA}"),
        ("x" * 200, f"{'x' * 59}… {ANA}"),
        ("🌻" * 200, f"{ANA} (named “{'🌻' * 59}…”)"),
    ],
)
def test_the_full_id_always_shows_and_no_name_takes_the_place_of_an_id_or_a_sign(
    name: str | None, expected: str
) -> None:
    for text in both(applicant(request(display_name=name))):
        assert without_marks(text) == expected


@pytest.mark.parametrize(
    ("user_id", "link"),
    [
        (ANA, "%40ana%3Atulip.example"),
        ("@a/b?c#d:x.example:8448", "%40a%2Fb%3Fc%23d%3Ax.example%3A8448"),
        ('@"><script>:x', "%40%22%3E%3Cscript%3E%3Ax"),
        ("@é:x", "%40%C3%A9%3Ax"),
        ("@a\u202eb:x", "%40a%E2%80%AEb%3Ax"),
    ],
)
def test_an_applicants_id_is_a_link_to_their_profile_and_to_nothing_else(user_id: str, link: str) -> None:
    said = applicant(request(user_id=user_id))

    assert f'<code><a href="https://matrix.to/#/{link}">' in said.html
    assert said.html.count("<a ") == 1
    assert "matrix.to" not in said.plain


def test_ids_of_moderators_are_no_links() -> None:
    said = card(request(answer=Answer(Verdict.ACCEPT, MOD, NOW, "$k")), "Garden", [], NOTHING_ELSE)

    assert f"<code>{MOD}</code>" in said.html


def test_a_command_can_be_copied_as_it_stands() -> None:
    assert code("!kb protect #room:server").plain == "!kb protect #room:server"


# --- what came before ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.ACCEPTED, f"Before: accepted by {MOD}, 3 days earlier (#7)."),
        (State.JOINED, f"Before: joined, accepted by {MOD}, 3 days earlier (#7)."),
        (State.DECLINED, "Before: accepted, but they declined the invite, 3 days earlier (#7)."),
        (State.REJECTED, f"Before: rejected by {MOD}, 3 days earlier (#7)."),
        (State.BANNED, f"Before: banned by {MOD}, 3 days earlier (#7)."),
        (State.WITHDRAWN, "Before: withdrawn by the applicant, 3 days earlier (#7)."),
        (State.EXPIRED, "Before: nobody answered in time, 3 days earlier (#7)."),
    ],
)
def test_a_card_says_in_one_line_what_came_of_the_last_knock(state: State, expected: str) -> None:
    earlier = request(id=7, number=7, state=state, by=MOD, changed_at=NOW - 3 * DAY, reason=HEBREW * 900)

    for text in both(card(request(), "Garden", [], Around(earlier=earlier))):
        assert [without_marks(line) for line in text.split("\n") if "Before" in line] == [expected]


def test_a_number_of_another_management_room_is_left_out() -> None:
    earlier = request(id=7, number=7, state=State.EXPIRED, by=MOD, changed_at=NOW, management_room="!elsewhere")

    assert (
        "Before: nobody answered in time, a moment earlier.\n"
        in card(request(), "Garden", ALL, Around(earlier=earlier)).plain
    )


# --- the inviter of an invite -------------------------------------------------------------------------------------


def test_the_card_of_an_invite_says_that_its_inviter_was_banned_as_well() -> None:
    invite = ThirdPartyInvite(GARDEN, "$i", "t", "@x:y", "somebody")
    revoked = request(kind=Kind.THIRD_PARTY_INVITE, user_id="", invite=invite, state=State.REVOKED, by=MOD)
    with_ban = dataclasses.replace(revoked, answer=Answer(Verdict.BAN, MOD, NOW, "$i"))
    alone = dataclasses.replace(revoked, answer=Answer(Verdict.REJECT, MOD, NOW, "$i"))

    def said(one: Request, *, banned: bool = False) -> str:
        return card(one, "Garden", [], Around(inviter_banned=banned)).plain

    assert f"Revoked by {MOD}. The inviter @x:y was banned as well." in said(with_ban, banned=True)
    assert f"Revoked by {MOD}. The same answer bans the inviter @x:y." in said(with_ban)
    assert f"Revoked by {MOD}.\n" in said(alone) + "\n"


# --- lines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.ACCEPTED, State.STANDING])
def test_a_line_that_nobody_edits_says_only_what_stays_true(state: State) -> None:
    one = request(state=state, by="@bot:x", answer=Answer(Verdict.ACCEPT, "@bot:x", NOW, "$k", "ours"))

    assert "yet" not in decision_line(one, "Garden").plain


@pytest.mark.parametrize("name", ["Ana @bob:tulip.example asks to join", "Ana @", "@bob:tulip.example", "#5", "🙂"])
def test_a_name_with_an_id_in_it_or_that_begins_with_no_letter_stands_in_quotes_after_the_id(name: str) -> None:
    said = without_marks(card(request(display_name=name), "Garden", ALL, NOTHING_ELSE).plain)
    assert f"@ana:tulip.example (named “{name}”) asks to join Garden" in said
