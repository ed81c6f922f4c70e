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
from collections.abc import Collection, Iterable, Mapping
from math import inf
from time import monotonic
from typing import Any, Final

import olm
import unpaddedbase64
from Crypto.Cipher import AES
from mautrix.api import Method
from mautrix.client import Client
from mautrix.crypto import OlmMachine, PgCryptoStore, StateStore
from mautrix.crypto.cross_signing_key import CrossSigningPrivateKeys, CrossSigningSeeds
from mautrix.crypto.ssss.key import Key, KeyMetadata
from mautrix.crypto.ssss.types import Algorithm
from mautrix.crypto.ssss.util import calculate_hash
from mautrix.errors import GroupSessionWithheldError
from mautrix.types import (
    DecryptedOlmEvent,
    DeviceOTKCount,
    EncryptionAlgorithm,
    EventType,
    RoomEncryptionStateEventContent,
    ToDeviceEvent,
    TrustState,
)

from knockbot.domain.ids import is_user_id
from knockbot.errors import ActionError, Never, Unavailable
from knockbot.flow.door import LOCKED
from knockbot.flow.sealed import MEGOLM, KeyMissing, Opened, Unreadable
from knockbot.matrix.events import mapping
from knockbot.matrix.homeserver import PASSWORD_WANTED, DeviceApi
from knockbot.matrix.keyring import LEASE
from knockbot.store import encryption, processes
from knockbot.store.db import Database

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


class Locker:
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
            raise Never("it was written down under another encryption.pickle_key.") from None


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
    """mautrix's machine, which tells us what arrived, and takes forwarded keys only where we asked for them."""

    def __init__(self, client: Client, store: PgCryptoStore, rooms: _Rooms) -> None:
        super().__init__(client, store, rooms, LOG)
        self.arrived: set[str] = set()
        self.asked: dict[str, str] = {}
        """Sessions whose keys were asked for, and the only user they are taken from: whoever sent the message."""
        self.disable_device_change_key_rotation = True

    def _mark_session_received(self, session_id: Any) -> None:
        super()._mark_session_received(session_id)
        self.arrived.add(str(session_id))

    async def _receive_forwarded_room_key(self, evt: DecryptedOlmEvent) -> None:
        # Whoever forwards a key says whose it is: from anybody else, that would be a way to speak in another's name.
        content: Any = evt.content
        wanted_from = self.asked.get(str(content.session_id))
        device = await self.get_or_fetch_device_by_key(evt.sender, evt.sender_key)
        if wanted_from is None or wanted_from != evt.sender or device is None:
            log.warning("%s forwarded a key that I did not ask them for; it is not taken", evt.sender)
            return
        await super()._receive_forwarded_room_key(evt)


