"""Invites that the bot issues for moderators: sent once, put into the room, told, counted and forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from knockbot import app
from knockbot.config.settings import read_settings
from knockbot.domain.invites import IN_VAIN, UNASKED
from knockbot.domain.jobs import Act
from knockbot.domain.model import Known, State, Truth
from knockbot.domain.reasons import foreign, in_words
from knockbot.engine.worker import SILENT_PAUSE
from knockbot.errors import Later, Never, reason
from knockbot.features.thirdparty import issuing
from knockbot.flow.working import hooks
from knockbot.store import addressees, rooms
from knockbot.times import DAY
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.house import SETTINGS as WRITTEN
from tests.flow.planted import (
    DAVE,
    MONA,
    STAND,
    invite,
    invites,
    look,
    move_in,
    redeemed,
    stands,
    states,
    unheard,
)
from tests.flow.world import ALICE, ANA, BOT

CARLA = "carla@mail.example"
SETTINGS: dict[str, Any] = {"identity_servers": {"id.example": {"url": "https://id.example"}}}
LOST = Later(foreign("the identity server id.example gave no answer within 30 seconds."))
DOWN = Later(foreign("the identity server id.example cannot be reached (no connection)."), code=UNASKED)


@pytest.fixture
async def house(ready_url: str) -> AsyncIterator[House]:
    """A knockbot that knows an identity server, and a moderator beside Alice."""
    async with housed(ready_url, **SETTINGS) as house:
        move_in(house)
        yield house


async def issued(house: House, address: str = CARLA, *, by: str = ALICE) -> str:
    """Somebody has the bot invite an address, and the bot has dealt with it for now; returns the command."""
    event_id = house.tell(f"invite {GARDEN} {address}", by=by)
    await house.live()
    return event_id


async def asked(house: House, command: str, *, by: str = ALICE) -> str:
    """The reply to a command."""
    event_id = house.tell(command, by=by)
    await house.live()
    [reply] = replies(house, event_id)
    return reply


def replies(house: House, event_id: str) -> list[str]:
    said = [content for content in house.said() if "m.relates_to" in content]
    return [c["body"] for c in said if c["m.relates_to"]["m.in_reply_to"]["event_id"] == event_id]


async def addresses_kept(house: House) -> list[str]:
    """Where the database holds Carla's address, or her name."""
    found = []
    async with house.db.tx() as tx:
        for table in ("inbox", "requests", "jobs", "audit", "addresses", "issued", "prompts", "rooms", "policies"):
            for row in await tx.fetch(f"SELECT * FROM {table}"):
                found += [table] if "carla" in str(dict(row)).lower() else []
    return found


# --- one story ----------------------------------------------------------------------------------------------------


async def test_an_address_is_invited_on_a_moderators_word(house: House) -> None:
    command = await issued(house, f"{CARLA} Carla from Monday")

    assert house.post.mails == [CARLA]
    request = await invite(house)
    assert (request.state, request.by, request.issued_by) == (State.STANDING, ALICE, ALICE)
    assert request.invite is not None
    standing = house.world.rooms[GARDEN].invites["token1"]
    assert (request.invite.event_id, request.invite.inviter) == (standing["event_id"], BOT)
    assert standing["content"]["display_name"] == "car..."
    assert [key["public_key"] for key in standing["content"]["public_keys"]] == ["long", "token1"]
    [line] = replies(house, command)
    assert "#1" in line
    assert "car..." in line
    assert CARLA not in line
    assert await house.history(request) == [(ALICE, "issued"), (ALICE, "standing")]
    told = await asked(house, "log 1")
    assert [line.split(" · ")[-2] for line in told.split("\n")] == ["invite sent", "invite approved"]


async def test_the_words_of_the_mail_name_the_moderator_and_the_room(house: House) -> None:
    await issued(house)

    assert house.post.words == [{"sender_name": ALICE, "room_name": "Garden", "join_rule": "knock"}]


async def test_no_policy_judges_what_a_moderator_had_issued(house: House) -> None:
    await house.set_policy("{rules: [{for: third_party_invite, when: {inviter: '*'}, then: ban}]}")

    await issued(house)
    await look(house)

    assert (await states(house), stands(house, "token1"), house.cards()) == (["standing"], True, [])


