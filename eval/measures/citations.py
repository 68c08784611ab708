"""Citations: does what is cited bear the answer out, and is it really there?

Precision and recall after ALCE (Gao et al. 2023), with gold evidence in the place of an entailment
model. They are over answerable questions that were answered and whose evidence is known.
"""

from __future__ import annotations

from eval.measures.evidence import has_known_place, is_right
from eval.measures.measure import Measure, Share
from eval.types import Case


def citation_precision(case: Case) -> Share:
    """citation_precision: the share of citations that are right.

    Right: the quote lies in an evidence article and overlaps a gold span or holds a gold answer.
    """
    cited = case.outcome.citations.values() if case.outcome else ()
    return Share(sum(is_right(case, place) for place in cited), len(cited))


def citation_recall(case: Case) -> Share:
    """citation_recall: the share of answer sentences that have a right citation."""
    outcome = case.outcome
    if outcome is None:
        return Share(0, 0)
    right = {number for number, place in outcome.citations.items() if is_right(case, place)}
    borne_out = sum(not right.isdisjoint(sentence.citations) for sentence in outcome.sentences)
    return Share(borne_out, len(outcome.sentences))


def span_exact(case: Case) -> Share:
    """span_exact: the share of citations whose ``article.text[start:end]`` is the quote."""
    exact = case.outcome.exact if case.outcome else ()
    return Share(sum(exact), len(exact))


def _is_answered(case: Case) -> bool:
    return case.answered and has_known_place(case)


MEASURES = [
    Measure("answers", "citation_precision", citation_precision, _is_answered, default=None),
    Measure("answers", "citation_recall", citation_recall, _is_answered, default=None),
    Measure("answers", "span_exact", span_exact, lambda c: c.answered, default=None),
]
