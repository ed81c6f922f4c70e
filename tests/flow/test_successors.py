"""A room that a policy names is replaced: its members are unknown, and one click has the policy mean the new room."""

from __future__ import annotations

from typing import Any

import pytest

from knockbot.flow import rules
from knockbot.store import policies
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.world import ALICE, ANA, BEA, BOT, HOME

CLUB, NEW, TRAP = "!club:tulip.example", "!newclub:tulip.example", "!trap:evil.example"
ALIAS = f"#club:{HOME}"
BOB = f"@bob:{HOME}"
BY_CLUB = f'rules: [{{name: club, when: {{member_of: "{ALIAS}"}}, then: accept}}]\notherwise: reject'
BY_ID = BY_CLUB.replace(ALIAS, CLUB)


@pytest.fixture(params=[BY_CLUB, BY_ID], ids=["alias", "id"])
async def by_club(house: House, request: pytest.FixtureRequest) -> House:
    """A garden that is open to the members of a club; ana is one."""
    house.world.room(CLUB, "Club", ALICE, BOT, ANA, join_rule="invite")
    house.world.aliases[ALIAS] = CLUB
    house.tell(f"policy set {GARDEN}\n{request.param}")
    await house.live()
    return house


async def replaced(house: House, *joined: str, **how: Any) -> None:
    """The club is replaced; bea is in the new one, and its alias leads there."""
    house.world.room(NEW, "New club", ALICE, BEA, *joined, **{"predecessor": CLUB, "join_rule": "invite", **how})
    house.world.aliases[ALIAS] = NEW
    house.world.replace(CLUB, NEW)
    await house.live()


def questions(house: House) -> list[str]:
    """The messages that ask the moderators."""
    said = house.world.rooms[MODS].said
    return [event["event_id"] for event in said if "Click ✅" in event["content"].get("body", "")]


async def click(house: House, by: str = ALICE, emoji: str = "✅") -> None:
    [question] = questions(house)
    house.world.react(MODS, by, question, emoji)
    await house.live()


async def meant(house: House) -> list[str]:
    return await meant_by(house, GARDEN)


async def meant_by(house: House, room_id: str) -> list[str]:
    in_force = await rules.look_up(house.context, room_id)
    async with house.db.tx() as tx:
        return list((await rules.meant_here(tx, in_force)).values())


async def knocked(house: House, *who: str) -> list[str | None]:
    """Where people stand once they have knocked."""
    for one in who:
        house.world.knock(GARDEN, one)
    await house.live()
    return [house.membership(one) for one in who]


async def test_from_its_tombstone_on_nobody_comes_in_as_a_member(by_club: House) -> None:
    await replaced(by_club)
    assert await knocked(by_club, ANA, BEA) == ["knock", "knock"]
    assert "was replaced by another room" in by_club.cards()[0].text


async def test_the_moderators_are_asked_once(by_club: House) -> None:
    await replaced(by_club, BOT)
    for _ in range(3):
        await by_club.look_everywhere()
        await by_club.live()

    assert len(questions(by_club)) == 1
    assert len([said for said in by_club.spoken() if "was replaced by" in said]) == 1


async def test_one_click_has_the_policy_mean_the_new_room(by_club: House) -> None:
    await replaced(by_club, BOT)
    await click(by_club)

    assert await meant(by_club) == [NEW]
    assert await knocked(by_club, ANA, BEA) == ["leave", "invite"]
    async with by_club.db.tx() as tx:
        revisions = await policies.revisions(tx, GARDEN, 9)
    assert [(one.revision, one.author) for one in revisions] == [(2, ALICE), (1, ALICE)]
    await by_club.look_everywhere()
    await by_club.live()
    assert len(questions(by_club)) == 1


@pytest.mark.parametrize("lack", ["power", "the garden", "the new room"])
async def test_only_who_could_set_the_policy_changes_what_it_means(by_club: House, lack: str) -> None:
    await replaced(by_club, BOT)
    by_club.world.rooms[GARDEN].levels["users"][BOB] = 0 if lack == "power" else 100
    for place in (GARDEN, NEW):
        by_club.world.change(place, BOB, BOB, "join")
    if lack == "the garden":
        by_club.world.change(GARDEN, BOB, BOB, "leave")
    if lack == "the new room":
        by_club.world.change(NEW, BOB, BOB, "leave")
    await click(by_club, by=BOB)
    assert await meant(by_club) == [CLUB]

    await click(by_club, by=ALICE)
    assert await meant(by_club) == [NEW]


@pytest.mark.parametrize("emoji", ["❌", "👍", "⛔"])
async def test_another_reaction_changes_nothing(by_club: House, emoji: str) -> None:
    await replaced(by_club, BOT)
    await click(by_club, emoji=emoji)
    assert await meant(by_club) == [CLUB]


async def test_a_click_that_came_while_the_bot_was_away_counts(by_club: House) -> None:
    await replaced(by_club, BOT)
    [question] = questions(by_club)
    by_club.world.react(MODS, ALICE, question, "✅")
    by_club.world.outbox.clear()
    await by_club.die()
    await by_club.start_again()
    await by_club.live()
    assert await meant(by_club) == [NEW]