async def test_whoever_redeems_it_is_in_on_that_word(house: House) -> None:
    await issued(house)

    await redeemed(house, token="token1")

    request = await invite(house)
    assert (request.state, request.by, request.user_id) == (State.REDEEMED, ALICE, DAVE)
    assert [what for _, what in await house.history(request)] == [
        "issued",
        "standing",
        "redeemed",
        "judged",
        "redeemed",
        "joined",
    ]
    assert house.membership(DAVE) == "join"


async def test_a_rule_for_redeemed_invites_still_judges_who_redeems_it(house: House) -> None:
    await house.set_policy("{rules: [{for: redeemed_invite, when: {user: '@dave:*'}, then: ban}]}")
    await issued(house)

    await redeemed(house, token="token1")

    assert house.membership(DAVE) == "ban"
    assert await states(house) == ["banned"]


async def test_rules_about_the_inviter_mean_the_moderator(house: House) -> None:
    rule = "{for: redeemed_invite, when: {inviter: '@alice:*', inviter_power_at_least: 100, inviter_is_member: true}"
    await house.set_policy(f"{{rules: [{rule}, then: reject}}]}}")
    await issued(house)
    await issued(house, "other@mail.example", by=MONA)

    await redeemed(house, token="token1")
    await redeemed(house, ANA, token="token2")

    assert (house.membership(DAVE), house.membership(ANA)) == ("leave", "join")


async def test_it_shows_in_the_list_with_its_address_and_in_full(house: House) -> None:
    await issued(house, f"{CARLA} Carla from Monday")

    listed = await asked(house, f"invites {GARDEN}")
    shown = await asked(house, "show 1")

    for told in (listed, shown):
        assert f"{CARLA} (Carla from Monday)" in told
        assert ALICE in told


async def test_a_phone_number_is_invited_too(house: House) -> None:
    await issued(house, "+49 (0)170 123-4567 Carl")

    assert house.post.mails == ["491701234567"]
    assert "+491701234567 (Carl)" in await asked(house, f"invites {GARDEN}")


async def test_it_can_be_revoked(house: House) -> None:
    await issued(house)

    house.tell("revoke 1", by=MONA)
    await house.live()

    request = await invite(house)
    assert (request.state, request.by, stands(house, "token1")) == (State.REVOKED, MONA, False)


@pytest.mark.parametrize("typed", [CARLA, "Carla@Mail.Example, sorry", f"mailto:{CARLA}"])
async def test_it_can_be_revoked_by_the_address_that_it_was_sent_to(house: House, typed: str) -> None:
    await issued(house)
    await issued(house, "carl@mail.example")
    assert "#1" in await asked(house, f"revoke {typed}")
    await house.live()

    assert (await states(house), stands(house, "token1")) == (["revoked", "standing"], False)


async def test_an_invite_can_be_revoked_by_the_name_that_is_shown(house: House) -> None:
    house.world.plant(GARDEN, ALICE, display_name="dav...@exa...")
    await house.live()
    assert "#1" in await asked(house, "revoke dav...@exa... sorry")
    await house.live()

    assert await states(house) == ["revoked"]


@pytest.mark.parametrize(
    "typed", ["other@mail.example", "Nobody", "@dave:tulip.example", "+49 170 1234567", "00491701234567"]
)
async def test_where_no_invite_fits_it_is_said_how_to_name_it(house: House, typed: str) -> None:
    await issued(house)
    assert "Give the number" in await asked(house, f"revoke {typed}")
    await house.live()

    assert await states(house) == ["standing"]


async def test_no_invite_of_several_that_fit_is_revoked(house: House) -> None:
    await issued(house)
    house.world.plant(GARDEN, ALICE, display_name=CARLA)  # whoever invites chooses the name
    await house.live()
    said = await asked(house, f"revoke {CARLA}")
    await house.live()

    assert "#1" in said
    assert "#2" in said
    assert await states(house) == ["standing", "pending"]


async def test_the_only_room_need_not_be_named(house: House) -> None:
    house.tell(f"invite {CARLA}")
    await house.live()

    assert await states(house) == ["standing"]


# --- who may ------------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Callable[[House], object], str]] = {
    "has too little power": (lambda h: h.world.rooms[GARDEN].levels["users"].update({MONA: 49}), "level 50"),
    "is not in the room": (lambda h: h.world.change(GARDEN, MONA, MONA, "leave"), "members of"),
    "the bot lacks the power": (lambda h: h.world.rooms[GARDEN].levels["users"].update({BOT: 49}), BOT),
    "the bot is out": (lambda h: h.world.change(GARDEN, ALICE, BOT, "leave"), "I am not in"),
}


