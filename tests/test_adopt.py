from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cloud_siem.adopt import Adoption, Wish, adoption
from cloud_siem.errors import RefusedError
from cloud_siem.model import (
    Delivery,
    DeliveryKey,
    Log,
    Perspective,
    Region,
    Snapshot,
    Standing,
    State,
    View,
    judge,
)
from cloud_siem.schema import stack_schema
from cloud_siem.stack import Stack, build_stack
from cloud_siem.stackfile import read_stack_text
from cloud_siem.stacktext import SCHEMA_LINE, missing_lines, stack_text
from tests.conftest import ACCOUNT, HERE, MEMBER

SCHEMA = Draft202012Validator(stack_schema())
TAKEN_AT = datetime(2025, 10, 9, 12, 0, tzinfo=UTC)
OPEN, CLOSED = State.OPEN, State.CLOSED


def log(name: str, state: State = OPEN, **more: object) -> Log:
    product, _, code = name.partition("/")
    facts: dict[str, object] = {"operable": True, "topic": f"{product}_topic", **more}
    return Log(product=product, log=code, state=state, **facts)  # type: ignore[arg-type] # as named


def snapshot(*logs: Log, perspective: Perspective = HERE) -> Snapshot:
    known = {(one.product, one.log): one for one in logs}
    return Snapshot(
        perspective=perspective,
        logs=tuple(known[code] for code in sorted(known)),
        taken_at=TAKEN_AT,
    )


def key(name: str, perspective: Perspective = HERE) -> DeliveryKey:
    product, _, code = name.partition("/")
    return DeliveryKey(perspective=perspective, product=product, log=code or None)


def other(*names: str, name: str = "other", perspective: Perspective = HERE) -> Stack:
    deliveries = tuple(Delivery(key=key(one, perspective), state=OPEN) for one in names)
    return Stack(name=name, perspective=perspective, deliveries=deliveries)


def adopted(found: Adoption) -> dict[str, State]:
    return {entry.key.name: entry.state for entry in found.entries}


def read(text: str) -> Stack:
    """As the validator reads it; a fault of any kind fails the test."""
    found = read_stack_text(text.encode(), "Pulumi.x.yaml")
    assert found.reasons == ()
    return build_stack(found.values, found.places, name="x")


# --- the file that is written ---------------------------------------------------------------------

CODES = st.one_of(
    st.text(alphabet="abyeonNE_.-0123456789", min_size=1, max_size=6),
    st.sampled_from(["on", "yes", "null", "true", "1e3", "0x1f", "2025-10-09", ".inf", "sas", "~"]),
    st.text(min_size=1, max_size=4).filter(str.strip),
)
LOGS = st.builds(
    Log,
    product=CODES,
    log=CODES,
    state=st.sampled_from([OPEN, CLOSED]),
    operable=st.booleans(),
    topic=st.text(max_size=12),
)
SNAPSHOTS = st.lists(LOGS, min_size=1, max_size=12).map(lambda logs: snapshot(*logs))
WISHES = st.builds(
    Wish, closed=st.booleans(), whole=st.sampled_from([frozenset(), frozenset({"*"})])
)
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "cloud-siem:profile": st.text(
            alphabet=st.characters(codec="utf-8", exclude_characters="\x7f"), min_size=1
        ).filter(lambda text: len(text) < 99 and not any(c.isspace() or c < " " for c in text)),
        "cloud-siem:roleArn": st.just("acs:ram::{account}:role/x"),
        "cloud-siem:closeLimit": st.sampled_from(["0", "30%", "7"]),
        "cloud-siem:protect": st.sampled_from(["true", "false"]),
        "cloud-siem:deadline": st.sampled_from(["60", "2.5", "60.0"]),
    },
)


@given(SNAPSHOTS, WISHES, CONFIGS)
def test_what_is_written_is_read_back_as_it_was_seen(
    seen: Snapshot, wish: Wish, config: Mapping[str, str]
) -> None:
    """Whatever codes and topics an account has: the validator and the schema take the file, and
    every entry is as declared, so that the next update writes nothing.
    """
    found = adoption(seen, (), (), wish)
    text = stack_text(found, config)
    stack = read(text)

    assert text.startswith(f"{SCHEMA_LINE}\n")
    assert list(SCHEMA.iter_errors(yaml.safe_load(text))) == []
    assert stack.perspective == seen.perspective
    assert {one.key: one.state for one in stack.deliveries} == {
        one.key: one.state for one in found.entries
    }
    verdicts = [judge(one.key, one.state, seen) for one in stack.deliveries]
    assert all(one.standing is Standing.AS_DECLARED for one in verdicts)
    settings = [(one, getattr(stack.settings, one)) for one in ("profile", "role_arn")]
    assert [value for _, value in settings] == [
        config.get("cloud-siem:profile"),
        config.get("cloud-siem:roleArn"),
    ]


