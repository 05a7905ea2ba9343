"""Secrets that are easy to find again, and the search for them in everything that was written.

A text is searched as it stands and in all that it may be wrapped in: percent signs, the escapes of
JSON, hexadecimal and base64 digits anywhere in a longer text, gzip and zlib; and these in one
another, as in a pickle that stands in a state file.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote_to_bytes

SHORTEST = 8
"""Characters; anything shorter would be found by chance."""
_DEEP = 4
_UNPACKED = 1 << 24
"""Bytes that are taken out of one packed piece; far more than any state file has."""
_ESCAPE = re.compile(rb"\\(?:u00([0-9a-fA-F]{2})|([bfnrt\"\\/]))")
_ESCAPED = dict(zip(b"bfnrt", b"\b\f\n\r\t", strict=True))
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{12,}")
_ALPHABET = bytes.maketrans(b"-_", b"+/")
_HEX = re.compile(rb"[0-9a-fA-F]{16,}")
_PACKED = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")


def leaks(canaries: Mapping[str, str], written: bytes) -> set[str]:
    """The names of the secrets that are in this, however wrapped."""
    for name, value in canaries.items():
        assert len(value) >= SHORTEST, f"{name} is too short to be searched for"
    layers = list(_layers(written, _DEEP))

    return {
        name for name, value in canaries.items() if any(value.encode() in layer for layer in layers)
    }


def leaks_in(canaries: Mapping[str, str], folder: Path, planted: Iterable[Path] = ()) -> list[str]:
    """``<name> in <file>`` for every file below a folder, names of files included.

    Args:
        canaries: Secrets by name.
        folder: Links out of it are not followed.
        planted: The files that were given the secrets to begin with.
    """
    found = [
        f"{name} in {file.relative_to(folder)}"
        for file in _files(folder)
        if file not in planted
        for name in leaks(canaries, str(file).encode() + b"\n" + file.read_bytes())
    ]

    return sorted(found)


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (file for name in names if (file := Path(place, name)).is_file())


def _layers(data: bytes, deep: int) -> Iterator[bytes]:
    yield data
    if not deep:
        return
    for unwrap in (_unquoted, _unescaped, _from_base64, _from_hex, _unpacked):
        inside = unwrap(data)
        if len(inside) >= SHORTEST and inside != data:
            yield from _layers(inside, deep - 1)


def _unquoted(data: bytes) -> bytes:
    return unquote_to_bytes(data) if b"%" in data else b""


def _unescaped(data: bytes) -> bytes:
    return _ESCAPE.sub(_one_unescaped, data) if b"\\" in data else b""


def _one_unescaped(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes([int(found[1], 16)])
    letter = found[2][0]

    return bytes([_ESCAPED.get(letter, letter)])


def _from_base64(data: bytes) -> bytes:
    return b"\n".join(_decoded(_BASE64, data, 4, _of_base64))


def _of_base64(digits: bytes) -> bytes:
    """With or without padding, in either alphabet, a digit too many left out."""
    whole = digits[:-1] if len(digits) % 4 == 1 else digits

    return base64.b64decode(whole.translate(_ALPHABET) + b"==")


def _from_hex(data: bytes) -> bytes:
    return b"\n".join(_decoded(_HEX, data, 2, _of_hex))


def _of_hex(digits: bytes) -> bytes:
    return binascii.unhexlify(digits[: len(digits) // 2 * 2])


def _decoded(
    digits: re.Pattern[bytes], data: bytes, group: int, decode: Callable[[bytes], bytes]
) -> Iterator[bytes]:
    """What runs of digits stand for, wherever in them a group begins."""
    for run in digits.findall(data):
        for begin in range(group):
            with contextlib.suppress(ValueError):
                yield decode(run[begin:])


def _unpacked(data: bytes) -> bytes:
    return b"\n".join(_inflated(data))


def _inflated(data: bytes) -> Iterator[bytes]:
    for found in _PACKED.finditer(data):
        with contextlib.suppress(zlib.error):
            # 32: gzip or zlib, whichever it is.
            yield zlib.decompressobj(32 + zlib.MAX_WBITS).decompress(
                data[found.start() :], _UNPACKED
            )
