"""Where aliases lead by now: elsewhere changes nothing, is told once, and shows wherever one looks."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from knockbot.check.rooms import look_at_names
from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from knockbot.flow import names
from knockbot.store import pins
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.world import ALICE, ANA, BOT, HOME

CLUB, OTHER = "!club:tulip.example", "!other:evil.example"
ALIAS, GARDEN_ALIAS, MODS_ALIAS = f"#club:{HOME}", f"#garden:{HOME}", f"#mods:{HOME}"
POLICY = {"rules": [{"when": {"member_of": ALIAS}, "then": "accept"}]}


@pytest.fixture
async def named(house: House) -> House:
    """A garden whose policy names a club by its alias."""
    house.world.room(CLUB, "Club", ALICE, BOT, ANA)
    house.world.aliases[ALIAS] = CLUB
    house.tell(f'policy set {GARDEN}\nrules: [{{when: {{member_of: "{ALIAS}"}}, then: accept}}]')
    await house.live()
    return house


@pytest.fixture
async def configured(ready_url: str) -> AsyncIterator[House]:
    """A garden that the config file names by its alias, as its management room and a club."""
    async with housed(ready_url, rooms={GARDEN_ALIAS: {"management_room": MODS_ALIAS, "policy": POLICY}}) as house:
        house.world.room(CLUB, "Club", ALICE, BOT, ANA)
        house.world.aliases |= {ALIAS: CLUB, GARDEN_ALIAS: GARDEN, MODS_ALIAS: MODS}
        await house.keep_configured()
        yield house


async def look(house: House) -> None:
    await names.look_again(house.context)
    await house.live()


async def asked(house: House, command: str) -> str:
    house.tell(command)
    await house.live()
    return house.spoken()[-1]


async def test_an_alias_that_leads_elsewhere_is_told_once(named: House, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "knockbot.flow"):
        await look(named)
        named.world.aliases[ALIAS] = OTHER
        for _ in range(3):
            await look(named)

    [told] = [said for said in named.spoken() if OTHER in said]
    assert told == (
        f"The policy of Garden names {ALIAS}. That alias now leads to another room: {OTHER}. I still use {CLUB}."
    )
    assert caplog.text.count(f"leads to {OTHER} now") == 1


@pytest.mark.parametrize("command", ["policy show", "check", "rooms"])
@pytest.mark.parametrize(("leads_to", "says"), [(OTHER, f"another room: {OTHER}"), (None, "no longer leads to a room")])
async def test_whoever_looks_sees_that_an_alias_leads_elsewhere(
    named: House, command: str, leads_to: str | None, says: str
) -> None:
    assert says not in await asked(named, command)
    if leads_to is None:
        named.world.aliases.clear()
    else:
        named.world.aliases[ALIAS] = leads_to
    await look(named)

    shown = await asked(named, command)
    assert f"{ALIAS} means the room {CLUB} here." in shown
    assert says in shown


@pytest.mark.parametrize("command", ["policy show", "check"])
async def test_whoever_looks_sees_which_room_an_alias_means(named: House, command: str) -> None:
    assert f"{ALIAS} means the room {CLUB} here." in await asked(named, command)


async def test_an_alias_that_leads_back_is_as_it_was(named: House) -> None:
    named.world.aliases[ALIAS] = OTHER
    await look(named)
    named.world.aliases[ALIAS] = CLUB
    await look(named)

    assert OTHER not in await asked(named, "policy show")


@pytest.mark.parametrize(
    "error", [Later(foreign("silent")), Later(foreign("silent"), unreachable=True), Never(foreign("no"))]
)
async def test_what_cannot_be_found_out_is_no_news(named: House, error: Exception) -> None:
    named.world.play("resolve", error)
    await look(named)

    assert "now" not in (await asked(named, "policy show")).splitlines()[-1]


async def test_an_alias_that_went_along_with_a_room_that_was_replaced_is_asked_about_once(named: House) -> None:
    named.world.room("!new", "New club", ALICE, BOT, predecessor=CLUB)
    named.world.replace(CLUB, "!new")
    named.world.aliases[ALIAS] = "!new"
    await named.live()
    await look(named)

    assert len([said for said in named.spoken() if "!new" in said]) == 1


async def test_a_slow_server_holds_up_no_other_alias(named: House) -> None:
    """Nor a room: it is nobody's turn meanwhile."""
    named.world.aliases[ALIAS] = OTHER
    named.world.play("resolve", Later(foreign("no answer within 90 seconds.")))
    await look(named)
    named.world.knock(GARDEN, ANA)
    await named.live()

    assert named.membership(ANA) == "invite"


