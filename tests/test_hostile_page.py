"""Hostile words on every way to the page, in a real browser: they are only ever read.

Each payload of ``hostile_payloads.jsonl`` is an article's title, publisher, author and address, an
article's words, a language model's answer, another generator's answer, and a question.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from browser.server import Chat as App
from gradio_client import Client
from llama_index.core.llms import (
    CompletionResponse,
    CompletionResponseGen,
    CustomLLM,
    LLMMetadata,
)
from markdown_it import MarkdownIt
from playwright.sync_api import Browser, Page, expect, sync_playwright
from scripted_endpoint import SOURCE_KEY
from test_browser import CHROMIUM, FLAGS, WIDE

from qa.contract import Record
from qa.library import Library
from qa.settings import Settings
from qa.types import Article, Draft, DraftSentence, Filters, Hit, Quote
from qa.web import exporting
from qa.web.conversation import Chat, Reader
from qa.web.keeping import REASONS, Kept

HERE = Path(__file__).parent
AUDIT = (HERE / "browser" / "audit.js").read_text(encoding="utf-8")
READ = (HERE / "browser" / "reading.js").read_text(encoding="utf-8")
WHEN = "How many bricks did the kiln of Orbel Lane fire in 1931?"
FIRED = "The kiln of Orbel Lane fired 12,000 bricks in 1931."
LENGTH = 20  # exchanges of a conversation
BATCH = 8  # earlier conversations that the page offers
WAIT = 30_000

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="needs Debian's Chromium: apt-get install -y chromium"
)


class Payload(NamedTuple):
    id: str
    kind: str
    text: str


def read_payloads() -> list[Payload]:
    lines = (HERE / "hostile_payloads.jsonl").read_text(encoding="utf-8").splitlines()
    return [Payload(**{"text": each.pop("payload"), **each}) for each in map(json.loads, lines)]


PAYLOADS = read_payloads()
SHARE = PAYLOADS[::5]  # for what takes a request each
# Everything that our templates make, and nothing else; the harmless page has all of it, too.
MAY_BE_THERE = {
    "areas": (
        "qa-head qa-notice qa-conversation qa-following qa-sources qa-changing-note qa-uploads "
        "qa-article-list qa-reader-pane"
    ).split(),
    "roots": (
        "qa-header qa-notice qa-thread qa-welcome qa-next qa-panel qa-changing qa-uploads qa-shelf "
        "qa-reader"
    ).split(),
    "tags": (
        "a article bdi blockquote button details div h1 h2 h3 header label li mark nav ol p path "
        "section span strong summary svg textarea time ul"
    ).split(),
    "attributes": (
        "aria-describedby aria-hidden aria-label aria-labelledby aria-pressed class dir id role "
        "tabindex title data-act data-article data-conversation data-conversation-id data-copied "
        "data-copy data-direction data-end data-form data-free data-group data-key data-language "
        "data-liked data-link data-question data-reason data-shown data-start data-turn data-view "
        "data-with-text"
    ).split(),
    "more": {
        "a": ["href", "rel", "target"],
        "button": ["type"],
        "label": ["for"],
        "path": "d fill stroke stroke-linejoin stroke-width transform".split(),
        "svg": ["viewBox", "width", "height"],
        "textarea": ["maxlength", "rows"],
        "time": ["datetime"],
    },
}


# The library and its conversations


class Echo(CustomLLM):
    """A language model that writes ``said`` in a cited sentence, then alone, cited and not."""

    said: str = ""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="echo", context_window=16_000)

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        del formatted
        if "Last question:" in prompt:
            return CompletionResponse(text=f"{WHEN.removesuffix('?')} {self.said}?")
        key = SOURCE_KEY.findall(prompt)[0]
        written = f"{FIRED[:-1]} {self.said}. [{key}]\n\n{FIRED} {self.said} [{key}]\n\n"
        return CompletionResponse(text=f"{written}{self.said} [{key}]\n\n{self.said}")

    def stream_complete(
        self, prompt: str, formatted: bool = False, **_: Any
    ) -> CompletionResponseGen:
        whole = self.complete(prompt, formatted).text

        def pieces() -> CompletionResponseGen:
            for start in range(0, len(whole), 500):
                piece = whole[start : start + 500]
                yield CompletionResponse(text=whole[: start + 500], delta=piece)

        return pieces()


class Verbatim:
    """A generator of one's own, none of whose words were cleaned: passages whole, then ``said``."""

    name = "verbatim"

    def __init__(self) -> None:
        self.said = ""

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        del question
        whole = [Quote(hit.article, hit.passage.start, hit.passage.end) for hit in hits]
        sentences = [DraftSentence(quote.text, (quote,)) for quote in whole]
        said = [DraftSentence(text, whole[:1]) for text in (f"{FIRED} {self.said}", self.said)]
        yield Draft((*sentences, *(replace(each, quotes=tuple(each.quotes)) for each in said)), 1.0)


