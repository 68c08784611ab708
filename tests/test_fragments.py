"""Links to the quoted words: the directives by hand and by property, then in a real browser."""

from __future__ import annotations

import html
import os
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, sync_playwright

from qa.web.fragments import fragment, linked

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run"
).split()
GRAMMAR = re.compile(r":~:text=(?:[\w.~%]+-,)?[\w.~%]+(?:,[\w.~%]+)?(?:,-[\w.~%]+)?", re.ASCII)


def directive(text: str, quoted: str, occurrence: int = 0) -> str:
    """The directive for the words, unquoted where no encoded hyphen or comma stands in it."""
    at = -1
    for _ in range(occurrence + 1):
        at = text.index(quoted, at + 1)
    made = fragment(text, at, at + len(quoted))
    assert made == "" or GRAMMAR.fullmatch(made)
    return made.removeprefix(":~:text=")


LONG = (
    "The harbour wall at Tellin reopened on Tuesday after eleven months of repairs, and the first "
    "ferry came in at noon."
)


@pytest.mark.parametrize(
    ("text", "quoted", "expected"),
    [
        ("The wall reopened.", "The wall reopened.", "The%20wall%20reopened."),
        (LONG, LONG, "The%20harbour%20wall%20at%20Tellin,ferry%20came%20in%20at%20noon."),
        ("A well-known, big b&b.", "well-known, big b&b", "well%2Dknown%2C%20big%20b%26b"),
        ("The wall\n  \n\treopened.", "wall\n  \n\treopened", "wall,reopened"),
        ("The  wall\treopened.", "wall\treopened", "wall%20reopened"),
        ("Repairs cost 3.2 million.", "epairs cost 3", "Repairs%20cost%203.2"),
        (
            "“We — ran — out,” she said 📚 twice.",
            "— out,” she said 📚",
            "out%2C%E2%80%9D%20she%20said",
        ),
        ("Nothing — 📚 here", "— 📚", ""),
        ("", "", ""),
    ],
)
def test_words_and_their_encoding(text: str, quoted: str, expected: str) -> None:
    assert directive(text, quoted) == expected


@pytest.mark.parametrize(
    ("text", "quoted", "expected"),
    [
        ("# The **wall** at Tellin\n\nIt is shut.", "# The **wall** at", "The wall at"),
        ("- one ferry\n- two boats", "- two boats", "two boats"),
        (
            "See [the *map*](http://x.test/a_(b)) now.",
            "[the *map*](http://x.test/a_(b))",
            "the map",
        ),
        ("See ![a map](map.png) now, please.", "See ![a map](map.png) now", "See now"),
        ("It costs 5 * 3 * 2 crowns.", "5 * 3 * 2", "5 * 3 * 2"),
        ("A snake_case_name stays.", "snake_case_name", "snake_case_name"),
        ("> Said ~~twice~~ `once`.[^1]", "> Said ~~twice~~ `once`.[^1]", "Said twice once."),
        ("At <https://x.test/a> it is.", "At <https://x.test/a> it", "At https://x.test/a it"),
        ("1\\. FC **Tellin won**", "FC **Tellin won**", "FC Tellin won"),
        ("| Year | Homes |\n|---|---|\n| 2031 | 347 |", "2031 | 347", "2031,347"),
    ],
)
def test_marks_that_no_page_shows_are_left_out(text: str, quoted: str, expected: str) -> None:
    assert unquote(directive(text, quoted)) == expected


REPEATED = (
    "The wall is shut. Nobody knows why the wall is shut today.\n\nSo the wall is shut, they say."
)


@pytest.mark.parametrize(
    ("occurrence", "expected"),
    [(0, "wall%20is%20shut"), (1, "knows%20why%20the-,wall%20is%20shut")],
)
def test_repeated_words_get_their_surroundings(occurrence: int, expected: str) -> None:
    assert directive(REPEATED, "wall is shut", occurrence) == expected


