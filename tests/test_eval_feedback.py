"""Ratings as a question set: what becomes gold, what is left out; and the set runs, with the real
models."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from eval import feedback
from eval.cli import run_command
from eval.feedback import Rated
from eval.reading import own
from eval.types import Record
from qa import contract
from qa.library import Library
from qa.settings import Settings
from qa.types import Article, Turn
from qa.web.keeping import Conversations, Kept, State

ONE, TWO = "1" * 32, "2" * 32
WALL = "The harbour wall at Tellin reopened on Tuesday."
ARTICLES = {
    "a1": Article("a1", "Harbour", f"{WALL} The work cost 4.2 million crowns."),
    "a2": Article("a2", "Library", "The town library stays open until nine from June."),
}


def answered(*cited: tuple[str, str]) -> Record:
    citations = [{"article_id": key, "quote": quote} for key, quote in cited]
    return {"status": "answered", "text": "Yes. [1]", "citations": citations}


REFUSED: Record = {"status": "abstained", "text": "The articles do not say.", "citations": []}


def rated(
    record: Record | None,
    liked: bool,
    reason: str = "",
    *,
    question: str = "q",
    state: State = "answered",
    filters: Record | None = None,
    before: tuple[Kept, ...] = (),
) -> Rated:
    kept = Kept(7, 1, "", question, filters or {}, state, record, "", liked, reason)
    return Rated(kept, before)


def made(*each: Rated) -> tuple[list[Record], dict[str, int]]:
    def articles(ids: object) -> dict[str, Article]:
        assert isinstance(ids, set)
        return {key: ARTICLES[key] for key in ids if key in ARTICLES}

    questions, left_out = feedback.made(each, articles)
    return questions, dict(left_out)


def test_approved_words_are_gold() -> None:
    record = answered(("a1", WALL), ("a1", "The work cost 4.2 million crowns."), ("a1", WALL))
    each = rated(record, True, question="When did it reopen?")
    (question,), left_out = made(each)
    assert question == {
        "id": each.id,
        "question": "When did it reopen?",
        "type": "feedback-up",
        "answerable": True,
        "evidence_ids": ["a1"],
        "evidence_spans": [WALL, "The work cost 4.2 million crowns."],
    }
    assert left_out == {}


@pytest.mark.parametrize(
    ("each", "kind"),
    [
        (rated(REFUSED, True), "feedback-up"),
        (rated(answered(("a1", WALL)), False, "should_refuse"), "feedback-down"),
        (rated(answered(), False, "should_refuse", state="stopped"), "feedback-down"),
    ],
)
def test_what_should_be_refused_is_unanswerable(each: Rated, kind: str) -> None:
    expected = {"id": each.id, "question": "q", "type": kind, "answerable": False}
    assert made(each) == ([expected], {})


@pytest.mark.parametrize(
    ("each", "reason"),
    [
        (rated(answered(("a1", WALL)), False, "wrong"), feedback.NO_GOLD.format("wrong")),
        (rated(REFUSED, False, "should_answer"), feedback.NO_GOLD.format("should answer")),
        (rated(REFUSED, False), feedback.NO_GOLD.format("no reason")),
        (rated(answered(("a1", WALL)), True, filters={"after": "2031"}), feedback.FILTERED),
        (rated(REFUSED, True, filters={"after": "2031"}), feedback.FILTERED),
        (rated(answered(("a1", WALL)), True, state="stopped"), feedback.UNFINISHED),
        (rated(REFUSED, True, state="stopped"), feedback.UNFINISHED),
        (rated(None, True, state="failed"), feedback.UNFINISHED),
        (rated(None, False, "should_refuse", state="asked"), feedback.UNFINISHED),
        (rated(answered(), True), feedback.UNCITED),
        (rated(answered(("gone", WALL)), True), feedback.CHANGED),
        (rated(answered(("a1", WALL), ("a2", WALL)), True), feedback.CHANGED),
    ],
)
def test_what_says_nothing_about_the_right_answer_is_left_out(each: Rated, reason: str) -> None:
    assert made(each) == ([], {reason: 1})


def test_the_last_rating_of_a_question_counts() -> None:
    up = rated(answered(("a1", WALL)), True, question="When did IT  reopen?")
    refuse = rated(answered(("a1", WALL)), False, "should_refuse", question="when did it reopen? ")
    down = rated(answered(("a1", WALL)), False, "wrong", question="When did it reopen?")
    assert made(up, refuse)[0][0]["answerable"] is False
    assert made(refuse, up) == (made(up)[0], {feedback.OLDER: 1})
    assert made(up, refuse, down)[0] == []
    assert sum(made(up, refuse, down)[1].values()) == 3
    filtered = rated(REFUSED, True, question="When did it reopen?", filters={"after": "2031"})
    assert made(up, filtered)[0] == made(up)[0]  # it is no rating of the same question


def test_a_follow_up_is_another_question_and_has_its_history(tmp_path: Path) -> None:
    first = Kept(1, 1, "", "Is the library open?", {}, "answered", REFUSED)
    failed = Kept(2, 2, "", "Is it?", {}, "failed", None)
    alone = rated(REFUSED, True, question="Until when?")
    follow_up = rated(REFUSED, True, question="Until when?", before=(first, failed))
    questions, left_out = made(alone, follow_up)
    assert (len(questions), left_out) == (2, {})
    path = tmp_path / "set.jsonl"
    path.write_text(feedback.lines(questions), encoding="utf-8")
    read = own.read(path).questions
    assert [each.history for each in read] == [
        (),
        (Turn("Is the library open?", "The articles do not say."),),
    ]
    assert [each.answerable for each in read] == [False, False]


def test_any_text_can_be_written(tmp_path: Path) -> None:
    questions = [{"id": "1", "question": "Møre\u2028 📚?"}, {"id": "2", "question": "half \ud83d"}]
    path = tmp_path / "set.jsonl"
    path.write_text(feedback.lines(questions), encoding="utf-8")
    assert "Møre" in path.read_text("utf-8")
    assert [each.text for each in own.read(path).questions] == [q["question"] for q in questions]


# From the chat's file to a run, over the packaged models

ROWS = [
    Article(
        "harbour",
        "Harbour wall reopens",
        "The harbour wall at Tellin reopened on Tuesday after eleven months of repairs. The work "
        "cost 4.2 million crowns, said mayor Ines Falk.",
    ),
    Article(
        "library",
        "Library extends hours",
        "The town library will stay open until nine in the evening from June. Librarian Oda Rehn "
        "said that visits had risen by 18 percent.",
    ),
]
ASKED = [
    ("What did the work on the harbour wall at Tellin cost?", True, ""),
    ("Who won the 1966 zebra race in Kenya?", True, ""),
    ("By how much had visits to the town library risen?", True, ""),
    ("Who is the mayor of Tellin?", False, "wrong"),
    ("Who designed the harbour wall?", False, "should_refuse"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that was asked and whose answers were rated, as the chat does it."""
    path = tmp_path_factory.mktemp("rated") / "library"
    with Library(Settings(library=path)) as library:
        library.add(ROWS)
        conversations = Conversations(path)
        for question, liked, reason in ASKED:
            kept = conversations.begin(ONE, question, {}, owner="ida")
            history = [
                Turn(each.question, each.record["text"])
                for each in conversations.exchanges(ONE, owner="ida")
                if each.record
            ]
            answer = library.ask(question, history if kept.number > 2 else [])
            conversations.finish(kept.key, "answered", contract.of_answer(answer))
            conversations.rate(ONE, kept.number, liked, reason, owner="ida")
        conversations.begin(TWO, "never rated", {})
        conversations.close()
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run_command(arguments)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err


