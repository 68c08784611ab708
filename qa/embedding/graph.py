"""Embeddings by an exported graph: the same vectors, without torch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa import networks
from qa.embedding.files import ModelFiles, first_line
from qa.errors import ModelError
from qa.networks import Network

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from qa.protocols import Vectors


class GraphEmbedder:
    """Embeds as the model itself would; the export has compared the two.

    Loads at first use. Raises :class:`qa.errors.ModelError` where files are missing or damaged.
    """

    def __init__(self, files: ModelFiles, graph: Path) -> None:
        self.name = files.name
        self._files = files
        self._graph = graph
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """That of the model: whether a graph is used makes no difference to a library."""
        return self._files.fingerprint

    @property
    def max_tokens(self) -> int:
        """Tokens of a passage that the model reads, its special tokens included."""
        return int(self._about["max_tokens"])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text with the passage prompt and the special tokens, nothing cut."""
        return [len(ids) for ids in self._tokens(self._about["passage_prompt"], texts)]

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Shape ``(len(texts), dimension)``, float32, rows of length 1, in the order given."""
        return self._embed(self._about["passage_prompt"], texts)

    def embed_query(self, text: str) -> Vectors:
        """Shape ``(dimension,)``, float32, length 1."""
        vector: Vectors = self._embed(self._about["query_prompt"], [text])[0]
        return vector

    def _embed(self, prompt: str, texts: Sequence[str]) -> Vectors:
        import numpy as np

        if not texts:
            return np.zeros((0, self._about["dimension"]), dtype=np.float32)
        _, network = self._loaded
        rows = [self._cut(ids) for ids in self._tokens(prompt, texts)]
        found = network.run_each([networks.tokens(ids) for ids in rows])
        return np.concatenate([vectors for (vectors,) in found])

    def _tokens(self, prompt: str, texts: Sequence[str]) -> list[list[int]]:
        tokenizer, _ = self._loaded
        return [each.ids for each in tokenizer.encode_batch([prompt + text for text in texts])]

    def _cut(self, ids: list[int]) -> list[int]:
        """To what the model reads; the last token, which ends a text, is kept."""
        limit = self.max_tokens
        return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]

    @cached_property
    def _about(self) -> dict[str, Any]:
        return networks.about(self._graph)

    @property
    def _loaded(self) -> tuple[Tokenizer, Network]:
        with self._lock:
            return self._pair

    @cached_property
    def _pair(self) -> tuple[Tokenizer, Network]:
        folder = self._files.verified
        try:
            network = Network(self._graph, networks.tensors(folder))
            return networks.tokenizer(folder), network
        except Exception as error:
            raise ModelError(
                f"The embedding model {self.name} cannot be loaded from {self._graph}: "
                f"{first_line(error)}. If the library is your own, remove that file; "
                "otherwise install this package again."
            ) from error
