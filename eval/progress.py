"""Progress on standard error where that is a terminal; else nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from eval.scoring import Running
from eval.types import Case

if TYPE_CHECKING:
    from eval.running import OnCase
    from qa.ingestion import OnProgress
    from qa.types import Progress


@contextmanager
def of_adding() -> Iterator[OnProgress | None]:
    """A bar of articles read, then of passages embedded."""
    with _bar("articles") as bar:

        def on_progress(now: Progress) -> None:
            bar.update(0, completed=now.done, total=now.total, scores=now.stage)

        yield on_progress if bar else None


@contextmanager
def of_asking(total: int) -> Iterator[OnCase]:
    """A bar of questions asked so far, with the running scores."""
    running = Running()
    with _bar("questions", total) as bar:

        def on_case(case: Case) -> None:
            if bar:
                running.add(case)
                bar.update(0, advance=1, scores=str(running))

        yield on_case


@contextmanager
def _bar(what: str, total: int | None = None) -> Iterator[Any]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.BarColumn(bar_width=8),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[scores]}"),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        bar.add_task(what, total=total, scores=what)
        yield bar
