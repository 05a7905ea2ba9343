"""The products and logs that the emulated accounts have, as a table with its sources.

`world.py` picks from it, and fills large worlds with made-up ones. Nothing here is a claim that the
real service has no other codes: the table was read from LogEnum.java (commit c65479d of 2023-03) of
https://github.com/aliyun/cloud-siem-client and from the examples of the API pages of ListDelivery
and CloseDelivery (updated 2025-10-09), and it grows when we learn more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

Place = tuple[str, str]
"""A product code and one of its log codes.

The pair is the key: log codes do not contain their product reliably.
"""

EVERY_LOG = "*"
"""How people and control calls write "all logs". On the wire it is an absent LogCode."""

CLIENT = "aliyun/cloud-siem-client LogEnum.java c65479d (2023-03)"
PAGES = "examples of the API pages (2025-10-09)"
GUESS = "by analogy with qcloud_cfw; unverified"
MADE_UP = "made up, to fill large worlds"

SPELLING_OF_OLD_PAGES = {"qlcoud_cfw": "qcloud_cfw"}
"""The CloseDelivery page spells one product code so. Which one the service takes is unverified."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """One log of a product."""

    code: str
    topic: str
    """What the Logstore's index field of that name says, e.g. `sas_login_event`."""


@dataclass(frozen=True, kw_only=True)
class Product:
    """One cloud product with its logs, in the order in which ListDelivery answers them."""

    code: str
    name: str
    source: str
    groups: Mapping[str, tuple[Log, ...]]
    """The group "" is for products without groups: it travels in LogList, all others in LogMap."""

    @cached_property
    def logs(self) -> tuple[Log, ...]:
        """All logs, whatever their group."""
        return tuple(itertools.chain.from_iterable(self.groups.values()))

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """The key of every log."""
        return tuple((self.code, log.code) for log in self.logs)


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """All products of a world."""

    products: Mapping[str, Product]

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every log of every product."""
        return tuple(place for product in self.products.values() for place in product.places)

    @cached_property
    def known(self) -> frozenset[Place]:
        """The same, to ask quickly."""
        return frozenset(self.places)

    @classmethod
    def of(cls, products: Iterable[Product]) -> Catalog:
        """A catalog of these products, in this order."""
        return cls(products={product.code: product for product in products})

    @classmethod
    def with_logs(cls, count: int, *, logs_per_product: int = 50) -> Catalog:
        """A catalog of exactly `count` logs: the documented ones first, then made-up products."""
        documented = tuple(_first_logs(DOCUMENTED.products.values(), count))
        missing = count - sum(len(product.logs) for product in documented)

        return cls.of((*documented, *_made_up(missing, logs_per_product)))


def _first_logs(products: Iterable[Product], count: int) -> Iterable[Product]:
    """The products that hold the first `count` logs, the last one cut short where needed."""
    for product in products:
        if count <= 0:
            return
        yield product if len(product.logs) <= count else _cut(product, count)
        count -= len(product.logs)


def _cut(product: Product, count: int) -> Product:
    """The same product with its first `count` logs."""
    keep = {log.code for log in product.logs[:count]}
    groups = {
        name: tuple(log for log in logs if log.code in keep)
        for name, logs in product.groups.items()
    }

    return Product(
        code=product.code,
        name=product.name,
        source=product.source,
        groups={name: logs for name, logs in groups.items() if logs},
    )


def _made_up(count: int, logs_per_product: int) -> Iterable[Product]:
    """Products `made_up_001`, `made_up_002` ... with `count` logs in all."""
    for number, start in enumerate(range(0, count, logs_per_product), start=1):
        code = f"made_up_{number:03}"
        names = tuple(f"log_{index:03}" for index in range(min(logs_per_product, count - start)))
        yield _product(
            code, f"Made-up product {number}", MADE_UP, f"cloud_siem_{code}_", {"": names}
        )


def _product(
    code: str, name: str, source: str, prefix: str, groups: Mapping[str, tuple[str, ...]]
) -> Product:
    """A product whose log codes share a prefix."""
    return Product(
        code=code,
        name=name,
        source=source,
        groups={
            group: tuple(
                Log(code=prefix + suffix, topic=f"{code}_{suffix or 'log'}") for suffix in suffixes
            )
            for group, suffixes in groups.items()
        },
    )


# The groups of sas are those that the ListDelivery page names; which log is in which group is
# unverified.
_SAS = {
    "host": (
        "proc",
        "proc_snapshot",
        "port_snapshot",
        "netstat",
        "netstat_snapshot",
        "login_event",
        "crack_from_beaver",
        "crack_failed_log",
        "account_snapshot",
        "file_log",
        "vul_log",
        "sas_alert",
        "health_check",
    ),
    "network": ("dns", "beaver_dns", "beaver_http", "beaver_session"),
}

_TABLE: tuple[tuple[str, str, str, str, Mapping[str, tuple[str, ...]]], ...] = (
    ("sas", "Security Center", CLIENT, "cloud_siem_aegis_", _SAS),
    ("waf", "Web Application Firewall", CLIENT, "cloud_siem_waf_", {"": ("flow", "alert")}),
    ("cfw", "Cloud Firewall", CLIENT, "cloud_siem_cfw_", {"": ("flow", "alert")}),
    ("vpc", "Virtual Private Cloud", CLIENT, "cloud_siem_vpc_", {"": ("flow_log",)}),
    ("eip", "Elastic IP Address", CLIENT, "cloud_siem_vpc_", {"": ("eni_log",)}),
    ("slb", "Server Load Balancer", CLIENT, "cloud_siem_", {"": ("vpc_slb7l_log", "alb_flow_log")}),
    (
        "oss",
        "Object Storage Service",
        CLIENT,
        "cloud_siem_oss_",
        {"": ("access_log", "delete_log", "meter_log")},
    ),
    ("ddos", "Anti-DDoS", CLIENT, "cloud_siem_ddos_", {"": ("protect_log", "coo_log", "gf_log")}),
    ("actiontrail", "ActionTrail", CLIENT, "cloud_siem_trail_", {"": ("actiontrail",)}),
    ("apigateway", "API Gateway", CLIENT, "cloud_siem_", {"": ("apigateway_log",)}),
    ("cdn", "Content Delivery Network", CLIENT, "cloud_siem_cdn_", {"": ("flow_log",)}),
    ("csk", "Container Service for Kubernetes", CLIENT, "cloud_siem_", {"": ("k8s_audit",)}),
    ("fc", "Function Compute", CLIENT, "cloud_siem_", {"": ("fc_log",)}),
    ("nas", "File Storage NAS", CLIENT, "cloud_siem_nas_", {"": ("audit_log",)}),
    ("rds", "ApsaraDB RDS", CLIENT, "cloud_siem_rds_", {"": ("audit_log",)}),
    (
        "mongodb",
        "ApsaraDB for MongoDB",
        CLIENT,
        "cloud_siem_mongodb_",
        {"": ("flow_log", "audit_log")},
    ),
    ("polardb", "PolarDB", CLIENT, "cloud_siem_", {"": ("polardb1x_audit", "polardb2x_audit")}),
    ("bastionhost", "Bastionhost", CLIENT, "cloud_siem_bastionhost_", {"": ("event",)}),
    ("config", "Cloud Config", PAGES, "cloud_siem_config_", {"": ("log",)}),
    ("qcloud_waf", "Tencent Cloud WAF", PAGES, "cloud_siem_qcloud_waf_", {"": ("alert_log",)}),
    ("qcloud_cfw", "Tencent Cloud Firewall", PAGES, "cloud_siem_qcloud_cfw_", {"": ("alert_log",)}),
    ("hcloud_waf", "Huawei Cloud WAF", PAGES, "cloud_siem_hcloud_waf_", {"": ("alert_log",)}),
    ("hcloud_cfw", "Huawei Cloud Firewall", GUESS, "cloud_siem_hcloud_cfw_", {"": ("alert_log",)}),
)

DOCUMENTED = Catalog.of(_product(*row) for row in _TABLE)
"""What is documented, and nothing else."""
