"""Each measure against numbers worked out by hand."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval import scoring
from eval.measures import MEASURES, abstention, answers, citations, latency, retrieval
from eval.measures.abstention import Confidences
from eval.measures.evidence import is_right
from eval.types import Case, Outcome, Place, Question, Sentence, Span
from eval.wording import find_all, holds, squad_tokens


def place(article: str, text: str = "nothing", start: int = 0, copies: Any = ()) -> Place:
    return Place(article, start, start + len(text), text, frozenset(copies))


def question(**given: Any) -> Question:
    return Question(
        **{"id": "q", "text": "?", "answers": ("1926",), "evidence_ids": ("gold",)} | given
    )


def ranked(*articles: str, **given: Any) -> Case:
    return Case(question(**given), hits=tuple(place(article) for article in articles))


def said(*sentences: tuple[str, tuple[int, ...]], **given: Any) -> Case:
    """A case with an answer; ``cited`` are its citations by number, the rest is its question."""
    cited = given.pop("cited", {})
    evidence, findable = given.pop("evidence", ()), given.pop("findable", ("1926",))
    outcome = Outcome(True, 0.9, tuple(Sentence(*s) for s in sentences), cited)
    return Case(question(**given), evidence=evidence, findable=findable, outcome=outcome)


REFUSED = Case(question(), outcome=Outcome(False, 0.2))


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("It opened in 1926.", "26", False),
        ("It opened in 1926.", "1926", True),
        ("It cost 14.6 million.", "4.6 million", False),
        ("It cost 4.6 million crowns", "4.6 Million", True),
        ("It cost 4,600 crowns", "4600", True),
        ("Paris-Nice is a race", "Nice", True),
        ("the Great Gatsby", "The Great Gatsby", True),
        ("Who sang? The Who.", "The Who", True),
        ("He lives in the U.S. now", "US", True),
        ("Saint Mary’s church", "Mary's church", True),
        ("on the 26th of May", "26", False),
        ("anything", "", False),
        ("anything", "!?", False),
        ("vitamin A helps", "A", True),
    ],
)
def test_holds(text: str, answer: str, expected: bool) -> None:
    assert holds(text, answer) is expected


def test_squad_normalisation() -> None:
    assert squad_tokens("The  Cat's a hat, an U.S.-hat!") == ["cats", "hat", "ushat"]


def test_find_all() -> None:
    assert find_all("a b a b", "a b") == [(0, 3), (4, 7)]
    assert find_all("one\n two", "one two") == [(0, 8)]
    assert find_all("one", " ") == []


def test_recall_of_any_and_of_all_evidence_articles() -> None:
    case = ranked("x", "gold", "y", "z", "w", "also", evidence_ids=("gold", "also"))
    assert [retrieval.recall_any(case, k).part for k in (1, 3, 5, 10)] == [0, 1, 1, 1]
    assert [retrieval.recall_all(case, k).part for k in (1, 3, 5, 10)] == [0, 0, 0, 1]


def test_a_copy_of_an_evidence_article_is_one() -> None:
    case = Case(question(), hits=(place("reprint", copies=["gold"]),))
    assert retrieval.recall_any(case, 1).part == 1
    assert retrieval.recall_all(case, 1).part == 1


def test_recall_at_evidence_level() -> None:
    # The first hit is from the evidence article but holds neither span nor answer; the third does.
    hits = (place("gold", "x" * 50), place("other", "in 1926"), place("gold", "y" * 50, 100))
    case = Case(question(), evidence=(Span("gold", 110, 130),), hits=hits)
    assert [retrieval.recall_evidence(case, k).part for k in (1, 3)] == [0, 1]


def test_mrr_and_ndcg() -> None:
    case = ranked("x", "gold", "gold", "also", evidence_ids=("gold", "also"))
    [[mrr, ndcg]] = retrieval.ranking_shares([case], *retrieval.RANKINGS[0][1:])
    assert mrr.part == pytest.approx(1 / 2)
    gain = 1 / math.log2(3) + 1 / math.log2(5)  # ranks 2 and 4; gold's second passage gains nothing
    assert ndcg.part == pytest.approx(gain / (1 / math.log2(2) + 1 / math.log2(3)))


def test_mrr_and_ndcg_end_at_rank_10() -> None:
    case = ranked(*(f"x{n}" for n in range(10)), "gold")
    [[mrr, ndcg]] = retrieval.ranking_shares([case], *retrieval.RANKINGS[0][1:])
    assert (mrr, ndcg) == ((0, 1), (0, 1))


def test_ndcg_uses_grades() -> None:
    case = ranked("low", "high", evidence_ids=("low", "high"), grades={"low": 1, "high": 2})
    [[_, ndcg]] = retrieval.ranking_shares([case], *retrieval.RANKINGS[0][1:])
    assert ndcg.part == pytest.approx((1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)))


def test_only_answerable_questions_with_evidence_count_for_retrieval() -> None:
    cases = [
        ranked("gold"),
        ranked("x", id="u", answerable=False),
        ranked("x", id="n", evidence_ids=()),
    ]
    scores = scoring.score(cases)
    column = [c.name for c in scores.columns].index("recall@1")
    assert list(scores.wholes[:, column]) == [1, 0, 0]
    assert scores.totals()[column] == 1


def test_a_passage_is_right_by_overlap_or_by_answer_in_the_right_article() -> None:
    case = Case(question(), evidence=(Span("gold", 100, 200),))
    assert is_right(case, place("gold", "x" * 100, 150))  # shares 50 of 100
    assert not is_right(case, place("gold", "x" * 100, 151))
    assert is_right(case, place("gold", "x" * 10, 100))  # whole, though short
    assert is_right(case, place("gold", "opened in 1926"))
    assert not is_right(case, place("other", "opened in 1926"))


def test_in_a_copy_the_words_of_the_evidence_count() -> None:
    case = Case(question(evidence_spans=("It opened\nthen.",), answers=()))
    assert is_right(case, place("reprint", "Yes. It opened then. So.", copies=["gold"]))
    assert not is_right(case, place("reprint", "It closed.", copies=["gold"]))


def test_contains_answer() -> None:
    assert answers.contains_answer(said(("It was built in 1926.", ()))).part == 1
    assert answers.contains_answer(said(("It was built in 1927.", ()))).part == 0
    assert answers.contains_answer(REFUSED).part == 0


def test_exact_match() -> None:
    assert answers.exact_match(said(("the 1926!", ()))).part == 1
    assert answers.exact_match(said(("in 1926", ()))).part == 0
    assert answers.exact_match(REFUSED).part == 0


def test_token_f1_is_the_best_over_golds() -> None:
    case = said(("red big cat", ()), answers=("dog", "big cat sat down"))
    # 2 shared of 3 given and 4 gold: 2 * 2 / 7.
    assert answers.token_f1(case).part == pytest.approx(4 / 7)
    assert answers.token_f1(REFUSED).part == 0


def test_rouge_l() -> None:
    case = said(("police killed the gunman", ()), answers=("police kill the gunman",))
    assert answers.rouge_l(case).part == pytest.approx(3 / 4)  # Lin 2004, section 3.1
    backwards = said(("the gunman kill police", ()), answers=("police kill the gunman",))
    assert answers.rouge_l(backwards).part == pytest.approx(2 / 4)


def test_long_form_is_told_by_type_or_by_length() -> None:
    assert question(type="long-form").long_form
    assert question(answers=("word " * 13,)).long_form
    assert not question(answers=("word " * 13, "word")).long_form
    assert not question(answers=()).long_form


def test_answered_and_cited_wants_both_in_one_sentence() -> None:
    cited = {1: place("gold", "Built in 1926."), 2: place("other", "Built in 1926.")}
    assert answers.answered_and_cited(said(("Built in 1926.", (1,)), cited=cited)).part == 1
    assert answers.answered_and_cited(said(("Built in 1926.", (2,)), cited=cited)).part == 0
    apart = said(("Built in 1926.", (2,)), ("It is old.", (1,)), cited=cited)
    assert answers.answered_and_cited(apart).part == 0
    assert answers.answered_and_cited(REFUSED).part == 0


def test_citation_precision_recall_and_span_equality() -> None:
    cited = {1: place("gold", "in 1926"), 2: place("gold", "no", 90), 3: place("other", "in 1926")}
    case = said(("A.", (1, 2)), ("B.", (3,)), cited=cited)
    assert citations.citation_precision(case) == (1, 3)
    assert citations.citation_recall(case) == (1, 2)
    outcome = Outcome(True, 1, exact=(True, True, False))
    assert citations.span_exact(Case(question(), outcome=outcome)) == (2, 3)


def test_citations_count_only_where_answered_and_evidence_is_known() -> None:
    [precision] = [m for m in MEASURES if m.name == "citation_precision"]
    cited = {1: place("gold", "in 1926")}
    assert precision.of(said(("A.", (1,)), cited=cited)) == (1, 1)
    assert precision.of(REFUSED).whole == 0
    assert precision.of(said(("A.", (1,)), cited=cited, answerable=False)).whole == 0
    assert precision.of(said(("A.", (1,)), cited=cited, evidence_ids=())).whole == 0
    assert precision.of(said(("A.", (1,)), cited=cited, findable=())).whole == 0


def test_correct() -> None:
    assert answers.is_correct(said(("In 1926.", ())))
    assert not answers.is_correct(said(("In 1926.", ()), answerable=False))
    assert not answers.is_correct(REFUSED)
    long = said(("So.", (1,)), cited={1: place("gold", "xx", 5)}, answers=("long " * 20,))
    assert answers.is_correct(long)  # no span is known: the article decides
    elsewhere = said(
        ("So.", (1,)), cited={1: place("gold", "xx", 5)}, answers=("long " * 20,),
        evidence=(Span("gold", 50, 60),),
    )  # fmt: skip
    assert not answers.is_correct(elsewhere)


def abstaining() -> list[Case]:
    """Answerable: two right, one refused, one crashed; unanswerable: two refused, one answered."""
    no = {"answerable": False, "answers": (), "evidence_ids": ()}
    return [
        said(("1926", ()), id="a1"),
        said(("1926", ()), id="a2"),
        Case(question(id="a3"), outcome=Outcome(False, 0.2)),
        Case(question(id="a4"), error="boom"),
        Case(question(id="u1", **no), outcome=Outcome(False, 0.1)),
        Case(question(id="u2", **no), outcome=Outcome(False, 0.3)),
        Case(question(id="u3", **no), outcome=Outcome(True, 0.9, (Sentence("x", ()),))),
    ]


def test_abstention_and_declared_defaults() -> None:
    summary = scoring.summarise(abstaining(), {})
    found = summary["abstention"]
    assert found["precision"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["recall"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["false_refusal_rate"] == pytest.approx(2 / 4)  # the crash counts as refused
    assert found["correct"] == pytest.approx(4 / 7, abs=1e-6)
    assert summary["answers"]["contains_answer"] == pytest.approx(2 / 4)
    assert summary["failed"] == 1
    # Answerable 0.9 0.9 0.2 0.0 against 0.1 0.3 0.9: (2.5 + 2.5 + 1 + 0) of 12 pairs.
    assert found["auroc"] == pytest.approx(6 / 12)


def test_auroc() -> None:
    score = np.array([0.9, 0.4, 0.4, 0.1])
    positive = np.array([True, True, False, False])
    assert abstention.auroc(score, positive) == pytest.approx(3.5 / 4)
    assert math.isnan(abstention.auroc(score, positive | True))
    weights = np.array([[1.0, 1, 1, 1], [2, 0, 1, 0], [0, 3, 1, 1]])
    assert abstention.auroc(score, positive, weights) == pytest.approx([3.5 / 4, 1, 1.5 / 2])


def given(*rows: tuple[float, bool, bool]) -> Confidences:
    """Confidence, answered, correct."""
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Confidences(columns[0], np.ones(len(rows), dtype=bool), columns[1], columns[2])


def test_risk_and_coverage() -> None:
    rows = given((0.9, True, True), (0.8, True, False), (0.8, True, True), (0.1, False, False))
    coverage, risk = abstention.risk_coverage(rows)
    assert list(coverage) == [0.25, 0.75]  # the two of 0.8 come in together
    assert list(risk) == pytest.approx([0, 1 / 3])
    assert abstention.risk_coverage_area(rows) == pytest.approx((0.25 * 0 + 0.5 / 3) / 0.75)
    assert abstention.risk_coverage_area(given((0.1, False, False))) is None


def test_calibration() -> None:
    rows = given((0.95, True, True), (0.91, True, True), (0.45, True, False), (0.1, False, False))
    assert [(b["from"], b["answers"], b["correct"]) for b in abstention.reliability(rows)] == [
        (0.4, 1, 0.0),
        (0.9, 2, 1.0),
    ]
    assert abstention.calibration_error(rows) == pytest.approx((0.45 * 1 + 0.07 * 2) / 3)
    assert abstention.calibration_error(given((0.1, False, False))) is None


def test_latency_leaves_failures_out() -> None:
    times = [Case(question(), timings_ms={"search": ms, "total": 2 * ms}) for ms in (10, 20, 30)]
    failed = Case(question(), error="boom", timings_ms={"search": 1e6})
    found = latency.latency([*times, failed])
    assert (found["p50"], found["p95"]) == (40.0, 58.0)
    assert found["stages"]["search"] == {"p50": 20.0, "p95": 29.0}
    assert latency.latency([])["p50"] is None


def test_usage_is_summed() -> None:
    case = Case(question(), outcome=Outcome(True, 1, usage={"prompt_tokens": 5, "cost": 0.5}))
    assert latency.usage([case, case]) == {"prompt_tokens": 10, "cost": 1.0}


def test_a_summary_of_retrieval_alone_has_no_answers() -> None:
    case = Case(question(), hits=(place("gold"),), retrieval_only=True)
    summary = scoring.summarise([case], {})
    assert summary["retrieval"]["recall@1"] == 1
    assert set(summary["answers"].values()) == {None}
    assert summary["abstention"]["auroc"] is None
    assert summary["confidence"]["recall@1"] == [1, 1]
    assert "contains_answer" not in summary["confidence"]


def test_awkward_questions_break_nothing() -> None:
    odd = [
        said(("x", ()), id="1", answers=(), evidence_ids=(), type="partial"),
        said(("x", ()), id="2", answers=(), type="underspecified", answerable=False),
        Case(question(id="3", answers=("",)), outcome=Outcome(True, 0.5)),
        Case(question(id="4", evidence_ids=(), answers=()), error="boom"),
    ]
    assert scoring.summarise(odd, {})["cases"] == 4


def test_intervals_are_seeded() -> None:
    cases = [said(("1926" if n % 3 else "no", ()), id=str(n)) for n in range(60)]
    first, again, other = (
        scoring.summarise(cases, {}, seed)["confidence"]["contains_answer"] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    low, high = first
    # Two thirds of 60: a standard error of 0.061 makes 0.55 to 0.79.
    assert low == pytest.approx(0.547, abs=0.03)
    assert high == pytest.approx(0.786, abs=0.03)


def test_every_measure_says_what_it_is() -> None:
    names = [measure.name for measure in MEASURES]
    assert len(set(names)) == len(names)
    for module in (retrieval, answers, citations, abstention, latency):
        assert module.__doc__


def test_the_readme_defines_every_measure() -> None:
    text = (Path(__file__).parents[1] / "eval" / "README.md").read_text(encoding="utf-8")
    summary = scoring.summarise([ranked("gold")], {})
    for group in ("retrieval", "answers", "abstention"):
        for key in summary[group]:
            name = re.sub(r"(recall\w*@)\d+", r"\1k", key)
            assert f"`{name}`" in text, name
