"""Third-party invites are watched and judged, and stand as long as the policy or a moderator lets them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Self

import pytest

from knockbot.domain.invites import MOST_KEYS
from knockbot.domain.model import IdentityKey, Known, State, Truth, Verdict
from knockbot.domain.notices import UNKNOWN, notice
from knockbot.domain.reasons import foreign, in_words
from knockbot.errors import Later, Never
from knockbot.flow.sharing import CROWDED
from knockbot.store import records
from tests.flow.house import GARDEN, MODS, House
from tests.flow.planted import (
    DAVE,
    MONA,
    STAND,
    VOUCHED,
    acts,
    invite,
    invites,
    look,
    move_in,
    planted,
    redeemed,
    stands,
    states,
    unheard,
)
from tests.flow.world import ALICE, BOT, levels_for

# --- watched ------------------------------------------------------------------------------------------------------


async def test_a_planted_invite_waits_for_the_moderators_on_a_card(house: House) -> None:
    event_id = await planted(house)

    request = await invite(house)
    assert (request.state, request.user_id, request.event_id, request.number) == (State.PENDING, "", event_id, 1)
    card = house.card()
    assert card.block == {
        "number": 1,
        "kind": "third_party_invite",
        "room_id": GARDEN,
        "user_id": None,
        "event_id": event_id,
        "state": "pending",
        "rule": None,
        "by": None,
        "inviter": ALICE,
    }
    assert ALICE in card.text
    assert "dav...@exa..." in card.text
    assert acts(house) == []


async def test_the_same_event_twice_is_one_request(house: House) -> None:
    house.world.plant(GARDEN, ALICE)
    house.world.outbox *= 2
    await house.live()
    await look(house)

    assert await states(house) == ["pending"]
    assert len(house.cards()) == 1


async def test_an_invite_to_a_room_that_is_not_protected_is_left_alone(house: House) -> None:
    house.world.room("!other:tulip.example", "Other", ALICE, BOT, levels=levels_for())
    house.world.plant("!other:tulip.example", ALICE)
    await house.live()

    assert await invites(house) == []
    assert await house.set_aside() == []


async def test_a_room_out_of_sight_makes_no_event_faulty_and_is_looked_at_on_return(house: House) -> None:
    house.world.plant(GARDEN, ALICE)
    house.world.play("third_party", Never(foreign("you are not in the room"), code="M_FORBIDDEN"))
    await house.live()
    assert (await states(house), await house.set_aside()) == ([], [])

    await look(house)

    assert await states(house) == ["pending"]


async def test_what_stands_there_by_now_is_judged_and_not_what_the_event_says(house: House) -> None:
    house.world.plant(GARDEN, ALICE, display_name="first")
    newest = house.world.plant(GARDEN, ALICE, display_name="second")
    await house.live()

    request = await invite(house)
    assert request.event_id == newest
    assert request.invite is not None
    assert request.invite.display_name == "second"


async def test_a_silent_homeserver_delays_the_judgement(house: House) -> None:
    house.world.plant(GARDEN, ALICE)
    house.world.play("third_party", Later(foreign("no answer"), unreachable=True))
    await house.live()
    assert await states(house) == []

    await house.later()

    assert await states(house) == ["pending"]


# --- judged -------------------------------------------------------------------------------------------------------


def rule(when: str, then: str = "accept") -> str:
    """A policy with one rule for third-party invites, called `ours`."""
    return f"rules: [{{name: ours, for: third_party_invite, when: {{{when}}}, then: {then}}}]"


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("inviter: '@mona:*'", True),
        ("inviter: '@alice:*'", False),
        ("inviter_power_at_least: 50", True),
        ("inviter_power_at_least: 51", False),
        ("inviter_is_member: true", True),
        ("inviter_is_member: false", False),
        ("identity_server: id.example", True),
        ("identity_server: '*.example'", True),
        ("identity_server: vector.im", False),
        ("invites_by_inviter: {more_than: 1, within: 1d}", False),
        ("not: {invites_by_inviter: {more_than: 1}}", True),
    ],
)
async def test_a_rule_judges_by_inviter_and_keys(house: House, when: str, holds: bool) -> None:
    move_in(house)
    await house.set_policy(rule(when))

    await planted(house, MONA, **VOUCHED)

    assert await states(house) == ["standing" if holds else "pending"]
    assert stands(house)


async def test_one_key_without_an_identity_server_is_enough_to_be_asked_about(house: House) -> None:
    await house.set_policy(rule("identity_server: id.example"))
    own = {"public_key": "own"}

    await planted(house, **{**VOUCHED, "public_keys": [*VOUCHED["public_keys"], own]})

    request = await invite(house)
    assert (request.state, request.invite and request.invite.keys[-1]) == (State.PENDING, IdentityKey("own"))
    assert "At least one key does not belong" in house.card().text


async def test_the_key_after_hundreds_counts_as_much_as_the_first(house: House) -> None:
    await house.set_policy(rule("identity_server: id.example"))
    keys: list[Any] = [{"public_key": f"k{n}", "key_validity_url": "https://id.example/x"} for n in range(400)]

    await planted(
        house, public_key="k0", key_validity_url="https://id.example/x", public_keys=[*keys, {"public_key": "own"}]
    )

    assert await states(house) == ["pending"]
    assert "At least one key does not belong" in house.card().text


async def test_whose_keys_they_are_is_told_of_the_last_of_hundreds_too(house: House) -> None:
    keys: list[Any] = [{"public_key": f"k{n}", "key_validity_url": "https://id.example/x"} for n in range(400)]
    last = {"public_key": "own", "key_validity_url": "https://evil.example/x"}

    await planted(house, public_key="k0", key_validity_url="https://id.example/x", public_keys=[*keys, last])

    assert "Its keys belong to id.example, evil.example." in house.card().text


class Counted:
    """How many functions of this thread were called while the block lasted, in anything but C."""

    calls = 0

    def __enter__(self) -> Self:
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _count(self, _frame: object, event: str, _arg: object) -> None:
        self.calls += event == "call"


async def work_for(house: House, invites: int, keys: int, tokens: str) -> int:
    """How many calls it takes until so many invites with so many keys each are dealt with."""
    listed = [{"public_key": f"k{n}", "key_validity_url": f"https://id{n}.example/x"} for n in range(keys)]
    for number in range(invites):
        house.world.plant(GARDEN, ALICE, f"{tokens}{number}", public_keys=listed)
    with Counted() as counted:
        await house.live()
        await house.later(10)
    return counted.calls


async def test_hundreds_of_keys_are_hardly_more_work_than_a_few(house: House) -> None:
    few = await work_for(house, 30, 3, "few")
    house.clock.go_on(2 * 3600)
    many = await work_for(house, 30, 300, "many")

    assert many < 3 * few


async def test_more_invites_than_a_rule_allows_are_taken_back_and_the_others_stand(house: House) -> None:
    await house.set_policy(
        "{rules: [{for: third_party_invite, when: {invites_by_inviter: {more_than: 2, within: 1d}}, then: reject}], "
        "otherwise_third_party: accept}"
    )
    for number in range(4):
        await planted(house, token=f"t{number}")

    assert await states(house) == ["standing", "standing", "revoked", "revoked"]
    assert [stands(house, f"t{number}") for number in range(4)] == [True, True, False, False]


async def test_only_what_was_made_in_that_time_counts(house: House) -> None:
    await house.set_policy(rule("invites_by_inviter: {more_than: 1, within: 1h}", "reject"))
    await planted(house, token="t1")
    house.clock.go_on(2 * 3600)
    await planted(house, token="t2")

    assert await states(house) == ["pending", "pending"]


async def test_what_a_policy_does_not_ask_is_not_looked_up(house: House) -> None:
    await house.set_policy(rule("inviter: '@nobody:x'"))
    house.world.calls.clear()

    house.world.plant(GARDEN, ALICE)
    await house.hear()

    assert house.world.asked("powers", "member") == []


async def test_an_unknown_power_asks_the_moderators(house: House) -> None:
    await house.set_policy(rule("inviter_power_at_least: 50"))
    house.world.play("powers", Never(foreign("not to be seen"), code="M_FORBIDDEN"))

    await planted(house)

    request = await invite(house)
    assert request.decision is not None
    assert request.decision.unknown == notice("finding.inviter_power_unknown")
    assert "what power level the inviter has" in house.card().text


class Vouching:
    """The identity servers, who say this of all keys."""

    def __init__(self, said: Known) -> None:
        self.said = said
        self.asked: list[tuple[IdentityKey, ...]] = []

    async def __call__(self, keys: Sequence[IdentityKey]) -> Known:
        """What they say."""
        self.asked.append(tuple(keys))
        return self.said


@pytest.mark.parametrize(
    "said", [Known(Truth.FALSE, foreign("id.example says so")), Known(Truth.UNKNOWN, foreign("id.example is silent"))]
)
async def test_what_no_identity_server_vouches_for_is_never_accepted(house: House, said: Known) -> None:
    vouching = Vouching(said)
    house.furnish(vouch=vouching)
    await house.set_policy(STAND)

    await planted(house, **VOUCHED)

    request = await invite(house)
    assert request.state is State.PENDING
    assert request.decision is not None
    assert request.decision.verdict is Verdict.FORWARD
    assert request.decision.doubt is not None
    assert said.why in request.decision.doubt.args.values()
    assert in_words(said.why or UNKNOWN) in house.card().text
    assert len(vouching.asked) == 1


@pytest.mark.parametrize("verdict", ["forward", "reject", "ban"])
async def test_identity_servers_are_asked_about_nothing_but_what_would_be_accepted(house: House, verdict: str) -> None:
    vouching = Vouching(Known(Truth.TRUE))
    house.furnish(vouch=vouching)
    await house.set_policy(f"{{rules: [], otherwise_third_party: {verdict}}}")

    await planted(house, **VOUCHED)

    assert vouching.asked == []


async def test_no_identity_server_is_asked_about_hundreds_of_keys(house: House) -> None:
    vouching = Vouching(Known(Truth.TRUE))
    house.furnish(vouch=vouching)
    await house.set_policy(STAND)
    keys = [{"public_key": f"k{n}", "key_validity_url": "https://id.example/x"} for n in range(MOST_KEYS + 1)]

    await planted(house, public_keys=keys)

    assert (await states(house), vouching.asked) == (["pending"], [])
    assert f"more than {MOST_KEYS}" in house.card().text


@pytest.mark.parametrize(
    ("verdict", "state", "kept"),
    [
        ("accept", "standing", True),
        ("forward", "pending", True),
        ("reject", "revoked", False),
        ("ban", "revoked", False),
    ],
)
async def test_each_verdict_of_a_rule(house: House, verdict: str, state: str, kept: bool) -> None:
    move_in(house, level=0)
    house.world.rooms[GARDEN].levels["invite"] = 0
    await house.set_policy(rule("inviter: '@mona:*'", verdict))

    await planted(house, MONA)

    assert (await states(house), stands(house)) == ([state], kept)
    assert house.membership(MONA) == ("ban" if verdict == "ban" else "join")


async def test_what_a_rule_decides_is_told_in_one_line(house: House) -> None:
    await house.set_policy(rule("inviter: '*'"))

    await planted(house)

    [line] = house.said()
    assert line["msgtype"] == "m.notice"
    assert "ours" in line["body"]
    assert line["org.knockbot.request"]["state"] == "standing"
    assert line["org.knockbot.request"]["rule"] == "ours"
    assert line["org.knockbot.request"]["by"] == BOT


async def test_where_no_rule_matches_the_key_of_the_policy_is_named(house: House) -> None:
    await house.set_policy("{rules: [], otherwise: ban, otherwise_third_party: reject}")

    await planted(house)

    [line] = house.said()
    assert "otherwise_third_party" in line["body"]
    assert line["org.knockbot.request"]["rule"] == "otherwise"


# --- answered -----------------------------------------------------------------------------------------------------


async def test_a_click_lets_it_stand(house: House) -> None:
    await planted(house)
    house.click("✅")
    await house.live()

    assert (house.card().state, house.card().block["by"]) == ("standing", ALICE)
    assert stands(house)
    assert acts(house) == []


async def test_a_click_takes_it_back(house: House) -> None:
    await planted(house)
    house.click("❌")
    await house.live()

    assert (house.card().state, house.card().block["by"]) == ("revoked", ALICE)
    assert not stands(house)


async def test_the_card_says_before_what_a_ban_will_do(house: House) -> None:
    move_in(house, level=0)
    house.world.rooms[GARDEN].levels["invite"] = 0
    await planted(house, MONA)

    [ban] = [line for line in house.card().text.split(", ") if "⛔" in line]
    assert MONA in ban
    assert "all invites" in ban


async def test_a_ban_takes_back_all_of_the_inviters_and_bans_them(house: House) -> None:
    move_in(house, level=0)
    house.world.rooms[GARDEN].levels["invite"] = 0
    await house.set_policy("{rules: [{for: third_party_invite, when: {inviter: '@alice:*'}, then: accept}]}")
    await planted(house, ALICE, "alices")
    for token in ("t1", "t2", "t3"):
        await planted(house, MONA, token)

    house.click("⛔", card=house.cards()[1])
    await house.live()

    assert house.membership(MONA) == "ban"
    assert await states(house) == ["standing", "revoked", "revoked", "revoked"]
    assert [stands(house, token) for token in ("alices", "t1", "t2", "t3")] == [True, False, False, False]
    assert [request.by for request in (await invites(house))[1:]] == [ALICE] * 3
    assert [text for text in house.spoken() if "2 third-party invites" in text and MONA in text]
    await house.later()
    assert f"Revoked by {ALICE}. The inviter {MONA} was banned as well." in house.cards()[1].text.split("\n")


async def test_every_invite_is_taken_back_also_where_the_inviter_cannot_be_banned(house: House) -> None:
    move_in(house, level=50)
    await house.set_policy(rule("invites_by_inviter: {more_than: 2}", "ban"))
    for token in ("t1", "t2", "t3"):
        await planted(house, MONA, token)

    assert house.membership(MONA) == "join"
    assert await states(house) == ["revoked"] * 3
    assert [text for text in house.spoken() if "could not ban" in text and MONA in text]


async def test_a_ban_is_no_alarm_about_having_hit_the_wrong_thing(house: House) -> None:
    move_in(house, level=0)
    house.world.rooms[GARDEN].levels["invite"] = 0
    await house.set_policy(rule("inviter: '*'", "ban"))

    await planted(house, MONA)

    assert house.membership(MONA) == "ban"
    assert not [text for text in house.spoken() if "⚠️" in text]


async def test_a_ban_goes_on_although_the_invite_was_redeemed_in_the_same_moment(house: House) -> None:
    move_in(house, level=0)
    house.world.rooms[GARDEN].levels["invite"] = 0
    await planted(house, MONA)
    house.click("⛔")
    await house.hear()
    house.world.redeem(GARDEN, DAVE)
    await house.live()

    assert (house.membership(MONA), house.membership(DAVE)) == ("ban", "leave")
    assert await states(house) == ["rejected"]


@pytest.mark.parametrize(
    ("levels", "offered"),
    [
        ({}, "✅❌⛔"),
        ({"kick": 100}, "✅❌⛔"),
        ({"ban": 100}, "✅❌"),
        ({"users": {BOT: 50, MONA: 50}}, "✅❌"),
        ({"invite": 51}, ""),
    ],
)
async def test_a_card_offers_what_the_bot_can_do(house: House, levels: dict[str, Any], offered: str) -> None:
    move_in(house, level=0)
    house.world.rooms[GARDEN].levels |= {"invite": 0}
    house.world.plant(GARDEN, MONA)
    house.world.rooms[GARDEN].levels |= levels
    await house.set_policy("{rules: [], inviter_demoted: keep}")
    await house.live()

    assert "".join(house.card().offers) == offered


@pytest.mark.parametrize(
    ("level", "emoji", "state"), [(0, "✅", "pending"), (50, "✅", "standing"), (50, "❌", "revoked")]
)
async def test_it_takes_the_power_to_invite_to_answer(house: House, level: int, emoji: str, state: str) -> None:
    move_in(house, level=level)
    house.world.rooms[GARDEN].levels["kick"] = 100
    await planted(house)
    house.world.change(MODS, ALICE, MONA, "invite")
    house.world.change(MODS, MONA, MONA, "join")
    house.click(emoji, by=MONA)
    await house.live()

    assert await states(house) == [state]


async def test_the_first_answer_wins(house: House) -> None:
    move_in(house)
    await planted(house)
    card = house.card()
    house.click("✅", card=card)
    house.click("❌", by=MONA, card=card)
    await house.live()

    assert await states(house) == ["standing"]
    assert stands(house)
    assert [text for text in house.spoken() if "already closed" in text]


# --- taken back by command ----------------------------------------------------------------------------------------


async def test_what_stands_can_be_taken_back_by_its_number(house: House) -> None:
    await house.set_policy(STAND)
    await planted(house)
    house.tell("revoke 1")
    await house.live()

    request = await invite(house)
    assert (request.state, request.by) == (State.REVOKED, ALICE)
    assert not stands(house)


@pytest.mark.parametrize("before", ["revoke 1", "reject 1"])
async def test_what_was_taken_back_is_not_taken_back_again(house: House, before: str) -> None:
    await planted(house)
    house.tell(before)
    await house.live()
    house.tell("revoke 1")
    await house.live()

    assert len(acts(house)) == 1
    assert "already closed" in house.spoken()[-1]


async def test_a_knock_and_a_redeemed_invite_are_no_invites_to_take_back(house: House) -> None:
    await house.set_policy(STAND)
    house.world.knock(GARDEN, "@ana:tulip.example")
    await planted(house)
    await redeemed(house)
    house.tell("revoke 1, 2")
    await house.live()

    said = house.spoken()[-1]
    assert "#1" in said
    assert "#2" in said
    assert house.membership(DAVE) == "join"


async def test_taking_back_takes_the_power_to_invite(house: House) -> None:
    move_in(house, level=49)
    await house.set_policy(STAND)
    await planted(house)
    house.tell("revoke 1", by=MONA)
    await house.live()

    assert await states(house) == ["standing"]
    assert stands(house)
    assert MONA in house.spoken()[-1]


async def test_what_waits_for_power_is_taken_back_once_it_is_there(house: House) -> None:
    await house.set_policy(STAND)
    await planted(house)
    house.tell("revoke 1")
    await house.hear()
    house.world.set_levels(GARDEN, invite=60)
    await house.live()
    assert stands(house)
    assert [text for text in house.spoken() if text.startswith("⚠️") and "invite" in text]

    house.world.set_levels(GARDEN, invite=50)
    await house.live()

    assert (await states(house), stands(house)) == (["revoked"], False)


async def test_a_no_that_power_does_not_explain_asks_again_and_does_not_go_in_circles(house: House) -> None:
    await planted(house)
    house.click("❌")
    # A power may have come in the same moment: it is asked twice.
    house.world.play("put_state", Never(foreign("because"), code="M_FORBIDDEN"), times=2)
    await house.live()

    assert await states(house) == ["pending"]
    assert "because" in house.card().text
    house.click("❌")
    await house.live()
    assert await states(house) == ["revoked"]


async def test_an_answer_lost_on_its_way_is_found_out(house: House) -> None:
    await planted(house)
    house.click("❌")
    house.world.play("put_state", Later(foreign("the answer was lost")), done=True)
    await house.live()
    await house.later()

    assert (await states(house), len(acts(house))) == (["revoked"], 1)


# --- replaced -----------------------------------------------------------------------------------------------------


async def test_other_keys_under_an_accepted_token_are_judged_anew(house: House) -> None:
    await house.set_policy(rule("identity_server: id.example"))
    await planted(house, **VOUCHED)
    assert await states(house) == ["standing"]

    await planted(house, display_name="mine")

    request = await invite(house)
    assert (request.state, request.answer, request.number) == (State.PENDING, None, 1)
    assert "mine" in house.card().text


async def test_an_accept_is_not_for_the_invite_that_took_the_place_of_the_one_shown(house: House) -> None:
    await planted(house, display_name="first")
    house.click("✅")
    house.clock.go_on(1)  # the two rooms are served side by side: the second may be seen before the click
    house.world.plant(GARDEN, ALICE, display_name="second")
    await house.live()

    assert await states(house) == ["pending"]
    assert "second" in house.card().text


async def test_a_reject_holds_for_whatever_the_same_inviter_puts_there(house: House) -> None:
    await planted(house)
    house.click("❌")
    await house.hear()
    house.world.play("put_state", meanwhile=lambda: house.world.plant(GARDEN, ALICE, display_name="again"))
    house.world.plant(GARDEN, ALICE, display_name="other")
    await house.live()

    assert (await states(house), stands(house)) == (["revoked"], False)


async def test_a_reject_is_not_for_what_somebody_else_puts_there(house: House) -> None:
    move_in(house)
    await planted(house, MONA)
    house.click("❌")
    await house.hear()
    house.world.plant(GARDEN, ALICE, display_name="better")
    await house.live()

    request = await invite(house)
    assert (request.state, request.subject, stands(house)) == (State.PENDING, ALICE, True)


async def test_an_invite_under_the_token_of_a_revoked_one_is_a_new_request(house: House) -> None:
    await planted(house)
    house.click("❌")
    await house.live()

    await planted(house)

    assert await states(house) == ["revoked", "pending"]
    assert len(house.cards()) == 2


async def test_planted_again_before_its_taking_back_is_known_it_is_taken_back_again(house: House) -> None:
    await house.set_policy(rule("inviter: '*'", "reject"))
    house.world.plant(GARDEN, ALICE)
    await house.hear()
    house.world.play("put_state", Later(foreign("the answer was lost")), done=True)
    await house.work()
    house.world.plant(GARDEN, ALICE)
    await house.live()
    await house.later()

    assert not stands(house)
    assert set(await states(house)) == {"revoked"}


# --- emptied ------------------------------------------------------------------------------------------------------


async def test_one_that_somebody_else_takes_back_is_revoked_by_them(house: House) -> None:
    move_in(house)
    await planted(house)
    house.world.empty(GARDEN, MONA)
    await house.live()

    assert (house.card().state, house.card().block["by"]) == ("revoked", MONA)
    assert acts(house) == []


@pytest.mark.parametrize("policy", ["rules: []", STAND])
async def test_a_redaction_that_emptied_one_is_noticed(house: House, policy: str) -> None:
    move_in(house)
    await house.set_policy(policy)
    await planted(house)
    house.world.redact_invite(GARDEN, MONA)
    await house.live()

    request = await invite(house)
    assert (request.state, request.by) == (State.REVOKED, MONA)


async def test_a_redaction_of_anything_else_changes_nothing(house: House) -> None:
    await planted(house)
    said = house.world.say(GARDEN, ALICE, "hello")
    redaction = house.world._event(GARDEN, ALICE, "m.room.redaction", {"redacts": said})
    house.world._deliver(GARDEN, redaction)
    await house.live()

    assert await states(house) == ["pending"]


async def test_a_redaction_of_an_invite_that_another_replaced_changes_nothing(house: House) -> None:
    first = await planted(house)
    await planted(house, display_name="second")
    redaction = house.world._event(GARDEN, ALICE, "m.room.redaction", {"redacts": first})
    house.world._deliver(GARDEN, redaction)
    await house.live()

    assert await states(house) == ["pending"]


# --- missed -------------------------------------------------------------------------------------------------------


async def test_one_that_was_missed_is_found_and_judged_once(house: House) -> None:
    await house.set_policy(rule("inviter: '*'", "reject"))
    house.world.plant(GARDEN, ALICE)
    unheard(house)
    for _ in range(3):
        await look(house)

    assert (await states(house), stands(house), len(acts(house))) == (["revoked"], False, 1)


async def test_one_that_was_emptied_unheard_is_found_with_who_did_it(house: House) -> None:
    move_in(house)
    await planted(house, token="emptied")
    await planted(house, token="redacted")
    house.world.empty(GARDEN, MONA, "emptied")
    house.world.redact_invite(GARDEN, MONA, "redacted")
    unheard(house)
    await look(house)

    assert [(request.state, request.by) for request in await invites(house)] == [(State.REVOKED, MONA)] * 2


async def test_one_that_was_replaced_unheard_is_judged_anew(house: House) -> None:
    await house.set_policy(rule("identity_server: id.example"))
    await planted(house, **VOUCHED)
    house.world.plant(GARDEN, ALICE)
    unheard(house)
    await look(house)

    assert await states(house) == ["pending"]


async def test_a_few_found_on_arrival_get_a_card_each(house: House) -> None:
    for number in range(CROWDED):
        house.world.plant(GARDEN, ALICE, f"t{number}")
    unheard(house)
    await look(house)

    assert len(house.cards()) == CROWDED


async def test_more_than_five_found_on_arrival_share_one_card_apart_from_the_knocks(house: House) -> None:
    for number in range(CROWDED + 1):
        house.world.plant(GARDEN, ALICE, f"t{number}")
        house.world.knock(GARDEN, f"@user{number}:tulip.example")
    unheard(house)
    for _ in range(2):
        await look(house)

    kinds = [{block["kind"] for block in card.blocks} for card in house.cards()]
    assert kinds == [{"knock"}, {"third_party_invite"}]
    of_invites = house.cards()[1]
    assert of_invites.offers == ()
    assert "Answer each by its number: !kb accept 12\n" in of_invites.text
    assert "!kb ban" in of_invites.text


async def test_a_shared_card_follows_what_becomes_of_each(house: House) -> None:
    for number in range(CROWDED + 1):
        house.world.plant(GARDEN, ALICE, f"t{number}")
    unheard(house)
    await look(house)
    house.tell("accept 1, 2")
    house.tell("revoke 3")
    await house.live()
    await house.later()

    assert [block["state"] for block in house.card().blocks] == ["standing"] * 2 + ["revoked"] + ["pending"] * 3


async def test_nothing_is_taken_for_gone_while_the_homeserver_does_not_answer(house: House) -> None:
    await house.set_policy(STAND)
    await planted(house)
    house.world.play("third_parties", Later(foreign("no answer")))
    await look(house)

    assert await states(house) == ["standing"]


# --- floods -------------------------------------------------------------------------------------------------------


async def test_more_than_five_of_one_inviter_within_an_hour_share_a_card_that_takes_no_clicks(house: House) -> None:
    for number in range(CROWDED + 3):
        await planted(house, token=f"t{number}")

    cards = house.cards()
    assert [len(card.blocks) for card in cards] == [1, 1, 1, 1, 4]
    assert cards[-1].offers == ()
    house.click("✅", card=cards[-1])
    await house.live()
    assert set(await states(house)) == {"pending"}


async def test_a_flood_that_comes_at_once_shares_a_card_too(house: House) -> None:
    for number in range(CROWDED + 15):
        house.world.plant(GARDEN, ALICE, f"t{number}")
    await house.live()
    await house.later()

    assert len(await invites(house)) == CROWDED + 15
    assert len(house.cards()) <= CROWDED + 2
    assert all(card.offers == () for card in house.cards() if len(card.blocks) > 1)


async def test_the_invites_of_another_inviter_have_their_own_cards(house: House) -> None:
    move_in(house)
    for number in range(CROWDED + 1):
        await planted(house, token=f"t{number}")
    await planted(house, MONA, "monas")

    assert [card.block["inviter"] for card in house.cards() if len(card.blocks) == 1][-1] == MONA


# --- tokens and contents of any kind ------------------------------------------------------------------------------

TOKENS = ["", ".", "..", "a/b", "nul\0nul", "%2e%2e", "\ufffd0000", "t" * 255, "\u202etxt", "<b>", "🚪" * 60]


@pytest.mark.parametrize("token", TOKENS)
async def test_an_invite_under_any_token_is_shown_and_taken_back(house: House, token: str) -> None:
    await planted(house, token=token)
    assert house.card().state == "pending"

    house.click("❌")
    await house.live()

    assert (house.card().state, stands(house, token)) == ("revoked", False)
    assert await house.set_aside() == []


async def test_tokens_that_cannot_be_stored_as_they_are_stay_apart(house: House) -> None:
    alike = ["a\0b", "a\ufffdb", "\ufffda%0000b", "a%0000b"]
    for token in alike:
        await planted(house, token=token)
    await look(house)

    assert await states(house) == ["pending"] * len(alike)


CONTENTS: list[dict[str, Any]] = [
    {"display_name": {"a": 1}},
    {"display_name": "x" * 60_000},
    {"display_name": "<b>bold</b> & \u202eevil"},
    {"display_name": None, "public_key": 5},
    {"public_keys": 5},
    {"public_keys": "x"},
    {"public_keys": {"a": 1}},
    {"public_keys": [5, None, "x", {"public_key": 7}, {"public_key": "k", "key_validity_url": {}}]},
    {"public_keys": [{"public_key": f"{n}" * 50} for n in range(900)]},
    {"key_validity_url": "http://id.example/"},
    {"key_validity_url": "https://user:password@id.example/"},
    {"key_validity_url": "https://127.0.0.1:8008/_matrix"},
    {"key_validity_url": "https://[::1]/"},
    {"key_validity_url": "file:///etc/passwd"},
    {"key_validity_url": "https://id.example/\0"},
    {"anything": "else"},
]


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: str(content)[:40])
async def test_whatever_an_invite_holds_it_is_on_record_and_shown(house: House, content: dict[str, Any]) -> None:
    await house.set_policy(rule("identity_server: id.example"))
    await planted(house, **content)
    house.world.knock(GARDEN, "@ana:tulip.example")
    await house.live()

    assert await states(house) == ["pending"]
    assert len(house.cards()) == 2
    assert len(house.cards()[0].text) < 3000
    assert "\u202e" not in house.cards()[0].text
    assert await house.set_aside() == []


async def test_one_without_a_state_key_is_set_aside_and_stops_nothing(house: House) -> None:
    event = house.world._event(GARDEN, ALICE, "m.room.third_party_invite", {"public_key": "x"})
    house.world._deliver(GARDEN, event)
    await planted(house)

    assert len(await house.set_aside()) == 1
    assert await states(house) == ["pending"]


# --- on record ----------------------------------------------------------------------------------------------------


async def test_the_lists_name_them(house: House) -> None:
    await planted(house, token="t1")
    await house.set_policy(STAND)
    await planted(house, token="t2")
    told = {}
    for command in ("list", "invites", "show 1", "show 2", "queue", "log", f"log {ALICE}"):
        house.tell(command)
        await house.live()
        told[command] = house.spoken()[-1]

    assert "#1" in told["list"]
    assert "#2" not in told["list"]
    assert all(part in told["list"] for part in (ALICE, "dav...@exa..."))
    assert all(part in told["invites"] for part in ("#1", "#2", ALICE, "dav...@exa..."))
    assert "otherwise_third_party" in told["show 2"]
    assert "1 request waits" in told["queue"]
    assert "#1" in told["log"]
    assert "#2" in told[f"log {ALICE}"]


async def test_a_room_without_any_says_so(house: House) -> None:
    house.tell("invites")
    await house.live()

    assert "no unused third-party invite" in house.spoken()[-1]


async def test_what_stands_can_be_taken_back_from_the_room_that_looks_after_the_door_now(house: House) -> None:
    await house.set_policy(STAND)
    await planted(house)
    house.world.room("!new:tulip.example", "New", ALICE, BOT, levels=levels_for(), join_rule="invite")
    house.world.say("!new:tulip.example", ALICE, f"!kb protect {GARDEN}")
    await house.live()
    house.world.say("!new:tulip.example", ALICE, "!kb revoke 1")
    await house.live()

    assert (await states(house), stands(house)) == (["revoked"], False)


async def test_nothing_is_done_at_a_door_that_is_kept_no_longer(house: House) -> None:
    move_in(house, level=0)
    house.world.rooms[GARDEN].levels["invite"] = 0
    await planted(house, MONA)
    house.click("⛔")
    await house.hear()
    house.tell(f"unprotect {GARDEN}")
    await house.hear()
    await house.live()

    assert (house.membership(MONA), stands(house)) == ("join", True)


async def test_the_record_tells_who_decided_and_why(house: House) -> None:
    await house.set_policy(rule("inviter: '*'"))
    await planted(house)
    house.tell("revoke 1")
    await house.live()

    async with house.db.tx() as tx:
        lines = [(line.actor, line.kind) for line in await records.of_request(tx, 1)]
    assert lines == [(BOT, "judged"), (BOT, "standing"), (ALICE, "taken_back"), (ALICE, "revoked")]
