"""The sets that models learn from: their questions, the hits that the product finds, their gold.

Every set becomes a library with the product's own retrieval, so that the scores have its scale; the
hits are kept in a cache. Articles are learned from or held out by their name: one half of them for
the sets that are reported on, most of the practice articles, all of the others.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from qa import selection
from qa.library import Library
from qa.questions import analyse
from qa.selection import Candidate, Weighted
from qa.settings import Settings
from qa.types import Article, Hit

DEPTH = 20  # hits kept; a mined unanswerable question leaves some out
PRODUCT = 10  # hits that the product answers from
PRACTICE = "practice"
PRACTICE_ARTICLES = Path("corpus/practice")  # from the project's root
HELD_OUT = ("squad2-halfdev", "tsqa-wiki", "clapnq-dev", PRACTICE)
PARTS_HELD_OUT = {PRACTICE: 8}  # of so many articles one is held out, elsewhere of two


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
    near_misses: tuple[str, ...] = ()


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
        near = () if q["answerable"] else tuple(q["near_miss_ids"])
        cases.append(Case(q["id"], q["question"], *gold, group, q["answerable"], "", near))
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
    return _eval_set(PRACTICE_ARTICLES if name == PRACTICE else data / name)


# -- hits -----------------------------------------------------------------------------------------


class Known:
    """The term statistics of a library, for the words of the questions, kept with the hits."""

    def __init__(self, count: int, frequencies: dict[str, int]) -> None:
        self._count, self._frequencies = count, frequencies

    def document_count(self) -> int:
        return self._count

    def document_frequency(self, word: str) -> int:
        return self._frequencies.get(word, 0)


def parser_for(description: str, out: Path) -> argparse.ArgumentParser:
    """What every training script takes: where the sets are, a cache, and what it writes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    for name in ("train", "data", "cache"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=out)
    return parser


@dataclass(frozen=True)
class Sources:
    """Where the sets lie, and where their hits are kept."""

    train: Path
    data: Path
    cache: Path


def ask_all(name: str, count: int, sources: Sources) -> tuple[Known, list[Asked]]:
    """At most so many questions of a set, at random, with their hits.

    Taken from the cache, or from a library made there. A cache made with another count is not used.
    """
    path = sources.cache / f"{name}-{count}.pickle"
    if not path.exists():
        articles, cases = _read(name, sources.train, sources.data)
        cases = random.Random(0).sample(cases, min(count, len(cases)))
        with Library(Settings(library=sources.cache / name)) as library:
            library.add(articles)
            found = [library.search(case.question, DEPTH) for case in cases]
            words = {word for case in cases for word in analyse(case.question).surface}
            frequencies = {word: library.statistics.document_frequency(word) for word in words}
            known = library.statistics.document_count(), frequencies
        path.write_bytes(pickle.dumps((known, cases, found)))
        print(f"{name}: {len(articles)} articles, {len(cases)} questions searched", flush=True)
    known, cases, found = pickle.loads(path.read_bytes())
    statistics = Known(*known)
    pairs = zip(cases, found, strict=True)
    asked = [Asked(c, h, selection.weigh(analyse(c.question), statistics)) for c, h in pairs if h]
    return statistics, asked


def is_held_out(name: str, case: Case) -> bool:
    """Whether nothing may be learned from the question, since figures are made from it."""
    parts = PARTS_HELD_OUT.get(name, 2)
    return name in HELD_OUT and hashlib.sha256(case.group.encode()).digest()[0] % parts == 1


def as_product(asked: Asked) -> Asked:
    """With the hits that the product would look at."""
    return replace(asked, hits=asked.hits[:PRODUCT])


def without_evidence(asked: Asked) -> Asked | None:
    """The question without the passages that answer it: unanswerable among what is near."""
    if not asked.case.answerable:
        return None
    rest = [hit for hit in asked.hits if not _holds_evidence(asked.case, hit)]
    case = replace(asked.case, answerable=False, answers=(), spans=(), articles=(), paragraph="")
    return replace(asked, case=case, hits=rest[:PRODUCT]) if rest else None


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
        each.labels = [label(each.case, candidate) for candidate in each.ranked]
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


def label(case: Case, candidate: Candidate) -> int:
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


def answers(case: Case, candidate: Candidate, label: int) -> bool:
    """Whether the sentence is right or holds an answer all the same."""
    return label == 1 or (case.answerable and _holds(candidate.text, case.answers))
