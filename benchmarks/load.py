"""Many people at once ask a running chat, as its page does::

    pip install -c constraints.txt ".[bench]"
    locust -f benchmarks/load.py --headless -u 50 -r 50 -t 60s --host http://127.0.0.1:7860

A person opens the page, asks one question in a new conversation, reads, and leaves after
``--pause`` seconds on average (``LOAD_PAUSE``); then the next one comes. Questions are taken from
``--questions`` (``LOAD_QUESTIONS``): a ``.jsonl`` with "question" in each line, or a text with a
question a line. With ``--server-pid`` (``LOAD_SERVER_PID``) the memory of that process is watched.

What is measured, from the moment the question is sent: the time to the first piece of an answer,
which is the first update with a sentence or an abstention, and to the last update. Each question is
answered, told that the server is busy, failed, or lost: its stream ended without a last state.
"""

from __future__ import annotations

import json
import math
import random
import secrets
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gevent
import psutil
import requests
from locust import HttpUser, events, task

QUESTIONS = "eval/sets/gazette.jsonl"
PAUSE = 4.0  # seconds, on average; evenly spread from half to one and a half of it
PATIENCE = 120.0  # seconds without any word of the server, after which a question counts as lost
ENDPOINT = "ask"
PIECE = ("qa-sentence", "qa-abstained")
BUSY = "qa-busy"
PROBLEM = "qa-problem"
OUTCOMES = ("answered", "busy", "failed", "lost")
MEGABYTE = 1024**2

questions: list[str] = []
outcomes: Counter[str] = Counter()
first_pieces: list[float] = []  # seconds, as are the ends
ends: list[float] = []
reasons: Counter[str] = Counter()
memory: list[int] = []  # resident bytes of the server, once a second


class Question:
    """The endpoint as the page's own description has it, so that its inputs may change."""

    def __init__(self, config: dict[str, Any]) -> None:
        named = [each for each in config["dependencies"] if each["api_name"] == ENDPOINT]
        if not named:
            raise ValueError(f"the chat has no endpoint named {ENDPOINT}")
        self._called = named[0]
        components = {each["id"]: each for each in config["components"]}
        inputs = [components[key] for key in self._called["inputs"]]
        self._values = [each["props"].get("value") for each in inputs]
        self._trigger = self._called["targets"][0][0] if self._called["targets"] else None
        boxes = [n for n, each in enumerate(inputs) if each["type"] == "textbox"]
        asked = [n for n, each in enumerate(inputs) if each["id"] == self._trigger]
        self._place = next(n for n in (*asked, *boxes) if n in boxes)

    def body(self, question: str, session: str) -> dict[str, Any]:
        """What the page sends for a question."""
        data = [*self._values]
        data[self._place] = question
        called = {"fn_index": self._called["id"], "trigger_id": self._trigger, "event_data": None}
        return {"data": data, "session_hash": session, **called}


class Person(HttpUser):
    """Asks one question after the other, each as a new visitor."""

    def on_start(self) -> None:
        """Reads what the page is made of."""
        self.client.get("/", name="page")
        self._ask = Question(self.client.get("/config", name="config").json())

    def wait_time(self) -> float:
        """Seconds to the next question."""
        pause: float = self.environment.parsed_options.pause
        return random.uniform(0.5, 1.5) * pause

    @task
    def ask(self) -> None:
        """One question from the first word to the last."""
        session = secrets.token_hex(8)
        begun = time.perf_counter()
        # The page holds this open; when it ends, the server forgets the visitor.
        with closing(self._open(f"heartbeat/{session}", "heartbeat")):
            try:
                outcome, reason = self._follow(session, begun)
            except requests.Timeout:
                outcome, reason = "lost", f"no word for {PATIENCE:.0f} s"
            except (requests.RequestException, ValueError) as error:
                outcome, reason = "lost", type(error).__name__
        taken = time.perf_counter() - begun
        outcomes[outcome] += 1
        reasons.update([f"{outcome}: {reason}"] if reason else [])
        if outcome == "answered":
            ends.append(taken)
        self._tell("answer", taken, None if outcome == "answered" else RuntimeError(outcome))

    def _follow(self, session: str, begun: float) -> tuple[str, str]:
        """Sends a question and reads its stream; how it ended, and why if not well."""
        body = self._ask.body(random.choice(questions), session)
        joined = self.client.post("/gradio_api/queue/join", json=body, name="join")
        if joined.status_code == 503:
            return "busy", "the queue is full"
        if not joined.ok:
            return "failed", f"HTTP {joined.status_code}"
        began = False
        with closing(self._open(f"queue/data?session_hash={session}", "stream")) as stream:
            if not stream.ok:
                return "lost", f"stream: HTTP {stream.status_code}"
            for line in _lines(stream):
                if not began and any(each in line for each in PIECE):
                    began = True
                    taken = time.perf_counter() - begun
                    first_pieces.append(taken)
                    self._tell("first piece", taken)
                ended = _ended(line, began)
                if ended:
                    return ended
        return "lost", "the stream ended early"

    def _open(self, path: str, name: str) -> requests.Response:
        """A stream of the server, with its head read."""
        opened: requests.Response = self.client.get(
            f"/gradio_api/{path}", name=name, stream=True, timeout=PATIENCE
        )
        return opened

    def _tell(self, name: str, taken: float, problem: Exception | None = None) -> None:
        """Locust's own tables, in milliseconds."""
        self.environment.events.request.fire(
            request_type="ASK",
            name=name,
            response_time=taken * 1000,
            response_length=0,
            exception=problem,
            context={},
        )


