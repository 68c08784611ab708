"""Does this quote support this sentence? Rules first, then how much of it the quote says.

Pure, quick and for English; of another language it sees numbers, names and shared words. A sentence
is `unsupported` where a rule finds it at odds with its quotes (a number, date, name or quotation
they do not hold; a negation, comparison or rank turned round; a plan told as a fact) or where they
say too little of it, `partial` where they say a part, and else `supported`. Similarity of meaning
is only a weak vote: sentences that say the opposite are as similar as true paraphrases.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qa import times
from qa.questions import stem, words
from qa.related import is_common, kinship
from qa.support import facts, polarity
from qa.types import Quote, Support

SUPPORTED, PARTIAL = 0.65, 0.5  # least share of the sentence's content that the quotes say
CLOSEST = 0.9  # of what a quote says of a sentence, said by one sentence of it
MODEL_SHARE = 0.6  # of a configured model in the score; the rest is the rules'

Entailment = Callable[[str, str], float]  # probability that a quote entails a sentence


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check found. ``score``, 0 to 1, orders pairs; ``reason`` says what is at odds."""

    support: Support
    score: float
    reason: str = ""


def check(sentence: str, quotes: Sequence[Quote], entailment: Entailment | None = None) -> Verdict:
    """Judges a sentence by all its quotes together; ``unsupported`` where there are none."""
    said = _unframed(" ".join(sentence.split()))
    told = [" ".join(quote.text.split()) for quote in quotes]
    if not said or not told:
        return Verdict("unsupported", 0.0, "nothing is quoted")
    if any(_stands(said, quote) for quote in told):
        return Verdict("supported", 1.0)
    quote = " ".join(told)
    covered = coverage(said, quote)
    if entailment is not None:
        covered = MODEL_SHARE * entailment(said, quote) + (1 - MODEL_SHARE) * covered
    reason = at_odds(said, quote, quotes)
    if reason:
        return Verdict("unsupported", covered / 4, reason)
    if covered >= SUPPORTED:
        return Verdict("supported", covered)
    if covered >= PARTIAL:
        return Verdict("partial", covered, "the quote says only a part of it")
    return Verdict("unsupported", covered, "the quote says too little of it")


_FRAME = re.compile(
    r"(?:according to (?:the|an?|this|one|its) \w+(?: by [\w ]+)?, |(?:the|an?|this) "
    r"(?:article|report|story|source|passage|text|post|page|notice)s? "
    r"(?:says?|states?|notes?|reports?|adds?|explains?) that |it is (?:reported|said) that )",
    re.IGNORECASE,
)


def _stands(said: str, quote: str) -> bool:
    """Whether the sentence stands word for word in the quote, and nothing before it takes it back:
    "Nobody believes that the bridge is safe" does not say that the bridge is safe."""
    for wording in (said, said[:1].lower() + said[1:]):
        at = quote.find(wording)
        while at >= 0:
            whole = not _WORD_BEFORE.search(quote[:at]) and not _WORD_BEHIND.match(
                quote[at + len(wording) :]
            )
            lead = re.split(r"[.!?;]\s|[\n]", quote[:at])[-1]
            if whole and not polarity.takes_back(lead):
                return True
            at = quote.find(wording, at + 1)
    return False


_WORD_BEFORE = re.compile(r"[\w.,’'-]$")
_WORD_BEHIND = re.compile(r"\w|[.,]\d")


def _unframed(sentence: str) -> str:
    """Without "According to the article,", which speaks of the source and is no fact of it."""
    frame = _FRAME.match(sentence)
    if not frame:
        return sentence
    rest = sentence[frame.end() :]
    return rest[:1].upper() + rest[1:]


def coverage(sentence: str, quote: str) -> float:
    """The share, 0 to 1, of the sentence's content words that stand in the quote, or their kin."""
    own = facts.content(sentence)
    there = frozenset(stem(word) for word in words(quote))
    if not own:
        return 1.0 if set(words(sentence)) <= set(words(quote)) else 0.0
    return sum(kinship(word, there) for word in own) / len(own)


