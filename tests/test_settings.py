from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_siem.errors import StackError
from cloud_siem.model import ACCOUNT_ID, DeliveryKey, Perspective, Region, View
from cloud_siem.settings import (
    CLOSE_WORD,
    LAST_LOG_WORD,
    PREFIX,
    SETTINGS,
    Endpoint,
    LogName,
    Setting,
    Settings,
    settings_table,
)
from cloud_siem.wording import Unusable
from tests.conftest import ACCOUNT, HERE, MEMBER, PROC

DOCS = Path(__file__).parent.parent / "docs" / "stack-file.md"
ROLE = {f"{PREFIX}roleArn": "acs:ram::{account}:role/logs"}


def read(environ: dict[str, str] | None = None, /, **values: object) -> Settings:
    config = {PREFIX + key: value for key, value in values.items()}
    return Settings.read(config, environ or {})


def reasons(environ: dict[str, str] | None = None, /, **values: object) -> list[str]:
    with pytest.raises(StackError) as caught:
        read(environ, **values)
    return [str(reason) for reason in caught.value.reasons]


# --- the table ------------------------------------------------------------------------------------


def test_the_table_has_every_field_once() -> None:
    """A field without a row could never be set; a row without a field would be read for nothing.

    Not in the table is what no stack file may set: the words for one run, and facts about it.
    """
    fields = [
        one.name
        for one in dataclasses.fields(Settings)
        if one.name not in ("overridden", "assumed_role", "closes", "last_logs")
    ]

    assert [one.field for one in SETTINGS] == fields


def test_names_in_the_environment_follow_from_the_keys() -> None:
    """One rule for all, so that nobody has to look a name up."""
    names = {one.key: one.environ_name for one in SETTINGS}

    assert names["endpoint"] == "CLOUD_SIEM_ENDPOINT"
    assert names["memberInEnterpriseView"] == "CLOUD_SIEM_MEMBER_IN_ENTERPRISE_VIEW"
    assert all(re.fullmatch("CLOUD_SIEM_[A-Z_]+", name) for name in names.values())


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: one.key)
def test_each_setting_is_told_in_one_sentence(setting: Setting) -> None:
    """The docs and the editor's schema show it."""
    assert setting.doc.endswith(".")
    assert setting.unset or setting.default is not None


def test_the_docs_have_the_table() -> None:
    """docs/stack-file.md and the table of this module are one."""
    text = DOCS.read_text(encoding="utf-8")
    found = re.search(r"<!-- settings: .*? -->\n(.*?)<!-- /settings -->", text, re.DOTALL)

    assert found
    assert found[1] == settings_table()


# --- reading --------------------------------------------------------------------------------------


def test_without_config_the_defaults_hold() -> None:
    """The most usual case."""
    settings = read()

    assert settings == Settings()
    assert settings.deadline == 60
    assert settings.request_rate == 10
    assert settings.preflight is True
    assert settings.closes == settings.last_logs == frozenset()


def test_text_and_yaml_types_are_read_alike() -> None:
    """The engine hands every top-level value over as text, a file has YAML's types."""
    typed = read(deadline=2.5, preflight=False, requestRate=3)
    texts = read(deadline="2.5", preflight="false", requestRate="3")

    assert typed == texts


def test_the_environment_wins_over_config() -> None:
    """The one way to set something for one run only."""
    assert read({"CLOUD_SIEM_DEADLINE": "5"}, deadline="7").deadline == 5


def test_the_role_whose_session_the_environment_has_is_not_for_config() -> None:
    """Who starts a process says so; a file would say it of everybody's credentials."""
    assert (
        read({"CLOUD_SIEM_ASSUMED_ROLE": "acs:ram::1:role/x"}).assumed_role == "acs:ram::1:role/x"
    )
    assert read({"CLOUD_SIEM_ASSUMED_ROLE": ""}).assumed_role is None
    assert read(assumedRole="acs:ram::1:role/x").assumed_role is None


