"""OpenAI's language: its official client over loopback, and what the text is made of."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from api_server import COST, FOREIGN, KEY, Endless, bare_api, make_library, whole_app
from conftest import HARBOUR
from markdown_it import MarkdownIt
from openai import OpenAI

from qa.library import Library
from qa.types import Answer, AnswerSentence, Article, Citation, Disagreement, Side
from qa.web import completions
from qa.web.completions import MODEL, SOURCES, CompletionRequest

LONG = 30.0
ANSWER = "The work cost 4.2 million crowns, said mayor Ines Falk. [1]"
SOURCE = "[1] Harbour wall reopens, Check Gazette, 2031-03-04, https://example.org/harbour"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Library]]:
    folder = tmp_path_factory.mktemp("completions")
    with whole_app(folder, api_keys=[KEY], api_rate=10_000) as running:
        yield running


@pytest.fixture
def client(app: tuple[str, Library]) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{app[0]}/v1", api_key=KEY, timeout=LONG, max_retries=0) as opened:
        yield opened


def complete(client: OpenAI, *messages: tuple[str, Any], **more: Any) -> Any:
    given: Any = [{"role": role, "content": content} for role, content in messages]
    options = {"model": MODEL, **more}
    return client.chat.completions.create(messages=given, **options)


# The official client


def test_models_are_listed(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).owned_by == MODEL
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_answer_has_its_sources_in_text_and_as_annotations(client: OpenAI) -> None:
    done = complete(client, ("user", COST))
    (choice,) = done.choices
    message = choice.message
    assert choice.finish_reason == "stop"
    text, _, sources = message.content.partition(SOURCES)
    assert (text, sources) == (ANSWER, f"- {SOURCE}")
    (annotation,) = message.annotations
    cited = annotation.url_citation
    assert (cited.url, cited.title) == (HARBOUR.url, HARBOUR.title)
    assert message.content[cited.start_index : cited.end_index] == "[1]"
    (citation,) = message.citations
    assert HARBOUR.text[citation["start"] : citation["end"]] == citation["quote"]
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens > 0


def test_stream_gives_the_same_text_in_pieces(client: OpenAI) -> None:
    whole = complete(client, ("user", COST)).choices[0].message
    chunks = list(
        complete(client, ("user", COST), stream=True, stream_options={"include_usage": True})
    )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == whole.content
    assert sum(bool(delta.content) for delta in deltas) > 1
    (told,) = [delta for delta in deltas if getattr(delta, "citations", None)]
    assert told.citations == whole.citations
    assert told.annotations == [each.model_dump() for each in whole.annotations]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1


def test_role_comes_before_the_answer_is_made(tmp_path: Any) -> None:
    endless = Endless()
    with (
        bare_api(tmp_path, endless) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="none", timeout=LONG) as client,
    ):
        stream = complete(client, ("user", "endless harbour wall"), stream=True)
        assert next(stream).choices[0].delta.role == "assistant"
        assert not endless.stopped.is_set()
        stream.close()
        assert endless.stopped.wait(LONG), "who leaves ends the work"


def test_earlier_messages_are_the_history(client: OpenAI) -> None:
    first = "When did the harbour wall at Tellin reopen?"
    answered = complete(client, ("user", first)).choices[0].message.content
    done = complete(
        client,
        ("system", "Answer in rhymes."),
        ("user", first),
        ("assistant", answered),
        ("user", [{"type": "text", "text": "How much did it cost?"}]),
        temperature=0.2,
        max_tokens=5,
        user="ada",
    )
    assert "4.2 million crowns" in done.choices[0].message.content


def test_abstention_cites_nothing(client: OpenAI) -> None:
    message = complete(client, ("user", "What is the capital of Peru?")).choices[0].message
    assert message.content == "The articles do not say."
    assert (message.annotations, message.citations) == ([], [])


@pytest.mark.parametrize(
    "more",
    [
        {"n": 2},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"response_format": {"type": "json_object"}},
        {"logprobs": True},
        {"temperature": 0, "messages": []},
        {"messages": [{"role": "system", "content": "x"}]},
        {"messages": [{"role": "assistant", "content": "y"}]},
        {"messages": [{"role": "user", "content": "why " * 2000}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        {"messages": [{"role": "user", "content": "a\0b"}]},
        {
            "messages": [
                {"role": "user", "content": "How many homes?"},
                {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
            ]
        },
    ],
)
def test_what_is_not_supported_is_told(client: OpenAI, more: dict[str, Any]) -> None:
    given = {"model": MODEL, "messages": [{"role": "user", "content": COST}], **more}
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(**given)
    body: Any = raised.value.body
    assert body["type"] == "invalid_request_error"
    assert body["message"]
    assert "'" not in body["message"], "no Python"


def test_what_does_no_harm_is_taken(client: OpenAI) -> None:
    picture = {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64," + "A" * 2_000_000},
    }
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": {}}}
    done = complete(
        client,
        ("user", [picture, {"type": "text", "text": "What is this?"}]),
        ("assistant", "The articles do not say."),
        ("user", COST),
        tools=[tool],
        tool_choice="none",
        extra_body={"response_format": {"type": "text", "strict": False}},
    )
    assert "4.2 million crowns" in done.choices[0].message.content


def test_errors_are_those_that_the_client_knows(app: tuple[str, Library], client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        complete(client, ("user", COST), model="gpt-x")
    assert raised.value.code == "model_not_found"
    stranger = OpenAI(base_url=f"{app[0]}/v1", api_key="wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError), stranger:
        stranger.models.list()
    raw = httpx.post(f"{app[0]}/v1/chat/completions", content=b"{", headers={"X-API-Key": KEY})
    assert raw.status_code == 400
    assert set(raw.json()["error"]) == {"message", "type", "param", "code"}


def test_error_within_a_stream_is_raised(tmp_path: Any) -> None:
    class Fails(Endless):
        def generate(self, question: str, hits: Any) -> Iterator[Any]:
            raise ValueError("secret")

    with (
        bare_api(tmp_path, Fails()) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
        pytest.raises(openai.APIError) as raised,
    ):
        for _chunk in complete(client, ("user", "harbour"), stream=True):
            pass
    assert "secret" not in str(raised.value)


# The text


def citing(*citations: Citation, **more: Any) -> completions.Written:
    numbers = tuple(citation.number for citation in citations)
    sentence = AnswerSentence(citations[0].quote, numbers, **more.pop("of_sentence", {}))
    return completions.write(Answer("?", "answered", (sentence,), citations, **more))


def test_words_of_articles_become_no_markup_and_no_link() -> None:
    quote = FOREIGN.text
    written = citing(Citation(1, FOREIGN, 0, len(quote), quote))
    assert "<b>" not in written.content
    assert "javascript:" not in written.content
    assert written.extras()["annotations"] == [], "no safe address, no annotation"
    assert written.extras()["citations"][0]["quote"] == quote
    ((start, end, _),) = written.marks
    assert written.content[start:end] == "[1]"


HARMFUL = (
    "[sic] [1] [a](http://evil.example) ![b](//evil.example/i.png) [c]: http://evil.example",
    "https://evil.example/a_b_c www.evil.example evil.example/x me@evil.example",
    r"$5 and $6, $$x$$, \(x\) \[y\] \begin{equation} \_ C:\\temp",
    "**b** *i* __b__ _i_ snake_case `code` ~~no~~ 2 * 3 <b>x</b> <http://evil.example> AT&T &lt;",
    *(
        "# a",
        "> b",
        "- c",
        "+ d",
        "* e",
        "1. f",
        "1931) g",
        "---",
        "```",
        "~~~",
        ":::a",
        "===",
        "[1]:a",
    ),
)


@pytest.mark.parametrize("words", HARMFUL)
def test_words_look_as_they_are_written(words: str) -> None:
    article = Article("a", words, words, url="https://example.org/a[b](c)*d*")
    content = citing(Citation(1, article, 0, len(words), words)).content
    shown = MarkdownIt("commonmark").enable(["strikethrough", "table"]).render(content)
    assert set(re.findall("<([a-z0-9]+)", shown)) == {"p", "ul", "li"}
    plain = html.unescape(re.sub("<[^>]+>", "", shown)).replace(completions.BREAK, "")
    assert plain.startswith(f"{words} [1]\n")
    assert f"[1] {words}, https://" in plain
    for pattern in (r"https?://(?!example)", r"www\.", r"\w@\w", r"\\[(\[]", r"(?<!\\)\$"):
        assert not re.search(pattern, content), "what Markdown's extensions act upon"
    assert content.count("[1]") == 2, "the marker, and the source"


def test_answer_that_comes_back_is_read_as_it_was_meant() -> None:
    article = Article("a", "t", HARMFUL[3])
    said = citing(Citation(1, article, 0, len(article.text), article.text)).content
    given = [("user", "a?"), ("assistant", said), ("user", "b?")]
    messages = [{"role": role, "content": content} for role, content in given]
    request = CompletionRequest.model_validate({"model": MODEL, "messages": messages})
    assert request.asked()[1][0].answer == f"{article.text} [1]"


def test_each_marker_has_its_annotation_at_its_place() -> None:
    quotes = "The work cost 4.2 million crowns", "mayor Ines Falk"
    places = [HARBOUR.text.index(quote) for quote in quotes]
    cited = [
        Citation(number, HARBOUR, place, place + len(quote), quote)
        for number, (place, quote) in enumerate(zip(places, quotes, strict=True), 1)
    ]
    aside = {"asides": ("as of 4 March 2031",), "support": "partial", "reason": "the sum"}
    differ = Disagreement((Side("4.2 million", (1,)), Side("5 million", (2,))))
    notes = ("One sentence was left out.",)
    written = citing(*cited, of_sentence=aside, disagreements=(differ,), notes=notes)
    marked = [
        written.content[a["url_citation"]["start_index"] : a["url_citation"]["end_index"]]
        for a in written.extras()["annotations"]
    ]
    assert marked == ["[1]", "[2]"]
    text, _, sources = written.content.partition(SOURCES)
    assert text.split("\n\n") == [
        "The work cost 4.2 million crowns [1] [2] (as of 4 March 2031)",
        "The articles differ: 4.2 million [1]; 5 million [2].",
        "partial: “The work cost 4.2 million crowns” (the sum)",
        "One sentence was left out.",
    ]
    assert sources.count("\n") == 1


def test_sources_of_an_earlier_answer_are_no_part_of_the_history() -> None:
    said = f"{ANSWER}{SOURCES}- {SOURCE}"
    messages = [
        ("user", "a?"),
        ("assistant", said),
        ("user", " "),
        ("user", "b?"),
        ("assistant", "so"),
    ]
    given = [{"role": role, "content": content} for role, content in messages]
    request = CompletionRequest.model_validate({"model": MODEL, "messages": given})
    question, (turn,) = request.asked()
    assert (question, turn.question, turn.answer) == ("b?", "a?", ANSWER)


def test_the_text_of_an_answer_is_the_library_s(tmp_path: Any) -> None:
    with make_library(tmp_path) as library:
        started = time.time()
        reply = completions.Reply().whole(library.ask(COST))
    assert reply["choices"][0]["message"]["content"].startswith(ANSWER)
    assert reply["created"] >= int(started)
