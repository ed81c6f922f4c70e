"""Policies at work: what each verdict does at the door, and what the rules can tell of an applicant."""

from __future__ import annotations

import pytest

from knockbot.demo.people import Person, until
from tests.journey.conftest import OwnKeeper
from tests.keeper import Garden, InProcess, block, edit_of, words
from tests.uploads import download, send_file

EVERY_VERDICT = """
rules:
- {name: friends, when: {reason_matches: ^friend}, then: accept, reason: Come in.}
- {name: strangers, when: {reason_matches: ^stranger}, then: reject, reason: Say who you are.}
- {name: known trouble, when: {reason_matches: ^trouble}, then: ban, reason: Not welcome here.}
- {when: {reason_matches: ^nameless}, then: reject}
- {name: vips, when: {reason_matches: ^vip}, then: forward}
otherwise: forward
"""
CYRILLIC_A = "\u0430"


# --- verdicts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "came", "rule", "told"),
    [
        ("friend of ben", ("invite", "accepted"), "friends", "Come in."),
        ("stranger", ("leave", "rejected"), "strangers", "Say who you are."),
        ("trouble", ("ban", "banned"), "known trouble", "Not welcome here."),
    ],
)
async def test_a_rule_answers_at_once_and_says_so_in_one_line(
    keeper: InProcess, said: str, came: tuple[str, str], rule: str, told: str | None
) -> None:
    membership, state = came
    garden = await keeper.garden(EVERY_VERDICT)

    ana = await garden.knocker(reason=said)

    assert (await garden.membership(ana, membership)).get("reason") == told
    line = await garden.shown(ana, state, rule=rule, by=garden.keeper.user_id, kind="knock")
    assert line["content"]["msgtype"] == "m.notice"
    assert line["content"]["m.mentions"] == {}
    assert rule in words(line)
    assert ana.user_id in words(line)
    await garden.caught_up()
    assert len(await garden.said_about(ana)) == 1
    assert await garden.acts_on(ana) == [membership]


async def test_the_applicant_sees_why_they_were_turned_away(keeper: InProcess) -> None:
    garden = await keeper.garden(EVERY_VERDICT)
    ana = await garden.knocker(reason="stranger")
    await garden.membership(ana, "leave")

    async def told() -> str:
        left = (await ana.sync(filter='{"room": {"include_leave": true}}'))["rooms"].get("leave", {})
        events = left.get(garden.room, {"timeline": {"events": []}})["timeline"]["events"]
        return " ".join(
            str(event["content"].get("reason")) for event in events if event.get("state_key") == ana.user_id
        )

    await until(told, lambda seen: "Say who you are." in seen, lambda seen: f"told only {seen!r}")


async def test_the_applicant_sees_the_words_of_the_rule_in_the_invite(keeper: InProcess) -> None:
    garden = await keeper.garden(EVERY_VERDICT)
    ana = await garden.knocker(reason="friend")
    await garden.membership(ana, "invite")

    invited = (await ana.sync())["rooms"]["invite"][garden.room]["invite_state"]["events"]

    assert "Come in." in [event["content"].get("reason") for event in invited if event["type"] == "m.room.member"]


@pytest.mark.parametrize(("said", "rule"), [("vip", "vips"), ("something else", "otherwise")])
async def test_what_is_forwarded_is_a_card_that_names_no_rule(keeper: InProcess, said: str, rule: str) -> None:
    garden = await keeper.garden(EVERY_VERDICT)

    ana = await garden.knocker(reason=said)

    card = await garden.card(ana, rule=None, by=None)
    assert card["content"]["msgtype"] == "m.text"
    shown = await garden.command(f"show {block(card)['number']}")
    assert rule in shown
    assert "strangers" in shown  # a rule that did not match, and why
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"


async def test_a_rule_that_forwards_comes_before_later_rules_and_otherwise(keeper: InProcess) -> None:
    garden = await keeper.garden("rules: [{when: {reason_matches: wait}, then: forward}]\notherwise: ban")

    waits, other = await garden.knocker("waits", "wait"), await garden.knocker("other")

    await garden.membership(other, "ban")
    await garden.shown(waits, "pending")


