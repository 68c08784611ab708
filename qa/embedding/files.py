"""The files of an embedding model: where they are, and the digest that tells models apart."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

from qa import packaged
from qa.errors import ModelError
from qa.settings import DEFAULT_MODEL


class ModelFiles:
    """A model by its name: the default, a Hugging Face id that is downloaded once, or a folder.

    Nothing is looked up before it is needed. Raises :class:`qa.errors.ModelError` where the model
    is missing, damaged or cannot be fetched.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def fingerprint(self) -> str:
        """``name@digest``."""
        return f"{self.name}@{self.digest}"

    @cached_property
    def digest(self) -> str:
        """Of weights, tokenizer, prompts and pooling: 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for file, file_digest in sorted(self._file_hashes.items()):
            digest.update(f"{file}\0{file_digest}\n".encode())
        return digest.hexdigest()[:16]

    @property
    def verified(self) -> Path:
        """The folder, when its files have been looked at."""
        _ = self.digest
        return self._folder

    @cached_property
    def _folder(self) -> Path:
        if self.name == DEFAULT_MODEL:
            return packaged.folder()
        if Path(self.name).is_dir():
            return Path(self.name)
        return _downloaded(self.name)

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


def _downloaded(name: str) -> Path:
    """The folder of a Hugging Face model, fetched if the local cache has not got it."""
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            name, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model"]
        )
    except Exception as error:
        raise ModelError(
            f"The embedding model {name} cannot be fetched: {first_line(error)}. Check its name "
            "and the network, or remove QA_EMBEDDING_MODEL to use the default, which needs none."
        ) from error
    return Path(folder)


def _matters(path: Path) -> bool:
    """Whether a file can change a vector; cards and notes cannot."""
    return path.name not in {"data_config.json", "model_card.json", "train_script.json"}


def first_line(error: Exception) -> str:
    """Of an error's message, without its full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
