"""Summaries and comparisons as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.comparing import Difference
from eval.types import Case, Record

HEADLINE = (
    "recall@1", "recall@5", "recall@10", "recall_evidence@5", "mrr@10", "ndcg@10",
    "contains_answer", "answered_and_cited", "token_f1", "rouge_l",
    "citation_precision", "citation_recall", "span_exact",
    "abstention_precision", "abstention_recall", "abstention_false_refusal_rate", "auroc",
    "abstention_correct", "both_sides", "false_alarm",
    "newest_correct", "past_correct", "relative_correct",
)  # fmt: skip


def flat(summary: Record) -> dict[str, float | None]:
    """The measures of a summary by their unique names."""
    found: dict[str, float | None] = {}
    for group in ("retrieval", "answers", "abstention", "disagreement", "time"):
        for key, value in summary.get(group, {}).items():
            own = group == "abstention" and f"abstention_{key}" in summary["counted"]
            if value is None or isinstance(value, float | int):
                found[f"abstention_{key}" if own else key] = value
    return found


def summary(record: Record) -> str:
    """The headline measures with their 95 % intervals; what no case counts for is left out."""
    values, bounds = flat(record), record["confidence"]
    lines = [f"{record['cases']} cases, {record['failed']} failed"]
    for name in HEADLINE:
        value = values.get(name)
        if value is not None:
            low, high = bounds.get(name, (value, value))
            lines.append(f"{name:<31}{value:7.3f}   {low:.3f} to {high:.3f}")
    latency = record["latency_ms"]
    if latency["p50"] is not None:
        lines.append(f"latency: p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms")
    return "\n".join(lines)


def after_run(run: Path, cases: Sequence[Case]) -> list[str]:
    """Where it lies, and what failed."""
    failed = [case for case in cases if case.error]
    first = [f"{len(failed)} questions failed; {case.id}: {case.error}" for case in failed[:1]]
    return [*first, f"All is in {run}. To read it: python -m eval report {run}"]


def differences(found: Sequence[Difference]) -> str:
    """Every measure in a line, then the questions won and lost by the main ones."""
    lines = [f"{'':<31} {'A':>6} {'B':>6} {'B - A':>7}   95 % interval      p      won lost"]
    for each in found:
        low, high = each.interval or (0.0, 0.0)
        lines.append(
            f"{each.name:<31} {each.before:6.3f} {each.after:6.3f} {each.difference:+7.3f}   "
            f"{low:+.3f} to {high:+.3f}   {each.p:.4f} {len(each.won):4} {len(each.lost):4}"
            f"{'' if each.verdict == 'noise' else '  ' + each.verdict}"
        )
    for each in (each for each in found if each.name in HEADLINE):
        lines += [_ids(f"{each.name} won", each.won), _ids(f"{each.name} lost", each.lost)]
    return "\n".join(line for line in lines if line)


def gate(found: Sequence[Difference], lost: Sequence[Difference]) -> str:
    """The table, and the verdict."""
    names = ", ".join(each.name for each in lost)
    verdict = f"Worse than the baseline: {names}." if lost else "No loss beyond the noise."
    return f"{differences(found)}\n{verdict}"


def _ids(what: str, ids: Sequence[str]) -> str:
    return f"{what}: {' '.join(ids)}" if ids else ""


def judge(counted: Record) -> str:
    """What the judge said, in a line."""
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counted["verdicts"].items())
    return f"{counted['model']} judged {counted['judged']} answers: {verdicts}. See judge.jsonl."
