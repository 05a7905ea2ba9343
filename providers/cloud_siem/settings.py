"""How this package reaches the cloud, what a run may close, and what needs a word of its own.

One table, ``SETTINGS``, says everything about each setting; parsing, the JSON Schema of stack files
and the table in docs/stack-file.md are all made from it. A setting comes from the stack's config
(``cloud-siem:deadline``) or, for one run, from the environment (``CLOUD_SIEM_DEADLINE``), which
wins. ``stack`` reads them with the rest of a stack file, and the provider, which the engine hands
the config alone, reads them by itself.

A key or a secret never stands in config. The engine records the config at each ``up`` and hands
that record, not the file, to a later refresh or destroy: a rotated secret would not reach them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from types import MappingProxyType

from cloud_siem import catalog
from cloud_siem.endpoint import Endpoint
from cloud_siem.errors import Reason, StackError
from cloud_siem.kinds import Address, CloseLimit, Kind, Number, NumberOrShare, Switch, Text, text_of
from cloud_siem.model import ACCOUNT_ID, WHOLE_PRODUCT, DeliveryKey, Region
from cloud_siem.unrecorded import Unrecorded
from cloud_siem.wording import Unusable, looks_secret, may_hold_secret, shown

__all__ = ["BY_CONFIG_KEY", "NAMESPACE", "PREFIX", "SETTINGS", "Endpoint", "Setting", "Settings"]

NAMESPACE = "cloud-siem"
"""Before the colon of every config key of ours, whatever the Pulumi project is called."""
PREFIX = f"{NAMESPACE}:"
ENVIRON_PREFIX = "CLOUD_SIEM_"
ASSUMED = f"{ENVIRON_PREFIX}ASSUMED_ROLE"
"""Names the role whose session the environment's credentials are already; so that who starts many
runs, the fleet, assumes a role once for all of them. For one process, and never in config."""
ACCOUNT = "{account}"
"""What a role's ARN may hold in the place of the stack's account."""


# --- words for one run ----------------------------------------------------------------------------

CLOSE_WORD = f"{ENVIRON_PREFIX}CLOSE"
"""Names the logs that this run may close where nothing compares the whole declaration with what was
recorded before (``--target``, a delivery without a gate, a lost settled resource). It lifts neither
protection nor a limit, and config never has it: it is meant for one run."""
LAST_LOG_WORD = f"{ENVIRON_PREFIX}CLOSE_LAST_LOG"
"""Names the logs that this run may close though no log of the account stays open."""


@dataclass(frozen=True, kw_only=True)
class LogName:
    """One log, or all logs of a product, as a person names them for one run."""

    account: str
    """Whose log is switched: the member account, where there is one."""
    product: str
    log: str
    """The log code, or ``*``."""

    @classmethod
    def of(cls, key: DeliveryKey) -> LogName:
        """The name of a key."""
        return cls(account=key.perspective.owner, product=key.product, log=key.log_word)

    @classmethod
    def parse(cls, text: str) -> LogName:
        """From ``<account>/<product>/<log>``; raises ``Unusable``."""
        if not re.fullmatch(
            ACCOUNT_ID + r"/[A-Za-z0-9_.-]{1,128}/([A-Za-z0-9_.-]{1,128}|\*)", text
        ):
            hint = "write <account>/<product>/<log>, with commas between several"
            raise Unusable(f"{shown(text)} does not name a log", hint)
        account, product, log = text.split("/")
        return cls(account=account, product=product, log=log)

    def covers(self, key: DeliveryKey) -> bool:
        """Whether it names the log of a key, or all logs of its product."""
        if (self.account, self.product) != (key.perspective.owner, key.product):
            return False
        return self.log in (WHOLE_PRODUCT, key.log)

    def __str__(self) -> str:
        return f"{self.account}/{self.product}/{self.log}"


def _named(word: str, environ: Mapping[str, str], reasons: list[Reason]) -> frozenset[LogName]:
    """The logs that a variable names; what cannot be used is added to the reasons."""
    names: set[LogName] = set()
    for text in filter(None, map(str.strip, environ.get(word, "").split(","))):
        try:
            names.add(LogName.parse(text))
        except Unusable as fault:
            reasons.append(Reason(message=fault.message, path=(word,), hint=fault.hint))
    return frozenset(names)


# --- hosts ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Hosts:
    """The published hosts for one region."""

    api: str
    sts: str
    api_in_vpc: str
    """Reached from inside a VPC, without the internet."""
    sts_in_vpc: str


_HOSTS: Mapping[Region, _Hosts] = MappingProxyType(
    {
        # OpenAPI metadata of 2022-06-16, the Java, TypeScript and PHP SDKs and the endpoint pages,
        # 2025-10: the region cn-hangzhou answers at the host of cn-shanghai; there is no
        # cloud-siem.cn-hangzhou.
        Region.CN_HANGZHOU: _Hosts(
            api="cloud-siem.cn-shanghai.aliyuncs.com",
            sts="sts.cn-shanghai.aliyuncs.com",
            api_in_vpc="cloud-siem-vpc.cn-shanghai.aliyuncs.com",
            sts_in_vpc="sts-vpc.cn-shanghai.aliyuncs.com",
        ),
        Region.AP_SOUTHEAST_1: _Hosts(
            api="cloud-siem.ap-southeast-1.aliyuncs.com",
            sts="sts.ap-southeast-1.aliyuncs.com",
            api_in_vpc="cloud-siem-vpc.ap-southeast-1.aliyuncs.com",
            sts_in_vpc="sts-vpc.ap-southeast-1.aliyuncs.com",
        ),
    }
)


_PUBLISHED: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        f"{NAMESPACE}:endpoint": re.compile(
            "({})(:443)?".format(
                "|".join(
                    re.escape(host)
                    for hosts in _HOSTS.values()
                    for host in (hosts.api, hosts.api_in_vpc)
                )
            )
        ),
        # The endpoint page of STS, 2025-10: a host for each region, and one in each VPC.
        f"{NAMESPACE}:stsEndpoint": re.compile(r"sts(-vpc)?(\.[a-z0-9-]+)?\.aliyuncs\.com(:443)?"),
    }
)
"""Hosts that may be asked without ``otherEndpoint``, by setting."""

# --- the table ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: everything that parsing, schema and docs know about it."""

    key: str
    """As in config, after ``cloud-siem:``, e.g. ``roleArn``."""
    field: str
    """The field of ``Settings``, e.g. ``role_arn``."""
    kind: Kind
    doc: str
    """One sentence."""
    unset: str = ""
    """What holds when neither config nor environment has it, where the default does not say it."""

    @cached_property
    def config_key(self) -> str:
        return PREFIX + self.key

    @cached_property
    def environ_name(self) -> str:
        """The environment variable, e.g. ``CLOUD_SIEM_ROLE_ARN``."""
        return ENVIRON_PREFIX + re.sub(r"(?=[A-Z])", "_", self.key).upper()

    @property
    def default(self) -> object:
        return getattr(Settings, self.field)


