"""Trains ``qa/reader.safetensors``: which sentence of a passage answers, or that none does.

    python -m eval.training.reader --train ../shared/train --data ../shared/data --cache DIR

For each question: a passage that answers it, and the best found that do not. Two losses, added: in
each passage, the answer's tokens against all other tokens and against "nothing here"; over the
passages of a question, the answer's tokens against all others (Clark and Gardner's shared
normalisation, arXiv 1710.10723). Words of the question are hidden at random, since questions
written beside a text share more words with it than real ones do.

The committed weights are a mean (``--mean``; arXiv 1803.05407) of those after five legs, each going
on from what the earlier ones gave (``--start``, one epoch, rates about 1.2e-4, five times that for
the head): two over all sets and the first 390 practice articles (shares 0.03 each), one on the next
180 (0.06), one on the next 336 (0.28), one on the last 312 (0.6), the later ones with about as many
questions drawn from what went before. Means find more in articles of which nothing was learned than
their parts; which, was chosen on held-out practice, ``squad2-halfdev`` and ``clapnq-dev``.

Layers and gradients are bfloat16, the weights that add up small steps single precision. About 50
minutes on two cores that multiply bfloat16 themselves, several hours on others. With glibc, ask it
not to give memory back: ``MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000``.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch.nn import functional

from eval.training.network import Reader, packed, unpacked
from eval.training.sets import PRACTICE, Asked, Sources, ask_all, is_held_out, label, parser_for
from qa import networks, packaged, selection
from qa.reading import Encoded, encode, special
from qa.selection import Candidate
from qa.types import Hit

ALL = 10_000
# Questions taken at most from each set, after those of held-out articles are gone.
SETS = {
    "squad-train": 3000,
    "squad2-halfdev": 2400,
    "qed-dev": ALL,
    "selqa": ALL,
    "tsqa-wiki": ALL,
    "clapnq-dev": ALL,
    PRACTICE: ALL,
}
RIGHT, WRONG = 1, 2  # passages of each question; an unanswerable one has wrong ones only
HIDDEN_QUESTIONS, HIDDEN_WORDS = 0.5, 0.2
BATCH_TOKENS, PARTS = 4500, 2
HEAD_RATE, DECAY, WARM_UP, LONGEST_STEP = 5.0, 0.01, 0.04, 1.0
RANKING = 0.5  # the share of the second loss
OPEN = -1  # a token that neither loss looks at


class Sheet(NamedTuple):
    """An encoded passage. ``gold``: per token 1 answer, 0 not, -1 does not count."""

    ids: list[int]
    second: int
    gold: list[int]


@dataclass(frozen=True)
class Group:
    """A question's passages."""

    sheets: list[Sheet]

    @property
    def longest(self) -> int:
        """Tokens of the longest."""
        return max(len(sheet.ids) for sheet in self.sheets)

    @property
    def tokens(self) -> int:
        """Of all."""
        return sum(len(sheet.ids) for sheet in self.sheets)


# -- questions to groups --------------------------------------------------------------------------


def group_of(asked: Asked, tokens: Tokenizer) -> Group | None:
    """None where no hit answers an answerable question, or where every hit may."""
    right: list[Sheet] = []
    wrong: list[Sheet] = []
    near = asked.case.near_misses
    for hit in asked.hits:
        if near and hit.article.id not in near:
            continue  # nobody has looked whether it answers
        labels = _labels(asked, hit)
        sheets = list(_sheets(asked, hit, labels, tokens))
        right += (sheet for sheet in sheets if 1 in sheet.gold)
        if OPEN not in labels:
            wrong += (sheet for sheet in sheets if 1 not in sheet.gold and 0 in sheet.gold)
    if asked.case.answerable and not right:
        return None
    return Group(right[:RIGHT] + wrong[:WRONG]) if right or wrong else None


def _labels(asked: Asked, hit: Hit) -> list[int]:
    places = selection.places_of(hit, 0)
    return [label(asked.case, Candidate(hit, p.start, p.end, 0.0)) for p in places]


def _sheets(asked: Asked, hit: Hit, labels: Sequence[int], tokens: Tokenizer) -> Iterator[Sheet]:
    for part in encode(tokens, asked.case.question, selection.page(hit)):
        marks = [labels[span] if span >= 0 else OPEN for span in part.spans]
        gold = [OPEN] * part.text + marks + [OPEN]
        yield Sheet(part.ids, part.second, _narrowed(gold, part, asked.case.answers, tokens))


