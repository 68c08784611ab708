"""The log of a run: ``cases.jsonl``, one whole record a case, and ``run.json``, what was run.

A record::

    {"id", "question", "type", "history", "standalone_question",
     "gold": {"answerable", "answers", "evidence_ids", "evidence_spans", "evidence", "findable",
              "grades", "near_miss_ids", "sides", "stale"},
     "hits": [as in `qa search --json`, with "passage_id" and "scores"],
     "answer": as in `qa ask --json`, or null, "spans_exact": [true, …],
     "retrieval_only": false, "error": null, "timings_ms": {…}}

Times stand only under keys named ``timings_ms``; all else is the same in a second run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from eval.types import Case, Outcome, Place, Question, Record, Sentence, Span
from qa.errors import InputError
from qa.types import Turn

CASES = "cases.jsonl"
RUN = "run.json"
SUMMARY = "summary.json"


def write_json(path: Path, record: Record, indent: int | None = 1) -> None:
    """Writes a file whole or not at all."""
    aside = path.with_name(path.name + ".tmp")
    aside.write_text(json.dumps(record, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")
    aside.replace(path)


def append(file: BinaryIO, record: Record) -> None:
    """Adds one case and hands it to the system at once, so that a kill loses at most this one."""
    file.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    file.flush()


def cut_torn_line(path: Path) -> None:
    """Cuts off a last line that a kill left half written."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)


def records(path: Path) -> Iterator[Record]:
    """The cases of a log in order. Raises InputError for a line that is no record."""
    if not path.is_file():
        raise InputError(f"There is no {path}. Give a folder that python -m eval run has made.")
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith("\n"):  # half written when the run was killed
                return
            yield _parsed(path, number, line)


def read_run(run: Path) -> Record:
    """What ``run.json`` says; empty where there is none."""
    path = run / RUN
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}. Use a new folder with --out.") from error


def read_cases(run: Path) -> list[Case]:
    """All cases of a run. Raises InputError where there are none."""
    cases = [case_of(record) for record in records(run / CASES)]
    if not cases:
        raise InputError(f"{run / CASES} holds no case yet. Run python -m eval run again to go on.")
    return cases


def case_of(record: Record) -> Case:
    """A case from its record. Raises InputError where another version has written it."""
    try:
        return _case_of(record)
    except KeyError as error:
        raise InputError(
            f"Case {record.get('id')} lacks {error}: another version has written it. Run the set "
            "again into a new folder."
        ) from error


def _case_of(record: Record) -> Case:
    return Case(
        question=_question_of(record),
        evidence=tuple(
            Span(e["article_id"], e["start"], e["end"]) for e in record["gold"]["evidence"]
        ),
        findable=tuple(record["gold"]["findable"]),
        hits=tuple(_place_of(hit) for hit in record["hits"]),
        outcome=_outcome_of(record),
        error=record["error"],
        retrieval_only=record["retrieval_only"],
        timings_ms=record["timings_ms"],
    )


def gold_record(question: Question, evidence: list[Span], findable: list[str]) -> Record:
    """The gold of a question as it is logged."""
    return {
        "answerable": question.answerable,
        "answers": list(question.answers),
        "evidence_ids": list(question.evidence_ids),
        "evidence_spans": list(question.evidence_spans),
        "evidence": [span._asdict() for span in evidence],
        "findable": findable,
        "grades": dict(question.grades),
        "near_miss_ids": list(question.near_miss_ids),
        "sides": [list(side) for side in question.sides],
        "stale": list(question.stale),
    }


def _parsed(path: Path, number: int, line: str) -> Record:
    try:
        record = json.loads(line)
        record["gold"], record["hits"], record["answer"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged in line {number}. Remove the line, or use a new folder with --out."
        ) from error
    return dict(record)


def _question_of(record: Record) -> Question:
    gold = record["gold"]
    return Question(
        id=record["id"],
        text=record["question"],
        type=record["type"],
        answerable=gold["answerable"],
        answers=tuple(gold["answers"]),
        evidence_ids=tuple(gold["evidence_ids"]),
        evidence_spans=tuple(gold["evidence_spans"]),
        near_miss_ids=tuple(gold["near_miss_ids"]),
        history=tuple(Turn(turn["question"], turn["answer"]) for turn in record["history"]),
        grades=gold["grades"],
        sides=tuple(tuple(side) for side in gold.get("sides", ())),
        stale=tuple(gold.get("stale", ())),
    )


def _outcome_of(record: Record) -> Outcome | None:
    answer = record["answer"]
    if answer is None:
        return None
    copies = {hit["article_id"]: frozenset(hit["copies"]) for hit in reversed(record["hits"])}
    return Outcome(
        answered=answer["status"] == "answered",
        confidence=float(answer.get("confidence") or 0.0),
        sentences=tuple(
            Sentence(s["text"], tuple(s["citations"]), tuple(s.get("asides", ())))
            for s in answer["sentences"]
        ),
        disagreements=len(answer.get("disagreements", ())),
        citations={c["number"]: _citation_of(c, copies) for c in answer["citations"]},
        exact=tuple(record["spans_exact"]),
        usage=answer.get("usage") or {},
    )


def _citation_of(record: Record, copies: dict[str, frozenset[str]]) -> Place:
    article = record["article_id"]
    own = copies.get(article, frozenset())
    return Place(article, record["start"], record["end"], record["quote"], own)


def _place_of(hit: Record) -> Place:
    return Place(hit["article_id"], hit["start"], hit["end"], hit["text"], frozenset(hit["copies"]))
