"""Learns what words tell: which sentence answers, and whether any does. Step one of three.

    python -m eval.training.words --train ../shared/train --data ../shared/data --cache DIR

Writes ``sentence`` and ``case`` of ``qa/selection.json``. Two models: a conditional logit over the
sentences of a question (the right ones against the rest), and a logistic regression over cases
(answered rightly 1, answerable but missed 0.3, unanswerable 0). A weight may be held to one sign
where only one makes sense; that carries over to news. The steps after it train a reader
(``eval.training.reader``), and join both (``eval.training.mixture``).

Paraphrase is simulated: in half of the questions, words other than names are at random made to
match nothing, since questions written beside the text share more words with it than real ones do.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]

from eval.training.sets import (
    Asked,
    Sources,
    answers,
    as_product,
    ask_all,
    is_held_out,
    parser_for,
    rank_all,
    without_evidence,
)
from qa import selection
from qa.selection import Candidate

Floats = NDArray[np.float64]
MASKED_QUESTIONS, MASKED_WORDS = 0.6, 0.4
RIDGE_SENTENCES, RIDGE_CASES = 5.0, 100.0
WRONG_BUT_ANSWERABLE = 0.3
# Questions taken from each set, its share in learning sentences, and in learning cases.
SETS = {
    "squad2-halfdev": (3000, 0.26, 1.5),
    "tsqa-wiki": (1200, 0.20, 0.9),
    "clapnq-dev": (600, 0.07, 0.8),
    "squad-train": (1500, 0.20, 0.5),
    "qed-dev": (1000, 0.15, 0.4),
    "selqa": (900, 0.12, 0.0),
}
MINED = {"squad-train": 0.75, "qed-dev": 0.45, "selqa": 0.45, "tsqa-wiki": 0.45}
REPORTED = ("squad2-halfdev", "tsqa-wiki", "clapnq-dev")


def masked(asked: Asked) -> Asked:
    """Some words of the question made to match nothing, as if the text had said it otherwise."""
    chance = random.Random(asked.case.id)
    question = asked.weighted.question
    if chance.random() > MASKED_QUESTIONS:
        return asked
    kept = {*question.names, *question.numbers}
    new = {
        t: f"~{t}" if t not in kept and chance.random() < MASKED_WORDS else t
        for t in question.terms
    }
    focus = new.get(question.focus, question.focus)
    question = replace(question, terms=tuple(new.values()), focus=focus)
    share = {new[term]: part for term, part in asked.weighted.share.items()}
    return replace(asked, weighted=asked.weighted._replace(question=question, share=share))


# -- learning -------------------------------------------------------------------------------------

Bounds = list[tuple[float | None, float | None]]
Row = Mapping[str, float]
Learned = tuple[list[str], Floats, float]  # names, weights, intercept


def _bounds(names: Sequence[str]) -> Bounds:
    by_sign: dict[int, tuple[float | None, float | None]] = {
        1: (0, None),
        -1: (None, 0),
        0: (None, None),
    }
    return [by_sign[meaning_of(name)[0]] for name in names]


def _minimise(loss: Callable[[Floats], tuple[float, Floats]], bounds: Bounds) -> Floats:
    start = np.zeros(len(bounds))
    options = {"maxiter": 400}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(found.x)


def by_words(candidate: Candidate) -> Row:
    """The features that words give a sentence."""
    return candidate.features


def learn_sentences(
    sets: Sequence[tuple[float, list[Asked]]], row: Callable[[Candidate], Row] = by_words
) -> Learned:
    """A conditional logit: in each question the right sentences against all, by softmax.

    Returns names, weights and an intercept that makes a sentence's own probability calibrated.
    """
    sets = [(share, [a for a in asked if 1 in a.labels]) for share, asked in sets]
    names = list(row(sets[0][1][0].ranked[0]))
    rows, labels, sizes, weights = [], [], [], []
    for share, asked in sets:
        for each in asked:
            kept = [(c, y) for c, y in zip(each.ranked, each.labels, strict=True) if y >= 0]
            found = [row(c) for c, _ in kept]
            rows += [[features[name] for name in names] for features in found]
            labels += [y for _, y in kept]
            sizes.append(len(kept))
            weights.append(share / len(asked))
    x, y = np.array(rows), np.array(labels) == 1
    scale = x.std(0) + 1e-9
    z = x / scale
    importance = np.array(weights) * len(weights) / sum(weights)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    of = np.repeat(np.arange(len(sizes)), sizes)

    def loss(b: Floats) -> tuple[float, Floats]:
        s = z @ b
        e = np.exp(s - np.maximum.reduceat(s, starts)[of])
        total = np.add.reduceat(e, starts)
        right = np.add.reduceat(e * y, starts) + 1e-12
        slope = z.T @ ((e / total[of] - e * y / right[of]) * importance[of])
        value = float((importance * (np.log(total) - np.log(right))).sum())
        return value + RIDGE_SENTENCES / 2 * float(b @ b), slope + RIDGE_SENTENCES * b

    learned = _minimise(loss, _bounds(names)) / scale
    slope, intercept = _calibrate(x @ learned, y)
    return names, learned * slope, intercept


def _calibrate(scores: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Platt's sigmoid: slope and intercept of a logistic regression on the score alone."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=100).fit(scores[:, None], right)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def case_by_words(asked: Asked) -> Row:
    """The features that words give a case."""
    return selection.case_features(asked.weighted, asked.ranked, asked.hits)


def learn_cases(
    sets: Sequence[tuple[float, list[Asked]]],
    row: Callable[[Asked], Row] = case_by_words,
    missed: float = WRONG_BUT_ANSWERABLE,
) -> Learned:
    """A logistic regression over cases, both sides weighing the same.

    ``missed`` is the label of an answerable case whose first sentence is wrong.
    """
    rows: list[Row] = []
    labels: list[float] = []
    shares: list[float] = []
    for share, asked in sets:
        rows += [row(a) for a in asked]
        labels += [_case_label(a, missed) for a in asked]
        shares += [share / len(asked)] * len(asked)
    names = list(rows[0])
    x = np.array([[features[name] for name in names] for features in rows])
    y, w = np.array(labels), np.array(shares)
    for side in (y > 0, y == 0):
        w[side] *= 0.5 * len(w) / w[side].sum()
    scale = x.std(0) + 1e-9
    z = np.c_[x / scale, np.ones(len(x))]

    def loss(b: Floats) -> tuple[float, Floats]:
        s = z @ b
        ridge = np.r_[b[:-1] * RIDGE_CASES, 0.0]
        value = float((w * (np.logaddexp(0, s) - y * s)).sum()) + float(ridge @ b) / 2
        return value, z.T @ (w * (1 / (1 + np.exp(-s)) - y)) + ridge

    b = _minimise(loss, [*_bounds(names), (None, None)])
    return names, b[:-1] / scale, float(b[-1])


def _case_label(asked: Asked, missed: float) -> float:
    if not asked.case.answerable:
        return 0.0
    return 1.0 if answers(asked.case, asked.ranked[0], asked.labels[0]) else missed


# -- the file -------------------------------------------------------------------------------------

# Which sign a weight must have (0: either), and what the feature means.
MEANINGS: dict[str, tuple[int, str]] = {
    "coverage": (1, "idf share of the question's terms that the sentence holds"),
    "coverage_previous": (1, "what the sentence before adds to that share"),
    "coverage_topic": (1, "what title, heading and the article's first sentence add"),
    "coverage_passage": (1, "what the rest of the passage adds"),
    "coverage_similar": (
        1,
        "idf share of missing terms whose first five letters begin a word there",
    ),
    "coverage_related": (1, "idf share of missing terms with a related word there, by kinship"),
    "coverage_lead": (1, "coverage over the best coverage of any sentence of the hits"),
    "details": (1, "of the terms that are not the article's topic, the share found, kin included"),
    "topic": (1, "idf share of the terms that are the article's topic"),
    "names_around": (1, "share of the question's names that only context holds"),
    "names_absent": (-1, "share of the question's names that neither passage nor context holds"),
    "numbers_missing": (-1, "share of the question's numbers that the sentence lacks"),
    "focus": (1, "the noun after what, which or how many stands there"),
    "heaviest_missing": (-1, "the largest idf share of one missing term, less its kinship"),
    "substituted": (-1, "idf share of terms in whose place the sentence has another word"),
    "other_name": (-1, "a name of the question is missing and another name stands there"),
    "opposite": (-1, "the opposite of a missing term stands there"),
    "negation_differs": (-1, "only one of question and sentence denies"),
    "negation_missed": (-1, "the question denies and the sentence does not"),
    "superlative": (1, "all superlatives and ordinals of the question stand there"),
    "superlative_missing": (-1, "none of them does"),
    "pairs": (1, "share of neighbouring terms that also stand close in the sentence"),
    "in_order": (1, "share of matched terms that keep their order"),
    "type": (1, "strength of the best token of the wanted type"),
    "type_near": (1, "that strength, falling with the distance to a matched term"),
    "type_missing": (-1, "a person, date, number, sum or duration is wanted and none is there"),
    "type_exact_missing": (-1, "the same without persons"),
    "number_of_focus": (1, "a number stands before the noun that is counted"),
    "period": (1, "common months over the longer of the asked period and one in the sentence"),
    "period_inside": (1, "a date of the sentence lies inside the asked period"),
    "period_start": (1, "a date of the sentence begins in the year the asked period begins"),
    "period_misses": (-1, "the sentence has dates and none touches the asked period"),
    "period_before": (1, "it has none, and one in the sentence before touches it"),
    "period_dateless": (-1, "a period is asked for and the sentence has no date"),
    "published_outside": (-1, "it has no date and the article appeared outside the asked period"),
    "older": (-1, "the question is about the present and another hit is newer"),
    "length": (0, "logarithm of the number of words"),
    "short": (-1, "fewer than six words"),
    "order": (0, "place in the passage, 0 first to 1 last"),
    "opening": (0, "among the first 300 characters of the article"),
    "question_form": (-1, "the sentence is a question"),
    "leans": (0, "it begins with a word that points back"),
    "item": (0, "it is an item of a list"),
    "hit_rank": (1, "1 over the rank of the hit"),
    "hit_lexical": (1, "BM25 of the hit over the largest that the question could reach"),
    "dense_behind": (-1, "how far the hit's cosine is behind the best hit's"),
    "logit": (1, "log odds of the best sentence's score"),
    "words": (1, "log odds of the sentence by words alone"),
    "read": (1, "log odds by the reader"),
    "words_case": (1, "log odds of the case by words alone"),
    "best": (1, "log odds of the best sentence by words and reader"),
    "lead": (1, "how much higher these are than those of the second"),
    "agree": (1, "words alone put the same sentence first"),
    "second_share": (-1, "score of the second sentence over that of the best"),
    "top_lexical": (1, "best BM25 over the largest that the question could reach"),
    "top_dense": (1, "best cosine, held between 0.4 and 0.7; half-way where there is none"),
    "unknown_terms": (-1, "idf share of terms that no passage of the library holds"),
    "terms": (0, "logarithm of the number of terms"),
    "anywhere": (1, "the largest idf share that one passage with its title holds"),
}
BY_HAND = {"published_outside": -0.5, "older": -0.4}  # the sets have nothing to learn them from


def meaning_of(name: str) -> tuple[int, str]:
    """Sign and meaning of a feature; ``type_date`` is a type, ``best_`` is the best sentence's."""
    bare = name.removeprefix("best_")
    if bare.removeprefix("type_") in selection.TYPES:
        return 1, f"{MEANINGS['type'][1]}, where that is {bare.removeprefix('type_')}"
    sign, words = MEANINGS[bare]
    return sign, f"best sentence: {words}" if bare != name else words


