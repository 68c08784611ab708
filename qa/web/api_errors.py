"""What goes wrong in the HTTP API, in one shape: the one that OpenAI's clients read."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from qa.errors import InputError, LockedError, ModelError, QaError
from qa.web import logs
from qa.web.conversation import explain
from qa.web.languages import words
from qa.web.line import FullError

AGAIN = "5"  # seconds after which to try again
MOST_PROBLEMS = 5  # of a request that are told at once

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_MESSAGES = {
    404: "There is nothing at this address. See /api/openapi.json for what there is.",
    405: "This address does not take this method. See /api/openapi.json for what it takes.",
}


logger = logging.getLogger("qa.web")


class Json(Response):
    """JSON as the command line writes it; what is no UTF-8 becomes an escape."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return written(content).encode()


def written(content: Any) -> str:
    """JSON text in one line, which can be encoded."""
    text = json.dumps(content, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which an article made by a program can hold
        return json.dumps(content)
    return text


class Failure(Exception):  # noqa: N818
    """What the API answers in place of a result; ``more`` are further fields of the error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        kind = "invalid_request_error" if status < 500 else "server_error"
        self.record = {
            "error": {
                "message": message,
                "type": _TYPES.get(status, kind),
                "param": param,
                "code": code,
                **more,
            }
        }

    def response(self) -> Json:
        return Json(self.record, self.status, self.headers)


def failure_of(error: Exception) -> Failure:
    """The failure that an error becomes; one that nobody expected goes to the log with an id."""
    again = {"Retry-After": AGAIN}
    match error:
        case Failure():
            failure = error
        case FullError():
            message = "Too many questions are waiting. Try again in a moment."
            failure = Failure(503, message, code="line_full", headers=again)
        case LockedError():
            message = "Another process is writing to the library. Try again in a moment."
            failure = Failure(409, message, code="library_locked", headers=again)
            logger.warning("refused: %s", error)
        case InputError():
            failure = Failure(422, str(error))
        case QaError():
            failure = Failure(503, _logged(error), code="library_not_usable")
        case HTTPException():
            message = _MESSAGES.get(error.status_code, str(error.detail))
            failure = Failure(error.status_code, message, headers=error.headers)
        case _:
            failure = Failure(500, explain(error, words("en")))
    return failure


def _logged(error: QaError) -> str:
    """What a client may know: the message tells of paths and servers, and goes to the log."""
    key = logs.request_id()
    logger.error("error %s: %s", key, error)
    what = "A model" if isinstance(error, ModelError) else "The library"
    return f"{what} cannot be used now. The server's log tells more: {key}"


def install(app: FastAPI) -> None:
    """Has every failure of an app answered in the one shape."""

    async def answer(request: Request, error: Exception) -> Response:
        failure = failure_of(error)
        if failure.status == 422 and _is_openai(request):
            failure.status = 400  # what OpenAI's clients expect
        return failure.response()

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return await answer(request, _told(error))

    async def gone(request: Request, error: Exception) -> Response:
        del request, error
        return Response(status_code=499)  # nobody is there to read it

    for kind in (Failure, QaError, FullError, HTTPException):
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ClientDisconnect, gone)


def known_parameters(request: Request) -> None:
    """Raises Failure for a query parameter that there is not: it may be a filter, misspelt."""
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    for name in request.query_params:
        if name not in known:
            told = f"There is no such parameter. Known ones: {', '.join(sorted(known)) or 'none'}."
            raise Failure(422, told, param=name)


def _is_openai(request: Request) -> bool:
    return request.url.path.startswith("/v1/")


def _told(error: RequestValidationError) -> Failure:
    """What is wrong with a request, in a line; never what was sent, which may be anything."""
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return Failure(400, "The body is no JSON.", code="json_invalid")
    places = [".".join(map(str, problem["loc"][1:])) for problem in problems]
    told = [
        f"{place or 'body'}: {problem['msg'].removeprefix('Value error, ')}"
        for place, problem in zip(places, problems, strict=True)
    ]
    message = "; ".join(told[:MOST_PROBLEMS]).encode("utf-8", "replace").decode()
    param = places[0].encode("utf-8", "replace").decode()
    return Failure(422, f"{message}.", param=param or None)