async def forget_keys(db: Database, now: int) -> None:
    """Forget the bot's device and all its keys; it gets another one when it is started.

    Raises `Unavailable` while a process has them.
    """
    await db.upgrade_also(PgCryptoStore.upgrade_table)
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
        self._again: dict[str, float] = {}
        """When to try once more to reach every device in a room, where some could not be."""
        self._running: set[asyncio.Task[Any]] = set()
        self._client: Client
        self._olm: _Olm

    def _open_store(self) -> PgCryptoStore:
        return PgCryptoStore(ACCOUNT, _derived(self._pickle_key, "pickle").hex(), self._db.pool)

    async def prepare(self) -> None:
        """Have mautrix's tables, and see whether the pickle key opens what is in them."""
        await self._db.upgrade_also(PgCryptoStore.upgrade_table)
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
        self._olm = _Olm(self._client, self._store, self._rooms)
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
            return NOT_REPLACED if error.code == PASSWORD_WANTED else error.why
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
        except ActionError:
            raise
        except Exception as error:  # a stranger wrote it: whatever is wrong with it is no fault of ours
            log.warning("a message of %s to my device cannot be read: %s", content.get("sender"), type(error).__name__)

    async def _take_device_lists(self, content: Mapping[str, Any]) -> None:
        changed = content.get("changed")
        users: list[Any] = [user for user in (changed if isinstance(changed, list) else []) if isinstance(user, str)]
        for user_id in await self._store.filter_tracked_users([user for user in users if is_user_id(user)]):
            await self._look_up(user_id)

    async def _take_key_counts(self, content: Mapping[str, Any]) -> None:
        left = content.get("signed_curve25519", 0)
        await self._olm.handle_otk_count(DeviceOTKCount(signed_curve25519=left if isinstance(left, int) else 0))

    async def _look_up(self, user_id: Any) -> None:
        """Ask for somebody's devices anew. One by one: what is wrong with one answer must not spoil another's."""
        try:
            await self._olm._fetch_keys([user_id], include_untracked=True)  # noqa: SLF001 - there is no other way
        except ActionError:
            raise
        except Exception as error:  # again, a stranger wrote it
            log.warning("the devices of %s cannot be read: %s", user_id, type(error).__name__)

    # --- reading ----------------------------------------------------------------------------------------------

    async def open(self, event: Mapping[str, Any]) -> Opened:
        """Read an encrypted event. Raises `KeyMissing`, and `Unreadable` for what no key will open."""
        opened: Opened = await self._whole(self._open(event))
        return opened

    async def _open(self, event: Mapping[str, Any]) -> Opened:
        content = mapping(event.get("content"))
        session_id, ciphertext, event_id = (
            _text(content, "session_id"),
            content.get("ciphertext"),
            _text(event, "event_id"),
        )
        if content.get("algorithm") != MEGOLM or not isinstance(ciphertext, str):
            raise Unreadable("it is encrypted in a way that I do not know")
        room_id, sender = str(event["room_id"]), str(event["sender"])
        session = await self._session(room_id, session_id)
        try:
            plaintext, index = session.decrypt(ciphertext)
        except GROUP_SESSION_ERROR as error:
            if "UNKNOWN_MESSAGE_INDEX" in str(error):
                raise KeyMissing(session_id) from error  # we have the key from a later message on only
            raise Unreadable("it does not open with its key") from error
        sent_at = event.get("origin_server_ts")
        is_new = await self._store.validate_message_index(
            session.sender_key,
            session.id,
            event_id,  # type: ignore[arg-type]  # an EventID is a str
            index,
            sent_at if isinstance(sent_at, int) else 0,
        )
        if not is_new:
            raise Unreadable("it is a copy of another message")
        verified = await self._is_verified(sender, session)
        return Opened(_unsealed(event, content, plaintext), verified=verified)

    async def _session(self, room_id: Any, session_id: Any) -> Any:
        try:
            session = await self._store.get_group_session(room_id, session_id)
        except GroupSessionWithheldError:
            session = None
        if session is None:
            raise KeyMissing(session_id)
        return session

    async def _is_verified(self, sender: Any, session: Any) -> bool:
        """Whether the device that a message is from is signed by its owner's keys, as they were first seen.

        Raises `Unreadable` where it is no device of the sender: then somebody passes on what another has said.
        """
        mine = self._olm.account
        if sender == self._bot and mine is not None and session.sender_key == mine.identity_key:
            return True
        device = await self._olm.get_or_fetch_device_by_key(sender, session.sender_key)
        if device is None or device.signing_key != session.signing_key:
            raise Unreadable("it is from a device that is not its sender's")
        if session.forwarding_chain:
            return False  # whoever forwarded the key may have made it up
        return bool(await self._olm.resolve_trust(device) >= TrustState.CROSS_SIGNED_TOFU)

    async def ask_for_key(self, event: Mapping[str, Any]) -> None:
        """Ask whoever sent a message, and nobody else, for the key it takes (client-server API, "Key requests")."""
        content = mapping(event.get("content"))
        session_id: Any = _text(content, "session_id")
        named = content.get("sender_key")  # which clients do not have to say any more
        sender_key: Any = named if isinstance(named, str) else ""
        every_device: Any = {event["sender"]: ["*"]}
        self._olm.asked[session_id] = event["sender"]
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
        sealed: dict[str, Any] = await self._whole(self._seal(room_id, event_type, content, members, settings))
        return sealed

    async def _seal(
        self,
        room_id: Any,
        event_type: str,
        content: Mapping[str, Any],
        members: Collection[str],
        settings: Mapping[str, Any],
    ) -> dict[str, Any]:
        if settings.get("algorithm") != MEGOLM:
            raise Never("this room is encrypted in a way that I do not know.")
        await self._share(room_id, sorted(members), settings)
        sealed = await self._olm.encrypt_megolm_event(room_id, EventType.find(event_type), dict(content))
        relation = {"m.relates_to": content["m.relates_to"]} if "m.relates_to" in content else {}
        return {**sealed.serialize(), **relation}

    async def _share(self, room_id: Any, members: list[str], settings: Mapping[str, Any]) -> None:
        """See to it that just the devices that are there now have the key: a new one, where that has changed."""
        devices = await self._devices(members)
        digest = hashlib.sha256(json.dumps(devices).encode()).hexdigest()
        session = await self._store.get_outbound_group_session(room_id)
        async with self._db.tx() as tx:
            shared = await encryption.shared_with(tx, room_id)
        is_ours = session is not None and session.shared and not session.expired
        if is_ours and shared == digest and monotonic() < self._again.get(room_id, inf):
            return
        await self._store.remove_outbound_group_session(room_id)
        self._rooms.settings[room_id] = _rotation(settings)
        users: list[Any] = sorted({user_id for user_id, *_ in devices})
        await self._meet(users)
        await self._olm.share_group_session(room_id, users)
        unmet = [user_id for user_id, _, key in devices if not await self._store.has_session(key)]
        self._again[room_id] = UNMET_PAUSE + monotonic() if set(unmet) - {self._bot} else inf
        async with self._db.tx() as tx:
            await encryption.share(tx, room_id, digest)

    async def _devices(self, members: Iterable[Any]) -> list[tuple[str, str, Any]]:
        """Every device of these users: whose, which, and its key."""
        found = []
        for user_id in members:
            devices = await self._store.get_devices(user_id)
            if devices is None:
                await self._look_up(user_id)
                devices = await self._store.get_devices(user_id)
            found += [(user_id, str(device_id), str(one.identity_key)) for device_id, one in (devices or {}).items()]
        return sorted(found)

    async def _meet(self, users: Iterable[Any]) -> None:
        """Have a session with each device that has none. mautrix would go on without those it failed to reach."""
        for user_id in users:
            devices = await self._store.get_devices(user_id) or {}
            others = {k: one for k, one in devices.items() if (user_id, k) != (self._bot, self._client.device_id)}
            try:
                await self._olm._create_outbound_sessions({user_id: others})  # noqa: SLF001 - there is no other way
            except ActionError:
                raise
            except Exception as error:  # one without one-time keys, or an answer that makes no sense
                log.warning("no session with a device of %s: %s", user_id, type(error).__name__)

    async def forget_users(self) -> None:
        """Ask for everybody's devices anew when they are next needed: what changed meanwhile was not told."""
        await self._db.pool.execute("DELETE FROM crypto_tracked_user")


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
        inside = json.loads(plaintext)
    except (ValueError, RecursionError):
        inside = None
    if not isinstance(inside, dict) or not isinstance(inside.get("content"), dict):
        raise Unreadable("what is inside makes no sense")
    if inside.get("room_id") != event["room_id"]:
        raise Unreadable("it was said in another room")
    relation = {"m.relates_to": around["m.relates_to"]} if "m.relates_to" in around else {}
    return {**event, "type": inside.get("type"), "content": {**inside["content"], **relation}}


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > LONGEST_ID:
        raise Unreadable(f"it has no usable {key}")
    return value
