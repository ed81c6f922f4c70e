"""Who learns who is in a room that a policy asks about; and what is said of such a room once the bot is out of it."""

from __future__ import annotations

import pytest

from knockbot.documents.text import without_marks
from tests.flow.house import GARDEN, House
from tests.flow.test_spaces import ask
from tests.flow.world import ALICE, ANA, BEA, BOT, HOME, levels_for

CLUB = f"!club:{HOME}"
MONA = f"@mona:{HOME}"
ASKS = "rules: [{name: club, when: {%s}, then: %s}]"


@pytest.fixture
async def house(house: House) -> House:
    """With a club whose members are Alice and Bea; Mona is a moderator and not in it."""
    house.world.room(CLUB, "Club", ALICE, BEA, BOT, levels=levels_for())
    for by, membership in ((ALICE, "invite"), (MONA, "join")):
        house.world.change(GARDEN, by, MONA, membership)
    house.world.rooms[GARDEN].levels["users"][MONA] = 50
    house.world.change("!mods:tulip.example", ALICE, MONA, "invite")
    house.world.change("!mods:tulip.example", MONA, MONA, "join")
    await house.live()
    return house


CASES = {
    "alone": (f"member_of: '{CLUB}'", "accept"),
    "below not": (f"not: {{member_of: '{CLUB}'}}, reason_matches: zz", "reject"),
    "in any": (f"any: [{{member_of: '{CLUB}'}}, {{reason_matches: zz}}]", "accept"),
}


@pytest.mark.parametrize("case", CASES)
async def test_show_tells_who_is_in_a_room_only_to_its_members_as_test_does(house: House, case: str) -> None:
    await house.set_policy(ASKS % CASES[case])
    user = BEA if case == "below not" else ANA
    house.world.knock(GARDEN, user)
    await house.live()

    for command in ("show 1", f"show {user}", f"test {user} {GARDEN}"):
        told, hidden = [without_marks("".join(await ask(house, command, by=by))) for by in (ALICE, MONA)]
        assert f'is not in "{CLUB}"' in told or f'is in "{CLUB}"' in told, command
        assert f'user is not in "{CLUB}"' not in hidden, command
        unknown = hidden.count(f'whether the user is in "{CLUB}"')
        assert hidden.count(f'user is in "{CLUB}"') == unknown, command
        if command.startswith("show"):
            assert "rule “club” does not match: " in told, command
            assert "rule “club” asks what I do not tell you: " in hidden, command
            assert "does not match: " not in hidden, command


async def test_of_several_requests_each_is_shown_so(house: House) -> None:
    await house.set_policy(ASKS % CASES["alone"])
    for user in (ANA, f"@cem:{HOME}"):
        house.world.knock(GARDEN, user)
    await house.live()
    hidden = without_marks("".join(await ask(house, "show 1, 2", by=MONA)))
    assert hidden.count("which I show only to its members") == 2
    assert "user is not in" not in hidden


@pytest.mark.parametrize("way", ["kicked", "left"])
async def test_check_and_card_name_a_room_that_the_bot_is_not_in_any_more(house: House, way: str) -> None:
    await house.set_policy(ASKS % CASES["alone"])
    assert "asks who is in" not in "".join(await ask(house, f"check {GARDEN}"))
    house.world.change(CLUB, ALICE if way == "kicked" else BOT, BOT, "leave")
    await house.live()

    [said] = await ask(house, f"check {GARDEN}")
    assert f"❌ the policy asks who is in “Club” ({CLUB}), and I am not in that room" in without_marks(said)
    assert f"Invite {BOT} there" in without_marks(said)
    house.world.knock(GARDEN, ANA)
    await house.live()
    assert f'whether the user is in "{CLUB}"' in without_marks(house.card().text)
    assert f"“Club” ({CLUB})" in without_marks(house.card().text), "the name that it had when the bot was there"
