"""The lines of a card that help to decide: which are shown, and what they say."""

from __future__ import annotations

import pytest

from knockbot.chat.catalogue import render
from knockbot.documents.text import without_marks
from knockbot.domain.dossier import MOST_COUNTED, Decided, Line, decided_before, from_server, member_of, shortened
from knockbot.domain.languages import Language
from knockbot.domain.model import Kind, Request, State
from knockbot.domain.notices import Notice, Room, notice
from knockbot.times import DAY, HOUR, MINUTE

NOW = 1_790_000_000_000
GARDEN, POND = Room("!garden:a", "Garden"), Room("!pond:a", "Pond")
ROOMS = {room.room_id: room for room in (GARDEN, POND)}

REQUEST = Request(
    id=9,
    management_room="!mods:a",
    number=9,
    room_id=GARDEN.room_id,
    kind=Kind.KNOCK,
    user_id="@ana:a",
    event_id="$knock",
    reason="",
    display_name=None,
    has_avatar=False,
    state=State.PENDING,
    opened_at=NOW,
    changed_at=NOW,
)


def said(line: Notice | None, language: Language = Language.EN) -> str | None:
    return without_marks(render(line, language).plain) if line is not None else None


def before(*came: State, ago: int = 3 * DAY, room: Room = GARDEN) -> list[Decided]:
    """Earlier knocks, newest first."""
    return [Decided(8 - at, room.room_id, state, NOW - ago - at * DAY) for at, state in enumerate(came)]


# --- which lines ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        ([], []),
        ([Line.SERVER], [Line.SERVER]),
        ([Line.SERVER, Line.ROOMS], [Line.ROOMS, Line.SERVER]),
        (list(reversed(Line)), [Line.ON_LIST, Line.LOOKALIKE, Line.NOTED]),
        ([Line.SERVER, Line.ROOMS, Line.DECIDED, Line.LOOKALIKE], [Line.LOOKALIKE, Line.DECIDED, Line.ROOMS]),
    ],
)
def test_a_card_shows_the_first_three_lines_that_say_something_warnings_first(
    known: list[Line], shown: list[Line]
) -> None:
    lines = {one: notice(f"line.{one}") for one in known}
    found: dict[Line, Notice | None] = {one: lines.get(one) for one in Line}

    assert list(shortened(found)) == [lines[one] for one in shown]


# --- what they say --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([], None),
        (["Pond"], "They are in Pond."),
        (["Pond", "Rose"], "They are in Pond, Rose."),
        (["A", "B", "C", "D", "E"], "They are in A, B, C, 2 more."),
    ],
)
def test_the_rooms_that_they_are_in_are_named_and_many_are_counted(labels: list[str], expected: str | None) -> None:
    assert said(member_of([Room(f"!{label}:a", label) for label in labels])) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], None),
        (before(State.ACCEPTED), "Earlier decisions: 1 accepted. The last one: accepted at Garden, 3 days earlier."),
        (
            before(State.JOINED, State.DECLINED, State.REJECTED, State.BANNED),
            "Earlier decisions: 2 accepted, 1 rejected, 1 banned. The last one: accepted at Garden, 3 days earlier.",
        ),
        (
            before(State.BANNED, State.BANNED, room=POND, ago=2 * HOUR),
            "Earlier decisions: 2 banned. The last one: banned from Pond, 2 hours earlier.",
        ),
        (
            before(State.REJECTED, ago=MINUTE // 2),
            "Earlier decisions: 1 rejected. The last one: rejected at Garden, a moment earlier.",
        ),
    ],
)
def test_what_was_decided_before_is_counted_and_the_last_has_its_room_and_time(
    found: list[Decided], expected: str | None
) -> None:
    assert said(decided_before(found, ROOMS, REQUEST)) == expected


def test_the_last_decision_is_the_newest_and_not_the_one_of_the_newest_knock() -> None:
    put_out = Decided(3, POND.room_id, State.BANNED, NOW - HOUR)  # a member for long, banned an hour ago
    told = said(decided_before([*before(State.REJECTED), put_out], ROOMS, REQUEST))

    assert told == "Earlier decisions: 1 rejected, 1 banned. The last one: banned from Pond, 1 hour earlier."


def test_a_room_that_is_not_managed_from_here_any_more_is_not_told_of() -> None:
    gone = before(State.BANNED, room=Room("!gone:a", "Gone"))

    assert decided_before(gone, ROOMS, REQUEST) is None
    told = said(decided_before([*gone, *before(State.ACCEPTED)], ROOMS, REQUEST))
    assert told == "Earlier decisions: 1 accepted. The last one: accepted at Garden, 3 days earlier."


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, None),
        (2, None),
        (3, "3 join requests from far.example in the last 24 hours."),
        (MOST_COUNTED, "At least 1,000 join requests from far.example in the last 24 hours."),
    ],
)
def test_a_server_is_told_of_once_several_have_knocked_from_it(count: int, expected: str | None) -> None:
    assert said(from_server("far.example", count)) == expected


def test_each_line_has_its_german() -> None:
    found = before(State.BANNED, State.REJECTED, State.ACCEPTED, ago=2 * HOUR)
    lines = [member_of([POND]), decided_before(found, ROOMS, REQUEST), from_server("far.example", 5)]

    assert [said(one, Language.DE) for one in lines] == [
        "Ist Mitglied in Pond.",
        (
            "Frühere Entscheidungen: 1-mal angenommen, 1-mal abgelehnt, 1-mal verbannt. "
            "Die letzte: verbannt aus Garden, 2 Stunden früher."
        ),
        "5 Beitrittsanfragen von far.example in den letzten 24 Stunden.",
    ]
