"""mautrix's machine for Olm and Megolm, with our own rules: whose keys it accepts, and whose devices it looks up.

It reads only the raw JSON of other people's events: mautrix's typed events fail on many of them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from operator import itemgetter
from time import monotonic
from typing import Any, Final

import unpaddedbase64
from mautrix.api import Method
from mautrix.client import Client
from mautrix.crypto import InboundGroupSession, OlmAccount, OlmMachine, PgCryptoStore, Session, StateStore
from mautrix.crypto.signature import verify_signature_json
from mautrix.errors import GroupSessionWithheldError
from mautrix.types import (
    CrossSigningKeys,
    DecryptedOlmEvent,
    DeviceIdentity,
    DeviceKeys,
    EncryptionAlgorithm,
    EventType,
    IdentityKey,
    QueryKeysResponse,
    RoomEncryptionStateEventContent,
    ToDeviceEvent,
    UserID,
)

from knockbot.documents.text import storable
from knockbot.domain.ids import is_room_id, server_of
from knockbot.domain.notices import because
from knockbot.errors import ActionError, Later
from knockbot.flow.keys import Unreadable
from knockbot.matrix.api import TOO_LARGE
from knockbot.matrix.crypto.silent import SilentServers, failed
from knockbot.matrix.events import mapping
from knockbot.store.db import DATABASE_AWAY

log = logging.getLogger("knockbot.crypto")
LOG: Any = log.getChild("olm")
"""mautrix's own log; it needs a logger with one more level, and importing mautrix has added that to this one."""
LOG.setLevel(logging.ERROR)  # it warns of every device that is not verified


class Rooms(StateStore):
    """What mautrix asks about rooms: only how often a new session's key changes, which is looked up just before."""

    def __init__(self) -> None:
        self.settings: dict[str, RoomEncryptionStateEventContent] = {}

    async def is_encrypted(self, room_id: str) -> bool:  # noqa: ARG002 - mautrix's interface
        return True

    async def get_encryption_info(self, room_id: str) -> RoomEncryptionStateEventContent:
        return self.settings.get(room_id) or RoomEncryptionStateEventContent(EncryptionAlgorithm.MEGOLM_V1)

    async def find_shared_rooms(self, user_id: str) -> list[Any]:  # noqa: ARG002 - mautrix's interface
        return []  # instead, before each message knockbot checks who has the room's key


Write = Callable[[], Awaitable[None]]


class Store(PgCryptoStore):
    """mautrix's tables, in which a letter counts as read only once what was in it is kept.

    A letter can be decrypted once: Olm then forgets its key. mautrix writes that down first. So the key of a room in
    it was lost where the process died before that was kept, or the sender's device could not be looked up.
    """

    _held: list[tuple[bool, Write]] | None = None
    """While a letter is read: what is to be written down after it."""

    async def add_session(self, key: IdentityKey, session: Session) -> None:
        """Write down a session that a letter has begun."""
        await self._when_kept(partial(super().add_session, key, session))

    async def update_session(self, key: IdentityKey, session: Session) -> None:
        """Write down how far a session is."""
        await self._when_kept(partial(super().update_session, key, session))

    async def put_account(self, account: OlmAccount) -> None:
        """Write down the account, which lacks the one-time key that a letter has used: after the session that the
        letter began, or nobody could read the letter again."""
        await self._when_kept(partial(super().put_account, account), last=True)

    async def _when_kept(self, write: Write, *, last: bool = False) -> None:
        if self._held is None:
            await write()
        else:
            self._held.append((last, write))

    @asynccontextmanager
    async def reading(self, account: OlmAccount) -> AsyncIterator[None]:
        """Read one letter. It counts as read, whatever is in it, unless it is to be read again: then all is as it was
        before."""
        before = account.pickle(self.pickle_key)
        self._held = []
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            held, self._held = self._held, None
            if failure is None or _is_final(failure):
                for _, write in sorted(held, key=itemgetter(0)):
                    await write()
            else:
                self._olm_cache.clear()
                self._account = OlmAccount.from_pickle(before, self.pickle_key, account.shared)


def _is_final(failure: BaseException) -> bool:
    """Whether a letter is not read again after this: a stranger wrote it, and no error in it is our fault."""
    return isinstance(failure, Exception) and not isinstance(failure, (ActionError, *DATABASE_AWAY))


