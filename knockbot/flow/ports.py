"""What the flow needs of the world outside, as protocols: the homeserver, the identity servers, a cipher."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from knockbot.domain.acl import ServerAcl
from knockbot.domain.card import Around
from knockbot.domain.invites import StoredInvite
from knockbot.domain.languages import Language
from knockbot.domain.model import (
    File,
    IdentityKey,
    Known,
    ListChange,
    MemberChange,
    Membership,
    Reaction,
    Redaction,
    Request,
    RoomView,
    ThirdPartyChange,
    Truth,
    Verdict,
)
from knockbot.domain.notices import Notice, because
from knockbot.domain.power import Powers
from knockbot.domain.spaces import SpaceChild
from knockbot.domain.upgrades import Tombstone
from knockbot.errors import Never

THIRD_PARTY_INVITE: Final = "m.room.third_party_invite"

EFFECT_KEY: Final = "org.knockbot.effect"
"""Where a message of the bot names the job that sent it."""

PROMPT_KEY: Final = "org.knockbot.prompt"
"""Where a message that can be answered, and is no card, tells machines what it asks."""

REQUEST_KEY: Final = "org.knockbot.request"
"""Where a card, or the line of a decision, tells machines of its request (`domain/card/machines.py`)."""

CONVERSATION_KEY: Final = "org.knockbot.conversation"
"""Where the room of a conversation says, from its making on, whose it is (`user_id`) and for which protected room it
was begun (`about`)."""

REQUESTS_KEY: Final = "org.knockbot.requests"
"""On a card that several requests share: all of them, beside the newest one under `REQUEST_KEY`."""


TakeIn = Callable[[Sequence[ListChange]], Awaitable[None]]
"""Takes in a portion of what is read."""


class Outside(Protocol):
    """The homeserver as the flow sees it.

    Every call may raise `Later` (no answer, or asked to wait) or `Never` (a clear no).
    """

    async def member(self, room_id: str, user_id: str) -> MemberChange | None:
        """The current member event of a user in a room; `None` where there is none."""

    async def membership_of(self, room_id: str, event_id: str) -> Membership | None:
        """The membership that one event of a room set; `None` where it cannot be seen."""

    async def past_member(self, room_id: str, event_id: str) -> MemberChange | None:
        """One membership event of a room, current or not; `None` where it cannot be seen."""

    async def knocking(self, room_id: str) -> list[MemberChange]:
        """The current knocks in a room."""

    async def powers(self, room_id: str) -> Powers:
        """The powers in a room now."""

    async def server_acl(self, room_id: str) -> ServerAcl:
        """Which servers may take part in a room now."""

    async def tombstone(self, room_id: str) -> Tombstone | None:
        """What says that a room is replaced; `None` where nothing does."""

    async def predecessor(self, room_id: str) -> str | None:
        """The room that this one says it replaces."""

    async def room(self, room_id: str) -> RoomView:
        """A room's name and openness now."""

    async def space_children(self, space: str) -> list[SpaceChild]:
        """The rooms that a space names, as far as a quick look tells: what it shows is true, but it may not show
        everything."""

    async def space_child(self, space: str, room_id: str) -> SpaceChild | None:
        """One room that a space names now; `None` where it does not."""

    async def resolve(self, alias: str) -> tuple[str, tuple[str, ...]]:
        """The room an alias means now, and servers to reach it by."""

    async def third_party(self, room_id: str, token: str) -> ThirdPartyChange | None:
        """The current state under a token: an invite, or what emptied it; `None` where there never was one."""

    async def third_parties(self, room_id: str) -> list[ThirdPartyChange]:
        """The same for every token of a room, as far as a quick look tells: what it shows is true, but it may not show
        everything."""

    async def policy_rule(self, room_id: str, key: str) -> ListChange | None:
        """What stands under the name of an entry of a policy list (`lists.entry_key`) now; `None` where there is
        nothing, and never was."""

    async def policy_rules(self, room_id: str, take_in: TakeIn) -> None:
        """Every entry of a policy list, handed over portion by portion in the order of the answer.

        It may take minutes, and does not hold up others. What `take_in` raises ends it, and is raised again.
        """

    async def redeemed(self, room_id: str, inviters: Iterable[str], since: int) -> list[MemberChange]:
        """The people who used third-party invites of these inviters since a moment, oldest first."""

    async def reactions(self, room_id: str, event_id: str) -> list[Reaction]:
        """The reactions on a message."""

    async def redaction(self, room_id: str, event_id: str) -> Redaction | None:
        """What redacted an event; `None` where the event has its content."""

    async def joined(self, room_id: str) -> list[str]:
        """The users joined to a room."""

    async def joined_rooms(self) -> list[str]:
        """The rooms the bot is in."""

    async def is_joined_afar(self, room_id: str, user_id: str) -> bool | None:
        """Whether a user is joined to a room that the bot need not be in (MSC4502); `None` where nobody tells that."""

    async def look_afar(self) -> bool:
        """Find out anew whether the homeserver tells that."""

    async def mutual_rooms(self, user_id: str) -> list[str]:
        """The rooms that both a user and the bot are joined to."""


class Files(Protocol):
    """The files that people send. Every call may raise `Later` (the homeserver is silent) or `Never` (a clear no)."""

    async def attached(self, room_id: str, event_id: str) -> File | None:
        """The file that a message holds; `None` where it holds none, or where it cannot be read."""

    async def content(self, file: File, most: int) -> bytes:
        """What is in a file, opened where it is encrypted. `Never` has the code `TOO_LARGE` beyond so many bytes."""


