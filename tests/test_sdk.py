"""The one room that knows Alibaba Cloud's SDK: what it sends, takes, and never shows."""

from __future__ import annotations

import contextlib
import errno
import gzip
import json
import logging
import os
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_cloud_siem20220616 import models
from alibabacloud_cloud_siem20220616.client import Client as TypedClient
from alibabacloud_credentials.client import Client as CredentialClient
from alibabacloud_credentials.exceptions import CredentialException
from alibabacloud_credentials.provider import DefaultCredentialsProvider
from alibabacloud_credentials.utils import auth_constant, auth_util
from alibabacloud_tea_openapi import utils_models
from alibabacloud_tea_openapi.client import Client as GenericClient
from darabonba.core import DaraCore
from darabonba.runtime import RuntimeOptions
from Tea.core import TeaCore

from cloud_siem import http_session
from cloud_siem import sdk as module
from cloud_siem.api import Api
from cloud_siem.call import CallFailed, Failure, Request
from cloud_siem.endpoint import Endpoint
from cloud_siem.errors import ApiError, DeniedError, UnreachableError
from cloud_siem.http_session import StrictSession
from cloud_siem.model import DeliveryKey, Perspective, Region, State, View
from cloud_siem.origin import Origin
from cloud_siem.sdk import Sdk
from cloud_siem.session import Session
from cloud_siem.settings import Settings
from siem_emulator import EmulatorServer
from tests.authority import ANOTHER_HOST, THIS_HOST, Authority, hang_up
from tests.conftest import (
    ACCOUNT,
    HERE,
    MEMBER,
    OTHER_ACCOUNT,
    PROC,
    WAF,
    FakeTime,
    Loopback,
    Raw,
    api_at,
    http,
    nobody,
    spare_authorities,
)
from tests.tunnel import TunnelProxy

ROLE = "acs:ram::{account}:role/siem-delivery"
STS_HOST = "sts.cn-shanghai.aliyuncs.com"
ENTERPRISE = Perspective(account=ACCOUNT, region=Region.AP_SOUTHEAST_1, view=View.ENTERPRISE)
OF_MEMBER = Perspective(account=ACCOUNT, region=Region.CN_HANGZHOU, member=MEMBER)
DONE = b'{"Data": true, "AccountId": "1", "Arn": "a", "RequestId": "R-1"}'
NONE_LISTED = b'{"Data": {"ProductList": []}, "RequestId": "R-1"}'


def call(url: str, *, seconds: float = 5.0, sts: str = "", **settings: Any) -> dict[str, Any]:
    """One ListDelivery, past retries and explanations."""
    spare_authorities()
    endpoint = Endpoint.parse(url)
    client = Sdk(
        Settings(**settings),
        account=ACCOUNT,
        sts=Endpoint.parse(sts) if sts else endpoint,
        user_agent="test/1",
        session_name="test",
    )
    request = Request(
        action="ListDelivery", version="2022-06-16", endpoint=endpoint, parameters={"RegionId": "x"}
    )
    return client.call(request, seconds=seconds)


def refused(url: str, **options: Any) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        call(url, **options)

    return caught.value


# --- the wire ------------------------------------------------------------------------------------

CHANGING = ("x-acs-date", "x-acs-signature-nonce", "user-agent", "authorization")
"""Headers that differ from call to call, or from tool to tool."""


def typed(url: str) -> Any:
    return TypedClient(
        utils_models.Config(
            credential=CredentialClient(provider=DefaultCredentialsProvider()),
            endpoint=Endpoint.parse(url).host,
            protocol="http",
        )
    )


def typed_view(perspective: Perspective) -> dict[str, object]:
    """What a program would hand the typed client for a perspective."""
    return {
        "region_id": perspective.region.value,
        "role_type": 0 if perspective.view is View.ACCOUNT else 1,
        "role_for": int(perspective.member) if perspective.member else None,
    }


def sent_by(act: Callable[[str], object], answer: bytes) -> Raw:
    with Loopback(http(answer, "Content-Type: application/json")) as server:
        act(server.url)

    [request] = server.requests
    return request


def assert_alike(ours: Raw, theirs: Raw) -> None:
    assert ours.line == theirs.line == "POST / HTTP/1.1"
    assert ours.body == theirs.body
    assert list(ours.headers) == list(theirs.headers), "the same headers in the same order"
    for name in set(ours.headers) - {*CHANGING, "host"}:
        assert ours.headers[name] == theirs.headers[name], name
    assert signed_headers(ours) == signed_headers(theirs)


def signed_headers(request: Raw) -> str:
    return request.headers["authorization"].split("SignedHeaders=")[1].split(",")[0]


@pytest.mark.parametrize("perspective", [HERE, ENTERPRISE, OF_MEMBER])
def test_a_look_is_on_the_wire_what_the_typed_sdk_sends(perspective: Perspective) -> None:
    assert_alike(
        sent_by(lambda url: api_at(url, perspective=perspective).look(), NONE_LISTED),
        sent_by(
            lambda url: typed(url).list_delivery(
                models.ListDeliveryRequest(**typed_view(perspective))
            ),
            NONE_LISTED,
        ),
    )