@pytest.mark.parametrize("command", ["rooms", "check"])
async def test_whoever_looks_sees_by_which_names_the_config_file_rules_a_room(configured: House, command: str) -> None:
    shown = await asked(configured, command)

    assert f"{GARDEN_ALIAS} means the room {GARDEN} here." in shown
    assert f"{MODS_ALIAS} means the room {MODS} here." in shown


@pytest.mark.parametrize("alias", [GARDEN_ALIAS, MODS_ALIAS])
async def test_the_moderators_are_told_that_an_alias_of_the_config_file_leads_elsewhere(
    configured: House, alias: str
) -> None:
    configured.world.aliases[alias] = OTHER
    await look(configured)
    await look(configured)

    [told] = [said for said in configured.spoken() if OTHER in said]
    assert told.startswith(f"My config file names {alias}, for Garden.")
    assert f"another room: {OTHER}" in await asked(configured, "rooms")


async def test_of_an_alias_that_leads_nowhere_yet_one_sees_that_it_is_not_known(ready_url: str) -> None:
    async with housed(ready_url, defaults={"policy": POLICY}) as house:
        assert not await house.keep_configured()

        assert f"do not know yet which room {ALIAS} is" in await asked(house, "policy show")


# --- knockbot check -----------------------------------------------------------------------------------------------


async def checked(house: House) -> tuple[bool, str]:
    """What `knockbot check` says of the names in the config file and in policies."""
    said: list[str] = []
    sound = await look_at_names(house.context, said.append)
    return sound, "\n".join(said)


async def test_check_shows_which_rooms_the_config_file_means_and_where_aliases_lead_by_now(configured: House) -> None:
    sound, said = await checked(configured)
    assert sound
    assert f"✅ in the config file: {GARDEN_ALIAS}, which means {GARDEN}" in said
    assert f"✅ {ALIAS} means the room {CLUB} here." in said
    assert "⚠️" not in said

    configured.world.aliases[MODS_ALIAS] = OTHER
    sound, said = await checked(configured)
    assert sound
    assert f"⚠️ {MODS_ALIAS} means the room {MODS} here. The alias now leads to another room: {OTHER}" in said


@pytest.mark.parametrize(
    ("rooms", "says"),
    [
        ({"#nowhere:tulip.example": {"management_room": MODS}}, "I cannot find #nowhere:tulip.example"),
        ({"!strange:tulip.example": {"management_room": MODS}}, "I am not in !strange:tulip.example"),
        ({GARDEN: {"management_room": GARDEN_ALIAS}}, "it is its own management room"),
        (
            {GARDEN: {"management_room": MODS}, GARDEN_ALIAS: {"management_room": MODS}},
            f"it is the same room as {GARDEN}",
        ),
    ],
)
async def test_check_finds_what_is_missing_for_a_room_of_the_config_file_and_changes_nothing(
    ready_url: str, rooms: dict[str, Any], says: str
) -> None:
    async with housed(ready_url, rooms=rooms) as house:
        house.world.aliases[GARDEN_ALIAS] = GARDEN
        sound, said = await checked(house)

        assert not sound
        assert says in said
        async with house.db.tx() as tx:
            assert await pins.of_the_config(tx) == []
