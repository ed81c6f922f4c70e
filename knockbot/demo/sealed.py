"""A person whose client encrypts: everything a `Person` does, in encrypted rooms too, by mautrix's own machine."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Self

from mautrix.client import Client, SyncStream
from mautrix.crypto import MemoryCryptoStore, OlmMachine, StateStore
from mautrix.errors import MatrixError, SessionNotFound
from mautrix.types import (
    DeviceLists,
    DeviceOTKCount,
    EncryptedEvent,
    EncryptionAlgorithm,
    EventType,
    RoomEncryptionStateEventContent,
    SerializerError,
    ToDeviceEvent,
    TOFUSigningKey,
)

from knockbot.demo.homeserver import Homeserver
from knockbot.demo.people import Json, Person
from knockbot.flow.keys import SEALED

LOG: Any = logging.getLogger("knockbot.demo.olm")
LOG.setLevel(logging.ERROR)  # it warns of every device that is not verified


FOR_DEVICE = json.dumps({"room": {"rooms": []}, "presence": {"not_types": ["*"]}})
"""A sync's filter that leaves the rooms out."""


class _Rooms(StateStore):
    async def is_encrypted(self, _: Any) -> bool:
        return True

    async def get_encryption_info(self, _: Any) -> RoomEncryptionStateEventContent:
        return RoomEncryptionStateEventContent(EncryptionAlgorithm.MEGOLM_V1)

    async def find_shared_rooms(self, _: Any) -> list[Any]:
        return []


class _Store(MemoryCryptoStore):
    async def put_cross_signing_key(self, user_id: Any, usage: Any, key: Any) -> None:
        """mautrix's own would fail on a key that it has already."""
        kept = self._cross_signing_keys.setdefault(user_id, {})
        kept[usage] = TOFUSigningKey(key=key, first=kept[usage].first if usage in kept else key)


class SealedPerson(Person):
    """Somebody whose device has keys. What they say in an encrypted room is encrypted, what they hear is opened."""

    _olm: OlmMachine
    _store: _Store

    @classmethod
    async def register(cls, homeserver: Homeserver, localpart: str, *, display_name: str | None = None) -> Self:
        """A new account on a throwaway homeserver, whose device has published its keys."""
        person = await super().register(homeserver, localpart, display_name=display_name)
        await person.get_keys()
        return person

    @classmethod
    async def begin(cls, person: Person) -> Self:
        """Somebody who has an account already."""
        begun = cls(person.http, person.url, person.user_id, person.token, person.password)
        await begun.get_keys()
        return begun

    async def get_keys(self) -> None:
        """Make this device's keys, and publish them."""
        me: Any = await self.call("GET", "account", "whoami")
        self.device_id: Any = me["device_id"]
        session: Any = {"client_session": self.http, "log": LOG}
        client = Client(mxid=me["user_id"], device_id=self.device_id, base_url=self.url, token=self.token, **session)
        self._store = _Store("", "pickle")
        self._olm = OlmMachine(client, self._store, _Rooms(), LOG)
        self._olm.disable_device_change_key_rotation = True
        self._since: str | None = None
        self._taken: set[str] = set()
        self._opened: dict[str, Json] = {}
        self._shared: dict[str, list[tuple[str, str]]] = {}
        await self._olm.load()
        await self._olm.share_keys()

    async def verify(self) -> str:
        """Verify this device as its owner's, as the first one does; returns the recovery key."""
        return await self._olm.generate_recovery_key()

    async def use_another_key(self, room: Any) -> None:
        """Begin a new session in a room, as clients do from time to time."""
        await self._store.remove_outbound_group_session(room)

    async def send(self, room: str, event_type: str, content: Mapping[str, Any]) -> str:
        """Send an event, encrypted where the room is, except for reactions."""
        if event_type == "m.room.message" and await self.state(room, "m.room.encryption") is not None:
            event_type, content = SEALED, await self.seal(room, event_type, content)
        return await super().send(room, event_type, content)

    async def seal(self, room: Any, event_type: str, content: Mapping[str, Any], *, to: Any = None) -> Json:
        """The encrypted form of an event, for everybody's devices, or for those of some users only."""
        members = to if to is not None else await self._members(room)
        devices = sorted([(user, device) for user in members for device in await self._devices(user)])
        session = await self._store.get_outbound_group_session(room)
        if session is None or session.expired or self._shared.get(room) != devices:
            await self._store.remove_outbound_group_session(room)
            await self._olm.share_group_session(room, members)
            self._shared[room] = devices
        sealed = await self._olm.encrypt_megolm_event(room, EventType.find(event_type), dict(content))
        return sealed.serialize()

    async def _members(self, room: str) -> list[Any]:
        found = await self.call("GET", "rooms", room, "members")
        return sorted(
            event["state_key"] for event in found["chunk"] if event["content"]["membership"] in ("join", "invite")
        )

    async def _devices(self, user: Any) -> list[str]:
        return [str(device) for device in (await self._olm._fetch_keys([user], include_untracked=True)).get(user, {})]  # noqa: SLF001 - there is no other way

    async def sync(self, since: str | None = None, **query: Any) -> Json:
        """One `/sync`; the messages in it are opened where there is a key."""
        answer = await super().sync(since, **query)
        await self._take(answer)
        for room_id, room in answer.get("rooms", {}).get("join", {}).items():
            events = room.get("timeline", {}).get("events", [])
            room.get("timeline", {})["events"] = [await self.open(event, room_id) for event in events]
        return answer

    async def messages(self, room: str, limit: int = 100) -> list[Json]:
        """The room's last events, in the order they happened, opened where there is a key."""
        mail = await super().sync(self._since, filter=FOR_DEVICE, timeout=0)
        self._since = mail["next_batch"]
        await self._take(mail)
        return [await self.open(event, room) for event in await super().messages(room, limit)]

    async def _take(self, answer: Json) -> None:
        """Take in what came for this device."""
        for raw in answer.get("to_device", {}).get("events", []):
            text = json.dumps(raw)
            if raw["type"] == SEALED and text not in self._taken:
                self._taken.add(text)
                event: Any = ToDeviceEvent.deserialize(json.loads(text))
                event.source = SyncStream.TO_DEVICE
                await self._olm.handle_to_device_event(event)
        changed: Any = answer.get("device_lists", {}).get("changed", [])
        await self._olm.handle_device_lists(DeviceLists(changed=changed))
        left = answer.get("device_one_time_keys_count", {}).get("signed_curve25519", 0)
        await self._olm.handle_otk_count(DeviceOTKCount(signed_curve25519=left))

    async def open(self, event: Json, room_id: str) -> Json:
        """An event as it was meant; as it came, where it does not open. `sealed` in `unsigned` says that it did."""
        if event["type"] != SEALED or not event["content"]:
            return event
        if event["event_id"] not in self._opened:
            try:
                copy: Any = {**json.loads(json.dumps(event)), "room_id": room_id}
                sealed: Any = EncryptedEvent.deserialize(copy)
                opened: Any = (await self._olm.decrypt_megolm_event(sealed)).serialize()
            except SessionNotFound:
                return event
            except (MatrixError, SerializerError) as error:
                LOG.warning("%s does not open: %s", event["event_id"], error)
                return event
            self._opened[event["event_id"]] = {
                **event,
                "type": opened["type"],
                "content": opened["content"],
                "unsigned": {
                    **event.get("unsigned", {}),
                    "sealed": True,
                    "trust": str(opened["mautrix"]["trust_state"]),
                },
            }
        return self._opened[event["event_id"]]
