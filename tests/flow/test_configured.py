"""Rooms of the config file: locked by what their names meant at first, and protected whenever the bot gets there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from knockbot.app import take_settings
from knockbot.config.settings import read_settings
from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from knockbot.flow import configured
from knockbot.store import policies, rooms
from knockbot.store.rooms import ProtectedRoom
from tests.flow.house import GARDEN, MODS, SETTINGS, House, housed
from tests.flow.test_lists import ALIAS as BANS_ALIAS
from tests.flow.test_lists import BANS, LIZ, settled
from tests.flow.world import ALICE, ANA, BEA, BOT, levels_for

LAWN = "!lawn:tulip.example"
TRAP = "!trap:evil.example"
CLUB = "!club:tulip.example"
ALIAS = "#lawn:tulip.example"
MODS_ALIAS = "#mods:tulip.example"
CLUB_ALIAS = "#club:tulip.example"
EVE = "@eve:evil.example"
BY_CLUB = {"rules": [{"when": {"member_of": CLUB_ALIAS}, "then": "accept"}], "otherwise": "reject"}


def lawn(house: House, *joined: str, **how: Any) -> None:
    """A room for the config file to name; alice may do everything there and the bot has power."""
    house.world.room(LAWN, "Lawn", ALICE, *joined, levels={"users": {ALICE: 100, BOT: 50}}, **how)
    house.world.aliases[ALIAS] = LAWN
    house.world.aliases[MODS_ALIAS] = MODS


def trap(house: House, alias: str) -> None:
    """Somebody else has got hold of an alias, and lets the bot into a room of theirs."""
    house.world.room(TRAP, "Lawn", EVE, BOT, levels={"users": {EVE: 100, BOT: 50}})
    house.world.aliases[alias] = TRAP


def entry(management_room: str = MODS, policy: Any = None, *, name: str = ALIAS) -> dict[str, Any]:
    """A config file that names the lawn."""
    return {name: {"management_room": management_room} | ({"policy": policy} if policy is not None else {})}


async def room(house: House, room_id: str = LAWN) -> ProtectedRoom | None:
    async with house.db.tx() as tx:
        return await rooms.find(tx, room_id)


async def locked(house: House) -> dict[str, str]:
    """The rooms that the config file rules, and from where each is looked after."""
    async with house.db.tx() as tx:
        return {room.room_id: room.management_room for room in await rooms.all_rooms(tx) if room.locked}


async def reread(house: House, named: dict[str, Any], **more: Any) -> None:
    """The config file is changed, and read again."""
    settings = read_settings({**SETTINGS, "rooms": named, **more})
    await take_settings(house.context, settings)
    await house.live()


@asynccontextmanager
async def ruled(url: str, named: dict[str, Any] | None = None, **more: Any) -> AsyncIterator[House]:
    """A bot whose config file names the lawn, and which is in it."""
    async with housed(url, rooms=entry() if named is None else named, **more) as house:
        lawn(house, BOT)
        await house.keep_configured(enter=True)
        yield house


# --- what the config file says ------------------------------------------------------------------------------------


async def test_a_room_of_the_config_file_is_locked_and_judged_by_the_file(ready_url: str) -> None:
    async with ruled(ready_url, entry(policy={"otherwise": "accept"}, name=LAWN)) as house:
        house.tell(f"policy set {LAWN}\notherwise: reject")
        house.tell(f"unprotect {LAWN}")
        house.world.knock(LAWN, ANA)
        await house.live()

        assert await locked(house) == {LAWN: MODS}
        assert house.membership(ANA, LAWN) == "invite"


async def test_a_long_policy_of_the_config_file_is_in_force(ready_url: str) -> None:
    """A file may be longer than what can be typed in chat."""
    rules = [{"when": {"user": f"@user{n}:a.example"}, "then": "ban", "reason": "x" * 400} for n in range(300)]
    async with ruled(ready_url, entry(policy={"rules": rules, "otherwise": "accept"})) as house:
        house.world.knock(LAWN, ANA)
        await house.live()

        assert house.membership(ANA, LAWN) == "invite"


async def test_a_room_that_the_config_file_names_no_longer_is_unlocked_and_stays_protected(ready_url: str) -> None:
    async with ruled(ready_url) as house:
        await reread(house, {})

        kept = await room(house)
        assert kept is not None
        assert not kept.locked
        assert "no longer in my config file" in house.spoken()[-1]
        house.tell(f"policy set {LAWN}\notherwise: reject")
        await house.live()
        assert house.spoken()[-1].startswith("✅")


async def test_a_room_of_the_config_file_without_a_policy_has_the_default_whatever_was_set_in_chat(
    ready_url: str,
) -> None:
    async with housed(ready_url, rooms=entry()) as house:
        lawn(house, BOT)
        await house.set_policy("otherwise: ban", LAWN)
        await house.keep_configured()
        house.world.knock(LAWN, ANA)
        await house.live()

        assert house.membership(ANA, LAWN) == "knock"


async def test_a_policy_of_the_config_file_that_chat_had_word_for_word_is_the_files_own(ready_url: str) -> None:
    """Else it would act for whoever typed it."""
    async with housed(ready_url, rooms=entry(policy={"otherwise": "accept"})) as house:
        lawn(house, BOT)
        await house.set_policy("otherwise: accept\n", LAWN)
        await house.keep_configured()
        house.tell(f"policy log {LAWN}")
        await house.live()

        assert "the config file" in house.spoken()[-1]


# --- aliases that move --------------------------------------------------------------------------------------------

MOVES: dict[str, Callable[[House], object]] = {
    "to somebody's room": lambda house: trap(house, ALIAS),
    "away": lambda house: house.world.aliases.pop(ALIAS),
    "behind a silent server": lambda house: house.world.play("resolve", Later(foreign("silent")), times=9),
    "behind a refusal": lambda house: house.world.play("resolve", Never(foreign("no")), times=9),
}


@pytest.mark.parametrize("how", MOVES)
@pytest.mark.parametrize("restarted", [True, False])
async def test_a_room_stays_locked_when_its_alias_moves(ready_url: str, how: str, restarted: bool) -> None:
    async with ruled(ready_url, entry(policy={"otherwise": "reject"})) as house:
        if restarted:
            await house.die()
        MOVES[how](house)
        if restarted:
            await house.start_again()
        await house.keep_configured(enter=True)

        assert await locked(house) == {LAWN: MODS}
        assert await room(house, TRAP) is None
        house.tell(f"policy set {LAWN}\notherwise: accept")
        await house.live()
        assert "set in my config file" in house.spoken()[-1]


@pytest.mark.parametrize("restarted", [True, False])
async def test_cards_and_commands_stay_in_the_management_room_whose_alias_moves(
    ready_url: str, restarted: bool
) -> None:
    async with ruled(ready_url, entry(MODS_ALIAS)) as house:
        if restarted:
            await house.die()
        trap(house, MODS_ALIAS)
        if restarted:
            await house.start_again()
        await house.keep_configured(enter=True)
        house.world.knock(LAWN, ANA, "for the moderators' eyes")
        await house.live()
        house.world.say(TRAP, EVE, f"!kb list {LAWN}")
        await house.live()

        assert await locked(house) == {LAWN: MODS}
        assert house.card().block["user_id"] == ANA
        assert house.cards(TRAP) == []
        assert not any("eyes" in said for said in house.spoken(TRAP))


async def test_members_of_a_room_that_took_over_an_alias_are_no_members(ready_url: str) -> None:
    async with housed(ready_url, rooms=entry(policy=BY_CLUB)) as house:
        lawn(house, BOT)
        house.world.room(CLUB, "Club", ALICE, BOT, ANA)
        house.world.aliases[CLUB_ALIAS] = CLUB
        await house.keep_configured()
        trap(house, CLUB_ALIAS)
        await house.keep_configured()
        # Another text of the same entry takes no other room along.
        await reread(house, entry(policy={**BY_CLUB, "announce": "none"}))
        for knocker in (ANA, EVE):
            house.world.knock(LAWN, knocker)
        await house.live()

        assert house.membership(ANA, LAWN) == "invite"
        assert house.membership(EVE, LAWN) == "leave"


async def test_the_default_policy_keeps_what_its_names_meant(ready_url: str) -> None:
    async with housed(ready_url, defaults={"policy": BY_CLUB}) as house:
        house.world.room(CLUB, "Club", ALICE, BOT, ANA)
        house.world.aliases[CLUB_ALIAS] = CLUB
        await house.keep_configured()
        trap(house, CLUB_ALIAS)
        await house.keep_configured()
        for knocker in (ANA, EVE):
            house.world.knock(GARDEN, knocker)
        await house.live()

        assert house.membership(ANA) == "invite"
        assert house.membership(EVE) == "leave"


async def test_a_name_of_the_default_policy_that_is_new_is_known_before_the_policy_is_in_force(ready_url: str) -> None:
    async with housed(ready_url) as house:
        house.world.room(CLUB, "Club", ALICE, BOT, ANA)
        house.world.aliases[CLUB_ALIAS] = CLUB
        house.world.play("resolve", meanwhile=lambda: house.world.knock(GARDEN, BEA))
        await reread(house, {}, defaults={"policy": BY_CLUB})

        assert house.membership(BEA) == "leave"


BY_LIST = {"lists": [{"room": BANS_ALIAS, "name": "community"}], "otherwise": "accept"}


@pytest.mark.parametrize("of", ["the default policy", "the room's policy"])
async def test_a_list_whose_alias_leads_somewhere_later_is_followed_at_once(ready_url: str, of: str) -> None:
    by_default = of == "the default policy"
    more: dict[str, Any] = {"defaults": {"policy": BY_LIST}} if by_default else {"rooms": entry(policy=BY_LIST)}
    async with housed(ready_url, **more) as house:
        lawn(house, BOT)
        door = GARDEN if by_default else LAWN
        await house.keep_configured(enter=True)
        for knocker in (ANA, BEA):
            house.world.knock(door, knocker)
        await settled(house)
        assert (house.membership(ANA, door), house.membership(BEA, door)) == ("knock", "knock")

        house.world.room(BANS, "Bans", LIZ, levels=levels_for([LIZ], bot=0), join_rule="public")
        house.world.list_entity(BANS, LIZ, BEA, reason="ads")
        house.world.aliases[BANS_ALIAS] = BANS
        await house.keep_configured()
        await settled(house)
        assert house.membership(BOT, BANS) == "join"
        assert (house.membership(ANA, door), house.membership(BEA, door)) == ("invite", "ban")


async def test_a_name_that_leads_nowhere_yet_is_unknown_and_known_as_soon_as_it_leads_somewhere(
    ready_url: str,
) -> None:
    async with ruled(ready_url, entry(policy=BY_CLUB)) as house:
        house.world.knock(LAWN, ANA)
        await house.live()
        assert "do not know yet which room" in house.card().text

        house.world.room(CLUB, "Club", ALICE, BOT, BEA)
        house.world.aliases[CLUB_ALIAS] = CLUB
        assert await house.keep_configured()
        house.world.knock(LAWN, BEA)
        await house.live()
        assert house.membership(BEA, LAWN) == "invite"


async def test_an_entry_that_was_taken_out_and_put_back_means_what_its_alias_means_now(ready_url: str) -> None:
    async with ruled(ready_url, entry(policy=BY_CLUB)) as house:
        house.world.room(CLUB, "Club", ALICE, BOT, ANA)
        house.world.aliases[CLUB_ALIAS] = CLUB
        await house.keep_configured()
        house.world.room("!lawn2", "New lawn", ALICE, BOT, levels={"users": {ALICE: 100, BOT: 50}})
        house.world.room("!club2", "New club", ALICE, BOT, BEA)
        house.world.aliases |= {ALIAS: "!lawn2", CLUB_ALIAS: "!club2"}
        await reread(house, {})
        await reread(house, entry(policy=BY_CLUB))
        for knocker in (ANA, BEA):
            house.world.knock("!lawn2", knocker)
        await house.live()

        assert await locked(house) == {"!lawn2": MODS}
        assert house.membership(BEA, "!lawn2") == "invite"
        assert house.membership(ANA, "!lawn2") == "leave"


async def test_an_entry_that_was_rewritten_by_id_means_that_room(ready_url: str) -> None:
    async with ruled(ready_url) as house:
        house.world.room("!lawn2", "New lawn", ALICE, BOT, levels={"users": {ALICE: 100, BOT: 50}})
        await reread(house, entry(name="!lawn2"))

        assert await locked(house) == {"!lawn2": MODS}
        assert await room(house) is not None


async def test_an_entry_that_calls_the_same_room_by_its_id_keeps_all_that_it_meant(ready_url: str) -> None:
    """Who follows our advice must not open the door to whoever has moved another alias meanwhile."""
    async with housed(ready_url, rooms=entry(MODS_ALIAS, BY_CLUB)) as house:
        lawn(house, BOT)
        house.world.room(CLUB, "Club", ALICE, BOT, ANA)
        house.world.aliases[CLUB_ALIAS] = CLUB
        await house.keep_configured()
        trap(house, CLUB_ALIAS)
        house.world.aliases[MODS_ALIAS] = TRAP
        await reread(house, entry(MODS_ALIAS, BY_CLUB, name=LAWN))
        for knocker in (ANA, EVE):
            house.world.knock(LAWN, knocker)
        await house.live()

        assert await locked(house) == {LAWN: MODS}
        assert house.membership(ANA, LAWN) == "invite"
        assert house.membership(EVE, LAWN) == "leave"


async def test_the_moderators_are_told_what_another_name_in_the_config_file_means_by_now(ready_url: str) -> None:
    async with housed(ready_url, rooms=entry(policy=BY_CLUB)) as house:
        lawn(house, BOT)
        house.world.room(CLUB, "Club", ALICE, BOT)
        house.world.aliases[CLUB_ALIAS] = CLUB
        await house.keep_configured()
        house.world.aliases[CLUB_ALIAS] = "!club2"
        await reread(house, {})
        await reread(house, entry(policy=BY_CLUB))

        means = f"{CLUB_ALIAS} means the room !club2 here (until now it meant {CLUB})."
        assert house.spoken()[-1] == f"The policy of Lawn in my config file: {means}"


async def test_two_processes_take_one_meaning_and_write_one_policy(ready_postgres_url: str) -> None:
    async with housed(ready_postgres_url, rooms=entry(MODS_ALIAS, {"otherwise": "accept"})) as one:
        lawn(one, BOT)
        two = await House(ready_postgres_url, one.world, {"rooms": entry(MODS_ALIAS, {"otherwise": "accept"})}).open()
        try:
            await asyncio.gather(*(configured.keep(house.context, enter=True) for house in (one, two)))
            trap(two, ALIAS)
            one.world.aliases[MODS_ALIAS] = TRAP
            await two.keep_configured(enter=True)
            async with one.db.tx() as tx:
                revisions = await policies.revisions(tx, LAWN, 9)

            assert await locked(one) == {LAWN: MODS}
            assert len(revisions) == 1
        finally:
            await two.close()


async def test_one_room_named_twice_goes_by_the_entry_that_stands_first(
    ready_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    twice = entry(policy={"otherwise": "reject"}) | entry(policy={"otherwise": "accept"}, name=LAWN)
    with caplog.at_level(logging.WARNING, "knockbot.flow"):
        async with ruled(ready_url, twice) as house:
            house.world.knock(LAWN, ANA)
            await house.live()

            assert house.membership(ANA, LAWN) == "leave"
            assert any("the same room as" in said for said in house.spoken())
    assert "the same room as" in caplog.text


async def test_a_room_whose_two_names_turn_out_to_be_one_room_is_not_protected(ready_url: str) -> None:
    async with housed(ready_url, rooms=entry("#also-lawn:tulip.example")) as house:
        lawn(house, BOT)
        house.world.aliases["#also-lawn:tulip.example"] = LAWN

        assert not await house.keep_configured(enter=True)
        assert await room(house) is None


# --- whenever the bot gets there ----------------------------------------------------------------------------------


def bot_invited(house: House, room_id: str, by: str = ALICE) -> None:
    house.world.change(room_id, by, BOT, "invite")


HINDRANCES: dict[str, tuple[Callable[[House], object], Callable[[House], object], str]] = {
    "the bot is out of the room": (
        lambda house: house.world.change(LAWN, ALICE, BOT, "leave"),
        lambda house: bot_invited(house, LAWN),
        f"I am not in {ALIAS}",
    ),
    "the bot is out of the room, and whoever invites it is nobody": (
        lambda house: house.world.change(LAWN, ALICE, BOT, "leave"),
        lambda house: bot_invited(house, LAWN, EVE),
        f"I am not in {ALIAS}",
    ),
    "the bot is out of the management room": (
        lambda house: house.world.change(MODS, ALICE, BOT, "leave"),
        lambda house: bot_invited(house, MODS),
        f"I am not in {MODS_ALIAS}",
    ),
    "the alias is not made yet": (
        lambda house: house.world.aliases.pop(ALIAS),
        lambda house: house.world.aliases.update({ALIAS: LAWN}),
        f"I cannot find {ALIAS}: no room has that alias.",
    ),
    "the management room's alias is not made yet": (
        lambda house: house.world.aliases.pop(MODS_ALIAS),
        lambda house: house.world.aliases.update({MODS_ALIAS: MODS}),
        f"I cannot find {MODS_ALIAS}: no room has that alias.",
    ),
}


@pytest.mark.parametrize("name", HINDRANCES)
async def test_a_room_is_protected_as_soon_as_nothing_is_in_the_way(
    ready_url: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    hinder, mend, says = HINDRANCES[name]
    async with housed(ready_url, rooms=entry(MODS_ALIAS, {"otherwise": "accept"})) as house:
        lawn(house, BOT)
        hinder(house)
        with caplog.at_level(logging.WARNING, "knockbot.flow"):
            for _ in range(3):
                assert not await house.keep_configured(enter=True)
        assert await room(house) is None
        assert caplog.text.count(says) == 1
        if "I am not in #lawn" in says:  # then the moderators can be told as well
            assert len([said for said in house.spoken() if says in said]) == 1

        house.context.configured.clear()
        mend(house)
        await house.live()
        if "alias" not in name:  # nothing tells of those
            assert house.context.configured.is_set()
        assert await house.keep_configured()
        house.world.knock(LAWN, ANA)
        await house.live()

        assert await locked(house) == {LAWN: MODS}
        assert house.membership(ANA, LAWN) == "invite"
        assert any("is now protected from here" in said for said in house.spoken())


async def test_a_room_where_the_bot_has_no_power_yet_acts_as_soon_as_it_has(
    ready_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with housed(ready_url, rooms=entry(policy={"otherwise": "accept"})) as house:
        lawn(house, BOT)
        house.world.rooms[LAWN].levels["users"] = {ALICE: 100}
        await house.keep_configured()
        house.world.knock(LAWN, ANA)
        await house.live()
        assert any("my power level is 0" in said for said in house.spoken())
        assert caplog.text.count("my power level is 0") == 1

        house.world.set_levels(LAWN, users={ALICE: 100, BOT: 50})
        await house.live()
        assert house.membership(ANA, LAWN) == "invite"


async def test_a_silent_homeserver_is_no_news_for_the_moderators(ready_url: str) -> None:
    async with housed(ready_url, rooms=entry()) as house:
        lawn(house, BOT)
        house.world.play("member", Later(foreign("silent"), unreachable=True))
        assert not await house.keep_configured(enter=True)
        assert house.spoken() == []
        assert await house.keep_configured(enter=True)


async def test_a_bot_that_was_put_out_does_not_walk_back_into_a_room_it_keeps(ready_url: str) -> None:
    async with ruled(ready_url) as house:
        house.world.rooms[LAWN].join_rule = "public"
        house.world.change(LAWN, ALICE, BOT, "leave")
        await house.keep_configured(enter=True)

        assert house.membership(BOT, LAWN) == "leave"
        assert await locked(house) == {LAWN: MODS}
