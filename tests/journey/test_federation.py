"""Applicants of other servers, on two real homeservers: what becomes of their knocks, and what they see of it."""

from __future__ import annotations

import re

import pytest

from knockbot.demo.people import Json, MatrixRefused, Person, until
from knockbot.domain.notices import UNKNOWN
from knockbot.domain.reasons import in_words
from knockbot.store import jobs
from tests.federation import View, knock_from, sees, time_passes, view, waits_for
from tests.journey.test_letters import told_to_moderators
from tests.journey.test_questions import edit_of as correction
from tests.keeper import Garden, InProcess, block, edit_of, html, words
from tests.sydent import FederatingHomeserver, FederatingLab

VERSIONS = ["11", "12"]


@pytest.fixture(params=VERSIONS)
async def far_garden(request: pytest.FixtureRequest, federating_keeper: InProcess) -> Garden:
    """A shared garden, one for each version of room, in which nobody of another server is. Keep it so."""
    return await federating_keeper.garden(room_version=request.param)


@pytest.fixture(params=VERSIONS)
async def mixed_garden(
    request: pytest.FixtureRequest, federating_keeper: InProcess, other_homeserver: FederatingHomeserver
) -> Garden:
    """The same, but somebody of the other server is in the room, so that it is told of all that happens there."""
    garden = await federating_keeper.garden(room_version=request.param, name="Mixed")
    members = await garden.alice.call("GET", "rooms", garden.room, "joined_members")
    if not any(user_id.endswith(other_homeserver.name) for user_id in members["joined"]):
        await let_in(garden, await knock_from(garden, other_homeserver, name="member"))
    return garden


async def let_in(garden: Garden, who: Person) -> None:
    """Somebody who knocked is accepted, and joins."""
    await garden.command(f"accept {await number_of(garden, who)}")
    await garden.shown(who, "accepted")  # their server has the invite a moment before ours keeps it
    await who.join(garden.room)
    await garden.shown(who, "joined")


async def a_later_word(garden: Garden, server: FederatingHomeserver) -> None:
    """Something that happened later has reached the other server."""
    bea = await knock_from(garden, server, name="bea")
    await garden.command(f"accept {block(await garden.card(bea))['number']}")
    await sees(bea, garden.room, "invite")


async def number_of(garden: Garden, who: Person) -> int:
    number: int = block(await garden.card(who))["number"]
    return number


# --- one knock ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_applicant_of_another_server_is_let_in(
    federating_keeper: InProcess, other_homeserver: FederatingHomeserver, version: str
) -> None:
    far_garden = await federating_keeper.plant(room_version=version)
    ana = await knock_from(far_garden, other_homeserver, "I bring seeds")
    card = await far_garden.card(ana)
    assert "I bring seeds" in html(card)
    assert await view(ana, far_garden.room) == View("knock", ana.user_id, "I bring seeds")

    await far_garden.alice.react(far_garden.mods, card["event_id"], "✅")

    await sees(ana, far_garden.room, View("invite", far_garden.keeper.user_id))
    await far_garden.shown(ana, "accepted")  # their server has the invite a moment before ours keeps it
    await ana.join(far_garden.room)
    await sees(ana, far_garden.room, "join")
    await far_garden.shown(ana, "joined", by=far_garden.alice.user_id)


async def test_an_applicant_of_another_server_does_not_see_that_they_were_rejected_and_may_knock_again(
    far_garden: Garden, other_homeserver: FederatingHomeserver
) -> None:
    ana = await knock_from(far_garden, other_homeserver)
    number = await number_of(far_garden, ana)

    await far_garden.command(f"reject {number} No room left.")

    await far_garden.shown(ana, "rejected")
    assert (await far_garden.membership(ana, "leave"))["reason"] == "No room left."
    await a_later_word(far_garden, other_homeserver)
    assert (await view(ana, far_garden.room)).section == "knock"

    await ana.knock(far_garden.room, "once more", via=[far_garden.keeper.homeserver.name])
    again = await far_garden.heard(lambda event: block(event).get("number", 0) > number and _about(event, ana))
    assert block(again)["state"] == "pending"


