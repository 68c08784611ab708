"""Running a set: every case logged once, whole, and the same again; stopped and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from eval import log, running
from eval.running import Options
from eval.testing import SharedWords
from eval.types import Case, Question, Record
from qa.errors import InputError, LibraryError, LockedError
from qa.types import Article, Hit, Turn

ARTICLES = [
    Article("bridge", "The bridge", "The old bridge was built in 1926. It is red."),
    Article(
        "ferry", "The ferry", "The ferry runs in summer only.", url="https://example.org/ferry"
    ),
]
QUESTIONS = [
    Question("q1", "When was the bridge built?", answers=("1926",), evidence_ids=("bridge",),
             evidence_spans=("The old bridge was built in 1926.",)),
    Question("q2", "please crash"),
    Question("q3", "Who owns zebras?", "unanswerable", answerable=False),
    Question("q4", "And in summer?", history=(Turn("Does the ferry run?", "Yes."),),
             answers=("summer only",), evidence_ids=("ferry",)),
]  # fmt: skip
IDENTITY: Record = {"set": {"sha256": "a"}, "library": {}, "settings": {"seed": 0}, "code": "c"}


def run(out: Path, library: SharedWords | None = None, **options: Any) -> list[Case]:
    out.mkdir(exist_ok=True)
    library = library or SharedWords(ARTICLES)
    return running.run(library, QUESTIONS, out, Options(**options), lambda _: None)


def without_timings(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_timings(v) for k, v in value.items() if k != "timings_ms"}
    return [without_timings(v) for v in value] if isinstance(value, list) else value


def test_a_case_is_logged_whole(tmp_path: Path) -> None:
    run(tmp_path)
    first, second, third, fourth = log.records(tmp_path / log.CASES)
    assert first["gold"]["evidence"] == [{"article_id": "bridge", "start": 0, "end": 33}]
    assert first["hits"][0]["article_id"] == "bridge"
    assert first["hits"][0]["passage_id"] == "p-bridge"
    assert first["hits"][0]["scores"] == {"words": 4.0}
    assert first["answer"]["citations"][0]["quote"] == ARTICLES[0].text
    assert first["spans_exact"] == [True]
    assert set(first["timings_ms"]) == {"search", "total"}
    assert (second["error"], second["answer"]) == ("RuntimeError: crashed, as asked", None)
    assert third["answer"]["status"] == "abstained"
    assert fourth["standalone_question"] == "Does the ferry run? And in summer?"
    assert fourth["history"] == [{"question": "Does the ferry run?", "answer": "Yes."}]


def test_a_case_reads_back_as_it_was(tmp_path: Path) -> None:
    cases = run(tmp_path)
    assert log.read_cases(tmp_path) == cases
    assert [case.question for case in cases] == QUESTIONS
    assert cases[0].outcome
    assert cases[0].outcome.text == ARTICLES[0].text
    assert cases[1].error


def test_several_at_once_are_logged_the_same(tmp_path: Path) -> None:
    run(tmp_path / "one")
    run(tmp_path / "many", jobs=3)
    one, many = (list(log.records(tmp_path / name / log.CASES)) for name in ("one", "many"))
    assert without_timings(many) == without_timings(one)


def test_a_library_that_fails_ends_a_run_with_several_at_once(tmp_path: Path) -> None:
    class Gone(SharedWords):
        def search(self, *_: Any, **__: Any) -> list[Hit]:
            raise LibraryError("The library is gone.")

    with pytest.raises(LibraryError):
        run(tmp_path, Gone(ARTICLES), jobs=3)


def test_the_same_again_but_for_timings(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(tmp_path / name)
    one, two = (
        without_timings(list(log.records(tmp_path / name / log.CASES))) for name in ("one", "two")
    )
    assert one == two


def test_search_only(tmp_path: Path) -> None:
    library = SharedWords(ARTICLES)
    cases = run(tmp_path, library, retrieval_only=True)
    assert library.asked == []
    assert all(case.retrieval_only and case.outcome is None and not case.error for case in cases)
    assert [hit.article_id for hit in cases[0].hits][:1] == ["bridge"]


def test_a_limit_can_be_raised_later(tmp_path: Path) -> None:
    library = SharedWords(ARTICLES)
    assert len(run(tmp_path, library, limit=2)) == 2
    assert len(run(tmp_path, library)) == 4
    assert library.asked == [question.text for question in QUESTIONS]


def test_a_torn_line_is_cut_off_and_asked_again(tmp_path: Path) -> None:
    run(tmp_path)
    path = tmp_path / log.CASES
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert len(log.read_cases(tmp_path)) == 3
    library = SharedWords(ARTICLES)
    run(tmp_path, library)
    assert library.asked == [QUESTIONS[3].text]
    assert without_timings([json.loads(line) for line in whole.splitlines()]) == without_timings(
        list(log.records(path))
    )


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    run(tmp_path)
    path = tmp_path / log.CASES
    path.write_bytes(b"{}\n" + path.read_bytes())
    with pytest.raises(InputError, match="damaged in line 1"):
        run(tmp_path)


def test_a_library_that_breaks_stops_the_run_and_is_no_case(tmp_path: Path) -> None:
    class Broken(SharedWords):
        def search(
            self, query: str, k: int = 10, filters: Any = None, history: Any = ()
        ) -> list[Hit]:
            if len(self.asked) == 3:
                raise LibraryError("The library is gone.")
            return super().search(query, k, filters, history)

    with pytest.raises(LibraryError):
        run(tmp_path, Broken(ARTICLES))
    assert [case.id for case in log.read_cases(tmp_path)] == ["q1", "q2"]


SCRIPT = """
import sys, time
from pathlib import Path
import test_eval_running as t
from eval.running import Options, run
class Slow(t.SharedWords):
    def ask(self, question, history=(), filters=None):
        with open("asked.txt", "a") as file:
            file.write(question + "\\n")
        time.sleep(0.05)
        return super().ask(question, history, filters)
