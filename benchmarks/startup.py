"""How long it takes to start: ``python -m benchmarks startup``"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.figures import Row, process_seconds, seconds
from qa.library import Library
from qa.settings import Settings

CORPUS = Path("corpus/articles")
QUESTION = "How many homes did the inquiry count as flooded?"
# What a program must do at least that embeds a query with onnxruntime, and the whole reader too.
MODEL = """
from qa import networks, packaged
folder = packaged.folder()
packaged.verify(folder)
networks.tokenizer(folder)
networks.Network(networks.shipped("embedder"), networks.tensors(folder))
"""
READER = MODEL + "\nfrom qa import reading\nreading.load(None)\n"


def rows() -> list[Row]:
    """Every figure, with its limit."""
    empty = process_seconds(["-c", "pass"], 11)
    imported = process_seconds(["-c", "import qa"], 11)
    helped = process_seconds(["-m", "qa.cli", "--help"], 11)
    model, reader = process_seconds(["-c", MODEL]), process_seconds(["-c", READER])
    full = process_seconds(["-c", "import sentence_transformers"], 3)
    gradio = process_seconds(["-c", "import gradio"], 3)
    with tempfile.TemporaryDirectory() as folder:
        with Library(Settings(library=Path(folder))) as library:
            library.add([CORPUS])
        qa = ["-m", "qa.cli", "--library", folder]
        searched = process_seconds([*qa, "search", "tram"])
        asked = process_seconds([*qa, "ask", QUESTION])
        ready = min(_chat_ready(folder) for _ in range(3))
    return [
        Row("`import qa`", f"{imported:.2f} s", "an empty Python", f"{imported / empty:.1f} ×"),
        Row("`qa --help`", f"{helped:.2f} s", "", "", "0.3 s", helped <= 0.3),
        _cold("`qa search`, cold", searched, model, full, "the model"),
        _cold("`qa ask`, cold", asked, reader, full, "the model and the reader"),
        Row(
            "chat ready",
            f"{ready:.1f} s",
            f"`import gradio`: {gradio:.1f} s",
            f"+ {ready - gradio:.1f} s",
            "+ 2 s",
            ready <= gradio + 2,
        ),
    ]


def _cold(what: str, ours: float, least: float, full: float, loaded: str) -> Row:
    return Row(
        what,
        f"{ours:.2f} s",
        f"importing onnxruntime and loading {loaded}: {least:.2f} s; "
        f"`import sentence_transformers`: {full:.2f} s",
        f"{ours / least:.2f} × and {ours / full:.2f} ×",
        "1.5 × and 0.33 ×",
        ours <= 1.5 * least and ours < full / 3,
        ours / full,
    )


def _chat_ready(library: str) -> float:
    """Seconds until the page is served."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "qa.cli", "--library", library, "chat", "--port", port]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return seconds(lambda: _wait_for(f"http://127.0.0.1:{port}/"))
    finally:
        process.terminate()
        process.wait()


def _wait_for(address: str) -> None:
    for _ in range(1200):
        try:
            with urllib.request.urlopen(address, timeout=5) as page:
                page.read()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing answers at {address}")