async def test_an_applicant_of_another_server_sees_a_ban_only_when_they_knock_again(
    far_garden: Garden, other_homeserver: FederatingHomeserver
) -> None:
    ana = await knock_from(far_garden, other_homeserver)

    await far_garden.command(f"ban {await number_of(far_garden, ana)} Enough.")

    await far_garden.shown(ana, "banned")
    await a_later_word(far_garden, other_homeserver)
    assert (await view(ana, far_garden.room)).section == "knock"
    with pytest.raises(MatrixRefused) as refused:
        await ana.knock(far_garden.room, via=[far_garden.keeper.homeserver.name])
    assert refused.value.status == 403


async def test_who_took_a_knock_back_elsewhere_is_invited_all_the_same(
    far_garden: Garden, other_homeserver: FederatingHomeserver
) -> None:
    ana = await knock_from(far_garden, other_homeserver)
    number = await number_of(far_garden, ana)

    await ana.retract(far_garden.room)

    assert (await view(ana, far_garden.room)).section in {"leave", "nowhere"}
    await a_later_word(far_garden, other_homeserver)
    assert await far_garden.alice.membership(far_garden.room, ana.user_id) == "knock"
    await far_garden.command(f"accept {number}")
    await sees(ana, far_garden.room, "invite")
    await far_garden.shown(ana, "accepted")
    await ana.leave(far_garden.room)
    await far_garden.shown(ana, "declined")


async def test_knocking_again_from_another_server_is_the_same_request(
    far_garden: Garden, other_homeserver: FederatingHomeserver
) -> None:
    ana = await knock_from(far_garden, other_homeserver, "hello")
    card = await far_garden.card(ana)
    via = [far_garden.keeper.homeserver.name]

    await ana.knock(far_garden.room, "hello", via=via)
    await ana.knock(far_garden.room, "it is me, ana", via=via)

    edited = await far_garden.heard(lambda event: "it is me, ana" in html(event) and _about(event, ana))
    assert edit_of(edited) == card["event_id"]
    assert block(edited)["number"] == block(card)["number"]
    await far_garden.caught_up()
    assert {block(event)["number"] for event in await far_garden.said_about(ana)} == {block(card)["number"]}


# --- one knock, where somebody of their server is inside ----------------------------------------------------------


async def test_whose_server_is_in_the_room_sees_a_rejection_and_a_ban(
    mixed_garden: Garden, other_homeserver: FederatingHomeserver
) -> None:
    ana, bea = [await knock_from(mixed_garden, other_homeserver, name=name) for name in ("ana", "bea")]

    await mixed_garden.command(f"reject {await number_of(mixed_garden, ana)} Not today.")
    await mixed_garden.command(f"ban {await number_of(mixed_garden, bea)} Enough.")

    bot = mixed_garden.keeper.user_id
    await sees(ana, mixed_garden.room, View("leave", bot, "Not today."))
    await sees(bea, mixed_garden.room, View("leave", bot, "Enough."))


async def test_whose_server_is_in_the_room_can_take_a_knock_back(
    mixed_garden: Garden, other_homeserver: FederatingHomeserver
) -> None:
    ana = await knock_from(mixed_garden, other_homeserver)
    card = await mixed_garden.card(ana)

    await ana.retract(mixed_garden.room)

    edited = await mixed_garden.shown(ana, "withdrawn")
    assert edit_of(edited) == card["event_id"]


# --- the bot is elsewhere -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_room_of_another_server_is_kept_although_nobody_knocks_by_way_of_ours(
    federating_keeper: InProcess, other_homeserver: FederatingHomeserver, version: str
) -> None:
    """The room, its moderators and the applicants are of the other server; only the bot is of ours."""
    bert = await other_homeserver.person("bert")
    mods = await bert.create_room(invite=[federating_keeper.user_id])
    garden = await federating_keeper.plant(alice=bert, mods=mods, room_version=version)
    people = {name: await other_homeserver.person(name) for name in ("ana", "bea")}
    for person in people.values():
        await person.knock(garden.room, f"from {person.user_id}")
    card = await garden.card(people["ana"])

    await bert.react(garden.mods, card["event_id"], "✅")
    await garden.command(f"reject {await number_of(garden, people['bea'])} Not today.")

    await sees(people["ana"], garden.room, View("invite", federating_keeper.user_id))
    await sees(people["bea"], garden.room, View("leave", federating_keeper.user_id, "Not today."))
    await garden.shown(people["ana"], "accepted", by=bert.user_id)
    await garden.shown(people["bea"], "rejected", by=bert.user_id)


