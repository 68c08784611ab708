"""A GGUF file as a local endpoint, through xllamacpp: nothing to start, nothing to configure."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

from qa.errors import ModelError, SettingsError
from qa.generation import models
from qa.networks import workers
from qa.settings import Settings

_running: dict[tuple[str, int], Any] = {}
_starting = threading.Lock()


def load(settings: Settings) -> models.LanguageModel:
    """The model in QA_LLM_FILE, served in this process on loopback.

    Raises ModelError where the file is missing, is not the one of QA_LLM_SHA256, or cannot be run.
    One server a file and process, ended with the process.
    """
    file = settings.llm_file
    if file is None or not file.is_file():
        raise ModelError(f"There is no model file {file}. Set QA_LLM_FILE to a GGUF file.")
    _verify(file, settings.llm_sha256)
    key = (str(file.resolve()), settings.llm_context)
    with _starting:
        if key not in _running:
            _running[key] = _start(file, settings.llm_context)
        server = _running[key]
    return models.at(f"{server.listening_address}/v1", file.stem, "", settings)


def _verify(file: Path, wanted: str | None) -> None:
    if wanted is None:
        return
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != wanted.lower():
        raise ModelError(
            f"{file} has the sha256 {found}, and QA_LLM_SHA256 is {wanted.lower()}. Fetch the file "
            "again, or correct the setting."
        )


def _start(file: Path, context: int) -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise SettingsError(
            'QA_LLM_FILE needs xllamacpp. Install it: pip install "cited-qa[local-llm]"'
        ) from error
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx = context
    params.n_parallel = 1
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.verbosity = 0
    for each in (params.cpuparams, params.cpuparams_batch):
        each.n_threads, each.poll = workers(), 0  # threads that spin starve whatever else runs
    try:
        return xllamacpp.Server(params)
    except Exception as error:
        raise ModelError(
            f"{file} cannot be run as a language model. Is it a GGUF file, whole, and is there "
            "memory for it?"
        ) from error
