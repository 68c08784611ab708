"""The page in a real browser: the whole life of a question, wide and narrow, light and dark."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from browser.dictation import Dictation, dictating
from browser.server import ARABIC, HARBOUR, HOSTILE, MERROW, Chat, make_library, running_chat
from browser.visits import (
    CHROMIUM,
    FLAGS,
    MISSING,
    PHONE,
    SCREENS,
    SMALLEST,
    WAIT,
    WIDE,
    Screen,
    ask,
    begin,
    browsing,
    new_context,
    no_wider_than_the_screen,
    photograph,
    question_box,
    reload,
    visit,
    wait_in_view,
    words_in,
)
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from qa.library import Library
from qa.settings import Settings

__all__ = ["CHROMIUM", "FLAGS", "PHONE", "WIDE", "ask"]  # for the other tests with a browser

WHEN = "When did the harbour wall at Tellin reopen?"
WHO = "Who designed the clock tower of Merrow?"
ABSENT = "What is the capital of Peru?"
CITE = "#qa-turn-1 a.qa-cite"
FOCUSED = "document.activeElement"

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=MISSING)


def on(*names: str) -> pytest.MarkDecorator:
    """Runs a test on each of these screens."""
    return pytest.mark.parametrize("screen", [SCREENS[name] for name in names], ids=names)


@pytest.fixture
def screen() -> Screen:
    """Where a test does not say otherwise."""
    return SCREENS["wide-light"]


@pytest.fixture(scope="session")
def chat(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Chat:
    return running_chat(pytestconfig, tmp_path_factory)


@pytest.fixture(scope="module")
def stored(chat: Chat) -> Iterator[Library]:
    """The library of the chat, read beside it."""
    with Library(Settings(library=chat.library)) as library:
        yield library


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as opened:
        yield opened


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    return new_context(browser)


@pytest.fixture(scope="module")
def arabic(browser: Browser) -> BrowserContext:
    return new_context(browser, "ar")


@pytest.fixture
def page(context: BrowserContext, chat: Chat, screen: Screen) -> Iterator[Page]:
    with visit(context, chat.url, screen) as opened:
        yield opened


def span(stored: Library, at: Locator) -> str:
    """The stored words whose place stands in an element's data."""
    article, start, end = (at.get_attribute(f"data-{name}") for name in ("article", "start", "end"))
    return stored.article(article or "").text[int(start or 0) : int(end or 0)]


def button(page: Page | Locator, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


# Asking and reading


@on("wide-light", "wide-dark", "phone-light", "phone-dark")
def test_citation_leads_to_its_words_and_to_the_article(
    page: Page, stored: Library, screen: Screen
) -> None:
    photograph(page, "welcome")
    ask(page, WHEN)
    photograph(page, "answer")
    page.locator(CITE).first.click()
    wait_in_view(page, "#qa-source-1-1 mark")
    expect(page.locator("#qa-source-1-1")).to_be_focused()
    expect(page.locator("#qa-source-1-1")).to_contain_text("5 March 2031")
    show = page.locator("#qa-source-1-1 [data-act=select]")
    quote = span(stored, show)
    assert quote
    assert words_in(page, "#qa-source-1-1 mark") == quote
    photograph(page, "sources")
    show.click()
    expect(page.locator("#qa-words")).to_be_focused()
    wait_in_view(page, "#qa-words")
    assert words_in(page, "#qa-words") == quote == span(stored, page.locator(".qa-reader"))
    assert words_in(page, ".qa-whole") == stored.article("harbour").text
    photograph(page, "reader")
    assert no_wider_than_the_screen(page)
    page.keyboard.press("Escape")
    expect(page.locator("#qa-words")).to_be_hidden()
    expect(show).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(CITE).first).to_be_focused()
    if screen.narrow:
        expect(page.locator("#qa-source-1-1")).to_be_hidden()


@on("wide-light", "phone-dark")
def test_words_behind_a_number_are_shown_and_put_away(page: Page, stored: Library) -> None:
    ask(page, WHEN)
    cite, tip = page.locator(CITE).first, page.locator("#qa-turn-1 .qa-tip").first
    quote = " ".join(span(stored, page.locator("#qa-source-1-1 [data-act=select]")).split())
    expect(tip).to_be_hidden()
    cite.hover()
    expect(tip).to_be_visible()
    expect(tip).to_have_text(quote)
    assert cite.get_attribute("aria-describedby") == tip.get_attribute("id")
    box, width = tip.bounding_box(), page.evaluate("innerWidth")
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    photograph(page, "tooltip")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.mouse.move(1, 1)
    cite.hover()
    expect(tip).to_be_visible()
    cite.click()
    page.mouse.move(1, 1)
    page.keyboard.press("Escape")
    expect(cite).to_be_focused()
    expect(tip).to_be_hidden()  # or it would hide the buttons below it
    page.mouse.move(1, 1)
    question_box(page).focus()
    tab_to(page, ".qa-cite", back=True)
    expect(tip).to_be_visible()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()


