"""Retrieval: are the articles, and the passages, that hold the answer among the first hits?

Only answerable questions that name evidence count. A hit is a passage; several may come from one
article. A question that failed counts 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from eval.measures.evidence import has_evidence, has_known_place, is_evidence_article, is_right
from eval.measures.measure import OUT, Measure, Predicate, Share, yes
from eval.types import Case, Place

DEPTHS = (1, 3, 5, 10, 20)
CUTOFF = 10
_OTHER = "\t"  # begins the name of a passage that is no evidence; no article id holds one

Relevant = Callable[[Case, Place], bool]


def recall_any(case: Case, k: int) -> Share:
    """recall@k: one of the first k passages comes from any evidence article.

    The success rate of Manning et al. 2008, ch. 8, called recall@k in open-domain question
    answering (Karpukhin et al. 2020, top-k accuracy).
    """
    return yes(any(is_evidence_article(case, hit) for hit in case.hits[:k]))


def recall_all(case: Case, k: int) -> Share:
    """recall_all@k: every evidence article has a passage among the first k.

    As in multi-hop retrieval (Qi et al. 2021): half of the evidence is none.
    """
    seen = frozenset().union(*(hit.articles for hit in case.hits[:k]))
    return yes(seen.issuperset(case.question.evidence_ids))


def recall_evidence(case: Case, k: int) -> Share:
    """recall_evidence@k: one of the first k passages holds the evidence, not only its article.

    It lies in an evidence article and overlaps a gold span or holds a gold answer.
    """
    return yes(any(is_right(case, hit) for hit in case.hits[:k]))


def ranking_shares(
    cases: Sequence[Case], relevant: Relevant, applies: Predicate
) -> list[list[Share]]:
    """MRR@10 and nDCG@10 of each case, computed by ir-measures (MacAvaney et al. 2022).

    MRR@10: 1 over the rank of the first relevant passage, 0 beyond rank 10 (Voorhees 1999).
    nDCG@10: gains of the evidence articles, each counted at the rank of its first relevant passage,
    discounted by log2(rank + 1) and divided by the best possible sum (Järvelin and Kekäläinen
    2002). A case that does not apply gets two empty shares.
    """
    import ir_measures
    from ir_measures import RR, nDCG

    measures = (RR @ CUTOFF, nDCG @ CUTOFF)
    counted = [case for case in cases if applies(case)]
    qrels = [
        ir_measures.Qrel(case.id, article, case.question.grades.get(article, 1))
        for case in counted
        for article in case.question.evidence_ids
    ]
    run = [
        ir_measures.ScoredDoc(case.id, document, -float(rank))
        for case in counted
        for rank, document in enumerate(_documents(case, relevant))
    ]
    found: dict[str, dict[str, float]] = {case.id: {} for case in counted}
    if counted:
        for metric in ir_measures.iter_calc(measures, qrels, run):
            found[metric.query_id][str(metric.measure)] = metric.value
    return [_ranking_share(found.get(case.id), [str(m) for m in measures]) for case in cases]


def _ranking_share(found: dict[str, float] | None, names: Sequence[str]) -> list[Share]:
    return [OUT if found is None else Share(found.get(name, 0.0)) for name in names]


def _documents(case: Case, relevant: Relevant) -> list[str]:
    """The hits as names: of an evidence article at its first relevant passage, else unique."""
    names: list[str] = []
    for rank, hit in enumerate(case.hits):
        articles = hit.articles.intersection(case.question.evidence_ids).difference(names)
        is_first = bool(articles) and relevant(case, hit)
        names.append(min(articles) if is_first else f"{_OTHER}{rank}")
    return names


def _at(kind: str, share: Callable[..., Share], applies: Predicate) -> list[Measure]:
    return [Measure("retrieval", f"{kind}@{k}", partial(share, k=k), applies) for k in DEPTHS]


MEASURES = [
    *_at("recall", recall_any, has_evidence),
    *_at("recall_all", recall_all, has_evidence),
    *_at("recall_evidence", recall_evidence, has_known_place),
]

# What ir-measures computes for all cases at once: names, what is relevant, which cases count.
RANKINGS: list[tuple[tuple[str, str], Relevant, Predicate]] = [
    (("mrr@10", "ndcg@10"), is_evidence_article, has_evidence),
    (("mrr_evidence@10", "ndcg_evidence@10"), is_right, has_known_place),
]