def test_an_override_is_a_way_out_of_wrong_config() -> None:
    """Destroy is handed the config of the last up, which no edit of the file reaches."""
    assert read({"CLOUD_SIEM_DEADLINE": "5"}, deadline="soon").deadline == 5


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    """`CLOUD_SIEM_DEADLINE= pulumi up` is how shells take a variable away."""
    assert read({"CLOUD_SIEM_DEADLINE": ""}, deadline="7").deadline == 7


def test_a_wrong_override_names_the_variable() -> None:
    """The stack file is not at fault then."""
    expected = [
        'CLOUD_SIEM_DEADLINE: "soon" is no number of seconds (write a number of seconds, 1 to 3600)'
    ]

    assert reasons({"CLOUD_SIEM_DEADLINE": "soon"}, deadline="7") == expected


@pytest.mark.parametrize("name", ["CLOUD_SIEM_DEADLNE", "CLOUD_SIEM_ENDPOINTS"])
def test_a_variable_that_is_nearly_a_setting_is_a_fault(name: str) -> None:
    """A misspelled override would go unnoticed, and the run would do what nobody wanted."""
    assert "no setting has this name (did you mean CLOUD_SIEM_" in reasons({name: "1"})[0]


@pytest.mark.parametrize("name", ["CLOUD_SIEM_LIVE", "CLOUD_SIEM_X"])
def test_other_variables_with_our_prefix_are_left_alone(name: str) -> None:
    """Tests and tools have variables of their own."""
    assert read({name: "1"}) == Settings()


def test_all_reasons_come_at_once() -> None:
    """Nobody likes to mend one fault per run."""
    found = reasons(deadline="soon", preflight="yes", requestRate=None, endpoint="http://a.example")

    assert len(found) == 4


def test_keys_of_other_namespaces_are_no_business_of_ours() -> None:
    """The engine hands over the whole config."""
    assert Settings.read({"aws:secretKey": "x", "aws:deadline": "soon"}, {}) == Settings()


def test_keys_without_namespace_are_a_mistake_of_the_caller() -> None:
    """They would be ignored, and every setting have its default."""
    with pytest.raises(ValueError, match="namespace"):
        Settings.read({"deadline": "5"}, {})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("deadline", "0"),
        ("deadline", "3601"),
        ("deadline", "1e3"),
        ("deadline", "-5"),
        ("deadline", "nan"),
        ("deadline", "inf"),
        ("deadline", "9" * 5000),
        ("deadline", "\uff15"),  # a digit to Python, and to nobody else
        ("deadline", True),
        ("roleDuration", "3599"),
        ("roleDuration", "43201"),
        ("roleDuration", "3600.5"),
        ("requestRate", "0"),
        ("preflight", "True"),
        ("preflight", 1),
        ("profile", "two words"),
        ("profile", 2024),
        ("roleSessionName", "a"),
        ("roleSessionName", "a b"),
        ("roleArn", "acs:ram::123:role/x"),
        ("roleArn", "acs:ram::{member}:role/x"),
        ("roleArn", "acs:ram::{account}:user/x"),
        ("roleExternalId", "a\nb"),
        ("endpoint", ""),
        ("endpoint", {"host": "x"}),
        ("endpoint", ["x"]),
    ],
)
def test_what_is_out_of_bounds_is_refused(key: str, value: object) -> None:
    """One reason each, on the right key, short whatever the value was."""
    with pytest.raises(StackError) as caught:
        Settings.read({**ROLE, PREFIX + key: value}, {})

    assert [reason.path for reason in caught.value.reasons] == [(PREFIX + key,)]
    assert len(str(caught.value)) < 250


@given(st.sampled_from(SETTINGS), st.text())
def test_any_text_is_a_value_or_a_reason(setting: Setting, text: str) -> None:
    """Never a traceback, and a message is one line."""
    try:
        Settings.read({**ROLE, setting.config_key: text}, {})
    except StackError as error:
        found = str(error)
    else:
        found = ""

    assert "\n" not in found


