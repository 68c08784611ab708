"""Bytes of a file, and the text they stand for; every refusal says why in words."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from qa.errors import UnreadableError

# No article is longer: "War and Peace" is 3 MB. What is larger is a dump or an accident.
MAX_BYTES = 50_000_000
SAMPLE_BYTES = 1_000_000

_BOMS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# What browsers do: pages that declare Latin-1 or ASCII are read as Windows-1252.
_DECLARED_AS = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252", "ascii": "cp1252"}
# What browsers know; among the rest are code pages of mainframes that fit nearly any bytes.
_GUESSES = [
    *(f"cp{number}" for number in (1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258, 874)),
    *("koi8_r", "koi8_u", "cp932", "euc_jp", "gb18030", "big5", "cp949"),
]
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
_REASONS = {
    errno.EACCES: "permission denied; make it readable for this user",
    errno.EPERM: "permission denied; make it readable for this user",
    errno.EISDIR: "it is a folder, not a file",
    errno.ELOOP: "it is a link that leads back to itself",
}


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; any failure, also a later one, is an UnreadableError."""
    try:
        _require_regular(path)
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise UnreadableError(_why(path, error)) from error


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    with opened(path) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        size = f"larger than {limit // 1_000_000} MB"
        raise UnreadableError(f"too large for one article ({size}); split it into smaller files")
    return data


def read_text(path: Path) -> str:
    """The text of a file with ``\\n`` as line end; a file without text is refused."""
    return require_text(unix_lines(decode(read_bytes(path))))


def require_text(text: str) -> str:
    if not text:
        raise UnreadableError("the file is empty")
    if not text.strip():
        raise UnreadableError("the file holds nothing but white space")
    return text


def unix_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def strip_blank_lines(text: str) -> str:
    """Without blank lines at either end; the first line keeps its indentation."""
    return re.sub(r"\A(?:[^\S\n]*\n)+", "", text).rstrip()


def decode(data: bytes, declared: str | None = None) -> str:
    """Unicode from bytes: by BOM, else UTF-8, else ``declared``, else the best guess."""
    encoding = encoding_of(data, declared)
    text = data.decode(encoding, "replace")
    if len(_CONTROL.findall(text)) * 50 > len(text):
        raise UnreadableError("not a text file (too many control or undecodable characters)")
    return text


def encoding_of(data: bytes, declared: str | None = None) -> str:
    """The name of the encoding of a whole file or of its beginning."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding
    if b"\0" in data:
        raise UnreadableError("not a text file (it contains NUL bytes)")
    if _is_mostly_utf8(data):
        return "utf-8"
    if declared and _decodes(data, _DECLARED_AS.get(declared.lower(), declared)):
        return _DECLARED_AS.get(declared.lower(), declared)
    return _guess(data)


def absolute(path: str | Path) -> Path:
    """Without ``..``, but links stay: a file keeps the name that the user knows."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def is_folder(path: Path) -> bool:
    """False also where the path may not be looked at, which Path.is_dir raises for."""
    return os.path.isdir(path)  # noqa: PTH112


def printable(path: Path) -> str:
    """A path as text that can be printed and stored, whatever bytes the name is made of."""
    return os.fsencode(path).decode("utf-8", "replace")


def _require_regular(path: Path) -> None:
    """Opening a pipe or a device could wait for ever."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory")
    if not stat.S_ISREG(mode):
        raise UnreadableError("it is a pipe, a socket or a device, not a file")


def _why(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        linked = path.is_symlink()
        return "it is a link to a file that does not exist" if linked else "it is no longer there"
    reason = _REASONS.get(error.errno or 0)
    return reason or f"it cannot be read ({error.strerror or error})"


def _is_mostly_utf8(data: bytes) -> bool:
    """One broken byte in a long UTF-8 text must not turn all of it into another encoding."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
    good = len(data) - len(text)  # Every character of several bytes shortens the text.
    return broken * 10 <= good


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except (LookupError, UnicodeError):
        return False
    return True


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = data[:SAMPLE_BYTES]
    if len(data) > SAMPLE_BYTES:
        # At a line end, or a character cut in two would rule the right encoding out.
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    matches = from_bytes(sample, cp_isolation=_GUESSES)
    best = matches.best()
    if best is None:
        raise UnreadableError("not a text file (no known character encoding fits)")
    # Short texts fit several code pages equally well: then the one that is by far the commonest.
    fitting = {e for m in matches if m.chaos <= best.chaos + 0.02 for e in m.could_be_from_charset}
    return "cp1252" if "cp1252" in fitting else best.encoding
