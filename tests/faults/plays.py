"""What moderators do in a round: the table `PLAYS`; each notes what it leads to before it does it."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from knockbot.demo.people import Person
from knockbot.domain.batches import batch_of
from knockbot.domain.model import Verdict
from knockbot.flow.ports import PROMPT_KEY
from tests.faults.ledger import TEMPLATE, Asked, Door, Knocked, Rows
from tests.faults.stage import Stage

EMOJI: Final = {Verdict.ACCEPT: "✅", Verdict.REJECT: "❌", Verdict.BAN: "⛔"}


@dataclass
class Scene:
    """One round at one door: who is there, and what happens."""

    stage: Stage
    door: Door
    chance: random.Random
    rows: Rows
    """The records as they were before it."""
    waiting: list[Knocked]
    """Who waits, and what comes next is not yet chosen."""
    settled: list[Knocked]
    """Whose outcome nobody has undone."""
    first: Sequence[Knocked]
    """Who knocks meanwhile."""
    then: Sequence[Knocked]
    """Who knocks later in the round: once it was asked about a batch, or a wave has begun."""
    all_waiting: Sequence[Knocked] = ()
    """Who waits, whatever is chosen for them."""

    def __post_init__(self) -> None:
        self.all_waiting = tuple(self.waiting)

    def some(self, most: int = 1) -> list[Knocked]:
        """Some of those who wait, for whom nothing else is chosen in this round."""
        chosen = self.waiting[:most]
        del self.waiting[: len(chosen)]
        return chosen

    async def knock(self) -> None:
        """The later ones knock."""
        await self.stage.knock(self.door, self.then, self.chance.uniform(0, 0.1))

    @property
    def known(self) -> list[Knocked]:
        """Everybody who knocked here before this round."""
        now = [*self.first, *self.then]
        return [one for one in self.stage.ledger.at(self.door) if one not in now]


Play = Callable[[Scene], Awaitable[None]]


# --- one applicant --------------------------------------------------------------------------------------------


async def clicks(scene: Scene) -> None:
    """Alice clicks on cards."""
    for one in [one for one in scene.some(2) if one.card is not None]:
        verdict = scene.chance.choice(scene.door.verdicts)
        one.certain.append(verdict)
        await scene.stage.react(scene.door, one.card or "", EMOJI[verdict])


async def answers(scene: Scene) -> None:
    """Nora answers by a command."""
    for one in scene.some():
        verdict = scene.chance.choice(scene.door.verdicts)
        one.certain.append(verdict)
        await scene.stage.command(scene.door, f"{verdict} {one.number}", by=scene.door.nora)


async def template(scene: Scene) -> None:
    """Somebody is rejected by a template: its name, or one tap."""
    for one in scene.some():
        one.certain.append(Verdict.REJECT)
        one.wording = TEMPLATE
        if one.card is not None and scene.chance.random() < HALF:
            await scene.stage.react(scene.door, one.card, "1️⃣")
        else:
            await scene.stage.command(scene.door, f"reject {one.number} who")


HALF = 0.5


async def listed(scene: Scene) -> None:
    """An entry for somebody arrives on the policy list while they wait: they are banned, by no moderator."""
    for one in scene.some():
        one.due = frozenset({course.named() for course in one.may})
        await scene.stage.name(scene.door, one)


async def notes(scene: Scene) -> None:
    """Mona and nora each write a note, about whoever knocked before."""
    about = scene.chance.sample(scene.known, min(2, len(scene.known)))
    for by, one in zip((scene.door.mona, scene.door.nora), about, strict=False):
        text = f"I remember {secrets.token_hex(3)}."
        told = await scene.stage.command(scene.door, f"note {one.number} {text}", by=by)
        one.notes.setdefault(text, set()).update(told)


async def hands(scene: Scene) -> None:
    """Nora says that she is at a request, or not any more."""
    for one in scene.chance.sample(scene.all_waiting, min(1, len(scene.all_waiting))):
        word, one.claimed = ("release", False) if one.claimed else ("claim", True)
        await scene.stage.command(scene.door, f"{word} {one.number}", by=scene.door.nora)


async def defers(scene: Scene) -> None:
    """Nora takes a request off the list, or puts it back."""
    for one in scene.some():
        until, one.deferred = ("off", False) if one.deferred else ("2d", True)
        await scene.stage.command(scene.door, f"defer {one.number} {until}", by=scene.door.nora)


# --- what only some doors have ---------------------------------------------------------------------------------


async def votes(scene: Scene) -> None:
    """Alice and cara vote for a ban, which takes both of them: one, or both at once; or take a vote back."""
    stage, door, alice, cara = scene.stage, scene.door, scene.door.garden.alice, scene.door.cara
    assert cara is not None
    for one in [one for one in scene.some(2) if one.card is not None]:
        given = [voter for voter in (alice, cara) if voter.user_id in one.votes]
        if given and scene.chance.random() < HALF:
            await stage.unclick(door, one.votes.pop(given[0].user_id), by=given[0])
            continue
        voters = [voter for voter in (alice, cara) if voter not in given]
        if not given and scene.chance.random() < HALF:
            voters = [scene.chance.choice(voters)]
        else:
            one.certain.append(Verdict.BAN)
        clicks = await asyncio.gather(*(stage.click(door, one.card or "", "⛔", by=voter) for voter in voters))
        one.votes |= {voter.user_id: click for voter, click in zip(voters, clicks, strict=True)}


async def speaks(scene: Scene) -> None:
    """Applicants ask in their conversation how it stands; one of them withdraws."""
    talks = {row["user_id"]: row["room_id"] for row in scene.rows["conversations"]}
    for one in [one for one in scene.some(2) if talks.get(one.user_id) is not None]:
        one.talk = talks[one.user_id]
        await scene.stage.speak(one, one.talk, "status")
        if scene.chance.random() < HALF:
            one.due = frozenset({course.withdrawn() for course in one.may})
            await scene.stage.speak(one, one.talk, "withdraw")


# --- undo -----------------------------------------------------------------------------------------------------


async def undoes(scene: Scene) -> None:
    """Alice undoes an answer by its number, of a rule or of a moderator; and wants that again."""
    for one in scene.settled[:1]:
        one.due = frozenset({course.undone() for course in one.may})
        await scene.stage.command(scene.door, f"undo {one.number}")
        await scene.stage.command(scene.door, f"undo {one.number}")


async def undoes_her_own(scene: Scene) -> None:
    """Nora undoes what she has answered last, where nobody else has undone it."""
    last = _last_answered_by(scene, scene.door.nora)
    mine = [one for one in scene.settled if last is not None and one.user_id == last["user_id"]]
    for one in mine:
        scene.settled.remove(one)
        one.due = frozenset({course.undone() for course in one.may})
        await scene.stage.command(scene.door, "undo", by=scene.door.nora)


def _last_answered_by(scene: Scene, who: Person) -> Mapping[str, Any] | None:
    """The request that somebody has answered last, if that answer has led to its outcome, and is not undone."""
    requests = {row["id"]: row for row in scene.rows["requests"]}
    theirs = [row for row in scene.rows["audit"] if row["actor"] == who.user_id and row["kind"] in {*EMOJI}]
    if not theirs:
        return None
    last = requests[max(theirs, key=lambda row: int(row["id"]))["request_id"]]
    answer = json.loads(last["answer_json"] or "{}")
    return last if answer.get("by") == who.user_id and last["undone_json"] is None else None


CHOSEN: Final = "visitor"
"""What some batches look for in the reasons."""


# --- batches --------------------------------------------------------------------------------------------------


async def _ask(scene: Scene, meant: str) -> Asked | None:
    """Mona wants one answer for all who wait; the batch that she is asked about, where there is anybody."""
    stage, door = scene.stage, scene.door
    verdict = scene.chance.choice(door.verdicts)
    selection = scene.chance.choice([door.room, "server:*", f"{door.room} older:1s", f"text:{CHOSEN}"])
    told = await stage.command(door, f"{verdict} all {selection}", by=door.mona)
    reply = await stage.answer(door, told[-1])
    if reply["content"].get(PROMPT_KEY, {}).get("kind") != "batch":
        return None
    text = CHOSEN if CHOSEN in selection else ""
    asked = Asked(str(reply["event_id"]), verdict, meant, [one.user_id for one in scene.then], text)
    door.batches.append(asked)
    return asked


def _expect(scene: Scene, asked: Asked, *, of_all: bool) -> None:
    """Those who wait will get the answer, or may: somebody else may be quicker, and who has just come may be in it."""
    for one in scene.all_waiting:
        if not one.deferred and asked.text in one.reason:
            (one.certain if of_all else one.perhaps).append(asked.verdict)
    for one in scene.first:
        one.perhaps += [asked.verdict] if asked.text in one.reason else []


async def batch_confirmed(scene: Scene) -> None:
    """She confirms it, and others knock meanwhile."""
    asked = await _ask(scene, "confirmed")
    if asked is not None:
        _expect(scene, asked, of_all=True)
        await scene.stage.react(scene.door, asked.event_id, "✅", by=scene.door.mona)
    await scene.knock()


async def batch_stopped(scene: Scene) -> None:
    """She confirms it, and she or nora stops it."""
    asked = await _ask(scene, "stopped")
    if asked is not None:
        _expect(scene, asked, of_all=False)
        await scene.stage.react(scene.door, asked.event_id, "✅", by=scene.door.mona)
        await asyncio.sleep(scene.chance.uniform(0, 1))
        by = scene.chance.choice([scene.door.mona, scene.door.nora])
        await scene.stage.react(scene.door, asked.event_id, "❌", by=by)
    await scene.knock()


async def batch_dropped(scene: Scene) -> None:
    """She does not want it after all."""
    asked = await _ask(scene, "dropped")
    if asked is not None:
        await scene.stage.react(scene.door, asked.event_id, "❌", by=scene.door.mona)
    await scene.knock()


async def batch_left_alone(scene: Scene) -> None:
    """She does nothing about it, and nora's click on it means nothing."""
    asked = await _ask(scene, "left alone")
    if asked is not None:
        await scene.stage.react(scene.door, asked.event_id, "✅", by=scene.door.nora)
    await scene.knock()


