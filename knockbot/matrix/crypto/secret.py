"""What is derived from the one secret, the pickle key: recovery key, cross-signing keys, key for unsent messages."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import unpaddedbase64
from Crypto.Cipher import AES
from mautrix.crypto.cross_signing_key import CrossSigningSeeds
from mautrix.crypto.ssss.key import Key, KeyMetadata
from mautrix.crypto.ssss.types import Algorithm
from mautrix.crypto.ssss.util import calculate_hash

from knockbot.domain.notices import because
from knockbot.errors import Never
from knockbot.flow.ports import LOCKED


def derived(pickle_key: str, what: str) -> bytes:
    """32 bytes derived from the pickle key; nobody can compute it, or other derived bytes, from them."""
    return hmac.digest(pickle_key.encode(), f"knockbot {what}".encode(), hashlib.sha256)


def recovery_key(pickle_key: str) -> str:
    """The recovery key of the bot's account, in the form that clients ask for."""
    return storage_key(pickle_key).recovery_key


def master_key(pickle_key: str) -> str:
    """The public half of the key that signs the bot's devices."""
    return str(seeds_of(pickle_key).to_keys().public_keys.master_key)


def storage_key(pickle_key: str) -> Key:
    """The key of the account's secret storage (client-server API, "Secret storage"). The same secret gives the same."""
    key = derived(pickle_key, "secret storage")
    iv = unpaddedbase64.encode_base64(derived(pickle_key, "secret storage iv")[:16])
    metadata = KeyMetadata(algorithm=Algorithm.AES_HMAC_SHA2, iv=iv, mac=calculate_hash(key, iv), name="knockbot")
    return Key(id=derived(pickle_key, "secret storage id").hex()[:32], key=key, metadata=metadata)


def seeds_of(pickle_key: str) -> CrossSigningSeeds:
    """What the cross-signing keys of the bot's account are made from. The same secret gives the same."""
    return CrossSigningSeeds(
        master_key=derived(pickle_key, "master key"),
        self_signing_key=derived(pickle_key, "self-signing key"),
        user_signing_key=derived(pickle_key, "user-signing key"),
    )


class Cipher:
    """Encrypts the bot's unsent messages with the pickle key: they may repeat what others said in encrypted rooms."""

    def __init__(self, pickle_key: str) -> None:
        self._key = derived(pickle_key, "what is to be said")

    def lock(self, content: Mapping[str, Any], /) -> Mapping[str, Any]:
        """The encrypted form, for the database."""
        cipher: Any = AES.new(self._key, AES.MODE_GCM)
        sealed, tag = cipher.encrypt_and_digest(json.dumps(content).encode())
        return {LOCKED: unpaddedbase64.encode_base64(cipher.nonce + tag + sealed)}

    def unlock(self, locked: Mapping[str, Any], /) -> Mapping[str, Any]:
        """The message; one that was stored before encryption was allowed is not encrypted."""
        if LOCKED not in locked:
            return locked
        whole = unpaddedbase64.decode_base64(locked[LOCKED])
        cipher: Any = AES.new(self._key, AES.MODE_GCM, nonce=whole[:16])
        try:
            return dict(json.loads(cipher.decrypt_and_verify(whole[32:], whole[16:32])))
        except ValueError:
            raise Never(because("act.other_key")) from None
