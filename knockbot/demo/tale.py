"""What the scenes of the demo are made of: people, two rooms, and the comparison of each step with reality."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from knockbot.config.settings import can_encrypt
from knockbot.demo.homeserver import Homeserver
from knockbot.demo.identity import IdentityServer
from knockbot.demo.people import Json, Person, until
from knockbot.demo.planted import THIRD_PARTY_INVITE, Planted
from knockbot.demo.stage import BOT, DOMAIN
from knockbot.demo.teller import Teller
from knockbot.documents.text import without_marks
from knockbot.domain.model import Kind

GARDEN, MODERATORS = f"#garden:{DOMAIN}", f"#garden-mods:{DOMAIN}"

ANSWERS = ("✅", "❌", "⛔")
"""What the bot offers on a card."""

PATIENCE = 20.0
"""Seconds that everybody in the story waits for what is to happen next."""


MODERATING = ("Alice", "Bob")

ASKED = ("Nina",)
"""Who has a conversation with the bot, which is encrypted where the bot can do that."""


class NotAsTold(Exception):
    """Reality differs from the story."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How it came out for one of those who wanted to come in."""

    who: Person
    answer: str
    by: str
    membership: str | None
    kind: Kind = Kind.KNOCK
    """How they wanted to."""


@dataclass(slots=True)
class Tale:
    """What the scenes have in common: the people, the two rooms, and how far everybody has read in the second."""

    homeserver: Homeserver
    teller: Teller
    identity_server: IdentityServer | None = None
    encrypted: bool = field(default_factory=can_encrypt)
    """Whether the moderators' room is."""
    password: str = field(default_factory=lambda: f"garden-{secrets.token_hex(4)}")
    began: float = field(default_factory=time.monotonic)
    people: dict[str, Person] = field(default_factory=dict)
    endings: list[Ending] = field(default_factory=list)
    garden: str = ""
    moderators: str = ""
    read: str | None = None
    """The last message of the moderators' room that has been told."""

    async def person(self, name: str) -> Person:
        """Somebody with an account; the first time, they get one."""
        if name not in self.people:
            account = await self.homeserver.register(name.lower(), self.password, display_name=name)
            person = Person(
                self.homeserver.http, self.homeserver.url, account["user_id"], account["access_token"], self.password
            )
            reads = can_encrypt() if name in ASKED else self.encrypted and name in MODERATING
            self.people[name] = await with_keys(person) if reads else person
        return self.people[name]

    @property
    def alice(self) -> Person:
        """The admin of the room."""
        return self.people["Alice"]

    @property
    def bob(self) -> Person:
        """Its moderator."""
        return self.people["Bob"]

    async def bring_bot(self, room: str) -> None:
        """Alice invites the bot, and it comes."""
        await self.alice.invite(room, BOT)
        await self.alice.wait_for_membership(room, BOT, "join", within=PATIENCE)

    # --- in the moderators' room ---

    async def command(self, name: str, command: str) -> Json:
        """Somebody gives the bot a command; returns the reply, once it is there."""
        self.teller.said(name, command)
        said = self.read = await self.people[name].say(self.moderators, command)
        return await self.hear(lambda event: _replied_to(event) == said, f"an answer to {command.splitlines()[0]!r}")

    async def agreed(self, name: str, command: str) -> None:
        """Somebody gives a command that the bot has nothing against."""
        reply = await self.command(name, command)
        if "✅" not in reply["content"]["body"] or "❌" in reply["content"]["body"]:
            raise NotAsTold(
                f"the bot should agree to {command.splitlines()[0]!r}, but said: {reply['content']['body']}"
            )

    async def hear(self, wanted: Callable[[Json], bool], what: str) -> Json:
        """Listen until the bot says what is wanted, and tell whatever it says meanwhile."""
        event = await self.alice.wait_for(
            self.moderators, lambda event: _by_bot(event) and wanted(event), after=self.read, what=what, within=PATIENCE
        )
        events = await self.alice.messages(self.moderators)
        ids = [event["event_id"] for event in events]
        start = ids.index(self.read) + 1 if self.read in ids else 0
        for said in events[start : ids.index(event["event_id"]) + 1]:
            if _by_bot(said):
                content, edited = newest(said)
                if edited:
                    self.teller.tell("Knockbot edits its card:")
                self.teller.said("Knockbot", without_marks(content["body"]))
        self.read = event["event_id"]
        return event

    async def finds_unreadable(self) -> None:
        """The homeserver has nothing of what was said last but what only those in the room can read."""
        event = await self.alice.event(self.moderators, self.read or "")
        compare("the bot's message on the homeserver", {"type": "m.room.encrypted"}, event)
        self.teller.checked(f"the homeserver itself has no more of that than {event['content']['ciphertext'][:24]}…")

    async def hear_of(self, who: Person, state: str, *, rule: str | None = None, by: str | None = None) -> Json:
        """The first that the bot says of somebody is this: the state of their request, and to whom it is due."""
        event = await self.hear(
            lambda event: block(event).get("user_id") == who.user_id, f"a message about {who.user_id}"
        )
        self._compare_block(event, state, rule, by)
        return event

    async def hear_of_change(self, who: Person, state: str, *, rule: str | None = None, by: str | None = None) -> Json:
        """The bot says sooner or later that somebody's request has come to this."""
        event = await self.hear(
            lambda event: block(event).get("user_id") == who.user_id and block(event)["state"] == state,
            f"the message that the request of {who.user_id} is {state}",
        )
        self._compare_block(event, state, rule, by)
        return event

    async def hear_of_invite(
        self, event_id: str, state: str, *, rule: str | None = None, by: str | None = None
    ) -> Json:
        """The first that the bot says of a third-party invite, by its event, is this."""
        event = await self.hear(lambda event: block(event).get("event_id") == event_id, "a message about the invite")
        self._compare_block(event, state, rule, by)
        return event

    def _compare_block(self, event: Json, state: str, rule: str | None, by: str | None) -> None:
        seen = block(event)
        whom = seen["user_id"] or f"the invite of {seen['inviter']}"
        compare(f"what the bot says of {whom}", {"state": state, "rule": rule, "by": by}, seen)

    async def offered(self, card: Json) -> None:
        """The bot puts every answer on a card, so that one click gives it."""

        def complete(events: list[Json]) -> bool:
            found = {_reaction(event, card["event_id"]) for event in events if event["sender"] == BOT}
            return found >= set(ANSWERS)

        await until(
            lambda: self.alice.messages(self.moderators),
            complete,
            lambda _: f"the bot did not offer {' '.join(ANSWERS)} on its card",
            within=PATIENCE,
        )
        self.teller.tell(f"Knockbot puts reactions on its card, so that one click answers: {'  '.join(ANSWERS)}")

    # --- in a conversation ---

    async def conversation(self, who: Person) -> str:
        """The room to which the bot invites an applicant; they join it."""

        async def look() -> list[str]:
            return list((await Person.sync(who, timeout=0)).get("rooms", {}).get("invite", {}))

        [talk] = await until(look, bool, lambda _: f"the bot did not write to {who.user_id}", within=PATIENCE)
        await who.join(talk)
        return talk

    async def reads(self, who: Person, talk: str, words: str) -> Json:
        """An applicant reads in their conversation what the bot says."""
        event = await who.wait_for(
            talk,
            lambda event: _by_bot(event) and words in without_marks(event["content"].get("body", "")),
            what=words,
            within=PATIENCE,
        )
        self.teller.said("Knockbot", without_marks(event["content"]["body"]))
        return event

    async def answers(self, who: Person, talk: str, words: str) -> None:
        """An applicant writes something there."""
        self.teller.said(name_of(who), words)
        await who.say(talk, words)

    # --- at the door ---

    async def knock(self, name: str, reason: str | None) -> Person:
        """Somebody knocks at the garden."""
        person = await self.person(name)
        self.teller.tell(f"{name} knocks: “{reason}”" if reason else f"{name} knocks, without a reason.")
        await person.knock(GARDEN, reason)
        return person

    async def finds(self, who: Person, membership: str, *, by: str, reason: str | None = None) -> None:
        """Somebody's own client shows this, and the room agrees, in who did it too."""
        own = await until(
            lambda: own_membership(who, self.garden),
            lambda content: content.get("membership") == membership,
            lambda content: f"{who.user_id} should see membership {membership!r}, but sees {content}",
            within=PATIENCE,
        )
        told = f"membership {membership}" + (f", reason “{own['reason']}”" if own.get("reason") else "")
        self.teller.tell(f"{name_of(who)} sees: {told}")
        event = await self.member_event(who)
        seen = {"membership": event["content"].get("membership"), "by": event["sender"]}
        compare(f"{who.user_id} in {GARDEN}", {"membership": membership, "by": by}, seen)
        compare(f"what {who.user_id} sees", {"reason": reason}, own)
        self.teller.checked(f"the room says so too: {membership}, by {by}")

    async def finds_revoked(self, invite: Planted) -> None:
        """No third-party invite stands under its token any more: the bot emptied it."""
        path = ("rooms", self.garden, "state", THIRD_PARTY_INVITE, invite.token)
        event = await self.alice.call("GET", *path, query={"format": "event"})
        seen = {"content": event["content"], "by": event["sender"]}
        compare(f"the invite of {invite.inviter.user_id}", {"content": {}, "by": BOT}, seen)
        self.teller.checked(f"the room says so too: the invite is empty, by {BOT}")

    async def member_event(self, who: Person) -> Json:
        """The member event of somebody that stands in the garden, as Alice's client reads it."""
        path = ("rooms", self.garden, "state", "m.room.member", who.user_id)
        return await self.alice.call("GET", *path, query={"format": "event"})

    def ends(self, who: Person, answer: str, by: str, membership: str | None, kind: Kind = Kind.KNOCK) -> None:
        """So much for this one."""
        self.endings.append(Ending(who, answer, by, membership, kind))


