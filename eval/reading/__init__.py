"""Question sets in the layouts that people have: which one it is, and reading it.

Our own JSON Lines (``QUESTIONS.jsonl``), SQuAD 2.0 (one JSON file), BEIR (a folder with
``corpus.jsonl``, ``queries.jsonl`` and ``qrels/``) and MultiHop-RAG (a folder with ``corpus.json``
and ``MultiHopRAG.json``). All but the first bring their own articles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from eval.reading import beir, multihop, own, squad
from eval.types import QuestionSet
from qa.errors import InputError
from qa.types import Article

LAYOUTS = "our JSON Lines, SQuAD 2.0 JSON, a BEIR folder, or a MultiHop-RAG folder"


def read(path: Path) -> QuestionSet:
    """A question set in any of the layouts. Raises InputError that says what is wrong with it."""
    if not path.exists():
        raise InputError(f"There is no {path}. Give a question set: {LAYOUTS}.")
    questions = _reader(path)(path)
    if not questions.questions:
        raise InputError(f"{path} holds no question.")
    repeated = [key for key, n in Counter(q.id for q in questions.questions).items() if n > 1]
    if repeated:
        raise InputError(f"{path}: several questions have the id {repeated[0]}; give each its own.")
    return questions


def read_articles(path: Path) -> tuple[Article, ...] | None:
    """The articles of a corpus file in another layout; None where ``qa add`` reads it itself."""
    if path.name == multihop.CORPUS:
        return multihop.read_articles(path)
    if path.name == beir.CORPUS and beir.is_corpus(path):
        return beir.read_articles(path)
    return squad.read(path).articles if path.suffix.lower() == ".json" else None


def _reader(path: Path) -> Callable[[Path], QuestionSet]:
    if path.is_dir():
        if (path / beir.QUERIES).exists():
            return beir.read
        if (path / multihop.QUESTIONS).exists():
            return multihop.read
        raise InputError(f"{path} is no question set that can be read: {LAYOUTS}.")
    if path.name == multihop.QUESTIONS:
        return lambda file: multihop.read(file.parent)
    return squad.read if path.suffix.lower() == ".json" else own.read
