"""The benchmarks' own arithmetic, and that the document has a place for each table."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import figures
from benchmarks.figures import Row
from benchmarks.synthetic import ClusteredEmbedder, articles
from qa.testing import EmbedderContract

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"


def test_the_document_has_a_filled_place_for_each_table() -> None:
    text = DOCUMENT.read_text("utf-8")
    for name in ("machine", "startup", "adding", "scale", "answering", "tried"):
        inside = text.partition(f"<!-- {name} -->")[2].partition(f"<!-- end of {name} -->")[0]
        assert inside.strip()


def test_a_table_replaces_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    document = tmp_path / "doc.md"
    document.write_text(
        "Before\n<!-- a -->\nold\n<!-- end of a -->\nBetween\n<!-- b --><!-- end of b -->"
    )
    table = figures.table([Row("speed", "2 s", "4 s", "0.5 ×", "1 ×", True)])
    figures.write(document, {"a": table})
    figures.write(document, {"a": table})
    text = document.read_text()
    assert text.count("| speed | 2 s | 4 s | 0.5 × | 1 × | met |") == 1
    assert "old" not in text
    assert text.startswith("Before\n")
    assert text.endswith("Between\n<!-- b --><!-- end of b -->")


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 3.0), (0.95, 5.0), (1.0, 5.0)])
def test_percentiles(share: float, expected: float) -> None:
    assert figures.percentile([5.0, 1.0, 4.0, 2.0, 3.0], share) == expected


class TestClusteredEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> ClusteredEmbedder:
        return ClusteredEmbedder()


def test_synthetic_articles_are_the_same_each_time() -> None:
    assert list(articles(3)) == list(articles(5))[:3]
