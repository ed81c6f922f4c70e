"""Undo at a real door: each kind of answer is taken back by the homeserver, as its applicant sees it."""

from __future__ import annotations

import pytest

from knockbot.demo.people import Json, Person
from tests.federation import hears, knock_from, sees
from tests.keeper import Garden, InProcess, block, words
from tests.planting import gone, planted, told
from tests.sydent import FederatingHomeserver

VERSIONS = ["11", "12"]


async def number_of(garden: Garden, who: Person) -> int:
    number: int = block(await garden.card(who))["number"]
    return number


async def answered(garden: Garden, verdict: str, state: str) -> tuple[Person, int]:
    """Somebody knocked and got this answer; and the number of the request."""
    ana = await garden.knocker()
    number = await number_of(garden, ana)
    await garden.command(f"{verdict} {number}")
    await garden.shown(ana, state)
    return ana, number


async def question(garden: Garden, who: Person) -> Json:
    """The question whether to remove somebody."""
    return await garden.heard(
        lambda event: event["content"].get("org.knockbot.prompt", {}).get("user_id") == who.user_id, what="the question"
    )


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_invite_is_withdrawn_and_says_why(keeper: InProcess, version: str) -> None:
    garden = await keeper.plant(room_version=version)
    ana, number = await answered(garden, "accept", "accepted")

    said = await garden.command(f"undo {number}")

    assert f"I withdraw the invite of {ana.user_id}" in said
    left = await garden.membership(ana, "leave")
    assert left["reason"] == "taken back by the moderators"
    card = await garden.shown(ana, "rejected", by=garden.alice.user_id)
    assert "the invite was withdrawn" in words(card)
    assert sorted(await garden.acts_on(ana)) == ["invite", "leave"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_somebody_who_was_rejected_is_invited_and_joins(keeper: InProcess, version: str) -> None:
    garden = await keeper.plant(room_version=version)
    ana, _ = await answered(garden, "reject", "rejected")

    said = await garden.command("undo")

    assert f"I invite {ana.user_id}" in said
    await garden.membership(ana, "invite")
    await garden.shown(ana, "accepted", by=garden.alice.user_id)
    await ana.join(garden.room)
    await garden.shown(ana, "joined", by=garden.alice.user_id)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_ban_is_lifted_and_they_may_knock_again(keeper: InProcess, version: str) -> None:
    garden = await keeper.plant(room_version=version)
    ana, number = await answered(garden, "ban", "banned")

    said = await garden.command(f"undo {number}")

    assert f"I lift the ban of {ana.user_id}" in said
    await garden.membership(ana, "leave")
    await garden.shown(ana, "rejected", by=garden.alice.user_id)
    await ana.knock(garden.room, "sorry")
    await garden.shown(ana, "pending")
    assert "already undone" in await garden.command(f"undo {number}")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_member_is_removed_only_after_a_yes_of_whoever_asked(keeper: InProcess, version: str) -> None:
    garden = await keeper.plant(room_version=version)
    mona = await garden.moderator()
    ana, number = await answered(garden, "accept", "accepted")
    await ana.join(garden.room)
    await garden.shown(ana, "joined")

    await garden.tell(f"undo {number}")
    asked = await question(garden, ana)
    await garden.offered(asked["event_id"], "✅❌")
    await mona.react(garden.mods, asked["event_id"], "✅")
    await garden.heard(lambda event: f"Only {garden.alice.user_id} can answer" in words(event), what="the refusal")
    await garden.caught_up()
    assert await garden.alice.membership(garden.room, ana.user_id) == "join"

    await garden.alice.react(garden.mods, asked["event_id"], "✅")
    await garden.membership(ana, "leave")
    await garden.shown(ana, "rejected", by=garden.alice.user_id)


async def test_the_approval_of_a_third_party_invite_is_undone_by_revoking_it(keeper: InProcess) -> None:
    garden = await keeper.plant()
    invite = await planted(garden)
    card = await told(garden, invite, "pending")
    await garden.command(f"accept {block(card)['number']}")
    await told(garden, invite, "standing")

    said = await garden.command(f"undo {block(card)['number']}")

    assert "I revoke the invite" in said
    await gone(garden, invite)
    assert "the invite was revoked" in words(await told(garden, invite, "revoked"))


# --- applicants of another server ---------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
async def test_an_applicant_of_another_server_sees_what_is_undone(
    federating_keeper: InProcess, other_homeserver: FederatingHomeserver, version: str
) -> None:
    garden = await federating_keeper.plant(room_version=version)
    ana = await knock_from(garden, other_homeserver)
    number = await number_of(garden, ana)
    await garden.command(f"accept {number}")
    await garden.shown(ana, "accepted")
    await sees(ana, garden.room, "invite")
    since = (await ana.sync())["next_batch"]

    await garden.command(f"undo {number}")

    await garden.shown(ana, "rejected", by=garden.alice.user_id)
    await hears(ana, garden.room, since, "taken back by the moderators")


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
async def test_an_applicant_of_another_server_who_was_rejected_is_invited_and_joins(
    federating_keeper: InProcess, other_homeserver: FederatingHomeserver, version: str
) -> None:
    garden = await federating_keeper.plant(room_version=version)
    ana = await knock_from(garden, other_homeserver)
    number = await number_of(garden, ana)
    await garden.command(f"reject {number}")
    await garden.shown(ana, "rejected")

    await garden.command(f"undo {number}")

    await sees(ana, garden.room, "invite")
    await garden.shown(ana, "accepted", by=garden.alice.user_id)
    await ana.join(garden.room)
    await garden.shown(ana, "joined", by=garden.alice.user_id)


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
async def test_an_applicant_of_another_server_may_knock_again_once_the_ban_is_lifted(
    federating_keeper: InProcess, other_homeserver: FederatingHomeserver, version: str
) -> None:
    garden = await federating_keeper.plant(room_version=version)
    ana = await knock_from(garden, other_homeserver)
    number = await number_of(garden, ana)
    await garden.command(f"ban {number}")
    await garden.shown(ana, "banned")

    await garden.command(f"undo {number}")
    await garden.shown(ana, "rejected", by=garden.alice.user_id)
    await ana.knock(garden.room, "sorry", via=[federating_keeper.homeserver.name])

    await garden.shown(ana, "pending")