def tab_to(page: Page, selector: str, back: bool = False) -> None:
    """Presses Tab until such an element has the focus."""
    for _ in range(40):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.evaluate(f"{FOCUSED}.matches({json.dumps(selector)})"):
            return
    raise AssertionError(f"no Tab leads to {selector}")


@on("wide-dark", "phone-light")
def test_keyboard_alone_asks_reads_and_returns(page: Page) -> None:
    expect(question_box(page)).to_be_focused()
    page.keyboard.type(WHEN)
    page.keyboard.press("Enter")
    expect(page.locator("#qa-turn-1 .qa-foot")).to_be_visible(timeout=WAIT)
    tab_to(page, ".qa-cite", back=True)
    page.keyboard.press("Enter")
    expect(page.locator("#qa-source-1-1")).to_be_focused()
    wait_in_view(page, "#qa-source-1-1 mark")
    tab_to(page, "#qa-source-1-1 [data-act=select]")
    page.keyboard.press("Enter")
    expect(page.locator("#qa-words")).to_be_focused()
    tab_to(page, ".qa-shut", back=True)
    page.keyboard.press("Enter")
    expect(page.locator("#qa-source-1-1 [data-act=select]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(CITE).first).to_be_focused()
    tab_to(page, '[data-liked="down"]')
    page.keyboard.press("Enter")
    expect(page.locator(".qa-reasons")).to_be_visible()
    page.keyboard.press("/")
    expect(question_box(page)).to_be_focused()
    page.keyboard.press("/")
    expect(question_box(page)).to_have_value("/")


@on("phone-light")
def test_older_citation_opens_its_own_sources(page: Page) -> None:
    ask(page, WHEN)
    ask(page, WHO, 2)
    page.locator(CITE).first.click()
    wait_in_view(page, "#qa-source-1-1 mark")
    expect(page.locator("#qa-sources-2")).to_be_hidden()
    page.keyboard.press("Escape")
    ask(page, ABSENT, 3)
    expect(page.locator("#qa-turn-3 .qa-abstained")).to_have_text("The articles do not say.")
    expect(page.locator("#qa-turn-3 .qa-cite")).to_have_count(0)
    page.get_by_role("button", name="Nearest passages:").click()
    expect(page.locator("#qa-sources-3")).to_be_visible()
    expect(page.locator("#qa-sources-1")).to_be_hidden()
    photograph(page, "abstention")


def test_hostile_article_is_only_read(page: Page) -> None:
    title = page.title()
    ask(page, "How many bricks did the kiln at Orbel Lane fire in 1931?")
    page.locator(CITE).first.click()
    wait_in_view(page, "#qa-source-1-1 mark")
    assert words_in(page, "#qa-source-1-1 mark") in HOSTILE.text
    expect(page.locator("#qa-source-1-1 h3 bdi")).to_have_text(HOSTILE.title)
    assert page.locator(".qa-panel :is(img, script, style, b, a[href^=java])").count() == 0
    hrefs = page.locator("#qa-turn-1 a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert set(hrefs) <= {"#qa-source-1-1", "#qa-source-1-2", "#qa-source-1-3"}
    assert page.title() == title


def test_right_to_left_words_run_from_the_right(page: Page) -> None:
    ask(page, "متى افتتح الجسر في مدينة تلين؟")
    page.locator(CITE).first.click()
    wait_in_view(page, "#qa-source-1-1 mark")
    assert words_in(page, "#qa-source-1-1 mark") in ARABIC.text
    for place in ("#qa-turn-1 .qa-answer", "#qa-source-1-1 .qa-passage"):
        assert page.locator(place).evaluate("at => getComputedStyle(at).direction") == "rtl"


def test_error_leaves_the_input_usable(page: Page) -> None:
    ask(page, "why " * 2000)
    expect(page.locator("#qa-turn-1 .qa-problem")).to_contain_text("7,999 characters")
    ask(page, WHEN, 2)
    expect(page.locator("#qa-turn-2")).to_contain_text("reopened on 4 March 2031")


@on("wide-dark")
def test_example_asks_itself_and_a_new_conversation_forgets(page: Page) -> None:
    example = page.locator(".qa-example").first
    question = example.inner_text()
    example.click()
    expect(page.locator("#qa-turn-1 h2")).to_have_text(question)
    expect(page.locator("#qa-turn-1 .qa-foot")).to_be_visible(timeout=WAIT)
    button(page, "New conversation").click()
    expect(page.locator(".qa-welcome")).to_be_visible()
    expect(page.locator(".qa-turn")).to_have_count(0)


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_page_follows_the_colours_of_the_system(page: Page, scheme: str, dark: bool) -> None:
    brightness = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    reload(page)
    expect(page.locator(".qa-welcome")).to_be_visible(timeout=WAIT)
    page.wait_for_function(f"({brightness} < 128) === {str(dark).lower()}")


# Going on with a conversation


@on("wide-light", "phone-dark")
def test_question_is_changed_asked_again_and_taken_back(page: Page) -> None:
    ask(page, WHEN)
    ask(page, "How much did it cost?", 2)
    expect(page.locator("#qa-turn-2 .qa-understood")).to_contain_text("How much did it cost? (")
    expect(page.locator("#qa-turn-2 .qa-answer")).to_contain_text("4.2 million crowns")
    photograph(page, "follow-up")

    button(page.locator("#qa-turn-1"), "Change").click()
    expect(question_box(page)).to_have_value(WHEN)
    expect(page.locator(".qa-changing")).to_contain_text("changing question 1")
    photograph(page, "changing")
    button(page, "Cancel").click()
    expect(page.locator(".qa-changing")).to_have_count(0)
    expect(question_box(page)).to_have_value("")
    expect(page.locator(".qa-turn")).to_have_count(2)

    button(page.locator("#qa-turn-1"), "Change").click()
    expect(question_box(page)).to_have_value(WHEN)
    ask(page, WHO)
    expect(page.locator(".qa-turn")).to_have_count(1)
    expect(page.locator("#qa-turn-1 .qa-answer")).to_contain_text("Ida Lorn")
    expect(page.locator(".qa-changing")).to_have_count(0)
    ask(page, WHEN, 2)  # behind it, no longer in its place

    # Asked anew, it has no thumb any more.
    thumb = page.locator("#qa-turn-2").get_by_label("Good answer")
    thumb.click()
    expect(thumb).to_have_attribute("aria-pressed", "true")
    button(page, "Ask again").click()
    expect(thumb).to_have_attribute("aria-pressed", "false", timeout=WAIT)
    expect(page.locator("#qa-turn-2 .qa-answer")).to_contain_text("4 March 2031")
    expect(page.locator(".qa-turn")).to_have_count(2)

    button(page, "Take back").click()
    expect(page.locator(".qa-turn")).to_have_count(1)
    expect(question_box(page)).to_have_value(WHEN)


def test_conversation_outlives_a_reload_and_can_be_gone_back_to(page: Page) -> None:
    ask(page, WHEN)
    shown = words_in(page, "#qa-turn-1 .qa-answer")
    reload(page)
    expect(page.locator("#qa-turn-1 .qa-answer")).to_have_text(shown, timeout=WAIT)
    ask(page, "How much did it cost?", 2)
    button(page, "New conversation").click()
    expect(page.locator(".qa-welcome")).to_be_visible()
    ask(page, WHO)
    expect(page.locator(".qa-turn")).to_have_count(1)
    button(page, "New conversation").click()

    earlier = page.locator(".qa-earlier li")
    expect(earlier).to_have_count(2)
    expect(earlier.first).to_contain_text(WHO)
    expect(earlier.last).to_contain_text("questions: 2")
    photograph(page, "earlier")
    earlier.last.locator(".qa-example").click()
    expect(page.locator(".qa-turn")).to_have_count(2)
    page.locator(CITE).first.click()
    wait_in_view(page, "#qa-source-1-1 mark")
    ask(page, WHO, 3)

    button(page, "New conversation").click()
    expect(earlier).to_have_count(2)
    page.get_by_label(f"Forget this conversation: {WHEN}").click()
    expect(earlier).to_have_count(1)
    expect(earlier).to_contain_text(WHO)
    reload(page)
    expect(earlier).to_have_count(1, timeout=WAIT)


@on("phone-light")
def test_thumbs_reasons_and_comments_are_kept(page: Page) -> None:
    ask(page, WHEN)
    turn = page.locator("#qa-turn-1")
    good, bad = turn.get_by_label("Good answer"), turn.get_by_label("Bad answer")
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    expect(turn).to_contain_text("Anything to add?")
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "true")
    expect(good).to_have_attribute("aria-pressed", "false")
    comment = turn.get_by_label("What is wrong with it?")
    comment.fill("The cost is missing.")
    reason = button(turn, "Something is missing")
    reason.click()
    expect(reason).to_have_attribute("aria-pressed", "true")
    expect(comment).to_have_value("The cost is missing.")
    button(turn, "Send").click()
    expect(turn).to_contain_text("Thank you.")
    photograph(page, "feedback")
    reload(page)
    expect(reason).to_have_attribute("aria-pressed", "true", timeout=WAIT)
    expect(bad).to_have_attribute("aria-pressed", "true")
    expect(comment).to_have_value("The cost is missing.")
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "false")
    expect(comment).to_have_count(0)


def test_conversation_is_saved_and_an_answer_copied(page: Page, stored: Library) -> None:
    ask(page, WHEN)
    ask(page, WHO, 2)
    shows = page.locator(".qa-card [data-act=select]")
    quotes = [span(stored, each) for each in shows.all()]
    assert len(quotes) >= 2

    with page.expect_download() as download:
        button(page, "Save as Markdown").click()
    assert download.value.suggested_filename == "conversation.md"
    markdown = plain(Path(download.value.path()).read_text("utf-8"))
    assert f"## {WHEN}" in markdown
    assert f"## {WHO}" in markdown
    for quote in quotes:
        assert f"> {' '.join(quote.split())}" in markdown

    with page.expect_download() as download:
        button(page, "Save as JSON").click()
    assert download.value.suggested_filename == "conversation.json"
    exchanges = json.loads(Path(download.value.path()).read_text("utf-8"))["exchanges"]
    assert [each["question"] for each in exchanges] == [WHEN, WHO]
    cited = [citation for each in exchanges for citation in each["answer"]["citations"]]
    assert [each["quote"] for each in cited] == quotes
    for each in cited:
        words = stored.article(each["article_id"]).text[each["start"] : each["end"]]
        assert words == each["quote"]

    copy = page.locator("#qa-turn-1 [data-copy]")
    copy.click()
    expect(copy).to_have_text("Copied")
    copied = plain(str(page.evaluate("navigator.clipboard.readText()")))
    assert " ".join(quotes[0].split()) in copied
    assert "[1]" in copied


def plain(markdown: str) -> str:
    """Without the backslashes that keep words from being marks."""
    return re.sub(r"\\(\W)", r"\1", markdown)


# Filters


def choose(page: Page, label: str, option: str) -> None:
    """Types into a filter and takes what it then offers, until it is taken.

    What is offered is drawn anew when the page has loaded, and a click on what goes is lost.
    """
    box = page.get_by_role("combobox", name=label)
    taken = page.locator(".token", has_text=option)
    for _ in range(3):
        box.click()
        box.fill("")
        box.press_sequentially(option[:6])
        page.get_by_role("option", name=option).click()
        with suppress(AssertionError):
            expect(taken).to_be_visible()
            break
    expect(taken).to_be_visible()
    page.keyboard.press("Escape")


@on("wide-light", "phone-light")
def test_filters_restrict_and_say_which_to_relax(page: Page) -> None:
    page.locator("#qa-filters > button").click()
    choose(page, "Publishers", "Check Gazette")
    photograph(page, "filters")
    assert no_wider_than_the_screen(page)
    ask(page, WHO)
    expect(page.locator("#qa-turn-1 .qa-foot")).to_contain_text("Only: Check Gazette")
    expect(page.locator("#qa-turn-1 .qa-abstained")).to_be_visible()

    page.get_by_role("textbox", name="From").fill("2031-06-01")
    ask(page, WHEN, 2)
    relax = page.locator("#qa-turn-2 .qa-relax")
    expect(relax).to_contain_text("No article passes these filters.")
    expect(relax).to_contain_text("Articles without the dates: 1")
    expect(relax).not_to_contain_text("without the choice of publishers")
    photograph(page, "filtered-empty")
    button(page, "Ask without filters").click()
    expect(page.locator("#qa-turn-2 .qa-answer")).to_contain_text("4 March 2031", timeout=WAIT)
    expect(page.locator("#qa-turn-2 .qa-foot")).not_to_contain_text("Only:")

    page.get_by_role("textbox", name="From").fill("2031-03-01")
    page.get_by_role("textbox", name="To").fill("2031-03-31")
    ask(page, WHEN, 3)
    expect(page.locator("#qa-turn-3 .qa-answer")).to_contain_text("4 March 2031")
    expect(page.locator("#qa-turn-3 .qa-foot")).to_contain_text(
        "Only: Check Gazette, from 2031-03-01, to 2031-03-31"
    )
    page.get_by_role("textbox", name="To").fill("someday")
    begin(page, WHO, 4)
    expect(page.locator("#qa-turn-4 .qa-problem")).to_contain_text("wants a date like 2024-05-31")
    expect(question_box(page)).to_have_value(WHO)


@on("phone-dark")
def test_one_article_is_chosen_in_the_filters_and_from_the_reader(page: Page) -> None:
    page.locator("#qa-filters > button").click()
    choose(page, "Only these articles", MERROW.title)
    ask(page, WHEN)
    expect(page.locator("#qa-turn-1 .qa-abstained")).to_be_visible()
    expect(page.locator("#qa-turn-1 .qa-foot")).to_contain_text("Only: Articles: 1")
    assert {HARBOUR.title} & set(page.locator("#qa-sources-1 h3 bdi").all_inner_texts()) == set()

    button(page, "Articles").click()
    page.get_by_label(f"Read the article {HARBOUR.title}").click()
    expect(page.locator("#qa-reader-title")).to_be_focused()
    assert words_in(page, ".qa-whole") == HARBOUR.text
    assert page.locator("#qa-words").count() == 0
    button(page, "Ask only this article").click()
    expect(page.locator(".qa-reader")).to_be_hidden()
    expect(page.locator("#qa-filters")).to_contain_text(HARBOUR.title)
    expect(page.locator("#qa-filters")).not_to_contain_text(MERROW.title)
    ask(page, WHEN, 2)
    expect(page.locator("#qa-turn-2 .qa-answer")).to_contain_text("4 March 2031")
    ask(page, WHO, 3)
    expect(page.locator("#qa-turn-3 .qa-abstained")).to_be_visible()


# Links into the page


def test_link_with_a_question_asks_it(context: BrowserContext, chat: Chat, screen: Screen) -> None:
    query = "?q=" + WHEN.replace(" ", "+")
    with visit(context, chat.url, screen, query) as page:
        expect(page.locator("#qa-turn-1 .qa-answer")).to_contain_text("4 March 2031", timeout=WAIT)
        assert page.url == chat.url + "/", "a reload is not to ask again"
        reload(page)
        expect(page.locator(".qa-turn")).to_have_count(1, timeout=WAIT)


@on("wide-light", "phone-dark")
def test_link_to_words_leads_a_stranger_to_them(
    browser: Browser, chat: Chat, stored: Library, screen: Screen, page: Page
) -> None:
    ask(page, WHO)
    page.locator("#qa-source-1-1 [data-act=select]").dispatch_event("click")
    expect(page.locator("#qa-words")).to_be_focused()
    quote = words_in(page, "#qa-words")
    link = page.locator("[data-link]")
    link.click()
    expect(link).to_have_text("Copied")
    address = str(page.evaluate("navigator.clipboard.readText()"))
    assert address.startswith(chat.url + "/?article=merrow&start=")
    stranger = new_context(browser)
    with visit(stranger, chat.url, screen, address.removeprefix(chat.url + "/")) as opened:
        expect(opened.locator("#qa-words")).to_be_focused(timeout=WAIT)
        wait_in_view(opened, "#qa-words")
        assert words_in(opened, "#qa-words") == quote
        assert quote == span(stored, opened.locator(".qa-reader"))
        photograph(opened, "deep-link")
        opened.keyboard.press("Escape")
        expect(opened.locator(".qa-welcome")).to_be_visible()
    stranger.close()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("article=merrow&start=200&end=239", MERROW.text[200:239]),
        ("article=merrow&start=999999&end=9999999", None),
        ("article=merrow&start=40&end=4", None),
        ("article=merrow&start=-4&end=x", None),
    ],
)
def test_link_with_strange_places_opens_the_article(
    context: BrowserContext, chat: Chat, screen: Screen, query: str, words: str | None
) -> None:
    with visit(context, chat.url, screen, "?" + query) as page:
        expect(page.locator("#qa-reader-title")).to_have_text(MERROW.title, timeout=WAIT)
        if words is None:
            expect(page.locator("#qa-reader-title")).to_be_focused()
            assert page.locator("#qa-words").count() == 0
        else:
            assert words_in(page, "#qa-words") == words
        assert words_in(page, ".qa-whole") == MERROW.text


