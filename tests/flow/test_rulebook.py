"""Who may change a policy, what it may name, and when it comes into force."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from knockbot.flow import rules
from knockbot.store import policies
from tests.flow.house import GARDEN, House
from tests.flow.world import ALICE, ANA, BOT, World

pytestmark = pytest.mark.usefixtures("tidy")

SPACE = "!space:tulip.example"
BOB = "@bob:tulip.example"


async def set_policy(house: House, text: str, *, by: str = ALICE) -> str:
    """Somebody sets a policy; returns the reply."""
    before = len(house.spoken())
    house.tell(f"policy set {GARDEN}\n{text}", by=by)
    await house.live()
    [reply] = house.spoken()[before:]
    return reply


async def in_force(house: House) -> str | None:
    async with house.db.tx() as tx:
        current = await policies.current(tx, GARDEN)
    return current.text.strip() if current else None


async def test_a_policy_that_was_set_is_in_force_and_on_record(house: House) -> None:
    await set_policy(house, "otherwise: accept")
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert await in_force(house) == "otherwise: accept"
    assert house.membership(ANA) == "invite"


async def test_a_command_that_comes_twice_revises_once(house: House) -> None:
    house.tell(f"policy set {GARDEN}\notherwise: accept")
    house.world.outbox *= 2
    await house.live()

    async with house.db.tx() as tx:
        assert len(await policies.revisions(tx, GARDEN, 10)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "otherwise: nothing",
        "rules: [{when: {colour: red}, then: ban}]",
        "rules: &a [*a]",
        "rules: [{when: {reason_matches: '('}, then: ban}]",
        "{" * 100,
        "otherwise: accept\notherwise: ban",
    ],
)
async def test_a_policy_with_a_mistake_leaves_the_one_in_force(house: House, text: str) -> None:
    await set_policy(house, "otherwise: reject")
    reply = await set_policy(house, text)

    assert await in_force(house) == "otherwise: reject"
    assert "line" in reply


MAY_NOT: dict[str, tuple[str, Callable[[World], object]]] = {
    "is not in the room": ("otherwise: forward", lambda world: world.change(GARDEN, BOB, BOB, "leave")),
    "may not change its join rule": ("otherwise: forward", lambda world: world.set_levels(GARDEN, state_default=90)),
    "may not ban": ("otherwise: ban", lambda world: world.set_levels(GARDEN, ban=90)),
    "may not kick": (
        "rules: [{when: {local: true}, then: reject}]",
        lambda world: world.set_levels(GARDEN, kick=90),
    ),
    "may not invite": ("otherwise_third_party: accept", lambda world: world.set_levels(GARDEN, invite=90)),
}


@pytest.mark.parametrize("who", MAY_NOT)
async def test_nobody_has_a_policy_do_what_they_may_not_do_themselves(house: House, who: str) -> None:
    text, unfit = MAY_NOT[who]
    house.world.change(GARDEN, BOB, BOB, "join")
    house.world.rooms[GARDEN].levels["users"][BOB] = 50
    assert "✅" in await set_policy(house, text, by=BOB)
    unfit(house.world)
    await house.live()
    before = await in_force(house)
    await set_policy(house, f"{text}\nannounce: none", by=BOB)

    assert await in_force(house) == before


@pytest.mark.parametrize(
    ("joined", "taken"),
    [((ALICE, BOT), True), ((BOT,), False), ((ALICE,), False), ((), False)],
)
async def test_a_policy_names_only_rooms_that_its_author_and_the_bot_are_in(
    house: House, joined: tuple[str, ...], taken: bool
) -> None:
    """Else its author would find out, knock by knock, who is in a room that they cannot see."""
    house.world.room(SPACE, "Space", *joined, join_rule="invite")
    house.world.aliases["#space:tulip.example"] = SPACE
    reply = await set_policy(house, 'rules: [{when: {member_of: "#space:tulip.example"}, then: accept}]')

    assert (await in_force(house) is not None) is taken
    assert ("names #space:tulip.example" in reply) is not taken


async def test_a_room_that_does_not_exist_is_refused_like_one_that_is_strange(house: House) -> None:
    house.world.room(SPACE, "Space", BOT, join_rule="invite")
    strange = await set_policy(house, f'rules: [{{when: {{member_of: "{SPACE}"}}, then: accept}}]')
    nowhere = await set_policy(house, 'rules: [{when: {member_of: "!nowhere:tulip.example"}, then: accept}]')

    assert strange.replace(SPACE, "") == nowhere.replace("!nowhere:tulip.example", "")


async def test_a_policy_of_another_room_is_out_of_reach(house: House) -> None:
    house.world.room("!own:tulip.example", "Own", ALICE, BOT, levels={"users": {ALICE: 100}}, join_rule="invite")
    house.world.say("!own:tulip.example", ALICE, f"!kb policy set {GARDEN}\notherwise: ban")
    await house.live()

    assert await in_force(house) is None


# --- what a name means --------------------------------------------------------------------------------------------

CLUB = "#club:tulip.example"
EVE = "@eve:evil.example"
BY_CLUB = f'rules: [{{when: {{member_of: "{CLUB}"}}, then: accept}}]\notherwise: reject'


def club(house: House, room_id: str, *members: str) -> None:
    """From now on the alias leads to this room."""
    house.world.room(room_id, "Club", BOT, *members, join_rule="invite")
    house.world.aliases[CLUB] = room_id


async def meaning(house: House, room_id: str = GARDEN) -> dict[str, str]:
    """The rooms that the names in a room's policy mean."""
    async with house.db.tx() as tx:
        return {name: pin.room_id for name, pin in (await rules.named(tx, room_id)).items()}


