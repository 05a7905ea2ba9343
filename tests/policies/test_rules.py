from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_siem_policies import rules
from cloud_siem_policies.declared import (
    Bare,
    Delivery,
    Entry,
    Gate,
    Perspective,
    Shown,
    covers,
    overlaps,
)
from cloud_siem_policies.rules import Rule
from tests.conftest import ACCOUNT

SEEN = Perspective(account=ACCOUNT, region="cn-hangzhou")
ENTERPRISE = Perspective(account=ACCOUNT, region="cn-hangzhou", view="enterprise")
PROD = Rule(name="rules.0", tags={"env": ("prod",)}, logs=("trail/*", "sas/proc"), reason="SEC-12")
OPEN, CLOSED = Entry(open=True), Entry(open=False)
PROTECTED = Entry(open=True, protected=True)

NAMES = st.builds(
    "{}/{}".format, st.sampled_from(["sas", "waf"]), st.sampled_from(["*", "a", "b", "c"])
)
GATES = st.builds(
    Gate,
    stack=st.sampled_from(["prod-1", "dev"]),
    perspective=st.just(SEEN),
    tags=st.dictionaries(st.sampled_from(["env", "team"]), st.sampled_from(["prod", "soc"])),
    entries=st.dictionaries(NAMES, st.sampled_from([OPEN, CLOSED, PROTECTED])),
)
RULES = st.lists(
    st.builds(
        Rule,
        name=st.just("rules.0"),
        tags=st.dictionaries(
            st.sampled_from(["env", "team"]), st.sampled_from([("prod",), ("prod", "soc")])
        ),
        stacks=st.sampled_from([("*",), ("prod-*",)]),
        logs=st.lists(NAMES, max_size=3, unique=True).map(tuple),
    ),
    max_size=2,
).map(tuple)
JUDGES = st.sampled_from([rules.missing, rules.unprotected])


def gate(stack: str = "dev", tags: dict[str, str] | None = None, /, **entries: Entry) -> Gate:
    """A gate; ``sas__proc`` stands for ``sas/proc``, and ``sas`` for ``sas/*``."""
    names = {
        name.replace("__", "/") if "__" in name else f"{name}/*": entry
        for name, entry in entries.items()
    }
    return Gate(stack=stack, perspective=SEEN, tags=tags or {"env": "prod"}, entries=names)


# --- mandatory logs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "faults"),
    [
        ({"trail": OPEN, "sas__proc": OPEN}, []),
        ({"trail": OPEN, "sas": OPEN}, []),
        ({"trail": OPEN}, ["must declare sas/proc open, and does not declare it"]),
        ({"trail": OPEN, "sas__dns": OPEN}, ["sas/proc open, and does not declare it"]),
        ({"trail": OPEN, "sas__proc": CLOSED}, ["sas/proc open, and declares it closed"]),
        ({"trail": OPEN, "sas": CLOSED}, ["sas/proc open, and declares sas/* closed"]),
        (
            {"trail__a": OPEN, "sas__proc": OPEN},
            ["trail/* open, and declares single logs of it only"],
        ),
        (
            {"trail__a": CLOSED, "trail__b": CLOSED, "trail__c": OPEN, "sas__proc": OPEN},
            ["trail/* open, and declares trail/a, trail/b closed"],
        ),
        ({}, ["trail/* open, and does not declare it", "sas/proc open, and does not declare it"]),
    ],
)
def test_a_mandatory_log_is_declared_open_by_itself_or_with_its_product(
    entries: dict[str, Entry], faults: list[str]
) -> None:
    found = list(rules.missing(gate(**entries), [PROD]))

    assert len(found) == len(faults)
    assert all(fault in sentence for fault, sentence in zip(faults, found, strict=True))


