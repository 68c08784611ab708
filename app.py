"""Starts the web chat: ``python app.py``, the same as ``qa chat``; also what a Space runs."""

import os
import sys

from qa.cli import run

if __name__ == "__main__":
    in_space = ["--host", "0.0.0.0"] if "SPACE_ID" in os.environ else []
    sys.exit(run(["chat", *in_space, *sys.argv[1:]]))
