"""Article -> passages: whole sentences packed under the embedding model's own token limit.

Boundaries depend on the words around them and not on how far they are from the article's start, so
that an edited paragraph moves the passages it touches and leaves the others, and their cached
embeddings, alone.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from qa import sentences
from qa.protocols import Embedder
from qa.sentences import Unit
from qa.types import Article, Passage

REACH = 0.35  # share of a passage's room between two cuts, at least
TITLE_SHARE = 0.25  # of the passage's tokens, at most, for title and heading together
PASSAGE_TOKENS = 256  # a model that reads more still gets passages that a person can survey


_Key = tuple[bool, bytes]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A unit, or a part of one that is longer than a passage, with its length in tokens."""

    start: int
    end: int
    tokens: int
    block: int


def split_article(article: Article, embedder: Embedder) -> list[Passage]:
    """All passages of an article in reading order; empty where it holds nothing but scraps.

    Each satisfies ``article.text[start:end] == text``, and ``embedding_text`` of each fits into
    ``embedder.max_tokens``.
    """
    spans: list[tuple[int, int, str]] = []
    for heading, units in _sections(article):
        spans.extend(
            (start, end, heading) for start, end in _pack(article, heading, units, embedder)
        )
    seen: dict[str, int] = {}
    passages = []
    for start, end, heading in spans:
        text = article.text[start:end]
        seen[text] = seen.get(text, 0) + 1
        name = f"{article.id}\0{heading}\0{text}\0{seen[text]}"
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        passages.append(Passage(digest, article.id, start, end, text, heading))
    return passages


def embedding_text(title: str, passage: Passage, embedder: Embedder) -> str:
    """What is embedded for a passage: title and heading above its text, the title cut if long."""
    return f"{_prefix(title, passage.heading, embedder)}{passage.text}"


def token_limit(embedder: Embedder) -> int:
    """Tokens of a passage with its prefix, at most; never more than the model reads."""
    return min(PASSAGE_TOKENS, embedder.max_tokens)