def at_odds(sentence: str, quote: str, quotes: Sequence[Quote] = ()) -> str:
    """What in the sentence the quote does not bear out, in words; empty where nothing is."""
    found = (
        _numbers(sentence, quote) or _dates(sentence, quote, quotes) or _quotations(sentence, quote)
    )
    if found:
        return found
    name = _strange_name(sentence, quote, quotes)
    if name:
        return f"“{name}” is not in the quote"
    closest = _closest(sentence, quote)
    for turned, words_for in (
        (polarity.denial, "only one of the two denies “{}”"),
        (polarity.turned, "“{}” is turned round"),
        (polarity.reversed_change, "“{}” is turned round"),
        (polarity.reordered, "“{}” stands in another place"),
        (polarity.unranked, "the quote does not say “{}”"),
        (polarity.hardened, "“{}” is expected, not told as a fact"),
    ):
        word = turned(sentence, closest)
        if word:
            return words_for.format(word)
    return ""


def _closest(sentence: str, quote: str) -> str:
    """The one sentence of a quote that says nearly all that the quote says of the sentence, since
    what another one denies is another matter; the whole quote where no single one does."""
    pieces = [piece for piece in re.split(r"(?<=[.!?])[\"”’]?\s+", quote) if piece]
    shares = [coverage(sentence, piece) for piece in pieces]
    best = max(range(len(pieces)), key=shares.__getitem__, default=0)
    near = len(pieces) > 1 and shares[best] >= CLOSEST * coverage(sentence, quote)
    return pieces[best] if near else quote


def _numbers(sentence: str, quote: str) -> str:
    there = facts.quantities(quote)
    for said in facts.quantities(sentence):
        if said.kind == "ordinal" and said.value == 1:
            continue  # "first": see polarity.unranked
        if not facts.tells_quantity(there, said):
            return f"the number {sentence[said.start : said.end].strip()} is not in the quote"
    return ""


def _meant(quotes: Sequence[Quote]) -> list[facts.Date]:
    """What "yesterday" or "last month" in a quote means, read against its article's date."""
    found = []
    for quote in quotes:
        for mention in times.mentions(quote.text, times.anchor_of(quote.article.published)):
            if mention.relative:
                first, last = mention.first, mention.last
                day = first.day if first == last else 0
                month = first.month if (first.year, first.month) == (last.year, last.month) else 0
                found.append(facts.Date(first.year, month, day))
    return found


def _dates(sentence: str, quote: str, quotes: Sequence[Quote]) -> str:
    told = facts.dates(sentence)
    strange = facts.weekdays(sentence) - facts.weekdays(quote)
    if strange and not facts.dates(quote):
        return f"“{min(strange).capitalize()}” is not in the quote"
    if not told:
        return ""
    there = (*facts.dates(quote), *_meant(quotes))
    counted = {found.value for found in facts.quantities(quote)}
    for said in told:
        as_number = said.year in counted and not said.month
        if not as_number and not facts.tells_date(there, said):
            return f"the date {facts.written(said)} is not in the quote"
    return ""


def _quotations(sentence: str, quote: str) -> str:
    there = " ".join(words(quote))
    for said in facts.quotations(sentence):
        if said not in there:
            return "the words in quotation marks are not in the quote"
    return ""


def _strange_name(sentence: str, quote: str, quotes: Sequence[Quote]) -> str:
    """The first name in the sentence that neither the quotes nor their titles hold."""
    there = {facts.folded(t) for t in re.findall(r"[\w.'’-]+", quote)}
    there |= {part for word in there for part in word.split("-")}
    titles = " ".join(each.article.title for each in quotes)
    there |= {facts.folded(t) for t in re.findall(r"[\w.'’-]+", titles)}
    stems = {stem(word) for word in there}
    for name in facts.names(sentence):
        parts = [part for part in name.split("-") if part and not facts.is_plain(part)]
        if name not in there and not all(
            part in there or stem(part) in stems or _akin(part, there) for part in parts
        ):
            return name
    for name in facts.openers(sentence):
        if name not in there and stem(name) not in stems and _is_name(name, quotes):
            return name
    return ""


def _akin(name: str, there: set[str]) -> bool:
    """Whether the quote has the name with another ending: German, Germany."""
    return any(_prefix(name, word) >= max(4, min(len(name), len(word)) - 2) for word in there)


def _prefix(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _is_name(word: str, quotes: Sequence[Quote]) -> bool:
    """Whether the articles write the word with a capital, and never without."""
    if is_common(stem(word)):
        return False
    texts = [quote.article.text for quote in quotes]
    upper = any(re.search(rf"\b{re.escape(word.capitalize())}\b", text) for text in texts)
    return upper and not any(re.search(rf"\b{re.escape(word)}\b", text) for text in texts)