@given(SNAPSHOTS, WISHES)
def test_every_open_log_is_declared_or_told_to_be_left_out(seen: Snapshot, wish: Wish) -> None:
    """None is dropped in silence, and none is declared twice."""
    found = adoption(seen, (), (), wish)
    declared = [one for entry in found.entries for one in entry.logs]

    assert len(declared) == len(set(declared))
    assert {*declared, *found.unspeakable, *found.passed_over} == set(seen.logs)
    assert all(one.state is CLOSED for one in found.passed_over)
    assert not (wish.closed and found.passed_over)
    assert set(found.covered) == {one for one in declared if one.state is OPEN}


def test_the_file_reads_well(golden: Callable[[str, str], None]) -> None:
    """Names and topics beside the codes, what may not be switched, what is left out and why."""
    seen = snapshot(
        log("actiontrail/cloud_siem_trail_actiontrail"),
        log("bastionhost/cloud_siem_bastionhost_event", operable=False),
        log("new/1e3", topic="two\nlines"),
        log("new/a b"),
        log("qcloud_cfw/cloud_siem_qcloud_cfw_alert_log", topic=""),
        log("rds/cloud_siem_rds_audit_log", CLOSED),
        log("sas/cloud_siem_aegis_dns"),
        log("sas/cloud_siem_aegis_proc", CLOSED),
        log("vpc/cloud_siem_vpc_flow_log"),
        log("waf/cloud_siem_waf_alert", topic="waf_alert"),
        log("waf/cloud_siem_waf_flow", topic="waf_flow"),
        perspective=replace(HERE, region=Region.AP_SOUTHEAST_1, view=View.ENTERPRISE),
    )
    elsewhere = other("vpc", name="network", perspective=seen.perspective)
    found = adoption(seen, (), [elsewhere], Wish(closed=True, whole=frozenset({"waf"})))
    config = {
        "cloud-siem:roleArn": "acs:ram::{account}:role/siem",
        "cloud-siem:onRemove": "keep",
        "cloud-siem:closeLimit": "30%",
        "cloud-siem:requestRate": "2.5",
    }

    golden("adopted.yaml", stack_text(found, config))


def test_an_account_without_an_open_log_gets_a_file_that_declares_nothing() -> None:
    """The stack is there, and its first deliveries are written by hand."""
    stack = read(stack_text(adoption(snapshot(log("waf/a", CLOSED)), (), (), Wish()), {}))

    assert stack.deliveries == ()


def test_what_the_engine_wrote_into_the_file_stays() -> None:
    """Below the line for editors, which has to be the first and is there once."""
    found = adoption(snapshot(log("waf/a")), (), (), Wish())
    before = f"{SCHEMA_LINE}\n# mine\nencryptionsalt: v1:x\n"
    text = stack_text(found, {}, before)

    assert text.count(SCHEMA_LINE) == 1
    assert "\n# mine\nencryptionsalt: v1:x\nconfig:\n" in text


# --- what is chosen -------------------------------------------------------------------------------


def test_closed_logs_are_declared_only_when_asked_for() -> None:
    """What is not listed is unmanaged, which is what a closed log was."""
    seen = snapshot(log("waf/a"), log("waf/b", CLOSED))

    assert adopted(adoption(seen, (), (), Wish())) == {"waf/a": OPEN}
    assert adopted(adoption(seen, (), (), Wish(closed=True))) == {"waf/a": OPEN, "waf/b": CLOSED}


def test_whole_products_are_declared_only_when_asked_for_and_only_where_that_writes_nothing() -> (
    None
):
    """One name, or all that can be; of the others the logs are declared one by one."""
    seen = snapshot(log("cfw/a"), log("cfw/b", CLOSED), log("oss/a", CLOSED), log("waf/a"))
    named = Wish(whole=frozenset({"waf"}))
    all_open = Wish(whole=frozenset({"*"}))
    everything = Wish(whole=frozenset({"*"}), closed=True)

    assert adopted(adoption(seen, (), (), named)) == {"cfw/a": OPEN, "waf": OPEN}
    assert adopted(adoption(seen, (), (), all_open)) == {"cfw/a": OPEN, "waf": OPEN}
    assert adopted(adoption(seen, (), (), everything)) == {
        "cfw/a": OPEN,
        "cfw/b": CLOSED,
        "oss": CLOSED,
        "waf": OPEN,
    }


