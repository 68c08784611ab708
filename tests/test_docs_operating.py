"""What docs/operating.md says holds: its program runs, its metrics and variables exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from qa import tracing
from qa.library import Library
from qa.settings import Settings
from qa.web.line import Line
from qa.web.metrics import Metrics

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "operating.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.+?)```", PAGE, re.DOTALL)


def test_program_prints_what_the_page_says(tmp_path: Path) -> None:
    (program,) = blocks("python")
    (tmp_path / "corpus" / "articles").mkdir(parents=True)
    for file in (ROOT / "corpus" / "articles").glob("*flood*.md"):  # all would take ten seconds
        (tmp_path / "corpus" / "articles" / file.name).symlink_to(file)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    printed = done.stdout.splitlines()
    said = re.search(r"It prints (.+?)\.\n", PAGE)
    assert said
    names = re.findall(r"`([^`]+)`", said[1])
    assert [line for line in printed if line in names] == names
    assert any("347" in line and "[1]" in line for line in printed)


def test_metrics_of_the_page_are_those_there_are(library: Library) -> None:
    line = Line(1, 1)
    metrics = Metrics(library, line)
    there = {f"{family.name}" for family in metrics.registry.collect()}
    line.close()
    ours = {name for name in there if name.startswith("qa_")}
    named = {
        re.sub(r"_(total|info)$", "", name)
        for name in re.findall(r"`(qa_\w+)`", PAGE)
        if name != "qa_request_id"
    }
    assert named == ours


def test_scrape_configuration_names_the_port_of_the_chat() -> None:
    (given,) = (yaml.safe_load(block) for block in blocks("yaml"))
    (job,) = given["scrape_configs"]
    assert job["static_configs"][0]["targets"] == [f"127.0.0.1:{Settings().port}"]


def test_log_lines_are_json_of_one_request() -> None:
    (example,) = blocks("json")
    answer, request = (json.loads(line) for line in example.splitlines())
    assert answer["request_id"] == request["request_id"]
    assert {"method", "route", "status", "duration_ms", "client"} <= set(request)


def test_settings_and_links_exist() -> None:
    for name in re.findall(r"\bQA_(\w+)", PAGE):
        assert name.lower() in Settings.model_fields
    for link in re.findall(r"\]\(([^)h][^)]*)\)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
    for kind in (tracing.CHAIN, tracing.RETRIEVER, tracing.EMBEDDING, tracing.LLM):
        assert kind in PAGE


def test_spans_of_the_page_are_those_there_are() -> None:
    source = "".join(
        (ROOT / "qa" / name).read_text("utf-8")
        for name in ("assistant.py", "retrieval.py", "generation/models.py")
    )
    opened = set(re.findall(r'tracing\.(?:span|over)\(\s*"(\w+)"', source))
    table = PAGE[PAGE.index("| span | kind") : PAGE.index("In a program of your own")]
    assert opened == set(re.findall(r"`([a-z]+)`", table))
