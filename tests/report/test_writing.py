from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloud_siem.errors import CloudSiemError
from cloud_siem.report.writing import FORMATS, Target, check_targets, write_report, writer
from tests.report.reports import EVERYTHING


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_writes_its_file(format_: str, tmp_path: Path) -> None:
    target = Target.parse(f"{format_}={tmp_path / 'report'}")
    write_report(EVERYTHING, target)

    assert (tmp_path / "report").read_text(encoding="utf-8") == writer(format_)(EVERYTHING)
    assert [file.name for file in tmp_path.iterdir()] == ["report"]


def test_a_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_report(EVERYTHING, Target(format="text", file=str(tmp_path / "report")))
    finally:
        os.umask(before)

    assert (tmp_path / "report").stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_report(EVERYTHING, Target(format="text", file=str(tmp_path / "link")))

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text().startswith("STACK")


def test_what_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "report"
    file.write_text("of yesterday")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CloudSiemError, match="No space left on device"):
        write_report(EVERYTHING, Target(format="text", file=str(file)))

    assert file.read_text() == "of yesterday"
    assert [one.name for one in tmp_path.iterdir()] == ["report"]


def test_places_that_cannot_be_written_are_told_before_anything_is_asked(tmp_path: Path) -> None:
    targets = [
        Target(format="text", file=str(tmp_path)),
        Target(format="json", file=str(tmp_path / "no" / "report.json")),
    ]
    with pytest.raises(CloudSiemError) as caught:
        check_targets(targets)

    no = f"{tmp_path}/no"
    assert str(caught.value).splitlines() == [
        f"report {tmp_path}: this is a folder, not a file",
        f"report {no}/report.json: there is no folder {no}; make it, or choose another",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drift.html", "is not FORMAT=FILE"),
        ("html=", "is not FORMAT=FILE"),
        ("pdf=x", "there is no format 'pdf'; there are: text, json"),
    ],
)
def test_what_is_no_target_is_told(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Target.parse(text)
