"""BEIR: a folder with ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/SPLIT.tsv``.

Gold is articles and their grades; there are no answers, so only retrieval is measured.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from eval.reading.files import digest, json_lines
from eval.types import Question, QuestionSet, Record
from qa.errors import InputError
from qa.types import Article

CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels"
_SPLITS = ("test", "dev", "train")


def read(folder: Path) -> QuestionSet:
    """The queries that the judgements (test, else dev, else train) are about, and the corpus."""
    qrels = _qrels_file(folder)
    grades = _grades(qrels)
    texts = {key: str(record.get("text")) for key, record in _keyed(folder / QUERIES)}
    missing = [key for key in grades if key not in texts]
    if missing:
        raise InputError(f"{qrels} judges query {missing[0]}, which {QUERIES} does not hold.")
    questions = tuple(_question(key, texts[key], grades[key]) for key in texts if key in grades)
    articles = read_articles(folder / CORPUS)
    files = [folder / CORPUS, folder / QUERIES, qrels]
    return QuestionSet(folder.name, digest(files, folder), questions, articles)


def read_articles(path: Path) -> tuple[Article, ...]:
    """The articles of ``corpus.jsonl``."""
    return tuple(_article(key, record) for key, record in _keyed(path))


def is_corpus(path: Path) -> bool:
    """Whether a file of that name is BEIR's, which has ``_id`` where ours has ``id``."""
    return path.is_file() and "_id" in next(json_lines(path), (0, {}))[1]


def _keyed(path: Path) -> Iterator[tuple[str, Record]]:
    for number, record in json_lines(path):
        if "_id" not in record:
            raise InputError(f'{path}, line {number}: "_id" is missing.')
        yield str(record["_id"]), record


def _qrels_file(folder: Path) -> Path:
    for split in _SPLITS:
        path = folder / QRELS / f"{split}.tsv"
        if path.exists():
            return path
    found = sorted((folder / QRELS).glob("*.tsv"))
    if not found:
        raise InputError(f"{folder / QRELS} holds no judgements; BEIR has them in qrels/test.tsv.")
    return found[0]


def _grades(path: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file, delimiter="\t"), start=1):
            if number == 1 and row[-1:] == ["score"]:
                continue
            try:
                query, article, grade = row
                if int(grade) > 0:
                    found[query][article] = int(grade)
            except ValueError as error:
                raise InputError(f"{path}, line {number}: not query, article, score.") from error
    return dict(found)


def _question(key: str, text: str, grades: dict[str, int]) -> Question:
    return Question(key, text, type="retrieval", evidence_ids=tuple(grades), grades=grades)


def _article(key: str, record: Record) -> Article:
    title, text = (str(record.get(name) or "") for name in ("title", "text"))
    return Article(key, title or text[:80], text or title)
