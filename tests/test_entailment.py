"""A model of entailment as a vote of the support check: made here, with weights of which the
outputs can be worked out by hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from tiny_model import LETTERS

from qa import support
from qa.entailment import CrossEncoderEntailment
from qa.errors import ModelError
from qa.library import Library
from qa.settings import load_settings
from qa.testing import WordEmbedder
from qa.types import Article, Check, Quote

NLI = ("contradiction", "entailment", "neutral")


def make(folder: Path, labels: Sequence[str], logits: Sequence[float]) -> Path:
    """A one-layer BERT over letters whose output is the same for all texts: ``logits``."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [*LETTERS, *(f"##{letter}" for letter in LETTERS)]
    BertTokenizer(vocab={word: n for n, word in enumerate(words)}).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        id2label=dict(enumerate(labels)),
        label2id={label: n for n, label in enumerate(labels)},
    )
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor(logits))
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("labels", "logits", "expected"),
    [
        (NLI, (0.0, 0.0, 0.0), 1 / 3),
        (NLI, (0.0, math.log(2), 0.0), 0.5),  # 2 / (1 + 2 + 1)
        (("ENTAILMENT", "not"), (math.log(3), 0.0), 0.75),  # 3 / (3 + 1)
        (("neutral", "no", "Entails"), (50.0, 0.0, -50.0), 0.0),
    ],
    ids=["even", "half", "upper case", "none"],
)
def test_the_share_of_the_label_of_entailment(
    tmp_path: Path, labels: Sequence[str], logits: Sequence[float], expected: float
) -> None:
    entails = CrossEncoderEntailment(str(make(tmp_path, labels, logits)))
    assert entails("It opened.", "The tram opened.") == pytest.approx(expected, abs=1e-6)
    assert entails("Word " * 500, "Longer than it reads. " * 500) == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize(
    ("logit", "expected"), [(math.log(3), 0.75), (0.0, 0.5), (-math.log(4), 0.2), (-50.0, 0.0)]
)
def test_one_output_is_log_odds(tmp_path: Path, logit: float, expected: float) -> None:
    entails = CrossEncoderEntailment(str(make(tmp_path, ["score"], [logit])))
    assert entails("It opened.", "The tram opened.") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("labels", [("good", "bad", "ugly"), ("LABEL_0", "LABEL_1")])
def test_a_model_without_a_label_of_entailment_is_refused(
    tmp_path: Path, labels: Sequence[str]
) -> None:
    entails = CrossEncoderEntailment(str(make(tmp_path, labels, [0.0] * len(labels))))
    with pytest.raises(ModelError) as refused:
        entails("It opened.", "The tram opened.")
    line = str(refused.value)
    assert "is none of entailment" in line
    assert ", ".join(labels) in line
    assert "QA_SUPPORT_MODEL" in line
    assert "\n" not in line


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(
            ModelError, match=r"cannot be loaded: .*Check QA_SUPPORT_MODEL"
        ) as refused:
            CrossEncoderEntailment(str(folder))("a", "b")
        assert "\n" not in str(refused.value)


def test_weights_that_are_no_safetensors_are_refused(tmp_path: Path) -> None:
    """A pickle may run anything when it is loaded."""
    import torch
    from safetensors.torch import load_file

    make(tmp_path, NLI, (0.0, 0.0, 0.0))
    stored = tmp_path / "model.safetensors"
    torch.save(load_file(stored), tmp_path / "pytorch_model.bin")
    stored.unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        CrossEncoderEntailment(str(tmp_path))("a", "b")


# -- its vote ------------------------------------------------------------------------------------

QUOTE = Quote(Article("a", "A", "The ferry sank near Osk late at night."), 0, 38)


@pytest.mark.parametrize(
    ("sentence", "entailed", "expected"),
    [
        ("Near Osk the ferry sank.", 1.0, "supported"),  # 0.6 * 1 + 0.4 * 1
        ("Near Osk the ferry sank.", 0.2, "partial"),  # 0.6 * 0.2 + 0.4 * 1 = 0.52
        ("Near Osk the ferry sank.", 0.1, "unsupported"),  # 0.6 * 0.1 + 0.4 * 1 = 0.46
        ("Near Osk seven ferries sank.", 1.0, "unsupported"),  # a rule goes before a vote
        ("Near Ulm the ferry sank.", 1.0, "unsupported"),
        ("The ferry sank near Osk late at night.", 0.0, "supported"),  # word for word
    ],
)
def test_a_vote_counts_but_rules_go_before_it(
    sentence: str, entailed: float, expected: str
) -> None:
    assert support.check(sentence, [QUOTE], lambda said, quote: entailed).support == expected


# -- as a setting --------------------------------------------------------------------------------


def support_model(library: Library) -> Check:
    (check,) = (each for each in library.check() if each.name == "support model")
    return check


def test_a_folder_as_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(tmp_path / "model", NLI, (0.0, 9.0, 0.0))
    monkeypatch.setenv("QA_SUPPORT_MODEL", str(model))
    settings = load_settings(library=tmp_path / "library")
    with Library(settings, embedder=WordEmbedder()) as library:
        assert support_model(library) == Check("support model", True, str(model))
        library.add([Article("ferry", "Ferry", "The ferry sank near Osk late at night.")])
        assert library.ask("Where did the ferry sank near?").citations[0].article.id == "ferry"


def test_doctor_tells_of_a_setting_that_is_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(tmp_path / "model", ("good", "bad"), (0.0, 0.0))
    for folder in (model, tmp_path / "nowhere"):
        monkeypatch.setenv("QA_SUPPORT_MODEL", str(folder))
        settings = load_settings(library=tmp_path / "library")
        check = support_model(Library(settings, embedder=WordEmbedder()))
        assert not check.ok
        assert "QA_SUPPORT_MODEL" in check.detail
