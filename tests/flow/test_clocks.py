"""Clocks that are apart: when an event was sent is told by its age, which one clock alone has measured."""

from __future__ import annotations

from typing import Any

import pytest

from knockbot.flow.reading import _on_our_clock

HOUR = 3600 * 1000
RECEIVED = 1_000 * HOUR


def event(age: Any, sent_at: int) -> dict[str, Any]:
    return {"event_id": "$e", "origin_server_ts": sent_at, "unsigned": {"age": age}}


@pytest.mark.parametrize("apart", [-2 * HOUR, 0, 2 * HOUR])
@pytest.mark.parametrize("age", [0, 5, HOUR, 100 * HOUR])
def test_an_event_is_as_old_as_the_homeserver_says_whatever_its_clock_shows(age: int, apart: int) -> None:
    told = event(age, RECEIVED - age + apart)

    assert _on_our_clock(told, told, RECEIVED)["origin_server_ts"] == RECEIVED - age


def test_an_event_of_the_future_was_sent_now() -> None:
    told = event(-5, RECEIVED + 5)

    assert _on_our_clock(told, told, RECEIVED)["origin_server_ts"] == RECEIVED


@pytest.mark.parametrize("age", [None, "5", True, 1.5, [5], {}, RECEIVED + 1])
def test_an_event_of_no_age_that_makes_sense_is_as_old_as_it_says(age: Any) -> None:
    told = event(age, RECEIVED - HOUR)

    assert _on_our_clock(told, told, RECEIVED) == told
    bare = {"event_id": "$e", "origin_server_ts": 7}
    assert _on_our_clock(bare, bare, RECEIVED) == bare
    assert _on_our_clock(bare, {**bare, "unsigned": [age]}, RECEIVED) == bare


def test_what_was_encrypted_has_the_age_of_what_arrived() -> None:
    opened = {"event_id": "$e", "origin_server_ts": 7, "unsigned": {"age": 9 * HOUR}}

    assert _on_our_clock(opened, event(HOUR, 7), RECEIVED)["origin_server_ts"] == RECEIVED - HOUR
