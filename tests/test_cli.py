"""The command line, as a script and a person use it: output, messages, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_model

from qa import cli, places

ROWS = [
    {
        "id": "a1",
        "title": "Harbour wall reopens",
        "publisher": "Check Gazette",
        "published": "2031-03-04",
        "text": "The harbour wall at Tellin reopened on Tuesday. The work cost 4.2 million crowns.",
    },
    {"id": "a2", "title": "Library", "text": "The town library stays open until nine from June."},
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
        code = cli.run(arguments)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return run


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS))
    return path


def data(result: tuple[int, str, str]) -> Any:
    code, out, err = result
    assert code == 0, out + err
    return json.loads(out)


def test_the_whole_way_as_a_script(run: Run, rows: Path) -> None:
    assert data(run("add", str(rows), "--json"))["added"] == 2
    assert data(run("--json", "add", str(rows)))["unchanged"] == 2
    assert {a["id"] for a in data(run("list", "--json"))["articles"]} == {"a1", "a2"}
    assert data(run("show", "a1", "--json"))["text"] == ROWS[0]["text"]
    hits = data(run("search", "harbour wall", "-k", "1", "--json"))["hits"]
    assert [(hit["rank"], hit["article_id"]) for hit in hits] == [(1, "a1")]
    answer = data(run("ask", "How much did the work on the harbour wall cost?", "--json"))
    assert answer["status"] == "answered"
    citation = answer["citations"][0]
    assert ROWS[0]["text"][citation["start"] : citation["end"]] == citation["quote"]
    assert data(run("remove", "a2", "--json"))["removed"] == 1
    assert data(run("rebuild", "--json")) == {"passages": 1}
    assert data(run("doctor", "--json"))["ok"] is True


def test_the_whole_way_as_a_person(run: Run, rows: Path) -> None:
    assert run("add", str(rows))[:2] == (0, "2 added, 0 updated, 0 unchanged\n")
    assert "2031-03-04\ta1\tCheck Gazette\tHarbour wall reopens" in run("list")[1]
    assert "date unknown\ta2" in run("list")[1]
    code, out, err = run("ask", "How much did the work on the harbour wall cost?")
    assert code == 0
    assert "The work cost 4.2 million crowns. [1]" in out
    assert "[1] Harbour wall reopens · Check Gazette · 2031-03-04" in out
    assert err == ""
    code, out, _ = run("ask", "Who won the chess final in Oslo?")
    assert code == 0
    assert out.startswith("The articles do not say.\n\nThe nearest passages:")
    assert run("ask", "--strict", "Who won the chess final in Oslo?")[0] == 1


def test_filters_reach_the_search(run: Run, rows: Path) -> None:
    run("add", str(rows))
    found = data(run("search", "harbour library", "--after", "2031-03-04", "--json"))
    assert {hit["article_id"] for hit in found["hits"]} == {"a1"}
    assert run("search", "x", "--after", "yesterday")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("add", "nowhere"), "nowhere"),
        (("add", "https://example.org/a"), "cannot be added yet"),
        (("ask", "  "), "empty"),
        (("ask", "why " * 25_000), "at most 4,000"),
        (("search", ""), "empty"),
        (("show", "no-such-id"), "no-such-id"),
        (("remove", "a1", "no-such-id"), "nothing was removed"),
        (("ask",), "Missing argument"),
        (("no-such-command",), "no-such-command"),
        (("--no-such-option",), "--no-such-option"),
    ],
)
def test_bad_input_is_one_clear_line_and_code_2(
    run: Run, rows: Path, arguments: tuple[str, ...], expected: str
) -> None:
    run("add", str(rows))
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert expected in err
    assert len(err.strip().splitlines()) == 1
    assert len(data(run("list", "--json"))["articles"]) == 2


def test_bad_files_are_named_and_the_others_added(run: Run, rows: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "binary.txt").write_bytes(bytes(range(256)))
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    (folder / "rows.jsonl").write_text('{"id": "x", "text": "One."}\n{nonsense\n{"text": "Two."}')
    code, out, err = run("add", str(folder))
    assert (code, out) == (1, "2 added, 0 updated, 0 unchanged, 3 failed\n")
    assert [name in err for name in ("binary.txt", "broken.pdf", "rows.jsonl:2")] == [True] * 3
    assert run("add", str(folder / "broken.pdf"))[0] == 2


def test_asking_before_adding_says_what_to_do(run: Run) -> None:
    code, _, err = run("ask", "Who is the mayor?")
    assert code == 2
    assert "qa add FOLDER" in err


def test_settings_are_checked(
    run: Run, rows: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run("add", str(rows))
    monkeypatch.setenv("QA_NO_SUCH_SETTING", "1")
    code, _, err = run("list")
    assert code == 2
    assert "QA_NO_SUCH_SETTING" in err
    monkeypatch.delenv("QA_NO_SUCH_SETTING")
    monkeypatch.setenv("QA_PORT", "many")
    assert "QA_PORT" in run("list")[2]
    monkeypatch.delenv("QA_PORT")
    (tmp_path / "qa.toml").write_text('librarry = "x"\n')
    assert "librarry" in run("list")[2]
    (tmp_path / "qa.toml").write_text("library = \n")
    assert run("list")[0] == 2
    (tmp_path / "qa.toml").write_text('library = "elsewhere"\n')
    assert "elsewhere" in run("list")[2]
    assert run("--library", "library", "list")[0] == 0


def test_another_model_is_refused(
    run: Run, rows: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run("add", str(rows))
    monkeypatch.setenv("QA_EMBEDDING_MODEL", str(tiny_model.make(tmp_path / "other", seed=1)))
    code, _, err = run("ask", "Who is the mayor?")
    assert code == 2
    assert "qa rebuild --embed" in err
    code, out, _ = run("doctor")
    assert code == 1
    assert "FAIL  library and model" in out


def test_a_second_writer_has_code_3(run: Run, rows: Path) -> None:
    run("add", str(rows))
    with places.writing(Path("library")):
        code, _, err = run("add", str(rows))
    assert code == 3
    assert f"process {os.getpid()}" in err


def test_vanished_articles_are_named(run: Run, rows: Path) -> None:
    run("add", str(rows))
    rows.write_text(json.dumps(ROWS[0]))
    assert "vanished: a2 (Library); remove it with --prune" in run("add", str(rows))[2]
    assert data(run("add", str(rows), "--prune", "--json"))["removed"] == 1


def test_a_stopped_add_keeps_what_it_had_and_goes_on(run: Run, model: Path, tmp_path: Path) -> None:
    rows = tmp_path / "many.jsonl"
    lines = [{"id": f"n{n}", "text": f"Number {n} is here."} for n in range(3_000)]
    rows.write_text("\n".join(json.dumps(line) for line in lines))
    process = subprocess.Popen(
        [sys.executable, "-m", "qa.cli", "add", str(rows)], stderr=subprocess.PIPE, text=True
    )
    catalog = Path("library", "catalog.db")
    while process.poll() is None and not (catalog.exists() and "n" in run("list")[1]):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate()
    kept = len(data(run("list", "--json"))["articles"])
    assert (process.returncode, 0 < kept < 3_000) == (1, True)
    assert "Stopped." in messages
    assert "Traceback" not in messages
    checks = json.loads(run("doctor", "--json")[1])["checks"]
    assert {check["name"] for check in checks if not check["ok"]} <= {"embeddings"}
    assert run("add", str(rows))[1].startswith(f"{3_000 - kept} added, 0 updated, {kept} unchanged")
    assert data(run("doctor", "--json"))["ok"] is True


def test_a_closed_pipe_is_no_error(run: Run, rows: Path) -> None:
    run("add", str(rows))
    command = f"{sys.executable} -m qa.cli list | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_help_names_every_command(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for name in ("add", "list", "show", "remove", "search", "ask", "chat", "doctor", "rebuild"):
        assert f"\n  {name} " in out