@pytest.mark.parametrize("why", REFUSED)
async def test_who_may_not_is_told_so_and_nothing_is_sent(house: House, why: str) -> None:
    event, words = REFUSED[why]
    house.world.rooms[GARDEN].levels["invite"] = 50
    event(house)
    unheard(house)

    command = house.tell(f"invite {GARDEN} {CARLA}", by=MONA)
    await house.live()

    [reply] = replies(house, command)
    assert words in reply
    assert house.world.asked("lookup", "store_invite") == []
    async with house.db.tx() as tx:
        assert await addressees.issued_at(tx, 0, moderator=MONA) == []


@pytest.mark.parametrize("why", REFUSED)
async def test_who_may_do_it_no_more_when_its_turn_comes_is_told_so(house: House, why: str) -> None:
    event, words = REFUSED[why]
    house.world.rooms[GARDEN].levels["invite"] = 50
    command = house.tell(f"invite {GARDEN} {CARLA}", by=MONA)
    await house.hear()
    event(house)
    unheard(house)
    await house.work()

    [reply] = replies(house, command)
    assert words in reply
    assert house.post.mails == []
    assert await addresses_kept(house) == []


async def test_without_an_identity_server_the_key_of_the_config_is_named(ready_url: str) -> None:
    async with housed(ready_url) as house:
        assert "identity_servers" in await asked(house, f"invite {GARDEN} {CARLA}")


