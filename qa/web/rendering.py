"""From an Answer to HTML: pure functions, every text escaped by the templates.

Whatever stands in a library, a question or a model's answer is text and never markup: Jinja escapes
each value, and :func:`_plain` sees to what escaping leaves. Texts of unknown direction stand in
``bdi`` or ``dir=auto``, so that no control character in a title reaches beyond it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from qa.types import ABSTENTION, Answer, AnswerSentence, Article, Citation, Disagreement, Hit

CONTEXT = 320  # characters shown on each side of a quote whose passage is not known
TOOLTIP = 300
QUESTION = 500  # characters shown of a question that is waiting or could not be answered
MONTHS = (
    "January February March April May June July August September October November December".split()
)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+)$", re.MULTILINE)
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


@dataclass(frozen=True, slots=True)
class Overview:
    """What a library holds, for the head of the page; ``problem`` says why it cannot be read."""

    articles: int = 0
    first: str | None = None
    last: str | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A stretch of an article, cut where the cited words begin and end."""

    before: str
    quote: str
    after: str
    opens: bool  # the article's text begins here
    closes: bool


# Pieces of the page


def header(overview: Overview) -> str:
    return _render("header.html", overview=overview, span=_span(overview.first, overview.last))


def welcome(overview: Overview, examples: Sequence[str], library: str) -> str:
    """What an empty conversation shows: how to begin, or how to add articles."""
    return _render("welcome.html", overview=overview, examples=examples, library=library)


def thread(turns: Iterable[str]) -> str:
    """The conversation; ``turns`` are made by the functions below."""
    return _joined('<div class="qa-thread" role="log" aria-label="Conversation">', turns)


def panel(groups: Iterable[str]) -> str:
    """The sources of all turns, of which one group is shown; ``groups`` by :func:`sources`."""
    return _joined('<div class="qa-panel" tabindex="-1">', groups)


# One turn of the conversation


def waiting(number: int, question: str, stage: str) -> str:
    return _turn(number=number, question=_cut(question, QUESTION), stage=stage)


def failed(number: int, question: str, message: str) -> str:
    return _turn(number=number, question=_cut(question, QUESTION), problem=message)


def answered(number: int, answer: Answer, scope: str = "", stage: str = "") -> str:
    """An answer, or as much of it as there is; ``scope`` says what filters were set."""
    standalone = answer.standalone_question
    return _turn(
        number=number,
        question=answer.question,
        understood=standalone if standalone != answer.question else "",
        sentences=[_sentence(answer, sentence) for sentence in answer.sentences],
        direction=_direction(" ".join(sentence.text for sentence in answer.sentences)),
        disputes=[_dispute(answer, each) for each in answer.disagreements],
        notes=answer.notes,
        abstention=ABSTENTION if answer.status == "abstained" and not stage else "",
        count=len(answer.citations) or len(answer.nearest),
        scope=scope,
        stage=stage,
        seconds=_seconds(answer),
    )


def _turn(**parts: Any) -> str:
    nothing = {"understood": "", "problem": "", "sentences": (), "abstention": "", "stage": ""}
    nothing |= {"disputes": (), "notes": ()}
    return _render("turn.html", **{**nothing, "count": 0, "scope": "", "seconds": "", **parts})


def sources(number: int, answer: Answer) -> str:
    """A card a citation; for an abstention, a card for each of the nearest passages."""
    cards = [_cited(citation, answer.hits) for citation in answer.citations]
    if answer.status == "abstained":
        cards = [_near(rank, hit) for rank, hit in enumerate(answer.nearest, start=1)]
    return _render(
        "sources.html", number=number, question=answer.question, cards=cards, status=answer.status
    )


# What the templates are given


def _sentence(answer: Answer, sentence: AnswerSentence) -> dict[str, Any]:
    cited = [citation for citation in answer.citations if citation.number in sentence.citations]
    marks = [
        {
            "number": c.number,
            "title": c.article.title,
            "quote": _cut(" ".join(c.quote.split()), TOOLTIP),
        }
        for c in cited
    ]
    return {
        "text": sentence.text.strip(),
        "marks": marks,
        "support": sentence.support,
        "reason": sentence.reason,
        "asides": "; ".join(sentence.asides),
    }


def _dispute(answer: Answer, disagreement: Disagreement) -> list[dict[str, str]]:
    """The values that sources give, each with the first source that gives it and its date."""
    cited = {citation.number: citation.article for citation in answer.citations}
    sides = [(side.value, cited[side.citations[0]]) for side in disagreement.sides]
    return [
        {
            "value": value,
            "source": article.publisher or article.title,
            "date": written_date(article.published),
        }
        for value, article in sides
    ]


