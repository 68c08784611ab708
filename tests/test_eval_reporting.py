"""Reports: self-contained, escaped, and saying what the log says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, sync_playwright

from eval import log, printing, reporting, running
from eval.reporting import words
from eval.reporting.payload import embedded
from eval.reporting.verdicts import verdicts
from eval.running import Options
from eval.testing import SharedWords
from eval.types import Case, Outcome, Question
from qa.types import Article

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = "--headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run"
GOLDEN = Path(__file__).parent / "golden" / "eval_report.md"

HOSTILE = "</script><img src=x onerror=alert(1)> & 📚 | `x`"
ARTICLES = [
    Article("bridge", HOSTILE, f"📚 The old bridge was built in 1926. {HOSTILE}"),
    Article("tram", "The tram", "The new tram opened late in spring."),
]
QUESTIONS = [
    Question("right", "When was the bridge built?", "single-hop", answers=("1926",),
             evidence_ids=("bridge",), evidence_spans=("bridge was built in 1926",)),
    Question("wrong", "When did the new tram open?", "single-hop", answers=("old bridge",),
             evidence_ids=("bridge",)),
    Question("refused", "Anything about zebras?", HOSTILE, answers=("old",),
             evidence_ids=("bridge",)),
    Question("loud", "Is the old bridge blue?", "unanswerable", answerable=False),
    Question("failed", f"crash {HOSTILE}", "single-hop", answers=("x",)),
]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    out = tmp_path / "run"
    out.mkdir()
    log.write_json(out / log.RUN, {"name": f"sample {HOSTILE}", "version": "1", "settings": {}})
    running.run(SharedWords(ARTICLES), QUESTIONS, out, Options(), lambda _: None)
    untimed = [record | {"timings_ms": {"total": 2.0}} for record in log.records(out / log.CASES)]
    (out / log.CASES).write_text("".join(json.dumps(record) + "\n" for record in untimed))
    return out


class References(HTMLParser):
    """Everything in a page that would load something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"link", "img", "iframe", "object", "embed", "base", "form", "audio", "video"}:
            self.found.append(tag)
        self.found += [f"{tag} {name}" for name, _ in attrs if name in {"src", "href", "srcset"}]
        self.found += [f"{tag} {name}" for name, _ in attrs if name.startswith("on")]


def test_the_page_refers_to_nothing_outside(run: Path) -> None:
    page = reporting.render(run, "html")
    references = References()
    references.feed(page)
    assert references.found == []
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)


def test_the_page_is_escaped(run: Path) -> None:
    page = reporting.render(run, "html")
    assert "<img" not in page
    assert page.count("</script>") == 2
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert data
    content = json.loads(data.group(1))
    assert content["passages"][0]["title"] == HOSTILE
    assert [row["id"] for row in content["cases"]] == [q.id for q in QUESTIONS]


def test_every_case_has_its_verdicts(run: Path) -> None:
    found = {case.id: verdicts(case) for case in log.read_cases(run)}
    assert found == {
        "right": ["right"],
        "wrong": ["wrong", "cited wrongly"],
        "refused": ["refused wrongly", "not found"],
        "loud": ["answered wrongly"],
        "failed": ["failed"],
    }
    only_searched = Case(Question("s", "?", evidence_ids=("x",)), retrieval_only=True)
    assert verdicts(only_searched) == ["not found"]


def test_evidence_is_highlighted(run: Path) -> None:
    page = reporting.render(run, "html")
    data = re.search(r'id="data">(.*?)</script>', page, re.S)
    assert data
    content = json.loads(data.group(1))
    [first, *_] = content["cases"]
    hit = first["hits"][0]
    text = content["passages"][hit["passage"]]["text"]
    assert [(text[a:b], kind) for a, b, kind in hit["marks"]] == [
        ("bridge was built in 1926", "evidence"),
        ("1926", "answer"),
    ]
    assert hit["gold"] == 2
    assert first["answer"]["citations"][0]["right"]


def test_embedded_json_cannot_end_its_element() -> None:
    value = {"text": "</script>\u2028&<!--"}
    assert not set("<>&\u2028") & set(embedded(value))
    assert json.loads(embedded(value)) == value


def test_markdown(run: Path) -> None:
    assert reporting.render(run, "md") == GOLDEN.read_text(encoding="utf-8")


def test_junit(run: Path) -> None:
    suite = ElementTree.fromstring(reporting.render(run, "junit"))[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("5", "3", "1")
    assert suite[1].get("name") == "wrong: When did the new tram open?"
    assert suite[1].find("failure") is not None
    assert suite[0].find("failure") is None
    assert suite[4].find("error") is not None


def test_junit_drops_what_xml_forbids(tmp_path: Path) -> None:
    question = Question("q", "a\x00b\x1b", answers=("x",))
    from eval.reporting import junit

    text = junit.render({}, [Case(question, outcome=Outcome(False, 0))])
    assert "a\ufffdb\ufffd" in text
    ElementTree.fromstring(text)


def test_a_run_without_answers_is_reported(tmp_path: Path) -> None:
    options = Options(retrieval_only=True)
    running.run(SharedWords(ARTICLES), QUESTIONS[:2], tmp_path, options, lambda _: None)
    assert "recall@1" in reporting.render(tmp_path, "html")
    assert "contains_answer" not in reporting.render(tmp_path, "md")


def test_the_judge_stays_apart(run: Path) -> None:
    row = {"id": "right", "verdict": "partly", "explanation": "It lacks the month.", "model": "m"}
    (run / "judge.jsonl").write_text(json.dumps(row | {"answer_sha256": ""}) + "\n")
    page = reporting.render(run, "html")
    assert "It lacks the month." in page
    assert "What m said of 1 answers" in page
    assert reporting.render(run, "md") == GOLDEN.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("needs Debian's Chromium: apt-get install -y chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield opened
        opened.close()


def test_the_page_in_a_browser(run: Path, browser: Browser) -> None:
    path = run / "report.html"
    path.write_text(reporting.render(run, "html"), encoding="utf-8")
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 800})
    page = context.new_page()
    troubles: list[Any] = []
    asked: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert page.locator(".case").count() == 5
    page.click("button[data-verdict='wrong']")
    assert page.inner_text("#count") == "1 case"
    page.click("button[data-verdict='']")
    page.fill("#words", "bridge built")
    assert page.locator(".case").count() == 1
    page.click(".case > summary")
    assert page.locator(".passage mark.answer").first.inner_text() == "1926"
    assert HOSTILE in page.inner_text(".passage >> nth=0")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert troubles == []
    assert asked == [path.as_uri()]
    context.close()


def test_every_headline_measure_is_explained() -> None:
    assert set(printing.HEADLINE) <= set(words.MEANINGS)
