"""A policy in dry run: everything is judged and told, nothing is done to anyone, and the moderators answer as ever."""

from __future__ import annotations

import pytest

from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.model import DRY_RUN, State
from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from knockbot.store import policies
from tests.flow.house import GARDEN, House
from tests.flow.planted import DAVE, MONA, acts, move_in, planted, redeemed, stands, states
from tests.flow.world import ALICE, ANA, BOT, FAR

DRY = "dry_run: true\n"
VERDICTS = {"accept": "invite", "reject": "leave", "ban": "ban"}


async def knocked(house: House, *who: str) -> None:
    for user_id in who:
        house.world.knock(GARDEN, user_id, "hello")
    await house.live()


@pytest.mark.parametrize("verdict", VERDICTS)
async def test_a_rule_does_nothing_and_its_card_says_what_it_would_do(house: House, verdict: str) -> None:
    await house.set_policy(f"{DRY}rules: [{{name: all of them, when: {{user: '@*:*'}}, then: {verdict}}}]")
    await knocked(house, ANA)

    assert house.membership(ANA) == "knock"
    assert acts(house) == []
    card = house.card()
    assert f"Dry run: would {verdict}, by rule “all of them”." in card.text
    assert card.block["would"] == {"verdict": verdict, "rule": "all of them"}
    assert (card.state, card.block["rule"]) == ("pending", None)

    house.click("✅")
    await house.live()
    assert house.membership(ANA) == "invite"
    assert "Dry run" not in house.card().text
    assert "would" not in house.card().block


async def test_where_no_rule_matches_the_card_names_the_key(house: House) -> None:
    await house.set_policy(f"{DRY}otherwise: ban")
    await knocked(house, ANA)
    assert "Dry run: would ban, by the policy (otherwise)." in house.card().text


async def test_what_is_left_to_the_moderators_anyway_is_told_as_ever(house: House) -> None:
    await house.set_policy(f"{DRY}otherwise: forward")
    await knocked(house, ANA)
    assert "Dry run" not in house.card().text


async def test_on_a_shared_card_each_row_says_what_would_be_done(house: House) -> None:
    await house.set_policy(f"{DRY}otherwise: reject")
    for number in range(7):
        house.world.knock(GARDEN, f"@{number}:tulip.example")
    house.world.outbox.clear()
    await house.look_everywhere()
    await house.live()
    assert house.card().text.count("Dry run: would reject, by the policy (otherwise).") == 7


async def test_a_power_that_the_author_lacks_is_told_before_the_dry_run(house: House) -> None:
    await house.set_policy(f"{DRY}otherwise: ban")
    house.world.set_levels(GARDEN, ban=101)
    await knocked(house, ANA)
    assert "power level" in house.card().text
    assert "Dry run" not in house.card().text


async def test_a_server_that_the_room_denies_is_told_and_its_knocks_stay(house: House) -> None:
    await house.set_policy(f"{DRY}otherwise: accept")
    await knocked(house, FAR)
    house.world.set_acl(GARDEN, allow=["*"], deny=["slow.example"])
    await house.live()
    house.world.knock(GARDEN, "@other:slow.example")
    house.world.outbox.clear()
    await house.look_everywhere()
    await house.live()

    assert [house.membership(user) for user in (FAR, "@other:slow.example")] == ["knock", "knock"]
    [found] = [card for card in house.cards() if card.block["user_id"] == "@other:slow.example"]
    assert found.block["would"] == {"verdict": "reject", "rule": SERVER_ACL}
    assert "Dry run: would reject, by the room's server ACL." in found.text


@pytest.mark.parametrize("verdict", VERDICTS)
async def test_third_party_invites_stay_as_they_are_and_wait(house: House, verdict: str) -> None:
    move_in(house)
    await house.set_policy(f"{DRY}otherwise_third_party: {verdict}")
    await planted(house, MONA)

    assert (await states(house), stands(house), acts(house)) == (["pending"], True, [])
    assert house.card().block["would"]["verdict"] == verdict
    assert house.membership(MONA) == "join"


async def test_whoever_uses_an_invite_that_moderators_accepted_may_stay(house: House) -> None:
    move_in(house)
    await house.set_policy(DRY)
    await planted(house, MONA)
    house.click("✅")
    await house.live()
    await redeemed(house)
    assert (await states(house), house.membership(DAVE)) == (["redeemed"], "join")


async def test_a_rule_removes_nobody_who_used_an_invite(house: House) -> None:
    move_in(house)
    await house.set_policy(
        f"{DRY}rules: [{{name: no daves, for: redeemed_invite, when: {{user: '@dave:*'}}, then: ban}}]\n"
        "otherwise_third_party: accept"
    )
    await planted(house, MONA)
    await redeemed(house)

    assert house.membership(DAVE) == "join"
    assert house.card().block["would"] == {"verdict": "ban", "rule": "no daves"}
    assert [call for call in acts(house) if call[0] in ("kick", "ban")] == []


