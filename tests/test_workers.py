"""Adding with several processes: the same library as without, whatever happens to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qa import workers
from qa.errors import InputError, ModelError, WorkerError
from qa.library import Library
from qa.settings import Settings
from qa.testing import WordEmbedder
from qa.types import Article, Progress
from qa.workers import Itself, Recipe
from qa.workers.processes import Processes

if TYPE_CHECKING:
    from qa.protocols import Vectors

MANY = [
    Article(f"a{n}", f"Paper {n}", f"Thing {n} was seen in May. It had colour {n * 7}.")
    for n in range(300)
]


class Deadly(WordEmbedder):
    """Kills its process at the text that says so; the first time only, where ``once`` names a file
    to remember it by."""

    def __init__(self, once: Path | None = None) -> None:
        super().__init__()
        self.once = once

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        if any("colour 700." in text for text in texts) and not (self.once and self.once.exists()):
            if self.once:
                self.once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed_passages(texts)


class Unsendable(WordEmbedder):
    """Holds what cannot travel."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def contents(library: Library) -> list[tuple[str, list[str]]]:
    return sorted((e.id, [p.id for p in library.passages(e.id)]) for e in library.articles())


def test_the_library_is_the_same_as_without(tmp_path: Path) -> None:
    embedder = WordEmbedder()
    with (
        Library(Settings(library=tmp_path / "alone"), embedder=WordEmbedder()) as alone,
        Library(Settings(library=tmp_path / "many"), embedder=embedder) as many,
    ):
        expected = alone.add(MANY)
        found = many.add([*MANY, *MANY[:5]], workers=2)
        assert found.passages_embedded == expected.passages_embedded == len(MANY)
        assert sorted(a.id for a in found.articles) == sorted(a.id for a in MANY)
        assert embedder.embedded == []  # others did it
        assert contents(many) == contents(alone)
        assert all(check.ok for check in many.check())
        assert [h.passage.id for h in many.search("thing colour 700")] == [
            h.passage.id for h in alone.search("thing colour 700")
        ]
        assert many.add(MANY, workers=2).passages_embedded == 0


def test_what_a_killed_process_was_at_is_done_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = Deadly(tmp_path / "died")
    with Library(Settings(library=tmp_path / "library"), embedder=embedder) as library:
        report = library.add(MANY, workers=2)
        assert (tmp_path / "died").exists()
        assert report.passages_embedded == len(MANY)
        assert all(check.ok for check in library.check())
    assert caplog.messages == ["qa: a worker process was lost; what it was at is done again"]


def test_processes_that_die_again_and_again_are_given_up(tmp_path: Path) -> None:
    with Library(Settings(library=tmp_path / "library"), embedder=Deadly()) as library:
        with pytest.raises(WorkerError, match="ended 3 times in a row"):
            library.add(MANY, workers=2)
        assert len(library.articles()) == len(MANY)  # found by their words
    with Library(Settings(library=tmp_path / "library"), embedder=WordEmbedder()) as library:
        assert 0 < library.add(MANY).passages_embedded <= len(MANY)
        assert all(check.ok for check in library.check())


def test_an_embedder_that_cannot_travel_is_named(tmp_path: Path) -> None:
    library = Library(Settings(library=tmp_path / "library"), embedder=Unsendable())
    with pytest.raises(InputError, match="fake/words cannot be sent to other processes"):
        library.add(MANY, workers=2)
    with pytest.raises(InputError, match="0 \\(one a core\\) or more, not -1"):
        library.add(MANY, workers=-1)


def test_a_worker_with_another_model_is_refused() -> None:
    recipe = Recipe(Itself(WordEmbedder(dimension=8)), "fake/other@64-40")
    crew = Processes(WordEmbedder(), recipe, 1)
    with pytest.raises(ModelError, match="A worker has the model fake/words@8-40, not fake/other"):
        list(crew.cut(MANY[:1]))
    crew.close(at_once=True)


def test_the_default_model_travels_by_its_name(tmp_path: Path) -> None:
    with Library(Settings(library=tmp_path / "library")) as library:
        assert library.add(MANY[:3], workers=2).passages_embedded == 3
        assert library.search("colour 14")[0].article.id == "a2"
        assert all(check.ok for check in library.check())


def children(pid: int) -> set[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return {int(word) for word in path.read_text().split()}


def wait_until_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + 20
    while left := {pid for pid in pids if Path(f"/proc/{pid}/stat").exists() and running(pid)}:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_an_add_that_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    source = tmp_path / "many.jsonl"
    text = " ".join(f"The thing number {n} was seen in the town in May." for n in range(200))
    lines = [json.dumps({"id": str(n), "text": f"{n} {text}"}) for n in range(30)]
    source.write_text("\n".join(lines))
    command = [sys.executable, "-m", "qa.cli", "--library", str(tmp_path / "library")]
    adding = subprocess.Popen(
        [*command, "add", "--workers", "2", str(source)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while len(started := children(adding.pid)) < 3:  # two, and one that tracks resources
            assert adding.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        if number == signal.SIGINT:
            os.killpg(adding.pid, number)  # as a terminal does
        else:
            adding.kill()
        _, told = adding.communicate(timeout=60)
        wait_until_gone(started)
    finally:
        adding.kill()
    if number == signal.SIGINT:
        assert adding.returncode == 1
        assert told.startswith("qa: Stopped.")
        assert len(told.splitlines()) == 1


def test_progress_tells_of_every_passage(tmp_path: Path) -> None:
    source = tmp_path / "many.jsonl"
    source.write_text("\n".join(json.dumps({"id": a.id, "text": a.text}) for a in MANY))
    seen: list[Progress] = []
    with Library(Settings(library=tmp_path / "library"), embedder=WordEmbedder()) as library:
        library.add([source], workers=2, on_progress=seen.append)
    assert Progress("articles", len(MANY), len(MANY)) in seen
    assert seen[-1] == Progress("passages", len(MANY), len(MANY))


def test_alone_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = WordEmbedder()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with workers.hire(embedder, Itself(embedder), None) as crew:
        assert isinstance(crew, workers.InProcess)
    monkeypatch.delenv("RAY_ADDRESS")
    with workers.hire(embedder, Itself(embedder), 1) as crew:
        assert isinstance(crew, workers.InProcess)
