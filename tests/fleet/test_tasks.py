"""What travels to a worker: whole, and without a secret."""

from __future__ import annotations

import pickle

import pytest

from cloud_siem.fleet.tasks import Operation, Task, portable

TASK = Task(stack="a", operation=Operation.UP, text="config: {}", project={"Pulumi.yaml": "x"})


def test_a_task_comes_out_of_a_pickle_as_it_went_in() -> None:
    assert pickle.loads(pickle.dumps(TASK)) == TASK  # noqa: S301 - our own


@pytest.mark.parametrize(
    "name",
    [
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "ALIBABA_CLOUD_SECURITY_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "CLOUD_SIEM_ASSUMED_ROLE",
        "CLOUD_SIEM_ROLE_EXTERNAL_ID",
        "CLOUD_SIEM_TALLY",
        "CLOUD_SIEM_SENT_ACCOUNTS",
        "PULUMI_ACCESS_TOKEN",
        "PULUMI_CONFIG_PASSPHRASE",
        "HTTPS_PROXY",
    ],
)
def test_a_task_that_would_carry_a_secret_or_what_stays_here_cannot_be_made(name: str) -> None:
    with pytest.raises(ValueError, match=f"a task never carries {name}"):
        Task(stack="a", operation=Operation.UP, text="", environment={name: "canary"})


def test_only_our_settings_travel_and_a_backend_that_names_no_secret() -> None:
    environ = {
        "CLOUD_SIEM_DEADLINE": "9",
        "CLOUD_SIEM_ROLE_EXTERNAL_ID": "canary",
        "PULUMI_BACKEND_URL": "s3://bucket?endpoint=http://127.0.0.1:9000&region=x",
        "PULUMI_CONFIG_PASSPHRASE": "canary",
        "PATH": "/bin",
    }

    assert sorted(portable(environ)) == ["CLOUD_SIEM_DEADLINE", "PULUMI_BACKEND_URL"]


@pytest.mark.parametrize(
    "url",
    [
        "postgres://me:canary@db/state",
        "s3://bucket?secretAccessKey=canary",
        "azblob://x?sas_token=canary",
        "https://[",
    ],
)
def test_a_backend_whose_address_may_hold_a_secret_stays_here(url: str) -> None:
    assert portable({"PULUMI_BACKEND_URL": url}) == {}