def test_link_to_an_unknown_article_says_so(
    context: BrowserContext, chat: Chat, screen: Screen
) -> None:
    with visit(context, chat.url, screen, "?article=nothing&start=1&end=5") as page:
        expect(page.locator("#qa-reader-title")).to_contain_text("There is no such article")
        button(page, "Close").last.click()
        ask(page, WHEN)
        expect(page.locator("#qa-turn-1 .qa-answer")).to_contain_text("4 March 2031")


# Another language, small screens


@on("wide-light", "phone-dark")
def test_arabic_page_is_mirrored(arabic: BrowserContext, chat: Chat, screen: Screen) -> None:
    with visit(arabic, chat.url, screen) as page:
        expect(page.locator("html")).to_have_attribute("dir", "rtl")
        expect(page.locator("html")).to_have_attribute("lang", "ar")
        expect(page.locator("h1")).to_have_text("اسأل المقالات")
        expect(page.get_by_label("سؤالك")).to_be_visible()
        expect(button(page, "اسأل")).to_be_visible()
        photograph(page, "arabic-welcome")
        begin(page, WHEN)
        expect(page.locator("#qa-turn-1 .qa-foot")).to_contain_text("المصادر", timeout=WAIT)
        expect(page.locator("#qa-source-1-1")).to_contain_text("5 مارس 2031")
        if not screen.narrow:
            main, side = (page.locator(at).bounding_box() for at in ("#qa-main", "#qa-side"))
            assert main
            assert side
            assert side["x"] + side["width"] <= main["x"], "the sources stand to the left"
        page.locator(CITE).first.click()
        wait_in_view(page, "#qa-source-1-1 mark")
        photograph(page, "arabic-answer")
        page.locator("#qa-filters > button").dispatch_event("click")
        for label in page.locator("#qa-filters [data-testid=block-info]").all():
            text, field = label.bounding_box(), label.locator("xpath=..").bounding_box()
            assert text
            assert field
            assert abs(text["x"] + text["width"] - field["x"] - field["width"]) < 4, "labels right"


