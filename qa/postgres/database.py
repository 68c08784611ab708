"""A database that a library is in: reading on any thread, one writer at a time."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from qa.errors import LibraryError, LockedError
from qa.postgres import address, migrating, trouble
from qa.postgres.tables import manifest

T = TypeVar("T")
OLDEST = 140_000  # the server's version; older ones do not notice that a client is gone
PATIENCE = "500ms"  # for the lock of a writer that is just going away
DDL_PATIENCE = "10s"  # for readers of tables that are to change; new ones wait behind
READERS = 16  # connections at most; PostgreSQL has 100 for all programs unless told otherwise
# The two families of our advisory locks; the second number is the schema's.
_WRITING, _MIGRATING = 0x71610001, 0x71610002
_SETTING = (
    "SELECT set_config(name, wanted, false) FROM pg_settings JOIN unnest(%s::text[], %s::text[]) "
    "AS ours (name, wanted) USING (name) WHERE source <> 'client'"
)
_EXISTS = text("SELECT to_regclass(quote_ident(current_schema()) || '.qa_manifest') IS NOT NULL")
_HELD = text(
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND classid = CAST(:family AS bigint)::oid AND objid = CAST(:key AS bigint)::oid"
)


class Database:
    """Opened by ``qa.postgres.connect``; what fails is a LibraryError of one line."""

    def __init__(self, url: str) -> None:
        parsed = address.parsed(url)
        self.name = address.shown(parsed)
        self.engine: Engine = create_engine(
            parsed,
            isolation_level="AUTOCOMMIT",  # one statement needs no BEGIN and COMMIT around it
            pool_size=READERS // 2,
            max_overflow=READERS // 2,
            pool_timeout=10,
            hide_parameters=True,
        )
        # A writer's connection is its own and ends with it.
        self._writers = create_engine(parsed, poolclass=NullPool, hide_parameters=True)
        for engine in (self.engine, self._writers):
            event.listen(engine, "connect", _set_up)
        self._writer: Connection | None = None
        self._turn = threading.RLock()
        self.changes = 0  # what this process wrote: caches of what is read look at it

    def __repr__(self) -> str:
        return f"Database({self.name})"

    def close(self) -> None:
        """Closes what is open; it opens again when it is used again."""
        self.engine.dispose()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Says in one line what went wrong with the database and what to do."""
        try:
            yield
        except (SQLAlchemyError, psycopg.Error) as error:
            raise trouble.explained(self.name, error) from error

    # Reading

    def read(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` makes of one statement; done again once where the connection was lost."""
        return self._twice(work, "AUTOCOMMIT")

    def snapshot(self, work: Callable[[Connection], T]) -> T:
        """The same for several statements, which all see one state."""
        return self._twice(work, "REPEATABLE READ")

    def patiently(self, work: Callable[[Connection], T]) -> T:
        """The same for what looks at the whole library, which may take as long as it takes."""

        def untimed(connection: Connection) -> T:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            return work(connection)

        return self.snapshot(untimed)

    def _twice(self, work: Callable[[Connection], T], level: str) -> T:
        with self.errors():
            try:
                return self._once(work, level)
            except (SQLAlchemyError, psycopg.Error) as error:
                if not trouble.lost(error):
                    raise
            self.engine.dispose()  # the other connections are of the same age
            return self._once(work, level)

    def _once(self, work: Callable[[Connection], T], level: str) -> T:
        with self.engine.connect() as connection:
            if level != "AUTOCOMMIT":
                connection.execution_options(isolation_level=level)
            return work(connection)

    def exists(self) -> bool:
        """Whether the library's tables and its manifest are there."""
        return self.read(lambda connection: bool(connection.scalar(_EXISTS)))

    # Writing

    def create(self, fingerprint: str, notes: Mapping[str, str] | None = None) -> None:
        """Makes the tables and the manifest of a library for one embedding model.

        The notes are in the manifest from the first moment that there is one.

        Where another process was quicker, its manifest stays.
        """
        rows = [
            *({"key": "fingerprint", "value": fingerprint}, {"key": "generation", "value": "0"}),
            *({"key": f"{name}_total", "value": "0"} for name in ("passage", "title")),
            *({"key": f"{name}_total", "value": "0"} for name in ("heading", "text")),
            *({"key": key, "value": value} for key, value in (notes or {}).items()),
        ]
        with self.errors(), self._writers.begin() as connection:
            self._check_server(connection)
            self._migrate(connection)
            connection.execute(insert(manifest).on_conflict_do_nothing(), rows)
        if self._writer is not None:
            with self.transaction() as connection:
                _announce(connection)

    def upgrade(self) -> None:
        """Brings older tables up to date; a library of a newer program is refused.

        As a writer does, who is alone: raises LockedError where an older program writes.
        """
        found = self.read(migrating.version)
        if found is None or not migrating.outdated(self.name, found):
            return
        try:
            with self.transaction() as connection:
                patience = text("SELECT set_config('lock_timeout', :patience, true)")
                connection.execute(patience, {"patience": DDL_PATIENCE})
                self._migrate(connection)
        except LockedError as error:
            raise LockedError(
                f"The library in {self.name} is of an older version of this program, and is being "
                f"written by {self.read(_holder)}. Wait until it is done, then run this again, "
                "which brings it up to date."
            ) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Holds the library's one writer's lock, or raises LockedError that names who has it.

        The lock belongs to the connection that everything is written on. Where that is lost,
        PostgreSQL frees the lock, and nothing more is written.
        """
        with self.errors():
            connection = self._writers.connect()
            try:
                self._lock(connection)
            except BaseException:
                connection.close()
                raise
        before, self._writer = self._writer, connection
        try:
            yield
        finally:
            self._writer = before
            with suppress(SQLAlchemyError):  # lost already, and the lock with it
                _release(connection)
            with suppress(SQLAlchemyError):
                connection.close()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction of the writer; where none is at it, it is one for this alone.

        All of it is there when it ends, or nothing.
        """
        with self._turn:
            if self._writer is None:
                with self.writing(), self._held(self._writer) as connection:
                    yield connection
            else:
                with self._held(self._writer) as connection:
                    yield connection

    @contextmanager
    def _held(self, connection: Connection | None) -> Iterator[Connection]:
        if connection is None or connection.invalidated:  # else it would quietly connect anew
            raise self._lost()
        with self.errors(), connection.begin():
            self._check_lock(connection)
            yield connection
        self.changes += 1

    def _lock(self, connection: Connection) -> None:
        with connection.begin():
            # Nothing may be acknowledged that the server has not on its disk.
            connection.execute(
                text(
                    "SELECT set_config('statement_timeout', '0', false), "
                    "set_config('lock_timeout', :patience, false), "
                    "CASE WHEN current_setting('synchronous_commit') = 'off' "
                    "THEN set_config('synchronous_commit', 'on', false) END"
                ),
                {"patience": PATIENCE},
            )
        try:
            with connection.begin():
                lock = text("SELECT pg_advisory_lock(CAST(:family AS int), CAST(:key AS int))")
                connection.execute(lock, _key(connection, _WRITING))
        except SQLAlchemyError as error:
            if isinstance(getattr(error, "orig", None), psycopg.errors.LockNotAvailable):
                raise self._locked() from error
            raise
        with connection.begin():
            connection.execute(text("SELECT set_config('lock_timeout', '0', false)"))
            if connection.scalar(_EXISTS):
                _announce(connection)

    def _check_lock(self, connection: Connection) -> None:
        """A proxy that hands out another session for each transaction loses the lock unnoticed."""
        holders = connection.scalars(_HELD, _key(connection, _WRITING)).all()
        if connection.scalar(text("SELECT pg_backend_pid()")) not in holders:
            raise self._lost()

    def _lost(self) -> LibraryError:
        return LibraryError(
            f"The connection to {self.name} that held the writer's lock was lost. {trouble.SAFE}; "
            "when the database is back, run this again (through a pooler only in session mode)."
        )

    def _locked(self) -> LockedError:
        return LockedError(
            f"The library in {self.name} is being written by {self.read(_holder)}. "
            "Wait until it is done, then run this again."
        )

    def _migrate(self, connection: Connection) -> None:
        """One process at a time; the others find it done."""
        lock = text("SELECT pg_advisory_xact_lock(CAST(:family AS int), CAST(:key AS int))")
        connection.execute(lock, _key(connection, _MIGRATING))
        if migrating.outdated(self.name, migrating.version(connection)):
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            migrating.upgrade(connection)

    def _check_server(self, connection: Connection) -> None:
        version = int(connection.scalar(text("SHOW server_version_num")) or 0)
        encoding = connection.scalar(text("SHOW server_encoding"))
        if version < OLDEST:
            raise LibraryError(
                f"{self.name} runs PostgreSQL {version // 10_000}, and {OLDEST // 10_000} or newer "
                "is needed. Update the server."
            )
        if encoding != "UTF8":
            raise LibraryError(
                f"The database {self.name} has the encoding {encoding}, which cannot hold every "
                "text. Make one with: createdb --encoding UTF8 --template template0 NAME"
            )


def _set_up(connection: psycopg.Connection[Any], record: object) -> None:
    """What we want of the server, as far as it knows it and the URL has not said otherwise."""
    del record
    with connection.cursor() as cursor:
        cursor.execute(_SETTING, (list(address.SERVER), list(address.SERVER.values())))
    if not connection.autocommit:
        connection.commit()


def _key(connection: Connection, family: int) -> dict[str, int]:
    schema = connection.scalar(text("SELECT current_schema()"))
    if schema is None:
        raise LibraryError(
            "The schema in QA_DATABASE_URL (search_path) does not exist. Create it first: "
            "CREATE SCHEMA name"
        )
    return {"family": family, "key": zlib.crc32(schema.encode()) & 0x7FFFFFFF}


def _announce(connection: Connection) -> None:
    """Notes who writes; true as long as the session that it names holds the lock."""
    # Program and command word alone: what follows, a password say, is private.
    command = " ".join([Path(sys.argv[0]).name, *filter(str.isalpha, sys.argv[1:2])])
    value = json.dumps(
        {
            "session": connection.scalar(text("SELECT pg_backend_pid()")),
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "command": command[:60],
            "since": datetime.now().strftime("%H:%M"),
        }
    )
    noted = insert(manifest).values(key="writer", value=value)
    connection.execute(noted.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def _release(connection: Connection) -> None:
    """Said aloud: the server notices a closed connection only a moment later."""
    connection.rollback()
    if not connection.invalidated:
        with connection.begin():
            connection.execute(text("SELECT pg_advisory_unlock_all()"))


def _holder(connection: Connection) -> str:
    sessions = connection.scalars(_HELD, _key(connection, _WRITING)).all()
    if not connection.scalar(_EXISTS):
        return "another process"
    noted = connection.scalar(
        manifest.select().with_only_columns(manifest.c.value).where(manifest.c.key == "writer")
    )
    try:
        known = json.loads(noted or "")
        if known["session"] in sessions:
            return (
                f"process {known['pid']} on {known['host']} "
                f"({known['command']}, since {known['since']})"
            )
    except (ValueError, KeyError):
        pass
    return "another process"