def part(names: Sequence[str], weights: Floats, intercept: float) -> dict[str, Any]:
    features = {
        name: {
            "weight": round(BY_HAND.get(name, float(w)), 4) + 0.0,
            "meaning": meaning_of(name)[1],
        }
        for name, w in zip(names, weights, strict=True)
    }
    return {"intercept": round(intercept, 4), "features": features}


def write(path: Path, changes: dict[str, Any]) -> None:
    """Writes the file and makes it count at once. Opposites and choice are kept as they are."""
    content = {**json.loads(path.read_text("utf-8")), **changes}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    loaded = selection.model()
    loaded.clear()
    loaded.update(content)


def main(arguments: Sequence[str] | None = None) -> None:
    """Learns both models."""
    parser = parser_for(__doc__ or "", Path("qa/selection.json"))
    options = parser.parse_args(arguments)
    options.cache.mkdir(parents=True, exist_ok=True)
    sources = Sources(options.train, options.data, options.cache)
    loaded = {name: ask_all(name, SETS[name][0], sources)[1] for name in SETS}
    learning = {
        name: [a for a in rows if not is_held_out(name, a.case)] for name, rows in loaded.items()
    }
    plain = {n: [as_product(a) for a in rows] for n, rows in learning.items()}
    hidden = {n: [masked(a) for a in rows] for n, rows in plain.items()}
    write(options.out, _blank())
    sets = [
        (SETS[n][1] / 2, rank_all(rows)) for each in (plain, hidden) for n, rows in each.items()
    ]
    write(options.out, {"sentence": part(*learn_sentences(sets))})
    without = {n: [masked(m) for a in learning[n] if (m := without_evidence(a))] for n in MINED}
    cases = [(SETS[n][2] / 2, rank_all(plain[n])) for n in REPORTED]
    cases += [(SETS[n][2] / 2, rank_all(hidden[n])) for n in REPORTED]
    cases += [(SETS[n][2], rank_all(hidden[n])) for n in SETS if n not in REPORTED and SETS[n][2]]
    cases += [(MINED[n], rank_all(rows)) for n, rows in without.items()]
    write(options.out, {"case": part(*learn_cases(cases))})


def _blank() -> dict[str, Any]:
    """A model of nothing that names the features the code computes, for the first ranking."""
    return {part: {"intercept": 0.0, "features": _Zeros()} for part in ("sentence", "case")}


class _Zeros(dict[str, dict[str, float]]):
    def __missing__(self, key: str) -> dict[str, float]:
        return {"weight": 0.0}


if __name__ == "__main__":
    main(sys.argv[1:])
