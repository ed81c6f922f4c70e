"""The bot's device: it uses mautrix's crypto and implements `keyring.Machine`, so that another library can replace it.

It needs the extra `knockbot[e2ee]`; nothing imports it where encryption is not allowed. mautrix's OlmMachine keeps the
keys and talks to the homeserver. Events that strangers wrote in rooms are read here, as raw JSON: mautrix's typed
events fail on many of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from math import inf
from time import monotonic
from typing import Any, Final

import olm
from mautrix.api import Method
from mautrix.client import Client
from mautrix.crypto import PgCryptoStore
from mautrix.crypto.cross_signing_key import CrossSigningPrivateKeys, CrossSigningSeeds
from mautrix.types import (
    DeviceIdentity,
    DeviceOTKCount,
    EncryptionAlgorithm,
    EventType,
    RoomEncryptionStateEventContent,
    ToDeviceEvent,
    TrustState,
)

from knockbot.documents.text import storable
from knockbot.domain import nesting
from knockbot.domain.ids import is_user_id
from knockbot.domain.notices import Code, Id, because
from knockbot.domain.reasons import in_words
from knockbot.errors import ActionError, Never, Unavailable, reason
from knockbot.flow.keys import MEGOLM, KeyMissing, Opened, Unreadable
from knockbot.matrix.api import PASSWORD_WANTED, DeviceApi
from knockbot.matrix.crypto.keyring import LEASE
from knockbot.matrix.crypto.olm import GIVEN, LOOKED_UP, MOST_REMEMBERED, Olm, Rooms, Store, batched, is_key
from knockbot.matrix.crypto.secret import derived, seeds_of, storage_key
from knockbot.matrix.events import mapping
from knockbot.store import encryption, processes
from knockbot.store.db import DATABASE_AWAY, Database

log = logging.getLogger("knockbot.crypto")

GROUP_SESSION_ERROR: Any = vars(olm)["OlmGroupSessionError"]  # which it has, but does not say so to type checkers

LONGEST_ID: Final = 255

ACCOUNT: Final = "knockbot"
"""The name of the bot's account in mautrix's tables, which could hold several."""

NOT_REPLACED: Final = (
    "my account has cross-signing keys that were not made from this encryption.pickle_key, and the homeserver does not "
    "let me replace them."
)


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
"""mautrix's tables; the first keys seen of other people are deleted as well."""


UNMET_PAUSE: Final = 600.0
"""Seconds after which knockbot tries again, with a new room key, to reach devices that could not get the key."""


class WrongKey(Unavailable):
    """The keys in the database do not open with this pickle key."""


# --- the machine --------------------------------------------------------------------------------------------------