def test_from_thumbs_to_a_gate(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = run(capsys, "feedback", "--library", str(folder), "--out", "sets/set.jsonl", "--json")
    assert made[0] == 0, made[2]
    no_gold = feedback.NO_GOLD.format("wrong")
    assert json.loads(made[1]) == {
        "questions": 4,
        "left_out": {no_gold: 1},
        "file": "sets/set.jsonl",
    }
    assert made[2] == f"1 left out: {no_gold}\n"
    given = [json.loads(line) for line in Path("sets/set.jsonl").read_text("utf-8").splitlines()]
    assert [each["answerable"] for each in given] == [True, False, True, False]
    assert given[0]["evidence_ids"] == ["harbour"]
    assert any("4.2 million" in span for span in given[0]["evidence_spans"])
    assert [len(each.get("history", [])) for each in given] == [0, 2, 4, 8]

    asked = ("run", "sets/set.jsonl", "--library", str(folder), "--out", "r", "--json")
    code, out, err = run(capsys, *asked)
    assert code == 0, err
    summary = json.loads(out)
    counts = Counter({name: count for name, count in summary["counted"].items() if count})
    assert summary["cases"] == 4
    assert (counts["recall@5"], counts["recall_evidence@5"]) == (2, 2)
    assert (counts["citation_precision"], counts["abstention_correct"]) == (2, 4)
    assert counts["abstention_recall"] == 2
    for needs_answers in ("contains_answer", "token_f1", "answered_and_cited"):
        assert summary["answers"][needs_answers] is None
        assert needs_answers not in counts
    # The same library gives the approved answers again.
    assert summary["answers"]["citation_precision"] == summary["retrieval"]["recall@1"] == 1
    assert summary["abstention"]["false_refusal_rate"] == 0
    assert set(summary["types"]) == {"feedback-up", "feedback-down"}

    for kind in ("html", "md", "junit"):
        assert run(capsys, "report", "r", "--format", kind)[0] == 0
    assert run(capsys, "gate", "r", "--baseline", "b.json", "--write-baseline")[0] == 0
    code, out, _ = run(capsys, "gate", "r", "--baseline", "b.json", "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)


def test_a_set_is_printed_and_the_same_each_time(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QA_LIBRARY", str(folder))
    code, out, _ = run(capsys, "feedback")
    assert code == 0
    assert len([json.loads(line)["id"] for line in out.splitlines()]) == 4
    assert run(capsys, "feedback")[1] == out


def test_what_cannot_be_made_into_a_set_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "feedback", "--library", str(tmp_path / "none"))
    assert (code, out) == (2, "")
    assert "There is no library in" in err
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "catalog.db").write_bytes((folder / "catalog.db").read_bytes())
    code, out, err = run(capsys, "feedback", "--library", str(bare), "--out", "set.jsonl")
    assert (code, out) == (2, "")
    assert "has no rated answer to make a question of: nobody has rated one" in err
    assert not Path("set.jsonl").exists()
    assert not (bare / "chat.db").exists()
    conversations = Conversations(bare)
    conversations.begin(ONE, "q", {})
    conversations.rate(ONE, 1, True)
    conversations.close()
    assert (
        "1 left out: the answer was not finished"
        in run(capsys, "feedback", "--library", str(bare))[2]
    )
    (bare / "chat.db").write_bytes(b"no database at all" * 99)
    code, _, err = run(capsys, "feedback", "--library", str(bare))
    assert code == 2
    assert "damaged" in err