def _cited(citation: Citation, hits: Sequence[Hit]) -> dict[str, Any]:
    hit = _around(citation, hits)
    copies = len(hit.copies) if hit else 0
    return _card(citation.number, citation.article, excerpt(citation, hits), copies)


def _near(rank: int, hit: Hit) -> dict[str, Any]:
    passage, text = hit.passage, hit.article.text
    shown = Excerpt(passage.text, "", "", passage.start == 0, passage.end == len(text))
    return _card(rank, hit.article, shown, len(hit.copies))


def _card(number: int, article: Article, shown: Excerpt, copies: int) -> dict[str, Any]:
    return {
        "number": number,
        "title": article.title.strip() or "Untitled",
        "publisher": article.publisher,
        "author": article.author,
        "published": article.published,
        "date": written_date(article.published),
        "link": safe_link(article.url),
        "excerpt": shown,
        "copies": copies,
    }


def excerpt(citation: Citation, hits: Sequence[Hit]) -> Excerpt:
    """The passage around a quote: the one that was retrieved, or else a little to each side."""
    text = citation.article.text
    hit = _around(citation, hits)
    if hit:
        start, end = hit.passage.start, hit.passage.end
    else:
        start = _word_start(text, citation.start - CONTEXT)
        end = _word_end(text, citation.end + CONTEXT)
    return Excerpt(
        text[start : citation.start],
        text[citation.start : citation.end],
        text[citation.end : end],
        not text[:start].strip(),
        not text[end:].strip(),
    )


def _around(citation: Citation, hits: Sequence[Hit]) -> Hit | None:
    for hit in hits:
        same = hit.article.id == citation.article.id
        if same and hit.passage.start <= citation.start and citation.end <= hit.passage.end:
            return hit
    return None


def _word_start(text: str, at: int) -> int:
    """The first beginning of a word at or after ``at``; the beginning of the text before it."""
    if at <= 0:
        return 0
    space = re.compile(r"\s+").search(text, at)
    return space.end() if space else at


def _word_end(text: str, at: int) -> int:
    if at >= len(text):
        return len(text)
    space = re.compile(r"\s").search(text, at)
    return space.start() if space else len(text)


# Small things


def safe_link(url: str | None) -> str:
    """The address if it is a plain http(s) one, else nothing: no ``javascript:`` becomes a link."""
    if not url or re.search(r"[\s\x00-\x1f\x7f]", url):
        return ""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and named else ""


def written_date(published: str | None) -> str:
    """``2024-07-16`` as "16 July 2024", in the precision it has; unknown where it is."""
    if not published:
        return "date unknown"
    match = _DATE.fullmatch(published)
    if not match:
        return published
    year, month, day = match.groups()
    if not month or not 1 <= int(month) <= 12:
        return published
    return " ".join(part for part in (day and str(int(day)), MONTHS[int(month) - 1], year) if part)


def _span(first: str | None, last: str | None) -> str:
    if not first or not last:
        return ""
    dates = dict.fromkeys((written_date(first), written_date(last)))
    return " – ".join(dates)


def _seconds(answer: Answer) -> str:
    total = answer.timings_ms.get("total")
    return "" if total is None else f"{max(total / 1000, 0.1):.1f} s"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length].rsplit(" ", 1)[0] + " …"


def _direction(text: str) -> str:
    """``rtl`` or ``ltr`` by the first letter that has a direction, as ``dir=auto`` decides it."""
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in ("L", "R", "AL"):
            return "ltr" if kind == "L" else "rtl"
    return "ltr"


def _blocks(text: str) -> list[tuple[bool, str]]:
    """Text and Markdown headings in turn, so that headings can be shown without their marks."""
    parts = _HEADING.split(text)
    return [(bool(n % 2), part) for n, part in enumerate(parts) if part]


def _plain(value: object) -> object:
    """Escapes a value; a lone surrogate, which no JSON can carry, becomes a question mark.

    A carriage return is written as a reference, since a browser would turn it into a line feed and
    the cited words would no longer be the stored ones.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = value.encode("utf-8", "replace").decode("utf-8")
    return Markup(str(escape(text)).replace("\r", "&#13;"))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("qa.web"),
        autoescape=True,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["blocks"] = _blocks
    return environment


def _render(name: str, **values: Any) -> str:
    return _environment().get_template(name).render(**values).strip()


def _joined(opening: str, parts: Iterable[str]) -> str:
    return "\n".join((opening, *parts, "</div>"))
