"""Adding: idempotent, changed passages only, failures reported, vanished articles noticed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qa import ingestion, loading
from qa.catalog import Kept
from qa.errors import InputError, ModelError
from qa.library import Library
from qa.settings import Settings
from qa.testing import WordEmbedder
from qa.types import Article, IngestReport, Progress

if TYPE_CHECKING:
    from qa.protocols import Vectors


@pytest.fixture
def empty(tmp_path: Path, embedder: WordEmbedder) -> Library:
    return Library(Settings(library=tmp_path / "library"), embedder=embedder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "news"
    folder.mkdir()
    for name in ("bridge", "mine", "ferry"):
        (folder / f"{name}.txt").write_text(f"The {name} is closed until further notice.\n")
    return folder


def statuses(report: IngestReport) -> list[str]:
    return sorted(change.status for change in report.articles)


def test_adding_again_changes_nothing_and_embeds_nothing(
    empty: Library, folder: Path, embedder: WordEmbedder
) -> None:
    assert statuses(empty.add([folder])) == ["added"] * 3
    embedder.embedded.clear()
    again = empty.add([folder])
    assert statuses(again) == ["unchanged"] * 3
    assert again.passages_embedded == 0
    assert embedder.embedded == []


def test_half_a_surrogate_pair_is_reported_and_stops_nothing(empty: Library) -> None:
    bad = [
        Article("text", "T", "bad \ud800 text"),
        Article("title", "\udfff", "Text."),
        Article("meta", "T", "Text.", metadata={"of": ["\ud83d"]}),
        Article("\ud800", "T", "Text."),
    ]
    report = empty.add([*bad, Article("good", "Good 📚", "All of it is text.")])
    assert [change.id for change in report.articles] == ["good"]
    assert [failure.source for failure in report.failed] == ["text", "title", "meta", "?"]
    assert all("surrogate" in failure.reason for failure in report.failed)


def test_an_id_that_fits_into_no_index_is_reported_and_stops_nothing(empty: Library) -> None:
    address = "https://example.org/" + "a" * 1_900
    ids = [address, "x" * 2_001, "€" * 700, "\0" * 401, "ok"]
    report = empty.add([Article(key, "T", "Text is here.") for key in ids])
    assert [change.id for change in report.articles] == [address, "ok"]
    assert [failure.source for failure in report.failed] == [f"{key[:60]}…" for key in ids[1:4]]
    assert all("at most 2,000 can be kept" in failure.reason for failure in report.failed)


def test_what_is_unchanged_is_looked_up_and_noted_many_at_a_time(
    empty: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(20):
        (folder / f"{n}.txt").write_text(f"Notice {n} is here.\n")
    empty.add([folder])
    catalog = empty._store.catalog
    looked_up, noted = list[int](), list[int]()
    before, move = catalog.read_before, catalog.move

    def read_before(files: Mapping[str, bytes]) -> dict[str, list[Kept]]:
        looked_up.append(len(files))
        return before(files)

    def moved(sources: Mapping[str, tuple[str, str]]) -> None:
        noted.append(len(sources))
        move(sources)

    monkeypatch.setattr(ingestion, "TOGETHER", 10)
    monkeypatch.setattr(ingestion, "NOTED", 8)
    monkeypatch.setattr(catalog, "read_before", read_before)
    monkeypatch.setattr(catalog, "move", moved)
    assert statuses(empty.add([folder])) == ["unchanged"] * 23
    assert (looked_up, noted) == ([10, 10, 3], [8, 8, 7])


def test_vectors_of_what_was_replaced_or_removed_are_dropped_and_no_others(
    empty: Library,
) -> None:
    empty.add([Article(key, "Same", "One text in two articles.") for key in "ab"])
    empty.add([Article("c", "Other", "Words of its own.")])
    catalog = empty._store.catalog
    shared, own = ({owner.embedded for owner in catalog.owners() if owner.article == key}
                   for key in "ac")  # fmt: skip
    empty.remove(["a"])
    assert catalog.embeddings([*shared, *own]).keys() == shared | own
    empty.add([Article("c", "Other", "It was written anew.")])
    empty.remove(["b"])
    assert catalog.embeddings([*shared, *own]) == {}
    assert all(check.ok for check in empty.check())


def test_a_file_that_is_as_it_was_is_not_opened_as_an_article(
    empty: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a page or a PDF costs a thousand times what its digest costs."""
    rows = folder / "rows.jsonl"
    lines = [json.dumps({"id": f"r{n}", "text": f"Row {n} is here."}) for n in range(3)]
    rows.write_text("\n".join(lines))
    empty.add([folder])
    opened: list[Path] = []
    load = loading.load

    def watched(path: Path) -> Iterator[loading.Loaded]:
        opened.append(path)
        return load(path)

    monkeypatch.setattr(loading, "load", watched)
    assert statuses(empty.add([folder])) == ["unchanged"] * 6
    assert opened == []
    rows.write_text("\n".join([*lines[:2], lines[2].replace("here", "there")]))
    assert statuses(empty.add([folder])) == ["unchanged"] * 5 + ["updated"]
    assert opened == [rows]
    empty.remove(["r0"])
    assert statuses(empty.add([folder])) == ["added"] + ["unchanged"] * 5
    assert opened == [rows, rows]


