"""Rules about rooms that the bot is not in, beside a Synapse that tells of them (MSC4502) and one that does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from knockbot.app import new_session
from knockbot.check import check
from knockbot.config.registration import MEMBERSHIP_LINES
from knockbot.config.settings import read_settings
from knockbot.demo.people import Person
from knockbot.documents.yaml import read_document
from knockbot.matrix.homeserver import Homeserver
from tests.keeper import Garden, InProcess, config, words
from tests.lab import Lab, LabHomeserver
from tests.sydent import FederatingHomeserver, FederatingLab

pytestmark = pytest.mark.long

LINES: Any = read_document(MEMBERSHIP_LINES).value
TELLING = {"extra": {"experimental_features": {"msc4502_enabled": True}}, "lines": LINES}


async def faraway(garden: Garden, *others: Any, version: str | None = None) -> str:
    """A private room of alice and others, which the bot never entered."""
    how: dict[str, Any] = {"room_version": version} if version else {}
    made = await garden.alice.create_room("Faraway", **how)
    for other in others:
        await garden.bring(other, made)
    return made


async def checked(homeserver: LabHomeserver, directory: Path, **more: Any) -> str:
    """What the check says of a config beside this homeserver."""
    slot = homeserver.take_slot()
    written = config(slot, f"sqlite:{directory}/checked.db", slot.port, {})
    written["appservice"].update(more)
    said: list[str] = []
    assert await check(read_settings(written), said.append)
    return "\n".join(said)


@pytest.mark.parametrize("version", ["11", "12"])
async def test_members_of_a_room_that_the_bot_is_not_in_come_in(
    lab: Lab, sqlite_url: str, tmp_path: Path, version: str
) -> None:
    async with lab.own_homeserver(**TELLING) as homeserver:
        keeper = InProcess(homeserver.take_slot(), sqlite_url)
        async with keeper.running():
            garden = await keeper.plant()
            ana, ben = await garden.person("ana"), await garden.person("ben")
            room = await faraway(garden, ana, version=version)
            await garden.set_policy(f"rules: [{{name: ours, when: {{member_of: '{room}'}}, then: accept}}]")
            for person in (ana, ben):
                await person.knock(garden.room)

            await garden.membership(ana, "invite")
            await garden.shown(ben, "pending")
            assert "user is not in" in await garden.command(f"test {garden.room} {ben.user_id}")

            await ana.leave(room)
            assert "user is not in" in await garden.command(f"test {garden.room} {ana.user_id}")
        said = await checked(homeserver, tmp_path, membership_queries=True)
        assert "✅ membership: the homeserver tells who is in rooms that the bot is not in" in said


async def test_who_is_not_in_it_can_name_it_in_no_policy_and_a_room_elsewhere_is_not_told_of(
    lab: Lab, sqlite_url: str
) -> None:
    async with lab.own_homeserver(**TELLING) as homeserver:
        keeper = InProcess(homeserver.take_slot(), sqlite_url)
        async with keeper.running():
            garden = await keeper.plant()
            mona = await garden.moderator(level=100)
            room = await faraway(garden)
            policy = f"policy set {garden.room}\nrules: [{{when: {{member_of: '{room}'}}, then: accept}}]"
            await garden.command(policy, by=mona, expect="Only rooms that you and")

            async with new_session() as session:
                asking = Homeserver(session, homeserver.url, keeper.slot.registration["as_token"], keeper.user_id)
                assert await asking.is_joined(room, mxid=garden.alice.user_id)
                assert await asking.is_joined(room, server_name=keeper.user_id.partition(":")[2])
                assert not await asking.is_joined("!never:elsewhere.test", server_name=keeper.user_id.partition(":")[2])


@pytest.mark.parametrize("version", ["11", "12"])
async def test_members_of_another_server_come_in_as_long_as_our_homeserver_is_in_the_room(
    federating_lab: FederatingLab, other_homeserver: FederatingHomeserver, sqlite_url: str, version: str
) -> None:
    async with federating_lab.own_homeserver(**TELLING) as homeserver:
        keeper = InProcess(homeserver.take_slot(), sqlite_url, permissions={"*": "user"})
        async with keeper.running():
            garden = await keeper.plant()
            ana, ben, bert = [await other_homeserver.person(name) for name in ("ana", "ben", "bert")]
            room = await faraway(garden, ana, version=version)
            theirs = await bert.create_room("Theirs", invite=[garden.alice.user_id, ana.user_id], room_version=version)
            await ana.join(theirs)
            await garden.alice.join(theirs)
            rules = [
                f"{{name: {name}, when: {{member_of: '{one}'}}, then: accept}}"
                for name, one in (("ours", room), ("theirs", theirs))
            ]
            await garden.set_policy(f"rules: [{', '.join(rules)}]")

            async def knocks(who: Person) -> None:
                await who.knock(garden.room, via=[homeserver.name])

            for person in (ana, ben, bert):
                await knocks(person)
            await garden.shown(ana, "accepted", rule="ours")
            await garden.shown(bert, "accepted", rule="theirs")
            assert "user is not in" in await answer_of_test(garden, ben)

            async with new_session() as session:
                asking = Homeserver(session, homeserver.url, keeper.slot.registration["as_token"], keeper.user_id)
                for one, who, inside in ((room, ana, True), (theirs, ana, True), (theirs, ben, False)):
                    assert await asking.is_joined(one, mxid=who.user_id) is inside

                # Once nobody of our server is in the room, it is not told what becomes of its members.
                await garden.alice.leave(theirs)
                assert not await asking.is_joined(theirs, server_name=homeserver.name)
                assert not await asking.is_joined(theirs, mxid=ana.user_id), "untrue: hence our server is asked about"
            assert "rule “theirs” cannot be checked" in await answer_of_test(garden, bert)
            cleo = await other_homeserver.person("cleo")
            await bert.invite(theirs, cleo.user_id)
            await cleo.join(theirs)
            await knocks(cleo)
            card = await garden.card(cleo)
            assert "cannot be checked" in words(card)


async def answer_of_test(garden: Garden, who: Person) -> str:
    """What `test` says of somebody."""
    return await garden.command(f"test {garden.room} {who.user_id}")


async def test_beside_a_homeserver_that_does_not_tell_it_is_as_ever(lab: Lab, sqlite_url: str, tmp_path: Path) -> None:
    async with lab.own_homeserver(lines=LINES) as homeserver:
        keeper = InProcess(homeserver.take_slot(), sqlite_url)
        async with keeper.running():
            garden = await keeper.plant()
            room = await faraway(garden)
            policy = f"policy set {garden.room}\nrules: [{{when: {{member_of: '{room}'}}, then: accept}}]"
            await garden.command(policy, expect="Only rooms that you and")
        said = await checked(homeserver, tmp_path, membership_queries=True)
        assert "⚠️ membership: the homeserver does not tell" in said
        assert "msc4502_enabled: true" in said


async def test_a_registration_without_the_line_has_no_such_right(lab: Lab, tmp_path: Path) -> None:
    async with lab.own_homeserver(extra=TELLING["extra"]) as homeserver:
        said = await checked(homeserver, tmp_path)
        assert "✅ membership: rules can ask who is in the rooms that the bot is in, and in no others" in said
