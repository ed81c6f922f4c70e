"""What each act of a person takes, row by row of the table, in a room where every level is another one."""

from __future__ import annotations

from typing import Any

import pytest

from knockbot.domain.jobs import Act
from knockbot.domain.may import ANSWERS, DONE_BY, MAY, Deed, shortfall, shortfall_to_answer, to_keep_the_door
from knockbot.domain.model import Kind, Verdict
from knockbot.domain.power import ANYBODY, Level, Power, Powers, powers

MOD = "@mod:tulip.example"
HELPER = "@helper:tulip.example"
ANA = "@ana:tulip.example"

CREATE = {"type": "m.room.create", "sender": MOD, "content": {"room_version": "11"}}
LEVELS: dict[str, Any] = {
    "ban": 60,
    "events": {"m.room.join_rules": 80},
    "invite": 40,
    "kick": 50,
    "state_default": 70,
    "users": {MOD: 100},
    "users_default": 2,
}


def room(**changed: Any) -> Powers:
    """The base room with some of its power levels changed."""
    return powers(CREATE, {**LEVELS, **changed})


def test_every_deed_has_its_row_and_takes_to_be_joined_somewhere() -> None:
    assert MAY.keys() == set(Deed)
    assert all(takes.joined or takes.joined_to_management for takes in MAY.values())


ANSWERED = [(kind, verdict) for kind in Kind for verdict in (Verdict.ACCEPT, Verdict.REJECT, Verdict.BAN)]


@pytest.mark.parametrize(("kind", "verdict"), ANSWERED)
def test_every_answer_takes_a_level_of_whoever_gives_it_and_of_the_bot(kind: Kind, verdict: Verdict) -> None:
    takes = MAY[ANSWERS[kind][verdict]]

    assert (takes.joined, takes.of_the_bot, bool(takes.powers)) == (True, True, True)


@pytest.mark.parametrize(
    ("deed", "needed", "above"),
    [
        (Deed.ACCEPT, 40, False),
        (Deed.REJECT, 50, True),
        (Deed.BAN, 60, True),
        (Deed.LET_STAND, 40, False),
        (Deed.REVOKE, 40, False),
        (Deed.BAN_INVITER, 60, True),
        (Deed.INVITE, 40, False),
    ],
)
def test_an_act_takes_its_level_and_some_more_than_whom_they_hit(deed: Deed, needed: Level, above: bool) -> None:
    def lacks(level: int, target: int = 0) -> bool:
        return shortfall(room(users={HELPER: level, ANA: target}), deed, HELPER, ANA) is not None

    assert (lacks(int(needed) - 1), lacks(int(needed))) == (True, False)
    assert (lacks(int(needed), int(needed) - 1), lacks(int(needed), int(needed))) == (False, above)


@pytest.mark.parametrize("kind", Kind)
def test_who_can_give_one_of_the_answers_can_answer(kind: Kind) -> None:
    def lacks(level: int) -> bool:
        return shortfall_to_answer(room(users={HELPER: level}), kind, HELPER, ANA) is not None

    assert (lacks(39), lacks(40)) == (True, False)


def test_who_can_only_ban_can_answer_a_knock_and_no_unused_invite() -> None:
    here = room(invite=70, users={HELPER: 60})

    assert shortfall_to_answer(here, Kind.KNOCK, HELPER, ANA) is None
    assert shortfall_to_answer(here, Kind.THIRD_PARTY_INVITE, HELPER, MOD) is not None


def test_to_ban_an_inviter_takes_the_level_to_invite_as_well() -> None:
    high = room(invite=90, users={HELPER: 60})

    assert shortfall(high, Deed.BAN, HELPER, ANA) is None
    assert shortfall(high, Deed.BAN_INVITER, HELPER, ANA) is not None


@pytest.mark.parametrize(
    ("deed", "act", "power"),
    [(Deed.ACCEPT, Act.INVITE, "invite"), (Deed.REJECT, Act.KICK, "kick"), (Deed.BAN, Act.BAN, "ban")],
)
def test_a_job_takes_what_the_answer_took_that_it_carries_out(deed: Deed, act: Act, power: Power) -> None:
    assert (DONE_BY[act], MAY[deed].powers) == (deed, (power,))


def test_to_take_an_invite_back_takes_what_planting_one_takes_by_whatever_way_it_comes_about() -> None:
    revoked = ANSWERS[Kind.THIRD_PARTY_INVITE][Verdict.REJECT]

    assert (DONE_BY[Act.REVOKE], revoked) == (Deed.REVOKE, Deed.REVOKE)
    assert MAY[Deed.REVOKE].powers == MAY[Deed.INVITE].powers == ("invite",)


@pytest.mark.parametrize("deed", [Deed.ACCEPT, Deed.REJECT, Deed.BAN, Deed.LET_STAND, Deed.REVOKE, Deed.INVITE])
def test_a_member_event_takes_no_level_of_its_own(deed: Deed) -> None:
    """An entry for `m.room.member` or `m.room.third_party_invite` under `events` is nothing that homeservers ask."""
    here = room(events={"m.room.member": 100, "m.room.third_party_invite": 100}, users={HELPER: 60})

    assert shortfall(here, deed, HELPER, ANA) is None


# --- the door -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "verdicts", "needed"),
    [
        ({}, {Verdict.FORWARD}, 80),
        ({}, set(), 80),
        ({}, {Verdict.FORWARD, Verdict.ACCEPT, Verdict.REJECT, Verdict.BAN}, 80),
        ({"events": {}}, {Verdict.FORWARD}, 70),
        ({"ban": 90}, {Verdict.FORWARD}, 80),
        ({"ban": 90}, {Verdict.BAN}, 90),
        ({"kick": 90}, {Verdict.ACCEPT, Verdict.REJECT}, 90),
        ({"invite": 90}, {Verdict.ACCEPT}, 90),
        ({"users_default": 100}, {Verdict.ACCEPT}, 80),
        ({"users_default": 100}, {Verdict.REJECT}, 101),
        ({"users_default": 100}, {Verdict.BAN}, 101),
    ],
)
def test_protecting_needs_the_join_rules_and_every_verdict_of_the_policy(
    changed: dict[str, Any], verdicts: set[Verdict], needed: Level
) -> None:
    assert to_keep_the_door(room(**changed), verdicts) == needed


def test_nobody_lacks_a_level_for_what_takes_none() -> None:
    assert shortfall(room(), Deed.LOOK, HELPER, ANYBODY) is None
