"""A certificate authority of one test's making, for servers that speak TLS on loopback."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from darabonba.core import DaraCore
from Tea.core import TeaCore

from siem_emulator import EmulatorServer

THIS_HOST = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
_SIGNS_CERTIFICATES = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)
ANOTHER_HOST = x509.DNSName("cloud-siem.cn-shanghai.aliyuncs.com")


class Authority:
    """An authority that is trusted only by name of its file.

    Args:
        folder: Where the file is written.
        strict: Whether its certificates have all that RFC 5280 wants of them, key identifiers
            included. Python 3.13 and newer insist on it.
    """

    def __init__(self, folder: Path, *, strict: bool = True) -> None:
        self._folder = folder
        self._strict = strict
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        builder = self._builder(self._name, self._key.public_key())
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        if strict:
            builder = builder.add_extension(_SIGNS_CERTIFICATES, critical=True)
        self.file = folder / "authority.pem"
        certificate = builder.sign(self._key, hashes.SHA256())
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, *names: x509.GeneralName, days: int = 1) -> ssl.SSLContext:
        """For a server that has a certificate for these names, which lasts for so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test server")])
        builder = self._builder(subject, key.public_key(), days=days)
        alternative = x509.SubjectAlternativeName(names)
        certificate = builder.add_extension(alternative, critical=False).sign(
            self._key, hashes.SHA256()
        )
        file = self._folder / "server.pem"
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, days: int = 1
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=2))
            .not_valid_after(now + dt.timedelta(days=days))
        )
        if not self._strict:
            return builder
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(key)
        return builder.add_extension(issuer, critical=False).add_extension(own, critical=False)


def hang_up(siem: EmulatorServer) -> None:
    """Close what is kept alive: a server that stops first leaves TLS connections half closed."""
    for core in (DaraCore, TeaCore):
        for key, session in core._sessions.items():
            if siem.host in key:
                session.close()
    time.sleep(0.1)
