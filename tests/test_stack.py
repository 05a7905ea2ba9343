from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Mapping
from datetime import date
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_siem.errors import Place, Reason, StackError
from cloud_siem.ignore import Ignore
from cloud_siem.keys import keys_table
from cloud_siem.loading import check_files, load_files, load_stack, load_stack_file, overlaps
from cloud_siem.model import Delivery, DeliveryKey, OnRemove, Perspective, Region, State, View
from cloud_siem.settings import Settings
from cloud_siem.stack import Stack, build_stack

ROOT = Path(__file__).parent.parent
FAULTS = ROOT / "tests" / "stacks"
ACCOUNT = "1130916744880000"
MEMBER = "1234567890123456"
BASE = {"cloud-siem:account": ACCOUNT, "cloud-siem:region": "cn-hangzhou"}
HERE = Perspective(account=ACCOUNT, region=Region.CN_HANGZHOU)


def build(**values: object) -> Stack:
    config = {f"cloud-siem:{key}": value for key, value in values.items()}
    return build_stack({**BASE, **config}, name="demo")


def reasons(**values: object) -> list[str]:
    with pytest.raises(StackError) as caught:
        build(**values)
    return [str(reason) for reason in caught.value.reasons]


def as_the_engine_hands_it(values: Mapping[str, object]) -> dict[str, object]:
    """Top-level scalars as text, mappings as JSON, nothing as an empty text."""

    def text(value: object) -> str:
        if isinstance(value, str):
            return value
        return "" if value is None else json.dumps(value)

    return {key: text(value) for key, value in values.items()}


# --- sound stacks ---------------------------------------------------------------------------------


def test_the_short_and_the_long_form() -> None:
    """Entries inherit what they do not say, and are sorted."""
    stack = build(
        deliveries={
            "waf": {"*": "open"},
            "oss": {
                "log_b": {"state": "open", "protect": True, "onRemove": "keep"},
                "log_a": "closed",
            },
        },
        onRemove="keep",
    )

    def delivery(product: str, log: str | None, state: State, protect: bool) -> Delivery:
        key = DeliveryKey(perspective=HERE, product=product, log=log)
        return Delivery(key=key, state=state, protect=protect, on_remove=OnRemove.KEEP)

    assert stack.deliveries == (
        delivery("oss", "log_a", State.CLOSED, False),
        delivery("oss", "log_b", State.OPEN, True),
        delivery("waf", None, State.OPEN, False),
    )


def test_what_an_entry_says_goes_before_what_the_stack_says() -> None:
    """In both directions."""
    entry = {"state": "open", "protect": "false", "onRemove": "close"}
    stack = build(deliveries={"sas": {"a": entry, "b": "open"}}, protect=True, onRemove="keep")

    a, b = stack.deliveries
    assert (a.protect, a.on_remove) == (False, OnRemove.CLOSE)
    assert (b.protect, b.on_remove) == (True, OnRemove.KEEP)


@pytest.mark.parametrize("deliveries", [{}, "{}"], ids=["mapping", "JSON"])
def test_a_stack_without_deliveries_is_legal(deliveries: object) -> None:
    """It declares nothing, and touches nothing."""
    assert build().deliveries == ()
    assert build(deliveries=deliveries).deliveries == ()


def test_who_looks_at_what() -> None:
    """All four parts of a perspective come from the stack's own keys."""
    stack = build(region="ap-southeast-1", view="account", member=MEMBER)

    assert stack.perspective == Perspective(
        account=ACCOUNT, region=Region.AP_SOUTHEAST_1, view=View.ACCOUNT, member=MEMBER
    )


def test_a_member_in_the_enterprise_view_needs_the_named_switch() -> None:
    """Which of the two wins is unverified, so nobody gets there by accident."""
    stack = build(view="enterprise", member=MEMBER, memberInEnterpriseView=True)

    assert stack.perspective.view is View.ENTERPRISE
    assert "unverified" in reasons(view="enterprise", member=MEMBER)[0]


