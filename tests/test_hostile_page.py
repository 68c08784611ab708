"""Hostile words on every way to the page, in a real browser: they are only ever read.

Each payload of ``hostile_payloads.jsonl`` is an article's title, publisher, author and address, an
article's words, a language model's answer, another generator's answer, and a question.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import httpx
import pytest
from browser.server import Chat as App
from browser.visits import CHROMIUM, MISSING, WAIT, WIDE, browsing
from gradio_client import Client
from gradio_client.exceptions import AppError
from llama_index.core.llms import (
    CompletionResponse,
    CompletionResponseGen,
    CustomLLM,
    LLMMetadata,
)
from markdown_it import MarkdownIt
from playwright.sync_api import Browser, Page, Route, expect
from scripted_endpoint import SOURCE_KEY

from qa.contract import Record
from qa.errors import InputError
from qa.library import Library
from qa.settings import Settings
from qa.types import Article, Draft, DraftSentence, Filters, Hit, Quote
from qa.web.conversation import Chat, Reader
from qa.web.keeping import Kept

HERE = Path(__file__).parent
AUDIT = (HERE / "browser" / "audit.js").read_text(encoding="utf-8")
READ = (HERE / "browser" / "reading.js").read_text(encoding="utf-8")
WHEN = "How many bricks did the kiln of Orbel Lane fire in 1931?"
FIRED = "The kiln of Orbel Lane fired 12,000 bricks in 1931."
LENGTH = 21  # exchanges of a conversation
DAYS = {"2031-03-04": "4 March 2031", "2031-03-05": "5 March 2031"}
BATCH = 8  # earlier conversations that the page offers

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=MISSING)


class Payload(NamedTuple):
    id: str
    kind: str
    text: str


def read_payloads() -> list[Payload]:
    lines = (HERE / "hostile_payloads.jsonl").read_text(encoding="utf-8").splitlines()
    return [Payload(**{"text": each.pop("payload"), **each}) for each in map(json.loads, lines)]


PAYLOADS = read_payloads()
READ_WAYS = ("about", "text", "answer", "verbatim")
WAYS = (*READ_WAYS, "question")
# Everything that our templates make, and nothing else; the harmless page has all of it, too.
MAY_BE_THERE: dict[str, Any] = {
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

    def say(self, payload: Payload) -> None:
        self.said = payload.text

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

    def say(self, payload: Payload) -> None:
        self.said = payload.text

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        del question
        whole = [Quote(hit.article, hit.passage.start, hit.passage.end) for hit in hits]
        sentences = [DraftSentence(quote.text, (quote,)) for quote in whole]
        said = (f"{FIRED} {self.said}", self.said)
        sentences += [DraftSentence(text, tuple(whole[:1])) for text in said]
        yield Draft(tuple(sentences), 1.0)


def plain(text: str) -> str:
    """Without halves of surrogate pairs, as it is stored."""
    return text.encode("utf-8", "replace").decode("utf-8")


def shown(text: str) -> str:
    """As the page shows it: HTML has no NUL."""
    return plain(text).replace("\x00", "\ufffd")


def told(text: str) -> str:
    """As it is compared within a line, where isolates are ended and there are no paragraphs."""
    return re.sub("[\r\x1c-\x1e\x85\u2029]", " ", shown(text)).replace("\u2069", "")


def about(payload: Payload) -> Article:
    """An article with the payload in all that is told about it."""
    text = plain(payload.text)
    bare = "".join(text.split())
    url = text if payload.kind == "link" else f"https://evil.invalid/?{bare}"
    facts: dict[str, Any] = {"publisher": text, "author": text, "url": url}
    return Article(
        f"about-{payload.id}", text, f"{FIRED} It was shut.", published="2031-03-05", **facts
    )


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
    whole: bool
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


def share(way: str, whole: bool) -> list[Payload]:
    """The payloads of a way: all of them, or so many that each goes one way."""
    return PAYLOADS if whole else PAYLOADS[WAYS.index(way) :: len(WAYS)]


@pytest.fixture(
    scope="module",
    params=[False, pytest.param(True, marks=pytest.mark.slow)],
    ids=["share", "whole"],
)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The app over a library of hostile articles, all payloads each way or each payload one way."""
    whole: bool = request.param
    path = tmp_path_factory.mktemp("hostile") / "library"
    some = {way: share(way, whole) for way in WAYS}
    in_words = dict.fromkeys(payload for way in READ_WAYS[1:] for payload in some[way])
    articles = [*map(about, some["about"]), *map(words, in_words)]
    echo, verbatim = Echo(), Verbatim()
    with ExitStack() as stack:
        library = stack.enter_context(Library(Settings(library=path)))
        assert library.add(articles).count("added") == len(articles)

        def chat(**given: Any) -> Chat:
            marking = Settings(library=path, unsupported="mark")
            opened = Chat(Library(marking, embedder=library.embedder, **given))
            stack.callback(opened.close)
            return opened

        plain_chat, llm_chat, own_chat = chat(), chat(llm=echo), chat(generator=verbatim)
        by_way = {
            "about": converse(plain_chat, some["about"], kiln, "about"),
            "text": converse(plain_chat, some["text"], kiln, "text"),
            "answer": converse(llm_chat, some["answer"], kiln, "text", echo.say),
            "verbatim": converse(own_chat, some["verbatim"], kiln, "text", verbatim.say),
            "question": converse(plain_chat, some["question"], itself, length=1),
        }
        app = App(path)
        stack.callback(app.close)
        yield Site(app.url, whole, library, plain_chat, by_way, app)


