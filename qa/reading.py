"""A small reader: which sentence of a text answers the question, or that none does.

MiniLM (the packaged model, its layers trained further by ``eval/training/reader.py``) reads the
question together with a text. Each token gets a score for being part of the answer, and the text
one for holding none; a span scores the log of the sum over its tokens, less the latter. The layers
are stored here as int8, one scale a row, and multiplied so where the processor does that exactly;
the word embeddings are the packaged model's own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qa import networks, packaged
from qa.errors import ModelError
from qa.networks import Network
from qa.types import Page

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from qa.networks import Array

WEIGHTS = "reader.safetensors"
SHA256 = "ce531e83707db0eee7ebd19a0eb13d722596d2981128572f9294b78f2cfea3fb"
QUESTION_TOKENS, TITLE_TOKENS, TEXT_TOKENS = 64, 32, 256
NOT_READ = -20.0  # log odds of a span of no token
SCALE = ".scale"


class MiniLMReader:
    """The reader that ships with this package. Loads at first use, needs no network.

    Safe to share between threads. Raises :class:`qa.errors.ModelError` where the packaged model or
    the weights are missing or damaged.
    """

    def __init__(self, weights: Path | None = None) -> None:
        self._weights = weights

    def read(self, question: str, pages: Sequence[Page]) -> list[list[float]]:
        """For each page the log odds of each of its spans: it answers, against no span does."""
        tokens, network = self._loaded
        parts = [
            (number, part)
            for number, page in enumerate(pages)
            for part in encode(tokens, question, page)
        ]
        odds = [[NOT_READ] * len(page.spans) for page in pages]
        found = network.run_each([inputs(part) for _, part in parts])
        for (number, part), (scores, nothing) in zip(parts, found, strict=True):
            for span, value in span_odds(scores[0], float(nothing[0]), part).items():
                odds[number][span] = max(odds[number][span], value)
        return odds

    @property
    def _loaded(self) -> tuple[Tokenizer, Network]:
        with _LOADING:
            return load(self._weights)


_LOADING = threading.Lock()


@lru_cache(maxsize=2)
def load(weights: Path | None) -> tuple[Tokenizer, Network]:
    """Kept for the whole process: several libraries share one reader."""
    folder = packaged.folder()
    packaged.verify(folder)
    path = weights or Path(str(files("qa").joinpath(WEIGHTS)))
    if not path.is_file() or (weights is None and packaged.sha256(path) != SHA256):
        raise ModelError(
            f"The reader's weights in {path} are missing or damaged (their sha256 differs). "
            "Install this package again."
        )
    stored, rest = networks.mapped(path), networks.tensors(folder)
    if networks.multiplies_bytes_exactly():
        network = Network(networks.shipped("reader-int8"), stored | rest)
    else:
        network = Network(networks.shipped("reader"), unpacked(stored) | rest)
    return networks.tokenizer(folder), network


def unpacked(stored: dict[str, Array]) -> dict[str, Array]:
    """Weights as numbers again: matrices are stored as int8, with a scale for each row."""
    import numpy as np

    return {
        name: value.astype(np.float32) * stored[name + SCALE][:, None]
        if name + SCALE in stored
        else value
        for name, value in stored.items()
        if not name.endswith(SCALE)
    }


# -- text to tokens -------------------------------------------------------------------------------


class Encoded(NamedTuple):
    """A page, or a part of it that fits. ``spans``: for each token of the text, the number of the
    span of the page that it is part of, -1 for none."""

    ids: list[int]
    second: int  # the first token that is not the question's
    text: int  # the first token of the text
    spans: list[int]


def encode(tokens: Tokenizer, question: str, page: Page) -> Iterator[Encoded]:
    """``[CLS] question [SEP] title [SEP] text [SEP]``, in parts where the text is too long.

    A part ends where a span ends; a span that is longer than a part is read in pieces.
    """
    asked = tokens.encode(question, add_special_tokens=False).ids[:QUESTION_TOKENS]
    title = tokens.encode(page.title, add_special_tokens=False).ids[:TITLE_TOKENS]
    cls, sep = special(tokens, "[CLS]"), special(tokens, "[SEP]")
    head = [cls, *asked, sep, *title, sep]
    encoded = tokens.encode(page.text, add_special_tokens=False)
    owner = _owners(encoded.offsets, page.spans)
    for start, end in _parts(owner):
        ids = [*head, *encoded.ids[start:end], sep]
        yield Encoded(ids, len(asked) + 2, len(head), owner[start:end])


def special(tokens: Tokenizer, name: str) -> int:
    """The id of a token that stands for no text; KeyError if the model has none of that name."""
    found = tokens.token_to_id(name)
    if found is None:
        raise KeyError(name)
    return found


def _owners(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[int]:
    owner, at = [], 0
    for start, _ in offsets:
        while at < len(spans) and spans[at][1] <= start:
            at += 1
        owner.append(at if at < len(spans) and spans[at][0] <= start else -1)
    return owner


def _parts(owner: Sequence[int]) -> Iterator[tuple[int, int]]:
    start = 0
    while len(owner) - start > TEXT_TOKENS:
        limit = start + TEXT_TOKENS
        ends = (at for at in range(limit, start, -1) if owner[at] != owner[at - 1])
        end = next(ends, limit)
        yield start, end
        start = end
    if start < len(owner):
        yield start, len(owner)


def inputs(part: Encoded) -> dict[str, Array]:
    """What the network reads: ids, which of the two texts, what is no padding; (1, tokens)."""
    import numpy as np

    made = networks.tokens(part.ids)
    kinds = np.arange(len(part.ids))[None] >= part.second
    return made | {"kinds": kinds.astype(np.int64)}


def span_odds(scores: Array, nothing: float, part: Encoded) -> dict[int, float]:
    """Log odds by the number of the span, from the scores of one part."""
    import numpy as np

    owner = np.array(part.spans)
    text = scores[part.text : part.text + len(part.spans)].astype(float)
    held = {span for span in part.spans if span >= 0}
    return {span: float(_logsumexp(text[owner == span]) - nothing) for span in sorted(held)}


def _logsumexp(values: Array) -> float:
    import numpy as np

    most = values.max()
    return float(most + np.log(np.exp(values - most).sum()))
