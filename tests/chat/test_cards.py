"""Messages of the bot: nothing a stranger wrote breaks out of one, calls anybody, or makes it too large to send."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.chat import replies
from knockbot.chat.catalogue import render
from knockbot.chat.messages import card_message, message
from knockbot.domain import card as wording_of_cards
from knockbot.domain.card import Around
from knockbot.domain.languages import Language
from knockbot.domain.model import (
    Answer,
    Decision,
    IdentityKey,
    Kind,
    Miss,
    Request,
    State,
    ThirdPartyInvite,
    Untaken,
    Verdict,
)
from knockbot.domain.notices import LONGEST, Code, Document, Id, Letters, Name, Notice, Rule, Stranger, notice, rows
from knockbot.domain.plan import ACT_OF
from knockbot.domain.policy import MAX_NAME
from knockbot.domain.reasons import foreign
from knockbot.domain.records import Recorded
from knockbot.flow.acts.sending import edit
from knockbot.flow.ports import REQUEST_KEY, REQUESTS_KEY
from knockbot.store.records import Entry
from knockbot.views.requests import Story
from tests.chat.applicants import waiting
from tests.chat.safety import HOSTILE, as_read, assert_harmless, size_of, unmarked
from tests.matrix.edge import ANA, BOT, GARDEN, MODERATOR, START

CALLED = (MODERATOR, "@other:tulip.example")
ALL = tuple(ACT_OF)


def request(number: int = 7, **changes: Any) -> Request:
    """A knock that waits for moderators, with one thing or another changed."""
    return waiting(number, START, **changes)


def answered(verdict: Verdict, **changes: Any) -> Answer:
    return dataclasses.replace(Answer(verdict, MODERATOR, START, "$knock"), **changes)


# --- what a card is -------------------------------------------------------------------------------------------


def test_a_card_is_heard_and_calls_those_who_are_to_be_called() -> None:
    content = card_message([request()], "Garden", ALL, CALLED, "card:1")

    assert content["msgtype"] == "m.text"
    assert content["m.mentions"] == {"user_ids": list(CALLED)}
    assert content["org.knockbot.effect"] == "card:1"
    for part in ("#7", ANA, "Ana", "Garden", "✅", "❌", "⛔", "!kb accept 7"):
        assert part in content["body"]
        assert part in as_read(content["formatted_body"])


@pytest.mark.parametrize("reason", ["I like gardens", "<i>you fools</i>", "two\nlines", "x" * 300])
def test_the_reason_is_shown_with_and_without_markup(reason: str) -> None:
    said = read(card_message([request(reason=reason)], "Garden", ALL, (), "card:1"))

    line = f"Reason: {' '.join(reason.split())}"
    assert [text.count(f"\n{line}\n") for text in said] == [1, 1]


def test_a_long_reason_is_cut_and_names_the_command_that_tells_all_of_it() -> None:
    said = read(card_message([request(reason="x" * 301)], "Garden", ALL, (), "card:1"))

    assert [f"\nReason: {'x' * 299}… !kb show 7\n" in text for text in said] == [True, True]


@pytest.mark.parametrize("reason", ["<i>you fools</i>", "<i>you fools</i>" * 50])
def test_where_the_policy_hides_reasons_they_stand_behind_a_spoiler_and_not_in_what_is_pushed(reason: str) -> None:
    content = card_message([request(reason=reason)], "Garden", ALL, (), "card:1", around=Around(hidden=True))

    assert_harmless(content)
    assert "you fools" not in content["body"]
    assert "\nReason: (hidden; !kb show 7 shows it)\n" in content["body"]
    assert '<span data-mx-spoiler="reason">&lt;i&gt;you fools&lt;/i&gt;' in content["formatted_body"]
    assert (" <code>!kb show 7</code><br>" in content["formatted_body"]) is (len(reason) > 300)


@pytest.mark.parametrize("letter", ["x", ".", '"', "\U0001f6aa", "\u05d0", "&"])
@pytest.mark.parametrize("length", [301, 5_000, 60_000])
def test_show_tells_the_whole_reason_as_far_as_a_message_holds_it_and_says_what_is_missing(
    letter: str, length: int
) -> None:
    opened = Entry(1_795_291_680_000, "!garden:example.org", 1, ANA, Recorded.ACCEPT, {})
    shown = replies.shown_request(Story(request(reason=letter * length), "Garden", (opened,)))

    body, _ = read(message(shown, "say:1"))
    told = body.count(letter * 301)
    assert told
    assert body.endswith(render(replies.history_line(opened)).plain)
    if f"Reason: {letter * length}\n" not in body:
        kept, _, more = body.partition("Reason: ")[2].split("\n")[0].partition(" … and ")
        assert more == f"{length - len(kept):,} more characters"
        assert length > 1_000


def test_a_shared_card_hides_reasons_too() -> None:
    shared = crowd(3, reason="you fools")

    assert "you fools" in card_message(shared, "Garden", ALL, (), "card:1")["body"]
    assert "you fools" not in card_message(shared, "Garden", ALL, (), "card:1", around=Around(hidden=True))["body"]


def test_everything_else_is_a_notice_that_calls_nobody() -> None:
    content = message(foreign("Done."), "say:1", reply_to="$command")

    assert content["msgtype"] == "m.notice"
    assert content["m.mentions"] == {}
    assert content["m.relates_to"] == {"m.in_reply_to": {"event_id": "$command"}}
    assert content["org.knockbot.effect"] == "say:1"


def test_an_edit_calls_nobody_again_and_carries_the_card_inside_and_out() -> None:
    new = card_message([request(state=State.ACCEPTED, by=MODERATOR)], "Garden", (), CALLED, "card:1:edit:1")

    content = edit(new, "$card", "card:1:edit:1")

    assert content["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$card"}
    assert content["m.mentions"] == {}
    inner = content["m.new_content"]
    assert inner == new
    assert content[REQUEST_KEY] == inner[REQUEST_KEY] == new[REQUEST_KEY]
    assert content["org.knockbot.effect"] == inner["org.knockbot.effect"] == "card:1:edit:1"
    assert content["body"].endswith(new["body"])


BLOCK = {
    "number": 7,
    "kind": "knock",
    "room_id": GARDEN,
    "user_id": ANA,
    "event_id": "$knock",
    "state": "pending",
    "rule": None,
    "by": None,
}


@pytest.mark.parametrize(
    ("changes", "block"),
    [
        ({}, {}),
        ({"answer": answered(Verdict.ACCEPT)}, {}),
        (
            {"state": State.ACCEPTED, "by": MODERATOR, "answer": answered(Verdict.ACCEPT)},
            {"state": "accepted", "by": MODERATOR},
        ),
        (
            {"state": State.BANNED, "by": BOT, "answer": answered(Verdict.BAN, by=BOT, rule="trouble")},
            {"state": "banned", "by": BOT, "rule": "trouble"},
        ),
        (
            {"state": State.REJECTED, "by": BOT, "answer": answered(Verdict.REJECT, by=BOT, rule="#3")},
            {"state": "rejected", "by": BOT, "rule": "#3"},
        ),
        (
            {"state": State.ACCEPTED, "by": MODERATOR, "answer": answered(Verdict.BAN, by=BOT, rule="trouble")},
            {"state": "accepted", "by": MODERATOR},
        ),
        ({"state": State.WITHDRAWN, "by": ANA}, {"state": "withdrawn", "by": ANA}),
        ({"state": State.JOINED, "by": ANA}, {"state": "joined", "by": ANA}),
        ({"state": State.DECLINED, "by": MODERATOR}, {"state": "declined", "by": MODERATOR}),
    ],
)
def test_the_block_for_machines_is_exact(changes: dict[str, Any], block: dict[str, Any]) -> None:
    content = card_message([request(**changes)], "Garden", (), (), "card:1")

    assert content[REQUEST_KEY] == BLOCK | block
    assert REQUESTS_KEY not in content


@pytest.mark.parametrize("state", State)
def test_a_settled_request_offers_no_answer(state: State) -> None:
    content = card_message([request(state=state, by=MODERATOR)], "Garden", ALL, (), "card:1")

    assert ("!kb accept" in content["body"]) is (state is State.PENDING)


# --- third-party invites --------------------------------------------------------------------------------------

URL = "https://id.example/_matrix/identity/v2/pubkey/isvalid"


def invited(number: int = 7, *keys: str | None, **changes: Any) -> Request:
    """A third-party invite that waits for moderators, with keys of these URLs."""
    held = tuple(IdentityKey(f"k{place}", url) for place, url in enumerate(keys))
    invite = ThirdPartyInvite(GARDEN, "$invite", "token", MODERATOR, "car...@exa...", held)
    plain = {"kind": Kind.THIRD_PARTY_INVITE, "user_id": "", "display_name": None, "reason": "", "invite": invite}
    return request(number, **{**plain, "event_id": "$invite", **changes})


def read(content: dict[str, Any]) -> list[str]:
    """A message as it reads, without markup and with it."""
    assert_harmless(content)
    return [unmarked(content["body"]), unmarked(as_read(content["formatted_body"]))]


def said(one: Request, offers: tuple[Verdict, ...] = ALL) -> str:
    """The card as it reads, with and without markup."""
    content = card_message([one], "Garden", offers, (), "card:1")
    assert_harmless(content)
    assert as_read(content["formatted_body"]) == content["body"]
    return unmarked(content["body"])


def test_the_card_of_an_invite_says_who_invited_whom_and_what_each_answer_does() -> None:
    text = said(invited(7, URL))

    for part in ("#7", MODERATOR, "car...@exa...", "Garden", "third-party invite", "id.example", "!kb accept 7"):
        assert part in text
    [offers] = [line for line in text.split("\n") if "✅" in line]
    assert "the invite stays" in offers
    assert "is revoked" in offers
    assert f"all invites of {MODERATOR} to this room are revoked, and {MODERATOR} is banned" in offers


@pytest.mark.parametrize(
    ("keys", "warned", "named"),
    [
        ((URL, URL), False, ["id.example"]),
        ((URL, None), True, ["id.example"]),
        ((None,), True, []),
        ((URL, "http://id.example"), True, ["id.example"]),
        (("https://user@id.example/",), True, []),
        (tuple(f"https://id{number}.example" for number in range(9)), False, ["id0.example", "id4.example", "4 more"]),
    ],
)
def test_it_says_whose_keys_let_somebody_in(keys: tuple[str | None, ...], warned: bool, named: list[str]) -> None:
    text = said(invited(7, *keys))

    assert ("let anyone in" in text) is warned
    assert [name for name in named if name not in text] == []


def test_an_invite_without_a_key_lets_nobody_in() -> None:
    assert "no key" in said(invited())


@pytest.mark.parametrize(
    ("state", "parts"),
    [
        (State.STANDING, ["Approved", MODERATOR]),
        (State.REVOKED, ["Revoked", MODERATOR]),
        (State.PENDING, ["!kb accept 7"]),
    ],
)
def test_it_says_where_the_invite_stands(state: State, parts: list[str]) -> None:
    text = said(invited(7, URL, state=state, by=None if state is State.PENDING else MODERATOR))

    assert [part for part in parts if part not in text] == []


@pytest.mark.parametrize("state", [State.PENDING, State.REDEEMED, State.REJECTED, State.BANNED, State.WITHDRAWN])
def test_once_it_was_redeemed_the_card_is_about_who_came_in(state: State) -> None:
    text = said(invited(7, URL, user_id=ANA, state=state, by=None if state is State.PENDING else MODERATOR))

    assert ANA in text.split("\n")[0]
    assert MODERATOR in text.split("\n")[0]
    assert "car...@exa..." in text
    assert "id.example" not in text
    assert (f"{ANA} is banned" in text) is (state is State.PENDING)


def test_a_ban_under_way_names_whom_it_hits() -> None:
    text = said(invited(7, URL, answer=answered(Verdict.BAN, by=ANA)))

    assert f"{MODERATOR} is being banned" in text


@pytest.mark.parametrize(
    ("one", "named"),
    [
        (invited(7, URL, state=State.STANDING, by=BOT, answer=answered(Verdict.ACCEPT, by=BOT, rule="ours")), "“ours”"),
        (
            invited(7, URL, state=State.REVOKED, by=BOT, answer=answered(Verdict.REJECT, by=BOT, rule="otherwise")),
            "otherwise_third_party",
        ),
        (
            invited(
                7,
                URL,
                user_id=ANA,
                state=State.REDEEMED,
                by=BOT,
                answer=answered(Verdict.ACCEPT, by=BOT, rule="otherwise"),
            ),
            "otherwise_third_party",
        ),
        (
            invited(
                7,
                URL,
                user_id=ANA,
                state=State.REJECTED,
                by=BOT,
                answer=answered(Verdict.REJECT, by=BOT, rule="otherwise"),
            ),
            "the policy.",
        ),
        (
            request(reason="", state=State.REJECTED, by=BOT, answer=answered(Verdict.REJECT, by=BOT, rule="otherwise")),
            "(otherwise)",
        ),
    ],
)
def test_what_no_rule_decided_is_named_by_its_key_in_the_policy(one: Request, named: str) -> None:
    assert named in said(one)


@pytest.mark.parametrize(
    ("decision", "parts"),
    [
        (
            Decision(Verdict.FORWARD, "otherwise", doubt=foreign("its keys are not valid")),
            ["The moderators decide, because its keys are not valid"],
        ),
        (
            Decision(Verdict.FORWARD, "ours", unknown=foreign("what power level the inviter has")),
            ["rule “ours” cannot be checked now. Unknown: what power level the inviter has"],
        ),
    ],
)
def test_it_says_why_the_policy_leaves_it_to_people(decision: Decision, parts: list[str]) -> None:
    text = said(invited(7, URL, decision=decision))

    assert [part for part in parts if part not in text] == []
    assert "The moderators decide" not in said(invited(7, URL, decision=decision, answer=answered(Verdict.REJECT)))


def test_the_block_of_an_invite_names_its_inviter_and_nobody_until_somebody_came_in() -> None:
    blocks = [card_message([invited(user_id=user)], "Garden", (), (), "card:1")[REQUEST_KEY] for user in ("", ANA)]

    base = BLOCK | {"kind": "third_party_invite", "event_id": "$invite", "inviter": MODERATOR}
    assert blocks == [base | {"user_id": None}, base | {"user_id": ANA}]


def test_invites_that_share_a_card_are_called_that() -> None:
    content = card_message([invited(number, URL) for number in range(1, 8)], "Garden", ALL, (), "card:1")

    assert_harmless(content)
    assert "7 third-party invites" in content["body"]
    assert "Answer each by its number: !kb accept 7\n" in content["body"]
    assert "!kb ban bans the inviter" in content["body"]
    assert "requests to join" not in content["body"]


def test_what_is_doubtful_about_an_invite_stands_on_a_shared_card_too() -> None:
    doubt = Decision(Verdict.FORWARD, "ours", doubt=foreign("its keys are old"))
    doubtful = dataclasses.replace(invited(1, URL), decision=doubt)

    content = card_message([doubtful, invited(2, URL)], "Garden", ALL, (), "card:1")

    [row] = [line for line in content["body"].split("\n") if "#1" in line]
    assert "its keys are old" in row


# --- shared cards ---------------------------------------------------------------------------------------------


def crowd(many: int, **changes: Any) -> list[Request]:
    return [request(number, user_id=f"@u{number}:rose.example", **changes) for number in range(1, many + 1)]


@pytest.mark.parametrize("many", [2, 6, 20, 200])
def test_a_shared_card_shows_the_newest_and_says_how_many_there_are(many: int) -> None:
    content = card_message(crowd(many), "Garden", ALL, CALLED, "card:1")

    assert content[REQUEST_KEY]["number"] == many
    numbers = [one["number"] for one in content[REQUESTS_KEY]]
    assert numbers == list(range(many - len(numbers) + 1, many + 1))
    assert f"{many} requests" in content["body"]
    assert f"@u{many}:rose.example" in content["body"]
    assert_harmless(edit(content, "$card", "card:1:edit:1"), CALLED)


def at_doors(many: int, **changes: Any) -> list[Request]:
    """One applicant who waits at so many rooms."""
    return [request(number, room_id=f"!room{number}:tulip.example", **changes) for number in range(1, many + 1)]


def doors_of(requests: list[Request], label: str = "Room {}") -> Around:
    return Around(doors={one.room_id: label.format(one.number) for one in requests})


def test_a_card_of_one_applicant_at_several_rooms_has_a_line_for_each() -> None:
    requests = at_doors(3)
    requests[0] = dataclasses.replace(requests[0], state=State.ACCEPTED, by=MODERATOR, answer=answered(Verdict.ACCEPT))
    content = card_message(requests, "Garden", ALL, (), "card:1", around=doors_of(requests))

    body, _ = read(content)
    assert body.split("\n") == [
        f"🚪 Ana {ANA} asks to join 3 rooms, 2 waiting",
        "Reason: I like gardens",
        f"✅ #1 Room 1 · Accepted by {MODERATOR}. Not joined yet.",
        "🚪 #2 Room 2 · Waiting for an answer.",
        "🚪 #3 Room 3 · Waiting for an answer.",
        "✅ accept, ❌ reject, ⛔ ban · A click answers for all these rooms. For one room: !kb accept 3",
    ]
    assert [one["number"] for one in content[REQUESTS_KEY]] == [1, 2, 3]
    assert content[REQUEST_KEY]["number"] == 3


@pytest.mark.parametrize("place", [0, 2])
def test_the_legend_of_such_a_card_says_what_a_click_does_where_they_are_invited_already(place: int) -> None:
    requests = at_doors(3)
    requests[place] = dataclasses.replace(requests[place], untaken=Untaken("$invite", "otherwise"))
    body, _ = read(card_message(requests, "Garden", ALL, (), "card:1", around=doors_of(requests)))
    waits = ["Waiting for an answer."] * 3
    waits[place] = "Invited, not joined yet, and waiting for your decision."
    for line, said in zip(body.split("\n")[2:5], waits, strict=True):
        assert line.partition(" · ")[2].startswith(said)
    assert body.split("\n")[5:] == [
        "✅ accept, ❌ reject, ⛔ ban · A click answers for all these rooms. For one room: !kb accept 3",
        "Where they are invited already, ✅ lets the invite stay, and ❌ withdraws it.",
    ]


def test_where_they_are_invited_to_all_these_rooms_the_legend_says_that_alone() -> None:
    requests = at_doors(2, untaken=Untaken("$invite", "otherwise"))
    body, _ = read(card_message(requests, "Garden", ALL, (), "card:1", around=doors_of(requests)))
    [legend] = body.split("\n")[4:]
    each = "✅ accept: the invite stays, ❌ reject: the invite is withdrawn, ⛔ ban"
    assert legend == f"{each} · A click answers for all these rooms. For one room: !kb accept 2"


@pytest.mark.parametrize(
    ("outcomes", "sign"),
    [
        ((State.ACCEPTED, State.JOINED), "✅"),
        ((State.REJECTED, State.REJECTED), "❌"),
        ((State.BANNED, State.BANNED), "⛔"),
        ((State.WITHDRAWN, State.WITHDRAWN), "↩️"),
        ((State.REJECTED, State.ACCEPTED, State.REJECTED), "❌✅"),
    ],
)
@pytest.mark.parametrize("several", ["rooms", "requests"])
def test_a_settled_card_of_several_shows_what_became_of_them(
    outcomes: tuple[State, ...], sign: str, several: str
) -> None:
    many = len(outcomes)
    settled = [
        dataclasses.replace(one, state=state, by=MODERATOR) for one, state in zip(at_doors(many), outcomes, strict=True)
    ]
    around = doors_of(settled) if several == "rooms" else Around()
    body, _ = read(card_message(settled, "Garden", ALL, (), "card:1", around=around))

    rooms = f"{sign} Ana {ANA} asked to join {many} rooms"
    assert body.split("\n")[0] == (
        rooms if several == "rooms" else f"{sign} {many} requests to join Garden, all settled"
    )
    assert "!kb" not in body


def test_a_card_of_which_only_a_room_that_is_protected_no_longer_is_left_shows_what_became_of_the_others() -> None:
    requests = at_doors(2)
    requests[0] = dataclasses.replace(requests[0], state=State.BANNED, by=MODERATOR)
    around = dataclasses.replace(doors_of(requests), closed=frozenset({requests[1].room_id}))
    body, _ = read(card_message(requests, "Garden", ALL, (), "card:1", around=around))

    assert body.split("\n")[0] == f"⛔ Ana {ANA} asked to join 2 rooms"


def test_a_room_that_is_protected_no_longer_says_so_in_its_line_and_is_not_counted() -> None:
    requests = at_doors(3)
    around = dataclasses.replace(doors_of(requests), closed=frozenset({requests[1].room_id}))
    body, _ = read(card_message(requests, "Garden", ALL, (), "card:1", around=around))

    assert "3 rooms, 2 waiting" in body
    assert "#2 Room 2 · This room is no longer protected. Please answer it yourself, in your client." in body


@pytest.mark.parametrize("others", [0, 3, 40])
def test_each_open_request_has_its_line_however_many_were_settled_before(others: int) -> None:
    first, *rest = at_doors(1 + others)
    settled = [dataclasses.replace(one, state=State.REJECTED, by=MODERATOR) for one in rest]
    requests = [first, *settled, request(99, room_id="!last:tulip.example")]
    body, _ = read(card_message(requests, "Garden", ALL, (), "card:1", around=doors_of(requests)))

    rows = [line for line in body.split("\n") if " · " in line and line[0] in "🚪❌"]
    assert len(rows) == min(len(requests), 20)
    assert [line.split(" ")[1] for line in rows if line.startswith("🚪")] == ["#1", "#99"]
    assert ("and 22 earlier ones" in body) is (others == 40)


@pytest.mark.parametrize("letter", ['"', "\U0001f6aa", "&", "\u202e", "\0", "\u00e9"])
@pytest.mark.parametrize("alike", [True, False])
def test_the_largest_card_of_several_rooms_fits_into_an_event_as_an_edit_and_has_all_its_lines(
    letter: str, alike: bool
) -> None:
    text = letter * 10_000
    requests = [
        dataclasses.replace(
            one,
            user_id=LONGEST_ID,
            reason=text if alike else f"{one.number} {text}",
            display_name=text[:500],
            room_id=f"!{one.number:02}" + '"' * 240 + ":rose.example",
            event_id="$" + '"' * 250,
            trouble=foreign(text[:300]),
            decision=Decision(Verdict.FORWARD, text[:100], None, (), foreign(text[:1000])),
        )
        for one in at_doors(10)
    ]
    calls = tuple(f"@{number:0250}:x" for number in range(20))
    content = card_message(requests, text[:255], ALL, calls, "card:1", around=doors_of(requests, text[:255] + "{}"))

    assert_harmless(content, calls)
    assert_harmless(edit(content, "$" + "c" * 250, "card:1:edit:1"), calls)
    for number in range(1, 11):
        assert f"#{number} " in unmarked(content["body"])


LONGEST_ID = "@" + '"' * 240 + ":rose.example"


@pytest.mark.parametrize("many", [1, 2, 5, 200])
@pytest.mark.parametrize("letter", ['"', "\U0001f6aa", "&", "\u202e", "\0", "\u00e9"])
def test_the_largest_card_there_can_be_fits_into_an_event_as_an_edit(many: int, letter: str) -> None:
    text = letter * 10_000
    hostile = crowd(
        many,
        reason=text,
        display_name=text[:500],
        room_id="!" + '"' * 240 + ":rose.example",
        event_id="$" + '"' * 250,
        trouble=foreign(text[:300]),
        decision=Decision(Verdict.FORWARD, text[:100], None, (), foreign(text[:1000])),
    )
    requests = [dataclasses.replace(one, user_id=LONGEST_ID) for one in hostile]
    calls = tuple(f"@{number:0250}:x" for number in range(20))

    content = card_message(requests, text[:255], ALL, calls, "card:1")

    assert_harmless(content, calls)
    assert_harmless(edit(content, "$" + "c" * 250, "card:1:edit:1"), calls)


# --- whatever strangers write ---------------------------------------------------------------------------------

TEXT = st.sampled_from(HOSTILE) | st.text()
REASONS = TEXT.map(foreign)
NAMES = TEXT.map(lambda text: text[:MAX_NAME])
USERS = TEXT.map(lambda text: f"@{text.replace(':', '').encode(errors='ignore').decode()[:60]}:x.example")
VERDICTS = st.sampled_from(list(ACT_OF))


def replace_doubt(decision: Decision, doubt: Notice | None) -> Decision:
    return dataclasses.replace(decision, doubt=doubt)


ANSWERS = st.builds(
    Answer, VERDICTS, USERS, st.just(START), st.just("$knock"), rule=st.none() | NAMES, reason=st.none() | TEXT
)
DECISIONS = st.builds(
    Decision,
    st.sampled_from(Verdict),
    NAMES.filter(bool),
    st.none() | TEXT,
    st.lists(st.builds(Miss, TEXT.filter(bool), REASONS), max_size=3).map(tuple),
    st.none() | REASONS,
)
REQUESTS = st.builds(
    request,
    st.integers(1, 10**9),
    user_id=USERS,
    reason=TEXT,
    display_name=st.none() | TEXT,
    state=st.sampled_from(State),
    by=st.none() | USERS,
    decision=st.none() | DECISIONS,
    answer=st.none() | ANSWERS,
    trouble=st.none() | REASONS,
)

KEYS = st.lists(st.builds(IdentityKey, TEXT, st.none() | TEXT | TEXT.map("https://{}".format)), max_size=8).map(tuple)
INVITES = st.builds(
    request,
    st.integers(1, 10**9),
    kind=st.just(Kind.THIRD_PARTY_INVITE),
    user_id=st.just("") | USERS,
    state=st.sampled_from(State),
    by=st.none() | USERS,
    decision=st.none() | st.builds(replace_doubt, DECISIONS, st.none() | REASONS),
    answer=st.none() | ANSWERS,
    trouble=st.none() | REASONS,
    invite=st.builds(ThirdPartyInvite, st.just(GARDEN), st.just("$i"), TEXT, USERS, TEXT, KEYS),
)


@given(
    st.lists(REQUESTS, min_size=1, max_size=8) | st.lists(INVITES, min_size=1, max_size=8),
    TEXT,
    st.sets(VERDICTS),
    st.lists(USERS, max_size=3, unique=True),
)
def test_no_card_holds_more_than_it_should(
    requests: list[Request], label: str, offers: set[Verdict], calls: list[str]
) -> None:
    content = card_message(requests, label, sorted(offers), calls, "card:1")

    assert_harmless(content, tuple(calls))
    assert_harmless(edit(content, "$card", "card:1:edit:1"), tuple(calls))
    for one in requests[-1:]:
        assert content[REQUEST_KEY]["user_id"] == (one.user_id or None)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_that_is_put_into_a_sentence_breaks_out(text: str) -> None:
    for put in (Stranger(text), Letters(text), Code(text), Document(text), Name(text), Id(text), Rule(text)):
        assert_harmless(message(rows([put, foreign("x")]), "say:1"))


def test_the_full_user_id_always_shows_and_what_cannot_be_seen_in_it_is_spelled_out() -> None:
    impostor = "@mod\u202e\u200b:tulip.example"

    content = card_message([request(user_id=impostor)], "Garden", ALL, (), "card:1")

    assert "@mod⟨U+202E⟩⟨U+200B⟩:tulip.example" in content["body"]
    assert "@mod⟨U+202E⟩⟨U+200B⟩:tulip.example" in as_read(content["formatted_body"])
    assert content[REQUEST_KEY]["user_id"] == impostor


def test_a_card_says_the_same_with_and_without_markup() -> None:
    one = request(reason="", display_name="<Ana & Co>", trouble=foreign('"no"'))

    content = card_message([one], "A <garden>", ALL, (), "card:1")

    assert as_read(content["formatted_body"]) == content["body"]


# --- replies that are too long --------------------------------------------------------------------------------


def row(number: int, text: str = 'a "row" with <strangers> & all') -> Notice:
    return notice("sent.named", address=Code(str(number)), name=Stranger(text, LONGEST))


def document(text: str) -> Notice:
    return rows([foreign("Policy:"), Document(text)])


def test_a_reply_that_fits_is_sent_whole() -> None:
    said = rows(map(row, range(100)))
    content = message(said, "say:1")

    assert content["body"] == render(said).plain
    assert content["formatted_body"] == render(said).html


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize(
    "said",
    [
        rows(map(row, range(1_000))),
        rows(map(row, range(20_000))),
        rows(row(number, '"' * 2_000) for number in range(60)),
        rows(row(number, "\U0001f6aa" * 10_000) for number in range(3)),
        foreign("x" * 100_000),
        document("- name: x\n" * 10_000),
        document('"' * 20_000),
        document("\U0001f6aa" * 10_000),
    ],
)
def test_a_reply_that_is_too_long_is_cut_and_says_so(said: Notice, language: Language) -> None:
    plain = render(said, language).plain
    content = message(said, "say:1", reply_to="$" + "c" * 250, language=language)

    assert_harmless(content)
    assert content["body"].startswith(plain[:5])
    assert size_of(content) > 10_000
    if len(content["body"]) < len(plain):
        assert CUT[language].search(content["body"])


CUT = {
    Language.EN: re.compile(r"\n… and [\d,]+ more (lines|characters)$"),
    Language.DE: re.compile(r"\n… und [\d.]+ weitere (Zeilen|Zeichen)$"),
}


def test_what_is_sent_is_json_that_every_homeserver_takes() -> None:
    content = card_message(crowd(3, reason="\ud800\0"), "Garden", ALL, CALLED, "card:1")

    assert json.loads(json.dumps(content, allow_nan=False)) == content
    content_of_blocks = {type(value) for one in content[REQUESTS_KEY] for value in one.values()}
    assert content_of_blocks <= {str, int, type(None)}


def test_every_state_has_its_sign() -> None:
    assert set(wording_of_cards.SIGNS) == set(State)
