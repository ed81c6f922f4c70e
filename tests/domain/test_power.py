"""Who may do what to whom, in rooms of every version and with power levels as strange as homeservers let in."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.domain.may import to_keep_the_door
from knockbot.domain.model import Verdict
from knockbot.domain.power import ANYBODY, POWERS, Level, Power, Powers, powers
from knockbot.domain.reasons import in_words

MOD = "@mod:tulip.example"
GARDENER = "@gardener:tulip.example"
HELPER = "@helper:tulip.example"
ANA = "@ana:tulip.example"

CREATE_11 = {"type": "m.room.create", "sender": MOD, "content": {"room_version": "11"}}
CREATE_10 = {"type": "m.room.create", "sender": MOD, "content": {"creator": MOD, "room_version": "10"}}
CREATE_12 = {
    "type": "m.room.create",
    "sender": MOD,
    "content": {"room_version": "12", "additional_creators": [GARDENER]},
}

LEVELS: dict[str, Any] = {
    "ban": 60,
    "events": {"m.room.join_rules": 80, "m.room.message": 5},
    "events_default": 1,
    "invite": 40,
    "kick": 50,
    "redact": 55,
    "state_default": 70,
    "users": {MOD: 100, GARDENER: 50},
    "users_default": 2,
}


def room(create: dict[str, Any] = CREATE_11, **changed: Any) -> Powers:
    """The base room with some of its power levels changed."""
    return powers(create, {**LEVELS, **changed})


# --- levels ---------------------------------------------------------------------------------------------------


def test_the_room_says_who_has_which_level_and_what_needs_which() -> None:
    here = room()
    assert [here.level(user) for user in (MOD, GARDENER, ANA)] == [100, 50, 2]
    assert [here.needed(power) for power in ("invite", "kick", "ban")] == [40, 50, 60]
    assert (here.needed_for_state("m.room.join_rules"), here.needed_for_state("m.room.name")) == (80, 70)
    assert (here.needed_for_message("m.room.message"), here.needed_for_message("m.reaction")) == (5, 1)
    assert here.needed_to_redact() == 55


@pytest.mark.parametrize("levels", [{}, None], ids=["levels that say nothing", "no levels"])
def test_what_the_room_does_not_say_is_what_the_specification_says(levels: dict[str, Any] | None) -> None:
    here = powers(CREATE_11, levels)
    assert [here.needed(power) for power in ("invite", "kick", "ban")] == [0, 50, 50]
    assert (here.needed_for_state("m.room.name"), here.needed_for_message(), here.needed_to_redact()) == (50, 0, 50)
    assert here.level(ANA) == 0


@pytest.mark.parametrize("create", [CREATE_10, CREATE_11, {"sender": MOD, "content": {"creator": MOD}}])
def test_without_power_levels_the_creator_has_100(create: dict[str, Any]) -> None:
    assert powers(create, None).level(MOD) == 100


def test_with_power_levels_the_creator_has_what_they_say() -> None:
    assert powers(CREATE_11, {}).level(MOD) == 0
    assert room(users={}).level(MOD) == 2


def test_up_to_version_10_the_content_names_the_creator() -> None:
    here = powers({"sender": MOD, "content": {"room_version": "10", "creator": GARDENER}}, None)
    assert (here.level(GARDENER), here.level(MOD)) == (100, 0)


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (75, 75),
        (-5, -5),
        ("75", 75),
        (" 75 ", 75),
        ("-75", -75),
        (75.9, 75),
        (True, 1),
        (2**53, 2**53),
        ("high", 2),
        ("", 2),
        ("9" * 5000, 2),
        (None, 2),
        ([75], 2),
        ({"level": 75}, 2),
        (math.nan, 2),
        (math.inf, 2),
    ],
)
def test_a_level_is_read_as_synapse_reads_it_and_nonsense_counts_as_left_out(value: object, level: int) -> None:
    assert room(users={ANA: value}).level(ANA) == level


@pytest.mark.parametrize(("value", "level"), [("30", 30), (30.5, 30), (None, 0), ("all", 0), ([], 0)])
def test_a_needed_level_is_read_in_the_same_way(value: object, level: int) -> None:
    assert room(invite=value).needed("invite") == level


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CREATE_KEYS = st.sampled_from(["sender", "content", "room_version", "additional_creators", "creator"])


@given(
    st.dictionaries(CREATE_KEYS, ANY_JSON | st.dictionaries(CREATE_KEYS, ANY_JSON)),
    st.none() | st.dictionaries(st.sampled_from([*LEVELS, MOD]), ANY_JSON | st.dictionaries(st.just(MOD), ANY_JSON)),
)
def test_no_room_state_makes_the_arithmetic_raise(create: dict[str, Any], levels: dict[str, Any] | None) -> None:
    here = powers(create, levels)
    for power in POWERS:
        assert here.may(MOD, power, ANA) in (True, False)
    assert to_keep_the_door(here, Verdict) >= here.needed_for_state("m.room.join_rules")


# --- creators of version 12 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["12", "13", "org.matrix.hydra.11"])
@pytest.mark.parametrize("levels", [{**LEVELS, "users": {}}, {}, None])
def test_from_version_12_the_creators_stand_above_every_number(version: str, levels: dict[str, Any] | None) -> None:
    content = {"room_version": version, "additional_creators": [GARDENER]}
    here = powers({"sender": MOD, "content": content}, levels)
    assert (here.level(MOD), here.level(GARDENER)) == (math.inf, math.inf)
    assert here.level(ANA) < math.inf


@pytest.mark.parametrize("version", ["11", "1", None, 12, "¹²", "１２", "org.example.12", "", "9" * 5000])
def test_before_version_12_nobody_does(version: object) -> None:
    here = powers({"sender": MOD, "content": {"room_version": version, "additional_creators": [GARDENER]}}, LEVELS)
    assert (here.level(MOD), here.level(GARDENER)) == (100, 50)


@pytest.mark.parametrize("beside", [None, "@ana:tulip.example", {"@ana:tulip.example": 1}, [["@ana:tulip.example"]]])
def test_additional_creators_of_a_wrong_type_make_nobody_a_creator(beside: object) -> None:
    here = powers({"sender": MOD, "content": {"room_version": "12", "additional_creators": beside}}, LEVELS)
    assert (here.level(MOD), here.level(ANA)) == (math.inf, 2)


# --- who may do what to whom ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "power", "target_level", "allowed"),
    [
        (40, "invite", 0, True),
        (39, "invite", 0, False),
        (40, "invite", 100, True),
        (50, "kick", 0, True),
        (49, "kick", 0, False),
        (50, "kick", 49, True),
        (50, "kick", 50, False),
        (50, "kick", 100, False),
        (60, "ban", 0, True),
        (59, "ban", 0, False),
        (60, "ban", 60, False),
    ],
)
def test_an_answer_needs_its_level_and_a_kick_or_ban_more_than_the_target_has(
    level: int, power: Power, target_level: int, allowed: bool
) -> None:
    assert room(users={HELPER: level, ANA: target_level}).may(HELPER, power, ANA) is allowed


@pytest.mark.parametrize("power", ["kick", "ban"])
def test_a_creator_can_be_neither_kicked_nor_banned_not_even_by_another(power: Power) -> None:
    here = room(CREATE_12, users={HELPER: 10**9})
    assert not here.may(HELPER, power, GARDENER)
    assert not here.may(MOD, power, GARDENER)
    assert here.may(MOD, power, HELPER)
    assert here.may(HELPER, "invite", GARDENER)


def test_nobody_can_kick_themselves_by_a_verdict() -> None:
    assert not room().may(MOD, "kick", MOD)


@pytest.mark.parametrize(
    ("users", "needed", "actual", "target", "why"),
    [
        ({HELPER: 10}, 50, 10, 2, "power level 10 is too low to kick; level 50 is needed."),
        (
            {HELPER: 50, ANA: 50},
            50,
            50,
            50,
            "power level 50 is too low; the other user has level 50.",
        ),
        ({HELPER: 10, ANA: 90}, 50, 10, 90, "power level 10 is too low to kick; level 50 is needed."),
    ],
)
def test_a_refusal_says_what_is_lacking(
    users: dict[str, int], needed: Level, actual: Level, target: Level, why: str
) -> None:
    shortfall = room(users=users).shortfall(HELPER, "kick", ANA)
    assert shortfall is not None
    assert (shortfall.needed, shortfall.actual, shortfall.target) == (needed, actual, target)
    assert shortfall.lacks_level is (actual < needed)
    assert shortfall.target_too_high is (target >= actual)
    assert in_words(shortfall.why) == why


def test_a_refusal_to_accept_has_nothing_to_do_with_the_target() -> None:
    shortfall = room(users={HELPER: 0, ANA: 100}).shortfall(HELPER, "invite", ANA)
    assert shortfall is not None
    assert (shortfall.target, shortfall.target_too_high) == (None, False)
    assert in_words(shortfall.why) == "power level 0 is too low to invite; level 40 is needed."


def test_a_refusal_names_a_creator_as_such() -> None:
    shortfall = room(CREATE_12, users={}).shortfall(HELPER, "ban", MOD)
    assert shortfall is not None
    assert in_words(shortfall.why) == "a creator of the room cannot be kicked or banned."


# --- what a homeserver compares besides ---------------------------------------------------------------------------


@pytest.mark.parametrize(("power", "may"), [("invite", True), ("kick", False), ("ban", False)])
def test_where_everybody_has_as_much_power_nobody_is_kicked_or_banned(power: Power, may: bool) -> None:
    here = room(users={}, users_default=100)
    assert here.may(MOD, power, ANA) is may
    assert here.may(MOD, power, ANYBODY) is may
    assert here.enough(power) == (40 if may else 101)


@pytest.mark.parametrize("federate", [False, "true", 1, None])
@pytest.mark.parametrize("power", ["invite", "kick", "ban"])
def test_a_room_of_one_server_takes_nothing_about_users_of_others(power: Power, federate: object) -> None:
    here = powers({"sender": MOD, "content": {"room_version": "11", "m.federate": federate}}, LEVELS)
    found = here.shortfall(MOD, power, "@ana:rose.example")
    assert found is not None
    assert "m.federate" in in_words(found.why)
    assert here.may(MOD, power, ANA)


def test_a_room_open_to_all_servers_says_so_or_nothing() -> None:
    for said in ({"m.federate": True}, {}):
        here = powers({"sender": MOD, "content": {"room_version": "11", **said}}, LEVELS)
        assert here.may(MOD, "invite", "@ana:rose.example")


def test_to_redact_takes_sending_a_redaction_as_well() -> None:
    assert room(events={"m.room.redaction": 90}).needed_to_redact() == 90
