"""In which language the bot speaks: that of the policy of the room that it speaks of, else that of the config."""

from __future__ import annotations

import pytest

from knockbot.domain.languages import Language
from knockbot.flow import rules
from tests.flow.house import GARDEN, House, housed
from tests.flow.test_rulebook import set_policy
from tests.flow.world import ALICE, BOT

ENGLISH, GERMAN = "I know no identity server", "Ich kenne keinen Identitätsserver"
SHED = "!shed:tulip.example"


async def told(house: House) -> str:
    """What the bot says to somebody who wants an address invited, which it cannot do here."""
    house.tell(f"invite {GARDEN} carla@example.org")
    await house.live()
    return house.spoken()[-1]


async def test_the_bot_speaks_the_language_of_the_policy(house: House) -> None:
    assert (await told(house)).startswith(ENGLISH)
    await set_policy(house, "language: de")
    assert (await told(house)).startswith(GERMAN)
    await set_policy(house, "otherwise: forward")
    assert (await told(house)).startswith(ENGLISH)


async def test_where_no_policy_says_it_speaks_the_language_of_the_config(ready_url: str) -> None:
    async with housed(ready_url, defaults={"language": "de"}) as house:
        assert (await told(house)).startswith(GERMAN)
        await set_policy(house, "language: en")
        assert (await told(house)).startswith(ENGLISH)


async def test_the_default_policy_may_say_it_too(ready_url: str) -> None:
    async with housed(ready_url, defaults={"policy": {"language": "de"}}) as house:
        assert (await told(house)).startswith(GERMAN)


async def test_a_policy_of_old_that_is_in_force_again_brings_its_language(house: House) -> None:
    await set_policy(house, "language: de")
    await set_policy(house, "otherwise: accept")
    house.tell(f"policy revert {GARDEN} 1")
    await house.live()

    assert (await told(house)).startswith(GERMAN)


@pytest.mark.parametrize(("other", "spoken"), [("de", Language.DE), ("en", Language.EN)])
async def test_what_is_about_several_rooms_is_said_in_their_language_if_they_have_one(
    house: House, other: str, spoken: Language
) -> None:
    house.world.room(SHED, "Shed", ALICE, BOT)
    await set_policy(house, "language: de")
    await house.protect(SHED, policy=f"language: {other}")

    async with house.db.tx() as tx:
        assert await rules.language(house.context, tx, GARDEN, SHED) is spoken


async def test_a_language_that_the_bot_does_not_speak_is_refused(house: House) -> None:
    reply = await set_policy(house, "language: fr")

    assert reply == 'Policy not changed: line 1: language: unknown word "fr"; known: en, de.'
