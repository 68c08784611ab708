"""The measures of the support check and its errors as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from eval.support.judging import Judged
from eval.types import Record


def summary(record: Record) -> str:
    """A line a kind, then all false and all true pairs together."""
    rows = [f"{'':<20} pairs  rejected  partial  supported"]
    rows += [_row(kind, shares) for kind, shares in record["kinds"].items()]
    rows += [_row("all false pairs", record["false"]), _row("all true pairs", record["true"])]
    names = {"auroc": "AUROC of true against the others"}
    if record["auroc_partial"] is not None:
        names["auroc_partial"] = "AUROC of true and partial against false"
    rows += [
        f"{name}: {'none' if record[key] is None else f'{record[key]:.3f}'}"
        for key, name in names.items()
    ]
    return "\n".join([*rows, f"{record['ms_a_pair']:.2f} ms a pair"])


def errors(wrong: Sequence[Judged]) -> str:
    """Each error in four lines: what was said of it and why, the sentence, the quote."""
    return "\n\n".join(
        f"{each.pair.kind}, {each.pair.id}\n"
        f"  {each.verdict.support} ({each.verdict.score:.2f})"
        f"{f': {each.verdict.reason}' if each.verdict.reason else ''}\n"
        f"  says:   {' '.join(each.pair.sentence.split())}\n"
        f"  quotes: {' '.join(each.pair.quoted.text.split())}"
        for each in wrong
    )


def _row(name: str, shares: Record) -> str:
    cells = (shares[key] for key in ("rejected", "partial", "supported"))
    written = ("-" if cell is None else f"{100 * cell:.1f} %" for cell in cells)
    return f"{name:<20}{{:>6}}{{:>10}}{{:>9}}{{:>11}}".format(shares["pairs"], *written)
