"""Does this quote support this sentence? Pure rules; nothing here asks a model."""

from __future__ import annotations

from collections.abc import Sequence

from qa.types import Quote, Support


def check(sentence: str, quotes: Sequence[Quote]) -> Support:
    """``supported`` where the sentence stands word for word in one of its quotes.

    White space aside, which a page or a PDF may have broken. A sentence in other words than its
    source is not taken on trust: ``unsupported``.
    """
    words = " ".join(sentence.split())
    stands = any(words in " ".join(quote.text.split()) for quote in quotes)
    return "supported" if words and stands else "unsupported"
