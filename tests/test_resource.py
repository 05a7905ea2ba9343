"""What a program declares: names, options and order, by Pulumi's own mocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks
from pulumi.runtime.settings import set_root_resource
from pulumi.runtime.stack import run_pulumi_func

from cloud_siem.resource import AccountDeliveries, LogDelivery, load_stack
from cloud_siem.stack import Stack, build_stack
from tests.conftest import ACCOUNT

PROC = "cloud_siem_aegis_proc"


class Recorder(mocks.Mocks):
    """Stands in for the engine, and keeps what is registered."""

    def __init__(self) -> None:
        self.registered: dict[str, mocks.MockResourceArgs] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        self.registered[args.name] = args
        return f"{args.name}-id", args.inputs | {"request_id": f"of {args.name}"}

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise AssertionError(f"the program calls no function: {args.token}")


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One for all runs: what the SDK leaves waiting in one is nobody's in the next."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with ThreadPoolExecutor(max_workers=1) as calls:
        loop.set_default_executor(calls)
        yield loop
        # The SDK's mocks make a loop in the thread that calls them, and leave it open.
        calls.submit(lambda: asyncio.get_event_loop().close()).result()
    loop.close()


Run = Callable[[Callable[[], object]], dict[str, mocks.MockResourceArgs]]


@pytest.fixture
def run(loop: asyncio.AbstractEventLoop) -> Run:
    """Run a program to its end; returns what it registered, by name."""

    def run_program(program: Callable[[], object]) -> dict[str, mocks.MockResourceArgs]:
        recorder = Recorder()
        # Each run of a program has a root of its own.
        set_root_resource(None)  # type: ignore[arg-type]
        mocks.set_mocks(recorder, project="cloud-siem", stack="demo", preview=False)

        def main() -> None:
            program()

        loop.run_until_complete(run_pulumi_func(main))
        return recorder.registered

    return run_program


def stack_of(deliveries: dict[str, object], **more: object) -> Stack:
    values = {
        "cloud-siem:account": ACCOUNT,
        "cloud-siem:region": "cn-hangzhou",
        "cloud-siem:deliveries": deliveries,
    }
    return build_stack(values | more, name="demo")


def test_a_stack_is_its_deliveries_between_a_gate_and_a_settled_bookend(run: Run) -> None:
    stack = stack_of({"sas": {PROC: "open"}, "waf": {"*": "closed"}})
    found = run(lambda: AccountDeliveries("deliveries", stack))

    assert set(found) == {"deliveries", "gate", f"sas/{PROC}", "waf", "settled"}
    assert found["gate"].inputs[f"sas/{PROC}"] == "open"
    assert found["gate"].inputs["waf/*"] == "closed"


def test_the_gate_carries_the_stacks_tags(run: Run) -> None:
    stack = stack_of({}, **{"cloud-siem:tags": {"env": "prod"}})
    found = run(lambda: AccountDeliveries("deliveries", stack))

    assert found["gate"].inputs["tags"] == {"env": "prod"}


def test_a_delivery_has_flat_inputs_and_none_that_are_not_set(run: Run) -> None:
    stack = stack_of({"sas": {PROC: "open"}, "waf": {"*": "open"}})
    found = run(lambda: AccountDeliveries("deliveries", stack))
    inputs = {
        name: value for name, value in found[f"sas/{PROC}"].inputs.items() if name != "__provider"
    }

    assert inputs == {
        "account": ACCOUNT,
        "region": "cn-hangzhou",
        "view": "account",
        "product": "sas",
        "log": PROC,
        "state": "open",
        "stack": "demo",
        "guarded": True,
    }
    assert found["waf"].inputs["log"] == "*"


def test_a_prefix_stands_before_the_name_of_each_child(run: Run) -> None:
    stack = stack_of({"sas": {PROC: "open"}})
    found = run(lambda: AccountDeliveries("second", stack, prefix="b-"))

    assert set(found) == {"second", "b-gate", f"b-sas/{PROC}", "b-settled"}


def test_the_settled_bookend_is_told_of_every_write(run: Run) -> None:
    stack = stack_of({"sas": {PROC: "open"}, "waf": {"*": "closed"}})
    told = run(lambda: AccountDeliveries("deliveries", stack))["settled"].inputs

    assert told["written"] == {f"sas/{PROC}": f"of sas/{PROC}", "waf": "of waf"}
    assert told["deliveries"] == {f"sas/{PROC}": "open", "waf/*": "closed"}


def test_one_delivery_may_be_declared_once(run: Run) -> None:
    def twice() -> None:
        for name in ("one", "two"):
            LogDelivery(name, account=ACCOUNT, region="cn-hangzhou", product="sas", log=PROC)

    with pytest.raises(pulumi.RunError, match="one and two declare the same delivery: sas/"):
        run(twice)


def test_a_word_that_on_remove_does_not_know_is_refused(run: Run) -> None:
    def program() -> None:
        LogDelivery(
            "one",
            account=ACCOUNT,
            region="cn-hangzhou",
            product="sas",
            log=PROC,
            on_remove="kepe",  # type: ignore[arg-type]
        )

    with pytest.raises(pulumi.RunError, match="one: on_remove is 'kepe': write close or keep"):
        run(program)


FILE = """config:
  cloud-siem:account: "1234567890123456"
  cloud-siem:region: cn-hangzhou
  cloud-siem:deliveries:
    sas: {cloud_siem_aegis_proc: open}