def kiln(_: Payload) -> str:
    return WHEN


def itself(payload: Payload) -> str:
    return payload.text


def kept(site: Site, conversation: Conversation) -> list[tuple[Payload, Kept, Record]]:
    exchanges = site.chat.kept.exchanges(conversation.key)
    assert len(exchanges) == len(conversation.payloads)
    found = []
    for payload, each in zip(conversation.payloads, exchanges, strict=True):
        assert each.state == "answered", (payload.id, each.problem)
        assert each.record is not None
        found.append((payload, each, each.record))
    return found


# The page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as opened:
        yield opened


# What the page's policy stops is no request: it is remembered for the audit.
WATCH = """window.__blocked = [];
addEventListener('securitypolicyviolation', event =>
    window.__blocked.push(`${event.violatedDirective} ${event.blockedURI}`));"""


class Watched:
    """A page, and all that it did that it should not have done."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url
        self.wrong: list[str] = []
        page.on("request", lambda each: self._requested(each.url))
        page.on("pageerror", lambda each: self.wrong.append(f"error: {each}"))
        page.on("dialog", self._asked)
        page.on("popup", lambda each: self.wrong.append(f"window: {each.url}"))
        page.on(
            "console",
            lambda each: (
                self.wrong.append(f"console: {each.text}") if each.type == "error" else None
            ),
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
    }})()"""
    with browser.new_context(viewport=WIDE, reduced_motion="reduce") as context:
        context.add_init_script(script)
        context.add_init_script(WATCH)
        watched = Watched(context.new_page(), site.url)
        watched.page.goto(site.url + query)
        expect(watched.page.locator(".qa-turn, .qa-welcome").first).to_be_visible(timeout=WAIT)
        expect(watched.page.locator(".qa-shelf")).to_have_count(1, timeout=WAIT)
        yield watched
        watched.check()


def test_there_are_enough_payloads() -> None:
    assert len(PAYLOADS) >= 120
    assert len({each.id for each in PAYLOADS}) == len(PAYLOADS)
    kinds = {each.kind for each in PAYLOADS}
    assert all({each.kind for each in share(way, whole=False)} == kinds for way in WAYS)
    addresses = [re.findall(r"https?://([\w.@-]+)", each.text) for each in PAYLOADS]
    assert {host for found in addresses for host in found} <= {
        "evil.invalid",
        "127.0.0.1@evil.invalid",
    }


PUT = [
    ("<p style='color:red'>x</p>", "attribute style"),
    ("<form></form>", "in the page"),
    ("<div style='position:fixed;inset:0;z-index:99999'>x</div>", "attribute style"),
    ("<mark id=qa-words></mark><mark id=qa-words></mark>", "twice qa-words"),
    ("<a class=qa-cite ping=http://evil.invalid/>x</a>", "attribute ping"),
    ("<b>x</b>", "element <b"),
    ("<style>@import 'http://evil.invalid/s.css'</style>", "the policy stopped style-src"),
    ("<img src=http://evil.invalid/t.png>", "loads <img"),
    ("<img src=x onerror=window.__hit=1>", "a script ran"),
]