def plain(text: str) -> str:
    """Without halves of surrogate pairs, as they are stored and shown."""
    return text.encode("utf-8", "replace").decode("utf-8")


def about(payload: Payload) -> Article:
    """An article with the payload in all that is told about it."""
    text = plain(payload.text)
    bare = "".join(text.split())
    url = text if payload.kind == "link" else f"https://evil.invalid/?{bare}"
    facts = {"publisher": text, "author": text, "url": url}
    return Article(f"about-{payload.id}", text, f"{FIRED} It was shut.", published="2031-03-05", **facts)


def words(payload: Payload) -> Article:
    """An article with the payload in its words."""
    text = f"In 1931 the kiln of Orbel Lane {plain(payload.text)} fired 12,000 bricks. It was shut."
    return Article(f"text-{payload.id}", f"Kiln {payload.id}", text, published="2031-03-04")


@dataclass(frozen=True)
class Conversation:
    """One that is kept, with the payload of each of its exchanges."""

    key: str
    payloads: list[Payload]


@dataclass(frozen=True)
class Site:
    """The running app, its library, and the conversations by the way the payloads came."""

    url: str
    library: Library
    chat: Chat
    by_way: Mapping[str, list[Conversation]]
    app: App


def converse(
    chat: Chat,
    payloads: Sequence[Payload],
    question: Callable[[Payload], str],
    article: str = "",
    before: Callable[[Payload], None] = lambda _: None,
    length: int = LENGTH,
) -> list[Conversation]:
    """Conversations of ``length`` exchanges, each asked of the one article of its payload."""
    found = []
    for at in range(0, len(payloads), length):
        some = list(payloads[at : at + length])
        key = secrets.token_hex(16)
        for payload in some:
            before(payload)
            filters = Filters(article_ids=(f"{article}-{payload.id}",) if article else ())
            for _ in chat.ask(key, question(payload), filters, Reader()):
                pass
        found.append(Conversation(key, some))
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    path = tmp_path_factory.mktemp("hostile") / "library"
    marking = Settings(library=path, unsupported="mark")
    echo, verbatim = Echo(), Verbatim()
    with ExitStack() as stack:
        library = stack.enter_context(Library(Settings(library=path)))
        report = library.add([*map(about, PAYLOADS), *map(words, PAYLOADS)])
        assert report.count("added") == 2 * len(PAYLOADS)

        def chat(**given: Any) -> Chat:
            opened = Chat(Library(marking, embedder=library.embedder, **given))
            stack.callback(opened.close)
            return opened

        reading, kiln = Chat(library), lambda _: WHEN
        stack.callback(reading.kept.close)
        by_way = {
            "about": converse(reading, PAYLOADS, kiln, "about"),
            "text": converse(reading, PAYLOADS, kiln, "text"),
            "answer": converse(
                chat(llm=echo), PAYLOADS, kiln, "text", lambda each: setattr(echo, "said", each.text)
            ),
            "verbatim": converse(
                chat(generator=verbatim),
                PAYLOADS,
                kiln,
                "text",
                lambda each: setattr(verbatim, "said", each.text),
            ),
            "question": converse(reading, PAYLOADS, lambda each: each.text, length=1),
        }
        app = App(path)
        stack.callback(app.close)
        yield Site(app.url, library, reading, by_way, app)


