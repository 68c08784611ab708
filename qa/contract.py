"""The JSON that scripts and other programs rely on: adding a field is free, all else breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qa.types import (
    Answer,
    AnswerSentence,
    Article,
    ArticleChange,
    Check,
    Citation,
    Disagreement,
    Hit,
    IngestReport,
    Listing,
    Passage,
    Side,
)

Record = dict[str, Any]


def of_report(report: IngestReport) -> Record:
    counts = {
        status: report.count(status) for status in ("added", "updated", "unchanged", "removed")
    }
    return {
        **counts,
        "failed": [{"source": f.source, "reason": f.reason} for f in report.failed],
        "articles": [_of_change(change) for change in report.articles],
        "vanished": [_of_change(change) for change in report.vanished],
        "passages_embedded": report.passages_embedded,
    }


def of_search(query: str, hits: Sequence[Hit]) -> Record:
    return {"query": query, "hits": of_hits(hits)}


def of_hits(hits: Sequence[Hit]) -> list[Record]:
    return [_of_hit(rank, hit) for rank, hit in enumerate(hits, start=1)]


def of_answer(answer: Answer) -> Record:
    return {
        "question": answer.question,
        "standalone_question": answer.standalone_question,
        "status": answer.status,
        "text": answer.text,
        "sentences": [
            {
                "text": s.text,
                "citations": list(s.citations),
                "support": s.support,
                "reason": s.reason,
                "asides": list(s.asides),
            }
            for s in answer.sentences
        ],
        "citations": [of_citation(citation) for citation in answer.citations],
        "nearest": of_hits(answer.nearest),
        "generator": answer.generator,
        "notes": list(answer.notes),
        "disagreements": [
            [{"value": side.value, "citations": list(side.citations)} for side in each.sides]
            for each in answer.disagreements
        ],
        "usage": dict(answer.usage),
        "confidence": round(answer.confidence, 4),
        "timings_ms": dict(answer.timings_ms),
    }


def of_citation(citation: Citation) -> Record:
    article = citation.article
    return {
        "number": citation.number,
        **_of_source(article),
        "author": article.author,
        "quote": citation.quote,
        "start": citation.start,
        "end": citation.end,
    }


def of_article(article: Article) -> Record:
    return {
        "id": article.id,
        "title": article.title,
        "url": article.url,
        "publisher": article.publisher,
        "author": article.author,
        "published": article.published,
        "updated": article.updated,
        "language": article.language,
        "metadata": dict(article.metadata),
        "text": article.text,
    }


def of_listings(listings: Sequence[Listing]) -> Record:
    names = ("id", "title", "url", "publisher", "author", "published", "passages", "source")
    return {"articles": [{name: getattr(each, name) for name in names} for each in listings]}


def of_removal(changes: Sequence[ArticleChange]) -> Record:
    return {"removed": len(changes), "articles": [_of_change(change) for change in changes]}


def of_checks(checks: Sequence[Check]) -> Record:
    rows = [
        {"name": c.name, "ok": c.ok, "detail": c.detail, "fix": "" if c.ok else c.fix}
        for c in checks
    ]
    return {"ok": all(check.ok for check in checks), "checks": rows}


def to_answer(record: Record, articles: Mapping[str, Article]) -> tuple[Answer, set[str]]:
    """The answer that :func:`of_answer` wrote down, and the ids of articles that are not as cited.

    ``articles`` are those of today, by id. For one that no longer holds the cited words at their
    place there is a stand-in of just these words. ``passages`` in the record, written by
    :func:`of_hits`, become the hits.
    """
    gone: set[str] = set()

    def place(entry: Record, words: str) -> tuple[Article, int, int]:
        article, start, end = articles.get(entry["article_id"]), entry["start"], entry["end"]
        if article and article.text[start:end] == words:
            return article, start, end
        gone.add(entry["article_id"])
        names = ("title", "url", "publisher", "author", "published")
        fields: dict[str, Any] = {name: entry.get(name) for name in names}
        stand_in = Article(entry["article_id"], text=words, **fields)
        return stand_in, 0, len(words)

    def hit(entry: Record) -> Hit:
        article, start, end = place(entry, entry["text"])
        passage = Passage("", article.id, start, end, entry["text"], entry.get("heading", ""))
        copies, ranks = tuple(entry.get("copies", ())), entry.get("ranks", {})
        return Hit(passage, article, entry["score"], ranks, copies=copies)

    cited = [(c["number"], *place(c, c["quote"]), c["quote"]) for c in record["citations"]]
    answer = Answer(
        record["question"],
        record["status"],
        tuple(_to_sentence(sentence) for sentence in record["sentences"]),
        tuple(Citation(*parts) for parts in cited),
        nearest=tuple(hit(entry) for entry in record["nearest"]),
        standalone_question=record["standalone_question"],
        generator=record["generator"],
        confidence=record["confidence"],
        timings_ms=record["timings_ms"],
        hits=tuple(hit(entry) for entry in record.get("passages", ())),
        notes=tuple(record["notes"]),
        disagreements=tuple(
            Disagreement(tuple(Side(s["value"], tuple(s["citations"])) for s in sides))
            for sides in record["disagreements"]
        ),
        usage=record["usage"],
    )
    return answer, gone


def _to_sentence(entry: Record) -> AnswerSentence:
    numbers, asides = tuple(entry["citations"]), tuple(entry["asides"])
    return AnswerSentence(entry["text"], numbers, entry["support"], entry["reason"], asides)


def _of_change(change: ArticleChange) -> Record:
    return {"id": change.id, "title": change.title, "status": change.status}


def _of_source(article: Article) -> Record:
    return {
        "article_id": article.id,
        "title": article.title,
        "url": article.url,
        "publisher": article.publisher,
        "published": article.published,
    }


def _of_hit(rank: int, hit: Hit) -> Record:
    return {
        "rank": rank,
        "score": round(hit.score, 6),
        **_of_source(hit.article),
        "start": hit.passage.start,
        "end": hit.passage.end,
        "text": hit.passage.text,
        "heading": hit.passage.heading,
        "copies": list(hit.copies),
        "ranks": dict(hit.ranks),
    }
