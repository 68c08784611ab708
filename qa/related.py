"""Which words are akin and which are opposed, by stem; tables in ``related.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files

NEAR, FAR = 0.8, 0.5  # how much a related word counts where the word itself counts 1

_NOTHING: frozenset[str] = frozenset()
_Table = Mapping[str, frozenset[str]]


def kinship(term: str, stems: Iterable[str]) -> float:
    """1 where the stems hold the term itself, 0.8 for a near relative of it, 0.5 for a far one."""
    if term in stems:
        return 1.0
    if not _table("near").get(term, _NOTHING).isdisjoint(stems):
        return NEAR
    return 0.0 if _table("far").get(term, _NOTHING).isdisjoint(stems) else FAR


def opposites(term: str) -> frozenset[str]:
    """Stems of the words that mean the opposite; none for most words."""
    return _table("opposites").get(term, _NOTHING)


def is_common(term: str) -> bool:
    """Whether the stem is one of a word with relatives here: a word of the language, no name."""
    return term in _table("near") or term in _table("far")


@lru_cache(maxsize=3)
def _table(name: str) -> _Table:
    """A table names each pair of stems once; here it holds it both ways."""
    found: dict[str, set[str]] = {}
    for one, others in _stored()[name].items():
        for other in others.split():
            found.setdefault(one, set()).add(other)
            found.setdefault(other, set()).add(one)
    return {one: frozenset(others) for one, others in found.items()}


@lru_cache(maxsize=1)
def _stored() -> dict[str, dict[str, str]]:
    loaded: dict[str, dict[str, str]] = json.loads(
        files("qa").joinpath("related.json").read_text("utf-8")
    )
    return loaded
