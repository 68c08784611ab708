"""Writes docs/cli.md from the command line's own help: python docs/make_cli.py"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMANDS = ("", *"add list show remove search ask chat mcp doctor rebuild".split())
INTRODUCTION = """# The command line

Made by `python docs/make_cli.py` from `--help`. Data goes to standard output, progress and messages
to standard error. Exit codes: 0 done; 1 done in part (or, for `ask --strict`, abstained; for
`doctor`, something is wrong); 2 you can mend it: one line says what, why and how; 3 another process
is writing to the library.
"""


def text() -> str:
    """The page, with every command's help as it prints on 96 columns."""
    environment = {**os.environ, "COLUMNS": "96", "NO_COLOR": "1", "TERM": "dumb"}
    parts = [INTRODUCTION]
    for name in COMMANDS:
        words = [name] if name else []
        shown = subprocess.run(
            [sys.executable, "-m", "qa.cli", *words, "--help"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        lines = "\n".join(line.rstrip() for line in shown.strip().splitlines())
        parts.append(f"## qa {name}".rstrip() + f"\n\n```\n{lines}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("cli.md").write_text(text(), "utf-8")
