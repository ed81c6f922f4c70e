"""Reads answers of identity servers with care: what each refusal means for a retry, and how they write addresses."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiohttp import ClientResponse

from knockbot.documents.text import shown, storable
from knockbot.domain.invites import IN_VAIN, UNASKED, StoredInvite, https_host, masked
from knockbot.domain.model import IdentityKey
from knockbot.domain.notices import Foreign, Letters, Number, because
from knockbot.domain.state_keys import LONGEST_STATE_KEY
from knockbot.errors import Later, Never
from knockbot.http import TooLarge, fits_a_path, read

LARGEST: Final = 64 * 1024
"""Bytes of an answer that are read; no valid answer is larger."""
SAID: Final = 200
"""Characters of an identity server's own words that are passed on."""


REFUSALS: dict[str, str] = {
    "M_THREEPID_IN_USE": "identity.in_use",
    "M_INVALID_EMAIL": "identity.no_email",
    "M_UNKNOWN_TOKEN": "identity.no_account",
    "M_NOT_FOUND": "identity.not_found",
}
"""What an errcode means to a moderator, if the identity server's own words do not explain it."""


async def read_answer(answer: ClientResponse, server: str) -> bytes:
    """A whole answer. Raises `Later` for one that is too large."""
    try:
        return await read(answer.content, LARGEST)
    except TooLarge:
        raise Later(because("identity.too_large", server=Letters(server), size=Number(LARGEST // 1024))) from None


def understood(server: str, status: int, body: Any, hide: str) -> dict[str, Any]:
    """The content of a successful answer. Raises `Later` and `Never`; `hide` is kept out of what they say."""
    if 200 <= status < 300:
        if not isinstance(body, dict):
            raise nonsense(server)
        return body
    raise _refusal(server, status, body if isinstance(body, dict) else {}, hide)


def _refusal(server: str, status: int, body: Mapping[str, Any], hide: str) -> Later | Never:
    """What an error answer says about a retry (identity service API, "Standard error response")."""
    code = {401: "M_UNKNOWN_TOKEN"}.get(status, body.get("errcode"))
    code = code if isinstance(code, str) else None
    if status == 429:
        return Later(because("identity.slow_down", server=Letters(server)), code=UNASKED)
    message = body.get("error")
    words = Foreign(_hidden(message, hide) if isinstance(message, str) else str(status))
    why = because("identity.says", server=Letters(server), words=words)
    told = REFUSALS.get(code or _UNTOLD.get(status, "")) if status < 500 else None
    if told is not None:
        why = because(told, server=Letters(server))
    # Without an errcode the answer is from a proxy. It does not show what the server behind it would answer.
    if code is None or status >= 500 or status == 408:
        return Later(why, code=code)
    return Never(why, code=code)


_UNTOLD: Final = {404: "M_NOT_FOUND"}
"""What a status mostly means in an answer without an errcode."""


def _hidden(message: str, hide: str) -> str:
    """The identity server's own words, without the address: errors are also logged."""
    if hide:
        message = re.sub(re.escape(hide), lambda _: masked(hide), message, flags=re.IGNORECASE)
    return shown(message, SAID)


def nonsense(server: str) -> Later:
    """Says that an answer does not follow the specification."""
    return Later(because("identity.nonsense", server=Letters(server)))


def canonical(medium: str, address: str) -> str:
    """An address as identity servers store and hash it: without case, or only digits (appendix "3PID Types")."""
    return address.strip().casefold() if medium == "email" else re.sub("[^0-9]", "", address)


def hash_of(text: str) -> str:
    """A text as it is sent there: only its hash (identity service API, "Association lookup")."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def policies_of(terms: Mapping[str, Any], server: str) -> list[dict[str, str]]:
    """The URLs of each document of the terms, by language."""
    documents = terms.get("policies")
    if not isinstance(documents, dict) or not documents:
        raise nonsense(server)
    found = []
    for document in documents.values():
        texts = document.items() if isinstance(document, dict) else ()
        urls = {language: text.get("url") for language, text in texts if isinstance(text, dict)}
        found.append({language: url for language, url in urls.items() if isinstance(url, str)})
    if not all(found):
        raise nonsense(server)
    return found


def accepted_of(document: Mapping[str, str], accepted: tuple[str, ...] | bool) -> str:
    """The URL of a document that is accepted: one from the config, or the English one if the config allows all."""
    if accepted is True:
        return document.get("en") or next(iter(document.values()))
    for url in accepted or ():
        if url in document.values():
            return url
    asked = document.get("en") or next(iter(document.values()))
    raise Never(
        because("identity.terms", terms=Letters(shown(asked, SAID))),
        code="M_TERMS_NOT_SIGNED",
    )


def stored(answer: Mapping[str, Any], server: str) -> StoredInvite:
    """The invite that the identity server stored. The mail is sent by now, so an error in it is permanent."""
    token, name = answer.get("token"), answer.get("display_name")
    keys = tuple(dict.fromkeys(_keys(answer)))
    if not isinstance(token, str) or not _is_state_key(token) or not keys:
        raise Never(
            because("identity.in_vain", server=Letters(server)),
            code=IN_VAIN,
        )
    if any(https_host(key.url or "") is None for key in keys):
        # It is Sydent's `client_http_base`; homeservers would ask that URL when the invite is redeemed.
        raise Never(
            because("identity.in_vain_no_https", server=Letters(server)),
            code=IN_VAIN,
        )
    return StoredInvite(storable(token), shown(name, 255) if isinstance(name, str) else "", keys)


def _is_state_key(token: str) -> bool:
    return 0 < len(token.encode(errors="replace")) <= LONGEST_STATE_KEY and fits_a_path(token)


def _keys(answer: Mapping[str, Any]) -> Iterator[IdentityKey]:
    """The keys of a stored invite, the server's own first."""
    listed = answer.get("public_keys")
    for entry in listed if isinstance(listed, list) else []:
        key, url = (entry.get("public_key"), entry.get("key_validity_url")) if isinstance(entry, dict) else (None, None)
        if isinstance(key, str) and isinstance(url, str):
            yield IdentityKey(storable(key), storable(url))
