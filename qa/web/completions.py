"""``/v1/chat/completions`` and ``/v1/models``: what clients of OpenAI's API understand.

An answer is sent when it is checked and final: what has been sent cannot be taken back.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Request
from fastapi.sse import format_sse_event
from pydantic import BaseModel, ConfigDict, Field

from qa import contract
from qa.contract import Record
from qa.library import QUESTION_CHARACTERS
from qa.types import ABSTENTION, Answer, AnswerSentence, Article, Turn
from qa.web import api_answering, api_errors
from qa.web import api_models as models
from qa.web.api_answering import Counter, Events, Update
from qa.web.api_errors import Failure, Json
from qa.web.links import safe_link

MODEL = "cited-qa"
PATH = "/v1/chat/completions"
SOURCES = "\n\nSources:\n"
MOST_MESSAGES = 1000
CHARACTERS_A_TOKEN = 4  # an estimate
HISTORY = 20  # exchanges before a question that it may lean on
BREAK = "\u2060"  # a word joiner: it shows nothing, and what stands around it makes no markup
_TO_BREAK = re.compile(
    r"""(?<=[\[\]<@])                # links, images, footnotes, markers like ours; tags; mail
    | (?<=&)(?=\#?\w{1,32};)        # entities
    | (?<=/)(?=/) | (?<=www)(?=\.)  # addresses
    | (?<=\w)(?=\.[^\W\d]{2}) | (?<=\w\.)(?=[^\W\d]{2})  # names of hosts
    | ^(?=[#>+:-]) | ^\d{1,9}(?=[.)](?:\s|$))  # headings, quotes, items of lists
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Nothing but a backslash stops these, and it is not shown. An underscore within a word is one.
_TO_ESCAPE = re.compile(r"[*`~$]|(?<![^\W_])_|_(?![^\W_])")
_ESCAPED = re.compile(r"\\([*_`~$\\])")
_IN_ADDRESSES = re.compile(r"[][<>*`$|\\]")
# Options that would change what an answer is, and the one value that each may have.
_ONLY = {"n": 1, "logprobs": False, "response_format": {"type": "text"}, "modalities": ["text"]}
_NEVER = ("tools", "functions", "audio")
_UNUSED = {"tools": "tool_choice", "functions": "function_call"}  # where it is “none”


# What is asked


class _Model(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class Part(_Model):
    type: str
    text: models.Text | None = None


class Message(_Model):
    """``system`` and other roles are taken and have no effect."""

    role: models.Text
    content: models.Text | list[Part] | None = None

    @property
    def words(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text or "" for part in self.content if part.type == "text")
        return self.content or ""


class StreamOptions(_Model):
    include_usage: bool = False


class CompletionRequest(_Model):
    """The last message of the user is the question, those before it are its history."""

    model: models.Text = Field(json_schema_extra={"enum": [MODEL]})
    messages: list[Message] = Field(
        min_length=1,
        max_length=MOST_MESSAGES,
        examples=[
            [{"role": "user", "content": "How many homes did the inquiry count as flooded?"}]
        ],
    )
    stream: bool | None = False
    stream_options: StreamOptions | None = None

    def refuse_unsupported(self) -> None:
        """Raises Failure for options that cannot be honoured and matter; others have no effect."""
        if self.model != MODEL:
            message = f"There is no such model here. Use “{MODEL}”."
            raise Failure(404, message, param="model", code="model_not_found")
        options = self.model_extra or {}
        for name, value in _ONLY.items():
            given = options.get(name)
            if isinstance(given, dict) and isinstance(value, dict):
                given = {each: given.get(each) for each in value}  # further fields do no harm
            if given not in (None, value):
                raise _unsupported(name, f"can only be {json.dumps(value)}")
        for name in _NEVER:
            if options.get(name) and options.get(_UNUSED.get(name, "")) != "none":
                raise _unsupported(name, "is not supported: the articles are all there is")

    def asked(self) -> tuple[str, list[Turn]]:
        """The question, and the exchanges before it."""
        turns: list[Turn] = []
        by_user = [each.words for each in self.messages if each.role == "user"]
        if not (by_user and by_user[-1].strip()):
            raise Failure(400, "The last message of the user has no text.", param="messages")
        for each in self.messages:
            words = each.words.strip()
            if each.role == "user" and words:
                turns.append(Turn(words, ""))
            elif each.role == "assistant" and turns:
                said = _as_meant(words.partition(SOURCES)[0]).strip()
                turns[-1] = Turn(turns[-1].question, said)
        *before, last = turns  # what the assistant is to have said of the question is left out
        if len(last.question) > QUESTION_CHARACTERS:
            message = (
                f"The last message has {len(last.question):,} characters; a question has at most "
                f"{QUESTION_CHARACTERS:,}. Shorten it."
            )
            raise Failure(400, message, param="messages", code="context_length_exceeded")
        most = models.ANSWER_CHARACTERS
        history = [Turn(t.question[:QUESTION_CHARACTERS], t.answer[:most]) for t in before]
        return last.question, history[-HISTORY:]


def _unsupported(name: str, why: str) -> Failure:
    return Failure(400, f"The option {name} {why}.", param=name, code="unsupported_parameter")


# What is answered


class ModelResult(models.Result):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelsResult(models.Result):
    object: Literal["list"]
    data: list[ModelResult]


class MessageResult(models.Result):
    role: Literal["assistant"]
    content: str = Field(description="The answer with its [n], then the list of its sources.")
    annotations: list[dict[str, Any]] = Field(description="A url_citation for each [n] with a url.")
    citations: list[models.Citation] = Field(description="All citations, with the words cited.")


class Choice(models.Result):
    index: int
    message: MessageResult
    finish_reason: Literal["stop"]


class Usage(models.Result):
    """Estimates."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionResult(models.Result):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


def routes(counter: Counter) -> APIRouter:
    made = APIRouter(tags=["OpenAI-compatible"], responses=models.errors())
    started = int(time.time())
    ours = {"id": MODEL, "object": "model", "created": started, "owned_by": MODEL}
    stream = models.event_stream()
    described = models.errors(404) | {200: {"model": CompletionResult, "content": stream}}

    @made.get("/v1/models", response_model=ModelsResult)
    async def known() -> Json:
        """The one model."""
        return Json({"object": "list", "data": [ours]})

    @made.get("/v1/models/{model}", response_model=ModelResult, responses=models.errors(404))
    async def one(model: Annotated[str, Path(examples=[MODEL])]) -> Json:
        """The one model."""
        if model != MODEL:
            message = f"There is no such model here. Use “{MODEL}”."
            raise Failure(404, message, param="model", code="model_not_found")
        return Json(ours)

    @made.post(PATH, response_model=None, responses=described)
    async def complete(asked: CompletionRequest, request: Request) -> Json | Events:
        """An answer to the last message, every sentence cited; with `stream`, in pieces."""
        asked.refuse_unsupported()
        question, history = asked.asked()
        work = partial(counter.library.stream, question, history)
        reply = Reply(bool(asked.stream_options and asked.stream_options.include_usage))
        if asked.stream:
            return await Events.begin(counter.line, work, reply.stream)
        return Json(reply.whole(await api_answering.final(request, counter.line, work)))

    return made


@dataclass(frozen=True, slots=True)
class Written:
    """An answer as text, in pieces, and what stands in it: ``marks`` are start, end and number."""

    pieces: tuple[str, ...]
    marks: tuple[tuple[int, int, int], ...]
    answer: Answer

    @property
    def content(self) -> str:
        return "".join(self.pieces)

    def extras(self) -> Record:
        """The citations, as annotations where they have a url, and whole."""
        cited = {citation.number: citation for citation in self.answer.citations}
        return {
            "annotations": [
                _annotation(start, end, cited[number].article)
                for start, end, number in self.marks
                if safe_link(cited[number].article.url)
            ],
            "citations": [contract.of_citation(citation) for citation in self.answer.citations],
        }

    def usage(self) -> Record:
        """Tokens, estimated; what a language model here was given is counted where there is one."""
        shown = int(self.answer.usage.get("prompt_tokens", 0))
        asked = shown or _tokens(self.answer.question)
        told = _tokens(self.content)
        return {
            "prompt_tokens": asked,
            "completion_tokens": told,
            "total_tokens": asked + told,
        }


def write(answer: Answer) -> Written:
    """The sentences with their ``[n]``, what to know about them, and the sources.

    Words of articles become no link, image, marker or other markup where a program shows the text
    as Markdown.
    """
    if answer.status == "abstained":
        return Written((ABSTENTION, *_remarks(answer)), (), answer)
    pieces: list[str] = []
    marks: list[tuple[int, int, int]] = []
    at = 0
    for sentence in answer.sentences:
        piece, found = _sentence(sentence, " " if pieces else "", at)
        marks += found
        at += len(piece)
        pieces.append(piece)
    pieces += _remarks(answer)
    sources = [_source(citation.number, citation.article) for citation in answer.citations]
    if sources:
        pieces += [SOURCES + sources[0], *(f"\n{source}" for source in sources[1:])]
    return Written(tuple(pieces), tuple(marks), answer)


def _sentence(
    sentence: AnswerSentence, before: str, at: int
) -> tuple[str, list[tuple[int, int, int]]]:
    """A sentence as text that begins ``at`` this place, and where its markers are."""
    text, marks = before + _plain(sentence.text), []
    for number in sentence.citations:
        marker = f"[{number}]"
        start = at + len(text) + 1
        text += f" {marker}"
        marks.append((start, start + len(marker), number))
    asides = f" ({_plain('; '.join(sentence.asides))})" if sentence.asides else ""
    return text + asides, marks


def _remarks(answer: Answer) -> list[str]:
    """That sources differ, that a sentence is not borne out whole, and the notes; a block each."""
    told = []
    for each in answer.disagreements:
        sides = (f"{_plain(side.value)} {_markers(side.citations)}" for side in each.sides)
        told.append(f"The articles differ: {'; '.join(sides)}.")
    doubted = (s for s in answer.sentences if s.support != "supported")
    told += [f"{s.support}: “{_plain(s.text)}” ({_plain(s.reason)})" for s in doubted]
    return [f"\n\n{remark}" for remark in (*told, *map(_plain, answer.notes))]


def _markers(numbers: Sequence[int]) -> str:
    return " ".join(f"[{number}]" for number in numbers)


def _source(number: int, article: Article) -> str:
    about = (article.title.strip() or "Untitled", article.publisher, article.published)
    parts = [_plain(part) for part in about if part]
    if link := safe_link(article.url):
        parts.append(_IN_ADDRESSES.sub(lambda found: quote(found[0]), link))
    return f"- [{number}] {', '.join(parts)}"


def _plain(text: str) -> str:
    """The text in a line that shows as it is, whether a program takes it for Markdown or not quite.

    Entities and escaped brackets would not do: Open WebUI shows the ones and takes the others for a
    formula.
    """
    words = " ".join(text.split()).replace("\\", f"\\\\{BREAK}")
    return _TO_BREAK.sub(rf"\g<0>{BREAK}", _TO_ESCAPE.sub(r"\\\g<0>", words))


def _as_meant(written: str) -> str:
    """The words again of which :func:`_plain` made this."""
    return _ESCAPED.sub(r"\1", written.replace(BREAK, ""))


def _annotation(start: int, end: int, article: Article) -> Record:
    place = {"start_index": start, "end_index": end, "url": article.url, "title": article.title}
    return {"type": "url_citation", "url_citation": place}


def _tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_A_TOKEN)


@dataclass(frozen=True, slots=True)
class Reply:
    """One completion, whole or as chunks of a stream."""

    with_usage: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, answer: Answer) -> Record:
        text = write(answer)
        message = {"role": "assistant", "content": text.content, "refusal": None, **text.extras()}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return self._record("chat.completion", [choice]) | {"usage": text.usage()}

    async def stream(self, updates: AsyncIterator[Update]) -> AsyncIterator[bytes]:
        """The role at once, then comments while the answer is made, then its text in pieces."""
        yield self._chunk({"role": "assistant", "content": ""})
        try:
            async for update in updates:
                if isinstance(update, Answer) and update.timings_ms:
                    for chunk in self._chunks(write(update)):
                        yield chunk
                else:
                    yield api_answering.STILL_HERE
        except Exception as error:
            yield _data(api_errors.failure_of(error).record)
        yield format_sse_event(data_str="[DONE]")

    def _chunks(self, text: Written) -> list[bytes]:
        chunks = [self._chunk({"content": piece}) for piece in text.pieces]
        chunks += [self._chunk(text.extras()), self._chunk({}, "stop")]
        if self.with_usage:
            chunks.append(
                _data(self._record("chat.completion.chunk", []) | {"usage": text.usage()})
            )
        return chunks

    def _chunk(self, delta: Record, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        record = self._record("chat.completion.chunk", [choice])
        return _data(record | {"usage": None} if self.with_usage else record)

    def _record(self, kind: str, choices: list[Record]) -> Record:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": MODEL,
            "choices": choices,
        }


def _data(record: Record) -> bytes:
    return format_sse_event(data_str=api_errors.written(record))
