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
from itertools import pairwise
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from qa.types import Answer, AnswerSentence, Article, Citation, Disagreement, Hit, Listing
from qa.web import fragments
from qa.web.keeping import REASONS
from qa.web.languages import Words, words

CONTEXT = 320  # characters shown on each side of a quote whose passage is not known
TOOLTIP = 300
QUESTION = 500  # characters shown of a question that is waiting or could not be answered
ENGLISH = words("en")
_PARAGRAPH = re.compile("[\r\x1c-\x1e\x85\u2029]")  # to Unicode's rules of direction
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+)$", re.MULTILINE)


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


@dataclass(frozen=True, slots=True)
class Step:
    """A stage of an answer, in words of the page's language, and how long it took."""

    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Rating:
    """What a reader thinks of an answer; ``liked`` is None where there is no thumb."""

    liked: bool | None = None
    reason: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A conversation that can be gone back to."""

    id: str
    question: str
    day: str
    count: int


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is being added: what has come of it, in words, and whether that is the end."""

    name: str
    state: str
    reason: str = ""
    done: bool = False


# Pieces of the page


def header(overview: Overview, t: Words = ENGLISH) -> str:
    span = _span(overview.first, overview.last, t)
    return _render("header.html", t, overview=overview, span=span)


def welcome(
    overview: Overview,
    examples: Sequence[str],
    library: str,
    earlier: Sequence[Earlier] = (),
    editable: bool = False,
    t: Words = ENGLISH,
) -> str:
    """What an empty conversation shows: how to begin, or how to add articles."""
    given = {"overview": overview, "examples": examples, "library": library}
    return _render("welcome.html", t, **given, earlier=earlier, editable=editable)


def thread(turns: Iterable[str], conversation: str = "", t: Words = ENGLISH) -> str:
    """The conversation; ``turns`` are made by the functions below."""
    return _render(
        "thread.html", t, turns=[Markup(turn) for turn in turns], conversation=conversation
    )


def panel(groups: Iterable[str]) -> str:
    """The sources of all turns, of which one group is shown; ``groups`` by :func:`sources`."""
    return _joined('<div class="qa-panel" tabindex="-1">', groups)


def following(questions: Sequence[str], t: Words = ENGLISH) -> str:
    """Questions to go on with; nothing where there are none."""
    return _render("following.html", t, questions=questions) if questions else ""


def notice(text: str) -> str:
    """A line of the page that is not part of the conversation, read out when it comes."""
    return _render("notice.html", ENGLISH, text=text) if text else ""


def changing(number: int, t: Words = ENGLISH) -> str:
    """Says which question is being changed, and how not to."""
    return _render("changing.html", t, number=number)


# One turn of the conversation


def waiting(number: int, question: str, stage: str, t: Words = ENGLISH) -> str:
    return _turn(t, number=number, question=_cut(question, QUESTION), stage=stage)


def failed(
    number: int, question: str, message: str, t: Words = ENGLISH, *, busy: bool = False
) -> str:
    """A question without an answer, and why; ``busy``: it was not taken, and can be asked again."""
    shown = {"question": _cut(question, QUESTION), "problem": message, "busy": busy}
    return _turn(t, number=number, done=True, **shown)


def answered(
    number: int,
    answer: Answer,
    t: Words = ENGLISH,
    *,
    scope: str = "",
    stage: str = "",
    steps: Sequence[Step] = (),
    **more: Any,
) -> str:
    """An answer, or as much of it as there is.

    ``scope`` says what filters were set. Of ``more``: ``rating`` is the reader's; ``relax`` tells
    how many articles there are without each filter; ``markdown`` is what is copied; ``stopped``
    says that it was not let finish.
    """
    standalone = answer.standalone_question
    return _turn(
        t,
        number=number,
        question=answer.question,
        understood=standalone if standalone not in ("", answer.question) else "",
        sentences=[_sentence(answer, sentence) for sentence in answer.sentences],
        direction=_direction(" ".join(sentence.text for sentence in answer.sentences)),
        disputes=[_dispute(answer, each, t) for each in answer.disagreements],
        notes=answer.notes,
        abstained=answer.status == "abstained" and not stage and not more.get("stopped"),
        count=len(answer.citations) or len(answer.nearest),
        scope=scope,
        stage=stage,
        steps=steps,
        seconds=_seconds(answer),
        done=not stage,
        **more,
    )