def test_what_is_not_ours_would_be_seen(browser: Browser, site: Site) -> None:
    """The audit itself: markup that is put into the page is found."""
    with browser.new_context(viewport=WIDE) as context:
        context.add_init_script(WATCH)
        page = context.new_page()
        page.goto(site.url)
        heading = page.locator(".qa-welcome h2")
        expect(heading).to_be_visible(timeout=WAIT)
        for put, told in PUT:
            heading.evaluate("(at, put) => { at.innerHTML = put; }", put)
            page.wait_for_timeout(150)
            found = page.evaluate(AUDIT, MAY_BE_THERE)
            assert any(told in line for line in found), (put, found)


# What is shown


@pytest.mark.parametrize("way", READ_WAYS)
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
            assert harmless(saved(watched.page), *(record for _, _, record in exchanges)) == []
            for turn, (payload, each, record) in zip(turns, exchanges, strict=True):
                try:
                    _check_turn(site.library, turn, each, record)
                except AssertionError as error:
                    wrong.append(f"{payload.id}: {error}")
    assert wrong == []


def _check_turn(library: Library, turn: Record, each: Kept, record: Record) -> None:
    assert turn["question"] == shown(each.question)
    if turn["understood"] is not None:
        assert told(turn["understood"]) == told(record["standalone_question"])
    assert list(map(told, turn["sentences"])) == [
        told(s["text"].strip()) for s in record["sentences"]
    ]
    number, places = each.number, [n for s in record["sentences"] for n in s["citations"]]
    assert turn["cites"] == [f"#qa-source-{number}-{n}" for n in places]
    assert turn["links"] == 0
    assert turn["ordered"]
    quotes = {c["number"]: " ".join(shown(c["quote"]).split()) for c in record["citations"]}
    for tip, place in zip(turn["tips"], places, strict=True):
        assert quotes[place].startswith(tip.removesuffix(" …"))
    assert harmless(turn["copied"], record) == []
    assert {act["act"] for act in turn["acts"]} == {"like", "edit", "retry", "undo"}
    assert {act["turn"] for act in turn["acts"]} == {str(number)}
    cited = record["citations"] if record["status"] == "answered" else record["nearest"]
    for card, entry in zip(turn["cards"], cited, strict=True):
        _check_card(library.article(entry["article_id"]), card, entry, number)


def _check_card(article: Article, card: Record, entry: Record, number: int) -> None:
    words = shown(article.text[entry["start"] : entry["end"]])
    assert card["seen"]
    assert told(card["title"]) == told(article.title.strip())
    facts = [article.publisher, article.author, DAYS[article.published or ""]]
    assert [told(each) for each in card["about"]] == [told(each) for each in facts if each]
    if "quote" in entry:
        assert article.text[entry["start"] : entry["end"]] == entry["quote"]
        assert card["mark"] == words
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


class Rendered(HTMLParser):
    """Elements and addresses of a page that was rendered from Markdown."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.more: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name == "href"]
        self.more += [name for name, _ in attrs if name != "href"]


def harmless(markdown: str, *records: Record) -> list[str]:
    """What a page rendered from the Markdown has beside text and the addresses of the articles."""
    rendered = Rendered()
    rendered.feed(MarkdownIt("commonmark", {"html": True}).enable(["table"]).render(markdown))
    addresses = {c["url"] for record in records for c in record["citations"] if c["url"]}
    hosts = {urlsplit(each).hostname for each in addresses if each.startswith("http")}
    found = sorted(rendered.tags - set("h2 p em strong ul ol li blockquote a".split()))
    found += rendered.more
    for address in rendered.addresses:
        if not address.startswith("http") or urlsplit(address).hostname not in hosts:
            found.append(address)
    return found


def saved(page: Page) -> str:
    """The conversation as the file that the page gives."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Markdown").click()
    return download.value.path().read_text(encoding="utf-8")


