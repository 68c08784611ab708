"""The judge: asked once an answer, kept apart, and clear about what it lacks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from eval import judging
from eval.types import Case, Outcome, Question, Sentence
from qa.errors import ModelError, SettingsError
from qa.settings import Settings


class Strict:
    """Finds every answer partly right."""

    name = "strict"

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def complete(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return 'Sure: {"explanation": "It lacks {the} month.", "verdict": "Partly"}'


def case(key: str, text: str = "In 1926.", answerable: bool = True) -> Case:
    question = Question(key, "When?", answers=("May 1926",), answerable=answerable)
    return Case(question, outcome=Outcome(True, 1, (Sentence(text, ()),)))


def test_each_answer_is_judged_once(tmp_path: Path) -> None:
    model = Strict()
    refused = Case(Question("r", "?", answers=("x",)), outcome=Outcome(False, 0))
    cases = [case("a"), case("b"), refused, case("u", answerable=False)]
    found = judging.judge(tmp_path, cases, model)
    assert found["verdicts"] == {"correct": 0, "partly": 2, "incorrect": 0, "unclear": 0}
    assert judging.judge(tmp_path, cases, model) == found
    assert len(model.prompts) == 2
    assert "- May 1926" in model.prompts[0]
    assert "In 1926." in model.prompts[0]
    assert judging.opinions(tmp_path)["a"]["explanation"] == "It lacks {the} month."


def test_another_answer_is_judged_anew(tmp_path: Path) -> None:
    model = Strict()
    judging.judge(tmp_path, [case("a")], model)
    assert judging.judge(tmp_path, [case("a", "In 1927.")], model)["judged"] == 1
    assert len(model.prompts) == 2


def test_a_torn_line_is_judged_again(tmp_path: Path) -> None:
    judging.judge(tmp_path, [case("a"), case("b")], Strict())
    path = tmp_path / judging.JUDGE
    path.write_bytes(path.read_bytes()[:-9])
    assert set(judging.opinions(tmp_path)) == {"a"}
    assert judging.judge(tmp_path, [case("a"), case("b")], Strict())["judged"] == 2


@pytest.mark.parametrize(
    "reply", ["", "I think so.", '{"verdict": "great", "explanation": ""}', "{}"]
)
def test_a_reply_that_is_not_as_asked_for_is_unclear(reply: str) -> None:
    assert judging.read_reply(reply) == ("unclear", reply)


class Handler(BaseHTTPRequestHandler):
    replies: tuple[int, Any] = (200, {})
    seen: tuple[str, str | None, Any] = ("", None, None)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Handler.seen = (self.path, self.headers["Authorization"], body)
        status, reply = Handler.replies
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as inherited
        del format, args


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_endpoint(endpoint: str) -> None:
    Handler.replies = (200, {"choices": [{"message": {"content": "fine"}}]})
    settings = Settings(llm_base_url=endpoint, llm_model="m", llm_api_key="secret")  # type: ignore[arg-type]
    assert judging.ChatEndpoint(settings).complete("Well?") == "fine"
    path, key, body = Handler.seen
    assert (path, key) == ("/v1/chat/completions", "Bearer secret")
    assert body["temperature"] == 0
    assert body["messages"] == [{"role": "user", "content": "Well?"}]


@pytest.mark.parametrize("replies", [(500, {}), (200, {}), (200, [])])
def test_an_endpoint_that_fails(endpoint: str, replies: tuple[int, Any]) -> None:
    Handler.replies = replies
    model = judging.ChatEndpoint(Settings(llm_base_url=endpoint, llm_model="m"))
    with pytest.raises(ModelError, match="did not answer"):
        model.complete("Well?")


def test_no_model_is_set() -> None:
    with pytest.raises(SettingsError, match="QA_LLM_BASE_URL"):
        judging.ChatEndpoint(Settings())
