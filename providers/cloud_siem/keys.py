"""The keys of a stack file that are the stack's own: what each holds, and the sentence for people.

One table; ``stack`` parses by it, ``schema`` and the docs are made from it. The settings have a
table of their own (``settings``).
"""

from __future__ import annotations

from collections.abc import Mapping

from cloud_siem.kinds import Choice, Day, Kind, Switch, Text
from cloud_siem.model import ACCOUNT_ID, DECLARABLE, REGION_RULE, OnRemove, Region, View
from cloud_siem.settings import BY_CONFIG_KEY, PREFIX

ACCOUNT = f"{PREFIX}account"
REGION = f"{PREFIX}region"
VIEW = f"{PREFIX}view"
MEMBER = f"{PREFIX}member"
DELIVERIES = f"{PREFIX}deliveries"
ON_REMOVE = f"{PREFIX}onRemove"
PROTECT = f"{PREFIX}protect"
TAGS = f"{PREFIX}tags"
DRIFT_IGNORE = f"{PREFIX}driftIgnore"

DIGITS = Text(ACCOUNT_ID, "its digits, usually 16", numbers=(10_000, 2**53))
"""An account's id. Without quotes YAML readers agree on whole numbers up to 2**53."""
_IN_CHINA = (
    "cn cn-beijing cn-chengdu cn-fuzhou cn-guangzhou cn-heyuan cn-hongkong cn-huhehaote cn-nanjing"
    " cn-qingdao cn-shanghai cn-shenzhen cn-wulanchabu cn-zhangjiakou china"
)
_ELSEWHERE = (
    "ap-northeast-1 ap-northeast-2 ap-south-1 ap-southeast-2 ap-southeast-3 ap-southeast-5"
    " ap-southeast-6 ap-southeast-7 eu-central-1 eu-west-1 intl me-central-1 me-east-1 singapore"
    " us-east-1 us-west-1"
)
REGIONS = Choice(
    tuple(one.value for one in Region),
    "region",
    # The other regions of Alibaba Cloud: assets may be there, the data management center is not.
    meant=dict.fromkeys(_IN_CHINA.split(), "cn-hangzhou")
    | dict.fromkeys(_ELSEWHERE.split(), "ap-southeast-1"),
    remark=f"Use {REGION_RULE}",
)
VIEWS = Choice(
    tuple(one.value for one in View),
    "view",
    meant={"0": "account", "1": "enterprise"},
)
STATES = Choice(
    tuple(one.value for one in DECLARABLE),
    "state",
    meant={
        **dict.fromkeys(("on", "true", "yes", "1", "enable", "enabled", "active"), "open"),
        **dict.fromkeys(("off", "false", "no", "0", "disable", "disabled", "stopped"), "closed"),
    },
)
ON_REMOVES = Choice(
    tuple(one.value for one in OnRemove),
    "onRemove",
    meant={"closed": "close", "delete": "close", "retain": "keep", "false": "keep"},
)
KINDS: Mapping[str, Kind] = {
    ACCOUNT: DIGITS,
    REGION: REGIONS,
    VIEW: VIEWS,
    MEMBER: DIGITS,
    ON_REMOVE: ON_REMOVES,
    PROTECT: Switch(),
}
"""What the stack's own keys hold, those with mappings aside; the settings have their own table."""
REASON = Text(r"(?=\S)[^\x00-\x1f\x7f]{1,200}(?<=\S)", "one line of up to 200 characters")
TAG = Text(r"(?=\S)[^\x00-\x1f\x7f]{1,128}(?<=\S)", "one line of up to 128 characters")
PATTERN = Text(
    r"[A-Za-z0-9_.*-]{1,128}/[A-Za-z0-9_.*-]{1,128}",
    "product/log, where * stands for any characters",
)
IGNORE_KINDS: Mapping[str, Kind] = {"delivery": PATTERN, "reason": REASON, "until": Day()}
"""What an entry of driftIgnore says; all of it is required."""
DOCS: Mapping[str, str] = {
    ACCOUNT: "The account whose credentials are used; required.",
    REGION: f"The region of the data management center; required. Use {REGION_RULE}.",
    VIEW: "Whose switches these are: the account's own (the default), or the whole enterprise's.",
    MEMBER: "The member that the administrator looks at; without it, the account itself.",
    DELIVERIES: "Product code, below it log codes, each open or closed; what is not listed is"
    " never touched.",
    ON_REMOVE: "What removing an entry does to the delivery, unless the entry says so itself;"
    " close by default.",
    PROTECT: "Whether closing what is open is refused, unless the entry says so itself; false by"
    " default.",
    TAGS: "Names and values that policies and selectors go by.",
    DRIFT_IGNORE: "What `cloud-siem drift` lets pass for a while.",
}
"""One sentence for each of the stack's own keys, in the order in which people read about them."""
OWN_KEYS = tuple(DOCS)
KNOWN_KEYS = (*OWN_KEYS, *BY_CONFIG_KEY)
LOG_KEYS = ("state", "protect", "onRemove", "reason")
"""What an entry may say in its long form."""

CODE = r"[A-Za-z0-9_.-]{1,128}"
"""Product and log codes: wider than any seen, and never a character that an id or a URL minds."""


def keys_table() -> str:
    """The table of the stack's own keys in docs/stack-file.md, in Markdown."""
    lines = ["| config | what it is | write |", "|---|---|---|"]
    for key, doc in DOCS.items():
        words = KINDS[key].words if key in KINDS else "see below"
        lines.append(f"| `{key}` | {doc} | {words} |")
    return "\n".join(lines) + "\n"