async def test_the_invites_of_an_inviter_who_falls_go_to_the_moderators(house: House) -> None:
    move_in(house)
    await house.set_policy("otherwise_third_party: accept")
    await planted(house, MONA)
    await house.set_policy(DRY)
    house.world.change(GARDEN, ALICE, MONA, "ban")
    await house.live()

    assert (await states(house), stands(house)) == (["pending"], True)
    assert "policy is in dry run, so I did not revoke this invite." in house.card().text


async def test_what_a_rule_decided_before_is_not_carried_out_any_more(house: House) -> None:
    await house.set_policy("otherwise: accept")
    house.world.play("invite", Later(foreign("their server is silent")), times=1)
    await knocked(house, FAR)
    house.tell(f"policy set {GARDEN}\n{DRY}otherwise: accept")
    await house.live()
    await house.later(7200)

    assert house.membership(FAR) == "knock"
    request = await house.request(FAR)
    assert (request.state, request.answer) == (State.PENDING, None)
    assert "so I did not carry out the answer" in house.card().text


async def test_a_moderators_answer_from_before_is_carried_out(house: House) -> None:
    house.world.play("invite", Later(foreign("their server is silent")), times=1)
    await knocked(house, FAR)
    house.click("✅")
    await house.live()
    await house.set_policy(DRY)
    await house.later(7200)
    assert house.membership(FAR) == "invite"


async def test_a_knock_that_nobody_answers_expires_and_stays_in_the_room(house: House) -> None:
    await house.set_policy(f"{DRY}otherwise: ban\nstale_after: 1h")
    await knocked(house, ANA)
    house.clock.go_on(7200)
    await house.look_everywhere()
    await house.live()
    assert ((await house.request(ANA)).state, house.membership(ANA)) == (State.EXPIRED, "knock")


async def test_it_ends_with_its_policy_and_those_who_wait_can_be_judged(house: House) -> None:
    await house.set_policy(f"{DRY}otherwise: reject")
    await knocked(house, ANA)
    await house.set_policy("otherwise: reject")
    house.tell(f"policy apply {GARDEN}")
    await house.live()
    assert house.membership(ANA) == "leave"


async def test_a_policy_of_the_config_file_can_be_in_dry_run(house: House) -> None:
    await house.set_policy(f"{DRY}otherwise: ban", author=policies.CONFIG_FILE)
    await knocked(house, ANA)
    decision = (await house.request(ANA)).decision
    assert decision is not None
    assert decision.doubt is not None
    assert decision.doubt.code == DRY_RUN
    assert house.membership(ANA) == "knock"
    assert (BOT, "would") in await house.history(await house.request(ANA))


@pytest.mark.parametrize("command", ["policy show", "check", "rooms", "policy set"])
async def test_replies_about_the_room_say_that_it_is_in_dry_run(house: House, command: str) -> None:
    said = "This policy is in dry run: I do nothing by myself."

    async def reply(policy: str) -> str:
        await house.set_policy(policy)
        before = len(house.spoken())
        text = {"rooms": "", "policy set": f"{GARDEN}\n{policy}"}.get(command, GARDEN)
        house.tell(f"{command} {text}")
        await house.live()
        return house.spoken()[before]

    assert said not in await reply("otherwise: ban")
    assert said in await reply(f"{DRY}otherwise: ban")


async def test_a_test_says_what_would_be_done(house: House) -> None:
    await house.set_policy(f"{DRY}rules: [{{name: ours, when: {{local: true}}, then: accept}}]")
    house.tell(f"test {GARDEN} {ANA}")
    await house.live()
    assert "Policy: would accept, by rule “ours”. It is in dry run" in house.spoken()[-1]


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("command", ["log", "show 1"])
async def test_the_log_says_what_would_have_been_done(house: House, verdict: str, command: str) -> None:
    await house.set_policy(f"{DRY}rules: [{{name: friends, when: {{local: true}}, then: {verdict}}}]")
    await knocked(house, ANA)
    house.tell(command)
    await house.live()
    assert f"policy would {verdict} (dry run) · by rule “friends”" in house.spoken()[-1]
    assert "policy says" not in house.spoken()[-1]


async def test_what_the_moderators_decide_anyway_is_logged_as_ever(house: House) -> None:
    await house.set_policy(f"{DRY}rules: [{{name: friends, when: {{local: true}}, then: forward}}]")
    await knocked(house, ANA)
    house.tell("log")
    await house.live()
    assert "policy says forward · by rule “friends”" in house.spoken()[-1]
