"""The moderator has the official SDK with its Rust crypto, which is what Element has."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")

from knockbot.demo.story import ENCRYPTED
from tests import jssdk
from tests.journey.test_letters import LETTERS, invited_to, number_of, read
from tests.jssdk import JsPerson
from tests.keeper import Garden, InProcess, edit_of
from tests.sealed import come_back_without_keys, raw

pytestmark = pytest.mark.skipif(jssdk.missing() is not None, reason=str(jssdk.missing()))

NO_SHIELD = 0
"""What the SDK calls a message that there is nothing to warn of."""


@pytest.fixture
async def garden(keeper: InProcess) -> AsyncIterator[Garden]:
    """A garden whose moderator has the official SDK."""
    async with JsPerson.on(keeper.homeserver, "alice") as alice:
        mods = await alice.create_room(invite=[keeper.user_id], initial_state=ENCRYPTED)
        yield await keeper.plant(alice=alice, mods=mods)


async def test_the_whole_story_in_an_encrypted_room(garden: Garden) -> None:
    ana, ben = await garden.knocker("ana", "I like tulips"), await garden.knocker("ben")
    card = await garden.card(ana)
    await garden.card(ben)

    await garden.alice.react(garden.mods, card["event_id"], "✅")
    await garden.membership(ana, "invite")
    edited = await garden.shown(ana, "accepted")
    await garden.tell("reject 2 Sorry")
    await garden.membership(ben, "leave")
    await garden.shown(ben, "rejected")

    assert edit_of(edited) == card["event_id"]
    assert "Nobody is waiting" in await garden.command("list")
    assert {event["type"] for event in await raw(garden)} == {"m.room.encrypted"}


@pytest.mark.long
async def test_the_client_has_nothing_to_warn_of(garden: Garden) -> None:
    ana = await garden.knocker()

    card = await garden.card(ana)

    assert card["unsigned"]["sealed"]
    assert card["unsigned"]["shield"] == NO_SHIELD


@pytest.mark.long
async def test_a_client_that_shuns_unverified_devices_talks_with_the_bot(garden: Garden) -> None:
    assert isinstance(garden.alice, JsPerson)
    await garden.alice.act("verify", password=garden.alice.password)
    await garden.alice.act("be_strict")
    await garden.alice.act("new_session", room=garden.mods)

    assert "Nobody is waiting" in await garden.command("list")


@pytest.mark.long
async def test_a_restart_between_any_two_steps_changes_nothing_for_it(keeper: InProcess, garden: Garden) -> None:
    async def restart() -> None:
        await keeper.stop()
        await keeper.start()

    await restart()
    ana = await garden.knocker()
    await restart()
    card = await garden.card(ana)
    await restart()
    await garden.alice.react(garden.mods, card["event_id"], "✅")
    await restart()
    await garden.membership(ana, "invite")
    assert edit_of(await garden.shown(ana, "accepted")) == card["event_id"]
    await restart()
    assert "Nobody is waiting" in await garden.command("list")


@pytest.mark.long
async def test_it_goes_on_with_the_bots_new_device(keeper: InProcess, garden: Garden, sqlite_url: str) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)
    await come_back_without_keys(keeper, sqlite_url)

    await garden.alice.react(garden.mods, card["event_id"], "✅")

    await garden.shown(ana, "accepted")
    assert "Nobody is waiting" in await garden.command("list")


@pytest.mark.long
async def test_new_sessions_of_either_are_read(garden: Garden) -> None:
    assert isinstance(garden.alice, JsPerson)
    for _ in range(3):
        await garden.alice.act("new_session", room=garden.mods)
        assert "Nobody is waiting" in await garden.command("list")


@pytest.mark.long
async def test_its_new_device_is_heard_and_hears(garden: Garden) -> None:
    await garden.command("list")
    alice = garden.alice
    localpart = alice.user_id[1:].partition(":")[0]
    device = await JsPerson.log_in(alice.http, alice.url, localpart, alice.password)
    async with device.online():
        garden.keeper._ears.pop((device.user_id, garden.mods))
        again = Garden(garden.keeper, device, garden.room, garden.mods)
        ana = await again.knocker()

        await again.card(ana)
        await again.tell("accept 1")
        await again.shown(ana, "accepted")


@pytest.mark.long
async def test_an_applicant_who_has_it_reads_letters_and_is_heard(keeper: InProcess) -> None:
    garden = await keeper.plant(LETTERS, alone=True, name="Reading")
    async with JsPerson.on(keeper.homeserver, "ana") as ana:
        await ana.knock(garden.room, "hello")
        talk = await invited_to(ana)
        await ana.join(talk)
        await read(ana, talk, "was received")
        await ana.say(talk, "status")
        await read(ana, talk, "waits for an answer")
        await garden.command(f"accept {await number_of(garden, ana)}")
        await read(ana, talk, "You are accepted")
