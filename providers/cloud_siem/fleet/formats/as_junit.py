"""A roll-up as JUnit XML: one suite, a case for each stack."""

from __future__ import annotations

from datetime import UTC
from xml.etree import ElementTree as ET

from cloud_siem.fleet.rollup import Rollup
from cloud_siem.fleet.tasks import Result, Status
from cloud_siem.report.as_junit import add, count, document
from cloud_siem.wording import printable

_SUITE = "cloud-siem fleet"
_TAGS = {
    Status.FAILED: "error",
    Status.REFUSED: "failure",
    Status.NOT_STARTED: "error",
    Status.SKIPPED: "skipped",
}


def to_junit(rollup: Rollup) -> str:
    """The whole document."""
    root = ET.Element("testsuites", name=_SUITE)
    suite = ET.SubElement(
        root,
        "testsuite",
        name=f"fleet {rollup.operation.value}",
        id="0",
        package=_SUITE,
        hostname="localhost",
        timestamp=rollup.began.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        time=f"{rollup.seconds:g}",
    )
    for one in rollup.results:
        _add_case(suite, one)
    if rollup.refusal:
        case = ET.SubElement(suite, "testcase", classname=_SUITE, name="the fleet", time="0")
        add(case, "failure", "refused", rollup.refusal)
    count(suite)
    return document(root)


def _add_case(suite: ET.Element, result: Result) -> None:
    name, seconds = printable(result.stack), f"{result.seconds:g}"
    case = ET.SubElement(suite, "testcase", classname=_SUITE, name=name, time=seconds)
    if tag := _TAGS.get(result.status):
        told = "\n".join(result.errors or result.why) or result.status.value
        add(case, tag, result.status.value, told)
