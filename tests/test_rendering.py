"""Answers as HTML: golden files, and hostile text that stays text."""

from __future__ import annotations

import os
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser.server import ARABIC, HARBOUR, HOSTILE, MERROW

from qa.types import Answer, AnswerSentence, Article, Citation, Hit, Listing, Passage
from qa.web import rendering
from qa.web.languages import words
from qa.web.links import safe_link

GOLDEN = Path(__file__).parent / "golden"
TAGS = {
    *("article section header h1 h2 h3 p bdi span a button ol li ul time blockquote mark".split()),
    *("strong div pre code nav label textarea ol details summary svg path".split()),
}


def cite(number: int, article: Article, quote: str) -> Citation:
    start = article.text.index(quote)
    return Citation(number, article, start, start + len(quote), quote)


def hit(article: Article, start: int = 0, end: int | None = None, copies: int = 0) -> Hit:
    end = len(article.text) if end is None else end
    passage = Passage(f"{article.id}:{start}", article.id, start, end, article.text[start:end])
    return Hit(passage, article, 0.5, copies=tuple(f"copy-{n}" for n in range(copies)))


def answer_of(*citations: Citation, **more: object) -> Answer:
    sentences = tuple(AnswerSentence(c.quote, (c.number,)) for c in citations)
    given = Answer("When did it reopen?", "answered", sentences, citations)
    return replace(given, standalone_question=given.question, **more)  # type: ignore[arg-type]


WALL = "The harbour wall at Tellin reopened on 4 March 2031 after eleven months of repairs."
COST = "The work cost 4.2 million crowns, said mayor Ines Falk."
BRICKS = 'The kiln at Orbel Lane fired <b onmouseover="alert(1)">12,000</b> bricks in 1931'
ANSWERED = answer_of(
    cite(1, HARBOUR, WALL),
    cite(2, MERROW, "The clock tower of Merrow was designed by Ida Lorn in 1888."),
    hits=(hit(HARBOUR, copies=1), hit(ARABIC)),
    timings_ms={"total": 231.4},
)
ABSTAINED = Answer(
    "And the ferry?",
    "abstained",
    nearest=(hit(HARBOUR, 85), hit(MERROW, 0, 59)),
    standalone_question="And the ferry? (Harbour)",
)
HOSTILE_ANSWER = answer_of(cite(1, HOSTILE, BRICKS), hits=(hit(HOSTILE),))
ARABIC_ANSWER = answer_of(cite(1, ARABIC, ARABIC.text[:69]), hits=(hit(ARABIC),))
PARTIAL = replace(
    ANSWERED,
    sentences=(
        AnswerSentence("It cost 5 million.", (1,), "partial"),
        AnswerSentence("It is green.", (2,), "unsupported"),
    ),
)
OVERVIEW = rendering.Overview(1204, "2022", "2031-03-05")
EXAMPLES = ["What is known about <Tellin>?"]

LISTINGS = [
    Listing("a", "<b>A</b>", None, "Check Gazette", None, "2031-03-05", 3, "/a.txt", 900),
    Listing("b", " ", None, None, None, None, 1, "/b.txt", 90),
]
EARLIER = [rendering.Earlier("0" * 32, "Why <b>?", "5 March 2031", 2)]