# --- a server that is dead ----------------------------------------------------------------------------------------


async def test_an_accept_waits_for_a_server_that_is_down_and_nobody_else_waits_with_it(
    federating_keeper: InProcess, mortal_homeserver: FederatingHomeserver, other_homeserver: FederatingHomeserver
) -> None:
    garden = await federating_keeper.plant()
    far = [await knock_from(garden, mortal_homeserver, name=name) for name in ("far", "farther")]
    numbers = [await number_of(garden, who) for who in far]
    mortal_homeserver.kill()

    await garden.command(f"accept {numbers[0]}, {numbers[1]}")

    waiting = await waits_for(federating_keeper, garden, far[0])
    assert "Can't connect" in in_words(waiting.why or UNKNOWN)
    near, elsewhere = await garden.knocker("near"), await knock_from(garden, other_homeserver, name="elsewhere")
    for who in (near, elsewhere):
        await garden.command(f"accept {await number_of(garden, who)}")
        await garden.shown(who, "accepted")
    assert await garden.alice.membership(garden.room, far[0].user_id) == "knock"

    await mortal_homeserver.start()
    await time_passes(federating_keeper)

    for who in far:
        await garden.shown(who, "accepted", by=garden.alice.user_id)
        assert (await sees(who, garden.room, "invite")).sender == federating_keeper.user_id
        assert await garden.acts_on(who) == ["invite"]


async def test_an_accept_that_waits_for_a_server_falls_with_whoever_gave_it(
    federating_keeper: InProcess, mortal_homeserver: FederatingHomeserver
) -> None:
    garden = await federating_keeper.plant()
    bob = await garden.moderator("bob")
    far = [await knock_from(garden, mortal_homeserver, name=name) for name in ("far", "farther")]
    numbers = [await number_of(garden, who) for who in far]
    mortal_homeserver.kill()
    await garden.command(f"accept {numbers[0]}, {numbers[1]}", by=bob)
    await waits_for(federating_keeper, garden, far[0])

    await garden.command(f"reject {numbers[1]}")  # which overrides an accept that is not carried out yet
    await garden.shown(far[1], "rejected", by=garden.alice.user_id)
    await garden.alice.ban(garden.room, bob.user_id)
    await mortal_homeserver.start()
    await time_passes(federating_keeper)

    await garden.heard(lambda event: "is open again" in words(event) and bob.user_id in words(event), "why")
    assert await garden.alice.membership(garden.room, far[0].user_id) == "knock"
    assert [await garden.acts_on(who) for who in far] == [[], ["leave"]]


async def test_a_server_that_takes_what_it_is_asked_and_says_nothing_keeps_nobody_waiting_but_its_own(
    federating_lab: FederatingLab, mortal_homeserver: FederatingHomeserver, sqlite_url: str
) -> None:
    """By default Synapse waits for minutes, in which it lets nobody in or out of the room; here for seconds."""
    impatient = {"federation": {"client_timeout": "5s", "max_short_retries": 0}}
    async with federating_lab.own_homeserver(extra=impatient) as homeserver:
        keeper = InProcess(homeserver.take_slot(), sqlite_url, permissions={"*": "user"})
        async with keeper.running():
            garden = await keeper.plant()
            far = await knock_from(garden, mortal_homeserver, name="far")
            number = await number_of(garden, far)
            mortal_homeserver.freeze()

            await garden.command(f"accept {number}")

            await waits_for(keeper, garden, far)
            near = await garden.knocker("near")
            await garden.command(f"accept {await number_of(garden, near)}")
            await garden.shown(near, "accepted")
            assert await garden.alice.membership(garden.room, far.user_id) == "knock"

            mortal_homeserver.thaw()
            await time_passes(keeper)

            await garden.shown(far, "accepted", by=garden.alice.user_id)
            assert (await sees(far, garden.room, "invite")).sender == keeper.user_id
            assert await garden.acts_on(far) == ["invite"]