def test_end_that_stands_earlier_gets_a_suffix() -> None:
    text = "They met in the old town hall " * 3 + "of Tellin and went home."
    quoted = text[: text.index(" and")]
    assert directive(text, quoted).startswith("They%20met%20in%20the%20old,")
    assert unquote(directive(text, quoted[: quoted.index(" of")])).endswith(",-of Tellin and")


def test_passage_that_stands_twice_leads_to_the_first_of_the_same_words() -> None:
    text = f"{LONG}\n\n" * 60
    assert directive(text, LONG, 30) == directive(LONG, LONG)


def test_case_accents_and_quotation_marks_tell_no_places_apart() -> None:
    text = 'The Café “Tellin” opens. Later the cafe "Tellin" shuts.'
    assert directive(text, 'cafe "Tellin"') == "opens.%20Later%20the-,cafe%20%22Tellin%22"


def test_scripts_without_spaces_are_cut_at_their_punctuation() -> None:
    text = "昨日，城墙重新开放。" * 3 + "市长说费用很高。"
    assert unquote(directive(text, "市长说费用很高。")) == "市长说费用很高。"
    assert unquote(directive(text, "费用很高")) == "费用很高"


def test_linked_puts_the_directive_behind_what_is_there() -> None:
    text = "The wall reopened."
    made = ":~:text=wall"
    for url, expected in {
        "https://x.test/page": "https://x.test/page#" + made,
        "https://x.test/page?a=b#": "https://x.test/page?a=b#" + made,
        "https://x.test/page#part": "https://x.test/page#part" + made,
        "https://x.test/page#part:~:text=other": "https://x.test/page#part" + made,
        "javascript:alert(1)": "",
        "": "",
    }.items():
        assert linked(url, text, 4, 8) == expected
    assert linked(None, text, 4, 8) == ""
    assert linked("https://x.test/page", text, 3, 4) == "https://x.test/page"


# Whatever the text


