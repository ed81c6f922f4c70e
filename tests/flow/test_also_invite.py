"""`also_invite`: who is accepted at one room and joins it is invited to others, by the power of who accepted them."""

from __future__ import annotations

import pytest

from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from tests.flow.house import GARDEN, MODS, House
from tests.flow.test_lists import settled
from tests.flow.test_spaces import LAWN, NESTED, OTHERS, POND, SHED, SPACE, ask, room, space
from tests.flow.world import ALICE, ANA, BOT, FAR, HOME, levels_for

BOB = f"@bob:{HOME}"
ALIAS = f"#lawn:{HOME}"
ALSO = f'also_invite: "{LAWN}"'


async def gardens(house: House, policy: str = ALSO, *, author: str = ALICE) -> None:
    """A garden whose guests are invited to the lawn, too; all rooms are managed from one."""
    for one in (LAWN, POND):
        room(house, one, ALICE, BOB, BOT)
        await house.protect(one)
    house.world.change(GARDEN, ALICE, BOB, "invite")
    house.world.change(GARDEN, BOB, BOB, "join")
    house.world.rooms[GARDEN].levels["users"][BOB] = 100
    house.world.rooms[LAWN].levels["users"][BOB] = 100
    house.world.rooms[POND].levels["users"][BOB] = 100
    house.world.aliases[ALIAS] = LAWN
    await house.live()
    await house.set_policy(policy, author=author)


async def let_in(house: House, who: str = ANA, *, by: str = ALICE, join: bool = True) -> list[str]:
    """Somebody knocks, is accepted and joins; returns what is said of it beside cards."""
    before = len(house.spoken())
    house.world.knock(GARDEN, who)
    await house.live()
    house.world.react(MODS, by, house.cards()[-1].event_id, "✅")
    await house.live()
    assert house.membership(who) == "invite"
    if join:
        house.world.change(GARDEN, who, who, "join")
        await house.live()
    return house.spoken()[before:]


@pytest.mark.parametrize("named", [f'"{LAWN}"', f'"{ALIAS}"', f'["{ALIAS}", "{LAWN}"]'])
async def test_who_is_accepted_and_joins_is_invited_there_as_well(house: House, named: str) -> None:
    await gardens(house, f"also_invite: {named}")
    assert await let_in(house, join=False) == []
    assert house.membership(ANA, LAWN) is None, "they may not take the first invite"
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()

    assert house.membership(ANA, LAWN) == "invite"
    assert house.membership(ANA, POND) is None
    assert [said for said in house.spoken() if "could not" in said] == []


async def test_who_is_accepted_by_a_rule_is_invited_with_the_power_of_its_author(house: House) -> None:
    await gardens(house, f"{ALSO}\notherwise: accept\nannounce: none", author=BOB)
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    assert house.membership(ANA, LAWN) == "invite"

    house.world.rooms[LAWN].levels = {"invite": 50, **levels_for()}
    house.world.knock(GARDEN, FAR)
    await house.live()
    house.world.change(GARDEN, FAR, FAR, "join")
    await house.live()
    assert house.membership(FAR, LAWN) is None
    assert f"❌ Lawn: {BOB} set the policy: I would do this for {BOB}" in house.spoken()[-1]


@pytest.mark.parametrize("lack", ["power", "membership", "the bot's power", "the bot"])
async def test_what_whoever_accepted_could_not_do_by_hand_is_not_done_and_told(house: House, lack: str) -> None:
    await gardens(house)
    if lack == "power":
        house.world.rooms[LAWN].levels = {"invite": 50, **levels_for()}
    if lack == "membership":
        house.world.change(LAWN, BOB, BOB, "leave")
    if lack == "the bot's power":
        house.world.rooms[LAWN].levels = {"invite": 50, "users": {ALICE: 100, BOB: 100}}
    if lack == "the bot":
        house.world.change(LAWN, ALICE, BOT, "leave")
    await house.live()
    said = await let_in(house, by=BOB)

    assert house.membership(ANA, LAWN) is None
    [told] = [one for one in said if "could not invite" in one]
    assert "1 other room" in told
    assert "Lawn" in told
    assert (f"❌ Lawn: {BOB} accepted them: " in told) == (lack == "power")
    assert (f"❌ Lawn: {BOB}, who accepted them, is not in this room." in told) == (lack == "membership")


