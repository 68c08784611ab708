"""The reader: what it is shown, what it makes of it, and its weights."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from eval.training import network
from eval.training.sets import PRACTICE, Case, is_held_out
from qa import networks, packaged, reading
from qa.errors import ModelError
from qa.protocols import Reader
from qa.reading import TEXT_TOKENS, MiniLMReader, encode
from qa.sentences import split
from qa.testing import ReaderContract, WordReader
from qa.types import Page

FOLDER = Path(__file__).parents[1] / "corpus" / "practice"


def practice(name: str) -> list[dict[str, Any]]:
    """The lines of a file of the practice set."""
    lines = (FOLDER / name).read_text("utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def case_of(q: dict[str, Any]) -> Case:
    """A question as training sees it, as far as it tells whether it is held out."""
    gold = tuple(q["answers"]), tuple(q["evidence_spans"]), tuple(q["evidence_ids"])
    group = (q["evidence_ids"] or q["near_miss_ids"])[0]
    return Case(q["id"], q["question"], *gold, group, q["answerable"])


def page(text: str, title: str = "") -> Page:
    """A page whose sentences end with full stops."""
    spans = tuple((found.start(), found.end()) for found in re.finditer(r"[^. ][^.]*\.", text))
    return Page(title, text, spans)


def whole(article: dict[str, Any]) -> Page:
    """A page that is a whole article, in its sentences."""
    units = [u for u in split(article["text"], "en") if u.kind != "heading"]
    return Page(article["title"], article["text"], tuple((u.start, u.end) for u in units))


class TestTheRealOne(ReaderContract):
    @pytest.fixture
    def reader(self) -> Reader:
        return MiniLMReader()


class TestTheFake(ReaderContract):
    @pytest.fixture
    def reader(self) -> Reader:
        return WordReader()


NOTICE = page(
    "The footbridge over the Lorne will be shut from Monday. Crews are to replace rotten planks. "
    "Walkers can cross by the weir instead. Oda Rehn, who leads the works, expects six weeks.",
    "Footbridge shut",
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Why is the footbridge closed?", "Crews are to replace rotten planks."),
        ("Who is in charge of the repairs?", "Oda Rehn, who leads the works, expects six weeks."),
    ],
)
def test_the_answer_is_found_though_it_shares_no_word(question: str, answer: str) -> None:
    (odds,) = MiniLMReader().read(question, [NOTICE])
    start, end = NOTICE.spans[odds.index(max(odds))]
    assert NOTICE.text[start:end] == answer


def test_more_than_half_of_the_answers_in_articles_it_never_saw_are_found() -> None:
    """The sentence that holds the answer is the likeliest of its whole article."""
    articles = {a["id"]: a for a in practice("articles.jsonl")}
    asked = [
        q
        for q in practice("questions.jsonl")
        if q["answerable"] and is_held_out(PRACTICE, case_of(q))
    ]
    right = 0
    for q in asked[::12]:
        article = articles[q["evidence_ids"][0]]
        shown = whole(article)
        (odds,) = MiniLMReader().read(q["question"], [shown])
        start, end = shown.spans[odds.index(max(odds))]
        right += article["text"][start:end] in q["evidence_spans"]
    assert right / len(asked[::12]) > 0.5  # chance: about 1 in 16


def test_what_is_not_told_has_lower_odds_than_what_is() -> None:
    def best(question: str) -> float:
        return max(MiniLMReader().read(question, [NOTICE])[0])

    assert best("How much do the footbridge works cost?") < best("How long will the works take?")
    assert best("Who won the chess final?") < 0 < best("Who leads the works?")


# -- what it is shown -----------------------------------------------------------------------------


def test_question_title_and_text_stand_apart() -> None:
    tokens = networks.tokenizer(packaged.folder())
    (part,) = encode(tokens, "Who?", page("One. Two three.", "A title"))
    assert tokens.decode(part.ids, skip_special_tokens=False) == (
        "[CLS] who? [SEP] a title [SEP] one. two three. [SEP]"
    )
    assert tokens.decode(part.ids[part.text : -1]) == "one. two three."
    assert part.spans == [0, 0, 1, 1, 1]
    assert part.ids[part.second] == tokens.token_to_id("a")


def test_a_long_text_is_read_whole_in_parts_of_whole_sentences() -> None:
    tokens = networks.tokenizer(packaged.folder())
    long = page(" ".join(f"The tram number {n} stops at the market." for n in range(60)))
    parts = list(encode(tokens, "Which tram?", long))
    assert len(parts) > 2
    seen = [span for part in parts for span in part.spans]
    assert sorted(seen) == seen
    assert set(seen) == set(range(60))
    for one, other in pairwise(parts):
        assert len(one.spans) <= TEXT_TOKENS
        assert one.spans[-1] != other.spans[0]


def test_a_sentence_longer_than_a_part_is_read_in_pieces() -> None:
    text = "word " * 600 + "in May 2031."
    (odds,) = MiniLMReader().read("When?", [Page("", text, ((0, len(text)),))])
    (alone,) = MiniLMReader().read("When?", [Page("", "word in May 2031.", ((0, 17),))])
    assert odds[0] > reading.NOT_READ
    assert len(odds) == len(alone) == 1


@given(st.lists(st.text("ab é漢.", min_size=1, max_size=40), max_size=30))
def test_every_token_belongs_to_the_span_it_begins_in(pieces: list[str]) -> None:
    tokens = networks.tokenizer(packaged.folder())
    text, spans = "", []
    for piece in pieces:
        spans.append((len(text), len(text) + len(piece)))
        text += piece + " | "
    offsets = tokens.encode(text, add_special_tokens=False).offsets
    owner = [
        span for part in encode(tokens, "q", Page("", text, tuple(spans))) for span in part.spans
    ]
    for (start, _), span in zip(offsets, owner, strict=True):
        inside = [n for n, (low, high) in enumerate(spans) if low <= start < high]
        assert inside == ([span] if span >= 0 else [])


@pytest.mark.parametrize("question", ["", "?", "wer " * 400, "東京はどこですか"])
def test_any_question_can_be_read_with(question: str) -> None:
    (odds,) = MiniLMReader().read(question, [NOTICE])
    assert len(odds) == 4


# -- its weights ----------------------------------------------------------------------------------


def test_stored_weights_come_back_within_half_a_step() -> None:
    torch.manual_seed(0)
    state = {
        "bert.embeddings.word": torch.ones(3, 3),
        "bert.layer.weight": torch.randn(5, 7),
        "bert.layer.bias": torch.randn(5),
        "head.weight": torch.randn(2, 7),
    }
    stored = network.packed(state)
    assert stored["bert.layer.weight"].dtype == torch.int8
    back = network.unpacked(stored)
    assert set(back) == {"bert.layer.weight", "bert.layer.bias", "head.weight"}
    step = state["bert.layer.weight"].abs().amax(1, keepdim=True) / 127
    assert ((back["bert.layer.weight"] - state["bert.layer.weight"]).abs() <= step / 2 + 1e-6).all()
    assert torch.equal(back["head.weight"], state["head.weight"])


def test_the_weights_are_those_named_here() -> None:
    path = Path(reading.__file__).parent / reading.WEIGHTS
    assert packaged.sha256(path) == reading.SHA256
    assert path.stat().st_size < 12_000_000


def test_missing_or_changed_weights_are_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match="Install this package again"):
        MiniLMReader(tmp_path / "none.safetensors").read("Who?", [NOTICE])
    path = Path(reading.__file__).parent / reading.WEIGHTS
    changed = load_file(path)
    changed["head.bias"] += 1
    save_file(changed, tmp_path / reading.WEIGHTS)
    monkeypatch.setattr(reading, "files", lambda _: tmp_path)
    reading.load.cache_clear()
    with pytest.raises(ModelError, match="sha256"):
        MiniLMReader().read("Who?", [NOTICE])


def test_numbers_and_bytes_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a processor without exact products of bytes gets, against what others get.

    Over all sentences of 40 articles: one question alone can be off by a whole unit.
    """
    if not networks.multiplies_bytes_exactly():
        pytest.skip("this processor multiplies bytes inexactly, so the reader uses numbers anyway")
    articles = {a["id"]: a for a in practice("articles.jsonl")}
    asked = [q for q in practice("questions.jsonl") if q["answerable"]][::231]
    pages = [(q["question"], whole(articles[q["evidence_ids"][0]])) for q in asked]
    in_bytes = [MiniLMReader().read(question, [shown])[0] for question, shown in pages]
    monkeypatch.setattr(networks, "multiplies_bytes_exactly", lambda: False)
    reading.load.cache_clear()
    in_numbers = [MiniLMReader().read(question, [shown])[0] for question, shown in pages]
    reading.load.cache_clear()
    assert len(pages) >= 40
    assert in_bytes != in_numbers
    pairs = list(zip(in_bytes, in_numbers, strict=True))
    same = [one.index(max(one)) == other.index(max(other)) for one, other in pairs]
    assert sum(same) / len(same) > 0.85
    assert np.corrcoef(np.concatenate(in_bytes), np.concatenate(in_numbers))[0, 1] > 0.98


