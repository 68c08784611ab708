"""The page in a real browser: opened on a screen, watched, asked, photographed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from weakref import WeakKeyDictionary

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

CHROMIUM = Path("/usr/bin/chromium")
MISSING = "needs Debian's Chromium: apt-get install -y chromium"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run"
).split()
WIDE: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 740}
SMALLEST: ViewportSize = {"width": 320, "height": 640}
PICTURES = Path(__file__).parents[2] / "screenshots"
WAIT = 30_000  # milliseconds; all but the first load takes one or two seconds
# A page that opens in a context knows nothing of the pages before it.
FORGET = """if (!sessionStorage.getItem('qa-test')) {
    localStorage.clear();
    sessionStorage.setItem('qa-test', '1');
}"""
# Whether an element is on the screen and inside whatever scrolls around it, and nothing covers it.
IN_VIEW = """element => {
    let box = element.getBoundingClientRect(), seen = box.height > 0;
    for (let at = element.parentElement; at; at = at.parentElement) {
        if (!/auto|scroll|hidden/.test(getComputedStyle(at).overflowY)) continue;
        const around = at.getBoundingClientRect();
        seen &&= box.top >= around.top - 1 && box.bottom <= around.bottom + 1;
    }
    const line = element.getClientRects()[0];
    const middle = document.elementFromPoint(line.left + line.width / 2, line.top + 5);
    return seen && box.top >= 0 && box.bottom <= innerHeight && element.contains(middle);
}"""


@dataclass(frozen=True)
class Screen:
    """What a reader sits before."""

    size: ViewportSize
    scheme: Literal["light", "dark"]

    @property
    def narrow(self) -> bool:
        return self.size["width"] < 832


SCREENS = {
    "wide-light": Screen(WIDE, "light"),
    "wide-dark": Screen(WIDE, "dark"),
    "phone-light": Screen(PHONE, "light"),
    "phone-dark": Screen(PHONE, "dark"),
}


@contextmanager
def browsing() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def new_context(browser: Browser, locale: str = "en") -> BrowserContext:
    """A context whose pages share what they have fetched, which spares seconds, but no memory."""
    context = browser.new_context(locale=locale, reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    return context


# What Gradio says of a load that breaks off what it still waits for, such as suggestions.
BROKEN_OFF = ("AbortError: signal is aborted", "Unexpected error Connection errored out")
_errors: WeakKeyDictionary[Page, list[str]] = WeakKeyDictionary()


@contextmanager
def visit(
    context: BrowserContext, url: str, screen: Screen, query: str = "", forgets: bool = True
) -> Iterator[Page]:
    """The page, opened; afterwards: nothing left the origin, nothing failed in the page."""
    page = context.new_page()
    page.set_viewport_size(screen.size)
    page.emulate_media(color_scheme=screen.scheme)
    if forgets:
        page.add_init_script(FORGET)
    requested: list[str] = []
    errors = _errors.setdefault(page, [])

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(message.text)

    page.on("request", lambda each: requested.append(each.url))
    page.on("pageerror", lambda each: errors.append(str(each)))
    page.on("console", heard)
    try:
        page.goto(f"{url}/{query}")
        expect(page.locator(".qa-welcome, .qa-turn").first).to_be_visible(timeout=WAIT)
        yield page
        own = (url + "/", "data:", "blob:" + url)
        foreign = [address for address in requested if not address.startswith(own)]
        assert not foreign, foreign
        assert not errors, errors
    finally:
        page.close()


def reload(page: Page) -> None:
    """Loads the page again, as soon as one likes."""
    errors = _errors[page]
    before = list(errors)
    page.reload()
    expect(page.locator(".qa-welcome, .qa-turn").first).to_be_visible(timeout=WAIT)
    errors[:] = before + [e for e in errors[len(before) :] if not e.startswith(BROKEN_OFF)]


def question_box(page: Page) -> Locator:
    return page.locator("#qa-question textarea")


def begin(page: Page, question: str, number: int = 1) -> Locator:
    """Asks; returns the turn as soon as it is there."""
    box = question_box(page)
    box.fill(question)
    box.press("Enter")
    turn = page.locator(f"#qa-turn-{number}")
    expect(turn.locator("h2")).to_contain_text(question[:40], timeout=WAIT)
    return turn


def ask(page: Page, question: str, number: int = 1) -> None:
    """Asks, and waits until the answer, or what stands in its place, is whole."""
    turn = begin(page, question, number)
    expect(turn.locator(".qa-foot")).to_be_visible(timeout=WAIT)
    expect(question_box(page)).to_have_value("")


def wait_in_view(page: Page, selector: str) -> None:
    element = page.locator(selector).element_handle()
    page.wait_for_function(IN_VIEW, arg=element)


def words_in(page: Page, selector: str) -> str:
    """What the browser holds as an element's text, to the letter."""
    return str(page.locator(selector).evaluate("at => at.textContent"))


def no_wider_than_the_screen(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def photograph(page: Page, state: str) -> None:
    """A picture of what is on the screen, to be looked at: no test compares it."""
    size = page.viewport_size or WIDE
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    PICTURES.mkdir(exist_ok=True)
    name = f"{state}-{size['width']}-{'dark' if dark else 'light'}.png"
    page.screenshot(path=PICTURES / name)