async def test_several_rooms_that_somebody_could_not_be_invited_to_are_told_together(house: House) -> None:
    await gardens(house, f'also_invite: ["{LAWN}", "{POND}"]')
    for one in (LAWN, POND):
        house.world.rooms[one].levels = {"invite": 50, **levels_for()}
    said = await let_in(house, by=BOB)

    [told] = [one for one in said if "could not invite" in one]
    assert "2 other rooms" in told


IS_THERE: dict[str, tuple[list[tuple[str, str]], str]] = {
    "joined": ([(ANA, "join")], "join"),
    "invited": ([(ALICE, "invite")], "invite"),
}


@pytest.mark.parametrize("stands", IS_THERE)
async def test_who_is_in_there_is_left_alone_and_nothing_is_said(house: House, stands: str) -> None:
    changes, after = IS_THERE[stands]
    await gardens(house)
    for by, membership in changes:
        house.world.change(LAWN, by, ANA, membership)
    said = await let_in(house)

    assert house.membership(ANA, LAWN) == after
    assert [one for one in said if "could not" in one] == []
    assert [call for call in house.world.asked("invite") if call[1] == LAWN] == []


async def test_who_is_banned_there_stays_banned_and_that_is_said(house: House) -> None:
    await gardens(house)
    house.world.change(LAWN, ALICE, ANA, "ban")
    said = await let_in(house)

    assert house.membership(ANA, LAWN) == "ban"
    assert said[-1].endswith("❌ Lawn: they are banned there.")


async def test_who_was_removed_there_does_not_come_back_by_this(house: House) -> None:
    await gardens(house)
    house.world.change(LAWN, ANA, ANA, "join")
    house.world.change(LAWN, ALICE, ANA, "leave")
    said = await let_in(house)

    assert house.membership(ANA, LAWN) == "leave"
    assert "removed them there" in said[-1]


async def test_who_left_there_by_themselves_is_invited_again(house: House) -> None:
    await gardens(house)
    house.world.change(LAWN, ANA, ANA, "join")
    house.world.change(LAWN, ANA, ANA, "leave")
    await let_in(house)
    assert house.membership(ANA, LAWN) == "invite"


# --- who waits there ----------------------------------------------------------------------------------------------


async def waits_there(
    house: House, *, by: str | None = ALICE, lawn: str = "otherwise: forward", also: str = ALSO
) -> None:
    """Somebody knocks on the lawn, is accepted in the garden by a moderator, or by the policy, and joins."""
    await gardens(house, f"{also}\notherwise: {'forward' if by else 'accept'}", author=BOB)
    await ask(house, f"policy set {LAWN}\n{lawn}")
    await settled(house)
    house.world.knock(LAWN, ANA)
    await house.live()
    house.world.knock(GARDEN, ANA)
    await house.live()
    if by is not None:
        [card] = [card for card in house.cards() if card.block["room_id"] == GARDEN]
        house.click("✅", card=card, by=by)
        await house.live()
    house.world.change(GARDEN, ANA, ANA, "join")


async def shown_on_the_lawn(house: House) -> str:
    """What the card of the lawn, a look and the log say of the request there."""
    request = await house.request(ANA, LAWN)
    [card] = [card for card in house.cards() if card.block["room_id"] == LAWN]
    return "\n".join(
        [card.text, *await ask(house, f"show {request.number}"), *await ask(house, f"log {request.number}")]
    )


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("by", [BOB, None], ids=["moderator", "rule"])
async def test_who_waits_there_is_accepted_there_by_the_same_and_all_say_so(
    house: House, by: str | None, killed: bool
) -> None:
    await waits_there(house, by=by)
    if killed:
        house.world.play("invite", Later(foreign("slow")), done=True)
        await house.hear()
        await house.die()
        await house.start_again()
        await house.later(120)
    await house.live()

    assert house.membership(ANA, LAWN) == "invite"
    assert (await house.request(ANA, LAWN)).state == "accepted"
    who = f"{by} (also invited from Garden)" if by else "the policy of Garden (otherwise) (also invited)"
    shown = await shown_on_the_lawn(house)
    assert shown.count(who) == shown.count("(also invited") >= 3
    assert BOT not in shown.replace("judged", "")
    assert "also invited to Lawn" in "".join(await ask(house, "log"))
    assert [one for one in house.spoken() if "could not invite" in one] == []