@pytest.mark.parametrize("language", ["en", "ar"])
def test_nothing_is_wider_than_the_smallest_screen(
    context: BrowserContext, arabic: BrowserContext, chat: Chat, language: str
) -> None:
    given = context if language == "en" else arabic
    with visit(given, chat.url, Screen(SMALLEST, "light")) as page:
        assert no_wider_than_the_screen(page)
        begin(page, WHEN)
        expect(page.locator("#qa-turn-1 .qa-foot")).to_be_visible(timeout=WAIT)
        page.locator("#qa-turn-1 [data-liked=down]").click()
        expect(page.locator(".qa-rate")).to_be_visible()
        page.locator("#qa-filters > button").click()
        expect(page.get_by_role("combobox").first).to_be_visible()
        assert no_wider_than_the_screen(page)
        photograph(page, f"smallest-{language}")
        page.locator("#qa-filters > button").click()
        page.locator(CITE).first.click()
        wait_in_view(page, "#qa-source-1-1 mark")
        assert no_wider_than_the_screen(page)
        page.locator("#qa-source-1-1 [data-act=select]").click()
        expect(page.locator("#qa-words")).to_be_focused()
        assert no_wider_than_the_screen(page)
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.locator(".qa-view").last.click()
        page.locator(".qa-list [data-act=click]").first.click()
        expect(page.locator(".qa-confirm")).to_be_visible()
        assert no_wider_than_the_screen(page)
        title = page.locator(".qa-list li", has=page.locator(".qa-confirm")).locator(".qa-title")
        box = title.bounding_box()
        assert box
        assert box["width"] > 120, "the title is not squeezed by what is asked beside it"
        photograph(page, f"smallest-articles-{language}")
        page.locator(".qa-confirm [data-act=clear]").click()
        expect(page.locator(".qa-confirm")).to_have_count(0)


