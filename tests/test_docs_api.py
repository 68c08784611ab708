"""The programs and commands of docs/api.md run against a server."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from api_server import needs_curl, serving
from fpdf import FPDF

from qa.library import Library
from qa.settings import Settings
from qa.web import api
from qa.web.conversation import Chat
from qa.web.line import Line

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
PROGRAMS = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
COMMANDS = [line for line in PAGE.splitlines() if line.startswith("curl ")]
ADDRESS = "http://127.0.0.1:7860"
TIMEOUT = 120


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The sample archive behind the real models, as a reader of the page has it."""
    library = Library(Settings(library=tmp_path_factory.mktemp("docs") / "library"))
    library.add(sorted((ROOT / "corpus" / "articles").glob("2024-0[1-6]*")))
    talking, line = Chat(library), Line(2, 10)
    with serving(api.build(talking, line)) as running:
        yield running
    line.close()
    talking.close()


@pytest.mark.parametrize("program", PROGRAMS, ids=["sse", "openai"])
def test_programs_run(program: str, url: str) -> None:
    assert ADDRESS in program
    done = subprocess.run(
        [sys.executable, "-c", program.replace(ADDRESS, url)],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )
    assert done.returncode == 0, done.stderr
    assert "[1]" in done.stdout
    assert "347" in done.stdout


def test_commands_run(url: str, tmp_path: Path) -> None:
    needs_curl()
    (tmp_path / "notes.md").write_text("# Notes\n\nThe swans stayed all winter.\n")
    report = FPDF()
    report.add_page()
    report.set_font("Helvetica")
    report.write(text="The geese left in March.")
    report.output(str(tmp_path / "report.pdf"))
    assert len(COMMANDS) == 6
    for command in COMMANDS:
        words = shlex.split(command.replace(ADDRESS, url))
        done = subprocess.run(
            [words[0], "-sS", "--fail-with-body", *words[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}{done.stdout}"


def test_every_address_of_the_document_is_in_the_page(url: str) -> None:
    told = httpx.get(f"{url}/api/openapi.json").json()["paths"]
    named = [path.replace("{id}", "ID") for path in told if "{model}" not in path]
    assert [path for path in named if path not in PAGE] == []
