"""What a run asks: a library as it is, or one made from articles and kept with the run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import qa
from eval import reading
from eval.reading.files import digest
from eval.types import QuestionSet, Record
from qa.errors import InputError
from qa.loading import discover
from qa.types import Article, Failure

if TYPE_CHECKING:
    from qa.ingestion import OnProgress
    from qa.library import Library
    from qa.settings import Settings

Source = Path | tuple[Article, ...]

# Where things lie and who may see them do not change an answer.
_NO_PART = {"library", "host", "port", "api_keys", "allow_private_addresses"}
_SECRET = {"llm_api_key", "database_url"}


def source_of(articles: Path | None, library: Path | None, questions: QuestionSet) -> Source | None:
    """The articles that a run embeds for itself; None where it asks a library that is there."""
    if articles and library:
        raise InputError("Give --articles or --library, not both.")
    if articles:
        return reading.read_articles(articles) or articles
    return None if library else questions.articles


def articles_digest(source: Source) -> str:
    """Sha256 of the articles as they are given."""
    if isinstance(source, Path):
        return digest(discover(str(source)), source)
    return _digest(f"{a.id} {a.content_hash}" for a in source)


def library_digest(library: Library) -> str:
    """Sha256 over every article that a library holds."""
    ids = sorted(listing.id for listing in library.articles())
    return _digest(f"{key} {library.article(key).content_hash}" for key in ids)


def code_digest() -> str:
    """Sha256 over the package that is evaluated: another one may answer otherwise."""
    root = Path(qa.__file__).parent
    return digest((p for kind in ("*.py", "*.json") for p in root.rglob(kind)), root)


def identity(
    questions: QuestionSet, library: Library, source: Source | None, extra: Record
) -> Record:
    """What ``run.json`` holds: all that must be the same for a run to be gone on with."""
    asked = {"library_sha256": library_digest(library)} if source is None else {}
    settings = settings_record(library.settings)
    return {
        "format": 1,
        "name": questions.name,
        "set": {"sha256": questions.sha256, "questions": len(questions.questions)},
        "library": asked or {"articles_sha256": articles_digest(source or ())},
        "settings": {**settings, "model": library.embedder.fingerprint, **extra},
        "version": qa.__version__,
        "code": code_digest(),
    }


def settings_record(settings: Settings) -> Record:
    """The settings that can change an answer; of secrets only whether they are set."""
    record = settings.model_dump(mode="json", exclude=_NO_PART | _SECRET)
    return record | {name: getattr(settings, name) is not None for name in _SECRET}


def fill(library: Library, source: Source, on_progress: OnProgress | None) -> Iterable[Failure]:
    """Adds the articles; a second time nothing is embedded again. Returns what cannot be read."""
    sources = [source] if isinstance(source, Path) else list(source)
    report = library.add(sources, on_progress=on_progress)
    if not report.articles:
        where = source if isinstance(source, Path) else "the set"
        raise InputError(f"No article of {where} can be read.")
    return report.failed


def _digest(lines: Iterable[str]) -> str:
    total = hashlib.sha256()
    for line in lines:
        total.update(f"{line}\n".encode("utf-8", "surrogatepass"))
    return total.hexdigest()
