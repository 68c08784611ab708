"""The HTTP API: searching, asking and the articles, and what speaks OpenAI's language.

An app of its own within the app of the chat, so that its errors, its limits and its OpenAPI
document are its own; the waiting line is the chat's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.sse import format_sse_event
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from qa import contract
from qa.doors import Keys
from qa.types import Answer
from qa.web import api_answering, api_articles, api_errors, completions
from qa.web import api_models as models
from qa.web.api_answering import Counter, Events, Update, Waiting
from qa.web.api_errors import Json
from qa.web.conversation import Chat
from qa.web.keys import Door
from qa.web.line import Line

PREFIXES = ("/api", "/v1")
SMALL = 1_000_000  # bytes of a body that carries a question
CONVERSATION = 20_000_000  # bytes of one with all before it; front ends send pictures once more
ENVELOPE = 1_000_000  # bytes that a form may have around its files

_ABOUT = (
    "Questions about a pile of articles; every sentence of an answer is cited, and each citation "
    "is `article.text[start:end] == quote`. What goes wrong is told as "
    '`{"error": {"message", "type", "param", "code"}}`.'
)


def build(chat: Chat, line: Line) -> FastAPI:
    """The API over what the chat works with. Raises SettingsError for a key that is too short."""
    settings = chat.library.settings
    counter = Counter(chat, line)
    secured = [
        Depends(HTTPBearer(auto_error=False)),
        Depends(APIKeyHeader(name="X-API-Key", auto_error=False)),
    ]
    app = FastAPI(
        title="cited-qa",
        version="1",
        description=_ABOUT,
        openapi_url="/api/openapi.json",
        docs_url=None,  # both load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        dependencies=secured if settings.api_keys else [],
    )
    Keys(settings.api_keys)  # a weak one is refused now, and not at the first request
    largest = settings.upload_mb * 1_000_000 + ENVELOPE

    most = {api_articles.PATH: largest, completions.PATH: CONVERSATION}
    app.add_middleware(Door, settings=settings, most_bytes=lambda path: most.get(path, SMALL))
    api_errors.install(app)
    for router in (_questions(counter), api_articles.routes(counter), completions.routes(counter)):
        app.include_router(router)
    return app


def is_within(path: str) -> bool:
    """Whether the API answers at this path, be it with an error."""
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in PREFIXES)


class Within(BaseRoute):
    """The route of the chat's app that leads to the API, whatever the method."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        is_ours = scope["type"] == "http" and is_within(scope["path"])
        return (Match.FULL if is_ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


# Questions


def _questions(counter: Counter) -> APIRouter:
    routes = APIRouter(
        tags=["questions"],
        responses=models.errors(),
        dependencies=[Depends(api_errors.known_parameters)],
    )
    library = counter.library

    async def found(asked: models.SearchRequest) -> Json:
        search = partial(library.search, asked.q, asked.k, asked.filters())
        return Json(contract.of_search(asked.q, await counter.read(search)))

    @routes.get("/api/search", response_model=models.SearchResult)
    async def search(
        q: Annotated[models.Question, Query(description="What to search for.")],
        k: Annotated[int, Query(ge=1, le=models.MOST_HITS, description="How many at most.")] = 10,
        publisher: Annotated[models.Names, Query(description="Only of these.")] = [],  # noqa: B006
        after: Annotated[models.Day | None, Query(description="From this day on.")] = None,
        before: Annotated[models.Day | None, Query(description="Up to this day.")] = None,
        article: Annotated[models.Names, Query(description="Only these ids.")] = [],  # noqa: B006
    ) -> Json:
        """The best passages, as of `qa search --json`."""
        asked = {"after": after, "before": before, "publishers": publisher, "articles": article}
        return await found(models.SearchRequest(q=q, k=k, **asked))  # type: ignore[arg-type]

    @routes.post("/api/search", response_model=models.SearchResult)
    async def search_for(asked: models.SearchRequest) -> Json:
        """The best passages, as of `qa search --json`."""
        return await found(asked)

    stream = models.event_stream("waiting", "answer", "done", "error")
    described = models.errors() | {200: {"model": models.AnswerResult, "content": stream}}

    @routes.post("/api/ask", response_model=None, responses=described)
    async def ask(asked: models.AskRequest, request: Request) -> Json | Events:
        """A cited answer, as of `qa ask --json`; or, with `stream` or where the client accepts
        `text/event-stream`, ever more complete ones: `waiting`, `answer`, `done` and `error`."""
        work = partial(library.stream, asked.question, asked.turns(), asked.filters())
        wanted = asked.stream
        if wanted or (wanted is None and models.EVENT_STREAM in request.headers.get("accept", "")):
            return await Events.begin(counter.line, work, _events)
        answer = await api_answering.final(request, counter.line, work)
        return Json(contract.of_answer(answer))

    return routes


async def _events(updates: AsyncIterator[Update]) -> AsyncIterator[bytes]:
    try:
        async for update in updates:
            yield _event(update)
    except Exception as error:
        yield _named("error", api_errors.failure_of(error).record)


def _event(update: Update) -> bytes:
    match update:
        case None:
            return api_answering.STILL_HERE
        case Waiting(position):
            return _named("waiting", {"position": position})
        case Answer(timings_ms=timings) if timings:
            return _named("done", contract.of_answer(update))
        case _:
            text = update.text if update.sentences else ""  # no refusal: it is not known yet
            growing = {"status": "working", "stage": update.stage, "text": text}
            return _named("answer", contract.of_answer(update) | growing)


def _named(name: str, record: contract.Record) -> bytes:
    return format_sse_event(event=name, data_str=api_errors.written(record))