# Articles, in an app of their own

LYNX = (
    "The lynx of Ostrava Park\n\nThe lynx of Ostrava Park was named Bertil by 312 schoolchildren "
    "on 9 May 2032. It came from a zoo in Aarhus.\n"
)
FERRIS = (
    "---\ntitle: The wheel at Lund Quay\ndate: 2032-02-03\nauthor: Eva Holm\n---\n\n"
    "The wheel at Lund Quay is 61 metres high. It was built by the firm of Karl Stenberg.\n"
)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    running = Chat(make_library(tmp_path_factory.mktemp("shelf")))
    yield running
    assert running.stop() == 0


@on("wide-light", "phone-dark")
def test_files_are_added_asked_about_and_deleted(
    context: BrowserContext, shelf: Chat, screen: Screen, tmp_path: Path
) -> None:
    files = {"lynx.txt": LYNX, "wheel.md": FERRIS, "broken.pdf": "%PDF-1.4\nnothing of a PDF"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with visit(context, shelf.url, screen) as page:
        button(page, "Articles").click()
        page.locator("#qa-files input[type=file]").set_input_files(
            [tmp_path / name for name in files]
        )
        outcome = page.locator(".qa-uploads li")
        expect(outcome.filter(has_text="lynx.txt")).to_contain_text("added: 1", timeout=WAIT)
        expect(outcome.filter(has_text="wheel.md")).to_contain_text("added: 1", timeout=WAIT)
        broken = outcome.filter(has_text="broken.pdf")
        expect(broken).to_contain_text("not added", timeout=WAIT)
        assert len(broken.locator(".qa-reason").inner_text()) > 20
        expect(page.locator(".qa-header")).to_contain_text("6 articles", timeout=WAIT)
        photograph(page, "uploads")
        assert no_wider_than_the_screen(page)

        button(page, "Chat").click()
        question = "Who named the lynx of Ostrava Park?"
        ask(page, question)
        expect(page.locator("#qa-turn-1 .qa-answer")).to_contain_text("312 schoolchildren")
        page.locator(CITE).first.click()
        wait_in_view(page, "#qa-source-1-1 mark")
        cited = words_in(page, "#qa-source-1-1 mark")
        assert cited in LYNX
        page.keyboard.press("Escape")
        ask(page, "How high is the wheel at Lund Quay?", 2)
        expect(page.locator("#qa-source-2-1")).to_contain_text("3 February 2032")

        _find_and_delete(page)
        button(page, "Chat").click()
        reload(page)
        page.locator(CITE).first.click(timeout=WAIT)
        gone = page.locator("#qa-source-1-1")
        expect(gone.locator(".qa-caution")).to_contain_text("no longer in the library")
        expect(gone.locator("[data-act=select]")).to_have_count(0)
        assert words_in(page, "#qa-source-1-1 mark") == cited
        photograph(page, "gone")
        page.keyboard.press("Escape")
        ask(page, question, 3)
        expect(page.locator("#qa-turn-3 .qa-abstained")).to_be_visible()


def _find_and_delete(page: Page) -> None:
    """The two articles, each found in the list, the first one kept before."""
    button(page, "Articles").click()
    page.get_by_label("Find an article").fill("lynx")
    rows = page.locator(".qa-list > li")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("lynx", ignore_case=True)
    delete_first(page)
    button(page, "Keep it").click()
    expect(page.locator(".qa-confirm")).to_have_count(0)
    expect(rows).to_have_count(1)
    delete_first(page)
    photograph(page, "delete")
    button(page.locator(".qa-confirm"), "Delete").click()
    expect(page.locator(".qa-uploads")).to_contain_text("Deleted:", timeout=WAIT)
    expect(page.locator(".qa-list")).to_contain_text("No article has this")
    expect(page.locator(".qa-header")).to_contain_text("5 articles")
    page.get_by_label("Find an article").fill("lund quay")
    expect(rows).to_contain_text("The wheel at Lund Quay")
    delete_first(page)
    button(page.locator(".qa-confirm"), "Delete").click()
    expect(page.locator(".qa-header")).to_contain_text("4 articles", timeout=WAIT)


def delete_first(page: Page) -> None:
    page.locator(".qa-list [data-act=click]").first.click()
    expect(page.locator(".qa-confirm")).to_contain_text("for good?")


def test_damaged_library_is_a_line_and_the_input_stays_usable(
    context: BrowserContext, screen: Screen, tmp_path: Path
) -> None:
    library = make_library(tmp_path)
    own = Chat(library)
    try:
        with visit(context, own.url, screen) as page:
            (library / "catalog.db").write_bytes(b"not a database" * 1000)
            for name in ("catalog.db-wal", "catalog.db-shm"):
                (library / name).unlink(missing_ok=True)
            for number, question in enumerate((WHEN, WHO), start=1):
                ask(page, question, number)
                problem = page.locator(f"#qa-turn-{number} .qa-problem")
                expect(problem).to_be_visible()
                expect(problem).to_have_text(re.compile("qa doctor|error [0-9a-f]{8}|backup"))
                assert "Traceback" not in page.content()
            photograph(page, "damaged")
            button(page, "Articles").click()
            page.get_by_label("Find an article").fill("harbour")
            expect(page.locator(".qa-notice")).to_be_visible()
            photograph(page, "notice")
            button(page, "Chat").click()
            expect(question_box(page)).to_be_editable()
    finally:
        assert own.stop() == 0


# An answer while it is being written, by a language model that says what the test dictates

REOPENED = "The harbour wall at Tellin reopened on 4 March 2031. [{key1}] "
COSTS = "The work cost 4.2 million crowns. [{key1}]"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chat, Dictation]]:
    library = make_library(tmp_path_factory.mktemp("written"))
    with dictating() as (dictation, endpoint):
        model = {"QA_LLM_BASE_URL": endpoint.base_url, "QA_LLM_MODEL": "scripted"}
        running = Chat(library, QA_GENERATOR="llm", **model)
        yield running, dictation
        dictation.end_all()
        assert running.stop() == 0


