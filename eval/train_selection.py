"""Learns ``qa/selection.json``: which sentence answers, and whether any does.

    python -m eval.train_selection --train ../shared/train --data ../shared/data --cache /tmp/cache

Every set becomes a library with the product's own retrieval, so that the scores have its scale; the
hits are kept in ``--cache``. Articles are split into a learning and a held-out half by their name.
Two models: a conditional logit over the sentences of a question (the right ones against the rest),
and a logistic regression over cases (answered rightly 1, answerable but missed 0.3, unanswerable
0). A weight may be held to one sign where only one makes sense; that carries over to news.

Paraphrase is simulated: in half of the questions, words other than names are at random made to
match nothing, since questions written beside the text share more words with it than real ones do.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]
from sklearn.metrics import roc_auc_score

from qa import selection
from qa.library import Library
from qa.questions import analyse
from qa.selection import Candidate, Weighted
from qa.settings import Settings
from qa.types import Article, Hit

Floats = NDArray[np.float64]
DEPTH = 20  # hits kept; a mined unanswerable question leaves some out
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
HELD_OUT = ("squad2-halfdev", "tsqa-wiki", "clapnq-dev")


@dataclass(frozen=True)
class Case:
    """A question with its gold. ``group`` is the article by which it is learned or held out."""

    id: str
    question: str
    answers: tuple[str, ...]
    spans: tuple[str, ...]
    articles: tuple[str, ...]
    group: str
    answerable: bool
    paragraph: str = ""

    @property
    def learned(self) -> bool:
        return hashlib.sha256(self.group.encode()).digest()[0] % 2 == 0


@dataclass
class Asked:
    """A case with its hits, ranked under the weights of the moment."""

    case: Case
    hits: list[Hit]
    weighted: Weighted
    ranked: list[Candidate] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)


# -- reading the sets -----------------------------------------------------------------------------


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _eval_set(folder: Path) -> tuple[list[Article], list[Case]]:
    articles = [
        Article(a["id"], a["title"], a["text"], published=a.get("published"))
        for a in _lines(folder / "articles.jsonl")
    ]
    cases = []
    for q in _lines(folder / "questions.jsonl"):
        group = (q["evidence_ids"] or q["near_miss_ids"] or [""])[0]
        gold = tuple(q["answers"]), tuple(q["evidence_spans"]), tuple(q["evidence_ids"])
        cases.append(Case(q["id"], q["question"], *gold, group, q["answerable"]))
    return articles, cases


def _untokenised(text: str) -> str:
    """QED's text without the blanks around its punctuation."""
    text = re.sub(r" ([.,;:!?)\]%’]|'s\b|n't\b)", r"\1", text)
    text = re.sub(r"([(\[]) ", r"\1", text)
    text = re.sub(r"`` ?|''", '"', text)
    return text.replace(" -- ", " – ").replace(" - ", "-")


def _train_set(paths: Sequence[Path]) -> tuple[list[Article], list[Case]]:
    """One article a title, its paragraphs one after the other."""
    paragraphs: dict[str, dict[str, None]] = {}
    cases = []
    for path in paths:
        clean = _untokenised if "qed" in path.name else str
        for number, row in enumerate(_lines(path)):
            candidates = row.get("candidates")
            text = " ".join(candidates) if candidates else clean(row["passage"])
            paragraphs.setdefault(row["title"], {}).setdefault(text)
            answers = tuple(clean(answer["text"]) for answer in row.get("answers", ()))
            spans = tuple(candidates[at] for at in row["positives"]) if candidates else ()
            name = f"{path.stem}-{number}"
            answerable = row.get("answerable", True)
            gold = answers, spans, (row["title"],), row["title"], answerable
            cases.append(Case(name, row["question"], *gold, text))
    return [Article(t, t, "\n\n".join(ps)) for t, ps in paragraphs.items()], cases