@pytest.mark.parametrize("key", ["roleSessionName", "roleDuration", "roleExternalId"])
def test_role_settings_without_a_role_are_a_fault(key: str) -> None:
    """They do nothing, which is not what their writer thinks."""
    values = {"roleSessionName": "name", "roleDuration": "3600", "roleExternalId": "id"}

    assert "has no effect without a role" in reasons(**{key: values[key]})[0]
    environ = {"CLOUD_SIEM_ROLE_ARN": ROLE[f"{PREFIX}roleArn"]}
    assert read(environ, **{key: values[key]}).role_arn == ROLE[f"{PREFIX}roleArn"]


# --- words for one run ----------------------------------------------------------------------------

WORDS = {CLOSE_WORD: "closes", LAST_LOG_WORD: "last_logs"}
CODES = st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True)
OWNERS = st.from_regex(ACCOUNT_ID, fullmatch=True)
KEYS = st.builds(
    DeliveryKey,
    perspective=st.builds(
        Perspective,
        account=st.sampled_from([ACCOUNT, MEMBER]),
        region=st.sampled_from(Region),
        view=st.sampled_from(View),
        member=st.sampled_from([None, MEMBER]),
    ),
    product=st.sampled_from(["sas", "waf"]),
    log=st.sampled_from([None, "a", "b"]),
)


@pytest.mark.parametrize("word", WORDS)
def test_a_word_names_logs_with_commas_between_them(word: str) -> None:
    """A product is named with a star; spaces and empty parts do not matter."""
    text = f" {ACCOUNT}/sas/cloud_siem_aegis_proc, {ACCOUNT}/waf/*,,"
    settings = read({word: text})

    names = {str(name) for name in getattr(settings, WORDS[word])}
    assert names == {f"{ACCOUNT}/sas/cloud_siem_aegis_proc", f"{ACCOUNT}/waf/*"}
    assert read({word: ""}) == Settings()


def test_each_word_is_read_for_itself() -> None:
    """Neither lifts what the other does, nor does config have them."""
    name = f"{ACCOUNT}/sas/cloud_siem_aegis_proc"
    closes, last = read({CLOSE_WORD: name}), read({LAST_LOG_WORD: name})

    assert (closes.names(PROC), closes.names_last(PROC)) == (True, False)
    assert (last.names(PROC), last.names_last(PROC)) == (False, True)
    assert closes.close_limit == last.close_limit == Settings().close_limit
    assert read(close=name, closeLastLog=name) == Settings()


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    "text",
    [
        "true",
        "*",
        "sas/cloud_siem_aegis_proc",
        f"{ACCOUNT}/sas",
        f"{ACCOUNT}/sas/",
        f"{ACCOUNT}/*/*",
        f"{ACCOUNT}/sas/cloud_siem_*",
        f"{ACCOUNT}/sas/a/b",
        f"{ACCOUNT}/sas/a;{ACCOUNT}/sas/b",
        f"{ACCOUNT}/sas/a\nb",
    ],
)
def test_what_does_not_name_a_log_is_an_error_of_the_variable(word: str, text: str) -> None:
    """Never ignored: the run would not do what its starter thinks. A good name beside it does not
    help.
    """
    found = reasons({word: f"{ACCOUNT}/sas/x,{text}"})

    assert len(found) == 1
    assert found[0].startswith(f"{word}: ")
    assert "does not name a log (write <account>/<product>/<log>" in found[0]
    assert "\n" not in found[0]


def test_every_wrong_name_is_reported_and_no_credential_is_shown() -> None:
    found = reasons({CLOSE_WORD: "a,b", LAST_LOG_WORD: "LTAI5tCanaryCanary"})

    assert len(found) == 3
    assert "anary" not in "\n".join(found)


@pytest.mark.parametrize("name", [f"{CLOSE_WORD}S", f"{LAST_LOG_WORD}S"])
def test_a_misspelled_word_is_an_error(name: str) -> None:
    assert "no setting has this name" in reasons({name: f"{ACCOUNT}/sas/x"})[0]


