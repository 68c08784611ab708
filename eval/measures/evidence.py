"""When a passage or a citation is right: the one definition that retrieval and citations share."""

from __future__ import annotations

from eval.types import Case, Place
from eval.wording import holds_any

OVERLAP = 0.5  # of the shorter of quote and gold span; touching by a word is no agreement


def is_evidence_article(case: Case, place: Place) -> bool:
    """The place lies in an evidence article, or in a copy of one."""
    return not place.articles.isdisjoint(case.question.evidence_ids)


def is_right(case: Case, place: Place) -> bool:
    """The place lies in an evidence article and overlaps gold evidence or holds a gold answer.

    Overlap: at least half of the shorter of the two. In a copy of an evidence article, where the
    offsets are others, the one must contain the words of the other instead.
    """
    if not is_evidence_article(case, place):
        return False
    return (
        _overlaps(case, place)
        or holds_any(place.text, case.question.answers)
        or (place.article_id not in case.question.evidence_ids and _same_words(case, place))
    )


def has_evidence(case: Case) -> bool:
    """Answerable, and gold names articles that hold the answer."""
    return case.question.answerable and bool(case.question.evidence_ids)


def has_known_place(case: Case) -> bool:
    """Moreover it can be told where in them: a gold span or a gold answer was found there."""
    return has_evidence(case) and bool(case.evidence or case.findable)


def _overlaps(case: Case, place: Place) -> bool:
    for span in case.evidence:
        shared = min(span.end, place.end) - max(span.start, place.start)
        shorter = min(span.end - span.start, place.end - place.start)
        if span.article_id == place.article_id and shared >= max(1, OVERLAP * shorter):
            return True
    return False


def _same_words(case: Case, place: Place) -> bool:
    text = " ".join(place.text.split())
    spans = [" ".join(span.split()) for span in case.question.evidence_spans]
    return any(span in text or text in span for span in spans if span and text)