def test_a_file_that_cannot_be_read_whole_is_read_again(empty: Library, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "a", "text": "One is here."}\nnot a line\n')
    for _ in range(2):
        assert len(empty.add([rows]).failed) == 1


def test_only_changed_passages_are_embedded(empty: Library, embedder: WordEmbedder) -> None:
    paragraphs = [f"Paragraph {n} tells of thing {n * 7} and its colour." for n in range(40)]
    empty.add([Article("a", "Things", "\n\n".join(paragraphs))])
    embedder.embedded.clear()
    paragraphs[20] = "This one was written anew, with other words."
    report = empty.add([Article("a", "Things", "\n\n".join(paragraphs))])
    assert statuses(report) == ["updated"]
    assert 1 <= len(embedder.embedded) <= 3
    assert "This one was written anew" in empty.article("a").text
    assert all(check.ok for check in empty.check())


def test_a_changed_date_is_an_update_that_embeds_nothing(
    empty: Library, embedder: WordEmbedder
) -> None:
    empty.add([Article("a", "Ferry", "The ferry runs.", published="2024-01-01")])
    embedder.embedded.clear()
    report = empty.add([Article("a", "Ferry", "The ferry runs.", published="2024-01-02")])
    assert statuses(report) == ["updated"]
    assert embedder.embedded == []
    assert empty.article("a").published == "2024-01-02"


def test_an_undated_article_stays_undated(empty: Library, folder: Path) -> None:
    empty.add([folder])
    assert {listing.published for listing in empty.articles()} == {None}


def test_one_bad_file_stops_nothing(empty: Library, folder: Path) -> None:
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing of the kind")
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 8)
    (folder / "rows.jsonl").write_text('{"text": "First."}\n{"text": \n{"text": "Third."}\n')
    report = empty.add([folder])
    assert statuses(report) == ["added"] * 5
    failed = {Path(failure.source).name: failure.reason for failure in report.failed}
    assert set(failed) == {"broken.pdf", "binary.txt", "rows.jsonl:2"}
    assert all(failed.values())


