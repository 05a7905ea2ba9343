from __future__ import annotations

import pytest

from cloud_siem.call import CallFailed, Failure

ANSWERED, LOST, STRANGE = Failure.ANSWERED, Failure.LOST, Failure.STRANGE
NOT_TRUSTED, NO_CREDENTIALS, HELD = Failure.NOT_TRUSTED, Failure.NO_CREDENTIALS, Failure.HELD


@pytest.mark.parametrize(
    ("failure", "code", "status", "passes"),
    [
        # Documented for the operations: Siem.Delivery.* are permanent, whatever their status.
        (ANSWERED, "Siem.Delivery.MissingProductCode", 400, False),
        (ANSWERED, "Siem.Delivery.ErrorMapping", 500, False),
        (ANSWERED, "Siem.Delivery.ErrorProductCode", 500, False),
        (ANSWERED, "SLS.Ship.Error", 500, True),
        (ANSWERED, "SLS.Sls4Service.Error", 500, True),
        (ANSWERED, "InternalError", 500, True),
        # Of the gateway.
        (ANSWERED, "Throttling", 400, True),
        (ANSWERED, "Throttling.User", 400, True),
        (ANSWERED, "Throttling.Api", 400, True),
        (ANSWERED, "Rejected.Throttling", 400, True),
        (ANSWERED, "", 429, True),
        (ANSWERED, "ServiceUnavailable", 503, True),
        (ANSWERED, "ServiceUnavailable", 400, True),
        (ANSWERED, "Anything", 502, True),
        (ANSWERED, "Anything", 503, True),
        (ANSWERED, "Anything", 504, True),
        (ANSWERED, "Anything", 500, False),
        (ANSWERED, "", 500, False),
        (ANSWERED, "NoPermission", 403, False),
        (ANSWERED, "Forbidden.RAM", 403, False),
        (ANSWERED, "SignatureDoesNotMatch", 400, False),
        (ANSWERED, "SignatureNonceUsed", 400, False),
        (ANSWERED, "InvalidAccessKeyId.NotFound", 404, False),
        (ANSWERED, "InvalidTimeStamp.Expired", 400, False),
        (ANSWERED, "InvalidSecurityToken.Expired", 400, False),
        (ANSWERED, "InvalidApi.NotFound", 404, False),
        # No whole answer may pass; an answer that is not the API's, and a stranger, do not.
        (LOST, "", None, True),
        (LOST, "", 503, True),
        (STRANGE, "", 200, False),
        (STRANGE, "", 503, False),
        (NOT_TRUSTED, "", 302, False),
        (NOT_TRUSTED, "", None, False),
        (HELD, "", None, False),
        # STS's refusal to give a session is judged by its code like any other.
        (NO_CREDENTIALS, "", None, False),
        (NO_CREDENTIALS, "NoPermission", 403, False),
        (NO_CREDENTIALS, "EntityNotExist.Role", 404, False),
        (NO_CREDENTIALS, "Throttling.User", 400, True),
        (NO_CREDENTIALS, "InternalError", 500, True),
        (NO_CREDENTIALS, "Anything", 503, True),
    ],
)
def test_which_failures_may_pass(
    failure: Failure, code: str, status: int | None, passes: bool
) -> None:
    assert CallFailed(failure, "words", code=code, status=status).may_pass is passes


@pytest.mark.parametrize(
    ("code", "status", "throttled"),
    [
        ("Throttling.User", 400, True),
        ("Rejected.Throttling", 503, True),
        ("", 429, True),
        ("InternalError", 500, False),
        ("ServiceUnavailable", 503, False),
    ],
)
def test_only_throttling_says_that_the_cloud_did_not_act(
    code: str, status: int, throttled: bool
) -> None:
    assert CallFailed(ANSWERED, "words", code=code, status=status).throttled is throttled


def test_every_way_to_fail_is_judged() -> None:
    judged = {CallFailed(failure, "").may_pass for failure in Failure}

    assert judged == {True, False}
