"""What the ledger of the faults calls out of order, each invariant by a planted fault; and what it waits for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from knockbot.domain.model import Verdict
from knockbot.times import MINUTE
from tests.faults.course import BY_REASON, WAITS
from tests.faults.ledger import INVARIANTS, TEMPLATE, Act, Asked, Door, Knocked, Ledger, Said, Seen, in_order

GARDEN: Any = SimpleNamespace(room="!garden:x", mods="!mods:x")


def knocked(name: str, reason: str = "visitor") -> Knocked:
    """Somebody who knocked for this reason."""
    person: Any = SimpleNamespace(user_id=name)
    return Knocked(person, GARDEN, reason, frozenset({BY_REASON[reason]}))


def request(n: int, user_id: str, state: str = "pending", **more: Any) -> dict[str, Any]:
    row = {
        "opened_at": 0,
        "number": n,
        "id": n,
        "room_id": GARDEN.room,
        "user_id": user_id,
        "state": state,
        "event_id": f"$k{n}",
        "card_id": n,
    }
    return {**row, "answer_json": None, "undone_json": None, **more}


def told(n: int, *kinds: str) -> list[dict[str, Any]]:
    return [{"id": 100 * n + place, "request_id": n, "kind": kind} for place, kind in enumerate(kinds)]


class Evening:
    """What the ledger knows and sees of an evening on which all went well; a test plants one fault."""

    def __init__(self) -> None:
        ana, bea, cleo, dora = (knocked(name) for name in ("ana", "bea", "cleo", "dora"))
        fay = knocked("fay", "friend")
        ana.certain, bea.certain, bea.wording = [Verdict.REJECT], [Verdict.REJECT], TEMPLATE
        cleo.notes, cleo.card, cleo.claimed = {"I know her.": {"$note"}}, "$card3", True
        dora.deferred = True
        self.here = [ana, bea, cleo, dora, fay]
        nobody: Any = None
        self.door = Door(
            GARDEN, "!bans:x", nobody, nobody, busy=True, batches=[Asked("$b", Verdict.REJECT, "confirmed")]
        )
        self.door.batches[0].late = ["cleo"]
        self.rows: dict[str, Any] = {
            "requests": [
                request(1, "ana", "rejected", answer_json=json.dumps({"cause": "batch 7"})),
                request(2, "bea", "rejected"),
                *(request(3 + n, name) for n, name in enumerate(("cleo", "dora"))),
                request(5, "fay", "accepted"),
            ],
            "audit": [
                *told(1, "judged", "reject", "rejected"),
                *told(2, "judged", "reject", "rejected"),
                *told(3, "judged"),
                *told(4, "judged"),
                *told(5, "judged", "accepted"),
            ],
            "inbox": [{"event_id": f"$k{n}", "seq": n, "handled_at": 1} for n in range(1, 6)],
            "notes": [{"request_id": 3, "text": "I know her.", "cause": "$note"}],
            "claims": [{"request_id": 3}],
            "deferrals": [{"request_id": 4}],
            "batches": [{"id": 7, "number": 1, "prompt_id": 9, "stage": "done", "management_room": GARDEN.mods}],
            "batch_requests": [{"batch_id": 7, "request_id": 1, "asked": True}],
            "prompts": [{"id": 9, "event_id": "$b", "kind": "batch"}],
            "waves": [{"room_id": GARDEN.room, "began_at": 10, "ended_at": 20}],
            "votes": [{"request_id": 3, "voter": "alice"}],
            "reminders": [{"request_id": 3}],
            "mornings": [],
            "conversations": [{"user_id": "cleo"}],
        }
        cleo.votes, self.talks, self.at = {"alice": "$v"}, {"cleo": ["$letter"]}, 30
        self.door.cara, self.door.quiet_until = GARDEN, 5
        self.rows["inbox"].append({"event_id": "$note", "seq": 9, "handled_at": 1})
        self.acts = [Act("ana", "leave"), Act("bea", "leave", TEMPLATE), Act("fay", "invite")]
        shown = [Said(f"$card{n}", n, f"{one.user_id}: I know her.", shows=(one.user_id,)) for n, one in self._cards()]
        digest = Said("$digest", 12, "a wave", "wave", calls=True)
        reminded, morning = Said("$r", 25, "🔔 #3 of cleo still waits", calls=True), Said("$m", 6, "\N{SUNRISE} over")
        self.said = [
            *shown,
            digest,
            reminded,
            morning,
            Said("$b", 1, "Batch 1 by mona is done: 1 of 1 rejected.", "batch"),
        ]

    def _cards(self) -> list[tuple[int, Knocked]]:
        return [*enumerate(self.here, 1)]

    def complaints(self) -> dict[str, list[str]]:
        """What is out of order, by the invariant that says so."""
        it = Seen(self.rows, self.acts, self.said, self.at, self.talks)
        return {one.__name__: found for one in INVARIANTS if (found := one(self.door, self.here, it))}


def test_an_evening_on_which_all_went_well_has_nothing_out_of_order() -> None:
    assert Evening().complaints() == {}


def _says(it: Evening, text: str) -> None:
    it.said[-1] = replace(it.said[-1], text=text)


def _many_friends(it: Evening) -> None:
    for n in range(6, 10):
        it.here.append(knocked(f"f{n}", "friend"))
        it.rows["requests"].append(request(n, f"f{n}", "accepted"))
        it.rows["audit"] += told(n, "judged", "accepted")
        it.acts.append(Act(f"f{n}", "invite"))


def _undo(it: Evening) -> None:
    it.door.batches[0].undone = ["ana"]


def _wait_for_long(it: Evening) -> None:
    it.rows["reminders"].clear()
    it.at = 10 * MINUTE


def _wait_for_the_morning(it: Evening) -> None:
    it.rows["mornings"].append({"room_id": GARDEN.room})
    it.at = 10 * MINUTE


PLANTED: dict[str, tuple[str, Callable[[Evening], object]]] = {
    "somebody is kicked twice": ("one_outcome", lambda it: it.acts.append(Act("ana", "leave"))),
    "somebody who waits is invited": ("one_outcome", lambda it: it.acts.append(Act("cleo", "invite"))),
    "somebody who never knocked is banned": ("one_outcome", lambda it: it.acts.append(Act("zoe", "ban"))),
    "there is a second request": ("one_outcome", lambda it: it.rows["requests"].append(request(6, "cleo"))),
    "an undo stands twice on record": ("one_outcome", lambda it: it.rows["audit"].extend(told(1, "undone", "undone"))),
    "an answer was lost": ("one_outcome", lambda it: it.here[2].certain.append(Verdict.BAN)),
    "a card is posted twice": ("shown_once", lambda it: it.said.append(replace(it.said[0], event_id="$again"))),
    "who waits is shown nowhere": ("shown_once", lambda it: it.said.pop(2)),
    "the text of a template is lost": ("told_why", lambda it: it.acts.__setitem__(1, Act("bea", "leave"))),
    "a note is lost": ("noted_once", lambda it: it.rows["notes"].clear()),
    "a note is there twice": ("noted_once", lambda it: it.rows["notes"].append(it.rows["notes"][0])),
    "a card lacks its note": ("noted_once", lambda it: it.said.__setitem__(2, replace(it.said[2], text="cleo"))),
    "a claim is lost": ("hands", lambda it: it.rows["claims"].clear()),
    "a deferral outlives the answer": ("hands", lambda it: it.rows["deferrals"].append({"request_id": 1})),
    "a batch that nobody confirmed ran": (
        "batches_are_what_was_shown",
        lambda it: it.rows["batches"][0].update(stage="asked"),
    ),
    "a batch that was dropped ran": (
        "batches_are_what_was_shown",
        lambda it: setattr(it.door.batches[0], "meant", "dropped"),
    ),
    "a batch took who came later": (
        "batches_are_what_was_shown",
        lambda it: setattr(it.door.batches[0], "late", ["ana"]),
    ),
    "its figures are others": (
        "batches_are_what_was_shown",
        lambda it: _says(it, "Batch 1 by mona is done: 2 of 2 rejected."),
    ),
    "an undone batch was not undone": ("undone_as_told", _undo),
    "rules accept many in a wave": ("waves_hold", _many_friends),
    "a wave calls twice": ("called_once", lambda it: it.said.append(Said("$c", 15, "card", shows=("x",), calls=True))),
    "a wave has two digests": ("called_once", lambda it: it.said.append(Said("$d", 30, "a wave", "wave"))),
    "a vote is lost": ("votes_stand", lambda it: it.rows["votes"].clear()),
    "a vote stands that was taken back": ("votes_stand", lambda it: it.here[2].votes.clear()),
    "they are reminded twice": ("reminded_once", lambda it: it.said.append(Said("$r2", 26, "🔔 Garden: #3, #4"))),
    "nobody is reminded": ("reminded_once", _wait_for_long),
    "quiet hours call": ("quiet_hours_are_quiet", lambda it: it.said.append(Said("$q", 4, "a card", calls=True))),
    "their end is told twice": ("quiet_hours_are_quiet", lambda it: it.said.append(Said("$m2", 7, "\N{SUNRISE} over"))),
    "their end is not told": ("quiet_hours_are_quiet", _wait_for_the_morning),
    "somebody has two conversations": (
        "one_conversation_each",
        lambda it: it.rows["conversations"].append({"user_id": "cleo"}),
    ),
    "a letter is sent twice": ("one_conversation_each", lambda it: it.talks["cleo"].append("$again")),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_each_planted_fault_is_seen_by_its_invariant(fault: str) -> None:
    invariant, plant = PLANTED[fault]
    evening = Evening()
    plant(evening)
    assert invariant in evening.complaints()


def test_each_invariant_sees_a_planted_fault() -> None:
    assert {one.__name__ for one in INVARIANTS} == {invariant for invariant, _ in PLANTED.values()} | {"in_order"}


def rows(told: str, numbered: str) -> dict[str, Any]:
    """We were told of them in one order, and gave numbers in another."""
    requests = [{"id": n, "room_id": GARDEN.room, "user_id": who, "event_id": who} for n, who in enumerate(numbered)]
    return {"inbox": [{"seq": seq, "event_id": who} for seq, who in enumerate(told)], "requests": requests}


@pytest.mark.parametrize(
    ("told", "numbered", "complaints"),
    [("abc", "abc", 0), ("bac", "abc", 0), ("bac", "bac", 0), ("abc", "bac", 1), ("abc", "cab", 1)],
)
def test_a_number_may_go_against_one_order_and_not_against_both(told: str, numbered: str, complaints: int) -> None:
    here = [knocked(name) for name in "abc"]
    assert len(in_order(Evening().door, here, Seen(rows(told, numbered), (), ()))) == complaints


def test_who_is_undone_has_had_both_acts() -> None:
    undone = WAITS.answered(Verdict.BAN).undone()
    assert (undone.acts, sorted(undone.told)) == (
        ("ban", "leave"),
        ["ban", "ban_lifted", "banned", "judged", "undone"],
    )


@pytest.mark.parametrize(
    ("kind", "waits"), [("list_hits", True), ("run_batch", True), ("remind", True), ("stale", False)]
)
async def test_it_is_not_over_while_something_is_under_way(
    monkeypatch: pytest.MonkeyPatch, kind: str, waits: bool
) -> None:
    async def records(_: Ledger) -> dict[str, Any]:
        timers = [{"key": f"{kind}:1", "kind": kind, "due_at": 0}]
        return {"inbox": [], "jobs": [], "requests": [], "timers": timers, "prompts": [], "batches": []}

    monkeypatch.setattr(Ledger, "records", records)
    assert bool(await Ledger("sqlite:none").what_is_missing()) is waits
