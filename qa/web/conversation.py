"""A conversation with a library, as the page shows it; all HTML comes from rendering."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from datetime import date
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from qa import contract, tracing
from qa.assistant import READING
from qa.errors import InputError, LibraryError, QaError
from qa.library import Library
from qa.types import ABSTENTION, Answer, Filters, Hit, Turn
from qa.web import exporting, keeping, logs, rendering
from qa.web.keeping import Conversations, Kept
from qa.web.languages import Words, words

PACE = 0.2  # seconds between updates of a page: five a second
EXAMPLES = 4
FOLLOWING = 3
RELATED = 6  # articles found for a question that suggested ones are about
REMEMBERED = 500  # exchanges whose HTML is held in memory, over all conversations
PATIENCE = 3.0  # seconds that an empty page waits for its first examples
STOPPING = 2.0  # seconds in which a question that is stopped keeps what is there
WAKE = 0.05  # seconds after which one who waits looks whether to stop
PUMPS = 32  # threads that wait for answers, among them those of answers that were stopped
DAYS = ("after", "before")
HISTORY = 20  # exchanges before a question that it may lean on

logger = logging.getLogger("qa.web")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows of a conversation: its id, the thread and the sources as HTML."""

    conversation: str
    thread: str
    panel: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One exchange as HTML."""

    turn: str
    sources: str = ""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks at the page, and in which language; ``name`` is empty without sign-in.

    ``request`` is the id under which is logged what is done for them.
    """

    name: str = ""
    t: Words = field(default_factory=lambda: words("en"))
    request: str = ""


class Run:
    """A question that is being answered: whether it is to stop, and whether it has ended."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.ended = threading.Event()


class Running:
    """The questions that are being answered, at most one in a conversation."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._waiting: dict[
            str, bool
        ] = {}  # conversations in line, and whether each still wants to
        self._guard = threading.Lock()

    def begin(self, conversation: str) -> Run:
        """Stops what runs in this conversation, and gives it a moment to keep what is there."""
        run = Run()
        with self._guard:
            before = self._runs.get(conversation)
            self._runs[conversation] = run
        if before:
            before.stop.set()
            before.ended.wait(STOPPING)
        return run

    def stop(self, conversation: str) -> None:
        with self._guard:
            run = self._runs.get(conversation)
            if conversation in self._waiting:
                self._waiting[conversation] = False
        if run:
            run.stop.set()

    def wait(self, conversation: str) -> None:
        """Notes that a question of it stands in line."""
        with self._guard:
            self._waiting[conversation] = True

    def waits(self, conversation: str) -> bool:
        """Whether it has not been stopped since; without a note it has not."""
        with self._guard:
            return self._waiting.get(conversation, True)

    def enter(self, conversation: str) -> None:
        """Takes the note away."""
        with self._guard:
            self._waiting.pop(conversation, None)

    def is_newest(self, conversation: str, run: Run) -> bool:
        with self._guard:
            return self._runs.get(conversation) is run

    def runs(self, conversation: str) -> bool:
        """Whether a question of it is being answered."""
        with self._guard:
            return conversation in self._runs

    def end(self, conversation: str, run: Run) -> None:
        run.ended.set()
        with self._guard:
            if self._runs.get(conversation) is run:
                del self._runs[conversation]