def _read(name: str, train: Path, data: Path) -> tuple[list[Article], list[Case]]:
    files = {
        "squad-train": ["squad1-train-part", "squad2-train-part-new"],
        "qed-dev": ["qed-dev"],
        "selqa": ["rank-selqa"],
    }
    if name in files:
        return _train_set([train / f"{file}.jsonl" for file in files[name]])
    return _eval_set(data / name)


# -- hits -----------------------------------------------------------------------------------------


class _Known:
    """The term statistics of a library, for the words of the questions, kept with the hits."""

    def __init__(self, count: int, frequencies: dict[str, int]) -> None:
        self._count, self._frequencies = count, frequencies

    def document_count(self) -> int:
        return self._count

    def document_frequency(self, word: str) -> int:
        return self._frequencies.get(word, 0)


def ask_all(name: str, train: Path, data: Path, cache: Path) -> tuple[_Known, list[Asked]]:
    """The set's questions with their hits, from the cache or from a library made for it."""
    path = cache / f"{name}.pickle"
    if not path.exists():
        articles, cases = _read(name, train, data)
        cases = random.Random(0).sample(cases, min(SETS[name][0], len(cases)))
        with Library(Settings(library=cache / name)) as library:
            library.add(articles)
            found = [library.search(case.question, DEPTH) for case in cases]
            words = {word for case in cases for word in analyse(case.question).surface}
            frequencies = {word: library.statistics.document_frequency(word) for word in words}
            known = library.statistics.document_count(), frequencies
        path.write_bytes(pickle.dumps((known, cases, found)))
        print(f"{name}: {len(articles)} articles, {len(cases)} questions searched", flush=True)
    known, cases, found = pickle.loads(path.read_bytes())
    statistics = _Known(*known)
    pairs = zip(cases, found, strict=True)
    asked = [Asked(c, h, selection.weigh(analyse(c.question), statistics)) for c, h in pairs if h]
    return statistics, asked


def as_product(asked: Asked) -> Asked:
    return replace(asked, hits=asked.hits[:10])


def mined(asked: Asked) -> Asked | None:
    """The question without the passages that answer it: unanswerable among what is near."""
    if not asked.case.answerable:
        return None
    rest = [hit for hit in asked.hits if not _holds_evidence(asked.case, hit)]
    case = replace(asked.case, answerable=False, answers=(), spans=(), articles=(), paragraph="")
    return replace(asked, case=case, hits=rest[:10]) if rest else None


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


def rank_all(asked: Sequence[Asked]) -> list[Asked]:
    """Ranks and labels; a second time only the scores are computed anew."""
    for each in asked:
        if each.ranked:
            scored = [
                replace(c, score=selection.probability("sentence", c.features)) for c in each.ranked
            ]
            each.ranked = sorted(scored, key=lambda candidate: -candidate.score)
        else:
            each.ranked = selection.rank_weighted(each.weighted, each.hits)
        each.labels = [_label(each.case, candidate) for candidate in each.ranked]
    return [each for each in asked if each.ranked]


# -- gold -----------------------------------------------------------------------------------------


@lru_cache(maxsize=1 << 18)
def _squash(text: str) -> str:
    words = re.sub(r"[\W_]+", " ", text.lower())
    return f" {words.strip()} "


def _holds(text: str, answers: Sequence[str]) -> bool:
    words = _squash(text)
    return any(len(_squash(answer)) > 2 and _squash(answer) in words for answer in answers)


def _overlaps(text: str, spans: Sequence[str]) -> bool:
    words = _squash(text)
    if len(words) < 10:
        return any(words == _squash(span) for span in spans)
    return any(
        words.strip() in _squash(span)
        or (len(_squash(span)) > 12 and _squash(span).strip() in words)
        for span in spans
    )


def _holds_evidence(case: Case, hit: Hit) -> bool:
    if hit.article.id not in case.articles:
        return False
    text = hit.passage.text
    if _holds(text, case.answers) or any(
        _squash(s).strip()[:60] in _squash(text) for s in case.spans
    ):
        return True
    return bool(case.paragraph) and _squash(text).strip()[:50] in _squash(case.paragraph)


