"""Conversations as Markdown and as JSON, to take away; pure functions.

Whatever stands in an article, a question or an answer is text in the Markdown, too: it becomes no
link, image, heading, markup or definition when it is rendered, by CommonMark or by GitHub's dialect
(which finds e-mail addresses in any text). The one exception are the addresses of the articles.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from qa.contract import Record
from qa.types import ABSTENTION
from qa.web.keeping import Kept
from qa.web.links import safe_link

_SUPPORT = {
    "partial": "partly supported by the words it cites",
    "unsupported": "not supported by the articles",
}
_UNFINISHED = {
    "asked": "No answer came.",
    "stopped": "The answer was stopped.",
    "failed": "The question could not be answered.",
}
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# Marks of Markdown and its dialects; what begins a list, a rule or a definition at the beginning of
# a line; and what makes an address of "http://a.b" and of "a.b", but not of "10:30" and "4.2".
_MARKS = re.compile(
    r"""[&<>] | [\\`*_{}\[\]#|~$^=@] | ^[-+:] | ^\d{1,9}[.)]
    | (?<=[^\W\d_]):(?=\S) | (?<=\w)\.(?=[^\W\d_]) | (?<=[^\W\d_])\.(?=\w)""",
    re.VERBOSE,
)
# Letters that reach beyond the text they stand in: beginnings and ends of a direction of writing.
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NO_PART_OF_A_LINK = frozenset("<>\"'`\\^{|}")


def markdown(exchanges: Sequence[Kept]) -> str:
    """A conversation to read: questions as headings, answers, sources with the words cited."""
    return "\n".join(_joined(_exchange(kept)) for kept in exchanges)


def answer_markdown(record: Record) -> str:
    """One answer with its sources, of what :func:`qa.contract.of_answer` made."""
    return _joined(_answer(record))


def as_json(exchanges: Sequence[Kept], exported: str) -> str:
    """A conversation for programs; ``exported`` says when, in ISO 8601. Can be written as UTF-8."""
    record = {"exported": exported, "exchanges": [_record(kept) for kept in exchanges]}
    text = json.dumps(record, ensure_ascii=False, indent=2)
    # Half a surrogate pair can stand in JSON as an escape only.
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text) + "\n"


def _record(kept: Kept) -> Record:
    rated = {"liked": kept.liked, "reason": kept.reason, "comment": kept.comment}
    return {
        "question": kept.question,
        "asked": kept.asked,
        "state": kept.state,
        "problem": kept.problem,
        "filters": dict(kept.filters),
        "answer": kept.record,
        "feedback": None if kept.liked is None else rated,
    }


def _joined(blocks: Iterable[str]) -> str:
    return "\n\n".join(blocks) + "\n"


def _exchange(kept: Kept) -> list[str]:
    """The blocks of one exchange."""
    asked = f"Asked {kept.asked.replace('T', ' ').replace('Z', ' UTC')}"
    scope = f". {_scope(kept.filters)}" if kept.filters else ""
    blocks = [f"## {_text(kept.question) or 'No question'}", f"*{_text(asked)}{scope}*"]
    if kept.record and "answered" in (kept.state, kept.record["status"]):
        blocks += _answer(kept.record)  # what was stopped before its first sentence is no refusal
    if kept.state != "answered":
        blocks.append(f"*{_text(kept.problem) or _UNFINISHED[kept.state]}*")
    return blocks


def _scope(filters: Mapping[str, Any]) -> str:
    """What the question was restricted to, in words."""
    ids = filters.get("article_ids") or ()
    words = [" or ".join(_text(each) for each in filters.get("publishers") or ())]
    words += [f"{word} {_text(filters[word])}" for word in ("after", "before") if filters.get(word)]
    words += [f"{len(ids)} chosen article{'' if len(ids) == 1 else 's'}"] if ids else []
    return f"Only: {', '.join(filter(None, words))}"


def _answer(record: Record) -> list[str]:
    """The blocks of an answer: its text, what to know about it, its sources."""
    if record["status"] == "abstained":
        return [ABSTENTION, *_notes(record)]
    sources = [block for citation in record["citations"] for block in _source(citation)]
    text = " ".join(_sentence(sentence) for sentence in record["sentences"])
    blocks = [text, *map(_disagreement, record["disagreements"]), *_notes(record)]
    return [*filter(None, blocks), *(["**Sources**", *sources] if sources else [])]


def _sentence(sentence: Record) -> str:
    remarks = [_text(aside) for aside in sentence["asides"]]
    if sentence["support"] in _SUPPORT:
        reason = _text(sentence["reason"])
        remarks.append(_SUPPORT[sentence["support"]] + (f": {reason}" if reason else ""))
    remark = f"({'; '.join(remarks)})" if remarks else ""
    # Blanks between all of them: "[1](" and "[1][" would be links.
    parts = (_text(sentence["text"]), _markers(sentence["citations"]), remark)
    return " ".join(filter(None, parts))


def _disagreement(sides: Sequence[Record]) -> str:
    lines = (f"- {_text(side['value'])} {_markers(side['citations'])}" for side in sides)
    return "\n".join(["The articles differ:", "", *lines])


def _notes(record: Record) -> list[str]:
    return [f"Note: {_text(note)}" for note in record["notes"]]


def _source(citation: Record) -> list[str]:
    """A citation's number, article and words."""
    link = _link(citation["url"])
    about = [citation["title"].strip() or "Untitled", citation["publisher"], citation["author"]]
    words = [_text(part) for part in (*about, citation["published"] or "date unknown") if part]
    place = ", ".join(words) + (f", <{link}>" if link else "")
    return [f"{_markers([citation['number']])} {place}", f"> {_text(citation['quote'])}"]


def _markers(numbers: Iterable[int]) -> str:
    """``[1] [2]``: no links, since no text can hold a definition of them."""
    return " ".join(f"[{int(number)}]" for number in numbers)


def _link(url: str | None) -> str:
    """A safe address that nothing can break out of, or nothing."""
    return "".join(
        quote(letter, safe="", errors="replace")
        if letter in _NO_PART_OF_A_LINK or unicodedata.category(letter)[0] == "C"
        else letter
        for letter in safe_link(url)
    )


def _text(value: object) -> str:
    """Text in one line that Markdown shows as it is, but for what cannot be seen."""
    seen = "".join(c for c in str(value) if c.isspace() or _is_seen(c))
    return _MARKS.sub(lambda mark: _escaped(mark[0]), " ".join(seen.split()))


def _is_seen(letter: str) -> bool:
    return letter not in _DIRECTIONS and unicodedata.category(letter) not in {"Cc", "Cs"}


def _escaped(mark: str) -> str:
    """``mark`` is one character, or a number with what makes it the number of a list."""
    return _ENTITIES.get(mark) or f"{mark[:-1]}\\{mark[-1]}"