def test_settings_come_along() -> None:
    """With the environment's word over the config's."""
    values = {**BASE, "cloud-siem:deadline": "7"}
    environ = {"CLOUD_SIEM_DEADLINE": "5"}

    assert build().settings == Settings()
    assert build_stack(values, name="x", environ=environ).settings.deadline == 5


def test_keys_of_other_namespaces_are_left_alone() -> None:
    """The engine hands over the whole config."""
    assert build_stack({**BASE, "aws:region": "x", "other:account": ""}, name="x") == build_stack(
        BASE, name="x"
    )


def test_a_closed_entry_can_say_why() -> None:
    """For those who read preview, review and drift."""
    stack = build(deliveries={"sas": {"a": {"state": "closed", "reason": "CHG-1: loud, noisy"}}})

    assert stack.deliveries[0].reason == "CHG-1: loud, noisy"


def test_where_a_reason_is_required_every_closed_entry_without_one_is_a_fault() -> None:
    """In the short form and in the long form; open entries need none."""
    entries = {"a": "closed", "b": {"state": "closed"}, "c": "open", "d": "closed"}
    given = {"state": "closed", "reason": "CHG-1"}

    found = reasons(deliveries={"sas": entries}, requireReason=True)

    assert len(found) == 3
    assert found[0] == (
        "cloud-siem:deliveries > sas > a: is closed without a reason"
        " (write {state: closed, reason: ...})"
    )
    assert build(deliveries={"sas": {"a": given}}, requireReason=True).deliveries
    assert build(deliveries={"sas": entries}).deliveries


@pytest.mark.parametrize("reason", ["", " ", "two\nlines", " padded", "x" * 201, 5, True])
def test_a_reason_is_one_line(reason: object) -> None:
    """It stands in tables and comments."""
    assert len(reasons(deliveries={"sas": {"a": {"state": "closed", "reason": reason}}})) == 1


def test_an_open_entry_has_no_reason() -> None:
    """It would be read as if it were closed."""
    (found,) = reasons(deliveries={"sas": {"a": {"state": "open", "reason": "CHG-1"}}})

    assert "the entry is open (a reason is for what is closed; remove it)" in found


def test_protect_is_for_what_is_open() -> None:
    """Said of a closed entry it is a fault; said of the stack it leaves closed entries out."""
    (found,) = reasons(deliveries={"sas": {"a": {"state": "closed", "protect": True}}})
    stack = build(deliveries={"sas": {"a": "closed", "b": "open"}}, protect=True)

    assert "the entry is closed (protect is for what is open; remove it)" in found
    assert [one.protect for one in stack.deliveries] == [False, True]


def test_tags_are_names_and_values() -> None:
    """Policies and selectors go by them."""
    assert build(tags={"env": "prod", "team": "soc east"}).tags == {
        "env": "prod",
        "team": "soc east",
    }
    assert build().tags == {}


@pytest.mark.parametrize("tags", [["env"], "prod", {"a b": "x"}, {"a": ""}, {"a": 1}, {"a": None}])
def test_other_tags_are_faults(tags: object) -> None:
    assert len(reasons(tags=tags)) == 1


def test_an_ignore_says_what_why_and_until_when() -> None:
    """In the order of the file, which is the order of their precedence."""
    entry = {"delivery": "oss/*", "reason": "INC-7", "until": "2026-12-31"}
    stack = build(driftIgnore=[entry, {**entry, "delivery": "sas/a"}])

    assert stack.drift_ignore == (
        Ignore(delivery="oss/*", reason="INC-7", until=date(2026, 12, 31)),
        Ignore(delivery="sas/a", reason="INC-7", until=date(2026, 12, 31)),
    )
    assert build().drift_ignore == build(driftIgnore=[]).drift_ignore == ()


# --- two sources, one reading ---------------------------------------------------------------------