def _about(event: dict[str, object], who: Person) -> bool:
    return block(event).get("user_id") == who.user_id


# --- a server that is denied --------------------------------------------------------------------------------------


async def test_the_standing_knock_of_a_server_that_the_room_denies_is_closed(
    federating_keeper: InProcess, other_homeserver: FederatingHomeserver
) -> None:
    """Both servers are of one host here, and the ACL denies it: nobody asks that of what is their own."""
    garden = await federating_keeper.plant()
    ana = await knock_from(garden, other_homeserver)
    number = await number_of(garden, ana)

    await garden.alice.put_state(garden.room, "m.room.server_acl", {"allow": ["*"], "deny": ["LOCALHOST"]})

    await garden.shown(ana, "rejected", rule="server_acl", by=federating_keeper.user_id)
    await garden.membership(ana, "leave")
    await garden.command(f"accept {number}", expect="already closed")
    with pytest.raises(MatrixRefused):
        await ana.knock(garden.room, via=[federating_keeper.homeserver.name])
    assert await garden.acts_on(ana) == ["leave"]


# --- rejections that are told -------------------------------------------------------------------------------------


async def test_a_message_hands_a_rejection_to_another_server(
    federating_keeper: InProcess, other_homeserver: FederatingHomeserver
) -> None:
    garden = await federating_keeper.garden("notify_remote: message", name="Writing")
    ana = await knock_from(garden, other_homeserver)

    await garden.command(f"reject {await number_of(garden, ana)} No room left.")

    await garden.shown(ana, "rejected")
    letter = await until(
        lambda: letters(garden, ana),
        lambda seen: bool(seen[0]) and not seen[1],
        lambda seen: f"{ana} got no message: {seen}",
    )
    await joins(ana, letter[0][0])
    said = await ana.wait_for(letter[0][0], lambda event: event["type"] == "m.room.message")
    assert "Writing" in words(said)
    assert "No room left." in words(said)
    assert (await view(ana, garden.room)).section == "knock"


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_applicant_of_another_server_asks_withdraws_appeals_and_is_let_in(
    federating_keeper: InProcess, other_homeserver: FederatingHomeserver, version: str
) -> None:
    """They could not take the knock back themselves, and no homeserver tells them of the rejection."""
    policy = "letters: {received: true, accepted: true, rejected: true}"
    garden = await federating_keeper.garden(policy, name="Reading", room_version=version)
    ana = await knock_from(garden, other_homeserver)
    # Not before all is said: what is said while they join reaches another server only with the next event.
    letter = await until(
        lambda: letters(garden, ana),
        lambda seen: bool(seen[0]) and not seen[1],
        lambda seen: f"{ana} got no letter: {seen}",
    )
    talk = letter[0][0]
    await joins(ana, talk)
    await reads(ana, talk, "was received")
    await ana.say(talk, "status")
    await reads(ana, talk, "1. Reading", "waits for an answer")

    await ana.say(talk, "withdraw")

    await reads(ana, talk, "I withdraw your request to join")
    number = block(await garden.shown(ana, "withdrawn", by=ana.user_id))["number"]
    await garden.membership(ana, "leave")

    await ana.knock(garden.room, "after all", via=[garden.keeper.homeserver.name])
    again = await garden.heard(lambda event: block(event).get("number", 0) > number and _about(event, ana))
    await garden.command(f"reject {block(again)['number']} No room left.")
    await reads(ana, talk, "was rejected", "No room left.")
    await ana.say(talk, "appeal I need one bed only.")
    await reads(ana, talk, "have your text now.")
    await told_to_moderators(garden, ana, "I need one bed only.")

    await garden.command(f"undo {block(again)['number']}")
    await reads(ana, talk, "You are accepted.")
    await sees(ana, garden.room, "invite")