def start(page: Page, dictation: Dictation, question: str, number: int = 1) -> Locator:
    """Asks; returns the turn once the model is waited for.

    A question that follows another is first put to the model to be understood.
    """
    calls = dictation.calls
    turn = begin(page, question, number)
    dictation.wait_for_call(calls + 1)
    if number > 1:
        dictation.say(question, end=True)
        dictation.wait_for_call(calls + 2)
    expect(turn).to_have_class(re.compile("qa-working"))
    return turn


@pytest.mark.parametrize(
    ("screen", "way"), [(SCREENS["wide-light"], "button"), (SCREENS["phone-dark"], "Escape")]
)
def test_answer_streams_and_is_stopped_with_what_is_there(
    context: BrowserContext, written: tuple[Chat, Dictation], screen: Screen, way: str
) -> None:
    chat, dictation = written
    with visit(context, chat.url, screen) as page:
        turn = start(page, dictation, WHEN)
        expect(turn.locator(".qa-now")).to_have_text("Waiting for the language model…")
        dictation.say(REOPENED)
        dictation.say("The work cost")
        expect(turn.locator(".qa-answer")).to_contain_text("4 March 2031")
        expect(turn.locator(".qa-now")).to_have_text("Writing the answer…")
        expect(turn.locator(".qa-cite")).to_have_count(1)
        photograph(page, "streaming")
        if way == "button":
            button(page, "Stop").click()
        else:
            page.keyboard.press("Escape")
        expect(turn.locator(".qa-stopped")).to_have_text("Stopped. What was there is kept.")
        expect(turn).not_to_have_class(re.compile("qa-working"))
        expect(turn.locator(".qa-answer")).to_contain_text("4 March 2031")
        photograph(page, "stopped")
        dictation.end()
        reload(page)
        expect(turn.locator(".qa-stopped")).to_be_visible(timeout=WAIT)
        expect(turn.locator(".qa-answer")).to_contain_text("4 March 2031")
        turn.locator(".qa-cite").click()
        wait_in_view(page, "#qa-source-1-1 mark")


