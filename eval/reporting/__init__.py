"""Reports of a run: one HTML file to read, Markdown for a pull request, JUnit XML for CI."""

from __future__ import annotations

from pathlib import Path

from eval import judging, log, scoring
from eval.reporting import html, junit, markdown
from qa.errors import InputError

FILES = {"html": "report.html", "md": "report.md", "junit": "junit.xml"}


def render(run: Path, kind: str, seed: int = 0) -> str:
    """The report of a run as text; its measures are computed from the log."""
    records = list(log.records(run / log.CASES))
    if not records:
        raise InputError(f"{run / log.CASES} holds no case yet. Run python -m eval run again.")
    cases = [log.case_of(record) for record in records]
    begun = log.read_run(run)
    if kind == "junit":
        return junit.render(begun, cases)
    summary = scoring.summarise(cases, begun.get("settings", {}), seed)
    if kind == "md":
        return markdown.render(begun, summary, cases)
    return html.render(begun, summary, records, cases, judging.opinions(run))
