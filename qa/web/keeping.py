"""Conversations and what readers thought of the answers, kept in ``chat.db`` in a library folder.

The file is made at the first write, for its owner's eyes only; one that is not there reads like an
empty one. Any number of threads and processes may use it. What goes wrong with it is a LibraryError
that says what to do, and never touches the articles.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from qa.contract import Record
from qa.errors import InputError, LibraryError

State = Literal["asked", "answered", "stopped", "failed"]

REASONS = ("wrong", "unsupported", "incomplete", "should_refuse", "should_answer", "other")
NAME = "chat.db"
SCHEMA_VERSION = 1
PATIENCE = 10.0  # seconds to wait for another process's write, which takes milliseconds
COMMENT = 1_000  # characters
LISTED = 100  # conversations
BATCH = 100  # exchanges read at once
LARGEST = (1 << 63) - 1  # integer of SQLite

# AUTOINCREMENT: a key is never given twice, so that what finishes late meets no other exchange.
# ``rating`` grows with every rating, and is null where there is none.
_SCHEMA = """
CREATE TABLE conversations (id TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE exchanges (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    number INTEGER NOT NULL, asked TEXT NOT NULL, question TEXT NOT NULL, filters TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'asked', record TEXT, problem TEXT NOT NULL DEFAULT '',
    liked INTEGER, reason TEXT NOT NULL DEFAULT '', comment TEXT NOT NULL DEFAULT '',
    rating INTEGER, UNIQUE (conversation, number));
CREATE UNIQUE INDEX exchanges_by_rating ON exchanges (rating) WHERE rating IS NOT NULL;
"""
_COLUMNS = (
    "key, number, asked, question, filters, state, record, problem, liked, reason, comment, "
    "conversation, rating"
)
_MINE = "conversation = (SELECT id FROM conversations WHERE id = ? AND owner = ?)"
_DAMAGED = {None, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(frozen=True, slots=True)
class Kept:
    """A question of a conversation and what came of it.

    ``number`` is its place, from 1 and without gaps. ``asked`` is ISO 8601 in UTC, to the second.
    ``filters`` holds ``publishers``, ``after``, ``before`` and ``article_ids`` as JSON types, and
    nothing where there were none. ``record`` is what :func:`qa.contract.of_answer` made. In the
    state ``asked`` nothing has come, yet or ever: the process may have been killed. ``liked`` is
    None where nobody has said.
    """

    key: int
    number: int
    asked: str
    question: str
    filters: Mapping[str, Any]
    state: State
    record: Record | None
    problem: str = ""
    liked: bool | None = None
    reason: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """A conversation in a list of them; ``count`` is of its exchanges."""

    id: str
    first_question: str
    last_asked: str
    count: int


def new_conversation() -> str:
    """An identity that nobody can guess: whoever knows it can read the conversation."""
    return secrets.token_hex(16)


def valid(conversation: str) -> bool:
    """Whether it has the form of :func:`new_conversation`."""
    return re.fullmatch("[0-9a-f]{32}", conversation) is not None


class Conversations:
    """The conversations of a library folder, which may be missing.

    A conversation belongs to the owner who began it; for any other it is not there. All methods
    raise LibraryError where the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path / NAME
        self._lock = threading.RLock()
        self._kept_open: sqlite3.Connection | None = None

    def close(self) -> None:
        """Closes the file; it opens again when it is used again."""
        with self._lock:
            if self._kept_open is not None:
                self._kept_open.close()
            self._kept_open = None

    # One conversation

    def begin(
        self,
        conversation: str,
        question: str,
        filters: Mapping[str, Any],
        *,
        owner: str = "",
        at: int | None = None,
    ) -> Kept:
        """Appends a question; with ``at``, in the place of that exchange and all behind it.

        Raises InputError for an identity that is none, and for another owner's conversation.
        """
        if not valid(conversation):
            raise InputError("This is not the identity of a conversation. Begin a new one.")
        asked = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        written = json.dumps(dict(filters))
        with self._opened(make=True) as opened, opened:
            opened.execute("BEGIN IMMEDIATE")
            _claim(opened, conversation, owner)
            if at is not None:
                gone = "DELETE FROM exchanges WHERE conversation = ? AND number >= ?"
                _run(opened, gone, conversation, at)
            last = "SELECT coalesce(max(number), 0) FROM exchanges WHERE conversation = ?"
            number = _run(opened, last, conversation).fetchone()[0] + 1
            row = (conversation, number, asked, question, written)
            columns = "(conversation, number, asked, question, filters)"
            new = _run(opened, f"INSERT INTO exchanges {columns} VALUES (?, ?, ?, ?, ?)", *row)
            made = f"SELECT {_COLUMNS} FROM exchanges WHERE key = ?"
            return _kept(_run(opened, made, new.lastrowid).fetchone())

    def finish(
        self, key: int, state: State, record: Record | None = None, problem: str = ""
    ) -> None:
        """Notes what came of a question; nothing where it was taken out meanwhile."""
        written = None if record is None else json.dumps(record)
        with self._opened() as opened:
            query = "UPDATE exchanges SET state = ?, record = ?, problem = ? WHERE key = ?"
            _run(opened, query, state, written, problem, key)

    def exchanges(self, conversation: str, *, owner: str = "") -> list[Kept]:
        """All of it, in order; nothing for one that is unknown or another owner's."""
        query = f"SELECT {_COLUMNS} FROM exchanges WHERE {_MINE} ORDER BY number"
        with self._opened() as opened:
            return [_kept(row) for row in _run(opened, query, conversation, owner)]

    def undo(self, conversation: str, *, owner: str = "") -> str:
        """Takes the last exchange out; its question, or nothing where there is none."""
        last = f"SELECT key, question FROM exchanges WHERE {_MINE} ORDER BY number DESC LIMIT 1"
        with self._opened() as opened, opened:
            opened.execute("BEGIN IMMEDIATE")
            key, question = _run(opened, last, conversation, owner).fetchone() or (0, "")
            _run(opened, "DELETE FROM exchanges WHERE key = ?", key)
        return str(question)

    def forget(self, conversation: str, *, owner: str = "") -> None:
        """Takes all of it out, ratings included."""
        with self._opened() as opened:
            query = "DELETE FROM conversations WHERE id = ? AND owner = ?"
            _run(opened, query, conversation, owner)

    def listed(self, conversations: Sequence[str], *, owner: str = "") -> list[Overview]:
        """Those of the first 100 that have exchanges and are this owner's, newest first."""
        some = list(conversations)[:LISTED]
        query = (
            "SELECT id, (SELECT question FROM exchanges WHERE conversation = id AND number = 1), "
            "max(asked), count(*) FROM conversations JOIN exchanges ON conversation = id "
            f"WHERE owner = ? AND id IN ({', '.join('?' * len(some))}) "
            "GROUP BY id ORDER BY max(key) DESC"
        )
        with self._opened() as opened:
            return [Overview(*row) for row in _run(opened, query, owner, *some)]

    # What readers thought of the answers

    def rate(
        self,
        conversation: str,
        number: int,
        liked: bool | None,
        reason: str = "",
        comment: str = "",
        *,
        owner: str = "",
    ) -> None:
        """Notes a thumb up or down, in the place of one that is there; None takes it back.

        ``reason`` is one of REASONS or empty; ``comment`` is cut. Raises InputError for another
        reason, and for an exchange that is not there.
        """
        if reason and reason not in REASONS:
            raise InputError(f"“{reason}” is no reason. Give one of: {', '.join(REASONS)}.")
        given = (liked, reason, _one_line(comment)) if liked is not None else (None, "", "")
        order = "NULL" if liked is None else "(SELECT coalesce(max(rating), 0) + 1 FROM exchanges)"
        query = f"UPDATE exchanges SET liked = ?, reason = ?, comment = ?, rating = {order}"
        with self._opened() as opened:
            place = (conversation, owner, number)
            done = _run(opened, f"{query} WHERE {_MINE} AND number = ?", *given, *place)
        if not done.rowcount:
            raise InputError(f"This conversation has no answer {number} to rate. Load it anew.")

    def rated(self) -> Iterator[tuple[str, Kept]]:
        """Every exchange with a thumb and its conversation, whoever's; the newest thumb last."""
        query = f"SELECT {_COLUMNS} FROM exchanges WHERE rating > ? ORDER BY rating LIMIT {BATCH}"
        last = 0
        while True:
            with self._opened() as opened:
                found = [(row[-2], _kept(row), row[-1]) for row in _run(opened, query, last)]
            if not found:
                return
            yield from ((conversation, kept) for conversation, kept, _ in found)
            last = found[-1][2]

    def before(self, key: int) -> list[Kept]:
        """The exchanges that stand before this one in its conversation, in order, whoever's."""
        same = "conversation = (SELECT conversation FROM exchanges WHERE key = ?)"
        query = f"SELECT {_COLUMNS} FROM exchanges WHERE {same} AND key < ? ORDER BY number"
        with self._opened() as opened:
            return [_kept(row) for row in _run(opened, query, key, key)]

    # The file

    @contextmanager
    def _opened(self, make: bool = False) -> Iterator[sqlite3.Connection]:
        """The file, for one thread at a time; an empty one in memory where there is none."""
        with self._lock:
            try:
                there = self.path.exists()
                if not there:  # a file that was deleted under us would take what nobody finds again
                    self.close()
                if there or make:
                    yield self._connection()
                else:
                    with closing(sqlite3.connect(":memory:", isolation_level=None)) as nothing:
                        nothing.executescript(_SCHEMA)
                        yield nothing
            except (sqlite3.Error, OSError, json.JSONDecodeError) as error:
                self.close()
                raise _explained(self.path, error) from error

    def _connection(self) -> sqlite3.Connection:
        if self._kept_open is None:
            if not self.path.exists():
                _make(self.path)
            self._kept_open = _connect(self.path)
        return self._kept_open


def _claim(opened: sqlite3.Connection, conversation: str, owner: str) -> None:
    """Makes the conversation this owner's, if it is nobody's yet."""
    _run(opened, "INSERT OR IGNORE INTO conversations VALUES (?, ?)", conversation, owner)
    query = "SELECT 1 FROM conversations WHERE id = ? AND owner = ?"
    if not _run(opened, query, conversation, owner).fetchone():
        raise InputError("There is no such conversation. Begin a new one.")


def _make(path: Path) -> None:
    """A new file without conversations, unless another process is quicker."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = path.with_suffix(".new")
    with FileLock(path.with_suffix(".lock"), timeout=PATIENCE, mode=0o600):
        if path.exists():
            return
        # Made aside and renamed, so that nobody ever finds a file without its tables.
        # What a deleted file left beside it would be played into the new one.
        for left in (aside, path.with_name(f"{NAME}-wal"), path.with_name(f"{NAME}-shm")):
            left.unlink(missing_ok=True)
        aside.touch(mode=0o600)  # SQLite gives its -wal and -shm files the same
        with closing(sqlite3.connect(aside, isolation_level=None)) as new:
            new.execute("PRAGMA journal_mode = WAL")
            new.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT")
        aside.rename(path)


def _connect(path: Path) -> sqlite3.Connection:
    """Opens a file that is there. Raises LibraryError where another version made it."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=PATIENCE,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise LibraryError(
                f"The conversations in {path} were kept by another version of this program "
                f"(format {version}, this one reads {SCHEMA_VERSION}). Use that version, or move "
                "the file away to begin anew."
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _explained(path: Path, error: Exception) -> LibraryError:
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF  # without SQLite's details
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        advice = "Another process is writing to it. Try again in a moment."
    elif primary in _DAMAGED and not isinstance(error, OSError):
        advice = (
            f"It is damaged: restore it from a backup, or move it and its {NAME}-* files away to "
            "begin anew. The articles are not touched by this."
        )
    else:
        advice = "Check free space and the permissions of its folder, then try again."
    return LibraryError(f"The conversations in {path} cannot be used: {error}. {advice}")


def _run(opened: sqlite3.Connection, sql: str, *values: object) -> sqlite3.Cursor:
    return opened.execute(sql, [_storable(value) for value in values])


def _storable(value: object) -> object:
    """What SQLite takes: no halves of surrogate pairs and no endless numbers, as JSON can bring."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return max(-LARGEST, min(value, LARGEST)) if isinstance(value, int) else value


def _one_line(comment: str) -> str:
    """Cut, blanks for line breaks, and no control characters."""
    plain = "".join(c for c in " ".join(comment.split()) if unicodedata.category(c) != "Cc")
    return plain[:COMMENT]


def _kept(row: tuple[Any, ...]) -> Kept:
    key, number, asked, question, filters, state, record, problem, liked, *said = row
    return Kept(
        *(key, number, asked, question, json.loads(filters), state),
        None if record is None else json.loads(record),
        problem,
        None if liked is None else bool(liked),
        *said[:2],
    )
