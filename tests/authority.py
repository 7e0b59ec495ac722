"""Names of hosts -> certificates of a making of our own, and the file by which a client trusts them."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Authority:
    """Who signs certificates for hosts; path is the file by which it is trusted."""

    def __init__(self, folder: Path) -> None:
        self.path, self._served = folder / "authority.pem", folder / "served.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        extensions = {x509.BasicConstraints(ca=True, path_length=0): True, usage: True}
        self.path.write_bytes(self._sign("authority", self._key, extensions))

    def _sign(self, name: str, key: ec.EllipticCurvePrivateKey, extensions: Mapping[x509.ExtensionType, bool]) -> bytes:
        now, public = datetime.now(UTC), key.public_key()
        names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)]) for each in (name, "authority")]
        builder = x509.CertificateBuilder(names[1], names[0], public, x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(public)
        for extension, is_critical in ({issuer: False, own: False} | dict(extensions)).items():
            builder = builder.add_extension(extension, is_critical)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def context(self, host: str) -> ssl.SSLContext:
        """Return what a server needs to be the host."""
        key = ec.generate_private_key(ec.SECP256R1())
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        certificate = self._sign("served", key, {x509.SubjectAlternativeName([x509.DNSName(host)]): False})
        self._served.write_bytes(key.private_bytes(*form) + certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._served)
        return context
