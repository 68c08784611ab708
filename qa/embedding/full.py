"""Embeddings by sentence-transformers itself; with the export, the only file that knows torch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from qa.embedding.files import ModelFiles, first_line
from qa.errors import ModelError
from qa.settings import DEFAULT_MODEL

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from qa.protocols import Vectors

BATCH_SIZE = 32
UNLIMITED = 8192  # what we count on where a model names no limit of its own


class SentenceTransformerEmbedder:
    """Embeds with any sentence-transformers model that is stored as safetensors.

    The default model comes with an installed package and needs no network; another Hugging Face id
    is downloaded once, a folder is read where it lies. Loading happens at first use, and the
    fingerprint needs no loading. Raises :class:`qa.errors.ModelError` where the model is missing,
    damaged or cannot be fetched.
    """

    def __init__(self, name: str = DEFAULT_MODEL) -> None:
        self.name = name
        self.files = ModelFiles(name)
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """``name@digest``: the digest covers weights, tokenizer, prompts and pooling."""
        return self.files.fingerprint

    @property
    def max_tokens(self) -> int:
        """Tokens of a passage that the model reads, its special tokens included."""
        return int(self.model.max_seq_length or UNLIMITED)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text with the passage prompt and the special tokens, nothing cut."""
        if not texts:
            return []
        prompt = self.passage_prompt
        encoded = self._tokenizer(
            [prompt + text for text in texts], truncation=False, padding=False, verbose=False
        )
        return [len(ids) for ids in encoded["input_ids"]]

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Shape ``(len(texts), dimension)``, float32, rows of length 1, in the order given."""
        import numpy as np

        # encode sorts by length itself, so that a batch pads little.
        vectors = self.model.encode_document(
            list(texts), batch_size=BATCH_SIZE, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)

    def embed_query(self, text: str) -> Vectors:
        """Shape ``(dimension,)``, float32, length 1."""
        import numpy as np

        vector = self.model.encode_query(text, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vector, dtype=np.float32)

    @property
    def model(self) -> SentenceTransformer:
        """The model, loaded once."""
        with self._lock:
            return self._loaded

    @property
    def passage_prompt(self) -> str:
        """What the model wants before a passage, mostly nothing."""
        prompts = self.model.prompts
        chosen = next((prompts[k] for k in ("document", "passage", "corpus") if prompts.get(k)), "")
        return str(chosen)

    @cached_property
    def _loaded(self) -> SentenceTransformer:
        folder = self.files.verified  # before anything of it is loaded
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            model = SentenceTransformer(
                str(folder),
                device="cpu",
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:
            raise ModelError(
                f"The embedding model {self.name} cannot be loaded: {first_line(error)}. "
                "Check QA_EMBEDDING_MODEL, or remove it to use the default model."
            ) from error
        return model.eval()

    @cached_property
    def _tokenizer(self) -> Any:
        return self.model.tokenizer
