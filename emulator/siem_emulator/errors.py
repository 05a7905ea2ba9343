"""The errors of the emulated cloud, one class each, with code, status and sentence fixed.

Raised by signature.py, throttle.py, service.py and operations.py; turned into bodies by service.py.

    CloudError
    |-- documented for the operations
    |   |-- MissingProductCode, ErrorProductCode, ErrorMapping
    |   `-- SlsShipError, SlsEmbedError, InternalError
    |-- the gateway's own
    |   |-- ApiNotFound, InvalidVersion, UnsupportedHttpMethod
    |   `-- MissingParameter, InvalidParameter, ThrottlingUser
    |-- about the signature
    |   |-- AccessKeyNotFound, IncompleteSignature, SignatureDoesNotMatch, SignatureNonceUsed
    |   |-- TimestampExpired, TimestampFormat
    |   `-- TokenMissing, TokenMalformed, TokenMismatch, TokenExpired
    `-- about permission
        |-- NoPermission, NotAdministrator, NotMember
        `-- RoleNotFound, RoleNotAssumable, RootMayNotAssume
"""

# ruff: noqa: N818 - they are named after the cloud's codes
from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

RECOMMEND = "https://next.api.aliyun.com/troubleshoot?q={code}&product={product}"


class CloudError(Exception):
    """An error that the caller of the API sees."""

    status: ClassVar[int]
    code: str
    sentence: str

    def detail(self) -> Mapping[str, str]:
        """What stands in the body's AccessDeniedDetail, if anything."""
        return {}

    def body(self, *, request_id: str, host: str, product: str) -> dict[str, object]:
        """The JSON object that the cloud answers."""
        body: dict[str, object] = {
            "RequestId": request_id,
            "Message": self.sentence,
            "Recommend": RECOMMEND.format(code=self.code, product=product),
            "HostId": host,
            "Code": self.code,
        }
        if detail := self.detail():
            body["AccessDeniedDetail"] = dict(detail)

        return body


# --- documented for the operations (API pages, 2025-10-09) ---------------------------------------


class MissingProductCode(CloudError):
    """Open or close without a product."""

    status = 400
    code = "Siem.Delivery.MissingProductCode"
    sentence = "ProductCode is mandatory for this action."


class ErrorProductCode(CloudError):
    """An unknown product, or (unverified) one that is not connected."""

    status = 500
    code = "Siem.Delivery.ErrorProductCode"
    sentence = "ProductCode is error for this action."


class ErrorMapping(CloudError):
    """A log that the product does not have."""

    status = 500
    code = "Siem.Delivery.ErrorMapping"
    sentence = "The Mapping between productCode and logCode is error."


class SlsShipError(CloudError):
    """Only ever by a fault: the Logstore's shipping is down."""

    status = 500
    code = "SLS.Ship.Error"
    sentence = "The Simple Log Service about data shipping is unavailable."


class SlsEmbedError(CloudError):
    """Only ever by a fault: the Logstore's console pages are down, and ListDelivery with them."""

    status = 500
    code = "SLS.Sls4Service.Error"
    sentence = "The Simple Log Service about embedding console pages is unavailable."


class InternalError(CloudError):
    """By a fault, or by the switch `repeat_close=error`."""

    status = 500
    code = "InternalError"
    sentence = "The request processing has failed due to some unknown error."


# --- the gateway's own ---------------------------------------------------------------------------


class ApiNotFound(CloudError):
    """No such action, or no such path."""

    status = 404
    code = "InvalidApi.NotFound"
    sentence = "Specified api is not found, please check your url and method."


class InvalidVersion(CloudError):
    """The action exists, in another version."""

    status = 404
    code = "InvalidVersion"
    sentence = "Specified parameter Version is not valid."


class UnsupportedHttpMethod(CloudError):
    """Neither GET nor POST."""

    status = 405
    code = "UnsupportedHTTPMethod"
    sentence = "This http method is not supported."


class MissingParameter(CloudError):
    """A parameter that every call, or this action, needs."""

    status = 400

    def __init__(self, name: str) -> None:
        self.code = f"Missing{name}"
        self.sentence = f"{name} is mandatory for this action."
        super().__init__(self.sentence)