CODES = st.text(alphabet="abz019_.-", min_size=1, max_size=6)
STATES = st.sampled_from(["open", "closed"])
ENTRIES = st.one_of(
    STATES,
    st.fixed_dictionaries(
        {"state": st.just("open")},
        optional={
            "protect": st.sampled_from([True, False, "true", "false"]),
            "onRemove": st.sampled_from(["close", "keep"]),
        },
    ),
    st.fixed_dictionaries(
        {"state": st.just("closed")},
        optional={
            "protect": st.sampled_from([False, "false"]),
            "reason": st.sampled_from(["a", "b, c: d"]),
        },
    ),
)
LOGS = st.one_of(
    st.dictionaries(CODES, ENTRIES, min_size=1, max_size=4),
    st.fixed_dictionaries({"*": ENTRIES}),
)
IGNORES = st.lists(
    st.fixed_dictionaries(
        {
            "delivery": st.sampled_from(["oss/*", "*/*", "sas/cloud_siem_*", "waf/a.b-c"]),
            "reason": st.sampled_from(["a", "b, c: d"]),
            "until": st.sampled_from(["2026-12-31", "2028-02-29"]),
        }
    ),
    max_size=2,
)
SOUND = st.fixed_dictionaries(
    {
        "cloud-siem:account": st.sampled_from([ACCOUNT, int(ACCOUNT)]),
        "cloud-siem:region": st.sampled_from([one.value for one in Region]),
    },
    optional={
        "cloud-siem:view": st.just("account"),
        "cloud-siem:member": st.sampled_from([MEMBER, int(MEMBER)]),
        "cloud-siem:deliveries": st.dictionaries(CODES, LOGS, max_size=4),
        "cloud-siem:protect": st.booleans(),
        "cloud-siem:tags": st.dictionaries(CODES, st.sampled_from(["prod", "two words"])),
        "cloud-siem:driftIgnore": IGNORES,
        "cloud-siem:closeLimit": st.sampled_from([0, 5, "5", "30%"]),
        "cloud-siem:deadline": st.one_of(st.integers(1, 3600), st.sampled_from([2.5, "30"])),
        "cloud-siem:preflight": st.booleans(),
    },
)


@given(SOUND)
def test_values_of_the_engine_and_of_a_file_give_the_same_stack(values: dict[str, object]) -> None:
    """Types are lost on the engine's way, and nothing with them."""
    from_file = build_stack(values, name="x")

    assert build_stack(as_the_engine_hands_it(values), name="x") == from_file


@given(SOUND, st.randoms(use_true_random=False))
def test_the_order_of_the_file_makes_no_difference(
    values: dict[str, object], chance: random.Random
) -> None:
    """Else every reordering would look like a change."""

    def shuffled(value: object) -> object:
        if not isinstance(value, dict):
            return value
        items = [(key, shuffled(below)) for key, below in value.items()]
        chance.shuffle(items)
        return dict(items)

    other = shuffled(values)
    assert isinstance(other, dict)
    assert build_stack(other, name="x") == build_stack(values, name="x")


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), STATES),
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(st.one_of(CODES, st.just("*"), st.text(max_size=5)), below, max_size=3),
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(["account", "region", "view", "member", "deliveries", "onRemove", "protect"])


@settings(max_examples=300)
@given(st.dictionaries(st.one_of(KEYS, st.text(max_size=8)), JUNK, max_size=5))
def test_values_of_any_kind_give_a_stack_or_reasons(values: dict[str, object]) -> None:
    """Never a traceback; and each reason is one line."""
    config = {f"cloud-siem:{key}": value for key, value in values.items()}
    try:
        build_stack({**BASE, **config}, name="x", file="x.yaml")
    except StackError as error:
        found = error.reasons
    else:
        found = ()

    assert all("\n" not in str(reason) and len(str(reason)) < 700 for reason in found)


# --- faults ---------------------------------------------------------------------------------------


