"""The catalog: articles, passages, cached embeddings and the manifest, in SQLite or PostgreSQL.

It is the source of truth. The lexical index and the vectors are derived from it and may hold more
than it does after a crash, never less: what it does not know is ignored when read and removed by
the next writer, who finds the ids in the ``journal``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qa.exact import Owner
from qa.types import Article, Filters, Listing, Passage

if TYPE_CHECKING:
    from qa.protocols import Vectors
    from qa.suggesting import Suggestion


@dataclass(frozen=True, slots=True)
class ArticleRecord:
    """An article about to become visible: where it came from, and its passages."""

    article: Article
    source: str
    root: str
    passages: tuple[Passage, ...]
    embedding_hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """An article as the catalog has it, without its text."""

    id: str
    title: str
    content_hash: str
    source: str


class Catalog(ABC):
    """What every catalog does. Reads may come from any thread."""

    @abstractmethod
    def close(self) -> None:
        """Closes what is open; it opens again when it is used again."""

    @abstractmethod
    def noted(self, key: str) -> str | None:
        """A value of the manifest, None where it has none of this key."""

    @abstractmethod
    def note(self, key: str, value: str) -> None:
        """Writes a value into the manifest, which readers notice as a new generation."""

    # Reading

    def article(self, article_id: str) -> Article | None:
        found = self.articles([article_id])
        return found.get(article_id)

    @property
    @abstractmethod
    def generation(self) -> int:
        """Grows with every change that a reader can see."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Of the embedding model whose vectors the library holds."""

    @abstractmethod
    def article_count(self) -> int:
        """How many articles there are."""

    @abstractmethod
    def passage_count(self, articles: Collection[str] | None = None) -> int:
        """Of these articles, or of all."""

    @abstractmethod
    def matching(self, filters: Filters, most: int | None = None) -> set[str]:
        """The ids of the articles that filters let through; of more than ``most``, some."""

    @abstractmethod
    def count(self, filters: Filters) -> int:
        """How many articles filters let through."""

    @abstractmethod
    def owners(self) -> list[Owner]:
        """Of all passages."""

    @abstractmethod
    def articles(self, ids: Iterable[str]) -> dict[str, Article]:
        """The articles of these ids that exist, by id."""

    @abstractmethod
    def listings(self) -> list[Listing]:
        """Every article, newest first, those of unknown date last."""

    @abstractmethod
    def find(self, words: str, most: int) -> tuple[list[Listing], int]:
        """The newest ``most`` articles with all of these words in title or publisher, and how many
        there are of them."""

    @abstractmethod
    def span(self) -> tuple[int, str | None, str | None]:
        """How many articles, and the first and last date that one of them says."""

    @abstractmethod
    def source_of(self, article_id: str) -> str:
        """The file an article came from, empty where there is none."""

    @abstractmethod
    def articles_from(self, file: str) -> int:
        """How many articles came from this file; of one with many, each has its own place."""

    @abstractmethod
    def suggestions(
        self, article_ids: Sequence[str] | None, most: int
    ) -> list[tuple[str, Suggestion]]:
        """Questions made of these articles, or of the newest, the best of each article first.

        Libraries that are older than suggestions have none until their articles are added anew.
        """

    @abstractmethod
    def publishers(self) -> list[str]:
        """The publishers that articles name, in alphabetical order."""

    @abstractmethod
    def passages(self, ids: Sequence[str]) -> dict[str, tuple[Passage, Article]]:
        """The passages of these ids that are visible, each with its article, by id."""

    @abstractmethod
    def passages_of(self, article_id: str) -> list[Passage]:
        """An article's passages in reading order."""

    @abstractmethod
    def all_passage_ids(self) -> set[str]:
        """The ids of all visible passages."""

    @abstractmethod
    def content_hashes(self, ids: Sequence[str]) -> dict[str, str]:
        """The content hashes of those of these articles that exist, by id."""

    @abstractmethod
    def read_before(self, files: Mapping[str, bytes]) -> dict[str, list[Kept]]:
        """The articles of those of these files, path -> digest, that were read when they had this
        digest; not where one has changed in the catalog since, or is gone from it."""

    @abstractmethod
    def from_root(self, root: str) -> dict[str, tuple[str, str]]:
        """Articles that came from a folder or file: id -> (title, source)."""

    @abstractmethod
    def embeddings(self, hashes: Sequence[bytes]) -> dict[bytes, Vectors]:
        """Cached vectors by the hash of the text they embed; missing ones are left out."""

    @abstractmethod
    def vectors(self, passage_ids: Sequence[str]) -> dict[str, Vectors]:
        """Each visible passage's vector, by passage id."""

    @abstractmethod
    def vectors_of(self, articles: Collection[str] | None = None) -> tuple[list[Owner], Vectors]:
        """The vectors of these articles' passages, or of all, and whose they are."""

    @abstractmethod
    def every_passage(self, batch: int) -> Iterator[list[tuple[Passage, Article]]]:
        """All passages, with their articles, in batches: one article after the other, each in
        reading order."""

    @abstractmethod
    def missing_embeddings(self) -> int:
        """Visible passages without a cached vector that are not pending; more than 0 is damage."""

    @abstractmethod
    def pending_count(self) -> int:
        """Visible passages that the vector index has not got yet."""

    @abstractmethod
    def pending(
        self, most: int, after: tuple[str, int] | None = None
    ) -> list[tuple[Passage, Article, bytes]]:
        """The first of them by article and start, each with the hash of what it embeds.

        With ``after``, the article's id and start of the last one taken, those that come then:
        what was settled before them is not looked at again.
        """

    @abstractmethod
    def damage(self) -> str:
        """What the database's own check finds wrong, empty where nothing is."""

    # Writing: one writer at a time, which the library's lock sees to.

    @abstractmethod
    def upgrade(self) -> None:
        """Gives a library that is older than some of the tables those tables."""

    @abstractmethod
    def expect(self, passage_ids: Iterable[str]) -> None:
        """Journals passages that are about to enter the derived indexes."""

    @abstractmethod
    def put_embeddings(self, vectors: Mapping[bytes, Vectors]) -> None:
        """Caches vectors by the hash of the text they embed."""

    @abstractmethod
    def publish(self, records: Sequence[ArticleRecord]) -> list[str]:
        """Makes articles visible, replacing those of the same ids, in one transaction.

        Returns the passages that are visible no more; they stay in the journal until the indexes
        forget them. Cached vectors that only they had are dropped.
        """

    @abstractmethod
    def remove(self, ids: Sequence[str]) -> list[str]:
        """Takes articles out; returns their passages, as ``publish`` does."""

    @abstractmethod
    def note_files(self, read: Mapping[tuple[str, bytes], Mapping[str, str]]) -> None:
        """What files hold: (path, digest) -> article id -> content hash."""

    @abstractmethod
    def move(self, sources: Mapping[str, tuple[str, str]]) -> None:
        """Notes where unchanged articles were found now: id -> (source, root)."""

    @abstractmethod
    def journal(self) -> list[str]:
        """Passages that the derived indexes may hold although they are not visible, or may lack."""

    @abstractmethod
    def withdrawn(self) -> list[str]:
        """Journaled passages that are not visible."""

    @abstractmethod
    def clear_journal(self, passage_ids: Sequence[str]) -> None:
        """Forgets journaled passages, once the derived indexes agree with the catalog on them."""

    @abstractmethod
    def settle(self, passage_ids: Sequence[str]) -> None:
        """The same for pending passages, which readers find from now on."""

    @abstractmethod
    def settle_embedded(self) -> None:
        """The same for all whose vectors are cached: the derived indexes were built anew."""

    @abstractmethod
    def drop_unused_embeddings(self) -> None:
        """Forgets cached vectors that no passage has, which takes a look at all of them."""

    @abstractmethod
    def reset_model(self, fingerprint: str, passages: Sequence[ArticleRecord]) -> None:
        """Replaces every passage by those of another model, whose vectors are cached already.

        All of them, old and new, are journaled: a passage keeps its id, and an index that was not
        built anew would keep the former model's vector under it.
        """
