"""Joins word features and reader: one ranking, one calibrated confidence. Step three of three.

    python -m eval.training.mixture --train ../shared/train --data ../shared/data --cache DIR

Writes ``mixture`` and ``certainty`` of ``qa/selection.json`` and the figures under ``provenance``,
by the articles that neither was learned from: one half of them to learn, the other to report on.
Reading takes about ten minutes; what was read is kept in ``--cache``.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from eval.training.sets import (
    HELD_OUT,
    PRACTICE,
    Asked,
    Sources,
    answers,
    as_product,
    ask_all,
    is_held_out,
    label,
    parser_for,
    rank_all,
)
from eval.training.words import Row, learn_cases, learn_sentences, part, write
from qa import reading, selection
from qa.reading import MiniLMReader
from qa.selection import Key

# Questions taken from each set, before those of learned articles are gone.
SETS = {"squad2-halfdev": 800, "tsqa-wiki": 10_000, "clapnq-dev": 10_000, PRACTICE: 3000}
Odds = dict[Key, float]


def to_report(asked: Asked) -> bool:
    """Whether the question's article is kept for the figures."""
    return hashlib.sha256(asked.case.group.encode()).digest()[1] % 2 == 0


def read_all(name: str, asked: Sequence[Asked], cache: Path) -> list[Odds]:
    """The reader's log odds for the candidates of each question, from the cache where it can."""
    path = cache / f"{name}-{len(asked)}-{reading.SHA256[:12]}.pickle"
    if not path.exists():
        reader = MiniLMReader()
        found = []
        for each in asked:
            odds = reader.read(each.case.question, [selection.page(hit) for hit in each.hits])
            found.append(selection.read_odds(each.hits, odds))
        path.write_bytes(pickle.dumps(found))
        print(f"{name}: {len(asked)} questions read", flush=True)
    kept: list[Odds] = pickle.loads(path.read_bytes())
    return kept


def joined(asked: Asked, odds: Odds) -> Asked:
    """The candidates in their order by words, each with the reader's odds."""
    ranked = [replace(c, read=odds[c.hit.article.id, c.start]) for c in asked.ranked]
    return replace(asked, ranked=ranked)


def mixed(asked: Asked) -> Asked:
    """The candidates ranked by both."""
    odds = {(c.hit.article.id, c.start): c.read for c in asked.ranked}
    ranked = selection.mixed(asked.ranked, odds)
    return replace(asked, ranked=ranked, labels=[label(asked.case, c) for c in ranked])


def certainty(asked: Asked) -> Row:
    """The features of a case whose candidates stand in their order by words."""
    case = selection.case_features(asked.weighted, asked.ranked, asked.hits)
    return selection.certainty_features(case, asked.ranked, mixed(asked).ranked)


# -- figures --------------------------------------------------------------------------------------


def figures(asked: Sequence[Asked]) -> dict[str, float]:
    """What ``selection.json`` as it stands does on cases, candidates in their order by words."""
    sure = np.array([selection.probability("certainty", certainty(a)) for a in asked])
    able = np.array([a.case.answerable for a in asked])
    both = [mixed(a) for a in asked]
    chosen = [_chosen(a) for a in both]
    held = np.array([any(quotes) for quotes in chosen])
    go = sure >= selection.threshold()
    quoted = [q for quotes, each in zip(chosen, go & able, strict=True) if each for q in quotes]
    return {
        "questions": len(asked),
        "first_by_words": float(np.mean(_first(asked)[able])),
        "first_by_reader": float(np.mean(_first([_by_reader(a) for a in asked])[able])),
        "first_by_both": float(np.mean(_first(both)[able])),
        "chosen_hold": float(held[able].mean()),
        "auroc": float(roc_auc_score(able, sure)),
        "answered_rightly": float((held & go)[able].mean()),
        "answered": float(go[able].mean()),
        "refused": float((~go)[~able].mean()),
        "citation_precision": float(np.mean(quoted)),
        "calibration_error": _calibration_error(sure, np.array(_first(both) & able)),
    }


def _first(asked: Sequence[Asked]) -> Any:
    return np.array([answers(a.case, a.ranked[0], label(a.case, a.ranked[0])) for a in asked])


def _by_reader(asked: Asked) -> Asked:
    return replace(asked, ranked=sorted(asked.ranked, key=lambda c: -c.read))


def _chosen(asked: Asked) -> list[bool]:
    """For each quoted sentence, whether it holds an answer or overlaps the evidence."""
    quotes = selection.choose(asked.case.question, asked.ranked)
    return [answers(asked.case, quote, label(asked.case, quote)) for quote in quotes]


def _calibration_error(sure: Any, right: Any) -> float:
    """Expected calibration error over ten bins of equal width."""
    bins = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs(float((sure - right)[bins == b].sum())) for b in range(10)]
    return sum(gaps) / len(sure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Learns both models, prints and stores the figures."""
    parser = parser_for(__doc__ or "", Path("qa/selection.json"))
    options = parser.parse_args(arguments)
    sources = Sources(options.train, options.data, options.cache)
    read = {}
    for name in HELD_OUT:
        _, loaded = ask_all(name, SETS[name], sources)
        asked = rank_all([as_product(a) for a in loaded if is_held_out(name, a.case)])
        odds = read_all(name, asked, options.cache)
        read[name] = [joined(a, o) for a, o in zip(asked, odds, strict=True)]
    learning = [(1.0, [a for a in rows if not to_report(a)]) for rows in read.values()]
    write(options.out, {"mixture": part(*learn_sentences(learning, selection.mixture_features))})
    write(options.out, {"certainty": part(*learn_cases(learning, certainty, missed=0.0))})
    held_out = {}
    for name, rows in read.items():
        found = figures([a for a in rows if to_report(a)])
        held_out[name] = {key: round(value, 3) for key, value in found.items()}
        print(name, held_out[name])
    write(options.out, {"provenance": _provenance(held_out)})


def _provenance(held_out: dict[str, dict[str, float]]) -> dict[str, Any]:
    return {
        "commands": [
            f"python -m eval.training.{step} --train ../shared/train --data ../shared/data "
            "--cache CACHE"
            for step in ("words", "reader", "mixture")
        ],
        "sets": "SQuAD 1.1 and 2.0 (CC BY-SA 4.0), QED (CC BY-SA 3.0), SelQA (Apache-2.0), "
        "Time-Sensitive-QA (BSD-3), ClapNQ (Apache-2.0); text Wikipedia (CC BY-SA). Practice: "
        "corpus/practice. Opposites: WordNet 3.1 (WordNet licence) and a few by hand.",
        "reader": reading.SHA256,
        "held_out_at": f"threshold {selection.threshold()}",
        "held_out": held_out,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
