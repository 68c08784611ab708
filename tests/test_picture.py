"""The picture in the README: it is made here, and must show the page as it is now.

To take it anew, and look at it: UPDATE_PICTURE=1 pytest tests/test_picture.py
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from browser.server import Chat
from PIL import Image, ImageChops, ImageStat
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page, expect, sync_playwright
from test_browser import CHROMIUM, FLAGS, ask, pytestmark

from qa.library import Library
from qa.settings import Settings

__all__ = ["pytestmark"]  # skips where there is no browser

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "chat.png"
ASKED = ("How many homes did the inquiry say were flooded?", "How many homes were flooded?")
# Other fonts make other pixels: the pictures are compared as blurred as a look from afar.
AFAR = (64, 42)
DIFFERENT = 14.0  # mean difference of two such pictures, of 255, from which they are not the same


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    folder = tmp_path_factory.mktemp("archive") / "library"
    with Library(Settings(library=folder)) as library:
        library.add([ROOT / "corpus" / "articles"])
    chat = Chat(folder)
    yield chat
    assert chat.stop() == 0


def test_picture_of_the_readme_shows_the_page_as_it_is(archive: Chat) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 840}, reduced_motion="reduce")
        page.goto(archive.url)
        words = photographed(page)
        taken = page.screenshot()
        browser.close()
    if os.environ.get("UPDATE_PICTURE"):
        about = PngInfo()
        about.add_itxt("Description", words)
        smaller = Image.open(BytesIO(taken)).quantize(128)
        smaller.save(PICTURE, pnginfo=about, optimize=True)
    with Image.open(PICTURE) as kept, Image.open(BytesIO(taken)) as now:
        assert kept.info["Description"] == words, "the words on the page have changed"
        afar = [each.convert("RGB").resize(AFAR, Image.Resampling.BOX) for each in (kept, now)]
    difference = sum(ImageStat.Stat(ImageChops.difference(*afar)).mean) / 3
    assert difference < DIFFERENT, "the page looks different"


def photographed(page: Page) -> str:
    """Asks, opens a source, and returns the words that are to be seen, without the seconds."""
    expect(page.locator(".qa-welcome")).to_be_visible(timeout=30_000)
    # Suggestions come a moment later, or not where the machine is busy.
    page.evaluate("document.getElementById('qa-following').style.display = 'none'")
    for number, question in enumerate(ASKED, start=1):
        ask(page, question, number)
    page.locator("#qa-turn-2 a.qa-cite").nth(1).click()
    expect(page.locator("#qa-source-2-2")).to_be_focused()
    page.mouse.move(2, 2)
    page.evaluate("document.querySelectorAll('.qa-spent').forEach(each => each.remove())")
    parts = page.locator(".qa-header, .qa-turn, #qa-sources-2").all_inner_texts()
    return "\n".join(" ".join(part.split()) for part in parts)