class Olm(OlmMachine):
    """mautrix's machine, which tells us what arrived, and accepts a key only for messages of the user who sent the key.

    Keys of one session from different devices are kept next to each other, by the device that sent them. So nobody's
    key replaces the key of somebody else (docs/decisions/0021).
    """

    def __init__(self, client: Client, store: PgCryptoStore, rooms: Rooms, in_turn: InTurn) -> None:
        super().__init__(client, store, rooms, LOG)
        self.arrived: set[str] = set()
        self.asked: set[tuple[str, str, str]] = set()
        """Keys that were asked for: room, session, and the only user they are accepted from: the message's sender."""
        self.disable_device_change_key_rotation = True
        self._in_turn = in_turn
        self._stale: set[str] = set()
        """Users whose devices have changed after they were looked up."""
        self._looked: Counter[str] = Counter()
        """How often a user was looked up within the hour because of a device that was not there."""
        self._hour = 0.0
        self._silent = SilentServers(server_of(client.mxid), lambda: monotonic())  # noqa: PLW0108 - looked up each time

    # --- keys -------------------------------------------------------------------------------------------------

    async def handle_to_device_event(self, evt: ToDeviceEvent) -> None:
        """Accept a room's key. Nothing else that is encrypted for the device is used: secrets, requests, m.dummy."""
        content: Any = evt.content
        if not is_key(content.sender_key):
            raise Unreadable(because("unreadable.no_device"))
        store: Any = self.crypto_store
        try:
            async with store.reading(self.account):
                letter = await self._decrypt_olm_event(evt)
                take = {
                    EventType.ROOM_KEY: self._receive_room_key,
                    EventType.FORWARDED_ROOM_KEY: self._receive_forwarded_room_key,
                }
                if letter.type in take:
                    await take[letter.type](letter)
        finally:
            self.account = await store.get_account()
        await self._drop_old_sessions(letter.sender_key)

    async def _receive_room_key(self, evt: DecryptedOlmEvent) -> None:
        content: Any = evt.content
        await self._sending_device(evt)
        session = InboundGroupSession(content.session_key, evt.keys.ed25519, evt.sender_key, content.room_id)
        await self._keep_key(session, content, "")

    async def _receive_forwarded_room_key(self, evt: DecryptedOlmEvent) -> None:
        # The user who forwards a key says whose it is: accepting it from anybody would let them pose as another user.
        content: Any = evt.content
        if (content.room_id, content.session_id, evt.sender) not in self.asked:
            raise Unreadable(because("unreadable.not_asked"))
        await self._sending_device(evt)
        owner = await self.get_or_fetch_device_by_key(evt.sender, content.sender_key)
        if owner is None or owner.signing_key != content.signing_key:
            raise Unreadable(because("unreadable.not_their_key"))
        session = InboundGroupSession.import_session(
            content.session_key, content.signing_key, content.sender_key, content.room_id, [evt.sender_key]
        )
        await self._keep_key(session, content, FORWARDED)

    async def _sending_device(self, letter: DecryptedOlmEvent) -> None:
        """Check that what a letter says about its device is true. Raises `Unreadable`."""
        device = await self.get_or_fetch_device_by_key(letter.sender, letter.sender_key)
        if device is None or device.signing_key != letter.keys.ed25519:
            raise Unreadable(because("unreadable.not_their_device"))
        if letter.sender_device not in (None, device.device_id):
            raise Unreadable(because("unreadable.other_device"))

    async def _keep_key(self, session: InboundGroupSession, content: Any, how: str) -> None:
        """Keep a key under the device it is said to be from, unless there is one from as early a message."""
        room_id: Any = content.room_id
        if content.algorithm != EncryptionAlgorithm.MEGOLM_V1 or not is_room_id(room_id):
            raise Unreadable(because("unreadable.unknown_key"))
        if session.id != content.session_id:
            raise Unreadable(because("unreadable.other_session"))
        place = _place(session.id, session.sender_key, how)
        known = await self.crypto_store.get_group_session(room_id, place)
        if known is None or session.first_known_index < known.first_known_index:
            await self.crypto_store.put_group_session(room_id, session.sender_key, place, session)
        self.arrived.add(str(session.id))  # also where it was kept before the process died, and nobody was told

    async def keys_of(self, room_id: Any, session_id: str, sender: Any) -> list[tuple[Any, Any]]:
        """The keys of a session that are said to come from devices of this sender, each with its device."""
        found = []
        for device in (await self.devices(sender)).values():
            for how in ("", FORWARDED):
                session = await self._kept(room_id, _place(session_id, device.identity_key, how))
                if session is not None and session.signing_key == device.signing_key:
                    found.append((session, device))
        return found

    async def _kept(self, room_id: Any, place: Any) -> Any:
        try:
            return await self.crypto_store.get_group_session(room_id, place)
        except GroupSessionWithheldError:
            return None

    async def _drop_old_sessions(self, sender_key: Any) -> None:
        """Keep the latest few sessions with a device: each of its letters is tried with all of them."""
        store: Any = self.crypto_store
        for session in (await store.get_sessions(sender_key))[MOST_SESSIONS:]:
            store._olm_cache[sender_key].pop(session.id, None)  # noqa: SLF001 - there is no other way
            await store.db.execute("DELETE FROM crypto_olm_session WHERE session_id = $1", session.id)

    async def _unwedge_session(self, sender: Any, sender_key: Any) -> None:
        """Begin a new session with a device whose letters cannot be decrypted.

        mautrix itself would do that in parallel to all other steps.
        """
        if len(self._prev_unwedge) > MOST_REMEMBERED:
            self._prev_unwedge.clear()
        await self._in_turn(super()._unwedge_session(sender, sender_key))

    # --- devices ----------------------------------------------------------------------------------------------

    async def changed(self, users: Iterable[str]) -> None:
        """The devices of these users have changed: they are looked up when they are next needed."""
        for batch in batched(users, CHANGED):
            self._stale.update(await self.crypto_store.filter_tracked_users(batch))

    async def devices(self, user_id: Any) -> dict[Any, DeviceIdentity]:
        """The current devices of somebody; the last known ones if their server does not answer."""
        await self.look_up([user_id])
        return await self.crypto_store.get_devices(user_id) or {}

    async def get_or_fetch_device_by_key(self, user_id: UserID, identity_key: IdentityKey) -> DeviceIdentity | None:
        """The device of somebody that has this key. It is looked up again a few times an hour at most."""
        await self.look_up([user_id])
        device = await self.crypto_store.find_device_by_key(user_id, identity_key)
        if device is None and not self._silent.has(user_id) and self._may_look_again(user_id):
            await self._fetch([user_id])
            device = await self.crypto_store.find_device_by_key(user_id, identity_key)
        return device

    def _may_look_again(self, user_id: str) -> bool:
        if monotonic() - self._hour > HOUR:
            self._hour = monotonic()
            self._looked.clear()
        self._looked[user_id] += 1
        return self._looked[user_id] <= LOOKS_AN_HOUR

    async def look_up(self, users: Iterable[Any]) -> None:
        """Look up the devices of users about whom nothing is known, or nothing current."""
        asked = [user for user in users if not self._silent.has(user)]
        unknown = [u for u in asked if u in self._stale or await self.crypto_store.get_devices(u) is None]
        for batch in batched(unknown, LOOKED_UP):
            await self._fetch(batch)

    async def _fetch(self, users: list[Any]) -> None:
        """Handle answers one by one: an error in one must not affect another, nor one device another."""
        query = {"device_keys": {user_id: [] for user_id in users}, "timeout": AWAY}
        try:
            found = await self.client.api.request(Method.POST, "_matrix/client/v3/keys/query", query)
        except Later as error:
            if error.code != TOO_LARGE:
                raise
            for user_id in users if len(users) > 1 else ():
                await self._fetch([user_id])
            return
        store: Any = self.crypto_store
        said_by = mapping(found.get("device_keys"))
        self._silent.note({user: user in said_by and server_of(user) not in failed(found) for user in users})
        for user_id in users:
            devices = said_by.get(user_id)
            if not isinstance(devices, dict):
                continue  # their server gave no answer
            try:
                said = _sound(user_id, devices, found)
                async with store.transaction():
                    await self._process_fetched_keys(user_id, said.device_keys[user_id], said)
                self._stale.discard(user_id)
            except DATABASE_AWAY:
                raise
            except Exception as error:  # a stranger wrote it
                log.warning("the devices of %s cannot be read: %s", user_id, type(error).__name__)

    async def meet(self, devices: Iterable[DeviceIdentity]) -> list[tuple[Any, DeviceIdentity]]:
        """Make a session with each of these devices; returns those that have one."""
        devices = list(devices)
        asked = [one for one in devices if not self._silent.has(one.user_id)]
        strange = [one for one in asked if not await self.crypto_store.has_session(one.identity_key)]
        if strange:
            wanted: dict[str, dict[str, str]] = {}
            for one in strange:
                wanted.setdefault(one.user_id, {})[one.device_id] = "signed_curve25519"
            query = {"one_time_keys": wanted, "timeout": AWAY}
            answer = await self.client.api.request(Method.POST, "_matrix/client/v3/keys/claim", query)
            self._silent.note({one.user_id: server_of(one.user_id) not in failed(answer) for one in strange})
            for one in strange:
                keys = mapping(mapping(mapping(answer.get("one_time_keys")).get(one.user_id)).get(one.device_id))
                await self._begin_session(one, next(iter(keys.values()), None))
        sessions = [(await self.crypto_store.get_latest_session(one.identity_key), one) for one in devices]
        return [(session, one) for session, one in sessions if session is not None]

    async def _begin_session(self, device: DeviceIdentity, key: Any) -> None:
        try:
            if verify_signature_json(key, device.user_id, device.device_id, device.signing_key):
                assert self.account is not None
                session = self.account.new_outbound_session(device.identity_key, key["key"])
                await self.crypto_store.add_session(device.identity_key, session)
        except Exception as error:  # it has no one-time keys, or its answer is invalid
            log.debug("no session with %s of %s: %s", device.device_id, device.user_id, type(error).__name__)