async def batch_undone(scene: Scene) -> None:
    """Mona undoes her last batch."""
    asked, people = _batch_to_undo(scene)
    if asked is not None:
        asked.undone = [one.user_id for one in people]
        for one in people:
            if one in scene.settled:
                scene.settled.remove(one)
            one.due = frozenset({course.undone() for course in one.may})
        await scene.stage.command(scene.door, "undo", by=scene.door.mona)
    await scene.knock()


def _batch_to_undo(scene: Scene) -> tuple[Asked | None, list[Knocked]]:
    last = _last_answered_by(scene, scene.door.mona)
    cause = json.loads(last["answer_json"])["cause"] if last is not None else None
    batch_id = batch_of(cause)
    prompts = {row["id"]: row["event_id"] for row in scene.rows["prompts"]}
    shown = next((prompts[row["prompt_id"]] for row in scene.rows["batches"] if row["id"] == batch_id), None)
    asked = next((one for one in scene.door.batches if one.event_id == shown and one.undone is None), None)
    answered = {
        row["user_id"]
        for row in scene.rows["requests"]
        if row["answer_json"] and json.loads(row["answer_json"]).get("cause") == cause and row["undone_json"] is None
    }
    return asked, [one for one in scene.known if one.user_id in answered]


# --- waves ----------------------------------------------------------------------------------------------------


