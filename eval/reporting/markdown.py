"""A short report in Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from eval.printing import HEADLINE, flat
from eval.reporting.verdicts import BAD, verdicts
from eval.reporting.words import COLUMNS, MEANINGS, type_rows
from eval.types import Case, Record

EXAMPLES = 10


def render(run: Record, summary: Record, cases: Sequence[Case]) -> str:
    """Measures, types of questions, and the first cases that went wrong."""
    title = f"### {_cell(str(run.get('name') or 'Evaluation'))}: {summary['cases']} questions"
    failed = f", {summary['failed']} failed" if summary["failed"] else ""
    parts = [f"{title}{failed}", _measures(summary), _types(summary), _examples(cases)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _measures(summary: Record) -> str:
    values, lines = flat(summary), ["| measure | value | 95 % interval | |", "|---|---:|---:|---|"]
    for name in HEADLINE:
        value = values.get(name)
        if value is not None:
            low, high = summary["confidence"].get(name, (value, value))
            lines.append(f"| {name} | {value:.3f} | {low:.3f} to {high:.3f} | {MEANINGS[name]} |")
    latency = summary["latency_ms"]
    if latency["p50"] is not None:
        both = f"{latency['p50']:.0f} / {latency['p95']:.0f} ms"
        lines.append(f"| latency | {both} | | p50 / p95 |")
    return "\n".join(lines)


def _types(summary: Record) -> str:
    head = f"| type | cases | {' | '.join(COLUMNS.values())} |"
    lines = [head, "|---|---:|" + "---:|" * len(COLUMNS)]
    for kind, cases, values in type_rows(summary):
        cells = " | ".join("–" if value is None else f"{value:.3f}" for value in values)
        lines.append(f"| {_cell(kind)} | {cases} | {cells} |")
    return "\n".join(lines)


def _examples(cases: Sequence[Case]) -> str:
    bad = [(case, found) for case in cases if (found := _bad(case))]
    if not bad:
        return ""
    lines = [f"<details><summary>{len(bad)} cases that went wrong</summary>\n"]
    lines += [
        f"- {_cell(case.id)}: {_cell(case.question.text)} ({found})"
        for case, found in bad[:EXAMPLES]
    ]
    if len(bad) > EXAMPLES:
        lines.append(f"- and {len(bad) - EXAMPLES} more, in the HTML report")
    return "\n".join([*lines, "\n</details>"])


def _bad(case: Case) -> str:
    return ", ".join(verdict for verdict in verdicts(case) if verdict in BAD)


def _cell(text: str) -> str:
    """Text that stays text, and in its cell."""
    flat_text = " ".join(text.split())
    for character in "\\`*_[]<>|":
        flat_text = flat_text.replace(character, f"\\{character}")
    return flat_text.replace("\\<", "&lt;").replace("\\>", "&gt;")
