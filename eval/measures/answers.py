"""Answers: does the answer say what gold says?

Over answerable questions that have gold answers; a refusal and a failure count 0. The words of an
answer are its sentences without their markers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eval.measures.evidence import has_evidence, has_known_place, is_evidence_article, is_right
from eval.measures.measure import Measure, Share, yes
from eval.types import Case, Outcome, Sentence
from eval.wording import holds_any, rouge_tokens, squad_tokens


def contains_answer(case: Case) -> Share:
    """contains_answer: the words of a gold answer stand in the answer, whole and in order.

    Case, a/an/the and punctuation aside ("26" is not in "1926"). Says little for long-form gold.
    """
    return yes(holds_any(case.text, case.question.answers))


def exact_match(case: Case) -> Share:
    """exact_match: the answer is a gold answer, word for word (SQuAD, Rajpurkar et al. 2016)."""
    given = squad_tokens(case.text)
    return yes(case.answered and any(given == squad_tokens(a) for a in case.question.answers))


def token_f1(case: Case) -> Share:
    """token_f1: harmonic mean of precision and recall of the answer's words (SQuAD).

    The best over the gold answers. An answer of whole sentences is long, so this stays low.
    """
    given = squad_tokens(case.text)
    return Share(max((_f1(given, squad_tokens(a)) for a in case.question.answers), default=0.0))


def rouge_l(case: Case) -> Share:
    """rouge_l: F1 of the longest common subsequence of words (Lin 2004), the best over gold.

    Only for long-form questions; words are lower-case and not stemmed.
    """
    given = rouge_tokens(case.text)
    golds = [rouge_tokens(answer) for answer in case.question.answers]
    return Share(max((_rouge_l(given, gold) for gold in golds), default=0.0))


def answered_and_cited(case: Case) -> Share:
    """answered_and_cited: a sentence holds a gold answer and cites evidence for it.

    The headline: only this is of use to a reader who checks.
    """
    outcome = case.outcome
    if outcome is None or not outcome.answered:
        return yes(False)
    return yes(any(_holds_and_cites(case, outcome, sentence) for sentence in outcome.sentences))


def is_correct(case: Case) -> bool:
    """Whether an answer counts as right where it must be one or the other.

    A gold answer stands in it; for long-form questions also: it cites the gold evidence (or, where
    no span is known, an evidence article). An answer to an unanswerable question is wrong.
    """
    outcome, question = case.outcome, case.question
    if outcome is None or not outcome.answered or not question.answerable:
        return False
    if holds_any(outcome.text, question.answers):
        return True
    right = is_right if case.evidence else is_evidence_article
    judged_by_evidence = question.long_form or not question.answers
    return judged_by_evidence and any(right(case, c) for c in outcome.citations.values())


def has_answers(case: Case) -> bool:
    """Answers were wanted, and gold has some."""
    return not case.retrieval_only and case.question.answerable and bool(case.question.answers)


def _holds_and_cites(case: Case, outcome: Outcome, sentence: Sentence) -> bool:
    cited = [outcome.citations[n] for n in sentence.citations if n in outcome.citations]
    return holds_any(sentence.text, case.question.answers) and any(is_right(case, c) for c in cited)


def _f1(given: Sequence[str], gold: Sequence[str]) -> float:
    if not given or not gold:
        return float(given == gold)
    shared = sum((Counter(given) & Counter(gold)).values())
    return 2 * shared / (len(given) + len(gold))


def _rouge_l(given: Sequence[str], gold: Sequence[str]) -> float:
    total = len(given) + len(gold)
    return 2 * _common_subsequence(given, gold) / total if total else 0.0


def _common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for word in first:
        before = row
        row = [0]
        for n, other in enumerate(second):
            row.append(before[n] + 1 if word == other else max(row[n], before[n + 1]))
    return row[-1]


def _is_short(case: Case) -> bool:
    return has_answers(case) and not case.question.long_form


MEASURES = [
    Measure("answers", "contains_answer", contains_answer, has_answers),
    Measure("answers", "exact_match", exact_match, has_answers),
    Measure("answers", "token_f1", token_f1, has_answers),
    Measure("answers", "rouge_l", rouge_l, lambda c: has_answers(c) and c.question.long_form),
    Measure(
        "answers",
        "answered_and_cited",
        answered_and_cited,
        lambda c: _is_short(c) and has_evidence(c) and has_known_place(c),
    ),
]