def test_second_question_stops_the_first_and_is_answered(
    context: BrowserContext, written: tuple[Chat, Dictation], screen: Screen
) -> None:
    chat, dictation = written
    with visit(context, chat.url, screen) as page:
        first = start(page, dictation, WHEN)
        dictation.say(REOPENED)
        dictation.say("The work cost")
        expect(first.locator(".qa-answer")).to_contain_text("4 March 2031")
        second = start(page, dictation, WHO, 2)
        expect(first.locator(".qa-stopped")).to_be_visible()
        expect(first.locator(".qa-answer")).to_contain_text("4 March 2031")
        dictation.say("The clock tower of Merrow was designed by Ida Lorn. [{key1}]", end=True)
        expect(second.locator(".qa-answer")).to_contain_text("Ida Lorn")
        expect(second).not_to_have_class(re.compile("qa-working"), timeout=WAIT)
        expect(page.locator(".qa-turn")).to_have_count(2)
        expect(question_box(page)).to_have_value("")


def test_new_conversation_is_not_disturbed_by_what_still_streams(
    context: BrowserContext, written: tuple[Chat, Dictation], screen: Screen
) -> None:
    chat, dictation = written
    with visit(context, chat.url, screen) as page:
        turn = start(page, dictation, WHEN)
        dictation.say(REOPENED)
        dictation.say("The work cost")
        expect(turn.locator(".qa-answer")).to_contain_text("4 March 2031")
        button(page, "New conversation").click()
        expect(page.locator(".qa-welcome")).to_be_visible()
        dictation.say(" 4.2 million crowns. [{key1}]", end=True)
        # What an answer brings to the page comes within a fifth of a second of its end.
        page.wait_for_timeout(1500)
        expect(page.locator(".qa-welcome")).to_be_visible()
        expect(page.locator(".qa-turn")).to_have_count(0)
        reload(page)
        expect(page.locator(".qa-earlier li")).to_contain_text(WHEN)


