"""Vectors in memory, each compared with the query: exact, and quick up to some 100,000 of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qa.protocols import Vectors


class Owner(NamedTuple):
    """Whose vector it is, and the hash of what was embedded: under a new title, another text."""

    passage: str
    article: str
    embedded: bytes


class ExactIndex:
    """One state of a library's vectors, ``rows`` in the order of their ``owners``.

    A new state is made of the one before.
    """

    def __init__(self, owners: Sequence[Owner], rows: Vectors) -> None:
        import numpy as np

        self._owners = list(owners)
        self._rows = rows
        self._articles: dict[str, int] = {}
        numbers = [self._articles.setdefault(o.article, len(self._articles)) for o in self._owners]
        self._article_of = np.array(numbers, dtype=np.intp)
        self._all = np.arange(len(self._owners))

    def __len__(self) -> int:
        return len(self._owners)

    def search(
        self, vector: Vectors, k: int, articles: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """The ``k`` nearest passages' ids with their cosine, of these articles only if given."""
        import numpy as np

        rows = self._all if articles is None else self._rows_of(articles)
        if not len(rows) or k < 1:
            return []
        # A gathered copy of many rows costs more than comparing with all of them.
        few = len(rows) * 4 < len(self._all)
        cosines = self._rows[rows] @ vector if few else (self._rows @ vector)[rows]
        near = np.argpartition(-cosines, k)[:k] if k < len(rows) else np.arange(len(rows))
        found = [(self._owners[rows[at]].passage, float(cosines[at])) for at in near]
        return sorted(found, key=lambda each: (-each[1], each[0]))

    def missing(self, owners: Iterable[Owner]) -> list[str]:
        """Those of the passages whose vectors this state has not got."""
        known = set(self._owners)
        return [owner.passage for owner in owners if owner not in known]

    def renewed(self, owners: Sequence[Owner], vectors: Mapping[str, Vectors]) -> ExactIndex:
        """The state with just these passages; ``vectors`` are those that are new."""
        import numpy as np

        places = {owner: row for row, owner in enumerate(self._owners)}
        stay = [owner for owner in owners if owner in places]
        come = [owner for owner in owners if owner not in places and owner.passage in vectors]
        parts = [self._rows[[places[owner] for owner in stay]]] if stay else []
        parts += [np.stack([vectors[owner.passage] for owner in come])] if come else []
        return ExactIndex(stay + come, np.concatenate(parts) if parts else self._rows[:0])

    def _rows_of(self, articles: Collection[str]) -> NDArray[np.intp]:
        import numpy as np

        wanted = np.zeros(len(self._articles), dtype=bool)
        wanted[[self._articles[key] for key in articles if key in self._articles]] = True
        return np.flatnonzero(wanted[self._article_of])