def _label(case: Case, candidate: Candidate) -> int:
    """1 for a sentence that answers, 0 for one that does not, -1 where the gold leaves it open."""
    text = candidate.text
    if not case.answerable:
        return 0
    here = candidate.hit.article.id in case.articles
    held = _holds(text, case.answers)
    if case.spans:
        if here and _overlaps(text, case.spans):
            return 1 if held or not case.id.startswith("squad2-") else -1
        return -1 if held else 0
    if case.paragraph and held and here:
        return 1 if _squash(text).strip() in _squash(case.paragraph) else -1
    return int(held and here)


def _answers(case: Case, candidate: Candidate, label: int) -> bool:
    return label == 1 or (case.answerable and _holds(candidate.text, case.answers))


# -- learning -------------------------------------------------------------------------------------

Bounds = list[tuple[float | None, float | None]]


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


def learn_sentences(sets: Sequence[tuple[float, list[Asked]]]) -> tuple[list[str], Floats, float]:
    """A conditional logit: in each question the right sentences against all, by softmax.

    Returns names, weights and an intercept that makes a sentence's own probability calibrated.
    """
    sets = [(share, [a for a in asked if 1 in a.labels]) for share, asked in sets]
    names = list(sets[0][1][0].ranked[0].features)
    rows, labels, sizes, weights = [], [], [], []
    for share, asked in sets:
        for each in asked:
            kept = [(c, y) for c, y in zip(each.ranked, each.labels, strict=True) if y >= 0]
            rows += [[c.features[name] for name in names] for c, _ in kept]
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


def learn_cases(
    sets: Sequence[tuple[float, list[Asked]]],
) -> tuple[list[str], Floats, float]:
    """A logistic regression over cases, both sides weighing the same."""
    rows: list[dict[str, float]] = []
    labels: list[float] = []
    shares: list[float] = []
    for share, asked in sets:
        rows += [selection.case_features(a.weighted, a.ranked, a.hits) for a in asked]
        labels += [_case_label(a) for a in asked]
        shares += [share / len(asked)] * len(asked)
    names = list(rows[0])
    x = np.array([[row[name] for name in names] for row in rows])
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


def _case_label(asked: Asked) -> float:
    if not asked.case.answerable:
        return 0.0
    right = _answers(asked.case, asked.ranked[0], asked.labels[0])
    return 1.0 if right else WRONG_BUT_ANSWERABLE


# -- figures --------------------------------------------------------------------------------------


def figures(asked: Sequence[Asked], statistics: _Known) -> dict[str, float]:
    """What ``selection.json`` as it stands does on cases that it has not seen."""
    sure = np.array([_sure(a, statistics) for a in asked])
    able = np.array([a.case.answerable for a in asked])
    chosen = [_chosen(a) for a in asked]
    held = np.array([any(quotes) for quotes in chosen])
    first = np.array([_answers(a.case, a.ranked[0], a.labels[0]) for a in asked])
    go = sure >= selection.threshold()
    quoted = [
        quote for quotes, each in zip(chosen, go & able, strict=True) if each for quote in quotes
    ]
    return {
        "questions": len(asked),
        "best_sentence_holds": float(first[able].mean()),
        "chosen_hold": float(held[able].mean()),
        "auroc": float(roc_auc_score(able, sure)),
        "answered_rightly": float((held & go)[able].mean()),
        "answered": float(go[able].mean()),
        "refused": float((~go)[~able].mean()),
        "citation_precision": float(np.mean(quoted)),
    }


def _sure(asked: Asked, statistics: _Known) -> float:
    return selection.confidence(asked.case.question, asked.ranked, asked.hits, statistics)


