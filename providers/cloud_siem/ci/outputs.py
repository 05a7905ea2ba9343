"""What a job tells the jobs after it, and its summary: files that the platform names.

GitHub: "Workflow commands, Setting an output parameter" and "Adding a job summary". GitLab: the
dotenv report of "CI/CD YAML syntax, artifacts:reports"; it has no summaries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cloud_siem.ci.bodies import fitted
from cloud_siem.errors import PlatformError
from cloud_siem.report.writing import write_whole

SUMMARY_LIMIT = 1024 * 1024
"""Bytes, of all that the steps of a job write; GitHub drops what is longer, whole."""


def write_summary(text: str, environ: Mapping[str, str], link: str) -> None:
    """Add the text to the summary of this step.

    :raises PlatformError: the runner names no file, or it cannot be written.
    """
    file = _named("GITHUB_STEP_SUMMARY", environ)
    written = file.stat().st_size if file.exists() else 0
    _append(file, f"{_within(SUMMARY_LIMIT - written - 1, text, link)}\n")


def _within(room: int, text: str, link: str) -> str:
    """The text, cut to so many bytes."""
    limit = room
    while (excess := len((short := fitted(text, limit, link)).encode()) - room) > 0 < limit:
        limit -= excess  # as many characters are as many bytes at least
    return short


def write_outputs(values: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Set the outputs of this step.

    :raises PlatformError: the runner names no file, or it cannot be written.
    """
    _append(_named("GITHUB_OUTPUT", environ), _lines(values))


def write_dotenv(values: Mapping[str, str], file: Path) -> None:
    """Write the file that `artifacts:reports:dotenv` names.

    :raises PlatformError: it cannot be written.
    """
    with _explained(file):
        write_whole(str(file), _lines(values))


def _lines(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _named(variable: str, environ: Mapping[str, str]) -> Path:
    if not environ.get(variable):
        raise PlatformError(f"{variable} names no file: is this a step of a GitHub job?")
    return Path(environ[variable])


def _append(file: Path, text: str) -> None:
    with _explained(file), file.open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PlatformError(f"{file} cannot be written: {error.strerror}") from None
