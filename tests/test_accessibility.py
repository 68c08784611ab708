"""Every state of the page, as axe sees it: nothing that shuts somebody out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from browser.dictation import Dictation, dictating
from browser.server import HARBOUR, HOSTILE, MERROW, Chat
from browser.visits import (
    CHROMIUM,
    MISSING,
    SCREENS,
    WAIT,
    Screen,
    ask,
    begin,
    browsing,
    new_context,
    photograph,
    question_box,
    visit,
)
from playwright.sync_api import Browser, BrowserContext, Page, expect

from qa.library import Library
from qa.settings import Settings
from qa.types import Article

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=MISSING)

STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WHEN = "When did the harbour wall at Tellin reopen?"
HOMES = "How many homes were flooded in Varnholt?"
WHO = "Who designed the clock tower of Merrow?"
AT_REST = """document.getAnimations().every(each =>
    each.playState !== 'running' || each.effect.getComputedTiming().iterations === Infinity)"""
FLOODS = [
    Article(
        f"flood-{number}",
        f"Flood in Varnholt, {number} homes",
        f"In all, {number} homes were flooded in Varnholt, the {who} said.",
        publisher=who,
        published=day,
    )
    for number, who, day in (
        (412, "Fire Brigade", "2031-03-10"),
        (286, "River Authority", "2031-04-11"),
    )
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as opened:
        yield opened


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    return new_context(browser)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chat, Dictation]]:
    """An app whose language model says what the test dictates; what it makes up is marked."""
    library = tmp_path_factory.mktemp("accessible") / "library"
    with Library(Settings(library=library)) as opened:
        opened.add([HARBOUR, HOSTILE, MERROW, *FLOODS])
    with dictating() as (dictation, endpoint):
        model = {"QA_LLM_BASE_URL": endpoint.base_url, "QA_LLM_MODEL": "scripted"}
        running = Chat(library, QA_GENERATOR="llm", QA_UNSUPPORTED="mark", **model)
        yield running, dictation
        dictation.end_all()
        assert running.stop() == 0


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    running = Chat(tmp_path_factory.mktemp("empty") / "library")
    yield running
    assert running.stop() == 0


class Audit:
    """Looks at one state of the page after the other; what it finds is told at the end."""

    def __init__(self, page: Page) -> None:
        self.page, self.found, self.states = page, list[str](), list[str]()

    def look(self, state: str) -> None:
        self.page.wait_for_function(AT_REST)  # half-way, colours that fade in are too pale
        photograph(self.page, f"axe-{state}")
        self.states.append(state)
        only = {"type": "tag", "values": STANDARDS}
        seen = Axe().run(self.page, options={"runOnly": only, "resultTypes": ["violations"]})
        for violation in seen.response["violations"]:
            if violation["impact"] not in ("critical", "serious"):
                continue
            for node in violation["nodes"]:
                where = " ".join(map(str, node["target"]))
                self.found.append(f"{state}: {violation['id']}: {where}: {node['html'][:200]}")

    def check(self, states: int) -> None:
        assert len(self.states) == states
        assert not self.found, "\n".join(self.found)


def dictated(page: Page, dictation: Dictation, question: str, words: str, number: int = 1) -> None:
    """Asks, and has the model say these words."""
    calls = dictation.calls
    turn = begin(page, question, number)
    dictation.wait_for_call(calls + 1)
    if number > 1:  # what follows another question is first put to the model to be understood
        dictation.say(question, end=True)
        dictation.wait_for_call(calls + 2)
    dictation.say(words, end=True)
    expect(turn.locator(".qa-foot")).to_be_visible(timeout=WAIT)
    expect(question_box(page)).to_have_value("")


def test_the_audit_finds_what_shuts_somebody_out(context: BrowserContext, empty: Chat) -> None:
    """The audit itself: a picture without words and pale letters are found."""
    with visit(context, empty.url, SCREENS["wide-light"]) as page:
        page.locator(".qa-welcome").evaluate(
            "at => { at.innerHTML += '<img src=data:,><p style=\"color:#ddd\">pale</p>'; }"
        )
        audit = Audit(page)
        audit.look("broken")
        rules = {line.split(": ")[1] for line in audit.found}
        assert {"image-alt", "color-contrast"} <= rules


@pytest.mark.parametrize("name", ["wide-light", "phone-dark"])
def test_states_of_an_answer(
    context: BrowserContext, written: tuple[Chat, Dictation], name: str
) -> None:
    chat, dictation = written
    screen = SCREENS[name]
    with visit(context, chat.url, screen) as page:
        audit = Audit(page)
        audit.look("welcome")
        calls = dictation.calls
        turn = begin(page, WHEN)
        dictation.wait_for_call(calls + 1)
        audit.look("working")
        dictation.say("The harbour wall at Tellin reopened on 4 March 2031. [{key1}] ")
        dictation.say("The work cost")
        expect(turn.locator(".qa-answer")).to_be_visible()
        audit.look("streaming")
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(turn.locator(".qa-stopped")).to_be_visible()
        audit.look("stopped")
        dictation.end()
        _sources_and_reader(page, audit, screen)
        _feedback(page, audit)
        _conversations(page, audit, dictation)
        audit.check(14)


def _sources_and_reader(page: Page, audit: Audit, screen: Screen) -> None:
    cite = page.locator("#qa-turn-1 .qa-cite").first
    cite.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#qa-turn-1 .qa-tip").first).to_be_visible()
    audit.look("tooltip")
    cite.click()
    expect(page.locator("#qa-source-1-1")).to_be_focused()
    audit.look("sources-sheet" if screen.narrow else "sources")
    page.locator("#qa-source-1-1 [data-act=select]").click()
    expect(page.locator("#qa-words")).to_be_focused()
    audit.look("reader")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")


def _feedback(page: Page, audit: Audit) -> None:
    page.get_by_label("Bad answer").click()
    expect(page.locator(".qa-reasons")).to_be_visible()
    audit.look("feedback")
    page.locator("#qa-turn-1 [data-act=edit]").click()
    expect(page.locator(".qa-changing")).to_be_visible()
    audit.look("changing")
    page.locator(".qa-changing button").click()
    expect(page.locator(".qa-changing")).to_have_count(0)


def _conversations(page: Page, audit: Audit, dictation: Dictation) -> None:
    page.locator("#qa-filters > button").click()
    page.get_by_role("combobox", name="Publishers").click()
    expect(page.get_by_role("option", name="Check Gazette")).to_be_visible()
    audit.look("filters")
    page.get_by_role("option", name="Check Gazette").click()
    page.keyboard.press("Escape")
    page.get_by_role("textbox", name="From").fill("2035-01-01")
    calls = dictation.calls
    begin(page, WHO, 2)
    dictation.wait_for_call(calls + 1)
    dictation.say(WHO, end=True)
    expect(page.locator("#qa-turn-2 .qa-relax")).to_be_visible(timeout=WAIT)
    audit.look("filtered-empty")
    page.get_by_role("textbox", name="From").fill("2035")
    begin(page, WHO, 3)
    expect(page.locator("#qa-turn-3 .qa-problem")).to_be_visible(timeout=WAIT)
    audit.look("problem")
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".qa-earlier")).to_be_visible()
    audit.look("earlier")
    page.locator(".qa-earlier [data-act=expand]").first.click()
    expect(page.locator(".qa-turn")).to_have_count(2)
    audit.look("gone-back")


@pytest.mark.parametrize("name", ["wide-light", "phone-dark"])
def test_states_of_doubt(
    context: BrowserContext, written: tuple[Chat, Dictation], name: str
) -> None:
    chat, dictation = written
    with visit(context, chat.url, SCREENS[name]) as page:
        audit = Audit(page)
        ask(page, "What is the capital of Peru?")
        expect(page.locator("#qa-turn-1 .qa-abstained")).to_be_visible()
        page.locator("#qa-turn-1 [data-group]").click()
        audit.look("abstention")
        page.keyboard.press("Escape")
        said = "The harbour wall reopened in 1873 for 99 million crowns. [{key1}] "
        dictated(page, dictation, WHEN, said + "Ferries will run again from May. [{key1}]", 2)
        expect(page.locator("#qa-turn-2 .qa-doubt")).to_have_count(1)
        audit.look("doubt")
        dictated(page, dictation, HOMES, "412 homes were flooded in Varnholt. [{key1}]", 3)
        expect(page.locator("#qa-turn-3 .qa-dispute")).to_be_visible()
        audit.look("disagreement")
        expect(page.locator(".qa-next")).to_be_visible(timeout=WAIT)
        audit.look("suggestions")
        audit.check(4)


@pytest.mark.parametrize("name", ["wide-dark", "phone-light"])
def test_states_of_the_articles(
    context: BrowserContext, written: tuple[Chat, Dictation], name: str, tmp_path: Path
) -> None:
    chat, _ = written
    with visit(context, chat.url, SCREENS[name]) as page:
        audit = Audit(page)
        page.get_by_role("button", name="Articles", exact=True).click()
        audit.look("articles")
        page.locator(".qa-list [data-act=click]").first.click()
        expect(page.locator(".qa-confirm")).to_be_visible()
        audit.look("delete")
        page.locator(".qa-confirm [data-act=clear]").click()
        (tmp_path / "note.txt").write_text(f"A note for {name}.\n\nNothing more stands in it.")
        (tmp_path / "broken.pdf").write_text("no PDF")
        page.locator("#qa-files input[type=file]").set_input_files(
            [tmp_path / "note.txt", tmp_path / "broken.pdf"]
        )
        expect(page.locator(".qa-uploads .qa-failed")).to_be_visible(timeout=WAIT)
        expect(page.locator(".qa-list")).to_contain_text("A note for", timeout=WAIT)
        audit.look("uploads")
        page.get_by_label("Find an article").fill("nothing of the kind")
        expect(page.locator(".qa-list")).to_contain_text("No article")
        audit.look("none-found")
        page.get_by_label("Find an article").fill("harbour")
        page.locator(".qa-title", has_text="Harbour").click()
        expect(page.locator("#qa-reader-title")).to_be_focused()
        audit.look("reader-of-the-list")
        page.keyboard.press("Escape")
        audit.check(5)


@pytest.mark.parametrize("name", ["wide-light", "phone-dark"])
def test_page_without_articles_and_without_the_one_asked_for(
    context: BrowserContext, empty: Chat, name: str
) -> None:
    with visit(context, empty.url, SCREENS[name], "?article=nothing") as page:
        expect(page.locator(".qa-reader")).to_be_visible()
        audit = Audit(page)
        audit.look("missing")
        page.locator(".qa-shut").click()
        expect(page.locator(".qa-reader")).to_be_hidden()
        audit.look("empty")
        audit.check(2)


def test_arabic_states(browser: Browser, written: tuple[Chat, Dictation]) -> None:
    chat, dictation = written
    arabic = new_context(browser, "ar")
    with visit(arabic, chat.url, SCREENS["wide-dark"]) as page:
        audit = Audit(page)
        audit.look("arabic-welcome")
        dictated(page, dictation, WHEN, "The harbour wall reopened on 4 March 2031. [{key1}]")
        page.locator("#qa-turn-1 .qa-cite").click()
        expect(page.locator("#qa-source-1-1")).to_be_focused()
        audit.look("arabic-sources")
        page.locator("#qa-source-1-1 [data-act=select]").click()
        expect(page.locator("#qa-words")).to_be_focused()
        audit.look("arabic-reader")
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.locator("#qa-filters > button").click()
        audit.look("arabic-filters")
        page.locator(".qa-view").last.click()
        expect(page.locator(".qa-list")).to_have_text(re.compile("Harbour"))
        audit.look("arabic-articles")
        audit.check(5)
    arabic.close()
