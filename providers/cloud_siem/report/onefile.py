"""One HTML file that opens from disk and asks nobody for anything; used by the HTML formats.

Jinja2 escapes whatever comes from a file or the cloud; and a Content-Security-Policy allows the
file's own style and script by their digests and nothing else, so that even what got past the
escaping would be shown, not run, and could call nobody.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from cloud_siem.version import __version__
from cloud_siem.wording import printable

_PAGE = "cloud_siem.report"
_STYLE = "drift.css"
"""Of all pages."""


def render(template: str, *, package: str = _PAGE, script: str = "", **values: object) -> str:
    """The whole file, from a template and a script in the folder ``page`` of a package."""
    code = _text(package, script) if script else ""
    style = _text(_PAGE, _STYLE)
    return _template(package, template).render(
        tool=f"pulumi-cloud-siem {__version__}",
        script=code,
        style=style,
        script_digest=_digest(code),
        style_digest=_digest(style),
        printable=printable,
        **values,
    )


def _digest(text: str) -> str:
    """As a Content-Security-Policy names a text that it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(package: str, name: str) -> str:
    return files(package).joinpath("page", name).read_text(encoding="utf-8")


@cache
def _template(package: str, name: str) -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_text(package, name))