FORWARDED: Final = "forwarded"
"""Marks forwarded keys, which are kept next to the device's own: the user who forwarded them may have made them up."""

InTurn = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]

HOUR: Final = 3600.0

LOOKS_AN_HOUR: Final = 10
"""How often a user is looked up because of a device that was not there; there is no limit for announced devices."""

AWAY: Final = 5_000
"""Milliseconds that the homeserver may wait for other servers to list their users' devices."""

MOST_DEVICES: Final = 100
"""Devices of one user that get keys and whose messages are read; those that their owner has signed come first."""

MOST_SESSIONS: Final = 10
"""Sessions kept with one device."""

MOST_REMEMBERED: Final = 1_000

CHANGED: Final = 500
"""Users whose devices have changed that one statement finds."""

LOOKED_UP, GIVEN = 50, 10
"""Users looked up, and devices given a key, before others have their turn."""


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """These items, a few at a time."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _place(session_id: str, sender_key: str, how: str) -> Any:
    """The name for the key of a session that a device is said to have made; it is as long as a session ID."""
    return unpaddedbase64.encode_base64(hashlib.sha256(f"{session_id} {sender_key} {how}".encode()).digest())


_KEY = re.compile("[A-Za-z0-9+/]{43}")


def is_key(value: Any) -> bool:
    """Whether this is a public key, or a session ID, which has the same form."""
    return isinstance(value, str) and _KEY.fullmatch(value) is not None


def _is_storable(value: Any) -> bool:
    text = json.dumps(value, ensure_ascii=False)
    return storable(text) == text and r"\u0000" not in text


def _sound(user_id: str, devices: Mapping[str, Any], found: Mapping[str, Any]) -> QueryKeysResponse:
    """What an answer says about one user, without invalid parts."""
    signing = mapping(mapping(found.get("self_signing_keys")).get(user_id))
    signers = set(mapping(signing.get("keys")))

    def rank(named: tuple[str, Any]) -> tuple[bool, str]:
        signatures = mapping(mapping(mapping(named[1]).get("signatures")).get(user_id))
        return signers.isdisjoint(signatures), named[0]

    said: Any
    sound = {}
    if len(devices) > MOST_DEVICES:
        log.warning("%s has %d devices; I talk with %d of them", user_id, len(devices), MOST_DEVICES)
    for device_id, said in sorted(devices.items(), key=rank)[:MOST_DEVICES]:
        try:
            bare: Any = {**said, "unsigned": {}}
            keys = DeviceKeys.deserialize(bare)
            if is_key(keys.ed25519) and is_key(keys.curve25519) and _is_storable([device_id, bare]):
                sound[device_id] = keys
        except Exception as error:  # a stranger wrote it
            log.debug("device %r of %s cannot be read: %s", device_id, user_id, type(error).__name__)
    answer: Any = {"device_keys": {user_id: sound}}
    for usage in ("master_keys", "self_signing_keys"):
        said = mapping(found.get(usage)).get(user_id)
        try:
            answer[usage] = {user_id: CrossSigningKeys.deserialize(said)} if _is_storable(said) else {}
        except Exception:  # it has none, or a stranger wrote it
            answer[usage] = {}
    return QueryKeysResponse(**answer)