@given(st.text(alphabet="ab *_`[]()|#>-.\n\\!~<:/漢é“\ud800,&", max_size=80), st.data())
def test_every_directive_keeps_the_grammar(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    made = fragment(text, start, data.draw(st.integers(start, len(text))))
    assert made == "" or GRAMMAR.fullmatch(made)


WORDS = st.sampled_from(["the", "wall", "is", "shut", "today", "Tellin", "9"])
PARAGRAPHS = st.lists(st.lists(WORDS, min_size=1, max_size=20), min_size=1, max_size=5)


def found_by_a_browser(made: str, paragraphs: list[list[str]]) -> list[str]:
    """The words that a directive leads to, by the specification, in paragraphs of plain words."""
    words = [(n, word.lower()) for n, paragraph in enumerate(paragraphs) for word in paragraph]
    terms = [unquote(term) for term in made.removeprefix(":~:text=").split(",")]
    prefix = terms.pop(0)[:-1].split() if terms[0].endswith("-") else []
    suffix = terms.pop()[1:].split() if terms[-1].startswith("-") else []

    def stands(term: list[str], at: int) -> bool:
        here = words[at : at + len(term)]
        same = [word for _, word in here] == [word.lower() for word in term]
        return at >= 0 and same and len({n for n, _ in here}) <= 1

    start, end = terms[0].split(), terms[-1].split()
    for at in range(len(words)):
        if not (stands(start, at) and stands(prefix, at - len(prefix))):
            continue
        begin = at if len(terms) == 1 else at + len(start)
        ends = range(begin, begin + 1) if len(terms) == 1 else range(begin, len(words))
        for last in ends:
            if stands(end, last) and stands(suffix, last + len(end)):
                return [word for _, word in words[at : last + len(end)]]
        if len(terms) > 1:
            break
    return []


@given(PARAGRAPHS, st.data())
def test_browser_would_find_the_words(paragraphs: list[list[str]], data: st.DataObject) -> None:
    text = "\n\n".join(map(" ".join, paragraphs))
    places = [word.span() for word in re.finditer(r"\S+", text)]
    first = data.draw(st.integers(0, len(places) - 1))
    last = data.draw(st.integers(first, len(places) - 1))
    start, end = places[first][0], places[last][1]
    made = fragment(text, start, end)
    if made:
        assert found_by_a_browser(made, paragraphs) == text[start:end].lower().split()
    else:  # only what stands over several paragraphs and begins or ends like others around it
        assert "\n\n" in text[start:end]


# In a browser

FILLER = "Pigeons live in the tower all the year round, and nobody has ever counted them. " * 6
QUOTES = {
    "short": "The bell weighs 900 kilograms",
    "long": LONG,
    "repeated": "the bridge is shut to all traffic",
    "crossing": "It was built by Ida Lorn.\n\n## Later years\n\nThen it stood empty for decades",
    "punctuated": "“Well-known, but ‘3.2’ — by & by?” she asked; nobody (not even he) answered!",
    "arabic": "افتتح الجسر في مدينة تلين يوم الثلاثاء بعد أحد عشر شهرا من الإصلاحات.",
}
STORY = "\n\n".join(
    [
        "# The clock of **Merrow**",
        "At first the bridge is shut to all traffic, they said.",
        *[FILLER] * 12,
        QUOTES["short"] + ", more than any other.",
        *[FILLER] * 12,
        "Before that: " + QUOTES["long"],
        *[FILLER] * 12,
        "And once more the bridge is shut to all traffic, as it was.",
        *[FILLER] * 12,
        "Nobody forgot. " + QUOTES["crossing"] + ".",
        *[FILLER] * 12,
        "So it went. " + QUOTES["punctuated"],
        *[FILLER] * 12,
        QUOTES["arabic"] + " بلغت تكلفة الأعمال أربعة ملايين.",
        *[FILLER] * 12,
    ]
)
# The paragraph with the words is on the screen, and the page is not at its top.
IN_VIEW = """words => {
    const all = [...document.querySelectorAll('p')].filter(p => p.textContent.includes(words));
    const box = all[all.length - 1].getBoundingClientRect();
    return scrollY > 0 && box.top >= 0 && box.bottom <= innerHeight;
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


def page_of(text: str) -> str:
    """A web page of a text as our own reader of web pages would have found it."""
    blocks = []
    for block in text.split("\n\n"):
        level = len(block) - len(block.lstrip("#"))
        words = html.escape(block.lstrip("# ")).replace("**", "")
        blocks.append(f"<h{level}>{words}</h{level}>" if level else f"<p>{words}</p>")
    return f"<!doctype html><meta charset=utf-8><title>Story</title>{''.join(blocks)}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page that holds the story; links of other pages can lead to it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "story.html").write_text(page_of(STORY), "utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        assert "CI" not in os.environ, "needs Debian's Chromium"
        pytest.skip("needs Debian's Chromium: apt-get install -y chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def followed(browser: Browser, link: str) -> Page:
    """The page that a click on the link opens, as the chat makes its links."""
    page = browser.new_context().new_page()
    page.set_content(
        f'<a href="{html.escape(link)}" target="_blank" rel="noopener noreferrer">original</a>'
    )
    with page.context.expect_page() as opened:
        page.get_by_text("original").click()
    return opened.value


@pytest.mark.parametrize("kind", QUOTES)
def test_click_on_the_link_leads_to_the_words(browser: Browser, site: str, kind: str) -> None:
    quoted = QUOTES[kind]
    at = STORY.rindex(quoted)
    link = linked(f"{site}/story.html", STORY, at, at + len(quoted))
    assert ":~:text=" in link
    page = followed(browser, link)
    page.wait_for_function(IN_VIEW, arg=quoted.partition("\n")[0], timeout=10_000)
    page.context.close()


def test_page_without_the_words_opens_at_its_top(browser: Browser, site: str) -> None:
    page = followed(browser, linked(f"{site}/story.html", "Other words entirely.", 0, 11))
    page.wait_for_load_state()
    assert page.evaluate("scrollY") == 0
    page.context.close()
