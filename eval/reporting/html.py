"""The HTML report: one file that opens offline, with style, plots, script and all cases inside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from eval import judging
from eval.measures.retrieval import DEPTHS
from eval.printing import HEADLINE, flat
from eval.reporting import plots
from eval.reporting.payload import embedded, payload
from eval.reporting.verdicts import VERDICTS
from eval.reporting.words import COLUMNS, MEANINGS, type_rows
from eval.types import Case, Record

_HERE = Path(__file__).parent


def render(
    run: Record,
    summary: Record,
    records: Sequence[Record],
    cases: Sequence[Case],
    opinions: Mapping[str, Record],
) -> str:
    """The whole page; ``opinions`` are the judge's, by case id."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    content = payload(records, cases, opinions)
    counts = Counter(verdict for case in content["cases"] for verdict in case["verdicts"])
    return environment.get_template("report.html.j2").render(
        run=run,
        summary=summary,
        judge=judging.counted(dict(opinions)),
        rows=_rows(summary),
        plots=_plots(summary),
        columns=COLUMNS,
        types=type_rows(summary),
        verdicts=[(name, counts[name], text) for name, text in VERDICTS.items() if counts[name]],
        kinds=sorted({case["type"] for case in content["cases"]}),
        style=Markup((_HERE / "report.css").read_text(encoding="utf-8")),
        script=Markup((_HERE / "report.js").read_text(encoding="utf-8")),
        payload=embedded(content),
    )


def _rows(summary: Record) -> list[Record]:
    """The headline measures: name, meaning, value, interval and its picture."""
    values, rows = flat(summary), []
    for name in HEADLINE:
        value = values.get(name)
        if value is not None:
            low, high = summary["confidence"].get(name, (value, value))
            counted = summary["counted"].get(name, summary["cases"])
            bar = plots.interval_bar(low, value, high)
            rows.append(
                {
                    "name": Markup("_<wbr>").join(name.split("_")),
                    "meaning": MEANINGS[name],
                    "value": value,
                    "low": low,
                    "high": high,
                    "bar": bar,
                    "counted": counted,
                }
            )
    return rows


def _plots(summary: Record) -> list[tuple[str, Markup, str]]:
    """Title, picture and how to read it, of each plot that has something to show."""
    drawn = [
        ("Recall by number of passages", _recall(summary), "Higher is better."),
        ("Risk and coverage", _risk(summary), _RISK),
        ("Reliability of the confidence", _reliability(summary), _RELIABILITY),
        ("Latency by stage", _latency(summary), "Bar: median; whisker: 95th percentile."),
    ]
    return [(title, picture, words) for title, picture, words in drawn if picture]


_RISK = (
    "The most confident answers first: the share of questions answered, and the share of those "
    "answers that is wrong. Lower is better."
)
_RELIABILITY = "On the dashed line, a confidence of 0.8 is right in 80 of 100 cases."


def _recall(summary: Record) -> Markup:
    names = {"recall": "any evidence article", "recall_all": "all evidence articles",
             "recall_evidence": "the evidence itself"}  # fmt: skip
    places = [n / (len(DEPTHS) - 1) for n in range(len(DEPTHS))]
    lines = []
    for key, name in names.items():
        values = [summary["retrieval"][f"{key}@{k}"] for k in DEPTHS]
        if None not in values:
            lines.append(plots.Line(name, list(zip(places, values, strict=True))))
    ticks = [(place, str(k)) for place, k in zip(places, DEPTHS, strict=True)]
    axes = plots.Axes("first k passages", "share of questions", ticks, plots.UNIT_TICKS)
    return plots.line_chart("Recall by k", lines, axes) if lines else Markup("")


def _risk(summary: Record) -> Markup:
    points = [(x, y) for x, y in summary["abstention"]["risk_coverage"]]
    axes = plots.Axes(
        "coverage: questions answered", "risk: wrong", plots.UNIT_TICKS, plots.UNIT_TICKS
    )
    line = plots.Line("risk", points, dots=False)
    return plots.line_chart("Risk and coverage", [line], axes) if points else Markup("")


def _reliability(summary: Record) -> Markup:
    points = [(b["confidence"], b["correct"]) for b in summary["abstention"]["reliability"]]
    axes = plots.Axes("confidence", "share right", plots.UNIT_TICKS, plots.UNIT_TICKS)
    line = plots.Line("right", points)
    if not points:
        return Markup("")
    return plots.line_chart("Reliability", [line], axes, diagonal=True)


def _latency(summary: Record) -> Markup:
    stages = summary["latency_ms"]["stages"]
    rows = [(stage, found["p50"], found["p95"]) for stage, found in stages.items()]
    return plots.range_bars("Latency by stage", rows, "ms") if rows else Markup("")
