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
ANOTHER_HOST = x509.DNSName("cloud-siem.cn-shanghai.aliyuncs.com")


class Authority:
    """One that nobody trusts but who is told of its file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        builder = self._builder(self._name, self._key.public_key())
        ca = x509.BasicConstraints(ca=True, path_length=0)
        certificate = builder.add_extension(ca, critical=True).sign(self._key, hashes.SHA256())
        self.file = folder / "authority.pem"
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
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=2))
            .not_valid_after(now + dt.timedelta(days=days))
        )


def hang_up(siem: EmulatorServer) -> None:
    """Close what is kept alive: a server that stops first leaves TLS connections half closed."""
    for core in (DaraCore, TeaCore):
        for key, session in core._sessions.items():
            if siem.host in key:
                session.close()
    time.sleep(0.1)