async def test_an_applicant_let_in_by_a_rule_joins_without_another_line(keeper: InProcess) -> None:
    garden = await keeper.garden(EVERY_VERDICT)
    ana = await garden.knocker(reason="friend")
    await garden.membership(ana, "invite")

    await ana.join(garden.room)

    await garden.caught_up()
    assert [block(event)["state"] for event in await garden.said_about(ana)] == ["accepted"]


async def test_who_is_rejected_by_a_rule_may_knock_again_and_is_judged_again(keeper: InProcess) -> None:
    garden = await keeper.garden(EVERY_VERDICT)
    ana = await garden.knocker(reason="stranger")
    first = await garden.shown(ana, "rejected")

    await ana.knock(garden.room, "friend of ben")

    second = await garden.shown(ana, "accepted")
    assert block(second)["number"] > block(first)["number"]


async def test_a_knock_that_waits_is_judged_anew_when_its_reason_changes(keeper: InProcess) -> None:
    garden = await keeper.garden(EVERY_VERDICT)
    ana = await garden.knocker(reason="hello")
    card = await garden.shown(ana, "pending")

    await ana.knock(garden.room, "friend of ben")

    await garden.membership(ana, "invite")
    edited = await garden.shown(ana, "accepted", rule="friends")
    assert edit_of(edited) == card["event_id"]
    assert block(edited)["number"] == block(card)["number"]


async def test_a_new_policy_holds_from_the_next_knock_on(keeper: InProcess) -> None:
    garden = await keeper.ruled("otherwise: forward")
    ana = await garden.knocker("ana")
    await garden.shown(ana, "pending")

    await garden.set_policy("otherwise: accept")
    ben = await garden.knocker("ben")

    await garden.membership(ben, "invite")
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"


# --- criteria -----------------------------------------------------------------------------------------------------

CRITERIA = [
    # what the rule asks, the end of the applicant's name, their reason, whether the rule matches
    ("any: [{user: '@*kind*:lab.test'}]", "kind", None, True),
    ("server: LAB.test", "ana", None, True),
    ("local: false", "ana", None, False),
    ("reason_matches: '(?i)student|staff'", "ana", "I am a STUDENT here", True),
    ("reason_length_at_least: 1", "ana", None, False),
    ("all: [{local: true}, {reason_matches: x}]", "ana", "y", False),
]

# One garden for all of them: the rule of each case is for those whose name begins with its number.
ALL_CRITERIA = "rules:\n" + "\n".join(
    f"- {{name: case {place}, when: {{user: '@{place:04}-*', {when}}}, then: reject}}"
    for place, (when, *_) in enumerate(CRITERIA)
)


@pytest.mark.parametrize("place", range(len(CRITERIA)), ids=[case[0] for case in CRITERIA])
async def test_a_criterion_tells_applicants_apart(keeper: InProcess, place: int) -> None:
    garden = await keeper.garden(ALL_CRITERIA)
    _, name, reason, matches = CRITERIA[place]

    ana = await garden.knocker(f"{place:04}-{name}", reason)

    if matches:
        await garden.shown(ana, "rejected", rule=f"case {place}")
    else:
        await garden.shown(ana, "pending")


# --- members of other rooms ---------------------------------------------------------------------------------------


async def beside_a_club(keeper: InProcess, policy: str) -> tuple[Garden, str]:
    """A garden whose policy speaks of a club that alice and the bot are in."""
    garden = await keeper.ruled()
    club = await garden.alice.create_room("Club", invite=[keeper.user_id])
    await garden.alice.wait_for_membership(club, keeper.user_id, "join")
    await garden.set_policy(policy.replace("CLUB", f"'{club}'"))
    return garden, club


async def knocker_of(garden: Garden, club: str) -> Person:
    """A member of the club knocks."""
    person = await garden.person("member")
    await garden.bring(person, club)
    await person.knock(garden.room)
    return person


async def test_whoever_calls_themselves_like_the_founder_is_turned_away(keeper: InProcess) -> None:
    garden = await keeper.garden("rules: [{name: impostors, when: {lookalike: true}, then: reject}]\notherwise: accept")
    founder = garden.alice.user_id[1:].partition(":")[0]
    impostor, ben = await garden.person("mallory"), await garden.person("ben")
    await impostor.set_display_name(f"Support {founder.replace('a', CYRILLIC_A)} \U0001f6e1")

    for person in (impostor, ben):
        await person.knock(garden.room)

    await garden.membership(impostor, "leave")
    assert garden.alice.user_id in words(await garden.shown(impostor, "rejected", rule="impostors"))
    await garden.membership(ben, "invite")


