"""Every program of docs/integrations.md runs as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "integrations.md").read_text("utf-8")
PROGRAMS = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
SHOWN = [
    ("as_llama_index_retriever", "Flood inquiry"),
    ("answerer(", "1 Ferry notice Harbour Office 2031-06-01\nThe articles do not say."),
    ("as_langchain_retriever", "347"),
    ("StdioServerParameters", "347"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where they run: beside the sample articles on the flood, which they add once."""
    path = tmp_path_factory.mktemp("docs")
    (path / "corpus" / "articles").mkdir(parents=True)
    for file in (ROOT / "corpus" / "articles").glob("*flood*.md"):
        (path / "corpus" / "articles" / file.name).symlink_to(file)
    return path


def test_every_program_of_the_page_is_run_here() -> None:
    assert len(PROGRAMS) == len(SHOWN)


@pytest.mark.parametrize(("number", "names", "shown"), [(n, *s) for n, s in enumerate(SHOWN)])
def test_the_programs_of_the_page_run(folder: Path, number: int, names: str, shown: str) -> None:
    assert names in PROGRAMS[number]
    beside = str(Path(sys.executable).parent)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAMS[number]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "PATH": os.pathsep.join([beside, os.environ.get("PATH", "")]),
            "HF_HUB_OFFLINE": "1",
            "OPENAI_API_KEY": "",
        },
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


def test_the_settings_of_a_client_name_the_command() -> None:
    (settings,) = re.findall(r"```json\n(.+?)```", PAGE, re.DOTALL)
    (server,) = json.loads(settings)["mcpServers"].values()
    assert (server["command"], server["args"][:2]) == ("qa", ["mcp", "--library"])
