from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud_siem.errors import CloudSiemError
from cloud_siem.report import writing
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


@pytest.mark.parametrize("target", ["../outside", "../missing"])
def test_a_link_out_of_its_folder_is_not_followed(tmp_path: Path, target: str) -> None:
    """Neither when it is checked, nor when it is made after the check."""
    folder = tmp_path / "reports"
    folder.mkdir()
    outside = tmp_path / "outside"
    outside.write_text("another's")
    (folder / "link").symlink_to(target)
    report = Target(format="text", file=str(folder / "link"))

    with pytest.raises(CloudSiemError, match="a link out of its folder"):
        check_targets([report])
    with pytest.raises(CloudSiemError, match="a link out of its folder"):
        write_report(EVERYTHING, report)
    assert outside.read_text() == "another's"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["outside", "reports"]


def test_a_linked_folder_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "reports").symlink_to("real")
    write_report(EVERYTHING, Target(format="text", file=str(tmp_path / "reports" / "x")))

    assert (tmp_path / "real" / "x").read_text().startswith("STACK")


def read_in_thread(read: Callable[[], str]) -> tuple[threading.Thread, list[str]]:
    texts: list[str] = []
    thread = threading.Thread(target=lambda: texts.append(read()), daemon=True)
    thread.start()
    return thread, texts


def test_a_report_is_written_into_a_pipe_which_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    report = Target(format="text", file=str(pipe))
    check_targets([report])
    thread, texts = read_in_thread(pipe.read_text)
    write_report(EVERYTHING, report)
    thread.join(10)

    assert texts == [writer("text")(EVERYTHING)]
    assert pipe.is_fifo()
    assert [one.name for one in tmp_path.iterdir()] == ["pipe"]


def test_a_linked_pipe_elsewhere_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "reports" / "link").symlink_to("../pipe")

    with pytest.raises(CloudSiemError, match="a link out of its folder"):
        write_report(EVERYTHING, Target(format="text", file=str(tmp_path / "reports" / "link")))


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_an_open_pipe_is_written_into_by_its_number(name: str) -> None:
    """As a shell names it in >(gzip > report.gz)."""
    source, sink = os.pipe()
    report = Target(format="markdown", file=name.format(sink))
    check_targets([report])
    with os.fdopen(source) as stream:
        thread, texts = read_in_thread(stream.read)
        write_report(EVERYTHING, report)
        os.close(sink)
        thread.join(10)

    assert texts == [writer("markdown")(EVERYTHING)]


@pytest.mark.parametrize("number", ["/dev/fd/98765", "/dev/stdin"])
def test_what_is_not_open_for_writing_is_an_error(
    number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path(os.devnull).open() as stream:
        if number == "/dev/stdin":
            monkeypatch.setitem(writing._STREAMS, "stdin", stream.fileno())
        with pytest.raises(CloudSiemError, match="could not be written"):
            write_report(EVERYTHING, Target(format="text", file=number))


def test_standard_output_has_two_names() -> None:
    assert Target.parse("json=/dev/stdout") == Target.parse("json=-")


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A node of its own for the device that drops all; only root may make one."""
    node = tmp_path / "device"
    try:
        os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes device nodes")
    return node


def test_a_device_is_neither_written_nor_replaced(device: Path, tmp_path: Path) -> None:
    """Root may rename over it."""
    before = device.stat()
    (tmp_path / "link").symlink_to("device")
    for file in (device, tmp_path / "link"):
        report = Target(format="json", file=str(file))
        with pytest.raises(CloudSiemError, match="a device or a socket"):
            check_targets([report])
        with pytest.raises(CloudSiemError, match="a device or a socket"):
            write_report(EVERYTHING, report)

    assert (device.stat().st_ino, device.stat().st_rdev) == (before.st_ino, before.st_rdev)
    assert stat.S_ISCHR(device.stat().st_mode)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["device", "link"]


def test_a_socket_is_not_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(CloudSiemError, match="a device or a socket"):
            write_report(EVERYTHING, Target(format="text", file=str(tmp_path / "socket")))
        assert (tmp_path / "socket").is_socket()


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
