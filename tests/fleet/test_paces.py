"""The request rate of a credential, divided among the runs that use it at once."""

from __future__ import annotations

from dataclasses import replace

from cloud_siem.fleet.paces import notes, shares
from cloud_siem.settings import Settings
from cloud_siem.stack import Stack
from tests.conftest import HERE, MEMBER


def stack(name: str, rate: float = 10.0, **settings: str) -> Stack:
    return Stack(
        name=name,
        perspective=HERE,
        settings=Settings(request_rate=rate, **settings),  # type: ignore[arg-type]
    )


def test_runs_of_one_credential_share_the_rate_of_the_slowest() -> None:
    stacks = [stack("a"), stack("b", 8.0), stack("c")]

    assert shares(stacks, slots=2) == dict.fromkeys("abc", 4.0)
    assert shares(stacks, slots=64) == dict.fromkeys("abc", 2.667)
    (told,) = notes(stacks, slots=2)
    assert told == (
        "requests: 3 stacks share 1 credential, so 8 calls a second (cloud-siem:requestRate) are"
        " divided among the runs at once: 4 for each"
    )


def test_a_credential_of_its_own_has_its_rate_whole() -> None:
    """A role in each account is a credential for each account, and the cloud counts by account."""
    role = "acs:ram::{account}:role/x"
    member = replace(HERE, account=MEMBER)
    stacks = [stack("a", role_arn=role), replace(stack("b", role_arn=role), perspective=member)]

    assert shares(stacks, slots=2) == {"a": 10.0, "b": 10.0}
    assert list(notes(stacks, slots=2)) == []


def test_one_run_at_a_time_has_the_rate_whole() -> None:
    assert shares([stack("a"), stack("b")], slots=1) == {"a": 10.0, "b": 10.0}
    assert list(notes([stack("a"), stack("b")], slots=1)) == []


def test_no_share_is_less_than_the_setting_takes() -> None:
    stacks = [stack(str(number), 0.5) for number in range(20)]

    assert set(shares(stacks, slots=20).values()) == {0.1}