def _prefix(title: str, heading: str, embedder: Embedder) -> str:
    lines = list(dict.fromkeys(line for line in (title.strip(), heading.strip()) if line))
    prefix = "\n".join(lines) + "\n" if lines else ""
    limit = int(token_limit(embedder) * TITLE_SHARE)
    words = prefix.split()
    while words and embedder.count_tokens([prefix])[0] > limit:
        words = words[: len(words) * 3 // 4]
        prefix = " ".join(words) + "\n" if words else ""
    return prefix


def _sections(article: Article) -> Iterator[tuple[str, list[Unit]]]:
    """Runs of units under one heading, without scraps; headings alone are no section."""
    heading, run = "", list[Unit]()
    for unit in sentences.split(article.text, article.language):
        if unit.kind == "scrap" or (unit.kind == "heading" and _has_body(run)):
            if _has_body(run):
                yield heading, run
            run = []
        if unit.kind == "heading":
            heading = sentences.heading_text(article.text[unit.start : unit.end])
        if unit.kind != "scrap":
            run.append(unit)
    if _has_body(run):
        yield heading, run


def _has_body(units: Sequence[Unit]) -> bool:
    return any(unit.kind != "heading" for unit in units)


def _pack(
    article: Article, heading: str, units: Sequence[Unit], embedder: Embedder
) -> list[tuple[int, int]]:
    """Spans of whole sentences, each with its prefix within the model's limit."""
    prefix = _prefix(article.title, heading, embedder)
    room = token_limit(embedder) - embedder.count_tokens([prefix])[0]
    pieces = _pieces(article.text, units, room, embedder)
    spans = []
    for group in _groups(article.text, pieces, room):
        left = list(group)
        while left:
            count = len(left)
            # Token counts need not add up exactly in every tokenizer: count the whole, too.
            while count > 1 and not _fits(article.text, left[:count], prefix, embedder):
                count -= 1
            spans.append((left[0].start, left[count - 1].end))
            left = left[count:]
    return spans


def _fits(text: str, pieces: Sequence[_Piece], prefix: str, embedder: Embedder) -> bool:
    whole = prefix + text[pieces[0].start : pieces[-1].end]
    return embedder.count_tokens([whole])[0] <= token_limit(embedder)


def _groups(text: str, pieces: Sequence[_Piece], room: int) -> Iterator[Sequence[_Piece]]:
    """Runs of pieces of at most ``room`` tokens each.

    Content-defined chunking by local minima: a boundary is a cut where its key is the smallest
    within ``reach`` tokens on both sides, so that an edit can only move the cuts near it.
    """
    starts = [0, *accumulate(piece.tokens for piece in pieces)]
    total, reach = starts[-1], room * REACH
    keys = [_key(text, pieces, n) for n in range(len(pieces))]
    cuts = [0]
    for n in range(1, len(pieces)) if total > room else ():
        first = bisect_left(starts, starts[n] - reach, 1)
        last = bisect_right(starts, starts[n] + reach, 1, len(pieces))
        inside = starts[n] >= reach and total - starts[n] >= reach
        if inside and keys[n] == min(keys[first:last]):
            cuts.append(n)
    for begin, end in pairwise([*cuts, len(pieces)]):
        yield from (pieces[a:b] for a, b in _divide(begin, end, starts, keys, room))


def _divide(
    begin: int, end: int, starts: Sequence[int], keys: Sequence[_Key], room: int
) -> Iterator[tuple[int, int]]:
    """Divides a run of pieces that is too long, again at the smallest key, until all parts fit."""
    if starts[end] - starts[begin] <= room or end - begin <= 1:
        if end > begin:
            yield begin, end
        return
    low, high = starts[begin] + room * REACH, starts[end] - room * REACH
    good = [n for n in range(begin + 1, end) if low <= starts[n] <= high]
    middle = (starts[begin] + starts[end]) / 2
    central = min(range(begin + 1, end), key=lambda n: abs(starts[n] - middle))
    cut = min(good, key=lambda n: keys[n], default=central)
    yield from _divide(begin, cut, starts, keys, room)
    yield from _divide(cut, end, starts, keys, room)


def _key(text: str, pieces: Sequence[_Piece], number: int) -> _Key:
    """Orders the boundaries before pieces: paragraphs first, then by the words that follow."""
    piece = pieces[number]
    inner = number > 0 and pieces[number - 1].block == piece.block
    words = text[piece.start : piece.end].encode("utf-8", "surrogatepass")
    return inner, hashlib.blake2b(words, digest_size=8).digest()


def _pieces(text: str, units: Sequence[Unit], room: int, embedder: Embedder) -> list[_Piece]:
    overhead = embedder.count_tokens([""])[0]
    counts = embedder.count_tokens([text[unit.start : unit.end] for unit in units])
    pieces = []
    for unit, count in zip(units, counts, strict=True):
        if count - overhead <= room:
            pieces.append(_Piece(unit.start, unit.end, count - overhead, unit.block))
        else:
            pieces.extend(_break(text, unit, room, embedder))
    return pieces


def _break(text: str, unit: Unit, room: int, embedder: Embedder) -> Iterator[_Piece]:
    """Parts of a sentence that is longer than a whole passage, cut at commas, then at words."""
    from llama_index.core.node_parser import SentenceSplitter

    overhead = embedder.count_tokens([""])[0]
    splitter = SentenceSplitter(
        chunk_size=max(1, room),
        chunk_overlap=0,
        tokenizer=lambda part: range(embedder.count_tokens([part])[0] - overhead),
        chunking_tokenizer_fn=lambda part: [part],
    )
    position = unit.start
    for part in splitter.split_text(text[unit.start : unit.end]):
        # The splitter gives words, not places: each part is looked for behind the one before it.
        start = text.index(part, position, unit.end)
        position = start + len(part)
        yield _Piece(start, position, embedder.count_tokens([part])[0] - overhead, unit.block)