class InvalidParameter(CloudError):
    """A parameter whose value cannot be."""

    status = 400

    def __init__(self, name: str) -> None:
        self.code = f"InvalidParameter.{name}"
        self.sentence = f"The parameter {name} is not valid."
        super().__init__(self.sentence)


class ThrottlingUser(CloudError):
    """Too many calls of one account."""

    status = 400
    code = "Throttling.User"
    sentence = "Request was denied due to user flow control."


# --- about the signature -------------------------------------------------------------------------


class AccessKeyNotFound(CloudError):
    """No such access key."""

    status = 404
    code = "InvalidAccessKeyId.NotFound"
    sentence = "Specified access key is not found."


class IncompleteSignature(CloudError):
    """The signature lacks a part, or does not cover what it must."""

    status = 400
    code = "IncompleteSignature"

    def __init__(self, why: str) -> None:
        self.sentence = f"The request signature does not conform to Aliyun standards: {why}"
        super().__init__(self.sentence)


class SignatureDoesNotMatch(CloudError):
    """Another secret, or a change on the way. Says what the server signed, as the cloud does."""

    status = 400
    code = "SignatureDoesNotMatch"

    def __init__(self, server_string: str = "") -> None:
        what = f" server string to sign is:{server_string}" if server_string else ""
        self.sentence = f"Specified signature is not matched with our calculation.{what}"
        super().__init__(self.sentence)


class SignatureNonceUsed(CloudError):
    """The same request again."""

    status = 400
    code = "SignatureNonceUsed"
    sentence = "Specified signature nonce was used already."


class TimestampExpired(CloudError):
    """The caller's clock is too far from ours."""

    status = 400
    code = "InvalidTimeStamp.Expired"
    sentence = "Specified time stamp or date value is expired."


class TimestampFormat(CloudError):
    """Not a date."""

    status = 400
    code = "InvalidTimeStamp.Format"
    sentence = "Specified time stamp or date value is not well formatted."


class TokenMissing(CloudError):
    """The key of a session without its token."""

    status = 400
    code = "MissingSecurityToken"
    sentence = "SecurityToken is mandatory for this action."


class TokenMalformed(CloudError):
    """A token that was not issued here."""

    status = 400
    code = "InvalidSecurityToken.Malformed"
    sentence = "Specified SecurityToken is malformed."


class TokenMismatch(CloudError):
    """A token of another key."""

    status = 400
    code = "InvalidSecurityToken.MismatchWithAccessKey"
    sentence = "Specified SecurityToken mismatch with the AccessKey."


class TokenExpired(CloudError):
    """A session that is over."""

    status = 400
    code = "InvalidSecurityToken.Expired"
    sentence = "Specified SecurityToken is expired."


# --- about permission ----------------------------------------------------------------------------


class NoPermission(CloudError):
    """RAM says no; the detail names the missing action."""

    status = 403
    code = "NoPermission"
    sentence = "You are not authorized to perform this operation."

    def __init__(self, detail: Mapping[str, str]) -> None:
        self._detail = dict(detail)
        super().__init__(self.sentence)

    def detail(self) -> Mapping[str, str]:
        return self._detail


class NotAdministrator(CloudError):
    """The enterprise view, asked for by an account that administers nobody."""

    status = 403
    code = "NoPermission"
    sentence = (
        "Only the delegated administrator of threat analysis can use the view of all accounts."
    )


class NotMember(CloudError):
    """The perspective of an account that is not a member."""

    status = 403
    code = "NoPermission"
    sentence = "The account in RoleFor is not a member that you administer."


class RoleNotFound(CloudError):
    """No such role."""

    status = 404
    code = "EntityNotExist.Role"

    def __init__(self, arn: str) -> None:
        self.sentence = f"The role not exists: {arn} ."
        super().__init__(self.sentence)


class RoleNotAssumable(CloudError):
    """The role does not trust the caller, or wants another external id."""

    status = 403
    code = "NoPermission"
    sentence = (
        "You are not authorized to do this action. You should be authorized by RAM, and the role "
        "must trust you."
    )


class RootMayNotAssume(CloudError):
    """An account's own key."""

    status = 403
    code = "NoPermission"
    sentence = "Roles may not be assumed by root accounts."