async def test_members_of_another_room_are_told_apart(keeper: InProcess) -> None:
    garden, club = await beside_a_club(keeper, "rules: [{when: {member_of: CLUB}, then: accept}]\notherwise: reject")

    member, stranger = await knocker_of(garden, club), await garden.knocker("stranger")

    await garden.membership(member, "invite")
    await garden.membership(stranger, "leave")


async def test_an_alias_in_a_policy_means_the_room_it_meant_when_it_was_first_used(keeper: InProcess) -> None:
    garden = await keeper.ruled()
    alice, name = garden.alice, f"club-{garden.alice.user_id[1:].partition(':')[0]}"
    alias = f"#{name}:{keeper.homeserver.name}"
    club = await alice.create_room("Club", alias=name, invite=[keeper.user_id])
    await alice.wait_for_membership(club, keeper.user_id, "join")
    await garden.set_policy(f"rules: [{{when: {{member_of: '{alias}'}}, then: accept}}]")
    trap = await alice.create_room("Trap", preset="public_chat", invite=[keeper.user_id])
    await alice.wait_for_membership(trap, keeper.user_id, "join")
    await alice.call("DELETE", "directory", "room", alias)
    await alice.call("PUT", "directory", "room", alias, body={"room_id": trap})
    mona = await garden.moderator("mona", level=None)
    await garden.command(f"protect {alias}", by=mona)  # in vain, and not to move what the policy means

    member, trapped = await knocker_of(garden, club), await garden.person("trapped")
    await trapped.join(trap)
    await trapped.knock(garden.room)

    await garden.membership(member, "invite")
    await garden.shown(trapped, "pending")


async def test_what_the_bot_can_no_longer_see_is_left_to_the_moderators(keeper: InProcess) -> None:
    garden, club = await beside_a_club(
        keeper, "rules: [{name: club, when: {member_of: CLUB}, then: accept}]\notherwise: ban"
    )
    await garden.alice.kick(club, keeper.user_id)

    member, stranger = await knocker_of(garden, club), await garden.knocker("stranger")

    for person in (member, stranger):
        card = await garden.shown(person, "pending")
        assert "club" in words(card)
        assert club in words(card)
        assert "I am not in" in words(card)
        assert await garden.alice.membership(garden.room, person.user_id) == "knock"


async def test_a_room_the_bot_never_was_in_is_unknown(own_keeper: OwnKeeper) -> None:
    rules = [{"name": "club", "when": {"member_of": "!nowhere:lab.test"}, "then": "accept"}]
    keeper = await own_keeper(defaults={"policy": {"rules": rules, "otherwise": "ban"}})
    garden = await keeper.plant()

    ana = await garden.knocker()

    card = await garden.shown(ana, "pending")
    assert "!nowhere:lab.test" in words(card)


# --- applied to those who wait ------------------------------------------------------------------------------------


async def test_a_new_policy_is_applied_to_those_who_wait(keeper: InProcess) -> None:
    garden = await keeper.plant("otherwise: forward", alone=True)
    friend, stranger = await garden.knocker("friend", "friend of ben"), await garden.knocker("stranger", "stranger")
    vip = await garden.knocker("vip", "vip")
    for person in (friend, stranger, vip):
        await garden.shown(person, "pending")

    await garden.set_policy(EVERY_VERDICT)
    await garden.heard(lambda event: f"!kb policy apply {garden.room}" in words(event))
    await garden.command(f"policy apply {garden.room}", expect="I judge 3 pending requests")

    await garden.membership(friend, "invite")
    await garden.membership(stranger, "leave")
    await garden.shown(friend, "accepted", rule="friends", by=keeper.user_id)
    await garden.shown(stranger, "rejected", rule="strangers", by=keeper.user_id)
    told = await garden.heard(lambda event: "I judged 3 pending requests" in words(event))
    assert "Accept: 1. Reject: 1. Ban: 0. Left to the moderators: 1." in words(told)
    assert await garden.alice.membership(garden.room, vip.user_id) == "knock"
    await garden.shown(vip, "pending")


