"""The door to Alibaba Cloud's SDK: one signed call, once; the only module that imports it.

Called by ``api``, which owns retries, deadlines and what an error means to a person. Import this
module only when a call is due: the SDK takes a good part of a second.

The generic client (``call_api``) is used, not the generated one: the wire is the same, and a badly
shaped answer arrives as it was sent instead of as ``None``. What the SDK leaves open is closed
here, in the HTTP session that it uses (``StrictSession``): certificates are verified, redirects not
followed, proxies not asked about loopback; an answer has a size and a total deadline, and one that
is cut or not a JSON object says so.
"""

from __future__ import annotations

import json
import logging
import os
import re
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any

from cloud_siem.call import CallFailed, Failure, Request, causes, first_cause
from cloud_siem.foreign_warnings import spare_warnings
from cloud_siem.jsontext import is_unicode
from cloud_siem.settings import Endpoint, Settings
from cloud_siem.transport import POOL_SIZE, equip
from cloud_siem.unrecorded import Unrecorded

if os.environ.get("DEBUG", "").lower() == "sdk":
    # The SDK would print every header, security tokens and signatures among them.
    del os.environ["DEBUG"]

import requests
from alibabacloud_credentials.client import Client as CredentialClient
from alibabacloud_credentials.exceptions import CredentialException
from alibabacloud_credentials.provider import (
    CLIProfileCredentialsProvider,
    DefaultCredentialsProvider,
    EnvironmentVariableCredentialsProvider,
    RamRoleArnCredentialsProvider,
)
from alibabacloud_tea_openapi import utils_models
from alibabacloud_tea_openapi.client import Client
from darabonba.core import DaraCore
from darabonba.exceptions import ResponseException, UnretryableException
from darabonba.request import DaraRequest
from darabonba.runtime import RuntimeOptions
from requests import exceptions as http_errors
from Tea.core import TeaCore
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    LocationValueError,
    NewConnectionError,
    ProxyError,
)

for _name in ("darabonba-core", "alibabacloud-tea", "credentials"):
    # The SDK hangs its own handlers on stderr at import; what matters reaches a person as an error.
    logging.getLogger(_name).handlers[:] = [logging.NullHandler()]
    logging.getLogger(_name).propagate = False


def _without_queries(record: logging.LogRecord) -> bool:
    """Take the queries out of what is logged: STS is asked with key, token and signature there."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            one.partition("?")[0] + "?..." if isinstance(one, str) and "?" in one else one
            for one in record.args
        )
    return True


for _name in ("urllib3.connectionpool", "urllib3.util.retry"):
    # At DEBUG these log the address of each call; filters of their common parent are not asked.
    logging.getLogger(_name).addFilter(_without_queries)

CONNECT_TIMEOUT_MS = 5_000
READ_TIMEOUT_MS = 10_000
"""For one read from the socket; the whole answer has the caller's deadline."""
ANSWER_LIMIT = 16 * 1024 * 1024
"""Bytes; thousands of times what ListDelivery sends for an account that has every product."""
_CHUNK = 64 * 1024
_NO_PROXY = (
    "the proxy in HTTPS_PROXY or HTTP_PROXY cannot be used: write http://user:password@host:port,"
    " with odd characters as %23"
)
_NOT_CONNECTED = (ConnectTimeoutError, NewConnectionError, ProxyError)
_REDIRECTS = range(300, 400)
_NO_CONTENT = 204


