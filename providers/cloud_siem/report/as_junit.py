"""A drift report as JUnit XML: a suite for each stack, a case for each delivery.

It keeps to what the readers of the format have in common: the attributes and the order that Ant's
schema asks for, the elements that Surefire's has. A finding that counts is a failure, what could
not be read an error, and what is ignored is skipped; any other finding is told beside the cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from xml.etree import ElementTree as ET

from cloud_siem.drift import Finding, Kind
from cloud_siem.report.contents import DriftReport, Outcome, percent
from cloud_siem.wording import printable

_SUITE = "cloud-siem drift"


def to_junit(report: DriftReport) -> str:
    """The whole document."""
    root = ET.Element("testsuites", name=_SUITE)
    for number, outcome in enumerate(report.outcomes):
        _add_suite(root, report, outcome, number)
    if report.partial:
        suite = _suite(root, report, "not looked at", len(report.outcomes))
        for stack in report.left_out:
            case = _case(suite, "not looked at", printable(stack))
            add(case, "error", "partial", f"{stack}: the run was stopped before it was looked at")
        count(suite)
    return document(root)


def document(root: ET.Element) -> str:
    """The text of a document whose suites are counted."""
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add_suite(root: ET.Element, report: DriftReport, outcome: Outcome, number: int) -> None:
    suite = _suite(root, report, printable(outcome.stack), number)
    _add_properties(suite, outcome)
    for error in outcome.errors:
        add(_case(suite, outcome.stack, "reading"), "error", "failed", error)
    listed = report.listed(outcome)
    failing = report.failing(outcome)
    beside = [one for one in listed if one not in failing and one.kind is not Kind.IGNORED]
    for finding in listed:
        if finding not in beside:
            name = finding.delivery or "the stack as a whole"
            _add_finding(_case(suite, outcome.stack, name), finding, fails=finding in failing)
    for name in _without_finding(outcome):
        _case(suite, outcome.stack, name)
    if suite.find("testcase") is None:
        _case(suite, outcome.stack, "nothing is declared")
    if beside:
        lines = "\n".join(f"{one.kind.value}: {one.sentence}" for one in beside)
        ET.SubElement(suite, "system-out").text = _clean(lines)
    count(suite)


def _add_properties(suite: ET.Element, outcome: Outcome) -> None:
    """Who was looked at, and how much of what is open is declared."""
    seen, comparison = outcome.perspective, outcome.comparison
    if seen is None:
        return
    facts = {"account": seen.account, "region": seen.region.value, "view": seen.view.value}
    facts |= {"member": seen.member} if seen.member else {}
    facts |= {"coverage": percent(comparison.coverage)} if comparison else {}
    properties = ET.SubElement(suite, "properties")
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=name, value=value)


def _without_finding(outcome: Outcome) -> Sequence[str]:
    """The logs that are declared and as declared; of a whole product one by one."""
    if outcome.comparison is None:
        return ()
    return [
        f"{one.product}/{one.log}"
        for one in outcome.comparison.logs
        if one.declared is not None and one.kind is None
    ]


def _add_finding(case: ET.Element, finding: Finding, *, fails: bool) -> None:
    if fails:
        where = f"{finding.sentence}\n{finding.place}" if finding.place else finding.sentence
        add(case, "failure", finding.kind.value, finding.sentence, where)
    else:
        add(case, "skipped", finding.kind.value, finding.sentence)


def _suite(root: ET.Element, report: DriftReport, name: str, number: int) -> ET.Element:
    return ET.SubElement(
        root,
        "testsuite",
        name=name,
        id=str(number),
        package=_SUITE,
        hostname="localhost",
        timestamp=report.began.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        time="0",
    )


def _case(suite: ET.Element, stack: str, name: str) -> ET.Element:
    attributes = {"classname": f"{_SUITE}.{printable(stack)}", "name": printable(name), "time": "0"}
    return ET.SubElement(suite, "testcase", attributes)


def add(case: ET.Element, tag: str, type_: str, message: str, text: str = "") -> None:
    """What is to be said of a case: an error, a failure, or that it was skipped."""
    child = ET.SubElement(case, tag, {"message": printable(message), "type": type_})
    child.text = _clean(text or message)


def _clean(text: str) -> str:
    """Without the characters that XML has no way to write."""
    return "\n".join(printable(line) for line in text.splitlines())


def count(suite: ET.Element) -> None:
    """Write down how many cases of each kind a suite has."""
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
