"""Trouble: the bot is put out, or its power is taken away; moderators are told once, and nothing is lost."""

from __future__ import annotations

import pytest

from knockbot.demo.people import Json
from tests.keeper import Garden, InProcess, block, edit_of, words


async def alarms(garden: Garden) -> list[Json]:
    """What the bot has said aloud that is no card."""
    return [event for event in await garden.said() if event["content"]["msgtype"] == "m.text" and not block(event)]


async def the_alarm(garden: Garden) -> Json:
    """The one alarm there is, once there is one."""
    first = await garden.heard(lambda event: event["content"]["msgtype"] == "m.text" and not block(event))
    await garden.caught_up_here()
    assert len(await alarms(garden)) == 1
    return first


async def let_back_in(garden: Garden) -> None:
    """Alice invites the bot, and it comes."""
    await garden.alice.invite(garden.room, garden.keeper.user_id)
    await garden.membership_of_bot("join")


# --- put out ------------------------------------------------------------------------------------------------------


async def test_moderators_are_told_once_when_the_bot_is_put_out(keeper: InProcess) -> None:
    garden = await keeper.plant(alone=True)
    await garden.set_policy(f"call: ['{garden.alice.user_id}']")
    ana = await garden.knocker()
    number = block(await garden.card(ana))["number"]

    await garden.alice.ban(garden.room, keeper.user_id, "cleaning up")

    alarm = await the_alarm(garden)
    assert garden.alice.user_id in words(alarm)
    assert "cleaning up" in words(alarm)
    assert alarm["content"]["m.mentions"] == {"user_ids": [garden.alice.user_id]}
    await garden.command(f"accept {number}")
    await garden.command("list")
    assert "⚠️" in await garden.command("rooms")
    assert len(await alarms(garden)) == 1


async def test_back_in_the_room_the_bot_shows_what_it_missed_and_tells_when_it_is_put_out_again(
    keeper: InProcess,
) -> None:
    garden = await keeper.plant(alone=True)
    await garden.alice.kick(garden.room, keeper.user_id)
    ana = await garden.knocker("ana", "roses")
    first = await the_alarm(garden)
    checked = await garden.command(f"check {garden.room}")
    assert "✅" not in checked
    assert "invite" in checked

    await let_back_in(garden)

    await garden.card(ana)
    assert "I am not in this room" not in await garden.command("rooms")
    assert len(await alarms(garden)) == 1
    await garden.caught_up()
    await garden.alice.kick(garden.room, keeper.user_id)
    await garden.heard(
        lambda event: event["content"]["msgtype"] == "m.text" and not block(event), after=first["event_id"]
    )


async def test_back_in_the_room_the_bot_learns_what_became_of_its_requests(keeper: InProcess) -> None:
    garden = await keeper.plant(alone=True)
    names = ("withdrawn", "accepted", "joined", "rejected", "banned", "pending", "again")
    people = {name: await garden.knocker(name) for name in names}
    cards = {name: await garden.card(person) for name, person in people.items()}
    alice, room = garden.alice, garden.room
    await alice.kick(room, keeper.user_id)
    await people["withdrawn"].retract(room)
    await alice.invite(room, people["accepted"].user_id)
    await alice.invite(room, people["joined"].user_id)
    await people["joined"].join(room)
    await alice.kick(room, people["rejected"].user_id)
    await alice.ban(room, people["banned"].user_id)
    await people["again"].retract(room)
    await people["again"].knock(room, "once more")

    await let_back_in(garden)

    for name in ("withdrawn", "accepted", "joined", "rejected", "banned"):
        edited = await garden.shown(people[name], name, after=cards[name]["event_id"])
        assert edit_of(edited) == cards[name]["event_id"]
    for name in ("accepted", "rejected", "banned"):
        await garden.shown(people[name], name, by=alice.user_id)
    await garden.caught_up()
    assert len(await garden.said_about(people["pending"])) == 1
    assert block((await garden.said_about(people["again"]))[-1])["state"] == "pending"
    assert sum((await garden.acts_of_the_bot()).values()) == 0


async def test_what_was_decided_is_done_when_the_bot_is_back(keeper: InProcess) -> None:
    garden = await keeper.plant("otherwise: reject", alone=True)
    await garden.alice.kick(garden.room, keeper.user_id)
    await the_alarm(garden)
    people = [await garden.knocker() for _ in range(2)]

    await let_back_in(garden)

    for person in people:
        await garden.membership(person, "leave")
        assert await garden.acts_on(person) == ["leave"]


async def test_the_power_of_old_days_is_worth_nothing_while_the_bot_is_out(keeper: InProcess) -> None:
    """A homeserver shows who has left a room its state of that day, in which somebody may still be a moderator."""
    garden = await keeper.plant("otherwise: forward", alone=True)
    mona = await garden.moderator("mona", level=100)
    ana = await garden.knocker()
    number = block(await garden.card(ana))["number"]
    await garden.alice.kick(garden.room, keeper.user_id)
    await the_alarm(garden)
    await garden.alice.kick(garden.room, mona.user_id, "mona is no moderator any more")

    await garden.command(f"accept {number}", by=mona)
    await garden.command(f"policy set {garden.room}\notherwise: accept", by=mona)
    await garden.command(f"unprotect {garden.room}", by=mona)

    assert garden.room in await garden.command("rooms")
    assert "forward" in await garden.command(f"policy show {garden.room}")
    await let_back_in(garden)
    await garden.caught_up()
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"


# --- put out of the management room -------------------------------------------------------------------------------