async def test_the_reply_says_which_room_a_name_means_and_which_it_meant_before(house: House) -> None:
    club(house, "!one", ALICE)
    first = await set_policy(house, BY_CLUB)
    club(house, "!two", ALICE)
    second = await set_policy(house, f"{BY_CLUB}\nannounce: none")

    assert f"{CLUB} means the room !one here." in first
    assert f"{CLUB} means the room !two here (until now it meant !one)." in second
    assert await meaning(house) == {CLUB: "!two"}


@pytest.mark.parametrize("by", [EVE, ALICE, BOB])
async def test_a_policy_that_is_refused_fixes_no_meaning(house: House, by: str) -> None:
    """Who squats an alias must not have it taken for theirs by a policy that nobody lets them set."""
    club(house, "!squatted", EVE, *([ALICE] if by == BOB else []))
    house.world.change(GARDEN, BOB, BOB, "join")
    assert "✅" not in await set_policy(house, BY_CLUB, by=by)
    house.tell(f"test {GARDEN} {EVE}")
    await house.live()
    club(house, "!real", ALICE, ANA)
    assert "✅" in await set_policy(house, BY_CLUB)
    for knocker in (ANA, EVE):
        house.world.knock(GARDEN, knocker)
    await house.live()

    assert await meaning(house) == {CLUB: "!real"}
    assert house.membership(ANA) == "invite"
    assert house.membership(EVE) == "leave"


async def test_one_name_in_the_policies_of_two_rooms_means_two_rooms(house: House) -> None:
    other = "!other:tulip.example"
    house.world.room(other, "Other", ALICE, BOT, levels=house.world.rooms[GARDEN].levels)
    await house.protect(other)
    club(house, "!one", ALICE, ANA)
    await set_policy(house, BY_CLUB)
    club(house, "!two", ALICE, BOB)
    house.tell(f"policy set {other}\n{BY_CLUB}")
    await house.live()
    for room_id in (GARDEN, other):
        for knocker in (ANA, BOB):
            house.world.knock(room_id, knocker)
    await house.live()

    assert (await meaning(house), await meaning(house, other)) == ({CLUB: "!one"}, {CLUB: "!two"})
    assert (house.membership(ANA), house.membership(BOB)) == ("invite", "leave")
    assert (house.membership(ANA, other), house.membership(BOB, other)) == ("leave", "invite")


