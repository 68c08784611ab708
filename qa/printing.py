"""What the command line shows a person: plain text, no colours needed to understand it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qa.types import Answer, Article, Check, Citation, Hit, IngestReport, Listing

WIDTH = 96
SNIPPET = 280


def answer(given: Answer) -> str:
    """The answer and its sources, or the words of an abstention and the nearest passages."""
    lines = [textwrap.fill(given.text, WIDTH), ""]
    for disagreement in given.disagreements:
        sides = (
            f"{side.value} {''.join(f'[{n}]' for n in side.citations)}"
            for side in disagreement.sides
        )
        lines += [f"The articles differ: {'; '.join(sides)}.", ""]
    doubted = [s for s in given.sentences if s.support != "supported"]
    lines += [f"{s.support}: “{_snippet(s.text)}” ({s.reason})" for s in doubted]
    lines += [*(textwrap.fill(note, WIDTH) for note in given.notes)]
    lines += [""] if doubted or given.notes else []
    if given.status == "answered":
        verbatim = {sentence.text for sentence in given.sentences}
        for citation in given.citations:
            lines += _source(citation, show_quote=citation.quote not in verbatim)
    elif given.nearest:
        lines += ["The nearest passages:", ""]
        for hit in given.nearest:
            lines += [f"  {_about(hit.article)}", _indented(_snippet(hit.passage.text)), ""]
    return "\n".join(lines).rstrip()


def hits(found: Sequence[Hit]) -> str:
    """Ranked passages, each with where it stands."""
    if not found:
        return "Nothing found."
    blocks = []
    for rank, hit in enumerate(found, start=1):
        copies = f"\n    also in: {', '.join(hit.copies)}" if hit.copies else ""
        place = f"{hit.article.id} {hit.passage.start}-{hit.passage.end}"
        head = f"{rank:>2}. {_about(hit.article)}\n    {place}{copies}"
        blocks.append(f"{head}\n{_indented(hit.passage.text)}")
    return "\n\n".join(blocks)


def article(shown: Article) -> str:
    """An article with what is known about it above its text."""
    fields = ("id", "title", "publisher", "author", "published", "updated", "url", "language")
    known = [f"{name}: {getattr(shown, name)}" for name in fields if getattr(shown, name)]
    return "\n".join([*known, "", shown.text])


def listings(shown: Sequence[Listing]) -> Iterator[str]:
    """A line an article: date, id, publisher, title, tab-separated."""
    for each in shown:
        date = each.published or "date unknown"
        yield f"{date}\t{each.id}\t{each.publisher or '-'}\t{each.title}"


def report(done: IngestReport) -> str:
    """One line of counts."""
    counts = [f"{done.count(s)} {s}" for s in ("added", "updated", "unchanged")]
    removed = done.count("removed")
    counts += [f"{removed} removed"] if removed else []
    counts += [f"{len(done.failed)} failed"] if done.failed else []
    return ", ".join(counts)


def troubles(done: IngestReport) -> Iterator[str]:
    """What could not be read, and what has vanished, a line each."""
    for failure in done.failed:
        yield f"not added: {failure.source}: {failure.reason}"
    for change in done.vanished:
        yield f"vanished: {change.id} ({change.title}); remove it with --prune"


def checks(done: Sequence[Check]) -> str:
    lines = []
    for check in done:
        lines.append(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}")
        if not check.ok and check.fix:
            lines.append(f"      {check.fix}")
    return "\n".join(lines)


def _source(citation: Citation, *, show_quote: bool) -> list[str]:
    lines = [f"[{citation.number}] {_about(citation.article)}"]
    if citation.article.url:
        lines.append(f"    {citation.article.url}")
    lines.append(f"    {citation.article.id} {citation.start}-{citation.end}")
    return [*lines, _indented(f"“{citation.quote}”")] if show_quote else lines


def _about(shown: Article) -> str:
    date = shown.published or "date unknown"
    return " · ".join(part for part in (shown.title, shown.publisher, date) if part)


def _snippet(text: str) -> str:
    return textwrap.shorten(text, SNIPPET, placeholder=" …")


def _indented(text: str) -> str:
    flat = [textwrap.fill(line, WIDTH - 4) for line in text.splitlines() if line.strip()]
    return textwrap.indent("\n".join(flat), "    ")