def _narrowed(
    gold: list[int], part: Encoded, answers: Sequence[str], tokens: Tokenizer
) -> list[int]:
    """In right sentences that hold the answer, its tokens alone; the others there do not count."""
    right: set[int] = set()
    for answer in answers if 1 in gold else ():
        ids = tokens.encode(answer, add_special_tokens=False).ids
        for at in range(len(gold) - len(ids) + 1 if ids else 0):
            if gold[at] == 1 and part.ids[at : at + len(ids)] == ids:
                right |= {*range(at, at + len(ids))}
    owner = [OPEN] * part.text + part.spans + [OPEN]
    held = {owner[at] for at in right}
    return [
        int(at in right) or OPEN if mark == 1 and owner[at] in held else mark
        for at, mark in enumerate(gold)
    ]


# -- batches and losses ---------------------------------------------------------------------------


class Batch(NamedTuple):
    """The sheets of some groups: shapes (sheets, tokens), and the group of each sheet."""

    ids: torch.Tensor
    kinds: torch.Tensor
    mask: torch.Tensor
    gold: torch.Tensor
    group: torch.Tensor


def batches(groups: Sequence[Group], chance: random.Random) -> list[list[Group]]:
    """Groups of about the same length together, in random order."""
    made: list[list[Group]] = [[]]
    for group in sorted(groups, key=lambda g: g.longest * (1 + 0.15 * chance.random())):
        if made[-1] and sum(g.tokens for g in made[-1]) + group.tokens > BATCH_TOKENS:
            made.append([])
        made[-1].append(group)
    chance.shuffle(made)
    return made


def collate(groups: Sequence[Group], mask_id: int, chance: random.Random) -> Batch:
    """Padded; in half of the groups some words of the question are hidden."""
    sheets = [sheet for group in groups for sheet in group.sheets]
    shape = len(sheets), max(len(sheet.ids) for sheet in sheets)
    ids, kinds, mask = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
    gold = torch.full(shape, OPEN)
    for row, sheet in enumerate(sheets):
        size = len(sheet.ids)
        ids[row, :size] = torch.tensor(sheet.ids)
        kinds[row, sheet.second : size] = 1
        mask[row, :size] = 1
        gold[row, :size] = torch.tensor(sheet.gold)
    of = torch.tensor([number for number, g in enumerate(groups) for _ in g.sheets])
    for number, group in enumerate(groups):
        if chance.random() < HIDDEN_QUESTIONS:
            asked = range(1, group.sheets[0].second - 1)
            hidden = [at for at in asked if chance.random() < HIDDEN_WORDS]
            ids[(of == number).nonzero(), torch.tensor(hidden, dtype=torch.long)] = mask_id
    return Batch(ids, kinds, mask, gold, of)


def forward(model: torch.nn.Module, made: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """The scores of all sheets; the shorter ones apart from the longer, to pad less."""
    order = made.mask.sum(1).argsort()
    width = made.ids.shape[1]
    found = []
    for rows in order.chunk(PARTS):
        size = int(made.mask[rows].sum(1).max())
        inputs = (tensor[rows, :size] for tensor in (made.ids, made.kinds, made.mask))
        scores, nothing = model(*inputs)
        found.append((functional.pad(scores, (0, width - size)), nothing))
    back = order.argsort()
    return torch.cat([s for s, _ in found])[back], torch.cat([n for _, n in found])[back]


def loss_of(scores: torch.Tensor, nothing: torch.Tensor, made: Batch) -> torch.Tensor:
    """Both losses, each the mean over its sheets or groups."""
    low = torch.tensor(-1e4)
    counted = torch.where(made.gold >= 0, scores, low)
    right = torch.where(made.gold == 1, scores, low)
    answers = (made.gold == 1).any(1)
    over = torch.logsumexp(torch.cat([counted, nothing[:, None]], 1), 1)
    page = (over - torch.where(answers, torch.logsumexp(right, 1), nothing)).mean()
    ranked = []
    for number in sorted({*made.group[answers].tolist()}):
        rows = made.group == number
        most = torch.logsumexp(counted[rows].flatten(), 0)
        ranked.append(most - torch.logsumexp(right[rows].flatten(), 0))
    return page + RANKING * torch.stack(ranked).mean() if ranked else page


# -- training -------------------------------------------------------------------------------------


class Masters:
    """Single-precision copies of a bfloat16 model's weights, where small steps are not lost."""

    def __init__(self, model: torch.nn.Module, rate: float) -> None:
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        self._model = [p for _, p in named]
        self._own = [p.detach().float().clone().requires_grad_() for p in self._model]
        of = list(zip([name for name, _ in named], self._own, strict=True))
        matrices = [p for name, p in of if name.startswith("bert") and p.dim() > 1]
        vectors = [p for name, p in of if name.startswith("bert") and p.dim() == 1]
        head = [p for name, p in of if name.startswith("head")]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": matrices, "lr": rate, "weight_decay": DECAY},
                {"params": vectors, "lr": rate, "weight_decay": 0.0},
                {"params": head, "lr": HEAD_RATE * rate, "weight_decay": 0.0},
            ]
        )

    def step(self) -> None:
        """Takes the model's gradients, makes a step, gives the weights back."""
        for own, low in zip(self._own, self._model, strict=True):
            own.grad = low.grad.float() if low.grad is not None else None
            low.grad = None
        torch.nn.utils.clip_grad_norm_(self._own, LONGEST_STEP)
        self.optimiser.step()
        self.give()

    @torch.no_grad()
    def give(self) -> None:
        """Copies the weights to the model, in its precision."""
        for own, low in zip(self._own, self._model, strict=True):
            low.copy_(own)


