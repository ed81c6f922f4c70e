"""Other servers by HTTP: why one could not be reached, what it answers, and where an address leads.

The sentence of each reason code is in `domain/reasons.py`, with what to do about it.
"""

from __future__ import annotations

import errno
import os
import re
import ssl
from typing import Any, Final
from urllib.parse import quote, unquote

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientOSError,
    ClientPayloadError,
    ClientResponseError,
    ServerDisconnectedError,
    StreamReader,
)
from yarl import URL

from knockbot.domain import nesting
from knockbot.domain.notices import Code, Foreign, Notice, because

MIB: Final = 2**20

# --- why a server could not be reached ----------------------------------------------------------------------------

CERTIFICATES: Final[dict[int, Notice]] = {
    9: because("reach.not_yet"),
    10: because("reach.expired"),
    18: because("reach.self_signed"),
    19: because("reach.unknown_authority"),
    20: because("reach.unknown_authority"),
    21: because("reach.no_chain"),
    62: because("reach.other_name"),
    64: because("reach.no_address"),
}
"""What OpenSSL's codes for a certificate that does not verify mean (`X509_V_ERR_…`)."""

NO_TLS: Final = because("reach.no_tls")
ONLY_TLS: Final = because("reach.only_tls")
NO_NAME: Final = because("reach.no_name")
BROKE_OFF: Final = because("reach.broke_off")
NONSENSE: Final = because("reach.no_http")

HANDSHAKES: Final[dict[str, Notice]] = {
    "WRONG_VERSION_NUMBER": NO_TLS,
    "HTTP_REQUEST": NO_TLS,
    "RECORD_LAYER_FAILURE": NO_TLS,
    "PACKET_LENGTH_TOO_LONG": NO_TLS,
    "UNSUPPORTED_PROTOCOL": because("reach.old_tls"),
    "TLSV1_ALERT_PROTOCOL_VERSION": because("reach.no_common_tls"),
    "TLSV1_UNRECOGNIZED_NAME": because("reach.no_certificate"),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": because("reach.refuses_tls"),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": because("reach.wants_certificate"),
}
"""What OpenSSL's reasons for a handshake that fails mean."""

CONNECTIONS: Final[dict[int, Notice]] = {
    errno.ECONNREFUSED: because("reach.refused"),
    errno.EHOSTUNREACH: because("reach.no_route"),
    errno.ENETUNREACH: because("reach.no_network"),
    errno.ETIMEDOUT: because("reach.timed_out"),
    errno.ECONNRESET: BROKE_OFF,
    errno.EPIPE: BROKE_OFF,
}
"""What the system's numbers for a failed connection mean, if its own words say too little."""


def why_unreachable(error: BaseException | None) -> Notice:
    """Why a request got no answer; never the address, which moderators should not see."""
    if isinstance(error, ClientConnectorDNSError):
        return NO_NAME
    if isinstance(error, ClientConnectorCertificateError):
        return _certificate(error.certificate_error)
    if isinstance(error, ClientConnectorError):
        return _handshake(error.os_error) if isinstance(error.os_error, ssl.SSLError) else _connection(error.os_error)
    if isinstance(error, ServerDisconnectedError | ClientOSError | ClientPayloadError):
        return BROKE_OFF
    return (
        NONSENSE
        if isinstance(error, ClientResponseError)
        else because("reach.failed", error=Code(type(error).__name__))
    )


def _certificate(fault: Exception) -> Notice:
    if not isinstance(fault, ssl.SSLCertVerificationError):
        return because("reach.not_valid")
    return CERTIFICATES.get(fault.verify_code) or because("reach.not_valid_why", words=Foreign(fault.verify_message))


def _handshake(fault: ssl.SSLError) -> Notice:
    if not fault.reason:
        return because("reach.tls_failed_unsaid")
    return HANDSHAKES.get(fault.reason) or because("reach.tls_failed", words=Foreign(fault.reason))


def _connection(fault: OSError) -> Notice:
    number = fault.errno or 0
    # asyncio writes the address into strerror; if a name does not resolve, the number is not one of the system's.
    return CONNECTIONS.get(number) or (
        because("reach.system", words=Foreign(os.strerror(number))) if number > 0 else NO_NAME
    )


# --- what it answers ----------------------------------------------------------------------------------------------


class TooLarge(Exception):
    """The body is larger than the limit; what was read is dropped."""


async def read(content: StreamReader, limit: int) -> bytes:
    """A whole body. Raises `TooLarge` as soon as there is more than `limit` bytes of it."""
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > limit:
            raise TooLarge
    return bytes(body)


def as_json(text: bytes) -> Any:
    """The value of a JSON text; `None` if it is no JSON."""
    try:
        return nesting.read(text)
    except ValueError:
        return None


# --- where an address leads --------------------------------------------------------------------------------------


def origin(location: str, asked: URL) -> str:
    """Where a redirect leads, as an address for the config: without the path that was asked for, user and query."""
    target = asked.join(URL(location)).with_user(None).with_query(None).with_fragment(None)
    return str(target).removesuffix(asked.raw_path).rstrip("/")


def leads_elsewhere(path: str) -> bool:
    """Whether a part of a quoted path holds dots that mean another directory, once or many times decoded."""
    while path != (decoded := unquote(path)):
        path = decoded
    return bool({".", ".."} & {*re.split(r"[/\\]", path)})


def fits_a_path(token: str) -> bool:
    """Whether a path segment stays the same in a URL, even if a proxy decodes and normalizes it on the way."""
    return not leads_elsewhere(quote(token, safe=""))
