"""Reports for the tests of the formats: one of everything, and names that want to be more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from cloud_siem.drift import Comparison, Finding, Kind, Seen
from cloud_siem.errors import Place
from cloud_siem.ignore import Ignore
from cloud_siem.model import Log, Perspective, Region, State
from cloud_siem.report.contents import DriftReport, Gone, News, Outcome, identity

BEGAN = datetime(2026, 1, 31, 6, 0, tzinfo=UTC)
PROD = Perspective(account="1130916744880000", region=Region.CN_HANGZHOU)
INC = Ignore(delivery="oss/*", reason="opened for INC-7", until=date(2026, 12, 31))
OVER = Ignore(delivery="cfw/*", reason="until CHG-9", until=date(2026, 1, 1))


def finding(kind: Kind, name: str, said: str, **more: object) -> Finding:
    product, _, log = name.partition("/")
    fields: dict[str, object] = {"product": product, "log": log or None, **more}
    sentence = f"{name} {said} ({PROD})"
    return Finding(kind=kind, delivery=name, sentence=sentence, **fields)  # type: ignore[arg-type]


DARK = finding(
    Kind.DRIFTED,
    "sas/cloud_siem_aegis_proc",
    "is closed, declared open",
    declared=State.OPEN,
    observed=State.CLOSED,
    place=Place(file="stacks/Pulumi.prod.yaml", line=20, column=30),
)
PARTIAL = finding(
    Kind.DRIFTED,
    "waf",
    "is partial, declared open: cloud_siem_waf_flow is closed",
    declared=State.OPEN,
    observed=State.PARTIAL,
    operable=False,
    odd=(Log(product="waf", log="cloud_siem_waf_flow", state=State.CLOSED, operable=False),),
)
FINDINGS = (
    DARK,
    PARTIAL,
    finding(Kind.MISSING, "nas/cloud_siem_nas_audit_log", "is not listed", declared=State.OPEN),
    finding(
        Kind.UNAPPLIED,
        "rds/cloud_siem_rds_audit_log",
        "is closed, declared open",
        declared=State.OPEN,
        observed=State.CLOSED,
        recorded=State.CLOSED,
    ),
    finding(Kind.UNMANAGED, "csk/cloud_siem_k8s_audit", "is open", observed=State.OPEN),
    finding(
        Kind.INOPERABLE,
        "bastionhost/cloud_siem_bastionhost_event",
        "is open, as declared",
        declared=State.OPEN,
        observed=State.OPEN,
        operable=False,
    ),
    finding(Kind.EXPIRED, "cfw/*", "the ignore ended", ignore=OVER),
    finding(
        Kind.IGNORED,
        "oss/cloud_siem_oss_meter_log",
        "is open, declared closed",
        declared=State.CLOSED,
        observed=State.OPEN,
        reason="CHG-1 too loud",
        ignore=INC,
    ),
)
LOGS = (
    Seen(
        product="actiontrail",
        log="cloud_siem_trail_actiontrail",
        observed=State.OPEN,
        declared=State.OPEN,
        kind=None,
    ),
    *(
        Seen(
            product=one.product,
            log=one.log or "cloud_siem_waf_flow",
            observed=State.CLOSED if one.observed is State.PARTIAL else one.observed,
            declared=one.declared,
            kind=one.kind,
        )
        for one in FINDINGS
        if one.kind is not Kind.EXPIRED
    ),
)


def comparison(findings: tuple[Finding, ...] = (), logs: tuple[Seen, ...] = LOGS[:1]) -> Comparison:
    return Comparison(
        perspective=PROD,
        findings=findings,
        logs=logs,
        declared=8,
        as_declared=8 - len([one for one in findings if one.kind is Kind.DRIFTED]),
        open_logs=4,
        covered=3,
        taken_at=BEGAN,
        request_id="R-1",
    )


def outcome(stack: str, *findings: Finding, errors: tuple[str, ...] = ()) -> Outcome:
    return Outcome(
        stack=stack,
        file=f"stacks/Pulumi.{stack}.yaml",
        perspective=PROD,
        comparison=comparison(findings, LOGS if findings else LOGS[:1]),
        errors=errors,
    )


FAILED = Outcome(
    stack="dev",
    file="stacks/Pulumi.dev.yaml",
    perspective=replace(PROD, member="1234567890123456"),
    errors=("ListDelivery for account 1234567890123456 failed: no permission.",),
)
EVERYTHING = DriftReport(
    began=BEGAN, outcomes=(FAILED, outcome("prod", *FINDINGS), outcome("test")), with_state=True
)
IN_SYNC = DriftReport(began=BEGAN, outcomes=(outcome("prod"), outcome("test")))
STOPPED = DriftReport(began=BEGAN, outcomes=(outcome("prod"),), left_out=("dev", "test"))


def with_news(report: DriftReport, *, only_new: bool = False) -> DriftReport:
    """All but the first finding is known, and one is gone."""
    prod = next(one for one in report.outcomes if one.stack == "prod")
    news = News(
        since="2026-01-30T06:00:00Z",
        new=frozenset({identity(prod, DARK)}),
        known=len(FINDINGS) - 1,
        gone=(
            Gone(
                stack="test",
                kind="drifted",
                delivery="vpc/cloud_siem_vpc_flow_log",
                sentence=f"vpc/cloud_siem_vpc_flow_log is closed, declared open ({PROD})",
            ),
        ),
        only_new=only_new,
    )
    return replace(report, news=news)


EVIL = (
    "<script>window.run=1</script>",
    "<img src=x onerror=window.run=1>",
    "]]></failure>",
    "GH-1 %3 @somebody #1 http://evil.example www.evil.example `x` | ~~x~~ **b** [a](b) $x$ &lt;",
    "\x1b[31mred\x07 \u202egnp\ttab\nline",
    "{{ 7 * 7 }} {% raw %}",
)
"""What an account, a log or an error may say of itself."""


def hostile() -> DriftReport:
    """Every text of every field is one of these."""
    bad = [
        Finding(
            kind=Kind.DRIFTED,
            delivery=text,
            sentence=text,
            product=text,
            log=text,
            declared=State.OPEN,
            observed=State.CLOSED,
            reason=text,
            ignore=Ignore(delivery=text, reason=text, until=date(2026, 1, 31)),
            place=Place(file=text, line=1, column=1),
        )
        for text in EVIL
    ]
    logs = tuple(
        Seen(product=text, log=text, observed=State.CLOSED, declared=State.OPEN, kind=Kind.DRIFTED)
        for text in EVIL
    )
    outcomes = [
        Outcome(
            stack=text,
            file=text,
            perspective=PROD,
            comparison=comparison(tuple(bad), logs),
            errors=(text,),
        )
        for text in EVIL
    ]
    return DriftReport(began=BEGAN, outcomes=tuple(outcomes), left_out=EVIL)