@given(shown=GATES, demanded=RULES)
def test_nothing_is_told_exactly_when_every_mandatory_log_is_open(
    shown: Gate, demanded: tuple[Rule, ...]
) -> None:
    """Something open covers it, and nothing closed has a log in common with it."""
    mandatory = {log for rule in demanded if rule.selects(shown) for log in rule.logs}
    closed = {
        log
        for log in mandatory
        if not any(one.open and covers(name, log) for name, one in shown.entries.items())
        or any(not one.open and overlaps(name, log) for name, one in shown.entries.items())
    }

    told = list(rules.missing(shown, demanded))

    assert bool(told) is bool(closed)
    assert all(any(f"declare {log} open" in one for one in told) for log in closed)


def test_a_refusal_names_stack_account_log_rule_and_the_way_out() -> None:
    (told,) = rules.missing(gate(trail=OPEN), [PROD])

    assert told == (
        f"stack dev (account {ACCOUNT}, cn-hangzhou) must declare sas/proc open, and does not"
        " declare it: rules.0 for env=prod (SEC-12). Declare it open in the stack file, or change"
        " the rule in the policy's config."
    )


# --- which stacks --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "selected"),
    [
        (Rule(name="r", tags={}), True),
        (Rule(name="r", tags={"env": ("prod",)}), True),
        (Rule(name="r", tags={"env": ("dev", "prod")}), True),
        (Rule(name="r", tags={"env": ("dev",)}), False),
        (Rule(name="r", tags={"env": ("prod",), "team": ("soc",)}), False),
        (Rule(name="r", tags={}, stacks=("eu-*", "prod-?")), True),
        (Rule(name="r", tags={}, stacks=("prod",)), False),
        (Rule(name="r", tags={"env": ("prod",)}, stacks=("dev",)), False),
        (Rule(name="r", tags={}, stacks=("PROD-1",)), False),
    ],
)
def test_a_rule_selects_by_all_of_its_tags_and_one_of_its_patterns(
    rule: Rule, selected: bool
) -> None:
    assert rule.selects(gate("prod-1", {"env": "prod"})) is selected


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(name="rules.1", tags={}), "rules.1 for every stack"),
        (Rule(name="rules.1", tags={"env": ("a", "b")}), "rules.1 for env=a or b"),
        (
            Rule(name="rules.1", tags={"env": ("a",)}, stacks=("x-*", "y"), reason="because"),
            "rules.1 for env=a, stack x-* or y (because)",
        ),
    ],
)
def test_a_rule_is_named_by_its_place_and_what_it_selects(rule: Rule, words: str) -> None:
    assert str(rule) == words


# --- protect -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("logs", "unprotected"),
    [
        ((), ["sas/dns", "waf/*"]),
        (("sas/*",), ["sas/dns"]),
        (("sas/proc",), []),
        (("waf/waf_flow",), ["waf/*"]),
        (("oss/*",), []),
    ],
)
def test_protect_is_required_of_what_is_open_and_named(
    logs: tuple[str, ...], unprotected: list[str]
) -> None:
    """A product is in question as soon as one of its logs is; what is closed never is."""
    shown = gate(sas__dns=OPEN, sas__proc=PROTECTED, oss__access=CLOSED, waf=OPEN)
    told = list(rules.unprotected(shown, [Rule(name="rules.0", tags={}, logs=logs)]))

    assert [one.partition(" declares ")[2].partition(" open ")[0] for one in told] == unprotected
    assert all("Write {state: open, protect: true}" in one for one in told)


# --- a delivery beside a gate --------------------------------------------------------------------


@given(shown=GATES, demanded=RULES, judge=JUDGES)
def test_what_a_gate_was_told_its_deliveries_do_not_say_again(
    shown: Gate, demanded: tuple[Rule, ...], judge: rules.Judge
) -> None:
    for name, entry in shown.entries.items():
        one = Delivery(stack=shown.stack, perspective=SEEN, name=name, entry=entry)

        assert list(rules.judged(judge, one, {SEEN: shown}, demanded)) == []


