"""Policy lists at the door: whom a list names is never accepted by a rule, whatever comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from knockbot.check.rooms import lists_amiss
from knockbot.documents.text import without_marks
from knockbot.domain.lists import EntityKind
from knockbot.domain.model import IdentityKey, Known, State, Truth, Verdict
from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from knockbot.features.lists import following, hits, reading
from knockbot.flow import looking
from knockbot.flow.context import Context
from knockbot.flow.ports import TakeIn
from knockbot.matrix import events
from knockbot.store import lists
from tests.flow.house import GARDEN, MODS, House
from tests.flow.offered import offers
from tests.flow.planted import DAVE, MONA, VOUCHED, invite, move_in, planted, redeemed, stands, states
from tests.flow.world import ALICE, ANA, BEA, BOT, levels_for

BANS, ALIAS = "!bans:tulip.example", "#bans:tulip.example"
VERA = "@vera:tulip.example"
LIZ = "@liz:tulip.example"
"""Who writes the list."""

OPEN_DOOR = """
lists: [{room: "#bans:tulip.example", name: community%s}]
otherwise: accept
otherwise_third_party: accept
"""


def open_door(then: str = "ban", **keys: str) -> str:
    """A policy that lets everybody in who is not on the list."""
    more = "".join(f", {key}: {value}" for key, value in keys.items())
    return OPEN_DOOR % f", then: {then}{more}"


async def set_policy(house: House, text: str = open_door(), *, by: str = ALICE) -> str:
    """Somebody sets a policy; returns the reply."""
    before = len(house.spoken())
    house.tell(f"policy set {GARDEN}\n{text}", by=by)
    await settled(house)
    return house.spoken()[before]


async def settled(house: House) -> None:
    """Until nothing is left to do, also of what waits some seconds."""
    for _ in range(8):
        await house.later(1)
        await house.ring()
    await house.live()


@pytest.fixture
async def listed(house: House) -> House:
    """A garden that is open to all who are not on a list, which was read."""
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    await set_policy(house)
    assert house.membership(BOT, BANS) == "join"
    return house


def memberships(house: House, user_id: str) -> list[str]:
    """Every membership that somebody had in the garden."""
    past = house.world.rooms[GARDEN].past.values()
    return [event["content"]["membership"] for event in past if event["state_key"] == user_id]


async def rule_of(house: House, user_id: str) -> str | None:
    """By which rule the newest request of somebody was decided."""
    decision = (await house.requests(user_id))[-1].decision
    return decision.rule if decision is not None else None


async def test_who_is_listed_is_banned_and_others_come_in(listed: House) -> None:
    listed.world.list_entity(BANS, LIZ, "@ana:*", reason="ads")
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    listed.world.knock(GARDEN, BEA)
    await settled(listed)

    assert [listed.membership(user) for user in (ANA, BEA)] == ["ban", "invite"]
    assert await rule_of(listed, ANA) == "list community"
    [banned] = [text for text in listed.spoken() if "Banned" in text]
    assert banned.endswith(
        'Banned by policy list “community”. They are on list "community", by its entry "@ana:*" (ads).'
    )
    assert "community" not in str(listed.world.rooms[GARDEN].members[ANA]["content"]), "the applicant is not told of it"


async def test_the_card_of_whoever_waited_tells_by_which_entry_they_were_banned(listed: House) -> None:
    await set_policy(listed, open_door("ban").replace("otherwise: accept", "otherwise: forward"))
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    listed.world.list_entity(BANS, LIZ, "@ana:*", reason="ads")
    await settled(listed)

    [card] = listed.cards()
    assert (card.state, card.block["rule"]) == ("banned", "list community")
    assert card.text.endswith('They are on list "community", by its entry "@ana:*" (ads).')


@pytest.mark.parametrize(("then", "membership"), [("ban", "ban"), ("reject", "leave"), ("forward", "knock")])
async def test_a_list_does_what_the_policy_says(listed: House, then: str, membership: str) -> None:
    await set_policy(listed, open_door(then))
    listed.world.list_entity(BANS, LIZ, ANA, reason="a [link](https://evil.example) @room")
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)

    assert listed.membership(ANA) == membership
    if then == "forward":
        assert "The policy asks you, because they are on list" in listed.card().text
        assert listed.card().block["rule"] is None


async def test_a_server_is_named_by_its_host(listed: House) -> None:
    listed.world.list_entity(BANS, LIZ, "*.EVIL.example", EntityKind.SERVER)
    await settled(listed)
    listed.world.knock(GARDEN, "@ana:sub.evil.example:8448")
    await settled(listed)
    assert listed.membership("@ana:sub.evil.example:8448") == "ban"


async def test_rules_can_ask_a_list_that_does_not_decide(listed: House) -> None:
    rule = "rules: [{name: watched, when: {on_list: community}, then: reject}]\n"
    await set_policy(listed, rule + open_door("none"))
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    listed.world.knock(GARDEN, BEA)
    await settled(listed)
    assert [listed.membership(user) for user in (ANA, BEA)] == ["leave", "invite"]
    assert await rule_of(listed, ANA) == "watched"


async def test_a_card_says_that_a_list_names_somebody_which_does_not_decide(listed: House) -> None:
    await set_policy(listed, open_door("none").replace("otherwise: accept", "otherwise: forward"))
    listed.world.list_entity(BANS, LIZ, ANA, reason="ads")
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    listed.world.knock(GARDEN, BEA)
    await settled(listed)
    first, second = (card.text for card in listed.cards())
    assert '⚠️ They are on list "community", by its entry "@ana:tulip.example" (ads).' in first
    assert "on list" not in second


# --- whatever comes first -------------------------------------------------------------------------------------


async def test_until_the_list_was_read_the_moderators_decide(house: House) -> None:
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    house.world.list_entity(BANS, LIZ, ANA)
    house.world.play("policy_rules", Later(foreign("slow"), retry_after=30))
    house.tell(f"policy set {GARDEN}\n{open_door()}")
    await house.live()
    for user in (ANA, BEA):
        house.world.knock(GARDEN, user)
    await house.live()

    assert [house.membership(user) for user in (ANA, BEA)] == ["knock", "knock"]
    assert "the list was not read yet" in house.cards()[0].text

    await house.later(40)
    await settled(house)
    assert [house.membership(user) for user in (ANA, BEA)] == ["ban", "invite"], "then they are judged again"


class Endless:
    """A homeserver that tells the entries of a list, and then never ends."""

    def __init__(self, house: House) -> None:
        self._outside = house.context.outside
        self.readings = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._outside, name)

    async def policy_rules(self, room_id: str, take_in: TakeIn) -> None:
        """Hand over what there is, and wait for more."""
        self.readings += 1
        await self._outside.policy_rules(room_id, take_in)
        await asyncio.Event().wait()


async def test_a_reading_that_does_not_end_is_given_up_told_once_and_tried_again_each_hour(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LONGEST", 0.05)
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    house.world.list_entity(BANS, LIZ, ANA)
    outside, endless = house.context.outside, Endless(house)
    house.furnish(outside=endless)
    await set_policy(house)
    house.world.knock(GARDEN, ANA)
    await settled(house)
    assert house.membership(ANA) == "knock", "the list was never read"
    before = endless.readings

    for _ in range(3):
        await house.later(3600)
        await house.look_everywhere()
        await settled(house)
    assert endless.readings == before + 3
    [alarm] = [text for text in house.spoken() if "its room was not read within" in text]
    assert "community" in alarm

    house.furnish(outside=outside)
    await house.later(3600)
    await house.look_everywhere()
    await settled(house)
    assert house.membership(ANA) == "ban"


async def test_an_entry_in_the_same_transaction_counts(listed: House) -> None:
    listed.world.knock(GARDEN, ANA)
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "ban"
    assert "invite" not in memberships(listed, ANA)


async def test_an_entry_that_arrives_between_the_decision_and_the_invite_counts(listed: House) -> None:
    listed.world.knock(GARDEN, ANA)
    await listed.hear()
    request = await listed.request(ANA)
    assert request.answer is not None
    assert request.answer.verdict is Verdict.ACCEPT

    listed.world.list_entity(BANS, LIZ, ANA)
    await listed.deliver()  # stored, and not handled yet
    await listed.work()
    await settled(listed)
    assert listed.membership(ANA) == "ban"
    assert "invite" not in memberships(listed, ANA)


async def test_an_entry_for_somebody_who_waits_bans_them(listed: House) -> None:
    await set_policy(listed, open_door() + "\nrules: [{when: {user: '@ana:*'}, then: forward}]")
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "knock"

    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "ban"
    assert listed.card().state == "banned"


async def test_an_entry_that_goes_has_those_who_wait_judged_again(listed: House) -> None:
    await set_policy(listed, open_door("forward"))
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "knock"

    listed.world.unlist(BANS, LIZ, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "invite"


async def test_a_redacted_entry_is_gone(listed: House) -> None:
    await set_policy(listed, open_door("forward"))
    event = listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    listed.world.redact_rule(BANS, LIZ, event)
    await settled(listed)
    assert listed.membership(ANA) == "invite"


@pytest.mark.parametrize(("then", "membership"), [("ban", "ban"), ("reject", "leave"), ("forward", "leave")])
async def test_an_invite_that_was_not_taken_is_withdrawn(listed: House, then: str, membership: str) -> None:
    await set_policy(listed, open_door(then))
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "invite"

    listed.world.list_entity(BANS, LIZ, ANA, reason="ads")
    await settled(listed)
    assert listed.membership(ANA) == membership
    request = await listed.request(ANA)
    assert request.state is (State.BANNED if then == "ban" else State.REJECTED)
    assert (BOT, "overridden") in await listed.history(request)
    assert "on list" in listed.spoken()[-1]
    told = listed.world.rooms[GARDEN].members[ANA]["content"].get("reason")
    assert told == ("Your invite was withdrawn. You can ask again." if then == "forward" else None)

    if then == "forward":
        listed.world.knock(GARDEN, ANA)
        await settled(listed)
        assert listed.card().state == "pending"


PRE_APPROVED = """
lists: [{room: "#bans:tulip.example", name: community%s}]
rules: [{name: friends, when: {pre_approved: true}, then: accept}]
otherwise: forward
"""
ASKS = "rules: [{name: watched, when: {on_list: community}, then: reject}]\notherwise: accept\n"


@pytest.mark.parametrize(
    ("before", "entity", "after", "membership"),
    [
        (open_door("none"), ANA, open_door("ban"), "ban"),
        (open_door("none"), ANA, open_door("reject"), "leave"),
        (open_door("none"), ANA, open_door("forward"), "leave"),
        (PRE_APPROVED % ", then: none", ANA, PRE_APPROVED % "", "ban"),
        (open_door(), "@*:*", open_door(allow_everything="true"), "ban"),
        ("otherwise: accept", ANA, open_door(), "ban"),
        (open_door("none"), ANA, open_door("none").replace("otherwise: accept\n", ASKS), "leave"),
        (open_door("none"), ANA, open_door("none") + "\n" + "timezone: Europe/Berlin", "invite"),
        (open_door("none"), ANA, open_door("none").replace("otherwise: accept", "otherwise: reject"), "invite"),
        ("otherwise: accept", ANA, open_door("none").replace("otherwise: accept", "otherwise: ban"), "invite"),
        (open_door("none"), ANA, open_door("ban") + "\ndry_run: true", "invite"),
        (open_door("none"), ANA, open_door("forward") + "\ndry_run: true", "invite"),
    ],
)
async def test_an_invite_is_withdrawn_when_a_new_policy_lets_its_list_decide(
    listed: House, before: str, entity: str, after: str, membership: str
) -> None:
    listed.tell(f"allow {ANA}")
    await set_policy(listed, before)
    listed.world.list_entity(BANS, LIZ, entity)
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    listed.world.knock(GARDEN, BEA)
    await settled(listed)
    assert listed.membership(ANA) == "invite"

    assert "of the policy" in await set_policy(listed, after)
    assert listed.membership(ANA) == membership
    request = await listed.request(ANA)
    assert ((BOT, "overridden") in await listed.history(request)) is (membership != "invite")
    if entity == ANA and "pre_approved" not in before:
        assert listed.membership(BEA) == "invite", "who is not listed stays"


NOT_LISTED = """
lists: [{room: "#bans:tulip.example", name: community, then: none}]
rules: [{name: strangers, when: {not: {on_list: community}}, then: accept}]
otherwise: forward
"""


@pytest.mark.parametrize(
    ("before", "after", "membership"),
    [
        ("otherwise: accept", open_door("none").replace("otherwise: accept", "otherwise: reject"), "invite"),
        ("otherwise: accept", "otherwise: reject", "invite"),
        ("otherwise: accept", open_door("reject"), "leave"),
        ("otherwise: accept", open_door("none").replace("otherwise: accept\n", ASKS), "leave"),
        ("otherwise: accept", NOT_LISTED.replace("forward", "ban"), "invite"),
        (NOT_LISTED, NOT_LISTED + "timezone: Europe/Berlin", "leave"),
    ],
)
async def test_an_entry_has_an_invite_withdrawn_by_a_policy_that_is_not_applied_only_where_that_asks_the_list(
    listed: House, before: str, after: str, membership: str
) -> None:
    await set_policy(listed, before)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "invite"
    await set_policy(listed, after)
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    assert listed.membership(ANA) == membership


async def test_an_entry_that_no_rule_asks_about_does_not_let_other_facts_withdraw_the_invite(listed: House) -> None:
    ours = "{name: ours, when: {member_of: '#bans:tulip.example'}, then: accept}"
    asks = "{name: nobody, when: {user: '@nobody:*', on_list: community}, then: accept}"
    await set_policy(
        listed, f"rules: [{asks}, {ours}]" + open_door("none").replace("otherwise: accept", "otherwise: reject")
    )
    listed.world.change(BANS, VERA, VERA, "join")
    listed.world.knock(GARDEN, VERA)
    await settled(listed)
    assert listed.membership(VERA) == "invite"
    listed.world.change(BANS, VERA, VERA, "leave")
    listed.world.list_entity(BANS, LIZ, VERA)
    await settled(listed)
    assert listed.membership(VERA) == "invite"


async def test_a_line_and_a_card_name_the_entry_by_which_a_rule_rejected(listed: House) -> None:
    await set_policy(listed, open_door("none").replace("otherwise: accept\n", ASKS))
    listed.world.list_entity(BANS, LIZ, ANA, reason="ads")
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    entry = 'They are on list "community", by its entry "@ana:tulip.example" (ads).'
    assert listed.spoken()[-1].endswith(f"Rejected by rule “watched”. {entry}")

    await set_policy(listed, FORWARD)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    await set_policy(listed, open_door("none").replace("otherwise: accept\n", ASKS))
    listed.tell(f"policy apply {GARDEN}")
    await settled(listed)
    assert f"Rejected by rule “watched”. {entry}" in listed.card().text


async def test_a_dry_run_that_ends_withdraws_the_invite(listed: House) -> None:
    await set_policy(listed, open_door("none"))
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    await set_policy(listed, open_door() + "\ndry_run: true")
    assert listed.membership(ANA) == "invite"
    await set_policy(listed, open_door())
    assert listed.membership(ANA) == "ban"


async def test_a_revert_withdraws_the_invite_too(listed: House) -> None:
    await set_policy(listed, open_door("none"))
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    listed.tell(f"policy revert {GARDEN} 1")
    await settled(listed)
    assert listed.membership(ANA) == "ban"


async def test_an_entry_that_is_written_anew_does_not_let_other_facts_withdraw_the_invite(listed: House) -> None:
    twice = "rules: [{name: often, when: {knocks: {more_than: 1, within: 1d}}, then: forward}]\notherwise: accept\n"
    await set_policy(listed, open_door("none").replace("otherwise: accept\n", twice))
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "invite"
    listed.world.list_entity(BANS, LIZ, ANA, reason="another reason")
    await settled(listed)
    assert listed.membership(ANA) == "invite"


async def test_who_has_joined_stays(listed: House) -> None:
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    listed.world.change(GARDEN, ANA, ANA, "join")
    await settled(listed)
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "join"


async def test_who_a_moderator_accepted_is_invited_and_stays_so(listed: House) -> None:
    await set_policy(listed, open_door("forward"))
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    listed.click("✅")
    await settled(listed)
    assert listed.membership(ANA) == "invite"

    listed.world.list_entity(BANS, LIZ, "@ana:*", reason="again")
    await settled(listed)
    assert listed.membership(ANA) == "invite"


async def test_who_is_banned_stays_so_when_the_entry_goes(listed: House) -> None:
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    listed.world.unlist(BANS, LIZ, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "ban"


async def test_of_many_only_those_whom_an_entry_names_are_judged_again(listed: House) -> None:
    await set_policy(listed, open_door().replace("otherwise: accept", "otherwise: forward"))
    people = [f"@p{number}:rose.example" for number in range(8)]
    for user in people:
        listed.world.knock(GARDEN, user)
    await settled(listed)
    listed.world.list_entity(BANS, LIZ, people[3])
    await settled(listed)

    async with listed.db.tx() as tx:
        rows = await tx.fetch("SELECT request_id, count(*) AS many FROM judgements GROUP BY request_id ORDER BY 1")
    assert [row["many"] for row in rows] == [1, 1, 1, 2, 1, 1, 1, 1]
    assert listed.membership(people[3]) == "ban"


async def test_a_flood_of_changes_is_looked_at_together(listed: House) -> None:
    await set_policy(listed, open_door().replace("otherwise: accept", "otherwise: forward"))
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    for number in range(50):
        listed.world.list_entity(BANS, LIZ, f"@ana{number}:*")
    listed.world.list_entity(BANS, LIZ, ANA)
    for number in range(50):
        listed.world.unlist(BANS, LIZ, f"@ana{number}:*")
    await settled(listed)

    assert listed.membership(ANA) == "ban"
    async with listed.db.tx() as tx:
        assert await tx.fetchval("SELECT count(*) FROM judgements") == 2


# --- a policy that is not applied yet -------------------------------------------------------------------------


FORWARD = "otherwise: forward"
FRIENDS = "rules: [{name: friends, when: {user: '@bea:*'}, then: accept}]\n"


def is_offered(house: House) -> bool:
    """Whether the last offer to apply a policy still takes clicks."""
    return offers(house, "apply_policy")[-1].is_open


@pytest.mark.parametrize("read_before", [False, True])
@pytest.mark.parametrize("then", ["ban", "reject", "forward", "none"])
async def test_naming_a_list_applies_nothing_else_to_those_who_wait(house: House, then: str, read_before: bool) -> None:
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    if read_before:
        await set_policy(house)
    await set_policy(house, FORWARD)
    for user in (ANA, BEA):
        house.world.knock(GARDEN, user)
    await settled(house)
    await set_policy(house, open_door(then))
    assert [house.membership(user) for user in (ANA, BEA)] == ["knock", "knock"], "nobody has clicked"

    house.world.list_entity(BANS, LIZ, "@unrelated:tulip.example")
    await settled(house)
    assert [house.membership(user) for user in (ANA, BEA)] == ["knock", "knock"], "they are not named"
    assert is_offered(house)

    house.world.list_entity(BANS, LIZ, ANA)
    await settled(house)
    by_list = {"ban": "ban", "reject": "leave"}
    assert [house.membership(user) for user in (ANA, BEA)] == [by_list.get(then, "knock"), "knock"]
    assert ("because they are on list" in house.cards()[0].text) is (then == "forward")

    house.world.unlist(BANS, LIZ, ANA)
    await settled(house)
    assert house.membership(BEA) == "knock"

    house.tell(f"policy apply {GARDEN}")
    await settled(house)
    assert house.membership(BEA) == "invite"


@pytest.mark.parametrize(
    ("before", "after", "membership"),
    [
        (FORWARD, open_door(), "ban"),
        (FRIENDS + open_door("none").replace("otherwise: accept", FORWARD), open_door(), "ban"),
        (open_door("forward"), open_door(), "knock"),
        (open_door("forward"), FORWARD, "knock"),
        (open_door("forward"), "otherwise: accept", "knock"),
        (FORWARD, ASKS + open_door("none").replace("otherwise: accept\n", ""), "knock"),
        (FORWARD, open_door() + "\ndry_run: true", "knock"),
    ],
)
async def test_who_waits_and_is_named_already_is_decided_at_once_by_a_list_that_did_not_decide_before(
    listed: House, before: str, after: str, membership: str
) -> None:
    await set_policy(listed, before)
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "knock"

    await set_policy(listed, after)
    assert listed.membership(ANA) == membership
    left = membership == "knock" and "dry_run" not in after
    assert is_offered(listed) is left, "the offer is only for those about whom nothing was decided yet"


async def test_who_waits_until_a_list_is_read_waits_for_the_click_if_the_policy_changes_meanwhile(house: House) -> None:
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    house.world.play("policy_rules", Later(foreign("slow"), retry_after=60))
    house.tell(f"policy set {GARDEN}\n{open_door()}")
    await house.live()
    house.world.knock(GARDEN, ANA)
    await house.live()
    assert "the list was not read yet" in house.card().text
    house.tell(f"policy set {GARDEN}\n{open_door().replace('otherwise: accept', 'otherwise: ban')}")
    await house.live()

    for _ in range(3):
        await house.later(40)
        await settled(house)
    assert house.membership(ANA) == "knock", "neither the policy of before nor that in force"
    house.tell(f"policy apply {GARDEN}")
    await settled(house)
    assert house.membership(ANA) == "ban"


async def test_an_approval_in_advance_has_only_what_it_says_done_before_the_policy_is_applied(house: House) -> None:
    for user in (ANA, BEA):
        house.world.knock(GARDEN, user)
    await settled(house)
    friends = "{name: friends, when: {pre_approved: true, user: '@bea:*'}, then: accept}"
    await set_policy(house, f"rules: [{friends}]\notherwise: ban")
    for user in (ANA, BEA):
        house.tell(f"allow {user}")
    await settled(house)
    assert [house.membership(user) for user in (ANA, BEA)] == ["knock", "invite"]


@pytest.mark.parametrize(
    ("policy", "by", "why"),
    [
        (NOT_LISTED, "the policy (otherwise)", "Rule “strangers” does not match any more: on list {entry}"),
        (open_door("forward"), "policy list “community”", "They are on list {entry}"),
    ],
)
@pytest.mark.parametrize("has_card", [False, True])
async def test_nothing_claims_that_the_policy_rejected_whose_invite_was_withdrawn(
    listed: House, policy: str, by: str, why: str, has_card: bool
) -> None:
    await set_policy(listed, FORWARD if has_card else policy)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    if has_card:
        await set_policy(listed, policy)
        listed.tell(f"policy apply {GARDEN}")
        await settled(listed)
    listed.world.list_entity(BANS, LIZ, ANA, reason="ads")
    await settled(listed)

    assert listed.membership(ANA) == "leave"
    entry = '"community", by its entry "@ana:tulip.example" (ads).'
    told = f"The invite was withdrawn by {by}. If they ask again, the moderators decide. {why.format(entry=entry)}"
    said = listed.cards()[-1].text if has_card else next(text for text in listed.spoken() if "withdrawn" in text)
    assert told in said
    blocks = [said["org.knockbot.request"] for said in listed.said() if "org.knockbot.request" in said]
    block = listed.card().block if has_card else blocks[-1]
    withdrawn_by = "otherwise" if "otherwise" in by else "list community"
    assert (block["state"], block["rule"], block["withdrawn_by"]) == ("rejected", None, withdrawn_by)
    for command in ("show 1", "log 1"):
        listed.tell(command)
        await settled(listed)
        shown = listed.spoken()[-1]
        assert "rejected · by rule" not in shown, shown
        assert "Rejected by" not in shown, shown
        assert "rejected · by otherwise" not in shown, shown


@pytest.mark.parametrize("policy", [NOT_LISTED, open_door("forward")])
async def test_whose_invite_was_withdrawn_was_not_rejected_by_anybody(listed: House, policy: str) -> None:
    await set_policy(listed, policy)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "leave"
    listed.tell("log")
    await settled(listed)
    assert "invite withdrawn · " in listed.spoken()[-1]
    listed.world.unlist(BANS, LIZ, ANA)
    await set_policy(listed, "rules: [{name: again, when: {rejected_before: true}, then: ban}]")

    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "knock"
    card = listed.cards()[-1].text
    assert "Before: accepted, then the invite was withdrawn by" in card
    assert "rejected" not in card


@pytest.mark.parametrize("then", ["ban", "forward"])
async def test_a_policy_in_dry_run_says_once_that_an_invite_would_be_withdrawn(listed: House, then: str) -> None:
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    await set_policy(listed, f"dry_run: true\n{open_door(then)}")
    for reason in ("ads", "more ads"):
        listed.world.list_entity(BANS, LIZ, ANA, reason=reason)
        await settled(listed)

    assert listed.membership(ANA) == "invite"
    [said] = [text for text in listed.spoken() if "has not joined yet" in text]
    assert "Dry run: I would withdraw the invite, by policy list “community”." in said
    assert 'by its entry "@ana:tulip.example" (ads).' in said


@pytest.mark.parametrize("applied", [True, False])
async def test_a_card_tells_of_a_list_that_does_not_decide_as_soon_as_it_names_somebody(
    listed: House, applied: bool
) -> None:
    watching = open_door("none").replace("otherwise: accept", FORWARD)
    await set_policy(listed, watching if applied else FORWARD)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    if not applied:
        await set_policy(listed, watching)
    assert "on list" not in listed.card().text

    listed.world.list_entity(BANS, LIZ, ANA, reason="ads")
    await settled(listed)
    assert '⚠️ They are on list "community", by its entry "@ana:tulip.example" (ads).' in listed.card().text
    listed.world.list_entity(BANS, LIZ, ANA, reason="spam")
    await settled(listed)
    assert 'by its entry "@ana:tulip.example" (spam).' in listed.card().text
    listed.world.unlist(BANS, LIZ, ANA)
    await settled(listed)
    assert ("on list" not in listed.card().text) is applied, "what is not judged again is edited with its next change"
    assert listed.membership(ANA) == "knock"


# --- third-party invites --------------------------------------------------------------------------------------


async def test_an_invite_by_somebody_who_is_listed_is_revoked(listed: House) -> None:
    move_in(listed)
    listed.world.list_entity(BANS, LIZ, MONA)
    await set_policy(listed, open_door("reject"))
    await planted(listed, by=MONA)
    await settled(listed)
    assert (await states(listed), stands(listed)) == (["revoked"], False)


def with_power_over_members(house: House, level: int = 0) -> None:
    """Mona has joined, with this level; everybody may invite."""
    move_in(house, level=level)
    house.world.rooms[GARDEN].levels["invite"] = 0


ON_IT = f'The inviter is on list "community", by its entry "{MONA}" (ads).'


async def test_an_inviter_who_is_listed_is_banned_with_their_new_invite_and_the_lines_say_so(listed: House) -> None:
    with_power_over_members(listed)
    listed.world.list_entity(BANS, LIZ, MONA, reason="ads")
    await settled(listed)
    await planted(listed, by=MONA)
    await settled(listed)

    assert (await states(listed), stands(listed), listed.membership(MONA)) == (["revoked"], False, "ban")
    said = "\n".join(text for text in listed.spoken() if "✉️ #1" in text or "❌ #1" in text or "inviter" in text)
    assert f"Revoked by policy list “community”. The same answer bans the inviter {MONA}. {ON_IT}" in said
    assert f"#1 The inviter {MONA} was banned from Garden." in said


@pytest.mark.parametrize("announce", ["line", "none"])
async def test_lines_about_a_banned_inviter_are_left_out_where_lines_are(listed: House, announce: str) -> None:
    with_power_over_members(listed)
    await set_policy(listed, open_door() + f"\nannounce: {announce}")
    listed.world.list_entity(BANS, LIZ, MONA)
    await settled(listed)
    await planted(listed, by=MONA)
    await settled(listed)
    assert listed.membership(MONA) == "ban"
    assert any("was banned from" in text for text in listed.spoken()) is (announce == "line")


async def test_an_inviter_who_is_listed_while_their_invite_waits_is_banned_and_the_card_says_so(listed: House) -> None:
    with_power_over_members(listed)
    await set_policy(listed, open_door().replace("third_party: accept", "third_party: forward"))
    await planted(listed, by=MONA)
    await settled(listed)
    assert await states(listed) == ["pending"]
    listed.world.list_entity(BANS, LIZ, MONA, reason="ads")
    await settled(listed)

    assert (await states(listed), stands(listed), listed.membership(MONA)) == (["revoked"], False, "ban")
    [card] = listed.cards()
    assert f"Revoked by policy list “community”. The inviter {MONA} was banned as well. {ON_IT}" in card.text


@pytest.mark.parametrize("level", [0, 100])
async def test_an_invite_that_stands_is_only_revoked_when_its_inviter_is_listed(listed: House, level: int) -> None:
    """A rule has accepted it, and it is withdrawn like any accept; whether its inviter could be banned is no matter."""
    with_power_over_members(listed, level)
    await planted(listed, by=MONA)
    await settled(listed)
    assert await states(listed) == ["standing"]
    listed.world.list_entity(BANS, LIZ, MONA, reason="ads")
    await settled(listed)
    await listed.look_everywhere()
    await settled(listed)

    assert (await states(listed), stands(listed), listed.membership(MONA)) == (["revoked"], False, "join")
    line = next(text for text in listed.spoken() if "Revoked" in text)
    assert line.endswith(f"Revoked by policy list “community”. {ON_IT}")
    assert not [text for text in listed.spoken() if "ban" in text.lower() and MONA in text and "Bans" not in text]


async def test_a_rule_that_asks_a_list_bans_the_inviter_and_the_line_says_so(listed: House) -> None:
    with_power_over_members(listed)
    rule = "rules: [{name: senders, for: third_party_invite, when: {on_list: community}, then: ban}]\n"
    await set_policy(listed, rule + open_door("none"))
    listed.world.list_entity(BANS, LIZ, MONA)
    await settled(listed)
    await planted(listed, by=MONA)
    await settled(listed)

    assert (await states(listed), listed.membership(MONA)) == (["revoked"], "ban")
    line = next(text for text in listed.spoken() if "Revoked" in text)
    on_it = ON_IT.replace("(ads)", "(spam)")
    assert line.endswith(f"Revoked by rule “senders”. The same answer bans the inviter {MONA}. {on_it}")


@pytest.mark.parametrize(("then", "state"), [("ban", "revoked"), ("reject", "revoked"), ("forward", "pending")])
async def test_an_accepted_invite_is_looked_at_again_when_its_inviter_is_listed(
    listed: House, then: str, state: str
) -> None:
    move_in(listed)
    await set_policy(listed, open_door(then))
    await planted(listed, by=MONA)
    await settled(listed)
    assert await states(listed) == ["standing"]

    listed.world.list_entity(BANS, LIZ, MONA)
    await settled(listed)
    assert await states(listed) == [state]
    assert stands(listed) is (then == "forward")


async def test_an_invite_is_not_accepted_while_an_entry_for_its_inviter_waits(listed: House) -> None:
    move_in(listed)
    listed.world.plant(GARDEN, MONA, "t")
    listed.world.list_entity(BANS, LIZ, MONA)
    await settled(listed)
    request = await invite(listed)
    assert (BOT, "standing") not in await listed.history(request)


async def test_an_entry_that_is_taken_in_while_an_invite_is_judged_counts(listed: House) -> None:
    """The identity servers are asked in between: what was found out before is not true any more."""
    move_in(listed)

    async def vouch(_: Sequence[IdentityKey]) -> Known:
        if listed.world.rooms[BANS].rules:
            return Known(Truth.TRUE)
        listed.world.list_entity(BANS, LIZ, MONA)
        change = events.list_change(listed.world.outbox[-1])
        assert change is not None
        async with listed.db.tx() as tx:
            await lists.put(tx, change)
        return Known(Truth.TRUE)

    listed.furnish(vouch=vouch)
    await planted(listed, by=MONA, **VOUCHED)
    await settled(listed)
    await listed.later(61)  # as long as an invite waits for identity servers, if nothing else wakes it
    await settled(listed)
    assert (BOT, "standing") not in await listed.history(await invite(listed))
    assert await states(listed) == ["revoked"]


async def test_who_uses_an_invite_is_looked_up_by_themselves(listed: House) -> None:
    move_in(listed)
    listed.world.list_entity(BANS, LIZ, DAVE)
    await settled(listed)
    await planted(listed, by=MONA)
    await redeemed(listed, DAVE)
    await settled(listed)
    assert listed.membership(DAVE) == "ban"
    assert (await invite(listed)).state is State.BANNED


async def test_a_guest_who_did_not_join_yet_is_taken_back(listed: House) -> None:
    move_in(listed)
    await planted(listed, by=MONA)
    await redeemed(listed, DAVE, join=False)
    await settled(listed)
    assert listed.membership(DAVE) == "invite"
    listed.world.list_entity(BANS, LIZ, DAVE)
    await settled(listed)
    assert listed.membership(DAVE) == "leave"


# --- lists that are odd, or out of reach ----------------------------------------------------------------------


async def test_an_entry_that_names_everybody_does_nothing_and_is_told_once(listed: House) -> None:
    listed.world.list_entity(BANS, LIZ, "@*:*")
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    await listed.look_everywhere()
    await settled(listed)

    assert listed.membership(ANA) == "invite"
    [told] = [text for text in listed.spoken() if "name everybody" in text]
    assert told.startswith('The policy list community has entries that name everybody: "@*:*". They do nothing')


async def test_each_entry_that_names_everybody_is_told_and_many_are_one_line(listed: House) -> None:
    def told() -> list[str]:
        found = [text for text in listed.spoken() if "name everybody" in text]
        return [text.partition("name everybody: ")[2].partition(". They")[0] for text in found]

    listed.world.list_entity(BANS, LIZ, "*", EntityKind.SERVER)
    await settled(listed)
    listed.world.unlist(BANS, LIZ, "*", EntityKind.SERVER)
    listed.world.list_entity(BANS, LIZ, "@*:*")
    await settled(listed)
    assert told() == ['"*"', '"@*:*"'], "there is one at each time"
    for stars in range(2, 7):
        listed.world.list_entity(BANS, LIZ, "*" * stars)
    await settled(listed)
    await listed.look_everywhere()
    await settled(listed)
    assert told()[2:] == ['"**", "***", "****", 2 more']


async def test_it_counts_where_the_policy_says_so(listed: House) -> None:
    await set_policy(listed, open_door(allow_everything="true"))
    listed.world.list_entity(BANS, LIZ, "@*:*")
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "ban"
    assert not [text for text in listed.spoken() if "name everybody" in text]


async def test_a_list_that_loses_most_of_its_entries_is_told(listed: House) -> None:
    people = [f"@p{number}:evil.example" for number in range(30)]
    for user in people:
        listed.world.list_entity(BANS, LIZ, user)
    await settled(listed)
    for user in people[1:]:
        listed.world.unlist(BANS, LIZ, user)
    await settled(listed)
    [told] = [text for text in listed.spoken() if "lost" in text]
    assert told.startswith("The policy list community lost 29 of its 30 entries.")


async def test_other_people_who_can_write_a_list_are_told_once(listed: House) -> None:
    listed.world.set_levels(BANS, users={BEA: 100})
    await settled(listed)
    await listed.look_everywhere()
    await settled(listed)
    told = [text for text in listed.spoken() if "can write to the policy list" in text]
    assert len(told) == 1
    assert f"New: {BEA}." in told[0]


@pytest.mark.parametrize(
    "levels",
    [
        {"state_default": 0},
        {"events": {"m.policy.rule.user": 0}},
        {"events": {"m.room.rule.server": 0}},
        {"users_default": 50},
        {"state_default": 0, "users": {ALICE: 100}},
    ],
)
async def test_that_everybody_can_write_to_a_list_is_told_once_and_shown(listed: House, levels: dict[str, Any]) -> None:
    before = dict(listed.world.rooms[BANS].levels)
    assert "everybody" not in await told_lists(listed)
    listed.world.set_levels(BANS, **levels)
    await settled(listed)
    await listed.look_everywhere()
    await settled(listed)
    told = [text for text in listed.spoken() if "can write to it now" in text or "Other people can write" in text]
    assert told == [f"⚠️ Everybody in the room of the policy list community ({BANS}) can write to it now."]
    assert (await told_lists(listed)).splitlines()[-1] == "· ⚠️ everybody in its room can write to it"

    listed.world.rooms[BANS].levels = before
    listed.world.state_changed(BANS, "m.room.power_levels")
    await settled(listed)
    assert listed.spoken()[-1] == (
        f"Not everybody in its room can write to the policy list community any more. These people can: {LIZ}."
    )


async def test_a_list_that_everybody_can_write_to_is_told_to_whoever_names_it(house: House) -> None:
    house.world.room(
        BANS, "Bans", LIZ, ALICE, levels={**levels_for([LIZ], bot=0), "state_default": 0}, join_rule="public"
    )
    house.world.aliases[ALIAS] = BANS
    await set_policy(house)
    [told] = [text for text in house.spoken() if "names nobody" in text]
    assert told.splitlines()[-1] == "⚠️ Everybody in the room of this list can write to it."


async def test_a_list_that_everybody_can_write_to_is_told_where_nobody_is_replied_to(house: House) -> None:
    """As by the config file: nobody has given a command."""
    house.world.room(
        BANS, "Bans", LIZ, ALICE, levels={**levels_for([LIZ], bot=0), "state_default": 0}, join_rule="public"
    )
    await house.set_policy(open_door().replace(ALIAS, BANS))
    for _ in range(2):
        await house.look_everywhere()
        await settled(house)
    told = [text for text in house.spoken() if "can write to it" in text]
    assert told == [f"⚠️ Everybody in the room of the policy list community ({BANS}) can write to it now."]


async def test_entries_that_name_everybody_and_were_there_before_are_told_in_the_reply(house: House) -> None:
    def told() -> list[str]:
        return [text for text in house.spoken() if "name everybody" in text]

    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    house.world.list_entity(BANS, LIZ, "@*:*")
    await set_policy(house)
    assert len(told()) == 1

    await set_policy(house, "otherwise: accept")
    house.world.list_entity(BANS, LIZ, "*", EntityKind.SERVER)
    await settled(house)
    assert len(told()) == 1, "no policy uses it now"
    await set_policy(house)
    assert [text.splitlines()[0] for text in told()[1:]] == [HITS_NOBODY]
    assert '"@*:*", "*"' in told()[1]


async def test_where_the_bot_is_put_out_the_last_state_stays_in_force(listed: House) -> None:
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    listed.world.change(BANS, LIZ, BOT, "ban")
    await settled(listed)
    [alarm] = [text for text in listed.spoken() if "cannot follow the policy list" in text]
    assert alarm.startswith("⚠️ I cannot follow the policy list community (!bans:tulip.example) any more: I was removed")

    for user in (ANA, BEA):
        listed.world.knock(GARDEN, user)
    await settled(listed)
    await listed.look_everywhere()
    await settled(listed)
    assert [listed.membership(user) for user in (ANA, BEA)] == ["ban", "invite"]
    assert listed.membership(BOT, BANS) == "ban", "it does not walk back in"
    assert len([text for text in listed.spoken() if "cannot follow" in text]) == 1
    listed.tell("check")
    await settled(listed)
    assert "⚠️ I cannot follow the policy list community (!bans:tulip.example) now: I was" in listed.spoken()[-1]


async def test_back_in_its_room_the_list_is_read_anew(listed: House) -> None:
    listed.world.change(BANS, LIZ, BOT, "leave")
    await settled(listed)
    listed.world.list_entity(BANS, LIZ, ANA)
    listed.world.change(BANS, LIZ, BOT, "invite")
    await settled(listed)
    assert listed.membership(BOT, BANS) == "join"
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "ban"


async def test_what_was_missed_is_found_by_a_look(listed: House) -> None:
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    listed.world.list_entity(BANS, LIZ, ANA)
    listed.world.outbox.clear()  # the homeserver lost it
    await listed.later(700)
    await listed.look_everywhere()
    await settled(listed)
    assert listed.membership(ANA) == "ban"


async def test_a_list_that_no_policy_names_is_left(listed: House) -> None:
    await set_policy(listed, "otherwise: forward")
    await listed.later(3700)
    await listed.ring()
    await settled(listed)
    assert listed.membership(BOT, BANS) == "leave"
    async with listed.db.tx() as tx:
        assert await lists.all_lists(tx) == []


async def minutes(house: House, kill: bool) -> None:
    """Two minutes go by, perhaps with a death at their beginning."""
    if kill:
        await house.die()
        await house.start_again()
    await house.later(120)
    await house.ring()
    await settled(house)


@pytest.mark.parametrize("kill", [False, True])
async def test_so_it_is_a_minute_after_the_policy_was_set(listed: House, kill: bool) -> None:
    await set_policy(listed, "otherwise: forward")
    assert listed.membership(BOT, BANS) == "join"
    await minutes(listed, kill)
    assert listed.membership(BOT, BANS) == "leave"


LOOKS = {
    "tried": f"policy try {GARDEN}\n{open_door()}",
    "refused": f"policy set {GARDEN}\nlists: [{{room: '{BANS}'}}, {{room: '!closed:tulip.example', name: other}}]",
}


@pytest.mark.parametrize("kill", [False, True])
@pytest.mark.parametrize("looks", LOOKS)
async def test_the_bot_leaves_a_list_that_it_joined_only_to_look(house: House, looks: str, kill: bool) -> None:
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    house.tell(LOOKS[looks])
    await settled(house)
    assert "Revision 1 of the policy" not in " ".join(house.spoken())
    await minutes(house, kill)
    assert house.membership(BOT, BANS) == "leave"
    assert await followed(house) == []


async def test_a_list_that_was_tried_and_then_is_used_is_followed_on(house: House) -> None:
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    house.tell(LOOKS["tried"])
    await settled(house)
    await set_policy(house)
    await minutes(house, kill=False)
    assert (house.membership(BOT, BANS), await followed(house)) == ("join", [BANS])


async def test_the_bot_stays_in_a_list_that_it_was_invited_to(house: House) -> None:
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="invite")
    house.world.aliases[ALIAS] = BANS
    house.world.change(BANS, ALICE, BOT, "invite")
    await settled(house)
    house.tell(LOOKS["tried"])
    await minutes(house, kill=False)
    assert house.membership(BOT, BANS) == "join"


@pytest.mark.parametrize("restart", [True, False])
async def test_a_list_that_was_dropped_and_is_named_again_counts_at_once(listed: House, restart: bool) -> None:
    """Nobody reads a list that no policy names: what was missed of it is found when one names it again."""
    await set_policy(listed, "otherwise: accept")
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    if restart:
        await listed.close()
        listed.world.list_entity(BANS, LIZ, VERA)
        listed.world.outbox.clear()  # the homeserver has lost it
        await listed.start_again()
        await settled(listed)
    await set_policy(listed)

    for user in (ANA, BEA, VERA):
        listed.world.knock(GARDEN, user)
    await settled(listed)
    assert [listed.membership(user) for user in (ANA, BEA, VERA)] == ["ban", "invite", "ban" if restart else "invite"]


async def test_a_list_that_is_left_and_named_again_at_the_same_moment_is_entered_again(listed: House) -> None:
    await set_policy(listed, "otherwise: accept")
    await listed.later(3700)
    await listed.ring()  # it is to be left
    await set_policy(listed)
    await settled(listed)
    assert listed.membership(BOT, BANS) == "join"
    assert not [text for text in listed.spoken() if "cannot follow" in text]
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "ban"


async def test_what_a_list_had_before_it_was_dropped_is_forgotten(listed: House) -> None:
    people = [f"@p{number}:evil.example" for number in range(30)]
    for user in people:
        listed.world.list_entity(BANS, LIZ, user)
    await settled(listed)
    await set_policy(listed, "otherwise: accept")
    await listed.later(3700)
    await listed.ring()  # it is not followed any more
    await settled(listed)
    for user in people:
        listed.world.unlist(BANS, LIZ, user)
    await set_policy(listed)
    assert (await told_lists(listed)).startswith(f"community {BANS}: users 0, servers 0, rooms 0. Read")
    assert not [text for text in listed.spoken() if "lost" in text]


async def test_lists_says_that_a_list_is_still_read_after_a_start(listed: House) -> None:
    await listed.close()
    listed.world.play("policy_rules", Later(foreign("slow"), retry_after=30))
    await listed.start_again()
    listed.tell("lists")
    await listed.live()
    assert "· I am still reading it; until then the moderators decide about everybody" in listed.spoken()[-1]
    await listed.later(40)
    await settled(listed)
    assert "still reading" not in await told_lists(listed)


async def test_entries_that_go_one_by_one_are_told_by_the_card_of_whom_they_free(listed: House) -> None:
    people = [f"@p{number}:evil.example" for number in range(24)]
    for user in [*people, ANA]:
        listed.world.list_entity(BANS, LIZ, user)
    await set_policy(listed, open_door("forward"))
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    before = len(listed.spoken())
    for user in [ANA, *people[:12]]:
        listed.world.unlist(BANS, LIZ, user)
        await settled(listed)
    assert listed.membership(ANA) == "invite"
    assert listed.cards()[0].state == "accepted"
    assert not [text for text in listed.spoken()[before:] if "lost" in text]


async def test_a_list_that_could_not_be_read_is_read_by_the_next_look(listed: House) -> None:
    async with listed.db.tx() as tx:
        await lists.set_trouble(tx, BANS, foreign("amiss"))
    await listed.look_everywhere()
    await settled(listed)
    assert "⚠️" not in await told_lists(listed)


# --- which lists may be named ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("joined", "join_rule", "taken"),
    [
        ((LIZ, ALICE, BOT), "invite", True),
        ((LIZ, BOT), "invite", False),
        ((LIZ, ALICE), "invite", False),
        ((LIZ,), "public", True),
    ],
)
async def test_a_policy_names_only_lists_that_its_author_can_read(
    house: House, joined: tuple[str, ...], join_rule: str, taken: bool
) -> None:
    house.world.room(BANS, "Bans", *joined, levels=levels_for([LIZ], bot=0), join_rule=join_rule)
    house.world.aliases[ALIAS] = BANS
    reply = await set_policy(house)
    assert ("Revision 1 of the policy" in reply) is taken, reply
    if not taken:
        assert "Policy not changed: line 2: lists.#1.room names #bans:tulip.example. A list must be public" in reply
    assert await followed(house) == ([BANS] if taken else [])


Moves = tuple[tuple[str, str, str], ...]

NOT_USED: dict[str, tuple[Moves, str]] = {
    "invited": (((LIZ, ALICE, "invite"),), "You are invited to that room, and have not joined it."),
    "banned bot": (((LIZ, BOT, "ban"),), "A list must be public"),
    "banned bot and a stranger": (((LIZ, ALICE, "ban"), (LIZ, BOT, "ban")), "A list must be public"),
    "left": (((ALICE, ALICE, "leave"),), "A list must be public"),
}


@pytest.mark.parametrize("case", NOT_USED)
async def test_why_a_list_cannot_be_used_is_said_to_whom_it_tells_nothing_of_others(house: House, case: str) -> None:
    moves, why = NOT_USED[case]
    joined = (LIZ, BOT) if case == "invited" else (LIZ, ALICE, BOT)
    house.world.room(BANS, "Bans", *joined, levels=levels_for([LIZ], bot=0), join_rule="invite")
    for by, who, membership in moves:
        house.world.change(BANS, by, who, membership)
    await settled(house)
    reply = await set_policy(house, f'lists: [{{room: "{BANS}"}}]')
    assert reply.startswith(f"Policy not changed: line 1: lists.#1.room names {BANS}. {why}"), reply
    assert await followed(house) == []


@pytest.mark.parametrize(
    ("room_id", "why"), [(GARDEN, "the room of this policy itself"), (MODS, "the management room")]
)
async def test_a_list_has_a_room_of_its_own(house: House, room_id: str, why: str) -> None:
    reply = await set_policy(house, f'lists: [{{room: "{room_id}"}}]')
    assert f"lists.#1.room names {room_id}, which is {why}. A list has a room of its own." in reply
    assert await followed(house) == []


async def test_what_a_list_said_of_a_request_is_for_all_who_decide_and_test_only_for_who_can_read_it(
    house: House,
) -> None:
    house.world.room(BANS, "Bans", LIZ, ALICE, BOT, levels=levels_for([LIZ], bot=0), join_rule="invite")
    house.world.aliases[ALIAS] = BANS
    for user in (ANA, BEA):
        house.world.list_entity(BANS, LIZ, user, reason="ads")
    await set_policy(house, open_door("forward"))
    for room_id in (GARDEN, MODS):
        house.world.change(room_id, ALICE, VERA, "invite")
        house.world.change(room_id, VERA, VERA, "join")
    house.world.knock(GARDEN, ANA)
    await settled(house)
    entry = f'on list "community", by its entry "{ANA}" (ads)'
    assert entry in house.card().text
    told = {}
    for by in (ALICE, VERA):
        for command in ("show 1", f"test {BEA} {GARDEN} hi"):
            house.tell(command, by=by)
            await settled(house)
            told[by, command[:4]] = house.spoken()[-1]
    assert [entry in told[by, "show"] for by in (ALICE, VERA)] == [True, True]
    assert ["ads" in told[by, "test"] for by in (ALICE, VERA)] == [True, False]
    assert "you cannot read that list" in told[VERA, "test"]


async def test_an_alias_that_leads_nowhere_is_named(house: House) -> None:
    assert "I cannot find #bans:tulip.example" in await set_policy(house)


async def test_the_alias_means_what_it_meant_when_the_policy_was_set(listed: House) -> None:
    listed.world.room("!other:tulip.example", "Other", LIZ, join_rule="public")
    listed.world.aliases[ALIAS] = "!other:tulip.example"
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "ban"


@pytest.mark.parametrize("name", [ALIAS, BANS])
async def test_a_replaced_list_is_asked_about_and_followed_however_it_is_named(listed: House, name: str) -> None:
    new = "!newbans:tulip.example"
    listed.world.list_entity(BANS, LIZ, ANA)
    await set_policy(listed, open_door().replace(ALIAS, name))
    listed.world.room(
        new, "New bans", LIZ, ALICE, BOT, predecessor=BANS, levels=levels_for([LIZ], bot=0), join_rule="public"
    )
    listed.world.list_entity(new, LIZ, BEA)
    listed.world.replace(BANS, new, by=LIZ)
    await settled(listed)
    [question] = [event for event in listed.world.rooms[MODS].said if "Click ✅" in event["content"].get("body", "")]
    before = listed.spoken().count(HITS_NOBODY)
    listed.world.react(MODS, ALICE, question["event_id"], "✅")
    await settled(listed)

    assert await followed(listed) == [BANS, new]
    assert listed.spoken().count(HITS_NOBODY) == before + 1, "it is told whom the new room hits"
    for user in (ANA, BEA):
        listed.world.knock(GARDEN, user)
    await settled(listed)
    assert [listed.membership(user) for user in (ANA, BEA)] == ["invite", "ban"]
    shown = await told_lists(listed)
    assert shown.startswith(f"community {new}: users 1,")
    assert BANS not in shown

    listed.world.change(new, LIZ, BOT, "ban")
    await settled(listed)
    [alarm] = [text for text in listed.spoken() if "cannot follow the policy list" in text]
    assert new in alarm


HITS_NOBODY = "The list community names nobody who is in Garden or waits there."

TWICE = f"""
lists:
  - {{room: "{BANS}", name: first, then: %s}}
  - {{room: "!newbans:tulip.example", name: second, then: %s}}
