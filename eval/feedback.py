"""What readers thought of answers in the chat, as a question set of our own format.

A thumb up makes the cited words gold, or says that a refusal was right; "should have refused" says
that the articles do not hold an answer. Of all else nobody has said what would be right, so it is
left out, with the reason: a question without gold would count as answered wrong whatever is said.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from eval.types import Record
from qa.errors import InputError
from qa.library import Library
from qa.types import Article
from qa.web.keeping import Conversations, Kept

UNFINISHED = "the answer was not finished"
FILTERED = "asked under filters, which a question set does not have"
NO_GOLD = "a thumb down ({}) does not say what would be right"
UNCITED = "the answer cites nothing"
CHANGED = "the cited words are not in the library any more"
OLDER = "rated again later"

Articles = Callable[[Iterable[str]], Mapping[str, Article]]


@dataclass(frozen=True, slots=True)
class Rated:
    """A rated exchange, and those before it in its conversation."""

    kept: Kept
    before: Sequence[Kept] = ()

    @property
    def history(self) -> list[Record]:
        """The answered questions before it, as messages."""
        pairs = [(kept.question, kept.record["text"]) for kept in self.before if kept.record]
        return [
            {"role": role, "content": content}
            for pair in pairs
            for role, content in zip(("user", "assistant"), pair, strict=True)
        ]

    @property
    def id(self) -> str:
        """The same for the same question after the same questions, blanks and case aside."""
        asked = [*(m["content"] for m in self.history if m["role"] == "user"), self.kept.question]
        words = json.dumps([" ".join(text.split()).casefold() for text in asked])
        return f"feedback-{hashlib.sha256(words.encode()).hexdigest()[:12]}"


def read(library: Path) -> tuple[list[Record], Counter[str]]:
    """The questions that readers of a library rated, and how many ratings were left out, and why.

    Raises LibraryError where there is no library, and InputError where nothing is left.
    """
    with Library.open(library) as opened:
        opened.span()  # says so where there is no library
        with closing(Conversations(library)) as kept:
            rated = [Rated(each, kept.before(each.key)) for _, each in kept.rated()]
        questions, left_out = made(rated, opened.articles_by_id)
    if not questions:
        why = "; ".join(told(left_out)) or "nobody has rated one"
        raise InputError(f"{library} has no rated answer to make a question of: {why}.")
    return questions, left_out


def made(rated: Iterable[Rated], articles: Articles) -> tuple[list[Record], Counter[str]]:
    """The questions of ratings, oldest first, and how many were left out, by reason.

    ``articles`` gives those of some ids that there are. Of a question that was rated several times
    the last rating counts, also where it is left out.
    """
    left_out: Counter[str] = Counter()
    latest: dict[str, Rated] = {}
    for each in rated:
        if each.kept.filters:  # asked of some articles, it is another question
            left_out[FILTERED] += 1
            continue
        left_out[OLDER] += latest.pop(each.id, None) is not None
        latest[each.id] = each
    questions: list[Record] = []
    for each in latest.values():
        gold = _gold(each.kept, articles)
        if isinstance(gold, str):
            left_out[gold] += 1
        else:
            more = {"history": each.history} if each.history else {}
            questions.append({"id": each.id, "question": each.kept.question, **gold, **more})
    return questions, +left_out


def told(left_out: Mapping[str, int]) -> list[str]:
    """What was left out, in words."""
    return [f"{count} left out: {reason}" for reason, count in left_out.items()]


def lines(questions: Iterable[Record]) -> str:
    """The questions as JSON Lines."""
    # As ASCII where need be: half a surrogate pair can stand in JSON as an escape only.
    return "".join(f"{_line(question)}\n" for question in questions)


def _line(question: Record) -> str:
    line = json.dumps(question, ensure_ascii=False)
    return line if line.encode("utf-8", "replace").decode() == line else json.dumps(question)


def _gold(kept: Kept, articles: Articles) -> Record | str:
    """What a rating says about its question, or why it says nothing."""
    if not kept.record:
        return UNFINISHED
    if not kept.liked:
        refuse = kept.reason == "should_refuse"
        no_gold = NO_GOLD.format(kept.reason.replace("_", " ") or "no reason")
        return {"type": "feedback-down", "answerable": False} if refuse else no_gold
    if kept.state != "answered":
        return UNFINISHED
    if kept.record["status"] == "abstained":
        return {"type": "feedback-up", "answerable": False}
    return _evidence(kept.record, articles)


def _evidence(record: Record, articles: Articles) -> Record | str:
    """The cited articles and words as gold, if they are still there."""
    cited = [(each["article_id"], each["quote"]) for each in record["citations"]]
    known = articles({key for key, _ in cited})
    if not cited:
        return UNCITED
    if any(key not in known or quote not in known[key].text for key, quote in cited):
        return CHANGED
    return {
        "type": "feedback-up",
        "answerable": True,
        "evidence_ids": list(dict.fromkeys(key for key, _ in cited)),
        "evidence_spans": list(dict.fromkeys(quote for _, quote in cited)),
    }
