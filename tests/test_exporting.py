"""Conversations as Markdown and JSON: golden text, and hostile text that stays text."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from qa import contract
from qa.contract import Record
from qa.types import Answer, AnswerSentence, Article, Citation, Disagreement, Side
from qa.web import exporting
from qa.web.keeping import Kept
from qa.web.links import safe_link

ROOT = Path(__file__).parents[1]
OURS = {"h2", "p", "em", "strong", "ul", "li", "blockquote"}
WALL = "The harbour wall at Tellin reopened on 4 March 2031."
HARBOUR = Article(
    "harbour",
    "Harbour wall reopens",
    f"{WALL} It cost 4.2 million crowns.",
    url="https://example.org/harbour?a=1&b=2",
    publisher="Check Gazette",
    author="Ida Lorn",
    published="2031-03-04",
)
NOTE = Article("note", "", "The wall reopened\non 5 March.")


def cite(number: int, article: Article, end: int | None = None) -> Citation:
    end = len(article.text) if end is None else end
    return Citation(number, article, 0, end, article.text[:end])


ANSWER = Answer(
    "When did it reopen?",
    "answered",
    (
        AnswerSentence(WALL, (1,), asides=("as of 4 March 2031",)),
        AnswerSentence("It cost 5 million.", (1, 2), "partial", "the cited words say 4.2 million"),
        AnswerSentence("All were glad.", (), "unsupported"),
    ),
    (cite(1, HARBOUR, len(WALL)), cite(2, NOTE)),
    notes=("The model was slow.",),
    disagreements=(Disagreement((Side("5 March", (2,)), Side("4 March", (1,)))),),
)
EXPECTED = """\
## When did it reopen?

*Asked 2031-03-06 09:30:00 UTC. Only: Check Gazette or Town News, after 2031-01-01, \
1 chosen article*

The harbour wall at Tellin reopened on 4 March 2031. [1] (as of 4 March 2031) It cost 5 million. \
[1] [2] (partly supported by the words it cites: the cited words say 4.2 million) All were glad. \
(not supported by the articles)

The articles differ:

- 5 March [2]
- 4 March [1]

Note: The model was slow.

**Sources**

[1] Harbour wall reopens, Check Gazette, Ida Lorn, 2031-03-04, <https://example.org/harbour?a=1&b=2>

> The harbour wall at Tellin reopened on 4 March 2031.

[2] Untitled, date unknown

