"""What to say of one case, in the words that the reports filter by."""

from __future__ import annotations

from collections.abc import Iterator

from eval.measures.abstention import is_refused
from eval.measures.answers import is_correct
from eval.measures.citations import citation_precision
from eval.measures.evidence import has_evidence, has_known_place
from eval.measures.retrieval import recall_any
from eval.types import Case

FOUND_WITHIN = 10  # passages; evidence beyond them never reaches an answer

# In the order of the filter buttons, each with what it means.
VERDICTS = {
    "right": "a right answer, or a refusal where there is none",
    "wrong": "answered, and the answer is not a gold answer",
    "refused wrongly": "answerable, and refused",
    "answered wrongly": "not answerable, and answered",
    "cited wrongly": "answered with a citation that is no evidence",
    "not found": f"no passage of an evidence article among the first {FOUND_WITHIN}",
    "failed": "an error",
}
BAD = ("wrong", "refused wrongly", "answered wrongly", "failed")


def verdicts(case: Case) -> list[str]:
    """Every verdict that fits the case."""
    found = set(_all(case))
    return [verdict for verdict in VERDICTS if verdict in found]


def _all(case: Case) -> Iterator[str]:
    if case.error is not None:
        yield "failed"
        return
    if has_evidence(case) and not recall_any(case, FOUND_WITHIN).part:
        yield "not found"
    if case.retrieval_only:
        return
    yield _of_answer(case)
    part, whole = citation_precision(case)
    if case.answered and has_known_place(case) and part < whole:
        yield "cited wrongly"


def _of_answer(case: Case) -> str:
    if not case.question.answerable:
        return "right" if is_refused(case) else "answered wrongly"
    if is_refused(case):
        return "refused wrongly"
    return "right" if is_correct(case) else "wrong"
