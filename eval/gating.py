"""Baselines, small JSON files with the scores of every question, and the gate that holds to them.

::

    {"format": 1, "name": …, "set": {"sha256", "questions"}, "settings": {…}, "version": …,
     "values": {"recall@1": 0.93, …},
     "ids": […], "answerable": […], "confidence": […],
     "scores": {"recall@1": [1, 0, null, …], "citation_precision": [[2, 3], …]}}

A score is null where the case does not count, a number where it is one of one, else part and whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from eval.comparing import Difference, compare
from eval.log import write_json
from eval.resampling import Floats
from eval.scoring import DIGITS, Column, Scores
from eval.types import Record
from qa.errors import InputError

GATED = (
    "recall@1", "recall@5", "recall@10", "mrr@10", "ndcg@10",
    "contains_answer", "token_f1", "rouge_l", "answered_and_cited",
    "citation_precision", "citation_recall", "span_exact",
    "abstention_recall", "abstention_false_refusal_rate", "abstention_correct",
)  # fmt: skip
PROMISED = "span_exact"  # no noise here: a single loss fails
_SETTINGS = ("retrieval_only",)


def write_baseline(path: Path, scores: Scores, run: Record) -> None:
    """Keeps the scores of a run as the baseline to hold to."""
    gated = scores.only(GATED)
    totals = zip(gated.columns, gated.totals(), strict=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "format": 1,
        **{key: run.get(key) for key in ("name", "set", "settings", "version")},
        "values": {c.name: round(float(v), DIGITS) for c, v in totals if not np.isnan(v)},
        "ids": list(gated.ids),
        "answerable": [bool(value) for value in gated.answerable],
        "confidence": [None if np.isnan(v) else round(float(v), 4) for v in gated.confidence],
        "scores": {
            column.name: _packed(gated.parts[:, n], gated.wholes[:, n])
            for n, column in enumerate(gated.columns)
        },
    }
    write_json(path, record, indent=None)


def read_baseline(path: Path, columns: Sequence[Column]) -> tuple[Scores, Record]:
    """The scores that a baseline keeps. Raises InputError where it is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return _unpacked(record, {column.name: column for column in columns}), record
    except FileNotFoundError as error:
        raise InputError(
            f"There is no {path}. Make it from a run with --write-baseline."
        ) from error
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(f"{path} is no baseline. Make it anew with --write-baseline.") from error


def check(scores: Scores, run: Record, path: Path, seed: int = 0) -> list[Difference]:
    """The run against the baseline; see :func:`losses`.

    Raises InputError where they cannot be held against each other.
    """
    baseline, record = read_baseline(path, scores.columns)
    for key, was, now in (
        ("set", record["set"], run.get("set")),
        *((k, record["settings"].get(k), run.get("settings", {}).get(k)) for k in _SETTINGS),
    ):
        if was != now:
            raise InputError(f"{path} was made with another {key}. Make it anew from a new run.")
    missing = set(baseline.ids).difference(scores.ids)
    if missing:
        raise InputError(
            f"The run lacks {len(missing)} questions of {path} ({min(missing)}, …). "
            "Run all of them."
        )
    return compare(baseline, scores.only(GATED), seed)


def losses(differences: Sequence[Difference]) -> list[Difference]:
    """What got worse beyond the noise: p below 0.05; of exact spans, any loss at all."""
    return [
        each
        for each in differences
        if each.verdict == "worse" or (each.name == PROMISED and each.difference < 0)
    ]


def _packed(parts: Floats, wholes: Floats) -> list[object]:
    return [_pack(float(p), float(w)) for p, w in zip(parts, wholes, strict=True)]


def _pack(part: float, whole: float) -> object:
    if whole == 0:
        return None
    short = int(part) if part == int(part) else round(part, DIGITS)
    return short if whole == 1 else [short, int(whole)]


def _unpack(value: object) -> tuple[float, float]:
    if value is None:
        return 0.0, 0.0
    if isinstance(value, list):
        return float(value[0]), float(value[1])
    return float(str(value)), 1.0


def _unpacked(record: Record, known: Mapping[str, Column]) -> Scores:
    names = [name for name in record["scores"] if name in known]
    table = np.array([[_unpack(v) for v in record["scores"][name]] for name in names])
    confidence = [float("nan") if v is None else float(v) for v in record["confidence"]]
    return Scores(
        tuple(record["ids"]),
        tuple(known[name] for name in names),
        table[:, :, 0].T,
        table[:, :, 1].T,
        np.array(confidence),
        np.array(record["answerable"], dtype=np.bool_),
    )
