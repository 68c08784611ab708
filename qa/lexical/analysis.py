"""Words as they are indexed and asked for, the same in every lexical index.

Lower-cased, folded to ASCII and stemmed for English; Chinese and Japanese text by character,
numbers whole.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tantivy

_TOKEN = r"[\p{Han}\p{Hiragana}\p{Katakana}]|\p{N}+(?:[.,]\p{N}+)+|[\p{L}\p{M}\p{N}]+"
# Words that carry no subject; kept in the index, left out of questions.
STOP_WORDS = frozenset(
    "a about an and any are as at be been but by can could did do does for from had has have he "
    "her his how i if in into is it its me my of on or our she should so some tell than that the "
    "their them then there these they this those to us was we were what when where which who whom "
    "whose why will with would you your s t".split()
)


@lru_cache(maxsize=1)
def analyzer() -> tantivy.TextAnalyzer:
    """Turns a text into its terms with ``analyze``."""
    import tantivy

    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(_TOKEN))
    filters = (tantivy.Filter.lowercase(), tantivy.Filter.ascii_fold())
    for each in (tantivy.Filter.remove_long(80), *filters, tantivy.Filter.stemmer("english")):
        builder = builder.filter(each)
    return builder.build()


@lru_cache(maxsize=1)
def stemmed_stop_words() -> frozenset[str]:
    """The stop words as terms."""
    return frozenset(analyzer().analyze(" ".join(STOP_WORDS)))