class Sdk(Unrecorded):
    """Signed calls with one credential; safe to use from threads. Never printed."""

    def __init__(
        self, settings: Settings, *, account: str, sts: Endpoint, user_agent: str, session_name: str
    ) -> None:
        self._user_agent = user_agent
        provider = _credentials(settings, account=account, sts=sts, session_name=session_name)
        self._credential = CredentialClient(provider=_Told(provider))
        self._clients: dict[Endpoint, Client] = {}

    def __repr__(self) -> str:
        return "Sdk(...)"

    @property
    def source(self) -> str:
        """Where the credentials come from, e.g. ``default/env``; for errors."""
        try:
            return str(self._credential.get_credential().provider_name)
        except Exception as error:  # noqa: BLE001 - the chain raises what it likes
            return f"none ({type(error).__name__})"

    def session(self, *, seconds: float) -> dict[str, str]:
        """The credentials as the environment variables that hand them to a process.

        :raises CallFailed: there are none, or STS did not answer within the given time.
        """
        _begin(seconds)
        found = self._credential.get_credential()
        return {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": str(found.access_key_id),
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": str(found.access_key_secret),
            "ALIBABA_CLOUD_SECURITY_TOKEN": str(found.security_token or ""),
        }

    def call(self, request: Request, *, seconds: float) -> dict[str, Any]:
        """The JSON object that answers the request, within the given time.

        :raises CallFailed: anything else happened.
        """
        _begin(seconds)
        try:
            answer = self._client(request.endpoint).call_api(
                _params(request),
                utils_models.OpenApiRequest(body=dict(request.parameters) or None),
                RuntimeOptions(
                    connect_timeout=_at_most(CONNECT_TIMEOUT_MS, seconds),
                    read_timeout=_at_most(READ_TIMEOUT_MS, seconds),
                ),
            )
        except Exception as error:  # noqa: BLE001 - and so does the SDK
            raise _failed(error) from None
        body: object = answer["body"]
        if not isinstance(body, dict):
            raise CallFailed(Failure.STRANGE, "the answer is not a JSON object")
        return body

    def _client(self, endpoint: Endpoint) -> Client:
        client = self._clients.get(endpoint)
        if client is None:
            _make_strict(DaraCore, _session_key(endpoint), endpoint)
            client = Client(
                utils_models.Config(
                    credential=self._credential,
                    endpoint=endpoint.host,
                    protocol=endpoint.scheme,
                    user_agent=self._user_agent,
                    max_idle_conns=POOL_SIZE,
                )
            )
            self._clients[endpoint] = client
        return client


def _params(request: Request) -> utils_models.Params:
    return utils_models.Params(
        action=request.action,
        version=request.version,
        protocol=request.endpoint.scheme,
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )


def _credentials(settings: Settings, *, account: str, sts: Endpoint, session_name: str) -> Any:
    """The official chain or one profile of it; with a role to assume, through that."""
    chain = (
        CLIProfileCredentialsProvider(profile_name=settings.profile)
        if settings.profile
        else DefaultCredentialsProvider()
    )
    role = settings.role_for(account)
    if role is None:
        return chain
    if role == settings.assumed_role:
        return EnvironmentVariableCredentialsProvider()
    # The SDK takes a scheme as part of the host here, and https where there is none.
    host = f"{sts.scheme}://{sts.host}" if sts.loopback else sts.host
    _make_strict(TeaCore, f"https://{host}:80", sts)
    return RamRoleArnCredentialsProvider(
        credentials_provider=chain,
        role_arn=role,
        role_session_name=session_name,
        duration_seconds=settings.role_duration,
        external_id=settings.role_external_id,
        sts_endpoint=host,
    )


class _Told:
    """A provider of credentials whose every failure says that nothing was sent.

    The chain raises what it likes, ``ValueError`` and ``KeyError`` among it; past here it could not
    be told from an answer that the SDK could not use.
    """

    def __init__(self, provider: Any) -> None:
        self._provider = provider

    def get_credentials(self) -> Any:
        try:
            return self._provider.get_credentials()
        except CallFailed as failure:  # on the way to STS
            failure.message = f"assuming the role: {failure.message}"
            raise
        except Exception as error:  # noqa: BLE001 - see above
            raise _no_credentials(error) from None

    def get_provider_name(self) -> str:
        return str(self._provider.get_provider_name())


class _Exchange(threading.local):
    """What the HTTP session and the caller, on the same thread, tell each other past the SDK."""

    over_at: float = 0.0
    retry_after: float = 0.0


_exchange = _Exchange()


def _begin(seconds: float) -> None:
    """What this thread sends from now on has so much time."""
    spare_warnings()
    _exchange.over_at = time.monotonic() + seconds
    _exchange.retry_after = 0.0