@pytest.mark.parametrize("state", [State.OPEN, State.CLOSED])
@pytest.mark.parametrize(
    "key",
    [
        PROC,
        WAF,
        DeliveryKey(perspective=OF_MEMBER, product="sas", log="x"),
        DeliveryKey(perspective=ENTERPRISE, product="oss"),
        DeliveryKey(perspective=HERE, product="odd&=+~* ü", log="%2A /?#"),
    ],
)
def test_a_write_is_on_the_wire_what_the_typed_sdk_sends(key: DeliveryKey, state: State) -> None:
    def theirs(url: str) -> None:
        fields = {"product_code": key.product, "log_code": key.log, **typed_view(key.perspective)}
        if state is State.OPEN:
            typed(url).open_delivery(models.OpenDeliveryRequest(**fields))
        else:
            typed(url).close_delivery(models.CloseDeliveryRequest(**fields))

    ours = sent_by(lambda url: api_at(url, perspective=key.perspective).switch(key, state), DONE)

    assert_alike(ours, sent_by(theirs, DONE))
    assert (b"LogCode=" in ours.body) is (key.log is not None)


def test_the_question_who_we_are_is_on_the_wire_what_the_generic_sdk_sends() -> None:
    def theirs(url: str) -> None:
        client = GenericClient(
            utils_models.Config(
                credential=CredentialClient(provider=DefaultCredentialsProvider()),
                endpoint=Endpoint.parse(url).host,
                protocol="http",
            )
        )
        params = utils_models.Params(
            action="GetCallerIdentity",
            version="2015-04-01",
            protocol="http",
            pathname="/",
            method="POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        client.call_api(params, utils_models.OpenApiRequest(), RuntimeOptions())

    ours = sent_by(lambda url: api_at(url).identity(), DONE)

    assert_alike(ours, sent_by(theirs, DONE))
    assert ours.body == b""


def test_the_service_takes_the_signature_of_every_operation(siem: EmulatorServer) -> None:
    api = api_at(siem.url)
    api.identity()
    api.look()
    api.switch(PROC, State.OPEN)
    api.switch(PROC, State.CLOSED)

    assert siem.counts().codes == {"OK": 4}


def test_sixteen_threads_may_use_one_client(siem: EmulatorServer) -> None:
    api = api_at(siem.url)
    failures: list[Exception] = []

    def look() -> None:
        try:
            for _ in range(5):
                api.look()
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=look) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert siem.counts().codes == {"OK": 80}, "every nonce was new"


# --- what an answer may be -----------------------------------------------------------------------

ANSWERS: dict[str, tuple[bytes, Failure, str]] = {
    "a page": (
        http(b"<html>Sign in</html>", "Content-Type: text/html"),
        Failure.STRANGE,
        "the answer is not a JSON object (HTTP 200, text/html, 20 bytes)",
    ),
    "a page with an error": (
        http(b"<html>", "Content-Type: text/html", status="404 Not Found"),
        Failure.STRANGE,
        "the answer is not a JSON object (HTTP 404, text/html, 6 bytes)",
    ),
    "a page of a gateway that is down": (
        http(b"<html>", "Content-Type: text/html", status="502 Bad Gateway"),
        Failure.LOST,
        "the answer is not a JSON object (HTTP 502, text/html, 6 bytes)",
    ),
    "nothing": (http(b""), Failure.STRANGE, "the answer is not a JSON object (HTTP 200, empty)"),
    "nothing, and it says so": (
        b"HTTP/1.1 204 No Content\r\n\r\n",
        Failure.STRANGE,
        "the answer is not a JSON object (HTTP 204, empty)",
    ),
    "an error of nothing": (
        http(b"", status="500 Internal Server Error"),
        Failure.STRANGE,
        "the answer is not a JSON object (HTTP 500, empty)",
    ),
    "a list": (
        http(b"[1]", "Content-Type: application/json"),
        Failure.STRANGE,
        "the answer is not a JSON object (HTTP 200, application/json, 3 bytes)",
    ),
    "null": (
        http(b"null"),
        Failure.STRANGE,
        "the answer is not a JSON object (HTTP 200, no content type, 4 bytes)",
    ),
    "packed, though nobody asked for that": (
        http(gzip.compress(DONE), "Content-Encoding: gzip"),
        Failure.STRANGE,
        "the answer is not a JSON object (HTTP 200, ",
    ),
    "broken JSON": (
        http(b'{"Data": tru}'),
        Failure.STRANGE,
        "the SDK could not use the answer (",
    ),
    "two answers in one": (
        http(DONE + DONE),
        Failure.STRANGE,
        "the SDK could not use the answer (",
    ),
    "not UTF-8": (
        http(b'{"Data": "\xff"}'),
        Failure.STRANGE,
        "the SDK could not use the answer (",
    ),
    "half of a character": (
        http(b'{"Data": {"Topic": "\\ud800"}}'),
        Failure.STRANGE,
        "the answer has text that is no Unicode",
    ),
    "a repeated key": (
        http(b'{"Data": true, "Data": false, "RequestId": "x"}'),
        Failure.STRANGE,
        'the answer is ambiguous: an object has the key "Data" twice',
    ),
    "a repeated key, deep in an error": (
        http(b'{"Code": "x", "a": [{"b": 1, "b": 1}]}', status="400 Bad Request"),
        Failure.STRANGE,
        'the answer is ambiguous: an object has the key "b" twice',
    ),
    "less than promised": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + DONE,
        Failure.LOST,
        "",
    ),
    "cut where the length says": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + DONE,
        Failure.LOST,
        "the answer broke off after 20 bytes",
    ),
    "cut by the connection, with no length": (
        b"HTTP/1.1 200 OK\r\n\r\n" + DONE[:30],
        Failure.LOST,
        "the answer broke off after 30 bytes",
    ),
    "a chunk that ends early": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + DONE,
        Failure.LOST,
        "",
    ),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", Failure.LOST, ""),
    "a closed connection": (b"", Failure.LOST, "Remote end closed connection without response"),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_is_not_a_whole_json_object_is_said_to_be_none(answer: str) -> None:
    raw, failure, message = ANSWERS[answer]
    with Loopback(raw) as server:
        failed = refused(server.url)

    assert failed.failure is failure
    assert message in failed.message
    assert len(server.requests) == 1, "this room never tries again by itself"


