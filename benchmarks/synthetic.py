"""Libraries of any size: real sentences shuffled into articles, vectors that lie in clusters."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qa import embedding
from qa.settings import DEFAULT_MODEL
from qa.types import Article

if TYPE_CHECKING:
    from qa.protocols import Vectors

TEXTS = Path(__file__).parents[1] / "corpus" / "practice" / "articles.jsonl"
DIMENSION, CLUSTERS, SPREAD = 384, 2000, 0.05  # like the model's; FACTS: uniform ones mislead
PUBLISHERS, YEARS = 25, 25


@cache
def sentences() -> list[str]:
    """Of the practice articles."""
    texts = (json.loads(line)["text"] for line in TEXTS.read_text("utf-8").split("\n") if line)
    found = (s for text in texts for s in re.split(r"(?<=[.!?])\s+", text.replace("\n", " ")))
    return [s for s in found if 30 < len(s) < 250]


def articles(count: int, seed: int = 0) -> Iterator[Article]:
    """Each of 20 to 90 sentences: on average 7 passages."""
    chance = random.Random(seed)
    for number in range(count):
        text = " ".join(chance.choices(sentences(), k=chance.randint(20, 90)))
        yield Article(
            f"s{seed}-{number}",
            chance.choice(sentences())[:60],
            text,
            publisher=f"Paper {number % PUBLISHERS}",
            published=f"{2000 + number % YEARS}-0{number % 9 + 1}-11",
        )


def questions(count: int, seed: int = 1) -> list[str]:
    """The first words of sentences."""
    chance = random.Random(seed)
    return [" ".join(chance.choice(sentences()).split()[:9]) for _ in range(count)]


class ClusteredEmbedder:
    """Vectors by the hash of a text, around some thousand centres.

    A query is embedded by the real model, too, so that it takes its time.
    """

    name = "synthetic"
    max_tokens = 256
    fingerprint = f"synthetic@{DIMENSION}-{CLUSTERS}"

    def __init__(self) -> None:
        self._real = embedding.choose(DEFAULT_MODEL, Path())
        centres = np.random.default_rng(0).standard_normal((CLUSTERS, DIMENSION))
        self._centres = centres / np.linalg.norm(centres, axis=1, keepdims=True)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """About as many as the model's."""
        return [len(text.split()) * 4 // 3 + 2 for text in texts]

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """In no time."""
        return np.stack([self.vector(text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        """In the time of the model."""
        self._real.embed_query(text)
        return self.vector(text)

    def vector(self, text: str) -> Vectors:
        """Near one of the centres."""
        seed = int(hashlib.md5(text.encode()).hexdigest(), 16)
        noise = np.random.default_rng(seed % 2**32).standard_normal(DIMENSION) * SPREAD
        found = self._centres[seed % CLUSTERS] + noise
        return np.asarray(found / np.linalg.norm(found), dtype=np.float32)
