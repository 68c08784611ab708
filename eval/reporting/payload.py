"""The cases of a report as JSON for its script; passages that several cases share stand once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from eval.measures.evidence import is_evidence_article, is_right
from eval.reporting.verdicts import verdicts
from eval.types import Case, Record
from eval.wording import places_of


def payload(
    records: Sequence[Record], cases: Sequence[Case], opinions: Mapping[str, Record]
) -> Record:
    """Passages, and cases that refer to them by number."""
    passages: dict[tuple[str, int, int], int] = {}
    kept: list[Record] = []
    rows = []
    for record, case in zip(records, cases, strict=True):
        for hit in record["hits"]:
            key = (hit["article_id"], hit["start"], hit["end"])
            if key not in passages:
                passages[key] = len(passages)
                kept.append(_passage(hit))
        row = _case(record, case, passages)
        if case.id in opinions:
            row["judge"] = {key: opinions[case.id][key] for key in ("verdict", "explanation")}
        rows.append(row)
    return {"passages": kept, "cases": rows}


def embedded(value: Record) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def marks(case: Case, article_id: str, start: int, text: str) -> list[tuple[int, int, str]]:
    """What to highlight in a passage or a quote: gold evidence, and gold answers in it."""
    if article_id not in case.question.evidence_ids:
        return []
    end = start + len(text)
    found = [
        (max(span.start, start) - start, min(span.end, end) - start, "evidence")
        for span in case.evidence
        if span.article_id == article_id and span.start < end and span.end > start
    ]
    for answer in () if case.question.long_form else case.question.answers:
        found += [(a, b, "answer") for a, b in places_of(text, answer)]
    return found


def _passage(hit: Record) -> Record:
    names = ("article_id", "title", "publisher", "published", "heading", "start", "end", "text")
    return {name: hit[name] for name in names if hit.get(name) not in (None, "")}


def _case(record: Record, case: Case, passages: dict[tuple[str, int, int], int]) -> Record:
    question = case.question
    row = {
        "id": case.id,
        "question": question.text,
        "type": question.type or "untyped",
        "verdicts": verdicts(case),
        "answerable": question.answerable,
        "answers": list(question.answers),
        "evidence_ids": list(question.evidence_ids),
        "hits": [_hit(hit, case, n, passages) for n, hit in enumerate(record["hits"])],
        "timings": {stage: round(ms) for stage, ms in case.timings_ms.items()},
    }
    if question.history:
        row["history"] = [[turn.question, turn.answer] for turn in question.history]
    if record["standalone_question"] not in ("", question.text):
        row["standalone"] = record["standalone_question"]
    if case.error:
        row["error"] = case.error
    if record["answer"]:
        row["answer"] = _answer(record["answer"], case)
    return row


def _hit(hit: Record, case: Case, number: int, passages: dict[tuple[str, int, int], int]) -> Record:
    place = case.hits[number]
    gold = 2 if is_right(case, place) else int(is_evidence_article(case, place))
    return {
        "passage": passages[hit["article_id"], hit["start"], hit["end"]],
        "score": round(hit["score"], 3),
        "ranks": hit.get("ranks") or {},
        "gold": gold,
        "marks": marks(case, hit["article_id"], hit["start"], hit["text"]),
    }


def _answer(answer: Record, case: Case) -> Record:
    cited = case.outcome.citations if case.outcome else {}
    return {
        "status": answer["status"],
        "confidence": answer.get("confidence"),
        "sentences": [[s["text"], s["citations"], s["support"]] for s in answer["sentences"]],
        "citations": [
            {
                "number": c["number"],
                "title": c["title"],
                "article_id": c["article_id"],
                "quote": c["quote"],
                "right": is_right(case, cited[c["number"]]),
                "marks": marks(case, c["article_id"], c["start"], c["quote"]),
            }
            for c in answer["citations"]
        ],
    }
