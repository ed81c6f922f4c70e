"""Third-party invites of a real identity server at a door that is kept: mailed, judged, redeemed and taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from knockbot.demo.people import MatrixRefused, Person, until
from knockbot.demo.planted import THIRD_PARTY_INVITE, Planted
from knockbot.identity import client
from tests.keeper import Garden, InProcess, block, words
from tests.planting import gone, member, planted, standing, told
from tests.sydent import FederatingHomeserver, LabIdentityServer

VOUCHED = """
rules:
- {name: not of spam, for: third_party_invite, when: {inviter: "@spam*"}, then: reject}
- {name: vouched, for: third_party_invite, when: {identity_server: localhost}, then: accept}
- {name: not eve, for: redeemed_invite, when: {user: "@eve*"}, then: reject, reason: Not you.}
- {name: only ours, for: redeemed_invite, when: {all: [{local: false}, {user: "@mallory*"}]}, then: ban}
"""


async def mailed(garden: Garden, identity_server: LabIdentityServer, by: Person, address: str) -> Planted:
    """Somebody invites an address over their client, as clients do, and the mail arrives."""
    await identity_server.invite(by, garden.room, address)
    mail = await identity_server.mail(address)
    invite = Planted(garden.room, by)
    invite.token = mail.token
    said = await by.call("GET", "rooms", garden.room, "messages", query={"dir": "b", "limit": 100})
    # What stands there now may be empty again: knockbot is quick.
    invite.event_id = next(
        event["event_id"]
        for event in said["chunk"]
        if event["type"] == THIRD_PARTY_INVITE and event["state_key"] == mail.token and event["content"]
    )
    return invite


def record(shown: str) -> list[str]:
    """What happened, in order, by a request shown in full or by the log."""
    told = [line.split(" · ") for line in shown.split("\n") if "UTC" in line]
    return [parts[-2] if parts[-1].startswith("by ") else parts[-1] for parts in told]


STORY = ["policy says accept", "invite approved", "invite used", "policy says accept", "invite used", "joined"]


# --- one story ----------------------------------------------------------------------------------------------------


async def test_whoever_owns_an_invited_address_comes_in_and_the_record_reads_as_one_story(
    trusting_keeper: InProcess,
    identity_server: LabIdentityServer,
    other_homeserver: FederatingHomeserver,
) -> None:
    garden = await trusting_keeper.garden(VOUCHED)
    address = "carol@elsewhere.example"
    mona = await member(garden)
    asked_before = len(identity_server.asked)

    invite = await mailed(garden, identity_server, mona, address)

    line = await told(garden, invite, "standing", rule="vouched", by=trusting_keeper.user_id)
    assert "/_matrix/identity/v2/pubkey/isvalid" in identity_server.asked[asked_before:]
    assert "/_matrix/identity/v2/pubkey/ephemeral/isvalid" in identity_server.asked[asked_before:]

    carol = await other_homeserver.person("carol")
    await identity_server.claim(carol, address)
    await garden.membership(carol, "invite")
    await carol.join(garden.room)
    await garden.membership(carol, "join")

    redeemed = await told(garden, invite, "redeemed", user_id=carol.user_id, by=trusting_keeper.user_id)
    number = block(line)["number"]
    assert block(redeemed)["number"] == number
    await garden.caught_up()
    shown = await garden.command(f"show {number}")
    assert record(shown) == record(await garden.command(f"log {number}")) == STORY
    assert all(part in shown for part in (carol.user_id, mona.user_id, "car...@", "vouched"))
    assert address not in shown
    assert "otherwise" not in shown


async def test_who_came_in_by_a_mail_and_is_not_welcome_is_put_out_wherever_they_are_from(
    trusting_keeper: InProcess, identity_server: LabIdentityServer, other_homeserver: FederatingHomeserver
) -> None:
    garden = await trusting_keeper.garden(VOUCHED)
    eve, mallory = await garden.person("eve"), await other_homeserver.person("mallory")
    invites = {
        guest: await mailed(garden, identity_server, garden.alice, f"{name}@unwelcome.example")
        for name, guest in (("eve", eve), ("mallory", mallory))
    }
    for invite in invites.values():
        await told(garden, invite, "standing")

    await identity_server.claim(eve, "eve@unwelcome.example")
    await identity_server.claim(mallory, "mallory@unwelcome.example")

    await told(garden, invites[eve], "rejected", user_id=eve.user_id, rule="not eve")
    # Whoever holds an address may not know of the invite yet: until they join, a ban takes the invite back.
    await told(garden, invites[mallory], "rejected", user_id=mallory.user_id, rule="only ours")
    assert (await garden.membership(eve, "leave"))["reason"] == "Not you."
    await garden.membership(mallory, "leave")
    await gone(garden, *invites.values())


async def test_a_banned_owner_of_an_address_stays_out_and_the_invite_waits_for_another(
    trusting_keeper: InProcess, identity_server: LabIdentityServer
) -> None:
    garden = await trusting_keeper.garden(VOUCHED)
    dave = await garden.person("dave")
    await garden.alice.ban(garden.room, dave.user_id)
    invite = await mailed(garden, identity_server, garden.alice, "dave@banned.example")
    await told(garden, invite, "standing")

    await identity_server.claim(dave, "dave@banned.example")

    assert not await identity_server.has_told(dave)
    await garden.caught_up()
    assert await garden.alice.membership(garden.room, dave.user_id) == "ban"
    assert invite.token in await standing(garden)


async def test_two_invites_to_one_address_are_two_stories_of_one_guest(
    trusting_keeper: InProcess, identity_server: LabIdentityServer
) -> None:
    garden = await trusting_keeper.garden(VOUCHED)
    invites = [await mailed(garden, identity_server, garden.alice, "frank@twice.example") for _ in range(2)]
    numbers = [block(await told(garden, invite, "standing"))["number"] for invite in invites]
    frank = await garden.person("frank")

    await identity_server.claim(frank, "frank@twice.example")
    await gone(garden, *invites)
    await frank.join(garden.room)
    await garden.caught_up()

    for number in numbers:
        assert record(await garden.command(f"log {number}")) == STORY


# --- taken back ---------------------------------------------------------------------------------------------------


async def test_whoever_comes_to_own_an_address_whose_invite_was_taken_back_stays_out(
    trusting_keeper: InProcess, identity_server: LabIdentityServer
) -> None:
    garden = await trusting_keeper.garden(VOUCHED)
    by_alice = await mailed(garden, identity_server, garden.alice, "grace@back.example")
    number = block(await told(garden, by_alice, "standing"))["number"]
    by_spam = await mailed(garden, identity_server, await member(garden, "spam"), "grace@back.example")
    await garden.command(f"revoke {number}")
    await told(garden, by_alice, "revoked", by=garden.alice.user_id)
    await told(garden, by_spam, "revoked", rule="not of spam")
    grace = await garden.person("grace")

    await identity_server.claim(grace, "grace@back.example")

    assert not await identity_server.has_told(grace)
    with pytest.raises(MatrixRefused):
        await grace.join(garden.room)


CAME_IN = {("redeemed", "invite"), ("rejected", "leave"), ("rejected", None)}
"""What the record may say of a guest, and how they then stand: where the two cross in the homeserver, it may settle
that nobody was ever invited."""

ENDS: dict[str, set[tuple[str, str | None]]] = {
    "at once": {("revoked", None), *CAME_IN},
    "while their homeserver is told": {("revoked", None), *CAME_IN},
    "once they are invited": {*CAME_IN},
}
"""When somebody takes an invite back whose address comes to have an owner, and how that may end."""


@pytest.mark.parametrize("when", ENDS)
async def test_taken_back_and_redeemed_in_one_moment_the_room_is_as_the_record_says(
    trusting_keeper: InProcess, identity_server: LabIdentityServer, when: str
) -> None:
    garden = await trusting_keeper.garden(VOUCHED)
    address = f"heidi@{when.replace(' ', '-')}.example"
    invite = await mailed(garden, identity_server, garden.alice, address)
    number = block(await told(garden, invite, "standing"))["number"]
    heidi = await garden.person("heidi")
    token = await identity_server.account(heidi)
    asked = await identity_server.ask_to_validate(token, address)
    await identity_server.validate(token, asked)
    identity_server.asked.clear()

    async def take_back() -> None:
        if when == "while their homeserver is told":
            await until(_read(identity_server), lambda paths: any("bind" in path for path in paths), str)
        if when == "once they are invited":
            await garden.membership(heidi, "invite")
        await garden.command(f"revoke {number}")

    await asyncio.gather(take_back(), identity_server.bind(heidi, token, asked))

    async def ended() -> tuple[str, str | None]:
        said = [one for one in map(block, await garden.said()) if one.get("number") == number]
        return said[-1]["state"], await garden.alice.membership(garden.room, heidi.user_id)

    came = await identity_server.has_told(heidi)
    await garden.caught_up()
    state, _ = await until(ended, ENDS[when].__contains__, lambda seen: f"{seen} is no end")
    assert came is (state != "revoked")
    await gone(garden, invite)


async def test_a_banned_inviter_leaves_no_mail_behind_that_opens_the_door(
    trusting_keeper: InProcess, identity_server: LabIdentityServer
) -> None:
    garden = await trusting_keeper.garden(VOUCHED)
    mona = await member(garden)
    invites = [await mailed(garden, identity_server, mona, f"{name}@fall.example") for name in ("ivan", "judy")]
    for invite in invites:
        await told(garden, invite, "standing")

    await garden.alice.ban(garden.room, mona.user_id)

    await gone(garden, *invites)
    await garden.heard(lambda event: "2 third-party invites" in words(event) and mona.user_id in words(event))
    ivan = await garden.person("ivan")
    await identity_server.claim(ivan, "ivan@fall.example")
    assert not await identity_server.has_told(ivan)


# --- an identity server that fails --------------------------------------------------------------------------------


def _read(identity_server: LabIdentityServer) -> Callable[[], Awaitable[list[str]]]:
    """What it was asked so far, to be waited for."""

    async def look() -> list[str]:
        return list(identity_server.asked)

    return look


async def stored(garden: Garden, identity_server: LabIdentityServer, by: Person) -> Callable[[], Awaitable[Planted]]:
    """What a well identity server made of an address, to be put into the room whenever that is wanted."""
    token, content = await identity_server.store(by, garden.room, "kim@trouble.example")

    async def plant() -> Planted:
        return await Planted(garden.room, by).plant(token, **content)

    return plant


async def test_what_an_identity_server_in_trouble_does_not_vouch_for_waits_with_the_reason(
    trusting_keeper: InProcess, identity_server: LabIdentityServer
) -> None:
    garden = await trusting_keeper.garden(VOUCHED)
    mona = await member(garden)
    plants = [await stored(garden, identity_server, mona) for _ in range(2)]

    identity_server.nonsense()
    nonsense = await told(garden, await plants[0](), "pending")
    await identity_server.down()
    down = await told(garden, await plants[1](), "pending")

    for card, why in ((nonsense, "makes no sense"), (down, "cannot be reached")):
        assert all(part in words(card) for part in ("vouched", "I could not check its keys", identity_server.name, why))


async def test_no_knock_waits_for_a_slow_identity_server(
    federating_homeserver: FederatingHomeserver,
    identity_server: LabIdentityServer,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keeper = InProcess(federating_homeserver.take_slot(), sqlite_url, identity_servers=identity_server.config())
    async with keeper.running():
        garden = await keeper.plant(VOUCHED)
        plants = [await stored(garden, identity_server, garden.alice) for _ in range(2)]
        monkeypatch.setattr(client, "ANSWER", 60.0)
        monkeypatch.setattr(client, "VOUCH", 60.0)

        identity_server.slow()
        identity_server.asked.clear()
        invite = await plants[0]()
        await until(_read(identity_server), bool, lambda _: "nobody asked")
        ana = await garden.knocker()
        await garden.shown(ana, "pending")
        assert not [event for event in await garden.said() if block(event).get("event_id") == invite.event_id]

        await identity_server.up()
        await told(garden, invite, "standing", rule="vouched")

        identity_server.slow()
        monkeypatch.setattr(client, "ANSWER", 0.1)
        assert "gave no answer within" in words(await told(garden, await plants[1](), "pending"))


async def test_no_request_leaves_for_a_host_that_is_not_configured(
    trusting_keeper: InProcess, identity_server: LabIdentityServer
) -> None:
    asked: list[str] = []

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append("somebody came")
        writer.close()

    garden = await trusting_keeper.garden(VOUCHED)
    mona = await member(garden)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            url = f"https://{host}:{port}/_matrix/identity/v2/pubkey/isvalid"
            keys: dict[str, Any] = {
                "key_validity_url": url,
                "public_keys": [{"public_key": "k", "key_validity_url": url}],
            }
            await told(garden, await planted(garden, mona, **keys), "pending")

    assert asked == []
