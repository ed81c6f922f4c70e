"""What the tests of the store put into it: base values to vary, and text as strangers write it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from knockbot.documents.text import storable
from knockbot.domain.jobs import Invite, Job, Payload, Say
from knockbot.domain.judgements import Judgement
from knockbot.domain.model import (
    Decision,
    Facts,
    IdentityKey,
    Kind,
    Knock,
    MemberChange,
    Membership,
    Request,
    ThirdPartyInvite,
)
from knockbot.store import requests
from knockbot.store.db import Database

NOW = 1_790_000_000_000
MODS = "!mods:tulip.example"
GARDEN = "!garden:tulip.example"

KNOCK = Knock(GARDEN, "@ana:tulip.example", "$knock", "I am a student of botany", "Ana", has_avatar=True)

INVITE = ThirdPartyInvite(
    GARDEN, "$invite", "token", "@mod:tulip.example", "car...@exa...", (IdentityKey("key", "https://id.example/"),)
)
GUEST = MemberChange(GARDEN, "$came", "@dave:far.example", INVITE.inviter, Membership.INVITE, token=INVITE.token)

HOSTILE: dict[str, str] = {
    "nothing": "",
    "blanks": " \t\r\n ",
    "NUL": "a\x00b",
    "lone surrogate": "a\ud800b\udfffc",
    "surrogates that make a pair": "\ud83d\ude00",
    "sixty kilobytes": "x" * 60_000,
    "sixty kilobytes of emoji": "🚪" * 15_000,
    "emoji with joiners": "👩‍👩‍👧‍👦 ❌\ufe0f",
    "right to left": "\u202eמשתמש\u202c العربية \u2066x\u2069",
    "noncharacters": "\ufffe\uffff\U0010ffff",
    "tower of marks": "e" + "\u0301" * 500,
    "quotes": "'\"`; DROP TABLE requests; --",
    "placeholders": "$1 ?1 :a %s {} \\ \\u0000",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f",
    "line separators": "a\u2028b\u2029c\u0085d",
}
"""Text as strangers write it, by what is wrong with it."""

STORABLE = {name: storable(text) for name, text in HOSTILE.items()}
"""The same as parsing leaves it: nothing else is ever handed to the store."""


def job(key: str = "say:hello", payload: Payload | None = None, *, room_id: str | None = None) -> Job[Any]:
    """Something to say, unless said otherwise; each key is in a room of its own, and so in a lane of its own."""
    return Job(key, room_id or f"!room of {key}", payload or Say({}))


def away(key: str, server: str, room_id: str | None = None) -> Job[Any]:
    """An invite for which another server has to answer."""
    return job(key, Invite(f"@ana:{server}", server=server), room_id=room_id)


async def opened(db: Database, knock: Knock = KNOCK, *, management_room: str = MODS, now: int = NOW) -> Request:
    """A request for a knock."""
    async with db.tx() as tx:
        return await requests.open_knock(tx, management_room, knock, now)


async def planted(db: Database, invite: ThirdPartyInvite = INVITE, *, now: int = NOW) -> Request:
    """A request for a third-party invite."""
    async with db.tx() as tx:
        return await requests.open_invite(tx, MODS, invite, now)


async def read(db: Database, request_id: int) -> Request:
    """The request as it stands in the database."""
    async with db.tx() as tx:
        return await requests.get(tx, request_id)


def judgement(decision: Decision, **changes: Any) -> Judgement:
    """What a policy said of the base knock, and no fact was needed for it."""
    judged = Judgement(
        Kind.KNOCK, GARDEN, KNOCK.event_id, None, Facts("tulip.example", measure=KNOCK.measure), decision
    )
    return replace(judged, **changes)
