"""A Chroma server of the tests' own, in a folder, on a free port of loopback."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pytest

_SERVER = pytest.StashKey["Server"]()
PATIENCE = 60.0


class Server:
    """Started when made; keeps its port and its data over a stop."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="qa-chroma-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Returns when it answers."""
        command = [str(Path(sys.executable).parent / "chroma"), "run", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--path", str(self.folder / "data")]
        with (self.folder / "said").open("ab") as said:
            self._process = subprocess.Popen(command, stdout=said, stderr=said)
        ends = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError((self.folder / "said").read_text()[-2000:])

    def kill(self) -> None:
        """As a crash does."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/api/v2/heartbeat", timeout=1).status_code == 200
        except httpx.TransportError:
            time.sleep(0.05)  # between two looks, not in the hope that it is there then
            return False


def shared(request: pytest.FixtureRequest) -> Server:
    """One server for all tests of a session, closed at its end."""
    server = request.config.stash.get(_SERVER, None)
    if server is None:
        server = Server()
        request.config.stash[_SERVER] = server
        request.config.add_cleanup(server.close)
    return server
