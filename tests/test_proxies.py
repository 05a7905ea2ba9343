from __future__ import annotations

from collections.abc import Mapping

import pytest
from requests.utils import get_environ_proxies, select_proxy

from cloud_siem.endpoint import Endpoint
from cloud_siem.proxies import Proxy, exception_for, proxy_for

SIEM = Endpoint.parse("cloud-siem.cn-shanghai.aliyuncs.com")
WITH_PORT = Endpoint.parse("siem.example.com:8443")
BY_ADDRESS = Endpoint.parse("10.1.2.3")
BY_ADDRESS_6 = Endpoint.parse("[fd00::1]:8443")
LOCAL = Endpoint.parse("127.0.0.1:1")


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "http://p:1"}, "HTTPS_PROXY"),
        ({"https_proxy": "http://p:1"}, "https_proxy"),
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": "http://p:2"}, "https_proxy"),
        ({"HTTPS_PROXY": "", "ALL_PROXY": "http://p:1"}, "ALL_PROXY"),
        ({"all_proxy": "http://p:1", "HTTPS_PROXY": "http://p:2"}, "HTTPS_PROXY"),
        ({"HTTP_PROXY": "http://p:1"}, ""),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, ""),
    ],
)
def test_the_variable_of_the_scheme_counts_before_all_proxy_and_lower_case_before_upper_case(
    environ: Mapping[str, str], variable: str
) -> None:
    proxy = proxy_for(SIEM, environ)

    assert (proxy.variable if proxy else "") == variable


def test_calls_to_loopback_go_through_no_proxy() -> None:
    everything = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://p:1")

    for host in ("127.0.0.1:1", "localhost:1", "[::1]:1", "https://127.0.0.1:1"):
        assert proxy_for(Endpoint.parse(host), everything) is None


@pytest.mark.parametrize(
    ("endpoint", "listed", "direct"),
    [
        (SIEM, "aliyuncs.com", True),
        (SIEM, ".aliyuncs.com", True),
        (SIEM, "*.aliyuncs.com", True),
        (SIEM, "ALIYUNCS.COM", True),
        (SIEM, "aliyuncs.com.", True),
        (SIEM, "cloud-siem.cn-shanghai.aliyuncs.com", True),
        (SIEM, "cloud-siem.cn-shanghai.aliyuncs.com:443", True),
        (SIEM, "aliyuncs.com:443", True),
        (SIEM, "aliyuncs.com:8443", False),
        (SIEM, "iyuncs.com", False),
        (SIEM, "sts.cn-shanghai.aliyuncs.com", False),
        (SIEM, "x.cloud-siem.cn-shanghai.aliyuncs.com", False),
        (SIEM, "a.example.com, .aliyuncs.com", True),
        (SIEM, "a.example.com .aliyuncs.com", True),
        (SIEM, "*", True),
        (SIEM, "a.example.com,*", True),
        (SIEM, "", False),
        (SIEM, ",. ,", False),
        (SIEM, "10.0.0.0/8", False),
        (WITH_PORT, "siem.example.com", True),
        (WITH_PORT, "example.com:8443", True),
        (WITH_PORT, "example.com:443", False),
        (BY_ADDRESS, "10.1.2.3", True),
        (BY_ADDRESS, "10.0.0.0/8", True),
        (BY_ADDRESS, "10.2.0.0/16", False),
        (BY_ADDRESS, "10.0.0.0/what", False),
        (BY_ADDRESS, "2.3", False),
        (BY_ADDRESS_6, "fd00::1", True),
        (BY_ADDRESS_6, "[fd00::1]:8443", True),
        (BY_ADDRESS_6, "[fd00::1]:443", False),
        (BY_ADDRESS_6, "fd00::/8", True),
    ],
)
def test_no_proxy_lists_hosts_with_those_below_them_ports_addresses_and_networks(
    endpoint: Endpoint, listed: str, direct: bool
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        environ = {"HTTPS_PROXY": "http://p:1", name: listed}

        assert (proxy_for(endpoint, environ) is None) is direct
        assert bool(exception_for(endpoint, environ)) is direct


@pytest.mark.parametrize("endpoint", [SIEM, WITH_PORT, BY_ADDRESS])
@pytest.mark.parametrize(
    "listed",
    [
        "",
        "*",
        "aliyuncs.com",
        ".aliyuncs.com",
        "example.com:8443",
        "siem.example.com, other.example.com",
        "10.1.2.3",
        "10.0.0.0/8",
    ],
)
def test_what_is_called_directly_is_what_requests_would_call_directly(
    endpoint: Endpoint, listed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": listed}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    theirs = select_proxy(endpoint.url, get_environ_proxies(endpoint.url))
    ours = proxy_for(endpoint, environ)

    assert (ours.url if ours else None) == theirs


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://proxy.example.com:3128", "http://proxy.example.com:3128 (HTTPS_PROXY)"),
        ("proxy.example.com:3128", "proxy.example.com:3128 (HTTPS_PROXY)"),
        ("http://me:secret@p:1/", "http://p:1 (HTTPS_PROXY)"),
        ("me:secret@p:1", "p:1 (HTTPS_PROXY)"),
        ("http://me:sec@secret@[::1]:1", "http://[::1]:1 (HTTPS_PROXY)"),
        ("http://me:sec/secret@p:1", "http://p:1 (HTTPS_PROXY)"),
        ("secret://me:secret@p:1", "p:1 (HTTPS_PROXY)"),
        ("http://me:secret@", "in HTTPS_PROXY"),
        ("http://me:secret@p:secret", "in HTTPS_PROXY"),
        ("http://me:secret", "in HTTPS_PROXY"),
    ],
)
def test_a_proxy_is_shown_without_its_password(url: str, shown: str) -> None:
    proxy = Proxy(variable="HTTPS_PROXY", url=url)

    assert str(proxy) == shown
    assert "secret" not in repr(proxy)