_IN_A_ROLE = r"([A-Za-z0-9._@/-]|\{account\})"

SETTINGS: tuple[Setting, ...] = (
    Setting(
        key="endpoint",
        field="own_endpoint",
        kind=Address(),
        doc="Where the Cloud SIEM API is; plain http is taken for loopback only.",
        unset="the published host for the region",
    ),
    Setting(
        key="stsEndpoint",
        field="own_sts_endpoint",
        kind=Address(),
        doc="Where STS is: it names the caller's account and hands out roles.",
        unset="the endpoint itself on loopback, else the published host for the region, inside the"
        " VPC where the endpoint is",
    ),
    Setting(
        key="profile",
        field="profile",
        kind=Text(r"[^\s\x00-\x1f\x7f]{1,128}", "the profile's name, without blanks"),
        doc="The profile of the Alibaba Cloud CLI's config file whose credentials are used.",
        unset="the default credentials chain",
    ),
    Setting(
        key="roleArn",
        field="role_arn",
        kind=Text(
            rf"acs:ram::({ACCOUNT_ID}|\{{account\}}):role/{_IN_A_ROLE}{{1,128}}",
            "acs:ram::{account}:role/<name>",
        ),
        doc="The role to assume; `{account}` in it stands for the stack's account.",
        unset="no role is assumed",
    ),
    Setting(
        key="roleSessionName",
        field="role_session_name",
        kind=Text(r"[A-Za-z0-9.@_-]{2,64}", "2 to 64 of A-Z a-z 0-9 . @ _ -"),
        doc="The name under which the cloud's audit trail shows the role's calls.",
        unset="names tool, version and stack",
    ),
    Setting(
        key="roleDuration",
        field="role_duration",
        # Below an hour the SDK takes a session as stale from its first minutes on, and asks for a
        # new one at every call; above twelve hours STS refuses.
        kind=Number(3600, 43200, "seconds", whole=True),
        doc="How long an assumed role's session lasts, in seconds.",
    ),
    Setting(
        key="roleExternalId",
        field="role_external_id",
        kind=Text(r"[A-Za-z0-9=,.@:/_-]{2,1224}", "2 to 1224 of A-Z a-z 0-9 = , . @ : / _ -", True),
        doc="The external id that the role's trust policy asks for.",
        unset="none is sent",
    ),
    Setting(
        key="deadline",
        field="deadline",
        kind=Number(1, 3600, "seconds"),
        doc="How long one operation may take, its retries included, in seconds.",
    ),
    Setting(
        key="requestRate",
        field="request_rate",
        kind=Number(0.1, 100_000, "calls per second"),
        doc="How many calls per second one credential makes at most, after a burst of 10.",
    ),
    Setting(
        key="preflight",
        field="preflight",
        kind=Switch(),
        doc="Whether the preview asks the live account about new and changed deliveries.",
    ),
    Setting(
        key="closeLimit",
        field="close_limit",
        kind=NumberOrShare(),
        doc="How many logs one run may close; a percentage is of the logs that are open now under"
        " what the stack has recorded as open.",
    ),
    Setting(
        key="requireReason",
        field="require_reason",
        kind=Switch(),
        doc="Whether an entry that is declared closed must say why.",
    ),
    Setting(
        key="otherEndpoint",
        field="other_endpoint",
        kind=Switch(),
        doc="Allows endpoints that are neither published by Alibaba Cloud nor on loopback.",
    ),
    Setting(
        key="memberInEnterpriseView",
        field="member_in_enterprise_view",
        kind=Switch(),
        doc="Allows `member` with the enterprise view; which of the two wins is unverified.",
    ),
)
"""Every setting, in the order in which people read about them."""

