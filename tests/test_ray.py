"""Adding on a Ray cluster of two nodes, one of which is killed; and clusters that are not there.

Ray runs in processes of its own: its warnings are not ours.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_a_node_is_killed_and_every_passage_is_embedded_once() -> None:
    done = run("benchmarks", "ray", "--passages", "400", "--words")
    assert done.returncode == 0, done.stderr
    assert "| each once, nothing lost | met |" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_twenty_thousand_passages_with_the_real_model() -> None:
    command = [sys.executable, "-m", "benchmarks", "ray", "--passages", "20000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "| each once, nothing lost | met |" in done.stdout


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    article = tmp_path / "a.txt"
    article.write_text("The bridge is closed until further notice.")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    library = str(tmp_path / "library")
    address = f"127.0.0.1:{port}"
    done = run("qa.cli", "add", "--library", library, str(article), RAY_ADDRESS=address)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert f"The Ray cluster at {address} cannot be reached" in line
    assert "unset it" in line
