"""Each row of the table of who may is enforced: somebody who has all of it may, and whoever lacks one part may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from knockbot.config.settings import read_settings
from knockbot.domain.may import MAY, Deed
from knockbot.domain.model import Verdict
from knockbot.domain.notices import Room, notice
from knockbot.errors import Refused
from knockbot.flow import authority
from knockbot.flow.authority import Wanted
from tests.flow.house import GARDEN, MODS, SETTINGS, House
from tests.flow.world import ALICE, ANA, BOT, HOME

pytestmark = pytest.mark.one_engine  # who may is asked of the homeserver and the config

LEVELS: dict[str, Any] = {
    "users": {BOT: 200, ALICE: 100},
    "invite": 50,
    "kick": 50,
    "ban": 50,
    "events": {"m.room.join_rules": 50},
    "state_default": 50,
}


@pytest.fixture
def able(house: House) -> House:
    """A house in which ALICE has all that any deed takes, and is no admin of the bot."""
    for room_id in (GARDEN, MODS):
        house.world.rooms[room_id].levels = {**LEVELS}
    house.context.live_settings.take(read_settings({**SETTINGS, "permissions": {HOME: "user"}}))
    return house


def wanted(deed: Deed) -> Wanted:
    """What ALICE wants, with a policy that says no more than to leave all to the moderators."""
    room = Room(MODS if MAY[deed].joined_to_management else GARDEN, "Garden")
    return Wanted(deed, ALICE, room, target=ANA, management_room=MODS, verdicts=(Verdict.FORWARD,))


async def refused(house: House, what: Wanted) -> bool:
    try:
        await authority.insist(house.context, what)
    except Refused:
        return True
    return False


def leaves(room_id: str) -> Callable[[House], None]:
    return lambda house: void(house.world.change(room_id, ALICE, ALICE, "leave"))


def void(_: object) -> None:
    """Nothing is done with what comes of it."""


def with_levels(room_id: str, **levels: Any) -> Callable[[House], None]:
    return lambda house: void(house.world.rooms[room_id].levels.update(levels))


def nobody_is_permitted(house: House) -> None:
    house.context.live_settings.take(read_settings({**SETTINGS, "permissions": {"elsewhere.example": "user"}}))


LACKS: dict[str, Callable[[House], None]] = {
    "powers": with_levels(GARDEN, invite=101, kick=101, ban=101),
    "keeps_door": with_levels(GARDEN, events={"m.room.join_rules": 101}),
    "changes_settings": with_levels(MODS, state_default=101),
    "joined": leaves(GARDEN),
    "joined_to_management": leaves(MODS),
    "permitted": nobody_is_permitted,
    "of_the_bot": with_levels(GARDEN, users={BOT: 0, ALICE: 100}),
}
"""What takes each part of a row away from ALICE, or from the bot, and no other part."""


@pytest.mark.parametrize("deed", Deed)
async def test_who_has_all_that_it_takes_may(able: House, deed: Deed) -> None:
    await authority.insist(able.context, wanted(deed))


@pytest.mark.parametrize("part", LACKS)
@pytest.mark.parametrize("deed", Deed)
async def test_who_lacks_a_part_may_not_if_its_row_asks_for_it(able: House, deed: Deed, part: str) -> None:
    LACKS[part](able)

    asked = getattr(MAY[deed], part) or (part == "powers" and MAY[deed].answers)
    assert await refused(able, wanted(deed)) is bool(asked)


@pytest.mark.parametrize("deed", Deed)
async def test_what_the_config_file_names_is_locked_where_its_row_says_so(able: House, deed: Deed) -> None:
    assert await refused(able, replace(wanted(deed), locked=True)) is MAY[deed].unlocked


@pytest.mark.parametrize("deed", Deed)
async def test_while_the_bot_is_out_of_the_room_nobody_may(able: House, deed: Deed) -> None:
    """It does not see there who may: the homeserver shows it what was true when it left."""
    able.world.change(wanted(deed).room.room_id, ALICE, BOT, "kick")

    assert await refused(able, wanted(deed))


@pytest.mark.parametrize("deed", Deed)
async def test_to_be_an_admin_of_the_bot_is_enough_where_its_row_says_so(able: House, deed: Deed) -> None:
    able.context.live_settings.take(read_settings({**SETTINGS, "permissions": {ALICE: "admin"}}))
    leaves(GARDEN)(able)
    leaves(MODS)(able)

    assert await refused(able, wanted(deed)) is not MAY[deed].or_admin


@pytest.mark.parametrize("deed", [deed for deed in Deed if MAY[deed].keeps_door])
async def test_who_keeps_a_door_must_be_able_to_do_all_that_its_policy_says(able: House, deed: Deed) -> None:
    with_levels(GARDEN, ban=101)(able)

    assert not await refused(able, replace(wanted(deed), verdicts=(Verdict.ACCEPT, Verdict.REJECT)))
    assert await refused(able, replace(wanted(deed), verdicts=(Verdict.ACCEPT, Verdict.BAN)))


@pytest.mark.parametrize("deed", [deed for deed in Deed if MAY[deed].of_the_bot])
async def test_whom_it_hits_must_be_below_where_that_counts(able: House, deed: Deed) -> None:
    with_levels(GARDEN, users={BOT: 200, ALICE: 100, ANA: 100})(able)

    assert await refused(able, wanted(deed)) is bool({"kick", "ban"} & {*MAY[deed].powers})


@pytest.mark.parametrize("gone", [BOT, ALICE])
async def test_who_must_not_learn_who_is_in_a_room_is_told_the_same_whoever_is_missing(able: House, gone: str) -> None:
    unseen = notice("protect.not_permitted", key=Room(GARDEN, "Garden"))
    able.world.change(GARDEN, gone if gone == ALICE else ALICE, gone, "leave" if gone == ALICE else "kick")
    for locked in (False, True):
        with pytest.raises(Refused) as raised:
            await authority.insist(able.context, replace(wanted(Deed.PROTECT), unseen=unseen, locked=locked))
        assert raised.value.said is unseen


async def test_a_look_asks_nothing_but_who_is_in_the_room(able: House) -> None:
    able.world.calls.clear()
    await authority.insist(able.context, wanted(Deed.LOOK))

    assert able.world.asked("powers", "room") == []
