"""MultiHop-RAG: a folder with ``corpus.json`` and ``MultiHopRAG.json`` (Tang and Yang 2024).

An article's id is its URL. A ``null_query`` has no answer in the corpus.
"""

from __future__ import annotations

from pathlib import Path

from eval.reading.files import digest, json_file
from eval.types import Question, QuestionSet, Record
from qa.errors import InputError
from qa.types import Article

CORPUS, QUESTIONS = "corpus.json", "MultiHopRAG.json"


def read(folder: Path) -> QuestionSet:
    """Questions, and the articles where ``corpus.json`` lies beside them."""
    path, corpus = folder / QUESTIONS, folder / CORPUS
    try:
        questions = tuple(
            _question(number, record) for number, record in enumerate(json_file(path))
        )
    except (KeyError, TypeError) as error:
        raise _amiss(folder, error) from error
    articles = read_articles(corpus) if corpus.exists() else None
    files = [file for file in (path, corpus) if file.exists()]
    return QuestionSet("multihop-rag", digest(files, folder), questions, articles)


def read_articles(path: Path) -> tuple[Article, ...]:
    """The articles of ``corpus.json``."""
    try:
        return tuple(_article(record) for record in json_file(path))
    except (KeyError, TypeError) as error:
        raise _amiss(path, error) from error


def _amiss(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} is not in the layout of MultiHop-RAG ({error!r} is amiss).")


def _question(number: int, record: Record) -> Question:
    answerable = record["question_type"] != "null_query"
    evidence = record["evidence_list"] if answerable else []
    return Question(
        id=f"multihop-{number}",
        text=record["query"],
        type=record["question_type"].removesuffix("_query") if answerable else "unanswerable",
        answerable=answerable,
        answers=(record["answer"],) if answerable else (),
        evidence_ids=tuple(dict.fromkeys(item["url"] for item in evidence)),
        evidence_spans=tuple(dict.fromkeys(item["fact"] for item in evidence)),
    )


def _article(record: Record) -> Article:
    return Article(
        id=record["url"],
        title=record["title"],
        text=record["body"],
        url=record["url"],
        publisher=record.get("source"),
        author=record.get("author"),
        published=(record.get("published_at") or "")[:10] or None,
        metadata={"category": record["category"]} if record.get("category") else {},
    )