async def test_the_author_is_a_member_of_the_very_room_that_is_taken(house: House) -> None:
    club(house, "!one", ALICE)
    await set_policy(house, BY_CLUB)
    club(house, "!two", EVE)

    assert "Only rooms that you and" in await set_policy(house, f"{BY_CLUB}\nannounce: none")
    assert await meaning(house) == {CLUB: "!one"}


async def test_a_room_that_was_replaced_is_not_named_anew(house: House) -> None:
    club(house, "!old", ALICE)
    house.world.replace("!old", "!new")
    reply = await set_policy(house, BY_CLUB)

    assert "replaced by !new" in reply
    assert await in_force(house) is None


async def test_a_policy_that_is_reverted_means_what_it_meant(house: House) -> None:
    club(house, "!one", ALICE)
    await set_policy(house, BY_CLUB)
    await set_policy(house, "otherwise: forward")
    club(house, "!two", EVE, ALICE)
    house.tell(f"policy show {GARDEN} 1")
    await house.live()
    assert f"{CLUB} means the room !one here." in house.spoken()[-1]
    house.tell(f"policy revert {GARDEN} 1")
    await house.live()

    assert await meaning(house) == {CLUB: "!one"}


async def test_only_members_of_the_room_that_it_means_revert_to_a_policy(house: House) -> None:
    club(house, "!one", ALICE)
    await set_policy(house, BY_CLUB)
    await set_policy(house, "otherwise: forward")
    house.world.change("!one", ALICE, ALICE, "leave")
    club(house, "!two", ALICE)
    house.tell(f"policy revert {GARDEN} 1")
    await house.live()

    assert "Only rooms that you and" in house.spoken()[-1]
    assert await in_force(house) == "otherwise: forward"


async def test_a_command_that_comes_twice_fixes_the_meaning_once(house: House) -> None:
    club(house, "!one", ALICE)
    house.tell(f"policy set {GARDEN}\n{BY_CLUB}")
    house.world.outbox *= 2
    await house.deliver()
    club(house, "!one", ALICE)
    await house.live()

    assert await meaning(house) == {CLUB: "!one"}


QUOTED = f"'{GARDEN}'"
RULED = """\
rules:
- name: our people
  when: {{local: true}}
  then: accept
- name: spam
  when:
    any:
    - member_of: [{named}]
    - {{server: "*.spam.example"}}
  then: ban
"""


@pytest.mark.parametrize(
    ("text", "level", "place"),
    [
        (RULED, {"ban": 90}, 'line 10: rule "spam": then: ban needs level 90'),
        (RULED, {"invite": 90}, 'line 4: rule "our people": then: accept needs level 90'),
        ("otherwise: reject", {"kick": 90}, "line 1: otherwise: reject needs level 90"),
        ("rules: []\notherwise_third_party: accept", {"invite": 90}, "line 2: otherwise_third_party: accept needs"),
        ("rules:\n- {{when: {{local: true}}, then: reject}}", {"kick": 90}, "line 2: rule #1: then: reject needs"),
    ],
)
async def test_a_power_that_is_missing_names_rule_key_and_line(
    house: House, text: str, level: dict[str, int], place: str
) -> None:
    house.world.change(GARDEN, BOB, BOB, "join")
    house.world.set_levels(GARDEN, users={**house.world.rooms[GARDEN].levels["users"], BOB: 50}, **level)
    await house.live()
    reply = await set_policy(house, text.format(named=QUOTED), by=BOB)

    assert place in reply
    assert "yours is 50" in reply
    assert await in_force(house) is None


@pytest.mark.parametrize("named", [f'"{SPACE}"', "'#space:tulip.example'"])
async def test_a_room_that_may_not_be_named_names_rule_key_and_line(house: House, named: str) -> None:
    house.world.room(SPACE, "Space", BOT, join_rule="invite")
    house.world.aliases["#space:tulip.example"] = SPACE
    reply = await set_policy(house, RULED.format(named=f"{QUOTED}, {named}"))

    assert 'line 8: rule "spam": when.any.#1.member_of.#2' in reply
    assert await in_force(house) is None