def train(
    groups: Sequence[Group], model: torch.nn.Module, options: argparse.Namespace, mask_id: int
) -> None:
    """Trains layers and head on the groups; the embeddings stay."""
    bert = model.get_submodule("bert")
    for parameter in bert.get_submodule("embeddings").parameters():
        parameter.requires_grad = False
    masters = Masters(model, options.rate)
    bert.to(torch.bfloat16)
    chance = random.Random(options.seed)
    rounds = math.ceil(options.epochs)
    plan = [batch for _ in range(rounds) for batch in batches(groups, chance)]
    plan = plan[: round(len(plan) * options.epochs / rounds)]
    warm = max(1, round(WARM_UP * len(plan)))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        masters.optimiser,
        lambda step: min((step + 1) / warm, (len(plan) - step) / max(1, len(plan) - warm)),
    )
    begun, average = time.monotonic(), 0.0
    for step, batch in enumerate(plan, 1):
        made = collate(batch, mask_id, chance)
        loss = loss_of(*forward(model, made), made)
        loss.backward()  # type: ignore[no-untyped-call]
        masters.step()
        schedule.step()
        average += (loss.item() - average) / min(step, 100)
        if step % 50 == 0 or step == len(plan):
            left = (time.monotonic() - begun) / step * (len(plan) - step) / 60
            print(f"{step}/{len(plan)} loss {average:.3f}, {left:.1f} min left", flush=True)
    bert.float()
    masters.give()


def learned_groups(name: str, sources: Sources, tokens: Tokenizer) -> list[Group]:
    """The groups of a set's questions over articles that are not held out."""
    _, asked = ask_all(name, ALL, sources)
    learned = [each for each in asked if not is_held_out(name, each.case)]
    random.Random(0).shuffle(learned)
    made = (group_of(each, tokens) for each in learned[: SETS[name]])
    groups = [group for group in made if group]
    print(f"{name}: {len(groups)} questions, {sum(g.tokens for g in groups):,} tokens", flush=True)
    return groups


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains and stores the weights, and prints their sha256 for ``qa/reading.py``."""
    parser = parser_for(__doc__ or "", Path("qa/reader.safetensors"))
    parser.add_argument("--start", type=Path, help="weights to go on from, else MiniLM's own")
    parser.add_argument("--mean", nargs="+", metavar="FILE:SHARE", help="average, do not train")
    parser.add_argument("--epochs", type=float, default=2.2)
    parser.add_argument("--rate", type=float, default=1.5e-4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.mean:
        save_file(packed(mean_of(options.mean)), options.out)
    else:
        _train(options)
    print(f"{options.out}: sha256 {packaged.sha256(options.out)}")


def mean_of(shared: Sequence[str]) -> dict[str, torch.Tensor]:
    """Weights of several files, each with its share: ``FILE:SHARE``, shares adding up to 1."""
    parts = [(path, float(share)) for path, _, share in (each.rpartition(":") for each in shared)]
    loaded = [(unpacked(load_file(path)), share) for path, share in parts]
    names = loaded[0][0]
    return {
        name: sum((w[name] * share for w, share in loaded), torch.tensor(0.0)) for name in names
    }


def _train(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    folder = packaged.folder()
    tokens = networks.tokenizer(folder)
    sources = Sources(options.train, options.data, options.cache)
    groups = [group for name in SETS for group in learned_groups(name, sources, tokens)]
    model = Reader(folder)
    if options.start:
        model.load_state_dict(unpacked(load_file(options.start)), strict=False)
    train(groups, model, options, special(tokens, "[MASK]"))
    save_file(packed(model.state_dict()), options.out)


if __name__ == "__main__":
    main(sys.argv[1:])
