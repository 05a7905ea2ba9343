"""A GitLab runner in small: reads the pipeline as it is shipped, and runs its jobs in order.

Written after "CI/CD YAML syntax reference" and "Where variables can be used" of docs.gitlab.com, as
far as the pipeline goes; a keyword that it does not know is a failure. What stands in for what only
the platform has is a table, which docs/gitops.md tells.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.ci.fake_platform import FakeGitLab
from tests.engine.engine import ROOT
from tests.pipelines.site import Site

SHIPPED = ROOT / "pipelines" / "gitlab" / ".gitlab-ci.yml"
STAND_INS = {
    "image": "the Python that the tests run in",
    "cache": "nothing is kept",
    "id_tokens": "a text that is no token, and a key of the emulator that may do what the role's"
    " policy says",
    "artifacts": "a folder that holds them until the pipeline is over",
    "resource_group": "one job runs at a time",
    "environment": "its name is kept; a manual job waits until the test starts it",
}
ROLES = {"acs:ram::1:role/siem-review": "review", "acs:ram::1:role/siem-apply": "apply"}
VARIABLES = {
    "CLOUD_OIDC_PROVIDER": "acs:ram::1:oidc-provider/gitlab",
    "CLOUD_REVIEW_ROLE": "acs:ram::1:role/siem-review",
    "CLOUD_APPLY_ROLE": "acs:ram::1:role/siem-apply",
}
_GLOBAL = {"stages", "workflow", "default", "variables"}
_KNOWN = {
    *("stage", "extends", "rules", "script", "before_script", "artifacts", "variables", "parallel"),
    *("needs", "allow_failure", "interruptible", *STAND_INS),
}


class _Loader(yaml.SafeLoader):
    pass


class _Reference(list[str]):
    """`!reference [job, key]`."""


def _reference(loader: _Loader, node: yaml.SequenceNode) -> _Reference:
    return _Reference(loader.construct_sequence(node))


_Loader.add_constructor("!reference", _reference)


@dataclass(kw_only=True)
class Job:
    """One job that ran, waits, or was not to run."""

    name: str
    result: str
    """``success``, ``failed``, ``warning`` (failed, and allowed to), ``manual`` or ``skipped``."""
    log: str = ""
    environment: str = ""


@dataclass(kw_only=True)
class Pipeline:
    """One pipeline.

    Args:
        site: Where it runs.
        platform: Where it posts.
        ref: The branch whose newest commit it is for, whenever its jobs run.
        source: What started it, as ``CI_PIPELINE_SOURCE``.
        variables: More of those that the platform sets.
    """

    site: Site
    platform: FakeGitLab
    ref: str
    source: str
    variables: Mapping[str, str] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    reports: Path = field(init=False)
    """The artifacts of all its jobs."""

    def __post_init__(self) -> None:
        self._whole = shipped()
        self._commit = self.site.git("rev-parse", self.ref)
        self.reports = self.site.new_folder("artifacts")

    @property
    def failed(self) -> list[str]:
        return [name for name, one in self.jobs.items() if one.result == "failed"]

    @property
    def log(self) -> str:
        return "\n".join(f"--- {one.name}\n{one.log}" for one in self.jobs.values())

    def run(self) -> Pipeline:
        """All jobs of all stages that run by themselves."""
        assert self._rule(self._whole["workflow"]["rules"]), "the whole pipeline is left out"
        order = self._whole["stages"].index
        for name in sorted(_names(self._whole), key=lambda one: order(self._whole[one]["stage"])):
            job = _job(self._whole, name)
            if rule := self._rule(job["rules"]):
                self._start(name, job, str(rule.get("when", "on_success")))
        return self

    def play(self, name: str) -> None:
        """Somebody starts a manual job, or starts it once more."""
        assert "skipped" not in {one.result for one in self._all(name)}
        self._start(name, _job(self._whole, name), "on_success")

    # --- what there is to do ----------------------------------------------------------------------

    def _rule(self, rules: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """The first that holds."""
        return next((one for one in rules if _holds(one["if"], self._given())), None)

    def _all(self, name: str) -> list[Job]:
        """A job, or all of its matrix."""
        return [one for key, one in self.jobs.items() if key.partition(":")[0] == name]

    def _start(self, name: str, job: Mapping[str, Any], when: str) -> None:
        before = (
            [job for each in job["needs"] for job in self._all(each)]
            if "needs" in job
            else ([one for one in self.jobs.values() if one.result != "manual"])
        )
        blocked = any(one.result in ("failed", "skipped", "manual") for one in before)
        for values in _matrix(job):
            full = f"{name}: [{', '.join(values.values())}]" if values else name
            if when == "manual":
                self.jobs[full] = Job(name=full, result="manual")
            elif blocked and when != "always":
                self.jobs[full] = Job(name=full, result="skipped")
            else:
                self.jobs[full] = self._run(full, job, values)

    # --- running ----------------------------------------------------------------------------------

    def _run(self, name: str, job: Mapping[str, Any], values: Mapping[str, str]) -> Job:
        own = {key: str(value) for key, value in job.get("variables", {}).items()}
        whole = {key: str(value) for key, value in self._whole["variables"].items()}
        # The project's own win over those of the file.
        given = _expanded({**whole, **own, **values, **self._given()})
        folder = self.site.clone(self._commit, int(given.get("GIT_DEPTH", "20")))
        shutil.copytree(self.reports, folder, dirs_exist_ok=True)
        given |= {
            "CI_PROJECT_DIR": str(folder),
            "CI_JOB_ID": "1",
            "CI_BUILDS_DIR": str(folder.parent),
        }
        given = _expanded({**whole, **own, **values, **self._given(), **given})
        environment = self.site.machine | given | self._session(job, given)
        ran = self.site.ran(["bash", "-eo", "pipefail", "-c", _script(job)], folder, environment)
        self._keep(job, folder, failed=bool(ran.code))
        codes = job.get("allow_failure", {}).get("exit_codes", [])
        result = "warning" if ran.code in codes else "failed"
        return Job(
            name=name,
            result=result if ran.code else "success",
            log=f"{ran.text}\nexit code {ran.code}\n",
            environment=_filled(str(job.get("environment", "")), given),
        )

    def _given(self) -> dict[str, str]:
        """What the platform sets, and the project's own variables."""
        return {
            **self.platform.environ,
            **self.site.backend,
            **VARIABLES,
            "CI": "true",
            "CI_DEFAULT_BRANCH": "main",
            "CI_PIPELINE_SOURCE": self.source,
            "XDG_CACHE_HOME": self.site.machine["XDG_CACHE_HOME"],
            **self.variables,
        }

    def _session(self, job: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
        if "id_tokens" not in job:
            return {}
        assert given["ALIBABA_CLOUD_OIDC_PROVIDER_ARN"] == VARIABLES["CLOUD_OIDC_PROVIDER"]
        purpose = ROLES[given["ALIBABA_CLOUD_ROLE_ARN"]]
        return {"CLOUD_ID_TOKEN": "no token", **self.site.credentials(purpose)}

    def _keep(self, job: Mapping[str, Any], folder: Path, *, failed: bool) -> None:
        artifacts = job.get("artifacts", {})
        if failed and artifacts.get("when") != "always":
            return
        for name in [*artifacts.get("paths", []), *artifacts.get("reports", {}).values()]:
            found = folder / name
            if found.is_dir():
                shutil.copytree(found, self.reports / name, dirs_exist_ok=True)
            elif found.exists():
                shutil.copy(found, self.reports / name)


def shipped() -> dict[str, Any]:
    """The pipeline as its file has it."""
    whole: dict[str, Any] = yaml.load(SHIPPED.read_text(), _Loader)  # noqa: S506 - a safe one
    return whole


def scripts() -> dict[str, str]:
    """The script of every job."""
    whole = shipped()
    return {name: _script(_job(whole, name)) for name in _names(whole)}


def _script(job: Mapping[str, Any]) -> str:
    return "\n".join([*job["before_script"], *job["script"]])


def _names(whole: Mapping[str, Any]) -> list[str]:
    return [one for one in whole if one not in _GLOBAL and not one.startswith(".")]


def _job(whole: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A job with what it extends, its references followed."""
    job = _extended(whole, name)
    assert not job.keys() - _KNOWN, f"{name}: we know nothing of {job.keys() - _KNOWN}"
    for key in ("before_script", "script"):
        job[key] = list(_lines(whole, job.get(key, [])))
    return job


def _extended(whole: Mapping[str, Any], name: str) -> dict[str, Any]:
    extends = whole[name].get("extends", [])
    job: dict[str, Any] = {}
    for base in [extends] if isinstance(extends, str) else extends:
        job = _merged(job, _extended(whole, base))
    return _merged(job, whole[name])


def _lines(whole: Mapping[str, Any], value: Any) -> Iterator[str]:
    if isinstance(value, _Reference):
        name, key = value
        yield from _lines(whole, whole[name][key])
    elif isinstance(value, str):
        yield value
    else:
        for one in value:
            yield from _lines(whole, one)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Maps are merged, all else replaced, as `extends` does."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _matrix(job: Mapping[str, Any]) -> list[dict[str, str]]:
    matrix = job.get("parallel", {}).get("matrix", [])
    return [{name: one} for entry in matrix for name, ones in entry.items() for one in ones] or [{}]


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], ""), text)


def _expanded(values: Mapping[str, str]) -> dict[str, str]:
    return {
        name: _filled(value, values) if "$" in value else value for name, value in values.items()
    }


def _holds(condition: str, values: Mapping[str, str]) -> bool:
    """Comparisons of variables and texts, all of which must hold."""
    return all(_compared(one.strip(), values) for one in condition.split("&&"))


def _compared(text: str, values: Mapping[str, str]) -> bool:
    found = re.fullmatch(r'(\$\w+) (==|!=) (\$\w+|"[^"]*")', text)
    assert found, f"this is more than we read of the language: {text}"
    left, right = (
        one.strip('"') if one.startswith('"') else values.get(one[1:]) for one in found.group(1, 3)
    )
    return (left == right) is (found[2] == "==")
