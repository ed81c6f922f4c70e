"""Each kind of job is one row, and its payload is read back as it was written, whatever strangers wrote in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.documents.text import storable
from knockbot.domain.coding import Coding, Malformed
from knockbot.domain.jobs import JOBS, LINE, Act, Invite, Job, Kick, Line, Payload, Place, React, decode, encode
from knockbot.domain.languages import Language
from knockbot.domain.model import Membership
from knockbot.domain.notices import Notice, Number, Room, Stranger, notice

ROOM = "!garden:tulip.example"

texts = st.text(max_size=50).map(storable)
notices = st.builds(lambda text, n: notice("some.code", reason=Stranger(text), count=Number(n)), texts, st.integers())
anything = st.recursive(st.none() | st.booleans() | st.integers() | texts, st.lists, max_leaves=5)
objects = st.dictionaries(texts, anything, max_size=3)

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "str": texts,
    "int": st.integers(),
    "bool": st.booleans(),
    "Notice": notices,
    "Language": st.sampled_from(Language),
    "Mapping[str, Any]": objects,
    "tuple[Membership, ...]": st.lists(st.sampled_from(Membership)).map(tuple),
    "tuple[str, ...]": st.lists(texts, max_size=3).map(tuple),
    "tuple[str, str]": st.tuples(texts, texts),
}
"""What may stand in a field, by its annotation."""


def values(make: type[Any]) -> st.SearchStrategy[Any]:
    """Whatever a payload may be."""
    parts = {}
    for field in fields(make):
        kind = str(field.type)
        parts[field.name] = FIELDS[kind.removesuffix(" | None")] | (st.none() if "None" in kind else st.nothing())
    return st.builds(make, **parts)


payloads = st.one_of([values(kind.payload) for kind in JOBS.values()])


@given(payloads)
def test_each_payload_is_read_back_as_it_was_written(payload: Payload) -> None:
    job = Job("key", ROOM, payload)

    assert decode(job.act, encode(payload)) == payload


@given(values(Line))
def test_a_line_is_read_back_as_it_was_written(line: Line) -> None:
    assert LINE.decode(json.loads(json.dumps(LINE.encode(line)))) == line


def test_every_kind_of_job_has_its_row_and_a_payload_of_its_own() -> None:
    assert set(JOBS) == set(Act)
    assert len({kind.payload for kind in JOBS.values()}) == len(Act)


def test_what_is_as_ever_is_not_written() -> None:
    assert json.loads(encode(Kick("@ana:a", reason="no"))) == {"user_id": "@ana:a", "reason": "no"}


@pytest.mark.parametrize(
    ("act", "stored"),
    [
        ("sing", "{}"),
        ("kick", "{"),
        ("kick", "[]"),
        ("kick", "null"),
        ("kick", "{}"),
        ("kick", '{"user_id": 5}'),
        ("kick", '{"user_id": "@a:b", "song": "la"}'),
        ("kick", '{"user_id": "@a:b", "request_id": "1"}'),
        ("kick", '{"user_id": "@a:b", "request_id": true}'),
        ("kick", '{"user_id": "@a:b", "instead": 1}'),
        ("kick", '{"user_id": "@a:b", "while_in": "knock"}'),
        ("kick", '{"user_id": "@a:b", "while_in": ["sleep"]}'),
        ("kick", '{"user_id": "@a:b", "while_in": [["knock"]]}'),
        ("say", '{"line": [], "request_id": null}'),
        ("say", '{"line": {}, "asks": ["one"]}'),
        ("say", '{"line": {}, "asks": ["one", "two", "three"]}'),
    ],
)
def test_what_this_program_does_not_write_is_refused(act: str, stored: str) -> None:
    with pytest.raises(Malformed):
        decode(act, stored)


@given(st.sampled_from([act.value for act in Act]), objects | anything)
def test_whatever_is_stored_is_read_or_refused(act: str, stored: Any) -> None:
    try:
        payload = decode(act, json.dumps(stored))
    except Malformed:
        return
    assert Job("key", ROOM, payload).act == act


def test_a_field_that_cannot_be_written_is_found_when_the_program_starts() -> None:
    @dataclass(frozen=True)
    class Odd:
        sound: float

    with pytest.raises((AssertionError, NameError), match="float"):
        Coding(Odd)


@pytest.mark.parametrize(
    ("payload", "lane", "yields_to", "place"),
    [
        (Invite("@ana:a"), f"{ROOM} home", None, Place.HERE),
        (Invite("@ana:far", server="far"), f"{ROOM} away", f"{ROOM} home", Place.STRANGE),
        (Kick("@ana:far"), f"{ROOM} home", None, Place.HERE),
        (React("$card", "x"), f"{ROOM} said", None, Place.HERE),
    ],
)
def test_only_an_invite_for_somebody_from_elsewhere_waits_for_their_server_and_for_all_others(
    payload: Payload, lane: str, yields_to: str | None, place: Place
) -> None:
    job = Job("key", ROOM, payload)

    assert (job.lane.name, job.lane.yields_to, job.place) == (lane, yields_to, place)


def test_a_notice_in_a_payload_names_rooms_as_it_did() -> None:
    told: Notice = notice("letter.rejected", room=Room(ROOM, "Garden"))

    assert decode("kick", encode(Kick("@ana:a", told=told))).told == told
