"""Two replicas of the app over one library on servers; one of them is killed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import chroma_server
import httpx
import postgres_server
import pytest

ARTICLE = {
    "id": "harbour",
    "title": "Harbour wall reopens",
    "text": "The harbour wall at Tellin reopened on Tuesday after eleven months of repairs. "
    "The work cost 4.2 million crowns, said mayor Ines Falk.",
    "publisher": "Check Gazette",
    "published": "2031-03-04",
}
QUESTION = "How much did the work on the harbour wall cost?"


class Replica:
    """``qa chat`` in a process of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "qa.cli", "chat", "--port", "0"],
            env={**os.environ, **environment, "QA_LIBRARY": str(folder)},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            found = re.search(r"answers at (\S+)", line)
            if found:
                self.client = httpx.Client(base_url=found[1], timeout=60)
                return
        raise RuntimeError("the replica did not start")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.close()
        self.kill()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self) -> dict[str, Any]:
        response = self.client.post("/api/ask", json={"question": QUESTION})
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def add(self, **changed: str) -> dict[str, Any]:
        response = self.client.post("/api/articles", json={**ARTICLE, **changed})
        assert response.status_code in (200, 201), response.text
        found: dict[str, Any] = response.json()
        return found


@pytest.fixture
def replicas(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Replica]]:
    server = postgres_server.shared(request)
    environment = {
        "QA_DATABASE_URL": server.database(f"t{uuid.uuid4().hex[:12]}"),
        "QA_CHROMA_URL": chroma_server.shared(request).url,
    }
    with ExitStack() as stack:
        yield [
            stack.enter_context(Replica(tmp_path / name, environment)) for name in ("one", "two")
        ]


def test_what_one_replica_takes_the_other_answers_from_and_goes_on_alone(
    replicas: list[Replica],
) -> None:
    one, two = replicas
    assert one.add()["added"] == 1
    answer = two.ask()
    assert answer["status"] == "answered"
    assert "4.2 million" in answer["text"]
    assert two.add(text=ARTICLE["text"].replace("4.2", "5.1"))["updated"] == 1
    assert "5.1 million" in one.ask()["text"]
    # One dies while it answers: its caller sees the connection end, the other replica is well.
    request = one.client.build_request(
        "POST", "/api/ask", json={"question": QUESTION, "stream": True}
    )
    with closing(one.client.send(request, stream=True)) as response:
        events = response.iter_lines()
        assert next(events)
        one.kill()
        rest = list(_until_cut(events))
    final = [line for line in rest if line == "event: done"]
    after = two.ask()
    assert "5.1 million" in after["text"]
    assert json.dumps(after["citations"]).count("5.1 million") == 1
    assert not final or "5.1 million" in "".join(rest)  # whole, or not said to be
    assert two.add(id="second", title="Second")["added"] == 1
    assert two.client.get("/readyz").status_code == 200


def _until_cut(lines: Iterator[str]) -> Iterator[str]:
    try:
        yield from lines
    except httpx.TransportError:
        return