BY_CONFIG_KEY: Mapping[str, Setting] = MappingProxyType({one.config_key: one for one in SETTINGS})


_FIVE = CloseLimit(number=5)


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings(Unrecorded):
    """The settings of one run, parsed."""

    own_endpoint: Endpoint | None = None
    """The endpoint that was given; callers ask ``api_endpoint``."""
    own_sts_endpoint: Endpoint | None = None
    """The STS endpoint that was given; callers ask ``sts_endpoint``."""
    profile: str | None = None
    role_arn: str | None = None
    role_session_name: str | None = None
    role_duration: int = 3600
    role_external_id: str | None = None
    deadline: float = 60.0
    request_rate: float = 10.0
    preflight: bool = True
    close_limit: CloseLimit = _FIVE
    require_reason: bool = False
    other_endpoint: bool = False
    member_in_enterprise_view: bool = False
    closes: frozenset[LogName] = frozenset()
    """The logs that a person named for this run; the run may close them where nothing compares the
    whole declaration with what was recorded."""
    last_logs: frozenset[LogName] = frozenset()
    """The logs that this run may close though no log of the account stays open."""
    assumed_role: str | None = None
    """The role whose session the environment's credentials are; it is not assumed again."""
    overridden: frozenset[str] = frozenset()
    """The fields whose values are from the environment: said for this one run."""

    @classmethod
    def read(cls, values: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
        """Parse config and environment; raises ``StackError`` with every reason there is.

        Args:
            values: The stack's config by whole key (``cloud-siem:deadline``); keys of other
                namespaces are no business of ours.
            environ: The environment; an empty variable counts as one that is not set.
        """
        reasons = [
            *_credentials_in(values),
            *_misspelled(environ),
            *_idle_role_settings(values, environ),
        ]
        found: dict[str, object] = {}
        for setting in SETTINGS:
            for one in _read_one(setting, values, environ):
                if isinstance(one, Reason):
                    reasons.append(one)
                else:
                    found.update([one])
        names = {word: _named(word, environ, reasons) for word in (CLOSE_WORD, LAST_LOG_WORD)}
        overridden = frozenset(one.field for one in SETTINGS if environ.get(one.environ_name))
        settings = cls(
            **found,  # type: ignore[arg-type] # as its kind makes
            closes=names[CLOSE_WORD],
            last_logs=names[LAST_LOG_WORD],
            assumed_role=environ.get(ASSUMED) or None,
            overridden=overridden,
        )
        reasons += _other_endpoints(settings)
        if reasons:
            raise StackError(reasons)
        return settings

    def api_endpoint(self, region: Region) -> Endpoint:
        """Where the Cloud SIEM API is."""
        return self.own_endpoint or Endpoint(scheme="https", host=_HOSTS[region].api)

    def sts_endpoint(self, region: Region) -> Endpoint:
        """Where STS is."""
        if self.own_sts_endpoint:
            return self.own_sts_endpoint
        if self.own_endpoint and self.own_endpoint.loopback:
            return self.own_endpoint
        if self.own_endpoint:
            # Who calls the API inside a VPC may have no way to the internet.
            for hosts in _HOSTS.values():
                if self.own_endpoint.host.removesuffix(":443") == hosts.api_in_vpc:
                    return Endpoint(scheme="https", host=hosts.sts_in_vpc)
        return Endpoint(scheme="https", host=_HOSTS[region].sts)

    def role_for(self, account: str) -> str | None:
        """The ARN of the role to assume for this account; None when none is."""
        return self.role_arn.replace(ACCOUNT, account) if self.role_arn else None

    def names(self, log: DeliveryKey) -> bool:
        """Whether a person named this log for this run."""
        return any(name.covers(log) for name in self.closes)

    def names_last(self, log: DeliveryKey) -> bool:
        """Whether this log may close though no log of the account stays open."""
        return any(name.covers(log) for name in self.last_logs)

    def __repr__(self) -> str:
        given = (one for one in fields(self) if getattr(self, one.name) != one.default)
        return f"Settings({', '.join(self._shown(one.name) for one in given)})"

    def _shown(self, field: str) -> str:
        value = "***" if field == "role_external_id" else repr(getattr(self, field))
        return f"{field}={value}"


# --- reading --------------------------------------------------------------------------------------


def _read_one(
    setting: Setting, values: Mapping[str, object], environ: Mapping[str, str]
) -> Iterator[Reason | tuple[str, object]]:
    """The setting's field and value, or the reason why it has none; nothing when it is not set.

    Config that the environment overrides is not looked at: an override is the way out of config
    that the engine has recorded and no file can mend.
    """
    try:
        if override := environ.get(setting.environ_name, ""):
            where = setting.environ_name
            yield setting.field, setting.kind.parse(override)
        elif setting.config_key in values:
            where = setting.config_key
            text = text_of(values[setting.config_key], setting.kind)
            yield setting.field, setting.kind.parse(text)
    except Unusable as fault:
        yield Reason(message=fault.message, path=(where,), hint=fault.hint)


def _idle_role_settings(
    values: Mapping[str, object], environ: Mapping[str, str]
) -> Iterator[Reason]:
    """Role settings that nothing uses, since there is no role."""
    role = BY_CONFIG_KEY[f"{PREFIX}roleArn"]
    if role.config_key in values or environ.get(role.environ_name):
        return
    for key in ("roleSessionName", "roleDuration", "roleExternalId"):
        setting = BY_CONFIG_KEY[PREFIX + key]
        overridden = environ.get(setting.environ_name)
        if overridden or setting.config_key in values:
            where = setting.environ_name if overridden else setting.config_key
            hint = f"add {role.config_key}, or remove it"
            yield Reason(message="has no effect without a role", path=(where,), hint=hint)


def _other_endpoints(settings: Settings) -> Iterator[Reason]:
    """The endpoints that would be sent signed calls without anybody having said so."""
    allow = BY_CONFIG_KEY[f"{PREFIX}otherEndpoint"]
    for key, published in _PUBLISHED.items():
        setting = BY_CONFIG_KEY[key]
        endpoint: Endpoint | None = getattr(settings, setting.field)
        if settings.other_endpoint or endpoint is None or endpoint.loopback:
            continue
        if not published.fullmatch(endpoint.host):
            overridden = setting.field in settings.overridden
            word = f"{allow.environ_name}=true" if overridden else f"{allow.config_key}: true"
            yield Reason(
                message=f"{endpoint.host} is neither published by Alibaba Cloud nor loopback: who"
                " runs it sees every call, and can answer what it likes",
                path=(setting.environ_name if overridden else setting.config_key,),
                hint=f"remove it, or set {word}",
            )


def _misspelled(environ: Mapping[str, str]) -> Iterator[Reason]:
    """Variables that are nearly one of ours: an override that is not one must not go unnoticed."""
    for name in sorted(one for one in environ if one.startswith(ENVIRON_PREFIX)):
        near = catalog.closest(name, _ENVIRON_NAMES, cutoff=_NEARLY_ONE_OF_OURS)
        if near:
            hint = f"did you mean {near}?"
            yield Reason(message="no setting has this name", path=(name,), hint=hint)


_ENVIRON_NAMES = (*(one.environ_name for one in SETTINGS), CLOSE_WORD, LAST_LOG_WORD)
_NEARLY_ONE_OF_OURS = 0.92
"""Stricter than for hints: other programs may have variables with our prefix."""


# --- credentials ---------------------------------------------------------------------------------

_CREDENTIAL_KEY = re.compile(
    r"access_?-?key|secret|password|passwd|credential|private_?-?key|token|^ak$|^sk$", re.IGNORECASE
)
_CREDENTIAL_HINT = (
    "credentials never stand in config: refresh and destroy would use the ones recorded at the "
    "last up; use the environment or the credentials chain"
)


def is_credential_key(name: str) -> bool:
    """Whether a config key, without its namespace, asks for a credential."""
    return bool(_CREDENTIAL_KEY.search(name))


def _credentials_in(values: Mapping[str, object]) -> Iterator[Reason]:
    for key, value in values.items():
        if not key.startswith(PREFIX):
            if ":" not in key:
                # The engine hands over no such key; the caller left the namespace out, and every
                # setting would silently have its default.
                raise ValueError(f"config key {key!r} has no namespace")
            continue
        if is_credential_key(key.removeprefix(PREFIX)):
            yield Reason(message="asks for a credential", path=(key,), hint=_CREDENTIAL_HINT)
        for path in _secret_texts((key,), value) if may_hold_secret(repr(value)) else ():
            message = "holds what looks like an access key"
            yield Reason(message=message, path=path, hint=_CREDENTIAL_HINT)


def _secret_texts(path: tuple[str, ...], value: object) -> Iterator[tuple[str, ...]]:
    """The paths of the texts that look secret, keys included; what looks secret is cut off."""
    if isinstance(value, str) and looks_secret(value):
        yield path
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, below in items:
            if looks_secret(str(key)):
                yield path
            else:
                yield from _secret_texts((*path, str(key)), below)


# --- docs -----------------------------------------------------------------------------------------


def settings_table() -> str:
    """The table of docs/stack-file.md, in Markdown."""
    lines = ["| config | environment | value | default |", "|---|---|---|---|"]
    for one in SETTINGS:
        default = one.unset or str(one.default).lower().removesuffix(".0")
        value = f"{one.doc} Write {one.kind.words}."
        cells = (f"`{one.config_key}`", f"`{one.environ_name}`", value, default)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