async def with_keys(person: Person) -> Person:
    """The same with a client that encrypts."""
    from knockbot.demo.sealed import SealedPerson  # noqa: PLC0415 - there only with the extra

    return await SealedPerson.begin(person)


# --- reading -------------------------------------------------------------------------------------------------


def compare(what: str, told: Mapping[str, Any], seen: Mapping[str, Any]) -> None:
    """Raise `NotAsTold` unless what is seen is what was told."""
    wrong = [f"{key} should be {told[key]!r}, but is {seen.get(key)!r}" for key in told if told[key] != seen.get(key)]
    if wrong:
        raise NotAsTold(f"{what}: {'; '.join(wrong)}")


async def own_membership(who: Person, room_id: str) -> Json:
    """What somebody's own client knows of their membership in a room: all that an applicant can see."""
    wanted = {"room": {"include_leave": True, "timeline": {"limit": 50, "types": ["m.room.member"]}}}
    rooms = (await who.sync(filter=json.dumps(wanted), timeout=0)).get("rooms", {})
    content: Json = {}
    for section in rooms.values():
        room = section.get(room_id, {})
        for part in ("state", "timeline", "knock_state", "invite_state"):
            for event in room.get(part, {}).get("events", []):
                if event["type"] == "m.room.member" and event["state_key"] == who.user_id:
                    content = event["content"]
    return content


def _by_bot(event: Json) -> bool:
    return (event["sender"], event["type"]) == (BOT, "m.room.message")


def newest(event: Json) -> tuple[Json, bool]:
    """A message's content, and whether it replaces that of an earlier one."""
    content: Json = event["content"]
    return (content["m.new_content"], True) if "m.new_content" in content else (content, False)


def block(event: Json) -> Json:
    """What a message of the bot says for machines about the request it shows; empty where it shows none."""
    found: Json = newest(event)[0].get("org.knockbot.request", {})
    return found


def _relation(event: Json) -> Json:
    relation: Json = event["content"].get("m.relates_to", {})
    return relation


def _replied_to(event: Json) -> str | None:
    target: str | None = _relation(event).get("m.in_reply_to", {}).get("event_id")
    return target


def _reaction(event: Json, target: str) -> str | None:
    relation = _relation(event)
    key: str | None = relation.get("key") if relation.get("event_id") == target else None
    return key


def name_of(who: Person) -> str:
    """What the story calls somebody."""
    return who.user_id[1:].partition(":")[0].capitalize()
