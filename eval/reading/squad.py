"""SQuAD 2.0: one JSON file; an article is a title with its paragraphs.

The evidence is the sentence in which the answer was marked.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from eval.reading.files import digest, json_file
from eval.types import Question, QuestionSet, Record
from qa import sentences
from qa.errors import InputError
from qa.types import Article


def read(path: Path) -> QuestionSet:
    """Questions and articles; version 1.1, without unanswerable questions, is read too."""
    content = json_file(path)
    try:
        groups = list(content["data"])
        articles = tuple(_article(group) for group in groups)
        questions = tuple(question for group in groups for question in _questions(group))
    except (KeyError, TypeError) as error:
        reason = f"{error!r} is amiss"
        raise InputError(f"{path} is not in the layout of SQuAD 2.0 ({reason}).") from error
    return QuestionSet(path.stem, digest([path], path.parent), questions, articles)


def _article(group: Record) -> Article:
    text = "\n\n".join(paragraph["context"] for paragraph in group["paragraphs"])
    return Article(_id(group), group["title"].replace("_", " "), text)


def _id(group: Record) -> str:
    return f"squad:{group['title']}"


def _questions(group: Record) -> Iterator[Question]:
    for paragraph in group["paragraphs"]:
        for record in paragraph["qas"]:
            yield _question(_id(group), paragraph["context"], record)


def _question(article_id: str, context: str, record: Record) -> Question:
    answerable = not record.get("is_impossible", False)
    answers = record["answers"] if answerable else []
    spans = [_sentence(context, answer["answer_start"]) for answer in answers]
    return Question(
        id=str(record["id"]),
        text=record["question"],
        type="single-hop" if answerable else "unanswerable",
        answerable=answerable,
        answers=tuple(dict.fromkeys(answer["text"] for answer in answers)),
        evidence_ids=(article_id,) if answerable else (),
        evidence_spans=tuple(dict.fromkeys(span for span in spans if span)),
    )


def _sentence(context: str, at: int) -> str:
    """The sentence around a place of a paragraph; the paragraph where none is told apart."""
    for unit in sentences.split(context):
        if unit.start <= at < unit.end:
            return context[unit.start : unit.end]
    return context