async def test_a_policy_that_was_set_meanwhile_is_not_overwritten_by_a_click(by_club: House) -> None:
    await replaced(by_club, BOT)
    by_club.tell(f"policy set {GARDEN}\notherwise: accept")
    await by_club.live()
    await click(by_club)

    async with by_club.db.tx() as tx:
        current = await policies.current(tx, GARDEN)
    assert current is not None
    assert current.text.strip() == "otherwise: accept"


async def test_where_the_bot_is_not_in_the_new_room_it_asks_once_it_is(by_club: House) -> None:
    await replaced(by_club)
    assert questions(by_club) == []
    assert any("I am not in that room yet" in said for said in by_club.spoken())

    by_club.world.change(NEW, ALICE, BOT, "invite")
    await by_club.live()
    await click(by_club)
    assert await meant(by_club) == [NEW]


@pytest.mark.parametrize("predecessor", [None, "!other:tulip.example"])
async def test_a_room_that_does_not_say_that_it_replaces_the_named_one_is_not_offered(
    by_club: House, predecessor: str | None
) -> None:
    await replaced(by_club, BOT, predecessor=predecessor)
    assert questions(by_club) == []
    assert any("does not say that it replaces the old one" in said for said in by_club.spoken())


async def test_a_public_room_that_replaces_nothing_is_left_again_at_once(by_club: House) -> None:
    await replaced(by_club, predecessor=None, join_rule="public")
    assert questions(by_club) == []
    assert any("does not say that it replaces the old one" in said for said in by_club.spoken())
    assert by_club.membership(BOT, NEW) == "leave"


async def test_a_room_that_replaces_nothing_and_that_somebody_invited_the_bot_to_is_not_left(by_club: House) -> None:
    by_club.world.room(TRAP, "Lounge", ALICE)
    by_club.world.change(TRAP, ALICE, BOT, "invite")
    await by_club.live()
    by_club.world.replace(CLUB, TRAP)
    await by_club.live()
    assert any("does not say that it replaces the old one" in said for said in by_club.spoken())
    assert by_club.membership(BOT, TRAP) == "join"


@pytest.mark.parametrize("replacement", ["", "garbage", "#alias:tulip.example", CLUB])
async def test_a_tombstone_that_makes_no_sense_is_told_once(by_club: House, replacement: str) -> None:
    by_club.world.replace(CLUB, replacement)
    await by_club.live()
    await by_club.look_everywhere()
    await by_club.live()

    assert len([said for said in by_club.spoken() if "I do not use the new room" in said]) == 1
    assert await knocked(by_club, ANA) == ["knock"]


async def test_a_tombstone_that_is_gone_again_makes_members_known_again(by_club: House) -> None:
    await replaced(by_club, BOT)
    by_club.world.rooms[CLUB].tombstone = None
    by_club.world.state_changed(CLUB, "m.room.tombstone")
    await by_club.live()
    assert await knocked(by_club, ANA) == ["invite"]


async def test_a_room_that_two_policies_name_is_asked_about_for_each(by_club: House) -> None:
    other = "!other:tulip.example"
    by_club.world.room(other, "Other", ALICE, BOT, levels=by_club.world.rooms[GARDEN].levels)
    await by_club.protect(other)
    await by_club.set_policy(BY_ID, other)
    await replaced(by_club, BOT)

    first, second = questions(by_club)
    for question in (first, second):
        by_club.world.react(MODS, ALICE, question, "✅")
    await by_club.live()
    assert [await meant_by(by_club, room) for room in (GARDEN, other)] == [[NEW], [NEW]]


async def test_a_policy_that_names_two_rooms_that_were_replaced_is_mended_one_by_one(house: House) -> None:
    house.world.room(CLUB, "Club", ALICE, BOT)
    house.world.room("!staff", "Staff", ALICE, BOT)
    await house.set_policy(f'rules: [{{when: {{member_of: ["{CLUB}", "!staff"]}}, then: accept}}]')
    house.world.room("!newstaff", "New staff", ALICE, BOT, predecessor="!staff")
    await replaced(house, BOT)
    house.world.replace("!staff", "!newstaff")
    await house.live()
    for question in questions(house):
        house.world.react(MODS, ALICE, question, "✅")
        await house.live()

    assert sorted(await meant(house)) == [NEW, "!newstaff"]


@pytest.mark.parametrize("where", ["rooms", "defaults"])
async def test_what_the_config_file_names_only_the_servers_admin_changes(ready_url: str, where: str) -> None:
    policy: Any = {"rules": [{"when": {"member_of": CLUB}, "then": "accept"}], "otherwise": "reject"}
    more: Any = {"rooms": {GARDEN: {"management_room": MODS, "policy": policy}}} if where == "rooms" else {}
    async with housed(ready_url, **(more or {"defaults": {"policy": policy}})) as house:
        house.world.room(CLUB, "Club", ALICE, BOT, ANA)
        await house.keep_configured()
        await replaced(house, BOT)

        assert questions(house) == []
        assert any("Only my server's admin can write the new one" in said for said in house.spoken())
        assert await knocked(house, ANA) == ["knock"]