async def test_identity_servers_and_budgets_come_with_a_config_that_is_read_again(
    ready_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knockbot.logs.configure", lambda _: None)
    async with housed(ready_url) as house:
        await app.take_settings(house.context, read_settings({**WRITTEN, **SETTINGS, "issuing": {"per_room": 1}}))

        await issued(house)

        assert await states(house) == ["standing"]
        assert "1 invite to" in await asked(house, f"invite {GARDEN} other@mail.example")


@pytest.mark.parametrize("budget", ["per_moderator", "per_room"])
async def test_the_config_may_allow_none(ready_url: str, budget: str) -> None:
    async with housed(ready_url, **SETTINGS, issuing={budget: 0}) as house:
        assert "issuing" in await asked(house, f"invite {GARDEN} {CARLA}")
        assert house.post.mails == []


@pytest.mark.parametrize(
    "typed", ["", "Carla", "@carla:mail.example", "carla@", "12345678", "+49", "carla@mail@example"]
)
async def test_what_is_no_address_is_said_to_be_none(house: House, typed: str) -> None:
    reply = await asked(house, f"invite {GARDEN} {typed}")

    assert "e-mail" in reply
    assert "!kb invite ROOM ADDRESS" in reply


async def test_an_address_is_not_taken_for_a_room(house: House) -> None:
    async with house.db.tx() as tx:
        await rooms.protect(tx, rooms.ProtectedRoom("!lawn:tulip.example", MODS, "Lawn", ALICE, house.clock()))

    reply = await asked(house, f"invite {CARLA} Carla")

    assert "Which room?" in reply
    assert CARLA not in reply


async def test_a_room_looked_after_elsewhere_is_an_unknown_one(house: House) -> None:
    reply = await asked(house, f"invite !lawn:tulip.example {CARLA}")

    assert "is not managed from this room" in reply
    assert house.post.mails == []


# --- one mail -----------------------------------------------------------------------------------------------------


async def test_an_address_with_an_invite_in_hand_gets_no_second_mail(house: House) -> None:
    await issued(house)

    assert "#1" in await asked(house, f"invite {GARDEN} CARLA@mail.example")
    assert house.post.mails == [CARLA]


async def test_an_address_that_is_being_invited_gets_no_second_mail(house: House) -> None:
    house.tell(f"invite {GARDEN} {CARLA}")
    second = house.tell(f"invite {GARDEN} {CARLA}", by=MONA)
    await house.live()

    [reply] = replies(house, second)
    assert "at this moment" in reply
    assert house.post.mails == [CARLA]


async def test_after_revoking_it_may_be_sent_once_more(house: House) -> None:
    await issued(house)
    house.tell("revoke 1")
    await house.live()

    await issued(house)

    assert (house.post.mails, await states(house)) == ([CARLA, CARLA], ["revoked", "standing"])


async def test_a_command_delivered_twice_is_one_mail(house: House) -> None:
    house.tell(f"invite {GARDEN} {CARLA}")
    house.world.outbox *= 2
    await house.live()

    assert (house.post.mails, await states(house)) == ([CARLA], ["standing"])


UNSURE: dict[str, Callable[[House], object]] = {
    "the answer is lost": lambda house: house.world.play("store_invite", LOST, done=True),
    "there is none": lambda house: house.world.play("store_invite", LOST),
    "it fails": lambda house: house.world.play("store_invite", RuntimeError("a defect"), done=True),
}


@pytest.mark.parametrize("how", UNSURE)
async def test_where_it_is_unclear_whether_a_mail_left_none_is_sent_again(house: House, how: str) -> None:
    UNSURE[how](house)
    command = await issued(house)
    for _ in range(3):
        await house.later(3600)

    [reply] = replies(house, command)
    assert "unclear" in reply
    assert "!kb invites" in reply
    assert len(house.world.asked("store_invite")) == 1
    assert (await states(house), await addresses_kept(house)) == ([], [])
    async with house.db.tx() as tx:
        assert len(await addressees.issued_at(tx, 0, moderator=ALICE)) == 1

    await issued(house)

    assert await states(house) == ["standing"]


NOTHING_SENT: dict[str, tuple[str, Exception]] = {
    "down for the lookup": ("lookup", DOWN),
    "slow for the lookup": ("lookup", LOST),
    "its terms": (
        "lookup",
        Never(foreign("the identity server wants its terms accepted first."), code="M_TERMS_NOT_SIGNED"),
    ),
    "down for the invite": ("store_invite", DOWN),
    "refused": ("store_invite", Never(foreign("the identity server id.example sends no invites to phone numbers."))),
}


@pytest.mark.parametrize("how", NOTHING_SENT)
async def test_where_surely_nothing_was_sent_that_is_said_and_does_not_count(house: House, how: str) -> None:
    call, error = NOTHING_SENT[how]
    house.world.play(call, error)
    command = await issued(house)
    await house.later(3600)

    [reply] = replies(house, command)
    assert in_words(reason(error)) in reply
    assert "Nothing was sent" in reply
    assert (house.post.mails, await states(house), await addresses_kept(house)) == ([], [], [])
    async with house.db.tx() as tx:
        assert await addressees.issued_at(tx, 0, moderator=ALICE) == []


async def test_a_mail_in_vain_is_said_to_be_one_and_counts(house: House) -> None:
    house.world.play(
        "store_invite",
        Never(foreign("its answer makes no sense: the mail does not work."), code=IN_VAIN),
        done=True,
    )
    command = await issued(house)

    [reply] = replies(house, command)
    assert "the mail does not work" in reply
    assert "Nothing was sent" not in reply
    async with house.db.tx() as tx:
        assert len(await addressees.issued_at(tx, 0, moderator=ALICE)) == 1


async def test_a_silent_homeserver_delays_it_and_nothing_more(house: House) -> None:
    house.tell(f"invite {GARDEN} {CARLA}")
    await house.hear()
    house.world.play("powers", Later(foreign("the homeserver cannot be reached."), unreachable=True))
    await house.work()
    assert house.post.mails == []

    await house.later(SILENT_PAUSE)

    assert (house.post.mails, await states(house)) == ([CARLA], ["standing"])


async def test_an_hour_later_it_is_not_sent_any_more(house: House) -> None:
    command = house.tell(f"invite {GARDEN} {CARLA}")
    await house.hear()

    await house.later(issuing.LATE / 1000 + 1)

    [reply] = replies(house, command)
    assert "late" in reply
    assert (house.post.mails, await addresses_kept(house)) == ([], [])


async def test_a_room_that_is_protected_no_longer_gets_no_invite(house: House) -> None:
    command = house.tell(f"invite {GARDEN} {CARLA}")
    await house.hear()
    async with house.db.tx() as tx:
        await rooms.unprotect(tx, GARDEN)
    await house.work()

    [reply] = replies(house, command)
    assert "no longer" in reply
    assert (house.post.mails, await addresses_kept(house)) == ([], [])


async def test_a_mail_that_left_while_the_room_was_given_up_is_said_to_be_in_vain(house: House) -> None:
    command = house.tell(f"invite {GARDEN} {CARLA}")
    await house.hear()
    as_ever = hooks(house.context)

    async def sent_and_unprotected(claimed: Any) -> Any:
        came = await as_ever.run(claimed)
        async with house.db.tx() as tx:
            await rooms.unprotect(tx, GARDEN)
        return came

    house.actions[Act.ISSUE] = sent_and_unprotected
    await house.work()

    [reply] = replies(house, command)
    assert "no longer" in reply
    assert "Nothing was sent" not in reply
    assert (await states(house), await addresses_kept(house)) == ([], [])


# --- killed between any two steps ---------------------------------------------------------------------------------


class Killed(BaseException):
    """What ends the process, in the midst of a step."""


DEATHS: dict[str, tuple[str, bool, str]] = {
    "before its turn": ("powers", False, "standing"),
    "before the lookup": ("lookup", False, "standing"),
    "after the lookup": ("lookup", True, "standing"),
    "before the mail": ("store_invite", False, "unclear"),
    "after the mail": ("store_invite", True, "unclear"),
    "before the room is looked at": ("third_party", False, "standing"),
    "before it stands": ("put_state", False, "standing"),
    "after it stands": ("put_state", True, "standing"),
}
"""At which call, before or after it takes place, and what becomes of the invite."""


@pytest.mark.parametrize("when", DEATHS)
async def test_killed_at_any_step_it_loses_nothing_and_sends_nothing_twice(house: House, when: str) -> None:
    call, done, becomes = DEATHS[when]
    command = house.tell(f"invite {GARDEN} {CARLA}")
    await house.hear()
    await killed(house, call, done=done)
    await house.start_again()
    for _ in range(3):
        await house.later(3600 if becomes == "unclear" else 60)

    assert len(house.world.asked("store_invite")) <= 1
    [reply] = replies(house, command)
    if becomes == "unclear":
        assert "unclear" in reply
        assert await states(house) == []
    else:
        assert "#1" in reply
        assert (house.post.mails, await states(house)) == ([CARLA], ["standing"])
        assert stands(house, "token1")


async def killed(house: House, call: str, *, done: bool) -> None:
    """The process dies at this call of the worker's."""

    def die() -> None:
        raise Killed

    if done:
        house.world.play(call, Killed(), done=True)
    else:
        house.world.play(call, meanwhile=die)
    with pytest.raises(Killed):
        await work_to_death(house)
    house.world.behave()
    await house.die()


async def work_to_death(house: House) -> None:
    while True:
        await house.worker._start_due()
        assert house.worker._running, "nothing killed it"
        for task in list(house.worker._running):
            await task


async def test_killed_before_what_was_sent_is_written_down_it_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = house.tell(f"invite {GARDEN} {CARLA}")
    await house.hear()

    async def die(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(house.worker, "_record", die)
    with pytest.raises(Killed):
        await work_to_death(house)
    await house.die()
    await house.start_again()
    await house.later()

    [reply] = replies(house, command)
    assert "unclear" in reply
    assert (house.post.mails, await states(house)) == ([CARLA], [])


# --- put into the room --------------------------------------------------------------------------------------------


async def until_sent(house: House, *, by: str = ALICE) -> str:
    """The mail is out, and the room does not hold the invite yet, since the homeserver is silent."""
    house.world.play("put_state", Later(foreign("the homeserver cannot be reached."), unreachable=True))
    return await issued(house, by=by)


async def test_until_the_room_holds_it_that_is_said_where_somebody_looks(house: House) -> None:
    await until_sent(house)

    listed = await asked(house, f"invites {GARDEN}")

    assert CARLA in listed
    assert "Not yet added to the room" in listed
    assert await states(house) == ["pending"]


async def test_an_answer_that_was_lost_does_not_put_it_there_twice(house: House) -> None:
    house.world.play("put_state", LOST, done=True)
    await issued(house)
    await house.later(60)

    assert len(house.world.asked("put_state")) == 1
    assert (await states(house), house.cards()) == (["standing"], [])


async def test_an_echo_that_was_never_heard_is_not_needed(house: House) -> None:
    house.tell(f"invite {GARDEN} {CARLA}")
    await house.hear()
    await house.work()
    unheard(house)
    await look(house)

    assert await states(house) == ["standing"]


async def test_what_was_found_standing_is_the_one_that_was_sent(house: House) -> None:
    """The answer was lost, and so was the echo: a look finds it before the next attempt does."""
    house.world.play("put_state", LOST, done=True)
    house.tell(f"invite {GARDEN} {CARLA}")
    await house.hear()
    await house.work()
    unheard(house)
    await house.set_policy("{rules: [{for: third_party_invite, when: {inviter: '*'}, then: reject}]}")

    await look(house)

    assert (await states(house), stands(house, "token1")) == (["standing"], True)


@pytest.mark.parametrize("heard", [True, False])
async def test_nobody_is_asked_whether_the_keys_of_what_was_sent_hold(house: House, heard: bool) -> None:
    await house.set_policy(STAND)
    asked_about: list[object] = []

    async def vouch(keys: object) -> Known:
        asked_about.append(keys)
        return Known(Truth.TRUE)

    house.furnish(vouch=vouch)
    house.world.play("put_state", LOST, done=True)
    house.tell(f"invite {GARDEN} {CARLA}")
    await house.hear()
    await house.work()
    if not heard:
        unheard(house)
        await house.look_everywhere()
    await house.hear()

    assert (await states(house), asked_about) == (["standing"], [])


@pytest.mark.parametrize("taken_back", [True, False])
async def test_the_next_attempt_looks_before_it_puts_it_there(house: House, taken_back: bool) -> None:
    """The answer to the first one was lost, and nothing was heard of what became of it."""
    house.world.play("put_state", LOST, done=True)
    house.tell(f"invite {GARDEN} {CARLA}")
    await house.hear()
    await house.work()
    if taken_back:
        house.world.empty(GARDEN, ALICE, "token1")
    unheard(house)
    house.clock.go_on(60)
    await house.work()

    assert len(house.world.asked("put_state")) == 1
    assert (await states(house), stands(house, "token1")) == (["pending" if taken_back else "standing"], not taken_back)
    await look(house)
    assert await states(house) == ["revoked" if taken_back else "standing"]


async def test_one_that_is_revoked_in_its_turn_never_stands(house: House) -> None:
    house.tell(f"invite {GARDEN} {CARLA}")
    await house.hear()
    await house.worker._start_due()
    for task in list(house.worker._running):
        await task
    assert house.post.mails == [CARLA]
    house.tell("revoke 1")
    await house.hear()
    await house.live()

    assert (await states(house), house.world.asked("put_state")) == (["revoked"], [])


async def test_one_that_is_revoked_before_it_stands_never_does(house: House) -> None:
    await until_sent(house)
    house.tell("revoke 1", by=MONA)
    await house.live()
    await house.later(3600)

    assert await states(house) == ["revoked"]
    assert "token1" not in house.world.rooms[GARDEN].invites


async def test_one_that_was_taken_back_at_once_is_not_put_there_again(house: House) -> None:
    house.world.play("put_state", LOST, done=True)
    await issued(house)
    house.world.empty(GARDEN, ALICE, "token1")
    await house.later(60)

    assert (await states(house), stands(house, "token1")) == (["revoked"], False)


async def test_a_missing_power_is_told_and_the_invite_waits_for_it(house: House) -> None:
    house.world.play(
        "put_state",
        meanwhile=lambda: house.world.rooms[GARDEN].levels.update(users={ALICE: 100, MONA: 50}, invite=50),
    )
    await issued(house)
    assert await states(house) == ["pending"]
    assert any("⚠️" in said for said in house.spoken())

    house.world.set_levels(GARDEN, users={ALICE: 100, MONA: 50, BOT: 50})
    await house.live()

    assert (house.post.mails, await states(house)) == ([CARLA], ["standing"])


async def test_where_the_room_never_takes_it_that_is_told(house: House) -> None:
    house.world.play("put_state", Never(foreign("the homeserver says: too large"), code="M_TOO_LARGE"))
    await issued(house)

    assert await states(house) == ["revoked"]
    assert any("too large" in said and "#1" in said for said in house.spoken())


async def test_an_invite_of_somebody_else_under_its_token_is_judged(house: House) -> None:
    """Whoever got the mail knows the token."""
    await house.set_policy(STAND)
    await until_sent(house)
    house.world.plant(GARDEN, MONA, "token1")
    await house.later(60)

    request = await invite(house)
    assert request.invite is not None
    assert (request.invite.inviter, request.issued_by, request.state) == (MONA, None, State.STANDING)
    assert request.answer is not None
    assert request.answer.by == BOT


async def test_who_comes_in_before_the_bot_knows_that_it_stands_is_in(house: House) -> None:
    house.world.play("put_state", LOST, done=True)
    house.tell(f"invite {GARDEN} {CARLA}")
    await house.hear()
    await house.work()
    unheard(house)

    await redeemed(house, token="token1")

    assert (house.membership(DAVE), await states(house)) == ("join", ["redeemed"])


# --- when the moderator falls -------------------------------------------------------------------------------------


async def test_what_a_moderator_had_issued_goes_with_them(house: House) -> None:
    await issued(house, by=MONA)
    await issued(house, "other@mail.example")

    house.world.change(GARDEN, ALICE, MONA, "ban")
    await house.live()

    assert await states(house) == ["revoked", "standing"]


async def test_what_a_moderator_had_issued_who_left_is_shown_and_a_ban_would_hit_them(house: House) -> None:
    house.world.rooms[GARDEN].levels["users"][BOT] = 60
    await issued(house, by=MONA)

    house.world.change(GARDEN, MONA, MONA, "leave")
    await house.live()

    assert await states(house) == ["pending"]
    assert f"{MONA} is banned" in house.card().text
    assert BOT not in house.card().text.replace(f"(through {BOT})", "")

    house.click("⛔")
    await house.live()

    assert (await states(house), house.membership(MONA), stands(house, "token1")) == (["revoked"], "ban", False)


async def test_the_bots_own_loss_of_power_is_no_fall_of_the_moderators(house: House) -> None:
    await issued(house)
    users = house.world.rooms[GARDEN].levels["users"]
    house.world.set_levels(GARDEN, invite=50, users={**users, BOT: 0})
    await house.live()
    house.world.set_levels(GARDEN, users={**users, BOT: 50})
    await house.live()

    assert (await states(house), stands(house, "token1")) == (["standing"], True)


async def test_what_is_on_its_way_when_its_moderator_leaves_is_shown_once_it_stands(house: House) -> None:
    await until_sent(house, by=MONA)
    house.world.change(GARDEN, MONA, MONA, "leave")
    await house.live()
    assert await states(house) == ["pending"]

    await house.later(60)
    await look(house)

    assert (await states(house), len(house.cards())) == (["pending"], 1)


# --- addresses of Matrix accounts ---------------------------------------------------------------------------------


async def test_an_address_of_an_account_is_an_ordinary_invite(house: House) -> None:
    house.post.owners[CARLA] = DAVE
    command = await issued(house)

    [reply] = replies(house, command)
    assert DAVE in reply
    assert (house.membership(DAVE), house.post.mails, await invites(house)) == ("invite", [], [])
    assert await addresses_kept(house) == []
    async with house.db.tx() as tx:
        assert len(await addressees.issued_at(tx, 0, moderator=ALICE)) == 1


async def test_somebody_who_had_been_there_is_invited_again_and_nothing_is_wrong_with_that(house: House) -> None:
    house.world.knock(GARDEN, DAVE)
    await house.live()
    house.click("✅")
    await house.live()
    house.world.change(GARDEN, DAVE, DAVE, "leave")
    await house.live()
    house.post.owners[CARLA] = DAVE

    await issued(house)

    assert house.membership(DAVE) == "invite"
    assert not any("⚠️" in said for said in house.spoken())


async def test_the_owner_of_an_address_who_knocks_is_let_in(house: House) -> None:
    house.world.knock(GARDEN, DAVE)
    await house.live()
    house.post.owners[CARLA] = DAVE

    await issued(house, by=MONA)

    request = await house.request(DAVE)
    assert (request.state, request.by) == (State.ACCEPTED, MONA)


async def test_the_owner_of_an_address_who_knocks_gets_a_vote_where_an_accept_takes_several(house: House) -> None:
    await house.set_policy("votes: {accept: 2}")
    house.world.change(MODS, ALICE, MONA, "invite")
    house.world.change(MODS, MONA, MONA, "join")
    house.world.knock(GARDEN, DAVE)
    await house.live()
    house.post.owners[CARLA] = DAVE

    [reply] = replies(house, await issued(house, by=MONA))

    assert f"belongs to {DAVE}, who has already asked to join Garden. Your vote for #1 is noted: ✅ 1 of 2." in reply
    assert (house.membership(DAVE), house.world.asked("invite"), house.post.mails) == ("knock", [], [])
    house.tell("accept 1")
    await house.live()
    assert house.membership(DAVE) == "invite"


async def test_who_has_been_answered_already_is_not_invited_past_the_votes(house: House) -> None:
    await house.set_policy("votes: {accept: 2}")
    house.world.play("kick", Later(foreign("busy"), retry_after=3600))
    house.world.knock(GARDEN, DAVE)
    await house.live()
    house.tell("reject 1")
    await house.live()
    house.post.owners[CARLA] = DAVE

    [reply] = replies(house, await issued(house, by=MONA))

    assert "Please answer that request." in reply
    assert house.world.asked("invite") == []


@pytest.mark.parametrize(("membership", "told"), [("join", "already"), ("invite", "already"), ("ban", "banned")])
async def test_the_owner_of_an_address_who_is_there_or_banned_is_left_where_they_are(
    house: House, membership: str, told: str
) -> None:
    if membership == "join":
        move_in(house, DAVE, 0)
    else:
        house.world.change(GARDEN, ALICE, DAVE, membership)
        unheard(house)
    house.post.owners[CARLA] = DAVE

    command = await issued(house)

    [reply] = replies(house, command)
    assert told in reply
    assert (house.membership(DAVE), house.world.asked("invite")) == (membership, [])


@pytest.mark.parametrize("done", [True, False])
async def test_an_ordinary_invite_is_durable(house: House, done: bool) -> None:
    house.post.owners[CARLA] = DAVE
    house.world.play("invite", LOST, done=done)
    await issued(house)
    await house.later(60)

    assert house.membership(DAVE) == "invite"


async def test_an_ordinary_invite_that_fails_is_told(house: House) -> None:
    house.post.owners[CARLA] = DAVE
    house.world.play("invite", Never(foreign("they refuse invites."), code="M_INVITE_BLOCKED"))
    await issued(house)

    assert any(DAVE in said and "they refuse invites" in said for said in house.spoken())


async def test_somebody_who_is_banned_in_the_same_moment_is_not_invited(house: House) -> None:
    house.post.owners[CARLA] = DAVE
    house.tell(f"invite {GARDEN} {CARLA}")
    await house.hear()
    await house.worker._start_due()
    for task in list(house.worker._running):
        await task
    house.world.change(GARDEN, ALICE, DAVE, "ban")
    await house.live()

    assert house.membership(DAVE) == "ban"
    assert any(DAVE in said and "could not invite" in said for said in house.spoken())


# --- budgets ------------------------------------------------------------------------------------------------------


async def test_a_moderator_may_have_so_many_sent_in_a_day(ready_url: str) -> None:
    async with housed(ready_url, **SETTINGS, issuing={"per_moderator": 2}) as house:
        move_in(house)
        await issued(house, "a@mail.example")
        await house.later(60)
        await issued(house, "b@mail.example")

        reply = await asked(house, f"invite {GARDEN} c@mail.example")

        assert "2 invites" in reply
        assert "from 22 Sept 2026, 14:14 UTC" in reply, "a day after the first one, which was 20 seconds past 14:13"
        assert len(house.post.mails) == 2

        await issued(house, "c@mail.example", by=MONA)
        await house.later(DAY / 1000 - 61)
        assert "from" in await asked(house, f"invite {GARDEN} d@mail.example")
        await house.later(1)
        await issued(house, "d@mail.example")
        assert len(house.post.mails) == 4


async def test_a_room_takes_so_many_in_a_day_whoever_asks(ready_url: str) -> None:
    async with housed(ready_url, **SETTINGS, issuing={"per_room": 2}) as house:
        move_in(house)
        await issued(house, "a@mail.example")
        await issued(house, "b@mail.example", by=MONA)

        reply = await asked(house, f"invite {GARDEN} c@mail.example")

        assert "2 invites to addresses were sent for Garden" in reply
        assert len(house.post.mails) == 2


# --- addresses are forgotten --------------------------------------------------------------------------------------


async def test_an_address_is_in_one_place_and_gone_some_time_after_its_invite_has_ceased_to_stand(
    house: House,
) -> None:
    await issued(house, f"{CARLA} Carla")
    await asked(house, f"invites {GARDEN}")
    await asked(house, "show 1")
    assert await addresses_kept(house) == ["addresses"]
    keep = house.settings.issuing.keep_addresses

    async def forget() -> list[str]:
        await house.ring()
        return await addresses_kept(house)

    await house.later(2 * keep / 1000)
    assert await forget() == ["addresses"]
    house.tell("revoke 1")
    await house.live()
    await house.later(keep / 1000 - 60)
    assert await forget() == ["addresses"]
    await house.later(3600)
    assert await forget() == []
    assert CARLA not in await asked(house, "show 1")


async def test_an_address_never_stands_in_the_log(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "knockbot")
    house.world.play("put_state", Never(foreign("no"), code="M_UNKNOWN"))
    await issued(house, f"{CARLA} Carla")
    house.world.play("store_invite", LOST)
    await issued(house, f"{CARLA} Carla")
    house.post.owners[CARLA] = DAVE
    await issued(house, f"{CARLA} Carla")

    assert caplog.records
    assert "carla" not in caplog.text.lower()
    assert "c…@m…" in caplog.text
