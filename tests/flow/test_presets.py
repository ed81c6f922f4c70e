"""Policies to begin with: offered after protect, by click or by command, and written as revisions like any other."""

from __future__ import annotations

import pytest

from knockbot.config.policies import read_policy
from knockbot.domain.languages import Language
from knockbot.features.presets import keeping
from knockbot.features.presets.table import BY_EMOJI, PRESETS, TRY_AGAIN, WORDS
from knockbot.store import policies
from tests.flow.house import GARDEN, MODS, House
from tests.flow.offered import Offered, click, offers
from tests.flow.world import ALICE, ANA, BOT, HOME, levels_for

BOB, FAR = f"@bob:{HOME}", "@far:slow.example"
ROSES, CLUB = "!roses:tulip.example", "!club:tulip.example"
OTHER_MODS = "!others:tulip.example"
EMOJI = {preset.name: emoji for emoji, preset in BY_EMOJI.items()}


@pytest.fixture
async def protected(house: House) -> House:
    """A room that Alice has just had protected by a command."""
    house.world.room(ROSES, "Roses", ALICE, BOT, levels=levels_for())
    await told(house, f"protect {ROSES}")
    return house


async def told(house: House, command: str, by: str = ALICE) -> list[str]:
    before = len(house.spoken())
    house.tell(command, by=by)
    await house.live()
    return house.spoken()[before:]


def choices(house: House, room_id: str = MODS) -> list[Offered]:
    return offers(house, "preset", room_id)


def choice(house: House) -> Offered:
    """The only one."""
    [only] = choices(house)
    return only


async def revisions(house: House, room_id: str = ROSES) -> list[tuple[int, str, str]]:
    async with house.db.tx() as tx:
        return [(one.revision, one.author, one.text) for one in await policies.revisions(tx, room_id, 9)]


async def knocked(house: House, user_id: str, reason: str = "", room_id: str = ROSES) -> str | None:
    house.world.knock(room_id, user_id, reason)
    await house.live()
    return house.membership(user_id, room_id)


# --- each of them -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_is_a_policy(name: str) -> None:
    preset = PRESETS[name]
    policy = read_policy(preset.written("#club:tulip.example" if preset.needs_room else None))
    assert policy.rooms_needed == (("#club:tulip.example",) if preset.needs_room else ())


@pytest.mark.parametrize(
    ("name", "who", "reason", "stands"),
    [
        ("moderators", ANA, "I would like to see the roses", "knock"),
        ("server", ANA, "", "invite"),
        ("server", FAR, "", "knock"),
        ("careful", ANA, "", "leave"),
        ("careful", ANA, "hi", "leave"),
        ("careful", ANA, "I would like to see the roses", "knock"),
        ("open", ANA, "I would like to see the roses", "invite"),
        ("open", ANA, "", "knock"),
        ("strict", ANA, "", "knock"),
    ],
)
async def test_what_each_does_with_a_knock(protected: House, name: str, who: str, reason: str, stands: str) -> None:
    await click(protected, choice(protected), EMOJI[name])
    assert await knocked(protected, who, reason) == stands


async def test_who_cannot_give_a_reason_comes_to_the_moderators_in_the_end(protected: House) -> None:
    await click(protected, choice(protected), EMOJI["careful"])
    assert [await knocked(protected, ANA) for _ in range(3)] == ["leave", "leave", "knock"]


async def test_whoever_is_pre_approved_comes_in_by_each(protected: House) -> None:
    await told(protected, f"allow {FAR} {ROSES}")
    await click(protected, choice(protected), EMOJI["moderators"])
    assert await knocked(protected, FAR) == "invite"


# --- the offer ----------------------------------------------------------------------------------------------------


async def test_protect_ends_with_the_offer_after_its_reply(protected: House) -> None:
    reply, asked = [content["body"] for content in protected.said()]
    assert "Roses is now protected" in reply
    assert asked.startswith("Who may come into Roses?")
    assert "1️⃣ moderators: the moderators decide about everyone" in asked
    assert choice(protected).emojis == tuple(BY_EMOJI)


