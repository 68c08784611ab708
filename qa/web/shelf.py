"""The articles of a library as the page lists, adds and deletes them."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

from qa.errors import InputError, QaError
from qa.library import Library
from qa.types import IngestReport, Listing, Progress
from qa.web.languages import Words
from qa.web.rendering import Upload

FOLDER = "uploads"  # in the library's folder: files that came through the page
KINDS = (".txt", ".md", ".html", ".htm", ".pdf", ".jsonl", ".csv")
MOST_FILES = 500


def listed(library: Library, typed: str, most: int) -> tuple[list[Listing], int]:
    """The newest articles with these words in title or publisher, and how many there are in all."""
    if not library.exists:
        return [], 0
    return library.find_articles(typed.strip()[:200], most)


def title_of(library: Library, key: str) -> dict[str, str]:
    """The title by the id; nothing where there is no such article."""
    try:
        return {key: library.article(key).title.strip() or key}
    except InputError:
        return {}


def delete(library: Library, key: str) -> str:
    """Takes an article out, and the file that was uploaded for it; returns its title."""
    source = library.source_of(key)
    (change,) = library.remove([key])
    uploads = library.path / FOLDER
    file = Path(source.rpartition(":")[0] if not Path(source).exists() else source)
    if source and file.is_relative_to(uploads.resolve()) and not library.articles_from(str(file)):
        shutil.rmtree(file.parent, ignore_errors=True)
    return change.title


def add(library: Library, files: Sequence[Path], t: Words) -> Iterator[list[Upload]]:
    """Adds files one after the other; yields how far each of them is, the last time all done.

    A file is kept in the library's folder under a digest of its content, so that the same file is
    the same articles again, and another of the same name is not taken for it.
    """
    if len(files) > MOST_FILES:
        raise InputError(f"{len(files)} files are too many at once; add {MOST_FILES} at a time.")
    states = [Upload(file.name, t("file_waits")) for file in files]
    yield list(states)
    for place, file in enumerate(files):
        for state in _add_one(library, file, t):
            states[place] = state
            yield list(states)


def _add_one(library: Library, file: Path, t: Words) -> Iterator[Upload]:
    name = file.name
    try:
        stored = keep(library, file)
        for progress in _added(library, stored):
            if isinstance(progress, IngestReport):
                yield _outcome(name, progress, t)
                if progress.failed and not progress.articles:
                    shutil.rmtree(stored.parent, ignore_errors=True)
            else:
                yield Upload(name, _stage(progress, t))
    except QaError as error:
        yield Upload(name, t("file_failed"), str(error), done=True)
    except OSError as error:
        reason = f"The file cannot be kept: {error.strerror or error}. Make room, and add it again."
        yield Upload(name, t("file_failed"), reason, done=True)


def keep(library: Library, file: Path) -> Path:
    """Copies a file into the library's folder, to be added from there; returns where it is."""
    library.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()[:16]
    folder = (library.path / FOLDER / digest).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    stored = folder / (re.sub(r"[^\w.() -]", "_", file.name)[-120:] or "file")
    if not stored.exists():
        aside = stored.with_name(stored.name + ".part")
        shutil.copyfile(file, aside)
        aside.rename(stored)
    return stored


def _added(library: Library, file: Path) -> Iterator[Progress | IngestReport]:
    """Progress, then the report. Raises what adding raises."""
    queue: SimpleQueue[Progress | IngestReport | BaseException] = SimpleQueue()

    def work() -> None:
        try:
            queue.put(library.add([file], on_progress=queue.put))
        except BaseException as error:
            queue.put(error)

    thread = threading.Thread(target=work, name="qa-add")
    thread.start()
    while True:
        found = queue.get()
        while not queue.empty() and isinstance(found, Progress):
            found = queue.get()
        if isinstance(found, BaseException):
            raise found
        yield found
        if isinstance(found, IngestReport):
            thread.join()
            return


def _stage(progress: Progress, t: Words) -> str:
    if progress.stage == "articles":
        return t("file_reading")
    return t("file_embedding", percent=100 * progress.done // max(1, progress.total))


def _outcome(name: str, report: IngestReport, t: Words) -> Upload:
    counts = {status: report.count(status) for status in ("added", "updated", "unchanged")}
    words = [t(f"file_{status}", count=count) for status, count in counts.items() if count]
    reasons = "; ".join(failure.reason for failure in report.failed)
    state = ", ".join(words) or t("file_failed")
    return replace(Upload(name, state, done=True), reason=reasons)
