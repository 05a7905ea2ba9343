"""A GitHub runner in small: reads a workflow as it is shipped, and runs its jobs in order.

What only the platform has is stood in for, by this table and no other; docs/gitops.md tells it. An
action that is not in it is a failure. A job without `permissions: id-token: write` gets no session
of the cloud, and its token writes just what its permissions say.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.ci.fake_platform import FakeGitHub
from tests.engine.engine import ROOT
from tests.pipelines.expressions import filled, holds
from tests.pipelines.site import Site

SHIPPED = ROOT / "pipelines" / "github"
STAND_INS = {
    "actions/checkout": "a fresh clone of the commit, as deep as it says",
    "actions/setup-python": "the Python that the tests run in",
    "actions/cache": "nothing is kept",
    "actions/upload-artifact": "a folder that holds it until the run is over",
    "actions/download-artifact": "the same folder",
    "aliyun/configure-aliyun-credentials-action": "a key of the emulator that may do what the"
    " role's policy says",
}
ROLES = {"acs:ram::1:role/siem-review": "review", "acs:ram::1:role/siem-apply": "apply"}
"""What each role is for, as its policy."""
VARIABLES = {
    "ALIBABA_CLOUD_OIDC_PROVIDER": "acs:ram::1:oidc-provider/github",
    "ALIBABA_CLOUD_REVIEW_ROLE": "acs:ram::1:role/siem-review",
    "ALIBABA_CLOUD_APPLY_ROLE": "acs:ram::1:role/siem-apply",
}
WRITES = {"pull-requests": "write", "issues": "write"}


@dataclass(kw_only=True)
class Job:
    """One job that ran, or did not."""

    name: str
    result: str = "success"
    """``success``, ``failure`` or ``skipped``."""
    environment: str = ""
    """Whose approval it would wait for."""
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    """What its steps printed."""
    summary: str = ""


@dataclass(kw_only=True)
class Run:
    """One run of a workflow.

    Args:
        site: Where it runs.
        platform: Where it posts.
        ref: What is checked out.
        event: The payload of what started it.
        commit: What is checked out of it, where that is not the newest.
    """

    site: Site
    platform: FakeGitHub
    ref: str
    event: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""
    """Of the ref, where it is not its newest."""
    jobs: dict[str, Job] = field(default_factory=dict)
    """By name; those of a matrix and of a called workflow have the longer names that people see."""
    artifacts: dict[str, Path] = field(default_factory=dict)

    @property
    def failed(self) -> list[str]:
        return [name for name, one in self.jobs.items() if one.result == "failure"]

    @property
    def log(self) -> str:
        return "\n".join(f"--- {one.name}\n{one.log}" for one in self.jobs.values())

    def workflow(
        self, name: str, inputs: Mapping[str, Any] | None = None, prefix: str = ""
    ) -> None:
        """Run the jobs in the order of the file, which is that of their needs."""
        for id_, job in _jobs(name).items():
            self._job(id_, job, inputs or {}, prefix)

    def again(self, name: str, job: str) -> None:
        """Somebody runs one job of a workflow once more."""
        self._job(job, _jobs(name)[job], {}, "")

    def _job(
        self, id_: str, job: Mapping[str, Any], inputs: Mapping[str, Any], prefix: str
    ) -> None:
        needs = job.get("needs", [])
        names = [needs] if isinstance(needs, str) else needs
        needed = {one: self.jobs[f"{prefix}{one}"] for one in names}
        contexts = self._contexts(inputs, needed)
        failed = any(one.result != "success" for one in needed.values())
        if not holds(str(job.get("if", "")), contexts, failed=failed):
            self.jobs[f"{prefix}{id_}"] = Job(name=f"{prefix}{id_}", result="skipped")
            return
        results = []
        for values in _matrix(job, contexts):
            name = f"{prefix}{id_}" + (f" ({', '.join(values.values())})" if values else "")
            within = contexts | {"matrix": values}
            if "uses" in job:
                given = {key: filled(value, within) for key, value in job["with"].items()}
                called = str(job["uses"]).rpartition("/")[2].removesuffix(".yml")
                self.workflow(called, given, f"{name} / ")
                results += [one for key, one in self.jobs.items() if key.startswith(f"{name} / ")]
            else:
                self.jobs[name] = _Steps(run=self, name=name, job=job, contexts=within).run_all()
                results.append(self.jobs[name])
        broken = any(one.result == "failure" for one in results)
        # What others need is the whole matrix.
        self.jobs.setdefault(f"{prefix}{id_}", Job(name=f"{prefix}{id_}"))
        self.jobs[f"{prefix}{id_}"].result = "failure" if broken else "success"

    def _contexts(self, inputs: Mapping[str, Any], needed: Mapping[str, Job]) -> dict[str, Any]:
        return {
            "github": {
                "event": self.event,
                "actor": self.event.get("sender", {}).get("login", "somebody"),
                "repository": "acme/siem",
                "token": "",
                "ref": self.ref,
            },
            "inputs": inputs,
            "matrix": {},
            "needs": {
                name: {"result": one.result, "outputs": one.outputs} for name, one in needed.items()
            },
            "runner": {"os": "Linux", "arch": "X64"},
            "secrets": {"PULUMI_CONFIG_PASSPHRASE": self.site.backend["PULUMI_CONFIG_PASSPHRASE"]},
            "steps": {},
            "vars": VARIABLES | {"PULUMI_BACKEND_URL": self.site.backend["PULUMI_BACKEND_URL"]},
        }


@dataclass(kw_only=True)
class _Steps:
    """The steps of one job, one after the other."""

    run: Run
    name: str
    job: Mapping[str, Any]
    contexts: dict[str, Any]
    done: Job = field(init=False)

    def run_all(self) -> Job:
        permissions = self.job["permissions"]
        posts = any(permissions.get(name) == value for name, value in WRITES.items())
        self.contexts["github"]["token"] = "ghs_job" if posts else "ghs_reader"
        self.done = Job(name=self.name, environment=self._filled(self.job.get("environment", "")))
        self.folder = self.run.site.folder
        self.environment = self.run.site.machine | self._runner() | self._env(self.job)
        for step in self.job["steps"]:
            failed = self.done.result == "failure"
            if holds(str(step.get("if", "")), self.contexts, failed=failed):
                self._step(step)
        outputs = self.job.get("outputs", {})
        self.done.outputs = {name: str(self._filled(value)) for name, value in outputs.items()}
        self.done.summary = self._file("GITHUB_STEP_SUMMARY").read_text()
        return self.done

    def _step(self, step: Mapping[str, Any]) -> None:
        if "uses" in step:
            name, _, digest = str(step["uses"]).partition("@")
            assert len(digest) == 40, f"{step['uses']} is not pinned"
            assert name in STAND_INS, f"nothing stands in for {name}"
            stand_in = getattr(self, f"_{name.rpartition('/')[2].replace('-', '_')}")
            stand_in({key: self._filled(value) for key, value in step.get("with", {}).items()})
            return
        script = self._filled(step["run"])
        ran = self.run.site.ran(
            ["bash", "-e", "-c", script], self.folder, self.environment | self._env(step)
        )
        self.done.log += f"$ {script}\n{ran.text}"
        if ran.code:
            self.done.log += f"exit code {ran.code}\n"
            self.done.result = "failure"
        self._take_in(str(step.get("id", "")))

    def _take_in(self, id_: str) -> None:
        """What the step said to the runner, by its files."""
        for line in self._file("GITHUB_PATH").read_text().splitlines():
            self.environment["PATH"] = f"{line}:{self.environment['PATH']}"
        said = self._file("GITHUB_OUTPUT").read_text().splitlines()
        if id_:
            outputs = dict(line.split("=", 1) for line in said)
            self.contexts["steps"] = {**self.contexts["steps"], id_: {"outputs": outputs}}
        for name in ("GITHUB_PATH", "GITHUB_OUTPUT"):
            self._file(name).write_text("")

    def _runner(self) -> dict[str, str]:
        """What the runner sets; no token, which a step has to ask for."""
        told = {k: v for k, v in self.run.platform.environ.items() if k != "GITHUB_TOKEN"}
        files = {}
        place = self.run.site.new_folder("runner")
        for name in ("GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
            (place / name).write_text("")
            files[name] = str(place / name)
        self._files = files
        return (
            told
            | files
            | {
                "CI": "true",
                "GITHUB_REF": self.run.ref,
                "GITHUB_REF_NAME": self.run.ref.removeprefix("refs/heads/"),
            }
        )

    def _file(self, name: str) -> Path:
        return Path(self._files[name])

    def _env(self, part: Mapping[str, Any]) -> dict[str, str]:
        return {name: str(self._filled(value)) for name, value in part.get("env", {}).items()}

    def _filled(self, value: object) -> Any:
        return filled(value, self.contexts) if isinstance(value, str) else value

    # --- what stands in ---------------------------------------------------------------------------

    def _checkout(self, given: Mapping[str, Any]) -> None:
        self.folder = self.run.site.clone(
            self.run.commit or self.run.ref, int(given.get("fetch-depth", 1))
        )
        self.environment["GITHUB_WORKSPACE"] = str(self.folder)

    def _setup_python(self, given: Mapping[str, Any]) -> None:
        assert given["python-version"]

    def _cache(self, given: Mapping[str, Any]) -> None:
        assert given["path"].startswith("~/.cache/cloud-siem")

    def _configure_aliyun_credentials_action(self, given: Mapping[str, Any]) -> None:
        assert self.job["permissions"].get("id-token") == "write"
        assert given["oidc-provider-arn"] == VARIABLES["ALIBABA_CLOUD_OIDC_PROVIDER"]
        self.environment |= self.run.site.credentials(ROLES[given["role-to-assume"]])

    def _upload_artifact(self, given: Mapping[str, Any]) -> None:
        found = [self.folder / name for name in str(given["path"]).split()]
        there = [one for one in found if one.exists()]
        if not there:
            assert given.get("if-no-files-found") == "ignore", f"{given['name']}: there is nothing"
            return
        place = self.run.site.new_folder("artifact")
        for one in there:
            for file in one.iterdir() if one.is_dir() else [one]:
                shutil.copy(file, place)
        self.run.artifacts[given["name"]] = place

    def _download_artifact(self, given: Mapping[str, Any]) -> None:
        into = self.folder / str(given.get("path", "."))
        if "name" in given:
            shutil.copytree(self.run.artifacts[given["name"]], into, dirs_exist_ok=True)
            return
        start = str(given["pattern"]).removesuffix("*")
        for name, place in self.run.artifacts.items():
            if name.startswith(start):
                shutil.copytree(place, into / name)


def _jobs(name: str) -> dict[str, Any]:
    jobs: dict[str, Any] = yaml.safe_load((SHIPPED / f"{name}.yml").read_text())["jobs"]
    return jobs


def _matrix(job: Mapping[str, Any], contexts: Mapping[str, Any]) -> Sequence[dict[str, str]]:
    matrix = job.get("strategy", {}).get("matrix", {})
    if not matrix:
        return [{}]
    ((name, values),) = matrix.items()
    listed = filled(values, contexts) if isinstance(values, str) else values
    return [{name: value} for value in listed]
