from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cloud_siem.catalog import PRODUCTS
from cloud_siem.errors import Reason, StackError
from cloud_siem.keys import KNOWN_KEYS
from cloud_siem.schema import schema_text, stack_schema
from cloud_siem.settings import SETTINGS
from cloud_siem.stack import build_stack
from tests.test_stack import ACCOUNT, BASE, CODES, ENTRIES, JUNK, LOGS, MEMBER, SOUND

ROOT = Path(__file__).parent.parent
VALIDATOR = Draft202012Validator(stack_schema())


def schema_takes(values: dict[str, object]) -> bool:
    return VALIDATOR.is_valid({"config": values})


def reasons(values: dict[str, object]) -> tuple[Reason, ...]:
    try:
        build_stack(values, name="x")
    except StackError as error:
        return error.reasons
    return ()


def test_the_file_is_what_the_function_makes() -> None:
    """To renew it: cloud-siem schema > stacks/schema.json."""
    assert (ROOT / "stacks" / "schema.json").read_text(encoding="utf-8") == schema_text()


def test_it_is_a_schema() -> None:
    """Of the draft that it names."""
    Draft202012Validator.check_schema(stack_schema())


def test_every_key_is_described() -> None:
    """Editors show it where the cursor is."""
    schema = json.loads(schema_text())
    found = schema["properties"]["config"]["properties"]

    assert set(found) == set(KNOWN_KEYS)
    assert all(one["description"] for one in found.values())
    assert set(found["cloud-siem:deliveries"]["properties"]) == set(PRODUCTS)


@pytest.mark.parametrize("path", sorted((ROOT / "stacks").glob("*.yaml")), ids=lambda one: one.name)
def test_our_own_stack_files_name_the_schema_and_keep_to_it(path: Path) -> None:
    """The first line is what an editor's YAML language server looks for."""
    text = path.read_text(encoding="utf-8")

    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    assert list(VALIDATOR.iter_errors(yaml.safe_load(text))) == []


# --- schema and validator -------------------------------------------------------------------------


@settings(max_examples=200)
@given(SOUND)
def test_the_schema_takes_what_the_validator_takes(values: dict[str, object]) -> None:
    """An editor must not mark what is right."""
    assert reasons(values) == ()
    assert list(VALIDATOR.iter_errors({"config": values})) == []


CAN_SAY_NOTHING_OF = (
    "this is the account itself",  # one value against another
    "the role is of account",
    "holds what looks like an access key",
    "is not in the calendar",  # how long a month is
    "out of bounds",  # numbers that stand as text
    "is no host",  # ports, lengths, labels
    "is plain http",
    "published by Alibaba Cloud",  # which host needs another key
    "is closed without a reason",  # one key for many entries
)


WORDS = st.sampled_from(
    [
        *("open", "closed", "account", "enterprise", "close", "keep", "true", "false", "on", ""),
        *("cn-hangzhou", "ap-southeast-1", ACCOUNT, MEMBER, f"{ACCOUNT}0", "3600", "60", "0060"),
        *("acs:ram::{account}:role/x", f"acs:ram::{MEMBER}:role/x", "127.0.0.1:1", "http://[::1]"),
        *("siem.example.com", "http://siem.example.com", "https://siem.example.com/", "a b", "*"),
        *("5%", "101%", "05", " x", "x "),
        *("HTTP://LOCALHOST:80", "https://127.0.0.1", "ftp://x", "https://me@x", "x/y"),
    ]
)
NUMBERS = st.one_of(
    st.sampled_from([0, 1, 59, 60, 3599, 3600, 43200, 43201, 10**15, 10**15 - 1, 2**53, 2**53 + 1]),
    st.sampled_from([0.5, 2.5, 0.1, 0.05, -1, 3600.5]),
)
VALUES = st.one_of(
    WORDS,
    NUMBERS,
    st.none(),
    st.booleans(),
    st.dictionaries(
        st.one_of(CODES, st.just("*"), st.just("a b")), st.one_of(LOGS, JUNK), max_size=3
    ),
    st.fixed_dictionaries({"sas": st.dictionaries(st.one_of(CODES, st.just("*")), ENTRIES)}),
    st.lists(WORDS, max_size=2),
    st.lists(
        st.dictionaries(
            st.sampled_from(["delivery", "reason", "until", "untill"]),
            st.sampled_from(
                ["oss/*", "oss", "*", "a b/c", "2026-12-31", "2026-02-30", "26-1-1", "", "x\ny", 5]
            ),
        ),
        max_size=2,
    ),
)
CHANGES = st.dictionaries(
    st.one_of(
        st.sampled_from(KNOWN_KEYS),
        st.sampled_from([one.config_key for one in SETTINGS]),
        st.sampled_from(["cloud-siem:x", "aws:region"]),
    ),
    VALUES,
    max_size=3,
)


@settings(max_examples=400)
@given(SOUND, CHANGES)
def test_what_one_takes_the_other_takes(
    values: dict[str, object], changes: dict[str, object]
) -> None:
    """As far as a schema can say it, and no further than the list above."""
    if isinstance(changes.get("cloud-siem:deliveries"), str):
        changes = {}  # JSON in a text: so the engine hands deliveries over, so nobody writes them
    tried = {**values, **changes}
    found = [str(one) for one in reasons(tried)]
    beyond = [one for one in found if any(part in one for part in CAN_SAY_NOTHING_OF)]

    if not found:
        assert list(VALIDATOR.iter_errors({"config": tried})) == []
    elif len(beyond) < len(found):
        assert not schema_takes(tried), found


@pytest.mark.parametrize(
    "changes",
    [
        {"cloud-siem:acount": ACCOUNT},
        {"region": "cn-hangzhou"},
        {"cloud-siem:deliveries": None},
        {"cloud-siem:deliveries": {"sas": {}}},
        {"cloud-siem:deliveries": {"waf": {"*": "open", "a": "open"}}},
        {"cloud-siem:deliveries": {"sas": {"a b": "open"}}},
        {"cloud-siem:deliveries": {"a b": {"a": "open"}}},
        {"cloud-siem:deliveries": {"sas": {"a": {"protect": True}}}},
        {"cloud-siem:view": "enterprise", "cloud-siem:member": MEMBER},
        {"cloud-siem:roleDuration": 3600},
        {"cloud-siem:driftIgnore": [{"delivery": "oss/*", "reason": "INC-7"}]},
    ],
)
def test_an_editor_marks_the_mistakes_that_people_make(changes: dict[str, object]) -> None:
    """The claims of the property above, by name."""
    assert not schema_takes({**BASE, **changes})


def test_codes_that_nobody_has_heard_of_are_taken() -> None:
    """The catalog is for completion alone."""
    assert schema_takes({**BASE, "cloud-siem:deliveries": {"new": {"new_log": "open"}}})
    assert schema_takes({**BASE, "cloud-siem:deliveries": {"sas": {"new_log": "open"}}})