questions = [t.Question(f"q{n}", f"bridge {n}?") for n in range(30)]
Path("run").mkdir(exist_ok=True)
run(Slow(t.ARTICLES), questions, Path("run"), Options(), lambda _: None)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_gone_on_with(tmp_path: Path, how: signal.Signals) -> None:
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent)])
    command = [sys.executable, "-c", SCRIPT]
    environment = os.environ | {"PYTHONPATH": paths}
    cases = tmp_path / "run" / log.CASES
    process = subprocess.Popen(
        command, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True
    )
    end = time.monotonic() + 60
    while not (cases.exists() and cases.read_bytes().count(b"\n") >= 5):
        assert time.monotonic() < end, "it did not start"
        time.sleep(0.01)
    process.send_signal(how)
    process.wait()
    done = len(list(log.records(cases)))
    assert 5 <= done < 30
    subprocess.run(command, env=environment, cwd=tmp_path, check=True)
    assert [record["id"] for record in log.records(cases)] == [f"q{n}" for n in range(30)]
    asked = (tmp_path / "asked.txt").read_text().splitlines()
    assert len(asked) <= 31  # only the question that was under way may be asked again
    assert set(asked[:done]).isdisjoint(asked[done + 1 :])


def test_what_was_begun_is_held_to(tmp_path: Path) -> None:
    assert not running.begin(tmp_path, IDENTITY)
    assert not running.begin(tmp_path, IDENTITY)
    assert running.begin(tmp_path, IDENTITY | {"code": "d"})
    for other, what in (
        ({"set": {"sha256": "b"}}, "another question set .sha256: a then, b now"),
        ({"library": {"articles_sha256": "x"}}, "another library"),
        ({"settings": {"seed": 1}}, "another settings .seed: 0 then, 1 now"),
    ):
        with pytest.raises(InputError, match=what):
            running.begin(tmp_path, IDENTITY | other)


def test_cases_of_unknown_origin_are_refused(tmp_path: Path) -> None:
    (tmp_path / log.CASES).write_text("")
    with pytest.raises(InputError, match=r"no run\.json"):
        running.begin(tmp_path, IDENTITY)
    (tmp_path / log.RUN).write_text("{")
    with pytest.raises(InputError, match="damaged"):
        running.begin(tmp_path, IDENTITY)


def test_one_process_a_run(tmp_path: Path) -> None:
    run, file = tmp_path / "run", tmp_path / "file"
    with running.locked(run), pytest.raises(LockedError), running.locked(run):
        pass
    file.write_text("")
    with pytest.raises(InputError, match="cannot be used as a folder"), running.locked(file):
        pass


def test_gold_may_name_an_article_by_its_url() -> None:
    url = "https://example.org/ferry"
    question = Question("q", "?", evidence_ids=(url, "gone"), grades={url: 2})
    [found] = running.resolve([question], {"ferry"}, {url: "ferry"})
    assert found.evidence_ids == ("ferry", "gone")
    assert found.grades == {"ferry": 2}
    assert running.missing_evidence([found], {"ferry"}) == ["gone"]
    with pytest.raises(InputError, match="holds none of the 2 articles"):
        running.resolve([question], {"x"}, {})
