"""A conversation with a library, as the page shows it; all HTML comes from rendering."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from qa import contract
from qa.assistant import READING
from qa.errors import InputError, LibraryError, QaError
from qa.library import Library
from qa.store import Store
from qa.types import ABSTENTION, Answer, Filters, Hit, Turn
from qa.web import exporting, keeping, rendering
from qa.web.keeping import Conversations, Kept
from qa.web.languages import Words, words

PACE = 0.2  # seconds between updates of a page: five a second
EXAMPLES = 4
FOLLOWING = 3
REMEMBERED = 500  # exchanges whose HTML is held in memory, over all conversations
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
    """Who looks at the page, and in which language; ``name`` is empty without sign-in."""

    name: str = ""
    t: Words = field(default_factory=lambda: words("en"))


class Stopping:
    """The questions that are being answered, by conversation, so that each can be stopped."""

    def __init__(self) -> None:
        self._running: dict[str, threading.Event] = {}
        self._guard = threading.Lock()

    def begin(self, conversation: str) -> threading.Event:
        """Stops what runs in this conversation; the event says when this one is to stop."""
        event = threading.Event()
        with self._guard:
            before = self._running.get(conversation)
            self._running[conversation] = event
        if before:
            before.set()
        return event

    def stop(self, conversation: str) -> None:
        with self._guard:
            event = self._running.get(conversation)
        if event:
            event.set()

    def end(self, conversation: str, event: threading.Event) -> None:
        with self._guard:
            if self._running.get(conversation) is event:
                del self._running[conversation]


class Chat:
    """The conversations of one library. Safe to share between threads."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.kept = Conversations(library.path)
        self.running = Stopping()
        self._html: dict[Any, Shown] = {}
        self._guard = threading.Lock()
        self._examples: tuple[int, list[str]] = (-1, [])
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
        stop = self.running.begin(conversation)
        try:
            yield from self._ask(conversation, question.strip(), filters, reader, at, stop)
        finally:
            self.running.end(conversation, stop)

    def _ask(
        self,
        conversation: str,
        question: str,
        filters: Filters,
        reader: Reader,
        at: int | None,
        stop: threading.Event,
    ) -> Iterator[View]:
        try:
            row = self.kept.begin(
                conversation, question, _of_filters(filters), owner=reader.name, at=at
            )
        except Exception as error:  # nothing can be kept: say so, and lose no word of the question
            yield self.alone(conversation, question, explain(error, reader.t), reader)
            return
        past = self.kept.exchanges(conversation, owner=reader.name)[: row.number - 1]
        before = [self._shown(k, reader.t.code) for k in past]
        answering = Answering(row.number, question, reader.t)

        def view(now: Shown) -> View:
            return _view(conversation, [*before, now], reader.t)

        try:
            yield view(answering.now())
            updates = self.library.stream(question, _history(past), filters)
            for _ in paced(answering.follow(pumped(updates, stop, self._pumps), stop)):
                yield view(answering.now())
            state: keeping.State = (
                "stopped" if stop.is_set() and not answering.whole else "answered"
            )
            self.kept.finish(row.key, state, answering.record())
        except GeneratorExit:  # the reader has gone: what is there is kept
            self.kept.finish(row.key, "stopped", answering.record())
            raise
        except Exception as error:
            problem = explain(error, reader.t)
            self._finish_quietly(row, problem)
            yield view(Shown(rendering.failed(row.number, question, problem, reader.t)))
            return
        yield self.view(conversation, reader)

    def _finish_quietly(self, row: Kept, problem: str) -> None:
        try:
            self.kept.finish(row.key, "failed", None, problem)
        except Exception as error:
            logger.error("a failed question could not be kept", exc_info=error)

    def alone(self, conversation: str, question: str, problem: str, reader: Reader) -> View:
        """A question that was not taken, behind what is kept of its conversation."""
        try:
            number = self.length(conversation, reader) + 1
            failed = rendering.failed(number, question, problem, reader.t)
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

    def view(self, conversation: str, reader: Reader, more: Sequence[str] = ()) -> View:
        """A conversation as it is kept, and further turns that are not."""
        exchanges = self.kept.exchanges(conversation, owner=reader.name)
        shown = [self._shown(kept, reader.t.code) for kept in exchanges]
        return _view(conversation, [*shown, *map(Shown, more)], reader.t)

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
        html = rendering.answered(
            kept.number,
            answer,
            t,
            scope=scope_of(filters, t),
            steps=[rendering.Step(*step) for step in kept.record.get("steps", ())],
            rating=rendering.Rating(kept.liked, kept.reason, kept.comment),
            relax=self._relax(filters, t)
            if filters and not answer.nearest and _empty(answer)
            else (),
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
        ids = list(
            dict.fromkeys(c["article_id"] for c in [*record["citations"], *record["nearest"]])
        )
        return self.library.questions(ids[:3], most=FOLLOWING, but=asked)

    def examples(self) -> list[str]:
        """Questions to begin with, made anew where articles have come or gone."""
        generation = self.library.generation
        if self._examples[0] != generation:
            self._examples = (generation, self.library.questions(most=EXAMPLES))
        return self._examples[1]

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

    def follow(self, updates: Iterable[Answer], stop: threading.Event) -> Iterator[None]:
        """Takes every update until it is told to stop."""
        for answer in updates:
            self._enter(self._named(answer))
            self._answer = answer
            yield
            if stop.is_set():
                return
        self._enter("")
        self.whole = True

    def _named(self, answer: Answer) -> str:
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
        return contract.of_answer(answer) | {"passages": contract.of_hits(cited), "steps": steps}


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


def _empty(answer: Answer) -> bool:
    return answer.status == "abstained"


def explain(error: Exception, t: Words) -> str:
    """One line for a person: our own message, or the id under which the log tells the rest."""
    if isinstance(error, QaError):
        return str(error)
    key = secrets.token_hex(4)
    logger.error("error %s", key, exc_info=error)
    return t("error", key=key)


def paced(
    updates: Iterable[T], pause: float = PACE, clock: Callable[[], float] = time.monotonic
) -> Iterator[T]:
    """The updates without those that follow too soon; the last one always comes."""
    shown_at = float("-inf")
    held: list[T] = []
    for update in updates:
        held = [update]
        if clock() - shown_at >= pause:
            shown_at = clock()
            yield held.pop()
    yield from held


def pumped(updates: Iterator[T], stop: threading.Event, threads: ThreadPoolExecutor) -> Iterator[T]:
    """The updates, made in another thread, so that to stop is not to wait for the next of them."""
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

    threads.submit(pump)
    try:
        while not stop.is_set():
            try:
                found, failure = queue.get(timeout=WAKE)
            except Empty:
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
    if not Store.exists(library.path):
        return rendering.Overview()
    try:
        count, first, last = library.span()
    except Exception as error:
        return rendering.Overview(problem=explain(error, t))
    return rendering.Overview(count, first, last)


def publishers(library: Library) -> list[str]:
    try:
        return library.publishers() if Store.exists(library.path) else []
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
