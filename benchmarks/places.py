"""A library in a folder beside the same one on servers: ``python -m benchmarks agreement``

or ``throughput``.

``QA_DATABASE_URL`` names an empty PostgreSQL database and ``QA_CHROMA_URL`` a Chroma server.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Row, milliseconds, percentile, seconds
from benchmarks.synthetic import ClusteredEmbedder, articles, questions
from qa import embedding, store
from qa.catalog.postgres import PostgresCatalog
from qa.library import Library
from qa.settings import DEFAULT_MODEL, Settings
from qa.types import Article, Filters

if TYPE_CHECKING:
    from qa.protocols import Vectors

SETS = ("squad2-halfdev", "clapnq-dev", "mtrag-un")
ASKED = 100  # questions of each set
FIRST = 10  # hits that are compared
PASSAGES_AN_ARTICLE = 7.08
STEP = 1_000  # articles given to one add
SEARCHED = 200
AT_ONCE = 8
FILTERED = Filters(publishers=("Paper 7",))


class Remembering:
    """The default model, which embeds the same text once for both libraries."""

    def __init__(self) -> None:
        self._model = embedding.choose(DEFAULT_MODEL, Path())
        self.name, self.max_tokens = self._model.name, self._model.max_tokens
        self.fingerprint = self._model.fingerprint
        self.count_tokens = self._model.count_tokens
        self.embed_query = self._model.embed_query
        self._known: dict[str, Vectors] = {}

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        missing = [text for text in texts if text not in self._known]
        if missing:
            self._known |= dict(zip(missing, self._model.embed_passages(missing), strict=True))
        return np.stack([self._known[text] for text in texts])


def agreement(data: Path) -> list[Row]:
    """Hits and answers for questions of three sets, from the folder and from the servers."""
    given, asked = _articles(data), _asked(data)
    embedder = Remembering()
    with _no_exact_search(), tempfile.TemporaryDirectory() as folder:
        here = Library(_folder(Path(folder) / "here"), embedder=embedder)
        there = Library(_servers(Path(folder) / "there"), embedder=embedder)
        with here, there:
            for library in (here, there):
                library.add(given)
            passages = here.size()[1]
            compared = [_compare(here, there, question) for question in asked]
    count = len(compared)
    share = {
        name: sum(getattr(each, name) for each in compared) / count for name in _Compared.NAMES
    }
    what = f"{count} questions over {passages} passages"
    said = {
        "answers": "the same answer, word for word",
        "status": "answered by both or by neither",
        "first": "the same first passage",
        "hits": f"of the first {FIRST} passages, those in common",
        "lexical": f"of the first {FIRST} of the words alone, those in common",
        "dense": f"of the first {FIRST} of the vectors alone, those in common",
    }
    return [Row(f"{said[name]} ({what})", f"{share[name]:.1%}") for name in _Compared.NAMES]


@dataclass(frozen=True)
class _Compared:
    """One question: 1 where both agree, 0 where they do not; of hits, the share in common."""

    NAMES = ("answers", "status", "first", "hits", "lexical", "dense")
    answers: float
    status: float
    first: float
    hits: float
    lexical: float
    dense: float


def _compare(here: Library, there: Library, question: str) -> _Compared:
    pair = (here, there)
    one, two = (each.ask(question) for each in pair)
    found = [[hit.passage.id for hit in each.search(question, FIRST)] for each in pair]
    words = [[k for k, _ in e._store.lexical.search(question, FIRST, Filters())] for e in pair]
    vector = here.embedder.embed_query(question)
    near = [[key for key, _ in each._store.search(vector, FIRST, Filters())] for each in pair]
    return _Compared(
        answers=one.text == two.text,
        status=one.status == two.status,
        first=found[0][:1] == found[1][:1],
        hits=_common(*found),
        lexical=_common(*words),
        dense=_common(*near),
    )


def _common(one: Sequence[str], two: Sequence[str]) -> float:
    return len(set(one) & set(two)) / max(1, len(one), len(two))


def throughput(passages: int) -> list[Row]:
    """Adding, without the time of embedding, and searching, in the folder and on the servers."""
    made = list(articles(round(passages / PASSAGES_AN_ARTICLE)))
    asked = questions(SEARCHED)
    with _no_exact_search(), tempfile.TemporaryDirectory() as folder:
        here = Library(_folder(Path(folder) / "here"), embedder=ClusteredEmbedder())
        there = Library(_servers(Path(folder) / "there"), embedder=ClusteredEmbedder())
        with here, there:
            pairs = [_measured(library, made, asked) for library in (here, there)]
            sizes = _database_sizes(there)
    return sizes + [
        Row(what, f"{servers:.1f} {unit}", f"{folder_:.1f} {unit}", f"{servers / folder_:.2f}")
        for (what, unit, folder_), (_, _, servers) in zip(*pairs, strict=True)
    ]


def _measured(
    library: Library, made: Sequence[Article], asked: Sequence[str]
) -> list[tuple[str, str, float]]:
    started = time.perf_counter()
    for at in range(0, len(made), STEP):
        library.add(made[at : at + STEP])
    taken = time.perf_counter() - started
    passages = library.size()[1]
    opened = library._store
    vector = library.embedder.embed_query
    parts: dict[str, Callable[[str], object]] = {
        "search": lambda q: library.search(q, FIRST),
        "search, of one publisher in 25": lambda q: library.search(q, FIRST, FILTERED),
        "search by words": lambda q: opened.lexical.search(q, FIRST, Filters()),
        "search by vectors": lambda q: opened.search(vector(q), FIRST, Filters()),
    }
    found = [(f"adding {passages} passages, already embedded", "passages/s", passages / taken)]
    for name, part in parts.items():
        times = milliseconds(part, [asked[0], *asked])
        found += [(f"{name}, p50", "ms", median(times))]
        found += [(f"{name}, p95", "ms", percentile(times, 0.95))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        took = seconds(lambda: list(pool.map(parts["search"], asked)))
    return [*found, (f"searches, {AT_ONCE} at once", "a second", len(asked) / took)]


def _database_sizes(library: Library) -> list[Row]:
    """What PostgreSQL keeps on disk, by what it is for."""
    from sqlalchemy import text

    catalog = library._store.catalog
    assert isinstance(catalog, PostgresCatalog)
    passages = library.size()[1]
    tables = "SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class WHERE "
    tables += "relname LIKE 'qa\_%' AND relkind = 'r'"
    found = catalog.database.read(lambda connection: connection.execute(text(tables)).fetchall())
    listed = ", ".join(
        f"{name} {(table + indexes) / passages:.0f}" for name, table, indexes in sorted(found)
    )
    whole = sum(table + indexes for _, table, indexes in found) / passages
    words = sum(len(library.article(each.id).text) for each in library.articles()) / passages
    return [
        Row("bytes a passage in PostgreSQL", f"{whole:.0f}", f"its text: {words:.0f}", ""),
        Row("of them by table and its indexes", listed),
    ]


def _folder(folder: Path) -> Settings:
    """Said in so many words, as the environment names the servers."""
    return Settings(library=folder, chroma_url=None, database_url=None)


def _servers(folder: Path) -> Settings:
    named = {"chroma_url": "QA_CHROMA_URL", "database_url": "QA_DATABASE_URL"}
    return Settings(library=folder, **{key: os.environ[name] for key, name in named.items()})  # type: ignore[arg-type]


@contextmanager
def _no_exact_search() -> Iterator[None]:
    """Has Chroma asked always, also where comparing all vectors in memory would be as fast."""
    names = ("EXACT_PASSAGES", "FILTERED_PASSAGES", "FILTERED_IN_MEMORY")
    before = {name: getattr(store, name) for name in names}
    for name in names:
        setattr(store, name, 0)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(store, name, value)


def _articles(data: Path) -> list[Article]:
    names = ("title", "url", "published")
    return [
        Article(
            f"{each}-{line['id']}",
            text=line["text"],
            publisher=line.get("source"),
            **{name: line[name] for name in names if line.get(name) is not None},
        )
        for each in SETS
        for line in _lines(data / each / "articles.jsonl")
    ]


def _asked(data: Path) -> list[str]:
    chance = random.Random(7)
    return [
        line["question"]
        for each in SETS
        for line in chance.sample(_lines(data / each / "questions.jsonl"), ASKED)
    ]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
