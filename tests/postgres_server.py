"""A PostgreSQL server of the tests' own: in a temporary folder, on a free port of loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

_FOUND = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
NEEDED = "PostgreSQL is not installed; on Debian: apt-get install postgresql"
_SERVER = pytest.StashKey["Server"]()


class Server:
    """Started when made. Trusts whoever comes from this machine; ``durable`` survives a crash."""

    def __init__(self, durable: bool = False) -> None:
        self._programs = _programs()
        # Beside no file of the user: the server runs as a user of its own where that is root.
        self.folder = Path(tempfile.mkdtemp(prefix="qa-postgres-", dir="/tmp"))
        self._durable = durable
        self._user = _user()
        if self._user:
            shutil.chown(self.folder, self._user)
        self._data = self.folder / "data"
        self._run(
            "initdb",
            "-D",
            self._data,
            "-A",
            "trust",
            "-U",
            "qa",
            "--no-sync",
            "--no-locale",
            "-E",
            "UTF8",
        )
        self.port = _free_port()
        self.start()

    def start(self) -> None:
        """Returns when it takes connections, after a crash too."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "on" if self._durable else "off",
            "max_connections": 60,
        }
        options = " ".join(f"-c {key}={value}" for key, value in settings.items())
        command = ["-D", self._data, "-o", options, "-l", self.folder / "log", "-w", "-t", "60"]
        for _ in range(50):  # after a crash it is refused while old workers are there
            if self._run("pg_ctl", *command, "start", check=False):
                return
            time.sleep(0.1)
        raise RuntimeError(
            f"PostgreSQL does not start: {(self.folder / 'log').read_text()[-2000:]}"
        )

    def stop(self) -> None:
        """At once, but in order: connections are ended."""
        self._run("pg_ctl", "-D", self._data, "-m", "fast", "-w", "stop")

    def kill(self) -> None:
        """As a crash does: its workers end themselves when they notice."""
        number = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(number, signal.SIGKILL)

    def close(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self, name: str) -> str:
        """The URL of a new, empty database."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'")
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql://qa:s3cret-word@127.0.0.1:{self.port}/{name}"

    def execute(self, query: str, name: str = "postgres") -> list[tuple[Any, ...]]:
        """Past the program, as an administrator would."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def _run(self, program: str, *arguments: object, check: bool = True) -> bool:
        command = [str(self._programs / program), *map(str, arguments)]
        with (self.folder / "said").open("ab") as said:
            done = subprocess.run(
                command,
                user=self._user,
                group=self._user,
                cwd="/",
                stdout=said,
                stderr=said,
                check=False,
            )
        if check and done.returncode:
            raise RuntimeError(f"{program}: {(self.folder / 'said').read_text()[-2000:]}")
        return done.returncode == 0


def shared(request: pytest.FixtureRequest) -> Server:
    """One server for all tests of a session, closed at its end."""
    server = request.config.stash.get(_SERVER, None)
    if server is None:
        server = Server()
        request.config.stash[_SERVER] = server
        request.config.add_cleanup(server.close)
    return server


def _programs() -> Path:
    on_path = shutil.which("initdb")
    found = [*_FOUND, *([Path(on_path).parent] if on_path else [])]
    if found:
        return found[0]
    if os.environ.get("CI") == "true":
        pytest.fail(NEEDED)
    pytest.skip(NEEDED)


def _user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