"""


def test_a_program_may_declare_what_a_file_in_another_place_says(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.other.yaml"
    file.write_text(FILE)

    registered = run(lambda: AccountDeliveries("other", load_stack(file)))

    assert registered[f"sas/{PROC}"].inputs["account"] == "1234567890123456"


def test_the_settings_of_such_a_file_are_refused_and_not_lost(run: Run, tmp_path: Path) -> None:
    """The provider's settings are those of the running stack."""
    file = tmp_path / "Pulumi.other.yaml"
    file.write_text(f"{FILE}  cloud-siem:closeLimit: 1\n")

    with pytest.raises(pulumi.RunError, match=r"Pulumi.other.yaml:6:3: cloud-siem:closeLimit: a s"):
        run(lambda: load_stack(file))


def test_the_same_program_may_run_again_in_one_process(run: Run) -> None:
    def once() -> None:
        LogDelivery("one", account=ACCOUNT, region="cn-hangzhou", product="sas", log=PROC)

    assert set(run(once)) == {"one"}
    assert set(run(once)) == {"one"}


@pytest.mark.parametrize(
    ("options", "protect", "retain"),
    [
        ({}, None, None),
        ({"protect": True}, True, None),
        ({"on_remove": "keep"}, None, True),
    ],
)
def test_protect_and_keep_are_options_of_the_engine_too(
    run: Run,
    options: dict[str, Any],
    protect: bool | None,
    retain: bool | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[pulumi.ResourceOptions] = []
    merge = pulumi.ResourceOptions.merge

    def noting(first: Any, second: Any) -> pulumi.ResourceOptions:
        given.append(first)
        return merge(first, second)

    monkeypatch.setattr(pulumi.ResourceOptions, "merge", staticmethod(noting))

    def program() -> None:
        place: dict[str, Any] = {
            "account": ACCOUNT,
            "region": "cn-hangzhou",
            "product": "sas",
            "log": PROC,
        }
        LogDelivery("one", **place, **options)

    run(program)

    assert (given[0].protect, given[0].retain_on_delete) == (protect, retain)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the engine is asked to register, by name: the mocks themselves see no options."""
    found: dict[str, Any] = {}
    register: Any = mocks.MockMonitor.RegisterResource

    def noting(self: mocks.MockMonitor, request: Any) -> Any:
        found[request.name] = request
        return register(self, request)

    monkeypatch.setattr(mocks.MockMonitor, "RegisterResource", noting)

    return found


def test_the_bookends_stand_before_and_after_every_delivery(
    run: Run, requests: dict[str, Any]
) -> None:
    """All are children of the component; deliveries depend on the gate, and on all the bookend."""
    stack = stack_of(
        {
            "sas": {PROC: {"state": "open", "protect": True}},
            "waf": {"*": {"state": "open", "onRemove": "keep"}},
        }
    )

    def program() -> None:
        AccountDeliveries("deliveries", stack)

    run(program)
    names = {"gate", f"sas/{PROC}", "waf", "settled"}
    after = {
        name: {urn.rpartition("::")[2] for urn in requests[name].dependencies} for name in names
    }

    assert after == {
        "gate": set(),
        f"sas/{PROC}": {"gate"},
        "waf": {"gate"},
        "settled": names - {"settled"},
    }
    assert {requests[name].parent.rpartition("::")[2] for name in names} == {"deliveries"}
    assert [name for name in sorted(names) if requests[name].protect] == [f"sas/{PROC}"]
    assert [name for name in sorted(names) if requests[name].retainOnDelete] == ["waf"]


def test_a_program_may_give_options_of_its_own(run: Run, requests: dict[str, Any]) -> None:
    """They come on top of those that the flags ask for."""

    def program() -> None:
        LogDelivery(
            "one",
            account=ACCOUNT,
            region="cn-hangzhou",
            product="waf",
            log="*",
            protect=True,
            opts=pulumi.ResourceOptions(retain_on_delete=True, ignore_changes=["state"]),
        )

    run(program)

    assert requests["one"].protect
    assert requests["one"].retainOnDelete
    assert list(requests["one"].ignoreChanges) == ["state"]


def test_keys_that_other_resources_know_are_not_compared(run: Run) -> None:
    """Their texts are not known where the program runs."""

    def twice() -> None:
        for name in ("one", "two"):
            LogDelivery(
                name,
                account=ACCOUNT,
                region="cn-hangzhou",
                product="waf",
                log=pulumi.Output.from_input("cloud_siem_waf_flow"),
            )

    assert set(run(twice)) == {"one", "two"}
