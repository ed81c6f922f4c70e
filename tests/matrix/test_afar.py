"""Who is in rooms that the bot is not in: what the homeserver tells, and what it does not."""

from __future__ import annotations

import pytest

from knockbot.errors import Later
from knockbot.matrix.afar import Afar
from knockbot.matrix.homeserver import Homeserver
from tests.matrix.edge import ANA, BOT, GARDEN
from tests.matrix.fake_homeserver import Asked, FakeHomeserver, Reply

HOME = BOT.partition(":")[2]
ASKED = "rooms/*/is_joined"

YES, NO = Reply(body={"joined": True}), Reply(body={"joined": False})


def told(fake: FakeHomeserver, *, here: Reply = YES, them: Reply = YES, trial: Reply = NO) -> None:
    """Let the homeserver answer about itself, about a user, and in the trial."""

    def answer(asked: Asked) -> Reply:
        if asked.path[-2].startswith("!nowhere"):
            return trial
        return here if "server_name" in asked.query else them

    fake.on("GET", ASKED, answer)


@pytest.mark.parametrize(("them", "joined"), [(YES, True), (NO, False)])
async def test_of_a_room_that_the_homeserver_is_in_it_tells_who_is_joined(
    homeserver: Homeserver, fake: FakeHomeserver, them: Reply, joined: bool
) -> None:
    told(fake, them=them)

    assert await Afar(homeserver).is_joined(GARDEN, ANA) is joined
    about = [asked.query.get("server_name") or asked.query.get("mxid") for asked in fake.asked("GET", ASKED)]
    assert about == [BOT, HOME, ANA]


async def test_of_a_room_that_the_homeserver_is_not_in_nothing_is_known(
    homeserver: Homeserver, fake: FakeHomeserver
) -> None:
    told(fake, here=NO, them=NO)

    assert await Afar(homeserver).is_joined(GARDEN, ANA) is None


NOT_OFFERED = {
    "unknown call": Reply(404, {"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}),
    "no such right": Reply(403, {"errcode": "M_FORBIDDEN", "error": "missing scope"}),
    "no JSON": Reply(raw=b"<html>"),
    "a list": Reply(body=[]),
    "text": Reply(body={"joined": "true"}),
    "a number": Reply(body={"joined": 1}),
    "nothing": Reply(body={}),
    "nested": Reply(body={"joined": {"joined": True}}),
}


@pytest.mark.parametrize("trial", NOT_OFFERED.values(), ids=NOT_OFFERED)
async def test_where_it_is_not_offered_it_is_tried_once(
    homeserver: Homeserver, fake: FakeHomeserver, trial: Reply
) -> None:
    told(fake, trial=trial)
    afar = Afar(homeserver)

    assert [await afar.is_joined(GARDEN, ANA) for _ in range(3)] == [None] * 3
    assert len(fake.asked("GET", ASKED)) == 1


@pytest.mark.parametrize("wrong", NOT_OFFERED.values(), ids=NOT_OFFERED)
@pytest.mark.parametrize("about", ["here", "them"])
async def test_an_answer_that_makes_no_sense_is_neither_yes_nor_no(
    homeserver: Homeserver, fake: FakeHomeserver, wrong: Reply, about: str
) -> None:
    told(fake, **{about: wrong})

    try:
        found = await Afar(homeserver).is_joined(GARDEN, ANA)
    except Later:
        found = None
    assert found is None


async def test_a_look_finds_out_when_that_changes(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    afar = Afar(homeserver)
    for trial, offered in ((NOT_OFFERED["unknown call"], False), (NO, True), (NOT_OFFERED["no such right"], False)):
        told(fake, trial=trial)
        assert await afar.look() is offered
        assert await afar.is_joined(GARDEN, ANA) is (True if offered else None)


async def test_where_no_homeserver_answers_nothing_is_decided(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    told(fake)
    afar = Afar(homeserver)
    assert await afar.look()

    told(fake, trial=Reply(drop=True))
    with pytest.raises(Later):
        await afar.look()
    assert await afar.is_joined(GARDEN, ANA) is True