rules: [{{when: {{on_list: second}}, then: reject}}]
otherwise: accept
"""


@pytest.mark.parametrize(("first", "second", "membership"), [("none", "ban", "leave"), ("ban", "reject", "ban")])
async def test_a_list_that_has_two_names_by_now_is_used_once_and_the_first_name_counts(
    listed: House, first: str, second: str, membership: str
) -> None:
    new = "!newbans:tulip.example"
    listed.world.room(
        new, "New bans", LIZ, ALICE, BOT, predecessor=BANS, levels=levels_for([LIZ], bot=0), join_rule="public"
    )
    await set_policy(listed, TWICE % (first, second))
    listed.world.replace(BANS, new, by=LIZ)
    await settled(listed)
    shown = (await told_lists(listed)).splitlines()
    assert shown[0].startswith(f"first {BANS}:")
    assert shown[2] == f"· ⚠️ moved to {new}: not followed yet, I wait for a click on my question"
    [question] = [event for event in listed.world.rooms[MODS].said if "Click ✅" in event["content"].get("body", "")]
    listed.world.react(MODS, ALICE, question["event_id"], "✅")
    await settled(listed)

    twice = f"⚠️ The policy names the list first ({new}) again, as second. Only what it says of first counts."
    assert any(twice in text for text in listed.spoken()), "told to whoever clicked"
    shown = (await told_lists(listed)).splitlines()
    assert shown[0].startswith(f"first {new}:")
    assert shown[1:] == [
        f"· in Garden: {first}",
        "· ⚠️ in Garden: the policy names this list again, as second. Only what it says of first counts.",
    ]
    listed.tell(f"check {GARDEN}")
    await listed.live()
    assert twice in listed.spoken()[-1]
    assert await lists_amiss(listed.context, GARDEN) == [twice], "and by the command line"
    listed.world.list_entity(new, LIZ, ANA)
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    assert listed.membership(ANA) == membership


NEW_BANS = "!newbans:tulip.example"


async def tombstone(listed: House, **how: Any) -> str:
    """The list's room is replaced by another, which the bot is not in; returns the question about it."""
    how = {"predecessor": BANS, "join_rule": "public", **how}
    listed.world.room(NEW_BANS, "New bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), **how)
    listed.world.replace(BANS, NEW_BANS, by=LIZ)
    await settled(listed)
    await listed.look_everywhere()
    await settled(listed)
    [question] = [event for event in listed.world.rooms[MODS].said if "Click ✅" in event["content"].get("body", "")]
    return str(question["event_id"])


async def test_the_new_room_of_a_list_is_entered_after_the_click(listed: House) -> None:
    question = await tombstone(listed)
    assert listed.membership(BOT, NEW_BANS) is None
    listed.world.react(MODS, ALICE, question, "✅")
    await settled(listed)
    assert listed.membership(BOT, NEW_BANS) == "join"
    assert NEW_BANS in await followed(listed)


@pytest.mark.parametrize(
    ("case", "why", "came"),
    [
        ("unrelated", "does not say that it replaces the old one", True),
        ("closed", f"I cannot join {NEW_BANS}: the homeserver says: you are not invited", False),
        ("no power", "You have 0.", False),
    ],
)
async def test_a_new_room_of_a_list_that_cannot_be_used_is_not_stayed_in(
    listed: House, case: str, why: str, came: bool
) -> None:
    how: dict[str, dict[str, Any]] = {"unrelated": {"predecessor": None}, "closed": {"join_rule": "invite"}}
    question = await tombstone(listed, **how.get(case, {}))
    if case == "no power":
        listed.world.set_levels(GARDEN, users={BOT: 100, ALICE: 0})
    assert listed.membership(BOT, NEW_BANS) is None
    listed.world.react(MODS, ALICE, question, "✅")
    await settled(listed)

    assert any(why in text for text in listed.spoken()), listed.spoken()
    assert listed.membership(BOT, NEW_BANS) == ("leave" if came else None)
    assert await followed(listed) == [BANS]


@pytest.mark.parametrize("names", [(ALIAS, BANS), (BANS, ALIAS)])
async def test_a_policy_must_not_name_one_list_twice(listed: House, names: tuple[str, str]) -> None:
    one, other = (f'{{room: "{name}", name: {called}}}' for name, called in zip(names, ("a", "b"), strict=True))
    reply = await set_policy(listed, f"lists: [{one}, {other}]\notherwise: accept")
    assert reply == (
        f"Policy not changed: line 1: lists.#2.room names {names[1]}, which is the same room as that of the list a. "
        "Name each list once."
    )


@pytest.mark.parametrize(
    ("new", "predecessor", "said"),
    [
        ("!newbans:tulip.example", BANS, "not followed yet, I wait for a click on my question"),
        ("nowhere", None, "I do not use that room"),
    ],
)
async def test_a_list_whose_room_was_replaced_is_shown_so(
    listed: House, new: str, predecessor: str | None, said: str
) -> None:
    if predecessor is not None:
        listed.world.room(new, "New", LIZ, ALICE, BOT, predecessor=predecessor, levels=levels_for([LIZ], bot=0))
    listed.world.replace(BANS, new, by=LIZ)
    await settled(listed)
    assert (await told_lists(listed)).splitlines()[2] == f"· ⚠️ moved to {new}: {said}"


async def told_lists(house: House) -> str:
    """What `lists` says."""
    house.tell("lists")
    await house.live()
    return house.spoken()[-1]


async def followed(house: House) -> list[str]:
    """The lists that are followed."""
    async with house.db.tx() as tx:
        return [one.room_id for one in await lists.all_lists(tx)]


async def test_who_may_not_ban_cannot_set_a_list_that_bans(listed: House) -> None:
    listed.world.change(GARDEN, "@carl:tulip.example", "@carl:tulip.example", "join")
    listed.world.change(MODS, "@carl:tulip.example", "@carl:tulip.example", "join")
    listed.world.set_levels(GARDEN, users={BOT: 50, ALICE: 100, "@carl:tulip.example": 55}, ban=60)
    await settled(listed)
    reply = await set_policy(listed, open_door(), by="@carl:tulip.example")
    assert "lists.#1" in reply
    assert "needs level 60" in reply


async def test_where_the_author_may_no_longer_ban_the_moderators_decide(listed: House) -> None:
    listed.world.set_levels(GARDEN, users={BOT: 100, ALICE: 55}, ban=60)
    listed.world.list_entity(BANS, LIZ, ANA)
    await settled(listed)
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    assert listed.membership(ANA) == "knock"
    assert "They are on list" in listed.card().text


# --- what is shown --------------------------------------------------------------------------------------------


async def test_what_a_list_has_and_where_it_is_used_is_shown(listed: House) -> None:
    listed.world.list_entity(BANS, LIZ, ANA)
    listed.world.list_entity(BANS, LIZ, "*.evil.example", EntityKind.SERVER)
    listed.world.list_entity(BANS, LIZ, "@*:*")
    listed.world.list_entity(BANS, LIZ, "nobody at all")
    listed.world.list_entity(BANS, LIZ, f" {ANA} ")
    listed.world.list_entity(BANS, LIZ, "a b", EntityKind.SERVER)
    await settled(listed)
    listed.tell("lists")
    await listed.live()
    lines = listed.spoken()[-1].splitlines()
    assert lines[0].startswith("community !bans:tulip.example: users 2, servers 1, rooms 0. Read ")
    assert lines[1] == "· in Garden: ban"
    assert lines[2] == "· 2 entries do nothing, each because the entity is no user ID, and no glob"
    assert lines[3] == "· 1 entry does nothing, because the entity is no server name, and no glob"
    assert lines[4] == '· names everybody: "@*:*"'


async def test_lists_of_other_management_rooms_are_not_shown(listed: House) -> None:
    other = "!othermods:tulip.example"
    listed.world.room(other, "Other mods", ALICE, BOT, levels=levels_for(), join_rule="invite")
    listed.world.say(other, ALICE, "!kb lists")
    await listed.live()
    assert listed.spoken(other) == ["No policy here uses a policy list. A policy names its lists under lists."]


async def test_after_a_start_a_list_is_read_again_before_it_is_trusted(listed: House) -> None:
    """An entry that was made while the bot was down may come after the knock."""
    await listed.close()
    listed.world.knock(GARDEN, ANA)
    listed.world.list_entity(BANS, LIZ, ANA)
    entry = listed.world.outbox.pop()
    await listed.start_again()
    await settled(listed)
    listed.world.outbox.append(entry)
    await settled(listed)
    assert listed.membership(ANA) == "ban"
    assert "invite" not in memberships(listed, ANA)


@pytest.mark.parametrize("knock_first", [True, False])
async def test_an_entry_that_the_homeserver_forgot_to_tell_counts_once_it_is_back(
    listed: House, knock_first: bool
) -> None:
    """A homeserver that restarts forgets what it was about to deliver."""
    if knock_first:
        listed.world.knock(GARDEN, ANA)
        await settled(listed)
        assert listed.membership(ANA) == "invite"
    listed.world.list_entity(BANS, LIZ, ANA)
    listed.world.outbox.pop()
    await listed.later(60)

    await looking.look_at_all(listed.context)
    if not knock_first:
        listed.world.knock(GARDEN, ANA)
    await settled(listed)
    assert memberships(listed, ANA) == (["knock", "invite", "ban"] if knock_first else ["knock", "ban"])


async def test_a_large_list_rests_however_often_the_homeserver_comes_and_goes(
    listed: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile nobody trusts it."""
    readings: list[int] = []
    read = reading.read

    async def noted(context: Context, room_id: str) -> bool:
        readings.append(context.now())
        return await read(context, room_id)

    monkeypatch.setattr(reading, "read", noted)
    async with listed.db.tx() as tx:
        await tx.execute("UPDATE list_rooms SET told_entries = 50000, told_version = version")
    listed.world.list_entity(BANS, LIZ, ANA)
    listed.world.outbox.pop()
    for _ in range(3):
        await listed.later(20)
        await looking.look_at_all(listed.context)
        await listed.live()
    assert readings == []
    listed.world.knock(GARDEN, ANA)
    await listed.later(30)
    await listed.ring()
    assert listed.membership(ANA) == "knock"

    await listed.later(150)
    await settled(listed)
    assert len(readings) == 1
    assert memberships(listed, ANA) == ["knock", "ban"]


async def test_what_the_homeserver_forgot_while_a_list_was_read_is_found_by_another_reading(listed: House) -> None:
    world, context = listed.world, listed.context
    policy_rules = context.outside.policy_rules

    async def slow(room_id: str, take_in: TakeIn) -> None:
        await policy_rules(room_id, take_in)
        if not world.rooms[BANS].rules:
            listed.clock.go_on(30)
            world.list_entity(BANS, LIZ, ANA)
            world.outbox.pop()
            await looking.look_at_all(context)
            await listed.hear()  # the look comes now, and finds that the list is being read

    await listed.later(700)
    object.__setattr__(context.outside, "policy_rules", slow)
    await listed.look_everywhere()
    await settled(listed)
    world.knock(GARDEN, ANA)
    await settled(listed)
    assert memberships(listed, ANA) == ["knock", "ban"]


@pytest.mark.parametrize("is_news", [True, False])
async def test_while_what_arrived_waits_it_is_looked_less_and_less_often_what_a_list_means(
    listed: House, *, is_news: bool
) -> None:
    async def due_at() -> int | None:
        async with listed.db.tx() as tx:
            found = await tx.fetchval("SELECT min(due_at) FROM timers WHERE kind = $1", following.MOVED)
        return int(found) if found is not None else None

    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    if is_news:
        listed.world.list_entity(BANS, LIZ, ANA)
    else:
        listed.world.unlist(BANS, LIZ, ANA)
    await listed.deliver()
    async with listed.context.turn() as turn:
        await following.moved(listed.context, turn, BANS)
    looks = set()
    for _ in range(300):
        listed.clock.go_on(1)
        looks.add(await due_at())
        await listed.ring()
    assert 6 <= len(looks) <= 14, "twice as long each time, up to a minute"

    await listed.live()
    assert (await due_at() or 0) - listed.clock() <= following.BUNDLE, "what is taken in has it looked at soon"
    await settled(listed)
    assert memberships(listed, ANA) == ["knock", "invite", *(["ban"] if is_news else [])]
    assert await due_at() is None


@pytest.mark.parametrize("listed_meanwhile", [True, False])
async def test_who_waits_is_not_judged_again_after_a_start_before_the_list_was_read(
    listed: House, listed_meanwhile: bool
) -> None:
    await set_policy(listed, open_door().replace("otherwise: accept", "otherwise: forward"))
    listed.world.knock(GARDEN, ANA)
    await settled(listed)
    await listed.close()
    if listed_meanwhile:
        listed.world.list_entity(BANS, LIZ, ANA)
        listed.world.outbox.pop()
    listed.world.play("policy_rules", Later(foreign("slow"), retry_after=40))
    await listed.start_again()
    await settled(listed)
    request = await listed.request(ANA)
    assert [kind for _, kind in await listed.history(request)] == ["judged"]

    await listed.later(60)
    await settled(listed)
    kinds = [kind for _, kind in await listed.history(request)]
    assert kinds == (["judged", "judged", "banned"] if listed_meanwhile else ["judged"])


@pytest.mark.parametrize("approved_first", [True, False])
async def test_who_was_approved_in_advance_is_banned_all_the_same(listed: House, approved_first: bool) -> None:
    rule = "rules: [{name: friends, when: {pre_approved: true}, then: accept}]\notherwise: forward"
    await set_policy(listed, open_door().partition("\notherwise")[0] + f"\n{rule}")
    for approve in (True, False) if approved_first else (False, True):
        if approve:
            listed.tell(f"allow {ANA}")
        else:
            listed.world.list_entity(BANS, LIZ, ANA, reason="ads")
        await settled(listed)
    listed.world.knock(GARDEN, ANA)
    listed.tell(f"allow {BEA}")
    listed.world.knock(GARDEN, BEA)
    await settled(listed)

    assert memberships(listed, ANA) == ["knock", "ban"]
    assert listed.membership(BEA) == "invite"


@pytest.mark.parametrize(
    ("then", "waits", "membership"),
    [
        ("ban", "I judge this request again now.", "ban"),
        ("none", "This request goes on waiting, because only rules ask this list.", "knock"),
    ],
)
async def test_a_new_list_says_whom_it_hits_once_it_was_read(
    house: House, then: str, waits: str, membership: str
) -> None:
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    for user in (ANA, MONA):
        house.world.list_entity(BANS, LIZ, user)
    move_in(house)
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.world.play("policy_rules", Later(foreign("slow"), retry_after=20))
    command = house.tell(f"policy set {GARDEN}\n{open_door(then)}")
    await settled(house)
    assert not [text for text in house.spoken() if "The list community names" in text]

    await house.later(30)
    await settled(house)
    [told] = [said for said in house.said() if "The list community names" in said["body"]]
    assert without_marks(told["body"]).split("\n") == [
        f"The list community names 1 person whose request for Garden waits: {ANA}. {waits}",
        f"The list community names 1 person who has joined Garden: {MONA}. They stay in the room.",
    ]
    assert told["m.relates_to"]["m.in_reply_to"]["event_id"] == command
    assert told["m.mentions"] == {}
    assert (house.membership(ANA), house.membership(MONA)) == (membership, "join")

    await set_policy(house, open_door("reject"))
    await settled(house)
    assert len([text for text in house.spoken() if "The list community names" in text]) == 1, "only where it is new"
    assert "compared only" not in "".join(house.spoken())


async def test_a_new_list_does_not_announce_a_judgement_that_it_has_given(house: House) -> None:
    """It was read before Ana knocked, and said only then whom it hits."""
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    house.world.list_entity(BANS, LIZ, ANA)
    house.tell(f"policy set {GARDEN}\n{open_door('forward')}")
    await house.live()
    house.world.knock(GARDEN, ANA)
    await settled(house)
    assert "The policy asks you, because they are on list" in house.card().text
    [told] = [text for text in house.spoken() if "The list community names" in text]
    assert told == (
        f"The list community names 1 person whose request for Garden waits: {ANA}. "
        "The card of this request says so already."
    )


async def test_a_card_and_show_say_that_the_inviter_is_listed_and_not_whom_they_invite(listed: House) -> None:
    with_power_over_members(listed)
    await set_policy(listed, open_door("forward"))
    listed.world.list_entity(BANS, LIZ, MONA, reason="ads")
    await settled(listed)
    await planted(listed, by=MONA)
    await settled(listed)
    on_it = ON_IT.removeprefix("The ")
    assert f"⚠️ The policy asks you, because the {on_it}" in listed.card().text
    listed.tell("show 1")
    await settled(listed)
    assert "hey are on list" not in listed.spoken()[-1]
    assert f"Policy: forward, because the {on_it.removesuffix('.')}" in listed.spoken()[-1]


@pytest.mark.parametrize("listed", [ANA, "@nobody:tulip.example"])
async def test_where_more_people_are_in_the_room_than_are_compared_that_is_said(
    house: House, monkeypatch: pytest.MonkeyPatch, listed: str
) -> None:
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    house.world.list_entity(BANS, LIZ, listed)
    house.world.knock(GARDEN, ANA)
    await house.live()
    there = 1 + len([user for user in await house.context.outside.joined(GARDEN) if user != BOT])
    monkeypatch.setattr(hits, "MOST", there - 1)
    await set_policy(house)
    [told] = [text for text in house.spoken() if "The list community names" in text]
    assert (f"waits: {ANA}" in without_marks(told)) is (listed == ANA), "who waits comes first"
    assert told.endswith(f"I compared only {there - 1} of {there} people with it.")
