"""Sentence embeddings through sentence-transformers; the only file that knows it and torch."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa import packaged
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
        self._lock = threading.Lock()

    @cached_property
    def fingerprint(self) -> str:
        """``name@digest``: the digest covers weights, tokenizer, prompts and pooling."""
        digest = hashlib.sha256()
        for file, file_digest in sorted(self._file_hashes.items()):
            digest.update(f"{file}\0{file_digest}\n".encode())
        return f"{self.name}@{digest.hexdigest()[:16]}"

    @property
    def max_tokens(self) -> int:
        """Tokens of a passage that the model reads, its special tokens included."""
        return int(self._model.max_seq_length or UNLIMITED)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text with the passage prompt and the special tokens, nothing cut."""
        if not texts:
            return []
        prompt = self._passage_prompt
        encoded = self._tokenizer(
            [prompt + text for text in texts], truncation=False, padding=False, verbose=False
        )
        return [len(ids) for ids in encoded["input_ids"]]

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Shape ``(len(texts), dimension)``, float32, rows of length 1, in the order given."""
        import numpy as np

        # encode sorts by length itself, so that a batch pads little.
        vectors = self._model.encode_document(
            list(texts), batch_size=BATCH_SIZE, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)

    def embed_query(self, text: str) -> Vectors:
        """Shape ``(dimension,)``, float32, length 1."""
        import numpy as np

        vector = self._model.encode_query(text, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vector, dtype=np.float32)

    @cached_property
    def _folder(self) -> Path:
        if self.name == DEFAULT_MODEL:
            return packaged.folder()
        if Path(self.name).is_dir():
            return Path(self.name)
        return _downloaded_model(self.name)

    @cached_property
    def _file_hashes(self) -> dict[str, str]:
        files = [p for p in self._folder.rglob("*") if p.suffix in (".json", ".safetensors")]
        names = {p.relative_to(self._folder).as_posix(): p for p in files if _matters(p)}
        if not any(name.endswith(".safetensors") for name in names):
            raise ModelError(
                f"The embedding model {self.name} has no safetensors weights in {self._folder}. "
                "Choose a model that is published as safetensors, or convert it."
            )
        if self.name == DEFAULT_MODEL:
            packaged.verify(self._folder)
        return {name: packaged.sha256(path) for name, path in names.items()}

    @property
    def _model(self) -> SentenceTransformer:
        with self._lock:
            return self._loaded

    @cached_property
    def _loaded(self) -> SentenceTransformer:
        _ = self._file_hashes  # verified before anything of it is loaded
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            model = SentenceTransformer(
                str(self._folder),
                device="cpu",
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:
            raise ModelError(
                f"The embedding model {self.name} cannot be loaded: {_first_line(error)}. "
                "Check QA_EMBEDDING_MODEL, or remove it to use the default model."
            ) from error
        return model.eval()

    @cached_property
    def _tokenizer(self) -> Any:
        return self._model.tokenizer

    @cached_property
    def _passage_prompt(self) -> str:
        prompts = self._model.prompts
        chosen = next((prompts[k] for k in ("document", "passage", "corpus") if prompts.get(k)), "")
        return str(chosen)


def _downloaded_model(name: str) -> Path:
    """The folder of a Hugging Face model, fetched if the local cache has not got it."""
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            name, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model"]
        )
    except Exception as error:
        raise ModelError(
            f"The embedding model {name} cannot be fetched: {_first_line(error)}. Check its name "
            "and the network, or remove QA_EMBEDDING_MODEL to use the default, which needs none."
        ) from error
    return Path(folder)


def _matters(path: Path) -> bool:
    """Whether a file can change a vector; cards and notes cannot."""
    return path.name not in {"data_config.json", "model_card.json", "train_script.json"}


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