@given(owner=OWNERS, product=CODES, log=CODES | st.just("*"))
def test_a_name_is_read_as_it_is_written(owner: str, product: str, log: str) -> None:
    name = LogName(account=owner, product=product, log=log)

    assert LogName.parse(str(name)) == name


@given(key=KEYS, other=KEYS)
def test_a_name_covers_what_its_key_covers(key: DeliveryKey, other: DeliveryKey) -> None:
    """Whatever region or view: the account whose log is switched, the product and the log."""
    name = LogName.of(key)

    assert name.covers(key)
    assert LogName.parse(str(name)) == name
    same = (key.perspective.owner, key.product) == (other.perspective.owner, other.product)
    assert name.covers(other) is (same and key.log in (None, other.log))


def test_a_member_account_is_named_by_itself() -> None:
    """Not by the administrator whose credentials switch its logs."""
    of_member = dataclasses.replace(PROC, perspective=dataclasses.replace(HERE, member=MEMBER))

    assert str(LogName.of(of_member)) == f"{MEMBER}/sas/cloud_siem_aegis_proc"
    assert not LogName.of(PROC).covers(of_member)


# --- credentials ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    ["accessKeyId", "accessKeySecret", "access_key", "securityToken", "stsToken", "secret", "ak"],
)
def test_a_key_that_asks_for_a_credential_is_refused(key: str) -> None:
    """With what to do instead, and without its value."""
    found = reasons(**{key: "canary"})

    assert "credentials never stand in config" in found[0]
    assert "canary" not in found[0]


@pytest.mark.parametrize(
    "value",
    [
        "LTAI5tCanaryCanary",
        "STS.NUcanarycanary",
        {"a": {"b": "xx LTAI5tCanaryCanary"}},
        {"LTAI5tCanaryCanary": "open"},
        [{"a": ["LTAI5tCanaryCanary"]}],
    ],
)
def test_a_value_that_looks_like_an_access_key_is_refused(value: object) -> None:
    """Wherever it stands in our config, and never shown."""
    found = "\n".join(reasons(profile=value))

    assert "access key" in found
    assert "anary" not in found


def test_no_message_shows_a_credential_that_stands_in_the_wrong_variable() -> None:
    """The environment is where credentials belong, but not in these variables."""
    assert "anary" not in "\n".join(reasons({"CLOUD_SIEM_DEADLINE": "LTAI5tCanaryCanary"}))


def test_passwords_in_endpoints_are_not_shown() -> None:
    """Also when the endpoint has other faults."""
    for endpoint in ("https://me:canary@h.example", "ftp://me:canary@h.example", "me:canary@h"):
        assert "canary" not in "\n".join(reasons(endpoint=endpoint))


def test_repr_masks_the_external_id() -> None:
    """Whoever knows it may be half way to assuming the role."""
    settings = Settings.read({**ROLE, f"{PREFIX}roleExternalId": "canary"}, {})

    assert "canary" not in repr(settings)
    assert "role_external_id=***" in repr(settings)
    assert repr(Settings()) == "Settings()"


# --- endpoints ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "api", "sts"),
    [
        (
            Region.CN_HANGZHOU,
            "https://cloud-siem.cn-shanghai.aliyuncs.com",
            "https://sts.cn-shanghai.aliyuncs.com",
        ),
        (
            Region.AP_SOUTHEAST_1,
            "https://cloud-siem.ap-southeast-1.aliyuncs.com",
            "https://sts.ap-southeast-1.aliyuncs.com",
        ),
    ],
)
def test_each_region_has_its_published_hosts(region: Region, api: str, sts: str) -> None:
    """The region cn-hangzhou answers at the host of cn-shanghai."""
    settings = Settings()

    assert str(settings.api_endpoint(region)) == api
    assert str(settings.sts_endpoint(region)) == sts


