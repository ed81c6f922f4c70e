"""Third-party invites and an interrupted bot: what it missed is found, and what it began is done, once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from knockbot.demo.planted import Planted
from tests.journey.conftest import OwnKeeper
from tests.journey.test_durability import kill_and_start
from tests.keeper import REQUESTS, Garden, Process, block, edit_of, words
from tests.planting import gone, member, planted, standing, told

MIXED = """
rules:
- {name: half, for: third_party_invite, when: {inviter: "@mona*"}, then: reject}
- {name: not eve, for: redeemed_invite, when: {user: "@eve*"}, then: ban}
otherwise_third_party: accept
"""


async def test_what_was_missed_while_the_bot_was_down_is_made_up_for(own_keeper: OwnKeeper) -> None:
    keeper = await own_keeper()
    garden = await keeper.plant(MIXED)
    mona = await member(garden)
    emptied, redacted, used, left = [await planted(garden) for _ in range(4)]
    for invite in (emptied, redacted, used, left):
        await told(garden, invite, "standing")
    eve, gus = await garden.person("eve"), await garden.person("gus")
    await keeper.stop()

    by_mona, by_alice, unseen = await planted(garden, mona), await planted(garden), await planted(garden)
    await garden.alice.put_state(garden.room, "m.room.third_party_invite", {}, emptied.token)
    await garden.alice.redact(garden.room, redacted.event_id)
    await used.redeem(eve)
    await unseen.redeem(gus)
    await keeper.start()

    await told(garden, by_mona, "revoked", rule="half")
    await told(garden, by_alice, "standing")
    for invite in (emptied, redacted):
        await told(garden, invite, "revoked", by=garden.alice.user_id)
    await told(garden, used, "banned", user_id=eve.user_id, rule="not eve")
    await garden.membership(eve, "ban")
    await told(garden, unseen, "redeemed", user_id=gus.user_id)
    await gone(garden, by_mona, used, unseen)
    assert await standing(garden) == {left.token, by_alice.token}


async def test_who_came_in_while_the_bot_was_down_and_was_not_meant_to_is_noticed(own_keeper: OwnKeeper) -> None:
    """By an invite that the policy takes back, and as the second one by the same token."""
    keeper = await own_keeper()
    garden = await keeper.plant(MIXED)
    mona = await member(garden)
    dave, erin, fay = [await garden.person(name) for name in ("dave", "erin", "fay")]
    await keeper.stop()

    by_mona, by_alice = await planted(garden, mona), await planted(garden)
    await by_mona.redeem(dave)
    for guest in (erin, fay):
        await by_alice.redeem(guest)
    await keeper.start()

    assert (await garden.membership(dave, "leave"))["reason"] == "This invite was revoked."
    await told(garden, by_mona, "rejected", user_id=dave.user_id)
    first = await told(garden, by_alice, "redeemed", user_id=erin.user_id)
    second = await told(garden, by_alice, "pending", user_id=fay.user_id)
    assert block(first)["number"] != block(second)["number"]
    assert "before" in words(second)


async def test_what_happened_while_the_bot_was_out_of_the_room_is_found_when_it_is_back(own_keeper: OwnKeeper) -> None:
    """Nothing of that is ever delivered."""
    keeper = await own_keeper()
    garden = await keeper.plant(MIXED)
    mona = await member(garden)
    known, emptied = await planted(garden), await planted(garden)
    for invite in (known, emptied):
        await told(garden, invite, "standing")
    eve, another = await garden.person("eve"), await garden.person("eve")
    await garden.alice.kick(garden.room, keeper.user_id)
    await garden.membership_of_bot("leave")

    by_mona, unseen = await planted(garden, mona), await planted(garden)
    await garden.alice.put_state(garden.room, "m.room.third_party_invite", {}, emptied.token)
    await known.redeem(eve)
    await unseen.redeem(another)
    await garden.alice.invite(garden.room, keeper.user_id)

    await told(garden, by_mona, "revoked", rule="half")
    await told(garden, emptied, "revoked", by=garden.alice.user_id)
    for invite, guest in ((known, eve), (unseen, another)):
        await garden.membership(guest, "ban")
        await told(garden, invite, "banned", user_id=guest.user_id, rule="not eve")
    await gone(garden, by_mona, known, unseen)


@pytest.fixture
async def mortal(process: Process) -> AsyncIterator[Process]:
    """A bot as a process of its own, which may be killed but not fail."""
    async with process.running():
        yield process
        assert "Traceback" not in process.said(), process.said()


async def test_killed_in_the_middle_of_many_it_deals_with_each_of_them_once(mortal: Process) -> None:
    garden = await mortal.plant(MIXED)
    mona = await member(garden)
    invites: list[Planted] = []

    async def plant_some(many: int) -> None:
        for _ in range(many):
            invites.append(await planted(garden, mona if len(invites) % 2 else garden.alice))

    await plant_some(4)
    planting = asyncio.create_task(plant_some(6))
    await kill_and_start(mortal)
    await planting

    for invite in invites:
        await told(garden, invite, "revoked" if invite.inviter is mona else "standing")
    await garden.caught_up()
    assert await standing(garden) == {invite.token for invite in invites if invite.inviter is garden.alice}
    await are_told_once(garden, invites)
    assert await writes_of_the_bot(garden) == 5


async def are_told_once(garden: Garden, invites: list[Planted]) -> None:
    """No card and no line stands twice."""
    originals = [event for event in await garden.said() if edit_of(event) is None]
    counted = Counter(
        one["event_id"]
        for event in originals
        for one in ([block(event)] if REQUESTS not in event["content"] else event["content"][REQUESTS])
        if one.get("kind") == "third_party_invite"
    )
    assert counted == {invite.event_id: 1 for invite in invites}


async def writes_of_the_bot(garden: Garden) -> int:
    """How often the bot emptied an invite."""
    query = {"dir": "b", "limit": 1000, "filter": '{"types": ["m.room.third_party_invite"]}'}
    page = await garden.alice.call("GET", "rooms", garden.room, "messages", query=query)
    return sum(event["sender"] == garden.keeper.user_id for event in page["chunk"])
