"""The JSON that scripts and other programs rely on: adding a field is free, all else breaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qa.types import (
    Answer,
    Article,
    ArticleChange,
    Check,
    Citation,
    Hit,
    IngestReport,
    Listing,
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
