"""When an inviter falls: their standing invites are revoked, shown to the moderators or kept, as the policy says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.errors import Never
from knockbot.flow.sharing import CROWDED
from tests.flow.house import GARDEN, MODS, House
from tests.flow.planted import MONA, STAND, invite, invites, look, move_in, planted, redeemed, stands, states, unheard
from tests.flow.world import ALICE, BOT

Event = Callable[[House], object]


def by_change(by: str, membership: str) -> Event:
    return lambda house: house.world.change(GARDEN, by, MONA, membership)


def by_level(house: House) -> None:
    house.world.set_levels(GARDEN, users={**house.world.rooms[GARDEN].levels["users"], MONA: 0})


FALLS: dict[str, tuple[str, Event]] = {
    "banned": ("inviter_removed", by_change(ALICE, "ban")),
    "kicked": ("inviter_removed", by_change(ALICE, "leave")),
    "demoted": ("inviter_demoted", by_level),
    "invite level raised": ("inviter_demoted", lambda house: house.world.set_levels(GARDEN, invite=51)),
    "left": ("inviter_left", by_change(MONA, "leave")),
}
"""What happens to Mona, and the setting that says what is then done."""

FATES = {"revoke": "revoked", "forward": "pending", "keep": "standing"}
USUAL = {"inviter_removed": "revoked", "inviter_demoted": "revoked", "inviter_left": "pending"}


async def standing(house: House, *tokens: str, policy: str = STAND) -> None:
    """Mona has these invites standing."""
    move_in(house)
    house.world.rooms[GARDEN].levels["users"][BOT] = 60
    await house.set_policy(policy)
    for token in tokens or ("t",):
        await planted(house, MONA, token)
    house.clock.go_on(2 * 3600)


@pytest.mark.parametrize("heard", [True, False])
@pytest.mark.parametrize("fall", FALLS)
async def test_each_fall_has_its_usual_fate_whether_it_was_heard_of_or_found(
    house: House, fall: str, heard: bool
) -> None:
    await standing(house)
    key, event = FALLS[fall]
    event(house)
    if not heard:
        unheard(house)
        await look(house)
    await house.live()

    state = USUAL[key]
    assert (await states(house), stands(house)) == ([state], state != "revoked")
    [told] = [text for text in house.spoken() if MONA in text and "1 third-party invite " in text]
    assert "#1" in told


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("fall", FALLS)
async def test_the_policy_says_what_is_done_for_each(house: House, fall: str, fate: str) -> None:
    key, event = FALLS[fall]
    await standing(house, policy=f"{{rules: [], otherwise_third_party: accept, {key}: {fate}}}")
    event(house)
    for _ in range(3):
        await house.live()
        await look(house)

    assert (await states(house), stands(house)) == ([FATES[fate]], fate != "revoke")
    assert len([text for text in house.spoken() if "1 third-party invite " in text]) == 1


async def test_all_of_theirs_fall_with_them_and_nobody_elses(house: House) -> None:
    await standing(house, "t1", "t2", "t3")
    await planted(house, ALICE, "alices")
    house.world.change(GARDEN, ALICE, MONA, "ban")
    await house.live()

    assert await states(house) == ["revoked"] * 3 + ["standing"]
    assert stands(house, "alices")
    [told] = [text for text in house.spoken() if MONA in text and "third-party invites" in text]
    assert "3 third-party invites there: #1, #2, #3." in told


async def test_what_waited_for_an_answer_is_taken_back_too(house: House) -> None:
    move_in(house)
    house.world.rooms[GARDEN].levels["users"][BOT] = 60
    await planted(house, MONA)
    house.world.change(GARDEN, ALICE, MONA, "ban")
    await house.live()
    await house.later()  # cards of what many invites had in common are edited in turn

    assert (house.card().state, house.card().block["by"]) == ("revoked", BOT)


async def test_one_who_was_banned_before_the_bot_came_has_nothing_standing(house: House) -> None:
    """A user at level 0 plants an invite, is banned, and it would still let anybody in."""
    house.tell(f"unprotect {GARDEN}")
    house.world.rooms[GARDEN].levels["invite"] = 0
    move_in(house, level=0)
    await house.live()
    house.world.plant(GARDEN, MONA)
    house.world.change(GARDEN, ALICE, MONA, "ban")
    house.tell(f"protect {GARDEN}")
    await house.live()

    assert (await states(house), stands(house)) == (["revoked"], False)


async def test_who_came_in_by_them_stays(house: House) -> None:
    await standing(house)
    await redeemed(house)
    house.world.change(GARDEN, ALICE, MONA, "ban")
    await house.live()

    assert (await states(house), house.membership("@dave:tulip.example")) == (["redeemed"], "join")


async def test_a_moderators_word_after_the_fall_holds(house: House) -> None:
    await standing(house)
    house.world.change(GARDEN, MONA, MONA, "leave")
    await house.live()
    house.clock.go_on(1)
    house.click("✅")
    await house.live()
    for _ in range(2):
        await look(house)

    assert await states(house) == ["standing"]
    assert (await invite(house)).by == ALICE


async def test_a_look_that_fails_is_no_rise_so_that_a_moderators_word_still_holds(house: House) -> None:
    await standing(house)
    house.world.change(GARDEN, MONA, MONA, "leave")
    await house.live()
    house.clock.go_on(1)
    house.click("✅")
    await house.live()
    house.world.calls.clear()
    house.world.play("member")  # the bot itself
    house.world.play("member", Never(foreign("the homeserver says no."), code="M_FORBIDDEN"))
    for _ in range(2):
        await look(house)

    assert house.world.asked("member")[1][-1] == MONA
    assert await states(house) == ["standing"]


async def test_whoever_falls_once_more_is_dealt_with_once_more(house: House) -> None:
    await standing(house)
    house.world.change(GARDEN, MONA, MONA, "leave")
    await house.live()
    house.clock.go_on(1)
    house.click("✅")
    await house.live()

    house.world.change(GARDEN, ALICE, MONA, "ban")
    await house.live()

    assert await states(house) == ["revoked"]


async def test_a_second_demotion_to_the_same_level_counts(house: House) -> None:
    policy = "{rules: [], otherwise_third_party: accept, inviter_demoted: forward}"
    await standing(house, policy=policy)
    by_level(house)
    await house.live()
    house.clock.go_on(1)
    house.click("✅")
    await house.live()
    assert await states(house) == ["standing"]
    house.world.set_levels(GARDEN, users={**house.world.rooms[GARDEN].levels["users"], MONA: 50})
    await house.live()

    by_level(house)
    await house.live()

    assert await states(house) == ["pending"]


async def test_a_taking_back_that_failed_is_the_moderators_and_not_tried_for_ever(house: House) -> None:
    await standing(house)
    house.world.play("put_state", RuntimeError("whatever"), times=1)
    house.world.change(GARDEN, ALICE, MONA, "ban")
    await house.live()
    await house.later()

    assert (await states(house), stands(house)) == (["revoked"], False)


async def test_asked_again_about_many_at_once_the_moderators_get_one_card(house: House) -> None:
    await standing(house, *(f"t{number}" for number in range(CROWDED + 1)))
    house.world.change(GARDEN, MONA, MONA, "leave")
    await house.live()

    assert len(house.card().blocks) == CROWDED + 1
    assert await states(house) == ["pending"] * (CROWDED + 1)


async def test_asked_again_about_what_has_a_card_the_moderators_hear_of_it(house: House) -> None:
    move_in(house)
    await planted(house, MONA)
    house.click("✅")
    await house.live()
    house.world.change(GARDEN, MONA, MONA, "leave")
    await house.live()

    assert house.card().state == "pending"
    [told] = [content for content in house.said() if "for your answer" in content["body"]]
    assert told["msgtype"] == "m.text"


@pytest.mark.parametrize(
    ("by", "membership"), [(ALICE, "invite"), (MONA, "knock"), (MONA, "join")], ids=["invited", "knocks", "joins"]
)
async def test_what_is_no_fall_changes_nothing(house: House, by: str, membership: str) -> None:
    await standing(house)
    before = house.world.rooms[GARDEN].members[MONA]
    if membership != "join":
        house.world.rooms[GARDEN].members[MONA] = {**before, "content": {"membership": "leave"}}
    house.world.change(GARDEN, by, MONA, membership)
    await house.live()

    assert await states(house) == ["standing"]


async def test_the_power_to_invite_is_all_it_takes(house: House) -> None:
    """Not the power to kick or ban, and not more power than the inviter had."""
    await standing(house)
    house.world.rooms[GARDEN].levels |= {"kick": 100, "ban": 100}
    house.world.rooms[GARDEN].levels["users"] |= {MONA: 90, BOT: 50}
    house.world.change(GARDEN, ALICE, MONA, "ban")
    await house.live()

    assert not stands(house)


async def test_the_record_says_why(house: House) -> None:
    await standing(house)
    house.world.change(GARDEN, ALICE, MONA, "ban")
    await house.live()
    house.tell("show 1")
    await house.live()

    assert "banned or kicked" in house.spoken(MODS)[-1]


async def test_an_unban_of_somebody_changes_nothing_any_more(house: House) -> None:
    await standing(house, policy="{rules: [], otherwise_third_party: accept, inviter_removed: keep}")
    house.world.change(GARDEN, ALICE, MONA, "ban")
    await house.live()
    house.world.change(GARDEN, ALICE, MONA, "leave")
    await house.live()

    assert [request.state for request in await invites(house)] == [State.STANDING]
    assert len([text for text in house.spoken() if "1 third-party invite " in text]) == 1