def test_a_missing_path_raises_before_anything_is_done(empty: Library, folder: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        empty.add([folder, folder / "nowhere"])
    assert not empty.path.exists()


def test_a_web_address_says_that_it_cannot_be_added_yet(empty: Library) -> None:
    with pytest.raises(InputError, match="cannot be added yet"):
        empty.add(["https://example.org/article"])


def test_vanished_articles_are_reported_and_pruned_on_request(empty: Library, folder: Path) -> None:
    empty.add([folder])
    (folder / "mine.txt").unlink()
    report = empty.add([folder])
    assert [change.title for change in report.vanished] == ["Mine"]
    assert len(empty.articles()) == 3
    pruned = empty.add([folder], prune=True)
    assert [c.title for c in pruned.articles if c.status == "removed"] == ["Mine"]
    assert {listing.title for listing in empty.articles()} == {"Bridge", "Ferry"}
    assert empty.search("mine closed", filters=None)[0].article.title != "Mine"


def test_a_line_that_broke_is_not_a_vanished_article(empty: Library, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    lines = [json.dumps({"id": f"a{n}", "text": f"Article number {n}."}) for n in range(3)]
    rows.write_text("\n".join(lines))
    empty.add([rows])
    rows.write_text("\n".join([lines[0], '{"id": "a1", "text":', lines[2]]))
    report = empty.add([rows], prune=True)
    assert len(report.failed) == 1
    assert {listing.id for listing in empty.articles()} == {"a0", "a1", "a2"}


def test_two_articles_of_one_id_in_one_add(empty: Library, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "a", "text": "One."}\n{"id": "a", "text": "Two."}\n')
    report = empty.add([rows])
    assert statuses(report) == ["added"]
    assert "same id" in report.failed[0].reason
    assert empty.article("a").text == "One."


def test_an_article_of_nothing_but_scraps_is_kept_and_never_found(empty: Library) -> None:
    empty.add([Article("scraps", "Scraps", "Share this article\n\nLeave a Comment")])
    assert empty.article("scraps").text == "Share this article\n\nLeave a Comment"
    assert empty.passages("scraps") == []
    assert empty.search("share this article") == []


def test_progress_reaches_the_end(empty: Library, folder: Path) -> None:
    seen: list[Progress] = []
    empty.add([folder], on_progress=seen.append)
    for stage in ("articles", "passages"):
        done = [(p.done, p.total) for p in seen if p.stage == stage]
        assert done[-1] == (3, 3)
        assert done == sorted(done)


class Watched(WordEmbedder):
    """Looks into the library before each embedding; from the ``last`` one on it fails."""

    def __init__(self, path: Path, last: int = 1000) -> None:
        super().__init__()
        self.path, self.last = path, last
        self.found: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        if self.last == 0:
            raise ModelError("The model is gone.")
        self.last -= 1
        with Library(Settings(library=self.path), embedder=WordEmbedder()) as other:
            self.found += [hit.article.id for hit in other.search("kite festival", 1)]
        return super().embed_passages(texts)


def many(count: int) -> list[Article]:
    return [Article(f"a{n}", f"Notice {n}", f"Tram {n} stops at the market.") for n in range(count)]


def test_text_is_found_by_its_words_before_anything_is_embedded(tmp_path: Path) -> None:
    embedder = Watched(tmp_path / "library")
    with Library(Settings(library=tmp_path / "library"), embedder=embedder) as library:
        library.add([*many(300), Article("kite", "Kites", "The kite festival is in May.")])
    assert embedder.found == ["kite"] * 3  # before the first, and between batches


def test_an_add_that_was_cut_short_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "library"
    articles = [*many(300), Article("kite", "Kites", "The kite festival is in May.")]
    with Library(Settings(library=path), embedder=Watched(path, last=1)) as library:
        with pytest.raises(ModelError):
            library.add(articles)
        assert library.search("kite festival")[0].article.id == "kite"
        (bad,) = [check for check in library.check() if not check.ok]
        assert bad.name == "embeddings"
        assert "301 passages are found by their words only" in bad.detail
    with Library(Settings(library=path), embedder=WordEmbedder()) as library:
        report = library.add([])  # also any other: what is pending is seen to
        assert report.passages_embedded == 301 - 128  # the first batch was saved
        assert all(check.ok for check in library.check())
        assert statuses(library.add(articles)) == ["unchanged"] * 301


def test_all_is_pending_when_changing_the_model_was_cut_short(
    empty: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids stay, so nothing but the journal tells that the index has the former model's vectors."""
    empty.add(many(30))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    other = Library(empty.settings, embedder=WordEmbedder("fake/other"))
    with monkeypatch.context() as patch:
        patch.setattr("qa.store.rebuild", die)
        with pytest.raises(KeyboardInterrupt):
            other.rebuild(embed=True)
    (bad,) = [check for check in other.check() if not check.ok]
    assert (bad.name, bad.detail[:11]) == ("embeddings", "30 passages")
    assert other.add([]).passages_embedded == 0  # they were cached before the switch
    assert all(check.ok for check in other.check())  # which reads vectors back


def test_pending_passages_survive_a_rebuild(tmp_path: Path) -> None:
    path = tmp_path / "library"
    with Library(Settings(library=path), embedder=Watched(path, last=1)) as library:
        with pytest.raises(ModelError):
            library.add(many(300))
        library.rebuild()
    with Library(Settings(library=path), embedder=WordEmbedder()) as library:
        assert library.add([]).passages_embedded == 300 - 128
        assert all(check.ok for check in library.check())
