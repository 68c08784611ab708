"""Reading JSON and JSON Lines with errors that name the file and the line; digests of files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from eval.types import Record
from qa.errors import InputError


def json_lines(path: Path) -> Iterator[tuple[int, Record]]:
    """Every object of a JSON Lines file with its line number from 1; blank lines are skipped."""
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: broken JSON ({error}).") from error
        if not isinstance(value, dict):
            raise InputError(f"{path}, line {number}: not a JSON object.")
        yield number, value


def json_file(path: Path) -> Any:
    """A JSON file whole."""
    try:
        return json.loads(_text(path))
    except ValueError as error:
        raise InputError(f"{path}: broken JSON ({error}).") from error


def digest(paths: Iterable[Path], root: Path) -> str:
    """Sha256 over names below ``root`` and contents."""
    total = hashlib.sha256()
    for path in sorted(paths):
        name = path.relative_to(root) if path.is_relative_to(root) else path.name
        total.update(f"{name}\0".encode("utf-8", "surrogatepass"))
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8; save it as UTF-8.") from error