class Chat:
    """The conversations of one library. Safe to share between threads."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.kept = Conversations(library.path)
        self.running = Running()
        self._html: dict[Any, Shown] = {}
        self._guard = threading.Lock()
        self._examples: tuple[int, Future[list[str]], list[str]] = (-1, Future(), [])
        self._pumps = ThreadPoolExecutor(PUMPS, "qa-pump")

    def close(self) -> None:
        self._pumps.shutdown(wait=False, cancel_futures=True)
        self.kept.close()
        self.library.close()

    # Asking

    def ask(
        self,
        conversation: str,
        question: str,
        filters: Filters,
        reader: Reader,
        at: int | None = None,
    ) -> Iterator[View]:
        """The conversation with ever more of an answer; whatever fails is shown as a line of it.

        With ``at``, the question takes the place of this one and of all that follow it. An empty
        ``conversation`` begins a new one.
        """
        conversation = conversation if keeping.valid(conversation) else keeping.new_conversation()
        run = self.running.begin(conversation)
        try:
            yield from self._ask(conversation, question.strip(), filters, reader, at, run)
        finally:
            self.running.end(conversation, run)

    def _ask(
        self,
        conversation: str,
        question: str,
        filters: Filters,
        reader: Reader,
        at: int | None,
        run: Run,
    ) -> Iterator[View]:
        row, unkept = self._begin(conversation, question, filters, reader, at)
        kept = [] if unkept else self.kept.exchanges(conversation, owner=reader.name)
        past = kept[: row.number - 1]
        before = [self._shown(each, reader.t.code) for each in past]
        answering, problem = Answering(row.number, question, reader.t), ""
        try:
            yield _view(conversation, [*before, answering.now()], reader.t)
            answers = self.library.stream(question, _history(past), filters)
            updates = tracing.of(tracing.SESSION, conversation, answers)
            for _ in paced(answering.follow(pumped(updates, run.stop, self._pumps), run.stop)):
                yield _view(conversation, [*before, answering.now()], reader.t)
        except GeneratorExit:  # the reader has gone: what is there is kept
            self._finish(replace(row, state="stopped", record=answering.record()), reader)
            raise
        except Exception as error:
            problem = explain(error, reader.t)
        record = None if problem else answering.record()
        state: keeping.State = "answered" if answering.whole else "stopped"
        row = replace(row, state="failed" if problem else state, record=record, problem=problem)
        unkept = unkept or self._finish(row, reader)
        run.ended.set()
        if not self.running.is_newest(conversation, run):
            return  # the next question shows what was kept of this one
        if not unkept:
            yield self.view(conversation, reader)
            return
        if record:
            record["notes"] = [*record["notes"], unkept]
        yield _view(conversation, [*before, self._show(row, reader.t.code)], reader.t)

    def _begin(
        self,
        conversation: str,
        question: str,
        filters: Filters,
        reader: Reader,
        at: int | None,
    ) -> tuple[Kept, str]:
        """The question as it is kept; or as it would be, and why it cannot be."""
        given = _of_filters(filters)
        try:
            begun = self.kept.begin(conversation, question, given, owner=reader.name, at=at)
        except Exception as error:
            problem = explain(error, reader.t)
            return Kept(0, 1, "", question, given, "asked", None), problem
        return begun, ""

    def _finish(self, row: Kept, reader: Reader) -> str:
        """Keeps what came of a question; returns why it could not be kept."""
        if not row.key:
            return ""
        try:
            self.kept.finish(row.key, row.state, row.record, row.problem)
        except Exception as error:
            return explain(error, reader.t)
        return ""

    def alone(
        self,
        conversation: str,
        question: str,
        problem: str,
        reader: Reader,
        busy: bool = False,
    ) -> View:
        """A question that was not taken, behind what is kept of its conversation."""
        try:
            number = self.length(conversation, reader) + 1
            failed = rendering.failed(number, question, problem, reader.t, busy=busy)
            return self.view(conversation, reader, [failed])
        except Exception:  # what is kept cannot be read: the question and the problem still can
            failed = rendering.failed(1, question, problem, reader.t)
            return _view("", [Shown(failed)], reader.t)

    # Looking

    def length(self, conversation: str, reader: Reader) -> int:
        """How many questions it has."""
        return len(self.kept.exchanges(conversation, owner=reader.name))

    def question(self, conversation: str, number: int, reader: Reader) -> str:
        """One of its questions. Raises InputError where there is none of this number."""
        for kept in self.kept.exchanges(conversation, owner=reader.name):
            if kept.number == number:
                return kept.question
        raise InputError("This question is not there any more. Load the page again.")

    def rate(
        self,
        conversation: str,
        number: int,
        liked: bool | None,
        reason: str,
        comment: object,
        reader: Reader,
    ) -> None:
        """Keeps a thumb; where ``comment`` is no text, the comment that was given before stays."""
        if not isinstance(comment, str):
            rows = self.kept.exchanges(conversation, owner=reader.name)
            before = next((kept for kept in rows if kept.number == number), None)
            comment = before.comment if before and before.liked == liked else ""
        self.kept.rate(conversation, number, liked, reason, comment, owner=reader.name)

    def view(
        self,
        conversation: str,
        reader: Reader,
        more: Sequence[str] = (),
        before: int | None = None,
    ) -> View:
        """A conversation as it is kept, and further turns that are not; only the questions
        ``before`` this number where there is one."""
        exchanges = self.kept.exchanges(conversation, owner=reader.name)
        exchanges = exchanges if before is None else exchanges[: before - 1]
        shown = [self._shown(kept, reader.t.code) for kept in exchanges]
        known = conversation if keeping.valid(conversation) else ""
        return _view(known, [*shown, *map(Shown, more)], reader.t)

    def _shown(self, kept: Kept, code: str) -> Shown:
        """An exchange as HTML, from memory where it is there."""
        key = (kept.key, kept.number, kept.state, kept.liked, kept.reason, kept.comment, code)
        found = self._html.get(key)
        if found is None:
            found = self._show(kept, code)
            with self._guard:
                self._html[key] = found
                while len(self._html) > REMEMBERED:
                    del self._html[next(iter(self._html))]
        return found

    def _show(self, kept: Kept, code: str) -> Shown:
        t = words(code)
        if kept.record is None:
            problem = kept.problem or (t("stopped") if kept.state == "stopped" else t("unfinished"))
            return Shown(rendering.failed(kept.number, kept.question, problem, t))
        articles = {key: self._article(key) for key in _articles_of(kept.record)}
        known = {key: article for key, article in articles.items() if article}
        answer, gone = contract.to_answer(kept.record, known)
        filters = _to_filters(kept.filters)
        nothing_passes = filters and answer.status == "abstained" and not answer.nearest
        html = rendering.answered(
            kept.number,
            answer,
            t,
            scope=scope_of(filters, t),
            steps=[rendering.Step(*step) for step in kept.record.get("steps", ())],
            rating=rendering.Rating(kept.liked, kept.reason, kept.comment),
            relax=self._relax(filters, t) if nothing_passes else (),
            markdown=exporting.answer_markdown(kept.record),
            stopped=t("stopped") if kept.state == "stopped" else "",
        )
        return Shown(html, rendering.sources(kept.number, answer, t, frozenset(gone)))

    def _article(self, key: str) -> Any:
        try:
            return self.library.article(key)
        except InputError:
            return None

    def _relax(self, filters: Filters, t: Words) -> list[str]:
        """How many articles there would be without each of the filters."""
        without = {
            "without_publishers": replace(filters, publishers=()),
            "without_dates": replace(filters, after=None, before=None),
            "without_articles": replace(filters, article_ids=()),
        }
        counts = {
            key: self.library.count(other) for key, other in without.items() if other != filters
        }
        return [t(key, count=f"{count:,}") for key, count in counts.items() if count]

    def forget_html(self) -> None:
        """Shows every exchange anew: articles have come or gone."""
        with self._guard:
            self._html.clear()

    def following(self, conversation: str, reader: Reader) -> list[str]:
        """Questions that the articles of the last answer can answer, each of them tried."""
        exchanges = self.kept.exchanges(conversation, owner=reader.name)
        if not exchanges or not exchanges[-1].record:
            return []
        asked = [kept.question for kept in exchanges]
        record = exchanges[-1].record
        return self.library.questions(record.get("found", []), most=FOLLOWING, but=asked)

    def warm(self) -> None:
        """Makes the first examples, so that the first reader need not wait for them."""
        with suppress(Exception):  # there may be no library yet, or none that can be read
            self.examples()

    def examples(self) -> list[str]:
        """Questions to begin with. Where articles have come or gone they are made anew meanwhile,
        and those from before are given; the very first ones are waited for, for a moment."""
        generation = self.library.generation
        with self._guard:
            if self._examples[0] != generation:
                past = self._examples[1]
                before = past.result() if past.done() and not past.exception() else []
                making = self._pumps.submit(self.library.questions, most=EXAMPLES)
                self._examples = (generation, making, before)
            _, making, before = self._examples
        try:
            return making.result(timeout=0 if before else PATIENCE)
        except TimeoutError:
            return before

    def earlier(self, ids: Sequence[str], reader: Reader) -> list[rendering.Earlier]:
        known = self.kept.listed([key for key in ids if keeping.valid(key)], owner=reader.name)
        return [
            rendering.Earlier(
                each.id, each.first_question, reader.t.day(each.last_asked[:10]), each.count
            )
            for each in known
        ]

    def spans(
        self, conversation: str, number: int, article_id: str, reader: Reader
    ) -> list[tuple[int, int]]:
        """Where an exchange cites an article."""
        for kept in self.kept.exchanges(conversation, owner=reader.name):
            if kept.number == number and kept.record:
                cited = kept.record["citations"]
                return [(c["start"], c["end"]) for c in cited if c["article_id"] == article_id]
        return []


class Answering:
    """An answer that grows: the newest state of it, and how long each of its stages took."""

    def __init__(self, number: int, question: str, t: Words) -> None:
        self._number, self._question, self._t = number, question, t
        self._answer: Answer | None = None
        self._stage = t("searching")
        self._since = time.monotonic()
        self._steps: list[rendering.Step] = []
        self.whole = False

    def follow(
        self, updates: Iterable[Answer | None], stop: threading.Event
    ) -> Iterator[Answer | None]:
        """Takes every update until it is told to stop; passes them on."""
        for answer in updates:
            if answer is not None:
                self._enter(self._named(answer))
                self._answer = answer
            yield answer
            if stop.is_set():
                return
        if not stop.is_set():
            self._enter("")
            self.whole = True

    def _named(self, answer: Answer) -> str:
        if answer.timings_ms:  # it is whole
            return self._stage
        if answer.stage == READING:
            return self._t("reading", count=len(answer.hits))
        return self._t.said(answer.stage) if answer.stage else self._t("writing")

    def _enter(self, stage: str) -> None:
        if stage == self._stage:
            return
        now = time.monotonic()
        self._steps.append(rendering.Step(self._stage, round(now - self._since, 3)))
        self._stage, self._since = stage, now

    def now(self) -> Shown:
        if self._answer is None:
            return Shown(rendering.waiting(self._number, self._question, self._stage, self._t))
        answer, steps = self._answer, self._steps
        stage = self._stage or self._t("checking")
        html = rendering.answered(self._number, answer, self._t, stage=stage, steps=steps)
        return Shown(html, rendering.sources(self._number, answer, self._t))

    def record(self) -> contract.Record | None:
        """What is kept; None where there is nothing yet."""
        answer = self._answer
        if answer is None or (answer.stage and not answer.sentences):
            return None
        cited = [hit for hit in answer.hits if _holds_citation(hit, answer)]
        steps = [[step.text, step.seconds] for step in self._steps]
        found = list(dict.fromkeys(hit.article.id for hit in answer.hits))
        more = {"passages": contract.of_hits(cited), "steps": steps, "found": found[:RELATED]}
        return contract.of_answer(answer) | more


def _holds_citation(hit: Hit, answer: Answer) -> bool:
    passage = hit.passage
    return any(
        c.article.id == hit.article.id and passage.start <= c.start and c.end <= passage.end
        for c in answer.citations
    )


def _view(conversation: str, shown: Sequence[Shown], t: Words) -> View:
    groups = [each.sources for each in shown if each.sources]
    thread = rendering.thread([each.turn for each in shown], conversation, t)
    return View(conversation, thread, rendering.panel(groups) if groups else "")


def _history(past: Sequence[Kept]) -> list[Turn]:
    answered = [kept for kept in past[-HISTORY:] if kept.record]
    return [Turn(kept.question, (kept.record or {}).get("text", ABSTENTION)) for kept in answered]


def _articles_of(record: contract.Record) -> list[str]:
    places = [*record["citations"], *record["nearest"], *record.get("passages", ())]
    return list(dict.fromkeys(place["article_id"] for place in places))


def explain(error: Exception, t: Words) -> str:
    """One line for a person: our own message, or the id under which the log tells the rest."""
    if isinstance(error, QaError):
        return str(error)
    key = logs.request_id()
    logger.error("error %s", key, exc_info=error)
    return t("error", key=key)


def paced(
    updates: Iterable[T | None], pause: float = PACE, clock: Callable[[], float] = time.monotonic
) -> Iterator[T]:
    """The updates without those that follow too soon; the newest always comes.

    None stands for a while without an update, in which one that was held back can come.
    """
    shown_at = float("-inf")
    held: list[T] = []
    for update in updates:
        if update is not None:
            held = [update]
        if held and clock() - shown_at >= pause:
            shown_at = clock()
            yield held.pop()
    yield from held


def pumped(
    updates: Iterator[T], stop: threading.Event, threads: ThreadPoolExecutor
) -> Iterator[T | None]:
    """The updates, made in another thread, so that to stop is not to wait for the next of them.

    None while there is none.
    """
    queue: SimpleQueue[tuple[list[T], Exception | None]] = SimpleQueue()
    left = threading.Event()

    def pump() -> None:
        failure = None
        try:
            for update in updates:
                queue.put(([update], None))
                if left.is_set() or stop.is_set():
                    break
        except Exception as error:
            failure = error
        finally:
            getattr(updates, "close", lambda: None)()
            queue.put(([], failure))

    threads.submit(copy_context().run, pump)
    try:
        while not stop.is_set():
            try:
                found, failure = queue.get(timeout=WAKE)
            except Empty:
                yield None
                continue
            if failure:
                raise failure
            if not found:
                return
            yield found[0]
    finally:
        left.set()


# What can be asked


def overview(library: Library, t: Words) -> rendering.Overview:
    """How many articles there are, and from when; a library that is not there yet has none."""
    try:
        count, first, last = library.span() if library.exists else (0, None, None)
    except Exception as error:
        return rendering.Overview(problem=explain(error, t))
    return rendering.Overview(count, first, last)


def publishers(library: Library) -> list[str]:
    try:
        return library.publishers() if library.exists else []
    except LibraryError:
        return []


def filters_of(
    publishers: Sequence[str] | None,
    articles: Sequence[str] | None,
    after: str | None,
    before: str | None,
    t: Words,
) -> Filters:
    """The filters that were set on the page. Raises InputError for a date that is none."""
    days = _day(after, t("from")), _day(before, t("to"))
    return Filters(tuple(publishers or ()), *days, tuple(articles or ()))


def scope_of(filters: Filters, t: Words) -> str:
    """The filters in words, to stand below an answer; empty where there are none."""
    parts = [f" {t('or')} ".join(filters.publishers)] if filters.publishers else []
    parts += [f"{t('articles')}: {len(filters.article_ids)}"] if filters.article_ids else []
    parts += [t("from_day", day=filters.after)] if filters.after else []
    parts += [t("to_day", day=filters.before)] if filters.before else []
    return t("only", what=", ".join(parts)) if parts else ""


def _day(text: str | None, name: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text and text.strip() else None
    except ValueError as error:
        raise InputError(
            f"The filter “{name}” wants a date like 2024-05-31, not “{text}”. Change or clear it."
        ) from error


def _of_filters(filters: Filters) -> dict[str, Any]:
    parts = {
        "publishers": list(filters.publishers),
        "after": filters.after and filters.after.isoformat(),
        "before": filters.before and filters.before.isoformat(),
        "article_ids": list(filters.article_ids),
    }
    return {key: value for key, value in parts.items() if value}


def _to_filters(kept: Any) -> Filters:
    after, before = (date.fromisoformat(kept[name]) if kept.get(name) else None for name in DAYS)
    papers, articles = (tuple(kept.get(name, ())) for name in ("publishers", "article_ids"))
    return Filters(papers, after, before, articles)
