"""What the measures of a report mean, in a few words each, and the table by type of question."""

from __future__ import annotations

from eval.types import Record

MEANINGS = {
    "recall@1": "the first passage is from an evidence article",
    "recall@5": "one of the first 5 passages is from an evidence article",
    "recall@10": "one of the first 10 passages is from an evidence article",
    "recall_evidence@5": "one of the first 5 passages holds the evidence itself",
    "mrr@10": "1 over the rank of the first passage from an evidence article",
    "ndcg@10": "evidence articles near the top, discounted by rank",
    "contains_answer": "a gold answer stands in the answer, word for word",
    "answered_and_cited": "a sentence holds a gold answer and cites its evidence",
    "token_f1": "words shared with the gold answer (SQuAD)",
    "rouge_l": "longest common subsequence with a long gold answer",
    "citation_precision": "share of citations that are evidence",
    "citation_recall": "share of answer sentences that cite evidence",
    "span_exact": "share of citations whose span is their quote",
    "abstention_precision": "of the refusals, the share that was due",
    "abstention_recall": "of the unanswerable questions, the share refused",
    "abstention_false_refusal_rate": "of the answerable questions, the share refused",
    "auroc": "chance that an answerable question has the higher confidence",
    "abstention_correct": "a right answer, or a refusal where there is none",
    "both_sides": "where articles differ: the answer gives at least two of the values, cited",
    "false_alarm": "where articles agree: the answer says that they differ (less is better)",
    "newest_correct": "questions about now: the newest value, and no older one",
    "past_correct": "questions about another time: the value of then, and no other",
    "relative_correct": "dates that an article gives as “on Tuesday”: the day itself",
}

COLUMNS = {
    "recall@1": "recall@1",
    "recall@5": "recall@5",
    "mrr@10": "MRR@10",
    "contains_answer": "contains answer",
    "answered_and_cited": "answered and cited",
    "rouge_l": "ROUGE\u2011L",
    "citation_precision": "citation precision",
    "abstention_false_refusal_rate": "refused wrongly",
    "abstention_recall": "refused rightly",
    "abstention_correct": "right",
}


def type_rows(summary: Record) -> list[tuple[str, int, list[float | None]]]:
    """Type, cases, and the columns' values, None where no case counts."""
    return [
        (kind, found["cases"], [found.get(name) for name in COLUMNS])
        for kind, found in summary["types"].items()
    ]