> The wall reopened on 5 March.
"""

OWN = [
    *("[a](http://evil.example)", "![a](http://evil.example/a.png)", "[a]: http://evil.example"),
    *(
        "[1]: http://evil.example",
        "[1]: <http://evil.example> 'x'\n[1]",
        "[1](http://evil.example)",
    ),
    *("(http://evil.example)", "[](http://evil.example)", "[1][2]", "[^1]: note", "[^1]", "![1]"),
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<http://evil.example>"),
    *("<!-- x", "<![CDATA[x]]>", "<?php x ?>", "<!DOCTYPE x>", "</p></blockquote>", "&lt;b&gt;"),
    *("&#60;b&#62;", "&copy; &#91;1&#93;", "\\<b>", "\\\\[a](http://evil.example)", "a\\", "\\"),
    *("# heading", "a\n===", "a\n---", "---", "***", "* item", "- item", "+ item", "1. item"),
    *("2) item", "    code", "\tcode", "```\ncode", "~~~", "`code`", "``", "> quote", "a  \nb"),
    *("*a*", "**a**", "_a_", "__a__", "~~a~~", "==a==", "$a$", "a^b^", "| a | b |\n|---|---|"),
    *("## a {#id .x}", "{: onclick=alert(1)}", "{=html}", ": definition", "[x] done", "[[a]]"),
    *("http://evil.example", "https://evil.com/[1]", "www.evil.com", "evil.com", "a@evil.com"),
    *("mailto:a@evil.com", "//evil.com", "http:\u200b//evil.example", "javascript:alert(1)"),
    *(
        "a\u2028[1]: http://evil.example",
        "a\x0b# b",
        "\x01- item",
        "\x001. item",
        "\u202eevil\u2066",
    ),
    *("x\r[1]: http://evil.example", "x\x85> y", "\ud800<b>", "", " ", "\n\n", "!", "[", "]", "`"),
]
PAYLOADS = [
    *OWN,
    *(
        json.loads(line)[field]
        for path, field in (
            ("tests/hostile_replies.jsonl", "reply"),
            ("eval/sets/injection.jsonl", "payload"),
        )
        for line in (ROOT / path).read_text("utf-8").splitlines()
    ),
]
ADDRESSES = [
    *("https://example.org/a", "http://a.example/?q=(1)&copy;=[x]*y*_z_", "http://[::1]/a|b"),
    *("http://a.example/>\"onclick='x'", "http://a.example/<script>", "http://a.example/`\\^{|}"),
    *("javascript:alert(1)", "data:text/html,x", "http://a.example/ b", "//evil.example", "x", ""),
    *("http://a.example/\u202e\u200b\ud800", "https://bücher.example/ü", "HTTP://a.example"),
]


class Page(HTMLParser):
    """The tags, the addresses and the text of the blocks of a rendered page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.blocks: list[str] = [""]
        self.feed(MarkdownIt("commonmark", {"html": True}).render(text))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [str(value) for name, value in attrs if name == "href"]
        assert [name for name, _ in attrs] == (["href"] if tag == "a" else [])
        if tag in {"h2", "p", "li"}:
            self.blocks.append("")

    def handle_data(self, data: str) -> None:
        self.blocks[-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def kept(record: Record | None, **more: object) -> Kept:
    known = Kept(1, 1, "2031-03-06T09:30:00Z", "When did it reopen?", {}, "answered", record)
    return replace(known, **more)  # type: ignore[arg-type]


def full_of(payload: str, url: str | None) -> Kept:
    """An exchange in which every text is the payload."""
    article = Article("a", payload, payload, url, payload, payload, payload)
    answer = Answer(
        payload,
        "answered",
        (AnswerSentence(payload, (1,), "partial", payload, (payload,)),),
        (Citation(1, article, 0, len(payload), payload),),
        notes=(payload,),
        disagreements=(Disagreement((Side(payload, (1,)), Side(payload, (1,)))),),
    )
    filters = {"publishers": [payload], "after": payload, "article_ids": [payload]}
    record = contract.of_answer(answer)
    more = {"question": payload, "filters": filters, "state": "failed", "problem": payload}
    return kept(record, **more)


def seen(text: str) -> str:
    """What a reader sees of a text in one line."""
    hidden = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
    letters = (c for c in text if c not in hidden and not "\ud800" <= c <= "\udfff")
    controls = {chr(n) for n in (*range(32), *range(127, 160)) if not chr(n).isspace()}
    return " ".join("".join(c for c in letters if c not in controls).split())


def check(payload: str, url: str | None = None) -> None:
    page = Page(exporting.markdown([full_of(payload, url), full_of(payload, url)]))
    link = safe_link(url)
    assert page.tags - {"a"} <= OURS
    assert len(page.links) == (2 if link else 0)
    words, blocks = seen(payload), [" ".join(block.split()) for block in page.blocks]
    note, value = f"Note: {words}".strip(), f"{words} [1]".strip()
    wanted = [words or "No question", words, note, value]
    assert all(each in blocks for each in wanted), (wanted, blocks)


def test_an_answer_reads_well() -> None:
    filters = {
        "publishers": ["Check Gazette", "Town News"],
        "after": "2031-01-01",
        "before": None,
        "article_ids": ["x"],
    }
    exchange = kept(contract.of_answer(ANSWER), filters=filters)
    assert exporting.markdown([exchange]) == EXPECTED
    block = exporting.answer_markdown(contract.of_answer(ANSWER))
    assert EXPECTED.endswith(f"article*\n\n{block}")
    page = Page(EXPECTED)
    assert page.links == ["https://example.org/harbour?a=1&b=2"]
    assert page.tags == {*OURS, "a"}


def test_figures_times_and_names_stay_readable_in_the_source() -> None:
    plain = (
        "At 10:30 it cost 4.2 million (3,5 %), “more” than St. John's - said Ms. O'Neil; why? Yes!"
    )
    assert exporting._text(plain) == plain


def test_what_has_no_answer_is_told() -> None:
    refusal = contract.of_answer(replace(ANSWER, status="abstained", sentences=(), citations=()))
    begun = contract.of_answer(replace(ANSWER, sentences=ANSWER.sentences[:1], notes=()))
    cases = [
        (kept(refusal), "The articles do not say."),
        (kept(None, state="asked"), "*No answer came.*"),
        (kept(None, state="stopped"), "*The answer was stopped.*"),
        (kept(refusal, state="stopped"), "*The answer was stopped.*"),
        (kept(begun, state="stopped"), "*The answer was stopped.*"),
        (kept(None, state="failed", problem="No model: *x*"), "*No model: \\*x\\**"),
    ]
    for exchange, words in cases:
        text = exporting.markdown([exchange])
        assert words in text
        assert ("The articles do not say." in text) == (exchange == cases[0][0])
        assert (WALL in text) == (exchange == cases[4][0])
    assert exporting.markdown([]) == ""


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_stays_text(payload: str) -> None:
    check(payload)


@settings(deadline=None, max_examples=60)
@given(
    st.text(st.sampled_from("ab1. -+#*_`~<>[]()!&;:/\\|=\n\r\t\x0b\x1c\x85\u2028\u202e\0'\"@^$"))
)
def test_any_text_stays_text(payload: str) -> None:
    check(payload)


@pytest.mark.parametrize("url", ADDRESSES)
def test_only_plain_addresses_become_links(url: str) -> None:
    check("Words", url)
    text = exporting.answer_markdown(contract.of_answer(cited(url)))
    assert not set("<>\"'`\\^{|}") & set(text.partition("<")[2].partition(">")[0])
    text.encode()


def cited(url: str) -> Answer:
    article = replace(HARBOUR, url=url)
    return replace(ANSWER, citations=(cite(1, article, len(WALL)),), disagreements=())


@pytest.mark.parametrize(
    "text", ["http://evil.com/x", "www.evil.com", "see https://a.b", "evil.com", "mailto:a@b.com"]
)
def test_bare_addresses_are_broken_for_dialects_that_link_them(text: str) -> None:
    """GitHub's needs "http://" or "www." as they are; linkify needs a name without escapes."""
    written = exporting._text(text)
    assert not any(bait in written for bait in ("p://", "s://", "www.", "mailto:", "evil.com"))


def test_json_holds_everything() -> None:
    record = contract.of_answer(ANSWER)
    rated = kept(record, liked=False, reason="wrong", comment="No", filters={"after": "2031-01-01"})
    given = [rated, kept(None, number=2, state="failed", problem="full", question="Møre \ud83d 📚")]
    text = exporting.as_json(given, "2031-03-06T10:00:00Z")
    assert "Møre" in text
    assert json.loads(text.encode()) == {
        "exported": "2031-03-06T10:00:00Z",
        "exchanges": [
            {
                "question": "When did it reopen?",
                "asked": "2031-03-06T09:30:00Z",
                "state": "answered",
                "problem": "",
                "filters": {"after": "2031-01-01"},
                "answer": record,
                "feedback": {"liked": False, "reason": "wrong", "comment": "No"},
            },
            {
                "question": "Møre \ud83d 📚",
                "asked": "2031-03-06T09:30:00Z",
                "state": "failed",
                "problem": "full",
                "filters": {},
                "answer": None,
                "feedback": None,
            },
        ],
    }
