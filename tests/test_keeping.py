"""Conversations on disk: numbers without gaps, owners, kills, damage; real files and processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qa.contract import Record
from qa.errors import InputError, LibraryError
from qa.library import Library
from qa.web import keeping
from qa.web.keeping import Conversations, Kept, new_conversation, valid

ROOT = Path(__file__).parents[1]
ONE, TWO = "1" * 32, "2" * 32
RECORD: Record = {"text": "It reopened. [1]", "sentences": [{"text": "\ud800 Møre 📚"}], "n": 0.25}
BEGINNING = """
import sys
from pathlib import Path
from qa.web.keeping import Conversations

conversations = Conversations(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for n in range(int(sys.argv[3])):
    kept = conversations.begin(sys.argv[2], f"{sys.argv[4]} {n}", {})
    print(kept.number, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "library"


@pytest.fixture
def conversations(folder: Path) -> Iterator[Conversations]:
    opened = Conversations(folder)
    yield opened
    opened.close()


def questions(conversations: Conversations, conversation: str = ONE) -> list[tuple[int, str]]:
    return [(kept.number, kept.question) for kept in conversations.exchanges(conversation)]


def beginner(folder: Path, count: int, name: str) -> subprocess.Popen[str]:
    """Another process that begins so many exchanges once it is told to."""
    return subprocess.Popen(
        [sys.executable, "-c", BEGINNING, str(folder), ONE, str(count), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def told(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


# One conversation


def test_an_exchange_comes_back_as_it_was_given(folder: Path, conversations: Conversations) -> None:
    filters = {"publishers": ["Check Gazette"], "after": "2031-01-01"}
    begun = conversations.begin(ONE, "When did it reopen?", filters)
    assert begun == Kept(
        begun.key, 1, begun.asked, "When did it reopen?", filters, "asked", None, "", None, "", ""
    )
    written = time.strptime(begun.asked, "%Y-%m-%dT%H:%M:%SZ")
    assert abs(time.time() - (time.mktime(written) - time.timezone)) < 3 * 3600
    conversations.finish(begun.key, "answered", RECORD)
    second = conversations.begin(ONE, "And the ferry?", {})
    conversations.finish(second.key, "failed", problem="The model does not answer.")
    conversations.close()
    first, other = Conversations(folder).exchanges(ONE)
    assert (first.key, first.state, first.record) == (begun.key, "answered", RECORD)
    assert (other.number, other.filters, other.state) == (2, {}, "failed")
    assert (other.record, other.problem) == (None, "The model does not answer.")


@pytest.mark.parametrize("question", ["", "\0 and more", "half \ud83d", "“Ötzi” 📚\n\nand\x1b[0m"])
def test_any_question_can_be_kept(conversations: Conversations, question: str) -> None:
    kept = conversations.begin(ONE, question, {})
    assert kept.question == question.replace("\ud83d", "?")
    assert conversations.exchanges(ONE) == [kept]


def test_asking_again_takes_out_what_comes_after(conversations: Conversations) -> None:
    keys = [conversations.begin(ONE, f"q{n}", {}).key for n in range(1, 5)]
    conversations.begin(TWO, "elsewhere", {})
    again = conversations.begin(ONE, "q2, but better", {}, at=2)
    assert again.number == 2
    assert again.key > max(keys)
    assert questions(conversations) == [(1, "q1"), (2, "q2, but better")]
    conversations.finish(keys[3], "answered", RECORD)  # its row is gone: nothing happens
    assert [kept.state for kept in conversations.exchanges(ONE)] == ["asked", "asked"]
    for at, number in ((99, 3), (10**30, 4), (0, 1), (-(10**30), 1)):
        assert conversations.begin(ONE, "q", {}, at=at).number == number  # never a gap
    assert questions(conversations, TWO) == [(1, "elsewhere")]


def test_a_key_is_never_given_twice(conversations: Conversations) -> None:
    """Else an answer that comes late would be noted under another question."""
    late = conversations.begin(ONE, "slow", {})
    conversations.undo(ONE)
    fresh = conversations.begin(ONE, "quick", {})
    conversations.finish(late.key, "answered", RECORD)
    assert conversations.exchanges(ONE) == [fresh]


def test_undo_and_forget(conversations: Conversations) -> None:
    for n in (1, 2):
        conversations.begin(ONE, f"q{n}", {})
    conversations.begin(TWO, "elsewhere", {})
    assert [conversations.undo(ONE) for _ in range(3)] == ["q2", "q1", ""]
    assert conversations.exchanges(ONE) == []
    key = conversations.begin(ONE, "q1", {}).key
    conversations.forget(ONE)
    conversations.finish(key, "answered", RECORD)
    assert conversations.exchanges(ONE) == []
    assert questions(conversations, TWO) == [(1, "elsewhere")]


def test_what_is_forgotten_is_not_in_the_file(folder: Path, conversations: Conversations) -> None:
    conversations.begin(ONE, "What does Zebulon owe?" * 200, {})
    conversations.forget(ONE)
    conversations.close()  # takes what stands beside the file into it
    assert b"Zebulon" not in b"".join(path.read_bytes() for path in folder.iterdir())


def test_a_conversation_is_its_owners(conversations: Conversations) -> None:
    kept = conversations.begin(ONE, "q", {}, owner="ida")
    for other in ("", "ben", "ida\ud800"):
        assert conversations.exchanges(ONE, owner=other) == []
        assert conversations.listed([ONE], owner=other) == []
        assert conversations.undo(ONE, owner=other) == ""
        conversations.forget(ONE, owner=other)
        with pytest.raises(InputError, match="no such conversation"):
            conversations.begin(ONE, "mine", {}, owner=other, at=1)
        with pytest.raises(InputError, match="no answer 1"):
            conversations.rate(ONE, 1, True, owner=other)
    assert conversations.undo(ONE, owner="ida") == "q"
    with pytest.raises(InputError):  # emptied, and still not anybody's
        conversations.begin(ONE, "mine", {}, owner="ben")
    assert kept.number == 1


def test_identities_cannot_be_guessed_or_made_up(conversations: Conversations) -> None:
    made = {new_conversation() for _ in range(100)}
    assert len(made) == 100
    assert all(valid(each) for each in made)
    for bad in (
        "",
        "1" * 31,
        "1" * 33,
        "A" * 32,
        "1" * 32 + "\n",
        "../" * 11,
        "\ud800" * 32,
        "٣" * 32,
    ):
        assert not valid(bad)
        assert conversations.exchanges(bad) == []
        with pytest.raises(InputError, match="not the identity"):
            conversations.begin(bad, "q", {})


def test_a_list_of_conversations(conversations: Conversations) -> None:
    ids = [f"{n:032x}" for n in range(1, 105)]
    for each in (ids[0], ids[1], ids[0], ids[103]):
        conversations.begin(each, f"of {each[-2:]}", {})
    conversations.begin(ids[2], "to be undone", {})
    conversations.undo(ids[2])
    first, second = conversations.listed([*ids, "nonsense"])  # the 104th is not looked at
    assert (first.id, first.first_question, first.count) == (ids[0], "of 01", 2)
    assert (second.id, second.count) == (ids[1], 1)
    assert first.last_asked == conversations.exchanges(ids[0])[-1].asked
    assert conversations.listed([]) == []


# Ratings


def test_a_rating_is_given_changed_and_taken_back(conversations: Conversations) -> None:
    conversations.begin(ONE, "q", {})
    for number in (0, 2, 10**30):
        with pytest.raises(InputError, match="to rate"):
            conversations.rate(ONE, number, True)
    with pytest.raises(InputError, match="is no reason"):
        conversations.rate(ONE, 1, False, "because")
    comment = "Not\r\nso:\0 \x1b[31mred\x9f " + "x" * 2000
    conversations.rate(ONE, 1, False, "wrong", comment)
    (kept,) = conversations.exchanges(ONE)
    assert (kept.liked, kept.reason, len(kept.comment)) == (False, "wrong", 1000)
    assert kept.comment.startswith("Not so: [31mred xxx")
    conversations.rate(ONE, 1, True)
    (kept,) = conversations.exchanges(ONE)
    assert (kept.liked, kept.reason, kept.comment) == (True, "", "")
    conversations.rate(ONE, 1, None, "wrong", "gone with it")
    (kept,) = conversations.exchanges(ONE)
    assert (kept.liked, kept.reason, kept.comment) == (None, "", "")
    assert list(conversations.rated()) == []


def test_rated_are_all_with_a_thumb_and_the_newest_thumb_is_last(
    conversations: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "BATCH", 2)
    for n in range(1, 6):
        conversations.begin(ONE, f"q{n}", {}, owner="ida")
    conversations.begin(TWO, "elsewhere", {})
    for number in (5, 1, 3, 2, 1):
        conversations.rate(ONE, number, number > 2, owner="ida")
    conversations.rate(ONE, 2, None, owner="ida")
    conversations.rate(TWO, 1, True)
    found = [(where, kept.question, kept.liked) for where, kept in conversations.rated()]
    in_one = [(ONE, "q5", True), (ONE, "q3", True), (ONE, "q1", False)]
    assert found == [*in_one, (TWO, "elsewhere", True)]
    third = conversations.exchanges(ONE, owner="ida")[2]
    assert [kept.question for kept in conversations.before(third.key)] == ["q1", "q2"]
    assert conversations.before(10**6) == []


# The file


def test_the_file_is_made_at_the_first_write_and_private(
    folder: Path, conversations: Conversations
) -> None:
    assert conversations.exchanges(ONE) == []
    assert conversations.listed([ONE]) == []
    assert list(conversations.rated()) == []
    assert conversations.before(1) == []
    assert conversations.undo(ONE) == ""
    conversations.forget(ONE)
    conversations.finish(1, "answered", RECORD)
    with pytest.raises(InputError, match="to rate"):
        conversations.rate(ONE, 1, True)
    assert not folder.exists()
    mask = os.umask(0)
    try:
        conversations.begin(ONE, "q", {})
    finally:
        os.umask(mask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert {"chat.db", "chat.db-wal", "chat.db-shm"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_threads_get_numbers_in_a_row(conversations: Conversations) -> None:
    with ThreadPoolExecutor(16) as pool:
        kept = list(pool.map(lambda n: conversations.begin(ONE, f"q{n}", {}), range(64)))
    assert sorted(each.number for each in kept) == list(range(1, 65))
    assert [number for number, _ in questions(conversations)] == list(range(1, 65))


def test_two_processes_get_numbers_in_a_row(folder: Path, conversations: Conversations) -> None:
    """They make the file at once, too."""
    processes = [beginner(folder, 25, name) for name in ("a", "b")]
    assert [told(process) for process in processes] == ["ready", "ready"]
    for process in processes:
        tell(process)
    given = [int(told(process)) for process in processes for _ in range(25)]
    for process in processes:
        process.communicate("\n", timeout=60)
        assert process.returncode == 0
    assert sorted(given) == list(range(1, 51))
    found = questions(conversations)
    assert [number for number, _ in found] == list(range(1, 51))
    for name in ("a", "b"):
        own = [question for _, question in found if question.startswith(name)]
        assert own == [f"{name} {n}" for n in range(25)]


def test_a_question_is_there_after_a_kill(folder: Path, conversations: Conversations) -> None:
    process = beginner(folder, 1, "asked, and then")
    tell(process)
    assert [told(process), told(process)] == ["ready", "1"]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    (kept,) = conversations.exchanges(ONE)
    assert (kept.question, kept.state, kept.record) == ("asked, and then 0", "asked", None)
    assert conversations.begin(ONE, "on it goes", {}).number == 2


def test_a_creation_that_was_cut_short_is_begun_anew(
    folder: Path, conversations: Conversations
) -> None:
    folder.mkdir()
    (folder / "chat.new").write_bytes(b"half")
    assert conversations.begin(ONE, "q", {}).number == 1


def test_a_damaged_file_is_told_and_the_library_goes_on(library: Library) -> None:
    path = library.path / "chat.db"
    conversations = Conversations(library.path)
    for damage in (b"", b"no database at all " * 500):
        path.write_bytes(damage)
        for act in (
            lambda: conversations.begin(ONE, "q", {}),
            lambda: conversations.exchanges(ONE),
            lambda: list(conversations.rated()),
        ):
            with pytest.raises(LibraryError, match=r"chat\.db .*(away to begin|the file away)"):
                act()
    assert library.ask("When did the harbour wall reopen?").citations
    path.unlink()  # what the message says to do
    assert conversations.begin(ONE, "q", {}).number == 1
    conversations.close()


def test_damage_inside_is_told(folder: Path, conversations: Conversations) -> None:
    conversations.begin(ONE, "q" * 20_000, {})
    conversations.close()
    path = folder / "chat.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(LibraryError, match="damaged"):
        conversations.exchanges(ONE)
    path.write_bytes(whole.replace(b"q" * 100, b"\xff" * 100))
    with pytest.raises(LibraryError, match="damaged"):
        conversations.exchanges(ONE)
    path.write_bytes(whole.replace(b"{}asked", b"{[asked"))
    with pytest.raises(LibraryError, match="damaged"):
        conversations.exchanges(ONE)
    path.write_bytes(whole)  # a backup
    assert len(conversations.exchanges(ONE)) == 1


def test_another_version_is_refused(folder: Path, conversations: Conversations) -> None:
    conversations.begin(ONE, "q", {})
    conversations.close()
    with sqlite3.connect(folder / "chat.db") as raw:
        raw.execute("PRAGMA user_version = 9")
    raw.close()
    with pytest.raises(LibraryError, match="another version of this program"):
        conversations.exchanges(ONE)


def test_a_full_disk_is_told_and_loses_nothing(folder: Path, conversations: Conversations) -> None:
    """SQLite's own limit of pages, which it reports as a full disk."""
    first = conversations.begin(ONE, "q", {})
    with conversations._opened() as opened:
        opened.execute("PRAGMA max_page_count = 1")
    with pytest.raises(LibraryError, match=r"full.*free space"):
        conversations.begin(ONE, "x" * 100_000, {}, at=1)
    assert conversations.exchanges(ONE) == [first]
    conversations.begin(ONE, "x" * 100_000, {}, at=1)  # there is room again


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        conversations = Conversations(place)
        assert conversations.exchanges(ONE) == []
        with pytest.raises(LibraryError, match="permissions"):
            conversations.begin(ONE, "q", {})


def test_a_writer_that_holds_the_file_is_waited_for_and_then_told(
    folder: Path, conversations: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = conversations.begin(ONE, "q", {})
    conversations.close()
    monkeypatch.setattr(keeping, "PATIENCE", 0.05)
    other = sqlite3.connect(folder / "chat.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LibraryError, match="Another process is writing"):
        conversations.begin(ONE, "q", {})
    assert conversations.exchanges(ONE) == [first]  # reading does not wait
    other.execute("ROLLBACK")
    other.close()
    assert conversations.begin(ONE, "q", {}).number == 2


def test_a_file_that_was_deleted_is_empty(folder: Path, conversations: Conversations) -> None:
    conversations.begin(ONE, "q", {})
    (folder / "chat.db").unlink()
    assert conversations.exchanges(ONE) == []
    assert conversations.begin(ONE, "anew", {}).number == 1
    assert questions(Conversations(folder)) == [(1, "anew")]


def test_keeping_does_not_need_the_page() -> None:
    script = "import qa.web.keeping, sys; print('gradio' in sys.modules, 'fastapi' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "False False\n"
