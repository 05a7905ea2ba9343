"""The server itself: quick, on loopback only, many callers at once, the same from any thread."""

from __future__ import annotations

import asyncio
import datetime as dt
import http.client
import ipaddress
import socket
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from siem_emulator import EmulatorServer, World, app
from siem_emulator.catalog import Catalog
from siem_emulator.service import Service
from tests.emulator.conftest import client_of
from tests.emulator.signing import Client


def test_it_can_be_stopped_and_started_on_the_same_port(siem: EmulatorServer) -> None:
    client, host = client_of(siem), siem.host
    client.call("OpenDelivery", ProductCode="waf")
    siem.stop()
    with pytest.raises(ConnectionRefusedError):
        client.call("ListDelivery")

    siem.start()
    assert siem.host == host
    assert ("waf", "cloud_siem_waf_flow") in client.call("ListDelivery").open_logs()


def test_without_a_start_it_is_nowhere() -> None:
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = EmulatorServer().url


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.com", ""])  # noqa: S104
def test_it_listens_on_loopback_only(host: str) -> None:
    async def listen() -> None:
        async with app.serve(Service(World.build()), host=host):
            raise AssertionError

    with pytest.raises(app.NotLoopbackError):
        asyncio.run(listen())


def test_its_socket_is_bound_to_loopback(siem: EmulatorServer) -> None:
    lines = Path("/proc/net/tcp").read_text().splitlines()
    port = f"{siem.address.port:04X}"
    listening = [line.split()[1] for line in lines if line.split()[3] == "0A"]

    assert [each for each in listening if each.endswith(f":{port}")] == [f"0100007F:{port}"]


def test_a_taken_port_is_an_error(siem: EmulatorServer) -> None:
    with pytest.raises(OSError, match="address already in use"):
        EmulatorServer(port=siem.address.port).start()


def test_two_hundred_callers_at_once_lose_nothing() -> None:
    """Each opens its own log, at the same moment, on connections of their own."""
    world = World.build(logs=200)
    with EmulatorServer(world=world, latency_ms=100) as siem:
        client = client_of(siem)
        places = Catalog.with_logs(200).places
        gate = threading.Barrier(len(places))

        def open_one(place: tuple[str, str]) -> bool:
            gate.wait()
            return bool(client.call("OpenDelivery", ProductCode=place[0], LogCode=place[1]).data)

        with ThreadPoolExecutor(len(places)) as pool:
            assert all(pool.map(open_one, places))
        assert siem.open_logs() == set(places)
        assert siem.counts().changed == 200


def test_kept_connections_serve_many_calls(siem: EmulatorServer, client: Client) -> None:
    connection = http.client.HTTPConnection(siem.host, timeout=10)
    statuses = []
    for _ in range(20):
        headers = client.signed("POST", "/", client.headers("ListDelivery"))
        connection.request("POST", "/", headers=headers)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()

    assert statuses == [200] * 20


def test_a_caller_that_leaves_in_the_middle_does_no_harm(
    siem: EmulatorServer, client: Client
) -> None:
    siem.configure(latency_ms=50)
    headers = client.signed("POST", "/", client.headers("ListDelivery"))
    text = "POST / HTTP/1.1\r\n" + "".join(f"{name}: {v}\r\n" for name, v in headers.items())
    with socket.create_connection(("127.0.0.1", siem.address.port)) as leaving:
        leaving.sendall(f"{text}Content-Length: 0\r\n\r\n".encode())
    with socket.create_connection(("127.0.0.1", siem.address.port)) as half:
        half.sendall(text[: len(text) // 2].encode())

    assert client.call("ListDelivery").status == 200


def test_a_caller_that_is_killed_within_its_body_is_no_traceback(
    siem: EmulatorServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    headers = client.signed("POST", "/", client.headers("OpenDelivery", body=b"x" * 99))
    text = "POST / HTTP/1.1\r\n" + "".join(f"{name}: {v}\r\n" for name, v in headers.items())
    with socket.create_connection(("127.0.0.1", siem.address.port)) as killed:
        killed.sendall(f"{text}Content-Length: 99\r\n\r\nxxx".encode())
        client.call("ListDelivery")
    siem.stop()

    assert caplog.records == []


@pytest.mark.parametrize(
    "noise", [b"garbage\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: abc\r\n\r\n", b"\0\0\r\n"]
)
def test_what_is_no_http_is_refused_without_a_traceback(
    siem: EmulatorServer, caplog: pytest.LogCaptureFixture, noise: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", siem.address.port), timeout=5) as caller:
        caller.sendall(noise)
        assert b" 400 " in caller.recv(100)

    assert caplog.records == []


def test_a_body_that_is_too_large_is_refused(siem: EmulatorServer, client: Client) -> None:
    body = b"x" * (2 << 20)
    headers = client.signed("POST", "/", client.headers("OpenDelivery", body=body))

    assert client.send("POST", "/", headers, body).status == 413
    assert client.call("ListDelivery").status == 200


def test_it_speaks_tls(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, trusting = tls
    with EmulatorServer(tls=server) as siem:
        assert siem.url == f"https://{siem.host}"
        connection = http.client.HTTPSConnection(siem.host, context=trusting, timeout=10)
        client = client_of(siem)
        headers = client.signed("POST", "/", client.headers("ListDelivery"))
        connection.request("POST", "/", headers=headers)

        assert connection.getresponse().status == 200
        connection.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    with EmulatorServer(tls=tls[0]) as siem:
        connection = http.client.HTTPSConnection(siem.host, timeout=10)
        with pytest.raises(ssl.SSLCertVerificationError):
            connection.request("GET", "/_siem/health")
        connection.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for 127.0.0.1, and a client's that trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = self_signed(folder)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)

    return server, ssl.create_default_context(cafile=str(certificate))


def self_signed(folder: Path, address: str = "127.0.0.1") -> tuple[Path, Path]:
    """A certificate for an address, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "siem-emulator-test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )

    return certificate, key


# --- what it imports -----------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["siem_emulator", "siem_emulator.command"])
def test_the_door_and_the_command_import_no_server(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('aiohttp', 'yaml') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert out.stdout.strip() == "[]"


def test_the_emulator_imports_nothing_of_the_package() -> None:
    code = (
        "import sys, siem_emulator.server, siem_emulator.process;"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('cloud_siem', 'pulumi', 'alibabacloud_tea_openapi', 'darabonba', 'Tea')])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert out.stdout.strip() == "[]"
