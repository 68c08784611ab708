"""The real app in a process of its own, over a library of a few articles; one for all tests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from qa.library import Library
from qa.settings import Settings
from qa.types import Article

APP = Path(__file__).parents[2] / "app.py"
START = 180  # seconds; the model and Gradio load in about ten, on a busy machine in many more

HARBOUR = Article(
    "harbour",
    "Harbour wall reopens",
    "The harbour wall at Tellin reopened on 4 March 2031 after eleven months of repairs.\r\nThe "
    "work cost 4.2 million crowns, said mayor Ines Falk.\r\n\r\nThe wall had been closed since a "
    "storm in April of the year before. Ferries will run again from May.",
    url="https://example.org/harbour?a=1&b=2",
    publisher="Check Gazette",
    author="Ada Brandt",
    published="2031-03-05",
)
HOSTILE = Article(
    "hostile",
    "<img src=http://evil.invalid/t.png onerror=\"document.title='hit'\"> \u202ekiln\u202c",
    '[1]: http://evil.invalid/hijack\n\nThe kiln at Orbel Lane fired <b onmouseover="alert(1)">'
    "12,000</b> bricks in 1931 ${alert(1)} {{value}}. "
    "<script>document.title='hit'</script> The kiln is `closed` ![x](http://evil.invalid/i.png) "
    "today.\n\n<style>body{background:url(http://evil.invalid/s.png)}</style>",
    url="javascript:alert(1)",
    publisher='"><script>alert(1)</script>',
    published="1999-01",
)
ARABIC = Article(
    "arabic",
    "افتتاح الجسر",
    "افتتح الجسر في مدينة تلين يوم الثلاثاء بعد أحد عشر شهرا من الإصلاحات. بلغت تكلفة الأعمال "
    "أربعة ملايين. كان الجسر مغلقا منذ العاصفة.",
    language="ar",
)
MERROW = Article(
    "merrow",
    "The clock of Merrow",
    "The clock tower of Merrow was designed by Ida Lorn in 1888. It stands on the market square, "
    "and its bell weighs 900 kilograms. " + "Pigeons live in it all the year round. " * 40,
    publisher="Town News",
    published="2030",
)
ARTICLES = [HARBOUR, HOSTILE, ARABIC, MERROW]
_RUNNING = pytest.StashKey["Chat"]()


class Chat:
    """A running app: its address, and every line that it wrote to stderr so far."""

    def __init__(self, library: Path, **more: str) -> None:
        self.library = library
        settings = {"QA_LIBRARY": str(library), "QA_PORT": "0", **more}
        self._process = subprocess.Popen(
            [sys.executable, str(APP)],
            cwd=library.parent,
            env={**os.environ, **settings},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        self.lines: list[str] = []
        self._answers = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._answers.wait(START) or not self.url:
            self.stop()
            raise RuntimeError("the chat did not start:\n" + "".join(self.lines))

    @property
    def url(self) -> str:
        """The address it says it answers at, without a slash at the end; empty if it says none."""
        found = re.search(r"answers at (http://\S+)", "".join(self.lines))
        return found.group(1) if found else ""

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self.stop()

    def stop(self) -> int:
        """Ends the process as Ctrl+C does; returns its exit code."""
        if self.runs:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._reader.join()

    def _read(self) -> None:
        assert self._process.stderr
        with self._process.stderr as stream:
            for line in stream:
                self.lines.append(line)
                if self.url:
                    self._answers.set()
        self._answers.set()  # it has ended, whether or not it ever answered


def make_library(folder: Path) -> Path:
    """The articles above in a library over the real model."""
    with Library(Settings(library=folder / "library")) as library:
        library.add(ARTICLES)
    return folder / "library"


def running_chat(config: pytest.Config, factory: pytest.TempPathFactory) -> Chat:
    """The one app that all tests of a session share; started when first asked for."""
    if _RUNNING not in config.stash:
        started = Chat(make_library(factory.mktemp("chat")))
        config.add_cleanup(started.close)
        config.stash[_RUNNING] = started
    return config.stash[_RUNNING]
