"""The seams of the project: what an embedder, a retriever, a generator promise.

Implementations need not inherit; they inherit the contract tests in :mod:`qa.testing` instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from qa.types import Draft, Filters, Hit, Message, Page, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into unit vectors. The same text always gives the same vector."""

    @property
    def fingerprint(self) -> str:
        """Identifies the model: name, weights, prompts, pooling, dimension, in one short string."""

    @property
    def name(self) -> str:
        """The model's name as a user would write it."""

    @property
    def max_tokens(self) -> int:
        """How many tokens of a passage the model reads; what is longer would be cut."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as a passage, special tokens and prompt included."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Shape ``(len(texts), dimension)``, float32, each row of length 1."""

    def embed_query(self, text: str) -> Vectors:
        """Shape ``(dimension,)``, float32, length 1. A query longer than the model reads is cut."""


class Reader(Protocol):
    """Reads texts with a question in mind."""

    def read(self, question: str, pages: Sequence[Page]) -> list[list[float]]:
        """For each page, for each of its spans: log odds that it answers, against that none there
        does. Above 0 it is more likely than not."""


class Retriever(Protocol):
    """Finds passages. Whoever takes a retriever takes any composition of them."""

    def retrieve(self, query: str, k: int, filters: Filters) -> list[Hit]:
        """At most ``k`` hits, best first, all within ``filters``; fewer where there are fewer."""


class TermStatistics(Protocol):
    """How common a word is in the library, for inverse document frequency."""

    def document_count(self) -> int:
        """Passages in the library."""

    def document_frequency(self, word: str) -> int:
        """Passages that hold the word, or a word of the same stem."""


class Generator(Protocol):
    """Writes an answer from passages, citing only spans of the passages it was given."""

    @property
    def name(self) -> str:
        """``extractive`` or ``llm``; reported with each answer."""

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        """Ever more complete drafts, the last one final. No sentences: the hits do not answer."""


class ChatModel(Protocol):
    """A language model that answers a chat; nothing it writes is trusted."""

    @property
    def name(self) -> str:
        """What the model is called, for messages."""

    @property
    def room(self) -> int:
        """Tokens that the messages may have."""

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """The reply in pieces, empty ones while there is nothing yet. Raises ModelError."""


class Rewriter(Protocol):
    """Makes a follow-up understandable without the conversation before it."""

    def stand_alone(self, question: str, history: Sequence[Turn]) -> str:
        """The question by itself; empty where it cannot tell."""
