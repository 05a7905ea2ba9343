from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from cloud_siem import reach as module
from cloud_siem.endpoint import Endpoint
from cloud_siem.reach import reach
from siem_emulator import EmulatorServer
from tests.authority import THIS_HOST, Authority
from tests.conftest import Loopback, http, nobody

SIEM = Endpoint.parse("cloud-siem.cn-shanghai.aliyuncs.com")


def answered(*headers: str, status: str = "200 OK") -> Loopback:
    return Loopback(http(b"{}", *headers, status=status))


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "503 Service Unavailable"])
def test_any_answer_says_that_somebody_is_there(status: str) -> None:
    """An unsigned call is refused by the real service; that is an answer, too."""
    with answered(status=status) as server:
        found = reach(Endpoint.parse(server.url), {})

    assert found.failure == ""
    assert 0 < found.seconds < module.SECONDS
    assert found.ahead is None


@pytest.mark.parametrize("off", [-3600, 0, 1200])
def test_the_clock_of_the_other_side_is_held_against_ours(off: float) -> None:
    """To a second or two, as HTTP tells the time."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=off), usegmt=True)
    with answered(f"Date: {date}") as server:
        found = reach(Endpoint.parse(server.url), {})

    assert found.ahead == pytest.approx(off, abs=2)


def test_a_date_that_is_none_is_no_time() -> None:
    """And no failure."""
    with answered("Date: yesterday") as server:
        found = reach(Endpoint.parse(server.url), {})

    assert (found.failure, found.ahead) == ("", None)


def test_nobody_there_is_told_by_its_cause() -> None:
    """In the words of the system, without addresses."""
    assert reach(Endpoint.parse(nobody()), {}).failure == "Connection refused"


def test_a_portal_that_redirects_is_not_the_endpoint() -> None:
    """Nor is it followed."""
    with answered("Location: http://127.0.0.1:9/login", status="302 Found") as server:
        found = reach(Endpoint.parse(server.url), {})

    assert found.failure == "it redirects (HTTP 302)"
    assert len(server.requests) == 1


def test_nothing_is_signed_or_sent_along() -> None:
    """Whoever answers learns nothing."""
    with answered() as server:
        reach(Endpoint.parse(server.url), {})

    assert server.requests[0].line == "GET / HTTP/1.1"
    assert server.requests[0].body == b""
    assert not {"authorization", "cookie"} & server.requests[0].headers.keys()


# --- proxies --------------------------------------------------------------------------------------


def test_it_goes_through_the_proxy() -> None:
    """Which says whether the endpoint answers."""
    with Loopback(http(b"", status="403 Forbidden")) as proxy:
        found = reach(SIEM, {"HTTPS_PROXY": proxy.url})

    assert proxy.requests[0].line.startswith(f"CONNECT {SIEM.host}:443 HTTP/1.")
    assert "403" in found.failure
    assert f"through the proxy {proxy.url} (HTTPS_PROXY)" in found.failure
    assert "NO_PROXY" in found.remedy


@pytest.mark.parametrize(
    "url", ["http://me:secret@p:99999", "http://me:secret@", "me:secret@p", "x://me:secret@p"]
)
def test_a_proxy_that_cannot_be_is_told_without_its_password(url: str) -> None:
    """The library's own message has it."""
    found = reach(SIEM, {"HTTPS_PROXY": url})

    assert found.failure
    assert "secret" not in found.failure


# --- certificates ---------------------------------------------------------------------------------


def test_it_trusts_whom_the_signed_calls_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the doctor would report a problem behind a company's proxy where updates work."""
    authority = Authority(tmp_path)
    with EmulatorServer(tls=authority.context(THIS_HOST)) as siem:
        strange = reach(Endpoint.parse(siem.url), {})
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        trusted = reach(Endpoint.parse(siem.url), {})

    assert strange.failure.startswith("TLS: certificate verify failed: ")
    assert "SSL_CERT_FILE" in strange.remedy
    assert trusted.failure == ""