def test_an_emulator_answers_for_sts_too() -> None:
    """One loopback endpoint is enough; a remote one says nothing about STS."""
    local = read(endpoint="127.0.0.1:18080")
    remote = read(endpoint="siem.example.com", otherEndpoint=True)
    both = read(endpoint="127.0.0.1:18080", stsEndpoint="sts.example.com", otherEndpoint=True)

    assert local.sts_endpoint(Region.CN_HANGZHOU) == local.api_endpoint(Region.CN_HANGZHOU)
    assert remote.sts_endpoint(Region.CN_HANGZHOU).host == "sts.cn-shanghai.aliyuncs.com"
    assert both.sts_endpoint(Region.CN_HANGZHOU).host == "sts.example.com"


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("endpoint", "siem.example.com"),
        ("endpoint", "cloud-siem.cn-shanghai.aliyuncs.com.example.com"),
        ("endpoint", "cloud-siem.cn-shanghai.aliyuncs.com:8443"),
        ("endpoint", "sts.aliyuncs.com"),
        ("endpoint", "cloud-siem-vpc.cn-hangzhou.aliyuncs.com"),
        ("endpoint", "cloud-siem-vpc.aliyuncs.com"),
        ("stsEndpoint", "sts.example.com"),
        ("stsEndpoint", "sts.a.b.aliyuncs.com"),
    ],
)
def test_another_endpoint_needs_its_own_word(key: str, host: str) -> None:
    """Who runs it sees every call and can answer what it likes; the reason names what allows it."""
    (reason,) = reasons(**{key: host})

    assert reason.startswith(f"cloud-siem:{key}: {host} is neither published by Alibaba Cloud nor")
    assert reason.endswith("(remove it, or set cloud-siem:otherEndpoint: true)")
    assert read(otherEndpoint="true", **{key: host}).other_endpoint
    assert read({"CLOUD_SIEM_OTHER_ENDPOINT": "true"}, **{key: host}).other_endpoint


def test_another_endpoint_for_one_run_needs_its_own_word_too() -> None:
    """The reason names the variables, since no file is at fault."""
    (reason,) = reasons({"CLOUD_SIEM_ENDPOINT": "siem.example.com"})

    assert reason.startswith("CLOUD_SIEM_ENDPOINT: ")
    assert reason.endswith("or set CLOUD_SIEM_OTHER_ENDPOINT=true)")


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("endpoint", "cloud-siem.ap-southeast-1.aliyuncs.com"),
        ("endpoint", "https://cloud-siem.cn-shanghai.aliyuncs.com:443"),
        ("endpoint", "cloud-siem-vpc.cn-shanghai.aliyuncs.com"),
        ("endpoint", "https://cloud-siem-vpc.ap-southeast-1.aliyuncs.com:443"),
        ("endpoint", "[::1]:18080"),
        ("stsEndpoint", "sts.aliyuncs.com"),
        ("stsEndpoint", "sts-vpc.cn-hangzhou.aliyuncs.com"),
    ],
)
def test_published_hosts_and_loopback_need_no_word(key: str, host: str) -> None:
    """They are what the setting is for."""
    assert read(**{key: host}) == read(**{key: host}, otherEndpoint=False)


@pytest.mark.parametrize("name", ["cn-shanghai", "ap-southeast-1"])
def test_who_calls_the_api_inside_a_vpc_calls_sts_there_too(name: str) -> None:
    """There may be no way to the internet."""
    settings = read(endpoint=f"cloud-siem-vpc.{name}.aliyuncs.com")
    own = read(endpoint=f"cloud-siem-vpc.{name}.aliyuncs.com", stsEndpoint="sts.aliyuncs.com")

    assert settings.sts_endpoint(Region.CN_HANGZHOU).host == f"sts-vpc.{name}.aliyuncs.com"
    assert own.sts_endpoint(Region.CN_HANGZHOU).host == "sts.aliyuncs.com"


# --- the close limit ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "opened", "allowed"),
    [("0", 20, 0), ("5", 2, 5), ("30%", 20, 6), ("30%", 3, 0), ("100%", 7, 7), ("0%", 7, 0)],
)
def test_a_close_limit_is_a_count_or_a_share(text: str, opened: int, allowed: int) -> None:
    """A share is of the deliveries that were declared open, rounded down."""
    limit = read(closeLimit=text).close_limit

    assert limit.of(opened) == allowed
    assert str(limit) == text


