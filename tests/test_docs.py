"""The README's commands and snippets run; the command line's page is what --help says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_the_program_in_the_readme_runs(tmp_path: Path) -> None:
    snippet = re.search(r"```python\n(.+?)```", README, re.DOTALL)
    assert snippet is not None
    (tmp_path / "corpus").symlink_to(ROOT / "corpus")
    done = subprocess.run(
        [sys.executable, "-c", snippet[1]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "347" in done.stdout
    assert "[1]" in done.stdout


def test_the_page_of_the_command_line_is_what_help_says() -> None:
    made = subprocess.run(
        [sys.executable, "-c", "import make_cli; print(make_cli.text(), end='')"],
        cwd=ROOT / "docs",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (ROOT / "docs" / "cli.md").read_text("utf-8") == made, "run: python docs/make_cli.py"


def test_commands_in_the_readme_name_what_exists() -> None:
    known = set((ROOT / "docs" / "cli.md").read_text("utf-8").split())
    console = re.search(r"```console\n(.+?)```", README, re.DOTALL)
    assert console is not None
    for command in re.findall(r"qa (\w+)", console[1]):
        assert command in known
    assert (ROOT / "constraints.txt").exists()
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link


def test_the_lock_pins_every_dependency() -> None:
    pinned = {
        line.partition("==")[0].lower().replace("_", "-").partition("[")[0]
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if "==" in line
    }
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    block = project[project.index("dependencies = [") : project.index("[project.scripts]")]
    wanted = {w.lower() for w in re.findall(r'^    "([A-Za-z0-9-]+)', block, re.MULTILINE)}
    assert wanted
    assert wanted - {"cited-qa"} <= pinned
