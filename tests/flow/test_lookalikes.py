"""Whose name an applicant's name is compared with: those who have power in the room, and nobody else."""

from __future__ import annotations

import pytest

from knockbot.domain.model import Decision, Verdict
from knockbot.domain.reasons import foreign, in_words
from knockbot.errors import Later
from tests.flow.house import GARDEN, House
from tests.flow.world import ALICE, ANA, levels_for

TOM = "@tom:tulip.example"
IMPOSTOR = "@\u0430lice:evil.example"
POLICY = """
rules:
- {name: impostors, when: {lookalike: true}, then: reject}
otherwise: accept
"""


@pytest.fixture
async def watchful(house: House) -> House:
    """A garden that rejects whoever looks like its moderators; tom is in it, without power."""
    house.world.change(GARDEN, TOM, TOM, "join", displayname="Tom")
    await house.set_policy(POLICY)
    return house


async def decision_on(house: House, user_id: str, name: str | None = None) -> Decision:
    """What the policy said of a knock."""
    house.world.knock(GARDEN, user_id, "hello", **({"displayname": name} if name else {}))
    await house.hear()
    decision = (await house.requests(user_id))[-1].decision
    assert decision is not None
    return decision


async def test_a_user_id_like_that_of_a_moderator_counts(watchful: House) -> None:
    decision = await decision_on(watchful, IMPOSTOR)
    assert (decision.verdict, decision.rule) == (Verdict.REJECT, "impostors")


@pytest.mark.parametrize(
    "name",
    [
        "Al\u200bice",
        "ALICE",
        "\U0001d4d0lice",
        "Alice \u2705",
        "knockbot",
        "Mod Alice",
        "\ua4ee\ua4e1\ua4f2\ua4da\ua4f0",
    ],
)
async def test_a_name_like_the_user_id_of_somebody_with_power_counts(watchful: House, name: str) -> None:
    assert (await decision_on(watchful, ANA, name)).verdict is Verdict.REJECT


async def test_a_name_like_the_name_of_somebody_with_power_counts(watchful: House) -> None:
    watchful.world.change(GARDEN, ALICE, ALICE, "join", displayname="\u0410\u043d\u043d\u0430")
    assert (await decision_on(watchful, ANA, "\u0410\u041d\u041d\u0410")).verdict is Verdict.REJECT


async def test_the_line_says_whose_name_it_looks_like(watchful: House) -> None:
    assert (await decision_on(watchful, IMPOSTOR)).alike is not None
    await watchful.later()
    assert f"What the rule found: the name looks like the user ID {ALICE}." in watchful.spoken()[-1]


@pytest.mark.parametrize("then", ["reject", "forward"])
async def test_show_and_test_say_whose_name_it_looks_like(watchful: House, then: str) -> None:
    await watchful.set_policy(f"rules: [{{name: fake, when: {{lookalike: true}}, then: {then}}}]\notherwise: accept")
    watchful.world.knock(GARDEN, IMPOSTOR, "hi")
    await watchful.later()
    for command in ("show 1", f"test {IMPOSTOR} {GARDEN} hi"):
        watchful.tell(command)
        await watchful.live()
        lines = watchful.spoken()[-1].splitlines()
        assert f"What the rule found: the name looks like the user ID {ALICE}." in lines, lines


async def test_names_count_only_where_somebody_with_power_bears_one(watchful: House) -> None:
    assert (await decision_on(watchful, ANA, "Anna")).verdict is Verdict.ACCEPT
    assert (await decision_on(watchful, "@cara:tulip.example", "Tom")).verdict is Verdict.ACCEPT


async def test_whoever_has_power_looks_like_themselves_and_that_is_no_finding(watchful: House) -> None:
    watchful.world.set_levels(GARDEN, **levels_for([ALICE, ANA]))
    assert (await decision_on(watchful, ANA, "Ana")).verdict is Verdict.ACCEPT


async def test_who_lost_the_power_no_longer_counts(watchful: House) -> None:
    watchful.world.set_levels(GARDEN, **levels_for([ALICE, TOM]))
    assert (await decision_on(watchful, ANA, "tom")).verdict is Verdict.REJECT
    watchful.world.set_levels(GARDEN, **levels_for([ALICE]))
    assert (await decision_on(watchful, "@cara:tulip.example", "tom")).verdict is Verdict.ACCEPT


async def test_names_that_cannot_be_read_are_unknown(watchful: House) -> None:
    watchful.world.play("member", Later(foreign("no answer")))
    decision = await decision_on(watchful, ANA, "Alice S")
    assert decision.verdict is Verdict.FORWARD
    assert decision.unknown is not None
    assert "no answer" in in_words(decision.unknown)


async def test_a_card_warns_of_whoever_looks_like_somebody_with_power(house: House) -> None:
    house.world.knock(GARDEN, IMPOSTOR, "hello")
    await house.later()
    assert f"Take care: the name looks like the user ID {ALICE}." in house.cards()[-1].text


async def test_a_card_warns_of_nobody_else(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.later()
    assert "Take care" not in house.cards()[-1].text


# --- what `test` can know ---------------------------------------------------------------------------------------


async def asked(house: House, when: str, user_id: str = ANA) -> str:
    """What the bot says would happen to somebody if a rule with this condition accepted."""
    await house.set_policy(f"rules: [{{name: ours, when: {when}, then: accept}}]")
    house.tell(f"test {GARDEN} {user_id}")
    await house.live()
    return house.spoken()[-1]


@pytest.mark.parametrize(
    "when",
    [
        "{not: {display_name_matches: Evil}, local: true}",
        "{display_name_matches: Ana}",
        "{has_avatar: false, local: true}",
        "{has_avatar: true}",
        "{lookalike: false, local: true}",
    ],
)
async def test_of_somebody_who_has_not_knocked_name_and_picture_are_unknown(house: House, when: str) -> None:
    said = await asked(house, when)
    assert "forward" in said
    assert "I see the display name and avatar of users only when they knock" in said
    house.world.knock(GARDEN, ANA, "hello", displayname="Alice")
    await house.hear()
    assert "only when they knock" not in await asked(house, when)


async def test_what_the_user_id_alone_decides_is_known(house: House) -> None:
    said = await asked(house, "{lookalike: true, user: '@*:evil.example'}", IMPOSTOR)
    assert "only when they knock" not in said
    assert "accept" in said