@pytest.mark.parametrize("text", ["-1", "101%", "5.5", "5 %", "%", "many", "05", "1" * 10])
def test_anything_else_is_no_close_limit(text: str) -> None:
    (reason,) = reasons(closeLimit=text)

    assert reason.endswith("(write a whole number, or a percentage such as 30%)")


def test_what_the_environment_says_is_known_to_be_of_this_run() -> None:
    """What only a person at the keyboard may allow is not allowed by a file."""
    assert read({"CLOUD_SIEM_CLOSE_LIMIT": "18"}, closeLimit=18).overridden == {"close_limit"}
    assert read(closeLimit=18).overridden == frozenset()


@pytest.mark.parametrize(
    ("text", "url", "loopback"),
    [
        ("siem.example.com", "https://siem.example.com", False),
        ("siem.example.com:8443", "https://siem.example.com:8443", False),
        ("https://Siem.Example.com/", "https://siem.example.com", False),
        ("HTTPS://siem.example.com", "https://siem.example.com", False),
        ("127.0.0.1:18080", "http://127.0.0.1:18080", True),
        ("https://127.0.0.1:18080", "https://127.0.0.1:18080", True),
        ("http://127.8.9.10", "http://127.8.9.10", True),
        ("localhost:1", "http://localhost:1", True),
        ("http://[::1]:18080/", "http://[::1]:18080", True),
        # What only looks like loopback, or is it to some programs and not to others.
        ("127.0.0.1.example.com", "https://127.0.0.1.example.com", False),
        ("localhost.example.com", "https://localhost.example.com", False),
        ("127.1", "https://127.1", False),
        ("[::ffff:127.0.0.1]", "https://[::ffff:127.0.0.1]", False),
    ],
)
def test_endpoints_are_read_in_these_forms(text: str, url: str, loopback: bool) -> None:
    """Without a scheme it is https, on loopback http."""
    endpoint = Endpoint.parse(text)

    assert endpoint.url == url
    assert endpoint.loopback is loopback


@pytest.mark.parametrize(
    "text",
    [
        "http://siem.example.com",
        "http://127.0.0.1.example.com",
        "http://127.1",
        "http://[::ffff:127.0.0.1]",
        "http://localhost.example.com",
        "ftp://127.0.0.1",
        "https://siem.example.com/path",
        "https://siem.example.com?query",
        "https://siem.example.com#fragment",
        "https://me:secret@127.0.0.1",
        "https://",
        "siem.example.com:0",
        "siem.example.com:65536",
        "siem..example.com",
        "-siem.example.com",
        "siem example",
        "siem.example.com\n",
        "[::1",
        "[fe80::zz]",
        "[1::2::3]",
        "a" * 300,
        "siem.ex\u00e4mple.com",
    ],
)
def test_other_endpoints_are_refused(text: str) -> None:
    """Plain http anywhere but loopback above all."""
    with pytest.raises(Unusable):
        Endpoint.parse(text)


@given(st.from_regex(r"[a-z:/.0-9\[\]@-]{0,40}", fullmatch=True))
def test_plain_http_never_leaves_the_machine(text: str) -> None:
    """Whatever the text is."""
    try:
        endpoint = Endpoint.parse(text)
    except Unusable:
        return

    assert endpoint.scheme == "https" or endpoint.loopback
    assert Endpoint.parse(endpoint.url) == endpoint


# --- roles ----------------------------------------------------------------------------------------


def test_a_role_is_made_for_the_account() -> None:
    """One line of config serves a stack file per account."""
    settings = Settings.read(ROLE, {})

    assert settings.role_for("1130916744880000") == "acs:ram::1130916744880000:role/logs"
    assert Settings().role_for("1130916744880000") is None


@pytest.mark.parametrize("one", SETTINGS, ids=lambda one: one.key)
def test_each_kind_says_what_to_write(one: Setting) -> None:
    """Hints, docs and schema are made of it."""
    assert one.kind.words
    assert one.kind.schema()
