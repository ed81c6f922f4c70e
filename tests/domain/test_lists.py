"""Entries of policy lists: what strangers write is read, or is unusable for a reason, and never hurts."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.documents.text import storable
from knockbot.domain.lists import (
    REASON_KEPT,
    TYPES,
    EntityKind,
    Entry,
    Name,
    Recommendation,
    Unusable,
    entry_key,
    folded,
    is_everything,
    names_of_user,
    read_entry,
    subjects_of,
    type_and_state_key,
)
from knockbot.domain.notices import dumps

KEY = entry_key("m.policy.rule.user", "rule:eve")
EVE = "@eve:evil.example"


def read(content: Any, key: str = KEY) -> Entry | Unusable | None:
    return read_entry(key, content, "$entry", "@mod:tulip.example")


def entry(key: str = KEY, **content: Any) -> Entry:
    found = read({"recommendation": "m.ban", **content}, key)
    assert isinstance(found, Entry), found
    return found


def why_not(key: str = KEY, **content: Any) -> str:
    found = read({"recommendation": "m.ban", **content}, key)
    assert isinstance(found, Unusable), found
    return found.why.code


def hash_of(name: str) -> str:
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


# --- types, recommendations, entities ---------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["m.policy.rule.", "org.matrix.mjolnir.rule.", "m.room.rule."])
@pytest.mark.parametrize(
    ("kind", "entity"),
    [
        (EntityKind.USER, EVE),
        (EntityKind.USER, "@*:evil.example"),
        (EntityKind.USER, "*eve?"),
        (EntityKind.SERVER, "evil.example"),
        (EntityKind.SERVER, "*.Evil.example:8448"),
        (EntityKind.SERVER, "[2001:db8::1]"),
        (EntityKind.ROOM, "!warez:evil.example"),
        (EntityKind.ROOM, "!bBP6YWqEjE9DKMKT9phzfc2j9zDhyVTPIqsmtnJAU0A"),
        (EntityKind.ROOM, "#warez:evil.example"),
    ],
)
def test_each_type_of_each_family_is_read(family: str, kind: EntityKind, entity: str) -> None:
    key = entry_key(f"{family}{kind}", "any key")

    found = entry(key, entity=entity, reason="ads")

    assert found == Entry(key, kind, entity, None, Recommendation.BAN, "ads", "$entry", "@mod:tulip.example")


@pytest.mark.parametrize(
    ("says", "means"),
    [
        ("m.ban", Recommendation.BAN),
        ("org.matrix.mjolnir.ban", Recommendation.BAN),
        ("m.takedown", Recommendation.TAKEDOWN),
        ("org.matrix.msc4204.takedown", Recommendation.TAKEDOWN),
    ],
)
def test_each_recommendation_is_read(says: str, means: Recommendation) -> None:
    assert entry(entity=EVE, recommendation=says).recommendation is means


@pytest.mark.parametrize("place", ["hashes", "org.matrix.msc4205.hashes"])
@pytest.mark.parametrize("form", [hash_of(EVE), hash_of(EVE).rstrip("="), hash_of(EVE).translate({43: "-", 47: "_"})])
def test_a_hash_names_somebody_padded_or_not(place: str, form: str) -> None:
    content: dict[str, Any] = {place: {"sha256": form}}
    found = entry(**content)

    assert (found.entity, found.subject) == (None, (EntityKind.USER, f"sha256 {hash_of(EVE).rstrip('=')}"))
    assert subjects_of(names_of_user(EVE))[found.subject] == EVE


@pytest.mark.parametrize("content", [{}, None, 5, "text", [], [{"entity": EVE}]])
def test_what_says_nothing_removes_an_entry(content: Any) -> None:
    assert read(content) is None


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"recommendation": None, "entity": EVE}, "entry.no_recommendation"),
        ({"recommendation": 5, "entity": EVE}, "entry.no_recommendation"),
        ({"recommendation": ["m.ban"], "entity": EVE}, "entry.no_recommendation"),
        ({"recommendation": "m.mute", "entity": EVE}, "entry.unknown_recommendation"),
        ({"recommendation": "x" * 60_000, "entity": EVE}, "entry.unknown_recommendation"),
        ({"recommendation": "m.b\0an", "entity": EVE}, "entry.unknown_recommendation"),
        ({"recommendation": "m.ban"}, "entry.no_entity"),
        ({"entity": ""}, "entry.no_entity"),
        ({"entity": 5}, "entry.no_entity"),
        ({"entity": [EVE]}, "entry.no_entity"),
        ({"entity": {"a": 1}}, "entry.no_entity"),
        ({"entity": "*" * 60_000}, "entry.too_long"),
        ({"entity": "@" + "ä" * 130 + ":b"}, "entry.too_long"),
        ({"entity": "eve"}, "entry.no_user"),
        ({"entity": "evil.example"}, "entry.no_user"),
        ({"entity": "@eve\0:evil.example"}, "entry.no_user"),
        ({"entity": "@eve\0*:evil.example"}, "entry.no_user"),
        ({"entity": "@\ud800*:evil.example"}, "entry.no_user"),
        ({"hashes": {"sha256": 5}}, "entry.no_entity"),
        ({"hashes": {"sha256": "short"}}, "entry.no_entity"),
        ({"hashes": {"sha256": "é" * 43}}, "entry.no_entity"),
        ({"hashes": {"sha256": "A" * 60_000}}, "entry.no_entity"),
        ({"hashes": {"md5": hash_of(EVE)}}, "entry.no_entity"),
        ({"hashes": [hash_of(EVE)]}, "entry.no_entity"),
        ({"hashes": hash_of(EVE)}, "entry.no_entity"),
    ],
)
def test_an_entry_that_cannot_be_used_says_why(content: dict[str, Any], code: str) -> None:
    assert why_not(**content) == code


def test_an_entity_of_another_kind_is_no_entity() -> None:
    assert why_not(entry_key("m.policy.rule.server", "k"), entity=EVE) == "entry.no_server"
    assert why_not(entry_key("m.policy.rule.room", "k"), entity=EVE) == "entry.no_room"


def test_an_entity_counts_and_not_the_hash_beside_it() -> None:
    found = entry(entity=EVE, hashes={"sha256": hash_of("@ana:tulip.example")})

    assert (found.entity, found.sha256) == (EVE, None)


@pytest.mark.parametrize("reason", [None, 5, ["a"], {"a": "b"}])
def test_a_reason_that_is_no_text_is_none(reason: Any) -> None:
    assert entry(entity=EVE, reason=reason).reason == ""


def test_a_long_reason_is_cut_and_can_be_stored() -> None:
    reason = entry(entity=EVE, reason="\0\ud800" + "x" * 60_000).reason

    assert len(reason) == REASON_KEPT
    assert storable(reason) == reason


# --- names of entries -------------------------------------------------------------------------------------------


def test_an_older_type_stands_beside_the_new_one() -> None:
    assert entry_key("m.policy.rule.user", "k") != entry_key("m.room.rule.user", "k")


@given(st.sampled_from(sorted(TYPES)), st.text())
def test_the_name_of_an_entry_can_be_stored_and_taken_apart(event_type: str, state_key: str) -> None:
    key = entry_key(event_type, state_key)

    assert storable(key) == key
    assert type_and_state_key(key) == (event_type, state_key)


# --- everybody --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "entity"),
    [
        *(
            (EntityKind.USER, glob)
            for glob in ("*", "@*", "@*:*", "*:*", "?*", "*?", "@?*:*", "@**:**", "*.*", "@*:*.*")
        ),
        *((EntityKind.USER, glob) for glob in ("@??*:?*", "*" * 255, "*:*.*.*")),
        *((EntityKind.SERVER, glob) for glob in ("*", "*.*", "?*", "*.??*", "**")),
        *((EntityKind.ROOM, glob) for glob in ("*", "!*", "!*:*")),
    ],
)
def test_wildcards_alone_are_about_everybody(kind: EntityKind, entity: str) -> None:
    assert is_everything(kind, entity)


@pytest.mark.parametrize(
    ("kind", "entity"),
    [
        *(
            (EntityKind.USER, glob)
            for glob in ("@*:evil.example", "@a*:*", "@*-*:*", "@?:*", "@*:*:8448", EVE, "@*ä*:*")
        ),
        *((EntityKind.SERVER, glob) for glob in ("*.example", "evil.example", "[*", "*:*", "*.com", "???")),
        *((EntityKind.ROOM, glob) for glob in ("!*:evil.example", "#*:*", "!a*")),
    ],
)
def test_who_names_anybody_in_particular_is_not_about_everybody(kind: EntityKind, entity: str) -> None:
    assert not is_everything(kind, entity)


def test_wildcards_in_a_row_have_one_order_and_mean_the_same() -> None:
    assert folded(EntityKind.USER, "@**?*a?*?:*") == "@?*a??*:*"
    assert folded(EntityKind.USER, "@??a?:b") == "@??a?:b"


# --- names of people --------------------------------------------------------------------------------------------


def test_a_user_is_meant_by_their_id_their_host_and_their_whole_server() -> None:
    assert names_of_user("@Eve:Evil.example:8448") == (
        Name(EntityKind.USER, "@Eve:Evil.example:8448"),
        Name(EntityKind.SERVER, "evil.example"),
        Name(EntityKind.SERVER, "evil.example:8448", whole=True),
    )


# --- anything at all --------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from(["entity", "recommendation", "reason", "hashes", "org.matrix.msc4205.hashes", "sha256"])
VALUES = JSON | st.sampled_from(["m.ban", "m.takedown", EVE, "@*:*", "*.x", {"sha256": hash_of(EVE)}])


@given(st.sampled_from(sorted(TYPES)), st.text(), st.dictionaries(WORDS | st.text(max_size=5), VALUES) | JSON)
def test_anything_at_all_is_an_entry_or_is_not(event_type: str, state_key: str, content: Any) -> None:
    found = read(content, entry_key(event_type, state_key))

    if isinstance(found, Entry):
        kind, text = found.subject
        kept = [found.key, found.entity or "", found.sha256 or "", text, found.reason]
        assert kind is TYPES[event_type]
        assert all(storable(one) == one for one in kept)
        json.dumps([*kept, found.everything]).encode()
    elif isinstance(found, Unusable):
        assert storable(dumps(found.why)) == dumps(found.why)