@given(shown=GATES, demanded=RULES, judge=JUDGES, name=NAMES, entry=st.sampled_from([OPEN, CLOSED]))
def test_a_delivery_that_its_gate_does_not_tell_of_is_judged_as_if_it_did(
    shown: Gate, demanded: tuple[Rule, ...], judge: rules.Judge, name: str, entry: Entry
) -> None:
    """So ``--target`` hides nothing: the engine then shows the gate as it was recorded."""
    one = Delivery(stack=shown.stack, perspective=SEEN, name=name, entry=entry)
    told = set(judge(shown, demanded))
    whole = told | set(rules.judged(judge, one, {SEEN: shown}, demanded))

    assert set(judge(shown.having(one), demanded)) <= whole


@pytest.mark.parametrize(
    "gates", [{}, {ENTERPRISE: gate(trail=OPEN, sas=OPEN)}], ids=["no gate", "another's gate"]
)
def test_a_delivery_whose_gate_was_not_shown_is_left_to_the_policy_that_asks_for_one(
    gates: dict[Perspective, Gate],
) -> None:
    one = Delivery(stack="dev", perspective=SEEN, name="sas/proc", entry=CLOSED)

    assert list(rules.judged(rules.missing, one, gates, (PROD,))) == []
    assert list(rules.judged(rules.missing, None, gates, (PROD,))) == []


# --- the enterprise view -------------------------------------------------------------------------


BARE = Bare(stack="dev", name="proc", props={"view": "enterprise"})
GATE = Gate(stack="dev", perspective=ENTERPRISE)
GUARDED = Delivery(stack="dev", perspective=ENTERPRISE, name="sas/x", entry=OPEN)


@pytest.mark.parametrize(
    ("shown", "stacks", "said"),
    [
        (GATE, (), "no stack may have it"),
        (GATE, ("group-*", "hq"), "only stacks group-* and hq may have it"),
        (BARE, ("group-*",), "only stacks group-* may have it"),
        (GATE, ("d?v",), None),
        (GUARDED, (), None),  # its gate is told of it
        (Gate(stack="dev", perspective=SEEN), (), None),
        (Bare(stack="dev", name="proc", props={"view": "account"}), (), None),
        (None, (), None),
    ],
)
def test_the_enterprise_view_is_for_named_stacks(
    shown: Shown | None, stacks: tuple[str, ...], said: str | None
) -> None:
    told = list(rules.enterprise_view(shown, stacks))

    assert len(told) == (said is not None)
    assert all(said in one and "Set cloud-siem:view: account" in one for one in told if said)


# --- without a gate ------------------------------------------------------------------------------


def test_a_bare_delivery_is_told_where_it_belongs() -> None:
    (told,) = rules.unguarded(BARE)

    assert told.startswith("proc of stack dev has no gate")
    assert "Declare it through cloud_siem.AccountDeliveries." in told
    assert [*rules.unguarded(GATE), *rules.unguarded(GUARDED), *rules.unguarded(None)] == []


@pytest.mark.parametrize(
    ("shown", "stacks", "configured", "said"),
    [
        ([], (), False, None),
        ([], (), True, "stack dev has cloud-siem:account in its config, and its program"),
        ([], ("d*",), False, "stack dev must have a gate (stacks d*), and its program"),
        ([], ("prod-*",), False, None),
        ([BARE], (), False, None),  # told by itself
        ([GATE], ("d*",), True, None),
        ([GATE, GUARDED], ("d*",), True, None),
        (
            [GUARDED],
            (),
            False,
            f"stack dev has guarded deliveries (account {ACCOUNT}, cn-hangzhou, enterprise view)",
        ),
        (
            [Gate(stack="dev", perspective=SEEN), GUARDED],
            ("d*",),
            True,
            f"stack dev has guarded deliveries (account {ACCOUNT}, cn-hangzhou, enterprise view)",
        ),
    ],
)
def test_a_stack_that_has_or_must_have_deliveries_has_a_gate(
    shown: list[Shown], stacks: tuple[str, ...], configured: bool, said: str | None
) -> None:
    told = list(rules.without_gate("dev", shown, stacks, configured=configured))

    assert len(told) == (said is not None)
    assert all(one.startswith(said) for one in told if said)
