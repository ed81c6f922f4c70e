"""In which language the bot speaks: that of the policy of the room that it speaks of, else that of the config."""

from __future__ import annotations

import pytest

from knockbot.domain.languages import Language
from knockbot.flow import place
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.test_rulebook import set_policy
from tests.flow.world import ALICE, ANA, BOT

ENGLISH, GERMAN = "My config names no identity server", "In meiner Konfiguration steht kein Identitätsserver"
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
        assert place.language_of(house.context, await place.managed_by(house.context, tx, MODS)) is spoken


async def test_a_language_that_the_bot_does_not_speak_is_refused(house: House) -> None:
    reply = await set_policy(house, "language: fr")

    assert reply == 'Policy not changed: line 1: language: unknown word "fr"; known: en, de.'


# --- in a German room ---------------------------------------------------------------------------------------------


@pytest.fixture
async def german(house: House) -> House:
    await set_policy(house, "language: de")
    return house


async def reply(house: House, command: str) -> str:
    house.tell(command)
    await house.live()
    return house.spoken()[-1]


async def test_why_the_bot_may_not_act_is_said_in_german(german: House) -> None:
    german.world.set_levels(GARDEN, users={ALICE: 100, BOT: 0})
    german.world.knock(GARDEN, ANA)
    await german.live()

    assert (
        "Das kann ich nicht beantworten: das Berechtigungslevel 0 reicht nicht zum Einladen; nötig ist 50. "
        f"Bitte gib {BOT} in Garden ein höheres Berechtigungslevel."
    ) in german.card().text
    assert (await reply(german, "accept 1")).startswith(
        "Mir fehlt in Garden die Berechtigung dafür: das Berechtigungslevel 0 reicht nicht zum Einladen; nötig ist 50."
    )


async def test_what_the_homeserver_says_is_put_into_a_german_sentence(german: House) -> None:
    german.world.aliases.clear()

    assert await reply(german, "protect #nowhere:tulip.example") == (
        "Ich kann #nowhere:tulip.example nicht finden: kein Raum hat diesen Alias."
    )


async def test_what_a_room_has_and_lacks_is_told_in_german(german: House) -> None:
    german.world.set_levels(GARDEN, users={ALICE: 100, BOT: 10}, invite=10)

    await german.live()  # it tells of its own accord what is missing

    assert (await reply(german, f"check {GARDEN}")).split("\n") == [
        "Garden:",
        "✅ man kann eine Beitrittsanfrage stellen (Beitrittsregel „knock“)",
        "✅ Einladen: Mein Berechtigungslevel 10 reicht (nötig ist 10)",
        f"❌ Entfernen: {BOT} braucht dort das Berechtigungslevel 50 und hat 10",
        f"❌ Verbannen: {BOT} braucht dort das Berechtigungslevel 50 und hat 10",
    ]


async def test_what_makes_a_room_unfit_and_that_it_is_fit_again_is_told_in_german(german: House) -> None:
    await german.look_everywhere()
    for rule, told in (
        ("public", "Alle können beitreten, ohne zu fragen"),
        ("knock", "von Garden stimmen wieder"),
    ):
        german.world.rooms[GARDEN].join_rule = rule
        german.world.state_changed(GARDEN, "m.room.join_rules")
        await german.live()
        assert told in german.spoken()[-1]


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("language: de\nannounce: none", "✅ Revision 2 der Policy von Garden gilt jetzt: 0 Regeln, vorher 0."),
        ("language: de\notherwise: nothing", "Policy nicht geändert: Zeile 2: otherwise: unbekanntes Wort "),
        (
            "rules:\n- when: {member_of: '#nowhere:tulip.example'}\n  then: accept\n",
            "Policy nicht geändert: Zeile 2: Regel #1: when.member_of nennt #nowhere:tulip.example. Dort kann nur",
        ),
    ],
)
async def test_what_becomes_of_a_policy_is_told_in_german(german: House, policy: str, told: str) -> None:
    assert (await set_policy(german, policy)).startswith(told)


async def test_what_a_policy_does_not_set_is_told_in_german(german: House) -> None:
    said = await set_policy(german, f"language: de\ncall: ['{ALICE}']\nlists: []")
    assert f"call: {ALICE} (vorher: niemand)" in said
    await set_policy(german, "otherwise: forward")
    assert "language: de (vorher: nicht gesetzt)" in await set_policy(german, "language: de")


async def test_help_and_how_a_command_is_written_are_told_in_german(german: House) -> None:
    assert await reply(german, "invite carla") == (
        "Wen? Nenne eine E-Mail-Adresse, oder eine Telefonnummer mit Landesvorwahl (+49 …). "
        "So schreibt man es: !kb invite ROOM ADDRESS [name]. Zum Beispiel: "
        "!kb invite #garden:example.org carla@example.net"
    )
    helped = await reply(german, "help")
    assert helped.startswith("Ich beantworte Beitrittsanfragen")
    assert "!kb help [command] – diese Liste, oder Hilfe zu einem Befehl" in helped
    assert (await reply(german, "acept 5")).startswith("Einen Befehl acept gibt es nicht. Meintest du !kb accept?")


async def test_a_card_is_german_before_and_after_it_is_answered(german: House) -> None:
    german.world.knock(GARDEN, ANA, "Ich mag Gärten", displayname="Ana")
    await german.live()
    assert german.card().text == (
        f"🚪 #1 Ana {ANA} möchte Garden beitreten\n"
        "Begründung: Ich mag Gärten\n"
        "✅ annehmen, ❌ ablehnen, ⛔ verbannen · oder !kb accept 1"
    )

    german.tell("reject 1 Leider voll")
    await german.live()
    assert german.card().text == (
        f"❌ #1 Ana {ANA} wollte Garden beitreten\n"
        "Begründung: Ich mag Gärten\n"
        f"Abgelehnt von {ALICE}.\n"
        "Mitgeteilt wurde: Leider voll"
    )


async def test_what_a_rule_did_is_told_in_a_german_line(german: House) -> None:
    await set_policy(german, f"language: de\nrules: [{{name: ours, when: {{user: '{ANA}'}}, then: reject}}]")
    german.world.knock(GARDEN, ANA, displayname="Ana")
    await german.live()

    assert german.spoken()[-1] == f"❌ #1 Ana {ANA} in Garden: Abgelehnt von der Regel „ours“."


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("list", "#1 Ana @ana:tulip.example in Garden, gerade eben · Begründung: Ich mag Gärten"),
        ("show 1", "Wartet auf eine Antwort.\nPolicy: die Moderation fragen, weil keine Regel passt (otherwise)"),
        ("log", "#1 @ana:tulip.example · die Policy sagt: die Moderation fragen · von der Policy (otherwise)"),
        ("queue", "1 Anfrage wartet auf eine Antwort (!kb list).\nEs stehen keine Aktionen aus."),
        ("rooms", f"Garden {GARDEN} · 1 offen"),
        ("policy show", f"Policy von Garden (Revision 1 von {ALICE}):\nlanguage: de"),
        ("policy log", "Policy von Garden:\n· Revision 1 · "),
        (f"test {GARDEN} @bob:x", "Wenn @bob:x jetzt an Garden anklopft, passiert Folgendes"),
        ("invites", "Garden hat keine ungenutzte Einladung per Adresse."),
    ],
)
async def test_what_commands_show_is_told_in_german(german: House, command: str, told: str) -> None:
    german.world.knock(GARDEN, ANA, "Ich mag Gärten", displayname="Ana")
    await german.live()

    assert told in await reply(german, command)