async def test_the_line_of_somebody_whom_rules_accept_at_both_says_where_it_comes_from(house: House) -> None:
    await waits_there(house, by=None)
    await house.live()
    house.world.change(LAWN, ANA, ANA, "join")
    await house.live()
    [card] = [card for card in house.cards() if card.block["room_id"] == LAWN]
    assert "Joined. Accepted by the policy of Garden (otherwise) (also invited)." in card.text


LACKS = {
    "power": "power level 0 is too low to invite",
    "membership": "is not in this room.",
}


@pytest.mark.parametrize("lack", LACKS)
@pytest.mark.parametrize("by", [BOB, None], ids=["moderator", "author"])
async def test_who_waits_there_goes_on_waiting_where_that_person_may_not_and_it_is_told(
    house: House, by: str | None, lack: str
) -> None:
    await waits_there(house, by=by)
    if lack == "power":
        house.world.rooms[LAWN].levels = {"invite": 50, **levels_for()}
    else:
        house.world.change(LAWN, BOB, BOB, "leave")
    await house.live()

    assert house.membership(ANA, LAWN) == "knock"
    assert (await house.request(ANA, LAWN)).awaits_moderators
    [told] = [one for one in house.spoken() if "could not invite" in one]
    assert f"❌ Lawn: {BOB}" in told
    assert LACKS[lack] in told


@pytest.mark.parametrize("by", [BOB, None], ids=["moderator", "rule"])
async def test_where_that_room_is_in_dry_run_a_rule_only_tells_and_a_moderator_accepts(
    house: House, by: str | None
) -> None:
    await waits_there(house, by=by, lawn="dry_run: true\notherwise: reject")
    await house.live()

    told = [one for one in house.spoken() if "dry run" in one and "could not invite" in one]
    if by is not None:
        assert (house.membership(ANA, LAWN), told) == ("invite", [])
        return
    number = (await house.request(ANA, LAWN)).number
    assert house.membership(ANA, LAWN) == "knock"
    assert f"❌ Lawn: its policy is in dry run. I would have accepted their request #{number} there." in told[0]


async def test_where_that_room_takes_the_votes_of_several_it_is_one_vote_and_the_message_says_so(house: House) -> None:
    await waits_there(house, by=BOB, lawn="votes: {accept: 2}")
    house.world.change(MODS, ALICE, BOB, "invite")
    house.world.change(MODS, BOB, BOB, "join")
    await house.live()
    assert house.membership(ANA, LAWN) == "knock"
    [told] = [one for one in house.spoken() if "could not invite" in one]
    assert f"❌ Lawn: the accept of {BOB} is one vote for their request #1 there." in told
    assert "also invited to" not in "".join(await ask(house, "log"))


async def test_an_accept_of_somebody_who_is_not_in_the_management_room_is_told_to_be_no_vote(house: House) -> None:
    await waits_there(house, by=BOB, lawn="votes: {accept: 2}")
    await house.live()
    [told] = [one for one in house.spoken() if "could not invite" in one]
    assert f"would be a vote for their request #1 there, but does not count, because {BOB} is not in this room" in told
    await ask(house, "accept 1")
    [card] = [card for card in house.cards() if card.block["room_id"] == LAWN]
    lines = card.text.split("\n")

    assert house.membership(ANA, LAWN) == "knock"
    assert f"✅ 1 of 2: {ALICE}" in lines
    assert f"✅ not counted, because they left the management room: {BOB}" in lines


async def test_who_does_not_wait_there_is_not_invited_by_a_rule_where_that_room_is_in_dry_run(house: House) -> None:
    await gardens(house, f"{ALSO}\notherwise: accept")
    await house.set_policy("dry_run: true", LAWN)
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    assert house.membership(ANA, LAWN) is None
    assert "❌ Lawn: its policy is in dry run. I would have invited them." in house.spoken()[-1]


