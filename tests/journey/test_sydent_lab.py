"""The identity server of the lab is real: an address is invited, validated and bound, and its owner comes in."""

from __future__ import annotations

import pytest

from knockbot.demo.people import Json, MatrixRefused, Person
from tests.sydent import FederatingHomeserver, LabIdentityServer

THIRD_PARTY_INVITE = "m.room.third_party_invite"


async def garden_of(homeserver: FederatingHomeserver) -> tuple[Person, str]:
    mod = await homeserver.person("mod")
    return mod, await mod.create_room("Garden")


async def planted(who: Person, room: str) -> Json:
    """The third-party invite that stands in a room."""
    return await who.wait_for(room, lambda event: event["type"] == THIRD_PARTY_INVITE, what="a third-party invite")


async def test_an_invite_to_an_address_is_mailed_and_stands_in_the_room(
    federating_homeserver: FederatingHomeserver, identity_server: LabIdentityServer
) -> None:
    mod, garden = await garden_of(federating_homeserver)

    await identity_server.invite(mod, garden, "carol@mail.example")

    mail = await identity_server.mail("carol@mail.example")
    invite = await planted(mod, garden)
    assert mail.subject == "Mod has invited you to chat"
    assert mail.token == invite["state_key"]
    assert invite["sender"] == mod.user_id
    assert invite["content"]["display_name"] == "car...@mai..."
    assert {key["key_validity_url"] for key in invite["content"]["public_keys"]} == {
        f"{identity_server.url}/_matrix/identity/api/v1/pubkey/isvalid",
        f"{identity_server.url}/_matrix/identity/api/v1/pubkey/ephemeral/isvalid",
    }


async def test_whoever_comes_to_own_the_address_is_invited_by_whoever_invited_it(
    federating_homeserver: FederatingHomeserver, identity_server: LabIdentityServer
) -> None:
    mod, garden = await garden_of(federating_homeserver)
    dave = await federating_homeserver.person("dave")
    await identity_server.invite(mod, garden, "dave@mail.example")
    token = (await identity_server.mail("dave@mail.example")).token

    await identity_server.claim(dave, "dave@mail.example")

    await mod.wait_for_membership(garden, dave.user_id, "invite")
    invite = await mod.wait_for(garden, lambda event: event.get("state_key") == dave.user_id)
    assert invite["sender"] == mod.user_id
    signed = invite["content"]["third_party_invite"]["signed"]
    assert (signed["mxid"], signed["token"]) == (dave.user_id, token)

    await dave.join(garden)

    assert await mod.membership(garden, dave.user_id) == "join"


async def test_an_address_may_be_redeemed_from_another_homeserver(
    federating_homeserver: FederatingHomeserver,
    other_homeserver: FederatingHomeserver,
    identity_server: LabIdentityServer,
) -> None:
    mod, garden = await garden_of(federating_homeserver)
    erin = await other_homeserver.person("erin")
    await identity_server.invite(mod, garden, "erin@mail.example")
    await identity_server.mail("erin@mail.example")

    await identity_server.claim(erin, "erin@mail.example")

    await mod.wait_for_membership(garden, erin.user_id, "invite")
    await erin.join(garden)
    await mod.wait_for_membership(garden, erin.user_id, "join")


async def test_an_address_that_is_bound_is_invited_like_anybody(
    federating_homeserver: FederatingHomeserver, identity_server: LabIdentityServer
) -> None:
    mod, garden = await garden_of(federating_homeserver)
    frank = await federating_homeserver.person("frank")
    await identity_server.claim(frank, "frank@mail.example")

    await identity_server.invite(mod, garden, "frank@mail.example")

    assert (await mod.member(garden, frank.user_id))["membership"] == "invite"
    assert not any(event["type"] == THIRD_PARTY_INVITE for event in await mod.messages(garden))


async def test_a_revoked_invite_lets_nobody_in(
    federating_homeserver: FederatingHomeserver, identity_server: LabIdentityServer
) -> None:
    mod, garden = await garden_of(federating_homeserver)
    grace = await federating_homeserver.person("grace")
    await identity_server.invite(mod, garden, "grace@mail.example")
    await identity_server.mail("grace@mail.example")
    invite = await planted(mod, garden)
    await mod.put_state(garden, THIRD_PARTY_INVITE, {}, invite["state_key"])

    await identity_server.claim(grace, "grace@mail.example")

    assert not await identity_server.has_told(grace)
    with pytest.raises(MatrixRefused):
        await grace.join(garden)
    assert await mod.membership(garden, grace.user_id) is None


async def test_an_identity_server_that_fails_fails_the_invite(
    federating_homeserver: FederatingHomeserver, identity_server: LabIdentityServer
) -> None:
    mod, garden = await garden_of(federating_homeserver)
    where = {"id_server": identity_server.name, "id_access_token": await identity_server.account(mod)}
    body = {**where, "medium": "email", "address": "heidi@mail.example"}

    async def refused() -> int:
        with pytest.raises(MatrixRefused) as refusal:
            await mod.call("POST", "rooms", garden, "invite", body=body)
        return refusal.value.status

    identity_server.nonsense()
    assert await refused() >= 500
    await identity_server.down()
    assert await refused() >= 500
    await identity_server.up()
    await mod.call("POST", "rooms", garden, "invite", body=body)
    assert (await identity_server.mail("heidi@mail.example")).token == (await planted(mod, garden))["state_key"]
