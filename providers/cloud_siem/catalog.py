"""Product and log codes known so far, for hints and for completion.

Never a closed list: products and logs come and go, and what an account really has is the answer of
its own ListDelivery. A code that is not here is as good as one that is; nothing in this module may
be used to refuse one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where codes were read, and when that source was written."""

    title: str
    date: str
    """The date of the source, ISO 8601 as far as it is known."""
    caveat: str = ""
    """Why a code from here may be wrong."""


API_PAGE = Source(
    title="Alibaba Cloud, Security Center, API reference 2022-06-16: CloseDelivery",
    date="2025-10-09",
)
API_EXAMPLES = Source(
    title="the examples of the same reference's OpenDelivery, CloseDelivery and ListDelivery pages",
    date="2025-10-09",
)
IMPORT_CLIENT = Source(
    title="github.com/aliyun/cloud-siem-client, LogEnum.java, commit c65479d",
    date="2023-03",
    caveat="codes for importing logs; that deliveries use the same ones is unverified",
)


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product code and the log codes known of it."""

    code: str
    name: str
    """As the cloud's own English pages call it; for comments and reports."""
    logs: tuple[str, ...] = ()
    """Log codes, sorted; empty when no source names one."""
    source: Source = IMPORT_CLIENT
    """Where the log codes were read."""
    remark: str = ""


_PRODUCTS = (
    Product(code="actiontrail", name="ActionTrail", logs=("cloud_siem_trail_actiontrail",)),
    Product(code="apigateway", name="API Gateway", logs=("cloud_siem_apigateway_log",)),
    Product(code="bastionhost", name="Bastionhost", logs=("cloud_siem_bastionhost_event",)),
    Product(code="cdn", name="CDN", logs=("cloud_siem_cdn_flow_log",)),
    Product(
        code="cfw", name="Cloud Firewall", logs=("cloud_siem_cfw_alert", "cloud_siem_cfw_flow")
    ),
    Product(
        code="config", name="Cloud Config", logs=("cloud_siem_config_log",), source=API_EXAMPLES
    ),
    Product(code="csk", name="Container Service for Kubernetes", logs=("cloud_siem_k8s_audit",)),
    Product(
        code="ddos",
        name="Anti-DDoS",
        logs=("cloud_siem_ddos_coo_log", "cloud_siem_ddos_gf_log", "cloud_siem_ddos_protect_log"),
    ),
    Product(code="eip", name="Elastic IP Address", logs=("cloud_siem_vpc_eni_log",)),
    Product(code="fc", name="Function Compute", logs=("cloud_siem_fc_log",)),
    Product(code="hcloud_cfw", name="Huawei Cloud firewall", source=API_PAGE),
    Product(
        code="hcloud_waf",
        name="Huawei Cloud WAF",
        logs=("cloud_siem_hcloud_waf_alert_log",),
        source=API_EXAMPLES,
    ),
    Product(
        code="mongodb",
        name="ApsaraDB for MongoDB",
        logs=("cloud_siem_mongodb_audit_log", "cloud_siem_mongodb_flow_log"),
    ),
    Product(code="nas", name="File Storage NAS", logs=("cloud_siem_nas_audit_log",)),
    Product(
        code="oss",
        name="Object Storage Service",
        logs=("cloud_siem_oss_access_log", "cloud_siem_oss_delete_log", "cloud_siem_oss_meter_log"),
    ),
    Product(
        code="polardb",
        name="PolarDB",
        logs=("cloud_siem_polardb1x_audit", "cloud_siem_polardb2x_audit"),
    ),
    Product(
        code="qcloud_cfw",
        name="Tencent Cloud firewall",
        logs=("cloud_siem_qcloud_cfw_alert_log",),
        source=API_EXAMPLES,
        remark="CloseDelivery's page says qlcoud_cfw; which one the service takes is unverified",
    ),
    Product(
        code="qcloud_waf",
        name="Tencent Cloud WAF",
        logs=("cloud_siem_qcloud_waf_alert_log",),
        source=API_EXAMPLES,
    ),
    Product(
        code="qlcoud_cfw",
        name="Tencent Cloud firewall",
        source=API_PAGE,
        remark="so spelled by the source; ListDelivery's and OpenDelivery's pages say qcloud_cfw",
    ),
    Product(code="rds", name="ApsaraDB RDS", logs=("cloud_siem_rds_audit_log",)),
    Product(
        code="sas",
        name="Security Center",
        logs=(
            "cloud_siem_aegis_account_snapshot",
            "cloud_siem_aegis_beaver_dns",
            "cloud_siem_aegis_beaver_http",
            "cloud_siem_aegis_beaver_session",
            "cloud_siem_aegis_crack_failed_log",
            "cloud_siem_aegis_crack_from_beaver",
            "cloud_siem_aegis_dns",
            "cloud_siem_aegis_file_log",
            "cloud_siem_aegis_health_check",
            "cloud_siem_aegis_login_event",
            "cloud_siem_aegis_netstat",
            "cloud_siem_aegis_netstat_snapshot",
            "cloud_siem_aegis_port_snapshot",
            "cloud_siem_aegis_proc",
            "cloud_siem_aegis_proc_snapshot",
            "cloud_siem_aegis_sas_alert",
            "cloud_siem_aegis_vul_log",
        ),
    ),
    Product(
        code="slb",
        name="Server Load Balancer",
        logs=("cloud_siem_alb_flow_log", "cloud_siem_vpc_slb7l_log"),
    ),
    Product(code="vpc", name="Virtual Private Cloud", logs=("cloud_siem_vpc_flow_log",)),
    Product(
        code="waf",
        name="Web Application Firewall",
        logs=("cloud_siem_waf_alert", "cloud_siem_waf_flow"),
    ),
)

PRODUCTS: Mapping[str, Product] = MappingProxyType({one.code: one for one in _PRODUCTS})
"""Every product code known so far, sorted by code."""


def logs_of(product: str) -> tuple[str, ...]:
    """The log codes known of a product; empty when none is, or the product is not known."""
    known = PRODUCTS.get(product)
    return known.logs if known else ()


def product_of(log: str) -> str:
    """The product that is known to have a log; empty when none is."""
    return next((code for code, product in PRODUCTS.items() if log in product.logs), "")


_NEAR = 0.65
"""How alike two words must be: two letters of three (``wfa`` for ``waf``) are enough."""
_LONGEST = 128
"""More characters than any code has: comparing is quadratic, and a word may be anything."""


def closest(word: str, candidates: Iterable[str], *, cutoff: float = _NEAR) -> str | None:
    """What the person may have meant by ``word``; None when nothing is near.

    Upper and lower case count as the same; of a word that is itself a candidate nothing else was
    meant.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - 10 ms that a faultless run need not pay

    known = sorted(candidates)
    if word in known or len(word) > _LONGEST:
        return None
    by_folded = {one.casefold(): one for one in known}
    near = get_close_matches(word.casefold(), by_folded, n=1, cutoff=cutoff)
    return by_folded[near[0]] if near else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """``did you mean "x"?``, or an empty text when nothing is near."""
    near = closest(word, candidates)
    return f'did you mean "{near}"?' if near else ""
