"""A conversation with a library, as the page shows it; all HTML comes from rendering."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import TypeVar

from qa.errors import InputError, LibraryError, QaError
from qa.library import Library
from qa.store import Store
from qa.types import Answer, Filters, Turn
from qa.web import rendering

SEARCHING = "Searching the articles…"
WRITING = "Writing the answer…"
PACE = 0.2  # seconds between updates of a page: five a second
EXAMPLES = 4
EXAMPLE_ARTICLES = 60  # the newest ones, which example questions are made from

logger = logging.getLogger("qa.web")
T = TypeVar("T")

# Two to four capitalised words that do not begin a line or a sentence: "Tanner's Bridge"
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][\w’'-]+(?: [A-Z][\w’'-]+){1,3}")
_HONORIFIC = re.compile(r"(?:Mrs?|Ms|Dr|Sir|The)\b")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and what came of it: its part of the thread, its sources, its place in memory."""

    html: str
    sources: str = ""
    turn: Turn | None = None


Conversation = tuple[Exchange, ...]


def ask(
    library: Library, past: Conversation, question: str, filters: Filters
) -> Iterator[Conversation]:
    """The conversation with ever more of an answer; whatever fails is shown as a line of it."""
    number, question = len(past) + 1, question.strip()
    history = [exchange.turn for exchange in past if exchange.turn]
    last: Answer | None = None
    try:
        yield (*past, Exchange(rendering.waiting(number, question, SEARCHING)))
        for last in paced(library.stream(question, history, filters)):
            unfinished = rendering.answered(number, last, stage=last.stage or WRITING)
            yield (*past, Exchange(unfinished, rendering.sources(number, last)))
        if last is None:
            raise RuntimeError("the library gave no answer")
        html = rendering.answered(number, last, scope_of(filters))
        turn = Turn(question, last.text)
        yield (*past, Exchange(html, rendering.sources(number, last), turn))
    except Exception as error:
        yield (*past, failed(number, question, error))


def failed(number: int, question: str, error: Exception) -> Exchange:
    return Exchange(rendering.failed(number, question, explain(error)))


def explain(error: Exception) -> str:
    """One line for a person: our own message, or the id under which the log tells the rest."""
    if isinstance(error, QaError):
        return str(error)
    key = secrets.token_hex(4)
    logger.error("error %s", key, exc_info=error)
    return f"Something went wrong here (error {key}). You can ask again; the log says more."


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


# What can be asked


def overview(library: Library) -> rendering.Overview:
    """How many articles there are, and from when; a library that is not there yet has none."""
    if not Store.exists(library.path):
        return rendering.Overview()
    try:
        dates = [listing.published for listing in library.articles()]
    except Exception as error:
        return rendering.Overview(problem=explain(error))
    known = sorted(each for each in dates if each)
    return rendering.Overview(len(dates), *((known[0], known[-1]) if known else ()))


def publishers(library: Library) -> list[str]:
    try:
        return library.publishers() if Store.exists(library.path) else []
    except LibraryError:
        return []


def examples(library: Library) -> list[str]:
    """Questions about names that several articles share."""
    newest = [listing.id for listing in library.articles()[:EXAMPLE_ARTICLES]]
    texts = [library.article(key).text for key in newest]
    papers = set(library.publishers())
    shared = Counter(chain.from_iterable(set(_NAME.findall(text)) for text in texts))
    many = max(3, len(texts) // 6)  # what stands in more articles is the place they are all about
    ranked = [name for name, count in shared.most_common() if count <= many]
    names = [name for name in ranked if _is_telling(name, papers)]
    return [f"What is known about {name}?" for name in names[:EXAMPLES]]


def _is_telling(name: str, publishers: set[str]) -> bool:
    paper = any(name in publisher for publisher in publishers)
    return not paper and not _HONORIFIC.match(name)


def filters_of(publishers: Sequence[str] | None, after: str | None, before: str | None) -> Filters:
    """The filters that were set on the page. Raises InputError for a date that is none."""
    return Filters(tuple(publishers or ()), _day(after, "From"), _day(before, "To"))


def scope_of(filters: Filters) -> str:
    """The filters in words, to stand below an answer; empty where there are none."""
    words = [" or ".join(filters.publishers)] if filters.publishers else []
    words += [f"from {filters.after}"] if filters.after else []
    words += [f"to {filters.before}"] if filters.before else []
    return f"Only: {', '.join(words)}" if words else ""


def _day(text: str | None, label: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text and text.strip() else None
    except ValueError as error:
        raise InputError(f"“{label}” wants a date like 2024-05-31, not “{text}”.") from error
