"""No secret in anything that is written: planted, used in every way there is, and searched for."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from siem_emulator import EmulatorServer
from siem_emulator.answers import Answer
from siem_emulator.service import Arrival
from tests.authority import THIS_HOST, Authority
from tests.canaries import leaks, leaks_in
from tests.conftest import ACCOUNT, ANY_CLOSE, Loopback, http
from tests.emulator.signing import STS, Client
from tests.engine.engine import STACK, Engine, Result

PROC, DNS = "cloud_siem_aegis_proc", "cloud_siem_aegis_dns"
ROLE = f"acs:ram::{ACCOUNT}:role/siem-delivery"
PUBLISHED = "cloud-siem.cn-shanghai.aliyuncs.com"
EXTERNAL_ID = "testexternal-canary"
PROXY_PASSWORD = "testproxy-canary"
WRONG_SECRET = "testsecret-canary-of-another-key"
PROFILE = {
    "name": "siem",
    "mode": "AK",
    "access_key_id": "testid-canary-of-the-profile",
    "access_key_secret": "testsecret-canary-of-the-profile",
}
LOUD = "import logging\n\nlogging.basicConfig(level=logging.DEBUG)\n"
"""Has every logger of every Python process talk, as early as there is one."""
IN_THE_WRONG_PLACE = """\
config:
  cloud-siem:account: "1130916744880000"
  cloud-siem:region: cn-hangzhou
  cloud-siem:accessKeySecret: testsecret-canary-in-config
  cloud-siem:roleArn: LTAItestidCanaryInConfig
  cloud-siem:endpoint: https://me:testpassword-canary@siem.example.com
  cloud-siem:deliveries: {"STS.testidCanaryInConfig": {"LTAItestidCanaryInConfig": open}}