def test_products_that_cannot_be_whole_are_refused_all_at_once() -> None:
    """Each with its reason, when they were named."""
    seen = snapshot(
        *(log("cfw/a"), log("cfw/b", CLOSED), log("oss/a", CLOSED)),
        *(log("rds/a"), log("sas/a"), log("waf/a")),
    )
    wish = Wish(whole=frozenset({"cfw", "oss", "rds", "sas", "wfa", "waf"}))
    with pytest.raises(RefusedError) as refused:
        adoption(seen, [key("rds/a"), key("waf")], [other("sas/a")], wish)

    assert dict(
        line.strip().split(' cannot be declared by one "*": ')
        for line in str(refused.value).splitlines()[1:-1]
    ) == {
        "wfa": 'the account lists no such product; did you mean "waf"?',
        "cfw": "1 of its 2 logs are closed, and it would open them",
        "oss": "all of it is closed; add --include-closed to declare it so",
        "rds": "the stack file has single logs of it, which cannot stand beside it",
        "sas": "stack other declares some of it",
    }


def test_what_is_declared_already_is_not_declared_again() -> None:
    """In whatever state: a log that is declared closed and is open has drifted, and is for
    `up --refresh`. A whole product covers its logs.
    """
    seen = snapshot(log("sas/a"), log("sas/b"), log("waf/a"), log("waf/b"))
    found = adoption(seen, [key("sas/a"), key("waf")], (), Wish())

    assert adopted(found) == {"sas/b": OPEN}
    assert len(found.covered) == len(found.opened)


def test_what_another_stack_declares_is_left_to_it() -> None:
    """Two stacks must not hold the same log, seen from wherever; of another account they may."""
    seen = snapshot(log("sas/a"), log("waf/a"), perspective=replace(HERE, member=MEMBER))
    of_the_member = Perspective(account=MEMBER, region=Region.CN_HANGZHOU)
    stacks = [other("sas", perspective=of_the_member, name="member"), other("waf/a")]
    found = adoption(seen, (), stacks, Wish())

    assert adopted(found) == {"waf/a": OPEN}
    assert [(one.name, why) for why, logs in found.left_out.items() for one in map(_key, logs)] == [
        ("sas/a", "stack member declares them")
    ]


def _key(one: Log) -> DeliveryKey:
    return key(f"{one.product}/{one.log}")


def test_an_account_that_lists_nothing_is_refused() -> None:
    """It is not the same as one in which nothing is open."""
    with pytest.raises(RefusedError, match="lists no products at all"):
        adoption(snapshot(), (), (), Wish())


# --- a file that is there -------------------------------------------------------------------------


def test_commands_are_quoted_for_a_shell_and_paths_for_the_engine() -> None:
    """A dot in a code is no step of a path, and digits are no place in a list; the engine's own
    reading of them is tested in tests/engine/test_adopt.py.
    """
    seen = snapshot(log("a.b/0"), log("sas/cloud_siem_x"), log("waf/a"))
    found = adoption(seen, (), (), Wish(whole=frozenset({"waf"})))
    config = {"cloud-siem:roleArn": "acs:ram::{account}:role/it's", "cloud-siem:profile": "-x"}
    lines = missing_lines(found, config, stack="prod", file="my stacks/Pulumi.prod.yaml")
    start = ["pulumi", "config", "set", "--stack", "prod", "--config-file"]

    assert [shlex.split(line) for line in lines] == [
        [*start, "my stacks/Pulumi.prod.yaml", *rest]
        for rest in (
            ["--", "cloud-siem:roleArn", "acs:ram::{account}:role/it's"],
            ["--", "cloud-siem:profile", "-x"],
            ["--path", 'cloud-siem:deliveries["a.b"]["0"]', "open"],
            ["--path", "cloud-siem:deliveries.sas.cloud_siem_x", "open"],
            ["--path", 'cloud-siem:deliveries.waf["*"]', "open"],
        )
    ]


def test_the_account_is_quoted_since_an_editor_would_take_it_for_a_number() -> None:
    """As docs and demo write it."""
    text = stack_text(adoption(snapshot(log("waf/a")), (), (), Wish()), {})

    assert f"cloud-siem:account: {json.dumps(ACCOUNT)}\n" in text
