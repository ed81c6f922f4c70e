"""Olm and Megolm: the one file that knows mautrix's crypto, behind `Machine`, so that another can take its place.

It needs the extra `knockbot[e2ee]`; nothing imports it where encryption is not allowed. mautrix's OlmMachine keeps the
keys and speaks with the homeserver. What strangers wrote in rooms is read here, as raw JSON: its typed events fall over
much of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from itertools import islice
from math import inf
from time import monotonic
from typing import Any, Final

import olm
import unpaddedbase64
from Crypto.Cipher import AES
from mautrix.api import Method
from mautrix.client import Client
from mautrix.crypto import InboundGroupSession, OlmMachine, PgCryptoStore, StateStore
from mautrix.crypto.cross_signing_key import CrossSigningPrivateKeys, CrossSigningSeeds
from mautrix.crypto.signature import verify_signature_json
from mautrix.crypto.ssss.key import Key, KeyMetadata
from mautrix.crypto.ssss.types import Algorithm
from mautrix.crypto.ssss.util import calculate_hash
from mautrix.errors import GroupSessionWithheldError
from mautrix.types import (
    CrossSigningKeys,
    DecryptedOlmEvent,
    DeviceIdentity,
    DeviceKeys,
    DeviceOTKCount,
    EncryptionAlgorithm,
    EventType,
    IdentityKey,
    QueryKeysResponse,
    RoomEncryptionStateEventContent,
    ToDeviceEvent,
    TrustState,
    UserID,
)

from knockbot.documents.text import storable
from knockbot.domain import nesting
from knockbot.domain.ids import is_room_id, is_user_id
from knockbot.domain.notices import Code, Id, because
from knockbot.domain.reasons import in_words
from knockbot.errors import ActionError, Later, Never, Unavailable, reason
from knockbot.flow.keys import MEGOLM, KeyMissing, Opened, Unreadable
from knockbot.flow.ports import LOCKED
from knockbot.matrix.api import PASSWORD_WANTED, TOO_LARGE, DeviceApi
from knockbot.matrix.crypto.keyring import LEASE
from knockbot.matrix.events import mapping
from knockbot.store import encryption, processes
from knockbot.store.db import DATABASE_AWAY, Database

log = logging.getLogger("knockbot.crypto")
LOG: Any = log.getChild("olm")
"""mautrix's own words; it wants a logger with a level more, which its import has made of this one."""
LOG.setLevel(logging.ERROR)  # it warns of every device that is not verified

GROUP_SESSION_ERROR: Any = vars(olm)["OlmGroupSessionError"]  # which it has, but does not say so to type checkers

LONGEST_ID: Final = 255

ACCOUNT: Final = "knockbot"
"""What the bot's account is called in mautrix's tables, which could hold several."""

NOT_REPLACED: Final = (
    "my account has cross-signing keys that were not made from this encryption.pickle_key, and the homeserver does not "
    "let me replace them."
)


# --- what comes of the one secret ---------------------------------------------------------------------------------


def _derived(pickle_key: str, what: str) -> bytes:
    """32 bytes made from the pickle key, of which nothing leads back to it or to the others made from it."""
    return hmac.digest(pickle_key.encode(), f"knockbot {what}".encode(), hashlib.sha256)


def recovery_key(pickle_key: str) -> str:
    """The recovery key of the bot's account, as clients ask for it."""
    return _storage_key(pickle_key).recovery_key


def master_key(pickle_key: str) -> str:
    """The public half of the key that vouches for the bot's devices."""
    return str(_seeds(pickle_key).to_keys().public_keys.master_key)


def _storage_key(pickle_key: str) -> Key:
    """The key of the account's secret storage (client-server API, "Secret storage"). The same secret gives the same."""
    key = _derived(pickle_key, "secret storage")
    iv = unpaddedbase64.encode_base64(_derived(pickle_key, "secret storage iv")[:16])
    metadata = KeyMetadata(algorithm=Algorithm.AES_HMAC_SHA2, iv=iv, mac=calculate_hash(key, iv), name="knockbot")
    return Key(id=_derived(pickle_key, "secret storage id").hex()[:32], key=key, metadata=metadata)