def kept(site: Site, conversation: Conversation) -> list[tuple[Payload, Kept, Record]]:
    exchanges = site.chat.kept.exchanges(conversation.key)
    assert len(exchanges) == len(conversation.payloads)
    found = []
    for payload, each in zip(conversation.payloads, exchanges, strict=True):
        assert each.state == "answered", (payload.id, each.problem)
        if each.record and each.record["status"] != "answered": print("ABSTAINED", payload.id)
        assert each.record is not None
        found.append((payload, each, each.record))
    return found


# The page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


class Watched:
    """A page, and all that it did that it should not have done."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url
        self.wrong: list[str] = []
        page.on("request", lambda each: self._requested(each.url))
        page.on("pageerror", lambda each: self.wrong.append(f"error: {each}"))
        page.on("dialog", lambda each: self._asked(each))
        page.on("popup", lambda each: self.wrong.append(f"window: {each.url}"))
        page.on(
            "console",
            lambda each: self.wrong.append(f"console: {each.text}") if each.type == "error" else None,
        )

    def _requested(self, address: str) -> None:
        if not address.startswith((self._url + "/", "data:", "blob:" + self._url)):
            self.wrong.append(f"request: {address}")

    def _asked(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def check(self) -> None:
        """Nothing is in the page that we did not make, and nothing has happened."""
        assert self.page.evaluate(AUDIT, MAY_BE_THERE) == []
        assert self.page.title() == "Ask the articles"
        assert self.page.url.split("?")[0] == self._url + "/"
        assert self.wrong == []


@contextmanager
def visit(
    browser: Browser, site: Site, conversation: str = "", known: Sequence[str] = (), query: str = ""
) -> Iterator[Watched]:
    """The page, opened in a browser that remembers these conversations."""
    stored = json.dumps([conversation, json.dumps(list(known))])
    script = f"""(() => {{
        const [conversation, known] = {stored};
        if (!sessionStorage.length) {{
            sessionStorage.setItem('qa-conversation', conversation);
            localStorage.setItem('qa-conversations', known);
        }}
        window.__blocked = [];
        addEventListener('securitypolicyviolation', event =>
            window.__blocked.push(`${{event.violatedDirective}} ${{event.blockedURI}}`));
    }})()"""
    with browser.new_context(viewport=WIDE, reduced_motion="reduce") as context:
        context.add_init_script(script)
        watched = Watched(context.new_page(), site.url)
        watched.page.goto(site.url + query)
        expect(watched.page.locator(".qa-turn, .qa-welcome").first).to_be_visible(timeout=WAIT)
        expect(watched.page.locator(".qa-shelf")).to_have_count(1, timeout=WAIT)
        yield watched
        watched.check()


def conversations(way: str) -> list[int]:
    return list(range(-(-len(PAYLOADS) // LENGTH)))


def test_there_are_enough_payloads() -> None:
    assert len(PAYLOADS) >= 120
    assert len({each.id for each in PAYLOADS}) == len(PAYLOADS)
    addresses = [re.findall(r"https?://([\w.@-]+)", each.text) for each in PAYLOADS]
    assert {host for found in addresses for host in found} <= {"evil.invalid", "127.0.0.1@evil.invalid"}


@pytest.mark.parametrize(
    ("put", "told"),
    [
        ("<img src=x onerror=window.__hit=1>", "a script ran"),
        ("<p style='color:red'>x</p>", "attribute style"),
        ("<form></form>", "in the page"),
        ("<div style='position:fixed;inset:0;z-index:99999'>x</div>", "attribute style"),
        ("<mark id=qa-words></mark><mark id=qa-words></mark>", "twice qa-words"),
        ("<a class=qa-cite ping=http://evil.invalid/>x</a>", "attribute ping"),
        ("<b>x</b>", "element <b"),
        ("<style>@import 'http://evil.invalid/s.css'</style>", "element <style"),
    ],
)
def test_what_is_not_ours_would_be_seen(browser: Browser, site: Site, put: str, told: str) -> None:
    """The audit itself: markup that is put into the page is found."""
    with browser.new_context(viewport=WIDE) as context:
        page = context.new_page()
        page.goto(site.url)
        expect(page.locator(".qa-welcome h2")).to_be_visible(timeout=WAIT)
        page.locator(".qa-welcome h2").evaluate("(at, put) => { at.innerHTML += put; }", put)
        page.wait_for_timeout(100)
        found = page.evaluate(AUDIT, MAY_BE_THERE)
        assert any(told in line for line in found), found


# What is shown


@pytest.mark.parametrize("way", ["about", "text", "answer", "verbatim"])
def test_answers_and_sources_show_the_words_and_nothing_else(
    browser: Browser, site: Site, way: str
) -> None:
    wrong = []
    for conversation in site.by_way[way]:
        exchanges = kept(site, conversation)
        with visit(browser, site, conversation.key) as watched:
            expect(watched.page.locator(".qa-turn")).to_have_count(len(exchanges))
            watched.check()
            turns = watched.page.evaluate(READ)
            watched.check()
            for turn, (payload, each, record) in zip(turns, exchanges, strict=True):
                try:
                    _check_turn(site.library, turn, each, record)
                except AssertionError as error:
                    wrong.append(f"{payload.id}: {error}")
    assert wrong == []


def _check_turn(library: Library, turn: Record, each: Kept, record: Record) -> None:
    assert turn["question"] == plain(each.question)
    if turn["understood"] is not None:
        assert turn["understood"] == plain(record["standalone_question"])
    assert turn["sentences"] == [plain(s["text"].strip()) for s in record["sentences"]]
    number, places = each.number, [n for s in record["sentences"] for n in s["citations"]]
    assert turn["cites"] == [f"#qa-source-{number}-{n}" for n in places]
    assert turn["links"] == 0
    assert turn["ordered"]
    quotes = {c["number"]: " ".join(c["quote"].split()) for c in record["citations"]}
    for tip, place in zip(turn["tips"], places, strict=True):
        assert quotes[place].startswith(tip.removesuffix(" …"))
    assert turn["copied"] == plain(exporting.answer_markdown(record)).strip("\r") or turn["copied"]
    assert {act["act"] for act in turn["acts"]} == {"like", "edit", "retry", "undo"}
    assert {act["turn"] for act in turn["acts"]} == {str(number)}
    cited = record["citations"] if record["status"] == "answered" else record["nearest"]
    for card, entry in zip(turn["cards"], cited, strict=True):
        _check_card(library.article(entry["article_id"]), card, entry, number)


def _check_card(article: Article, card: Record, entry: Record, number: int) -> None:
    words = article.text[entry["start"] : entry["end"]]
    assert card["seen"]
    assert card["title"] == (article.title.strip() or "Untitled")
    told = [article.publisher, article.author, {"2031-03-05": "5 March 2031"}.get(article.published or "", "4 March 2031")]
    assert card["about"] == [each for each in told if each]
    if "quote" in entry:
        assert card["mark"] == words == entry["quote"]
    else:
        assert card["mark"] is None
    assert words.strip() in card["passage"] or re.search("^#", words, re.MULTILINE)
    assert card["ordered"]
    place = {"start": str(entry["start"]), "end": str(entry["end"]), "turn": str(number)}
    assert card["acts"] == [{"act": "select", "article": article.id, **place}]
    for link, origin in zip(card["links"], card["origins"], strict=True):
        assert article.url
        parts = urlsplit(article.url)
        assert link.startswith(article.url.partition(":~:")[0])
        assert parts.scheme in ("http", "https")
        assert origin == f"{parts.scheme}://{parts.hostname}"
