"""From what a user names, a file or a folder, to the files that can be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from qa.errors import InputError
from qa.loading.reading import absolute, is_folder

SUFFIXES: frozenset[str] = frozenset({".txt", ".md", ".html", ".htm", ".pdf", ".jsonl", ".csv"})

_KINDS = "(.txt .md .html .pdf .jsonl .csv)"


def discover(source: str) -> list[Path]:
    """The file itself, or every readable kind of file below a folder, as sorted absolute paths.

    Hidden files and folders, ``__pycache__`` and folders already seen through another link are left
    out. A folder that may not be listed is in the result, so that loading it reports why.
    Raises InputError where there is nothing to read.
    """
    if source.strip().lower().startswith(("http://", "https://")):
        raise InputError(
            f"{source}: web addresses cannot be added yet; save the page as .html and add the file"
        )
    path = _existing(source)
    if is_folder(path):
        return _files_below(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{source}: this kind of file cannot be read; convert it to one of {_KINDS}"
        )
    return [path]


def _existing(source: str) -> Path:
    if not source.strip():
        raise InputError("no file or folder was named; give the path of one")
    path = absolute(source)
    # A link to nowhere exists as a name; loading it says what is wrong with it.
    if not os.path.lexists(path):
        raise InputError(
            f"{source!r}: there is no such file or folder, or you may not see it; check the path"
        )
    return path


def _files_below(folder: Path) -> list[Path]:
    found = sorted(_walk(folder, set()))
    if not found:
        raise InputError(f"{folder}: no file in this folder can be read; add files of {_KINDS}")
    return found


def _walk(folder: Path, seen: set[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        # Links last, so that a file is named by its real place and not by a link to it.
        entries = sorted(folder.iterdir(), key=lambda path: (path.is_symlink(), path))
    except OSError:
        yield folder
        return
    for path in entries:
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if is_folder(path):
            yield from _walk(path, seen)
        elif path.suffix.lower() in SUFFIXES:
            yield path