async def test_one_click_after_a_new_policy_judges_those_who_wait(keeper: InProcess) -> None:
    garden = await keeper.plant("otherwise: forward", alone=True)
    ana = await garden.knocker("ana", "hello")
    await garden.shown(ana, "pending")
    await garden.set_policy("otherwise: accept")

    offer = await garden.heard(lambda event: "was judged by the policy before" in words(event))
    assert offer["content"]["org.knockbot.prompt"] == {"kind": "apply_policy", "room_id": garden.room}
    await garden.offered(offer["event_id"], "✅")
    await garden.alice.react(garden.mods, offer["event_id"], "✅")

    await garden.membership(ana, "invite")
    await garden.heard(lambda event: "This question is closed" in words(event))


async def test_a_policy_is_tried_on_what_was_decided_and_then_in_dry_run(keeper: InProcess) -> None:
    garden = await keeper.plant("otherwise: forward", alone=True)
    friend, stranger = await garden.knocker("friend", "friend of ben"), await garden.knocker("stranger", "stranger")
    for person in (friend, stranger):
        await garden.shown(person, "pending")
    policy = "rules: [{name: friends, when: {reason_matches: friend}, then: accept}]"

    said = await garden.command(f"policy try {garden.room} 7d\n{policy}", expect="1 decision would be different.")
    assert f"{friend.user_id}: forward → accept" in said
    assert stranger.user_id not in said
    assert await garden.alice.membership(garden.room, friend.user_id) == "knock"

    await garden.set_policy(f"dry_run: true\n{policy}")
    other = await garden.knocker("other", "another friend")
    card = await garden.shown(other, "pending")
    assert "Dry run: would accept, by rule “friends”." in words(card)
    assert card["content"]["org.knockbot.request"]["would"] == {"verdict": "accept", "rule": "friends"}
    await garden.caught_up()
    assert await garden.acts_on(other) == []


# --- settings -----------------------------------------------------------------------------------------------------


async def test_announce_none_acts_without_a_word(keeper: InProcess) -> None:
    garden = await keeper.ruled("rules: [{when: {reason_matches: x}, then: accept}]\nannounce: none")

    quiet = await garden.knocker("quiet", "x")

    await garden.membership(quiet, "invite")
    await garden.caught_up()
    assert await garden.said_about(quiet) == []


async def test_announce_none_still_shows_what_is_forwarded(keeper: InProcess) -> None:
    garden = await keeper.ruled("announce: none")

    ana = await garden.knocker()

    await garden.card(ana)


async def test_a_card_calls_those_it_is_told_to_and_nobody_else(keeper: InProcess) -> None:
    garden = await keeper.ruled()
    called = [garden.alice.user_id, "@bob:lab.test"]
    await garden.set_policy(f"call: ['{called[0]}', '{called[1]}']")
    ana = await garden.knocker(reason=f"hello {garden.alice.user_id} @room")

    card = await garden.shown(ana, "pending")

    assert card["content"]["m.mentions"] == {"user_ids": called}
    await ana.retract(garden.room)
    edited = await garden.shown(ana, "withdrawn")
    assert edited["content"]["m.mentions"] == {}


async def test_without_call_a_card_mentions_nobody(garden: Garden) -> None:
    ana = await garden.knocker(reason="hello @room")

    card = await garden.shown(ana, "pending")

    assert card["content"]["m.mentions"] == {}


async def test_a_long_policy_comes_as_a_file_that_can_be_sent_back(keeper: InProcess) -> None:
    many = "".join(f"- {{ when: {{ user: '@u{n}:tulip.example' }}, then: accept }}\n" for n in range(300))
    garden = await keeper.garden()
    sent = await send_file(garden.alice, garden.mods, f"rules:\n{many}".encode(), f"!kb policy set {garden.room}")
    assert (await garden.answer_to(sent)).startswith("✅")

    shown = await garden.tell(f"policy show {garden.room}")

    file = await garden.heard(lambda event: event["content"].get("msgtype") == "m.file", "the file")
    assert file["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == shown
    assert await download(garden.alice, file["content"]["url"]) == f"rules:\n{many}".encode()
    assert (await garden.command(f"policy set {garden.room}", reply_to=file["event_id"])).startswith("✅")
