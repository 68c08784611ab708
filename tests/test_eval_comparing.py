"""Comparing two runs and holding one to a baseline, on made-up scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval import comparing, gating, resampling, scoring
from eval.scoring import Scores
from eval.types import Case, Outcome, Place, Question, Record, Sentence
from qa.errors import InputError

RUN: Record = {
    "name": "made up",
    "set": {"sha256": "a", "questions": 40},
    "settings": {"retrieval_only": False, "seed": 0},
    "version": "1",
}


def case(number: int, right: bool, *, exact: bool = True, confidence: float = 0.9) -> Case:
    """An answerable question that was answered rightly or wrongly, each with one citation."""
    question = Question(f"q{number}", "?", answers=("yes",), evidence_ids=("gold",))
    text = "yes" if right else "no"
    cited = {1: Place("gold", 0, len(text), text)}
    outcome = Outcome(True, confidence, (Sentence(text, (1,)),), cited, (exact,))
    return Case(question, findable=("yes",), outcome=outcome, hits=(Place("gold", 0, 3, text),))


def scores(right: int, of: int = 40, **given: Any) -> Scores:
    return scoring.score([case(n, n < right, **given) for n in range(of)])


def by_name(found: list[comparing.Difference]) -> dict[str, comparing.Difference]:
    return {each.name: each for each in found}


def test_a_clear_loss() -> None:
    found = by_name(comparing.compare(scores(30), scores(20)))["contains_answer"]
    assert (found.before, found.after, found.difference) == (0.75, 0.5, -0.25)
    assert found.lost == tuple(f"q{n}" for n in range(20, 30))
    assert found.won == ()
    # All ten changes are losses: by chance 2 * 0.5 ** 10.
    assert found.p == pytest.approx(2 * 0.5**10, abs=1.5e-3)
    assert found.interval
    assert found.interval[1] < 0
    assert found.verdict == "worse"


def test_a_loss_within_the_noise() -> None:
    found = by_name(comparing.compare(scores(30), scores(28)))["contains_answer"]
    assert found.p == pytest.approx(0.5, abs=0.03)  # two coins that fall alike
    assert found.verdict == "noise"


def test_nothing_has_changed() -> None:
    for each in comparing.compare(scores(30), scores(30)):
        assert (each.difference, each.p, each.verdict) == (0, 1, "noise")
        assert each.won == each.lost == ()


def test_fewer_refusals_are_a_win() -> None:
    refused = [Case(case(n, True).question, outcome=Outcome(False, 0.1)) for n in range(40)]
    found = by_name(comparing.compare(scoring.score(refused), scores(40)))
    rate = found["abstention_false_refusal_rate"]
    assert (rate.before, rate.after, rate.verdict, len(rate.won)) == (1, 0, "better", 40)
    assert "citation_precision" not in found  # nothing was cited before


def test_only_shared_questions_count_whatever_their_order() -> None:
    first = scoring.score([case(n, True) for n in range(10)])
    second = scoring.score([case(n, n != 7) for n in reversed(range(5, 20))])
    found = by_name(comparing.compare(first, second))["contains_answer"]
    assert (found.questions, found.after, found.lost) == (5, 0.8, ("q7",))
    with pytest.raises(InputError, match="no question in common"):
        comparing.compare(first, scoring.score([case(99, True)]))


def mixed(confident: bool) -> Scores:
    """Answerable and other questions; a confidence that tells them apart, or does not."""
    no = [
        Case(
            Question(f"u{n}", "?", answerable=False),
            outcome=Outcome(False, 0.1 if confident else 0.9),
        )
        for n in range(20)
    ]
    return scoring.score([*(case(n, True, confidence=0.5) for n in range(20)), *no])


def test_auroc_is_compared_too() -> None:
    found = by_name(comparing.compare(mixed(True), mixed(False)))["auroc"]
    assert (found.before, found.after, found.verdict) == (1, 0, "worse")
    assert found.p < 0.001


def test_the_same_seed_gives_the_same() -> None:
    one, two = (comparing.compare(scores(30), scores(25), seed=3) for _ in range(2))
    assert one == two


def test_resampling_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = list(resampling.draws(7, seed=1, resamples=5))
    assert np.concatenate(blocks).sum(axis=1).tolist() == [7] * 5
    monkeypatch.setattr(resampling, "_BLOCK_CELLS", 14)
    assert [len(block) for block in resampling.swaps(7, seed=1, permutations=5)] == [2, 2, 1]
    assert resampling.interval(np.array([np.nan])) is None
    assert resampling.p_value(0.5, np.array([0.5, -0.6, 0.1, np.nan])) == 3 / 4


def test_a_run_passes_its_own_baseline(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "baseline.json"
    gating.write_baseline(path, scores(30), RUN)
    found = gating.check(scores(30), RUN, path)
    assert gating.losses(found) == []
    assert {each.p for each in found} == {1}
    assert json.loads(path.read_text())["values"]["contains_answer"] == 0.75
    assert path.stat().st_size < 12_000


def test_a_baseline_reads_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    before = mixed(True)
    gating.write_baseline(path, before, RUN)
    after, record = gating.read_baseline(path, before.columns)
    expected = before.only(gating.GATED)
    assert record["name"] == "made up"
    assert after.ids == expected.ids
    assert [c.name for c in after.columns] == [c.name for c in expected.columns]
    assert np.array_equal(after.wholes, expected.wholes)
    assert np.array_equal(after.parts, expected.parts)
    assert np.array_equal(after.answerable, expected.answerable)


def test_the_gate_holds(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    gating.write_baseline(path, scores(30), RUN)
    lost = [each.name for each in gating.losses(gating.check(scores(20), RUN, path))]
    assert "contains_answer" in lost
    assert "recall@1" not in lost
    assert gating.losses(gating.check(scores(28), RUN, path)) == []
    assert gating.losses(gating.check(scores(40), RUN, path)) == []


def test_a_single_span_that_is_not_exact_fails(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    gating.write_baseline(path, scores(30), RUN)
    one = scoring.score([case(n, n < 30, exact=n != 3) for n in range(40)])
    assert [each.name for each in gating.losses(gating.check(one, RUN, path))] == ["span_exact"]


def test_what_cannot_be_held_against_each_other_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    with pytest.raises(InputError, match="--write-baseline"):
        gating.check(scores(1), RUN, path)
    gating.write_baseline(path, scores(30), RUN)
    with pytest.raises(InputError, match="lacks 30 questions"):
        gating.check(scores(1, of=10), RUN, path)
    with pytest.raises(InputError, match="another set"):
        gating.check(scores(1), RUN | {"set": {}}, path)
    with pytest.raises(InputError, match="another retrieval_only"):
        gating.check(scores(1), RUN | {"settings": {"retrieval_only": True}}, path)
    path.write_text("[]")
    with pytest.raises(InputError, match="is no baseline"):
        gating.check(scores(1), RUN, path)
