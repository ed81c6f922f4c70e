"""`letters:` of a policy: what is told is what is set, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from knockbot.domain.letters import LetterRule
from knockbot.domain.notices import notice
from knockbot.domain.policy import SETTINGS, changed_settings, parse_policy
from knockbot.errors import Fault
from knockbot.times import DAY, HOUR

ALL = {"received": True, "waiting": "24h", "accepted": True, "rejected": True, "invited": "2d"}


@pytest.mark.parametrize(
    ("said", "rule", "written"),
    [
        ({}, LetterRule(), "none"),
        (None, LetterRule(), "none"),
        ({"received": False, "waiting": False}, LetterRule(), "none"),
        ({"rejected": True}, LetterRule(rejected=True), "{rejected: true}"),
        (
            ALL,
            LetterRule(True, 24 * HOUR, True, True, 2 * DAY),
            "{received: true, waiting: 1d, accepted: true, rejected: true, invited: 2d}",
        ),
    ],
)
def test_what_is_set_is_told(said: Any, rule: LetterRule, written: str) -> None:
    settings = parse_policy({"letters": said}).settings
    assert (settings.letters, str(settings.letters)) == (rule, written)
    assert SETTINGS.decode(SETTINGS.encode(settings)).letters == rule


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (True, "letters: expected keys and values, found true"),
        ({"received": "yes"}, "letters.received: expected true or false"),
        ({"waiting": True}, "letters.waiting: expected a time such as 24h, or false, found true"),
        ({"waiting": "0h"}, "letters.waiting: expected a time longer than zero"),
        ({"waiting": 24}, "letters.waiting: expected a time such as 30m"),
        ({"invited": "31d"}, "letters.invited: expected a time of 30d at most"),
        ({"banned": True}, 'letters.banned: unknown key "banned"'),
    ],
)
def test_what_is_wrong_names_its_key(said: Any, fault: str) -> None:
    with pytest.raises(Fault, match=fault.split(":", maxsplit=1)[0]) as raised:
        parse_policy({"letters": said})
    assert fault in str(raised.value)


def test_a_change_is_told_as_it_is_written() -> None:
    before, after = parse_policy({}).settings, parse_policy({"letters": {"waiting": "12h"}}).settings
    assert changed_settings(before, after) == [("letters", notice("setting.none"), "{waiting: 12h}")]
