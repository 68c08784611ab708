"""Who cuts and embeds: this process, others beside it, or a Ray cluster.

Only the process that adds reads sources and writes to the library. Workers get articles and texts
from it and give passages and vectors back, in any order, as they are done; what of it was not
saved when something ended is simply asked for again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from qa import chunking
from qa.errors import InputError, ModelError
from qa.types import Article, Passage

if TYPE_CHECKING:
    from qa.protocols import Embedder, Vectors

BATCH = 128  # texts between two savings: what a kill costs at most
WINDOW = 512  # passages that are asked for at a time

Texts = Sequence[tuple[bytes, str]]


@dataclass(frozen=True, slots=True)
class Cut:
    """An article's passages in reading order, and the key of what is embedded for each."""

    article_id: str
    passages: tuple[Passage, ...]
    keys: tuple[bytes, ...]


class Workers(Protocol):
    """Cut articles and embed texts. Each article and each text is answered once."""

    @property
    def embedder(self) -> Embedder:
        """This process's own."""

    @property
    def window(self) -> int:
        """How many passages to ask for at a time, so that all workers have enough to do."""

    def cut(self, articles: Iterable[Article]) -> Iterator[Cut]:
        """Takes articles one by one, never many more than it has given back."""

    def embed(self, texts: Mapping[bytes, str]) -> Iterator[dict[bytes, Vectors]]:
        """The vectors of some of the texts at a time, by the keys they came with."""

    def close(self, *, at_once: bool) -> None:
        """Lets the workers go; ``at_once``: in the middle of what they do."""


class InProcess:
    """This process alone, whose embedder uses all cores by itself."""

    window = WINDOW

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def cut(self, articles: Iterable[Article]) -> Iterator[Cut]:
        return (cut(article, self.embedder) for article in articles)

    def embed(self, texts: Mapping[bytes, str]) -> Iterator[dict[bytes, Vectors]]:
        ordered = sorted(texts.items(), key=lambda each: len(each[1]))
        for some in batches(ordered, BATCH):
            yield embedded(some, self.embedder)

    def close(self, *, at_once: bool) -> None:
        """There is nobody to let go."""


_made: dict[str, Embedder] = {}  # of this process, by fingerprint


@dataclass(frozen=True, slots=True)
class Recipe:
    """How another process makes the embedder: models travel by name, not by weight."""

    make: Callable[[], Embedder]
    fingerprint: str

    def embedder(self) -> Embedder:
        """Made once a process. Raises ModelError where it is another model than the library's."""
        if self.fingerprint not in _made:
            found = self.make()
            if found.fingerprint != self.fingerprint:
                raise ModelError(
                    f"A worker has the model {found.fingerprint}, not {self.fingerprint}. "
                    "Install the same model there, then run this again."
                )
            _made[self.fingerprint] = found
        return _made[self.fingerprint]


@dataclass(frozen=True, slots=True)
class Itself:
    """The recipe of an embedder that a program made: it travels whole."""

    given: Embedder

    def __call__(self) -> Embedder:
        return self.given


@contextmanager
def hire(embedder: Embedder, make: Callable[[], Embedder], count: int | None) -> Iterator[Workers]:
    """``count`` workers, 0 for as many as there are cores; none: this process works alone.

    With RAY_ADDRESS in the environment they are that cluster's. One worker of one's own would
    only do what this process does on all cores.
    """
    if count is not None and count < 0:
        raise InputError(f"The number of workers must be 0 (one a core) or more, not {count}.")
    found = _found(embedder, make, count)
    try:
        yield found
    except BaseException:
        found.close(at_once=True)
        raise
    found.close(at_once=False)


def _found(embedder: Embedder, make: Callable[[], Embedder], count: int | None) -> Workers:
    address = os.environ.get("RAY_ADDRESS", "").strip()
    if count is None or (count == 1 and not address):
        return InProcess(embedder)
    recipe = Recipe(make, embedder.fingerprint)
    if address:
        from qa.workers.cluster import Cluster

        return Cluster(embedder, recipe, address, count)
    from qa.workers.processes import Processes

    return Processes(embedder, recipe, count)


def cut(article: Article, embedder: Embedder) -> Cut:
    """An article cut into passages."""
    passages = tuple(chunking.split_article(article, embedder))
    texts = [chunking.embedding_text(article.title, passage, embedder) for passage in passages]
    keys = tuple(embedding_hash(embedder.fingerprint, text) for text in texts)
    return Cut(article.id, passages, keys)


def embedded(texts: Texts, embedder: Embedder) -> dict[bytes, Vectors]:
    """The vectors of texts by their keys."""
    vectors = embedder.embed_passages([text for _, text in texts])
    return dict(zip([key for key, _ in texts], vectors, strict=True))


def embedding_hash(fingerprint: str, text: str) -> bytes:
    """The key under which a text's vector is cached, for one model."""
    content = f"{fingerprint}\0{text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=16).digest()


def batches(texts: Texts, size: int) -> Iterator[Texts]:
    """Runs of at most so many."""
    return (texts[at : at + size] for at in range(0, len(texts), size))


def bundles(articles: Iterable[Article], count: int, characters: int) -> Iterator[list[Article]]:
    """Runs of articles of at most ``count``, which end when they reach so many characters."""
    bundle: list[Article] = []
    length = 0
    for article in articles:
        bundle.append(article)
        length += len(article.text)
        if len(bundle) >= count or length >= characters:
            yield bundle
            bundle, length = [], 0
    if bundle:
        yield bundle
