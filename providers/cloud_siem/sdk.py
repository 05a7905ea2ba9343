"""The door to Alibaba Cloud's SDK: one signed call, once; the only module that imports it.

Called by ``api``, which owns retries, deadlines and what an error means to a person. Import this
module only when a call is due: the SDK takes a good part of a second.

The generic client (``call_api``) is used, not the generated one: the wire is the same, and a badly
shaped answer arrives as it was sent instead of as ``None``. What the SDK leaves open is closed in
the HTTP session that it uses (``http_session``), in the checks of credentials before a call, and in
the texts of its errors, none of which is passed on.
"""

from __future__ import annotations

import ast
import logging
import os
import re
import threading
from typing import Any

from cloud_siem.call import CallFailed, Failure, Request
from cloud_siem.http_session import StrictSession, exchange, within
from cloud_siem.settings import Endpoint, Settings
from cloud_siem.transport import POOL_SIZE
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
from Tea.core import TeaCore

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


class Sdk(Unrecorded):
    """Signed calls with one credential; safe to use from threads. Never printed."""

    def __init__(
        self, settings: Settings, *, account: str, sts: Endpoint, user_agent: str, session_name: str
    ) -> None:
        self._user_agent = user_agent
        provider = _credentials(settings, account=account, sts=sts, session_name=session_name)
        self._credential = CredentialClient(provider=provider)
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
        with within(seconds):
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
        with within(seconds):
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
        return _Checked(chain)
    if role == settings.assumed_role:
        return _Checked(EnvironmentVariableCredentialsProvider())
    # The SDK takes a scheme as part of the host here, and https where there is none.
    host = f"{sts.scheme}://{sts.host}" if sts.loopback else sts.host
    _make_strict(TeaCore, f"https://{host}:80", sts)
    provider = RamRoleArnCredentialsProvider(
        credentials_provider=_Checked(chain),
        role_arn=role,
        role_session_name=session_name,
        duration_seconds=settings.role_duration,
        external_id=settings.role_external_id,
        sts_endpoint=host,
    )
    return _Checked(provider, purpose="assuming the role")


class _Checked:
    """A provider of credentials whose every failure says that nothing was sent.

    The chain raises exceptions of any kind, ``ValueError`` and ``KeyError`` among them; past here
    they would look like an answer that the SDK cannot use. So would a key that no header can hold.
    """

    def __init__(self, provider: Any, *, purpose: str = "getting a session") -> None:
        self._provider = provider
        self._purpose = purpose
        """What the provider's own calls to STS are for, before the messages of their failures."""

    def get_credentials(self) -> Any:
        exchange.failure = None
        try:
            credentials = self._provider.get_credentials()
        except Exception as error:  # noqa: BLE001 - see above
            raise self._failed(error) from None
        _refuse_odd_characters(credentials)
        return credentials

    def _failed(self, error: Exception) -> CallFailed:
        # The chain turns a failed call to STS into text and goes on; the failure itself says more.
        failure = error if isinstance(error, CallFailed) else exchange.failure
        if failure is None:
            return _no_credentials(error)
        if failure.failure is not Failure.NO_CREDENTIALS:
            failure.message = f"{self._purpose}: {failure.message}"
        return failure

    def get_provider_name(self) -> str:
        return str(self._provider.get_provider_name())


def _refuse_odd_characters(credentials: Any) -> None:
    """Refuse what cannot stand in a header, such as the line break at the end of a pasted key.

    :raises CallFailed: a part has such a character; the message does not show the part.
    """
    parts = {
        "access key id": ("ALIBABA_CLOUD_ACCESS_KEY_ID", credentials.get_access_key_id()),
        "access key secret": (
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
            credentials.get_access_key_secret(),
        ),
        "security token": ("ALIBABA_CLOUD_SECURITY_TOKEN", credentials.get_security_token()),
    }
    of_environment = str(credentials.get_provider_name()).rpartition("/")[2] == "env"
    for name, (variable, value) in parts.items():
        odd = re.search(r"[^\x21-\x7e]", value or "")
        if not odd:
            continue
        kind = "a line break" if odd[0] in "\r\n" else "a blank" if odd[0].isspace() else ""
        where = f" in {variable}" if of_environment else ""
        raise CallFailed(
            Failure.NO_CREDENTIALS,
            f"the {name}{where} has {kind or 'a character that no key has'} in it",
            remedy=f"set the {name} again, without line breaks, blanks and quotes",
            sent=False,
        )


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
_HOST_OF_STS = re.compile(r"https://(?P<host>sts(-vpc)?(\.[a-z0-9-]+)?\.aliyuncs\.com):80")


def _session_of_sts(session_key: str, *args: Any, **options: Any) -> requests.Session:
    """The session in which the chain calls STS, for OIDC or a profile with a role: a strict one.

    In its own, an error would have the whole query, the OIDC token included.
    """
    if sts := _HOST_OF_STS.fullmatch(session_key):
        _make_strict(TeaCore, session_key, Endpoint(scheme="https", host=sts["host"]))
    session: requests.Session = _get_session(session_key, *args, **options)
    return session


_get_session = TeaCore._get_session  # noqa: SLF001 - there is no other way to its sessions
TeaCore._get_session = staticmethod(_session_of_sts)  # noqa: SLF001


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
        retry_after=max(exchange.retry_after, (error.retry_after or 0) / 1000),
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
    return CallFailed(Failure.NO_CREDENTIALS, "; ".join(_causes_in_chain(text)))


_CHAIN = {
    "EnvironmentVariableCredentialsProvider": "environment",
    "OIDCRoleArnCredentialsProvider": "OIDC",
    "CLIProfileCredentialsProvider": "CLI profile",
    "ProfileCredentialsProvider": "credentials file",
    "EcsRamRoleCredentialsProvider": "instance role",
    "URLCredentialsProvider": "credentials URI",
}
"""The members of the default chain, as people know them."""


def _causes_in_chain(text: str) -> list[str]:
    """The cause of each member of the chain, without what may be secret."""
    listed = re.search(r"providers in the chain: (\[.*\])$", text, re.DOTALL)
    try:
        causes = ast.literal_eval(listed[1]) if listed else [text]
    except (ValueError, SyntaxError):
        causes = [text]
    return [_without_secrets(_named(str(cause))) for cause in causes]


def _named(cause: str) -> str:
    member, colon, words = cause.partition(": ")
    return f"{_CHAIN[member]}: {words}" if colon and member in _CHAIN else cause


def _without_secrets(cause: str) -> str:
    # From there on the chain repeats an answer that may have half of a session in it; and a query
    # has key, token and signature.
    cut = re.split(r" (?:result|response):|\{", cause)[0].rstrip(" :,")
    return re.sub(r"\?\S+", "?...", cut)


def _spoken(message: str) -> str:
    """The cloud's words without the text that it signed; in the older form that has the token."""
    return message.partition("server string to sign")[0].strip()


def _at_most(milliseconds: int, seconds: float) -> int:
    return max(1, min(milliseconds, int(seconds * 1000)))
