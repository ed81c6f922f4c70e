"""Why a server could not be reached, in words that say how to mend it."""

from __future__ import annotations

import errno
import os
import ssl
from typing import Final

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientOSError,
    ClientPayloadError,
    ClientResponseError,
    ServerDisconnectedError,
)
from yarl import URL

CERTIFICATES: Final[dict[int, str]] = {
    9: "its certificate is not valid yet; compare the clocks of both machines",
    10: "its certificate has expired; renew it",
    18: "its certificate is signed by itself; add it to those that this machine trusts",
    19: "its certificate is from an authority that this machine does not know; add that authority to those it trusts",
    20: "its certificate is from an authority that this machine does not know; add that authority to those it trusts",
    21: "its certificate comes without those of its authority; have it send the whole chain",
    62: "its certificate is for another host name; use a name that it is for",
    64: "its certificate is for no IP address; use the name that it is for",
}
"""What OpenSSL's codes for a certificate that does not verify mean (`X509_V_ERR_…`)."""

NO_TLS: Final = "it speaks no TLS at that port; the address begins with http://, or another port is right"
ONLY_TLS: Final = "it speaks TLS at that port; the address begins with https://, or another port is right"
NO_NAME: Final = "no DNS server knows that host name; is it spelt right?"
BROKE_OFF: Final = "the connection broke"
NONSENSE: Final = "what answers there speaks no HTTP; does it want https://?"

HANDSHAKES: Final[dict[str, str]] = {
    "WRONG_VERSION_NUMBER": NO_TLS,
    "HTTP_REQUEST": NO_TLS,
    "RECORD_LAYER_FAILURE": NO_TLS,
    "PACKET_LENGTH_TOO_LONG": NO_TLS,
    "UNSUPPORTED_PROTOCOL": "it speaks only versions of TLS that are too old",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the two know no version of TLS in common",
    "TLSV1_UNRECOGNIZED_NAME": "it has no certificate for that host name",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it refuses the TLS handshake",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate of its clients",
}
"""What OpenSSL's reasons for a handshake that fails mean."""

CONNECTIONS: Final[dict[int, str]] = {
    errno.ECONNREFUSED: "Connection refused: nothing listens there",
    errno.EHOSTUNREACH: "No route to host: is it another network, or a firewall?",
    errno.ENETUNREACH: "Network is unreachable: does this machine have such a network?",
    errno.ETIMEDOUT: "Connection timed out: is there a firewall?",
    errno.ECONNRESET: BROKE_OFF,
    errno.EPIPE: BROKE_OFF,
}
"""What the system's numbers for a connection that fails mean, where its own words say too little."""


def why_unreachable(error: BaseException | None) -> str:
    """Why a request got no answer; never the address, which is none of the moderators' business."""
    if isinstance(error, ClientConnectorDNSError):
        return NO_NAME
    if isinstance(error, ClientConnectorCertificateError):
        return _certificate(error.certificate_error)
    if isinstance(error, ClientConnectorError):
        return _handshake(error.os_error) if isinstance(error.os_error, ssl.SSLError) else _connection(error.os_error)
    if isinstance(error, ServerDisconnectedError | ClientOSError | ClientPayloadError):
        return BROKE_OFF
    return NONSENSE if isinstance(error, ClientResponseError) else type(error).__name__


def _certificate(fault: Exception) -> str:
    if not isinstance(fault, ssl.SSLCertVerificationError):
        return "its certificate is not valid"
    return CERTIFICATES.get(fault.verify_code, f"its certificate is not valid: {fault.verify_message}")


def _handshake(fault: ssl.SSLError) -> str:
    return HANDSHAKES.get(fault.reason or "", f"TLS failed: {fault.reason or 'no reason is given'}")


def _connection(fault: OSError) -> str:
    number = fault.errno or 0
    # asyncio writes the address into strerror; where a name does not resolve, the number is not one of the system's.
    return CONNECTIONS.get(number) or (os.strerror(number) if number > 0 else NO_NAME)


def origin(location: str, asked: URL) -> str:
    """Where a redirect leads, as an address for the config: without the path that was asked for, user and query."""
    target = asked.join(URL(location)).with_user(None).with_query(None).with_fragment(None)
    return str(target).removesuffix(asked.raw_path).rstrip("/")
