"""Invites to addresses that the bot issues for moderators, by a real identity server."""

from __future__ import annotations

from pathlib import Path

import pytest

from knockbot.check import check
from knockbot.config.settings import read_settings
from knockbot.demo.people import Json, MatrixRefused, Person, until
from knockbot.demo.planted import THIRD_PARTY_INVITE
from tests.keeper import Garden, InProcess, Keeper, Process, block, config, in_reply_to, words
from tests.planting import standing
from tests.sydent import FederatingHomeserver, LabIdentityServer

REFUSING = "{rules: [], otherwise_third_party: reject}"
"""A policy that lets no third-party invite stand: what moderators have the bot send is none of its business."""


async def issued(garden: Garden, address: str, by: Person) -> Json:
    """A moderator has the bot invite an address; returns what the bot says of it, once the room holds the invite."""
    event_id = await garden.tell(f"invite {garden.room} {address}", by=by)
    return await garden.heard(lambda event: in_reply_to(event) == event_id, f"what came of inviting {address}")


async def test_an_address_is_mailed_and_its_owner_comes_in_and_the_record_reads_as_one_story(
    trusting_keeper: InProcess, identity_server: LabIdentityServer, other_homeserver: FederatingHomeserver
) -> None:
    garden = await trusting_keeper.garden(REFUSING)
    mona = await garden.moderator()

    line = await issued(garden, "carol@issued.example Carol", mona)

    mail = await identity_server.mail("carol@issued.example")
    assert mail.subject == "Mona has invited you to chat"
    assert mail.token in await standing(garden)
    state = await garden.alice.call("GET", "rooms", garden.room, "state", THIRD_PARTY_INVITE, mail.token)
    assert (state["display_name"], len(state["public_keys"])) == ("car...@iss...", 2)
    number = block(line)["number"]
    assert {"state": "standing", "by": mona.user_id, "issued_by": mona.user_id}.items() <= block(line).items()
    assert "carol@issued.example" not in words(line)
    assert "carol@issued.example (Carol)" in await garden.command(f"invites {garden.room}")

    carol = await other_homeserver.person("carol")
    await identity_server.claim(carol, "carol@issued.example")
    await garden.membership(carol, "invite")
    await carol.join(garden.room)
    await garden.shown(carol, "redeemed", by=mona.user_id, number=number)
    await garden.caught_up()

    shown = await garden.command(f"show {number}")
    told = [line.split(" · ")[1] for line in shown.split("\n") if "UTC" in line]
    assert told == [
        "invite sent",
        "invite approved",
        "invite used",
        "policy says accept",
        "invite used",
        "joined",
    ]
    assert all(part in shown for part in (carol.user_id, mona.user_id, "carol@issued.example"))


async def test_one_that_is_revoked_lets_nobody_in(
    trusting_keeper: InProcess, identity_server: LabIdentityServer
) -> None:
    garden = await trusting_keeper.garden(REFUSING)
    mona, dave = await garden.moderator(), await garden.person("dave")
    number = block(await issued(garden, "dave@issued.example", mona))["number"]
    token = (await identity_server.mail("dave@issued.example")).token

    await garden.command(f"revoke {number}", by=mona, expect="✅")
    await garden.heard(lambda event: {"number": number, "state": "revoked"}.items() <= block(event).items())

    assert token not in await standing(garden)
    await identity_server.claim(dave, "dave@issued.example")
    assert not await identity_server.has_told(dave)
    with pytest.raises(MatrixRefused):
        await dave.join(garden.room)


async def test_the_owner_of_an_address_is_invited_like_anybody(
    trusting_keeper: InProcess, identity_server: LabIdentityServer
) -> None:
    garden = await trusting_keeper.garden(REFUSING)
    mona, erin = await garden.moderator(), await garden.person("erin")
    await identity_server.claim(erin, "erin@issued.example")

    assert erin.user_id in words(await issued(garden, "Erin@issued.example", mona))

    await garden.membership(erin, "invite")


async def test_what_fails_is_said_in_words_and_works_later(
    trusting_keeper: InProcess, identity_server: LabIdentityServer
) -> None:
    garden = await trusting_keeper.garden(REFUSING)
    mona = await garden.moderator()

    await identity_server.down()
    down = words(await issued(garden, "frank@issued.example", mona))
    await identity_server.up()
    phone = words(await issued(garden, "+1 800 555 2067", mona))
    again = await issued(garden, "frank@issued.example", mona)

    assert "cannot be reached" in down
    assert "Nothing was sent" in down
    assert "no invites to phone numbers" in phone
    assert block(again)["state"] == "standing"


async def test_killed_while_a_mail_may_be_leaving_it_says_so_and_a_budget_holds(
    federating_homeserver: FederatingHomeserver, identity_server: LabIdentityServer, sqlite_url: str, tmp_path: Path
) -> None:
    process = Process(
        federating_homeserver.take_slot(),
        sqlite_url,
        tmp_path,
        identity_servers=identity_server.config(),
        issuing={"per_moderator": 1},
    )
    async with process.running():
        garden = await process.plant(REFUSING)
        await _killed_at(process, garden, identity_server, "grace@issued.example")
        await identity_server.up()
        await process.start()

        await garden.heard(lambda event: "unclear" in words(event), "that it is unclear")
        await garden.command(f"invite {garden.room} grace@issued.example", expect="You can send the next one from")
        assert await garden.command(f"invites {garden.room}") == "Garden has no unused third-party invite."
    assert "grace" not in process.said()


async def _killed_at(keeper: Process, garden: Garden, identity_server: LabIdentityServer, address: str) -> None:
    """The process is killed while the identity server takes its time to send a mail."""

    async def asked() -> bool:
        return any("store-invite" in path for path in identity_server.asked)

    identity_server.asked.clear()
    identity_server.slow("store-invite")
    await garden.tell(f"invite {garden.room} {address}")
    await until(asked, bool, lambda _: "the identity server was not asked")
    keeper.kill()


async def test_the_checklist_names_each_identity_server(
    trusting_keeper: Keeper, identity_server: LabIdentityServer, sqlite_url: str
) -> None:
    slot = trusting_keeper.slot
    servers = {**identity_server.config(), "id.example": {"url": "https://127.0.0.1:1"}}
    written = config(slot, sqlite_url, slot.port, {"identity_servers": servers})
    said: list[str] = []

    fine = await check(read_settings(written), said.append)

    assert not fine
    lines = "\n".join(said)
    assert f"✅ identity server {identity_server.name}: the bot has an account there" in lines
    assert "❌ identity server id.example: " in lines
    assert "identity_servers.id.example" in lines
