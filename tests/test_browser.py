"""The page in a real browser, wide and narrow: ask, read, follow a citation to its words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.server import ARABIC, HARBOUR, HOSTILE, Chat, running_chat
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run"
).split()
WIDE: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 740}
WHEN = "When did the harbour wall at Tellin reopen?"
# Whether an element is on the screen and inside whatever scrolls around it.
IN_VIEW = """element => {
    let box = element.getBoundingClientRect(), seen = box.height > 0;
    for (let at = element.parentElement; at; at = at.parentElement) {
        if (!/auto|scroll|hidden/.test(getComputedStyle(at).overflowY)) continue;
        const around = at.getBoundingClientRect();
        seen &&= box.top >= around.top - 1 && box.bottom <= around.bottom + 1;
    }
    const middle = document.elementFromPoint(box.left + 5, box.top + 5);
    return seen && box.top >= 0 && box.bottom <= innerHeight && element.contains(middle);
}"""

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="needs Debian's Chromium: apt-get install -y chromium"
)


@pytest.fixture(scope="session")
def chat(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Chat:
    return running_chat(pytestconfig, tmp_path_factory)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(params=[WIDE, PHONE], ids=["wide", "phone"])
def page(browser: Browser, chat: Chat, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The chat, opened; afterwards: nothing left the origin, nothing failed in the page."""
    with browser.new_context(viewport=request.param, reduced_motion="reduce") as context:
        requested: list[str] = []
        errors: list[str] = []
        opened = context.new_page()
        opened.on("request", lambda each: requested.append(each.url))
        opened.on("pageerror", lambda each: errors.append(str(each)))
        opened.on(
            "console", lambda each: errors.append(each.text) if each.type == "error" else None
        )
        opened.goto(chat.url)
        expect(opened.locator(".qa-welcome")).to_be_visible(timeout=30_000)
        yield opened
        own = (chat.url + "/", "data:", "blob:" + chat.url)
        assert [address for address in requested if not address.startswith(own)] == []
        assert errors == []


def ask(page: Page, question: str, number: int = 1) -> None:
    box = page.locator("textarea[data-testid=textbox]:visible")
    box.fill(question)
    box.press("Enter")
    turn = page.locator(f"#qa-turn-{number}")
    expect(turn.locator(".qa-foot, .qa-problem")).to_be_visible(timeout=30_000)
    expect(box).to_have_value("")


def wait_in_view(page: Page, selector: str) -> None:
    element = page.locator(selector).element_handle()
    page.wait_for_function(IN_VIEW, arg=element)


def marked(page: Page, card: str) -> str:
    """What the browser holds as the text of a card's mark."""
    return str(page.locator(f"{card} mark").evaluate("mark => mark.textContent"))


def test_citation_leads_to_its_words(page: Page) -> None:
    ask(page, WHEN)
    page.locator("#qa-turn-1 a.qa-cite").first.click()
    wait_in_view(page, "#qa-source-1-1 mark")
    quote = marked(page, "#qa-source-1-1")
    assert quote
    assert HARBOUR.text.startswith(quote)
    expect(page.locator("#qa-source-1-1")).to_be_focused()
    expect(page.locator("#qa-source-1-1")).to_contain_text("5 March 2031")


def test_keyboard_alone_reaches_the_words_and_returns(page: Page) -> None:
    ask(page, WHEN)
    page.locator("#qa-turn-1 a.qa-cite").first.focus()
    page.keyboard.press("Enter")
    wait_in_view(page, "#qa-source-1-1 mark")
    page.keyboard.press("Escape")
    expect(page.locator("#qa-turn-1 a.qa-cite").first).to_be_focused()


def test_older_citation_opens_its_own_sources(page: Page) -> None:
    ask(page, WHEN)
    ask(page, "Who designed the clock tower of Merrow?", 2)
    page.locator("#qa-turn-1 a.qa-cite").first.click()
    wait_in_view(page, "#qa-source-1-1 mark")
    expect(page.locator("#qa-sources-2")).to_be_hidden()
    ask(page, "What is the capital of Peru?", 3)
    expect(page.locator("#qa-turn-3 .qa-abstained")).to_have_text("The articles do not say.")
    page.locator("#qa-turn-3 .qa-open").click()
    expect(page.locator("#qa-sources-3")).to_be_visible()
    expect(page.locator("#qa-sources-1")).to_be_hidden()


def test_hostile_article_is_only_read(page: Page) -> None:
    title = page.title()
    ask(page, "How many bricks did the kiln at Orbel Lane fire in 1931?")
    page.locator("#qa-turn-1 a.qa-cite").first.click()
    wait_in_view(page, "#qa-source-1-1 mark")
    assert marked(page, "#qa-source-1-1") in HOSTILE.text
    expect(page.locator("#qa-source-1-1 h3 bdi")).to_have_text(HOSTILE.title)
    assert page.locator(".qa-panel :is(img, script, style, b, a[href^=java])").count() == 0
    hrefs = page.locator("#qa-turn-1 a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert set(hrefs) <= {"#qa-source-1-1", "#qa-source-1-2", "#qa-source-1-3"}
    assert page.title() == title


def test_right_to_left_words_run_from_the_right(page: Page) -> None:
    ask(page, "متى افتتح الجسر في مدينة تلين؟")
    page.locator("#qa-turn-1 a.qa-cite").first.click()
    wait_in_view(page, "#qa-source-1-1 mark")
    assert marked(page, "#qa-source-1-1") in ARABIC.text
    for place in ("#qa-turn-1 .qa-answer", "#qa-source-1-1 .qa-passage"):
        assert page.locator(place).evaluate("at => getComputedStyle(at).direction") == "rtl"


def test_error_leaves_the_input_usable(page: Page) -> None:
    ask(page, "why " * 2000)
    expect(page.locator("#qa-turn-1 .qa-problem")).to_contain_text("7,999 characters")
    ask(page, WHEN, 2)
    expect(page.locator("#qa-turn-2")).to_contain_text("reopened on 4 March 2031")


def test_example_asks_itself_and_a_new_conversation_forgets(page: Page) -> None:
    example = page.locator(".qa-example").first
    question = example.inner_text()
    example.click()
    expect(page.locator("#qa-turn-1 h2")).to_have_text(question)
    expect(page.locator("#qa-turn-1 .qa-foot")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".qa-welcome")).to_be_visible()
    expect(page.locator(".qa-turn")).to_have_count(0)


def test_nothing_is_wider_than_the_screen(page: Page) -> None:
    wide = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(wide)
    ask(page, WHEN)
    page.locator("#qa-turn-1 a.qa-cite").first.click()
    wait_in_view(page, "#qa-source-1-1 mark")
    assert page.evaluate(wide)


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_page_follows_the_colours_of_the_system(
    browser: Browser, chat: Chat, scheme: str, dark: bool
) -> None:
    brightness = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"
    with browser.new_context(color_scheme=scheme) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(chat.url)
        expect(page.locator(".qa-welcome")).to_be_visible(timeout=30_000)
        page.wait_for_function(f"({brightness} < 128) === {str(dark).lower()}")
