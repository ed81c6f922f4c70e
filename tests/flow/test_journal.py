"""The log names requests as cards do, says what is decided, changed and refused, and nobody forges a part of it."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from knockbot.domain.jobs import Invite, Job
from knockbot.domain.reasons import foreign
from knockbot.flow import journal
from knockbot.logs import _Json, _Text
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT

BOB = "@bob:tulip.example"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "knockbot")
    return caplog


def fields_of(log: pytest.LogCaptureFixture, what: str) -> list[dict[str, Any]]:
    """What machines are told in lines of this kind, read back from JSON."""
    lines = [json.loads(_Json().format(record)) for record in log.records]
    return [line for line in lines if line.get("what") == what]


async def test_a_decision_names_number_applicant_room_and_rule(house: House, log: pytest.LogCaptureFixture) -> None:
    await house.set_policy("rules: [{name: all, when: {user: '@*'}, then: reject}]")
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert f'request #1 of {ANA} at "Garden" ({GARDEN}): judged reject, by rule "all", by {BOT}' in log.messages
    [line] = fields_of(log, "rejected")
    told = {name: line[name] for name in ("number", "room_id", "user_id", "rule", "by", "management_room")}
    assert told == {
        "number": 1,
        "room_id": GARDEN,
        "user_id": ANA,
        "rule": "all",
        "by": BOT,
        "management_room": MODS,
    }
    assert [line["verdict"] for line in fields_of(log, "judged")] == ["reject"]


async def test_an_answer_names_who_gave_it(house: House, log: pytest.LogCaptureFixture) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.click("❌")
    await house.later()

    assert f'request #1 of {ANA} at "Garden" ({GARDEN}): rejected, by {ALICE}' in log.messages


async def test_protecting_and_policies_are_told(house: House, log: pytest.LogCaptureFixture) -> None:
    for command in (f"policy set {GARDEN}\notherwise: reject", f"unprotect {GARDEN}", f"protect {GARDEN}"):
        house.world.say(MODS, ALICE, f"!kb {command}")
        await house.live()

    assert f'"Garden" ({GARDEN}): policy set, revision 1, by {ALICE}' in log.messages
    assert [(line["room_id"], line["by"]) for line in fields_of(log, "unprotect")] == [(GARDEN, ALICE)]
    [line] = fields_of(log, "protect")
    assert (line["room_id"], line["management_room"], line["by"]) == (GARDEN, MODS, ALICE)


@pytest.mark.parametrize(
    "command", ["accept 1", "reject 1", f"unprotect {GARDEN}", f"protect {GARDEN}", f"policy set {GARDEN}\nrules: []"]
)
async def test_a_refusal_says_who_was_refused_what_and_why(
    house: House, log: pytest.LogCaptureFixture, command: str
) -> None:
    house.world.change(MODS, BOB, BOB, "join")
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.world.say(MODS, BOB, f"!kb {command}")
    await house.live()

    [line] = fields_of(log, "refused")
    assert (line["by"], line["room_id"]) == (BOB, GARDEN)
    assert line["asked"].split()[0] == command.split(maxsplit=1)[0]
    assert line["why"]
    assert f"refused: {BOB} may not " in line["message"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Garden", '"Garden"'),
        ('Garden" (!x): accepted, by @mod:x', '"Garden\\" (!x): accepted, by @mod:x"'),
        ("two\nlines\x1b[31m", '"two lines[31m"'),
        ("\u202eabc", '"abc"'),
        ("x" * 200, f'"{"x" * 59}…"'),
    ],
)
def test_a_name_that_anybody_can_choose_cannot_end_its_quotes(text: str, expected: str) -> None:
    assert journal.named(text) == expected


@pytest.mark.parametrize(
    ("matrix_id", "expected"),
    [
        (ANA, ANA),
        ("!room", "!room"),
        ("@a/b=c+d-e.f_g:[2001:db8::1]:8448", "@a/b=c+d-e.f_g:[2001:db8::1]:8448"),
        ("@x: accepted, by @mod:x", '"@x: accepted, by @mod:x"'),
        ("@a\nb:x", '"@a⟨U+000A⟩b:x"'),
        ('@a"b:x', '"@a\\"b:x"'),
        ("@é:x", '"@é:x"'),
    ],
)
def test_an_id_that_looks_like_more_than_one_stands_in_quotes(matrix_id: str, expected: str) -> None:
    assert journal.identified(matrix_id) == expected


def test_no_field_takes_the_place_of_what_a_line_says_of_itself(log: pytest.LogCaptureFixture) -> None:
    journal.given_up(Job("invite:1:$k", GARDEN, Invite(ANA)), None, foreign("no\n2026 INFO all is well"))

    [record] = log.records
    line = json.loads(_Json().format(record))
    assert (line["level"], line["act"], line["user_id"], line["job"]) == ("warning", "invite", ANA, "invite:1:$k")
    assert len(_Text().format(record).split("\n")) == 1