_NOTHING: dict[str, Any] = {
    **dict.fromkeys("understood problem stage scope seconds markdown direction".split(), ""),
    **dict.fromkeys("sentences disputes notes steps relax".split(), ()),
    **dict.fromkeys("abstained stopped done busy".split(), False),
    **{"count": 0, "rating": Rating(), "reasons": REASONS},
}


def _turn(t: Words, **parts: Any) -> str:
    return _render("turn.html", t, **{**_NOTHING, **parts})


def sources(
    number: int, answer: Answer, t: Words = ENGLISH, gone: frozenset[str] = frozenset()
) -> str:
    """A card a citation; for an abstention, a card for each of the nearest passages.

    ``gone``: ids of articles that no longer hold the cited words.
    """
    cards = [_cited(citation, answer.hits, t) for citation in answer.citations]
    if answer.status == "abstained":
        cards = [_near(rank, hit, t) for rank, hit in enumerate(answer.nearest, start=1)]
    for card in cards:
        card["gone"] = card["id"] in gone
    given = {"question": answer.question, "cards": cards, "status": answer.status}
    return _render("sources.html", t, number=number, **given)


# Articles


def reader(
    article: Article,
    spans: Sequence[tuple[int, int]],
    active: tuple[int, int] | None,
    t: Words = ENGLISH,
    key: str = "",
) -> str:
    """An article whole, every span of ``spans`` marked; ``active`` is the one that is gone to.

    A new ``key`` tells the browser that it was opened anew.
    """
    start, end = active or (0, 0)
    card = _card(0, article, Excerpt(article.text, "", "", True, True), t)
    if active:
        card["link"] = fragments.linked(article.url, article.text, start, end)
    pieces = _pieces(article.text, spans, active)
    updated = t("updated", day=t.day(article.updated)) if article.updated else ""
    given = {"card": card, "pieces": pieces, "start": start, "end": end}
    return _render("reader.html", t, **given, updated=updated, key=key)


def missing_article(t: Words = ENGLISH, key: str = "") -> str:
    return _render("missing.html", t, key=key)


def shelf(
    listings: Sequence[Listing],
    count: int,
    t: Words = ENGLISH,
    *,
    editable: bool = False,
    doomed: str = "",
) -> str:
    """The list of articles; ``count`` is how many there are to show in all.

    ``doomed`` is the id of the one whose deletion is to be confirmed.
    """
    rows = [
        {
            "id": each.id,
            "title": each.title.strip() or t("untitled"),
            "publisher": each.publisher,
            "published": each.published,
            "date": t.day(each.published),
        }
        for each in listings
    ]
    return _render("shelf.html", t, rows=rows, count=count, editable=editable, doomed=doomed)


def uploads(files: Sequence[Upload]) -> str:
    return _render("uploads.html", ENGLISH, files=files) if files else ""


# What the templates are given


def _pieces(
    text: str, spans: Sequence[tuple[int, int]], active: tuple[int, int] | None
) -> list[tuple[str, str]]:
    """The text cut where marks begin and end, each piece with what it is: "", "mark", "active".

    The active span is never cut: others that overlap it are marked outside it only.
    """
    inside = [span for span in spans if 0 <= span[0] < span[1] <= len(text) and span != active]
    cuts = sorted(
        {
            0,
            len(text),
            *(place for span in (*inside, *([active] if active else ())) for place in span),
        }
    )
    first, last = active or (0, 0)
    pieces = []
    for start, end in pairwise(cuts):
        if first <= start and end <= last:
            if start == first:
                pieces.append((text[first:last], "active"))
            continue
        marked = any(a <= start and end <= b for a, b in inside)
        pieces.append((text[start:end], "mark" if marked else ""))
    return pieces


