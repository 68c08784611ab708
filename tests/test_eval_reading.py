"""Question sets in every layout, on tiny files made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval import reading
from qa.errors import InputError
from qa.types import Turn


def write(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


def test_our_own_lines(tmp_path: Path) -> None:
    history = [
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": "She."},
        {"role": "user", "content": "When?"},
    ]
    row = {"id": 7, "question": "Where?", "answers": ["Here", 4], "evidence_ids": ["a"]}
    path = write(
        tmp_path / "news.jsonl",
        row | {"history": history, "type": "multi-turn", "extra": 1},
        {"id": "u", "question": "Why?"},
    )
    first, second = reading.read(path).questions
    assert (first.id, first.answers, first.answerable) == ("7", ("Here", "4"), True)
    assert first.history == (Turn("Who?", "She."), Turn("When?", ""))
    assert not second.answerable
    assert reading.read(path).articles is None
    assert reading.read(path).name == "news"


def test_a_set_is_named_after_its_folder_and_known_by_its_bytes(tmp_path: Path) -> None:
    one, other = (
        reading.read(write(tmp_path / name / "questions.jsonl", {"id": "a", "question": "?"}))
        for name in ("one", "other")
    )
    assert (one.name, other.name) == ("one", "other")
    assert one.sha256 == other.sha256


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"id": "a", "question": "?"}\n{"id": "b"}', 'line 2: "question" is missing'),
        ('{"id": "a", "question": "?"}\n{"id": "a", "question": "?"}', "the id a"),
        ('{"id": "a", "question": "?", "answers": "x"}', '"answers" must be a list'),
        ('{"id": "a", "question": "?", "history": ["x"]}', '"role" and "content"'),
        ("{", "line 1: broken JSON"),
        ("[]", "line 1: not a JSON object"),
        ("", "holds no question"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        reading.read(path)


def test_no_set_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no"):
        reading.read(tmp_path / "none")
    with pytest.raises(InputError, match="no question set"):
        reading.read(tmp_path)
    (tmp_path / "latin.jsonl").write_bytes(b"\xe9")
    with pytest.raises(InputError, match="not UTF-8"):
        reading.read(tmp_path / "latin.jsonl")


def squad(tmp_path: Path) -> Path:
    first = "The bridge is old. It was built in 1926. It is red."
    second = "Nobody knows. It leads nowhere."
    answers = [{"text": "1926", "answer_start": 35}, {"text": "in 1926", "answer_start": 32}]
    paragraphs = [
        {"context": first, "qas": [{"id": "1", "question": "When?", "answers": answers}]},
        {
            "context": second,
            "qas": [{"id": "2", "question": "Why?", "is_impossible": True, "answers": []}],
        },
    ]
    return write(
        tmp_path / "dev.json",
        {"version": "v2.0", "data": [{"title": "Old_Bridge", "paragraphs": paragraphs}]},
    )


def test_squad(tmp_path: Path) -> None:
    found = reading.read(squad(tmp_path))
    first, second = found.questions
    assert first.answers == ("1926", "in 1926")
    assert first.evidence_spans == ("It was built in 1926.",)
    assert (second.answerable, second.type, second.evidence_ids) == (False, "unanswerable", ())
    assert found.articles
    [article] = found.articles
    assert (article.id, article.title) == ("squad:Old_Bridge", "Old Bridge")
    assert article.id in first.evidence_ids
    assert first.evidence_spans[0] in article.text
    assert reading.read_articles(tmp_path / "dev.json") == found.articles


def test_beir(tmp_path: Path) -> None:
    folder = tmp_path / "scifact"
    write(
        folder / "corpus.jsonl",
        {"_id": "d1", "title": "Bridges", "text": "A bridge."},
        {"_id": "d2", "title": "", "text": "A ferry."},
    )
    write(folder / "queries.jsonl", {"_id": "q1", "text": "bridge?"}, {"_id": "q2", "text": "?"})
    (folder / "qrels").mkdir()
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq2\td1\t1\n")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n")
    found = reading.read(folder)
    [question] = found.questions
    assert (question.id, question.text, dict(question.grades)) == ("q1", "bridge?", {"d1": 2})
    assert question.evidence_ids == ("d1",)
    assert found.articles
    assert [(a.id, a.title) for a in found.articles] == [("d1", "Bridges"), ("d2", "A ferry.")]
    assert reading.read_articles(folder / "corpus.jsonl") == found.articles
    own = write(tmp_path / "own" / "corpus.jsonl", {"id": "a", "text": "b"})
    assert reading.read_articles(own) is None
    (folder / "qrels" / "test.tsv").write_text("q1 d1 1\n")
    with pytest.raises(InputError, match="line 1: not query, article, score"):
        reading.read(folder)


def multihop(folder: Path) -> Path:
    evidence = {"title": "T", "url": "https://example.org/a", "fact": "The bridge is red."}
    write(
        folder / "MultiHopRAG.json",
        [
            {
                "query": "Is it red?",
                "answer": "Yes",
                "question_type": "inference_query",
                "evidence_list": [evidence, evidence],
            },
            {
                "query": "Is it blue?",
                "answer": "Insufficient information.",
                "question_type": "null_query",
                "evidence_list": [],
            },
        ],
    )
    article = {"title": "T", "body": "So. The bridge is red.", "url": "https://example.org/a"}
    extra = {"source": "News", "author": None, "published_at": "2023-10-02T08:00:00+00:00"}
    write(folder / "corpus.json", [article | extra | {"category": "travel"}])
    return folder


def test_multihop_rag(tmp_path: Path) -> None:
    found = reading.read(multihop(tmp_path))
    first, second = found.questions
    assert (first.type, first.answers) == ("inference", ("Yes",))
    assert first.evidence_ids == ("https://example.org/a",)
    assert first.evidence_spans == ("The bridge is red.",)
    assert (second.type, second.answerable, second.answers) == ("unanswerable", False, ())
    assert found.articles
    [article] = found.articles
    assert (article.publisher, article.published) == ("News", "2023-10-02")
    assert reading.read(tmp_path / "MultiHopRAG.json") == found
    assert reading.read_articles(tmp_path / "corpus.json") == found.articles


@pytest.mark.parametrize("name", ["dev.json", "MultiHopRAG.json"])
def test_another_layout_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, {"what": "ever"})
    with pytest.raises(InputError, match="not in the layout"):
        reading.read(tmp_path / name)