async def test_who_was_answered_otherwise_there_stays_so_and_that_is_told(house: House) -> None:
    await waits_there(house)
    house.world.play("kick", Later(foreign("slow"), retry_after=60))
    [card] = [card for card in house.cards() if card.block["room_id"] == LAWN]
    house.world.react(MODS, ALICE, card.event_id, "❌")
    await house.live()
    await house.later(120)
    assert house.membership(ANA, LAWN) == "leave"
    assert [one for one in house.spoken() if "could not invite" in one]


async def test_a_knock_there_that_is_not_taken_in_yet_is_waited_for(house: House) -> None:
    await gardens(house)
    await let_in(house, join=False)
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.hear()
    house.world.knock(LAWN, ANA)
    await house.work()
    assert house.membership(ANA, LAWN) == "knock"
    await house.live()
    await house.later(5)
    assert house.membership(ANA, LAWN) == "invite"
    assert "(also invited from Garden)" in await shown_on_the_lawn(house)


async def test_a_rules_accept_there_is_taken_back_once_a_list_names_them(house: House) -> None:
    house.world.room(BANS, "Bans", LIZ, ALICE, BOB, levels=levels_for([LIZ]), join_rule="public")
    await waits_there(house, by=None, lawn=f'lists: [{{room: "{BANS}", name: community, then: forward}}]')
    await settled(house)
    assert house.membership(ANA, LAWN) == "invite"
    house.world.list_entity(BANS, LIZ, ANA, reason="ads")
    await settled(house)
    assert house.membership(ANA, LAWN) == "leave"


async def test_another_management_room_does_not_learn_where_they_were_accepted_first(house: House) -> None:
    await waits_there(house)
    await house.live()
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    house.world.say(OTHERS, ALICE, f"!kb protect {LAWN}")
    await house.live()
    house.world.say(OTHERS, ALICE, f"!kb log {ANA}")
    house.world.say(OTHERS, ALICE, f"!kb show {ANA}")
    await house.live()
    told = [str(content) for content in house.said(OTHERS)]
    assert any("ccept" in one for one in told)
    assert not [one for one in told if "Garden" in one]


async def test_a_list_that_was_never_read_comes_before(house: House) -> None:
    await gardens(house)
    lists = f'lists: [{{room: "!bans:{HOME}", name: community}}]'
    await house.set_policy(lists, LAWN)
    said = await let_in(house)

    assert house.membership(ANA, LAWN) is None
    assert "a policy list of that room" in said[-1]


BANS = f"!bans:{HOME}"
LIZ = f"@liz:{HOME}"
"""Who writes the list of the lawn."""


async def listed_lawn(house: House, then: str = "ban", *, set_for: str = LAWN, author: str = ALICE) -> None:
    """Gardens whose lawn, or its space, has a policy list, which was read."""
    await gardens(house)
    if set_for == SPACE:
        space(house, LAWN)
        await ask(house)
    house.world.room(BANS, "Bans", LIZ, ALICE, BOB, levels=levels_for([LIZ]), join_rule="public")
    policy = f'lists: [{{room: "{BANS}", name: community, then: {then}}}]\notherwise: accept'
    assert "policy" in (await ask(house, f"policy set {set_for}\n{policy}", by=author))[0].lower()
    await settled(house)


async def also_invited(house: House, *, listed: str) -> str | None:
    """The membership on the lawn of somebody who is listed there at this moment, and accepted in the garden."""

    def write() -> None:
        house.world.list_entity(BANS, LIZ, ANA, reason="ads")

    if listed == "before":
        write()
        await settled(house)
    await let_in(house, join=False)
    if listed == "once accepted":
        write()
        await settled(house)
    if listed == "right before the join":
        write()
    house.world.change(GARDEN, ANA, ANA, "join")
    if listed == "right after the join":
        write()
    await settled(house)
    return house.membership(ANA, LAWN)


WHEN = ["before", "once accepted", "right before the join", "right after the join"]


@pytest.mark.parametrize("listed", WHEN)
@pytest.mark.parametrize("then", ["ban", "reject", "forward"])
async def test_whom_a_list_of_the_other_room_names_is_not_invited_there(house: House, then: str, listed: str) -> None:
    await listed_lawn(house, then)
    assert await also_invited(house, listed=listed) is None
    assert house.membership(ANA) == "join"
    [told] = [said for said in house.spoken() if "could not invite" in said]
    assert "a policy list of that room" in told


