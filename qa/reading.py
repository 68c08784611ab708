"""A small reader: which sentence of a text answers the question, or that none does.

MiniLM (the packaged model, its layers trained further by ``eval/training/reader.py``) reads the
question together with a text. Each token gets a score for being part of the answer, and the text
one for holding none; a span scores the log of the sum over its tokens, less the latter. The layers
are stored here as int8, one scale a row; the word embeddings are the packaged model's own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qa import packaged
from qa.errors import ModelError
from qa.types import Page

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

WEIGHTS = "reader.safetensors"
SHA256 = "c5cefdb855c8fb2b6ddab39100f06f2a905c67e3d48b9af7aebf13b436a06749"
QUESTION_TOKENS, TITLE_TOKENS, TEXT_TOKENS = 64, 32, 256
BATCH = 5
NOT_READ = -20.0  # log odds of a span of no token
SCALE = ".scale"
ATTENTION = "eager"  # on two cores as fast as the fused one, and faster to train


class MiniLMReader:
    """The reader that ships with this package. Loads at first use, needs no network.

    Safe to share between threads. Raises :class:`qa.errors.ModelError` where the packaged model or
    the weights are missing or damaged.
    """

    def __init__(self, weights: Path | None = None) -> None:
        self._weights = weights

    def read(self, question: str, pages: Sequence[Page]) -> list[list[float]]:
        """For each page the log odds of each of its spans: it answers, against no span does."""
        import torch

        tokens, model = self._loaded
        parts = [
            (number, part)
            for number, page in enumerate(pages)
            for part in encode(tokens, question, page)
        ]
        odds = [[NOT_READ] * len(page.spans) for page in pages]
        parts.sort(key=lambda each: len(each[1].ids))
        for at in range(0, len(parts), BATCH):  # of about the same length, so that little is padded
            some = parts[at : at + BATCH]
            with torch.inference_mode():
                scores, nothing = model(*batch([part for _, part in some]))
            for row, (number, part) in enumerate(some):
                for span, value in span_odds(scores[row], nothing[row], part).items():
                    odds[number][span] = max(odds[number][span], value)
        return odds

    @property
    def _loaded(self) -> tuple[Tokenizer, torch.nn.Module]:
        with _LOADING:
            return load(self._weights)


_LOADING = threading.Lock()


@lru_cache(maxsize=2)
def load(weights: Path | None) -> tuple[Tokenizer, torch.nn.Module]:
    """Kept for the whole process: several libraries share one reader."""
    from safetensors.torch import load_file

    folder = packaged.folder()
    packaged.verify(folder)
    path = weights or Path(str(files("qa").joinpath(WEIGHTS)))
    if not path.is_file() or (weights is None and packaged.sha256(path) != SHA256):
        raise ModelError(
            f"The reader's weights in {path} are missing or damaged (their sha256 differs). "
            "Install this package again."
        )
    model = network(folder)
    model.load_state_dict(unpacked(load_file(path)), strict=False)
    return tokenizer(folder), model.eval()


# -- text to tokens -------------------------------------------------------------------------------


class Encoded(NamedTuple):
    """A page, or a part of it that fits. ``spans``: for each token of the text, the number of the
    span of the page that it is part of, -1 for none."""

    ids: list[int]
    second: int  # the first token that is not the question's
    text: int  # the first token of the text
    spans: list[int]


def tokenizer(folder: Path) -> Tokenizer:
    """The model's tokenizer, which neither cuts nor pads."""
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(folder / "tokenizer.json"))
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


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


def batch(parts: Sequence[Encoded]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Token ids, which of the two texts, and what is no padding: shapes (parts, tokens)."""
    import torch

    shape = len(parts), max(len(part.ids) for part in parts)
    ids, kinds, mask = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
    for row, part in enumerate(parts):
        size = len(part.ids)
        ids[row, :size] = torch.tensor(part.ids)
        kinds[row, part.second : size] = 1
        mask[row, :size] = 1
    return ids, kinds, mask


def span_odds(scores: torch.Tensor, nothing: torch.Tensor, part: Encoded) -> dict[int, float]:
    """Log odds by the number of the span, from the scores of one part."""
    import torch

    owner = torch.tensor(part.spans)
    text = scores[part.text : part.text + len(part.spans)]
    held = {span for span in part.spans if span >= 0}
    return {span: float(torch.logsumexp(text[owner == span], 0) - nothing) for span in sorted(held)}


# -- the network ----------------------------------------------------------------------------------


def network(folder: Path) -> torch.nn.Module:
    """MiniLM of that folder with two scores on top: answer (each token), nothing (the first)."""
    import torch
    from transformers import BertModel
    from transformers.utils import logging

    class Layers(BertModel):  # type: ignore[no-untyped-call]
        _keys_to_ignore_on_load_unexpected = [r"pooler", r"position_ids"]  # noqa: RUF012

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = Layers.from_pretrained(
                folder,
                add_pooling_layer=False,
                attn_implementation=ATTENTION,
                use_safetensors=True,
                local_files_only=True,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            )
            self.head = torch.nn.Linear(self.bert.config.hidden_size, 2)

        def forward(
            self, ids: torch.Tensor, kinds: torch.Tensor, mask: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor]:
            """Shapes (parts, tokens) each; gives (parts, tokens) and (parts,)."""
            states = self.bert(input_ids=ids, token_type_ids=kinds, attention_mask=mask)
            scores = self.head(states.last_hidden_state.float())
            return scores[..., 0], scores[:, 0, 1]

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return Network()


def packed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What is stored: matrices as int8 with one scale a row; no embeddings of words."""
    import torch

    stored = {}
    for name, value in state.items():
        if name.startswith("bert.embeddings"):
            continue
        if name.startswith("bert") and value.dim() == 2:
            scale = value.abs().amax(1).clamp_min(1e-9) / 127
            stored[name] = torch.round(value / scale[:, None]).to(torch.int8)
            stored[name + SCALE] = scale.float()
        else:
            stored[name] = value.float().contiguous()
    return stored


def unpacked(stored: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The reverse of :func:`packed`."""
    return {
        name: value.float() * stored[name + SCALE][:, None] if name + SCALE in stored else value
        for name, value in stored.items()
        if not name.endswith(SCALE)
    }