PAGES = {
    "header": rendering.header(OVERVIEW),
    "welcome": rendering.welcome(OVERVIEW, EXAMPLES, "library"),
    "welcome-earlier": rendering.welcome(OVERVIEW, [], "library", EARLIER),
    "welcome-empty": rendering.welcome(rendering.Overview(), [], "my <library>"),
    "welcome-broken": rendering.welcome(rendering.Overview(problem="It is <bad>."), [], "library"),
    "waiting": rendering.waiting(1, "Why <b>?", "Searching the articles…"),
    "failed": rendering.failed(2, "Why?", "The question is <empty>."),
    "busy": rendering.failed(2, "Why?", "The chat is too busy.", busy=True),
    "writing": rendering.answered(1, ANSWERED, stage="Writing the answer…"),
    "answered": rendering.answered(
        1,
        ANSWERED,
        scope="Only: Check Gazette",
        steps=[rendering.Step("Searching the articles…", 0.014)],
        rating=rendering.Rating(False, "wrong", "It is <older>."),
        markdown="The wall. \\[1\\]",
    ),
    "stopped": rendering.answered(1, ANSWERED, stopped="Stopped. What was there is kept."),
    "relaxed": rendering.answered(
        1, Answer("Why?", "abstained"), scope="Only: <b>", relax=["Without the dates: 3 articles"]
    ),
    "answered-sources": rendering.sources(1, ANSWERED),
    "partial": rendering.answered(1, PARTIAL),
    "abstained": rendering.answered(2, ABSTAINED),
    "abstained-sources": rendering.sources(2, ABSTAINED),
    "arabic": rendering.answered(1, ARABIC_ANSWER),
    "arabic-sources": rendering.sources(1, ARABIC_ANSWER),
    "hostile": rendering.answered(1, HOSTILE_ANSWER),
    "hostile-sources": rendering.sources(1, HOSTILE_ANSWER),
    "arabic-page": rendering.answered(2, ABSTAINED, words("ar"), markdown="x"),
    "gone-sources": rendering.sources(1, ANSWERED, gone=frozenset(["harbour"])),
    "reader": rendering.reader(HARBOUR, [(0, 83), (85, 141)], (85, 141), key="k"),
    "missing": rendering.missing_article(key="k"),
    "shelf": rendering.shelf(LISTINGS, 7, editable=True, doomed="b"),
    "shelf-read-only": rendering.shelf([], 0),
    "uploads": rendering.uploads(
        [
            rendering.Upload("a<b>.txt", "added: 1", done=True),
            rendering.Upload("c.pdf", "not added", "It is <broken>.", True),
            rendering.Upload("d.md", "embedding 40 %"),
        ]
    ),
    "following": rendering.following(["Who <built> it?"]),
    "changing": rendering.changing(3),
    "notice": rendering.notice("No <room>."),
    "thread": rendering.thread([rendering.failed(1, "Why?", "No.")], "0" * 32),
    "panel": rendering.panel([rendering.sources(1, answer_of())]),
}


@pytest.mark.parametrize("name", PAGES)
def test_page_is_as_kept(name: str) -> None:
    """To keep new pages, look at the difference: UPDATE_GOLDEN=1 pytest tests/test_rendering.py"""
    file = GOLDEN / f"{name}.html"
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(PAGES[name] + "\n", encoding="utf-8", newline="")
    assert file.read_text(encoding="utf-8") == PAGES[name] + "\n"