def _seeds(pickle_key: str) -> CrossSigningSeeds:
    return CrossSigningSeeds(
        master_key=_derived(pickle_key, "master key"),
        self_signing_key=_derived(pickle_key, "self-signing key"),
        user_signing_key=_derived(pickle_key, "user-signing key"),
    )


class Cipher:
    """Locks with the pickle key what the bot has yet to say: it may tell what others said in encrypted rooms."""

    def __init__(self, pickle_key: str) -> None:
        self._key = _derived(pickle_key, "what is to be said")

    def lock(self, content: Mapping[str, Any], /) -> Mapping[str, Any]:
        """What can be written down."""
        cipher: Any = AES.new(self._key, AES.MODE_GCM)
        sealed, tag = cipher.encrypt_and_digest(json.dumps(content).encode())
        return {LOCKED: unpaddedbase64.encode_base64(cipher.nonce + tag + sealed)}

    def unlock(self, locked: Mapping[str, Any], /) -> Mapping[str, Any]:
        """What was to be said; what was written down before encryption was allowed is not locked."""
        if LOCKED not in locked:
            return locked
        whole = unpaddedbase64.decode_base64(locked[LOCKED])
        cipher: Any = AES.new(self._key, AES.MODE_GCM, nonce=whole[:16])
        try:
            return dict(json.loads(cipher.decrypt_and_verify(whole[32:], whole[16:32])))
        except ValueError:
            raise Never(because("act.other_key")) from None


# --- mautrix, with our manners ------------------------------------------------------------------------------------


class _Rooms(StateStore):
    """What mautrix asks about rooms: only how often a new one's keys change, which is looked up just before."""

    def __init__(self) -> None:
        self.settings: dict[str, RoomEncryptionStateEventContent] = {}

    async def is_encrypted(self, room_id: str) -> bool:  # noqa: ARG002 - mautrix's interface
        return True

    async def get_encryption_info(self, room_id: str) -> RoomEncryptionStateEventContent:
        return self.settings.get(room_id) or RoomEncryptionStateEventContent(EncryptionAlgorithm.MEGOLM_V1)

    async def find_shared_rooms(self, user_id: str) -> list[Any]:  # noqa: ARG002 - mautrix's interface
        return []  # who has the key of what is said in a room is compared before each message instead


