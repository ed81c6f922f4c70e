"""Third-party invites at a real door: watched, judged by rules, answered by moderators, and taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from knockbot.demo.people import MatrixRefused
from knockbot.demo.planted import Planted
from knockbot.matrix.homeserver import Homeserver
from tests.keeper import REQUESTS, InProcess, block, words
from tests.planting import gone, member, planted, standing, told

VOUCHED: dict[str, Any] = {
    "public_key": "key",
    "key_validity_url": "https://id.example/_matrix/identity/v2/pubkey/isvalid",
    "public_keys": [{"public_key": "key", "key_validity_url": "https://id.example/_matrix/identity/v2/pubkey/isvalid"}],
}
"""The keys of an invite that an identity server made."""

STAND = "{rules: [], otherwise_third_party: accept}"


# --- watched ------------------------------------------------------------------------------------------------------


async def test_a_planted_invite_is_shown_to_the_moderators(keeper: InProcess) -> None:
    garden = await keeper.garden()

    invite = await planted(garden)

    card = await told(garden, invite, "pending", user_id=None, rule=None, by=None, event_id=invite.event_id)
    assert card["content"]["msgtype"] == "m.text"
    assert garden.alice.user_id in words(card)
    assert "dav...@exa..." in words(card)
    assert "does not belong to an identity server" in words(card)
    await garden.offered(card["event_id"], "✅❌")  # nobody can ban the creator who planted it


async def test_a_click_lets_it_stand_and_its_guest_in(keeper: InProcess) -> None:
    garden = await keeper.garden()
    invite = await planted(garden, await member(garden))
    card = await told(garden, invite, "pending")

    await garden.alice.react(garden.mods, card["event_id"], "✅")
    await told(garden, invite, "standing", by=garden.alice.user_id)
    dave = await garden.person("dave")
    await invite.redeem(dave)

    shown = await told(garden, invite, "redeemed", user_id=dave.user_id, by=garden.alice.user_id)
    assert dave.user_id in words(shown)
    assert (await garden.membership(dave, "join"))["membership"] == "join"


async def test_a_click_takes_it_back(keeper: InProcess) -> None:
    garden = await keeper.garden()
    invite = await planted(garden, await member(garden))
    card = await told(garden, invite, "pending")

    await garden.alice.react(garden.mods, card["event_id"], "❌")

    await told(garden, invite, "revoked", by=garden.alice.user_id)
    await gone(garden, invite)
    dave = await garden.person("dave")
    with pytest.raises(MatrixRefused):
        await invite.redeem(dave)


async def test_an_emptied_or_redacted_invite_is_noticed(keeper: InProcess) -> None:
    garden = await keeper.garden()
    mona = await member(garden)
    emptied, redacted = await planted(garden, mona), await planted(garden, mona)
    for invite in (emptied, redacted):
        await told(garden, invite, "pending")

    await garden.alice.put_state(garden.room, "m.room.third_party_invite", {}, emptied.token)
    await garden.alice.redact(garden.room, redacted.event_id)

    for invite in (emptied, redacted):
        await told(garden, invite, "revoked", by=garden.alice.user_id)


async def test_the_whole_life_of_invites_in_an_older_room(keeper: InProcess) -> None:
    """The other gardens are of version 12: what a redaction redacts stands elsewhere since 11, and so do creators."""
    garden = await keeper.plant(room_version="10")
    redacted, rejected, used = [await planted(garden) for _ in range(3)]
    cards = [await told(garden, invite, "pending") for invite in (redacted, rejected, used)]

    await garden.alice.redact(garden.room, redacted.event_id)
    await garden.alice.react(garden.mods, cards[1]["event_id"], "❌")
    await garden.alice.react(garden.mods, cards[2]["event_id"], "✅")
    for invite, state in ((redacted, "revoked"), (rejected, "revoked"), (used, "standing")):
        await told(garden, invite, state, by=garden.alice.user_id)
    dave = await garden.person("dave")
    await used.redeem(dave)

    await told(garden, used, "redeemed", user_id=dave.user_id)
    await gone(garden, redacted, rejected, used)
    await garden.membership(dave, "join")


# --- judged -------------------------------------------------------------------------------------------------------

RULES = """
rules:
- {name: spam, for: third_party_invite, when: {inviter: "@spam*"}, then: ban, reason: No spam.}
- {name: too many, for: third_party_invite, when: {invites_by_inviter: {more_than: 3, within: 1d}}, then: reject}
- name: vouched
  for: third_party_invite
  when: {inviter_power_at_least: 50, inviter_is_member: true, identity_server: id.example}
  then: accept
