"""The search for secrets finds what is there; a test that finds nothing proves nothing else."""

from __future__ import annotations

import base64
import gzip
import json
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.canaries import leaks, leaks_in

SECRET = "testsecret-canary+/=1"
CANARIES = {"the secret": SECRET, "another": "testsecret-of-nobody"}

WRAPS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda text: b"key=" + text + b"\n",
    "percent": lambda text: b"/?Signature=" + quote(text, safe="").encode(),
    "json": lambda text: json.dumps({"a": text.decode("latin-1")}).encode(),
    "json for html": lambda text: text.replace(b"=", b"\\u003d").replace(b"+", b"\\u002B"),
    "hex": lambda text: text.hex().encode(),
    "base64": lambda text: b'"' + base64.b64encode(text) + b'"',
    "base64 for urls": lambda text: base64.urlsafe_b64encode(text).rstrip(b"="),
    "base64 after a path": lambda text: b"/stacks/x/" + base64.b64encode(text),
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "pickle": lambda text: pickle.dumps({"settings": [text]}),
}


@pytest.mark.parametrize("outer", WRAPS)
@pytest.mark.parametrize("inner", WRAPS)
def test_a_secret_is_found_in_whatever_it_is_wrapped(inner: str, outer: str) -> None:
    written = WRAPS[outer](WRAPS[inner](SECRET.encode()))

    assert leaks(CANARIES, b"before " + written + b" after") == {"the secret"}


def test_a_secret_is_found_in_a_state_file_as_the_engine_writes_one() -> None:
    provider = base64.b64encode(gzip.compress(pickle.dumps({"held": SECRET}))).decode()
    state = json.dumps({"resources": [{"inputs": {"__provider": provider}}]}, indent=4)

    assert leaks(CANARIES, gzip.compress(state.encode())) == {"the secret"}


@given(before=st.binary(max_size=40), after=st.binary(max_size=40))
def test_a_secret_is_found_in_base64_whatever_stands_around_it(before: bytes, after: bytes) -> None:
    written = base64.b64encode(before + SECRET.encode() + after)

    assert leaks(CANARIES, written) == {"the secret"}


@given(written=st.binary(max_size=200))
def test_what_has_no_secret_has_none_found(written: bytes) -> None:
    assert leaks(CANARIES, written) == set()


def test_a_folder_is_searched_to_its_ground_but_for_what_was_planted(tmp_path: Path) -> None:
    planted = tmp_path / "config.json"
    planted.write_text(SECRET)
    deep = tmp_path / "backend" / ".pulumi" / "history"
    deep.mkdir(parents=True)
    (deep / "1.json.gz").write_bytes(gzip.compress(SECRET.encode()))
    (tmp_path / f"log-{SECRET.replace('/', '')}").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    canaries = CANARIES | {"the name": SECRET.replace("/", "")}

    assert leaks_in(canaries, tmp_path, [planted]) == [
        "the name in log-testsecret-canary+=1",
        "the secret in backend/.pulumi/history/1.json.gz",
    ]
