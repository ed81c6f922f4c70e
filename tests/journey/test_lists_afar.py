"""Policy lists whose room is on another server, or tells no server by its ID, on two real homeservers."""

from __future__ import annotations

import pytest

from knockbot.demo.people import Person
from tests.federation import knock_from
from tests.journey.test_lists import DOOR, entry
from tests.keeper import Garden, InProcess, block
from tests.sydent import FederatingHomeserver


@pytest.fixture
async def liz(other_homeserver: FederatingHomeserver) -> Person:
    """Who keeps the list, on the other server."""
    return await other_homeserver.person("liz")


@pytest.fixture
async def garden(federating_keeper: InProcess) -> Garden:
    """A garden of the test's own."""
    return await federating_keeper.plant()


async def far_list(liz: Person, server: FederatingHomeserver, version: str, named: str) -> tuple[str, str]:
    """A public policy room of hers; its ID, and how a policy names it."""
    alias = f"bans-{version}-{liz.user_id[1:].partition(':')[0]}"
    room = await liz.create_room("Bans", preset="public_chat", alias=alias, room_version=version)
    assert (":" in room) is (version == "11")
    names = {"alias": f"#{alias}:{server.name}", "link": f"https://matrix.to/#/{room}?via={server.name}"}
    return room, names[named]


@pytest.mark.parametrize("version", ["11", "12"])
@pytest.mark.parametrize("named", ["alias", "link"])
async def test_a_list_on_another_server_is_entered_and_followed(
    garden: Garden, liz: Person, other_homeserver: FederatingHomeserver, version: str, named: str
) -> None:
    room, name = await far_list(liz, other_homeserver, version, named)
    eve, mal = await garden.person("eve"), await garden.person("mal")
    await entry(liz, room, eve.user_id)

    await garden.set_policy(DOOR.format(room=name, then="ban", otherwise="accept"))
    await liz.wait_for_membership(room, garden.keeper.user_id, "join")
    ana = await garden.knocker("ana")
    await garden.membership(ana, "invite")  # the list was read
    await eve.knock(garden.room)
    await garden.membership(eve, "ban")
    assert "invite" not in await garden.acts_on(eve)

    await entry(liz, room, ana.user_id)
    await garden.membership(ana, "ban")
    far = await knock_from(garden, other_homeserver, name="far")
    await garden.membership(far, "invite")
    await entry(liz, room, mal.user_id)
    await entry(liz, room, far.user_id)
    await garden.membership(far, "ban")
    await mal.knock(garden.room)
    await garden.membership(mal, "ban")


async def test_an_entry_that_somebody_of_the_other_server_removes_counts_no_more(
    garden: Garden, liz: Person, other_homeserver: FederatingHomeserver
) -> None:
    room, name = await far_list(liz, other_homeserver, "12", "link")
    ana, bea = await garden.person("ana"), await garden.person("bea")
    await entry(liz, room, ana.user_id)
    redacted = await entry(liz, room, bea.user_id)
    await garden.set_policy(DOOR.format(room=name, then="forward", otherwise="accept"))
    await ana.knock(garden.room)
    await bea.knock(garden.room)
    assert block(await garden.shown(ana, "pending"))["rule"] is None
    await garden.shown(bea, "pending")

    await liz.put_state(room, "m.policy.rule.user", {}, key=f"rule:{ana.user_id}")
    await garden.membership(ana, "invite")
    await liz.redact(room, redacted)
    await garden.membership(bea, "invite")