- {name: weak, for: third_party_invite, when: {not: {inviter_power_at_least: 50}}, then: reject}
"""


async def test_rules_judge_by_inviter_power_keys_and_number(keeper: InProcess) -> None:
    garden = await keeper.plant(RULES)
    by_weak = await planted(garden, await member(garden), **VOUCHED)
    own_key = await planted(garden)
    vouched = [await planted(garden, **VOUCHED) for _ in range(3)]

    bot = keeper.user_id
    await told(garden, by_weak, "revoked", rule="weak", by=bot)
    await told(garden, own_key, "pending", rule=None, by=None)
    for invite, (state, rule) in zip(
        vouched, [("standing", "vouched"), ("standing", "vouched"), ("revoked", "too many")], strict=True
    ):
        line = await told(garden, invite, state, rule=rule)
        assert line["content"]["msgtype"] == "m.notice"
        assert rule in words(line)
    await gone(garden, by_weak, vouched[2])
    assert await standing(garden) == {invite.token for invite in (own_key, *vouched[:2])}


async def test_a_rule_that_bans_takes_back_all_of_theirs(keeper: InProcess) -> None:
    garden = await keeper.plant()
    spam = await member(garden, "spam")
    earlier = [await planted(garden, spam) for _ in range(2)]
    for invite in earlier:
        await told(garden, invite, "pending")
    await garden.set_policy(RULES)

    last = await planted(garden, spam)

    assert (await garden.membership(spam, "ban"))["reason"] == "No spam."
    await gone(garden, *earlier, last)
    await told(garden, last, "revoked", rule="spam")
    await garden.heard(lambda event: "2 third-party invites" in words(event) and spam.user_id in words(event))


async def test_a_ban_by_a_moderator_takes_back_all_of_theirs_as_the_card_said(keeper: InProcess) -> None:
    garden = await keeper.garden()
    mona = await member(garden)
    invites = [await planted(garden, mona) for _ in range(3)]
    others = await planted(garden, await member(garden))
    cards = [await told(garden, invite, "pending") for invite in invites]
    await garden.offered(cards[0]["event_id"])
    assert f"all invites of {mona.user_id} to this room are revoked, and {mona.user_id} is banned" in words(cards[0])

    await garden.alice.react(garden.mods, cards[0]["event_id"], "⛔")

    await garden.membership(mona, "ban")
    for invite in invites:
        await told(garden, invite, "revoked", by=garden.alice.user_id)
    await gone(garden, *invites)
    assert others.token in await standing(garden)
    about_mona = [words(event) for event in await garden.said() if mona.user_id in words(event)]
    assert [said for said in about_mona if said.startswith("⚠️")] == []


async def test_other_keys_under_an_accepted_token_are_judged_anew(keeper: InProcess) -> None:
    garden = await keeper.garden(RULES)
    invite = await planted(garden, **VOUCHED)
    await told(garden, invite, "standing")
    stolen = Planted(garden.room, garden.alice)

    await stolen.plant(invite.token)

    card = await told(garden, stolen, "pending")
    await garden.alice.react(garden.mods, card["event_id"], "❌")
    await gone(garden, stolen)


async def test_what_is_not_decided_by_a_rule_is_told_by_its_key(keeper: InProcess) -> None:
    garden = await keeper.garden(STAND)

    line = await told(garden, await planted(garden), "standing", rule="otherwise")

    assert "otherwise_third_party" in words(line)


# --- commands -----------------------------------------------------------------------------------------------------


async def test_invites_can_be_looked_at_and_taken_back_by_their_numbers(keeper: InProcess) -> None:
    garden = await keeper.plant(STAND, alone=True)
    first, second = await planted(garden), await planted(garden)
    numbers = [block(await told(garden, invite, "standing"))["number"] for invite in (first, second)]

    invites = await garden.command("invites")
    assert all(part in invites for part in (f"#{numbers[0]}", f"#{numbers[1]}", "dav...@exa...", "Approved by"))
    assert "Nobody is waiting" in await garden.command("list")
    assert "otherwise_third_party" in await garden.command(f"show {numbers[0]}")
    assert garden.alice.user_id in await garden.command(f"log {garden.alice.user_id}")
    assert "Nobody is waiting" in await garden.command("queue")

    await garden.command(f"revoke {numbers[0]}, {numbers[1]} sorry", expect="✅")

    for invite in (first, second):
        await told(garden, invite, "revoked", by=garden.alice.user_id)
    await gone(garden, first, second)
    assert "no unused third-party invite" in await garden.command("invites")
    assert "already closed" in await garden.command(f"revoke {numbers[0]}")


async def test_those_who_wait_are_answered_by_command(keeper: InProcess) -> None:
    garden = await keeper.plant(alone=True)
    mona = await member(garden)
    kept, rejected = await planted(garden, mona), await planted(garden, mona)
    numbers = [block(await told(garden, invite, "pending"))["number"] for invite in (kept, rejected)]
    listed = await garden.command("list")
    assert all(f"#{number}" in listed for number in numbers)

    await garden.command(f"accept {numbers[0]}")
    await garden.command(f"reject {numbers[1]}")

    await told(garden, kept, "standing", by=garden.alice.user_id)
    await told(garden, rejected, "revoked", by=garden.alice.user_id)


# --- found --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def overheard(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the bot in this process asks of the homeserver, as method and path."""
    asked: list[str] = []
    call: Callable[..., Any] = Homeserver.call

    async def listen(self: Homeserver, method: Any, path: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(f"{method} {path}")
        return await call(self, method, path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Homeserver, "call", listen)
        yield asked


async def test_more_than_five_found_on_arrival_share_one_card_and_no_whole_state_is_asked_for(
    keeper: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    garden = await keeper.plant(protect=False)
    invites = [await planted(garden) for _ in range(6)]
    await garden.caught_up()  # what is handled after the command counts as just planted

    async with overheard(monkeypatch) as asked:
        await garden.command(f"protect {garden.room}")
        card = await told(garden, invites[0], "pending")

    assert [line for line in asked if line.endswith("/sync")] != []
    assert [line for line in asked if line.endswith("/state")] == []
    assert len(card["content"][REQUESTS]) == 6
    assert "6 third-party invites" in words(card)
    numbers = [one["number"] for one in card["content"][REQUESTS]]
    await garden.command(f"revoke {', '.join(map(str, numbers))}")
    await gone(garden, *invites)


# --- whatever strangers write -------------------------------------------------------------------------------------

TAKEN_BACK = """
rules: [{name: id, for: third_party_invite, when: {identity_server: id.example}, then: accept}]
otherwise_third_party: reject
"""

TOKENS = ["", ".", "..", "a/b", "a%2Fb", "?x=1#f", "nul\0nul", "é\u202e<b>"]


async def test_an_invite_under_any_token_is_on_record_and_taken_back(keeper: InProcess) -> None:
    garden = await keeper.garden(TAKEN_BACK)

    invites = [await planted(garden, token=token) for token in TOKENS]

    for invite in invites:
        await told(garden, invite, "revoked", by=keeper.user_id)
    assert await standing(garden) == set()
    await garden.caught_up()


CONTENTS: list[dict[str, Any]] = [
    {"display_name": {"a": 1}, "public_key": 5, "public_keys": 5},
    {"display_name": "x" * 60_000},
    {"display_name": "<b>bold</b> @room \u202eevil", "public_keys": "x"},
    {"display_name": "", "public_keys": {"a": 1}, "key_validity_url": {"a": 1}},
    {"public_keys": [5, None, "x", {"public_key": 7}], "key_validity_url": "http://id.example/"},
    {"public_keys": [{"public_key": f"{number}" * 20} for number in range(700)]},
    {"key_validity_url": "https://user:password@id.example/"},
]
"""More of both kinds is in the small world (tests/flow); these are what a homeserver must let through, too."""


async def test_whatever_an_invite_holds_it_is_on_record_and_stops_nothing(keeper: InProcess) -> None:
    garden = await keeper.garden(TAKEN_BACK)

    invites = [await planted(garden, **content) for content in CONTENTS]

    for invite in invites:
        line = await told(garden, invite, "revoked", rule="otherwise")
        assert len(words(line)) < 500
    assert await standing(garden) == set()
    await garden.caught_up()


async def test_one_without_a_state_key_is_set_aside_and_stops_nothing(keeper: InProcess, complaints: list[str]) -> None:
    garden = await keeper.garden()

    odd = await garden.alice.send(garden.room, "m.room.third_party_invite", {"public_key": "x"})
    invite = await planted(garden, await member(garden))

    await told(garden, invite, "pending")
    assert [complaint for complaint in complaints if odd in complaint] == complaints != []
    complaints.clear()


async def test_no_request_leaves_for_a_host_that_stands_in_an_invite(keeper: InProcess) -> None:
    asked: list[str] = []

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append("somebody came")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        garden = await keeper.garden(STAND)
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            url = f"https://{host}:{port}/_matrix/identity/v2/pubkey/isvalid"
            invite = await planted(
                garden, key_validity_url=url, public_keys=[{"public_key": "k", "key_validity_url": url}]
            )
            await told(garden, invite, "standing")

    assert asked == []