"""
MISPLACED = {
    "a secret in config": "testsecret-canary-in-config",
    "a key id in config": "LTAItestidCanaryInConfig",
    "a session's key id in config": "STS.testidCanaryInConfig",
    "a password in an endpoint": "testpassword-canary",
}


@dataclass(kw_only=True)
class Scene:
    """One stack whose every run is given the secrets, and told to log all it can."""

    folder: Path
    engine: Engine
    siem: EmulatorServer
    canaries: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    """Everything on stdout and stderr, by what was run."""
    planted: list[Path] = field(default_factory=list)

    def note(self, what: str, run: Result | subprocess.CompletedProcess[str]) -> None:
        said = f"{run.stdout}{run.stderr}"
        assert what not in self.said
        self.said[what] = said

    def overhear(self, arrival: Arrival, answer: Answer) -> None:
        """Take the secrets out of a call and its answer."""
        call = arrival.call
        heard = {
            "Authorization": call.headers.get("authorization", ""),
            "signature": call.headers.get("authorization", "").rpartition("Signature=")[2],
            "signature in the address": call.everything.get("Signature", ""),
            "token sent": call.token,
            **_credentials(answer),
        }
        for name, value in heard.items():
            if value and value not in self.canaries.values():
                self.canaries[f"{name}, call {arrival.received.seq}"] = value

    def cloud_siem(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cloud_siem.cli", *arguments],
            cwd=self.engine.folder,
            env=self.engine.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def leaks(self) -> list[str]:
        """Every secret that stands anywhere it should not."""
        spoken = [
            f"{name} in what {what} said"
            for what, text in self.said.items()
            for name in leaks(self.canaries, text.encode())
        ]

        return spoken + leaks_in(self.canaries, self.folder, self.planted)


def _credentials(answer: Answer) -> dict[str, str]:
    """What STS hands out."""
    try:
        given: dict[str, str] = json.loads(answer.body)["Credentials"]
    except (ValueError, KeyError, TypeError):
        return {}

    return {f"{name} handed out": value for name, value in given.items() if name != "Expiration"}


@pytest.fixture
def scene(
    tmp_path: Path, siem: EmulatorServer, pulumi_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    """A session in the environment that assumes a role, a profile, and a proxy with a password."""
    # A home of its own: it is searched, too.
    engine = Engine(folder=tmp_path / "project", home=tmp_path / "home", siem=siem)
    scene = Scene(folder=tmp_path, engine=engine, siem=siem)
    answered = siem.service.answer

    def answer(arrival: Arrival) -> Answer:
        given = answered(arrival)
        scene.overhear(arrival, given)
        return given

    monkeypatch.setattr(siem.service, "answer", answer)
    siem.control(
        "keys",
        account=ACCOUNT,
        user="profile",
        id=PROFILE["access_key_id"],
        secret=PROFILE["access_key_secret"],
        actions=["*"],
    )
    scene.canaries |= MISPLACED | {
        "the profile's key id": PROFILE["access_key_id"],
        "the profile's secret": PROFILE["access_key_secret"],
        "the external id": EXTERNAL_ID,
        "the proxy's password": PROXY_PASSWORD,
        "the proxy's password as it is sent": _basic(PROXY_PASSWORD),
        "a secret that does not fit": WRONG_SECRET,
    }
    _plant(scene)

    return scene


def _basic(password: str) -> str:
    return base64.b64encode(f"canary:{password}".encode()).decode()


def _plant(scene: Scene) -> None:
    key = scene.siem.key()
    session = Client(scene.siem.host, key.id, key.secret).call(
        "AssumeRole", version=STS, RoleArn=ROLE, RoleSessionName="canary"
    )
    given = session.body["Credentials"]
    profile = scene.engine.folder / "person" / ".aliyun" / "config.json"
    profile.parent.mkdir()
    profile.write_text(json.dumps({"current": "siem", "profiles": [PROFILE]}))
    scene.planted.append(profile)
    for name in ("loud", "tmp"):
        (scene.folder / name).mkdir()
    (scene.folder / "loud" / "sitecustomize.py").write_text(LOUD)
    environment = scene.engine.environment
    environment |= {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": given["AccessKeyId"],
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": given["AccessKeySecret"],
        "ALIBABA_CLOUD_SECURITY_TOKEN": given["SecurityToken"],
        "CLOUD_SIEM_ROLE_ARN": ROLE,
        "CLOUD_SIEM_ROLE_EXTERNAL_ID": EXTERNAL_ID,
        **ANY_CLOSE,
        "HTTPS_PROXY": f"http://canary:{PROXY_PASSWORD}@127.0.0.1:9",
        "DEBUG": "sdk",
        "PYTHONPATH": f"{scene.folder / 'loud'}{os.pathsep}{environment['PYTHONPATH']}",
        "TMPDIR": str(scene.folder / "tmp"),
    }


# --- the runs ------------------------------------------------------------------------------------


def test_nothing_that_is_written_holds_a_secret(scene: Scene) -> None:
    """What people see, state, history, plan, logs of the engine at -v=9, files in the temporary
    folder: of runs that go well, and of runs that fail in each way that has a secret at hand.
    """
    runs_that_go_well(scene)
    refused_by_the_cloud(scene)
    not_reaching_it(scene)
    the_command_line(scene)
    # The scene has left a stack file beside its own that cannot be read.
    named = f"{ACCOUNT}/sas/*,{ACCOUNT}/oss/*,{ACCOUNT}/waf/*"
    done = scene.engine.destroy("--logtostderr", "-v=9", CLOUD_SIEM_CLOSE=named)
    scene.note("destroy", done)

    assert done.code == 0, done.text
    assert_in_play(scene)
    assert scene.leaks() == []
    assert_a_leak_would_be_found(scene)


def runs_that_go_well(scene: Scene) -> None:
    engine = scene.engine
    engine.declare({"sas": {PROC: "open"}})
    plan = str(scene.folder / "plan.json")
    well = {
        "preview": engine.preview("--save-plan", plan, PULUMI_EXPERIMENTAL="1"),
        "preview --json": engine.preview("--json"),
        "up": engine.up("--logtostderr", "-v=9", "--logflow"),
        # Without --logtostderr the engine logs to files.
        "refresh": engine.refresh("-v=9", CLOUD_SIEM_PROFILE="siem"),
        "stack export": engine.run("stack", "export", "--show-secrets"),
    }
    for what, run in well.items():
        scene.note(what, run)
        assert run.code == 0, run.text


def refused_by_the_cloud(scene: Scene) -> None:
    engine, siem = scene.engine, scene.siem
    engine.declare({"sas": {PROC: "open", DNS: "open"}})
    siem.control("grants", account=ACCOUNT, role="siem-delivery", actions=["sts:*", "ListDelivery"])
    denied = engine.up("--logtostderr", "-v=9")
    siem.control("grants", account=ACCOUNT, role="siem-delivery", actions=["*"])
    siem.fault("internal_error", action="OpenDelivery", acts=False)
    failed = engine.up("--logtostderr", "-v=9", CLOUD_SIEM_DEADLINE="1")
    siem.faults.clear()
    unsigned = engine.refresh("-v=9", ALIBABA_CLOUD_ACCESS_KEY_SECRET=WRONG_SECRET)
    for what, run, said in (
        ("a 403", denied, "no permission for yundun-sas:OpenDelivery"),
        ("a 500", failed, "[InternalError, HTTP 500, RequestId "),
        ("a wrong signature", unsigned, "the secret does not belong to the access key"),
    ):
        fails(scene, what, run, said)


def not_reaching_it(scene: Scene) -> None:
    engine, siem = scene.engine, scene.siem
    portal = "https://portal.example.com/login?from=http://siem/?Signature=x"
    siem.fault("redirect", action="AssumeRole", location=portal)
    redirected = engine.refresh("-v=9")
    siem.faults.clear()
    with EmulatorServer(tls=Authority(scene.folder / "tmp").context(THIS_HOST)) as server:
        untrusted = engine.refresh(CLOUD_SIEM_ENDPOINT=server.url)
        assert server.calls.all() == []
    refusal = http(b"", status="407 Proxy Authentication Required")
    abroad = {"CLOUD_SIEM_ENDPOINT": PUBLISHED, "CLOUD_SIEM_DEADLINE": "1"}
    with Loopback(refusal) as proxy:
        address = proxy.url.replace("//", f"//canary:{PROXY_PASSWORD}@")
        tunnelled = engine.refresh(**abroad, HTTPS_PROXY=address)
        sent = {request.headers["proxy-authorization"] for request in proxy.requests}
        assert sent == {f"Basic {_basic(PROXY_PASSWORD)}"}
    broken = engine.refresh(**abroad, HTTPS_PROXY=f"http://canary:{PROXY_PASSWORD}#1@127.0.0.1:9")
    for what, run, said in (
        ("a redirect", redirected, "redirected to https://portal.example.com; redirects are"),
        ("a certificate", untrusted, "certificate verify failed"),
        ("a proxy that refuses", tunnelled, "Tunnel connection failed: 407"),
        ("a proxy that cannot be", broken, "(HTTPS_PROXY): the proxy did not let the call through"),
    ):
        fails(scene, what, run, said)


def the_command_line(scene: Scene) -> None:
    wrong = scene.engine.folder / "stacks" / "Pulumi.wrong.yaml"
    wrong.write_text(IN_THE_WRONG_PLACE)
    scene.planted.append(wrong)
    other = scene.siem.key("1777777777777777")
    others = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": other.id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": other.secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": "",
        "CLOUD_SIEM_ROLE_ARN": "",
        "CLOUD_SIEM_ROLE_EXTERNAL_ID": "",
    }
    scene.canaries |= {"another account's key id": other.id, "its secret": other.secret}
    for what, run, code, said in (
        ("list", scene.cloud_siem("list", STACK), 0, f"sas/{DNS} is closed, declared open"),
        ("list as another", scene.cloud_siem("list", STACK, **others), 1, "belong to account 1777"),
        (
            "list without a role",
            scene.cloud_siem("list", STACK, CLOUD_SIEM_ROLE_ARN=f"{ROLE}-not-there"),
            1,
            "the role could not be assumed",
        ),
        ("validate", scene.cloud_siem("validate", str(wrong)), 1, "asks for a credential"),
    ):
        scene.note(what, run)
        assert (run.returncode, said in run.stdout + run.stderr) == (code, True), run


def fails(scene: Scene, what: str, run: Result, said: str) -> None:
    scene.note(what, run)
    assert run.code == 1, run.text
    assert said in run.text


# --- what they prove -----------------------------------------------------------------------------


def assert_in_play(scene: Scene) -> None:
    """The secrets were used, and every log was on: else nothing was there to be found."""
    kinds = {name.partition(",")[0] for name in scene.canaries}
    assumed = scene.siem.calls_of("AssumeRole")

    assert kinds >= {
        "Authorization",
        "signature",
        "signature in the address",
        "AccessKeyId handed out",
        "AccessKeySecret handed out",
        "SecurityToken handed out",
    }
    assert {PROFILE["access_key_id"], scene.siem.key().id} < {call.key_id for call in assumed}
    assert {call.parameters.get("ExternalId") for call in assumed} == {None, EXTERNAL_ID}
    assert '"GET /?... HTTP/1.1"' in scene.said["up"], "the HTTP library's own log, at DEBUG"
    assert "Marshaling property for RPC" in scene.said["up"], "the engine's own log, at -v=9"
    assert any("pulumi" in file.name for file in (scene.folder / "tmp").iterdir())


def assert_a_leak_would_be_found(scene: Scene) -> None:
    """Of each secret one, put where it would be if something wrote it."""
    hidden = base64.b64encode(gzip.compress(json.dumps(scene.canaries).encode()))
    state = scene.engine.folder / "backend" / ".pulumi" / "stacks" / "leak.json"
    whole: dict[str, Any] = {"resources": [{"inputs": {"__provider": hidden.decode()}}]}
    state.write_text(json.dumps(whole))
    scene.said["a traceback"] = f"ValueError: {PROXY_PASSWORD}"

    assert scene.leaks() == [
        "the proxy's password in what a traceback said",
        *sorted(f"{name} in {state.relative_to(scene.folder)}" for name in scene.canaries),
    ]
