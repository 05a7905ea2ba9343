from __future__ import annotations

from pathlib import Path

import pytest

from cloud_siem.cli import main

ROOT = Path(__file__).parents[2]
BACKEND = (
    "s3://soc-pulumi-state?region=oss-cn-hangzhou&endpoint=https://s3.oss-cn-hangzhou.aliyuncs.com"
)
GIVEN = ["--repository", "https://git.example.com/soc/siem.git", "--image", "cloud-siem:1"]
STACK = """\
config:
  cloud-siem:account: "1130916744880000"
  cloud-siem:region: cn-hangzhou
  cloud-siem:deliveries: {}
"""


def test_the_shipped_resources_are_what_it_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the file says that it was written."""
    monkeypatch.chdir(ROOT)
    shipped = (ROOT / "pipelines" / "operator" / "stacks.yaml").read_text()
    more = [
        "--repository=https://git.example.com/soc/siem.git",
        "--image=registry.example.com/soc/cloud-siem:0.1.0",
        f"--backend={BACKEND}",
        "--private",
    ]

    assert main(["fleet", "manifests", *more]) == 0
    assert capsys.readouterr().out == shipped


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "there is no Pulumi.yaml; run this in the folder"),
        ({"stacks/Pulumi.a.yaml": "config: {}"}, "cloud-siem:account: is missing"),
    ],
)
def test_what_is_missing_is_told_and_nothing_printed(
    files: dict[str, str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "stacks").mkdir()
    for name, text in {"stacks/Pulumi.a.yaml": STACK, **files}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)

    assert main(["fleet", "manifests", *GIVEN]) == 1
    told = capsys.readouterr()
    assert (said in told.err, told.out) == (True, "")