def test_the_graph_is_the_network_that_was_trained() -> None:
    tokens = networks.tokenizer(packaged.folder())
    trained = network.Reader(packaged.folder()).eval()
    weights = Path(reading.__file__).parent / reading.WEIGHTS
    trained.load_state_dict(network.unpacked(load_file(weights)), strict=False)
    stored = reading.unpacked(networks.mapped(weights))
    exported = networks.Network(
        networks.shipped("reader"), stored | networks.tensors(packaged.folder())
    )
    for part in [*encode(tokens, "Who leads?", NOTICE), *encode(tokens, "", page("Short."))]:
        shown = reading.inputs(part)
        with torch.inference_mode():
            wanted = trained(*(torch.from_numpy(shown[n]) for n in ("ids", "kinds", "mask")))
        for found, expected in zip(exported.run(shown), wanted, strict=True):
            assert found == pytest.approx(expected.numpy(), abs=1e-3)


# -- what it was trained on -----------------------------------------------------------------------


def test_practice_articles_are_fictional_and_their_gold_is_exact() -> None:
    articles = {a["id"]: a for a in practice("articles.jsonl")}
    questions = practice("questions.jsonl")
    assert len({q["id"] for q in questions}) == len(questions) > 6000
    assert all(a["publisher"].endswith("(fictional)") for a in articles.values())
    assert not any("Varnholt" in a["text"] for a in articles.values())
    for q in questions:
        ids = q["evidence_ids"] if q["answerable"] else q["near_miss_ids"]
        text = articles[ids[0]]["text"]
        assert all(span in text for span in q["evidence_spans"])
        assert all(answer in text for answer in q["answers"])
        assert bool(q["answers"]) == bool(q["evidence_spans"]) == q["answerable"]