def deep(depth: int, *, flow: bool) -> str:
    """A policy with a condition in so many `any`, `all` and `not`."""
    words = ("any", "all", "not")
    if flow:
        inside = "{member_of: ['" + GARDEN + "']}"
        for level in range(depth):
            inside = f"{{not: {inside}}}" if level % 3 == 2 else f"{{{words[level % 3]}: [{inside}]}}"
        return f"rules:\n- name: deep\n  when: {inside}\n  then: accept\n"
    lines = ["rules:", "- name: deep", "  then: accept", "  when:"]
    indent = 4
    for level in range(depth):
        lines.append(" " * indent + f"{words[level % 3]}:")
        indent += 2
        if level % 3 < 2:
            lines.append(" " * indent + "-")
            indent += 2
    lines += [" " * indent + "member_of:", " " * indent + f"- '{GARDEN}'"]
    return "\n".join(lines)


@pytest.mark.parametrize("flow", [True, False])
async def test_conditions_stand_eight_deep_and_no_deeper(house: House, flow: bool) -> None:
    assert "✅" in await set_policy(house, deep(8, flow=flow))
    reply = await set_policy(house, deep(9, flow=flow))

    assert 'rule "deep": when.' in reply
    assert "more than 8 deep" in reply
    assert await in_force(house) == deep(8, flow=flow).strip()


async def test_a_policy_of_ten_thousand_brackets_is_refused(house: House) -> None:
    assert "nested too deeply" in await set_policy(house, "rules: " + "[" * 10_000)


async def test_curly_quotes_are_told_how_to_type(house: House) -> None:
    reply = await set_policy(house, "rules:\n- name: \u201cour people\u201d\n  when: {local: true}\n  then: ban")

    assert "line 2" in reply
    assert 'type "' in reply
    assert await in_force(house) is None


# --- what is different, and back again --------------------------------------------------------------------------


async def test_setting_a_policy_says_what_is_different_now(house: House) -> None:
    await set_policy(
        house, RULED.format(named=QUOTED) + 'otherwise: reject\nstale_after: 12h\ncall: ["@bob:tulip.example"]'
    )
    reply = await set_policy(house, "announce: none")

    for part in (
        "0 rules now, 2 before",
        "otherwise: forward (before: reject)",
        "stale_after: 30d (before: 12h)",
        "call: nobody (before: @bob:tulip.example)",
        "announce: none (before: line)",
    ):
        assert part in reply
    assert "inviter" not in reply


async def test_an_old_revision_is_shown_and_put_in_force_again(house: House) -> None:
    await set_policy(house, "otherwise: reject  # the first")
    await set_policy(house, "otherwise: accept")
    house.tell(f"policy show {GARDEN} 1")
    house.tell(f"policy revert {GARDEN} 1")
    await house.live()

    shown, reverted = house.spoken()[-2:]
    assert "# the first" in shown
    assert "Revision 3" in reverted
    assert "otherwise: reject (before: accept)" in reverted
    assert await in_force(house) == "otherwise: reject  # the first"


async def test_to_revert_takes_what_it_takes_to_set_that_policy(house: House) -> None:
    await set_policy(house, "otherwise: ban")
    await set_policy(house, "otherwise: accept")
    house.world.change(GARDEN, BOB, BOB, "join")
    house.world.set_levels(GARDEN, users={**house.world.rooms[GARDEN].levels["users"], BOB: 50}, ban=90)
    await house.live()
    house.tell(f"policy revert {GARDEN} 1", by=BOB)
    house.tell(f"policy revert {GARDEN} 7", by=ALICE)
    await house.live()

    refused, unknown = house.spoken()[-2:]
    assert "otherwise: ban needs level 90" in refused
    assert "no revision 7" in unknown
    assert await in_force(house) == "otherwise: accept"
    async with house.db.tx() as tx:
        assert [one.author for one in await policies.revisions(tx, GARDEN, 10)] == [ALICE, ALICE]