def _lines(stream: requests.Response) -> Iterator[str]:
    for line in stream.iter_lines(chunk_size=8192):
        if line.startswith(b"data:"):
            yield line[5:].decode()


def _ended(line: str, began: bool) -> tuple[str, str] | None:
    """How a question ended, if this message is its last; why, if not well."""
    message = json.loads(line)
    if message["msg"] == "queue_full":
        return "busy", "the queue is full"
    if message["msg"] == "unexpected_error":
        return "failed", str(message.get("message"))
    if message["msg"] != "process_completed":
        return None
    if BUSY in line:
        return "busy", "the page says so"
    if not message["success"] or PROBLEM in line:
        return "failed", "the page says so"
    return ("answered", "") if began else ("failed", "neither sentence nor abstention")


# Locust's hooks


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser) -> None:
    """Options of our own; locust reads each from the environment, too."""
    given: Any = parser
    given.add_argument("--questions", env_var="LOAD_QUESTIONS", default=QUESTIONS)
    given.add_argument("--pause", env_var="LOAD_PAUSE", type=float, default=PAUSE)
    given.add_argument("--server-pid", env_var="LOAD_SERVER_PID", type=int)


@events.test_start.add_listener
def begin(environment: Any, **_: Any) -> None:
    """Reads the questions, watches the server."""
    lines = Path(environment.parsed_options.questions).read_text("utf-8").splitlines()
    is_json = environment.parsed_options.questions.endswith(".jsonl")
    questions[:] = [json.loads(n)["question"] if is_json else n for n in lines if n.strip()]
    # Who waits when the time is up still gets an answer: else the slowest would not count.
    environment.stop_timeout = environment.stop_timeout or PATIENCE
    if environment.parsed_options.server_pid:
        gevent.spawn(_watch, psutil.Process(environment.parsed_options.server_pid))


def _watch(server: psutil.Process) -> None:
    while server.is_running():
        memory.append(server.memory_info().rss)
        gevent.sleep(1)


@events.quitting.add_listener
def summarise(environment: Any, **_: Any) -> None:
    """The table, after locust's own."""
    seconds = environment.stats.total.last_request_timestamp or 0
    seconds -= environment.stats.total.start_time
    print(f"\n{sum(outcomes.values())} questions in {seconds:.0f} s")
    rows = [(name, str(outcomes[name])) for name in OUTCOMES]
    rows += [("answers/s", f"{outcomes['answered'] / max(seconds, 1):.2f}")]
    for name, taken in (("first piece", first_pieces), ("last piece", ends)):
        shares = [f"{percentile(taken, share):.2f} s" for share in (0.5, 0.95, 1)]
        rows.append((f"{name}, p50 / p95 / longest", " / ".join(shares)))
    if memory:
        first, last, most = (n / MEGABYTE for n in (memory[0], memory[-1], max(memory)))
        rows.append(("memory of the server", f"{first:.0f} MB at first"))
        rows.append(("", f"{last - first:+.0f} MB at the end, {most - first:+.0f} MB at most"))
    for name, value in [*rows, *((reason, str(n)) for reason, n in reasons.most_common(5))]:
        print(f"  {name:34} {value}")


def percentile(values: list[float], share: float) -> float:
    """The least value that is at least as large as ``share`` of all; not a number of none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