class Reader(HTMLParser):
    """Tags with their attributes, and the text within each mark."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.marks: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "mark":
            self.marks.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "mark" in self._open:
            self.marks[-1] += data


HOSTILE_TEXTS = [
    "<script>alert(1)</script>",
    "</mark></blockquote><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onfocus=alert(1) autofocus='",
    "<iframe src=http://evil.invalid></iframe>",
    "<style>*{display:none}</style>",
    '<form action="http://evil.invalid"><input name=q></form>',
    "[1]: http://evil.invalid/ 'x'",
    "[1](javascript:alert(1)) ![x](http://evil.invalid/i.png)",
    "${alert(1)} {{ 7*7 }} {% raw %} #{7*7}",
    "&lt;b&gt; &amp; &#60;script&#62;",
    "\u202eesrever\u202c \u2067isolate \u200bzero\ufeff",
    "line\r\nbreak\rand\ttab",
    "<!-- comment --> <![CDATA[x]]> <?php ?>",
    "a\u0000b \ud800 lone surrogate",
    "$$\\href{javascript:alert(1)}{x}$$",
]


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_text_stays_text(text: str) -> None:
    article = Article("h", text, f"Before. {text} After.", text, text, text, text)
    cited = cite(1, article, text)
    answer = replace(answer_of(cited), question=text, standalone_question=f"more {text}")
    abstained = Answer(text, "abstained", nearest=(hit(article),))
    for html in (
        rendering.answered(1, answer, scope=text),
        rendering.sources(1, answer),
        rendering.sources(1, replace(answer, hits=(hit(article),))),
        rendering.sources(1, abstained),
        rendering.failed(1, text, text),
        rendering.welcome(rendering.Overview(problem=text), [], text),
        rendering.welcome(OVERVIEW, [text], text, [rendering.Earlier(text, text, text, 1)]),
        rendering.answered(1, answer, markdown=text, rating=rendering.Rating(False, text, text)),
        rendering.answered(1, abstained, stage=text, steps=[rendering.Step(text, 1.0)]),
        rendering.reader(article, [(0, 5)], (cited.start, cited.end), key=text),
        rendering.shelf([Listing(text, text, text, text, text, text, 1, text, 9)], 2, doomed=text),
        rendering.uploads([rendering.Upload(text, text, text)]),
        rendering.following([text]) + rendering.notice(text),
    ):
        html.encode("utf-8")
        read = Reader(html)
        assert {tag for tag, _ in read.tags} <= TAGS
        for _, attributes in read.tags:
            assert not [name for name in attributes if name.startswith("on") or name == "style"]
            assert (attributes.get("href") or "#").startswith("#")
        for mark in read.marks:
            assert mark in (text.replace("\ud800", "?").replace("\x00", "\ufffd"), "Befor")


@pytest.mark.parametrize("answer", [ANSWERED, HOSTILE_ANSWER, ARABIC_ANSWER])
def test_mark_is_the_stored_span(answer: Answer) -> None:
    spans = [c.article.text[c.start : c.end] for c in answer.citations]
    assert Reader(rendering.sources(1, answer)).marks == spans


def test_excerpt_is_the_retrieved_passage_around_the_quote() -> None:
    citation = cite(1, HARBOUR, COST)
    shown = rendering.excerpt(citation, [hit(MERROW), hit(HARBOUR, 85, 140), hit(HARBOUR, 0, 142)])
    assert (shown.before, shown.quote, shown.after) == ("", COST, "")
    assert not shown.opens
    assert not shown.closes


def test_excerpt_without_its_passage_ends_at_words() -> None:
    quote = "its bell weighs 900 kilograms."
    shown = rendering.excerpt(cite(1, MERROW, quote), [])
    assert shown.opens
    assert not shown.closes
    assert shown.quote == quote
    assert MERROW.text.startswith(shown.before + quote + shown.after + " ")


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://example.org/a?b=c#d", True),
        ("http://example.org", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        ("data:text/html,x", False),
        ("//example.org/a", False),
        ("https://", False),
        ("https://exa mple.org", False),
        ("java\nscript:alert(1)", False),
        ("https://[bad", False),
        ("", False),
        (None, False),
    ],
)
def test_only_plain_addresses_become_links(url: str | None, link: bool) -> None:
    assert safe_link(url) == (url if link else "")


@pytest.mark.parametrize(
    ("published", "written"),
    [
        ("2024-07-16", "16 July 2024"),
        ("2024-07", "July 2024"),
        ("2024", "2024"),
        ("2024-13", "2024-13"),
        ("last week", "last week"),
        ("", "date unknown"),
        (None, "date unknown"),
    ],
)
def test_dates_have_the_precision_of_the_article(published: str | None, written: str) -> None:
    assert words("en").day(published) == written


def test_importing_the_package_and_rendering_is_light() -> None:
    import subprocess
    import sys

    code = (
        "import sys, qa.web.rendering; print([m for m in sys.modules if m in ('gradio', 'torch')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


# An article whole


@pytest.mark.parametrize("article", [HARBOUR, HOSTILE, ARABIC])
@pytest.mark.parametrize("active", [(0, 10), (7, 30), (20, 21), (3, 68)])
def test_article_whole_keeps_its_text_and_its_marks(
    article: Article, active: tuple[int, int]
) -> None:
    spans = [(0, 8), (5, 25), (40, 60), (0, 10_000), (9, 9), (-3, 4)]
    html = rendering.reader(article, spans, active)
    whole = html[html.index('<div class="qa-whole"') :]
    read = Reader(whole.removesuffix("</section>"))
    start, end = active
    assert article.text[start:end] in read.marks
    headless = article.text.replace("# ", "")
    assert read.text.strip() == headless.strip()
    assert whole.count('id="qa-words"') == 1


def test_other_spans_are_marked_around_the_one_that_is_gone_to() -> None:
    article = Article("a", "A", "one two three four five six")
    html = rendering.reader(article, [(0, 13), (19, 23)], (4, 7))
    assert Reader(html).marks == ["one ", "two", " three", "five"]


def test_article_without_a_place_has_no_words_to_go_to() -> None:
    html = rendering.reader(HARBOUR, [], None)
    assert "qa-words" not in html
    assert "#:~:text" not in html