class _Olm(OlmMachine):
    """mautrix's machine, which tells us what arrived, and takes a key only for messages of whoever sent it.

    What anybody says of a key is kept beside what others say of it, by the device that it came from. So nobody's key
    takes the place of another's (docs/decisions/0021).
    """

    def __init__(self, client: Client, store: PgCryptoStore, rooms: _Rooms, in_turn: InTurn) -> None:
        super().__init__(client, store, rooms, LOG)
        self.arrived: set[str] = set()
        self.asked: set[tuple[str, str, str]] = set()
        """Keys that were asked for: room, session, and the only user they are taken from, who sent the message."""
        self.disable_device_change_key_rotation = True
        self._in_turn = in_turn
        self._stale: set[str] = set()
        """Users whose devices have changed since they were looked up."""
        self._looked: Counter[str] = Counter()
        """How often a user was looked up within the hour for a device that was not there."""
        self._hour = 0.0

    # --- keys -------------------------------------------------------------------------------------------------

    async def handle_to_device_event(self, evt: ToDeviceEvent) -> None:
        """Take a room's key. Nothing else that comes encrypted for the device is of use: secrets, requests, m.dummy."""
        content: Any = evt.content
        if not _is_key(content.sender_key):
            raise Unreadable(because("unreadable.no_device"))
        letter = await self._decrypt_olm_event(evt)
        take = {
            EventType.ROOM_KEY: self._receive_room_key,
            EventType.FORWARDED_ROOM_KEY: self._receive_forwarded_room_key,
        }
        if letter.type in take:
            await take[letter.type](letter)
        await self._drop_old_sessions(letter.sender_key)

    async def _receive_room_key(self, evt: DecryptedOlmEvent) -> None:
        content: Any = evt.content
        await self._sending_device(evt)
        session = InboundGroupSession(content.session_key, evt.keys.ed25519, evt.sender_key, content.room_id)
        await self._keep_key(session, content, "")

    async def _receive_forwarded_room_key(self, evt: DecryptedOlmEvent) -> None:
        # Whoever forwards a key says whose it is: from anybody else, that would be a way to speak in another's name.
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
        """See to it that what a letter says of its device is so. Raises `Unreadable`."""
        device = await self.get_or_fetch_device_by_key(letter.sender, letter.sender_key)
        if device is None or device.signing_key != letter.keys.ed25519:
            raise Unreadable(because("unreadable.not_their_device"))
        if letter.sender_device not in (None, device.device_id):
            raise Unreadable(because("unreadable.other_device"))

    async def _keep_key(self, session: InboundGroupSession, content: Any, how: str) -> None:
        """Keep a key under the device it is said to be of, unless there is one of it from as early a message."""
        room_id: Any = content.room_id
        if content.algorithm != EncryptionAlgorithm.MEGOLM_V1 or not is_room_id(room_id):
            raise Unreadable(because("unreadable.unknown_key"))
        if session.id != content.session_id:
            raise Unreadable(because("unreadable.other_session"))
        place = _place(session.id, session.sender_key, how)
        known = await self.crypto_store.get_group_session(room_id, place)
        if known is None or session.first_known_index < known.first_known_index:
            await self.crypto_store.put_group_session(room_id, session.sender_key, place, session)
            self.arrived.add(str(session.id))

    async def keys_of(self, room_id: Any, session_id: str, sender: Any) -> list[tuple[Any, Any]]:
        """The keys of a session that devices of this sender are said to have made, each with its device."""
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
        """Keep the latest few sessions with a device: each letter of it is tried with all of them."""
        store: Any = self.crypto_store
        for session in (await store.get_sessions(sender_key))[MOST_SESSIONS:]:
            store._olm_cache[sender_key].pop(session.id, None)  # noqa: SLF001 - there is no other way
            await store.db.execute("DELETE FROM crypto_olm_session WHERE session_id = $1", session.id)

    async def _unwedge_session(self, sender: Any, sender_key: Any) -> None:
        """Begin a new session with a device whose letters do not open. mautrix would try so beside all other steps."""
        if len(self._prev_unwedge) > MOST_REMEMBERED:
            self._prev_unwedge.clear()
        await self._in_turn(super()._unwedge_session(sender, sender_key))

    # --- devices ----------------------------------------------------------------------------------------------

    async def changed(self, users: Iterable[str]) -> None:
        """The devices of these users have changed: they are looked up when they are next needed."""
        for batch in batched(users, CHANGED):
            self._stale.update(await self.crypto_store.filter_tracked_users(batch))

    async def devices(self, user_id: Any) -> dict[Any, DeviceIdentity]:
        """The devices of somebody as they are now; as they were last, where their server does not say."""
        await self.look_up([user_id])
        return await self.crypto_store.get_devices(user_id) or {}

    async def get_or_fetch_device_by_key(self, user_id: UserID, identity_key: IdentityKey) -> DeviceIdentity | None:
        """The device of somebody that has this key. It is asked for anew a few times an hour at most."""
        await self.look_up([user_id])
        device = await self.crypto_store.find_device_by_key(user_id, identity_key)
        if device is None and self._may_look_again(user_id):
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
        """Ask for the devices of those of whom nothing is known, or nothing current."""
        unknown = [u for u in users if u in self._stale or await self.crypto_store.get_devices(u) is None]
        for batch in batched(unknown, LOOKED_UP):
            await self._fetch(batch)

    async def _fetch(self, users: list[Any]) -> None:
        """One by one: what is wrong with one answer must not spoil another's, nor one device another."""
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
        for user_id in users:
            devices = mapping(found.get("device_keys")).get(user_id)
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
        """Have a session with each of these devices; returns those with which there is one."""
        devices = list(devices)
        strange = [one for one in devices if not await self.crypto_store.has_session(one.identity_key)]
        if strange:
            wanted: dict[str, dict[str, str]] = {}
            for one in strange:
                wanted.setdefault(one.user_id, {})[one.device_id] = "signed_curve25519"
            query = {"one_time_keys": wanted, "timeout": AWAY}
            answer = await self.client.api.request(Method.POST, "_matrix/client/v3/keys/claim", query)
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
        except Exception as error:  # it has no one-time keys, or its answer makes no sense
            log.debug("no session with %s of %s: %s", device.device_id, device.user_id, type(error).__name__)


