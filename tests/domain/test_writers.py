"""Who can write to a policy list: by power levels as homeservers let them in, and what a change of them changed."""

from __future__ import annotations

from typing import Any

import pytest

from knockbot.domain.power import powers
from knockbot.domain.writers import Changed, Writers, changed, writers

LIZ, MEL, CO = "@liz:tulip.example", "@mel:tulip.example", "@co:tulip.example"
OLD = {"sender": LIZ, "content": {"room_version": "11"}}
V12 = {"sender": LIZ, "content": {"room_version": "12", "additional_creators": [CO]}}
USERS = {LIZ: 100, MEL: 50, CO: 10}

USER, SERVER, ROOM = (f"m.policy.rule.{kind}" for kind in ("user", "server", "room"))
EVERYBODY = None


@pytest.mark.parametrize(
    ("create", "levels", "who"),
    [
        (OLD, None, [LIZ]),
        (OLD, {}, []),
        (OLD, {"users": USERS}, [LIZ, MEL]),
        (OLD, {"users": USERS, "state_default": 51}, [LIZ]),
        (OLD, {"users": USERS, "state_default": 10}, [LIZ, MEL, CO]),
        (OLD, {"users": USERS, "state_default": 0}, EVERYBODY),
        (OLD, {"users": USERS, "state_default": "0"}, EVERYBODY),
        (OLD, {"users": USERS, "state_default": 101}, []),
        (OLD, {"users": USERS, "state_default": 1}, [LIZ, MEL, CO]),
        (OLD, {"users": USERS, "state_default": -1, "users_default": -2}, [LIZ, MEL, CO]),
        (OLD, {"users": USERS, "users_default": 50}, EVERYBODY),
        (OLD, {"users": USERS, "users_default": 49}, [LIZ, MEL]),
        (OLD, {"users": USERS, "events": {USER: 0}}, EVERYBODY),
        (OLD, {"users": USERS, "events": {SERVER: 0}}, EVERYBODY),
        (OLD, {"users": USERS, "events": {ROOM: 0}}, [LIZ, MEL]),
        (OLD, {"users": USERS, "events": {"m.room.rule.user": 0}}, EVERYBODY),
        (OLD, {"users": USERS, "events": {"org.matrix.mjolnir.rule.server": 10}}, [LIZ, MEL, CO]),
        (OLD, {"users": USERS, "events": {"m.room.name": 0}, "events_default": 0}, [LIZ, MEL]),
        (OLD, {"users": USERS, "events": {USER: 100, SERVER: 100}}, [LIZ, MEL]),
        (OLD, {"users": USERS, "events": {USER: "nonsense", SERVER: []}}, [LIZ, MEL]),
        (OLD, {"users": {LIZ: "100", MEL: None, CO: True}}, [LIZ]),
        (OLD, {"users": {MEL: 0}, "users_default": 50}, EVERYBODY),
        (V12, None, [LIZ, CO]),
        (V12, {"users": {MEL: 50}}, [LIZ, CO, MEL]),
        (V12, {"users": {MEL: 50}, "state_default": 1000}, [LIZ, CO]),
        (V12, {"users": {}, "state_default": 0}, EVERYBODY),
    ],
)
def test_who_can_write_is_read_from_the_powers(
    create: dict[str, Any], levels: dict[str, Any] | None, who: list[str] | None
) -> None:
    expected = Writers(True) if who is EVERYBODY else Writers(False, frozenset(who))
    assert writers(powers(create, levels)) == expected


def of(*users: str) -> Writers:
    return Writers(False, frozenset(users))


ALL, NOBODY = Writers(True), frozenset[str]()


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (of(LIZ), of(LIZ), None),
        (ALL, ALL, None),
        (of(LIZ), of(LIZ, MEL), Changed(of(LIZ, MEL), False, False, frozenset({MEL}), NOBODY)),
        (of(LIZ, MEL), of(LIZ, CO), Changed(of(LIZ, CO), False, False, frozenset({CO}), frozenset({MEL}))),
        (of(LIZ, MEL), ALL, Changed(ALL, True, False, NOBODY, NOBODY)),
        (ALL, of(LIZ), Changed(of(LIZ), False, True, NOBODY, NOBODY)),
        (of(LIZ), of(), Changed(of(), False, False, NOBODY, frozenset({LIZ}))),
    ],
)
def test_what_a_change_of_powers_changed(before: Writers, now: Writers, expected: Changed | None) -> None:
    assert changed(before, now) == expected
