"""Certificates for a few minutes: what lets servers on loopback speak TLS to each other."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME = "localhost"
"""Whom the certificates are for. A server name that is this and a port is reached at that port, without more ado."""

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


class Authority:
    """A certificate authority for a few minutes, and what it vouches for: whoever listens on localhost."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Throwaway authority")])
        self.certificate = self._certificate(self._name, self._key, None, HOUR, DAY)
        """Its own certificate, as PEM."""

    def write(
        self, directory: Path, *, name: str = NAME, since: dt.timedelta = HOUR, until: dt.timedelta = DAY
    ) -> CertificateFiles:
        """Put its certificate, and one for localhost with its key, into files.

        That one is valid `since` so long, and `until` then.
        """
        files = CertificateFiles(directory / "ca.crt", directory / "localhost.crt", directory / "localhost.key")
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        files.authority.write_text(self.certificate)
        files.certificate.write_text(self._certificate(subject, key, name, since, until))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        host: str | None,
        since: dt.timedelta,
        until: dt.timedelta,
    ) -> str:
        """A certificate for a host, or, for `None`, an authority's own."""
        now = dt.datetime.now(dt.UTC)
        unsigned = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - since)
            .not_valid_after(now + until)
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if host is not None:
            unsigned = unsigned.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        signed = unsigned.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where an authority's certificate lies, and one for localhost with its key."""

    authority: Path
    certificate: Path
    key: Path

    def serving(self) -> ssl.SSLContext:
        """How to listen."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context

    @property
    def environ(self) -> dict[str, str]:
        """What has a process that is based on OpenSSL trust the authority, and nobody else."""
        return {"SSL_CERT_FILE": str(self.authority)}


def federation(files: CertificateFiles, *, client_port: int, federation_port: int) -> dict[str, Any]:
    """Synapse config for a homeserver that others reach at ``localhost:`` and its federation port, on loopback.

    It talks to other such homeservers, and identity servers do to it: they ask it who its users are, and tell it who
    has come to own an address. It wants `CertificateFiles.environ`, too.
    """

    def listener(port: int, resource: str, **more: Any) -> dict[str, Any]:
        resources = [{"names": [resource]}]
        return {"port": port, "type": "http", "bind_addresses": ["127.0.0.1"], "resources": resources, **more}

    return {
        "listeners": [listener(client_port, "client"), listener(federation_port, "federation", tls=True)],
        "tls_certificate_path": str(files.certificate),
        "tls_private_key_path": str(files.key),
        "federation_custom_ca_list": [str(files.authority)],
        "federation_domain_whitelist": None,
        "send_federation": True,
        "ip_range_whitelist": ["127.0.0.0/8"],
    }