def test_tooltip_stays_within_itself(browser: Browser, site: Site) -> None:
    for way in READ_WAYS:
        conversation = site.by_way[way][-1]
        with visit(browser, site, conversation.key) as watched:
            cites = watched.page.locator("a.qa-cite").all()
            for cite in (cites[0], cites[len(cites) // 2], cites[-1]):
                cite.hover()
                expect(watched.page.locator("a.qa-cite:hover + .qa-tip")).to_be_visible()
                watched.check()


# Presses what opens an article, and waits for it; then reads it.
OPEN = """async selector => {
    const before = document.querySelector('.qa-reader')?.dataset.key;
    document.querySelector(selector).click();
    const until = performance.now() + 20000;
    const now = () => document.querySelector('.qa-reader');
    while (!now() || now().dataset.key === before) {
        if (performance.now() > until) throw new Error('no article came for ' + selector);
        await new Promise(done => setTimeout(done, 20));
    }
    await new Promise(done => setTimeout(done, 20));
    const reader = now();
    return {
        article: reader.dataset.article,
        title: reader.querySelector('h2 bdi').textContent,
        words: [...reader.querySelectorAll('#qa-words')].map(at => at.textContent),
        whole: reader.querySelector('.qa-whole').textContent,
        links: [...reader.querySelectorAll('a')].map(at => at.getAttribute('href')),
        focused: document.activeElement === reader.querySelector('#qa-words'),
        seen: reader.contains(document.elementFromPoint(innerWidth / 2, innerHeight / 2)),
    };
}"""


@pytest.mark.parametrize("way", ["about", "text"])
def test_reader_shows_the_article_and_nothing_else(browser: Browser, site: Site, way: str) -> None:
    for conversation in site.by_way[way]:
        exchanges = kept(site, conversation)
        with visit(browser, site, conversation.key) as watched:
            for payload, each, record in exchanges:
                if record["status"] != "answered":
                    continue
                card = f"#qa-source-{each.number}-1 [data-act=select]"
                read = watched.page.evaluate(OPEN, card)
                entry = record["citations"][0]
                article = site.library.article(entry["article_id"])
                start, end = entry["start"], entry["end"]
                assert read["article"] == article.id
                assert told(read["title"]) == told(article.title.strip()), payload.id
                assert read["words"] == [shown(article.text[start:end])], payload.id
                assert without_headings(read["whole"]) == without_headings(shown(article.text))
                assert read["focused"], payload.id
                assert read["seen"], payload.id
                assert watched.page.evaluate(AUDIT, MAY_BE_THERE) == [], payload.id
            watched.check()


def without_headings(text: str) -> str:
    """As the reader shows it: the marks of headings are not shown, nor blanks at the ends."""
    return re.sub(r"^#{1,6}[ \t]+", "", text, flags=re.MULTILINE).strip()


# The articles


def test_list_of_articles_is_only_text(browser: Browser, site: Site) -> None:
    with visit(browser, site) as watched:
        page = watched.page
        page.get_by_role("button", name="Articles", exact=True).click()
        articles = [each.id for each in site.library.articles()]
        more = page.locator(".qa-shelf [data-act=expand]")
        while more.count():
            count = page.locator(".qa-list li").count()
            more.click()
            page.wait_for_function(
                "count => document.querySelectorAll('.qa-list li').length > count", arg=count
            )
        watched.check()
        rows = page.evaluate("""() => [...document.querySelectorAll('.qa-list li')].map(row => {
            const [title, paper, date] = ['.qa-title', '.qa-about bdi', 'time'].map(
                name => row.querySelector(name));
            const [before, after] = [paper.getClientRects(), date.getClientRects()];
            const last = before[before.length - 1], first = after[0];
            return {
                title: title.textContent,
                paper: paper.textContent,
                acts: [...row.querySelectorAll('[data-act]')].map(at => at.dataset.act),
                article: title.dataset.article,
                ordered: paper.closest('time') !== null || !last
                    || first.left >= last.right - 1 || first.top >= last.bottom - 4,
            };
        })""")
        assert [row["article"] for row in rows] == articles
        for row in rows:
            article = site.library.article(row["article"])
            assert told(row["title"]) == told(article.title.strip())
            assert told(row["paper"]) == told(article.publisher or DAYS[article.published or ""])
            assert row["acts"] == ["select", "click"]
            assert row["ordered"], article.id


@pytest.mark.parametrize("name", ["own-delete", "bidi-pops", "nul"])
def test_an_article_is_found_read_and_deleted(browser: Browser, site: Site, name: str) -> None:
    (payload,) = (each for each in PAYLOADS if each.id == name)
    article = replace(about(payload), id=f"doomed-{name}", published="2032-01-01", text="Doomed.")
    site.library.add([article])
    with visit(browser, site) as watched:
        page = watched.page
        page.get_by_role("button", name="Articles", exact=True).click()
        page.locator("#qa-find textarea, #qa-find input").fill(payload.text[:200])
        watched.page.wait_for_timeout(300)
        watched.check()
        page.locator("#qa-find textarea, #qa-find input").fill("")
        row = page.locator(f"li:has(> [data-article=doomed-{name}])")
        page.evaluate(OPEN, f"[data-act=select][data-article=doomed-{name}]")
        watched.check()
        page.locator(".qa-shut").click()
        row.locator("[data-act=click]").click()
        expect(row.locator(".qa-confirm")).to_be_visible()
        watched.check()
        row.locator("[data-act=delete]").click()
        expect(page.locator("#qa-uploads bdi")).to_have_count(1)
        deleted = page.locator("#qa-uploads bdi").evaluate("at => at.textContent")
        assert told(article.title) in told(deleted)
        expect(row).to_have_count(0)
    with pytest.raises(InputError):
        site.library.article(article.id)


def test_filters_offer_names_as_text(browser: Browser, site: Site) -> None:
    with visit(browser, site) as watched:
        page = watched.page
        page.locator("#qa-filters button").first.click()
        for label in ("Publishers", "Only these articles"):
            page.get_by_label(label, exact=False).first.click()
            options = page.locator("ul[role=listbox] [role=option]")
            expect(options.first).to_be_visible()
            assert page.locator("ul[role=listbox] :not(li, span)").count() == 0
            watched.check()
            page.keyboard.press("Escape")


def test_a_choice_that_is_gone_finds_nothing_in_our_words(browser: Browser, site: Site) -> None:
    """Gradio would refuse it in a message of its own, which shows markup as such."""

    def gone(route: Route) -> None:
        sent = json.loads(route.request.post_data or "{}")
        if WHEN in sent["data"]:
            sent["data"][2:4] = [["<b>gone</b>"], ["<b>gone</b>"]]
        route.continue_(post_data=json.dumps(sent))

    with visit(browser, site) as watched:
        watched.page.route("**/queue/join*", gone)
        box = watched.page.locator("#qa-question textarea")
        box.fill(WHEN)
        box.press("Enter")
        turn = watched.page.locator("#qa-turn-1")
        expect(turn.locator(".qa-abstained")).to_be_visible(timeout=WAIT)
        expect(turn).to_contain_text("<b>gone</b>")
        assert watched.page.locator(".toast-body").count() == 0


# Questions


# Reads the offers of an empty page.
OFFERS = """() => [...document.querySelectorAll('.qa-earlier li')].map(row => ({
    question: row.querySelector('bdi').textContent,
    acts: [...row.querySelectorAll('[data-act]')].map(at => at.dataset.act),
    keys: [...row.querySelectorAll('[data-act]')].map(at => at.dataset.conversationId),
    seen: row.checkVisibility(),
}))"""


def test_earlier_questions_are_only_text(browser: Browser, site: Site) -> None:
    asked = site.by_way["question"]
    batches = [asked[at : at + BATCH] for at in range(0, len(asked), BATCH)]
    with visit(browser, site, known=[each.key for each in batches[0]]) as watched:
        page = watched.page
        for number, batch in enumerate(batches):
            keys = [each.key for each in batch]
            if number:
                page.evaluate(
                    "keys => localStorage.setItem('qa-conversations', keys)", json.dumps(keys)
                )
                page.get_by_role("button", name="New conversation").click()
            last = page.locator(f".qa-earlier [data-conversation-id='{keys[-1]}']").first
            expect(last).to_be_attached()
            watched.check()
            offers = page.evaluate(OFFERS)
            assert [told(each["question"]) for each in reversed(offers)] == [
                told(each.payloads[0].text.strip()) for each in batch
            ]
            for offer in offers:
                assert offer["acts"] == ["expand", "delete"]
                assert set(offer["keys"]) <= set(keys)
                assert offer["seen"]
            page.locator(f".qa-earlier [data-act=expand][data-conversation-id='{keys[0]}']").click()
            expect(page.locator(".qa-turn")).to_have_count(1)
            heading = page.locator(".qa-turn h2").evaluate("at => at.textContent")
            asked_for = shown(batch[0].payloads[0].text.strip())
            assert asked_for.startswith(heading.removesuffix(" …"))
            watched.check()


def test_question_in_the_address_is_only_asked(browser: Browser, site: Site) -> None:
    """A link to the page carries a question and an article's id."""
    first = list({each.kind: each for each in reversed(PAYLOADS)}.values())
    for payload in first if site.whole else first[::3]:
        given = quote(plain(payload.text))
        with visit(browser, site, query=f"?q={given}&article={given}&start=0&end=9") as watched:
            turn = watched.page.locator("#qa-turn-1")
            expect(turn.locator(".qa-foot, .qa-problem")).to_be_visible(timeout=WAIT)
            heading = turn.locator("h2").evaluate("at => at.textContent")
            assert heading == shown(payload.text.strip())


# Past the page


def test_a_program_asks_and_filters_with_anything(site: Site) -> None:
    """Gradio's own client; what it refuses, such as a choice that is none, is refused in words."""
    client = Client(site.url, verbose=False)
    for n, payload in enumerate(PAYLOADS if site.whole else PAYLOADS[::6]):
        text = plain(payload.text)  # the client itself sends no halves of surrogate pairs
        ways: list[tuple[Any, ...]] = [(text, "", [], [], "", ""), (WHEN, text, [], [], "", "")]
        ways += [(WHEN, "", [text], [], "", ""), (WHEN, "", [], [text], "", "")]
        ways += [(WHEN, "", [], [], text, text)]
        for given in (ways[0], ways[1 + n % 4]):
            try:
                _, thread, panel, _, _ = client.predict(*given, 0, api_name="/ask")
            except AppError as error:
                assert_no_traceback(str(error), payload.id)
                continue
            assert_no_traceback(thread + panel, payload.id)
            for html in (thread, panel):
                rendered = Rendered()
                rendered.feed(html)
                assert rendered.tags <= set(MAY_BE_THERE["tags"]), payload.id
    client.close()


def joined(site: Site, event: Record, data: list[Any], given: Record) -> str:
    """What the server answers to an event that a program sends, whole."""
    session = secrets.token_hex(6)
    body = {
        "data": data,
        "fn_index": event["id"],
        "session_hash": session,
        "event_data": given,
        "trigger_id": event["targets"][0][0],
    }
    base = f"{site.url}/gradio_api"
    sent = httpx.post(f"{base}/queue/join", content=json.dumps(body), headers=JSON, timeout=30)
    if sent.status_code != 200:
        return f"{sent.status_code} {sent.text}"
    lines: list[str] = []
    until = time.monotonic() + 60
    with httpx.stream("GET", f"{base}/queue/data?session_hash={session}", timeout=60) as stream:
        for line in stream.iter_lines():
            lines.append(line)
            assert time.monotonic() < until, (event["targets"], data, lines[:5])
            if "process_completed" in line or "close_stream" in line:
                break
    return f"{sent.status_code} " + "\n".join(lines)


JSON = {"content-type": "application/json"}
ODD: list[Any] = [None, True, -1, 1e308, 10**30, [], {}, [[]], {"__type__": "update", "value": 1}]


def test_events_of_a_program_get_no_traceback(site: Site) -> None:
    """Every event of the page, with payloads and odd things for all that it is given."""
    events = [
        event
        for event in httpx.get(f"{site.url}/config").json()["dependencies"]
        if event["targets"] and event["backend_fn"]
    ]
    assert len(events) > 20
    names = "article start end turn reason liked question conversationId free shown text".split()
    known = site.by_way["about"][0].key
    payloads = [each.text for each in (PAYLOADS if site.whole else PAYLOADS[::3])]
    values = [*payloads, *(ODD * len(events) if site.whole else ODD * 9)]
    for n, value in enumerate(values):
        event = events[n % len(events)]
        given = dict.fromkeys(names, value)
        inputs: list[Any] = [value] * len(event["inputs"])
        if n % 2:  # a conversation that is there, and everything else odd
            given |= {"turn": "1", "liked": "down"}
            inputs = [known, *inputs[1:]] if inputs else []
        answer = joined(site, event, inputs, given)
        assert_no_traceback(answer, f"{event['targets']} {str(value)[:60]!r}")


def test_half_a_surrogate_pair_is_asked_and_answered(site: Site) -> None:
    """As JSON can bring it; a browser does not send it."""
    events = httpx.get(f"{site.url}/config").json()["dependencies"]
    (ask,) = (event for event in events if event["api_name"] == "ask")
    for payload in PAYLOADS:
        if plain(payload.text) != payload.text:
            answer = joined(site, ask, [f"{WHEN} {payload.text}", "", [], [], "", "", 0], {})
            assert_no_traceback(answer, payload.id)
            assert "process_completed" in answer
            assert "qa-problem" not in answer, answer[-1500:]


def assert_no_traceback(answer: str, where: str) -> None:
    assert not answer.startswith("5"), (where, answer[:500])
    for word in ("Traceback", 'File \\"', ".py", "site-packages", "Error:"):
        assert word not in answer, (where, answer[:500])