@pytest.mark.parametrize("emoji", ["2️⃣", "2⃣"])
async def test_one_click_writes_a_revision_with_the_clicker_as_its_author(protected: House, emoji: str) -> None:
    [said] = await click(protected, choice(protected), emoji)
    assert said.startswith("✅ Revision 1 of the policy of Roses is in force: 2 rules now, 0 before.")
    assert said.endswith(f"To use another preset: !kb policy use NAME {ROSES}")
    assert await revisions(protected) == [(1, ALICE, PRESETS["server"].text)]
    assert (choice(protected).is_open, choice(protected).emojis) == (False, ())
    [shown] = await told(protected, f"policy show {ROSES}")
    assert PRESETS["server"].text.strip() in shown


async def test_a_reply_of_the_emoji_alone_is_a_click(protected: House) -> None:
    relation = {"m.relates_to": {"m.in_reply_to": {"event_id": choice(protected).event_id}}}
    protected.world.say(MODS, ALICE, "2️⃣", **relation)
    await protected.live()
    assert len(await revisions(protected)) == 1


async def test_a_room_that_is_protected_from_here_is_not_said_to_be_protected_now(protected: House) -> None:
    protected.tell(f"protect {GARDEN}")
    await protected.live()
    replies = [said.split("\n")[0] for said in protected.spoken() if "protected" in said]
    assert replies[-1] == "🚪 Garden is already protected from here."


async def test_the_first_click_wins(protected: House) -> None:
    asked = choice(protected)
    for emoji in ("2️⃣", "1️⃣"):
        protected.world.react(MODS, ALICE, asked.event_id, emoji)
    await protected.live()
    assert [text for _, _, text in await revisions(protected)] == [PRESETS["server"].text]


async def test_who_clicks_after_it_was_taken_is_told_who_chose_and_what(protected: House) -> None:
    asked = choice(protected)
    protected.world.change(MODS, BOB, BOB, "join")
    closed = f"This question is closed. {ALICE} chose 2️⃣ server."
    for by, emoji in ((ALICE, "2️⃣"), (BOB, "5️⃣")):
        protected.world.react(MODS, by, asked.event_id, emoji)
    await protected.live()
    assert protected.spoken()[-1] == closed
    assert choice(protected).text == closed
    assert await click(protected, asked, "1️⃣", by=BOB) == []  # they were told
    assert await click(protected, asked, "2️⃣", by=ALICE) == []
    assert await click(protected, asked, "👍", by=BOB) == []


@pytest.mark.parametrize("emoji", ["✅", "❌", "👍", "9️⃣"])
async def test_another_reaction_is_no_answer(protected: House, emoji: str) -> None:
    said = await click(protected, choice(protected), emoji)
    assert [one.partition(":")[0] for one in said] == ["That does not answer this question. The possible clicks are"]
    assert await revisions(protected) == []


@pytest.mark.parametrize("emoji", ["🎉", "❤️"])
async def test_a_reaction_that_means_no_answer_is_let_be(protected: House, emoji: str) -> None:
    assert await click(protected, choice(protected), emoji) == []
    assert await revisions(protected) == []


async def test_members_asks_for_the_room_with_a_command_to_copy(protected: House) -> None:
    [said] = await click(protected, choice(protected), EMOJI["members"])
    assert said == f"Members of which room? Please type it: !kb policy use members {ROSES} #room:server"
    assert choice(protected).is_open
    assert await revisions(protected) == []


@pytest.mark.parametrize("lack", ["power", "the room"])
async def test_only_who_could_set_the_policy_may_click(protected: House, lack: str) -> None:
    protected.world.change(MODS, BOB, BOB, "join")
    if lack == "power":
        protected.world.change(ROSES, BOB, BOB, "join")
    else:
        protected.world.rooms[ROSES].levels["users"][BOB] = 100
    said = await click(protected, choice(protected), "2️⃣", by=BOB)
    assert len(said) == 1
    assert await revisions(protected) == []
    assert choice(protected).is_open