def test_what_is_typed_while_an_answer_streams_stays(
    context: BrowserContext, written: tuple[Chat, Dictation], screen: Screen
) -> None:
    chat, dictation = written
    with visit(context, chat.url, screen) as page:
        turn = start(page, dictation, WHEN)
        question_box(page).fill("What did it")
        dictation.say(REOPENED)
        dictation.say("The work cost")
        expect(turn.locator(".qa-answer")).to_contain_text("4 March 2031")
        expect(question_box(page)).to_have_value("What did it")
        question_box(page).fill("What did it cost?")
        dictation.end()
        expect(turn).not_to_have_class(re.compile("qa-working"), timeout=WAIT)
        page.wait_for_timeout(500)  # what follows an answer has come, too
        expect(question_box(page)).to_have_value("What did it cost?")


@on("phone-light")
def test_all_words_that_a_turn_cites_are_marked_in_the_article(
    context: BrowserContext, written: tuple[Chat, Dictation], screen: Screen
) -> None:
    chat, dictation = written
    with visit(context, chat.url, screen) as page:
        turn = start(page, dictation, WHEN)
        dictation.say(REOPENED + COSTS, end=True)
        expect(turn).not_to_have_class(re.compile("qa-working"), timeout=WAIT)
        expect(turn.locator(".qa-cite")).to_have_count(2)
        turn.locator(".qa-cite").last.click()
        wait_in_view(page, "#qa-source-1-2 mark")
        page.locator("#qa-source-1-2 [data-act=select]").click()
        expect(page.locator("#qa-words")).to_be_focused()
        wait_in_view(page, "#qa-words")
        marks = page.locator(".qa-whole mark").evaluate_all("all => all.map(at => at.textContent)")
        end = HARBOUR.text.index(".") + 1
        assert marks[0] == HARBOUR.text[:end]
        assert marks[1] == words_in(page, "#qa-words")
        assert "4.2 million" in marks[1]
        assert len(marks) == 2
        photograph(page, "two-marks")


def test_motion_is_only_for_those_who_want_it(
    context: BrowserContext, written: tuple[Chat, Dictation], screen: Screen
) -> None:
    chat, dictation = written
    with visit(context, chat.url, screen) as page:
        turn = start(page, dictation, WHEN)
        for wish, name in (("reduce", "none"), ("no-preference", "qa-breathe")):
            page.emulate_media(reduced_motion=wish)  # type: ignore[arg-type]
            expect(turn.locator(".qa-now")).to_have_css("animation-name", name)
        page.set_viewport_size(PHONE)
        dictation.say(REOPENED, end=True)
        expect(turn).not_to_have_class(re.compile("qa-working"), timeout=WAIT)
        turn.locator(".qa-cite").click()
        for wish, name in (("reduce", "none"), ("no-preference", "qa-rise")):
            page.emulate_media(reduced_motion=wish)  # type: ignore[arg-type]
            expect(page.locator("#qa-side")).to_have_css("animation-name", name)
