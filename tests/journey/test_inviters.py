"""When an inviter falls at a real door: banned, kicked, put below the level to invite, or gone of their own will."""

from __future__ import annotations

import pytest

from knockbot.demo.people import MatrixRefused, Person, until
from knockbot.demo.planted import Planted
from tests.keeper import Garden, InProcess, words
from tests.planting import gone, member, planted, standing, told

STAND = "{rules: [], otherwise_third_party: accept}"


async def standing_of(garden: Garden, inviter: Person | None = None, many: int = 1) -> list[Planted]:
    """Invites that stand, of this inviter or of somebody new."""
    inviter = inviter or await member(garden)
    invites = [await planted(garden, inviter) for _ in range(many)]
    for invite in invites:
        await told(garden, invite, "standing")
    return invites


async def garden_with(keeper: InProcess, policy: str, *names: str) -> tuple[Garden, list[Person]]:
    """A garden where it takes a level of 25 to invite, and people in it who have just that."""
    people = [await keeper.homeserver.person(name) for name in names]
    users = {person.user_id: 25 for person in people}
    garden = await keeper.plant(policy, levels={"invite": 25, "users": users})
    for person in people:
        await garden.bring(person, garden.room)
    return garden, people


async def said_how_many(garden: Garden, invites: list[Planted], part: str) -> None:
    """The management room is told what became of them, and how many they were."""
    many = f"{len(invites)} third-party invite"
    who = invites[0].inviter.user_id
    await garden.heard(lambda event: all(one in words(event) for one in (many, who, part)), f"{many}, {part}")


async def test_a_banned_inviter_leaves_nothing_behind(keeper: InProcess) -> None:
    garden = await keeper.garden(STAND)
    invites = await standing_of(garden, many=3)
    others = await planted(garden)

    await garden.alice.ban(garden.room, invites[0].inviter.user_id)

    await gone(garden, *invites)
    await said_how_many(garden, invites, "revoke")
    assert others.token in await standing(garden)


async def test_a_kicked_inviter_leaves_nothing_behind(keeper: InProcess) -> None:
    garden = await keeper.garden(STAND)
    invites = await standing_of(garden)

    await garden.alice.kick(garden.room, invites[0].inviter.user_id)

    await gone(garden, *invites)
    await said_how_many(garden, invites, "revoke")


async def test_the_invites_of_one_who_leaves_wait_for_the_moderators(keeper: InProcess) -> None:
    garden = await keeper.garden(STAND)
    [invite] = await standing_of(garden)

    await invite.inviter.leave(garden.room)

    card = await told(garden, invite, "pending")
    assert card["content"]["msgtype"] == "m.text"
    await said_how_many(garden, [invite], "for your answer")
    await garden.offered(card["event_id"], "✅❌⛔")
    await garden.alice.react(garden.mods, card["event_id"], "❌")
    await gone(garden, invite)


async def test_inviters_who_are_demoted_and_whom_a_raised_level_leaves_behind_have_theirs_taken_back(
    keeper: InProcess,
) -> None:
    garden, people = await garden_with(keeper, STAND, "mona", "lena")
    [of_mona, of_lena, of_alice] = [await standing_of(garden, person) for person in (*people, garden.alice)]

    await garden.give_power(people[0].user_id, 0)

    await gone(garden, *of_mona)
    await said_how_many(garden, of_mona, "revoke")
    assert await standing(garden) == {invite.token for invite in (*of_lena, *of_alice)}

    levels = await garden.alice.state(garden.room, "m.room.power_levels") or {}
    await garden.alice.put_state(garden.room, "m.room.power_levels", {**levels, "invite": 50})

    await gone(garden, *of_lena)
    await said_how_many(garden, of_lena, "revoke")
    assert await standing(garden) == {invite.token for invite in of_alice}


OTHERWISE = """
rules: []
otherwise_third_party: accept
inviter_removed: forward
inviter_demoted: keep
inviter_left: revoke
"""


async def test_the_policy_may_say_otherwise_for_each(keeper: InProcess) -> None:
    garden, people = await garden_with(keeper, OTHERWISE, "removed", "demoted", "left")
    [removed], [demoted], [left] = [await standing_of(garden, person) for person in people]

    await garden.alice.ban(garden.room, removed.inviter.user_id)
    await garden.give_power(demoted.inviter.user_id, 0)
    await left.inviter.leave(garden.room)

    await told(garden, removed, "pending")
    await said_how_many(garden, [removed], "for your answer")
    await said_how_many(garden, [demoted], "stay")
    await said_how_many(garden, [left], "revoke")
    await gone(garden, left)
    assert await standing(garden) == {removed.token, demoted.token}


async def test_what_a_user_without_power_planted_before_their_ban_is_revoked_before_anybody_uses_it(
    keeper: InProcess,
) -> None:
    """In a room where everybody may invite: the ban alone would leave the door open."""
    garden = await keeper.garden()
    levels = await garden.alice.state(garden.room, "m.room.power_levels") or {}
    mallory = await member(garden, "mallory")
    assert (levels["invite"], levels.get("users_default", 0), mallory.user_id in levels["users"]) == (0, 0, False)
    invite = await planted(garden, mallory)
    await told(garden, invite, "pending")

    await garden.alice.ban(garden.room, mallory.user_id)
    await gone(garden, invite)

    accomplice = await garden.person("eve")
    with pytest.raises(MatrixRefused):
        await invite.redeem(accomplice)
    await told(garden, invite, "revoked", by=keeper.user_id)


async def test_also_where_the_bot_comes_after_the_ban(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False, levels={"invite": 0})
    mallory = await member(garden, "mallory")
    invite = await planted(garden, mallory)
    await garden.alice.ban(garden.room, mallory.user_id)
    await until(lambda: standing(garden), lambda there: there == {invite.token}, lambda there: f"there stands {there}")

    await garden.command(f"protect {garden.room}")

    # It may be revoked before it has a card of its own: the line about its inviter tells of it either way.
    await gone(garden, invite)
    await said_how_many(garden, [invite], "revoke")
