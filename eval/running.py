"""Asking the questions of a set and logging every case whole; goes on where it was stopped."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from eval import log
from eval.types import Askable, Case, Question, Record, Span
from eval.wording import find_all, holds
from qa import contract
from qa.errors import InputError, LibraryError, LockedError
from qa.types import Answer, Hit

DEPTH = 20  # passages logged for each question, the deepest recall measured

OnCase = Callable[[Case], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How a set is run. ``seed`` is for generators that draw; the default one does not.

    With several ``jobs`` questions are asked at once, and each waits for the others' work, too.
    """

    limit: int | None = None
    retrieval_only: bool = False
    seed: int = 0
    jobs: int = 1


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keeps a second process from writing to the same run."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        with FileLock(run / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise LockedError(f"Another process is running into {run}. Wait for it to end.") from error
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise InputError(f"{run} cannot be used as a folder: {error.strerror}.") from error


def begin(run: Path, identity: Record) -> bool:
    """Notes what is run, or checks that it is what was begun; says whether the code has changed.

    Raises InputError where the folder holds a run of another set, library or settings.
    """
    before = log.read_run(run)
    if not before:
        if (run / log.CASES).exists():
            raise InputError(f"{run} holds cases but no {log.RUN}. Use a new folder with --out.")
        log.write_json(run / log.RUN, identity)
        return False
    for key, what in (("set", "question set"), ("library", "library"), ("settings", "settings")):
        if before.get(key) != identity[key]:
            difference = _difference(before.get(key), identity[key])
            raise InputError(
                f"{run} holds a run with another {what} ({difference}). Use a new folder with "
                "--out, or run what it was begun with."
            )
    return bool(before.get("code") != identity["code"])


def run(
    library: Askable, questions: Sequence[Question], out: Path, options: Options, on_case: OnCase
) -> list[Case]:
    """Asks what is not in the log yet; returns all cases of the log.

    A question that fails is a case with its error. Raises LibraryError where the library itself
    cannot be used; what is logged by then stays, and running again goes on behind it.
    """
    path = out / log.CASES
    log.cut_torn_line(path)
    cases = [log.case_of(record) for record in log.records(path)] if path.exists() else []
    for case in cases:
        on_case(case)
    known = {case.id for case in cases}
    left = [question for question in questions[: options.limit] if question.id not in known]
    if left:
        library.search("warm-up", 1)  # loads the model, which is no part of anyone's latency
    asker = _Asker(library, options)
    with path.open("ab") as file, _records(asker, left, options.jobs) as records:
        for record in records:
            log.append(file, record)
            cases.append(log.case_of(record))
            on_case(cases[-1])
    return cases


def resolve(questions: Sequence[Question], ids: set[str], urls: dict[str, str]) -> list[Question]:
    """Questions whose gold names the library's ids; gold may name an article by its URL too.

    Raises InputError where the library holds none of the evidence.
    """
    named = {key for question in questions for key in question.evidence_ids}
    if named and not any(key in ids or key in urls for key in named):
        raise InputError(
            f"The library holds none of the {len(named)} articles that the set names as evidence "
            f"(such as {min(named)}). Give the articles that belong to the set with --articles."
        )
    return [_resolved(question, ids, urls) for question in questions]


def missing_evidence(questions: Iterable[Question], ids: set[str]) -> list[str]:
    """Articles that gold names and the library does not hold; their questions count as missed."""
    return sorted({key for q in questions for key in q.evidence_ids if key not in ids})


@contextmanager
def _records(asker: _Asker, questions: Sequence[Question], jobs: int) -> Iterator[Iterator[Record]]:
    """One for each question, in their order, however many are asked at once."""
    if jobs == 1:
        yield map(asker.ask, questions)
        return
    pool = ThreadPoolExecutor(jobs)
    try:
        yield pool.map(asker.ask, questions)
    finally:
        pool.shutdown(cancel_futures=True)


class _Asker:
    """Asks questions and writes down all that can be seen."""

    def __init__(self, library: Askable, options: Options) -> None:
        self._library = library
        self._options = options
        self._texts: dict[str, str] = {}

    def ask(self, question: Question) -> Record:
        """The record of a case; an error is part of it."""
        random.seed(f"{self._options.seed} {question.id}")
        gold = log.gold_record(question, self._evidence(question), self._findable(question))
        record = _empty_record(question, gold, self._options.retrieval_only)
        try:
            self._fill(record, question)
        except LibraryError:
            raise
        except Exception as error:
            record["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return record

    def _fill(self, record: Record, question: Question) -> None:
        if self._options.retrieval_only:
            from qa.assistant import stand_alone

            record["standalone_question"] = stand_alone(question.text, question.history)
        else:
            self._fill_answer(record, self._library.ask(question.text, question.history))
        started = time.perf_counter()
        hits = self._library.search(question.text, DEPTH, history=question.history)
        record["timings_ms"]["search"] = round((time.perf_counter() - started) * 1000, 1)
        pairs = zip(hits, contract.of_hits(hits), strict=True)
        record["hits"] = [_hit_record(hit, written) for hit, written in pairs]

    def _fill_answer(self, record: Record, answer: Answer) -> None:
        record["answer"] = contract.of_answer(answer)
        record["spans_exact"] = [
            self._text(c.article.id)[c.start : c.end] == c.quote for c in answer.citations
        ]
        record["standalone_question"] = answer.standalone_question or answer.question
        record["timings_ms"] |= dict(answer.timings_ms)

    def _evidence(self, question: Question) -> list[Span]:
        return [
            Span(key, start, end)
            for key in question.evidence_ids
            for quote in question.evidence_spans
            for start, end in find_all(self._text(key), quote)
        ]

    def _findable(self, question: Question) -> list[str]:
        texts = [self._text(key) for key in question.evidence_ids]
        return [answer for answer in question.answers if any(holds(t, answer) for t in texts)]

    def _text(self, article_id: str) -> str:
        """The text that the library keeps; empty for an article that it does not have."""
        if article_id not in self._texts:
            try:
                self._texts[article_id] = self._library.article(article_id).text
            except InputError:
                self._texts[article_id] = ""
        return self._texts[article_id]


def _empty_record(question: Question, gold: Record, retrieval_only: bool) -> Record:
    return {
        "id": question.id,
        "question": question.text,
        "type": question.type,
        "history": [{"question": t.question, "answer": t.answer} for t in question.history],
        "standalone_question": "",
        "gold": gold,
        "hits": [],
        "answer": None,
        "spans_exact": [],
        "retrieval_only": retrieval_only,
        "error": None,
        "timings_ms": {},
    }


def _hit_record(hit: Hit, record: Record) -> Record:
    scores = {leg: round(score, 6) for leg, score in hit.scores.items()}
    return {**record, "passage_id": hit.passage.id, "scores": scores}


def _resolved(question: Question, ids: set[str], urls: dict[str, str]) -> Question:
    def named(keys: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(key if key in ids else urls.get(key, key) for key in keys))

    grades = {named([key])[0]: grade for key, grade in question.grades.items()}
    return replace(
        question,
        evidence_ids=named(question.evidence_ids),
        near_miss_ids=named(question.near_miss_ids),
        grades=grades,
    )


def _difference(before: object, now: object) -> str:
    """The first field in which two records differ, in words."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return "it is not recorded"
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            return f"{key}: {_short(before.get(key))} then, {_short(now.get(key))} now"
    return "it is the same"


def _short(value: object) -> str:
    return "none" if value is None else str(value)[:60]