def _sentence(answer: Answer, sentence: AnswerSentence) -> dict[str, Any]:
    cited = [citation for citation in answer.citations if citation.number in sentence.citations]
    marks = [
        {
            "number": c.number,
            "title": c.article.title,
            "quote": _cut(" ".join(c.quote.split()), TOOLTIP),
            "direction": _direction(c.quote),
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


def _dispute(answer: Answer, disagreement: Disagreement, t: Words) -> list[dict[str, str]]:
    """The values that sources give, each with the first source that gives it and its date."""
    cited = {citation.number: citation.article for citation in answer.citations}
    sides = [(side.value, cited[side.citations[0]]) for side in disagreement.sides]
    return [
        {
            "value": value,
            "source": article.publisher or article.title,
            "date": t.day(article.published),
        }
        for value, article in sides
    ]


def _cited(citation: Citation, hits: Sequence[Hit], t: Words) -> dict[str, Any]:
    article, place = citation.article, (citation.start, citation.end)
    card = _card(citation.number, article, excerpt(citation, hits), t, place)
    return card | _found(_around(citation, hits), t)


def _near(rank: int, hit: Hit, t: Words) -> dict[str, Any]:
    passage, text = hit.passage, hit.article.text
    shown = Excerpt(passage.text, "", "", passage.start == 0, passage.end == len(text))
    place = (passage.start, passage.end)
    return _card(rank, hit.article, shown, t, place) | _found(hit, t)


def _found(hit: Hit | None, t: Words) -> dict[str, Any]:
    """Why a passage was found, in words, and in how many copies."""
    if hit is None:
        return {}
    known = (("lexical", "by_words"), ("dense", "by_meaning"))
    ways = [t(key, rank=hit.ranks[leg]) for leg, key in known if leg in hit.ranks]
    found = t("found_by", ways=f" {t('and')} ".join(ways)) if ways else ""
    return {"copies": len(hit.copies), "found": found}


def _card(
    number: int, article: Article, shown: Excerpt, t: Words, place: tuple[int, int] = (0, 0)
) -> dict[str, Any]:
    return {
        "number": number,
        "id": article.id,
        "start": place[0],
        "end": place[1],
        "title": article.title.strip() or t("untitled"),
        "publisher": article.publisher,
        "author": article.author,
        "published": article.published,
        "date": t.day(article.published),
        "link": fragments.linked(article.url, article.text, *place),
        "excerpt": shown,
        "copies": 0,
        "found": "",
        "gone": False,
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


def _span(first: str | None, last: str | None, t: Words) -> str:
    if not first or not last:
        return ""
    dates = dict.fromkeys((t.day(first), t.day(last)))
    return " – ".join(dates)


def _seconds(answer: Answer) -> str:
    total = answer.timings_ms.get("total")
    return "" if total is None else f"{max(total / 1000, 0.1):.1f}"


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


def _closed(text: str) -> str:
    """The text with as many ends as beginnings of isolates.

    A ``bdi`` is an isolate, too: an end too many would end it early, an end too few would leave it
    open, and what stands behind it would be reordered. The end of a paragraph would end it as well.
    """
    opened, kept = 0, []
    for character in _PARAGRAPH.sub(" ", text):
        if character in "\u2066\u2067\u2068":
            opened += 1
        elif character == "\u2069":
            if not opened:
                continue
            opened -= 1
        kept.append(character)
    return "".join(kept) + "\u2069" * opened


def _plain(value: object) -> object:
    """Escapes a value; a lone surrogate, which no JSON can carry, becomes a question mark.

    A carriage return is written as a reference, since a browser would turn it into a line feed and
    the cited words would no longer be the stored ones. A NUL, which no HTML can carry, is shown as
    a replacement character, as long as itself.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
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
    environment.filters["closed"] = _closed
    return environment


def _render(name: str, t: Words, **values: Any) -> str:
    return _environment().get_template(name).render(t=t, **values).strip()


def _joined(opening: str, parts: Iterable[str]) -> str:
    return "\n".join((opening, *parts, "</div>"))