def test_a_whole_json_object_is_taken_however_it_is_sent() -> None:
    for raw in (
        http(DONE),
        http(b"\n " + DONE + b"\r\n"),
        b"HTTP/1.1 200 OK\r\n\r\n" + DONE,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
        % (len(DONE), DONE),
    ):
        with Loopback(raw) as server:
            assert call(server.url) == json.loads(DONE)


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK\r\nContent-Length: 999999999999",
        "HTTP/1.1 302 Found\r\nLocation: /",
        "HTTP/1.1 500 Internal Server Error",
    ],
)
def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    monkeypatch.setattr(http_session, "ANSWER_LIMIT", 200_000)
    with Loopback(f"{head}\r\n\r\n".encode() + b"{" * 5_000_000) as server:
        failed = refused(server.url)

    assert failed.failure is Failure.STRANGE
    assert failed.message == "the answer is larger than 200000 bytes"


def test_the_limit_is_far_above_what_an_account_with_every_product_lists() -> None:
    assert 100 * len(json.dumps([{"LogCode": "x" * 500}] * 200)) < http_session.ANSWER_LIMIT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (("Retry-After: 7",), 7.0),
        (("x-acs-retry-after: 250",), 0.25),
        (("Retry-After: 7", "x-acs-retry-after: 250"), 0.25),
        (("Retry-After: Wed, 21 Oct 2025 07:28:00 GMT",), 0.0),
        (("Retry-After: -3",), 0.0),
        ((), 0.0),
    ],
)
def test_what_the_cloud_asks_to_wait_is_read_in_its_own_units(
    headers: tuple[str, ...], seconds: float
) -> None:
    body = b'{"Code": "Throttling.User", "Message": "m", "RequestId": "R-1"}'
    with Loopback(http(body, *headers, status="429 Too Many Requests")) as server:
        failed = refused(server.url)

    assert failed.retry_after == seconds
    assert (failed.code, failed.status, failed.request_id) == ("Throttling.User", 429, "R-1")


def test_what_one_answer_asked_is_forgotten_with_the_next() -> None:
    asked = http(b'{"Code": "Throttling"}', "Retry-After: 7", status="429 Too Many Requests")
    plain = http(b'{"Code": "Throttling"}', status="429 Too Many Requests")
    with Loopback(asked, plain) as server:
        waits = [refused(server.url).retry_after for _ in range(2)]

    assert waits == [7.0, 0.0]


# --- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["slow_drip", "hang"])
def test_an_answer_that_takes_too_long_is_not_waited_for(siem: EmulatorServer, kind: str) -> None:
    siem.fault(kind, seconds=30)
    begun = time.monotonic()
    failed = refused(siem.url, seconds=0.4)

    assert time.monotonic() - begun < 30
    assert failed.failure is Failure.LOST


def test_nobody_there_is_a_lost_call() -> None:
    failed = refused(nobody())

    assert (failed.failure, failed.message) == (Failure.LOST, "Connection refused")


# --- redirects -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary"])
def test_a_redirect_is_refused_and_its_target_never_called(status: str) -> None:
    with Loopback(http(DONE)) as target:
        moved = http(b"", f"Location: {target.url}/elsewhere", status=status)
        with Loopback(moved) as server:
            failed = refused(server.url)

    assert failed.failure is Failure.NOT_TRUSTED
    assert failed.message == f"redirected to {target.url}; redirects are refused"
    assert failed.status == int(status[:3])
    assert target.requests == []
    assert len(server.requests) == 1


def test_a_redirect_is_refused_when_a_role_is_assumed_too() -> None:
    with Loopback(http(DONE)) as target:
        moved = http(b"", f"Location: {target.url}", status="307 Temporary Redirect")
        with Loopback(moved) as server:
            failed = refused(server.url, role_arn=ROLE)

    assert failed.failure is Failure.NOT_TRUSTED
    assert target.requests == []
    assert [request.line.split("?")[0] for request in server.requests] == ["GET /"]


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://portal.example.com/login?from=CANARY#CANARY", "https://portal.example.com"),
        ("http://CANARY:CANARY@portal.example.com:81/x", "http://portal.example.com:81"),
        ("https://portal.example.com/CANARY", "https://portal.example.com"),
        ("/login?from=CANARY", "/login"),
        ("http://[broken?CANARY", "http://[broken"),
        ("", "nowhere"),
    ],
)
def test_where_a_redirect_leads_is_told_without_what_it_repeats_of_ours(
    location: str, shown: str
) -> None:
    with Loopback(http(b"", f"Location: {location}", status="302 Found")) as server:
        failed = refused(server.url)

    assert failed.message == f"redirected to {shown}; redirects are refused"


# --- TLS -----------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize("role", [None, ROLE])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    authority: Authority, role: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with EmulatorServer(tls=authority.context(THIS_HOST)) as siem:
        failed = refused(siem.url, role_arn=role)

        assert siem.calls.all() == []
    assert failed.failure is Failure.NOT_TRUSTED
    assert "TLS: certificate verify failed: " in failed.message
    assert "issuer" in failed.message
    assert "SSL_CERT_FILE (not set)" in failed.remedy