def _expected() -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for line in (FAULTS / "expected.txt").read_text(encoding="utf-8").splitlines():
        lines.setdefault(line.split(":")[0], []).append(line)
    return lines


@pytest.mark.parametrize("path", sorted(FAULTS.glob("*.yaml")), ids=lambda one: one.name)
def test_each_fault_has_its_reasons(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One fault, one file; expected.txt has what `cloud-siem validate` says of each by itself."""
    monkeypatch.chdir(FAULTS)
    found = [str(reason) for reason in check_files([path.name], {})]

    assert found or path.name == "Pulumi.no-deliveries.yaml"
    assert _expected()[path.name] == (found or [f"{path.name}: no faults"])


def test_no_expectation_is_left_behind() -> None:
    """A line of expected.txt without its file would never be looked at."""
    assert set(_expected()) == {path.name for path in FAULTS.glob("*.yaml")}


def test_secrets_in_faulty_files_are_never_shown() -> None:
    """The canary stands in every file that has something to hide."""
    hidden = [path for path in FAULTS.glob("*.yaml") if b"not-to-be-shown" in path.read_bytes()]
    text = "\n".join(str(reason) for path in hidden for reason in check_files([path], {}))

    assert len(hidden) >= 3
    assert "not-to-be-shown" not in text
    assert "NotToBeShown" not in text


def test_faults_without_a_file_have_no_place() -> None:
    """A program in another project hands over config, and no file."""
    assert reasons(region="x")[0].startswith('cloud-siem:region: "x" is no region')


def test_faults_of_a_file_without_a_place_name_the_file() -> None:
    """So that the person knows where to look at all."""
    with pytest.raises(StackError) as caught:
        build_stack({}, name="x", file="stacks/Pulumi.x.yaml")

    assert [reason.place for reason in caught.value.reasons] == [
        Place(file="stacks/Pulumi.x.yaml")
    ] * 2


@pytest.mark.parametrize(
    "deliveries",
    [
        "",
        "null",
        "[]",
        "open",
        "{",
        '{"sas": NaN}',
        '{"sas": {"a": "open"}, "sas": {"a": "open"}}',
        "[" * 99999,
        '{"sas": {"\\ud800": "open"}}',
    ],
)
def test_json_that_is_no_mapping_of_deliveries_is_refused(deliveries: str) -> None:
    """The engine hands mappings over as JSON, and passes on whatever text stands there."""
    found = reasons(deliveries=deliveries)

    assert len(found) == 1
    assert found[0].startswith("cloud-siem:deliveries")


@pytest.mark.parametrize(
    "code", ["", " ", "a b", "a\n", "\na", "a/b", "*a", "ü", "a" * 129, "a\x00"]
)
def test_codes_that_could_mean_something_else_are_refused(code: str) -> None:
    """A missing log code is the whole product to the API: nothing may come near to it."""
    assert reasons(deliveries={"sas": {code: "open"}})
    assert reasons(deliveries={code: {"log": "open"}})


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        *((word, "open") for word in ("opne", "OPEN", "on", "enabled", True)),
        *((word, "closed") for word in ("close", "off", "disabled", False)),
    ],
)
def test_other_words_for_a_state_are_understood_and_refused(word: object, hint: str) -> None:
    """One word, one thing; but the hint knows what was meant."""
    assert f"did you mean {hint}?" in reasons(deliveries={"sas": {"a": word}})[0]


def test_partial_is_observed_and_never_declared() -> None:
    """It is a state of the model, but not one to wish for."""
    assert '"partial" is no state' in reasons(deliveries={"waf": {"*": "partial"}})[0]


@pytest.mark.parametrize(
    "account", ["31524094", "12345", ACCOUNT, "113091674488000", "9223372036854775807"]
)
def test_an_account_id_of_any_plausible_length_is_taken(account: str) -> None:
    """With its role and as a member; without quotes where YAML readers agree on the number."""
    stack = build(account=account, roleArn=f"acs:ram::{account}:role/logs")

    assert stack.perspective.account == account
    assert build(account=MEMBER, member=account).perspective.member == account
    if int(account) <= 2**53:
        assert build(account=int(account)).perspective.account == account


@pytest.mark.parametrize(
    "account",
    ["", "1", "1234", "0130916744880000", "12345678901234567890", "3152409a", "-31524094"],
)
def test_what_cannot_be_an_account_id_is_refused(account: str) -> None:
    assert reasons(account=account)[0].startswith("cloud-siem:account: ")
    assert reasons(member=account)[0].startswith("cloud-siem:member: ")


def test_a_role_of_an_account_whose_id_begins_alike_is_refused() -> None:
    assert "the role is of account" in reasons(roleArn=f"acs:ram::{ACCOUNT}1:role/logs")[0]
    assert "the role is of account" in reasons(roleArn=f"acs:ram::{ACCOUNT[:-1]}:role/logs")[0]


@pytest.mark.parametrize(
    ("region", "meant"),
    [
        ("cn-hongkong", "cn-hangzhou"),
        ("cn-beijing", "cn-hangzhou"),
        ("us-west-1", "ap-southeast-1"),
        ("AP-SOUTHEAST-1", "ap-southeast-1"),
    ],
)
def test_a_region_of_assets_is_answered_with_the_rule(region: str, meant: str) -> None:
    [reason] = reasons(region=region)

    assert f"did you mean {meant}?" in reason
    assert "cn-hangzhou for assets in the Chinese mainland and Hong Kong (China)" in reason
    assert "ap-southeast-1 for assets elsewhere" in reason


def test_a_role_of_another_account_is_refused_offline() -> None:
    """Every call with it would be refused; the placeholder is right for any account."""
    assert "the role is of account" in reasons(roleArn=f"acs:ram::{MEMBER}:role/logs")[0]
    for right in (ACCOUNT, "{account}"):
        assert build(roleArn=f"acs:ram::{right}:role/logs").settings.role_arn


def test_the_environment_is_blamed_for_its_own_faults(tmp_path: Path) -> None:
    """And once, however many files there are."""
    files = []
    for name, account in (("a", ACCOUNT), ("b", MEMBER)):
        file = tmp_path / f"Pulumi.{name}.yaml"
        file.write_text(
            f'config:\n  cloud-siem:account: "{account}"\n  cloud-siem:region: cn-hangzhou\n',
            encoding="utf-8",
        )
        files.append(file)
    found = check_files(files, {"CLOUD_SIEM_DEADLINE": "soon"})

    assert [str(reason)[:25] for reason in found] == ['CLOUD_SIEM_DEADLINE: "soo']


@pytest.mark.parametrize("name", ["demo.yaml", "Pulumi.yaml", "Pulumi..yaml", "Pulumi.a b.yaml"])
def test_a_file_that_the_engine_would_not_read_is_a_fault(name: str, tmp_path: Path) -> None:
    """It looks like a stack and would never be one."""
    file = tmp_path / name
    file.write_text((FAULTS / "Pulumi.no-deliveries.yaml").read_text("utf-8"), encoding="utf-8")

    assert "not that of a stack file" in str(check_files([file], {})[0])


def test_a_name_that_no_stack_can_have_is_refused() -> None:
    """It ends up in file names and in the cloud's audit trail."""
    with pytest.raises(StackError, match="is no stack name"):
        build_stack(BASE, name="a/b")


# --- across files ---------------------------------------------------------------------------------


def write(folder: Path, name: str, logs: str, **keys: str) -> Path:
    lines = {"account": f'"{ACCOUNT}"', "region": "cn-hangzhou", **keys}
    text = "config:\n" + "".join(f"  cloud-siem:{key}: {one}\n" for key, one in lines.items())
    file = folder / f"Pulumi.{name}.yaml"
    file.write_text(f"{text}  cloud-siem:deliveries:\n    waf: {logs}\n", encoding="utf-8")
    return file


def test_a_log_under_two_stacks_names_both_places(tmp_path: Path) -> None:
    """Removing it from one would blind the other."""
    one = write(tmp_path, "one", "{cloud_siem_waf_flow: open}")
    two = write(tmp_path, "two", '{"*": open}')
    found = check_files([one, two], {})

    path = "cloud-siem:deliveries > waf > *"
    message = f"waf/cloud_siem_waf_flow is declared by stack one too, at {one}:5:32"
    hint = "keep it in one stack: removing it from one would blind the other"
    assert [str(reason) for reason in found] == [f"{two}:5:16: {path}: {message} ({hint})"]


@pytest.mark.parametrize(
    ("other", "overlap"),
    [
        ({}, True),
        ({"view": "enterprise"}, True),  # whether views share their switches is unverified
        ({"account": f'"{MEMBER}"', "member": f'"{ACCOUNT}"'}, True),  # an administrator's look
        ({"region": "ap-southeast-1"}, False),
        ({"account": f'"{MEMBER}"'}, False),
    ],
)
def test_what_is_the_same_log(other: dict[str, str], overlap: bool, tmp_path: Path) -> None:
    """Whoever looks: the owner, the center, the product and the log."""
    files = [write(tmp_path, "one", '{"*": open}'), write(tmp_path, "two", "{a: open}", **other)]

    assert bool(check_files(files, {})) is overlap


def test_single_logs_of_one_product_may_stand_in_two_stacks(tmp_path: Path) -> None:
    """Different logs are different deliveries."""
    files = [write(tmp_path, "one", "{a: open}"), write(tmp_path, "two", "{b: open}")]

    assert check_files(files, {}) == ()


def test_a_file_that_is_named_twice_is_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`validate a ./a` is no overlap of a with itself."""
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path, "one", "{a: open}")
    stacks, found = load_files([file, file.name, f"./{file.name}"], {})

    assert found == ()
    assert len(stacks) == 1


KEY_SETS = st.lists(
    st.fixed_dictionaries(
        {"sas": st.one_of(st.just({"*"}), st.sets(st.sampled_from("abc"), max_size=2))}
    ),
    min_size=2,
    max_size=5,
)


@given(KEY_SETS, st.data())
def test_overlaps_are_those_of_the_model(
    products: list[dict[str, set[str]]], data: st.DataObject
) -> None:
    """The search by what a key switches finds a stack exactly when two keys overlap."""
    stacks = []
    for at, declared in enumerate(products):
        member = data.draw(st.sampled_from([None, MEMBER]))
        deliveries = {name: dict.fromkeys(logs, "open") for name, logs in declared.items() if logs}
        values = {**BASE, "cloud-siem:deliveries": deliveries}
        if member:
            values["cloud-siem:member"] = member
        stacks.append(build_stack(values, name=f"s{at}"))
    expected = any(
        mine.key.overlaps(theirs.key)
        for one, other in combinations(stacks, 2)
        for mine in one.deliveries
        for theirs in other.deliveries
    )

    assert bool(list(overlaps(stacks))) is expected


# --- files and programs ---------------------------------------------------------------------------


def test_the_demo_stack_is_sound_and_shows_everything() -> None:
    """People copy it: it has open, closed, protect, keep and a whole product, and no endpoint."""
    stack = load_stack_file(ROOT / "stacks" / "Pulumi.demo.yaml", {})
    products = {delivery.key.product for delivery in stack.deliveries}

    assert stack.name == "demo"
    assert stack.perspective == HERE
    assert stack.settings == Settings()
    assert len(stack.deliveries) == 12
    assert {delivery.state for delivery in stack.deliveries} == {State.OPEN, State.CLOSED}
    assert any(delivery.protect for delivery in stack.deliveries)
    assert any(delivery.on_remove is OnRemove.KEEP for delivery in stack.deliveries)
    assert any(delivery.key.log is None for delivery in stack.deliveries)
    assert not products & {"hcloud_waf", "bastionhost"}  # the embedded account lacks these


def test_a_stack_knows_where_its_deliveries_stand(tmp_path: Path) -> None:
    """Faults that only the live account shows are told with their place, too."""
    file = write(tmp_path, "one", "{a: open}")
    stack = load_stack_file(file, {})
    unlisted = DeliveryKey(perspective=stack.perspective, product="waf", log="b")

    assert str(stack.place_of(stack.deliveries[0].key)) == f"{file}:5:14"
    assert str(stack.place_of(unlisted)) == f"{file}:5:5"
    assert build().place_of(unlisted) is None


def test_a_program_takes_the_values_of_the_engine_and_the_places_of_the_file(
    tmp_path: Path,
) -> None:
    """The file is read for places alone."""
    file = write(tmp_path, "one", "{a: opne}")
    values = {**BASE, "cloud-siem:deliveries": '{"waf":{"a":"opne"}}'}
    with pytest.raises(StackError) as caught:
        load_stack(values, name="one", file=str(file), environ={})

    assert str(caught.value).startswith(f'{file}:5:14: cloud-siem:deliveries > waf > a: "opne"')


def test_a_program_hears_of_text_that_the_engine_took_for_something_else(tmp_path: Path) -> None:
    """0060 is 48 to the engine, and 60 to a person."""
    file = write(tmp_path, "one", "{a: open}", deadline="0060")
    values = {**BASE, "cloud-siem:deadline": "48", "cloud-siem:deliveries": '{"waf":{"a":"open"}}'}
    with pytest.raises(StackError) as caught:
        load_stack(values, name="one", file=str(file), environ={})

    assert "quote it" in str(caught.value)


def test_a_program_may_have_secrets_and_environments(tmp_path: Path) -> None:
    """The engine can read them; commands without it refuse the file, and say why."""
    file = write(
        tmp_path,
        "one",
        "{a: open}",
        roleExternalId="{secure: abc}",
        roleArn='"acs:ram::{account}:role/x"',
    )
    file.write_text("environment: [prod]\n" + file.read_text("utf-8"), encoding="utf-8")
    values = {
        **BASE,
        "cloud-siem:roleArn": "acs:ram::{account}:role/x",
        "cloud-siem:roleExternalId": "id",
        "cloud-siem:deliveries": '{"waf":{"a":"open"}}',
    }

    assert load_stack(values, name="one", file=str(file), environ={}).settings.role_external_id
    assert len(check_files([file], {})) == 2


MATCHING = {
    "the same": {},
    "a default of Pulumi.yaml beside it": {"cloud-siem:closeLimit": "7"},
    "a switch and a number in the engine's form": {},
}
DIFFERENT: dict[str, dict[str, str | None]] = {
    "another account": {"cloud-siem:account": "1234567890123456"},
    "a key less": {"cloud-siem:deadline": None},
    "another log": {"cloud-siem:deliveries": '{"waf":{"b":"opne"}}'},
    "a log more": {"cloud-siem:deliveries": '{"waf":{"a":"opne","b":"open"}}'},
    "another state": {"cloud-siem:deliveries": '{"waf":{"a":"closed"}}'},
    "another form": {"cloud-siem:deliveries": '{"waf":{"a":{"state":"opne"}}}'},
    "text": {"cloud-siem:deliveries": "x"},
}


@pytest.mark.parametrize("changes", [*MATCHING, *DIFFERENT])
def test_a_file_that_says_other_things_than_the_engine_has_nothing_to_do_with_the_run(
    tmp_path: Path, changes: str
) -> None:
    """`pulumi --config-file OTHER`: the faults of the stack's own file are not this run's."""
    file = write(tmp_path, "one", "{a: opne}", deadline="5", otherEndpoint="true")
    same = {
        **BASE,
        "cloud-siem:deadline": "5",
        "cloud-siem:otherEndpoint": "true",
        "cloud-siem:deliveries": '{"waf":{"a":"opne"}}',
    }
    given = {**same, **MATCHING.get(changes, {}), **DIFFERENT.get(changes, {})}
    values = {key: value for key, value in given.items() if value is not None}

    told = ""
    try:
        load_stack(values, name="one", file=str(file), environ={})
    except StackError as error:
        told = str(error)

    assert (str(file) in told) is (changes in MATCHING)
    assert bool(told) is ("opne" in str(values) or changes == "text")


@pytest.mark.parametrize("file", ["", "stacks/Pulumi.gone.yaml"])
def test_a_program_without_a_stack_file_works_from_config(file: str) -> None:
    """Other people's projects keep their files elsewhere; destroy runs when the file is gone."""
    assert load_stack(BASE, name="x", file=file, environ={}).perspective == HERE


def test_bare_keys_are_only_suspicious_where_ours_is_missing(tmp_path: Path) -> None:
    """In another project they are that project's own."""
    file = write(tmp_path, "one", "{a: open}")
    text = file.read_text("utf-8")
    file.write_text(text + "  account: mine\n  endpoint: mine\n", encoding="utf-8")
    values = {**BASE, "cloud-siem:deliveries": '{"waf":{"a":"open"}}'}

    assert check_files([file], {}) == ()
    assert load_stack(values, name="one", file=str(file), environ={}).name == "one"


@pytest.mark.parametrize(
    ("project", "more", "faulty"),
    [
        ("name: cloud-siem", "  deliveries: {sas: {b: open}}\n", ["deliveries"]),
        ("name: cloud-siem", "  closeLimit: 50\n  other: x\n", ["closeLimit", "other"]),
        ("name: cloud-siem\nconfig: {closeLimit: 50}", "", ["config > closeLimit"]),
        ("name: x\nconfig: {'cloud-siem:view': a}", "", ["config > cloud-siem:view"]),
        ("name: x\nconfig: {closeLimit: 50, a:b: c, 1: 2}", "  deliveries: {}\n", []),
        ("name: x\nconfig: text", "", []),
    ],
)
def test_keys_that_the_engine_takes_for_ours_are_refused_everywhere(
    project: str, more: str, faulty: list[str], tmp_path: Path
) -> None:
    """By the commands, and by the program, whichever of two spellings the engine picked."""
    (tmp_path / "Pulumi.yaml").write_text(project)
    file = write(tmp_path, "one", "{a: open}")
    file.write_text(file.read_text("utf-8") + more, encoding="utf-8")
    values = {**BASE, "cloud-siem:deliveries": '{"waf":{"b":"open"}}'}
    program: list[Reason] = []
    try:
        load_stack(values, name="one", file=str(file), environ={})
    except StackError as error:
        program += error.reasons

    commands = check_files([file], {})

    assert [" > ".join(one.path) for one in commands] == faulty
    assert program == list(commands)
    assert all(one.place and one.place.line for one in commands)


def test_the_docs_have_the_table_of_keys() -> None:
    """docs/stack-file.md and the table of this module are one."""
    text = (ROOT / "docs" / "stack-file.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- keys: .*? -->\n(.*?)<!-- /keys -->", text, re.DOTALL)

    assert found
    assert found[1] == keys_table()


def test_the_example_of_the_docs_is_sound(tmp_path: Path) -> None:
    """People copy it."""
    text = (ROOT / "docs" / "stack-file.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert found
    file = tmp_path / "Pulumi.docs.yaml"
    file.write_text(found[1], encoding="utf-8")

    assert len(load_stack_file(file, {}).deliveries) == 4


def test_reading_looks_at_nothing_but_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """No reading of the process's own environment: callers hand it over."""
    monkeypatch.setitem(os.environ, "CLOUD_SIEM_DEADLINE", "5")

    assert build().settings.deadline == 60