FORWARDED: Final = "forwarded"
"""Marks keys that were passed on, which stand beside the device's own: whoever passed them on may have made them up."""

InTurn = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]

HOUR: Final = 3600.0

LOOKS_AN_HOUR: Final = 10
"""How often a user is looked up for a device that was not there; for one that was told of, as often as it is."""

AWAY: Final = 5_000
"""Milliseconds that the homeserver may wait for other servers to tell of their users' devices."""

MOST_DEVICES: Final = 100
"""Devices of one user that get keys and are heard; those that their owner has signed come first."""

MOST_SESSIONS: Final = 10
"""Sessions kept with one device."""

MOST_REMEMBERED: Final = 1_000

CHANGED: Final = 500
"""Users whose devices have changed that one statement finds."""

LOOKED_UP, GIVEN = 50, 10
"""Users looked up, and devices given a key, before others have their turn."""


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """These, a few at a time."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _place(session_id: str, sender_key: str, how: str) -> Any:
    """Where the key of a session is kept that a device is said to have made: a name as long as that of a session."""
    return unpaddedbase64.encode_base64(hashlib.sha256(f"{session_id} {sender_key} {how}".encode()).digest())


_KEY = re.compile("[A-Za-z0-9+/]{43}")


def _is_key(value: Any) -> bool:
    """Whether this is a public key, or what is named by one: a session."""
    return isinstance(value, str) and _KEY.fullmatch(value) is not None


def _is_storable(value: Any) -> bool:
    text = json.dumps(value, ensure_ascii=False)
    return storable(text) == text and r"\u0000" not in text


def _sound(user_id: str, devices: Mapping[str, Any], found: Mapping[str, Any]) -> QueryKeysResponse:
    """What an answer says of one user, without what makes no sense."""
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
            if _is_key(keys.ed25519) and _is_key(keys.curve25519) and _is_storable([device_id, bare]):
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


async def forget_keys(db: Database, now: int) -> None:
    """Forget the bot's device and all its keys; it gets another one when it is started.

    Raises `Unavailable` while a process has them.
    """
    await db.upgrade_also(PgCryptoStore.upgrade_table, KEY_TABLES[0])
    async with db.tx() as tx:
        if not db.alone and await processes.is_held(tx, LEASE, now):
            raise Unavailable("a knockbot is using the keys: stop it first")
        for table in KEY_TABLES:
            await tx.execute(f"DELETE FROM {table}")  # noqa: S608 - names from below
        await encryption.forget(tx)


KEY_TABLES: Final = (
    "crypto_account",
    "crypto_olm_session",
    "crypto_megolm_inbound_session",
    "crypto_megolm_outbound_session",
    "crypto_message_index",
    "crypto_tracked_user",
    "crypto_device",
    "crypto_cross_signing_keys",
    "crypto_cross_signing_signatures",
)
"""mautrix's tables; what was first seen of other people's keys goes as well."""


UNMET_PAUSE: Final = 600.0
"""Seconds after which devices that could not be given a room's key are tried again, with a new one."""


class WrongKey(Unavailable):
    """The keys in the database do not open with this pickle key."""


# --- the machine --------------------------------------------------------------------------------------------------


