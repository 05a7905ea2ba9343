"""Whom the real engine's runs talk to: nobody who is not meant, proven, and asked directly."""

from __future__ import annotations

from pathlib import Path

from siem_emulator import EmulatorServer
from tests.authority import THIS_HOST, Authority
from tests.engine.engine import Engine

PROC = "cloud_siem_aegis_proc"


def test_an_endpoint_that_is_not_meant_is_told_nothing(engine: Engine) -> None:
    """Neither published nor loopback: refused by the program, before any call, with the way out."""
    del engine.environment["CLOUD_SIEM_ENDPOINT"]
    engine.declare({"sas": {PROC: "open"}}, endpoint="siem.example.com")

    refused = engine.up()

    assert (refused.code, refused.calls) == (1, ())
    assert "siem.example.com is neither published by Alibaba Cloud nor loopback" in refused.text
    assert "cloud-siem:otherEndpoint: true" in refused.text
    assert engine.resources == {}


def test_an_endpoint_that_is_not_proven_is_told_nothing(
    engine: Engine, siem: EmulatorServer, tmp_path: Path
) -> None:
    """Its certificate is verified in every run; with its authority known, the same run goes."""
    authority = Authority(tmp_path)
    engine.declare({"sas": {PROC: "open"}})
    with EmulatorServer(tls=authority.context(THIS_HOST)) as behind_tls:
        refused = engine.up(CLOUD_SIEM_ENDPOINT=behind_tls.url)

        assert refused.code == 1
        assert "what answered is not to be trusted" in refused.text
        assert "certificate verify failed" in refused.text
        assert behind_tls.calls.all() == []

        trusted = engine.up(CLOUD_SIEM_ENDPOINT=behind_tls.url, SSL_CERT_FILE=str(authority.file))

        assert trusted.code == 0, trusted.text
        assert behind_tls.status("sas", PROC)


def test_a_redirect_is_not_followed(engine: Engine, siem: EmulatorServer) -> None:
    """Of a write as of a read: where it leads is told, and is sent nothing."""
    engine.declare({"sas": {PROC: "open"}})
    with EmulatorServer() as elsewhere:
        for action in ("GetCallerIdentity", "OpenDelivery"):
            siem.fault("redirect", action=action, location=elsewhere.url)
            refused = engine.up()
            siem.faults.clear()

            assert refused.code == 1
            assert f"redirected to {elsewhere.url}; redirects are refused" in refused.text
            assert refused.actions[action] == 1, "nor asked again"

        assert elsewhere.calls.all() == []
    assert not siem.status("sas", PROC)
