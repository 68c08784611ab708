"""The training scripts: gold, batches and losses on cases small enough to check by hand."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from eval.training import network, reader, sets
from eval.training.reader import Batch, Group, Sheet
from eval.training.sets import Asked, Case
from qa import networks, packaged, selection
from qa.questions import analyse
from qa.types import Article, Hit, Passage

BRIDGE = Article(
    "bridge", "Bridge", "The bridge was shut in 2020. It opened on 4 May 2021. Boats pass below."
)
OTHER = Article("other", "Ferry", "The ferry runs daily. It started on 4 May 2021.")


class NoWords:
    """Statistics of a library without words."""

    def document_count(self) -> int:
        return 0

    def document_frequency(self, word: str) -> int:
        del word
        return 0


def hit(article: Article) -> Hit:
    return Hit(Passage(article.id, article.id, 0, len(article.text), article.text), article, 1.0)


def asked(case: Case, *articles: Article) -> Asked:
    weighted = selection.weigh(analyse(case.question), NoWords())
    return Asked(case, [hit(article) for article in articles], weighted)


def case(**changes: object) -> Case:
    gold = {
        "answers": ("4 May 2021",),
        "spans": ("It opened on 4 May 2021.",),
        "articles": ("bridge",),
        "answerable": True,
    } | changes
    return Case("q", "When did the bridge open?", group="bridge", **gold)  # type: ignore[arg-type]


def test_only_the_words_of_the_answer_count_in_a_right_sentence() -> None:
    tokens = networks.tokenizer(packaged.folder())
    group = reader.group_of(asked(case(), BRIDGE), tokens)
    assert group
    (sheet,) = group.sheets
    text = tokens.encode(BRIDGE.text, add_special_tokens=False).tokens
    marks = set(zip(text, sheet.gold[-1 - len(text) : -1], strict=True))
    assert {token for token, mark in marks if mark == 1} == {"4", "may", "2021"}
    assert ("opened", -1) in marks
    assert ("boats", 0) in marks


def test_a_passage_that_may_hold_the_answer_elsewhere_is_not_called_wrong() -> None:
    tokens = networks.tokenizer(packaged.folder())
    group = reader.group_of(asked(case(), BRIDGE, OTHER), tokens)
    assert group
    assert len(group.sheets) == 1
    plain = Article("plain", "Ferry", "The ferry runs daily. It is slow.")
    group = reader.group_of(asked(case(), BRIDGE, plain), tokens)
    assert group
    assert [1 in sheet.gold for sheet in group.sheets] == [True, False]


def test_an_unanswerable_question_learns_only_from_where_somebody_looked() -> None:
    tokens = networks.tokenizer(packaged.folder())
    silent = case(answerable=False, answers=(), spans=(), articles=(), near_misses=("bridge",))
    group = reader.group_of(asked(silent, OTHER, BRIDGE), tokens)
    assert group
    (sheet,) = group.sheets
    assert set(sheet.gold) == {-1, 0}
    assert tokens.decode(sheet.ids).endswith("boats pass below.")
    assert reader.group_of(asked(case(), OTHER), tokens) is None


def test_the_loss_is_the_sum_of_both_by_hand() -> None:
    """Two passages of two tokens; all scores 0 but the answer's, 1."""
    made = Batch(
        ids=torch.zeros(2, 2),
        kinds=torch.zeros(2, 2),
        mask=torch.ones(2, 2),
        gold=torch.tensor([[1, 0], [0, -1]]),
        group=torch.tensor([0, 0]),
    )
    scores = torch.tensor([[1.0, 0.0], [0.0, 9.0]])
    loss = reader.loss_of(scores, torch.zeros(2), made)
    right = math.log(math.e + 2) - 1  # against one wrong token and nothing
    wrong = math.log(2)  # nothing against one token; the other does not count
    ranked = math.log(math.e + 2) - 1  # against the wrong tokens of both
    assert loss.item() == pytest.approx((right + wrong) / 2 + reader.RANKING * ranked, abs=1e-5)


def groups() -> list[Group]:
    chance = random.Random(3)
    return [
        Group([Sheet([1] * chance.randint(5, 90), 3, [0] * 90) for _ in range(3)])
        for _ in range(200)
    ]


def test_every_group_is_in_one_batch_of_bounded_size() -> None:
    made = groups()
    found = reader.batches(made, random.Random(0))
    assert sorted(id(g) for batch in found for g in batch) == sorted(id(g) for g in made)
    assert all(sum(g.tokens for g in batch) <= reader.BATCH_TOKENS for batch in found)


def test_hidden_words_are_the_questions_and_the_same_in_all_its_passages() -> None:
    sheets = [Sheet([101, 7, 8, 9, 102, 5, 102], 5, [-1] * 5 + [0, -1])] * 3
    for seed in range(20):
        made = reader.collate([Group(sheets)], 103, random.Random(seed))
        hidden = (made.ids == 103).nonzero()[:, 1]
        assert set(hidden.tolist()) <= {1, 2, 3}
        assert (made.ids == made.ids[0]).all()


def test_passages_are_scored_in_the_order_given() -> None:
    class Lengths(torch.nn.Module):
        def forward(
            self, ids: torch.Tensor, kinds: torch.Tensor, mask: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor]:
            del kinds
            return ids.float(), mask.sum(1).float()

    sheets = [Sheet([n] * n, 1, [0] * n) for n in (7, 3, 9, 4, 8)]
    made = reader.collate([Group(sheets)], 103, random.Random(0))
    scores, nothing = reader.forward(Lengths(), made)
    assert nothing.tolist() == [7, 3, 9, 4, 8]
    assert torch.equal(scores, made.ids.float())


def test_weights_are_averaged_by_their_shares(tmp_path: Path) -> None:
    for name, value in (("a", 1.0), ("b", 3.0)):
        state = {"bert.layer": torch.full((2, 2), value), "head.bias": torch.tensor([value])}
        save_file(network.packed(state), tmp_path / name)
    mean = reader.mean_of([f"{tmp_path / 'a'}:0.25", f"{tmp_path / 'b'}:0.75"])
    assert torch.allclose(mean["bert.layer"], torch.full((2, 2), 2.5), atol=0.02)
    assert mean["head.bias"].item() == pytest.approx(2.5)


def test_held_out_articles_are_never_learned_from() -> None:
    names = [f"article {n}" for n in range(4000)]
    for name, share in (("tsqa-wiki", 1 / 2), ("practice", 1 / 8), ("selqa", 0)):
        held = [sets.is_held_out(name, Case("q", "?", (), (), (), n, True)) for n in names]
        assert sum(held) / len(held) == pytest.approx(share, abs=0.02)