DEPTH = """
letters: {accepted: true, rejected: true}
cooldown: 7d
questions:
- ask: Do you accept our rules?
  choices: {yes: "Yes, I do", no: "No"}
rules:
- {name: choir, when: {code: true}, then: accept}
- {name: friends, when: {vouched: true}, then: accept}
- {name: no rules, when: {answer: {question: 1, is: no}}, then: forward}
- {name: complete, when: {answered: true}, then: forward}
- {name: ask them, then: ask}
"""


@pytest.mark.parametrize("version", VERSIONS)
async def test_applicants_of_another_server_answer_bring_codes_vouch_and_wait(
    federating_keeper: InProcess, other_homeserver: FederatingHomeserver, version: str
) -> None:
    garden = await federating_keeper.garden(DEPTH, name=f"Depth {version}", room_version=version)
    ana = await knock_from(garden, other_homeserver)
    at_ana = await talk_with(garden, ana)
    await reads(ana, at_ana, "Do you accept our rules?")
    answer = await ana.say(at_ana, "No")
    card = await garden.heard(lambda event: "Do you accept our rules? No" in words(event) and _about(event, ana))
    await garden.offered(card["event_id"])
    await ana.say(at_ana, "* Yes, I do", content=correction(answer, "Yes, I do"))
    await garden.heard(lambda event: "Do you accept our rules? Yes, I do" in words(event) and _about(event, ana))

    said = await garden.command(f"code new {garden.room} uses:1")
    [code] = re.findall(r"\b(?:[0-9a-z]{4}-){3}[0-9a-z]{4}\b", said)
    ben = await knock_from(garden, other_homeserver, f"My code: {code}", "ben")
    at_ben = await talk_with(garden, ben)
    await reads(ben, at_ben, "You are accepted.")
    await joins(ben, garden.room)
    await garden.membership(ben, "join")
    await ben.say(at_ben, f"vouch {ana.user_id} {garden.room} We sing together.")
    await reads(ben, at_ben, "You vouch for", ana.user_id)
    await garden.membership(ana, "invite")
    await reads(ana, at_ana, "You are accepted.")
    assert block(card)["number"] == block(await garden.shown(ana, "accepted"))["number"]

    cem = await knock_from(garden, other_homeserver, "please", "cem")
    at_cem = await talk_with(garden, cem)
    number = block(await garden.shown(cem, "pending"))["number"]
    await garden.tell(f"reject {number} Not now.")
    await reads(cem, at_cem, "was rejected", "Not now.")
    await cem.knock(garden.room, "now?", via=[garden.keeper.homeserver.name])
    await reads(cem, at_cem, "was rejected", "You can ask again from")


async def talk_with(garden: Garden, who: Person) -> str:
    """Their conversation with the bot, which they join once all is said: what is said while they join reaches another
    server only with the next event."""

    async def look() -> list[str]:
        rooms, left = await letters(garden, who)
        return [room for room in rooms if room != garden.room] if not left else []

    [room] = await until(look, bool, lambda _: f"{who} has no conversation")
    await joins(who, room)
    return room


async def joins(person: Person, room: str) -> None:
    """They take the invite as soon as they can: their server has it a moment before ours keeps it."""

    async def join() -> bool:
        try:
            await person.join(room)
        except MatrixRefused:
            return False
        return True

    await until(join, bool, lambda _: f"{person} was not let into {room}")


async def reads(person: Person, room: str, *said: str) -> None:
    """They read a message that says all of this; what was said before they joined is fetched from the bot's server."""

    def wanted(event: Json) -> bool:
        return event["type"] == "m.room.message" and all(one in words(event) for one in said)

    await person.wait_for(room, wanted, what=" … ".join(said))


async def letters(garden: Garden, who: Person) -> tuple[list[str], list[jobs.Open]]:
    """The rooms that they are invited to, and what the bot has yet to do about them."""
    keeper = garden.keeper
    assert isinstance(keeper, InProcess)
    rooms = list((await who.sync()).get("rooms", {}).get("invite", {}))
    async with keeper.context.db.tx() as tx:
        left = [
            act
            for act in await jobs.open_for(tx, [garden.room, *rooms])
            if act.user_id == who.user_id or act.room_id in rooms
        ]
    return rooms, left
