"""What a reader must know to place a sentence in time: its source's date, what "Tuesday" was."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qa import questions, times
from qa.types import AnswerSentence, Citation

MOST = 3  # of one sentence
_CURRENT = re.compile(
    r"\b(?:now|currently|at present|so far|to date|until now|these days|at the moment|still)\b",
    re.IGNORECASE,
)


def asides(
    question: str, sentence: AnswerSentence, citations: Sequence[Citation]
) -> tuple[str, ...]:
    """Notes on a cited sentence, as a reader of another day needs them.

    Relative words that it shares with its quote are read against the day its source was published.
    The source's day is told where the question, or the sentence, is about the present.
    """
    cited = [citation for citation in citations if citation.number in sentence.citations]
    found = [note for citation in cited for note in _resolved(sentence.text, citation)]
    asked = questions.analyse(question)
    if asked.newest or (asked.present and not asked.period) or _CURRENT.search(sentence.text):
        published = [c.article.published for c in cited if c.article.published]
        found = [f"as of {_day(max(published))}", *found] if published else found
    return tuple(dict.fromkeys(found))[:MOST]


def _day(published: str) -> str:
    named = times.mentions(published, None)
    return times.written(named[0].first, named[0].last) if named else published


def _resolved(text: str, citation: Citation) -> list[str]:
    anchor = times.anchor_of(citation.article.published)
    if anchor is None:
        return []
    notes = []
    told = " ".join(text.split())
    for mention in times.mentions(citation.quote, anchor):
        words = " ".join(citation.quote[mention.start : mention.end].split())
        place = told.lower().find(words.lower())
        if mention.relative and place >= 0:
            words = told[place : place + len(words)]
            meant = times.written(mention.first, mention.last)
            # Of "9 November" only the year was missing; "Tuesday" is another way to say it.
            notes.append(meant if words in meant else f"“{words}”: {meant}")
    return notes
