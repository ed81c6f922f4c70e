"""What the bot makes of all that can happen to a knock, as a real homeserver tells it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from knockbot.app import new_homeserver, new_session
from knockbot.config.settings import read_settings
from knockbot.demo.people import MatrixRefused, Person
from knockbot.domain.model import Membership
from knockbot.matrix.rooms import Outside
from tests.keeper import Garden, InProcess, block, edit_of, html, words

Way = Callable[[Garden, Person], Awaitable[Any]]

# --- ways to knock ------------------------------------------------------------------------------------------------


async def by_id(garden: Garden, ana: Person) -> None:
    await ana.knock(garden.room, "I bring seeds")


async def by_alias(garden: Garden, ana: Person) -> None:
    alias = f"#garden-of-{ana.user_id[1:].replace(':', '-')}:{garden.keeper.homeserver.name}"
    await garden.alice.call("PUT", "directory", "room", alias, body={"room_id": garden.room})
    await ana.knock(alias, "I bring seeds")


async def by_state(garden: Garden, ana: Person) -> None:
    content = {"membership": "knock", "reason": "I bring seeds"}
    await ana.put_state(garden.room, "m.room.member", content, key=ana.user_id)


@pytest.mark.parametrize("knock", [by_id, by_alias, by_state])
async def test_a_knock_is_shown_however_it_is_made(garden: Garden, knock: Way) -> None:
    ana = await garden.person()

    await knock(garden, ana)

    card = await garden.shown(ana, "pending", kind="knock", rule=None, by=None)
    assert "I bring seeds" in html(card)


@pytest.mark.parametrize(
    "reason",
    [
        {"why": "an object"},
        "NUL \0 inside",
        "\u202edrawkcab\u2066",
        "<script>alert(1)</script></span><h1>hello</h1>",
        "\\ud800 \U0001f9d1\u200d\U0001f33e",
        "long " * 10_000,
    ],
    ids=lambda reason: repr(reason)[:20],
)
async def test_a_knock_is_shown_whatever_its_reason_is(garden: Garden, reason: Any) -> None:
    ana = await garden.knocker(reason=reason)

    card = await garden.shown(ana, "pending")

    assert "<script" not in html(card)
    assert "<h1" not in html(card)
    assert "\0" not in words(card) + html(card)
    assert "\u202e" not in words(card) + html(card)
    assert len(html(card)) < 4000


async def test_a_display_name_can_imitate_nobody(garden: Garden) -> None:
    ana = await garden.person()
    await ana.set_display_name(f"{garden.alice.user_id} </strong><b>\u202eAlice\n\n#7")

    await ana.knock(garden.room)

    card = await garden.shown(ana, "pending")
    assert ana.user_id in words(card)
    assert "<b>" not in html(card)
    assert "\u202e" not in words(card) + html(card)
    assert "#7" not in "".join(words(card).splitlines()[1:])


@pytest.mark.parametrize("name", ["we/ird", "a=b+c", "under_score.and-dash", "..", "=2f=25"])
async def test_odd_names_of_accounts_are_answered_like_any_other(keeper: InProcess, name: str) -> None:
    garden = await keeper.garden("rules: [{when: {reason_matches: friend}, then: accept}]\notherwise: reject")

    friend, other = await garden.knocker(name, "friend"), await garden.knocker(name)

    await garden.membership(friend, "invite")
    await garden.membership(other, "leave")
    assert friend.user_id in words(await garden.shown(friend, "accepted"))


async def test_who_has_no_display_name_is_shown_by_id(garden: Garden) -> None:
    ana = await garden.person()
    await ana.set_display_name("")

    await ana.knock(garden.room)

    assert ana.user_id in words(await garden.shown(ana, "pending"))


# --- knocking again -----------------------------------------------------------------------------------------------


async def test_the_same_knock_once_more_changes_nothing(garden: Garden) -> None:
    ana = await garden.knocker(reason="let me in")
    await garden.shown(ana, "pending")

    await ana.knock(garden.room, "let me in")

    await garden.caught_up()
    assert len(await garden.said_about(ana)) == 1


@pytest.mark.parametrize("again", ["please", None])
async def test_a_knock_with_another_reason_is_the_same_request_and_edits_its_card(
    garden: Garden, again: str | None
) -> None:
    ana = await garden.knocker(reason="let me in")
    card = await garden.shown(ana, "pending")

    await ana.knock(garden.room, again)

    edited = await garden.shown(ana, "pending", after=card["event_id"])
    assert edit_of(edited) == card["event_id"]
    assert block(edited)["number"] == block(card)["number"]
    assert block(edited)["event_id"] != block(card)["event_id"]
    assert "let me in" not in html(edited)
    assert (again or "No reason") in html(edited)


async def test_a_new_display_name_changes_nothing(garden: Garden) -> None:
    ana = await garden.knocker(reason="let me in")
    await garden.shown(ana, "pending")

    await ana.set_display_name("Somebody Else")

    await garden.caught_up()
    assert len(await garden.said_about(ana)) == 1


# --- taken back ---------------------------------------------------------------------------------------------------


async def test_a_retracted_knock_is_withdrawn(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.shown(ana, "pending")

    await ana.retract(garden.room)

    edited = await garden.shown(ana, "withdrawn", by=ana.user_id)
    assert edit_of(edited) == card["event_id"]
    assert await garden.acts_on(ana) == []


async def test_a_knock_put_back_by_state_is_withdrawn_too(garden: Garden) -> None:
    ana = await garden.knocker()
    await garden.shown(ana, "pending")

    await ana.put_state(garden.room, "m.room.member", {"membership": "leave"}, key=ana.user_id)

    await garden.shown(ana, "withdrawn", by=ana.user_id)


async def test_the_knock_of_a_deactivated_account_is_withdrawn(garden: Garden) -> None:
    ana = await garden.knocker()
    await garden.shown(ana, "pending")
    identifier = {"type": "m.id.user", "user": ana.user_id}
    proof = {"type": "m.login.password", "identifier": identifier, "password": ana.password}

    await ana.call("POST", "account", "deactivate", body={"auth": proof})

    await garden.shown(ana, "withdrawn", by=ana.user_id)


async def test_a_knock_after_a_retracted_one_is_a_new_request(garden: Garden) -> None:
    ana = await garden.knocker()
    first = await garden.shown(ana, "pending")
    await ana.retract(garden.room)
    withdrawn = await garden.shown(ana, "withdrawn")

    await ana.knock(garden.room)

    second = await garden.shown(ana, "pending", after=withdrawn["event_id"])
    assert block(second)["number"] > block(first)["number"]
    assert edit_of(second) is None


# --- answered by the bot ------------------------------------------------------------------------------------------


async def test_an_accepted_applicant_joins(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.shown(ana, "pending")
    await garden.command(f"accept {block(card)['number']}")
    await garden.membership(ana, "invite")
    accepted = await garden.shown(ana, "accepted", by=garden.alice.user_id)

    await ana.join(garden.room)

    joined = await garden.shown(ana, "joined", by=garden.alice.user_id)
    assert edit_of(accepted) == edit_of(joined) == card["event_id"]


async def test_an_accepted_applicant_may_decline(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.shown(ana, "pending")
    await garden.command(f"accept {block(card)['number']}")
    await garden.membership(ana, "invite")

    await ana.leave(garden.room)

    declined = await garden.shown(ana, "declined")
    assert edit_of(declined) == card["event_id"]


async def test_a_rejected_applicant_may_knock_again_as_a_new_request(garden: Garden) -> None:
    ana = await garden.knocker()
    first = await garden.shown(ana, "pending")
    await garden.command(f"reject {block(first)['number']} not today")
    assert (await garden.membership(ana, "leave"))["reason"] == "not today"
    rejected = await garden.shown(ana, "rejected", by=garden.alice.user_id)

    await ana.knock(garden.room, "today?")

    second = await garden.shown(ana, "pending", after=rejected["event_id"])
    assert block(second)["number"] > block(first)["number"]
    assert edit_of(second) is None


async def test_a_banned_applicant_cannot_knock_again(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.shown(ana, "pending")
    await garden.command(f"ban {block(card)['number']}")
    await garden.shown(ana, "banned", by=garden.alice.user_id)

    with pytest.raises(MatrixRefused) as refused:
        await ana.knock(garden.room)

    assert (refused.value.status, refused.value.errcode) == (403, "M_BAD_STATE")


async def test_after_a_lifted_ban_a_knock_is_a_new_request(garden: Garden) -> None:
    ana = await garden.knocker()
    first = await garden.shown(ana, "pending")
    await garden.command(f"ban {block(first)['number']}")
    banned = await garden.shown(ana, "banned")
    await garden.alice.unban(garden.room, ana.user_id)

    await ana.knock(garden.room)

    second = await garden.shown(ana, "pending", after=banned["event_id"])
    assert block(second)["number"] > block(first)["number"]


# --- answered in another client -----------------------------------------------------------------------------------

ELSEWHERE: list[tuple[str, Way]] = [
    ("accepted", lambda garden, ana: garden.alice.invite(garden.room, ana.user_id)),
    ("rejected", lambda garden, ana: garden.alice.kick(garden.room, ana.user_id)),
    ("banned", lambda garden, ana: garden.alice.ban(garden.room, ana.user_id)),
]


@pytest.mark.parametrize(("state", "act"), ELSEWHERE, ids=[state for state, _ in ELSEWHERE])
async def test_an_answer_from_another_client_edits_the_card_and_is_credited_to_its_sender(
    garden: Garden, state: str, act: Way
) -> None:
    ana = await garden.knocker()
    card = await garden.shown(ana, "pending")

    await act(garden, ana)

    edited = await garden.shown(ana, state, by=garden.alice.user_id, rule=None)
    assert edit_of(edited) == card["event_id"]
    assert garden.alice.user_id in words(edited)
    await garden.command("help")
    assert len(await garden.said_about(ana)) == 2
    assert await garden.acts_on(ana) == []


async def test_who_was_accepted_in_another_client_joins_by_that_merit(garden: Garden) -> None:
    ana = await garden.knocker()
    await garden.shown(ana, "pending")
    await garden.alice.invite(garden.room, ana.user_id)

    await ana.join(garden.room)

    await garden.shown(ana, "joined", by=garden.alice.user_id)


async def test_an_invite_taken_back_is_a_rejection(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.shown(ana, "pending")
    await garden.command(f"accept {block(card)['number']}")
    await garden.shown(ana, "accepted")

    await garden.alice.kick(garden.room, ana.user_id, "a mistake")

    await garden.shown(ana, "rejected", by=garden.alice.user_id)


async def test_a_ban_after_the_invite_is_shown(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.shown(ana, "pending")
    await garden.command(f"accept {block(card)['number']}")
    await garden.shown(ana, "accepted")

    await garden.alice.ban(garden.room, ana.user_id)

    await garden.shown(ana, "banned", by=garden.alice.user_id)


async def test_what_members_do_later_is_no_business_of_the_door(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.shown(ana, "pending")
    await garden.command(f"accept {block(card)['number']}")
    await garden.membership(ana, "invite")
    await ana.join(garden.room)
    joined = await garden.shown(ana, "joined")

    await ana.leave(garden.room)
    await garden.alice.ban(garden.room, ana.user_id)

    await garden.caught_up()
    assert (await garden.said_about(ana))[-1]["event_id"] == joined["event_id"]


# --- where the bot is not, or came late ---------------------------------------------------------------------------


async def test_a_door_that_nobody_asked_to_be_kept_is_left_alone(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False)
    ana = await garden.knocker()
    alone = await garden.alice.create_room(join_rule="knock")
    await ana.knock(alone)

    await garden.command("help")

    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"
    assert await garden.alice.membership(alone, ana.user_id) == "knock"
    assert await garden.said_about(ana) == []


async def test_knocks_that_stand_when_the_bot_arrives_are_shown(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False, alone=True)
    people = [await garden.knocker(name, f"{name} was here first") for name in ("ana", "ben", "cleo")]
    await garden.caught_up()  # what is handled after the command counts as a new knock

    await garden.command(f"protect {garden.room}", expect="is now protected")

    cards = [await garden.card(person) for person in people]
    assert len({card["event_id"] for card in cards}) == 3
    assert [block(card)["number"] for card in cards] == [1, 2, 3]


async def test_knocks_that_stand_when_the_bot_comes_back_are_judged(keeper: InProcess) -> None:
    garden = await keeper.plant("rules: [{when: {reason_matches: please}, then: accept}]\notherwise: reject")
    await garden.alice.kick(garden.room, garden.keeper.user_id)
    nina, olaf = await garden.knocker("nina", "please"), await garden.knocker("olaf", "now")

    await garden.alice.invite(garden.room, garden.keeper.user_id)

    await garden.membership(nina, "invite")
    await garden.membership(olaf, "leave")
    assert [await garden.acts_on(nina), await garden.acts_on(olaf)] == [["invite"], ["leave"]]


async def test_more_than_five_standing_knocks_share_one_card(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False, alone=True)
    people = [await garden.knocker(name, f"{name} was here first") for name in ("a", "b", "c", "d", "e", "f")]
    await garden.caught_up()  # what is handled after the command counts as a new knock

    await garden.command(f"protect {garden.room}", expect="is now protected")

    cards = [await garden.shown(person, "pending") for person in people]
    assert len({card["event_id"] for card in cards}) == 1
    assert all(person.user_id in words(cards[0]) for person in people)
    await garden.command("accept 2, 5")
    await garden.membership(people[1], "invite")
    await garden.membership(people[4], "invite")
    edited = await garden.shown(people[4], "accepted")
    assert edit_of(edited) == cards[0]["event_id"]
    await garden.shown(people[0], "pending", after=cards[0]["event_id"])


async def test_a_crowd_of_standing_knocks_is_one_card_and_can_be_answered_by_number(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False, alone=True, levels={"kick": 60})
    crowd = [await garden.knocker(f"guest{place}", "x" * 400) for place in range(7)]
    await garden.caught_up()  # what is handled after the command counts as a new knock

    await garden.command(f"protect {garden.room}", expect="is now protected")

    card = await garden.shown(crowd[-1], "pending")
    await garden.caught_up()
    assert [event["event_id"] for event in await garden.said() if block(event)] == [card["event_id"]]
    listed = await garden.command("list")
    assert all(person.user_id in listed for person in crowd)
    await garden.alice.react(garden.mods, card["event_id"], "✅")  # nobody lets in a crowd by one click
    await garden.caught_up()
    assert await garden.acts_on(crowd[0]) == await garden.acts_on(crowd[-1]) == []
    await garden.command("accept 1-7")
    for person in crowd:
        await garden.membership(person, "invite")
        assert await garden.acts_on(person) == ["invite"]


# --- join rules ---------------------------------------------------------------------------------------------------


async def test_a_knock_outlives_the_end_of_knocking(keeper: InProcess) -> None:
    garden = await keeper.plant()
    ana = await garden.knocker()
    card = await garden.shown(ana, "pending")

    await garden.alice.put_state(garden.room, "m.room.join_rules", {"join_rule": "invite"})
    await garden.command(f"accept {block(card)['number']}")

    await garden.membership(ana, "invite")
    await garden.shown(ana, "accepted")


CLUBS: dict[InProcess, tuple[Garden, str]] = {}


async def in_the_club(keeper: InProcess) -> tuple[Garden, str]:
    """A garden for which members of a club need no answer, planted once."""
    if keeper not in CLUBS:
        alice = await keeper.homeserver.person("alice")
        club = await alice.create_room("Club")
        allow = [{"type": "m.room_membership", "room_id": club}]
        join_rule = {"join_rule": "knock_restricted", "allow": allow}
        CLUBS[keeper] = await keeper.plant(alice=alice, join_rule=join_rule), club
    return CLUBS[keeper]


async def test_a_join_over_a_pending_knock_is_joined_without_an_answer(keeper: InProcess) -> None:
    garden, club = await in_the_club(keeper)
    ana = await garden.knocker()
    card = await garden.shown(ana, "pending")
    await garden.bring(ana, club)

    await ana.join(garden.room)

    joined = await garden.shown(ana, "joined", by=ana.user_id, rule=None)
    assert edit_of(joined) == card["event_id"]


async def test_who_might_simply_join_may_knock_and_be_answered(keeper: InProcess) -> None:
    garden, club = await in_the_club(keeper)
    ana = await garden.person()
    await garden.bring(ana, club)

    await ana.knock(garden.room)
    card = await garden.shown(ana, "pending")
    await garden.command(f"accept {block(card)['number']}")

    await garden.membership(ana, "invite")
    await ana.join(garden.room)
    await garden.shown(ana, "joined", by=garden.alice.user_id)


async def test_a_join_that_needs_no_answer_is_no_request(keeper: InProcess) -> None:
    garden, club = await in_the_club(keeper)
    ana = await garden.person()
    await garden.bring(ana, club)

    await ana.join(garden.room)

    await garden.caught_up()
    assert await garden.said_about(ana) == []


async def test_an_invite_without_a_knock_is_no_request(garden: Garden) -> None:
    ana = await garden.person()

    await garden.alice.invite(garden.room, ana.user_id)
    await ana.join(garden.room)

    await garden.caught_up()
    assert await garden.said_about(ana) == []


async def test_knocks_too_large_to_be_listed_are_listed_without_their_reasons(
    garden: Garden, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, ben = await garden.knocker("ana", "x" * 20_000), await garden.knocker("ben", "y" * 20_000)
    await garden.shown(ben, "pending")
    monkeypatch.setattr("knockbot.matrix.api.LARGEST_LIST", 30_000)
    async with new_session() as session:
        found = await Outside(new_homeserver(session, read_settings(garden.keeper.config))).knocking(garden.room)

    listed = {change.user_id: (change.cut, change.reason) for change in found}  # others may knock here as well
    assert {who.user_id: listed.get(who.user_id) for who in (ana, ben)} == {
        who.user_id: (True, "") for who in (ana, ben)
    }
    assert {change.membership for change in found} == {Membership.KNOCK}
