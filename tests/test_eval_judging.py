"""The judge: asked once an answer, kept apart, and clear about what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_endpoint import ScriptedEndpoint, fault, reply

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


def test_an_endpoint() -> None:
    with ScriptedEndpoint(reply("fine")) as endpoint:
        settings = Settings(llm_base_url=endpoint.base_url, llm_model="m", llm_api_key="secret")  # type: ignore[arg-type]
        assert judging.ChatEndpoint(settings).complete("Well?") == "fine"
        (received,) = endpoint.requests
    assert received.path == "/v1/chat/completions"
    assert received.headers["authorization"] == "Bearer secret"
    assert received.body["temperature"] == 0
    assert [(m["role"], m["content"]) for m in received.body["messages"]] == [("user", "Well?")]


@pytest.mark.parametrize(
    ("name", "told"),
    [("http_500", "500"), ("malformed_json", "no reply"), ("empty_choices", "wrote nothing")],
)
def test_an_endpoint_that_fails(name: str, told: str) -> None:
    with ScriptedEndpoint(fault(name)) as endpoint:
        settings = Settings(llm_base_url=endpoint.base_url, llm_model="m")
        with pytest.raises(ModelError, match=told):
            judging.ChatEndpoint(settings).complete("Well?")


def test_no_model_is_set() -> None:
    with pytest.raises(SettingsError, match="QA_LLM_BASE_URL"):
        judging.ChatEndpoint(Settings())