async def test_cards_wait_until_the_bot_is_back_in_the_management_room(keeper: InProcess) -> None:
    garden = await keeper.plant(alone=True)
    ana = await garden.knocker("ana")
    card = await garden.card(ana)
    await garden.alice.kick(garden.mods, keeper.user_id)
    ben = await garden.knocker("ben")
    await ana.retract(garden.room)
    rooms_there = await garden.alice.create_room(invite=[keeper.user_id])  # proves that the bot has gone on meanwhile
    await garden.alice.wait_for_membership(rooms_there, keeper.user_id, "join")

    await garden.alice.invite(garden.mods, keeper.user_id)

    await garden.card(ben)
    withdrawn = await garden.shown(ana, "withdrawn")
    assert edit_of(withdrawn) == card["event_id"]


async def test_policies_go_on_while_the_bot_is_out_of_the_management_room(keeper: InProcess) -> None:
    garden = await keeper.plant("otherwise: accept", alone=True)
    await garden.alice.kick(garden.mods, keeper.user_id)

    ana = await garden.knocker()

    await garden.membership(ana, "invite")
    await garden.alice.invite(garden.mods, keeper.user_id)
    await garden.shown(ana, "accepted")


# --- power lost ---------------------------------------------------------------------------------------------------


async def test_power_lost_is_told_once_and_what_was_blocked_is_done_when_it_is_back(keeper: InProcess) -> None:
    garden = await keeper.plant("rules: [{when: {reason_matches: spam}, then: ban}]\notherwise: reject", alone=True)

    await garden.give_power(keeper.user_id, 0)

    alarm = await the_alarm(garden)
    assert keeper.user_id in words(alarm)
    people = [await garden.knocker(name, name) for name in ("ana", "spammer", "ben")]
    await garden.command("help")
    assert [await garden.alice.membership(garden.room, person.user_id) for person in people] == ["knock"] * 3
    await garden.give_power(keeper.user_id, 50)
    for person, membership in zip(people, ("leave", "ban", "leave"), strict=True):
        await garden.membership(person, membership)
        assert await garden.acts_on(person) == [membership]
    assert len(await alarms(garden)) == 1


async def test_an_answer_that_waits_for_a_power_is_taken_back_with_its_reaction(
    keeper: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    garden = await keeper.plant(alone=True)
    ana = await garden.knocker()
    card = await garden.card(ana)
    kick = keeper.context.acts.kick

    async def too_late(room_id: str, user_id: str, reason: str | None) -> None:
        await garden.give_power(keeper.user_id, 0)
        await kick(room_id, user_id, reason)

    with monkeypatch.context() as patch:
        patch.setattr(keeper.context.acts, "kick", too_late)
        click = await garden.alice.react(garden.mods, card["event_id"], "❌")
        await the_alarm(garden)

    await garden.alice.redact(garden.mods, click)
    await garden.caught_up_here()
    assert "the reaction with the answer (reject) was removed" in await garden.command("show 1")
    await garden.give_power(keeper.user_id, 50)
    await garden.offered(card["event_id"])
    await garden.caught_up_here()
    assert (await garden.acts_on(ana), await garden.alice.membership(garden.room, ana.user_id)) == ([], "knock")

    await garden.alice.react(garden.mods, card["event_id"], "✅")
    await garden.membership(ana, "invite")


async def test_power_that_was_never_there_is_told_once_however_many_knock(keeper: InProcess) -> None:
    garden = await keeper.plant("otherwise: reject", bot_level=None, alone=True)

    people = [await garden.knocker() for _ in range(2)]
    await garden.command("help")
    await garden.give_power(keeper.user_id, 50)

    for person in people:
        await garden.membership(person, "leave")
    await garden.command("help")
    assert len(await alarms(garden)) <= 1


async def test_who_withdraws_while_the_bot_lacks_the_power_is_left_alone_when_it_is_back(keeper: InProcess) -> None:
    garden = await keeper.plant("otherwise: ban", alone=True)
    await garden.give_power(keeper.user_id, 0)
    await the_alarm(garden)
    ana, ben = await garden.knocker("ana"), await garden.knocker("ben")
    await ana.retract(garden.room)

    await garden.give_power(keeper.user_id, 50)

    await garden.membership(ben, "ban")
    await garden.caught_up_here()
    assert await garden.acts_on(ana) == []
    assert await garden.alice.membership(garden.room, ana.user_id) == "leave"


async def test_what_can_never_be_done_is_given_to_the_moderators(keeper: InProcess) -> None:
    """A rule rejects somebody whom the bot cannot kick: they stand higher."""
    garden = await keeper.plant("otherwise: reject", alone=True)
    former = await garden.moderator("former", level=60)
    await former.leave(garden.room)

    await former.knock(garden.room)

    card = await garden.shown(former, "pending")
    assert "60" in words(card)
    await garden.offered(card["event_id"], "✅")
    await garden.alice.react(garden.mods, card["event_id"], "✅")
    await garden.membership(former, "invite")


async def test_a_missing_power_to_invite_blocks_only_what_needs_it(keeper: InProcess) -> None:
    policy = "rules: [{when: {reason_matches: friend}, then: accept}]\notherwise: reject"
    garden = await keeper.plant(policy, levels={"invite": 60}, alone=True)

    friend, other = await garden.knocker("friend", "friend"), await garden.knocker("other")

    await garden.membership(other, "leave")
    assert await garden.alice.membership(garden.room, friend.user_id) == "knock"
    await garden.give_power(keeper.user_id, 60)
    await garden.membership(friend, "invite")