async def test_a_preset_takes_the_power_for_its_verdicts(protected: House) -> None:
    protected.world.change(MODS, BOB, BOB, "join")
    protected.world.change(ROSES, BOB, BOB, "join")
    protected.world.set_levels(ROSES, kick=70, users={**levels_for()["users"], BOB: 60})
    await protected.live()
    [said] = await click(protected, choice(protected), EMOJI["careful"], by=BOB)
    assert "reject needs level 70" in said
    [said] = await click(protected, choice(protected), EMOJI["server"], by=BOB)
    assert said.startswith("✅ Revision 1")


async def test_it_is_not_offered_twice(protected: House) -> None:
    await told(protected, f"protect {ROSES}")
    assert choice(protected).is_open


async def test_it_is_not_offered_to_a_room_with_a_policy(house: House) -> None:
    house.world.room(ROSES, "Roses", ALICE, BOT, levels=levels_for())
    await house.set_policy("otherwise: ban", ROSES)
    await told(house, f"protect {ROSES}")
    assert choices(house) == []


async def test_any_policy_closes_it(protected: House) -> None:
    await told(protected, f"policy set {ROSES}\notherwise: ban")
    assert choice(protected).text == "This question is closed, because it needs no answer any more."
    assert await click(protected, choice(protected), "2️⃣") == [
        "This question is closed, because it needs no answer any more."
    ]
    await told(protected, f"unprotect {ROSES}")
    await told(protected, f"protect {ROSES}")
    assert len(choices(protected)) == 1


async def test_it_ends_with_the_protection_and_comes_again_with_it(protected: House) -> None:
    await told(protected, f"unprotect {ROSES}")
    assert not choice(protected).is_open
    await told(protected, f"protect {ROSES}")
    assert [one.is_open for one in choices(protected)] == [False, True]


