"""Our own JSON Lines: one question a line, with its gold."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from eval.reading.files import digest, json_lines
from eval.types import Question, QuestionSet, Record
from qa.errors import InputError
from qa.types import Turn

_LISTS = ("answers", "evidence_ids", "evidence_spans", "near_miss_ids")


def read(path: Path) -> QuestionSet:
    """The questions of a file. A missing ``answerable`` means: if there are answers or evidence."""
    questions = tuple(_question(f"{path}, line {n}", record) for n, record in json_lines(path))
    return QuestionSet(_name(path), digest([path], path.parent), questions)


def _name(path: Path) -> str:
    return path.parent.name if path.stem == "questions" else path.stem


def _question(where: str, record: Record) -> Question:
    for key in ("id", "question"):
        if not isinstance(record.get(key), str | int):
            raise InputError(f'{where}: "{key}" is missing or not a string.')
    lists = {key: _strings(where, key, record.get(key) or []) for key in _LISTS}
    answerable = record.get("answerable")
    if answerable is None:
        answerable = bool(lists["answers"] or lists["evidence_ids"])
    return Question(
        id=str(record["id"]),
        text=str(record["question"]),
        type=str(record.get("type") or ""),
        answerable=bool(answerable),
        answers=lists["answers"],
        evidence_ids=lists["evidence_ids"],
        evidence_spans=lists["evidence_spans"],
        near_miss_ids=lists["near_miss_ids"],
        history=turns(where, record.get("history") or []),
        sides=tuple(
            _strings(where, "values.answers", side.get("answers"))
            for side in record.get("values") or []
            if isinstance(side, dict)
        ),
        stale=_strings(where, "stale", record.get("stale") or []),
    )


def _strings(where: str, key: str, value: object) -> tuple[str, ...]:
    plain = isinstance(value, list) and all(isinstance(v, str | int | float) for v in value)
    if not isinstance(value, list) or not plain:
        raise InputError(f'{where}: "{key}" must be a list of strings.')
    return tuple(str(item) for item in value)


def turns(where: str, messages: Iterable[object]) -> tuple[Turn, ...]:
    """Messages with role and content as question and answer; a missing half is empty."""
    found: list[Turn] = []
    for message in messages:
        if not isinstance(message, dict) or not {"role", "content"} <= message.keys():
            raise InputError(f'{where}: a turn of "history" needs "role" and "content".')
        role, content = message["role"], str(message["content"])
        if role == "user":
            found.append(Turn(content, ""))
        elif found:
            found[-1] = Turn(found[-1].question, f"{found[-1].answer} {content}".strip())
    return tuple(found)
