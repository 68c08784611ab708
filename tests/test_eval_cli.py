"""``python -m eval`` as a script uses it: a real library over a tiny model, output, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_model

from eval import cli, log
from eval.types import Record

ROWS = [
    {
        "id": "a1",
        "title": "Harbour wall reopens",
        "text": "The harbour wall at Tellin reopened on Tuesday. The work cost 4.2 million crowns.",
    },
    {"id": "a2", "title": "Library", "text": "The town library stays open until nine from June."},
]
QUESTIONS: list[Record] = [
    {
        "id": "q1",
        "question": "What did the work on the harbour wall cost?",
        "type": "single-hop",
        "answers": ["4.2 million crowns"],
        "evidence_ids": ["a1"],
        "evidence_spans": ["The work cost 4.2 million crowns."],
    },
    {
        "id": "q2",
        "question": "Until when?",
        "history": [{"role": "user", "content": "Is the town library open in June?"}],
        "answers": ["nine"],
        "evidence_ids": ["a2"],
    },
    {"id": "q3", "question": "Who won the 1966 zebra race in Kenya?", "answerable": False},
]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.make(tmp_path_factory.mktemp("model"))


@pytest.fixture
def run(model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in the test's own folder, with a tiny model; code, output, messages."""
    monkeypatch.setenv("QA_EMBEDDING_MODEL", str(model))

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.run_command(arguments)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return run


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    for name, rows in (("articles.jsonl", ROWS), ("questions.jsonl", QUESTIONS)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


ASK = ("run", "questions.jsonl", "--articles", "articles.jsonl", "--out", "r")


def test_from_questions_to_a_gate(run: Run) -> None:
    code, out, err = run(*ASK, "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert summary == json.loads(Path("r/summary.json").read_text())
    assert summary["cases"] == 3
    assert {"recall@1", "recall@5", "recall@10", "mrr@10", "ndcg@10"} <= summary["retrieval"].keys()
    assert {
        "contains_answer",
        "token_f1",
        "citation_precision",
        "citation_recall",
        "span_exact",
    } <= (summary["answers"].keys())
    assert {"precision", "recall", "false_refusal_rate", "auroc"} <= summary["abstention"].keys()
    assert summary["latency_ms"]["p50"] > 0
    assert summary["confidence"]["recall@5"] == [1.0, 1.0]
    assert summary["settings"]["generator"] == "extractive"
    assert summary["answers"]["span_exact"] in (1.0, None)

    assert run("score", "r")[0] == 0
    assert json.loads(Path("r/summary.json").read_text()) == summary

    for kind, name in (("html", "report.html"), ("md", "report.md"), ("junit", "junit.xml")):
        assert run("report", "r", "--format", kind)[:2] == (0, f"r/{name}\n")
        assert Path("r", name).stat().st_size > 300
    assert run("report", "r", "--format", "md", "--out", "-")[1] == Path("r/report.md").read_text()

    assert run("gate", "r", "--baseline", "b.json", "--write-baseline")[0] == 0
    code, out, _ = run("gate", "r", "--baseline", "b.json", "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)
    code, out, _ = run("compare", "r", "r", "--seed", "3", "--json")
    assert {each["verdict"] for each in json.loads(out)["measures"]} == {"noise"}
    assert "recall@1" in run("compare", "r", "r")[1]


def test_running_again_asks_and_embeds_nothing(run: Run) -> None:
    assert run(*ASK, "--limit", "1")[0] == 0
    before = Path("r/cases.jsonl").read_bytes()
    assert run(*ASK)[0] == 0
    after = Path("r/cases.jsonl").read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == 3
    assert run(*ASK)[0] == 0
    assert Path("r/cases.jsonl").read_bytes() == after


def test_the_gate_fails_a_worse_run(run: Run) -> None:
    many = [QUESTIONS[0] | {"id": f"q{n}"} for n in range(12)]
    Path("questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in many))
    assert run(*ASK)[0] == 0
    assert run("gate", "r", "--baseline", "b.json", "--write-baseline")[0] == 0
    records = [record | {"hits": []} for record in log.records(Path("r/cases.jsonl"))]
    Path("r/cases.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    code, out, _ = run("gate", "r", "--baseline", "b.json")
    assert code == 1
    assert "Worse than the baseline: recall@1" in out


@pytest.mark.parametrize("change", ["questions", "articles", "settings"])
def test_another_run_is_refused(run: Run, change: str) -> None:
    assert run(*ASK, "--retrieval-only")[0] == 0
    more = ["--retrieval-only"] if change != "settings" else []
    if change == "questions":
        Path("questions.jsonl").write_text(json.dumps(QUESTIONS[0]) + "\n")
    if change == "articles":
        Path("articles.jsonl").write_text(json.dumps(ROWS[0]) + "\n")
    code, _, err = run(*ASK, *more)
    what = {"questions": "question set", "articles": "library", "settings": "settings"}[change]
    assert code == 2
    assert f"eval: r holds a run with another {what}" in err
    assert err.count("\n") == 1


def test_a_library_as_it_is(run: Run) -> None:
    assert run(*ASK)[0] == 0
    asked = ("run", "questions.jsonl", "--library", "r/library", "--out", "s")
    code, out, _ = run(*asked, "--retrieval-only", "--json")
    assert code == 0
    summary = json.loads(out)
    assert summary["retrieval"]["recall@10"] == 1
    assert summary["answers"]["contains_answer"] is None
    assert not Path("s/library").exists()


def test_a_question_that_fails_is_a_row_and_exit_1(run: Run) -> None:
    Path("questions.jsonl").write_text(
        json.dumps({"id": "e", "question": " ", "answers": ["x"], "evidence_ids": ["a1"]}) + "\n"
    )
    code, out, err = run(*ASK, "--json")
    assert code == 1
    assert json.loads(out)["failed"] == 1
    assert json.loads(out)["answers"]["contains_answer"] == 0
    assert "1 questions failed; e: InputError" in err


def test_an_article_that_cannot_be_read_is_told_and_exit_1(run: Run) -> None:
    with Path("articles.jsonl").open("a") as file:
        file.write("{}\n")
    code, _, err = run(*ASK, "--retrieval-only")
    assert code == 1
    assert "articles.jsonl:3" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "none.jsonl", "--out", "r"), "There is no none.jsonl"),
        (("run", "questions.jsonl", "--out", "r"), "There is no library in library"),
        ((*ASK, "--library", "x"), "not both"),
        (("run", "questions.jsonl", "--articles", "no", "--out", "r"), "no such file"),
        (("run", "questions.jsonl"), "--out"),
        (("score", "no"), "There is no no/cases.jsonl"),
        (("report", "no"), "There is no no/cases.jsonl"),
        (("compare", "no", "no"), "There is no no/cases.jsonl"),
        (("gate", "no", "--baseline", "b"), "There is no no/cases.jsonl"),
        (("report", "no", "--format", "pdf"), "'pdf' is not one of"),
        (("nonsense",), "No such command"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_exit_2(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_set_of_other_articles_is_refused(run: Run) -> None:
    Path("articles.jsonl").write_text(json.dumps(ROWS[0] | {"id": "other"}) + "\n")
    code, _, err = run(*ASK)
    assert code == 2
    assert "holds none of the 2 articles" in err


def test_the_judge_needs_a_model(run: Run) -> None:
    assert run(*ASK)[0] == 0
    code, _, err = run("score", "r", "--judge")
    assert code == 2
    assert "QA_LLM_BASE_URL" in err


def test_squad_brings_its_own_articles(run: Run) -> None:
    text = ROWS[0]["text"]
    answer = {"text": "4.2 million crowns", "answer_start": text.index("4.2")}
    asked = {"id": "1", "question": "What did the harbour wall cost?", "answers": [answer]}
    paragraphs = [{"context": text, "qas": [asked]}]
    Path("dev.json").write_text(
        json.dumps({"data": [{"title": "Harbour_wall", "paragraphs": paragraphs}]})
    )
    code, out, err = run("run", "dev.json", "--out", "r", "--retrieval-only", "--json")
    assert code == 0, err
    assert json.loads(out)["retrieval"]["recall_evidence@1"] == 1


def test_help_costs_nothing() -> None:
    script = (
        "from eval import cli; cli.run_command(['run', '--help']); import sys;"
        "print('MODULES', *{m.partition('.')[0] for m in sys.modules})"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root
    )
    help_text, _, loaded = done.stdout.rpartition("MODULES")
    assert "--retrieval-only" in help_text
    assert not {"torch", "numpy", "chromadb", "ir_measures"} & set(loaded.split())