@pytest.mark.parametrize(("then", "listed"), [("none", "before"), ("ban", "never")])
async def test_a_list_of_the_other_room_that_does_not_name_them_or_does_not_decide_keeps_nobody_out(
    house: House, then: str, listed: str
) -> None:
    await listed_lawn(house, then)
    assert await also_invited(house, listed=listed) == "invite"


async def test_whoever_set_the_list_of_the_other_room_need_not_have_power_there_any_more(house: House) -> None:
    await listed_lawn(house, author=BOB)
    house.world.rooms[LAWN].levels = {"invite": 50, **levels_for()}
    await house.live()
    assert await also_invited(house, listed="before") is None


async def test_a_list_of_the_space_of_the_other_room_keeps_them_out_as_well(house: House) -> None:
    await listed_lawn(house, set_for=SPACE)
    assert await also_invited(house, listed="once accepted") is None


async def test_an_invite_there_waits_until_what_arrived_of_the_list_is_taken_in(house: House) -> None:
    await listed_lawn(house)
    await let_in(house, join=False)
    house.world.play("policy_rule", Later(foreign("slow"), retry_after=5))
    house.world.list_entity(BANS, FAR, ANA)  # of another server: the room is asked what stands
    await house.live()
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    assert house.membership(ANA, LAWN) is None
    assert not [said for said in house.spoken() if "could not invite" in said], "it waits"
    await settled(house)
    assert house.membership(ANA, LAWN) is None
    assert [said for said in house.spoken() if "could not invite" in said]


async def test_a_server_that_the_room_denies_is_not_invited(house: House) -> None:
    await gardens(house)
    house.world.set_acl(LAWN, allow=["*"], deny=["slow.example"])
    said = await let_in(house, FAR)
    assert house.membership(FAR, LAWN) is None
    assert "could not invite" in said[-1]


async def test_a_join_that_nobody_accepted_invites_nowhere(house: House) -> None:
    await gardens(house)
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    assert house.membership(ANA, LAWN) is None


async def test_who_does_not_take_the_invite_is_invited_nowhere(house: House) -> None:
    await gardens(house)
    await let_in(house, join=False)
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()
    assert house.membership(ANA, LAWN) is None


async def test_rooms_that_invite_to_each_other_end(house: House) -> None:
    await gardens(house)
    await house.set_policy(f'also_invite: "{GARDEN}"', LAWN)
    await let_in(house)
    house.world.change(LAWN, ANA, ANA, "join")
    await house.live()
    assert house.membership(ANA, LAWN) == "join"
    assert await house.jobs("due", "running", "blocked") == {}


@pytest.mark.parametrize("way", ["moved", "let go"])
async def test_a_room_that_is_not_managed_from_there_any_more_is_not_invited_to(house: House, way: str) -> None:
    await gardens(house)
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    if way == "moved":
        house.world.say(OTHERS, ALICE, f"!kb protect {LAWN}")
    else:
        house.tell(f"unprotect {LAWN}")
    await house.live()
    said = await let_in(house)
    assert house.membership(ANA, LAWN) is None
    assert said[-1].endswith(f"❌ {LAWN}: it is no longer managed from here."), "whoever manages it now"


async def test_it_is_done_once_across_a_restart_and_a_slow_homeserver(house: House) -> None:
    await gardens(house)
    house.world.play("invite", None)
    await let_in(house, join=False)
    house.world.play("invite", Later(foreign("slow")), done=True)
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.hear()
    await house.die()
    await house.start_again()
    await house.later(120)
    await house.later(120)

    assert house.membership(ANA, LAWN) == "invite"
    assert [one for one in house.spoken() if "could not" in one] == []
    assert "".join(await ask(house, "log")).count("also invited to") == 1


@pytest.mark.parametrize("by", ["moderator", "rule"])
async def test_the_log_tells_where_somebody_was_invited_as_well_and_by_whom(house: House, by: str) -> None:
    await gardens(house, ALSO if by == "moderator" else f"{ALSO}\notherwise: accept", author=BOB)
    if by == "moderator":
        await let_in(house)
    else:
        house.world.knock(GARDEN, ANA)
        await house.live()
        house.world.change(GARDEN, ANA, ANA, "join")
        await house.live()
    whose = ALICE if by == "moderator" else BOB

    for command in ("log", f"log {ANA}", "show 1"):
        (line,) = [line for line in "\n".join(await ask(house, command)).splitlines() if "also invited" in line]
        assert "also invited to Lawn" in line
        assert whose in line