async def test_it_moves_with_the_room_to_another_management_room(protected: House) -> None:
    protected.world.room(OTHER_MODS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    protected.world.say(OTHER_MODS, ALICE, f"!kb protect {ROSES}")
    await protected.live()
    assert not choice(protected).is_open
    assert await click(protected, choice(protected), "2️⃣") == [
        "This question is closed, because it needs no answer any more."
    ]
    [there] = choices(protected, OTHER_MODS)
    await click(protected, there, "2️⃣", room_id=OTHER_MODS)
    assert len(await revisions(protected)) == 1


async def test_where_it_is_removed_it_comes_again(protected: House) -> None:
    protected.world.redact(MODS, ALICE, choice(protected).event_id)
    await protected.live()
    await click(protected, choice(protected), "2️⃣")
    assert len(await revisions(protected)) == 1


async def test_a_click_while_the_bot_was_away_is_found(protected: House) -> None:
    protected.world.react(MODS, ALICE, choice(protected).event_id, "2️⃣")
    protected.world.outbox.clear()
    await protected.look_everywhere()
    await protected.live()
    assert len(await revisions(protected)) == 1


# --- by command ---------------------------------------------------------------------------------------------------


async def test_policy_presets_lists_them_and_shows_one(house: House) -> None:
    [listed] = await told(house, "policy presets")
    for emoji, preset in BY_EMOJI.items():
        assert f"{emoji} {preset.name}: " in listed
    [shown] = await told(house, "policy presets careful")
    assert PRESETS["careful"].text.strip() in shown


async def test_policy_use_writes_a_revision(house: House) -> None:
    [said] = await told(house, f"policy use server {GARDEN}")
    assert said.startswith("✅ Revision 1")
    assert await revisions(house, GARDEN) == [(1, ALICE, PRESETS["server"].text)]


@pytest.mark.parametrize("name", ["4", "4️⃣", "4⃣", "“careful”", "`Careful`"])
async def test_a_preset_is_named_by_its_number_too_and_the_only_room_may_be_left_out(house: House, name: str) -> None:
    [said] = await told(house, f"policy use {name}")
    assert said.startswith("✅ Revision 1 of the policy of Garden")
    assert await revisions(house, GARDEN) == [(1, ALICE, PRESETS["careful"].text)]
    assert PRESETS["careful"].text.strip() in (await told(house, f"policy presets {name}"))[0]


async def test_with_the_only_room_left_out_the_room_of_the_members_stands_alone(house: House) -> None:
    house.world.room(CLUB, "Club", ALICE, BOT, ANA, join_rule="invite")
    [said] = await told(house, f"policy use members {CLUB}")
    assert said.startswith("✅ Revision 1 of the policy of Garden")
    assert await revisions(house, GARDEN) == [(1, ALICE, PRESETS["members"].written(CLUB))]


async def test_a_room_of_version_12_and_the_room_of_the_members_are_two_words(house: House) -> None:
    hashed = f"!{'r' * 43}"
    house.world.room(hashed, "Roses", ALICE, BOT, levels=levels_for())
    house.world.room(CLUB, "Club", ALICE, BOT, ANA, join_rule="invite")
    house.world.aliases[f"#club:{HOME}"] = CLUB
    await told(house, f"unprotect {GARDEN}")
    await told(house, f"protect {hashed}")
    said = await told(house, f"policy use members {hashed} #club:{HOME}")
    assert said[0].startswith("✅ Revision 1 of the policy of Roses")


async def test_where_two_rooms_are_managed_neither_may_be_left_out(protected: House) -> None:
    assert (await told(protected, "policy use server"))[0].startswith("Which room?")
    assert (await told(protected, f"policy use members {CLUB}"))[0].startswith(f"{CLUB} is not managed from this room.")
    assert [await revisions(protected, room_id) for room_id in (GARDEN, ROSES)] == [[], []]


@pytest.mark.parametrize("named", [CLUB, f"#club:{HOME}", f"https://matrix.to/#/%23club:{HOME}"])
async def test_members_of_a_room_come_in(house: House, named: str) -> None:
    house.world.room(CLUB, "Club", ALICE, BOT, ANA, join_rule="invite")
    house.world.aliases[f"#club:{HOME}"] = CLUB
    said = await told(house, f"policy use members {GARDEN} {named}")
    assert said[0].startswith("✅ Revision 1")
    assert await knocked(house, ANA, room_id=GARDEN) == "invite"
    assert await knocked(house, FAR, room_id=GARDEN) == "knock"


async def test_a_room_that_the_author_is_not_in_cannot_be_named(house: House) -> None:
    house.world.room(CLUB, "Club", BOT, ANA, join_rule="invite")
    [said] = await told(house, f"policy use members {GARDEN} {CLUB}")
    assert said.startswith("Policy not changed: ")
    assert await revisions(house, GARDEN) == []


# --- what stays ---------------------------------------------------------------------------------------------------

SETTINGS = f"""\
language: de
timezone: Europe/Berlin
call:
- '{BOB}'
templates:
  rules: Please read the rules.
wave: off
"""


async def test_the_settings_that_do_not_say_who_comes_in_stay(house: House) -> None:
    await house.set_policy(
        f"rules: [{{ when: {{ local: false }}, then: ban }}]\notherwise: reject\ninviter_left: revoke\n{SETTINGS}",
        GARDEN,
    )
    [said] = await told(house, f"policy use server {GARDEN}")
    assert "language, timezone, call, templates, wave" in said
    [*_, (_, author, text)] = sorted(await revisions(house, GARDEN))
    assert (author, text) == (ALICE, PRESETS["server"].written(None, Language.DE) + "# Wie bisher:\n" + SETTINGS)


async def test_a_dry_run_stays_one(house: House) -> None:
    await house.set_policy("dry_run: true", GARDEN)
    assert "This policy is in dry run" in (await told(house, f"policy use open {GARDEN}"))[0]
    assert await knocked(house, ANA, "I would like to see the garden", GARDEN) == "knock"


async def test_an_applicant_is_told_in_the_language_of_the_room(house: House) -> None:
    await house.set_policy("language: de", GARDEN)
    [shown] = await told(house, "policy presets careful")
    await told(house, f"policy use careful {GARDEN}")
    assert await knocked(house, ANA, room_id=GARDEN) == "leave"
    member = house.world.rooms[GARDEN].members[ANA]
    assert member["content"]["reason"] == TRY_AGAIN[Language.DE]
    assert TRY_AGAIN[Language.DE] in shown


SPACE_LISTS = """\
lists:
- { room: "#bans:tulip.example", name: bans }
- { room: "#spam:tulip.example", name: spam }
"""


@pytest.mark.parametrize(
    ("texts", "own", "kept"),
    [
        ([], True, {}),
        (["{}"], True, {}),
        (["rules: []\notherwise: ban"], True, {}),
        (["inherit: true\nlanguage: de", "language: en\ncall: []"], True, {"language": "de", "call": []}),
        (["also_invite: children"], True, {"also_invite": "children"}),
        (["also_invite: children"], False, {}),
        (["also_invite: [children, '#a:b.c']"], False, {"also_invite": ["#a:b.c"]}),
        (["inherit: true", "also_invite: children"], True, {}),
        (
            ['inherit: true\nlists: [{ room: "#bans:tulip.example", name: spam }]', SPACE_LISTS],
            True,
            {
                "lists": [
                    {"room": "#bans:tulip.example", "name": "spam"},
                    {"room": "#spam:tulip.example", "name": "spam 2"},
                ]
            },
        ),
    ],
)
def test_what_is_kept_of_several_policies(texts: list[str], *, own: bool, kept: dict[str, object]) -> None:
    assert keeping.of_texts(texts, own) == kept
    read_policy(keeping.with_kept(PRESETS["open"].text, kept))


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_policy_in_each_language(name: str, language: Language) -> None:
    text = PRESETS[name].written("#club:tulip.example", language)
    assert read_policy(text).rules
    assert (TRY_AGAIN[language] in text) is (name == "careful")


@pytest.mark.parametrize("language", [language for language in Language if language is not Language.EN])
def test_what_people_read_of_a_preset_is_in_their_language(language: Language) -> None:
    english = "\n".join(preset.text for preset in PRESETS.values())
    read = {line for line in english.splitlines() if "#" in line or "name:" in line}
    for preset in PRESETS.values():
        assert read.isdisjoint(preset.written(None, language).splitlines())
    assert all(words in english for words in WORDS[language])


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("policy use", "Which policy? Give its name."),
        ("policy use xyz Garden", "There is no policy xyz to begin with. These are known: moderators, server, members"),
        ("policy presets xyz", "There is no policy xyz to begin with."),
        ("policy use server Gardn", "Gardn is not managed from this room."),
        ("policy use members Garden", "Members of which room?"),
        ("policy use members", "Members of which room?"),
        (f"policy use members {GARDEN} {GARDEN}", "Members of Garden need not ask to join it."),
        (f"policy use members {GARDEN} #garden:{HOME}", "Members of Garden need not ask to join it."),
        ("policy use Garden server", "Write the name first, then the room."),
        (f"policy use {GARDEN} careful", "Write the name first, then the room."),
        ("policy use 7", "There is no policy 7 to begin with."),
        (f"policy use server {CLUB}", f"{CLUB} is not managed from this room."),
        ("policy use server Garden #club:tulip.example", "The policy server is not about another room."),
        ("policy use members Garden nonsense", "nonsense is not a room ID"),
    ],
)
async def test_what_is_wrong_with_the_command_is_told_and_nothing_changes(
    house: House, command: str, reply: str
) -> None:
    house.world.aliases[f"#garden:{HOME}"] = GARDEN
    [said] = await told(house, command)
    assert said.startswith(reply)
    assert await revisions(house, GARDEN) == []
