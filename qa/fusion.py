"""Fusing the rankings of several retrievers into one; pure arithmetic on ids and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Shingles = frozenset[tuple[str, ...]]

LEXICAL_WEIGHT = 0.5  # earned on the sets that eval/README.md names


def fuse(
    lexical: Mapping[str, float], dense: Mapping[str, float], best_lexical: float
) -> dict[str, float]:
    """One score for each id, from the raw scores that both legs gave to all of them.

    BM25 is divided by the best score the query could reach (``best_lexical``), which turns it into
    a share of the question that the passage covers; cosine is used as it is. That share stands for
    the cosine of a passage that is not embedded yet.
    """
    shares = {key: score / best_lexical for key, score in lexical.items()}
    return {
        key: LEXICAL_WEIGHT * shares.get(key, 0.0)
        + (1 - LEXICAL_WEIGHT) * dense.get(key, shares.get(key, 0.0))
        for key in {*lexical, *dense}
    }


def ranking(scores: Mapping[str, float]) -> list[str]:
    """Ids by falling score, ties by id so that the order is always the same."""
    return sorted(scores, key=lambda key: (-scores[key], key))


def containment(own: Shingles, others: Shingles) -> float:
    """Share of a text's shingles that are among those of another, 0 to 1."""
    return len(own & others) / len(own) if own else 0.0


def shingles(words: Sequence[str]) -> Shingles:
    """All runs of four words (Broder, 1997: resemblance and containment of documents)."""
    return frozenset(zip(words, words[1:], words[2:], words[3:], strict=False))