async def test_who_was_not_invited_anywhere_has_no_such_line(house: House) -> None:
    await gardens(house)
    house.world.change(LAWN, ALICE, ANA, "invite")
    await let_in(house)

    assert "also invited" not in "".join(await ask(house, "log"))


async def test_what_the_homeserver_refuses_is_told(house: House) -> None:
    await gardens(house)
    await let_in(house, join=False)
    house.world.play("invite", Never(foreign("they refuse invites"), code="M_INVITE_BLOCKED"))
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    assert "they refuse invites" in house.spoken()[-1]


async def test_a_third_party_guest_is_invited_as_well(house: House) -> None:
    await gardens(house, f"{ALSO}\notherwise_third_party: accept")
    house.world.plant(GARDEN, ALICE)
    await house.live()
    house.world.redeem(GARDEN, ANA)
    await house.live()
    assert house.membership(ANA) == "join"
    assert house.membership(ANA, LAWN) == "invite"


async def test_a_room_that_takes_the_policy_of_its_space_invites_where_that_one_means(house: House) -> None:
    space(house, GARDEN)
    for one in (LAWN, POND):
        room(house, one)
        await house.protect(one)
    house.world.aliases[ALIAS] = LAWN
    await ask(house)
    await ask(house, f'policy set {SPACE}\nalso_invite: "{ALIAS}"')
    house.world.aliases[ALIAS] = POND
    await let_in(house)

    assert (house.membership(ANA, LAWN), house.membership(ANA, POND)) == ("invite", None)


# --- children -----------------------------------------------------------------------------------------------------


async def test_children_are_the_rooms_that_the_space_itself_names(house: House) -> None:
    space(house, LAWN, POND, NESTED)
    space(house, SHED, room_id=NESTED)
    for one in (LAWN, POND, SHED):
        room(house, one)
    await ask(house)
    await ask(house, f"protect {POND}")
    house.world.name_child(SPACE, POND)
    await house.live()
    await house.set_policy("also_invite: children", SPACE)
    house.world.knock(SPACE, ANA)
    await house.live()
    house.click("✅")
    await house.live()
    house.world.change(SPACE, ANA, ANA, "join")
    await house.live()

    there = {one: house.membership(ANA, one) for one in (LAWN, POND, NESTED, SHED)}
    assert there == {LAWN: "invite", POND: None, NESTED: None, SHED: None}


# --- the policy ---------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[str, str]] = {
    "an unknown room": (f'also_invite: "!none:{HOME}"', "not managed from here"),
    "an unknown alias": (f'also_invite: "#none:{HOME}"', "not managed from here"),
    "itself": (f'also_invite: ["{LAWN}", "{GARDEN}"]', "which is the room of this policy itself. Name other rooms."),
    "a room of others": (f'also_invite: "{OTHERS}"', "not managed from here"),
    "a name": ("also_invite: Lawn", "expected a room ID or alias"),
    "a number": ("also_invite: 5", "also_invite"),
    "too many": (f"also_invite: {[f'!r{n}:{HOME}' for n in range(51)]}", "at most 50"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_policy_names_only_rooms_that_are_managed_from_the_same_room(house: House, case: str) -> None:
    text, why = REFUSED[case]
    await gardens(house, "otherwise: forward")
    said = await ask(house, f"policy set {GARDEN}\n{text}")
    assert why in said[0]
    assert "Policy not changed" in said[0] or "not changed" in said[0]


async def test_a_policy_set_in_chat_keeps_what_its_alias_meant(house: House) -> None:
    await gardens(house, "otherwise: forward")
    await ask(house, f'policy set {GARDEN}\nalso_invite: "{ALIAS}"')
    house.world.aliases[ALIAS] = POND
    await let_in(house)
    assert house.membership(ANA, LAWN) == "invite"
    assert house.membership(ANA, POND) is None
