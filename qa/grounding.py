"""Which words of a passage bear a sentence out: the smallest run of whole sentences that does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from qa import support
from qa.sentences import Unit, split
from qa.support import Entailment, Verdict
from qa.types import Quote

LONGEST_RUN = 3  # sentences; what needs more is told by the passage at large, not by words in it
LOOKED_AT = 6  # places of a passage, by what they share with the sentence

Grounded = tuple[Verdict, tuple[Quote, ...]]


def ground(
    sentence: str, quotes: Sequence[Quote], entailment: Entailment | None = None
) -> Grounded:
    """The verdict on a sentence, and of each quote the least that bears it out.

    A quote that adds nothing is left out. Where no single one supports the sentence, all together
    may: then each gives its best run. Unsupported: no quotes.
    """
    best = [_best_run(sentence, quote, entailment) for quote in quotes]
    alone = [judged for judged in best if judged[0].support == "supported"]
    if alone:
        return max(alone, key=_rank)[0], tuple(run for _, run in alone)
    if len(best) > 1:
        runs = tuple(run for _, run in best)
        joint = support.check(sentence, runs, entailment)
        if joint.support == "supported":
            return joint, runs
    verdict, run = max(best, key=_rank, default=(support.check(sentence, ()), None))
    return verdict, () if verdict.support == "unsupported" or run is None else (run,)


def adopt(sentence: str, quotes: Iterable[Quote], entailment: Entailment | None = None) -> Grounded:
    """A citation for a sentence that names none: the words that wholly support it, or nothing."""
    runs = [_best_run(sentence, quote, entailment) for quote in quotes]
    found = [(verdict, quote) for verdict, quote in runs if verdict.support == "supported"]
    if not found:
        return Verdict("unsupported", 0.0, "no source bears it out"), ()
    verdict, quote = max(found, key=lambda each: each[0].score)
    return verdict, (quote,)


def _best_run(sentence: str, quote: Quote, entailment: Entailment | None) -> tuple[Verdict, Quote]:
    """The shortest run of sentences in a quote with the best verdict, and that verdict."""
    if sentence.strip() == quote.text.strip():
        return Verdict("supported", 1.0), quote
    judged = [(support.check(sentence, (run,), entailment), run) for run in _runs(sentence, quote)]
    if not judged:
        return support.check(sentence, (quote,), entailment), quote
    return max(judged, key=_rank)


def _rank(judged: tuple[Verdict, Quote]) -> tuple[int, float]:
    """Of runs that support a sentence the shortest is best, of others the one that says most."""
    verdict, run = judged
    if verdict.support == "supported":
        return 2, -len(run.text)
    return (1 if verdict.support == "partial" else 0), verdict.score


def _runs(sentence: str, quote: Quote) -> Iterator[Quote]:
    """Runs of one to three sentences around the places that share most with the sentence."""
    text = quote.text
    units = [unit for unit in _units(text, quote.article.language) if unit.kind != "scrap"]
    shared = [support.coverage(sentence, text[unit.start : unit.end]) for unit in units]
    near = sorted(range(len(units)), key=lambda at: -shared[at])[:LOOKED_AT]
    for length in range(1, LONGEST_RUN + 1):
        firsts = {at - back for at in near for back in range(length)}
        for first in sorted(firsts):
            last = first + length - 1
            if first >= 0 and last < len(units):
                yield Quote(
                    quote.article, quote.start + units[first].start, quote.start + units[last].end
                )


@lru_cache(maxsize=1 << 8)
def _units(text: str, language: str | None) -> tuple[Unit, ...]:
    return tuple(split(text, language))