async def wave_begun(scene: Scene) -> None:
    """Alice begins a wave, or has it last; once she is told so, no rule accepts anybody."""
    await scene.stage.command(scene.door, f"wave on {scene.door.room}")
    scene.door.holds = True
    await scene.knock()


async def wave_ended(scene: Scene) -> None:
    """Alice ends it."""
    scene.door.holds = False
    scene.door.ended += 1
    await scene.stage.command(scene.door, f"wave off {scene.door.room}")
    await scene.knock()


async def nothing_large(scene: Scene) -> None:
    """The others knock."""
    await scene.knock()


# --- the tables -----------------------------------------------------------------------------------------------


SMALL: Mapping[str, Play] = {
    "clicks": clicks,
    "answers": answers,
    "template": template,
    "list entry": listed,
    "notes": notes,
    "claims": hands,
    "defers": defers,
    "undo by number": undoes,
    "undo of one's own": undoes_her_own,
}
"""What may happen in any round, several at once."""

TIMED: Mapping[str, Play] = {"votes": votes, "applicants speak": speaks}
"""What happens in each round at a door where bans take two, and applicants have conversations."""

ALL: Mapping[str, Play] = {**SMALL, **TIMED}

LARGE: Mapping[str, Play] = {
    "nothing large": nothing_large,
    "batch confirmed": batch_confirmed,
    "batch stopped": batch_stopped,
    "batch dropped": batch_dropped,
    "batch left alone": batch_left_alone,
    "batch undone": batch_undone,
    "wave begun": wave_begun,
    "wave ended": wave_ended,
}
"""What may happen once in a round."""

FEW = ("clicks", "answers", "list entry")
"""What is played in a short run."""

NOT_IN_A_BATCH = frozenset({"template", "list entry", "defers", "applicants speak"})
"""What is not played beside a batch, since more could come of it than `course.after` tells apart."""


def fitting(door: Door) -> list[str]:
    """What may happen there: waves only where the policy has them. Where there are conversations, something large only
    every other time, since applicants withdraw beside no batch."""
    found = [name for name in LARGE if door.busy or not name.startswith("wave")]
    return found + ["nothing large"] * (len(found) - 2) if door.timed else found


def chosen(door: Door, large: str, chance: random.Random, most: int) -> list[str]:
    """What happens beside it. Nora does not answer and undo in the same round: the undo would be of the new answer."""
    own = [name for name in TIMED if door.timed and not (large.startswith("batch") and name in NOT_IN_A_BATCH)]
    names = [name for name in SMALL if not (large.startswith("batch") and name in NOT_IN_A_BATCH)]
    found = chance.sample(names, most)
    return own + [name for name in found if name != "undo of one's own" or "answers" not in found]
