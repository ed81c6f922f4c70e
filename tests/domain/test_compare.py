"""What was missed while nobody looked: each kind of it, as a snapshot of the room and the records beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from knockbot.domain.compare import KnockOnRecord, Missed, Records, Snapshot, compare
from knockbot.domain.fitness import Concern
from knockbot.domain.invites import Fall, Fallen
from knockbot.domain.jobs import Act
from knockbot.domain.model import (
    Answer,
    Kind,
    MemberChange,
    Membership,
    Reaction,
    Request,
    RoomView,
    State,
    ThirdPartyChange,
    ThirdPartyInvite,
    Verdict,
)
from knockbot.domain.power import Powers, powers
from knockbot.domain.upgrades import RoomUpgrade, Stage, Step, Tombstone, next_step

GARDEN, MODS = "!garden:tulip.example", "!mods:tulip.example"
BOT, ALICE, ANA, BEA = (f"@{name}:tulip.example" for name in ("knockbot", "alice", "ana", "bea"))
FAR = "@far:rose.example"

NOTHING = Missed()


def member(user_id: str, membership: Membership = Membership.KNOCK, by: str = "", **more: Any) -> MemberChange:
    return MemberChange(GARDEN, more.pop("event_id", "$knock"), user_id, by or user_id, membership, **more)


def request(user_id: str = ANA, state: State = State.PENDING, **more: Any) -> Request:
    base = Request(7, MODS, 3, GARDEN, Kind.KNOCK, user_id, "$knock", "hello", None, False, state, 1000, 1000)
    return replace(base, **more)


def answer(verdict: Verdict) -> Answer:
    return Answer(verdict, ALICE, 1000, "$knock")


def on_record(state: State = State.PENDING, event_id: str = "$knock", **more: Any) -> Records:
    return Records(knocks={ANA: KnockOnRecord(7, event_id, state, **more)})


def levels(bot: int = 50, **more: Any) -> Powers:
    users = {ALICE: 100, BOT: bot, **more.pop("users", {})}
    content = {"users": users, "invite": 50, "kick": 50, "ban": 50, **more}
    return powers({"sender": ALICE, "content": {"room_version": "10"}}, content)


# --- knocks -------------------------------------------------------------------------------------------------------

HELLO = member(ANA, reason="hello", sent_at=20)

KNOCKS = {
    "a knock that was made": (Snapshot(knocks=(HELLO,)), Records(), Missed(knocks=(HELLO,))),
    "a knock that is pending here": (Snapshot(knocks=(HELLO,)), on_record(has_words=True), NOTHING),
    "a knock that has expired here": (Snapshot(knocks=(HELLO,)), on_record(State.EXPIRED), NOTHING),
    "another knock, with another reason": (
        Snapshot(knocks=(HELLO,)),
        on_record(event_id="$before"),
        Missed(knocks=(HELLO,)),
    ),
    "a knock after one that was rejected": (
        Snapshot(knocks=(HELLO,)),
        on_record(State.REJECTED, "$before"),
        Missed(knocks=(HELLO,)),
    ),
    "a knock of somebody who knocks too often": (
        Snapshot(knocks=(HELLO,)),
        Records(held=frozenset({ANA})),
        NOTHING,
    ),
    "knocks in no order": (
        Snapshot(knocks=(HELLO, member(BEA, event_id="$first", sent_at=10))),
        Records(),
        Missed(knocks=(member(BEA, event_id="$first", sent_at=10), HELLO)),
    ),
    "a knock that was redacted": (
        Snapshot(knocks=(member(ANA),)),
        on_record(has_words=True),
        Missed(redacted=(7,)),
    ),
    "a redacted knock that never had words": (Snapshot(knocks=(member(ANA),)), on_record(), NOTHING),
    "a knock without a reason, by somebody with a name": (
        Snapshot(knocks=(member(ANA, display_name="Ana"),)),
        on_record(has_words=True),
        NOTHING,
    ),
    "a knock that is listed without its long reason": (
        Snapshot(knocks=(member(ANA, cut=True),)),
        on_record(has_words=True),
        NOTHING,
    ),
}


@pytest.mark.parametrize(("seen", "known", "missed"), KNOCKS.values(), ids=KNOCKS)
def test_knocks_that_stand(seen: Snapshot, known: Records, missed: Missed) -> None:
    assert compare(seen, known) == missed


@pytest.mark.parametrize(
    "state", [State.ACCEPTED, State.JOINED, State.DECLINED, State.REJECTED, State.BANNED, State.WITHDRAWN]
)
def test_a_knock_that_stands_after_its_outcome_is_judged_again_once_that_is_confirmed(state: State) -> None:
    """The homeserver was restored from an older back-up, or the outcome came about after the snapshot."""
    missed = compare(Snapshot(knocks=(HELLO,)), on_record(state))

    assert missed == Missed(knocks=(HELLO,), confirm=frozenset({"$knock"}))


# --- outcomes -----------------------------------------------------------------------------------------------------

MOVED = {
    "taken back": member(ANA, Membership.LEAVE, event_id="$now"),
    "accepted by somebody": member(ANA, Membership.INVITE, ALICE, event_id="$now"),
    "rejected by somebody": member(ANA, Membership.LEAVE, ALICE, event_id="$now"),
    "banned by somebody": member(ANA, Membership.BAN, ALICE, event_id="$now"),
    "joined": member(ANA, Membership.JOIN, event_id="$now"),
}


@pytest.mark.parametrize("change", MOVED.values(), ids=MOVED)
def test_a_request_whose_applicant_knocks_no_more_has_moved_on(change: MemberChange) -> None:
    seen = Snapshot(members={ANA: change})

    assert compare(seen, Records(unsettled=(request(),))) == Missed(moved_on=(change,))


def test_who_has_knocked_again_since_the_list_was_made_has_not_moved_on() -> None:
    seen = Snapshot(members={ANA: member(ANA, event_id="$newer")})

    assert compare(seen, Records(unsettled=(request(),))) == NOTHING


@pytest.mark.parametrize(
    ("theirs", "unknown"),
    [
        (request(), True),
        (request(state=State.ACCEPTED), True),
        (request(moved_from="!old:tulip.example"), False),  # they knocked in the room that this one replaces
        (request(kind=Kind.THIRD_PARTY_INVITE), False),
        (request(BEA), False),  # nobody asked about them
    ],
)
def test_a_knock_that_the_room_knows_nothing_of_is_of_a_homeserver_restored_from_an_older_backup(
    theirs: Request, unknown: bool
) -> None:
    missed = compare(Snapshot(members={ANA: None}), Records(unsettled=(theirs,)))

    assert missed == Missed(unknown=(theirs,) if unknown else ())


WAITING = [
    (request(), True),
    (request(answer=answer(Verdict.ACCEPT)), True),
    (request(answer=answer(Verdict.REJECT)), False),
    (request(answer=answer(Verdict.BAN)), False),
    (request(state=State.ACCEPTED), False),
    (request(kind=Kind.THIRD_PARTY_INVITE), False),
]


@pytest.mark.parametrize(("theirs", "waits"), WAITING)
@pytest.mark.parametrize(("oldest", "late"), [(999, False), (1000, True)])
def test_a_knock_that_waits_for_too_long_expires(theirs: Request, waits: bool, oldest: int, late: bool) -> None:
    missed = compare(Snapshot(), Records(unsettled=(theirs,), oldest=oldest))

    assert missed == Missed(stale=(theirs.id,) if waits and late else ())


@pytest.mark.parametrize(("theirs", "waits"), WAITING)
@pytest.mark.parametrize(("server", "hit"), [("rose.example", True), ("tulip.example", False)])
def test_a_knock_of_a_server_that_is_denied_by_now_is_closed(
    theirs: Request, waits: bool, server: str, hit: bool
) -> None:
    theirs = replace(theirs, user_id=FAR)
    missed = compare(Snapshot(denied=frozenset({server})), Records(unsettled=(theirs,)))

    assert missed == Missed(denied=(theirs,) if waits and hit else ())


# --- cards --------------------------------------------------------------------------------------------------------


def click(event_id: str) -> Reaction:
    return Reaction(MODS, event_id, ALICE, 0, "$card", "✅")


def test_clicks_that_nobody_heard_are_taken_in_order_and_others_not_again() -> None:
    seen = Snapshot(reactions=(click("$third"), click("$second"), click("$first")))

    missed = compare(seen, Records(heard=frozenset({"$second"})))

    assert missed == Missed(clicks=(click("$first"), click("$third")))


def test_a_click_whose_answer_waits_and_that_the_card_does_not_show_may_have_been_removed() -> None:
    seen = Snapshot(reactions=(click("$there"),))

    missed = compare(seen, Records(heard=frozenset({"$there"}), clicked=frozenset({"$there", "$gone"})))

    assert missed == Missed(unclicked=("$gone",))


def test_a_card_that_was_redacted_is_told() -> None:
    assert compare(Snapshot(prompt_redacted=True), Records()) == Missed(prompt_redacted=True)


# --- third-party invites ------------------------------------------------------------------------------------------

INVITE = ThirdPartyInvite(GARDEN, "$invite", "token", ALICE)
STANDS = ThirdPartyChange(GARDEN, "$invite", "token", ALICE, INVITE)
EMPTIED = ThirdPartyChange(GARDEN, "$emptied", "token", BEA, None)


def invite(state: State = State.STANDING, **more: Any) -> Request:
    its = {"user_id": "", "event_id": "$invite", "invite": INVITE, **more}
    return request(state=state, kind=Kind.THIRD_PARTY_INVITE, **its)


OURS = invite(State.PENDING, event_id="", invite=replace(INVITE, event_id=""))
"""One that the bot has sent, and that the room is yet to hold."""

INVITES = {
    "planted": (STANDS, None, Missed(invites=(INVITE,))),
    "on record, and waiting": (STANDS, invite(State.PENDING), NOTHING),
    "on record, and standing": (STANDS, invite(), NOTHING),
    "redeemed before": (STANDS, invite(State.REDEEMED, user_id=ANA), NOTHING),
    "replaced": (STANDS, invite(invite=replace(INVITE, event_id="$before")), Missed(invites=(INVITE,))),
    "standing although it was revoked": (
        STANDS,
        invite(State.REVOKED),
        Missed(invites=(INVITE,), confirm=frozenset({"$invite"})),
    ),
    "revoked": (EMPTIED, invite(), Missed(changed=(EMPTIED,))),
    "revoked while it waits": (EMPTIED, invite(State.PENDING), Missed(changed=(EMPTIED,))),
    "revoked before": (EMPTIED, invite(State.REVOKED), NOTHING),
    "emptied, and never seen": (EMPTIED, None, NOTHING),
    "sent by the bot, and there by now": (STANDS, OURS, Missed(changed=(STANDS,))),
    "of another inviter than the one that the bot sent": (
        STANDS,
        replace(OURS, invite=replace(INVITE, event_id="", inviter=BOT)),
        Missed(invites=(INVITE,)),
    ),
}


@pytest.mark.parametrize(("there", "theirs", "missed"), INVITES.values(), ids=INVITES)
def test_invites_that_were_planted_revoked_or_arrived(
    there: ThirdPartyChange, theirs: Request | None, missed: Missed
) -> None:
    known = Records(tokens={"token": theirs} if theirs is not None else {})

    assert compare(Snapshot(invites=(there,)), known) == missed


@pytest.mark.parametrize(
    ("token", "sent_at", "counts"), [("token", 50, True), ("another", 50, False), ("token", 49, False)]
)
def test_who_came_in_by_an_invite_that_stands_since_the_room_is_protected(
    token: str, sent_at: int, counts: bool
) -> None:
    came = member(ANA, Membership.INVITE, ALICE, token=token, sent_at=sent_at)

    missed = compare(Snapshot(redeemed=(came,)), Records(standing=(invite(),), protected_at=50))

    assert missed == Missed(redeemed=(came,) if counts else ())


INVITERS = {
    "still inside": (member(BEA, Membership.JOIN), 50, None),
    "gone": (member(BEA, Membership.LEAVE), 50, (Fall.LEFT, "$knock")),
    "kicked": (member(BEA, Membership.LEAVE, ALICE), 50, (Fall.REMOVED, "$knock")),
    "banned": (member(BEA, Membership.BAN, ALICE), 50, (Fall.REMOVED, "$knock")),
    "without the level": (member(BEA, Membership.JOIN), 49, (Fall.DEMOTED, "level 49")),
    "unknown to the room, with the level": (None, 50, None),
    "unknown to the room": (None, 0, (Fall.DEMOTED, "level 0")),
}


@pytest.mark.parametrize(("stands", "level", "loss"), INVITERS.values(), ids=INVITERS)
def test_an_inviter_who_fell(stands: MemberChange | None, level: int, loss: tuple[Fall, str] | None) -> None:
    seen = Snapshot(GARDEN, powers=levels(users={BEA: level}), inviters={BEA: stands})

    missed = compare(seen, Records())

    assert missed.fallen == ((Fallen(GARDEN, BEA, *loss),) if loss else ())
    assert missed.risen == (() if loss else (BEA,))


# --- the room -----------------------------------------------------------------------------------------------------


def view(**more: Any) -> RoomView:
    return RoomView(**{"room_id": GARDEN, "label": "Garden", "join_rule": "knock", "world_readable": False, **more})


@pytest.mark.parametrize(
    ("label", "name"), [("Garden", None), ("Meadow", "Meadow"), (GARDEN, None)], ids=["same", "new", "none"]
)
def test_a_new_name(label: str, name: str | None) -> None:
    seen = Snapshot(bot=BOT, view=view(label=label, version="10"), powers=levels())

    assert compare(seen, Records(name="Garden")) == Missed(name=name)


@pytest.mark.parametrize(
    ("rule", "noted", "concerns"),
    [
        ("knock", (), None),
        ("public", (), (Concern.PUBLIC,)),
        ("public", (Concern.PUBLIC,), None),
        ("invite", (Concern.PUBLIC,), (Concern.SHUT,)),
        ("knock", (Concern.PUBLIC,), ()),
    ],
)
def test_what_makes_a_room_unfit_is_missed_once(
    rule: str, noted: tuple[Concern, ...], concerns: tuple[Concern, ...] | None
) -> None:
    seen = Snapshot(bot=BOT, view=view(join_rule=rule, version="10"), powers=levels())

    assert compare(seen, Records(name="Garden", concerns=noted)) == Missed(concerns=concerns)


@pytest.mark.parametrize(
    ("level", "more", "missing"),
    [
        (50, {}, set()),
        (49, {}, {Act.INVITE, Act.KICK, Act.BAN, Act.UNBAN, Act.REVOKE, Act.PLANT}),
        (50, {"ban": 100}, {Act.BAN, Act.UNBAN}),
        (50, {"invite": 100}, {Act.INVITE, Act.REVOKE, Act.PLANT}),
    ],
)
def test_acts_that_the_bots_power_does_not_reach_to_by_now(level: int, more: dict[str, int], missing: set[Act]) -> None:
    assert compare(Snapshot(bot=BOT, powers=levels(level, **more)), Records()) == Missed(missing=frozenset(missing))


NEW = Tombstone("$new", ALICE, "!new:tulip.example")


@pytest.mark.parametrize(
    ("tombstone", "stage", "of", "step"),
    [
        (None, None, "", Step.NONE),
        (NEW, None, "", Step.FOLLOW),
        (NEW, Stage.WAITING, "$new", Step.FOLLOW),
        (NEW, Stage.OFFERED, "$new", Step.LISTEN),
        (NEW, Stage.REFUSED, "$new", Step.LISTEN),
        (NEW, Stage.MOVED, "$new", Step.LISTEN),
        (NEW, Stage.REFUSED, "$before", Step.FOLLOW),
        (NEW, Stage.MOVED, "$before", Step.FOLLOW),
        (None, Stage.OFFERED, "$new", Step.FORGET),
        (None, Stage.WAITING, "$new", Step.FORGET),
        (None, Stage.MOVED, "$new", Step.NONE),
    ],
)
def test_a_room_that_was_upgraded(tombstone: Tombstone | None, stage: Stage | None, of: str, step: Step) -> None:
    upgrade = RoomUpgrade(GARDEN, of, "!new:tulip.example", stage) if stage is not None else None

    assert next_step(tombstone, upgrade) is step


def test_of_what_a_snapshot_does_not_show_nothing_is_said() -> None:
    known = Records(
        "Garden", (Concern.PUBLIC,), knocks=on_record().knocks, unsettled=(request(),), standing=(invite(),)
    )

    assert compare(Snapshot(), known) == NOTHING
