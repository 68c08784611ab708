"""Pairs from files: our own, those of NLI sets, or made of articles; and writing them.

Our own are JSON Lines with ``id``, ``sentence``, ``quote``, ``article`` (an id), ``label`` and
``kind``; those of NLI sets have ``premise``, ``hypothesis`` and ``label``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from eval import reading
from eval.reading.files import json_lines
from eval.support.making import Pair, make
from eval.types import Record
from qa.errors import InputError
from qa.loading import discover, load
from qa.types import Article, Failure, Quote, Support

LABELS: Mapping[str, Support] = {
    "supported": "supported",
    "partial": "partial",
    "unsupported": "unsupported",
    "entail": "supported",
    "neutral": "unsupported",
    "contradict": "unsupported",
}


def articles(path: Path) -> tuple[dict[str, Article], list[Failure]]:
    """The articles of whatever ``run --articles`` takes, by id, and what cannot be read.

    Of several with one id the first counts. Raises InputError where there is none.
    """
    whole = reading.read_articles(path)
    found: dict[str, Article] = {}
    failed: list[Failure] = []
    for article in whole or ():
        found.setdefault(article.id, article)
    files = [] if whole is not None else discover(str(path))
    for loaded in chain.from_iterable(map(load, files)):
        if loaded.article is not None:
            found.setdefault(loaded.article.id, loaded.article)
        elif loaded.failure is not None:
            failed.append(loaded.failure)
    if not found:
        raise InputError(f"No article of {path} can be read.")
    return found, failed


def made(path: Path, known: Mapping[str, Article], seed: int, most: int) -> list[Pair]:
    """Pairs of the articles of ``path``. Raises InputError where no sentence can be used."""
    pairs = list(make(known.values(), seed, most))
    if not pairs:
        raise InputError(f"No sentence of {path} can be made a pair of: it needs prose.")
    return pairs


def read(path: Path, known: Mapping[str, Article] | None = None) -> list[Pair]:
    """The pairs of a file, in its order; each quote is looked up in ``known``, if that is given.

    Without, a quote is an article of its own and has no title.
    """
    pairs = [_pair(f"{path}, line {number}", record, known) for number, record in json_lines(path)]
    if not pairs:
        raise InputError(f"{path} holds no pair.")
    return pairs


def write(path: Path, pairs: Sequence[Pair]) -> None:
    """The pairs as JSON Lines that :func:`read` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(record(pair), ensure_ascii=False) for pair in pairs)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def record(pair: Pair) -> Record:
    """A pair as one line of a file."""
    return {
        "id": pair.id,
        "sentence": pair.sentence,
        "quote": pair.quoted.text,
        "article": pair.quoted.article.id,
        "label": pair.label,
        "kind": pair.kind,
    }


def _pair(where: str, record: Record, known: Mapping[str, Article] | None) -> Pair:
    nli = "premise" in record or "hypothesis" in record
    sentence = _text(where, record, "hypothesis" if nli else "sentence")
    quote = _text(where, record, "premise" if nli else "quote")
    label = _text(where, record, "label")
    if label not in LABELS:
        raise InputError(f'{where}: "label" is none of {", ".join(LABELS)}.')
    quoted = Quote(Article("", "", quote), 0, len(quote))
    if known is not None and not nli:
        quoted = _looked_up(where, _text(where, record, "article"), quote, known)
    key = str(record.get("id") or where.rpartition(" ")[2])
    return Pair(key, sentence, quoted, LABELS[label], str(record.get("kind") or label))


def _text(where: str, record: Record, key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise InputError(f'{where}: "{key}" is missing or not a string.')
    return value


def _looked_up(where: str, key: str, quote: str, known: Mapping[str, Article]) -> Quote:
    if key not in known:
        raise InputError(f"{where}: the articles hold none with the id {key}.")
    start = known[key].text.find(quote)
    if start < 0:
        raise InputError(f"{where}: the quote does not stand in the article {key}.")
    return Quote(known[key], start, start + len(quote))