def test_an_error_about_a_certificate_says_how_ssl_cert_file_is_set(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with EmulatorServer(tls=authority.context(THIS_HOST)) as siem:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
        with pytest.raises(UnreachableError) as caught:
            api_at(siem.url).look()

    assert f"SSL_CERT_FILE (now {tmp_path}/gone.pem, which is not a file)" in str(caught.value)


def test_an_expired_certificate_is_reported_as_expired(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with EmulatorServer(tls=authority.context(THIS_HOST, days=-1)) as siem:
        failed = refused(siem.url)

    assert failed.failure is Failure.NOT_TRUSTED
    assert failed.message == "TLS: certificate verify failed: certificate has expired"
    assert "renewed" in failed.remedy


@pytest.mark.parametrize("strict", [True, False])
def test_an_authority_without_key_identifiers_is_refused_since_python_3_13_with_the_reason(
    tmp_path: Path, strict: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path, strict=strict)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with EmulatorServer(tls=authority.context(THIS_HOST)) as siem:
        if strict or not ssl.create_default_context().verify_flags & ssl.VERIFY_X509_STRICT:
            api_at(siem.url).look()
            hang_up(siem)
            return
        failed = refused(siem.url)

    assert failed.failure is Failure.NOT_TRUSTED
    assert "Key Identifier" in failed.message
    assert "3.13" in failed.remedy


def test_an_endpoint_without_tls_is_reported_and_not_called_again(
    siem: EmulatorServer,
) -> None:
    failed = refused(siem.url.replace("http:", "https:"))

    assert failed.failure is Failure.NOT_TRUSTED
    assert failed.message.startswith("TLS: ")


class HangUp(Loopback):
    """Closes each connection at once, or keeps it open and silent."""

    silent = False

    def _serve(self) -> None:
        kept = []
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                if self.silent:
                    kept.append(connection)
                else:
                    connection.close()
        for connection in kept:
            connection.close()


@pytest.mark.parametrize("silent", [False, True])
def test_a_connection_that_breaks_off_in_the_handshake_may_pass_and_nothing_was_sent(
    silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HangUp, "silent", silent)
    with HangUp() as server:
        failed = refused(server.url.replace("http:", "https:"), seconds=0.5)

    assert (failed.failure, failed.may_pass, failed.sent) == (Failure.LOST, True, False)
    assert "handshake" in failed.message or "reset" in failed.message


@pytest.mark.parametrize("role", [None, ROLE])
def test_a_certificate_of_another_host_is_refused_though_it_is_trusted(
    authority: Authority, role: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with EmulatorServer(tls=authority.context(ANOTHER_HOST)) as siem:
        failed = refused(siem.url, role_arn=role)

        assert siem.calls.all() == []
    assert failed.failure is Failure.NOT_TRUSTED
    assert "127.0.0.1" in failed.message, "it says which host the certificate is not for"


@pytest.mark.parametrize("role", [None, ROLE])
def test_a_trusted_certificate_of_this_host_is_taken(
    authority: Authority, role: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with EmulatorServer(tls=authority.context(THIS_HOST)) as siem:
        api_at(siem.url, role_arn=role).look()

        assert len(siem.calls_of("ListDelivery")) == 1
        hang_up(siem)


@pytest.mark.parametrize("role", [None, ROLE])
def test_no_option_of_the_sdk_makes_it_take_any_certificate(
    authority: Authority, role: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for core in (DaraCore, TeaCore):
        monkeypatch.setattr(core, "do_action", partial(carelessly, core.do_action))
    with EmulatorServer(tls=authority.context(THIS_HOST)) as siem:
        failed = refused(siem.url, role_arn=role)

        assert siem.calls.all() == []
    assert failed.failure is Failure.NOT_TRUSTED
    assert "certificate verify failed" in failed.message


def carelessly(do_action: Callable[..., Any], request: Any, options: Any = None) -> Any:
    return do_action(request, {**(options or {}), "ignoreSSL": True})


def test_no_variable_of_the_environment_makes_it_take_any_certificate(
    authority: Authority,
) -> None:
    careless = {
        "PYTHONHTTPSVERIFY": "0",
        "REQUESTS_CA_BUNDLE": str(authority.file),
        "CURL_CA_BUNDLE": "",
    }
    with EmulatorServer(tls=authority.context(THIS_HOST)) as siem:
        run = in_another_process(siem, role="", profile="", **careless)

        assert siem.calls.all() == []
    assert run.stdout == "UnreachableError\n"


# --- proxies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [None, ROLE])
def test_no_proxy_is_asked_about_loopback(
    siem: EmulatorServer, role: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = nobody()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, dead)

    api_at(siem.url, role_arn=role).look()

    assert len(siem.calls_of("ListDelivery")) == 1


@pytest.mark.parametrize("role", [None, ROLE])
@pytest.mark.parametrize(
    "proxy",
    [
        "http://CANARY:CAN#ARY@127.0.0.1:9",
        "http://CANARY:CAN/ARY@127.0.0.1:9",
        "http://CAN ARY:CANARY@127.0.0.1:9",
        "http://CANARY:CANARY@127.0.0.1:CANARY",
        "http://CANARY:CANARY@[::1:9",
        "http://CANARY:CANARY@",
        "CANARY:CANARY@127.0.0.1:9",
        "CANARY://CANARY:CANARY@127.0.0.1:9",
        "socks5://CANARY:CANARY@127.0.0.1:9",
    ],
)
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(
    proxy: str, role: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    failed = refused("https://cloud-siem.cn-shanghai.aliyuncs.com", role_arn=role)

    assert "CAN" not in everything_said(failed)


def test_a_proxy_is_asked_for_a_tunnel_and_its_refusal_told_without_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Loopback(http(b"", status="407 Proxy Authentication Required")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//canary:canary-secret@"))
        failed = refused(SIEM)

    [asked] = proxy.requests
    assert asked.line.startswith("CONNECT cloud-siem.cn-shanghai.aliyuncs.com:443 HTTP/1.")
    assert asked.headers["proxy-authorization"].startswith("Basic ")
    assert failed.message == "Tunnel connection failed: 407 Proxy Authentication Required"
    assert "canary" not in everything_said(failed)


SIEM = "https://cloud-siem.cn-shanghai.aliyuncs.com"


@pytest.mark.parametrize(
    ("role", "host"), [(None, "cloud-siem.cn-shanghai.aliyuncs.com"), (ROLE, STS_HOST)]
)
def test_a_dead_proxy_is_named_as_the_proxy_and_a_write_says_that_nothing_was_sent(
    role: str | None, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = nobody()
    monkeypatch.setenv("HTTPS_PROXY", dead)
    api = api_at(SIEM, fake=FakeTime(), role_arn=role)
    with pytest.raises(UnreachableError) as caught:
        api.switch(PROC, State.OPEN)

    message = str(caught.value)
    assert f"at https://{host} through the proxy {dead} (HTTPS_PROXY): " in message
    assert "the proxy did not let the call through" in message
    assert "Connection refused" in message
    assert "Nothing was sent, so nothing was changed." in message
    assert f"list {host} in NO_PROXY" in message


@pytest.mark.parametrize(
    ("status", "again"),
    [("407 Auth", False), ("403 Forbidden", False), ("502 Bad", True), ("503 Busy", True)],
)
def test_a_proxy_that_refuses_is_asked_again_only_where_that_may_help(
    status: str, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Loopback(http(b"", status=status)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(UnreachableError, match="did not let the call through"):
            api_at(SIEM, fake=FakeTime()).look()

    assert (len(proxy.requests) > 1) is again


def test_a_proxy_whose_address_cannot_be_used_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, fake: FakeTime
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.example.com:99999")
    with pytest.raises(UnreachableError, match="its address cannot be used") as caught:
        api_at(SIEM, fake=fake).look()

    assert fake.slept == []
    assert "HTTPS_PROXY" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.fixture
def dialed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that are dialed; each refuses, so that no test leaves this machine."""
    hosts: list[str] = []

    def dial(address: tuple[str, int], *_: object, **__: object) -> None:
        hosts.append(address[0])
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    monkeypatch.setattr("urllib3.util.connection.create_connection", dial)
    return hosts


@pytest.mark.parametrize(
    ("role", "host"), [(None, "cloud-siem.cn-shanghai.aliyuncs.com"), (ROLE, STS_HOST)]
)
@pytest.mark.parametrize("listed", ["*", ".aliyuncs.com", "other.example.com"])
def test_hosts_in_no_proxy_are_called_directly_sts_too(
    dialed: list[str], role: str | None, host: str, listed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", listed)
    failed = refused(SIEM, role_arn=role, sts=f"https://{STS_HOST}")

    through = listed == "other.example.com"
    assert dialed == ["proxy.example.com" if through else host]
    assert failed.failure is (Failure.PROXY if through else Failure.LOST)
    assert not failed.sent


def test_ssl_cert_file_counts_behind_a_proxy_as_well(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        EmulatorServer(tls=authority.context(ANOTHER_HOST)) as siem,
        TunnelProxy(siem.host) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        failed = refused(SIEM)
        assert failed.failure is Failure.NOT_TRUSTED
        assert siem.calls.all() == []

        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        DaraCore._sessions.clear()
        api_at(SIEM).look()
        assert len(siem.calls_of("ListDelivery")) == 1
        for session in DaraCore._sessions.values():
            session.close()

    assert set(proxy.requested) == {"cloud-siem.cn-shanghai.aliyuncs.com:443"}


@pytest.fixture
def oidc(monkeypatch: pytest.MonkeyPatch, no_environment: Path, tmp_path: Path) -> str:
    """Credentials by OIDC, as the SDK sees the environment; the token."""
    token = "eyJ-canary-token"
    (tmp_path / "token").write_text(token)
    monkeypatch.setattr(auth_util, "enable_oidc_credential", True)
    monkeypatch.setattr(auth_util, "environment_role_arn", ROLE.replace("{account}", ACCOUNT))
    provider = f"acs:ram::{ACCOUNT}:oidc-provider/ci"
    monkeypatch.setattr(auth_util, "environment_oidc_provider_arn", provider)
    monkeypatch.setattr(auth_util, "environment_oidc_token_file", str(tmp_path / "token"))
    return token


@pytest.mark.parametrize("listed", ["", "aliyuncs.com"])
def test_an_error_of_oidc_names_what_failed_and_never_shows_the_token(
    dialed: list[str], oidc: str, listed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", listed)
    with pytest.raises(UnreachableError) as caught:
        api_at(SIEM, fake=FakeTime()).look()

    assert set(dialed) == {"sts.aliyuncs.com" if listed else "proxy.example.com"}
    assert len(dialed) > 1, "a call that may pass is made again"
    assert "getting a session: Connection refused" in str(caught.value)
    assert "at https://sts.aliyuncs.com" in str(caught.value)
    assert oidc not in everything_said(caught.value)


def test_both_sessions_of_the_sdk_are_strict_ones(siem: EmulatorServer) -> None:
    # The SDK's tables of sessions are not documented: this says when they are no longer used.
    api_at(siem.url, role_arn=ROLE).look()

    for core in (DaraCore, TeaCore):
        [session] = [one for key, one in core._sessions.items() if siem.host in key]
        assert isinstance(session, StrictSession)


# --- roles and profiles --------------------------------------------------------------------------


def test_one_session_of_a_role_serves_many_calls_of_many_threads(
    siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*args: Any, **options: Any) -> Sdk:
        time.sleep(0.02)  # so that all threads come while the first makes the client
        return Sdk(*args, **options)

    monkeypatch.setattr(module, "Sdk", slowly)
    api = api_at(siem.url, role_arn=ROLE)
    threads = [threading.Thread(target=api.look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    api.look()

    assert siem.counts().actions == {"AssumeRole": 1, "ListDelivery": 9}
    assert siem.counts().codes == {"OK": 10}


def test_the_role_is_the_one_in_the_account_of_the_stack(siem: EmulatorServer) -> None:
    of_member = Perspective(account=MEMBER, region=Region.CN_HANGZHOU)
    identity = api_at(siem.url, perspective=of_member, role_arn=ROLE).identity()

    assert identity.account == MEMBER
    assert identity.arn.startswith(f"acs:ram::{MEMBER}:assumed-role/siem-delivery/")
    [assumed] = siem.calls_of("AssumeRole")
    assert assumed.parameters["RoleArn"] == f"acs:ram::{MEMBER}:role/siem-delivery"
    assert assumed.parameters["DurationSeconds"] == "3600"
    assert "ExternalId" not in assumed.parameters


def test_the_audit_trail_is_told_tool_version_stack_and_commit(siem: EmulatorServer) -> None:
    origin = Origin(stack="prod", commit="0123456789ab")
    api_at(siem.url, role_arn=ROLE, origin=origin).switch(PROC, State.OPEN)

    [written] = siem.calls_of("OpenDelivery")
    assert written.session == "cloud-siem-0.1.0@prod@0123456789ab"
    assert written.user_agent.endswith("pulumi-cloud-siem/0.1.0 stack/prod commit/0123456789ab")


def test_session_name_duration_and_external_id_are_as_set(siem: EmulatorServer) -> None:
    api_at(
        siem.url,
        role_arn=ROLE,
        role_session_name="alice",
        role_duration=7200,
        role_external_id="ticket-42",
    ).look()

    [assumed] = siem.calls_of("AssumeRole")
    assert assumed.parameters["RoleSessionName"] == "alice"
    assert assumed.parameters["DurationSeconds"] == "7200"
    assert assumed.parameters["ExternalId"] == "ticket-42"
    assert siem.calls_of("ListDelivery")[0].session == "alice"


def test_a_refused_role_is_told_as_such_and_nothing_else_is_called(siem: EmulatorServer) -> None:
    role = f"acs:ram::{OTHER_ACCOUNT}:role/siem-delivery"
    with pytest.raises(DeniedError, match="the role could not be assumed") as caught:
        api_at(siem.url, role_arn=role).look()

    assert (caught.value.code, caught.value.status) == ("NoPermission", 403)
    assert caught.value.request_id == siem.calls.all()[0].request_id
    assert siem.counts().actions == {"AssumeRole": 1}


def test_a_session_that_is_over_on_the_way_is_told_as_such(siem: EmulatorServer) -> None:
    api = api_at(siem.url, role_arn=ROLE)
    api.look()
    siem.service.end_sessions()

    with pytest.raises(DeniedError, match="the session of the credentials is over"):
        api.look()


def test_sts_out_of_reach_is_tried_again_and_told_as_such(siem: EmulatorServer) -> None:
    siem.fault("drop_before", action="AssumeRole", times=1)
    api_at(siem.url, fake=FakeTime(), role_arn=ROLE).look()
    assert siem.counts().actions == {"AssumeRole": 2, "ListDelivery": 1}

    away = Endpoint.parse(nobody())
    api = api_at(siem.url, fake=FakeTime(), role_arn=ROLE, own_sts_endpoint=away)
    with pytest.raises(UnreachableError, match=r"assuming the role: Connection refused"):
        api.look()


@pytest.mark.parametrize(
    ("role", "source"), [(None, "default/env"), (ROLE, "ram_role_arn/default/env")]
)
def test_where_credentials_come_from_is_told_and_never_what_they_are(
    siem: EmulatorServer, role: str | None, source: str
) -> None:
    api = api_at(siem.url, role_arn=role)
    api.identity()

    assert api.credential_source == source


def test_a_session_is_handed_on_and_its_role_is_then_assumed_no_more(siem: EmulatorServer) -> None:
    """By the environment of another process; here is asked what that would go by."""
    handed = api_at(siem.url, role_arn=ROLE).session()
    assert siem.counts().actions == {"AssumeRole": 1}
    assert handed["ALIBABA_CLOUD_ACCESS_KEY_ID"].startswith("STS.")
    assert handed["ALIBABA_CLOUD_SECURITY_TOKEN"]
    role = handed["CLOUD_SIEM_ASSUMED_ROLE"]
    assert role == ROLE.replace("{account}", ACCOUNT)

    with_it = api_at(siem.url, role_arn=ROLE, assumed_role=role)
    assert with_it.credential_source == "env"
    assert api_at(siem.url, role_arn=ROLE, assumed_role="another").credential_source != "env"


def test_without_a_role_there_is_no_session_to_hand_on(siem: EmulatorServer) -> None:
    assert api_at(siem.url).session() == {}
    assert siem.counts().actions == {}


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No credentials in the environment, and an empty home, as the SDK sees them; the home."""
    monkeypatch.setattr(auth_util, "environment_access_key_id", None)
    monkeypatch.setattr(auth_util, "environment_access_key_secret", None)
    monkeypatch.setattr(auth_constant, "HOME", str(tmp_path))
    (tmp_path / ".aliyun").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "config",
    [
        None,
        "{broken",
        "[]",
        "{}",
        '{"profiles": [{"name": "siem", "mode": "AK"}]}',
        '{"profiles": [{"name": "siem", "mode": "AK", "access_key_id": 7}]}',
        '{"profiles": [{"name": "siem", "mode": "Nonsense"}]}',
        '{"profiles": 7}',
    ],
)
@pytest.mark.parametrize("profile", ["siem", None])
def test_credentials_that_cannot_be_had_are_told_as_such_and_nothing_is_called(
    siem: EmulatorServer, no_environment: Path, config: str | None, profile: str | None
) -> None:
    if config is not None:
        (no_environment / ".aliyun/config.json").write_text(config)

    failed = refused(siem.url, profile=profile)

    assert failed.failure is Failure.NO_CREDENTIALS
    assert failed.message
    assert siem.calls.all() == []


def test_where_there_are_no_credentials_the_error_says_how_to_set_them(
    siem: EmulatorServer, no_environment: Path
) -> None:
    with pytest.raises(DeniedError) as caught:
        api_at(siem.url).look()

    message = str(caught.value)
    assert "environment: Environment variable accessKeyId cannot be empty; CLI profile: " in message
    assert "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or run" in message
    assert "`aliyun configure --profile NAME` and set CLOUD_SIEM_PROFILE=NAME" in message
    assert siem.calls.all() == []


@pytest.mark.parametrize("role", [None, ROLE])
@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("environment_access_key_id", "access key id in ALIBABA_CLOUD_ACCESS_KEY_ID"),
        ("environment_access_key_secret", "access key secret in ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
        ("environment_security_token", "security token in ALIBABA_CLOUD_SECURITY_TOKEN"),
    ],
)
@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        ("CANARY\n", "a line break"),
        ("CAN\r\nARY", "a line break"),
        (" CANARY", "a blank"),
        ("CANARY\tx", "a blank"),
        ("CANARY\x00", "a character that no key has"),
        ("CANARY\u201d", "a character that no key has"),
    ],
)
def test_a_key_with_an_odd_character_is_refused_before_any_call_and_not_shown(
    siem: EmulatorServer,
    monkeypatch: pytest.MonkeyPatch,
    *,
    role: str | None,
    field: str,
    name: str,
    odd: str,
    kind: str,
) -> None:
    monkeypatch.setattr(auth_util, field, odd)
    with pytest.raises(DeniedError) as caught:
        api_at(siem.url, role_arn=role).look()

    assert f"the {name} has {kind} in it" in str(caught.value)
    assert "CAN" not in everything_said(caught.value)
    assert siem.calls.all() == []


def test_a_profile_with_a_line_break_in_its_key_is_refused(
    siem: EmulatorServer, no_environment: Path
) -> None:
    profile = {"name": "siem", "mode": "AK", "access_key_id": "a\n", "access_key_secret": "b"}
    config = {"current": "siem", "profiles": [profile]}
    (no_environment / ".aliyun/config.json").write_text(json.dumps(config))
    failed = refused(siem.url, profile="siem")

    assert failed.failure is Failure.NO_CREDENTIALS
    assert failed.message == "the access key id has a line break in it"
    assert siem.calls.all() == []


CONFIG = {
    "current": "other",
    "profiles": [
        {
            "name": "other",
            "mode": "AK",
            "access_key_id": "testid-other",
            "access_key_secret": "testsecret-other",
        },
        {
            "name": "siem",
            "mode": "AK",
            "access_key_id": "testid-demo-admin",
            "access_key_secret": "testsecret-demo-admin",
        },
    ],
}

QUIET = """
import os
import sys
from tests.conftest import api_at
from cloud_siem.errors import ApiError

url, role, profile = sys.argv[1:4]
api = api_at(url, role_arn=role or None, profile=profile or None)
try:
    print(api.identity().account, api.credential_source)
    assert "DEBUG" not in os.environ, "switched off, and not only silenced"
except ApiError as error:
    print(type(error).__name__)
"""


def in_another_process(
    siem: EmulatorServer, *, role: str = "", profile: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    """A fresh process that asks who it is: the SDK reads the environment only at import."""
    code = QUIET.replace("from tests.conftest import api_at", API_AT)
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, siem.url, role, profile],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


API_AT = """
from cloud_siem.api import Api
from cloud_siem.endpoint import Endpoint
from cloud_siem.model import Perspective, Region
from cloud_siem.settings import Settings

def api_at(url, **settings):
    here = Perspective(account="1130916744880000", region=Region.CN_HANGZHOU)
    return Api(settings=Settings(own_endpoint=Endpoint.parse(url), **settings), perspective=here)
"""


def test_a_profile_of_the_command_line_tool_is_used(siem: EmulatorServer, tmp_path: Path) -> None:
    (tmp_path / ".aliyun").mkdir()
    (tmp_path / ".aliyun/config.json").write_text(json.dumps(CONFIG))
    none = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": ""}

    named = in_another_process(siem, profile="siem", HOME=str(tmp_path))
    current = in_another_process(siem, HOME=str(tmp_path), **none)

    assert named.stdout == f"{ACCOUNT} cli_profile/static_ak\n", "and not the environment's"
    assert current.stdout == f"{OTHER_ACCOUNT} default/cli_profile/static_ak\n"


# --- nothing is shown ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "said"),
    [
        (ROLE, f"{ACCOUNT} ram_role_arn/default/env\n"),
        (f"acs:ram::{OTHER_ACCOUNT}:role/siem-delivery", "DeniedError\n"),
    ],
)
def test_the_sdk_prints_nothing_even_when_told_to_or_when_a_role_is_refused(
    siem: EmulatorServer, role: str, said: str
) -> None:
    run = in_another_process(siem, role=role, DEBUG="sdk")

    assert (run.stdout, run.stderr) == (said, "")


SECRETS = ("canary-secret", "canary-token", "canary-external")


@pytest.fixture
def canaries(siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    """Credentials that are easy to find again, wherever they should not be."""
    monkeypatch.setattr(auth_util, "environment_access_key_id", "testid-canary")
    monkeypatch.setattr(auth_util, "environment_access_key_secret", "canary-secret")
    monkeypatch.setattr(auth_util, "environment_security_token", "canary-token")
    return siem


def everything_said(error: BaseException) -> str:
    lines = traceback.format_exception(error)
    return "\n".join([str(error), repr(error), repr(vars(error)), *lines])


@pytest.mark.parametrize("role", [None, ROLE])
@pytest.mark.parametrize(
    "fault",
    ["none", "drop_before", "html", "empty", "bad_shape", "redirect", "half_body", "wrong_length",
     "http429", "internal_error", "expired_token", "data_false"],
)  # fmt: skip
def test_no_error_ever_shows_a_secret_a_token_or_a_signature(
    canaries: EmulatorServer, role: str | None, fault: str
) -> None:
    if fault != "none":
        canaries.fault(fault)
    api = api_at(
        canaries.url,
        fake=FakeTime(),
        role_arn=role,
        role_external_id="canary-external" if role else None,
        deadline=1.0,
    )
    for act in (api.identity, api.look, lambda: api.switch(PROC, State.OPEN)):
        with pytest.raises(ApiError) as caught:
            act()
        said = everything_said(caught.value)
        assert not [secret for secret in SECRETS if secret in said]
        assert "Signature=" not in said
    assert canaries.calls.all(), "the calls were made"


def test_no_log_ever_shows_a_secret_a_token_or_a_signature(
    canaries: EmulatorServer, caplog: pytest.LogCaptureFixture
) -> None:
    # STS is asked with all of these in the address, which the HTTP library logs at DEBUG.
    caplog.set_level(logging.DEBUG)
    api = api_at(canaries.url, role_arn=ROLE, role_external_id="canary-external")
    with pytest.raises(DeniedError):
        api.look()

    assert '"GET /?... HTTP/1.1"' in caplog.text, "the call itself is still logged"
    assert not [secret for secret in (*SECRETS, "testid-canary") if secret in caplog.text]
    assert "Signature=" not in caplog.text


def test_an_answer_that_repeats_what_was_signed_is_not_repeated_to_people() -> None:
    text = "Specified signature is not matched. server string to sign is:GET&%2F&canary-token"
    body = json.dumps({"Code": "Odd", "Message": text, "RequestId": "R-1"}).encode()
    with Loopback(http(body, status="400 Bad Request")) as server:
        for failed in (refused(server.url), refused(server.url, role_arn=ROLE)):
            assert failed.message == "Specified signature is not matched."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('error refreshing credentials from sso, http_code: 500, result: {"x": "CANARY"}', "500"),
        ('failed to refresh OAuth token: {"access_token": "CANARY"}', "OAuth token"),
        ("failed to refresh OAuth token, status code: 400, response: CANARY", "400"),
        ("unable to load credentials: ['A: error result: CANARY', 'B']", "['A: error"),
        ("unable to open credentials file: /x/.aliyun/config.json", "/x/.aliyun/config.json"),
    ],
)
def test_an_answer_that_the_chain_repeats_is_not_repeated_to_people(text: str, told: str) -> None:
    failed = module._no_credentials(CredentialException(text))

    assert failed.message.endswith(told)
    assert "CANARY" not in failed.message


def test_half_a_session_is_not_repeated_to_people() -> None:
    body = json.dumps({"Credentials": {"AccessKeyId": "x", "AccessKeySecret": "canary-secret"}})
    with Loopback(http(body.encode())) as server:
        failed = refused(server.url, role_arn=ROLE)

    assert failed.failure is Failure.NO_CREDENTIALS
    assert failed.message == "error retrieving credentials from ram_role_arn"


def test_nothing_that_prints_itself_shows_a_secret(canaries: EmulatorServer) -> None:
    api = api_at(canaries.url, role_arn=ROLE, role_external_id="canary-external")
    with pytest.raises(ApiError):
        api.look()
    credential = api._credential
    ours = (api, api.settings, credential, credential.sdk, Session(api))
    shown = "".join(repr(one) for one in (*ours, *(vars(one) for one in ours[2:] + ours[:1])))

    assert not [secret for secret in SECRETS if secret in shown]
    assert "role_external_id=***" in shown
    assert "Sdk(...)" in shown


def test_what_failed_inside_the_sdk_is_not_chained_to_what_is_told(siem: EmulatorServer) -> None:
    siem.fault("internal_error")
    failed = refused(siem.url)

    assert failed.__cause__ is None
    assert failed.__suppress_context__
    assert "alibabacloud" not in "".join(traceback.format_exception(failed))


def test_a_client_is_made_when_the_first_call_is_due(siem: EmulatorServer) -> None:
    api = api_at(siem.url)
    assert isinstance(api, Api)
    assert api._credential._sdk is None, "made when the first call is due"

    api.look()
    assert api._credential._sdk is not None