class Machine:
    """The bot's device: reads and writes what is encrypted. One process has it at a time.

    A call that is cancelled still runs to its end: otherwise mautrix would leave its keys half written. Every method
    may raise `Later` and `Never`.
    """

    def __init__(self, db: Database, bot: str, pickle_key: str) -> None:
        self._db = db
        self._bot = bot
        self._pickle_key = pickle_key
        self._store = self._open_store()
        self._rooms = Rooms()
        self._turn = asyncio.Lock()
        self._sharing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """Messages to one room wait for their turn here."""
        self._again: dict[str, float] = {}
        """When to try once more to reach every device in a room, if some could not be reached."""
        self._running: set[asyncio.Task[Any]] = set()
        self._client: Client
        self._olm: Olm

    def _open_store(self) -> Store:
        return Store(ACCOUNT, derived(self._pickle_key, "pickle").hex(), self._db.pool)

    async def prepare(self) -> None:
        """Create mautrix's tables, and check whether the pickle key opens their content."""
        await self._db.upgrade_also(PgCryptoStore.upgrade_table, KEY_TABLES[0])
        try:
            await self._store.get_account()
        except Exception as error:
            raise WrongKey(
                "the keys of the bot's device in the database do not open with encryption.pickle_key: give it the "
                'value it had, or have the bot begin with a new device: "knockbot forget-keys"'
            ) from error

    async def begin(self, api: DeviceApi, device_id: str, *, anew: bool) -> None:
        """Use this device from now on; `anew` forgets the keys of the last one."""
        if anew:
            await self._whole(self._store.delete())
        self._store = self._open_store()  # the cache of the last one may be old by now
        self._client = Client(mxid=self._bot, device_id=device_id, api=api)
        self._olm = Olm(self._client, self._store, self._rooms, self._whole)
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
        """Run one step to its end, one step at a time, even if the caller stops waiting for it."""
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
            task.exception()  # the caller that waited has it; nobody else needs it

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

        Returns why that is not possible, in words for the server admin, or `None`. `service` is the API with the
        service's own token.
        """
        try:
            await self._whole(self._cross_sign(service))
        except Never as error:
            return NOT_REPLACED if error.code == PASSWORD_WANTED else in_words(error.why)
        return None

    async def _cross_sign(self, service: DeviceApi) -> None:
        """The account's keys are derived from the pickle key, so they are the same for each later device."""
        seeds = seeds_of(self._pickle_key)
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

        If the account already has other keys, whose pickle key is lost, Synapse asks for a password when a device's
        token is used, but not when the service's own token is used.
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
        """Put the account's keys into its secret storage, so that the recovery key opens them for any client."""
        key, ssss = storage_key(self._pickle_key), self._olm.ssss
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
        """Process what arrived for the device; returns the sessions whose keys have arrived."""
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
        except Exception as error:  # a stranger wrote it: no error in it is our fault
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
        """Check first whose device it is from: a message that is not from its sender must not count as read."""
        content = mapping(event.get("content"))
        session_id, ciphertext = content.get("session_id"), content.get("ciphertext")
        event_id: Any = _text(event, "event_id")
        if content.get("algorithm") != MEGOLM or not isinstance(ciphertext, str) or not is_key(session_id):
            raise Unreadable(because("unreadable.unknown_algorithm"))
        session, device, plaintext, index = await self._decrypted(event, str(session_id), ciphertext)
        unsealed = _unsealed(event, content, plaintext)
        key, name, sent_at = session.sender_key, session.id, _time(event)
        if not await self._store.validate_message_index(key, name, event_id, index, sent_at):
            raise Unreadable(because("unreadable.copy"))
        return Opened(unsealed, verified=await self._is_verified(session, device))

    async def _decrypted(self, event: Mapping[str, Any], session_id: str, ciphertext: str) -> tuple[Any, Any, str, int]:
        """The content of an event, with a key of one of its sender's devices: nobody can pass on others' messages."""
        for session, device in await self._keys(event, session_id):
            try:
                return session, device, *session.decrypt(ciphertext)
            except Exception as error:  # a stranger wrote it
                if not (isinstance(error, GROUP_SESSION_ERROR) and "UNKNOWN_MESSAGE_INDEX" in str(error)):
                    raise Unreadable(because("unreadable.does_not_open")) from error
        raise KeyMissing(session_id)  # there is no key, or only one from a later message on

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
            return False  # the user who forwarded the key may have made it up
        trust = await self._olm.resolve_trust(device, allow_fetch=False)
        return bool(trust >= TrustState.CROSS_SIGNED_TOFU)

    async def ask_for_key(self, event: Mapping[str, Any]) -> None:
        """Ask the sender of a message, and nobody else, for its key (client-server API, "Key requests")."""
        content = mapping(event.get("content"))
        session_id: Any = content.get("session_id")
        named = content.get("sender_key")  # clients no longer have to send it
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
        """The encrypted form of a message to these members; each of their devices gets the key first.

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
        """Make sure that exactly the current devices have the key; if the devices have changed, make a new key.

        It handles a few devices at a time, so that other rooms do not wait for all devices of this one.
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
        """Send a key to these devices; returns how many of them could get it."""
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
        """Every device of these users, except the bot's own."""
        found = []
        for user_id in members:
            devices = await self._store.get_devices(user_id) or {}
            found += [devices[device_id] for device_id in sorted(devices)]
        return [one for one in found if (one.user_id, one.device_id) != (self._bot, self._client.device_id)]

    async def forget_users(self) -> None:
        """Look up everybody's devices again when they are next needed: nobody told us about changes meanwhile."""
        await self._db.pool.execute("DELETE FROM crypto_tracked_user")


def _digest(devices: Iterable[DeviceIdentity]) -> str:
    told = [(one.user_id, one.device_id, one.identity_key) for one in devices]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _time(event: Mapping[str, Any]) -> int:
    """The time when an event says that it was sent, if that can be stored."""
    at = event.get("origin_server_ts")
    return at if isinstance(at, int) and 0 <= at < 2**53 else 0


def _rotation(settings: Mapping[str, Any]) -> RoomEncryptionStateEventContent:
    """How often a room wants its keys changed; an invalid value counts as missing (client-server API)."""
    period, messages = settings.get("rotation_period_ms"), settings.get("rotation_period_msgs")
    return RoomEncryptionStateEventContent(
        algorithm=EncryptionAlgorithm.MEGOLM_V1,
        rotation_period_ms=_positive(period, 604_800_000),
        rotation_period_msgs=_positive(messages, 100),
    )


def _positive(value: Any, default: int) -> int:
    return min(value, default * 10) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default


def _unsealed(event: Mapping[str, Any], around: Mapping[str, Any], plaintext: str) -> dict[str, Any]:
    """The decrypted event; its relation is in the encrypted event."""
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