class StrictSession(requests.Session):
    """The HTTP session of one host, in place of the one that the SDK would make."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._loopback = endpoint.loopback
        equip(self, endpoint.scheme, pool_size=POOL_SIZE)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        if self._loopback:
            options["proxies"] = {}
        options |= {"allow_redirects": False, "stream": True, "verify": True}
        try:
            response = super().send(request, **options)
            with response:
                content = _read(response)
        except http_errors.SSLError as error:
            raise _tls_failure(error) from None
        except (LocationValueError, http_errors.InvalidURL, http_errors.InvalidSchema):
            # Not our address, which was parsed before; and the error repeats half of a password.
            raise CallFailed(Failure.LOST, _NO_PROXY, sent=False) from None
        except (OSError, HTTPError) as error:
            raise _lost(error) from None
        _exchange.retry_after = _retry_after(response.headers)
        _check(response, content)
        # What ``requests`` does itself when it reads the body; the SDK asks for ``content`` next.
        response._content = content  # noqa: SLF001
        return response

    def get_redirect_target(self, _response: requests.Response) -> None:
        """None: else the body of a redirect, though not followed, is read to its end."""
        return


def _tls_failure(error: http_errors.SSLError) -> CallFailed:
    *_, cause = causes(error)
    if isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
        # The connection was cut in the handshake, which says nothing about who is there.
        message = "the connection broke off in the TLS handshake"
        return CallFailed(Failure.LOST, message, sent=False)
    return CallFailed(Failure.NOT_TRUSTED, f"TLS: {first_cause(error)}", sent=False)


def _lost(error: Exception) -> CallFailed:
    """A connection that was not made, or an answer that did not come whole."""
    chain = list(causes(error))
    if isinstance(chain[-1], IncompleteRead) and chain[-1].expected:
        length = chain[-1].partial + chain[-1].expected
        message = f"the answer broke off after {chain[-1].partial} of {length} bytes"
        return CallFailed(Failure.LOST, message)
    sent = not any(isinstance(cause, _NOT_CONNECTED) for cause in chain)
    return CallFailed(Failure.LOST, first_cause(error), sent=sent)


def _session_key(endpoint: Endpoint) -> str:
    return f"{endpoint.scheme}://{endpoint.host}:{DaraRequest().port}:pool={POOL_SIZE}"


def _make_strict(core: Any, key: str, endpoint: Endpoint) -> None:
    """Have the SDK use a strict HTTP session for this key of its table of sessions.

    The table is the SDK's own and not documented; that it is still used so is tested.
    """
    with _sessions_lock:
        if not isinstance(core._sessions.get(key), StrictSession):  # noqa: SLF001 - see above
            core._sessions[key] = StrictSession(endpoint)  # noqa: SLF001


_sessions_lock = threading.Lock()


def _read(response: requests.Response) -> bytes:
    """The whole body, within deadline and limit; a socket time-out bounds each read alone."""
    chunks: list[bytes] = []
    size = 0
    while chunk := response.raw.read1(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > ANSWER_LIMIT:
            raise CallFailed(Failure.STRANGE, f"the answer is larger than {ANSWER_LIMIT} bytes")
        if time.monotonic() > _exchange.over_at:
            raise CallFailed(Failure.LOST, "the answer came too slowly")
    return b"".join(chunks)


def _check(response: requests.Response, content: bytes) -> None:
    status = response.status_code
    if status in _REDIRECTS:
        where = _place(response.headers.get("location", ""))
        raise CallFailed(
            Failure.NOT_TRUSTED, f"redirected to {where}; redirects are refused", status=status
        )
    if _is_cut(response, content):
        raise CallFailed(Failure.LOST, f"the answer broke off after {len(content)} bytes")
    if not content.lstrip().startswith(b"{"):
        kind = response.headers.get("content-type", "no content type")
        shape = (
            f"HTTP {status}, {kind}, {len(content)} bytes" if content else f"HTTP {status}, empty"
        )
        # A gateway that is down or busy answers in HTML; that may pass, as the API's own 503 may.
        failure = Failure.LOST if status in (502, 503, 504) else Failure.STRANGE
        raise CallFailed(failure, f"the answer is not a JSON object ({shape})", status=status)
    if b"\\u" in content and not _is_unicode(content):
        raise CallFailed(Failure.STRANGE, "the answer has text that is no Unicode", status=status)


def _is_cut(response: requests.Response, content: bytes) -> bool:
    """Whether the body ends too early, as far as that can be seen.

    Where the headers give its length, the HTTP library compared that. Where the connection's end
    is its end, only what it holds can show it: nothing, or a JSON object that is not whole.
    """
    ends_with_connection = not {"content-length", "transfer-encoding"} & {
        name.lower() for name in response.headers
    }
    if not content:
        return ends_with_connection and response.status_code != _NO_CONTENT
    if not content.lstrip().startswith(b"{"):
        return False
    return not content.rstrip().endswith(b"}") or (ends_with_connection and not _is_json(content))


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def _is_unicode(content: bytes) -> bool:
    try:
        return is_unicode(json.loads(content))
    except (ValueError, RecursionError):
        return True  # whether it is JSON at all is the SDK's to say


def _place(location: str) -> str:
    """Where a redirect leads, without its query: a portal's may repeat ours, signature and all."""
    host = re.match(r"(https?://)(?:[^/?#@]*@)?([^/?#]+)", location)
    return host[1] + host[2] if host else re.split(r"[?#]", location)[0][:200] or "nowhere"


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds: the cloud's own header counts in milliseconds, HTTP's in seconds."""
    for name, unit in (("x-acs-retry-after", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name, "")
        if value.isdecimal():
            return int(value) * unit
    return 0.0


def _failed(error: Exception) -> CallFailed:
    """Any exception of the SDK as ours; nothing of it is chained, since it may hold the request."""
    if isinstance(error, UnretryableException):
        error = error.inner_exception
    if isinstance(error, CallFailed):
        return error
    if isinstance(error, ResponseException):
        return _answered(error)
    return CallFailed(Failure.STRANGE, f"the SDK could not use the answer ({type(error).__name__})")


def _answered(error: ResponseException) -> CallFailed:
    data = error.data if isinstance(error.data, dict) else {}
    told = data.get("AccessDeniedDetail")
    detail = told if isinstance(told, dict) else {}
    return CallFailed(
        Failure.ANSWERED,
        _spoken(str(data.get("Message") or data.get("message") or "")),
        code=str(data.get("Code") or data.get("code") or ""),
        status=error.status_code,
        request_id=str(data.get("RequestId") or data.get("requestId") or ""),
        retry_after=max(_exchange.retry_after, (error.retry_after or 0) / 1000),
        denied=str(detail.get("AuthAction", "")),
        denied_explicitly=detail.get("NoPermissionType") == "ExplicitDeny",
    )


def _no_credentials(error: Exception) -> CallFailed:
    """The chain's text, or STS's refusal inside it, without anything that may be secret."""
    text = str(error)
    found = {
        name: match.group(1) if (match := re.search(rf'"{name}"\s*:\s*"([^"]*)"', text)) else ""
        for name in ("Code", "Message", "RequestId")
    }
    if found["Code"]:
        status = re.search(r"http_code: (\d+)", text)
        return CallFailed(
            Failure.NO_CREDENTIALS,
            _spoken(found["Message"]),
            code=found["Code"],
            status=int(status.group(1)) if status else None,
            request_id=found["RequestId"],
        )
    if not isinstance(error, CredentialException):
        return CallFailed(
            Failure.NO_CREDENTIALS, f"they could not be read ({type(error).__name__})"
        )
    # From there on the chain repeats an answer that may have half of a session in it.
    told = re.split(r" (?:result|response):|\{", text)[0].rstrip(" :,")
    return CallFailed(Failure.NO_CREDENTIALS, told)


def _spoken(message: str) -> str:
    """The cloud's words without the text that it signed; in the older form that has the token."""
    return message.partition("server string to sign")[0].strip()


def _at_most(milliseconds: int, seconds: float) -> int:
    return max(1, min(milliseconds, int(seconds * 1000)))