def _chosen(asked: Asked) -> list[bool]:
    """For each quoted sentence, whether it holds an answer or overlaps the evidence."""
    quotes = selection.choose(asked.case.question, asked.ranked)
    return [_answers(asked.case, quote, _label(asked.case, quote)) for quote in quotes]


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


def _part(names: Sequence[str], weights: Floats, intercept: float) -> dict[str, Any]:
    features = {
        name: {
            "weight": round(BY_HAND.get(name, float(w)), 4) + 0.0,
            "meaning": meaning_of(name)[1],
        }
        for name, w in zip(names, weights, strict=True)
    }
    return {"intercept": round(intercept, 4), "features": features}


def _write(path: Path, changes: dict[str, Any]) -> None:
    """Writes the file and makes it count at once. Opposites and choice are kept as they are."""
    content = {**json.loads(path.read_text("utf-8")), **changes}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    loaded = selection.model()
    loaded.clear()
    loaded.update(content)


def main(arguments: Sequence[str] | None = None) -> None:
    """Learns both models, prints and stores their held-out figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("qa/selection.json"))
    options = parser.parse_args(arguments)
    options.cache.mkdir(parents=True, exist_ok=True)
    loaded = {n: ask_all(n, options.train, options.data, options.cache) for n in SETS}
    asked = {name: rows for name, (_, rows) in loaded.items()}
    learning = {
        name: [a for a in rows if a.case.learned or name not in HELD_OUT]
        for name, rows in asked.items()
    }
    plain = {n: [as_product(a) for a in rows] for n, rows in learning.items()}
    hidden = {n: [masked(a) for a in rows] for n, rows in plain.items()}
    _write(options.out, _blank())
    sets = [
        (SETS[n][1] / 2, rank_all(rows)) for part in (plain, hidden) for n, rows in part.items()
    ]
    _write(options.out, {"sentence": _part(*learn_sentences(sets))})
    without = {n: [masked(m) for a in learning[n] if (m := mined(a))] for n in MINED}
    cases = [(SETS[n][2] / 2, rank_all(plain[n])) for n in HELD_OUT]
    cases += [(SETS[n][2] / 2, rank_all(hidden[n])) for n in HELD_OUT]
    cases += [(SETS[n][2], rank_all(hidden[n])) for n in SETS if n not in HELD_OUT and SETS[n][2]]
    cases += [(MINED[n], rank_all(rows)) for n, rows in without.items()]
    _write(options.out, {"confidence": _part(*learn_cases(cases))})
    held_out = {}
    for name in HELD_OUT:
        rows = rank_all([as_product(a) for a in asked[name] if not a.case.learned])
        held_out[name] = {k: round(v, 3) for k, v in figures(rows, loaded[name][0]).items()}
        print(name, held_out[name])
    _write(options.out, {"provenance": _provenance(held_out)})


def _blank() -> dict[str, Any]:
    """A model of nothing that names the features the code computes, for the first ranking."""
    return {part: {"intercept": 0.0, "features": _Zeros()} for part in ("sentence", "confidence")}


class _Zeros(dict[str, dict[str, float]]):
    def __missing__(self, key: str) -> dict[str, float]:
        return {"weight": 0.0}


def _provenance(held_out: dict[str, dict[str, float]]) -> dict[str, Any]:
    return {
        "command": "python -m eval.train_selection --train ../shared/train --data ../shared/data "
        "--cache CACHE",
        "sets": "SQuAD 1.1 and 2.0 (CC BY-SA 4.0), QED (CC BY-SA 3.0), SelQA (Apache-2.0), "
        "Time-Sensitive-QA (BSD-3), ClapNQ (Apache-2.0); text Wikipedia (CC BY-SA). Of "
        "squad2-halfdev, tsqa-wiki and clapnq-dev one half of the articles is learned from, the "
        "other held out. "
        "Opposites: WordNet 3.1 (WordNet licence) and a few by hand.",
        "questions": {name: share[0] for name, share in SETS.items()},
        "by_hand": sorted(BY_HAND),
        "held_out": held_out,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