class NoFiles:
    """Where nothing is downloaded."""

    async def attached(self, _room_id: str, _event_id: str) -> File | None:
        """None."""
        return None

    async def content(self, _file: File, _most: int) -> bytes:
        """Raises `Never`."""
        raise Never(because("homeserver.not_found"))


TOO_LARGE: Final = "KNOCKBOT_FILE_TOO_LARGE"


class Acts(Protocol):
    """What is done on the homeserver, as the bot.

    Every call may raise `Later` (no answer, or asked to wait) or `Never` (a clear no).
    """

    @property
    def encrypts(self) -> bool:
        """Whether the bot encrypts its messages in encrypted rooms; else they would be sent in clear."""

    async def invite(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Let somebody in."""

    async def kick(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Send somebody away, or refuse their knock."""

    async def ban(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Keep somebody out."""

    async def unban(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Lift a ban."""

    async def put_state(self, room_id: str, event_type: str, key: str, content: Mapping[str, Any]) -> str:
        """Set a room's state; returns the event id."""

    async def send(self, room_id: str, event_type: str, key: str, content: Mapping[str, Any]) -> str:
        """Send a message event, once for a key as long as the homeserver remembers it; returns the event id."""

    async def upload(self, room_id: str, name: str, media_type: str, content: bytes) -> Mapping[str, Any]:
        """Put a file into the media repository, encrypted if the room is; returns the part of a message that leads to
        it. Called twice, it leaves two, of which one is used."""

    async def redact(self, room_id: str, event_id: str, key: str) -> None:
        """Take an event's content away."""

    async def find_sent(self, room_id: str, key: str, since: int) -> str | None:
        """The bot's own message with `EFFECT_KEY` of this key, sent since a moment; `None` where it is not there."""

    async def join(self, room: str, via: Sequence[str] = ()) -> str:
        """Enter a room by id or alias; returns its id."""

    async def knock(self, room: str, via: Sequence[str], reason: str) -> str:
        """Ask to be let into a room; returns its id."""

    async def leave(self, room_id: str) -> None:
        """Leave a room, decline an invite or withdraw a knock; succeeds where the bot is not in the room at all."""

    async def forget(self, room_id: str) -> None:
        """Know nothing more of a room that the bot has left; succeeds where it knows nothing of it."""

    async def create_room(self, content: Mapping[str, Any]) -> str:
        """Make a room; returns its id. Called twice, it makes two."""

    async def find_made(self, key: str) -> str | None:
        """The room of the bot's own with `EFFECT_KEY` of this key; `None` where it is in none."""

    async def made_with(self, room_id: str) -> Mapping[str, Any] | None:
        """What the bot wrote into a room when it made it; `None` for a room of somebody else, or one it cannot see."""


class Wording(Protocol):
    """Turns notices into messages, in the sentences of a language."""

    def words(self, said: Notice, language: Language) -> str:
        """Plain text, where no message is needed: for example the name of a room."""

    def message(
        self,
        said: Notice,
        key: str,
        *,
        language: Language,
        aloud: bool = False,
        calls: Sequence[str] = (),
        reply_to: str | None = None,
        thread: str | None = None,
        blocks: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A message that names its job by `key`; if `aloud`, clients notify people; it mentions those in `calls`."""

    def card_message(
        self,
        requests: Sequence[Request],
        label: str,
        offers: Sequence[Verdict],
        calls: Sequence[str],
        key: str,
        *,
        around: Around,
        language: Language,
    ) -> dict[str, Any]:
        """A card: of one request, or of several that share it."""


class Issuer(Protocol):
    """The identity servers, which invite addresses. Every call may raise `Later` and `Never`, in words for moderators.

    Where a `Later` has the code `UNASKED`, nothing was done.
    """

    async def lookup(self, server: str, medium: str, address: str) -> str | None:
        """The user id that an address belongs to, if any."""

    async def store_invite(
        self,
        server: str,
        medium: str,
        address: str,
        room_id: str,
        sender: str,
        *,
        sender_name: str = "",
        room_name: str = "",
        join_rule: str = "",
    ) -> StoredInvite:
        """Have an identity server tell an address of an invite; two calls send two mails."""


Vouch = Callable[[Sequence[IdentityKey]], Awaitable[Known]]


async def nobody_asked(_: Sequence[IdentityKey]) -> Known:
    """Where no identity server is configured there is nothing to ask."""
    return Known(Truth.TRUE)


LOCKED: Final = "locked"
"""The key that holds locked content."""


NOT_ALLOWED: Final = "KNOCKBOT_NOT_ALLOWED"
"""Why a message is not sent: it would be in clear in an encrypted room, or was stored while encryption was allowed."""


class Cipher(Protocol):
    """Encrypts messages that are stored only until they are sent, so that nobody else can read them."""

    def lock(self, content: Mapping[str, Any], /) -> Mapping[str, Any]:
        """The content in a form that can be stored."""

    def unlock(self, locked: Mapping[str, Any], /) -> Mapping[str, Any]:
        """The content that was locked."""


class NoCipher:
    """Where encryption is not allowed, nothing is locked."""

    def lock(self, content: Mapping[str, Any], /) -> Mapping[str, Any]:
        """The content itself."""
        return content

    def unlock(self, locked: Mapping[str, Any], /) -> Mapping[str, Any]:
        """The content itself. Raises `Never` for content that was locked while encryption was allowed."""
        if LOCKED in locked:
            raise Never(because("act.locked"), NOT_ALLOWED)
        return locked