class Machine:
    """The bot's device: reads and writes what is encrypted. One process has it at a time.

    A call that is cancelled goes on to its end: mautrix would leave its keys half written. Every method may raise
    `Later` and `Never`.
    """

    def __init__(self, db: Database, bot: str, pickle_key: str) -> None:
        self._db = db
        self._bot = bot
        self._pickle_key = pickle_key
        self._store = self._open_store()
        self._rooms = _Rooms()
        self._turn = asyncio.Lock()
        self._sharing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """What is to be said in one room waits for its turn there."""
        self._again: dict[str, float] = {}
        """When to try once more to reach every device in a room, where some could not be."""
        self._running: set[asyncio.Task[Any]] = set()
        self._client: Client
        self._olm: _Olm

    def _open_store(self) -> PgCryptoStore:
        return PgCryptoStore(ACCOUNT, _derived(self._pickle_key, "pickle").hex(), self._db.pool)

    async def prepare(self) -> None:
        """Have mautrix's tables, and see whether the pickle key opens what is in them."""
        await self._db.upgrade_also(PgCryptoStore.upgrade_table, KEY_TABLES[0])
        try:
            await self._store.get_account()
        except Exception as error:
            raise WrongKey(
                "the keys of the bot's device in the database do not open with encryption.pickle_key: give it the "
                'value it had, or have the bot begin with a new device: "knockbot forget-keys"'
            ) from error

    async def begin(self, api: DeviceApi, device_id: str, *, anew: bool) -> None:
        """Be this device from now on; `anew` forgets the keys of the last one."""
        if anew:
            await self._whole(self._store.delete())
        self._store = self._open_store()  # what the last one had in mind may be old by now
        self._client = Client(mxid=self._bot, device_id=device_id, api=api)
        self._olm = _Olm(self._client, self._store, self._rooms, self._whole)
        await self._whole(self._load(device_id))

    async def _load(self, device_id: Any) -> None:
        await self._olm.load()
        await self._store.put_device_id(device_id)
        await self._olm.share_keys()

    async def end(self) -> None:
        """Return once nothing is half written."""
        while self._running:
            await asyncio.wait(self._running)

    async def _whole(self, step: Any) -> Any:
        """Run one step to its end, one after the other, whoever waits for it or gives up waiting."""
        task = asyncio.ensure_future(self._alone(step))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _alone(self, step: Any) -> Any:
        async with self._turn:
            return await step

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody else needs to hear of it

    # --- who I am ---------------------------------------------------------------------------------------------

    async def is_on_server(self) -> bool:
        """Whether the homeserver has this device's keys."""
        found = await self._client.api.request(
            Method.POST, "_matrix/client/v3/keys/query", {"device_keys": {self._bot: [self._client.device_id]}}
        )
        device = mapping(mapping(mapping(found.get("device_keys")).get(self._bot)).get(self._client.device_id))
        mine = self._olm.account
        return mine is not None and mine.signing_key in mapping(device.get("keys")).values()

    async def vouch_for_device(self, service: DeviceApi) -> str | None:
        """Have the device signed by the account's own keys, so that clients show it as verified.

        Returns why that cannot be, in words for the server admin, or `None`. `service` is the API by the service's own
        token.
        """
        try:
            await self._whole(self._cross_sign(service))
        except Never as error:
            return NOT_REPLACED if error.code == PASSWORD_WANTED else in_words(error.why)
        return None

    async def _cross_sign(self, service: DeviceApi) -> None:
        """The account's keys come of the pickle key, so they are the same for each device that follows."""
        seeds = _seeds(self._pickle_key)
        keys = seeds.to_keys()
        found = await self._client.api.request(
            Method.POST, "_matrix/client/v3/keys/query", {"device_keys": {self._bot: []}}
        )
        master = mapping(mapping(mapping(found.get("master_keys")).get(self._bot)).get("keys"))
        if keys.public_keys.master_key not in master.values():
            await self._publish(keys, service)
        await self._keep_secrets(seeds)
        device = mapping(mapping(mapping(found.get("device_keys")).get(self._bot)).get(self._client.device_id))
        signatures = mapping(mapping(device.get("signatures")).get(self._bot))
        if f"ed25519:{keys.public_keys.self_signing_key}" not in signatures:
            self._olm._import_cross_signing_keys(seeds)  # noqa: SLF001 - as above
            await self._olm.sign_own_device(self._olm.own_identity)

    async def _publish(self, keys: CrossSigningPrivateKeys, service: DeviceApi) -> None:
        """Make these the account's keys.

        Where there are others already, whose pickle key is lost, Synapse wants a password of a device's token; of the
        service's own it wants none.
        """
        by_device = self._client.api
        try:
            await self._olm._publish_cross_signing_keys(keys)  # noqa: SLF001 - mautrix's public way makes its own secret
        except Never as error:
            if error.code != PASSWORD_WANTED:
                raise
            self._client.api = service
            await self._olm._publish_cross_signing_keys(keys)  # noqa: SLF001 - as above
        finally:
            self._client.api = by_device

    async def _keep_secrets(self, seeds: CrossSigningSeeds) -> None:
        """Put the account's keys into its secret storage, where the recovery key opens them for any client."""
        key, ssss = _storage_key(self._pickle_key), self._olm.ssss
        try:
            if await ssss.get_default_key_id() == key.id:
                return
        except Never:
            pass  # there is none yet
        await ssss.set_key_data(key.id, key.metadata)
        await self._olm._upload_cross_signing_keys_to_ssss(key, seeds)  # noqa: SLF001 - as above
        await ssss.set_default_key_id(key.id)

    # --- mail -------------------------------------------------------------------------------------------------

    async def take(self, kind: str, content: Mapping[str, Any]) -> frozenset[str]:
        """Take in what came for the device; returns the sessions whose keys have arrived."""
        take = {
            encryption.TO_DEVICE: self._take_message,
            encryption.DEVICE_LISTS: self._take_device_lists,
            encryption.KEY_COUNTS: self._take_key_counts,
        }[kind]
        self._olm.arrived.clear()
        await self._whole(take(content))
        return frozenset(self._olm.arrived)

    async def _take_message(self, content: Mapping[str, Any]) -> None:
        try:
            event = ToDeviceEvent.deserialize(json.loads(json.dumps(content)))
            if event.type == EventType.TO_DEVICE_ENCRYPTED:
                await self._olm.handle_to_device_event(event)
        except (ActionError, *DATABASE_AWAY):
            raise
        except Exception as error:  # a stranger wrote it: whatever is wrong with it is no fault of ours
            sender = Id(str(content.get("sender"))[:LONGEST_ID])
            raise Unreadable(because("unreadable.mail", user=sender, why=reason(error))) from error

    async def _take_device_lists(self, content: Mapping[str, Any]) -> None:
        changed = content.get("changed")
        users = [user for user in (changed if isinstance(changed, list) else []) if isinstance(user, str)]
        await self._olm.changed(user for user in users if is_user_id(user) and storable(user) == user)

    async def _take_key_counts(self, content: Mapping[str, Any]) -> None:
        left = content.get("signed_curve25519", 0)
        await self._olm.handle_otk_count(DeviceOTKCount(signed_curve25519=left if isinstance(left, int) else 0))

    # --- reading ----------------------------------------------------------------------------------------------

    async def open(self, event: Mapping[str, Any]) -> Opened:
        """Read an encrypted event. Raises `KeyMissing`, and `Unreadable` for what no key will open."""
        opened: Opened = await self._whole(self._open(event))
        return opened

    async def _open(self, event: Mapping[str, Any]) -> Opened:
        """Whose device it is from comes first: what is no message of its sender must not count as read."""
        content = mapping(event.get("content"))
        session_id, ciphertext = content.get("session_id"), content.get("ciphertext")
        event_id: Any = _text(event, "event_id")
        if content.get("algorithm") != MEGOLM or not isinstance(ciphertext, str) or not _is_key(session_id):
            raise Unreadable(because("unreadable.unknown_algorithm"))
        session, device, plaintext, index = await self._decrypted(event, str(session_id), ciphertext)
        unsealed = _unsealed(event, content, plaintext)
        key, name, sent_at = session.sender_key, session.id, _time(event)
        if not await self._store.validate_message_index(key, name, event_id, index, sent_at):
            raise Unreadable(because("unreadable.copy"))
        return Opened(unsealed, verified=await self._is_verified(session, device))

    async def _decrypted(self, event: Mapping[str, Any], session_id: str, ciphertext: str) -> tuple[Any, Any, str, int]:
        """What an event holds, by a key of one of its sender's devices: nobody passes on what another has said."""
        for session, device in await self._keys(event, session_id):
            try:
                return session, device, *session.decrypt(ciphertext)
            except Exception as error:  # a stranger wrote it
                if not (isinstance(error, GROUP_SESSION_ERROR) and "UNKNOWN_MESSAGE_INDEX" in str(error)):
                    raise Unreadable(because("unreadable.does_not_open")) from error
        raise KeyMissing(session_id)  # there is none, or only from a later message on

    async def _keys(self, event: Mapping[str, Any], session_id: Any) -> list[tuple[Any, Any]]:
        room_id: Any = event["room_id"]
        if event["sender"] != self._bot:
            return await self._olm.keys_of(room_id, session_id, event["sender"])
        mine = self._olm.own_identity
        session = await self._olm._kept(room_id, session_id)  # noqa: SLF001 - as the room's own key is kept by mautrix
        return [(session, mine)] if session is not None and session.sender_key == mine.identity_key else []

    async def _is_verified(self, session: Any, device: Any) -> bool:
        """Whether the device that a message is from is signed by its owner's keys, as they were first seen."""
        if device.user_id == self._bot:
            return True
        if session.forwarding_chain:
            return False  # whoever forwarded the key may have made it up
        trust = await self._olm.resolve_trust(device, allow_fetch=False)
        return bool(trust >= TrustState.CROSS_SIGNED_TOFU)

    async def ask_for_key(self, event: Mapping[str, Any]) -> None:
        """Ask whoever sent a message, and nobody else, for the key it takes (client-server API, "Key requests")."""
        content = mapping(event.get("content"))
        session_id: Any = content.get("session_id")
        named = content.get("sender_key")  # which clients do not have to say any more
        sender_key: Any = named if isinstance(named, str) else ""
        every_device: Any = {event["sender"]: ["*"]}
        if len(self._olm.asked) > MOST_REMEMBERED:
            self._olm.asked.clear()
        self._olm.asked.add((str(event["room_id"]), session_id, str(event["sender"])))
        await self._whole(self._olm.request_room_key(event["room_id"], sender_key, session_id, every_device, timeout=0))

    # --- writing ----------------------------------------------------------------------------------------------

    async def seal(
        self,
        room_id: Any,
        event_type: str,
        content: Mapping[str, Any],
        members: Collection[str],
        settings: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The encrypted form of what is to be said to these members; each device of theirs gets the key first.

        `settings` is the content of the room's m.room.encryption.
        """
        if settings.get("algorithm") != MEGOLM:
            raise Never(because("act.unknown_encryption"))
        async with self._sharing[room_id]:
            await self._share(room_id, sorted(members), settings)
            sealed: dict[str, Any] = await self._whole(self._seal(room_id, event_type, content))
        return sealed

    async def _seal(self, room_id: Any, event_type: str, content: Mapping[str, Any]) -> dict[str, Any]:
        sealed = await self._olm.encrypt_megolm_event(room_id, EventType.find(event_type), dict(content))
        relation = {"m.relates_to": content["m.relates_to"]} if "m.relates_to" in content else {}
        return {**sealed.serialize(), **relation}

    async def _share(self, room_id: Any, members: list[str], settings: Mapping[str, Any]) -> None:
        """See to it that just the devices that are there now have the key: a new one, where that has changed.

        A few devices at a time: other rooms do not wait for as many as there may be in this one.
        """
        for batch in batched(members, LOOKED_UP):
            await self._whole(self._olm.look_up(batch))
        devices = await self._devices(members)
        digest = _digest(devices)
        if await self._whole(self._is_shared(room_id, digest)):
            return
        session = await self._whole(self._new_key(room_id, settings))
        met = 0
        for batch in batched(devices, GIVEN):
            met += await self._whole(self._give_key(session, batch))
        self._again[room_id] = UNMET_PAUSE + monotonic() if met < len(devices) else inf
        await self._whole(self._shared(room_id, session, digest))

    async def _is_shared(self, room_id: Any, digest: str) -> bool:
        session = await self._store.get_outbound_group_session(room_id)
        async with self._db.tx() as tx:
            shared = await encryption.shared_with(tx, room_id)
        is_ours = session is not None and session.shared and not session.expired
        return is_ours and shared == digest and monotonic() < self._again.get(room_id, inf)

    async def _new_key(self, room_id: Any, settings: Mapping[str, Any]) -> Any:
        await self._store.remove_outbound_group_session(room_id)
        self._rooms.settings[room_id] = _rotation(settings)
        return await self._olm._new_outbound_group_session(room_id)  # noqa: SLF001 - mautrix's own sharing is one step

    async def _give_key(self, session: Any, devices: list[DeviceIdentity]) -> int:
        """Send a key to these devices; returns to how many of them that could be."""
        letters: Any = {}
        for olm_session, device in await self._olm.meet(devices):
            letter = await self._olm._encrypt_olm_event(  # noqa: SLF001 - as above
                olm_session, device, EventType.ROOM_KEY, session.share_content
            )
            letters.setdefault(device.user_id, {})[device.device_id] = letter
        if letters:
            await self._client.send_to_device(EventType.TO_DEVICE_ENCRYPTED, letters)
        return sum(map(len, letters.values()))

    async def _shared(self, room_id: str, session: Any, digest: str) -> None:
        session.shared = True
        await self._store.add_outbound_group_session(session)
        async with self._db.tx() as tx:
            await encryption.share(tx, room_id, digest)

    async def _devices(self, members: Iterable[Any]) -> list[DeviceIdentity]:
        """Every device of these users but the bot's own."""
        found = []
        for user_id in members:
            devices = await self._store.get_devices(user_id) or {}
            found += [devices[device_id] for device_id in sorted(devices)]
        return [one for one in found if (one.user_id, one.device_id) != (self._bot, self._client.device_id)]

    async def forget_users(self) -> None:
        """Ask for everybody's devices anew when they are next needed: what changed meanwhile was not told."""
        await self._db.pool.execute("DELETE FROM crypto_tracked_user")


def _digest(devices: Iterable[DeviceIdentity]) -> str:
    told = [(one.user_id, one.device_id, one.identity_key) for one in devices]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _time(event: Mapping[str, Any]) -> int:
    """When an event says that it was sent, where that can be stored."""
    at = event.get("origin_server_ts")
    return at if isinstance(at, int) and 0 <= at < 2**53 else 0


def _rotation(settings: Mapping[str, Any]) -> RoomEncryptionStateEventContent:
    """How often a room wants its keys changed; nonsense is as if nothing stood there (client-server API)."""
    period, messages = settings.get("rotation_period_ms"), settings.get("rotation_period_msgs")
    return RoomEncryptionStateEventContent(
        algorithm=EncryptionAlgorithm.MEGOLM_V1,
        rotation_period_ms=_positive(period, 604_800_000),
        rotation_period_msgs=_positive(messages, 100),
    )


def _positive(value: Any, default: int) -> int:
    return min(value, default * 10) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default


def _unsealed(event: Mapping[str, Any], around: Mapping[str, Any], plaintext: str) -> dict[str, Any]:
    """The event that was inside; what it relates to stands outside."""
    try:
        inside = nesting.read(plaintext)
    except ValueError:
        inside = None
    if not isinstance(inside, dict) or not isinstance(inside.get("content"), dict):
        raise Unreadable(because("unreadable.nonsense"))
    if inside.get("room_id") != event["room_id"]:
        raise Unreadable(because("unreadable.other_room"))
    relation = {"m.relates_to": around["m.relates_to"]} if "m.relates_to" in around else {}
    kind = inside.get("type")
    return {**event, "type": kind if isinstance(kind, str) else None, "content": {**inside["content"], **relation}}


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > LONGEST_ID:
        raise Unreadable(because("unreadable.no_field", field=Code(key)))
    return value
